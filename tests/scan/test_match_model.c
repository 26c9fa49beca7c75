// SPDX-License-Identifier: BSD-3-Clause
// Random patterns over random data: the engine and a naive matcher find the same, in any chunks.
//
// Patterns are made here as lists of tokens, written as ClamAV's text for the engine, and matched by
// trying everything for comparison.
#include "tests/scan/ruleset_case.h"

#define SETS 60
#define PATTERNS 12
#define MAX_TOKENS 24
#define MAX_DATA 700

enum token_kind { TOKEN_BYTE, TOKEN_ANY, TOKEN_HIGH, TOKEN_LOW, TOKEN_GAP, TOKEN_ALTERNATES };

struct token {
	enum token_kind kind;
	uint8_t byte;
	unsigned int min; // of a gap
	unsigned int max; // UINT32_MAX: no limit
	bool negated;
	unsigned int count; // of the alternates
	unsigned int lengths[3];
	uint8_t strings[3][4];
	char left; // condition on the part that begins here: B, L, W, 0
	char right;
};

struct pattern {
	unsigned int count;
	struct token tokens[MAX_TOKENS];
	char offset; // '*', 'S' from the start, 'E' from the end
	unsigned int value;
	unsigned int shift;
};

static uint64_t seed = 0x2545f4914f6cdd1du;
static const char letters[] = "AB \nC";

static unsigned int below(unsigned int n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned int)((seed >> 16) % n);
}

static uint8_t letter(void)
{
	return (uint8_t)letters[below(sizeof(letters) - 1)];
}

// ---- the model ---------------------------------------------------------------------------------

static bool is_word(uint8_t byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
	       (byte >= 'a' && byte <= 'z');
}

static bool left_holds(char kind, const uint8_t *data, size_t at)
{
	if (kind == 0 || at == 0)
		return true;
	if (kind == 'L')
		return data[at - 1] == '\n';
	if (kind == 'W')
		return !is_word(data[at - 1]);
	return strchr(" -./<@_", data[at - 1]) != NULL && data[at - 1] != 0;
}

static bool right_holds(char kind, const uint8_t *data, size_t n, size_t at)
{
	if (kind == 0 || at == n)
		return true;
	if (kind == 'L')
		return data[at] == '\n' || (data[at] == '\r' && at + 1 < n && data[at + 1] == '\n');
	if (kind == 'W')
		return !is_word(data[at]);
	return strchr("\n\r \"'-/=>_", data[at]) != NULL && data[at] != 0;
}

static bool byte_fits(const struct token *token, uint8_t byte)
{
	switch (token->kind) {
	case TOKEN_BYTE:
		return byte == token->byte;
	case TOKEN_HIGH:
		return byte >> 4 == token->byte >> 4;
	case TOKEN_LOW:
		return (byte & 15) == (token->byte & 15);
	case TOKEN_ANY:
		return true;
	case TOKEN_GAP:
	case TOKEN_ALTERNATES:
		break;
	}
	return false;
}

static bool rest_matches(
	const struct pattern *pattern, unsigned int i, const uint8_t *data, size_t n, size_t at);

static bool alternates_match(
	const struct pattern *pattern, unsigned int i, const uint8_t *data, size_t n, size_t at)
{
	const struct token *token = &pattern->tokens[i];
	bool among = false;

	for (unsigned int k = 0; k < token->count; k++) {
		unsigned int length = token->lengths[k];
		bool same = at + length <= n && memcmp(token->strings[k], data + at, length) == 0;

		among = among || same;
		if (!token->negated && same && rest_matches(pattern, i + 1, data, n, at + length))
			return true;
	}
	return token->negated && !among && at + token->lengths[0] <= n &&
	       rest_matches(pattern, i + 1, data, n, at + token->lengths[0]);
}

static bool rest_matches(
	const struct pattern *pattern, unsigned int i, const uint8_t *data, size_t n, size_t at)
{
	const struct token *token = &pattern->tokens[i];

	if (i > 0 && !right_holds(token[-1].right, data, n, at))
		return false;
	if (i == pattern->count)
		return true;
	if (!left_holds(token->left, data, at))
		return false;
	if (token->kind == TOKEN_ALTERNATES)
		return alternates_match(pattern, i, data, n, at);
	if (token->kind != TOKEN_GAP)
		return at < n && byte_fits(token, data[at]) &&
		       rest_matches(pattern, i + 1, data, n, at + 1);
	for (size_t gap = token->min; at + gap <= n && gap <= token->max; gap++)
		if (rest_matches(pattern, i + 1, data, n, at + gap))
			return true;
	return false;
}

