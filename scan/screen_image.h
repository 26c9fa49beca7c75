// SPDX-License-Identifier: BSD-3-Clause
// The image of a list of screening entries, and a checked view of it. Private to scan/.
//
// A list is one image, or an image and a layer on it: an image of the entries that were added since, which says
// besides which of the other's are gone. What few entries share (types, places, lengths) a layer has of both, the
// other's first, so that numbers and bits mean the same in both. How they are searched together: screen_laid.h.
//
// Like a ruleset's image (ruleset.h): a header, sections aligned to 64 bytes in the order of their kinds, the
// byte order of the machine that built it, no address in it; the SHA-256 covers everything behind it.
#pragma once

#include "scan/digest.h"
#include "scan/hashset.h"
#include "scan/screen.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCREEN_MAGIC "CORDONSC"
#define SCREEN_FORMAT 1u
#define SCREEN_FORMAT_LAYER 2u
#define SCREEN_ALIGN 64u
#define SCREEN_MAX_SECTIONS 48
// Of one digest of one kind; more are refused.
#define SCREEN_SAME_DIGEST 64
// File types that entries ask for: one bit each in a mask, of which the first is any type.
#define SCREEN_MAX_TYPES 63
#define SCREEN_ANY_TYPE UINT64_C(1)

// Digests that are looked up alike: a raw message is a file, too.
enum screen_set_kind {
	SCREEN_SET_FILE,
	SCREEN_SET_BODY,
	SCREEN_SET_MESSAGE,
	SCREEN_SET_RANGE,
	SCREEN_SET_SECTION,
	SCREEN_SETS
};

enum screen_section_kind {
	SCREEN_STRINGS = 1, // each NUL-terminated; the first is ""
	SCREEN_RECORDS,     // struct screen_record, by ascending id
	SCREEN_TYPES,       // uint32_t: offsets into the strings
	SCREEN_PLACES,      // struct screen_place
	SCREEN_LENGTHS,     // uint32_t: of windows, ascending
	SCREEN_WINDOWS,     // struct screen_window, by ascending rolling checksum
	SCREEN_DIGESTS, // hashset block; index: enum screen_set_kind times DIGEST_ALGORITHMS plus algorithm
	SCREEN_SIZES, // the same index: struct screen_sizes and a bit for each size, hashed
	SCREEN_OF,    // of a layer: the SHA-256 of the image that it lies on
	SCREEN_GONE,  // of a layer: uint32_t: records of that image, ascending
};

struct screen_section {
	uint32_t kind;
	uint32_t index;
	uint64_t offset; // from the start of the image
	uint64_t bytes;
};

struct screen_header {
	char magic[8];
	uint32_t format;
	uint32_t sections_count;
	uint64_t image_bytes;
	uint8_t sha256[32]; // of all that follows
	uint64_t unused;
	struct screen_section sections[SCREEN_MAX_SECTIONS];
};
#define SCREEN_HASHED_FROM offsetof(struct screen_header, unused)

struct screen_record {
	uint64_t id;
	uint64_t bytes;
	uint64_t offset;
	uint64_t length;
	uint64_t rolling;
	uint32_t name; // offset into the strings
	uint32_t virus_id;
	uint32_t file_type; // the same; 0: any
	uint32_t section;
	uint32_t place; // of a range
	uint8_t kind;
	uint8_t action;
	uint8_t algorithm; // enum digest_algorithm
	uint8_t from_end;
	uint8_t digest[SCREEN_DIGEST_BYTES];
};

// Where ranges are, and which digests of them entries have.
struct screen_place {
	uint64_t offset;
	uint64_t length;
	uint64_t types; // a bit for each file type that some entry asks for
	uint64_t sizes; // a bit for each size, hashed; all: some entry takes any
	uint32_t from_end;
	uint32_t algorithms; // DIGEST_*
};

struct screen_window {
	uint64_t rolling;
	uint32_t length;
	uint32_t record;
};

// Which objects a digest can be of.
struct screen_sizes {
	uint64_t any_size; // types of entries of any size
	uint64_t sized;    // types of those that name a size
	uint64_t max_bytes;
	uint32_t bits_log; // 0: no bits follow
	uint32_t unused;
};

// Digests of one image.
struct screen_digests {
	struct hashset hashes;
	const struct screen_sizes *sizes; // NULL: there are no entries
	const uint64_t *bits;
};

// The checked view; all but the counts points into the image.
struct screen_part {
	uint32_t format;
	const uint8_t *sha256;
	const uint8_t *of; // a layer: the SHA-256 of what it lies on
	char version[20];
	const char *strings;
	size_t strings_bytes;
	const struct screen_record *records;
	const uint32_t *types;
	const struct screen_place *places;
	const uint32_t *lengths;
	const struct screen_window *windows;
	const uint32_t *gone;
	struct screen_digests digests[SCREEN_SETS][DIGEST_ALGORITHMS];
	uint32_t records_count;
	uint32_t types_count;
	uint32_t places_count;
	uint32_t lengths_count;
	uint32_t windows_count;
	uint32_t gone_count;
	_Atomic uint64_t *hits; // of each record: any scanner adds, anybody reads
	uint32_t users;
	void *mapping; // that goes with it, NULL: none
	size_t mapping_bytes;
};

// A checked view of the image at the start of these bytes, of which nothing is trusted; 64-byte aligned. Returns
// 0, -EBADMSG, -ENOTSUP or -ENOMEM.
int screen_part_open(const void *image, size_t bytes, struct screen_part **out);
// How many of the bytes the image at their start says that it has; 0: there is none.
size_t screen_image_bytes(const void *image, size_t bytes);
// Whether it can be searched with that image below it.
bool screen_part_is_on(const struct screen_part *layer, const struct screen_part *below);
// The record with this id, UINT32_MAX: none.
uint32_t screen_part_find(const struct screen_part *part, uint64_t id);
// Fills in the checksum. Returns 0 or -EIO.
int screen_seal(void *image, size_t bytes);

uint64_t screen_size_bit(uint64_t bytes, uint32_t bits_log);
