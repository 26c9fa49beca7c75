// SPDX-License-Identifier: BSD-3-Clause
// The files: one in use, some ready, some that records in progress still need. A file is made in steps,
// one request at a time: allocate, header, sync, rename, sync of the directory. Then it can be used; zeros come later
// (spool_fill.c).
#include "dataplane/spool_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void segment_drop(struct spool *spool, struct segment *spare)
{
	struct segment **link = &spool->spares;

	while (*link != spare)
		link = &(*link)->next;
	*link = spare->next;
	spare->next = NULL;
	spool->spares_count--;
	link = &spool->old;
	while (*link != NULL)
		link = &(*link)->next;
	*link = spare;
}

// One that zeros are on their way to must wait for them: they would take the place of what it is given. Of the
// others one that is filled is the fastest.
static struct segment *best_spare(const struct spool *spool)
{
	struct segment *best = NULL;

	for (struct segment *spare = spool->spares; spare != NULL; spare = spare->next) {
		if (!spare->filling && !segment_is_doubtful(spool, spare) &&
			(best == NULL || (spare->is_filled && !best->is_filled)))
			best = spare;
	}
	return best;
}

bool segment_is_doubtful(const struct spool *spool, const struct segment *segment)
{
	return !segment->is_filled && segment->zeroed > SPOOL_BLOCK_BYTES &&
	       segment->epoch != spool->epoch;
}

// Groups that are on their way all have room in the window. But what failed with something else, and so did not end
// this segment, left its place empty, and was written again behind it: after a second time of that the next group
// would be durable where no reader looks that has not just started.
static bool is_too_far(const struct segment *segment, size_t bytes)
{
	return segment->used + bytes - segment->durable > WINDOW_BYTES;
}

struct segment *segment_with_room(struct spool *spool, size_t bytes)
{
	struct segment *spare;

	if (spool->active != NULL &&
		(is_too_far(spool->active, bytes) || segment_is_doubtful(spool, spool->active)))
		segment_end(spool, spool->active);
	if (spool->active != NULL && spool->options.segment_bytes - spool->active->used >= bytes)
		return spool->active;
	spare = best_spare(spool);
	if (spare == NULL)
		return NULL;
	if (spool->active != NULL)
		segment_end(spool, spool->active);
	segment_drop(spool, spare);
	spool->active = spare;
	return spool->active;
}

void segment_end(struct spool *spool, struct segment *segment)
{
	segment->closed = true;
	if (spool->active == segment)
		spool->active = NULL;
}

void segment_end_all(struct spool *spool)
{
	if (spool->active != NULL)
		segment_end(spool, spool->active);
	while (spool->spares != NULL) {
		struct segment *spare = spool->spares;

		segment_drop(spool, spare);
		segment_end(spool, spare);
	}
}

// ---- removed by somebody else --------------------------------------------------------------------

static bool note_removed(struct spool *spool, struct segment *segment)
{
	if (segment->is_removed || spool->io->ops->is_linked(spool->io, segment->file))
		return false;
	segment->is_removed = true;
	SPOOL_COUNT(spool, segments_removed, 1);
	return true;
}

static bool drop_removed_spares(struct spool *spool)
{
	struct segment *spare = spool->spares;
	bool any = false;

	while (spare != NULL) {
		struct segment *next = spare->next;

		if (note_removed(spool, spare)) {
			segment_drop(spool, spare);
			segment_end(spool, spare);
			any = true;
		}
		spare = next;
	}
	return any;
}

void segment_watch(struct spool *spool)
{
	bool any = drop_removed_spares(spool);

	for (struct segment *segment = spool->old; segment != NULL; segment = segment->next)
		any |= note_removed(spool, segment);
	if (!any)
		return;
	if (spool->active != NULL && spool->active->is_removed)
		segment_end(spool, spool->active);
	spool->epoch++;
	record_fail_placed(spool, -ENOENT);
}

// ---- requests -----------------------------------------------------------------------------------

static int submit(struct spool *spool, struct spool_request *request, enum spool_io_kind kind)
{
	request->kind = kind;
	request->durable = false;
	request->buffer = -1;
	return spool->io->ops->submit(spool->io, request);
}

