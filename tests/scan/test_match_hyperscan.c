// SPDX-License-Identifier: BSD-3-Clause
// The rare bytes of patterns are a filter in front of the patterns themselves: with it, objects match what
// Hyperscan alone, which has no such filter, finds in them. Patterns are random ones as signature writers
// make them, and those of real signature files; each is written twice, as ClamAV's text and as a regular
// expression that means the same.
#include "tests/scan/ruleset_case.h"
#include "tests/support/random.h"

#include <hs.h>

#define SETS 12
#define RANDOM_PATTERNS 400
#define REAL_PATTERNS 2500
#define LONGEST 600 // letters of a pattern's text
#define OBJECT 30000
#define OBJECTS 24 // for each set
#define PLANTS 20  // pieces of patterns in an object
#define OPEN_GAP 5000

struct pattern {
	char text[LONGEST];
};

struct both {
	struct pattern *patterns;
	uint32_t count;
	hs_database_t *database;
	hs_scratch_t *scratch;
	bool *found; // by Hyperscan
	struct case_image built;
	struct ruleset *ruleset;
	struct matcher *matcher;
};

static uint8_t object_bytes[OBJECT];

// ---- as a regular expression --------------------------------------------------------------------

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static void write_nibble(FILE *out, const char *two)
{
	(void)fputc('[', out);
	for (unsigned int i = 0; i < 16; i++) {
		if (two[0] == '?')
			(void)fprintf(out, "\\x%x%c", i, two[1]);
		else
			(void)fprintf(out, "\\x%c%x", two[0], i);
	}
	(void)fputc(']', out);
}

// "{5}", "{-5}", "{5-}", "{3-5}"; the letter behind it, NULL: it is none of these.
static const char *write_gap(FILE *out, const char *at)
{
	const char *end = strchr(at, '}');
	const char *dash = strchr(at, '-');
	bool is_range = dash != NULL && end != NULL && dash < end;

	if (end == NULL)
		return NULL;
	if (!is_range)
		(void)fprintf(out, ".{%ld}", strtol(at + 1, NULL, 10));
	else if (dash + 1 == end)
		(void)fprintf(out, ".{%ld,}", strtol(at + 1, NULL, 10));
	else
		(void)fprintf(out, ".{%ld,%ld}", dash == at + 1 ? 0 : strtol(at + 1, NULL, 10),
			strtol(dash + 1, NULL, 10));
	return end + 1;
}

// One piece of a pattern; the letter behind it, NULL: it cannot be said here.
static const char *write_piece(FILE *out, const char *at)
{
	if (is_hex(at[0]) && is_hex(at[1])) {
		(void)fprintf(out, "\\x%c%c", at[0], at[1]);
	} else if (at[0] == '?' && at[1] == '?') {
		(void)fputc('.', out);
	} else if ((at[0] == '?' && is_hex(at[1])) || (is_hex(at[0]) && at[1] == '?')) {
		write_nibble(out, at);
	} else if (at[0] == '*') {
		(void)fputs(".*", out);
		return at + 1;
	} else if (at[0] == '{') {
		return write_gap(out, at);
	} else if (at[0] == '(' && (is_hex(at[1]) || at[1] == '?')) {
		(void)fputs("(?:", out);
		return at + 1;
	} else if (at[0] == '|' || at[0] == ')') {
		(void)fputc(at[0], out);
		return at + 1;
	} else {
		return NULL;
	}
	return at + 2;
}

static char *regex_of(const struct pattern *pattern)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	const char *at = pattern->text;

	assert_non_null(out);
	while (at != NULL && *at != '\0')
		at = write_piece(out, at);
	assert_int_equal(fclose(out), 0);
	if (at != NULL)
		return text;
	free(text);
	return NULL;
}

// ---- both -----------------------------------------------------------------------------------------

static int on_match(unsigned int id, unsigned long long from, unsigned long long to,
	unsigned int flags, void *context)
{
	struct both *both = context;

	(void)from;
	(void)to;
	(void)flags;
	both->found[id] = true;
	return 0;
}

