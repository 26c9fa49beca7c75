// SPDX-License-Identifier: BSD-3-Clause
// capture_file: link types to Ethernet, times to the nanosecond, and clear words for what cannot be read.
#include "dataplane/capture_file.h"
#include "dataplane/packet.h"
#include "tests/support/frames.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NANO 0xa1b23c4du
#define MICRO 0xa1b2c3d4u

static char path[] = "/tmp/test_capture.XXXXXX";
static char error[CAPTURE_ERROR_BYTES];

static int setup(void **state)
{
	(void)state;
	memset(path + sizeof(path) - 7, 'X', 6);
	assert_int_equal(close(mkstemp(path)), 0);
	error[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path);
}

// A file of one record: prefix, then the IP datagram of a frame.
static void write_file(
	uint32_t magic, uint32_t link, const void *prefix, uint32_t prefix_bytes, uint32_t missing)
{
	static uint8_t frame[FRAMES_MAX_BYTES];
	struct frames_spec spec = {.flags = TCP_FLAG_ACK, .payload = "hello", .payload_bytes = 5};
	uint32_t header[6] = {magic, 0x00040002, 0, 0, 262144, link};
	uint32_t record[4] = {1700000000, 123456};
	uint32_t bytes;
	FILE *file = fopen(path, "we");

	frames_address(&spec.address, 4, 41022);
	bytes = frames_tcp(frame, &spec);
	record[2] = prefix_bytes + bytes - 14 - missing;
	record[3] = prefix_bytes + bytes - 14;
	assert_non_null(file);
	assert_int_equal(fwrite(header, sizeof(header), 1, file), 1);
	assert_int_equal(fwrite(record, sizeof(record), 1, file), 1);
	if (prefix_bytes > 0)
		assert_int_equal(fwrite(prefix, prefix_bytes, 1, file), 1);
	assert_int_equal(fwrite(frame + 14, bytes - 14 - missing, 1, file), 1);
	assert_int_equal(fclose(file), 0);
}

struct link_case {
	const char *name;
	uint32_t link;
	uint8_t prefix[64];
	uint32_t bytes;
	bool is_tcp;
};

