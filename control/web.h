// SPDX-License-Identifier: BSD-3-Clause
// What the gateway serves over HTTP: the operator's page and what it asks, metrics and health.
//
//   GET  /healthz           200 as long as the process runs
//   GET  /readyz            200 when mail is scanned and seals are in force, else 503 and why
//   GET  /metrics           Prometheus' text
//   /api/session, the page  web_pages.h
//   POST /api/call          a command of api.h: what cordonctl asks at its socket, with the same answers
//   GET  /api/history       samples of the counters, as columns
//   GET  /api/stats         the dataplane's counters as they are now
//   GET  /api/stream        events, as they are written; status, history (text/event-stream)
//   GET  /api/events        the latest of them, the newest first
//   GET  /api/mail/ID       a kept mail, to save; ?why=REASON is written down
#pragma once

#include <jansson.h>

#include <stddef.h>
#include <stdint.h>

struct control;
struct web;

// *out stays NULL when the configuration names no address. Returns 0, or -errno with a text in error.
int web_open(struct control *control, struct web **out, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
void web_close(struct web *web);
// Once a second.
void web_turn(struct web *web);
// An event was written.
void web_event(struct web *web, const char *event, const json_t *members);
// The answer to a command that has taken its time; takes answer.
void web_answer(struct web *web, uint64_t token, json_t *answer);
