// SPDX-License-Identifier: BSD-3-Clause
// Link layers other than Ethernet, as https://www.tcpdump.org/linktypes.html describes them.
#include "dataplane/capture_file.h"

#include <pcap/pcap.h>

#define TYPE_IPV4 0x0800u
#define TYPE_IPV6 0x86ddu

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

bool capture_link_is_known(int dlt)
{
	static const int known[] = {DLT_EN10MB, DLT_NULL, DLT_LOOP, DLT_RAW, DLT_IPV4, DLT_IPV6,
		DLT_LINUX_SLL, DLT_LINUX_SLL2, DLT_PPP, DLT_PPP_SERIAL, DLT_IEEE802_11,
		DLT_IEEE802_11_RADIO};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i] == dlt)
			return true;
	}
	return false;
}

// What begins at offset tells its version itself.
static bool parse_ip(
	const uint8_t *data, uint32_t bytes, uint32_t skip, uint32_t *offset, uint16_t *type)
{
	if (bytes <= skip)
		return false;
	*offset = skip;
	*type = 0;
	if (data[skip] >> 4 == 4)
		*type = TYPE_IPV4;
	else if (data[skip] >> 4 == 6)
		*type = TYPE_IPV6;
	return true;
}

static bool parse_cooked(const uint8_t *data, uint32_t bytes, uint32_t type_at,
	uint32_t header_bytes, uint32_t *offset, uint16_t *type)
{
	if (bytes < header_bytes)
		return false;
	*offset = header_bytes;
	*type = get16(data + type_at);
	return true;
}

// RFC 1661 and 1662: address and control may be left out, the protocol may be one byte. A frame of
// Cisco HDLC has an EtherType instead.
static bool parse_ppp(const uint8_t *data, uint32_t bytes, uint32_t *offset, uint16_t *type)
{
	uint32_t at = 0;
	uint16_t protocol;

	if (bytes < 4)
		return false;
	if ((data[0] == 0x0f || data[0] == 0x8f) && data[1] == 0)
		return parse_cooked(data, bytes, 2, 4, offset, type);
	if (data[0] == 0xff && data[1] == 0x03)
		at = 2;
	protocol = data[at];
	if (data[at] % 2 == 0)
		protocol = get16(data + at++);
	*offset = at + 1;
	*type = 0;
	if (protocol == 0x0021)
		*type = TYPE_IPV4;
	else if (protocol == 0x0057)
		*type = TYPE_IPV6;
	return bytes > *offset;
}

// IEEE 802.11 data frames with LLC/SNAP (RFC 1042); what is encrypted, aggregated or no data is no IP.
static bool parse_wireless(
	const uint8_t *data, uint32_t bytes, uint32_t start, uint32_t *offset, uint16_t *type)
{
	const uint8_t *frame = data + start;
	uint32_t header_bytes = 24;
	bool has_qos;

	*offset = start;
	*type = 0;
	if (bytes < start + 2)
		return false;
	has_qos = (frame[0] & 0x80) != 0;
	if ((frame[0] & 0x0c) != 0x08 || (frame[0] & 0x40) != 0 || (frame[1] & 0x40) != 0)
		return true;
	if ((frame[1] & 0x03) == 0x03)
		header_bytes += 6;
	if (has_qos)
		header_bytes += (frame[1] & 0x80) != 0 ? 6 : 2;
	if (bytes < start + header_bytes + 8)
		return false;
	if (has_qos && (frame[(frame[1] & 0x03) == 0x03 ? 30 : 24] & 0x80) != 0)
		return true;
	if (get16(frame + header_bytes) != 0xaaaa || frame[header_bytes + 2] != 0x03)
		return true;
	*offset = start + header_bytes + 8;
	*type = get16(frame + header_bytes + 6);
	return true;
}

bool capture_link_parse(
	int dlt, const uint8_t *data, uint32_t bytes, uint32_t *offset, uint16_t *type)
{
	switch (dlt) {
	case DLT_NULL:
	case DLT_LOOP:
		return parse_ip(data, bytes, 4, offset, type);
	case DLT_RAW:
	case DLT_IPV4:
	case DLT_IPV6:
		return parse_ip(data, bytes, 0, offset, type);
	case DLT_LINUX_SLL:
		return parse_cooked(data, bytes, 14, 16, offset, type);
	case DLT_LINUX_SLL2:
		return parse_cooked(data, bytes, 0, 20, offset, type);
	case DLT_PPP:
	case DLT_PPP_SERIAL:
		return parse_ppp(data, bytes, offset, type);
	case DLT_IEEE802_11:
		return parse_wireless(data, bytes, 0, offset, type);
	case DLT_IEEE802_11_RADIO:
		if (bytes < 4)
			return false;
		return parse_wireless(
			data, bytes, (uint32_t)data[2] | (uint32_t)data[3] << 8, offset, type);
	default:
		return false;
	}
}
