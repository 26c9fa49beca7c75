// SPDX-License-Identifier: BSD-3-Clause
// Every way of hiding in mime_evasions.def: the marker is decoded in some part of some reading, in any
// chunks and with either line end.
#include "tests/support/mime_log.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <openssl/evp.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define ROOM 65536

static const char marker[] =
	"A part that was hidden by an ambiguity~\x7f\xff\xfe!? 0123456789>>>>==\t//?";

static const struct mime_limits limits = {
	.max_depth = 32, .max_parts = 1000, .max_header_bytes = 65536};

enum kind { KIND_HEADER, KIND_BODY, KIND_HEADER_BODY, KIND_MULTIPART, KIND_MESSAGE };

struct evasion {
	enum kind kind;
	const char *name;
	const char *first;
	const char *second;
};

#define M64 "\001M"
#define MIX "\001X"
#define QP "\001Q"
#define UUE "\001U"
#define YEN "\001Y"
#define RAW "\001R"
#define ODD "\001O"
#define CTE "Content-Transfer-Encoding"

static const struct evasion evasions[] = {
#define HEADER(name, header) {KIND_HEADER, "header: " name, header, MIX},
#define BODY(name, encoding, body) {KIND_BODY, "body: " name, encoding, body},
#define HEADER_BODY(name, header, body) {KIND_HEADER_BODY, "both: " name, header, body},
#define MULTIPART(name, header, parts) {KIND_MULTIPART, "multipart: " name, header, parts},
#define MESSAGE(name, message) {KIND_MESSAGE, "message: " name, message, ""},
#include "tests/scan/mime_evasions.def"
};

// Text that grows; large enough for every case.
struct text {
	char at[ROOM];
	size_t bytes;
};

static void add(struct text *text, const char *bytes, size_t n)
{
	assert_true(text->bytes + n < sizeof(text->at));
	memcpy(text->at + text->bytes, bytes, n);
	text->bytes += n;
}

static size_t base64(const char *bytes, size_t n, char *out)
{
	return (size_t)EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)bytes, (int)n);
}

// Base64 in pieces of the sizes, in turn, a separator after each.
static void add_pieces(
	struct text *text, const size_t *sizes, size_t sizes_count, const char *separator)
{
	char encoded[256];
	size_t n = base64(marker, strlen(marker), encoded);

	for (size_t at = 0, i = 0; at < n; i++) {
		size_t take = sizes[i % sizes_count];

		if (take > n - at)
			take = n - at;
		add(text, encoded + at, take);
		add(text, separator, strlen(separator));
		at += take;
	}
}

// The second alphabet of RFC 4648.
static void add_url(struct text *text)
{
	char encoded[256];
	size_t n = base64(marker, strlen(marker), encoded);

	for (size_t i = 0; i < n; i++) {
		if (encoded[i] == '+')
			encoded[i] = '-';
		if (encoded[i] == '/')
			encoded[i] = '_';
	}
	add(text, encoded, n);
}

static void add_escapes(struct text *text, bool upper, const char *separator)
{
	for (size_t i = 0; marker[i] != '\0'; i++) {
		char escape[8];

		(void)snprintf(escape, sizeof(escape), upper ? "=%02X" : "=%02x",
			(unsigned int)(uint8_t)marker[i]);
		add(text, escape, strlen(escape));
		add(text, separator, strlen(separator));
	}
}

// All lines say 45 bytes where they claim more than they have: the last has 24.
static void add_uuencode(struct text *text, bool claims)
{
	for (size_t at = 0; at < strlen(marker); at += 45) {
		size_t n = strlen(marker) - at < 45 ? strlen(marker) - at : 45;
		char c = (char)(' ' + (claims ? 45 : n));

		add(text, &c, 1);
		for (size_t i = 0; i < n; i += 3) {
			uint32_t quantum = 0;

			for (size_t k = 0; k < 3; k++)
				quantum = quantum << 8 |
					  (i + k < n ? (uint8_t)marker[at + i + k] : 0u);
			for (unsigned int k = 0; k < 4; k++) {
				c = (char)(' ' + (quantum >> (18 - 6 * k) & 63));
				add(text, c == ' ' ? "`" : &c, 1);
			}
		}
		add(text, "\n", 1);
	}
}

static void add_yenc(struct text *text)
{
	for (size_t i = 0; marker[i] != '\0'; i++) {
		char c = (char)(uint8_t)(marker[i] + 42);

		if (c == '\0' || c == '\n' || c == '\r' || c == '=') {
			add(text, "=", 1);
			c = (char)(uint8_t)(c + 64);
		}
		add(text, &c, 1);
	}
}