static bool model_matches(const struct pattern *pattern, const uint8_t *data, size_t n)
{
	size_t first = 0;
	size_t last = n;

	if (n < 6)
		return false;
	if (pattern->offset != '*') {
		if (pattern->offset == 'E' && pattern->value > n)
			return false;
		first = pattern->offset == 'E' ? n - pattern->value : pattern->value;
		last = first + pattern->shift;
	}
	for (size_t start = first; start <= last && start <= n; start++)
		if (rest_matches(pattern, 0, data, n, start))
			return true;
	return false;
}

// ---- random patterns ---------------------------------------------------------------------------

static struct token *push(struct pattern *pattern, enum token_kind kind)
{
	struct token *token = &pattern->tokens[pattern->count++];

	memset(token, 0, sizeof(*token));
	token->kind = kind;
	token->byte = letter();
	return token;
}

static void push_alternates(struct pattern *pattern)
{
	struct token *token = push(pattern, TOKEN_ALTERNATES);

	token->negated = below(3) == 0;
	token->count = 1 + below(3);
	for (unsigned int i = 0; i < token->count; i++) {
		token->lengths[i] = token->negated && i > 0 ? token->lengths[0] : 1 + below(3);
		for (unsigned int k = 0; k < token->lengths[i]; k++)
			token->strings[i][k] = letter();
	}
}

static void push_part(struct pattern *pattern)
{
	static const char edges[] = {0, 0, 0, 'B', 'L', 'W'};
	unsigned int first = pattern->count;

	(void)push(pattern, TOKEN_BYTE);
	(void)push(pattern, TOKEN_BYTE);
	for (unsigned int more = below(3); more > 0; more--) {
		unsigned int kind = below(6);

		if (kind == 4)
			push_alternates(pattern);
		else
			(void)push(pattern, kind == 5 ? TOKEN_BYTE : (enum token_kind)kind);
	}
	pattern->tokens[first].left = edges[below(sizeof(edges))];
	pattern->tokens[pattern->count - 1].right = edges[below(sizeof(edges))];
}

static void push_gap(struct pattern *pattern)
{
	struct token *gap = push(pattern, TOKEN_GAP);
	unsigned int kind = below(5);

	gap->max = UINT32_MAX;
	if (kind == 1)
		gap->max = 1 + below(20);
	if (kind == 2)
		gap->min = 1 + below(6);
	if (kind == 3) {
		gap->min = below(6);
		gap->max = gap->min + 1 + below(8);
	}
	if (kind == 4)
		gap->min = gap->max = 1 + below(140);
}

static struct pattern make_pattern(void)
{
	struct pattern pattern = {.offset = "***SE"[below(5)]};

	push_part(&pattern);
	for (unsigned int more = below(3); more > 0; more--) {
		unsigned int gap = pattern.count;

		push_gap(&pattern);
		push_part(&pattern);
		// A short {n} does not end a part: a condition beside it would be a byte.
		if (pattern.tokens[gap].min == pattern.tokens[gap].max &&
			pattern.tokens[gap].min < 128)
			pattern.tokens[gap - 1].right = pattern.tokens[gap + 1].left = 0;
	}
	if (pattern.offset != '*') {
		pattern.value = below(30);
		pattern.shift = below(2) * below(12);
	}
	return pattern;
}

static void print_edge(FILE *out, char edge)
{
	if (edge != 0)
		(void)fprintf(out, "(%c)", edge);
}

static void print_gap(FILE *out, const struct token *gap)
{
	if (gap->min == gap->max)
		(void)fprintf(out, "{%u}", gap->min);
	else if (gap->max == UINT32_MAX && gap->min == 0)
		(void)fprintf(out, "*");
	else if (gap->max == UINT32_MAX)
		(void)fprintf(out, "{%u-}", gap->min);
	else
		(void)fprintf(out, "{%u-%u}", gap->min, gap->max);
}

static void print_token(FILE *out, const struct token *token)
{
	print_edge(out, token->left);
	switch (token->kind) {
	case TOKEN_BYTE:
		(void)fprintf(out, "%02x", token->byte);
		break;
	case TOKEN_ANY:
		(void)fprintf(out, "?\?");
		break;
	case TOKEN_HIGH:
		(void)fprintf(out, "%x?", token->byte >> 4);
		break;
	case TOKEN_LOW:
		(void)fprintf(out, "?%x", token->byte & 15);
		break;
	case TOKEN_GAP:
		print_gap(out, token);
		break;
	case TOKEN_ALTERNATES:
		for (unsigned int i = 0; i < token->count; i++) {
			(void)fprintf(out, i > 0 ? "|" : token->negated ? "!(" : "(");
			for (unsigned int k = 0; k < token->lengths[i]; k++)
				(void)fprintf(out, "%02x", token->strings[i][k]);
		}
		(void)fprintf(out, ")");
		break;
	}
	print_edge(out, token->right);
}

