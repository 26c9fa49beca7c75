// SPDX-License-Identifier: BSD-3-Clause
// Patterns are found wherever they stand, also where one portion of an object's bytes ends and the
// next begins, and nothing is found that is not there.
#include "scan/anchor.h"
#include "scan/anchor_ops.h"
#include "tests/scan/ruleset_case.h"
#include "tests/support/random.h"

#define OBJECT 40000
#define NEAR 48
#define LISTS 24
#define LEAST 6 // bytes of an object that is looked at

static uint8_t object_bytes[OBJECT];

// A pattern as text, and bytes that it is found in.
struct anchor_case {
	const char *hex;
	const char *bytes;
	size_t length;
};

#define CASE(hex, bytes)                                                                           \
	{                                                                                          \
		hex, bytes, sizeof(bytes) - 1                                                      \
	}

static const struct anchor_case anchor_cases[] = {
	CASE("b1c2d3", "\xb1\xc2\xd3"),
	CASE("b1c2d3e4", "\xb1\xc2\xd3\xe4"),
	CASE("b1c2d3e4f5", "\xb1\xc2\xd3\xe4\xf5"),
	CASE("b1c2d3e4f5a6", "\xb1\xc2\xd3\xe4\xf5\xa6"),
	CASE("b1c2d3e4f5a697", "\xb1\xc2\xd3\xe4\xf5\xa6\x97"),
	CASE("b1c2d3e4f5a69788898a8b", "\xb1\xc2\xd3\xe4\xf5\xa6\x97\x88\x89\x8a\x8b"),
	CASE("b1c2d3e4f5a69788898a8b8c8d8e",
		"\xb1\xc2\xd3\xe4\xf5\xa6\x97\x88\x89\x8a\x8b\x8c\x8d\x8e"),
	CASE("b1??d3e4f5", "\xb1z\xd3\xe4\xf5"),
	CASE("b1c2????d3e4f5", "\xb1\xc2zz\xd3\xe4\xf5"),
	CASE("b1c2(d3|e4|f5a6)97", "\xb1\xc2\xf5\xa6\x97"),
	CASE("b1c2{0-9}d3e4", "\xb1\xc2zzzz\xd3\xe4"),
	CASE("b1c2d3e4{5}a697f5e4", "\xb1\xc2\xd3\xe4zzzzz\xa6\x97\xf5\xe4"),
	CASE("b1c2d3e4*a697f5e4", "\xb1\xc2\xd3\xe4zzzzz\xa6\x97\xf5\xe4"),
	CASE("b1c2", "\xb1\xc2"),
};

static struct case_result scan(struct matcher *matcher, size_t n, size_t chunk)
{
	return case_match(matcher, MATCH_TARGET_ANY, object_bytes, n, 0, chunk);
}

// At each place near the end of a portion, and of the object.
static void check_places(struct matcher *matcher, const struct anchor_case *test)
{
	static const size_t ends[] = {NEAR, 8192, 9216, 16384, 17408, 25600, OBJECT - NEAR - 1};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		for (size_t at = ends[i] - NEAR; at < ends[i] + 2; at++) {
			size_t n = at + test->length + (at & 1 ? 0 : 5);

			n = n > LEAST ? n : LEAST;
			memset(object_bytes, 'x', sizeof(object_bytes));
			memcpy(object_bytes + at, test->bytes, test->length);
			if (scan(matcher, n, n).count != 1 ||
				scan(matcher, OBJECT, 1000).count != 1)
				fail_msg("%s at %zu of %zu", test->hex, at, n);
			object_bytes[at] ^= 0x55;
			if (scan(matcher, OBJECT, 4096).count != 0)
				fail_msg("%s at %zu though changed", test->hex, at);
		}
	}
}

static void patterns_are_found_at_every_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(anchor_cases) / sizeof(anchor_cases[0]); i++) {
		char line[256];
		struct case_image built;
		struct ruleset *ruleset;
		struct matcher *matcher;

		(void)snprintf(line, sizeof(line), "T:0:*:%s\n", anchor_cases[i].hex);
		built = case_build_one("t.ndb", line);
		assert_int_equal(built.err, 0);
		assert_int_equal(built.reports.count, 0);
		assert_int_equal(ruleset_attach(built.image, built.bytes, &ruleset), 0);
		assert_int_equal(matcher_new(ruleset, 1, 0, true, &matcher), 0);
		check_places(matcher, &anchor_cases[i]);
		matcher_free(matcher);
		ruleset_close(ruleset);
		free(built.image);
	}
}

