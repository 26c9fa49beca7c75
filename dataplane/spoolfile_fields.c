// SPDX-License-Identifier: BSD-3-Clause
// What chunks contain: numbers and texts in a fixed order, each text with its length before it (u32), each
// list as (tag, texts) until the end. Whatever is not exactly that is refused.
#include "dataplane/spoolfile_chunk.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum list_tag { LIST_RECIPIENT = 1, LIST_SEAL, LIST_SIGNATURE };

// ---- names --------------------------------------------------------------------------------------

static const struct {
	const char *name;
	bool gone;
} states[] = {
#define X(name, text, gone) {text, gone},
	SPOOL_STATES(X)
#undef X
};

#define STATES (sizeof(states) / sizeof(states[0]))

const char *spool_state_name(enum spool_state state)
{
	return states[state].name;
}

bool spool_state_is_gone(enum spool_state state)
{
	return states[state].gone;
}

const char *spool_id_text(struct spool_id id, char out[SPOOL_ID_TEXT_BYTES])
{
	(void)snprintf(out, SPOOL_ID_TEXT_BYTES, "%016" PRIx64 "-%" PRIu64, id.run, id.number);
	return out;
}

int spool_id_parse(const char *text, struct spool_id *out)
{
	char again[SPOOL_ID_TEXT_BYTES];
	struct spool_id id;
	char *end;

	errno = 0;
	id.run = strtoull(text, &end, 16);
	if (errno != 0 || end - text != 16 || *end != '-')
		return -EINVAL;
	id.number = strtoull(end + 1, &end, 10);
	// There is one way to write an id: no signs, spaces or leading zeros.
	if (errno != 0 || *end != '\0' || strcmp(spool_id_text(id, again), text) != 0)
		return -EINVAL;
	*out = id;
	return 0;
}

bool spool_param(struct spool_text params, const char *keyword, struct spool_text *value)
{
	size_t length = strlen(keyword);
	size_t at = 0;

	while (at < params.bytes) {
		const char *word = params.at + at;
		size_t n = 0;

		while (at + n < params.bytes && word[n] != ' ' && word[n] != '\t')
			n++;
		if (n >= length && strncasecmp(word, keyword, length) == 0 &&
			(n == length || word[length] == '=')) {
			size_t skip = n == length ? length : length + 1;

			*value = (struct spool_text){word + skip, n - skip};
			return true;
		}
		at += n + 1;
	}
	return false;
}

// ---- writing ------------------------------------------------------------------------------------

static uint8_t *put(uint8_t *at, const uint8_t *end, uint64_t value, size_t bytes)
{
	if (at == NULL || (size_t)(end - at) < bytes)
		return NULL;
	value = htole64(value);
	memcpy(at, &value, bytes);
	return at + bytes;
}

static uint8_t *put_text(uint8_t *at, const uint8_t *end, struct spool_text text)
{
	if (text.bytes > UINT32_MAX)
		return NULL;
	at = put(at, end, text.bytes, 4);
	if (at == NULL || (size_t)(end - at) < text.bytes)
		return NULL;
	if (text.bytes > 0)
		memcpy(at, text.at, text.bytes);
	return at + text.bytes;
}

uint8_t *spool_put_recipient(
	uint8_t *at, const uint8_t *end, const struct spool_recipient *recipient)
{
	at = put(at, end, LIST_RECIPIENT, 1);
	at = put_text(at, end, recipient->address);
	return put_text(at, end, recipient->params);
}

uint8_t *spool_put_envelope(uint8_t *at, const uint8_t *end, const struct spool_envelope *envelope)
{
	at = put(at, end, (uint64_t)envelope->arrival_ns, 8);
	at = put(at, end, envelope->session, 8);
	at = put(at, end, envelope->message, 4);
	at = put(at, end, envelope->client_port, 2);
	at = put(at, end, envelope->server_port, 2);
	at = put_text(at, end, envelope->client);
	at = put_text(at, end, envelope->server);
	at = put_text(at, end, envelope->link);
	at = put_text(at, end, envelope->direction);
	at = put_text(at, end, envelope->helo);
	at = put_text(at, end, envelope->mail_from);
	at = put_text(at, end, envelope->mail_params);
	for (size_t i = 0; i < envelope->recipients_count; i++)
		at = spool_put_recipient(at, end, &envelope->recipients[i]);
	return at;
}

static uint8_t *put_list(uint8_t *at, const uint8_t *end, enum list_tag tag,
	const struct spool_text *texts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		at = put(at, end, tag, 1);
		at = put_text(at, end, texts[i]);
	}
	return at;
}

uint8_t *spool_put_reason(uint8_t *at, const uint8_t *end, const struct spool_reason *reason)
{
	at = put(at, end, (uint64_t)reason->state, 1);
	at = put_text(at, end, reason->verdict);
	at = put_text(at, end, reason->reason);
	at = put_text(at, end, reason->parts);
	at = put_list(at, end, LIST_SEAL, reason->seals, reason->seals_count);
	return put_list(at, end, LIST_SIGNATURE, reason->signatures, reason->signatures_count);
}

uint8_t *spool_put_change(uint8_t *at, const uint8_t *end, const struct spool_change *change)
{
	at = put(at, end, change->id.run, 8);
	at = put(at, end, change->id.number, 8);
	at = put(at, end, (uint64_t)change->state, 1);
	at = put(at, end, (uint64_t)change->time_ns, 8);
	at = put_text(at, end, change->who);
	return put_text(at, end, change->why);
}

