// SPDX-License-Identifier: BSD-3-Clause
// What lists hit, beside OpenSSL and a naive search.
#include "scan/scan.h"
#include "tests/support/screened.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- beside a naive search -----------------------------------------------------------------------

#define ENTRIES 20
#define MOST_BYTES 40000

static uint8_t sample[MOST_BYTES];

// Few values, so that there are repetitions, or all.
static size_t fill(struct random *random, uint8_t *out, size_t most)
{
	static const uint32_t values[] = {1, 2, 4, 256};
	uint32_t of = values[random_below(random, 4)];
	size_t n = 1 + random_below(random, (uint32_t)most - 1);

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(0x80 + random_below(random, of));
	return n;
}

static bool matches_at(const struct screen_entry *entry, const uint8_t *data, size_t n)
{
	uint8_t digest[SCREEN_DIGEST_BYTES];

	screened_digest(data, n, entry->algorithm, digest);
	return memcmp(digest, entry->digest, sizeof(digest)) == 0;
}

// What scan/screen.h says, word for word.
static bool naive(const struct screen_entry *entry, const uint8_t *data, size_t n)
{
	if (entry->bytes != 0 && entry->bytes != n)
		return false;
	if (entry->kind == SCREEN_FILE)
		return matches_at(entry, data, n);
	if (entry->kind == SCREEN_RANGE) {
		size_t from = entry->from_end ? n - entry->offset : entry->offset;

		if (entry->offset > n || from + entry->length > n)
			return false;
		return matches_at(entry, data + from, entry->length);
	}
	for (size_t i = 0; i + entry->length <= n; i++)
		if (screen_rolling(data + i, entry->length) == entry->rolling &&
			matches_at(entry, data + i, entry->length))
			return true;
	return false;
}

static struct screen_entry random_entry(struct random *random, const uint8_t *data, size_t n)
{
	static const enum screen_kind kinds[] = {SCREEN_FILE, SCREEN_RANGE, SCREEN_WINDOW};
	enum screen_kind kind = kinds[random_below(random, n < 32 ? 2 : 3)];
	size_t least = kind == SCREEN_WINDOW ? 32 : 1;
	size_t length = least + random_below(random, (uint32_t)((n < 3000 ? n : 3000) - least + 1));
	size_t from = random_below(random, (uint32_t)(n - length + 1));
	struct screen_entry entry;

	if (kind == SCREEN_FILE) {
		from = 0;
		length = n;
	}
	entry = screened_entry(kind, 1u << random_below(random, 3), data + from, length);
	if (kind == SCREEN_RANGE) {
		entry.from_end = random_below(random, 2) == 0;
		entry.offset = entry.from_end ? n - from : from;
	}
	// Some are wrong in one thing.
	switch (random_below(random, 8)) {
	case 0:
		// In a run of one byte such windows are false candidates, of which there may be too many.
		if (kind != SCREEN_WINDOW)
			entry.digest[random_below(random, 16)] ^= 1;
		break;
	case 1:
		entry.bytes = n;
		break;
	case 2:
		entry.bytes = n + 1;
		break;
	default:
		break;
	}
	return entry;
}

static void what_hits_is_what_a_naive_search_finds_in_any_chunks(void **state)
{
	static const size_t steps[] = {0, 1, 4096, 65536};
	struct random random = {77};

	(void)state;
	for (unsigned int round = 0; round < 45; round++) {
		struct screen_entry entries[ENTRIES];
		size_t n = fill(&random, sample, round % 4 == 0 ? 200 : MOST_BYTES);
		struct screened rig;

		for (size_t i = 0; i < ENTRIES; i++)
			entries[i] = random_entry(&random, sample, n);
		// Now it is another file, or still that one.
		if (round % 3 > 0)
			sample[random_below(&random, (uint32_t)n)] ^= 1;
		if (round % 3 > 1 && n > 100)
			n -= random_below(&random, 50);
		screened_init(&rig, entries, ENTRIES);
		for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
			struct scan *scan =
				screened_scan(&rig, SCAN_FILE, sample, n, steps[k], &random);
			const struct scan_result *result = scan_end(scan);

			for (size_t i = 0; i < ENTRIES; i++)
				if (screened_has(result, &entries[i]) !=
					naive(&entries[i], sample, n))
					fail_msg("round %u step %zu entry %zu (%s of %zu at %zu, "
						 "bytes %zu of %zu)",
						round, steps[k], i,
						screen_kind_name(entries[i].kind),
						(size_t)entries[i].length,
						(size_t)entries[i].offset, (size_t)entries[i].bytes,
						n);
			scan_free(scan);
		}
		screened_fini(&rig);
	}
}

