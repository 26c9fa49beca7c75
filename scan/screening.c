// SPDX-License-Identifier: BSD-3-Clause
#include "scan/screening.h"

#include "scan/scan.h"
#include "scan/sha256_lanes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// For objects that are large at once; each keeps little more than the list can ask for.
#define CHUNKS_SHARED ((128u << 20) / SCREENING_CHUNK)
#define NOT_YET UINT64_MAX
#define BREAK_BYTES SCREENING_BREAK_BYTES

// ---- a thread's ----------------------------------------------------------------------------------

static const struct screen_set *set_of(
	const struct screenings *screenings, enum screen_set_kind kind, unsigned int algorithm)
{
	return &screenings->screen->sets[kind][algorithm];
}

// Digests that every object needs, whatever it is.
static unsigned int running_of(const struct screenings *screenings, enum screen_set_kind kind)
{
	unsigned int running = 0;

	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		const struct screen_sizes *sizes = set_of(screenings, kind, i)->sizes;

		if (sizes != NULL && (sizes->any_size & SCREEN_ANY_TYPE) != 0)
			running |= 1u << i;
	}
	return running;
}

static bool has_set(const struct screenings *screenings, enum screen_set_kind kind)
{
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++)
		if (set_of(screenings, kind, i)->sizes != NULL)
			return true;
	return false;
}

// Whether entries ask for what is only known at the end.
static bool waits_for_end(const struct screenings *screenings, enum screen_set_kind kind)
{
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		const struct screen_sizes *sizes = set_of(screenings, kind, i)->sizes;

		if (sizes != NULL &&
			((sizes->any_size & ~SCREEN_ANY_TYPE) != 0 || sizes->sized != 0))
			return true;
	}
	return false;
}

