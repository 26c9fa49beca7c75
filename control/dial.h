// SPDX-License-Identifier: BSD-3-Clause
// A TCP connection to a host that may have several addresses, of which any may be dead: each is tried a little after the
// one before, or as soon as that one is refused, and the first that is there is taken (RFC 8305 section 5). Blocks.
#pragma once

#include <stddef.h>
#include <stdint.h>

// host: a name, or an address of either version. Returns a socket that does not block, or a negative errno; why says
// then what was wrong, for people.
int dial(const char *host, uint16_t port, unsigned int seconds, char *why, size_t why_bytes)
	__attribute__((warn_unused_result));
