// SPDX-License-Identifier: BSD-3-Clause
#include "control/control_events.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000
#define TIME_BYTES 32

struct control_events {
	char *path; // NULL: standard output
	char *gateway;
	int fd;
	bool failed; // and was said
	control_events_fn watch;
	void *ctx;
};

int64_t control_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

char *control_time_text(int64_t epoch_ns, char *out)
{
	time_t seconds = (time_t)(epoch_ns / NS_PER_S);
	struct tm utc;
	size_t n = 0;

	if (gmtime_r(&seconds, &utc) != NULL)
		n = strftime(out, TIME_BYTES, "%Y-%m-%dT%H:%M:%S", &utc);
	(void)snprintf(out + n, TIME_BYTES - n, ".%06dZ", (int)(epoch_ns % NS_PER_S / 1000));
	return out;
}

int64_t control_time_seconds(const char *text)
{
	struct tm utc = {0};

	return strptime(text, "%Y-%m-%dT%H:%M:%S", &utc) != NULL ? (int64_t)timegm(&utc) : 0;
}

static int open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);

	return fd >= 0 ? fd : -errno;
}

int control_events_open(const char *path, const char *gateway, struct control_events **out)
{
	struct control_events *events = calloc(1, sizeof(*events));
	int err = -ENOMEM;

	if (events == NULL)
		return -ENOMEM;
	events->fd = STDOUT_FILENO;
	events->gateway = strdup(gateway);
	if (events->gateway == NULL)
		goto close;
	if (strcmp(path, "-") != 0) {
		events->path = strdup(path);
		if (events->path == NULL)
			goto close;
		err = open_file(path);
		if (err < 0)
			goto close;
		events->fd = err;
	}
	*out = events;
	return 0;

close:
	control_events_close(events);
	return err;
}

void control_events_close(struct control_events *events)
{
	if (events == NULL)
		return;
	if (events->path != NULL && events->fd != STDOUT_FILENO)
		(void)close(events->fd);
	free(events->path);
	free(events->gateway);
	free(events);
}

int control_events_reopen(struct control_events *events)
{
	int fd;

	if (events->path == NULL)
		return 0;
	fd = open_file(events->path);
	if (fd < 0)
		return fd;
	(void)close(events->fd);
	events->fd = fd;
	return 0;
}

// One write, so that lines of several processes in one file stay whole.
static void write_line(struct control_events *events, char *line, size_t n)
{
	char reason[128];
	bool failed;

	line[n] = '\n';
	failed = write(events->fd, line, n + 1) != (ssize_t)(n + 1);
	if (failed && !events->failed)
		(void)fprintf(stderr, "cordon-control: events: %s\n",
			strerror_r(errno, reason, sizeof(reason)));
	events->failed = failed;
}

void control_events_watch(struct control_events *events, control_events_fn watch, void *ctx)
{
	events->watch = watch;
	events->ctx = ctx;
}

void control_events_write(struct control_events *events, const char *event, json_t *members)
{
	char time[TIME_BYTES];
	json_t *object = json_pack("{s:s, s:s, s:s}", "event", event, "time",
		control_time_text(control_now_ns(), time), "gateway", events->gateway);
	char *line;
	size_t n;

	if (events->watch != NULL)
		events->watch(events->ctx, event, members);
	if (members != NULL) {
		(void)json_object_update(object, members);
		json_decref(members);
	}
	n = json_dumpb(object, NULL, 0, JSON_COMPACT);
	line = malloc(n + 1);
	if (line != NULL && json_dumpb(object, line, n, JSON_COMPACT) == n)
		write_line(events, line, n);
	free(line);
	json_decref(object);
}
