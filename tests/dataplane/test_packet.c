// SPDX-License-Identifier: BSD-3-Clause
// packet: what is recognised, and what is refused.
#include "dataplane/packet.h"
#include "dataplane/packet_checksum.h"
#include "tests/support/frames.h"

// cmocka.h wants the first ones before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
// clang-format on

static uint8_t buffer[FRAMES_MAX_BYTES];
static const uint8_t timestamps[12] = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2};
static const char text[] = "MAIL FROM:<a@example.org>\r\n";

static struct frames_spec basic_spec(uint8_t family)
{
	struct frames_spec spec = {.seq = 0xfffffff0u,
		.ack = 77,
		.window = 500,
		.flags = TCP_FLAG_ACK | TCP_FLAG_PSH,
		.options = timestamps,
		.options_bytes = sizeof(timestamps),
		.payload = text,
		.payload_bytes = sizeof(text) - 1};

	frames_address(&spec.address, family, 41022);
	return spec;
}

static struct frame make(const struct frames_spec *spec)
{
	struct frame frame = {.data = buffer, .room = sizeof(buffer)};

	frame.bytes = frames_tcp(buffer, spec);
	return frame;
}

static enum packet_kind parse_spec(const struct frames_spec *spec, struct packet *packet)
{
	struct frame frame = make(spec);

	packet_parse(&frame, 0, packet);
	return packet->kind;
}

static void the_sum_is_that_of_the_slow_way_at_every_length_and_alignment(void **state)
{
	static uint8_t data[3000];
	uint8_t max[700];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 131 + (i >> 5));
	memset(max, 0xff, sizeof(max));
	for (size_t at = 0; at < 33; at++) {
		for (size_t n = 0; n + at < 1600; n += n < 300 ? 1 : 37) {
			uint16_t slow = frames_checksum(data + at, n, 0);
			uint16_t fast = (uint16_t)~packet_fold(packet_sum(data + at, n));

			assert_int_equal(be16toh(fast), slow);
		}
	}
	for (size_t n = 0; n <= sizeof(max); n++)
		assert_int_equal(be16toh((uint16_t)~packet_fold(packet_sum(max, n))),
			frames_checksum(max, n, 0));
}

static void a_tcp_segment_is_read_in_both_families_with_up_to_four_tags(void **state)
{
	(void)state;
	for (int tags = 0; tags <= 4; tags++) {
		for (uint8_t family = 4; family <= 6; family += 2) {
			struct frames_spec spec = basic_spec(family);
			struct packet packet;

			spec.padding = 5;
			for (int i = 0; i < tags; i++) {
				spec.tag_types[i] = (uint16_t[]){0x88a8, 0x8100, 0x9100, 0x8100}[i];
				spec.tag_ids[i] = (uint16_t)(0xe000 + 10 + i);
			}
			assert_int_equal(parse_spec(&spec, &packet), PACKET_TCP);
			assert_int_equal(packet.l3_offset, 14 + 4 * tags);
			assert_int_equal(packet.from.vlan[0], tags > 0 ? 10 : 0);
			assert_int_equal(packet.from.vlan[1], tags > 1 ? 9 + tags : 0);
			assert_int_equal(packet.from.family, family);
			assert_memory_equal(packet.from.address, spec.address.address, 32);
			assert_memory_equal(packet.from.port_be, spec.address.port_be, 4);
			assert_int_equal(packet.tcp.seq, spec.seq);
			assert_int_equal(packet.tcp.ack, spec.ack);
			assert_int_equal(packet.tcp.window, spec.window);
			assert_int_equal(packet.tcp.flags, spec.flags);
			assert_int_equal(packet.tcp.options_bytes, 12);
			assert_memory_equal(packet.tcp.options, timestamps, 12);
			assert_int_equal(packet.tcp.payload_bytes, sizeof(text) - 1);
			assert_memory_equal(packet.payload, text, sizeof(text) - 1);
			assert_ptr_equal(packet.payload + sizeof(text) - 1, buffer + packet.ip_end);
		}
	}
}

static void five_tags_are_refused(void **state)
{
	struct frames_spec spec = basic_spec(4);
	struct packet packet;

	(void)state;
	for (int i = 0; i < 5; i++)
		spec.tag_types[i] = 0x8100;
	assert_int_equal(parse_spec(&spec, &packet), PACKET_BAD);
}

