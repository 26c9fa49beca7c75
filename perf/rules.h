// SPDX-License-Identifier: BSD-3-Clause
// Signatures to measure with, as a file that ClamAV reads too (.ndb), as an image for the engine, and as a database for
// Hyperscan alone. Two sets:
//
// - Literals of 16 to 40 random bytes: the easiest there is for whoever searches, since nothing in a mail begins as
//   they do. For comparison with what was measured by them, and for counts that no compiler of expressions takes.
// - ClamAV-like ones: bodies of 16 to 60 bytes with `??` and gaps, shares and kinds as they are in the
//   public databases (rules_clamav.c). None of them is in a clean mail, but their beginnings and words are.
#pragma once

#include "perf/mails.h"
#include "scan/scan.h"

#include <hs.h>

#include <stdint.h>

enum rules_kind { RULES_LITERAL, RULES_CLAMAV };

struct rules {
	enum rules_kind kind;
	uint32_t count;
	char **bodies;          // as they stand in a signature file
	struct mail_bytes sign; // what a mail has in it that the first is to find
};

void rules_make(struct rules *rules, enum rules_kind kind, uint32_t count);
void rules_free(struct rules *rules);

#define RULES_SAMPLE_BYTES 1024u
// What the i-th is to find: data has room for RULES_SAMPLE_BYTES.
struct mail_bytes rules_sample(const struct rules *rules, uint32_t i, uint8_t *data);
// As a file of extended signatures (.ndb).
void rules_write(const struct rules *rules, const char *path);
// *image is to be freed when the ruleset is closed.
struct ruleset *rules_build(const struct rules *rules, void **image);
// So many SHA-256 of files of any size, none of which is in a mail, laid on a ruleset. *image likewise.
struct ruleset *rules_screen(const struct ruleset *base, uint32_t checksums, void **image);
// For hs_scan: the same patterns, each until it is found once. What takes a second or more to compile is kept in
// $BUILD/perf (build/perf), under a name made of all that it depends on.
hs_database_t *rules_compile(const struct rules *rules);
// For hs_scan_stream: of literals alone.
hs_database_t *rules_compile_stream(const struct rules *rules);
