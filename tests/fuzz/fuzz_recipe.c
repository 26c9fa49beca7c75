// SPDX-License-Identifier: BSD-3-Clause
// Properties: a recipe that is read is about a stretch of the object, and what it makes of that is what a
// plain reading of scan/recipe.h makes. The input is the recipe, a NUL and the object.
#include "scan/recipe.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

// What should be left of the object. Returns its bytes.
static size_t model(const struct recipe *recipe, const uint8_t *data, size_t n, size_t begin,
	size_t end, uint8_t *out)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		bool is_inside = i >= begin && i < end;

		if (is_inside && recipe->kind != RECIPE_OVERWRITE)
			continue;
		if (recipe->kind == RECIPE_TRUNCATE && i >= begin)
			continue;
		out[count++] = is_inside ? recipe->fill[(i - begin) % recipe->fill_bytes] : data[i];
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const uint8_t *nul = n > 0 ? memchr(data, '\0', n) : NULL;
	const size_t text = nul != NULL ? (size_t)(nul - data) : n;
	const size_t bytes = nul != NULL ? n - text - 1 : 0;
	struct recipe recipe = {0};
	const char *why = NULL;
	size_t begin = 0;
	size_t end = 0;
	size_t left = bytes;
	uint8_t *object;
	uint8_t *expected;
	int err;

	if (recipe_parse((const char *)data, text, &recipe, &why) != 0) {
		check(why != NULL);
		return 0;
	}
	check(text <= RECIPE_TEXT_BYTES && recipe.fill_bytes <= RECIPE_FILL_BYTES);
	object = malloc(bytes > 0 ? bytes : 1);
	expected = malloc(bytes > 0 ? bytes : 1);
	check(object != NULL && expected != NULL);
	if (bytes > 0)
		memcpy(object, nul + 1, bytes);
	err = recipe_range(&recipe, bytes, &begin, &end);
	check(err != 0 || (begin <= end && end <= bytes));
	if (recipe.kind != RECIPE_REMOVE) {
		check((recipe_apply(&recipe, object, &left) == 0) == (err == 0));
		if (err == 0)
			check(left == model(&recipe, nul != NULL ? nul + 1 : data, bytes, begin,
					      end, expected) &&
				memcmp(object, expected, left) == 0);
		else
			check(left == bytes && (bytes == 0 || memcmp(object, nul + 1, bytes) == 0));
	}
	free(expected);
	free(object);
	return 0;
}
