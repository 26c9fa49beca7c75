// SPDX-License-Identifier: BSD-3-Clause
// A TCP connection to a host that may have several addresses, of which any may be dead: each is tried a little after the
// one before, or as soon as that one is refused, and the first that is there is taken (RFC 8305 section 5). Blocks, but not past the end of
// the process (ending.h).
#pragma once

#include <stddef.h>
#include <stdint.h>

// host: a name, or an address of either version. Returns a socket that does not block, or a negative errno; why says
// then what was wrong, for people.
int dial(const char *host, uint16_t port, unsigned int seconds, char *why, size_t why_bytes)
	__attribute__((warn_unused_result));

#define DIAL_ADDRESS_BYTES 64

// For who makes connections by an address alone: the one of the host that dial would take, as a number. The only one is
// not tried. Returns 0 or a negative errno, with why as above. Blocks.
int dial_address(const char *host, uint16_t port, unsigned int seconds,
	char address[DIAL_ADDRESS_BYTES], char *why, size_t why_bytes)
	__attribute__((warn_unused_result));
