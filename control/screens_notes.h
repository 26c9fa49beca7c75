// SPDX-License-Identifier: BSD-3-Clause
// Lists that the control process writes down about screening: what is to be judged again, which virus ids an
// update does not cover though it says so.
#pragma once

#include "control/screen_store.h"

#include <jansson.h>

#include <stddef.h>

// The list of that name, a new one of the caller's; empty at first.
json_t *screens_notes_read(struct screen_store *store, const char *name);
// Returns 0, -ENOMEM or -EIO.
int screens_notes_write(struct screen_store *store, const char *name, const json_t *list)
	__attribute__((warn_unused_result));
// Where a text is in a list of texts, SIZE_MAX: nowhere.
size_t screens_notes_find(const json_t *list, const char *text);
