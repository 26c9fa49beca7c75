// SPDX-License-Identifier: BSD-3-Clause
#include "perf/light_digest.h"

#include "perf/perf.h"
#include "scan/digest_lanes.h"

#include <stdlib.h>

#define CHUNK_BYTES 16384u
#define MOST_PARTS (2 + MAIL_MEMBERS) // of a mail

struct light_lanes {
	struct capture_pool pool;
	struct mail_bytes *parts;
	struct capture *copies;
	struct digest_job *jobs;
	uint8_t (*digests)[1][DIGEST_MAX_BYTES];
	size_t count;
};

static int compare(const void *a, const void *b)
{
	size_t x = ((const struct mail_bytes *)a)->bytes;
	size_t y = ((const struct mail_bytes *)b)->bytes;

	return (x < y) - (x > y);
}

static void gather_parts(struct light_lanes *lanes, const struct mail *set, uint32_t count)
{
	lanes->parts = perf_alloc(sizeof(*lanes->parts) * count * MOST_PARTS);
	for (uint32_t i = 0; i < count; i++) {
		lanes->parts[lanes->count++] = set[i].text;
		if (set[i].attachment.bytes > 0)
			lanes->parts[lanes->count++] = set[i].attachment;
		for (uint32_t m = 0; m < set[i].member_count; m++)
			lanes->parts[lanes->count++] = set[i].members[m];
	}
	qsort(lanes->parts, lanes->count, sizeof(*lanes->parts), compare);
}

struct light_lanes *light_lanes_new(const struct mail *set, uint32_t count)
{
	static const struct digest_form as_it_is = {{0}, 0};
	struct light_lanes *lanes = perf_alloc(sizeof(*lanes));
	size_t chunks = 0;

	gather_parts(lanes, set, count);
	for (size_t i = 0; i < lanes->count; i++)
		chunks += lanes->parts[i].bytes / CHUNK_BYTES + 2;
	perf_need(capture_pool_init(&lanes->pool, CHUNK_BYTES, (uint32_t)chunks) == 0, "memory");
	lanes->copies = perf_alloc(sizeof(*lanes->copies) * lanes->count);
	lanes->jobs = perf_alloc(sizeof(*lanes->jobs) * lanes->count);
	lanes->digests = perf_alloc(sizeof(*lanes->digests) * lanes->count);
	for (size_t i = 0; i < lanes->count; i++) {
		const struct mail_bytes *part = &lanes->parts[i];

		capture_begin(&lanes->copies[i], &lanes->pool, UINT64_MAX);
		perf_need(capture_append(&lanes->copies[i], part->data, part->bytes) == part->bytes,
			"room");
		lanes->jobs[i] = (struct digest_job){.copy = &lanes->copies[i],
			.bytes = part->bytes,
			.forms = &as_it_is,
			.wanted = 1,
			.digests = lanes->digests[i]};
	}
	return lanes;
}

void light_lanes_run(struct light_lanes *lanes)
{
	for (size_t i = 0; i < lanes->count; i += DIGEST_LANES) {
		size_t left = lanes->count - i;

		digest_lanes(DIGEST_INDEX_SHA256, &lanes->jobs[i],
			left < DIGEST_LANES ? left : DIGEST_LANES);
	}
	perf_keep(lanes->digests[0][0][0]);
}

void light_lanes_free(struct light_lanes *lanes)
{
	capture_pool_fini(&lanes->pool);
	free(lanes->parts);
	free(lanes->copies);
	free(lanes->jobs);
	free(lanes->digests);
	free(lanes);
}
