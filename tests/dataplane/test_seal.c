// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/seal.h"
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>

#define SEALS 3

static union {
	struct engine_seals head;
	uint8_t room[sizeof(struct engine_seals) + SEALS * sizeof(struct seal)];
} snapshot;

static const char *const recipients[] = {"b@example.com", "Chief@Example.com"};
static struct scan_part parts[] = {
	{.detected_type = "pe", .filename = "Invoice.EXE"},
	{.detected_type = "zip", .filename = "a.zip"},
};
static struct scan_result scan;
static struct seal_mail mail;

static struct seal *begin(uint32_t count)
{
	memset(&snapshot, 0, sizeof(snapshot));
	snapshot.head.count = count;
	for (uint32_t i = 0; i < count; i++) {
		snapshot.head.seals[i].mode = SEAL_HOLD;
		snapshot.head.seals[i].directions = SEAL_INBOUND | SEAL_OUTBOUND;
	}
	scan = (struct scan_result){.verdict = VERDICT_CLEAN,
		.parts = parts,
		.parts_count = 2,
		.subject = "Your invoice",
		.message_id = ""};
	mail = (struct seal_mail){.direction = DIRECTION_INBOUND,
		.mail_from = "a@example.org",
		.rcpt_to = recipients,
		.rcpt_to_count = 2};
	return snapshot.head.seals;
}

static struct seal_decision decide(void)
{
	struct seal_decision decision;

	seal_decide(&snapshot.head, &mail, &decision);
	return decision;
}

static void expect(enum seal_mode mode, bool certain)
{
	struct seal_decision decision = decide();

	assert_int_equal(decision.mode, mode);
	assert_int_equal(decision.certain, certain);
}

static void without_a_seal_nothing_is_covered(void **state)
{
	struct seal_decision decision;

	(void)state;
	(void)begin(0);
	expect(SEAL_OPEN, true);
	seal_decide(NULL, &mail, &decision);
	assert_int_equal(decision.mode, SEAL_OPEN);
	assert_string_equal(decision.virus_id, "");
}

static void a_seal_without_a_scope_covers_its_directions(void **state)
{
	struct seal *seal;

	(void)state;
	seal = begin(1);
	expect(SEAL_HOLD, true);
	seal->directions = SEAL_OUTBOUND;
	expect(SEAL_OPEN, true);
	mail.direction = DIRECTION_OUTBOUND;
	expect(SEAL_HOLD, true);
}

static void patterns_know_star_and_question_mark_and_no_case(void **state)
{
	static const struct {
		const char *pattern;
		const char *text;
		bool matches;
	} cases[] = {
		{"", "", true},
		{"*", "", true},
		{"?", "", false},
		{"a", "", false},
		{"", "a", false},
		{"*@example.org", "A@EXAMPLE.ORG", true},
		{"*@example.org", "a@example.org.x", false},
		{"*.ex?", "a.b.EXE", true},
		{"*.ex?", "a.ex", false},
		{"a*b*c", "a-b-b-c", true},
		{"a*b*c", "a-c-b", false},
		{"**", "abc", true},
		{"*a", "aaaaaaaaab", false},
		{"a\xc3?", "A\xc3\xa4", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
			seal_pattern_matches(cases[i].pattern, cases[i].text), cases[i].matches);
}

static void an_address_is_covered_however_it_is_written(void **state)
{
	static const struct {
		const char *address;
		bool is_meant;
	} cases[] = {
		{"chief.x@example.com", true},
		{"\"chief.x\"@example.com", true},
		{"\"Chief\".x@EXAMPLE.com", true},
		{"chief\\.x@example.com", true},
		{"\"ch\\ief.x\"@example.com", true},
		{"chief.x@example.com.", true},
		{"chief(a (b) \\) c).x@example.com", true},
		{"chief . x @example.com(", true},
		{"chief.x(@example.com", false},
		{"\"chief. x\"@example.com", false},
		{"\"chief.x(a)\"@example.com", false},
		{"xchief.x@example.com", false},
		{"chief.x@example.com\\", false},
		{"", false},
		{"\"", false},
	};
	static char endless[5000];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *list[] = {cases[i].address};
		struct seal *seal = begin(1);

		strcpy(seal->sender, "chief.?@example.com");
		mail.mail_from = cases[i].address;
		expect(cases[i].is_meant ? SEAL_HOLD : SEAL_OPEN, true);
		seal = begin(1);
		strcpy(seal->recipient, "chief.?@example.com");
		mail.rcpt_to = list;
		mail.rcpt_to_count = 1;
		expect(cases[i].is_meant ? SEAL_HOLD : SEAL_OPEN, true);
	}
	memset(endless, '"', sizeof(endless) - 1);
	strcpy(begin(1)->sender, "a@b");
	memset(endless + 10, 'a', sizeof(endless) - 11);
	mail.mail_from = endless;
	expect(SEAL_HOLD, true);
}

static void what_another_reader_sees_otherwise_is_covered(void **state)
{
	struct seal *seal;

	(void)state;
	seal = begin(1);
	strcpy(seal->subject, "*rechnung*");
	mail.scan = &scan;
	expect(SEAL_OPEN, true);
	scan.unclear_subject = true;
	expect(SEAL_HOLD, false);
	seal = begin(1);
	strcpy(seal->name, "*.scr");
	mail.scan = &scan;
	expect(SEAL_OPEN, true);
	scan.unclear_names = true;
	expect(SEAL_HOLD, false);
	seal->name[0] = '\0';
	strcpy(seal->file_type, "rar");
	expect(SEAL_OPEN, true);
}

