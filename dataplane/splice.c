// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/splice.h"

#include <errno.h>
#include <string.h>

#define SERVER_WINDOW_BYTES 8192u // to the server, whose replies are short

// Slots are used for the first time in their order: memory that was never needed is never touched.
struct splice_pool {
	struct splice *free;   // of those that were used
	struct splice *active; // a ring: the next to be looked at
	uint32_t count;
	uint32_t fresh; // the first that was never used
	uint32_t used;
};

#define STRIDE ((sizeof(struct splice) + 63) & ~(size_t)63)

size_t splice_pool_bytes(uint32_t count)
{
	return 64 + (size_t)count * STRIDE;
}

struct splice_pool *splice_pool_init(void *memory, uint32_t count)
{
	struct splice_pool *pool = memory;

	*pool = (struct splice_pool){.count = count};
	return pool;
}

uint32_t splice_pool_free(const struct splice_pool *pool)
{
	return pool->count - pool->used;
}

uint32_t splice_pool_used(const struct splice_pool *pool)
{
	return pool->used;
}

static struct splice *take(struct splice_pool *pool)
{
	struct splice *splice = pool->free;

	if (splice != NULL)
		pool->free = splice->next;
	else if (pool->fresh < pool->count)
		splice = (struct splice *)(void *)((uint8_t *)pool + 64 + pool->fresh++ * STRIDE);
	else
		return NULL;
	pool->used++;
	memset(splice, 0, sizeof(*splice));
	splice->next = splice;
	splice->previous = splice;
	if (pool->active != NULL) {
		splice->next = pool->active;
		splice->previous = pool->active->previous;
		splice->previous->next = splice;
		splice->next->previous = splice;
	}
	pool->active = splice;
	return splice;
}

struct splice *splice_next(struct splice_pool *pool)
{
	struct splice *splice = pool->active;

	if (splice != NULL)
		pool->active = splice->next;
	return splice;
}

int splice_make(struct engine *engine, struct session *session)
{
	struct splice *splice = session->splice;

	if (splice != NULL)
		return 0;
	splice = take(engine->splices);
	if (splice == NULL)
		return -ENOMEM;
	session->splice = splice;
	splice->session = session;
	splice->window = SPLICE_WINDOW_BYTES;
	splice->tcp = session->tcp;
	tcp_unsend(&splice->tcp, TCP_CLIENT,
		tcp_seq_of(&session->tcp, TCP_CLIENT, session->stream[TCP_CLIENT].sent));
	for (enum tcp_side side = TCP_CLIENT; side <= TCP_SERVER; side++)
		seqmap_init(&splice->map[side], session->tcp.end[side].acked);
	return 0;
}

void splice_free(struct engine *engine, struct session *session)
{
	struct splice_pool *pool = engine->splices;
	struct splice *splice = session->splice;

	if (splice == NULL)
		return;
	session->splice = NULL;
	if (pool->active == splice)
		pool->active = splice->next == splice ? NULL : splice->next;
	splice->previous->next = splice->next;
	splice->next->previous = splice->previous;
	splice->next = pool->free;
	pool->free = splice;
	pool->used--;
}

// ---- passing ------------------------------------------------------------------------------------

static void raise(uint32_t *number, uint32_t to)
{
	if (tcp_seq_before(*number, to))
		*number = to;
}

static void settle(struct session *session)
{
	struct splice *splice = session->splice;

	for (enum tcp_side side = TCP_CLIENT; side <= TCP_SERVER; side++) {
		// Both trackers know what was acknowledged; the sender's own numbers count.
		const struct tcp_connection *tcp =
			side == TCP_CLIENT ? &session->tcp : &splice->tcp;

		seqmap_settle(&splice->map[side], tcp->end[side].acked);
	}
}

// A probe of a peer that may have vanished, or of a window: the number before the next one, and nothing new
// (RFC 9293 sections 3.8.4 and 3.8.6.1).
static bool is_probe(const struct packet *packet, uint32_t below)
{
	return below == 1 && packet->tcp.payload_bytes == 0 &&
	       (packet->tcp.flags & TCP_FLAG_FIN) == 0;
}

void splice_from_server(
	struct engine *engine, struct session *session, const struct arrival *arrival)
{
	struct splice *splice = session->splice;
	struct packet *packet = arrival->packet;
	const struct seqmap *map = &splice->map[TCP_SERVER];
	uint32_t below = map->sender - packet->tcp.seq;

	// What the engine has acknowledged comes again. Who probes hears of the other end, too: it alone knows whether
	// it has room again.
	if (tcp_seq_before(packet->tcp.seq, map->sender)) {
		packet_trim(arrival->frame, packet, below, 0);
		emit_ack(engine, session, TCP_CLIENT);
		if (is_probe(packet, below))
			packet->tcp.seq = map->sender - 1;
		else if (packet->tcp.payload_bytes == 0 && (packet->tcp.flags & TCP_FLAG_FIN) == 0)
			packet->tcp.seq = map->sender;
	}
	packet_renumber(arrival->frame, packet, seqmap_to_receiver(map, packet->tcp.seq),
		seqmap_to_sender(&splice->map[TCP_CLIENT], packet->tcp.ack),
		&splice->map[TCP_CLIENT]);
	settle(session);
}