static bool is_wrapped(uint32_t bytes)
{
	struct frame frame = {.data = buffer, .bytes = bytes, .room = sizeof(buffer)};
	struct packet packet;

	packet_parse(&frame, 0, &packet);
	if (packet.is_wrapped)
		assert_int_equal(packet.kind, PACKET_OTHER);
	return packet.is_wrapped;
}

static void packets_with_others_in_them_are_known_by_their_types(void **state)
{
	static const uint16_t wrappers[] = {0x6558, 0x8847, 0x8848, 0x8864, 0x88e5, 0x88e7, 0x894f,
		0x9200, 0x9300, 0x22f3, 0x892f, 0x893f, 0x8926, 0x8903, 0x8909};

	(void)state;
	for (int tags = 0; tags <= 2; tags++) {
		struct frames_spec spec = basic_spec(4);
		uint32_t type_at = 12 + 4 * (uint32_t)tags;
		uint32_t bytes;

		for (int i = 0; i < tags; i++)
			spec.tag_types[i] = 0x8100;
		bytes = frames_tcp(buffer, &spec);
		for (uint32_t type = 0; type <= 0xffff; type++) {
			bool found = false;

			for (size_t i = 0; i < sizeof(wrappers) / sizeof(wrappers[0]); i++)
				found = found || type == wrappers[i];
			buffer[type_at] = (uint8_t)(type >> 8);
			buffer[type_at + 1] = (uint8_t)type;
			assert_int_equal(is_wrapped(bytes), found);
		}
	}
}

static void a_length_is_followed_by_a_type_perhaps(void **state)
{
	static const uint8_t snap[] = {0, 48, 0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0x00, 0x45};

	(void)state;
	memset(buffer, 0, 64);
	memcpy(buffer + 12, snap, sizeof(snap));
	assert_true(is_wrapped(60));
	assert_true(is_wrapped(22));
	for (uint32_t bytes = 0; bytes < 22; bytes++)
		assert_false(is_wrapped(bytes));
	for (uint32_t at = 14; at < 22; at++) {
		buffer[at] ^= 1;
		assert_false(is_wrapped(60));
		buffer[at] ^= 1;
	}
	buffer[20] = 0x86;
	buffer[21] = 0xdd;
	assert_true(is_wrapped(60));
}

static void ip_protocols_that_carry_packets_are_known(void **state)
{
	static const uint8_t wrappers[] = {4, 41, 47, 50, 94, 97, 115, 137, 143};

	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		for (int protocol = 0; protocol < 256; protocol++) {
			struct frames_spec spec = basic_spec(family);
			uint32_t bytes = frames_tcp(buffer, &spec);

			buffer[14 + (family == 4 ? 9 : 6)] = (uint8_t)protocol;
			assert_int_equal(is_wrapped(bytes),
				memchr(wrappers, protocol, sizeof(wrappers)) != NULL);
		}
	}
}

// Ports alone do not tell: others may have them.
static void tunnels_in_udp_are_known_by_port_and_header(void **state)
{
	static const struct {
		uint16_t port;
		uint8_t header[8];
		bool is_wrapped;
	} cases[] = {
		{4789, {0x08, 0, 0, 0, 0, 0, 7, 0}, true},
		{4789, {0x88, 0, 0, 5, 0, 0, 7, 0}, true}, // with a group's policy
		{4789, {0x00, 0, 0, 0, 0, 0, 7, 0}, false},
		{4789, {0x08, 0, 0, 0, 0, 0, 0, 1}, false},
		{8472, {0x08, 0, 0, 0, 1, 2, 3, 0}, true},
		{4790, {0x0c, 0, 0, 3, 0, 0, 7, 0}, true},
		{6081, {0x00, 0, 0x65, 0x58, 0, 0, 7, 0}, true},
		{6081, {0x02, 0x40, 0x08, 0x00, 0, 0, 7, 0}, true},
		{6081, {0x00, 0, 0x86, 0xdd, 0, 0, 7, 0}, true},
		{6081, {0x40, 0, 0x65, 0x58, 0, 0, 7, 0}, false},
		{6081, {0x00, 0, 0x12, 0x34, 0, 0, 7, 0}, false},
		{2152, {0x32, 0xff, 0, 40, 0, 0, 0, 1}, true},
		{2152, {0x32, 0x01, 0, 40, 0, 0, 0, 1}, false}, // an echo
		{1701, {0x40, 0x02, 0, 40, 0, 1, 0, 1}, true},
		{1701, {0xc8, 0x02, 0, 40, 0, 1, 0, 1}, false}, // control
		{53, {0x08, 0, 0, 0, 0, 0, 7, 0}, false},
	};

	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct frames_spec spec = basic_spec(family);
			uint32_t bytes = frames_tcp(buffer, &spec);
			uint32_t udp = family == 4 ? 34 : 54;

			buffer[14 + (family == 4 ? 9 : 6)] = 17;
			buffer[udp + 2] = (uint8_t)(cases[i].port >> 8);
			buffer[udp + 3] = (uint8_t)cases[i].port;
			memcpy(buffer + udp + 8, cases[i].header, sizeof(cases[i].header));
			assert_int_equal(is_wrapped(bytes), cases[i].is_wrapped);
			// As large as it takes, and the port it comes from.
			buffer[udp + 1] = buffer[udp + 3];
			buffer[udp] = buffer[udp + 2];
			assert_false(is_wrapped(family == 4 ? udp + 15 : 20));
			buffer[udp + 2] = 0;
			assert_false(is_wrapped(bytes));
			// Of a fragment but the first the bytes are no header.
			buffer[udp + 2] = (uint8_t)(cases[i].port >> 8);
			buffer[20] = family == 4 ? 0x20 : buffer[20];
			assert_int_equal(is_wrapped(bytes), cases[i].is_wrapped);
			buffer[21] = family == 4 ? 1 : buffer[21];
			assert_int_equal(is_wrapped(bytes), cases[i].is_wrapped && family == 6);
		}
	}
}

