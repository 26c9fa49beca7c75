// SPDX-License-Identifier: BSD-3-Clause
// Work that a scan leaves for another thread: done there while the scanner goes on, given up when it is
// told to, bounded in what it keeps.
#include "scan/scan.h"
#include "scan/scan_pool.h"
#include "tests/scan/ruleset_case.h"
#include "tests/support/packed.h"
#include "tests/support/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static struct case_image image;
static struct ruleset *ruleset;

static int make_rules(void **state)
{
	const char *const files[] = {"a.ndb", PACKED_RULES, NULL};

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

static struct scanner *make_scanner(bool has_helper, uint64_t captured, uint64_t all_captured)
{
	struct scan_options options;
	struct scanner *scanner;

	scan_options_init(&options);
	options.max_messages = 64;
	options.has_helper = has_helper;
	options.max_captured_bytes = captured;
	options.max_all_captured_bytes = all_captured;
	assert_int_equal(scanner_new(&options, ruleset, &scanner), 0);
	return scanner;
}

static struct scanner *usual_scanner(bool has_helper)
{
	return make_scanner(has_helper, 1 << 20, 4 << 20);
}

static struct scan *feed(struct scanner *scanner, enum scan_kind kind, const void *data, size_t n)
{
	struct scan *scan;

	assert_int_equal(scan_begin(scanner, kind, &scan), 0);
	scan_feed(scan, data, n);
	return scan;
}

static struct scan *feed_mail(struct scanner *scanner, const char *mail)
{
	return feed(scanner, SCAN_MESSAGE, mail, strlen(mail));
}

static void check_unused(struct scanner *scanner)
{
	assert_int_equal(scanner_in_progress(scanner), 0);
	assert_int_equal(scanner->captures.free_count, scanner->captures.chunks_count);
	if (scanner->helper != NULL)
		check_unused(scanner->helper);
}

static void drop_scanner(struct scanner *scanner)
{
	check_unused(scanner);
	scanner_free(scanner);
}

// ---- in steps ----------------------------------------------------------------------------------

static void work_in_steps_gives_what_the_end_alone_gives(void **state)
{
	static const char *const mails[] = {PACKED_INFECTED, PACKED_CLEAN};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct scanner *scanner = usual_scanner(i >= 2);
		struct scan *steps = feed_mail(scanner, mails[i % 2]);
		struct scan *alone = feed_mail(scanner, mails[i % 2]);

		assert_false(scan_finish(steps, false));
		scan_work(steps);
		assert_int_equal(
			scan_end(steps)->verdict, i % 2 == 0 ? VERDICT_INFECTED : VERDICT_CLEAN);
		assert_int_equal(scan_end(alone)->verdict, scan_end(steps)->verdict);
		assert_int_equal(scan_end(steps)->parts_count, 2);
		assert_int_equal(scan_end(steps)->parts[1].parent, 1);
		assert_int_equal(scan_end(steps)->parts[1].bytes, scan_end(alone)->parts[1].bytes);
		scan_free(alone);
		scan_free(steps);
		drop_scanner(scanner);
	}
}

static void there_is_no_work_where_nothing_was_kept(void **state)
{
	struct scanner *scanner = usual_scanner(true);
	struct scan *scan = feed_mail(scanner, "Subject: x\r\n\r\nfound nothing\r\n");

	(void)state;
	assert_true(scan_finish(scan, false));
	assert_int_equal(scan_end(scan)->verdict, VERDICT_CLEAN);
	scan_free(scan);
	drop_scanner(scanner);
}

static void there_is_no_work_where_the_verdict_stands(void **state)
{
	struct scanner *scanner = usual_scanner(true);
	struct scan *scan = feed_mail(scanner, "X: found-virus\r\n" PACKED_CLEAN);

	(void)state;
	assert_true(scan_finish(scan, false));
	assert_int_equal(scan_end(scan)->verdict, VERDICT_INFECTED);
	scan_free(scan);
	drop_scanner(scanner);
}

static void a_scan_may_be_left_before_its_work_and_behind_it(void **state)
{
	struct scanner *scanner = usual_scanner(true);

	(void)state;
	for (int i = 0; i < 40; i++) {
		struct scan *scan = feed_mail(scanner, PACKED_CLEAN);

		if (i % 4 > 0)
			assert_false(scan_finish(scan, false));
		if (i % 4 > 1)
			scan_work(scan);
		scan_free(scan);
	}
	drop_scanner(scanner);
}