// A file in which nothing was ever asked to be written but its header and zeros.
static bool is_unused(const struct segment *segment)
{
	return segment->used == SPOOL_BLOCK_BYTES;
}

// The oldest first, and none before an older one: a record in progress holds its first segment, and so
// all that came later. But nothing holds one that was not used.
static struct segment **find_ended(struct spool *spool)
{
	struct segment **link = &spool->old;

	for (; *link != NULL; link = &(*link)->next) {
		const struct segment *segment = *link;

		if (segment->closed && segment->groups == 0 && segment->records == 0 &&
			!segment->filling && (link == &spool->old || is_unused(segment)))
			return link;
	}
	return NULL;
}

// What is of no use to anybody is removed, while it is locked.
static bool close_old(struct spool *spool)
{
	struct segment **link;
	bool any = false;

	while ((link = find_ended(spool)) != NULL) {
		struct segment *segment = *link;

		segment->request.file = segment->file;
		segment->request.name = segment->name;
		segment->request.owner = segment;
		if (submit(spool, &segment->request,
			    is_unused(segment) ? SPOOL_IO_REMOVE : SPOOL_IO_CLOSE) != 0)
			break;
		*link = segment->next;
		spool->closing++;
		any = true;
	}
	return any;
}

static void close_done(struct spool *spool, struct segment *segment)
{
	// One that could not be removed is left to housekeeping.
	if (segment->request.kind == SPOOL_IO_REMOVE &&
		submit(spool, &segment->request, SPOOL_IO_CLOSE) == 0)
		return;
	spool->closing--;
	free(segment);
}

// ---- making one ----------------------------------------------------------------------------------

// Takes back what was made, step by step. error 0: it is no use, but nothing is wrong with the next one.
static void prepare_fail(struct spool *spool, int error)
{
	struct prepare *prepare = &spool->prepare;

	if (prepare->step < PREPARE_CLOSE && error != 0) {
		// A device that failed may have lost what groups wrote just now.
		if (prepare->step >= PREPARE_HEADER)
			spool->epoch++;
		prepare->error = error;
		prepare->retry_ns = spool->now_ns + RETRY_NS;
		SPOOL_COUNT(spool, segments_failed, 1);
	}
	if (prepare->segment->file >= 0) {
		prepare->step = PREPARE_CLOSE;
		prepare->request.file = prepare->segment->file;
		prepare->segment->file = -1;
		if (submit(spool, &prepare->request, SPOOL_IO_CLOSE) == 0)
			return;
	}
	if (prepare->step == PREPARE_CLOSE) {
		prepare->step = PREPARE_REMOVE;
		prepare->request.name = prepare->name;
		if (submit(spool, &prepare->request, SPOOL_IO_REMOVE) == 0)
			return;
	}
	free(prepare->segment);
	prepare->segment = NULL;
	prepare->step = PREPARE_IDLE;
}

static void prepare_submit(struct spool *spool, enum prepare_step step, enum spool_io_kind kind)
{
	int err = submit(spool, &spool->prepare.request, kind);

	spool->prepare.step = step;
	if (err != 0)
		prepare_fail(spool, err);
}

static int make_header(struct spool *spool)
{
	const struct spool_segment_info info = {
		.bytes = spool->options.segment_bytes, .window_bytes = WINDOW_BYTES};
	struct spool_chunk chunk = {.kind = SPOOL_KIND_SEGMENT,
		.flags = SPOOL_CHUNK_FINAL,
		.index = spool->next_segment,
		.id = {spool->run, 0}};
	uint8_t content[64];
	struct iovec piece = {content, 0};
	size_t n;

	piece.iov_len =
		(size_t)(spool_put_segment(content, content + sizeof(content), &info) - content);
	chunk.body_bytes = (uint32_t)piece.iov_len;
	n = spool_chunk_seal(spool->sealer, &chunk, &piece, spool->header);
	if (n == 0)
		return -EIO;
	(void)spool_chunk_pad(spool->header, n);
	return 0;
}

