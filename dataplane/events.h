// SPDX-License-Identifier: BSD-3-Clause
// Records to JSON lines. Pure formatting into the caller's buffer: no allocation,
// no I/O, so a worker may call it; another thread writes the lines out.
#pragma once

#include "dataplane/engine.h"

#include <stddef.h>
#include <stdint.h>

struct events_context {
	const char *gateway;
	const char *const *links; // names by link number
	uint32_t links_count;
	int64_t epoch_offset_ns; // added to now_ns gives ns since 1970
};

// Each writes one line with its '\n' and returns its length, or 0 when it does not fit into room:
// a mail line then is tried again without its recipients and parts by the caller's choice.
size_t events_format_mail(const struct events_context *events, const struct mail_record *record,
	char *out, size_t room);
// "screening": a checksum hit in the message. One for each of its matches of that kind.
size_t events_format_screening(const struct events_context *events,
	const struct mail_record *record, const struct scan_match *match, char *out, size_t room);
size_t events_format_session(const struct events_context *events,
	const struct session_record *record, char *out, size_t room);
// "hold", or "quarantine": a message was made durable.
size_t events_format_hold(const struct events_context *events, const struct hold_record *record,
	char *out, size_t room);
// What a scan has found, as one JSON object: {"subject", "message_id", "matches", "parts"}. Lists that do
// not fit are cut. Returns its length, or 0 when not even its beginning fits.
size_t events_format_summary(const struct scan_result *scan, char *out, size_t room);
// "start", "stop", "fault": members is preformatted `"key":"value",...` or NULL.
size_t events_format_simple(const struct events_context *events, const char *event, uint64_t now_ns,
	const char *members, char *out, size_t room);

// Appends text as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD. Returns the new end,
// or NULL when it does not fit.
char *events_put_string(char *at, const char *end, const char *text, size_t n);
