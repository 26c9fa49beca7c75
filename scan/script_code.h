// SPDX-License-Identifier: BSD-3-Clause
// Microsoft's encoding of scripts (JScript.Encode, VBScript.Encode): "#@~^", the length of what follows, and
// characters of which each is replaced in one of three ways, by turns; five that would disturb a page stand
// behind an @. The length alone tells the end.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SCRIPT_HEAD_BYTES 8 // the length in base64

struct script_code {
	uint32_t at; // characters until now
	bool is_escaped;
};

// One byte of the script. True when a character comes out.
bool script_decode(struct script_code *code, uint8_t byte, uint8_t *out);
// Of SCRIPT_HEAD_BYTES. False: this is no head.
bool script_read_length(const uint8_t *head, uint32_t *length);
