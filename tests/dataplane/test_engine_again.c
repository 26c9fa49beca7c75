// SPDX-License-Identifier: BSD-3-Clause
// Messages in progress when the rules change are judged again, from their copies, by the new ones: their
// end waits, whatever happens meanwhile.
#include "dataplane/deferral.h"
#include "dataplane/seal.h"
#include "tests/support/unit.h"
#include "tests/support/world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OLD "old-virus"
#define NEW "new-virus"
// The same texts in hexadecimal.
#define OLD_RULES "Test.Old:0:*:6f6c642d7669727573\n"
#define NEW_RULES OLD_RULES "Test.New:0:*:6e65772d7669727573\n"
#define HEADER "Subject: again\r\n\r\n"
#define MANY 20

static struct world world;
static struct ruleset *others[MANY];
static void *images[MANY];
static uint32_t idle;

static void begin_with(uint64_t seed, uint32_t work_ms, enum policy_action infected)
{
	struct engine_options options;

	engine_options_init(&options);
	options.max_connections = 64;
	options.max_half_open = 16;
	options.max_pages = 4096;
	options.max_deferred = 4;
	options.scan.max_messages = 8;
	options.scan.has_helper = true;
	options.policy[DIRECTION_INBOUND].infected = infected;
	world_init(&world, &options, 4, OLD_RULES, seed);
	world.work_ms = work_ms;
	memset(others, 0, sizeof(others));
	memset(images, 0, sizeof(images));
	idle = 0;
}

static void begin(uint32_t work_ms)
{
	begin_with(1, work_ms, POLICY_REJECT);
}

static void collect(void)
{
	struct scanner *scanner;

	while ((scanner = engine_take_idle_scanner(world.engine)) != NULL) {
		assert_int_equal(scanner_in_progress(scanner), 0);
		assert_false(deferral_uses(world.engine, scanner));
		scanner_free(scanner);
		idle++;
	}
}

