// SPDX-License-Identifier: BSD-3-Clause
#include "perf/rig.h"

#include "dataplane/seal.h"
#include "dataplane/spool.h"
#include "dataplane/spool_io.h"
#include "dataplane/spoolfile.h"
#include "dataplane/worker.h"
#include "perf/perf.h"

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BURST 32u
#define RING_FRAMES 16384u
#define POOL_FRAMES 65535u
#define STALL_NS 20000000000ull
#define IDLE_TURNS 200u
#define IDLE_US 20u
#define LINE_BYTES 65536u
#define LATENCIES (1u << 18)
#define SPARE_IN 2
#define SPARE_OUT 3
#define DISTURBED 20e-6 // s: a burst that takes longer was interrupted

// What all rigs of the process share: ports cannot be taken away from a ring.
static struct {
	struct ports ports;
	// By enum link_side, to the engine and from it; the last two are of ports that it does not have.
	struct rte_ring *to[4];
	struct rte_ring *from[4];
	unsigned int lcore; // of the worker
} wires;

struct rig {
	struct options options;
	struct worker_shared shared;
	struct worker *worker;
	struct engine_seals *seals;
	clockid_t worker_clock;
	atomic_bool has_clock;
	struct rte_mbuf *burst[2][BURST];
	uint32_t burst_count[2];
	char *line;
	size_t line_bytes;
	uint32_t *latencies; // of the engine, in us
	uint32_t latencies_count;
	struct rig_result *result; // of the run
};

// ---- ports --------------------------------------------------------------------------------------

static struct rte_ring *make_ring(const char *name, int side)
{
	char text[32];
	struct rte_ring *ring;

