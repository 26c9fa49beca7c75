// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/options_command.h"

#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>

// Returns false when that was all.
static bool take_option(struct options_command *command, int letter, int *status)
{
	*status = EXIT_SUCCESS;
	switch (letter) {
	case 'c':
		command->config = optarg;
		return true;
	case 'k':
		command->is_check = true;
		return true;
	case 'r':
		command->write_reference(stdout);
		return false;
	case 'h':
		command->write_usage(stdout);
		return false;
	default:
		command->write_usage(stderr);
		*status = OPTIONS_EXIT_CONFIG;
		return false;
	}
}

bool options_command_read(struct options_command *command, int argc, char **argv, int *status)
{
	static const struct option long_options[] = {{"config", required_argument, NULL, 'c'},
		{"check-config", no_argument, NULL, 'k'},
		{"config-reference", no_argument, NULL, 'r'}, {"help", no_argument, NULL, 'h'},
		{0}};
	int letter;

	// NOLINTNEXTLINE(concurrency-mt-unsafe): before any thread is started
	while ((letter = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (!take_option(command, letter, status))
			return false;
	}
	if (command->config != NULL && optind == argc)
		return true;
	command->write_usage(stderr);
	*status = OPTIONS_EXIT_CONFIG;
	return false;
}
