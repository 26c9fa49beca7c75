// SPDX-License-Identifier: BSD-3-Clause
#include "scan/scan_gather.h"

#include "scan/match_late.h"
#include "scan/scan_object.h"
#include "scan/scan_pool.h"
#include "scan/scan_screen.h"

#include <assert.h>
#include <string.h>

// That are left of a message's streams: fewer, or a smaller share of them, are hashed before a packet is put aside.
#define GAIN_BYTES 1024u
#define GAIN_SHARE 2

// ---- settling ------------------------------------------------------------------------------------

static void compute(struct scan_gather *gather)
{
	const struct digest_late *matched[SCAN_GATHER];
	const struct digest_late *screened[SCAN_GATHER];

	for (size_t i = 0; i < gather->count; i++) {
		matched[i] = &gather->all[i].matched;
		screened[i] = &gather->all[i].screened.digests;
	}
	digest_late_compute(matched, gather->count, gather->matched);
	digest_late_compute(screened, gather->count, gather->screened);
	for (size_t i = 0; i < gather->count; i++)
		match_expect(gather->all[i].scan->scanner->matcher, matched[i],
			(const digest_late_values *)&gather->matched[i]);
}

static void take_screened(struct scan_gathered *one, const digest_late_values *values)
{
	struct scan *scan = one->scan;
	struct screening_result result = {one->screened.hits_count, one->screened.hits, false};

	if (digest_late_is_any(&one->screened.digests))
		screening_take(&scan->scanner->screenings, &one->screened, values, &result);
	scan_screen_add(scan, &result, one->part);
}

static void tell_digests(struct scan_part *info, const struct match_digests *digests)
{
	info->digests |= digests->set;
	if ((digests->set & DIGEST_MD5) != 0)
		memcpy(info->md5, digests->md5, sizeof(info->md5));
	if ((digests->set & DIGEST_SHA1) != 0)
		memcpy(info->sha1, digests->sha1, sizeof(info->sha1));
	if ((digests->set & DIGEST_SHA256) != 0)
		memcpy(info->sha256, digests->sha256, sizeof(info->sha256));
}

// Returns whether an allow list names the object.
static bool take_matched(struct scan_gathered *one, digest_late_values *values)
{
	struct scan *scan = one->scan;
	struct scanner *scanner = scan->scanner;
	struct match_hit *found = scanner->gather.hits;
	struct match_digests digests;
	size_t hits = match_settle(
		scanner->matcher, &one->matched, values, found, scanner->matches_room, &digests);
	const bool has_more = hits > 0 && matcher_had_more(scanner->matcher);

	for (size_t i = 0; i < hits; i++)
		object_add_match(scan, &found[i], one->part);
	if (has_more && !one->is_copy)
		scan->result.has_more_matches = true;
	if (one->is_listed)
		tell_digests(&scan->table->parts[one->part - 1], &digests);
	return digests.allowed && !one->is_copy && !one->is_unlisted;
}

static void take(struct scan_gather *gather, size_t i)
{
	struct scan_gathered *one = &gather->all[i];
	const uint32_t origin = one->scan->origin;
	bool is_allowed = false;

	one->scan->origin = one->origin;
	if (digest_late_is_any(&one->matched))
		is_allowed = take_matched(one, &gather->matched[i]);
	take_screened(one, (const digest_late_values *)&gather->screened[i]);
	if (is_allowed)
		object_allow(one->scan, one->part);
	// The message may be about to tell more of what it is at.
	one->scan->origin = origin;
}

static void empty(struct scan_gather *gather)
{
	for (size_t i = 0; i < gather->count; i++)
		gather->all[i].scan->gathered = 0;
	gather->count = 0;
	gather->bytes = 0;
}

void scanner_settle(struct scanner *scanner)
{
	struct scan_gather *gather = &scanner->gather;

	if (gather->count == 0)
		return;
	gather->is_settling = true;
	compute(gather);
	for (size_t i = 0; i < gather->count; i++)
		take(gather, i);
	gather->is_settling = false;
	empty(gather);
}

void scan_gather_settle(struct scan *scan)
{
	if (scan->gathered > 0 && !scan->scanner->gather.is_settling)
		scanner_settle(scan->scanner);
}

void scanner_rest(struct scanner *scanner)
{
	scanner_settle(scanner);
	matcher_rest(scanner->matcher);
	screenings_rest(&scanner->screenings);
}

bool scan_is_waiting(const struct scan *scan)
{
	return scan->gathered > 0;
}

static void add_left(const struct digest_late *late, uint64_t *left, uint64_t *bytes)
{
	if (late->stream == NULL || digest_lanes_worth(late->stream->running) < 2)
		return;
	*left += digest_stream_left(late->stream);
	*bytes += late->stream->bytes;
}

bool scan_gains_by_waiting(const struct scan *scan)
{
	const struct scan_gather *gather = &scan->scanner->gather;
	uint64_t left = 0;
	uint64_t bytes = 0;

	for (size_t i = 0; i < gather->count; i++) {
		const struct scan_gathered *one = &gather->all[i];

		if (one->scan != scan)
			continue;
		if (digest_late_needs_copy(&one->matched) ||
			digest_late_needs_copy(&one->screened.digests))
			return true;
		add_left(&one->matched, &left, &bytes);
		add_left(&one->screened.digests, &left, &bytes);
	}
	return left >= GAIN_BYTES && left >= bytes / GAIN_SHARE;
}

// ---- gathering -----------------------------------------------------------------------------------

static uint64_t bytes_of(const struct scan_gathered *one)
{
	return digest_late_left(&one->matched) + digest_late_left(&one->screened.digests);
}

void scan_gather_add(struct scan *scan, const struct scan_object *object,
	const struct digest_late *matched, const struct screening_late *screened)
{
	struct scanner *scanner = scan->scanner;
	struct scan_gather *gather = &scanner->gather;
	struct scan_gathered *one = &gather->all[gather->count];

	assert(!gather->is_settling && gather->count < SCAN_GATHER);
	if (!digest_late_is_any(matched) &&
		(screened == NULL || !digest_late_is_any(&screened->digests)))
		return;
	one->scan = scan;
	one->matched = *matched;
	one->screened.digests = (struct digest_late){0};
	one->screened.hits_count = 0;
	if (screened != NULL &&
		(digest_late_is_any(&screened->digests) || screened->hits_count > 0))
		one->screened = *screened;
	one->part = object->part;
	one->origin = scan->origin;
	one->is_copy = screened == NULL;
	one->is_listed = object->is_listed && !one->is_copy;
	one->is_unlisted = object->is_unlisted;
	gather->count++;
	one->bytes = bytes_of(one);
	gather->bytes += one->bytes;
	scan->gathered++;
	if (gather->count == SCAN_GATHER || gather->bytes > SCAN_GATHER_BYTES)
		scanner_settle(scanner);
}

void scan_gather_drop(struct scan *scan)
{
	struct scan_gather *gather = &scan->scanner->gather;
	size_t count = 0;

	if (scan->gathered == 0)
		return;
	for (size_t i = 0; i < gather->count; i++) {
		struct scan_gathered *one = &gather->all[i];

		if (one->scan == scan) {
			gather->bytes -= one->bytes;
			digest_late_drop(&one->matched);
			screening_late_drop(&one->screened);
		} else {
			gather->all[count++] = *one;
		}
	}
	gather->count = count;
	scan->gathered = 0;
}
