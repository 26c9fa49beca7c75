// SPDX-License-Identifier: BSD-3-Clause
// An object is searched where its copy is kept. What lies across the seams of that is found, however the bytes come,
// and also where the copy is given up, or there is no more room for it, in the midst of the object.
#include "scan/match_object.h"
#include "tests/scan/ruleset_case.h"

#define CHUNK ((size_t)MATCH_COPY_CHUNK)
#define MAX_BYTES (3 * CHUNK + 3000)
#define LONG_BYTES ((size_t)600)

// The last one has a gap and the middle one a long end, for which the bytes before a seam are needed.
static const uint8_t gap_begins[] = {'G', 'a', 'p', '!'};
static const uint8_t gap_ends[] = {'!', 'p', 'a', 'G'};
static const uint8_t object_ends[] = {'(', 'l', 'a', 's', 't', ')'};
static char rules[8 * LONG_BYTES];
static uint8_t long_one[LONG_BYTES];
static unsigned int last_searches;

void __real_anchor_search(const struct anchor_table *table, const struct ruleset *ruleset,
	const struct anchor_input *input, anchor_found_fn found, void *ctx);
void __wrap_anchor_search(const struct anchor_table *table, const struct ruleset *ruleset,
	const struct anchor_input *input, anchor_found_fn found, void *ctx);

// Where an object ends zeros are behind its bytes, whatever lay there before.
void __wrap_anchor_search(const struct anchor_table *table, const struct ruleset *ruleset,
	const struct anchor_input *input, anchor_found_fn found, void *ctx)
{
	static const uint8_t zeros[ANCHOR_PADDING];

	if (input->is_last) {
		last_searches++;
		assert_memory_equal(input->data + input->to, zeros, sizeof(zeros));
	}
	__real_anchor_search(table, ruleset, input, found, ctx);
}

static void make_rules(void)
{
	char *out = rules +
		    sprintf(rules,
			    "E:0:EOF-6:%s\nG:0:*:47617021{10-500}21706147\nL:0:*:", "286c61737429");

	for (size_t i = 0; i < LONG_BYTES; i++) {
		long_one[i] = i < 8 ? (uint8_t) "Long one"[i] : (uint8_t)('a' + i * i % 23);
		out += sprintf(out, "%02x", long_one[i]);
	}
	(void)sprintf(out, "\n");
}

// Of the matcher's chunks so many are left for the object.
static void check(struct matcher *matcher, uint8_t *data, size_t n, size_t step, uint32_t chunks)
{
	const bool is_kept = match_needs_copy(matcher->ruleset);
	struct match_object *object;
	struct match_hit hits[4];
	struct match_digests digests;
	const char *type;
	uint32_t taken = 0;

	if (is_kept) {
		taken = matcher->copies.chunks.free_count - chunks;
		matcher->copies.chunks.free_count -= taken;
	}
	assert_int_equal(match_begin(matcher, MATCH_TARGET_ANY, &object), 0);
	for (size_t at = 0; at < n; at += step)
		assert_int_equal(match_feed(object, data + at, n - at < step ? n - at : step), 0);
	if (is_kept) {
		const size_t room = (size_t)chunks * MATCH_COPY_CHUNK;
		const uint64_t kept = n < room ? n : room;

		assert_int_equal(object->copy.capture.bytes, kept);
		assert_int_equal(object->copy.truncated, kept < n);
	}
	last_searches = 0;
	assert_int_equal(match_end(object, hits, 4, &digests, &type), 3);
	assert_true(last_searches > 0);
	matcher->copies.chunks.free_count += taken;
}

// What is to be found ends there.
static void put(uint8_t *data, size_t n, size_t to)
{
	memset(data, '.', n);
	memcpy(data + to - LONG_BYTES, long_one, LONG_BYTES);
	memcpy(data + (to > n / 2 ? 40 : n - 900), gap_begins, sizeof(gap_begins));
	memcpy(data + (to > n / 2 ? 400 : n - 500), gap_ends, sizeof(gap_ends));
	memcpy(data + n - sizeof(object_ends), object_ends, sizeof(object_ends));
}

