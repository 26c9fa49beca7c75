// SPDX-License-Identifier: BSD-3-Clause
// The trace header of mail that was kept (RFC 5321 section 4.4).
#pragma once

#include <jansson.h>

#include <stddef.h>
#include <stdint.h>

// When it came, in seconds since 1970; where that cannot be read, now.
int64_t release_trace_arrival(const json_t *envelope);
// Writes the lines, each with its CRLF; none where the client has called itself what must not be in a header.
void release_trace_write(const json_t *envelope, const char *gateway, const char *id,
	int64_t arrival_s, char *out, size_t room);
