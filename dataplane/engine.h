// SPDX-License-Identifier: BSD-3-Clause
// The packet engine of one worker: frames in, frames and records out. A pure function of (frame, now):
// no DPDK, no clock, no thread, no system call, and after engine_new no memory but its own pools and
// the frames it asks the caller for. The worker drives it with ports, replay with captures, the tests
// with tables.
#pragma once

#include "dataplane/counters.h"
#include "dataplane/packet.h"
#include "scan/scan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A link is a pair of ports; what comes in on one leaves on the other.
enum link_side {
	LINK_OUTSIDE, // towards the network
	LINK_INSIDE,  // towards the protected server
};

static inline enum link_side link_other(enum link_side side)
{
	return side == LINK_OUTSIDE ? LINK_INSIDE : LINK_OUTSIDE;
}

// Of a connection: inbound when its client is outside.
enum direction { DIRECTION_INBOUND, DIRECTION_OUTBOUND, DIRECTIONS };

// What is done with a message of some verdict. X(NAME, name)
#define POLICY_ACTIONS(X)                                                                          \
	X(DELIVER, "deliver")       /* let it through, counted and reported */                     \
	X(REJECT, "reject")         /* 554 5.7.1 */                                                \
	X(TEMPFAIL, "tempfail")     /* 451: the sender keeps it */                                 \
	X(DISCARD, "discard")       /* 250 and gone */                                             \
	X(QUARANTINE, "quarantine") /* 250 once it is kept, 451 where it cannot be */              \
	X(HOLD, "hold")             /* the same; the control process decides what becomes of it */

enum policy_action {
#define X(name, text) POLICY_##name,
	POLICY_ACTIONS(X)
#undef X
};

enum policy_midstream {
	MIDSTREAM_RESET, // reset both sides: the sender comes back
	MIDSTREAM_DROP,  // silence
	MIDSTREAM_PASS,  // forward uninspected, counted
};

enum policy_newline { NEWLINE_REFUSE, NEWLINE_NORMALISE, NEWLINE_PASS };

struct engine_policy {
	enum policy_action infected;       // default reject
	enum policy_action suspect;        // default quarantine; without a spool that is reject
	enum policy_action encrypted_mail; // of what is suspect for SCAN_ENCRYPTED; the same
	enum policy_action screening;      // of what is suspect for a checksum; the same
	enum policy_action unscannable;    // default tempfail; deliver is fail-open
	enum policy_newline false_end;     // end-of-data look-alikes; default refuse; never pass
	enum policy_newline bare_newline;  // elsewhere in a body; default pass
	enum policy_midstream midstream;
	struct smtp_options smtp;
};

// Packets in which there are others, or may be, that are not inspected: packet.is_wrapped.
enum wrapped_policy { WRAPPED_PASS, WRAPPED_DROP };

#define ENGINE_MAX_PORTS 16

#define ENGINE_ALERT_BYTES 129
#define ENGINE_ALERT_TYPE "application/vnd.cordon.alert+json"

struct engine_options {
	uint16_t smtp_ports[ENGINE_MAX_PORTS]; // host order
	uint32_t smtp_ports_count;
	struct engine_policy policy[DIRECTIONS];
	enum wrapped_policy wrapped;
	uint32_t max_connections;
	uint32_t max_half_open;
	uint32_t max_per_source;   // of these, of one client outside; 0: any number
	uint32_t max_diverted;     // of these, that had a message taken in for a seal
	uint32_t max_pages;        // of STREAM_PAGE_BYTES, all connections together
	uint32_t max_stream_bytes; // of one direction, unacknowledged or out of order
	uint32_t max_fragments;    // datagrams being reassembled
	uint32_t max_frame_bytes;  // that a port can send (MTU + 14 + tags)
	uint32_t idle_seconds;     // of an open connection
	uint32_t half_open_seconds;
	unsigned int packet_flags; // PACKET_* of packet_parse
	uint32_t max_deferred;     // verdicts that another thread works for, at once
	uint32_t verdict_seconds;  // that it may take
	uint64_t helper_bytes;     // of memory that it may take, for whoever limits the process
	bool recorded;             // both ends are a capture's: they cannot react to the engine
	uint32_t max_held;         // messages taken in on a connection, then 421; 0: any number
	uint32_t room_seconds;     // that a body which is taken in waits for room in the spool
	bool capture; // keep a copy of every message in progress, where there is a spool
	struct scan_options scan; // max_messages is the limit of messages in progress
	uint8_t hash_key[16];
	char name[64]; // of the gateway, in replies
	struct {
		char recipient[ENGINE_ALERT_BYTES]; // pattern; mail for it is one, "": none is
		bool parts;                         // mail with a part of the alerts' type is one
	} alerts;                                   // that go to the control process instead
};

// Sensible values for everything; ports 25, 587 and 2525.
void engine_options_init(struct engine_options *options);

