// SPDX-License-Identifier: BSD-3-Clause
#include "control/web_server.h"

#include "control/address_list.h"
#include "control/alive.h"
#include "control/clock.h"
#include "control/control_events.h"
#include "control/web_bodies.h"
#include "control/web_connections.h"
#include "control/web_headers.h"

#include <gio/gio.h>
#include <libwebsockets.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEADERS_BYTES 4096
#define CHUNK_BYTES 16384
#define STREAM_BYTES 1048576u // that wait for one reader
#define BODIES 4              // of the longest kind, that are here in part or whole
#define BODY_FREE 16384u      // of each that does not count: a log-in or a command has always room
#define END_SECONDS 1         // for a stream to end by itself
#define BEARER "Bearer "
#define FULL "too much is being sent; send it again later"

struct exchange {
	GByteArray *body;
	GByteArray *waiting; // of a stream: what it has not read
	const char *method;
	struct web_reply reply;
	size_t sent;
	uint64_t token;
	bool is_answered;
	bool has_body_ended;
	bool has_headers;
	bool has_ended; // its stream did not read, or whose it is has gone
	char path[WEB_TEXT_BYTES];
	char query[WEB_TEXT_BYTES];
	char bearer[128];
	char cookie[WEB_TEXT_BYTES];
	char csrf[128];
	char prefer[64];
	char etag[128];
	char accept[128];
	char reply_etag[128];
	char peer[64];
	char origin[300];
	char host[300];
	char site[32];
	int64_t began_us;
	int64_t until_us; // its next piece has to be here
};

struct web_server {
	web_fn answer;
	void *ctx;
	struct lws_context *lws;
	GMainLoop *loop;     // of its context, which lws wants named
	GHashTable *waiting; // token: wsi
	GHashTable *streams; // wsi
	struct address_rate *rate;
	struct web_connections *connections;
	int64_t request_us; // that a request may stand still
	size_t body_bytes;
	struct web_bodies *bodies; // of the exchanges, by wsi
	uint64_t tokens;
	struct web_server_counts counts;
};

// ---- answers ------------------------------------------------------------------------------------

static void finish(struct lws *wsi, struct exchange *exchange)
{
	struct web_reply *reply = &exchange->reply;

	exchange->is_answered = true;
	if (reply->body != NULL && reply->bytes == 0)
		reply->bytes = strlen(reply->body);
	if (reply->etag != NULL) {
		(void)snprintf(
			exchange->reply_etag, sizeof(exchange->reply_etag), "%s", reply->etag);
		reply->etag = exchange->reply_etag;
	}
	(void)lws_callback_on_writable(wsi);
}

static void refuse(
	struct lws *wsi, struct exchange *exchange, unsigned int status, const char *text)
{
	web_reply_error(&exchange->reply, status, text);
	finish(wsi, exchange);
}

static int add_header(
	struct lws *wsi, const char *name, const char *value, uint8_t **p, uint8_t *end)
{
	if (value == NULL)
		return 0;
	return lws_add_http_header_by_name(
		wsi, (const uint8_t *)name, (const uint8_t *)value, (int)strlen(value), p, end);
}

// In seconds: requests are counted by the minute, what lacks otherwise may be there soon.
static const char *retry_after(unsigned int status)
{
	return status == 429 ? "60" : status == 503 ? "1" : NULL;
}

static int write_headers(struct lws *wsi, const struct exchange *exchange)
{
	const struct web_reply *reply = &exchange->reply;
	uint8_t buffer[LWS_PRE + HEADERS_BYTES];
	uint8_t *start = buffer + LWS_PRE;
	uint8_t *p = start;
	uint8_t *end = buffer + sizeof(buffer) - 1;
	const char *cache = web_reply_has(reply, "cache-control:") ? NULL : "no-store";

	if (lws_add_http_common_headers(wsi, reply->status,
		    reply->type != NULL ? reply->type : "application/json",
		    reply->is_stream ? LWS_ILLEGAL_HTTP_CONTENT_LEN : reply->bytes, &p, end) != 0 ||
		add_header(wsi, "etag:", reply->etag, &p, end) != 0 ||
		add_header(wsi, "allow:", reply->allow, &p, end) != 0 ||
		add_header(wsi, "cache-control:", cache, &p, end) != 0 ||
		add_header(wsi, "x-content-type-options:", "nosniff", &p, end) != 0 ||
		add_header(wsi, "www-authenticate:", reply->status == 401 ? "Bearer" : NULL, &p,
			end) != 0 ||
		add_header(wsi, "retry-after:", retry_after(reply->status), &p, end) != 0)
		return -1;
	for (size_t i = 0; i < reply->headers_count; i++) {
		if (add_header(wsi, reply->headers[i].name, reply->headers[i].value, &p, end) != 0)
			return -1;
	}
	return lws_finalize_write_http_header(wsi, start, &p, end);
}

