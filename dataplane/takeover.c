// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/takeover.h"

#include "dataplane/message.h"
#include "dataplane/splice.h"

#include <errno.h>
#include <string.h>

#define NS_PER_MS 1000000u
#define NS_PER_S 1000000000u

#define RESET_REPEAT_NS (200ull * NS_PER_MS)
#define RESET_TRIES 3
#define RESET_ANSWER_NS (20ull * NS_PER_MS) // between answers to a server that still talks
#define ANSWER_NS (60ull * NS_PER_S)        // for the client's next command, then 421
#define BODY_NS (600ull * NS_PER_S) // for the client's next bytes (RFC 5321 section 4.5.3.2)
#define CLOSE_NS (90ull * NS_PER_S) // since it began to close, then the client is reset
#define WINDOW_BYTES (256u * 1024u) // advertised: what arrives in order is swallowed at once
#define SHUT_NS (240ull * NS_PER_S) // that a client takes nothing, when takeovers are scarce
#define TICK_SESSIONS 8

struct takeover_pool {
	struct takeover *free;
	struct takeover *active; // a ring: the next to be looked at
	uint32_t count;
	uint32_t used;
};

size_t takeover_pool_bytes(uint32_t count)
{
	return 64 + (size_t)count * ((sizeof(struct takeover) + 63) & ~(size_t)63);
}

struct takeover_pool *takeover_pool_init(void *memory, uint32_t count)
{
	struct takeover_pool *pool = memory;
	uint8_t *at = (uint8_t *)memory + 64;

	pool->free = NULL;
	pool->active = NULL;
	pool->count = count;
	pool->used = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct takeover *takeover = (struct takeover *)(void *)at;

		takeover->next = pool->free;
		pool->free = takeover;
		at += (sizeof(struct takeover) + 63) & ~(size_t)63;
	}
	return pool;
}

uint32_t takeover_pool_free(const struct takeover_pool *pool)
{
	uint32_t count = 0;

	for (const struct takeover *takeover = pool->free; takeover != NULL;
		takeover = takeover->next)
		count++;
	return count;
}

static struct takeover *takeover_get(struct takeover_pool *pool)
{
	struct takeover *takeover = pool->free;

	if (takeover == NULL)
		return NULL;
	pool->free = takeover->next;
	pool->used++;
	memset(takeover, 0, sizeof(*takeover));
	if (pool->active == NULL) {
		takeover->next = takeover;
		takeover->previous = takeover;
		pool->active = takeover;
		return takeover;
	}
	takeover->next = pool->active;
	takeover->previous = pool->active->previous;
	takeover->previous->next = takeover;
	takeover->next->previous = takeover;
	return takeover;
}

void takeover_free(struct engine *engine, struct session *session)
{
	struct takeover_pool *pool = engine->takeovers;
	struct takeover *takeover = session->takeover;

	if (takeover == NULL)
		return;
	session->takeover = NULL;
	if (pool->active == takeover)
		pool->active = takeover->next == takeover ? NULL : takeover->next;
	takeover->previous->next = takeover->next;
	takeover->next->previous = takeover->previous;
	takeover->next = pool->free;
	pool->free = takeover;
	pool->used--;
}

bool takeover_gives_up(
	const struct engine *engine, const struct sender *sender, bool is_scarce, uint64_t now_ns)
{
	const uint64_t idle_ns = (uint64_t)engine->options.idle_seconds * NS_PER_S;
	const uint64_t most_ns = is_scarce && idle_ns > SHUT_NS ? SHUT_NS : idle_ns;

	return sender_is_dead(sender) || sender_shut_ns(sender, now_ns) > most_ns;
}

// The number behind all that the client has been told, or will be by what there is now.
static uint32_t end_seq(const struct session *session)
{
	const struct takeover *takeover = session->takeover;

	if (takeover->told < takeover->until)
		return tcp_seq_of(&session->tcp, TCP_SERVER, takeover->until);
	return sender_end(&takeover->sender);
}

// What was sent before the takeover may be acknowledged before the sender has had it.
static void skip_acknowledged(struct session *session)
{
	struct takeover *takeover = session->takeover;
	uint32_t end = sender_end(&takeover->sender);
	uint32_t ack = session->tcp.end[TCP_SERVER].acked;
	uint64_t left = takeover->until - takeover->told;

	if (left == 0 || !tcp_seq_before(end, ack))
		return;
	takeover->told += ack - end < left ? ack - end : left;
	sender_init(&takeover->sender, tcp_seq_of(&session->tcp, TCP_SERVER, takeover->told));
}

