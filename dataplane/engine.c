// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/engine.h"

#include "dataplane/deferral.h"
#include "dataplane/divert.h"
#include "dataplane/gather.h"
#include "dataplane/keep.h"
#include "dataplane/message.h"
#include "dataplane/session.h"
#include "dataplane/source.h"
#include "dataplane/splice.h"
#include "dataplane/takeover.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define NS_PER_S 1000000000ull
#define FRAGMENT_TIMEOUT_NS (30 * NS_PER_S)
#define CLOSING_NS (10 * NS_PER_S)
#define IDLE_TRIM_NS (1 * NS_PER_S) // without traffic, then acknowledged bytes are forgotten
#define IDLE_TRIMS 4                // connections a turn
#define PREFETCH_BYTES sizeof(struct session)
#define WALK_NS 100000ull // between looks at one slot of the table

void engine_options_init(struct engine_options *options)
{
	static const uint16_t ports[] = {25, 587, 2525};

	memset(options, 0, sizeof(*options));
	memcpy(options->smtp_ports, ports, sizeof(ports));
	options->smtp_ports_count = sizeof(ports) / sizeof(ports[0]);
	for (int i = 0; i < DIRECTIONS; i++) {
		struct engine_policy *policy = &options->policy[i];

		policy->infected = POLICY_REJECT;
		policy->suspect = POLICY_QUARANTINE;
		policy->encrypted_mail = POLICY_QUARANTINE;
		policy->screening = POLICY_QUARANTINE;
		policy->unscannable = POLICY_TEMPFAIL;
		policy->false_end = NEWLINE_REFUSE;
		policy->bare_newline = NEWLINE_PASS;
		policy->midstream = MIDSTREAM_RESET;
		policy->smtp.starttls = SMTP_STARTTLS_MASK;
	}
	options->max_connections = 65536;
	options->max_half_open = 8192;
	options->max_diverted = 65536;
	options->capture = true;
	options->max_pages = 65536;
	options->max_stream_bytes = 4u << 20;
	options->max_fragments = 256;
	options->max_frame_bytes = 1518;
	options->idle_seconds = 3600; // RFC 5321 section 4.5.3.2: the longest wait is 10 minutes
	options->half_open_seconds = 60;
	options->max_deferred = 256;
	options->verdict_seconds = 30;
	options->room_seconds = 60;
	options->helper_bytes = 512u << 20;
	scan_options_init(&options->scan);
	memcpy(options->name, "cordon", sizeof("cordon"));
}

// The pools, one after another in a single mapping.
enum pool {
	POOL_FLOWS,
	POOL_FRAGMENTS,
	POOL_PAGES,
	POOL_LINES,
	POOL_MESSAGES,
	POOL_TAKEOVERS,
	POOL_DEFERRALS,
	POOL_SPLICES,
	POOL_SOURCES,
	POOLS
};

static struct flow_table_options flow_options(const struct engine_options *options)
{
	struct flow_table_options flows = {
		.flows = options->max_connections,
		.half_open = options->max_half_open,
		.flow_bytes = sizeof(struct session),
		.idle_ns = {options->half_open_seconds * NS_PER_S, options->idle_seconds * NS_PER_S,
			CLOSING_NS},
	};

	memcpy(flows.hash_key, options->hash_key, sizeof(flows.hash_key));
	return flows;
}

static uint32_t splices(const struct engine_options *options)
{
	return options->max_diverted < options->max_connections ? options->max_diverted
								: options->max_connections;
}

