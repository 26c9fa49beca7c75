// SPDX-License-Identifier: BSD-3-Clause
// What a vendor says to its gateways: the payload of a signed envelope, read strictly (the contract's
// section 3). Nothing here asks whether it is signed, new or meant for us: see alert_order.h, alerts.h.
#pragma once

#include "control/keys.h"

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ALERT_NAME_BYTES 129
#define ALERT_WHY_BYTES 256 // of a reason to refuse one

enum alert_type {
	ALERT_SEAL,
	ALERT_SCREEN,
	ALERT_UPDATE,
	ALERT_ALL_CLEAR,
	ALERT_REVOKE,
	ALERT_ROOT,
	ALERT_PING,
	ALERT_TYPES
};

enum alert_target { TARGET_ALL, TARGET_GROUP, TARGET_GATEWAY };

struct alert {
	json_t *payload; // all of it
	enum alert_type type;
	enum key_role role;
	enum alert_target target;
	uint64_t epoch;
	uint64_t sequence;
	int64_t issued_s; // since 1970
	int64_t expires_s;
	int64_t came_us; // when all of it was here, by the clock since the machine's start; 0: not known any more
	char vendor[ALERT_NAME_BYTES];
	char target_name[ALERT_NAME_BYTES]; // of the group or the gateway
	char virus_id[ALERT_NAME_BYTES];    // "": none
	const json_t *
		body; // the member that is named as the type: seal, screen, update, revoke, root; or NULL
	char *list; // of a screen alert that was made lighter: its body as text; else NULL
};

const char *alert_type_name(enum alert_type type);
// A type by its name, and the role that signs it. Returns 0 or -EINVAL.
int alert_type_find(const char *name, enum alert_type *type, enum key_role *role)
	__attribute__((warn_unused_result));
// The member that carries what the type needs, or NULL: it needs none.
const char *alert_type_body(enum alert_type type);

// Returns 0; -EINVAL with a text in error; -ENOMEM. The payload is UTF-8 JSON; a member that is there
// twice, that nobody knows, or that is of another kind than it should be is a mistake.
int alert_parse(const char *text, size_t bytes, struct alert *out, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
void alert_clear(struct alert *alert);
// Of a screen alert the entries become text, and the body an empty list: a hundred thousand of them take as long to be
// freed as to be read.
void alert_lighten(struct alert *alert);

// RFC 3339 in UTC or with an offset, to seconds since 1970. Returns 0 or -EINVAL.
int alert_time(const char *text, int64_t *out_s) __attribute__((warn_unused_result));