static void work_that_is_cancelled_is_suspect(void **state)
{
	(void)state;
	for (int helper = 0; helper < 2; helper++) {
		struct scanner *scanner = usual_scanner(helper == 1);
		struct scan *scan = feed_mail(scanner, PACKED_INFECTED);

		assert_false(scan_finish(scan, false));
		assert_false(scan_cancel(scan));
		scan_work(scan);
		assert_true(scan_cancel(scan));
		assert_int_equal(scan_end(scan)->verdict, VERDICT_SUSPECT);
		assert_string_equal(scan_end(scan)->reason, "limit-time");
		scan_free(scan);
		drop_scanner(scanner);
	}
}

// ---- what is kept ------------------------------------------------------------------------------

// An xz of n bytes, as far as its first bytes go.
static uint8_t *make_large(size_t n)
{
	static const uint8_t magic[] = {0xfd, '7', 'z', 'X', 'Z', 0, 0, 1, 0x69, 0x22, 0xde, 0x36};
	uint8_t *data = calloc(1, n);

	assert_non_null(data);
	memcpy(data, magic, sizeof(magic));
	return data;
}

static void what_is_too_large_to_be_kept_is_suspect(void **state)
{
	const size_t n = 300000;
	uint8_t *data = make_large(n);

	(void)state;
	for (size_t room = n - 1; room <= n; room++) {
		struct scanner *scanner = make_scanner(true, room, 4 << 20);
		struct scan *scan = feed(scanner, SCAN_FILE, data, n);

		assert_int_equal(scan_end(scan)->verdict, VERDICT_SUSPECT);
		assert_string_equal(scan_end(scan)->reason,
			room < n ? "limit-captured-bytes" : "broken-archive");
		scan_free(scan);
		drop_scanner(scanner);
	}
	free(data);
}

static void without_room_for_all_messages_one_is_unscannable(void **state)
{
	const size_t n = 900000;
	uint8_t *data = make_large(n);
	struct scanner *scanner = make_scanner(true, 1 << 20, 2 << 20);
	struct scan *scans[4];
	uint32_t unscannable = 0;

	(void)state;
	for (int i = 0; i < 4; i++) {
		scans[i] = feed(scanner, SCAN_FILE, data, n);
		unscannable += scans[i]->unscannable != NULL;
	}
	assert_true(unscannable > 0 && unscannable < 4);
	for (int i = 0; i < 4; i++)
		scan_free(scans[i]);
	drop_scanner(scanner);
	free(data);
}

static void what_is_no_archive_is_not_kept(void **state)
{
	const size_t n = 200000;
	uint8_t *data = calloc(1, n);
	struct scanner *scanner = usual_scanner(true);
	struct scan *scan;

	(void)state;
	assert_non_null(data);
	scan = feed(scanner, SCAN_FILE, data, n);
	assert_int_equal(scanner->captures.free_count, scanner->captures.chunks_count);
	assert_true(scan_finish(scan, false));
	assert_int_equal(scan_end(scan)->verdict, VERDICT_CLEAN);
	scan_free(scan);
	drop_scanner(scanner);
	free(data);
}

// A look at each step's bytes tells that there is none in it, but not whether one begins with its last ones.
static void an_archive_is_kept_wherever_it_begins(void **state)
{
	static const uint8_t begins[][32] = {
		{'M', 'S', 'C', 'F', [24] = 3, [25] = 1, [26] = 1, [28] = 1},
		{'R', 'a', 'r', '!', 0x1a, 7, 1, 0},
	};
	uint8_t data[3 * SCAN_STEP_BYTES];
	struct scanner *scanner = usual_scanner(true);

	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (size_t at = SCAN_STEP_BYTES - 8; at < SCAN_STEP_BYTES + 4; at++) {
			struct scan *scan;

			memset(data, ' ', sizeof(data));
			memcpy(data + at, begins[i], sizeof(begins[i]));
			scan = feed(scanner, SCAN_FILE, data, sizeof(data));
			assert_true(scanner->captures.free_count < scanner->captures.chunks_count);
			scan_free(scan);
		}
	drop_scanner(scanner);
}