// Two bytes at a time, each with its padding.
static void add_padded(struct text *text, const char *separator)
{
	for (size_t at = 0; at < strlen(marker); at += 2) {
		char encoded[8];
		size_t n = strlen(marker) - at < 2 ? 1 : 2;

		add(text, encoded, base64(marker + at, n, encoded));
		add(text, separator, strlen(separator));
	}
}

// The letters after a 1 that stand for what is alike for all texts.
static void add_whole(struct text *text, char token)
{
	static const size_t odd[] = {4, 4, 8, 8, 16, 16, 32, 32, 64};
	static const size_t all[] = {256};
	char encoded[256];
	size_t n = base64(marker, strlen(marker), encoded);

	if (token == 'M')
		add_pieces(text, all, 1, "");
	else if (token == 'X')
		add_pieces(text, odd, COUNT(odd), "\n");
	else if (token == 'Q')
		add_escapes(text, true, "");
	else if (token == 'l')
		add_escapes(text, false, "");
	else if (token == 'U' || token == 'O')
		add_uuencode(text, token == 'O');
	else if (token == 'Y')
		add_yenc(text);
	else if (token == 'R')
		add(text, marker, strlen(marker));
	else if (token == 'Z')
		add(text, "", 1);
	else if (token == 'u')
		add_url(text);
	else if (token == 'h')
		add(text, encoded, 4);
	else if (token == 'r')
		add(text, encoded + 4, n - 4);
	for (size_t i = 0; token == 'L' && i < 1200; i++)
		add(text, "b", 1);
}

// Those that take the rest of the text as what separates their pieces: then true.
static bool add_separated(struct text *text, char token, const char *rest)
{
	static const size_t sizes[] = {1, 2, 4};
	// A NUL cannot stand in the text: after it comes what stands for one.
	const char *separator = rest[0] == '\001' ? "#" : rest;

	if (token == 'e')
		add_pieces(text, &sizes[0], 1, separator);
	else if (token == 'f')
		add_pieces(text, &sizes[1], 1, separator);
	else if (token == 'q')
		add_pieces(text, &sizes[2], 1, separator);
	else if (token == 'p')
		add_padded(text, separator);
	else if (token == 's')
		add_escapes(text, true, separator);
	else
		return false;
	for (size_t i = 0; rest[0] == '\001' && i < text->bytes; i++)
		if (text->at[i] == '#')
			text->at[i] = '\0';
	return true;
}

static void add_encoded(struct text *text, const struct text *inner)
{
	for (size_t at = 0; at < inner->bytes; at += 57) {
		char line[80];
		size_t n = inner->bytes - at < 57 ? inner->bytes - at : 57;

		n = base64(inner->at + at, n, line);
		add(text, line, n);
		add(text, "\n", 1);
	}
}

// Returns where the text goes on after the bracket that closes.
static const char *expand(struct text *text, const char *format)
{
	while (*format != '\0') {
		if (*format != '\001' || format[1] < ' ') {
			add(text, format++, 1);
		} else if (format[1] == ')') {
			return format + 2;
		} else if (format[1] == '(') {
			struct text *inner = calloc(1, sizeof(*inner));

			assert_non_null(inner);
			format = expand(inner, format + 2);
			add_encoded(text, inner);
			free(inner);
		} else if (add_separated(text, format[1], format + 2)) {
			break;
		} else {
			add_whole(text, format[1]);
			format += 2;
		}
	}
	return format;
}

// A leaf alone or in a multipart, the header in question before its type or after it.
static void add_leaf(struct text *text, const char *header, const char *body, unsigned int context)
{
	static const char type[] = "Content-Type: application/octet-stream; name=x\n";
	bool no_blank = body[0] == '\001' && body[1] == 'n';

	if (context >= 2)
		expand(text, "Content-Type: multipart/mixed; boundary=outer\n\n--outer\n");
	if (context % 2 == 0)
		expand(text, type);
	expand(text, header);
	if (context % 2 == 1)
		expand(text, type);
	if (!no_blank)
		expand(text, "\n");
	expand(text, no_blank ? body + 2 : body);
	if (context >= 2)
		expand(text, "\n--outer--\n");
}

