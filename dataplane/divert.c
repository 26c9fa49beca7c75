// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/divert.h"

#include "dataplane/keep.h"
#include "dataplane/message.h"
#include "dataplane/policy.h"
#include "dataplane/splice.h"
#include "dataplane/takeover.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_S 1000000000ull
#define BODY_NS (600 * NS_PER_S)  // for the client's next bytes (RFC 5321 section 4.5.3.2)
#define SETTLE_NS (30 * NS_PER_S) // for the server's replies, once the message is whole
// A server that hears nothing for five minutes closes (RFC 5321 section 4.5.3.2.7); many NOOPs look like
// abuse to it.
#define NOOP_NS (120 * NS_PER_S)
#define NOOPS_MAX 40
#define LINE_BYTES 300
#define INHERIT_BYTES (SENDER_BYTES - 2 * LINE_BYTES) // the rest is for what the engine has to say
#define TICK_SESSIONS 8

static const char reset_command[] = "RSET\r\n";
static const char noop_command[] = "NOOP\r\n";
static const char quit_command[] = "QUIT\r\n";

// ---- beginning ----------------------------------------------------------------------------------

static void let_go(struct session *session)
{
	session->hold = UINT64_MAX;
	session->pending = false;
	session->diverting = false;
}

void divert_offer(struct engine *engine, struct session *session, const struct smtp_event *event,
	uint64_t now_ns)
{
	const struct message *message = session->building;
	struct seal_decision seal;

	if (engine->seals == NULL || engine->seals->count == 0 || message == NULL ||
		message->begun || !smtp_begins_message(&session->smtp))
		return;
	// Part of the command has gone on, or of what stands behind it, early, while a message before it was
	// not read to its end: the server would take these bytes for others with their numbers. So the
	// message is judged at its end.
	if (stream_has_sent_behind(&session->stream[TCP_CLIENT], event->from))
		return;
	message_ask_seals(engine, session, message, &seal);
	if (seal.mode == SEAL_OPEN)
		return;
	session->hold = event->from;
	session->pending = true;
	session->diverting = true;
	divert_settle(engine, session, now_ns);
}

enum readiness { READY, WAITING, NEVER };

static enum readiness readiness(
	struct engine *engine, struct session *session, struct seal_decision *seal, uint64_t now_ns)
{
	const struct stream *client = &session->stream[TCP_CLIENT];
	const struct stream *server = &session->stream[TCP_SERVER];
	struct message_envelope envelope;

	if (session->fin[TCP_SERVER] <= server->read || session->building == NULL)
		return NEVER;
	if (session->smtp.queue_count > 1)
		return WAITING;
	message_envelope(engine, session->building, &envelope);
	if (!envelope.has_from || envelope.count == 0)
		return NEVER; // the server refuses it itself
	message_ask_seals(engine, session, session->building, seal);
	if (seal->mode == SEAL_OPEN)
		return NEVER;
	if (client->released < session->hold)
		return WAITING;
	// A recorded server was told what follows, and may have answered it in the same segment.
	if (engine->options.recorded)
		return READY;
	if (server->read != server->end || server->next - server->released > INHERIT_BYTES)
		return WAITING;
	if (!(seal->mode == SEAL_TEMPFAIL && seal->certain) &&
		!keep_can_begin(engine, session->building, now_ns))
		return WAITING;
	return READY;
}

// What the server has said and the client has not acknowledged is the engine's to deliver now; what was
// forwarded once only when nothing is heard of it. All of it counts as sent: the engine's acknowledgements
// stand behind it, for a client that has it drops whatever has a lower number.
static void inherit(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct stream *stream = &session->stream[TCP_SERVER];
	struct sender *sender = &session->splice->client;
	size_t n = (size_t)(stream->next - stream->released);
	uint8_t bytes[INHERIT_BYTES];

	sender_init(sender, tcp_seq_of(&session->tcp, TCP_SERVER, stream->released));
	n = stream_copy(stream, stream->released, bytes, n);
	(void)sender_push(sender, bytes, n);
	if (stream->sent > stream->released)
		sender_sent(sender, (size_t)(stream->sent - stream->released), now_ns);
	(void)stream_mark_sent(stream, engine->pages, stream->sent, stream->next);
}

