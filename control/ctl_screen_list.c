// SPDX-License-Identifier: BSD-3-Clause
// The list of checksums that cordonctl scan and replay are given.
#include "control/ctl.h"
#include "dataplane/dataplane.h"

#include <stdio.h>
#include <string.h>

int ctl_load_screen(
	const char *path, const struct ruleset *base, struct ruleset **ruleset, void **owned_memory)
{
	struct screen_list list;
	char error[320] = "";
	size_t bytes = 0;
	int err = screen_list_read(path, &list, error, sizeof(error));

	*owned_memory = NULL;
	if (err == 0) {
		err = screen_build(
			list.entries, list.count, owned_memory, &bytes, error, sizeof(error));
		screen_list_free(&list);
	}
	if (err == 0)
		err = ruleset_attach_screen(base, *owned_memory, bytes, ruleset);
	if (err != 0)
		(void)fprintf(
			stderr, "%s: %s\n", path, error[0] != '\0' ? error : strerrordesc_np(-err));
	return err;
}
