// SPDX-License-Identifier: BSD-3-Clause
// The fallback where there is no io_uring: a few threads that each do one request at a time. With
// threads, io_uring or none, what "durable" means is the same: fdatasync, or RWF_DSYNC.
#include "dataplane/spool_io.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS 8

struct list {
	struct spool_request *first;
	struct spool_request *last;
};

struct threads {
	struct spool_io io;
	int directory;
	pthread_mutex_t lock;
	pthread_cond_t wanted; // work, or the end
	pthread_cond_t ready;  // something is done
	struct list waiting;   // under lock, as are the next two
	struct list done;
	bool stop;
	unsigned int count;
	pthread_t threads[MAX_THREADS];
};

static void push(struct list *list, struct spool_request *request)
{
	request->next = NULL;
	if (list->first == NULL)
		list->first = request;
	else
		list->last->next = request;
	list->last = request;
}

static struct spool_request *pull(struct list *list)
{
	struct spool_request *request = list->first;

	if (request != NULL)
		list->first = request->next;
	return request;
}

static void *run(void *arg)
{
	struct threads *self = arg;
	struct spool_request *request;

	(void)pthread_mutex_lock(&self->lock);
	for (;;) {
		while ((request = pull(&self->waiting)) == NULL && !self->stop)
			(void)pthread_cond_wait(&self->wanted, &self->lock);
		if (request == NULL)
			break;
		(void)pthread_mutex_unlock(&self->lock);
		spool_plain_do(self->directory, request);
		(void)pthread_mutex_lock(&self->lock);
		push(&self->done, request);
		(void)pthread_cond_signal(&self->ready);
	}
	(void)pthread_mutex_unlock(&self->lock);
	return NULL;
}

static int thread_submit(struct spool_io *io, struct spool_request *request)
{
	struct threads *self = (struct threads *)io;

	(void)pthread_mutex_lock(&self->lock);
	push(&self->waiting, request);
	(void)pthread_cond_signal(&self->wanted);
	(void)pthread_mutex_unlock(&self->lock);
	return 0;
}

static struct spool_request *thread_reap(struct spool_io *io, uint64_t wait_ns)
{
	struct threads *self = (struct threads *)io;
	struct spool_request *request;
	struct timespec until;

	(void)pthread_mutex_lock(&self->lock);
	request = pull(&self->done);
	if (request == NULL && wait_ns > 0) {
		(void)clock_gettime(CLOCK_MONOTONIC, &until);
		wait_ns += (uint64_t)until.tv_nsec;
		until.tv_sec += (time_t)(wait_ns / 1000000000u);
		until.tv_nsec = (long)(wait_ns % 1000000000u);
		(void)pthread_cond_timedwait(&self->ready, &self->lock, &until);
		request = pull(&self->done);
	}
	(void)pthread_mutex_unlock(&self->lock);
	return request;
}

static void stop(struct threads *self)
{
	(void)pthread_mutex_lock(&self->lock);
	self->stop = true;
	(void)pthread_cond_broadcast(&self->wanted);
	(void)pthread_mutex_unlock(&self->lock);
	for (unsigned int i = 0; i < self->count; i++)
		(void)pthread_join(self->threads[i], NULL);
	(void)pthread_cond_destroy(&self->ready);
	(void)pthread_cond_destroy(&self->wanted);
	(void)pthread_mutex_destroy(&self->lock);
	(void)close(self->directory);
	free(self);
}

static void thread_close(struct spool_io *io)
{
	stop((struct threads *)io);
}

static const struct spool_io_ops thread_ops = {"threads", thread_submit, thread_reap, NULL,
	spool_plain_read, spool_plain_is_linked, thread_close};

int spool_thread_open(const char *directory, unsigned int threads, struct spool_io **out)
{
	struct threads *self = calloc(1, sizeof(*self));
	pthread_condattr_t attributes;
	int err = 0;

	if (self == NULL)
		return -ENOMEM;
	self->io.ops = &thread_ops;
	self->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (self->directory < 0) {
		err = -errno;
		free(self);
		return err;
	}
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_mutex_init(&self->lock, NULL);
	(void)pthread_cond_init(&self->wanted, NULL);
	(void)pthread_cond_init(&self->ready, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	while (err == 0 && self->count < threads && self->count < MAX_THREADS) {
		err = -pthread_create(&self->threads[self->count], NULL, run, self);
		if (err == 0)
			self->count++;
	}
	// One is enough to go on with.
	if (self->count == 0) {
		stop(self);
		return err != 0 ? err : -EINVAL;
	}
	*out = &self->io;
	return 0;
}
