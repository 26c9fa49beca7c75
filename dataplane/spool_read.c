// SPDX-License-Identifier: BSD-3-Clause
// Reading back a record that is not committed: the chunks that went to the disk, and then the pages that the
// worker has.
#include "dataplane/spool_state.h"

#include <errno.h>
#include <stdlib.h>

struct back {
	const struct spool_record *record;
	struct spool_opener *opener;
	uint8_t *stored; // the blocks in which a chunk lies
	uint8_t *plain;
	spool_read_fn fn;
	void *ctx;
};

// Nothing of it is believed: it may be another chunk, or none, if the disk has lost what it took.
static bool is_wanted(const struct back *back, const struct spool_chunk *chunk, uint32_t index)
{
	return chunk->kind == SPOOL_KIND_RECORD && chunk->index == index &&
	       chunk->id.run == back->record->worker->spool->run &&
	       chunk->id.number == back->record->number;
}

// Of the extent's chunk as much as lies before end, in whole blocks. Returns where it begins in stored.
static int read_blocks(
	struct back *back, const struct extent *extent, size_t from, size_t end, size_t *read)
{
	struct spool_io *io = back->record->worker->spool->io;
	size_t n = (end - from + SPOOL_BLOCK_BYTES - 1) / SPOOL_BLOCK_BYTES * SPOOL_BLOCK_BYTES;

	*read = from + n;
	if (end <= from)
		return 0;
	return io->ops->read(io, extent->segment->file,
		extent->offset / SPOOL_BLOCK_BYTES * SPOOL_BLOCK_BYTES + from, back->stored + from,
		n);
}

static int read_chunk(struct back *back, uint32_t index)
{
	const struct extent *extent = &back->record->extents[index];
	size_t at = extent->offset % SPOOL_BLOCK_BYTES;
	struct spool_chunk chunk;
	size_t read;
	int err;

	if (index >= back->record->extents_room || extent->segment == NULL)
		return -EIO;
	err = read_blocks(back, extent, 0, at + SPOOL_HEADER_BYTES, &read);
	if (err == 0)
		err = spool_chunk_parse(back->stored + at, &chunk);
	if (err == 0 && !is_wanted(back, &chunk, index))
		err = -EBADMSG;
	if (err != 0)
		return err;
	err = read_blocks(
		back, extent, read, at + SPOOL_HEADER_BYTES + spool_chunk_content(&chunk), &read);
	if (err == 0)
		err = spool_chunk_unseal(back->opener, back->stored + at, &chunk, back->plain);
	if (err == 0)
		err = back->fn(back->ctx, back->plain + chunk.head_bytes, chunk.body_bytes);
	return err;
}

static int read_chunks(struct back *back)
{
	int err = spool_opener_of(back->record->use->sealer, &back->opener);

	if (err != 0)
		return err;
	back->stored = aligned_alloc(SPOOL_BLOCK_BYTES, SPOOL_CHUNK_BYTES + SPOOL_BLOCK_BYTES);
	back->plain = malloc(SPOOL_CHUNK_BYTES);
	if (back->stored == NULL || back->plain == NULL)
		err = -ENOMEM;
	for (uint32_t i = 0; err == 0 && i < back->record->next_index; i++)
		err = read_chunk(back, i);
	free(back->stored);
	free(back->plain);
	spool_opener_free(back->opener);
	return err;
}

int spool_read(const struct spool_record *record, spool_read_fn fn, void *ctx)
{
	struct back back = {.record = record, .fn = fn, .ctx = ctx};
	size_t skip = record->head_bytes;
	size_t left = (size_t)record->body_bytes;
	int err = record->handed ? read_chunks(&back) : 0;

	for (const struct page *page = record->first; err == 0 && page != NULL; page = page->next) {
		size_t from = skip < PAGE_BYTES ? skip : PAGE_BYTES;
		size_t n = PAGE_BYTES - from < left ? PAGE_BYTES - from : left;

		skip -= from;
		left -= n;
		if (n > 0)
			err = fn(ctx, page->data + from, n);
	}
	return err;
}
