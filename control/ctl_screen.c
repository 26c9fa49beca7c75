// SPDX-License-Identifier: BSD-3-Clause
// cordonctl screen: checksums that mail is compared with.
#include "control/api.h"
#include "control/ctl.h"
#include "control/ctl_ask.h"
#include "control/ctl_screen_input.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const char help[] =
	"usage: cordonctl screen [list] [CHOICE...] [--all] [--limit N] [--after N]\n"
	"       cordonctl screen add FILE... [--virus-id ID] [HOW...]\n"
	"       cordonctl screen add --digest [ALGORITHM:]HEX[:BYTES]... --virus-id ID [HOW...]\n"
	"       cordonctl screen add --list FILE [--virus-id ID] [--seconds N] [--why TEXT]\n"
	"       cordonctl screen remove ID|CHOICE...|--all [--why TEXT]\n"
	"       cordonctl screen export [CHOICE...] [-o FILE]\n"
	"       cordonctl screen compute FILE... [--virus-id ID] [HOW...] [-o FILE]\n"
	"\n"
	"Mail in which an entry hits is kept back, as long as no signature is there for the "
	"virus.\n"
	"\n"
	"  list     the lists and their entries, those that hit most first\n"
	"  add      entries of all kinds that a sample has (of a message: of its body and all of\n"
	"           it), of digests that are known, or a list as JSON; - is standard input\n"
	"  remove   ends entries; what is in quarantine for them stays\n"
	"  export   entries as JSON, which --list and `cordon-vendor sign screen` take\n"
	"  compute  the entries of a sample as JSON, without a gateway\n"
	"\n"
	"  CHOICE: --virus-id ID, --digest HEX, --name NAME, --entry ID, --list-number N\n"
	"  HOW:\n"
	"  --name NAME         what a hit is reported as (default: the virus id)\n"
	"  --action ACTION     quarantine, discard, or default: as the policy says\n"
	"  --kinds LIST        of file, body, message, range, section, window (default: all)\n"
	"  --algorithms LIST   of sha256 (default), sha1, md5\n"
	"  --message, --file   the sample is one message, or none (default: as it looks)\n"
	"  --virus-id ID       which a later signature names (default: local- and 16 digits of\n"
	"                      the sample's SHA-256)\n"
	"  --seconds N         how long it counts\n"
	"  --all               also lists that are off; all entries\n"
	"  --limit N --after N at most so many entries, behind the first N\n"
	"  --why TEXT          for the record\n"
	"  --socket PATH       of cordon-control (default " CONTROL_SOCKET ")\n"
	"  --json              the answer as one JSON line\n"
	"\n"
	"Exit status: 0 done and in force, 1 refused or not in force yet, 2 not reachable or bad\n"
	"usage.\n";

struct arguments {
	const char *socket_path;
	const char *output;
	bool as_json;
	json_t *request; // what goes to the control process
	struct ctl_screen_input input;
};

static int usage_error(const char *what)
{
	if (what != NULL)
		(void)fprintf(stderr, "cordonctl screen: %s\n", what);
	else
		(void)fputs(help, stderr);
	return CTL_ERROR;
}

// ---- list ---------------------------------------------------------------------------------------

static const char *time_of(const json_t *object, const char *member, char *out, size_t room)
{
	time_t time = (time_t)json_integer_value(json_object_get(object, member));
	struct tm utc = {0};

	out[0] = '\0';
	if (time > 0 && gmtime_r(&time, &utc) != NULL)
		(void)strftime(out, room, "%Y-%m-%d %H:%M", &utc);
	return out;
}

static json_int_t number(const json_t *object, const char *member)
{
	return json_integer_value(json_object_get(object, member));
}

static void print_lists(const json_t *answer)
{
	char text[32];
	json_t *list;
	size_t i;

	(void)printf("%-5s %-24s %9s %9s %-16s %-20s %s\n", "list", "virus id", "entries", "hits",
		"until", "from", "state");
	json_array_foreach(json_object_get(answer, "lists"), i, list)
	{
		(void)printf("%-5lld %-24s %9lld %9lld %-16s %-20s %s\n", number(list, "list"),
			ctl_text(list, "virus_id"), number(list, "entries"), number(list, "hits"),
			time_of(list, "expires", text, sizeof(text)), ctl_text(list, "origin"),
			json_is_true(json_object_get(list, "on")) ? "on"
								  : ctl_text(list, "off_why"));
	}
}

static void print_entries(const json_t *answer)
{
	json_t *entry;
	size_t i;

	(void)printf("\n%-16s %9s %-8s %-24s %-9s %s\n", "entry", "hits", "kind", "name", "action",
		"digest");
	json_array_foreach(json_object_get(answer, "entries"), i, entry)
	{
		const char *name = ctl_text(entry, "name");
		const char *action = ctl_text(entry, "action");

		(void)printf("%-16s %9lld %-8s %-24s %-9s %s:%s\n", ctl_text(entry, "id"),
			number(entry, "hits"), ctl_text(entry, "kind"),
			name[0] != '\0' ? name : ctl_text(entry, "virus_id"),
			action[0] != '\0' ? action : "default", ctl_text(entry, "algorithm"),
			ctl_text(entry, "digest"));
	}
}

