// SPDX-License-Identifier: BSD-3-Clause
// The table behind options.h: what may stand in the file, where it goes, and what it means.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_kind {
	OPTION_SECTION, // a mapping, of `children`
	OPTION_LIST,    // a list of such mappings
	OPTION_UINT,
	OPTION_BOOL,
	OPTION_CHOICE, // one of `choices`
	OPTION_FLAGS,  // a list of `choices`, or-ed
	OPTION_TEXT,
	OPTION_UINTS,
	OPTION_TEXTS,
};

struct option_choice {
	const char *text;
	int64_t value;
};

struct config_option {
	const char *key; // NULL ends a table
	enum option_kind kind;
	bool required;      // in its mapping, once that is there
	const char *unit;   // of a number, or NULL
	const char *preset; // default as text, or NULL: set in options_init
	uint64_t min;
	uint64_t max; // of numbers; of texts: longest
	// Where the value goes in the struct that belongs to the mapping.
	uint32_t offset;
	uint32_t size; // of the member; of lists: of one entry
	uint32_t count_offset;
	uint32_t room; // entries that a list can have
	const struct config_option *children;
	const struct option_choice *choices;
	const char *help;
};

// The whole file, and the policy of one direction.
const struct config_option *options_table(void);
const struct config_option *options_policy_table(void);

// The option of table at "links[0].outside.interface" (indices are skipped), or NULL.
const struct config_option *option_find(const struct config_option *table, const char *path);
// What a value of it must be: "a number from 1 to 64". Returns out.
const char *option_describe(const struct config_option *option, char *out, size_t room);
// Writes a value to its member in base. Returns 0 or -ERANGE.
int option_put_uint(const struct config_option *option, void *base, uint64_t value);
// Reads a value from its text, as the command line and presets have it. Returns 0, -EINVAL or -ERANGE.
int option_put_text(const struct config_option *option, void *base, const char *text);
// The present value as it would stand in the file.
const char *option_render(
	const struct config_option *option, const void *base, char *out, size_t room);