static void prepare_begin(struct spool *spool)
{
	struct prepare *prepare = &spool->prepare;

	prepare->segment = calloc(1, sizeof(*prepare->segment));
	if (prepare->segment == NULL) {
		prepare->error = -ENOMEM;
		prepare->retry_ns = spool->now_ns + RETRY_NS;
		return;
	}
	prepare->segment->file = -1;
	prepare->segment->used = SPOOL_BLOCK_BYTES;
	prepare->segment->durable = SPOOL_BLOCK_BYTES;
	prepare->epoch = spool->epoch;
	spool->next_segment++;
	(void)snprintf(prepare->name, sizeof(prepare->name), "%s-%016" PRIx64 "-%08" PRIx32 ".new",
		spool->name, spool->run, spool->next_segment);
	(void)snprintf(prepare->segment->name, sizeof(prepare->segment->name),
		"%s-%016" PRIx64 "-%08" PRIx32 ".seg", spool->name, spool->run,
		spool->next_segment);
	prepare->request.name = spool->name;
	prepare_submit(spool, PREPARE_USAGE, SPOOL_IO_USAGE);
}

static void prepare_header(struct spool *spool)
{
	struct prepare *prepare = &spool->prepare;

	prepare->request.file = prepare->segment->file;
	prepare->request.offset = 0;
	prepare->request.data = spool->header;
	prepare->request.bytes = SPOOL_BLOCK_BYTES;
	prepare_submit(spool, PREPARE_HEADER, SPOOL_IO_WRITE);
}

// What of the files nothing was written to, and nothing counts against the quota for.
static uint64_t unused_bytes(const struct spool *spool)
{
	const struct prepare *prepare = &spool->prepare;
	uint64_t bytes = spool->spares_count * spool->options.segment_bytes;

	if (spool->active != NULL)
		bytes += spool->options.segment_bytes - spool->active->used;
	if (prepare->segment != NULL && prepare->segment->file >= 0)
		bytes += spool->options.segment_bytes;
	return bytes;
}

static void set_usage(struct spool *spool)
{
	uint64_t quota = spool->options.quota_bytes;
	uint64_t unused = unused_bytes(spool);
	uint64_t bytes = spool->files_bytes > unused ? spool->files_bytes - unused : 0;
	uint64_t percent = quota != 0 ? bytes * 100 / quota : 0;
	uint64_t level = 0;

	while (level < SPOOL_LEVELS && spool->options.levels[level] != 0 &&
		percent >= spool->options.levels[level])
		level++;
	spool->is_over_quota = quota != 0 && bytes >= quota;
	SPOOL_SET(spool, usage_bytes, bytes);
	SPOOL_SET(spool, fill_percent, percent);
	SPOOL_SET(spool, fill_level, level);
}

static void prepare_create(struct spool *spool)
{
	struct prepare *prepare = &spool->prepare;
	int err = make_header(spool);

	spool->files_bytes = (uint64_t)prepare->request.result;
	if (err != 0) {
		prepare_fail(spool, err);
		return;
	}
	prepare->request.name = prepare->name;
	prepare->request.bytes = spool->options.segment_bytes;
	prepare_submit(spool, PREPARE_CREATE, SPOOL_IO_CREATE);
}

static void prepare_ready(struct spool *spool)
{
	struct segment **link = &spool->spares;

	while (*link != NULL)
		link = &(*link)->next;
	*link = spool->prepare.segment;
	spool->prepare.segment = NULL;
	spool->prepare.step = PREPARE_IDLE;
	spool->prepare.error = 0;
	spool->prepare.retry_ns = 0;
	spool->spares_count++;
	SPOOL_COUNT(spool, segments_made, 1);
}

