// SPDX-License-Identifier: BSD-3-Clause
#include "perf/disk.h"

#include "dataplane/spool_state.h"
#include "perf/perf.h"

#include <liburing.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

uint64_t disk_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void disk_note(struct disk_times *times, uint64_t since_ns, uint64_t until_ns)
{
	if (times->count < DISK_TIMES)
		times->us[times->count++] = (uint32_t)((until_ns - since_ns) / 1000);
}

static int by_time(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

double disk_processor_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void disk_sort(struct disk_times *times)
{
	qsort(times->us, times->count, sizeof(uint32_t), by_time);
}

double disk_part(const struct disk_times *times, double part)
{
	return times->count > 0 ? times->us[(uint32_t)(part * (double)(times->count - 1))] : 0;
}

double disk_seconds(uint64_t since_ns)
{
	return (double)(disk_now_ns() - since_ns) / 1e9;
}

// ---- a file per mail ----------------------------------------------------------------------------

double disk_file_per_mail(const struct disk *disk, struct disk_times *times)
{
	int folder = open(disk->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const uint64_t begin = disk_now_ns();
	uint32_t mails = 0;
	double spent;

	perf_need(folder >= 0, disk->folder);
	do {
		char name[32];
		uint64_t since = disk_now_ns();
		int fd = openat(folder, "mail.new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		(void)snprintf(name, sizeof(name), "mail%u", mails++);
		perf_need(fd >= 0 && write(fd, disk->mail, disk->bytes) == (ssize_t)disk->bytes &&
				  fsync(fd) == 0 && close(fd) == 0 &&
				  renameat(folder, "mail.new", folder, name) == 0 &&
				  fsync(folder) == 0,
			"a file per mail");
		disk_note(times, since, disk_now_ns());
		spent = disk_seconds(begin);
	} while (spent < 0.3);
	for (uint32_t i = 0; i < mails; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "mail%u", i);
		(void)unlinkat(folder, name, 0);
	}
	(void)close(folder);
	return mails / spent;
}

// ---- raw ----------------------------------------------------------------------------------------

// Allocated as the buffer allocates; filled: written to as well.
int disk_make_file(const struct disk *disk, bool filled)
{
	char path[512];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/raw", disk->folder);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
	perf_need(fd >= 0 && unlink(path) == 0, path);
	perf_need(posix_fallocate(fd, 0, (off_t)disk->total) == 0, "allocate");
	for (off_t at = 0; filled && (uint64_t)at < disk->total; at += 1 << 20)
		perf_need(pwrite(fd, disk->data, 1 << 20, at) == 1 << 20, "write");
	perf_need(fsync(fd) == 0, "fsync");
	return fd;
}

// What completions are of, but for places in the ring.
#define OF_LINKED UINT64_MAX // a write that is not durable by itself
#define OF_SYNC (UINT64_MAX - 1)

struct raw {
	struct io_uring ring;
	const struct disk *disk;
	int fd;
	size_t bytes; // of a write
	uint32_t mails_each;
	uint32_t depth; // writes on their way
	enum disk_sync sync;
	uint64_t since[GROUPS]; // by place
	uint32_t free[GROUPS];  // places
	uint32_t free_count;
	uint32_t writing;
	uint32_t written[GROUPS]; // places of DISK_SHARED that wait for a sync
	uint32_t written_count;
	uint32_t synced[GROUPS]; // and that one is on its way for
	uint32_t synced_count;
};

// The data comes from another place each time, as the buffer's does.
static void submit_write(struct raw *raw, uint64_t offset)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&raw->ring);
	uint32_t place = raw->free[--raw->free_count];
	const size_t places = (size_t)GROUPS * GROUP_BYTES / raw->bytes;
	const uint8_t *data = raw->disk->data + offset / raw->bytes % places * raw->bytes;

	raw->since[place] = disk_now_ns();
	raw->writing++;
	io_uring_prep_write_fixed(sqe, raw->fd, data, (unsigned int)raw->bytes, (__u64)offset, 0);
	io_uring_sqe_set_data64(sqe, place);
	if (raw->sync == DISK_DSYNC)
		sqe->rw_flags = RWF_DSYNC;
	if (raw->sync != DISK_LINKED)
		return;
	io_uring_sqe_set_data64(sqe, OF_LINKED);
	sqe->flags |= IOSQE_IO_LINK;
	sqe = io_uring_get_sqe(&raw->ring);
	io_uring_prep_fsync(sqe, raw->fd, IORING_FSYNC_DATASYNC);
	io_uring_sqe_set_data64(sqe, place);
}

