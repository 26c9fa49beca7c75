// SPDX-License-Identifier: BSD-3-Clause
// The file of users, whose form web_login.h has.
#pragma once

#include "control/web_login.h"

#include <glib.h>

#include <sys/stat.h>

struct web_user {
	char name[WEB_USER_BYTES];
	enum web_role role;
	char secret[256]; // "N:r:p:salt:key"
};

const char *web_role_name(enum web_role role);
// Returns 0 or -EINVAL.
int web_role_find(const char *text, enum web_role *out) __attribute__((warn_unused_result));
// The users by name. Returns 0, -EINVAL with "file:line: what" in error, or -errno.
int web_users_read(const char *path, GHashTable **out, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
// Whether the password is the secret's; it takes tens of milliseconds, whatever the answer.
bool web_users_check(const char *secret, const char *password);
// A secret that no password has, and that takes as long.
#define WEB_USERS_NOBODY "32768:8:3:AAAAAAAAAAAAAAAAAAAAAA==:"
