// SPDX-License-Identifier: BSD-3-Clause
// The REST interface: docs/vendor-api.md is its reference. One table of paths; who may ask is looked at
// before anything else of a request.
#include "control/vendor_catalogue.h"
#include "control/vendor_console.h"
#include "control/vendor_history.h"
#include "control/vendor_journal.h"
#include "control/vendor_registry.h"
#include "control/vendor_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000
#define PAGE 100
#define PAGE_MOST 1000
#define TOKEN_SECONDS 86400
#define TOKEN_SECONDS_MOST 7776000 // ninety days

enum right { RIGHT_NONE, RIGHT_READ, RIGHT_WRITE };

struct call {
	struct vendor_server *server;
	const struct web_request *request;
	json_t *body;     // of a POST or PUT, an object
	const char *name; // what stands for * in the path
	const char *who;  // whose key it is
	const char *via;  // "key", "page" or "token"
	json_t *out;      // the answer
	const char *what; // was done, or asked for: the history's
	json_t *details;
	char why[VENDOR_WHY_BYTES];
};

// ---- small things -------------------------------------------------------------------------------

static int64_t now_s(void)
{
	return control_now_ns() / NS_PER_S;
}

static unsigned int refuse(struct call *call, unsigned int status, const char *why)
{
	(void)snprintf(call->why, sizeof(call->why), "%s", why);
	return status;
}

// A value of the query, the caller's; NULL: it is not there.
static char *argument(const struct call *call, const char *name)
{
	char **pairs = g_strsplit(call->request->query, "&", -1);
	size_t length = strlen(name);
	char *found = NULL;

	for (size_t i = 0; pairs[i] != NULL && found == NULL; i++) {
		if (strncmp(pairs[i], name, length) == 0 && pairs[i][length] == '=')
			found = g_strdup(pairs[i] + length + 1);
	}
	g_strfreev(pairs);
	return found;
}

static int64_t number(const struct call *call, const char *name, int64_t otherwise, int64_t most)
{
	char *text = argument(call, name);
	int64_t value = text != NULL ? g_ascii_strtoll(text, NULL, 10) : otherwise;

	g_free(text);
	return value < 0 || value > most ? most : value;
}

static unsigned int page_size(const struct call *call)
{
	unsigned int most = (unsigned int)number(call, "limit", PAGE, PAGE_MOST);

	return most > 0 ? most : 1;
}

// A list and, when there may be more, what the next page is asked with: a member of its last entry.
static unsigned int page(struct call *call, const char *what, json_t *list, const char *next)
{
	size_t count = json_array_size(list);
	json_t *last = count > 0 ? json_array_get(list, count - 1) : NULL;

	call->out = json_pack("{s:O}", what, list);
	if (count == page_size(call))
		(void)json_object_set(call->out, "next", json_object_get(last, next));
	json_decref(list);
	return 200;
}

// What the history says of the call, also when it is refused in the end.
static void tell(struct call *call, const char *what, json_t *details)
{
	json_decref(call->details);
	call->what = what;
	call->details = details;
}

static void audit(const struct call *call, unsigned int status)
{
	const struct history_entry entry = {.who = call->who,
		.via = call->via,
		.peer = call->request->peer,
		.what = call->what,
		.why = status >= 300 ? call->why : "",
		.status = status,
		.details = call->details};
	json_t *members;

	if (history_add(call->server->database, &entry) != 0)
		control_events_write(call->server->events, "fault",
			json_pack("{s:s, s:s}", "what", "history", "why", "it could not be kept"));
	if (status >= 300)
		return;
	members = json_deep_copy(call->details);
	(void)json_object_set_new(members, "who", json_string(call->who));
	(void)json_object_set_new(members, "what", json_string(call->what));
	control_events_write(call->server->events, "audit", members);
}

static unsigned int status_of(struct call *call, int err, unsigned int good)
{
	switch (err) {
	case 0:
		return good;
	case -EINVAL:
		return 422;
	case -EACCES:
		return 403;
	case -EEXIST:
		return 409;
	case -ENOENT:
		return refuse(call, 404, "there is none of that name");
	default:
		return refuse(call, 500, "it cannot be kept");
	}
}

