// SPDX-License-Identifier: BSD-3-Clause
// The same parts are found to hold the same, whether they are sent as they are, and so are searched together
// with the raw message, or in base64, and so by themselves: random texts and pages, random rules, any chunks.
#include "tests/scan/ruleset_case.h"
#include "tests/support/random.h"

#define ROUNDS 12
#define MAILS 24
#define PARTS 3
#define RULES 60
#define MAX_PART 30000
#define MAX_MAIL ((size_t)PARTS * MAX_PART * 2)

// No forty of them look like a line of base64.
static const char *const words[] = {"Meet ", "me", "at ", " the", "OLD ", "bridge.", " tonight",
	"<b>", "</b>", "<a href=\"http://Evil.example/\">", "&nbsp;", "invoice:", "\r\n", " ", "  ",
	"\r\n\r\n", "account! ", "x", "(Alphorn", "<!-- c -->", "@", "zebra,", "\303\244"};
#define WORDS (sizeof(words) / sizeof(words[0]))

struct part {
	const char *type;
	size_t bytes;
	char data[MAX_PART];
};

struct mail {
	size_t bytes;
	char data[MAX_MAIL];
};

static struct random numbers = {UINT64_C(0x9e3779b97f4a7c15)};
static struct part parts[PARTS];

static unsigned int below(size_t n)
{
	return random_below(&numbers, (uint32_t)n);
}

// ---- rules -------------------------------------------------------------------------------------

// Words that follow one another, in the case in which they stand in the object or its copies.
static size_t add_body(char *out, bool is_copy)
{
	const unsigned int count = 1 + below(3);
	size_t n = 0;
	size_t bytes = 0;

	for (unsigned int i = 0; i < count || bytes < 4; i++) {
		for (const char *at = words[below(WORDS)]; *at != '\0'; at++, bytes++) {
			uint8_t byte = (uint8_t)*at;

			if (is_copy && byte >= 'A' && byte <= 'Z')
				byte |= 0x20;
			n += (size_t)sprintf(out + n, "%02x", byte);
		}
	}
	return n;
}

static void make_rules(char *out)
{
	static const char *const targets[] = {"0", "0", "0", "3", "7"};
	static const char *const offsets[] = {
		"*", "*", "*", "*", "0", "3,400", "9000,9000", "EOF-60", "EOF-900,880"};

	for (unsigned int i = 0; i < RULES; i++) {
		const char *target = targets[below(5)];

		out += sprintf(out, "R%u:%s:%s:", i, target, offsets[below(9)]);
		out += add_body(out, target[0] != '0');
		*out++ = '\n';
	}
	*out = '\0';
}

// ---- mails -------------------------------------------------------------------------------------

static void make_part(struct part *part)
{
	static const char *const types[] = {
		"text/plain", "text/html", "application/octet-stream", "text/x-other"};
	const size_t most = 1 + below(below(3) == 0 ? MAX_PART - 1 : 600);

	part->type = types[below(4)];
	part->bytes = 0;
	while (part->bytes < most)
		for (const char *at = words[below(WORDS)]; *at != '\0' && part->bytes < most; at++)
			part->data[part->bytes++] = *at;
}

static void add(struct mail *mail, const char *text, size_t n)
{
	assert_true(n <= sizeof(mail->data) - mail->bytes);
	memcpy(mail->data + mail->bytes, text, n);
	mail->bytes += n;
}

static void add_text(struct mail *mail, const char *text)
{
	add(mail, text, strlen(text));
}

static void add_base64(struct mail *mail, const struct part *part)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t at = 0; at < part->bytes; at += 3) {
		const size_t n = part->bytes - at < 3 ? part->bytes - at : 3;
		char four[4] = {'=', '=', '=', '='};
		uint32_t bits = 0;

		for (size_t i = 0; i < 3; i++)
			bits = bits << 8 | (i < n ? (uint8_t)part->data[at + i] : 0);
		for (size_t i = 0; i <= n; i++)
			four[i] = digits[bits >> (18 - 6 * i) & 63];
		add(mail, four, sizeof(four));
		if (at % 57 == 54)
			add_text(mail, "\r\n");
	}
}

