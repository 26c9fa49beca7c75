// SPDX-License-Identifier: BSD-3-Clause
// Envelopes of any size that a standard allows are kept whole; of what is larger the sender is told why.
#include "tests/support/sealed.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char text[20000];
static char address[6000];
static char params[6000];

static void fill(char *out, const char *prefix, char c, size_t n, const char *suffix)
{
	size_t at = (size_t)snprintf(out, 6000, "%s", prefix);

	memset(out + at, c, n);
	(void)snprintf(out + at + n, 6000 - at - n, "%s", suffix);
}

static void say_envelope(void)
{
	sealed_begin(1);
	sealed_connect();
	(void)sealed_on(SEAL_HOLD);
	(void)snprintf(text, sizeof(text), "MAIL FROM:<a@x>\r\nRCPT TO:<%s>%s%s\r\n", address,
		params[0] != '\0' ? " " : "", params);
	assert_true(world_say(&world, text, 2));
	assert_true(world_say(&world, "DATA\r\n", 1));
	assert_true(world_say(&world, SEALED_MAIL, 1));
}

static void check_kept(void)
{
	const struct sink_record *record = &world.sink.records[0];

	say_envelope();
	assert_string_equal(world_last_reply(&world), "250 2.0.0 Ok: queued");
	assert_int_equal(world.sink.count, 1);
	assert_string_equal(record->rcpt_to[0], address);
	assert_string_equal(record->rcpt_params[0], params);
	sealed_quit();
	sealed_finish();
}

static void what_the_extensions_allow_is_kept(void **state)
{
	(void)state;
	fill(address, "", 'b', 64, "@example.com");
	fill(params, "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;", 'o', 493, "");
	check_kept();
	// A path of 256 bytes, and one of as many as a local part and a domain may have.
	fill(address, "", 'b', 244, "@example.com");
	check_kept();
	fill(address, "", 'b', 64, "@");
	fill(address + 65, "", 'd', 255, "");
	check_kept();
}

static void every_length_up_to_the_limit_is_kept(void **state)
{
	(void)state;
	for (size_t n = 1; n <= 1000; n += n < 30 || n > 970 ? 1 : 53) {
		fill(address, "", 'b', n, "@y");
		fill(params, "ORCPT=", 'o', 1000 - n, "");
		check_kept();
	}
}

// U+00E9, twelve of them a name.
static void local_parts_beyond_ascii_are_kept(void **state)
{
	(void)state;
	params[0] = '\0';
	for (size_t n = 1; n <= 400; n += 57) {
		for (size_t i = 0; i < n; i++) {
			address[2 * i] = '\xc3';
			address[2 * i + 1] = '\xa9';
		}
		memcpy(address + 2 * n, "@y", 3);
		check_kept();
	}
	// What is no UTF-8 is kept as it was sent.
	fill(address, "", '\xe9', 700, "@y");
	check_kept();
}

static void what_is_larger_is_put_off_with_its_reason(void **state)
{
	(void)state;
	fill(address, "", 'b', 1025, "@y");
	fill(params, "ORCPT=", 'o', 1020, "");
	say_envelope();
	assert_string_equal(world_last_reply(&world),
		"451 4.7.1 Message not accepted now, try again later: envelope-size");
	assert_int_equal(world.sink.count, 0);
	assert_int_equal(world.mails_count, 0);
	assert_string_equal(world.records[0].reason, "envelope-size");
	sealed_quit();
	sealed_finish();
}

static void without_a_seal_the_size_is_the_servers_business(void **state)
{
	(void)state;
	fill(address, "", 'b', 3000, "@y");
	sealed_begin(1);
	sealed_connect();
	(void)snprintf(text, sizeof(text), "MAIL FROM:<a@x>\r\nRCPT TO:<%s>\r\n", address);
	assert_true(world_say(&world, text, 2));
	assert_true(world_say(&world, "DATA\r\n", 1));
	assert_true(world_say(&world, SEALED_MAIL, 1));
	assert_memory_equal(world_last_reply(&world), "250", 3);
	assert_int_equal(world.mails_count, 1);
	sealed_quit();
	sealed_finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_extensions_allow_is_kept),
		cmocka_unit_test(every_length_up_to_the_limit_is_kept),
		cmocka_unit_test(local_parts_beyond_ascii_are_kept),
		cmocka_unit_test(what_is_larger_is_put_off_with_its_reason),
		cmocka_unit_test(without_a_seal_the_size_is_the_servers_business),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
