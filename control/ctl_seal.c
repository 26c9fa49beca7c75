// SPDX-License-Identifier: BSD-3-Clause
// cordonctl seal, unseal: divert mail, and let it through again.
#include "control/api.h"
#include "control/ctl.h"
#include "control/ctl_ask.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char seal_help[] =
	"usage: cordonctl seal --virus-id ID [--mode MODE] [SCOPE...] [--seconds N] [--why TEXT]\n"
	"       cordonctl seal                      the seals that are open\n"
	"\n"
	"From the moment that this command has ended well, no mail that the seal covers reaches\n"
	"a server before it was looked at again. Of a virus id there is one seal: setting it "
	"again\n"
	"changes it.\n"
	"\n"
	"  --virus-id ID       the code of the virus, which a later signature names\n"
	"  --mode MODE         hold (default): take all mail into the buffer\n"
	"                      hold-attachments: only mail that carries an attachment\n"
	"                      strip: deliver without attachments now, hold the whole\n"
	"                      tempfail: answer 451, so that senders keep it\n"
	"  --direction WHICH   inbound, outbound or both (default)\n"
	"  --sender PATTERN --recipient PATTERN --subject PATTERN --name PATTERN --body TEXT\n"
	"  --file-type TYPE --min-bytes N --max-bytes N\n"
	"                      cover only mail of which all of these hold; * and ? are known,\n"
	"                      but in the text of the body: it holds the text in any case and\n"
	"                      with any white space, or matches the expression of /RE/imsx\n"
	"  --seconds N         longest duration\n"
	"  --why TEXT          for the record\n"
	"  --socket PATH       of cordon-control (default " CONTROL_SOCKET ")\n"
	"  --json              the answer as one JSON line\n"
	"\n"
	"Exit status: 0 in force, 1 refused or not in force yet, 2 not reachable or bad usage.\n";

static const char unseal_help[] =
	"usage: cordonctl unseal ID|--all [--why TEXT] [--socket PATH] [--json]\n"
	"\n"
	"Ends the seal of a virus id, or all. What was held is scanned again before it goes on.\n"
	"\n"
	"Exit status: 0 done, 1 refused or not told to the dataplane yet, 2 not reachable or bad "
	"usage.\n";

struct arguments {
	const char *socket_path;
	bool as_json;
	bool all;
	json_t *request;
	json_t *scope;
};

static int usage_error(const char *help)
{
	(void)fputs(help, stderr);
	return CTL_ERROR;
}

static void print_seals(const json_t *answer)
{
	size_t i;
	json_t *seal;

	json_array_foreach(json_object_get(answer, "seals"), i, seal)
	{
		json_t *scope = json_object_get(seal, "scope");
		char *text = json_object_size(scope) > 0 ? json_dumps(scope, JSON_COMPACT) : NULL;

		(void)printf("%-24s %-17s %s%s%s\n", ctl_text(seal, "virus_id"),
			ctl_text(seal, "mode"), ctl_text(seal, "origin"), text != NULL ? "  " : "",
			text != NULL ? text : "");
		free(text);
	}
}

// What a change has led to.
static int show_change(json_t *answer, bool as_json)
{
	bool in_force = json_is_true(json_object_get(answer, "in_force"));

	if (as_json) {
		ctl_print_answer(answer);
		return in_force ? CTL_OK : CTL_FOUND;
	}
	if (json_array_size(json_object_get(answer, "seals")) == 0)
		(void)printf("no seal is open\n");
	print_seals(answer);
	if (!in_force)
		(void)fprintf(stderr, "cordonctl: recorded, but not in force: %s\n",
			ctl_text(answer, "why"));
	if (json_is_false(json_object_get(answer, "written")))
		(void)fprintf(stderr,
			"cordonctl: the seals cannot be written down now: until the disk has room "
			"they last as long as either cordon-control or the dataplane runs\n");
	json_decref(answer);
	return in_force ? CTL_OK : CTL_FOUND;
}

static json_t *directions_of(const char *name)
{
	if (strcmp(name, "both") == 0)
		return json_pack("[s, s]", "inbound", "outbound");
	return json_pack("[s]", name);
}

static bool number_of(const char *text, json_t **out)
{
	char *end = NULL;
	long long value;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < 0)
		return false;
	*out = json_integer(value);
	return true;
}

// Names of long options whose values go into the request or its scope as they are.
static const char *const seal_texts[] = {"virus_id", "mode", "why"};
static const char *const scope_texts[] = {
	"sender", "recipient", "subject", "name", "body", "file_type"};

enum { OPTION_TEXT_FIRST = 256, OPTION_SCOPE_FIRST = 512 };

