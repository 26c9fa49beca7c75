// SPDX-License-Identifier: BSD-3-Clause
// One search for two objects. A part of a mail that is not encoded has the bytes of the raw mail from some
// place on, and what is looked for in any object is looked for in both. So the raw mail, the host, keeps a
// log of what was met in it of such patterns, and the part, its guest, takes from the log what lies in it
// instead of searching for it. All else is each object's own: patterns at a known place, those that end
// with the object, counts, offsets, rules.
//
// That the bytes are the same is not assumed: each is compared with the host's. From the first that differs
// on, and wherever the log does not reach back far enough, the guest is searched like any object.
#pragma once

#include "scan/match.h"
#include "scan/ruleset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MATCH_LOG_HITS 512u
// So many bytes may have come of the host before those of them that are the guest's come as such: they are kept at least.
#define MATCH_SHARE_BYTES 32768u
#define MATCH_LAYERS 2 // the ruleset, and the delta that may lie on it

struct anchor_input;

struct match_logged {
	uint64_t end;
	uint32_t expression;
	uint32_t layer;
};

// What was met last in one host.
struct match_log {
	struct match_log *next_free;
	uint64_t lost_to; // what ends behind that is there
	uint32_t written; // modulo 2^32
	uint32_t count;   // that are there
	struct match_logged hits[MATCH_LOG_HITS];
};

// Of a matcher.
struct match_shares {
	struct match_log *memory;
	struct match_log *free_logs;
	size_t count;
	size_t begun; // logs behind were never used: their memory is not there yet
	// Expressions that any object is searched for, of each layer; those at known places are not among them.
	uint64_t *common[MATCH_LAYERS];
	size_t end_bytes; // so long are those that end with the object, at most
	size_t longest;   // of all that is searched for by its bytes
	uint64_t hosts;   // that there were
};

// Of an object.
struct match_share {
	struct match_log *log;     // that others take from, NULL: there is none
	uint64_t number;           // of the host
	struct match_object *host; // whose log this object takes from, NULL: of none
	uint64_t host_number;
	uint64_t from; // where in the host it begins
	uint32_t next; // of the log: those before end before what is new
};

// Returns 0 or -ENOMEM.
int match_shares_init(struct match_shares *shares, const struct ruleset *ruleset, uint32_t objects);
void match_shares_fini(struct match_shares *shares);

// The object begins, and ends.
void match_share_begin(struct match_object *object);
void match_share_end(struct match_object *object);

// The next bytes of the object, which are not counted in it yet. It is searched by itself from now on if they
// are not the host's.
void match_share_compare(struct match_object *object, const uint8_t *data, size_t n);
// The host of which the object can take what is new in it, once the host has been searched; or NULL.
struct match_object *match_share_host(const struct match_object *object);
// Takes what is new from the host, if it can, and makes the search pass over it.
void match_share_take(struct match_object *object, struct anchor_input *input);
// Whether anything can be met that was not before. Where no byte has come since the last search, as in the raw mail whose
// part has had it searched, this is only what ends with the object, and the search passes over the rest.
bool match_share_is_new(const struct match_object *object, struct anchor_input *input);
// A search has met this: an anchor_found_fn. ctx: the sighting.
void match_share_met(void *ctx, uint32_t expression, uint64_t end);
