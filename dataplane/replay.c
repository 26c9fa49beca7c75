// SPDX-License-Identifier: BSD-3-Clause
// Captures through the engine. Time is the capture's, nothing is random: two runs give the same bytes.
#include "dataplane/capture_file.h"
#include "dataplane/dataplane.h"
#include "dataplane/engine.h"
#include "dataplane/options.h"
#include "dataplane/packet_wire.h"
#include "dataplane/replay_look.h"
#include "dataplane/replay_output.h"
#include "dataplane/replay_side.h"
#include "dataplane/replay_spool.h"
#include "dataplane/seal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TCP_NOP 1         // an option that says nothing
#define BLOCK_BYTES 2048u // of frames that are kept for the next one
// A gap between frames is gone through in small steps, then in larger ones, then at once.
#define STEP_NS 100000000ull
#define STEPS 1200
#define LONG_STEP_NS 1000000000ull
#define LONG_STEPS 3600
#define TICKS_MAX 65536 // at one time
#define TICKS_STEP 64   // of a step in which nothing happens
// What a connection needs of the pools at most, and a little for all together.
#define MESSAGES_EACH 4
#define MESSAGES_MORE 16
#define CONNECTIONS_MORE 16
#define PAGES_MORE 256

// A heap block that a frame stands in; small ones are kept on a list.
struct block {
	struct block *next;
	uint32_t bytes;
	uint8_t data[];
};

struct replay {
	const struct replay_options *options;
	struct replay_stats *stats;
	struct engine_options engine_options;
	struct replay_output output;
	struct engine *engine;
	struct replay_sides *sides;
	struct replay_look *look;
	struct replay_facts facts;  // of this file
	uint64_t repaired;          // frames of this file
	uint64_t frames;            // of this file
	uint64_t frame;             // number of the next one
	const struct packet *asked; // a SYN that begins another life, while the engine has it
	uint32_t challenge;         // the number at which the engine would take a RST for it
	bool is_challenged;
	uint64_t sessions; // that ended
	struct block *spare;
	struct replay_spool spool;
	struct engine_seals *seals; // NULL: none
	uint64_t now_ns;
	uint64_t frame_ns; // of the frame at hand: when what is sent leaves
};

// ---- what the engine calls ----------------------------------------------------------------------

static bool alloc_frame(void *ctx, uint32_t bytes, struct frame *out)
{
	struct replay *replay = ctx;
	struct block *block = replay->spare;
	uint32_t room = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;

	if (bytes <= BLOCK_BYTES && block != NULL) {
		replay->spare = block->next;
	} else {
		block = malloc(sizeof(*block) + room);
		if (block == NULL)
			return false;
		block->bytes = room;
	}
	*out = (struct frame){.data = block->data, .room = block->bytes, .handle = block};
	return true;
}

static void free_frame(void *ctx, struct frame *frame)
{
	struct replay *replay = ctx;
	struct block *block = frame->handle;

	if (block->bytes == BLOCK_BYTES) {
		block->next = replay->spare;
		replay->spare = block;
	} else {
		free(block);
	}
}

// Does the engine ask the sender of the SYN whether it knows of the connection that is there (RFC 5961 section 4)?
static void note_challenge(struct replay *replay, struct frame *frame)
{
	const struct packet_address *asked = &replay->asked->from;
	struct packet packet;

	packet_parse(frame, PACKET_CHECKSUMS_DONE, &packet);
	if (packet.kind != PACKET_TCP || packet.tcp.flags != TCP_FLAG_ACK ||
		packet.tcp.payload_bytes > 0 || packet.from.port_be[1] != asked->port_be[0] ||
		memcmp(packet.from.address[1], asked->address[0], sizeof(asked->address[0])) != 0)
		return;
	replay->challenge = packet.tcp.ack;
	replay->is_challenged = true;
}

static void send_frame(void *ctx, uint32_t link, enum link_side side, struct frame *frame)
{
	struct replay *replay = ctx;

	(void)link;
	(void)side;
	if (replay->asked != NULL)
		note_challenge(replay, frame);
	replay->stats->frames_out++;
	replay_output_frame(&replay->output, frame, replay->frame_ns);
	free_frame(ctx, frame);
}

