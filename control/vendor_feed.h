// SPDX-License-Identifier: BSD-3-Clause
// The feed over HTTP: what is open, one envelope a line, with its ETag. Who has it already and prefers to wait
// (RFC 7240) is answered when it has changed, or after his time.
#pragma once

#include "control/web_server.h"

struct vendor_feed;

struct vendor_feed *vendor_feed_new(void);
void vendor_feed_free(struct vendor_feed *feed);
// Where those who wait are answered. NULL: they are not.
void vendor_feed_serve(struct vendor_feed *feed, struct web_server *web);
// Another text; takes it.
void vendor_feed_set(struct vendor_feed *feed, char *text);
void vendor_feed_answer(
	struct vendor_feed *feed, const struct web_request *request, struct web_reply *reply);
// Each second: whose time is over.
void vendor_feed_turn(struct vendor_feed *feed);
