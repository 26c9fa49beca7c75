// SPDX-License-Identifier: BSD-3-Clause
// Addresses of gateways: "host:port" or "[address]:port".
#pragma once

#include <gio/gio.h>

#include <stddef.h>

// As a member's check (vendor_send.h).
int vendor_address_check(const char *address, char *why, size_t why_bytes);

// Once: addresses of type GSocketAddress, which last as long as the call; NULL with a text in why; or NULL and
// no text when it was cancelled.
typedef void (*vendor_address_fn)(void *ctx, const GList *addresses, const char *why);

// Looks it up: at once where it is no name, else from the main loop later.
void vendor_address_find(
	const char *address, GCancellable *cancel, vendor_address_fn found, void *ctx);
