// SPDX-License-Identifier: BSD-3-Clause
// State logs: who changed which record's state, when and why.
#include "dataplane/spool_io.h"
#include "dataplane/spoolfile_store.h"

#include <openssl/rand.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CHANGE_BYTES 4096u // of one, encoded
#define WAIT_NS 100000000u
#define AHEAD_BYTES (256u << 10) // of disk that is the log's before it is needed

struct spoolfile_log {
	struct spool_io *io;
	struct spool_sealer *sealer;
	uint64_t run;
	uint64_t next_number;
	int fd;
	uint64_t bytes;
	uint64_t reserved; // of the file, from its beginning
	bool failed;
	uint8_t chunk[CHANGE_BYTES + SPOOL_HEADER_BYTES + SPOOL_ALIGN];
};

// ---- the new file --------------------------------------------------------------------------------

struct copy {
	const struct spoolfile *store;
	int from;
	int to;
	bool all;
	uint64_t bytes;
};

static int copy_chunk(
	void *ctx, uint64_t offset, const struct spool_chunk *chunk, const uint8_t *content)
{
	size_t stored = spool_chunk_stored(spool_chunk_content(chunk));
	const struct store_entry *entry;
	struct spool_change change;
	struct copy *copy = ctx;
	int err;

	if (chunk->kind != SPOOL_KIND_STATE ||
		spool_get_change(content, spool_chunk_content(chunk), &change) != 0)
		return 0;
	entry = store_find(copy->store, change.id);
	if (!copy->all && (entry == NULL || entry->count == 0))
		return 0;
	err = store_copy(copy->from, offset, copy->to, copy->bytes, stored);
	copy->bytes += stored;
	return err;
}

// An old file in which something is unclear stays, under a name of its own.
static int keep_aside(const struct spoolfile *store, const char *name)
{
	char old[STORE_NAME_BYTES + 8];
	char kept[2 * STORE_NAME_BYTES];
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)snprintf(old, sizeof(old), "%s.state", name);
	(void)snprintf(kept, sizeof(kept), "%s-%016" PRIx64 ".state", name,
		(uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
	return linkat(store->directory, old, store->directory, kept, 0) == 0 ? 0 : -errno;
}

static ssize_t number_of(const struct spoolfile *store, const char *file_name)
{
	for (uint32_t i = 0; i < store->files_count; i++) {
		if (strcmp(store->files[i].name, file_name) == 0)
			return i;
	}
	return -1;
}

static int copy_old(
	struct spoolfile *store, const char *name, const char *file_name, struct copy *copy)
{
	ssize_t file = number_of(store, file_name);
	int err;

	// All of it is looked at, also what was good the last time.
	if (file >= 0)
		store_forget_file(store, (uint32_t)file);
	err = spoolfile_refresh(store, true);
	if (err != 0)
		return err;
	copy->all = store_is_unclear(store);
	err = store_walk(store, copy->from, copy_chunk, copy);
	file = number_of(store, file_name);
	if (err == 0 && file >= 0 && store->files[file].unclear)
		err = keep_aside(store, name);
	return err;
}

// Returns the descriptor of the new file, *bytes long, or -errno.
static int make_file(struct spoolfile *store, const char *name, uint64_t *bytes)
{
	char file_name[STORE_NAME_BYTES];
	struct copy copy = {.store = store};
	int err;

	(void)snprintf(file_name, sizeof(file_name), "%s.state", name);
	copy.from = store_lock_file(store, file_name, O_RDONLY);
	if (copy.from < 0 && copy.from != -ENOENT)
		return copy.from;
	err = copy.to = store_new_file(store, file_name);
	if (copy.to >= 0 && copy.from >= 0)
		err = copy_old(store, name, file_name, &copy);
	if (copy.to >= 0 && err >= 0)
		err = store_put_file(store, file_name, copy.to);
	if (copy.from >= 0)
		(void)close(copy.from);
	if (copy.to >= 0 && err < 0)
		(void)close(copy.to);
	*bytes = copy.bytes;
	return err < 0 ? err : copy.to;
}

// ---- public -------------------------------------------------------------------------------------

int spoolfile_log_open(
	struct spoolfile *store, const char *name, struct spool_io *io, struct spoolfile_log **out)
{
	struct spoolfile_log *log;
	int err;

	// Room for what is put behind the name.
	if (strlen(name) == 0 || strlen(name) > 15 || strchr(name, '/') != NULL)
		return -EINVAL;
	log = calloc(1, sizeof(*log));
	if (log == NULL)
		return -ENOMEM;
	log->io = io;
	log->fd = -1;
	log->next_number = 1;
	err = spool_sealer_new(store->keys, &log->sealer);
	if (err == 0 && RAND_bytes((unsigned char *)&log->run, sizeof(log->run)) != 1)
		err = -EIO;
	if (err == 0) {
		log->fd = make_file(store, name, &log->bytes);
		err = log->fd < 0 ? log->fd : 0;
	}
	if (err != 0) {
		spoolfile_log_close(log);
		return err;
	}
	(void)spoolfile_log_has_room(log);
	*out = log;
	return 0;
}

void spoolfile_log_close(struct spoolfile_log *log)
{
	if (log == NULL)
		return;
	if (log->fd >= 0)
		(void)close(log->fd);
	spool_sealer_free(log->sealer);
	free(log);
}

uint64_t spoolfile_log_bytes(const struct spoolfile_log *log)
{
	return log->bytes;
}

bool spoolfile_log_has_room(struct spoolfile_log *log)
{
	uint64_t wanted = log->bytes + AHEAD_BYTES;

	if (log->failed)
		return false;
	// Half of it may be used before more is asked for.
	if (log->reserved >= log->bytes + AHEAD_BYTES / 2)
		return true;
	// The size stays: readers walk to the end of the file.
	if (fallocate(log->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)wanted) == 0 || errno == EOPNOTSUPP)
		log->reserved = wanted;
	return log->reserved >= log->bytes + sizeof(log->chunk);
}

