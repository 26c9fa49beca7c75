// SPDX-License-Identifier: BSD-3-Clause
#include "control/rules_watch.h"

#include <glib-unix.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

// A file that was written to the end, put there, or taken away.
#define EVENTS (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)

struct rules_watch {
	const struct control_options *options;
	rules_watch_fn changed;
	void *ctx;
	int events;
	guint source; // of the main loop
	guint timer;  // 0: nothing has changed
};

static gboolean settled(gpointer ctx)
{
	struct rules_watch *watch = ctx;

	if (!watch->changed(watch->ctx))
		return G_SOURCE_CONTINUE;
	watch->timer = 0;
	return G_SOURCE_REMOVE;
}

// Editors and downloads write names that begin with a dot first.
static bool is_of_interest(const struct inotify_event *event)
{
	return (event->mask & IN_Q_OVERFLOW) != 0 || (event->len > 0 && event->name[0] != '.');
}

static gboolean read_events(gint fd, GIOCondition condition, gpointer ctx)
{
	struct rules_watch *watch = ctx;
	_Alignas(struct inotify_event) char buffer[8192];
	bool has_changed = false;
	ssize_t n;

	(void)condition;
	while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *event = (const void *)(buffer + at);

			has_changed = has_changed || is_of_interest(event);
			at += (ssize_t)sizeof(*event) + event->len;
		}
	}
	if (!has_changed)
		return G_SOURCE_CONTINUE;
	if (watch->timer != 0)
		(void)g_source_remove(watch->timer);
	watch->timer = g_timeout_add(watch->options->rules.watch_ms, settled, watch);
	return G_SOURCE_CONTINUE;
}

// Of a file its folder is watched: it may be replaced.
static int watch_source(const struct rules_watch *watch, const char *source)
{
	char folder[CONTROL_TEXT_BYTES];
	struct stat status;
	char *slash;

	(void)snprintf(folder, sizeof(folder), "%s", source);
	if (stat(folder, &status) == 0 && !S_ISDIR(status.st_mode)) {
		slash = strrchr(folder, '/');
		if (slash == NULL)
			(void)snprintf(folder, sizeof(folder), ".");
		else
			slash[slash == folder ? 1 : 0] = '\0';
	}
	return inotify_add_watch(watch->events, folder, EVENTS | IN_ONLYDIR) >= 0 ? 0 : -errno;
}

int rules_watch_new(const struct control_options *options, rules_watch_fn changed, void *ctx,
	struct rules_watch **out)
{
	struct rules_watch *watch;
	int err = 0;

	*out = NULL;
	if (options->rules.watch_ms == 0)
		return 0;
	watch = calloc(1, sizeof(*watch));
	if (watch == NULL)
		return -ENOMEM;
	*watch = (struct rules_watch){.options = options, .changed = changed, .ctx = ctx};
	watch->events = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch->events < 0)
		err = -errno;
	for (uint32_t i = 0; err == 0 && i < options->rules.sources_count; i++)
		err = watch_source(watch, options->rules.sources[i]);
	if (err != 0) {
		rules_watch_free(watch);
		return err;
	}
	watch->source = g_unix_fd_add(watch->events, G_IO_IN, read_events, watch);
	*out = watch;
	return 0;
}

void rules_watch_free(struct rules_watch *watch)
{
	if (watch == NULL)
		return;
	if (watch->timer != 0)
		(void)g_source_remove(watch->timer);
	if (watch->source != 0)
		(void)g_source_remove(watch->source);
	if (watch->events >= 0)
		(void)close(watch->events);
	free(watch);
}
