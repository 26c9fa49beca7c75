// SPDX-License-Identifier: BSD-3-Clause
// A worker's side of sealing: from orders to chunks in groups, which the spool thread takes.
#include "dataplane/spool_state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

// A chunk takes as long as so many bytes more: a key's set-up, a tag, an entry.
#define CHUNK_COST 512u
#define MAX_PIECES (SPOOL_CONTENT_BYTES / PAGE_BYTES + 3)

// ---- orders -------------------------------------------------------------------------------------

int orders_init(struct orders *orders, size_t least)
{
	size_t size = 64;

	while (size < least)
		size *= 2;
	orders->places = calloc(size, sizeof(*orders->places));
	orders->mask = size - 1;
	return orders->places != NULL ? 0 : -ENOMEM;
}

void orders_add(struct orders *orders, const struct order *order)
{
	assert(orders->end - orders->first <= orders->mask);
	orders->places[orders->end++ & orders->mask] = *order;
}

static const struct order *oldest(const struct orders *orders)
{
	return &orders->places[orders->first & orders->mask];
}

static void drop_oldest(struct orders *orders)
{
	orders->busy = false;
	if (++orders->first == orders->end) {
		orders->first = 0;
		orders->end = 0;
	}
}

// ---- keys ---------------------------------------------------------------------------------------

