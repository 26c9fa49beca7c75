// SPDX-License-Identifier: BSD-3-Clause
#include "control/vendor_console.h"

#include "control/envelope.h"
#include "control/metrics.h"
#include "control/vendor_history.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDLE_SECONDS 60
#define ORDER_BYTES ((size_t)2 * ENVELOPE_MAX_BYTES) // an order is longer than what is made of it

// ---- for machines -------------------------------------------------------------------------------

static void give_metrics(const struct vendor_server *server, struct web_reply *reply)
{
	static const struct {
		const char *member;
		const char *name;
		enum metric_kind kind;
		const char *help;
	} table[] = {{"gateways", "cordon_vendor_gateways", METRIC_GAUGE, "Registered gateways"},
		{"alerts", "cordon_vendor_alerts_open", METRIC_GAUGE, "Alerts that hold now"},
		{"waiting", "cordon_vendor_gateways_waiting", METRIC_GAUGE,
			"Gateways that have not answered all alerts"},
		{"sent", "cordon_vendor_sent_total", METRIC_COUNTER, "Envelopes sent"},
		{"receipts", "cordon_vendor_receipts_total", METRIC_COUNTER, "Receipts taken"},
		{"forged", "cordon_vendor_receipts_refused_total", METRIC_COUNTER,
			"Receipts that no gateway has signed"}};
	json_t *status = fanout_status(server->fanout);
	GString *text = g_string_new(NULL);

	for (size_t i = 0; i < G_N_ELEMENTS(table); i++)
		metrics_one(text, table[i].name, table[i].kind, table[i].help,
			json_number_value(json_object_get(status, table[i].member)));
	metrics_one(text, "cordon_vendor_root_version", METRIC_GAUGE,
		"Of the root document in force", (double)server->root.version);
	metrics_one(text, "cordon_vendor_root_expiry_timestamp_seconds", METRIC_GAUGE,
		"When it expires", (double)keys_expires(server->root.keys));
	json_decref(status);
	reply->status = 200;
	reply->type = "text/plain; version=0.0.4; charset=utf-8";
	reply->body = g_string_free(text, FALSE);
}

// ---- requests -----------------------------------------------------------------------------------

static void answer_machine(
	struct vendor_server *server, const struct web_request *request, struct web_reply *reply)
{
	if (strcmp(request->path, "/healthz") == 0) {
		reply->status = 200;
		reply->body = strdup("{\"ok\":true}");
	} else if (strcmp(request->path, "/metrics") == 0) {
		if (web_pages_may_measure(&server->pages, request, reply))
			give_metrics(server, reply);
	} else if (web_pages_session(&server->pages, request, reply) != NULL) {
		reply->status = 200;
		reply->is_stream = true;
	}
}

bool vendor_console_take(
	struct vendor_server *server, const struct web_request *request, struct web_reply *reply)
{
	static const char *const paths[] = {"/healthz", "/metrics", "/api/stream"};

	for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
		if (strcmp(request->path, paths[i]) != 0)
			continue;
		if (strcmp(request->method, "GET") == 0) {
			answer_machine(server, request, reply);
		} else {
			web_reply_error(reply, 405, "not with this method");
			reply->allow = "GET";
		}
		web_pages_protect(&server->pages, reply);
		return true;
	}
	return web_pages_take(&server->pages, request, reply);
}

// ---- what happens -------------------------------------------------------------------------------

static void push(const struct vendor_server *server, const char *name, json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT);

	if (text != NULL)
		web_server_push(server->pages.server, name, text);
	free(text);
	json_decref(object);
}

static bool is_watched(const struct vendor_server *server)
{
	return server->pages.server != NULL && web_server_streams(server->pages.server) > 0;
}

void vendor_console_turn(const struct vendor_server *server)
{
	if (is_watched(server))
		push(server, "status", fanout_status(server->fanout));
}

static void event_written(void *ctx, const char *event, const json_t *members)
{
	const struct vendor_server *server = ctx;
	char time[32];
	json_t *object;

	if (!is_watched(server))
		return;
	object = json_pack(
		"{s:s, s:s}", "event", event, "time", control_time_text(control_now_ns(), time));
	if (members != NULL)
		(void)json_object_update(object, (json_t *)(uintptr_t)members);
	push(server, "event", object);
}

static void audit_login(void *ctx, const char *user, const char *peer, const char *what)
{
	const struct vendor_server *server = ctx;
	bool is_good = strcmp(what, "login") == 0 || strcmp(what, "logout") == 0;
	const struct history_entry entry = {.who = user,
		.via = "login",
		.peer = peer,
		.what = what,
		.why = "",
		.status = is_good ? 200 : 401};

	if (history_add(server->database, &entry) != 0)
		control_events_write(server->events, "fault",
			json_pack("{s:s, s:s}", "what", "history", "why", "it could not be kept"));
	control_events_write(server->events, "audit",
		json_pack("{s:s, s:s, s:s}", "who", user, "what", what, "peer", peer));
}

// ---- start --------------------------------------------------------------------------------------

int vendor_console_open(struct vendor_server *server, char *error, size_t error_bytes)
{
	const struct vendor_options *options = &server->options;
	const struct web_login_options login = {.users = options->web.users,
		.is_secure = !options->web.plain,
		.idle_seconds = options->web.idle_seconds,
		.most_seconds = options->web.most_seconds,
		.audit = audit_login,
		.ctx = server};
	const struct web_server_options web = {.section = "web",
		.listen = options->web.listen,
		.certificate = options->web.certificate,
		.key = options->web.key,
		.clients = "",
		.allow = options->web.allow,
		.allow_count = options->web.allow_count,
		.per_minute = options->web.per_minute,
		.body_bytes = ORDER_BYTES,
		.idle_seconds = IDLE_SECONDS};
	int err;

	if (options->web.listen[0] == '\0')
		return 0;
	server->pages.files = web_vendor_files;
	server->pages.is_secure = !options->web.plain;
	err = web_pages_read_key(&server->pages, options->web.metrics_key, error, error_bytes);
	if (err == 0 && options->web.users[0] != '\0')
		err = web_login_open(&login, &server->pages.login, error, error_bytes);
	if (err == 0)
		err = web_server_open(
			&web, vendor_api_answer, server, &server->pages.server, error, error_bytes);
	if (err == 0)
		control_events_watch(server->events, event_written, server);
	return err;
}
