// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/worker.h"

#include "dataplane/port_faults.h"
#include "dataplane/priority.h"
#include "dataplane/spool_engine.h"
#include "dataplane/worker_events.h"
#include "dataplane/worker_helper.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BURST ENGINE_BURST
#define CLOCK_TRIES 16
#define CLOCK_US 50000 // in which a microsecond is 20 in a million
#define SEND_TRIES 16
#define DEFERRED_NAP_US 500
#define DEFERRED_STOP_NS (5ull * NS_PER_S) // that a scan in another thread may take to end
#define NS_PER_US 1000u

static_assert(BURST <= DISTRIBUTOR_BURST, "a burst can be handed over at once");

// Frames for one port that go out together.
struct send_buffer {
	struct rte_mbuf *frames[BURST];
	uint16_t count;
};

struct worker {
	struct worker_shared *shared;
	uint32_t number;
	struct engine *engine;
	struct counters *counters;
	struct port_faults *faults; // NULL: none
	struct worker_helper *helper;
	struct spool_engine *spool; // NULL: nothing can be kept
	struct worker_events events;
	struct worker_orders orders;
	uint64_t now_ns;
	uint64_t idle_since_ns;
	uint32_t empty_polls;
	uint8_t index_of[RTE_MAX_ETHPORTS]; // DPDK's port number to ours
	struct send_buffer send[PORTS_MAX];
};

// One moment by both clocks: of several tries the one that was interrupted least.
static void read_clocks(uint64_t *ticks, uint64_t *ns)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < CLOCK_TRIES; i++) {
		struct timespec now;
		uint64_t before = rte_rdtsc();
		uint64_t took;

		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		took = rte_rdtsc() - before;
		if (took >= least)
			continue;
		least = took;
		*ticks = before + took / 2;
		*ns = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
	}
}

// Measured: rte_get_tsc_hz is rounded to 10 MHz, by which events would be off by milliseconds.
void worker_clock_init(struct worker_shared *shared)
{
	uint64_t ticks[2] = {0};
	uint64_t ns[2] = {0};

	read_clocks(&ticks[0], &ns[0]);
	(void)usleep(CLOCK_US);
	read_clocks(&ticks[1], &ns[1]);
	shared->clock_base = rte_rdtsc();
	shared->clock_scale =
		(uint64_t)(((unsigned __int128)(ns[1] - ns[0]) << 32) / (ticks[1] - ticks[0]));
}

uint64_t worker_clock_ns(const struct worker_shared *shared)
{
	unsigned __int128 ticks = rte_rdtsc() - shared->clock_base;

	return (uint64_t)(ticks * shared->clock_scale >> 32);
}

// ---- sending ------------------------------------------------------------------------------------

// A port that is full is asked a few times more; then what is left is lost, as on a full switch.
static void transmit(struct worker *worker, uint32_t port, struct rte_mbuf **frames, uint16_t n)
{
	uint16_t queue = worker->shared->distributor == NULL ? (uint16_t)worker->number : 0;
	uint16_t id = worker->shared->ports->port[port].id;
	uint16_t sent = 0;

	for (int tries = 0; sent < n && tries < SEND_TRIES; tries++)
		sent = (uint16_t)(sent +
				  rte_eth_tx_burst(id, queue, frames + sent, (uint16_t)(n - sent)));
	worker->counters->tx_packets += sent;
	worker->counters->tx_dropped += (uint64_t)(n - sent);
	if (sent < n)
		rte_pktmbuf_free_bulk(frames + sent, (unsigned int)(n - sent));
}

// The first worker has the ports; the others hand their frames to it.
static void hand_over(struct worker *worker, struct rte_mbuf **frames, uint16_t n)
{
	struct rte_ring *ring = worker->shared->distributor->to_ports[worker->number];
	unsigned int taken = rte_ring_sp_enqueue_burst(ring, (void **)frames, n, NULL);

	worker->counters->tx_dropped += n - taken;
	if (taken < n)
		rte_pktmbuf_free_bulk(frames + taken, n - taken);
}

static void flush(struct worker *worker, uint32_t port)
{
	struct send_buffer *buffer = &worker->send[port];

	if (buffer->count == 0)
		return;
	if (worker->shared->distributor != NULL && worker->number != 0)
		hand_over(worker, buffer->frames, buffer->count);
	else
		transmit(worker, port, buffer->frames, buffer->count);
	buffer->count = 0;
}

static void flush_all(struct worker *worker)
{
	for (uint32_t port = 0; port < worker->shared->ports->count; port++)
		flush(worker, port);
}

static void queue(struct worker *worker, uint32_t port, struct rte_mbuf *mbuf)
{
	struct send_buffer *buffer = &worker->send[port];

	buffer->frames[buffer->count++] = mbuf;
	if (buffer->count == BURST)
		flush(worker, port);
}

