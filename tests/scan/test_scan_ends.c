// SPDX-License-Identifier: BSD-3-Clause
// Mail readers do not agree where a part begins and ends: a file that some reader hands out is found by its checksum
// and by a pattern that stands at its start, in any chunks. What the readers are is told beside each case.
#include "scan/digest.h"
#include "scan/scan.h"
#include "tests/scan/ruleset_case.h"
#include "tests/support/screened.h"

#include <openssl/evp.h>

#include <stdbool.h>

#define FILE_BYTES 100000u // more than is left to the end of an object to be hashed
#define MAIL_BYTES (FILE_BYTES * 2)

enum coding { PLAIN, BASE64, QP, PADDED_ALL, PADDED };

struct ending {
	const char *name;
	enum coding coding;
	bool whole_quanta; // a file that needs no padding
	const char *before;
	const char *behind;
};

#define TYPE "Content-Type: application/octet-stream; name=x\r\n"
#define CTE "Content-Transfer-Encoding: "
#define MIXED "Content-Type: multipart/mixed; boundary=b\r\n"
#define TEXT "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n"

static const struct ending endings[] = {
	// Perl, Ruby, c-client, KMime, Python and others end at padding; Node's and GMime go on.
	{"data behind padding", BASE64, false, MIXED "\r\n--b\r\n" TYPE CTE "base64\r\n\r\n",
		"\r\nQUJDRA==\r\n--b--\r\n"},
	{"a footer behind padding", BASE64, false, TYPE CTE "base64\r\n\r\n",
		"\r\n____\r\nA list of mail\r\n"},
	{"a boundary without its end", BASE64, false, MIXED "\r\n--b\r\n" TYPE CTE "base64\r\n\r\n",
		"\r\n--bcdefgh-"},
	{"a boundary that is another's", BASE64, false,
		MIXED "\r\n--b\r\nContent-Type: multipart/mixed; boundary=bc\r\n\r\n"
		      "--bc\r\n" TYPE CTE "base64\r\n\r\n",
		"\r\n--bd--\r\n--b--\r\n"},
	{"a reading of its own", BASE64, false, TYPE CTE "7bit\r\n" CTE "base64\r\n\r\n",
		"\r\nQUJDRA==\r\n"},
	// Perl, Python and PHP drop what is no quantum.
	{"part of a quantum", BASE64, true, TYPE CTE "base64\r\n\r\n", "\r\nQU\r\n"},
	// PHP and MIME::Tools pass over padding wherever it stands.
	{"padding in every line", PADDED_ALL, false, MIXED "\r\n--b\r\n" TYPE CTE "base64\r\n\r\n",
		"\r\n--b--\r\n"},
	{"padding in the third line", PADDED, false, TYPE CTE "base64\r\n\r\n", "\r\n"},
	{"padding in the third line of a text", PADDED, false,
		MIXED "\r\n--b\r\nContent-Type: text/plain\r\n" CTE "base64\r\n\r\n",
		"\r\n--b--\r\n"},
	// As many readings of one part as there are.
	{"padding in every line, under three encodings", PADDED_ALL, false,
		"From: a@b\r\n" TYPE CTE "base64\r\n" CTE "quoted-printable\r\n" CTE "8bit\r\n",
		"\r\n"},
	// Node's, Java's, Python's, c-client and Dovecot know no uuencode.
	{"uuencode that is none", PLAIN, false, MIXED "\r\n--b\r\n" TYPE CTE "x-uuencode\r\n\r\n",
		"\r\n--b--\r\n"},
	// mime4j, Camel, vmime and mblaze take what begins with a boundary for one.
	{"more behind a boundary", PLAIN, false, MIXED "\r\n--b\r\n" TYPE CTE "8bit\r\n\r\n",
		"\r\n--b--:x\r\n\r\nend\r\n"},
	{"more behind a boundary in quoted-printable", QP, false,
		MIXED "\r\n--b\r\n" TYPE CTE "quoted-printable\r\n\r\n", "\r\n--b--\r,\r\n"},
	// Where lines are stored without CR, that in front of CRLF is the line break's.
	{"a CR in front of the last line break", PLAIN, false,
		MIXED "\r\n--b\r\n" TYPE CTE "8bit\r\n\r\n", "\r\r\n--b--\r\n"},
	{"a CR in front of the last line break of quoted-printable", QP, false,
		MIXED "\r\n--b\r\n" TYPE CTE "quoted-printable\r\n\r\n", "\r\r\n--b--\r\n"},
	// Of two encodings c-client, Ruby and munpack take the last.
	{"none of two encodings", PLAIN, false,
		MIXED "\r\n" TEXT "--b\r\n" TYPE CTE "base64\r\n" CTE "8bit\r\n\r\n",
		"\r\n--b--\r\n"},
	{"none that is known", PLAIN, false,
		MIXED "\r\n" TEXT "--b\r\n" TYPE CTE "base64; x\r\n\r\n", "\r\n--b--\r\n"},
	// All but the strictest leave out a line that is no field.
	{"a line that is no field", PLAIN, false,
		"From: a@b\r\nSubj\r\n\tect: x\r\n" TYPE CTE "8bit\r\n\r\n", ""},
	{"a line that is no field, and none that tells a part", PLAIN, false,
		"From: a@b\r\n" TYPE "no field\r\n\r\n", ""},
	{"lines that are no fields, in front of base64", BASE64, false,
		MIXED "\r\n--b\r\nContent-Type: text/html\r\n" CTE "base64\r\nC\r\n \r\n"
		      " ontent-Disposition: inline\r\n\r\n",
		"\r\n--b--\r\n"},
	// reformime, mblaze.
	{"a multipart in quoted-printable", QP, false,
		"Content-Type: multipart/mixed; boundary=b\r\n" CTE "quoted-printable\r\n\r\n" TEXT
		"--b\r\n" TYPE CTE "8bit\r\n\r\n",
		"\r\n--b--\r\n"},
	// All that go by RFC 2046, which has no such message.
	{"a message in quoted-printable", BASE64, false,
		"Content-Type: message/rfc822\r\n" CTE "quoted-printable\r\n\r\n" MIXED "\r\n" TEXT
		"--b\r\n" TYPE CTE "base64\r\n\r\n",
		"\r\n--b--\r\n"},
	// What the multipart says is not what the message in it is read as first.
	{"a message in a multipart that says base64", BASE64, false,
		"Content-Type: multipart/mixed; boundary=b\r\n" CTE "base64\r\n\r\n" TEXT
		"--b\r\nContent-Type: message/rfc822\r\n\r\nno field\r\n" TYPE CTE "base64\r\n\r\n",
		"\r\n--b--\r\n"},
	// Who decodes each line by itself, in a mail without a line between header and body.
	{"behind a part of a quantum", BASE64, false,
		"From: a@b\r\n" TYPE CTE "base64\r\nQUJDR\r\n", "\r\n"},
	{"data behind padding, and a boundary that goes on", BASE64, false,
		"Content-Type: multipart/mixed; boundary=\"..\"\r\n\r\n--..\r\n" TYPE CTE
		"base64\r\n\r\n--..-\r\n",
		"\r\nQUJDRA==\r\n--..--\r\n"},
	{"one boundary that goes on behind another", PLAIN, false,
		MIXED "\r\n--b\r\n" TYPE CTE "8bit\r\n\r\n", "\r\n--b:\r\n--b;\r\n"},
	// MIME::Tools and ripmime hand out what stands in a preamble or an epilogue.
	{"a part without a boundary", PLAIN, false,
		MIXED "\r\n" TEXT "--b--\r\nmore\r\n" TYPE CTE "8bit\r\n\r\n", "\r\n--b\r\n"},
};

