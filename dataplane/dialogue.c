// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/deferral.h"
#include "dataplane/divert.h"
#include "dataplane/keep.h"
#include "dataplane/message.h"
#include "dataplane/policy.h"
#include "dataplane/session.h"
#include "dataplane/splice.h"
#include "dataplane/takeover.h"

#include <stdio.h>
#include <string.h>

static void note_helo(struct session *session, const struct smtp_event *event)
{
	size_t n = event->text_bytes;

	if (n > sizeof(session->helo) - 1)
		n = sizeof(session->helo) - 1;
	for (size_t i = 0; i < n; i++) {
		uint8_t c = event->text[i];

		session->helo[i] = (char)(c > ' ' && c < 0x7f ? c : '?');
	}
	session->helo[n] = '\0';
}

static void on_command(struct engine *engine, struct session *session,
	const struct smtp_event *event, uint64_t now_ns)
{
	if (session->mode == SESSION_DIVERT) {
		divert_command(engine, session, event, now_ns);
		return;
	}
	if (event->verb == SMTP_VERB_HELO || event->verb == SMTP_VERB_EHLO)
		note_helo(session, event);
	else if (event->verb == SMTP_VERB_MAIL || event->verb == SMTP_VERB_SEND ||
		 event->verb == SMTP_VERB_SOML || event->verb == SMTP_VERB_SAML)
		message_note_command(engine, session, true, event);
	else if (event->verb == SMTP_VERB_RCPT)
		message_note_command(engine, session, false, event);
	else if (event->verb == SMTP_VERB_DATA || event->verb == SMTP_VERB_BDAT)
		divert_offer(engine, session, event, now_ns);
}

static void on_mask(struct engine *engine, struct session *session, enum tcp_side side,
	const struct smtp_event *event, uint64_t now_ns)
{
	if (session->mode == SESSION_DIVERT && side == TCP_CLIENT)
		return; // it goes nowhere
	// A command that went on early, as text of a body that was to end before it, can only be kept
	// from the server with the connection: the bytes before it have not gone.
	if (stream_fill(&session->stream[side], event->from, event->to, event->fill) == 0) {
		if (event->may_stay)
			return;
		engine->counters.violations++;
		takeover_reset_both(engine, session, "masked-too-late", now_ns);
		return;
	}
	session->changed[side] = true;
	if (side == TCP_CLIENT)
		engine->counters.commands_masked += event->fill == 'X';
	else
		engine->counters.keywords_masked++;
}

// In a takeover: the message's answer, and its record.
static void give_answer(struct engine *engine, struct session *session, struct message *message,
	const char *reply, uint64_t now_ns)
{
	message->latency_ns += now_ns - message->end_ns;
	takeover_reply(engine, session, message->answered ? "" : reply, false, now_ns);
	message_report(engine, session, message,
		policy_action_name((enum policy_action)message->action), reply, now_ns);
}

static void answer_unknown(struct engine *engine, struct session *session, uint64_t now_ns)
{
	static const char reply[] = "451 4.3.2 Message not accepted now, try again later: memory";

	engine->counters.messages++;
	engine->counters.messages_unscannable++;
	engine->counters.messages_tempfailed++;
	if (session->mode == SESSION_TAKEOVER ||
		takeover_begin(engine, session, policy_action_name(POLICY_TEMPFAIL), now_ns) == 0)
		takeover_reply(engine, session, reply, false, now_ns);
}

// The message that just ended is answered by the engine, when it need not be made durable first.
static void answer(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct message *message = session->building;

	if (message == NULL) {
		answer_unknown(engine, session, now_ns);
		return;
	}
	session->building = NULL;
	if (session->mode != SESSION_TAKEOVER &&
		takeover_begin(engine, session,
			policy_action_name((enum policy_action)message->action), now_ns) != 0) {
		// Both sides were reset: the sender will try again.
		message_report(engine, session, message,
			policy_action_name((enum policy_action)message->action), "", now_ns);
		return;
	}
	if (message_is_kept(message) && session->fin_sent[TCP_SERVER]) {
		// Nothing can be said behind the server's FIN: who is not answered sends it again.
		message_report(engine, session, message, "none", "", now_ns);
		takeover_answered(engine, session, now_ns);
		return;
	}
	if (message_is_kept(message) && keep_commit(engine, message, now_ns)) {
		session->building = message;
		session->takeover->phase = TAKEOVER_STORE;
		return;
	}
	give_answer(engine, session, message, message->reply, now_ns);
}