// Gives the sender what it has room for. What the server has said can be more than that: long replies, or those to a
// pipelined envelope, of which the client has acknowledged nothing yet.
static void refill(struct session *session)
{
	struct takeover *takeover = session->takeover;
	struct sender *sender = &takeover->sender;
	uint8_t bytes[SENDER_BYTES];

	skip_acknowledged(session);
	while (takeover->told < takeover->until && sender->bytes < SENDER_BYTES) {
		size_t room = (size_t)(SENDER_BYTES - sender->bytes);
		uint64_t left = takeover->until - takeover->told;
		size_t n = stream_copy(&session->stream[TCP_SERVER], takeover->told, bytes,
			left < room ? (size_t)left : room);

		if (n == 0)
			return;
		(void)sender_push(sender, bytes, n);
		takeover->told += n;
	}
	if (takeover->told < takeover->until ||
		sender_push(sender, takeover->own, takeover->own_bytes) == -ENOSPC)
		return;
	takeover->own_bytes = 0;
	if (takeover->fin)
		sender_push_fin(sender);
}

static bool is_all_acknowledged(struct session *session)
{
	struct takeover *takeover = session->takeover;
	bool is_all;

	skip_acknowledged(session);
	is_all = sender_ack(&takeover->sender, session->tcp.end[TCP_SERVER].acked);
	return is_all && takeover->fin == takeover->sender.fin;
}

// The tracker judges the client's segments by what its peer has told it: that is the engine now.
static void vouch(struct session *session)
{
	struct tcp_endpoint *client = &session->tcp.end[TCP_CLIENT];
	struct tcp_endpoint *server = &session->tcp.end[TCP_SERVER];
	const struct stream *stream = &session->stream[TCP_CLIENT];
	uint32_t ack = tcp_seq_of(&session->tcp, TCP_CLIENT, stream->next);
	uint32_t window = WINDOW_BYTES >> server->wscale;

	if (session->fin[TCP_CLIENT] != SESSION_NO_FIN && session->fin[TCP_CLIENT] <= stream->next)
		ack++;
	client->acked = ack;
	// What the server had granted may be under way already.
	if (tcp_seq_before(client->window_edge, ack + WINDOW_BYTES))
		client->window_edge = ack + WINDOW_BYTES;
	server->window = (uint16_t)(window > UINT16_MAX ? UINT16_MAX : window);
	if (tcp_seq_before(server->next, end_seq(session)))
		server->next = end_seq(session);
}

// Sends what is due. Returns whether anything that carries an acknowledgement went out.
static bool pump(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct takeover *takeover = session->takeover;
	uint16_t mss = emit_mss(engine, session, TCP_SERVER);
	uint32_t edge = session->tcp.end[TCP_SERVER].window_edge;
	struct sender_segment next;
	bool any = false;

	refill(session);
	vouch(session);
	while (sender_next(&takeover->sender, edge, mss, now_ns, &next)) {
		struct packet_segment segment = {
			.seq = next.seq,
			.ack = session->tcp.end[TCP_CLIENT].acked,
			.window = session->tcp.end[TCP_SERVER].window,
			.flags = TCP_FLAG_ACK,
			.payload = next.data,
			.payload_bytes = next.bytes,
		};

		if (next.bytes > 0)
			segment.flags |= TCP_FLAG_PSH;
		if (next.fin)
			segment.flags |= TCP_FLAG_FIN;
		emit_segment(engine, session, TCP_SERVER, &segment);
		any = true;
	}
	return any;
}

void takeover_acknowledge(struct engine *engine, struct session *session)
{
	struct packet_segment segment = {
		.seq = end_seq(session),
		.ack = session->tcp.end[TCP_CLIENT].acked,
		.window = session->tcp.end[TCP_SERVER].window,
		.flags = TCP_FLAG_ACK,
	};

	emit_segment(engine, session, TCP_SERVER, &segment);
}

static void reset_server(struct engine *engine, struct session *session, uint32_t seq)
{
	emit_reset(engine, session, TCP_CLIENT, seq);
}

// What the server has said and the client has not acknowledged is the engine's to deliver now, also
// what was read and not yet forwarded.
static void inherit(struct session *session)
{
	const struct stream *stream = &session->stream[TCP_SERVER];
	struct takeover *takeover = session->takeover;

	takeover->told = stream->released;
	takeover->until = stream->read;
	sender_init(&takeover->sender, tcp_seq_of(&session->tcp, TCP_SERVER, stream->released));
}

