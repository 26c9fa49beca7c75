// SPDX-License-Identifier: BSD-3-Clause
#include "perf/rig_ends.h"

#include "perf/rig_wires.h"

#include <string.h>

static void flush(struct rig_ends *ends, int side)
{
	unsigned int sent = rig_wires_send(side, ends->burst[side], ends->count[side]);

	ends->count[side] -= sent;
	memmove(ends->burst[side], ends->burst[side] + sent,
		ends->count[side] *
			sizeof(struct rte_mbuf *)); // NOLINT(bugprone-sizeof-expression)
}

static uint8_t *give_frame(void *ctx, enum traffic_side from, uint32_t bytes)
{
	struct rig_ends *ends = ctx;
	int side = from == TRAFFIC_CLIENT ? LINK_OUTSIDE : LINK_INSIDE;
	struct rte_mbuf *mbuf;

	if (ends->count[side] == RIG_BURST)
		flush(ends, side);
	if (ends->count[side] == RIG_BURST)
		return NULL;
	mbuf = rte_pktmbuf_alloc(rig_wires_ports()->pool);
	if (mbuf == NULL)
		return NULL;
	mbuf->port = rig_wires_ports()->port[side].id;
	ends->burst[side][ends->count[side]++] = mbuf;
	return (uint8_t *)rte_pktmbuf_append(mbuf, (uint16_t)bytes);
}

static bool receive(struct rig_ends *ends, int side, uint64_t now_ns)
{
	enum traffic_side at = side == LINK_OUTSIDE ? TRAFFIC_CLIENT : TRAFFIC_SERVER;
	struct rte_mbuf *frames[RIG_BURST];
	uint32_t n = rig_wires_receive(side, frames, RIG_BURST);

	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *frame = rte_pktmbuf_mtod(frames[i], const uint8_t *);
		bool is_idle = ends->idle != NULL &&
			       (ends->active == NULL || traffic_owns(ends->idle, at, frame));

		traffic_input(is_idle ? ends->idle : ends->active, at, frame,
			rte_pktmbuf_data_len(frames[i]), now_ns);
	}
	if (n > 0)
		rte_pktmbuf_free_bulk(frames, n);
	return n > 0;
}

bool rig_ends_turn(struct rig_ends *ends, uint64_t now_ns)
{
	bool any = receive(ends, LINK_OUTSIDE, now_ns);

	any = receive(ends, LINK_INSIDE, now_ns) || any;
	if (ends->idle != NULL)
		any = traffic_step(ends->idle, now_ns, RIG_BURST) || any;
	if (ends->active != NULL)
		any = traffic_step(ends->active, now_ns, RIG_BURST) || any;
	flush(ends, LINK_OUTSIDE);
	flush(ends, LINK_INSIDE);
	return any;
}

struct traffic *rig_ends_traffic(struct rig_ends *ends, const struct traffic_options *options)
{
	const struct traffic_ops ops = {ends, give_frame};

	return traffic_new(options, &ops);
}
