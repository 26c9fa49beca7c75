// SPDX-License-Identifier: BSD-3-Clause
// What the MIME parser makes of a message, as text that can be compared: one line for each part that
// begins and ends (with size and SHA-256 of its decoded bytes) and each limit. Checks on the way that
// the events keep the order that scan/mime.h promises, and aborts if not.
#pragma once

#include "scan/mime.h"

#define MIME_LOG_PARTS 4096

struct mime_log_part {
	uint32_t number;
	uint32_t parent;
	uint64_t bytes;
	char content_type[256];
	char filename[256];
	char sha256[65];
};

struct mime_log {
	struct mime *mime;
	char *text; // "begin 1 0 1 text/plain utf-8 7bit name disposition\nend 1 5 SHA\n..."
	size_t text_bytes;
	size_t text_room;
	struct mime_log_part parts[MIME_LOG_PARTS];
	void *digests[MIME_LOG_PARTS];
	uint32_t parts_count;
	void *memory;
};

struct mime_log *mime_log_new(const struct mime_limits *limits);
void mime_log_free(struct mime_log *log);
void mime_log_begin(struct mime_log *log, const struct mime_limits *limits);
void mime_log_feed(struct mime_log *log, const uint8_t *data, size_t n);
void mime_log_end(struct mime_log *log);
