// SPDX-License-Identifier: BSD-3-Clause
#include "control/update_fetch.h"

#include "control/clock.h"
#include "control/control_events.h"
#include "control/fetch.h"

#include <glib.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NS_PER_S 1000000000
#define TRY_SECONDS 120 // of one request: what did not come whole in it goes on in the next
#define RETRY_MOST_MS 300000u
#define WRONG_MOST 2 // times that a file came whole and was another one

struct update_fetch {
	const struct control_options *options;
	const struct update_folder *folder;
	const struct update_plan *plan;
	struct fetcher *fetcher;
	struct fetch *fetch; // NULL: none is on its way
	guint timer;
	size_t at;       // the file
	int fd;          // of what is there of it
	uint64_t before; // bytes of it that were there when the request began
	unsigned int wrong;
	unsigned int retry_ms;
	uint64_t bytes; // of the files before
	int64_t until_s;
	update_fetched_fn done;
	void *ctx;
	int err; // that it ends with
	char why[FETCH_TEXT_BYTES + UPDATE_NAME_MOST];
};

static void go_on(struct update_fetch *fetch, unsigned int ms);

static gboolean tell_end(gpointer ctx)
{
	struct update_fetch *fetch = ctx;

	fetch->timer = 0;
	fetch->done(fetch->ctx, fetch->err, fetch->why);
	return G_SOURCE_REMOVE;
}

// Not at once: whoever is told may free the request that is just ending.
static void end(struct update_fetch *fetch, int err, const char *why)
{
	if (why != fetch->why)
		(void)snprintf(fetch->why, sizeof(fetch->why), "%s", why);
	fetch->err = err;
	fetch->timer = g_timeout_add(0, tell_end, fetch);
}

static unsigned int first_retry_ms(const struct update_fetch *fetch)
{
	return fetch->options->updates.retry_seconds * 1000;
}

// Later, and each time later.
static void try_again(struct update_fetch *fetch, const char *why)
{
	const struct update_file *file = &fetch->plan->files[fetch->at];
	unsigned int ms = fetch->retry_ms;

	(void)snprintf(fetch->why, sizeof(fetch->why), "%s: %s", file->name, why);
	fetch->retry_ms = MIN(fetch->retry_ms * 2, RETRY_MOST_MS);
	go_on(fetch, ms / 2 + (unsigned int)g_random_int_range(0, (gint)(ms / 2 + 1)));
}

static uint64_t size_of(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 ? (uint64_t)status.st_size : 0;
}

// The whole file is there. One of another digest is fetched anew once: what was there before may have been
// of another file.
static void take_whole(struct update_fetch *fetch, const char *part)
{
	const struct update_file *file = &fetch->plan->files[fetch->at];
	char path[PATH_MAX];

	update_folder_file(fetch->folder, fetch->plan, file, path);
	if (!update_folder_has(part, file)) {
		(void)unlink(part);
		fetch->wrong++;
		(void)snprintf(
			fetch->why, sizeof(fetch->why), "%s: its SHA-256 is another", file->name);
		if (fetch->wrong == WRONG_MOST)
			end(fetch, -EBADMSG, fetch->why);
		else
			go_on(fetch, 0);
		return;
	}
	(void)unlink(path);
	if (rename(part, path) != 0) {
		end(fetch, -errno, file->name);
		return;
	}
	fetch->bytes += file->bytes;
	fetch->wrong = 0;
	fetch->at++;
	fetch->retry_ms = first_retry_ms(fetch);
	go_on(fetch, 0);
}

static void was_fetched(void *ctx, const struct fetch_result *result)
{
	struct update_fetch *fetch = ctx;
	const struct update_file *file = &fetch->plan->files[fetch->at];
	uint64_t there = size_of(fetch->fd);
	char part[PATH_MAX];
	char why[64];

	fetch->fetch = NULL;
	(void)close(fetch->fd);
	fetch->fd = -1;
	update_folder_part(fetch->folder, fetch->plan, file, part);
	if (result->err == -ENOSPC) {
		try_again(fetch, "there is no room for it");
		return;
	}
	if (there > fetch->before)
		fetch->retry_ms = first_retry_ms(fetch);
	// What is longer than it may be, or than what goes on there, is another file.
	if (result->err != -EFBIG && there < file->bytes && result->status != 416) {
		(void)snprintf(why, sizeof(why), "status %ld, %llu bytes of %llu", result->status,
			(unsigned long long)there, (unsigned long long)file->bytes);
		try_again(fetch, result->err != 0 ? result->why : why);
		return;
	}
	take_whole(fetch, part);
}

