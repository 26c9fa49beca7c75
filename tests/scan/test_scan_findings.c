// SPDX-License-Identifier: BSD-3-Clause
// That no number of hits hides a graver one.
#include "tests/support/screened.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HITS 40 // more than there is room for
#define SCREENED "what somebody has announced"
#define OTHER "what somebody else has announced"
#define VIRUS "this is a virus that nobody has"

static char *make_mail(const char *last)
{
	char *mail = malloc(8192);
	size_t at;

	assert_non_null(mail);
	at = (size_t)snprintf(mail, 8192,
		"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n");
	for (int i = 0; i < HITS; i++)
		at += (size_t)snprintf(mail + at, 8192 - at, "--in\r\n\r\n" SCREENED "\r\n");
	(void)snprintf(mail + at, 8192 - at, "--in\r\n\r\n%s\r\n--in--\r\n", last);
	return mail;
}

static void check(const char *last, enum verdict verdict, enum screen_action action)
{
	struct screen_entry entries[] = {
		screened_entry(SCREEN_FILE, DIGEST_SHA256, SCREENED, sizeof(SCREENED) - 1),
		screened_entry(SCREEN_FILE, DIGEST_SHA256, OTHER, sizeof(OTHER) - 1)};
	struct scan_options options;
	struct scanner *scanner;
	struct screened rig;
	const struct scan_result *result;
	struct scan *scan;
	char *mail = make_mail(last);

	entries[1].action = SCREEN_ACTION_QUARANTINE;
	screened_init(&rig, entries, 2);
	scan_options_init(&options);
	options.max_messages = 1;
	assert_int_equal(scanner_new(&options, rig.ruleset, &scanner), 0);
	assert_int_equal(scan_begin(scanner, SCAN_MESSAGE, &scan), 0);
	scan_feed(scan, (const uint8_t *)mail, strlen(mail));
	result = scan_end(scan);
	assert_int_equal(result->verdict, verdict);
	assert_true(result->matches_count < HITS);
	assert_int_equal(scan_screen_action(result, true), action);
	scan_free(scan);
	scanner_free(scanner);
	screened_fini(&rig);
	free(mail);
}

static void many_hits_do_not_hide_one_that_decides_more(void **state)
{
	(void)state;
	check("nothing", VERDICT_SUSPECT, SCREEN_ACTION_DEFAULT);
	check(OTHER, VERDICT_SUSPECT, SCREEN_ACTION_QUARANTINE);
	check(VIRUS, VERDICT_INFECTED, SCREEN_ACTION_DEFAULT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_hits_do_not_hide_one_that_decides_more),
	};

	return cmocka_run_group_tests(tests, screened_setup, screened_teardown);
}
