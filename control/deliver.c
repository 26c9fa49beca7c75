// SPDX-License-Identifier: BSD-3-Clause
#include "control/deliver.h"

#include "control/deliver_link.h"
#include "control/deliver_params.h"
#include "control/deliver_stream.h"
#include "control/ending.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LINE_BYTES 4096
#define ENDS "this program ends"
#define AT_ONCE                                                                                    \
	50 // recipients that are named before the server is listened to (RFC 2920 section 3.1)

struct session {
	struct deliver *deliver;
	struct deliver_link *link;
	MMAPString *line;
	bool has_plain_lines;
	bool is_binary;  // it must not go by DATA
	bool is_taken;   // the server has said 2xx to the whole message
	bool is_refused; // it does not go, by ourselves
	bool is_lost;    // nothing can be read any more
	size_t heard;    // replies that are about this mail
	int code;        // of the last reply
	char reply[DELIVER_REPLY_BYTES];
};

static void note_down(struct session *session)
{
	session->deliver->is_down = true;
	(void)snprintf(session->deliver->why, sizeof(session->deliver->why), "%s", session->reply);
}

static int lose(struct session *session)
{
	(void)snprintf(session->reply, sizeof(session->reply), "%s",
		ending_has_come() ? ENDS : "the connection was lost");
	session->code = 0;
	session->is_lost = true;
	note_down(session);
	return 0;
}

// 421, or that the system is full or takes nothing now (RFC 3463 section 3.4): not about one mail.
static bool is_of_all(const char *reply)
{
	return strncmp(reply, "421", 3) == 0 ||
	       (reply[0] == '4' && strlen(reply) > 4 &&
		       (strncmp(reply + 4, "4.3.1", 5) == 0 ||
			       strncmp(reply + 4, "4.3.2", 5) == 0));
}

// Reads a reply (RFC 5321 section 4.2.1): its code, or 0 when the connection is of no use any more.
static int read_reply(struct session *session)
{
	const char *line;

	deliver_stream_await(session->link->smtp->stream);
	do {
		line = mailstream_read_line_remove_eol(session->link->smtp->stream, session->line);
		if (line == NULL || strlen(line) < 3)
			return lose(session);
	} while (line[3] == '-');
	(void)snprintf(session->reply, sizeof(session->reply), "%s", line);
	session->code = (int)strtol(line, NULL, 10);
	if (is_of_all(line))
		note_down(session);
	else
		session->heard++;
	return session->code;
}

// Writes a line, which goes out with the next `hear` at the latest.
static bool __attribute__((format(printf, 2, 3)))
tell(struct session *session, const char *format, ...)
{
	char line[LINE_BYTES];
	va_list values;
	int n;

	va_start(values, format);
	n = vsnprintf(line, sizeof(line), format, values);
	va_end(values);
	return n >= 0 && (size_t)n < sizeof(line) &&
	       mailstream_write(session->link->smtp->stream, line, (size_t)n) == n;
}

static int hear(struct session *session, bool is_told)
{
	if (!is_told || mailstream_flush(session->link->smtp->stream) != 0)
		return lose(session);
	return read_reply(session);
}

// The server's answer to EHLO; NULL: there is none.
static const char *keywords_of(const struct session *session)
{
	const mailsmtp *smtp = session->link != NULL ? session->link->smtp : NULL;

	return smtp != NULL ? smtp->response : NULL;
}

// Does that name this extension?
static bool has_extension(const struct session *session, const char *keyword)
{
	return deliver_params_offers(keywords_of(session), keyword, strlen(keyword));
}

// What is not decided yet gets this outcome, by the last reply: nothing but a message that was taken is DONE, whatever
// a server that is out of step says.
static void settle(struct session *session, struct deliver_recipient *recipient)
{
	if (session->is_taken)
		recipient->outcome = DELIVER_DONE;
	else
		recipient->outcome = session->code >= 500 ? DELIVER_NEVER : DELIVER_LATER;
	recipient->tells_none =
		recipient->outcome == DELIVER_DONE && !has_extension(session, "DSN");
	(void)snprintf(recipient->reply, sizeof(recipient->reply), "%s", session->reply);
}

// Each of its lines ends with CRLF, the last one too, and there is no other CR or LF.
static bool has_plain_lines(const struct deliver *deliver)
{
	const uint8_t *data = deliver->data;
	size_t n = deliver->bytes;

	for (size_t i = 0; i < n; i++) {
		if ((data[i] == '\n' && (i == 0 || data[i - 1] != '\r')) ||
			(data[i] == '\r' && (i + 1 == n || data[i + 1] != '\n')))
			return false;
	}
	return n == 0 || data[n - 1] == '\n';
}

// ---- parameters ---------------------------------------------------------------------------------

