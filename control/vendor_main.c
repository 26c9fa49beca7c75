// SPDX-License-Identifier: BSD-3-Clause
// cordon-vendor: the server that sends alerts to gateways and collects their receipts, and commands that
// make keys, root documents and alerts on files.
#include "control/complaints.h"
#include "control/ending.h"
#include "control/vendor.h"
#include "control/vendor_server.h"
#include "dataplane/dataplane.h"

#include <glib-unix.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct vendor_command commands[] = {
	{"key", "make a key", vendor_key_command},
	{"root", "make a root document: whose keys count for what", vendor_root_command},
	{"sign", "make an alert and sign it", vendor_sign_command},
	{"countersign", "add signatures to an envelope", vendor_countersign_command},
	{"verify", "say who has signed an envelope and what it says", vendor_verify_command},
	{"catalogue", "say what a folder of signature files covers", vendor_catalogue_command},
	{"screen", "make the screening entries of a sample", vendor_screen_command},
	{"apikey", "make a key for those who ask the server", vendor_apikey_command},
	{"user", "keep those who may log in to the console", vendor_user_command},
	{"token", "make a token that a gateway is enrolled by", vendor_token_command},
	{"gateways", "list the gateways", vendor_gateways_command},
	{"alerts", "list the alerts", vendor_alerts_command},
	{"status", "say what became of an alert at each gateway", vendor_status_command},
};

static void write_usage(FILE *out)
{
	(void)fputs("usage: cordon-vendor --config FILE [--check-config]\n"
		    "       cordon-vendor --config-reference\n"
		    "       cordon-vendor COMMAND ...\n"
		    "\n"
		    "  --config FILE       runs the server; the configuration, see docs/vendor.md\n"
		    "  --check-config      only look for mistakes in it\n"
		    "  --config-reference  write the reference of all options\n"
		    "\n",
		out);
	for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
		(void)fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].help);
	(void)fputs(
		"\nEach command has --help. Exit status of commands: 0 done, 1 refused or not "
		"good, 2 "
		"error.\n"
		"Signals: SIGTERM and SIGINT stop the server, SIGHUP opens the event file again.\n"
		"Exit status of the server: 0 stopped in order (or nothing wrong), 1 could not "
		"start, 2 "
		"bad configuration.\n",
		out);
}

static gboolean stop_signal(gpointer ctx)
{
	g_main_loop_quit(ctx);
	return G_SOURCE_CONTINUE;
}

static gboolean reopen_signal(gpointer ctx)
{
	const struct vendor_server *server = ctx;

	if (control_events_reopen(server->events) != 0)
		(void)fprintf(stderr, "cordon-vendor: %s: cannot be opened again\n",
			server->options.events);
	return G_SOURCE_CONTINUE;
}

static gboolean once_a_second(gpointer ctx)
{
	vendor_server_turn(ctx);
	return G_SOURCE_CONTINUE;
}

// A connection to each gateway is a descriptor.
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void loop(struct vendor_server *server, GMainLoop *main_loop)
{
	guint clock;

	(void)g_unix_signal_add(SIGTERM, stop_signal, main_loop);
	(void)g_unix_signal_add(SIGINT, stop_signal, main_loop);
	clock = g_timeout_add(1000, once_a_second, server);
	control_events_write(server->events, "start",
		json_pack("{s:s, s:i}", "program", "cordon-vendor", "pid", (int)getpid()));
	vendor_server_turn(server);
	g_main_loop_run(main_loop);
	ending_begin();
	// The parts that end may wait on the loop, when others are gone.
	(void)g_source_remove(clock);
	control_events_write(
		server->events, "stop", json_pack("{s:s}", "program", "cordon-vendor"));
}

static int run(struct vendor_server *server)
{
	char error[512] = "";
	GMainLoop *main_loop;
	int err = inherited_settle();

	complaints_never_wait();
	if (err != 0) {
		(void)fprintf(stderr, "cordon-vendor: too few descriptors (RLIMIT_NOFILE): %s\n",
			g_strerror(-err));
		return EXIT_FAILURE;
	}
	raise_descriptors();
	(void)g_unix_signal_add(SIGHUP, reopen_signal, server);
	err = ending_open();
	if (err == 0)
		err = vendor_server_open(server, error, sizeof(error));
	else
		(void)snprintf(error, sizeof(error), "%s", g_strerror(-err));
	main_loop = g_main_loop_new(NULL, FALSE);
	if (err == 0)
		loop(server, main_loop);
	else
		(void)fprintf(stderr, "cordon-vendor: %s\n", error);
	vendor_server_close(server);
	ending_close();
	// Who wants it to end says so more than once.
	g_main_loop_unref(main_loop);
	return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int serve(int argc, char **argv)
{
	struct options_command command = {write_usage, vendor_options_write_reference, NULL, false};
	static struct vendor_server server;
	int status;

	if (!options_command_read(&command, argc, argv, &status))
		return status;
	if (vendor_options_load(command.config, &server.options, stderr) != 0)
		return OPTIONS_EXIT_CONFIG;
	return command.is_check ? EXIT_SUCCESS : run(&server);
}

int main(int argc, char **argv)
{
	if (inherited_streams() != 0)
		return EXIT_FAILURE;
	// Until there is an event file to open again: a log is rotated at any time.
	(void)signal(SIGHUP, SIG_IGN);
	for (size_t i = 0; argc > 1 && i < G_N_ELEMENTS(commands); i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	}
	return serve(argc, argv);
}
