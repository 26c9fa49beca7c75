// SPDX-License-Identifier: BSD-3-Clause
// The cases are in mime_cases.def; each is read whole, byte by byte, split at every position and in
// random chunks, and must be the same every time.
#include "tests/support/mime_log.h"
#include "tests/support/unit.h"

#include <openssl/sha.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const struct mime_limits limits = {.max_depth = 4, .max_parts = 5, .max_header_bytes = 256};

struct expected_part {
	const char *content_type;
	const char *filename;
	const char *content;
};

struct mime_case {
	const char *name;
	const char *message;
	struct expected_part parts[6];
	const char *line; // must stand in the log, if not NULL
};

static const struct mime_case cases[] = {
#include "tests/scan/mime_cases.def"
};

static uint64_t random_state = 0x2545f4914f6cdd1du;

static size_t random_below(size_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (size_t)((random_state >> 16) % n);
}

// max 0: whole; 1: byte by byte; else random chunks up to max.
static void log_message(struct mime_log *log, const struct mime_limits *with, const char *message,
	size_t n, size_t max)
{
	mime_log_begin(log, with);
	for (size_t at = 0; at < n;) {
		size_t take = max == 0 ? n : 1 + random_below(max);

		if (take > n - at)
			take = n - at;
		mime_log_feed(log, (const uint8_t *)message + at, take);
		at += take;
	}
	mime_log_end(log);
}

static void log_split(struct mime_log *log, const char *message, size_t n, size_t split)
{
	mime_log_begin(log, &limits);
	mime_log_feed(log, (const uint8_t *)message, split);
	mime_log_feed(log, (const uint8_t *)message + split, n - split);
	mime_log_end(log);
}

static void hex_digest(const char *content, char hex[65])
{
	uint8_t digest[SHA256_DIGEST_LENGTH];

	(void)SHA256((const uint8_t *)content, strlen(content), digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

// The parts of the first reading, as many as there is room for; returns how many there are.
static uint32_t first_parts(const struct mime_log *log, struct mime_log_part *parts, uint32_t room)
{
	uint32_t count = 0;

	memset(parts, 0, room * sizeof(*parts));
	for (uint32_t i = 0; i < log->parts_count; i++) {
		if (log->parts[i].reading != MIME_READING_FIRST)
			continue;
		if (count < room)
			parts[count] = log->parts[i];
		count++;
	}
	return count;
}

static void check_parts(const struct mime_log *log, const struct mime_case *expected)
{
	struct mime_log_part parts[COUNT(expected->parts)];
	uint32_t found = first_parts(log, parts, COUNT(parts));
	uint32_t count = 0;

	while (count < COUNT(expected->parts) && expected->parts[count].content_type != NULL)
		count++;
	if (found != count)
		fail_msg("%s: %u parts, expected %u%s", expected->name, found, count, log->text);
	for (uint32_t i = 0; i < count; i++) {
		const struct expected_part *want = &expected->parts[i];
		char hex[65];

		hex_digest(want->content, hex);
		if (parts[i].bytes != strlen(want->content) || strcmp(parts[i].sha256, hex) != 0 ||
			strcmp(parts[i].content_type, want->content_type) != 0 ||
			strcmp(parts[i].filename, want->filename) != 0)
			fail_msg("%s: part %u differs%s", expected->name, i + 1, log->text);
	}
	if (expected->line != NULL && strstr(log->text, expected->line) == NULL)
		fail_msg("%s: no '%s' in%s", expected->name, expected->line, log->text);
	if (expected->line == NULL && strstr(log->text, "\nsuspicious") != NULL)
		fail_msg("%s:%s", expected->name, log->text);
}

static void check_same(const struct mime_log *a, const struct mime_log *b, const char *name)
{
	if (strcmp(a->text, b->text) != 0)
		fail_msg("%s: whole%scut%s", name, a->text, b->text);
}

static void every_case_gives_its_parts_in_any_chunks(void **state)
{
	struct mime_log *whole = mime_log_new(&limits);
	struct mime_log *cut = mime_log_new_shared(&limits);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *message = cases[i].message;
		size_t n = strlen(message);

		log_message(whole, &limits, message, n, 0);
		check_parts(whole, &cases[i]);
		for (size_t split = 0; split <= n; split++) {
			log_split(cut, message, n, split);
			check_same(whole, cut, cases[i].name);
		}
		for (size_t max = 1; max < 40; max++) {
			log_message(cut, &limits, message, n, max);
			check_same(whole, cut, cases[i].name);
		}
	}
	mime_log_free(whole);
	mime_log_free(cut);
}

// The same cases with CRLF: the same parts, but for the line ends of what is not decoded.
static void every_case_has_the_same_structure_with_crlf(void **state)
{
	struct mime_log *lf = mime_log_new(&limits);
	struct mime_log *crlf = mime_log_new(&limits);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *message = cases[i].message;
		char *converted = malloc(2 * strlen(message) + 1);
		size_t n = 0;

		assert_non_null(converted);
		for (size_t j = 0; message[j] != '\0'; j++) {
			if (message[j] == '\n' && (j == 0 || message[j - 1] != '\r'))
				converted[n++] = '\r';
			converted[n++] = message[j];
		}
		log_message(lf, &limits, message, strlen(message), 0);
		log_message(crlf, &limits, converted, n, 0);
		if (lf->parts_count != crlf->parts_count)
			fail_msg("%s: LF%sCRLF%s", cases[i].name, lf->text, crlf->text);
		for (uint32_t j = 0; j < lf->parts_count; j++) {
			assert_string_equal(lf->parts[j].content_type, crlf->parts[j].content_type);
			assert_string_equal(lf->parts[j].filename, crlf->parts[j].filename);
		}
		log_message(lf, &limits, converted, n, 1);
		check_same(crlf, lf, cases[i].name);
		free(converted);
	}
	mime_log_free(lf);
	mime_log_free(crlf);
}

