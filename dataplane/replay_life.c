// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/replay_life.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 32      // of decisions: each may let an acknowledgement count that decides others
#define WSCALE_MAX 14u // RFC 7323 section 2.3

void life_fini(struct life *life)
{
	free(life->end[0].ranges.list);
	free(life->end[1].ranges.list);
	free(life->bad);
}

// ---- ranges -------------------------------------------------------------------------------------

// The first range that ends at or after a position.
static uint32_t range_at(const struct life_ranges *ranges, uint64_t position)
{
	uint32_t low = 0;
	uint32_t high = ranges->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (ranges->list[middle].to < position)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int make_room(struct life_ranges *ranges)
{
	uint32_t room = ranges->room * 2 + 4;
	struct life_range *list;

	if (ranges->count < ranges->room)
		return 0;
	list = realloc(ranges->list, room * sizeof(list[0]));
	if (list == NULL)
		return -ENOMEM;
	ranges->list = list;
	ranges->room = room;
	return 0;
}

static int add_range(struct life_ranges *ranges, uint64_t from, uint64_t to)
{
	uint32_t at = range_at(ranges, from);
	struct life_range *range;
	uint32_t past;

	if (at == ranges->count || ranges->list[at].from > to) {
		if (make_room(ranges) != 0)
			return -ENOMEM;
		range = &ranges->list[at];
		memmove(range + 1, range, (ranges->count - at) * sizeof(*range));
		*range = (struct life_range){from, to};
		ranges->count++;
		return 0;
	}
	range = &ranges->list[at];
	if (from < range->from)
		range->from = from;
	for (past = at + 1; past < ranges->count && ranges->list[past].from <= to; past++)
		to = ranges->list[past].to > to ? ranges->list[past].to : to;
	if (to > range->to)
		range->to = to;
	memmove(range + 1, &ranges->list[past], (ranges->count - past) * sizeof(*range));
	ranges->count -= past - at - 1;
	return 0;
}

// Whether ranges hold all of [from, to): they are apart, so one of them does.
static bool has_range(const struct life_ranges *ranges, uint64_t from, uint64_t to)
{
	uint32_t at = range_at(ranges, to);

	return at < ranges->count && ranges->list[at].from <= from;
}

// ---- segments -----------------------------------------------------------------------------------

static uint64_t position(struct life_end *end, uint32_t number)
{
	if (end->highest == 0) {
		end->highest = ((uint64_t)1 << 32) + number;
		end->first = end->highest;
	}
	return end->highest + (uint64_t)(int64_t)(int32_t)(number - (uint32_t)end->highest);
}

static void read_scale(struct life_end *end, const struct tcp_segment *segment)
{
	const uint8_t *options = segment->options;
	uint32_t n = segment->options_bytes;

	for (uint32_t i = 0; i < n && options[i] != 0;) {
		uint32_t len = options[i] == 1 ? 1 : i + 1 < n ? options[i + 1] : 0;

		if (len == 0 || i + len > n)
			return;
		if (options[i] == 3 && len == 3) {
			end->has_scale = true;
			end->wscale = options[i + 2] < WSCALE_MAX ? options[i + 2] : WSCALE_MAX;
		}
		i += len;
	}
}

static void take_syn(
	struct life_end *me, const struct life_end *peer, const struct tcp_segment *segment)
{
	uint64_t first = position(me, segment->seq) + 1;

	if (me->has_syn)
		return;
	me->has_syn = true;
	me->isn = segment->seq;
	me->syn_window = segment->window;
	read_scale(me, segment);
	if (me->first >= first)
		me->first = first - 1;
	if (peer->has_syn)
		me->edge = first + peer->syn_window;
}

// me acknowledges what peer sent, and grants it more. Only good segments prove anything, but a grant is
// believed of all.
static void take_ack(struct life_end *me, struct life_end *peer, const struct tcp_segment *segment,
	bool is_good, uint64_t ack)
{
	bool is_scaled = me->has_scale && peer->has_scale && (segment->flags & TCP_FLAG_SYN) == 0;
	uint64_t edge = ack + ((uint64_t)segment->window << (is_scaled ? me->wscale : 0));
	// A byte that probes the closed window and a FIN may stand at the edge.
	bool is_overrun = me->has_syn && peer->has_syn && peer->edge != 0 && ack > peer->edge + 1 &&
			  ack <= peer->sent + 1;

	for (int which = is_good ? 0 : 1; which < 2; which++) {
		if (ack > peer->acked[which])
			peer->acked[which] = ack;
		peer->is_overrun[which] |= is_overrun;
	}
	if ((is_good || me->good == 0) && ack > peer->highest)
		peer->highest = ack;
	if (edge > peer->edge)
		peer->edge = edge;
}

static int add_bad(struct life *life, const struct life_bad *bad)
{
	uint32_t room = life->bad_room * 2 + 16;
	struct life_bad *list;

	if (life->bad_count == life->bad_room) {
		list = realloc(life->bad, room * sizeof(list[0]));
		if (list == NULL)
			return -ENOMEM;
		life->bad = list;
		life->bad_room = room;
	}
	life->bad[life->bad_count++] = *bad;
	return 0;
}

int life_add(struct life *life, uint8_t sender, const struct packet *packet, bool is_good,
	uint64_t frame)
{
	const struct tcp_segment *segment = &packet->tcp;
	struct life_end *me = &life->end[sender];
	struct life_end *peer = &life->end[1 - sender];
	bool is_syn = (segment->flags & TCP_FLAG_SYN) != 0;
	struct life_bad bad = {
		.frame = frame, .sender = sender, .is_reset = (segment->flags & TCP_FLAG_RST) != 0};

	bad.from = position(me, segment->seq) + is_syn;
	bad.to = bad.from + segment->payload_bytes;
	if (is_syn && !bad.is_reset)
		take_syn(me, peer, segment);
	if (bad.to > me->sent)
		me->sent = bad.to;
	if ((segment->flags & TCP_FLAG_ACK) != 0 && !bad.is_reset) {
		bad.ack = position(peer, segment->ack);
		take_ack(me, peer, segment, is_good, bad.ack);
	}
	if (!is_good)
		return add_bad(life, &bad);
	me->good++;
	me->good_empty += segment->payload_bytes == 0;
	// The number of a FIN is acknowledged like a byte, and no byte stands there.
	bad.to += (segment->flags & TCP_FLAG_FIN) != 0;
	return bad.to > bad.from ? add_range(&me->ranges, bad.from, bad.to) : 0;
}

// ---- decisions ----------------------------------------------------------------------------------

static uint64_t acked(const struct life *life, uint8_t sender)
{
	return life->end[sender].acked[life->end[1 - sender].good > 0 ? 0 : 1];
}

static bool is_taken(const struct life *life, const struct life_bad *bad, bool has_holes)
{
	const struct life_end *me = &life->end[bad->sender];
	uint64_t edge = acked(life, bad->sender);

	if (me->good == 0 && edge > me->first)
		return true;
	if (bad->to == bad->from)
		return me->good_empty == 0 && !bad->is_reset;
	return !has_holes && bad->to <= edge && !has_range(&me->ranges, bad->from, bad->to);
}

// What a repaired segment acknowledges was acknowledged. Returns whether anything was decided.
static bool decide_one(struct life *life, struct life_bad *bad, bool has_holes)
{
	struct life_end *peer = &life->end[1 - bad->sender];

	if (bad->is_repaired || !is_taken(life, bad, has_holes))
		return false;
	bad->is_repaired = true;
	if (bad->ack > peer->acked[0])
		peer->acked[0] = bad->ack;
	return true;
}

void life_decide(struct life *life, bool has_holes)
{
	bool is_changed = true;

	// There and back, for acknowledgements count in either direction of time.
	for (int round = 0; round < ROUNDS && is_changed; round++) {
		is_changed = false;
		for (uint32_t i = 0; i < life->bad_count; i++) {
			uint32_t at = round % 2 == 0 ? life->bad_count - 1 - i : i;

			is_changed |= decide_one(life, &life->bad[at], has_holes);
		}
	}
}

bool life_has_any_window(const struct life *life)
{
	for (int i = 0; i < 2; i++) {
		if (life->end[i].is_overrun[life->end[1 - i].good > 0 ? 0 : 1])
			return true;
	}
	return false;
}
