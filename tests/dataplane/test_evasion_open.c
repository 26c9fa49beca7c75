// SPDX-License-Identifier: BSD-3-Clause
// What engines that read mail from packets are known to get wrong: generated captures, each cut into segments
// of many sizes, whose parts and digests are the same for every size, and are those of what was attached.
#include "tests/support/replayed.h"

#include <openssl/evp.h>

#include <stdlib.h>
#include <string.h>

#define HEAD "From: a@example.org\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
#define LONG_LINE "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz"

// What is attached: a line that begins with a dot, one of a dot alone, no line end at the end.
#define FILE_TEXT "first\r\n.second\r\n.\r\n..fourth\r\n" LONG_LINE

#define FILE_BASE64                                                                                \
	"Zmlyc3QNCi5zZWNvbmQNCi4NCi4uZm91cnRoDQowMTIzNDU2Nzg5YWJjZGVmZ2hpamtsbW5vcHFy\r\n"         \
	"c3R1dnd4eXowMTIzNDU2Nzg5YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo=\r\n"
#define FILE_QUOTED                                                                                \
	"first\r\n=2Esecond\r\n=2e\r\n..fou=\r\nrth\r\n0123456789abcdefghijklmnopqrst="            \
	"\r\nuvwxyz01"                                                                             \
	"23456789ab=63defghijklmnopqrstuvwxyz=\r\n"
#define FILE_UU                                                                                    \
	"begin 644 a.bin\r\nM9FER<W0-\"BYS96-O;F0-\"BX-\"BXN9F]U<G1H#0HP,3(S-#4V-S@Y86)C9&5F\r\n"  \
	"M9VAI:FML;6YO<'%R<W1U=G=X>7HP,3(S-#4V-S@Y86)C9&5F9VAI:FML;6YO\r\n"                        \
	"+<'%R<W1U=G=X>7H`\r\nend\r\n"

struct mail_case {
	const char *name;
	const char *text;
};

#define PLAIN_PART "\r\nContent-Type: text/plain\r\n\r\nwords\r\n"

static const struct mail_case cases[] = {
	{"a space before the boundary", HEAD
		"Content-Type: multipart/mixed; boundary= b\r\n\r\n--b" PLAIN_PART
		"--b\r\nContent-Transfer-Encoding: base64\r\n\r\n" FILE_BASE64 "\r\n--b--\r\n"},
	{"an upper-case parameter", HEAD
		"Content-Type: multipart/mixed; BOUNDARY=\"b\"\r\n\r\n--b" PLAIN_PART
		"--b\r\nContent-Transfer-Encoding: BASE64\r\n\r\n" FILE_BASE64 "\r\n--b--\r\n"},
	{"an attachment without a name",
		HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b" PLAIN_PART
		     "--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: "
		     "attachment\r\n"
		     "Content-Transfer-Encoding: base64\r\n\r\n" FILE_BASE64 "\r\n--b--\r\n"},
	{"lines with dots in an attachment",
		HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b" PLAIN_PART
		     "--b\r\nContent-Type: text/plain; name=a\r\n\r\n" FILE_TEXT "\r\n--b--\r\n"},
	{"quoted-printable across segments",
		HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b" PLAIN_PART
		     "--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" FILE_QUOTED
		     "\r\n--b--\r\n"},
	{"a comment behind the encoding",
		HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b" PLAIN_PART
		     "--b\r\nContent-Transfer-Encoding: base64 (comment)\r\n\r\n" FILE_BASE64
		     "\r\n--b--\r\n"},
	{"uuencode in a text", HEAD "\r\nwords\r\n\r\n" FILE_UU "\r\n"},
};

