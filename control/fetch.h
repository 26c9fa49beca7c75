// SPDX-License-Identifier: BSD-3-Clause
// HTTP requests of our own, on the main loop, by libcurl: several at once, none that blocks. TLS is 1.2 or
// newer and the server's certificate is checked.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fetcher;
struct fetch; // one that is on its way

#define FETCH_TEXT_BYTES 256

struct fetch_request {
	const char *url;
	const char *ca;          // file of the authorities, PEM; NULL or "": the system's
	const char *certificate; // our own, PEM, and its key; NULL or "": none
	const char *key;
	const void *body; // POST, copied; NULL: GET
	size_t body_bytes;
	const char *content_type; // of body
	const char *etag;         // If-None-Match; NULL or "": none
	unsigned int
		wait_seconds; // the server may hold its answer so long (RFC 7240, Prefer: wait); 0: no
	// 1 at least; after which it is given up, wait_seconds aside, unless it comes or goes at ALIVE_SLOWEST or faster
	unsigned int most_seconds;
	unsigned int limit_seconds; // whatever has passed; 0: none
	uint64_t most_bytes;        // of the answer
	int file;      // what is written to at its end; -1: the answer is kept in memory
	uint64_t from; // the bytes before are here already (RFC 9110, Range)
};

struct fetch_result {
	int err;          // 0: there is an answer; -EFBIG, -ETIMEDOUT, -ENOSPC, -EIO: see why
	const char *why;  // of libcurl, for people
	long status;      // 200, 206, 304, ...
	const char *etag; // "": none
	// Seconds until the server wants to be asked again (RFC 9110, Retry-After, of either form); 0: it does not say
	int64_t retry_after_s;
	const char *body; // of what is kept in memory; a NUL behind it
	uint64_t bytes;   // of the answer, in memory or in the file
};

typedef void (*fetch_done_fn)(void *ctx, const struct fetch_result *result);

int fetcher_new(struct fetcher **out) __attribute__((warn_unused_result));
// Ends all that are on their way; they are not done.
void fetcher_free(struct fetcher *fetcher);

// done is called once from the main loop, unless it is cancelled before. Returns 0 or -ENOMEM, -EINVAL.
int fetch_start(struct fetcher *fetcher, const struct fetch_request *request, fetch_done_fn done,
	void *ctx, struct fetch **out) __attribute__((warn_unused_result));
void fetch_cancel(struct fetch *fetch);
