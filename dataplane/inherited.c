// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

int inherited_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		// The lowest that is free is this one. A child has it, too.
		if (fcntl(fd, F_GETFD) < 0 &&
			open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			return -errno;
	}
	return 0;
}

static int settle_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return -errno;
	if (limit.rlim_cur >= INHERITED_DESCRIPTORS)
		return 0;
	if (limit.rlim_max < INHERITED_DESCRIPTORS)
		return -EMFILE;
	limit.rlim_cur = INHERITED_DESCRIPTORS;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? 0 : -errno;
}

int inherited_settle(void)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)pthread_sigmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)umask(umask(0) & (S_IRWXG | S_IRWXO));
	return settle_descriptors();
}