static size_t lay_out(const struct engine_options *options, size_t offset[POOLS])
{
	struct flow_table_options flows = flow_options(options);
	struct fragment_options fragments = {options->max_fragments, FRAGMENT_TIMEOUT_NS};
	size_t sizes[POOLS] = {
		[POOL_FLOWS] = flow_table_bytes(&flows),
		[POOL_FRAGMENTS] = fragment_table_bytes(&fragments),
		[POOL_PAGES] = stream_pool_bytes(options->max_pages),
		[POOL_LINES] = smtp_pool_bytes(options->scan.max_messages),
		[POOL_MESSAGES] =
			message_pool_bytes(options->scan.max_messages * MESSAGE_BLOCKS_EACH),
		[POOL_TAKEOVERS] = takeover_pool_bytes(options->scan.max_messages),
		[POOL_DEFERRALS] = deferral_pool_bytes(engine_max_deferred(options)),
		[POOL_SPLICES] = splice_pool_bytes(splices(options)),
		[POOL_SOURCES] = options->max_per_source > 0
					 ? source_table_bytes(options->max_connections)
					 : 0,
	};
	size_t total = 0;

	for (int i = 0; i < POOLS; i++) {
		offset[i] = total;
		total += (sizes[i] + 4095) & ~(size_t)4095;
	}
	return total;
}