// Random bytes of few values, so that patterns overlap and half of them are met by chance.
static void many_patterns_are_found_where_a_search_for_each_finds_them(void **state)
{
	struct random random = {99};

	(void)state;
	for (unsigned int list = 0; list < LISTS; list++) {
		uint8_t patterns[40][16];
		size_t lengths[40];
		char text[8192];
		size_t used = 0;
		struct case_image built;
		struct ruleset *ruleset;
		struct matcher *matcher;
		struct case_result result;
		size_t expected = 0;

		for (size_t i = 0; i < OBJECT; i++)
			object_bytes[i] = (uint8_t)(0x90 + random_below(&random, 4));
		for (unsigned int i = 0; i < 40; i++) {
			lengths[i] = 3 + random_below(&random, 10);
			used += (size_t)snprintf(text + used, sizeof(text) - used, "T%02u:0:*:", i);
			for (size_t k = 0; k < lengths[i]; k++) {
				patterns[i][k] = (uint8_t)(0x90 + random_below(&random, 4));
				used += (size_t)snprintf(
					text + used, sizeof(text) - used, "%02x", patterns[i][k]);
			}
			used += (size_t)snprintf(text + used, sizeof(text) - used, "\n");
			expected += memmem(object_bytes, 30000, patterns[i], lengths[i]) != NULL;
		}
		built = case_build_one("t.ndb", text);
		assert_int_equal(ruleset_attach(built.image, built.bytes, &ruleset), 0);
		assert_int_equal(matcher_new(ruleset, 1, 0, true, &matcher), 0);
		result = scan(matcher, 30000, 1 + random_below(&random, 3000));
		assert_int_equal(result.count, expected);
		assert_false(matcher_was_partial(matcher));
		matcher_free(matcher);
		ruleset_close(ruleset);
		free(built.image);
	}
}

// ---- beside a search for each pattern ----------------------------------------------------------

#define CROWD 600
#define CROWD_LONGEST 40

// Fixed bytes, nibbles, letters in either case, and bytes of any value.
struct crowd_pattern {
	size_t length;
	uint8_t values[CROWD_LONGEST];
	uint8_t masks[CROWD_LONGEST];
	bool ignores_case;
};

static bool crowd_byte_fits(const struct crowd_pattern *pattern, size_t i, uint8_t byte)
{
	uint8_t value = pattern->values[i];

	if (pattern->ignores_case && byte >= 'A' && byte <= 'Z')
		byte |= 0x20;
	if (pattern->ignores_case && value >= 'A' && value <= 'Z')
		value |= 0x20;
	return (byte & pattern->masks[i]) == (value & pattern->masks[i]);
}

static bool crowd_is_there(const struct crowd_pattern *pattern, size_t n)
{
	for (size_t at = 0; at + pattern->length <= n; at++) {
		size_t i = 0;

		while (i < pattern->length && crowd_byte_fits(pattern, i, object_bytes[at + i]))
			i++;
		if (i == pattern->length)
			return true;
	}
	return false;
}

// Of zeros, letters, and bytes of any value, as files have them; or of text, of which some has no capitals.
static void crowd_fill(struct random *random, size_t n, enum anchor_content content)
{
	static const char text[] = "The quick .com HTTP http:// class ";
	size_t at = 0;

	while (at < n) {
		unsigned int kind = content == ANCHOR_BYTES ? random_below(random, 3) : 1;
		size_t run = 1 + random_below(random, 60);

		for (; run > 0 && at < n; run--, at++) {
			if (kind == 0)
				object_bytes[at] = 0;
			else if (kind == 1)
				object_bytes[at] =
					(uint8_t)(text[random_below(random, sizeof(text) - 1)] |
						  (content == ANCHOR_LOWER ? 0x20 : 0));
			else
				object_bytes[at] = (uint8_t)random_below(random, 256);
		}
	}
}

