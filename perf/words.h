// SPDX-License-Identifier: BSD-3-Clause
// Words as people write them: about three thousand forms, of which a few are frequent and most are rare (the r-th one
// about 1/r as often as the first, as Zipf found). Deflate makes a text of them 2.5 times shorter, as it does with
// English mail.
#pragma once

#include "perf/dice.h"

#include <stddef.h>

#define WORD_BYTES 32u // that any form takes, with the zero behind it

// A form by its frequency; its length. out has room for WORD_BYTES.
size_t word_draw(struct dice *dice, char *out);
// Each of the frequent words as likely as any other.
size_t word_any(struct dice *dice, char *out);
