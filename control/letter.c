// SPDX-License-Identifier: BSD-3-Clause
#include "control/letter.h"

#include <gmime/gmime.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MOST 990

// ---- parts --------------------------------------------------------------------------------------

static GMimePart *part_new(const char *type, const char *subtype, const void *data, size_t bytes)
{
	GMimePart *part = g_mime_part_new_with_type(type, subtype);
	GMimeStream *stream = g_mime_stream_mem_new_with_buffer(data, bytes);
	GMimeDataWrapper *content =
		g_mime_data_wrapper_new_with_stream(stream, GMIME_CONTENT_ENCODING_DEFAULT);

	g_mime_part_set_content(part, content);
	g_object_unref(content);
	g_object_unref(stream);
	return part;
}

static bool is_ascii(const void *data, size_t bytes)
{
	const uint8_t *at = data;

	for (size_t i = 0; i < bytes; i++) {
		if ((at[i] & 0x80) != 0)
			return false;
	}
	return true;
}

// RFC 5321 section 4.5.3.1.6: a server need not take a line of more than 1000 bytes.
static bool has_long_line(const char *text)
{
	while (*text != '\0') {
		size_t n = strcspn(text, "\n");

		if (n > LINE_MOST)
			return true;
		text += n + (text[n] == '\n' ? 1 : 0);
	}
	return false;
}

static GMimeObject *text_part(const char *text)
{
	GMimePart *part = part_new("text", "plain", text, strlen(text));

	g_mime_object_set_content_type_parameter(GMIME_OBJECT(part), "charset", "utf-8");
	if (!is_ascii(text, strlen(text)) || has_long_line(text))
		g_mime_part_set_content_encoding(part, GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE);
	return GMIME_OBJECT(part);
}

// ---- the message --------------------------------------------------------------------------------

// Takes body.
static GMimeMessage *message_new(
	const struct letter *letter, GMimeObject *body, const char *submitted)
{
	GMimeMessage *message = g_mime_message_new(TRUE);
	GDateTime *now = g_date_time_new_now_utc();
	char *from = letter->from[0] != '\0' ? g_strdup(letter->from)
					     : g_strdup_printf("postmaster@%s", letter->gateway);
	char *id = letter->key != NULL
			   ? g_strdup_printf("cordon-%s@%s", letter->key, letter->gateway)
			   : g_mime_utils_generate_message_id(letter->gateway);

	g_mime_message_add_mailbox(message, GMIME_ADDRESS_TYPE_FROM,
		letter->name != NULL ? letter->name : "Mail gateway", from);
	g_mime_message_add_mailbox(message, GMIME_ADDRESS_TYPE_TO, NULL, letter->to);
	g_mime_message_set_subject(message, letter->subject, "utf-8");
	g_mime_message_set_date(message, now);
	g_mime_message_set_message_id(message, id);
	g_mime_object_set_header(GMIME_OBJECT(message), "Auto-Submitted", submitted, "utf-8");
	g_mime_object_set_header(GMIME_OBJECT(message), "MIME-Version", "1.0", "utf-8");
	g_mime_message_set_mime_part(message, body);
	g_object_unref(body);
	g_free(id);
	g_free(from);
	g_date_time_unref(now);
	return message;
}

// Takes message.
static uint8_t *write_out(GMimeMessage *message, size_t *bytes)
{
	GMimeFormatOptions *format = g_mime_format_options_new();
	GMimeStream *stream = g_mime_stream_mem_new();
	const GByteArray *array = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream));
	uint8_t *out = NULL;

	g_mime_format_options_set_newline_format(format, GMIME_NEWLINE_FORMAT_DOS);
	if (g_mime_object_write_to_stream(GMIME_OBJECT(message), format, stream) > 0)
		out = malloc(array->len + 1);
	if (out != NULL) {
		memcpy(out, array->data, array->len);
		*bytes = array->len;
	}
	g_object_unref(stream);
	g_object_unref(message);
	g_mime_format_options_free(format);
	return out;
}

