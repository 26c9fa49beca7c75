// SPDX-License-Identifier: BSD-3-Clause
// Lists of screening entries that are made by hand: of samples, of digests, of a file.
#pragma once

#include "scan/scan.h"

#include <stdbool.h>
#include <stddef.h>

#define CTL_SCREEN_DIGESTS 1000

struct ctl_screen_input {
	const char *virus_id; // "": made of the sample
	const char *name;     // "": the virus id
	const char *list;     // file, NULL: none
	const char *digests[CTL_SCREEN_DIGESTS];
	size_t digests_count;
	enum screen_action action;
	unsigned int kinds;      // bits of 1 << enum screen_kind, 0: all
	unsigned int algorithms; // DIGEST_*, 0: SHA-256
	bool is_message;
	bool is_file;
};

// Takes an option by its letter: d, l, a, k, g, m, f. False: it is none of these, or its value is wrong.
bool ctl_screen_input_option(struct ctl_screen_input *input, int letter, const char *value);
// The list as JSON (screen_json.h), of malloc. NULL: said why.
char *ctl_screen_input_make(const struct ctl_screen_input *input, int count, char **files);
