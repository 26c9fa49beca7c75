// SPDX-License-Identifier: BSD-3-Clause
// Who is at a page: users with a password (scrypt, RFC 7914), sessions by cookie (RFC 6265), a token
// against cross-site requests, and a lock after failures (web_lock.h). Users are lines of a file:
//
//   name:role:scrypt:N:r:p:salt:key      role: viewer or operator; salt and key in base64
//
// The file is read again when it has changed; a user who is not in it any more, or whose line is another,
// has no session. Sessions live in memory and end with the process.
#pragma once

#include "control/web_server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEB_USER_BYTES 64

enum web_role {
	WEB_VIEWER,   // may look
	WEB_OPERATOR, // may act
};

struct web_session {
	char user[WEB_USER_BYTES];
	enum web_role role;
	char csrf[48];
};

struct web_login_options {
	const char *users;     // the file
	bool is_secure;        // pages come over TLS: so does the cookie
	uint32_t idle_seconds; // a session that is not used ends
	uint32_t most_seconds; // and any other
	// "login", "logout", "login refused", "locked out"; may be NULL.
	void (*audit)(void *ctx, const char *user, const char *peer, const char *what);
	void *ctx;
};

struct web_login;

// Copies what options point at, but ctx. Returns 0, or -errno with a text in error.
int web_login_open(const struct web_login_options *options, struct web_login **out, char *error,
	size_t error_bytes) __attribute__((warn_unused_result));
// Before the server that it answers through is closed.
void web_login_close(struct web_login *login);
// {"user": ..., "password": ...} in a POST: the answer comes later, by server, and has the cookie and
// {"user", "role", "csrf"}; or 401, 403 of another site's page, 423 when the name is locked there, 429. A session
// that the browser had ends.
void web_login_take(struct web_login *login, struct web_server *server,
	const struct web_request *request, struct web_reply *reply);
// Ends the session of the request.
void web_login_end(
	struct web_login *login, const struct web_request *request, struct web_reply *reply);
// Whose request it is; NULL: nobody's, or a change (not GET or HEAD) without the session's token or from another
// site's page. Counts as use, but for what says of itself that nobody may be there: "Prefer: unattended", or a query
// of this one word. Lasts until the next call.
const struct web_session *web_login_find(
	struct web_login *login, const struct web_request *request, int64_t now_ns);
// For web_server_end_streams; ctx: the struct web_login. To look does not count as use.
bool web_login_is_open(void *ctx, const char *cookie);
// {"user", "role", "csrf"}.
void web_login_show(const struct web_session *session, struct web_reply *reply);

// Writes the user's line into the file, in place of the one that is there. Returns 0, -EINVAL with a text
// in error, or -errno.
int web_login_set_user(const char *path, const char *name, enum web_role role, const char *password,
	char *error, size_t error_bytes) __attribute__((warn_unused_result));
// Returns 0, -ENOENT, or -errno.
int web_login_remove_user(const char *path, const char *name) __attribute__((warn_unused_result));
