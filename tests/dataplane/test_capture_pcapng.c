// SPDX-License-Identifier: BSD-3-Clause
// capture_pcapng by way of capture_file: both byte orders, mixed interfaces, every kind of packet block,
// times, damage; and files packed with gzip.
#include "dataplane/capture_file.h"
#include "tests/support/unit.h"

#include <zlib.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM 8192

struct file {
	uint8_t data[ROOM];
	uint32_t bytes;
	bool is_big;
};

static char path[] = "/tmp/test_pcapng.XXXXXX";
static char error[CAPTURE_ERROR_BYTES];
static const uint8_t datagram[20] = {0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17};

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

// ---- writing ------------------------------------------------------------------------------------

static void put(struct file *file, const void *data, uint32_t n)
{
	assert_true(file->bytes + n <= ROOM);
	memcpy(file->data + file->bytes, data, n);
	file->bytes += n;
}

static void put32(struct file *file, uint32_t value)
{
	for (uint32_t i = 0; i < 4; i++) {
		uint8_t byte = (uint8_t)(value >> (file->is_big ? 24 - 8 * i : 8 * i));

		put(file, &byte, 1);
	}
}

static void put16(struct file *file, uint16_t value)
{
	for (uint32_t i = 0; i < 2; i++) {
		uint8_t byte = (uint8_t)(value >> (file->is_big ? 8 - 8 * i : 8 * i));

		put(file, &byte, 1);
	}
}

static uint32_t begin(struct file *file, uint32_t type)
{
	uint32_t at = file->bytes;

	put32(file, type);
	put32(file, 0);
	return at;
}

static void end(struct file *file, uint32_t at)
{
	uint32_t bytes;

	while (file->bytes % 4 != 0)
		put(file, "", 1);
	bytes = file->bytes - at + 4;
	put32(file, bytes);
	file->bytes = at + 4;
	put32(file, bytes);
	file->bytes = at + bytes;
}

static void put_section(struct file *file)
{
	uint32_t at = begin(file, 0x0a0d0d0a);

	put32(file, 0x1a2b3c4d);
	put16(file, 1);
	put16(file, 0);
	put32(file, 0xffffffff);
	put32(file, 0xffffffff);
	end(file, at);
}

// resolution 0: no such option.
static void put_interface(struct file *file, uint16_t link, uint32_t snap_bytes, uint8_t resolution,
	uint32_t offset_s)
{
	uint32_t at = begin(file, 1);

	put16(file, link);
	put16(file, 0);
	put32(file, snap_bytes);
	put16(file, 2); // if_name
	put16(file, 3);
	put(file, "eth\0", 4);
	if (resolution != 0) {
		put16(file, 9);
		put16(file, 1);
		put(file, (const uint8_t[4]){resolution}, 4);
	}
	if (offset_s != 0) {
		put16(file, 14);
		put16(file, 8);
		put32(file, file->is_big ? 0 : offset_s);
		put32(file, file->is_big ? offset_s : 0);
	}
	put32(file, 0); // end of options
	end(file, at);
}

static void put_payload(struct file *file, uint32_t prefix)
{
	static const uint8_t ethernet[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};

	put(file, ethernet, prefix);
	put(file, datagram, sizeof(datagram));
}

static void put_enhanced(struct file *file, uint32_t index, uint64_t units, uint32_t prefix)
{
	uint32_t at = begin(file, 6);

	put32(file, index);
	put32(file, (uint32_t)(units >> 32));
	put32(file, (uint32_t)units);
	put32(file, prefix + 20);
	put32(file, prefix + 20);
	put_payload(file, prefix);
	end(file, at);
}

static void put_old(struct file *file, uint16_t index, uint64_t units, uint32_t prefix)
{
	uint32_t at = begin(file, 2);

	put16(file, index);
	put16(file, 0xffff);
	put32(file, (uint32_t)(units >> 32));
	put32(file, (uint32_t)units);
	put32(file, prefix + 20);
	put32(file, prefix + 120);
	put_payload(file, prefix);
	end(file, at);
}

static void put_simple(struct file *file, uint32_t bytes)
{
	uint32_t at = begin(file, 3);

	put32(file, bytes);
	put_payload(file, 14);
	end(file, at);
}

static void save(const struct file *file)
{
	FILE *out = fopen(path, "we");

	assert_non_null(out);
	assert_int_equal(fwrite(file->data, 1, file->bytes, out), file->bytes);
	assert_int_equal(fclose(out), 0);
}

