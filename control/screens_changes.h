// SPDX-License-Identifier: BSD-3-Clause
// What has changed in the lists since an image was made, as a layer is built of it, kept from one layer to the next: a
// few changes behind a hundred thousand are read from the store alone.
#pragma once

#include "control/screen_store.h"
#include "scan/scan.h"

struct screens_changes;

// The store outlives it.
int screens_changes_new(struct screen_store *store, struct screens_changes **out)
	__attribute__((warn_unused_result));
void screens_changes_free(struct screens_changes *changes);
// In a transaction of the store. *out lasts until the next one. Returns 0, -ENOMEM or -EIO.
int screens_changes_read(struct screens_changes *changes, struct screen_change *out)
	__attribute__((warn_unused_result));
