// SPDX-License-Identifier: BSD-3-Clause
// Digests of a message, of its parts and of copies of HTML are computed together where several end at once:
// each is found all the same, by its size and by it alone, however the message comes in.
#include "scan/digest.h"
#include "scan/scan.h"
#include "tests/scan/ruleset_case.h"
#include "tests/support/random.h"

#include <stdbool.h>

#define MAX_BYTES 8192
#define MAX_PARTS 4
#define MAX_OBJECTS (MAX_PARTS + 1)
#define ROUNDS 150

struct mail {
	size_t bytes;
	char data[MAX_BYTES];
};

static void put(struct mail *mail, const char *text)
{
	size_t n = strlen(text);

	assert_true(mail->bytes + n < MAX_BYTES);
	memcpy(mail->data + mail->bytes, text, n);
	mail->bytes += n;
}

static void put_body(struct mail *mail, struct random *random, bool is_html)
{
	static const char *const words[] = {
		"prose ", "and more\r\n", "<b>bold</b> ", "x", "&amp; ", "\r\n"};
	unsigned int count = random_below(random, 150);

	put(mail, is_html ? "<html><body>" : "Dear all, ");
	for (unsigned int i = 0; i < count; i++)
		put(mail, words[random_below(random, sizeof(words) / sizeof(words[0]))]);
}

static void make(struct mail *mail, struct random *random)
{
	unsigned int parts = 1 + random_below(random, MAX_PARTS);

	mail->bytes = 0;
	put(mail, "Subject: digests\r\nContent-Type: ");
	put(mail, parts > 1 ? "multipart/mixed; boundary=\"=x\"\r\n\r\n" : "text/html\r\n\r\n");
	for (unsigned int i = 0; i < parts; i++) {
		if (parts > 1)
			put(mail, i % 2 != 0 ? "--=x\r\nContent-Type: text/plain\r\n\r\n"
					     : "--=x\r\nContent-Type: text/html\r\n\r\n");
		put_body(mail, random, parts == 1 || i % 2 == 0);
		put(mail, "\r\n");
	}
	if (parts > 1)
		put(mail, "--=x--\r\n");
}

// Calls scan_free itself when the caller has looked at the result.
static const struct scan_result *scan_mail(
	struct scanner *scanner, const struct mail *mail, size_t chunk, struct scan **scan)
{
	const uint8_t *data = (const uint8_t *)mail->data;

	assert_int_equal(scan_begin(scanner, SCAN_MESSAGE, scan), 0);
	for (size_t at = 0; at < mail->bytes; at += chunk)
		scan_feed(*scan, data + at, mail->bytes - at < chunk ? mail->bytes - at : chunk);
	return scan_end(*scan);
}

static struct scanner *make_scanner(const struct ruleset *ruleset, unsigned int digests)
{
	struct scan_options options;
	struct scanner *scanner;

	scan_options_init(&options);
	options.max_messages = 2;
	options.digests = digests;
	options.all_matches = true;
	assert_int_equal(scanner_new(&options, ruleset, &scanner), 0);
	return scanner;
}

static void write_entry(
	char *text, size_t room, const uint8_t *digest, uint64_t bytes, unsigned int number)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < 16; i++)
		n += (size_t)snprintf(text + n, room - n, "%02x", (unsigned int)digest[i]);
	(void)snprintf(text + n, room - n, ":%llu:Object.%u\n", (unsigned long long)bytes, number);
}

// Entries for some of the objects, a bit of which is told for each, and one of the same size for others.
static unsigned int write_rules(const struct mail *mail, struct scanner *scanner,
	struct random *random, char *text, size_t room)
{
	static const uint8_t other[16] = {1, 2, 3};
	uint8_t digest[DIGEST_MAX_BYTES];
	struct digest state;
	struct scan *scan;
	const struct scan_result *result = scan_mail(scanner, mail, MAX_BYTES, &scan);
	unsigned int wanted = random_below(random, 1u << MAX_OBJECTS);

	assert_true(result->parts_count <= MAX_PARTS);
	text[0] = '\0';
	digest_begin(&state, DIGEST_MD5);
	digest_feed(&state, (const uint8_t *)mail->data, mail->bytes);
	assert_true(digest_end(&state, DIGEST_INDEX_MD5, digest));
	write_entry(text, room, (wanted & 1) != 0 ? digest : other, mail->bytes, 0);
	for (unsigned int i = 0; i < result->parts_count; i++)
		write_entry(text, room, (wanted >> (i + 1) & 1) != 0 ? result->parts[i].md5 : other,
			result->parts[i].bytes, i + 1);
	wanted &= (2u << result->parts_count) - 1;
	scan_free(scan);
	return wanted;
}

static void expect(const struct case_image *built, const struct mail *mail, unsigned int wanted,
	struct random *random)
{
	size_t room = (built->bytes + 63) / 64 * 64;
	void *image = aligned_alloc(64, room);
	struct ruleset *ruleset;
	struct scanner *scanner;
	unsigned int found = 0;
	struct scan *scan;
	const struct scan_result *result;

