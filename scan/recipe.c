// SPDX-License-Identifier: BSD-3-Clause
#include "scan/recipe.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

// What is left of the text.
struct cursor {
	const char *at;
	size_t left;
};

static bool take_text(struct cursor *cursor, const char *text)
{
	size_t n = strlen(text);

	if (cursor->left < n || memcmp(cursor->at, text, n) != 0)
		return false;
	cursor->at += n;
	cursor->left -= n;
	return true;
}

static bool take_number(struct cursor *cursor, uint64_t *out)
{
	uint64_t value = 0;
	size_t n = 0;

	while (n < cursor->left && isdigit((unsigned char)cursor->at[n])) {
		unsigned int digit = (unsigned int)(cursor->at[n] - '0');

		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
		n++;
	}
	cursor->at += n;
	cursor->left -= n;
	*out = value;
	return n > 0;
}

static bool take_offset(struct cursor *cursor, struct recipe *recipe)
{
	recipe->from_end = take_text(cursor, "EOF-");
	return take_number(cursor, &recipe->offset);
}

static bool take_length(struct cursor *cursor, struct recipe *recipe)
{
	if (!take_text(cursor, ","))
		return false;
	recipe->to_end = take_text(cursor, "*");
	return recipe->to_end || (take_number(cursor, &recipe->length) && recipe->length > 0);
}

static int digit_of(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool take_fill(struct cursor *cursor, struct recipe *recipe)
{
	size_t n = cursor->left / 2;

	if (n == 0 || n > RECIPE_FILL_BYTES || cursor->left % 2 != 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = digit_of(cursor->at[2 * i]);
		int low = digit_of(cursor->at[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		recipe->fill[i] = (uint8_t)(high << 4 | low);
	}
	recipe->fill_bytes = (uint8_t)n;
	cursor->left = 0;
	return true;
}

static const char *parse(struct cursor *cursor, struct recipe *recipe)
{
	if (take_text(cursor, "remove")) {
		recipe->kind = RECIPE_REMOVE;
		return NULL;
	}
	if (take_text(cursor, "truncate:")) {
		recipe->kind = RECIPE_TRUNCATE;
		recipe->to_end = true;
		return take_offset(cursor, recipe) ? NULL
						   : "disinfect=truncate: not OFFSET or EOF-N";
	}
	if (take_text(cursor, "excise:")) {
		recipe->kind = RECIPE_EXCISE;
		return take_offset(cursor, recipe) && take_length(cursor, recipe)
			       ? NULL
			       : "disinfect=excise: not OFFSET,LENGTH";
	}
	if (!take_text(cursor, "overwrite:"))
		return "disinfect= is none of remove, overwrite, excise, truncate";
	recipe->kind = RECIPE_OVERWRITE;
	if (!take_offset(cursor, recipe) || !take_length(cursor, recipe))
		return "disinfect=overwrite: not OFFSET,LENGTH[,HEX]";
	if (take_text(cursor, ",") && !take_fill(cursor, recipe))
		return "disinfect=overwrite: HEX is not 1 to 16 bytes in hexadecimal";
	return NULL;
}

int recipe_parse(const char *text, size_t bytes, struct recipe *out, const char **why)
{
	struct cursor cursor = {text, bytes};
	struct recipe recipe = {.fill_bytes = 1};

	if (bytes >= RECIPE_TEXT_BYTES) {
		*why = "disinfect= is too long";
		return -EINVAL;
	}
	*why = parse(&cursor, &recipe);
	if (*why == NULL && cursor.left > 0)
		*why = "disinfect= has something behind its end";
	if (*why == NULL && recipe.from_end && recipe.offset == 0)
		*why = "disinfect=: EOF-0 is behind the last byte";
	if (*why != NULL)
		return -EINVAL;
	*out = recipe;
	return 0;
}

int recipe_range(const struct recipe *recipe, size_t bytes, size_t *begin, size_t *end)
{
	uint64_t from;

	if (recipe->kind == RECIPE_REMOVE) {
		*begin = 0;
		*end = bytes;
		return 0;
	}
	if (recipe->from_end && recipe->offset > bytes)
		return -ERANGE;
	from = recipe->from_end ? bytes - recipe->offset : recipe->offset;
	if (from >= bytes || (!recipe->to_end && recipe->length > bytes - from))
		return -ERANGE;
	*begin = (size_t)from;
	*end = recipe->to_end ? bytes : (size_t)(from + recipe->length);
	return 0;
}

int recipe_apply(const struct recipe *recipe, uint8_t *data, size_t *bytes)
{
	size_t begin;
	size_t end;
	int err = recipe_range(recipe, *bytes, &begin, &end);

	if (err != 0)
		return err;
	switch (recipe->kind) {
	case RECIPE_OVERWRITE:
		for (size_t i = begin; i < end; i++)
			data[i] = recipe->fill[(i - begin) % recipe->fill_bytes];
		break;
	case RECIPE_REMOVE:
	case RECIPE_EXCISE:
	case RECIPE_TRUNCATE:
		memmove(data + begin, data + end, *bytes - end);
		*bytes -= end - begin;
		break;
	}
	return 0;
}
