// SPDX-License-Identifier: BSD-3-Clause
// The envelope of a message, and the blocks that it stands in.
#include "dataplane/message.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_RECIPIENTS 4096 // in one record; more are counted by nobody, SMTP servers take 1000
// What is kept of a command. RFC 5321 section 4.5.3.1.3 allows 256 bytes for a path, the extensions some
// 600 for all parameters (RFC 3461 section 4, RFC 4954 section 5); what is longer is cut in the record, and
// such a message is not taken into the spool.
#define ADDRESS_BYTES 256
#define PARAMS_BYTES 400

struct message_block {
	struct message_block *next;
	uint32_t used; // of bytes
	uint8_t bytes[MESSAGE_BLOCK_BYTES - 16] __attribute__((aligned(8)));
};

static_assert(sizeof(struct message_block) == MESSAGE_BLOCK_BYTES, "blocks fill their stride");
static_assert(sizeof(struct message) + 64 < sizeof(((struct message_block *)0)->bytes),
	"a message and a short address fit into the first block");
static_assert(sizeof(struct message_entry) + 2 * (ADDRESS_BYTES + 1ul) + PARAMS_BYTES + 1 + 7 <
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

// Copies an address; what is not UTF-8 is replaced by '?' byte by byte.
static void copy_text(char *out, const uint8_t *text, size_t n)
{
	size_t i = 0;

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

static void fill_entry(struct message_entry *entry, const struct smtp_event *event, size_t n)
{
	char *at = entry->address;
	size_t params = event->params_bytes;

	while (params > 0 &&
		(event->params[params - 1] == ' ' || event->params[params - 1] == '\t'))
		params--;
	copy_text(at, event->address, n);
	entry->sent = at;
	at += strlen(at) + 1;
	if (strlen(entry->address) != n || memcmp(entry->address, event->address, n) != 0) {
		entry->sent = at;
		at = copy_raw(at, event->address, n);
	}
	entry->params = at;
	(void)copy_raw(at, event->params, params);
}

void message_note_command(struct engine *engine, struct session *session, bool is_mail,
	const struct smtp_event *event)
{
	struct message *message = message_building(engine, session);
	struct smtp_event cut = *event;
	struct message_entry *entry;

	if (message == NULL)
		return;
	if (memchr(event->address, '\0', event->address_bytes) != NULL ||
		memchr(event->params, '\0', event->params_bytes) != NULL)
		message->unkeepable = true;
	if (event->address_bytes > ADDRESS_BYTES || event->params_bytes > PARAMS_BYTES) {
		message->unkeepable = true;
		cut.params_bytes = 0;
		if (cut.address_bytes > ADDRESS_BYTES)
			cut.address_bytes = ADDRESS_BYTES;
	}
	entry = take(engine, message,
		sizeof(*entry) + 2 * (cut.address_bytes + 1) + cut.params_bytes + 1);
	if (entry == NULL) {
		message->unkeepable = true;
		return;
	}
	entry->next = NULL;
	entry->is_mail = is_mail;
	entry->state = ENTRY_PENDING;
	fill_entry(entry, &cut, cut.address_bytes);
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