static void every_link_type_gives_the_same_datagram(void **state)
{
	static const struct link_case cases[] = {
		{"Ethernet", 1, {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0}, 14, true},
		{"null, little-endian", 0, {2, 0, 0, 0}, 4, true},
		{"null, big-endian", 0, {0, 0, 0, 2}, 4, true},
		{"loop", 108, {0, 0, 0, 2}, 4, true},
		{"raw", 101, {0}, 0, true},
		{"IPv4", 228, {0}, 0, true},
		{"cooked", 113, {0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 8, 0}, 16, true},
		{"cooked, ARP", 113, {0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 8, 6}, 16, false},
		{"cooked, version 2", 276, {8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6}, 20, true},
		{"PPP", 9, {0, 0x21}, 2, true},
		{"PPP, one byte", 9, {0x21}, 1, true},
		{"PPP with address", 50, {0xff, 3, 0, 0x21}, 4, true},
		{"Cisco HDLC", 50, {0x0f, 0, 8, 0}, 4, true},
		{"PPP, other", 9, {0xc0, 0x21}, 2, false},
		{"wireless", 105, {8, 1, [24] = 0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, 32, true},
		{"wireless with QoS", 105, {0x88, 1, [26] = 0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, 34,
			true},
		{"wireless, protected", 105, {8, 0x41, [24] = 0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, 32,
			false},
		{"radiotap", 127,
			{0, 0, 8, 0, 0, 0, 0, 0, 8, 1, [32] = 0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, 40,
			true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct capture_reader *reader;
		struct capture_record record;
		struct packet packet;
		struct frame frame;

		write_file(MICRO, cases[i].link, cases[i].prefix, cases[i].bytes, 0);
		if (capture_open(path, &reader, error) != 0)
			fail_msg("%s: %s", cases[i].name, error);
		assert_int_equal(capture_next(reader, &record, error), 1);
		assert_int_equal(record.time_ns, 1700000000123456000u);
		assert_false(record.cut);
		assert_int_equal(record.made_up, cases[i].link != 1);
		frame = (struct frame){record.data, record.bytes, record.bytes, NULL};
		packet_parse(&frame, 0, &packet);
		if ((packet.kind == PACKET_TCP) != cases[i].is_tcp)
			fail_msg("%s: kind %d", cases[i].name, packet.kind);
		if (cases[i].is_tcp)
			assert_memory_equal(packet.payload, "hello", 5);
		assert_int_equal(capture_next(reader, &record, error), 0);
		capture_close(reader);
	}
}

static void cut_frames_are_marked_and_nanoseconds_kept(void **state)
{
	struct capture_reader *reader;
	struct capture_record record;

	(void)state;
	write_file(NANO, 101, NULL, 0, 3);
	assert_int_equal(capture_open(path, &reader, error), 0);
	assert_int_equal(capture_next(reader, &record, error), 1);
	assert_int_equal(record.time_ns, 1700000000000123456u);
	assert_true(record.cut);
	capture_close(reader);
}

static void what_is_written_is_read_again(void **state)
{
	static const uint8_t data[3][20] = {{1, 2, 3}, {4}, {5}};
	struct capture_writer *writer;
	struct capture_reader *reader;
	struct capture_record record;

	(void)state;
	assert_int_equal(capture_create(path, &writer, error), 0);
	for (uint32_t i = 0; i < 3; i++)
		capture_write(writer, data[i], 18 + i, 1700000000999999999u + i);
	assert_int_equal(capture_finish(writer), 0);
	assert_int_equal(capture_open(path, &reader, error), 0);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(capture_next(reader, &record, error), 1);
		assert_int_equal(record.time_ns, 1700000000999999999u + i);
		assert_int_equal(record.bytes, 18 + i);
		assert_memory_equal(record.data, data[i], 18 + i);
	}
	assert_int_equal(capture_next(reader, &record, error), 0);
	capture_close(reader);
}

static void what_cannot_be_read_is_named(void **state)
{
	struct capture_reader *reader;
	struct capture_record record;

	(void)state;
	assert_int_equal(capture_open("/nonexistent/x.pcap", &reader, error), -ENOENT);
	assert_non_null(strstr(error, "/nonexistent/x.pcap"));
	assert_int_equal(capture_open(path, &reader, error), -EBADMSG);
	write_file(MICRO, 187, NULL, 0, 0);
	assert_int_equal(capture_open(path, &reader, error), -ENOTSUP);
	assert_non_null(strstr(error, "BLUETOOTH_HCI_H4"));
	// The file ends within a record.
	write_file(MICRO, 101, NULL, 0, 0);
	assert_int_equal(truncate(path, 24 + 16 + 10), 0);
	assert_int_equal(capture_open(path, &reader, error), 0);
	error[0] = '\0';
	assert_int_equal(capture_next(reader, &record, error), -EBADMSG);
	assert_int_not_equal(error[0], '\0');
	capture_close(reader);
}

static void what_cannot_be_written_is_said(void **state)
{
	struct capture_writer *writer;

	(void)state;
	assert_int_not_equal(capture_create("/nonexistent/x.pcap", &writer, error), 0);
	assert_non_null(strstr(error, "/nonexistent/x.pcap"));
	assert_int_equal(capture_create("/dev/full", &writer, error), 0);
	capture_write(writer, (const uint8_t *)"x", 1, 1);
	assert_int_not_equal(capture_finish(writer), 0);
	assert_int_equal(capture_finish(NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_link_type_gives_the_same_datagram),
		TEST(cut_frames_are_marked_and_nanoseconds_kept),
		TEST(what_is_written_is_read_again),
		TEST(what_cannot_be_read_is_named),
		TEST(what_cannot_be_written_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
