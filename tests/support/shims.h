// SPDX-License-Identifier: BSD-3-Clause
// Headers between Ethernet and IP for tests, put on and taken off without the code under test.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum shim {
	SHIM_NONE,
	SHIM_SESSION,       // PPPoE
	SHIM_SHORT_SESSION, // the same with a protocol of one byte
	SHIM_LABELS,        // two of MPLS
	SHIMS,
};

#define SHIM_MOST_BYTES 8
uint32_t shim_bytes(enum shim shim);

// Puts it behind the tags of a frame, which has room for it, and returns the frame's bytes. number: of the session, of
// the upper label.
uint32_t shim_put_on(uint8_t *frame, uint32_t bytes, enum shim shim, uint16_t number);
// The other way round. Returns 0 when it is not there, with this number and all lengths as they should be. bytes
// may have padding.
uint32_t shim_take_off(uint8_t *frame, uint32_t bytes, enum shim shim, uint16_t number);
