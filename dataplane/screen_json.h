// SPDX-License-Identifier: BSD-3-Clause
// Lists of screening entries as JSON: an alert's, a file's, what is asked of a sample.
//
//   [{"kind": "file", "algorithm": "sha256", "digest": "<hex>", "bytes": 9000, "file_type": "pe",
//     "virus_id": "CV-2026-7", "name": "Win.Worm-7", "action": "quarantine"},
//    {"kind": "range", "algorithm": "md5", "digest": "<hex>", "offset": 512, "length": 512, "from": "end"},
//    {"kind": "section", "algorithm": "sha1", "digest": "<hex>", "section": 1, "length": 4096},
//    {"kind": "window", "algorithm": "sha256", "digest": "<hex>", "length": 4096, "rolling": "0123456789abcdef"}]
//
// scan/screen.h says what each means. Digests are lower-case hexadecimal; what is not there has no condition;
// other members are an error. A file may also have the list as the member "screen" of an object, whose
// "virus_id" counts for entries that name none.
#pragma once

#include "scan/scan.h"

#include <stddef.h>

struct screen_list {
	struct screen_entry *entries; // texts are the list's own
	size_t count;
	void *texts;
};

// Returns 0, -EINVAL with a text in error ("entry 3: digest: ..."), or -ENOMEM. screen_list_free after success.
int screen_list_parse(const char *text, size_t bytes, struct screen_list *out, char *error,
	size_t error_bytes) __attribute__((warn_unused_result));
// The same of a file; or -errno of it.
int screen_list_read(const char *path, struct screen_list *out, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
void screen_list_free(struct screen_list *list);
// As JSON that screen_list_parse reads, with every entry's id as "id" besides if wanted, of malloc; NULL:
// no memory.
char *screen_list_print(const struct screen_entry *entries, size_t count, bool with_id)
	__attribute__((warn_unused_result));