int screenings_init(struct screenings *screenings, const struct screen *screen, size_t objects)
{
	screenings->screen = screen;
	if (screen == NULL || screen->records_count == 0) {
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
	if (!screenings->keeps)
		return 0;
	return capture_pool_init(
		&screenings->chunks, SCREENING_CHUNK, (uint32_t)(CHUNKS_SHARED + objects));
}

void screenings_fini(struct screenings *screenings)
{
	capture_pool_fini(&screenings->chunks);
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
	size_t count = hashset_find(&set->hashes, digest, key, records, SCREEN_SAME_DIGEST);

	for (size_t i = 0; i < count; i++) {
		const struct screen_record *record = &screen->records[records[i]];

		if (record->kind == SCREEN_SECTION || record->kind == SCREEN_RANGE ||
			screen_record_takes(screen, record, key, types))
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

// ---- whole objects -------------------------------------------------------------------------------

static void whole_begin(struct screening_whole *whole, unsigned int running)
{
	digest_begin(&whole->digest, running);
	whole->late.running = 0;
	whole->bytes = 0;
	whole->held_bytes = 0;
}

static void feed_both(struct screening_whole *whole, const uint8_t *data, size_t n)
{
	if (n == 0)
		return;
	digest_feed(&whole->digest, data, n);
	digest_feed(&whole->late, data, n);
}

static void whole_feed(struct screening_whole *whole, const uint8_t *data, size_t n)
{
	uint8_t joined[2 * BREAK_BYTES];
	size_t held = whole->held_bytes;

	whole->bytes += n;
	if (n < BREAK_BYTES) {
		memcpy(joined, whole->held, held);
		memcpy(joined + held, data, n);
		n += held;
		held = n < BREAK_BYTES ? n : BREAK_BYTES;
		feed_both(whole, joined, n - held);
		memcpy(whole->held, joined + n - held, held);
	} else {
		feed_both(whole, whole->held, held);
		feed_both(whole, data, n - BREAK_BYTES);
		memcpy(whole->held, data + n - BREAK_BYTES, BREAK_BYTES);
		held = BREAK_BYTES;
	}
	whole->held_bytes = (uint8_t)held;
}

// The sets that such bytes are looked up in.
struct whole_sets {
	enum screen_set_kind kinds[2];
	size_t count;
};

static bool can_be(const struct screening *screening, const struct whole_sets *sets,
	unsigned int algorithm, uint64_t bytes, uint64_t types)
{
	for (size_t i = 0; i < sets->count; i++)
		if (screen_can_be(
			    set_of(screening->owner, sets->kinds[i], algorithm), bytes, types))
			return true;
	return false;
}

// One form of it: what the digests were fed, and these bytes behind.
struct form {
	const struct screening_whole *whole;
	const struct whole_sets *sets;
	uint64_t types;
	const uint8_t *behind;
	size_t behind_bytes;
	uint64_t bytes;
};

static void try_form(struct screening *screening, const struct digest *fed, const struct form *form)
{
	struct digest digest;
	uint8_t value[DIGEST_MAX_BYTES];

	if (fed->running == 0 || form->bytes == 0)
		return;
	digest = *fed;
	digest_feed(&digest, form->behind, form->behind_bytes);
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		if (!digest_end(&digest, (enum digest_algorithm)i, value))
			continue;
		for (size_t k = 0; k < form->sets->count; k++)
			screening_look_up(screening,
				set_of(screening->owner, form->sets->kinds[k], i), value,
				form->bytes, form->types);
	}
}

// As it is and, where the last line break is in doubt, without one or with one more.
static void try_forms(struct screening *screening, const struct digest *fed, const struct form *of,
	bool is_doubtful)
{
	const struct screening_whole *whole = of->whole;
	const size_t held = whole->held_bytes;
	uint8_t more[2 * BREAK_BYTES];
	struct form form = *of;

	memcpy(more, whole->held, held);
	form.behind = more;
	form.behind_bytes = held;
	form.bytes = whole->bytes;
	try_form(screening, fed, &form);
	if (!is_doubtful || held == 0)
		return;
	if (more[held - 1] == '\n') {
		size_t line = held == BREAK_BYTES && more[0] == '\r' ? BREAK_BYTES : 1;

		form.behind_bytes = held - line;
		form.bytes = whole->bytes - line;
		try_form(screening, fed, &form);
		return;
	}
	more[held] = '\r';
	more[held + 1] = '\n';
	form.behind_bytes = held + BREAK_BYTES;
	form.bytes = whole->bytes + BREAK_BYTES;
	try_form(screening, fed, &form);
	more[held] = '\n';
	form.behind_bytes = held + 1;
	form.bytes = whole->bytes + 1;
	try_form(screening, fed, &form);
}

// Which digests that did not run may be on the list.
static unsigned int missing(const struct screening *screening, const struct screening_whole *whole,
	const struct whole_sets *sets, uint64_t types)
{
	uint64_t least = whole->bytes > BREAK_BYTES ? whole->bytes - BREAK_BYTES : 1;
	unsigned int wanted = 0;

	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		if (((whole->digest.running | whole->late.running) >> i & 1) != 0)
			continue;
		for (uint64_t bytes = screening->what == SCREENING_EXACT ? whole->bytes : least;
			bytes <=
			whole->bytes + (screening->what == SCREENING_EXACT ? 0 : BREAK_BYTES);
			bytes++)
			if (can_be(screening, sets, i, bytes, types))
				wanted |= 1u << i;
	}
	return wanted;
}

// from: where it begins in the copy. wait: digests that are computed later.
static void whole_end(struct screening *screening, const struct screening_whole *whole,
	const struct whole_sets *sets, uint64_t from, uint64_t types, unsigned int wait)
{
	struct form form = {.whole = whole, .sets = sets, .types = types};
	bool is_doubtful = screening->what != SCREENING_EXACT;
	struct digest digest;

	try_forms(screening, &whole->digest, &form, is_doubtful);
	if (screening->is_late) {
		try_forms(screening, &whole->late, &form, is_doubtful);
		return;
	}
	digest_begin(&digest, missing(screening, whole, sets, types) & ~wait);
	if (digest.running == 0)
		return;
	if (screening_digest_of(screening, from, whole->bytes - whole->held_bytes, &digest))
		try_forms(screening, &digest, &form, is_doubtful);
	else
		screening->is_partial = true;
}

static struct whole_sets sets_of(const struct screening *screening)
{
	return (struct whole_sets){{SCREEN_SET_FILE, SCREEN_SET_MESSAGE},
		screening->what == SCREENING_MESSAGE ? 2 : 1};
}

static const struct whole_sets body_sets = {{SCREEN_SET_BODY}, 1};

// Which can still be on the list when it is over, if it is as long as this by now.
static unsigned int late_of(const struct screening *screening, const struct screening_whole *whole,
	const struct whole_sets *sets, uint64_t types)
{
	unsigned int wanted = 0;

	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		for (size_t k = 0; k < sets->count; k++) {
			const struct screen_sizes *sizes =
				set_of(screening->owner, sets->kinds[k], i)->sizes;

			if (sizes != NULL &&
				((sizes->any_size & types) != 0 ||
					((sizes->sized & types) != 0 &&
						sizes->max_bytes + BREAK_BYTES >= whole->bytes)))
				wanted |= 1u << i;
		}
	}
	return wanted & ~whole->digest.running;
}

static void whole_begin_late(struct screening *screening, struct screening_whole *whole,
	const struct whole_sets *sets, uint64_t from, uint64_t types)
{
	digest_begin(&whole->late, late_of(screening, whole, sets, types));
	if (whole->late.running != 0 && !screening_digest_of(screening, from,
						whole->bytes - whole->held_bytes, &whole->late))
		screening->is_partial = true;
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
	whole_begin(&screening->whole,
		what == SCREENING_MESSAGE ? screenings->running_message : screenings->running);
	whole_begin(&screening->body, screenings->running_body);
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
	whole_feed(&screening->body, data, n);
}

static void begin_late(struct screening *screening)
{
	struct whole_sets sets = sets_of(screening);
	uint64_t types = UINT64_MAX;

	if (screening->is_late)
		return;
	screening->is_late = true;
	whole_begin_late(screening, &screening->whole, &sets, 0, types);
	if (screening->body_at != NOT_YET)
		whole_begin_late(
			screening, &screening->body, &body_sets, screening->body_at, types);
	else if (screening->what == SCREENING_MESSAGE)
		digest_begin(&screening->body.late,
			late_of(screening, &screening->body, &body_sets, types));
}

