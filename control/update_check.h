// SPDX-License-Identifier: BSD-3-Clause
// Whether rules know the virus ids that an update says they cover: a signature carries the id, and what
// the update brought to try them on hits. Files of the version's folder, ID being the virus id with all but
// letters, digits, - and _ written as %XX:
//
//   selftest/ID.b64      an object in base64, so that nothing takes it for what it is
//   selftest/ID.digest   md5, sha1 or sha256, ':', hexadecimal digits, ':', bytes of the object
#pragma once

#include "scan/scan.h"

#include <jansson.h>

#include <stddef.h>

// folder: the version's. Virus ids (texts) go to covered, or with their reason to uncovered.
void update_check(const struct ruleset *ruleset, const char *folder, const json_t *virus_ids,
	json_t *covered, json_t *uncovered);

// "ALGORITHM:HEX:BYTES", white space around it. Returns 0 or -EINVAL. algorithm: one DIGEST_*.
int update_check_digest(const char *text, unsigned int *algorithm, uint8_t digest[32],
	uint64_t *bytes) __attribute__((warn_unused_result));