static void ip_options_are_passed_over(void **state)
{
	static const uint8_t options[8] = {7, 7, 4, 0, 0, 0, 0, 0};
	struct frames_spec spec = basic_spec(4);
	struct packet packet;

	(void)state;
	spec.ip_options = options;
	spec.ip_options_bytes = sizeof(options);
	assert_int_equal(parse_spec(&spec, &packet), PACKET_TCP);
	assert_memory_equal(packet.payload, text, sizeof(text) - 1);
}

struct chain_case {
	const char *name;
	uint8_t first;
	uint8_t bytes[80];
	uint32_t n;
	enum packet_kind kind;
};

static void ipv6_extension_headers_are_walked(void **state)
{
	static const struct chain_case cases[] = {
		{"hop-by-hop", 0, {6, 0, 1, 4}, 8, PACKET_TCP},
		{"hop-by-hop, destination, routing at its end", 0,
			{60, 0, 1, 4, 0, 0, 0, 0, 43, 0, 1, 4, 0, 0, 0, 0, 6, 0, 4, 0}, 24,
			PACKET_TCP},
		{"long destination options", 60, {6, 2, 1, 20}, 24, PACKET_TCP},
		{"atomic fragment", 44, {6, 0, 0, 0, 1, 2, 3, 4}, 8, PACKET_TCP},
		{"authentication header", 51, {6, 4, 0, 0}, 24, PACKET_TCP},
		{"two fragment headers", 44, {44, 0, 0, 0, 0, 0, 0, 1, 6}, 16, PACKET_BAD},
		{"routing with segments left", 43, {6, 0, 4, 1}, 8, PACKET_BAD},
		{"hop-by-hop in second place", 60, {0, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4}, 16,
			PACKET_BAD},
		{"header longer than the packet", 60, {6, 255}, 8, PACKET_BAD},
		{"authentication header too short", 51, {6, 0}, 8, PACKET_BAD},
		{"nine headers", 60,
			{60, 0, 0, 0, 0, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0,
				60, 0, 0, 0, 0, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 60, 0, 0, 0, 0, 0,
				0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 6},
			72, PACKET_BAD},
		{"ESP", 60, {50, 0}, 8, PACKET_OTHER},
		{"no next header", 60, {59, 0}, 8, PACKET_OTHER},
		{"UDP", 0, {17, 0, 1, 4}, 8, PACKET_OTHER},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frames_spec spec = basic_spec(6);
		struct packet packet;

		spec.extensions = cases[i].bytes;
		spec.extensions_bytes = cases[i].n;
		spec.first_extension = cases[i].first;
		if (parse_spec(&spec, &packet) != cases[i].kind)
			fail_msg("%s: kind %d", cases[i].name, packet.kind);
		if (packet.kind == PACKET_TCP)
			assert_memory_equal(packet.payload, text, sizeof(text) - 1);
	}
}

struct damage {
	const char *name;
	uint32_t family;
	uint32_t at; // from the IP header
	uint8_t value;
	bool fix_ip; // make the IPv4 header checksum right again
	enum packet_kind kind;
	enum packet_fault why;
};

