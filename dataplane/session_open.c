// SPDX-License-Identifier: BSD-3-Clause
// How a connection comes to be known: by its SYN, or in midstream.
#include "dataplane/gather.h"
#include "dataplane/session.h"

#include <string.h>

#define HOPS 64 // of the engine's own segments at least (RFC 1700)

// TCP options that may stand in a SYN: what else is offered there (Fast Open, Multipath TCP, tcpcrypt,
// experiments) would let bytes travel in ways that are not followed here.
static bool option_is_known(uint8_t kind)
{
	return kind == 0 || kind == 1 || kind == 2 || kind == 3 || kind == 4 || kind == 8;
}

void session_strip_options(struct frame *frame, struct packet *packet)
{
	uint8_t *options = frame->data + (packet->tcp.options - frame->data);
	uint32_t n = packet->tcp.options_bytes;
	bool changed = false;

	for (uint32_t i = 0; i < n && options[i] != 0;) {
		uint32_t len = options[i] == 1 ? 1 : i + 1 < n ? options[i + 1] : 0;

		if (len == 0 || i + len > n)
			break;
		if (!option_is_known(options[i])) {
			memset(options + i, 1, len);
			changed = true;
		}
		i += len;
	}
	if (changed)
		packet_fix_tcp_checksum(frame, packet);
}

bool session_is_smtp_port(const struct engine *engine, uint16_t port_be)
{
	uint16_t port = __builtin_bswap16(port_be);

	for (uint32_t i = 0; i < engine->options.smtp_ports_count; i++) {
		if (engine->options.smtp_ports[i] == port)
			return true;
	}
	return false;
}

// The headers of what the engine sends in this side's name. A sender that lets its own packets die on
// the way has no say in how far those go.
void session_learn(struct session *session, enum tcp_side side, const struct arrival *arrival)
{
	struct packet_template *template = &session->template[side];
	uint8_t *hops;

	packet_learn(template, arrival->frame, arrival->packet);
	hops = &template->header[template->l2_bytes + (template->family == 6 ? 7 : 8)];
	if (*hops < HOPS)
		*hops = HOPS;
}

bool session_opens(const struct tcp_segment *tcp)
{
	return (tcp->flags & (TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_RST | TCP_FLAG_FIN)) ==
	       TCP_FLAG_SYN;
}

static struct session *new_session(struct engine *engine, const struct arrival *arrival,
	const struct flow_key *key, bool swapped)
{
	uint32_t hash = flow_hash(engine->flows, key);
	struct flow *evicted = NULL;
	struct flow *flow = flow_insert(engine->flows, key, hash, arrival->now_ns, &evicted);
	struct session *session;

	if (flow == NULL && evicted != NULL) {
		engine->counters.half_open_evicted++;
		session_end(engine, (struct session *)evicted, "half-open", arrival->now_ns);
		flow = flow_insert(engine->flows, key, hash, arrival->now_ns, &evicted);
	}
	if (flow == NULL) {
		engine->counters.dropped_flow_table++;
		return NULL;
	}
	session = (struct session *)flow;
	session->client_at = (uint8_t)arrival->at;
	session->key_swapped = swapped;
	session->id = ++engine->sessions;
	session->start_ns = arrival->now_ns;
	session->fin[TCP_CLIENT] = SESSION_NO_FIN;
	session->fin[TCP_SERVER] = SESSION_NO_FIN;
	session->hold = UINT64_MAX;
	session->waived = UINT64_MAX;
	session->mode = SESSION_INSPECT;
	stream_init(&session->stream[TCP_CLIENT], engine->options.max_stream_bytes);
	stream_init(&session->stream[TCP_SERVER], engine->options.max_stream_bytes);
	smtp_init(&session->smtp, &session_policy(engine, session)->smtp);
	engine->counters.connections++;
	return session;
}