void takeover_reset_both(
	struct engine *engine, struct session *session, const char *why, uint64_t now_ns)
{
	reset_server(engine, session,
		tcp_seq_of(&session->tcp, TCP_CLIENT, session->stream[TCP_CLIENT].sent));
	emit_reset(engine, session, TCP_SERVER,
		tcp_seq_of(&session->tcp, TCP_SERVER, session->stream[TCP_SERVER].sent));
	session_bury(engine, session, why, now_ns);
}

int takeover_begin(struct engine *engine, struct session *session, const char *why, uint64_t now_ns)
{
	struct takeover *takeover = takeover_get(engine->takeovers);

	session->takeover = takeover;
	if (takeover == NULL) {
		takeover_reset_both(engine, session, why, now_ns);
		return -ENOMEM;
	}
	inherit(session);
	takeover->session = session;
	takeover->why = why;
	takeover->begin_ns = now_ns;
	takeover->phase = TAKEOVER_BODY;
	takeover->reset_seq =
		tcp_seq_of(&session->tcp, TCP_CLIENT, session->stream[TCP_CLIENT].sent);
	if (session->splice != NULL)
		takeover->reset_seq = splice_server_seq(session, takeover->reset_seq);
	takeover->reset_ns = now_ns + RESET_REPEAT_NS;
	takeover->resets = 1;
	// Nothing can be said behind a FIN that the client may have.
	takeover->fin = session->fin_sent[TCP_SERVER];
	session->mode = SESSION_TAKEOVER;
	session->pending = false;
	reset_server(engine, session, takeover->reset_seq);
	return 0;
}

// Replies are short, and few: what does not fit is not sent, the close is.
static void say(struct takeover *takeover, const char *reply)
{
	size_t n = strlen(reply);

	if (takeover->fin || n + 2 > sizeof(takeover->own) - takeover->own_bytes)
		return;
	memcpy(takeover->own + takeover->own_bytes, reply, n);
	memcpy(takeover->own + takeover->own_bytes + n, "\r\n", 2);
	takeover->own_bytes = (uint16_t)(takeover->own_bytes + n + 2);
}

void takeover_reply(struct engine *engine, struct session *session, const char *reply, bool close,
	uint64_t now_ns)
{
	struct takeover *takeover = session->takeover;

	if (reply[0] != '\0')
		say(takeover, reply);
	takeover->begin_ns = now_ns;
	takeover->fin = takeover->fin || close;
	takeover->phase = takeover->fin ? TAKEOVER_CLOSE : TAKEOVER_ANSWER;
	(void)pump(engine, session, now_ns);
}

// The next command after the reply: 221 to QUIT, 421 to anything else, and the close.
static void read_command(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct takeover *takeover = session->takeover;
	struct stream *stream = &session->stream[TCP_CLIENT];
	uint8_t *data;
	size_t n;

	while ((n = stream_peek(stream, &data)) > 0) {
		for (size_t i = 0; i < n && takeover->line_bytes < 4; i++)
			takeover->line[takeover->line_bytes++] = (char)data[i];
		stream_consume(stream, n);
	}
	if (takeover->phase != TAKEOVER_ANSWER || takeover->line_bytes < 4)
		return;
	if (strncasecmp(takeover->line, "QUIT", 4) == 0)
		takeover_reply(engine, session, "221 2.0.0 Bye", true, now_ns);
	else
		takeover_reply(engine, session, "421 4.3.2 Closing connection", true, now_ns);
}

static void swallow(struct engine *engine, struct session *session, uint64_t now_ns)
{
	if (session->takeover->phase == TAKEOVER_BODY)
		dialogue_pull_rest(engine, session, now_ns);
	if (session->mode == SESSION_TAKEOVER && session->takeover->phase != TAKEOVER_BODY)
		read_command(engine, session, now_ns);
}

static bool client_closed(const struct session *session)
{
	return session->fin[TCP_CLIENT] <= session->stream[TCP_CLIENT].next;
}

// The client has closed and has its answer.
static void follow_close(struct session *session, uint64_t now_ns)
{
	struct takeover *takeover = session->takeover;

	if (!client_closed(session) || takeover->phase == TAKEOVER_CLOSE ||
		takeover->phase == TAKEOVER_STORE)
		return;
	takeover->fin = true;
	takeover->phase = TAKEOVER_CLOSE;
	takeover->begin_ns = now_ns;
}

