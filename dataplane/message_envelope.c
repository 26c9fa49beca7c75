// SPDX-License-Identifier: BSD-3-Clause
// The envelope of a message, and the blocks that it stands in.
#include "dataplane/gather.h"
#include "dataplane/message.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_RECIPIENTS 4096 // in one record; more are counted by nobody, SMTP servers take 1000
// What is kept of a command, address and parameters together. RFC 5321 section 4.5.3.1 asks for 256 bytes of
// path and 512 of line at least, and the extensions for more: 500 for ORCPT, 100 for ENVID (RFC 3461), 500 for
// AUTH (RFC 4954). What is longer is cut in the record, and such a message is not taken into the spool.
#define COMMAND_BYTES 2048u
// Of an address that is not text, as records show it; what was sent is kept beside it.
#define SHOWN_BYTES 256u

struct message_block {
	struct message_block *next;
	uint32_t used; // of bytes
	uint8_t bytes[MESSAGE_BLOCK_BYTES - 16] __attribute__((aligned(8)));
};

static_assert(sizeof(struct message_block) == MESSAGE_BLOCK_BYTES, "blocks fill their stride");
static_assert(sizeof(struct message) + 64 < sizeof(((struct message_block *)0)->bytes),
	"a message and a short address fit into the first block");
static_assert(sizeof(struct message_entry) + SHOWN_BYTES + COMMAND_BYTES + 3 + 7 <
		      sizeof(((struct message_block *)0)->bytes),
	"the longest command fits into a block");

struct message_pool {
	struct message_block *free;
	const char *recipients[RECORD_RECIPIENTS]; // of the record being written
	struct held_recipient held[RECORD_RECIPIENTS];
};

size_t message_pool_bytes(uint32_t blocks)
{
	return ((sizeof(struct message_pool) + 63) & ~(size_t)63) +
	       (size_t)blocks * MESSAGE_BLOCK_BYTES;
}

struct message_pool *message_pool_init(void *memory, uint32_t blocks)
{
	struct message_pool *pool = memory;
	uint8_t *at = (uint8_t *)memory + ((sizeof(*pool) + 63) & ~(size_t)63);

	pool->free = NULL;
	for (uint32_t i = blocks; i > 0; i--) {
		struct message_block *block =
			(struct message_block *)(void *)(at +
							 (size_t)(i - 1) * MESSAGE_BLOCK_BYTES);

		block->next = pool->free;
		pool->free = block;
	}
	return pool;
}

uint32_t message_pool_free_blocks(const struct message_pool *pool)
{
	uint32_t count = 0;

	for (const struct message_block *block = pool->free; block != NULL; block = block->next)
		count++;
	return count;
}

static struct message_block *block_get(struct message_pool *pool)
{
	struct message_block *block = pool->free;

	if (block == NULL)
		return NULL;
	pool->free = block->next;
	block->next = NULL;
	block->used = 0;
	return block;
}

static void *block_take(struct message_block *block, size_t bytes)
{
	void *at = block->bytes + block->used;

	bytes = (bytes + 7) & ~(size_t)7;
	if (block->used + bytes > sizeof(block->bytes))
		return NULL;
	block->used += (uint32_t)bytes;
	return at;
}

void message_give_blocks(struct engine *engine, struct message *message)
{
	struct message_block *block = message->blocks;

	while (block != NULL) {
		struct message_block *next = block->next;

		block->next = engine->messages->free;
		engine->messages->free = block;
		block = next;
	}
}

struct message *message_building(struct engine *engine, struct session *session)
{
	struct message_block *block;
	struct message *message;

	if (session->building != NULL)
		return session->building;
	block = block_get(engine->messages);
	if (block == NULL && engine->gather.count > 0) {
		// Messages that wait for the end of the burst are over, and some give theirs back.
		gather_settle(engine);
		block = block_get(engine->messages);
	}
	if (block == NULL)
		return NULL;
	message = block_take(block, sizeof(*message));
	memset(message, 0, sizeof(*message));
	message->blocks = block;
	message->session = session;
	message->reason = "";
	session->building = message;
	return message;
}

