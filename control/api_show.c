// SPDX-License-Identifier: BSD-3-Clause
// What is asked to be looked at: what a mail says, and the configuration as it runs.
#include "control/control.h"
#include "control/preview.h"
#include "dataplane/dataplane.h"

#include <stdlib.h>
#include <string.h>

#define PREVIEW_BYTES (8u << 20) // of a message; what is behind is not looked at

// Who reads other people's mail is written down.
static json_t *preview_mail(struct api_call *call)
{
	struct control *control = call->control;
	const char *text = api_text(call->request, "id");
	struct store_message message;
	struct spool_id id;
	char reason[128];
	json_t *answer;
	int err;

	if (control->store == NULL)
		return api_refusal("no buffer is configured (spool.directory)");
	if (spool_id_parse(text, &id) != 0)
		return api_refusal("\"%s\" is not an id", text);
	err = store_read_head(control->store, id, PREVIEW_BYTES, &message);
	if (err != 0)
		return api_refusal("mail %s: %s", text, strerror_r(-err, reason, sizeof(reason)));
	control_audit(control, call->who, "preview", json_pack("{s:s}", "id", text));
	answer = preview_new(message.data, message.bytes);
	if (answer == NULL)
		answer = api_refusal("mail %s cannot be taken apart", text);
	else if (message.bytes == PREVIEW_BYTES)
		(void)json_object_set_new(answer, "cut", json_true());
	store_message_fini(&message);
	return answer;
}

struct showing {
	struct control *control;
	uint64_t client;
};

// One that has refused says so in an object.
static void show_config(void *ctx, const json_t *theirs)
{
	struct showing *showing = ctx;
	char *own = control_options_json(&showing->control->options);
	json_t *control = own != NULL ? json_loads(own, 0, NULL) : NULL;
	json_t *dataplane = json_is_array(theirs) ? json_deep_copy(theirs) : NULL;

	free(own);
	api_answer(showing->control->api, showing->client,
		json_pack("{s:o, s:o}", "control", control != NULL ? control : json_null(),
			"dataplane", dataplane != NULL ? dataplane : json_null()));
	g_free(showing);
}

// Of both processes; the dataplane's is null when it does not answer. NULL: the answer comes then.
static json_t *get_config(struct api_call *call)
{
	struct showing *showing = g_new(struct showing, 1);

	*showing = (struct showing){call->control, call->client};
	dataplane_link_ask(&call->control->link, "config", show_config, showing);
	return NULL;
}

const struct api_command api_show_commands[] = {
	{"mail preview", preview_mail, true},
	{"config", get_config, false},
};
const size_t api_show_commands_count = sizeof(api_show_commands) / sizeof(api_show_commands[0]);
