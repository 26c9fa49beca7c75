// SPDX-License-Identifier: BSD-3-Clause
// Inside of the writer. Fields are the spool thread's but for those that say otherwise.
#pragma once

#include "dataplane/spool.h"
#include "dataplane/spool_io.h"
#include "dataplane/spoolfile_chunk.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define GROUP_BYTES (512u << 10)
#define GROUP_ENTRIES (GROUP_BYTES / 512u) // chunks at most: with short ones it is full sooner
#define GROUPS 32        // on their way to the disk or being made durable, at most
#define GROUPS_IN_HAND 4 // of each worker beside those: to seal into
// A reader that follows looks behind zeros as far as this: in it lies all that may be on its way.
#define WINDOW_BYTES ((uint64_t)GROUPS * GROUP_BYTES)
#define GROUPS_WRITING 16  // at once: as many more are being synced, or are ready
#define GROUPS_PART_FULL 4 // while fewer are being written a group need not be full to be the next
#define WRITE_TRIES 3
#define PAGE_BYTES 4096u
#define SPILL_PAGES 16u // at least that many are handed over ahead of a commit
#define RETRY_NS 1000000000u
#define NAME_BYTES 64
#define ZERO_BYTES (1u << 20) // of one write: what comes meanwhile waits for it

// Apart from its bytes, which lie behind those of the page before in memory: so a message that gets them one
// after the other is copied to, and sealed from, few long pieces.
struct page {
	struct page *next;
	uint8_t *data;
};

// ---- rings between a worker and the spool thread -----------------------------------------------

enum message_kind {
	MESSAGE_GROUP,    // one that is full to the spool thread, one to seal into to the worker
	MESSAGE_STORED,   // to the worker: a record's result, and its slot to use again
	MESSAGE_FAILED,   // likewise; what it may have left on the disk is withdrawn
	MESSAGE_FREE,     // its slot alone: it was aborted
	MESSAGE_RECALLED, // what of it was sealed can be read
};

struct message {
	enum message_kind kind;
	int error;
	union {
		struct group *group;
		struct spool_record *record;
	};
};

struct ring {
	_Alignas(64) atomic_size_t pushed; // producer writes
	_Alignas(64) atomic_size_t pulled; // consumer writes
	_Alignas(64) size_t mask;          // set once
	struct message *messages;
};

// Sized so that it is never full: what is in it stands for groups and slots that are taken.
void ring_push(struct ring *ring, const struct message *message);
// The oldest, NULL when there is none; it stays until ring_pull.
const struct message *ring_peek(struct ring *ring);
void ring_pull(struct ring *ring);

// ---- records -------------------------------------------------------------------------------------

enum record_decision { RECORD_PENDING, RECORD_STORED, RECORD_FAILED, RECORD_GIVEN_UP };

struct spool_sealer_use {
	struct spool_sealer *sealer;
	uint64_t records; // that use it
	struct spool_sealer_use *next;
};

// Sealers of new data keys, one for each worker and the last for the spool thread itself.
struct rotation {
	uint32_t count;
	struct spool_sealer *sealers[];
};

// A chunk of a record on the disk.
struct extent {
	const struct segment *segment;
	uint64_t offset;
};

// STALE: it was asked for what there was before the last append, and there is no answer yet.
enum recall_state { RECALL_NONE, RECALL_ASKED, RECALL_STALE, RECALL_DONE };

