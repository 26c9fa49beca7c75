// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/keep.h"

#include "dataplane/divert.h"
#include "dataplane/policy.h"
#include "dataplane/splice.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_S 1000000000ull
#define TICK_MESSAGES 16    // that are looked at in one turn of the loop
#define LEAST_BYTES 8192u   // of room, to read on: more than one reading gives
#define RESUME_BYTES 65536u // of room, to go on after waiting
#define WINDOW_BYTES 16384u // the smallest that is opened

static bool is_kept_by(enum policy_action action)
{
	return action == POLICY_QUARANTINE || action == POLICY_HOLD;
}

static bool keeps(const struct engine_policy *policy)
{
	return is_kept_by(policy->infected) || is_kept_by(policy->suspect) ||
	       is_kept_by(policy->encrypted_mail) || is_kept_by(policy->screening) ||
	       is_kept_by(policy->unscannable);
}

static void describe(struct engine *engine, const struct message *message,
	const struct message_envelope *envelope, struct held_mail *mail)
{
	const struct session *session = message->session;
	const struct scan_result *scan = message->result;
	const struct scan_match *match = scan != NULL ? scan_leading_match(scan) : NULL;

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
		.signature = match != NULL ? match->signature : "",
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

	if (spool == NULL || message->unkeepable != NULL ||
		!(message->diverted || engine->options.capture ||
			keeps(session_policy(engine, session))))
		return;
	message_envelope(engine, message, &envelope);
	if (envelope.cut)
		message->unkeepable = "envelope-recipients";
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
	return message->copy != NULL && message->unkeepable == NULL;
}

static void wait_for(struct engine *engine, struct message *message, enum message_wait what)
{
	struct message *first = engine->waiting;

	message->waits = (uint8_t)what;
	if (message->wait_next != NULL)
		return;
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
	message->waits = MESSAGE_WAITS_FOR_NOTHING;
	if (message->wait_next == NULL)
		return;
	if (engine->waiting == message)
		engine->waiting = message->wait_next == message ? NULL : message->wait_next;
	message->wait_previous->wait_next = message->wait_next;
	message->wait_next->wait_previous = message->wait_previous;
	message->wait_next = NULL;
	message->wait_previous = NULL;
}

// ---- room ----------------------------------------------------------------------------------------

// Where it has to begin waiting it waits for more than a little: windows that open by a few bytes are silly
// (RFC 9293 section 3.8.6.2.2).
static bool is_roomy(const struct engine *engine, const struct message *message)
{
	const struct engine_spool *spool = engine->ops.spool;
	bool waits = message->waits != MESSAGE_WAITS_FOR_NOTHING;

	return spool->room(spool->ctx, message->copy) >= (waits ? RESUME_BYTES : LEAST_BYTES);
}

static bool took_too_long(
	const struct engine *engine, const struct message *message, uint64_t now_ns)
{
	return now_ns - message->waits_ns >= engine->options.room_seconds * NS_PER_S;
}

static void wait_for_room(
	struct engine *engine, struct message *message, enum message_wait what, uint64_t now_ns)
{
	if (message->waits == MESSAGE_WAITS_FOR_NOTHING) {
		message->waits_ns = now_ns;
		engine->counters.spool_waits++;
	}
	wait_for(engine, message, what);
}

bool keep_has_room(struct engine *engine, struct message *message, uint64_t now_ns)
{
	if (message == NULL || message->copy == NULL)
		return true;
	if (message->waits == MESSAGE_WAITS_FOR_NOTHING && is_roomy(engine, message))
		return true;
	wait_for_room(engine, message, MESSAGE_WAITS_FOR_ROOM, now_ns);
	return false;
}

bool keep_may_pass(struct engine *engine, struct session *session, uint64_t now_ns)
{
	return session->building == NULL || !session->building->begun ||
	       session->mode != SESSION_INSPECT || engine->seals == NULL ||
	       engine->seals->count == 0 || keep_has_room(engine, session->building, now_ns);
}

bool keep_can_begin(struct engine *engine, struct message *message, uint64_t now_ns)
{
	if (engine->ops.spool == NULL || is_roomy(engine, message) ||
		(message->waits == MESSAGE_WAITS_TO_BEGIN &&
			took_too_long(engine, message, now_ns))) {
		wait_no_more(engine, message);
		return true;
	}
	wait_for_room(engine, message, MESSAGE_WAITS_TO_BEGIN, now_ns);
	return false;
}

uint32_t keep_window(const struct engine *engine, const struct message *message, uint32_t most)
{
	const struct engine_spool *spool = engine->ops.spool;
	size_t room;

	if (message == NULL || message->copy == NULL)
		return most;
	if (message_waits_for_room(message))
		return 0;
	// All that are taken in share it. What they send is less, and what does not fit after all waits.
	room = spool->room(spool->ctx, message->copy) / (splice_pool_used(engine->splices) + 1);
	if (room < WINDOW_BYTES)
		room = WINDOW_BYTES;
	return room < most ? (uint32_t)room : most;
}

