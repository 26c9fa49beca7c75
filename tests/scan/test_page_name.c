// SPDX-License-Identifier: BSD-3-Clause
// Which names of members are those of pages, or may be.
#include "scan/page_name.h"
#include "scan/unpack_state.h"
#include "tests/support/unit.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static void names_of_pages_are_known(void **state)
{
	static const char *const names[] = {"", "page", "a.htm", "A.HTML", "a/b.xhtml", "a.shtml",
		"a.mht", "a.hta", "a.phtml", "a.svg", "a.SVG", "a.xml", "a.js", "a.php3", "a.",
		"a.b.htm", "a.htm. .", "dir.txt/page", "a.txt/", "a.h\xc3\xa4m", "a.htm:x",
		"a.txt:x", "a.123456789", "a.txt~"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_true(page_name_may_open(names[i], false));
	assert_true(page_name_may_open("word/afchunk.htm", true));
	assert_true(page_name_may_open("word/media/image1.svg", true));
}

static void names_of_what_is_no_page_are_known(void **state)
{
	static const char *const names[] = {"a.txt", "A.TXT", "a.txt .", "a.htm.txt", "figures.dat",
		"a.csv", "a/b.json", ".txt", "a.12345678", "a.h", "a.t"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_false(page_name_may_open(names[i], false));
	assert_false(page_name_may_open("word/document.xml", true));
	assert_false(page_name_may_open("word/figures.dat", true));
}

// Which of them an office program opens as pages its own list says, whatever their names are.
static void only_an_office_programs_own_xml_is_no_page(void **state)
{
	static const char *const own[] = {
		"<?xml version=\"1.0\"?><w:document xmlns:w=\"urn:x\">",
		"\xef\xbb\xbf<?xml version=\"1.0\"?>\r\n<Types xmlns=\"urn:x\">",
		"<?xml version=\"1.0\"?>\n<?mso-application progid=\"x\"?>\n<worksheet a=\"\">",
	};
	static const char *const others[] = {"", "<?xml ", "<html>", "text", "<w:document>",
		"<?xml version=\"1.0\"?><html xmlns=\"urn:x\">", "<?xml version=\"1.0\"?><HTML>",
		"<?xml version=\"1.0\"?><!DOCTYPE html><w:p>",
		"<?xml version=\"1.0\"?><?xml-stylesheet href=\"a\"?><w:p>",
		"<?xml version=\"1.0\"?><Types", "<?xml version=\"1.0\"?>", "<?xml version"};

	(void)state;
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		assert_true(page_is_document((const uint8_t *)own[i], strlen(own[i])));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(page_is_document((const uint8_t *)others[i], strlen(others[i])));
}

// What an archive's reader keeps of a name ends somewhere: what it ends with there says nothing.
static void a_name_that_may_be_cut_is_a_page(void **state)
{
	static char name[UNPACK_NAME_BYTES];

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	memcpy(name + sizeof(name) - 5, ".txt", 5);
	assert_true(page_name_may_open(name, false));
	assert_false(page_name_may_open(name + sizeof(name) - 1 - 255, false));
}

// The same, of a name's ending in small letters.
static bool is_listed(const char *ending)
{
	static const char listed[] =
		" asp aspx cfm cgi chm eml js jse jsp mjs msg php php3 php4 php5 pl sct stm svg url"
		" vbe vbs wsc wsf wsh xml xsl xslt ";
	char word[16];

	(void)snprintf(word, sizeof(word), " %s ", ending);
	return strstr(ending, "ht") != NULL || strstr(listed, word) != NULL;
}

static void check_ending(const char *ending)
{
	char name[16];
	const bool is_page = is_listed(ending);

	(void)snprintf(name, sizeof(name), "a.%s", ending);
	assert_int_equal(page_name_may_open(name, false), is_page);
	for (char *at = name + 2; *at != '\0'; at++) {
		const char small = *at;

		*at = (char)toupper(small);
		assert_int_equal(page_name_may_open(name, false), is_page);
		*at = small;
	}
}

// All of up to three letters and digits, and those with one more behind.
static void each_ending_is_told_as_the_list_says(void **state)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	const size_t count = sizeof(letters) - 1;
	char ending[5] = "";

	(void)state;
	for (size_t i = 0; i < count * count * count; i++) {
		ending[0] = letters[i % count];
		ending[1] = letters[i / count % count];
		ending[2] = letters[i / count / count];
		for (size_t n = 1; n <= 3; n++) {
			const char kept = ending[n];

			ending[n] = '\0';
			check_ending(ending);
			ending[n] = kept;
		}
		ending[3] = letters[i * 7 % count];
		check_ending(ending);
		ending[3] = '\0';
	}
	check_ending("aspx");
	check_ending("php5");
	check_ending("xslt");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_pages_are_known),
		cmocka_unit_test(a_name_that_may_be_cut_is_a_page),
		cmocka_unit_test(only_an_office_programs_own_xml_is_no_page),
		cmocka_unit_test(names_of_what_is_no_page_are_known),
		cmocka_unit_test(each_ending_is_told_as_the_list_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