// ---- what the engine asks for -------------------------------------------------------------------

static void frame_of(struct rte_mbuf *mbuf, struct frame *out)
{
	out->data = rte_pktmbuf_mtod(mbuf, uint8_t *);
	out->bytes = rte_pktmbuf_data_len(mbuf);
	out->room = (uint32_t)rte_pktmbuf_data_len(mbuf) + rte_pktmbuf_tailroom(mbuf);
	out->handle = mbuf;
}

static bool op_alloc(void *ctx, uint32_t bytes, struct frame *out)
{
	struct worker *worker = ctx;
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(worker->shared->ports->pool);

	if (mbuf == NULL)
		return false;
	if (rte_pktmbuf_tailroom(mbuf) < bytes) {
		rte_pktmbuf_free(mbuf);
		return false;
	}
	frame_of(mbuf, out);
	return true;
}

static void op_free(void *ctx, struct frame *frame)
{
	(void)ctx;
	rte_pktmbuf_free(frame->handle);
}

static void op_send(void *ctx, uint32_t link, enum link_side side, struct frame *frame)
{
	struct worker *worker = ctx;
	struct rte_mbuf *mbuf = frame->handle;
	uint32_t index = link * 2 + (uint32_t)side;
	const struct port *port = &worker->shared->ports->port[index];

	// Frames that the sender's kernel left to hardware to cut may be longer than any port takes.
	if (frame->bytes > port->frame_bytes) {
		worker->counters->tx_dropped++;
		rte_pktmbuf_free(mbuf);
		return;
	}
	mbuf->data_off = (uint16_t)(frame->data - (uint8_t *)mbuf->buf_addr);
	mbuf->data_len = (uint16_t)frame->bytes;
	mbuf->pkt_len = frame->bytes;
	mbuf->ol_flags = 0;
	mbuf->port = (uint16_t)index;
	queue(worker, index, mbuf);
}

// Each engine counts its sessions from 1; in events they differ across workers.
static uint64_t session_number(const struct worker *worker, uint64_t session)
{
	return (session - 1) * worker->shared->options->workers + worker->number + 1;
}

static void op_mail(void *ctx, const struct mail_record *record)
{
	struct worker *worker = ctx;

	struct mail_record named = *record;

	named.session = session_number(worker, record->session);
	worker_events_mail(&worker->events, &named);
}

static void op_session(void *ctx, const struct session_record *record)
{
	struct worker *worker = ctx;

	struct session_record named = *record;

	named.session = session_number(worker, record->session);
	worker_events_session(&worker->events, &named);
}

static void op_hold(void *ctx, const struct hold_record *record)
{
	struct worker *worker = ctx;
	struct held_mail named = *record->mail;
	struct hold_record kept = {&named, record->record};

	named.session = session_number(worker, record->mail->session);
	worker_events_hold(&worker->events, &kept);
}

static uint64_t op_clock(void *ctx)
{
	const struct worker *worker = ctx;

	return worker_clock_ns(worker->shared);
}

static bool op_defer(void *ctx, struct deferral *deferral)
{
	struct worker *worker = ctx;

	return worker_helper_push(worker->helper, deferral);
}

static struct deferral *op_deferred(void *ctx)
{
	struct worker *worker = ctx;

	return worker_helper_pull(worker->helper);
}

// ---- receiving ----------------------------------------------------------------------------------

// False: there is no memory for it, and it is gone.
static bool frame_in(struct worker *worker, struct rte_mbuf *mbuf, struct engine_frame *in)
{
	const struct port *port = &worker->shared->ports->port[worker->index_of[mbuf->port]];

	if (mbuf->nb_segs > 1 && rte_pktmbuf_linearize(mbuf) != 0) {
		worker->counters->dropped_memory++;
		rte_pktmbuf_free(mbuf);
		return false;
	}
	frame_of(mbuf, &in->frame);
	in->link = port->link;
	in->side = port->side;
	return true;
}

static void input(struct worker *worker, struct rte_mbuf **mbufs, uint32_t n)
{
	struct engine_frame frames[BURST];
	uint32_t count = 0;

	for (uint32_t i = 0; i < n; i++)
		count += frame_in(worker, mbufs[i], &frames[count]);
	engine_input_burst(worker->engine, frames, count, worker->now_ns);
}

// At most BURST.
static void take(struct worker *worker, struct rte_mbuf **frames, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		rte_prefetch0(frames[i]);
	for (uint32_t i = 0; i < n; i++) {
		worker->counters->rx_packets++;
		worker->counters->rx_bytes += rte_pktmbuf_pkt_len(frames[i]);
		if (worker->faults != NULL)
			port_faults_push(worker->faults, frames[i], worker->now_ns);
	}
	if (worker->faults == NULL)
		input(worker, frames, n);
}