static void write_mail(void *ctx, const struct mail_record *record)
{
	struct replay *replay = ctx;

	replay->stats->messages++;
	if (record->verdict == VERDICT_INFECTED)
		replay->stats->infected++;
	replay_output_mail(&replay->output, record);
}

static void write_session(void *ctx, const struct session_record *record)
{
	struct replay *replay = ctx;

	replay->sessions++;
	replay_output_session(&replay->output, record);
}

static void write_hold(void *ctx, const struct hold_record *record)
{
	struct replay *replay = ctx;

	replay_output_hold(&replay->output, record);
}

// ---- options ------------------------------------------------------------------------------------

static int set_ports(struct engine_options *engine, const char *list)
{
	engine->smtp_ports_count = 0;
	for (;;) {
		char *end;
		unsigned long port = strtoul(list, &end, 10);

		if (end == list || port == 0 || port > 65535 ||
			engine->smtp_ports_count == ENGINE_MAX_PORTS)
			return -EINVAL;
		engine->smtp_ports[engine->smtp_ports_count++] = (uint16_t)port;
		if (*end == '\0')
			return 0;
		if (*end != ',')
			return -EINVAL;
		list = end + 1;
	}
}

static int set_options(struct replay *replay, char *error, size_t error_bytes)
{
	const struct replay_options *options = replay->options;
	struct engine_options *engine = &replay->engine_options;
	struct options *all = malloc(sizeof(*all));
	int err = 0;

	if (all == NULL)
		return -ENOMEM;
	options_init(all);
	if (options->config != NULL)
		err = options_load(options->config, OPTIONS_REPLAY, all, options->notes);
	*engine = all->engine;
	free(all);
	if (err != 0) {
		(void)snprintf(error, error_bytes, "%s: %s", options->config,
			// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
			err == -EINVAL ? "not usable" : strerror(-err));
		return err;
	}
	if (options->ports != NULL && set_ports(engine, options->ports) != 0) {
		(void)snprintf(error, error_bytes, "ports %s: not a list of at most %d ports",
			options->ports, ENGINE_MAX_PORTS);
		return -EINVAL;
	}
	for (size_t i = 0; i < options->policies_count; i++) {
		err = options_set_policy(engine, options->policies[i], error, error_bytes);
		if (err != 0)
			return err;
	}
	engine->recorded = true;
	engine->packet_flags = PACKET_PARTIAL_CHECKSUMS;
	engine->scan.digests |= options->digests;
	memset(engine->hash_key, 0, sizeof(engine->hash_key));
	return 0;
}

static int set_seal(struct replay *replay, char *error, size_t error_bytes)
{
	const char *mode = replay->options->sealed;
	struct seal *seal;

	replay_spool_init(&replay->spool);
	if (mode == NULL)
		return 0;
	replay->seals = calloc(1, sizeof(*replay->seals) + sizeof(*seal));
	if (replay->seals == NULL)
		return -ENOMEM;
	replay->seals->count = 1;
	seal = replay->seals->seals;
	seal->directions = SEAL_INBOUND | SEAL_OUTBOUND;
	(void)snprintf(seal->virus_id, sizeof(seal->virus_id), "replay");
	if (seal_mode_parse(mode, &seal->mode))
		return 0;
	(void)snprintf(error, error_bytes,
		"seal mode %s: must be hold, hold-attachments, strip or tempfail", mode);
	return -EINVAL;
}

// ---- time ---------------------------------------------------------------------------------------

// What shows that a tick did something.
static uint64_t progress(const struct replay *replay)
{
	return replay->stats->frames_out + replay->stats->messages + replay->sessions +
	       engine_open_connections(replay->engine);
}

// A live engine turns without pause, so that each connection has had its turn and nothing is left to do.
static void tick(struct replay *replay, uint32_t at_least)
{
	uint64_t before = progress(replay);

	for (uint32_t i = 0, quiet = 0; i < TICKS_MAX && quiet < at_least; i++) {
		uint64_t after;

		engine_tick(replay->engine, replay->now_ns);
		after = progress(replay);
		quiet = after == before ? quiet + 1 : 0;
		before = after;
	}
}