static void a_long_file_is_screened_where_its_copy_has_lost_its_beginning(void **state)
{
	static const size_t n = 23 * 1000 * 1000 + 17;
	static const struct {
		size_t from;
		size_t length;
		enum screen_kind kind;
		bool from_end;
	} cases[] = {
		{0, n, SCREEN_FILE, false},
		{0, 1 << 20, SCREEN_RANGE, false},
		{3999000, 4 << 20, SCREEN_RANGE, false},
		{21999000, 1000, SCREEN_RANGE, false},
		{n - 4000000, 4000000, SCREEN_RANGE, true},
		{n - 1, 1, SCREEN_RANGE, true},
		{5, 1 << 20, SCREEN_WINDOW, false},
		{4194304 - 50, 100, SCREEN_WINDOW, false},
		{9000001, 3333, SCREEN_WINDOW, false},
		{n - 64, 64, SCREEN_WINDOW, false},
	};
	enum { COUNT = sizeof(cases) / sizeof(cases[0]) };
	struct screen_entry entries[2 * COUNT];
	uint8_t *data = malloc(n);
	struct random random = {5};
	struct scan *scan;
	struct screened rig;

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i < n; i++)
		data[i] = (uint8_t)(0x80 | random_below(&random, 256));
	for (size_t i = 0; i < COUNT; i++) {
		struct screen_entry entry = screened_entry(
			cases[i].kind, 1u << i % 3, data + cases[i].from, cases[i].length);

		entry.from_end = cases[i].from_end;
		if (entry.kind == SCREEN_RANGE)
			entry.offset = entry.from_end ? n - cases[i].from : cases[i].from;
		entry.bytes = i % 2 == 0 ? n : 0;
		entries[2 * i] = entry;
		entry.bytes = n + 1;
		entries[2 * i + 1] = entry;
	}
	screened_init(&rig, entries, (size_t)2 * COUNT);
	scan = screened_scan(&rig, SCAN_FILE, data, n, 100000, &random);
	for (size_t i = 0; i < COUNT; i++) {
		if (!screened_has(scan_end(scan), &entries[2 * i]))
			fail_msg("case %zu is not found", i);
		assert_false(screened_has(scan_end(scan), &entries[2 * i + 1]));
	}
	scan_free(scan);
	screened_fini(&rig);
	free(data);
}

static void one_changed_byte_escapes_the_file_and_not_the_window(void **state)
{
	struct random random = {3};
	struct screen_entry file;
	struct screen_entry window;
	size_t n = 30000;

	(void)state;
	for (size_t i = 0; i < n; i++)
		sample[i] = (uint8_t)random_below(&random, 256);
	file = screened_entry(SCREEN_FILE, DIGEST_SHA256, sample, n);
	window = screened_entry(SCREEN_WINDOW, DIGEST_SHA256, sample + 20000, 4096);
	assert_true(screened_hits(&file, SCAN_FILE, sample, n));
	assert_true(screened_hits(&window, SCAN_FILE, sample, n));
	sample[777] ^= 1;
	assert_false(screened_hits(&file, SCAN_FILE, sample, n));
	assert_true(screened_hits(&window, SCAN_FILE, sample, n));
	memmove(sample + 13, sample, n);
	assert_true(screened_hits(&window, SCAN_FILE, sample, n + 13));
	sample[22000] ^= 1;
	assert_false(screened_hits(&window, SCAN_FILE, sample, n + 13));
}

static void the_rolling_checksum_alone_is_never_a_hit(void **state)
{
	struct random random = {9};
	struct screen_entry entry;

	(void)state;
	for (size_t i = 0; i < 9000; i++)
		sample[i] = (uint8_t)random_below(&random, 256);
	entry = screened_entry(SCREEN_WINDOW, DIGEST_MD5, sample + 4000, 300);
	entry.digest[15] ^= 1;
	assert_false(screened_hits(&entry, SCAN_FILE, sample, 9000));
}

// Who knows the list can make as many as there is room for: that is told.
static void too_many_false_candidates_make_a_file_suspect(void **state)
{
	struct screen_entry entry;
	struct screened rig;
	struct scan *scan;

	(void)state;
	for (size_t i = 0; i < sizeof(sample); i++)
		sample[i] = i % 2 == 0 ? 'A' : 'B';
	entry = screened_entry(SCREEN_WINDOW, DIGEST_SHA256, sample, 64);
	entry.digest[3] ^= 1;
	screened_init(&rig, &entry, 1);
	scan = screened_scan(&rig, SCAN_FILE, sample, 300, 300, NULL);
	assert_int_equal(scan_end(scan)->verdict, VERDICT_CLEAN);
	scan_free(scan);
	scan = screened_scan(&rig, SCAN_FILE, sample, sizeof(sample), 1000, NULL);
	assert_int_equal(scan_end(scan)->verdict, VERDICT_SUSPECT);
	assert_string_equal(scan_end(scan)->reason, "limit-screening");
	scan_free(scan);
	screened_fini(&rig);
}

