// SPDX-License-Identifier: BSD-3-Clause
// The spool thread: from workers' messages to sealed chunks, and from written groups to results.
#include "dataplane/spool_state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_PIECES (SPOOL_CONTENT_BYTES / PAGE_BYTES + 3)

static void send(
	struct spool_worker *worker, enum message_kind kind, struct spool_record *record, int error)
{
	const struct message message = {.kind = kind, .record = record, .error = error};

	ring_push(&worker->from_spool, &message);
}

// ---- the life of a record ------------------------------------------------------------------------

static void begin_record(struct spool *spool, struct spool_record *record)
{
	if (record->use != NULL)
		return;
	record->use = spool->uses;
	record->use->records++;
	record->number = spool->next_number++;
}

static void drop_old_keys(struct spool *spool)
{
	struct spool_sealer_use **link = &spool->uses->next;

	while (*link != NULL) {
		struct spool_sealer_use *use = *link;

		if (use->records > 0) {
			link = &use->next;
			continue;
		}
		*link = use->next;
		spool_sealer_free(use->sealer);
		free(use);
	}
}

static void free_record(struct spool *spool, struct spool_record *record)
{
	if (record->first_segment != NULL)
		record->first_segment->records--;
	free(record->extents);
	record->extents = NULL;
	if (record->use != NULL) {
		record->use->records--;
		drop_old_keys(spool);
	}
	send(record->worker, MESSAGE_FREE, record, 0);
}

static void withdraw(struct spool *spool, struct spool_record *record)
{
	record->next_withdrawn = spool->withdrawn;
	spool->withdrawn = record;
}

// Everything of a committed record has been written, or has failed.
static void decide(struct spool *spool, struct spool_record *record)
{
	int error = atomic_load_explicit(&record->failure, memory_order_relaxed);
	int pending = RECORD_PENDING;
	bool mine = atomic_compare_exchange_strong(
		&record->decision, &pending, error == 0 ? RECORD_STORED : RECORD_FAILED);

	if (mine)
		send(record->worker, MESSAGE_RESULT, record, error);
	if (mine && error == 0) {
		SPOOL_COUNT(spool, records_durable, 1);
		free_record(spool, record);
		return;
	}
	if (error == 0)
		SPOOL_COUNT(spool, records_late, 1);
	else
		SPOOL_COUNT(spool, records_failed, 1);
	if (record->sealed)
		withdraw(spool, record);
	else
		free_record(spool, record);
}

static void check_end(struct spool *spool, struct spool_record *record)
{
	if (record->chunks > 0)
		return;
	if (record->recalled)
		send(record->worker, MESSAGE_RECALLED, record, 0);
	record->recalled = false;
	if (record->aborted)
		free_record(spool, record);
	else if (record->committed)
		decide(spool, record);
}

// Of a record that may be read back. Without memory it cannot be; that is no failure of the record.
static void note_place(
	struct spool_record *record, uint32_t index, const struct group *group, uint32_t at)
{
	if (index >= record->extents_room) {
		uint32_t room = index + 16 + index / 2;
		struct extent *extents = realloc(record->extents, room * sizeof(*extents));

		if (extents == NULL)
			return;
		memset(extents + record->extents_room, 0,
			(room - record->extents_room) * sizeof(*extents));
		record->extents = extents;
		record->extents_room = room;
	}
	record->extents[index] = (struct extent){group->segment, group->request.offset + at};
}

void seal_group_done(struct spool *spool, struct group *group, int error)
{
	for (uint32_t i = 0; i < group->entries_count; i++) {
		struct spool_record *record = group->entries[i].record;

		if (record == NULL) {
			SPOOL_COUNT(spool, withdrawals_lost, error != 0);
			continue;
		}
		record->chunks--;
		if (error == 0 && !record->committed)
			note_place(record, group->entries[i].index, group, group->entries[i].at);
		if (error != 0)
			atomic_store_explicit(&record->failure, error, memory_order_relaxed);
		check_end(spool, record);
	}
}

// ---- sealing ------------------------------------------------------------------------------------