static void submit_sync(struct raw *raw)
{
	struct io_uring_sqe *sqe;

	if (raw->synced_count > 0 || raw->written_count == 0)
		return;
	sqe = io_uring_get_sqe(&raw->ring);
	io_uring_prep_fsync(sqe, raw->fd, IORING_FSYNC_DATASYNC);
	io_uring_sqe_set_data64(sqe, OF_SYNC);
	memcpy(raw->synced, raw->written, raw->written_count * sizeof(raw->written[0]));
	raw->synced_count = raw->written_count;
	raw->written_count = 0;
}

static uint64_t take_durable(struct raw *raw, uint32_t place, struct disk_times *times)
{
	disk_note(times, raw->since[place], disk_now_ns());
	raw->free[raw->free_count++] = place;
	return raw->mails_each;
}

static uint64_t take_writes(struct raw *raw, struct disk_times *times)
{
	struct io_uring_cqe *cqe;
	uint64_t mails = 0;

	while (io_uring_peek_cqe(&raw->ring, &cqe) == 0) {
		uint64_t of = io_uring_cqe_get_data64(cqe);

		perf_need(cqe->res >= 0, "write");
		io_uring_cqe_seen(&raw->ring, cqe);
		while (of == OF_SYNC && raw->synced_count > 0)
			mails += take_durable(raw, raw->synced[--raw->synced_count], times);
		if (of >= GROUPS)
			continue;
		raw->writing--;
		if (raw->sync == DISK_SHARED)
			raw->written[raw->written_count++] = (uint32_t)of;
		else
			mails += take_durable(raw, (uint32_t)of, times);
	}
	return mails;
}

// All of the file once.
static double raw_run(struct raw *raw, struct disk_times *times)
{
	const struct disk *disk = raw->disk;
	struct iovec buffer = {disk->data, (size_t)GROUPS * GROUP_BYTES};
	uint64_t writes = disk->total / raw->bytes;
	uint64_t offset = 0;
	uint64_t mails = 0;
	uint64_t begin;
	double spent;

	perf_need(io_uring_queue_init(128, &raw->ring, 0) == 0 &&
			  io_uring_register_buffers(&raw->ring, &buffer, 1) == 0,
		"io_uring");
	for (raw->free_count = 0; raw->free_count < GROUPS; raw->free_count++)
		raw->free[raw->free_count] = raw->free_count;
	begin = disk_now_ns();
	times->processor_s = disk_processor_s();
	while (writes > 0 || raw->free_count < GROUPS) {
		for (; raw->writing < raw->depth && raw->free_count > 0 && writes > 0; writes--) {
			submit_write(raw, offset);
			offset += raw->bytes;
		}
		submit_sync(raw);
		perf_need(io_uring_submit_and_wait(&raw->ring, 1) >= 0, "submit");
		mails += take_writes(raw, times);
	}
	spent = disk_seconds(begin);
	times->processor_s = disk_processor_s() - times->processor_s;
	io_uring_queue_exit(&raw->ring);
	return (double)mails / spent;
}

static size_t whole_blocks(size_t bytes)
{
	return (bytes + 4095) / 4096 * 4096;
}

double disk_groups(
	const struct disk *disk, enum disk_sync sync, bool fresh, struct disk_times *times)
{
	struct raw raw = {.disk = disk, .sync = sync, .fd = disk->prepared};
	double rate;

	raw.mails_each = GROUP_BYTES / (uint32_t)disk->bytes;
	raw.bytes = whole_blocks(raw.mails_each * disk->bytes);
	raw.depth = GROUPS_WRITING;
	if (fresh)
		raw.fd = disk_make_file(disk, false);
	rate = raw_run(&raw, times);
	if (fresh)
		(void)close(raw.fd);
	return rate;
}
