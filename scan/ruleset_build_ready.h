// SPDX-License-Identifier: BSD-3-Clause
// What a build needs whatever it is of, made before it is known of what: ruleset_ready.
#pragma once

#include "scan/ruleset_build_folder.h"
#include "scan/ruleset_build_index.h"
#include "scan/ruleset_build_window.h"

#include <stddef.h>
#include <stdint.h>

#define READY_WINDOWS 5

struct ruleset_ready {
	struct build_windows *windows[READY_WINDOWS]; // NULL: taken
	char stem[FOLDER_STEM_BYTES];                 // of the entry whose index this is; "": none
	void *data;
	size_t bytes;
	struct build_index index; // checked
};

// Returns 0 or -ENOMEM.
int build_ready_make_windows(struct ruleset_ready *ready) __attribute__((warn_unused_result));
// As build_windows_new; ready may be NULL.
struct build_windows *build_ready_windows(struct ruleset_ready *ready, uint32_t target,
	enum anchor_content content, unsigned int buckets_log);
