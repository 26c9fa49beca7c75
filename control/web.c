// SPDX-License-Identifier: BSD-3-Clause
#include "control/web.h"

#include "control/control.h"
#include "control/metrics.h"
#include "control/web_history.h"
#include "control/web_pages.h"
#include "dataplane/dataplane.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NS_PER_S 1000000000
#define BODY_BYTES 1048576u
#define IDLE_SECONDS 60
#define CONNECTIONS 256 // a page has a few, and one stream
#define CONNECTIONS_EACH 64
#define MAIL_PATH "/api/mail/"
#define POINTS 1000
#define EVENTS_KEPT 500
#define WHY_BYTES 512

struct web {
	struct control *control;
	struct web_pages pages;
	struct web_history *history;
	GQueue *events; // texts, the latest first
	json_t *stats;  // the dataplane's, at most a second old; NULL: it is away
	bool is_asking; // the dataplane for them
	guint telling;  // source: of what this second has brought; 0: none
};

struct web_call {
	struct web *web;
	const struct web_request *request;
	const struct web_session *session; // NULL: a path that needs none
	struct web_reply *reply;
};

static void reply_json(struct web_reply *reply, unsigned int status, json_t *answer)
{
	reply->status = status;
	reply->body = json_dumps(answer, JSON_COMPACT);
	json_decref(answer);
}

// What is said of the state, when it is known whether the seals are in force.
struct later {
	struct control *control;
	uint64_t token;
	void (*say)(const struct web *web, struct web_reply *reply);
};

static void say_later(void *ctx)
{
	struct later *later = ctx;
	struct web *web = later->control->web;
	struct web_reply reply = {0};

	if (web != NULL) {
		later->say(web, &reply);
		web_pages_protect(&web->pages, &reply);
		(void)web_server_answer(web->pages.server, later->token, &reply);
	}
	g_free(later);
}

static void say_when_settled(
	struct web_call *call, void (*say)(const struct web *web, struct web_reply *reply))
{
	struct later *later = g_new(struct later, 1);

	*later = (struct later){call->web->control, call->request->token, say};
	call->reply->is_later = settle_wait(later->control->settle, say_later, later);
	if (call->reply->is_later)
		return;
	g_free(later);
	say(call->web, call->reply);
}

// ---- for machines -------------------------------------------------------------------------------

static void give_health(struct web_call *call)
{
	reply_json(call->reply, 200, json_pack("{s:b}", "ok", 1));
}

static void say_readiness(const struct web *web, struct web_reply *reply)
{
	json_t *status = api_status(web->control);
	const json_t *dataplane = json_object_get(status, "dataplane");
	const char *why = NULL;

	if (!json_is_true(json_object_get(dataplane, "up")))
		why = "the dataplane does not answer";
	else if (json_string_length(json_object_get(dataplane, "ruleset")) == 0)
		why = "no rules are in force";
	else if (!json_is_true(json_object_get(status, "in_force")))
		why = "the dataplane has other seals";
	else if (web->control->store_failed != 0)
		why = "the buffer cannot be used";
	reply_json(reply, why == NULL ? 200 : 503,
		why == NULL ? json_pack("{s:b}", "ok", 1)
			    : json_pack("{s:b, s:s}", "ok", 0, "why", why));
	json_decref(status);
}

static void give_readiness(struct web_call *call)
{
	say_when_settled(call, say_readiness);
}

static void say_metrics(const struct web *web, struct web_reply *reply)
{
	json_t *status = api_status(web->control);

	reply->status = 200;
	reply->type = "text/plain; version=0.0.4; charset=utf-8";
	reply->body = metrics_gateway(status, web->stats);
	json_decref(status);
}

static void give_metrics(struct web_call *call)
{
	if (web_pages_may_measure(&call->web->pages, call->request, call->reply))
		say_when_settled(call, say_metrics);
}

// ---- for the page -------------------------------------------------------------------------------

