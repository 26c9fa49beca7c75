// SPDX-License-Identifier: BSD-3-Clause
// The vendor's HTTP server: takes whole requests, asks one function, writes what it says. It knows nothing
// of alerts; pages of a console are further paths for the same function.
#pragma once

#include "control/vendor_options.h"

#include <jansson.h>

#include <stddef.h>

struct web_request {
	const char *method; // "GET", "POST", "PUT", "DELETE"
	const char *path;   // without the query
	const char *query;  // "" or "a=b&c=d", decoded
	const char *bearer; // of Authorization; "": none
	const char *etag;   // of If-None-Match; "": none
	const char *body;   // a NUL behind it
	size_t bytes;
	const char *peer; // its address
};

struct web_reply {
	unsigned int status;
	const char *type;  // of the body; NULL: application/json
	const char *etag;  // NULL: none; it lasts until the next request
	const char *allow; // of 405: the methods; a constant
	char *body;        // from malloc, freed by the server; NULL: none
};

typedef void (*web_fn)(void *ctx, const struct web_request *request, struct web_reply *reply);

struct vendor_web;

// *out stays NULL when the configuration names no address. Returns 0, or -errno with a text in error.
int vendor_web_open(const struct vendor_options *options, web_fn answer_fn, void *ctx,
	struct vendor_web **out, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
void vendor_web_close(struct vendor_web *web);
