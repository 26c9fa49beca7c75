// SPDX-License-Identifier: BSD-3-Clause
// An attached message is matched as the file that a mail reader saves: by its digest, by offsets in it, by
// signatures of mails, however it is carried and cut.
#include "tests/scan/ruleset_case.h"
#include "tests/support/random.h"

#include <openssl/evp.h>

#define MOST_BYTES 400000
#define MOST_INNER 100000
#define DEEPEST 11

struct rig {
	void *image;
	struct ruleset *ruleset;
	struct scanner *scanner;
};

static char mail[MOST_BYTES];
static size_t mail_bytes;
static const char *suspect = "";
static const size_t steps[] = {0, 1, 61, 1448, 4096, MOST_BYTES};

static void add_bytes(const void *data, size_t n)
{
	assert_true(mail_bytes + n < MOST_BYTES);
	memcpy(mail + mail_bytes, data, n);
	mail_bytes += n;
}

static void add(const char *text)
{
	add_bytes(text, strlen(text));
}

static void add_encoded(const char *text)
{
	static unsigned char letters[MOST_INNER * 2];
	int n = EVP_EncodeBlock(letters, (const unsigned char *)text, (int)strlen(text));

	for (int at = 0; at < n; at += 76) {
		add_bytes(letters + at, (size_t)(n - at < 76 ? n - at : 76));
		add("\r\n");
	}
}

static void attach(const char *encoding, const char *type, const char *inner)
{
	mail_bytes = 0;
	add("Subject: outer\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n"
	    "Content-Type: text/plain\r\n\r\nhello\r\n--o\r\nContent-Type: ");
	add(type);
	add("\r\nContent-Transfer-Encoding: ");
	add(encoding);
	add("\r\n\r\n");
	if (strcmp(encoding, "base64") == 0)
		add_encoded(inner);
	else
		add(inner);
	add("\r\n--o--\r\n");
}

static void rig_init(struct rig *rig, const char *const *files)
{
	struct case_image built = case_build(true, files);
	struct scan_options options;

	assert_int_equal(built.err, 0);
	rig->image = built.image;
	assert_int_equal(ruleset_attach(built.image, built.bytes, &rig->ruleset), 0);
	scan_options_init(&options);
	options.max_messages = 4;
	options.all_matches = true;
	assert_int_equal(scanner_new(&options, rig->ruleset, &rig->scanner), 0);
}

static void rig_fini(struct rig *rig)
{
	scanner_free(rig->scanner);
	ruleset_close(rig->ruleset);
	free(rig->image);
}

// How often each signature, S0 and on, hits; the same in any pieces.
static void count_hits(struct rig *rig, unsigned int *hits, size_t count)
{
	struct random random = {7};
	unsigned int now[DEEPEST];

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		const struct scan_result *result;
		struct scan *scan;

		assert_int_equal(scan_begin(rig->scanner, SCAN_MESSAGE, &scan), 0);
		for (size_t at = 0, n; at < mail_bytes; at += n) {
			n = steps[i] > 0 ? steps[i] : 1 + random_below(&random, 3000);
			n = n < mail_bytes - at ? n : mail_bytes - at;
			scan_feed(scan, (const uint8_t *)mail + at, n);
		}
		result = scan_end(scan);
		memset(now, 0, sizeof(now));
		for (size_t k = 0; k < result->matches_count; k++) {
			size_t number = strtoul(result->matches[k].signature + 1, NULL, 10);

			assert_true(number < count);
			now[number]++;
		}
		if (i > 0)
			assert_memory_equal(now, hits, count * sizeof(*hits));
		memcpy(hits, now, count * sizeof(*hits));
		if (result->verdict == VERDICT_SUSPECT)
			assert_string_equal(result->reason, suspect);
		else
			assert_true(suspect[0] == '\0' || result->verdict == VERDICT_INFECTED);
		scan_free(scan);
	}
}

static size_t put_hex(char *out, const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += (size_t)sprintf(out + n, "%02x", (unsigned char)*text);
	return n;
}

