// SPDX-License-Identifier: BSD-3-Clause
// What only its reader can decrypt makes a message suspect, if nothing else does.
#include "scan/encrypted.h"
#include "scan/scan.h"
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>

#define ENVELOPED "\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0\x80\x30\x80\x02\x01\x00"
#define ARMOR "-----BEGIN PGP MESSAGE-----\r\n\r\nhQEMA\r\n-----END PGP MESSAGE-----\r\n"

struct beginning {
	const char *data;
	size_t bytes;
};

#define BEGINNING(data)                                                                            \
	{                                                                                          \
		data, sizeof(data) - 1                                                             \
	}

static void what_is_encrypted_is_known_by_its_beginning(void **state)
{
	static const struct beginning cases[] = {
		BEGINNING(ENVELOPED),
		// Lengths of other forms; signed and enveloped, by a common key, authenticated.
		BEGINNING("\x30\x83\x01\x00\x00\x06\x81\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0"
			  "\x82\x01\x00"),
		BEGINNING(
			"\x30\x10\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x04\xa0\x03\x30\x01\x00"),
		BEGINNING(
			"\x30\x10\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x06\xa0\x03\x30\x01\x00"),
		BEGINNING("\x30\x12\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17\xa0\x03\x30"
			  "\x01"
			  "\x00"),
		BEGINNING(ARMOR),
		BEGINNING("\r\n -----begin pgp message, part 1/2-----\n"),
		// A key of RSA with 24 bits, then data; the same in the new form of packets; of an
		// elliptic curve; cut off; a password.
		BEGINNING("\x85\x00\x0f\x03idididid\x01\x00\x18\x81\x82\x83\xd2\x20\x01"),
		BEGINNING("\xc1\x0f\x03idididid\x01\x00\x18\x81\x82\x83\xc9\x20\x01"),
		BEGINNING("\x84\x10\x03idididid\x12\x00\x07\x40\x01\x02\x03\xd4\x20\x01"),
		BEGINNING("\x85\x01\x0c\x03idididid\x01\x08\x00\x81\x82\x83"),
		BEGINNING("\x8c\x0d\x04\x09\x03\x02saltsalt\x60\xd2\x20\x01"),
		BEGINNING("\xc3\x0d\x04\x09\x03\x02saltsalt\x60\xd2\x20\x01"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_true(encrypted_begins((const uint8_t *)cases[i].data, cases[i].bytes));
}

static void what_begins_almost_so_is_not(void **state)
{
	static const struct beginning cases[] = {
		BEGINNING(""),
		BEGINNING("\x30"),
		BEGINNING("\x85"),
		BEGINNING("-----BEGIN PGP SIGNED MESSAGE-----\n"),
		BEGINNING("-----BEGIN PGP PUBLIC KEY BLOCK-----\n"),
		BEGINNING("x -----BEGIN PGP MESSAGE-----\n"),
		// Signed data, and data; no content; a key of a wrong length, of no algorithm, of another
		// version, and one that something else follows; a password likewise.
		BEGINNING(
			"\x30\x10\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x03\x30\x01\x00"),
		BEGINNING(
			"\x30\x10\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x03\x30\x01\x00"),
		BEGINNING("\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\x05\x00\x00\x00"),
		BEGINNING("\x85\x00\x0f\x03idididid\x01\x00\x28\x81\x82\x83\xd2\x20\x01"),
		BEGINNING("\x85\x00\x0f\x03idididid\x07\x00\x18\x81\x82\x83\xd2\x20\x01"),
		BEGINNING("\x85\x00\x0f\x02idididid\x01\x00\x18\x81\x82\x83\xd2\x20\x01"),
		BEGINNING("\x85\x00\x0f\x03idididid\x01\x00\x18\x81\x82\x83\x12\x20\x01"),
		BEGINNING("\x85\x00\x0f\x03idididid\x01\x00\x18\x81\x82\x83\xcb\x20\x01"),
		BEGINNING("\x8c\x0d\x07\x09\x03\x02saltsalt\x60\xd2\x20\x01"),
		BEGINNING("\x8c\x0d\x04\x29\x03\x02saltsalt\x60\xd2\x20\x01"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_false(encrypted_begins((const uint8_t *)cases[i].data, cases[i].bytes));
}

// Cut anywhere, nothing behind the end is read.
static void no_more_is_read_than_there_is(void **state)
{
	static const char whole[] = "\x85\x00\x0f\x03idididid\x01\x00\x18\x81\x82\x83\xd2\x20\x01";

	(void)state;
	for (size_t n = 0; n < sizeof(whole); n++) {
		uint8_t *copy = malloc(n > 0 ? n : 1);

		assert_non_null(copy);
		memcpy(copy, whole, n);
		assert_int_equal(encrypted_begins(copy, n), n >= 15);
		free(copy);
	}
}

#define TYPE(type) "From: a@example.org\r\nMIME-Version: 1.0\r\nContent-Type: " type "\r\n"
#define FEW_PARTS "--b\r\n\r\n1\r\n--b\r\n\r\n2\r\n--b\r\n\r\n3\r\n--b\r\n\r\n4\r\n"

struct message_case {
	const char *message;
	const char *reason; // "": it is clean
};

static void a_message_is_suspect_by_that_name_where_nothing_else_is(void **state)
{
	static const struct message_case cases[] = {
		{TYPE("text/plain") "\r\nhello\r\n" ARMOR, "encrypted-mail"},
		{TYPE("text/plain") "\r\nhello\r\n> " ARMOR, ""},
		{TYPE("multipart/encrypted; boundary=b") "\r\n--b\r\n\r\nVersion: "
							 "1\r\n--b\r\n\r\nx\r\n"
							 "--b--\r\n",
			"encrypted-mail"},
		// ENVELOPED, and the packets of a key and its data.
		{TYPE("application/pkcs7-mime") "Content-Transfer-Encoding: base64\r\n\r\n"
						"MIAGCSqGSIb3DQEHA6CAMIACAQA=\r\n",
			"encrypted-mail"},
		{TYPE("application/octet-stream") "Content-Transfer-Encoding: base64\r\n\r\n"
						  "hQAPA2lkaWRpZGlkAQAYgYKD0iAB\r\n",
			"encrypted-mail"},
		{TYPE("multipart/mixed; boundary=b") "\r\n" FEW_PARTS "--b\r\n\r\n" ARMOR,
			"limit-parts"},
		{TYPE("multipart/mixed; boundary=b") "\r\n--b\r\n\r\n" ARMOR FEW_PARTS
						     "--b\r\n\r\n5\r\n",
			"limit-parts"},
	};
	static uint8_t image[1 << 16] __attribute__((aligned(64)));
	struct ruleset_build_stats stats;
	struct scan_options options;
	struct ruleset *ruleset;
	struct scanner *scanner;
	void *made;
	size_t bytes;

	(void)state;
	assert_int_equal(ruleset_build(NULL, 0, NULL, &made, &bytes, &stats), 0);
	assert_true(bytes <= sizeof(image));
	memcpy(image, made, bytes);
	free(made);
	assert_int_equal(ruleset_attach(image, bytes, &ruleset), 0);
	scan_options_init(&options);
	options.max_parts = 4;
	assert_int_equal(scanner_new(&options, ruleset, &scanner), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t step = 1; step < 200; step = step * 2 + 1) {
			const size_t n = strlen(cases[i].message);
			const struct scan_result *result;
			struct scan *scan;

			assert_int_equal(scan_begin(scanner, SCAN_MESSAGE, &scan), 0);
			for (size_t at = 0; at < n; at += step)
				scan_feed(scan, (const uint8_t *)cases[i].message + at,
					step < n - at ? step : n - at);
			result = scan_end(scan);
			assert_string_equal(result->reason, cases[i].reason);
			assert_int_equal(result->verdict,
				cases[i].reason[0] == '\0' ? VERDICT_CLEAN : VERDICT_SUSPECT);
			scan_free(scan);
		}
	}
	scanner_free(scanner);
	ruleset_close(ruleset);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_encrypted_is_known_by_its_beginning),
		cmocka_unit_test(what_begins_almost_so_is_not),
		cmocka_unit_test(no_more_is_read_than_there_is),
		cmocka_unit_test(a_message_is_suspect_by_that_name_where_nothing_else_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
