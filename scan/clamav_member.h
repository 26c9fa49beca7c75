// SPDX-License-Identifier: BSD-3-Clause
// Signatures of what lies in containers (.cdb), by its name and its sizes:
//
//   Name:Container:ContainerSize:FileName:PackedSize:Size:Encrypted:Position:Res1:Res2[:MinFL[:MaxFL]]
//
// The file name is a POSIX extended regular expression, found anywhere in the name. ClamAV 1.4 compares
// neither of the reserved fields, of which the documentation calls the first a CRC-32; nor is it here.
#pragma once

#include "scan/clamav.h"
#include "scan/clamav_logical.h"

struct clamav_member_signature {
	const char *name;
	const char
		*file_name; // a regular expression of PCRE2's that means the same, NULL: any name
	bool ignores_case;
	bool has_container;
	uint32_t container; // enum filetype_container
	struct clamav_range container_bytes;
	struct clamav_range packed;
	struct clamav_range bytes;
	struct clamav_range position; // among the container's members
	bool has_encrypted;
	bool is_encrypted;
};

// Reads one line without its line end, which it changes. A range without an end has UINT32_MAX.
enum clamav_result clamav_parse_cdb(struct clamav_arena *arena, char *line,
	struct clamav_member_signature *out, const char **reason);