// The chunk that is put behind all others in the group; record NULL: a withdrawal, nobody waits for it.
static void add_entry(struct group *group, struct spool_record *record, uint32_t index)
{
	uint32_t i = group->entries_count++;

	assert(i < GROUP_ENTRIES);
	group->entries[i].record = record;
	group->entries[i].index = index;
	group->entries[i].at = (uint32_t)group->used;
	if (record != NULL)
		record->chunks++;
}

// The next n bytes of the worker's pages as pieces, of pages that lie behind each other one.
static void gather(struct spool_worker *worker, size_t n, struct iovec *pieces)
{
	struct iovec *last = NULL;

	while (n > 0) {
		uint8_t *from = worker->left.page->data + worker->left.page_at;
		size_t take = PAGE_BYTES - worker->left.page_at;

		if (take > n)
			take = n;
		if (last != NULL && (uint8_t *)last->iov_base + last->iov_len == from) {
			last->iov_len += take;
		} else {
			last = pieces++;
			*last = (struct iovec){from, take};
		}
		worker->left.page_at += (uint32_t)take;
		n -= take;
		if (worker->left.page_at == PAGE_BYTES) {
			worker->left.page = worker->left.page->next;
			worker->left.page_at = 0;
		}
	}
}

// What of the rest goes into a chunk with so much room; the tail goes whole, and last.
static struct spool_chunk plan(
	const struct spool_worker *worker, const struct message *message, size_t room)
{
	struct spool_chunk chunk = {.kind = SPOOL_KIND_RECORD};
	size_t front = room < worker->left.head_left ? room : worker->left.head_left;
	uint64_t left = worker->left.head_left + worker->left.body_left + worker->left.tail_left;

	chunk.head_bytes = (uint32_t)front;
	room -= front;
	chunk.body_bytes =
		(uint32_t)(room < worker->left.body_left ? room : worker->left.body_left);
	if (message->kind == MESSAGE_COMMIT && left <= front + room) {
		chunk.tail_bytes = worker->left.tail_left;
		chunk.flags = SPOOL_CHUNK_FINAL;
	}
	return chunk;
}

static size_t room_of(const struct group *group)
{
	size_t room = GROUP_BYTES - group->used;

	if (room <= SPOOL_HEADER_BYTES)
		return 0;
	room -= SPOOL_HEADER_BYTES;
	return room < SPOOL_CONTENT_BYTES ? room : SPOOL_CONTENT_BYTES;
}

// Seals one chunk of the worker's message. Returns 0, -EAGAIN when there is no group, or -EIO.
static int seal_chunk(
	struct spool *spool, struct spool_worker *worker, const struct message *message)
{
	uint64_t left = worker->left.head_left + worker->left.body_left + worker->left.tail_left;
	size_t least = left < SPOOL_CONTENT_BYTES ? (size_t)left : SPOOL_CONTENT_BYTES;
	struct group *group = group_with_room(spool, spool_chunk_stored(least));
	struct spool_record *record = message->record;
	struct iovec pieces[MAX_PIECES];
	struct spool_chunk chunk;
	size_t stored;

	if (group == NULL)
		return -EAGAIN;
	chunk = plan(worker, message, room_of(group));
	chunk.index = record->next_index++;
	chunk.id = (struct spool_id){spool->run, record->number};
	gather(worker, spool_chunk_content(&chunk), pieces);
	stored = spool_chunk_seal(record->use->sealer, &chunk, pieces, group->buffer + group->used);
	if (stored == 0)
		return -EIO;
	add_entry(group, record, chunk.index);
	group->used += stored;
	worker->left.head_left -= chunk.head_bytes;
	worker->left.body_left -= chunk.body_bytes;
	worker->left.tail_left -= chunk.tail_bytes;
	if (chunk.flags & SPOOL_CHUNK_FINAL)
		record->sealed = true;
	return 0;
}

static void end_message(
	struct spool *spool, struct spool_worker *worker, const struct message *message)
{
	struct spool_record *record = message->record;
	struct message pages = {
		.kind = MESSAGE_PAGES, .first = message->first, .last = message->last};

	if (pages.first != NULL)
		ring_push(&worker->from_spool, &pages);
	if (message->kind == MESSAGE_COMMIT)
		record->committed = true;
	if (message->kind == MESSAGE_RECALL)
		record->recalled = true;
	if (message->kind == MESSAGE_ABORT) {
		record->aborted = true;
		SPOOL_COUNT(spool, records_aborted, 1);
	}
	worker->left.busy = false;
	ring_pull(&worker->to_spool);
	check_end(spool, record);
}