static void compile_regexes(struct both *both)
{
	static char *texts[REAL_PATTERNS];
	static unsigned int flags[REAL_PATTERNS];
	static unsigned int ids[REAL_PATTERNS];
	hs_compile_error_t *error = NULL;

	for (uint32_t i = 0; i < both->count; i++) {
		texts[i] = regex_of(&both->patterns[i]);
		assert_non_null(texts[i]);
		flags[i] = HS_FLAG_DOTALL | HS_FLAG_SINGLEMATCH;
		ids[i] = i;
	}
	if (hs_compile_multi((const char *const *)texts, flags, ids, both->count, HS_MODE_BLOCK,
		    NULL, &both->database, &error) != HS_SUCCESS)
		fail_msg("%s: %s", both->patterns[error->expression].text, error->message);
	assert_int_equal(hs_alloc_scratch(both->database, &both->scratch), HS_SUCCESS);
	for (uint32_t i = 0; i < both->count; i++)
		free(texts[i]);
}

static void open_both(struct both *both)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *file = open_memstream(&text, &bytes);

	assert_non_null(file);
	for (uint32_t i = 0; i < both->count; i++)
		(void)fprintf(file, "T%05u:0:*:%s\n", i, both->patterns[i].text);
	assert_int_equal(fclose(file), 0);
	both->built = case_build_one("t.ndb", text);
	free(text);
	assert_int_equal(both->built.err, 0);
	if (both->built.reports.count != 0)
		fail_msg("%s: %s", both->patterns[both->built.reports.line - 1].text,
			both->built.reports.reason);
	assert_int_equal(ruleset_attach(both->built.image, both->built.bytes, &both->ruleset), 0);
	assert_int_equal(matcher_new(both->ruleset, 1, 0, true, &both->matcher), 0);
	both->found = calloc(both->count, sizeof(*both->found));
	assert_non_null(both->found);
	compile_regexes(both);
}

static void close_both(struct both *both)
{
	matcher_free(both->matcher);
	ruleset_close(both->ruleset);
	free(both->built.image);
	free(both->found);
	free(both->patterns);
	(void)hs_free_scratch(both->scratch);
	(void)hs_free_database(both->database);
}

// The number of what Hyperscan has found.
static uint32_t compare(struct both *both, size_t n, size_t chunk)
{
	struct case_result result;
	uint32_t expected = 0;

	memset(both->found, 0, both->count * sizeof(*both->found));
	assert_int_equal(hs_scan(both->database, (const char *)object_bytes, (unsigned int)n, 0,
				 both->scratch, on_match, both),
		HS_SUCCESS);
	result = case_match(both->matcher, MATCH_TARGET_ANY, object_bytes, n, 0, chunk);
	assert_false(matcher_was_partial(both->matcher));
	assert_false(matcher_had_more(both->matcher));
	for (size_t i = 0; i < result.count; i++) {
		uint32_t number = (uint32_t)strtoul(result.hits[i].signature + 1, NULL, 10);

		if (!both->found[number])
			fail_msg("%s is not there", both->patterns[number].text);
		both->found[number] = false;
	}
	for (uint32_t i = 0; i < both->count; i++)
		if (both->found[i])
			fail_msg("%s is not found (in pieces of %zu)", both->patterns[i].text,
				chunk);
	expected = (uint32_t)result.count;
	return expected;
}

// ---- objects ----------------------------------------------------------------------------------------

static size_t spell_gap(struct random *random, const char **at)
{
	const char *end = strchr(*at, '}');
	const char *dash = memchr(*at, '-', (size_t)(end - *at));
	long least = (*at)[1] == '-' ? 0 : strtol(*at + 1, NULL, 10);
	long most = least;

	if (dash != NULL)
		most = dash + 1 == end ? least + 40 : strtol(dash + 1, NULL, 10);
	*at = end + 1;
	// One too many now and then.
	return (size_t)least + random_below(random, (uint32_t)(most - least + 1)) +
	       (random_below(random, 12) == 0);
}

