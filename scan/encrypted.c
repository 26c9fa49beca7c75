// SPDX-License-Identifier: BSD-3-Clause
#include "scan/encrypted.h"

#include "scan/unpack_cms.h"

#include <string.h>

enum { TAG_KEY = 1, TAG_PASSWORD = 3, TAG_DATA = 9, TAG_DATA_CHECKED = 18, TAG_DATA_AEAD = 20 };

struct packet {
	unsigned int tag;
	const uint8_t *body;
	size_t bytes;
};

static uint32_t read_be(const uint8_t *at, size_t n)
{
	uint32_t value = 0;

	for (size_t i = 0; i < n; i++)
		value = value << 8 | at[i];
	return value;
}

// The header of a packet that is not in pieces, of which the body may end behind the data.
static bool read_packet(const uint8_t *data, size_t n, struct packet *packet)
{
	size_t digits;
	size_t head;

	if (n < 6 || (data[0] & 0x80) == 0)
		return false;
	if ((data[0] & 0x40) == 0) {
		digits = (size_t)1 << (data[0] & 3);
		if (digits > 4)
			return false; // to the end
		packet->tag = data[0] >> 2 & 0xf;
		packet->bytes = read_be(data + 1, digits);
		head = 1 + digits;
	} else {
		packet->tag = data[0] & 0x3f;
		packet->bytes = data[1];
		head = 2;
		if (data[1] == 255) {
			packet->bytes = read_be(data + 2, 4);
			head = 6;
		} else if (data[1] >= 192) {
			packet->bytes = ((data[1] - 192u) << 8) + data[2] + 192;
			head = data[1] < 224 ? 3 : 0; // a piece
		}
	}
	packet->body = data + head;
	return head > 0;
}

// A session's key for the owner of a key: its version, whose key it is, an algorithm and one or two numbers.
static bool is_key(const struct packet *packet, const uint8_t *end)
{
	const uint8_t *body = packet->body;
	size_t bits;

	if (packet->bytes < 12 || end - body < 12 || packet->bytes > 4096)
		return false;
	if (body[0] == 6)
		return body[1] <= 33;
	bits = read_be(body + 10, 2);
	switch (body[9]) {
	case 1: // RSA
	case 2:
		return body[0] == 3 && packet->bytes == 12 + (bits + 7) / 8;
	case 16: // Elgamal
	case 20:
	case 18: // ECDH
	case 25:
	case 26:
		return body[0] == 3;
	default:
		return false;
	}
}

// One by a password: its version, algorithms, and how the password is made a key.
static bool is_password(const struct packet *packet, const uint8_t *end)
{
	const uint8_t *body = packet->body;

	if (packet->bytes < 4 || packet->bytes > 256 || end - body < 4)
		return false;
	if (body[0] == 4)
		return body[1] >= 1 && body[1] <= 13 && body[2] <= 4;
	return body[0] == 5 || body[0] == 6;
}

static bool is_packets(const uint8_t *data, size_t n)
{
	const uint8_t *end = data + n;
	struct packet packet;

	if (!read_packet(data, n, &packet) ||
		!((packet.tag == TAG_KEY && is_key(&packet, end)) ||
			(packet.tag == TAG_PASSWORD && is_password(&packet, end))))
		return false;
	if (packet.bytes >= (size_t)(end - packet.body))
		return true; // what follows is not known
	switch (packet.body[packet.bytes] & 0xc0) {
	case 0x80:
		packet.tag = packet.body[packet.bytes] >> 2 & 0xf;
		break;
	case 0xc0:
		packet.tag = packet.body[packet.bytes] & 0x3f;
		break;
	default:
		return false;
	}
	return packet.tag == TAG_KEY || packet.tag == TAG_PASSWORD || packet.tag == TAG_DATA ||
	       packet.tag == TAG_DATA_CHECKED || packet.tag == TAG_DATA_AEAD;
}

bool encrypted_is_armor(const uint8_t *line, size_t n)
{
	static const char armor[] = "-----begin pgp message";

	if (n < sizeof(armor) - 1)
		return false;
	for (size_t i = 0; i < sizeof(armor) - 1; i++) {
		const bool is_capital = line[i] >= 'A' && line[i] <= 'Z';

		if ((is_capital ? line[i] | 0x20 : line[i]) != armor[i])
			return false;
	}
	return true;
}

bool encrypted_begins(const uint8_t *data, size_t n)
{
	size_t at = 0;

	if (n == 0)
		return false;
	if (data[0] == 0x30)
		return cms_is_encrypted(data, n);
	if (data[0] >= 0x80)
		return is_packets(data, n);
	while (at < n && (data[at] == '\r' || data[at] == '\n' || data[at] == ' '))
		at++;
	return encrypted_is_armor(data + at, n - at);
}
