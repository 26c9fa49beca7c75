// SPDX-License-Identifier: BSD-3-Clause
// Whole messages through scanner, MIME parser and matcher, against a ruleset of two signatures.
#include "scan/mime.h"
#include "scan/scan.h"
#include "scan/utf8.h"

#include <openssl/evp.h>

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

// cmocka.h wants these before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
// clang-format on

// "TEST-VIRUS-BODY" in any object, and the MD5 of "hash me please" (14 bytes).
static const char signatures_ndb[] = "#cordon: virus_id=CV-2026-1\n"
				     "Test.Pattern:0:*:544553542d56495255532d424f4459\n";
static const char signatures_hdb[] = "%s:14:Test.Hash\n";

#define VIRUS_BASE64 "VEVTVC1WSVJVUy1CT0RZ"
#define HASHED_BASE64 "aGFzaCBtZSBwbGVhc2U="
#define HEAD "From: a@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <1@x>\r\n"
// At least so many bytes of an object that is searched are gathered.
#define SEARCH_STAGE_BYTES ((size_t)8192)
#define MIXED HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n"

static struct ruleset *ruleset;
static void *ruleset_memory;

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "wbe");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	assert_int_equal(fclose(file), 0);
}

static void to_hex(const uint8_t *bytes, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static int make_ruleset(void **state)
{
	char folder[] = "/tmp/test_scan.XXXXXX";
	char ndb[64];
	char hdb[64];
	char hex[33];
	char line[128];
	uint8_t md5[16];
	const struct ruleset_build_options options = {.strict = true};
	struct ruleset_build_stats stats;
	const char *path = folder;
	void *image;
	size_t bytes;

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(ndb, sizeof(ndb), "%s/a.ndb", folder);
	(void)snprintf(hdb, sizeof(hdb), "%s/b.hdb", folder);
	assert_int_equal(EVP_Digest("hash me please", 14, md5, NULL, EVP_md5(), NULL), 1);
	to_hex(md5, sizeof(md5), hex);
	(void)snprintf(line, sizeof(line), signatures_hdb, hex);
	write_text(ndb, signatures_ndb);
	write_text(hdb, line);
	assert_int_equal(ruleset_build(&path, 1, &options, &image, &bytes, &stats), 0);
	assert_int_equal(stats.signatures, 2);
	ruleset_memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
	assert_non_null(ruleset_memory);
	memcpy(ruleset_memory, image, bytes);
	free(image);
	assert_int_equal(unlink(ndb) | unlink(hdb) | rmdir(folder), 0);
	return ruleset_attach(ruleset_memory, bytes, &ruleset);
}

static int drop_ruleset(void **state)
{
	(void)state;
	ruleset_close(ruleset);
	free(ruleset_memory);
	return 0;
}

static struct scanner *make_scanner(unsigned int digests, bool all_matches, uint32_t messages)
{
	struct scan_options options;
	struct scanner *scanner;

	scan_options_init(&options);
	options.digests = digests;
	options.all_matches = all_matches;
	options.max_messages = messages;
	options.max_depth = 8;
	options.max_parts = 200;
	assert_int_equal(scanner_new(&options, ruleset, &scanner), 0);
	return scanner;
}

// Scans text cut at first and then every step bytes (0: the rest at once). The caller frees the scan.
static struct scan *scan_text(
	struct scanner *scanner, enum scan_kind kind, const char *text, size_t first, size_t step)
{
	size_t n = strlen(text);
	struct scan *scan;
	size_t at = 0;

	assert_int_equal(scan_begin(scanner, kind, &scan), 0);
	while (at < n) {
		size_t chunk = at == 0 && first > 0 ? first : step > 0 ? step : n;

		chunk = chunk < n - at ? chunk : n - at;
		scan_feed(scan, (const uint8_t *)text + at, chunk);
		at += chunk;
	}
	return scan;
}

struct message_case {
	const char *text;
	enum scan_kind kind;
	enum verdict verdict;
	const char *reason;
	const char *signature; // of the match in part, NULL for none
	uint32_t part;
	size_t parts;
};

static const struct message_case cases[] = {
	{HEAD "\r\nhello\r\n", SCAN_MESSAGE, VERDICT_CLEAN, "", NULL, 0, 1},
	{HEAD "\r\nTEST-VIRUS-BODY\r\n", SCAN_MESSAGE, VERDICT_INFECTED, "signature",
		"Test.Pattern", 1, 1},
	{HEAD "Content-Transfer-Encoding: base64\r\n\r\n" VIRUS_BASE64 "\r\n", SCAN_MESSAGE,
		VERDICT_INFECTED, "signature", "Test.Pattern", 1, 1},
	{HEAD "Content-Transfer-Encoding: quoted-printable\r\n\r\nTEST=2DVIRUS=\r\n-BODY\r\n",
		SCAN_MESSAGE, VERDICT_INFECTED, "signature", "Test.Pattern", 1, 1},
	{MIXED "--b\r\n\r\nhello\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\n" HASHED_BASE64
	       "\r\n--b--\r\n",
		SCAN_MESSAGE, VERDICT_INFECTED, "hash", "Test.Hash", 2, 2},
	{MIXED "--b\r\nContent-Type: message/rfc822\r\n\r\n" MIXED
	       "--b\r\nContent-Transfer-Encoding: base64\r\n\r\n" VIRUS_BASE64 "\r\n--b--\r\n",
		SCAN_MESSAGE, VERDICT_INFECTED, "signature", "Test.Pattern", 1, 1},
	{"TEST-VIRUS-BODY", SCAN_FILE, VERDICT_INFECTED, "signature", "Test.Pattern", 0, 0},
	{"hash me please", SCAN_FILE, VERDICT_INFECTED, "hash", "Test.Hash", 0, 0},
	{"hash me please!", SCAN_FILE, VERDICT_CLEAN, "", NULL, 0, 0},
	{"", SCAN_FILE, VERDICT_CLEAN, "", NULL, 0, 0},
};

static bool has_match(const struct scan_result *result, const char *signature, uint32_t part)
{
	for (size_t i = 0; i < result->matches_count; i++) {
		if (strcmp(result->matches[i].signature, signature) == 0 &&
			result->matches[i].part == part)
			return true;
	}
	return false;
}

static void check_case(
	struct scanner *scanner, const struct message_case *c, size_t first, size_t step)
{
	struct scan *scan = scan_text(scanner, c->kind, c->text, first, step);
	const struct scan_result *result = scan_end(scan);

	assert_int_equal(result->verdict, c->verdict);
	assert_string_equal(result->reason, c->reason);
	assert_int_equal(result->bytes, strlen(c->text));
	assert_int_equal(result->parts_count, c->parts);
	assert_int_equal(result->matches_count > 0, c->signature != NULL);
	if (c->signature != NULL)
		assert_true(has_match(result, c->signature, c->part));
	if (c->parts > 0) {
		assert_string_equal(result->subject, "Gr\xc3\xbc\xc3\x9f"
						     "e");
		assert_string_equal(result->message_id, "<1@x>");
	}
	scan_free(scan);
}

static void what_another_reader_may_see_otherwise_is_told(void **state)
{
	static const char mixed[] =
		"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=e\r\n"
		"\r\n--e\r\n";
	static const struct {
		const char *before; // and then so many x
		size_t count;
		const char *after;
		bool subject;
		bool names;
	} mails[] = {
		{"Subject: one\r\n\r\ntext", 0, "", false, false},
		{"Subject: one\r\nSubject: two\r\n\r\ntext", 0, "", true, false},
		{"Subject: ", 2000, "\r\n\r\ntext", false, false},
		{"Subject: ", 3000, "\r\n\r\ntext", true, false},
		{"Content-Type: text/x; name=a\r\n\r\n", 1, "", false, false},
		{"Content-Type: text/x; name=a\r\nContent-Disposition: inline; filename=a\r\n\r\n",
			1, "", false, false},
		{"Content-Type: text/x; name=a\r\nContent-Disposition: inline; filename=b\r\n\r\n",
			1, "", false, true},
		{"Content-Disposition: inline; filename=b\r\nContent-Type: text/x; name=a\r\n\r\n",
			1, "", false, true},
		{"Content-Disposition: inline; filename=a; filename=b\r\n\r\n", 1, "", false, true},
		{"Content-Disposition: inline; filename=a\r\nContent-Disposition: x; filename=b\r\n"
		 "\r\n",
			1, "", false, true},
		{"Content-Disposition: inline; filename=", 1000, "\r\n\r\nx", false, false},
		{"Content-Disposition: inline; filename=", 2000, "\r\n\r\nx", false, true},
	};
	struct scanner *scanner = make_scanner(0, false, 1);
	char text[4096];

	(void)state;
	for (size_t i = 0; i < 2 * (sizeof(mails) / sizeof(mails[0])); i++) {
		// Of a message, and of a part of one.
		bool inside = i % 2 > 0;
		const struct scan_result *result;
		struct scan *scan;
		int n = snprintf(
			text, sizeof(text), "%s%s", inside ? mixed : "", mails[i / 2].before);

		memset(text + n, 'x', mails[i / 2].count);
		(void)snprintf(text + n + mails[i / 2].count,
			sizeof(text) - (size_t)n - mails[i / 2].count, "%s", mails[i / 2].after);
		for (size_t step = 1; step < 200; step += 198) {
			scan = scan_text(scanner, SCAN_MESSAGE, text, step, step);
			result = scan_end(scan);
			assert_int_equal(result->unclear_subject, !inside && mails[i / 2].subject);
			assert_int_equal(result->unclear_names, mails[i / 2].names);
			scan_free(scan);
		}
	}
	scanner_free(scanner);
}

static void verdicts_are_the_same_in_any_chunks(void **state)
{
	struct scanner *scanner = make_scanner(0, false, 1);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t step = 0; step < 6; step++)
			check_case(scanner, &cases[i], 0, step);
		for (size_t first = 1; first < strlen(cases[i].text); first++)
			check_case(scanner, &cases[i], first, 0);
	}
	scanner_free(scanner);
}

