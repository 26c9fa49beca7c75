// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/shims.h"

#include <string.h>

static const uint32_t sizes[SHIMS] = {0, 8, 7, 8};

uint32_t shim_bytes(enum shim shim)
{
	return sizes[shim];
}

static uint32_t type_offset(const uint8_t *frame)
{
	uint32_t at = 12;

	while ((frame[at] == 0x81 && frame[at + 1] == 0x00) ||
		(frame[at] == 0x88 && frame[at + 1] == 0xa8))
		at += 4;
	return at;
}

// The type, and the header. n: bytes of the datagram.
static void make(uint8_t out[2 + SHIM_MOST_BYTES], enum shim shim, uint16_t number, uint8_t family,
	uint32_t n)
{
	const uint8_t high = (uint8_t)(number >> 8);
	const uint8_t low = (uint8_t)number;
	const uint8_t protocol = family == 4 ? 0x21 : 0x57;
	const uint32_t length = n + (shim == SHIM_SESSION ? 2 : 1);
	const uint8_t session[] = {0x88, 0x64, 0x11, 0, high, low, (uint8_t)(length >> 8),
		(uint8_t)length, shim == SHIM_SESSION ? 0 : protocol, protocol};
	// Of 20 bits the number is the upper 16; a class, a hop limit, and who is the last.
	const uint8_t labels[] = {0x88, 0x47, high, low, 0x1e, 61, low, high, 0x21, 255};

	memcpy(out, shim == SHIM_LABELS ? labels : session, sizes[shim] + 2);
}

// Of the datagram, as its header says.
static uint32_t ip_bytes(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? (uint32_t)(ip[2] << 8 | ip[3])
			       : 40 + (uint32_t)(ip[4] << 8 | ip[5]);
}

uint32_t shim_put_on(uint8_t *frame, uint32_t bytes, enum shim shim, uint16_t number)
{
	const uint32_t at = type_offset(frame);
	const uint8_t *ip = frame + at + 2;
	const uint8_t family = ip[0] >> 4;
	const uint32_t n = ip_bytes(ip);
	uint8_t header[2 + SHIM_MOST_BYTES];

	if (shim == SHIM_NONE)
		return bytes;
	make(header, shim, number, family, n);
	memmove(frame + at + 2 + sizes[shim], ip, bytes - at - 2);
	memcpy(frame + at, header, 2 + sizes[shim]);
	return bytes + sizes[shim];
}

uint32_t shim_take_off(uint8_t *frame, uint32_t bytes, enum shim shim, uint16_t number)
{
	const uint32_t at = type_offset(frame);
	uint8_t *ip = frame + at + 2 + sizes[shim];
	const uint8_t family = ip[0] >> 4;
	const uint32_t n = ip_bytes(ip);
	uint8_t header[2 + SHIM_MOST_BYTES];

	if (shim == SHIM_NONE)
		return bytes;
	make(header, shim, number, family, n);
	if (bytes < at + 2 + sizes[shim] + n || memcmp(frame + at, header, 2 + sizes[shim]) != 0)
		return 0;
	memmove(frame + at + 2, ip, bytes - at - 2 - sizes[shim]);
	frame[at] = family == 4 ? 0x08 : 0x86;
	frame[at + 1] = family == 4 ? 0x00 : 0xdd;
	return bytes - sizes[shim];
}
