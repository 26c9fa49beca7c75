// SPDX-License-Identifier: BSD-3-Clause
#include "perf/traffic.h"

#include "dataplane/packet_checksum.h"
#include "perf/perf.h"
#include "perf/traffic_state.h"

#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES 54u
#define WINDOW 65535u
#define MSS_OPTION_BYTES 4u

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

void traffic_wake(struct traffic *traffic, struct talk *talk, enum traffic_side side)
{
	if (talk->end[side].queued)
		return;
	talk->end[side].queued = true;
	traffic->queue[traffic->queue_tail++ & traffic->queue_mask] =
		(uint32_t)(talk - traffic->talks) * 2 + side;
}

void traffic_say(struct traffic *traffic, struct talk *talk, enum traffic_side side,
	const void *data, size_t n)
{
	struct end *end = &talk->end[side];

	end->out = data;
	end->out_bytes = (uint32_t)n;
	end->out_sent = 0;
	traffic_wake(traffic, talk, side);
}

void traffic_say_text(
	struct traffic *traffic, struct talk *talk, enum traffic_side side, const char *text)
{
	traffic_say(traffic, talk, side, text, strlen(text));
}

// ---- frames -------------------------------------------------------------------------------------

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	value = __builtin_bswap32(value);
	memcpy(at, &value, sizeof(value));
}

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return __builtin_bswap32(value);
}

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static void put_addresses(const struct traffic *traffic, const struct talk *talk,
	enum traffic_side side, uint8_t *frame)
{
	uint32_t client = 0x0a000001u + traffic->options.first + (uint32_t)(talk - traffic->talks);
	bool from_client = side == TRAFFIC_CLIENT;

	put32(frame + 26, from_client ? client : 0xc6336402u);
	put32(frame + 30, from_client ? 0xc6336402u : client);
	put16(frame + 34, from_client ? talk->port : traffic->options.port);
	put16(frame + 36, from_client ? traffic->options.port : talk->port);
}

static void put_sums(uint8_t *frame, uint32_t bytes)
{
	uint8_t pseudo[4] = {0, 6};
	uint16_t sum = (uint16_t)~packet_fold(packet_sum(frame + 14, 20));

	memcpy(frame + 24, &sum, sizeof(sum));
	put16(pseudo + 2, bytes - 34);
	sum = (uint16_t)~packet_fold(packet_sum(pseudo, 4) + packet_sum(frame + 26, 8) +
				     packet_sum(frame + 34, bytes - 34));
	memcpy(frame + 50, &sum, sizeof(sum));
}

// False: there is no room now.
static bool send_segment(struct traffic *traffic, struct talk *talk, enum traffic_side side,
	uint8_t flags, uint32_t payload)
{
	static const uint8_t head[26] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 0, 0,
		0, 0x40, 0, 64, 6, 0, 0};
	struct end *end = &talk->end[side];
	uint32_t options = (flags & SYN) != 0 ? MSS_OPTION_BYTES : 0;
	uint32_t bytes = HEADER_BYTES + options + payload;
	uint8_t *frame = traffic->ops.frame(traffic->ops.ctx, side, bytes);

	if (frame == NULL)
		return false;
	memcpy(frame, head, sizeof(head));
	put16(frame + 16, bytes - 14);
	put_addresses(traffic, talk, side, frame);
	put32(frame + 38, end->next);
	put32(frame + 42, (flags & ACK) != 0 ? end->expected : 0);
	frame[46] = (uint8_t)((20 + options) / 4 << 4);
	frame[47] = flags;
	put16(frame + 48, WINDOW);
	memset(frame + 50, 0, 4);
	if (options > 0)
		put32(frame + HEADER_BYTES, 0x02040000u + TRAFFIC_SEGMENT_BYTES);
	if (payload > 0)
		memcpy(frame + HEADER_BYTES + options, end->out + end->out_sent, payload);
	put_sums(frame, bytes);
	end->next += payload + ((flags & (SYN | FIN)) != 0 ? 1 : 0);
	end->out_sent += payload;
	end->ack_due = false;
	end->unanswered = 0;
	traffic->totals.frames++;
	traffic->totals.frame_bytes += bytes;
	return true;
}

// ---- connections --------------------------------------------------------------------------------

