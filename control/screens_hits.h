// SPDX-License-Identifier: BSD-3-Clause
// Hits of screening, counted for each entry and told as events.
#pragma once

#include "control/screen_store.h"
#include "scan/scan.h"

#include <jansson.h>

struct control;

// What the dataplane has counted since the last time: [{"id", "more"}].
void screens_hits_tell(struct control *control, struct screen_store *store, const json_t *hits);
// A hit in held mail: as screens_hits_describe has it. Counted, and told.
void screens_hits_add(
	struct control *control, struct screen_store *store, const char *mail, const json_t *hit);
// {"entry", "name", "virus_id", "kind", "algorithm", "digest", "part", "filename"} of a match of the kind checksum.
json_t *screens_hits_describe(const struct scan_match *match, const struct scan_result *result);
// The same for people: "NAME; sha256 ... of part 2 (x.exe)". Freed by the caller (g_free).
char *screens_hits_text(const json_t *hit);
// The same of a kept mail as store_show has it; NULL where it was not kept for screening.
char *screens_hits_text_of_mail(const json_t *mail);
