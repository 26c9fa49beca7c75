// SPDX-License-Identifier: BSD-3-Clause
// One SMTP transaction: its envelope while commands and replies pass, then the message and its scan,
// and at the end the record of it. Memory is from a pool of blocks made at start-up; a long list of
// recipients takes more blocks, and when there are none left the rest of them is missing in the record.
#pragma once

#include "dataplane/seal.h"
#include "dataplane/session.h"

#include <stddef.h>
#include <stdint.h>

#define MESSAGE_BLOCK_BYTES 2560 // the longest command that is kept, and as much of a message
#define MESSAGE_BLOCKS_EACH 2    // in the pool for each message in progress

enum message_late { MESSAGE_IN_TIME, MESSAGE_NOT_BEGUN, MESSAGE_TOOK_TOO_LONG };

// What of the spool's a message waits for.
enum message_wait {
	MESSAGE_WAITS_FOR_NOTHING,
	MESSAGE_WAITS_TO_BEGIN,   // its copy
	MESSAGE_WAITS_FOR_ROOM,   // for more of its body
	MESSAGE_WAITS_TO_COMMIT,  // room for the end
	MESSAGE_WAITS_TO_BE_KEPT, // until it is durable
};

enum message_entry_state { ENTRY_PENDING, ENTRY_ACCEPTED, ENTRY_REFUSED };

// A MAIL or RCPT command, in order.
struct message_entry {
	struct message_entry *next;
	uint8_t is_mail;
	uint8_t state;      // enum message_entry_state
	const char *sent;   // the address as it was sent
	const char *params; // ESMTP parameters as they were sent
	char address[];     // NUL-terminated, valid UTF-8; the others stand behind it
};

// Accepted senders and recipients. Tables are the pool's: good until the next call.
struct message_envelope {
	const char *mail_from;
	const char *const *rcpt_to;
	struct held_recipient from;
	const struct held_recipient *held;
	size_t count;
	bool has_from;
	bool pending; // some commands have no reply yet: these are in it
	bool cut;     // not all recipients are in it
};

struct message {
	struct message *next; // in the session's list of ended ones
	struct session *session;
	struct message *wait_next; // in the engine's ring of those that wait, NULL: it does not
	struct message *wait_previous;
	void *copy; // in the spool, NULL: none
	struct message_block *blocks;
	struct message_entry *first;
	struct message_entry *last;
	struct scan *scan;         // NULL when it could not be scanned
	struct deferral *deferral; // not NULL: another thread has the scan
	struct deferral *left;     // not NULL: whose scan the result is of, though it came too late
	struct deferral *again;    // not NULL: it was judged again, the result is of that
	uint64_t waits_ns;         // since when, for room
	uint64_t begin_ns;
	uint64_t end_ns; // when the end of data arrived
	uint64_t bytes;
	uint64_t latency_ns;
	uint32_t number;        // from 1, once it has begun
	uint16_t replies_ahead; // replies of the server before the one to this message
	bool begun;
	bool ended;    // the verdict stands
	bool complete; // its end was read
	bool outdated; // the scan was given up
	bool unjudged; // it could not be judged by the rules in force
	bool refused;  // by an SMTP violation: action, reason and reply stand already
	bool answered; // by the server, before its end
	bool diverted; // the server was told nothing of it: it can be kept or refused, never delivered
	const char *
		unkeepable; // why its envelope is not known in full, or NULL: delivery would be another's
	uint8_t waits;  // enum message_wait
	uint8_t late;   // enum message_late: what another thread did not do in time
	uint8_t action; // enum policy_action, once decided
	uint8_t verdict;
	uint8_t decisive;  // enum scan_finding that action and reason stand on
	uint8_t seal_mode; // enum seal_mode, of the seal that covers it
	const char *reason;
	const char *refusal;
	const struct scan_result *result;
	char virus_id[SEAL_TEXT_BYTES];   // of that seal
	char record[ENGINE_RECORD_BYTES]; // in the spool
	char reply[256];                  // what the client is told by the engine
};

size_t message_pool_bytes(uint32_t blocks);
struct message_pool *message_pool_init(void *memory, uint32_t blocks);
uint32_t message_pool_free_blocks(const struct message_pool *pool);

// The transaction that is being put together, made when there is none. NULL: no memory.
struct message *message_building(struct engine *engine, struct session *session);
void message_give_blocks(struct engine *engine, struct message *message);
void message_envelope(
	struct engine *engine, const struct message *message, struct message_envelope *envelope);
// Whether the server has refused each of its recipients; false where that is not known.
bool message_has_nobody(const struct message *message);
// By SIZE= of the MAIL command; 0: not said.
uint64_t message_declared_bytes(const struct message_envelope *envelope);
// Asks the seals in force, with what is known by now.
void message_ask_seals(struct engine *engine, struct session *session,
	const struct message *message, struct seal_decision *decision);

// A MAIL or RCPT command was seen; the next reply to one resolves the oldest pending entry.
void message_note_command(struct engine *engine, struct session *session, bool is_mail,
	const struct smtp_event *event);
void message_note_reply(struct session *session, bool is_mail, bool accepted);
// RSET or EHLO was accepted in a transaction without a message, which is over. What has no reply yet came
// behind it, in a pipelined group, and is of the next one. building is not NULL.
void message_note_reset(struct engine *engine, struct session *session);
// The transaction is over without a message.
void message_forget(struct engine *engine, struct session *session);

// The message begins: the scan is opened.
void message_begin(struct engine *engine, struct session *session, uint64_t now_ns);
void message_feed(struct engine *engine, struct session *session, const uint8_t *data, size_t n);
// The end of data was read, or what a server may take for it: finishes the scan, decides, fills in
// verdict, action and reply, once. What follows is not scanned any more. False: another thread works for
// the verdict, and the session is resumed when it stands.
bool message_decide(struct engine *engine, struct session *session, uint64_t now_ns)
	__attribute__((warn_unused_result));
// The same once a burst is over that it waited for (gather.h). False: another verdict has to be waited for.
bool message_decide_gathered(struct engine *engine, struct session *session, uint64_t began_ns,
	uint64_t now_ns) __attribute__((warn_unused_result));
// Gives up what it has from this scanner, whose rules cannot be kept any longer: the message is judged again
// at its end, if it can be, unless it is refused already.
void message_outdate(struct engine *engine, struct message *message, const struct scanner *scanner);
// The other thread is done with the scan of the building message, or it was taken from it. False: another
// verdict has to be waited for.
bool message_conclude(struct engine *engine, struct session *session, uint64_t now_ns);
// It was judged again: that result takes the place of any other.
void message_take_again(struct engine *engine, struct message *message, struct deferral *deferral);
// Refuses the message for a violation, whatever its verdict will be.
void message_refuse(struct message *message, const struct smtp_event *event);
// Version of the rules that it was scanned with.
const char *message_ruleset(const struct engine *engine, const struct message *message);
// Moves the building message to the list of those that wait for the server's reply.
void message_await_reply(struct session *session, uint16_t replies_ahead);
// Writes the record and frees it. reply: what the client was told; action by name.
void message_report(struct engine *engine, struct session *session, struct message *message,
	const char *action, const char *reply, uint64_t now_ns);
// Reports and frees all that a session still has: it ends.
void message_abandon(struct engine *engine, struct session *session, uint64_t now_ns);
