// SPDX-License-Identifier: BSD-3-Clause
// What the engine does beside the bytes of mails: an event written, numbers of a segment translated for the
// other side, another scanner put in force.
#include "dataplane/engine.h"
#include "dataplane/events.h"
#include "perf/perf.h"
#include "perf/rules.h"
#include "reassembly/seqmap.h"

#include <stdlib.h>
#include <string.h>

#define FRAME_BYTES 1514u
#define LINE_BYTES 8192u

// ---- an event -----------------------------------------------------------------------------------

struct event_state {
	char line[LINE_BYTES];
	char copy[LINE_BYTES];
	size_t bytes;
	struct events_context context;
	struct mail_record record;
	struct scan_result scan;
	struct scan_part parts[2];
};

static void run_event(void *ctx)
{
	struct event_state *state = ctx;

	state->record.time_ns += 1000;
	perf_keep(events_format_mail(
		&state->context, &state->record, state->line, sizeof(state->line)));
}

static void run_event_copy(void *ctx)
{
	struct event_state *state = ctx;

	memcpy(state->copy, state->line, state->bytes);
	perf_keep((uint8_t)state->copy[state->bytes / 2]);
}

static int begin_event(struct perf_run *run)
{
	static const char *const links[] = {"wire"};
	static const char *const recipients[] = {"someone@example.org", "another@example.org"};
	struct event_state *state = perf_alloc(sizeof(*state));

	for (uint32_t i = 0; i < 2; i++)
		state->parts[i] = (struct scan_part){.index = i + 1,
			.content_type = i == 0 ? "text/plain" : "application/pdf",
			.encoding = i == 0 ? "7bit" : "base64",
			.filename = i == 0 ? "" : "invoice.pdf",
			.disposition = i == 0 ? "" : "attachment",
			.detected_type = i == 0 ? "" : "pdf",
			.bytes = 70000,
			.digests = DIGEST_SHA256};
	state->scan = (struct scan_result){.verdict = VERDICT_CLEAN,
		.reason = "",
		.parts = state->parts,
		.parts_count = 2,
		.subject = "Invoice of March",
		.message_id = "<20260302100000.1@example.org>",
		.bytes = 100000};
	state->context = (struct events_context){"gateway", links, 1, 1000000000};
	state->record = (struct mail_record){.session = 1,
		.message = 1,
		.address = {.family = 4},
		.helo = "mail.example.org",
		.mail_from = "sender@example.org",
		.rcpt_to = recipients,
		.rcpt_to_count = 2,
		.action = "deliver",
		.reply = "250 2.0.0 taken",
		.verdict = VERDICT_CLEAN,
		.reason = "",
		.scan = &state->scan,
		.bytes = 100000,
		.ruleset = "1",
		.latency_ns = 12000,
		.seal_mode = "",
		.virus_id = "",
		.record = ""};
	state->bytes = events_format_mail(
		&state->context, &state->record, state->line, sizeof(state->line));
	perf_need(state->bytes > 0, "an event");
	run->state = state;
	run->amount = 1;
	return 0;
}

// ---- translation --------------------------------------------------------------------------------

struct translate_state {
	uint8_t data[2048];
	uint8_t out[2048];
	struct frame frame;
	struct packet packet;
	struct seqmap map[2]; // by side that sends
	uint32_t seq;
};

// As splice.c does for a segment that goes to the server.
static void run_translate(void *ctx)
{
	struct translate_state *state = ctx;

	state->seq += FRAME_BYTES;
	seqmap_settle(&state->map[0], state->seq - FRAME_BYTES);
	packet_parse(&state->frame, PACKET_CHECKSUMS_DONE, &state->packet);
	packet_renumber(&state->frame, &state->packet,
		seqmap_to_receiver(&state->map[0], state->seq),
		seqmap_to_sender(&state->map[1], state->packet.tcp.ack), &state->map[1]);
	perf_keep(state->data[50]);
}