// Cut out of the object and most changed by a bit: some are there, no more than an object shows hits of,
// and many nearly are.
static void crowd_invent(struct random *random, struct crowd_pattern *out, size_t n)
{
	size_t from = random_below(random, (uint32_t)(n - CROWD_LONGEST));

	out->length = 4 + random_below(random, CROWD_LONGEST - 3);
	out->ignores_case = random_below(random, 4) == 0;
	for (size_t i = 0; i < out->length; i++) {
		out->values[i] = object_bytes[from + i];
		out->masks[i] = 0xff;
		// Two at the start stay, as ClamAV asks for.
		if (i > 1 && !out->ignores_case && random_below(random, 12) == 0)
			out->masks[i] = (uint8_t[]){0x00, 0x0f, 0xf0}[random_below(random, 3)];
	}
	if (random_below(random, 12) != 0)
		out->values[random_below(random, (uint32_t)out->length)] ^= 0x04;
}

static void crowd_write(FILE *file, const struct crowd_pattern *pattern, unsigned int number)
{
	(void)fprintf(file, "T%03u;Engine:51-255,Target:0;0;", number);
	for (size_t i = 0; i < pattern->length; i++) {
		char digits[3];

		(void)snprintf(digits, sizeof(digits), "%02x", pattern->values[i]);
		(void)fprintf(file, "%c%c", (pattern->masks[i] & 0xf0) != 0 ? digits[0] : '?',
			(pattern->masks[i] & 0x0f) != 0 ? digits[1] : '?');
	}
	(void)fprintf(file, pattern->ignores_case ? "::i\n" : "\n");
}

static void check_crowd(struct random *random, struct matcher *matcher,
	const struct crowd_pattern *patterns, size_t n)
{
	bool expected[CROWD];
	size_t chunks[] = {n, 1 + random_below(random, 100), 8192, 1 + random_below(random, 5000)};

	for (unsigned int i = 0; i < CROWD; i++)
		expected[i] = crowd_is_there(&patterns[i], n);
	for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
		struct case_result result = scan(matcher, n, chunks[i]);
		size_t wanted = 0;

		for (unsigned int k = 0; k < CROWD && wanted < CASE_MAX_HITS; k++) {
			char name[8];

			(void)snprintf(name, sizeof(name), "T%03u", k);
			if (!expected[k])
				continue;
			if (wanted >= result.count)
				fail_msg("%s is not found", name);
			assert_string_equal(result.hits[wanted].signature, name);
			wanted++;
		}
		assert_int_equal(result.count, wanted);
		assert_false(matcher_was_partial(matcher));
	}
}

static void a_crowd_of_patterns_is_found_where_a_search_for_each_finds_it(void **state)
{
	struct random random = {4711};
	static struct crowd_pattern patterns[CROWD];

	(void)state;
	for (unsigned int list = 0; list < LISTS; list++) {
		char *text = NULL;
		size_t bytes = 0;
		FILE *file = open_memstream(&text, &bytes);
		struct case_image built;
		struct ruleset *ruleset;
		struct matcher *matcher;
		size_t n = 20000;

		assert_non_null(file);
		crowd_fill(&random, n, (enum anchor_content)(list % ANCHOR_CONTENTS));
		for (unsigned int i = 0; i < CROWD; i++) {
			crowd_invent(&random, &patterns[i], n);
			crowd_write(file, &patterns[i], i);
		}
		assert_int_equal(fclose(file), 0);
		built = case_build_one("t.ldb", text);
		assert_int_equal(built.err, 0);
		assert_int_equal(built.reports.count, 0);
		assert_int_equal(ruleset_attach(built.image, built.bytes, &ruleset), 0);
		assert_int_equal(matcher_new(ruleset, 1, 0, true, &matcher), 0);
		check_crowd(&random, matcher, patterns, n);
		// Other objects: what is there by chance.
		for (unsigned int i = 0; i < ANCHOR_CONTENTS; i++) {
			crowd_fill(&random, n, (enum anchor_content)i);
			check_crowd(&random, matcher, patterns, n);
		}
		matcher_free(matcher);
		ruleset_close(ruleset);
		free(built.image);
		free(text);
	}
}

// ---- one window for many patterns --------------------------------------------------------------

