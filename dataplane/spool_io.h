// SPDX-License-Identifier: BSD-3-Clause
// What the writer asks of a disk, as requests that complete in any order: io_uring (spool_ring.c), threads
// with ordinary system calls (spool_thread.c), the same without threads (spool_plain.c), and in tests a
// simulated disk that fails, reorders and loses power.
//
// One thread uses an io. A request belongs to the io from submit until reap returns it; what it points to
// stays as long.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum spool_io_kind {
	SPOOL_IO_CREATE, // makes file name, allocates bytes, locks it; result: file >= 0
	SPOOL_IO_WRITE,  // data, bytes at offset; result: bytes written, which may be fewer
	SPOOL_IO_SYNC,   // the file's data and length
	SPOOL_IO_RENAME, // name to new_name
	SPOOL_IO_SYNC_DIRECTORY,
	SPOOL_IO_REMOVE, // name
	SPOOL_IO_CLOSE,  // and unlock
	SPOOL_IO_USAGE,  // result: bytes of all files *.seg and *.new whose names begin with name
};

struct spool_request {
	struct spool_request *next; // the io's, between submit and reap
	enum spool_io_kind kind;
	int file;
	const char *name; // in the io's directory
	const char *new_name;
	const uint8_t
		*data; // 4096-aligned, as are bytes and offset, where the file was made by CREATE
	size_t bytes;
	uint64_t offset;
	int buffer;     // of the registered ones, that data is in; -1: none
	bool durable;   // WRITE: complete only when these bytes are on stable storage (O_DSYNC)
	int64_t result; // or -errno
	void *owner;    // the submitter's
};

struct spool_io;

struct spool_io_ops {
	const char *name;
	// Takes the request. Returns 0, or -EAGAIN when too many are on their way: reap, then try again.
	int (*submit)(struct spool_io *io, struct spool_request *request);
	// A completed request, or NULL when there is none yet after waiting up to wait_ns.
	struct spool_request *(*reap)(struct spool_io *io, uint64_t wait_ns);
	// Optional: memory that WRITE requests will be from. Failing is harmless.
	int (*use_buffers)(struct spool_io *io, const struct iovec *buffers, unsigned int count);
	// Any thread, which waits: n bytes of a file that a request has made, all of them; all three are
	// multiples of 4096. Returns 0 or -errno. Not while the io is closed.
	int (*read)(struct spool_io *io, int file, uint64_t offset, uint8_t *data, size_t n);
	// Whether a file that a request has made still has a name: without one nobody finds it after a restart.
	bool (*is_linked)(struct spool_io *io, int file);
	// Only with no request on its way.
	void (*close)(struct spool_io *io);
};

struct spool_io {
	const struct spool_io_ops *ops;
};

// All return 0 or -errno. The directory must exist.
int spool_plain_open(const char *directory, struct spool_io **out)
	__attribute__((warn_unused_result));
int spool_thread_open(const char *directory, unsigned int threads, struct spool_io **out)
	__attribute__((warn_unused_result));
// -ENOSYS or -EPERM where the kernel or the container has no io_uring.
int spool_ring_open(const char *directory, struct spool_io **out)
	__attribute__((warn_unused_result));
// spool_ring_open or, failing that, spool_thread_open: ops->name tells which.
int spool_io_open(const char *directory, struct spool_io **out) __attribute__((warn_unused_result));

// Does one request with ordinary system calls.
void spool_plain_do(int directory, struct spool_request *request);
// spool_io_ops.read and is_linked of any that has real files.
int spool_plain_read(struct spool_io *io, int file, uint64_t offset, uint8_t *data, size_t n);
bool spool_plain_is_linked(struct spool_io *io, int file);
