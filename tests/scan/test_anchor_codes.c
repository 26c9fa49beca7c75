// SPDX-License-Identifier: BSD-3-Clause
// Runs of base64 in a mail are searched with a table of their own: what is found in them, at their ends and around
// them is what a search for each pattern finds.
#include "scan/anchor.h"
#include "tests/scan/ruleset_case.h"
#include "tests/support/random.h"

#define MOST_BYTES 60000u
#define PATTERNS 300u
#define LONGEST 200u
#define ROUNDS 16u
#define NEW 40u // patterns that an image has not, and a delta has

#define MOST_EDGES 8u

static uint8_t mail_bytes[MOST_BYTES];
static size_t edges[MOST_EDGES]; // where its runs begin and end
static uint32_t edges_count;

struct pattern {
	size_t length;
	uint8_t bytes[LONGEST];
	bool ignores_case;
	uint32_t any; // one byte of any value; 0: none
};

static uint8_t letter(struct random *random)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	return (uint8_t)letters[random_below(random, sizeof(letters) - 1)];
}

static size_t put_text(struct random *random, size_t at, size_t n)
{
	static const char words[] = "the Quick \xe4 fox: =20 a/b\r\n";

	for (; n > 0 && at < MOST_BYTES; n--)
		mail_bytes[at++] =
			random_below(random, 4000) == 0
				? 1
				: (uint8_t)words[random_below(random, sizeof(words) - 1)];
	return at;
}

// Of packed files, or of zeros for the most part.
static size_t put_codes(struct random *random, size_t at, size_t n)
{
	const bool is_packed = random_below(random, 3) != 0;

	for (size_t i = 0; i < n && at < MOST_BYTES; i++) {
		uint8_t byte = i % 78 == 76 ? '\r' : i % 78 == 77 ? '\n' : letter(random);

		if (!is_packed && i % 78 < 76 && random_below(random, 9) != 0)
			byte = 'A';
		mail_bytes[at++] = byte;
	}
	return at;
}

static size_t make_mail(struct random *random)
{
	size_t at = put_text(random, 0, random_below(random, 3000));

	edges_count = 0;
	for (unsigned int runs = random_below(random, 4); runs > 0; runs--) {
		edges[edges_count++] = at;
		at = put_codes(random, at, random_below(random, 2) == 0 ? 3000 : 40000);
		edges[edges_count++] = at;
		at = put_text(random, at, random_below(random, 3) == 0 ? 1 : 500);
	}
	return at > LONGEST ? at : put_codes(random, at, 5000);
}

// Cut out of the mail, many across a run's start or end, and most changed by a bit.
static void invent(struct random *random, struct pattern *out, size_t n)
{
	const size_t edge = edges_count > 0 ? edges[random_below(random, edges_count)] : 0;
	size_t from = random_below(random, (uint32_t)(n - LONGEST));

	memset(out, 0, sizeof(*out));
	out->length = random_below(random, 10) == 0 ? LONGEST - random_below(random, 9)
						    : 4 + random_below(random, 30);
	if (edge >= LONGEST && edge + LONGEST < n && random_below(random, 2) == 0)
		from = edge - random_below(random, (uint32_t)out->length + 1);
	memcpy(out->bytes, mail_bytes + from, out->length);
	out->ignores_case = random_below(random, 5) == 0;
	if (out->length > 8 && random_below(random, 5) == 0)
		out->any = 2 + random_below(random, (uint32_t)out->length - 6);
	if (random_below(random, 12) != 0)
		out->bytes[random_below(random, (uint32_t)out->length)] ^= 0x04;
}

static uint8_t as_told(const struct pattern *pattern, uint8_t byte)
{
	return pattern->ignores_case && byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
}

static bool is_there(const struct pattern *pattern, size_t n)
{
	for (size_t at = 0; at + pattern->length <= n; at++) {
		size_t i = 0;

		while (i < pattern->length && ((pattern->any != 0 && i == pattern->any) ||
						      as_told(pattern, mail_bytes[at + i]) ==
							      as_told(pattern, pattern->bytes[i])))
			i++;
		if (i == pattern->length)
			return true;
	}
	return false;
}

// For mails alone, or for objects of any kind.
static void put_line(FILE *file, const struct pattern *pattern, unsigned int number)
{
	(void)fprintf(file, "T%03u;Engine:51-255,Target:%u;0;", number, number % 3 == 0 ? 4U : 0U);
	for (size_t i = 0; i < pattern->length; i++)
		if (pattern->any != 0 && i == pattern->any)
			(void)fprintf(file, "??");
		else
			(void)fprintf(file, "%02x", pattern->bytes[i]);
	(void)fprintf(file, pattern->ignores_case ? "::i\n" : "\n");
}

static void check(
	struct random *random, struct matcher *matcher, const struct pattern *patterns, size_t n)
{
	const size_t chunks[] = {
		n, 1 + random_below(random, 100), 1448, 16384, 1 + random_below(random, 20000)};
	bool expected[PATTERNS];

	for (unsigned int i = 0; i < PATTERNS; i++)
		expected[i] = is_there(&patterns[i], n);
	for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
		struct case_result result =
			case_match(matcher, MATCH_TARGET_MAIL, mail_bytes, n, 0, chunks[i]);

