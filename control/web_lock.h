// SPDX-License-Identifier: BSD-3-Clause
// Failures of passwords, counted for a name and the place that it was tried from, so that who knows a name cannot
// keep its owner out. After some in a row the name is locked for this place, longer each time; other places go on.
//
// A place is an address (as address_place has it), or a browser that has been logged in by
// this name before, which a signed cookie tells: it goes on behind a proxy too, where all have one address.
#pragma once

#include "control/address_list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEB_PLACE_BYTES ADDRESS_BYTES
#define WEB_KNOWN_BYTES 192 // of the value of a browser's cookie

struct web_lock;

struct web_lock *web_lock_new(void);
void web_lock_free(struct web_lock *lock);

// secret: of the user, "" where there is none of this name; another one begins anew.
bool web_lock_is_locked(const struct web_lock *lock, const char *name, const char *secret,
	const char *place, int64_t now_ns);
// One more failure. Returns whether the name is locked for this place by it.
bool web_lock_count(struct web_lock *lock, const char *name, const char *secret, const char *place,
	int64_t now_ns);
void web_lock_clear(struct web_lock *lock, const char *name, const char *secret, const char *place);

// The place of a browser whose cookie has this value; false: it is not one of this user, or was not made here.
bool web_lock_known_place(
	const char *value, const char *name, const char *secret, char out[WEB_PLACE_BYTES]);
// A new value of that cookie. Returns 0, or -EIO where there is no randomness.
int web_lock_make_known(const char *name, const char *secret, char out[WEB_KNOWN_BYTES])
	__attribute__((warn_unused_result));