static const char inner[] = "From: c@client.example\r\nSubject: zebra\r\nMIME-Version: 1.0\r\n"
			    "Content-Type: multipart/mixed; boundary=i\r\n\r\npreamble\r\n--i\r\n"
			    "Content-Type: text/plain\r\n\r\nplatypus\r\n--i--\r\nepilogue\r\n-- "
			    "\r\nnot a boundary\r\n";

// S0: of mails, in its header; S1: of anything, at its start; S2: of mails, with this size; S3: its digest;
// S4: of mails, told from its end.
static void open_rules(struct rig *rig, const char *text)
{
	static char ndb[4096];
	static char ldb[4096];
	static char hsb[256];
	const char *const files[] = {"a.ndb", ndb, "b.ldb", ldb, "c.hsb", hsb, NULL};
	unsigned char digest[32];
	size_t n = 0;

	n += (size_t)sprintf(ndb + n, "S0:4:20,30:");
	n += put_hex(ndb + n, "Subject: zebra");
	n += (size_t)sprintf(ndb + n, "\nS1:0:0:");
	n += put_hex(ndb + n, "From: c@client");
	n += (size_t)sprintf(ndb + n, "\nS4:4:EOF-%u:", 10u);
	n += put_hex(ndb + n, "boundary");
	(void)sprintf(ndb + n, "\n");
	n = (size_t)sprintf(ldb,
		"S2;Engine:51-255,Target:4,FileSize:%zu-%zu,Container:CL_TYPE_MAIL;0;",
		strlen(text), strlen(text));
	n += put_hex(ldb + n, "zebra");
	(void)sprintf(ldb + n, "\n");
	assert_int_equal(EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL), 1);
	for (n = 0; n < sizeof(digest); n++)
		(void)sprintf(hsb + 2 * n, "%02x", digest[n]);
	(void)sprintf(hsb + 2 * n, ":%zu:S3\n", strlen(text));
	rig_init(rig, files);
}

static void an_attached_message_is_matched_as_a_mail(void **state)
{
	static const char *const encodings[] = {"7bit", "8bit", "base64"};
	static const char *const types[] = {"message/rfc822", "message/global", "message/news"};
	unsigned int hits[5];
	struct rig rig;

	(void)state;
	open_rules(&rig, inner);
	for (size_t e = 0; e < 3; e++) {
		for (size_t t = 0; t < 3; t++) {
			attach(encodings[e], types[t], inner);
			count_hits(&rig, hits, 5);
			for (size_t i = 0; i < 5; i++)
				if (hits[i] != 1)
					fail_msg("S%zu, %s in %s", i, types[t], encodings[e]);
		}
	}
	// Another one.
	attach("7bit", "message/rfc822",
		"From: d@client.example\r\nSubject: quagga\r\n\r\nbody\r\n");
	count_hits(&rig, hits, 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(hits[i], 0);
	rig_fini(&rig);
}

// With fields and lines longer than what a step has.
static void long_fields_and_lines_lose_nothing(void **state)
{
	static char text[MOST_INNER];
	unsigned int hits[5];
	struct rig rig;
	size_t n;

	(void)state;
	n = (size_t)sprintf(text, "From: c@client.example\r\nSubject: zebra\r\nX-Long: ");
	for (unsigned int i = 0; i < 2000; i++)
		n += (size_t)sprintf(text + n, "field %u,\r\n ", i);
	n += (size_t)sprintf(text + n, "end\r\n\r\n");
	memset(text + n, 'x', 30000);
	n += 30000;
	(void)sprintf(text + n, "\r\n\r\n\r\nis it a boundary\r\n");
	open_rules(&rig, text);
	attach("7bit", "message/rfc822", text);
	count_hits(&rig, hits, 5);
	assert_int_equal(hits[0], 1);
	assert_int_equal(hits[1], 1);
	assert_int_equal(hits[2], 1);
	assert_int_equal(hits[3], 1);
	rig_fini(&rig);
}

// A line of an allow list.
static void put_digest(char *out, const char *text)
{
	unsigned char digest[32];

	assert_int_equal(EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL), 1);
	for (size_t i = 0; i < sizeof(digest); i++)
		(void)sprintf(out + 2 * i, "%02x", digest[i]);
	(void)sprintf(out + 2 * sizeof(digest), ":%zu:allowed\n", strlen(text));
}

