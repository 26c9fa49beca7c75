// SPDX-License-Identifier: BSD-3-Clause
// The keys that the gateway trusts: the root document, as in The Update Framework (TUF, section 6.1 of its
// specification): which keys hold which role, how many of them must sign, until when. Its successor is
// signed by as many root keys as the present one asks for and by as many as it asks for itself, so that a
// key that was lost can be replaced and one that was stolen is worth nothing alone.
//
// The document is the payload of an alert of type "root" (alert.h); its sequence is its version, and its
// member "root" is
//
//   {"expires": TIME,
//    "keys": {KEYID: BASE64 OF THE RAW ED25519 KEY, ...},
//    "roles": {"root":      {"keys": [KEYID, ...], "threshold": N},
//              "alerts":    {..., "epoch": N}, "updates": {...}, "all-clear": {...}}}
//
// All roles are there. An epoch (1 when it is not there) is the least that an alert of the role may have:
// raised after a theft, it makes what the thief has signed worthless.
#pragma once

#include "control/envelope.h"

#include <jansson.h>

#include <stdint.h>

enum key_role { ROLE_ROOT, ROLE_ALERTS, ROLE_UPDATES, ROLE_ALL_CLEAR, ROLES };

const char *key_role_name(enum key_role role);
// Returns 0 or -EINVAL.
int key_role_find(const char *name, enum key_role *out) __attribute__((warn_unused_result));

#define KEYS_MOST 64

struct keys;

// The member "root" of a root document. Returns 0, -EINVAL with a text in error, or -ENOMEM.
int keys_parse(const json_t *document, struct keys **out, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
void keys_free(struct keys *keys);
// One more that frees them; also for another thread, for which they do not change.
struct keys *keys_share(struct keys *keys);

// Which keys of any role have signed it: a bit for each. 0: none, and nobody should read on.
uint64_t keys_signers(const struct keys *keys, const struct envelope *envelope);
// How many of these hold the role.
unsigned int keys_count(const struct keys *keys, enum key_role role, uint64_t signers);
unsigned int keys_threshold(const struct keys *keys, enum key_role role);
uint64_t keys_epoch(const struct keys *keys, enum key_role role);
int64_t keys_expires(const struct keys *keys); // seconds since 1970
