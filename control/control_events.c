// SPDX-License-Identifier: BSD-3-Clause
#include "control/control_events.h"

#include <glib-unix.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000
#define WAITING_BYTES (1u << 20) // for a reader that does not read
#define END_MS 2000              // that the last lines are waited for
#define DISK_MS 1000             // before one that takes nothing is tried again
#define TIME_BYTES 32

struct control_events {
	char *path; // NULL: standard output
	char *gateway;
	int fd;
	int failed;     // a negative errno, which was said
	bool is_stream; // fd: who reads may be slow, or asleep
	bool is_socket;
	GQueue *lines; // GByteArray each, that it has not taken yet; of the first what is left
	size_t waiting_bytes;
	uint64_t lost; // lines since it was said
	guint source;  // for when it takes more; 0: none
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

static int open_file(const char *path, int flags)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | flags, 0640);

	return fd >= 0 ? fd : -errno;
}

// To wait for a reader nobody has the time. What it writes to is ours alone: a process that shares it is not to be
// surprised by a descriptor that does not wait.
static void look_at_reader(struct control_events *events)
{
	char path[32];
	struct stat status;
	int fd;

	events->is_socket = false;
	events->is_stream = false;
	if (fstat(events->fd, &status) != 0)
		return;
	events->is_socket = S_ISSOCK(status.st_mode);
	events->is_stream = events->is_socket;
	if (!S_ISFIFO(status.st_mode) && !S_ISCHR(status.st_mode))
		return;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", events->fd);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return;
	if (events->fd != STDOUT_FILENO)
		(void)close(events->fd);
	events->fd = fd;
	events->is_stream = true;
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
		// Of a pipe somebody will read, who may come later.
		err = open_file(path, 0);
		if (err < 0)
			goto close;
		events->fd = err;
	}
	events->lines = g_queue_new();
	look_at_reader(events);
	*out = events;
	return 0;

close:
	control_events_close(events);
	return err;
}

// ---- a reader that may be slow ------------------------------------------------------------------

// Once, until it works again.
static void say_failure(struct control_events *events, int err)
{
	char reason[128];

	if (err != 0 && events->failed == 0)
		(void)fprintf(stderr, "cordon-control: events: %s\n",
			strerror_r(-err, reason, sizeof(reason)));
	events->failed = err;
}

static ssize_t try_write(const struct control_events *events, const GByteArray *line)
{
	if (events->is_socket)
		return send(events->fd, line->data, line->len, MSG_DONTWAIT | MSG_NOSIGNAL);
	return write(events->fd, line->data, line->len);
}

static void drop_line(struct control_events *events)
{
	GByteArray *line = g_queue_pop_head(events->lines);

	events->waiting_bytes -= line->len;
	g_byte_array_unref(line);
}

// Each by itself: a pipe takes a line of no more than PIPE_BUF as a whole or not at all. Returns whether some are left.
static bool write_lines(struct control_events *events)
{
	while (!g_queue_is_empty(events->lines)) {
		GByteArray *line = g_queue_peek_head(events->lines);
		ssize_t n = try_write(events, line);

		if (n < 0 && errno == EAGAIN)
			return true;
		say_failure(events, n < 0 ? -errno : 0);
		// A disk has room again some time.
		if (n < 0 && !events->is_stream)
			return true;
		if (n < 0)
			events->lost++;
		if (n < 0 || (guint)n == line->len) {
			drop_line(events);
			continue;
		}
		(void)g_byte_array_remove_range(line, 0, (guint)n);
		events->waiting_bytes -= (size_t)n;
	}
	return false;
}

static void add_line(struct control_events *events, const char *line, size_t n)
{
	GByteArray *copy = g_byte_array_sized_new((guint)n);

	(void)g_byte_array_append(copy, (const guint8 *)line, (guint)n);
	g_queue_push_tail(events->lines, copy);
	events->waiting_bytes += n;
}

static void tell_lost(struct control_events *events)
{
	char time[TIME_BYTES];
	json_t *event;
	char *text;

	if (events->lost == 0)
		return;
	event = json_pack("{s:s, s:s, s:s, s:s, s:I}", "event", "fault", "time",
		control_time_text(control_now_ns(), time), "gateway", events->gateway, "what",
		events->is_stream ? "events that nobody has read are lost"
				  : "events that could not be written are lost",
		"lines", (json_int_t)events->lost);
	text = json_dumps(event, JSON_COMPACT);
	json_decref(event);
	if (text == NULL)
		return;
	events->lost = 0;
	add_line(events, text, strlen(text));
	(void)g_byte_array_append(g_queue_peek_tail(events->lines), (const guint8 *)"\n", 1);
	events->waiting_bytes++;
	free(text);
}

// All that waits, and how much more there was. Returns whether some are left.
static bool write_all(struct control_events *events)
{
	if (!write_lines(events))
		tell_lost(events);
	return write_lines(events);
}

static gboolean disk_takes_more(gpointer ctx)
{
	struct control_events *events = ctx;

	if (write_all(events))
		return G_SOURCE_CONTINUE;
	events->source = 0;
	return G_SOURCE_REMOVE;
}

static gboolean takes_more(gint fd, GIOCondition condition, gpointer ctx)
{
	(void)fd;
	(void)condition;
	return disk_takes_more(ctx);
}

static void watch_reader(struct control_events *events)
{
	events->source = events->is_stream ? g_unix_fd_add(events->fd, G_IO_OUT, takes_more, events)
					   : g_timeout_add(DISK_MS, disk_takes_more, events);
}

static void put_line(struct control_events *events, const char *line, size_t n)
{
	if (g_queue_is_empty(events->lines))
		tell_lost(events);
	// Up to where it is told there is one gap.
	if (events->lost > 0 || events->waiting_bytes + n > WAITING_BYTES)
		events->lost++;
	else
		add_line(events, line, n);
	if (events->source == 0 && write_lines(events))
		watch_reader(events);
}

static void end_lines(struct control_events *events)
{
	struct pollfd takes = {.fd = events->fd, .events = POLLOUT};

	if (events->source != 0)
		(void)g_source_remove(events->source);
	tell_lost(events);
	while (write_lines(events) && events->is_stream && poll(&takes, 1, END_MS) > 0)
		continue;
	while (!g_queue_is_empty(events->lines))
		drop_line(events);
	g_queue_free(events->lines);
}

void control_events_close(struct control_events *events)
{
	if (events == NULL)
		return;
	if (events->lines != NULL)
		end_lines(events);
	if (events->fd != STDOUT_FILENO)
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
	// A pipe that nobody reads any more would be waited for.
	fd = open_file(events->path, O_NONBLOCK);
	if (fd < 0)
		return fd;
	(void)close(events->fd);
	events->fd = fd;
	if (events->source != 0)
		(void)g_source_remove(events->source);
	events->source = 0;
	look_at_reader(events);
	// What waits for a reader goes first, wherever that is by now.
	if (write_all(events))
		watch_reader(events);
	return 0;
}

// One write, so that lines of several processes in one file stay whole.
static void write_line(struct control_events *events, char *line, size_t n)
{
	line[n] = '\n';
	put_line(events, line, n + 1);
}

int control_events_error(const struct control_events *events)
{
	return events->failed;
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
