// SPDX-License-Identifier: BSD-3-Clause
// Where a command's output may go.
#include "control/ctl.h"

#include <stdio.h>
#include <sys/stat.h>

bool ctl_output_is_input(const char *command, const char *output, char *const *inputs)
{
	struct stat out;
	struct stat in;

	if (output == NULL || stat(output, &out) != 0 || !S_ISREG(out.st_mode))
		return false;
	for (; *inputs != NULL; inputs++) {
		if (stat(*inputs, &in) == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino) {
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
