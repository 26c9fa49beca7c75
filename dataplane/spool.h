// SPDX-License-Identifier: BSD-3-Clause
// The buffer's writer: takes messages from workers and makes them durable in segment files (format and
// reader: spoolfile.h). Free of DPDK and, but for spool_ring.c, of liburing.
//
// A worker begins a record with the envelope, appends the message as it passes, and commits it with the
// reason, or aborts. Up to spill_bytes of it (64 KiB when three quarters of the memory are taken) stay in
// the worker's own pages: an abort then costs nothing and nothing was written. Past that it is written ahead,
// in chunks that are worthless until the last one, sealed by the commit, is durable too. When seven eighths
// are taken whatever there is of any record is written ahead, so that pages come back as fast as the disk
// takes them: nobody waits for a record that does not go on.
//
// Threads. Each worker uses its own struct spool_worker, and encrypts by itself, while the message is still in its
// caches, into a group of its own (GROUP_BYTES, spool_state.h); one spool thread writes for all. A group that is full
// goes to it through a ring, free ones and results come back through others, each with one producer and one consumer.
// The group that is not full yet lies between the two: whoever takes the pointer has it, the worker to seal more into
// it, the spool thread when the disk has time. The worker's side takes no lock and makes no system call: not even to
// wake the spool thread, which looks by itself, at once while there is work, after up to 1 ms when there has been none
// for a while. In one turn (calls with the same now_ns) a worker seals about 128 KiB, of short mails less, and leaves the rest to
// its next ones. Without a thread (options.thread false) the only caller does the spool thread's work in spool_wait or spool_step.
//
// What the spool thread knows of a record comes with the groups, in the order that the worker has begun them in: so when
// it sees the commit it knows all that has to be durable first.
//
// Group commit. What a worker has sealed while writes are on their way is written as one: one contiguous O_DIRECT
// write of up to GROUP_BYTES into a segment that was allocated, given its header, synced, renamed
// into place and its directory synced before it is used. When there are groups whose writes have completed, one
// fdatasync is on its way for all of them, while the next ones are sealed and written; what completes meanwhile
// waits for the next one. A group that finds nothing else on its way is written with RWF_DSYNC instead, which is
// sooner done. Nothing depends on the order of writes; a record is acknowledged when all writes that carry a part
// of it had completed before a sync was submitted that has succeeded, or have completed with RWF_DSYNC.
//
// Where a file was allocated and not written to it reads as zeros, and the first write there is durable only with
// the file system's journal. So spares are filled with zeros while the disk has nothing else to do
// (spool_fill.c), and mail that comes then is written over them: no metadata changes, and it takes half of the
// time. When mail comes faster than that for long, segments are used as they were allocated: zeros first would
// cost more than they gain. What holds of the one holds of the other: it was all zeros before, and a sync
// waits for all that is needed to read the bytes again. Zeros are never on their way to a segment in use.
//
// A segment is used once, and removed when nothing in it is wanted any more. To use it again would spare its
// zeros, but only where mail goes out while more comes in: under a seal nothing does, and once it is over there is
// time for zeros. It would cost what recovery rests on: that what is not zero was written in this segment's one
// life, so that no old record can come back, and a torn write shows by its zeros.
//
// Crash. Recovery (spoolfile_refresh) takes a record when all of its chunks are there and authentic. A
// mail that was acknowledged had all of them durable, in files whose names were durable before; of one
// that was not, either some byte is missing or wrong, and it is dropped, or none is, and it is there
// whole: then its sender, who got no answer, sends it again.
//
// Errors. A write or sync that fails, or a write that is cut short, is never repeated in its place. Its segment
// is written to no more, and since a device that has failed once may have lost what it took shortly before, every
// write that is not durable at that moment counts as failed as well, whatever it or its sync reports. All of
// them are written again from memory, the same bytes, to a place where nothing is; after WRITE_TRIES the records
// fail. A segment that zeros may have been lost of is given up as well. What was lost in one that is written on
// leaves a gap: it is ended before the gap gets wider than readers look behind (WINDOW_BYTES). A record that failed
// or came too late (deadline_ns) is withdrawn, in case it is whole on the disk, and its result waits until that is
// durable: who was told that it was not stored will not find it stored after a crash. It waits as long again as the
// deadline: then the disk hangs, nobody can know what it will keep, and it is withdrawn as soon as that can be written.
// No error is ever turned into success.
//
// Removed files. What is written to a file that has no name any more is gone with the process. So before results are
// given, and once a second, all files in use are looked at. Where one was removed new files are made; records in progress
// that have a part on the disk fail, since it may have been there.
#pragma once

