// SPDX-License-Identifier: BSD-3-Clause
// The engine alone under complete SMTP conversations: bench_engine [--quick] [-s SIZE] [-k KIND]
//
// Traffic (traffic.h) and engine take turns in one thread, without ports, and time goes on by as much with each turn, so
// that each run does the same in each turn. A turn takes a fraction of a millisecond, and what counts is the least that
// it has taken in several runs: what else the machine does meanwhile falls out as far as it comes and goes, and two builds
// can be compared, in turn, where little else could be measured. Beside it stands the speed of light (light.h), each part
// of it by its least as well. There are no ports in either. What bench_traffic measures besides is what another core has
// to do with it: packets that come from its caches, and the worker's loop.
//
// What a mail takes is shown as well, and of light each part of it: what the engine takes beyond is what can be saved. Light
// is the faster of Hyperscan and our own search, and of digests one by one and side by side, so that no engine passes it;
// the row `goal` has beside it light with one pass of Hyperscan and digests one by one, which in text is slower than the engine.
//
// Signatures are ClamAV-like, with SHA-256 of every part. -s: mails of about so many bytes alone. -k: of that kind (office,
// zip), but for the infected one of each set.
#include "dataplane/engine.h"
#include "dataplane/worker_events.h"
#include "perf/light.h"
#include "perf/perf.h"
#include "perf/rig.h"
#include "perf/rules.h"
#include "perf/traffic.h"

#include <rte_cycles.h>

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNATURES 10000u
#define FRAMES 16384u // more bytes than a processor has caches of its own
#define FRAME_ROOM 2048u
#define BURST ENGINE_BURST
#define TURN_NS 2000000u // so that what has ended is forgotten as fast as more begins
#define LIGHT_FRAMES 15.0
#define RUNS 20u
#define BYTES 12e6      // of mail in a run
#define WARM_BYTES 4e6  // before: memory is taken up, caches are filled
#define MOST_TURNS 4096 // of a run

// Frames on their way, in a ring. What leaves is used again last.
struct frames {
	struct frame items[FRAMES];
	uint32_t head;
	uint32_t tail;
};

struct alone {
	struct engine *engine;
	struct traffic *traffic;
	struct worker_events events;
	atomic_int_fast64_t epoch_offset_ns;
	uint64_t now_ns;
	uint64_t lost; // events, and frames that there was no room for
	uint8_t *memory;
	struct frames unused;
	struct frames to[2];   // the engine, by the side that they come in at
	struct frames from[2]; // the engine
};

static void put(struct frames *frames, const struct frame *frame)
{
	perf_need(frames->tail - frames->head < FRAMES, "room for a frame");
	frames->items[frames->tail++ % FRAMES] = *frame;
}

static bool take(struct frames *frames, struct frame *out)
{
	if (frames->head == frames->tail)
		return false;
	*out = frames->items[frames->head++ % FRAMES];
	return true;
}

// ---- what traffic and engine ask for --------------------------------------------------------------

static uint8_t *give_frame(void *ctx, enum traffic_side side, uint32_t bytes)
{
	struct alone *alone = ctx;
	struct frame frame;

	if (bytes > FRAME_ROOM || !take(&alone->unused, &frame))
		return NULL;
	frame.bytes = bytes;
	put(&alone->to[side == TRAFFIC_CLIENT ? LINK_OUTSIDE : LINK_INSIDE], &frame);
	return frame.data;
}

static bool op_alloc(void *ctx, uint32_t bytes, struct frame *out)
{
	struct alone *alone = ctx;

	if (bytes > FRAME_ROOM || !take(&alone->unused, out))
		return false;
	out->bytes = 0;
	return true;
}

// Headers may have moved its beginning.
static void op_free(void *ctx, struct frame *frame)
{
	struct alone *alone = ctx;
	const struct frame whole = {frame->handle, 0, FRAME_ROOM, frame->handle};

	put(&alone->unused, &whole);
}

static void op_send(void *ctx, uint32_t link, enum link_side side, struct frame *frame)
{
	struct alone *alone = ctx;

	(void)link;
	put(&alone->from[side], frame);
}

static void op_mail(void *ctx, const struct mail_record *record)
{
	worker_events_mail(&((struct alone *)ctx)->events, record);
}

static void op_session(void *ctx, const struct session_record *record)
{
	worker_events_session(&((struct alone *)ctx)->events, record);
}

static uint64_t op_clock(void *ctx)
{
	return ((const struct alone *)ctx)->now_ns;
}

// ---- a run --------------------------------------------------------------------------------------

