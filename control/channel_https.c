// SPDX-License-Identifier: BSD-3-Clause
// Alerts pushed over HTTPS: POST /v1/alerts with an envelope as the body. The answer is
//
//   200 the receipt of an alert that was applied, or applied before
//   422 the receipt of one that was refused
//   403 no trusted key has signed it     411 without a length, 413 too long     429 too many from this
//   address
//
// TLS 1.3 alone (RFC 8446), with the clients' certificates if the configuration asks for them.
#include "control/address_list.h"
#include "control/channel.h"
#include "control/control_events.h"

#include <gio/gio.h>
#include <libwebsockets.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PATH "/v1/alerts"
#define HEADERS_BYTES 1024
#define IDLE_SECONDS 30 // of a connection on which nothing is asked
#define NS_PER_S 1000000000

struct request {
	GByteArray *body;
	char *receipt;
	unsigned int status; // 0: not known yet
	uint64_t token;
	char peer[64];
	size_t sent;
	bool has_headers; // of the answer
};

struct channel_https {
	struct alerts *alerts;
	struct lws_context *lws;
	GMainLoop *loop;     // the default context's, which lws wants named
	GHashTable *waiting; // token: wsi
	struct address_list *allowed;
	struct address_rate *rate;
	uint64_t tokens;
	uint64_t received;
	uint64_t answered;
	uint64_t limited;
	uint64_t unwanted; // of addresses that may not ask
};

// ---- answers ------------------------------------------------------------------------------------

static void set_status(struct lws *wsi, struct request *request, unsigned int status)
{
	request->status = status;
	(void)lws_callback_on_writable(wsi);
}

// The gateway's own receipt, of which the result is all that is looked at here.
static bool is_refusal(const char *receipt)
{
	struct envelope *envelope = NULL;
	const char *why;
	const char *payload;
	size_t bytes;
	json_t *root;
	bool refused = false;

	if (envelope_parse(receipt, strlen(receipt), &envelope, &why) != 0)
		return false;
	payload = envelope_payload(envelope, &bytes);
	root = json_loadb(payload, bytes, 0, NULL);
	refused = json_object_get(root, "why") != NULL;
	json_decref(root);
	envelope_free(envelope);
	return refused;
}

static void answer(void *ctx, uint64_t token, const char *receipt)
{
	struct channel_https *channel = ctx;
	struct lws *wsi = g_hash_table_lookup(channel->waiting, &token);
	struct request *request;

	if (wsi == NULL)
		return;
	request = lws_wsi_user(wsi);
	if (receipt == NULL) {
		set_status(wsi, request, HTTP_STATUS_FORBIDDEN);
		return;
	}
	request->receipt = strdup(receipt);
	channel->answered++;
	set_status(wsi, request, is_refusal(receipt) ? 422 : HTTP_STATUS_OK);
}

static int write_headers(struct lws *wsi, const struct request *request, size_t bytes)
{
	uint8_t buffer[LWS_PRE + HEADERS_BYTES];
	uint8_t *start = buffer + LWS_PRE;
	uint8_t *p = start;
	uint8_t *end = buffer + sizeof(buffer) - 1;

	if (lws_add_http_common_headers(wsi, request->status,
		    request->receipt != NULL ? ENVELOPE_RECEIPT : "text/plain", bytes, &p,
		    end) != 0 ||
		(request->status == 429 &&
			lws_add_http_header_by_name(wsi, (const uint8_t *)"retry-after:",
				(const uint8_t *)"60", 2, &p, end) != 0))
		return -1;
	return lws_finalize_write_http_header(wsi, start, &p, end);
}

static const char *text_of(const struct request *request)
{
	if (request->receipt != NULL)
		return request->receipt;
	switch (request->status) {
	case HTTP_STATUS_FORBIDDEN:
		return "not signed by a key that is trusted\n";
	case HTTP_STATUS_REQ_ENTITY_TOO_LARGE:
		return "longer than an envelope may be\n";
	case HTTP_STATUS_METHOD_NOT_ALLOWED:
		return "POST an envelope to " PATH "\n";
	case HTTP_STATUS_NOT_FOUND:
		return "there is only " PATH "\n";
	case 411:
		return "the length of the envelope is needed\n";
	case 429:
		return "too many from this address\n";
	default:
		return "no answer could be made\n";
	}
}

