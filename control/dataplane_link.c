// SPDX-License-Identifier: BSD-3-Clause
#include "control/dataplane_link.h"

#include "dataplane/dataplane.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_SECONDS 2
#define SEAL_SECONDS 5

void dataplane_link_close(struct dataplane_link *link)
{
	if (link->is_open)
		(void)close(link->connection);
	link->is_open = false;
}

static int ask_once(
	struct dataplane_link *link, const char *command, unsigned int seconds, char **answer)
{
	const struct local_question question = {command, -1, seconds};
	int err = local_talk(&question, link->connection, answer, NULL);

	if (err != 0)
		dataplane_link_close(link);
	return err;
}

// By the connection that is there; it may be to a dataplane that has gone since. What is asked may be asked twice.
static int ask_text(struct dataplane_link *link, const struct control_options *options,
	const char *command, unsigned int seconds, char **answer)
{
	int err = link->is_open ? ask_once(link, command, seconds, answer) : -ENOTCONN;

	if (err == 0 || err == -ETIMEDOUT)
		return err;
	err = local_connect(options->dataplane, &link->connection);
	link->is_open = err == 0;
	return err == 0 ? ask_once(link, command, seconds, answer) : err;
}

// Asks, and takes what every answer of the dataplane has. Returns 0, -errno, or -EPROTO with the
// dataplane's own words in why.
static int ask(struct dataplane_link *link, const struct control_options *options,
	const char *command, unsigned int seconds)
{
	char *answer = NULL;
	const char *text;
	json_t *root;
	int err = ask_text(link, options, command, seconds, &answer);

	if (err != 0) {
		char reason[128];

		link->is_up = false;
		(void)snprintf(link->why, sizeof(link->why), "%s: %s", options->dataplane,
			strerror_r(-err, reason, sizeof(reason)));
		return err;
	}
	root = json_loads(answer, 0, NULL);
	free(answer);
	link->is_up = true;
	if (!json_is_true(json_object_get(root, "ok"))) {
		text = json_string_value(json_object_get(root, "error"));
		(void)snprintf(link->why, sizeof(link->why), "%s",
			text != NULL ? text : "an answer that is not understood");
		json_decref(root);
		return -EPROTO;
	}
	link->why[0] = '\0';
	text = json_string_value(json_object_get(root, "ruleset"));
	(void)snprintf(link->ruleset, sizeof(link->ruleset), "%s", text != NULL ? text : "");
	text = json_string_value(json_object_get(root, "screen"));
	(void)snprintf(link->screen, sizeof(link->screen), "%s", text != NULL ? text : "");
	link->screen_entries =
		(uint64_t)json_integer_value(json_object_get(root, "screen_entries"));
	link->seals_generation =
		(uint64_t)json_integer_value(json_object_get(root, "seals_generation"));
	link->wrapped_passed =
		(uint64_t)json_integer_value(json_object_get(root, "wrapped_passed"));
	link->wrapped_dropped =
		(uint64_t)json_integer_value(json_object_get(root, "wrapped_dropped"));
	link->uptime_seconds =
		(uint64_t)json_integer_value(json_object_get(root, "uptime_seconds"));
	json_decref(root);
	return 0;
}

int dataplane_link_look(struct dataplane_link *link, const struct control_options *options)
{
	return ask(link, options, "ping", LOOK_SECONDS);
}

int dataplane_link_seal(struct dataplane_link *link, const struct control_options *options,
	const struct seals *seals)
{
	char *text = seals_text(seals);
	char *command = NULL;
	int err = -ENOMEM;

	if (text != NULL && asprintf(&command, "seals %s", text) > 0)
		err = ask(link, options, command, SEAL_SECONDS);
	free(command);
	free(text);
	if (err == 0 && link->seals_generation != seals_generation(seals)) {
		(void)snprintf(link->why, sizeof(link->why), "the dataplane has other seals");
		err = -EPROTO;
	}
	return err;
}

int dataplane_link_seals(
	struct dataplane_link *link, const struct control_options *options, json_t **out)
{
	char *answer = NULL;
	json_t *root;
	int err = ask_text(link, options, "open-seals", LOOK_SECONDS, &answer);

	if (err != 0)
		return err;
	root = json_loads(answer, JSON_REJECT_DUPLICATES, NULL);
	free(answer);
	if (!json_is_array(json_object_get(root, "seals"))) {
		(void)snprintf(
			link->why, sizeof(link->why), "the dataplane does not tell its seals");
		json_decref(root);
		return -EPROTO;
	}
	*out = root;
	return 0;
}