// ---- messages too large for a table ------------------------------------------------------------

#define LARGE_BYTES 200000

// header, then body repeated to about LARGE_BYTES, then end.
static char *large_message(const char *header, const char *body, const char *end)
{
	char *message = malloc(LARGE_BYTES + 2 * strlen(body) + strlen(header) + strlen(end) + 1);
	char *at;

	assert_non_null(message);
	at = stpcpy(message, header);
	while (at < message + LARGE_BYTES)
		at = stpcpy(at, body);
	(void)stpcpy(at, end);
	return message;
}

static void large_parts_are_the_same_in_any_chunks(void **state)
{
	static const char *const heads[] = {
		"Content-Type: application/x\nContent-Transfer-Encoding: base64\n\n",
		"Content-Type: application/x\nContent-Transfer-Encoding: quoted-printable\n\n",
		"Content-Type: application/x\nContent-Transfer-Encoding: x-uuencode\n\n"
		"begin 644 x\n",
		"Content-Type: application/x\n\n",
		"Content-Type: text/plain\n\nbegin 644 x\n",
		"Content-Type: multipart/mixed; boundary=b\n\nno boundary in it\n",
		"Content-Type: multipart/mixed; boundary=b\n\n--b\n"
		"Content-Type: application/x\n\n",
		"Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n",
	};
	static const char *const bodies[] = {
		"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5eg==\n",
		"M86)C86)C86)C86)C86)C86)C86)C86)C86)C86)C86)C86)C86)C86)C86)C\r\n",
		"one =3D two =\nthree   \n-\n--\n--not\r\n",
		"no line end at all,\r but this \r",
	};
	static const size_t sizes[] = {1, 1460, 5000, 16384, 65536};
	struct mime_log *whole = mime_log_new(&limits);
	struct mime_log *cut = mime_log_new_shared(&limits);

	(void)state;
	for (size_t i = 0; i < COUNT(heads) * COUNT(bodies); i++) {
		char *message = large_message(
			heads[i / COUNT(bodies)], bodies[i % COUNT(bodies)], "end\n--b--\n");

		log_message(whole, &limits, message, strlen(message), 0);
		assert_true(whole->parts_count >= 1);
		for (size_t j = 0; j < COUNT(sizes); j++) {
			log_message(cut, &limits, message, strlen(message), sizes[j]);
			check_same(whole, cut, heads[i / COUNT(bodies)]);
		}
		free(message);
	}
	mime_log_free(whole);
	mime_log_free(cut);
}

static void a_large_preamble_is_a_part_and_the_parts_after_it_are_found(void **state)
{
	struct mime_log *log = mime_log_new(&limits);
	char *message = large_message("Content-Type: multipart/mixed; boundary=b\n\n", "preamble\n",
		"\n--b\n\nx\n--b--\n");

	(void)state;
	log_message(log, &limits, message, strlen(message), 0);
	assert_int_equal(log->parts_count, 2);
	assert_string_equal(log->parts[0].content_type, "multipart/mixed");
	assert_true(log->parts[0].bytes >= LARGE_BYTES - 100);
	assert_int_equal(log->parts[1].bytes, 1);
	free(message);
	mime_log_free(log);
}

static void a_boundary_line_may_have_any_number_of_blanks(void **state)
{
	struct mime_log *log = mime_log_new(&limits);
	char *message = large_message(
		"Content-Type: multipart/mixed; boundary=b\n\n--b", " \t  ", "\n\nx\n--b--\n");

	(void)state;
	log_message(log, &limits, message, strlen(message), 777);
	assert_int_equal(log->parts_count, 1);
	assert_int_equal(log->parts[0].bytes, 1);
	free(message);
	mime_log_free(log);
}

