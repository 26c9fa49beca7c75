// SPDX-License-Identifier: BSD-3-Clause
// Two hostile endpoints on one connection, twelve bytes a segment. Properties: what is not accepted
// changes nothing; edges never move down and acknowledgements never pass what was sent; what a segment
// puts into the stream agrees with the first copy of every byte, and so does what is read from it.
#include "reassembly/reassembly.h"

#include <stdlib.h>
#include <string.h>

#define SPACE 65536u // offsets of which first copies are known
#define PAGES 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct side {
	struct stream stream;
	uint8_t first[SPACE];
	bool known[SPACE];
};

static struct tcp_connection tcp;
static struct side sides[2];
static struct stream_pool *pool;

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_edges(const struct tcp_connection *before)
{
	for (int i = 0; i < 2; i++) {
		const struct tcp_endpoint *old = &before->end[i];
		const struct tcp_endpoint *end = &tcp.end[i];

		if ((old->flags & TCP_END_SYN) != 0) {
			require(!tcp_seq_before(end->next, old->next));
			require(!tcp_seq_before(end->acked, old->acked));
			require(!tcp_seq_before(end->window_edge, old->window_edge));
			require(end->isn == old->isn);
		}
		require(!tcp_seq_before(end->next, end->acked));
	}
	require(tcp.state >= before->state);
}

static void read_all(struct side *side)
{
	uint8_t *data;
	size_t n;

	while ((n = stream_peek(&side->stream, &data)) > 0) {
		uint64_t at = side->stream.read;

		for (size_t i = 0; i < n && at + i < SPACE; i++)
			require(side->known[at + i] && data[i] == side->first[at + i]);
		stream_consume(&side->stream, n);
	}
}

static void take_payload(struct side *side, const struct tcp_segment *segment,
	const struct tcp_result *result, uint8_t fill)
{
	static uint8_t payload[65536];
	uint32_t n = segment->payload_bytes - result->trim_front - result->trim_back;
	uint64_t at = result->offset;
	uint32_t rewritten;
	enum stream_put put;

	if (at + n > SPACE)
		return;
	memset(payload, fill, n);
	put = stream_put(&side->stream, pool, at, payload, n, &rewritten);
	if (put == STREAM_FULL || put == STREAM_FORGOTTEN)
		return;
	for (uint32_t i = 0; i < n; i++) {
		if (!side->known[at + i]) {
			side->known[at + i] = true;
			side->first[at + i] = fill;
		}
		require(payload[i] == side->first[at + i] || at + i < side->stream.trimmed);
	}
	(void)stream_mark_sent(&side->stream, pool, at, at + n);
}

static uint32_t number(const struct tcp_endpoint *end, uint8_t how, uint8_t by)
{
	const uint32_t bases[] = {end->isn, end->acked, end->next, end->window_edge};

	return bases[how & 3] + (uint32_t)(int8_t)by * ((how & 4) != 0 ? 1000u : 1u);
}

static void one_segment(const uint8_t *op, uint64_t now_ns)
{
	static const char options[][13] = {"\0", "\x01\x03\x03\x07", "\x13\x02", "\x02\x05"};
	enum tcp_side from = op[0] & 1 ? TCP_SERVER : TCP_CLIENT;
	uint8_t timestamp[12] = {1, 1, 8, 10, 0, 0, 0, op[10]};
	struct tcp_connection before = tcp;
	struct tcp_result result;
	struct tcp_segment segment = {
		.flags = op[1],
		.seq = number(&tcp.end[from], op[2], op[3]),
		.ack = number(&tcp.end[tcp_other(from)], op[4], op[5]),
		.window = (uint16_t)(op[6] * 100),
		.payload_bytes = (uint32_t)op[7] * (op[8] & 3),
		.options = op[9] & 4 ? timestamp : (const uint8_t *)options[op[9] & 3],
		.options_bytes = op[9] & 4   ? 12
				 : op[9] & 3 ? 4
					     : 0,
	};

	if (op[0] & 2) // as most segments are
		segment.flags = TCP_FLAG_ACK;
	tcp_input(&tcp, from, &segment, now_ns, &result);
	if (result.fate != TCP_ACCEPT) {
		// NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): nor does padding change
		require(memcmp(&before, &tcp, sizeof(tcp)) == 0 && !result.has_payload);
		if (result.fate == TCP_NEW)
			(void)tcp_open(&before, from, &segment, now_ns);
		return;
	}
	require((uint64_t)result.trim_front + result.trim_back <= segment.payload_bytes);
	require(!(result.syn || result.rst) || !result.has_payload);
	require(!result.fin || ((segment.flags & TCP_FLAG_FIN) != 0 && result.trim_back == 0));
	check_edges(&before);
	if (result.has_payload) {
		require(tcp_seq_of(&tcp, from, result.offset) == segment.seq + result.trim_front);
		take_payload(&sides[from], &segment, &result, op[11]);
	}
	read_all(&sides[from]);
	stream_release(&sides[tcp_other(from)].stream, pool, result.acked);
	if (op[0] & 4)
		stream_trim(&sides[tcp_other(from)].stream, pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static void *memory;
	struct tcp_segment syn = {.flags = TCP_FLAG_SYN, .seq = 0xfffffe00u, .window = 20000};

	if (n < 12)
		return 0;
	if (memory == NULL)
		memory = aligned_alloc(64, (stream_pool_bytes(PAGES) + 63) / 64 * 64);
	if (memory == NULL)
		return 0;
	pool = stream_pool_init(memory, PAGES);
	memset(sides, 0, sizeof(sides));
	stream_init(&sides[0].stream, 50000);
	stream_init(&sides[1].stream, 50000);
	syn.ack = 0x7fffff00u;
	if (data[0] & 0x80) {
		tcp_open_midstream(&tcp, TCP_CLIENT, &syn, 1);
	} else {
		require(tcp_open(&tcp, TCP_CLIENT, &syn, 1) == TCP_REASON_NONE);
	}
	for (uint64_t now_ns = 2; n >= 12; n -= 12, data += 12)
		one_segment(data, now_ns += (uint64_t)data[8] << 44);
	stream_fini(&sides[0].stream, pool);
	stream_fini(&sides[1].stream, pool);
	require(stream_pool_free_pages(pool) == PAGES);
	return 0;
}
