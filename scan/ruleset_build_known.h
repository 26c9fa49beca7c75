// SPDX-License-Identifier: BSD-3-Clause
// A build that knows what an image was made of takes only the lines that came since, as a delta of that
// image. Lines that went, or that an ignore list names now, become what the delta removes.
#pragma once

#include "scan/ruleset_build_files.h"
#include "scan/ruleset_build_index.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A delta is for a few changes: it is searched beside the image, and its making is to be quick.
#define KNOWN_MAX_ADDED 4096
#define KNOWN_MAX_REMOVED 65536

struct build_known {
	struct build_index index;
	uint8_t *kept; // of the index's records: they are there still
	uint8_t *kept_files;
	uint32_t next_file; // of the index, that a file can be the same as
	uint32_t rank;      // signatures of the image that stand before the line being read
	uint32_t added;     // lines
	bool rechecks;      // other names are ignored than then
	bool is_too_much;
	struct build_vector removed; // uint32_t: signatures, ascending
};

// checked: the index of built, if it was looked at before; NULL: it was not. Returns 0, -EBADMSG or -ENOMEM. The index's
// memory outlives it.
int build_known_init(struct build_known *known, const struct build_index *checked,
	const struct ruleset_built *built) __attribute__((warn_unused_result));
void build_known_fini(struct build_known *known);

// Finds the file that this one was; its stamp or its digest then tells whether it is the same.
void build_known_find(struct build *build, struct build_file *file);
bool build_known_by_stamp(const struct build *build, const struct build_file *file);
bool build_known_by_digest(const struct build *build, const struct build_file *file);
// What was in a container that is the same.
void build_known_members(struct build *build, uint32_t container);

// All files are there: whether what is ignored may have changed.
void build_known_ignores(struct build *build);
// Whether nothing of a file has to be read.
bool build_known_file(struct build *build, uint32_t number, enum build_kind kind);
// The records of a file have been listed: finds those that were there.
void build_known_align(struct build *build, uint32_t number);
// Whether a line was there and counts as it did. is_ignored: by the lists of now.
bool build_known_line(struct build *build, const struct build_record *record, bool is_ignored);
// All lines were read. Returns 0, -E2BIG when too much has changed, or -ENOMEM.
int build_known_finish(struct build *build) __attribute__((warn_unused_result));
// Whether the image is one of all that is there.
bool build_known_is_all(const struct build_known *known);
// Makes the counts of the build those of image and delta together, which the delta tells, too.
void build_known_total(
	struct build *build, const struct ruleset_meta *own, struct ruleset_base *out);
