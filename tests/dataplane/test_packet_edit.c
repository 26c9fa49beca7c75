// SPDX-License-Identifier: BSD-3-Clause
// packet: every edit leaves a good packet, and so does building one.
#include "dataplane/packet.h"
#include "tests/support/frames.h"

// cmocka.h wants the first ones before it.
// clang-format off
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/wait.h>

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

// Parses again from scratch, and compares with what the edit left in packet.
static void check_edited(struct frame *frame, const struct packet *packet)
{
	struct packet again;

	assert_true(frames_are_sums_right(frame->data, frame->bytes));
	packet_parse(frame, 0, &again);
	assert_int_equal(again.kind, PACKET_TCP);
	assert_int_equal(again.tcp.seq, packet->tcp.seq);
	assert_int_equal(again.tcp.flags, packet->tcp.flags);
	assert_int_equal(again.tcp.payload_bytes, packet->tcp.payload_bytes);
	assert_int_equal(again.ip_end, packet->ip_end);
	assert_ptr_equal(again.payload, packet->payload);
}

static void a_trimmed_packet_is_a_good_packet(void **state)
{
	static const uint8_t destination[8] = {6, 0, 1, 4, 0, 0, 0, 0};
	uint32_t n = sizeof(text) - 1;

	(void)state;
	for (uint32_t front = 0; front <= n; front++) {
		for (uint32_t back = 0; front + back <= n; back++) {
			struct frames_spec spec = basic_spec(front % 2 == 0 ? 4 : 6);
			struct packet packet;
			struct frame frame;

			spec.padding = 3;
			spec.flags |= TCP_FLAG_FIN;
			spec.extensions = destination;
			spec.extensions_bytes = 8;
			spec.first_extension = 60;
			frame = make(&spec);
			packet_parse(&frame, 0, &packet);
			packet_trim(&frame, &packet, front, back);
			check_edited(&frame, &packet);
			assert_int_equal(packet.tcp.seq, spec.seq + front);
			assert_int_equal(packet.tcp.payload_bytes, n - front - back);
			assert_memory_equal(packet.payload, text + front, n - front - back);
			assert_int_equal(packet.tcp.flags & (TCP_FLAG_FIN | TCP_FLAG_PSH),
				back > 0 ? 0 : TCP_FLAG_FIN | TCP_FLAG_PSH);
			assert_true(front + back == 0 || frame.bytes == packet.ip_end);
		}
	}
}

static void a_syn_keeps_its_number_when_its_data_is_cut(void **state)
{
	struct frames_spec spec = basic_spec(4);
	struct packet packet;
	struct frame frame;

	(void)state;
	spec.flags = TCP_FLAG_SYN;
	frame = make(&spec);
	packet_parse(&frame, 0, &packet);
	packet_trim(&frame, &packet, sizeof(text) - 1, 0);
	check_edited(&frame, &packet);
	assert_int_equal(packet.tcp.seq, spec.seq);
	assert_int_equal(packet.tcp.flags, TCP_FLAG_SYN);
}

static void more_than_there_is_cannot_be_cut(void **state)
{
	struct frames_spec spec = basic_spec(6);
	struct frame frame = make(&spec);
	struct packet packet;

	(void)state;
	packet_parse(&frame, 0, &packet);
	packet_trim(&frame, &packet, 10, UINT32_MAX);
	check_edited(&frame, &packet);
	assert_int_equal(packet.tcp.payload_bytes, 0);
}