static void print_pattern(FILE *out, unsigned int name, const struct pattern *pattern)
{
	(void)fprintf(out, "%u:0:", name);
	if (pattern->offset == '*')
		(void)fprintf(out, "*");
	else
		(void)fprintf(out, "%s%u", pattern->offset == 'E' ? "EOF-" : "", pattern->value);
	if (pattern->shift > 0)
		(void)fprintf(out, ",%u", pattern->shift);
	(void)fprintf(out, ":");
	for (unsigned int i = 0; i < pattern->count; i++)
		print_token(out, &pattern->tokens[i]);
	(void)fprintf(out, "\n");
}

// ---- comparison --------------------------------------------------------------------------------

struct set {
	struct pattern patterns[PATTERNS];
	char *text;
	bool built[PATTERNS]; // some can never match and are not taken
};

static void note_skipped(
	void *ctx, const char *file, unsigned int line, bool is_error, const char *reason)
{
	struct set *set = ctx;

	assert_non_null(file);
	if (is_error)
		fail_msg("%s:\n%s", reason, set->text);
	set->built[line - 1] = false;
}

static struct ruleset *build_set(struct set *set, void **image)
{
	struct ruleset_build_options options = {note_skipped, set, false};
	char path[] = "/tmp/cordon-model-XXXXXX.ndb";
	const char *paths[] = {path};
	struct ruleset *ruleset;
	size_t bytes = 0;
	FILE *out = open_memstream(&set->text, &bytes);
	int fd = mkstemps(path, 4);

	assert_non_null(out);
	for (unsigned int i = 0; i < PATTERNS; i++) {
		set->patterns[i] = make_pattern();
		set->built[i] = true;
		print_pattern(out, i, &set->patterns[i]);
	}
	assert_int_equal(fclose(out), 0);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, set->text, bytes), bytes);
	assert_int_equal(close(fd), 0);
	assert_int_equal(ruleset_build(paths, 1, &options, image, &bytes, NULL), 0);
	(void)unlink(path);
	assert_int_equal(ruleset_attach(*image, bytes, &ruleset), 0);
	return ruleset;
}

static uint32_t hit_bits(const struct case_result *result)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < result->count; i++)
		bits |= 1u << strtoul(result->hits[i].signature, NULL, 10);
	return bits;
}

static void compare(const struct set *set, struct matcher *matcher, const uint8_t *data, size_t n)
{
	uint32_t wanted = 0;
	uint32_t possible = 0;
	struct case_result result;

	for (unsigned int i = 0; i < PATTERNS; i++) {
		if (set->built[i])
			possible |= 1u << i;
		if (model_matches(&set->patterns[i], data, n))
			wanted |= 1u << i;
	}
	result = case_match(matcher, MATCH_TARGET_ANY, data, n, n, 1);
	if (hit_bits(&result) != wanted)
		print_message("set:\n%sdata: %.*s\n", set->text, (int)n, (const char *)data);
	assert_int_equal(wanted & ~possible, 0);
	assert_int_equal(hit_bits(&result), wanted);
	result = case_match(matcher, MATCH_TARGET_ANY, data, n, 0, 1);
	assert_int_equal(hit_bits(&result), wanted);
	for (size_t split = 1; split < n; split += n < 60 ? 1 : 37) {
		result = case_match(matcher, MATCH_TARGET_ANY, data, n, split, n);
		assert_int_equal(hit_bits(&result), wanted);
	}
}

static void the_engine_finds_what_a_naive_matcher_finds(void **state)
{
	static uint8_t data[MAX_DATA];

	(void)state;
	for (unsigned int round = 0; round < SETS; round++) {
		struct set set = {0};
		struct matcher *matcher;
		void *image;
		struct ruleset *ruleset = build_set(&set, &image);

		assert_int_equal(matcher_new(ruleset, 2, 0, true, &matcher), 0);
		for (unsigned int i = 0; i < 24; i++) {
			size_t n = i < 16 ? below(50) : below(MAX_DATA);

			for (size_t k = 0; k < n; k++)
				data[k] = letter();
			compare(&set, matcher, data, n);
		}
		matcher_free(matcher);
		ruleset_close(ruleset);
		free(image);
		free(set.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_engine_finds_what_a_naive_matcher_finds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