static GMimeObject *with_attachment(const struct letter *letter)
{
	GMimeMultipart *mixed = g_mime_multipart_new_with_subtype("mixed");
	GMimeObject *text = text_part(letter->text);
	GMimePart *part = part_new(
		"application", letter->attached_type, letter->attached, letter->attached_bytes);

	g_mime_part_set_content_encoding(part, GMIME_CONTENT_ENCODING_BASE64);
	g_mime_part_set_filename(part, letter->attached_name);
	g_mime_multipart_add(mixed, text);
	g_mime_multipart_add(mixed, GMIME_OBJECT(part));
	g_object_unref(text);
	g_object_unref(part);
	return GMIME_OBJECT(mixed);
}

uint8_t *letter_write(const struct letter *letter, size_t *bytes)
{
	GMimeObject *body;

	g_mime_init();
	body = letter->attached != NULL ? with_attachment(letter) : text_part(letter->text);
	return write_out(message_new(letter, body, "auto-generated"), bytes);
}

// ---- delivery status notifications --------------------------------------------------------------

// The value of a parameter, decoded (xtext, RFC 3461 section 4), on one line; NULL: there is none.
static char *param_of(const char *params, const char *name)
{
	size_t n = strlen(name);
	GString *value;
	char *valid;

	while (g_ascii_strncasecmp(params, name, n) != 0 || params[n] != '=') {
		params += strcspn(params, " ");
		params += strspn(params, " ");
		if (*params == '\0')
			return NULL;
	}
	value = g_string_new(NULL);
	for (const char *at = params + n + 1; *at != '\0' && *at != ' '; at++) {
		char c = *at;

		if (c == '+' && g_ascii_isxdigit(at[1]) && g_ascii_isxdigit(at[2])) {
			c = (char)(g_ascii_xdigit_value(at[1]) << 4 | g_ascii_xdigit_value(at[2]));
			at += 2;
		}
		g_string_append_c(value, (unsigned char)c < ' ' || c == 127 ? '?' : c);
	}
	valid = g_utf8_make_valid(value->str, -1);
	(void)g_string_free(value, TRUE);
	return valid;
}

static char *one_line(const char *text)
{
	char *valid = g_utf8_make_valid(text, -1);

	for (char *at = valid; *at != '\0'; at++) {
		if ((unsigned char)*at < ' ' || *at == 127)
			*at = ' ';
	}
	return valid;
}

static bool is_asked(enum dsn_kind kind, const char *notify)
{
	static const char *const names[] = {
		[DSN_FAILED] = "FAILURE", [DSN_DELAYED] = "DELAY", [DSN_RELAYED] = "SUCCESS"};
	char **when = g_strsplit(notify, ",", -1);
	bool found = false;

	for (size_t i = 0; when[i] != NULL; i++)
		found = found || g_ascii_strcasecmp(when[i], names[kind]) == 0;
	g_strfreev(when);
	return found;
}

bool dsn_is_asked(enum dsn_kind kind, const char *rcpt_params)
{
	char *notify = param_of(rcpt_params, "NOTIFY");
	bool found = notify != NULL && is_asked(kind, notify);

	g_free(notify);
	return found;
}

bool dsn_is_wanted(enum dsn_kind kind, const char *sender, const char *rcpt_params)
{
	char *notify = param_of(rcpt_params, "NOTIFY");
	// Who says nothing is told of what went wrong.
	bool wanted = notify != NULL ? is_asked(kind, notify) : kind != DSN_RELAYED;

	g_free(notify);
	return wanted && sender[0] != '\0';
}

// A reply of a server begins with its code; what the gateway itself has to say does not, though it may begin with an
// address.
static bool has_code(const char *reply)
{
	return reply[0] >= '2' && reply[0] <= '5' && g_ascii_isdigit(reply[1]) &&
	       g_ascii_isdigit(reply[2]) && strchr(" -", reply[3]) != NULL;
}

