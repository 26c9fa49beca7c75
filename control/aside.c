// SPDX-License-Identifier: BSD-3-Clause
#include "control/aside.h"

#include "control/urgent.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>

struct spawning {
	struct aside_child *child;
	GError *error;
};

static void spawn(void *ctx)
{
	struct spawning *job = ctx;
	struct aside_child *child = job->child;

	// The texts are const in all but type: g_spawn does not write to them.
	(void)g_spawn_async_with_pipes(NULL, (gchar **)(uintptr_t)child->arguments, NULL,
		G_SPAWN_DO_NOT_REAP_CHILD, child->setup, child->ctx, &child->pid,
		child->has_input ? &child->input : NULL, &child->output, NULL, &job->error);
}

int aside_spawn(struct aside_child *child)
{
	struct spawning job = {.child = child};

	child->pid = 0;
	child->input = -1;
	child->output = -1;
	urgent_wait(spawn, &job);
	if (job.error == NULL)
		return 0;
	(void)fprintf(stderr, "cordon-control: %s: %s\n", child->arguments[0], job.error->message);
	g_error_free(job.error);
	return -ENOEXEC;
}

static void end_child(void *ctx)
{
	const GPid *pid = ctx;

	(void)kill(*pid, SIGKILL);
	while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

void aside_kill(GPid pid)
{
	urgent_wait(end_child, &pid);
	g_spawn_close_pid(pid);
}
