// SPDX-License-Identifier: BSD-3-Clause
// The ways by which alerts go out to gateways and receipts come back. One of these knows how bytes are
// moved and nothing of what they mean; another way is another entry in the table (vendor_send.c).
#pragma once

#include "control/vendor_options.h"

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>

// What came back, and who waits for it.
struct vendor_sink {
	// An envelope, which may be anybody's. Whose it was when it was a good receipt goes to gateway, which
	// has room for REGISTRY_ID_BYTES or is NULL; returns whether it was.
	bool (*receipt)(
		void *ctx, const char *channel, const void *text, size_t bytes, char *gateway);
	// A try that failed, for people.
	void (*failed)(void *ctx, const char *gateway, const char *channel, const char *why);
	// The gateway has connected: what waits for it can go.
	void (*here)(void *ctx, const char *gateway);
	// The envelope of the root document in force.
	const char *(*root)(void *ctx);
	const char *vendor; // its name
	void *ctx;
};

struct vendor_try {
	const char *gateway;   // its id
	const json_t *channel; // its members
	const char *envelope;
	size_t bytes;
	const char *digest; // of the alert, by which its receipt names it
};

#define VENDOR_MEMBERS_MOST 4

// A member of a channel, always a text.
struct vendor_member {
	const char *name; // NULL: the list ends here
	bool is_needed;
	// Returns 0, -EINVAL with a text in why.
	int (*check)(const char *value, char *why, size_t why_bytes);
};

struct queue_alert;

struct vendor_way {
	const char *kind;
	struct vendor_member members[VENDOR_MEMBERS_MOST + 1];
	// *out may stay NULL, then send is not called. Returns 0, or -errno with a text in error.
	int (*open)(const struct vendor_options *options, const struct vendor_sink *sink,
		void **out, char *error, size_t error_bytes);
	void (*close)(void *way);
	// One try, which may go on after this returns. Returns 0, -EAGAIN: too many at once, try again
	// soon; -ENOTCONN: not now; else -errno.
	int (*send)(void *way, const struct vendor_try *try);
	// NULL for a way that reaches one gateway at a time. Else: all alerts that are open, the oldest
	// first; whoever takes them in this order ends where everybody else is. They last as long as the call.
	void (*publish)(void *way, const struct queue_alert *const *open, size_t count);
	// Now and then, each second; or NULL.
	void (*turn)(void *way);
	// What it lacks at the moment, whomever it sends to, for people, until the next call of it; NULL for nothing.
	// NULL for a way that depends on the gateway alone.
	const char *(*fault)(const void *way);
};

extern const struct vendor_way vendor_way_https;  // POST to the gateway
extern const struct vendor_way vendor_way_tcp;    // a connection to the gateway
extern const struct vendor_way vendor_way_tcp_in; // a connection that the gateway makes
extern const struct vendor_way vendor_way_udp;    // a datagram each
extern const struct vendor_way vendor_way_snmp;   // informs or traps
extern const struct vendor_way vendor_way_mqtt;   // by a broker
extern const struct vendor_way vendor_way_mail;   // by a mail server

struct vendor_send;

// Whether this is a channel: {"kind", ...}. Returns 0, or -EINVAL with a text in why.
int vendor_send_check(const json_t *channel, char *why, size_t why_bytes)
	__attribute__((warn_unused_result));

// Opens all ways. sink is copied. Returns 0, or -errno with a text in error.
int vendor_send_open(const struct vendor_options *options, const struct vendor_sink *sink,
	struct vendor_send **out, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
void vendor_send_close(struct vendor_send *send);
// One try by the way that the channel names; as vendor_way's send, -ENOENT when it goes by none.
int vendor_send_try(struct vendor_send *send, const struct vendor_try *try)
	__attribute__((warn_unused_result));
// To the ways that publish, and to those that look after something.
void vendor_send_publish(
	struct vendor_send *send, const struct queue_alert *const *open, size_t count);
void vendor_send_turn(struct vendor_send *send);
// {kind: what it lacks or ""} of the ways in use that stand on something besides the gateways: a broker, a mailbox.
json_t *vendor_send_faults(const struct vendor_send *send);
