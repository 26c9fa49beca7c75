// SPDX-License-Identifier: BSD-3-Clause
// What the MIME parser makes of a message, as text that can be compared: one line for each part that
// begins and ends (with size and SHA-256 of its decoded bytes) and each limit. Checks on the way that
// the events keep the order that scan/mime.h promises, and aborts if not.
#pragma once

#include "scan/mime.h"

#define MIME_LOG_PARTS 4096
#define MIME_LOG_MARKER 80 // most bytes of a marker

struct mime_log_part {
	uint64_t bytes;
	uint32_t number;
	uint32_t parent;
	uint32_t reading;
	char content_type[256];
	char filename[256];
	char sha256[65];
};

struct mime_log {
	struct mime *mime;
	char *text; // "begin 1 0 1 type=text/plain ...\nend 1 5 SHA\n..."
	size_t text_bytes;
	size_t text_room;
	struct mime_log_part parts[MIME_LOG_PARTS];
	void *digests[MIME_LOG_PARTS];
	const char *marker; // looked for in the content of parts, if not NULL
	uint32_t marked;    // number of the first part that has it, or 0
	char tails[MIME_LOG_PARTS][MIME_LOG_MARKER];
	uint32_t parts_count;
	void *memory;
	struct mime_pool *pool; // NULL: the parser has all its memory for itself
};

struct mime_log *mime_log_new(const struct mime_limits *limits);
// The same with a parser that takes what few messages need from a pool.
struct mime_log *mime_log_new_shared(const struct mime_limits *limits);
void mime_log_free(struct mime_log *log);
void mime_log_begin(struct mime_log *log, const struct mime_limits *limits);
void mime_log_feed(struct mime_log *log, const uint8_t *data, size_t n);
void mime_log_end(struct mime_log *log);