void session_open(struct engine *engine, const struct arrival *arrival, const struct flow_key *key,
	bool swapped)
{
	struct packet *packet = arrival->packet;
	struct tcp_connection tcp;
	enum tcp_reason reason = tcp_open(&tcp, TCP_CLIENT, &packet->tcp, arrival->now_ns);
	struct session *session = NULL;

	if (reason != TCP_REASON_NONE)
		session_count_drop(engine, reason);
	else if (!session_source_has_room(engine, arrival))
		engine->counters.source_refused++;
	else
		session = new_session(engine, arrival, key, swapped);
	if (session == NULL) {
		emit_drop(engine, arrival); // a SYN: its sender tries again
		return;
	}
	session->tcp = tcp;
	// From an SMTP port to another one: some other service's client that happens to use it.
	if (!session_is_smtp_port(engine, packet->from.port_be[1]))
		session->mode = SESSION_OPAQUE;
	if (packet->tcp.payload_bytes > 0)
		packet_trim(arrival->frame, packet, 0, packet->tcp.payload_bytes);
	session_strip_options(arrival->frame, packet);
	session_learn(session, TCP_CLIENT, arrival);
	emit_forward(engine, session, arrival);
}

// A packet of a connection whose beginning was not seen.
void session_midstream(struct engine *engine, const struct arrival *arrival,
	const struct flow_key *key, bool swapped)
{
	struct packet *packet = arrival->packet;
	bool from_client = session_is_smtp_port(engine, packet->from.port_be[1]);
	enum link_side client_at = from_client ? arrival->at : link_other(arrival->at);
	enum direction direction =
		client_at == LINK_OUTSIDE ? DIRECTION_INBOUND : DIRECTION_OUTBOUND;
	enum tcp_side side = from_client ? TCP_CLIENT : TCP_SERVER;
	struct session *session;
	struct tcp_result result;

	// A reset carries nothing and ends what it may end.
	if ((packet->tcp.flags & TCP_FLAG_RST) != 0) {
		if (arrival->made)
			return;
		engine->ops.send(
			engine->ops.ctx, arrival->link, link_other(arrival->at), arrival->frame);
		return;
	}
	// The answer to a SYN whose place another one took: the client asks again, and is answered again. A reset
	// would end what can still become a connection.
	if ((packet->tcp.flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == (TCP_FLAG_SYN | TCP_FLAG_ACK)) {
		session_count_drop(engine, TCP_REASON_BAD_HANDSHAKE);
		emit_drop(engine, arrival);
		return;
	}
	switch (engine->options.policy[direction].midstream) {
	case MIDSTREAM_RESET:
		engine->counters.midstream_resets++;
		emit_stray_reset(engine, arrival);
		break;
	case MIDSTREAM_DROP:
		break;
	case MIDSTREAM_PASS:
		session = new_session(engine, arrival, key, swapped);
		if (session == NULL)
			break;
		if (!from_client) {
			session->client_at = (uint8_t)client_at;
			session->key_swapped = !swapped;
		}
		tcp_open_midstream(&session->tcp, side, &packet->tcp, arrival->now_ns);
		// Its bytes count as sent: the answer acknowledges them.
		tcp_input(&session->tcp, side, &packet->tcp, arrival->now_ns, &result);
		session->mode = SESSION_OPAQUE;
		session_learn(session, side, arrival);
		emit_forward(engine, session, arrival);
		return;
	}
	emit_drop(engine, arrival);
}

void session_key_make(const struct engine *engine, const struct packet *packet, uint32_t link,
	struct session_key *key)
{
	key->swapped = flow_key_make(&packet->from, link, &key->key);
	key->hash = flow_hash(engine->flows, &key->key);
}

struct session *session_find(struct engine *engine, const struct session_key *key)
{
	struct session *session = (struct session *)flow_find(engine->flows, &key->key, key->hash);

	if (session == NULL || !session->gathered)
		return session;
	gather_settle(engine);
	return (struct session *)flow_find(engine->flows, &key->key, key->hash);
}
