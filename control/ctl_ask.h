// SPDX-License-Identifier: BSD-3-Clause
// What the subcommands that ask cordon-control have in common.
#pragma once

#include <jansson.h>

#include <stdbool.h>

#define CTL_ASK_SECONDS 10
#define CTL_ASK_LONG_SECONDS 3600 // for what compiles or delivers

// Asks the control process at socket_path, for what takes longer than CTL_ASK_SECONDS only while it shows that it lives. request
// is let go of. Returns the exit status: CTL_OK with
// the answer in *out (the caller lets go of it), CTL_FOUND when it was refused, CTL_ERROR when nobody
// answers; why is said on stderr.
int ctl_ask(const char *socket_path, json_t *request, unsigned int seconds, json_t **out);
// The same as ctl_ask with a descriptor that comes with the answer, -1 when none does; the caller closes it.
int ctl_ask_file(const char *socket_path, json_t *request, json_t **out, int *file);
// With a file that goes with the request, and stays the caller's.
int ctl_ask_with(const char *socket_path, json_t *request, int passed, json_t **out);
// The same, for what takes its time.
int ctl_ask_long(const char *socket_path, json_t *request, int passed, json_t **out);
// A member's text, "" where it has none.
const char *ctl_text(const json_t *object, const char *member);
// The answer as one JSON line on stdout; lets go of it.
void ctl_print_answer(json_t *answer);
