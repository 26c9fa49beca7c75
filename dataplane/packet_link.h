// SPDX-License-Identifier: BSD-3-Clause
// What stands between Ethernet and IP: tags (IEEE 802.1Q, 802.1ad), sessions of PPPoE, stacks of MPLS labels.
// Private to packet*.c, fragment.c and distributor.c.
//
// Sources: RFC 2516 and 1661 (PPPoE, PPP), RFC 3032, 4385 and 4928 (MPLS).
#pragma once

#include "dataplane/packet.h"

// Reads up to IP: sets l3_offset, ip_end (the end of what carries IP), the tags, the session and is_labelled of a packet
// that is all zero else; is_wrapped where IP may be behind something that is not read. Returns the Ethernet type of what
// begins at l3_offset, also of IP behind other headers; 0 where that is not known. Kind is PACKET_BAD where a receiver
// of IP would drop the frame.
uint16_t packet_link_read(const struct frame *frame, struct packet *packet);

// The datagram at l3_offset of a frame has so many bytes now: writes the length that a header of PPPoE has, if there is one.
void packet_link_fix(uint8_t *data, uint32_t l3_offset, uint32_t ip_bytes);