static void swap(uint32_t number, const char *rules)
{
	struct scanner *scanner;

	others[number] = world_make_ruleset(rules, &images[number]);
	assert_int_equal(scanner_new(&world.options.scan, others[number], &scanner), 0);
	assert_true(engine_has_room_for_scanner(world.engine));
	engine_set_scanner(world.engine, scanner);
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

// The end of data was sent, and the other thread has something.
static bool is_deferred(struct world *w, uint32_t value)
{
	return engine_deferred(w->engine) >= value;
}

static void end_body(void)
{
	static const char end[] = "and more\r\n.\r\n";

	peer_write(&world.client, end, strlen(end));
	assert_true(world_run(&world, is_deferred, 1, 60000));
}

static bool has_replies(struct world *w, uint32_t value)
{
	return w->replies_count >= value;
}

static void await_reply(const char *code)
{
	assert_true(world_run(&world, has_replies, 6, 120000));
	assert_memory_equal(world_last_reply(&world), code, 3);
	world_pass(&world, 1000);
}

static void check_record(enum verdict verdict, const char *action, const char *reason)
{
	assert_int_equal(world.records_count, 1);
	assert_int_equal(world.records[0].verdict, verdict);
	assert_string_equal(world.records[0].action, action);
	assert_string_equal(world.records[0].reason, reason);
}

static void all_is_given_back(uint32_t swaps)
{
	world_pass(&world, 100 + 2 * world.work_ms);
	assert_int_equal(engine_deferred(world.engine), 0);
	collect();
	assert_int_equal(idle, swaps);
	assert_int_equal(world.sink.open, 0);
	finish();
}

// ---- verdicts ------------------------------------------------------------------------------------

static void what_the_new_rules_let_pass_is_delivered(void **state)
{
	(void)state;
	begin(3000);
	begin_body(HEADER "clean\r\n");
	swap(0, NEW_RULES);
	end_body();
	world_pass(&world, 2900);
	assert_int_equal(world.mails_count, 0);
	collect();
	assert_int_equal(idle, 0);
	await_reply("250");
	assert_int_equal(world.mails_count, 1);
	assert_string_equal((const char *)world.mails[0].data, HEADER "clean\r\nand more\r\n");
	check_record(VERDICT_CLEAN, "deliver", "");
	assert_string_equal(world.records[0].subject, "again");
	assert_int_equal(world.sink.reads, 1);
	all_is_given_back(1);
}

static void what_the_new_rules_find_is_refused(void **state)
{
	(void)state;
	begin(3000);
	begin_body(HEADER NEW "\r\n");
	swap(0, NEW_RULES);
	end_body();
	await_reply("554");
	assert_int_equal(world.mails_count, 0);
	check_record(VERDICT_INFECTED, "reject", "signature");
	assert_string_equal(world.records[0].signature, "Test.New");
	all_is_given_back(1);
}

static void what_the_new_rules_find_may_be_kept(void **state)
{
	(void)state;
	begin_with(1, 3000, POLICY_QUARANTINE);
	begin_body(HEADER NEW "\r\n");
	swap(0, NEW_RULES);
	end_body();
	await_reply("250");
	assert_int_equal(world.mails_count, 0);
	assert_int_equal(world.sink.count, 1);
	assert_int_equal(world.sink.records[0].bytes, strlen(HEADER NEW "\r\nand more\r\n"));
	assert_string_equal(world.sink.records[0].signature, "Test.New");
	check_record(VERDICT_INFECTED, "quarantine", "signature");
	all_is_given_back(1);
}

static void what_the_old_rules_find_needs_no_other_verdict(void **state)
{
	(void)state;
	begin(3000);
	begin_body(HEADER OLD "\r\n");
	swap(0, NEW_RULES);
	assert_true(world_say(&world, "and more\r\n.\r\n", 1));
	assert_memory_equal(world_last_reply(&world), "554", 3);
	world_pass(&world, 1000);
	assert_int_equal(world.sink.reads, 0);
	all_is_given_back(1);
}

static void a_chunk_and_all_that_loss_can_do_change_nothing(void **state)
{
	static const char body[] = HEADER "clean\r\nand more\r\n";

	(void)state;
	for (uint32_t seed = 1; seed <= 20; seed++) {
		begin_with(seed, 50, POLICY_REJECT);
		world.faults = (struct world_faults){60, 60, 1000, 4000};
		begin_body(HEADER "clean\r\n");
		swap(0, NEW_RULES);
		world_pass(&world, seed * 7);
		assert_true(world_say(&world, "and more\r\n.\r\n", 1));
		assert_memory_equal(world_last_reply(&world), "250", 3);
		assert_int_equal(world.mails_count, 1);
		assert_string_equal((const char *)world.mails[0].data, body);
		assert_int_equal(world.sink.reads, 1);
		assert_true(world_mail(&world, HEADER NEW "\r\n.\r\n"));
		assert_memory_equal(world_last_reply(&world), "554", 3);
		assert_int_equal(world.sink.reads, 1);
		all_is_given_back(1);
	}
}

// ---- what cannot be judged -------------------------------------------------------------------------

static void without_a_copy_it_is_put_off(void **state)
{
	(void)state;
	begin(3000);
	world.sink.max_bytes = 20;
	begin_body(HEADER "clean\r\n");
	swap(0, NEW_RULES);
	assert_true(world_say(&world, "and more\r\n.\r\n", 1));
	assert_memory_equal(world_last_reply(&world), "451", 3);
	check_record(VERDICT_UNSCANNABLE, "tempfail", "rules-changed");
	all_is_given_back(1);
}

static void what_cannot_be_read_back_is_put_off(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		begin(100);
		begin_body(HEADER "clean\r\n");
		swap(0, NEW_RULES);
		world.sink.recall_polls = i == 1 ? 100 : 0;
		world.sink.recall_error = i < 2 ? -EIO : 0;
		world.sink.read_error = -EIO;
		assert_true(world_say(&world, "and more\r\n.\r\n", 1));
		assert_memory_equal(world_last_reply(&world), "451", 3);
		world_pass(&world, 1000);
		check_record(VERDICT_UNSCANNABLE, "tempfail", "rules-changed");
		assert_int_equal(world.mails_count, 0);
		all_is_given_back(1);
	}
}

static void what_takes_too_long_is_put_off(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		begin(60000);
		world.work_is_begun = i == 1;
		world.sink.recall_polls = i == 2 ? UINT32_MAX : 0;
		begin_body(HEADER "clean\r\n");
		swap(0, NEW_RULES);
		end_body();
		world_pass(&world, 29000);
		assert_int_equal(world.replies_count, 5);
		await_reply("451");
		check_record(VERDICT_UNSCANNABLE, "tempfail", "rules-changed");
		assert_int_equal(engine_deferred(world.engine), i < 2);
		all_is_given_back(1);
	}
}

// ---- meanwhile -------------------------------------------------------------------------------------

static void a_copy_may_be_late(void **state)
{
	(void)state;
	begin(10);
	world.sink.recall_polls = 500;
	begin_body(HEADER "clean\r\n");
	swap(0, NEW_RULES);
	end_body();
	await_reply("250");
	assert_int_equal(world.sink.recall_polls, 0);
	all_is_given_back(1);
}

