// SPDX-License-Identifier: BSD-3-Clause
// The open seals as JSON, as they lie in a file and are told to the dataplane:
//
//   {"generation": 7, "seals": [{"virus_id": "CV-2026-1", "mode": "hold",
//     "directions": ["inbound"], "scope": {"sender": "*@example.com", "recipient": "", "min_bytes": 0,
//       "max_bytes": 0, "file_type": "pe", "name": "*.exe", "subject": "", "body": ""}}]}
//
// directions and scope may be missing: both directions, all mail. Other members of a seal are not for
// the dataplane; in a scope they are an error, for what is not understood could be a condition.
#pragma once

#include "dataplane/seal.h"

#include <stddef.h>

#define SEALS_MAX 64 // open at once

// Returns 0, -EINVAL with a text in error, or -ENOMEM. The caller frees *out with free().
int seals_parse(const char *text, size_t bytes, struct engine_seals **out, char *error,
	size_t error_bytes) __attribute__((warn_unused_result));
// No seal at all: generation 0. Returns 0 or -ENOMEM.
int seals_none(struct engine_seals **out) __attribute__((warn_unused_result));
// The file's; one that is missing is no seal (generation 0). Returns as above, or -errno of the file. text: what it
// says, the caller's; NULL: no file.
int seals_read(const char *path, struct engine_seals **out, char **text, char *error,
	size_t error_bytes) __attribute__((warn_unused_result));
