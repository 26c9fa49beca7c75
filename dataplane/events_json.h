// SPDX-License-Identifier: BSD-3-Clause
// A JSON object written straight into a buffer. Once something did not fit, the writer is full and
// takes nothing more; the caller looks once, at the end.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_writer {
	char *at; // NULL: full
	const char *end;
	bool comma; // before the next member or element
};

void json_begin(struct json_writer *json, char *out, size_t room);
// Text that is JSON already: brackets, members made elsewhere.
void json_raw(struct json_writer *json, const char *text, size_t n);
void json_open(struct json_writer *json, const char *name, char bracket);
void json_close(struct json_writer *json, char bracket);
// Members; name NULL makes an element of a list. Strings become valid UTF-8; NULL is "".
void json_text(struct json_writer *json, const char *name, const char *text);
void json_number(struct json_writer *json, const char *name, uint64_t value);
void json_bool(struct json_writer *json, const char *name, bool value);
void json_hex(struct json_writer *json, const char *name, const uint8_t *bytes, size_t n);
// A moment in nanoseconds since 1970 as "2026-01-02T03:04:05.000006Z".
void json_time(struct json_writer *json, const char *name, int64_t epoch_ns);
