// SPDX-License-Identifier: BSD-3-Clause
#include "reassembly/smtp_private.h"

#include <assert.h>

static_assert(sizeof(struct smtp) <= 256, "idle connections are many");
static_assert(SMTP_QUEUE <= UINT8_MAX, "queue_head and queue_count are bytes");

void smtp_init(struct smtp *smtp, const struct smtp_options *options)
{
	memset(smtp, 0, sizeof(*smtp));
	smtp->options = options;
	smtp->state = STATE_COMMAND;
	smtp_queue_push(smtp, SMTP_VERB_CONNECT);
}

void smtp_queue_push(struct smtp *smtp, uint8_t entry)
{
	assert(smtp->queue_count < SMTP_QUEUE);
	smtp->queue[(smtp->queue_head + smtp->queue_count) % SMTP_QUEUE] = entry;
	smtp->queue_count++;
}

bool smtp_in_message(const struct smtp *smtp)
{
	return smtp->state == STATE_BODY || smtp->state == STATE_CHUNK;
}

bool smtp_begins_message(const struct smtp *smtp)
{
	uint32_t last = smtp->queue_head + smtp->queue_count - 1u;

	if (smtp->queue_count == 0)
		return false;
	return (smtp->flags & FLAG_CLIENT_BEGIN) != 0 ||
	       smtp->queue[last % SMTP_QUEUE] == SMTP_VERB_DATA;
}

bool smtp_awaits_chunk_reply(const struct smtp *smtp)
{
	return smtp->state == STATE_COMMAND && smtp->queue_count == 1 &&
	       smtp->queue[smtp->queue_head] == SMTP_VERB_BDAT;
}

size_t smtp_undecided(const struct smtp *smtp)
{
	if (smtp->state != STATE_BODY)
		return 0;
	if (smtp->body == BODY_DOT_CR)
		return 2;
	return smtp->body == BODY_DOT || smtp->body == BODY_ODD_DOT ? 1 : 0;
}

bool smtp_emit_violation(
	struct smtp_reader *reader, enum smtp_violation why, uint64_t from, uint64_t to)
{
	reader->event->why = why;
	if (smtp_violation_is_fatal(why)) {
		reader->smtp->state = STATE_DEAD;
		reader->smtp->reply_state = REPLY_DEAD;
		reader->smtp->flags &= ~(FLAG_CLIENT_LATER | FLAG_SERVER_LATER);
	}
	return smtp_emit(reader, SMTP_VIOLATION, from, to);
}

const char *smtp_violation_name(enum smtp_violation why)
{
	static const char *const names[] = {
		[SMTP_VIOLATION_FALSE_END] = "false-end",
		[SMTP_VIOLATION_BARE_NEWLINE] = "bare-newline",
		[SMTP_VIOLATION_LONG_LINE] = "long-line",
		[SMTP_VIOLATION_EARLY_REFUSAL] = "early-refusal",
		[SMTP_VIOLATION_LONG_COMMAND] = "long-command",
		[SMTP_VIOLATION_BAD_BDAT] = "bad-bdat",
		[SMTP_VIOLATION_DATA_AFTER_BDAT] = "data-after-bdat",
		[SMTP_VIOLATION_UNSOLICITED_REPLY] = "unsolicited-reply",
		[SMTP_VIOLATION_FALSE_354] = "false-354",
		[SMTP_VIOLATION_BAD_REPLY] = "bad-reply",
		[SMTP_VIOLATION_INJECTED_BEFORE_TLS] = "injected-before-tls",
		[SMTP_VIOLATION_NOT_TLS] = "not-tls",
		[SMTP_VIOLATION_NO_MEMORY] = "no-memory",
	};

	return names[why];
}

const char *smtp_violation_reply(enum smtp_violation why)
{
	static const char *const replies[] = {
#define X(name, fatal, reply, help) [SMTP_VIOLATION_##name] = (reply),
		SMTP_VIOLATIONS(X)
#undef X
	};

	return replies[why];
}

bool smtp_violation_is_fatal(enum smtp_violation why)
{
	static const bool is_fatal[] = {
#define X(name, fatal, reply, help) [SMTP_VIOLATION_##name] = (fatal),
		SMTP_VIOLATIONS(X)
#undef X
	};

	return is_fatal[why];
}

const char *smtp_verb_name(enum smtp_verb verb)
{
	static const char *const names[] = {[SMTP_VERB_NONE] = "",
		[SMTP_VERB_CONNECT] = "connect",
		[SMTP_VERB_UNKNOWN] = "unknown",
		[SMTP_VERB_AUTH_DATA] = "auth-data",
		[SMTP_VERB_END_OF_DATA] = "end-of-data",
#define X(name) [SMTP_VERB_##name] = #name,
		SMTP_VERBS(X)
#undef X
	};

	return verb == SMTP_VERB_XLINK2STATE ? "X-LINK2STATE" : names[verb];
}