// Eight bytes at a time, as long as all are ASCII and none is NUL: that one would borrow from its highest bit. Returns
// how many.
static size_t copy_ascii(char *out, const uint8_t *text, size_t n)
{
	const uint64_t ones = 0x0101010101010101u;
	uint64_t bytes;
	size_t i = 0;

	for (; n - i >= sizeof(bytes); i += sizeof(bytes)) {
		memcpy(&bytes, text + i, sizeof(bytes));
		if (((bytes | (bytes - ones)) & ones * 0x80) != 0)
			break;
		memcpy(out + i, &bytes, sizeof(bytes));
	}
	return i;
}

// Copies an address; what is not UTF-8 is replaced by '?' byte by byte.
static void copy_text(char *out, const uint8_t *text, size_t n)
{
	size_t i = copy_ascii(out, text, n);

	out += i;

	while (i < n) {
		uint8_t c = text[i];
		size_t len = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : 4;
		bool good = c < 0x80 || (c >= 0xc2 && c < 0xf5 && i + len <= n);

		for (size_t k = 1; good && k < len; k++)
			good = (text[i + k] & 0xc0) == 0x80;
		// Overlong forms, surrogates and numbers over U+10FFFF (RFC 3629 section 4).
		if (good && len > 2) {
			uint8_t second = text[i + 1];

			good = !((c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f) ||
				 (c == 0xf0 && second < 0x90) || (c == 0xf4 && second > 0x8f));
		}
		if (!good || c == 0) {
			*out++ = '?';
			i++;
			continue;
		}
		memcpy(out, text + i, len);
		out += len;
		i += len;
	}
	*out = '\0';
}

// Copies what was sent; returns the byte behind its end.
static char *copy_raw(char *out, const uint8_t *text, size_t n)
{
	if (n > 0)
		memcpy(out, text, n);
	out[n] = '\0';
	return out + n + 1;
}

// Room in the newest block, or in one more.
static void *take(struct engine *engine, struct message *message, size_t bytes)
{
	void *at = block_take(message->blocks, bytes);
	struct message_block *block;

	if (at != NULL)
		return at;
	block = block_get(engine->messages);
	if (block == NULL)
		return NULL;
	block->next = message->blocks;
	message->blocks = block;
	return block_take(block, bytes);
}

// An entry for the command, with its texts. NULL: no memory.
static struct message_entry *make_entry(
	struct engine *engine, struct message *message, const struct smtp_event *event)
{
	char *shown = (char *)engine->scratch;
	size_t params = event->params_bytes;
	struct message_entry *entry;
	size_t shown_bytes;
	bool is_text;
	char *at;

	while (params > 0 &&
		(event->params[params - 1] == ' ' || event->params[params - 1] == '\t'))
		params--;
	copy_text(shown, event->address, event->address_bytes);
	shown_bytes = strlen(shown);
	is_text = shown_bytes == event->address_bytes &&
		  memcmp(shown, event->address, shown_bytes) == 0;
	if (!is_text && shown_bytes > SHOWN_BYTES) {
		copy_text(shown, event->address, SHOWN_BYTES);
		shown_bytes = strlen(shown);
	}
	entry = take(engine, message,
		sizeof(*entry) + shown_bytes + 1 + (is_text ? 0 : event->address_bytes + 1) +
			params + 1);
	if (entry == NULL)
		return NULL;
	at = copy_raw(entry->address, (const uint8_t *)shown, shown_bytes);
	entry->sent = is_text ? entry->address : at;
	if (!is_text)
		at = copy_raw(at, event->address, event->address_bytes);
	entry->params = at;
	(void)copy_raw(at, event->params, params);
	return entry;
}