void dialogue_kept(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct message *message = session->building;

	if (session->mode == SESSION_DIVERT) {
		divert_answer(engine, session, now_ns);
		return;
	}
	session->building = NULL;
	give_answer(engine, session, message, message->reply, now_ns);
	takeover_answered(engine, session, now_ns);
}

static bool is_sealed(const struct engine *engine)
{
	return engine->seals != NULL && engine->seals->count > 0;
}

// A message for which there was no memory, and the policy is to let such ones through.
static bool passes_unseen(struct engine *engine, struct session *session)
{
	if (session->building != NULL || is_sealed(engine) ||
		session_policy(engine, session)->unscannable != POLICY_DELIVER)
		return false;
	engine->counters.messages++;
	engine->counters.messages_unscannable++;
	engine->counters.messages_delivered++;
	return true;
}

// From this offset on the client's bytes wait, unless they have gone already. The last of them may have gone
// early, as text of a message before: then it is the last one before it that keeps the message incomplete.
static void hold_from(struct session *session, uint64_t from)
{
	session->hold = stream_last_unsent(&session->stream[TCP_CLIENT], from + 1);
}

void dialogue_wait(struct session *session, uint64_t from)
{
	if (!session->gathered)
		hold_from(session, from);
	session->deciding = true;
}

// CRLF, dot and CR, and nothing behind it yet: a server that takes CR for a line end would have a
// whole message with that CR, and a client that sends no small segment while another is under way
// (Nagle) would not send the LF before that CR is acknowledged. So the verdict is given here already.
// What is clean up to here may go; of anything else the server does not get that CR.
static void decide_early(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct message *message = session->building;
	const struct stream *stream = &session->stream[TCP_CLIENT];

	if (session->mode != SESSION_INSPECT || session->deciding ||
		smtp_undecided(&session->smtp) < 2 || stream->read < stream->next)
		return;
	if (message != NULL) {
		if (!message_decide(engine, session, now_ns)) {
			dialogue_wait(session, stream->read - 1);
			return;
		}
		if (message->action == POLICY_DELIVER)
			return;
	} else if (!is_sealed(engine) &&
		   session_policy(engine, session)->unscannable == POLICY_DELIVER) {
		return;
	}
	(void)takeover_begin(engine, session,
		message != NULL ? policy_action_name((enum policy_action)message->action)
				: policy_action_name(POLICY_TEMPFAIL),
		now_ns);
}

// The message up to end is decided: it goes on, or is answered here.
static void act_on_end(
	struct engine *engine, struct session *session, uint64_t end, uint64_t now_ns)
{
	struct message *message = session->building;

	if (message != NULL && message->action == POLICY_DELIVER) {
		message_await_reply(session, (uint16_t)(session->smtp.queue_count - 1));
		return;
	}
	if (session->mode == SESSION_TAKEOVER || session->smtp.queue_count <= 1) {
		answer(engine, session, now_ns);
		return;
	}
	// Replies to earlier commands of a pipelined group are still to come from the server: without
	// its last byte the message stays incomplete there, and they can pass.
	hold_from(session, end - 1);
	session->pending = true;
}

// One past the last byte of the message was read, none of that was forwarded yet.
static void on_message_end(struct engine *engine, struct session *session,
	const struct smtp_event *event, uint64_t now_ns)
{
	struct message *message = session->building;

	if (session->mode == SESSION_DIVERT) {
		divert_message_end(engine, session, now_ns);
		return;
	}
	if (session->mode == SESSION_INSPECT && passes_unseen(engine, session))
		return;
	if (message != NULL) {
		message->complete = true;
		if (!message_decide(engine, session, now_ns)) {
			// The CR before the last byte is the end for some servers.
			dialogue_wait(session, event->to - 2);
			return;
		}
	}
	act_on_end(engine, session, event->to, now_ns);
}

// Nobody will have this message: its verdict is of no more use.
static void lose(struct engine *engine, struct session *session, struct message *message)
{
	deferral_leave(engine, message);
	message->verdict = VERDICT_INCOMPLETE;
	message->reason = "aborted";
	session->deciding = false;
}