// ---- reading ------------------------------------------------------------------------------------

static void expect_next(
	struct capture_reader *reader, uint64_t time_ns, bool is_made_up, bool is_cut)
{
	struct capture_record record;

	if (capture_next(reader, &record, error) != 1)
		fail_msg("%s", error);
	assert_int_equal(record.time_ns, time_ns);
	assert_int_equal(record.made_up, is_made_up);
	assert_int_equal(record.cut, is_cut);
	assert_int_equal(record.bytes, 34);
	assert_int_equal(record.data[12], 8);
	assert_memory_equal(record.data + 14, datagram, sizeof(datagram));
}

static void every_block_of_mixed_interfaces_is_read(void **state)
{
	(void)state;
	for (int is_big = 0; is_big < 2; is_big++) {
		static struct file file;
		struct capture_reader *reader;
		struct capture_record record;
		uint32_t at;

		file = (struct file){.is_big = is_big != 0};
		put_section(&file);
		put_interface(&file, 1, 96, 0, 0);         // Ethernet, microseconds
		put_interface(&file, 101, 0, 9, 1000);     // raw IP, nanoseconds and an offset
		put_interface(&file, 101, 65535, 0x8a, 0); // in 2^-10 seconds
		put_interface(&file, 187, 65535, 0, 0);    // Bluetooth: skipped
		put_enhanced(&file, 0, 1700000000123456u, 14);
		put_enhanced(&file, 1, 700000000123456789u, 0);
		put_enhanced(&file, 3, 1, 0);
		put_enhanced(&file, 2, 1024u * 5 + 512, 0);
		put_old(&file, 0, 1700000001000000u, 14);
		put_simple(&file, 34);
		at = begin(&file, 0x0bad0bad); // of a kind that nobody knows
		put32(&file, 7);
		end(&file, at);
		// Another section, of the other byte order, with its own interfaces.
		file.is_big = !file.is_big;
		put_section(&file);
		put_interface(&file, 101, 0, 3, 0);
		put_enhanced(&file, 0, 1700000000123u, 0);
		save(&file);
		assert_int_equal(capture_open(path, &reader, error), 0);
		expect_next(reader, 1700000000123456000u, false, false);
		expect_next(reader, 700001000123456789u, true, false);
		expect_next(reader, 5500000000u, true, false);
		expect_next(reader, 1700000001000000000u, false, true);
		expect_next(reader, 0, false, false);
		expect_next(reader, 1700000000123000000u, true, false);
		assert_int_equal(capture_next(reader, &record, error), 0);
		capture_close(reader);
	}
}

static void a_simple_packet_is_as_long_as_its_interface_lets_it(void **state)
{
	static struct file file;
	struct capture_reader *reader;

	(void)state;
	file = (struct file){0};
	put_section(&file);
	put_interface(&file, 1, 34, 0, 0);
	put_simple(&file, 1500);
	save(&file);
	assert_int_equal(capture_open(path, &reader, error), 0);
	expect_next(reader, 0, false, true);
	capture_close(reader);
}

// Whatever is cut off: a whole number of packets, then the end or an error with a text.
static void a_file_cut_anywhere_gives_what_is_left(void **state)
{
	static struct file file;

	(void)state;
	file = (struct file){0};
	put_section(&file);
	put_interface(&file, 101, 0, 9, 1000);
	put_enhanced(&file, 0, 5, 0);
	put_enhanced(&file, 0, 6, 0);
	for (uint32_t bytes = file.bytes; bytes >= 4; bytes--) {
		struct capture_reader *reader;
		struct capture_record record;
		int count = 0;
		int result;

		file.bytes = bytes;
		save(&file);
		error[0] = '\0';
		assert_int_equal(capture_open(path, &reader, error), 0);
		while ((result = capture_next(reader, &record, error)) == 1)
			count++;
		assert_true(result == 0 || (result == -EBADMSG && error[0] != '\0'));
		assert_true(count <= 2);
		capture_close(reader);
	}
}

