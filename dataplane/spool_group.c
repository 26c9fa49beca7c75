// SPDX-License-Identifier: BSD-3-Clause
// Groups of chunks that are written at once, into the segment in use, and made durable by one sync of all that
// have been written since the last one.
#include "dataplane/spool_state.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static void append(struct group **list, struct group *group)
{
	while (*list != NULL)
		list = &(*list)->next;
	group->next = NULL;
	*list = group;
}

static void free_group(struct spool *spool, struct group *group)
{
	group->next = spool->free_groups;
	spool->free_groups = group;
}

static void give_up(struct spool *spool, struct group *group, int error)
{
	record_group_done(spool, group, error);
	free_group(spool, group);
}

// ---- filling one ---------------------------------------------------------------------------------

void group_empty(struct group *group)
{
	group->used = 0;
	group->tries = 0;
	group->entries_count = 0;
	group->segment = NULL;
	group->worker = NULL;
}

bool group_has_room(const struct group *group, size_t bytes)
{
	return GROUP_BYTES - group->used >= bytes && group->entries_count < GROUP_ENTRIES;
}

void group_add_entry(
	struct group *group, struct spool_record *record, uint32_t index, uint32_t does)
{
	uint32_t i = group->entries_count++;

	assert(i < GROUP_ENTRIES);
	group->entries[i] = (struct entry){record, index, (uint32_t)group->used, does};
}

struct group *group_with_room(struct spool *spool, size_t bytes)
{
	struct group *group = spool->open_group;

	if (group != NULL && group_has_room(group, bytes))
		return group;
	group_close(spool);
	group = spool->free_groups;
	if (group == NULL)
		return NULL;
	spool->free_groups = group->next;
	group_empty(group);
	spool->open_group = group;
	return group;
}

void group_close(struct spool *spool)
{
	struct group *group = spool->open_group;

	if (group == NULL)
		return;
	spool->open_group = NULL;
	group_make_ready(spool, group);
}

void group_make_ready(struct spool *spool, struct group *group)
{
	if (group->used == 0) {
		free_group(spool, group);
		return;
	}
	group->used = spool_chunk_pad(group->buffer, group->used);
	append(&spool->ready, group);
}

// ---- writing -------------------------------------------------------------------------------------

static void place(struct spool *spool, struct group *group, struct segment *segment)
{
	struct spool_request *request = &group->request;

	group->segment = segment;
	group->epoch = spool->epoch;
	group->submit_ns = spool->now_ns;
	group->is_going = true;
	segment->groups++;
	for (uint32_t i = 0; i < group->entries_count; i++) {
		struct spool_record *record = group->entries[i].record;

		if (!(group->entries[i].does & ENTRY_CHUNK) || record->first_segment != NULL)
			continue;
		record->first_segment = segment;
		segment->records++;
	}
	request->kind = SPOOL_IO_WRITE;
	request->file = segment->file;
	request->data = group->buffer;
	request->bytes = group->used;
	request->offset = segment->used;
	// Alone on its way it needs nobody to wait for: one request is sooner done than two.
	request->durable =
		spool->writing == 0 && spool->written == NULL && spool->sync.groups == NULL;
	request->owner = group;
	segment->used += group->used;
	spool->writing++;
	spool->going++;
}

bool group_write(struct spool *spool)
{
	bool any = false;

	while (spool->ready != NULL && spool->writing < GROUPS_WRITING && spool->going < GROUPS) {
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
	for (uint32_t i = 0; i < spool->groups_count; i++) {
		if (spool->groups[i].is_going)
			note_time(spool, &spool->groups[i]);
	}
	SPOOL_SET(spool, slowest_us, spool->slow_ns / 1000);
	SPOOL_SET(spool, slow, spool->slow_ns > spool->options.slow_ns);
	spool->slow_ns = 0;
	spool->slow_from_ns = spool->now_ns;
}

// The group is durable, or error says why not.
static void end(struct spool *spool, struct group *group, int error)
{
	group->segment->groups--;
	group->is_going = false;
	spool->going--;
	note_time(spool, group);
	if (error == 0) {
		uint64_t behind = group->request.offset + group->used;

		if (behind > group->segment->durable)
			group->segment->durable = behind;
		SPOOL_COUNT(spool, groups, 1);
		SPOOL_COUNT(spool, stored_bytes, group->used);
	} else if (++group->tries < WRITE_TRIES) {
		SPOOL_COUNT(spool, rewrites, 1);
		group->next = spool->ready;
		spool->ready = group;
		return;
	}
	give_up(spool, group, error);
}

static void fail(struct spool *spool, struct segment *segment)
{
	SPOOL_COUNT(spool, write_errors, 1);
	// Also those on their way, whatever they will report: see spool.h.
	spool->epoch++;
	if (!segment->closed) {
		SPOOL_COUNT(spool, segments_poisoned, 1);
		segment_end(spool, segment);
	}
}

void group_written(struct spool *spool, struct group *group)
{
	int64_t result = group->request.result;

	spool->writing--;
	if (result == (int64_t)group->used) {
		if (!group->request.durable) {
			append(&spool->written, group);
			return;
		}
		segment_watch(spool);
		end(spool, group, group->epoch == spool->epoch ? 0 : -EIO);
		return;
	}
	if (result >= 0)
		SPOOL_COUNT(spool, short_writes, 1);
	fail(spool, group->segment);
	end(spool, group, result < 0 ? (int)result : -EIO);
}

// ---- one sync for all that were written ----------------------------------------------------------

// What was on its way when something failed needs no sync any more.
static void drop_stale(struct spool *spool)
{
	struct group **link = &spool->written;

	while (*link != NULL) {
		struct group *group = *link;

		if (group->epoch == spool->epoch) {
			link = &group->next;
			continue;
		}
		*link = group->next;
		end(spool, group, -EIO);
	}
}

// Of one file: those of the next one wait for the next sync.
static void take_written(struct spool *spool)
{
	struct segment *segment = spool->written->segment;
	struct group **link = &spool->written;

	while (*link != NULL) {
		struct group *group = *link;

		if (group->segment != segment) {
			link = &group->next;
			continue;
		}
		*link = group->next;
		append(&spool->sync.groups, group);
	}
	spool->sync.segment = segment;
}

bool group_sync(struct spool *spool)
{
	struct spool_request *request = &spool->sync.request;
	int err;

	if (spool->sync.groups != NULL || spool->written == NULL)
		return false;
	drop_stale(spool);
	if (spool->written == NULL)
		return true;
	take_written(spool);
	request->kind = SPOOL_IO_SYNC;
	request->file = spool->sync.segment->file;
	err = spool->io->ops->submit(spool->io, request);
	if (err != 0) {
		request->result = err;
		group_synced(spool);
	}
	return true;
}

void group_synced(struct spool *spool)
{
	struct group *group = spool->sync.groups;
	int error = (int)spool->sync.request.result;

	spool->sync.groups = NULL;
	if (error < 0)
		fail(spool, spool->sync.segment);
	else
		segment_watch(spool);
	while (group != NULL) {
		struct group *next = group->next;
		bool stale = group->epoch != spool->epoch;

		end(spool, group, error < 0 ? error : stale ? -EIO : 0);
		group = next;
	}
}
