// SPDX-License-Identifier: BSD-3-Clause
#include "scan/match_late.h"

#include "scan/match_object.h"

#include <string.h>

// The object as it is, and with the line break more that it may have had (match_set_doubtful).
static const struct digest_form forms[DIGEST_FORMS] = {{{0}, 0}, {"\r\n", 2}, {"\n", 1}};

// Hits of an object, of the ruleset's own and of the delta that may lie on it.
struct both_hits {
	const struct ruleset *ruleset;
	struct track_hits *own;
	struct track_hits *over; // NULL: no delta
};

static void note(
	struct match_digests *digests, enum digest_algorithm algorithm, const uint8_t *digest)
{
	uint8_t *outs[DIGEST_ALGORITHMS] = {digests->md5, digests->sha1, digests->sha256};

	digests->set |= 1u << algorithm;
	memcpy(outs[algorithm], digest, digest_bytes(algorithm));
}

// Returns whether an allow list names it.
static bool look_up(const struct both_hits *hits, enum digest_algorithm algorithm,
	const uint8_t *digest, uint64_t bytes)
{
	bool is_allowed = track_digest(hits->own, &hits->ruleset->hashes[algorithm], digest, bytes);

	if (hits->over != NULL &&
		track_digest(hits->over, &hits->ruleset->delta->hashes[algorithm], digest, bytes))
		is_allowed = true;
	return is_allowed;
}

static struct both_hits hits_of(struct match_object *object)
{
	return (struct both_hits){object->matcher->ruleset, &object->track.hits,
		object->over != NULL ? &object->over->track.hits : NULL};
}

static bool is_any(const struct both_hits *hits)
{
	return hits->own->count > 0 || (hits->over != NULL && hits->over->count > 0);
}

static void clear(const struct both_hits *hits)
{
	hits->own->count = 0;
	if (hits->over != NULL)
		hits->over->count = 0;
}

// Those that have run since the object was long.
static void end_running(
	struct match_object *object, const struct both_hits *hits, struct match_digests *digests)
{
	uint8_t digest[DIGEST_MAX_BYTES];

	if (object->is_doubtful && object->bytes > 0)
		match_look_up_with_break(object);
	for (enum digest_algorithm i = 0; i < DIGEST_ALGORITHMS; i++) {
		if (!match_digest_end(&object->matcher->digester, &object->digesting, i, digest))
			continue;
		note(digests, i, digest);
		if (object->bytes > 0 && look_up(hits, i, digest, object->bytes))
			digests->allowed = true;
	}
}

static void find_left(const struct match_object *object, struct digest_late *late)
{
	const bool is_doubtful = object->is_doubtful && object->bytes > 0;

	*late = (struct digest_late){.copy = object->copy.capture,
		.stream = object->digesting.running,
		.bytes = object->bytes};
	memcpy(late->forms, forms, sizeof(late->forms));
	for (enum digest_algorithm i = 0; i < DIGEST_ALGORITHMS; i++)
		for (size_t k = 0; match_digest_may_be_left(&object->digesting, i) &&
				   k < (is_doubtful ? DIGEST_FORMS : 1);
			k++)
			if (match_digest_is_left(&object->matcher->digester, &object->digesting, i,
				    forms[k].behind_bytes))
				late->wanted[i] |= (uint8_t)(1u << k);
}

static void end_left(const struct digest_late *late, const digest_late_values *values,
	const struct both_hits *hits, struct match_digests *digests)
{
	for (enum digest_algorithm i = 0; i < DIGEST_ALGORITHMS; i++) {
		for (size_t k = 0; k < DIGEST_FORMS; k++) {
			const uint8_t *digest = (*values)[i][k];
			bool is_allowed;

			if ((late->wanted[i] >> k & 1) == 0)
				continue;
			if (k == 0)
				note(digests, i, digest);
			is_allowed = late->bytes > 0 &&
				     look_up(hits, i, digest, late->bytes + forms[k].behind_bytes);
			// For the line break that it may have had nothing is allowed.
			if (k == 0 && is_allowed)
				digests->allowed = true;
		}
	}
}

