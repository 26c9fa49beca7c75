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
	void *ctx;
};

struct vendor_try {
	const char *gateway;   // its id
	const json_t *channel; // its parameters
	const char *envelope;
	size_t bytes;
};

struct vendor_way {
	const char *kind;
	const char *parameter; // of the channel, or NULL: it has none
	// Returns 0, -EINVAL with a text in why.
	int (*check)(const char *parameter, char *why, size_t why_bytes);
	// *out may stay NULL, then send is not called. Returns 0, or -errno with a text in error.
	int (*open)(const struct vendor_options *options, const struct vendor_sink *sink,
		void **out, char *error, size_t error_bytes);
	void (*close)(void *way);
	// One try, which may go on after this returns. Returns 0, -EAGAIN: too many at once, try again
	// soon; -ENOTCONN: not now; else -errno.
	int (*send)(void *way, const struct vendor_try *try);
};

extern const struct vendor_way vendor_way_https;  // POST to the gateway
extern const struct vendor_way vendor_way_tcp;    // a connection to the gateway
extern const struct vendor_way vendor_way_tcp_in; // a connection that the gateway makes
extern const struct vendor_way vendor_way_udp;    // a datagram each

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
