// SPDX-License-Identifier: BSD-3-Clause
// Groups of chunks that are written at once, into the segment in use.
#include "dataplane/spool_state.h"

#include <errno.h>
#include <string.h>

static void push_ready(struct spool *spool, struct group *group, bool first)
{
	struct group **link = &spool->ready;

	while (!first && *link != NULL)
		link = &(*link)->next;
	group->next = *link;
	*link = group;
}

static void give_up(struct spool *spool, struct group *group, int error)
{
	seal_group_done(spool, group, error);
	group->next = spool->free_groups;
	spool->free_groups = group;
}

struct group *group_with_room(struct spool *spool, size_t bytes)
{
	struct group *group = spool->open_group;

	if (group != NULL && GROUP_BYTES - group->used >= bytes &&
		group->entries_count < GROUP_ENTRIES)
		return group;
	group_close(spool);
	group = spool->free_groups;
	if (group == NULL)
		return NULL;
	spool->free_groups = group->next;
	group->used = 0;
	group->tries = 0;
	group->entries_count = 0;
	group->segment = NULL;
	spool->open_group = group;
	return group;
}

void group_close(struct spool *spool)
{
	struct group *group = spool->open_group;

	if (group == NULL || group->used == 0)
		return;
	group->used = spool_chunk_pad(group->buffer, group->used);
	spool->open_group = NULL;
	spool->closed++;
	push_ready(spool, group, false);
}

static void place(struct spool *spool, struct group *group, struct segment *segment)
{
	struct spool_request *request = &group->request;

	group->segment = segment;
	group->epoch = spool->epoch;
	group->submit_ns = spool->now_ns;
	group->is_writing = true;
	segment->groups++;
	for (uint32_t i = 0; i < group->entries_count; i++) {
		struct spool_record *record = group->entries[i].record;

		if (record == NULL || record->first_segment != NULL)
			continue;
		record->first_segment = segment;
		segment->records++;
	}
	request->kind = SPOOL_IO_WRITE;
	request->file = segment->file;
	request->data = group->buffer;
	request->bytes = group->used;
	request->offset = segment->used;
	request->durable = true;
	request->owner = group;
	segment->used += group->used;
	spool->writing++;
}

bool group_write(struct spool *spool)
{
	bool any = false;

	while (spool->ready != NULL && spool->writing < GROUPS_WRITING) {
		struct group *group = spool->ready;
		struct segment *segment = segment_with_room(spool, group->used);
		int err;

		if (segment == NULL && spool->refusal == 0)
			return any;
		spool->ready = group->next;
		any = true;
		if (segment == NULL) {
			give_up(spool, group, spool->refusal);
			continue;
		}
		place(spool, group, segment);
		err = spool->io->ops->submit(spool->io, &group->request);
		if (err != 0) {
			group->request.result = err;
			group_written(spool, group);
		}
	}
	return any;
}

static void note_time(struct spool *spool, const struct group *group)
{
	uint64_t ns = spool->now_ns - group->submit_ns;

	if (ns > spool->slow_ns)
		spool->slow_ns = ns;
}

void group_watch(struct spool *spool)
{
	if (spool->now_ns - spool->slow_from_ns < RETRY_NS)
		return;
	for (uint32_t i = 0; i < GROUPS; i++) {
		if (spool->groups[i].is_writing)
			note_time(spool, &spool->groups[i]);
	}
	SPOOL_SET(spool, slowest_us, spool->slow_ns / 1000);
	SPOOL_SET(spool, slow, spool->slow_ns > spool->options.slow_ns);
	spool->slow_ns = 0;
	spool->slow_from_ns = spool->now_ns;
}

void group_written(struct spool *spool, struct group *group)
{
	int64_t result = group->request.result;
	bool stale = group->epoch != spool->epoch;

	spool->writing--;
	group->segment->groups--;
	group->is_writing = false;
	note_time(spool, group);
	if (result == (int64_t)group->used && !stale) {
		SPOOL_COUNT(spool, groups, 1);
		SPOOL_COUNT(spool, stored_bytes, group->used);
		give_up(spool, group, 0);
		return;
	}
	if (result != (int64_t)group->used) {
		SPOOL_COUNT(spool, write_errors, 1);
		if (result >= 0)
			SPOOL_COUNT(spool, short_writes, 1);
		// Also those on their way, whatever they will report: see spool.h.
		spool->epoch++;
		if (!group->segment->closed) {
			SPOOL_COUNT(spool, segments_poisoned, 1);
			segment_end(spool, group->segment);
		}
	}
	if (++group->tries < WRITE_TRIES) {
		SPOOL_COUNT(spool, rewrites, 1);
		push_ready(spool, group, true);
		return;
	}
	give_up(spool, group, result < 0 ? (int)result : -EIO);
}
