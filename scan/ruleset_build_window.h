// SPDX-License-Identifier: BSD-3-Clause
// Which window of a pattern is looked up: one that costs a search little, for it is rare in what is
// searched, and shares its bit of the sieve, but not its bucket, with others.
#pragma once

#include "scan/anchor.h"
#include "scan/ruleset_build.h"

#include <stdbool.h>
#include <stdint.h>

// How often bytes are there, and how often one follows another: half bits of information as letters from
// 'A' for none on. Of pairs bit 5 is left out. Fours are what is met far more often than pairs tell, as
// eight digits and a letter.
struct build_frequencies {
	char singles[256 + 1];
	char pairs[128 * 128 + 1];
	const char *fours;
};

extern const struct build_frequencies build_programs;
extern const struct build_frequencies build_texts;
extern const struct build_frequencies build_pages;

// How likely a byte is in base64, and another behind it.
void build_codes_follow(float (*follow)[256]);

// What is known while the windows of one target are chosen, for bytes that are so.
struct build_windows;

// There will be about so many buckets. Returns NULL when there is no memory.
struct build_windows *build_windows_new(
	uint32_t target, enum anchor_content content, unsigned int buckets_log);
// Another number of buckets, as long as no window was chosen. Returns 0 or -ENOMEM.
int build_windows_set_buckets(struct build_windows *windows, unsigned int buckets_log);
// Whether it is what build_windows_new gives for these, as long as no window was chosen.
bool build_windows_are_for(
	const struct build_windows *windows, uint32_t target, enum anchor_content content);
void build_windows_free(struct build_windows *windows);

// The nibbles of what the pattern may have before and behind a window that begins there.
struct build_beside {
	uint16_t before;
	uint16_t behind;
};
struct build_beside build_beside_of(const struct build_spelling *spelling, uint32_t window);

// Chooses the place of the pattern's window, counts it and sets its bits in the sieve. The entry gets
// that place and a piece of the pattern. The pattern is one that build_find_anchor has taken.
void build_choose_window(struct build_windows *windows, const struct build_spelling *spelling,
	struct anchor_entry *out);
// The bytes of a pattern about a window, from ANCHOR_PIECE_BEFORE bytes before it on.
#define BUILD_SPAN (ANCHOR_PIECE_BEFORE + ANCHOR_PIECE_BEHIND + ANCHOR_PIECE_BYTES)
struct build_span {
	uint8_t values[BUILD_SPAN]; // of the bits of the masks
	uint8_t masks[BUILD_SPAN];  // that all values of a byte have alike; 0 beyond the pattern
};
void build_read_span(
	const struct build_spelling *spelling, uint32_t window, struct build_span *out);
// The piece that tells most beside that window; also whether it is all of the pattern.
void build_choose_piece(
	const struct build_spelling *spelling, uint32_t window, struct anchor_entry *out);
// The pattern's first bytes, where all its values have the same bits.
void build_first_piece(const struct build_spelling *spelling, uint64_t *piece, uint64_t *mask);
// How likely a place is one where the pattern is, by its rarest window, before any was chosen.
float build_windows_share(
	const struct build_windows *windows, const struct build_spelling *spelling);
const uint8_t *build_windows_sieve(const struct build_windows *windows);