// What an attachment may be allowed does not allow the mail that carries it.
static void an_allowed_message_spares_no_other(void **state)
{
	static const char *const names[] = {"7bit", "base64"};
	static char fp[256];
	static char ndb[256];
	const char *const files[] = {"a.ndb", ndb, "b.sfp", fp, NULL};
	unsigned int hits[1];
	struct rig rig;
	size_t n;

	(void)state;
	n = (size_t)sprintf(ndb, "S0:0:*:");
	n += put_hex(ndb + n, "Subject: outer");
	(void)sprintf(ndb + n, "\n");
	put_digest(fp, inner);
	rig_init(&rig, files);
	for (size_t i = 0; i < 2; i++) {
		attach(names[i], "message/rfc822", inner);
		count_hits(&rig, hits, 1);
		assert_int_equal(hits[0], 1);
	}
	rig_fini(&rig);
}

static const char file[] = "--i\r\nContent-Type: application/octet-stream\r\n"
			   "Content-Transfer-Encoding: base64\r\n\r\ncGxhdHlwdXM=\r\n";

// What is in its parts is not found; beside them it still is.
static void an_allowed_message_spares_its_parts(void **state)
{
	static const char *const encodings[] = {"7bit", "8bit", "base64"};
	static char text[1024];
	static char fp[256];
	static char ndb[256];
	const char *const files[] = {"a.ndb", ndb, "b.sfp", fp, NULL};
	unsigned int hits[1];
	struct rig rig;
	size_t n;

	(void)state;
	(void)sprintf(text,
		"From: c@client.example\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n"
		"%s%s--i--\r\n",
		file, file);
	n = (size_t)sprintf(ndb, "S0:0:*:");
	n += put_hex(ndb + n, "platypus");
	(void)sprintf(ndb + n, "\n");
	put_digest(fp, text);
	rig_init(&rig, files);
	for (size_t i = 0; i < 3; i++) {
		attach(encodings[i], "message/rfc822", text);
		count_hits(&rig, hits, 1);
		assert_int_equal(hits[0], 0);
		// Another byte.
		text[6] = 'x';
		attach(encodings[i], "message/rfc822", text);
		count_hits(&rig, hits, 1);
		assert_int_equal(hits[0], 2);
		text[6] = 'c';
		// The same file once more, behind the message.
		attach(encodings[i], "message/rfc822", text);
		mail_bytes -= strlen("--o--\r\n");
		add("--o");
		add(file + strlen("--i"));
		add("--o--\r\n");
		count_hits(&rig, hits, 1);
		assert_int_equal(hits[0], 1);
	}
	rig_fini(&rig);
}

// Nor is what a message further inside holds: its header is no part.
static void an_allowed_message_spares_those_in_it(void **state)
{
	static char carrier[4096];
	static char fp[256];
	static char ndb[256];
	const char *const files[] = {"a.ndb", ndb, "b.sfp", fp, NULL};
	unsigned int hits[2];
	struct rig rig;
	size_t n;

	(void)state;
	attach("base64", "message/rfc822", inner);
	memcpy(carrier, mail, mail_bytes);
	carrier[mail_bytes] = '\0';
	n = (size_t)sprintf(ndb, "S0:4:*:");
	n += put_hex(ndb + n, "zebra");
	n += (size_t)sprintf(ndb + n, "\nS1:4:*:");
	n += put_hex(ndb + n, "Subject: outer");
	(void)sprintf(ndb + n, "\n");
	put_digest(fp, carrier);
	rig_init(&rig, files);
	count_hits(&rig, hits, 2);
	assert_int_equal(hits[0], 0);
	assert_int_equal(hits[1], 0);
	attach("base64", "message/rfc822", carrier);
	count_hits(&rig, hits, 2);
	assert_int_equal(hits[0], 0);
	assert_int_equal(hits[1], 1);
	carrier[0] = 's';
	attach("base64", "message/rfc822", carrier);
	count_hits(&rig, hits, 2);
	assert_int_equal(hits[0], 1);
	rig_fini(&rig);
}

