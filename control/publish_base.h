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
// A delta, opened on its image.
struct publish_laid;
// Opens the delta at path on the image, which is opened anew if it is not the one that is open. By any thread; all else
// is the main loop's. Returns 0, or as ruleset_attach and ruleset_attach_delta. Closed by publish_laid_close.
int publish_base_open(struct publish_base *base, const char *image, const char *path,
	struct publish_laid **out) __attribute__((warn_unused_result));
const struct ruleset *publish_laid_get(const struct publish_laid *laid);
void publish_laid_close(struct publish_laid *laid);