#include "dataplane/spoolfile.h"

#include <stddef.h>
#include <stdint.h>

struct spool;
struct spool_io;
struct spool_worker;
struct spool_record;

#define SPOOL_LEVELS 4

struct spool_options {
	const char *name; // of the writer, begins its files' names: at most 15 letters and digits
	uint32_t workers;
	uint32_t records; // begun and not yet done, per worker
	uint64_t
		memory_bytes; // of messages in progress, per worker; 2 MiB each are for what is sealed, 16 MiB for all
	uint64_t spill_bytes;   // of one record; past that it is written ahead (at least 64 KiB)
	uint64_t record_bytes;  // longest message, 0: any
	uint64_t segment_bytes; // of one file, at least 1 MiB, made a multiple of 4096
	uint32_t spares;        // segments kept ready beside the one in use
	uint64_t quota_bytes;   // of what is stored in this writer's files, 0: none
	uint64_t slow_ns;       // a write that takes longer is slow
	uint64_t deadline_ns;   // from the commit on; the result comes within twice that
	uint8_t levels[SPOOL_LEVELS]; // of fill in percent of the quota, ascending, 0: unused
	bool thread;
};

// The quota counts what is in use: a file that is full or not written to any more as a whole, until it is
// removed, the one that is written to as far as it is, spares not at all. So the disk needs room for the quota,
// for spares + 1 files, and for what workers hold when it is reached: what was begun before is stored.
//
// Defaults: "d", 1 worker, 4096 records, 64 MiB, spill at 256 KiB, 64 MiB segments, 2 spares, deadline 10
// s, levels 70, 85, 95, slow from 500 ms on.
void spool_options_init(struct spool_options *options);

// Takes io, whose directory is where the segments go, also on failure. keys are used during the call only.
// Returns when the first segment is ready: 0, -EINVAL, -ENOMEM, -EDQUOT, or what the disk said.
int spool_open(const struct spool_options *options, const struct spool_keys *keys,
	struct spool_io *io, struct spool **out) SPOOL_MUST_USE;
// Finishes what was committed, within the deadline; what is in progress is dropped. Workers have stopped.
// A request that hangs in the kernel at that time keeps its memory for good.
void spool_close(struct spool *spool);
// From now on new records are encrypted by a new data key, wrapped by the current one of keys, and go to
// new segments. Any thread. Returns 0, -ENOMEM, -EIO, or -EBUSY when the last one is not yet taken up.
int spool_rotate(struct spool *spool, const struct spool_keys *keys) SPOOL_MUST_USE;

// ---- a worker's side -----------------------------------------------------------------------------

struct spool_worker *spool_get_worker(struct spool *spool, uint32_t number);

// Begins a record; copies what it is given. Returns 0; -EAGAIN when this worker's records or pages are
// used up; -EMSGSIZE (envelope); -EDQUOT, -ENOSPC or -EIO while nothing more can be stored.
int spool_begin(struct spool_worker *worker, const struct spool_envelope *envelope, void *cookie,
	struct spool_record **out) SPOOL_MUST_USE;
// One more recipient, before the first byte of the message. Returns 0, -EAGAIN or -EMSGSIZE.
int spool_add_recipient(
	struct spool_record *record, const struct spool_recipient *recipient) SPOOL_MUST_USE;
// The next bytes of the message: all or none. Returns 0; -EAGAIN for want of pages (polling may give some
// back); -EFBIG past record_bytes; -EIO and the like when what was written ahead has failed. After an
// error the record can only be aborted, but for -EAGAIN.
int spool_append(struct spool_record *record, const void *data, size_t n) SPOOL_MUST_USE;
// The message is complete. Returns 0: spool_poll will give the result and the record is no more the
// caller's; or -EAGAIN or -EMSGSIZE (reason): it still is. now_ns is of CLOCK_MONOTONIC.
int spool_commit(struct spool_record *record, const struct spool_reason *reason,
	uint64_t now_ns) SPOOL_MUST_USE;
