// SPDX-License-Identifier: BSD-3-Clause
// A receiver that acknowledges and opens its window as it likes, four bytes a step. Properties: every
// byte goes out under its own number, never past the window but one to probe it, never past the MSS;
// all is acknowledged exactly when all that was queued is.
#include "reassembly/sender.h"

#include <stdlib.h>
#include <string.h>

#define START 0xffffff00u
#define TOTAL 65536u
#define MSS 100u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static uint8_t queued[TOTAL];
static uint32_t queued_bytes;
static bool queued_fin;

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void push(struct sender *sender, uint8_t fill, uint32_t n)
{
	uint8_t bytes[256];

	for (uint32_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(fill + i);
	if (queued_bytes + n > TOTAL || sender_push(sender, bytes, n) != 0)
		return;
	memcpy(queued + queued_bytes, bytes, n);
	queued_bytes += n;
}

static void check_segments(struct sender *sender, uint32_t edge, uint64_t now_ns)
{
	struct sender_segment segment;
	unsigned int count = 0;

	while (sender_next(sender, START + edge, MSS, now_ns, &segment)) {
		uint32_t at = segment.seq - START;
		uint32_t end = at + segment.bytes + segment.fin;

		require(++count <= SENDER_BYTES + 2);
		require(segment.bytes <= MSS && (segment.bytes > 0 || segment.fin));
		require(end <= edge || segment.bytes + segment.fin == 1);
		require(at + segment.bytes <= queued_bytes);
		require(memcmp(segment.data, queued + at, segment.bytes) == 0);
		require(!segment.fin || (queued_fin && at + segment.bytes == queued_bytes));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sender sender;
	uint32_t acked = 0;
	uint32_t edge = 100;
	uint64_t now_ns = 1;

	queued_bytes = 0;
	queued_fin = false;
	sender_init(&sender, START);
	for (; n >= 4; n -= 4, data += 4) {
		uint32_t end = sender_end(&sender) - START;
		bool all;

		if ((data[0] & 3) == 0)
			push(&sender, data[1], data[2]);
		if (data[0] == 0xff) {
			sender_push_fin(&sender);
			queued_fin = true;
		}
		if ((data[0] & 4) != 0 && end > acked)
			acked += data[3] % (end - acked + 1);
		all = sender_ack(&sender, START + acked);
		require(all == (acked == queued_bytes + queued_fin));
		if (acked + data[1] > edge)
			edge = acked + data[1];
		now_ns += (uint64_t)data[2] << 24;
		check_segments(&sender, edge, now_ns);
	}
	return 0;
}
