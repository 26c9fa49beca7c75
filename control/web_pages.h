// SPDX-License-Identifier: BSD-3-Clause
// What both consoles share: the files of the page, log-in and log-out, who asks, and the headers that keep
// foreign content out (CSP level 3).
//
//   POST, GET, DELETE /api/session     log in, who am I, log out
//   GET /...                           the page's files
#pragma once

#include "control/web_login.h"
#include "control/web_server.h"

#include <stdbool.h>
#include <stddef.h>

// Of the bundle that the build makes (control/web); ends with one whose path is NULL.
struct web_file {
	const char *path; // "/index.html"
	const char *type;
	const char *etag;
	const unsigned char *data;
	size_t bytes;
};

extern const struct web_file web_gateway_files[];
extern const struct web_file web_vendor_files[];

struct web_pages {
	struct web_server *server; // set when it is open
	struct web_login *login;   // NULL: nobody can log in, and there are no pages
	const struct web_file *files;
	bool is_secure;
	char *metrics_key; // "": metrics need none
};

// Reads the token that metrics ask for; path "": they ask for none. Returns 0, or -errno with a text in
// error.
int web_pages_read_key(struct web_pages *pages, const char *path, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
// Whether the request has that token; else it is answered.
bool web_pages_may_measure(
	const struct web_pages *pages, const struct web_request *request, struct web_reply *reply);
// The log-in, the server and the key.
void web_pages_close(struct web_pages *pages);

// Answers what is the same for both. Returns false when it is something else.
bool web_pages_take(
	struct web_pages *pages, const struct web_request *request, struct web_reply *reply);
// Whose request it is; NULL: nobody's, and that is answered.
const struct web_session *web_pages_session(
	struct web_pages *pages, const struct web_request *request, struct web_reply *reply);
// What every answer to a browser carries.
void web_pages_protect(const struct web_pages *pages, struct web_reply *reply);