// Others need the copies' chunks, too.
static bool can_wait(const struct match_object *object, const struct digest_late *left)
{
	const struct capture_pool *pool = object->copy.capture.pool;

	return !digest_late_needs_copy(left) ||
	       (object->bytes <= MATCH_LATE_BYTES && pool != NULL &&
		       pool->free_count >= pool->chunks_count / 2);
}

static void take_over(struct match_object *object, struct digest_late *left)
{
	object->digesting.running = NULL;
	if (digest_late_needs_copy(left))
		object->copy.capture = (struct capture){0};
	else
		left->copy = (struct capture){0};
}

void match_end_digests(
	struct match_object *object, struct match_digests *digests, struct digest_late *late)
{
	const struct both_hits hits = hits_of(object);
	struct digest_late left;

	digests->set = 0;
	digests->allowed = false;
	end_running(object, &hits, digests);
	find_left(object, &left);
	if (late != NULL)
		*late = (struct digest_late){0};
	if (digest_late_is_any(&left)) {
		const struct digest_late *const one = &left;
		digest_late_values values;

		if (late != NULL && !is_any(&hits) && !digests->allowed &&
			can_wait(object, &left)) {
			take_over(object, &left);
			*late = left;
			return;
		}
		digest_late_compute(&one, 1, &values);
		end_left(&left, &values, &hits, digests);
	}
	if (digests->allowed)
		clear(&hits);
}

void match_may_end(struct match_object *object)
{
	const struct both_hits hits = hits_of(object);
	struct digest_late here;
	const struct digest_late *const one = &here;
	digest_late_values values;

	if (object->bytes == 0)
		return;
	match_look_up_running(object);
	find_left(object, &here);
	if (!digest_late_is_any(&here))
		return;
	digest_late_compute(&one, 1, &values);
	// What goes on is another file than one that is allowed.
	for (enum digest_algorithm i = 0; i < DIGEST_ALGORITHMS; i++)
		if (here.wanted[i] != 0)
			(void)look_up(&hits, i, values[i][0], object->bytes);
}

void matcher_rest(struct matcher *matcher)
{
	if (matcher->digester.streams.all != NULL)
		digest_streams_rest(&matcher->digester.streams);
}

void match_expect(const struct matcher *matcher, const struct digest_late *late,
	const digest_late_values *values)
{
	const struct ruleset *ruleset = matcher->ruleset;

	for (enum digest_algorithm i = 0; i < DIGEST_ALGORITHMS; i++) {
		for (unsigned int left = late->wanted[i]; left != 0; left &= left - 1) {
			const uint8_t *digest = (*values)[i][__builtin_ctz(left)];

			hashset_expect(&ruleset->hashes[i], digest);
			if (ruleset->delta != NULL)
				hashset_expect(&ruleset->delta->hashes[i], digest);
		}
	}
}

size_t match_settle(struct matcher *matcher, struct digest_late *late, digest_late_values *values,
	struct match_hit *hits, size_t max, struct match_digests *digests)
{
	const struct ruleset *ruleset = matcher->ruleset;
	const size_t most = matcher->all_matches ? TRACK_MAX_HITS : 1;
	struct track_hits own = {.removed = ruleset->removed_bits};
	struct track_hits over = {
		.removed = ruleset->delta != NULL ? ruleset->delta->removed_bits : NULL};
	const struct both_hits both = {ruleset, &own, ruleset->delta != NULL ? &over : NULL};
	size_t count;

	*digests = (struct match_digests){0};
	end_left(late, (const digest_late_values *)values, &both, digests);
	if (digests->allowed)
		clear(&both);
	max = max < most ? max : most;
	count = match_name_hits(matcher, &own, &over, hits, max);
	matcher->had_more = matcher->all_matches && (count > max || own.more || over.more);
	digest_late_drop(late);
	return count < max ? count : max;
}