// The server has closed and owes replies that the client waits for.
static void server_is_gone(struct engine *engine, struct session *session, uint64_t now_ns)
{
	static const char reply[] = "421 4.4.2 Connection to the server lost";
	bool has_ended = (session->pending && !session->diverting) || session->deciding;
	struct message *message = has_ended ? session->building : NULL;

	if (message != NULL && message->deferral != NULL)
		lose(engine, session, message);
	if (message != NULL)
		session->building = NULL;
	if (takeover_begin(engine, session, "server-closed", now_ns) == 0)
		takeover_reply(engine, session, reply, true, now_ns);
	if (message != NULL)
		message_report(engine, session, message,
			policy_action_name((enum policy_action)message->action), reply, now_ns);
}

void dialogue_settle(struct engine *engine, struct session *session, uint64_t now_ns)
{
	if (session->mode != SESSION_INSPECT)
		return;
	if (session->diverting)
		divert_settle(engine, session, now_ns);
	if (session->mode != SESSION_INSPECT)
		return;
	if (session->pending && !session->diverting && session->smtp.queue_count <= 1)
		answer(engine, session, now_ns);
	else if (session->pending && session->fin_sent[TCP_SERVER])
		// The replies that are waited for will never come, and none can be given behind a FIN.
		takeover_reset_both(engine, session, "server-closed", now_ns);
	else if (session->fin[TCP_SERVER] <= session->stream[TCP_SERVER].read &&
		 !session->fin_sent[TCP_SERVER] &&
		 session_limit(session, TCP_CLIENT) < session->stream[TCP_CLIENT].next)
		server_is_gone(engine, session, now_ns);
}

void dialogue_decided(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct message *message = session->building;
	uint64_t end = session->stream[TCP_CLIENT].read;

	session->deciding = false;
	session->hold = UINT64_MAX;
	if (session->mode == SESSION_DIVERT) {
		divert_decided(engine, session, now_ns);
		return;
	}
	if (session->reset ||
		(session->mode == SESSION_TAKEOVER && session->takeover->phase != TAKEOVER_BODY)) {
		// The session came to its end meanwhile.
		session->building = NULL;
		message_report(engine, session, message, "none", "", now_ns);
	} else if (message->complete) {
		act_on_end(engine, session, end, now_ns);
	} else if (session->mode == SESSION_INSPECT && message->action != POLICY_DELIVER) {
		(void)takeover_begin(engine, session,
			policy_action_name((enum policy_action)message->action), now_ns);
	}
}

static void refuse(struct engine *engine, struct session *session, const struct smtp_event *event,
	uint64_t now_ns)
{
	if (session->building != NULL)
		message_refuse(session->building, event);
	if (session->mode != SESSION_DIVERT)
		(void)takeover_begin(engine, session, smtp_violation_name(event->why), now_ns);
}

static void on_violation(struct engine *engine, struct session *session, enum tcp_side side,
	const struct smtp_event *event, uint64_t now_ns)
{
	const struct engine_policy *policy = session_policy(engine, session);
	enum policy_newline choice = NEWLINE_REFUSE;

	engine->counters.violations++;
	if (session->mode == SESSION_TAKEOVER && !smtp_violation_is_fatal(event->why))
		return; // the message is lost to the server as it is
	if (session->mode == SESSION_DIVERT && event->why == SMTP_VIOLATION_EARLY_REFUSAL)
		return; // of a recorded server, which is not asked
	if (smtp_violation_is_fatal(event->why)) {
		const char *name = smtp_violation_name(event->why);

		if (session->building != NULL)
			session->building->reason = name;
		if (session->mode == SESSION_TAKEOVER ||
			takeover_begin(engine, session, name, now_ns) == 0)
			takeover_reply(
				engine, session, smtp_violation_reply(event->why), true, now_ns);
		return;
	}
	if (event->why == SMTP_VIOLATION_FALSE_END)
		choice =
			policy->false_end == NEWLINE_NORMALISE ? NEWLINE_NORMALISE : NEWLINE_REFUSE;
	else if (event->why == SMTP_VIOLATION_BARE_NEWLINE)
		choice = policy->bare_newline;
	// Only what has not gone out yet can be made unambiguous.
	if (choice == NEWLINE_NORMALISE && session->mode == SESSION_DIVERT)
		choice = event->why == SMTP_VIOLATION_FALSE_END ? NEWLINE_REFUSE : NEWLINE_PASS;
	if (choice == NEWLINE_NORMALISE && event->fill != 0 &&
		session->stream[side].sent <= event->from) {
		stream_fill(&session->stream[side], event->from, event->to, event->fill);
		session->changed[side] = true;
	} else if (choice != NEWLINE_PASS) {
		refuse(engine, session, event, now_ns);
	}
}