void splice_cut(struct engine *engine, struct session *session, const struct arrival *arrival)
{
	struct packet *packet = arrival->packet;
	uint32_t edge = session->splice->map[TCP_CLIENT].sender;
	uint32_t below = edge - packet->tcp.seq;

	if (!tcp_seq_before(packet->tcp.seq, edge))
		return;
	packet_trim(arrival->frame, packet, below, 0);
	if (packet->tcp.payload_bytes == 0)
		emit_ack(engine, session, TCP_SERVER);
	if (is_probe(packet, below)) {
		packet->tcp.seq = edge - 1;
		return;
	}
	if (!tcp_seq_before(packet->tcp.seq, edge))
		return;
	// Its acknowledgement alone may be news.
	packet_clear_flags(arrival->frame, packet, TCP_FLAG_FIN | TCP_FLAG_PSH);
	packet->tcp.seq = edge;
}

bool splice_is_for_engine(const struct session *session, const struct packet *packet)
{
	const struct splice *splice = session->splice;

	return !splice->recorded && packet->tcp.flags == TCP_FLAG_ACK &&
	       packet->tcp.payload_bytes == 0 &&
	       packet->tcp.window == splice->tcp.end[TCP_CLIENT].window &&
	       tcp_seq_before(packet->tcp.ack, splice->map[TCP_SERVER].receiver);
}

bool splice_to_server(struct session *session, const struct arrival *arrival)
{
	struct splice *splice = session->splice;
	struct packet *packet = arrival->packet;
	struct tcp_result result;

	const struct tcp_endpoint *client = &splice->tcp.end[TCP_CLIENT];
	uint32_t seq = seqmap_to_receiver(&splice->map[TCP_CLIENT], packet->tcp.seq);

	// A bare acknowledgement stands behind what waits here.
	if (!splice->recorded && packet->tcp.payload_bytes == 0 &&
		(packet->tcp.flags & TCP_FLAG_FIN) == 0 && tcp_seq_before(client->window_edge, seq))
		seq = client->window_edge;
	packet_renumber(arrival->frame, packet, seq,
		seqmap_to_sender(&splice->map[TCP_SERVER], packet->tcp.ack),
		&splice->map[TCP_SERVER]);
	if (splice->recorded)
		return true;
	tcp_input(&splice->tcp, TCP_CLIENT, &packet->tcp, arrival->now_ns, &result);
	if (result.fate != TCP_ACCEPT)
		return false;
	// A server may take more than it has granted, but the tracker must know what was sent.
	if (result.trim_front > 0 || result.trim_back > 0)
		packet_trim(arrival->frame, packet, result.trim_front, result.trim_back);
	return true;
}

uint64_t splice_room(const struct session *session)
{
	const struct splice *splice = session->splice;
	const struct stream *stream = &session->stream[TCP_CLIENT];
	uint32_t acked;
	uint32_t edge;

	if (splice == NULL || splice->recorded)
		return UINT64_MAX;
	acked = tcp_seq_of(&session->tcp, TCP_CLIENT, stream->released);
	edge = seqmap_to_sender(&splice->map[TCP_CLIENT], splice->tcp.end[TCP_CLIENT].window_edge);
	return tcp_seq_before(edge, acked) ? stream->released : stream->released + (edge - acked);
}

bool splice_is_shut(const struct session *session)
{
	const struct tcp_endpoint *client = &session->splice->tcp.end[TCP_CLIENT];

	return !tcp_seq_before(client->acked, client->window_edge);
}

uint32_t splice_server_seq(const struct session *session, uint32_t seq)
{
	return seqmap_to_receiver(&session->splice->map[TCP_CLIENT], seq);
}

// What the engine itself says counts at the server's side as if the client had said it.
static void note(struct splice *splice, const struct packet_segment *segment)
{
	struct tcp_endpoint *client = &splice->tcp.end[TCP_CLIENT];
	struct tcp_endpoint *server = &splice->tcp.end[TCP_SERVER];
	uint32_t fin = (segment->flags & TCP_FLAG_FIN) != 0;

	raise(&client->next, segment->seq + segment->payload_bytes + fin);
	if (fin)
		client->flags |= TCP_END_FIN;
	raise(&server->acked, segment->ack);
	raise(&server->window_edge, segment->ack + ((uint32_t)segment->window << client->wscale));
}