// RFC 3463: the code in the reply, else what the reply says in general.
static char *status_of(const struct dsn *dsn, const char *reply)
{
	static const char *const forms[] = {
		[DSN_FAILED] = "^(?:5\\d\\d[ -])?(5\\.\\d{1,3}\\.\\d{1,3})(?: |$)",
		[DSN_DELAYED] = "^4\\d\\d[ -](4\\.\\d{1,3}\\.\\d{1,3})(?: |$)",
		[DSN_RELAYED] = "^2\\d\\d[ -](2\\.\\d{1,3}\\.\\d{1,3})(?: |$)",
	};
	GMatchInfo *match = NULL;
	GRegex *code = g_regex_new(forms[dsn->kind], 0, 0, NULL);
	char *status = NULL;

	if (code != NULL && g_regex_match(code, reply, 0, &match))
		status = g_match_info_fetch(match, 1);
	g_match_info_free(match);
	if (code != NULL)
		g_regex_unref(code);
	if (status != NULL)
		return status;
	if (dsn->kind == DSN_RELAYED)
		return g_strdup("2.0.0");
	// Nobody answers, or it is a matter of security that it is kept.
	if (dsn->kind == DSN_DELAYED)
		return g_strdup(dsn->server[0] != '\0' ? "4.4.1" : "4.7.0");
	// Anything but a refusal was tried until its time was over.
	return g_strdup(has_code(reply) && reply[0] == '5' ? "5.0.0" : "4.4.7");
}

static const char *const actions[] = {
	[DSN_FAILED] = "failed", [DSN_DELAYED] = "delayed", [DSN_RELAYED] = "relayed"};

// An address is a literal there (RFC 5321 section 4.1.3).
static char *name_of(const char *server)
{
	uint8_t address[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, server, address) == 1)
		return g_strdup_printf("[%s]", server);
	if (inet_pton(AF_INET6, server, address) == 1)
		return g_strdup_printf("[IPv6:%s]", server);
	return g_strdup(server);
}

static void put_recipient(
	const struct dsn *dsn, const struct dsn_recipient *recipient, GString *out)
{
	char *original = param_of(recipient->params, "ORCPT");
	char *address = one_line(recipient->address);
	char *reply = one_line(recipient->reply);
	char *status = status_of(dsn, reply);

	g_string_append_c(out, '\n');
	if (original != NULL && strchr(original, ';') != NULL)
		g_string_append_printf(out, "Original-Recipient: %s\n", original);
	g_string_append_printf(out, "Final-Recipient: %s; %s\nAction: %s\nStatus: %s\n",
		is_ascii(address, strlen(address)) ? "rfc822" : "utf-8", address,
		actions[dsn->kind], status);
	if (dsn->server[0] != '\0' && has_code(reply)) {
		char *server = name_of(dsn->server);

		g_string_append_printf(
			out, "Remote-MTA: dns; %s\nDiagnostic-Code: smtp; %s\n", server, reply);
		g_free(server);
	}
	if (dsn->kind == DSN_DELAYED && dsn->until[0] != '\0')
		g_string_append_printf(out, "Will-Retry-Until: %s\n", dsn->until);
	g_free(status);
	g_free(reply);
	g_free(address);
	g_free(original);
}

static char *status_text(const struct dsn *dsn)
{
	GString *out = g_string_new(NULL);
	char *envelope = param_of(dsn->mail_params, "ENVID");

	if (envelope != NULL)
		g_string_append_printf(out, "Original-Envelope-Id: %s\n", envelope);
	g_string_append_printf(out, "Reporting-MTA: dns; %s\n", dsn->gateway);
	if (dsn->arrival[0] != '\0')
		g_string_append_printf(out, "Arrival-Date: %s\n", dsn->arrival);
	for (size_t i = 0; i < dsn->recipients_count; i++) {
		if (dsn_is_wanted(dsn->kind, dsn->sender, dsn->recipients[i].params))
			put_recipient(dsn, &dsn->recipients[i], out);
	}
	g_free(envelope);
	return g_string_free(out, FALSE);
}

static char *words_of(const struct dsn *dsn)
{
	static const char *const before[] = {
		[DSN_FAILED] = "Your message could not be delivered to:",
		[DSN_DELAYED] = "Your message could not be delivered yet to:",
		[DSN_RELAYED] =
			"Your message was given to a server that does not confirm deliveries, for:",
	};
	static const char *const behind[] = {
		[DSN_FAILED] = "\nIt will not be tried again.\n",
		[DSN_DELAYED] = "\nYou need not send it again: that goes on by itself.\n",
		[DSN_RELAYED] = "\nYou will hear of it again only if something goes wrong there.\n",
	};
	GString *out = g_string_new(NULL);

	g_string_append_printf(
		out, "This is the mail gateway %s.\n\n%s\n", dsn->gateway, before[dsn->kind]);
	for (size_t i = 0; i < dsn->recipients_count; i++) {
		char *address = one_line(dsn->recipients[i].address);
		char *reply = one_line(dsn->recipients[i].reply);

		if (dsn_is_wanted(dsn->kind, dsn->sender, dsn->recipients[i].params))
			g_string_append_printf(out, "\n  <%s>\n    %s%s%s\n", address, dsn->server,
				dsn->server[0] != '\0' ? " said: " : "", reply);
		g_free(address);
		g_free(reply);
	}
	g_string_append(out, behind[dsn->kind]);
	return g_string_free(out, FALSE);
}