bool traffic_has_more(const struct traffic *traffic)
{
	return traffic->totals.begun < traffic->options.mails;
}

static void begin_talk(struct traffic *traffic, struct talk *talk)
{
	uint32_t iss = 0x1000u + (uint32_t)talk->port * 77777u;

	memset(talk->end, 0, sizeof(talk->end)); // neither is queued: it was closed
	talk->port =
		talk->port < 1024 || talk->port == UINT16_MAX ? 1024 : (uint16_t)(talk->port + 1);
	talk->state = CLIENT_GREETING;
	talk->in_body = false;
	talk->roused = traffic->options.mail_each > 0 &&
		       (talk - traffic->talks) % traffic->options.mail_each == 0;
	talk->sent_here = 0;
	for (int side = 0; side < 2; side++) {
		talk->end[side].next = iss * (uint32_t)(side + 1);
		talk->end[side].acked = talk->end[side].next;
		talk->end[side].window = WINDOW;
	}
	talk->end[TRAFFIC_CLIENT].syn_due = true;
	traffic_wake(traffic, talk, TRAFFIC_CLIENT);
}

static void open_next(struct traffic *traffic)
{
	if (traffic->opened < traffic->options.connections)
		begin_talk(traffic, &traffic->talks[traffic->opened++]);
}

void traffic_rest(struct traffic *traffic, struct talk *talk)
{
	talk->state = CLIENT_IDLE;
	traffic->totals.resting++;
	open_next(traffic);
}

static bool leave_rest(struct traffic *traffic, struct talk *talk)
{
	if (talk->state != CLIENT_IDLE)
		return false;
	traffic->totals.resting--;
	return true;
}

bool traffic_rouse(struct traffic *traffic, uint32_t connection)
{
	struct talk *talk = &traffic->talks[connection];

	if (!leave_rest(traffic, talk))
		return false;
	talk->roused = true;
	traffic_next_mail(traffic, talk);
	return true;
}

bool traffic_close(struct traffic *traffic, uint32_t connection)
{
	struct talk *talk = &traffic->talks[connection];

	if (!leave_rest(traffic, talk))
		return false;
	traffic_quit(traffic, talk);
	return true;
}

static void close_talk(struct traffic *traffic, struct talk *talk)
{
	struct end *client = &talk->end[TRAFFIC_CLIENT];
	struct end *server = &talk->end[TRAFFIC_SERVER];
	bool client_over =
		client->gone || (client->fin_sent && client->fin_seen &&
					client->acked == client->next && !client->ack_due);
	bool server_over =
		server->gone || (server->fin_sent && server->fin_seen &&
					server->acked == server->next && !server->ack_due);

	if (talk->state != CLIENT_DONE || !client_over || !server_over || client->queued ||
		server->queued)
		return;
	traffic->totals.ended++;
	talk->state = CLIENT_CLOSED;
	if (traffic_has_more(traffic) && !traffic->options.idle)
		begin_talk(traffic, talk);
	else
		traffic->closed++;
}

// ---- TCP ----------------------------------------------------------------------------------------

static void take_syn(
	struct traffic *traffic, struct talk *talk, enum traffic_side side, const uint8_t *tcp)
{
	struct end *end = &talk->end[side];

	if (end->open) {
		traffic->totals.lost++;
		return;
	}
	end->expected = get32(tcp + 4) + 1;
	end->open = true;
	if (side == TRAFFIC_SERVER)
		end->syn_due = true;
	else
		end->ack_due = true;
	traffic_wake(traffic, talk, side);
}

static void take_ack(
	struct traffic *traffic, struct talk *talk, enum traffic_side side, const uint8_t *tcp)
{
	struct end *end = &talk->end[side];
	uint32_t ack = get32(tcp + 8);
	bool greets = side == TRAFFIC_SERVER && end->out == NULL && ack == end->next;

	end->window = get16(tcp + 14);
	if ((int32_t)(ack - end->acked) < 0 || (int32_t)(end->next - ack) < 0)
		return;
	end->acked = ack;
	if (greets)
		traffic_say_text(
			traffic, talk, TRAFFIC_SERVER, "220 server.perf.example ESMTP\r\n");
	if (end->out_sent < end->out_bytes || end->fin_due)
		traffic_wake(traffic, talk, side);
}