static void rules_may_change_once_more(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		begin(2000);
		world.work_is_begun = i > 0;
		begin_body(HEADER NEW "\r\n");
		swap(0, OLD_RULES);
		end_body();
		world_pass(&world, 1000);
		swap(1, NEW_RULES);
		if (i == 2) {
			world_pass(&world, 2000);
			swap(2, NEW_RULES);
		}
		await_reply("554");
		assert_string_equal(world.records[0].signature, "Test.New");
		assert_int_equal(world.mails_count, 0);
		all_is_given_back(i == 2 ? 3 : 2);
	}
}

static void rules_that_never_stand_still_put_it_off(void **state)
{
	uint32_t swaps = 1;

	(void)state;
	begin(2000);
	begin_body(HEADER "clean\r\n");
	swap(0, NEW_RULES);
	end_body();
	for (; swaps < MANY && world.replies_count < 6; swaps++) {
		world_pass(&world, 1900);
		swap(swaps, NEW_RULES);
		collect();
	}
	await_reply("451");
	check_record(VERDICT_UNSCANNABLE, "tempfail", "rules-changed");
	assert_true(world.now_ns > 30000000000ull);
	all_is_given_back(swaps);
}

static void all_rules_may_be_in_use(void **state)
{
	uint32_t swaps = 0;

	(void)state;
	begin(2000);
	begin_body(HEADER "clean\r\n");
	// Not collected: as if each of them were in use.
	for (; swaps < ENGINE_SCANNERS - 1; swaps++)
		swap(swaps, NEW_RULES);
	assert_false(engine_has_room_for_scanner(world.engine));
	collect();
	assert_int_equal(idle, swaps);
	swap(swaps++, NEW_RULES);
	end_body();
	await_reply("250");
	check_record(VERDICT_CLEAN, "deliver", "");
	all_is_given_back(swaps);
}

static void a_seal_that_comes_meanwhile_keeps_it(void **state)
{
	struct engine_seals *seals = calloc(1, sizeof(*seals) + sizeof(struct seal));

	(void)state;
	assert_non_null(seals);
	seals->count = 1;
	seals->seals[0].mode = SEAL_HOLD;
	seals->seals[0].directions = SEAL_INBOUND | SEAL_OUTBOUND;
	begin(2000);
	begin_body(HEADER "clean\r\n");
	swap(0, NEW_RULES);
	end_body();
	world_pass(&world, 1000);
	engine_set_seals(world.engine, seals);
	await_reply("250");
	assert_int_equal(world.mails_count, 0);
	assert_int_equal(world.sink.count, 1);
	all_is_given_back(1);
	free(seals);
}

static void a_client_that_resets_leaves_its_copy_behind(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		begin(20000);
		world.sink.recall_polls = i == 1 ? UINT32_MAX : 0;
		begin_body(HEADER "clean\r\n");
		swap(0, NEW_RULES);
		end_body();
		peer_abort(&world.client, world.now_ns);
		world_pass(&world, 15000);
		check_record(VERDICT_INCOMPLETE, "none", "aborted");
		assert_int_equal(world.sink.open, i == 0);
		assert_int_equal(world.mails_count, 0);
		all_is_given_back(1);
	}
}

static void an_engine_may_stop_meanwhile(void **state)
{
	(void)state;
	begin(5000);
	begin_body(HEADER "clean\r\n");
	swap(0, NEW_RULES);
	end_body();
	world_restart(&world);
	assert_int_equal(world.sink.open, 0);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_new_rules_let_pass_is_delivered),
		cmocka_unit_test(what_the_new_rules_find_is_refused),
		cmocka_unit_test(what_the_new_rules_find_may_be_kept),
		cmocka_unit_test(what_the_old_rules_find_needs_no_other_verdict),
		cmocka_unit_test(a_chunk_and_all_that_loss_can_do_change_nothing),
		cmocka_unit_test(without_a_copy_it_is_put_off),
		cmocka_unit_test(what_cannot_be_read_back_is_put_off),
		cmocka_unit_test(what_takes_too_long_is_put_off),
		cmocka_unit_test(a_copy_may_be_late),
		cmocka_unit_test(rules_may_change_once_more),
		cmocka_unit_test(rules_that_never_stand_still_put_it_off),
		cmocka_unit_test(all_rules_may_be_in_use),
		cmocka_unit_test(a_seal_that_comes_meanwhile_keeps_it),
		cmocka_unit_test(a_client_that_resets_leaves_its_copy_behind),
		cmocka_unit_test(an_engine_may_stop_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