// A message that ended, whichever way. Pointers are valid during the call. All strings valid UTF-8.
struct mail_record {
	uint64_t time_ns;
	uint32_t link;
	enum direction direction;
	struct packet_address address; // [0] client, [1] server
	uint64_t session;
	uint32_t message; // from 1 in its session
	const char *helo;
	const char *mail_from;
	const char *const *rcpt_to; // accepted recipients
	size_t rcpt_to_count;
	const char
		*action; // "deliver", "reject", "tempfail", "discard", "quarantine", "hold", "none"
	const char *reply; // what the client was told, "" when the session ended before
	enum verdict verdict;
	const char *reason;
	const struct scan_result *scan; // NULL when there is none
	uint64_t bytes;
	const char *ruleset;
	uint64_t latency_ns;   // that the engine added to the end of data
	const char *seal_mode; // of the seal that covers it, "" when none does
	const char *virus_id;  // of that seal
	const char *record;    // names it in the spool, "": it is not there
};

struct held_recipient {
	const char *address; // without <>, as sent
	const char *params;  // ESMTP parameters as sent, "" where there are none
};

// A message that goes into the spool, with everything that its delivery will need. Pointers are valid
// during the call.
struct held_mail {
	uint64_t time_ns;
	uint32_t link;
	enum direction direction;
	struct packet_address address; // [0] client, [1] server
	uint64_t session;
	uint32_t message;
	const char *helo;
	const char *mail_from; // without <>, as sent
	const char *mail_params;
	const struct held_recipient *rcpt_to; // accepted ones
	size_t rcpt_to_count;
	bool quarantine;       // kept for its verdict; else held for a seal
	enum verdict verdict;  // of the rules that were in force
	const char *reason;    // "sealed", "seal-scope" (see seal.h), or that of the verdict
	const char *signature; // the first that hit, "" when none did
	const char *seal_mode; // "" where no seal covers it
	const char *virus_id;  // of that seal
	const struct scan_result *scan; // NULL when there is none
	uint64_t bytes;                 // dots unstuffed, without the end-of-data
	const char *ruleset;
};

#define ENGINE_RECORD_BYTES 40 // of a record's name, with its end

// Takes the next bytes of a copy; other than 0 ends the reading with that.
typedef int (*engine_copy_fn)(void *ctx, const uint8_t *data, size_t n);

// Where messages are kept: the real spool behind a worker, memory behind replay and tests. Called on the
// engine's thread but for read, and must not wait. A copy is a handle of the spool's.
struct engine_spool {
	void *ctx;
	// A new copy of a message with this envelope (what stands behind rcpt_to_count is not known yet), or
	// NULL when there is no room. Cheap: nothing is durable before the commit.
	void *(*begin)(void *ctx, const struct held_mail *mail);
	// How many bytes append takes of this copy now, or of one to be begun (NULL): fewer than are at hand when
	// the disk is behind. SIZE_MAX: no reason to wait, what is wrong shows otherwise.
	size_t (*room)(void *ctx, void *copy);
	// Returns 0, or a negative errno when the message cannot be kept: the copy is then aborted.
	int (*append)(void *ctx, void *copy, const uint8_t *data, size_t n);
	// The message is complete: make it durable. Returns 0; -EAGAIN: there is no room yet, ask again; or
	// another negative errno (the copy is then aborted).
	int (*commit)(void *ctx, void *copy, const struct held_mail *mail);
	// Of a committed copy: -EINPROGRESS; or 0, and it is durable under the name record; or another
	// negative errno, and nothing of it is kept. But for -EINPROGRESS the handle is gone.
	int (*poll)(void *ctx, void *copy, char record[ENGINE_RECORD_BYTES]);
	// Gives a copy up. One that was committed may be kept all the same: its sender was not told so.
	void (*abort)(void *ctx, void *copy);
	// All that was appended is wanted back: 0 when it can be read, -EINPROGRESS: ask again, or another
	// negative errno: it cannot. Neither changes what becomes of the copy.
	int (*recall)(void *ctx, void *copy);
	// On another thread, which may wait; nothing else is done with the copy meanwhile. Returns 0, a
	// negative errno, or what fn has returned.
	int (*read)(void *ctx, void *copy, engine_copy_fn fn, void *fn_ctx);
};

// A message that is durable in the spool.
struct hold_record {
	const struct held_mail *mail;
	const char *record;
};

struct session_record {
	uint64_t time_ns; // of the end
	uint64_t start_ns;
	uint32_t link;
	enum direction direction;
	struct packet_address address;
	uint64_t session;
	const char *
		why; // "fin", "reset", "idle", "midstream", "rejected", "violation:...", "stop", ...
	bool inspected; // false: TLS or by policy
	uint64_t client_bytes;
	uint64_t server_bytes;
	uint32_t messages;
};

struct deferral; // deferral.h