static void flags_urgent_and_payload_are_changed_in_place(void **state)
{
	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		for (uint32_t urgent = 0; urgent < 65536; urgent += 257) {
			struct frames_spec spec = basic_spec(family);
			struct packet packet;
			struct frame frame;

			spec.flags |= TCP_FLAG_URG | TCP_FLAG_FIN;
			spec.urgent = (uint16_t)urgent;
			spec.seq = urgent * 65521;
			frame = make(&spec);
			packet_parse(&frame, 0, &packet);
			packet_clear_urgent(&frame, &packet);
			check_edited(&frame, &packet);
			packet_clear_flags(&frame, &packet, TCP_FLAG_FIN | TCP_FLAG_RST);
			check_edited(&frame, &packet);
			assert_int_equal(packet.tcp.flags, TCP_FLAG_ACK | TCP_FLAG_PSH);
			packet.payload[urgent % (sizeof(text) - 1)] = 'x';
			packet_fix_tcp_checksum(&frame, &packet);
			check_edited(&frame, &packet);
		}
	}
}

// Writes frames as a capture file for the reader outside.
static void put_record(FILE *file, const struct frame *frame)
{
	uint32_t header[4] = {0, 0, frame->bytes, frame->bytes};

	assert_int_equal(fwrite(header, sizeof(header), 1, file), 1);
	assert_int_equal(fwrite(frame->data, frame->bytes, 1, file), 1);
}

static void build_one(uint8_t family, int tags, uint32_t n, struct frame *frame)
{
	static uint8_t payload[2000];
	static uint8_t made[FRAMES_MAX_BYTES];
	struct packet_segment segment = {.seq = 1,
		.ack = 0xffffffff,
		.window = 65535,
		.flags = TCP_FLAG_ACK | TCP_FLAG_PSH,
		.has_timestamp = n % 2 == 0,
		.ts_value = 5,
		.ts_echo = 6,
		.payload = n % 3 == 0 ? NULL : payload,
		.payload_bytes = n};
	struct frames_spec spec = basic_spec(family);
	struct packet_template template = {0};
	struct packet packet;
	uint16_t ip_id = 0xffff;

	for (int i = 0; i < tags; i++)
		spec.tag_types[i] = 0x8100;
	spec.tos = 0x2b;
	*frame = make(&spec);
	packet_parse(frame, 0, &packet);
	packet_learn(&template, frame, &packet);
	for (uint32_t i = 0; i < n; i++)
		payload[i] = (uint8_t)(i * 7);
	*frame = (struct frame){.data = made, .room = packet_build_bytes(&template, &segment)};
	packet_build(frame, &template, &segment, &ip_id);
	assert_int_equal(frame->bytes, frame->room);
	if (segment.payload == NULL && n > 0) {
		memcpy(made + frame->bytes - n, payload, n);
		packet_build_finish(frame, &template);
	}
	assert_int_equal(ip_id, family == 4 ? 0 : 0xffff);
	packet_parse(frame, 0, &packet);
	check_edited(frame, &packet);
	assert_int_equal(packet.tcp.ack, 0xffffffff);
	assert_int_equal(packet.tcp.options_bytes, n % 2 == 0 ? 12 : 0);
	assert_int_equal(packet.tcp.payload_bytes, n);
	assert_memory_equal(packet.payload, payload, n);
	assert_memory_equal(packet.from.address, spec.address.address, 32);
	assert_memory_equal(packet.from.port_be, spec.address.port_be, 4);
	// The congestion mark is gone, the service class stays.
	assert_int_equal(
		family == 4 ? made[packet.l3_offset + 1]
			    : (made[packet.l3_offset] & 15) << 4 | made[packet.l3_offset + 1] >> 4,
		0x28);
}

static void segments_of_ones_own_are_good_packets(void **state)
{
	struct frame frame;

	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		for (int tags = 0; tags <= 4; tags++) {
			for (uint32_t n = 0; n < 1460; n += n < 20 ? 1 : 97)
				build_one(family, tags, n, &frame);
		}
	}
}