// As much as goes; again when there is room. Returns what lws wants: 0, or -1 to close.
static int write_answer(struct lws *wsi, struct request *request)
{
	const char *text = text_of(request);
	size_t left = strlen(text) - request->sent;
	size_t chunk = MIN(left, (size_t)4096);
	uint8_t buffer[LWS_PRE + 4096];
	bool is_last = chunk == left;

	if (request->status == 0)
		return 0;
	if (!request->has_headers) {
		request->has_headers = true;
		if (write_headers(wsi, request, strlen(text)) != 0)
			return -1;
		(void)lws_callback_on_writable(wsi);
		return 0;
	}
	memcpy(buffer + LWS_PRE, text + request->sent, chunk);
	if (lws_write(wsi, buffer + LWS_PRE, chunk,
		    is_last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) != (int)chunk)
		return -1;
	request->sent += chunk;
	if (!is_last) {
		(void)lws_callback_on_writable(wsi);
		return 0;
	}
	return lws_http_transaction_completed(wsi) != 0 ? -1 : 0;
}

// ---- requests -----------------------------------------------------------------------------------

// Whatever an earlier request on this connection has left.
static void clear_request(struct channel_https *channel, struct request *request)
{
	if (request->token != 0)
		(void)g_hash_table_remove(channel->waiting, &request->token);
	if (request->body != NULL)
		g_byte_array_unref(request->body);
	free(request->receipt);
	memset(request, 0, sizeof(*request));
}

static void begin_request(
	struct channel_https *channel, struct lws *wsi, struct request *request, const char *path)
{
	char length[24] = "";

	clear_request(channel, request);
	(void)lws_get_peer_simple(wsi, request->peer, sizeof(request->peer));
	request->body = g_byte_array_new();
	(void)lws_hdr_copy(wsi, length, sizeof(length), WSI_TOKEN_HTTP_CONTENT_LENGTH);
	if (strcmp(path, PATH) != 0) {
		set_status(wsi, request, HTTP_STATUS_NOT_FOUND);
	} else if (lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI) == 0) {
		set_status(wsi, request, HTTP_STATUS_METHOD_NOT_ALLOWED);
	} else if (!address_rate_take(channel->rate, request->peer, control_now_ns())) {
		channel->limited++;
		set_status(wsi, request, 429);
	} else if (length[0] == '\0') {
		set_status(wsi, request, 411);
	} else if (strtoull(length, NULL, 10) > ENVELOPE_MAX_BYTES) {
		set_status(wsi, request, HTTP_STATUS_REQ_ENTITY_TOO_LARGE);
	}
}

static void add_body(struct lws *wsi, struct request *request, const void *data, size_t bytes)
{
	if (request->status != 0)
		return;
	if (request->body->len + bytes > ENVELOPE_MAX_BYTES)
		set_status(wsi, request, HTTP_STATUS_REQ_ENTITY_TOO_LARGE);
	else
		(void)g_byte_array_append(request->body, data, (guint)bytes);
}

static void take_body(struct channel_https *channel, struct lws *wsi, struct request *request)
{
	struct alerts_source source = {
		.channel = "https", .peer = request->peer, .answer = answer, .ctx = channel};

	if (request->status != 0)
		return;
	channel->received++;
	request->token = ++channel->tokens;
	source.token = request->token;
	(void)g_hash_table_insert(channel->waiting, &request->token, wsi);
	lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0); // what it asks may take its time
	alerts_take(channel->alerts, &source, request->body->data, request->body->len,
		control_now_ns() / NS_PER_S);
}

static int filter_peer(struct channel_https *channel, lws_sockfd_type fd)
{
	struct sockaddr_storage address;
	socklen_t bytes = sizeof(address);
	char text[NI_MAXHOST] = "";

	if (getpeername(fd, (struct sockaddr *)&address, &bytes) == 0)
		(void)getnameinfo((struct sockaddr *)&address, bytes, text, sizeof(text), NULL, 0,
			NI_NUMERICHOST);
	if (address_list_has(channel->allowed, text))
		return 0;
	channel->unwanted++;
	return -1;
}

