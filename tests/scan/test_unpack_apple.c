// SPDX-License-Identifier: BSD-3-Clause
// The forks of AppleSingle and MacBinary come out as they were; the files are made here.
#include "scan/filetype.h"
#include "scan/unpack_apple.h"
#include "tests/support/random.h"
#include "tests/support/unpacked.h"

#include <stdio.h>

static struct unpacked found;

static void put_be32(uint8_t *at, size_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void fill(uint8_t *at, size_t n, struct random *random)
{
	for (size_t i = 0; i < n; i++)
		at[i] = (uint8_t)random_below(random, 256);
}

static void check_forks(const char *type, const uint8_t *file, size_t n,
	const uint8_t *const forks[2], const size_t bytes[2])
{
	uint32_t members = 0;
	size_t at = 0;

	assert_string_equal(filetype_detect(file, n < 1024 ? n : 1024)->name, type);
	unpack_all(type, file, n, &found);
	assert_string_equal(found.why, "");
	for (int i = 0; i < 2; i++) {
		if (bytes[i] == 0)
			continue;
		members++;
		assert_memory_equal(found.data + at, forks[i], bytes[i]);
		at += bytes[i];
		assert_int_equal(found.ends[members - 1], at);
	}
	assert_int_equal(found.members, members);
	assert_int_equal(found.bytes, at);
}

static void forks_of_applesingle_are_members(void **state)
{
	static const uint8_t mark[] = {0, 5, 0x16, 0, 0, 2, 0, 0};
	static uint8_t file[20000];
	struct random random = {31};

	(void)state;
	for (unsigned int round = 0; round < 200; round++) {
		const size_t bytes[2] = {
			1 + random_below(&random, 9000), 1 + random_below(&random, 300)};
		const size_t at[2] = {50 + random_below(&random, 100), 10000};
		const uint8_t *const forks[2] = {file + at[0], file + at[1]};

		fill(file, sizeof(file), &random);
		memcpy(file, mark, sizeof(mark));
		file[24] = 0;
		file[25] = 2;
		for (size_t i = 0; i < 2; i++) {
			put_be32(file + 26 + 12 * i, i + 1);
			put_be32(file + 30 + 12 * i, at[i]);
			put_be32(file + 34 + 12 * i, bytes[i]);
		}
		check_forks("applesingle", file, at[1] + bytes[1], forks, bytes);
		// Cut anywhere, what is there comes out.
		unpack_all("applesingle", file, random_below(&random, 10000), &found);
		assert_true(found.bytes <= bytes[0] + bytes[1]);
	}
}

// CRC-16 as the standard has it, a bit at a time from the other end.
static uint16_t sum_of(const uint8_t *data, size_t n)
{
	uint16_t sum = 0;

	for (size_t i = 0; i < 8 * n; i++) {
		const bool bit = (data[i / 8] >> (7 - i % 8) & 1) != 0;
		const bool top = (sum & 0x8000) != 0;

		sum = (uint16_t)(sum << 1);
		if (bit != top)
			sum ^= 0x1021;
	}
	return sum;
}

static void forks_of_macbinary_are_members(void **state)
{
	static uint8_t file[20000];
	struct random random = {32};

	(void)state;
	for (unsigned int round = 0; round < 200; round++) {
		const size_t second = random_below(&random, 3) == 0 ? 200 : 0;
		const size_t bytes[2] = {
			random_below(&random, 5000), (size_t)random_below(&random, 5) * 77};
		const size_t start = 128 + (second > 0 ? 256 : 0);
		const size_t next = start + (bytes[0] + 127) / 128 * 128;
		const uint8_t *const forks[2] = {file + start, file + next};
		uint16_t sum;

		fill(file, sizeof(file), &random);
		memcpy(file, "\0\5a.exe", 7);
		file[74] = file[82] = 0;
		put_be32(file + 83, bytes[0]);
		put_be32(file + 87, bytes[1]);
		file[120] = 0;
		file[121] = (uint8_t)second;
		file[122] = round % 2 == 0 ? 129 : 130;
		sum = sum_of(file, 124);
		file[124] = (uint8_t)(sum >> 8);
		file[125] = (uint8_t)sum;
		check_forks("macbinary", file, next + bytes[1], forks, bytes);
		assert_false(apple_is_macbinary(file, 127));
		file[random_below(&random, 126)] ^= 1;
		assert_false(apple_is_macbinary(file, 128));
	}
}

static void more_entries_than_there_can_be_are_told(void **state)
{
	static uint8_t file[26 + 100 * 12] = "\0\5\x16\0\0\2\0\0";

	(void)state;
	file[25] = 64;
	unpack_all("applesingle", file, sizeof(file), &found);
	assert_string_equal(found.why, "");
	file[25] = 65;
	unpack_all("applesingle", file, sizeof(file), &found);
	assert_string_equal(found.why, "limit-members");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forks_of_applesingle_are_members),
		cmocka_unit_test(forks_of_macbinary_are_members),
		cmocka_unit_test(more_entries_than_there_can_be_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
