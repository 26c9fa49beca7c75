// SPDX-License-Identifier: BSD-3-Clause
// Finds the chunks of a file. A segment was all zeros when it came into use, and no stretch of 512 bytes
// of cipher text is: so what a write that was cut short has left shows by its zeros, and is told from what
// was altered later. What was written leaves no zeros where a chunk might begin: its last block is filled with
// SPOOL_PAD.
#include "dataplane/spoolfile_store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR_BYTES 512u
#define GLANCE_BYTES STORE_VIEW_BYTES // of zeros

struct scan {
	struct spoolfile *store;
	int fd;
	bool in_log;
	uint64_t bytes;    // of the file
	uint64_t view_at;  // place of store->view in it
	size_t view_bytes; // that are there
	bool unreadable;
	// What lies before the place that is looked at:
	uint64_t covered;    // up to here it belongs to a bad chunk that was counted
	uint64_t zero_bytes; // how many in a row are zero
	bool taken;          // the last place held a good chunk, or filled up the block of one
	bool after_zero;     // since the last chunk there were zeros where one may have begun
};

struct view_read {
	int fd;
	uint8_t *out;
	uint64_t offset;
	size_t want;
	size_t done;
};

static void read_view(void *ctx)
{
	struct view_read *job = ctx;

	while (job->done < job->want) {
		ssize_t part = pread(job->fd, job->out + job->done, job->want - job->done,
			(off_t)(job->offset + job->done));

		if (part < 0 && errno == EINTR)
			continue;
		if (part <= 0)
			break;
		job->done += (size_t)part;
	}
}

// Of what writers put past the page cache the disk is asked, which may be busy with their writes.
static void move_view(struct scan *scan, uint64_t offset)
{
	struct spoolfile *store = scan->store;
	uint64_t left = scan->bytes - offset;
	struct view_read job = {.fd = scan->fd,
		.out = store->view,
		.offset = offset,
		.want = left < STORE_VIEW_BYTES ? (size_t)left : STORE_VIEW_BYTES};

	if (store->wait != NULL)
		store->wait(read_view, &job);
	else
		read_view(&job);
	scan->view_at = offset;
	scan->view_bytes = job.done;
}

// Up to want bytes at offset, *got of them; NULL when they cannot be read.
static const uint8_t *look(struct scan *scan, uint64_t offset, size_t want, size_t *got)
{
	uint64_t left = scan->bytes - offset;

	if (want > left)
		want = (size_t)left;
	if (offset < scan->view_at || offset + want > scan->view_at + scan->view_bytes) {
		move_view(scan, offset);
		if (scan->view_bytes < want) {
			scan->unreadable = true;
			return NULL;
		}
	}
	*got = want;
	return scan->store->view + (offset - scan->view_at);
}

static bool is_zero(const uint8_t *data, size_t n)
{
	return n == 0 || (data[0] == 0 && memcmp(data, data + 1, n - 1) == 0);
}

static bool is_pad(const uint8_t *data, size_t n)
{
	return data[0] == SPOOL_PAD && memcmp(data, data + 1, n - 1) == 0;
}

// Whether a sector in which some of these bytes of the file lie is all zeros.
static bool has_zero_sector(struct scan *scan, uint64_t from, uint64_t end)
{
	for (uint64_t at = from / SECTOR_BYTES * SECTOR_BYTES; at < end; at += SECTOR_BYTES) {
		size_t got;
		const uint8_t *data = look(scan, at, SECTOR_BYTES, &got);

		if (data == NULL)
			return false;
		if (is_zero(data, got))
			return true;
	}
	return false;
}

static void note_bad(struct scan *scan, const struct store_file *file, uint64_t offset,
	struct spool_id id, int error)
{
	struct spoolfile_stats *stats = &scan->store->stats;

	if (stats->chunks_bad < SPOOLFILE_BAD) {
		struct spoolfile_bad *bad = &stats->bad[stats->chunks_bad];

		memcpy(bad->file, file->name, sizeof(bad->file));
		bad->offset = offset;
		bad->id = id;
		bad->error = error;
	}
	stats->chunks_bad++;
}

