// SPDX-License-Identifier: BSD-3-Clause
// What is said to gateways, and what they have answered.
#include "control/vendor_call.h"
#include "control/vendor_catalogue.h"
#include "control/vendor_history.h"
#include "control/vendor_journal.h"

#include <errno.h>

// ---- alerts -------------------------------------------------------------------------------------

unsigned int vendor_api_list_alerts(struct vendor_call *call)
{
	char *state = vendor_call_argument(call, "state");
	json_t *list = journal_list(call->server->database,
		vendor_call_number(call, "before", 0, INT64_MAX), vendor_call_page_size(call),
		state);

	g_free(state);
	return vendor_call_page(call, "alerts", list, "number");
}

unsigned int vendor_api_get_alert(struct vendor_call *call)
{
	call->out = journal_get(call->server->database, call->name, true);
	return call->out != NULL ? 200 : vendor_call_refuse(call, 404, "there is no such alert");
}

unsigned int vendor_api_list_deliveries(struct vendor_call *call)
{
	json_t *alert = journal_get(call->server->database, call->name, false);
	char *after = vendor_call_argument(call, "after");
	char *state = vendor_call_argument(call, "state");
	json_t *list = NULL;

	if (alert != NULL)
		list = journal_deliveries(call->server->database,
			json_integer_value(json_object_get(alert, "number")),
			after != NULL ? after : "", vendor_call_page_size(call), state);
	json_decref(alert);
	g_free(after);
	g_free(state);
	return list != NULL ? vendor_call_page(call, "deliveries", list, "gateway")
			    : vendor_call_refuse(call, 404, "there is no such alert");
}

unsigned int vendor_api_get_progress(struct vendor_call *call)
{
	json_t *alert = journal_get(call->server->database, call->name, false);

	if (alert == NULL)
		return vendor_call_refuse(call, 404, "there is no such alert");
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

unsigned int vendor_api_post_alert(struct vendor_call *call)
{
	const struct web_request *request = call->request;
	char digest[ENVELOPE_KEY_ID_BYTES] = "";
	unsigned int status;

	vendor_call_tell(call, "alert", json_pack("{}"));
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

unsigned int vendor_api_retry_alert(struct vendor_call *call)
{
	json_t *alert = journal_get(call->server->database, call->name, false);
	const char *digest = json_string_value(json_object_get(alert, "digest"));
	int64_t count = digest != NULL ? fanout_retry(call->server->fanout, digest) : -ENOENT;

	vendor_call_tell(
		call, "retry", json_pack("{s:s}", "alert", digest != NULL ? digest : call->name));
	copy(call->details, alert);
	json_decref(alert);
	if (digest == NULL)
		return vendor_call_refuse(call, 404, "there is no such alert");
	if (count < 0)
		return vendor_call_refuse(
			call, 409, "it does not hold any more, or was not sent yet");
	call->out = json_pack("{s:I}", "gateways", (json_int_t)count);
	return 200;
}

// ---- receipts and the rest ----------------------------------------------------------------------

unsigned int vendor_api_list_receipts(struct vendor_call *call)
{
	char *gateway = vendor_call_argument(call, "gateway");
	char *digest = vendor_call_argument(call, "alert");
	json_t *list = journal_receipts(call->server->database,
		vendor_call_number(call, "after", 0, INT64_MAX), vendor_call_page_size(call),
		gateway, digest);

	g_free(gateway);
	g_free(digest);
	return vendor_call_page(call, "receipts", list, "number");
}

static void receipt_kept(void *ctx, uint64_t token, bool is_kept)
{
	const struct vendor_server *server = ctx;
	struct web_reply reply = {.status = 204};

	if (!is_kept)
		web_reply_error(&reply, 503, "it cannot be kept now");
	(void)web_server_answer(server->pages.server, token, &reply);
}

// A gateway needs no key of ours: the receipt is signed. It forgets the receipt when it has the answer.
unsigned int vendor_api_post_receipt(struct vendor_call *call)
{
	if (!fanout_receipt(
		    call->server->fanout, "pull", call->request->body, call->request->bytes, NULL))
		return vendor_call_refuse(call, 403, "not a receipt that a gateway has signed");
	fanout_when_kept(call->server->fanout, receipt_kept, call->server, call->request->token);
	return VENDOR_CALL_LATER;
}

unsigned int vendor_api_list_history(struct vendor_call *call)
{
	char *search = vendor_call_argument(call, "search");
	json_t *list = history_list(call->server->database,
		vendor_call_number(call, "before", 0, INT64_MAX), vendor_call_page_size(call),
		search);

	g_free(search);
	return vendor_call_page(call, "history", list, "number");
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

unsigned int vendor_api_get_status(struct vendor_call *call)
{
	const struct alerts_root *root = &call->server->root;

	call->out = vendor_server_status(call->server);
	(void)json_object_set_new(call->out, "vendor", json_string(root->vendor));
	(void)json_object_set_new(
		call->out, "root_version", json_integer((json_int_t)root->version));
	(void)json_object_set_new(
		call->out, "root_expires", json_integer(keys_expires(root->keys)));
	(void)json_object_set_new(call->out, "roles", describe_roles(call->server));
	return 200;
}

unsigned int vendor_api_get_catalogue(struct vendor_call *call)
{
	const char *folder = call->server->options.publish.signatures;

	if (folder[0] == '\0')
		return vendor_call_refuse(call, 404, "publish.signatures is not configured");
	return vendor_catalogue_read(folder, &call->out, call->why, sizeof(call->why)) == 0 ? 200
											    : 500;
}
