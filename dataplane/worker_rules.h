// SPDX-License-Identifier: BSD-3-Clause
// Rulesets that are in force, or were and are in use still. Belongs to the main thread.
//
// An image comes in a sealed memfd, so that nobody can change it after it was checked. It is mapped
// and checked, a scanner made from it for each worker and tried on a message, and only then handed to
// the workers, one after the other; what fails on the way leaves them all with what they had. An old
// ruleset is unmapped when the last worker has given back the last scanner with it.
#pragma once

#include "dataplane/worker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct worker_rules;

// first is in force already; it is closed by worker_rules_free with the others, after the workers are gone.
// Returns 0 or -ENOMEM.
int worker_rules_new(struct ruleset *first, struct worker *const *workers, uint32_t workers_count,
	struct worker_rules **out) __attribute__((warn_unused_result));
void worker_rules_free(struct worker_rules *rules);

enum worker_rules_kind {
	WORKER_RULES_IMAGE,
	WORKER_RULES_DELTA, // of the image in force, which stays mapped; takes the place of another delta
	WORKER_RULES_LIST, // of checksums, in the place of the one in force; fd -1: none
	WORKER_RULES_LIST_LAYER, // of the list in force, whose image stays mapped; takes the place of another layer
};

struct worker_rules_image {
	int fd;
	enum worker_rules_kind kind;
};

// fn is called again and again by worker_rules_set's thread while another one opens an image and makes scanners: it may
// do all but call anything of this header that changes the rules.
void worker_rules_meanwhile(struct worker_rules *rules, void (*fn)(void *ctx), void *ctx);
// Puts what is in fd in force. Returns 0, or -errno with a text in error: -EINVAL (not sealed), those of
// ruleset_attach, ruleset_attach_delta and of a list, -ENOMEM, -EBUSY (too many rulesets are in use), -ETIMEDOUT (a worker does
// not turn; those before it are on the new rules: try again).
int worker_rules_set(struct worker_rules *rules, const struct worker_rules_image *image,
	const struct scan_options *options, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
// An image or a delta comes with the list of checksums that is in force.
// Frees what is not in use any more. To be called now and then.
void worker_rules_collect(struct worker_rules *rules);
const struct ruleset *worker_rules_get(const struct worker_rules *rules);
const struct ruleset_info *worker_rules_info(const struct worker_rules *rules);
// How many are mapped: 1 when no old one is in use.
uint32_t worker_rules_count(const struct worker_rules *rules);