	(void)snprintf(text, sizeof(text), "%s%d", name, side);
	ring = rte_ring_create(text, RING_FRAMES, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	perf_need(ring != NULL, "a ring");
	return ring;
}

static void open_port(int side)
{
	const struct rte_eth_conf conf = {0};
	char name[32];
	int id;

	wires.to[side] = make_ring("to", side);
	wires.from[side] = make_ring("from", side);
	(void)snprintf(name, sizeof(name), "wire%d", side);
	id = rte_eth_from_rings(name, &wires.to[side], 1, &wires.from[side], 1, 0);
	perf_need(id >= 0 && rte_eth_dev_configure((uint16_t)id, 1, 1, &conf) == 0 &&
			  rte_eth_rx_queue_setup(
				  (uint16_t)id, 0, 1024, 0, NULL, wires.ports.pool) == 0 &&
			  rte_eth_tx_queue_setup((uint16_t)id, 0, 1024, 0, NULL) == 0 &&
			  rte_eth_dev_start((uint16_t)id) == 0,
		"a port");
	wires.ports.port[side] = (struct port){.id = (uint16_t)id,
		.side = (enum link_side)side,
		.frame_bytes = TRAFFIC_FRAME_BYTES + 8,
		.link_name = "wire",
		.up = true};
}

void rig_start_dpdk(void)
{
	static char arguments[][64] = {"bench", "--no-shconf", "--no-huge", "-m", "512", "--no-pci",
		"--no-telemetry", "--log-level=error", "--lcores", ""};
	char *argv[10];
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	(void)snprintf(
		arguments[9], sizeof(arguments[9]), "0@(0-%ld),1@(0-%ld)", cores - 1, cores - 1);
	for (size_t i = 0; i < 10; i++)
		argv[i] = arguments[i];
	perf_need(rte_eal_init(10, argv) >= 0, "DPDK");
	wires.ports.pool = rte_pktmbuf_pool_create(
		"frames", POOL_FRAMES, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	perf_need(wires.ports.pool != NULL, rte_strerror(rte_errno));
	wires.ports.count = 2;
	wires.lcore = rte_get_next_lcore(UINT_MAX, 1, 0);
	open_port(LINK_OUTSIDE);
	open_port(LINK_INSIDE);
	open_port(SPARE_IN);
	open_port(SPARE_OUT);
}

// ---- the worker ---------------------------------------------------------------------------------

static int run_worker(void *arg)
{
	struct rig *rig = arg;

	perf_need(pthread_getcpuclockid(pthread_self(), &rig->worker_clock) == 0, "a clock");
	atomic_store_explicit(&rig->has_clock, true, memory_order_release);
	return worker_run(rig->worker);
}

static void open_spool(struct rig *rig, const char *folder)
{
	struct spool_options options;
	struct spool_keys *keys = NULL;
	struct spool_io *io = NULL;
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/key", folder);
	spool_options_init(&options);
	options.thread = true;
	options.memory_bytes = 256u << 20;
	perf_need(spool_keys_open(path, &keys) == 0 && spool_io_open(folder, &io) == 0 &&
			  spool_open(&options, keys, io, &rig->shared.spool) == 0,
		"the spool");
	spool_keys_free(keys);
}

static void seal(struct rig *rig)
{
	rig->seals = perf_alloc(sizeof(*rig->seals) + sizeof(struct seal));
	rig->seals->generation = 1;
	rig->seals->count = 1;
	rig->seals->seals[0] = (struct seal){.virus_id = "CV-PERF",
		.mode = SEAL_HOLD,
		.directions = SEAL_INBOUND | SEAL_OUTBOUND,
		.recipient = "sealed@perf.example"};
	worker_orders_give_seals(worker_get_orders(rig->worker), rig->seals);
	perf_need(worker_orders_wait_seals(worker_get_orders(rig->worker), rig->seals) == 0,
		"the seal in force");
}

struct rig *rig_new(const struct options *options, const struct ruleset *ruleset, const char *spool)
{
	struct rig *rig = perf_alloc(sizeof(*rig));

	rig->options = *options;
	rig->line = perf_alloc(LINE_BYTES);
	rig->latencies = perf_alloc(sizeof(*rig->latencies) * LATENCIES);
	rig->options.workers = 1;
	rig->options.links_count = 1;
	rig->options.idle = (struct options_idle){20, 20, 64};
	rig->options.engine.max_frame_bytes = TRAFFIC_FRAME_BYTES + 8;
	rig->options.engine.scan.has_helper = true;
	rig->shared.options = &rig->options;
	rig->shared.ports = &wires.ports;
	rig->shared.links[0] = "wire";
	atomic_store_explicit(&rig->shared.stopping, 1, memory_order_relaxed);
	worker_clock_init(&rig->shared);
	if (spool != NULL)
		open_spool(rig, spool);
	perf_need(worker_new(&rig->shared, 0, ruleset, &rig->worker) == 0, "a worker");
	perf_need(rte_eal_remote_launch(run_worker, rig, wires.lcore) == 0, "a core");
	while (!atomic_load_explicit(&rig->has_clock, memory_order_acquire))
		rte_pause();
	if (spool != NULL)
		seal(rig);
	return rig;
}

void rig_free(struct rig *rig)
{
	atomic_store_explicit(&rig->shared.stop, true, memory_order_relaxed);
	(void)rte_eal_wait_lcore(wires.lcore);
	worker_free(rig->worker);
	if (rig->shared.spool != NULL)
		spool_close(rig->shared.spool);
	free(rig->seals);
	free(rig->line);
	free(rig->latencies);
	free(rig);
}

size_t rig_connection_bytes(const struct rig *rig)
{
	return engine_connection_bytes(worker_engine(rig->worker));
}

size_t rig_message_bytes(const struct rig *rig)
{
	return engine_message_bytes(worker_engine(rig->worker));
}

// ---- events -------------------------------------------------------------------------------------

// The text behind "name":" of a line, or "".
static const char *member(const char *line, const char *name)
{
	const char *at = strstr(line, name);

	return at != NULL ? at + strlen(name) : "";
}

static bool is_right(const char *line)
{
	const char *from = member(line, "\"mail_from\":\"");
	const char *dash = strchr(from, '-');
	const char *verdict = member(line, "\"verdict\":\"");
	const char *action = member(line, "\"action\":\"");

	if (dash == NULL)
		return false;
	if (dash[1] == 's')
		return strncmp(action, "hold\"", 5) == 0;
	if (dash[1] == 'i')
		return strncmp(verdict, "infected\"", 9) == 0 &&
		       strncmp(action, "reject\"", 7) == 0;
	return strncmp(verdict, "clean\"", 6) == 0 && strncmp(action, "deliver\"", 8) == 0;
}

static void take_line(struct rig *rig)
{
	rig->line[rig->line_bytes] = '\0';
	rig->line_bytes = 0;
	if (strstr(rig->line, "\"event\":\"mail\"") == NULL)
		return;
	rig->result->events++;
	rig->result->verdicts_wrong += !is_right(rig->line);
	if (rig->latencies_count < LATENCIES)
		rig->latencies[rig->latencies_count++] =
			(uint32_t)strtoul(member(rig->line, "\"latency_us\":"), NULL, 10);
}

static void take_events(struct rig *rig)
{
	struct event_ring *ring = worker_ring(rig->worker);
	struct iovec pieces[2];
	size_t n = event_ring_peek(ring, pieces);

	for (size_t piece = 0; n > 0 && piece < 2; piece++) {
		const char *data = pieces[piece].iov_base;

		for (size_t left = pieces[piece].iov_len; left > 0;) {
			const char *end = memchr(data, '\n', left);
			size_t bytes = end != NULL ? (size_t)(end - data) : left;

			perf_need(rig->line_bytes + bytes < LINE_BYTES, "an event that fits");
			memcpy(rig->line + rig->line_bytes, data, bytes);
			rig->line_bytes += bytes;
			if (end != NULL) {
				take_line(rig);
				bytes++;
			}
			data += bytes;
			left -= bytes;
		}
	}
	event_ring_consume(ring, n);
}

// ---- traffic ------------------------------------------------------------------------------------

static void flush(struct rig *rig, int side)
{
	unsigned int sent = rte_ring_sp_enqueue_burst(
		wires.to[side], (void **)rig->burst[side], rig->burst_count[side], NULL);

	rig->burst_count[side] -= sent;
	memmove(rig->burst[side], rig->burst[side] + sent,
		rig->burst_count[side] *
			sizeof(struct rte_mbuf *)); // NOLINT(bugprone-sizeof-expression)
}

static uint8_t *give_frame(void *ctx, enum traffic_side from, uint32_t bytes)
{
	struct rig *rig = ctx;
	int side = from == TRAFFIC_CLIENT ? LINK_OUTSIDE : LINK_INSIDE;
	struct rte_mbuf *mbuf;

	if (rig->burst_count[side] == BURST)
		flush(rig, side);
	if (rig->burst_count[side] == BURST)
		return NULL;
	mbuf = rte_pktmbuf_alloc(wires.ports.pool);
	if (mbuf == NULL)
		return NULL;
	mbuf->port = wires.ports.port[side].id;
	rig->burst[side][rig->burst_count[side]++] = mbuf;
	return (uint8_t *)rte_pktmbuf_append(mbuf, (uint16_t)bytes);
}

static bool receive(struct traffic *traffic, int side, uint64_t now_ns)
{
	struct rte_mbuf *frames[BURST];
	unsigned int n = rte_ring_sc_dequeue_burst(wires.from[side], (void **)frames, BURST, NULL);

	for (unsigned int i = 0; i < n; i++)
		traffic_input(traffic, side == LINK_OUTSIDE ? TRAFFIC_CLIENT : TRAFFIC_SERVER,
			rte_pktmbuf_mtod(frames[i], const uint8_t *),
			rte_pktmbuf_data_len(frames[i]), now_ns);
	if (n > 0)
		rte_pktmbuf_free_bulk(frames, n);
	return n > 0;
}

static bool turn(struct rig *rig, struct traffic *traffic, uint64_t now_ns)
{
	bool any = receive(traffic, LINK_OUTSIDE, now_ns);

	any = receive(traffic, LINK_INSIDE, now_ns) || any;
	any = traffic_step(traffic, now_ns, BURST) || any;
	flush(rig, LINK_OUTSIDE);
	flush(rig, LINK_INSIDE);
	take_events(rig);
	return any;
}

static double seconds(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void quantiles(const uint32_t *sorted, uint32_t count, uint32_t scale, uint32_t out[3])
{
	static const double at[] = {0.5, 0.99, 0.999};

	for (int i = 0; i < 3; i++)
		out[i] = count > 0 ? sorted[(uint32_t)(at[i] * (count - 1))] * scale : 0;
}

static uint64_t drops(const struct engine *engine)
{
	const struct counters *counters = engine_counters(engine);

	return counters->tx_dropped + counters->dropped_malformed + counters->dropped_tcp +
	       counters->dropped_memory + counters->dropped_flow_table +
	       counters->dropped_fragments + counters->events_lost;
}

static void complete(struct rig *rig, struct traffic *traffic, bool unseen)
{
	const struct traffic_totals *totals = traffic_totals(traffic);
	uint64_t moved_ns = worker_clock_ns(&rig->shared);

	uint32_t empty = 0;

	while (!traffic_is_done(traffic) || (!unseen && rig->result->events < totals->begun)) {
		uint64_t now_ns = worker_clock_ns(&rig->shared);

		if (turn(rig, traffic, now_ns)) {
			moved_ns = now_ns;
			empty = 0;
		} else if (++empty > IDLE_TURNS) {
			rte_delay_us_sleep(IDLE_US); // the processor may be the worker's
		}
		if (now_ns - moved_ns > STALL_NS) {
			(void)fprintf(stderr,
				"begun %u, accepted %u, rejected %u, refused %u, wrong %u, "
				"delivered %u, lost %lu, changed %lu, ended %u, events %lu, "
				"dropped %lu\n",
				totals->begun, totals->accepted, totals->rejected, totals->refused,
				totals->wrong, totals->delivered, totals->lost, totals->changed,
				totals->ended, rig->result->events,
				drops(worker_engine(rig->worker)));
			perf_need(false, "traffic that moves");
		}
	}
}

void rig_run(struct rig *rig, const struct traffic_options *options, struct rig_result *result)
{
	const struct traffic_ops ops = {rig, give_frame};
	struct traffic *traffic = traffic_new(options, &ops);
	uint64_t dropped = drops(worker_engine(rig->worker));
	double worker = seconds(rig->worker_clock);
	double own = seconds(CLOCK_THREAD_CPUTIME_ID);
	double all = seconds(CLOCK_PROCESS_CPUTIME_ID);
	double wall = seconds(CLOCK_MONOTONIC);
	const uint32_t *latencies;
	uint32_t count;

	memset(result, 0, sizeof(*result));
	rig->result = result;
	rig->latencies_count = 0;
	complete(rig, traffic, options->unseen);
	result->wall_s = seconds(CLOCK_MONOTONIC) - wall;
	result->worker_s = seconds(rig->worker_clock) - worker;
	own = seconds(CLOCK_THREAD_CPUTIME_ID) - own;
	result->others_s = seconds(CLOCK_PROCESS_CPUTIME_ID) - all - own - result->worker_s;
	result->totals = *traffic_totals(traffic);
	result->dropped = drops(worker_engine(rig->worker)) - dropped;
	count = traffic_latencies(traffic, &latencies);
	quantiles(latencies, count, 1, result->latencies);
	qsort(rig->latencies, rig->latencies_count, sizeof(*rig->latencies), compare);
	quantiles(rig->latencies, rig->latencies_count, 1000, result->engine_latencies);
	traffic_free(traffic);
}

// ---- what cannot be less ------------------------------------------------------------------------

// In, and out of the other port. What comes before and after is not of that time.
double rig_forward_s(uint32_t count, uint32_t bytes)
{
	struct rte_mbuf *frames[BURST];
	uint64_t most = (uint64_t)(DISTURBED * (double)rte_get_tsc_hz());
	uint64_t spent = 0;
	uint64_t sum = 0;
	uint32_t counted = 0;

	perf_need(rte_pktmbuf_alloc_bulk(wires.ports.pool, frames, BURST) == 0, "packet buffers");
	for (unsigned int i = 0; i < BURST; i++)
		(void)rte_pktmbuf_append(frames[i], (uint16_t)bytes);
	for (uint32_t done = 0; done < count || counted == 0; done += BURST) {
		struct rte_mbuf *taken[BURST];
		uint64_t took;
		uint16_t n;

		(void)rte_ring_sp_enqueue_bulk(wires.to[SPARE_IN], (void **)frames, BURST, NULL);
		took = rte_rdtsc();
		n = rte_eth_rx_burst(wires.ports.port[SPARE_IN].id, 0, taken, BURST);
		for (uint16_t i = 0; i < n; i++)
			sum += *rte_pktmbuf_mtod(taken[i], const uint8_t *);
		n = rte_eth_tx_burst(wires.ports.port[SPARE_OUT].id, 0, taken, n);
		took = rte_rdtsc() - took;
		spent += took < most ? took : 0;
		counted += took < most ? BURST : 0;
		perf_need(rte_ring_sc_dequeue_bulk(
				  wires.from[SPARE_OUT], (void **)frames, n, NULL) == BURST,
			"all frames");
	}
	perf_keep(sum);
	rte_pktmbuf_free_bulk(frames, BURST);
	return (double)spent / (double)rte_get_tsc_hz() / counted * count;
}
