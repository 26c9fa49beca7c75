// SPDX-License-Identifier: BSD-3-Clause
// One alert over SNMP to one gateway: its pieces as informs or traps, then questions for the receipt.
#pragma once

#include "control/snmp_library.h"
#include "control/vendor_options.h"

#include <glib.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Who we are there; the library is one in a process.
struct talk_identity {
	GPtrArray *users;  // definitions (snmp_library_add_user), without an engine
	GHashTable *known; // gateway and user, that the library has
	uint8_t engine[SNMP_ENGINE_BYTES];
	size_t engine_bytes;
	char community[SNMP_SECRET_BYTES]; // "": none
};

// Returns 0, or -errno with a text in error; to be let go of in either case.
int talk_identity_init(struct talk_identity *identity, const struct vendor_options *options,
	const char *vendor, char *error, size_t error_bytes) __attribute__((warn_unused_result));
void talk_identity_fini(struct talk_identity *identity);
bool talk_has_users(const struct talk_identity *identity);

// All of it lasts as long as the talk.
struct talk_about {
	const char *gateway;
	const char *digest;
	const char *envelope;
	size_t bytes;
	const char *user;  // NULL: the first one
	bool is_community; // version 2c
	bool is_trap;
};

struct talk_owner {
	void (*receipt)(void *ctx, const void *receipt, size_t bytes);
	void (*failed)(void *ctx, const char *why);
	void *ctx;
};

struct talk;

// address: as g_socket_connectable_to_string says it. NULL: it has failed.
struct talk *talk_new(struct talk_identity *identity, const struct talk_about *about,
	const char *address, const struct talk_owner *owner);
void talk_free(struct talk *talk);
// To be called several times a second. Returns whether it is over, which the owner was told: a receipt has
// come, or it has failed.
bool talk_turn(struct talk *talk);