static void drop_old_keys(struct spool_worker *worker)
{
	struct spool_sealer_use **link = &worker->uses->next;

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

static void take_new_key(struct spool_worker *worker)
{
	struct spool_sealer_use *use;

	if (atomic_load_explicit(&worker->between.next_sealer, memory_order_relaxed) == NULL)
		return;
	use = calloc(1, sizeof(*use));
	if (use == NULL)
		return; // tried again with the next record
	// Acquire, with the release in record_take_rotation, which puts a newer one in its place at most.
	use->sealer =
		atomic_exchange_explicit(&worker->between.next_sealer, NULL, memory_order_acquire);
	use->next = worker->uses;
	worker->uses = use;
	drop_old_keys(worker);
}

static void begin_record(struct spool_worker *worker, struct spool_record *record)
{
	if (record->use != NULL)
		return;
	take_new_key(worker);
	record->use = worker->uses;
	record->use->records++;
	// Only that no two are the same matters.
	record->number =
		atomic_fetch_add_explicit(&worker->spool->next_number, 1, memory_order_relaxed);
}

void seal_drop_use(struct spool_worker *worker, struct spool_record *record)
{
	if (record->use == NULL)
		return;
	record->use->records--;
	record->use = NULL;
	drop_old_keys(worker);
}

// ---- groups -------------------------------------------------------------------------------------

// The one to seal into, with that much room; NULL: there is none now.
static struct group *open_group(struct spool_worker *worker, size_t bytes)
{
	struct group *group = worker->open;
	const struct message *free;

	// Acquire is not needed, if it is taken back it is as it was left.
	if (group == NULL &&
		atomic_load_explicit(&worker->between.offered, memory_order_relaxed) != NULL)
		group = atomic_exchange_explicit(
			&worker->between.offered, NULL, memory_order_relaxed);
	if (group != NULL && !group_has_room(group, bytes)) {
		ring_push(&worker->to_spool,
			&(struct message){.kind = MESSAGE_GROUP, .group = group});
		group = NULL;
	}
	if (group == NULL && (free = ring_peek(&worker->free_groups)) != NULL) {
		group = free->group;
		ring_pull(&worker->free_groups);
		group_empty(group);
		group->worker = worker;
		group->number = worker->groups_opened++;
	}
	worker->open = group;
	return group;
}

// Until it is taken, more can be sealed into it: it is taken back for that.
static void offer(struct spool_worker *worker)
{
	if (worker->open == NULL)
		return;
	// Release, with the acquire in record_take_groups: what is in it, and what to_spool has before it.
	atomic_store_explicit(&worker->between.offered, worker->open, memory_order_release);
	worker->open = NULL;
}

// ---- sealing ------------------------------------------------------------------------------------

// The next n bytes of the order's pages as pieces, of pages that lie behind each other one.
static void gather(struct orders *orders, size_t n, struct iovec *pieces)
{
	struct iovec *last = NULL;

	while (n > 0) {
		uint8_t *from = orders->page->data + orders->page_at;
		size_t take = PAGE_BYTES - orders->page_at;

		if (take > n)
			take = n;
		if (last != NULL && (uint8_t *)last->iov_base + last->iov_len == from) {
			last->iov_len += take;
		} else {
			last = pieces++;
			*last = (struct iovec){from, take};
		}
		orders->page_at += (uint32_t)take;
		n -= take;
		if (orders->page_at == PAGE_BYTES) {
			orders->page = orders->page->next;
			orders->page_at = 0;
		}
	}
}

static uint64_t bytes_left(const struct orders *orders)
{
	return orders->head_left + orders->body_left + orders->tail_left;
}

// What of the rest goes into a chunk with so much room; the tail goes whole, and last.
static struct spool_chunk plan(const struct orders *orders, size_t room)
{
	struct spool_chunk chunk = {.kind = SPOOL_KIND_RECORD};
	size_t front = room < orders->head_left ? room : orders->head_left;
	uint64_t left = bytes_left(orders);

	chunk.head_bytes = (uint32_t)front;
	room -= front;
	chunk.body_bytes = (uint32_t)(room < orders->body_left ? room : orders->body_left);
	if (oldest(orders)->kind == ORDER_COMMIT && left <= front + room) {
		chunk.tail_bytes = orders->tail_left;
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

// Seals one chunk of the oldest order. Returns 0, -EAGAIN when there is no group, or -EIO.
static int seal_chunk(struct spool_worker *worker, struct spool_record *record)
{
	struct orders *orders = &worker->orders;
	uint64_t left = bytes_left(orders);
	size_t least = left < SPOOL_CONTENT_BYTES ? (size_t)left : SPOOL_CONTENT_BYTES;
	struct group *group = open_group(worker, spool_chunk_stored(least));
	struct iovec pieces[MAX_PIECES];
	struct spool_chunk chunk;
	size_t stored;
	size_t cost;

	if (group == NULL)
		return -EAGAIN;
	chunk = plan(orders, room_of(group));
	chunk.index = record->next_index++;
	chunk.id = (struct spool_id){worker->spool->run, record->number};
	gather(orders, spool_chunk_content(&chunk), pieces);
	stored = spool_chunk_seal(record->use->sealer, &chunk, pieces, group->buffer + group->used);
	if (stored == 0)
		return -EIO;
	group_add_entry(group, record, chunk.index,
		chunk.flags & SPOOL_CHUNK_FINAL ? ENTRY_CHUNK | ENTRY_FINAL : ENTRY_CHUNK);
	group->used += stored;
	orders->head_left -= chunk.head_bytes;
	orders->body_left -= chunk.body_bytes;
	orders->tail_left -= chunk.tail_bytes;
	cost = stored + CHUNK_COST;
	worker->turn_bytes -= cost < worker->turn_bytes ? cost : worker->turn_bytes;
	return 0;
}

// What the order says of its record besides, behind its chunks. Returns false when there is no group.
static bool tell(struct spool_worker *worker, const struct order *order)
{
	static const uint32_t does[] = {[ORDER_DATA] = 0,
		[ORDER_COMMIT] = ENTRY_COMMIT,
		[ORDER_ABORT] = ENTRY_ABORT,
		[ORDER_RECALL] = ENTRY_RECALL};
	struct group *group = worker->open;
	struct entry *last;

	if (order->kind == ORDER_DATA)
		return true;
	last = group != NULL && group->entries_count > 0 ? &group->entries[group->entries_count - 1]
							 : NULL;
	if (last != NULL && last->record == order->record) {
		last->does |= does[order->kind];
		return true;
	}
	group = open_group(worker, 0);
	if (group != NULL)
		group_add_entry(group, order->record, 0, does[order->kind]);
	return group != NULL;
}

static void begin_order(struct spool_worker *worker, const struct order *order)
{
	struct orders *orders = &worker->orders;

	orders->busy = true;
	orders->page = order->first;
	orders->page_at = 0;
	orders->head_left = order->head_bytes;
	orders->body_left = order->body_bytes;
	orders->tail_left = order->tail_bytes;
	begin_record(worker, order->record);
}

// Works on the oldest. Returns false when it is not done with: there is no group, or the turn is over.
static bool seal_order(struct spool_worker *worker)
{
	struct orders *orders = &worker->orders;
	const struct order *order = oldest(orders);
	struct spool_record *record = order->record;

	if (!orders->busy)
		begin_order(worker, order);
	while (bytes_left(orders) > 0 &&
		atomic_load_explicit(&record->failure, memory_order_relaxed) == 0) {
		int err = worker->turn_bytes > 0 ? seal_chunk(worker, record) : -EAGAIN;

		if (err == -EAGAIN)
			return false;
		if (err != 0)
			atomic_store_explicit(&record->failure, err, memory_order_relaxed);
	}
	if (!tell(worker, order))
		return false;
	if (order->first != NULL)
		spool_worker_give_pages(worker, order->first, order->last);
	drop_oldest(orders);
	return true;
}

void seal_orders(struct spool_worker *worker)
{
	while (orders_are_waiting(&worker->orders) && seal_order(worker))
		continue;
	offer(worker);
}
