// SPDX-License-Identifier: BSD-3-Clause
// What these follow are the 67,606 different bodies of at least 16 bytes in ClamAV's main.ldb and daily.ndb of April
// 2025 and Linux Malware Detect's rfxn.ndb of 2020:
//
// - Three quarters have 16 to 60 bytes, a third of these exactly 16; the rest thins out towards 60.
// - 63 in 100 are text: lines of scripts and macros, strings of programs, and a sixth of them digits, base64 and
//   letters that nobody can read. 8 are text of two bytes a letter, 29 code and other binary data.
// - Gaps are in 10 of 100 (35 of daily.ndb's, which people have written): most of a fixed width ({16}, {28}, {4}, {2}),
//   a third up to a bound of 10 to 500 bytes, a twelfth without a bound.
// - `??` is in 0.7 of 100, and in 13 of daily.ndb's, where code names places that differ.
//
// Here 12 in 100 have gaps and 2 have `??`: between machines' signatures and people's. Code has half of the 29, as
// daily.ndb has it. All are for files of any type, since not every peer can be told one.
#include "perf/rules_clamav.h"

#include "perf/dice.h"
#include "perf/rules_text.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_RANDOM 6u // bytes of a text that no clean one has

struct body {
	uint8_t bytes[RULES_MOST_BYTES];
	bool is_any[RULES_MOST_BYTES]; // ??
	size_t count;
};

static size_t draw_length(struct dice *dice)
{
	uint32_t spread = RULES_MOST_BYTES - RULES_LEAST_BYTES + 1;
	uint32_t a = dice_below(dice, spread);
	uint32_t b = dice_below(dice, spread);

	if (dice_below(dice, 3) == 0)
		return RULES_LEAST_BYTES;
	return RULES_LEAST_BYTES + (a < b ? a : b);
}

// ---- kinds --------------------------------------------------------------------------------------

struct text {
	char bytes[2 * RULES_TEXT_ROOM];
	uint8_t are_random[2 * RULES_TEXT_ROOM];
	size_t count;
};

static void write_text(struct dice *dice, struct text *text, enum rules_text kind, size_t least)
{
	text->count = 0;
	while (text->count < least) {
		if (text->count > 0) {
			text->are_random[text->count] = 0;
			text->bytes[text->count++] = kind == RULES_STRING ? '\0' : '\n';
		}
		text->count += rules_text(
			dice, kind, text->bytes + text->count, text->are_random + text->count);
	}
}

static bool is_rare(const uint8_t *are_random, size_t count)
{
	size_t random = 0;

	for (size_t i = 0; i < count; i++)
		random += are_random[i];
	return random >= LEAST_RANDOM;
}

// Some place of a text, as one cuts a signature out of a file.
static void make_text(struct dice *dice, struct body *body, enum rules_text kind)
{
	struct text text;
	size_t at;

	do {
		write_text(dice, &text, kind, body->count);
		at = dice_below(dice, (uint32_t)(text.count - body->count + 1));
	} while (!is_rare(text.are_random + at, body->count));
	memcpy(body->bytes, text.bytes + at, body->count);
}

static void make_wide(struct dice *dice, struct body *body)
{
	struct body narrow = {.count = body->count};

	make_text(dice, &narrow, RULES_STRING);
	body->count &= ~(size_t)1;
	// There are half as many letters: the last six are what nobody else has.
	for (size_t i = 0; i < body->count; i += 2) {
		body->bytes[i] = narrow.bytes[i / 2];
		if (i + 12 >= body->count)
			body->bytes[i] = (uint8_t)('A' + dice_below(dice, 26));
		body->bytes[i + 1] = 0;
	}
}

// Hexadecimal digits; R: a byte of a displacement or a constant; A: of an address, which some signatures leave open.
static const char *const instructions[] = {"558bec", "83ecR", "8b45R", "8945R", "8d4dR", "e8AAAA",
	"ff15AAAA", "68AAAA", "85c074R", "33c0", "8b4d08", "5e5f5bc9c3", "6a00", "c745RRRRR",
	"0fb645R", "3bc172R", "488b05AAAA", "4889442424", "488d0dAAAA", "4883ecR", "48895c24R",
	"4c8bc7", "81f9RRRR", "35RRRR", "c1e8R", "0f84RR0000", "b9RRRR", "f3a5", "ebR", "69c0RRRR"};
#define INSTRUCTIONS (sizeof(instructions) / sizeof(instructions[0]))

static size_t put_instruction(
	struct dice *dice, uint8_t *out, bool *is_address, uint8_t *are_random)
{
	const char *at = instructions[dice_below(dice, INSTRUCTIONS)];
	size_t n = 0;