static char file[FILE_BYTES];
static char mail[MAIL_BYTES];

// Lines of letters, of any length that makes no line's end the file's.
static void make_file(size_t n)
{
	for (size_t i = 0; i < n; i++)
		file[i] = (char)("\r\n"[i & 1]);
	for (size_t i = 0; i < n; i++)
		if (i % 64 < 62 || i + 2 >= n)
			file[i] = (char)('a' + i * 7 % 23 + i / 64 % 3);
}

// Into a line, behind its third letter.
static size_t put_padding(char *out, size_t line, size_t bytes)
{
	memmove(out + line + 4, out + line + 3, bytes - line - 3);
	out[line + 3] = '=';
	return bytes + 1;
}

static size_t put_file(enum coding coding, size_t n, char *out)
{
	size_t bytes = 0;

	if (coding == PLAIN) {
		memcpy(out, file, n);
		return n;
	}
	for (size_t at = 0; at < n;) {
		size_t take = n - at < 54 ? n - at : 54;

		if (coding == QP) {
			// Each line's first letter, so that it is no file without decoding.
			if (file[at] != '\r' && file[at] != '\n')
				bytes += (size_t)sprintf(out + bytes, "=%02X", file[at++]);
			while (at < n && file[at] != '\n')
				out[bytes++] = file[at++];
			if (at < n)
				out[bytes++] = file[at++];
			continue;
		}
		bytes += (size_t)EVP_EncodeBlock(
			(unsigned char *)out + bytes, (const unsigned char *)file + at, (int)take);
		if (coding == PADDED_ALL || (coding == PADDED && at == 108))
			bytes = put_padding(out, bytes - (take + 2) / 3 * 4, bytes);
		at += take;
		if (at < n)
			bytes += (size_t)sprintf(out + bytes, "\r\n");
	}
	return bytes;
}

static size_t make_mail(const struct ending *ending, size_t n)
{
	size_t bytes = strlen(ending->before);

	memcpy(mail, ending->before, bytes);
	bytes += put_file(ending->coding, n, mail + bytes);
	memcpy(mail + bytes, ending->behind, strlen(ending->behind));
	return bytes + strlen(ending->behind);
}