static void damage_is_named(void **state)
{
	static const struct {
		const char *text;
		uint32_t at; // offset of a byte
		uint8_t value;
	} cases[] = {
		{"byte order", 8, 0x99},
		{"unknown version", 12, 9},
		{"impossible length", 28 + 4, 3},
		{"impossible length", 28 + 7, 0xff},
		{"two lengths differ", 28 + 36, 0},
		{"not described", 28 + 40 + 8, 5},
		{"longer than its block", 28 + 40 + 20, 200},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		static struct file file;
		struct capture_reader *reader;
		struct capture_record record;

		file = (struct file){0};
		put_section(&file);
		put_interface(&file, 101, 0, 9, 0);
		assert_int_equal(file.bytes, 28 + 40);
		put_enhanced(&file, 0, 5, 0);
		file.data[cases[i].at] = cases[i].value;
		save(&file);
		error[0] = '\0';
		assert_int_equal(capture_open(path, &reader, error), 0);
		assert_int_equal(capture_next(reader, &record, error), -EBADMSG);
		if (strstr(error, cases[i].text) == NULL)
			fail_msg("%s: %s", cases[i].text, error);
		capture_close(reader);
	}
}

static void only_unknown_links_are_an_error(void **state)
{
	static struct file file;
	struct capture_reader *reader;
	struct capture_record record;

	(void)state;
	file = (struct file){0};
	put_section(&file);
	put_interface(&file, 187, 0, 9, 0);
	put_enhanced(&file, 0, 5, 0);
	save(&file);
	assert_int_equal(capture_open(path, &reader, error), 0);
	assert_int_equal(capture_next(reader, &record, error), -EBADMSG);
	assert_non_null(strstr(error, "BLUETOOTH_HCI_H4"));
	capture_close(reader);
}

// ---- gzip ---------------------------------------------------------------------------------------

static void packed_files_are_read(void **state)
{
	(void)state;
	for (int is_pcapng = 0; is_pcapng < 2; is_pcapng++) {
		static struct file file;
		struct capture_reader *reader;
		struct capture_record record;
		gzFile out = gzopen(path, "wbe");

		file = (struct file){0};
		if (is_pcapng) {
			put_section(&file);
			put_interface(&file, 101, 0, 0, 0);
			put_enhanced(&file, 0, 1700000000123456u, 0);
		} else {
			put32(&file, 0xa1b2c3d4);
			put32(&file, 0x00040002);
			put(&file, (const uint8_t[8]){0}, 8);
			put32(&file, 65535);
			put32(&file, 101);
			put32(&file, 1700000000);
			put32(&file, 123456);
			put32(&file, 20);
			put32(&file, 20);
			put(&file, datagram, sizeof(datagram));
		}
		assert_non_null(out);
		assert_int_equal(gzwrite(out, file.data, file.bytes), file.bytes);
		assert_int_equal(gzclose_w(out), 0);
		assert_int_equal(capture_open(path, &reader, error), 0);
		expect_next(reader, 1700000000123456000u, true, false);
		assert_int_equal(capture_next(reader, &record, error), 0);
		capture_close(reader);
	}
}

static void packed_files_that_end_early_are_named(void **state)
{
	static struct file file;
	struct capture_reader *reader;
	struct capture_record record;
	gzFile out = gzopen(path, "wb0e"); // stored, so that the beginning can be read
	FILE *written;
	long bytes;

	(void)state;
	file = (struct file){0};
	put_section(&file);
	put_interface(&file, 101, 0, 0, 0);
	put_enhanced(&file, 0, 1700000000123456u, 0);
	put_enhanced(&file, 0, 1700000000123456u, 0);
	assert_non_null(out);
	assert_int_equal(gzwrite(out, file.data, file.bytes), file.bytes);
	assert_int_equal(gzclose_w(out), 0);
	written = fopen(path, "re");
	assert_non_null(written);
	assert_int_equal(fseek(written, 0, SEEK_END), 0);
	bytes = ftell(written);
	assert_int_equal(fclose(written), 0);
	assert_int_equal(truncate(path, bytes - 20), 0);
	assert_int_equal(capture_open(path, &reader, error), 0);
	expect_next(reader, 1700000000123456000u, true, false);
	assert_int_equal(capture_next(reader, &record, error), -EBADMSG);
	assert_non_null(strstr(error, "gzip"));
	capture_close(reader);
	assert_int_equal(truncate(path, 30), 0);
	error[0] = '\0';
	if (capture_open(path, &reader, error) == 0) {
		assert_int_equal(capture_next(reader, &record, error), -EBADMSG);
		capture_close(reader);
	}
	assert_int_not_equal(error[0], '\0');
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_block_of_mixed_interfaces_is_read),
		TEST(a_simple_packet_is_as_long_as_its_interface_lets_it),
		TEST(a_file_cut_anywhere_gives_what_is_left),
		TEST(damage_is_named),
		TEST(only_unknown_links_are_an_error),
		TEST(packed_files_are_read),
		TEST(packed_files_that_end_early_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
