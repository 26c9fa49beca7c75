// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/frames.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

uint16_t frames_checksum(const uint8_t *data, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++) {
		sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)~sum;
}

void frames_address(struct packet_address *address, uint8_t family, uint16_t client_port)
{
	static const uint8_t v4[2][4] = {{192, 0, 2, 7}, {198, 51, 100, 2}};
	static const uint8_t v6[2][16] = {
		{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7},
		{0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}};

	*address = (struct packet_address){.family = family};
	for (int i = 0; i < 2; i++)
		memcpy(address->address[i], family == 6 ? v6[i] : v4[i], family == 6 ? 16 : 4);
	address->port_be[0] = htobe16(client_port);
	address->port_be[1] = htobe16(25);
}

void frames_swap(struct packet_address *address)
{
	struct packet_address old = *address;

	for (int i = 0; i < 2; i++) {
		memcpy(address->address[i], old.address[1 - i], 16);
		address->port_be[i] = old.port_be[1 - i];
	}
}

// Sum of the pseudo-header, for frames_checksum to start from.
static uint32_t pseudo_sum(const struct packet_address *address, uint32_t tcp_bytes)
{
	uint8_t header[40] = {0};

	memcpy(header, address->address[0], 16);
	memcpy(header + 16, address->address[1], 16);
	put32(header + 32, tcp_bytes);
	header[39] = 6;
	return (uint16_t)~frames_checksum(header, sizeof(header), 0);
}

static uint32_t put_ethernet(uint8_t *out, const struct frames_spec *spec)
{
	static const uint8_t macs[12] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
	uint32_t at = 12;

	memcpy(out, macs, sizeof(macs));
	for (int i = 0; i < 8 && spec->tag_types[i] != 0; i++, at += 4) {
		put16(out + at, spec->tag_types[i]);
		put16(out + at + 2, spec->tag_ids[i]);
	}
	put16(out + at, spec->address.family == 6 ? 0x86dd : 0x0800);
	return at + 2;
}

static uint32_t put_ip(uint8_t *out, const struct frames_spec *spec, uint32_t tcp_bytes)
{
	uint32_t header_bytes = 20 + spec->ip_options_bytes;

	if (spec->address.family == 6) {
		memset(out, 0, 40);
		put32(out, 0x60000000u | (uint32_t)spec->tos << 20);
		put16(out + 4, spec->extensions_bytes + tcp_bytes);
		out[6] = spec->extensions_bytes > 0 ? spec->first_extension : 6;
		out[7] = 64;
		memcpy(out + 8, spec->address.address[0], 16);
		memcpy(out + 24, spec->address.address[1], 16);
		if (spec->extensions_bytes > 0)
			memcpy(out + 40, spec->extensions, spec->extensions_bytes);
		return 40 + spec->extensions_bytes;
	}
	memset(out, 0, 20);
	out[0] = (uint8_t)(0x40 | header_bytes / 4);
	out[1] = spec->tos;
	put16(out + 2, header_bytes + tcp_bytes);
	put16(out + 4, spec->ip_id);
	out[8] = 64;
	out[9] = 6;
	memcpy(out + 12, spec->address.address[0], 4);
	memcpy(out + 16, spec->address.address[1], 4);
	if (spec->ip_options_bytes > 0)
		memcpy(out + 20, spec->ip_options, spec->ip_options_bytes);
	put16(out + 10, frames_checksum(out, header_bytes, 0));
	return header_bytes;
}

uint32_t frames_tcp(uint8_t out[FRAMES_MAX_BYTES], const struct frames_spec *spec)
{
	uint32_t tcp_bytes = 20 + spec->options_bytes + spec->payload_bytes;
	uint32_t at = put_ethernet(out, spec);
	uint8_t *tcp;

	at += put_ip(out + at, spec, tcp_bytes);
	tcp = out + at;
	memset(tcp, 0, 20);
	memcpy(tcp, spec->address.port_be, 4);
	put32(tcp + 4, spec->seq);
	put32(tcp + 8, spec->ack);
	tcp[12] = (uint8_t)((20 + spec->options_bytes) / 4 << 4);
	tcp[13] = spec->flags;
	put16(tcp + 14, spec->window);
	put16(tcp + 18, spec->urgent);
	if (spec->options_bytes > 0)
		memcpy(tcp + 20, spec->options, spec->options_bytes);
	if (spec->payload_bytes > 0)
		memcpy(tcp + 20 + spec->options_bytes, spec->payload, spec->payload_bytes);
	put16(tcp + 16, frames_checksum(tcp, tcp_bytes, pseudo_sum(&spec->address, tcp_bytes)));
	memset(tcp + tcp_bytes, 0xee, spec->padding);
	return at + tcp_bytes + spec->padding;
}

static uint32_t skip_ethernet(const uint8_t *frame)
{
	uint32_t at = 12;

	while (get16(frame + at) == 0x8100 || get16(frame + at) == 0x88a8)
		at += 4;
	return at + 2;
}