static unsigned int status_of(const json_t *answer)
{
	return json_object_get(answer, "error") != NULL ? 422 : 200;
}

static void run_command(struct web_call *call)
{
	const struct web_request *request = call->request;
	json_t *body = json_loadb(request->body, request->bytes, JSON_REJECT_DUPLICATES, NULL);
	struct api_call inner = {.control = call->web->control,
		.request = body,
		.client = API_WEB | request->token,
		.fd = -1,
		.given = -1};
	json_t *answer;

	(void)snprintf(inner.who, sizeof(inner.who), "%s", call->session->user);
	answer = api_run(&inner, call->session->role == WEB_OPERATOR);
	if (inner.fd >= 0)
		(void)close(inner.fd);
	if (answer == NULL)
		call->reply->is_later = true;
	else
		reply_json(call->reply, status_of(answer), answer);
	json_decref(body);
}

void web_answer(struct web *web, uint64_t token, json_t *answer)
{
	struct web_reply reply = {0};

	if (web == NULL) {
		json_decref(answer);
		return;
	}
	reply_json(&reply, status_of(answer), answer);
	web_pages_protect(&web->pages, &reply);
	(void)web_server_answer(web->pages.server, token, &reply);
}

static int64_t number_in(const char *query, const char *name, int64_t otherwise)
{
	char **pairs = g_strsplit(query, "&", -1);
	size_t n = strlen(name);
	int64_t value = otherwise;

	for (size_t i = 0; pairs[i] != NULL; i++) {
		if (strncmp(pairs[i], name, n) == 0 && pairs[i][n] == '=')
			value = g_ascii_strtoll(pairs[i] + n + 1, NULL, 10);
	}
	g_strfreev(pairs);
	return value;
}

static void give_history(struct web_call *call)
{
	const char *query = call->request->query;

	reply_json(call->reply, 200,
		web_history_json(call->web->history, number_in(query, "since", 0),
			(uint32_t)CLAMP(
				number_in(query, "points", POINTS), 1, WEB_HISTORY_SAMPLES)));
}

static void give_stats(struct web_call *call)
{
	if (call->web->stats == NULL)
		web_reply_error(call->reply, 503, "the dataplane does not answer");
	else
		reply_json(call->reply, 200, json_incref(call->web->stats));
}

static void open_stream(struct web_call *call)
{
	call->reply->status = 200;
	call->reply->is_stream = true;
}

// Those of before the page was opened.
static void give_events(struct web_call *call)
{
	GString *text = g_string_new("[");

	for (const GList *at = call->web->events->head; at != NULL; at = at->next)
		g_string_append_printf(
			text, "%s%s", text->len > 1 ? "," : "", (const char *)at->data);
	(void)g_string_append(text, "]");
	call->reply->status = 200;
	call->reply->body = strdup(text->str);
	(void)g_string_free(text, TRUE);
}

// What the query says of a reason; otherwise "page".
static void reason_in(const char *query, char out[WHY_BYTES])
{
	const char *why = strncmp(query, "why=", 4) == 0 ? query + 4 : "";

	(void)snprintf(out, WHY_BYTES, "%s", why[0] != '\0' ? why : "page");
}

// As a file to save: never as something that the browser shows.
static void give_mail(struct web_call *call)
{
	const char *id = call->request->path + strlen(MAIL_PATH);
	char why[WHY_BYTES];
	json_t *request;
	struct api_call inner = {.control = call->web->control, .fd = -1, .given = -1};
	bool may = call->session->role == WEB_OPERATOR;
	json_t *answer;
	size_t bytes;

	reason_in(call->request->query, why);
	request = json_pack(
		"{s:s, s:s, s:s%}", "command", "mail export", "id", id, "why", why, strlen(why));
	inner.request = request;
	(void)snprintf(inner.who, sizeof(inner.who), "%s", call->session->user);
	answer = api_run(&inner, may);
	bytes = (size_t)json_integer_value(json_object_get(answer, "bytes"));
	if (inner.fd < 0) {
		reply_json(call->reply, may ? 404 : 403, json_incref(answer));
	} else {
		call->reply->body = malloc(bytes + 1);
		call->reply->bytes = bytes;
		call->reply->type = "message/rfc822";
		call->reply->status = call->reply->body != NULL && read(inner.fd, call->reply->body,
									   bytes) == (ssize_t)bytes
					      ? 200
					      : 500;
		web_reply_header(
			call->reply, "content-disposition:", "attachment; filename=\"%s.eml\"", id);
		(void)close(inner.fd);
	}
	json_decref(answer);
	json_decref(request);
}

