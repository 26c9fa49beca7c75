// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/world.h"

#include "tests/support/pools.h"
#include "tests/support/world_helper.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_NS 100000u
#define IDLE_STEP_NS 2000000u // while nothing is under way
#define FRAME_ROOM 12288

struct world_frame {
	struct world_frame *next;
	uint64_t at_ns;
	bool to_engine;
	enum link_side side; // to_engine: where it comes in; else: the port it left by
	struct frame frame;
};

static uint32_t random_below(struct world *world, uint32_t n)
{
	world->random ^= world->random << 13;
	world->random ^= world->random >> 7;
	world->random ^= world->random << 17;
	return n == 0 ? 0 : (uint32_t)((world->random >> 16) % n);
}

static struct frame new_frame(void)
{
	struct frame frame = {malloc(FRAME_ROOM), 0, FRAME_ROOM, NULL};

	assert(frame.data != NULL);
	return frame;
}

// ---- network ------------------------------------------------------------------------------------

static void fly_once(struct world *world, bool to_engine, enum link_side side, const uint8_t *data,
	uint32_t bytes)
{
	struct world_frame *item = calloc(1, sizeof(*item));
	struct world_frame **at = &world->flying;

	assert(item != NULL);
	item->frame = new_frame();
	memcpy(item->frame.data, data, bytes);
	item->frame.bytes = bytes;
	item->to_engine = to_engine;
	item->side = side;
	item->at_ns = world->now_ns + world->faults.delay_us * 1000ull +
		      random_below(world, world->faults.jitter_us) * 1000ull;
	while (*at != NULL && (*at)->at_ns <= item->at_ns)
		at = &(*at)->next;
	item->next = *at;
	*at = item;
}

static void fly(struct world *world, bool to_engine, enum link_side side, const uint8_t *data,
	uint32_t bytes)
{
	if (random_below(world, 1000) < world->faults.drop) {
		world->frames_lost++;
		return;
	}
	fly_once(world, to_engine, side, data, bytes);
	if (random_below(world, 1000) < world->faults.duplicate)
		fly_once(world, to_engine, side, data, bytes);
}

static void from_peer(void *ctx, struct peer *peer, struct frame *frame)
{
	struct world *world = ctx;

	fly(world, true, peer == &world->client ? LINK_OUTSIDE : LINK_INSIDE, frame->data,
		frame->bytes);
}

static bool engine_alloc(void *ctx, uint32_t bytes, struct frame *out)
{
	(void)ctx;
	assert(bytes <= FRAME_ROOM);
	*out = new_frame();
	return true;
}

static void engine_drop(void *ctx, struct frame *frame)
{
	(void)ctx;
	free(frame->data);
}

static bool is_lost(struct world *world, enum link_side side, struct frame *frame)
{
	struct packet packet;

	if (world->loses == NULL || world->loses_left == 0)
		return false;
	packet_parse(frame, 0, &packet);
	if (packet.kind != PACKET_TCP || !world->loses(world, side, &packet))
		return false;
	world->loses_left--;
	return true;
}

static void engine_send(void *ctx, uint32_t link, enum link_side side, struct frame *frame)
{
	struct world *world = ctx;

	(void)link;
	if (is_lost(world, side, frame))
		world->frames_lost++;
	else
		fly(world, false, side, frame->data, frame->bytes);
	free(frame->data);
}

static void arrive(struct world *world, struct world_frame *item)
{
	if (item->to_engine) {
		engine_input(world->engine, 0, item->side, &item->frame, world->now_ns);
		return; // taken
	}
	peer_input(item->side == LINK_OUTSIDE ? &world->client : &world->server, &item->frame,
		world->now_ns);
	free(item->frame.data);
}

// ---- the engine's records -----------------------------------------------------------------------

static void copy(char *out, size_t room, const char *text)
{
	(void)snprintf(out, room, "%s", text);
}

