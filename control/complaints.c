// SPDX-License-Identifier: BSD-3-Clause
#include "control/complaints.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static ssize_t send_some(void *cookie, const char *data, size_t n)
{
	(void)cookie;
	(void)send(STDERR_FILENO, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	// What it does not take is not tried again.
	return (ssize_t)n;
}

// It cannot be opened once more: only what is said by stderr does not wait.
static void use_socket(void)
{
	const cookie_io_functions_t functions = {.write = send_some};
	FILE *file = fopencookie(NULL, "w", functions);

	if (file == NULL)
		return;
	if (setvbuf(file, NULL, _IOLBF, BUFSIZ) == 0)
		stderr = file;
	else
		(void)fclose(file);
}

void complaints_never_wait(void)
{
	struct stat status;
	int fd;

	if (fstat(STDERR_FILENO, &status) != 0)
		return;
	if (S_ISSOCK(status.st_mode))
		use_socket();
	if (!S_ISFIFO(status.st_mode) && !S_ISCHR(status.st_mode))
		return;
	// A description of our own: whether it waits is the description's.
	fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)dup2(fd, STDERR_FILENO);
	(void)close(fd);
}