static int write_stream(struct lws *wsi, struct exchange *exchange)
{
	size_t chunk = MIN(exchange->waiting->len, (guint)CHUNK_BYTES);
	uint8_t buffer[LWS_PRE + CHUNK_BYTES];

	if (exchange->has_ended)
		return -1;
	if (chunk == 0)
		return 0;
	memcpy(buffer + LWS_PRE, exchange->waiting->data, chunk);
	if (lws_write(wsi, buffer + LWS_PRE, chunk, LWS_WRITE_HTTP) != (int)chunk)
		return -1;
	(void)g_byte_array_remove_range(exchange->waiting, 0, (guint)chunk);
	if (exchange->waiting->len > 0)
		(void)lws_callback_on_writable(wsi);
	return 0;
}

// As much as goes; again when there is room. Returns what lws wants: 0, or -1 to close.
static int write_answer(struct lws *wsi, struct exchange *exchange)
{
	size_t left = exchange->reply.bytes - exchange->sent;
	size_t chunk = MIN(left, (size_t)CHUNK_BYTES);
	uint8_t buffer[LWS_PRE + CHUNK_BYTES];
	bool is_last = chunk == left;

	if (!exchange->is_answered)
		return 0;
	if (!exchange->has_headers) {
		exchange->has_headers = true;
		if (write_headers(wsi, exchange) != 0)
			return -1;
		// Who has the headers of an answer without a body has all of it, and may ask on at once.
		if (strcmp(exchange->method, "HEAD") == 0 ||
			(left == 0 && !exchange->reply.is_stream))
			return lws_http_transaction_completed(wsi) != 0 ? -1 : 0;
		(void)lws_callback_on_writable(wsi);
		return 0;
	}
	if (exchange->reply.is_stream)
		return write_stream(wsi, exchange);
	if (chunk > 0)
		memcpy(buffer + LWS_PRE, exchange->reply.body + exchange->sent, chunk);
	if (lws_write(wsi, buffer + LWS_PRE, chunk,
		    is_last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) != (int)chunk)
		return -1;
	exchange->sent += chunk;
	if (!is_last) {
		(void)lws_callback_on_writable(wsi);
		return 0;
	}
	return lws_http_transaction_completed(wsi) != 0 ? -1 : 0;
}

// ---- requests -----------------------------------------------------------------------------------

static void clear_exchange(struct web_server *server, struct lws *wsi, struct exchange *exchange)
{
	if (exchange->token != 0)
		(void)g_hash_table_remove(server->waiting, &exchange->token);
	(void)g_hash_table_remove(server->streams, wsi);
	if (exchange->body != NULL)
		g_byte_array_unref(exchange->body);
	web_bodies_remove(server->bodies, wsi);
	if (exchange->waiting != NULL)
		g_byte_array_unref(exchange->waiting);
	web_reply_fini(&exchange->reply);
	memset(exchange, 0, sizeof(*exchange));
}

static void read_headers(struct lws *wsi, struct exchange *exchange, const char *path)
{
	char authorization[sizeof(exchange->bearer)] = "";
	char peer[sizeof(exchange->peer)] = "";

	(void)lws_get_peer_simple(wsi, peer, sizeof(peer));
	(void)snprintf(exchange->peer, sizeof(exchange->peer), "%s", address_unmapped(peer));
	(void)snprintf(exchange->path, sizeof(exchange->path), "%s", path);
	exchange->method = web_headers_method(wsi);
	web_headers_query(wsi, exchange->query, sizeof(exchange->query));
	web_headers_copy(wsi, WSI_TOKEN_HTTP_IF_NONE_MATCH, exchange->etag, sizeof(exchange->etag));
	web_headers_copy(
		wsi, WSI_TOKEN_HTTP_ACCEPT_ENCODING, exchange->accept, sizeof(exchange->accept));
	web_headers_copy(wsi, WSI_TOKEN_HTTP_COOKIE, exchange->cookie, sizeof(exchange->cookie));
	web_headers_copy(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, authorization, sizeof(authorization));
	web_headers_copy_named(wsi, "x-csrf-token:", exchange->csrf, sizeof(exchange->csrf));
	web_headers_copy(wsi, WSI_TOKEN_ORIGIN, exchange->origin, sizeof(exchange->origin));
	web_headers_copy(wsi, WSI_TOKEN_HOST, exchange->host, sizeof(exchange->host));
	web_headers_copy_named(wsi, "sec-fetch-site:", exchange->site, sizeof(exchange->site));
	web_headers_copy_named(wsi, "prefer:", exchange->prefer, sizeof(exchange->prefer));
	if (strncasecmp(authorization, BEARER, strlen(BEARER)) == 0)
		(void)snprintf(exchange->bearer, sizeof(exchange->bearer), "%s",
			authorization + strlen(BEARER));
}

