// SPDX-License-Identifier: BSD-3-Clause
// What a message needs only while its bytes pass is lent: to as many as have bytes and no end yet. What is known of
// those that have ended stays as it is, whoever comes after them.
#include "scan/scan_pool.h"
#include "tests/scan/ruleset_case.h"
#include "tests/support/unit.h"

#define MESSAGES 6
#define TEXT_BYTES 12000 // some steps

static struct case_image image;
static struct ruleset *ruleset;

static int make_rules(void **state)
{
	const char *const files[] = {"a.ndb", "Test.Mark:0:*:4d41524b2d4f462d\n", NULL};

	(void)state;
	image = case_build(true, files);
	return image.err != 0 ? image.err : ruleset_attach(image.image, image.bytes, &ruleset);
}

static int drop_rules(void **state)
{
	(void)state;
	ruleset_close(ruleset);
	free(image.image);
	return 0;
}

static struct scanner *make_scanner(void)
{
	struct scan_options options;
	struct scanner *scanner;

	scan_options_init(&options);
	options.max_messages = MESSAGES;
	assert_int_equal(scanner_new(&options, ruleset, &scanner), 0);
	return scanner;
}

struct mail {
	size_t bytes;
	char subject[32];
	char id[32];
	bool is_infected;
	char text[TEXT_BYTES + 512];
};

static void make_mail(struct mail *mail, unsigned int number)
{
	int n;

	(void)snprintf(mail->subject, sizeof(mail->subject), "the %u. of them", number);
	(void)snprintf(mail->id, sizeof(mail->id), "<%u@test.example>", number);
	mail->is_infected = number % 3 == 1;
	n = snprintf(mail->text, sizeof(mail->text), "Subject: %s\r\nMessage-ID: %s\r\n\r\n",
		mail->subject, mail->id);
	mail->bytes = (size_t)n + TEXT_BYTES;
	memset(mail->text + n, 'a' + (int)number, TEXT_BYTES);
	if (mail->is_infected)
		memcpy(mail->text + TEXT_BYTES / 2, "MARK-OF-", 8);
}

static void check(struct scan *scan, const struct mail *mail)
{
	const struct scan_result *result = scan_end(scan);

	assert_int_equal(result->verdict, mail->is_infected ? VERDICT_INFECTED : VERDICT_CLEAN);
	assert_string_equal(result->subject, mail->subject);
	assert_string_equal(result->message_id, mail->id);
	assert_int_equal(result->bytes, mail->bytes);
	assert_int_equal(result->parts_count, 1);
}

static struct mail mails[MESSAGES];
static struct scan *scans[MESSAGES];

static struct scanner *begin_all(void)
{
	struct scanner *scanner = make_scanner();

	for (unsigned int i = 0; i < MESSAGES; i++) {
		make_mail(&mails[i], i);
		assert_int_equal(scan_begin(scanner, SCAN_MESSAGE, &scans[i]), 0);
	}
	return scanner;
}

static void end_all(struct scanner *scanner)
{
	for (unsigned int i = 0; i < MESSAGES; i++) {
		check(scans[i], &mails[i]);
		scan_free(scans[i]);
	}
	assert_int_equal(scanner_in_progress(scanner), 0);
	scanner_free(scanner);
}

static void one_after_the_other_use_the_same(void **state)
{
	struct scanner *scanner = begin_all();

	(void)state;
	assert_int_equal(scanner->desks_begun, 0);
	assert_int_equal(scanner->objects_begun, 0);
	for (unsigned int i = 0; i < MESSAGES; i++) {
		scan_feed(scans[i], (const uint8_t *)mails[i].text, mails[i].bytes);
		scan_feed_end(scans[i]);
		assert_int_equal(scanner->desks_begun, 1);
	}
	end_all(scanner);
}