		case_expect_numbered(&result, expected, PATTERNS);
		assert_false(matcher_was_partial(matcher));
	}
}

static void write_rules(const char *path, const struct pattern *patterns, unsigned int count)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	for (unsigned int i = 0; i < count; i++)
		put_line(file, &patterns[i], i);
	assert_int_equal(fclose(file), 0);
}

struct rules {
	struct ruleset *base;
	struct ruleset *all; // the same, or with a delta
	void *image;
	void *delta;
};

// An image of all, or one and a delta on it: the delta is searched for in the same pass.
static void build_rules(const struct pattern *patterns, bool has_delta, struct rules *out)
{
	char folder[] = "/tmp/cordon-test-XXXXXX";
	const char *const paths[] = {folder};
	struct ruleset_build_stats stats;
	struct ruleset_built built;
	char path[64];

	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/t.ldb", folder);
	write_rules(path, patterns, has_delta ? PATTERNS - NEW : PATTERNS);
	assert_int_equal(ruleset_build_indexed(paths, 1, NULL, &built, &stats), 0);
	assert_int_equal(ruleset_attach(built.image, built.image_bytes, &out->base), 0);
	*out = (struct rules){out->base, out->base, built.image, NULL};
	if (has_delta) {
		struct ruleset_built more = {
			.index = built.index, .index_bytes = built.index_bytes};

		write_rules(path, patterns, PATTERNS);
		assert_int_equal(ruleset_build_delta(paths, 1, NULL, &more, &stats), 0);
		assert_int_equal(
			ruleset_attach_delta(out->base, more.image, more.image_bytes, &out->all),
			0);
		out->delta = more.image;
	}
	free(built.index);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void free_rules(struct rules *rules)
{
	if (rules->all != rules->base)
		ruleset_close(rules->all);
	ruleset_close(rules->base);
	free(rules->image);
	free(rules->delta);
}

static void in_and_around_base64_is_found_what_is_there(void **state)
{
	static struct pattern patterns[PATTERNS];
	struct random random = {1421};

	(void)state;
	for (unsigned int round = 0; round < ROUNDS; round++) {
		size_t n = make_mail(&random);
		struct matcher *matcher;
		struct rules rules;

		for (unsigned int i = 0; i < PATTERNS; i++)
			invent(&random, &patterns[i], n);
		build_rules(patterns, round % 3 == 0, &rules);
		assert_int_equal(matcher_new(rules.all, 1, 0, true, &matcher), 0);
		check(&random, matcher, patterns, n);
		// Another mail: what is there by chance.
		n = make_mail(&random);
		check(&random, matcher, patterns, n);
		matcher_free(matcher);
		free_rules(&rules);
	}
}

// At each place around a run's ends and around those of the portions in which a mail is searched.
static void a_pattern_is_found_at_each_place_around_a_run(void **state)
{
	static const uint8_t word[] = {'x', '.', 'K', 'q', '7', '/', 'Z', 'z', '9', '+', 'Q'};
	static const struct {
		const char *hex; // of the word, or of what follows its first two bytes
		size_t from;
	} cases[] = {{"782e4b71372f5a7a392b51", 0}, {"4b71372f5a7a392b51", 2}};
	static const size_t runs[] = {700, 1500}; // where the run begins
	static const size_t ends[] = {5000, 40000};

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		const size_t run = runs[i & 1];
		const size_t end = ends[i >> 1 & 1];
		const size_t n = end + 600;
		const size_t around[] = {run, end, run + 1024, 16384, 17408, n};
		const size_t from = cases[i >> 2].from;
		const size_t length = sizeof(word) - from;
		char line[64];
		struct case_image built;
		struct ruleset *ruleset;
		struct matcher *matcher;

		(void)snprintf(line, sizeof(line), "T:4:*:%s\n", cases[i >> 2].hex);
		built = case_build_one("t.ndb", line);
		assert_int_equal(ruleset_attach(built.image, built.bytes, &ruleset), 0);
		assert_int_equal(matcher_new(ruleset, 1, 0, true, &matcher), 0);
		memset(mail_bytes, '.', n);
		memset(mail_bytes + run, 'M', end - run);
		for (size_t k = 0; k < sizeof(around) / sizeof(around[0]); k++)
			for (size_t at = around[k] - 90; at < around[k] + 70 && at + length <= n;
				at++) {
				uint8_t before[16];

				memcpy(before, mail_bytes + at, length);
				memcpy(mail_bytes + at, word + from, length);
				if (case_match(matcher, MATCH_TARGET_MAIL, mail_bytes, n, at, n)
						.count != 1)
					fail_msg("at %zu of %zu, run %zu", at, n, run);
				memcpy(mail_bytes + at, before, length);
			}
		matcher_free(matcher);
		ruleset_close(ruleset);
		free(built.image);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_and_around_base64_is_found_what_is_there),
		cmocka_unit_test(a_pattern_is_found_at_each_place_around_a_run),
	};

	return cmocka_run_group_tests_name("anchor_codes", tests, NULL, NULL);
}
