// SPDX-License-Identifier: BSD-3-Clause
#include "control/ctl_ask.h"

#include "control/ctl.h"
#include "dataplane/dataplane.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *ctl_text(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text != NULL ? text : "";
}

void ctl_print_answer(json_t *answer)
{
	(void)json_dumpf(answer, stdout, JSON_COMPACT);
	(void)printf("\n");
	json_decref(answer);
}

static int ask(const char *socket_path, json_t *request, int passed, unsigned int seconds,
	json_t **out, int *file)
{
	char *text = json_dumps(request, JSON_COMPACT);
	const struct local_question question = {text, passed, seconds};
	char *answer = NULL;
	char reason[128];
	json_t *root;
	int err = -ENOMEM;

	json_decref(request);
	if (text != NULL && seconds > CTL_ASK_SECONDS)
		err = local_ask_alive(socket_path, &question, "{\"command\":\"status\"}",
			CTL_ASK_SECONDS, &answer);
	else if (text != NULL)
		err = local_ask(socket_path, text, passed, seconds, &answer, file);
	free(text);
	if (err != 0) {
		(void)fprintf(stderr, "cordonctl: cordon-control does not answer at %s: %s\n",
			socket_path, strerror_r(-err, reason, sizeof(reason)));
		return CTL_ERROR;
	}
	root = json_loads(answer, 0, NULL);
	free(answer);
	if (!json_is_object(root) || json_object_get(root, "error") != NULL) {
		(void)fprintf(stderr, "cordonctl: refused: %s\n",
			root != NULL ? ctl_text(root, "error") : "the answer is not JSON");
		json_decref(root);
		return CTL_FOUND;
	}
	*out = root;
	return CTL_OK;
}

int ctl_ask(const char *socket_path, json_t *request, unsigned int seconds, json_t **out)
{
	return ask(socket_path, request, -1, seconds, out, NULL);
}

int ctl_ask_file(const char *socket_path, json_t *request, json_t **out, int *file)
{
	*file = -1;
	return ask(socket_path, request, -1, CTL_ASK_SECONDS, out, file);
}

int ctl_ask_long(const char *socket_path, json_t *request, int passed, json_t **out)
{
	return ask(socket_path, request, passed, CTL_ASK_LONG_SECONDS, out, NULL);
}

int ctl_ask_with(const char *socket_path, json_t *request, int passed, json_t **out)
{
	return ask(socket_path, request, passed, CTL_ASK_SECONDS, out, NULL);
}