// ---- the table ----------------------------------------------------------------------------------

static const struct {
	const char *method;
	const char *path;
	bool is_open; // to those who are not logged in
	void (*run)(struct web_call *call);
} routes[] = {
	{"GET", "/healthz", true, give_health}, {"GET", "/readyz", true, give_readiness},
	{"GET", "/metrics", true, give_metrics}, {"POST", "/api/call", false, run_command},
	{"GET", "/api/history", false, give_history}, {"GET", "/api/stats", false, give_stats},
	{"GET", "/api/stream", false, open_stream}, {"GET", "/api/events", false, give_events},
	{"GET", MAIL_PATH, false, give_mail}, // and what is behind it
};

static bool is_route(const char *path, const char *wanted)
{
	return strcmp(wanted, MAIL_PATH) == 0 ? strncmp(path, wanted, strlen(wanted)) == 0
					      : strcmp(path, wanted) == 0;
}

static void find_and_run(struct web_call *call)
{
	const struct web_request *request = call->request;

	for (size_t i = 0; i < G_N_ELEMENTS(routes); i++) {
		if (!is_route(request->path, routes[i].path))
			continue;
		if (strcmp(request->method, routes[i].method) != 0) {
			web_reply_error(call->reply, 405, "not with this method");
			call->reply->allow = routes[i].method;
			return;
		}
		if (!routes[i].is_open)
			call->session = web_pages_session(&call->web->pages, request, call->reply);
		if (routes[i].is_open || call->session != NULL)
			routes[i].run(call);
		return;
	}
	web_reply_error(call->reply, 404, "there is no such page");
}

static void take(void *ctx, const struct web_request *request, struct web_reply *reply)
{
	struct web *web = ctx;
	struct web_call call = {.web = web, .request = request, .reply = reply};

	if (web_pages_take(&web->pages, request, reply))
		return;
	find_and_run(&call);
	if (!reply->is_later)
		web_pages_protect(&web->pages, reply);
}

// ---- what happens -------------------------------------------------------------------------------

static void audit_login(void *ctx, const char *user, const char *peer, const char *what)
{
	control_audit(ctx, user, what, json_pack("{s:s}", "peer", peer));
}

// To those who look on; takes data.
static void push(struct web *web, const char *name, json_t *data)
{
	char *text = NULL;

	if (web_server_streams(web->pages.server) > 0)
		text = json_dumps(data, JSON_COMPACT);
	if (text != NULL)
		web_server_push(web->pages.server, name, text);
	free(text);
	json_decref(data);
}

// With what the dataplane says, or without.
static void tell_second(struct web *web)
{
	int64_t now_s = control_now_ns() / NS_PER_S;
	json_t *status;

	if (web->pages.login != NULL)
		web_server_end_streams(web->pages.server, web_login_is_open, web->pages.login);
	status = api_status(web->control);
	if (web_history_take(web->history, status, web->stats, now_s))
		push(web, "history", web_history_json(web->history, now_s - 1, 1));
	push(web, "status", status);
}

static void tell_settled(void *ctx)
{
	const struct control *control = ctx;

	if (control->web != NULL)
		tell_second(control->web);
}

static void tell_when_settled(struct web *web)
{
	if (!settle_wait(web->control->settle, tell_settled, web->control))
		tell_second(web);
}