// Those that this server knows, each with a blank before it. Returns NULL, or why the message cannot go without one that
// it does not know, or too late.
static const char *choose_params(
	struct session *session, const char *params, char *out, size_t room)
{
	const struct deliver *deliver = session->deliver;
	struct deliver_params how = {
		.keywords = keywords_of(session),
		.has_plain_lines = session->has_plain_lines,
		.now_s = deliver->now_s,
		.waited_s = deliver->waited_s,
	};
	const char *refusal = deliver_params_choose(&how, params, out, room);

	session->is_binary = session->is_binary || how.is_binary;
	return refusal;
}

// ---- the message --------------------------------------------------------------------------------

static bool put(struct session *session, const void *data, size_t bytes)
{
	return bytes == 0 ||
	       mailstream_write(session->link->smtp->stream, data, bytes) == (ssize_t)bytes;
}

// RFC 5321 section 4.5.2: a dot at the beginning of a line is doubled. Servers do not agree on what ends a
// line, and a mail that came in chunks may hold anything: whatever one of them could take for an end has
// its dot doubled.
static bool put_stuffed(struct session *session)
{
	const uint8_t *data = session->deliver->data;
	size_t n = session->deliver->bytes;
	size_t from = 0;

	for (size_t i = 0; i < n; i++) {
		bool begins =
			i == 0 || data[i - 1] == '\n' || data[i - 1] == '\r' || data[i - 1] == '\0';

		if (!begins || data[i] != '.')
			continue;
		if (!put(session, data + from, i - from) || !put(session, ".", 1))
			return false;
		from = i;
	}
	return put(session, data + from, n - from) &&
	       ((n > 1 && memcmp(data + n - 2, "\r\n", 2) == 0) || n == 0 ||
		       put(session, "\r\n", 2)) &&
	       put(session, ".\r\n", 3);
}

// From here on the server may have all of it: its answer is waited for, or it would get the mail once more.
static void begin_message(struct session *session)
{
	session->deliver->is_in_message = true;
	deliver_stream_commit(session->link->smtp->stream, true);
}

static void end_message(struct session *session, bool is_sent)
{
	mailstream *stream = session->link->smtp->stream;

	if (is_sent && mailstream_flush(stream) == 0)
		session->is_taken = read_reply(session) / 100 == 2;
	else
		(void)lose(session);
	deliver_stream_commit(stream, false);
}

static void send_data(struct session *session)
{
	const char *trace = session->deliver->trace;

	if (hear(session, tell(session, "DATA\r\n")) != 354)
		return;
	begin_message(session);
	end_message(session, put(session, trace, strlen(trace)) && put_stuffed(session));
}

// RFC 3030: byte for byte, whatever is in it.
static void send_chunk(struct session *session)
{
	const struct deliver *deliver = session->deliver;
	size_t trace = strlen(deliver->trace);
	char command[40];
	int n = snprintf(command, sizeof(command), "BDAT %zu LAST\r\n", trace + deliver->bytes);

	begin_message(session);
	end_message(session, put(session, command, (size_t)n) &&
				     put(session, deliver->trace, trace) &&
				     put(session, deliver->data, deliver->bytes));
}

static void send_message(struct session *session)
{
	bool is_plain = !session->is_binary && session->has_plain_lines;

	if (!is_plain && has_extension(session, "CHUNKING"))
		send_chunk(session);
	else
		send_data(session);
}

// ---- the envelope -------------------------------------------------------------------------------

// The reply to MAIL stands for all of it: what the server says to the rest is read and forgotten.
static void forget(struct session *session, size_t replies)
{
	const struct session kept = *session;
	const struct deliver deliver = *session->deliver;

	while (replies-- > 0 && read_reply(session) != 0)
		continue;
	session->code = kept.code;
	(void)snprintf(session->reply, sizeof(session->reply), "%s", kept.reply);
	session->deliver->is_down = deliver.is_down;
	(void)snprintf(session->deliver->why, sizeof(deliver.why), "%s", deliver.why);
}

// Names recipients from *at on, at_once of those that are to be tried. Returns how many were named.
static size_t name_some(struct session *session, size_t *at, size_t at_once, bool *is_told)
{
	const struct deliver *deliver = session->deliver;
	char params[LINE_BYTES / 2];
	size_t named = 0;

	for (; *at < deliver->recipients_count && named < at_once; (*at)++) {
		const struct deliver_recipient *recipient = &deliver->recipients[*at];

		if (recipient->outcome != DELIVER_PENDING)
			continue;
		(void)choose_params(session, recipient->params, params, sizeof(params));
		*is_told =
			*is_told && tell(session, "RCPT TO:<%s>%s\r\n", recipient->address, params);
		named++;
	}
	return named;
}

// Reads what the server says to those that were named, from `from` on. Returns how many it takes.
static size_t hear_some(struct session *session, size_t from, size_t named)
{
	struct deliver *deliver = session->deliver;
	size_t accepted = 0;

	for (size_t i = from; named > 0 && !deliver->is_down; i++) {
		struct deliver_recipient *recipient = &deliver->recipients[i];

		if (recipient->outcome != DELIVER_PENDING)
			continue;
		named--;
		if (read_reply(session) / 100 == 2)
			accepted++;
		else
			settle(session, recipient);
	}
	return accepted;
}

