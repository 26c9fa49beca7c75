// SPDX-License-Identifier: BSD-3-Clause
// A TCP connection of frames, whoever has made it: a length of four bytes, the highest first, and as many
// bytes. A frame of no bytes is a sign of life. The gateway's and the vendor's ends are made of the same.
//
// One frame is handed over in a turn of the main loop, so that nobody keeps the others waiting, and nothing
// more is read until the frames that are here are done with.
#pragma once

#include <gio/gio.h>

#include <stdbool.h>
#include <stddef.h>

struct framed;

struct framed_owner {
	size_t frame_bytes;   // that one may have; whoever announces more is gone
	size_t waiting_bytes; // that the other side does not take, after which it is gone
	bool echoes;          // signs of life
	// One that has come, not an empty one. Returns whether the connection may stay.
	bool (*frame)(void *ctx, struct framed *framed, const void *text, size_t bytes);
	// A part of one has come. Returns as frame. NULL: nobody asks.
	bool (*grown)(void *ctx, struct framed *framed);
	// The other side sends nothing any more: whether there is something to be sent to it still. It is asked
	// again when all has gone out. NULL: there is nothing.
	bool (*unanswered)(void *ctx, struct framed *framed);
	// It has ended, or did what it must not; it is freed after this returns.
	void (*gone)(void *ctx, struct framed *framed);
};

// Takes a reference to the connection. NULL: no memory.
struct framed *framed_new(
	GSocketConnection *connection, const struct framed_owner *owner, void *ctx);
// Reads what has come by now, as when the loop says that there is something: it may be gone afterwards.
void framed_look(struct framed *framed);
// gone is not called. Not of itself from within frame, grown or unanswered.
void framed_free(struct framed *framed);
void framed_send(struct framed *framed, const void *text, size_t bytes);
// There is nothing to send after all: unanswered is asked again.
void framed_wake(struct framed *framed);
// Whether its frames come before those of others.
void framed_prefer(struct framed *framed, bool is_preferred);

// When something was heard or sent last (g_get_monotonic_time); how much there
// is of a frame that is not whole.
gint64 framed_active_us(const struct framed *framed);
// When the first byte of the frame that is not whole, or is handed over, was here (g_get_monotonic_time).
gint64 framed_began_us(const struct framed *framed);
size_t framed_input_bytes(const struct framed *framed);
