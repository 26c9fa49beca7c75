// SPDX-License-Identifier: BSD-3-Clause
#include "control/publish_base.h"

#include "control/urgent.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct mapping {
	void *data; // NULL: none
	size_t bytes;
};

struct opened {
	struct ruleset *ruleset;
	struct mapping image;
	struct stat stamp; // of the image
	atomic_uint pins;  // the base's own among them
};

struct publish_base {
	pthread_mutex_t lock; // for who pins
	struct opened *now;   // the main loop writes it; NULL: none
	bool is_renewing;     // now is the one before meanwhile
};

struct publish_laid {
	struct opened *below;
	struct mapping delta;
	struct ruleset *ruleset;
};

static void unmap(struct mapping *mapping)
{
	if (mapping->data != NULL)
		(void)munmap(mapping->data, mapping->bytes);
	*mapping = (struct mapping){0};
}

static int map(const char *path, struct mapping *out, struct stat *stamp)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, stamp) != 0)
		err = -errno;
	else if (!S_ISREG(stamp->st_mode) || stamp->st_size <= 0)
		err = -EBADMSG;
	if (err == 0) {
		void *data = mmap(NULL, (size_t)stamp->st_size, PROT_READ, MAP_PRIVATE, fd, 0);

		if (data == MAP_FAILED)
			err = -errno;
		else
			*out = (struct mapping){data, (size_t)stamp->st_size};
	}
	(void)close(fd);
	return err;
}

// An image is put in place by a rename, never written again.
static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static bool is_there(const struct opened *opened, const char *path)
{
	struct stat now;

	return opened != NULL && stat(path, &now) == 0 && is_same(&now, &opened->stamp);
}

// The last who does closes it: its pages come and go in tens of milliseconds.
static void unpin(struct opened *opened)
{
	if (opened == NULL || atomic_fetch_sub_explicit(&opened->pins, 1, memory_order_acq_rel) > 1)
		return;
	ruleset_close(opened->ruleset);
	unmap(&opened->image);
	free(opened);
}

static struct opened *pin(struct publish_base *base)
{
	struct opened *opened;

	(void)pthread_mutex_lock(&base->lock);
	opened = base->now;
	if (opened != NULL)
		(void)atomic_fetch_add_explicit(&opened->pins, 1, memory_order_relaxed);
	(void)pthread_mutex_unlock(&base->lock);
	return opened;
}

// Pinned once.
static int open_image(const char *path, struct opened **out)
{
	struct opened *opened = calloc(1, sizeof(*opened));
	int err;

	if (opened == NULL)
		return -ENOMEM;
	atomic_init(&opened->pins, 1);
	err = map(path, &opened->image, &opened->stamp);
	if (err == 0)
		err = ruleset_attach(opened->image.data, opened->image.bytes, &opened->ruleset);
	if (err == 0) {
		*out = opened;
		return 0;
	}
	unmap(&opened->image);
	free(opened);
	return err;
}

int publish_base_new(struct publish_base **out)
{
	struct publish_base *base = calloc(1, sizeof(*base));

	if (base == NULL)
		return -ENOMEM;
	(void)pthread_mutex_init(&base->lock, NULL);
	*out = base;
	return 0;
}

void publish_base_free(struct publish_base *base)
{
	if (base == NULL)
		return;
	unpin(base->now);
	(void)pthread_mutex_destroy(&base->lock);
	free(base);
}

struct renewing {
	const char *path;
	struct opened *before;
	struct opened *after;
};

static void open_aside(void *ctx)
{
	struct renewing *job = ctx;

	if (open_image(job->path, &job->after) != 0)
		job->after = NULL;
}

static void unpin_aside(void *ctx)
{
	const struct renewing *job = ctx;

	unpin(job->before);
}

void publish_base_renew(struct publish_base *base, const char *path)
{
	struct renewing job = {.path = path};

	// An alert that is served meanwhile asks for what was there before.
	if (base->is_renewing || is_there(base->now, path))
		return;
	base->is_renewing = true;
	urgent_wait(open_aside, &job);
	(void)pthread_mutex_lock(&base->lock);
	job.before = base->now;
	base->now = job.after;
	(void)pthread_mutex_unlock(&base->lock);
	urgent_wait(unpin_aside, &job);
	base->is_renewing = false;
}

const struct ruleset *publish_base_get(const struct publish_base *base)
{
	return base->now != NULL ? base->now->ruleset : NULL;
}

// ---- deltas -------------------------------------------------------------------------------------

static int pin_image(struct publish_base *base, const char *path, struct opened **out)
{
	struct opened *opened = pin(base);

	if (!is_there(opened, path)) {
		unpin(opened);
		return open_image(path, out);
	}
	*out = opened;
	return 0;
}

int publish_base_open(
	struct publish_base *base, const char *image, const char *path, struct publish_laid **out)
{
	struct publish_laid *laid = calloc(1, sizeof(*laid));
	struct stat stamp;
	int err = laid == NULL ? -ENOMEM : pin_image(base, image, &laid->below);

	if (err == 0)
		err = map(path, &laid->delta, &stamp);
	if (err == 0)
		err = ruleset_attach_delta(
			laid->below->ruleset, laid->delta.data, laid->delta.bytes, &laid->ruleset);
	if (err == 0)
		*out = laid;
	else
		publish_laid_close(laid);
	return err;
}

const struct ruleset *publish_laid_get(const struct publish_laid *laid)
{
	return laid->ruleset;
}

void publish_laid_close(struct publish_laid *laid)
{
	if (laid == NULL)
		return;
	ruleset_close(laid->ruleset);
	unmap(&laid->delta);
	unpin(laid->below);
	free(laid);
}
