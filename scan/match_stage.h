// SPDX-License-Identifier: BSD-3-Clause
// Where the bytes of an object lie while they are searched: in the copy that is kept of it, so that they are
// moved once, each chunk of which has the bytes before it at hand. Of an object of which no copy is kept, or no
// more of it, or that is searched again, they lie in the object itself.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct match_object;

// The object begins, or is to be searched again: nothing is at hand.
void match_stage_begin(struct match_object *object);
void match_stage_again(struct match_object *object);
// Takes bytes that are new, at least one, up to where the next search is due: returns how many of n. *kept grows by
// those that are kept. If a search is due, it was done.
size_t match_stage_take(struct match_object *object, const uint8_t *data, size_t n, size_t *kept);
// The copy is given up: what is at hand lies in the object from now on. It is all that there is of it.
void match_stage_leave_copy(struct match_object *object);