// ---- gateways -----------------------------------------------------------------------------------

static void describe_tries(const struct call *call, json_t *gateway)
{
	fanout_describe(
		call->server->fanout, json_string_value(json_object_get(gateway, "id")), gateway);
}

static unsigned int list_gateways(struct call *call)
{
	char *after = argument(call, "after");
	char *group = argument(call, "group");
	char *search = argument(call, "search");
	char *state = argument(call, "state");
	const struct registry_filter filter = {.after = after != NULL ? after : "",
		.group = group,
		.search = search,
		.state = state,
		.silent_s = now_s() - REGISTRY_SILENT_SECONDS,
		.most = page_size(call)};
	int64_t total = 0;
	json_t *list = registry_find(call->server->database, &filter, &total);
	unsigned int status;
	json_t *gateway;
	size_t i;

	json_array_foreach(list, i, gateway)
	{
		describe_tries(call, gateway);
	}
	g_free(after);
	g_free(group);
	g_free(search);
	g_free(state);
	status = page(call, "gateways", list, "id");
	(void)json_object_set_new(call->out, "total", json_integer(total));
	return status;
}

static unsigned int get_gateway(struct call *call)
{
	call->out = registry_get(call->server->database, call->name);
	if (call->out == NULL)
		return refuse(call, 404, "there is no such gateway");
	describe_tries(call, call->out);
	return 200;
}

static unsigned int tell_fanout(struct call *call, const char *id, unsigned int status)
{
	json_t *gateway = registry_get(call->server->database, id);
	int err = gateway != NULL ? fanout_gateway(call->server->fanout, gateway) : -EIO;

	if (err == 0)
		err = database_flush(call->server->database);
	call->out = gateway;
	return status_of(call, err, status);
}

static unsigned int put_gateway(struct call *call)
{
	json_t *old = registry_get(call->server->database, call->name);
	unsigned int good = old != NULL ? 200 : 201;
	unsigned int status;

	json_decref(old);
	tell(call, good == 201 ? "gateway added" : "gateway changed",
		json_pack("{s:s}", "id", call->name));
	(void)json_object_set_new(call->body, "id", json_string(call->name));
	status = status_of(call,
		registry_put(
			call->server->database, call->body, now_s(), call->why, sizeof(call->why)),
		good);
	if (status >= 300)
		return status;
	return tell_fanout(call, call->name, status);
}

static unsigned int delete_gateway(struct call *call)
{
	unsigned int status;

	tell(call, "gateway removed", json_pack("{s:s}", "id", call->name));
	status = status_of(call, registry_remove(call->server->database, call->name), 204);
	if (status == 204)
		fanout_forget(call->server->fanout, call->name);
	return status;
}

// ---- enrolment ----------------------------------------------------------------------------------

static unsigned int list_tokens(struct call *call)
{
	call->out = json_pack(
		"{s:o}", "tokens", registry_tokens(call->server->database, page_size(call)));
	return 200;
}

static unsigned int make_token(struct call *call)
{
	const json_t *groups = json_object_get(call->body, "groups");
	const char *gateway = json_string_value(json_object_get(call->body, "gateway"));
	const json_t *given = json_object_get(call->body, "seconds");
	json_int_t seconds = given != NULL ? json_integer_value(given) : TOKEN_SECONDS;
	char token[REGISTRY_SECRET_BYTES];
	int err;

	tell(call, "token made", json_pack("{s:s*, s:O*}", "gateway", gateway, "groups", groups));
	if (seconds < 1 || seconds > TOKEN_SECONDS_MOST)
		return refuse(call, 422, "seconds: must be 1 to 7776000");
	if (groups != NULL && !json_is_array(groups))
		return refuse(call, 422, "groups: must be a list of names");
	err = registry_token_make(
		call->server->database, gateway, groups, now_s(), now_s() + seconds, token);
	if (err == 0)
		call->out = json_pack(
			"{s:s, s:I}", "token", token, "expires", (json_int_t)(now_s() + seconds));
	return status_of(call, err, 201);
}

