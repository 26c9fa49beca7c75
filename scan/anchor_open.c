// SPDX-License-Identifier: BSD-3-Clause
#include "scan/anchor.h"
#include "scan/ruleset.h"

#include <assert.h>
#include <errno.h>

#define MAX_LOG 28

static_assert(sizeof(struct anchor_header) == 64, "image format");
static_assert(sizeof(struct anchor_entry) == 16, "image format");
static_assert(sizeof(struct anchor_place) == 24, "image format");

// What is yet to be read of the image.
struct rest {
	const uint8_t *data;
	uint64_t bytes;
};

static const void *take(struct rest *rest, uint64_t bytes)
{
	const void *data = rest->data;

	// Each piece is aligned like the entries.
	bytes = (bytes + 15) & ~UINT64_C(15);
	if (bytes > rest->bytes)
		return NULL;
	rest->data += bytes;
	rest->bytes -= bytes;
	return data;
}

static int open_windows(struct rest *rest, struct anchor_windows *windows)
{
	const uint32_t *buckets;

	if (windows->entries_count == 0)
		return 0;
	if (windows->sieve_log < 7 || windows->sieve_log > MAX_LOG || windows->words_log < 1 ||
		windows->words_log > MAX_LOG || windows->buckets_log < 1 ||
		windows->buckets_log > MAX_LOG)
		return -EBADMSG;
	windows->sieve = take(rest, UINT64_C(1) << (windows->sieve_log - 3));
	windows->filter = take(rest, (UINT64_C(1) << windows->words_log) * sizeof(uint32_t));
	buckets = take(rest, ((UINT64_C(1) << windows->buckets_log) + 1) * sizeof(uint32_t));
	windows->entries =
		take(rest, windows->entries_count * (uint64_t)sizeof(struct anchor_entry));
	windows->buckets = buckets;
	if (windows->sieve == NULL || windows->filter == NULL || buckets == NULL ||
		windows->entries == NULL)
		return -EBADMSG;
	for (uint64_t i = 0; i < UINT64_C(1) << windows->buckets_log; i++)
		if (buckets[i] > buckets[i + 1])
			return -EBADMSG;
	return buckets[UINT64_C(1) << windows->buckets_log] == windows->entries_count ? 0
										      : -EBADMSG;
}

int anchor_open(const void *data, size_t bytes, struct anchor_table *out)
{
	const struct anchor_header *header = data;
	struct rest rest = {data, bytes};
	int err = 0;

	if (out->is_there || take(&rest, sizeof(*header)) == NULL || header->bytes != bytes ||
		header->reach > ANCHOR_HISTORY)
		return -EBADMSG;
	out->is_there = true;
	out->reach = header->reach;
	for (unsigned int i = 0; i < ANCHOR_KINDS && err == 0; i++) {
		out->kinds[i].entries_count = header->kinds[i].entries_count;
		out->kinds[i].words_log = header->kinds[i].words_log;
		out->kinds[i].sieve_log = header->kinds[i].sieve_log;
		out->kinds[i].buckets_log = header->kinds[i].buckets_log;
		err = open_windows(&rest, &out->kinds[i]);
	}
	if (err != 0)
		return err;
	out->places_count = header->places_count;
	out->places = take(&rest, out->places_count * (uint64_t)sizeof(struct anchor_place));
	return out->places != NULL ? 0 : -EBADMSG;
}

static bool is_checked(const struct ruleset *ruleset, uint32_t expression)
{
	return expression < ruleset->expressions_count &&
	       ruleset->expressions[expression].check_kind != RULESET_CHECK_NONE;
}

int anchor_check(const struct anchor_table *table, const struct ruleset *ruleset)
{
	for (unsigned int i = 0; i < ANCHOR_KINDS; i++) {
		const struct anchor_windows *windows = &table->kinds[i];

		for (uint32_t at = 0; at < windows->entries_count; at++)
			if (!is_checked(ruleset, windows->entries[at].expression))
				return -EBADMSG;
	}
	for (uint32_t i = 0; i < table->places_count; i++)
		if (!is_checked(ruleset, table->places[i].expression) ||
			table->places[i].offset_from > RULESET_OFFSET_LAST_SECTION)
			return -EBADMSG;
	return 0;
}