// RCPT for all, in one go where the server takes it (RFC 2920). Returns how many were accepted: they are left as
// PENDING. is_told: whether MAIL was written; is_open: its reply is still to come.
static size_t name_all(struct session *session, bool is_told, bool is_open)
{
	const struct deliver *deliver = session->deliver;
	bool is_pipelined = is_open;
	size_t accepted = 0;
	size_t at = 0;

	while (at < deliver->recipients_count) {
		size_t from = at;
		size_t named = name_some(session, &at, is_pipelined ? AT_ONCE : 1, &is_told);

		if (!is_told || mailstream_flush(session->link->smtp->stream) != 0) {
			(void)lose(session);
			return 0;
		}
		if (is_open && read_reply(session) / 100 != 2) {
			if (!deliver->is_down)
				forget(session, named);
			return 0;
		}
		is_open = false;
		accepted += hear_some(session, from, named);
		if (deliver->is_down)
			return 0;
	}
	return accepted;
}

// MAIL and RCPT. Returns how many recipients were accepted.
static size_t say_envelope(struct session *session)
{
	const struct deliver *deliver = session->deliver;
	char params[LINE_BYTES / 2];
	char size[40] = "";
	const char *refusal = choose_params(session, deliver->mail_params, params, sizeof(params));
	bool is_told;

	if (refusal != NULL) {
		session->code = 550;
		session->is_refused = true;
		(void)snprintf(session->reply, sizeof(session->reply), "%s", refusal);
		return 0;
	}
	if (has_extension(session, "SIZE"))
		(void)snprintf(size, sizeof(size), " SIZE=%zu",
			deliver->bytes + strlen(deliver->trace) + 2);
	is_told = tell(session, "MAIL FROM:<%s>%s%s\r\n", deliver->mail_from, size, params);
	if (has_extension(session, "PIPELINING"))
		return name_all(session, is_told, true);
	return hear(session, is_told) / 100 == 2 ? name_all(session, true, false) : 0;
}

// ---- the connection -----------------------------------------------------------------------------

static bool greet(struct session *session)
{
	struct deliver *deliver = session->deliver;
	char why[256];

	if (deliver_link_connect(session->link, deliver->host, deliver->port, deliver->seconds, why,
		    sizeof(why)) == 0)
		return true;
	if (ending_has_come())
		(void)snprintf(why, sizeof(why), "%s", ENDS);
	(void)snprintf(session->reply, sizeof(session->reply), "%s port %u: %s", deliver->host,
		deliver->port, why);
	session->code = 0;
	session->is_lost = true;
	deliver->is_at_door = true;
	note_down(session);
	return false;
}

// The connection that is there, if it still works.
static bool resume(struct session *session)
{
	const struct deliver *deliver = session->deliver;
	struct deliver_link *link = session->link;

	if (!deliver_link_is_ready(link, deliver->host, deliver->port))
		return false;
	return !link->is_dirty || hear(session, tell(session, "RSET\r\n")) / 100 == 2;
}

static void converse(struct session *session)
{
	session->heard = 0;
	if (say_envelope(session) > 0)
		send_message(session);
}

// A connection that was kept, and ends before the server has said anything about this mail, tells nothing of the
// server: servers end them as they like.
static void converse_somewhere(struct session *session)
{
	struct deliver *deliver = session->deliver;

	if (resume(session)) {
		converse(session);
		if (!deliver->is_down || session->heard > 0)
			return;
	}
	session->is_lost = false;
	deliver->is_down = false;
	deliver->why[0] = '\0';
	if (greet(session))
		converse(session);
}

// What is left of it for the next mail.
static void keep_or_drop(struct session *session)
{
	struct deliver_link *link = session->link;
	bool is_in_step = session->is_taken || session->is_refused || session->code / 100 == 4 ||
			  session->code / 100 == 5;

	if (session->is_lost || session->deliver->is_down || !is_in_step) {
		deliver_link_drop(link);
		return;
	}
	link->mails++;
	link->is_dirty = !session->is_taken;
}

void deliver_run(struct deliver *deliver, struct deliver_link *kept)
{
	struct deliver_link *link = kept != NULL ? kept : deliver_link_new();
	struct session session = {
		.deliver = deliver, .link = link, .has_plain_lines = has_plain_lines(deliver)};

	session.line = mmap_string_new("");
	(void)snprintf(session.reply, sizeof(session.reply), "%s", "out of memory");
	if (link != NULL && session.line != NULL)
		converse_somewhere(&session);
	for (size_t i = 0; i < deliver->recipients_count; i++) {
		if (deliver->recipients[i].outcome == DELIVER_PENDING)
			settle(&session, &deliver->recipients[i]);
	}
	if (link != NULL)
		keep_or_drop(&session);
	if (session.line != NULL)
		mmap_string_free(session.line);
	if (kept == NULL)
		deliver_link_free(link);
}