static void drop_outgrown(struct screening *screening)
{
	struct whole_sets sets = sets_of(screening);

	screening->whole.late.running &= late_of(screening, &screening->whole, &sets, UINT64_MAX);
	screening->body.late.running &=
		late_of(screening, &screening->body, &body_sets, UINT64_MAX);
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
	whole_feed(&screening->whole, data, n);
	screening->bytes += n;
	if (screening->copy.pool != NULL && !screening->is_cut &&
		screening->bytes - screening->worked >= SCREENING_STEP)
		work(screening);
}

static int compare_records(const void *a, const void *b)
{
	const uint32_t *x = a;
	const uint32_t *y = b;

	return (*x > *y) - (*x < *y);
}

// Of a size that it has or, where the last line break is in doubt, may have had.
static bool takes(
	const struct screening *screening, const struct screen_record *record, uint64_t types)
{
	const struct screen *screen = screening->owner->screen;
	uint64_t doubt = screening->what == SCREENING_EXACT ? 0 : BREAK_BYTES;
	uint64_t bytes = screening->bytes;

	if (record->bytes != 0 && record->bytes + doubt >= bytes && record->bytes <= bytes + doubt)
		bytes = record->bytes;
	return screen_record_takes(screen, record, bytes, types);
}

// Of ranges, sections and windows the object's size and type count, which were not known.
static void settle_hits(struct screening *screening, uint64_t types)
{
	const struct screen *screen = screening->owner->screen;
	uint32_t count = 0;

	for (uint32_t i = 0; i < screening->hits_count; i++) {
		const struct screen_record *record = &screen->records[screening->hits[i]];

		if (record->kind <= SCREEN_MESSAGE || takes(screening, record, types))
			screening->hits[count++] = screening->hits[i];
	}
	screening->hits_count = count;
	qsort(screening->hits, count, sizeof(screening->hits[0]), compare_records);
}

// Which digests can be computed later with those of others: where the bytes are exact, and not many.
static unsigned int can_wait(
	const struct screening *screening, const struct whole_sets *sets, uint64_t types)
{
	const struct capture_pool *pool = screening->copy.pool;

	if (screening->what != SCREENING_EXACT || screening->is_late || pool == NULL ||
		screening->bytes > SCREENING_WAITING_BYTES ||
		pool->free_count < pool->chunks_count / 2)
		return 0;
	return missing(screening, &screening->whole, sets, types) &
	       (DIGEST_MD5 | (sha256_lanes_win() ? DIGEST_SHA256 : 0));
}

void screening_end(struct screening *screening, enum screening_what what, const char *type,
	struct screening_waiting *later, struct screening_result *out)
{
	unsigned int wait = 0;
	struct whole_sets sets;
	uint64_t types;

	*out = (struct screening_result){0};
	if (later != NULL)
		later->wanted = 0;
	if (screening == NULL)
		return;
	screening->what = (uint8_t)what;
	sets = sets_of(screening);
	types = SCREEN_ANY_TYPE | screen_type_bit(screening->owner->screen, type);
	if (screening->bytes > 0) {
		if (later != NULL)
			wait = can_wait(screening, &sets, types);
		whole_end(screening, &screening->whole, &sets, 0, types, wait);
		if (screening->body_at != NOT_YET)
			whole_end(screening, &screening->body, &body_sets, screening->body_at,
				SCREEN_ANY_TYPE, 0);
		screening_places(screening, types, true);
		screening_sections(screening, types);
		if (screening->owner->screen->windows_count > 0)
			screening_windows(screening, types, true);
	}
	settle_hits(screening, types);
	if (wait != 0)
		*later = (struct screening_waiting){
			.copy = screening->copy, .types = types, .wanted = wait};
	else
		capture_free(&screening->copy);
	*out = (struct screening_result){
		screening->hits_count, screening->hits, screening->is_partial};
}

void screening_take(struct screenings *screenings, struct screening_waiting *waiting,
	uint8_t digests[2][DIGEST_MAX_BYTES], struct screening_result *out)
{
	struct screening *spare = screenings->spare;
	uint64_t bytes = waiting->copy.bytes;

	spare->owner = screenings;
	spare->hits_count = 0;
	spare->is_partial = false;
	if ((waiting->wanted & DIGEST_MD5) != 0)
		screening_look_up(spare, set_of(screenings, SCREEN_SET_FILE, DIGEST_INDEX_MD5),
			digests[0], bytes, waiting->types);
	if ((waiting->wanted & DIGEST_SHA256) != 0)
		screening_look_up(spare, set_of(screenings, SCREEN_SET_FILE, DIGEST_INDEX_SHA256),
			digests[1], bytes, waiting->types);
	settle_hits(spare, waiting->types);
	capture_free(&waiting->copy);
	waiting->wanted = 0;
	*out = (struct screening_result){spare->hits_count, spare->hits, spare->is_partial};
}

void screening_drop(struct screening *screening)
{
	if (screening != NULL)
		capture_free(&screening->copy);
}