struct spool_record {
	// Worker.
	struct spool_record *next; // free ones; those begun, a ring; or those committed, by time
	struct spool_record *previous;
	struct spool_worker *worker; // set once
	void *cookie;
	struct page *first;
	struct page *last;
	uint32_t pages;
	uint32_t last_bytes; // in the last page
	uint32_t head_bytes; // in these pages
	uint64_t body_bytes;
	uint64_t head_total;
	uint64_t body_total;
	uint64_t deadline_ns;
	struct spool_sealer_use *use; // NULL: nothing was sealed yet, nor was it asked for
	uint64_t number;              // with its first chunk; the spool thread reads it behind that
	uint32_t next_index;          // of its next chunk
	uint8_t recall;               // enum recall_state
	bool handed;                  // something is to be sealed, or was
	bool told;                    // its result was given without the spool thread's
	// Both: who is first decides; and what has failed already.
	_Atomic int decision;
	_Atomic int failure;
	// Spool thread, zeros whenever the slot is the worker's.
	_Alignas(64) struct spool_record *next_withdrawn;
	struct segment *first_segment;
	uint32_t chunks; // not durable yet
	// By index; spool_read's thread reads it once the record is recalled.
	struct extent *extents;
	uint32_t extents_room;
	bool recalled;
	bool committed;
	bool aborted;
	bool sealed; // its last chunk is in a group
};

// What is to be sealed, or said of a record behind what was sealed of it.
enum order_kind { ORDER_DATA, ORDER_COMMIT, ORDER_ABORT, ORDER_RECALL };

struct order {
	enum order_kind kind;
	struct spool_record *record;
	struct page *first;
	struct page *last;
	uint32_t head_bytes;
	uint32_t tail_bytes;
	uint64_t body_bytes;
};

// Those of one worker, oldest first. Never full, as are the rings. As long as none waits the first place is used
// again and again.
struct orders {
	struct order *places;
	size_t mask;
	size_t first;
	size_t end;
	// What of the oldest one is still to be sealed.
	struct page *page;
	uint64_t body_left;
	uint32_t page_at;
	uint32_t head_left;
	uint32_t tail_left;
	bool busy;
};

struct between {
	// The group that is not full yet: whoever takes the pointer out of here has the group, the spool thread only
	// after all that are in to_spool.
	_Alignas(64) _Atomic(struct group *) offered;
	_Atomic(struct spool_sealer *) next_sealer; // for new records; NULL: no other
	// Spool thread.
	uint64_t groups_taken; // so far
	uint32_t groups_given; // that the worker has now
	uint32_t groups_going; // taken from it, and not yet durable or given up
};

struct spool_worker {
	struct ring to_spool;    // groups that are full
	struct ring from_spool;  // what has become of records
	struct ring free_groups; // to seal into
	struct between between;
	// Worker.
	struct spool *spool;
	struct spool_sealer_use *uses; // the first is for new records
	struct orders orders;
	struct group *open;     // while it seals
	uint64_t groups_opened; // so far
	uint64_t turn_ns;       // what the time was when the next was set
	size_t turn_bytes;      // that may be sealed at that time
	struct page *free_pages;
	size_t free_pages_count;
	struct spool_record *free_records;
	struct spool_record
		*begun; // a ring: the next whose pages are handed over when memory is short
	struct spool_record *oldest; // committed, and no result yet
	struct spool_record *newest;
	struct spool_record *in_time; // the first of these that can still be stored
	struct page *pages;           // all, set once
	uint8_t *memory;              // of all
	size_t pages_count;
	struct spool_record *records;
	size_t records_count;
	size_t records_taken;
	uint8_t *scratch;
};

// ---- segments and groups -------------------------------------------------------------------------

struct segment {
	struct segment *next; // in the list it is on
	int file;
	char name[NAME_BYTES];
	uint64_t used;
	uint64_t durable; // end of the last group that is
	uint64_t zeroed;  // bytes from its beginning that were written once
	uint64_t epoch;   // when zeros were first on their way
	uint32_t groups;  // on their way to it
	uint32_t records; // in progress whose first chunk is here
	bool closed;      // nothing more goes here
	bool is_removed;  // by somebody else, while it is in use
	bool filling;     // a request of fill's is on its way
	bool is_filled;   // all of it was written once, and is on the disk
	struct spool_request request;
};

enum entry_does {
	ENTRY_CHUNK = 1, // a chunk of the record
	ENTRY_FINAL = 2, // its last one
	ENTRY_COMMIT = 4,
	ENTRY_ABORT = 8,
	ENTRY_RECALL = 16,
	ENTRY_WITHDRAWAL = 32,
};