	while (*at != '\0') {
		char digits[3] = {at[0], at[1], 0};

		is_address[n] = *at == 'A';
		are_random[n] = *at == 'R';
		if (*at == 'A' || *at == 'R') {
			out[n++] = (uint8_t)dice_next(dice);
			at++;
		} else {
			out[n++] = (uint8_t)strtoul(digits, NULL, 16);
			at += 2;
		}
	}
	return n;
}

static void make_code(struct dice *dice, struct body *body)
{
	bool leaves_open = dice_below(dice, 5) < 2;
	uint8_t code[RULES_MOST_BYTES + 8] = {0};
	uint8_t are_random[RULES_MOST_BYTES + 8] = {0};
	bool is_address[RULES_MOST_BYTES + 8] = {0};

	do {
		for (size_t at = 0; at < body->count;)
			at += put_instruction(dice, code + at, is_address + at, are_random + at);
	} while (!is_rare(are_random, body->count) || is_address[0] || is_address[body->count - 1]);
	memcpy(body->bytes, code, body->count);
	for (size_t i = 0; i < body->count && leaves_open; i++)
		body->is_any[i] = is_address[i];
}

// Half of it as good as random (what is packed or encrypted), half as tables are: zeros, small numbers.
static void make_binary(struct dice *dice, struct body *body)
{
	bool is_table = dice_below(dice, 2) == 0;

	for (size_t i = 0; i < body->count; i++) {
		body->bytes[i] = (uint8_t)dice_next(dice);
		if (is_table && i % 4 != 0)
			body->bytes[i] = dice_below(dice, 6) == 0
						 ? 0xff
						 : (uint8_t)(i % 4 == 1 ? dice_below(dice, 8) : 0);
	}
}

// ---- as text ------------------------------------------------------------------------------------

struct gaps {
	size_t at[3];
	size_t count;
};

// What is on either side of a gap has at least four bytes, and no ?? next to it.
static void choose_gaps(struct dice *dice, const struct body *body, struct gaps *gaps)
{
	size_t share = body->count;

	gaps->count = dice_below(dice, 8) > 0 ? 1 : 2 + dice_below(dice, 2);
	share /= gaps->count + 1;
	for (size_t i = 0; i < gaps->count; i++) {
		gaps->at[i] = share * (i + 1);
		while (body->is_any[gaps->at[i]] || body->is_any[gaps->at[i] - 1])
			gaps->at[i]++;
	}
}

// ClamAV wants two fixed bytes in a row of each piece.
static bool are_pieces_fixed(const struct body *body, const struct gaps *gaps)
{
	size_t at = 1;

	for (size_t piece = 0; piece <= gaps->count; piece++) {
		size_t end = piece < gaps->count ? gaps->at[piece] : body->count;

		while (at < end && (body->is_any[at - 1] || body->is_any[at]))
			at++;
		if (at >= end)
			return false;
		at = end + 1;
	}
	return true;
}

static size_t put_gap(struct dice *dice, char *out)
{
	static const char *const frequent[] = {"{16}", "{28}", "{4}", "{2}"};
	static const unsigned int bounds[] = {100, 50, 200, 10, 25, 20, 500};
	uint32_t which = dice_below(dice, 12);

	if (which == 0)
		return (size_t)sprintf(out, "*");
	if (which < 8)
		return (size_t)sprintf(out, "%s", frequent[which % 4]);
	if (which < 11)
		return (size_t)sprintf(out, "{-%u}", bounds[dice_below(dice, 7)]);
	return (size_t)sprintf(out, "{%u-%u}", 1 + dice_below(dice, 8), 10 + dice_below(dice, 40));
}

static void put_body(struct dice *dice, const struct body *body, bool has_gaps, char *out)
{
	struct gaps gaps = {.count = 0};
	size_t next = 0;

	if (has_gaps) {
		choose_gaps(dice, body, &gaps);
		if (!are_pieces_fixed(body, &gaps))
			gaps.count = 0;
	}
	for (size_t i = 0; i < body->count; i++) {
		if (next < gaps.count && gaps.at[next] == i) {
			out += put_gap(dice, out);
			next++;
		}
		if (body->is_any[i])
			out += sprintf(out, "??");
		else
			out += sprintf(out, "%02x", body->bytes[i]);
	}
}

void rules_clamav(uint32_t i, char *body)
{
	struct dice dice = {.state = 0x636c616d0000 + i};
	struct body one = {.count = draw_length(&dice)};
	uint32_t kind = dice_below(&dice, 100);
	bool has_gaps = dice_below(&dice, 100) < 12;

	if (kind < 28)
		make_text(&dice, &one, RULES_SCRIPT);
	else if (kind < 52)
		make_text(&dice, &one, RULES_STRING);
	else if (kind < 63)
		make_text(&dice, &one, RULES_LETTERS);
	else if (kind < 71)
		make_wide(&dice, &one);
	else if (kind < 86)
		make_code(&dice, &one);
	else
		make_binary(&dice, &one);
	put_body(&dice, &one, has_gaps, body);
}