static void ask(struct update_fetch *fetch, const char *part)
{
	const struct update_file *file = &fetch->plan->files[fetch->at];
	struct fetch_request request = {
		.url = file->url,
		.ca = fetch->options->updates.ca,
		.certificate = fetch->options->updates.certificate,
		.key = fetch->options->updates.key,
		.most_seconds = TRY_SECONDS,
		.most_bytes = file->bytes,
	};
	int64_t left_s = fetch->until_s - control_steady_ns() / NS_PER_S;

	fetch->fd = open(part, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fetch->fd < 0) {
		end(fetch, -errno, "its folder cannot be written");
		return;
	}
	fetch->before = size_of(fetch->fd);
	request.file = fetch->fd;
	request.from = fetch->before;
	request.limit_seconds = (unsigned int)CLAMP(left_s, 1, UINT_MAX);
	if (fetch_start(fetch->fetcher, &request, was_fetched, fetch, &fetch->fetch) != 0) {
		(void)close(fetch->fd);
		fetch->fd = -1;
		try_again(fetch, "it cannot be asked for");
	}
}

// The next thing to do: of files that are there already nothing.
static gboolean turn(gpointer ctx)
{
	struct update_fetch *fetch = ctx;
	const struct update_file *file = &fetch->plan->files[fetch->at];
	char path[PATH_MAX];
	char part[PATH_MAX];
	struct stat status;

	fetch->timer = 0;
	if (fetch->at == fetch->plan->files_count) {
		end(fetch, 0, "");
		return G_SOURCE_REMOVE;
	}
	if (control_steady_ns() / NS_PER_S >= fetch->until_s) {
		end(fetch, -ETIMEDOUT, fetch->why[0] != '\0' ? fetch->why : "it took too long");
		return G_SOURCE_REMOVE;
	}
	update_folder_file(fetch->folder, fetch->plan, file, path);
	update_folder_part(fetch->folder, fetch->plan, file, part);
	if (update_folder_has(path, file)) {
		fetch->bytes += file->bytes;
		fetch->at++;
		go_on(fetch, 0);
	} else if (file->bytes == 0 ||
		   (stat(part, &status) == 0 && (uint64_t)status.st_size >= file->bytes)) {
		(void)close(open(part, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640));
		take_whole(fetch, part);
	} else {
		ask(fetch, part);
	}
	return G_SOURCE_REMOVE;
}

static void go_on(struct update_fetch *fetch, unsigned int ms)
{
	fetch->timer = g_timeout_add(ms, turn, fetch);
}

uint64_t update_fetch_bytes(const struct update_fetch *fetch)
{
	return fetch->bytes + (fetch->fd >= 0 ? size_of(fetch->fd) : 0);
}

// It may have begun in another process, or before the clock was set back.
static int64_t left_of(int64_t begun_s, int64_t most_s)
{
	int64_t left_s = begun_s + most_s - control_due_s();

	return CLAMP(left_s, 0, most_s);
}

int update_fetch_new(const struct control_options *options, const struct update_folder *folder,
	const struct update_plan *plan, int64_t begun_s, struct update_fetch **out)
{
	struct update_fetch *fetch = calloc(1, sizeof(*fetch));

	if (fetch == NULL)
		return -ENOMEM;
	fetch->options = options;
	fetch->folder = folder;
	fetch->plan = plan;
	fetch->fd = -1;
	fetch->until_s =
		control_steady_ns() / NS_PER_S + left_of(begun_s, options->updates.most_seconds);
	fetch->retry_ms = first_retry_ms(fetch);
	if (fetcher_new(&fetch->fetcher) != 0) {
		free(fetch);
		return -ENOMEM;
	}
	*out = fetch;
	return 0;
}

void update_fetch_start(struct update_fetch *fetch, update_fetched_fn done, void *ctx)
{
	fetch->done = done;
	fetch->ctx = ctx;
	go_on(fetch, 0);
}

void update_fetch_free(struct update_fetch *fetch)
{
	if (fetch == NULL)
		return;
	fetcher_free(fetch->fetcher);
	if (fetch->timer != 0)
		(void)g_source_remove(fetch->timer);
	if (fetch->fd >= 0)
		(void)close(fetch->fd);
	free(fetch);
}
