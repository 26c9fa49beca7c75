// SPDX-License-Identifier: BSD-3-Clause
// The spool thread's side of records: takes groups that workers have sealed, and from those that are durable makes
// results.
#include "dataplane/spool_state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void send(
	struct spool_worker *worker, enum message_kind kind, struct spool_record *record, int error)
{
	ring_push(&worker->from_spool,
		&(struct message){.kind = kind, .record = record, .error = error});
}

// ---- the life of a record ------------------------------------------------------------------------

// The slot is the worker's again with the message that follows.
static void clear(struct spool_record *record)
{
	if (record->first_segment != NULL)
		record->first_segment->records--;
	free(record->extents);
	memset(&record->next_withdrawn, 0,
		sizeof(*record) - offsetof(struct spool_record, next_withdrawn));
}

static void free_record(struct spool_record *record)
{
	clear(record);
	send(record->worker, MESSAGE_FREE, record, 0);
}

// It is committed, and nothing of it can come back.
static void send_failed(struct spool_record *record)
{
	int error = atomic_load_explicit(&record->failure, memory_order_relaxed);

	clear(record);
	send(record->worker, MESSAGE_FAILED, record, error != 0 ? error : -ETIMEDOUT);
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

	if (mine && error == 0) {
		SPOOL_COUNT(spool, records_durable, 1);
		clear(record);
		send(record->worker, MESSAGE_STORED, record, 0);
		return;
	}
	if (error == 0)
		SPOOL_COUNT(spool, records_late, 1);
	else
		SPOOL_COUNT(spool, records_failed, 1);
	// Whole on the disk, perhaps: who is told that it was not taken before that is undone gets it twice when the
	// process ends in between.
	if (record->sealed)
		withdraw(spool, record);
	else
		send_failed(record);
}

