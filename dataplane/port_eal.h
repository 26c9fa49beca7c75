// SPDX-License-Identifier: BSD-3-Clause
// DPDK's environment, started as the configuration says and with no more drivers than it needs.
#pragma once

#include "dataplane/options.h"

#include <stdbool.h>
#include <stdint.h>

// Bytes of a packet buffer's data without headroom: a whole frame of the largest MTU, and what the
// af_packet driver wants to be able to copy.
uint32_t port_buffer_bytes(const struct options *options);
// Packet buffers for all ports and workers.
uint32_t port_buffers_count(const struct options *options);
// A frame that the ring of an interface of this MTU can hold: a power of two.
uint32_t port_ring_frame_bytes(uint32_t mtu);
// True for "0000:01:00.0", with or without arguments.
bool port_is_pci(const char *device);

// Starts EAL. Returns 0, or -errno after a message on stderr.
int port_eal_init(const struct options *options) __attribute__((warn_unused_result));