int engine_new(const struct engine_options *options, const struct engine_ops *ops,
	const struct ruleset *ruleset, struct engine **out)
{
	struct engine *engine = calloc(1, sizeof(*engine));
	struct flow_table_options flows = flow_options(options);
	struct fragment_options fragments = {options->max_fragments, FRAGMENT_TIMEOUT_NS};
	size_t offset[POOLS];
	uint8_t *memory;

	if (engine == NULL)
		return -ENOMEM;
	engine->options = *options;
	engine->ops = *ops;
	engine->memory_bytes = lay_out(options, offset);
	memory = mmap(NULL, engine->memory_bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		goto free_engine;
	(void)madvise(memory, engine->memory_bytes, MADV_HUGEPAGE);
	engine->memory = memory;
	if (scanner_new(&options->scan, ruleset, &engine->scanner) != 0)
		goto unmap;
	engine->message_bytes = scanner_message_bytes(engine->scanner);
	engine->flows = flow_table_init(memory + offset[POOL_FLOWS], &flows);
	engine->fragments = fragment_table_init(memory + offset[POOL_FRAGMENTS], &fragments);
	engine->pages = stream_pool_init(memory + offset[POOL_PAGES], options->max_pages);
	engine->lines = smtp_pool_init(memory + offset[POOL_LINES], options->scan.max_messages);
	engine->messages = message_pool_init(
		memory + offset[POOL_MESSAGES], options->scan.max_messages * MESSAGE_BLOCKS_EACH);
	engine->takeovers =
		takeover_pool_init(memory + offset[POOL_TAKEOVERS], options->scan.max_messages);
	engine->deferrals =
		deferral_pool_init(memory + offset[POOL_DEFERRALS], engine_max_deferred(options));
	engine->splices = splice_pool_init(memory + offset[POOL_SPLICES], splices(options));
	if (options->max_per_source > 0)
		engine->sources =
			source_table_init(memory + offset[POOL_SOURCES], options->max_connections);
	*out = engine;
	return 0;

unmap:
	(void)munmap(memory, engine->memory_bytes);
free_engine:
	free(engine);
	return -ENOMEM;
}

void engine_free(struct engine *engine)
{
	uint32_t cursor = 0;
	struct flow *flow;

	if (engine == NULL)
		return;
	assert(engine_deferred(engine) == 0);
	// Scans must be given back before the scanner goes.
	while ((flow = flow_walk(engine->flows, &cursor)) != NULL) {
		engine->ops.mail = NULL;
		engine->ops.session = NULL;
		session_end(engine, (struct session *)flow, "stop", 0);
	}
	while (engine->older_count > 0)
		scanner_free(engine->older[--engine->older_count]);
	scanner_free(engine->scanner);
	(void)munmap(engine->memory, engine->memory_bytes);
	free(engine);
}

void engine_set_seals(struct engine *engine, const struct engine_seals *seals)
{
	gather_settle(engine);
	engine->seals = seals;
}

void engine_heed_windows(struct engine *engine, bool are_real)
{
	engine->any_window = !are_real;
}

static bool is_smtp(const struct engine *engine, const uint16_t port_be[2])
{
	return session_is_smtp_port(engine, port_be[0]) || session_is_smtp_port(engine, port_be[1]);
}

static void malformed(struct engine *engine, const struct packet *packet)
{
	engine->counters.dropped_malformed++;
	engine->packet_faults[packet->why]++;
}

static void untouched(
	struct engine *engine, uint32_t link, enum link_side side, struct frame *frame)
{
	engine->counters.forwarded_untouched++;
	engine->ops.send(engine->ops.ctx, link, link_other(side), frame);
}

// What is in such a packet cannot be inspected.
static bool drops_wrapped(struct engine *engine, const struct packet *packet, uint32_t count)
{
	if (!packet->is_wrapped)
		return false;
	if (engine->options.wrapped == WRAPPED_DROP)
		engine->counters.wrapped_dropped += count;
	else
		engine->counters.wrapped_passed += count;
	return engine->options.wrapped == WRAPPED_DROP;
}

static void free_pieces(struct engine *engine, const struct fragment_result *result)
{
	for (uint32_t i = 0; i < result->count; i++) {
		struct frame frame = result->frames[i];

		engine->counters.dropped_fragments++;
		engine->ops.free(engine->ops.ctx, &frame);
	}
}

// Whether a packet is none of ours; also a bad one, when its ports say so.
static bool passes_by(const struct engine *engine, const struct packet *packet)
{
	const uint16_t *port_be = packet->from.port_be;

	return packet->kind == PACKET_OTHER ||
	       (packet->kind == PACKET_TCP && !is_smtp(engine, port_be)) ||
	       (packet->kind == PACKET_BAD && port_be[0] != 0 && !is_smtp(engine, port_be));
}

// A datagram is whole. What it carries shows only when it is put together: IPv6 may have more headers
// in front of TCP. Other traffic's fragments go on as they came; of SMTP the datagram is treated as
// one packet, whose bytes leave as segments.
static void whole_datagram(
	struct engine *engine, uint32_t link, enum link_side side, uint64_t now_ns)
{
	struct fragment_result *result = &engine->fragment_result;
	unsigned int flags = engine->options.packet_flags & ~PACKET_CHECKSUMS_DONE;
	struct frame joined = {engine->joined, 0, sizeof(engine->joined), NULL};
	struct packet packet;
	struct arrival arrival = {&joined, &packet, link, side, now_ns, true, NULL};

	if (fragment_join(result, &joined) != 0) {
		free_pieces(engine, result);
		return;
	}
	packet_parse(&joined, flags | PACKET_CHECKSUMS_DONE, &packet);
	if (passes_by(engine, &packet) && !drops_wrapped(engine, &packet, result->count)) {
		for (uint32_t i = 0; i < result->count; i++)
			untouched(engine, link, side, &result->frames[i]);
		return;
	}
	for (uint32_t i = 0; i < result->count; i++)
		engine->ops.free(engine->ops.ctx, &result->frames[i]);
	if (packet.is_wrapped)
		return;
	if (packet.kind == PACKET_TCP)
		packet_verify(&joined, flags, &packet);
	if (packet.kind != PACKET_TCP) {
		malformed(engine, &packet);
		return;
	}
	session_arrival(engine, &arrival);
}

static void fragment(struct engine *engine, const struct arrival *arrival)
{
	struct fragment_result *result = &engine->fragment_result;

	switch (fragment_add(engine->fragments, arrival->link * 2 + (uint32_t)arrival->at,
		arrival->frame, arrival->packet, arrival->now_ns, result)) {
	case FRAGMENT_KEPT:
		return;
	case FRAGMENT_WHOLE:
		whole_datagram(engine, arrival->link, arrival->at, arrival->now_ns);
		return;
	case FRAGMENT_DROP:
		engine->counters.dropped_fragments++;
		engine->ops.free(engine->ops.ctx, arrival->frame);
		free_pieces(engine, result);
		return;
	}
}

// Of a connection that is inspected, or a fragment that may belong to one: now its sums matter.
static void inspected(struct engine *engine, const struct arrival *arrival)
{
	struct packet *packet = arrival->packet;

	packet_verify(arrival->frame, engine->options.packet_flags, packet);
	if (packet->kind == PACKET_BAD) {
		malformed(engine, packet);
		engine->ops.free(engine->ops.ctx, arrival->frame);
	} else if (packet->kind == PACKET_TCP) {
		session_arrival(engine, arrival);
	} else {
		fragment(engine, arrival);
	}
}

static void dispatch(struct engine *engine, const struct arrival *arrival)
{
	const struct packet *packet = arrival->packet;

	engine->gather.frames++;
	switch (packet->kind) {
	case PACKET_OTHER:
		if (drops_wrapped(engine, packet, 1))
			engine->ops.free(engine->ops.ctx, arrival->frame);
		else
			untouched(engine, arrival->link, arrival->at, arrival->frame);
		return;
	case PACKET_TCP:
		if (arrival->key != NULL || is_smtp(engine, packet->from.port_be))
			inspected(engine, arrival);
		else
			untouched(engine, arrival->link, arrival->at, arrival->frame);
		return;
	case PACKET_FRAGMENT:
		inspected(engine, arrival);
		return;
	case PACKET_BAD:
		// With ports that say it is none of ours it is not ours to drop either.
		if (packet->from.port_be[0] != 0 && !is_smtp(engine, packet->from.port_be)) {
			untouched(engine, arrival->link, arrival->at, arrival->frame);
			return;
		}
		malformed(engine, packet);
		engine->ops.free(engine->ops.ctx, arrival->frame);
		return;
	}
}

void engine_input(struct engine *engine, uint32_t link, enum link_side side, struct frame *frame,
	uint64_t now_ns)
{
	struct packet packet;
	const struct arrival arrival = {frame, &packet, link, side, now_ns, false, NULL};

	packet_parse(frame, engine->options.packet_flags | PACKET_CHECKSUMS_DONE, &packet);
	dispatch(engine, &arrival);
}

enum key_is {
	KEY_NONE,
	KEY_NEW,
	KEY_AGAIN, // that of the packet before
};

// What is known of a frame before the first of those that came with it is worked on.
struct looked {
	struct packet packet;
	struct session_key key;
	enum key_is key_is;
};

// Reads the headers; of an SMTP connection the key is made, and its place in the table asked for. Packets come in trains:
// most have the key of the one before, NULL: there is none.
static void look(struct engine *engine, struct engine_frame *in, const struct looked *before,
	struct looked *out)
{
	packet_parse(
		&in->frame, engine->options.packet_flags | PACKET_CHECKSUMS_DONE, &out->packet);
	out->key_is = KEY_NONE;
	if (out->packet.kind != PACKET_TCP)
		return;
	if (before != NULL && before->key_is != KEY_NONE && before->key.key.link == in->link &&
		flow_is_same_way(&before->packet.from, &out->packet.from)) {
		out->key = before->key;
		out->key_is = KEY_AGAIN;
	} else if (is_smtp(engine, out->packet.from.port_be)) {
		session_key_make(engine, &out->packet, in->link, &out->key);
		flow_prefetch(engine->flows, out->key.hash);
		out->key_is = KEY_NEW;
	}
}

// All bytes of a frame are read. They come from memory that another core, or the device, has written.
static void ask_for_bytes(const struct frame *frame)
{
	for (uint32_t at = 64; at < frame->bytes; at += 64)
		__builtin_prefetch(frame->data + at);
}

void engine_input_burst(
	struct engine *engine, struct engine_frame *frames, uint32_t count, uint64_t now_ns)
{
	struct looked looked[ENGINE_BURST];
	const struct looked *before = NULL;

	assert(count <= ENGINE_BURST);
	for (uint32_t i = 0; i < count; i++)
		__builtin_prefetch(frames[i].frame.data);
	for (uint32_t i = 0; i < count; i++) {
		look(engine, &frames[i], before, &looked[i]);
		before = &looked[i];
	}
	for (uint32_t i = 0; i < count; i++) {
		if (looked[i].key_is == KEY_NEW)
			flow_prefetch_state(engine->flows, looked[i].key.hash, PREFETCH_BYTES);
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct arrival arrival = {&frames[i].frame, &looked[i].packet, frames[i].link,
			frames[i].side, now_ns, false,
			looked[i].key_is != KEY_NONE ? &looked[i].key : NULL};

		// While this one is worked on.
		if (i + 1 < count)
			ask_for_bytes(&frames[i + 1].frame);
		dispatch(engine, &arrival);
	}
}

// Each connection gives its pages back once after each use. What then became free without a packet of it
// (a message that another thread was done with, or the spool) is found by a slow walk.
static void trim_idle(struct engine *engine, uint64_t now_ns)
{
	struct flow *flow;

	session_trim_quiet(engine, IDLE_TRIMS, now_ns, IDLE_TRIM_NS);
	if (now_ns - engine->walked_ns < WALK_NS)
		return;
	engine->walked_ns = now_ns;
	flow = flow_step(engine->flows, &engine->walk_cursor);
	if (flow != NULL && now_ns - flow->used_ns > IDLE_TRIM_NS)
		session_trim(engine, (struct session *)flow);
}

void engine_tick(struct engine *engine, uint64_t now_ns)
{
	struct flow *flow;

	gather_settle(engine);
	flow = flow_expired(engine->flows, now_ns);
	if (flow != NULL) {
		engine->counters.connections_aged++;
		session_end(engine, (struct session *)flow, NULL, now_ns);
	}
	trim_idle(engine, now_ns);
	takeover_tick(engine, now_ns);
	deferral_tick(engine, now_ns);
	divert_tick(engine, now_ns);
	keep_tick(engine, now_ns);
	if (fragment_expired(engine->fragments, now_ns, &engine->fragment_result) > 0)
		free_pieces(engine, &engine->fragment_result);
}

// When rules change all messages in progress may have to be judged again.
uint32_t engine_max_deferred(const struct engine_options *options)
{
	return options->max_deferred + options->scan.max_messages;
}

uint32_t engine_deferred(const struct engine *engine)
{
	return deferral_outstanding(engine->deferrals);
}

void engine_stop(struct engine *engine, uint64_t now_ns)
{
	uint32_t cursor = 0;
	struct flow *flow;

	gather_settle(engine);
	while ((flow = flow_walk(engine->flows, &cursor)) != NULL) {
		struct session *session = (struct session *)flow;

		session_end(engine, session, session->reset || session->reported ? NULL : "stop",
			now_ns);
	}
	while (fragment_expired(engine->fragments, UINT64_MAX, &engine->fragment_result) > 0)
		free_pieces(engine, &engine->fragment_result);
}

const struct counters *engine_counters(const struct engine *engine)
{
	return &engine->counters;
}

struct counters *engine_counters_mutable(struct engine *engine)
{
	return &engine->counters;
}

const uint64_t *engine_tcp_drops(const struct engine *engine, uint32_t *count)
{
	*count = TCP_REASON_AFTER_FIN + 1;
	return engine->tcp_drops;
}

const uint64_t *engine_packet_faults(const struct engine *engine, uint32_t *count)
{
	*count = PACKET_BAD_FRAGMENT_FAULT + 1;
	return engine->packet_faults;
}

uint32_t engine_open_connections(const struct engine *engine)
{
	struct flow_counts counts;

	flow_get_counts(engine->flows, &counts);
	return counts.flows[FLOW_HALF_OPEN] + counts.flows[FLOW_OPEN] + counts.flows[FLOW_CLOSING];
}

size_t engine_connection_bytes(const struct engine *engine)
{
	struct flow_table_options flows = flow_options(&engine->options);

	return flow_table_bytes(&flows) / engine->options.max_connections;
}

size_t engine_message_bytes(const struct engine *engine)
{
	return __atomic_load_n(&engine->message_bytes, __ATOMIC_RELAXED);
}

size_t engine_memory_bytes(const struct engine *engine)
{
	return engine->memory_bytes;
}
