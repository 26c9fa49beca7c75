// SPDX-License-Identifier: BSD-3-Clause
#include "control/vendor_call.h"

#include "control/vendor_history.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_S 1000000000
#define PAGE 100
#define PAGE_MOST 1000

int64_t vendor_call_now_s(void)
{
	return control_now_ns() / NS_PER_S;
}

unsigned int vendor_call_refuse(struct vendor_call *call, unsigned int status, const char *why)
{
	(void)snprintf(call->why, sizeof(call->why), "%s", why);
	return status;
}

char *vendor_call_argument(const struct vendor_call *call, const char *name)
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

int64_t vendor_call_number(
	const struct vendor_call *call, const char *name, int64_t otherwise, int64_t most)
{
	char *text = vendor_call_argument(call, name);
	int64_t value = text != NULL ? g_ascii_strtoll(text, NULL, 10) : otherwise;

	g_free(text);
	return value < 0 || value > most ? most : value;
}

unsigned int vendor_call_page_size(const struct vendor_call *call)
{
	unsigned int most = (unsigned int)vendor_call_number(call, "limit", PAGE, PAGE_MOST);

	return most > 0 ? most : 1;
}

unsigned int vendor_call_page(
	struct vendor_call *call, const char *what, json_t *list, const char *next)
{
	size_t count = json_array_size(list);
	json_t *last = count > 0 ? json_array_get(list, count - 1) : NULL;

	call->out = json_pack("{s:O}", what, list);
	if (count == vendor_call_page_size(call))
		(void)json_object_set(call->out, "next", json_object_get(last, next));
	json_decref(list);
	return 200;
}

void vendor_call_tell(struct vendor_call *call, const char *what, json_t *details)
{
	json_decref(call->details);
	call->what = what;
	call->details = details;
}

void vendor_call_audit(const struct vendor_call *call, unsigned int status)
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

unsigned int vendor_call_status_of(struct vendor_call *call, int err, unsigned int good)
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
		return vendor_call_refuse(call, 404, "there is none of that name");
	default:
		return vendor_call_refuse(call, 500, "it cannot be kept");
	}
}
