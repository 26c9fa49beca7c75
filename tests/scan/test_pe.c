// SPDX-License-Identifier: BSD-3-Clause
// Import tables of PE files, in a file that is written here field by field.
#include "scan/pe_import.h"
#include "tests/scan/ruleset_case.h"

#include <openssl/evp.h>

#define PE_AT 64
#define SECTION_AT 0x200
#define SECTION_ADDRESS 0x1000
#define FILE_BYTES 0x600
#define MD5 1u

static uint8_t image[FILE_BYTES];

static void put32(size_t at, uint32_t value)
{
	for (size_t i = 0; i < 4; i++)
		image[at + i] = (uint8_t)(value >> 8 * i);
}

static void put_text(size_t at, const char *text)
{
	for (size_t i = 0; i <= strlen(text); i++)
		image[at + i] = (uint8_t)text[i];
}

// One section with one library, and these functions by name; the numbers after them by number.
static void make_file(const char *library, const char *const *names, const uint32_t *numbers)
{
	size_t thunk = SECTION_AT + 0x40;
	size_t name = SECTION_AT + 0x200;

	memset(image, 0, sizeof(image));
	put_text(0, "MZ");
	put32(60, PE_AT);
	put_text(PE_AT, "PE");
	image[PE_AT + 6] = 1;     // sections
	image[PE_AT + 20] = 0xe0; // bytes of the optional header
	put32(PE_AT + 24, 0x10b); // PE32
	put32(PE_AT + 24 + 16, SECTION_ADDRESS);
	put32(PE_AT + 24 + 32, 0x1000);
	put32(PE_AT + 24 + 36, 0x200);
	put32(PE_AT + 24 + 60, 0x200);
	put32(PE_AT + 24 + 92, 16);
	put32(PE_AT + 24 + 104, SECTION_ADDRESS);
	put32(PE_AT + 24 + 108, 40);
	put32(PE_AT + 24 + 0xe0 + 12, SECTION_ADDRESS);
	put32(PE_AT + 24 + 0xe0 + 16, FILE_BYTES - SECTION_AT);
	put32(PE_AT + 24 + 0xe0 + 20, SECTION_AT);
	put32(SECTION_AT, SECTION_ADDRESS + 0x40);
	put32(SECTION_AT + 12, SECTION_ADDRESS + 0x180);
	put_text(SECTION_AT + 0x180, library);
	for (; *names != NULL; names++, thunk += 4) {
		put32(thunk, (uint32_t)(SECTION_ADDRESS + name - SECTION_AT));
		put_text(name + 2, *names);
		name += strlen(*names) + 3;
	}
	for (; *numbers != 0; numbers++, thunk += 4)
		put32(thunk, *numbers | 0x80000000u);
}

static struct pe_imports read_imports(size_t at_hand)
{
	struct executable_source source = {
		.data = image, .n = sizeof(image), .bytes = sizeof(image)};
	struct pe_imports imports = {0};
	static struct executable pe;

	assert_int_equal(executable_parse(FILETYPE_TARGET_PE, &source, &pe), EXECUTABLE_TAKEN);
	source.n = at_hand;
	pe_imports_read(&pe, &source, MD5, &imports);
	return imports;
}

static void expect_text(const char *text)
{
	struct pe_imports imports = read_imports(sizeof(image));
	uint8_t wanted[EVP_MAX_MD_SIZE] = {0};
	uint8_t digest[DIGEST_MAX_BYTES];

	assert_true(imports.is_there);
	assert_int_equal(imports.bytes, strlen(text));
	assert_int_equal(EVP_Digest(text, strlen(text), wanted, NULL, EVP_md5(), NULL), 1);
	assert_true(digest_end(&imports.digest, DIGEST_INDEX_MD5, digest));
	assert_memory_equal(digest, wanted, 16);
}

static const uint32_t no_numbers[] = {0};
static const char *const no_names[] = {NULL};

static void the_text_of_an_import_table_is_hashed(void **state)
{
	const char *const names[] = {"CreateFileA", "_exit", NULL};
	const char *const strange[] = {"??0Type@@QAE@XZ", NULL};
	const uint32_t numbers[] = {1, 115, 999, 0};
	const uint32_t strings[] = {2, 0};

	(void)state;
	make_file("KERNEL32.dll", names, no_numbers);
	expect_text("kernel32.createfilea,kernel32._exit");
	make_file("Two.Dots.dll", names, no_numbers);
	expect_text("two.dots.dll.createfilea,two.dots.dll._exit");
	make_file("driver.SYS", names, numbers);
	expect_text("driver.createfilea,driver._exit,driver.ord1,driver.ord115,driver.ord999");
	make_file("WS2_32.DLL", no_names, numbers);
	expect_text("ws2_32.accept,ws2_32.wsastartup,ws2_32.ord999");
	make_file("OLEAUT32.dll", no_names, strings);
	expect_text("oleaut32.sysallocstring");
	make_file("msvcrt.dll", strange, no_numbers);
	expect_text("msvcrt.??0type@@qae@xz");
}