// Eight are matched, one in the other; in those below the parts are, as ever, and the whole is suspect.
static void messages_in_messages_are_matched(void **state)
{
	static const char rules[] = "S0:4:0:546f3a206c6576656c"; // "To: level"
	static char ndb[1024];
	const char *const files[] = {"a.ndb", ndb, NULL};
	unsigned int hits[DEEPEST];
	struct rig rig;
	size_t n = 0;

	(void)state;
	for (unsigned int i = 0; i < DEEPEST; i++)
		n += (size_t)sprintf(ndb + n, "S%u:4:0:546f3a206c6576656c%02x\n", i, '0' + i);
	assert_memory_equal(ndb, rules, strlen(rules));
	rig_init(&rig, files);
	mail_bytes = 0;
	for (unsigned int i = 0; i < DEEPEST; i++) {
		char text[64];

		(void)sprintf(
			text, "To: level%c\r\nContent-Type: message/rfc822\r\n\r\n", '0' + (int)i);
		add(text);
	}
	add("Subject: last\r\n\r\nbody\r\n");
	count_hits(&rig, hits, DEEPEST);
	for (unsigned int i = 0; i < DEEPEST; i++)
		assert_int_equal(hits[i], i < 9 ? 1 : 0);
	for (size_t i = 0; i < mail_bytes; i++)
		if (mail[i] >= 'A' && mail[i] <= 'Z')
			mail[i] = (char)(mail[i] - 'A' + 'a');
	suspect = "limit-matching";
	count_hits(&rig, hits, DEEPEST);
	suspect = "";
	rig_fini(&rig);
}

// A mail that is no message/rfc822: a file.
static void a_mail_that_is_a_file_is_matched_as_a_mail(void **state)
{
	static const char *const types[] = {"application/octet-stream", "text/plain", "image/gif"};
	unsigned int hits[5];
	struct rig rig;

	(void)state;
	open_rules(&rig, inner);
	for (size_t t = 0; t < 3; t++) {
		attach("base64", types[t], inner);
		count_hits(&rig, hits, 5);
		for (size_t i = 0; i < 4; i++)
			assert_int_equal(hits[i], 1);
	}
	rig_fini(&rig);
}

// Which reader shows what stands before it does not matter: its parts are looked into, however it is carried.
static void a_mail_behind_other_lines_is_read(void **state)
{
	static const char *const befores[] = {"\r\n\r\n", "\xef\xbb\xbf", "Dear all,\r\n\r\n",
		"Thread-Topic: x\r\n", "<html>\r\n", "\1\r\n"};
	static const char *const encodings[] = {"7bit", "base64"};
	static const char parts[] = "From: c@client.example\r\nMIME-Version: 1.0\r\n"
				    "Content-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n"
				    "Content-Type: image/gif\r\n"
				    "Content-Transfer-Encoding: base64\r\n\r\n"
				    "AAFwbGF0eXB1cwIDBAUG\r\n--i--\r\n";
	const char *const files[] = {"a.ndb", "S0:0:*:0001706c6174797075730203\n", NULL};
	char whole[600];
	struct rig rig;

	(void)state;
	rig_init(&rig, files);
	for (size_t i = 0; i < 2 * sizeof(befores) / sizeof(befores[0]); i++) {
		unsigned int hits[1];

		(void)sprintf(whole, "%s%s", befores[i / 2], parts);
		attach(encodings[i % 2], "application/octet-stream", whole);
		count_hits(&rig, hits, 1);
		assert_true(hits[0] > 0);
	}
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_attached_message_is_matched_as_a_mail),
		cmocka_unit_test(long_fields_and_lines_lose_nothing),
		cmocka_unit_test(an_allowed_message_spares_no_other),
		cmocka_unit_test(an_allowed_message_spares_its_parts),
		cmocka_unit_test(an_allowed_message_spares_those_in_it),
		cmocka_unit_test(messages_in_messages_are_matched),
		cmocka_unit_test(a_mail_that_is_a_file_is_matched_as_a_mail),
		cmocka_unit_test(a_mail_behind_other_lines_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