static void ask(struct splice *splice, const char *command, uint64_t now_ns)
{
	if (sender_push(&splice->server, command, strlen(command)) != 0)
		return;
	splice->asked++;
	splice->asked_ns = now_ns;
}

// A recording says its own; the RSET is for who reads what went to the server.
static void begin_recorded(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct splice *splice = session->splice;

	splice->recorded = true;
	splice->server_next = session->tcp.end[TCP_SERVER].acked;
	(void)sender_push(&splice->server, reset_command, strlen(reset_command));
	(void)splice_pump(engine, session, TCP_SERVER, now_ns);
	(void)sender_ack(&splice->server, sender_end(&splice->server));
}

static void begin_live(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct splice *splice = session->splice;
	struct stream *server = &session->stream[TCP_SERVER];

	splice->server_next = seqmap_to_sender(
		&splice->map[TCP_SERVER], tcp_seq_of(&session->tcp, TCP_SERVER, server->next));
	inherit(engine, session, now_ns);
	ask(splice, reset_command, now_ns);
}

// Put off before its body: nothing was seen of it.
static void put_off(struct engine *engine, struct session *session,
	const struct seal_decision *seal, uint64_t now_ns)
{
	struct message *message = session->building;

	message->begun = true;
	message->complete = true;
	message->number = ++session->messages;
	message->verdict = VERDICT_INCOMPLETE;
	message->action = POLICY_TEMPFAIL;
	message->reason = "sealed";
	message->seal_mode = (uint8_t)seal->mode;
	(void)snprintf(message->virus_id, sizeof(message->virus_id), "%s", seal->virus_id);
	policy_reply(POLICY_TEMPFAIL, VERDICT_INCOMPLETE, message->reason, message->reply,
		sizeof(message->reply));
	session->splice->phase = SPLICE_SETTLE;
	divert_answer(engine, session, now_ns);
}

static void begin(struct engine *engine, struct session *session, const struct seal_decision *seal,
	uint64_t now_ns)
{
	bool is_chunk = session->smtp.queue[session->smtp.queue_head] != SMTP_VERB_DATA;
	uint64_t from = session->hold;
	struct splice *splice;

	let_go(session);
	if (splice_make(engine, session) != 0) {
		takeover_reset_both(engine, session, "memory", now_ns);
		return;
	}
	splice = session->splice;
	engine->counters.diverted++;
	session->mode = SESSION_DIVERT;
	splice->phase = SPLICE_BODY;
	splice->heard_ns = now_ns;
	splice->asked = 0;
	splice->noops = 0;
	splice->line_bytes = 0;
	sender_init(&splice->server,
		splice_server_seq(session, tcp_seq_of(&session->tcp, TCP_CLIENT, from)));
	if (engine->options.recorded)
		begin_recorded(engine, session, now_ns);
	else
		begin_live(engine, session, now_ns);
	divert_swallow(engine, session);
	if (seal->mode == SEAL_TEMPFAIL && seal->certain && !is_chunk && !splice->recorded)
		put_off(engine, session, seal, now_ns);
	else if (is_chunk || splice->recorded ||
		 divert_say(engine, session, "354 End data with <CR><LF>.<CR><LF>", now_ns))
		dialogue_pull_divert(engine, session, now_ns);
	if (session->mode == SESSION_DIVERT && !splice->recorded) {
		(void)splice_pump(engine, session, TCP_SERVER, now_ns);
		(void)splice_pump(engine, session, TCP_CLIENT, now_ns);
	}
}

void divert_settle(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct seal_decision seal;

	switch (readiness(engine, session, &seal, now_ns)) {
	case READY:
		begin(engine, session, &seal, now_ns);
		return;
	case NEVER:
		let_go(session);
		return;
	case WAITING:
		return;
	}
}

// ---- the client ---------------------------------------------------------------------------------

bool divert_has_room(const struct session *session)
{
	return session->splice->client.bytes + LINE_BYTES <= SENDER_BYTES;
}