static void keep_mail(void *ctx, const struct mail_record *record)
{
	struct world *world = ctx;
	struct world_record *kept = &world->records[world->records_count];

	assert(world->records_count < WORLD_RECORDS);
	world->records_count++;
	kept->verdict = record->verdict;
	kept->bytes = record->bytes;
	kept->message = record->message;
	copy(kept->action, sizeof(kept->action), record->action);
	copy(kept->reason, sizeof(kept->reason), record->reason);
	copy(kept->reply, sizeof(kept->reply), record->reply);
	if (record->scan != NULL) {
		copy(kept->subject, sizeof(kept->subject), record->scan->subject);
		kept->parts_count = record->scan->parts_count;
	}
	copy(kept->mail_from, sizeof(kept->mail_from), record->mail_from);
	copy(kept->helo, sizeof(kept->helo), record->helo);
	for (size_t i = 0; i < record->rcpt_to_count; i++) {
		size_t used = strlen(kept->rcpt_to);

		(void)snprintf(kept->rcpt_to + used, sizeof(kept->rcpt_to) - used, "%s%s",
			i > 0 ? "," : "", record->rcpt_to[i]);
	}
	copy(kept->seal_mode, sizeof(kept->seal_mode), record->seal_mode);
	copy(kept->virus_id, sizeof(kept->virus_id), record->virus_id);
	copy(kept->record, sizeof(kept->record), record->record);
	if (record->scan != NULL && record->scan->matches_count > 0)
		copy(kept->signature, sizeof(kept->signature), record->scan->matches[0].signature);
}

static void keep_hold(void *ctx, const struct hold_record *record)
{
	struct world *world = ctx;

	assert(strtoul(record->record + 1, NULL, 10) == world->sink.count);
	world->holds_count++;
}

static void keep_session(void *ctx, const struct session_record *record)
{
	struct world *world = ctx;

	world->sessions_count++;
	copy(world->session_why, sizeof(world->session_why), record->why);
}

static void stop_engine(struct world *world)
{
	engine_stop(world->engine, world->now_ns);
	while (engine_deferred(world->engine) > 0) {
		world->now_ns += world->work_ms * 1000000ull;
		engine_tick(world->engine, world->now_ns);
	}
	assert(pools_are_whole(world->engine));
	engine_free(world->engine);
}

// ---- SMTP server --------------------------------------------------------------------------------

static void reply(struct world *world, const char *text)
{
	peer_write(&world->server, text, strlen(text));
}

static void store_mail(struct world *world)
{
	struct world_mail *mail = &world->mails[world->mails_count];

	assert(world->mails_count < WORLD_MAILS);
	world->mails_count++;
	mail->data = malloc(world->body_bytes + 1);
	assert(mail->data != NULL);
	memcpy(mail->data, world->body, world->body_bytes);
	mail->data[world->body_bytes] = '\0';
	mail->bytes = world->body_bytes;
	world->body_bytes = 0;
	reply(world, "250 2.0.0 Ok: queued\r\n");
}

// What a test may look at, and what it has asked for. True: there is no more to do.
static bool note_command(struct world *world, const char *text, size_t n)
{
	assert(world->commands_bytes + n + 2 < PEER_BUFFER);
	memcpy(world->commands + world->commands_bytes, text, n);
	world->commands_bytes += n;
	world->commands[world->commands_bytes++] = '\n';
	if (strncasecmp(text, "NOOP", 4) == 0)
		world->server_noops++;
	if (strncasecmp(text, "RSET", 4) != 0)
		return world->server_mute;
	world->server_rsets++;
	if (world->server_refuses_rset != NULL && !world->server_mute)
		reply(world, world->server_refuses_rset);
	return world->server_mute || world->server_refuses_rset != NULL;
}

