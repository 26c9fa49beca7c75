// SPDX-License-Identifier: BSD-3-Clause
#include "control/publish_base.h"

#include "control/urgent.h"

#include <errno.h>
#include <fcntl.h>
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
	struct ruleset *ruleset; // NULL: none
	struct mapping image;
	struct stat stamp; // of the image
};

struct publish_base {
	struct opened now;
	struct mapping delta;
	bool is_renewing; // now is the one before meanwhile
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

static bool is_there(const struct publish_base *base, const char *path)
{
	struct stat now;

	return base->now.ruleset != NULL && stat(path, &now) == 0 &&
	       is_same(&now, &base->now.stamp);
}

static void forget(struct opened *opened)
{
	ruleset_close(opened->ruleset);
	opened->ruleset = NULL;
	unmap(&opened->image);
}

int publish_base_new(struct publish_base **out)
{
	struct publish_base *base = calloc(1, sizeof(*base));

	if (base == NULL)
		return -ENOMEM;
	*out = base;
	return 0;
}

void publish_base_free(struct publish_base *base)
{
	if (base == NULL)
		return;
	forget(&base->now);
	unmap(&base->delta);
	free(base);
}

// The pages of an image come and go in tens of milliseconds.
struct renewing {
	const char *path;
	struct opened before;
	struct opened after;
};

static void open_image(void *ctx)
{
	struct renewing *job = ctx;
	struct opened *after = &job->after;

	if (map(job->path, &after->image, &after->stamp) == 0 &&
		ruleset_attach(after->image.data, after->image.bytes, &after->ruleset) != 0) {
		after->ruleset = NULL;
		unmap(&after->image);
	}
}

static void close_image(void *ctx)
{
	struct renewing *job = ctx;

	forget(&job->before);
}

void publish_base_renew(struct publish_base *base, const char *path)
{
	struct renewing job = {.path = path};

	// An alert that is served meanwhile asks for what was there before.
	if (base->is_renewing || is_there(base, path))
		return;
	base->is_renewing = true;
	urgent_wait(open_image, &job);
	job.before = base->now;
	base->now = job.after;
	urgent_wait(close_image, &job);
	base->is_renewing = false;
}

const struct ruleset *publish_base_get(const struct publish_base *base)
{
	return base->now.ruleset;
}

int publish_base_open(
	struct publish_base *base, const char *image, const char *path, struct ruleset **out)
{
	struct stat stamp;
	int err;

	publish_base_renew(base, image);
	if (base->now.ruleset == NULL)
		return -ENOLINK;
	err = map(path, &base->delta, &stamp);
	if (err == 0)
		err = ruleset_attach_delta(
			base->now.ruleset, base->delta.data, base->delta.bytes, out);
	if (err != 0)
		unmap(&base->delta);
	return err;
}

void publish_base_close(struct publish_base *base, struct ruleset *ruleset)
{
	ruleset_close(ruleset);
	unmap(&base->delta);
}
