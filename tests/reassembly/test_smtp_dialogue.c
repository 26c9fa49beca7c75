// SPDX-License-Identifier: BSD-3-Clause
// Dialogues: each is played whole, byte by byte, and cut at every position; the same must come out.
#include "tests/reassembly/test_smtp_script.h"
#include "tests/support/unit.h"

#define STEPS 24

struct dialogue {
	const char *name;
	struct smtp_options options;
	struct script_step steps[STEPS];
	const char *events;
	const char *client; // what the server gets, NULL: what was sent
	const char *server;
};

static struct script whole;
static struct script pieces;
static _Alignas(64) uint8_t pool_memory[1u << 16];
static struct smtp_pool *pool;

// `cut`: the step and the position in it where the input is cut, or byte by byte when piece is 1.
struct cut {
	size_t step;
	size_t at;
	size_t piece;
	bool in_place;
};

static void play(struct script *script, const struct dialogue *dialogue, struct cut cut)
{
	script_begin(script, &dialogue->options);
	for (size_t i = 0; i < STEPS && dialogue->steps[i].text != NULL; i++) {
		const struct script_step *step = &dialogue->steps[i];

		for (size_t at = 0; at < step->bytes;) {
			size_t n = step->bytes - at;

			if (cut.piece > 0 && n > cut.piece)
				n = cut.piece;
			if (cut.step == i && at < cut.at)
				n = cut.at;
			script_give(script, pool, step->side, step->text + at, n, cut.in_place);
			at += n;
		}
	}
	if (script->broken != NULL)
		print_error("%s: %s\n", dialogue->name, script->broken);
	assert_null(script->broken);
	smtp_fini(&script->smtp, pool);
}

static void assert_bytes(const struct dialogue *dialogue, const void *got, size_t n,
	const char *want, size_t want_bytes)
{
	if (n != want_bytes || memcmp(got, want, n) != 0)
		print_error("%s: got\n%.*s\nbut wanted\n%.*s\n", dialogue->name, (int)n,
			(const char *)got, (int)want_bytes, want);
	assert_int_equal(n, want_bytes);
	assert_memory_equal(got, want, n);
}

static void compare(const struct dialogue *dialogue)
{
	assert_bytes(dialogue, pieces.log, pieces.log_bytes, whole.log, whole.log_bytes);
	assert_bytes(
		dialogue, pieces.offsets, pieces.offsets_bytes, whole.offsets, whole.offsets_bytes);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pieces.side[i].read, whole.side[i].read);
		assert_memory_equal(
			pieces.side[i].masked, whole.side[i].masked, whole.side[i].given);
	}
}

static void check(const struct dialogue *dialogue)
{
	play(&whole, dialogue, (struct cut){.step = STEPS});
	assert_bytes(
		dialogue, whole.log, whole.log_bytes, dialogue->events, strlen(dialogue->events));
	if (dialogue->client != NULL)
		assert_bytes(dialogue, whole.side[TCP_CLIENT].output, whole.side[TCP_CLIENT].given,
			dialogue->client, strlen(dialogue->client));
	if (dialogue->server != NULL)
		assert_bytes(dialogue, whole.side[TCP_SERVER].output, whole.side[TCP_SERVER].given,
			dialogue->server, strlen(dialogue->server));
	for (size_t piece = 1; piece < 5; piece++) {
		play(&pieces, dialogue, (struct cut){.step = STEPS, .piece = piece});
		compare(dialogue);
		play(&pieces, dialogue,
			(struct cut){.step = STEPS, .piece = piece, .in_place = true});
		assert_int_equal(pieces.side[TCP_CLIENT].read, whole.side[TCP_CLIENT].read);
	}
	for (size_t i = 0; i < STEPS && dialogue->steps[i].text != NULL; i++) {
		for (size_t at = 1; at < dialogue->steps[i].bytes; at++) {
			play(&pieces, dialogue, (struct cut){.step = i, .at = at});
			compare(dialogue);
		}
	}
}

#define GREET S("220 mx.example.com ESMTP\r\n")
#define GREETED "reply connect 220\n"
#define EHLO C("EHLO a.example.org\r\n")
#define EHLOED "command EHLO a.example.org\nreply EHLO 250"
#define CHUNKS GREET, EHLO, S("250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n")

