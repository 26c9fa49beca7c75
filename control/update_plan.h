// SPDX-License-Identifier: BSD-3-Clause
// What an update asks for, checked beyond its form (alert_body.h): names that are names here too, no file
// twice, and no more bytes than this gateway takes.
#pragma once

#include "control/alert.h"

#include <jansson.h>

#include <stddef.h>
#include <stdint.h>

#define UPDATE_VERSION_BYTES 65
#define UPDATE_NAME_MOST 200 // of a file, so that there is room for what is added to it

struct update_file {
	const char *name; // with ALERT_SELFTEST before it, or without
	const char *url;
	const char *sha256; // lower-case hexadecimal
	uint64_t bytes;
};

struct update_plan {
	json_t *body; // the texts are its
	char version[UPDATE_VERSION_BYTES];
	char delta_from[UPDATE_VERSION_BYTES]; // "": it is whole
	struct update_file *files;
	size_t files_count;
	json_t *covers; // virus ids
	uint64_t bytes; // of all files
};

// body: the alert's, of the type update; virus_id: the alert's own, covered too, or "". Returns 0, -EINVAL
// with a text in why, or -ENOMEM.
int update_plan_make(const json_t *body, const char *virus_id, uint64_t most_bytes,
	struct update_plan *out, char *why, size_t why_bytes) __attribute__((warn_unused_result));
void update_plan_fini(struct update_plan *plan);

// What a version may be called: the name of a folder.
int update_version_check(const char *version) __attribute__((warn_unused_result));
