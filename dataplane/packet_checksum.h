// SPDX-License-Identifier: BSD-3-Clause
// The Internet checksum (RFC 1071): the one thing that the gateway computes over every byte that
// passes, so it is vectorised.
//
// Sums are of 16-bit words as they stand in memory; the ones' complement sum does not care for byte
// order, so a folded sum may be stored and compared without swapping.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Unfolded sum of n bytes (at most 128 KiB); an odd last byte is followed by a zero.
uint64_t packet_sum(const uint8_t *data, size_t n);

static inline uint16_t packet_fold(uint64_t sum)
{
	sum = (sum & 0xffffffffu) + (sum >> 32);
	sum = (sum & 0xffffffffu) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

// New checksum after one 16-bit word under it changed (RFC 1624 equation 3). All in memory order.
static inline uint16_t packet_checksum_update(uint16_t checksum, uint16_t before, uint16_t after)
{
	uint32_t sum = (uint32_t)(uint16_t)~checksum + (uint16_t)~before + after;

	return (uint16_t)~packet_fold(sum);
}