static uint8_t spell_byte(struct random *random, const char *two)
{
	char digits[3] = {two[0], two[1], '\0'};

	for (int i = 0; i < 2; i++)
		if (digits[i] == '?')
			digits[i] = "0123456789abcdef"[random_below(random, 16)];
	return (uint8_t)strtoul(digits, NULL, 16);
}

// Bytes that fit a pattern; an alternate is the first or the last one of several.
static size_t spell(struct random *random, const char *at, uint8_t *out, size_t room)
{
	size_t n = 0;

	while (*at != '\0' && n + OPEN_GAP < room) {
		if (*at == '{' || *at == '*') {
			size_t gap = *at == '*' ? random_below(random, 60) : 0;

			if (*at == '{')
				gap = spell_gap(random, &at);
			else
				at++;
			n += gap < room - n ? gap : 0;
		} else if (*at == '(') {
			bool is_last = random_below(random, 2) != 0;
			const char *close = strchr(at, ')');

			at++;
			for (const char *bar = at; is_last && bar < close; bar++)
				at = *bar == '|' ? bar + 1 : at;
		} else if (*at == '|') {
			at = strchr(at, ')') + 1;
		} else if (*at == ')') {
			at++;
		} else {
			out[n++] = spell_byte(random, at);
			at += 2;
		}
	}
	return n;
}

static void fill(struct random *random)
{
	static const char text[] = "The quick .com HTTP http:// class eval(base64_decode('\r\n";
	bool is_text = random_below(random, 2) != 0;
	size_t at = 0;

	while (at < OBJECT) {
		uint32_t kind = is_text ? 1 : random_below(random, 3);

		for (uint32_t run = 1 + random_below(random, 60); run > 0 && at < OBJECT; run--)
			object_bytes[at++] =
				kind == 0   ? 0
				: kind == 1 ? (uint8_t)text[random_below(random, sizeof(text) - 1)]
					    : (uint8_t)random_below(random, 256);
	}
}

// Patterns, whole or with one bit that is wrong, on a ground of any kind.
static void make_object(struct random *random, const struct both *both)
{
	fill(random);
	for (uint32_t i = 0; i < PLANTS; i++) {
		const struct pattern *pattern = &both->patterns[random_below(random, both->count)];
		size_t at = random_below(random, OBJECT - 2 * OPEN_GAP);
		size_t n = spell(random, pattern->text, object_bytes + at, OBJECT - at);

		if (n > 0 && random_below(random, 3) == 0)
			object_bytes[at + random_below(random, (uint32_t)n)] ^=
				(uint8_t)(1u << random_below(random, 8));
	}
}

static void compare_objects(struct both *both, struct random *random)
{
	uint32_t found = 0;

	open_both(both);
	for (uint32_t i = 0; i < OBJECTS; i++) {
		make_object(random, both);
		found += compare(both, OBJECT, OBJECT);
		(void)compare(both, OBJECT, 1448);
		(void)compare(both, OBJECT, 1 + random_below(random, 20000));
	}
	assert_true(found > OBJECTS);
	close_both(both);
}

// ---- patterns ---------------------------------------------------------------------------------------

static size_t put_bytes(struct random *random, char *out, uint32_t count, bool is_text)
{
	static const char letters[] = "etaoin shrdlu.EVAL(base64)<script>";
	size_t used = 0;

	for (uint32_t i = 0; i < count; i++)
		used += (size_t)sprintf(out + used, "%02x",
			is_text ? (unsigned int)letters[random_below(random, sizeof(letters) - 1)]
				: random_below(random, 256));
	return used;
}

