// SPDX-License-Identifier: BSD-3-Clause
#include "control/deliver.h"

#include <libetpan/libetpan.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LINE_BYTES 4096

struct session {
	struct deliver *deliver;
	mailsmtp *smtp;
	MMAPString *line;
	int code; // of the last reply
	char reply[DELIVER_REPLY_BYTES];
};

static int lose(struct session *session)
{
	(void)snprintf(session->reply, sizeof(session->reply), "%s", "the connection was lost");
	session->code = 0;
	return 0;
}

// Reads a reply (RFC 5321 section 4.2.1): its code, or 0 when the connection is of no use any more.
static int read_reply(struct session *session)
{
	const char *line;

	do {
		line = mailstream_read_line_remove_eol(session->smtp->stream, session->line);
		if (line == NULL || strlen(line) < 3)
			return lose(session);
	} while (line[3] == '-');
	(void)snprintf(session->reply, sizeof(session->reply), "%s", line);
	session->code = (int)strtol(line, NULL, 10);
	return session->code;
}

static int __attribute__((format(printf, 2, 3)))
say(struct session *session, const char *format, ...)
{
	char line[LINE_BYTES];
	va_list values;
	int n;

	va_start(values, format);
	n = vsnprintf(line, sizeof(line), format, values);
	va_end(values);
	if (n < 0 || (size_t)n >= sizeof(line) ||
		mailstream_write(session->smtp->stream, line, (size_t)n) != n ||
		mailstream_flush(session->smtp->stream) != 0)
		return lose(session);
	return read_reply(session);
}

// Does the server's answer to EHLO name this extension?
static bool has_extension(const struct session *session, const char *keyword)
{
	const char *at = session->smtp != NULL ? session->smtp->response : NULL;
	size_t n = strlen(keyword);

	while (at != NULL && *at != '\0') {
		if (strncasecmp(at, keyword, n) == 0 && strchr(" \r\n", at[n]) != NULL)
			return true;
		at = strchr(at, '\n');
		at = at != NULL ? at + 1 : NULL;
	}
	return false;
}

// What is not decided yet gets this outcome, by the last reply.
static void settle(struct session *session, struct deliver_recipient *recipient)
{
	if (session->code >= 200 && session->code < 400)
		recipient->outcome = DELIVER_DONE;
	else
		recipient->outcome = session->code >= 500 ? DELIVER_NEVER : DELIVER_LATER;
	recipient->tells_none =
		recipient->outcome == DELIVER_DONE && !has_extension(session, "DSN");
	(void)snprintf(recipient->reply, sizeof(recipient->reply), "%s", session->reply);
}

// ---- parameters ---------------------------------------------------------------------------------

// The extension that a parameter belongs to, or NULL.
static const char *extension_of(const char *parameter, size_t n)
{
	static const struct {
		const char *keyword;
		const char *extension;
	} known[] = {{"BODY", "8BITMIME"}, {"RET", "DSN"}, {"ENVID", "DSN"}, {"NOTIFY", "DSN"},
		{"ORCPT", "DSN"}, {"AUTH", "AUTH"}, {"SMTPUTF8", "SMTPUTF8"}};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strlen(known[i].keyword) == n &&
			strncasecmp(known[i].keyword, parameter, n) == 0)
			return known[i].extension;
	}
	return NULL;
}

// The parameters that this server knows, each with a blank before it. SIZE is reckoned anew. False when
// the message cannot go without one that it does not know.
static bool choose_params(const struct session *session, const char *params, char *out, size_t room)
{
	size_t used = 0;

	out[0] = '\0';
	while (*params != '\0') {
		size_t n = strcspn(params, " ");
		size_t name = strcspn(params, "= ");
		const char *extension = extension_of(params, name);
		bool is_utf8 = extension != NULL && strcmp(extension, "SMTPUTF8") == 0;

		if (extension != NULL && has_extension(session, extension) && used + n + 2 < room) {
			used += (size_t)snprintf(out + used, room - used, " %.*s", (int)n, params);
		} else if (is_utf8) {
			return false;
		}
		params += n;
		params += strspn(params, " ");
	}
	return true;
}

// ---- the message --------------------------------------------------------------------------------