static void fail(struct engine *engine, struct message *message)
{
	engine->counters.spool_failures++;
	message->action = POLICY_TEMPFAIL;
	message->reason = keep_obstacle(message);
	policy_reply(POLICY_TEMPFAIL, (enum verdict)message->verdict, message->reason,
		message->reply, sizeof(message->reply));
}

// Returns 0, -EAGAIN, or why it cannot be kept.
static int commit(struct engine *engine, struct message *message, uint64_t now_ns)
{
	const struct engine_spool *spool = engine->ops.spool;
	struct message_envelope envelope;
	struct held_mail mail;
	int err;

	message_envelope(engine, message, &envelope);
	describe(engine, message, &envelope, &mail);
	mail.time_ns = now_ns;
	err = spool->commit(spool->ctx, message->copy, &mail);
	if (err != 0 && err != -EAGAIN)
		message->copy = NULL;
	return err;
}

bool keep_commit(struct engine *engine, struct message *message, uint64_t now_ns)
{
	int err = keep_is_possible(message) ? commit(engine, message, now_ns) : -ENOENT;

	if (err == 0) {
		wait_for(engine, message, MESSAGE_WAITS_TO_BE_KEPT);
		return true;
	}
	if (err == -EAGAIN) {
		wait_for_room(engine, message, MESSAGE_WAITS_TO_COMMIT, now_ns);
		return true;
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

	if (strcmp(message->reason, "alert") == 0)
		engine->counters.alerts_kept++;
	if (engine->ops.hold == NULL)
		return;
	message_envelope(engine, message, &envelope);
	describe(engine, message, &envelope, &mail);
	mail.time_ns = now_ns;
	engine->ops.hold(engine->ops.ctx, &record);
}

static void give_up_copy(struct engine *engine, struct message *message)
{
	const struct engine_spool *spool = engine->ops.spool;

	wait_no_more(engine, message);
	engine->counters.spool_waits_lost++;
	spool->abort(spool->ctx, message->copy);
	message->copy = NULL;
}

static void pass_on(struct engine *engine, struct session *session, uint64_t now_ns)
{
	dialogue_pull(engine, session, TCP_CLIENT, now_ns);
	dialogue_settle(engine, session, now_ns);
	if (session->mode == SESSION_INSPECT)
		session_flush(engine, session);
}

// A body goes on, with its copy or without.
static void look_for_room(struct engine *engine, struct message *message, uint64_t now_ns)
{
	struct session *session = message->session;
	bool is_there = is_roomy(engine, message);

	if (!is_there && !took_too_long(engine, message, now_ns))
		return;
	if (is_there)
		wait_no_more(engine, message);
	else
		give_up_copy(engine, message);
	if (session->mode == SESSION_DIVERT)
		divert_go_on(engine, session, now_ns);
	else
		pass_on(engine, session, now_ns);
}

static void look_to_begin(struct engine *engine, struct message *message, uint64_t now_ns)
{
	struct session *session = message->session;

	if (!session->diverting) {
		wait_no_more(engine, message);
		return;
	}
	dialogue_settle(engine, session, now_ns);
	if (session->mode == SESSION_INSPECT && !session->diverting)
		pass_on(engine, session, now_ns);
}

static void try_commit(struct engine *engine, struct message *message, uint64_t now_ns)
{
	int err = commit(engine, message, now_ns);

	if (err == 0) {
		wait_for(engine, message, MESSAGE_WAITS_TO_BE_KEPT);
		return;
	}
	if (err == -EAGAIN && !took_too_long(engine, message, now_ns))
		return;
	if (err == -EAGAIN)
		give_up_copy(engine, message);
	wait_no_more(engine, message);
	fail(engine, message);
	dialogue_kept(engine, message->session, now_ns);
}

static void ask(struct engine *engine, struct message *message, uint64_t now_ns)
{
	const struct engine_spool *spool = engine->ops.spool;
	int err = spool->poll(spool->ctx, message->copy, message->record);

	if (err == -EINPROGRESS)
		return;
	message->copy = NULL;
	wait_no_more(engine, message);
	if (err == 0)
		tell(engine, message, now_ns);
	else
		fail(engine, message);
	dialogue_kept(engine, message->session, now_ns);
}

void keep_tick(struct engine *engine, uint64_t now_ns)
{
	for (int i = 0; i < TICK_MESSAGES && engine->waiting != NULL; i++) {
		struct message *message = engine->waiting;

		engine->waiting = message->wait_next;
		switch ((enum message_wait)message->waits) {
		case MESSAGE_WAITS_TO_BEGIN:
			look_to_begin(engine, message, now_ns);
			break;
		case MESSAGE_WAITS_FOR_ROOM:
			look_for_room(engine, message, now_ns);
			break;
		case MESSAGE_WAITS_TO_COMMIT:
			try_commit(engine, message, now_ns);
			break;
		case MESSAGE_WAITS_TO_BE_KEPT:
			ask(engine, message, now_ns);
			break;
		case MESSAGE_WAITS_FOR_NOTHING:
			break;
		}
	}
}