static void a_match_carries_its_virus_id_and_kind(void **state)
{
	struct scanner *scanner = make_scanner(0, true, 1);
	struct scan *scan = scan_text(scanner, SCAN_FILE, "TEST-VIRUS-BODY", 0, 0);
	const struct scan_result *result = scan_end(scan);

	(void)state;
	assert_int_equal(result->matches_count, 1);
	assert_string_equal(result->matches[0].virus_id, "CV-2026-1");
	assert_string_equal(match_kind_name(result->matches[0].kind), "pattern");
	scan_free(scan);
	scanner_free(scanner);
}

static void a_signature_is_listed_once_for_each_object(void **state)
{
	struct scanner *scanner = make_scanner(0, true, 1);
	struct scan *scan = scan_text(scanner, SCAN_MESSAGE,
		HEAD "\r\nTEST-VIRUS-BODY\r\nTEST-VIRUS-BODY\r\nTEST-VIRUS-BODY\r\n", 0, 7);
	const struct scan_result *result = scan_end(scan);

	(void)state;
	assert_int_equal(result->matches_count, 2);
	assert_true(has_match(result, "Test.Pattern", 0));
	assert_true(has_match(result, "Test.Pattern", 1));
	scan_free(scan);
	scanner_free(scanner);
}

static void a_message_is_decided_once_it_has_hit(void **state)
{
	struct scanner *scanner = make_scanner(0, false, 1);
	struct scan *scan = scan_text(scanner, SCAN_MESSAGE, HEAD "\r\nTEST-VIRUS-", 0, 0);

	(void)state;
	for (unsigned int i = 0; i < 20000; i++)
		scan_feed(scan, (const uint8_t *)"more\r\n", 6);
	assert_false(scan_is_decided(scan));
	scan_feed(scan, (const uint8_t *)"TEST-VIRUS-BODY and more\r\nand more\r\n", 36);
	// Some bytes more are gathered before they are looked at.
	for (unsigned int i = 0; i < 20000; i++)
		scan_feed(scan, (const uint8_t *)"more\r\n", 6);
	assert_true(scan_is_decided(scan));
	assert_int_equal(scan_end(scan)->verdict, VERDICT_INFECTED);
	assert_true(scan_is_decided(scan));
	scan_free(scan);
	scanner_free(scanner);
}