	assert_non_null(image);
	memcpy(image, built->image, built->bytes);
	assert_int_equal(ruleset_attach(image, built->bytes, &ruleset), 0);
	scanner = make_scanner(ruleset, 0);
	result = scan_mail(scanner, mail, 1 + random_below(random, 600), &scan);
	for (size_t i = 0; i < result->matches_count; i++) {
		const struct scan_match *match = &result->matches[i];

		assert_int_equal(match->kind, MATCH_HASH);
		// Parts may be alike: then the first entry's name is as good.
		found |= 1u << match->part;
	}
	assert_int_equal(found, wanted);
	scan_free(scan);
	scanner_free(scanner);
	ruleset_close(ruleset);
	free(image);
}

static void what_ends_together_is_found_by_its_own_digest(void **state)
{
	static struct mail mail;
	struct case_image none =
		case_build_one("a.hdb", "00000000000000000000000000000000:1:None\n");
	size_t room = (none.bytes + 63) / 64 * 64;
	void *image = aligned_alloc(64, room);
	struct random random = {5};
	struct ruleset *ruleset;
	struct scanner *scanner;

	(void)state;
	assert_non_null(image);
	memcpy(image, none.image, none.bytes);
	assert_int_equal(ruleset_attach(image, none.bytes, &ruleset), 0);
	scanner = make_scanner(ruleset, DIGEST_MD5);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		char text[1024];
		unsigned int wanted;
		struct case_image built;

		make(&mail, &random);
		wanted = write_rules(&mail, scanner, &random, text, sizeof(text));
		built = case_build_one("a.hdb", text);
		assert_int_equal(built.err, 0);
		expect(&built, &mail, wanted, &random);
		free(built.image);
	}
	scanner_free(scanner);
	ruleset_close(ruleset);
	free(image);
	free(none.image);
}

static bool is_hit(const char *rules, const struct mail *mail, size_t chunk)
{
	struct case_image built = case_build_one("a.hsb", rules);
	size_t room = (built.bytes + 63) / 64 * 64;
	void *image = aligned_alloc(64, room);
	struct ruleset *ruleset;
	struct scanner *scanner;
	struct scan *scan;
	bool found;

	assert_int_equal(built.err, 0);
	assert_non_null(image);
	memcpy(image, built.image, built.bytes);
	assert_int_equal(ruleset_attach(image, built.bytes, &ruleset), 0);
	scanner = make_scanner(ruleset, 0);
	found = scan_mail(scanner, mail, chunk, &scan)->matches_count > 0;
	scan_free(scan);
	scanner_free(scanner);
	ruleset_close(ruleset);
	free(image);
	free(built.image);
	return found;
}

// In 7bit and the like the line break before a boundary is the boundary's, and was the file's.
static void lists_see_parts_with_their_last_line_break(void **state)
{
	static const char *const files[] = {
		"one\r\ntwo", "one\r\ntwo\r\n", "one\r\ntwo\n", "one\r\ntwo\r\n\r\n"};
	static const char *const encodings[] = {"7bit", "8bit", "binary", "base64"};
	static const char *const contents[] = {
		"one\r\ntwo", "one\r\ntwo", "one\r\ntwo", "b25lDQp0d28="};

	(void)state;
	for (size_t i = 0; i < 16; i++) {
		const char *file = files[i % 4];
		struct mail mail = {0};
		char rules[2][256];
		uint8_t digest[DIGEST_MAX_BYTES];
		struct digest running;
		size_t n = 0;

		digest_begin(&running, DIGEST_SHA256);
		digest_feed(&running, (const uint8_t *)file, strlen(file));
		assert_true(digest_end(&running, DIGEST_INDEX_SHA256, digest));
		for (size_t k = 0; k < 32; k++)
			n += (size_t)snprintf(rules[0] + n, sizeof(rules[0]) - n, "%02x",
				(unsigned int)digest[k]);
		(void)snprintf(rules[1], sizeof(rules[1]), "%.64s:*:Test:73\n", rules[0]);
		(void)snprintf(rules[0] + n, sizeof(rules[0]) - n, ":%zu:Test\n", strlen(file));
		put(&mail, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
			   "Content-Transfer-Encoding: ");
		put(&mail, encodings[i / 4]);
		put(&mail, "\r\n\r\n");
		put(&mail, contents[i / 4]);
		put(&mail, "\r\n--b--\r\n");
		for (size_t k = 0; k < 4; k++)
			assert_int_equal(is_hit(rules[k % 2], &mail, k < 2 ? 1 : MAX_BYTES),
				i / 4 == 3 ? i % 4 == 0 : i % 4 < 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_ends_together_is_found_by_its_own_digest),
		cmocka_unit_test(lists_see_parts_with_their_last_line_break),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