static void open_stream(struct web_server *server, struct lws *wsi, struct exchange *exchange)
{
	exchange->waiting = g_byte_array_new();
	exchange->reply.type = "text/event-stream";
	(void)g_hash_table_add(server->streams, wsi);
	lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
}

static void answer(struct web_server *server, struct lws *wsi, struct exchange *exchange)
{
	struct web_request request = {.method = exchange->method,
		.path = exchange->path,
		.query = exchange->query,
		.bearer = exchange->bearer,
		.cookie = exchange->cookie,
		.csrf = exchange->csrf,
		.etag = exchange->etag,
		.accept = exchange->accept,
		.prefer = exchange->prefer,
		.origin = exchange->origin,
		.host = exchange->host,
		.site = exchange->site,
		.bytes = exchange->body->len,
		.peer = exchange->peer,
		.began_us = exchange->began_us};

	if (exchange->is_answered || exchange->token != 0)
		return;
	(void)g_byte_array_append(exchange->body, (const guint8 *)"", 1);
	request.body = (const char *)exchange->body->data;
	exchange->token = ++server->tokens;
	request.token = exchange->token;
	(void)g_hash_table_insert(server->waiting, &exchange->token, wsi);
	server->answer(server->ctx, &request, &exchange->reply);
	if (exchange->is_answered)
		return; // web_server_answer was called already
	if (exchange->reply.is_later) {
		lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
		return;
	}
	if (exchange->reply.is_stream)
		open_stream(server, wsi, exchange);
	finish(wsi, exchange);
}

bool web_server_answer(struct web_server *server, uint64_t token, struct web_reply *reply)
{
	struct lws *wsi = g_hash_table_lookup(server->waiting, &token);
	struct exchange *exchange = wsi != NULL ? lws_wsi_user(wsi) : NULL;

	if (exchange == NULL || exchange->is_answered) {
		web_reply_fini(reply);
		return false;
	}
	exchange->reply = *reply;
	memset(reply, 0, sizeof(*reply));
	finish(wsi, exchange);
	return true;
}

static void begin(
	struct web_server *server, struct lws *wsi, struct exchange *exchange, const char *path)
{
	char length[24] = "";
	bool has_body;

	clear_exchange(server, wsi, exchange);
	server->counts.requests++;
	exchange->body = g_byte_array_new();
	exchange->began_us = g_get_monotonic_time();
	exchange->until_us = exchange->began_us + server->request_us;
	read_headers(wsi, exchange, path);
	has_body = strcmp(exchange->method, "POST") == 0 || strcmp(exchange->method, "PUT") == 0;
	web_headers_copy(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, length, sizeof(length));
	if (!address_rate_take(server->rate, exchange->peer, control_steady_ns())) {
		server->counts.limited++;
		refuse(wsi, exchange, 429, "too many from this address");
	} else if (strlen(path) >= WEB_TEXT_BYTES) {
		refuse(wsi, exchange, 414, "too long a path");
	} else if (has_body && length[0] == '\0') {
		refuse(wsi, exchange, 411, "the length of the body is needed");
	} else if (strtoull(length, NULL, 10) > server->body_bytes) {
		refuse(wsi, exchange, 413, "too long a body");
	} else if (!has_body || strtoull(length, NULL, 10) == 0) {
		answer(server, wsi, exchange);
	}
}

// lws waits anew after each piece. Here a piece gives as much time as it is worth, however long the body.
static bool is_slow(const struct web_server *server, struct exchange *exchange, size_t bytes)
{
	int64_t now_us = g_get_monotonic_time();
	bool is_late = now_us > exchange->until_us;

	exchange->until_us += (int64_t)bytes * G_USEC_PER_SEC / ALIVE_SLOWEST;
	exchange->until_us = MIN(exchange->until_us, now_us + server->request_us);
	return is_late;
}

// It has to give way.
static void let_go(struct web_server *server, struct lws *wsi)
{
	struct exchange *exchange = lws_wsi_user(wsi);

	web_bodies_remove(server->bodies, wsi);
	g_byte_array_unref(exchange->body);
	exchange->body = g_byte_array_new();
	refuse(wsi, exchange, 503, FULL);
}