static void a_table_that_makes_no_sense_has_no_hash(void **state)
{
	const char *const names[] = {"CreateFileA", NULL};
	const char *const bad[] = {"Create File", NULL};

	(void)state;
	make_file("KERNEL32.dll", bad, no_numbers);
	assert_false(read_imports(sizeof(image)).is_there);
	make_file("KERNEL32.dll", names, no_numbers);
	put32(SECTION_AT + 12, 0x99999);
	assert_false(read_imports(sizeof(image)).is_there);
	make_file("KERNEL32.dll", names, no_numbers);
	put32(SECTION_AT, 0x99999);
	put32(SECTION_AT + 16, 0x99999);
	assert_false(read_imports(sizeof(image)).is_there);
	make_file("KERNEL32.dll", names, no_numbers);
	put32(PE_AT + 24 + 104, 0);
	assert_false(read_imports(sizeof(image)).is_there);
	make_file("KERNEL32.dll", names, no_numbers);
	put32(PE_AT + 24 + 108, 0xffffff);
	assert_false(read_imports(sizeof(image)).is_there);
}

static void bytes_that_are_not_at_hand_are_told(void **state)
{
	const char *const names[] = {"CreateFileA", NULL};

	(void)state;
	make_file("KERNEL32.dll", names, no_numbers);
	for (size_t n = 0; n < sizeof(image); n++) {
		struct pe_imports imports = read_imports(n);

		assert_true(imports.is_there != imports.is_cut);
		assert_int_equal(imports.is_there, n > SECTION_AT + 0x200 + 2 + 11);
	}
}

static void lines_of_import_hashes_need_no_level(void **state)
{
	static const char lines[] = "ddeba1ab394d6c43225d83208b2d8ee3:*:A\n"
				    "ddeba1ab394d6c43225d83208b2d8ee3:7:B\n"
				    "ddeba1ab394d6c43225d83208b2d8e:7:C\n"
				    "ddeba1ab394d6c43225d83208b2d8ee3:0:D\n";
	struct case_image built = case_build_one("t.imp", lines);

	(void)state;
	assert_int_equal(built.stats.signatures, 2);
	assert_int_equal(built.stats.errors, 2);
	assert_int_equal(built.reports.line, 4);
	free(built.image);
}

static void a_file_is_found_by_its_imports_in_any_chunks(void **state)
{
	const char *const names[] = {"CreateFileA", NULL};
	struct case_image built;
	struct ruleset *rules;
	struct matcher *matcher;
	uint8_t md5[EVP_MAX_MD_SIZE];
	char line[80] = "";

	(void)state;
	assert_int_equal(EVP_Digest("a.createfilea", 13, md5, NULL, EVP_md5(), NULL), 1);
	for (size_t i = 0; i < 16; i++)
		(void)snprintf(line + 2 * i, 3, "%02x", md5[i]);
	(void)snprintf(line + 32, sizeof(line) - 32, ":13:T\n");
	built = case_build_one("t.imp", line);
	assert_int_equal(ruleset_attach(built.image, built.bytes, &rules), 0);
	assert_int_equal(matcher_new(rules, 1, 0, true, &matcher), 0);
	make_file("A.dll", names, no_numbers);
	for (size_t chunk = 1; chunk < 2 * sizeof(image); chunk *= 3)
		assert_int_equal(
			case_match(matcher, MATCH_TARGET_ANY, image, sizeof(image), 0, chunk).count,
			1);
	make_file("B.dll", names, no_numbers);
	assert_int_equal(
		case_match(matcher, MATCH_TARGET_ANY, image, sizeof(image), 0, 64).count, 0);
	assert_false(matcher_was_partial(matcher));
	matcher_free(matcher);
	ruleset_close(rules);
	free(built.image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_of_an_import_table_is_hashed),
		cmocka_unit_test(a_table_that_makes_no_sense_has_no_hash),
		cmocka_unit_test(bytes_that_are_not_at_hand_are_told),
		cmocka_unit_test(lines_of_import_hashes_need_no_level),
		cmocka_unit_test(a_file_is_found_by_its_imports_in_any_chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
