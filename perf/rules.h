// SPDX-License-Identifier: BSD-3-Clause
// Signatures to measure with: literals of 16 to 40 bytes without a pattern in them, as a file that ClamAV reads
// too, as an image for the engine, and as a database for Hyperscan alone.
#pragma once

#include "perf/mails.h"
#include "scan/scan.h"

#include <hs.h>

#include <stdint.h>

struct rules {
	uint32_t count;
	uint8_t *patterns;
	size_t *lengths;
};

void rules_make(struct rules *rules, uint32_t count);
void rules_free(struct rules *rules);
// What a mail has in it that the i-th is to find.
struct mail_bytes rules_get(const struct rules *rules, uint32_t i);
// As a file of extended signatures (.ndb).
void rules_write(const struct rules *rules, const char *path);
// *image is to be freed when the ruleset is closed.
struct ruleset *rules_build(const struct rules *rules, void **image);
// So many SHA-256 of files of any size, none of which is in a mail, laid on a ruleset. *image likewise.
struct ruleset *rules_screen(const struct ruleset *base, uint32_t checksums, void **image);
hs_database_t *rules_compile(const struct rules *rules);