static void make_mail(struct mail *mail, bool is_encoded)
{
	mail->bytes = 0;
	add_text(mail, "Subject: parts\r\nMIME-Version: 1.0\r\n"
		       "Content-Type: multipart/mixed; boundary=\"=_limit\"\r\n\r\n");
	for (unsigned int i = 0; i < PARTS; i++) {
		add_text(mail, "--=_limit\r\nContent-Type: ");
		add_text(mail, parts[i].type);
		add_text(mail, "\r\nContent-Transfer-Encoding: ");
		add_text(mail, is_encoded ? "base64\r\n\r\n" : "8bit\r\n\r\n");
		if (is_encoded)
			add_base64(mail, &parts[i]);
		else
			add(mail, parts[i].data, parts[i].bytes);
		add_text(mail, "\r\n");
	}
	add_text(mail, "--=_limit--\r\n");
}

// ---- scanning ----------------------------------------------------------------------------------

static struct scan *scan_mail(struct scanner *scanner, const struct mail *mail)
{
	struct scan *scan;

	assert_int_equal(scan_begin(scanner, SCAN_MESSAGE, &scan), 0);
	for (size_t at = 0; at < mail->bytes;) {
		size_t n = 1 + below(below(2) == 0 ? 1460 : 9000);

		n = n < mail->bytes - at ? n : mail->bytes - at;
		scan_feed(scan, (const uint8_t *)mail->data + at, n);
		at += n;
	}
	return scan;
}

static bool has_match(const struct scan_result *result, const struct scan_match *match)
{
	for (size_t i = 0; i < result->matches_count; i++)
		if (result->matches[i].part == match->part &&
			strcmp(result->matches[i].signature, match->signature) == 0)
			return true;
	return false;
}

// Returns how many matches of the parts there are.
static size_t check_in(const struct scan_result *result, const struct scan_result *other)
{
	size_t count = 0;

	assert_int_equal(result->parts_count, PARTS);
	assert_false(result->has_more_matches);
	for (size_t i = 0; i < PARTS; i++)
		assert_int_equal(result->parts[i].bytes, parts[i].bytes);
	for (size_t i = 0; i < result->matches_count; i++) {
		if (result->matches[i].part == 0)
			continue;
		assert_true(has_match(other, &result->matches[i]));
		count++;
	}
	return count;
}

static size_t compare_some(struct scanner *scanner)
{
	static struct mail plain;
	static struct mail encoded;
	struct scan *scans[2];
	size_t count;

	for (unsigned int i = 0; i < PARTS; i++)
		make_part(&parts[i]);
	make_mail(&plain, false);
	make_mail(&encoded, true);
	scans[0] = scan_mail(scanner, &plain);
	scans[1] = scan_mail(scanner, &encoded);
	count = check_in(scan_end(scans[0]), scan_end(scans[1]));
	assert_int_equal(check_in(scan_end(scans[1]), scan_end(scans[0])), count);
	scan_free(scans[0]);
	scan_free(scans[1]);
	return count;
}

static void encoded_or_not_a_part_holds_the_same(void **state)
{
	static char text[RULES * 400];
	// A digest has the bytes of all objects kept.
	const char *const files[] = {
		"a.ndb", text, "b.hdb", "0cc175b9c0f1b6a831c399e269772661:1:A\n", NULL};
	struct scan_options options;
	size_t matches = 0;

	(void)state;
	scan_options_init(&options);
	options.max_messages = 2;
	options.all_matches = true;
	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct case_image built;
		struct ruleset *ruleset;
		struct scanner *scanner;

		make_rules(text);
		built = case_build(true, files);
		assert_int_equal(built.err, 0);
		assert_int_equal(ruleset_attach(built.image, built.bytes, &ruleset), 0);
		assert_int_equal(scanner_new(&options, ruleset, &scanner), 0);
		for (unsigned int i = 0; i < MAILS; i++)
			matches += compare_some(scanner);
		scanner_free(scanner);
		ruleset_close(ruleset);
		free(built.image);
	}
	assert_true(matches > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encoded_or_not_a_part_holds_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
