// SPDX-License-Identifier: BSD-3-Clause
// cordonctl held, quarantine: the mail that was kept back.
#include "control/api.h"
#include "control/ctl.h"
#include "control/ctl_ask.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#define COPY_BYTES (1u << 20)
#define PAGE 500 // of those that are changed at once

struct mail_arguments {
	const char *state; // "held" or "quarantined"
	const char *socket_path;
	const char *output;
	const char *why;
	bool as_json;
	bool all;
	json_t *filter;
};

static void print_usage(const char *name, FILE *out)
{
	(void)fprintf(out,
		"usage: cordonctl %s [list] [FILTER...] [--limit N] [--after ID]\n"
		"       cordonctl %s show ID\n"
		"       cordonctl %s export ID [-o FILE] [--why TEXT]\n"
		"       cordonctl %s release|delete ID...|--all [FILTER...] --why TEXT\n"
		"\n"
		"  list     what there is, oldest first\n"
		"  show     envelope, headers, reason, parts, history of one, and until when the\n"
		"           seals last that it is held under\n"
		"  export   the message as it was received, to FILE or standard output; written\n"
		"           down with your name and reason\n"
		"  release  deliver it; this is written down with your name and reason\n"
		"  delete   throw it away; the same\n"
		"\n"
		"  --sender PATTERN --recipient PATTERN --subject PATTERN --virus-id PATTERN\n"
		"  --signature PATTERN --since SECONDS --until SECONDS\n"
		"                 only those; * and ? are known, times are seconds since 1970\n"
		"  --socket PATH  of cordon-control (default " CONTROL_SOCKET ")\n"
		"  --json         the answer as JSON lines\n"
		"\n"
		"Exit status: 0 done, 1 refused, or not done for all, 2 not reachable or bad "
		"usage.\n",
		name, name, name, name);
}

// ---- list and show ------------------------------------------------------------------------------

static void print_row(const json_t *record)
{
	const json_t *recipients = json_object_get(record, "rcpt_to");
	const char *first = json_string_value(json_array_get(recipients, 0));
	size_t count = json_array_size(recipients);
	const json_t *names = json_object_get(record, "signatures");
	const char *name;

	if (json_array_size(names) == 0)
		names = json_object_get(record, "seals");
	name = json_string_value(json_array_get(names, 0));
	(void)printf("%-24s %.19s %9" JSON_INTEGER_FORMAT " %-28s %-28s%s %-18s %s\n",
		ctl_text(record, "id"), ctl_text(record, "arrival"),
		json_integer_value(json_object_get(record, "bytes")), ctl_text(record, "mail_from"),
		first != NULL ? first : "", count > 1 ? " ..." : "",
		name != NULL ? name : ctl_text(record, "reason"), ctl_text(record, "subject"));
}

static int list_mail(const struct mail_arguments *arguments)
{
	json_t *request = json_pack("{s:s}", "command", "mail list");
	json_t *answer = NULL;
	json_t *record;
	size_t i;
	int status;

	(void)json_object_update(request, arguments->filter);
	status = ctl_ask(arguments->socket_path, request, CTL_ASK_SECONDS, &answer);
	if (status != CTL_OK)
		return status;
	if (arguments->as_json) {
		ctl_print_answer(answer);
		return CTL_OK;
	}
	json_array_foreach(json_object_get(answer, "records"), i, record)
	{
		print_row(record);
	}
	(void)fprintf(stderr, "%" JSON_INTEGER_FORMAT " in all%s\n",
		json_integer_value(json_object_get(answer, "total")),
		json_is_true(json_object_get(answer, "more"))
			? "; go on with --after and the last id"
			: "");
	json_decref(answer);
	return CTL_OK;
}

static int show_mail(const struct mail_arguments *arguments, const char *id)
{
	json_t *answer = NULL;
	int status = ctl_ask(arguments->socket_path,
		json_pack("{s:s, s:s}", "command", "mail show", "id", id), CTL_ASK_SECONDS,
		&answer);

	if (status != CTL_OK)
		return status;
	if (arguments->as_json) {
		ctl_print_answer(answer);
		return CTL_OK;
	}
	(void)json_dumpf(answer, stdout, JSON_INDENT(2));
	(void)printf("\n");
	json_decref(answer);
	return CTL_OK;
}

// ---- export -------------------------------------------------------------------------------------

static int copy_to(int file, FILE *out)
{
	char *data = malloc(COPY_BYTES);
	ssize_t n = -1;
	int err = data == NULL ? -ENOMEM : 0;

	while (err == 0 && (n = read(file, data, COPY_BYTES)) > 0) {
		if (fwrite(data, 1, (size_t)n, out) != (size_t)n)
			err = -EIO;
	}
	if (err == 0 && (n < 0 || fflush(out) != 0))
		err = -errno;
	free(data);
	return err;
}

