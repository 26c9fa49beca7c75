// SPDX-License-Identifier: BSD-3-Clause
// What seals.c and seals_adopt.c share.
#pragma once

#include "control/seals.h"

struct seals {
	char *path;
	uint32_t max_seconds;
	json_t *root;   // {"generation", "seals"}
	json_t *before; // what it was, while it is not in the file; else NULL
	bool is_behind; // the file, after a write that has failed
	bool is_heard;  // what the dataplane has
	uint64_t since; // until then: up to this generation it has no other seals
	void (*barrier)(void *ctx);
	void *barrier_ctx;
};

// Of all seals; borrowed.
json_t *seals_list_of(const struct seals *seals);
// Whether virus_ids has that of the seal.
bool seals_is_listed(const json_t *seal, const json_t *virus_ids);
// Puts list, which it takes, in the place of the present one, if the dataplane will understand it; the one before stays in
// seals->before until it is settled. Returns 0, -EINVAL with a text in error, or -ENOMEM.
int seals_stage_as(struct seals *seals, uint64_t generation, json_t *list, char *error,
	size_t error_bytes) __attribute__((warn_unused_result));
// What is staged stands, and is in the file only if that can be.
void seals_stand(struct seals *seals);
// Returns 0 or -errno.
int seals_write_file(struct seals *seals) __attribute__((warn_unused_result));
