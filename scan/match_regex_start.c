// SPDX-License-Identifier: BSD-3-Clause
#include "scan/match_regex_start.h"

#include "scan/processor.h"

#include <ctype.h>
#include <string.h>

// ---- reading -----------------------------------------------------------------------------------

struct reader {
	const char *at;
	bool is_caseless;
	struct regex_start *start;
	uint32_t branch; // its first word
};

bool regex_pass(const char **at)
{
	const char *end = *at + 1;

	if (**at == '\\') {
		end++;
		if ((*at)[1] == '\0')
			return false;
	} else if (**at == '[') {
		end += *end == '^';
		end += *end == ']';
		while (*end != ']') {
			// Classes by name.
			if (*end == '\0' || *end == '[')
				return false;
			end += *end == '\\' && end[1] != '\0' ? 2 : 1;
		}
		end++;
	}
	*at = end;
	return true;
}

// To the end of the branch that is being read, or of the expression.
static bool pass_branch(const char **at)
{
	unsigned int depth = 0;

	while (**at != '\0' && (depth > 0 || (**at != '|' && **at != ')'))) {
		depth += **at == '(' ? 1 : 0;
		depth -= **at == ')' ? 1 : 0;
		if (!regex_pass(at))
			return false;
	}
	return depth == 0;
}

bool regex_is_plain(const char *text, const char *letters)
{
	static const char *const odd[] = {"(*", "\\Q", "\\E", "\\K"};

	if (strpbrk(letters, "xA") != NULL)
		return false;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		if (strstr(text, odd[i]) != NULL)
			return false;
	while ((text = strstr(text, "(?")) != NULL) {
		if (text[2] != ':')
			return false;
		text += 2;
	}
	return true;
}

// A byte that stands for itself; 0: none.
static uint8_t read_byte(const char **at)
{
	const char *end = *at;

	if (*end == '\\' && ispunct((unsigned char)end[1]))
		end++;
	else if (!isprint((unsigned char)*end) || strchr("\\^$.[]|(){}?*+", *end) != NULL)
		return 0;
	*at = end + 1;
	return (uint8_t)*end;
}

static void append(struct regex_word *word, uint8_t byte, bool is_caseless)
{
	const bool both = is_caseless && isalpha(byte);
	const uint8_t mask = both ? 0xdf : 0xff;
	uint8_t values[REGEX_START_MOST];
	uint8_t masks[REGEX_START_MOST];

	memcpy(values, &word->value, sizeof(values));
	memcpy(masks, &word->mask, sizeof(masks));
	values[word->bytes] = byte & mask;
	masks[word->bytes] = mask;
	memcpy(&word->value, values, sizeof(values));
	memcpy(&word->mask, masks, sizeof(masks));
	word->bytes++;
}

// Appends the byte to all words of the branch, or to copies of them where it may be missing. Returns false
// when there is no room.
static bool append_all(struct reader *reader, uint8_t byte, bool may_be_missing)
{
	struct regex_start *start = reader->start;
	const uint32_t count = start->count;

	for (uint32_t i = reader->branch; i < count; i++) {
		if (start->words[i].bytes == REGEX_START_MOST)
			return false;
		if (may_be_missing) {
			if (start->count == REGEX_START_WORDS)
				return false;
			start->words[start->count++] = start->words[i];
		}
		append(&start->words[i], byte, reader->is_caseless);
	}
	return true;
}

// The words that a branch begins with.
static bool read_branch(struct reader *reader)
{
	struct regex_start *start = reader->start;
	const char *at = reader->at;
	uint8_t byte;

	if (start->count == REGEX_START_WORDS)
		return false;
	reader->branch = start->count;
	start->words[start->count++] = (struct regex_word){0};
	while ((byte = read_byte(&at)) != 0) {
		const bool may_be_missing = *at == '?';

		if (*at == '*' || *at == '{' || !append_all(reader, byte, may_be_missing))
			break;
		if (may_be_missing)
			at += at[1] == '?' || at[1] == '+' ? 2 : 1;
		if (*at == '+')
			break;
	}
	for (uint32_t i = reader->branch; i < start->count; i++)
		if (start->words[i].bytes < REGEX_START_LEAST)
			return false;
	return pass_branch(&reader->at);
}

static bool read_group(struct reader *reader)
{
	reader->at += reader->at[1] == '?' ? 3 : 1;
	while (read_branch(reader)) {
		if (*reader->at == ')')
			return true;
		if (*reader->at != '|')
			return false;
		reader->at++;
	}
	return false;
}

// What lies behind a short word may be anything.
void regex_start_ready(struct regex_start *start)
{
	memset(start->low, 0, sizeof(start->low));
	memset(start->high, 0, sizeof(start->high));
	for (uint32_t i = 0; i < start->count; i++) {
		const uint8_t bit = (uint8_t)(1u << i % 8);

		for (unsigned int at = 0; at < REGEX_START_LOOKS; at++) {
			const uint8_t value = (uint8_t)(start->words[i].value >> 8 * at);
			const uint8_t mask = (uint8_t)(start->words[i].mask >> 8 * at);

			for (unsigned int half = 0; half < 16; half++) {
				if ((half & mask & 0xf) == (value & 0xf))
					start->low[at][half] |= bit;
				if ((half & mask >> 4) == value >> 4)
					start->high[at][half] |= bit;
			}
		}
	}
}

