// SPDX-License-Identifier: BSD-3-Clause
// Mail that the gateway writes itself: notices, and delivery status notifications (RFC 3464).
//
// Nothing written here is answered by a machine (Auto-Submitted, RFC 3834), and it goes out with the empty
// sender, so that it cannot come back as another one.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct letter {
	const char *gateway;
	const char *from; // address in the header; "": postmaster at the gateway
	const char *to;
	const char *subject;
	const char *text; // UTF-8, lines end in "\n"
	const char *key;  // the same notice has the same Message-ID; NULL: any
	const char *name; // of who writes; NULL: a mail gateway
	// What is attached; NULL: nothing is.
	const char *attached;
	size_t attached_bytes;
	const char *attached_type; // application/... without that
	const char *attached_name; // of the file
};

// Returns the message, which the caller frees with free(); NULL: no memory.
uint8_t *letter_write(const struct letter *letter, size_t *bytes);

struct dsn_recipient {
	const char *address;
	const char *params; // of RCPT: NOTIFY and ORCPT count
	const char *reply;  // the server's, or what else was wrong
};

// What is told of (RFC 3464 section 2.3.3, RFC 3461 section 4.1).
enum dsn_kind {
	DSN_FAILED,
	DSN_DELAYED,
	DSN_RELAYED, // to a server that does not tell senders itself
};

// Of one message and some of its recipients.
struct dsn {
	enum dsn_kind kind;
	const char *key; // as of a letter
	const char *gateway;
	const char *from;
	const char *sender;      // of the message
	const char *mail_params; // of MAIL: RET and ENVID count
	const char *server;      // that did not take it, or has taken it; "": the gateway keeps it
	const char *arrival;     // RFC 5322 date
	const char *until;       // of a delayed one: till when it is tried; "": not known
	const struct dsn_recipient *recipients;
	size_t recipients_count;
	const uint8_t *data; // the message; NULL: it is not there any more
	size_t bytes;
};

// Whether NOTIFY asks for it by name.
bool dsn_is_asked(enum dsn_kind kind, const char *rcpt_params);
// Whether the sender is to be told of this recipient (RFC 3461 section 4.1).
bool dsn_is_wanted(enum dsn_kind kind, const char *sender, const char *rcpt_params);
// Of those that are wanted. Returns NULL when none is, or without memory; freed with free().
uint8_t *dsn_write(const struct dsn *dsn, size_t *bytes);
