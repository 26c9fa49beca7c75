// SPDX-License-Identifier: BSD-3-Clause
// Rules that change while mail passes: what begins afterwards is judged by the new ones, what is in
// progress is never let through by rules that are not in force any more.
#include "tests/support/unit.h"
#include "tests/support/world.h"

#include <stdlib.h>
#include <string.h>

#define OLD "old-virus"
#define NEW "new-virus"
// The same texts in hexadecimal.
#define OLD_RULES "Test.Old:0:*:6f6c642d7669727573\n"
#define NEW_RULES OLD_RULES "Test.New:0:*:6e65772d7669727573\n"
#define HEADER "Subject: x\r\n\r\n"
#define MANY 20

static struct world world;
static struct ruleset *others[MANY];
static void *images[MANY];
static struct scanner *scanners[MANY];
static uint32_t idle;

static void begin(void)
{
	struct engine_options options;

	engine_options_init(&options);
	options.max_connections = 64;
	options.max_half_open = 16;
	options.max_pages = 4096;
	options.scan.max_messages = 4;
	options.policy[DIRECTION_INBOUND].unscannable = POLICY_DELIVER;
	world_init(&world, &options, 4, OLD_RULES, 1);
	memset(others, 0, sizeof(others));
	memset(images, 0, sizeof(images));
	idle = 0;
}

static void collect(void)
{
	struct scanner *scanner;

	while ((scanner = engine_take_idle_scanner(world.engine)) != NULL) {
		assert_int_equal(scanner_in_progress(scanner), 0);
		scanner_free(scanner);
		idle++;
	}
}

static void swap(uint32_t number, const char *rules)
{
	others[number] = world_make_ruleset(rules, &images[number]);
	assert_int_equal(scanner_new(&world.options.scan, others[number], &scanners[number]), 0);
	assert_true(engine_has_room_for_scanner(world.engine));
	engine_set_scanner(world.engine, scanners[number]);
	assert_int_equal(
		engine_message_bytes(world.engine), scanner_message_bytes(scanners[number]));
}

static void finish(void)
{
	world_fini(&world);
	for (uint32_t i = 0; i < MANY; i++) {
		if (others[i] != NULL)
			ruleset_close(others[i]);
		free(images[i]);
	}
}

static void begin_body(const char *text)
{
	assert_true(world_connect(&world));
	assert_true(world_say(&world, "EHLO c\r\n", 1));
	assert_true(world_say(&world, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n", 3));
	assert_true(world_say(&world, text, 0));
}

static const struct world_record *last_record(void)
{
	assert_true(world.records_count > 0);
	return &world.records[world.records_count - 1];
}

static void the_next_mail_is_judged_by_the_new_rules(void **state)
{
	(void)state;
	begin();
	assert_true(world_connect(&world));
	assert_true(world_say(&world, "EHLO c\r\n", 1));
	assert_true(world_mail(&world, HEADER NEW "\r\n.\r\n"));
	assert_int_equal(strncmp(world_last_reply(&world), "250", 3), 0);
	swap(0, NEW_RULES);
	collect();
	assert_int_equal(idle, 1);
	assert_true(world_mail(&world, HEADER NEW "\r\n.\r\n"));
	assert_int_equal(strncmp(world_last_reply(&world), "554", 3), 0);
	world_pass(&world, 1000);
	assert_int_equal(world.mails_count, 1);
	assert_string_equal(last_record()->signature, "Test.New");
	finish();
}

static void what_old_rules_would_let_pass_is_put_off(void **state)
{
	(void)state;
	begin();
	begin_body(HEADER NEW "\r\n");
	swap(0, NEW_RULES);
	collect();
	assert_int_equal(idle, 0);
	assert_true(world_say(&world, "and more\r\n.\r\n", 1));
	assert_int_equal(strncmp(world_last_reply(&world), "451", 3), 0);
	world_pass(&world, 1000);
	assert_int_equal(world.mails_count, 0);
	assert_int_equal(last_record()->verdict, VERDICT_UNSCANNABLE);
	assert_string_equal(last_record()->reason, "rules-changed");
	assert_string_equal(last_record()->action, "tempfail");
	collect();
	assert_int_equal(idle, 1);
	finish();
}

static void what_old_rules_find_is_refused(void **state)
{
	(void)state;
	begin();
	begin_body(HEADER OLD "\r\n");
	swap(0, NEW_RULES);
	assert_true(world_say(&world, "and more\r\n.\r\n", 1));
	assert_int_equal(strncmp(world_last_reply(&world), "554", 3), 0);
	world_pass(&world, 1000);
	assert_int_equal(world.mails_count, 0);
	assert_string_equal(last_record()->signature, "Test.Old");
	collect();
	assert_int_equal(idle, 1);
	finish();
}

static void a_slow_message_does_not_keep_all_rules_for_ever(void **state)
{
	(void)state;
	begin();
	begin_body(HEADER "slow\r\n");
	for (uint32_t i = 0; i < MANY; i++) {
		swap(i, NEW_RULES);
		// Nothing is idle but what no message is on: at most the first is in use.
		collect();
		assert_true(idle >= i);
	}
	assert_true(world_say(&world, "and more\r\n.\r\n", 1));
	assert_int_equal(strncmp(world_last_reply(&world), "451", 3), 0);
	world_pass(&world, 1000);
	collect();
	assert_int_equal(idle, MANY);
	finish();
}

static void when_too_many_are_in_use_the_oldest_message_gives_way(void **state)
{
	(void)state;
	begin();
	begin_body(HEADER "slow\r\n");
	// Not collected: as if each of them were in use.
	for (uint32_t i = 0; i < ENGINE_SCANNERS - 1; i++)
		swap(i, NEW_RULES);
	assert_int_equal(idle, 0);
	// Nothing has been given back, but the message is not on the oldest any more.
	(void)engine_has_room_for_scanner(world.engine);
	collect();
	assert_int_equal(idle, ENGINE_SCANNERS - 1);
	assert_true(world_say(&world, "and more\r\n.\r\n", 1));
	assert_int_equal(strncmp(world_last_reply(&world), "451", 3), 0);
	world_pass(&world, 1000);
	assert_string_equal(last_record()->reason, "rules-changed");
	assert_int_equal(world.mails_count, 0);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_mail_is_judged_by_the_new_rules),
		cmocka_unit_test(what_old_rules_would_let_pass_is_put_off),
		cmocka_unit_test(what_old_rules_find_is_refused),
		cmocka_unit_test(a_slow_message_does_not_keep_all_rules_for_ever),
		cmocka_unit_test(when_too_many_are_in_use_the_oldest_message_gives_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