static unsigned int enrol(struct call *call)
{
	const char *id = json_string_value(json_object_get(call->body, "id"));
	unsigned int status = status_of(call,
		registry_enrol(
			call->server->database, call->body, now_s(), call->why, sizeof(call->why)),
		201);

	if (status != 201)
		return status;
	call->who = id;
	call->via = "token";
	tell(call, "gateway enrolled", json_pack("{s:s}", "id", id));
	status = tell_fanout(call, id, 201);
	if (status == 201) {
		// What it needs to trust this vendor; it has to know that it is the right one.
		(void)json_object_set_new(call->out, "root", json_string(call->server->root_text));
		(void)json_object_set_new(
			call->out, "vendor", json_string(call->server->root.vendor));
	}
	return status;
}

// ---- alerts -------------------------------------------------------------------------------------

static unsigned int list_alerts(struct call *call)
{
	char *state = argument(call, "state");
	json_t *list = journal_list(call->server->database, number(call, "before", 0, INT64_MAX),
		page_size(call), state);

	g_free(state);
	return page(call, "alerts", list, "number");
}

static unsigned int get_alert(struct call *call)
{
	call->out = journal_get(call->server->database, call->name, true);
	return call->out != NULL ? 200 : refuse(call, 404, "there is no such alert");
}

static unsigned int list_deliveries(struct call *call)
{
	json_t *alert = journal_get(call->server->database, call->name, false);
	char *after = argument(call, "after");
	char *state = argument(call, "state");
	json_t *list = NULL;

	if (alert != NULL)
		list = journal_deliveries(call->server->database,
			json_integer_value(json_object_get(alert, "number")),
			after != NULL ? after : "", page_size(call), state);
	json_decref(alert);
	g_free(after);
	g_free(state);
	return list != NULL ? page(call, "deliveries", list, "gateway")
			    : refuse(call, 404, "there is no such alert");
}

static unsigned int get_progress(struct call *call)
{
	json_t *alert = journal_get(call->server->database, call->name, false);

	if (alert == NULL)
		return refuse(call, 404, "there is no such alert");
	call->out = journal_progress(
		call->server->database, json_integer_value(json_object_get(alert, "number")));
	json_decref(alert);
	return 200;
}

// What the history says of an alert, of an order or of what was made of it.
static void copy(json_t *details, const json_t *from)
{
	static const char *const names[] = {"type", "virus_id", "target"};

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		json_t *value = json_object_get(from, names[i]);

		if (json_is_string(value))
			(void)json_object_set(details, names[i], value);
	}
}

static unsigned int post_alert(struct call *call)
{
	const struct web_request *request = call->request;
	char digest[ENVELOPE_KEY_ID_BYTES] = "";
	unsigned int status;

	tell(call, "alert", json_pack("{}"));
	copy(call->details, call->body);
	if (json_object_get(call->body, "payloadType") != NULL)
		status = vendor_server_take(call->server, request->body, request->bytes, digest,
			call->why, sizeof(call->why));
	else
		status = vendor_server_make(
			call->server, call->body, digest, call->why, sizeof(call->why));
	if (status >= 300)
		return status;
	call->out = journal_get(call->server->database, digest, true);
	copy(call->details, call->out);
	(void)json_object_set_new(call->details, "alert", json_string(digest));
	return status;
}

// ---- receipts and the rest ----------------------------------------------------------------------

static unsigned int list_receipts(struct call *call)
{
	char *gateway = argument(call, "gateway");
	char *digest = argument(call, "alert");
	json_t *list = journal_receipts(call->server->database, number(call, "after", 0, INT64_MAX),
		page_size(call), gateway, digest);

	g_free(gateway);
	g_free(digest);
	return page(call, "receipts", list, "number");
}