// Ends a record that was not committed. No result follows.
void spool_abort(struct spool_record *record);
// How many bytes spool_append takes now of this record, or of one to be begun (NULL): what is kept back is for
// commits and envelopes. SIZE_MAX when the record has failed: it is no use to wait.
size_t spool_room(const struct spool_worker *worker, const struct spool_record *record);
// Nothing more can be stored, for a reason that is not a want of memory: spool_begin says which.
bool spool_is_refusing(const struct spool_worker *worker);

// Wants back what was appended to a record that is not committed. Returns 0 when it can be read, -EINPROGRESS:
// ask again after a while, or what prevents it, which may be nothing to the record.
int spool_recall(struct spool_record *record) SPOOL_MUST_USE;
// Takes the next bytes; other than 0 ends the reading with that.
typedef int (*spool_read_fn)(void *ctx, const uint8_t *data, size_t n);
// The message of a recalled record, from any one thread, which waits for the disk. Until it returns nothing
// else is done with the record. Returns 0, -errno, or what fn has returned.
int spool_read(const struct spool_record *record, spool_read_fn fn, void *ctx) SPOOL_MUST_USE;

// Nothing is in progress, nor left of what was aborted.
bool spool_is_at_rest(const struct spool_worker *worker);

struct spool_done {
	void *cookie;
	struct spool_id id;
	int error; // 0: durable. Else not stored: -EIO, -ENOSPC, -EDQUOT, -ETIMEDOUT
};

// Results that have come in, up to room; also goes on sealing what there was no time or no room for, and with that
// gives memory back, so call it each turn while the worker is not at rest. Returns how many.
size_t spool_poll(
	struct spool_worker *worker, uint64_t now_ns, struct spool_done *out, size_t room);

// ---- without a thread ----------------------------------------------------------------------------

// Does what there is to do, waiting up to wait_ns if there is nothing. Returns whether anything was done.
bool spool_step(struct spool *spool, uint64_t now_ns, uint64_t wait_ns);
// Steps until the worker's next result is there (of a record that was committed). Returns 0 or -ETIMEDOUT.
int spool_wait(
	struct spool *spool, struct spool_worker *worker, struct spool_done *out) SPOOL_MUST_USE;

// ---- what it says of itself ----------------------------------------------------------------------

// X(name, unit, help)
#define SPOOL_COUNTERS(X)                                                                          \
	X(records_durable, "records", "Acknowledged")                                              \
	X(records_failed, "records", "Committed and not stored")                                   \
	X(records_late, "records", "Stored past their deadline, and withdrawn")                    \
	X(records_aborted, "records", "Aborted after a part was written ahead")                    \
	X(withdrawals_lost, "records", "Failed, and that could not be written either")             \
	X(stored_bytes, "bytes", "Written to segments and durable")                                \
	X(groups, "writes", "Group commits")                                                       \
	X(write_errors, "writes", "That failed, or their sync")                                    \
	X(short_writes, "writes", "Of these, cut short")                                           \
	X(rewrites, "writes", "Done again in another place")                                       \
	X(segments_made, "segments", "Made ready")                                                 \
	X(segments_filled, "segments", "Of these, filled with zeros before they were needed")      \
	X(segments_failed, "segments", "That could not be made")                                   \
	X(segments_poisoned, "segments", "Given up after an error")                                \
	X(segments_removed, "segments", "By somebody else, while they were in use")                \
	X(usage_bytes, "bytes", "In use of this writer's files; not a sum")                        \
	X(slowest_us, "us", "Slowest write of the last second; not a sum")                         \
	X(slow, "flag", "That is slow; not a sum")                                                 \
	X(fill_percent, "percent", "Of the quota; not a sum")                                      \
	X(fill_level, "levels", "Of options.levels that are reached; not a sum")                   \
	X(refusal, "errno", "Why nothing can be stored now, 0: it can; not a sum")

struct spool_status {
#define X(name, unit, help) uint64_t name;
	SPOOL_COUNTERS(X)
#undef X
	const char *io; // "io_uring" or "threads"
};

// Any thread.
void spool_get_status(struct spool *spool, struct spool_status *out);