// RFC 8551 section 3.1: what S/MIME signs is a MIME entity, however its header is written.
static void what_smime_signs_is_read_as_a_message(void **state)
{
	static const char head[] =
		"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80"
		"\x02\x01\x01\x31\x00\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d"
		"\x01\x07\x01\xa0\x80\x24\x80\x04";
	static const struct {
		const char *entity;
		size_t parts;
	} cases[] = {
		{"Content-Type:a/b\nContent-Transfer-Encoding: base64\n\nQUJDREVG\n", 2},
		{"X-A: b\nContent-Transfer-Encoding:\n base64\n\nQUJDREVG\n", 2},
		{"Content-Transfer-Encoding : base64\n\nQUJDREVG\n", 2},
		{"Any text, which needs no header\n\nQUJDREVG\n", 1},
	};
	static const uint8_t ends[14] = {0}; // of the seven values without a length
	struct scanner *scanner = usual_scanner(false);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct scan_result *result;
		struct scan *scan = feed(scanner, SCAN_FILE, head, sizeof(head) - 1);
		const uint8_t bytes = (uint8_t)strlen(cases[i].entity);

		scan_feed(scan, &bytes, 1);
		scan_feed(scan, (const uint8_t *)cases[i].entity, bytes);
		scan_feed(scan, ends, sizeof(ends));
		result = scan_end(scan);
		assert_int_equal(result->parts_count, cases[i].parts);
		if (cases[i].parts == 2)
			assert_int_equal(result->parts[1].bytes, 6);
		scan_free(scan);
	}
	drop_scanner(scanner);
}

// ---- another thread ----------------------------------------------------------------------------

#define JOBS 8
#define ROUNDS 60

// One slot a job: NULL, the scan that is to be worked on; done is set when it is.
struct queue {
	_Atomic(struct scan *) given[JOBS]; // this thread writes a scan, the other takes it out
	atomic_bool done[JOBS];             // the other thread sets, this one clears
	atomic_bool stop;                   // this thread sets
};

static void *work(void *arg)
{
	struct queue *queue = arg;

	while (!atomic_load(&queue->stop)) {
		for (int i = 0; i < JOBS; i++) {
			struct scan *scan = atomic_exchange(&queue->given[i], NULL);

			if (scan == NULL)
				continue;
			scan_work(scan);
			atomic_store(&queue->done[i], true);
		}
		(void)sched_yield();
	}
	return NULL;
}

static void a_scanner_goes_on_while_another_thread_works(void **state)
{
	struct scanner *scanner = usual_scanner(true);
	struct scan *scans[JOBS];
	static struct queue queue;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, work, &queue), 0);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < JOBS; i++) {
			scans[i] = feed_mail(scanner, i % 2 == 0 ? PACKED_INFECTED : PACKED_CLEAN);
			assert_false(scan_finish(scans[i], false));
			atomic_store(&queue.done[i], false);
			atomic_store(&queue.given[i], scans[i]);
		}
		for (int i = 0; i < JOBS; i++) {
			struct scan *other = feed_mail(scanner, PACKED_CLEAN);

			if (i % 4 == 3)
				(void)scan_cancel(scans[i]);
			while (!atomic_load(&queue.done[i]))
				(void)sched_yield();
			if (i % 4 != 3)
				assert_int_equal(scan_end(scans[i])->verdict,
					i % 2 == 0 ? VERDICT_INFECTED : VERDICT_CLEAN);
			scan_free(scans[i]);
			scan_free(other);
		}
	}
	atomic_store(&queue.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	drop_scanner(scanner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(work_in_steps_gives_what_the_end_alone_gives),
		cmocka_unit_test(there_is_no_work_where_nothing_was_kept),
		cmocka_unit_test(there_is_no_work_where_the_verdict_stands),
		cmocka_unit_test(a_scan_may_be_left_before_its_work_and_behind_it),
		cmocka_unit_test(work_that_is_cancelled_is_suspect),
		cmocka_unit_test(what_is_too_large_to_be_kept_is_suspect),
		cmocka_unit_test(without_room_for_all_messages_one_is_unscannable),
		cmocka_unit_test(what_is_no_archive_is_not_kept),
		cmocka_unit_test(an_archive_is_kept_wherever_it_begins),
		cmocka_unit_test(what_smime_signs_is_read_as_a_message),
		cmocka_unit_test(a_scanner_goes_on_while_another_thread_works),
	};

	return cmocka_run_group_tests(tests, make_rules, drop_rules);
}