// What begins something and does not end it, in front of parts whose boundary is in doubt.
static const char *const decoys[] = {"", "begin 644 x\n!!@\n", "=ybegin line=1 size=1 name=x\n",
	"=ybegin line=1 size=1 name=x\nab\n", CTE ": x-uuencode\n\n!!@\n",
	CTE ": quoted-printable\n\nAAAA\n", CTE ": base64\n\nAAAA\n",
	CTE ": base64\n\nbegin 644 x\n!!@\n", "=ybegin line=1 size=1 name=x\nbegin 644 x\n!!@\n",
	CTE ": quoted-printable\n\n=ybegin line=1 size=1 name=x\nab\n"};

static void make(struct text *text, const struct evasion *evasion, unsigned int context)
{
	char header[256];

	text->bytes = 0;
	switch (evasion->kind) {
	case KIND_HEADER:
	case KIND_HEADER_BODY:
		add_leaf(text, evasion->first, evasion->second, context);
		return;
	case KIND_BODY:
		(void)snprintf(
			header, sizeof(header), "Content-Transfer-Encoding: %s\n", evasion->first);
		add_leaf(text, header, evasion->second, context);
		return;
	case KIND_MULTIPART:
		expand(text, evasion->first);
		expand(text, "\n");
		expand(text, decoys[context]);
		expand(text, evasion->second);
		return;
	case KIND_MESSAGE:
		expand(text, evasion->first);
		return;
	}
}

static unsigned int contexts(const struct evasion *evasion)
{
	if (evasion->kind == KIND_MULTIPART)
		return COUNT(decoys);
	return evasion->kind == KIND_MESSAGE ? 1 : 4;
}

static void to_crlf(struct text *text, const struct text *lf)
{
	text->bytes = 0;
	for (size_t i = 0; i < lf->bytes; i++) {
		if (lf->at[i] == '\n' && (i == 0 || lf->at[i - 1] != '\r'))
			add(text, "\r", 1);
		add(text, lf->at + i, 1);
	}
}

static void read_chunks(struct mime_log *log, const struct text *text, size_t max)
{
	static struct random random = {0x9e3779b97f4a7c15u};

	mime_log_begin(log, &limits);
	for (size_t at = 0; at < text->bytes;) {
		size_t take = 1 + random_below(&random, (uint32_t)max);

		if (take > text->bytes - at)
			take = text->bytes - at;
		mime_log_feed(log, (const uint8_t *)text->at + at, take);
		at += take;
	}
	mime_log_end(log);
}

static void read_whole(struct mime_log *log, const struct text *text)
{
	mime_log_begin(log, &limits);
	mime_log_feed(log, (const uint8_t *)text->at, text->bytes);
	mime_log_end(log);
}

static void each_case(
	void (*check)(struct mime_log *log, const struct text *text, const char *name))
{
	struct mime_log *log = mime_log_new(&limits);
	static struct text lf;
	static struct text crlf;

	log->marker = marker;
	for (size_t i = 0; i < COUNT(evasions); i++) {
		for (unsigned int context = 0; context < contexts(&evasions[i]); context++) {
			char name[128];

			make(&lf, &evasions[i], context);
			(void)snprintf(name, sizeof(name), "%s (%u)", evasions[i].name, context);
			check(log, &lf, name);
			to_crlf(&crlf, &lf);
			(void)snprintf(
				name, sizeof(name), "%s (%u, CRLF)", evasions[i].name, context);
			check(log, &crlf, name);
		}
	}
	mime_log_free(log);
}

static unsigned int found_count;
static unsigned int hidden_count;

static void check_found(struct mime_log *log, const struct text *text, const char *name)
{
	read_whole(log, text);
	if (log->marked != 0) {
		found_count++;
		return;
	}
	hidden_count++;
	printf("hidden by %s\n", name);
}

static void every_hidden_part_is_found_in_some_reading(void **state)
{
	(void)state;
	each_case(check_found);
	printf("%u of %u found\n", found_count, found_count + hidden_count);
	assert_int_equal(hidden_count, 0);
}

static void check_chunks(struct mime_log *log, const struct text *text, const char *name)
{
	static const size_t sizes[] = {1, 2, 7, 60, 900};
	char *whole;

	read_whole(log, text);
	whole = strdup(log->text);
	assert_non_null(whole);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		read_chunks(log, text, sizes[i]);
		if (strcmp(whole, log->text) != 0)
			fail_msg(
				"%s in chunks of %zu:%swhole:%s", name, sizes[i], log->text, whole);
	}
	free(whole);
}

static void every_reading_is_the_same_in_any_chunks(void **state)
{
	(void)state;
	each_case(check_chunks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_hidden_part_is_found_in_some_reading),
		cmocka_unit_test(every_reading_is_the_same_in_any_chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
