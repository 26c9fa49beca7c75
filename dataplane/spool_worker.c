// SPDX-License-Identifier: BSD-3-Clause
// The worker's side: pages and slots of its own, messages to the spool thread and back.
#include "dataplane/spool_state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SCRATCH_BYTES 65536u
// Sealed at one time that a worker is given, so that what it does besides need not wait for long. Much more than
// comes in between two of them.
#define TURN_BYTES (128u << 10)

// ---- rings --------------------------------------------------------------------------------------

static int ring_init(struct ring *ring, size_t least)
{
	size_t size = 64;

	while (size < least)
		size *= 2;
	ring->messages = calloc(size, sizeof(*ring->messages));
	ring->mask = size - 1;
	return ring->messages != NULL ? 0 : -ENOMEM;
}

void ring_push(struct ring *ring, const struct message *message)
{
	size_t at = atomic_load_explicit(&ring->pushed, memory_order_relaxed);

	assert(at - atomic_load_explicit(&ring->pulled, memory_order_acquire) <= ring->mask);
	ring->messages[at & ring->mask] = *message;
	// Release, with the acquire in ring_peek: the message, and what it points to, before its count.
	atomic_store_explicit(&ring->pushed, at + 1, memory_order_release);
}

const struct message *ring_peek(struct ring *ring)
{
	size_t at = atomic_load_explicit(&ring->pulled, memory_order_relaxed);

	if (at == atomic_load_explicit(&ring->pushed, memory_order_acquire))
		return NULL;
	return &ring->messages[at & ring->mask];
}

void ring_pull(struct ring *ring)
{
	size_t at = atomic_load_explicit(&ring->pulled, memory_order_relaxed);

	// Release, with the acquire in ring_push: the place has been read.
	atomic_store_explicit(&ring->pulled, at + 1, memory_order_release);
}

// ---- pages --------------------------------------------------------------------------------------

void spool_worker_give_pages(struct spool_worker *worker, struct page *first, struct page *last)
{
	struct page *page = first;

	worker->free_pages_count++;
	while (page != last) {
		worker->free_pages_count++;
		page = page->next;
	}
	last->next = worker->free_pages;
	worker->free_pages = first;
}

static void forget_pages(struct spool_record *record)
{
	record->first = NULL;
	record->last = NULL;
	record->pages = 0;
	record->last_bytes = PAGE_BYTES;
	record->head_bytes = 0;
	record->body_bytes = 0;
}

static void drop_pages(struct spool_record *record)
{
	if (record->first != NULL)
		spool_worker_give_pages(record->worker, record->first, record->last);
	forget_pages(record);
}

// Of the memory, for commits and envelopes alone: what has come in whole can always be ended.
static size_t reserve(const struct spool_worker *worker)
{
	return worker->pages_count / 16;
}

static bool has_room(const struct spool_record *record, size_t n, size_t reserved)
{
	size_t in_last = PAGE_BYTES - record->last_bytes;

	return n <= in_last || (n - in_last + PAGE_BYTES - 1) / PAGE_BYTES + reserved <=
				       record->worker->free_pages_count;
}

// There is room.
static void put(struct spool_record *record, const uint8_t *data, size_t n)
{
	struct spool_worker *worker = record->worker;

	while (n > 0) {
		size_t take;

		if (record->last_bytes == PAGE_BYTES) {
			struct page *page = worker->free_pages;

			worker->free_pages = page->next;
			worker->free_pages_count--;
			page->next = NULL;
			if (record->first == NULL)
				record->first = page;
			else
				record->last->next = page;
			record->last = page;
			record->last_bytes = 0;
			record->pages++;
		}
		take = PAGE_BYTES - record->last_bytes;
		if (take > n)
			take = n;
		memcpy(record->last->data + record->last_bytes, data, take);
		record->last_bytes += (uint32_t)take;
		data += take;
		n -= take;
	}
}

static void begin_turn(struct spool_worker *worker, uint64_t now_ns)
{
	if (now_ns == worker->turn_ns)
		return;
	worker->turn_ns = now_ns;
	worker->turn_bytes = TURN_BYTES;
}

static void hand_over(struct spool_record *record, enum order_kind kind, uint32_t tail_bytes)
{
	struct spool_worker *worker = record->worker;
	const struct order order = {.kind = kind,
		.record = record,
		.first = record->first,
		.last = record->last,
		.head_bytes = record->head_bytes,
		.body_bytes = record->body_bytes,
		.tail_bytes = tail_bytes};

	forget_pages(record);
	record->handed = true;
	orders_add(&worker->orders, &order);
	seal_orders(worker);
}

