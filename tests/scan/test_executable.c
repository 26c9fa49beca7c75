// SPDX-License-Identifier: BSD-3-Clause
// Places in executable files of which the headers, or what they lead to, come late: files are written here
// field by field, and matched in any chunks.
#include "scan/executable.h"
#include "tests/scan/ruleset_case.h"

#define FILE_BYTES ((size_t)60000)
#define MARK "\x11\x22\x33\x44\x55\x66"
#define MARK_BYTES 6

static uint8_t image[FILE_BYTES];

static void put(size_t at, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		image[at + i] = (uint8_t)(value >> 8 * i);
}

static void put_text(size_t at, const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		image[at + i] = (uint8_t)text[i];
}

static void put_wide(size_t at, const char *text)
{
	for (; *text != '\0'; text++, at += 2)
		put(at, (uint8_t)*text, 2);
}

// Bytes that are nowhere twice near each other, and none of a mark.
static void fill(void)
{
	for (size_t i = 0; i < FILE_BYTES; i++)
		image[i] = (uint8_t)(0x80 | (i * 7 + i / 251));
}

// Two sections, the second at 30000; section headers at the end.
static void make_elf(void)
{
	const size_t headers = FILE_BYTES - 128;

	fill();
	put_text(0, "\x7f\x45LF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0", 18);
	put(24, 0x400000 + 20000, 8); // entry
	put(32, 64, 8);               // program headers
	put(40, headers, 8);
	put(54, 56, 2);
	put(56, 1, 2);
	put(58, 64, 2);
	put(60, 2, 2);
	put(64 + 8, 0, 8); // offset, address and size of the segment
	put(64 + 16, 0x400000, 8);
	put(64 + 40, FILE_BYTES, 8);
	for (size_t i = 0; i < 2; i++) {
		put(headers + 64 * i + 16, 0, 8);
		put(headers + 64 * i + 24, 10000 + 20000 * i, 8);
		put(headers + 64 * i + 32, 1000, 8);
	}
}

static void make_macho(void)
{
	fill();
	put(0, 0xfeedfacf, 4);
	put(4, 0x1000007, 4);
	put(16, 1, 4);
	put(32, 0x19, 4);
	put(36, 72 + 160, 4);
	put(32 + 64, 2, 4);
	for (size_t i = 0; i < 2; i++) {
		put(104 + 80 * i + 40, 1000, 8);
		put(104 + 80 * i + 48, 10000 + 20000 * i, 4);
		put(104 + 80 * i + 52, 4, 4);
	}
}

// A PE file of two sections whose headers stand at the end.
static void make_pe(size_t headers)
{
	fill();
	put_text(0, "MZ", 2);
	put(60, headers, 4);
	memset(image + headers, 0, 24 + 0xe0 + 80);
	put_text(headers, "PE\0\0", 4);
	put(headers + 6, 2, 2);
	put(headers + 20, 0xe0, 2);
	put(headers + 24, 0x10b, 2);
	put(headers + 24 + 16, 0x1000 + 10000, 4); // entry
	put(headers + 24 + 32, 0x1000, 4);
	put(headers + 24 + 36, 0x10, 4);
	put(headers + 24 + 92, 16, 4);
	for (size_t i = 0; i < 2; i++) {
		put(headers + 24 + 0xe0 + 40 * i + 12, i == 0 ? 0x1000 : 0x8000, 4);
		put(headers + 24 + 0xe0 + 40 * i + 16, i == 0 ? 20000 : 4096, 4);
		put(headers + 24 + 0xe0 + 40 * i + 20, i == 0 ? 10000 : 30000, 4);
	}
}

// One string of version information in the second section: its key is at 30000 + 88 + 92 + 36 + 24 + 6.
#define VERSION_AT (30000u + 88)
#define KEY_AT (VERSION_AT + 92 + 36 + 24 + 6)

