// SPDX-License-Identifier: BSD-3-Clause
#include "control/vendor_web.h"

#include "control/address_list.h"
#include "control/control_events.h"
#include "control/envelope.h"

#include <gio/gio.h>
#include <libwebsockets.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEADERS_BYTES 1024
#define CHUNK_BYTES 16384
#define IDLE_SECONDS 60
#define BODY_BYTES 50331648u // twice ENVELOPE_MAX_BYTES: an order is longer than what is made of it
#define PATH_BYTES 512
#define BEARER "Bearer "

struct exchange {
	GByteArray *body;
	const char *method;
	struct web_reply reply;
	size_t sent;
	bool is_answered;
	bool has_headers;
	char path[PATH_BYTES];
	char query[PATH_BYTES];
	char bearer[128];
	char etag[128];
	char reply_etag[128];
	char peer[64];
};

struct vendor_web {
	web_fn answer;
	void *ctx;
	struct lws_context *lws;
	GMainLoop *loop; // the default context's, which lws wants named
	struct address_list *allowed;
	struct address_rate *rate;
};

// ---- answers ------------------------------------------------------------------------------------

static void finish(struct lws *wsi, struct exchange *exchange)
{
	exchange->is_answered = true;
	if (exchange->reply.etag != NULL) {
		(void)snprintf(exchange->reply_etag, sizeof(exchange->reply_etag), "%s",
			exchange->reply.etag);
		exchange->reply.etag = exchange->reply_etag;
	}
	(void)lws_callback_on_writable(wsi);
}

static void refuse(
	struct lws *wsi, struct exchange *exchange, unsigned int status, const char *text)
{
	json_t *error = json_pack("{s:s}", "error", text);

