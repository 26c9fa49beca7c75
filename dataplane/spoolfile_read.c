// SPDX-License-Identifier: BSD-3-Clause
// Reading one record. Everything is authenticated again: what lies between the scan and the reading may
// have altered it.
#include "dataplane/spoolfile_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct spoolfile_reader {
	struct spoolfile *store;
	const struct store_entry *entry;
	struct spool_opener *opener;
	int fd; // of the file read last
	uint32_t file;
	uint32_t loaded; // the chunk in plain, or UINT32_MAX
	uint32_t next;   // whose body comes next
	struct spool_chunk chunk;
	uint8_t *raw;
	uint8_t *plain;
	uint8_t *head;
	size_t head_bytes;
	uint8_t *tail;
	struct spool_envelope envelope;
	struct spool_recipient *recipients;
	struct spool_reason reason;
	struct spool_text *texts;
};

static int use_file(struct spoolfile_reader *reader, uint32_t file)
{
	const struct spoolfile *store = reader->store;

	if (reader->fd >= 0 && reader->file == file)
		return 0;
	if (reader->fd >= 0)
		(void)close(reader->fd);
	reader->file = file;
	reader->fd = openat(
		store->directory, store->files[file].name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return reader->fd >= 0 ? 0 : -errno;
}

static int read_exactly(int fd, uint8_t *out, size_t n, uint64_t offset)
{
	while (n > 0) {
		ssize_t got = pread(fd, out, n, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return -EBADMSG;
		out += got;
		offset += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

static int load_copy(struct spoolfile_reader *reader, const struct store_extent *extent)
{
	struct spool_chunk *chunk = &reader->chunk;
	int err = use_file(reader, extent->file);

	if (err == 0)
		err = read_exactly(reader->fd, reader->raw, SPOOL_HEADER_BYTES, extent->offset);
	if (err == 0)
		err = spool_chunk_parse(reader->raw, chunk);
	if (err == 0 && (chunk->kind != SPOOL_KIND_RECORD || chunk->index != extent->chunk ||
				chunk->id.run != reader->entry->record.id.run ||
				chunk->id.number != reader->entry->record.id.number))
		err = -EBADMSG;
	if (err == 0)
		err = read_exactly(reader->fd, reader->raw + SPOOL_HEADER_BYTES,
			spool_chunk_content(chunk), extent->offset + SPOOL_HEADER_BYTES);
	return err == 0 ? spool_chunk_unseal(reader->opener, reader->raw, chunk, reader->plain)
			: err;
}

// Puts a chunk into plain: the first of its copies that is good.
static int load(struct spoolfile_reader *reader, uint32_t index)
{
	const struct store_entry *entry = reader->entry;
	int err = -ENOENT;

	if (reader->loaded == index)
		return 0;
	reader->loaded = UINT32_MAX;
	for (uint32_t i = 0; i < entry->count && entry->extents[i].chunk <= index; i++) {
		if (entry->extents[i].chunk != index)
			continue;
		err = load_copy(reader, &entry->extents[i]);
		if (err == 0) {
			reader->loaded = index;
			return 0;
		}
	}
	return err;
}

static int read_head(struct spoolfile_reader *reader)
{
	for (uint32_t i = 0; i < reader->entry->whole; i++) {
		int err = load(reader, i);
		size_t n = reader->chunk.head_bytes;
		uint8_t *wider;

		if (err != 0)
			return err;
		if (n == 0 || reader->head_bytes + n > SPOOL_HEAD_BYTES)
			break;
		wider = realloc(reader->head, reader->head_bytes + n);
		if (wider == NULL)
			return -ENOMEM;
		memcpy(wider + reader->head_bytes, reader->plain, n);
		reader->head = wider;
		reader->head_bytes += n;
		if (reader->chunk.body_bytes > 0)
			break;
	}
	return spool_get_envelope(
		reader->head, reader->head_bytes, &reader->envelope, &reader->recipients);
}

static int read_tail(struct spoolfile_reader *reader)
{
	const struct spool_chunk *chunk = &reader->chunk;
	int err = load(reader, reader->entry->whole - 1);

	if (err != 0)
		return err;
	reader->tail = malloc(SPOOL_TAIL_BYTES);
	if (reader->tail == NULL)
		return -ENOMEM;
	memcpy(reader->tail, reader->plain + chunk->head_bytes + chunk->body_bytes,
		chunk->tail_bytes);
	return spool_get_reason(reader->tail, chunk->tail_bytes, &reader->reason, &reader->texts);
}

int spoolfile_reader_open(
	struct spoolfile *store, struct spool_id id, struct spoolfile_reader **out)
{
	const struct store_entry *entry = store_find(store, id);
	struct spoolfile_reader *reader;
	int err = -ENOMEM;

	if (entry == NULL || !store_is_whole(entry))
		return -ENOENT;
	reader = calloc(1, sizeof(*reader));
	if (reader == NULL)
		return -ENOMEM;
	reader->store = store;
	reader->entry = entry;
	reader->fd = -1;
	reader->loaded = UINT32_MAX;
	reader->raw = malloc(SPOOL_CHUNK_BYTES);
	reader->plain = malloc(SPOOL_CHUNK_BYTES);
	if (reader->raw != NULL && reader->plain != NULL)
		err = spool_opener_new(store->keys, &reader->opener);
	if (err == 0)
		err = read_head(reader);
	if (err == 0)
		err = read_tail(reader);
	if (err != 0) {
		spoolfile_reader_close(reader);
		return err;
	}
	*out = reader;
	return 0;
}

void spoolfile_reader_close(struct spoolfile_reader *reader)
{
	if (reader == NULL)
		return;
	if (reader->fd >= 0)
		(void)close(reader->fd);
	spool_opener_free(reader->opener);
	free(reader->raw);
	free(reader->plain);
	free(reader->head);
	free(reader->tail);
	free(reader->recipients);
	free(reader->texts);
	free(reader);
}

const struct spool_envelope *spoolfile_envelope(const struct spoolfile_reader *reader)
{
	return &reader->envelope;
}

const struct spool_reason *spoolfile_reason(const struct spoolfile_reader *reader)
{
	return &reader->reason;
}

int spoolfile_read(struct spoolfile_reader *reader, const uint8_t **data, size_t *bytes)
{
	*bytes = 0;
	while (*bytes == 0 && reader->next < reader->entry->whole) {
		int err = load(reader, reader->next);

		if (err != 0)
			return err;
		reader->next++;
		*data = reader->plain + reader->chunk.head_bytes;
		*bytes = reader->chunk.body_bytes;
	}
	return 0;
}
