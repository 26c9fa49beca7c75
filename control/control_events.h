// SPDX-License-Identifier: BSD-3-Clause
// What the control process has done, as JSON lines (the contract's events).
#pragma once

#include <jansson.h>

struct control_events;

// path: a file that is appended to, or "-". Returns 0 or -errno.
int control_events_open(const char *path, const char *gateway, struct control_events **out)
	__attribute__((warn_unused_result));
void control_events_close(struct control_events *events);
// Opens the file again, which may have been moved away. Returns 0, or -errno: the old one stays.
int control_events_reopen(struct control_events *events) __attribute__((warn_unused_result));
// Writes one event with these members, which it lets go of; NULL members are left out by jansson.
// Writing that fails is said on stderr once, until it works again. A pipe, a terminal or a socket whose reader does not
// read is not waited for: up to 1 MiB waits for it (on the default context), how many lines are lost then is an event. So
// it is with a disk that takes nothing, which is tried again each second.
void control_events_write(struct control_events *events, const char *event, json_t *members);
// A negative errno: why the file takes nothing now; 0: it does.
int control_events_error(const struct control_events *events);

// Who is shown each event before it is written, with the members given; they are borrowed.
typedef void (*control_events_fn)(void *ctx, const char *event, const json_t *members);
void control_events_watch(struct control_events *events, control_events_fn watch, void *ctx);

// RFC 3339 with microseconds, UTC, as in events: of a moment in nanoseconds since 1970. out has room
// for 32 bytes. Returns out.
char *control_time_text(int64_t epoch_ns, char *out);
// Such a text in seconds since 1970; 0: it is none.
int64_t control_time_seconds(const char *text);
// Now, in nanoseconds since 1970.
int64_t control_now_ns(void);
