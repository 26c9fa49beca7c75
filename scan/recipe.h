// SPDX-License-Identifier: BSD-3-Clause
// How an object that a signature hit can be repaired: the value of `disinfect=` in the line before the
// signature (`#cordon: disinfect=excise:0,512`). A part of scan.h.
//
//   remove                          the part goes
//   overwrite:OFFSET,LENGTH[,HEX]   with the bytes of HEX, again and again; without it with zeros
//   excise:OFFSET,LENGTH            what stands behind it moves up
//   truncate:OFFSET                 the object ends there
//
// OFFSET counts decoded bytes of the object: from its beginning, or before its end as EOF-N. A LENGTH of *
// reaches to the end. What lies outside of the object is no repair: then none is made.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECIPE_FILL_BYTES 16
#define RECIPE_TEXT_BYTES 128 // of the longest one

enum recipe_kind { RECIPE_REMOVE, RECIPE_OVERWRITE, RECIPE_EXCISE, RECIPE_TRUNCATE };

struct recipe {
	enum recipe_kind kind;
	bool from_end; // offset is
	bool to_end;   // length is all that follows
	uint8_t fill[RECIPE_FILL_BYTES];
	uint8_t fill_bytes; // at least 1
	uint64_t offset;
	uint64_t length;
};

// Returns 0, or -EINVAL with a sentence in *why.
int recipe_parse(const char *text, size_t bytes, struct recipe *out, const char **why)
	__attribute__((warn_unused_result));
// The bytes of an object of this size that it is about. Returns 0, or -ERANGE when it has none there. Of
// RECIPE_REMOVE it is all.
int recipe_range(const struct recipe *recipe, size_t bytes, size_t *begin, size_t *end)
	__attribute__((warn_unused_result));
// Repairs data in its place; *bytes never grows. Returns 0 or -ERANGE; nothing has changed then.
int recipe_apply(const struct recipe *recipe, uint8_t *data, size_t *bytes)
	__attribute__((warn_unused_result));
