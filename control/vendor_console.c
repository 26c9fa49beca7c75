// SPDX-License-Identifier: BSD-3-Clause
#include "control/vendor_console.h"

#include "control/clock.h"
#include "control/envelope.h"
#include "control/metrics.h"
#include "control/vendor_history.h"
#include "control/vendor_registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDLE_SECONDS 60
#define NS_PER_S 1000000000
#define ORDER_BYTES ((size_t)2 * ENVELOPE_MAX_BYTES) // an order is longer than what is made of it

// ---- for machines -------------------------------------------------------------------------------

static int64_t now_s(void)
{
	return control_now_ns() / NS_PER_S;
}

static void add_states(const struct vendor_server *server, GString *text)
{
	static const char *const states[] = {"sealed", "open", "waiting", "silent"};

	metrics_head(text, "cordon_vendor_gateways_state", METRIC_GAUGE,
		"Gateways that are sealed or open by their last receipt, wait to answer an alert, "
		"or "
		"were not heard of lately");
	for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
		const struct registry_filter filter = {.after = "",
			.state = states[i],
			.silent_s = now_s() - REGISTRY_SILENT_SECONDS};
		int64_t count = 0;

		json_decref(registry_find(server->database, &filter, &count));
		metrics_sample(
			text, "cordon_vendor_gateways_state", "state", states[i], (double)count);
	}
}

static void add_channels(const struct vendor_server *server, GString *text)
{
	static const struct {
		const char *member;
		const char *name;
		const char *help;
	} table[] = {{"sent", "cordon_vendor_channel_sent_total", "Envelopes sent, by channel"},
		{"failures", "cordon_vendor_channel_failures_total",
			"Envelopes that a channel could not deliver"},
		{"receipts", "cordon_vendor_channel_receipts_total",
			"Receipts taken, by the channel that they came over"}};
	json_t *totals = fanout_totals(server->fanout);
	const char *kind;
	json_t *total;

	for (size_t i = 0; i < G_N_ELEMENTS(table) && json_object_size(totals) > 0; i++) {
		metrics_head(text, table[i].name, METRIC_COUNTER, table[i].help);
		json_object_foreach(totals, kind, total)
		{
			metrics_sample(text, table[i].name, "channel", kind,
				json_number_value(json_object_get(total, table[i].member)));
		}
	}
	json_decref(totals);
}

static void add_faults(const json_t *faults, GString *text)
{
	const char *kind;
	json_t *fault;

	if (json_object_size(faults) > 0)
		metrics_head(text, "cordon_vendor_channel_up", METRIC_GAUGE,
			"Whether what a channel stands on, a broker or a mailbox, is there");
	json_object_foreach((json_t *)(uintptr_t)faults, kind, fault)
	{
		metrics_sample(text, "cordon_vendor_channel_up", "channel", kind,
			json_string_length(fault) == 0 ? 1 : 0);
	}
}

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
	json_t *status = vendor_server_status(server);
	GString *text = g_string_new(NULL);

	for (size_t i = 0; i < G_N_ELEMENTS(table); i++)
		metrics_one(text, table[i].name, table[i].kind, table[i].help,
			json_number_value(json_object_get(status, table[i].member)));
	add_states(server, text);
	add_channels(server, text);
	add_faults(json_object_get(status, "faults"), text);
	metrics_one(text, "cordon_vendor_root_version", METRIC_GAUGE,
		"Of the root document in force", (double)server->root.version);
	metrics_one(text, "cordon_vendor_root_expiry_timestamp_seconds", METRIC_GAUGE,
		"When it expires", (double)keys_expires(server->root.keys));
	json_decref(status);
	reply->status = 200;
	reply->type = "text/plain; version=0.0.4; charset=utf-8";
	reply->body = g_string_free(text, FALSE);
}

// Anybody may ask, and it is written: once a second.
static const char *try_database(struct vendor_server *server)
{
	const int64_t now_ns = control_steady_ns();

	if (server->tried_ns == 0 || now_ns - server->tried_ns >= NS_PER_S) {
		server->tried_ns = now_ns;
		server->trouble = database_probe(server->database);
	}
	return server->trouble;
}

// Whether an order that comes now would be taken, kept and believed.
static void give_readiness(struct vendor_server *server, struct web_reply *reply)
{
	const char *why = NULL;
	json_t *answer;

	if (keys_expires(server->root.keys) <= now_s())
		why = "the root document has expired";
	else if (database_number(database_prepare(server->database,
					 "SELECT count(*) FROM gateway LIMIT 1", ""),
			 -1) < 0)
		why = "the database does not answer";
	else
		why = try_database(server);
	answer = json_pack("{s:b, s:s*}", "ready", why == NULL, "why", why);
	reply->status = why == NULL ? 200 : 503;
	reply->body = json_dumps(answer, JSON_COMPACT);
	json_decref(answer);
}

// ---- requests -----------------------------------------------------------------------------------

static void answer_machine(
	struct vendor_server *server, const struct web_request *request, struct web_reply *reply)
{
	if (strcmp(request->path, "/healthz") == 0) {
		reply->status = 200;
		reply->body = strdup("{\"ok\":true}");
	} else if (strcmp(request->path, "/readyz") == 0) {
		give_readiness(server, reply);
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
	static const char *const paths[] = {"/healthz", "/readyz", "/metrics", "/api/stream"};

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

// Who is not logged in any more gets nothing more.
static void end_streams(const struct vendor_server *server)
{
	if (server->pages.server != NULL && server->pages.login != NULL)
		web_server_end_streams(
			server->pages.server, web_login_is_open, server->pages.login);
}

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
	end_streams(server);
	if (is_watched(server))
		push(server, "status", vendor_server_status(server));
}

static void event_written(void *ctx, const char *event, const json_t *members)
{
	const struct vendor_server *server = ctx;
	char time[32];
	json_t *object;

	end_streams(server);
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