uint32_t frames_fragment(const uint8_t *frame, uint32_t bytes, uint32_t id, uint32_t offset,
	uint32_t n, uint8_t out[FRAMES_MAX_BYTES])
{
	uint32_t l3 = skip_ethernet(frame);
	bool is_ipv6 = frame[l3] >> 4 == 6;
	uint32_t header = l3 + (is_ipv6 ? 40 : 20);
	uint32_t more = header + offset + n < bytes;

	memcpy(out, frame, header);
	if (is_ipv6) {
		put16(out + l3 + 4, 8 + n);
		out[header] = out[l3 + 6];
		out[l3 + 6] = 44;
		out[header + 1] = 0;
		put16(out + header + 2, offset | more);
		put32(out + header + 4, id);
		memcpy(out + header + 8, frame + header + offset, n);
		return header + 8 + n;
	}
	put16(out + l3 + 2, 20 + n);
	put16(out + l3 + 4, id);
	put16(out + l3 + 6, more << 13 | offset / 8);
	put16(out + l3 + 10, 0);
	put16(out + l3 + 10, frames_checksum(out + l3, 20, 0));
	memcpy(out + header, frame + header + offset, n);
	return header + n;
}

bool frames_are_sums_right(const uint8_t *frame, uint32_t bytes)
{
	uint32_t l3 = skip_ethernet(frame);
	bool is_ipv6 = frame[l3] >> 4 == 6;
	struct packet_address address = {.family = is_ipv6 ? 6 : 4};
	uint32_t size = is_ipv6 ? 16 : 4;
	uint32_t end = is_ipv6 ? l3 + 40 + get16(frame + l3 + 4) : l3 + get16(frame + l3 + 2);
	uint32_t l4 = l3 + (is_ipv6 ? 40u : (frame[l3] & 15u) * 4);
	uint8_t header = frame[l3 + (is_ipv6 ? 6 : 9)];

	if (end > bytes || (!is_ipv6 && frames_checksum(frame + l3, l4 - l3, 0) != 0))
		return false;
	while (is_ipv6 && header != 6 && l4 < end) {
		header = frame[l4];
		l4 += header == 44 ? 8u : (frame[l4 + 1] + 1u) * 8;
	}
	for (uint32_t i = 0; i < 2; i++)
		memcpy(address.address[i], frame + l3 + (is_ipv6 ? 8 : 12) + (size_t)i * size,
			size);
	return l4 + 20 <= end &&
	       frames_checksum(frame + l4, end - l4, pseudo_sum(&address, end - l4)) == 0;
}

// ---- conversations -------------------------------------------------------------------------------

void frames_talk_init(struct frames_talk *talk, uint8_t family, uint16_t client_port)
{
	*talk = (struct frames_talk){.mss = 1448, .now_ns = 1000000000};
	frames_address(&talk->address, family, client_port);
	talk->next[TCP_CLIENT] = 0xfffff000u + client_port; // wraps soon
	talk->next[TCP_SERVER] = 7000;
}

void frames_talk_free(struct frames_talk *talk)
{
	for (uint32_t i = 0; i < talk->count; i++)
		free(talk->items[i].data);
	free(talk->items);
}

static void append(struct frames_talk *talk, enum tcp_side side, struct frames_spec *spec)
{
	static uint8_t buffer[FRAMES_MAX_BYTES];
	struct frames_item *item;

	spec->address = talk->address;
	spec->window = 64240;
	for (int i = 0; i < 2 && talk->tag_ids[i] != 0; i++) {
		spec->tag_types[i] = 0x8100;
		spec->tag_ids[i] = talk->tag_ids[i];
	}
	if (side == TCP_SERVER)
		frames_swap(&spec->address);
	if (talk->count == talk->room) {
		talk->room = talk->room * 2 + 64;
		talk->items = realloc(talk->items, talk->room * sizeof(talk->items[0]));
		if (talk->items == NULL)
			abort();
	}
	item = &talk->items[talk->count++];
	item->bytes = frames_tcp(buffer, spec);
	item->data = malloc(item->bytes);
	if (item->data == NULL)
		abort();
	memcpy(item->data, buffer, item->bytes);
	item->side = side;
	item->time_ns = talk->now_ns;
	talk->now_ns += 1000000;
}

void frames_talk_segment(struct frames_talk *talk, enum tcp_side side, uint32_t seq, uint8_t flags,
	const void *data, uint32_t n)
{
	struct frames_spec spec = {.seq = seq,
		.ack = talk->next[tcp_other(side)],
		.flags = flags,
		.payload = data,
		.payload_bytes = n};

	append(talk, side, &spec);
}

void frames_talk_open(struct frames_talk *talk)
{
	static const uint8_t options[4] = {2, 4, 0x05, 0xb4};
	struct frames_spec spec = {.seq = talk->next[TCP_CLIENT],
		.flags = TCP_FLAG_SYN,
		.options = options,
		.options_bytes = sizeof(options)};

	append(talk, TCP_CLIENT, &spec);
	spec.seq = talk->next[TCP_SERVER];
	spec.ack = ++talk->next[TCP_CLIENT];
	spec.flags = TCP_FLAG_SYN | TCP_FLAG_ACK;
	append(talk, TCP_SERVER, &spec);
	talk->next[TCP_SERVER]++;
	frames_talk_segment(talk, TCP_CLIENT, talk->next[TCP_CLIENT], TCP_FLAG_ACK, NULL, 0);
}