// Bodies of many that never become whole must not fill the memory, nor keep others out.
static bool make_room(
	struct web_server *server, struct lws *wsi, const struct exchange *exchange, size_t bytes)
{
	size_t before = MAX(exchange->body->len, BODY_FREE);
	size_t counted = MAX(exchange->body->len + bytes, BODY_FREE) - before;
	void *rival = NULL;

	while (counted > 0 &&
		!web_bodies_add(server->bodies, wsi, exchange->peer, counted, &rival)) {
		if (rival == NULL)
			return false;
		let_go(server, rival);
	}
	return true;
}

static void add_body(struct web_server *server, struct lws *wsi, struct exchange *exchange,
	const void *data, size_t bytes)
{
	if (exchange->is_answered)
		return;
	if (exchange->body->len + bytes > server->body_bytes)
		refuse(wsi, exchange, 413, "too long a body");
	else if (!make_room(server, wsi, exchange, bytes))
		refuse(wsi, exchange, 503, FULL);
	else
		(void)g_byte_array_append(exchange->body, data, (guint)bytes);
}

static void end_body(struct web_server *server, struct lws *wsi, struct exchange *exchange)
{
	exchange->has_body_ended = true;
	web_bodies_keep(server->bodies, wsi);
	answer(server, wsi, exchange);
}

static int filter_peer(struct web_server *server, int fd)
{
	if (web_connections_may_come(server->connections, fd))
		return 0;
	server->counts.unwanted++;
	return -1;
}

static void count_connection(struct web_server *server, struct lws *wsi)
{
	char address[ADDRESS_BYTES] = "";

	(void)lws_get_peer_simple(wsi, address, sizeof(address));
	web_connections_add(server->connections, wsi, address);
}

static int serve(
	struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t bytes)
{
	struct web_server *server = lws_context_user(lws_get_context(wsi));
	struct exchange *exchange = user;

	// lws takes any certificate unless this says no; bytes is what OpenSSL found.
	if (reason == LWS_CALLBACK_OPENSSL_PERFORM_CLIENT_CERT_VERIFICATION)
		return bytes == 1 ? 0 : 1;
	if (reason == LWS_CALLBACK_FILTER_NETWORK_CONNECTION)
		return filter_peer(server, (int)(intptr_t)in);
	if (reason == LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED)
		count_connection(server, wsi);
	if (reason == LWS_CALLBACK_WSI_DESTROY && server != NULL)
		web_connections_remove(server->connections, wsi);
	if (reason == LWS_CALLBACK_HTTP)
		begin(server, wsi, exchange, in);
	else if (reason == LWS_CALLBACK_HTTP_BODY && !is_slow(server, exchange, bytes))
		add_body(server, wsi, exchange, in, bytes);
	else if (reason == LWS_CALLBACK_HTTP_BODY ||
		 (reason == LWS_CALLBACK_HTTP_BODY_COMPLETION && exchange->has_body_ended))
		return -1; // too slow; or more than its length, which lws would not stop saying
	else if (reason == LWS_CALLBACK_HTTP_BODY_COMPLETION)
		end_body(server, wsi, exchange);
	else if (reason == LWS_CALLBACK_HTTP_WRITEABLE)
		return write_answer(wsi, exchange);
	else if ((reason == LWS_CALLBACK_CLOSED_HTTP ||
			 reason == LWS_CALLBACK_HTTP_DROP_PROTOCOL) &&
		 exchange != NULL)
		// lws lets go of the exchange after each request, not only with the connection.
		clear_exchange(server, wsi, exchange);
	else
		return lws_callback_http_dummy(wsi, reason, user, in, bytes);
	return 0;
}

// ---- streams of events --------------------------------------------------------------------------

void web_server_push(struct web_server *server, const char *name, const char *data)
{
	GString *text = g_string_new(NULL);
	char **lines = g_strsplit(data, "\n", -1);
	GHashTableIter iter;
	gpointer wsi;

	g_string_append_printf(text, "event: %s\n", name);
	for (size_t i = 0; lines[i] != NULL; i++)
		g_string_append_printf(text, "data: %s\n", lines[i]);
	(void)g_string_append_c(text, '\n');
	g_hash_table_iter_init(&iter, server->streams);
	while (g_hash_table_iter_next(&iter, &wsi, NULL)) {
		struct exchange *exchange = lws_wsi_user(wsi);

		if (exchange->waiting->len + text->len > STREAM_BYTES)
			exchange->has_ended = true;
		else if (!exchange->has_ended)
			(void)g_byte_array_append(
				exchange->waiting, (const guint8 *)text->str, (guint)text->len);
		(void)lws_callback_on_writable(wsi);
	}
	g_strfreev(lines);
	(void)g_string_free(text, TRUE);
}

