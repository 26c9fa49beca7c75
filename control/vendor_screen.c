// SPDX-License-Identifier: BSD-3-Clause
// cordon-vendor screen: the checksums of a sample, for an alert of the type screen.
#include "control/alert_body.h"
#include "control/vendor.h"
#include "dataplane/dataplane.h"
#include "scan/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct screen_command {
	char *virus_id;
	char *name;
	char *action;
	char *algorithms;
	char *output;
	char **kinds;
	gboolean is_message;
};

static int read_algorithms(const char *list, unsigned int *out)
{
	static const struct {
		const char *name;
		unsigned int bit;
	} known[] = {{"md5", DIGEST_MD5}, {"sha1", DIGEST_SHA1}, {"sha256", DIGEST_SHA256}};
	char **names = g_strsplit(list, ",", 0);
	int err = 0;

	*out = 0;
	for (size_t i = 0; names[i] != NULL; i++) {
		size_t k = 0;

		while (k < G_N_ELEMENTS(known) && strcmp(known[k].name, names[i]) != 0)
			k++;
		if (k == G_N_ELEMENTS(known))
			err = vendor_cli_fail("screen", "--algorithms: md5, sha1 or sha256");
		else
			*out |= known[k].bit;
	}
	g_strfreev(names);
	return err;
}

static bool is_wanted(const struct screen_command *command, enum screen_kind kind)
{
	return command->kinds == NULL ||
	       g_strv_contains((const gchar *const *)command->kinds, screen_kind_name(kind));
}

static int add_sample(const struct screen_command *command, const char *path,
	const struct screen_sample_options *options, json_t *out)
{
	struct screen_entry *entries = NULL;
	size_t count = 0;
	size_t bytes = 0;
	char *data = vendor_cli_read("screen", path, &bytes);
	int err;

	if (data == NULL)
		return VENDOR_ERROR;
	err = screen_compute(options, (const uint8_t *)data, bytes, &entries, &count);
	for (size_t i = 0; err == 0 && i < count; i++) {
		char *text = is_wanted(command, entries[i].kind)
				     ? screen_list_print(&entries[i], 1, false)
				     : NULL;
		json_t *list = text != NULL ? json_loads(text, 0, NULL) : NULL;

		(void)json_array_extend(out, list);
		json_decref(list);
		free(text);
	}
	free(entries);
	free(data);
	return err == 0 ? 0
			: vendor_cli_fail("screen", "%s: %s", path,
				  err == -EINVAL ? "is too short to tell anything by"
						 : "there is no memory for it");
}

static int compute(const struct screen_command *command, int argc, char **argv)
{
	struct screen_sample_options options = {.virus_id = command->virus_id,
		.name = command->name != NULL ? command->name : "",
		.is_message = command->is_message};
	json_t *list = json_array();
	char *text = NULL;
	int err = 0;

	if (command->action != NULL && !screen_action_by_name(command->action, &options.action))
		err = vendor_cli_fail("screen", "--action: quarantine, discard or default");
	if (err == 0 && command->algorithms != NULL)
		err = read_algorithms(command->algorithms, &options.algorithms);
	for (int i = 1; err == 0 && i < argc; i++)
		err = add_sample(command, argv[i], &options, list);
	if (err == 0 && json_array_size(list) > ALERT_SCREEN_MOST)
		err = vendor_cli_fail(
			"screen", "more than the %d entries of an alert", ALERT_SCREEN_MOST);
	if (err == 0) {
		text = json_dumps(list, JSON_COMPACT);
		err = text != NULL ? vendor_cli_write("screen", command->output, text)
				   : VENDOR_ERROR;
	}
	free(text);
	json_decref(list);
	return err;
}

int vendor_screen_command(int argc, char **argv)
{
	struct screen_command command = {.virus_id = NULL};
	const GOptionEntry entries[] = {
		{"virus-id", 'i', 0, G_OPTION_ARG_STRING, &command.virus_id,
			"the code of the virus, which the alert has too", "ID"},
		{"name", 0, 0, G_OPTION_ARG_STRING, &command.name,
			"what a hit is reported as (default: the virus id)", "NAME"},
		{"action", 0, 0, G_OPTION_ARG_STRING, &command.action,
			"quarantine, discard or default", "ACTION"},
		{"kinds", 0, 0, G_OPTION_ARG_STRING_ARRAY, &command.kinds,
			"file, body, message, range, section or window; may be given several times "
			"(default: all)",
			"KIND"},
		{"algorithms", 0, 0, G_OPTION_ARG_STRING, &command.algorithms,
			"of md5, sha1, sha256 (default: sha256)", "LIST"},
		{"message", 0, 0, G_OPTION_ARG_NONE, &command.is_message,
			"the samples are messages", NULL},
		{"output", 'o', 0, G_OPTION_ARG_FILENAME, &command.output, "where to write it",
			"FILE"},
		{0}};
	int err = vendor_cli_options("FILE...",
		"Makes the screening entries of samples, as JSON for sign screen --screen and for "
		"the "
		"server.",
		entries, &argc, &argv);

	if (err == 0 && (argc < 2 || command.virus_id == NULL))
		err = vendor_cli_fail("screen", "needs --virus-id and a sample");
	if (err == 0)
		err = compute(&command, argc, argv);
	g_free(command.virus_id);
	g_free(command.name);
	g_free(command.action);
	g_free(command.algorithms);
	g_free(command.output);
	g_strfreev(command.kinds);
	return err;
}
