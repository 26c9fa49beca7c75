// SPDX-License-Identifier: BSD-3-Clause
// A stream beside a naive model of it: an array of bytes with two flags each.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Runs the operations that data describes, five bytes each, on both. Returns 0, or the line of the
// check that failed.
int stream_model_run(const uint8_t *data, size_t n);