void frames_talk_send(struct frames_talk *talk, enum tcp_side side, const void *data, size_t n)
{
	const uint8_t *at = data;

	while (n > 0) {
		uint32_t bytes = n > talk->mss ? talk->mss : (uint32_t)n;

		frames_talk_segment(
			talk, side, talk->next[side], TCP_FLAG_ACK | TCP_FLAG_PSH, at, bytes);
		talk->next[side] += bytes;
		at += bytes;
		n -= bytes;
		if (n % ((size_t)2 * talk->mss) < talk->mss)
			frames_talk_segment(talk, tcp_other(side), talk->next[tcp_other(side)],
				TCP_FLAG_ACK, NULL, 0);
	}
}

void frames_talk_text(struct frames_talk *talk, enum tcp_side side, const char *text)
{
	frames_talk_send(talk, side, text, strlen(text));
}

void frames_talk_close(struct frames_talk *talk, enum tcp_side side)
{
	enum tcp_side other = tcp_other(side);

	frames_talk_segment(talk, side, talk->next[side]++, TCP_FLAG_FIN | TCP_FLAG_ACK, NULL, 0);
	frames_talk_segment(talk, other, talk->next[other]++, TCP_FLAG_FIN | TCP_FLAG_ACK, NULL, 0);
	frames_talk_segment(talk, side, talk->next[side], TCP_FLAG_ACK, NULL, 0);
}

// Lines that begin with a dot get a second one; the end-of-data follows (RFC 5321 section 4.5.2).
static size_t stuff(const char *message, size_t n, char *out)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++) {
		if (message[i] == '.' && (i == 0 || message[i - 1] == '\n'))
			out[bytes++] = '.';
		out[bytes++] = message[i];
	}
	if (bytes < 2 || memcmp(out + bytes - 2, "\r\n", 2) != 0) {
		memcpy(out + bytes, "\r\n", 2);
		bytes += 2;
	}
	memcpy(out + bytes, ".\r\n", 3);
	return bytes + 3;
}

void frames_talk_mail(struct frames_talk *talk, const char *message, size_t n)
{
	static const char *const dialogue[][2] = {
		{"EHLO mx.example.org\r\n", "250-mail.example.com\r\n250 SIZE 10240000\r\n"},
		{"MAIL FROM:<a@example.org>\r\n", "250 2.1.0 ok\r\n"},
		{"RCPT TO:<b@example.com>\r\n", "250 2.1.5 ok\r\n"},
		{"DATA\r\n", "354 go on\r\n"},
	};
	char *body = malloc(2 * n + 8);

	if (body == NULL)
		abort();
	frames_talk_open(talk);
	frames_talk_text(talk, TCP_SERVER, "220 mail.example.com ESMTP\r\n");
	for (size_t i = 0; i < sizeof(dialogue) / sizeof(dialogue[0]); i++) {
		frames_talk_text(talk, TCP_CLIENT, dialogue[i][0]);
		frames_talk_text(talk, TCP_SERVER, dialogue[i][1]);
	}
	frames_talk_send(talk, TCP_CLIENT, body, stuff(message, n, body));
	frames_talk_text(talk, TCP_SERVER, "250 2.0.0 taken\r\n");
	frames_talk_text(talk, TCP_CLIENT, "QUIT\r\n");
	frames_talk_text(talk, TCP_SERVER, "221 2.0.0 bye\r\n");
	frames_talk_close(talk, TCP_CLIENT);
	free(body);
}

void frames_insert_options(struct frame *frame, const uint8_t *options, uint32_t n)
{
	struct packet packet;
	uint8_t *l3;
	uint8_t *tcp;
	uint32_t at;

	packet_parse(frame, PACKET_CHECKSUMS_DONE, &packet);
	l3 = frame->data + packet.l3_offset;
	tcp = frame->data + packet.l4_offset;
	at = packet.l4_offset + (uint32_t)(tcp[12] >> 4) * 4;
	memmove(frame->data + at + n, frame->data + at, frame->bytes - at);
	memcpy(frame->data + at, options, n);
	frame->bytes += n;
	tcp[12] = (uint8_t)(tcp[12] + (n / 4 << 4));
	if (packet.from.family == 4) {
		uint32_t bytes = frame->bytes - packet.l3_offset;
		uint16_t sum;

		l3[2] = (uint8_t)(bytes >> 8);
		l3[3] = (uint8_t)bytes;
		memset(l3 + 10, 0, 2);
		sum = frames_checksum(l3, 20, 0);
		l3[10] = (uint8_t)(sum >> 8);
		l3[11] = (uint8_t)sum;
	} else {
		uint32_t bytes = frame->bytes - packet.l4_offset;

		l3[4] = (uint8_t)(bytes >> 8);
		l3[5] = (uint8_t)bytes;
	}
	packet_parse(frame, PACKET_CHECKSUMS_DONE, &packet);
	packet_fix_tcp_checksum(frame, &packet);
}
