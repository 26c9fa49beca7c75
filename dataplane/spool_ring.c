// SPDX-License-Identifier: BSD-3-Clause
// io_uring for writing; what is rare and slow (making, renaming, removing files) goes to a thread, so that
// a journal that stalls there does not stall a commit.
//
// A sync is neither linked to the writes that it is for nor drained: it is submitted when they have completed.
#include "dataplane/spool_io.h"

#include <liburing.h>

#include <errno.h>
#include <stdlib.h>

#define DEPTH 64

struct ring {
	struct spool_io io;
	struct io_uring ring;
	struct spool_io *slow;
	unsigned int writing; // requests in the ring
	unsigned int others;  // requests in slow
	bool registered;
};

static int ring_submit(struct spool_io *io, struct spool_request *request)
{
	struct ring *self = (struct ring *)io;
	struct io_uring_sqe *sqe;
	int err;

	if (request->kind != SPOOL_IO_WRITE && request->kind != SPOOL_IO_SYNC) {
		err = self->slow->ops->submit(self->slow, request);
		if (err == 0)
			self->others++;
		return err;
	}
	sqe = self->writing < DEPTH ? io_uring_get_sqe(&self->ring) : NULL;
	if (sqe == NULL)
		return -EAGAIN;
	if (request->kind == SPOOL_IO_SYNC)
		io_uring_prep_fsync(sqe, request->file, IORING_FSYNC_DATASYNC);
	else if (request->buffer >= 0 && self->registered)
		io_uring_prep_write_fixed(sqe, request->file, request->data,
			(unsigned int)request->bytes, request->offset, request->buffer);
	else
		io_uring_prep_write(sqe, request->file, request->data, (unsigned int)request->bytes,
			request->offset);
	if (request->kind == SPOOL_IO_WRITE && request->durable)
		sqe->rw_flags = RWF_DSYNC;
	io_uring_sqe_set_data(sqe, request);
	self->writing++;
	// What the kernel does not take now it takes with the next submit or reap.
	(void)io_uring_submit(&self->ring);
	return 0;
}

static struct io_uring_cqe *next_cqe(struct ring *self, uint64_t wait_ns)
{
	struct __kernel_timespec limit = {.tv_sec = (long long)(wait_ns / 1000000000u),
		.tv_nsec = (long long)(wait_ns % 1000000000u)};
	struct io_uring_cqe *cqe = NULL;

	if (io_uring_peek_cqe(&self->ring, &cqe) == 0 && cqe != NULL)
		return cqe;
	if (io_uring_sq_ready(&self->ring) > 0)
		(void)io_uring_submit(&self->ring);
	if (wait_ns == 0 || io_uring_wait_cqe_timeout(&self->ring, &cqe, &limit) != 0)
		return NULL;
	return cqe;
}

static struct spool_request *ring_reap(struct spool_io *io, uint64_t wait_ns)
{
	struct ring *self = (struct ring *)io;
	struct spool_request *request = NULL;

	if (self->others > 0) {
		request = self->slow->ops->reap(self->slow, self->writing > 0 ? 0 : wait_ns);
		if (request != NULL) {
			self->others--;
			return request;
		}
	}
	if (self->writing > 0) {
		struct io_uring_cqe *cqe = next_cqe(self, wait_ns);

		if (cqe != NULL) {
			request = io_uring_cqe_get_data(cqe);
			request->result = cqe->res;
			io_uring_cqe_seen(&self->ring, cqe);
			self->writing--;
		}
	}
	return request;
}

static int ring_use_buffers(struct spool_io *io, const struct iovec *buffers, unsigned int count)
{
	struct ring *self = (struct ring *)io;
	int err = io_uring_register_buffers(&self->ring, buffers, count);

	self->registered = err == 0;
	return err;
}

static void ring_close(struct spool_io *io)
{
	struct ring *self = (struct ring *)io;

	self->slow->ops->close(self->slow);
	io_uring_queue_exit(&self->ring);
	free(self);
}

static const struct spool_io_ops ring_ops = {"io_uring", ring_submit, ring_reap, ring_use_buffers,
	spool_plain_read, spool_plain_is_linked, ring_close};

int spool_ring_open(const char *directory, struct spool_io **out)
{
	struct ring *self = calloc(1, sizeof(*self));
	int err;

	if (self == NULL)
		return -ENOMEM;
	self->io.ops = &ring_ops;
	err = io_uring_queue_init(DEPTH, &self->ring, 0);
	if (err != 0)
		goto free_ring;
	// Waiting with a limit must not need an entry of its own in the queue.
	if ((self->ring.features & IORING_FEAT_EXT_ARG) == 0) {
		err = -ENOSYS;
		goto exit_queue;
	}
	err = spool_thread_open(directory, 1, &self->slow);
	if (err != 0)
		goto exit_queue;
	*out = &self->io;
	return 0;

exit_queue:
	io_uring_queue_exit(&self->ring);
free_ring:
	free(self);
	return err;
}

int spool_io_open(const char *directory, struct spool_io **out)
{
	if (spool_ring_open(directory, out) == 0)
		return 0;
	return spool_thread_open(directory, 4, out);
}