static void digests_are_of_the_decoded_bytes_in_any_chunks(void **state)
{
	static const char plain[] = "TEST-VIRUS-BODY";
	const char *text = cases[2].text;
	struct scanner *scanner = make_scanner(DIGEST_MD5 | DIGEST_SHA1 | DIGEST_SHA256, false, 1);
	uint8_t md5[16];
	uint8_t sha1[20];
	uint8_t sha256[32];

	(void)state;
	assert_int_equal(EVP_Digest(plain, 15, md5, NULL, EVP_md5(), NULL), 1);
	assert_int_equal(EVP_Digest(plain, 15, sha1, NULL, EVP_sha1(), NULL), 1);
	assert_int_equal(EVP_Digest(plain, 15, sha256, NULL, EVP_sha256(), NULL), 1);
	for (size_t first = 0; first < strlen(text); first++) {
		struct scan *scan = scan_text(scanner, SCAN_MESSAGE, text, first, 0);
		const struct scan_part *part = scan_end(scan)->parts;

		assert_int_equal(part->bytes, 15);
		assert_int_equal(part->digests, DIGEST_MD5 | DIGEST_SHA1 | DIGEST_SHA256);
		assert_memory_equal(part->md5, md5, sizeof(md5));
		assert_memory_equal(part->sha1, sha1, sizeof(sha1));
		assert_memory_equal(part->sha256, sha256, sizeof(sha256));
		assert_string_equal(part->encoding, "base64");
		assert_string_equal(part->content_type, "text/plain");
		scan_free(scan);
	}
	scanner_free(scanner);
}

