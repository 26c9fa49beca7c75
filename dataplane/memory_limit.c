// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/memory_limit.h"

#include <malloc.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define LARGE_BYTES (1 << 20)

// What RLIMIT_DATA counts: private writable memory (proc(5), statm's sixth field). 0: it is not told.
uint64_t memory_limit_used(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	char line[256] = "";
	char *at = line;

	if (file == NULL)
		return 0;
	if (fgets(line, sizeof(line), file) == NULL)
		line[0] = '\0';
	(void)fclose(file);
	for (int i = 0; i < 5; i++)
		(void)strtoull(at, &at, 10);
	return strtoull(at, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int set(uint64_t bytes)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_DATA, &limit) != 0)
		return -errno;
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	return setrlimit(RLIMIT_DATA, &limit) == 0 ? 0 : -errno;
}

int memory_limit_set(uint64_t spare_bytes)
{
	uint64_t used = memory_limit_used();

	return used > 0 ? set(used + spare_bytes) : -ENOTSUP;
}

uint64_t memory_limit_lift(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_DATA, &limit) != 0)
		return RLIM_INFINITY;
	(void)set(RLIM_INFINITY);
	return limit.rlim_cur;
}

void memory_limit_restore(uint64_t limit_bytes, int64_t grown_bytes)
{
	if (limit_bytes != RLIM_INFINITY)
		limit_bytes += (uint64_t)grown_bytes;
	(void)set(limit_bytes);
}

void memory_limit_map_large(void)
{
	// NOLINTNEXTLINE(concurrency-mt-unsafe): before there are threads
	(void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
}