void dialogue_abort(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct message *message = session->building;

	session->building = NULL;
	session->hold = UINT64_MAX;
	session->pending = false;
	session->diverting = false;
	if (session->mode == SESSION_DIVERT) {
		session->splice->phase = SPLICE_SETTLE;
		session->splice->heard_ns = now_ns;
	}
	if (message == NULL)
		return;
	if (message->scan != NULL && !message->ended)
		message->result = scan_end(message->scan);
	message->verdict = VERDICT_INCOMPLETE;
	message->reason = "aborted";
	message_report(engine, session, message, "none", "", now_ns);
}

// What a recorded server has said to a message that was taken in says what the engine would have said, as
// far as its length allows: the recorded client counts with that.
static void replace_reply(
	struct session *session, const struct smtp_event *event, const char *reply)
{
	struct stream *stream = &session->stream[TCP_SERVER];
	size_t n = strlen(reply);

	for (size_t i = 0; i < event->text_bytes; i++)
		(void)stream_fill(stream, event->from + i, event->from + i + 1,
			(uint8_t)(i < n ? reply[i] : ' '));
	session->changed[TCP_SERVER] = true;
}

// A reply answers the oldest complete message when as many as it waited for have passed.
static void settle_ended(struct engine *engine, struct session *session,
	const struct smtp_event *event, uint64_t now_ns)
{
	struct message *first = session->ended_first;
	char reply[256];

	if (first == NULL)
		return;
	for (struct message *message = first->next; message != NULL; message = message->next) {
		if (message->replies_ahead > 0)
			message->replies_ahead--;
	}
	if (first->replies_ahead > 0) {
		first->replies_ahead--;
		return;
	}
	session->ended_first = first->next;
	if (session->ended_first == NULL)
		session->ended_last = NULL;
	if (first->diverted) {
		replace_reply(session, event, first->reply);
		message_report(engine, session, first,
			policy_action_name((enum policy_action)first->action), first->reply,
			now_ns);
		return;
	}
	policy_copy_text((const char *)event->text, event->text_bytes, reply, sizeof(reply));
	message_report(engine, session, first,
		policy_action_name((enum policy_action)first->action), reply, now_ns);
}

static void data_was_refused(struct session *session, uint64_t now_ns)
{
	session->splice->phase = SPLICE_SETTLE;
	session->splice->heard_ns = now_ns;
}

static void on_reply(struct engine *engine, struct session *session, const struct smtp_event *event,
	uint64_t now_ns)
{
	bool accepted = event->code >= 200 && event->code < 300;

	if (event->verb == SMTP_VERB_NONE)
		return;
	// Only a recorded server still answers what it was never asked.
	if (session->mode == SESSION_DIVERT && event->verb == SMTP_VERB_DATA &&
		event->code / 100 != 3)
		data_was_refused(session, now_ns);
	settle_ended(engine, session, event, now_ns);
	if (event->verb == SMTP_VERB_MAIL || event->verb == SMTP_VERB_SEND ||
		event->verb == SMTP_VERB_SOML || event->verb == SMTP_VERB_SAML)
		message_note_reply(session, true, accepted);
	else if (event->verb == SMTP_VERB_RCPT)
		message_note_reply(session, false, accepted);
	else if (accepted &&
		 (event->verb == SMTP_VERB_RSET || event->verb == SMTP_VERB_EHLO ||
			 event->verb == SMTP_VERB_HELO) &&
		 session->building != NULL && !session->building->begun)
		message_note_reset(engine, session);
}

static void on_event(struct engine *engine, struct session *session, enum tcp_side side,
	const struct smtp_event *event, uint64_t now_ns)
{
	switch (event->type) {
	case SMTP_NEED_INPUT:
	case SMTP_WAIT:
		return;
	case SMTP_COMMAND:
		on_command(engine, session, event, now_ns);
		return;
	case SMTP_MASK:
		on_mask(engine, session, side, event, now_ns);
		return;
	case SMTP_REPLY:
		on_reply(engine, session, event, now_ns);
		return;
	case SMTP_MESSAGE_BEGIN:
		message_begin(engine, session, now_ns);
		return;
	case SMTP_MESSAGE_DATA:
		message_feed(engine, session, event->text, event->text_bytes);
		return;
	case SMTP_MESSAGE_END:
		on_message_end(engine, session, event, now_ns);
		return;
	case SMTP_MESSAGE_ABORT:
		dialogue_abort(engine, session, now_ns);
		return;
	case SMTP_TLS:
		session->tls = true;
		engine->counters.tls_sessions++;
		return;
	case SMTP_VIOLATION:
		on_violation(engine, session, side, event, now_ns);
		return;
	}
}

