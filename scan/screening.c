// SPDX-License-Identifier: BSD-3-Clause
#include "scan/screening.h"

#include "scan/scan.h"
#include "scan/screening_whole.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// For objects that are large at once; each keeps little more than the list can ask for.
#define CHUNKS_SHARED ((128u << 20) / SCREENING_CHUNK)
#define NOT_YET UINT64_MAX
#define BREAK_BYTES SCREENING_BREAK_BYTES

// ---- a thread's ----------------------------------------------------------------------------------

// Digests that every object needs, whatever it is.
static unsigned int running_of(const struct screenings *screenings, enum screen_set_kind kind)
{
	unsigned int running = 0;

	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		if ((screening_set_of(screenings, kind, i)->any_size & SCREEN_ANY_TYPE) != 0)
			running |= 1u << i;
	}
	return running;
}

static bool has_set(const struct screenings *screenings, enum screen_set_kind kind)
{
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++)
		if (screening_set_of(screenings, kind, i)->is_there)
			return true;
	return false;
}

// Whether entries ask for what is only known at the end.
static bool waits_for_end(const struct screenings *screenings, enum screen_set_kind kind)
{
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		const struct screen_set *set = screening_set_of(screenings, kind, i);

		if ((set->any_size & ~SCREEN_ANY_TYPE) != 0 || set->sized != 0)
			return true;
	}
	return false;
}

static bool runs_any(const struct screenings *screenings)
{
	return (screenings->running | screenings->running_message | screenings->running_body) != 0;
}

// Of each object and of its body, and of those that wait.
static uint32_t streams_count(size_t objects)
{
	return (uint32_t)(2 * (objects + SCREENING_ATTACHED) + DIGEST_LATES);
}

int screenings_init(struct screenings *screenings, const struct screen *screen, size_t objects)
{
	screenings->screen = screen;
	if (screen == NULL || screen->info.entries == 0) {
		screenings->screen = NULL;
		return 0;
	}
	screenings->find = screen_find_choose();
	screenings->running = running_of(screenings, SCREEN_SET_FILE);
	screenings->running_message =
		screenings->running | running_of(screenings, SCREEN_SET_MESSAGE);
	screenings->running_body = running_of(screenings, SCREEN_SET_BODY);
	screenings->has_body = has_set(screenings, SCREEN_SET_BODY);
	screenings->has_sections = has_set(screenings, SCREEN_SET_SECTION);
	screenings->keeps = screenings->has_sections || screen->places_count > 0 ||
			    screen->windows_count > 0 ||
			    waits_for_end(screenings, SCREEN_SET_FILE) ||
			    waits_for_end(screenings, SCREEN_SET_MESSAGE) ||
			    waits_for_end(screenings, SCREEN_SET_BODY);
	screenings->has_attached = has_set(screenings, SCREEN_SET_FILE) ||
				   screenings->has_sections || screen->places_count > 0 ||
				   screen->windows_count > 0;
	screenings->all = calloc(objects + 1 + SCREENING_ATTACHED, sizeof(*screenings->all));
	if (screenings->all == NULL)
		return -ENOMEM;
	screenings->spare = &screenings->all[objects];
	for (uint32_t i = 0; i < SCREENING_ATTACHED; i++)
		screenings->attached[i] = i;
	screenings->attached_free = SCREENING_ATTACHED;
	if (runs_any(screenings) &&
		digest_streams_init(&screenings->streams, streams_count(objects)) != 0)
		return -ENOMEM;
	if (!screenings->keeps)
		return 0;
	return capture_pool_init(
		&screenings->chunks, SCREENING_CHUNK, (uint32_t)(CHUNKS_SHARED + objects));
}

void screenings_fini(struct screenings *screenings)
{
	capture_pool_fini(&screenings->chunks);
	digest_streams_fini(&screenings->streams);
	free(screenings->all);
}

// ---- hits ----------------------------------------------------------------------------------------

bool screening_has_hit(const struct screening *screening, uint32_t record)
{
	for (uint32_t i = 0; i < screening->hits_count; i++)
		if (screening->hits[i] == record)
			return true;
	return false;
}

void screening_hit(struct screening *screening, uint32_t record)
{
	if (screening_has_hit(screening, record))
		return;
	if (screening->hits_count < SCREENING_HITS)
		screening->hits[screening->hits_count++] = record;
	else
		screening->is_partial = true;
}