// ---- records ------------------------------------------------------------------------------------

static void link_begun(struct spool_record *record)
{
	struct spool_worker *worker = record->worker;
	struct spool_record *first = worker->begun;

	record->next = first != NULL ? first : record;
	record->previous = first != NULL ? first->previous : record;
	record->previous->next = record;
	record->next->previous = record;
	if (first == NULL)
		worker->begun = record;
}

static void unlink_begun(struct spool_record *record)
{
	struct spool_worker *worker = record->worker;

	if (worker->begun == record)
		worker->begun = record->next == record ? NULL : record->next;
	record->previous->next = record->next;
	record->next->previous = record->previous;
}

static struct spool_record *take_record(struct spool_worker *worker, void *cookie)
{
	struct spool_record *record = worker->free_records;

	if (record == NULL)
		return NULL;
	worker->free_records = record->next;
	worker->records_taken++;
	memset(record, 0, offsetof(struct spool_record, next_withdrawn));
	record->worker = worker;
	record->cookie = cookie;
	forget_pages(record);
	return record;
}

static void free_record(struct spool_record *record)
{
	struct spool_worker *worker = record->worker;

	record->next = worker->free_records;
	worker->free_records = record;
	worker->records_taken--;
}

static int put_head(struct spool_record *record, size_t n)
{
	if (record->head_total + n > SPOOL_HEAD_BYTES)
		return -EMSGSIZE;
	if (!has_room(record, n, 0))
		return -EAGAIN;
	put(record, record->worker->scratch, n);
	record->head_bytes += (uint32_t)n;
	record->head_total += n;
	return 0;
}

int spool_add_recipient(struct spool_record *record, const struct spool_recipient *recipient)
{
	uint8_t *scratch = record->worker->scratch;
	const uint8_t *end = spool_put_recipient(scratch, scratch + SCRATCH_BYTES, recipient);

	assert(record->body_total == 0);
	return end != NULL ? put_head(record, (size_t)(end - scratch)) : -EMSGSIZE;
}

int spool_begin(struct spool_worker *worker, const struct spool_envelope *envelope, void *cookie,
	struct spool_record **out)
{
	struct spool_envelope rest = *envelope;
	struct spool_record *record;
	const uint8_t *end;
	// Acquire is not needed: it is a hint that comes a little late.
	int err = atomic_load_explicit(&worker->spool->published_refusal, memory_order_relaxed);

	if (err != 0)
		return err;
	record = take_record(worker, cookie);
	if (record == NULL)
		return -EAGAIN;
	rest.recipients_count = 0;
	end = spool_put_envelope(worker->scratch, worker->scratch + SCRATCH_BYTES, &rest);
	err = end != NULL ? put_head(record, (size_t)(end - worker->scratch)) : -EMSGSIZE;
	for (size_t i = 0; err == 0 && i < envelope->recipients_count; i++)
		err = spool_add_recipient(record, &envelope->recipients[i]);
	if (err != 0) {
		drop_pages(record);
		free_record(record);
		return err;
	}
	link_begun(record);
	*out = record;
	return 0;
}

// Sooner when three quarters of the memory are taken.
static bool is_to_spill(const struct spool_record *record)
{
	const struct spool_worker *worker = record->worker;

	return record->pages >= SPILL_PAGES &&
	       ((uint64_t)record->pages * PAGE_BYTES >= worker->spool->options.spill_bytes ||
		       worker->free_pages_count < worker->pages_count / 4);
}

int spool_append(struct spool_record *record, const void *data, size_t n)
{
	const struct spool_options *options = &record->worker->spool->options;
	int err = atomic_load_explicit(&record->failure, memory_order_relaxed);

	if (err != 0)
		return err;
	if (options->record_bytes != 0 && record->body_total + n > options->record_bytes)
		return -EFBIG;
	if (!has_room(record, n, reserve(record->worker)))
		return -EAGAIN;
	record->recall = record->recall == RECALL_ASKED || record->recall == RECALL_STALE
				 ? RECALL_STALE
				 : RECALL_NONE;
	put(record, data, n);
	record->body_bytes += n;
	record->body_total += n;
	if (is_to_spill(record))
		hand_over(record, ORDER_DATA, 0);
	return 0;
}

bool spool_is_at_rest(const struct spool_worker *worker)
{
	return worker->records_taken == 0;
}

