// SPDX-License-Identifier: BSD-3-Clause
#include "control/publish_standby.h"

#include "control/aside.h"
#include "dataplane/dataplane.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOMENT_MS 500  // what follows from the last compilation goes first
#define AGAIN_MS 30000 // after one that has ended by itself
// An empty pipe takes them at once.
#define PATHS_BYTES 32768u

struct publish_standby {
	struct publish_standby_plan plan;
	struct stat program; // as it was started
	GPid child;          // 0: none
	int input;
	int output;
	guint watch; // of the child
	guint timer; // that starts one
};

static void close_pipes(struct publish_standby *standby)
{
	if (standby->input >= 0)
		(void)close(standby->input);
	if (standby->output >= 0)
		(void)close(standby->output);
	standby->input = -1;
	standby->output = -1;
}

static void start_in(struct publish_standby *standby, guint ms);

static void ended(GPid child, gint status, gpointer ctx)
{
	struct publish_standby *standby = ctx;

	(void)status;
	g_spawn_close_pid(child);
	standby->child = 0;
	standby->watch = 0;
	close_pipes(standby);
	start_in(standby, AGAIN_MS);
}

static gboolean start(gpointer ctx)
{
	struct publish_standby *standby = ctx;
	const struct publish_standby_plan *plan = &standby->plan;
	const char *image = plan->options->rules.image;
	const char *arguments[] = {plan->program, "compile", "--json", "-o", plan->output,
		"--cache", plan->cache, "--in-use", image, "--standby", NULL};
	struct aside_child child = {.arguments = arguments,
		.setup = plan->limit,
		.ctx = (gpointer)(uintptr_t)plan->options,
		.has_input = true};

	standby->timer = 0;
	if (access(image, F_OK) != 0 || stat(plan->program, &standby->program) != 0)
		return G_SOURCE_REMOVE;
	if (aside_spawn(&child) != 0) {
		start_in(standby, AGAIN_MS);
		return G_SOURCE_REMOVE;
	}
	standby->child = child.pid;
	standby->input = child.input;
	standby->output = child.output;
	standby->watch = g_child_watch_add(standby->child, ended, standby);
	// Other children do not keep it from being ended with us, and nobody waits for it.
	if (fcntl(standby->input, F_SETFD, FD_CLOEXEC) != 0 ||
		fcntl(standby->output, F_SETFD, FD_CLOEXEC) != 0 ||
		fcntl(standby->input, F_SETFL, O_NONBLOCK) != 0)
		publish_standby_drop(standby);
	return G_SOURCE_REMOVE;
}

static void start_in(struct publish_standby *standby, guint ms)
{
	if (standby->timer == 0)
		standby->timer = g_timeout_add(ms, start, standby);
}

void publish_standby_want(struct publish_standby *standby)
{
	if (standby->child != 0 || standby->plan.cache[0] == '\0' ||
		!standby->plan.options->rules.standby)
		return;
	// Not as late as after one that has ended: something was compiled since.
	if (standby->timer != 0)
		(void)g_source_remove(standby->timer);
	standby->timer = 0;
	start_in(standby, MOMENT_MS);
}

void publish_standby_drop(struct publish_standby *standby)
{
	if (standby->child == 0)
		return;
	(void)g_source_remove(standby->watch);
	aside_kill(standby->child);
	standby->child = 0;
	standby->watch = 0;
	close_pipes(standby);
}

// The program that is there now, and not one that it has replaced.
static bool is_of_today(const struct publish_standby *standby)
{
	struct stat now;

	return stat(standby->plan.program, &now) == 0 && now.st_dev == standby->program.st_dev &&
	       now.st_ino == standby->program.st_ino &&
	       now.st_mtim.tv_sec == standby->program.st_mtim.tv_sec &&
	       now.st_mtim.tv_nsec == standby->program.st_mtim.tv_nsec;
}

static bool give(int input, const char *const *paths)
{
	char text[PATHS_BYTES];
	size_t bytes = 0;

	for (; *paths != NULL; paths++) {
		size_t n = strlen(*paths) + 1;

		if (n > sizeof(text) - bytes)
			return false;
		memcpy(text + bytes, *paths, n);
		bytes += n;
	}
	return bytes > 0 && write(input, text, bytes) == (ssize_t)bytes;
}

int publish_standby_take(
	struct publish_standby *standby, const char *const *paths, GPid *child, int *output)
{
	if (standby->child == 0)
		return -ENOENT;
	if (!is_of_today(standby) || !give(standby->input, paths)) {
		publish_standby_drop(standby);
		return -ENOENT;
	}
	(void)g_source_remove(standby->watch);
	(void)close(standby->input);
	*child = standby->child;
	*output = standby->output;
	standby->child = 0;
	standby->watch = 0;
	standby->input = -1;
	standby->output = -1;
	return 0;
}

int publish_standby_new(const struct publish_standby_plan *plan, struct publish_standby **out)
{
	struct publish_standby *standby = calloc(1, sizeof(*standby));

	if (standby == NULL)
		return -ENOMEM;
	standby->plan = *plan;
	standby->input = -1;
	standby->output = -1;
	*out = standby;
	return 0;
}

void publish_standby_free(struct publish_standby *standby)
{
	if (standby == NULL)
		return;
	if (standby->timer != 0)
		(void)g_source_remove(standby->timer);
	publish_standby_drop(standby);
	free(standby);
}
