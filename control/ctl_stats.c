// SPDX-License-Identifier: BSD-3-Clause
// cordonctl stats: the counters of a running dataplane.
#include "control/ctl.h"
#include "dataplane/dataplane.h"

#include <jansson.h>

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_SECONDS 5

static const char help[] =
	"usage: cordonctl stats [--socket PATH] [--json]\n"
	"\n"
	"Shows the counters of the running dataplane: packets, connections, messages.\n"
	"\n"
	"  --socket PATH  its command socket (default " DATAPLANE_SOCKET ")\n"
	"  --json         the answer as one JSON line, workers and ports one by one\n"
	"\n"
	"Exit status: 0 shown, 1 refused or an unusable answer, 2 not reachable or bad usage.\n";

static void print_number(const char *name, json_int_t value, const char *unit, const char *about)
{
	(void)printf("%-22s %16" JSON_INTEGER_FORMAT "  %-12s %s\n", name, value, unit, about);
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

static void print_counters(json_t *root)
{
	const json_t *about = json_object_get(root, "about");
	const char *name;
	json_t *value;

	json_object_foreach(json_object_get(root, "counters"), name, value)
	{
		const json_t *info = json_object_get(about, name);

		print_number(name, json_integer_value(value), text_of(info, "unit"),
			text_of(info, "help"));
	}
}

// A table whose rows are all members that are not zero.
static void print_nonzero(const char *title, json_t *object)
{
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value)
	{
		if (json_integer_value(value) != 0)
			print_number(title, json_integer_value(value), "packets", name);
	}
}

static void print_ports(const json_t *ports)
{
	size_t i;
	const json_t *port;

	json_array_foreach(ports, i, port)
	{
		(void)printf("port %s %s: %s, %s, received %" JSON_INTEGER_FORMAT
			     " (missed %" JSON_INTEGER_FORMAT "), sent %" JSON_INTEGER_FORMAT "\n",
			text_of(port, "link"), text_of(port, "side"), text_of(port, "device"),
			json_is_true(json_object_get(port, "up")) ? "up" : "down",
			json_integer_value(json_object_get(port, "rx_packets")),
			json_integer_value(json_object_get(port, "rx_missed")),
			json_integer_value(json_object_get(port, "tx_packets")));
	}
}

static void print_table(json_t *root)
{
	const json_t *ruleset = json_object_get(root, "ruleset");
	const json_t *memory = json_object_get(root, "memory");

	(void)printf("gateway %s, up %" JSON_INTEGER_FORMAT
		     " s, ruleset %s with %" JSON_INTEGER_FORMAT " signatures\n",
		text_of(root, "gateway"),
		json_integer_value(json_object_get(root, "uptime_seconds")),
		text_of(ruleset, "version"),
		json_integer_value(json_object_get(ruleset, "signatures")));
	print_ports(json_object_get(root, "ports"));
	(void)printf("\n");
	print_counters(root);
	print_number("open_connections",
		json_integer_value(json_object_get(root, "open_connections")), "connections",
		"At this moment");
	print_number("engine_bytes", json_integer_value(json_object_get(memory, "engine_bytes")),
		"bytes", "Of all workers' pools");
	print_number("connection_bytes",
		json_integer_value(json_object_get(memory, "connection_bytes")), "bytes",
		"Of one idle connection");
	print_number("message_state_bytes",
		json_integer_value(json_object_get(memory, "message_state_bytes")), "bytes",
		"Of one message in progress, by these rules");
	print_number("mbufs_free", json_integer_value(json_object_get(memory, "mbufs_free")),
		"buffers", "Packet buffers not in use");
	print_nonzero("dropped_tcp", json_object_get(root, "tcp_drops"));
	print_nonzero("dropped_malformed", json_object_get(root, "packet_faults"));
}

static int show(const char *answer, bool as_json)
{
	json_error_t error;
	json_t *root = json_loads(answer, 0, &error);
	const char *refusal = json_string_value(json_object_get(root, "error"));
	int status = 0;

	if (!json_is_object(root) || refusal != NULL) {
		(void)fprintf(stderr, "cordonctl stats: %s\n",
			refusal != NULL ? refusal : "the answer is not JSON");
		status = 1;
	} else if (as_json) {
		(void)printf("%s\n", answer);
	} else {
		print_table(root);
	}
	json_decref(root);
	return status;
}

int ctl_stats(int argc, char **argv)
{
	static const struct option long_options[] = {{"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
	const char *socket_path = DATAPLANE_SOCKET;
	bool as_json = false;
	char *answer = NULL;
	char reason[128];
	int status;
	int letter;
	int err;

	optind = 1;
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	while ((letter = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (letter == 's') {
			socket_path = optarg;
		} else if (letter == 'j') {
			as_json = true;
		} else {
			(void)fputs(help, letter == 'h' ? stdout : stderr);
			return letter == 'h' ? 0 : 2;
		}
	}
	if (optind != argc) {
		(void)fputs(help, stderr);
		return 2;
	}
	err = local_ask(socket_path, "stats", -1, ASK_SECONDS, &answer, NULL);
	if (err != 0) {
		(void)fprintf(stderr, "cordonctl stats: %s: %s\n", socket_path,
			strerror_r(-err, reason, sizeof(reason)));
		return 2;
	}
	status = show(answer, as_json);
	free(answer);
	return status;
}