// One word, or a group of several that what follows is behind. There is no other branch.
static bool read_all(struct reader *reader)
{
	if (strncmp(reader->at, "\\b", 2) == 0)
		reader->at += 2;
	if (*reader->at != '(')
		return read_branch(reader) && *reader->at == '\0';
	if (!read_group(reader) || (reader->at[1] != '\0' && strchr("?*{", reader->at[1]) != NULL))
		return false;
	reader->at++;
	return pass_branch(&reader->at) && *reader->at == '\0';
}

void regex_start_read(const char *text, const char *letters, struct regex_start *out)
{
	struct reader reader = {text, strchr(letters, 'i') != NULL, out, 0};

	*out = (struct regex_start){0};
	if (!regex_is_plain(text, letters) || !read_all(&reader))
		out->count = 0;
	regex_start_ready(out);
}

void regex_start_word(const uint8_t *bytes, size_t n, bool is_caseless, struct regex_start *out)
{
	*out = (struct regex_start){.count = 1};
	for (size_t i = 0; i < n; i++)
		append(&out->words[0], bytes[i], is_caseless);
	regex_start_ready(out);
}

// ---- finding -----------------------------------------------------------------------------------

#define BLOCK REGEX_START_BLOCK
#define BEHIND (REGEX_START_MOST - 1) // so many bytes behind a place are looked at

static inline uint64_t load(const uint8_t *data)
{
	uint64_t value;

	memcpy(&value, data, sizeof(value));
	return value;
}

// Marks where the first two bytes of a word are.
static void mark(const struct regex_word *word, const uint8_t *block, uint8_t *marks)
{
	const uint8_t one = (uint8_t)word->value;
	const uint8_t other = (uint8_t)(word->value >> 8);
	const uint8_t one_mask = (uint8_t)word->mask;
	const uint8_t other_mask = (uint8_t)(word->mask >> 8);

	for (size_t i = 0; i < BLOCK; i++)
		marks[i] |= (uint8_t)(((block[i] & one_mask) == one) &
				      ((block[i + 1] & other_mask) == other));
}

static uint64_t bits_of(const uint8_t *marks)
{
	uint64_t bits = 0;

	for (unsigned int at = 0; at < BLOCK; at += sizeof(uint64_t))
		bits |= load(marks + at) * UINT64_C(0x0102040810204080) >> 56 << at;
	return bits;
}

size_t regex_start_skip_portable(
	const struct regex_start *start, const uint8_t *data, size_t n, uint64_t *marks)
{
	for (size_t at = 0; at < n; at += BLOCK) {
		uint8_t bytes[BLOCK] = {0};

		for (uint32_t i = 0; i < start->count; i++)
			mark(&start->words[i], data + at, bytes);
		*marks = bits_of(bytes);
		if (*marks != 0)
			return at;
	}
	return n;
}

regex_start_skip_fn regex_start_variant(size_t i)
{
	if (i == 0)
		return regex_start_skip_portable;
	return i == 1 && processor_has_avx2() ? regex_start_skip_avx2 : NULL;
}

static bool begins(const struct regex_start *start, const uint8_t *data)
{
	const uint64_t bytes = load(data);

	for (uint32_t i = 0; i < start->count; i++)
		if ((bytes & start->words[i].mask) == start->words[i].value)
			return true;
	return false;
}

// The first of n places where a word begins, n being a multiple of a block; n: none.
static size_t find_in_blocks(
	regex_start_skip_fn skip, const struct regex_start *start, const uint8_t *data, size_t n)
{
	uint64_t marks = 0;

	for (size_t at = 0; at < n; at += BLOCK) {
		at += skip(start, data + at, n - at, &marks);
		if (at == n)
			break;
		for (; marks != 0; marks &= marks - 1) {
			const size_t place = at + (size_t)__builtin_ctzll(marks);

			if (begins(start, data + place))
				return place;
		}
	}
	return n;
}

size_t regex_start_find_with(regex_start_skip_fn skip, const struct regex_start *start,
	const uint8_t *data, size_t n, size_t at)
{
	uint8_t last[3 * BLOCK];

	if (at < n && n - at >= BLOCK + BEHIND) {
		const size_t room = (n - at - BEHIND) & ~(size_t)(BLOCK - 1);
		const size_t found = find_in_blocks(skip, start, data + at, room);

		at += found;
		if (found < room)
			return at;
	}
	// Words hold no zeros.
	if (at < n) {
		memset(last, 0, sizeof(last));
		memcpy(last, data + at, n - at);
		at += find_in_blocks(skip, start, last, 2 * (size_t)BLOCK);
	}
	return at < n ? at : n;
}

size_t regex_start_find(const struct regex_start *start, const uint8_t *data, size_t n, size_t at)
{
	const regex_start_skip_fn fastest = regex_start_variant(1);

	return regex_start_find_with(
		fastest != NULL ? fastest : regex_start_skip_portable, start, data, n, at);
}
