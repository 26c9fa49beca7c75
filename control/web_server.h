// SPDX-License-Identifier: BSD-3-Clause
// An HTTP server (libwebsockets, in GLib's default main context): takes whole requests, asks one function,
// writes what it says, at once or later. It knows nothing of what is asked. HTTP/1.1 over TLS 1.3 (RFC
// 8446), or plain; streams of events as the WHATWG's HTML standard, section 9.2, has them.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEB_HEADERS_MOST 12 // added to one answer
#define WEB_TEXT_BYTES 512

struct web_request {
	const char *method; // "GET", "HEAD", "POST", "PUT", "DELETE"
	const char *path;   // without the query
	const char *query;  // "" or "a=b&c=d", decoded
	const char *bearer; // of Authorization; "": none
	const char *cookie; // "": none
	const char *csrf;   // of X-CSRF-Token; "": none
	const char *etag;   // of If-None-Match; "": none
	const char *accept; // of Accept-Encoding; "": none
	const char *prefer; // of Prefer (RFC 7240); "": none
	const char *origin; // of Origin (RFC 6454); "": none
	const char *host;   // of Host
	const char *site;   // of Sec-Fetch-Site; "": none
	const char *body;   // a NUL behind it
	size_t bytes;
	const char *peer; // its address
	uint64_t token;   // for web_server_answer
	int64_t began_us; // when its headers were here (CLOCK_MONOTONIC)
};

// Zeroed is an answer of no status, which is a mistake.
struct web_reply {
	unsigned int status;
	bool is_later;     // web_server_answer will be called; nothing else counts
	bool is_stream;    // of events: stays open, web_server_push feeds it
	const char *type;  // of the body, a constant; NULL: application/json
	const char *etag;  // NULL: none; copied
	const char *allow; // of 405: the methods; a constant
	char *body;        // from malloc, freed by the server; NULL: none
	size_t bytes;      // of the body; 0: it ends at its NUL
	struct {
		const char *name; // "set-cookie:", a constant
		char *value;      // from malloc
	} headers[WEB_HEADERS_MOST];
	size_t headers_count;
};

struct web_server_options {
	const char *section;     // of the configuration, for what is said about it
	const char *listen;      // address:port
	const char *certificate; // PEM; "": plain HTTP
	const char *key;
	const char *clients;      // CA of their certificates; "": none are asked for
	const char (*allow)[256]; // networks
	size_t allow_count;       // 0: anybody
	unsigned int per_minute;  // requests of one address
	size_t body_bytes;        // at most
	unsigned int
		idle_seconds;    // of a connection; that a request may stand still (ALIVE_SLOWEST)
	size_t connections;      // at a time; 0: any number
	size_t connections_each; // of one address; 0: any number
	struct _GMainContext *context; // NULL: the default one
};

struct web_server_counts {
	uint64_t requests;
	uint64_t limited;  // too many from one address
	uint64_t unwanted; // connections of addresses that may not ask, or that have too many
};

typedef void (*web_fn)(void *ctx, const struct web_request *request, struct web_reply *reply);

struct web_server;

// Returns 0, or -errno with a text in error. What options point at need not outlive the call.
int web_server_open(const struct web_server_options *options, web_fn answer, void *ctx,
	struct web_server **out, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
void web_server_close(struct web_server *server);
// Answers a request that was left for later, and takes what reply holds. Returns false when nobody waits
// for it any more.
bool web_server_answer(struct web_server *server, uint64_t token, struct web_reply *reply);
// Sends one event to every open stream; one that does not read is closed. name: one line. data: text,
// which may have several.
void web_server_push(struct web_server *server, const char *name, const char *data);
// Closes every open stream whose request had a cookie that may not go on.
void web_server_end_streams(
	struct web_server *server, bool (*may_go_on)(void *ctx, const char *cookie), void *ctx);
size_t web_server_streams(const struct web_server *server);
void web_server_get_counts(const struct web_server *server, struct web_server_counts *out);

// Adds a header; the value is of printf's format.
void web_reply_header(struct web_reply *reply, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
bool web_reply_has(const struct web_reply *reply, const char *name);
// {"error": text} with this status.
void web_reply_error(struct web_reply *reply, unsigned int status, const char *text);
// Frees what it holds.
void web_reply_fini(struct web_reply *reply);
