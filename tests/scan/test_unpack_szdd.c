// SPDX-License-Identifier: BSD-3-Clause
// What COMPRESS.EXE packed comes out as it was: random texts, packed here, and ClamAV's test file where it is.
#include "scan/unpack_szdd.h"
#include "tests/support/random.h"
#include "tests/support/unpacked.h"

#include <stdio.h>

#define MOST 20000
#define WINDOW 4096

static uint8_t text[MOST];
static uint8_t packed[2 * MOST];
static struct unpacked found;

// The longest of a few earlier places that goes on as the text does.
static size_t copied(struct random *random, size_t at, size_t n, size_t *from)
{
	size_t best = 0;

	for (unsigned int tries = 0; at > 0 && tries < 20; tries++) {
		size_t back =
			1 + random_below(random, (uint32_t)(at < WINDOW - 18 ? at : WINDOW - 18));
		size_t length = 0;

		while (length < 18 && at + length < n &&
			text[at + length] == text[at - back + length])
			length++;
		if (length > best) {
			best = length;
			*from = at - back;
		}
	}
	return best;
}

static size_t pack(struct random *random, size_t n, uint32_t first_place)
{
	size_t out = 0;
	size_t at = 0;

	while (at < n) {
		size_t flags = out++;

		packed[flags] = 0;
		for (unsigned int bit = 0; bit < 8 && at < n; bit++) {
			size_t from = 0;
			size_t length = copied(random, at, n, &from);
			size_t place = (first_place + from) % WINDOW;

			if (length < 3) {
				packed[flags] |= (uint8_t)(1u << bit);
				packed[out++] = text[at++];
				continue;
			}
			packed[out++] = (uint8_t)place;
			packed[out++] = (uint8_t)((place >> 8) << 4 | (length - 3));
			at += length;
		}
	}
	return out;
}

static void random_texts_come_out_as_they_were(void **state)
{
	static const struct {
		const char *head;
		size_t bytes;
		uint32_t place;
	} forms[] = {
		{"SZDD\x88\xf0\x27\x33"
		 "A\0\1\0\0\0",
			14, WINDOW - 16},
		{"SZ \x88\xf0\x27\x33\xd1\1\0\0\0", 12, WINDOW - 18},
	};
	static uint8_t file[2 * MOST + 14];
	struct random random = {8};

	(void)state;
	for (unsigned int round = 0; round < 60; round++) {
		size_t n = random_below(&random, round < 30 ? 40 : MOST);
		size_t form = round % 2;
		size_t bytes;

		for (size_t i = 0; i < n; i++)
			text[i] = (uint8_t)("ab\0"[random_below(&random, 3)]);
		bytes = pack(&random, n, forms[form].place);
		memcpy(file, forms[form].head, forms[form].bytes);
		memcpy(file + forms[form].bytes, packed, bytes);
		unpack_all("szdd", file, forms[form].bytes + bytes, &found);
		assert_string_equal(found.why, "");
		assert_int_equal(found.members, 1);
		assert_int_equal(found.bytes, n);
		assert_memory_equal(found.data, text, n);
		// Cut anywhere it ends, and what came out until then is right.
		unpack_all("szdd", file,
			random_below(&random, (uint32_t)(forms[form].bytes + bytes)), &found);
		assert_true(found.bytes <= n);
		assert_memory_equal(found.data, text, found.bytes);
	}
}

static void a_file_of_the_time_comes_out(void **state)
{
	static const char folder[] = "/usr/share/clamav-testfiles/";
	static uint8_t files[2][4096];
	size_t bytes[2];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char path[128];
		FILE *file;

		(void)snprintf(path, sizeof(path), "%sclam.exe%s", folder, i == 0 ? "" : ".szdd");
		file = fopen(path, "rbe");
		if (file == NULL)
			skip();
		bytes[i] = fread(files[i], 1, sizeof(files[i]), file);
		assert_int_equal(fclose(file), 0);
	}
	unpack_all("szdd", files[1], bytes[1], &found);
	assert_int_equal(found.bytes, bytes[0]);
	assert_memory_equal(found.data, files[0], bytes[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_texts_come_out_as_they_were),
		cmocka_unit_test(a_file_of_the_time_comes_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