void screening_look_up(struct screening *screening, const struct screen_set *set,
	const uint8_t *digest, uint64_t key, uint64_t types)
{
	const struct screen *screen = screening->owner->screen;
	uint32_t records[SCREEN_SAME_DIGEST];
	size_t count = screen_find(screen, set, digest, key, records);

	for (size_t i = 0; i < count; i++) {
		const struct screen_record *record = screen_record(screen, records[i]);

		if (record->kind == SCREEN_SECTION || record->kind == SCREEN_RANGE ||
			screen_record_takes(screen, records[i], key, types))
			screening_hit(screening, records[i]);
	}
}

bool screening_digest_of(
	const struct screening *screening, uint64_t from, uint64_t length, struct digest *digest)
{
	const uint8_t *data = NULL;

	while (length > 0) {
		size_t n = capture_piece(&screening->copy, from, &data);

		if (n == 0)
			return false;
		n = n < length ? n : (size_t)length;
		digest_feed(digest, data, n);
		from += n;
		length -= n;
	}
	return true;
}

// ---- objects -------------------------------------------------------------------------------------

struct screening *screening_begin(struct screenings *screenings, size_t i, enum screening_what what)
{
	struct screening *screening;

	if (screenings->screen == NULL)
		return NULL;
	screening = &screenings->all[i];
	screening->owner = screenings;
	screening->bytes = 0;
	screening->worked = 0;
	screening->searched = 0;
	screening->body_at = NOT_YET;
	screening->steps = 0;
	screening->run = (struct screening_run){0, 0};
	screening->false_candidates = 0;
	screening->hits_count = 0;
	screening->what = (uint8_t)what;
	screening->line = 0;
	screening->is_late = false;
	screening->is_cut = false;
	screening->is_partial = false;
	memset(screening->places_done, 0, sizeof(screening->places_done));
	capture_begin(&screening->copy, screenings->keeps ? &screenings->chunks : NULL,
		SCREENING_CHUNK / 4 * (uint64_t)SCREENING_CHUNK);
	screening_whole_begin(&screening->whole, &screenings->streams,
		what == SCREENING_MESSAGE ? screenings->running_message : screenings->running);
	screening_whole_begin(&screening->body, &screenings->streams,
		what == SCREENING_MESSAGE ? screenings->running_body : 0);
	return screening;
}

// Looks for the end of the header. Returns how many of the bytes are of it.
static size_t header_feed(struct screening *screening, const uint8_t *data, size_t n)
{
	enum { EMPTY, RETURN, FILLED };

	for (size_t i = 0; i < n; i++) {
		if (data[i] == '\n') {
			if (screening->line != FILLED)
				return i + 1;
			screening->line = EMPTY;
		} else if (data[i] == '\r' && screening->line == EMPTY) {
			screening->line = RETURN;
		} else {
			// A CR in a line, or before its LF, changes nothing.
			screening->line = FILLED;
		}
	}
	return n + 1;
}

static void body_feed(struct screening *screening, const uint8_t *data, size_t n)
{
	if (screening->body_at == NOT_YET) {
		size_t header = header_feed(screening, data, n);

		if (header > n)
			return;
		screening->body_at = screening->bytes + header;
		data += header;
		n -= header;
	}
	screening_whole_feed(&screening->body, data, n);
}

static void begin_late(struct screening *screening)
{
	struct screening_sets sets = screening_sets_of(screening);
	uint64_t types = UINT64_MAX;

	if (screening->is_late)
		return;
	screening->is_late = true;
	screening_whole_begin_late(screening, &screening->whole, &sets, 0, types);
	if (screening->body_at != NOT_YET)
		screening_whole_begin_late(screening, &screening->body, &screening_body_sets,
			screening->body_at, types);
	else if (screening->what == SCREENING_MESSAGE)
		digest_begin(&screening->body.late, screening_late_of(screening, &screening->body,
							    &screening_body_sets, types));
}

static void drop_outgrown(struct screening *screening)
{
	struct screening_sets sets = screening_sets_of(screening);

	screening->whole.late.running &=
		screening_late_of(screening, &screening->whole, &sets, UINT64_MAX);
	screening->body.late.running &=
		screening_late_of(screening, &screening->body, &screening_body_sets, UINT64_MAX);
}

// What the copy is for as far as it can be done by now; what nobody asks for any more goes.
static void work(struct screening *screening)
{
	screening->worked = screening->bytes;
	if (screening->owner->screen->windows_count > 0)
		screening_windows(screening, UINT64_MAX, false);
	if (screening->bytes <= SCREENING_LATE_BYTES)
		return;
	begin_late(screening);
	drop_outgrown(screening);
	screening_places(screening, UINT64_MAX, false);
	capture_drop_before(&screening->copy, screening_needs_from(screening, UINT64_MAX));
}