static void run_frame_copy(void *ctx)
{
	struct translate_state *state = ctx;

	memcpy(state->out, state->data, FRAME_BYTES);
	perf_keep(state->out[FRAME_BYTES / 2]);
}

static int begin_translate(struct perf_run *run)
{
	static const uint8_t head[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0x05,
		0xdc, 0, 1, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 10, 192, 0, 2, 25, 0xa0, 0x28, 0, 25,
		0, 0, 1, 0, 0, 0, 2, 0, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0};
	struct translate_state *state = perf_alloc(sizeof(*state));

	perf_fill(state->data, sizeof(state->data), 11);
	memcpy(state->data, head, sizeof(head));
	state->frame = (struct frame){state->data, FRAME_BYTES, sizeof(state->data), NULL};
	packet_parse(&state->frame, PACKET_CHECKSUMS_DONE, &state->packet);
	perf_need(state->packet.kind == PACKET_TCP, "a frame that is understood");
	seqmap_init(&state->map[0], 256);
	seqmap_init(&state->map[1], 512);
	seqmap_edit(&state->map[0], 256, 4096);
	run->state = state;
	run->amount = 1;
	return 0;
}

// ---- swap ---------------------------------------------------------------------------------------

struct swap_state {
	struct engine *engine;
	struct rules rules;
	struct ruleset *ruleset;
	void *image;
	struct scanner *scanner; // the other one
};

static bool give_no_frame(void *ctx, uint32_t bytes, struct frame *out)
{
	(void)ctx;
	(void)bytes;
	(void)out;
	return false;
}

static void drop_frame(void *ctx, struct frame *frame)
{
	(void)ctx;
	(void)frame;
}

static void drop_sent(void *ctx, uint32_t link, enum link_side side, struct frame *frame)
{
	(void)ctx;
	(void)link;
	(void)side;
	(void)frame;
}

static void drop_mail(void *ctx, const struct mail_record *record)
{
	(void)ctx;
	(void)record;
}

static void drop_session(void *ctx, const struct session_record *record)
{
	(void)ctx;
	(void)record;
}

// The one that was in force is idle at once: no message is in progress.
static void run_swap(void *ctx)
{
	struct swap_state *state = ctx;

	perf_need(engine_has_room_for_scanner(state->engine), "room for a scanner");
	engine_set_scanner(state->engine, state->scanner);
	state->scanner = engine_take_idle_scanner(state->engine);
	perf_need(state->scanner != NULL, "the scanner that was in force");
}

static int begin_swap(struct perf_run *run)
{
	static const struct engine_ops ops = {.alloc = give_no_frame,
		.free = drop_frame,
		.send = drop_sent,
		.mail = drop_mail,
		.session = drop_session};
	struct swap_state *state = perf_alloc(sizeof(*state));
	struct engine_options options;

	rules_make(&state->rules, RULES_LITERAL, (uint32_t)run->it->number);
	state->ruleset = rules_build(&state->rules, &state->image);
	engine_options_init(&options);
	options.max_connections = 64;
	options.max_half_open = 16;
	options.max_pages = 1024;
	options.scan.max_messages = 16;
	perf_need(engine_new(&options, &ops, state->ruleset, &state->engine) == 0 &&
			  scanner_new(&options.scan, state->ruleset, &state->scanner) == 0,
		"an engine");
	run->state = state;
	run->amount = 1;
	return 0;
}

static void end_swap(void *ctx)
{
	struct swap_state *state = ctx;

	engine_free(state->engine);
	scanner_free(state->scanner);
	ruleset_close(state->ruleset);
	rules_free(&state->rules);
	free(state->image);
	free(state);
}

static const struct perf_case cases[] = {
	{"event/mail", "memcpy of the line", "events/s", 0, false, false, begin_event, run_event,
		run_event_copy, free},
	{"translate/1514", "memcpy of the frame", "frames/s", 0, false, false, begin_translate,
		run_translate, run_frame_copy, free},
	{"swap/1000", NULL, "swaps/s", 1000, false, false, begin_swap, run_swap, NULL, end_swap},
};
PERF_CASES(cases)