// A gateway needs no key of ours: the receipt is signed.
static unsigned int post_receipt(struct call *call)
{
	if (!fanout_receipt(
		    call->server->fanout, "pull", call->request->body, call->request->bytes, NULL))
		return refuse(call, 403, "not a receipt that a gateway has signed");
	return 204;
}

static unsigned int list_history(struct call *call)
{
	char *search = argument(call, "search");
	json_t *list = history_list(call->server->database, number(call, "before", 0, INT64_MAX),
		page_size(call), search);

	g_free(search);
	return page(call, "history", list, "number");
}

// How many signatures each role asks for, and how many of them can be made here.
static json_t *describe_roles(const struct vendor_server *server)
{
	json_t *roles = json_object();

	for (enum key_role role = ROLE_ROOT; role < ROLES; role++) {
		int here = 0;

		for (size_t i = 0; i < server->signers.count; i++)
			here += server->may_sign[i][role] ? 1 : 0;
		(void)json_object_set_new(roles, key_role_name(role),
			json_pack("{s:i, s:i}", "threshold",
				(int)keys_threshold(server->root.keys, role), "here", here));
	}
	return roles;
}

static unsigned int get_status(struct call *call)
{
	const struct alerts_root *root = &call->server->root;

	call->out = fanout_status(call->server->fanout);
	(void)json_object_set_new(call->out, "vendor", json_string(root->vendor));
	(void)json_object_set_new(
		call->out, "root_version", json_integer((json_int_t)root->version));
	(void)json_object_set_new(
		call->out, "root_expires", json_integer(keys_expires(root->keys)));
	(void)json_object_set_new(call->out, "roles", describe_roles(call->server));
	return 200;
}

static unsigned int get_catalogue(struct call *call)
{
	const char *folder = call->server->options.publish.signatures;

	if (folder[0] == '\0')
		return refuse(call, 404, "publish.signatures is not configured");
	return vendor_catalogue_read(folder, &call->out, call->why, sizeof(call->why)) == 0 ? 200
											    : 500;
}

// ---- the table ----------------------------------------------------------------------------------

static const struct route {
	const char *method;
	const char *path; // * is one part
	unsigned int (*run)(struct call *call);
	enum right right;
	const char *what; // for the history, when it is refused at once
} routes[] = {
	{"GET", "/v1/status", get_status, RIGHT_READ, NULL},
	{"GET", "/v1/gateways", list_gateways, RIGHT_READ, NULL},
	{"GET", "/v1/gateways/*", get_gateway, RIGHT_READ, NULL},
	{"PUT", "/v1/gateways/*", put_gateway, RIGHT_WRITE, "gateway changed"},
	{"DELETE", "/v1/gateways/*", delete_gateway, RIGHT_WRITE, "gateway removed"},
	{"GET", "/v1/tokens", list_tokens, RIGHT_READ, NULL},
	{"POST", "/v1/tokens", make_token, RIGHT_WRITE, "token made"},
	{"POST", "/v1/enrol", enrol, RIGHT_NONE, NULL},
	{"GET", "/v1/alerts", list_alerts, RIGHT_READ, NULL},
	{"POST", "/v1/alerts", post_alert, RIGHT_WRITE, "alert"},
	{"GET", "/v1/alerts/*", get_alert, RIGHT_READ, NULL},
	{"GET", "/v1/alerts/*/deliveries", list_deliveries, RIGHT_READ, NULL},
	{"GET", "/v1/alerts/*/progress", get_progress, RIGHT_READ, NULL},
	{"GET", "/v1/history", list_history, RIGHT_READ, NULL},
	{"GET", "/v1/receipts", list_receipts, RIGHT_READ, NULL},
	{"POST", "/v1/receipts", post_receipt, RIGHT_NONE, NULL},
	{"GET", "/v1/catalogue", get_catalogue, RIGHT_READ, NULL},
};

