// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/spool.h"
#include "dataplane/spool_io.h"
#include "dataplane/spoolfile.h"
#include "perf/perf.h"
#include "perf/rig_state.h"

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STALL_NS 20000000000ull
#define IDLE_TURNS 200u
#define IDLE_US 20u
#define LINE_BYTES 65536u
#define LATENCIES (1u << 18)

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
	perf_need(worker_orders_wait_seals(worker_get_orders(rig->worker), rig->seals, true) == 0,
		"the seal in force");
}

static struct {
	void (*turned)(void *ctx, bool ends);
	void *ctx;
} watcher;

void rig_watch_turns(void (*turned)(void *ctx, bool ends), void *ctx)
{
	watcher.turned = turned;
	watcher.ctx = ctx;
}

struct worker *rig_worker(struct rig *rig)
{
	return rig->worker;
}

static void turned(void *ctx, bool ends)
{
	struct rig *rig = ctx;

	// The watcher's turn is the worker's alone.
	if (!ends)
		rig_wait_turned(rig, false);
	if (watcher.turned != NULL)
		watcher.turned(watcher.ctx, ends);
	if (ends)
		rig_wait_turned(rig, true);
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
	rig->shared.ports = rig_wires_ports();
	rig->shared.links[0] = "wire";
	atomic_store_explicit(&rig->shared.stopping, 1, memory_order_relaxed);
	rig->shared.turned = turned;
	rig->shared.turned_ctx = rig;
	worker_clock_init(&rig->shared);
	if (spool != NULL)
		open_spool(rig, spool);
	perf_need(worker_new(&rig->shared, 0, ruleset, &rig->worker) == 0, "a worker");
	perf_need(rte_eal_remote_launch(run_worker, rig, rig_wires_lcore()) == 0, "a core");
	while (!atomic_load_explicit(&rig->has_clock, memory_order_acquire))
		rte_pause();
	if (spool != NULL)
		seal(rig);
	return rig;
}

void rig_free(struct rig *rig)
{
	atomic_store_explicit(&rig->shared.stop, true, memory_order_relaxed);
	(void)rte_eal_wait_lcore(rig_wires_lcore());
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

size_t rig_memory_bytes(const struct rig *rig)
{
	return engine_memory_bytes(worker_engine(rig->worker));
}

uint32_t rig_connections(const struct rig *rig)
{
	return engine_open_connections(worker_engine(rig->worker));
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

void rig_take_events(struct rig *rig)
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

double rig_seconds(clockid_t clock)
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

void rig_quantiles(const uint32_t *sorted, uint32_t count, uint32_t scale, uint32_t out[3])
{
	static const double at[] = {0.5, 0.99, 0.999};

	for (int i = 0; i < 3; i++)
		out[i] = count > 0 ? sorted[(uint32_t)(at[i] * (count - 1))] * scale : 0;
}

uint64_t rig_drops(const struct engine *engine)
{
	const struct counters *counters = engine_counters(engine);

	return counters->tx_dropped + counters->dropped_malformed + counters->dropped_tcp +
	       counters->dropped_memory + counters->dropped_flow_table +
	       counters->dropped_fragments + counters->events_lost;
}

static void stalled(const struct rig *rig, const struct traffic_totals *totals)
{
	(void)fprintf(stderr,
		"begun %u, accepted %u, rejected %u, refused %u, wrong %u, delivered %u, lost %lu, "
		"changed %lu, greeted %u, resting %u, ended %u, resets %u, events %lu, dropped "
		"%lu\n",
		totals->begun, totals->accepted, totals->rejected, totals->refused, totals->wrong,
		totals->delivered, totals->lost, totals->changed, totals->greeted, totals->resting,
		totals->ended, totals->resets, rig->result->events,
		rig_drops(worker_engine(rig->worker)));
	perf_need(false, "traffic that moves");
}

static void complete(struct rig *rig, struct traffic *traffic, rig_more_fn more, void *ctx)
{
	uint64_t moved_ns = worker_clock_ns(&rig->shared);
	uint32_t empty = 0;

	while (more(rig, ctx)) {
		uint64_t now_ns = worker_clock_ns(&rig->shared);

		bool any = rig_ends_turn(&rig->ends, now_ns);

		rig_take_events(rig);
		if (any) {
			moved_ns = now_ns;
			empty = 0;
		} else if (++empty > IDLE_TURNS) {
			rte_delay_us_sleep(IDLE_US); // the processor may be the worker's
		}
		if (now_ns - moved_ns > STALL_NS && traffic != NULL)
			stalled(rig, traffic_totals(traffic));
	}
}

void rig_drive(struct rig *rig, struct traffic *traffic, rig_more_fn more, void *ctx,
	struct rig_result *result)
{
	uint64_t dropped = rig_drops(worker_engine(rig->worker));
	double worker = rig_seconds(rig->worker_clock);
	double waiting = rig_wait_s(rig);
	double own = rig_seconds(CLOCK_THREAD_CPUTIME_ID);
	double all = rig_seconds(CLOCK_PROCESS_CPUTIME_ID);
	double wall = rig_seconds(CLOCK_MONOTONIC);
	const uint32_t *latencies;
	uint32_t count;

	memset(result, 0, sizeof(*result));
	rig->result = result;
	rig->latencies_count = 0;
	complete(rig, traffic, more, ctx);
	result->wall_s = rig_seconds(CLOCK_MONOTONIC) - wall;
	result->worker_s = rig_seconds(rig->worker_clock) - worker;
	result->waiting_s = rig_wait_s(rig) - waiting;
	own = rig_seconds(CLOCK_THREAD_CPUTIME_ID) - own;
	result->others_s = rig_seconds(CLOCK_PROCESS_CPUTIME_ID) - all - own - result->worker_s;
	result->dropped = rig_drops(worker_engine(rig->worker)) - dropped;
	if (traffic != NULL) {
		result->totals = *traffic_totals(traffic);
		count = traffic_latencies(traffic, &latencies);
		rig_quantiles(latencies, count, 1, result->latencies);
	}
	qsort(rig->latencies, rig->latencies_count, sizeof(*rig->latencies), compare);
	rig_quantiles(rig->latencies, rig->latencies_count, 1000, result->engine_latencies);
}

static bool has_more(struct rig *rig, void *ctx)
{
	const struct traffic_options *options = ctx;

	return !traffic_is_done(rig->ends.active) ||
	       (!options->unseen && rig->result->events < traffic_totals(rig->ends.active)->begun);
}

void rig_run(struct rig *rig, const struct traffic_options *options, struct rig_result *result)
{
	struct traffic_options own = *options;

	rig->ends.active = rig_ends_traffic(&rig->ends, options);
	rig_drive(rig, rig->ends.active, has_more, &own, result);
	traffic_free(rig->ends.active);
	rig->ends.active = NULL;
}
