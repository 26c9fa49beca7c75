// SPDX-License-Identifier: BSD-3-Clause
// What signatures of texts are made of; part of rules_clamav.c.
#pragma once

#include "perf/dice.h"

#include <stddef.h>
#include <stdint.h>

enum rules_text {
	RULES_SCRIPT, // lines of scripts, pages and macros
	RULES_STRING, // what a program has in it: paths, addresses, names, messages
	RULES_LETTERS // what nobody can read: digits, base64, made-up names
};

#define RULES_TEXT_ROOM 512u

// A line of the kind; its length. are_random says of each byte whether it is one that no other text has in its place
// but by chance.
size_t rules_text(struct dice *dice, enum rules_text kind, char *text, uint8_t *are_random);