bool spool_is_refusing(const struct spool_worker *worker)
{
	return atomic_load_explicit(&worker->spool->published_refusal, memory_order_relaxed) != 0;
}

size_t spool_room(const struct spool_worker *worker, const struct spool_record *record)
{
	size_t reserved = reserve(worker);

	if (record != NULL && atomic_load_explicit(&record->failure, memory_order_relaxed) != 0)
		return SIZE_MAX;
	if (worker->free_pages_count <= reserved ||
		(record == NULL && worker->free_records == NULL))
		return 0;
	return (worker->free_pages_count - reserved) * PAGE_BYTES;
}

// A record that does not go on must not keep what others wait for.
static void spill_one(struct spool_worker *worker)
{
	struct spool_record *record = worker->begun;

	if (record == NULL || worker->free_pages_count >= worker->pages_count / 8)
		return;
	worker->begun = record->next;
	if (record->pages > 0 && record->recall == RECALL_NONE)
		hand_over(record, ORDER_DATA, 0);
}

int spool_commit(struct spool_record *record, const struct spool_reason *reason, uint64_t now_ns)
{
	struct spool_worker *worker = record->worker;
	const uint8_t *end =
		spool_put_reason(worker->scratch, worker->scratch + SPOOL_TAIL_BYTES, reason);
	size_t n;

	assert(!spool_state_is_gone(reason->state));
	if (end == NULL)
		return -EMSGSIZE;
	n = (size_t)(end - worker->scratch);
	if (!has_room(record, n, 0))
		return -EAGAIN;
	unlink_begun(record);
	put(record, worker->scratch, n);
	begin_turn(worker, now_ns);
	record->deadline_ns = now_ns + worker->spool->options.deadline_ns;
	record->next = NULL;
	record->previous = worker->newest;
	if (worker->newest == NULL)
		worker->oldest = record;
	else
		worker->newest->next = record;
	worker->newest = record;
	if (worker->in_time == NULL)
		worker->in_time = record;
	hand_over(record, ORDER_COMMIT, (uint32_t)n);
	return 0;
}

void spool_abort(struct spool_record *record)
{
	unlink_begun(record);
	drop_pages(record);
	if (record->handed)
		hand_over(record, ORDER_ABORT, 0);
	else
		free_record(record);
}

// ---- reading back -------------------------------------------------------------------------------

int spool_recall(struct spool_record *record)
{
	struct spool_worker *worker = record->worker;

	if (!record->handed) {
		record->recall = RECALL_DONE;
		return 0;
	}
	if (record->recall == RECALL_NONE) {
		orders_add(
			&worker->orders, &(struct order){.kind = ORDER_RECALL, .record = record});
		record->recall = RECALL_ASKED;
		seal_orders(worker);
	}
	if (record->recall != RECALL_DONE)
		return -EINPROGRESS;
	return atomic_load_explicit(&record->failure, memory_order_relaxed);
}

// ---- results ------------------------------------------------------------------------------------

static void no_more_committed(struct spool_record *record)
{
	struct spool_worker *worker = record->worker;

	if (worker->in_time == record)
		worker->in_time = record->next;
	if (record->previous == NULL)
		worker->oldest = record->next;
	else
		record->previous->next = record->next;
	if (record->next == NULL)
		worker->newest = record->previous;
	else
		record->next->previous = record->previous;
}

static struct spool_done done_of(const struct spool_record *record, int error)
{
	struct spool_id id = {record->worker->spool->run, error == 0 ? record->number : 0};

	return (struct spool_done){record->cookie, id, error};
}

static void end_record(struct spool_record *record)
{
	seal_drop_use(record->worker, record);
	free_record(record);
}

// Returns whether there is a result.
static bool take_message(struct spool_worker *worker, struct spool_done *out)
{
	const struct message message = *ring_peek(&worker->from_spool);
	struct spool_record *record = message.record;
	bool is_result;

	ring_pull(&worker->from_spool);
	switch (message.kind) {
	case MESSAGE_RECALLED:
		record->recall = record->recall == RECALL_ASKED ? RECALL_DONE : RECALL_NONE;
		return false;
	case MESSAGE_FREE:
	case MESSAGE_FAILED:
	case MESSAGE_STORED:
	case MESSAGE_GROUP:
		break;
	}
	is_result = message.kind != MESSAGE_FREE && !record->told;
	if (is_result) {
		*out = done_of(record, message.error);
		no_more_committed(record);
	}
	end_record(record);
	return is_result;
}