static void check_end(struct spool *spool, struct spool_record *record)
{
	if (record->chunks > 0)
		return;
	if (record->recalled)
		send(record->worker, MESSAGE_RECALLED, record, 0);
	record->recalled = false;
	if (record->aborted)
		free_record(record);
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

void record_group_done(struct spool *spool, struct group *group, int error)
{
	if (group->worker != NULL)
		group->worker->between.groups_going--;
	for (uint32_t i = 0; i < group->entries_count; i++) {
		const struct entry *entry = &group->entries[i];
		struct spool_record *record = entry->record;

		if (entry->does & ENTRY_WITHDRAWAL) {
			SPOOL_COUNT(spool, withdrawals_lost, error != 0);
			send_failed(record);
			continue;
		}
		if (!(entry->does & ENTRY_CHUNK))
			continue;
		record->chunks--;
		if (error == 0 && !record->committed)
			note_place(record, entry->index, group, entry->at);
		if (error != 0)
			atomic_store_explicit(&record->failure, error, memory_order_relaxed);
		check_end(spool, record);
	}
}

void record_fail_placed(struct spool *spool, int error)
{
	for (uint32_t i = 0; i < spool->options.workers; i++) {
		struct spool_worker *worker = &spool->workers[i];

		for (size_t k = 0; k < worker->records_count; k++) {
			struct spool_record *record = &worker->records[k];

			if (record->first_segment != NULL)
				atomic_store_explicit(
					&record->failure, error, memory_order_relaxed);
		}
	}
}

// ---- groups of workers ---------------------------------------------------------------------------

static void take_entry(struct spool *spool, const struct entry *entry)
{
	struct spool_record *record = entry->record;

	record->chunks += (entry->does & ENTRY_CHUNK) != 0;
	record->sealed |= (entry->does & ENTRY_FINAL) != 0;
	record->committed |= (entry->does & ENTRY_COMMIT) != 0;
	record->recalled |= (entry->does & ENTRY_RECALL) != 0;
	if (entry->does & ENTRY_ABORT) {
		record->aborted = true;
		SPOOL_COUNT(spool, records_aborted, 1);
	}
	check_end(spool, record);
}

static void take_group(struct spool *spool, struct group *group)
{
	struct spool_worker *worker = group->worker;

	// A record is durable when all that is known of it is: what was sealed first must be known first.
	assert(group->number == worker->between.groups_taken);
	worker->between.groups_taken++;
	worker->between.groups_given--;
	worker->between.groups_going += group->used > 0;
	for (uint32_t i = 0; i < group->entries_count; i++)
		take_entry(spool, &group->entries[i]);
	group_make_ready(spool, group);
}

static bool take_full(struct spool *spool, struct spool_worker *worker)
{
	const struct message *message = ring_peek(&worker->to_spool);
	struct group *group;

	if (message == NULL)
		return false;
	group = message->group;
	ring_pull(&worker->to_spool);
	take_group(spool, group);
	return true;
}

// Acquire, with the release of the worker's offer.
static struct group *take_offered(struct spool_worker *worker)
{
	if (atomic_load_explicit(&worker->between.offered, memory_order_relaxed) == NULL)
		return NULL;
	return atomic_exchange_explicit(&worker->between.offered, NULL, memory_order_acquire);
}

// While the disk has enough to do, more is sealed into what is not full yet; but each worker always has something on its
// way: when another sends more than the disk takes for long it never has too little to do.
static bool is_to_be_taken(const struct spool *spool, const struct spool_worker *worker)
{
	return worker->between.groups_going == 0 ||
	       (spool->ready == NULL && spool->writing < GROUPS_PART_FULL);
}

bool record_take_groups(struct spool *spool)
{
	uint32_t workers = spool->options.workers;
	bool any = false;

	for (uint32_t i = 0; i < workers; i++) {
		while (take_full(spool, &spool->workers[i]))
			any = true;
	}
	for (uint32_t i = 0; i < workers; i++) {
		struct spool_worker *worker = &spool->workers[(spool->turn + i) % workers];
		struct group *group = is_to_be_taken(spool, worker) ? take_offered(worker) : NULL;

		if (group == NULL)
			continue;
		// What was full before this one was begun may have come meanwhile; but also what was begun after it,
		// and that is not its turn yet.
		while (worker->between.groups_taken != group->number && take_full(spool, worker))
			continue;
		take_group(spool, group);
		any = true;
	}
	return any;
}

bool record_has_groups(struct spool *spool)
{
	for (uint32_t i = 0; i < spool->options.workers; i++) {
		struct spool_worker *worker = &spool->workers[i];

		if (ring_peek(&worker->to_spool) != NULL ||
			atomic_load_explicit(&worker->between.offered, memory_order_relaxed) !=
				NULL)
			return true;
	}
	return false;
}

// One each, in turn, until all have enough or there are no more.
void record_give_groups(struct spool *spool)
{
	uint32_t workers = spool->options.workers;
	uint32_t full = 0;

	while (spool->free_groups != NULL && full < workers) {
		struct spool_worker *worker = &spool->workers[spool->turn];
		struct group *group = spool->free_groups;

		spool->turn = (spool->turn + 1) % workers;
		if (worker->between.groups_given >= GROUPS_IN_HAND) {
			full++;
			continue;
		}
		full = 0;
		spool->free_groups = group->next;
		worker->between.groups_given++;
		ring_push(&worker->free_groups,
			&(struct message){.kind = MESSAGE_GROUP, .group = group});
	}
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
	chunk.id = (struct spool_id){spool->run,
		atomic_fetch_add_explicit(&spool->next_number, 1, memory_order_relaxed)};
	chunk.body_bytes = (uint32_t)piece.iov_len;
	stored = spool_chunk_seal(spool->sealer, &chunk, &piece, group->buffer + group->used);
	if (stored == 0) {
		SPOOL_COUNT(spool, withdrawals_lost, 1);
		send_failed(record);
		return true;
	}
	group_add_entry(group, record, 0, ENTRY_WITHDRAWAL);
	group->used += stored;
	return true;
}

bool record_seal_withdrawals(struct spool *spool)
{
	bool any = false;

	while (spool->withdrawn != NULL) {
		struct spool_record *record = spool->withdrawn;
		struct spool_record *next = record->next_withdrawn;

		if (spool->refusal != 0) {
			SPOOL_COUNT(spool, withdrawals_lost, 1);
			send_failed(record);
		} else if (!seal_withdrawal(spool, record)) {
			break;
		}
		spool->withdrawn = next;
		any = true;
	}
	return any;
}

// ---- keys ---------------------------------------------------------------------------------------

void rotation_free(struct rotation *rotation)
{
	if (rotation == NULL)
		return;
	for (uint32_t i = 0; i < rotation->count; i++)
		spool_sealer_free(rotation->sealers[i]);
	free(rotation);
}

void record_take_rotation(struct spool *spool)
{
	struct rotation *rotation = atomic_load_explicit(&spool->rotation, memory_order_acquire);

	if (rotation == NULL)
		return;
	for (uint32_t i = 0; i < spool->options.workers; i++) {
		// Release, with the acquire in take_new_key; an older one that no record has asked for is of no use.
		spool_sealer_free(atomic_exchange_explicit(&spool->workers[i].between.next_sealer,
			rotation->sealers[i], memory_order_acq_rel));
		rotation->sealers[i] = NULL;
	}
	spool_sealer_free(spool->sealer);
	spool->sealer = rotation->sealers[spool->options.workers];
	free(rotation);
	// New records, new segments: what was made ready under the old key is not used.
	segment_end_all(spool);
	// Release, with the acquire in spool_rotate: it may give the next.
	atomic_store_explicit(&spool->rotation, NULL, memory_order_release);
}