// clang-format off: a line of the table is a line of the dialogue
static const struct dialogue dialogues[] = {
	{"a plain session", {0},
		{GREET, EHLO, S("250-mx.example.com\r\n250-SIZE 1000\r\n250 8BITMIME\r\n"),
			C("MAIL FROM:<a@example.org> SIZE=10\r\n"), S("250 2.1.0 Ok\r\n"),
			C("RCPT TO:<b@example.com>\r\n"), S("250 2.1.5 Ok\r\n"), C("DATA\r\n"),
			S("354 End data with <CR><LF>.<CR><LF>\r\n"),
			C("Subject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n"),
			S("250 2.0.0 Ok: queued\r\n"), S("221 2.0.0 Bye\r\n")},
		GREETED EHLOED "\ncommand MAIL <a@example.org> SIZE=10\nreply MAIL 250\n"
			       "command RCPT <b@example.com> \nreply RCPT 250\ncommand DATA\nreply "
			       "DATA 354\nbegin\n"
			       "data Subject: x\r\n\r\n.dot\r\n\nend\n"
			       "command QUIT\nreply end-of-data 250\nreply QUIT 221",
		NULL, NULL},
	{"an empty message", {0}, {GREET, C("DATA\r\n"), S("354\r\n"), C(".\r\n"), S("250 ok\r\n")},
		GREETED "command DATA\nreply DATA 354\nbegin\nend\nreply end-of-data 250", NULL,
		NULL},
	{"DATA that is refused is followed by commands", {0},
		{GREET, C("DATA\r\nRSET\r\n.\r\nQUIT\r\n"), S("554 no\r\n"),
			S("250 ok\r\n500 what\r\n221 bye\r\n")},
		GREETED
		"command DATA\nreply DATA 554\ncommand RSET\ncommand unknown .\ncommand QUIT\n"
		"reply RSET 250\nreply unknown 500\nreply QUIT 221",
		NULL, NULL},
	{"an early talker", {0},
		{C("HELO x\r\n\r\nMAIL FROM:<>\r\n"), GREET, S("250 mx\r\n"),
			S("500 \r\n250 ok\r\n")},
		"command HELO x\n" GREETED "reply HELO 250\ncommand unknown\ncommand MAIL <> \n"
		"reply unknown 500\nreply MAIL 250",
		NULL, NULL},
	{"354 inside another reply is not one", {0},
		{GREET, C("NOOP\r\nDATA\r\n"), S("250-354 go\r\n250 354 go\r\n"), S("354-go\r\n"),
			C("x"), S("354 on\r\n"), C("y\r\n.\r\n")},
		GREETED "command NOOP\ncommand DATA\nreply NOOP 250\nreply DATA 354\nbegin\n"
			"data xy\r\n\nend",
		NULL, NULL},
	{"354 to something else", {0}, {GREET, C("NOOP\r\n"), S("354 go\r\n"), C("x\r\n")},
		GREETED "command NOOP\nviolation false-354", NULL, NULL},
	{"the last line's code counts", {0},
		{GREET, C("DATA\r\n"), S("354-go\r\n550 no\r\n"), C("QUIT\r\n")},
		GREETED "command DATA\nreply DATA 550\ncommand QUIT", NULL, NULL},
	{"a reply that answers nothing", {0}, {GREET, S("250-ok\r\n250 ok\r\n"), C("NOOP\r\n")},
		GREETED "violation unsolicited-reply", NULL, NULL},
	{"421 may come at any time", {0},
		{GREET, S("421-mx\r\n421 closing\r\n"), C("NOOP\r\n"), S("421 closing\r\n")},
		GREETED "reply  421\ncommand NOOP\nreply NOOP 421", NULL, NULL},
	{"a time-out is announced", {0}, {GREET, S("451-idle\r\n451 idle\r\n"), C("NOOP\r\n")},
		GREETED "reply  451\ncommand NOOP", NULL, NULL},
	{"all at once", {0},
		{C("HELO a\r\nMAIL FROM:<b>\r\nRCPT TO:<c>\r\nDATA\r\nd\r\n"),
			S("220 mx\r\n250 a\r\n250 b\r\n250 c\r\n354 d\r\n"), C(".\r\n")},
		"command HELO a\nreply connect 220\nreply HELO 250\ncommand MAIL <b> \n"
		"command RCPT <c> \ncommand DATA\nreply MAIL 250\nreply RCPT 250\nreply DATA 354\n"
		"begin\ndata d\r\n\nend",
		NULL, NULL},
	{"421 in the middle of a body", {0},
		{GREET, C("DATA\r\n"), S("354 go\r\n"), C("a\r\n"), S("421 slow\r\n"), C(".\r\n")},
		GREETED "command DATA\nreply DATA 354\nbegin\ndata a\r\n\nreply  421\nend", NULL,
		NULL},
	{"a server line that is no reply", {0}, {GREET, C("NOOP\r\n"), S("2500 ok\r\n")},
		GREETED "command NOOP\nviolation bad-reply", NULL, NULL},
	{"a short server line is no reply", {0},
		{GREET, C("EHLO x\r\n"), S("25\n250-STARTTLS\r\n")},
		GREETED "command EHLO x\nviolation bad-reply", NULL, NULL},
	{"bare LF ends lines", {0}, {S("220\n"), C("NOOP\nQUIT\n"), S("250\n221\n")},
		GREETED "command NOOP\ncommand QUIT\nreply NOOP 250\nreply QUIT 221", NULL, NULL},
	{"AUTH PLAIN at once", {0},
		{GREET, C("AUTH PLAIN AGEAYg==\r\n"), S("235 ok\r\n"), C("RSET\r\n")},
		GREETED "command AUTH PLAIN AGEAYg==\nreply AUTH 235\ncommand RSET", NULL, NULL},
	{"AUTH LOGIN lines are opaque", {0},
		{GREET, C("auth login\r\n"), S("334 VXNlcm5hbWU6\r\n"), C("DATA\r\nBDAT 5\r\n"),
			S("334 UGFzc3dvcmQ6\r\n"), S("535 no\r\n"), C("DATA\r\n"), S("503 no\r\n")},
		GREETED
		"command AUTH login\nreply AUTH 334\ncommand auth-data DATA\n"
		"reply auth-data 334\ncommand auth-data BDAT 5\nreply auth-data 535\ncommand DATA\n"
		"reply DATA 503",
		NULL, NULL},
	{"AUTH CRAM-MD5 is cancelled", {0},
		{GREET, C("AUTH CRAM-MD5\r\n"), S("334 PDE+\r\n"), C("*\r\n"),
			S("501 cancelled\r\n"), C("NOOP\r\n")},
		GREETED "command AUTH CRAM-MD5\nreply AUTH 334\ncommand auth-data *\n"
			"reply auth-data 501\ncommand NOOP",
		NULL, NULL},
	{"STARTTLS is masked", {0},
		{GREET, EHLO,
			S("250-mx\r\n250-STARTTL\r\n250-starttls\r\n250-SIZE STARTTLS\r\n"
			  "250-XCLIENT NAME\r\n250 X-EXPS GSSAPI\r\n"),
			C("STARTTLS\r\n"), S("502 no\r\n")},
		GREETED EHLOED "\ncommand unknown\nreply unknown 502",
		"EHLO a.example.org\r\nXXXXXXXX\r\n",
		"220 mx.example.com ESMTP\r\n250-mx\r\n250-STARTTL\r\n250-XXXXXXXX\r\n"
		"250-SIZE STARTTLS\r\n250-XXXXXXX NAME\r\n250 XXXXXX GSSAPI\r\n502 no\r\n"},
	{"PRDR is masked, whatever else passes", {.pass_unknown_verbs = true},
		{GREET, EHLO,
			S("250-mx\r\n250-XCLIENT NAME\r\n250-PRDR\r\n250-PRD\r\n250 XPRDR\r\n")},
		GREETED EHLOED, NULL,
		"220 mx.example.com ESMTP\r\n250-mx\r\n250-XCLIENT NAME\r\n250-XXXX\r\n"
		"250-PRD\r\n250 XPRDR\r\n"},
	{"STARTTLS is refused", {.starttls = SMTP_STARTTLS_REFUSE},
		{GREET, EHLO, S("250-mx\r\n250 STARTTLS\r\n"), C(" StartTLS x\r\n"),
			S("502 no\r\n")},
		GREETED EHLOED "\ncommand unknown x\nreply unknown 502",
		"EHLO a.example.org\r\n XXXXXXXX x\r\n",
		"220 mx.example.com ESMTP\r\n250-mx\r\n250 STARTTLS\r\n502 no\r\n"},
	{"STARTTLS passes", {.starttls = SMTP_STARTTLS_PASS},
		{GREET, EHLO, S("250-mx\r\n250 STARTTLS\r\n"), C("STARTTLS\r\n"), S("220 go\r\n"),
			C("\x16\x03\x01\x02\x00\x01\x00 DATA\r\n"), S("\x16\x03\x03 anything\n")},
		GREETED EHLOED "\ncommand STARTTLS\nreply STARTTLS 220\ntls", NULL, NULL},
	{"STARTTLS passes but the server will not", {.starttls = SMTP_STARTTLS_PASS},
		{GREET, C("STARTTLS\r\nNOOP\r\n"), S("454 no\r\n"), C("STARTTLS\r\n"),
			S("220 go\r\n")},
		GREETED "command STARTTLS\nreply STARTTLS 454\ncommand NOOP\n"
			"command STARTTLS\nreply NOOP 220",
		NULL, NULL},
	{"plain text behind STARTTLS", {.starttls = SMTP_STARTTLS_PASS},
		{GREET, C("STARTTLS\r\nRSET\r\n"), S("220 go\r\n")},
		GREETED "command STARTTLS\nreply STARTTLS 220\nviolation injected-before-tls", NULL,
		NULL},
	{"no TLS behind STARTTLS", {.starttls = SMTP_STARTTLS_PASS},
		{GREET, C("STARTTLS\r\n"), S("220 go\r\n"), C("\x16\x03\x01zz\x02xx")},
		GREETED "command STARTTLS\nreply STARTTLS 220\ntls\nviolation not-tls", NULL, NULL},
	{"verbs that carry data are masked", {0},
		{GREET, C("XEXCH50 2 2\r\nxclient a\r\nX-LINK2STATE\r\nBDAT "
			  "5\r\nXXXX\r\nFOO-BAR\r\n"
			  "XFORWARD A\r\nS\r\nDATAX\r\n")},
		GREETED
		"command unknown 2 2\ncommand unknown a\ncommand unknown\ncommand unknown 5\n"
		"command unknown\ncommand unknown\ncommand XFORWARD A\ncommand unknown\ncommand "
		"unknown",
		"XXXXXXX 2 2\r\nXXXXXXX a\r\nXXXXXXXXXXXX\r\nXXXX 5\r\nXXXX\r\nXXXXXXX\r\nXFORWARD "
		"A\r\n"
		"X\r\nXXXXX\r\n",
		NULL},
	{"unknown verbs pass on request", {.pass_unknown_verbs = true},
		{GREET, C("FOO a\r\nXCLIENT b\r\n"), EHLO,
			S("500 x\r\n500 x\r\n250-mx\r\n250 XCLIENT\r\n")},
		GREETED
		"command unknown a\ncommand unknown b\n"
		"command EHLO a.example.org\nreply unknown 500\nreply unknown 500\nreply EHLO 250",
		"FOO a\r\nXXXXXXX b\r\nEHLO a.example.org\r\n", NULL},
	{"a message in chunks", {0},
		{CHUNKS,
			C("MAIL FROM:<>\r\nRCPT TO:<b>\r\nBDAT 8\r\n\r\n.\r\n\r\n.BDAT 3 "
			  "last\r\n.\r\nNOOP\r\n"),
			S("250 1\r\n250 2\r\n250 3\r\n250 4\r\n250 5\r\n")},
		GREETED EHLOED
		"\ncommand MAIL <> \ncommand RCPT <b> \ncommand BDAT 8\nbegin bdat\n"
		"data \r\n.\r\n\r\n.\ncommand BDAT 3 last\ndata .\r\n\nend bdat\ncommand NOOP\n"
		"reply MAIL 250\nreply RCPT 250\nreply BDAT 250\nreply BDAT 250 last\nreply NOOP "
		"250",
		NULL, NULL},
	{"blanks of BDAT that servers may read differently", {0},
		{CHUNKS, C("BDAT\t1\r\nxBDAT \t 2\t \r\nyyBDAT   0\t1\r\nBDAT 0\t \tLAST \t\r\n")},
		GREETED EHLOED "\ncommand BDAT 1\nbegin bdat\ndata x\ncommand BDAT 002  \ndata yy\n"
			       "violation bad-bdat",
		"EHLO a.example.org\r\nBDAT 1\r\nxBDAT 002  \r\nyyBDAT 000 1\r\n"
		"BDAT 0\t \tLAST \t\r\n",
		NULL},
	{"blanks around LAST", {0}, {CHUNKS, C("BDAT   00\t \tLAST \t\r\n")},
		GREETED EHLOED "\ncommand BDAT 0000   LAST  \nbegin bdat\nend bdat",
		"EHLO a.example.org\r\nBDAT 0000   LAST  \r\n", NULL},
	{"BDAT with a bare LF, at a server that has shown that it takes one", {0},
		{S("220 hi\r\n"), C("EHLO x\n"), S("250-x\r\n250 CHUNKING\r\n"),
			C("BDAT 2\nabBDAT 1 LAST \n\nNOOP\nBDAT  1\tLAST\r\nz")},
		GREETED "command EHLO x\nreply EHLO 250\ncommand BDAT 2\nbegin bdat\ndata ab\n"
			"command BDAT 1 LAST \ndata \n\nend bdat\ncommand NOOP\n"
			"command BDAT 01 LAST\nbegin bdat\ndata z\nend bdat",
		"EHLO x\nBDAT 2\nabBDAT 1 LAST \n\nNOOP\nBDAT 01 LAST\r\nz", NULL},
	{"the same where RSET has shown it", {0},
		{CHUNKS, C("BDAT 1\r\nx"), S("250 1\r\n"), C("RSET\n"), S("250 2\r\n"),
			C("BDAT 1\nx")},
		GREETED EHLOED "\ncommand BDAT 1\nbegin bdat\ndata x\nreply BDAT 250\n"
			       "command RSET\nreply RSET 250\nabort bdat\n"
			       "command BDAT 1\nbegin bdat\ndata x",
		NULL, NULL},
	{"at one that has refused such a line, or put it off", {0},
		{CHUNKS, C("HELO y\n"), S("521 5.5.2 bare\r\n"), C("DATA\n"), S("451 timeout\r\n"),
			C("BDAT 1\nx")},
		GREETED EHLOED "\ncommand HELO y\nreply HELO 521\ncommand DATA\nreply DATA 451\n"
			       "violation bad-bdat",
		NULL, NULL},
	{"at one that was not waited for", {0},
		{CHUNKS, C("NOOP\n"), S("250 1\r\n"), C("BDAT 1\nx")},
		GREETED EHLOED "\ncommand NOOP\nreply NOOP 250\nviolation bad-bdat", NULL, NULL},
	{"replies that let go on by their first digit", {0},
		{S("220 hi\r\n"), C("AUTH PLAIN\r\n"), S("335 go\r\n"), C("DATA\r\n"),
			S("235 ok\r\n"), C("MAIL FROM:<>\r\nDATA\r\n"),
			S("250 1\r\n350-a\r\n350 b\r\n"), C("RSET\r\n.\r\n"), S("250 ok\r\n")},
		GREETED
		"command AUTH PLAIN\nreply AUTH 335\ncommand auth-data DATA\nreply auth-data 235\n"
		"command MAIL <> \ncommand DATA\nreply MAIL 250\nreply DATA 350\nbegin\n"
		"data RSET\r\n\nend\nreply end-of-data 250",
		NULL, NULL},
	{"one of them in a message in chunks", {0},
		{CHUNKS, C("BDAT 1\r\nxDATA\r\n"), S("250 1\r\n355 go\r\n")},
		GREETED EHLOED
		"\ncommand BDAT 1\nbegin bdat\ndata x\ncommand DATA\nreply BDAT 250\n"
		"violation data-after-bdat",
		NULL, NULL},
	{"a message that is refused while it is on its way", {0},
		{CHUNKS, C("MAIL FROM:<>\r\nDATA\r\n"), S("250 1\r\n354 go\r\n"), C("a\r\n"),
			S("552-too\r\n552 large\r\n250 no\r\n"), C("b\r\n.\r\n")},
		GREETED EHLOED "\ncommand MAIL <> \ncommand DATA\nreply MAIL 250\nreply DATA 354\n"
			       "begin\ndata a\r\n\nviolation early-refusal\n"
			       "violation unsolicited-reply",
		NULL, NULL},
	{"a chunk of one", {0},
		{CHUNKS, C("BDAT 1\r\nxBDAT 9\r\ny"), S("250 1\r\n250 2\r\n554 no\r\n")},
		GREETED EHLOED "\ncommand BDAT 1\nbegin bdat\ndata x\ncommand BDAT 9\ndata y\n"
			       "reply BDAT 250\nreply BDAT 250\nviolation early-refusal",
		NULL, NULL},
	{"one between chunks is not of a message on its way", {0},
		{CHUNKS, C("BDAT 1\r\nx"), S("250 1\r\n554 no\r\n")},
		GREETED EHLOED "\ncommand BDAT 1\nbegin bdat\ndata x\nreply BDAT 250\n"
			       "violation unsolicited-reply",
		NULL, NULL},
	{"an empty last chunk", {0},
		{CHUNKS, C("BDAT 1\r\nxBDAT 0 LAST\r\nBDAT 0 LAST\r\nBDAT 0\r\nBDAT 00 \r\n")},
		GREETED EHLOED
		"\ncommand BDAT 1\nbegin bdat\ndata x\ncommand BDAT 0 LAST\nend bdat\n"
		"command BDAT 0 LAST\nbegin bdat\nend bdat\ncommand BDAT 0\nbegin bdat\n"
		"command BDAT 00 ",
		NULL, NULL},
	{"a refused chunk", {0},
		{CHUNKS, C("BDAT 6\r\nRSET\r\nBDAT 9\r\nNOOP\r\n"), S("452 full\r\n"),
			C("\r\nxBDAT 6 LAST\r\nQUIT\r\nRSET\r\nBDAT 1 LAST\r\ny"),
			S("503 no\r\n503 no\r\n"), S("250 ok\r\n"), S("503 no\r\n")},
		GREETED EHLOED
		"\ncommand BDAT 6\nbegin bdat\ndata RSET\r\n\ncommand BDAT 9\n"
		"data NOOP\r\n\nreply BDAT 452\nabort bdat\ncommand BDAT 6 LAST\ncommand RSET\n"
		"reply BDAT 503\nreply BDAT 503 last\nreply RSET 250\ncommand BDAT 1 LAST\nbegin "
		"bdat\n"
		"data y\nend bdat\nreply BDAT 503 last",
		NULL, NULL},
	{"a chunk refused after its message was complete", {0},
		{CHUNKS, C("BDAT 1\r\naBDAT 1 LAST\r\nbMAIL FROM:<c>\r\nBDAT 2\r\nd"),
			S("452 full\r\n503 no\r\n250 ok\r\n"), C("eBDAT 1 LAST\r\nf"),
			S("250 ok\r\n250 ok\r\n")},
		GREETED EHLOED
		"\ncommand BDAT 1\nbegin bdat\ndata a\ncommand BDAT 1 LAST\ndata b\n"
		"end bdat\ncommand MAIL <c> \ncommand BDAT 2\nbegin bdat\ndata d\nreply BDAT 452\n"
		"reply BDAT 503 last\nreply MAIL 250\ndata e\ncommand BDAT 1 LAST\ndata f\nend "
		"bdat\n"
		"reply BDAT 250\nreply BDAT 250 last",
		NULL, NULL},
	{"a last chunk refused while it is sent", {0},
		{CHUNKS, C("BDAT 5 LAST\r\nab"), S("503 no\r\n"), C("cdeNOOP\r\n"),
			S("250 ok\r\n")},
		GREETED EHLOED "\ncommand BDAT 5 LAST\nbegin bdat\ndata ab\nreply BDAT 503 last\n"
			       "abort bdat\ncommand NOOP\nreply NOOP 250",
		NULL, NULL},
	{"a chunk of a void transaction that is accepted", {0},
		{CHUNKS, C("BDAT 1\r\nx"), S("452 full\r\n"), C("BDAT 1 LAST\r\ny"),
			S("250 ok\r\n")},
		GREETED EHLOED "\ncommand BDAT 1\nbegin bdat\ndata x\nreply BDAT 452\nabort bdat\n"
			       "command BDAT 1 LAST\nviolation unsolicited-reply bdat",
		NULL, NULL},
	{"RSET in the middle of a message in chunks", {0},
		{CHUNKS, C("BDAT 1\r\nxRSET\r\nBDAT 1 LAST\r\ny"), S("250 1\r\n250 2\r\n"),
			S("503 no\r\n")},
		GREETED EHLOED
		"\ncommand BDAT 1\nbegin bdat\ndata x\ncommand RSET\nreply BDAT 250\n"
		"reply RSET 250\nabort bdat\ncommand BDAT 1 LAST\nbegin bdat\ndata y\nend bdat\n"
		"reply BDAT 503 last",
		NULL, NULL},
	{"RSET that is refused ends nothing", {0},
		{CHUNKS, C("BDAT 1\r\nxRSET\r\nBDAT 1 LAST\r\ny"), S("250 1\r\n500 2\r\n"),
			S("250 ok\r\n")},
		GREETED EHLOED
		"\ncommand BDAT 1\nbegin bdat\ndata x\ncommand RSET\nreply BDAT 250\n"
		"reply RSET 500\ncommand BDAT 1 LAST\ndata y\nend bdat\nreply BDAT 250 last",
		NULL, NULL},
	{"EHLO in the middle of a message in chunks", {0},
		{CHUNKS, C("BDAT 1\r\nxEHLO b\r\nBDAT 1 LAST\r\ny"), S("250 1\r\n250 mx\r\n")},
		GREETED EHLOED
		"\ncommand BDAT 1\nbegin bdat\ndata x\ncommand EHLO b\nreply BDAT 250\n"
		"reply EHLO 250\nabort bdat\ncommand unknown 1 LAST",
		"EHLO a.example.org\r\nBDAT 1\r\nxEHLO b\r\nXXXX 1 LAST\r\nX", NULL},
	{"EHLO that is refused keeps what was agreed", {0},
		{CHUNKS, C("BDAT 1\r\nxEHLO b\r\nBDAT 1 LAST\r\ny"), S("250 1\r\n501 no\r\n")},
		GREETED EHLOED
		"\ncommand BDAT 1\nbegin bdat\ndata x\ncommand EHLO b\nreply BDAT 250\n"
		"reply EHLO 501\ncommand BDAT 1 LAST\ndata y\nend bdat",
		NULL, NULL},
	{"DATA inside a message in chunks is refused", {0},
		{CHUNKS, C("BDAT 1\r\nxDATA\r\n"), S("250 1\r\n503 no\r\n"), C("BDAT 1 LAST\r\ny")},
		GREETED EHLOED
		"\ncommand BDAT 1\nbegin bdat\ndata x\ncommand DATA\nreply BDAT 250\n"
		"reply DATA 503\ncommand BDAT 1 LAST\ndata y\nend bdat",
		NULL, NULL},
	{"DATA inside a message in chunks is accepted", {0},
		{CHUNKS, C("BDAT 1\r\nxDATA\r\n"), S("250 1\r\n354 go\r\n")},
		GREETED EHLOED
		"\ncommand BDAT 1\nbegin bdat\ndata x\ncommand DATA\nreply BDAT 250\n"
		"violation data-after-bdat",
		NULL, NULL},
	{"chunks that were not offered are commands", {.hide_chunking = true},
		{CHUNKS, C("BDAT 6 LAST\r\nRSET\r\n"), S("500 no\r\n250 ok\r\n")},
		GREETED EHLOED
		"\ncommand unknown 6 LAST\ncommand RSET\nreply unknown 500\nreply RSET 250",
		"EHLO a.example.org\r\nXXXX 6 LAST\r\nRSET\r\n",
		"220 mx.example.com ESMTP\r\n250-mx\r\n250-PIPELINING\r\n250 XXXXXXXX\r\n500 "
		"no\r\n250 ok\r\n"},
	{"BDAT behind a blank is no BDAT", {0}, {CHUNKS, C(" BDAT 6 LAST\r\nRSET\r\n")},
		GREETED EHLOED "\ncommand unknown 6 LAST\ncommand RSET",
		"EHLO a.example.org\r\n XXXX 6 LAST\r\nRSET\r\n", NULL},
};
// clang-format on
#define DIALOGUES (sizeof(dialogues) / sizeof(dialogues[0]))

static void every_dialogue_gives_its_events_in_any_pieces(void **state)
{
	(void)state;

	for (size_t i = 0; i < DIALOGUES; i++)
		check(&dialogues[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_dialogue_gives_its_events_in_any_pieces),
	};

	if (smtp_pool_bytes(SCRIPT_LINES) > sizeof(pool_memory))
		return 1;
	pool = smtp_pool_init(pool_memory, SCRIPT_LINES);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
