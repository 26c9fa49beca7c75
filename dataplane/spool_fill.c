// SPDX-License-Identifier: BSD-3-Clause
// Zeros for the segments that are ready, while the disk has nothing else to do. What is written where nothing was
// written yet changes what the file system knows of the file, and is durable only with its journal: that takes twice
// as long as to write over something, and the disk itself may be slower where it was never written to. A segment
// without zeros is as good but for that: it reads as zeros all the same.
#include "dataplane/spool_state.h"

#include <errno.h>

static bool is_disk_idle(const struct spool *spool)
{
	return spool->writing == 0 && spool->ready == NULL && spool->written == NULL &&
	       spool->sync.groups == NULL && spool->withdrawn == NULL &&
	       spool->prepare.step == PREPARE_IDLE;
}

// The one that will be used first.
static struct segment *next_spare(const struct spool *spool)
{
	struct segment *spare = spool->spares;

	while (spare != NULL && spare->is_filled)
		spare = spare->next;
	return spare;
}

// The device may have lost zeros of it, and no sync will say so again.
static void drop_doubtful(struct spool *spool)
{
	struct segment *spare = spool->spares;

	while (spare != NULL) {
		struct segment *next = spare->next;

		if (segment_is_doubtful(spool, spare)) {
			segment_drop(spool, spare);
			segment_end(spool, spare);
		}
		spare = next;
	}
}

static void fail(struct spool *spool, struct segment *spare)
{
	// A device that failed may have lost what groups wrote just now.
	spool->epoch++;
	spool->fill.retry_ns = spool->now_ns + RETRY_NS;
	SPOOL_COUNT(spool, segments_failed, 1);
	// It may have been given up meanwhile.
	if (!spare->closed) {
		segment_drop(spool, spare);
		segment_end(spool, spare);
	}
}

bool fill_work(struct spool *spool)
{
	struct fill *fill = &spool->fill;
	struct segment *spare;
	uint64_t left;

	drop_doubtful(spool);
	spare = next_spare(spool);
	if (fill->segment != NULL || spare == NULL || !is_disk_idle(spool) ||
		spool->now_ns < fill->retry_ns)
		return false;
	left = spool->options.segment_bytes - spare->zeroed;
	fill->request.kind = left > 0 ? SPOOL_IO_WRITE : SPOOL_IO_SYNC;
	fill->request.file = spare->file;
	fill->request.data = spool->zeros;
	fill->request.bytes = left < ZERO_BYTES ? (size_t)left : ZERO_BYTES;
	fill->request.offset = spare->zeroed;
	fill->request.durable = false;
	fill->request.buffer = -1;
	if (spool->io->ops->submit(spool->io, &fill->request) != 0)
		return false;
	fill->segment = spare;
	spare->filling = true;
	if (spare->zeroed == SPOOL_BLOCK_BYTES)
		spare->epoch = spool->epoch;
	return true;
}

void fill_done(struct spool *spool)
{
	struct fill *fill = &spool->fill;
	struct segment *spare = fill->segment;
	int64_t result = fill->request.result;

	fill->segment = NULL;
	spare->filling = false;
	if (result < 0 ||
		(fill->request.kind == SPOOL_IO_WRITE && result != (int64_t)fill->request.bytes)) {
		fail(spool, spare);
		return;
	}
	if (fill->request.kind == SPOOL_IO_WRITE) {
		spare->zeroed += (uint64_t)result;
		return;
	}
	// One that was given up meanwhile stays so.
	spare->is_filled = !segment_is_doubtful(spool, spare);
	SPOOL_COUNT(spool, segments_filled, spare->is_filled);
}