// Up to the empty line, and with it.
static size_t header_bytes(const uint8_t *data, size_t bytes)
{
	size_t at = 0;

	while (at < bytes) {
		const uint8_t *end = memchr(data + at, '\n', bytes - at);
		size_t n = end != NULL ? (size_t)(end - data) + 1 - at : bytes - at;
		bool is_empty = data[at] == '\n' || (n == 2 && data[at] == '\r');

		at += n;
		if (is_empty)
			break;
	}
	return at;
}

// Header and its empty line, or all of it when the sender has asked for that (RFC 3461 section 4.3). What has UTF-8
// in its header is of other types (RFC 6533 section 4).
static GMimePart *returned_part(const struct dsn *dsn)
{
	char *ret = param_of(dsn->mail_params, "RET");
	bool is_full =
		dsn->kind == DSN_FAILED && ret != NULL && g_ascii_strcasecmp(ret, "FULL") == 0;
	size_t header = header_bytes(dsn->data, dsn->bytes);
	size_t bytes = is_full ? dsn->bytes : header;
	bool is_global = !is_ascii(dsn->data, header) &&
			 g_utf8_validate((const char *)dsn->data, (gssize)header, NULL);
	const char *headers = is_global ? "global-headers" : "rfc822-headers";
	const char *all = is_global ? "global" : "rfc822";
	GMimePart *part = part_new(is_full || is_global ? "message" : "text",
		is_full ? all : headers, dsn->data, bytes);

	if (!is_ascii(dsn->data, bytes))
		g_mime_part_set_content_encoding(part, GMIME_CONTENT_ENCODING_8BIT);
	g_free(ret);
	return part;
}

static void add_part(GMimeMultipart *report, GMimeObject *part)
{
	g_mime_multipart_add(report, part);
	g_object_unref(part);
}

static GMimeObject *report_new(const struct dsn *dsn)
{
	GMimeMultipart *report = g_mime_multipart_new_with_subtype("report");
	char *words = words_of(dsn);
	char *status = status_text(dsn);
	bool is_global = !is_ascii(status, strlen(status));
	GMimePart *part = part_new("message",
		is_global ? "global-delivery-status" : "delivery-status", status, strlen(status));

	if (is_global)
		g_mime_part_set_content_encoding(part, GMIME_CONTENT_ENCODING_8BIT);
	g_mime_object_set_content_type_parameter(
		GMIME_OBJECT(report), "report-type", "delivery-status");
	add_part(report, text_part(words));
	add_part(report, GMIME_OBJECT(part));
	if (dsn->data != NULL)
		add_part(report, GMIME_OBJECT(returned_part(dsn)));
	g_free(status);
	g_free(words);
	return GMIME_OBJECT(report);
}

uint8_t *dsn_write(const struct dsn *dsn, size_t *bytes)
{
	static const char *const subjects[] = {[DSN_FAILED] = "Undelivered mail",
		[DSN_DELAYED] = "Delayed mail",
		[DSN_RELAYED] = "Delivery of mail"};
	const struct letter letter = {
		.gateway = dsn->gateway,
		.from = dsn->from,
		.to = dsn->sender,
		.subject = subjects[dsn->kind],
		.key = dsn->key,
	};
	bool wanted = false;

	for (size_t i = 0; i < dsn->recipients_count; i++)
		wanted = wanted || dsn_is_wanted(dsn->kind, dsn->sender, dsn->recipients[i].params);
	if (!wanted)
		return NULL;
	g_mime_init();
	return write_out(message_new(&letter, report_new(dsn), "auto-replied"), bytes);
}
