// SPDX-License-Identifier: BSD-3-Clause
// packet: sessions of PPPoE and labels of MPLS in front of IP, in what is read, edited and made.
#include "dataplane/packet.h"
#include "tests/support/frames.h"
#include "tests/support/random.h"
#include "tests/support/shims.h"
#include "tests/support/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NUMBER 0x1234

static uint8_t buffer[FRAMES_MAX_BYTES];
static const char text[] = "MAIL FROM:<a@example.org>\r\n";

static struct frame make(uint8_t family, int tags, enum shim shim, uint32_t padding)
{
	struct frames_spec spec = {.seq = 5,
		.ack = 77,
		.window = 500,
		.flags = TCP_FLAG_ACK | TCP_FLAG_PSH,
		.payload = text,
		.payload_bytes = sizeof(text) - 1,
		.padding = padding};
	struct frame frame = {.data = buffer, .room = sizeof(buffer)};

	frames_address(&spec.address, family, 41022);
	for (int i = 0; i < tags; i++) {
		spec.tag_types[i] = 0x8100;
		spec.tag_ids[i] = 9;
	}
	frame.bytes = shim_put_on(buffer, frames_tcp(buffer, &spec), shim, NUMBER);
	return frame;
}

static struct packet parse(struct frame *frame)
{
	struct packet packet;

	packet_parse(frame, 0, &packet);
	return packet;
}

static void check_read(uint8_t family, int tags, enum shim shim)
{
	struct frame frame = make(family, tags, shim, 3);
	struct packet packet = parse(&frame);

	// There is room for sixteen bytes in front of IP, as for four tags.
	assert_int_equal(packet.is_wrapped, tags > 2);
	assert_int_equal(packet.kind, tags > 2 ? PACKET_OTHER : PACKET_TCP);
	if (tags > 2)
		return;
	assert_int_equal(packet.is_labelled, shim == SHIM_LABELS);
	assert_int_equal(packet.from.session, shim == SHIM_LABELS ? 0 : NUMBER);
	assert_int_equal(packet.from.vlan[0], tags > 0 ? 9 : 0);
	assert_int_equal(packet.from.family, family);
	assert_int_equal(packet.type, family == 4 ? 0x0800 : 0x86dd);
	assert_int_equal(packet.tcp.payload_bytes, sizeof(text) - 1);
	assert_memory_equal(packet.payload, text, sizeof(text) - 1);
}

static void ip_behind_them_is_read_as_if_they_were_not_there(void **state)
{
	(void)state;
	for (enum shim shim = SHIM_SESSION; shim < SHIMS; shim++) {
		for (int tags = 0; tags <= 4; tags++) {
			check_read(4, tags, shim);
			check_read(6, tags, shim);
		}
	}
}

// Its bytes changed at random, or cut: what is taken for TCP lies in the frame.
static void any_bytes_are_read_within_the_frame(void **state)
{
	struct random random = {3};

	(void)state;
	for (uint32_t i = 0; i < 60000; i++) {
		struct frame frame =
			make(i % 2 == 0 ? 4 : 6, (int)(i % 3), (enum shim)(1 + i % 3), 0);
		uint32_t bytes = i % 4 == 0 ? frame.bytes : random_below(&random, frame.bytes + 1);
		uint8_t *exact = malloc(bytes + 1);
		struct packet packet;

		assert_non_null(exact);
		for (uint32_t n = random_below(&random, 4); n > 0; n--)
			buffer[12 + random_below(&random, 40)] =
				(uint8_t)random_below(&random, 256);
		memcpy(exact, buffer, bytes);
		frame.data = exact;
		frame.bytes = bytes;
		packet_parse(&frame, i % 3 == 0 ? PACKET_PARTIAL_CHECKSUMS : PACKET_CHECKSUMS_DONE,
			&packet);
		if (packet.kind == PACKET_TCP) {
			assert_true(packet.ip_end <= bytes);
			assert_ptr_equal(
				packet.payload + packet.tcp.payload_bytes, exact + packet.ip_end);
		}
		free(exact);
	}
}