// Patterns that differ by case alone have one window, which is met at every fourth place: more is to be
// compared than at once is.
static void patterns_of_one_window_are_all_found(void **state)
{
	static const char word[] = "k~wq";
	struct random random = {2718};

	(void)state;
	for (unsigned int list = 0; list < LISTS; list++) {
		char text[1024];
		size_t used = 0;
		size_t expected = 0;
		struct case_image built;
		struct ruleset *ruleset;
		struct matcher *matcher;
		struct case_result result;

		for (size_t i = 0; i < OBJECT; i++)
			object_bytes[i] = (uint8_t)word[i % 4];
		for (size_t i = 0; i < OBJECT; i += 4 + 4 * (size_t)random_below(&random, 4000))
			object_bytes[i + (size_t)2 * random_below(&random, 2)] &= 0xdf;
		for (unsigned int i = 0; i < 8; i++) {
			uint8_t pattern[4] = {(uint8_t)("kK"[i & 1]), '~',
				(uint8_t)("wW"[i >> 1 & 1]), (uint8_t)("qQ"[i >> 2 & 1])};

			used += (size_t)snprintf(text + used, sizeof(text) - used,
				"T%02u:0:*:%02x%02x%02x%02x\n", i, pattern[0], pattern[1],
				pattern[2], pattern[3]);
			expected += memmem(object_bytes, OBJECT, pattern, 4) != NULL;
		}
		built = case_build_one("t.ndb", text);
		assert_int_equal(ruleset_attach(built.image, built.bytes, &ruleset), 0);
		assert_int_equal(matcher_new(ruleset, 1, 0, true, &matcher), 0);
		result = scan(matcher, OBJECT, 1 + random_below(&random, 9000));
		assert_int_equal(result.count, expected);
		assert_false(matcher_was_partial(matcher));
		matcher_free(matcher);
		ruleset_close(ruleset);
		free(built.image);
	}
}

// ---- places ------------------------------------------------------------------------------------

#define PLACED 30

// A pattern of zeros and ones at some offset, that may shift.
struct placed {
	unsigned int offset;
	unsigned int shift;
	size_t length;
	uint8_t bytes[12];
};

static bool placed_is_there(const struct placed *placed, size_t n)
{
	for (size_t at = placed->offset; at <= placed->offset + placed->shift; at++)
		if (at + placed->length <= n &&
			memcmp(object_bytes + at, placed->bytes, placed->length) == 0)
			return true;
	return false;
}

static void placed_invent(struct random *random, struct placed *out, size_t n)
{
	out->offset = random_below(random, random_below(random, 2) == 0 ? 4 : (uint32_t)n);
	out->shift = random_below(random, 3) == 0 ? random_below(random, 5) : 0;
	out->length = 2 + random_below(random, 11);
	for (size_t i = 0; i < out->length; i++)
		out->bytes[i] = random_below(random, 4) == 0 ? (uint8_t)random_below(random, 2)
							     : object_bytes[out->offset + i];
}

static void patterns_are_found_at_their_places_alone(void **state)
{
	struct random random = {31337};

	(void)state;
	for (unsigned int list = 0; list < 4 * LISTS; list++) {
		struct placed placed[PLACED];
		const size_t n = 20 + random_below(&random, 200);
		char text[8192];
		size_t used = 0;
		struct case_image built;
		struct ruleset *ruleset;
		struct matcher *matcher;
		struct case_result result;
		size_t expected = 0;

		for (size_t i = 0; i < OBJECT; i++)
			object_bytes[i] = (uint8_t)random_below(&random, 2);
		for (unsigned int i = 0; i < PLACED; i++) {
			placed_invent(&random, &placed[i], n);
			used += (size_t)snprintf(text + used, sizeof(text) - used, "T%02u:0:%u", i,
				placed[i].offset);
			if (placed[i].shift > 0)
				used += (size_t)snprintf(
					text + used, sizeof(text) - used, ",%u", placed[i].shift);
			used += (size_t)snprintf(text + used, sizeof(text) - used, ":");
			for (size_t k = 0; k < placed[i].length; k++)
				used += (size_t)snprintf(text + used, sizeof(text) - used, "%02x",
					placed[i].bytes[k]);
			used += (size_t)snprintf(text + used, sizeof(text) - used, "\n");
			expected += placed_is_there(&placed[i], n);
		}
		built = case_build_one("t.ndb", text);
		assert_int_equal(ruleset_attach(built.image, built.bytes, &ruleset), 0);
		assert_int_equal(matcher_new(ruleset, 1, 0, true, &matcher), 0);
		result = scan(matcher, n, 1 + random_below(&random, (uint32_t)n));
		assert_int_equal(result.count, expected);
		matcher_free(matcher);
		ruleset_close(ruleset);
		free(built.image);
	}
}

