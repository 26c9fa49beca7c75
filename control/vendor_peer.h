// SPDX-License-Identifier: BSD-3-Clause
// A TCP connection with a gateway, whoever has made it: frames of a length in four bytes, the highest
// first, and as many bytes; envelopes go out, receipts come in, and a frame of no bytes is a sign of life.
#pragma once

#include <gio/gio.h>

#include <stdbool.h>
#include <stddef.h>

struct vendor_peer;

struct vendor_peer_owner {
	// A frame that has come, not an empty one. Returns whether the peer may stay.
	bool (*frame)(void *ctx, struct vendor_peer *peer, const void *text, size_t bytes);
	// It has ended, or did what it must not; it is freed after this returns.
	void (*gone)(void *ctx, struct vendor_peer *peer);
};

// Takes a reference to the connection. NULL: no memory.
struct vendor_peer *vendor_peer_new(
	GSocketConnection *connection, const struct vendor_peer_owner *owner, void *ctx);
// gone is not called. Not from within frame.
void vendor_peer_free(struct vendor_peer *peer);
void vendor_peer_send(struct vendor_peer *peer, const void *text, size_t bytes);
// What it is owner's ctx for, and when something was heard or sent last (g_get_monotonic_time).
void *vendor_peer_ctx(const struct vendor_peer *peer);
gint64 vendor_peer_active_us(const struct vendor_peer *peer);
