// SPDX-License-Identifier: BSD-3-Clause
// Gateways, and how they come in.
#include "control/vendor_call.h"
#include "control/vendor_registry.h"

#include <errno.h>

#define TOKEN_SECONDS 86400
#define TOKEN_SECONDS_MOST 7776000 // ninety days

// ---- gateways -----------------------------------------------------------------------------------

static void describe_tries(const struct vendor_call *call, json_t *gateway)
{
	fanout_describe(
		call->server->fanout, json_string_value(json_object_get(gateway, "id")), gateway);
}

unsigned int vendor_api_list_gateways(struct vendor_call *call)
{
	char *after = vendor_call_argument(call, "after");
	char *group = vendor_call_argument(call, "group");
	char *search = vendor_call_argument(call, "search");
	char *state = vendor_call_argument(call, "state");
	const struct registry_filter filter = {.after = after != NULL ? after : "",
		.group = group,
		.search = search,
		.state = state,
		.silent_s = vendor_call_now_s() - REGISTRY_SILENT_SECONDS,
		.most = vendor_call_page_size(call)};
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
	status = vendor_call_page(call, "gateways", list, "id");
	(void)json_object_set_new(call->out, "total", json_integer(total));
	return status;
}

unsigned int vendor_api_get_gateway(struct vendor_call *call)
{
	call->out = registry_get(call->server->database, call->name);
	if (call->out == NULL)
		return vendor_call_refuse(call, 404, "there is no such gateway");
	describe_tries(call, call->out);
	return 200;
}

static unsigned int tell_fanout(struct vendor_call *call, const char *id, unsigned int status)
{
	json_t *gateway = registry_get(call->server->database, id);
	int err = gateway != NULL ? fanout_gateway(call->server->fanout, gateway) : -EIO;

	if (err == 0)
		err = database_flush(call->server->database);
	call->out = gateway;
	return vendor_call_status_of(call, err, status);
}

unsigned int vendor_api_put_gateway(struct vendor_call *call)
{
	json_t *old = registry_get(call->server->database, call->name);
	unsigned int good = old != NULL ? 200 : 201;
	unsigned int status;

	json_decref(old);
	vendor_call_tell(call, good == 201 ? "gateway added" : "gateway changed",
		json_pack("{s:s}", "id", call->name));
	(void)json_object_set_new(call->body, "id", json_string(call->name));
	status = vendor_call_status_of(call,
		registry_put(call->server->database, call->body, vendor_call_now_s(), call->why,
			sizeof(call->why)),
		good);
	if (status >= 300)
		return status;
	return tell_fanout(call, call->name, status);
}

unsigned int vendor_api_delete_gateway(struct vendor_call *call)
{
	unsigned int status;

	vendor_call_tell(call, "gateway removed", json_pack("{s:s}", "id", call->name));
	status = vendor_call_status_of(
		call, registry_remove(call->server->database, call->name), 204);
	if (status == 204)
		fanout_forget(call->server->fanout, call->name);
	return status;
}

// ---- enrolment ----------------------------------------------------------------------------------

unsigned int vendor_api_list_tokens(struct vendor_call *call)
{
	call->out = json_pack("{s:o}", "tokens",
		registry_tokens(call->server->database, vendor_call_page_size(call)));
	return 200;
}

unsigned int vendor_api_make_token(struct vendor_call *call)
{
	const json_t *groups = json_object_get(call->body, "groups");
	const char *gateway = json_string_value(json_object_get(call->body, "gateway"));
	const json_t *given = json_object_get(call->body, "seconds");
	json_int_t seconds = given != NULL ? json_integer_value(given) : TOKEN_SECONDS;
	char token[REGISTRY_SECRET_BYTES];
	int err;

	vendor_call_tell(call, "token made",
		json_pack("{s:s*, s:O*}", "gateway", gateway, "groups", groups));
	if (seconds < 1 || seconds > TOKEN_SECONDS_MOST)
		return vendor_call_refuse(call, 422, "seconds: must be 1 to 7776000");
	if (groups != NULL && !json_is_array(groups))
		return vendor_call_refuse(call, 422, "groups: must be a list of names");
	err = registry_token_make(call->server->database, gateway, groups, vendor_call_now_s(),
		vendor_call_now_s() + seconds, token);
	if (err == 0)
		call->out = json_pack("{s:s, s:I}", "token", token, "expires",
			(json_int_t)(vendor_call_now_s() + seconds));
	return vendor_call_status_of(call, err, 201);
}

unsigned int vendor_api_enrol(struct vendor_call *call)
{
	const char *id = json_string_value(json_object_get(call->body, "id"));
	unsigned int status = vendor_call_status_of(call,
		registry_enrol(call->server->database, call->body, vendor_call_now_s(), call->why,
			sizeof(call->why)),
		201);

	if (status != 201)
		return status;
	call->who = id;
	call->via = "token";
	vendor_call_tell(call, "gateway enrolled", json_pack("{s:s}", "id", id));
	status = tell_fanout(call, id, 201);
	if (status == 201) {
		// What it needs to trust this vendor; it has to know that it is the right one.
		(void)json_object_set_new(call->out, "root", json_string(call->server->root_text));
		(void)json_object_set_new(
			call->out, "vendor", json_string(call->server->root.vendor));
	}
	return status;
}