static uint32_t turns(const struct replay *replay, uint32_t limit)
{
	uint32_t open = engine_open_connections(replay->engine) + 1;

	return open < limit ? open : limit;
}

static void step(struct replay *replay, uint64_t to_ns, uint64_t step_ns, uint32_t steps)
{
	while (steps-- > 0 && to_ns - replay->now_ns > step_ns &&
		engine_open_connections(replay->engine) > 0) {
		replay->now_ns += step_ns;
		tick(replay, turns(replay, TICKS_STEP));
	}
}

// To the time of the next frame, through all that happens before it.
static void advance(struct replay *replay, uint64_t to_ns)
{
	if (to_ns <= replay->now_ns) {
		engine_tick(replay->engine, replay->now_ns);
		return;
	}
	replay->frame_ns = to_ns;
	if (to_ns - replay->now_ns <= STEP_NS) {
		replay->now_ns = to_ns;
		tick(replay, 1);
		return;
	}
	step(replay, to_ns, STEP_NS, STEPS);
	step(replay, to_ns, LONG_STEP_NS, LONG_STEPS);
	replay->now_ns = to_ns;
	tick(replay, turns(replay, TICKS_MAX));
}

// ---- one file -----------------------------------------------------------------------------------

// One MAC address for each side, locally administered.
static void put_macs(uint8_t *frame, enum link_side from)
{
	static const uint8_t macs[2][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}};

	memcpy(frame, macs[link_other(from)], sizeof(macs[0]));
	memcpy(frame + sizeof(macs[0]), macs[from], sizeof(macs[0]));
}

static int copy_frame(struct replay *replay, const struct frame *from, struct frame *out)
{
	if (!alloc_frame(replay, from->bytes, out))
		return -ENOMEM;
	memcpy(out->data, from->data, from->bytes);
	out->bytes = from->bytes;
	return 0;
}

// In the place of its sender, who knows of no other connection: ends the one that the engine has.
static void answer_challenge(struct replay *replay, struct frame *syn, enum link_side side)
{
	const uint32_t seq_be = htobe32(replay->challenge);
	struct packet packet;
	uint8_t *tcp;

	packet_parse(syn, PACKET_CHECKSUMS_DONE | PACKET_PARTIAL_CHECKSUMS, &packet);
	tcp = syn->data + packet.l4_offset;
	memcpy(tcp + TCP_SEQ, &seq_be, sizeof(seq_be));
	memset(tcp + TCP_ACK, 0, sizeof(seq_be));
	tcp[TCP_FLAGS] = TCP_FLAG_RST;
	memset(tcp + TCP_BYTES, TCP_NOP, packet.tcp.options_bytes);
	packet_fix_tcp_checksum(syn, &packet);
	engine_input(replay->engine, 0, side, syn, replay->now_ns);
}

// A SYN that begins another life. Where the engine takes the old one for open, the capture has no answer to its
// question: the client's is made up.
static int feed_again(
	struct replay *replay, struct frame *syn, const struct packet *packet, enum link_side side)
{
	struct frame again;
	struct frame reset;
	int err = copy_frame(replay, syn, &again);

	replay->asked = err == 0 ? packet : NULL;
	replay->is_challenged = false;
	engine_input(replay->engine, 0, side, syn, replay->now_ns);
	replay->asked = NULL;
	if (err == 0 && replay->is_challenged) {
		err = copy_frame(replay, &again, &reset);
		if (err == 0)
			answer_challenge(replay, &reset, side);
		engine_input(replay->engine, 0, side, &again, replay->now_ns);
	} else if (err == 0) {
		free_frame(replay, &again);
	}
	return err;
}

