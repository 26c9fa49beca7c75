// SPDX-License-Identifier: BSD-3-Clause
// Scripts in Microsoft's encoding (JScript.Encode, VBScript.Encode), in files of their own and in pages:
// decoded, each is a member of what it stands in. Private to scan*.c.
#pragma once

#include "scan/script_code.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scan;
struct scan_object;

enum script_state { SCRIPT_SEARCH, SCRIPT_HEAD, SCRIPT_BODY };

struct scan_script {
	enum script_state state;
	uint32_t last; // four bytes of what was searched
	uint32_t left; // bytes of the encoded script
	struct script_code code;
	uint8_t head_bytes;
	uint8_t head[SCRIPT_HEAD_BYTES];
	struct scan_object *member;
};

void scan_script_feed(struct scan *scan, struct scan_object *object, const uint8_t *data, size_t n);
// The object is over.
void scan_script_end(struct scan *scan, struct scan_object *object);
