// SPDX-License-Identifier: BSD-3-Clause
// Files embedded in a section of OneNote come out whole, wherever they stand in it.
#include "scan/unpack_onenote.h"
#include "tests/support/random.h"
#include "tests/support/unpacked.h"

#define MOST 60000

static const uint8_t file_guid[16] = {0xe4, 0x52, 0x5c, 0x7b, 0x8c, 0xd8, 0xa7, 0x4d, 0xae, 0xb1,
	0x53, 0x78, 0xd0, 0x29, 0x96, 0xd3};
static const uint8_t object_guid[16] = {0xe7, 0x16, 0xe3, 0xbd, 0x65, 0x26, 0x11, 0x45, 0xa4, 0xc4,
	0x8d, 0x4d, 0x0b, 0x7a, 0x9e, 0xac};
static const uint8_t packaging_guid[16] = {0x2f, 0xe9, 0x8d, 0x63, 0xd4, 0xa6, 0xc1, 0x4b, 0x9a,
	0x36, 0xb3, 0xfc, 0x25, 0x11, 0xa5, 0xb7};

static uint8_t section[MOST];
static size_t section_bytes;
static struct unpacked found;

static void add(const void *data, size_t n)
{
	assert_true(section_bytes + n <= sizeof(section));
	memcpy(section + section_bytes, data, n);
	section_bytes += n;
}

static void add_random(struct random *random, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t byte = (uint8_t)random_below(random, 256);

		add(&byte, 1);
	}
}

static void add_object(const void *data, uint64_t bytes, size_t there)
{
	static const uint8_t nothing[12] = {0};

	add(object_guid, sizeof(object_guid));
	add(&bytes, sizeof(bytes)); // on machines of this order alone
	add(nothing, sizeof(nothing));
	add(data, there);
}

static void files_come_out_wherever_they_stand(void **state)
{
	struct random random = {5};

	(void)state;
	for (unsigned int round = 0; round < 200; round++) {
		uint8_t files[8][3000];
		size_t bytes[8];
		uint32_t count = random_below(&random, 8);
		size_t at = 0;

		section_bytes = 0;
		add(file_guid, sizeof(file_guid));
		for (uint32_t i = 0; i < count; i++) {
			bytes[i] = random_below(&random, 3000);
			for (size_t k = 0; k < bytes[i]; k++)
				files[i][k] = (uint8_t)random_below(&random, 256);
			add_random(&random, random_below(&random, 2100));
			add(object_guid, random_below(&random, 15)); // the start of one
			add_object(files[i], bytes[i], bytes[i]);
		}
		add_random(&random, random_below(&random, 50));
		unpack_all("onenote", section, section_bytes, &found);
		assert_string_equal(found.why, "");
		assert_int_equal(found.members, count);
		for (uint32_t i = 0; i < count; i++) {
			assert_int_equal(found.ends[i] - at, bytes[i]);
			assert_memory_equal(found.data + at, files[i], bytes[i]);
			at = found.ends[i];
		}
	}
}

static void a_file_that_is_cut_comes_out_as_far_as_it_is_there(void **state)
{
	(void)state;
	section_bytes = 0;
	add(file_guid, sizeof(file_guid));
	add_object("all of it?", UINT64_MAX, 10);
	unpack_all("onenote", section, section_bytes, &found);
	assert_int_equal(found.members, 1);
	assert_int_equal(found.bytes, 10);
	// Of its header not all is there.
	unpack_all("onenote", section, 16 + 35, &found);
	assert_int_equal(found.members, 0);
}

static void another_packaging_is_told(void **state)
{
	static const uint8_t nothing[32] = {0};

	(void)state;
	section_bytes = 0;
	add(file_guid, sizeof(file_guid));
	add(nothing, sizeof(nothing));
	add(packaging_guid, sizeof(packaging_guid));
	unpack_all("onenote", section, section_bytes, &found);
	assert_string_equal(found.why, "unsupported-method");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_come_out_wherever_they_stand),
		cmocka_unit_test(a_file_that_is_cut_comes_out_as_far_as_it_is_there),
		cmocka_unit_test(another_packaging_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