static void command(struct world *world, const char *line, size_t n)
{
	char text[600];

	(void)snprintf(text, sizeof(text), "%.*s", (int)n, line);
	if (note_command(world, text, strlen(text)))
		return;
	if (n == 0 && world->server_cr_ends)
		return; // the LF behind that CR
	if (strncasecmp(text, "EHLO", 4) == 0) {
		reply(world, world->ehlo_reply);
	} else if (strncasecmp(text, "DATA", 4) == 0) {
		reply(world, "354 go on\r\n");
		world->server_in_data = true;
	} else if (strncasecmp(text, "BDAT ", 5) == 0) {
		world->server_chunk = strtoull(text + 5, NULL, 10);
		world->server_chunk_last = strstr(text, "LAST") != NULL;
		world->server_in_data = world->server_chunk > 0;
		if (!world->server_in_data && world->server_chunk_last)
			store_mail(world);
	} else if (strncasecmp(text, "RCPT", 4) == 0 && world->refuse_rcpt != NULL &&
		   strstr(text, world->refuse_rcpt) != NULL) {
		reply(world, "550 5.1.1 no such user\r\n");
	} else if (strncasecmp(text, "QUIT", 4) == 0) {
		reply(world, "221 2.0.0 Bye\r\n");
		peer_close(&world->server);
	} else if (strncasecmp(text, "MAIL", 4) == 0 || strncasecmp(text, "RCPT", 4) == 0 ||
		   strncasecmp(text, "RSET", 4) == 0 || strncasecmp(text, "NOOP", 4) == 0 ||
		   strncasecmp(text, "HELO", 4) == 0) {
		world->server_recipients +=
			strncasecmp(text, "RCPT", 4) == 0 ? 1 : -world->server_recipients;
		reply(world, "250 2.0.0 Ok\r\n");
	} else {
		reply(world, "500 5.5.2 unknown\r\n");
	}
}

static void serve_chunk(struct world *world)
{
	const struct peer *peer = &world->server;
	size_t n = peer->in_bytes - world->server_read;

	if (n > world->server_chunk)
		n = (size_t)world->server_chunk;
	memcpy(world->body + world->body_bytes, peer->in + world->server_read, n);
	world->body_bytes += n;
	world->server_read += n;
	world->server_chunk -= n;
	if (world->server_chunk > 0)
		return;
	world->server_in_data = false;
	if (world->refuse_rcpt != NULL && world->server_recipients == 0) { // RFC 3030 section 2
		world->body_bytes = 0;
		reply(world, "554 5.5.1 no valid recipients\r\n");
	} else if (world->server_chunk_last)
		store_mail(world);
	else
		reply(world, "250 2.0.0 chunk\r\n");
}

static bool is_break(const uint8_t *at, size_t n)
{
	return n == 2 ? at[0] == '\r' && at[1] == '\n' : at[0] == '\n' || at[0] == '\r';
}

// One line of a DATA body. Returns false when no whole line is there.
static bool serve_line(struct world *world)
{
	const struct peer *peer = &world->server;
	const uint8_t *line = peer->in + world->server_read;
	size_t left = peer->in_bytes - world->server_read;
	size_t n = 0;

	if (world->server_cr_ends && left >= 2 && line[0] == '.' && line[1] == '\r') {
		world->server_read += left > 2 && line[2] == '\n' ? 3 : 2;
		world->server_in_data = false;
		store_mail(world);
		return true;
	}
	while (n + 1 < left && !is_break(line + n, 2) &&
		!(world->server_lenient && is_break(line + n, 1) && line[n] == '\n'))
		n++;
	if (n + 1 >= left && !(world->server_lenient && n < left && line[n] == '\n'))
		return false;
	if (n == 1 && line[0] == '.') {
		world->server_read += line[n] == '\n' ? 2 : 3;
		world->server_in_data = false;
		store_mail(world);
		return true;
	}
	world->server_read += n + (line[n] == '\n' ? 1 : 2);
	if (n > 0 && line[0] == '.') {
		line++;
		n--;
	}
	memcpy(world->body + world->body_bytes, line, n);
	memcpy(world->body + world->body_bytes + n, "\r\n", 2);
	world->body_bytes += n + 2;
	return true;
}