static void take_payload(struct traffic *traffic, struct talk *talk, enum traffic_side side,
	const uint8_t *data, uint32_t n, uint64_t now_ns)
{
	struct end *end = &talk->end[side];

	end->expected += n;
	end->ack_due = true;
	end->unanswered++;
	if (side == TRAFFIC_CLIENT)
		traffic_client_hears(traffic, talk, data, n);
	else
		traffic_server_hears(traffic, talk, data, n, now_ns);
	traffic_wake(traffic, talk, side);
}

static void take_reset(struct traffic *traffic, struct talk *talk, enum traffic_side side)
{
	if (side == TRAFFIC_CLIENT && !talk->end[side].gone) {
		(void)leave_rest(traffic, talk);
		traffic->totals.resets++;
		talk->state = CLIENT_DONE;
	}
	talk->end[side].gone = true;
	talk->in_body = false;
}

static void take_unexpected(
	struct traffic *traffic, struct talk *talk, enum traffic_side side, const uint8_t *tcp)
{
	struct end *end = &talk->end[side];

	if (!end->open || (int32_t)(get32(tcp + 4) - end->expected) > 0) {
		traffic->totals.lost++;
		return;
	}
	traffic->totals.repeated++;
	end->ack_due = true;
	traffic_wake(traffic, talk, side);
}

static void take_segment(struct traffic *traffic, struct talk *talk, enum traffic_side side,
	const uint8_t *frame, uint32_t ip_bytes, uint64_t now_ns)
{
	const uint8_t *tcp = frame + 34;
	struct end *end = &talk->end[side];
	uint32_t header = (uint32_t)(tcp[12] >> 4) * 4;
	uint32_t payload = ip_bytes - 20 - header;
	uint8_t flags = tcp[13];

	if ((flags & RST) != 0) {
		take_reset(traffic, talk, side);
		return;
	}
	if (end->gone)
		return;
	if ((flags & SYN) != 0) {
		take_syn(traffic, talk, side, tcp);
	} else if (!end->open ||
		   ((payload > 0 || (flags & FIN) != 0) && get32(tcp + 4) != end->expected)) {
		take_unexpected(traffic, talk, side, tcp);
		return;
	}
	if ((flags & ACK) != 0)
		take_ack(traffic, talk, side, tcp);
	if (payload > 0)
		take_payload(traffic, talk, side, tcp + header, payload, now_ns);
	if ((flags & FIN) != 0 && !end->fin_seen) {
		end->fin_seen = true;
		end->expected++;
		end->ack_due = true;
		// A server closes when its client does, and a client of which nothing more is wanted.
		end->fin_due = end->fin_due || !end->fin_sent;
		if (side == TRAFFIC_CLIENT) {
			(void)leave_rest(traffic, talk);
			talk->state = CLIENT_DONE;
		}
		traffic_wake(traffic, talk, side);
	}
}

static uint32_t index_of(
	const struct traffic *traffic, enum traffic_side side, const uint8_t *frame)
{
	return get32(frame + (side == TRAFFIC_CLIENT ? 30 : 26)) - 0x0a000001u -
	       traffic->options.first;
}

bool traffic_owns(const struct traffic *traffic, enum traffic_side side, const uint8_t *frame)
{
	return index_of(traffic, side, frame) < traffic->options.connections;
}

void traffic_input(struct traffic *traffic, enum traffic_side side, const uint8_t *frame,
	uint32_t bytes, uint64_t now_ns)
{
	bool to_client = side == TRAFFIC_CLIENT;
	uint32_t index;
	struct talk *talk;

	if (bytes < HEADER_BYTES || frame[12] != 8 || frame[14] != 0x45 || frame[23] != 6) {
		traffic->totals.changed++;
		return;
	}
	index = index_of(traffic, side, frame);
	if (index >= traffic->options.connections) {
		traffic->totals.changed++;
		return;
	}
	talk = &traffic->talks[index];
	if (get16(frame + (to_client ? 36 : 34)) != talk->port || talk->state == CLIENT_CLOSED) {
		traffic->totals.strays++;
		return;
	}
	take_segment(traffic, talk, side, frame, get16(frame + 16), now_ns);
	close_talk(traffic, talk);
}

