// SPDX-License-Identifier: BSD-3-Clause
// Alerts pushed over HTTPS: POST /v1/alerts with an envelope as the body. The answer is
//
//   200 the receipt of an alert that was applied, or applied before
//   422 the receipt of one that was refused
//   403 no trusted key has signed it     411 without a length, 413 too long     429 too many from this
//   address     503 too many wait for what is going on: to be sent again
//
// TLS 1.3 alone (RFC 8446), with the clients' certificates if the configuration asks for them.
#include "control/channel.h"
#include "control/control_events.h"
#include "control/urgent.h"
#include "control/web_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PATH "/v1/alerts"
#define IDLE_SECONDS 30 // of a connection on which nothing is asked
#define NS_PER_S 1000000000

struct channel_https {
	struct alerts *alerts;
	struct web_server *server;
	uint64_t received;
	uint64_t answered;
};

static void say(struct web_reply *reply, unsigned int status, const char *text)
{
	reply->status = status;
	reply->type = "text/plain";
	reply->body = strdup(text);
}

static void answer(void *ctx, uint64_t token, const struct alerts_answer *said)
{
	struct channel_https *channel = ctx;
	struct web_reply reply = {.type = ENVELOPE_RECEIPT};

	if (said->is_busy) {
		say(&reply, 503, "send it again later\n");
	} else if (said->receipt == NULL) {
		say(&reply, 403, "not signed by a key that is trusted\n");
	} else {
		reply.status = said->is_refusal ? 422 : 200;
		reply.body = strdup(said->receipt);
	}
	if (web_server_answer(channel->server, token, &reply) && said->receipt != NULL)
		channel->answered++;
}

static void take(void *ctx, const struct web_request *request, struct web_reply *reply)
{
	struct channel_https *channel = ctx;
	struct alerts_source source = {.channel = "https",
		.peer = request->peer,
		.answer = answer,
		.ctx = channel,
		.token = request->token,
		.began_us = request->began_us};

	if (strcmp(request->path, PATH) != 0) {
		say(reply, 404, "there is only " PATH "\n");
		return;
	}
	if (strcmp(request->method, "POST") != 0) {
		say(reply, 405, "POST an envelope to " PATH "\n");
		reply->allow = "POST";
		return;
	}
	channel->received++;
	reply->is_later = true; // what it asks may take its time
	alerts_take(channel->alerts, &source, (const uint8_t *)request->body, request->bytes,
		control_now_ns() / NS_PER_S);
}

// ---- start and stop -----------------------------------------------------------------------------

static void close_https(void *ctx)
{
	struct channel_https *channel = ctx;

	web_server_close(channel->server);
	free(channel);
}

static int open_https(const struct control_options *options, struct alerts *alerts, void **out,
	char *error, size_t error_bytes)
{
	const struct web_server_options web = {.section = "alerts.https",
		.listen = options->alerts.https.listen,
		.certificate = options->alerts.https.certificate,
		.key = options->alerts.https.key,
		.clients = options->alerts.https.clients,
		.allow = options->alerts.https.allow,
		.allow_count = options->alerts.https.allow_count,
		.per_minute = options->alerts.https.per_minute,
		.body_bytes = ENVELOPE_MAX_BYTES,
		.idle_seconds = IDLE_SECONDS,
		.context = urgent_context()};
	struct channel_https *channel;
	int err;

	if (options->alerts.https.listen[0] == '\0')
		return 0;
	channel = calloc(1, sizeof(*channel));
	if (channel == NULL)
		return -ENOMEM;
	channel->alerts = alerts;
	err = web_server_open(&web, take, channel, &channel->server, error, error_bytes);
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
	struct web_server_counts counts;

	web_server_get_counts(channel->server, &counts);
	return json_pack("{s:I, s:I, s:I, s:I}", "received", (json_int_t)channel->received,
		"answered", (json_int_t)channel->answered, "limited", (json_int_t)counts.limited,
		"unwanted", (json_int_t)counts.unwanted);
}

const struct channel_kind channel_https = {"https", open_https, close_https, get_status};
