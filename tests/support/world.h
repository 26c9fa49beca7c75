// SPDX-License-Identifier: BSD-3-Clause
// A world in virtual time: an SMTP client and an SMTP server (support/peer), the engine between them,
// and a network that loses, duplicates, delays and reorders by a seed. Nothing sleeps; the same seed
// gives the same run.
#pragma once

#include "dataplane/engine.h"
#include "tests/support/peer.h"
#include "tests/support/sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORLD_MAILS 64
#define WORLD_REPLIES 512
#define WORLD_RECORDS 64
#define WORLD_SCANS 16

struct world_faults {
	uint32_t drop;      // per thousand
	uint32_t duplicate; // per thousand
	uint32_t delay_us;  // at least
	uint32_t jitter_us; // added at random: reorders
};

struct world_mail {
	uint8_t *data; // as stored by the server, dots unstuffed
	size_t bytes;
};

// A record of the engine, kept.
struct world_record {
	enum verdict verdict;
	char action[16];
	char reason[32];
	char subject[64]; // of the scan's result
	size_t parts_count;
	char reply[256];
	char mail_from[128];
	char rcpt_to[256]; // joined by commas
	char helo[64];
	char signature[64];
	char seal_mode[32];
	char virus_id[64];
	char record[ENGINE_RECORD_BYTES];
	uint64_t bytes;
	uint32_t message;
};

// What a server may do in the middle of a body.
enum world_break { WORLD_NO_BREAK, WORLD_CLOSES, WORLD_RESETS, WORLD_SAYS_421 };

struct world_frame; // in flight

struct world {
	struct engine *engine;
	struct engine_options options;
	struct ruleset *ruleset;
	void *image;
	struct peer client;
	struct peer server;
	struct world_faults faults;
	uint64_t now_ns;
	uint64_t random;
	struct world_frame *flying;
	// The server's side of the dialogue.
	size_t server_read;
	uint64_t server_chunk;
	bool server_in_data;
	bool server_chunk_last;
	int32_t server_recipients; // of the transaction, that it has taken
	bool server_greeted;
	bool server_broke;
	bool server_lenient; // takes a lone dot between any line breaks as the end of data
	bool server_cr_ends; // takes CRLF, dot and CR as the end of data, whatever follows
	enum world_break server_break;
	size_t server_break_at;  // once it has that much of a body
	const char *ehlo_reply;  // may be replaced before the run
	const char *refuse_rcpt; // recipients with this text get 550
	uint8_t *body;
	size_t body_bytes;
	struct world_mail mails[WORLD_MAILS];
	uint32_t mails_count;
	// The client's: replies in order, final lines only.
	size_t client_read;
	char replies[WORLD_REPLIES][128];
	uint32_t replies_count;
	// What the engine reported.
	struct world_record records[WORLD_RECORDS];
	uint32_t records_count;
	char session_why[64];
	uint32_t sessions_count;
	uint64_t frames_lost;
	// Of frames that leave the engine: the network loses those for which this is true.
	bool (*loses)(struct world *world, enum link_side side, const struct packet *packet);
	uint32_t loses_left; // that many at most
	// What another thread would have, when options.scan.has_helper.
	struct deferral *working[WORLD_SCANS];
	uint64_t working_ns[WORLD_SCANS]; // since when
	uint32_t working_count;
	uint32_t working_room; // that many at most
	uint32_t work_ms;      // that each of them takes
	// Where the engine keeps messages, and how many of them it told of.
	struct sink sink;
	// Every command line that the server has read, one a line.
	char *commands;
	size_t commands_bytes;
	const char *server_refuses_rset; // its reply instead
	uint32_t server_rsets;
	uint32_t server_noops;
	uint32_t holds_count;
	bool has_no_spool;  // to be set before the engine is made
	bool server_mute;   // answers nothing any more
	bool work_is_begun; // done at once, given back late; else all is done late
};

// A world with a default engine; adjust options before. signatures: lines of an .ndb file, or NULL.
void world_init(struct world *world, const struct engine_options *options, int family,
	const char *signatures, uint64_t seed);
void world_fini(struct world *world);
// Rules of an .ndb file's lines. The caller closes them and then frees *image.
struct ruleset *world_make_ruleset(const char *signatures, void **image);
// Runs until condition is true or so many virtual milliseconds have passed. Returns whether it is.
bool world_run(struct world *world, bool (*condition)(struct world *world, uint32_t value),
	uint32_t value, uint32_t max_ms);
void world_pass(struct world *world, uint32_t ms);

// The engine is replaced by a fresh one, as by a restart.
void world_restart(struct world *world);
// Both ends forget their connection without a word, and use the same ports with new numbers.
void world_reuse_ports(struct world *world);
// Connects and waits for the greeting.
bool world_connect(struct world *world);
// The client writes text and waits until it has that many more replies.
bool world_say(struct world *world, const char *text, uint32_t replies);
bool world_write(struct world *world, const void *data, size_t n, uint32_t replies);
// MAIL, RCPT, DATA, body with the end of data; the last reply is the body's.
bool world_mail(struct world *world, const char *body);
const char *world_last_reply(const struct world *world);
// A clean message of n bytes, dot-stuffed and ended: *out is freed by the caller.
size_t world_make_body(size_t n, uint64_t seed, char **out);