static void sender_and_recipient_are_known_before_the_body(void **state)
{
	struct seal *seal;

	(void)state;
	seal = begin(1);
	strcpy(seal->sender, "*@example.org");
	expect(SEAL_HOLD, true);
	mail.mail_from = "a@example.net";
	expect(SEAL_OPEN, true);
	seal = begin(1);
	strcpy(seal->recipient, "chief@*");
	expect(SEAL_HOLD, true);
	mail.rcpt_to_count = 1;
	expect(SEAL_OPEN, true);
	mail.rcpt_pending = true; // until the server has said who is accepted
	expect(SEAL_HOLD, false);
}

static void a_declared_size_is_believed_only_where_it_is_out_of_scope(void **state)
{
	struct seal *seal;

	(void)state;
	seal = begin(1);
	seal->min_bytes = 1000;
	seal->max_bytes = 2000;
	expect(SEAL_HOLD, false);
	mail.bytes = 999;
	expect(SEAL_OPEN, true);
	mail.bytes = 2001;
	expect(SEAL_OPEN, true);
	mail.bytes = 2000;
	expect(SEAL_HOLD, false);
	mail.scan = &scan;
	expect(SEAL_HOLD, true);
	mail.bytes = 999;
	expect(SEAL_OPEN, true);
}

static int answer_body(void *ctx, const char *pattern)
{
	assert_string_equal(pattern, "what is in it");
	return *(const int *)ctx;
}

static void what_the_body_decides_covers_perhaps_until_it_is_known(void **state)
{
	struct seal *seal;

	(void)state;
	seal = begin(1);
	strcpy(seal->file_type, "pe");
	strcpy(seal->name, "*.exe");
	expect(SEAL_HOLD, false);
	mail.scan = &scan;
	expect(SEAL_HOLD, true);
	strcpy(seal->name, "*.zip"); // of another part than the type
	expect(SEAL_OPEN, true);
	scan.verdict = VERDICT_SUSPECT; // there may be parts that nobody saw
	expect(SEAL_HOLD, false);

	seal = begin(1);
	strcpy(seal->subject, "*INVOICE*");
	expect(SEAL_HOLD, false);
	mail.scan = &scan;
	expect(SEAL_HOLD, true);
	scan.subject = "hello";
	expect(SEAL_OPEN, true);

	seal = begin(1);
	strcpy(seal->body, "what is in it");
	mail.scan = &scan;
	expect(SEAL_HOLD, false);
	mail.body = answer_body;
	for (int answer = -1; answer <= 1; answer++) {
		mail.body_ctx = &answer;
		expect(answer != 0 ? SEAL_HOLD : SEAL_OPEN, answer >= 0);
	}
}

static void the_strictest_of_all_that_cover_counts(void **state)
{
	struct seal *seals;

	(void)state;
	seals = begin(3);
	seals[0].mode = SEAL_STRIP;
	seals[1].mode = SEAL_TEMPFAIL;
	seals[2].mode = SEAL_HOLD_ATTACHMENTS;
	strcpy(seals[0].virus_id, "strip");
	strcpy(seals[1].virus_id, "tempfail");
	strcpy(seals[2].virus_id, "attachments");
	expect(SEAL_TEMPFAIL, true);
	assert_string_equal(decide().virus_id, "tempfail");
	strcpy(seals[1].sender, "nobody");
	expect(SEAL_HOLD_ATTACHMENTS, true);
	assert_string_equal(decide().virus_id, "attachments");
	// Perhaps a stricter one: then it is not certain which.
	seals[1].sender[0] = '\0';
	strcpy(seals[1].subject, "x");
	expect(SEAL_TEMPFAIL, false);
	mail.scan = &scan;
	expect(SEAL_HOLD_ATTACHMENTS, true);
}

static void modes_have_names(void **state)
{
	enum seal_mode mode;

	(void)state;
	for (int i = SEAL_STRIP; i <= SEAL_TEMPFAIL; i++) {
		assert_true(seal_mode_parse(seal_mode_name((enum seal_mode)i), &mode));
		assert_int_equal(mode, i);
	}
	assert_false(seal_mode_parse("", &mode));
	assert_false(seal_mode_parse("holds", &mode));
	assert_string_equal(seal_mode_name(SEAL_OPEN), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_seal_nothing_is_covered),
		cmocka_unit_test(a_seal_without_a_scope_covers_its_directions),
		cmocka_unit_test(patterns_know_star_and_question_mark_and_no_case),
		cmocka_unit_test(an_address_is_covered_however_it_is_written),
		cmocka_unit_test(what_another_reader_sees_otherwise_is_covered),
		cmocka_unit_test(sender_and_recipient_are_known_before_the_body),
		cmocka_unit_test(a_declared_size_is_believed_only_where_it_is_out_of_scope),
		cmocka_unit_test(what_the_body_decides_covers_perhaps_until_it_is_known),
		cmocka_unit_test(the_strictest_of_all_that_cover_counts),
		cmocka_unit_test(modes_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