// Why a message with this command cannot be kept, NULL: it can. What does not fit is cut.
static const char *fit(struct smtp_event *event)
{
	const char *why = NULL;

	if (event->address_bytes + event->params_bytes > COMMAND_BYTES) {
		why = "envelope-size";
		event->params_bytes = 0;
		if (event->address_bytes > COMMAND_BYTES)
			event->address_bytes = COMMAND_BYTES;
	}
	if (memchr(event->address, '\0', event->address_bytes) != NULL ||
		memchr(event->params, '\0', event->params_bytes) != NULL)
		why = "envelope-nul";
	return why;
}

void message_note_command(struct engine *engine, struct session *session, bool is_mail,
	const struct smtp_event *event)
{
	struct message *message = message_building(engine, session);
	struct smtp_event cut = *event;
	struct message_entry *entry;
	const char *why;

	if (message == NULL)
		return;
	why = fit(&cut);
	entry = make_entry(engine, message, &cut);
	if (entry == NULL)
		why = "envelope-memory";
	if (message->unkeepable == NULL)
		message->unkeepable = why;
	if (entry == NULL)
		return;
	entry->next = NULL;
	entry->is_mail = is_mail;
	entry->state = ENTRY_PENDING;
	if (message->last != NULL)
		message->last->next = entry;
	else
		message->first = entry;
	message->last = entry;
}

void message_note_reply(struct session *session, bool is_mail, bool accepted)
{
	struct message *message = session->building;
	struct message_entry *entry = message != NULL ? message->first : NULL;

	while (entry != NULL && (entry->state != ENTRY_PENDING || entry->is_mail != is_mail))
		entry = entry->next;
	if (entry != NULL)
		entry->state = accepted ? ENTRY_ACCEPTED : ENTRY_REFUSED;
}

void message_note_reset(struct engine *engine, struct session *session)
{
	bool has_next = false;

	for (struct message_entry *entry = session->building->first; entry != NULL;
		entry = entry->next) {
		if (entry->state == ENTRY_PENDING)
			has_next = true;
		else
			entry->state = ENTRY_REFUSED;
	}
	if (!has_next)
		message_forget(engine, session);
}

void message_envelope(
	struct engine *engine, const struct message *message, struct message_envelope *envelope)
{
	struct message_pool *pool = engine->messages;

	*envelope = (struct message_envelope){.mail_from = "",
		.from.address = "",
		.from.params = "",
		.rcpt_to = pool->recipients,
		.held = pool->held};
	for (const struct message_entry *entry = message->first; entry != NULL;
		entry = entry->next) {
		// With BDAT the replies to MAIL and RCPT may be outstanding still.
		envelope->pending |= entry->state == ENTRY_PENDING;
		if (entry->state == ENTRY_REFUSED)
			continue;
		if (entry->is_mail) {
			envelope->mail_from = entry->address;
			envelope->from = (struct held_recipient){entry->sent, entry->params};
			envelope->count = 0;
			envelope->has_from = true;
		} else if (envelope->count < RECORD_RECIPIENTS) {
			pool->recipients[envelope->count] = entry->address;
			pool->held[envelope->count++] =
				(struct held_recipient){entry->sent, entry->params};
		} else {
			envelope->cut = true;
		}
	}
}

bool message_has_nobody(const struct message *message)
{
	bool has_from = false;
	bool has_refused = false;

	// Of what was not noted somebody may get it.
	if (message->unkeepable != NULL)
		return false;
	for (const struct message_entry *entry = message->first; entry != NULL;
		entry = entry->next) {
		if (entry->state == ENTRY_PENDING ||
			(entry->state != ENTRY_REFUSED && !entry->is_mail))
			return false;
		has_from |= entry->state != ENTRY_REFUSED;
		has_refused |= entry->state == ENTRY_REFUSED && !entry->is_mail;
	}
	return has_from && has_refused;
}

uint64_t message_declared_bytes(const struct message_envelope *envelope)
{
	const char *at = envelope->from.params;

	while (*at != '\0') {
		if (strncasecmp(at, "SIZE=", 5) == 0)
			return strtoull(at + 5, NULL, 10);
		at += strcspn(at, " \t");
		at += strspn(at, " \t");
	}
	return 0;
}