static enum verdict verdict_of(struct screened *rig, const uint8_t *data, size_t n)
{
	struct scan *scan = screened_scan(rig, SCAN_FILE, data, n, 65536, NULL);
	const struct scan_result *result = scan_end(scan);
	enum verdict verdict = result->verdict;

	if (verdict == VERDICT_SUSPECT && result->matches_count == 0)
		assert_string_equal(result->reason, "limit-screening");
	scan_free(scan);
	return verdict;
}

// Disk images are full of them: what is the same as one byte before is not looked at again.
static void a_run_of_one_byte_is_neither_work_nor_a_doubt(void **state)
{
	static const size_t lengths[] = {32, 33, 5000, 1 << 20};
	enum { COUNT = sizeof(lengths) / sizeof(lengths[0]) };
	size_t n = (size_t)20 << 20;
	uint8_t *data = calloc(1, n);
	struct screen_entry entries[2 * COUNT];
	struct screened rig;
	struct scan *scan;

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i < COUNT; i++) {
		// One that lies in the run and whose digest is another's, and one that its end is in.
		entries[2 * i] = screened_entry(SCREEN_WINDOW, DIGEST_SHA256, data, lengths[i]);
		entries[2 * i].digest[0] ^= 1;
		data[n - 20] = 7;
		entries[2 * i + 1] = screened_entry(
			SCREEN_WINDOW, DIGEST_MD5, data + n - 20 - 40, lengths[i] > 60 ? 60 : 42);
		entries[2 * i + 1].virus_id = &"abcd"[i];
		data[n - 20] = 0;
	}
	screened_init(&rig, entries, (size_t)2 * COUNT);
	assert_int_equal(verdict_of(&rig, data, n), VERDICT_CLEAN);
	data[n - 20] = 7;
	scan = screened_scan(&rig, SCAN_FILE, data, n, 65536, NULL);
	for (size_t i = 0; i < COUNT; i++)
		assert_true(screened_has(scan_end(scan), &entries[2 * i + 1]));
	scan_free(scan);
	screened_fini(&rig);
	free(data);
}

// Heads that lie close to each other, of windows of all lengths: so much work is not done, and that is told.
static void more_work_than_a_file_is_worth_makes_it_suspect(void **state)
{
	struct screen_entry entries[SCREEN_MAX_LENGTHS];
	size_t n = (size_t)8 << 20;
	uint8_t *data = malloc(n);
	struct random random = {31};
	struct screened rig;

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i < n; i++)
		data[i] = (uint8_t)random_below(&random, 256);
	for (size_t i = 0; i < SCREEN_MAX_LENGTHS; i++)
		entries[i] = screened_entry(SCREEN_WINDOW, DIGEST_SHA256, data + 1000, 3000 + i);
	screened_init(&rig, entries, SCREEN_MAX_LENGTHS);
	assert_int_equal(verdict_of(&rig, data + 1100, n - 1100), VERDICT_CLEAN);
	for (size_t at = 5000; at + 32 < n; at += 100)
		memcpy(data + at, data + 1000, 32);
	assert_int_equal(verdict_of(&rig, data + 1100, n - 1100), VERDICT_SUSPECT);
	screened_fini(&rig);
	free(data);
}

// ---- lists by themselves -------------------------------------------------------------------------

static void counts_move_to_the_next_list(void **state)
{
	struct screen_entry entries[3];
	struct screen_entry again;
	struct screened one;
	struct screened two;
	uint64_t sum = 0;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		entries[i] = screened_entry(SCREEN_FILE, DIGEST_SHA256, &"abcdef"[i], 3);
	screened_init(&one, entries, 2);
	screened_init(&two, entries + 1, 2);
	for (size_t i = 0; i < 5; i++)
		scan_free(screened_scan(&one, SCAN_FILE, &"abcdef"[i % 2], 3, 3, NULL));
	ruleset_move_screen_hits(one.ruleset, two.ruleset);
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(ruleset_get_screen_entry(two.ruleset, i, &again));
		sum += ruleset_get_screen_hits(two.ruleset, i);
		assert_int_equal(ruleset_get_screen_hits(two.ruleset, i),
			screen_id(&again) == screen_id(&entries[1]) ? 2 : 0);
	}
	assert_int_equal(sum, 2);
	screened_fini(&one);
	screened_fini(&two);
}