static int list(const struct arguments *arguments)
{
	json_t *answer = NULL;
	int status;

	(void)json_object_set_new(arguments->request, "command", json_string("screen"));
	status = ctl_ask(arguments->socket_path, json_incref(arguments->request),
		CTL_ASK_LONG_SECONDS, &answer);
	if (status != CTL_OK)
		return status;
	if (arguments->as_json) {
		ctl_print_answer(answer);
		return CTL_OK;
	}
	(void)printf("%lld entries %s\n\n", number(answer, "total"),
		json_is_true(json_object_get(answer, "in_force")) ? "in force"
								  : "not in force yet");
	print_lists(answer);
	print_entries(answer);
	json_decref(answer);
	return CTL_OK;
}

// ---- changes ------------------------------------------------------------------------------------

// A file in memory that goes with a request, or to standard output.
static int file_of(const char *text)
{
	int file = memfd_create("list", MFD_CLOEXEC);
	size_t bytes = strlen(text);

	for (size_t at = 0; file >= 0 && at < bytes;) {
		ssize_t n = write(file, text + at, bytes - at);

		if (n <= 0) {
			(void)close(file);
			return -1;
		}
		at += (size_t)n;
	}
	return file;
}

static int show_added(const struct arguments *arguments, json_t *answer)
{
	bool in_force = json_is_true(json_object_get(answer, "in_force"));

	if (arguments->as_json) {
		ctl_print_answer(answer);
		return in_force ? CTL_OK : CTL_FOUND;
	}
	(void)printf("%lld entries of %s\n", number(answer, "entries"),
		ctl_text(answer, "virus_id")[0] != '\0' ? ctl_text(answer, "virus_id")
							: "their virus ids");
	if (!in_force)
		(void)fprintf(stderr, "cordonctl: recorded, but not in force: %s\n",
			ctl_text(answer, "why"));
	json_decref(answer);
	return in_force ? CTL_OK : CTL_FOUND;
}

static int add(struct arguments *arguments, int count, char **files)
{
	char *text = ctl_screen_input_make(&arguments->input, count, files);
	json_t *answer = NULL;
	int status = CTL_ERROR;
	int file = -1;

	if (text == NULL)
		return CTL_ERROR;
	file = file_of(text);
	free(text);
	if (file < 0)
		return usage_error("no memory for the list");
	(void)json_object_set_new(arguments->request, "command", json_string("screen add"));
	// What was computed names the virus id itself.
	if (arguments->input.list == NULL)
		(void)json_object_del(arguments->request, "virus_id");
	status = ctl_ask_long(
		arguments->socket_path, json_incref(arguments->request), file, &answer);
	(void)close(file);
	return status == CTL_OK ? show_added(arguments, answer) : status;
}

static int remove_entries(const struct arguments *arguments)
{
	json_t *answer = NULL;
	bool in_force;
	int status;

	(void)json_object_set_new(arguments->request, "command", json_string("screen remove"));
	status = ctl_ask_long(arguments->socket_path, json_incref(arguments->request), -1, &answer);
	if (status != CTL_OK)
		return status;
	in_force = json_is_true(json_object_get(answer, "in_force"));
	if (arguments->as_json) {
		ctl_print_answer(answer);
		return in_force ? CTL_OK : CTL_FOUND;
	}
	(void)printf("%lld entries removed\n", number(answer, "removed"));
	if (!in_force)
		(void)fprintf(stderr, "cordonctl: recorded, but not in force: %s\n",
			ctl_text(answer, "why"));
	json_decref(answer);
	return in_force ? CTL_OK : CTL_FOUND;
}

// ---- copies -------------------------------------------------------------------------------------

static FILE *open_output(const struct arguments *arguments)
{
	FILE *out = arguments->output != NULL ? fopen(arguments->output, "wbe") : stdout;

	if (out == NULL)
		(void)fprintf(
			stderr, "cordonctl screen: %s cannot be written\n", arguments->output);
	return out;
}

static int close_output(FILE *out, bool is_good)
{
	if ((out == stdout ? fflush(out) : fclose(out)) == 0 && is_good)
		return CTL_OK;
	(void)fprintf(stderr, "cordonctl screen: the list cannot be written\n");
	return CTL_ERROR;
}

static int copy(int file, FILE *out)
{
	char data[65536];
	bool is_good = true;
	ssize_t n;

	while (is_good && (n = read(file, data, sizeof(data))) != 0)
		is_good = n > 0 && fwrite(data, 1, (size_t)n, out) == (size_t)n;
	(void)close(file);
	return close_output(out, is_good);
}

static int export_list(const struct arguments *arguments)
{
	int file = memfd_create("list", MFD_CLOEXEC);
	json_t *answer = NULL;
	int status = CTL_ERROR;
	FILE *out;

	if (file < 0)
		return usage_error("no memory for the list");
	(void)json_object_set_new(arguments->request, "command", json_string("screen export"));
	status = ctl_ask_long(
		arguments->socket_path, json_incref(arguments->request), file, &answer);
	json_decref(answer);
	out = status == CTL_OK ? open_output(arguments) : NULL;
	if (out != NULL && lseek(file, 0, SEEK_SET) == 0)
		return copy(file, out);
	(void)close(file);
	return status != CTL_OK ? status : CTL_ERROR;
}

