// SPDX-License-Identifier: BSD-3-Clause
// Static files that feed gateways which pull: any web server or CDN serves them. Each is whole or as it was
// before.
//
//   FOLDER/feed                   envelopes, one a line, the oldest first
//   FOLDER/bundles/VERSION/NAME   the files of an update
#pragma once

#include "control/vendor_fanout.h"
#include "control/vendor_options.h"

#include <jansson.h>

#include <stddef.h>

// The feed of what is open, as fanout_open has it. The caller's.
char *vendor_publish_feed(const struct queue_alert *const *open, size_t count);
// Writes it. Returns 0 or -errno.
int vendor_publish_write(const struct vendor_options *options, const char *feed)
	__attribute__((warn_unused_result));
// Copies the signature files of the configuration into a bundle of this version and makes the body of an
// update to it. Returns 0, -EEXIST when the version is there and is another, -EINVAL, or -errno, with a
// text in why.
int vendor_publish_bundle(const struct vendor_options *options, const char *version,
	const char *delta_from, json_t **body, char *why, size_t why_bytes)
	__attribute__((warn_unused_result));