	exchange->reply.status = status;
	exchange->reply.body = json_dumps(error, JSON_COMPACT);
	json_decref(error);
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

static int write_headers(struct lws *wsi, const struct exchange *exchange, size_t bytes)
{
	const struct web_reply *reply = &exchange->reply;
	uint8_t buffer[LWS_PRE + HEADERS_BYTES];
	uint8_t *start = buffer + LWS_PRE;
	uint8_t *p = start;
	uint8_t *end = buffer + sizeof(buffer) - 1;

	if (lws_add_http_common_headers(wsi, reply->status,
		    reply->type != NULL ? reply->type : "application/json", bytes, &p, end) != 0 ||
		add_header(wsi, "etag:", reply->etag, &p, end) != 0 ||
		add_header(wsi, "allow:", reply->allow, &p, end) != 0 ||
		add_header(wsi, "cache-control:", "no-store", &p, end) != 0 ||
		add_header(wsi, "x-content-type-options:", "nosniff", &p, end) != 0 ||
		add_header(wsi, "www-authenticate:", reply->status == 401 ? "Bearer" : NULL, &p,
			end) != 0 ||
		add_header(wsi, "retry-after:", reply->status == 429 ? "60" : NULL, &p, end) != 0)
		return -1;
	return lws_finalize_write_http_header(wsi, start, &p, end);
}

// As much as goes; again when there is room. Returns what lws wants: 0, or -1 to close.
static int write_answer(struct lws *wsi, struct exchange *exchange)
{
	const char *text = exchange->reply.body != NULL ? exchange->reply.body : "";
	size_t left = strlen(text) - exchange->sent;
	size_t chunk = MIN(left, (size_t)CHUNK_BYTES);
	uint8_t buffer[LWS_PRE + CHUNK_BYTES];
	bool is_last = chunk == left;

	if (!exchange->is_answered)
		return 0;
	if (!exchange->has_headers) {
		exchange->has_headers = true;
		if (write_headers(wsi, exchange, left) != 0)
			return -1;
		(void)lws_callback_on_writable(wsi);
		return 0;
	}
	// Without a body too: over HTTP/2 it is the last frame that ends the answer.
	memcpy(buffer + LWS_PRE, text + exchange->sent, chunk);
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

static void clear_exchange(struct exchange *exchange)
{
	if (exchange->body != NULL)
		g_byte_array_unref(exchange->body);
	free(exchange->reply.body);
	memset(exchange, 0, sizeof(*exchange));
}

static const char *find_method(struct lws *wsi)
{
	static const struct {
		enum lws_token_indexes token;
		const char *name;
	} methods[] = {{WSI_TOKEN_GET_URI, "GET"}, {WSI_TOKEN_POST_URI, "POST"},
		{WSI_TOKEN_PUT_URI, "PUT"}, {WSI_TOKEN_DELETE_URI, "DELETE"},
		{WSI_TOKEN_HEAD_URI, "HEAD"}};

	for (size_t i = 0; i < G_N_ELEMENTS(methods); i++) {
		if (lws_hdr_total_length(wsi, methods[i].token) > 0)
			return methods[i].name;
	}
	return "?";
}

static void read_headers(struct lws *wsi, struct exchange *exchange, const char *path)
{
	char authorization[sizeof(exchange->bearer)] = "";
	size_t at = 0;

	(void)lws_get_peer_simple(wsi, exchange->peer, sizeof(exchange->peer));
	(void)snprintf(exchange->path, sizeof(exchange->path), "%s", path);
	exchange->method = find_method(wsi);
	// lws keeps the parts of a query apart.
	for (int i = 0; at < sizeof(exchange->query) - 2; i++) {
		int n = lws_hdr_copy_fragment(wsi, exchange->query + at + (at > 0 ? 1 : 0),
			(int)(sizeof(exchange->query) - at - 2), WSI_TOKEN_HTTP_URI_ARGS, i);

		if (n <= 0)
			break;
		if (at > 0)
			exchange->query[at++] = '&';
		at += (size_t)n;
	}
	exchange->query[at] = '\0';
	(void)lws_hdr_copy(
		wsi, exchange->etag, sizeof(exchange->etag), WSI_TOKEN_HTTP_IF_NONE_MATCH);
	(void)lws_hdr_copy(wsi, authorization, sizeof(authorization), WSI_TOKEN_HTTP_AUTHORIZATION);
	if (strncasecmp(authorization, BEARER, strlen(BEARER)) == 0)
		(void)snprintf(exchange->bearer, sizeof(exchange->bearer), "%s",
			authorization + strlen(BEARER));
}

static void answer(struct vendor_web *web, struct lws *wsi, struct exchange *exchange)
{
	struct web_request request = {.method = exchange->method,
		.path = exchange->path,
		.query = exchange->query,
		.bearer = exchange->bearer,
		.etag = exchange->etag,
		.bytes = exchange->body->len,
		.peer = exchange->peer};

	if (exchange->is_answered)
		return;
	(void)g_byte_array_append(exchange->body, (const guint8 *)"", 1);
	request.body = (const char *)exchange->body->data;
	web->answer(web->ctx, &request, &exchange->reply);
	finish(wsi, exchange);
}

static void begin(
	struct vendor_web *web, struct lws *wsi, struct exchange *exchange, const char *path)
{
	char length[24] = "";
	bool has_body;

	clear_exchange(exchange);
	exchange->body = g_byte_array_new();
	read_headers(wsi, exchange, path);
	has_body = strcmp(exchange->method, "POST") == 0 || strcmp(exchange->method, "PUT") == 0;
	(void)lws_hdr_copy(wsi, length, sizeof(length), WSI_TOKEN_HTTP_CONTENT_LENGTH);
	if (!address_rate_take(web->rate, exchange->peer, control_now_ns()))
		refuse(wsi, exchange, 429, "too many from this address");
	else if (strlen(path) >= PATH_BYTES)
		refuse(wsi, exchange, 414, "too long a path");
	else if (has_body && length[0] == '\0')
		refuse(wsi, exchange, 411, "the length of the body is needed");
	else if (strtoull(length, NULL, 10) > BODY_BYTES)
		refuse(wsi, exchange, 413, "too long a body");
	else if (!has_body || strtoull(length, NULL, 10) == 0)
		answer(web, wsi, exchange);
}

static void add_body(struct lws *wsi, struct exchange *exchange, const void *data, size_t bytes)
{
	if (exchange->is_answered)
		return;
	if (exchange->body->len + bytes > BODY_BYTES)
		refuse(wsi, exchange, 413, "too long a body");
	else
		(void)g_byte_array_append(exchange->body, data, (guint)bytes);
}

static int filter_peer(const struct vendor_web *web, lws_sockfd_type fd)
{
	struct sockaddr_storage address;
	socklen_t bytes = sizeof(address);
	char text[NI_MAXHOST] = "";

	if (getpeername(fd, (struct sockaddr *)&address, &bytes) == 0)
		(void)getnameinfo((struct sockaddr *)&address, bytes, text, sizeof(text), NULL, 0,
			NI_NUMERICHOST);
	return address_list_has(web->allowed, text) ? 0 : -1;
}

static int serve(
	struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t bytes)
{
	struct vendor_web *web = lws_context_user(lws_get_context(wsi));
	struct exchange *exchange = user;

	if (reason == LWS_CALLBACK_FILTER_NETWORK_CONNECTION)
		return filter_peer(web, (lws_sockfd_type)(intptr_t)in);
	if (reason == LWS_CALLBACK_HTTP)
		begin(web, wsi, exchange, in);
	else if (reason == LWS_CALLBACK_HTTP_BODY)
		add_body(wsi, exchange, in, bytes);
	else if (reason == LWS_CALLBACK_HTTP_BODY_COMPLETION)
		answer(web, wsi, exchange);
	else if (reason == LWS_CALLBACK_HTTP_WRITEABLE)
		return write_answer(wsi, exchange);
	else if (reason == LWS_CALLBACK_CLOSED_HTTP && exchange != NULL)
		clear_exchange(exchange);
	else
		return lws_callback_http_dummy(wsi, reason, user, in, bytes);
	return 0;
}

// ---- start and stop -----------------------------------------------------------------------------

void vendor_web_close(struct vendor_web *web)
{
	if (web == NULL)
		return;
	if (web->lws != NULL)
		lws_context_destroy(web->lws);
	g_main_loop_unref(web->loop);
	address_list_free(web->allowed);
	address_rate_free(web->rate);
	free(web);
}

static int start_lws(struct vendor_web *web, const struct vendor_options *options, char *error,
	size_t error_bytes)
{
	static const struct lws_protocols protocols[] = {
		{"http", serve, sizeof(struct exchange), 0, 0, NULL, 0},
		{NULL, NULL, 0, 0, 0, NULL, 0}};
	struct lws_context_creation_info info = {
		.protocols = protocols,
		.user = web,
		.gid = -1,
		.uid = -1,
		.keepalive_timeout = IDLE_SECONDS,
		.timeout_secs = IDLE_SECONDS,
		.options = LWS_SERVER_OPTION_GLIB | LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS |
			   LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND,
	};
	void *loops[] = {web->loop};
	char address[ADDRESS_BYTES];

	if (address_split(options->web.listen, address, &info.port) != 0) {
		(void)snprintf(error, error_bytes, "web.listen: \"%s\" is not address:port",
			options->web.listen);
		return -EINVAL;
	}
	info.iface = address;
	info.foreign_loops = loops;
	if (options->web.certificate[0] != '\0') {
		info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
		info.ssl_cert_filepath = options->web.certificate;
		info.ssl_private_key_filepath = options->web.key;
		info.ssl_options_set = SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_TLSv1_2;
	}
	lws_set_log_level(LLL_ERR, NULL);
	web->lws = lws_create_context(&info);
	if (web->lws != NULL)
		return 0;
	(void)snprintf(error, error_bytes, "web: %s cannot be served; see what is said above",
		options->web.listen);
	return -EADDRNOTAVAIL;
}

int vendor_web_open(const struct vendor_options *options, web_fn answer_fn, void *ctx,
	struct vendor_web **out, char *error, size_t error_bytes)
{
	struct vendor_web *web;
	int err;

	if (options->web.listen[0] == '\0')
		return 0;
	web = calloc(1, sizeof(*web));
	if (web == NULL)
		return -ENOMEM;
	web->answer = answer_fn;
	web->ctx = ctx;
	web->loop = g_main_loop_new(NULL, FALSE);
	err = address_list_new(
		options->web.allow, options->web.allow_count, &web->allowed, error, error_bytes);
	if (err == 0)
		err = address_rate_new(options->web.per_minute, &web->rate);
	if (err == 0)
		err = start_lws(web, options, error, error_bytes);
	if (err != 0)
		vendor_web_close(web);
	else
		*out = web;
	return err;
}
