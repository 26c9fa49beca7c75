// SPDX-License-Identifier: BSD-3-Clause
// How an object is repaired.
#include "scan/recipe.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <string.h>

static struct recipe parsed(const char *text)
{
	struct recipe recipe;
	const char *why;

	assert_int_equal(recipe_parse(text, strlen(text), &recipe, &why), 0);
	return recipe;
}

static void an_object_is_repaired_as_the_recipe_says(void **state)
{
	static const struct {
		const char *recipe;
		const char *after;
	} cases[] = {
		{"excise:0,3", "3456789"},
		{"excise:3,4", "012789"},
		{"excise:EOF-2,2", "01234567"},
		{"excise:8,*", "01234567"},
		{"excise:0,10", ""},
		{"truncate:4", "0123"},
		{"truncate:0", ""},
		{"truncate:EOF-1", "012345678"},
		{"overwrite:2,3,2d", "01---56789"},
		{"overwrite:2,5,2b2D", "01+-+-+789"},
		{"overwrite:EOF-3,*,2e", "0123456..."},
		{"remove", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct recipe recipe = parsed(cases[i].recipe);
		uint8_t data[] = "0123456789";
		size_t bytes = 10;

		assert_int_equal(recipe_apply(&recipe, data, &bytes), 0);
		assert_int_equal(bytes, strlen(cases[i].after));
		assert_memory_equal(data, cases[i].after, bytes);
	}
}

static void zeros_are_written_where_no_bytes_are_named(void **state)
{
	struct recipe recipe = parsed("overwrite:1,2");
	uint8_t data[] = "0123";
	size_t bytes = 4;

	(void)state;
	assert_int_equal(recipe_apply(&recipe, data, &bytes), 0);
	assert_memory_equal(data, "0\0\0003", 4);
}

static void what_is_not_there_is_not_repaired(void **state)
{
	static const char *const recipes[] = {"excise:10,1", "excise:8,3", "excise:EOF-11,1",
		"excise:EOF-1,2", "truncate:10", "overwrite:9,2",
		"overwrite:18446744073709551615,18446744073709551615", "excise:10,*"};

	(void)state;
	for (size_t i = 0; i < sizeof(recipes) / sizeof(recipes[0]); i++) {
		struct recipe recipe = parsed(recipes[i]);
		uint8_t data[] = "0123456789";
		size_t bytes = 10;

		assert_int_equal(recipe_apply(&recipe, data, &bytes), -ERANGE);
		assert_int_equal(bytes, 10);
		assert_memory_equal(data, "0123456789", 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_object_is_repaired_as_the_recipe_says),
		cmocka_unit_test(zeros_are_written_where_no_bytes_are_named),
		cmocka_unit_test(what_is_not_there_is_not_repaired),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
