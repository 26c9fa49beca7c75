// SPDX-License-Identifier: BSD-3-Clause
// Where the vendor's bundles lie: a folder with one folder for each version, of which two are kept, the
// file "active" that says which one the rules are made of, and one VERSION.new while it is fetched.
#pragma once

#include "control/update_plan.h"

#include <jansson.h>

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct update_folder {
	char path[PATH_MAX / 2];
	// The versions; "": none but the configured sources.
	char active[UPDATE_VERSION_BYTES];
	char former[UPDATE_VERSION_BYTES];
	bool has_former; // there is a way back
	char rolled_back
		[UPDATE_VERSION_BYTES]; // from which one an operator went back; "": nobody did
};

// Makes it when it is missing and reads which version is active. Returns 0, -EBADMSG, or -errno.
int update_folder_open(const char *path, struct update_folder *out)
	__attribute__((warn_unused_result));

// Whether this file is there with these bytes.
bool update_folder_has(const char *path, const struct update_file *file);
// Begins or goes on with plan.version's new folder: a delta's gets the files of the version that it is
// added to. Returns 0, -ESTALE when that one is not active, or -errno.
int update_folder_begin(const struct update_folder *folder, const struct update_plan *plan)
	__attribute__((warn_unused_result));
// Where a file of it goes, and what of it is there already.
void update_folder_file(const struct update_folder *folder, const struct update_plan *plan,
	const struct update_file *file, char out[PATH_MAX]);
void update_folder_part(const struct update_folder *folder, const struct update_plan *plan,
	const struct update_file *file, char out[PATH_MAX]);
// All its files are there: it becomes the version's folder, durably. To do it again is harmless. Returns 0,
// -EEXIST when the active version of this name has other files, or -errno.
int update_folder_install(const struct update_folder *folder, const struct update_plan *plan)
	__attribute__((warn_unused_result));
// Whether the plan's version is active already, with these very files. -EEXIST: with others.
int update_folder_is_active(const struct update_folder *folder, const struct update_plan *plan)
	__attribute__((warn_unused_result));
// A version is active now, durably; what is neither it nor the former one goes. is_back: an operator went
// back to it. Returns 0 or -errno: nothing has changed then.
int update_folder_activate(struct update_folder *folder, const char *version, bool is_back)
	__attribute__((warn_unused_result));
// A version that did not come to anything goes, and all that is half done.
void update_folder_clean(const struct update_folder *folder);
// Writes a version's folder; "" where the version is.
void update_folder_version(
	const struct update_folder *folder, const char *version, char out[PATH_MAX]);
// {"active", "former", "rolled_back", "versions": [{"version", "kind", "delta_from", "covers", "files",
// "bytes"}]}; the caller's.
json_t *update_folder_json(const struct update_folder *folder);
