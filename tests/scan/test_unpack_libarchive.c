// SPDX-License-Identifier: BSD-3-Clause
// Objects that begin as an archive does and go on as none: libarchive refuses them, and is asked nothing
// that it cannot answer then. And it stops soon when it is told to.
#include "scan/capture.h"
#include "scan/scan.h"
#include "scan/unpack_guard.h"
#include "scan/unpack_whole.h"
#include "tests/support/unit.h"

#include <archive.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct ruleset *ruleset;
static void *image;
static size_t asked;

int __real_archive_read_has_encrypted_entries(struct archive *archive);
int __wrap_archive_read_has_encrypted_entries(struct archive *archive);

// Before a reader has taken the object there is no format, and libarchive reads what is not its own.
int __wrap_archive_read_has_encrypted_entries(struct archive *archive)
{
	assert_int_not_equal(archive_format(archive), 0);
	asked++;
	return __real_archive_read_has_encrypted_entries(archive);
}

static int make_rules(void **state)
{
	static const char rules[] = "Test.Mark:0:*:4d41524b2d4f462d5448452d54455354\n";
	struct ruleset_build_stats stats;
	char path[] = "/tmp/test_unpack_libarchive.XXXXXX.ndb";
	const char *paths[] = {path};
	int fd = mkstemps(path, 4);
	void *built;
	size_t bytes;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, rules, sizeof(rules) - 1), sizeof(rules) - 1);
	assert_int_equal(close(fd), 0);
	assert_int_equal(ruleset_build(paths, 1, NULL, &built, &bytes, &stats), 0);
	assert_int_equal(unlink(path), 0);
	image = aligned_alloc(64, (bytes + 63) / 64 * 64);
	assert_non_null(image);
	memcpy(image, built, bytes);
	free(built);
	return ruleset_attach(image, bytes, &ruleset);
}

static int drop_rules(void **state)
{
	(void)state;
	ruleset_close(ruleset);
	free(image);
	return 0;
}

struct beginning {
	const char *what;
	const char *bytes;
	size_t n;
};

#define BEGINNING(what, bytes)                                                                     \
	{                                                                                          \
		what, bytes, sizeof(bytes) - 1                                                     \
	}
static const struct beginning beginnings[] = {
	BEGINNING("7z", "7z\xbc\xaf\x27\x1c"),
	BEGINNING("rar", "Rar!\x1a\x07\x00"),
	BEGINNING("rar5", "Rar!\x1a\x07\x01\x00"),
	BEGINNING("cab", "MSCF\x00\x00\x00\x00"),
	BEGINNING("xar", "xar!"),
	BEGINNING("lha", "\x19\x10-lh5-"),
	BEGINNING("ar", "!<arch>\n"),
	BEGINNING("cpio", "070701"),
	BEGINNING("xz", "\xfd"
			"7zXZ\x00"),
	BEGINNING("lzip", "LZIP\x01"),
	BEGINNING("zstd", "\x28\xb5\x2f\xfd"),
	BEGINNING("lz4", "\x04\x22\x4d\x18"),
	BEGINNING("compress", "\x1f\x9d\x90"),
	BEGINNING("rpm", "\xed\xab\xee\xdb\x03\x00"),
};

static void what_only_begins_as_an_archive_is_refused_and_no_more(void **state)
{
	static uint8_t data[40000];
	struct scan_options options;
	struct scanner *scanner;
	size_t suspects = 0;

	(void)state;
	scan_options_init(&options);
	options.max_messages = 16;
	assert_int_equal(scanner_new(&options, ruleset, &scanner), 0);
	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
		// What follows: text, zeros, ones.
		for (int filling = 0; filling < 3; filling++) {
			const struct scan_result *result;
			struct scan *scan;

			memset(data, filling == 0 ? 'Q' : filling == 1 ? 0 : 0xff, sizeof(data));
			memcpy(data, beginnings[i].bytes, beginnings[i].n);
			assert_int_equal(scan_begin(scanner, SCAN_FILE, &scan), 0);
			scan_feed(scan, data, sizeof(data));
			result = scan_end(scan);
			if (result->verdict != VERDICT_CLEAN && result->verdict != VERDICT_SUSPECT)
				fail_msg("%s: %s, %s", beginnings[i].what,
					verdict_name(result->verdict), result->reason);
			suspects += result->verdict == VERDICT_SUSPECT;
			scan_free(scan);
		}
	}
	scanner_free(scanner);
	// Most are refused, some of them by a reader that took them first.
	printf("%zu are suspect, of %zu a reader was asked\n", suspects, asked);
	assert_true(suspects >= 20);
	assert_true(asked > 0);
}

// ---- work that does not end --------------------------------------------------------------------

#define FRAMES 64
#define FRAME_BYTES 65536u
#define READS_BEFORE 5

static uint32_t reads;
static uint32_t reads_behind; // of these, when no more was wanted
static atomic_bool cancelled;

size_t __real_capture_piece(const struct capture *capture, uint64_t offset, const uint8_t **data);
size_t __wrap_capture_piece(const struct capture *capture, uint64_t offset, const uint8_t **data);

size_t __wrap_capture_piece(const struct capture *capture, uint64_t offset, const uint8_t **data)
{
	reads_behind += atomic_load(&cancelled);
	if (++reads == READS_BEFORE)
		atomic_store(&cancelled, true);
	return __real_capture_piece(capture, offset, data);
}

