// SPDX-License-Identifier: BSD-3-Clause
#include "reassembly/tcp_options.h"

#include <endian.h>
#include <string.h>

enum {
	KIND_END = 0,
	KIND_NOP = 1,
	KIND_MSS = 2,
	KIND_WSCALE = 3,
	KIND_SACK_PERMITTED = 4,
	KIND_SACK = 5,
	KIND_TIMESTAMP = 8,
	KIND_MD5 = 19,
	KIND_AO = 29,
};

#define WSCALE_MAX 14 // RFC 7323 section 2.3: larger ones count as this

static uint32_t read_be32(const uint8_t *data)
{
	uint32_t value;

	memcpy(&value, data, sizeof(value));
	return be32toh(value);
}

// One option with its length already checked against the list. Returns false when its own is wrong.
static bool option_parse(const uint8_t *data, uint32_t n, struct tcp_options *options)
{
	switch (data[0]) {
	case KIND_MSS:
		if (n != 4 || options->mss != 0)
			return false;
		options->mss = (uint16_t)(data[2] << 8 | data[3]);
		return options->mss != 0;
	case KIND_WSCALE:
		if (n != 3 || options->has_ws)
			return false;
		options->has_ws = true;
		options->wscale = data[2] > WSCALE_MAX ? WSCALE_MAX : data[2];
		return true;
	case KIND_SACK_PERMITTED:
		options->has_sack_permitted = true;
		return n == 2;
	case KIND_SACK:
		return n >= 10 && (n - 2) % 8 == 0;
	case KIND_TIMESTAMP:
		if (n != 10 || options->has_ts)
			return false;
		options->has_ts = true;
		options->ts_value = read_be32(data + 2);
		options->ts_echo = read_be32(data + 6);
		return true;
	case KIND_MD5:
	case KIND_AO:
		options->has_signature = true;
		return true;
	default:
		return true;
	}
}

bool tcp_options_parse(const uint8_t *data, uint32_t n, struct tcp_options *options)
{
	uint32_t at = 0;

	memset(options, 0, sizeof(*options));
	while (at < n && data[at] != KIND_END) {
		uint32_t bytes;

		if (data[at] == KIND_NOP) {
			at++;
			continue;
		}
		if (n - at < 2)
			return false;
		bytes = data[at + 1];
		if (bytes < 2 || bytes > n - at || !option_parse(data + at, bytes, options))
			return false;
		at += bytes;
	}
	return true;
}
