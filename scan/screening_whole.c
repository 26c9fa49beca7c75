// SPDX-License-Identifier: BSD-3-Clause
#include "scan/screening_whole.h"

#include <string.h>

#define BREAK_BYTES SCREENING_BREAK_BYTES

const struct screen_set *screening_set_of(
	const struct screenings *screenings, enum screen_set_kind kind, unsigned int algorithm)
{
	return &screenings->screen->sets[kind][algorithm];
}

void screening_whole_begin(
	struct screening_whole *whole, struct digest_streams *streams, unsigned int running)
{
	whole->stream = running != 0 ? digest_stream_begin(streams, running) : NULL;
	whole->running = running;
	whole->late.running = 0;
	whole->bytes = 0;
	whole->held_bytes = 0;
}

void screening_whole_drop(struct screening_whole *whole)
{
	digest_stream_free(whole->stream);
	whole->stream = NULL;
}

static void feed_both(struct screening_whole *whole, const uint8_t *data, size_t n)
{
	if (n == 0)
		return;
	if (whole->stream != NULL)
		digest_stream_feed(whole->stream, data, n);
	digest_feed(&whole->late, data, n);
}

void screening_whole_feed(struct screening_whole *whole, const uint8_t *data, size_t n)
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

static bool can_be(const struct screening *screening, const struct screening_sets *sets,
	unsigned int algorithm, uint64_t bytes, uint64_t types)
{
	for (size_t i = 0; i < sets->count; i++)
		if (screen_can_be(screening_set_of(screening->owner, sets->kinds[i], algorithm),
			    bytes, types))
			return true;
	return false;
}

// One form of it: what the digests were fed, and these bytes behind.
struct form {
	const struct screening_whole *whole;
	const struct screening_sets *sets;
	uint64_t types;
	const uint8_t *behind;
	size_t behind_bytes;
	uint64_t bytes;
};

static void look_up_form(struct screening *screening, const struct form *of, unsigned int algorithm,
	const uint8_t *digest)
{
	for (size_t i = 0; i < of->sets->count && of->bytes > 0; i++)
		screening_look_up(screening,
			screening_set_of(screening->owner, of->sets->kinds[i], algorithm), digest,
			of->bytes, of->types);
}

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
		look_up_form(screening, form, i, value);
	}
}

// As it is and, where the last line break is in doubt, without one or with one more. Returns how many.
size_t screening_forms_of(
	const struct screening_whole *whole, bool is_doubtful, struct digest_form *forms)
{
	const uint8_t held = whole->held_bytes;
	const uint8_t *last = whole->held;

	for (size_t i = 0; i < DIGEST_FORMS; i++) {
		memcpy(forms[i].behind, last, held);
		forms[i].behind_bytes = held;
	}
	if (!is_doubtful || held == 0)
		return 1;
	if (last[held - 1] == '\n') {
		forms[1].behind_bytes =
			(uint8_t)(held -
				  (held == BREAK_BYTES && last[0] == '\r' ? BREAK_BYTES : 1));
		return 2;
	}
	memcpy(forms[1].behind + held, "\r\n", BREAK_BYTES);
	forms[1].behind_bytes = (uint8_t)(held + BREAK_BYTES);
	forms[2].behind[held] = '\n';
	forms[2].behind_bytes = (uint8_t)(held + 1);
	return 3;
}

static void try_forms(struct screening *screening, const struct digest *fed, const struct form *of,
	bool is_doubtful)
{
	const struct screening_whole *whole = of->whole;
	struct digest_form forms[DIGEST_FORMS];
	size_t count = screening_forms_of(whole, is_doubtful, forms);
	struct form form = *of;

	for (size_t i = 0; i < count; i++) {
		form.behind = forms[i].behind;
		form.behind_bytes = forms[i].behind_bytes;
		form.bytes = whole->bytes - whole->held_bytes + form.behind_bytes;
		try_form(screening, fed, &form);
	}
}