// RFC 5321 section 4.5.2: a dot at the beginning of a line is doubled. Lines end as they do, so the
// beginning of one is what follows a CRLF.
static bool send_body(struct session *session)
{
	const struct deliver *deliver = session->deliver;
	mailstream *stream = session->smtp->stream;
	const uint8_t *data = deliver->data;
	size_t trace = strlen(deliver->trace);
	size_t from = 0;
	bool ends;

	if (trace > 0 && mailstream_write(stream, deliver->trace, trace) != (ssize_t)trace)
		return false;
	for (size_t i = 0; i < deliver->bytes; i++) {
		bool begins = i == 0 || (i > 1 && data[i - 1] == '\n' && data[i - 2] == '\r');

		if (!begins || data[i] != '.')
			continue;
		if (mailstream_write(stream, data + from, i - from) != (ssize_t)(i - from) ||
			mailstream_write(stream, ".", 1) != 1)
			return false;
		from = i;
	}
	if (deliver->bytes > from && mailstream_write(stream, data + from, deliver->bytes - from) !=
					     (ssize_t)(deliver->bytes - from))
		return false;
	ends = deliver->bytes == 0 ||
	       (deliver->bytes > 1 && memcmp(data + deliver->bytes - 2, "\r\n", 2) == 0);
	if (!ends && mailstream_write(stream, "\r\n", 2) != 2)
		return false;
	return mailstream_write(stream, ".\r\n", 3) == 3 && mailstream_flush(stream) == 0;
}

static void send_message(struct session *session)
{
	if (say(session, "DATA\r\n") != 354)
		return;
	if (send_body(session))
		(void)read_reply(session);
	else
		(void)lose(session);
}

// MAIL and RCPT. Returns how many recipients were accepted: they are left as PENDING.
static size_t say_envelope(struct session *session)
{
	struct deliver *deliver = session->deliver;
	char params[LINE_BYTES / 2];
	char size[40] = "";
	size_t accepted = 0;

	if (!choose_params(session, deliver->mail_params, params, sizeof(params))) {
		session->code = 550;
		(void)snprintf(session->reply, sizeof(session->reply), "%s",
			"550 5.6.7 the server does not take internationalised mail");
		return 0;
	}
	if (has_extension(session, "SIZE"))
		(void)snprintf(size, sizeof(size), " SIZE=%zu",
			deliver->bytes + strlen(deliver->trace) + 2);
	if (say(session, "MAIL FROM:<%s>%s%s\r\n", deliver->mail_from, size, params) / 100 != 2)
		return 0;
	for (size_t i = 0; i < deliver->recipients_count; i++) {
		struct deliver_recipient *recipient = &deliver->recipients[i];

		if (recipient->outcome != DELIVER_PENDING)
			continue;
		(void)choose_params(session, recipient->params, params, sizeof(params));
		if (say(session, "RCPT TO:<%s>%s\r\n", recipient->address, params) / 100 == 2)
			accepted++;
		else
			settle(session, recipient);
		if (session->code == 0)
			return 0;
	}
	return accepted;
}

static bool greet(struct session *session)
{
	const struct deliver *deliver = session->deliver;
	int result = mailsmtp_socket_connect(session->smtp, deliver->host, deliver->port);

	if (result == MAILSMTP_NO_ERROR)
		result = mailesmtp_ehlo(session->smtp);
	if (result == MAILSMTP_NO_ERROR)
		return true;
	(void)snprintf(session->reply, sizeof(session->reply), "%s port %u: %s", deliver->host,
		deliver->port, mailsmtp_strerror(result));
	session->code = 0;
	return false;
}

void deliver_run(struct deliver *deliver)
{
	struct session session = {.deliver = deliver, .smtp = mailsmtp_new(0, NULL)};

	session.line = mmap_string_new("");
	(void)snprintf(session.reply, sizeof(session.reply), "%s", "out of memory");
	if (session.smtp != NULL && session.line != NULL) {
		mailsmtp_set_timeout(session.smtp, (time_t)deliver->seconds);
		if (greet(&session)) {
			if (say_envelope(&session) > 0)
				send_message(&session);
		}
	}
	for (size_t i = 0; i < deliver->recipients_count; i++) {
		if (deliver->recipients[i].outcome == DELIVER_PENDING)
			settle(&session, &deliver->recipients[i]);
	}
	if (session.smtp != NULL) {
		if (session.smtp->stream != NULL)
			(void)mailsmtp_quit(session.smtp);
		mailsmtp_free(session.smtp);
	}
	if (session.line != NULL)
		mmap_string_free(session.line);
}