size_t spool_worker_take(struct spool_worker *worker, struct spool_done *out, size_t room)
{
	size_t count = 0;

	while (count < room && ring_peek(&worker->from_spool) != NULL)
		count += take_message(worker, &out[count]);
	return count;
}

// Those whose time is over are not stored any more. The other side is decide() of spool_record.c: one of the two does it.
static void end_time(struct spool_worker *worker, uint64_t now_ns)
{
	while (worker->in_time != NULL && worker->in_time->deadline_ns <= now_ns) {
		int pending = RECORD_PENDING;

		(void)atomic_compare_exchange_strong(
			&worker->in_time->decision, &pending, RECORD_GIVEN_UP);
		worker->in_time = worker->in_time->next;
	}
}

// The disk has had as much time again to undo it. They are in the order of their deadlines.
static bool is_lost(const struct spool_worker *worker, uint64_t now_ns)
{
	const struct spool_record *record = worker->oldest;

	return record != NULL && record->deadline_ns <= now_ns &&
	       now_ns - record->deadline_ns >= worker->spool->options.deadline_ns &&
	       atomic_load_explicit(&record->decision, memory_order_relaxed) != RECORD_STORED;
}

size_t spool_poll(struct spool_worker *worker, uint64_t now_ns, struct spool_done *out, size_t room)
{
	size_t count = spool_worker_take(worker, out, room);

	begin_turn(worker, now_ns);
	spill_one(worker);
	if (orders_are_waiting(&worker->orders))
		seal_orders(worker);
	end_time(worker, now_ns);
	while (count < room && is_lost(worker, now_ns)) {
		struct spool_record *record = worker->oldest;

		out[count++] = done_of(record, -ETIMEDOUT);
		no_more_committed(record);
		record->told = true;
	}
	return count;
}

// ---- start --------------------------------------------------------------------------------------

struct spool_worker *spool_get_worker(struct spool *spool, uint32_t number)
{
	return number < spool->options.workers ? &spool->workers[number] : NULL;
}

int spool_worker_init(struct spool *spool, struct spool_worker *worker)
{
	const struct spool_options *options = &spool->options;
	size_t pages = options->memory_bytes / PAGE_BYTES;
	// Of a record's result, its slot and its recall there is one on its way at a time.
	int err = ring_init(&worker->from_spool, 3 * (size_t)options->records);

	if (err == 0)
		err = ring_init(&worker->to_spool, GROUPS_IN_HAND);
	if (err == 0)
		err = ring_init(&worker->free_groups, GROUPS_IN_HAND);
	// Each order stands for pages, one at least, or for a record's commit, abort or recall.
	if (err == 0)
		err = orders_init(&worker->orders, pages + 3 * (size_t)options->records);
	worker->spool = spool;
	worker->uses = calloc(1, sizeof(*worker->uses));
	worker->pages = calloc(pages, sizeof(*worker->pages));
	worker->memory = spool_memory(pages * PAGE_BYTES);
	worker->records = aligned_alloc(64, options->records * sizeof(*worker->records));
	worker->scratch = malloc(SCRATCH_BYTES);
	if (err != 0 || worker->uses == NULL || worker->pages == NULL || worker->memory == NULL ||
		worker->records == NULL || worker->scratch == NULL)
		return -ENOMEM;
	memset(worker->records, 0, options->records * sizeof(*worker->records));
	worker->records_count = options->records;
	worker->pages_count = pages;
	// The first is taken first.
	for (size_t i = pages; i-- > 0;) {
		worker->pages[i].data = worker->memory + i * PAGE_BYTES;
		spool_worker_give_pages(worker, &worker->pages[i], &worker->pages[i]);
	}
	for (uint32_t i = 0; i < options->records; i++) {
		worker->records[i].worker = worker;
		worker->records_taken++;
		free_record(&worker->records[i]);
	}
	return 0;
}

void spool_worker_fini(struct spool_worker *worker)
{
	spool_sealer_free(atomic_load(&worker->between.next_sealer));
	while (worker->uses != NULL) {
		struct spool_sealer_use *use = worker->uses;

		worker->uses = use->next;
		spool_sealer_free(use->sealer);
		free(use);
	}
	free(worker->orders.places);
	free(worker->to_spool.messages);
	free(worker->free_groups.messages);
	free(worker->from_spool.messages);
	free(worker->pages);
	free(worker->memory);
	// Of those that are still begun the spool thread noted where their chunks lie.
	for (size_t i = 0; i < worker->records_count; i++)
		free(worker->records[i].extents);
	free(worker->records);
	free(worker->scratch);
}
