// SPDX-License-Identifier: BSD-3-Clause
// What takes its time with programs, done while alerts are served (urgent_wait): a seal must not wait for
// them. For the main loop; what is served meanwhile changes seals.
#pragma once

#include <glib.h>

#include <stdbool.h>

// A program that is started: it has to have a processor until its exec, and to be given its own memory, before anybody
// knows that it runs.
struct aside_child {
	const char *const *arguments; // the program's path first, NULL behind
	GSpawnChildSetupFunc setup;   // in the child; it has ctx
	gpointer ctx;
	bool has_input; // of a pipe
	GPid pid;       // from here on: what has come of it
	int input;      // -1: none
	int output;     // what it says on its standard output
};

// It has to be waited for (g_child_watch_add). Returns 0, or -ENOEXEC, which is told on standard error.
int aside_spawn(struct aside_child *child) __attribute__((warn_unused_result));
// Kills it, and waits until it is gone: that takes as long as its memory is, and the less of the processor it gets the
// longer. Nobody else may wait for it.
void aside_kill(GPid pid);