static void check_all(struct matcher *matcher)
{
	static const size_t seams[] = {MATCH_SEARCH_BYTES, MATCH_STAGE_BYTES,
		MATCH_STAGE_BYTES + MATCH_SEARCH_BYTES, CHUNK, 2 * CHUNK,
		2 * CHUNK + MATCH_SEARCH_BYTES, 3 * CHUNK};
	static const size_t behind[] = {0, 1, 3, 17, 300, LONG_BYTES - 8, LONG_BYTES - 1};
	static const size_t steps[] = {SIZE_MAX / 2, 4096, 1000, 1};
	static uint8_t data[MAX_BYTES];

	// Chunks have held others' bytes, and an object is given up that was never searched before its end.
	put(data, MAX_BYTES, MAX_BYTES / 2);
	check(matcher, data, MAX_BYTES, MAX_BYTES, 4);
	put(data, 3000, 2000);
	check(matcher, data, 3000, 3000, 1);
	for (size_t i = 0; i < sizeof(seams) / sizeof(seams[0]); i++)
		for (size_t k = 0; k < sizeof(behind) / sizeof(behind[0]); k++) {
			const size_t n = seams[i] + 2000 < MAX_BYTES && k % 2 == 0 ? seams[i] + 2000
										   : MAX_BYTES;

			put(data, n, seams[i] + behind[k]);
			for (size_t s = 0; s < (k < 2 ? 4 : 2); s++)
				for (uint32_t chunks = 0; chunks <= 4; chunks++)
					check(matcher, data, n, steps[s], chunks);
		}
}

static void what_lies_across_seams_is_found(void **state)
{
	// No copy is kept, one is until it is known that the object is no program, and one is.
	static const struct {
		const char *name;
		const char *text;
	} more[] = {{NULL, NULL}, {"b.ndb", "P:1:*:7171717171717171\n"},
		{"b.ldb", "R;Engine:81-255,Target:0;0&1;71717171;0/qq[a-z]{3}B/\n"}};

	(void)state;
	make_rules();
	for (unsigned int i = 0; i < 3; i++) {
		const char *const files[] = {"a.ndb", rules, more[i].name, more[i].text, NULL};
		struct case_image built = case_build(true, files);
		struct ruleset *ruleset;
		struct matcher *matcher;

		assert_int_equal(built.err, 0);
		assert_int_equal(ruleset_attach(built.image, built.bytes, &ruleset), 0);
		assert_int_equal(matcher_new(ruleset, 2, 0, true, &matcher), 0);
		assert_int_equal(match_may_need_copy(matcher), i > 0);
		assert_int_equal(match_needs_copy(ruleset), i == 2);
		check_all(matcher);
		matcher_free(matcher);
		ruleset_close(ruleset);
		free(built.image);
	}
}

// A part that ends has the mail searched before its time, as far as it has come. That it is no program is known then,
// and what was kept of it is kept on for its other parts alone. One rule is true for what the object ends with.
static void check_early(struct matcher *matcher, size_t seam, size_t of_part)
{
	static uint8_t data[7000];
	static uint8_t junk[7000];
	struct match_object *mail;
	struct match_object *part;
	struct match_object *others[2];
	struct match_hit hits[5];
	struct match_digests digests;
	const char *type;

	memset(junk, 'q', sizeof(junk));
	put(data, sizeof(data), 5000 + LONG_BYTES / 2);
	assert_int_equal(match_begin(matcher, MATCH_TARGET_MAIL, &mail), 0);
	assert_int_equal(match_begin(matcher, MATCH_TARGET_ANY, &part), 0);
	match_share(part, mail, 0);
	assert_int_equal(match_feed(mail, data, seam), 0);
	assert_int_equal(match_feed(part, data, seam), 0);
	assert_int_equal(match_end(part, hits, 5, &digests, &type), of_part);
	assert_true(mail->drops_copy);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(match_begin(matcher, MATCH_TARGET_ANY, &others[i]), 0);
		assert_int_equal(match_feed(others[i], junk, sizeof(junk)), 0);
	}
	assert_int_equal(match_feed(mail, data + seam, sizeof(data) - seam), 0);
	assert_int_equal(match_end(mail, hits, 5, &digests, &type), 4);
	match_abort(others[0]);
	match_abort(others[1]);
}

static void what_is_searched_early_is_searched_on(void **state)
{
	const char *const files[] = {
		"a.ndb", rules, "b.ndb", "P:1:*:7171717171717171\nB:0:*:286c61737429(L)\n", NULL};
	struct case_image built;
	struct ruleset *ruleset;
	struct matcher *matcher;

	(void)state;
	make_rules();
	built = case_build(true, files);
	assert_int_equal(built.err, 0);
	assert_int_equal(ruleset_attach(built.image, built.bytes, &ruleset), 0);
	assert_int_equal(matcher_new(ruleset, 3, 0, true, &matcher), 0);
	check_early(matcher, 5000, 1);
	check_early(matcher, 6999, 2);
	check_early(matcher, 7000, 4);
	matcher_free(matcher);
	ruleset_close(ruleset);
	free(built.image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_searched_early_is_searched_on),
		cmocka_unit_test(what_lies_across_seams_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
