// SPDX-License-Identifier: BSD-3-Clause
// Of the dataplane's configuration what others need to know: where it meets the control process, and what it
// asks of the machine.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define OUTLINE_TEXT_BYTES 256

struct options_outline {
	char rules[OUTLINE_TEXT_BYTES];
	char seals[OUTLINE_TEXT_BYTES];   // "" for none
	char command[OUTLINE_TEXT_BYTES]; // its socket, "" for none
	bool hugepages;
	struct {
		char directory[OUTLINE_TEXT_BYTES]; // "": nothing can be kept
		char key[OUTLINE_TEXT_BYTES];
		uint64_t segment_bytes;
		uint32_t spares;
		uint64_t quota_bytes; // 0: none
	} spool;
};

// Reads the file as the daemon does, and what it says goes to errors. Returns as options_load.
int options_outline_load(const char *path, struct options_outline *out, FILE *errors)
	__attribute__((warn_unused_result));