bool divert_say(struct engine *engine, struct session *session, const char *text, uint64_t now_ns)
{
	struct stream *stream = &session->stream[TCP_SERVER];
	char line[LINE_BYTES];
	uint32_t rewritten;
	int n = snprintf(line, sizeof(line), "%s\r\n", text);

	if (stream_put(stream, engine->pages, stream->next, (uint8_t *)line, (uint32_t)n,
		    &rewritten) != STREAM_NEW ||
		sender_push(&session->splice->client, line, (size_t)n) != 0) {
		takeover_reset_both(engine, session, "memory", now_ns);
		return false;
	}
	(void)stream_mark_sent(stream, engine->pages, stream->sent, stream->next);
	splice_sync(session);
	dialogue_pull_own(engine, session, now_ns);
	return session->mode == SESSION_DIVERT;
}

void divert_swallow(struct engine *engine, struct session *session)
{
	struct stream *stream = &session->stream[TCP_CLIENT];

	(void)stream_mark_sent(stream, engine->pages, stream->sent, stream->read);
	stream_release(stream, engine->pages, stream->read);
	stream_trim(stream, engine->pages);
	splice_sync(session);
}

// Inside a message in chunks, where the engine alone has begun a transaction.
void divert_command(struct engine *engine, struct session *session, const struct smtp_event *event,
	uint64_t now_ns)
{
	const char *reply = "503 5.5.1 Bad sequence of commands";

	if (event->verb == SMTP_VERB_BDAT || session->splice->recorded)
		return;
	divert_swallow(engine, session);
	if (event->verb == SMTP_VERB_QUIT) {
		session->splice->server_quits = true;
		dialogue_abort(engine, session, now_ns);
		divert_answer(engine, session, now_ns);
		return;
	}
	if (event->verb == SMTP_VERB_RSET || event->verb == SMTP_VERB_NOOP)
		reply = "250 2.0.0 Ok";
	else if (event->verb == SMTP_VERB_UNKNOWN)
		reply = "500 5.5.2 Command not recognized";
	// To RSET the parser answers that the message is over.
	(void)divert_say(engine, session, reply, now_ns);
}

void divert_decided(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct splice *splice = session->splice;
	struct message *message = session->building;

	splice->heard_ns = now_ns;
	if (message == NULL || !message_is_kept(message) || !keep_commit(engine, message, now_ns))
		divert_answer(engine, session, now_ns);
	else if (splice->recorded)
		keep_tick(engine, now_ns);
}

void divert_message_end(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct message *message = session->building;

	session->splice->phase = SPLICE_WAIT;
	divert_swallow(engine, session);
	if (message != NULL) {
		message->complete = true;
		if (!message_decide(engine, session, now_ns))
			return;
	}
	divert_decided(engine, session, now_ns);
}

// And all that it has sent was read: what waits for room may be the rest of the message.
static bool client_closed(const struct session *session)
{
	return session->fin[TCP_CLIENT] <= session->stream[TCP_CLIENT].read;
}

// Reads on, and tells the trackers how far that went and what the client may send.
static void take_body(struct engine *engine, struct session *session, uint64_t now_ns)
{
	dialogue_pull_divert(engine, session, now_ns);
	if (session->mode == SESSION_DIVERT && session->splice->phase == SPLICE_BODY &&
		client_closed(session)) {
		dialogue_abort(engine, session, now_ns);
		divert_answer(engine, session, now_ns);
	}
	if (session->mode != SESSION_DIVERT)
		return;
	session->splice->window = keep_window(engine, session->building, SPLICE_WINDOW_BYTES);
	splice_sync(session);
}

void divert_go_on(struct engine *engine, struct session *session, uint64_t now_ns)
{
	take_body(engine, session, now_ns);
	// The client has to hear that it may send again.
	if (session->mode == SESSION_DIVERT && !splice_pump(engine, session, TCP_CLIENT, now_ns))
		emit_ack(engine, session, TCP_SERVER);
}

// The client has reset the connection: the server hears of it.
static void client_reset(struct engine *engine, struct session *session, uint64_t now_ns)
{
	session->reset = true;
	if (!session->splice->server_lost)
		emit_reset(engine, session, TCP_CLIENT,
			tcp_seq_of(&session->tcp, TCP_CLIENT, session->stream[TCP_CLIENT].sent));
	session_bury(engine, session, "reset", now_ns);
}

