// SPDX-License-Identifier: BSD-3-Clause
// One message to one server, with its envelope and all ESMTP parameters, byte for byte. Blocks: runs on
// a thread of its own. A connection may be kept for the next one (deliver_link.h).
//
// EHLO and lines are libetpan's, over a connection of our own (deliver_stream.h). Its commands know neither the parameters of every
// extension nor bodies whose lines end in odd ways, so these are written here, to its stream.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DELIVER_REPLY_BYTES 512

struct deliver_link;

enum deliver_outcome {
	DELIVER_PENDING, // not tried
	DELIVER_DONE,
	DELIVER_LATER, // 4xx, or the server is not there
	DELIVER_NEVER, // 5xx
};

struct deliver_recipient {
	const char *address;          // without <>
	const char *params;           // as sent by the client: "NOTIFY=NEVER ORCPT=rfc822;a@b"
	enum deliver_outcome outcome; // only those that are PENDING are tried
	bool tells_none;              // DONE, by a server without DSN: it tells the sender nothing
	char reply[DELIVER_REPLY_BYTES]; // the server's words, or what went wrong
};

struct deliver {
	const char *host;
	uint16_t port;
	unsigned int seconds;  // for each reply
	const char *mail_from; // "": the empty sender
	const char *mail_params;
	struct deliver_recipient *recipients;
	size_t recipients_count;
	const char *trace; // header lines that go before the message, each with its CRLF
	const uint8_t *data;
	size_t bytes;
	int64_t now_s;    // seconds since 1970
	int64_t waited_s; // so long ago it came: HOLDFOR and BY count from then
	// Afterwards:
	bool is_down; // the server does not serve anybody now: it is not there, went away, or said so
	bool is_at_door; // and that was before it had let us in: greeting or EHLO of a new connection
	bool is_in_message;            // and that was while the message went over, or behind it
	char why[DELIVER_REPLY_BYTES]; // it is down
};

// Every recipient that was PENDING has another outcome afterwards. kept: is used, if it leads there, or connected, and can
// be given to the next one as it is left; NULL: there is a connection for this message alone.
void deliver_run(struct deliver *deliver, struct deliver_link *kept);
