// SPDX-License-Identifier: BSD-3-Clause
// The command line of a daemon: --config FILE [--check-config], --config-reference, --help.
#pragma once

#include <stdbool.h>
#include <stdio.h>

#define OPTIONS_EXIT_CONFIG 2 // of a daemon whose command line or configuration is wrong

struct options_command {
	void (*write_usage)(FILE *out);
	void (*write_reference)(FILE *out);
	// What was asked for:
	const char *config; // borrowed from argv
	bool is_check;
};

// Returns true when there is a configuration to be read; else what was asked for is done, or wrong and said so, and
// *status is the program's. Before any thread is started.
bool options_command_read(struct options_command *command, int argc, char **argv, int *status);