void web_server_end_streams(
	struct web_server *server, bool (*may_go_on)(void *ctx, const char *cookie), void *ctx)
{
	GHashTableIter iter;
	gpointer wsi;

	g_hash_table_iter_init(&iter, server->streams);
	while (g_hash_table_iter_next(&iter, &wsi, NULL)) {
		struct exchange *exchange = lws_wsi_user(wsi);

		if (exchange->has_ended || may_go_on(ctx, exchange->cookie))
			continue;
		exchange->has_ended = true;
		(void)g_byte_array_set_size(exchange->waiting, 0);
		(void)lws_callback_on_writable(wsi);
		// Also of one who does not read.
		lws_set_timeout(wsi, PENDING_TIMEOUT_KILLED_BY_PARENT, END_SECONDS);
	}
}

size_t web_server_streams(const struct web_server *server)
{
	return g_hash_table_size(server->streams);
}

void web_server_get_counts(const struct web_server *server, struct web_server_counts *out)
{
	*out = server->counts;
}

// ---- start and stop -----------------------------------------------------------------------------

void web_server_close(struct web_server *server)
{
	if (server == NULL)
		return;
	if (server->lws != NULL)
		lws_context_destroy(server->lws);
	g_main_loop_unref(server->loop);
	g_hash_table_unref(server->waiting);
	g_hash_table_unref(server->streams);
	address_rate_free(server->rate);
	web_bodies_free(server->bodies);
	web_connections_free(server->connections);
	free(server);
}

static int start_lws(struct web_server *server, const struct web_server_options *options,
	char *error, size_t error_bytes)
{
	static const struct lws_protocols protocols[] = {
		{"http", serve, sizeof(struct exchange), 0, 0, NULL, 0},
		{NULL, NULL, 0, 0, 0, NULL, 0}};
	struct lws_context_creation_info info = {
		.protocols = protocols,
		.user = server,
		.gid = -1,
		.uid = -1,
		.keepalive_timeout = (int)options->idle_seconds,
		.timeout_secs = options->idle_seconds,
		.options = LWS_SERVER_OPTION_GLIB | LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS |
			   LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND,
	};
	void *loops[] = {server->loop};
	char address[ADDRESS_BYTES];

	if (address_split(options->listen, address, &info.port) != 0) {
		(void)snprintf(error, error_bytes, "%s.listen: \"%s\" is not address:port",
			options->section, options->listen);
		return -EINVAL;
	}
	info.iface = address;
	info.foreign_loops = loops;
	info.alpn =
		"http/1.1"; // over HTTP/2 this library does not show headers that it has no name for
	if (options->certificate[0] != '\0') {
		info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
		info.ssl_cert_filepath = options->certificate;
		info.ssl_private_key_filepath = options->key;
		info.ssl_options_set = SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_TLSv1_2;
	}
	if (options->clients[0] != '\0') {
		info.ssl_ca_filepath = options->clients;
		info.options |= LWS_SERVER_OPTION_REQUIRE_VALID_OPENSSL_CLIENT_CERT;
	}
	lws_set_log_level(LLL_ERR, NULL);
	server->lws = lws_create_context(&info);
	if (server->lws != NULL)
		return 0;
	(void)snprintf(error, error_bytes, "%s: %s cannot be served; see what is said above",
		options->section, options->listen);
	return -EADDRNOTAVAIL;
}

int web_server_open(const struct web_server_options *options, web_fn answer_fn, void *ctx,
	struct web_server **out, char *error, size_t error_bytes)
{
	struct web_server *server = calloc(1, sizeof(*server));
	int err;

	if (server == NULL)
		return -ENOMEM;
	server->answer = answer_fn;
	server->ctx = ctx;
	server->body_bytes = options->body_bytes;
	server->request_us = (int64_t)options->idle_seconds * G_USEC_PER_SEC;
	server->loop = g_main_loop_new(options->context, FALSE);
	server->waiting = g_hash_table_new(g_int64_hash, g_int64_equal);
	server->streams = g_hash_table_new(NULL, NULL);
	server->bodies = web_bodies_new(BODIES * options->body_bytes);
	err = web_connections_new(options, &server->connections, error, error_bytes);
	if (err == 0)
		err = address_rate_new(options->per_minute, &server->rate);
	if (err == 0)
		err = start_lws(server, options, error, error_bytes);
	if (err != 0)
		web_server_close(server);
	else
		*out = server;
	return err;
}