void splice_number(struct session *session, struct packet_segment *segment)
{
	struct splice *splice = session->splice;

	segment->seq = splice_server_seq(session, segment->seq);
	segment->ack = seqmap_to_sender(&splice->map[TCP_SERVER], segment->ack);
	if ((segment->flags & TCP_FLAG_RST) == 0)
		note(splice, segment);
}

void splice_acked(struct session *session, enum tcp_side side)
{
	struct splice *splice = session->splice;
	struct sender *sender = side == TCP_CLIENT ? &splice->client : &splice->server;
	const struct tcp_connection *tcp = side == TCP_CLIENT ? &session->tcp : &splice->tcp;
	uint32_t acked = tcp->end[tcp_other(side)].acked;
	uint32_t end = sender_end(sender);

	(void)sender_ack(sender, tcp_seq_before(end, acked) ? end : acked);
}

// ---- in a divert --------------------------------------------------------------------------------

// The trackers judge each side by what its peer has told it: that is the engine now.
static void vouch_to_client(struct session *session)
{
	struct tcp_endpoint *client = &session->tcp.end[TCP_CLIENT];
	struct tcp_endpoint *server = &session->tcp.end[TCP_SERVER];
	uint32_t ack = tcp_seq_of(&session->tcp, TCP_CLIENT, session->stream[TCP_CLIENT].sent);
	uint32_t most = session->splice->window;
	uint32_t window;

	raise(&client->acked, ack);
	// What the server had granted may be under way already, and no edge moves back; but who has to wait is
	// told so, for what it has sent will not be acknowledged soon.
	raise(&client->window_edge, ack + most);
	if (session->splice->recorded)
		return;
	window = client->window_edge - ack;
	if (most == 0 || window > SPLICE_WINDOW_BYTES)
		window = most == 0 ? 0 : SPLICE_WINDOW_BYTES;
	window >>= server->wscale;
	server->window = (uint16_t)(window > UINT16_MAX ? UINT16_MAX : window);
	raise(&server->next, sender_end(&session->splice->client));
}

static void vouch_to_server(struct splice *splice)
{
	struct tcp_endpoint *client = &splice->tcp.end[TCP_CLIENT];
	struct tcp_endpoint *server = &splice->tcp.end[TCP_SERVER];
	uint32_t window = SERVER_WINDOW_BYTES >> client->wscale;

	raise(&server->acked, splice->server_next);
	raise(&server->window_edge, splice->server_next + SERVER_WINDOW_BYTES);
	client->window = (uint16_t)(window > 0 ? window : 1);
	raise(&client->next, sender_end(&splice->server));
}

void splice_sync(struct session *session)
{
	struct splice *splice = session->splice;

	seqmap_edit(&splice->map[TCP_CLIENT],
		tcp_seq_of(&session->tcp, TCP_CLIENT, session->stream[TCP_CLIENT].sent),
		sender_end(&splice->server));
	vouch_to_client(session);
	if (splice->recorded)
		return;
	seqmap_edit(&splice->map[TCP_SERVER], splice->server_next,
		tcp_seq_of(&session->tcp, TCP_SERVER, session->stream[TCP_SERVER].next));
	vouch_to_server(splice);
	// Each side hears the newest clock of the other.
	session->tcp.end[TCP_SERVER].ts_recent = splice->tcp.end[TCP_SERVER].ts_recent;
	splice->tcp.end[TCP_CLIENT].ts_recent = session->tcp.end[TCP_CLIENT].ts_recent;
}

static void send_one(struct engine *engine, struct session *session, enum tcp_side from,
	const struct sender_segment *next)
{
	struct splice *splice = session->splice;
	struct packet_segment segment = {
		.seq = next->seq,
		.flags = TCP_FLAG_ACK,
		.payload = next->data,
		.payload_bytes = next->bytes,
	};

	if (from == TCP_SERVER) {
		segment.ack = session->tcp.end[TCP_CLIENT].acked;
		segment.window = session->tcp.end[TCP_SERVER].window;
	} else {
		segment.ack = splice->server_next;
		segment.window = splice->tcp.end[TCP_CLIENT].window;
	}
	if (next->bytes > 0)
		segment.flags |= TCP_FLAG_PSH;
	emit_numbered(engine, session, from, &segment);
}

bool splice_pump(
	struct engine *engine, struct session *session, enum tcp_side side, uint64_t now_ns)
{
	struct splice *splice = session->splice;
	enum tcp_side from = tcp_other(side);
	struct sender *sender = side == TCP_CLIENT ? &splice->client : &splice->server;
	const struct tcp_connection *tcp = side == TCP_CLIENT ? &session->tcp : &splice->tcp;
	uint16_t mss = emit_mss(engine, session, from);
	struct sender_segment next;
	bool any = false;

	if (side == TCP_SERVER && splice->server_lost)
		return false;
	while (sender_next(sender, tcp->end[from].window_edge, mss, now_ns, &next)) {
		send_one(engine, session, from, &next);
		any = true;
	}
	return any;
}
