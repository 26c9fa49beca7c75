// SPDX-License-Identifier: BSD-3-Clause
// The subcommand "user" of both daemons: who may log in to the page.
#pragma once

// argv[0] is "user". Returns the exit status: 0, 1 refused, 2 bad usage.
int web_user_command(const char *program, int argc, char **argv);
