// SPDX-License-Identifier: BSD-3-Clause
// Matching of one object (a raw message, a decoded part, a file) against a ruleset: a search for rare
// bytes of the patterns while they pass (anchor.h), Hyperscan for what that cannot find, at the end
// where a rule asks for it (match_deferred.h), and digests for the hash lists (match_digest.h).
//
// A matcher is one thread's scratch and pool of objects in progress; match_begin takes one from the
// pool, match_end or match_abort gives it back. No allocation after matcher_new.
#pragma once

#include "scan/filetype.h"
#include "scan/scan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct matcher;
struct match_object;

// What kind of object: decides which per-target databases apply (CLAMAV-FORMATS section 7).
enum match_target {
	MATCH_TARGET_ANY,  // a decoded part or file; the file type is found from its first bytes
	MATCH_TARGET_MAIL, // the raw message
	MATCH_TARGET_TEXT, // a normalised copy of a text
	MATCH_TARGET_HTML, // a normalised copy of an HTML page
};

// Patterns are not looked for in an object that has fewer, as ClamAV does not look at it; of a copy the
// object counts that it was made of.
#define MATCH_LEAST_BYTES 6

struct match_hit {
	const char *signature; // points into the ruleset
	const char *virus_id;
	const char *recipe;
	enum match_kind kind;
};

struct match_digests {
	unsigned int set; // DIGEST_*
	bool allowed;     // on an allow list: what was found in it and inside of it does not count
	uint8_t md5[16];
	uint8_t sha1[20];
	uint8_t sha256[32];
};

// objects: how many may be in progress at once. digests: DIGEST_* wanted of every object, but for
// raw mails and copies.
int matcher_new(const struct ruleset *ruleset, uint32_t objects, unsigned int digests,
	bool all_matches, struct matcher **out) SCAN_MUST_USE;
void matcher_free(struct matcher *matcher);
// See scanner_warm.
void matcher_warm(struct matcher *matcher, size_t bytes);
// Bytes of memory of one object in progress, without those of it that are kept for what asks for them.
size_t matcher_object_bytes(const struct matcher *matcher);

// Returns 0 or -ENOMEM (pool empty).
int match_begin(
	struct matcher *matcher, enum match_target target, struct match_object **out) SCAN_MUST_USE;
// What the object lies in, which some signatures ask for: at once after match_begin. Without it the
// object lies in nothing.
void match_set_container(struct match_object *object, enum filetype_container container);
// All that it lies in, the innermost first: enum filetype_container, of which the last ones may be missing.
void match_set_outer(struct match_object *object, const uint8_t *outer, uint32_t count);
// The object's bytes may be those of the host, the raw mail, from there on, which is found out as they come.
// They are searched only once then. The host is fed all of them before the object is, and may end at any time.
void match_share(struct match_object *object, struct match_object *host, uint64_t from);
// What signature files (.ftm) say that the object is, of which the first FILETYPE_BYTES or all have been fed.
// NULL: nothing.
const struct filetype_clamav *match_told_type(struct match_object *object);
// What the object's first n bytes are by filetype_detect, where they were looked at for that; else NULL.
const struct filetype *match_first_type(const struct match_object *object, size_t n);
// Of a copy of a text, before its first bytes: all of them are what normalise_text makes, text without capitals.
void match_set_normalised(struct match_object *object);
// Of a copy of a text: signatures that ask for the size of the file see that of what the copy was made of.
void match_set_file_bytes(struct match_object *object, uint64_t bytes);
// Returns 0, or -EIO when Hyperscan failed: the object is then unscannable.
int match_feed(struct match_object *object, const uint8_t *data, size_t n) SCAN_MUST_USE;
// True when a signature has hit already for certain. What came last may not have been looked at yet:
// bytes are gathered before they are.
bool match_is_hit(const struct match_object *object);
// Whether the object's last line break was the mail's is in doubt: hash lists see it with one, too.
void match_set_doubtful(struct match_object *object);
// Some readers end the object here: hash lists see what it was so far, too, where that hits.
void match_may_end(struct match_object *object);
// Ends the object and gives it back. Writes at most max hits (one, without all_matches) and returns
// how many; digests receives those that were computed; detected_type names the content or is "".
size_t match_end(struct match_object *object, struct match_hit *hits, size_t max,
	struct match_digests *digests, const char **detected_type);
// Whether the object that was ended last could not be examined in full: more patterns were in progress
// than there is room for, or a regular expression was to look at more of it than is kept
// (MATCH_COPY_BYTES), or gave up. Its hits are true; more could have been found.
bool matcher_was_partial(const struct matcher *matcher);
// Whether, with all_matches, more signatures hit the object that was ended last than were given.
bool matcher_had_more(const struct matcher *matcher);
void match_abort(struct match_object *object);
