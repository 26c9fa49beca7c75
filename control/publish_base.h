// SPDX-License-Identifier: BSD-3-Clause
// The image that lies there, kept open for the deltas that are made of it: to look at one of these is then to open
// a few signatures, and not to check an image of all again.
#pragma once

#include "scan/scan.h"

struct publish_base;

int publish_base_new(struct publish_base **out) __attribute__((warn_unused_result));
void publish_base_free(struct publish_base *base);
// Opens the image at path, unless it is the one that is open. One that does not open is not missed yet.
void publish_base_renew(struct publish_base *base, const char *path);
// The image that is open; NULL: none.
const struct ruleset *publish_base_get(const struct publish_base *base);
// Opens the delta at path on the image, which has to be as it was at publish_base_renew. Returns 0, or as
// ruleset_attach_delta, -ENOLINK: there is no image. Closed by publish_base_close.
int publish_base_open(struct publish_base *base, const char *image, const char *path,
	struct ruleset **out) __attribute__((warn_unused_result));
void publish_base_close(struct publish_base *base, struct ruleset *ruleset);
