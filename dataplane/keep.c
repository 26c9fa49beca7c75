// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/keep.h"

#include "dataplane/policy.h"

#include <errno.h>
#include <stdio.h>

#define TICK_MESSAGES 16 // that are looked at in one turn of the loop

static bool is_kept_by(enum policy_action action)
{
	return action == POLICY_QUARANTINE || action == POLICY_HOLD;
}

static bool keeps(const struct engine_policy *policy)
{
	return is_kept_by(policy->infected) || is_kept_by(policy->suspect) ||
	       is_kept_by(policy->unscannable);
}

static void describe(struct engine *engine, const struct message *message,
	const struct message_envelope *envelope, struct held_mail *mail)
{
	const struct session *session = message->session;
	const struct scan_result *scan = message->result;

	*mail = (struct held_mail){
		.link = session->flow.key.link,
		.direction =
			session->client_at == LINK_OUTSIDE ? DIRECTION_INBOUND : DIRECTION_OUTBOUND,
		.address = session_address(session),
		.session = session->id,
		.message = message->number,
		.helo = session->helo,
		.mail_from = envelope->from.address,
		.mail_params = envelope->from.params,
		.rcpt_to = envelope->held,
		.rcpt_to_count = envelope->count,
		.quarantine = message->action == POLICY_QUARANTINE,
		.verdict = (enum verdict)message->verdict,
		.reason = message->reason,
		.signature =
			scan != NULL && scan->matches_count > 0 ? scan->matches[0].signature : "",
		.seal_mode = seal_mode_name((enum seal_mode)message->seal_mode),
		.virus_id = message->virus_id,
		.scan = scan,
		.bytes = message->bytes,
		.ruleset = message_ruleset(engine, message),
	};
}

void keep_begin(struct engine *engine, struct session *session, struct message *message)
{
	const struct engine_spool *spool = engine->ops.spool;
	struct message_envelope envelope;
	struct held_mail mail;

	if (spool == NULL || message->unkeepable ||
		!(message->diverted || engine->options.capture ||
			keeps(session_policy(engine, session))))
		return;
	message_envelope(engine, message, &envelope);
	// In a pipelined group of chunks nobody has said yet who will get it.
	if (envelope.cut || envelope.pending || !envelope.has_from || envelope.count == 0)
		return;
	describe(engine, message, &envelope, &mail);
	mail.time_ns = message->begin_ns;
	message->copy = spool->begin(spool->ctx, &mail);
}

void keep_feed(struct engine *engine, struct message *message, const uint8_t *data, size_t n)
{
	const struct engine_spool *spool = engine->ops.spool;

	if (message->copy != NULL && spool->append(spool->ctx, message->copy, data, n) != 0)
		message->copy = NULL;
}

bool keep_is_possible(const struct message *message)
{
	return message->copy != NULL && !message->unkeepable;
}

static void wait(struct engine *engine, struct message *message)
{
	struct message *first = engine->waiting;

	if (first == NULL) {
		message->wait_next = message;
		message->wait_previous = message;
		engine->waiting = message;
		return;
	}
	message->wait_next = first;
	message->wait_previous = first->wait_previous;
	message->wait_previous->wait_next = message;
	first->wait_previous = message;
}

static void wait_no_more(struct engine *engine, struct message *message)
{
	if (message->wait_next == NULL)
		return;
	if (engine->waiting == message)
		engine->waiting = message->wait_next == message ? NULL : message->wait_next;
	message->wait_previous->wait_next = message->wait_next;
	message->wait_next->wait_previous = message->wait_previous;
	message->wait_next = NULL;
	message->wait_previous = NULL;
}

static void fail(struct engine *engine, struct message *message)
{
	engine->counters.spool_failures++;
	message->action = POLICY_TEMPFAIL;
	message->reason = "spool";
	policy_reply(POLICY_TEMPFAIL, (enum verdict)message->verdict, message->reason,
		message->reply, sizeof(message->reply));
}

bool keep_commit(struct engine *engine, struct message *message, uint64_t now_ns)
{
	const struct engine_spool *spool = engine->ops.spool;
	struct message_envelope envelope;
	struct held_mail mail;

	if (keep_is_possible(message)) {
		message_envelope(engine, message, &envelope);
		describe(engine, message, &envelope, &mail);
		mail.time_ns = now_ns;
		if (spool->commit(spool->ctx, message->copy, &mail) == 0) {
			wait(engine, message);
			return true;
		}
		message->copy = NULL;
	}
	fail(engine, message);
	return false;
}

void keep_drop(struct engine *engine, struct message *message)
{
	const struct engine_spool *spool = engine->ops.spool;

	wait_no_more(engine, message);
	if (message->copy != NULL)
		spool->abort(spool->ctx, message->copy);
	message->copy = NULL;
}

static void tell(struct engine *engine, const struct message *message, uint64_t now_ns)
{
	struct message_envelope envelope;
	struct held_mail mail;
	struct hold_record record = {&mail, message->record};

	if (engine->ops.hold == NULL)
		return;
	message_envelope(engine, message, &envelope);
	describe(engine, message, &envelope, &mail);
	mail.time_ns = now_ns;
	engine->ops.hold(engine->ops.ctx, &record);
}

void keep_tick(struct engine *engine, uint64_t now_ns)
{
	const struct engine_spool *spool = engine->ops.spool;

	for (int i = 0; i < TICK_MESSAGES && engine->waiting != NULL; i++) {
		struct message *message = engine->waiting;
		int err = spool->poll(spool->ctx, message->copy, message->record);

		engine->waiting = message->wait_next;
		if (err == -EINPROGRESS)
			continue;
		message->copy = NULL;
		wait_no_more(engine, message);
		if (err == 0)
			tell(engine, message, now_ns);
		else
			fail(engine, message);
		dialogue_kept(engine, message->session, now_ns);
	}
}
