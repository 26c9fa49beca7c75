// SPDX-License-Identifier: BSD-3-Clause
// Who the gateways are: what is known of each, the tokens by which new ones come in, the keys of those who
// may ask. A gateway is
//
//   {"id", "name", "public_key": BASE64, "groups": [NAME], "channels": [{"kind", ...}],
//    "enrolled", "last_seen": SECONDS, "state": {...} of its last receipt}
//
// where id is what the gateway calls itself, and what a channel is vendor_send.h says.
#pragma once

#include "control/vendor_database.h"

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REGISTRY_ID_BYTES 129
#define REGISTRY_SECRET_BYTES 72 // of a token or a key, with the NUL

// Adds a gateway or changes it; members that are not given stay (groups and channels: none at first).
// Returns 0, -EINVAL with a text in why, -EEXIST when another gateway has this key, or -EIO. Durable.
int registry_put(struct database *database, const json_t *gateway, int64_t now_s, char *why,
	size_t why_bytes) __attribute__((warn_unused_result));
// The caller's; NULL: there is none.
json_t *registry_get(struct database *database, const char *id);
// At most so many with an id after this one ("": the first), of a group (NULL: all). The caller's.
json_t *registry_list(
	struct database *database, const char *after, unsigned int most, const char *group);

#define REGISTRY_SILENT_SECONDS 3600 // since when one that is not heard of is called silent

struct registry_filter {
	const char *after;  // id; "": the first
	const char *group;  // NULL: all
	const char *search; // in id, name and groups, whatever the case; NULL: all
	// By its last receipt "sealed" or "open"; "waiting": an alert that holds is not answered;
	// "silent": not heard of since silent_s; NULL: all.
	const char *state;
	int64_t silent_s;
	unsigned int most;
};
// Such gateways, in answers also "waiting": how many alerts that hold they have not answered; and how many such
// there are. The caller's.
json_t *registry_find(
	struct database *database, const struct registry_filter *filter, int64_t *total);

// Returns 0, -ENOENT or -EIO. Durable.
int registry_remove(struct database *database, const char *id) __attribute__((warn_unused_result));
// Notes a receipt of a gateway, unless a later one was noted (its counter says); state may be NULL. Not
// yet durable.
int registry_seen(struct database *database, const char *id, int64_t now_s, uint64_t counter,
	const json_t *state) __attribute__((warn_unused_result));

// A token that one gateway can come in by before it expires: of this id (NULL: any that is not there yet),
// into these groups. Only its hash is kept. Returns 0 or -EIO. Durable.
int registry_token_make(struct database *database, const char *gateway, const json_t *groups,
	int64_t now_s, int64_t expires_s, char token[REGISTRY_SECRET_BYTES])
	__attribute__((warn_unused_result));
// {"gateway", "groups", "created", "expires", "used", "used_by"} of each, the latest first.
json_t *registry_tokens(struct database *database, unsigned int most);
// {"token", "id", "public_key", ...}: puts the gateway in by a token, which is used up then. The groups are
// the token's. Returns 0; -EACCES: unknown, used, expired or another's; -EEXIST: the gateway is there and
// the token does not name it; -EINVAL; a text in why; or -EIO.
int registry_enrol(struct database *database, const json_t *asked, int64_t now_s, char *why,
	size_t why_bytes) __attribute__((warn_unused_result));

// A key for people and programs: what a bearer shows; writes: more than reading. Returns 0, -EEXIST when
// the name is taken, or -EIO. Durable.
int registry_apikey_make(struct database *database, const char *name, bool writes, int64_t now_s,
	char key[REGISTRY_SECRET_BYTES]) __attribute__((warn_unused_result));
int registry_apikey_remove(struct database *database, const char *name)
	__attribute__((warn_unused_result));
// Whose it is, the caller's, and whether it may write; NULL: nobody's.
char *registry_apikey_find(struct database *database, const char *key, bool *writes);