static void break_off(struct world *world)
{
	if (world->server_break == WORLD_NO_BREAK || world->server_broke ||
		!world->server_in_data || world->body_bytes < world->server_break_at)
		return;
	world->server_broke = true;
	if (world->server_break == WORLD_RESETS) {
		peer_abort(&world->server, world->now_ns);
		return;
	}
	if (world->server_break == WORLD_SAYS_421)
		reply(world, "421 4.3.2 shutting down\r\n");
	peer_close(&world->server);
}

static void serve(struct world *world)
{
	struct peer *peer = &world->server;

	// Nobody reads any more: what still arrives is answered with a reset.
	if (world->server_broke && !peer->reset && peer->fin_acked &&
		world->server_read < peer->in_bytes)
		peer_abort(peer, world->now_ns);
	if (peer->established && !world->server_greeted) {
		world->server_greeted = true;
		reply(world, "220 mx.example.com ESMTP\r\n");
	}
	while (!peer->reset && !world->server_broke && world->server_read < peer->in_bytes) {
		const char *line = (const char *)peer->in + world->server_read;
		const char *lf = memchr(line, '\n', peer->in_bytes - world->server_read);

		if (world->server_chunk > 0) {
			serve_chunk(world);
		} else if (world->server_in_data) {
			if (!serve_line(world))
				break;
		} else if (lf == NULL) {
			break;
		} else {
			world->server_read += (size_t)(lf - line) + 1;
			command(world, line, (size_t)(lf - line));
		}
		break_off(world);
	}
	if (peer->fin_received && !peer->fin_queued && !world->server_broke)
		peer_close(peer);
}

// ---- SMTP client --------------------------------------------------------------------------------

static void hear(struct world *world)
{
	struct peer *peer = &world->client;

	for (;;) {
		const char *line = (const char *)peer->in + world->client_read;
		const char *lf = memchr(line, '\n', peer->in_bytes - world->client_read);

		if (lf == NULL)
			break;
		if (lf - line >= 4 && line[3] != '-') {
			assert(world->replies_count < WORLD_REPLIES);
			(void)snprintf(world->replies[world->replies_count++],
				sizeof(world->replies[0]), "%.*s", (int)(lf - line - 1), line);
		}
		world->client_read += (size_t)(lf - line) + 1;
	}
	if (peer->fin_received && !peer->fin_queued)
		peer_close(peer);
}

static void step(struct world *world)
{
	world->now_ns += world->flying == NULL ? IDLE_STEP_NS : STEP_NS;
	while (world->flying != NULL && world->flying->at_ns <= world->now_ns) {
		struct world_frame *item = world->flying;

		world->flying = item->next;
		arrive(world, item);
		free(item);
	}
	serve(world);
	hear(world);
	peer_poll(&world->client, world->now_ns);
	peer_poll(&world->server, world->now_ns);
	engine_tick(world->engine, world->now_ns);
}

bool world_run(struct world *world, bool (*condition)(struct world *world, uint32_t value),
	uint32_t value, uint32_t max_ms)
{
	for (uint64_t stop = world->now_ns + max_ms * 1000000ull; world->now_ns < stop;) {
		if (condition(world, value))
			return true;
		step(world);
	}
	return condition(world, value);
}

static bool never(struct world *world, uint32_t value)
{
	(void)world;
	(void)value;
	return false;
}

void world_pass(struct world *world, uint32_t ms)
{
	(void)world_run(world, never, 0, ms);
}

static bool has_replies(struct world *world, uint32_t value)
{
	return world->replies_count >= value;
}

bool world_write(struct world *world, const void *data, size_t n, uint32_t replies)
{
	uint32_t want = world->replies_count + replies;

	peer_write(&world->client, data, n);
	return world_run(world, has_replies, want, 120000);
}

bool world_say(struct world *world, const char *text, uint32_t replies)
{
	return world_write(world, text, strlen(text), replies);
}

bool world_connect(struct world *world)
{
	peer_connect(&world->client, world->now_ns);
	return world_run(world, has_replies, 1, 60000);
}

