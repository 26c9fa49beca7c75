// SPDX-License-Identifier: BSD-3-Clause
// A text on the terminal's screen, cut to its size: what does not fit must not scroll or wrap, which would spoil
// what is drawn over it a second later.
#pragma once

#include <stdio.h>

struct screen_size {
	unsigned int rows;
	unsigned int columns;
};

// Of the terminal behind this descriptor; 24 rows of 80 columns where it does not say.
struct screen_size screenful_size(int fd);
// Writes lines (UTF-8, each ended by \n) from the top of the screen on, in place of what is there. Control characters
// are shown as '?'. When there are too many lines the last row says how many are missing.
void screenful_write(FILE *out, const char *lines, struct screen_size size);
