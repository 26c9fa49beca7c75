// SPDX-License-Identifier: BSD-3-Clause
// Any bytes as a frame: what is taken for TCP lies inside the frame, and every edit of it parses again
// as what the edit says it is.
#include "dataplane/packet.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool is_true)
{
	if (!is_true)
		abort();
}

static void check(struct frame *frame, const struct packet *packet)
{
	struct packet again;

	require(packet->payload >= frame->data);
	require(packet->payload + packet->tcp.payload_bytes == frame->data + packet->ip_end);
	require(packet->ip_end <= frame->bytes);
	packet_parse(frame, 0, &again);
	require(again.kind == PACKET_TCP);
	require(again.tcp.seq == packet->tcp.seq && again.tcp.flags == packet->tcp.flags);
	require(again.tcp.payload_bytes == packet->tcp.payload_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n + 1);
	struct frame frame = {.data = copy, .bytes = (uint32_t)n, .room = (uint32_t)n};
	struct packet packet;

	require(copy != NULL);
	if (n > 0)
		memcpy(copy, data, n);
	// Most inputs have wrong checksums: parse as if they were right, then make them so.
	packet_parse(&frame, PACKET_CHECKSUMS_DONE | PACKET_PARTIAL_CHECKSUMS, &packet);
	if (packet.kind == PACKET_FRAGMENT)
		require(packet.fragment.payload_offset + packet.fragment.payload_bytes <= n);
	if (packet.kind == PACKET_TCP) {
		if (packet.from.family == 4) {
			packet_parse(&frame, PACKET_PARTIAL_CHECKSUMS, &packet);
		} else {
			packet_fix_tcp_checksum(&frame, &packet);
		}
	}
	if (packet.kind == PACKET_TCP) {
		check(&frame, &packet);
		packet_clear_urgent(&frame, &packet);
		packet_clear_flags(&frame, &packet, TCP_FLAG_FIN);
		check(&frame, &packet);
		packet_trim(&frame, &packet, data[n - 1], data[n / 2]);
		check(&frame, &packet);
	}
	free(copy);
	return 0;
}
