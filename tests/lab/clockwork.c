// SPDX-License-Identifier: BSD-3-Clause
// A time of day that the lab sets, for a program that is started with LD_PRELOAD of this: the file that CORDON_LAB_CLOCK
// names holds a number of seconds, which the machine's clock is ahead of itself. Clocks that nobody can set stay.
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead;

__attribute__((constructor)) static void open_clock(void)
{
	// NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet
	const char *path = getenv("CORDON_LAB_CLOCK");
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *mapped =
		fd >= 0 ? mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (fd >= 0)
		(void)close(fd);
	if (mapped == MAP_FAILED)
		abort();
	ahead = mapped;
}

// Others ask before it is open.
static int64_t ahead_s(void)
{
	return ahead != NULL ? *ahead : 0;
}

// Their parameters have other names in the library.
// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name)
int clock_gettime(clockid_t clock, struct timespec *out)
{
	int err = (int)syscall(SYS_clock_gettime, clock, out);

	if (err == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		out->tv_sec += ahead_s();
	return err;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	struct timespec now;
	int err = clock_gettime(CLOCK_REALTIME, &now);

	(void)zone;
	*out = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
	return err;
}

time_t time(time_t *out)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}

// What the kernel writes down goes by the same clock.
int fstat(int fd, struct stat *out)
{
	int err = (int)syscall(SYS_fstat, fd, out);

	if (err == 0)
		out->st_mtim.tv_sec += ahead_s();
	return err;
}
// NOLINTEND(readability-inconsistent-declaration-parameter-name)
