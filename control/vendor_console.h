// SPDX-License-Identifier: BSD-3-Clause
// What the vendor's server serves beside its REST interface: the operator's page, which asks that interface
// with a session in place of a key, and what machines ask.
//
//   GET /healthz, /metrics          for machines
//   GET /api/stream                 status once a second, and events, as they come
//   /api/session, the page          web_pages.h
#pragma once

#include "control/vendor_server.h"

// Opens the log-in when there are users, and the server. Nothing, when no address is configured. Returns 0,
// or -errno with a text in error.
int vendor_console_open(struct vendor_server *server, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
// Answers what is not of the REST interface. Returns false when it is something else.
bool vendor_console_take(
	struct vendor_server *server, const struct web_request *request, struct web_reply *reply);
// Once a second.
void vendor_console_turn(const struct vendor_server *server);
