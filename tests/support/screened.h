// SPDX-License-Identifier: BSD-3-Clause
// Lists of checksums, what they hit, and a scanner with such a list.
#pragma once

#include "scan/scan.h"
#include "tests/support/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// With one signature that nothing in these tests has; the group's setup and teardown.
extern struct ruleset *screened_bare;
extern size_t screened_bare_bytes; // of its image, which is *state
int screened_setup(void **state);
int screened_teardown(void **state);

void screened_digest(const void *data, size_t n, unsigned int algorithm, uint8_t *out);
// An entry of this kind of these bytes.
struct screen_entry screened_entry(
	enum screen_kind kind, unsigned int algorithm, const void *data, size_t n);

struct screened {
	void *image;
	struct ruleset *ruleset;
	struct scanner *scanner;
};

void screened_init(struct screened *rig, const struct screen_entry *entries, size_t count);
void screened_fini(struct screened *rig);
// Scans in pieces of `step` bytes, of random ones where it is 0. The caller frees the scan.
struct scan *screened_scan(struct screened *rig, enum scan_kind kind, const void *data, size_t n,
	size_t step, struct random *random);
bool screened_has(const struct scan_result *result, const struct screen_entry *entry);
// Whether the message is hit by this one entry.
bool screened_hits(
	const struct screen_entry *entry, enum scan_kind kind, const void *data, size_t n);
// A program of two sections for Windows. Returns its bytes, SCREENED_PROGRAM_BYTES at most.
#define SCREENED_PROGRAM_BYTES 6000
size_t screened_program(uint8_t *out);