static struct scanner *make_scanner(const char *name, const char *rules, void **image)
{
	struct case_image built = case_build_one(name, rules);
	struct ruleset *ruleset;
	struct scan_options options;
	struct scanner *scanner;

	assert_int_equal(built.err, 0);
	*image = aligned_alloc(64, (built.bytes + 63) / 64 * 64);
	assert_non_null(*image);
	memcpy(*image, built.image, built.bytes);
	free(built.image);
	assert_int_equal(ruleset_attach(*image, built.bytes, &ruleset), 0);
	scan_options_init(&options);
	options.max_messages = 1;
	assert_int_equal(scanner_new(&options, ruleset, &scanner), 0);
	return scanner;
}

static bool is_found(struct scanner *scanner, size_t bytes, size_t first, size_t chunk)
{
	const uint8_t *data = (const uint8_t *)mail;
	struct scan *scan;
	bool found;

	assert_int_equal(scan_begin(scanner, SCAN_MESSAGE, &scan), 0);
	scan_feed(scan, data, first);
	for (size_t at = first; at < bytes; at += chunk)
		scan_feed(scan, data + at, bytes - at < chunk ? bytes - at : chunk);
	found = scan_end(scan)->matches_count > 0;
	scan_free(scan);
	return found;
}

static void expect(const struct ending *ending, const char *name, const char *rules, size_t n)
{
	const size_t bytes = make_mail(ending, n);
	void *image;
	struct scanner *scanner = make_scanner(name, rules, &image);
	const size_t splits = n < 1000 ? bytes : 0;
	bool found = is_found(scanner, bytes, 0, bytes) && is_found(scanner, bytes, 0, 1000);

	for (size_t at = 0; at < splits; at++)
		found = found && is_found(scanner, bytes, at, bytes);
	if (splits > 0)
		found = found && is_found(scanner, bytes, 0, 1);
	if (!found)
		fail_msg("%s: %zu bytes not found by %s", ending->name, n, rules);
	scanner_free(scanner);
	free(image);
}

static void a_file_is_found_by_what_some_reader_hands_out(void **state)
{
	static const size_t sizes[] = {100, 5000, FILE_BYTES};

	(void)state;
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]) * 3; i++) {
		const struct ending *ending = &endings[i / 3];
		const size_t n = ending->whole_quanta ? sizes[i % 3] / 3 * 3 : sizes[i % 3];
		uint8_t digest[DIGEST_MAX_BYTES];
		char hex[2 * DIGEST_MAX_BYTES + 1];
		char rules[256];
		struct screen_entry entry;

		make_file(n);
		assert_int_equal(EVP_Digest(file, n, digest, NULL, EVP_sha256(), NULL), 1);
		for (size_t k = 0; k < 32; k++)
			(void)sprintf(hex + 2 * k, "%02x", digest[k]);
		(void)snprintf(rules, sizeof(rules), "%s:%zu:Test\n", hex, n);
		expect(ending, "a.hsb", rules, n);
		(void)snprintf(rules, sizeof(rules), "%s:*:Test:73\n", hex);
		expect(ending, "a.hsb", rules, n);
		for (size_t k = 0; k < 16; k++)
			(void)sprintf(hex + 2 * k, "%02x", (unsigned int)file[k]);
		(void)snprintf(rules, sizeof(rules), "Test:0:0:%s\n", hex);
		expect(ending, "a.ndb", rules, n);
		for (unsigned int sized = 0; sized < 2; sized++) {
			entry = screened_entry(SCREEN_FILE, DIGEST_SHA256, file, n);
			entry.bytes = sized != 0 ? n : 0;
			if (!screened_hits(&entry, SCAN_MESSAGE, mail, make_mail(ending, n)))
				fail_msg("%s: %zu bytes not screened", ending->name, n);
		}
	}
}

// What looks like a header may be one in a log of HTTP: it is the text as it stands.
static void a_text_with_many_headers_is_clean(void **state)
{
	static const char start[] = "Content-Type: text/plain\r\n\r\n";
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>\r\n";
	void *image;
	struct scanner *scanner = make_scanner("a.ndb", "Test:0:*:0102030405060708\n", &image);
	struct scan *scan;

	(void)state;
	assert_int_equal(scan_begin(scanner, SCAN_MESSAGE, &scan), 0);
	scan_feed(scan, (const uint8_t *)start, strlen(start));
	for (size_t i = 0; i < 3000; i++)
		scan_feed(scan, (const uint8_t *)answer, strlen(answer));
	assert_int_equal(scan_end(scan)->verdict, VERDICT_CLEAN);
	scan_free(scan);
	scanner_free(scanner);
	free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_found_by_what_some_reader_hands_out),
		cmocka_unit_test(a_text_with_many_headers_is_clean),
	};

	return cmocka_run_group_tests(tests, screened_setup, screened_teardown);
}
