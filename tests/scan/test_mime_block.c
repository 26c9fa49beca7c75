// SPDX-License-Identifier: BSD-3-Clause
// What is found in text is the same whole, byte by byte and in random pieces: lines of no interest are passed over when
// they come in one piece, and looked at one by one when they come bytewise.
#include "scan/mime_state.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define TEXT_BYTES 6000
#define LOG_BYTES 262144

struct log {
	struct block block;
	size_t bytes;
	size_t begun;
	size_t ended;
	char text[LOG_BYTES];
};

static void put(struct log *log, const char *text, size_t n)
{
	assert_true(log->bytes + n < LOG_BYTES);
	memcpy(log->text + log->bytes, text, n);
	log->bytes += n;
	log->text[log->bytes] = '\0';
}

static void take_step(struct log *log, enum block_step step)
{
	struct block *block = &log->block;
	char line[64];

	switch (step) {
	case BLOCK_BEGIN:
		log->begun++;
		put(log, line,
			(size_t)snprintf(line, sizeof(line), "\nbegin %d %d\n", (int)block->kind,
				block->kind == BLOCK_PART ? (int)block->coding : 0));
		break;
	case BLOCK_DATA:
		put(log, (const char *)block->out, block->out_bytes);
		block->out_bytes = 0;
		break;
	case BLOCK_END:
		log->ended++;
		put(log, "\nend\n", 5);
		break;
	case BLOCK_MORE:
		break;
	}
}

// most 0: whole; else in random pieces of up to that.
static void read_text(
	struct log *log, struct random *random, const char *text, size_t n, uint32_t most)
{
	enum block_step step;

	block_init(&log->block);
	log->bytes = 0;
	log->begun = 0;
	log->ended = 0;
	log->text[0] = '\0';
	for (size_t at = 0; at < n;) {
		size_t piece = most == 0 ? n : 1 + random_below(random, most);
		size_t used = 0;
		unsigned int idle = 0;

		piece = piece < n - at ? piece : n - at;
		do {
			size_t read = 0;

			step = block_scan(&log->block, (const uint8_t *)text + at + used,
				piece - used, &read);
			used += read;
			// A line that ends one block and begins another takes some steps, never more.
			idle = read > 0 ? 0 : idle + 1;
			assert_true(idle < 12);
			take_step(log, step);
		} while (step != BLOCK_MORE);
		assert_int_equal(used, piece);
		at += piece;
	}
	do {
		step = block_finish(&log->block);
		take_step(log, step);
	} while (step != BLOCK_MORE);
	assert_int_equal(log->begun, log->ended);
	put(log, log->block.is_encrypted ? "encrypted" : "", log->block.is_encrypted ? 9 : 0);
}

static const char *const odd_lines[] = {"", " ", "\t", "-- ", "--", "---", "--x",
	"-----BEGIN PGP MESSAGE-----", "-----BEGIN PGP SIGNED MESSAGE-----",
	"-----BEGIN PGP SIGNATURE-----", "-----END PGP SIGNATURE-----",
	"Content-Type: application/octet-stream", "\001content-type: a/b", "\t content-type: a/b",
	"Content-Transfer-Encoding: base64", "Content-Transfer-Encoding: quoted-printable", "X: y",
	"________________________________________________",
	"------------------------------------------------",
	"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5",
	"--JDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5",
	"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9w=",
	"0123456789abcdef0123456789abcdef0123456789abcdef", "=41=42=43=44=45=46=47=48=49=4A=4B=4C",
	"=ybegin line=128 size=3 name=a", "=YBEGIN line=128 size=3 name=a", "=yend", "begin 644 a",
	"#0V%T", "`", "end", "CONTENT-TYPE: A/B", "--=41=42=43=44=45=46=47=48=49=4A=4B=4C",
	"M=41=42=43=44=45=46=47=48=49=4A=4B=4C=4D=4E=4F=50=51=52=53=54",
	"M05#1%5&1TA)2DM,34Y/4%%24U155E=865I!0D-$149'2$E*2TQ-3D]045)3"};

// Longer than what is looked at of a line.
#define LONG_BYTES 700
static const char *const long_lines[] = {
	"=ybegin line=128 size=3 name=", "begin 644 a", "Content-Type: a/b", "M", ""};

static const char *make_long(struct random *random, char *room)
{
	const char *begin = long_lines[random_below(random, COUNT(long_lines))];

	memset(room, 'x', LONG_BYTES);
	room[LONG_BYTES] = '\0';
	memcpy(room, begin, strlen(begin));
	return room;
}