static int export_mail(const struct mail_arguments *arguments, const char *id)
{
	FILE *out = stdout;
	json_t *answer = NULL;
	char reason[128];
	int file;
	int err = 0;
	int status = ctl_ask_file(arguments->socket_path,
		json_pack("{s:s, s:s, s:s}", "command", "mail export", "id", id, "why",
			arguments->why),
		&answer, &file);

	if (status != CTL_OK)
		return status;
	json_decref(answer);
	if (arguments->output != NULL)
		out = fopen(arguments->output, "wbe");
	err = out != NULL ? copy_to(file, out) : -errno;
	if (out != NULL && out != stdout && fclose(out) != 0 && err == 0)
		err = -errno;
	if (file >= 0)
		(void)close(file);
	if (err == 0)
		return CTL_OK;
	(void)fprintf(stderr, "cordonctl: %s: %s\n",
		arguments->output != NULL ? arguments->output : "standard output",
		strerror_r(-err, reason, sizeof(reason)));
	return CTL_ERROR;
}

// ---- release and delete -------------------------------------------------------------------------

// Takes ids. Returns what the answer says of all, or the error; answer: what the caller lets go of, or NULL.
static int change_some(
	const struct mail_arguments *arguments, const char *command, json_t *ids, json_t **answer)
{
	const json_t *failed;
	size_t count;
	int status = ctl_ask(arguments->socket_path,
		json_pack("{s:s, s:o, s:s, s:O}", "command", command, "ids", ids, "why",
			arguments->why, "state", json_object_get(arguments->filter, "state")),
		CTL_ASK_LONG_SECONDS, answer);

	if (status != CTL_OK)
		return status;
	status = json_is_true(json_object_get(*answer, "ok")) ? CTL_OK : CTL_FOUND;
	if (arguments->as_json) {
		ctl_print_answer(json_incref(*answer));
		return status;
	}
	(void)printf("%zu done\n", json_array_size(json_object_get(*answer, "done")));
	failed = json_object_get(*answer, "failed");
	count = json_array_size(failed);
	for (size_t i = 0; i < count; i++)
		(void)fprintf(stderr, "cordonctl: %s: %s\n",
			ctl_text(json_array_get(failed, i), "id"),
			ctl_text(json_array_get(failed, i), "why"));
	return status;
}

// The ids of a page of those that the filter names.
static int next_ids(const struct mail_arguments *arguments, json_t *ids, bool *more)
{
	json_t *request = json_pack("{s:s, s:i}", "command", "mail list", "limit", PAGE);
	json_t *answer = NULL;
	json_t *record;
	size_t i;
	int status;

	(void)json_object_update(request, arguments->filter);
	status = ctl_ask(arguments->socket_path, request, CTL_ASK_SECONDS, &answer);
	json_array_foreach(json_object_get(answer, "records"), i, record)
	{
		(void)json_array_append(ids, json_object_get(record, "id"));
	}
	*more = json_is_true(json_object_get(answer, "more"));
	json_decref(answer);
	return status;
}

// Page by page: what was changed is not in the next list any more, and what could not be does not keep what is
// behind it.
static int change_all(const struct mail_arguments *arguments, const char *command)
{
	int worst = CTL_OK;
	bool more = true;

	while (more) {
		json_t *ids = json_array();
		json_t *answer = NULL;
		const json_t *failed;
		int status = next_ids(arguments, ids, &more);

		if (status == CTL_OK && json_array_size(ids) > 0) {
			status = change_some(arguments, command, ids, &answer);
		} else {
			json_decref(ids);
			if (status == CTL_OK && worst == CTL_OK && !arguments->as_json)
				(void)printf("none left\n");
			return status != CTL_OK ? status : worst;
		}
		worst = status != CTL_OK ? status : worst;
		failed = json_object_get(answer, "failed");
		if (json_array_size(failed) > 0)
			(void)json_object_set(arguments->filter, "after",
				json_object_get(
					json_array_get(failed, json_array_size(failed) - 1), "id"));
		more = more && answer != NULL;
		json_decref(answer);
	}
	return worst;
}

static int change_mail(
	const struct mail_arguments *arguments, const char *command, int count, char **names)
{
	json_t *answer = NULL;
	json_t *ids;
	int status;

	if (arguments->why[strspn(arguments->why, " \t")] == '\0') {
		(void)fprintf(stderr, "cordonctl: %s: a reason is needed: --why TEXT\n", command);
		return CTL_ERROR;
	}
	if (arguments->all)
		return change_all(arguments, command);
	ids = json_array();
	for (int i = 0; i < count; i++)
		(void)json_array_append_new(ids, json_string(names[i]));
	status = change_some(arguments, command, ids, &answer);
	json_decref(answer);
	return status;
}

