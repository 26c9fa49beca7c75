// SPDX-License-Identifier: BSD-3-Clause
// A JSON object written straight into a buffer. Once something did not fit, the writer is full and
// takes nothing more; the caller looks once, at the end.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct json_writer {
	char *at; // NULL: full
	const char *end;
	bool comma; // before the next member or element
};

void json_begin(struct json_writer *json, char *out, size_t room);
// Text that is JSON already: brackets, members made elsewhere.
void json_raw(struct json_writer *json, const char *text, size_t n);
// The comma before, and "name": where there is a name (not NULL). Names are ours and need no escapes.
void json_name(struct json_writer *json, const char *name, size_t n);
// What stands behind a name. Strings become valid UTF-8; NULL is "".
void json_put_open(struct json_writer *json, char bracket);
void json_put_text(struct json_writer *json, const char *text);
void json_put_number(struct json_writer *json, uint64_t value);
void json_put_hex(struct json_writer *json, const uint8_t *bytes, size_t n);
void json_put_time(struct json_writer *json, int64_t epoch_ns);
void json_close(struct json_writer *json, char bracket);

// Members; name NULL makes an element of a list. Here, so that the length of a literal is no work.

static inline void json_member(struct json_writer *json, const char *name)
{
	json_name(json, name, name != NULL ? strlen(name) : 0);
}

static inline void json_open(struct json_writer *json, const char *name, char bracket)
{
	json_member(json, name);
	json_put_open(json, bracket);
}

static inline void json_text(struct json_writer *json, const char *name, const char *text)
{
	json_member(json, name);
	json_put_text(json, text);
}

static inline void json_number(struct json_writer *json, const char *name, uint64_t value)
{
	json_member(json, name);
	json_put_number(json, value);
}

static inline void json_bool(struct json_writer *json, const char *name, bool value)
{
	json_member(json, name);
	json_raw(json, value ? "true" : "false", value ? 4 : 5);
}

static inline void json_hex(
	struct json_writer *json, const char *name, const uint8_t *bytes, size_t n)
{
	json_member(json, name);
	json_put_hex(json, bytes, n);
}

// A moment in nanoseconds since 1970 as "2026-01-02T03:04:05.000006Z".
static inline void json_time(struct json_writer *json, const char *name, int64_t epoch_ns)
{
	json_member(json, name);
	json_put_time(json, epoch_ns);
}
