// SPDX-License-Identifier: BSD-3-Clause
// A folder for tests of what is made of signature files.
#pragma once

#include "tests/support/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

// A folder with signatures, and beside it what is made of them.
struct place {
	char root[64];
	char sources[96];
	char cache[96];
	char output[96];
};

static inline void open_place(struct place *place)
{
	(void)snprintf(place->root, sizeof(place->root), "/tmp/cordon-test-XXXXXX");
	assert_non_null(mkdtemp(place->root));
	(void)snprintf(place->sources, sizeof(place->sources), "%s/sources", place->root);
	(void)snprintf(place->cache, sizeof(place->cache), "%s/cache", place->root);
	(void)snprintf(place->output, sizeof(place->output), "%s/image", place->root);
	assert_int_equal(mkdir(place->sources, 0700), 0);
}

static inline void empty_folder(const char *path)
{
	DIR *stream = opendir(path);
	const struct dirent *entry;

	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	while (stream != NULL && (entry = readdir(stream)) != NULL) {
		char name[400];

		(void)snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (entry->d_name[0] != '.')
			(void)unlink(name);
	}
	if (stream != NULL)
		(void)closedir(stream);
}

static inline void close_place(const struct place *place)
{
	empty_folder(place->sources);
	empty_folder(place->cache);
	assert_int_equal(rmdir(place->sources), 0);
	(void)rmdir(place->cache);
	empty_folder(place->root);
	assert_int_equal(rmdir(place->root), 0);
}

static inline void put_source(const struct place *place, const char *name, const char *text)
{
	char path[160];
	FILE *out;

	(void)snprintf(path, sizeof(path), "%s/%s", place->sources, name);
	out = fopen(path, "w");
	assert_non_null(out);
	assert_int_equal(fputs(text, out) < 0, 0);
	assert_int_equal(fclose(out), 0);
}
