// SPDX-License-Identifier: BSD-3-Clause
// What people are told together, one notice in an interval to each: lines are gathered, and a journal of
// them outlives the process.
#pragma once

#include <glib.h>
#include <jansson.h>

#include <stdbool.h>
#include <stdint.h>

struct notify_rounds;

// What somebody is told next.
struct notify_round {
	const char *to;
	const char *host;
	uint32_t port;
	GString *lines;     // a few; the others are counted
	size_t count;       // of all
	GHashTable *counts; // of lines by their "name"
};

void notify_rounds_new(struct notify_rounds **out);
void notify_rounds_free(struct notify_rounds *rounds);
// line: {"to", "host", "port", "line", and "name" or "id"}; borrowed. One with an id is durable when this
// returns 0, and counts once for each "to". Before notify_rounds_load it is in memory only.
int notify_rounds_add(struct notify_rounds *rounds, const json_t *line)
	__attribute__((warn_unused_result));

// Whether a line of the journal is true.
typedef bool (*notify_rounds_fn)(void *ctx, const json_t *line);
// Opens the journal at path, and takes in what is in it. Returns 0 or -errno.
int notify_rounds_load(struct notify_rounds *rounds, const char *path, notify_rounds_fn is_true,
	void *ctx) __attribute__((warn_unused_result));
bool notify_rounds_is_empty(const struct notify_rounds *rounds);
// Grows with each round: part of the keys of its notices.
uint64_t notify_rounds_number(const struct notify_rounds *rounds);

typedef void (*notify_round_fn)(void *ctx, const struct notify_round *round);
// Shows each, and forgets them all.
void notify_rounds_flush(struct notify_rounds *rounds, notify_round_fn show, void *ctx);
