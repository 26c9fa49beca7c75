// SPDX-License-Identifier: BSD-3-Clause
// What a client asked for with MAIL and RCPT, as it is said to a server later on.
#include "control/deliver_params.h"
#include "tests/support/unit.h"

#include <string.h>

#define KEYWORDS                                                                                   \
	"mx.example\n8BITMIME\nMT-PRIORITY MIXER\nfuturerelease 86400 "                            \
	"2030-01-01T00:00:00Z\nDELIVERBY 60\n"
#define REST "DSN\nRRVS\r\nXVERP\nSIZE 100\nAUTH PLAIN"
#define NOW_S 1798761600 // 2027-01-01T00:00:00Z

static struct deliver_params how;
static char out[256];

static const char *choose(const char *keywords, const char *params)
{
	how = (struct deliver_params){
		.keywords = keywords, .has_plain_lines = true, .now_s = NOW_S, .waited_s = 100};
	return deliver_params_choose(&how, params, out, sizeof(out));
}

static void what_the_server_offers_is_said_again(void **state)
{
	static const char *const as_given[] = {"BODY=8BITMIME", "MT-PRIORITY=4", "mt-priority=-9",
		"RET=HDRS ENVID=a+2Bb", "NOTIFY=NEVER ORCPT=rfc822;a+2Bb@c", "XVERP",
		"XVERP=+=", "RRVS=2014-04-03T23:01:00Z;C", "AUTH=<>",
		"HOLDUNTIL=2027-01-01T00:00:01Z", "HOLDUNTIL=2026-12-31T23:00:01-01:00",
		"HOLDUNTIL=soon", "HOLDFOR=", "HOLDFOR= XVERP", "BY= RRVS=5;R", "BY=;R", "BY"};

	(void)state;
	for (size_t i = 0; i < sizeof(as_given) / sizeof(as_given[0]); i++) {
		assert_null(choose(KEYWORDS REST, as_given[i]));
		assert_string_equal(out + 1, as_given[i]);
		assert_int_equal(out[0], ' ');
	}
}

static void what_it_does_not_is_left_out(void **state)
{
	static const char *const left_out[] = {"", " ", "SIZE=99", "size=99", "MT-PRIORIT=4",
		"MT-PRIORITYX=4", "=", "=4", "mx.exampl", "MTRK=x:y", "BODY=BINARYMIME"};

	(void)state;
	for (size_t i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++) {
		assert_null(choose(KEYWORDS REST, left_out[i]));
		assert_string_equal(out, "");
		assert_null(choose(NULL, left_out[i]));
		assert_string_equal(out, "");
	}
	assert_null(choose(
		"mx.example\nSIZE\n", "MT-PRIORITY=4  BODY=8BITMIME HOLDFOR=900 BY=1;R XVERP"));
	assert_string_equal(out, "");
	assert_null(choose(KEYWORDS REST, " SIZE=1  XVERP MTRK=x  RET=FULL "));
	assert_string_equal(out, " XVERP RET=FULL");
}

static void what_counts_from_the_arrival_is_less_by_the_time_held(void **state)
{
	static const struct {
		const char *given;
		const char *said; // NULL: it does not go
	} cases[] = {
		{"HOLDFOR=101", " HOLDFOR=1"},
		{"HOLDFOR=100", ""},
		{"HOLDUNTIL=2027-01-01T00:00:00Z", ""},
		{"HOLDUNTIL=2027-01-01T00:30:00+01:00", ""},
		{"by=120;R", " BY=20;R"},
		{"BY=101;rt", " BY=1;rt"},
		{"BY=100;R", NULL},
		{"BY=-1;RT", NULL},
		{"BY=120;N", " BY=20;N"},
		{"BY=-999999999;NT", " BY=-999999999;NT"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *refusal = choose(KEYWORDS REST, cases[i].given);

		assert_int_equal(refusal != NULL, cases[i].said == NULL);
		if (cases[i].said != NULL)
			assert_string_equal(out, cases[i].said);
		else
			assert_memory_equal(refusal, "5.4.7 ", 6);
	}
}

// What has no room is left out whole, and nothing is written behind the room.
static void what_has_no_room_is_left_out_whole(void **state)
{
	(void)state;
	for (size_t room = 1; room < 80; room++) {
		memset(out, 'x', sizeof(out));
		how = (struct deliver_params){.keywords = KEYWORDS REST, .waited_s = 100};
		assert_null(
			deliver_params_choose(&how, "BY=-99;N RET=HDRS MT-PRIORITY=4", out, room));
		assert_true(strlen(out) < room);
		assert_int_equal(out[room], 'x');
		for (const char *at = out; *at != '\0'; at += 1 + strcspn(at + 1, " "))
			assert_true(strncmp(at, " BY=-199;N", 10) == 0 ||
				    strncmp(at, " RET=HDRS", 9) == 0 ||
				    strncmp(at, " MT-PRIORITY=4", 14) == 0);
	}
}

static void binary_mail_needs_chunks(void **state)
{
	(void)state;
	assert_null(choose(KEYWORDS "BINARYMIME\nCHUNKING", "BODY=BINARYMIME"));
	assert_string_equal(out, " BODY=BINARYMIME");
	assert_true(how.is_binary);
	how = (struct deliver_params){.keywords = KEYWORDS "BINARYMIME"};
	assert_non_null(deliver_params_choose(&how, "body=binarymime", out, sizeof(out)));
	assert_non_null(choose(KEYWORDS, "SMTPUTF8"));
	assert_null(choose(KEYWORDS "SMTPUTF8", "SMTPUTF8"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_server_offers_is_said_again),
		cmocka_unit_test(what_it_does_not_is_left_out),
		cmocka_unit_test(what_counts_from_the_arrival_is_less_by_the_time_held),
		cmocka_unit_test(what_has_no_room_is_left_out_whole),
		cmocka_unit_test(binary_mail_needs_chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
