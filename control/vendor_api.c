// SPDX-License-Identifier: BSD-3-Clause
// The REST interface: docs/vendor-api.md is its reference. One table of paths; who may ask is looked at
// before anything else of a request.
#include "control/clock.h"
#include "control/vendor_call.h"
#include "control/vendor_console.h"
#include "control/vendor_registry.h"

#include <stdlib.h>
#include <string.h>

enum right { RIGHT_NONE, RIGHT_READ, RIGHT_WRITE };

static const struct route {
	const char *method;
	const char *path; // * is one part
	unsigned int (*run)(struct vendor_call *call);
	enum right right;
	const char *what; // for the history, when it is refused at once
} routes[] = {
	{"GET", "/v1/status", vendor_api_get_status, RIGHT_READ, NULL},
	{"GET", "/v1/gateways", vendor_api_list_gateways, RIGHT_READ, NULL},
	{"GET", "/v1/gateways/*", vendor_api_get_gateway, RIGHT_READ, NULL},
	{"PUT", "/v1/gateways/*", vendor_api_put_gateway, RIGHT_WRITE, "gateway changed"},
	{"DELETE", "/v1/gateways/*", vendor_api_delete_gateway, RIGHT_WRITE, "gateway removed"},
	{"GET", "/v1/tokens", vendor_api_list_tokens, RIGHT_READ, NULL},
	{"POST", "/v1/tokens", vendor_api_make_token, RIGHT_WRITE, "token made"},
	{"POST", "/v1/enrol", vendor_api_enrol, RIGHT_NONE, NULL},
	{"GET", "/v1/alerts", vendor_api_list_alerts, RIGHT_READ, NULL},
	{"POST", "/v1/alerts", vendor_api_post_alert, RIGHT_WRITE, "alert"},
	{"GET", "/v1/alerts/*", vendor_api_get_alert, RIGHT_READ, NULL},
	{"POST", "/v1/alerts/*/retry", vendor_api_retry_alert, RIGHT_WRITE, "retry"},
	{"GET", "/v1/alerts/*/deliveries", vendor_api_list_deliveries, RIGHT_READ, NULL},
	{"GET", "/v1/alerts/*/progress", vendor_api_get_progress, RIGHT_READ, NULL},
	{"GET", "/v1/history", vendor_api_list_history, RIGHT_READ, NULL},
	{"GET", "/v1/receipts", vendor_api_list_receipts, RIGHT_READ, NULL},
	{"POST", "/v1/receipts", vendor_api_post_receipt, RIGHT_NONE, NULL},
	{"GET", "/v1/catalogue", vendor_api_get_catalogue, RIGHT_READ, NULL},
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

static unsigned int check_right(struct vendor_call *call, enum right right, char **who)
{
	struct web_login *login = call->server->pages.login;
	const struct web_session *session = NULL;
	bool writes = false;

	if (right == RIGHT_NONE)
		return 0;
	if (call->request->bearer[0] != '\0')
		*who = registry_apikey_find(call->server->database, call->request->bearer, &writes);
	else if (login != NULL)
		session = web_login_find(login, call->request, control_steady_ns());
	call->via = session != NULL ? "page" : "key";
	if (session != NULL) {
		*who = strdup(session->user);
		writes = session->role == WEB_OPERATOR;
	}
	if (*who == NULL)
		return vendor_call_refuse(call, 401, "needs a key: Authorization: Bearer KEY");
	if (right == RIGHT_WRITE && !writes)
		return vendor_call_refuse(call, 403,
			session != NULL ? "you may look, but not act" : "this key may only read");
	return 0;
}

static unsigned int run(struct vendor_call *call, const struct route *route)
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
			status = vendor_call_refuse(call, 400, "the body must be a JSON object");
	}
	if (status == 0)
		status = route->run(call);
	if (call->what == NULL && route->right == RIGHT_WRITE && who != NULL)
		vendor_call_tell(call, route->what, json_pack("{s:s*}", "id", call->name));
	if (call->what != NULL)
		vendor_call_audit(call, status);
	json_decref(call->details);
	json_decref(call->body);
	free(who);
	return status;
}

static unsigned int find_and_run(struct vendor_call *call, struct web_reply *reply)
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
	return reply->allow != NULL ? vendor_call_refuse(call, 405, "this path has other methods")
				    : vendor_call_refuse(call, 404, "there is no such path");
}

void vendor_api_answer(void *ctx, const struct web_request *request, struct web_reply *reply)
{
	struct vendor_call call = {.server = ctx, .request = request, .who = ""};
	const char *trouble;

	if (strcmp(request->path, "/feed") == 0 && strcmp(request->method, "GET") == 0) {
		vendor_feed_answer(call.server->feed, request, reply);
		return;
	}
	if (vendor_console_take(call.server, request, reply))
		return;
	(void)database_was_locked(call.server->database);
	(void)database_trouble(call.server->database);
	reply->status = find_and_run(&call, reply);
	if (reply->status == VENDOR_CALL_LATER) {
		reply->is_later = true;
		return;
	}
	// What was not found may be there, and what was refused may be good.
	if (database_was_locked(call.server->database) &&
		(reply->status >= 300 || strcmp(request->method, "GET") == 0))
		reply->status = vendor_call_refuse(&call, 503, DATABASE_LOCKED);
	trouble = database_trouble(call.server->database);
	if (reply->status == 500 && trouble != NULL)
		reply->status = vendor_call_refuse(&call, 503, trouble);
	if (reply->status >= 300) {
		json_decref(call.out);
		call.out = json_pack("{s:s}", "error", call.why);
	}
	if (call.out != NULL && reply->status != 204)
		reply->body = json_dumps(call.out, JSON_COMPACT);
	json_decref(call.out);
}