static size_t seal_change(struct spoolfile_log *log, const struct spool_change *change)
{
	struct spool_chunk chunk = {.kind = SPOOL_KIND_STATE, .flags = SPOOL_CHUNK_FINAL};
	uint8_t content[CHANGE_BYTES];
	const uint8_t *end = spool_put_change(content, content + sizeof(content), change);
	struct iovec piece = {content, 0};

	if (end == NULL)
		return 0;
	piece.iov_len = (size_t)(end - content);
	chunk.id = (struct spool_id){log->run, log->next_number++};
	chunk.body_bytes = (uint32_t)piece.iov_len;
	return spool_chunk_seal(log->sealer, &chunk, &piece, log->chunk);
}

int spoolfile_log_append(struct spoolfile_log *log, const struct spool_change *change)
{
	struct spool_request request = {.kind = SPOOL_IO_WRITE,
		.file = log->fd,
		.data = log->chunk,
		.offset = log->bytes,
		.buffer = -1,
		.durable = true};
	int err;

	if (log->failed)
		return -EIO;
	request.bytes = seal_change(log, change);
	if (request.bytes == 0)
		return -EMSGSIZE;
	err = log->io->ops->submit(log->io, &request);
	if (err != 0)
		return err;
	while (log->io->ops->reap(log->io, WAIT_NS) != &request)
		continue;
	if (request.result < 0)
		err = (int)request.result;
	else if (request.result != (int64_t)request.bytes)
		err = -EIO;
	else if (!log->io->ops->is_linked(log->io, log->fd))
		err = -ENOENT;
	if (err == 0)
		log->bytes += request.bytes;
	log->failed = err != 0;
	return err;
}

struct history {
	struct spool_id id;
	void (*fn)(void *ctx, const struct spool_change *change);
	void *ctx;
};

static int tell_change(
	void *ctx, uint64_t offset, const struct spool_chunk *chunk, const uint8_t *content)
{
	const struct history *history = ctx;
	struct spool_change change;

	(void)offset;
	if (chunk->kind == SPOOL_KIND_STATE &&
		spool_get_change(content, spool_chunk_content(chunk), &change) == 0 &&
		change.id.run == history->id.run && change.id.number == history->id.number)
		history->fn(history->ctx, &change);
	return 0;
}

int spoolfile_history(struct spoolfile *store, struct spool_id id,
	void (*fn)(void *ctx, const struct spool_change *change), void *ctx)
{
	struct history history = {id, fn, ctx};
	int err = 0;

	for (uint32_t i = 0; err == 0 && i < store->files_count; i++) {
		int fd;

		if (!store->files[i].is_log)
			continue;
		fd = openat(
			store->directory, store->files[i].name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			return errno == ENOENT ? 0 : -errno;
		err = store_walk(store, fd, tell_change, &history);
		(void)close(fd);
	}
	return err;
}