static void distribute(struct worker *worker, struct rte_mbuf **frames, uint32_t n)
{
	uint32_t own;

	for (uint32_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(frames[i], void *));
	worker->counters->dropped_memory +=
		distributor_spread(worker->shared->distributor, frames, n, &own);
	take(worker, frames, own);
}

// One burst from each port of this worker's own. Returns how many frames there were.
static uint32_t poll_ports(struct worker *worker)
{
	const struct worker_shared *shared = worker->shared;
	uint16_t queue_number = shared->distributor == NULL ? (uint16_t)worker->number : 0;
	uint32_t total = 0;

	for (uint32_t i = 0; i < shared->ports->count; i++) {
		struct rte_mbuf *frames[BURST];
		uint16_t n =
			rte_eth_rx_burst(shared->ports->port[i].id, queue_number, frames, BURST);

		if (shared->distributor != NULL)
			distribute(worker, frames, n);
		else
			take(worker, frames, n);
		total += n;
	}
	return total;
}

// The other workers' frames to the ports.
static uint32_t poll_workers(struct worker *worker)
{
	struct distributor *distributor = worker->shared->distributor;
	uint32_t total = 0;

	for (uint32_t i = 1; i < distributor->workers; i++) {
		struct rte_mbuf *frames[BURST];
		unsigned int n = rte_ring_sc_dequeue_burst(
			distributor->to_ports[i], (void **)frames, BURST, NULL);

		for (unsigned int j = 0; j < n; j++)
			queue(worker, frames[j]->port, frames[j]);
		total += n;
	}
	return total;
}

static uint32_t poll_ring(struct worker *worker)
{
	struct rte_mbuf *frames[BURST];
	unsigned int n =
		rte_ring_sc_dequeue_burst(worker->shared->distributor->to_worker[worker->number],
			(void **)frames, BURST, NULL);

	take(worker, frames, n);
	return n;
}

static uint32_t receive(struct worker *worker)
{
	uint32_t n = 0;

	if (worker->shared->distributor == NULL)
		n = poll_ports(worker);
	else if (worker->number == 0)
		n = poll_ports(worker) + poll_workers(worker);
	else
		n = poll_ring(worker);
	if (worker->faults != NULL) {
		struct rte_mbuf *mbuf;

		while ((mbuf = port_faults_pull(worker->faults, worker->now_ns)) != NULL) {
			input(worker, &mbuf, 1);
			n++;
		}
	}
	return n;
}

// ---- the loop -----------------------------------------------------------------------------------

static void advance_clock(struct worker *worker)
{
	uint64_t now_ns = worker_clock_ns(worker->shared);

	// Processors' counters may differ by a little when the thread moves.
	if (now_ns > worker->now_ns)
		worker->now_ns = now_ns;
}

// A nap is a sixteenth of the time that nothing has come, within its limits: what comes next is late
// by as little against the silence before it, and a long silence costs next to nothing.
static uint32_t nap_us(const struct worker *worker)
{
	const struct options_idle *idle = &worker->shared->options->idle;
	uint64_t us = (worker->now_ns - worker->idle_since_ns) / NS_PER_US / 16;

	if (us > idle->max_sleep_us)
		us = idle->max_sleep_us;
	// What another thread is done with does not wake this one.
	if (us > DEFERRED_NAP_US &&
		(engine_deferred(worker->engine) > 0 ||
			(worker->spool != NULL && spool_engine_busy(worker->spool) > 0)))
		us = DEFERRED_NAP_US;
	return us > idle->sleep_us ? (uint32_t)us : idle->sleep_us;
}

// given: of worker_orders_given, before they were taken.
static void rest(struct worker *worker, uint32_t received, uint32_t given)
{
	const struct options_idle *idle = &worker->shared->options->idle;

	if (received > 0 || idle->sleep_us == 0) {
		worker->empty_polls = 0;
		worker->idle_since_ns = worker->now_ns;
		return;
	}
	if (worker->empty_polls < idle->after_polls)
		worker->empty_polls++;
	else
		worker_orders_nap(&worker->orders, given, nap_us(worker));
}

// Scans that another thread works on were told to end.
static void settle(struct worker *worker)
{
	uint64_t limit_ns = worker->now_ns + DEFERRED_STOP_NS;

	while (engine_deferred(worker->engine) > 0 && worker->now_ns < limit_ns) {
		(void)usleep(DEFERRED_NAP_US);
		advance_clock(worker);
		engine_tick(worker->engine, worker->now_ns);
	}
}

