// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/inherited.h"
#include "tests/support/child.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNLESS(truth)                                                                              \
	do {                                                                                       \
		if (!(truth))                                                                      \
			return __LINE__ % 255 + 1;                                                 \
	} while (0)

static int close_all(void)
{
	char byte = 0;

	(void)close(STDIN_FILENO);
	(void)close(STDOUT_FILENO);
	(void)close(STDERR_FILENO);
	UNLESS(inherited_streams() == 0);
	UNLESS(open("/dev/null", O_RDWR) > STDERR_FILENO);
	UNLESS(read(STDIN_FILENO, &byte, 1) < 0 && errno == EBADF);
	UNLESS(write(STDOUT_FILENO, &byte, 1) < 0 && errno == EBADF);
	UNLESS(write(STDERR_FILENO, &byte, 1) < 0 && errno == EBADF);
	return 0;
}

static int close_error(void)
{
	struct stat before;
	struct stat after;

	UNLESS(fstat(STDOUT_FILENO, &before) == 0);
	(void)close(STDERR_FILENO);
	UNLESS(inherited_streams() == 0);
	UNLESS(open("/dev/null", O_RDWR) > STDERR_FILENO);
	UNLESS(fstat(STDOUT_FILENO, &after) == 0);
	UNLESS(before.st_dev == after.st_dev && before.st_ino == after.st_ino);
	return 0;
}

static void streams_that_are_closed_are_taken_and_others_left(void **state)
{
	(void)state;
	assert_int_equal(child_ask(close_all), 0);
	assert_int_equal(child_ask(close_error), 0);
}

static int block_signals(void)
{
	sigset_t set;

	(void)sigfillset(&set);
	(void)pthread_sigmask(SIG_SETMASK, &set, NULL);
	(void)signal(SIGCHLD, SIG_IGN);
	(void)umask(0777);
	UNLESS(inherited_settle() == 0);
	UNLESS(pthread_sigmask(SIG_BLOCK, NULL, &set) == 0);
	for (int number = 1; number < SIGRTMAX; number++)
		UNLESS(sigismember(&set, number) != 1);
	UNLESS(signal(SIGCHLD, SIG_DFL) == SIG_DFL);
	UNLESS(umask(0) == 077);
	return 0;
}

static int fill_file(void)
{
	const struct rlimit limit = {1, 1};
	char path[] = "/tmp/cordon-inherited-XXXXXX";
	int fd = mkstemp(path);

	UNLESS(fd >= 0 && unlink(path) == 0);
	UNLESS(inherited_settle() == 0);
	UNLESS(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	UNLESS(write(fd, path, 1) == 1);
	UNLESS(write(fd, path, 1) < 0 && errno == EFBIG);
	return 0;
}

static void signals_reach_it_and_none_ends_it_unasked(void **state)
{
	(void)state;
	assert_int_equal(child_ask(block_signals), 0);
	assert_int_equal(child_ask(fill_file), 0);
}

static int settle_with(rlim_t soft, rlim_t hard)
{
	const struct rlimit limit = {soft, hard};

	UNLESS(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	return -inherited_settle();
}

static int have_few(void)
{
	return settle_with(20, INHERITED_DESCRIPTORS - 1);
}

static int have_more(void)
{
	struct rlimit limit;

	UNLESS(settle_with(20, INHERITED_DESCRIPTORS + 1) == 0);
	UNLESS(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	UNLESS(limit.rlim_cur == INHERITED_DESCRIPTORS);
	return 0;
}

static void too_few_descriptors_are_raised_or_told(void **state)
{
	(void)state;
	assert_int_equal(child_ask(have_few), EMFILE);
	assert_int_equal(child_ask(have_more), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_that_are_closed_are_taken_and_others_left),
		cmocka_unit_test(signals_reach_it_and_none_ends_it_unasked),
		cmocka_unit_test(too_few_descriptors_are_raised_or_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
