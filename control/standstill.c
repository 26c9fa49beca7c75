// SPDX-License-Identifier: BSD-3-Clause
#include "control/standstill.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STAT_BYTES 1024

// State and processor time of all its threads.
static bool read_stat(pid_t pid, char *state, uint64_t *ticks)
{
	char path[64];
	char text[STAT_BYTES];
	const char *behind;
	uint64_t user;
	uint64_t system;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	// The name is the program's own, and may hold anything.
	behind = strrchr(text, ')');
	// NOLINTBEGIN(cert-err34-c): the kernel's numbers
	if (behind == NULL ||
		sscanf(behind, ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
			state, &user, &system) != 3)
		return false;
	// NOLINTEND(cert-err34-c)
	*ticks = user + system;
	return true;
}

unsigned int standstill_look(struct standstill *standstill, pid_t pid)
{
	uint64_t ticks = 0;
	char state = 'Z';
	bool moves;

	// R: it runs, or would; D: the disk has it; Z: who waits for it is told.
	moves = !read_stat(pid, &state, &ticks) || strchr("RDZX", state) != NULL ||
		ticks != standstill->ticks;
	standstill->ticks = ticks;
	standstill->looks = moves ? 0 : standstill->looks + 1;
	return standstill->looks;
}