// What an authentic chunk must be besides.
static bool is_sound(const struct spool_chunk *chunk, const uint8_t *content, bool in_log)
{
	struct spool_change change;
	struct spool_reason reason;

	if (in_log && chunk->kind != SPOOL_KIND_STATE)
		return false;
	if (chunk->kind == SPOOL_KIND_STATE)
		return spool_get_change(content, spool_chunk_content(chunk), &change) == 0;
	if (chunk->kind == SPOOL_KIND_SEGMENT)
		return true;
	if (chunk->index == UINT32_MAX ||
		(chunk->index == 0 && chunk->head_bytes < SPOOL_HEAD_LEAST))
		return false;
	if ((chunk->flags & SPOOL_CHUNK_FINAL) == 0)
		return chunk->tail_bytes == 0;
	// Of the reason the state alone is wanted here.
	reason.state = SPOOL_HELD;
	if (chunk->tail_bytes > 0)
		reason.state = (enum spool_state)content[chunk->head_bytes + chunk->body_bytes];
	return chunk->tail_bytes > 0 &&
	       (reason.state == SPOOL_HELD || reason.state == SPOOL_QUARANTINED);
}

// Reads the chunk whose header is at offset into store->plain. Returns 0, -EBADMSG, -ENOKEY or -ENOMEM;
// *torn tells a bad one that was never written whole.
static int read_chunk(struct scan *scan, uint64_t offset, struct spool_chunk *chunk, bool *torn)
{
	size_t stored;
	size_t got;
	const uint8_t *data = look(scan, offset, SPOOL_HEADER_BYTES, &got);
	int err;

	*torn = false;
	if (data == NULL)
		return -EBADMSG;
	*torn = got < SPOOL_HEADER_BYTES;
	if (*torn)
		return -EBADMSG;
	err = spool_chunk_parse(data, chunk);
	if (err != 0) {
		memset(chunk, 0, sizeof(*chunk));
		return err;
	}
	stored = SPOOL_HEADER_BYTES + spool_chunk_content(chunk);
	data = look(scan, offset, stored, &got);
	if (data == NULL)
		return -EBADMSG;
	*torn = got < stored;
	if (*torn)
		return -EBADMSG;
	err = spool_chunk_unseal(scan->store->opener, data, chunk, scan->store->plain);
	if (err == 0 && !is_sound(chunk, scan->store->plain, scan->in_log))
		err = -EBADMSG;
	if (err == -EBADMSG)
		*torn = (scan->in_log && offset + stored >= scan->bytes) ||
			has_zero_sector(scan, offset, offset + stored);
	return err;
}

static int take_chunk(
	struct scan *scan, uint32_t file, uint64_t offset, const struct spool_chunk *chunk)
{
	struct spoolfile *store = scan->store;
	struct spool_segment_info info;
	struct spool_change change;

	switch (chunk->kind) {
	case SPOOL_KIND_RECORD:
		return store_add_chunk(store, file, offset, chunk, store->plain);
	case SPOOL_KIND_STATE:
		if (spool_get_change(store->plain, spool_chunk_content(chunk), &change) != 0)
			return 0;
		return store_add_change(store, file, offset, &change);
	case SPOOL_KIND_SEGMENT:
		if (spool_get_segment(store->plain, spool_chunk_content(chunk), &info) == 0)
			store->files[file].window = info.window_bytes;
		return 0;
	}
	return 0;
}

// A place that holds neither a chunk nor zeros. Returns whether it is the first of something altered.
static bool is_foreign(struct scan *scan, uint64_t offset, size_t n)
{
	// Too short for anything: the end of a log that was torn.
	if (offset < scan->covered || scan->after_zero || n < sizeof(uint64_t))
		return false;
	scan->covered = UINT64_MAX; // until the next chunk
	return true;
}

// Bytes of zeros at a place that has some: a block, where there is a whole one.
static size_t zeros_at(struct scan *scan, uint64_t at, size_t n)
{
	size_t got = 0;
	const uint8_t *data = NULL;

	if (at % SPOOL_BLOCK_BYTES == 0 && !scan->in_log)
		data = look(scan, at, SPOOL_BLOCK_BYTES, &got);
	return data != NULL && is_zero(data, got) ? got : n;
}