static size_t put_rarity(struct random *random, char *out, bool is_text)
{
	uint32_t least = random_below(random, 12);
	size_t used = 0;

	switch (random_below(random, 8)) {
	case 0:
		return (size_t)sprintf(out, "??");
	case 1:
		return (size_t)sprintf(out, "{%u}", 1 + least);
	case 2:
		return (size_t)sprintf(out, "{%u-%u}", least, least + 1 + random_below(random, 30));
	case 3:
		return (size_t)sprintf(out, "{-%u}", 1 + random_below(random, 200));
	case 4:
		return (size_t)sprintf(out, "*");
	case 5:
		return (size_t)sprintf(out, "%x?", random_below(random, 16));
	case 6:
		used = (size_t)sprintf(out, "(");
		for (uint32_t n = 2 + random_below(random, 3); n > 0; n--) {
			used += put_bytes(random, out + used, 2, is_text);
			used += (size_t)sprintf(out + used, n > 1 ? "|" : ")");
		}
		return used;
	default:
		return (size_t)sprintf(out, "?%x", random_below(random, 16));
	}
}

// Two to five runs of fixed bytes with something rarer in between.
static void invent(struct random *random, struct pattern *out)
{
	bool is_text = random_below(random, 3) == 0;
	uint32_t runs = random_below(random, 3) == 0 ? 1 : 2 + random_below(random, 4);
	size_t used = 0;

	for (uint32_t i = 0; i < runs; i++) {
		if (i > 0)
			used += put_rarity(random, out->text + used, is_text);
		used += put_bytes(random, out->text + used,
			runs == 1 ? 3 + random_below(random, 30) : 2 + random_below(random, 12),
			is_text);
	}
}

static void random_patterns_match_what_hyperscan_matches(void **state)
{
	struct random random = {31415};

	(void)state;
	for (uint32_t set = 0; set < SETS; set++) {
		struct both both = {.count = RANDOM_PATTERNS};

		both.patterns = calloc(both.count, sizeof(*both.patterns));
		assert_non_null(both.patterns);
		for (uint32_t i = 0; i < both.count; i++)
			invent(&random, &both.patterns[i]);
		compare_objects(&both, &random);
	}
}

// The next pattern of a line of an .ndb file, or of an .ldb file's subsignatures, that can be said here.
static bool take(struct pattern *out, const char *text, size_t n)
{
	char *regex;

	if (n < 8 || n >= LONGEST || strspn(text, "0123456789abcdefABCDEF?*{}-(|)") < n)
		return false;
	memcpy(out->text, text, n);
	out->text[n] = '\0';
	regex = regex_of(out);
	free(regex);
	return regex != NULL;
}

// Of each so many lines one, so that all ages of a file are there.
static void take_lines(struct both *both, const char *name, char separator, uint32_t step)
{
	const char *root = getenv("CORDON_TEST_DATA"); // NOLINT(concurrency-mt-unsafe): one thread
	char path[512];
	char *line = NULL;
	size_t room = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/signatures/%s", root != NULL ? root : "", name);
	file = fopen(path, "rb");
	for (uint32_t i = 0; file != NULL && getline(&line, &room, file) > 0; i++) {
		const char *last = strrchr(line, separator);

		if (i % step == 0 && last != NULL && both->count < REAL_PATTERNS &&
			take(&both->patterns[both->count], last + 1, strcspn(last + 1, "\r\n")))
			both->count++;
	}
	free(line);
	if (file != NULL)
		(void)fclose(file);
}

static void real_patterns_match_what_hyperscan_matches(void **state)
{
	struct random random = {27182};
	struct both both = {.patterns = calloc(REAL_PATTERNS, sizeof(struct pattern))};

	(void)state;
	assert_non_null(both.patterns);
	take_lines(&both, "lmd-2020/rfxn.ndb", ':', 3);
	take_lines(&both, "clamav-official-2025-04-29/daily.ndb", ':', 1);
	take_lines(&both, "clamav-official-2025-04-29/main.ldb", ';', 17);
	if (both.count == 0) {
		printf("skip: CORDON_TEST_DATA has no signatures\n");
		free(both.patterns);
		skip();
	}
	compare_objects(&both, &random);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_patterns_match_what_hyperscan_matches),
		cmocka_unit_test(real_patterns_match_what_hyperscan_matches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