// Works on the worker's oldest message. Returns false when it has none or there is no group.
static bool seal_message(struct spool *spool, struct spool_worker *worker)
{
	const struct message *oldest = ring_peek(&worker->to_spool);
	struct message message;

	if (oldest == NULL)
		return false;
	message = *oldest;
	if (!worker->left.busy) {
		worker->left.busy = true;
		worker->left.page = message.first;
		worker->left.page_at = 0;
		worker->left.head_left = message.head_bytes;
		worker->left.body_left = message.body_bytes;
		worker->left.tail_left = message.tail_bytes;
		begin_record(spool, message.record);
	}
	while (worker->left.head_left + worker->left.body_left + worker->left.tail_left > 0 &&
		atomic_load_explicit(&message.record->failure, memory_order_relaxed) == 0) {
		int err = seal_chunk(spool, worker, &message);

		if (err == -EAGAIN)
			return false;
		if (err != 0)
			atomic_store_explicit(&message.record->failure, err, memory_order_relaxed);
	}
	end_message(spool, worker, &message);
	return true;
}

bool seal_messages(struct spool *spool)
{
	uint32_t workers = spool->options.workers;
	uint64_t closed = spool->closed;
	bool any = false;
	bool more = true;

	assert(workers > 0);
	// In turn, a message each: no worker waits for another's flood. A group that is full goes to the disk first.
	while (more && spool->closed == closed) {
		more = false;
		for (uint32_t i = 0; i < workers; i++)
			more |= seal_message(spool, &spool->workers[(spool->turn + i) % workers]);
		spool->turn = (spool->turn + 1) % workers;
		any |= more;
	}
	return any;
}

// ---- withdrawing --------------------------------------------------------------------------------

static bool seal_withdrawal(struct spool *spool, struct spool_record *record)
{
	struct group *group = group_with_room(spool, SPOOL_BLOCK_BYTES);
	struct timespec now;
	struct spool_change change = {.id = {spool->run, record->number},
		.state = SPOOL_WITHDRAWN,
		.who = {"spool", 5},
		.why = {"not stored in time", 18}};
	struct spool_chunk chunk = {.kind = SPOOL_KIND_STATE, .flags = SPOOL_CHUNK_FINAL};
	uint8_t content[128];
	struct iovec piece = {content, 0};
	size_t stored;

	if (group == NULL)
		return false;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	change.time_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	piece.iov_len =
		(size_t)(spool_put_change(content, content + sizeof(content), &change) - content);
	chunk.id = (struct spool_id){spool->run, spool->next_number++};
	chunk.body_bytes = (uint32_t)piece.iov_len;
	stored = spool_chunk_seal(spool->uses->sealer, &chunk, &piece, group->buffer + group->used);
	if (stored == 0) {
		SPOOL_COUNT(spool, withdrawals_lost, 1);
		return true;
	}
	add_entry(group, NULL, 0);
	group->used += stored;
	return true;
}

bool seal_withdrawals(struct spool *spool)
{
	bool any = false;

	while (spool->withdrawn != NULL) {
		struct spool_record *record = spool->withdrawn;

		if (spool->refusal != 0)
			SPOOL_COUNT(spool, withdrawals_lost, 1);
		else if (!seal_withdrawal(spool, record))
			break;
		spool->withdrawn = record->next_withdrawn;
		free_record(spool, record);
		any = true;
	}
	return any;
}

// ---- keys ---------------------------------------------------------------------------------------

void seal_take_rotation(struct spool *spool)
{
	struct spool_sealer *sealer =
		atomic_load_explicit(&spool->next_sealer, memory_order_acquire);
	struct spool_sealer_use *use;

	if (sealer == NULL)
		return;
	use = calloc(1, sizeof(*use));
	if (use == NULL)
		return; // tried again with the next step
	use->sealer = sealer;
	use->next = spool->uses;
	spool->uses = use;
	drop_old_keys(spool);
	// New records, new segments: what was made ready under the old key is not used.
	segment_end_all(spool);
	// Release, with the acquire in spool_rotate: it may give the next.
	atomic_store_explicit(&spool->next_sealer, NULL, memory_order_release);
}
