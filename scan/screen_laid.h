// SPDX-License-Identifier: BSD-3-Clause
// A list of screening entries as it is searched: an image, or an image and a layer on it. Private to scan/.
//
// Records are numbered through: those of the image below first, then the layer's. A digest is looked up in both;
// what else is asked of a list (which digests objects need, where ranges are, what windows begin with) is put
// together once, when it is opened.
#pragma once

#include "scan/screen_image.h"
#include "scan/screen_window.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCREEN_LAYERS 2 // the image below, and one on it

// Windows of one head and one length.
struct screen_group {
	uint32_t head;
	uint32_t length; // its number
	uint32_t first;
	uint32_t count;
};

struct screen_set {
	const struct screen_digests *layers[SCREEN_LAYERS];
	uint64_t any_size; // as in struct screen_sizes, of all
	uint64_t sized;
	uint64_t max_bytes;
	bool is_there; // there are entries
};

struct screen {
	struct screen_info info;
	struct screen_part *layers[SCREEN_LAYERS]; // the second: NULL: none
	uint32_t below_count;                      // records of the first
	const char *strings;                       // of types
	const uint32_t *types;
	const struct screen_place *places;
	const uint32_t *lengths;
	uint32_t types_count;
	uint32_t places_count;
	uint32_t lengths_count;
	uint32_t windows_count;
	struct screen_set sets[SCREEN_SETS][DIGEST_ALGORITHMS];
	uint64_t max_from_end;       // how many last bytes ranges need
	struct screen_filter filter; // of windows
	// The windows by head, length and the rest of the checksum, and what these have in common.
	struct screen_window *by_group;
	struct screen_group *groups;
	uint32_t groups_count;
	uint32_t users; // rulesets
};

// Of an image, behind which a layer may follow; 64-byte aligned. Returns 0, -EBADMSG, -ENOTSUP or -ENOMEM.
int screen_open(const void *image, size_t bytes, struct screen **out);
// Of the image below another list, whose parts are then shared, and a layer. Returns as screen_open, or -ESTALE: the
// layer is of another image.
int screen_open_layer(
	const struct screen *from, const void *layer, size_t bytes, struct screen **out);
// The mapping that it was opened of goes with it: with the image below (SCREEN_LAYERS 0), or the layer (1).
void screen_own_mapping(struct screen *screen, unsigned int layer, void *mapping, size_t bytes);
// For one of its users.
void screen_close(struct screen *screen);

static inline const struct screen_record *screen_record(
	const struct screen *screen, uint32_t number)
{
	return number < screen->below_count
		       ? &screen->layers[0]->records[number]
		       : &screen->layers[1]->records[number - screen->below_count];
}

// A text of the record.
static inline const char *screen_text(const struct screen *screen, uint32_t number, uint32_t offset)
{
	return screen->layers[number < screen->below_count ? 0 : 1]->strings + offset;
}

// All numbers of records are below this; entries that are gone have some, too.
uint32_t screen_numbers(const struct screen *screen);
bool screen_is_gone(const struct screen *screen, uint32_t number);
_Atomic uint64_t *screen_hits(const struct screen *screen, uint32_t number);
// The record with this id that is not gone, UINT32_MAX: none.
uint32_t screen_find_id(const struct screen *screen, uint64_t id);

// The bit of a type's name; 0 where no entry asks for it, and it only can be of those that ask for any.
uint64_t screen_type_bit(const struct screen *screen, const char *type);
// Whether an entry of the set can be of an object of this size and these types (with SCREEN_ANY_TYPE).
bool screen_can_be(const struct screen_set *set, uint64_t bytes, uint64_t types);
// Records of a digest, SCREEN_SAME_DIGEST at most; key: the size that they are found by. Returns how many.
size_t screen_find(const struct screen *screen, const struct screen_set *set, const uint8_t *digest,
	uint64_t key, uint32_t *records);
// Whether the record's conditions hold for such an object.
bool screen_record_takes(
	const struct screen *screen, uint32_t number, uint64_t bytes, uint64_t types);