// ---- the sieve ---------------------------------------------------------------------------------

static void check_sieve(struct random *random, const uint8_t *sieve, bool is_text)
{
	for (size_t n = 0; n < 1200; n++) {
		const uint8_t *data = object_bytes + random_below(random, 1000);
		uint16_t expected[1200 + ANCHOR_SIEVE_SLACK];
		size_t count = anchor_sieve_variant(is_text, 0)(sieve, data, n, expected);

		for (size_t i = 0; anchor_sieve_variant(is_text, i) != NULL; i++) {
			uint16_t places[1200 + ANCHOR_SIEVE_SLACK];

			assert_int_equal(
				anchor_sieve_variant(is_text, i)(sieve, data, n, places), count);
			assert_memory_equal(places, expected, count * sizeof(places[0]));
		}
	}
}

static void all_variants_of_the_sieve_pass_the_same_places(void **state)
{
	static uint8_t sieve[2 * ANCHOR_SLOTS];
	struct random random = {815};

	(void)state;
	for (size_t i = 0; i < sizeof(sieve); i++)
		sieve[i] = (uint8_t)(random_below(&random, 65536) % 255);
	for (size_t i = 0; i < OBJECT; i++)
		object_bytes[i] = (uint8_t)random_below(&random, 256);
	check_sieve(&random, sieve, false);
	check_sieve(&random, sieve, true);
}

// ---- the content -------------------------------------------------------------------------------

#define SIEVED 1200

// Whatever the processor can do, the same places pass the filter, for the same buckets.
static void filters_pass_the_same(void **state)
{
	static uint32_t filter[1u << 10];
	static uint8_t data[2 * SIEVED + ANCHOR_PADDING];
	struct random random = {31};
	uint16_t places[SIEVED];
	uint32_t met[4][SIEVED + ANCHOR_FILTER_SLACK];
	const struct anchor_met expected = {met[0], met[1]};
	const struct anchor_met got = {met[2], met[3]};
	size_t passed = 0;

	(void)state;
	for (unsigned int round = 0; round < 400; round++) {
		const struct anchor_table table = {.words_log = 1 + random_below(&random, 10),
			.buckets_log = 1 + random_below(&random, 20),
			.filter = filter};
		const size_t at = random_below(&random, SIEVED);
		const size_t n = random_below(&random, SIEVED);
		size_t count;

		for (size_t i = 0; i < sizeof(filter) / sizeof(filter[0]); i++)
			filter[i] = random_below(&random, UINT32_MAX) | 1u << i % 32;
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (uint8_t)random_below(&random, 256);
		for (size_t i = 0; i < n; i++)
			places[i] = (uint16_t)random_below(&random, SIEVED);
		count = anchor_filter_variant(0)(&table, data, at, places, n, &expected);
		for (size_t i = 0; anchor_filter_variant(i) != NULL; i++) {
			assert_int_equal(
				anchor_filter_variant(i)(&table, data, at, places, n, &got), count);
			assert_memory_equal(got.ats, expected.ats, count * sizeof(uint32_t));
			assert_memory_equal(
				got.buckets, expected.buckets, count * sizeof(uint32_t));
		}
		passed += count;
	}
	assert_true(passed > 0);
}

static enum anchor_content content_of(uint8_t byte)
{
	if (byte >= 'A' && byte <= 'Z')
		return ANCHOR_TEXT;
	return (byte >= ' ' && byte <= 0x7f) || byte == '\t' || byte == '\n' || byte == '\r'
		       ? ANCHOR_LOWER
		       : ANCHOR_BYTES;
}