static void make_version(size_t headers)
{
	const uint32_t string_bytes = 6 + 8 + 2 + 12;

	make_pe(headers);
	put(headers + 24 + 112, 0x8000, 4);
	put(headers + 24 + 116, 1000, 4);
	memset(image + 30000, 0, 400);
	for (size_t i = 0; i < 3; i++)
		put(30000 + 24 * i + 14, 1, 2);
	put(30000 + 16, 16, 4);
	put(30000 + 20, 0x80000000u | 24, 4);
	put(30000 + 24 + 16, 1, 4);
	put(30000 + 24 + 20, 0x80000000u | 48, 4);
	put(30000 + 48 + 20, 72, 4);
	put(30000 + 72, 0x8000 + 88, 4);
	put(30000 + 76, 300, 4);
	put(VERSION_AT, 92 + 36 + 24 + string_bytes, 2);
	put(VERSION_AT + 2, 52, 2);
	put_wide(VERSION_AT + 6, "VS_VERSION_INFO");
	put(VERSION_AT + 40, 0xfeef04bd, 4);
	put(VERSION_AT + 92, 36 + 24 + string_bytes, 2);
	put_wide(VERSION_AT + 98, "StringFileInfo");
	put(VERSION_AT + 128, 24 + string_bytes, 2);
	put(VERSION_AT + 152, string_bytes, 2);
	put_wide(KEY_AT, "Key");
	put_wide(KEY_AT + 10, "value");
}

static size_t count_hits_in(const char *name, const char *lines, const uint8_t *data, size_t n)
{
	struct case_image built = case_build_one(name, lines);
	size_t count = SIZE_MAX;
	struct ruleset *rules;
	struct matcher *matcher;

	assert_int_equal(built.stats.errors, 0);
	assert_int_equal(built.stats.skipped, 0);
	assert_int_equal(ruleset_attach(built.image, built.bytes, &rules), 0);
	assert_int_equal(matcher_new(rules, 1, 0, true, &matcher), 0);
	for (size_t chunk = 1; chunk < 2 * FILE_BYTES; chunk = chunk * 13 + 1) {
		size_t found = case_match(matcher, MATCH_TARGET_ANY, data, n, 0, chunk).count;

		assert_false(matcher_was_partial(matcher));
		assert_true(count == SIZE_MAX || count == found);
		count = found;
	}
	matcher_free(matcher);
	ruleset_close(rules);
	free(built.image);
	return count;
}

static size_t count_hits(const char *name, const char *lines, size_t n)
{
	return count_hits_in(name, lines, image, n);
}

// The mark stands at an offset in the file: these lines are met, those are not.
static void expect(size_t at, uint32_t target, const char *met, const char *missed)
{
	const char *offsets[] = {met, missed};
	uint8_t before[MARK_BYTES];
	char line[200];

	memcpy(before, image + at, MARK_BYTES);
	put_text(at, MARK, MARK_BYTES);
	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(line, sizeof(line), "A:%u:%s:112233445566\n", target, offsets[i]);
		assert_int_equal(count_hits("t.ndb", line, FILE_BYTES), i == 0);
		(void)snprintf(
			line, sizeof(line), "A:%u:%s:1122{-2}33445566\n", target, offsets[i]);
		assert_int_equal(count_hits("t.ndb", line, FILE_BYTES), i == 0);
		(void)snprintf(
			line, sizeof(line), "A;Target:%u;0;%s:1122??445566\n", target, offsets[i]);
		assert_int_equal(count_hits("t.ldb", line, FILE_BYTES), i == 0);
	}
	memcpy(image + at, before, MARK_BYTES);
}

static void sections_of_an_elf_file_are_found_though_they_are_told_of_at_its_end(void **state)
{
	(void)state;
	make_elf();
	expect(30100, 6, "S1+100", "S1+99");
	expect(30100, 6, "S1+90,10", "S1+90,9");
	expect(10003, 6, "S0+3", "S1+3");
	expect(30007, 6, "SL+7", "S2+7");
	expect(30900, 6, "SE1", "SE0");
	expect(20005, 6, "EP+5", "EP+4");
	expect(19995, 6, "EP-5", "EP+0,100");
}

static void a_broken_table_of_sections_leaves_the_entry_point(void **state)
{
	(void)state;
	make_elf();
	put(40, FILE_BYTES - 3, 8);
	expect(20005, 6, "EP+5", "S1+0,60000");
}

static void sections_of_a_macho_file_are_found(void **state)
{
	(void)state;
	make_macho();
	expect(30100, 9, "S1+100", "S0+100");
	expect(30100, 9, "SL+100", "S2+100");
	expect(5000, 9, "EP+5000", "EP+4999");
}

