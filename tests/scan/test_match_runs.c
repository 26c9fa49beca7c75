// SPDX-License-Identifier: BSD-3-Clause
// Many patterns with gaps that all match in long runs of one byte: what a naive matcher finds is found,
// or the object is said not to have been examined in full.
#include "tests/scan/ruleset_case.h"

#define ROUNDS 2
#define PATTERNS 300
#define ALONE 60
#define MAX_DATA 9000
#define MAX_TEXT 192
#define PARTS 3

struct part {
	unsigned int length;
	uint8_t bytes[20];
	unsigned int gap_min; // before it
	unsigned int gap_max;
};

struct pattern {
	unsigned int count;
	struct part parts[PARTS];
	char text[MAX_TEXT];
};

static uint64_t seed = 0x9e3779b97f4a7c15u;
static uint8_t data[MAX_DATA];
static struct pattern patterns[PATTERNS];
static unsigned int partial;

static unsigned int below(unsigned int n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned int)((seed >> 16) % n);
}

static void make_pattern(struct pattern *pattern)
{
	size_t at = 0;

	memset(pattern, 0, sizeof(*pattern));
	pattern->count = 2 + below(PARTS - 1);
	for (unsigned int i = 0; i < pattern->count; i++) {
		struct part *part = &pattern->parts[i];

		part->length = 2 + below(below(2) == 0 ? 18 : 4);
		for (unsigned int k = 0; k < part->length; k++)
			part->bytes[k] = below(20) == 0 ? (uint8_t)(1 + below(2)) : 0;
		part->gap_min = 1 + below(below(2) == 0 ? 1500 : 20);
		part->gap_max = part->gap_min + 1 + below(40);
		if (i > 0)
			at += (size_t)snprintf(pattern->text + at, MAX_TEXT - at, "{%u-%u}",
				part->gap_min, part->gap_max);
		for (unsigned int k = 0; k < part->length; k++)
			at += (size_t)snprintf(
				pattern->text + at, MAX_TEXT - at, "%02x", part->bytes[k]);
	}
}

// ends[i]: whether the parts until now can end at i.
static bool model_matches(const struct pattern *pattern, size_t n)
{
	static uint8_t ends[MAX_DATA + 1];
	static uint8_t next[MAX_DATA + 1];
	bool any = false;

	for (unsigned int i = 0; i < pattern->count; i++) {
		const struct part *part = &pattern->parts[i];

		any = false;
		memset(next, 0, n + 1);
		for (size_t at = 0; at + part->length <= n; at++) {
			bool can = i == 0;

			if (memcmp(data + at, part->bytes, part->length) != 0)
				continue;
			for (size_t gap = part->gap_min; !can && gap <= part->gap_max && gap <= at;
				gap++)
				can = ends[at - gap] != 0;
			next[at + part->length] = can;
			any = any || can;
		}
		memcpy(ends, next, n + 1);
	}
	return any;
}

static size_t make_data(void)
{
	size_t n = 1000 + below(MAX_DATA - 1000);

	for (size_t at = 0; at < n;) {
		size_t run = below(4) == 0 ? below(3000) : below(40);

		for (; run > 0 && at < n; run--)
			data[at++] = 0;
		for (run = 1 + below(4); run > 0 && at < n; run--)
			data[at++] = (uint8_t)below(4);
	}
	return n;
}

// Returns how many of the wanted ones were missed, which must be none if the matcher saw everything.
static unsigned int check(unsigned int first, unsigned int count, size_t n)
{
	static char text[PATTERNS * (MAX_TEXT + 16)];
	static struct match_hit hits[PATTERNS];
	static bool found[PATTERNS];
	const char *const files[] = {"runs.ndb", text, NULL};
	struct match_digests digests;
	struct match_object *object;
	struct matcher *matcher;
	struct ruleset *ruleset;
	const char *type;
	unsigned int missed = 0;
	size_t at = 0;
	size_t hits_count;

	for (unsigned int i = first; i < first + count; i++)
		at += (size_t)snprintf(
			text + at, sizeof(text) - at, "%u:0:*:%s\n", i, patterns[i].text);
	struct case_image built = case_build(true, files);

	assert_int_equal(built.err, 0);
	assert_int_equal(ruleset_attach(built.image, built.bytes, &ruleset), 0);
	assert_int_equal(matcher_new(ruleset, 1, 0, true, &matcher), 0);
	assert_int_equal(match_begin(matcher, MATCH_TARGET_ANY, &object), 0);
	assert_int_equal(match_feed(object, data, n), 0);
	hits_count = match_end(object, hits, PATTERNS, &digests, &type);
	memset(found, 0, sizeof(found));
	for (size_t i = 0; i < hits_count; i++)
		found[strtoul(hits[i].signature, NULL, 10)] = true;
	for (unsigned int i = first; i < first + count; i++) {
		bool wanted = model_matches(&patterns[i], n);

		if (found[i] && !wanted)
			fail_msg("%s is not there", patterns[i].text);
		if (wanted && !found[i] && !matcher_was_partial(matcher) &&
			!matcher_had_more(matcher))
			fail_msg("%s is missed without a word", patterns[i].text);
		missed += wanted && !found[i];
	}
	partial += matcher_was_partial(matcher);
	matcher_free(matcher);
	ruleset_close(ruleset);
	free(built.image);
	return missed;
}

static void many_in_runs_are_found_or_told_of(void **state)
{
	unsigned int missed = 0;

	(void)state;
	for (unsigned int round = 0; round < ROUNDS; round++) {
		size_t n = make_data();

		for (unsigned int i = 0; i < PATTERNS; i++)
			make_pattern(&patterns[i]);
		// As many as the matcher lists.
		for (unsigned int first = 0; first + 100 <= PATTERNS; first += 100)
			missed += check(first, 100, n);
		(void)check(0, PATTERNS, n);
	}
	print_message(
		"%u missed and told of, %u rulesets too much for the matcher\n", missed, partial);
	assert_true(partial > 0);
}

static void alone_in_a_run_each_is_found(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ALONE; i++) {
		size_t n = 600 + below(8000);

		memset(data, 0, n);
		data[below((unsigned int)n)] = (uint8_t)below(3);
		make_pattern(&patterns[i]);
		for (unsigned int k = 0; k < patterns[i].count; k++)
			memset(patterns[i].parts[k].bytes, 0, sizeof(patterns[i].parts[k].bytes));
		patterns[i].text[0] = '\0';
		for (unsigned int k = 0; k < patterns[i].count; k++) {
			size_t at = strlen(patterns[i].text);

			if (k > 0)
				at += (size_t)snprintf(patterns[i].text + at, MAX_TEXT - at,
					"{%u-%u}", patterns[i].parts[k].gap_min,
					patterns[i].parts[k].gap_max);
			for (unsigned int b = 0; b < patterns[i].parts[k].length; b++)
				at += (size_t)snprintf(patterns[i].text + at, MAX_TEXT - at, "00");
		}
		partial = 0;
		assert_int_equal(check(i, 1, n), 0);
		assert_int_equal(partial, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_in_runs_are_found_or_told_of),
		cmocka_unit_test(alone_in_a_run_each_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
