// SPDX-License-Identifier: BSD-3-Clause
// cordonctl: finds the subcommand and runs it.
#include "control/ctl.h"
#include "dataplane/dataplane.h"

#include <stdio.h>
#include <string.h>

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
};

static const struct command commands[] = {
	{"compile", ctl_compile, "signature files to a ruleset image"},
	{"scan", ctl_scan, "messages, mailboxes and files against a ruleset"},
	{"replay", ctl_replay, "captures through the whole dataplane"},
	{"status", ctl_status, "am I protected, am I sealed, is anything waiting for me"},
	{"seal", ctl_seal, "divert mail instead of delivering it"},
	{"unseal", ctl_unseal, "end a seal"},
	{"held", ctl_held, "mail that was diverted under a seal"},
	{"quarantine", ctl_quarantine, "mail that was kept back as infected or suspect"},
	{"alerts", ctl_alerts, "what the vendor has sent"},
	{"screen", ctl_screen, "checksums that stand in for signatures"},
	{"rules", ctl_rules, "the rules in force, and new ones"},
	{"stats", ctl_stats, "the counters of the running dataplane"},
	{"top", ctl_top, "the same, live: rates, verdicts, what is held"},
	{"doctor", ctl_doctor, "what is wrong with this gateway, and what to do"},
};

static void print_usage(FILE *out)
{
	(void)fprintf(out, "usage: cordonctl COMMAND [OPTION...] [ARGUMENT...]\n\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		(void)fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
	(void)fprintf(out, "\ncordonctl COMMAND --help tells what a command takes.\n");
}

int main(int argc, char **argv)
{
	if (inherited_streams() != 0)
		return CTL_ERROR;
	if (argc < 2) {
		print_usage(stderr);
		return CTL_ERROR;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
		strcmp(argv[1], "help") == 0) {
		print_usage(stdout);
		return CTL_OK;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return ctl_output_end(commands[i].run(argc - 1, argv + 1));
	}
	(void)fprintf(stderr, "cordonctl: there is no command \"%s\"\n\n", argv[1]);
	print_usage(stderr);
	return CTL_ERROR;
}
