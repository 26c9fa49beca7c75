// SPDX-License-Identifier: BSD-3-Clause
// Screening: what a vendor tells of a virus before there is a signature for it, as checksums of what
// the virus looks like. Part of the manual scan.h; scanning itself is there.
//
// A list of entries is built into a small image of its own, which is laid on a ruleset (ruleset_attach_screen)
// as a delta is: no signature is compiled for it. What hits is a match of the kind MATCH_CHECKSUM; a message
// with no other hits is VERDICT_SUSPECT with the reason "checksum".
//
// What an object is: scan.h. Every object is screened: attachments and other parts as they are decoded,
// files, members of archives; of a message all its bytes, as sent, dots unstuffed.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What a digest is of. X(NAME, name as JSON uses it)
#define SCREEN_KINDS(X)                                                                            \
	X(FILE, "file")       /* all of an object, or of a raw message */                          \
	X(BODY, "body")       /* what follows the header of a message, to its end */               \
	X(MESSAGE, "message") /* all of a raw message, not of another object */                    \
	X(RANGE, "range")     /* length bytes of an object from a place told by offset on */       \
	X(SECTION, "section") /* a section of a PE file, as it lies in the file */                 \
	X(WINDOW, "window")   /* length bytes anywhere in an object */

enum screen_kind {
#define X(name, text) SCREEN_##name,
	SCREEN_KINDS(X)
#undef X
		SCREEN_KINDS_COUNT
};

// What becomes of a message in which the entry hits. Of several hits quarantine comes first, then what the
// policy says. X(NAME, name)
#define SCREEN_ACTIONS(X)                                                                          \
	X(DEFAULT, "default") /* by policy; also where an entry names no action */                 \
	X(QUARANTINE, "quarantine")                                                                \
	X(DISCARD, "discard")

enum screen_action {
#define X(name, text) SCREEN_ACTION_##name,
	SCREEN_ACTIONS(X)
#undef X
		SCREEN_ACTIONS_COUNT
};

#define SCREEN_ANY_SECTION UINT32_MAX
// Of one list. Each place of ranges costs a digest of every object, so places are few; entries with the
// same offset, length and from share one.
#define SCREEN_MAX_ENTRIES (4u << 20)
#define SCREEN_MAX_PLACES 256
#define SCREEN_MAX_LENGTHS 64 // of windows
#define SCREEN_MAX_WINDOWS 65536
#define SCREEN_LEAST_WINDOW 32
#define SCREEN_MOST_WINDOW (1u << 20)
#define SCREEN_MOST_RANGE (4u << 20) // bytes of one; from the end also its offset
#define SCREEN_TEXT_BYTES 256        // name or virus id, with its end
#define SCREEN_DIGEST_BYTES 32

struct screen_entry {
	const char *virus_id; // "" is allowed
	const char *name;     // reported as the signature; "" or NULL: the virus id
	enum screen_kind kind;
	enum screen_action action;
	unsigned int algorithm;              // one DIGEST_*
	uint32_t section;                    // section: its number from 0, or SCREEN_ANY_SECTION
	uint8_t digest[SCREEN_DIGEST_BYTES]; // shorter ones padded with zeros
	// Conditions on the object. Of a section and a range it is the file that they are in.
	uint64_t bytes;        // 0: of any size
	const char *file_type; // scan_part.detected_type, "pe"; "" or NULL: any
	// Range: where its first byte is. From the start: so many bytes stand before it; from the end: from it on
	// there are so many, so offset 512 and length 512 are the last 512. An object in which the range does not
	// lie as a whole is not hit.
	uint64_t offset;
	// Range and window: bytes of it; section: bytes of it in the file, 0: any.
	uint64_t length;
	uint64_t rolling; // window: screen_rolling of it
	bool from_end;    // range
};

const char *screen_kind_name(enum screen_kind kind);
const char *screen_action_name(enum screen_action action);
bool screen_kind_by_name(const char *name, enum screen_kind *out);
bool screen_action_by_name(const char *name, enum screen_action *out);
// Whether objects can be of that type ("pe").
bool screen_is_file_type(const char *name);

// The rolling checksum of a window of at least SCREEN_LEAST_WINDOW bytes, by which candidates are found that
// the digest then confirms: in the upper 32 bits that of the first 32 bytes, in the lower ones that of all,
// each the polynomial sum of data[i] * 0x08088405^(n - 1 - i) modulo 2^32. JSON has it as 16 lower-case hex
// digits.
uint64_t screen_rolling(const uint8_t *data, size_t n);

// ---- lists ---------------------------------------------------------------------------------------

