// SPDX-License-Identifier: BSD-3-Clause
#include "scan/match_regex_need.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MOST_DEPTH 16u

struct parser {
	const char *at;
	unsigned int depth;
};

// What stands between quantifiers: so many bytes at most, or one that is known.
struct item {
	uint32_t most;
	bool is_byte;
	uint8_t byte;
};

struct times {
	uint32_t least;
	uint32_t most;
};

static uint32_t add(uint32_t a, uint32_t b)
{
	return a > REGEX_NEED_ANY - b ? REGEX_NEED_ANY : a + b;
}

static uint32_t multiply(uint32_t a, uint32_t b)
{
	const uint64_t product = (uint64_t)a * b;

	return product < REGEX_NEED_ANY ? (uint32_t)product : REGEX_NEED_ANY;
}

static void take_byte(struct parser *parser, size_t length, uint8_t byte, struct item *out)
{
	*out = (struct item){1, true, byte};
	parser->at += length;
}

static bool read_escape(struct parser *parser, struct item *out)
{
	static const char controls[] = "nrtfae";
	static const char values[] = "\n\r\t\f\a\x1b";
	const char *at = parser->at;
	const char letter = at[1];

	if (ispunct((unsigned char)letter)) {
		take_byte(parser, 2, (uint8_t)letter, out);
	} else if (letter != '\0' && strchr(controls, letter) != NULL) {
		take_byte(parser, 2, (uint8_t)values[strchr(controls, letter) - controls], out);
	} else if (letter == 'x' && isxdigit((unsigned char)at[2]) &&
		   isxdigit((unsigned char)at[3])) {
		const char digits[] = {at[2], at[3], '\0'};

		take_byte(parser, 4, (uint8_t)strtoul(digits, NULL, 16), out);
	} else if (letter != '\0' && strchr("dDwWsShHvVNbBAzZR", letter) != NULL) {
		*out = (struct item){strchr("bBAzZ", letter) != NULL ? 0
				     : letter == 'R'                 ? 2
								     : 1,
			false, 0};
		parser->at += 2;
	} else {
		return false;
	}
	return true;
}

static bool read_number(struct parser *parser, uint32_t *out)
{
	char *end;

	if (!isdigit((unsigned char)*parser->at))
		return false;
	*out = (uint32_t)strtoul(parser->at, &end, 10);
	parser->at = end;
	return *out <= UINT16_MAX;
}

// Returns false where it is not clear.
static bool read_times(struct parser *parser, struct times *out)
{
	const char sign = *parser->at;

	*out = (struct times){1, 1};
	if (sign == '\0' || strchr("*+?{", sign) == NULL)
		return true;
	parser->at++;
	*out = (struct times){sign == '+', sign == '?' ? 1 : REGEX_NEED_ANY};
	if (sign == '{') {
		if (!read_number(parser, &out->least))
			return false;
		out->most = out->least;
		if (*parser->at == ',') {
			parser->at++;
			out->most = REGEX_NEED_ANY;
			if (*parser->at != '}' && !read_number(parser, &out->most))
				return false;
		}
		if (*parser->at++ != '}')
			return false;
	}
	if (*parser->at == '?' || *parser->at == '+')
		parser->at++;
	return *parser->at == '\0' || strchr("*+?{", *parser->at) == NULL;
}

static bool read_item(struct parser *parser, struct item *out);

// A group, to its end: as many bytes as its longest branch.
// NOLINTNEXTLINE(misc-no-recursion): the depth is bounded
static bool read_group(struct parser *parser, struct item *out)
{
	uint32_t branch = 0;

	*out = (struct item){0};
	parser->at += parser->at[1] == '?' ? 3 : 1;
	if (++parser->depth > MOST_DEPTH)
		return false;
	for (; *parser->at != ')'; out->most = branch > out->most ? branch : out->most) {
		struct item item;
		struct times times;

		if (*parser->at == '|') {
			parser->at++;
			branch = 0;
			continue;
		}
		if (!read_item(parser, &item) || !read_times(parser, &times))
			return false;
		branch = add(branch, multiply(item.most, times.most));
	}
	parser->at++;
	parser->depth--;
	return true;
}

// NOLINTNEXTLINE(misc-no-recursion): the depth is bounded
static bool read_item(struct parser *parser, struct item *out)
{
	const char letter = *parser->at;

	if (letter == '\\')
		return read_escape(parser, out);
	if (letter == '(')
		return read_group(parser, out);
	if (letter == '[') {
		*out = (struct item){1, false, 0};
		return regex_pass(&parser->at);
	}
	if (letter == '.' || letter == '^' || letter == '$') {
		*out = (struct item){letter == '.', false, 0};
		parser->at++;
		return true;
	}
	if (!isprint((unsigned char)letter) || strchr("]|){}?*+", letter) != NULL)
		return false;
	take_byte(parser, 1, (uint8_t)letter, out);
	return true;
}

// Bytes that stand side by side in every match.
struct run {
	uint32_t bytes;
	uint32_t before;
	uint8_t word[REGEX_START_MOST];
};

// The longest is best, and one of which it is known where it can be.
static void end_run(struct run *run, uint32_t before, struct run *best)
{
	const bool is_better = run->bytes > best->bytes ||
			       (run->bytes == best->bytes && run->before < best->before);

	if (run->bytes >= REGEX_NEED_LEAST && is_better)
		*best = *run;
	*run = (struct run){.before = before};
}

static bool read_all(const char *text, struct run *best)
{
	struct parser parser = {text, 0};
	struct run run = {0};
	uint32_t before = 0;

	while (*parser.at != '\0') {
		struct item item;
		struct times times;

		if (!read_item(&parser, &item) || !read_times(&parser, &times))
			return false;
		if (item.most == 0)
			continue;
		if (item.is_byte && times.least > 0) {
			if (run.bytes == REGEX_START_MOST)
				end_run(&run, before, best);
			run.word[run.bytes++] = item.byte;
		}
		before = add(before, multiply(item.most, times.most));
		if (!item.is_byte || times.least != 1 || times.most != 1)
			end_run(&run, before, best);
	}
	end_run(&run, before, best);
	return true;
}

void regex_need_read(const char *text, const char *letters, struct regex_need *out)
{
	struct run best = {0};

	*out = (struct regex_need){0};
	if (!regex_is_plain(text, letters) || !read_all(text, &best) || best.bytes == 0)
		return;
	out->bytes = best.bytes;
	out->before = best.before;
	regex_start_word(best.word, best.bytes, strchr(letters, 'i') != NULL, &out->word);
}