// An empty frame, then frames that a reader skips (RFC 8878 3.1.2): nothing comes out of it, so that
// libarchive reads to its end within one call.
static void fill_with_frames(struct capture *capture)
{
	static const uint8_t empty[] = {0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x00, 0x01, 0x00, 0x00};
	static uint8_t frame[FRAME_BYTES] = {0x50, 0x2a, 0x4d, 0x18};
	const uint32_t left = FRAME_BYTES - 8;

	memcpy(frame + 4, &left, sizeof(left));
	assert_int_equal(capture_append(capture, empty, sizeof(empty)), sizeof(empty));
	for (int i = 0; i < FRAMES; i++)
		assert_int_equal(capture_append(capture, frame, sizeof(frame)), sizeof(frame));
}

static void work_stops_inside_of_a_call_when_no_more_is_wanted(void **state)
{
	struct whole_budget budget = {.left = UINT64_MAX, .cancelled = &cancelled};
	const struct whole_format *format =
		whole_by_type(filetype_detect((const uint8_t *)"\x28\xb5\x2f\xfd", 4)->name);
	struct capture_pool pool;
	struct capture capture;
	struct unpack_event event;
	struct whole whole;

	(void)state;
	assert_non_null(format);
	assert_int_equal(capture_pool_init(&pool, FRAME_BYTES, FRAMES + 2), 0);
	capture_begin(&capture, &pool, UINT64_MAX);
	fill_with_frames(&capture);
	for (int is_cancelled = 0; is_cancelled < 2; is_cancelled++) {
		reads = is_cancelled == 1 ? 0 : READS_BEFORE;
		reads_behind = 0;
		atomic_store(&cancelled, false);
		whole_init(&whole, format, &capture, &budget, 250);
		assert_int_equal(whole_begin(&whole), 0);
		whole_next(&whole, &event);
		whole_end(&whole);
		if (is_cancelled == 0) {
			assert_true(reads >= READS_BEFORE + FRAMES);
			continue;
		}
		assert_int_equal(event.type, UNPACK_WARNING);
		assert_string_equal(event.why, "limit-time");
		assert_true(reads_behind <= 2);
	}
	capture_free(&capture);
	capture_pool_fini(&pool);
}

// ---- calls that do not come back ----------------------------------------------------------------

enum stuck { STUCK_NOT, STUCK_TURNING, STUCK_ALLOCATING };

static enum stuck stuck;

int __real_archive_read_data_block(
	struct archive *archive, const void **data, size_t *n, la_int64_t *offset);
int __wrap_archive_read_data_block(
	struct archive *archive, const void **data, size_t *n, la_int64_t *offset);

int __wrap_archive_read_data_block(
	struct archive *archive, const void **data, size_t *n, la_int64_t *offset)
{
	volatile uint32_t turns = 0;

	while (stuck == STUCK_TURNING)
		turns++;
	while (stuck == STUCK_ALLOCATING) {
		void *volatile memory = malloc(100000);

		free(memory);
	}
	return __real_archive_read_data_block(archive, data, n, offset);
}

// A cpio archive with a member, and its end.
static const char cpio[] = "070707"
			   "000001000001100644000000000000000001000000"
			   "0000000000000000200000000004a\0TEST"
			   "070707"
			   "000000000000000000000000000000000001000000"
			   "0000000000000001300000000000TRAILER!!!";

static struct scan *scan_cpio(struct scanner *scanner)
{
	struct scan *scan;

	assert_int_equal(scan_begin(scanner, SCAN_FILE, &scan), 0);
	scan_feed(scan, (const uint8_t *)cpio, sizeof(cpio));
	(void)scan_end(scan);
	return scan;
}

static void a_call_that_does_not_come_back_is_left_and_the_next_object_is_unpacked(void **state)
{
	struct scan_options options;
	struct scanner *scanner;

	(void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip(); // the sanitizer's own locks are inside of the program
#endif
	guard_set_ms(100);
	scan_options_init(&options);
	options.max_messages = 1;
	assert_int_equal(scanner_new(&options, ruleset, &scanner), 0);
	for (int i = 0; i < 5; i++) {
		static const enum stuck ways[] = {
			STUCK_NOT, STUCK_TURNING, STUCK_NOT, STUCK_ALLOCATING, STUCK_NOT};
		struct scan *scan;

		stuck = ways[i];
		scan = scan_cpio(scanner);
		if (stuck == STUCK_NOT) {
			assert_int_equal(scan_end(scan)->parts_count, 1);
			assert_int_equal(scan_end(scan)->parts[0].bytes, 4);
		}
		assert_int_equal(scan_end(scan)->verdict,
			stuck == STUCK_NOT ? VERDICT_CLEAN : VERDICT_SUSPECT);
		assert_string_equal(scan_end(scan)->reason, stuck == STUCK_NOT ? "" : "limit-time");
		scan_free(scan);
	}
	assert_int_equal(guard_left(), 2);
	scanner_free(scanner);
}

static void after_too_many_of_them_none_is_begun(void **state)
{
	struct scan_options options;
	struct scanner *scanner;
	struct scan *scan;

	(void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip();
#endif
	scan_options_init(&options);
	options.max_messages = 1;
	assert_int_equal(scanner_new(&options, ruleset, &scanner), 0);
	stuck = STUCK_TURNING;
	while (guard_left() < GUARD_MAX_LEFT)
		scan_free(scan_cpio(scanner));
	// It would not come back.
	scan = scan_cpio(scanner);
	assert_string_equal(scan_end(scan)->reason, "limit-time");
	assert_int_equal(guard_left(), GUARD_MAX_LEFT);
	scan_free(scan);
	scanner_free(scanner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_only_begins_as_an_archive_is_refused_and_no_more),
		cmocka_unit_test(work_stops_inside_of_a_call_when_no_more_is_wanted),
		cmocka_unit_test(
			a_call_that_does_not_come_back_is_left_and_the_next_object_is_unpacked),
		cmocka_unit_test(after_too_many_of_them_none_is_begun),
	};

	return cmocka_run_group_tests(tests, make_rules, drop_rules);
}
