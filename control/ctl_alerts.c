// SPDX-License-Identifier: BSD-3-Clause
// cordonctl alerts: what vendors have sent, and how the gateway stands with them.
#include "control/api.h"
#include "control/ctl.h"
#include "control/ctl_ask.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MOST_BYTES (48u << 20) // of a mail with alerts

static const char help[] =
	"usage: cordonctl alerts [--limit N] [--socket PATH] [--json]\n"
	"       cordonctl alerts take FILE|- [--socket PATH] [--json]\n"
	"\n"
	"Lists the alerts that were taken, the latest first, and whose keys are trusted.\n"
	"take: hands over an alert, or a mail with alerts in it, from a file or the standard\n"
	"input, and prints the receipts; as a mail alias: \"|cordonctl alerts take -\".\n"
	"\n"
	"  --limit N      at most so many (default 20)\n"
	"  --socket PATH  of cordon-control (default " CONTROL_SOCKET ")\n"
	"  --json         the answer as one JSON line\n"
	"\n"
	"Exit status: 0 done, 1 refused, 2 not reachable or bad usage.\n";

static const char *time_of(const json_t *object, const char *member, char *out, size_t room)
{
	time_t when = (time_t)json_integer_value(json_object_get(object, member));
	struct tm parts;

	if (when == 0 || gmtime_r(&when, &parts) == NULL ||
		strftime(out, room, "%Y-%m-%d %H:%M:%S", &parts) == 0)
		return "never";
	return out;
}

static void show(json_t *answer)
{
	const json_t *status = json_object_get(answer, "status");
	char text[32];
	json_t *alert;
	size_t i;

	if (json_integer_value(json_object_get(status, "root_version")) == 0)
		(void)printf("vendor     none: no root document, nobody is trusted\n");
	else
		(void)printf("vendor     %s, root document %" JSON_INTEGER_FORMAT " until %s\n",
			ctl_text(status, "vendor"),
			json_integer_value(json_object_get(status, "root_version")),
			time_of(status, "root_expires", text, sizeof(text)));
	(void)printf("heard      %s%s\n", time_of(status, "last_heard", text, sizeof(text)),
		json_is_true(json_object_get(status, "stale")) ? " (TOO LONG AGO)" : "");
	(void)printf("our key    %s\n", ctl_text(status, "key"));
	json_array_foreach(json_object_get(answer, "alerts"), i, alert)
	{
		(void)printf("%s  %-9s %-9s %-24s %s\n", time_of(alert, "time", text, sizeof(text)),
			ctl_text(alert, "type"),
			ctl_text(alert, "result")[0] != '\0' ? ctl_text(alert, "result") : "waits",
			ctl_text(alert, "virus_id"), ctl_text(alert, "why"));
	}
}

// The file's bytes where they do not change any more and can be read again. -1: said why.
static int copy_input(const char *path)
{
	int from = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	int to = memfd_create("alert", MFD_CLOEXEC);
	char data[65536];
	size_t all = 0;
	ssize_t n = -1;

	while (from >= 0 && to >= 0 && (n = read(from, data, sizeof(data))) > 0) {
		all += (size_t)n;
		if (all > MOST_BYTES || write(to, data, (size_t)n) != n)
			break;
	}
	if (from > STDIN_FILENO)
		(void)close(from);
	if (n == 0)
		return to;
	(void)fprintf(stderr, "cordonctl: %s cannot be read, or is too long\n", path);
	if (to >= 0)
		(void)close(to);
	return -1;
}

static int take(const char *path, const char *socket_path, bool as_json)
{
	int file = copy_input(path);
	json_t *answer = NULL;
	json_t *receipt;
	int status;
	size_t i;

	if (file < 0)
		return CTL_ERROR;
	status = ctl_ask_with(
		socket_path, json_pack("{s:s}", "command", "alerts take"), file, &answer);
	(void)close(file);
	if (status != CTL_OK)
		return status;
	if (as_json) {
		ctl_print_answer(answer);
		return CTL_OK;
	}
	json_array_foreach(json_object_get(answer, "receipts"), i, receipt)
	{
		(void)printf("%s\n", json_string_value(receipt));
	}
	json_decref(answer);
	return CTL_OK;
}

int ctl_alerts(int argc, char **argv)
{
	static const struct option long_options[] = {{"socket", required_argument, NULL, 's'},
		{"limit", required_argument, NULL, 'n'}, {"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'}, {0}};
	const char *socket_path = CONTROL_SOCKET;
	bool as_json = false;
	long limit = 20;
	json_t *answer = NULL;
	int letter;
	int status;

	optind = 1;
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	while ((letter = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (letter == 's') {
			socket_path = optarg;
		} else if (letter == 'n') {
			limit = strtol(optarg, NULL, 10);
		} else if (letter == 'j') {
			as_json = true;
		} else {
			(void)fputs(help, letter == 'h' ? stdout : stderr);
			return letter == 'h' ? CTL_OK : CTL_ERROR;
		}
	}
	if (optind + 2 == argc && strcmp(argv[optind], "take") == 0)
		return take(argv[optind + 1], socket_path, as_json);
	if (optind != argc || limit <= 0) {
		(void)fputs(help, stderr);
		return CTL_ERROR;
	}
	status = ctl_ask(socket_path,
		json_pack("{s:s, s:I}", "command", "alerts", "limit", (json_int_t)limit),
		CTL_ASK_SECONDS, &answer);
	if (status != CTL_OK)
		return status;
	if (as_json) {
		ctl_print_answer(answer);
		return CTL_OK;
	}
	show(answer);
	json_decref(answer);
	return CTL_OK;
}