// A message of count parts, the last of which is infected; each has a file name of name_bytes.
static char *many_parts(size_t count, size_t name_bytes, const char *name)
{
	size_t room = 512 + count * (name_bytes + 200);
	char *text = malloc(room);
	size_t n;

	assert_non_null(text);
	n = (size_t)snprintf(text, room, "%s", MIXED);
	for (size_t i = 0; i < count; i++) {
		n += (size_t)snprintf(text + n, room - n,
			"--b\r\nContent-Disposition: attachment; filename=\"%zu", i);
		for (size_t k = 0; k < name_bytes; k++)
			text[n++] = name[k % strlen(name)];
		n += (size_t)snprintf(text + n, room - n, "\"\r\n\r\n%s\r\n",
			i + 1 == count ? "TEST-VIRUS-BODY" : "hello");
	}
	(void)snprintf(text + n, room - n, "--b--\r\n");
	return text;
}

static void disinfect(char *text)
{
	char *virus = strstr(text, "TEST-VIRUS-BODY");

	assert_non_null(virus);
	*virus = 'B';
}

static void all_parts_are_listed(void **state)
{
	struct scanner *scanner = make_scanner(0, false, 1);

	(void)state;
	for (size_t count = 1; count <= 200; count += 11) {
		char *text = many_parts(count, 4, "name");
		struct scan *scan = scan_text(scanner, SCAN_MESSAGE, text, 0, 1448);
		const struct scan_result *result = scan_end(scan);

		assert_int_equal(result->parts_count, count);
		assert_int_equal(result->verdict, VERDICT_INFECTED);
		assert_true(has_match(result, "Test.Pattern", (uint32_t)count));
		for (size_t i = 0; i < count; i++) {
			char name[32];

			(void)snprintf(name, sizeof(name), "%zuname", i);
			assert_int_equal(result->parts[i].index, i + 1);
			assert_string_equal(result->parts[i].filename, name);
			assert_string_equal(result->parts[i].disposition, "attachment");
		}
		scan_free(scan);
		free(text);
	}
	scanner_free(scanner);
}