uint8_t *spool_put_segment(uint8_t *at, const uint8_t *end, const struct spool_segment_info *info)
{
	at = put(at, end, info->bytes, 8);
	return put(at, end, info->window_bytes, 8);
}

// ---- reading ------------------------------------------------------------------------------------

struct cursor {
	const uint8_t *at;
	const uint8_t *end;
	bool bad;
};

static uint64_t get(struct cursor *cursor, size_t bytes)
{
	uint64_t value = 0;

	if (cursor->bad || (size_t)(cursor->end - cursor->at) < bytes) {
		cursor->bad = true;
		return 0;
	}
	memcpy(&value, cursor->at, bytes);
	cursor->at += bytes;
	return le64toh(value);
}

static struct spool_text get_text(struct cursor *cursor)
{
	size_t n = get(cursor, 4);
	struct spool_text text = {(const char *)cursor->at, n};

	if (cursor->bad || (size_t)(cursor->end - cursor->at) < n) {
		cursor->bad = true;
		return (struct spool_text){"", 0};
	}
	cursor->at += n;
	return text;
}

static enum spool_state get_state(struct cursor *cursor)
{
	uint64_t state = get(cursor, 1);

	if (state < STATES)
		return (enum spool_state)state;
	cursor->bad = true;
	return SPOOL_HELD;
}

int64_t spool_head_arrival(const uint8_t *head)
{
	struct cursor cursor = {head, head + SPOOL_HEAD_LEAST, false};

	return (int64_t)get(&cursor, 8);
}

static size_t get_recipients(struct cursor cursor, struct spool_recipient *out)
{
	size_t count = 0;

	while (!cursor.bad && cursor.at < cursor.end) {
		struct spool_recipient recipient;

		if (get(&cursor, 1) != LIST_RECIPIENT)
			return SIZE_MAX;
		recipient.address = get_text(&cursor);
		recipient.params = get_text(&cursor);
		if (out != NULL)
			out[count] = recipient;
		count++;
	}
	return cursor.bad ? SIZE_MAX : count;
}

int spool_get_envelope(const uint8_t *data, size_t n, struct spool_envelope *out,
	struct spool_recipient **recipients)
{
	struct cursor cursor = {data, data + n, false};
	struct spool_recipient *list;
	size_t count;

	memset(out, 0, sizeof(*out));
	out->arrival_ns = (int64_t)get(&cursor, 8);
	out->session = get(&cursor, 8);
	out->message = (uint32_t)get(&cursor, 4);
	out->client_port = (uint16_t)get(&cursor, 2);
	out->server_port = (uint16_t)get(&cursor, 2);
	out->client = get_text(&cursor);
	out->server = get_text(&cursor);
	out->link = get_text(&cursor);
	out->direction = get_text(&cursor);
	out->helo = get_text(&cursor);
	out->mail_from = get_text(&cursor);
	out->mail_params = get_text(&cursor);
	count = get_recipients(cursor, NULL);
	if (count == SIZE_MAX)
		return -EBADMSG;
	list = calloc(count + 1, sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	(void)get_recipients(cursor, list);
	out->recipients = list;
	out->recipients_count = count;
	*recipients = list;
	return 0;
}

// Both lists in one array: seals first, as they are written.
static size_t get_texts(struct cursor cursor, struct spool_text *out, size_t *seals)
{
	size_t count = 0;

	*seals = 0;
	while (!cursor.bad && cursor.at < cursor.end) {
		uint64_t tag = get(&cursor, 1);
		struct spool_text text = get_text(&cursor);

		if (tag == LIST_SEAL && *seals == count)
			(*seals)++;
		else if (tag != LIST_SIGNATURE)
			return SIZE_MAX;
		if (out != NULL)
			out[count] = text;
		count++;
	}
	return cursor.bad ? SIZE_MAX : count;
}

int spool_get_reason(
	const uint8_t *data, size_t n, struct spool_reason *out, struct spool_text **texts)
{
	struct cursor cursor = {data, data + n, false};
	struct spool_text *list;
	size_t seals;
	size_t count;

	memset(out, 0, sizeof(*out));
	out->state = get_state(&cursor);
	out->verdict = get_text(&cursor);
	out->reason = get_text(&cursor);
	out->parts = get_text(&cursor);
	count = get_texts(cursor, NULL, &seals);
	if (count == SIZE_MAX || spool_state_is_gone(out->state))
		return -EBADMSG;
	list = calloc(count + 1, sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	(void)get_texts(cursor, list, &seals);
	out->seals = list;
	out->seals_count = seals;
	out->signatures = list + seals;
	out->signatures_count = count - seals;
	*texts = list;
	return 0;
}

int spool_get_change(const uint8_t *data, size_t n, struct spool_change *out)
{
	struct cursor cursor = {data, data + n, false};

	out->id.run = get(&cursor, 8);
	out->id.number = get(&cursor, 8);
	out->state = get_state(&cursor);
	out->time_ns = (int64_t)get(&cursor, 8);
	out->who = get_text(&cursor);
	out->why = get_text(&cursor);
	return cursor.bad || cursor.at != cursor.end ? -EBADMSG : 0;
}

int spool_get_segment(const uint8_t *data, size_t n, struct spool_segment_info *out)
{
	struct cursor cursor = {data, data + n, false};

	out->bytes = get(&cursor, 8);
	out->window_bytes = get(&cursor, 8);
	return cursor.bad || cursor.at != cursor.end ? -EBADMSG : 0;
}
