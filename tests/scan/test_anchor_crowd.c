// SPDX-License-Identifier: BSD-3-Clause
// Many patterns at once, also such as share their windows and what is beside them, are found wherever a search for
// each of them finds it.
#include "scan/anchor.h"
#include "scan/ruleset.h"
#include "tests/scan/ruleset_case.h"
#include "tests/support/random.h"

#include <errno.h>

#define LISTS 25
#define LEAST 6 // bytes of an object that is looked at

#define CROWD 600
#define CROWD_LONGEST 40
#define CROWD_OBJECT 20000

static uint8_t object_bytes[CROWD_OBJECT];

static struct case_result scan(struct matcher *matcher, size_t n, size_t chunk)
{
	return case_match(matcher, MATCH_TARGET_ANY, object_bytes, n, 0, chunk);
}

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

// What objects are made of: of these contents, or of what fills few buckets with many patterns.
enum crowd_kind {
	CROWD_BYTES,
	CROWD_TEXT,
	CROWD_LOWER,
	CROWD_WIDE,   // letters of 16 bits
	CROWD_PERIOD, // eight bytes that are the same wherever one looks
};
#define CROWD_KINDS 5u

// Few letters, so that many patterns have the same window, and a byte now and then that shifts the rest.
static void crowd_fill_wide(struct random *random, size_t n)
{
	for (size_t at = 0; at < n; at++) {
		object_bytes[at] = (uint8_t) "tine"[random_below(random, 4)];
		if (random_below(random, 8) == 0)
			object_bytes[at] &= 0xdf;
		if (random_below(random, 60) != 0 && at + 1 < n)
			object_bytes[++at] = 0;
	}
}

static void crowd_fill_period(struct random *random, size_t n)
{
	for (size_t at = 0; at < n; at++)
		object_bytes[at] = random_below(random, 300) != 0
					   ? (uint8_t) "PADDINGXXPADDING"[at % 16]
					   : (uint8_t)random_below(random, 256);
}

// Of zeros, letters, and bytes of any value, as files have them; or of text, of which some has no capitals.
static void crowd_fill_mixed(struct random *random, size_t n, enum anchor_content content)
{
	static const char text[] = "The quick .com HTTP http:// class\xa0 caf\xc3\xa9 ";
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

static void crowd_fill(struct random *random, size_t n, enum crowd_kind kind)
{
	switch (kind) {
	case CROWD_BYTES:
		crowd_fill_mixed(random, n, ANCHOR_BYTES);
		break;
	case CROWD_TEXT:
		crowd_fill_mixed(random, n, ANCHOR_TEXT);
		break;
	case CROWD_LOWER:
		crowd_fill_mixed(random, n, ANCHOR_LOWER);
		break;
	case CROWD_WIDE:
		crowd_fill_wide(random, n);
		break;
	case CROWD_PERIOD:
		crowd_fill_period(random, n);
		break;
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

		case_expect_numbered(&result, expected, CROWD);
		assert_false(matcher_was_partial(matcher));
	}
}

// Objects that are such a pattern and no more, or all of it but a byte, in portions of every size.
static void check_crowd_alone(struct matcher *matcher, const struct crowd_pattern *patterns)
{
	for (unsigned int i = 0; i < CROWD; i += CROWD / 20) {
		const struct crowd_pattern *pattern = &patterns[i];

		for (size_t cut = 0; cut < 3; cut++) {
			const size_t n = pattern->length - (cut != 0);
			size_t expected = 0;

			memcpy(object_bytes, pattern->values + (cut == 1), n);
			for (unsigned int k = 0; k < CROWD; k++)
				expected += crowd_is_there(&patterns[k], n);
			expected = expected < CASE_MAX_HITS ? expected : CASE_MAX_HITS;
			for (size_t chunk = 1; chunk <= n && n >= LEAST; chunk++)
				assert_int_equal(scan(matcher, n, chunk).count, expected);
		}
	}
}

// Patterns of such an object, and their rules.
static struct case_image crowd_build(struct random *random, struct crowd_pattern *patterns,
	enum crowd_kind kind, struct ruleset **out)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *file = open_memstream(&text, &bytes);
	struct case_image built;

	assert_non_null(file);
	crowd_fill(random, CROWD_OBJECT, kind);
	for (unsigned int i = 0; i < CROWD; i++) {
		crowd_invent(random, &patterns[i], CROWD_OBJECT);
		crowd_write(file, &patterns[i], i);
	}
	assert_int_equal(fclose(file), 0);
	built = case_build_one("t.ldb", text);
	free(text);
	assert_int_equal(built.err, 0);
	assert_int_equal(built.reports.count, 0);
	assert_int_equal(ruleset_attach(built.image, built.bytes, out), 0);
	return built;
}