// The engine gets a frame of its own.
static int feed(struct replay *replay, const struct capture_record *record, bool begins)
{
	struct frame frame;
	struct packet packet;
	enum link_side side;
	int err;

	if (!alloc_frame(replay, record->bytes, &frame))
		return -ENOMEM;
	memcpy(frame.data, record->data, record->bytes);
	frame.bytes = record->bytes;
	if (replay_look_repair(replay->look, &frame))
		replay->repaired++;
	packet_parse(&frame, PACKET_CHECKSUMS_DONE | PACKET_PARTIAL_CHECKSUMS, &packet);
	err = replay_sides_find(replay->sides, &frame, &packet, &side);
	if (err != 0) {
		free_frame(replay, &frame);
		return err;
	}
	engine_heed_windows(replay->engine, !replay_look_any_window(replay->look, &frame, &packet));
	if (record->made_up)
		put_macs(frame.data, side);
	if (begins && packet.kind == PACKET_TCP)
		return feed_again(replay, &frame, &packet, side);
	engine_input(replay->engine, 0, side, &frame, replay->now_ns);
	return 0;
}

static int feed_all(struct replay *replay, struct capture_reader *reader, const char *path)
{
	char error[CAPTURE_ERROR_BYTES];
	struct capture_record record;
	struct counters *counters = engine_counters_mutable(replay->engine);
	int result;

	while ((result = capture_next(reader, &record, error)) == 1) {
		bool begins = replay_look_begins(replay->look, replay->frame++);

		replay->stats->frames_in++;
		counters->rx_packets++;
		counters->rx_bytes += record.bytes;
		if (replay->now_ns == 0)
			replay->now_ns = replay->frame_ns = record.time_ns > 0 ? record.time_ns : 1;
		advance(replay, record.time_ns);
		if (record.cut) {
			struct frame frame = {
				.data = record.data, .bytes = record.bytes, .room = record.bytes};

			(void)replay_look_repair(replay->look, &frame); // only counts it
			replay->stats->frames_cut++;
			continue;
		}
		result = feed(replay, &record, begins);
		if (result != 0)
			return result;
	}
	// What could be read has its result; the rest of the file has none.
	if (result < 0 && replay->options->notes != NULL)
		(void)fprintf(replay->options->notes, "%s: not read to its end: %s\n", path, error);
	return 0;
}

// The first look at a file. What goes wrong in reading is said by the second, unless nothing can be read.
static int look_at(struct replay *replay, const char *path, char error[CAPTURE_ERROR_BYTES])
{
	char text[CAPTURE_ERROR_BYTES] = "";
	struct capture_record record;
	struct capture_reader *reader;
	int result;
	int err = capture_open(path, &reader, error);

	if (err != 0)
		return err;
	replay->frames = 0;
	while ((result = capture_next(reader, &record, text)) == 1 && err == 0) {
		struct frame frame = {
			.data = record.data, .bytes = record.bytes, .room = record.bytes};

		replay->frames++;
		err = replay_look_note(replay->look, &frame, record.cut);
	}
	capture_close(reader);
	if (err == 0 && result < 0 && replay->frames == 0) {
		(void)snprintf(error, CAPTURE_ERROR_BYTES, "%.200s: %.300s", path, text);
		return result;
	}
	return err == 0 ? replay_look_end(replay->look, &replay->facts) : err;
}

static void write_notes(const struct replay *replay, const char *path, uint64_t cut)
{
	FILE *notes = replay->options->notes;

	if (notes == NULL)
		return;
	if (cut > 0)
		(void)fprintf(notes,
			"%s: %llu frames are not whole in the capture and were dropped\n", path,
			(unsigned long long)cut);
	if (replay->repaired > 0)
		(void)fprintf(notes,
			"%s: %llu frames have wrong checksums but were received: put right\n", path,
			(unsigned long long)replay->repaired);
	if (replay->facts.any_window)
		(void)fprintf(notes,
			"%s: some hosts acknowledged data beyond their windows: between these, "
			"windows are not heeded\n",
			path);
}

static uint32_t lower(uint32_t limit, uint64_t need)
{
	return need < limit ? (uint32_t)need : limit;
}

// Pools that this file cannot exhaust unless it would exhaust the configured ones: large ones take
// longer to make than a small file to replay.
static struct engine_options options_for(const struct replay *replay)
{
	struct engine_options options = replay->engine_options;
	const struct replay_facts *facts = &replay->facts;

