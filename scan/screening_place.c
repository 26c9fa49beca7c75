// SPDX-License-Identifier: BSD-3-Clause
// Screening of ranges and of the sections of PE files.
#include "scan/filetype.h"
#include "scan/screening.h"

#include <string.h>

static bool is_done(const struct screening *screening, uint32_t place)
{
	return (screening->places_done[place / 64] >> (place % 64) & 1) != 0;
}

static void look_up_digests(
	struct screening *screening, enum screen_set_kind kind, struct digest *digest, uint64_t key)
{
	uint8_t value[DIGEST_MAX_BYTES];

	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++)
		if (digest_end(digest, (enum digest_algorithm)i, value))
			screening_look_up(screening, &screening->owner->screen->sets[kind][i],
				value, key, UINT64_MAX);
}

// The same digest may be listed of several places: only entries of this one hit.
static void look_up_place(struct screening *screening, uint32_t place, struct digest *digest)
{
	const struct screen *screen = screening->owner->screen;
	uint32_t records[SCREEN_SAME_DIGEST];
	uint8_t value[DIGEST_MAX_BYTES];

	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		size_t count;

		if (!digest_end(digest, (enum digest_algorithm)i, value))
			continue;
		count = screen_find(screen, &screen->sets[SCREEN_SET_RANGE][i], value, 0, records);
		for (size_t k = 0; k < count; k++)
			if (screen_record(screen, records[k])->place == place)
				screening_hit(screening, records[k]);
	}
}

// more: the range goes on with these.
static void digest_place(struct screening *screening, uint32_t number, uint64_t from,
	const uint8_t *more, size_t more_bytes)
{
	const struct screen_place *place = &screening->owner->screen->places[number];
	struct digest digest;

	screening->places_done[number / 64] |= UINT64_C(1) << (number % 64);
	digest_begin(&digest, place->algorithms);
	if (!screening_digest_of(screening, from, place->length - more_bytes, &digest)) {
		screening->is_partial = true;
		return;
	}
	digest_feed(&digest, more, more_bytes);
	look_up_place(screening, number, &digest);
}

// From the end of an object that has so many bytes, of which some at the end are not its own.
static void place_from_end(
	struct screening *screening, uint32_t number, uint64_t bytes, const char *more)
{
	const struct screen_place *place = &screening->owner->screen->places[number];
	uint64_t left = place->offset - place->length; // behind the range
	size_t n = strlen(more);

	if (place->offset > bytes || place->offset < n)
		return;
	n = left < n ? n - (size_t)left : 0;
	if (n <= place->length)
		digest_place(screening, number, bytes - place->offset, (const uint8_t *)more, n);
}

// As it is and, where the last line break is in doubt, without one or with one more.
static void try_from_end(struct screening *screening, uint32_t number)
{
	const uint64_t bytes = screening->bytes;
	uint8_t last[2] = {0};
	size_t n;

	place_from_end(screening, number, bytes, "");
	if (screening->what == SCREENING_EXACT || bytes < sizeof(last))
		return;
	n = capture_read(&screening->copy, bytes - sizeof(last), last, sizeof(last));
	if (n < sizeof(last)) {
		screening->is_partial = true;
	} else if (last[1] == '\n') {
		place_from_end(screening, number, bytes - (last[0] == '\r' ? 2 : 1), "");
	} else {
		place_from_end(screening, number, bytes + 1, "\n");
		place_from_end(screening, number, bytes + 2, "\r\n");
	}
}

// What ends here can be of no other size.
static bool can_be(
	const struct screening *screening, const struct screen_place *place, uint64_t types)
{
	uint64_t doubt = screening->what == SCREENING_EXACT ? 0 : SCREENING_BREAK_BYTES;
	uint64_t least = screening->bytes > doubt ? screening->bytes - doubt : 0;

	if ((place->types & types) == 0)
		return false;
	for (uint64_t bytes = least; bytes <= screening->bytes + doubt; bytes++)
		if ((place->sizes >> screen_size_bit(bytes, 6) & 1) != 0)
			return true;
	return false;
}

