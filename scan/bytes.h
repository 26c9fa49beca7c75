// SPDX-License-Identifier: BSD-3-Clause
// Whole numbers from the bytes of a file, wherever they stand: le least significant byte first, be most.
#pragma once

#include <stdint.h>

static inline uint16_t read_le16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t read_le32(const uint8_t *at)
{
	return (uint32_t)read_le16(at) | (uint32_t)read_le16(at + 2) << 16;
}

static inline uint64_t read_le64(const uint8_t *at)
{
	return (uint64_t)read_le32(at) | (uint64_t)read_le32(at + 4) << 32;
}

static inline uint16_t read_be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t read_be32(const uint8_t *at)
{
	return (uint32_t)read_be16(at) << 16 | (uint32_t)read_be16(at + 2);
}

static inline uint64_t read_be64(const uint8_t *at)
{
	return (uint64_t)read_be32(at) << 32 | (uint64_t)read_be32(at + 4);
}
