// SPDX-License-Identifier: BSD-3-Clause
// cordonctl replay: captures through the whole dataplane.
#include "control/ctl.h"
#include "dataplane/dataplane.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_POLICIES 64

struct replay_command {
	struct replay_options options;
	const char *rules;
	const char *screen; // NULL: none
	const char *policies[MAX_POLICIES];
	char *lists[MAX_POLICIES]; // copies of the arguments that policies point into
	size_t lists_count;
};

static void print_usage(FILE *out)
{
	(void)fprintf(out,
		"usage: cordonctl replay --rules PATH [OPTION...] FILE.pcap...\n\n"
		"Sends captures (pcap, pcapng; packed with gzip, too) through the whole\n"
		"dataplane.\n\n"
		"  -r, --rules PATH      image, signature file or folder of them\n"
		"      --screen FILE     checksums to look for besides: a JSON list as in alerts\n"
		"      --json            JSON lines on stdout, nothing else there\n"
		"      --digests LIST    of md5,sha1,sha256: report these of every part\n"
		"      --out FILE        capture of every frame that would leave\n"
		"      --policy [inbound.|outbound.]NAME=VALUE[,...]\n"
		"                        infected, suspect, encrypted-mail, screening, "
		"unscannable: "
		"deliver, "
		"reject, "
		"tempfail, "
		"discard\n"
		"                        or quarantine; midstream: reset, drop or pass; starttls: "
		"mask,\n"
		"                        refuse or pass; false-end: refuse or normalise; "
		"bare-newline:\n"
		"                        refuse, normalise or pass; unknown-verbs: mask or pass\n"
		"      --sealed MODE     as if a seal of this mode covered all mail: hold,\n"
		"                        hold-attachments, strip, tempfail\n"
		"      --config FILE     take policies, ports and limits from this configuration\n"
		"      --ports LIST      SMTP ports (25,587,2525)\n"
		"  -h, --help            this text\n\n"
		"The client of a connection is taken as outside. Time is the capture's: what "
		"timers\n"
		"send between two frames leaves with the time of the second. Segments with wrong\n"
		"checksums are put right only where the capture shows that they were received, "
		"and\n"
		"windows are heeded but between hosts that it shows not to keep to them. Each file "
		"begins "
		"with\n"
		"fresh state; one that ends early counts for what could be read of it.\n\n"
		"Exit status: 0 ran, 2 error or a file of which nothing could be read.\n");
}

static void say(const char *what, const char *value)
{
	(void)fprintf(stderr, "cordonctl replay: %s%s\n", what, value);
}

// Splits "a=b,c=d".
static bool add_policies(struct replay_command *command, const char *list)
{
	char *copy = strdup(list);
	char *rest = NULL;

	if (copy == NULL || command->lists_count == MAX_POLICIES) {
		free(copy);
		say("too many policies", "");
		return false;
	}
	command->lists[command->lists_count++] = copy;
	for (char *one = strtok_r(copy, ",", &rest); one != NULL;
		one = strtok_r(NULL, ",", &rest)) {
		if (command->options.policies_count == MAX_POLICIES) {
			say("too many policies", "");
			return false;
		}
		command->policies[command->options.policies_count++] = one;
	}
	return true;
}

// One option. False when it is wrong, which was said.
static bool take_option(struct replay_command *command, int c, const char *argument)
{
	switch (c) {
	case 'r':
		command->rules = argument;
		return true;
	case 'S':
		command->screen = argument;
		return true;
	case 'j':
		command->options.readable = false;
		return true;
	case 'd':
		if (ctl_parse_digests(argument, &command->options.digests))
			return true;
		say("--digests: not of md5,sha1,sha256: ", argument);
		return false;
	case 'o':
		command->options.egress = argument;
		return true;
	case 'p':
		return add_policies(command, argument);
	case 'c':
		command->options.config = argument;
		return true;
	case 'P':
		command->options.ports = argument;
		return true;
	case 's':
		command->options.sealed = argument;
		return true;
	default:
		print_usage(stderr);
		return false;
	}
}

static bool parse_options(int argc, char **argv, struct replay_command *command, int *status)
{
	static const struct option names[] = {
		{"rules", required_argument, NULL, 'r'},
		{"screen", required_argument, NULL, 'S'},
		{"json", no_argument, NULL, 'j'},
		{"digests", required_argument, NULL, 'd'},
		{"out", required_argument, NULL, 'o'},
		{"policy", required_argument, NULL, 'p'},
		{"config", required_argument, NULL, 'c'},
		{"ports", required_argument, NULL, 'P'},
		{"sealed", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c;

	*status = CTL_ERROR;
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	while ((c = getopt_long(argc, argv, "r:h", names, NULL)) != -1) {
		if (c == 'h') {
			print_usage(stdout);
			*status = CTL_OK;
			return false;
		}
		if (!take_option(command, c, optarg))
			return false;
	}
	if (command->rules != NULL && optind < argc)
		return true;
	say(command->rules == NULL ? "--rules PATH is missing" : "no capture files", "");
	print_usage(stderr);
	return false;
}

static int run(struct replay_command *command)
{
	struct replay_stats stats;
	struct ruleset *ruleset;
	struct ruleset *screened = NULL;
	void *owned_memory;
	void *list = NULL;
	char error[768] = "";
	int err = ctl_load_rules(command->rules, &ruleset, &owned_memory);

	if (err != 0)
		return CTL_ERROR;
	command->options.ruleset = ruleset;
	if (command->screen != NULL) {
		err = ctl_load_screen(command->screen, ruleset, &screened, &list);
		command->options.ruleset = screened;
		if (err != 0) {
			ruleset_close(ruleset);
			free(owned_memory);
			return CTL_ERROR;
		}
	}
	err = replay_run(&command->options, &stats, error, sizeof(error));
	ruleset_close(screened);
	ruleset_close(ruleset);
	free(list);
	free(owned_memory);
	if (err != 0) {
		// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
		say(error[0] != '\0' ? error : strerror(-err), "");
		return CTL_ERROR;
	}
	(void)fprintf(command->options.readable ? stdout : stderr,
		"%llu frames in, %llu out, %llu cut; %llu messages, %llu infected\n",
		(unsigned long long)stats.frames_in, (unsigned long long)stats.frames_out,
		(unsigned long long)stats.frames_cut, (unsigned long long)stats.messages,
		(unsigned long long)stats.infected);
	return CTL_OK;
}

// Rules that are mapped would be gone as well.
static bool overwrites(const struct replay_command *command)
{
	const char *const given[] = {command->rules, command->screen, command->options.config};
	const char *others[sizeof(given) / sizeof(given[0]) + 1] = {0};
	size_t count = 0;

	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
		if (given[i] != NULL)
			others[count++] = given[i];
	}
	return ctl_output_is_input("replay", command->options.egress, command->options.files) ||
	       ctl_output_is_input("replay", command->options.egress, others);
}

int ctl_replay(int argc, char **argv)
{
	struct replay_command command = {
		.options = {.events = stdout, .readable = true, .notes = stderr}};
	int status;

	command.options.policies = command.policies;
	if (parse_options(argc, argv, &command, &status)) {
		command.options.files = (const char *const *)(argv + optind);
		command.options.files_count = (size_t)(argc - optind);
		status = overwrites(&command) ? CTL_ERROR : run(&command);
	}
	for (size_t i = 0; i < command.lists_count; i++)
		free(command.lists[i]);
	return status;
}
