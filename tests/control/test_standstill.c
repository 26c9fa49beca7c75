// SPDX-License-Identifier: BSD-3-Clause
#include "control/standstill.h"
#include "tests/support/unit.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENOUGH 20

static pid_t start(bool is_busy)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		// As another field of it would look like.
		(void)prctl(PR_SET_NAME, "x) R 1 (y");
		for (;;) {
			if (!is_busy)
				(void)pause();
		}
	}
	return pid;
}

static void end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

// Until so many looks in a row have seen nothing.
static void stands(struct standstill *standstill, pid_t pid, unsigned int looks)
{
	while (standstill_look(standstill, pid) < looks)
		(void)usleep(1000);
}

static void test_waits(void **state)
{
	struct standstill standstill = {0};
	const pid_t pid = start(false);

	(void)state;
	stands(&standstill, pid, ENOUGH);
	assert_int_equal(standstill_look(&standstill, pid), ENOUGH + 1);
	end(pid);
}

static void test_works(void **state)
{
	struct standstill standstill = {0};
	const pid_t pid = start(true);

	(void)state;
	for (int i = 0; i < ENOUGH; i++) {
		assert_int_equal(standstill_look(&standstill, pid), 0);
		(void)usleep(1000);
	}
	end(pid);
}

static void test_stopped_and_goes_on(void **state)
{
	struct standstill standstill = {0};
	const pid_t pid = start(true);

	(void)state;
	assert_int_equal(kill(pid, SIGSTOP), 0);
	stands(&standstill, pid, ENOUGH);
	assert_int_equal(kill(pid, SIGCONT), 0);
	while (standstill_look(&standstill, pid) != 0)
		(void)usleep(1000);
	assert_int_equal(standstill_look(&standstill, pid), 0);
	end(pid);
}

static void test_ended(void **state)
{
	struct standstill standstill = {0};
	const pid_t pid = start(false);
	siginfo_t info;

	(void)state;
	stands(&standstill, pid, ENOUGH);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(standstill_look(&standstill, pid), 0); // and is not waited for yet
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(standstill_look(&standstill, pid), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_works),
		cmocka_unit_test(test_stopped_and_goes_on),
		cmocka_unit_test(test_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