static void the_headers_of_a_pe_file_may_come_last(void **state)
{
	(void)state;
	make_pe(FILE_BYTES - 400);
	expect(30100, 1, "S1+100", "S1+99");
	expect(20007, 1, "EP+7", "EP+6");
	make_pe(9000);
	expect(30100, 1, "SL+100", "S0+100");
}

static void attributes_see_what_comes_late(void **state)
{
	static const char two[] = "A;Target:6,NumberOfSections:2-2;0;0:7f454c46\n";
	static const char three[] = "A;Target:6,NumberOfSections:3-9;0;0:7f454c46\n";
	static const char entry[] = "A;Target:6,EntryPoint:20000-20000;0;0:7f454c46\n";
	static const char other[] = "A;Target:6,EntryPoint:20001-30000;0;0:7f454c46\n";

	(void)state;
	make_elf();
	assert_int_equal(count_hits("t.ldb", two, FILE_BYTES), 1);
	assert_int_equal(count_hits("t.ldb", three, FILE_BYTES), 0);
	assert_int_equal(count_hits("t.ldb", entry, FILE_BYTES), 1);
	assert_int_equal(count_hits("t.ldb", other, FILE_BYTES), 0);
}

static void a_string_of_version_information_is_found_there_alone(void **state)
{
	static const char key[] = "A:1:VI:4b0065007900\n";
	static const char pair[] = "A:1:VI:4b00650079000000*760061006c00\n";
	static const char value[] = "A:1:VI:760061006c0075006500\n";
	static const size_t headers[] = {64, 9000, FILE_BYTES - 400};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		make_version(headers[i]);
		assert_int_equal(count_hits("t.ndb", key, FILE_BYTES), 1);
		assert_int_equal(count_hits("t.ndb", pair, FILE_BYTES), 1);
		assert_int_equal(count_hits("t.ndb", value, FILE_BYTES), 0);
		put(KEY_AT, 'k', 1);
		put_wide(5000, "Key");
		put_wide(5010, "value");
		assert_int_equal(count_hits("t.ndb", key, FILE_BYTES), 0);
		assert_int_equal(count_hits("t.ndb", pair, FILE_BYTES), 0);
	}
}

static void a_program_is_found_inside_of_another_file(void **state)
{
	static const char lines[] = "A:1:S1+100:112233445566\nB:1:EP+7:223344556611\n"
				    "C:1:0:4d5a00000000\nD:1:*:778899aabbcc\nE:6:*:112233445566\n"
				    "F:1:EOF-59993:223344556611\n";
	static const char none[] = "A:1:S1+99:112233445566\nB:1:EP+6:223344556611\n";
	static const size_t places[] = {20, 1000, 16384 - 66, 16384 - 65, 16384, 40000};
	static const uint8_t other[] = {0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc};
	static uint8_t data[FILE_BYTES + 50000];

	(void)state;
	make_pe(128);
	memset(image + 2, 0, 58);
	put_text(30100, MARK, MARK_BYTES);
	put_text(20007, "\x22\x33\x44\x55\x66\x11", MARK_BYTES);
	put_text(7, "\x22\x33\x44\x55\x66\x11", MARK_BYTES);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		memset(data, 1, places[i]);
		memcpy(data + 3, other, sizeof(other));
		memcpy(data + places[i], image, FILE_BYTES);
		assert_int_equal(count_hits_in("t.ndb", lines, data, places[i] + FILE_BYTES), 4);
		assert_int_equal(count_hits_in("t.ndb", none, data, places[i] + FILE_BYTES), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			sections_of_an_elf_file_are_found_though_they_are_told_of_at_its_end),
		cmocka_unit_test(a_broken_table_of_sections_leaves_the_entry_point),
		cmocka_unit_test(sections_of_a_macho_file_are_found),
		cmocka_unit_test(the_headers_of_a_pe_file_may_come_last),
		cmocka_unit_test(attributes_see_what_comes_late),
		cmocka_unit_test(a_program_is_found_inside_of_another_file),
		cmocka_unit_test(a_string_of_version_information_is_found_there_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