static int serve(
	struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t bytes)
{
	struct channel_https *channel = lws_context_user(lws_get_context(wsi));
	struct request *request = user;

	// lws takes any certificate unless this says no; bytes is what OpenSSL found.
	if (reason == LWS_CALLBACK_OPENSSL_PERFORM_CLIENT_CERT_VERIFICATION)
		return bytes == 1 ? 0 : 1;
	if (reason == LWS_CALLBACK_FILTER_NETWORK_CONNECTION)
		return filter_peer(channel, (lws_sockfd_type)(intptr_t)in);
	if (reason == LWS_CALLBACK_HTTP)
		begin_request(channel, wsi, request, in);
	else if (reason == LWS_CALLBACK_HTTP_BODY)
		add_body(wsi, request, in, bytes);
	else if (reason == LWS_CALLBACK_HTTP_BODY_COMPLETION)
		take_body(channel, wsi, request);
	else if (reason == LWS_CALLBACK_HTTP_WRITEABLE)
		return write_answer(wsi, request);
	else if (reason == LWS_CALLBACK_CLOSED_HTTP && request != NULL)
		clear_request(channel, request);
	else
		return lws_callback_http_dummy(wsi, reason, user, in, bytes);
	return 0;
}

// ---- start and stop -----------------------------------------------------------------------------

static void close_https(void *ctx)
{
	struct channel_https *channel = ctx;

	if (channel->lws != NULL)
		lws_context_destroy(channel->lws);
	g_main_loop_unref(channel->loop);
	g_hash_table_unref(channel->waiting);
	address_list_free(channel->allowed);
	address_rate_free(channel->rate);
	free(channel);
}

static int start_lws(struct channel_https *channel, const struct control_options *options,
	char *error, size_t error_bytes)
{
	static const struct lws_protocols protocols[] = {
		{"http", serve, sizeof(struct request), 0, 0, NULL, 0},
		{NULL, NULL, 0, 0, 0, NULL, 0}};
	const char *certificate = options->alerts.https.certificate;
	const char *clients = options->alerts.https.clients;
	struct lws_context_creation_info info = {
		.protocols = protocols,
		.user = channel,
		.gid = -1,
		.uid = -1,
		.keepalive_timeout = IDLE_SECONDS,
		.timeout_secs = IDLE_SECONDS,
		.options = LWS_SERVER_OPTION_GLIB | LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS |
			   LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND,
	};
	void *loops[] = {channel->loop};
	char address[ADDRESS_BYTES];

	if (address_split(options->alerts.https.listen, address, &info.port) != 0) {
		(void)snprintf(error, error_bytes,
			"alerts.https.listen: \"%s\" is not address:port",
			options->alerts.https.listen);
		return -EINVAL;
	}
	info.iface = address;
	info.foreign_loops = loops;
	if (certificate[0] != '\0') {
		info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
		info.ssl_cert_filepath = certificate;
		info.ssl_private_key_filepath = options->alerts.https.key;
		info.ssl_options_set = SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_TLSv1_2;
	}
	if (clients[0] != '\0') {
		info.ssl_ca_filepath = clients;
		info.options |= LWS_SERVER_OPTION_REQUIRE_VALID_OPENSSL_CLIENT_CERT;
	}
	lws_set_log_level(LLL_ERR, NULL);
	channel->lws = lws_create_context(&info);
	if (channel->lws != NULL)
		return 0;
	(void)snprintf(error, error_bytes,
		"alerts.https: %s cannot be served; see what is said above",
		options->alerts.https.listen);
	return -EADDRNOTAVAIL;
}

static int open_https(const struct control_options *options, struct alerts *alerts, void **out,
	char *error, size_t error_bytes)
{
	struct channel_https *channel;
	int err;

	if (options->alerts.https.listen[0] == '\0')
		return 0;
	channel = calloc(1, sizeof(*channel));
	if (channel == NULL)
		return -ENOMEM;
	channel->alerts = alerts;
	channel->loop = g_main_loop_new(NULL, FALSE);
	channel->waiting = g_hash_table_new(g_int64_hash, g_int64_equal);
	err = address_list_new(options->alerts.https.allow, options->alerts.https.allow_count,
		&channel->allowed, error, error_bytes);
	if (err == 0)
		err = address_rate_new(options->alerts.https.per_minute, &channel->rate);
	if (err == 0)
		err = start_lws(channel, options, error, error_bytes);
	if (err != 0) {
		close_https(channel);
		return err;
	}
	*out = channel;
	return 0;
}

static json_t *get_status(const void *ctx)
{
	const struct channel_https *channel = ctx;

	return json_pack("{s:I, s:I, s:I, s:I}", "received", (json_int_t)channel->received,
		"answered", (json_int_t)channel->answered, "limited", (json_int_t)channel->limited,
		"unwanted", (json_int_t)channel->unwanted);
}

const struct channel_kind channel_https = {"https", open_https, close_https, get_status};