// What is said of a frame of a session with the bytes [at, at + 2) as given.
static struct packet session_with(uint32_t at, uint8_t first, uint8_t second)
{
	struct frame frame = make(4, 0, SHIM_SESSION, 0);

	buffer[at] = first;
	buffer[at + 1] = second;
	return parse(&frame);
}

static void a_session_carries_other_things_too(void **state)
{
	static const struct {
		uint8_t protocol[2];
		bool is_wrapped;
	} cases[] = {
		{{0xc0, 0x21}, false}, // the link's control
		{{0x80, 0x21}, false}, // that of IP
		{{0xc2, 0x23}, false}, // CHAP
		{{0x00, 0xfd}, true},  // compressed
		{{0x00, 0x53}, true},  // encrypted
		{{0x00, 0x2d}, true},  // TCP with its headers compressed
		{{0x02, 0x81}, true},  // MPLS
		{{0x3d, 0x00}, true},  // several links, in one byte
	};
	struct packet packet;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		packet = session_with(20, cases[i].protocol[0], cases[i].protocol[1]);
		assert_int_equal(packet.kind, PACKET_OTHER);
		assert_int_equal(packet.is_wrapped, cases[i].is_wrapped);
	}
	// Another version, another code.
	assert_true(session_with(14, 0x12, 0).is_wrapped);
	assert_true(session_with(14, 0x11, 9).is_wrapped);
}

static void a_session_that_lies_about_its_length_is_dropped(void **state)
{
	const uint32_t right = 2 + 40 + sizeof(text) - 1;

	(void)state;
	for (uint32_t length = 0; length < 200; length++) {
		struct packet packet = session_with(18, (uint8_t)(length >> 8), (uint8_t)length);

		assert_int_equal(packet.kind, length == right ? PACKET_TCP : PACKET_BAD);
	}
	assert_int_equal(session_with(18, 0xff, 0xff).kind, PACKET_BAD);
}

static void what_is_behind_labels_is_ip_only_if_it_is_good_ip(void **state)
{
	(void)state;
	// Of IPv4 the header's checksum or the length count, behind padding the checksum alone.
	for (uint32_t at = 0; at < 20; at++) {
		for (uint32_t padding = 0; padding <= 9; padding += 9) {
			bool is_shape = at == 0 || at == 2 || at == 3;
			struct frame frame = make(4, 0, SHIM_LABELS, padding);
			struct packet packet;

			buffer[22 + at] ^= 0x10;
			packet = parse(&frame);
			assert_int_equal(packet.is_wrapped, is_shape || padding > 0);
			assert_int_equal(packet.kind == PACKET_BAD, !packet.is_wrapped && at != 9);
		}
	}
	// Of IPv6 the version and the length.
	for (uint32_t at = 0; at < 6; at++) {
		struct frame frame = make(6, 0, SHIM_LABELS, 0);

		buffer[22 + at] ^= 0x10;
		assert_int_equal(parse(&frame).is_wrapped, at == 0 || at >= 4);
	}
	// No bottom of the stack; a control word.
	for (uint32_t at = 20; at <= 22; at += 2) {
		struct frame frame = make(4, 0, SHIM_LABELS, 0);

		buffer[at] = 0;
		assert_true(parse(&frame).is_wrapped);
	}
}