// Runs tshark over the capture at path and returns its count of bad checksums, or -1.
static int count_bad_by_tshark(const char *path, int *frames)
{
	int fds[2];
	pid_t child;
	FILE *out;
	char line[256];
	int bad = 0;

	assert_int_equal(pipe(fds), 0);
	child = fork();
	if (child == 0) {
		(void)dup2(fds[1], 1);
		(void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 2);
		(void)execlp("tshark", "tshark", "-r", path, "-o", "tcp.check_checksum:TRUE", "-o",
			"ip.check_checksum:TRUE", "-T", "fields", "-e", "tcp.checksum.status", "-e",
			"ip.checksum.status", "-e", "ipv6.nxt", (char *)NULL);
		_exit(127);
	}
	(void)close(fds[1]);
	out = fdopen(fds[0], "r");
	assert_non_null(out);
	while (fgets(line, sizeof(line), out) != NULL) {
		bool good = strcmp(line, "1\t1\t\n") == 0 || strcmp(line, "1\t\t6\n") == 0;

		bad += !good;
		++*frames;
	}
	(void)fclose(out);
	(void)waitpid(child, NULL, 0);
	return bad;
}

static void tshark_finds_no_bad_checksum_in_what_was_edited_and_built(void **state)
{
	static const uint32_t file_header[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 262144, 1};
	char path[] = "/tmp/test_packet.XXXXXX";
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "wb");
	int frames = 0;
	int bad;

	(void)state;
	assert_non_null(file);
	assert_int_equal(fwrite(file_header, sizeof(file_header), 1, file), 1);
	for (uint8_t family = 4; family <= 6; family += 2) {
		for (uint32_t n = 0; n < 12; n++) {
			struct frames_spec spec = basic_spec(family);
			struct packet packet;
			struct frame frame;

			spec.flags |= TCP_FLAG_URG;
			spec.urgent = 9;
			frame = make(&spec);
			packet_parse(&frame, 0, &packet);
			packet_clear_urgent(&frame, &packet);
			put_record(file, &frame);
			packet_trim(&frame, &packet, n, n / 2);
			put_record(file, &frame);
			build_one(family, (int)n % 3, n * 100, &frame);
			put_record(file, &frame);
		}
	}
	assert_int_equal(fclose(file), 0);
	bad = count_bad_by_tshark(path, &frames);
	(void)unlink(path);
	if (frames == 0) {
		printf("skip: tshark is not installed\n");
		skip();
	}
	assert_int_equal(frames, 72);
	assert_int_equal(bad, 0);
}

static uint32_t read32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void other_numbers_take_their_blocks_with_them(void **state)
{
	// Three blocks: below the edge 1000, across it, above it.
	static const uint8_t options[40] = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1, 5, 26, 0, 0,
		2, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 8, 0, 0, 0, 9, 0};
	const struct seqmap map = {.sender = 50000, .receiver = 1000};

	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct frames_spec spec = basic_spec(family);
		struct packet packet;
		struct frame frame;

		spec.options = options;
		spec.options_bytes = sizeof(options);
		frame = make(&spec);
		packet_parse(&frame, 0, &packet);
		packet_renumber(&frame, &packet, 5, 6, &map);
		check_edited(&frame, &packet);
		assert_int_equal(packet.tcp.seq, 5);
		assert_int_equal(packet.tcp.ack, 6);
		assert_memory_equal(packet.tcp.options, options, 14);
		assert_int_equal(packet.tcp.options[15], 18);
		assert_int_equal(read32(packet.tcp.options + 16), 50000);
		assert_int_equal(read32(packet.tcp.options + 20), 50024);
		assert_int_equal(read32(packet.tcp.options + 24), 51048);
		assert_int_equal(read32(packet.tcp.options + 28), 51304);
		for (int i = 32; i < 40; i++)
			assert_int_equal(packet.tcp.options[i], 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trimmed_packet_is_a_good_packet),
		cmocka_unit_test(a_syn_keeps_its_number_when_its_data_is_cut),
		cmocka_unit_test(more_than_there_is_cannot_be_cut),
		cmocka_unit_test(flags_urgent_and_payload_are_changed_in_place),
		cmocka_unit_test(segments_of_ones_own_are_good_packets),
		cmocka_unit_test(other_numbers_take_their_blocks_with_them),
		cmocka_unit_test(tshark_finds_no_bad_checksum_in_what_was_edited_and_built),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