void takeover_answered(struct engine *engine, struct session *session, uint64_t now_ns)
{
	struct takeover *takeover = session->takeover;

	if (takeover->phase != TAKEOVER_CLOSE) {
		takeover->phase = takeover->fin ? TAKEOVER_CLOSE : TAKEOVER_ANSWER;
		takeover->begin_ns = now_ns;
	}
	read_command(engine, session, now_ns);
	follow_close(session, now_ns);
	(void)pump(engine, session, now_ns);
}

// Nobody waits for these bytes any more: a body may be of any length.
static void forget_swallowed(struct engine *engine, struct stream *stream)
{
	(void)stream_mark_sent(stream, engine->pages, stream->sent, stream->next);
	stream_release(stream, engine->pages, stream->next);
	stream_trim(stream, engine->pages);
}

void takeover_client(struct engine *engine, struct session *session,
	const struct tcp_result *result, uint64_t now_ns)
{
	struct takeover *takeover = session->takeover;
	bool all_acked;

	if (result->rst) {
		session_bury(engine, session, takeover->why, now_ns);
		return;
	}
	if (takeover->phase == TAKEOVER_BODY)
		takeover->begin_ns = now_ns;
	swallow(engine, session, now_ns);
	if (session->mode != SESSION_TAKEOVER)
		return;
	follow_close(session, now_ns);
	forget_swallowed(engine, &session->stream[TCP_CLIENT]);
	all_acked = is_all_acknowledged(session);
	if (!pump(engine, session, now_ns) &&
		(result->has_payload || result->fin || result->keep_alive))
		takeover_acknowledge(engine, session);
	if (all_acked && takeover->phase == TAKEOVER_CLOSE && client_closed(session))
		session_bury(engine, session, takeover->why, now_ns);
}

void takeover_go_on(struct engine *engine, struct session *session, uint64_t now_ns)
{
	swallow(engine, session, now_ns);
	if (session->mode != SESSION_TAKEOVER)
		return;
	forget_swallowed(engine, &session->stream[TCP_CLIENT]);
	if (!pump(engine, session, now_ns))
		takeover_acknowledge(engine, session);
}

void takeover_server(struct engine *engine, struct session *session, const struct arrival *arrival)
{
	const struct tcp_segment *tcp = &arrival->packet->tcp;

	if (tcp->flags & TCP_FLAG_RST) {
		session->takeover->reset_ns = 0;
		return;
	}
	if ((tcp->flags & TCP_FLAG_ACK) == 0 ||
		arrival->now_ns - session->challenge_ns < RESET_ANSWER_NS)
		return;
	session->challenge_ns = arrival->now_ns;
	reset_server(engine, session, tcp->ack);
}

static void tick_one(struct engine *engine, struct takeover *takeover, uint64_t now_ns)
{
	struct session *session = takeover->session;

	if (takeover->reset_ns != 0 && now_ns >= takeover->reset_ns) {
		takeover->reset_ns = takeover->resets < RESET_TRIES
					     ? now_ns + (RESET_REPEAT_NS << takeover->resets)
					     : 0;
		takeover->resets++;
		reset_server(engine, session, takeover->reset_seq);
	}
	// Its time for a command, or to close, begins when it has room for what it is told.
	if (takeover->phase >= TAKEOVER_ANSWER && sender_shut_ns(&takeover->sender, now_ns) > 0)
		takeover->begin_ns = now_ns;
	if ((takeover->phase == TAKEOVER_ANSWER && now_ns - takeover->begin_ns > ANSWER_NS) ||
		(takeover->phase == TAKEOVER_BODY && now_ns - takeover->begin_ns > BODY_NS))
		takeover_reply(engine, session, "421 4.4.2 Timeout", true, now_ns);
	if (takeover_gives_up(engine, &takeover->sender,
		    engine->takeovers->used > engine->takeovers->count / 2, now_ns) ||
		(takeover->phase == TAKEOVER_CLOSE && now_ns - takeover->begin_ns > CLOSE_NS)) {
		emit_reset(engine, session, TCP_SERVER, end_seq(session));
		session_bury(engine, session, takeover->why, now_ns);
		return;
	}
	(void)pump(engine, session, now_ns);
}

void takeover_tick(struct engine *engine, uint64_t now_ns)
{
	struct takeover_pool *pool = engine->takeovers;

	for (int i = 0; i < TICK_SESSIONS && pool->active != NULL; i++) {
		struct takeover *takeover = pool->active;

		pool->active = takeover->next;
		tick_one(engine, takeover, now_ns);
	}
}