static bool is_utf8(const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n;) {
		size_t length = utf8_character((const uint8_t *)text + i, n - i);

		if (length == 0)
			return false;
		i += length;
	}
	return true;
}

// Names of more bytes than a message may keep: they are cut between characters, the verdict stands.
static void room_for_text_runs_out_without_harm(void **state)
{
	struct scanner *scanner = make_scanner(0, false, 1);
	char *text = many_parts(190, 6000, "\xe2\x82\xac\xff");

	(void)state;
	for (size_t round = 0; round < 3; round++) {
		struct scan *scan = scan_text(scanner, SCAN_MESSAGE, text, 0, 1000);
		const struct scan_result *result = scan_end(scan);

		assert_int_equal(result->verdict, VERDICT_INFECTED);
		assert_int_equal(result->parts_count, 190);
		for (size_t i = 0; i < result->parts_count; i++)
			assert_true(is_utf8(result->parts[i].filename));
		scan_free(scan);
	}
	free(text);
	scanner_free(scanner);
}

static void past_a_limit_a_message_is_suspect_but_a_hit_counts_more(void **state)
{
	struct scanner *scanner = make_scanner(0, false, 1);
	char *text = many_parts(300, 1, "x");
	struct scan *scan;

	(void)state;
	scan = scan_text(scanner, SCAN_MESSAGE, text, 0, 1448);
	assert_int_equal(scan_end(scan)->verdict, VERDICT_INFECTED); // the raw message
	scan_free(scan);

	disinfect(text);
	scan = scan_text(scanner, SCAN_MESSAGE, text, 0, 1448);
	assert_int_equal(scan_end(scan)->verdict, VERDICT_SUSPECT);
	assert_string_equal(scan_end(scan)->reason, "limit-parts");
	assert_true(scan_end(scan)->parts_count <= 200);
	scan_free(scan);
	free(text);
	scanner_free(scanner);
}

static void a_scanner_takes_as_many_messages_as_it_was_made_for(void **state)
{
	struct scanner *scanner = make_scanner(0, false, 3);
	struct scan *scans[3];
	struct scan *more;

	(void)state;
	for (size_t round = 0; round < 10; round++) {
		for (size_t i = 0; i < 3; i++)
			scans[i] = scan_text(scanner, SCAN_MESSAGE, HEAD "\r\nhalf a mess", 0, 5);
		assert_int_equal(scan_begin(scanner, SCAN_MESSAGE, &more), -ENOMEM);
		assert_int_equal(scan_end(scans[round % 3])->verdict, VERDICT_CLEAN);
		for (size_t i = 0; i < 3; i++)
			scan_free(scans[i]);
	}
	scanner_free(scanner);
}

// What searches a mail and a part counts, and what searches the copies of the part.
static void the_bytes_of_a_message_tell_of_what_searches_it(void **state)
{
	struct scanner *scanner = make_scanner(0, false, 1);

	(void)state;
	assert_true(
		scanner_message_bytes(scanner) >
		4 * SEARCH_STAGE_BYTES + mime_own_bytes(&(struct mime_limits){8, 200, 1 << 16}));
	scanner_free(scanner);
}

// In any other part the MIME parser finds what is uuencoded.
#define UU_PART(lines)                                                                             \
	MIXED "--b\r\nContent-Type: application/octet-stream\r\n"                                  \
	      "Content-Transfer-Encoding: base64\r\n\r\n" lines "\r\n--b--\r\n"

