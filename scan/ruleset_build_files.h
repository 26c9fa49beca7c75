// SPDX-License-Identifier: BSD-3-Clause
// Signature files as the builder reads them: found, loaded, cut into lines.
#pragma once

#include "scan/ruleset_build.h"

enum build_kind {
	BUILD_NDB,
	BUILD_DB, // Name=Hex
	BUILD_LDB,
	BUILD_HASHES,
	BUILD_SECTIONS,  // hashes of sections
	BUILD_IMPORTS,   // hashes of import tables
	BUILD_FILETYPES, // what files are by their content
	BUILD_MEMBERS,   // of what lies in containers
	BUILD_ALLOWED,
	BUILD_IGNORED,
	BUILD_CONTAINER,   // of signature files, which take its place
	BUILD_UNSUPPORTED, // a kind of signature file that is not read
	BUILD_OPTIONAL,    // potentially unwanted applications: read only if named by the caller
	BUILD_OTHER,       // no signature file
};

enum build_kind build_file_kind(const struct build_file *file);
// Its name without folders.
const char *build_file_name(const struct build_file *file);
// Reads a file that was passed over because it is known. Returns 0 or -errno.
int build_read_file(struct build_file *file);

// Loads a file, or the signature files of a folder in the order of their names. Returns 0 or
// -errno.
int build_load(struct build *build, const char *path);
// Adds the files of all containers. A container with a fault is reported, and nothing of it is taken.
void build_open_containers(struct build *build);
void build_free_files(struct build *build);

// The next line, without its line end and NUL-terminated in place, or NULL. Begin with *at == 0.
char *build_next_line(struct build_file *file, size_t *at, size_t *length);