// Gives one side's next bytes to the parser and says whether there is more to do after this event.
static bool pull_one(struct engine *engine, struct session *session, enum tcp_side side,
	struct smtp_event *event)
{
	struct stream *stream = &session->stream[side];
	const uint8_t *data = NULL;
	size_t n = session_peek(engine, session, side, &data);
	size_t used = side == TCP_CLIENT
			      ? smtp_client(&session->smtp, engine->lines, data, n, event)
			      : smtp_server(&session->smtp, engine->lines, data, n, event);

	stream_consume(stream, used);
	// A slice ends where a page or a packet does or before, and an event may be left after the last byte.
	return event->type != SMTP_WAIT &&
	       (event->type != SMTP_NEED_INPUT || stream->read < stream->next);
}

static bool reads(const struct session *session, enum tcp_side side)
{
	if (session->mode == SESSION_DIVERT)
		return side == TCP_SERVER && session->splice->recorded;
	return session->mode == SESSION_INSPECT &&
	       !(side == TCP_CLIENT && (session->pending || session->deciding));
}

// The beginning of what may be DATA waits for the rest of its line while a seal is on: once part of it has
// gone, the message could not be taken in any more.
static void hold_command(struct engine *engine, struct session *session)
{
	size_t n;

	if (session->pending || session->deciding || session->mode != SESSION_INSPECT)
		return;
	n = is_sealed(engine) ? smtp_message_command_bytes(&session->smtp) : 0;
	session->hold = n > 0 ? session->stream[TCP_CLIENT].read - n : UINT64_MAX;
	if (session->hold == session->waived)
		session->hold = UINT64_MAX;
}

void dialogue_pull(
	struct engine *engine, struct session *session, enum tcp_side side, uint64_t now_ns)
{
	struct smtp_event event;
	bool more = true;

	while (more && reads(session, side) &&
		(side == TCP_SERVER || keep_may_pass(engine, session, now_ns))) {
		more = pull_one(engine, session, side, &event);
		on_event(engine, session, side, &event, now_ns);
		// What the client sent behind a command that had to wait comes before the next reply.
		if (side == TCP_SERVER && event.type != SMTP_NEED_INPUT) {
			dialogue_settle(engine, session, now_ns);
			if (session->mode == SESSION_DIVERT)
				dialogue_pull_divert(engine, session, now_ns);
			else
				dialogue_pull(engine, session, TCP_CLIENT, now_ns);
		}
	}
	if (side == TCP_CLIENT) {
		hold_command(engine, session);
		decide_early(engine, session, now_ns);
	}
}

void dialogue_pull_rest(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct smtp_event event;
	bool more = true;

	while (more && session->mode == SESSION_TAKEOVER && !session->deciding &&
		session->takeover->phase == TAKEOVER_BODY) {
		more = pull_one(engine, session, TCP_CLIENT, &event);
		if (event.type == SMTP_MESSAGE_DATA || event.type == SMTP_MESSAGE_END ||
			event.type == SMTP_VIOLATION)
			on_event(engine, session, TCP_CLIENT, &event, now_ns);
	}
}

void dialogue_pull_own(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct smtp_event event;
	bool more = true;

	while (more && session->mode == SESSION_DIVERT) {
		more = pull_one(engine, session, TCP_SERVER, &event);
		on_event(engine, session, TCP_SERVER, &event, now_ns);
	}
}

void dialogue_pull_divert(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct smtp_event event;
	bool more = true;

	while (more && session->mode == SESSION_DIVERT && session->splice->phase == SPLICE_BODY &&
		divert_has_room(session) && keep_has_room(engine, session->building, now_ns)) {
		more = pull_one(engine, session, TCP_CLIENT, &event);
		on_event(engine, session, TCP_CLIENT, &event, now_ns);
		if (session->mode == SESSION_DIVERT && session->splice->phase == SPLICE_BODY)
			divert_swallow(engine, session);
		if (session->mode == SESSION_DIVERT && !session->splice->recorded &&
			smtp_awaits_chunk_reply(&session->smtp))
			more = divert_say(engine, session, "250 2.0.0 Ok", now_ns);
	}
	if (session->mode == SESSION_DIVERT)
		divert_answer(engine, session, now_ns);
}