// What a side may still send, of what it says.
static uint32_t sendable(const struct traffic *traffic, const struct end *end)
{
	uint32_t flight = end->next - end->acked;
	uint32_t most = end->window < traffic->options.flight_bytes ? end->window
								    : traffic->options.flight_bytes;
	uint32_t left = end->out_bytes - end->out_sent;
	uint32_t n = left < TRAFFIC_SEGMENT_BYTES ? left : TRAFFIC_SEGMENT_BYTES;

	return flight + n <= most ? n : 0;
}

// Returns false when there was no room for a frame.
static bool pump(
	struct traffic *traffic, struct talk *talk, enum traffic_side side, uint64_t now_ns)
{
	struct end *end = &talk->end[side];
	uint32_t n;

	if (end->gone)
		return true;
	if (end->syn_due) {
		if (!send_segment(traffic, talk, side, side == TRAFFIC_SERVER ? SYN | ACK : SYN, 0))
			return false;
		end->syn_due = false;
	}
	while ((n = sendable(traffic, end)) > 0) {
		bool is_last = end->out_sent + n == end->out_bytes;

		if (!send_segment(traffic, talk, side, is_last ? ACK | PSH : ACK, n))
			return false;
		if (is_last && side == TRAFFIC_CLIENT)
			talk->sent_ns = now_ns;
	}
	if (end->fin_due && !end->fin_sent && end->out_sent == end->out_bytes) {
		if (!send_segment(traffic, talk, side, FIN | ACK, 0))
			return false;
		end->fin_sent = true;
		end->fin_due = false;
	}
	return !end->ack_due || send_segment(traffic, talk, side, ACK, 0);
}

bool traffic_step(struct traffic *traffic, uint64_t now_ns, uint32_t most)
{
	bool any = false;

	for (uint32_t i = 0; i < most && traffic->queue_head != traffic->queue_tail; i++) {
		uint32_t item = traffic->queue[traffic->queue_head & traffic->queue_mask];
		struct talk *talk = &traffic->talks[item / 2];

		if (!pump(traffic, talk, (enum traffic_side)(item & 1), now_ns))
			break;
		traffic->queue_head++;
		talk->end[item & 1].queued = false;
		close_talk(traffic, talk);
		any = true;
	}
	return any;
}

bool traffic_is_done(const struct traffic *traffic)
{
	if (traffic->options.idle)
		return traffic->totals.resting + traffic->closed == traffic->options.connections &&
		       traffic->queue_head == traffic->queue_tail;
	return traffic->closed == traffic->options.connections;
}

uint32_t traffic_busy(const struct traffic *traffic)
{
	return traffic->opened - traffic->totals.resting - traffic->closed;
}

const struct traffic_totals *traffic_totals(const struct traffic *traffic)
{
	return &traffic->totals;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

uint32_t traffic_latencies(struct traffic *traffic, const uint32_t **ns)
{
	qsort(traffic->latencies, traffic->latencies_count, sizeof(*traffic->latencies), compare);
	*ns = traffic->latencies;
	return traffic->latencies_count;
}

struct traffic *traffic_new(const struct traffic_options *options, const struct traffic_ops *ops)
{
	struct traffic *traffic = perf_alloc(sizeof(*traffic));
	uint32_t room = 4;

	while (room < options->connections * 2)
		room *= 2;
	traffic->options = *options;
	traffic->ops = *ops;
	traffic->talks = perf_alloc(sizeof(*traffic->talks) * options->connections);
	traffic->queue = perf_alloc(sizeof(*traffic->queue) * room);
	traffic->queue_mask = room - 1;
	traffic->latencies = perf_alloc(sizeof(*traffic->latencies) * TRAFFIC_LATENCIES);
	for (uint32_t i = 0; i < options->connections; i++)
		traffic->talks[i].port = (uint16_t)(1024 + i % 50000);
	while (traffic->opened < (options->opening > 0 ? options->opening : options->connections) &&
		traffic->opened < options->connections)
		open_next(traffic);
	return traffic;
}

void traffic_free(struct traffic *traffic)
{
	free(traffic->talks);
	free(traffic->queue);
	free(traffic->latencies);
	free(traffic);
}
