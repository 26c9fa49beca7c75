// SPDX-License-Identifier: BSD-3-Clause
// A whole mail through the parsers of MIME and of SMTP, in pieces as segments bring it, beside a copy.
#include "perf/perf.h"
#include "reassembly/reassembly.h"
#include "scan/mime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENT_BYTES 1448

struct mail_state {
	uint8_t *mail;
	uint8_t *out;
	size_t bytes;
	struct mime_limits limits;
	void *memory;
	struct smtp_pool *pool;
	struct smtp_options options;
};

static size_t put_text(uint8_t *at, const char *text)
{
	size_t n = 0;

	for (; text[n] != '\0'; n++)
		at[n] = (uint8_t)text[n];
	return n;
}

static uint8_t letter(uint8_t byte, bool is_text)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	if (!is_text)
		return (uint8_t)alphabet[byte & 63];
	return byte % 6 == 0 ? ' ' : (uint8_t)('a' + byte % 26);
}

// A third is plain text, two thirds an attachment in base64, all in lines of 76.
static void write_mail(struct mail_state *state)
{
	static const char head[] =
		"From: <a@example.org>\r\nTo: <b@example.net>\r\nSubject: figures\r\n"
		"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_next\"\r\n\r\n"
		"--=_next\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n";
	static const char middle[] =
		"\r\n--=_next\r\nContent-Type: application/octet-stream; name=\"a.bin\"\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\n";
	static const char last[] = "\r\n--=_next--\r\n";
	size_t text_end = state->bytes / 3;
	size_t end = state->bytes - strlen(last);
	size_t n = put_text(state->mail, head);
	unsigned int column = 0;

	perf_fill(state->mail + n, state->bytes - n, 7);
	for (; n < end; n++) {
		bool is_text = n < text_end;

		if (n == text_end) {
			n += put_text(state->mail + n, middle);
			column = 0;
		}
		if (++column == 77 && n + 2 < end) {
			memcpy(state->mail + n++, "\r\n", 2);
			column = 0;
		} else {
			state->mail[n] = letter(state->mail[n], is_text);
		}
	}
	(void)put_text(state->mail + end, last);
}

static struct mail_state *make(struct perf_run *run)
{
	struct mail_state *state = perf_alloc(sizeof(*state));

	state->bytes = run->it->number;
	state->mail = perf_alloc(state->bytes);
	state->out = perf_alloc(state->bytes);
	write_mail(state);
	run->amount = (double)state->bytes;
	run->state = state;
	return state;
}

static int begin_mime(struct perf_run *run)
{
	struct mail_state *state = make(run);

	state->limits = (struct mime_limits){32, 1000, 65536};
	state->memory = perf_alloc(mime_bytes(&state->limits));
	return 0;
}

static int begin_smtp(struct perf_run *run)
{
	struct mail_state *state = make(run);

	state->memory = perf_alloc(smtp_pool_bytes(4));
	state->pool = smtp_pool_init(state->memory, 4);
	return 0;
}

static size_t piece_at(const struct mail_state *state, size_t at)
{
	return state->bytes - at < SEGMENT_BYTES ? state->bytes - at : SEGMENT_BYTES;
}

static void run_mime(void *ctx)
{
	struct mail_state *state = ctx;
	struct mime *mime = mime_init(state->memory, &state->limits);
	struct mime_event event;
	uint64_t decoded = 0;

	for (size_t at = 0; at < state->bytes;) {
		size_t n = piece_at(state, at);

		do {
			size_t used = mime_next(mime, state->mail + at, n, &event);

			at += used;
			n -= used;
			if (event.type == MIME_PART_DATA)
				decoded += event.bytes;
		} while (event.type != MIME_NEED_INPUT);
	}
	do
		mime_finish(mime, &event);
	while (event.type != MIME_END);
	perf_keep(decoded);
}

static void say(struct mail_state *state, struct smtp *smtp, bool is_server, const char *text)
{
	const uint8_t *data = (const uint8_t *)text;
	size_t left = strlen(text);
	struct smtp_event event = {0};

	do {
		size_t used = (is_server ? smtp_server : smtp_client)(
			smtp, state->pool, data, left, &event);

		data += used;
		left -= used;
	} while (event.type != SMTP_NEED_INPUT && event.type != SMTP_WAIT);
}

static void run_smtp(void *ctx)
{
	struct mail_state *state = ctx;
	struct smtp_event event;
	struct smtp smtp;
	uint64_t bytes = 0;

	smtp_init(&smtp, &state->options);
	say(state, &smtp, true, "220 mx\r\n");
	say(state, &smtp, false, "EHLO c\r\n");
	say(state, &smtp, true, "250 mx\r\n");
	say(state, &smtp, false, "MAIL FROM:<a@example.org>\r\n");
	say(state, &smtp, true, "250 ok\r\n");
	say(state, &smtp, false, "RCPT TO:<b@example.net>\r\n");
	say(state, &smtp, true, "250 ok\r\n");
	say(state, &smtp, false, "DATA\r\n");
	say(state, &smtp, true, "354 go\r\n");
	for (size_t at = 0; at < state->bytes;) {
		size_t n = piece_at(state, at);

		do {
			size_t used = smtp_client(&smtp, state->pool, state->mail + at, n, &event);

			at += used;
			n -= used;
			if (event.type == SMTP_MESSAGE_DATA)
				bytes += event.text_bytes;
		} while (event.type != SMTP_NEED_INPUT && event.type != SMTP_WAIT);
	}
	say(state, &smtp, false, ".\r\n");
	smtp_fini(&smtp, state->pool);
	perf_need(bytes >= state->bytes, "the body to be read as one");
	perf_keep(bytes);
}

static void run_copy(void *ctx)
{
	const struct mail_state *state = ctx;

	for (size_t at = 0; at < state->bytes; at += SEGMENT_BYTES)
		memcpy(state->out + at, state->mail + at, piece_at(state, at));
	perf_keep(state->out[state->bytes / 2]);
}

static void end(void *ctx)
{
	struct mail_state *state = ctx;

	free(state->mail);
	free(state->out);
	free(state->memory);
	free(state);
}

static const struct perf_case cases[] = {
	{"mime/10k", "memcpy", "B/s", 10000, false, false, begin_mime, run_mime, run_copy, end},
	{"mime/100k", "memcpy", "B/s", 100000, false, false, begin_mime, run_mime, run_copy, end},
	{"mime/1m", "memcpy", "B/s", 1000000, true, false, begin_mime, run_mime, run_copy, end},
	{"smtp/10k", "memcpy", "B/s", 10000, false, false, begin_smtp, run_smtp, run_copy, end},
	{"smtp/100k", "memcpy", "B/s", 100000, false, false, begin_smtp, run_smtp, run_copy, end},
	{"smtp/1m", "memcpy", "B/s", 1000000, true, false, begin_smtp, run_smtp, run_copy, end},
};
PERF_CASES(cases)