static void a_uuencoded_file_in_base64_is_decoded(void **state)
{
	// The second says that it holds more than it does.
	static const char *const texts[] = {
		UU_PART("YmVnaW4gNjQ0IGEuYmluCi81JDUzNSJVNjI1KTU0UlUiM1QxOQpgCmVuZAo="),
		UU_PART("YmVnaW4gNjQ0IGEuYmluCk01JDUzNSJVNjI1KTU0UlUiM1QxOQpgCmVuZAo="),
	};
	struct scanner *scanner = make_scanner(0, true, 1);

	(void)state;
	for (size_t at = 0; at < 2 * strlen(texts[0]); at++) {
		const char *text = texts[at % 2];
		struct scan *scan = scan_text(scanner, SCAN_MESSAGE, text, 0, 1 + at / 2);
		const struct scan_result *result = scan_end(scan);

		bool is_found = false;

		for (size_t i = 0; i < result->matches_count; i++)
			is_found |= strcmp(result->parts[result->matches[i].part - 1].filename,
					    "a.bin") == 0;
		assert_true(is_found);
		scan_free(scan);
	}
	scanner_free(scanner);
}

// Tables for many parts are shared: the message that gets none cannot be scanned, and says so.
#define MANY_MESSAGES 16

static void without_room_for_its_parts_a_message_is_unscannable(void **state)
{
	struct scanner *scanner = make_scanner(0, false, MANY_MESSAGES);
	char *text = many_parts(50, 1, "x");
	struct scan *scans[MANY_MESSAGES];
	size_t clean = 0;

	(void)state;
	disinfect(text);
	for (size_t i = 0; i < MANY_MESSAGES; i++) {
		const struct scan_result *result;

		scans[i] = scan_text(scanner, SCAN_MESSAGE, text, 0, 0);
		result = scan_end(scans[i]);
		if (clean == i && result->verdict == VERDICT_CLEAN) {
			clean++;
			continue;
		}
		assert_int_equal(result->verdict, VERDICT_UNSCANNABLE);
		assert_string_equal(result->reason, "memory");
	}
	assert_true(clean > 0 && clean < MANY_MESSAGES);
	for (size_t i = 0; i < MANY_MESSAGES; i++)
		scan_free(scans[i]);
	scans[0] = scan_text(scanner, SCAN_MESSAGE, text, 0, 0);
	assert_int_equal(scan_end(scans[0])->verdict, VERDICT_CLEAN);
	scan_free(scans[0]);
	free(text);
	scanner_free(scanner);
}

static void text_becomes_valid_utf8(void **state)
{
	static const struct {
		const char *in;
		const char *out;
	} texts[] = {
		{"plain", "plain"},
		{"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"},
		{"a\xffz", "a\xef\xbf\xbdz"},
		{"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},                 // overlong
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, // surrogate
		{"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xe2\x82", "\xef\xbf\xbd"}, // cut short
		{"\xe2\x82z", "\xef\xbf\xbdz"},
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		(void)utf8_copy(out, sizeof(out), texts[i].in, strlen(texts[i].in));
		assert_string_equal(out, texts[i].out);
	}
	assert_int_equal(utf8_copy(out, 4, "ab\xc3\xbc", 4), 2);
	assert_string_equal(out, "ab");
	assert_int_equal(utf8_copy(out, sizeof(out), "a\0b", 3), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_another_reader_may_see_otherwise_is_told),
		cmocka_unit_test(verdicts_are_the_same_in_any_chunks),
		cmocka_unit_test(a_match_carries_its_virus_id_and_kind),
		cmocka_unit_test(a_signature_is_listed_once_for_each_object),
		cmocka_unit_test(a_message_is_decided_once_it_has_hit),
		cmocka_unit_test(digests_are_of_the_decoded_bytes_in_any_chunks),
		cmocka_unit_test(all_parts_are_listed),
		cmocka_unit_test(room_for_text_runs_out_without_harm),
		cmocka_unit_test(past_a_limit_a_message_is_suspect_but_a_hit_counts_more),
		cmocka_unit_test(a_scanner_takes_as_many_messages_as_it_was_made_for),
		cmocka_unit_test(the_bytes_of_a_message_tell_of_what_searches_it),
		cmocka_unit_test(a_uuencoded_file_in_base64_is_decoded),
		cmocka_unit_test(without_room_for_its_parts_a_message_is_unscannable),
		cmocka_unit_test(text_becomes_valid_utf8),
	};

	return cmocka_run_group_tests(tests, make_ruleset, drop_ruleset);
}