// How the engine reaches the outside. All are called on the engine's thread.
struct engine_ops {
	void *ctx;
	// A frame with room for bytes. False: none left (counted by the engine).
	bool (*alloc)(void *ctx, uint32_t bytes, struct frame *out);
	void (*free)(void *ctx, struct frame *frame);
	// Takes the frame: out of the port at side of link.
	void (*send)(void *ctx, uint32_t link, enum link_side side, struct frame *frame);
	void (*mail)(void *ctx, const struct mail_record *record);
	void (*session)(void *ctx, const struct session_record *record);
	// A clock finer than now_ns, for mail_record.latency_ns; NULL: only waiting is counted.
	uint64_t (*clock_ns)(void *ctx);
	// Hands something over for deferral_work on another thread, if options.scan.has_helper. False: no
	// room. NULL: all is done on the engine's thread.
	bool (*defer)(void *ctx, struct deferral *deferral);
	// One for which that is done, or NULL. Not NULL itself where defer is not.
	struct deferral *(*deferred)(void *ctx);
	// A message was kept. May be NULL.
	void (*hold)(void *ctx, const struct hold_record *record);
	const struct engine_spool
		*spool; // NULL: nothing can be kept, what should be is put off with 451
};

struct engine;

// ruleset must outlive every scan with it, ops->ctx the engine. Returns 0 or -ENOMEM.
int engine_new(const struct engine_options *options, const struct engine_ops *ops,
	const struct ruleset *ruleset, struct engine **out) __attribute__((warn_unused_result));
void engine_free(struct engine *engine);

// How many scanners may be in use at once: the one in force, and older ones that messages are on.
#define ENGINE_SCANNERS 8

// True when one more can come into force. When all are in use, messages give up the oldest, some with each
// call, and are judged again at their end: ask again with the next turn.
bool engine_has_room_for_scanner(struct engine *engine);
// Puts other rules in force: messages that begin from now on are scanned by this scanner, which was
// made with the engine's options.scan. Those in progress go on with theirs; what these let pass is judged
// again from its copy, by another thread, while its end waits. Where there is no copy or no such thread it
// is put off with 451, for the rules have changed. Takes the scanner; there is room for it.
void engine_set_scanner(struct engine *engine, struct scanner *scanner);
// A scanner that no message uses any more, which the caller frees, or NULL.
struct scanner *engine_take_idle_scanner(struct engine *engine);

struct engine_seals; // seal.h

// The seals in force from now on: read where a message begins and where it ends, so that after this call
// none that they cover reaches a server. NULL: none. The snapshot must live until the next call.
void engine_set_seals(struct engine *engine, const struct engine_seals *seals);
// From the next frame on: are windows real (as at first), or those of a hand-made capture, by which nothing is cut?
void engine_heed_windows(struct engine *engine, bool are_real);

// One frame that came in at side of link. Takes the frame. now_ns never goes back.
void engine_input(struct engine *engine, uint32_t link, enum link_side side, struct frame *frame,
	uint64_t now_ns);

#define ENGINE_BURST 32

struct engine_frame {
	struct frame frame;
	uint32_t link;
	enum link_side side; // that it came in at
};

// The same for frames that came together, at most ENGINE_BURST, one after another in this order. What has to be
// fetched from memory for each is asked for at once: with many connections that is most of the time.
void engine_input_burst(
	struct engine *engine, struct engine_frame *frames, uint32_t count, uint64_t now_ns);
// Housekeeping in a small fixed dose: timers, ageing. To be called once a loop turn.
void engine_tick(struct engine *engine, uint64_t now_ns);
// Around the packets that were received at once: messages that end in them may be decided together, when the
// burst is over or before. What has to wait for that is as large as the burst. Without these calls each packet is
// done with when engine_input returns.
void engine_begin_burst(struct engine *engine);
void engine_end_burst(struct engine *engine);
// What another thread has: until there is nothing the engine cannot be freed.
uint32_t engine_deferred(const struct engine *engine);
// The most that it can have at once.
uint32_t engine_max_deferred(const struct engine_options *options);
// Ends all sessions as if they had gone silent, so that what is known of them is reported.
void engine_stop(struct engine *engine, uint64_t now_ns);

const struct counters *engine_counters(const struct engine *engine);
// The caller counts rx, tx in the same struct.
struct counters *engine_counters_mutable(struct engine *engine);
// Drops by TCP reason, indexed by enum tcp_reason, and by packet fault.
const uint64_t *engine_tcp_drops(const struct engine *engine, uint32_t *count);
const uint64_t *engine_packet_faults(const struct engine *engine, uint32_t *count);
uint32_t engine_open_connections(const struct engine *engine);
// Memory of the engine by use, for sizing: bytes of one idle connection, of all pools.
size_t engine_connection_bytes(const struct engine *engine);
size_t engine_memory_bytes(const struct engine *engine);
// Of a message in progress, by the rules in force. Any thread may ask.
size_t engine_message_bytes(const struct engine *engine);