static size_t make(struct random *random, char *text)
{
	char room[LONG_BYTES + 1];
	static const char *const ends[] = {"\n", "\n", "\n", "\r\n", "\r"};
	static const char *const prose[] = {"none of this is of any interest",
		"to those who read it", "nor, in the end, to anyone else who has nothing to do"};
	const uint32_t odd = 1 + random_below(random, 12);
	size_t n = 0;

	while (n < TEXT_BYTES - LONG_BYTES - 8 && random_below(random, 150) != 0) {
		const char *line = prose[random_below(random, COUNT(prose))];

		if (random_below(random, odd) == 0)
			line = odd_lines[random_below(random, COUNT(odd_lines))];
		if (random_below(random, 12 * odd) == 0)
			line = make_long(random, room);
		n += (size_t)snprintf(text + n, TEXT_BYTES - n, "%s%s", line,
			ends[random_below(random, COUNT(ends))]);
	}
	return n;
}

static void blocks_are_the_same_in_any_pieces(void **state)
{
	struct random random = {3};
	struct log *whole = malloc(sizeof(*whole));
	struct log *cut = malloc(sizeof(*cut));
	char text[TEXT_BYTES];
	size_t begun = 0;

	(void)state;
	assert_non_null(whole);
	assert_non_null(cut);
	for (unsigned int round = 0; round < 3000; round++) {
		size_t n = make(&random, text);

		// Some end amid a line.
		n -= n > 2 ? random_below(&random, 3) : 0;
		read_text(whole, &random, text, n, 0);
		read_text(cut, &random, text, n, 1);
		begun += whole->begun;
		assert_string_equal(whole->text, cut->text);
		read_text(cut, &random, text, n, 700);
		assert_string_equal(whole->text, cut->text);
	}
	assert_true(begun > 3000);
	free(whole);
	free(cut);
}

// A line without an end that interrupts uuencode is the last.
static void what_is_open_at_the_end_is_told_to_end(void **state)
{
	static const char *const texts[] = {"begin 644 a\n#0V%T\nContent-Type: a/b",
		"begin 644 a\n#0V%T\nContent-Type: a/b\n", "begin 644 a\n#0V%T\nbegin 644 b",
		"begin 644 a\n#0V%T\n=ybegin line=1 name=x"};
	struct random random = {4};
	struct log *log = malloc(sizeof(*log));
	char text[2048];
	size_t n;

	(void)state;
	assert_non_null(log);
	for (size_t i = 0; i < COUNT(texts); i++) {
		read_text(log, &random, texts[i], strlen(texts[i]), 0);
		assert_string_equal(log->text, "\nbegin 0 0\nCat\nend\n");
		read_text(log, &random, texts[i], strlen(texts[i]), 1);
		assert_string_equal(log->text, "\nbegin 0 0\nCat\nend\n");
	}
	// All its bytes have been told when the last line comes.
	n = (size_t)snprintf(text, sizeof(text), "begin 644 a\n");
	for (unsigned int i = 0; i < (BLOCK_OUT_BYTES + 44) / 45; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
			"M05#1%%5&1TA)2DM,34Y/4%%%%24U155E=865I!0D-$149'2$E*2TQ-3D]045)3\n");
	n += (size_t)snprintf(text + n, sizeof(text) - n, "Content-Type: a/b");
	read_text(log, &random, text, n, 0);
	assert_int_equal(log->ended, 1);
	free(log);
}

// Readers take six bits of a character, whatever the other two are. What is a field, or too long, is no data.
static void uuencode_has_six_bits_in_any_character(void **state)
{
	static const char *const texts[] = {"begin 644 a\n#pV%T\n`\nend\n",
		"begin 644 a\n#\xb0V%\x94\n`\nend\n", "begin 644 a\n#0V%\x14\n`\nend\n",
		"begin 644 a\n#pVeT\n`\nend\n", "begin 644 a\n#pVeT.\n`\nend\n",
		"begin 644 a\nnone of it\n#0V%T\n#pVeT and more\nend\n",
		// Such readers end at a line of no bytes.
		"begin 644 a\n#0V%T\n`\n#pVeT\nend\n"};
	struct random random = {5};
	struct log *log = malloc(sizeof(*log));

	(void)state;
	assert_non_null(log);
	for (size_t i = 0; i < COUNT(texts); i++) {
		for (uint32_t piece = 0; piece < 2; piece++) {
			read_text(log, &random, texts[i], strlen(texts[i]), piece);
			assert_string_equal(log->text, "\nbegin 0 0\nCat\nend\n");
		}
	}
	free(log);
}

// A field that only says that it is a part's does not cut a file that is still open.
static void uuencode_goes_on_behind_a_field(void **state)
{
	static const char text[] = "begin 644 a\n#0V%T\nContent-Type: a/b\n\n#0V%T\n`\nend\n";
	struct random random = {5};
	struct log *log = malloc(sizeof(*log));

	(void)state;
	assert_non_null(log);
	for (uint32_t piece = 0; piece < 2; piece++) {
		read_text(log, &random, text, strlen(text), piece);
		assert_string_equal(log->text, "\nbegin 0 0\nCatCat\nend\n");
	}
	free(log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_the_same_in_any_pieces),
		cmocka_unit_test(what_is_open_at_the_end_is_told_to_end),
		cmocka_unit_test(uuencode_has_six_bits_in_any_character),
		cmocka_unit_test(uuencode_goes_on_behind_a_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