// Nesting, parts and header fields without end stay within the limits, and the rest is still read.
static void bombs_end_at_the_limits(void **state)
{
	static const struct {
		const char *head;
		const char *body;
		const char *line;
	} bombs[] = {
		{"Content-Type: multipart/mixed; boundary=b\n",
			"\n--b\nContent-Type: multipart/mixed; boundary=b\n",
			"\nsuspicious limit-depth\n"},
		{"Content-Type: message/rfc822\n", "\nContent-Type: message/rfc822\n",
			"\nsuspicious limit-depth\n"},
		{"Content-Type: multipart/mixed; boundary=b\n\n", "--b\n\nx\n",
			"\nsuspicious limit-parts\n"},
		{"Content-Type: text/plain\n\n", "begin 644 x\n#86)C\nend\n",
			"\nsuspicious limit-parts\n"},
		{"Subject: ", "long ", "\nsuspicious limit-header\n"},
		{"Subject: x", "\n folded", "\nsuspicious limit-header\n"},
		{"no colon", "no colon", "\nsuspicious limit-header\n"},
	};
	struct mime_log *log = mime_log_new(&limits);

	(void)state;
	for (size_t i = 0; i < COUNT(bombs); i++) {
		char *message = large_message(bombs[i].head, bombs[i].body, "\n\nend\n");

		log_message(log, &limits, message, strlen(message), 1000);
		if (strstr(log->text, bombs[i].line) == NULL)
			fail_msg("%s: no %s in%s", bombs[i].body, bombs[i].line, log->text);
		assert_true(log->parts_count >= 1 && log->parts_count <= limits.max_parts);
		free(message);
	}
	mime_log_free(log);
}

static void an_empty_message_has_one_empty_part(void **state)
{
	struct mime_log *log = mime_log_new(&limits);

	(void)state;
	log_message(log, &limits, "", 0, 0);
	assert_int_equal(log->parts_count, 1);
	assert_int_equal(log->parts[0].bytes, 0);
	mime_log_free(log);
}

#define SHARING 3

// Whether there was memory for all of it. Parts come in any case.
static bool reads_all(struct mime *mime, const char *message)
{
	struct mime_event event = {.type = MIME_NEED_INPUT};
	size_t n = strlen(message);
	unsigned int parts = 0;
	bool all = true;

	for (size_t used = 0; used < n || event.type != MIME_NEED_INPUT;) {
		used += mime_next(mime, (const uint8_t *)message + used, n - used, &event);
		all = all && event.type != MIME_NO_MEMORY;
		parts += event.type == MIME_PART_BEGIN ? 1 : 0;
	}
	while (event.type != MIME_END) {
		mime_finish(mime, &event);
		all = all && event.type != MIME_NO_MEMORY;
		parts += event.type == MIME_PART_BEGIN ? 1 : 0;
	}
	assert_int_not_equal(parts, 0);
	return all;
}

// A pool for one parser has two of each kind.
static void check_sharing(const char *message)
{
	struct mime_pool *pool =
		mime_pool_init(aligned_alloc(64, mime_pool_bytes(&limits, 1)), &limits, 1);
	struct mime *mimes[SHARING];
	void *memory[SHARING];

	for (size_t i = 0; i < SHARING; i++) {
		memory[i] = aligned_alloc(64, mime_own_bytes(&limits));
		mimes[i] = mime_init_shared(memory[i], &limits, pool);
		assert_int_equal(reads_all(mimes[i], message), i < 2);
	}
	mime_fini(mimes[2]);
	mime_fini(mimes[1]);
	mimes[2] = mime_init_shared(memory[2], &limits, pool);
	assert_true(reads_all(mimes[2], message));
	mime_fini(mimes[2]);
	mime_fini(mimes[0]);
	for (size_t i = 0; i < SHARING; i++)
		free(memory[i]);
	free(pool);
}

static void what_a_pool_has_no_memory_for_is_told(void **state)
{
	(void)state;
	check_sharing("Subject: a field that is longer than what each parser has for itself "
		      "takes of the pool, as long as there is any\n\ntext\n");
	check_sharing("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
		      "U3ViamVjdDogeAoKeAo=\n");
	check_sharing("Content-Transfer-Encoding: base64\n"
		      "Content-Transfer-Encoding: quoted-printable\n\nAAAA\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_gives_its_parts_in_any_chunks),
		cmocka_unit_test(what_a_pool_has_no_memory_for_is_told),
		cmocka_unit_test(every_case_has_the_same_structure_with_crlf),
		cmocka_unit_test(large_parts_are_the_same_in_any_chunks),
		cmocka_unit_test(a_large_preamble_is_a_part_and_the_parts_after_it_are_found),
		cmocka_unit_test(a_boundary_line_may_have_any_number_of_blanks),
		cmocka_unit_test(bombs_end_at_the_limits),
		cmocka_unit_test(an_empty_message_has_one_empty_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
