// SPDX-License-Identifier: BSD-3-Clause
// What is asked in a process of its own, for it changes what belongs to all of a process.
#pragma once

#include "tests/support/unit.h"

#include <sys/wait.h>
#include <unistd.h>

// Answers with what the question returned there, of which 8 bits come back.
static inline int child_ask(int (*question)(void))
{
	pid_t child = fork();
	int status = 0;

	assert_true(child >= 0);
	if (child == 0)
		_exit(question());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}
