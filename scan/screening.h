// SPDX-License-Identifier: BSD-3-Clause
// Screening of objects while they pass, against the list that lies on the ruleset. Private to scan*.c.
//
// Digests that entries of any size and type need run along (digest_stream.h). All others wait for the object's end, when its size
// and type are known, and come from a copy; of what is longer than SCREENING_LATE_BYTES they run from there on.
// The copy of a long object has only its last bytes, as many as the list can ask for. Where bytes that an
// entry asks for could not be kept the object is not screened in full, which is told.
#pragma once

#include "scan/capture.h"
#include "scan/digest.h"
#include "scan/digest_lanes.h"
#include "scan/executable.h"
#include "scan/screen_laid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCREENING_CHUNK 32768u
#define SCREENING_STEP (256u << 10) // bytes that come before they are worked on
#define SCREENING_LATE_BYTES (1u << 20)
#define SCREENING_HITS 64
// Windows whose rolling checksum is that of an entry and whose digest is not; only a sender who knows the
// list makes as many.
#define SCREENING_FALSE_CANDIDATES 256
// Bytes that checksums and digests of candidates are computed of, at most.
#define SCREENING_STEPS (UINT64_C(64) << 20)
#define SCREENING_STEPS_PER_BYTE 4

// A line break more or less.
#define SCREENING_BREAK_BYTES 2

// What is an object.
enum screening_what {
	SCREENING_EXACT,  // its bytes are what the sender had
	SCREENING_LINES,  // lines: the last line break may be the mail's or its own
	SCREENING_MESSAGE // a raw message, the same
};

// Digests of all bytes from some point on.
struct screening_whole {
	struct digest_stream *stream; // of those that run from the start; NULL: none does
	unsigned int running;         // these
	struct digest late;
	uint64_t bytes;
	uint8_t held[2]; // the last bytes, which may be a line break
	uint8_t held_bytes;
};

// Bytes of one value, from one offset to another; more of them may follow.
struct screening_run {
	uint64_t from;
	uint64_t to;
};

struct screening {
	struct screenings *owner;
	struct capture copy;
	uint64_t bytes;
	uint64_t worked;   // when the copy was worked on last
	uint64_t searched; // no window that begins before is left
	uint64_t body_at;  // UINT64_MAX: the header goes on
	struct screening_whole whole;
	struct screening_whole body;
	uint64_t places_done[SCREEN_MAX_PLACES / 64];
	uint64_t steps; // of candidates
	struct screening_run run;
	uint32_t false_candidates;
	uint32_t hits_count;
	uint32_t hits[SCREENING_HITS]; // numbers of records
	uint8_t what;                  // enum screening_what
	uint8_t line; // of the header: 0: it is empty by now, 1: a CR alone, 2: something
	bool is_late;
	bool is_cut; // the copy lacks bytes at its end
	bool is_partial;
};

// Where the checksum of a window of one length was computed last.
struct screening_trace {
	uint64_t at;
	uint32_t sum;
	uint32_t first; // what the first byte's place is worth, 0: not known yet
	bool is_known;
};

// Digests of larger ones are not worth the delay of others.
#define SCREENING_WAITING_BYTES (512u << 10)

// Attached messages of a thread at once.
#define SCREENING_ATTACHED 32

// An object of which only digests are left.
struct screening_late {
	struct digest_late digests;
	uint64_t bytes; // of the object
	uint64_t types;
	uint8_t what; // enum screening_what
	uint32_t hits_count;
	uint32_t hits[SCREENING_HITS]; // that are there already
};

// What a thread needs for it.
struct screenings {
	const struct screen *screen; // NULL: there is no list
	bool keeps;
	bool has_sections;
	bool has_attached; // entries that can be of attached messages
	bool has_body;
	unsigned int running;         // of all objects; DIGEST_*
	unsigned int running_message; // of raw messages besides
	unsigned int running_body;
	screen_find_fn find;
	struct capture_pool chunks;
	struct digest_streams streams;
	struct screening *all;
	struct screening *spare; // for what has waited
	uint32_t attached_free;  // of SCREENING_ATTACHED that follow it, those in attached are
	uint32_t attached[SCREENING_ATTACHED];
	struct executable executable;
	struct screening_trace traces[SCREEN_MAX_LENGTHS];
	struct screening_run run;
	uint8_t stage[SCREEN_BLOCK + SCREEN_BLOCK_SLACK];
};

// For so many objects in progress. screen may be NULL. Returns 0 or -ENOMEM.
int screenings_init(struct screenings *screenings, const struct screen *screen, size_t objects);
void screenings_fini(struct screenings *screenings);

// Begins object number i; NULL where there is no list.
struct screening *screening_begin(
	struct screenings *screenings, size_t i, enum screening_what what);
// NULL is allowed here and below.
void screening_feed(struct screening *screening, const uint8_t *data, size_t n);
// Some readers end the object here: checksums of files see what it was so far, too.
void screening_may_end(struct screening *screening);

// The object has ended. what may be known better by now.
struct screening_result {
	uint32_t hits_count;
	const uint32_t *hits; // numbers of records, ascending, until the next object begins
	bool is_partial;      // something of the list could be in it that was not looked for
};

// type: detected by content, "" where unknown. later: NULL, or room for digests that are computed later, with
// those of others; none is wanted of it if nothing is left. Else the hits come with these.
void screening_end(struct screening *screening, enum screening_what what, const char *type,
	struct screening_late *later, struct screening_result *out);
// What was left is computed: all hits of the object.
void screening_take(struct screenings *screenings, struct screening_late *late,
	const digest_late_values *values, struct screening_result *out);
// Gives it up.
void screening_late_drop(struct screening_late *late);
// There is nothing else to do: hashes some of what waits of objects in progress.
void screenings_rest(struct screenings *screenings);
void screening_drop(struct screening *screening);

// ---- between the files of it ---------------------------------------------------------------------

void screening_hit(struct screening *screening, uint32_t record);
bool screening_has_hit(const struct screening *screening, uint32_t record);
// Hits of what the set has of a digest. key: the size that its entries are found by.
void screening_look_up(struct screening *screening, const struct screen_set *set,
	const uint8_t *digest, uint64_t key, uint64_t types);
// The digest of bytes of the copy. False: they are not all there.
bool screening_digest_of(
	const struct screening *screening, uint64_t from, uint64_t length, struct digest *digest);
// Ranges that are whole; at the object's end all of them.
void screening_places(struct screening *screening, uint64_t types, bool is_last);
void screening_sections(struct screening *screening, uint64_t types);
// Windows that begin at or behind `searched` and are there as a whole.
void screening_windows(struct screening *screening, uint64_t types, bool is_last);
// The first byte of the copy that something still asks for.
uint64_t screening_needs_from(const struct screening *screening, uint64_t types);