static void an_empty_list_is_allowed_and_one_twice_is_one(void **state)
{
	struct screen_entry entries[2];
	struct screened rig;

	(void)state;
	screened_init(&rig, NULL, 0);
	assert_int_equal(ruleset_get_screen(rig.ruleset)->entries, 0);
	scan_free(screened_scan(&rig, SCAN_FILE, "abc", 3, 3, NULL));
	screened_fini(&rig);
	entries[0] = entries[1] = screened_entry(SCREEN_FILE, DIGEST_SHA256, "abc", 3);
	screened_init(&rig, entries, 2);
	assert_int_equal(ruleset_get_screen(rig.ruleset)->entries, 1);
	assert_int_equal(strlen(ruleset_get_screen(rig.ruleset)->version), 16);
	screened_fini(&rig);
	assert_string_equal(ruleset_get_screen(screened_bare)->version, "");
}

static void what_is_wrong_with_an_entry_is_told(void **state)
{
	struct screen_entry good = screened_entry(SCREEN_FILE, DIGEST_SHA256, "abc", 3);
	struct screen_entry entries[2] = {good, good};
	static const struct {
		struct screen_entry entry; // what is not zero takes the place of the good one's
		const char *why;
	} cases[] = {
		{{.file_type = "zap"}, "file_type: no type is called \"zap\""},
		{{.algorithm = 8}, "algorithm: must be md5, sha1 or sha256"},
		{{.algorithm = DIGEST_MD5}, "digest: is longer than its algorithm's"},
		{{.length = 4}, "length: a file has none"},
		{{.offset = 4}, "offset: a file has none"},
		{{.kind = SCREEN_RANGE}, "length: of a range must be 1 to 4194304"},
		{{.kind = SCREEN_RANGE, .length = 5, .offset = 4, .from_end = true},
			"offset: from the end must be at least length"},
		{{.kind = SCREEN_RANGE, .length = 5, .bytes = 4}, "bytes: the range does not lie"},
		{{.kind = SCREEN_WINDOW, .length = 31}, "length: of a window must be 32 to"},
		{{.kind = SCREEN_BODY, .file_type = "pe"}, "file_type: a body has none"},
		{{.name = "two\nlines"}, "name: must be one line"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct screen_entry *bad = &cases[i].entry;
		char error[256] = "";
		char wanted[256];
		void *image;
		size_t bytes;

		entries[1] = good;
		entries[1].kind = bad->kind;
		entries[1].bytes = bad->bytes;
		entries[1].offset = bad->offset;
		entries[1].length = bad->length;
		entries[1].from_end = bad->from_end;
		entries[1].file_type = bad->file_type;
		if (bad->algorithm != 0)
			entries[1].algorithm = bad->algorithm;
		if (bad->name != NULL)
			entries[1].name = bad->name;
		assert_int_equal(
			screen_build(entries, 2, &image, &bytes, error, sizeof(error)), -EINVAL);
		(void)snprintf(wanted, sizeof(wanted), "entry 2: %s", cases[i].why);
		if (strncmp(error, wanted, strlen(wanted)) != 0)
			fail_msg("%s, not %s", error, wanted);
	}
}

static void the_rolling_checksum_is_the_one_that_is_documented(void **state)
{
	uint8_t data[40];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	// Computed by the lines of docs/screening.md.
	assert_int_equal(screen_rolling(data, sizeof(data)), UINT64_C(0x317b2890a3a61c14));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_hits_is_what_a_naive_search_finds_in_any_chunks),
		cmocka_unit_test(a_long_file_is_screened_where_its_copy_has_lost_its_beginning),
		cmocka_unit_test(one_changed_byte_escapes_the_file_and_not_the_window),
		cmocka_unit_test(the_rolling_checksum_alone_is_never_a_hit),
		cmocka_unit_test(too_many_false_candidates_make_a_file_suspect),
		cmocka_unit_test(a_run_of_one_byte_is_neither_work_nor_a_doubt),
		cmocka_unit_test(more_work_than_a_file_is_worth_makes_it_suspect),
		cmocka_unit_test(counts_move_to_the_next_list),
		cmocka_unit_test(an_empty_list_is_allowed_and_one_twice_is_one),
		cmocka_unit_test(what_is_wrong_with_an_entry_is_told),
		cmocka_unit_test(the_rolling_checksum_is_the_one_that_is_documented),
	};

	return cmocka_run_group_tests(tests, screened_setup, screened_teardown);
}