	options.max_connections =
		lower(options.max_connections, facts->connections + CONNECTIONS_MORE);
	options.max_half_open = lower(options.max_half_open, facts->connections + CONNECTIONS_MORE);
	options.max_pages = lower(options.max_pages, facts->pages * 2 + PAGES_MORE);
	options.scan.max_messages = lower(
		options.scan.max_messages, facts->connections * MESSAGES_EACH + MESSAGES_MORE);
	return options;
}

static int run_engine(struct replay *replay, struct capture_reader *reader, const char *path)
{
	const struct engine_ops ops = {.ctx = replay,
		.alloc = alloc_frame,
		.free = free_frame,
		.send = send_frame,
		.mail = write_mail,
		.session = write_session,
		.hold = write_hold,
		.spool = &replay->spool.ops};
	struct engine_options options = options_for(replay);
	uint64_t cut = replay->stats->frames_cut;
	int err;

	replay->now_ns = 0;
	replay->repaired = 0;
	replay->frame = 0;
	err = engine_new(&options, &ops, replay->options->ruleset, &replay->engine);
	if (err != 0)
		return err;
	engine_set_seals(replay->engine, replay->seals);
	err = feed_all(replay, reader, path);
	engine_stop(replay->engine, replay->now_ns);
	engine_free(replay->engine);
	write_notes(replay, path, replay->stats->frames_cut - cut);
	return err;
}

static int replay_file(struct replay *replay, const char *path, char error[CAPTURE_ERROR_BYTES])
{
	struct capture_reader *reader;
	int err = look_at(replay, path, error);

	if (err == 0)
		err = capture_open(path, &reader, error);
	if (err != 0)
		return err;
	err = run_engine(replay, reader, path);
	capture_close(reader);
	return err;
}

// A text is left in error when something went wrong.
static int run_file(struct replay *replay, const char *path, char error[CAPTURE_ERROR_BYTES])
{
	const struct engine_options *options = &replay->engine_options;
	int err = -ENOMEM;

	error[0] = '\0';
	replay->sides = replay_sides_new(options->smtp_ports, options->smtp_ports_count);
	replay->look = replay_look_new(options->smtp_ports, options->smtp_ports_count);
	if (replay->sides != NULL && replay->look != NULL)
		err = replay_file(replay, path, error);
	replay_look_free(replay->look);
	replay_sides_free(replay->sides);
	if (err != 0 && error[0] == '\0')
		// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
		(void)snprintf(error, CAPTURE_ERROR_BYTES, "%s: %s", path, strerror(-err));
	return err;
}

// All files, whatever becomes of one. The first error is returned, the others are noted.
static int run_files(struct replay *replay, char *error, size_t error_bytes)
{
	const struct replay_options *options = replay->options;
	char text[CAPTURE_ERROR_BYTES];
	int first = 0;

	for (size_t i = 0; i < options->files_count; i++) {
		int err = run_file(replay, options->files[i], text);

		if (err != 0 && first == 0) {
			(void)snprintf(error, error_bytes, "%s", text);
			first = err;
		} else if (err != 0 && options->notes != NULL) {
			(void)fprintf(options->notes, "%s\n", text);
		}
	}
	return first;
}

int replay_run(const struct replay_options *options, struct replay_stats *stats, char *error,
	size_t error_bytes)
{
	struct replay *replay = calloc(1, sizeof(*replay));
	int err;

	*stats = (struct replay_stats){0};
	error[0] = '\0';
	if (replay == NULL)
		return -ENOMEM;
	replay->options = options;
	replay->stats = stats;
	err = set_options(replay, error, error_bytes);
	if (err == 0)
		err = set_seal(replay, error, error_bytes);
	if (err != 0)
		goto free_replay;
	err = replay_output_open(&replay->output, options,
		options->gateway != NULL ? options->gateway : replay->engine_options.name, error,
		error_bytes);
	if (err != 0)
		goto free_replay;
	err = run_files(replay, error, error_bytes);
	if (err != 0)
		(void)replay_output_close(&replay->output, NULL, 0);
	else
		err = replay_output_close(&replay->output, error, error_bytes);
	while (replay->spare != NULL) {
		struct block *block = replay->spare;

		replay->spare = block->next;
		free(block);
	}

free_replay:
	free(replay->seals);
	free(replay);
	return err;
}