static void hash_file(char out[65])
{
	uint8_t digest[32];

	assert_int_equal(
		EVP_Digest(FILE_TEXT, sizeof(FILE_TEXT) - 1, digest, NULL, EVP_sha256(), NULL), 1);
	for (size_t i = 0; i < sizeof(digest); i++)
		(void)snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

// Everything that the record says of the parts, as text.
static char *parts_of(const struct replayed *replayed, const char *wanted, bool *has)
{
	json_t *events = replayed_events(replayed, "mail");
	const json_t *parts = json_object_get(json_array_get(events, 0), "parts");
	char *text = json_dumps(parts, JSON_SORT_KEYS);

	assert_int_equal(json_array_size(events), 1);
	*has = text != NULL && strstr(text, wanted) != NULL;
	json_decref(events);
	return text;
}

// The dialogue has replies that no list of codes knows, and one in several lines.
static void make_talk(struct frames_talk *talk, const char *text, uint16_t mss, bool in_chunks)
{
	char line[64];
	const size_t n = strlen(text);

	frames_talk_init(talk, mss % 2 == 0 ? 6 : 4, 41000);
	talk->mss = mss;
	frames_talk_open(talk);
	frames_talk_text(talk, TCP_SERVER, "220 mail.example.com ESMTP\r\n");
	frames_talk_text(talk, TCP_CLIENT, "EHLO mx.example.org\r\n");
	frames_talk_text(talk, TCP_SERVER, "250-mail.example.com\r\n250 CHUNKING\r\n");
	frames_talk_text(talk, TCP_CLIENT, "NOOP\r\n");
	frames_talk_text(talk, TCP_SERVER, "299 354 go ahead\r\n");
	frames_talk_text(talk, TCP_CLIENT, "VRFY a\r\n");
	frames_talk_text(talk, TCP_SERVER, "571-354\r\n571 no\r\n");
	frames_talk_text(talk, TCP_CLIENT, "MAIL FROM:<a@example.org>\r\n");
	frames_talk_text(talk, TCP_SERVER, "259 ok\r\n");
	frames_talk_text(talk, TCP_CLIENT, "RCPT TO:<b@example.com>\r\n");
	frames_talk_text(talk, TCP_SERVER, "252 ok\r\n");
	if (!in_chunks) {
		frames_talk_text(talk, TCP_CLIENT, "DATA\r\n");
		frames_talk_text(talk, TCP_SERVER, "354-go\r\n354 ahead\r\n");
		for (const char *at = text; *at != '\0';) {
			size_t bytes = strcspn(at, "\n") + 1;

			if (*at == '.')
				frames_talk_text(talk, TCP_CLIENT, ".");
			frames_talk_send(talk, TCP_CLIENT, at, bytes);
			at += bytes;
		}
		frames_talk_text(talk, TCP_CLIENT, ".\r\n");
		frames_talk_text(talk, TCP_SERVER, "250 taken\r\n");
		frames_talk_close(talk, TCP_CLIENT);
		return;
	}
	for (size_t at = 0; at < n; at += 37) {
		size_t bytes = n - at < 37 ? n - at : 37;

		(void)snprintf(line, sizeof(line), "BDAT %zu%s\r\n", bytes,
			at + bytes == n ? " LAST" : "");
		frames_talk_text(talk, TCP_CLIENT, line);
		frames_talk_send(talk, TCP_CLIENT, text + at, bytes);
		frames_talk_text(talk, TCP_SERVER, "250 ok\r\n");
	}
	frames_talk_close(talk, TCP_CLIENT);
}

static void run_case(struct replayed *replayed, const struct mail_case *mail, bool in_chunks)
{
	static const uint16_t sizes[] = {1448, 1, 2, 3, 5, 16, 61};
	char *first = NULL;
	char digest[65];

	hash_file(digest);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct frames_talk talk;
		char verdict[256];
		char *parts;
		bool has;

		make_talk(&talk, mail->text, sizes[i], in_chunks);
		replayed_run_talk(replayed, &talk, NULL);
		frames_talk_free(&talk);
		assert_string_equal(replayed_mail(replayed, "verdict", verdict), "clean");
		parts = parts_of(replayed, digest, &has);
		if (!has)
			fail_msg("%s, segments of %u: %s", mail->name, sizes[i], parts);
		if (first != NULL && strcmp(first, parts) != 0)
			fail_msg("%s, segments of %u: %s, not %s", mail->name, sizes[i], parts,
				first);
		if (first == NULL)
			first = parts;
		else
			free(parts);
	}
	free(first);
}

static void digests_are_the_same_for_every_segmentation(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		run_case(*state, &cases[i], false);
}

static void digests_are_the_same_in_many_chunks(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		run_case(*state, &cases[i], true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(digests_are_the_same_for_every_segmentation,
			replayed_setup, replayed_teardown),
		cmocka_unit_test_setup_teardown(
			digests_are_the_same_in_many_chunks, replayed_setup, replayed_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