static void prepare_done(struct spool *spool)
{
	struct prepare *prepare = &spool->prepare;
	int64_t result = prepare->request.result;

	if (result >= 0 && prepare->step == PREPARE_HEADER &&
		result != (int64_t)prepare->request.bytes)
		result = -EIO;
	// Somebody removed it: what is true of the directory the next one tells.
	if (result == -ENOENT && prepare->step == PREPARE_RENAME) {
		prepare_fail(spool, 0);
		return;
	}
	if (result < 0 || prepare->step >= PREPARE_CLOSE) {
		prepare_fail(spool, (int)result);
		return;
	}
	switch (prepare->step) {
	case PREPARE_USAGE:
		prepare_create(spool);
		break;
	case PREPARE_CREATE:
		prepare->segment->file = (int)result;
		spool->files_bytes += spool->options.segment_bytes;
		prepare_header(spool);
		break;
	case PREPARE_HEADER:
		prepare->segment->zeroed = SPOOL_BLOCK_BYTES;
		prepare_submit(spool, PREPARE_SYNC, SPOOL_IO_SYNC);
		break;
	case PREPARE_SYNC:
		prepare->request.new_name = prepare->segment->name;
		prepare_submit(spool, PREPARE_RENAME, SPOOL_IO_RENAME);
		break;
	case PREPARE_RENAME:
		// What is removed if the next step fails.
		memcpy(prepare->name, prepare->segment->name, sizeof(prepare->name));
		prepare_submit(spool, PREPARE_SYNC_DIRECTORY, SPOOL_IO_SYNC_DIRECTORY);
		break;
	case PREPARE_SYNC_DIRECTORY:
		// Nor is this file to be trusted when something failed while it was made.
		if (prepare->epoch == spool->epoch)
			prepare_ready(spool);
		else
			prepare_fail(spool, 0);
		break;
	case PREPARE_IDLE:
	case PREPARE_CLOSE:
	case PREPARE_REMOVE:
		break;
	}
}

// ---- all together --------------------------------------------------------------------------------

void segment_request_done(struct spool *spool, struct spool_request *request)
{
	if (request == &spool->prepare.request) {
		prepare_done(spool);
	} else if (request == &spool->fill.request) {
		fill_done(spool);
	} else if (request == &spool->usage) {
		spool->usage_going = false;
		if (request->result >= 0)
			spool->files_bytes = (uint64_t)request->result;
	} else {
		close_done(spool, request->owner);
	}
}

static void set_refusal(struct spool *spool)
{
	uint64_t room = 0;
	int published;

	if (spool->active != NULL)
		room = spool->options.segment_bytes - spool->active->used;
	spool->refusal = spool->spares == NULL && room < GROUP_BYTES ? spool->prepare.error : 0;
	// What was begun before is stored all the same: it is no more than workers have memory for.
	published = spool->refusal == 0 && spool->is_over_quota ? -EDQUOT : spool->refusal;
	atomic_store_explicit(&spool->published_refusal, published, memory_order_relaxed);
	SPOOL_SET(spool, refusal, (uint64_t)-published);
}

bool segment_work(struct spool *spool)
{
	bool any = close_old(spool);

	if (spool->prepare.step == PREPARE_IDLE && spool->spares_count < spool->options.spares &&
		spool->now_ns >= spool->prepare.retry_ns) {
		prepare_begin(spool);
		any = true;
	}
	any |= fill_work(spool);
	if (!spool->usage_going && spool->now_ns >= spool->usage_ns) {
		segment_watch(spool);
		spool->usage.name = spool->name;
		spool->usage_going = submit(spool, &spool->usage, SPOOL_IO_USAGE) == 0;
		spool->usage_ns = spool->now_ns + RETRY_NS;
	}
	set_usage(spool);
	set_refusal(spool);
	return any;
}

static int64_t do_now(struct spool *spool, struct spool_request *request, enum spool_io_kind kind)
{
	struct spool_request *done = NULL;

	if (submit(spool, request, kind) != 0)
		return -EIO;
	while (done != request)
		done = spool->io->ops->reap(spool->io, RETRY_NS);
	return request->result;
}

static void close_list(struct spool *spool, struct segment *segment)
{
	while (segment != NULL) {
		struct segment *next = segment->next;

		segment->request.file = segment->file;
		segment->request.name = segment->name;
		if (is_unused(segment))
			(void)do_now(spool, &segment->request, SPOOL_IO_REMOVE);
		(void)do_now(spool, &segment->request, SPOOL_IO_CLOSE);
		free(segment);
		segment = next;
	}
}

void segment_close_all(struct spool *spool)
{
	close_list(spool, spool->spares);
	close_list(spool, spool->old);
}