static void one_byte_tells_what_all_are(void **state)
{
	uint8_t data[200];

	(void)state;
	memset(data, 'x', sizeof(data));
	for (size_t n = 0; n < sizeof(data); n++)
		assert_int_equal(anchor_content_of(data, n), ANCHOR_LOWER);
	for (size_t at = 0; at < sizeof(data); at++) {
		for (unsigned int byte = 0; byte < 256; byte++) {
			enum anchor_content expected = content_of((uint8_t)byte);

			data[at] = (uint8_t)byte;
			assert_int_equal(anchor_content_of(data, sizeof(data)), expected);
			assert_int_equal(anchor_content_of(data, at), ANCHOR_LOWER);
			for (size_t i = 0; anchor_content_variant(i) != NULL; i++)
				assert_int_equal(anchor_content_variant(i)(data, 192),
					at < 192 ? expected : ANCHOR_LOWER);
			if (at + 1 == sizeof(data))
				continue;
			data[at + 1] = 'X';
			assert_int_equal(anchor_content_of(data, sizeof(data)),
				expected < ANCHOR_TEXT ? expected : ANCHOR_TEXT);
			data[at + 1] = 'x';
		}
		data[at] = 'x';
	}
}

static bool fits(const struct anchor_entry *entry, const uint8_t *data, uint32_t at)
{
	uint64_t bytes;

	memcpy(&bytes, data + (entry->at <= at ? (int)at + entry->piece_at : 0), sizeof(bytes));
	return entry->at <= at && (bytes & entry->mask) == entry->piece;
}

static void invent_entry(
	struct random *random, const uint8_t *data, uint32_t at, struct anchor_entry *out)
{
	const int before = (int)random_below(random, ANCHOR_PIECE_BEFORE + 1);
	const uint32_t room = (uint32_t)before + ANCHOR_PIECE_BEHIND + 1;

	out->piece_at = (int8_t)((int)random_below(random, room) - before);
	out->at = (uint16_t)(before + (int)random_below(random, 30));
	out->mask = random_below(random, 2) != 0 ? 0xff00ff : 0xff;
	if ((int)at + out->piece_at >= 0 && random_below(random, 2) != 0)
		memcpy(&out->piece, data + at + out->piece_at, sizeof(out->piece));
	out->piece &= out->mask;
}

static void those_fit_whose_piece_is_there(void **state)
{
	struct random random = {16};
	size_t fitting = 0;

	(void)state;
	for (unsigned int round = 0; round < 20000; round++) {
		const uint32_t count = 1 + random_below(&random, 16);
		const uint32_t last = random_below(&random, 60);
		const size_t n = last + ANCHOR_PADDING; // and not one byte more is read
		uint8_t *bytes = malloc(n);
		struct anchor_entry *entries = calloc(count, sizeof(*entries));
		struct anchor_meeting meetings[16], expected[16];
		size_t expected_count = 0;

		assert_true(bytes != NULL && entries != NULL);
		for (size_t i = 0; i < n; i++)
			bytes[i] = (uint8_t)random_below(&random, 3);
		for (uint32_t i = 0; i < count; i++) {
			meetings[i] = (struct anchor_meeting){random_below(&random, last + 1), i};
			invent_entry(&random, bytes, meetings[i].at, &entries[i]);
			expected[expected_count] = meetings[i];
			expected_count += fits(&entries[i], bytes, meetings[i].at);
		}
		fitting += expected_count;
		assert_int_equal(anchor_fit(entries, bytes, meetings, count), expected_count);
		assert_memory_equal(meetings, expected, expected_count * sizeof(expected[0]));
		free(entries);
		free(bytes);
	}
	assert_true(fitting > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_are_found_at_every_place),
		cmocka_unit_test(many_patterns_are_found_where_a_search_for_each_finds_them),
		cmocka_unit_test(a_crowd_of_patterns_is_found_where_a_search_for_each_finds_it),
		cmocka_unit_test(patterns_of_one_window_are_all_found),
		cmocka_unit_test(patterns_are_found_at_their_places_alone),
		cmocka_unit_test(all_variants_of_the_sieve_pass_the_same_places),
		cmocka_unit_test(filters_pass_the_same),
		cmocka_unit_test(those_fit_whose_piece_is_there),
		cmocka_unit_test(one_byte_tells_what_all_are),
	};

	return cmocka_run_group_tests_name("anchor", tests, NULL, NULL);
}