struct entry {
	struct spool_record *record;
	uint32_t index; // of the chunk
	uint32_t at;    // where it lies in the buffer
	uint32_t does;  // enum entry_does
};

// Belongs to a worker, which fills it, or to the spool thread, which has it written.
struct group {
	struct group *next;
	uint8_t *buffer;
	size_t used;
	uint32_t entries_count;
	struct spool_worker *worker; // whose it was last, NULL: the spool thread's own
	uint64_t number;             // of the worker's groups, from 0
	struct segment *segment;
	uint32_t tries;
	uint64_t epoch;
	uint64_t submit_ns;
	bool is_going; // to the disk: written, or to be synced
	struct spool_request request;
	struct entry entries[GROUP_ENTRIES];
};

// The groups, of one segment, that were written before a sync which is on its way.
struct sync {
	struct group *groups; // NULL: none is
	struct segment *segment;
	struct spool_request request;
};

enum prepare_step {
	PREPARE_IDLE,
	PREPARE_USAGE,
	PREPARE_CREATE,
	PREPARE_HEADER,
	PREPARE_SYNC,
	PREPARE_RENAME,
	PREPARE_SYNC_DIRECTORY,
	PREPARE_CLOSE, // the way back
	PREPARE_REMOVE,
};

struct prepare {
	enum prepare_step step;
	struct segment *segment;
	int error;
	uint64_t retry_ns;
	uint64_t epoch;        // when it was begun
	char name[NAME_BYTES]; // while it is being made
	struct spool_request request;
};

// Zeros for spares, while there is nothing else to do.
struct fill {
	struct segment *segment; // that the request is for, NULL: none is on its way
	uint64_t retry_ns;
	struct spool_request request;
};

struct spool {
	struct spool_options options;
	char name[16];
	struct spool_io *io;
	uint64_t run;
	_Atomic uint64_t next_number; // of records and of state chunks, all workers'
	uint32_t next_segment;
	uint64_t now_ns;                     // of this step
	struct spool_sealer *sealer;         // of what the spool thread seals itself
	_Atomic(struct rotation *) rotation; // by spool_rotate, taken by the spool thread
	struct spool_worker *workers;
	uint32_t turn; // worker that is served next

	struct segment *active;
	struct segment *spares;
	uint32_t spares_count;
	struct segment *old; // no more written to, oldest first; the active one comes last
	uint32_t closing;    // close requests on their way
	struct prepare prepare;
	struct fill fill;
	struct spool_request usage;
	uint64_t usage_ns;    // when it is asked again
	uint64_t files_bytes; // of this writer's files, used or not
	uint64_t slow_ns;     // of the slowest write since slow_from_ns
	uint64_t slow_from_ns;
	uint8_t *zeros;
	uint8_t *header;

	struct group *groups; // GROUPS and those that workers have in hand
	uint32_t groups_count;
	uint8_t *buffers;
	struct group *free_groups;
	struct group *open_group; // for withdrawals
	struct group *ready;      // to be written, oldest first
	struct group *written;    // to be synced
	struct sync sync;
	uint32_t writing;
	uint32_t going; // groups that are being written, or are to be synced
	uint64_t epoch; // counts errors
	struct spool_record *withdrawn;

	pthread_t thread;
	struct {
#define X(name, unit, help) _Atomic uint64_t name;
		SPOOL_COUNTERS(X)
#undef X
	} counters; // spool thread writes, anybody reads
	int refusal;
	_Atomic int published_refusal;
	atomic_bool stop; // by spool_close
	bool usage_going;
	bool is_over_quota;
};

#define SPOOL_COUNT(spool, counter, n)                                                             \
	atomic_fetch_add_explicit(&(spool)->counters.counter, (n), memory_order_relaxed)
#define SPOOL_SET(spool, counter, n)                                                               \
	atomic_store_explicit(&(spool)->counters.counter, (n), memory_order_relaxed)

// ---- spool_worker.c, spool.c ----

// Memory in large pages, where there are some, for the disk to take from or for much to be copied to; of
// zeros. NULL: there is none.
void *spool_memory(size_t bytes);

