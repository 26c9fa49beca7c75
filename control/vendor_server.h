// SPDX-License-Identifier: BSD-3-Clause
// The vendor's server: what it was told to say is checked by the root document, kept, sent and published.
#pragma once

#include "control/alerts_root.h"
#include "control/control_events.h"
#include "control/vendor_database.h"
#include "control/vendor_fanout.h"
#include "control/vendor_feed.h"
#include "control/vendor_options.h"
#include "control/vendor_payload.h"
#include "control/web_pages.h"

#include <jansson.h>

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct vendor_server {
	struct vendor_options options;
	struct control_events *events;
	struct database *database;
	struct alerts_root root;
	char *root_text; // its envelope
	char root_path[PATH_MAX];
	struct vendor_signers signers;
	bool may_sign[VENDOR_KEYS_MOST][ROLES]; // which roles each of them holds
	struct fanout *fanout;
	struct vendor_send *send;
	struct web_pages pages; // their server is NULL: nothing is served
	struct vendor_feed *feed;
	int64_t ping_s;      // when the next one is due, steady
	const char *trouble; // of the database, when it was tried last; NULL: none
	int64_t tried_ns;
};

// Opens all. Returns 0, or -errno with a text in error.
int vendor_server_open(struct vendor_server *server, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
void vendor_server_close(struct vendor_server *server);
// Once a second: heartbeats, what has expired.
void vendor_server_turn(struct vendor_server *server);

// Counts of the fan-out, and "faults" of the ways.
json_t *vendor_server_status(const struct vendor_server *server);

// An envelope that somebody has signed. Returns an HTTP status: 201 it goes out, 202 signatures are missing,
// 200 it is there already; 400, 403, 409, 422 with a text in why; 500. digest has room for
// ENVELOPE_KEY_ID_BYTES, and is set with the first three.
unsigned int vendor_server_take(struct vendor_server *server, const char *text, size_t bytes,
	char *digest, char *why, size_t why_bytes);
// An alert to be made and signed with the keys at hand: {"type", "target", "virus_id", "seconds", "info",
// and the member that is named as the type}; an update may leave its files out, which are those of the
// configuration then. As above; 409 too when no key of the role is at hand.
unsigned int vendor_server_make(struct vendor_server *server, const json_t *order, char *digest,
	char *why, size_t why_bytes);

// vendor_api.c: answers requests.
void vendor_api_answer(void *ctx, const struct web_request *request, struct web_reply *reply);