// Whether an entry by itself is sound. Returns 0, or -EINVAL with a text that names the member at fault.
int screen_check(const struct screen_entry *entry, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
// An entry's name in events and counts: of all that it says but its name and action. Never 0. Those that
// differ in nothing else are one entry, the first.
uint64_t screen_id(const struct screen_entry *entry);
// Builds the image, which the caller frees with free(); none at all of an empty list is allowed, too.
// Returns 0, -EINVAL with a text in error ("entry 3: length: ..."), -E2BIG likewise, or -ENOMEM.
int screen_build(const struct screen_entry *entries, size_t count, void **image,
	size_t *image_bytes, char *error, size_t error_bytes) __attribute__((warn_unused_result));

// Layers. A small change of a large list is a layer on its image: what was added, and what of the image is gone.
// It is made, and takes force, in the time of what has changed, not of what is there. There is one at most on an image;
// the next one has all that has changed since the image was made. With it all is as with an image of the list as
// it is now, but for the time that is lost on what is gone.

// An image that layers are made for.
struct screen_part;

// Takes the mapping, which munmap ends with it; the caller's if this fails. Returns 0, -EBADMSG, -ENOTSUP, -ENOMEM.
int screen_part_open_mapped(void *mapping, size_t bytes, struct screen_part **out)
	__attribute__((warn_unused_result));
void screen_part_close(struct screen_part *part);
const char *screen_part_version(const struct screen_part *part);
uint32_t screen_part_entries(const struct screen_part *part);

// Likewise of an image that is not open; "" where it is none.
void screen_image_version(const void *image, size_t bytes, char *out, size_t room);

struct screen_change {
	const uint64_t
		*ids; // screen_id of all entries that have come, gone or changed, in any order
	size_t ids_count;
	const struct screen_entry *entries; // those of them that are on the list now, and no others
	size_t count;
};

// Builds the layer. Returns as screen_build; -E2BIG also where there might be too much only because of what is gone:
// whether the list fits in one image screen_build says.
int screen_build_layer(const struct screen_part *below, const struct screen_change *change,
	void **image, size_t *image_bytes, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));

struct screen_info {
	// First 16 hex digits of the image's SHA-256, or of its layer's; "" where there is no list.
	char version[20];
	uint32_t entries;
};

// ---- of a ruleset --------------------------------------------------------------------------------

struct ruleset;

// What the name of a ruleset image's file is followed by where a list lies beside it, which ruleset_open
// lays on it.
#define RULESET_SCREEN_SUFFIX ".screen"
// Likewise of its layer: a file of layers, one behind the other, of which the one counts that is of that list.
#define RULESET_SCREEN_LAYER_SUFFIX ".screen-layer"

// Lays a list on a ruleset, which must outlive what comes out, in the place of the one that may be there.
// image: 64-byte aligned, behind it may be its layer; must stay mapped and unchanged; NULL: no list. Returns as
// ruleset_attach.
int ruleset_attach_screen(const struct ruleset *base, const void *image, size_t bytes,
	struct ruleset **out) __attribute__((warn_unused_result));
// The same of a mapping, which munmap ends when the list is not used any more; the caller's if this fails.
int ruleset_attach_screen_mapped(const struct ruleset *base, void *mapping, size_t bytes,
	struct ruleset **out) __attribute__((warn_unused_result));
// Lays the list that is on another ruleset on this, with this layer in the place of the one that may be there: both
// then share the image below. Returns likewise, or -ESTALE: the layer is not of that image.
int ruleset_attach_screen_layer_mapped(const struct ruleset *base, const struct ruleset *from,
	void *mapping, size_t bytes, struct ruleset **out) __attribute__((warn_unused_result));
// Lays the list that is on another ruleset, if there is one, on this: both then share it and its counts.
// Rulesets that share a list belong to one thread. Returns 0 or -ENOMEM.
int ruleset_share_screen(const struct ruleset *base, const struct ruleset *from,
	struct ruleset **out) __attribute__((warn_unused_result));
const struct screen_info *ruleset_get_screen(const struct ruleset *ruleset);
// The numbers of entries are below this: each has one, and what is gone from an image that has a layer keeps its own.
uint32_t ruleset_get_screen_numbers(const struct ruleset *ruleset);
// Entry number i of the list as it was given but for its name if that was ""; of an image, and of a layer behind those
// of the image, by ascending id. Its texts live as long as the image. Returns false where it is gone.
bool ruleset_get_screen_entry(const struct ruleset *ruleset, uint32_t i, struct screen_entry *out)
	__attribute__((warn_unused_result));
// How often entry number i has hit. Scanners on other threads may count meanwhile.
uint64_t ruleset_get_screen_hits(const struct ruleset *ruleset, uint32_t i);
// Moves the counts of entries that are in both lists; those of others stay.
void ruleset_move_screen_hits(const struct ruleset *from, const struct ruleset *to);

// ---- of a sample ---------------------------------------------------------------------------------

struct screen_sample_options {
	const char *virus_id;
	const char *name;
	enum screen_action action;
	bool is_message;         // the bytes are a message, of which body and message are told
	unsigned int algorithms; // DIGEST_*, 0: SHA-256
};

// Entries of all kinds that a sample has: the file with its size (a message: message and body instead), ranges
// at start and end, the sections of a PE file, and windows in places that look like no other's. The caller
// frees the array with free(); texts are the caller's own and constants. Returns 0, -EINVAL (nothing to be told
// of so few bytes) or -ENOMEM.
int screen_compute(const struct screen_sample_options *options, const uint8_t *data, size_t n,
	struct screen_entry **out, size_t *count) __attribute__((warn_unused_result));