static void those_that_pass_at_once_have_their_own(void **state)
{
	static const size_t pieces[] = {1, 7, 1448, 4096, 5000};

	(void)state;
	for (size_t k = 0; k < sizeof(pieces) / sizeof(pieces[0]); k++) {
		struct scanner *scanner = begin_all();

		for (size_t at = 0; at < TEXT_BYTES + 512; at += pieces[k]) {
			for (unsigned int i = 0; i < MESSAGES; i++) {
				const size_t left = at < mails[i].bytes ? mails[i].bytes - at : 0;

				scan_feed(scans[i], (const uint8_t *)mails[i].text + at,
					left < pieces[k] ? left : pieces[k]);
			}
		}
		assert_int_equal(scanner->desks_begun, MESSAGES);
		end_all(scanner);
	}
}

// The block of one that was infected and has ended comes next.
static void one_without_a_byte_is_empty(void **state)
{
	struct scanner *scanner = begin_all();
	struct scan *scan;

	(void)state;
	for (unsigned int i = 0; i < MESSAGES; i++)
		scan_feed(scans[i], (const uint8_t *)mails[i].text, mails[i].bytes);
	check(scans[1], &mails[1]);
	scan_free(scans[1]);
	assert_int_equal(scan_begin(scanner, SCAN_MESSAGE, &scan), 0);
	assert_false(scan_is_decided(scan));
	assert_ptr_equal(scan_get_scanner(scan), scanner);
	scan_free(scan);
	assert_int_equal(scan_begin(scanner, SCAN_MESSAGE, &scan), 0);
	assert_true(scan_finish(scan, false));
	assert_int_equal(scan_end(scan)->verdict, VERDICT_CLEAN);
	assert_int_equal(scan_end(scan)->bytes, 0);
	assert_int_equal(scan_end(scan)->matches_count, 0);
	assert_string_equal(scan_end(scan)->subject, "");
	scan_free(scan);
	assert_int_equal(scan_begin(scanner, SCAN_MESSAGE, &scans[1]), 0);
	scan_feed(scans[1], (const uint8_t *)mails[1].text, mails[1].bytes);
	end_all(scanner);
}

// As another thread may that waits for the one which is about to feed it.
static void one_that_is_cancelled_before_its_first_byte_stays_so(void **state)
{
	struct scanner *scanner = begin_all();

	(void)state;
	assert_false(scan_cancel(scans[2]));
	scan_feed(scans[2], (const uint8_t *)mails[2].text, mails[2].bytes);
	assert_true(atomic_load(&scans[2]->cancelled));
	scan_free(scans[2]);
	assert_int_equal(scan_begin(scanner, SCAN_MESSAGE, &scans[2]), 0);
	assert_false(atomic_load(&scans[2]->cancelled));
	for (unsigned int i = 0; i < MESSAGES; i++)
		scan_feed(scans[i], (const uint8_t *)mails[i].text, mails[i].bytes);
	end_all(scanner);
}

static void one_that_is_given_up_leaves_its_place(void **state)
{
	struct scanner *scanner = begin_all();

	(void)state;
	for (unsigned int i = 0; i < 5 * MESSAGES; i++) {
		struct scan **scan = &scans[i % MESSAGES];

		scan_feed(*scan, (const uint8_t *)mails[i % MESSAGES].text, (size_t)i * 300);
		scan_free(*scan);
		assert_int_equal(scan_begin(scanner, SCAN_MESSAGE, scan), 0);
	}
	assert_int_equal(scanner->desks_begun, 1);
	for (unsigned int i = 0; i < MESSAGES; i++)
		scan_feed(scans[i], (const uint8_t *)mails[i].text, mails[i].bytes);
	end_all(scanner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_after_the_other_use_the_same),
		cmocka_unit_test(those_that_pass_at_once_have_their_own),
		cmocka_unit_test(one_without_a_byte_is_empty),
		cmocka_unit_test(one_that_is_cancelled_before_its_first_byte_stays_so),
		cmocka_unit_test(one_that_is_given_up_leaves_its_place),
	};

	return cmocka_run_group_tests(tests, make_rules, drop_rules);
}
