// SPDX-License-Identifier: BSD-3-Clause
// Offsets and field access shared by packet.c, packet_link.c, packet_edit.c and fragment.c.
#pragma once

#include "dataplane/packet_checksum.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define ETHER_BYTES 14u
#define ETHER_TYPE_OFFSET 12u
#define ETHER_TAG_BYTES 4u
#define ETHER_MOST_LENGTH 1500u // what is more in its place is a type
#define ETHER_TYPE_IPV4 0x0800u
#define ETHER_TYPE_IPV6 0x86ddu
#define ETHER_TYPE_ETHERNET 0x6558u // in another header

#define IPV4_BYTES 20u
#define IPV4_TOTAL_LENGTH 2u
#define IPV4_ID 4u
#define IPV4_FRAGMENT 6u
#define IPV4_PROTOCOL 9u
#define IPV4_CHECKSUM 10u
#define IPV4_SOURCE 12u
#define IPV4_DONT_FRAGMENT 0x4000u
#define IPV4_MORE_FRAGMENTS 0x2000u
#define IPV4_OFFSET_MASK 0x1fffu

#define IPV6_BYTES 40u
#define IPV6_PAYLOAD_LENGTH 4u
#define IPV6_NEXT_HEADER 6u
#define IPV6_SOURCE 8u
#define IPV6_FRAGMENT_BYTES 8u

#define IP_PROTOCOL_HOP_BY_HOP 0u
#define IP_PROTOCOL_TCP 6u
#define IP_PROTOCOL_UDP 17u
#define IP_PROTOCOL_ROUTING 43u
#define IP_PROTOCOL_FRAGMENT 44u
#define IP_PROTOCOL_AH 51u
#define IP_PROTOCOL_DESTINATION 60u

#define IP_MAX_BYTES 65535u

#define UDP_BYTES 8u
#define UDP_DESTINATION 2u

#define TCP_BYTES 20u
#define TCP_SEQ 4u
#define TCP_ACK 8u
#define TCP_DATA_OFFSET 12u
#define TCP_FLAGS 13u
#define TCP_WINDOW 14u
#define TCP_CHECKSUM 16u
#define TCP_URGENT 18u

static inline uint16_t wire_get16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return be16toh(value);
}

static inline uint32_t wire_get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return be32toh(value);
}

static inline void wire_put16(uint8_t *at, uint16_t value)
{
	value = htobe16(value);
	memcpy(at, &value, sizeof(value));
}

static inline void wire_put32(uint8_t *at, uint32_t value)
{
	value = htobe32(value);
	memcpy(at, &value, sizeof(value));
}

// A checksum or a word under one, as it stands in memory.
static inline uint16_t wire_raw16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static inline void wire_put_raw16(uint8_t *at, uint16_t value)
{
	memcpy(at, &value, sizeof(value));
}

// Changes the word at `at` and the checksum over it.
static inline void wire_change16(uint8_t *at, uint16_t value, uint8_t *checksum)
{
	uint16_t before = wire_raw16(at);

	wire_put16(at, value);
	wire_put_raw16(
		checksum, packet_checksum_update(wire_raw16(checksum), before, wire_raw16(at)));
}

// Sum of an IP header of a multiple of four bytes.
static inline uint64_t wire_sum_header(const uint8_t *at, uint32_t bytes)
{
	uint64_t sum = 0;
	uint32_t word;

	for (; bytes >= sizeof(word); at += sizeof(word), bytes -= (uint32_t)sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		sum += word;
	}
	return sum;
}

// Sum of the pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1) of an IP header at l3.
static inline uint64_t wire_sum_pseudo(const uint8_t *l3, uint8_t family, uint32_t tcp_bytes)
{
	uint64_t sum = (uint64_t)htobe32(tcp_bytes) + htobe32(IP_PROTOCOL_TCP);

	if (family == 4)
		return sum + wire_sum_header(l3 + IPV4_SOURCE, 8);
	return sum + wire_sum_header(l3 + IPV6_SOURCE, 32);
}

// Writes the checksum of an IPv4 header anew.
static inline void wire_put_ipv4_checksum(uint8_t *l3, uint32_t header_bytes)
{
	wire_put_raw16(l3 + IPV4_CHECKSUM, 0);
	wire_put_raw16(
		l3 + IPV4_CHECKSUM, (uint16_t)~packet_fold(wire_sum_header(l3, header_bytes)));
}

// Writes the checksum of a TCP segment anew.
static inline void wire_put_tcp_checksum(
	const uint8_t *l3, uint8_t family, uint8_t *tcp, uint32_t tcp_bytes)
{
	wire_put_raw16(tcp + TCP_CHECKSUM, 0);
	wire_put_raw16(tcp + TCP_CHECKSUM,
		(uint16_t)~packet_fold(
			wire_sum_pseudo(l3, family, tcp_bytes) + packet_sum(tcp, tcp_bytes)));
}