// A place without a chunk. Returns the bytes to go on by.
static ssize_t pass(struct scan *scan, uint32_t number, uint64_t at, const uint8_t *data, size_t n)
{
	struct store_file *file = &scan->store->files[number];
	bool fills = scan->taken && at % SPOOL_BLOCK_BYTES != 0 && !scan->in_log;

	scan->taken = fills && is_pad(data, n);
	if (scan->taken)
		return (ssize_t)n;
	if (is_zero(data, n)) {
		n = zeros_at(scan, at, n);
		scan->zero_bytes += n;
		scan->after_zero = true;
		return (ssize_t)n;
	}
	scan->zero_bytes = 0;
	if (is_foreign(scan, at, n)) {
		note_bad(scan, file, at, (struct spool_id){0, 0}, -EBADMSG);
		file->unclear = true;
	}
	return (ssize_t)n;
}

// Looks at one place. Returns the bytes to go on by, or -ENOMEM.
static ssize_t step(struct scan *scan, uint32_t number, uint64_t at)
{
	struct store_file *file = &scan->store->files[number];
	struct spool_chunk chunk = {.kind = SPOOL_KIND_RECORD};
	bool torn;
	size_t got;
	const uint8_t *data = look(scan, at, SPOOL_ALIGN, &got);
	int err;

	if (data == NULL) {
		note_bad(scan, file, at, (struct spool_id){0, 0}, -EIO);
		file->unclear = true;
		scan->taken = false;
		return (ssize_t)SPOOL_ALIGN;
	}
	if (got < sizeof(uint64_t) || !spool_chunk_has_magic(data))
		return pass(scan, number, at, data, got);
	scan->taken = false;
	err = read_chunk(scan, at, &chunk, &torn);
	scan->zero_bytes = 0;
	scan->after_zero = false;
	scan->covered = UINT64_MAX; // of a bad one nobody knows how long it was
	if (err == -ENOMEM)
		return err;
	if (err == 0) {
		scan->taken = true;
		scan->covered = at + spool_chunk_stored(spool_chunk_content(&chunk));
		err = take_chunk(scan, number, at, &chunk);
		return err != 0 ? err : (ssize_t)(scan->covered - at);
	}
	if (torn) {
		scan->store->stats.chunks_torn++;
	} else {
		note_bad(scan, file, at, chunk.id, err);
		file->unclear = true;
	}
	return (ssize_t)SPOOL_ALIGN;
}

// Whether the zeros go on for longer than what is looked behind.
static bool is_far(const struct scan *scan, const struct store_file *file, enum store_depth depth)
{
	if (depth == STORE_GLANCE && scan->zero_bytes >= GLANCE_BYTES)
		return true;
	return depth != STORE_THOROUGH && file->window != 0 && scan->zero_bytes > file->window;
}

static void do_meanwhile(const struct spoolfile *store)
{
	if (store->meanwhile != NULL)
		store->meanwhile();
}

int store_scan_file(struct spoolfile *store, uint32_t file, int fd, enum store_depth depth)
{
	struct store_file *info = &store->files[file];
	struct scan scan = {.store = store,
		.fd = fd,
		.in_log = info->is_log,
		.taken = info->done > 0,
		.bytes = info->bytes};
	uint64_t at = info->done;
	bool all_known = true;

	info->unclear = false;
	// Writers go past the page cache: what is remembered of the part that was not known may be old.
	if (!info->is_log)
		(void)posix_fadvise(fd, (off_t)at, 0, POSIX_FADV_DONTNEED);
	while (at < scan.bytes) {
		ssize_t n;

		do_meanwhile(store);
		n = step(&scan, file, at);
		if (n < 0)
			return (int)n;
		all_known = all_known && scan.taken;
		at += (uint64_t)n;
		if (all_known)
			info->done = at;
		if (is_far(&scan, info, depth))
			break;
	}
	return 0;
}

int store_walk(struct spoolfile *store, int fd, store_walk_fn fn, void *ctx)
{
	struct scan scan = {.store = store, .fd = fd};
	struct stat status;
	uint64_t at = 0;

	if (fstat(fd, &status) != 0)
		return -errno;
	scan.bytes = (uint64_t)status.st_size;
	while (at < scan.bytes) {
		struct spool_chunk chunk;
		bool torn;
		int err;

		do_meanwhile(store);
		err = read_chunk(&scan, at, &chunk, &torn);
		if (scan.unreadable)
			return -EIO;
		if (err == 0) {
			err = fn(ctx, at, &chunk, store->plain);
			if (err != 0)
				return err;
			at += spool_chunk_stored(spool_chunk_content(&chunk));
		} else if (err == -ENOMEM) {
			return err;
		} else {
			at += SPOOL_ALIGN;
		}
	}
	return 0;
}
