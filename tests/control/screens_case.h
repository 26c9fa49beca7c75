// SPDX-License-Identifier: BSD-3-Clause
// A folder with an image of no rules, in which lists of checksums are put in force.
#pragma once

#include "control/control_options.h"
#include "tests/support/screened.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct control_options options;
static char folder[64];
static char database[96];

// The files of the folder.
static inline void screens_case_name(void)
{
	(void)snprintf(options.rules.image, sizeof(options.rules.image), "%s/rules.img", folder);
	(void)snprintf(database, sizeof(database), "%s/screen.db", folder);
}

// For cmocka, with screened_setup. Returns 0 or -1.
static inline int screens_case_begin(void **state)
{
	FILE *file;

	(void)snprintf(folder, sizeof(folder), "/tmp/screens.XXXXXX");
	if (mkdtemp(folder) == NULL || screened_setup(state) != 0)
		return -1;
	screens_case_name();
	file = fopen(options.rules.image, "wbe");
	if (file == NULL || fwrite(*state, screened_bare_bytes, 1, file) != 1 || fclose(file) != 0)
		return -1;
	return 0;
}

// Fails where anything else is left.
static inline int screens_case_end(void **state)
{
	static const char *const names[] = {"rules.img", "rules.img" RULESET_SCREEN_SUFFIX,
		"rules.img" RULESET_SCREEN_LAYER_SUFFIX, "screen.db", "screen.db-wal",
		"screen.db-shm"};
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		(void)unlink(path);
	}
	return rmdir(folder) == 0 ? screened_teardown(state) : -1;
}
