// SPDX-License-Identifier: BSD-3-Clause
// Commands beside the server, on its own machine: they read and write its database.
#include "control/control_events.h"
#include "control/vendor.h"
#include "control/vendor_history.h"
#include "control/vendor_journal.h"
#include "control/vendor_options.h"
#include "control/vendor_registry.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_S 1000000000
#define DAY_S 86400
#define PAGE 500

static int64_t now_s(void)
{
	return control_now_ns() / NS_PER_S;
}

static int open_database(const char *name, const char *config, struct database **out)
{
	static struct vendor_options options;
	char path[PATH_MAX];
	char error[512];

	if (config == NULL)
		return vendor_cli_fail(name, "needs --config FILE, the server's");
	if (vendor_options_load(config, &options, stderr) != 0)
		return VENDOR_ERROR;
	(void)snprintf(path, sizeof(path), "%s/vendor.db", options.state);
	return database_open(path, out, error, sizeof(error)) == 0
		       ? 0
		       : vendor_cli_fail(name, "%s", error);
}

// What was done goes into the history. Returns 0 or VENDOR_ERROR.
static int note(struct database *database, const char *name, const char *what, json_t *details)
{
	const struct history_entry entry = {.who = g_get_user_name(),
		.via = "command",
		.peer = "",
		.what = what,
		.why = "",
		.status = 200,
		.details = details};
	int err = history_add(database, &entry);

	json_decref(details);
	return err == 0 ? 0 : vendor_cli_fail(name, "the history cannot be kept");
}

// ---- apikey -------------------------------------------------------------------------------------

int vendor_apikey_command(int argc, char **argv)
{
	char *config = NULL;
	gboolean writes = FALSE;
	gboolean removes = FALSE;
	const GOptionEntry entries[] = {
		{"config", 'c', 0, G_OPTION_ARG_FILENAME, &config, "the server's", "FILE"},
		{"write", 'w', 0, G_OPTION_ARG_NONE, &writes, "it may change things", NULL},
		{"remove", 0, 0, G_OPTION_ARG_NONE, &removes, "take it away", NULL}, {0}};
	char key[REGISTRY_SECRET_BYTES];
	struct database *database = NULL;
	int err = vendor_cli_options("NAME",
		"Makes a key for a person or a program that asks the server, and says it this "
		"once: only its "
		"hash is kept.",
		entries, &argc, &argv);

	if (err == 0 && argc != 2)
		err = vendor_cli_fail("apikey", "needs one name");
	if (err == 0)
		err = open_database("apikey", config, &database);
	if (err == 0 && removes && registry_apikey_remove(database, argv[1]) != 0) {
		(void)vendor_cli_fail("apikey", "%s: there is no such key", argv[1]);
		err = VENDOR_REFUSED;
	} else if (err == 0 && !removes) {
		err = registry_apikey_make(database, argv[1], writes, now_s(), key);
		if (err == 0)
			(void)puts(key);
		else
			err = vendor_cli_fail("apikey", "%s: %s", argv[1],
				err == -EEXIST ? "the name is taken" : "it cannot be kept");
	}
	if (err == 0)
		err = note(database, "apikey", removes ? "key removed" : "key made",
			json_pack("{s:s, s:b}", "id", argv[1], "writes", (int)writes));
	database_close(database);
	g_free(config);
	return err;
}

// ---- token --------------------------------------------------------------------------------------

int vendor_token_command(int argc, char **argv)
{
	char *config = NULL;
	char **groups = NULL;
	gint64 seconds = DAY_S;
	const GOptionEntry entries[] = {
		{"config", 'c', 0, G_OPTION_ARG_FILENAME, &config, "the server's", "FILE"},
		{"group", 'g', 0, G_OPTION_ARG_STRING_ARRAY, &groups,
			"it goes into; again for more", "NAME"},
		{"seconds", 0, 0, G_OPTION_ARG_INT64, &seconds, "that it is good for; a day", "N"},
		{0}};
	char token[REGISTRY_SECRET_BYTES];
	struct database *database = NULL;
	json_t *list = json_array();
	int err = vendor_cli_options("[GATEWAY]",
		"Makes a token that one gateway is enrolled by, this one or any that is not there "
		"yet, and says "
		"it this once: only its hash is kept.",
		entries, &argc, &argv);

	for (size_t i = 0; groups != NULL && groups[i] != NULL; i++)
		(void)json_array_append_new(list, json_string(groups[i]));
	if (err == 0 && (argc > 2 || seconds < 1))
		err = vendor_cli_fail("token", "takes one gateway at most, and --seconds over 0");
	if (err == 0)
		err = open_database("token", config, &database);
	if (err == 0 && registry_token_make(database, argc == 2 ? argv[1] : NULL, list, now_s(),
				now_s() + seconds, token) != 0)
		err = vendor_cli_fail("token", "it cannot be kept");
	if (err == 0)
		(void)puts(token);
	if (err == 0)
		err = note(database, "token", "token made",
			json_pack("{s:s*, s:O}", "gateway", argc == 2 ? argv[1] : NULL, "groups",
				list));
	database_close(database);
	json_decref(list);
	g_strfreev(groups);
	g_free(config);
	return err;
}