static void what_a_receiver_would_drop_is_refused(void **state)
{
	static const struct damage cases[] = {
		{"version", 4, 0, 0x65, true, PACKET_BAD, PACKET_BAD_IP_HEADER_FAULT},
		{"header length 16", 4, 0, 0x44, true, PACKET_BAD, PACKET_BAD_IP_HEADER_FAULT},
		{"header beyond the frame", 4, 0, 0x4f, true, PACKET_BAD,
			PACKET_BAD_IP_CHECKSUM_FAULT},
		{"total length beyond the frame", 4, 2, 1, true, PACKET_BAD,
			PACKET_BAD_IP_HEADER_FAULT},
		{"total length 10", 4, 3, 10, true, PACKET_BAD, PACKET_BAD_IP_HEADER_FAULT},
		{"total length ends in the TCP header", 4, 3, 39, true, PACKET_BAD,
			PACKET_BAD_TCP_HEADER_FAULT},
		{"header checksum", 4, 8, 63, false, PACKET_BAD, PACKET_BAD_IP_CHECKSUM_FAULT},
		{"TCP checksum", 4, 60, 'X', false, PACKET_BAD, PACKET_BAD_TCP_CHECKSUM_FAULT},
		{"source address under the TCP checksum", 4, 12, 9, true, PACKET_BAD,
			PACKET_BAD_TCP_CHECKSUM_FAULT},
		{"data offset 4", 4, 32, 0x40, false, PACKET_BAD, PACKET_BAD_TCP_HEADER_FAULT},
		{"data offset beyond the end", 4, 32, 0xf0, false, PACKET_BAD,
			PACKET_BAD_TCP_HEADER_FAULT},
		{"UDP is not ours", 4, 9, 17, false, PACKET_OTHER, PACKET_NONE_FAULT},
		{"version 6", 6, 0, 0x40, false, PACKET_BAD, PACKET_BAD_IP_HEADER_FAULT},
		{"payload length beyond the frame", 6, 4, 1, false, PACKET_BAD,
			PACKET_BAD_IP_HEADER_FAULT},
		{"TCP checksum in IPv6", 6, 70, 9, false, PACKET_BAD,
			PACKET_BAD_TCP_CHECKSUM_FAULT},
		{"hop limit is not checked", 6, 7, 1, false, PACKET_TCP, PACKET_NONE_FAULT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frames_spec spec = basic_spec((uint8_t)cases[i].family);
		struct frame frame = make(&spec);
		struct packet packet;
		uint8_t *ip = buffer + 14;

		ip[cases[i].at] = cases[i].value;
		if (cases[i].fix_ip) {
			uint16_t sum;

			ip[10] = ip[11] = 0;
			sum = htobe16(frames_checksum(ip, 20, 0));
			memcpy(ip + 10, &sum, 2);
		}
		packet_parse(&frame, 0, &packet);
		if (packet.kind != cases[i].kind || packet.why != cases[i].why)
			fail_msg("%s: kind %d, %s", cases[i].name, packet.kind,
				packet_fault_name(packet.why));
	}
}

static void frames_cut_anywhere_are_never_tcp(void **state)
{
	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct frames_spec spec = basic_spec(family);
		uint32_t whole;

		spec.tag_types[0] = 0x8100;
		whole = make(&spec).bytes;
		for (uint32_t n = 0; n < whole; n++) {
			uint8_t *exact = malloc(n + 1);
			struct frame frame = {.data = exact, .bytes = n, .room = n};
			struct packet packet;

			assert_non_null(exact);
			memcpy(exact, buffer, n);
			packet_parse(&frame, PACKET_PARTIAL_CHECKSUMS, &packet);
			assert_int_not_equal(packet.kind, PACKET_TCP);
			free(exact);
		}
	}
}

static void what_is_not_ip_is_none_of_ours(void **state)
{
	static const uint16_t types[] = {0x0806, 0x8847, 0x8864, 0x0040, 0x88cc};
	struct frames_spec spec = basic_spec(4);
	struct frame frame = make(&spec);
	struct packet packet;

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		buffer[12] = (uint8_t)(types[i] >> 8);
		buffer[13] = (uint8_t)types[i];
		packet_parse(&frame, 0, &packet);
		assert_int_equal(packet.kind, PACKET_OTHER);
	}
}