bool world_mail(struct world *world, const char *body)
{
	return world_say(world, "MAIL FROM:<a@example.org>\r\n", 1) &&
	       world_say(world, "RCPT TO:<b@example.com>\r\n", 1) &&
	       world_say(world, "DATA\r\n", 1) && world_say(world, body, 1);
}

const char *world_last_reply(const struct world *world)
{
	return world->replies_count > 0 ? world->replies[world->replies_count - 1] : "";
}

size_t world_make_body(size_t n, uint64_t seed, char **out)
{
	struct world dice = {.random = seed | 1};
	char *body = malloc(n + 256);
	size_t at;

	assert(body != NULL);
	at = (size_t)sprintf(body, "Subject: test\r\nMessage-ID: <%llx@example.org>\r\n\r\n",
		(unsigned long long)seed);
	while (at < n) {
		uint32_t len = random_below(&dice, 90);

		if (random_below(&dice, 8) == 0)
			at += (size_t)sprintf(body + at, "..");
		for (uint32_t i = 0; i < len; i++)
			body[at++] = (char)('a' + random_below(&dice, 26));
		at += (size_t)sprintf(body + at, "\r\n");
	}
	at += (size_t)sprintf(body + at, ".\r\n");
	*out = body;
	return at;
}

// ---- making it ----------------------------------------------------------------------------------

static void make_engine(struct world *world)
{
	struct engine_ops ops = {.ctx = world,
		.alloc = engine_alloc,
		.free = engine_drop,
		.send = engine_send,
		.mail = keep_mail,
		.session = keep_session,
		.defer = world_helper_push,
		.deferred = world_helper_pull,
		.hold = keep_hold,
		.spool = world->has_no_spool ? NULL : &world->sink.ops};
	int err = engine_new(&world->options, &ops, world->ruleset, &world->engine);

	assert(err == 0);
	(void)err;
}

void world_restart(struct world *world)
{
	stop_engine(world);
	make_engine(world);
}

static void make_peers(struct world *world, int family)
{
	peer_init(&world->client, family, true, random_below(world, UINT32_MAX));
	peer_init(&world->server, family, false, random_below(world, UINT32_MAX));
	world->client.send = from_peer;
	world->client.ctx = world;
	world->server.send = from_peer;
	world->server.ctx = world;
}

void world_reuse_ports(struct world *world)
{
	int family = world->client.template.family;

	peer_fini(&world->client);
	peer_fini(&world->server);
	make_peers(world, family);
	world->server_read = 0;
	world->client_read = 0;
	world->body_bytes = 0;
	world->server_in_data = false;
	world->server_chunk = 0;
	world->server_greeted = false;
	world->server_broke = false;
	world->replies_count = 0;
}

void world_init(struct world *world, const struct engine_options *options, int family,
	const char *signatures, uint64_t seed)
{
	memset(world, 0, sizeof(*world));
	world->working_room = WORLD_SCANS;
	sink_init(&world->sink);
	world->commands = calloc(1, PEER_BUFFER);
	assert(world->commands != NULL);
	world->random = seed * 0x9e3779b97f4a7c15u + 1;
	world->now_ns = 1000000000;
	world->ehlo_reply =
		"250-mx.example.com\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 CHUNKING\r\n";
	world->body = malloc(PEER_BUFFER);
	assert(world->body != NULL);
	world->ruleset = world_make_ruleset(signatures != NULL ? signatures : "", &world->image);
	world->options = *options;
	make_engine(world);
	make_peers(world, family);
}

void world_fini(struct world *world)
{
	while (world->flying != NULL) {
		struct world_frame *item = world->flying;

		world->flying = item->next;
		free(item->frame.data);
		free(item);
	}
	stop_engine(world);
	ruleset_close(world->ruleset);
	free(world->image);
	for (uint32_t i = 0; i < world->mails_count; i++)
		free(world->mails[i].data);
	free(world->body);
	free(world->commands);
	sink_fini(&world->sink);
	peer_fini(&world->client);
	peer_fini(&world->server);
}
