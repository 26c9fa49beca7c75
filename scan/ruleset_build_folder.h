// SPDX-License-Identifier: BSD-3-Clause
// The folder of a cache of images: names, ages and what goes. An entry is two files of one name, an
// image (".image") and its index (".index"), of which the index comes last and goes first.
#pragma once

#include "scan/scan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Begins the names of entries that serve here: program, processor, Hyperscan and options.
#define FOLDER_KEY_BYTES 17
#define FOLDER_STEM_BYTES 64

struct folder_entry {
	char stem[FOLDER_STEM_BYTES];
	int64_t used_ns;
	uint64_t bytes;
};

struct folder_list {
	struct folder_entry *entries; // used last comes first
	size_t count;
};

// Entries whose names begin so, all with "". Returns 0 or -errno.
int build_folder_list(const char *folder, const char *key, struct folder_list *out)
	__attribute__((warn_unused_result));
// Writes folder/stem and the suffix. Returns false when that is too long.
bool build_folder_path(
	const char *folder, const char *stem, const char *suffix, char *out, size_t room);
void build_folder_touch(const char *folder, const char *stem);
void build_folder_remove(const char *folder, const char *stem);
// Removes what was not used for longest until no more than max_bytes are left, but not this one, and
// what writers left behind that were ended.
void build_folder_trim(const char *folder, uint64_t max_bytes, const char *stem);
