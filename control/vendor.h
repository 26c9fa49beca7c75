// SPDX-License-Identifier: BSD-3-Clause
// The subcommands of cordon-vendor. All end with 0 done, 1 refused (or not good), 2 error.
#pragma once

#include <glib.h>
#include <jansson.h>

#include <stddef.h>

#define VENDOR_REFUSED 1
#define VENDOR_ERROR 2

struct vendor_command {
	const char *name;
	const char *help;                  // one line
	int (*run)(int argc, char **argv); // argv[0] is the name
};

// vendor_sign.c, vendor_root.c: on files, on any machine.
int vendor_key_command(int argc, char **argv);
int vendor_sign_command(int argc, char **argv);
int vendor_countersign_command(int argc, char **argv);
int vendor_verify_command(int argc, char **argv);
int vendor_root_command(int argc, char **argv);
int vendor_catalogue_command(int argc, char **argv);
int vendor_screen_command(int argc, char **argv); // vendor_screen.c

// vendor_admin.c: beside the server.
int vendor_apikey_command(int argc, char **argv);
int vendor_user_command(int argc, char **argv);
int vendor_token_command(int argc, char **argv);
int vendor_gateways_command(int argc, char **argv);
int vendor_alerts_command(int argc, char **argv);
int vendor_status_command(int argc, char **argv);

// ---- what they share: vendor_cli.c ---------------------------------------------------------------

// Reads the options, which are taken out of argv; summary is what stands above them in --help, which ends
// the process. Returns 0 or VENDOR_ERROR, which was said.
int vendor_cli_options(const char *arguments, const char *summary, const GOptionEntry *entries,
	int *argc, char ***argv) __attribute__((warn_unused_result));
// "cordon-vendor NAME: what" on stderr; returns VENDOR_ERROR.
int vendor_cli_fail(const char *name, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
// The whole file, "-" is standard input. NULL: could not be read, which was said.
char *vendor_cli_read(const char *name, const char *path, size_t *bytes)
	__attribute__((warn_unused_result));
// One line to a file, which is whole or as it was before, or to standard output (NULL or "-"). Returns
// 0 or VENDOR_ERROR.
int vendor_cli_write(const char *name, const char *path, const char *line)
	__attribute__((warn_unused_result));
// One line of JSON to standard output; lets go of value. Returns 0 or VENDOR_ERROR.
int vendor_cli_print(json_t *value);
