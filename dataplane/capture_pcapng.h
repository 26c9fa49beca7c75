// SPDX-License-Identifier: BSD-3-Clause
// pcapng by blocks (draft-ietf-opsawg-pcapng): any number of sections and interfaces, of one kind of
// link or of several, which libpcap does not read.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define PCAPNG_ERROR_BYTES 128

struct pcapng;

// A captured packet. Data is the reader's, until the next call.
struct pcapng_packet {
	uint64_t time_ns; // since 1970; 0 where the block has none
	const uint8_t *data;
	uint32_t bytes;
	uint32_t original_bytes;
	uint16_t link; // LINKTYPE_ number of its interface
};

// Does a file that begins with these four bytes say that it is pcapng?
bool pcapng_is_magic(const uint8_t bytes[4]);
// Reads from file, which stays the caller's. Returns NULL when memory ran out.
struct pcapng *pcapng_new(FILE *file);
void pcapng_free(struct pcapng *pcapng);
// Returns 1 and a packet, 0 at the end, -EBADMSG with a text in error, -ENOMEM.
int pcapng_next(struct pcapng *pcapng, struct pcapng_packet *packet, char error[PCAPNG_ERROR_BYTES])
	__attribute__((warn_unused_result));