void screening_feed(struct screening *screening, const uint8_t *data, size_t n)
{
	size_t kept;

	if (screening == NULL || n == 0)
		return;
	kept = screening->is_cut ? 0 : capture_append(&screening->copy, data, n);
	if (screening->copy.pool != NULL && kept < n && !screening->is_cut) {
		screening->is_cut = true;
		begin_late(screening);
	}
	if (screening->what == SCREENING_MESSAGE && screening->owner->has_body)
		body_feed(screening, data, n);
	screening_whole_feed(&screening->whole, data, n);
	screening->bytes += n;
	if (screening->copy.pool != NULL && !screening->is_cut &&
		screening->bytes - screening->worked >= SCREENING_STEP)
		work(screening);
}

void screening_may_end(struct screening *screening)
{
	const struct screening_sets sets = {{SCREEN_SET_FILE}, 1};
	uint8_t what;

	if (screening == NULL || screening->bytes == 0)
		return;
	what = screening->what;
	screening->what = SCREENING_EXACT;
	screening_whole_end(screening, &screening->whole, &sets, 0, UINT64_MAX, 0);
	screening->what = what;
}

static int compare_records(const void *a, const void *b)
{
	const uint32_t *x = a;
	const uint32_t *y = b;

	return (*x > *y) - (*x < *y);
}

// Of a size that it has or, where the last line break is in doubt, may have had.
static bool takes(const struct screening *screening, uint32_t number, uint64_t types)
{
	const struct screen *screen = screening->owner->screen;
	const struct screen_record *record = screen_record(screen, number);
	uint64_t doubt = screening->what == SCREENING_EXACT ? 0 : BREAK_BYTES;
	uint64_t bytes = screening->bytes;

	if (record->bytes != 0 && record->bytes + doubt >= bytes && record->bytes <= bytes + doubt)
		bytes = record->bytes;
	return screen_record_takes(screen, number, bytes, types);
}

// Of ranges, sections and windows the object's size and type count, which were not known.
void screening_settle_hits(struct screening *screening, uint64_t types)
{
	const struct screen *screen = screening->owner->screen;
	uint32_t count = 0;

	for (uint32_t i = 0; i < screening->hits_count; i++) {
		uint32_t number = screening->hits[i];

		if (screen_record(screen, number)->kind <= SCREEN_MESSAGE ||
			takes(screening, number, types))
			screening->hits[count++] = number;
	}
	screening->hits_count = count;
	qsort(screening->hits, count, sizeof(screening->hits[0]), compare_records);
}

void screening_end(struct screening *screening, enum screening_what what, const char *type,
	struct screening_late *later, struct screening_result *out)
{
	unsigned int wait = 0;
	struct digest_stream *stream = NULL;
	struct screening_sets sets;
	uint64_t types;

	*out = (struct screening_result){0};
	if (later != NULL)
		later->digests = (struct digest_late){0};
	if (screening == NULL)
		return;
	screening->what = (uint8_t)what;
	sets = screening_sets_of(screening);
	types = SCREEN_ANY_TYPE | screen_type_bit(screening->owner->screen, type);
	if (screening->bytes > 0) {
		if (later != NULL) {
			wait = screening_can_wait(screening, &sets, types);
			stream = screening->whole.stream;
			screening->whole.stream = NULL;
		}
		screening_whole_end(screening, &screening->whole, &sets, 0, types, wait);
		if (screening->body_at != NOT_YET)
			screening_whole_end(screening, &screening->body, &screening_body_sets,
				screening->body_at, SCREEN_ANY_TYPE, 0);
		screening_places(screening, types, true);
		screening_sections(screening, types);
		if (screening->owner->screen->windows_count > 0)
			screening_windows(screening, types, true);
	}
	screening_settle_hits(screening, types);
	out->is_partial = screening->is_partial;
	screening_whole_drop(&screening->whole);
	screening_whole_drop(&screening->body);
	if (wait != 0 || stream != NULL) {
		screening_wait(screening, wait, stream, types, later);
		return;
	}
	capture_free(&screening->copy);
	out->hits_count = screening->hits_count;
	out->hits = screening->hits;
}

void screening_drop(struct screening *screening)
{
	if (screening == NULL)
		return;
	capture_free(&screening->copy);
	screening_whole_drop(&screening->whole);
	screening_whole_drop(&screening->body);
}
