// SPDX-License-Identifier: BSD-3-Clause
// cordon-vendor: makes keys, root documents and alerts on files.
#include "control/vendor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct vendor_command commands[] = {
	{"key", "make a key", vendor_key_command},
	{"root", "make a root document: whose keys count for what", vendor_root_command},
	{"sign", "make an alert and sign it", vendor_sign_command},
	{"countersign", "add signatures to an envelope", vendor_countersign_command},
	{"verify", "say who has signed an envelope and what it says", vendor_verify_command},
	{"catalogue", "say what a folder of signature files covers", vendor_catalogue_command},
};

static void write_usage(FILE *out)
{
	(void)fputs("usage: cordon-vendor COMMAND ...\n\n", out);
	for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
		(void)fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].help);
	(void)fputs(
		"\nEach command has --help. Exit status: 0 done, 1 refused or not good, 2 error.\n",
		out);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		write_usage(stdout);
		return EXIT_SUCCESS;
	}
	for (size_t i = 0; argc > 1 && i < G_N_ELEMENTS(commands); i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	}
	write_usage(stderr);
	return VENDOR_ERROR;
}
