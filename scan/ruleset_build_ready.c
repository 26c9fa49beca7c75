// SPDX-License-Identifier: BSD-3-Clause
#include "scan/ruleset_build_ready.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

// What a signature for objects of any kind asks for, and one for programs.
static const struct {
	uint32_t target;
	enum anchor_content content;
} wanted[READY_WINDOWS] = {
	{FILETYPE_TARGET_MAIL, ANCHOR_TEXT},
	{FILETYPE_TARGET_ANY, ANCHOR_BYTES},
	{FILETYPE_TARGET_ANY, ANCHOR_TEXT},
	{FILETYPE_TARGET_ANY, ANCHOR_LOWER},
	{FILETYPE_TARGET_PE, ANCHOR_BYTES},
};

int build_ready_make_windows(struct ruleset_ready *ready)
{
	for (unsigned int i = 0; i < READY_WINDOWS; i++) {
		ready->windows[i] = build_windows_new(wanted[i].target, wanted[i].content, 1);
		if (ready->windows[i] == NULL)
			return -ENOMEM;
	}
	return 0;
}

struct build_windows *build_ready_windows(struct ruleset_ready *ready, uint32_t target,
	enum anchor_content content, unsigned int buckets_log)
{
	for (unsigned int i = 0; ready != NULL && i < READY_WINDOWS; i++) {
		struct build_windows *windows = ready->windows[i];

		if (windows == NULL || !build_windows_are_for(windows, target, content))
			continue;
		ready->windows[i] = NULL;
		if (build_windows_set_buckets(windows, buckets_log) == 0)
			return windows;
		build_windows_free(windows);
		return NULL;
	}
	return build_windows_new(target, content, buckets_log);
}

void ruleset_ready_free(struct ruleset_ready *ready)
{
	if (ready == NULL)
		return;
	for (unsigned int i = 0; i < READY_WINDOWS; i++)
		build_windows_free(ready->windows[i]);
	if (ready->data != NULL)
		(void)munmap(ready->data, ready->bytes);
	free(ready);
}