static void keep_stats(struct web *web, const json_t *stats)
{
	json_decref(web->stats);
	web->stats = NULL;
	// One that has no memory for them says so in their place.
	if (json_object_get(stats, "counters") != NULL)
		web->stats = json_incref((json_t *)(uintptr_t)stats);
}

static gboolean tell_kept(gpointer ctx)
{
	struct web *web = ctx;

	web->telling = 0;
	tell_when_settled(web);
	return G_SOURCE_REMOVE;
}

// In the midst of other work as a rule: of the store, say, whose database must not be asked then, or of the server.
static void take_stats(void *ctx, const json_t *stats)
{
	struct control *control = ctx;
	struct web *web = control->web;

	if (web == NULL)
		return;
	web->is_asking = false;
	keep_stats(web, stats);
	if (web->telling == 0)
		web->telling = g_idle_add_full(G_PRIORITY_DEFAULT, tell_kept, web, NULL);
}

void web_turn(struct web *web)
{
	if (web == NULL)
		return;
	if (web->is_asking || !web->control->link.is_up) {
		keep_stats(web, NULL);
		tell_when_settled(web);
		return;
	}
	web->is_asking = true;
	dataplane_link_ask(&web->control->link, "stats", take_stats, web->control);
}

void web_event(struct web *web, const char *event, const json_t *members)
{
	char time[32];
	json_t *object;
	char *text;

	if (web == NULL)
		return;
	object = json_pack(
		"{s:s, s:s}", "event", event, "time", control_time_text(control_now_ns(), time));
	if (members != NULL)
		(void)json_object_update(object, (json_t *)(uintptr_t)members);
	text = json_dumps(object, JSON_COMPACT);
	web_server_push(web->pages.server, "event", text);
	g_queue_push_head(web->events, text);
	if (g_queue_get_length(web->events) > EVENTS_KEPT)
		free(g_queue_pop_tail(web->events));
	json_decref(object);
}

// ---- start and stop -----------------------------------------------------------------------------

static int start(struct web *web, char *error, size_t error_bytes)
{
	const struct control_options *options = &web->control->options;
	const struct web_login_options login = {.users = options->web.users,
		.is_secure = !options->web.plain,
		.idle_seconds = options->web.idle_seconds,
		.most_seconds = options->web.most_seconds,
		.audit = audit_login,
		.ctx = web->control};
	const struct web_server_options server = {.section = "web",
		.listen = options->web.listen,
		.certificate = options->web.certificate,
		.key = options->web.key,
		.clients = "",
		.allow = options->web.allow,
		.allow_count = options->web.allow_count,
		.per_minute = options->web.per_minute,
		.body_bytes = BODY_BYTES,
		.idle_seconds = IDLE_SECONDS,
		.connections = CONNECTIONS,
		.connections_each = CONNECTIONS_EACH};
	int err = web_pages_read_key(&web->pages, options->web.metrics_key, error, error_bytes);

	if (err == 0 && options->web.users[0] != '\0')
		err = web_login_open(&login, &web->pages.login, error, error_bytes);
	if (err == 0)
		err = web_server_open(&server, take, web, &web->pages.server, error, error_bytes);
	return err;
}

int web_open(struct control *control, struct web **out, char *error, size_t error_bytes)
{
	struct web *web;
	int err;

	if (control->options.web.listen[0] == '\0')
		return 0;
	web = calloc(1, sizeof(*web));
	if (web == NULL)
		return -ENOMEM;
	web->control = control;
	web->history = web_history_new();
	web->events = g_queue_new();
	web->pages.files = web_gateway_files;
	web->pages.is_secure = !control->options.web.plain;
	err = start(web, error, error_bytes);
	if (err != 0)
		web_close(web);
	else
		*out = web;
	return err;
}

void web_close(struct web *web)
{
	if (web == NULL)
		return;
	if (web->telling != 0)
		(void)g_source_remove(web->telling);
	web_pages_close(&web->pages);
	web_history_free(web->history);
	g_queue_free_full(web->events, free);
	json_decref(web->stats);
	free(web);
}