static void a_crowd_of_patterns_is_found_where_a_search_for_each_finds_it(void **state)
{
	struct random random = {4711};
	static struct crowd_pattern patterns[CROWD];

	(void)state;
	for (unsigned int list = 0; list < LISTS; list++) {
		const enum crowd_kind kind = (enum crowd_kind)(list % CROWD_KINDS);
		struct ruleset *ruleset;
		struct case_image built = crowd_build(&random, patterns, kind, &ruleset);
		struct matcher *matcher;

		assert_int_equal(matcher_new(ruleset, 1, 0, true, &matcher), 0);
		check_crowd(&random, matcher, patterns, CROWD_OBJECT);
		// Other objects: what is there by chance.
		for (unsigned int i = 0; i < CROWD_KINDS; i++) {
			crowd_fill(&random, CROWD_OBJECT, (enum crowd_kind)i);
			check_crowd(&random, matcher, patterns, CROWD_OBJECT);
		}
		check_crowd_alone(matcher, patterns);
		if (kind == CROWD_WIDE || kind == CROWD_PERIOD)
			assert_true(ruleset->anchors[FILETYPE_TARGET_ANY].families_count > 4);
		matcher_free(matcher);
		ruleset_close(ruleset);
		free(built.image);
	}
}

// ---- what an image may say of families ---------------------------------------------------------

struct parts {
	struct anchor_family *families;
	uint32_t *slots;
	struct anchor_bucket *bucket; // one that has families
	struct anchor_family *last;
};

struct damage {
	const char *what;
	void (*fn)(struct parts *parts);
};

static void move_slots(struct parts *parts)
{
	parts->families[1].slot++;
}

static void add_slots(struct parts *parts)
{
	parts->families[0].shift--;
}

static void have_no_slots(struct parts *parts)
{
	parts->families[0].shift = 64;
}

static void look_far_before(struct parts *parts)
{
	parts->families[0].key_at = -ANCHOR_PIECE_BEFORE - 1;
}

static void look_far_behind(struct parts *parts)
{
	parts->families[0].key_at = ANCHOR_PIECE_BEHIND + 1;
}

static void have_more_entries(struct parts *parts)
{
	parts->slots[0] = UINT32_MAX;
}

static void begin_beyond_the_last(struct parts *parts)
{
	parts->bucket->first |= ~ANCHOR_FAMILIES;
}

static void have_no_end(struct parts *parts)
{
	parts->last->is_last = 0;
}

static void families_that_lead_astray_are_refused(void **state)
{
	static const struct damage damages[] = {{"slots moved", move_slots},
		{"more slots", add_slots}, {"no slots", have_no_slots},
		{"key far before", look_far_before}, {"key far behind", look_far_behind},
		{"more entries", have_more_entries}, {"no such family", begin_beyond_the_last},
		{"no end", have_no_end}};
	static struct crowd_pattern patterns[CROWD];
	struct random random = {3};
	struct ruleset *ruleset;
	struct case_image built = crowd_build(&random, patterns, CROWD_WIDE, &ruleset);
	const struct anchor_table *table = &ruleset->anchors[FILETYPE_TARGET_ANY];
	const uint8_t *data = table->sieve - sizeof(struct anchor_header);
	const size_t bytes = ((const struct anchor_header *)(const void *)data)->bytes;
	uint8_t *copy = malloc(bytes);
	struct parts parts = {(void *)(copy + ((const uint8_t *)table->families - data)),
		(void *)(copy + ((const uint8_t *)table->slots - data)),
		(void *)(copy + ((const uint8_t *)table->buckets - data)), NULL};

	(void)state;
	assert_non_null(copy);
	memcpy(copy, data, bytes);
	while ((parts.bucket->first & ANCHOR_FAMILIES) == 0)
		parts.bucket++;
	parts.last = parts.families + table->families_count - 1;
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		struct anchor_table opened = {0};

		memcpy(copy, data, bytes);
		assert_int_equal(anchor_open(copy, bytes, ANCHOR_BYTES, &opened), 0);
		damages[i].fn(&parts);
		opened = (struct anchor_table){0};
		if (anchor_open(copy, bytes, ANCHOR_BYTES, &opened) != -EBADMSG)
			fail_msg("%s", damages[i].what);
	}
	free(copy);
	ruleset_close(ruleset);
	free(built.image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_crowd_of_patterns_is_found_where_a_search_for_each_finds_it),
		cmocka_unit_test(families_that_lead_astray_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
