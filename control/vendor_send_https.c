// SPDX-License-Identifier: BSD-3-Clause
// Alerts by POST to a gateway's server; the answer is the receipt.
#include "control/fetch.h"
#include "control/vendor_send.h"

#include <glib.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIND "https"
#define MOST_SECONDS 60
#define ANSWER_BYTES 65536
#define REFUSED_STATUS 422 // with a receipt that says why

struct way {
	const struct vendor_options *options;
	struct vendor_sink sink;
	struct fetcher *fetcher;
	GHashTable *tries; // by gateway and alert: struct try_https
};

struct try_https {
	struct way *way;
	struct fetch *fetch;
	char *name; // in tries
	char *gateway;
};

static int check(const char *url, char *why, size_t why_bytes)
{
	GUri *parsed = g_uri_parse(url, G_URI_FLAGS_NONE, NULL);
	const char *scheme = parsed != NULL ? g_uri_get_scheme(parsed) : "";
	bool good = (strcmp(scheme, "https") == 0 || strcmp(scheme, "http") == 0) &&
		    g_uri_get_host(parsed) != NULL && g_uri_get_host(parsed)[0] != '\0';

	if (parsed != NULL)
		g_uri_unref(parsed);
	if (!good)
		(void)snprintf(why, why_bytes, "channels: url must be https://... or http://...");
	return good ? 0 : -EINVAL;
}

static void free_try(gpointer data)
{
	struct try_https *try = data;

	g_free(try->name);
	g_free(try->gateway);
	free(try);
}

static void answered(void *ctx, const struct fetch_result *result)
{
	struct try_https *try = ctx;
	struct way *way = try->way;
	char why[FETCH_TEXT_BYTES];

	if (result->err != 0)
		(void)snprintf(why, sizeof(why), "%s", result->why);
	else
		(void)snprintf(why, sizeof(why), "status %ld", result->status);
	if (result->err != 0 || (result->status != 200 && result->status != REFUSED_STATUS))
		way->sink.failed(way->sink.ctx, try->gateway, KIND, why);
	else if (!way->sink.receipt(way->sink.ctx, KIND, result->body, result->bytes, NULL))
		way->sink.failed(way->sink.ctx, try->gateway, KIND, "no receipt of this gateway");
	(void)g_hash_table_remove(way->tries, try->name);
}

static int send_https(void *ctx, const struct vendor_try *try)
{
	struct way *way = ctx;
	const struct fetch_request request = {
		.url = json_string_value(json_object_get(try->channel, "url")),
		.ca = way->options->https.ca,
		.certificate = way->options->https.certificate,
		.key = way->options->https.key,
		.body = try->envelope,
		.body_bytes = try->bytes,
		.content_type = "application/json",
		.most_seconds = MOST_SECONDS,
		.most_bytes = ANSWER_BYTES,
		.file = -1,
	};
	struct try_https *made;
	char *name;
	int err;

	if (g_hash_table_size(way->tries) >= way->options->https.at_once)
		return -EAGAIN;
	// An update is answered when it is done: a seal does not wait for that.
	name = g_strconcat(try->gateway, "\n", try->digest, NULL);
	made = g_hash_table_contains(way->tries, name) ? NULL : calloc(1, sizeof(*made));
	if (made == NULL) {
		g_free(name);
		return -EALREADY;
	}
	made->way = way;
	made->name = name;
	made->gateway = g_strdup(try->gateway);
	err = fetch_start(way->fetcher, &request, answered, made, &made->fetch);
	if (err != 0)
		free_try(made);
	else
		(void)g_hash_table_insert(way->tries, made->name, made);
	return err;
}

static void close_https(void *ctx)
{
	struct way *way = ctx;

	fetcher_free(way->fetcher);
	g_hash_table_unref(way->tries);
	free(way);
}

static int open_https(const struct vendor_options *options, const struct vendor_sink *sink,
	void **out, char *error, size_t error_bytes)
{
	struct way *way = calloc(1, sizeof(*way));

	(void)error;
	(void)error_bytes;
	if (way == NULL)
		return -ENOMEM;
	way->options = options;
	way->sink = *sink;
	way->tries = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_try);
	if (fetcher_new(&way->fetcher) != 0) {
		close_https(way);
		return -ENOMEM;
	}
	*out = way;
	return 0;
}

const struct vendor_way vendor_way_https = {.kind = KIND,
	.members = {{"url", true, check}},
	.open = open_https,
	.close = close_https,
	.send = send_https};
