// SPDX-License-Identifier: BSD-3-Clause
// What a worker spends while nothing comes: turns of its loop without a packet, and naps. A core that is not busy
// spends that on no mail, and one that is has no such turns; how much it is says how fast the other side of the
// bench is, or how many others use the machine.
#include "perf/rig_state.h"

static uint64_t packets(const struct rig *rig)
{
	const struct counters *counters = engine_counters(worker_engine(rig->worker));

	return counters->rx_packets + counters->tx_packets;
}

static void count(struct rig_wait *wait)
{
	double now = rig_seconds(CLOCK_THREAD_CPUTIME_ID);

	(void)atomic_fetch_add_explicit(&wait->ns,
		(uint64_t)((now - wait->since) * (double)NS_PER_S), memory_order_relaxed);
	wait->since = now;
}

// Of turns with packets, and of the first one without, no clock is read: they count as work.
void rig_wait_turned(struct rig *rig, bool ends)
{
	struct rig_wait *wait = &rig->wait;
	uint64_t seen = packets(rig);
	bool is_empty = ends && seen == wait->packets;

	wait->packets = seen;
	if (wait->waits && (!ends || is_empty))
		count(wait);
	else if (is_empty)
		wait->since = rig_seconds(CLOCK_THREAD_CPUTIME_ID);
	wait->waits = ends ? is_empty : wait->waits;
}

double rig_wait_s(const struct rig *rig)
{
	return (double)atomic_load_explicit(&rig->wait.ns, memory_order_relaxed) / (double)NS_PER_S;
}