// Behind the message nothing is acknowledged before the server does, so three segments would look like a
// loss there (RFC 5681 section 3.2); what comes again, or leaves a hole, is answered all the same.
static bool wants_answer(
	const struct session *session, const struct tcp_result *result, bool is_new)
{
	const struct stream *stream = &session->stream[TCP_CLIENT];

	if (session->splice->phase != SPLICE_BODY && is_new && stream->next == stream->end)
		return false;
	return result->has_payload || result->fin || result->keep_alive;
}

void divert_client(struct engine *engine, struct session *session, const struct tcp_result *result,
	bool is_new, uint64_t now_ns)
{
	struct splice *splice = session->splice;
	uint64_t sent = session->stream[TCP_CLIENT].sent;

	if (result->rst) {
		client_reset(engine, session, now_ns);
		return;
	}
	if (splice->phase == SPLICE_BODY)
		splice->heard_ns = now_ns;
	splice_acked(session, TCP_CLIENT);
	take_body(engine, session, now_ns);
	if (session->mode != SESSION_DIVERT)
		return;
	is_new = is_new && session->stream[TCP_CLIENT].sent == sent;
	if (!splice_pump(engine, session, TCP_CLIENT, now_ns) &&
		wants_answer(session, result, is_new))
		emit_ack(engine, session, TCP_SERVER);
}

// ---- the server ---------------------------------------------------------------------------------

// A reply of the server's is complete: to what it was asked, or a farewell. Who refuses RSET (Exim: "554 Too many
// nonmail commands", and closes) has the transaction still, and would refuse the next one, for good.
static void take_reply(struct splice *splice)
{
	if (splice->line[0] != '2' || splice->asked == 0)
		splice->server_lost = true;
	else
		splice->asked--;
}

static void read_replies(struct splice *splice, const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (data[i] != '\n') {
			if (splice->line_bytes < SPLICE_LINE_BYTES)
				splice->line[splice->line_bytes++] = (char)data[i];
			continue;
		}
		if (splice->line_bytes < SPLICE_LINE_BYTES || splice->line[3] != '-')
			take_reply(splice);
		splice->line_bytes = 0;
	}
}

// Replies are short and few: what is out of order is left to the server to send again.
static void take_in(struct splice *splice, const struct packet *packet, bool fin)
{
	uint32_t skip = splice->server_next - packet->tcp.seq;
	uint32_t n = packet->tcp.payload_bytes;

	if (tcp_seq_before(splice->server_next, packet->tcp.seq) || skip > n)
		return;
	read_replies(splice, packet->payload + skip, n - skip);
	splice->server_next += n - skip;
	if (!fin)
		return;
	splice->server_next++;
	splice->server_lost = true;
}

void divert_server(struct engine *engine, struct session *session, const struct arrival *arrival,
	const struct tcp_result *result)
{
	struct splice *splice = session->splice;

	if (result->rst) {
		splice->server_lost = true;
	} else {
		splice_acked(session, TCP_SERVER);
		take_in(splice, arrival->packet, result->fin);
		splice_sync(session);
		if (result->has_payload || result->fin || result->keep_alive)
			emit_ack(engine, session, TCP_CLIENT);
	}
	divert_answer(engine, session, arrival->now_ns);
}

// ---- ending -------------------------------------------------------------------------------------

// What the client has sent behind the message is for the server again.
static void resume(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct splice *splice = session->splice;

	session->mode = SESSION_INSPECT;
	splice->phase = SPLICE_PASS;
	if (splice->server_quits)
		(void)sender_push(&splice->server, quit_command, strlen(quit_command));
	splice_sync(session);
	if (!splice->recorded) {
		if (!splice_pump(engine, session, TCP_CLIENT, now_ns))
			emit_ack(engine, session, TCP_SERVER);
		(void)splice_pump(engine, session, TCP_SERVER, now_ns);
	}
	dialogue_pull(engine, session, TCP_CLIENT, now_ns);
	dialogue_settle(engine, session, now_ns);
	if (session->mode == SESSION_INSPECT)
		session_flush(engine, session);
}

