// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/events.h"

#include "dataplane/events_json.h"

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

// Bytes of the well-formed UTF-8 character at text, 0 when there is none (RFC 3629: no overlong forms,
// no surrogates, nothing above U+10FFFF).
static size_t utf8_length(const uint8_t *text, size_t n)
{
	uint8_t low = 0x80;
	uint8_t high = 0xbf;
	size_t length;

	if (text[0] >= 0xc2 && text[0] <= 0xdf)
		length = 2;
	else if (text[0] >= 0xe0 && text[0] <= 0xef)
		length = 3;
	else if (text[0] >= 0xf0 && text[0] <= 0xf4)
		length = 4;
	else
		return 0;
	if (text[0] == 0xe0)
		low = 0xa0;
	else if (text[0] == 0xed)
		high = 0x9f;
	else if (text[0] == 0xf0)
		low = 0x90;
	else if (text[0] == 0xf4)
		high = 0x8f;
	if (n < length || text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	return length;
}

// What a single byte turns into; returns its length. out has room for 6.
static size_t escape(uint8_t byte, char out[6])
{
	static const char digits[] = "0123456789abcdef";
	static const char replacement[3] = {'\xef', '\xbf', '\xbd'}; // U+FFFD
	static const char unicode[4] = {'\\', 'u', '0', '0'};
	static const char short_forms[] = "\"\"\\\\\bb\ff\nn\rr\tt";

	for (size_t i = 0; i + 1 < sizeof(short_forms); i += 2) {
		if ((uint8_t)short_forms[i] != byte)
			continue;
		out[0] = '\\';
		out[1] = short_forms[i + 1];
		return 2;
	}
	if (byte >= 0x80) {
		memcpy(out, replacement, sizeof(replacement));
		return sizeof(replacement);
	}
	memcpy(out, unicode, sizeof(unicode));
	out[4] = digits[byte >> 4];
	out[5] = digits[byte & 15];
	return 6;
}

static bool is_plain(uint8_t byte)
{
	return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

// The same of eight bytes at once. A byte whose highest bit is set may pass for another's fault: it is none itself.
static bool are_plain(uint64_t bytes)
{
	const uint64_t ones = 0x0101010101010101u;
	const uint64_t quote = bytes ^ ones * '"';
	const uint64_t backslash = bytes ^ ones * '\\';
	// Of each term the highest bits say it of bytes that have none themselves; a carry comes from a fault below.
	const uint64_t faults = (bytes - ones * 0x20) | (bytes + ones) | (quote - ones) |
				(backslash - ones) | bytes;

	return (faults & ones * 0x80) == 0;
}

// Copies bytes up to one that JSON has in another form. Returns how many.
static size_t put_plain(char *at, const uint8_t *text, size_t n)
{
	size_t i = 0;

	// Many are as short: two halves, which may lie over each other.
	if (n >= sizeof(uint32_t) && n < sizeof(uint64_t)) {
		uint32_t front;
		uint32_t back;

		memcpy(&front, text, sizeof(front));
		memcpy(&back, text + n - sizeof(back), sizeof(back));
		if (are_plain((uint64_t)back << 32 | front)) {
			memcpy(at, &front, sizeof(front));
			memcpy(at + n - sizeof(back), &back, sizeof(back));
			return n;
		}
	}
	for (uint64_t bytes; i + sizeof(bytes) <= n;) {
		memcpy(&bytes, text + i, sizeof(bytes));
		if (!are_plain(bytes))
			break;
		memcpy(at + i, &bytes, sizeof(bytes));
		i += sizeof(bytes);
		// What is left goes along with some that were copied before.
		if (i < n && n - i < sizeof(bytes))
			i = n - sizeof(bytes);
	}
	for (; i < n && is_plain(text[i]); i++)
		at[i] = (char)text[i];
	return i;
}

// One that is not plain: how many bytes it takes, and its form in *piece, *given.
static size_t convert(
	const uint8_t *text, size_t n, char escaped[6], const void **piece, size_t *given)
{
	size_t taken = utf8_length(text, n);

	*piece = text;
	*given = taken;
	if (taken > 0)
		return taken;
	*piece = escaped;
	*given = escape(text[0], escaped);
	return 1;
}

char *events_put_string(char *at, const char *end, const char *text, size_t n)
{
	const uint8_t *from = (const uint8_t *)text;

	if (end - at < 2)
		return NULL;
	*at++ = '"';
	for (size_t i = 0;;) {
		// One more for the closing quote.
		const size_t room = (size_t)(end - at) - 1;
		const size_t plain = put_plain(at, from + i, n - i < room ? n - i : room);
		char escaped[6];
		const void *piece;
		size_t given;

		at += plain;
		i += plain;
		if (i == n)
			break;
		if (is_plain(from[i]))
			return NULL;
		i += convert(from + i, n - i, escaped, &piece, &given);
		if ((size_t)(end - at) < given + 1)
			return NULL;
		memcpy(at, piece, given);
		at += given;
	}
	*at++ = '"';
	return at;
}

// ---- members that several events have -----------------------------------------------------------

static void put_head(struct json_writer *json, const struct events_context *events,
	const char *event, uint64_t now_ns)
{
	json_open(json, NULL, '{');
	json_text(json, "event", event);
	json_time(json, "time", (int64_t)now_ns + events->epoch_offset_ns);
	json_text(json, "gateway", events->gateway);
}

static size_t put_tail(struct json_writer *json, const char *out)
{
	json_raw(json, "}\n", 2);
	return json->at != NULL ? (size_t)(json->at - out) : 0;
}

// As inet_ntop writes it.
static void format_ipv4(const uint8_t address[4], char *at)
{
	for (int i = 0; i < 4; i++) {
		unsigned int n = address[i];

		if (n >= 100)
			*at++ = (char)('0' + n / 100);
		if (n >= 10)
			*at++ = (char)('0' + n / 10 % 10);
		*at++ = (char)('0' + n % 10);
		*at++ = i < 3 ? '.' : '\0';
	}
}

static void put_address(struct json_writer *json, const struct packet_address *address, int i,
	const char *name, const char *port_name)
{
	char text[INET6_ADDRSTRLEN] = "";

	if (address->family == 6)
		(void)inet_ntop(AF_INET6, address->address[i], text, sizeof(text));
	else
		format_ipv4(address->address[i], text);
	json_text(json, name, text);
	json_number(json, port_name, ntohs(address->port_be[i]));
}

static void put_session(struct json_writer *json, const struct events_context *events,
	uint32_t link, enum direction direction, const struct packet_address *address)
{
	json_text(json, "link", link < events->links_count ? events->links[link] : "");
	json_text(json, "direction", direction == DIRECTION_INBOUND ? "inbound" : "outbound");
	put_address(json, address, 0, "client", "client_port");
	put_address(json, address, 1, "server", "server_port");
}

// ---- mail ---------------------------------------------------------------------------------------

// Of a hit in screening.
static void put_entry(struct json_writer *json, const struct scan_match *match)
{
	uint64_t id_be = htobe64(match->entry);

	json_hex(json, "entry", (const uint8_t *)&id_be, sizeof(id_be));
	json_text(json, "screened", screen_kind_name(match->screened));
	json_text(json, "algorithm", digest_name(match->algorithm));
	json_hex(json, "digest", match->digest, digest_length(match->algorithm));
}

static void put_match(struct json_writer *json, const struct scan_match *match)
{
	json_open(json, NULL, '{');
	json_text(json, "signature", match->signature);
	json_text(json, "virus_id", match->virus_id != NULL ? match->virus_id : "");
	json_text(json, "kind", match_kind_name(match->kind));
	json_number(json, "part", match->part);
	if (match->entry != 0)
		put_entry(json, match);
	json_close(json, '}');
}

static void put_part(struct json_writer *json, const struct scan_part *part)
{
	json_open(json, NULL, '{');
	json_number(json, "index", part->index);
	json_number(json, "parent", part->parent);
	json_text(json, "content_type", part->content_type);
	json_text(json, "encoding", part->encoding);
	json_text(json, "filename", part->filename);
	json_text(json, "disposition", part->disposition);
	if (part->detected_type != NULL && part->detected_type[0] != '\0')
		json_text(json, "detected_type", part->detected_type);
	json_number(json, "bytes", part->bytes);
	if ((part->digests & DIGEST_MD5) != 0)
		json_hex(json, "md5", part->md5, sizeof(part->md5));
	if ((part->digests & DIGEST_SHA1) != 0)
		json_hex(json, "sha1", part->sha1, sizeof(part->sha1));
	if ((part->digests & DIGEST_SHA256) != 0)
		json_hex(json, "sha256", part->sha256, sizeof(part->sha256));
	json_close(json, '}');
}

static void put_matches(struct json_writer *json, const struct scan_result *scan)
{
	json_open(json, "matches", '[');
	for (size_t i = 0; scan != NULL && i < scan->matches_count; i++)
		put_match(json, &scan->matches[i]);
	json_close(json, ']');
}

// All that the scan found, where there is more than one thing.
static void put_reasons(struct json_writer *json, const struct scan_result *scan)
{
	unsigned int count = 0;

	for (size_t i = 0; scan != NULL && i < SCAN_FINDINGS; i++)
		count += scan->findings[i] != NULL;
	if (count < 2)
		return;
	json_open(json, "reasons", '[');
	for (size_t i = 0; i < SCAN_FINDINGS; i++) {
		if (scan->findings[i] != NULL)
			json_text(json, NULL, scan->findings[i]);
	}
	json_close(json, ']');
}

static void put_scan(struct json_writer *json, const struct scan_result *scan)
{
	put_matches(json, scan);
	json_open(json, "parts", '[');
	for (size_t i = 0; scan != NULL && i < scan->parts_count; i++)
		put_part(json, &scan->parts[i]);
	json_close(json, ']');
}

static size_t put_summary(const struct scan_result *scan, char *out, size_t room)
{
	struct json_writer json;

	json_begin(&json, out, room);
	json_open(&json, NULL, '{');
	json_text(&json, "subject", scan->subject);
	json_text(&json, "message_id", scan->message_id);
	put_scan(&json, scan);
	json_close(&json, '}');
	return json.at != NULL ? (size_t)(json.at - out) : 0;
}

size_t events_format_summary(const struct scan_result *scan, char *out, size_t room)
{
	struct scan_result brief = *scan;
	size_t n = put_summary(scan, out, room);

	while (n == 0 && brief.parts_count + brief.matches_count > 0) {
		brief.parts_count /= 2;
		brief.matches_count /= 2;
		n = put_summary(&brief, out, room);
	}
	return n;
}

size_t events_format_mail(const struct events_context *events, const struct mail_record *record,
	char *out, size_t room)
{
	const struct scan_result *scan = record->scan;
	struct json_writer json;

	json_begin(&json, out, room);
	put_head(&json, events, "mail", record->time_ns);
	put_session(&json, events, record->link, record->direction, &record->address);
	json_number(&json, "session", record->session);
	json_number(&json, "message", record->message);
	json_text(&json, "helo", record->helo);
	json_text(&json, "mail_from", record->mail_from);
	json_open(&json, "rcpt_to", '[');
	for (size_t i = 0; i < record->rcpt_to_count; i++)
		json_text(&json, NULL, record->rcpt_to[i]);
	json_close(&json, ']');
	json_number(&json, "bytes", record->bytes);
	json_text(&json, "subject", scan != NULL ? scan->subject : "");
	json_text(&json, "message_id", scan != NULL ? scan->message_id : "");
	json_text(&json, "verdict", verdict_name(record->verdict));
	json_text(&json, "action", record->action);
	json_text(&json, "reply", record->reply);
	json_text(&json, "reason", record->reason);
	put_reasons(&json, scan);
	put_scan(&json, scan);
	if (record->seal_mode != NULL && record->seal_mode[0] != '\0') {
		json_text(&json, "seal_mode", record->seal_mode);
		json_text(&json, "virus_id", record->virus_id);
	}
	if (record->record != NULL && record->record[0] != '\0')
		json_text(&json, "record", record->record);
	json_text(&json, "ruleset", record->ruleset);
	json_number(&json, "latency_us", record->latency_ns / 1000);
	return put_tail(&json, out);
}

size_t events_format_screening(const struct events_context *events,
	const struct mail_record *record, const struct scan_match *match, char *out, size_t room)
{
	struct json_writer json;

	json_begin(&json, out, room);
	put_head(&json, events, "screening", record->time_ns);
	json_text(&json, "result", "hit");
	put_entry(&json, match);
	json_text(&json, "signature", match->signature);
	json_text(&json, "virus_id", match->virus_id);
	json_number(&json, "part", match->part);
	put_session(&json, events, record->link, record->direction, &record->address);
	json_number(&json, "session", record->session);
	json_number(&json, "message", record->message);
	json_text(&json, "mail_from", record->mail_from);
	json_text(&json, "verdict", verdict_name(record->verdict));
	json_text(&json, "action", record->action);
	if (record->record != NULL && record->record[0] != '\0')
		json_text(&json, "record", record->record);
	return put_tail(&json, out);
}

// ---- the others ---------------------------------------------------------------------------------

size_t events_format_session(const struct events_context *events,
	const struct session_record *record, char *out, size_t room)
{
	struct json_writer json;

	json_begin(&json, out, room);
	put_head(&json, events, "session", record->time_ns);
	put_session(&json, events, record->link, record->direction, &record->address);
	json_number(&json, "session", record->session);
	json_time(&json, "start", (int64_t)record->start_ns + events->epoch_offset_ns);
	json_time(&json, "end", (int64_t)record->time_ns + events->epoch_offset_ns);
	json_text(&json, "why", record->why);
	json_number(&json, "bytes", record->client_bytes + record->server_bytes);
	json_number(&json, "client_bytes", record->client_bytes);
	json_number(&json, "server_bytes", record->server_bytes);
	json_number(&json, "messages", record->messages);
	json_bool(&json, "inspected", record->inspected);
	return put_tail(&json, out);
}

size_t events_format_hold(const struct events_context *events, const struct hold_record *record,
	char *out, size_t room)
{
	const struct held_mail *mail = record->mail;
	struct json_writer json;

	json_begin(&json, out, room);
	put_head(&json, events, mail->quarantine ? "quarantine" : "hold", mail->time_ns);
	json_text(&json, "record", record->record);
	put_session(&json, events, mail->link, mail->direction, &mail->address);
	json_number(&json, "session", mail->session);
	json_number(&json, "message", mail->message);
	json_text(&json, "mail_from", mail->mail_from);
	json_open(&json, "rcpt_to", '[');
	for (size_t i = 0; i < mail->rcpt_to_count; i++)
		json_text(&json, NULL, mail->rcpt_to[i].address);
	json_close(&json, ']');
	json_number(&json, "bytes", mail->bytes);
	json_text(&json, "verdict", verdict_name(mail->verdict));
	json_text(&json, "reason", mail->reason);
	json_text(&json, "signature", mail->signature);
	json_text(&json, "mode", mail->seal_mode);
	json_text(&json, "virus_id", mail->virus_id);
	put_matches(&json, mail->scan);
	json_text(&json, "ruleset", mail->ruleset);
	return put_tail(&json, out);
}

size_t events_format_simple(const struct events_context *events, const char *event, uint64_t now_ns,
	const char *members, char *out, size_t room)
{
	struct json_writer json;

	json_begin(&json, out, room);
	put_head(&json, events, event, now_ns);
	if (members != NULL && members[0] != '\0') {
		json_raw(&json, ",", 1);
		json_raw(&json, members, strlen(members));
	}
	return put_tail(&json, out);
}
