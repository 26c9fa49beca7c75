// SPDX-License-Identifier: BSD-3-Clause
// What a worker spends while nothing comes: turns of its loop without a packet, and naps. A core that is not busy
// spends that on no mail, and one that is has no such turns; how much it is says how fast the other side of the
// bench is, or how many others use the machine.
//
// To read the clock is a system call: half of one is in the work before a wait, half of one in the work behind it.
// That is the bench's own, and counts as waiting.
#include "perf/rig_state.h"

#define CLOCK_READS 1000

static void measure_clock(struct rig_wait *wait)
{
	double began = rig_seconds(CLOCK_THREAD_CPUTIME_ID);

	for (int i = 0; i < CLOCK_READS; i++)
		wait->since = rig_seconds(CLOCK_THREAD_CPUTIME_ID);
	wait->clock_ns = (uint64_t)((wait->since - began) * (double)NS_PER_S / CLOCK_READS) + 1;
}

static void add(struct rig_wait *wait, uint64_t ns)
{
	(void)atomic_fetch_add_explicit(&wait->ns, ns, memory_order_relaxed);
}

static uint64_t packets(const struct rig *rig)
{
	const struct counters *counters = engine_counters(worker_engine(rig->worker));

	return counters->rx_packets + counters->tx_packets;
}

static void count(struct rig_wait *wait)
{
	double now = rig_seconds(CLOCK_THREAD_CPUTIME_ID);

	add(wait, (uint64_t)((now - wait->since) * (double)NS_PER_S));
	wait->since = now;
}

// Of turns with packets, and of the first one without, no clock is read: they count as work.
void rig_wait_turned(struct rig *rig, bool ends)
{
	struct rig_wait *wait = &rig->wait;
	uint64_t seen = packets(rig);
	bool is_empty = ends && seen == wait->packets;

	if (wait->clock_ns == 0)
		measure_clock(wait);
	wait->packets = seen;
	if (ends && wait->waits && !is_empty)
		add(wait, wait->clock_ns);
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