int spool_worker_init(struct spool *spool, struct spool_worker *worker) SPOOL_MUST_USE;
void spool_worker_fini(struct spool_worker *worker);
// Takes in what has come from the spool thread: at most room results. Returns how many.
size_t spool_worker_take(struct spool_worker *worker, struct spool_done *out, size_t room);
// Back to the memory of the worker.
void spool_worker_give_pages(struct spool_worker *worker, struct page *first, struct page *last);

// ---- spool_seal.c, a worker's side: from orders to groups ----

int orders_init(struct orders *orders, size_t least) SPOOL_MUST_USE;
static inline bool orders_are_waiting(const struct orders *orders)
{
	return orders->first != orders->end;
}
void orders_add(struct orders *orders, const struct order *order);
// Seals what is waiting, as far as this turn's bytes and the groups go, and offers it to the spool thread.
void seal_orders(struct spool_worker *worker);
// This record, which is done, needs its key no more.
void seal_drop_use(struct spool_worker *worker, struct spool_record *record);

// ---- spool_record.c: what becomes of records ----

// Takes in what the workers have sealed. Returns whether anything was done.
bool record_take_groups(struct spool *spool);
// Whether there is something to be taken in.
bool record_has_groups(struct spool *spool);
// Gives free groups to the workers.
void record_give_groups(struct spool *spool);
// A group has ended, and with it what its records waited for: error 0 or why it was given up.
void record_group_done(struct spool *spool, struct group *group, int error);
// Of all in progress, those of which anything has a place on the disk.
void record_fail_placed(struct spool *spool, int error);
// Seals the withdrawals that wait. Returns whether anything was done.
bool record_seal_withdrawals(struct spool *spool);
void record_take_rotation(struct spool *spool);
void rotation_free(struct rotation *rotation);

// ---- spool_group.c: groups to the disk ----

void group_empty(struct group *group);
bool group_has_room(const struct group *group, size_t bytes);
// Its place in the group is the next one's; record NULL: a withdrawal, nobody waits for it.
void group_add_entry(
	struct group *group, struct spool_record *record, uint32_t index, uint32_t does);
// The spool thread's own group, with that much room, NULL when all are taken.
struct group *group_with_room(struct spool *spool, size_t bytes);
// What is in that one is to be written.
void group_close(struct spool *spool);
// The group is to be written behind all others, or, when nothing was sealed into it, is free again.
void group_make_ready(struct spool *spool, struct group *group);
// Writes what is ready, as far as there is place. Returns whether anything was done.
bool group_write(struct spool *spool);
void group_written(struct spool *spool, struct group *group);
// Makes durable what was written, unless that goes on already. Returns whether anything was done.
bool group_sync(struct spool *spool);
void group_synced(struct spool *spool);

// ---- spool_segment.c: files ----

// The segment that has room for that much, NULL when there is none now; refusal says whether to wait.
struct segment *segment_with_room(struct spool *spool, size_t bytes);
// Takes this spare out of the list of those.
void segment_drop(struct spool *spool, struct segment *spare);
// Zeros of it were lost, perhaps, and what is there instead nobody knows.
bool segment_is_doubtful(const struct spool *spool, const struct segment *segment);
// Nothing more is written to it.
void segment_end(struct spool *spool, struct segment *segment);
// Nor to any that are ready: those are removed.
void segment_end_all(struct spool *spool);
// Looks whether files in use were removed by somebody else: they are given up, and what was stored there of records in
// progress has failed. What is on its way is written again.
void segment_watch(struct spool *spool);
// Goes on making a spare, and closes segments that are no more needed. Returns whether anything was done.
bool segment_work(struct spool *spool);
// Tells how slow the slowest write of the last second was, done or not.
void group_watch(struct spool *spool);
// A request of segment's or of prepare's has come back.
void segment_request_done(struct spool *spool, struct spool_request *request);
void segment_close_all(struct spool *spool);

// ---- spool_fill.c: zeros ----

// Goes on filling spares. Returns whether anything was done.
bool fill_work(struct spool *spool);
void fill_done(struct spool *spool);