// The server has heard RSET as often as it may: the client goes on with another connection.
static bool has_enough(const struct engine *engine, const struct splice *splice)
{
	return engine->options.max_held != 0 && splice->taken_in >= engine->options.max_held &&
	       !splice->recorded && !splice->server_quits;
}

static void finish(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct splice *splice = session->splice;
	struct message *message = session->building;
	const char *why = "server-closed";

	if (message != NULL && message->complete && splice->recorded) {
		// What the server said then stands for the engine's reply, which takes its place.
		message_await_reply(session, (uint16_t)(session->smtp.queue_count - 1));
	} else if (message != NULL && message->complete) {
		session->building = NULL;
		message->latency_ns += now_ns - message->end_ns;
		(void)divert_say(engine, session, message->reply, now_ns);
		message_report(engine, session, message,
			policy_action_name((enum policy_action)message->action), message->reply,
			now_ns);
		if (session->mode != SESSION_DIVERT)
			return;
	}
	splice->taken_in++;
	if (!splice->server_lost && has_enough(engine, splice))
		why = "held-enough";
	else if (!splice->server_lost) {
		resume(engine, session, now_ns);
		return;
	}
	if (takeover_begin(engine, session, why, now_ns) == 0)
		takeover_answered(engine, session, now_ns);
}

void divert_answer(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct splice *splice = session->splice;
	const struct message *message = session->building;

	if (session->mode != SESSION_DIVERT)
		return;
	if (splice->phase == SPLICE_WAIT &&
		(message == NULL || (message->wait_next == NULL && message->deferral == NULL)))
		splice->phase = SPLICE_SETTLE;
	if (splice->phase != SPLICE_SETTLE)
		return;
	if (splice->asked > 0 && !splice->server_lost && now_ns - splice->heard_ns < SETTLE_NS)
		return;
	if (splice->asked > 0)
		splice->server_lost = true;
	finish(engine, session, now_ns);
}

// ---- time ---------------------------------------------------------------------------------------

static void keep_server_awake(struct splice *splice, uint64_t now_ns)
{
	if (splice->server_lost || splice->asked > 0 || splice->noops == NOOPS_MAX ||
		now_ns - splice->asked_ns < NOOP_NS)
		return;
	splice->noops++;
	ask(splice, noop_command, now_ns);
}

static void tick_divert(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct splice *splice = session->splice;

	if (splice->phase == SPLICE_BODY && now_ns - splice->heard_ns > BODY_NS) {
		if (takeover_begin(engine, session, "timeout", now_ns) == 0)
			takeover_reply(engine, session, "421 4.4.2 Timeout", true, now_ns);
		return;
	}
	if (sender_is_dead(&splice->server))
		splice->server_lost = true;
	keep_server_awake(splice, now_ns);
	splice_sync(session);
	divert_answer(engine, session, now_ns);
}

static bool gives_up(const struct engine *engine, const struct sender *sender, uint64_t now_ns)
{
	bool is_scarce = splice_pool_used(engine->splices) > splice_pool_free(engine->splices);

	return takeover_gives_up(engine, sender, is_scarce, now_ns);
}

static void tick_one(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct splice *splice = session->splice;

	if (splice->recorded || session->mode == SESSION_TAKEOVER)
		return;
	if (session->mode == SESSION_DIVERT)
		tick_divert(engine, session, now_ns);
	if (session->splice == NULL || session->mode == SESSION_TAKEOVER)
		return;
	if (gives_up(engine, &splice->client, now_ns) ||
		(splice->phase == SPLICE_PASS && gives_up(engine, &splice->server, now_ns))) {
		takeover_reset_both(engine, session, "idle", now_ns);
		return;
	}
	(void)splice_pump(engine, session, TCP_CLIENT, now_ns);
	(void)splice_pump(engine, session, TCP_SERVER, now_ns);
}

void divert_tick(struct engine *engine, uint64_t now_ns)
{
	for (int i = 0; i < TICK_SESSIONS; i++) {
		struct splice *splice = splice_next(engine->splices);

		if (splice == NULL)
			return;
		tick_one(engine, splice->session, now_ns);
	}
}