// What stands for * goes to name, the caller's.
static bool is_path(const char *pattern, const char *path, char **name)
{
	const char *star = strchr(pattern, '*');
	size_t before = star != NULL ? (size_t)(star - pattern) : strlen(pattern);
	size_t part;

	if (star == NULL)
		return strcmp(pattern, path) == 0;
	if (strncmp(pattern, path, before) != 0)
		return false;
	part = strcspn(path + before, "/");
	if (part == 0 || strcmp(star + 1, path + before + part) != 0)
		return false;
	*name = g_strndup(path + before, part);
	return true;
}

static unsigned int check_right(struct call *call, enum right right, char **who)
{
	struct web_login *login = call->server->pages.login;
	const struct web_session *session = NULL;
	bool writes = false;

	if (right == RIGHT_NONE)
		return 0;
	if (call->request->bearer[0] != '\0')
		*who = registry_apikey_find(call->server->database, call->request->bearer, &writes);
	else if (login != NULL)
		session = web_login_find(login, call->request, control_now_ns());
	call->via = session != NULL ? "page" : "key";
	if (session != NULL) {
		*who = strdup(session->user);
		writes = session->role == WEB_OPERATOR;
	}
	if (*who == NULL)
		return refuse(call, 401, "needs a key: Authorization: Bearer KEY");
	if (right == RIGHT_WRITE && !writes)
		return refuse(call, 403,
			session != NULL ? "you may look, but not act" : "this key may only read");
	return 0;
}

static unsigned int run(struct call *call, const struct route *route)
{
	const struct web_request *request = call->request;
	bool has_body = strcmp(request->method, "POST") == 0 || strcmp(request->method, "PUT") == 0;
	char *who = NULL;
	unsigned int status = check_right(call, route->right, &who);

	if (who != NULL)
		call->who = who;
	if (status == 0 && has_body) {
		call->body =
			json_loadb(request->body, request->bytes, JSON_REJECT_DUPLICATES, NULL);
		if (!json_is_object(call->body))
			status = refuse(call, 400, "the body must be a JSON object");
	}
	if (status == 0)
		status = route->run(call);
	if (call->what == NULL && route->right == RIGHT_WRITE && who != NULL)
		tell(call, route->what, json_pack("{s:s*}", "id", call->name));
	if (call->what != NULL)
		audit(call, status);
	json_decref(call->details);
	json_decref(call->body);
	free(who);
	return status;
}

static unsigned int find_and_run(struct call *call, struct web_reply *reply)
{
	static const char *const methods[] = {"GET", "POST", "PUT", "DELETE"};
	const struct web_request *request = call->request;
	char *name = NULL;
	unsigned int status;

	for (size_t i = 0; i < G_N_ELEMENTS(routes); i++) {
		if (!is_path(routes[i].path, request->path, &name))
			continue;
		call->name = name;
		if (strcmp(routes[i].method, request->method) == 0) {
			status = run(call, &routes[i]);
			g_free(name);
			return status;
		}
		g_clear_pointer(&name, g_free);
		for (size_t k = 0; k < G_N_ELEMENTS(methods); k++)
			reply->allow = strcmp(routes[i].method, methods[k]) == 0 ? methods[k]
										 : reply->allow;
	}
	return reply->allow != NULL ? refuse(call, 405, "this path has other methods")
				    : refuse(call, 404, "there is no such path");
}

void vendor_api_answer(void *ctx, const struct web_request *request, struct web_reply *reply)
{
	struct call call = {.server = ctx, .request = request, .who = ""};

	if (strcmp(request->path, "/feed") == 0 && strcmp(request->method, "GET") == 0) {
		vendor_feed_answer(call.server->feed, request, reply);
		return;
	}
	if (vendor_console_take(call.server, request, reply))
		return;
	reply->status = find_and_run(&call, reply);
	if (reply->status >= 300) {
		json_decref(call.out);
		call.out = json_pack("{s:s}", "error", call.why);
	}
	if (call.out != NULL && reply->status != 204)
		reply->body = json_dumps(call.out, JSON_COMPACT);
	json_decref(call.out);
}