static void captures_made_on_the_sender_are_put_right(void **state)
{
	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct frames_spec spec = basic_spec(family);
		uint32_t l4 = family == 4 ? 34 : 54;
		struct frame frame = make(&spec);
		struct packet packet;
		uint8_t good[2000];
		uint8_t pseudo[40] = {0};
		uint16_t partial;
		uint32_t length_at = family == 4 ? 16 : 18;

		memcpy(good, buffer, frame.bytes);
		memcpy(pseudo, spec.address.address, 32);
		pseudo[35] = (uint8_t)(frame.bytes - l4);
		pseudo[39] = 6;
		partial = htobe16((uint16_t)~frames_checksum(pseudo, sizeof(pseudo), 0));
		memcpy(buffer + l4 + 16, &partial, 2);
		packet_parse(&frame, 0, &packet);
		assert_int_equal(packet.why, PACKET_BAD_TCP_CHECKSUM_FAULT);
		// Length and header checksum left to the port as well.
		memset(buffer + length_at, 0, 2);
		if (family == 4)
			memset(buffer + 24, 0, 2);
		packet_parse(&frame, PACKET_PARTIAL_CHECKSUMS, &packet);
		assert_int_equal(packet.kind, PACKET_TCP);
		assert_memory_equal(buffer, good, frame.bytes);
	}
}

static void a_port_that_has_verified_saves_the_look(void **state)
{
	struct frames_spec spec = basic_spec(4);
	struct frame frame = make(&spec);
	struct packet packet;

	(void)state;
	buffer[50] ^= 1;
	packet_parse(&frame, PACKET_CHECKSUMS_DONE, &packet);
	assert_int_equal(packet.kind, PACKET_TCP);
}

static void fragments_are_told_by_offset_and_more(void **state)
{
	static uint8_t out[FRAMES_MAX_BYTES];

	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct frames_spec spec = basic_spec(family);
		struct frame whole = make(&spec);
		struct frame piece = {.data = out, .room = sizeof(out)};
		struct packet packet;

		piece.bytes = frames_fragment(buffer, whole.bytes, 4711, 24, 16, out);
		packet_parse(&piece, 0, &packet);
		assert_int_equal(packet.kind, PACKET_FRAGMENT);
		assert_int_equal(packet.fragment.id, 4711);
		assert_int_equal(packet.fragment.offset_bytes, 24);
		assert_int_equal(packet.fragment.payload_bytes, 16);
		assert_int_equal(packet.fragment.protocol, 6);
		assert_true(packet.fragment.more);
		assert_memory_equal(out + packet.fragment.payload_offset,
			buffer + (family == 4 ? 34 : 54) + 24, 16);
		assert_int_equal(packet.fragment.header_offset, family == 4 ? 0 : 14 + 6);
		// Not a multiple of eight, with more to come.
		piece.bytes = frames_fragment(buffer, whole.bytes, 4711, 24, 15, out);
		packet_parse(&piece, 0, &packet);
		assert_int_equal(packet.why, PACKET_BAD_FRAGMENT_FAULT);
		// Ends beyond 64 KiB (the ping of death).
		piece.bytes = frames_fragment(buffer, whole.bytes, 4711, 24, 16, out);
		if (family == 4) {
			out[20] = 0x3f;
			out[21] = 0xff;
			memset(out + 24, 0, 2);
			uint16_t sum = htobe16(frames_checksum(out + 14, 20, 0));
			memcpy(out + 24, &sum, 2);
		} else {
			out[56] = 0xff;
			out[57] = 0xf9;
		}
		packet_parse(&piece, 0, &packet);
		assert_int_equal(packet.why, PACKET_BAD_FRAGMENT_FAULT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sum_is_that_of_the_slow_way_at_every_length_and_alignment),
		cmocka_unit_test(a_tcp_segment_is_read_in_both_families_with_up_to_four_tags),
		cmocka_unit_test(five_tags_are_refused),
		cmocka_unit_test(packets_with_others_in_them_are_known_by_their_types),
		cmocka_unit_test(a_length_is_followed_by_a_type_perhaps),
		cmocka_unit_test(ip_protocols_that_carry_packets_are_known),
		cmocka_unit_test(tunnels_in_udp_are_known_by_port_and_header),
		cmocka_unit_test(ip_options_are_passed_over),
		cmocka_unit_test(ipv6_extension_headers_are_walked),
		cmocka_unit_test(what_a_receiver_would_drop_is_refused),
		cmocka_unit_test(frames_cut_anywhere_are_never_tcp),
		cmocka_unit_test(what_is_not_ip_is_none_of_ours),
		cmocka_unit_test(captures_made_on_the_sender_are_put_right),
		cmocka_unit_test(a_port_that_has_verified_saves_the_look),
		cmocka_unit_test(fragments_are_told_by_offset_and_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