static bool take_option(struct arguments *arguments, int letter)
{
	json_t *number = NULL;

	for (size_t i = 0; i < sizeof(seal_texts) / sizeof(seal_texts[0]); i++) {
		if (letter != OPTION_TEXT_FIRST + (int)i)
			continue;
		(void)json_object_set_new(arguments->request, seal_texts[i], json_string(optarg));
		return true;
	}
	for (size_t i = 0; i < sizeof(scope_texts) / sizeof(scope_texts[0]); i++) {
		if (letter != OPTION_SCOPE_FIRST + (int)i)
			continue;
		(void)json_object_set_new(arguments->scope, scope_texts[i], json_string(optarg));
		return true;
	}
	switch (letter) {
	case 's':
		arguments->socket_path = optarg;
		return true;
	case 'j':
		arguments->as_json = true;
		return true;
	case 'd':
		(void)json_object_set_new(arguments->request, "directions", directions_of(optarg));
		return true;
	case 't':
	case 'm':
	case 'M':
		if (!number_of(optarg, &number))
			return false;
		(void)json_object_set_new(letter == 't' ? arguments->request : arguments->scope,
			letter == 't'   ? "max_seconds"
			: letter == 'm' ? "min_bytes"
					: "max_bytes",
			number);
		return true;
	default:
		return false;
	}
}

static int ask_seal(struct arguments *arguments)
{
	bool is_question = json_object_size(arguments->request) == 0;
	json_t *answer = NULL;
	int status;

	if (is_question) {
		status = ctl_ask(arguments->socket_path, json_pack("{s:s}", "command", "status"),
			CTL_ASK_SECONDS, &answer);
		return status == CTL_OK ? show_change(answer, arguments->as_json) : status;
	}
	(void)json_object_set_new(arguments->request, "command", json_string("seal"));
	if (json_object_get(arguments->request, "mode") == NULL)
		(void)json_object_set_new(arguments->request, "mode", json_string("hold"));
	(void)json_object_set(arguments->request, "scope", arguments->scope);
	status = ctl_ask(
		arguments->socket_path, json_incref(arguments->request), CTL_ASK_SECONDS, &answer);
	return status == CTL_OK ? show_change(answer, arguments->as_json) : status;
}

int ctl_seal(int argc, char **argv)
{
	static const struct option long_options[] = {{"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{"virus-id", required_argument, NULL, OPTION_TEXT_FIRST},
		{"mode", required_argument, NULL, OPTION_TEXT_FIRST + 1},
		{"why", required_argument, NULL, OPTION_TEXT_FIRST + 2},
		{"sender", required_argument, NULL, OPTION_SCOPE_FIRST},
		{"recipient", required_argument, NULL, OPTION_SCOPE_FIRST + 1},
		{"subject", required_argument, NULL, OPTION_SCOPE_FIRST + 2},
		{"name", required_argument, NULL, OPTION_SCOPE_FIRST + 3},
		{"body", required_argument, NULL, OPTION_SCOPE_FIRST + 4},
		{"file-type", required_argument, NULL, OPTION_SCOPE_FIRST + 5},
		{"min-bytes", required_argument, NULL, 'm'},
		{"max-bytes", required_argument, NULL, 'M'},
		{"direction", required_argument, NULL, 'd'},
		{"seconds", required_argument, NULL, 't'}, {"help", no_argument, NULL, 'h'}, {0}};
	struct arguments arguments = {
		.socket_path = CONTROL_SOCKET, .request = json_object(), .scope = json_object()};
	int status = CTL_OK;
	int letter;

	optind = 1;
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	while ((letter = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (take_option(&arguments, letter))
			continue;
		(void)fputs(seal_help, letter == 'h' ? stdout : stderr);
		status = letter == 'h' ? CTL_OK : CTL_ERROR;
		goto out;
	}
	if (optind != argc || (json_object_size(arguments.request) > 0 &&
				      json_object_get(arguments.request, "virus_id") == NULL))
		status = usage_error(seal_help);
	else
		status = ask_seal(&arguments);
out:
	json_decref(arguments.request);
	json_decref(arguments.scope);
	return status;
}

int ctl_unseal(int argc, char **argv)
{
	static const struct option long_options[] = {{"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'}, {"all", no_argument, NULL, 'a'},
		{"why", required_argument, NULL, 'w'}, {"help", no_argument, NULL, 'h'}, {0}};
	const char *socket_path = CONTROL_SOCKET;
	const char *why = "";
	bool as_json = false;
	json_t *answer = NULL;
	int all = 0;
	int letter;
	int status;

	optind = 1;
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	while ((letter = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (letter) {
		case 's':
			socket_path = optarg;
			break;
		case 'j':
			as_json = true;
			break;
		case 'a':
			all = 1;
			break;
		case 'w':
			why = optarg;
			break;
		default:
			(void)fputs(unseal_help, letter == 'h' ? stdout : stderr);
			return letter == 'h' ? CTL_OK : CTL_ERROR;
		}
	}
	if (argc - optind != 1 - all)
		return usage_error(unseal_help);
	status = ctl_ask(socket_path,
		json_pack("{s:s, s:s, s:b, s:s}", "command", "unseal", "virus_id",
			all != 0 ? "" : argv[optind], "all", all, "why", why),
		CTL_ASK_SECONDS, &answer);
	return status == CTL_OK ? show_change(answer, as_json) : status;
}