static void what_is_cut_off_or_made_has_them_as_well(void **state)
{
	static uint8_t made[FRAMES_MAX_BYTES];
	struct packet_segment segment = {
		.seq = 1, .ack = 2, .window = 3, .flags = TCP_FLAG_ACK, .payload = buffer};

	(void)state;
	for (enum shim shim = SHIM_NONE; shim < SHIMS; shim++) {
		for (uint32_t n = 0; n < sizeof(text); n++) {
			struct frame frame = make(n % 2 == 0 ? 4 : 6, (int)(n % 3), shim, 2);
			struct packet_template template = {0};
			struct packet packet = parse(&frame);
			uint16_t ip_id = 9;
			uint32_t bytes;

			packet_learn(&template, &frame, &packet);
			assert_int_equal(packet_has_shim(&template), shim != SHIM_NONE);
			segment.payload_bytes = n * 50;
			bytes = packet_build_bytes(&template, &segment);
			packet_trim(&frame, &packet, n, 0);
			assert_int_equal(parse(&frame).kind, PACKET_TCP);
			frame.bytes = shim_take_off(buffer, frame.bytes, shim, NUMBER);
			assert_true(frame.bytes > 0);
			// Nothing cut, nothing lost: the padding too.
			if (n > 0)
				assert_true(frames_are_sums_right(buffer, frame.bytes));
			frame = (struct frame){.data = made, .room = bytes};
			packet_build(&frame, &template, &segment, &ip_id);
			assert_int_equal(parse(&frame).kind, PACKET_TCP);
			frame.bytes = shim_take_off(made, frame.bytes, shim, NUMBER);
			assert_true(frames_are_sums_right(made, frame.bytes));
		}
	}
}

static void put_record(FILE *file, const struct frame *frame)
{
	uint32_t header[4] = {0, 0, frame->bytes, frame->bytes};

	assert_int_equal(fwrite(header, sizeof(header), 1, file), 1);
	assert_int_equal(fwrite(frame->data, frame->bytes, 1, file), 1);
}

// Of each frame: that its checksum is right, its bytes of TCP, the session and its length, the labels.
static FILE *open_tshark(const char *path)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	if (fork() == 0) {
		(void)dup2(fds[1], 1);
		(void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 2);
		(void)execlp("tshark", "tshark", "-r", path, "-o", "tcp.check_checksum:TRUE", "-T",
			"fields", "-E", "separator=,", "-e", "tcp.checksum.status", "-e", "tcp.len",
			"-e", "pppoe.session_id", "-e", "pppoe.payload_length", "-e", "mpls.label",
			(char *)NULL);
		_exit(127);
	}
	(void)close(fds[1]);
	return fdopen(fds[0], "r");
}

static void tshark_reads_what_was_made_in_the_same_way(void **state)
{
	static const uint32_t file_header[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 262144, 1};
	static const char *const wants[SHIMS] = {
		"1,10,,,", "1,10,0x1234,52,", "1,10,0x1234,51,", "1,10,,,74561,213282"};
	char path[] = "/tmp/test_packet_link.XXXXXX";
	FILE *file = fdopen(mkstemp(path), "wb");
	char line[256];
	uint32_t frames = 0;

	(void)state;
	assert_non_null(file);
	assert_int_equal(fwrite(file_header, sizeof(file_header), 1, file), 1);
	for (enum shim shim = SHIM_NONE; shim < SHIMS; shim++) {
		struct frame frame = make(4, 0, shim, 0);
		struct packet packet = parse(&frame);

		packet_trim(&frame, &packet, 0, sizeof(text) - 1 - 10);
		put_record(file, &frame);
	}
	assert_int_equal(fclose(file), 0);
	file = open_tshark(path);
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL && frames < SHIMS) {
		line[strcspn(line, "\n")] = '\0';
		assert_string_equal(line, wants[frames]);
		frames++;
	}
	(void)fclose(file);
	(void)wait(NULL);
	(void)unlink(path);
	if (frames == 0) {
		printf("skip: tshark is not installed\n");
		skip();
	}
	assert_int_equal(frames, SHIMS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ip_behind_them_is_read_as_if_they_were_not_there),
		cmocka_unit_test(any_bytes_are_read_within_the_frame),
		cmocka_unit_test(a_session_carries_other_things_too),
		cmocka_unit_test(a_session_that_lies_about_its_length_is_dropped),
		cmocka_unit_test(what_is_behind_labels_is_ip_only_if_it_is_good_ip),
		cmocka_unit_test(what_is_cut_off_or_made_has_them_as_well),
		cmocka_unit_test(tshark_reads_what_was_made_in_the_same_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
