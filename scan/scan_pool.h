// SPDX-License-Identifier: BSD-3-Clause
// The memory of a scanner, all taken at scanner_new. Private to scan*.c.
//
// Every message in progress has one block of fixed size: enough for most mails. What some messages
// need more of, room for many parts and for text, comes out of pools that the scanner's messages share.
#pragma once

#include "scan/capture.h"
#include "scan/match.h"
#include "scan/member_rule.h"
#include "scan/mime.h"
#include "scan/ruleset.h"
#include "scan/scan.h"
#include "scan/scan_copy.h"
#include "scan/scan_gather.h"
#include "scan/scan_object.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCAN_SMALL_PARTS 12
// A message is looked at in steps of so many bytes, counted from its first one. So all that is made of
// it comes in the same order however its bytes came, also what is read in two ways at once.
#define SCAN_STEP_BYTES 4096u
#define SCAN_TEXT_BLOCK_BYTES 4096
// One message may take so many text blocks: a bound on what it can take from others.
#define SCAN_MESSAGE_TEXT_BLOCKS 64
// Of these, laid by for the names that deferred work will find.
#define SCAN_SPARE_TEXT_BLOCKS 16

struct text_block {
	struct text_block *next;
	char bytes[SCAN_TEXT_BLOCK_BYTES - sizeof(struct text_block *)];
};

// Where a part goes in the list; scan_list.c alone fills these in.
struct part_order {
	uint32_t place;  // from 1
	uint32_t weight; // it and all that is listed inside of it; of the message, without itself
	uint32_t next_member; // where the next of its members goes
	uint32_t next_mime;   // where the next of the parts goes that the MIME parser found in it
	uint32_t depth;
	bool is_mime;
	bool is_left_out;
};

// The parts of one message.
struct part_table {
	struct part_table *next; // in the pool
	unsigned int size;       // of the pool
	struct scan_part *parts;
	uint32_t *indexes;        // of the MIME parser's parts, by its numbers
	struct part_order *order; // by indexes; the first is the message
	size_t room;
};

// Tables of one size. Few messages have many parts.
#define SCAN_TABLE_SIZES 3
struct part_tables {
	struct part_table *free;
	void *memory;
	size_t count;
	size_t begun; // those behind were never used: their memory is not there yet
	size_t room;  // for parts, in each
};

#define SCAN_MAX_ATTACHED 8 // one in the other
#define SCAN_MAX_DECODED 3  // encoded, one in the other

// An attached message.
struct scan_attached {
	struct scan_object *object;  // NULL: there is none
	struct screening *screening; // NULL: there is no list
	const char *type;            // for it; NULL: not known yet
	uint64_t at;                 // of the raw message, as far as it was fed
};

#define SCAN_LATE_CHUNK 1024u

// The raw message's bytes of which it is not known yet whether an attached message begins or ends in them.
struct scan_late {
	struct capture copy; // from `from` to `end`
	uint64_t from;
	uint64_t end; // the step begins
	const uint8_t *step;
	size_t step_bytes;
	bool is_cut; // there was no room for all of the copy
};

// What a message needs only while its bytes pass. Between its first command and its first byte, and between its end
// and its report, it waits for others, while messages of other connections pass: these find the memory in the
// processor's caches that the last one has left there.
struct scan_desk {
	struct scan_desk *next; // in the pool
};

