// SPDX-License-Identifier: BSD-3-Clause
// One connection to try segments on, for the programs that test tcp. Positions are relative to a
// side's ISN: 0 is its SYN, 1 its first byte. The client's numbers wrap within the first bytes.
// window, options and now_ns apply to what is sent next.
#pragma once

#include "reassembly/tcp.h"
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>

#define C TCP_CLIENT
#define S TCP_SERVER
#define FIN TCP_FLAG_FIN
#define SYN TCP_FLAG_SYN
#define RST TCP_FLAG_RST
#define ACK TCP_FLAG_ACK
#define URG TCP_FLAG_URG
#define WINDOW 1000
#define SECOND 1000000000ull
#define DAY (SECOND * 3600 * 24)

static const uint32_t isn[2] = {0xfffffff0u, 0x7ffffff8u};

struct options {
	const uint8_t *data;
	uint16_t bytes;
};

static struct tcp_connection tcp;
static struct tcp_result result;
static uint16_t window;
static uint64_t now_ns;
static struct options options;

static void set_options(const void *data, size_t bytes)
{
	options.data = data;
	options.bytes = (uint16_t)bytes;
}
#define OPTIONS(text) set_options(text, sizeof(text) - 1)

static struct tcp_segment make(
	enum tcp_side side, unsigned int flags, int64_t seq, int64_t ack, uint32_t bytes)
{
	return (struct tcp_segment){
		.seq = isn[side] + (uint32_t)seq,
		.ack = (flags & ACK) != 0 ? isn[tcp_other(side)] + (uint32_t)ack : 0,
		.window = window,
		.flags = (uint8_t)flags,
		.options = options.data,
		.options_bytes = options.bytes,
		.payload_bytes = bytes,
	};
}

// Whatever is not accepted leaves the connection as it was, and asks for nothing.
static enum tcp_fate input(
	enum tcp_side side, unsigned int flags, int64_t seq, int64_t ack, uint32_t bytes)
{
	struct tcp_segment segment = make(side, flags, seq, ack, bytes);
	struct tcp_connection before = tcp;

	tcp_input(&tcp, side, &segment, now_ns, &result);
	if (result.fate != TCP_ACCEPT) {
		assert_memory_equal(&before, &tcp, sizeof(tcp));
		assert_false(result.has_payload || result.fin || result.rst || result.syn);
	}
	return result.fate;
}

static void assert_drop(enum tcp_reason reason, enum tcp_side side, unsigned int flags, int64_t seq,
	int64_t ack, uint32_t bytes)
{
	assert_int_equal(input(side, flags, seq, ack, bytes), TCP_DROP);
	assert_int_equal(result.reason, reason);
}
#define DROP(reason, ...) assert_drop(TCP_REASON_##reason, __VA_ARGS__)
#define TAKE(...) assert_int_equal(input(__VA_ARGS__), TCP_ACCEPT)

static void assert_challenge(
	enum tcp_reason reason, enum tcp_side side, unsigned int flags, int64_t seq, int64_t ack)
{
	assert_int_equal(input(side, flags, seq, ack, 0), TCP_CHALLENGE);
	assert_int_equal(result.reason, reason);
}

static void begin(void)
{
	struct tcp_segment segment;

	window = WINDOW;
	segment = make(C, SYN, 0, 0, 0);
	assert_int_equal(tcp_open(&tcp, C, &segment, now_ns), TCP_REASON_NONE);
}

static void establish(void)
{
	begin();
	TAKE(S, SYN | ACK, 0, 1, 0);
	assert_true(result.syn);
	assert_int_equal(tcp.state, TCP_OPENING);
	TAKE(C, ACK, 1, 1, 0);
	assert_int_equal(tcp.state, TCP_ESTABLISHED);
}

static int tcp_case_setup(void **state)
{
	(void)state;
	memset(&tcp, 0, sizeof(tcp));
	now_ns = 1;
	set_options(NULL, 0);
	return 0;
}