// ---- arguments ----------------------------------------------------------------------------------

static const char *const filter_names[] = {"sender", "recipient", "subject", "virus_id",
	"signature", "after", "since", "until", "limit"};

enum { OPTION_FILTER = 256, OPTION_FILTER_NUMBERS = OPTION_FILTER + 6 };

static bool take_option(struct mail_arguments *arguments, int letter)
{
	char *end = NULL;
	long long number;

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
	case 'w':
		arguments->why = optarg;
		return true;
	case 'a':
		arguments->all = true;
		return true;
	default:
		break;
	}
	if (letter < OPTION_FILTER)
		return false;
	if (letter < OPTION_FILTER_NUMBERS) {
		(void)json_object_set_new(arguments->filter, filter_names[letter - OPTION_FILTER],
			json_string(optarg));
		return true;
	}
	number = strtoll(optarg, &end, 10);
	(void)json_object_set_new(
		arguments->filter, filter_names[letter - OPTION_FILTER], json_integer(number));
	if (*optarg != '\0' && *end == '\0' && number >= 0)
		return true;
	(void)fprintf(stderr, "cordonctl: --%s %s: not a number\n",
		filter_names[letter - OPTION_FILTER], optarg);
	return false;
}

// What picks some of many is of no use beside what names them; a page of --all would be all the same.
static bool fits(const struct mail_arguments *arguments, bool is_list, const char **why)
{
	const json_t *filter = arguments->filter;

	*why = NULL;
	if (!is_list && !arguments->all && json_object_size(filter) > 1)
		*why = "a filter is for a list, or for --all";
	else if (arguments->all && (json_object_get(filter, "limit") != NULL ||
					   json_object_get(filter, "after") != NULL))
		*why = "--all has no pages: not with --limit or --after";
	return *why == NULL;
}

static int run(const struct mail_arguments *arguments, const char *name, int count, char **rest)
{
	const char *what = count > 0 ? rest[0] : "list";
	const char *why;

	if (!fits(arguments, strcmp(what, "list") == 0, &why)) {
		(void)fprintf(stderr, "cordonctl: %s %s: %s\n", name, what, why);
		return CTL_ERROR;
	}
	if (strcmp(what, "list") == 0 && count <= 1)
		return list_mail(arguments);
	if (strcmp(what, "show") == 0 && count == 2)
		return show_mail(arguments, rest[1]);
	if (strcmp(what, "export") == 0 && count == 2)
		return export_mail(arguments, rest[1]);
	if (strcmp(what, "release") == 0 && (count > 1) != arguments->all)
		return change_mail(arguments, "mail release", count - 1, rest + 1);
	if (strcmp(what, "delete") == 0 && (count > 1) != arguments->all)
		return change_mail(arguments, "mail delete", count - 1, rest + 1);
	print_usage(name, stderr);
	return CTL_ERROR;
}

static int mail_command(int argc, char **argv, const char *state)
{
	static const struct option long_options[] = {{"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'}, {"output", required_argument, NULL, 'o'},
		{"why", required_argument, NULL, 'w'}, {"all", no_argument, NULL, 'a'},
		{"sender", required_argument, NULL, OPTION_FILTER},
		{"recipient", required_argument, NULL, OPTION_FILTER + 1},
		{"subject", required_argument, NULL, OPTION_FILTER + 2},
		{"virus-id", required_argument, NULL, OPTION_FILTER + 3},
		{"signature", required_argument, NULL, OPTION_FILTER + 4},
		{"after", required_argument, NULL, OPTION_FILTER + 5},
		{"since", required_argument, NULL, OPTION_FILTER + 6},
		{"until", required_argument, NULL, OPTION_FILTER + 7},
		{"limit", required_argument, NULL, OPTION_FILTER + 8},
		{"help", no_argument, NULL, 'h'}, {0}};
	struct mail_arguments arguments = {.socket_path = CONTROL_SOCKET,
		.why = "",
		.filter = json_pack("{s:s}", "state", state)};
	int status;
	int letter;

	optind = 1;
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	while ((letter = getopt_long(argc, argv, "o:", long_options, NULL)) != -1) {
		if (take_option(&arguments, letter))
			continue;
		print_usage(argv[0], letter == 'h' ? stdout : stderr);
		json_decref(arguments.filter);
		return letter == 'h' ? CTL_OK : CTL_ERROR;
	}
	status = run(&arguments, argv[0], argc - optind, argv + optind);
	json_decref(arguments.filter);
	return status;
}

int ctl_held(int argc, char **argv)
{
	return mail_command(argc, argv, "held");
}

int ctl_quarantine(int argc, char **argv)
{
	return mail_command(argc, argv, "quarantined");
}