static int compute(struct arguments *arguments, int count, char **files)
{
	char *text = ctl_output_is_input("screen", arguments->output, (const char *const *)files)
			     ? NULL
			     : ctl_screen_input_make(&arguments->input, count, files);
	FILE *out = text != NULL ? open_output(arguments) : NULL;
	int status = CTL_ERROR;

	if (out != NULL)
		status = close_output(out, fprintf(out, "%s\n", text) > 0);
	free(text);
	return status;
}

// ---- arguments ----------------------------------------------------------------------------------

enum { OPTION_TEXT = 256, OPTION_NUMBER = 512 };
static const char *const texts[] = {"virus_id", "name", "entry", "why"};
static const char *const numbers[] = {"list", "limit", "after", "seconds"};

static bool take_number(struct arguments *arguments, const char *member)
{
	char *end = NULL;
	long long value = strtoll(optarg, &end, 10);

	(void)json_object_set_new(arguments->request, member, json_integer(value));
	return *optarg != '\0' && *end == '\0' && value >= 0;
}

static bool take_option(struct arguments *arguments, int letter)
{
	if (letter >= OPTION_NUMBER && letter < OPTION_NUMBER + 4)
		return take_number(arguments, numbers[letter - OPTION_NUMBER]);
	if (letter >= OPTION_TEXT && letter < OPTION_TEXT + 4) {
		(void)json_object_set_new(
			arguments->request, texts[letter - OPTION_TEXT], json_string(optarg));
		return true;
	}
	switch (letter) {
	case 's':
		arguments->socket_path = optarg;
		return true;
	case 'j':
		arguments->as_json = true;
		return true;
	case 'o':
		arguments->output = optarg;
		return true;
	case 'A':
		(void)json_object_set_new(arguments->request, "all", json_true());
		return true;
	default:
		return ctl_screen_input_option(&arguments->input, letter, optarg);
	}
}

static int run(struct arguments *arguments, int count, char **rest)
{
	const char *what = count > 0 ? rest[0] : "list";
	json_t *request = arguments->request;

	arguments->input.virus_id = ctl_text(request, "virus_id");
	arguments->input.name = ctl_text(request, "name");
	if (strcmp(what, "add") == 0)
		return add(arguments, count - 1, rest + 1);
	if (strcmp(what, "compute") == 0)
		return compute(arguments, count - 1, rest + 1);
	if (arguments->input.digests_count > 0)
		(void)json_object_set_new(
			request, "digest", json_string(arguments->input.digests[0]));
	if (strcmp(what, "list") == 0 && count <= 1)
		return list(arguments);
	if (strcmp(what, "remove") == 0 && count == 2) {
		(void)json_object_set_new(request, "virus_id", json_string(rest[1]));
		count--;
	}
	if (strcmp(what, "remove") == 0 && count == 1)
		return remove_entries(arguments);
	if (strcmp(what, "export") == 0 && count == 1)
		return export_list(arguments);
	return usage_error(NULL);
}

int ctl_screen(int argc, char **argv)
{
	static const struct option long_options[] = {{"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'}, {"output", required_argument, NULL, 'o'},
		{"all", no_argument, NULL, 'A'}, {"virus-id", required_argument, NULL, OPTION_TEXT},
		{"name", required_argument, NULL, OPTION_TEXT + 1},
		{"entry", required_argument, NULL, OPTION_TEXT + 2},
		{"why", required_argument, NULL, OPTION_TEXT + 3},
		{"list-number", required_argument, NULL, OPTION_NUMBER},
		{"limit", required_argument, NULL, OPTION_NUMBER + 1},
		{"after", required_argument, NULL, OPTION_NUMBER + 2},
		{"seconds", required_argument, NULL, OPTION_NUMBER + 3},
		{"digest", required_argument, NULL, 'd'}, {"list", required_argument, NULL, 'l'},
		{"action", required_argument, NULL, 'a'}, {"kinds", required_argument, NULL, 'k'},
		{"algorithms", required_argument, NULL, 'g'}, {"message", no_argument, NULL, 'm'},
		{"file", no_argument, NULL, 'f'}, {"help", no_argument, NULL, 'h'}, {0}};
	struct arguments arguments = {.socket_path = CONTROL_SOCKET, .request = json_object()};
	int letter;
	int status;

	optind = 1;
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	while ((letter = getopt_long(argc, argv, "o:", long_options, NULL)) != -1) {
		if (letter != 'h' && take_option(&arguments, letter))
			continue;
		(void)fputs(help, letter == 'h' ? stdout : stderr);
		json_decref(arguments.request);
		return letter == 'h' ? CTL_OK : CTL_ERROR;
	}
	status = run(&arguments, argc - optind, argv + optind);
	json_decref(arguments.request);
	return status;
}