static void finish(struct worker *worker)
{
	struct worker_shared *shared = worker->shared;

	// What is in force while it naps holds for the last that it does, too.
	worker_orders_take(&worker->orders, worker->engine);
	engine_stop(worker->engine, worker->now_ns);
	flush_all(worker);
	settle(worker);
	// Release, with the acquire of the first worker: what this one handed over is in the rings.
	(void)atomic_fetch_sub_explicit(&shared->stopping, 1, memory_order_acq_rel);
	if (shared->distributor == NULL || worker->number != 0)
		return;
	while (atomic_load_explicit(&shared->stopping, memory_order_acquire) > 0 ||
		poll_workers(worker) > 0)
		flush_all(worker);
	flush_all(worker);
}

// The spool has a clock of its own, which its thread reads too; reading it is no system call.
static void turn_spool(struct worker *worker)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	spool_engine_turn(worker->spool, (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec,
		atomic_load_explicit(&worker->shared->epoch_offset_ns, memory_order_relaxed));
}

int worker_run(void *arg)
{
	struct worker *worker = arg;
	struct worker_shared *shared = worker->shared;

	// What is not allowed the main thread has complained of by now.
	if (shared->options->idle.sleep_us > 0)
		(void)priority_set(shared->options->priority);
	(void)atomic_fetch_add_explicit(&shared->running, 1, memory_order_relaxed);
	while (!atomic_load_explicit(&shared->stop, memory_order_relaxed)) {
		uint32_t given = worker_orders_given(&worker->orders);
		uint32_t received;

		if (shared->turned != NULL)
			shared->turned(shared->turned_ctx, false);
		advance_clock(worker);
		worker_orders_take(&worker->orders, worker->engine);
		engine_begin_burst(worker->engine);
		received = receive(worker);
		engine_end_burst(worker->engine);
		if (worker->spool != NULL)
			turn_spool(worker);
		engine_tick(worker->engine, worker->now_ns);
		flush_all(worker);
		if (shared->turned != NULL)
			shared->turned(shared->turned_ctx, true);
		rest(worker, received, given);
	}
	finish(worker);
	(void)atomic_fetch_sub_explicit(&shared->running, 1, memory_order_release);
	return 0;
}

// ---- set-up -------------------------------------------------------------------------------------

static int fill(struct worker *worker, const struct ruleset *ruleset)
{
	const struct options *options = worker->shared->options;
	const struct ports *ports = worker->shared->ports;
	struct engine_ops ops = {worker, op_alloc, op_free, op_send, op_mail, op_session, op_clock,
		op_defer, op_deferred, op_hold, NULL};
	const struct events_context context = {
		.gateway = options->engine.name,
		.links = worker->shared->links,
		.links_count = options->links_count,
	};
	int err = worker_helper_new(
		worker->number, engine_max_deferred(&options->engine), &worker->helper);

	if (err == 0 && worker->shared->spool != NULL)
		err = spool_engine_new(spool_get_worker(worker->shared->spool, worker->number),
			options->spool.records, worker->shared->links, &worker->spool);
	if (err == 0 && worker->spool != NULL)
		ops.spool = spool_engine_ops(worker->spool);
	if (err == 0)
		err = engine_new(&options->engine, &ops, ruleset, &worker->engine);
	if (err != 0)
		return err;
	worker->counters = engine_counters_mutable(worker->engine);
	for (uint32_t i = 0; i < ports->count; i++)
		worker->index_of[ports->port[i].id] = (uint8_t)i;
	err = worker_events_init(&worker->events, &context, &worker->shared->epoch_offset_ns,
		&worker->counters->events_lost);
	if (err == 0 && options->test_faults.seed != 0)
		err = port_faults_new(
			&options->test_faults, worker->number, ports->pool, &worker->faults);
	return err;
}

int worker_new(struct worker_shared *shared, uint32_t number, const struct ruleset *ruleset,
	struct worker **out)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	int err;

	if (worker == NULL)
		return -ENOMEM;
	worker->shared = shared;
	worker->number = number;
	err = fill(worker, ruleset);
	if (err != 0) {
		worker_free(worker);
		return err;
	}
	*out = worker;
	return 0;
}

void worker_free(struct worker *worker)
{
	if (worker == NULL)
		return;
	port_faults_free(worker->faults);
	scanner_free(worker_orders_take_idle(&worker->orders));
	worker_events_fini(&worker->events);
	worker_helper_free(worker->helper);
	if (worker->engine != NULL)
		engine_free(worker->engine);
	spool_engine_free(worker->spool);
	free(worker);
}

struct worker_orders *worker_get_orders(struct worker *worker)
{
	return &worker->orders;
}

const struct engine *worker_engine(const struct worker *worker)
{
	return worker->engine;
}

struct event_ring *worker_ring(struct worker *worker)
{
	return worker->events.ring;
}