// Which digests that did not run may be on the list.
unsigned int screening_missing(const struct screening *screening,
	const struct screening_whole *whole, const struct screening_sets *sets, uint64_t types)
{
	uint64_t least = whole->bytes > BREAK_BYTES ? whole->bytes - BREAK_BYTES : 1;
	unsigned int wanted = 0;

	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		if (((whole->running | whole->late.running) >> i & 1) != 0)
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

void screening_look_up_late(struct screening *screening, const struct screening_sets *sets,
	const struct digest_late *late, const digest_late_values *values, uint64_t types)
{
	struct form form = {.sets = sets, .types = types};

	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		for (size_t k = 0; k < DIGEST_FORMS; k++) {
			form.bytes = late->bytes + late->forms[k].behind_bytes;
			if ((late->wanted[i] >> k & 1) != 0)
				look_up_form(screening, &form, i, (*values)[i][k]);
		}
	}
}

// Those that have run from the start.
static void end_stream(struct screening *screening, const struct form *of, bool is_doubtful)
{
	const struct screening_whole *whole = of->whole;
	struct digest_late late = {.stream = whole->stream, .bytes = whole->stream->bytes};
	const struct digest_late *const one = &late;
	size_t count = screening_forms_of(whole, is_doubtful, late.forms);
	digest_late_values values;

	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++)
		if ((whole->running >> i & 1) != 0)
			late.wanted[i] = (uint8_t)((1u << count) - 1);
	digest_late_compute(&one, 1, &values);
	screening_look_up_late(
		screening, of->sets, &late, (const digest_late_values *)&values, of->types);
}

// from: where it begins in the copy. wait: digests that are computed later.
void screening_whole_end(struct screening *screening, const struct screening_whole *whole,
	const struct screening_sets *sets, uint64_t from, uint64_t types, unsigned int wait)
{
	struct form form = {.whole = whole, .sets = sets, .types = types};
	bool is_doubtful = screening->what != SCREENING_EXACT;
	struct digest digest;

	if (whole->stream != NULL)
		end_stream(screening, &form, is_doubtful);
	if (screening->is_late) {
		try_forms(screening, &whole->late, &form, is_doubtful);
		return;
	}
	digest_begin(&digest, screening_missing(screening, whole, sets, types) & ~wait);
	if (digest.running == 0)
		return;
	if (screening_digest_of(screening, from, whole->bytes - whole->held_bytes, &digest))
		try_forms(screening, &digest, &form, is_doubtful);
	else
		screening->is_partial = true;
}

struct screening_sets screening_sets_of(const struct screening *screening)
{
	return (struct screening_sets){{SCREEN_SET_FILE, SCREEN_SET_MESSAGE},
		screening->what == SCREENING_MESSAGE ? 2 : 1};
}

const struct screening_sets screening_body_sets = {{SCREEN_SET_BODY}, 1};

// Which can still be on the list when it is over, if it is as long as this by now.
unsigned int screening_late_of(const struct screening *screening,
	const struct screening_whole *whole, const struct screening_sets *sets, uint64_t types)
{
	unsigned int wanted = 0;

	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		for (size_t k = 0; k < sets->count; k++) {
			const struct screen_set *set =
				screening_set_of(screening->owner, sets->kinds[k], i);

			if ((set->any_size & types) != 0 ||
				((set->sized & types) != 0 &&
					set->max_bytes + BREAK_BYTES >= whole->bytes))
				wanted |= 1u << i;
		}
	}
	return wanted & ~whole->running;
}

void screening_whole_begin_late(struct screening *screening, struct screening_whole *whole,
	const struct screening_sets *sets, uint64_t from, uint64_t types)
{
	digest_begin(&whole->late, screening_late_of(screening, whole, sets, types));
	if (whole->late.running != 0 && !screening_digest_of(screening, from,
						whole->bytes - whole->held_bytes, &whole->late))
		screening->is_partial = true;
}
