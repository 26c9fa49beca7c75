// SPDX-License-Identifier: BSD-3-Clause
// The option list of one segment (RFC 9293 section 3.1, 7323, 2018). Private to tcp.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct tcp_options {
	uint32_t ts_value;
	uint32_t ts_echo;
	uint16_t mss; // 0 where absent
	uint8_t wscale;
	bool has_ts;
	bool has_ws;
	bool has_sack_permitted;
	bool has_signature; // MD5 (RFC 2385) or TCP-AO (RFC 5925)
};

// False when the list is malformed, or has an option twice that receivers would read differently.
bool tcp_options_parse(const uint8_t *data, uint32_t n, struct tcp_options *options);