static void begin(struct alone *alone, const struct ruleset *ruleset)
{
	static const char *const links[] = {"wire"};
	const struct events_context context = {"gateway", links, 1, 0};
	const struct engine_ops ops = {.ctx = alone,
		.alloc = op_alloc,
		.free = op_free,
		.send = op_send,
		.mail = op_mail,
		.session = op_session,
		.clock_ns = op_clock};
	struct engine_options options;

	alone->memory = perf_alloc((size_t)FRAMES * FRAME_ROOM);
	for (uint32_t i = 0; i < FRAMES; i++) {
		uint8_t *data = alone->memory + (size_t)i * FRAME_ROOM;

		put(&alone->unused, &(struct frame){data, 0, FRAME_ROOM, data});
	}
	engine_options_init(&options);
	options.scan.digests = DIGEST_SHA256;
	options.max_connections = 4096;
	options.scan.max_messages = 1024;
	options.max_frame_bytes = TRAFFIC_FRAME_BYTES + 8;
	alone->now_ns = 1;
	perf_need(worker_events_init(
			  &alone->events, &context, &alone->epoch_offset_ns, &alone->lost) == 0 &&
			  engine_new(&options, &ops, ruleset, &alone->engine) == 0,
		"an engine");
}

static void end(struct alone *alone)
{
	engine_stop(alone->engine, alone->now_ns);
	engine_free(alone->engine);
	worker_events_fini(&alone->events);
	free(alone->memory);
	free(alone);
}

static void turn_traffic(struct alone *alone)
{
	for (int side = 0; side < 2; side++) {
		struct frame frame;

		for (uint32_t n = 0; n < 2 * BURST && take(&alone->from[side], &frame); n++) {
			traffic_input(alone->traffic,
				side == LINK_OUTSIDE ? TRAFFIC_CLIENT : TRAFFIC_SERVER, frame.data,
				frame.bytes, alone->now_ns);
			op_free(alone, &frame);
		}
	}
	(void)traffic_step(alone->traffic, alone->now_ns, 2 * BURST);
}

// Returns how many ticks of the processor's counter it has taken.
static uint64_t turn_engine(struct alone *alone)
{
	uint64_t began = rte_rdtsc();
	uint64_t took;

	engine_begin_burst(alone->engine);
	for (int side = 0; side < 2; side++) {
		struct engine_frame frames[BURST];
		uint32_t n = 0;

		for (; n < BURST && take(&alone->to[side], &frames[n].frame); n++) {
			frames[n].link = 0;
			frames[n].side = (enum link_side)side;
		}
		engine_input_burst(alone->engine, frames, n, alone->now_ns);
	}
	engine_end_burst(alone->engine);
	engine_tick(alone->engine, alone->now_ns);
	took = rte_rdtsc() - began;
	event_ring_consume(
		alone->events.ring, event_ring_peek(alone->events.ring, (struct iovec[2]){{0}}));
	return took;
}

// All mails of about so many bytes, to the last acknowledgement. Of each turn what it has taken goes to least where that is
// less; NULL: it does not count.
static uint64_t pass(struct alone *alone, const struct mail *set, double bytes, uint64_t *least)
{
	const struct traffic_ops ops = {alone, give_frame};
	const double sets = ceil(bytes / (double)mail_set_bytes(set, MAIL_SET));
	const struct traffic_options options = {.connections = 64,
		.per_connection = 20,
		.mails = (uint32_t)sets * MAIL_SET,
		.flight_bytes = 45000,
		.port = 25,
		.set = set,
		.set_count = MAIL_SET};
	const struct traffic_totals *totals;
	uint64_t passed;

	alone->traffic = traffic_new(&options, &ops);
	totals = traffic_totals(alone->traffic);
	for (uint32_t i = 0; !traffic_is_done(alone->traffic); i++) {
		uint64_t took;

		perf_need(i < MOST_TURNS, "traffic that moves");
		alone->now_ns += TURN_NS;
		turn_traffic(alone);
		took = turn_engine(alone);
		if (least != NULL)
			least[i] = took < least[i] ? took : least[i];
	}
	perf_need(totals->wrong + totals->refused + totals->resets == 0 &&
			  totals->lost + totals->changed + totals->repeated + alone->lost == 0 &&
			  totals->begun == options.mails &&
			  totals->rejected == options.mails / MAIL_SET &&
			  totals->delivered + totals->rejected == options.mails,
		"all mails as they must be");
	passed = totals->mail_bytes;
	traffic_free(alone->traffic);
	return passed;
}

// Returns the bytes of mail that were measured.
static uint64_t run(const struct ruleset *ruleset, const struct mail *set, uint64_t *least)
{
	struct alone *alone = perf_alloc(sizeof(*alone));
	uint64_t bytes;

	begin(alone, ruleset);
	(void)pass(alone, set, WARM_BYTES, NULL);
	bytes = pass(alone, set, BYTES, least);
	end(alone);
	return bytes;
}

// ---- all of it ----------------------------------------------------------------------------------

static void lessen(struct light_cost *least, const struct light_cost *cost)
{
	least->decode = fmin(least->decode, cost->decode);
	least->match = fmin(least->match, cost->match);
	least->search = fmin(least->search, cost->search);
	least->digest = fmin(least->digest, cost->digest);
	least->lanes = fmin(least->lanes, cost->lanes);
}