struct scan {
	struct scan *next;       // in the pool
	struct scanner *scanner; // whose matcher and pools are used: the helper's in scan_work
	struct scanner *home;    // that it was begun on
	bool is_message;         // not a file
	atomic_bool cancelled;   // any thread sets it, scan_work reads it
	atomic_bool is_working;  // scan_work sets it, any thread reads it
	bool is_open; // bytes of it have come, or its end: until then all below is anything
	struct scan_desk *desk;     // NULL: its end was read
	struct mime *mime;          // at the desk, NULL for a file
	uint8_t *step;              // at the desk: SCAN_STEP_BYTES, in which bytes are gathered
	size_t step_bytes;          // that are there
	uint64_t read_bytes;        // of the message, by the MIME parser
	struct scan_object *object; // the raw message or the file
	struct scan_object *open;   // all objects that have not ended
	struct part_table *table;   // small, or one from the pool
	struct part_table small;    // of no use to scan_work
	struct scan_part small_parts[SCAN_SMALL_PARTS];
	uint32_t small_indexes[SCAN_SMALL_PARTS];
	struct part_order small_order[SCAN_SMALL_PARTS + 1];
	uint32_t mime_parts;
	uint64_t unpacked_bytes;
	uint64_t captured_bytes;
	struct scan_object *deferred; // ended, and to be unpacked now that they are whole
	struct scan_object *deferred_last;
	struct scan_object *worked; // of home, to be given back there
	struct whole_budget budget; // of the deferred work
	struct text_block *spare;   // for scan_work
	struct scan_match *matches;
	struct text_block *text;
	size_t text_blocks;
	size_t text_used;    // of the first block
	const char *suspect; // reasons, NULL where there is none
	uint32_t origin;     // of the object that is being looked at
	uint32_t suspect_origin;
	bool is_encrypted; // something in it: suspect for that, if for nothing else
	const char *unscannable;
	uint32_t gathered; // digests that wait, in the gather of the scanner that is used
	uint32_t attached_count;
	uint32_t attached_more; // in these, for which there is no room
	struct scan_attached attached[SCAN_MAX_ATTACHED];
	struct scan_attached attached_decoded[SCAN_MAX_DECODED];
	struct scan_late late;
	bool is_hit;
	bool is_unpacking; // what was put off
	bool is_finished;
	bool is_ended;
	struct scan_result result;
	struct scan_result known; // before scan_work; its parts are in small
};

struct scanner {
	const struct ruleset *ruleset;
	uint32_t in_progress; // messages
	struct scan_options options;
	struct mime_limits limits;
	struct mime_pool *mimes;
	struct matcher *matcher;
	struct member_rules *member_rules; // NULL: the ruleset has none
	bool can_allow;                    // the ruleset has allow lists
	struct unpack_pool *unpacks;
	struct capture_pool captures;
	struct capture_pool lates;
	struct scan_copy_pool copies;
	struct screenings screenings;
	struct scan_gather gather;
	struct scanner *helper; // what scan_work uses on its thread; NULL: there is no such thread
	struct match_hit *hits; // of the object that ends
	size_t matches_room;    // of one message
	size_t message_bytes;
	uint8_t *messages;
	struct part_tables tables[SCAN_TABLE_SIZES]; // the smallest first
	struct text_block *texts;
	struct scan_object *objects;
	struct scan *free_scans;
	size_t messages_begun; // those behind were never used
	size_t desk_bytes;
	uint8_t *desks; // one for each message
	struct scan_desk *free_desks;
	size_t desks_begun;
	struct text_block *free_texts;
	size_t texts_begun;
	struct scan_object *free_objects;
	size_t objects_begun;
	size_t parts_room; // of one message
	size_t objects_count;
	size_t texts_count;
};

// A message's block, which is not open, or NULL when all are in use.
struct scan *scan_pool_get(struct scanner *scanner, bool is_message);
// Empties the block, and takes a desk.
void scan_pool_open(struct scan *scan);
// Gives back the desk.
void scan_pool_leave_desk(struct scan *scan);
// Gives back the block and all that the message took.
void scan_pool_put(struct scan *scan);
// An object with nothing in it but its place in the pool, or NULL.
struct scan_object *scan_pool_get_object(struct scanner *scanner);
void scan_pool_put_object(struct scanner *scanner, struct scan_object *object);
// Makes room for one part more: parts move. False when there is none.
bool scan_pool_grow_parts(struct scan *scan);
// Lays by what deferred work on another thread will need. False when there is no room.
bool scan_pool_reserve(struct scan *scan);
// A copy of text, valid UTF-8, that lives as long as the message; cut short when room runs out.
const char *scan_pool_text(struct scan *scan, const char *text);
