// SPDX-License-Identifier: BSD-3-Clause
// The rules of a world, from lines of an .ndb file.
#include "tests/support/world.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ruleset *world_make_ruleset(const char *signatures, void **image)
{
	char path[] = "/tmp/cordon-world-XXXXXX.ndb";
	const char *paths[] = {path};
	struct ruleset_build_options options = {0};
	struct ruleset_build_stats stats;
	struct ruleset *ruleset = NULL;
	size_t bytes = 0;
	int fd = mkstemps(path, 4);
	int err;

	assert(fd >= 0);
	assert(write(fd, signatures, strlen(signatures)) == (ssize_t)strlen(signatures));
	(void)close(fd);
	err = ruleset_build(paths, 1, &options, image, &bytes, &stats);
	assert(err == 0);
	err = ruleset_attach(*image, bytes, &ruleset);
	assert(err == 0);
	(void)unlink(path);
	return ruleset;
}