// Cycles of the processor's counter for a mail, and what mails of that kind need at least.
static void show_cycles(const char *name, double engine_s, const struct light_cost *light)
{
	const double per_mail = (double)rte_get_tsc_hz() / MAIL_SET;
	const struct {
		const char *name;
		double seconds; // of a set
	} parts[] = {{"engine", engine_s}, {"light-decode", light->decode},
		{"light-match", light->match}, {"light-own-search", light->search},
		{"light-sha256", light->digest}, {"light-sha256-lanes", light->lanes}};
	char row[128];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		(void)snprintf(row, sizeof(row), "%s/%s", name, parts[i].name);
		perf_row(row, parts[i].seconds * per_mail, "cycles/mail", NULL, 0);
	}
}

// cost: of a byte, in seconds; bytes: of a set. An engine that is faster than what it cannot do without would show that
// one of the two is measured wrongly.
static void show(const char *name, double cost, double bytes, const struct light_cost *light)
{
	const double bound = light_bound(light) / bytes;
	const double goal = light_goal(light) / bytes;
	char row[128];

	perf_need(bound <= cost, "an engine that is not faster than light");
	perf_row_ratio(name, 8e-9 / cost, "Gbit/s", "speed of light", 8e-9 / bound, bound / cost);
	(void)snprintf(row, sizeof(row), "%s/goal", name);
	perf_row_ratio(row, 8e-9 / cost, "Gbit/s", "a pass of Hyperscan", 8e-9 / goal, goal / cost);
	show_cycles(name, cost * bytes, light);
}

static void measure(const struct rules *rules, const struct ruleset *ruleset,
	const struct mail *set, const char *what, uint32_t runs)
{
	const struct light_frames frames = {LIGHT_FRAMES, TRAFFIC_FRAME_BYTES};
	struct light_cost light = {0, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY};
	uint64_t *least = perf_alloc(MOST_TURNS * sizeof(*least));
	struct light *beside = light_new(rules, ruleset);
	uint64_t ticks = 0;
	uint64_t bytes = 0;
	char name[96];

	for (uint32_t i = 0; i < MOST_TURNS; i++)
		least[i] = UINT64_MAX;
	for (uint32_t i = 0; i < runs; i++) {
		struct light_cost now;

		bytes = run(ruleset, set, least);
		light_measure(beside, set, MAIL_SET, &frames, true, &now);
		lessen(&light, &now);
	}
	for (uint32_t i = 0; i < MOST_TURNS; i++)
		ticks += least[i] != UINT64_MAX ? least[i] : 0;
	(void)snprintf(name, sizeof(name), "engine-alone/%s/clamav-like+sha256", what);
	show(name, (double)ticks / (double)rte_get_tsc_hz() / (double)bytes,
		(double)mail_set_bytes(set, MAIL_SET), &light);
	light_free(beside);
	free(least);
}

// The last of a set is the infected one.
static void make_set(struct mail *set, size_t bytes, const char *kind, const struct rules *rules)
{
	enum mail_kind of = 0;

	mail_set_make(set, bytes, &rules->sign);
	if (kind == NULL)
		return;
	while (of < MAIL_KINDS_COUNT && strcmp(kind, mail_kind_names[of]) != 0)
		of++;
	perf_need(of < MAIL_KINDS_COUNT, "a kind of mail");
	for (uint32_t i = 0; i < MAIL_SET - 1; i++) {
		mail_free(&set[i]);
		mail_make(&set[i], of, bytes, i, NULL);
	}
}

int main(int argc, char **argv)
{
	static const struct option names[] = {{"quick", no_argument, NULL, 'q'}, {0}};
	static const size_t sizes[] = {10000, 100000};
	static struct mail set[MAIL_SET];
	struct ruleset *ruleset;
	struct rules rules;
	uint32_t runs = RUNS;
	const char *kind = NULL;
	size_t only = 0;
	char what[48];
	void *image;
	int option;

	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	while ((option = getopt_long(argc, argv, "k:s:", names, NULL)) != -1) {
		if (option == 'q')
			runs = RUNS / 4;
		else if (option == 's')
			only = strtoul(optarg, NULL, 10);
		else if (option == 'k')
			kind = optarg;
		else
			return 2;
	}
	rig_start_dpdk();
	rules_make(&rules, RULES_CLAMAV, SIGNATURES);
	ruleset = rules_build(&rules, &image);
	for (size_t i = 0; i < (only > 0 ? 1 : sizeof(sizes) / sizeof(sizes[0])); i++) {
		const size_t size = only > 0 ? only : sizes[i];

		(void)snprintf(what, sizeof(what), "%zuk%s%s", size / 1000,
			kind != NULL ? "/only-" : "", kind != NULL ? kind : "");
		make_set(set, size, kind, &rules);
		measure(&rules, ruleset, set, what, runs);
		mail_set_free(set);
	}
	ruleset_close(ruleset);
	rules_free(&rules);
	free(image);
	return 0;
}
