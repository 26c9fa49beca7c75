// SPDX-License-Identifier: BSD-3-Clause
// Where a command's output may go.
#include "control/ctl.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

// Of a folder its signature files are read.
static bool has_source(const char *folder, const struct stat *file)
{
	DIR *list = opendir(folder);
	struct dirent *entry;
	struct stat in;
	bool found = false;

	// NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own
	while (list != NULL && !found && (entry = readdir(list)) != NULL)
		found = ruleset_is_source(entry->d_name) &&
			fstatat(dirfd(list), entry->d_name, &in, 0) == 0 && is_same(&in, file);
	if (list != NULL)
		(void)closedir(list);
	return found;
}

bool ctl_output_is_input(const char *command, const char *output, const char *const *inputs)
{
	struct stat out;
	struct stat in;

	if (output == NULL || stat(output, &out) != 0 || !S_ISREG(out.st_mode))
		return false;
	for (; *inputs != NULL; inputs++) {
		if (stat(*inputs, &in) == 0 &&
			(is_same(&in, &out) ||
				(S_ISDIR(in.st_mode) && has_source(*inputs, &out)))) {
			(void)fprintf(stderr,
				"cordonctl %s: %s: would be overwritten, and is to be read\n",
				command, output);
			return true;
		}
	}
	return false;
}

int ctl_output_end(int status)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return status;
	(void)fprintf(stderr, "cordonctl: the output could not be written\n");
	return CTL_ERROR;
}
