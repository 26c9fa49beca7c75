// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/message.h"

#include "dataplane/deferral.h"
#include "dataplane/policy.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define RECORD_RECIPIENTS 4096 // in one record; more are counted by nobody, SMTP servers take 1000

struct message_block {
	struct message_block *next;
	uint32_t used; // of bytes
	uint8_t bytes[MESSAGE_BLOCK_BYTES - 16] __attribute__((aligned(8)));
};

static_assert(sizeof(struct message_block) == MESSAGE_BLOCK_BYTES, "blocks fill their stride");
static_assert(sizeof(struct message) + 64 < sizeof(((struct message_block *)0)->bytes),
	"a message and a short address fit into the first block");

struct message_pool {
	struct message_block *free;
	const char *recipients[RECORD_RECIPIENTS]; // of the record being written
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

static void message_drop_scan(struct message *message)
{
	if (message->deferral != NULL)
		deferral_leave(message);
	else if (message->scan != NULL)
		scan_free(message->scan);
	message->scan = NULL;
	message->result = NULL;
}

static void message_free(struct engine *engine, struct message *message)
{
	struct message_block *block = message->blocks;

	message_drop_scan(message);
	while (block != NULL) {
		struct message_block *next = block->next;

		block->next = engine->messages->free;
		engine->messages->free = block;
		block = next;
	}
}

// The transaction that is being put together, made when there is none. NULL: no memory.
static struct message *building(struct engine *engine, struct session *session)
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

void message_note_command(struct engine *engine, struct session *session, bool is_mail,
	const uint8_t *address, size_t n)
{
	struct message *message = building(engine, session);
	struct message_entry *entry;

	if (message == NULL)
		return;
	if (n > 512)
		n = 512; // RFC 5321 section 4.5.3.1.3 allows 256; what is longer is cut in the record alone
	entry = block_take(message->blocks, sizeof(*entry) + n + 1);
	if (entry == NULL) {
		struct message_block *block = block_get(engine->messages);

		if (block == NULL)
			return;
		block->next = message->blocks;
		message->blocks = block;
		entry = block_take(block, sizeof(*entry) + n + 1);
	}
	entry->next = NULL;
	entry->is_mail = is_mail;
	entry->state = ENTRY_PENDING;
	copy_text(entry->address, address, n);
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

void message_forget(struct engine *engine, struct session *session)
{
	if (session->building != NULL)
		message_free(engine, session->building);
	session->building = NULL;
}

void message_begin(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct message *message = building(engine, session);

	session->messages++;
	if (message == NULL)
		return;
	message->begun = true;
	message->begin_ns = now_ns;
	message->number = session->messages;
	if (scan_begin(engine->scanner, SCAN_MESSAGE, &message->scan) != 0)
		message->scan = NULL;
}

void message_feed(struct session *session, const uint8_t *data, size_t n)
{
	struct message *message = session->building;

	if (message == NULL)
		return;
	message->bytes += n;
	if (message->scan != NULL && !message->ended)
		scan_feed(message->scan, data, n);
}

// What the message was begun on: not always what is in force by now.
static const struct scanner *scanner_of(const struct engine *engine, const struct message *message)
{
	return message->scan != NULL ? scan_get_scanner(message->scan) : engine->scanner;
}

// Verdict and reason, before any policy.
static void judge(struct message *message)
{
	static const char *const late[] = {
		[MESSAGE_NOT_BEGUN] = "busy",
		[MESSAGE_TOOK_TOO_LONG] = "limit-time",
	};

	message->verdict = VERDICT_UNSCANNABLE;
	message->reason = message->outdated ? "rules-changed" : "memory";
	if (message->scan != NULL) {
		message->result = scan_end(message->scan);
		message->verdict = (uint8_t)message->result->verdict;
		message->reason = message->result->reason;
	}
	if (message->late == MESSAGE_IN_TIME || message->outdated ||
		message->verdict == VERDICT_INFECTED)
		return;
	message->verdict =
		message->late == MESSAGE_NOT_BEGUN ? VERDICT_UNSCANNABLE : VERDICT_SUSPECT;
	message->reason = late[message->late];
}

static void decide(struct engine *engine, struct session *session)
{
	struct message *message = session->building;
	const char *detail;

	judge(message);
	if (message->refused) {
		if (message->verdict != VERDICT_INFECTED) {
			message->verdict = VERDICT_SUSPECT;
			message->reason = message->refusal;
		}
		return;
	}
	message->action = (uint8_t)policy_decide(
		session_policy(engine, session), (enum verdict)message->verdict);
	// Nothing passes on rules that others have replaced meanwhile: the sender comes again.
	if (message->outdated || (message->action == POLICY_DELIVER &&
					 scanner_of(engine, message) != engine->scanner)) {
		message->verdict = VERDICT_UNSCANNABLE;
		message->reason = "rules-changed";
		message->action = POLICY_TEMPFAIL;
	}
	detail = message->reason;
	if (message->verdict == VERDICT_INFECTED && message->result->matches_count > 0)
		detail = message->result->matches[0].signature;
	policy_reply((enum policy_action)message->action, (enum verdict)message->verdict, detail,
		message->reply, sizeof(message->reply));
}

static uint64_t clock_ns(const struct engine *engine)
{
	return engine->ops.clock_ns != NULL ? engine->ops.clock_ns(engine->ops.ctx) : 0;
}

// Whether another thread has something to do for the verdict, and was given it.
static bool has_deferred(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct message *message = session->building;

	if (message->scan == NULL || !engine->options.scan.has_helper || scan_finish(message->scan))
		return false;
	// What is refused anyway is not worth the work.
	if (!message->refused && deferral_begin(engine, session, now_ns))
		return true;
	(void)scan_cancel(message->scan);
	message->late = MESSAGE_NOT_BEGUN;
	return false;
}

bool message_decide(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct message *message = session->building;
	uint64_t began_ns = clock_ns(engine);

	if (message->ended)
		return message->deferral == NULL;
	message->ended = true;
	message->end_ns = now_ns;
	if (has_deferred(engine, session, now_ns))
		return false;
	decide(engine, session);
	message->latency_ns = clock_ns(engine) - began_ns;
	return true;
}

void message_conclude(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct message *message = session->building;

	decide(engine, session);
	// An end that was decided early is no end yet: its waiting is not what is counted here.
	message->latency_ns += now_ns - message->end_ns;
	message->end_ns = now_ns;
}

void message_outdate(struct message *message)
{
	if (message->deferral != NULL)
		message->deferral->deadline_ns = 0;
	else
		message_drop_scan(message);
	message->outdated = true;
}

void message_refuse(struct message *message, const char *reason, const char *reply)
{
	message->refused = true;
	if (message->ended && message->verdict != VERDICT_INFECTED)
		message->verdict = VERDICT_SUSPECT;
	message->action = POLICY_REJECT;
	message->refusal = reason;
	message->reason = reason;
	(void)snprintf(message->reply, sizeof(message->reply), "%s", reply);
}

void message_await_reply(struct session *session, uint16_t replies_ahead)
{
	struct message *message = session->building;

	session->building = NULL;
	message->replies_ahead = replies_ahead;
	message->next = NULL;
	if (session->ended_last != NULL)
		session->ended_last->next = message;
	else
		session->ended_first = message;
	session->ended_last = message;
}

static void count(struct engine *engine, const struct message *message, const char *action)
{
	struct counters *counters = &engine->counters;
	uint64_t *by_verdict[] = {
		[VERDICT_CLEAN] = &counters->messages_clean,
		[VERDICT_INFECTED] = &counters->messages_infected,
		[VERDICT_SUSPECT] = &counters->messages_suspect,
		[VERDICT_UNSCANNABLE] = &counters->messages_unscannable,
		[VERDICT_INCOMPLETE] = &counters->messages_incomplete,
	};

	counters->messages++;
	counters->message_bytes += message->bytes;
	++*by_verdict[message->verdict];
	if (strcmp(action, "deliver") == 0)
		counters->messages_delivered++;
	else if (strcmp(action, "reject") == 0)
		counters->messages_rejected++;
	else if (strcmp(action, "tempfail") == 0)
		counters->messages_tempfailed++;
	else if (strcmp(action, "discard") == 0)
		counters->messages_discarded++;
}

// Accepted recipients into the pool's table; sets *from to the sender that was accepted last.
static size_t recipients(struct engine *engine, const struct message *message, const char **from)
{
	size_t n = 0;

	*from = "";
	for (const struct message_entry *entry = message->first; entry != NULL;
		entry = entry->next) {
		// With BDAT the replies to MAIL and RCPT may be outstanding still.
		if (entry->state == ENTRY_REFUSED)
			continue;
		if (entry->is_mail) {
			*from = entry->address;
			n = 0;
		} else if (n < RECORD_RECIPIENTS) {
			engine->messages->recipients[n++] = entry->address;
		}
	}
	return n;
}

void message_report(struct engine *engine, struct session *session, struct message *message,
	const char *action, const char *reply, uint64_t now_ns)
{
	const struct flow_key *key = &session->flow.key;
	struct mail_record record = {
		.time_ns = now_ns,
		.link = key->link,
		.direction =
			session->client_at == LINK_OUTSIDE ? DIRECTION_INBOUND : DIRECTION_OUTBOUND,
		.address = session_address(session),
		.session = session->id,
		.message = message->number,
		.helo = session->helo,
		.rcpt_to = engine->messages->recipients,
		.rcpt_to_count = recipients(engine, message, &record.mail_from),
		.action = action,
		.reply = reply,
		.verdict = (enum verdict)message->verdict,
		.reason = message->reason,
		.scan = message->result,
		.bytes = message->bytes,
		.ruleset =
			ruleset_get_info(scanner_get_ruleset(scanner_of(engine, message)))->version,
		.latency_ns = message->latency_ns,
	};

	count(engine, message, action);
	if (engine->ops.mail != NULL)
		engine->ops.mail(engine->ops.ctx, &record);
	message_free(engine, message);
}

void message_abandon(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct message *message = session->ended_first;

	// These went to the server whole; its answer was never seen.
	while (message != NULL) {
		struct message *next = message->next;

		message_report(engine, session, message,
			policy_action_name((enum policy_action)message->action), "", now_ns);
		message = next;
	}
	session->ended_first = NULL;
	session->ended_last = NULL;
	message = session->building;
	session->building = NULL;
	session->deciding = false;
	if (message == NULL)
		return;
	if (!message->begun) {
		message_free(engine, message);
		return;
	}
	if (!message->complete || message->deferral != NULL) {
		if (message->deferral != NULL)
			deferral_leave(message);
		if (message->scan != NULL && !message->ended)
			message->result = scan_end(message->scan);
		message->verdict = VERDICT_INCOMPLETE;
		message->reason = message->reason[0] != '\0' ? message->reason : "aborted";
	}
	message_report(engine, session, message, "none", "", now_ns);
}