void screening_places(struct screening *screening, uint64_t types, bool is_last)
{
	const struct screen *screen = screening->owner->screen;
	uint64_t bytes = screening->bytes;

	for (uint32_t i = 0; i < screen->places_count; i++) {
		const struct screen_place *place = &screen->places[i];
		uint64_t from = place->offset;

		if (is_done(screening, i) || (is_last && !can_be(screening, place, types)))
			continue;
		if (place->from_end != 0) {
			if (is_last)
				try_from_end(screening, i);
		} else if (from <= bytes && place->length <= bytes - from) {
			digest_place(screening, i, from, NULL, 0);
		}
	}
}

// ---- sections ------------------------------------------------------------------------------------

static bool is_program(const struct screening *screening)
{
	uint8_t first[FILETYPE_BYTES];
	size_t n = capture_read(&screening->copy, 0, first, sizeof(first));

	return filetype_detect(first, n)->target == FILETYPE_TARGET_PE;
}

static unsigned int section_algorithms(
	const struct screening *screening, uint64_t bytes, uint64_t types)
{
	const struct screen_set *sets = screening->owner->screen->sets[SCREEN_SET_SECTION];
	unsigned int algorithms = 0;

	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++)
		if (screen_can_be(&sets[i], bytes, types))
			algorithms |= 1u << i;
	return algorithms;
}

static void look_up_section(
	struct screening *screening, struct digest *digest, uint32_t number, uint64_t bytes)
{
	const struct screen *screen = screening->owner->screen;
	uint32_t before = screening->hits_count;
	uint32_t count = before;

	look_up_digests(screening, SCREEN_SET_SECTION, digest, bytes);
	for (uint32_t i = before; i < screening->hits_count; i++) {
		uint32_t section = screen_record(screen, screening->hits[i])->section;

		if (section == SCREEN_ANY_SECTION || section == number)
			screening->hits[count++] = screening->hits[i];
	}
	screening->hits_count = count;
}

// One that the file's end cuts off counts with what there is of it.
void screening_sections(struct screening *screening, uint64_t types)
{
	struct executable *pe = &screening->owner->executable;
	const struct executable_source source = {
		.capture = &screening->copy, .bytes = screening->bytes};
	enum executable_result result;

	if (!screening->owner->has_sections || !is_program(screening))
		return;
	result = executable_parse(FILETYPE_TARGET_PE, &source, pe);
	// Headers that lie behind what could be kept.
	if (result != EXECUTABLE_TAKEN && screening->is_cut)
		screening->is_partial = true;
	if (result == EXECUTABLE_REFUSED)
		return;
	for (uint32_t i = 0; i < pe->sections_count; i++) {
		uint64_t offset = pe->sections[i].offset;
		uint64_t bytes = pe->sections[i].bytes;
		struct digest digest;

		if (offset >= screening->bytes)
			continue;
		bytes = bytes < screening->bytes - offset ? bytes : screening->bytes - offset;
		digest_begin(&digest, section_algorithms(screening, bytes, types));
		if (bytes == 0 || digest.running == 0)
			continue;
		if (screening_digest_of(screening, offset, bytes, &digest))
			look_up_section(screening, &digest, i, bytes);
		else
			screening->is_partial = true;
	}
}

uint64_t screening_needs_from(const struct screening *screening, uint64_t types)
{
	const struct screen *screen = screening->owner->screen;
	uint64_t from = screening->bytes;

	if (screening->owner->has_sections && is_program(screening))
		return 0;
	// One that has no last line break of its own is looked for before that.
	if (screen->max_from_end + SCREENING_BREAK_BYTES >= from)
		return 0;
	from -= screen->max_from_end + SCREENING_BREAK_BYTES;
	if (screen->windows_count > 0 && screening->searched < from)
		from = screening->searched;
	for (uint32_t i = 0; i < screen->places_count; i++) {
		const struct screen_place *place = &screen->places[i];

		if (place->from_end == 0 && !is_done(screening, i) && place->offset < from &&
			(place->types & types) != 0)
			from = place->offset;
	}
	return from;
}