// ---- lists --------------------------------------------------------------------------------------

// Prints each entry of each page, one a line; page returns the list after the last entry, the caller's.
typedef json_t *(*page_fn)(struct database *database, const json_t *last, const void *ctx);

static int print_pages(struct database *database, page_fn page, const void *ctx)
{
	json_t *list = page(database, NULL, ctx);
	int err = 0;

	while (err == 0 && json_array_size(list) > 0) {
		json_t *entry;
		json_t *next;
		size_t i;

		json_array_foreach(list, i, entry)
		{
			err |= vendor_cli_print(json_incref(entry));
		}
		next = page(database, json_array_get(list, json_array_size(list) - 1), ctx);
		json_decref(list);
		list = next;
	}
	json_decref(list);
	return err;
}

static json_t *page_gateways(struct database *database, const json_t *last, const void *ctx)
{
	const char *after = json_string_value(json_object_get(last, "id"));

	return registry_list(database, after != NULL ? after : "", PAGE, ctx);
}

static json_t *page_alerts(struct database *database, const json_t *last, const void *ctx)
{
	return journal_list(
		database, json_integer_value(json_object_get(last, "number")), PAGE, ctx);
}

static int list(const char *name, page_fn page, const char *filter, int argc, char **argv)
{
	char *config = NULL;
	char *wanted = NULL;
	const GOptionEntry entries[] = {
		{"config", 'c', 0, G_OPTION_ARG_FILENAME, &config, "the server's", "FILE"},
		{filter, 0, 0, G_OPTION_ARG_STRING, &wanted, "only those", "NAME"}, {0}};
	struct database *database = NULL;
	int err = vendor_cli_options("", "As JSON, one a line.", entries, &argc, &argv);

	if (err == 0 && argc != 1)
		err = vendor_cli_fail(name, "takes nothing but options");
	if (err == 0)
		err = open_database(name, config, &database);
	if (err == 0)
		err = print_pages(database, page, wanted);
	database_close(database);
	g_free(wanted);
	g_free(config);
	return err;
}

int vendor_gateways_command(int argc, char **argv)
{
	return list("gateways", page_gateways, "group", argc, argv);
}

int vendor_alerts_command(int argc, char **argv)
{
	return list("alerts", page_alerts, "state", argc, argv);
}

// ---- status -------------------------------------------------------------------------------------

struct deliveries {
	int64_t number;
	const char *state;
};

static json_t *page_deliveries(struct database *database, const json_t *last, const void *ctx)
{
	const struct deliveries *wanted = ctx;
	const char *after = json_string_value(json_object_get(last, "gateway"));

	return journal_deliveries(
		database, wanted->number, after != NULL ? after : "", PAGE, wanted->state);
}

static int print_status(struct database *database, const char *digest, const char *state)
{
	json_t *alert = journal_get(database, digest, false);
	json_int_t missing;
	struct deliveries wanted;
	int err;

	if (alert == NULL) {
		(void)vendor_cli_fail("status", "%s: there is no such alert, or several", digest);
		return VENDOR_REFUSED;
	}
	wanted.number = json_integer_value(json_object_get(alert, "number"));
	wanted.state = state;
	missing = json_integer_value(json_object_get(json_object_get(alert, "deliveries"), "open"));
	err = vendor_cli_print(alert);
	if (err == 0)
		err = print_pages(database, page_deliveries, &wanted);
	return err == 0 && missing > 0 ? VENDOR_REFUSED : err;
}

int vendor_status_command(int argc, char **argv)
{
	char *config = NULL;
	char *state = NULL;
	const GOptionEntry entries[] = {
		{"config", 'c', 0, G_OPTION_ARG_FILENAME, &config, "the server's", "FILE"},
		{"state", 0, 0, G_OPTION_ARG_STRING, &state,
			"open, delivered, refused or superseded", "NAME"},
		{0}};
	struct database *database = NULL;
	int err = vendor_cli_options("ALERT",
		"Says what became of an alert, which is named by its digest or at least 8 letters "
		"of it, at each "
		"gateway, as JSON, one a line. Exit status 0: all have answered; 1: some have not, "
		"or there is "
		"no such alert.",
		entries, &argc, &argv);

	if (err == 0 && argc != 2)
		err = vendor_cli_fail("status", "needs one alert");
	if (err == 0)
		err = open_database("status", config, &database);
	if (err == 0)
		err = print_status(database, argv[1], state);
	database_close(database);
	g_free(state);
	g_free(config);
	return err;
}
