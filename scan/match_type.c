// SPDX-License-Identifier: BSD-3-Clause
#define PCRE2_CODE_UNIT_WIDTH 8
#include "scan/match_type.h"

#include <pcre2.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MATCH_LIMIT 100000 // steps of one search

struct item {
	const struct ruleset_filetype *type;
	pcre2_code *pattern; // NULL: bytes
};

// In the order in which they are tried: that of the files, and a delta's last.
struct match_types {
	bool replaces; // the built-in table
	uint32_t count;
	struct item *items;
	pcre2_match_data *data;
	pcre2_match_context *context;
};

static int add_items(struct match_types *types, const struct ruleset *ruleset)
{
	for (uint32_t i = 0; i < ruleset->filetypes_count; i++) {
		const struct ruleset_filetype *type = &ruleset->filetypes[i];
		struct item *item = &types->items[types->count++];
		PCRE2_SIZE at;
		int error;

		*item = (struct item){type, NULL};
		types->replaces = types->replaces || type->pattern == 0;
		if (type->pattern == 0)
			continue;
		item->pattern = pcre2_compile((PCRE2_SPTR)(ruleset->strings + type->pattern),
			PCRE2_ZERO_TERMINATED, PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_DOTALL,
			&error, &at, NULL);
		if (item->pattern == NULL)
			return -ENOMEM;
		(void)pcre2_jit_compile(item->pattern, PCRE2_JIT_COMPLETE);
	}
	return 0;
}

int match_types_new(const struct ruleset *ruleset, struct match_types **out)
{
	size_t room = ruleset->filetypes_count +
		      (ruleset->delta != NULL ? ruleset->delta->filetypes_count : 0);
	struct match_types *types;
	int err;

	*out = NULL;
	if (room == 0)
		return 0;
	types = calloc(1, sizeof(*types));
	if (types == NULL)
		return -ENOMEM;
	types->items = calloc(room, sizeof(*types->items));
	types->data = pcre2_match_data_create(1, NULL);
	types->context = pcre2_match_context_create(NULL);
	err = types->items != NULL && types->data != NULL && types->context != NULL
		      ? add_items(types, ruleset)
		      : -ENOMEM;
	if (err == 0 && ruleset->delta != NULL)
		err = add_items(types, ruleset->delta);
	if (err != 0) {
		match_types_free(types);
		return err;
	}
	(void)pcre2_set_match_limit(types->context, MATCH_LIMIT);
	*out = types;
	return 0;
}

void match_types_free(struct match_types *types)
{
	if (types == NULL)
		return;
	for (uint32_t i = 0; i < types->count; i++)
		pcre2_code_free(types->items[i].pattern);
	pcre2_match_context_free(types->context);
	pcre2_match_data_free(types->data);
	free(types->items);
	free(types);
}

static bool has_bytes(const struct ruleset_filetype *type, const uint8_t *data, size_t n)
{
	return type->offset <= n && type->length <= n - type->offset &&
	       memcmp(data + type->offset, type->bytes, type->length) == 0;
}

// Types that ask for no other, or for the kind of file that this is.
static bool is_required(const struct ruleset_filetype *type, bool is_text)
{
	const char *name = filetype_by_number(type->required)->name;

	if (strcmp(name, "CL_TYPE_ANY") == 0)
		return true;
	return is_text ? strncmp(name, "CL_TYPE_TEXT_", 13) == 0
		       : strcmp(name, "CL_TYPE_BINARY_DATA") == 0;
}

static const struct filetype_clamav *find_bytes(
	const struct match_types *types, const uint8_t *data, size_t n)
{
	for (uint32_t i = types->count; i-- > 0;)
		if (types->items[i].pattern == NULL && has_bytes(types->items[i].type, data, n))
			return filetype_by_number(types->items[i].type->number);
	return NULL;
}

static const struct filetype_clamav *find_pattern(
	const struct match_types *types, bool is_text, const uint8_t *data, size_t n)
{
	for (uint32_t i = 0; i < types->count; i++) {
		const struct item *item = &types->items[i];

		if (item->pattern != NULL && is_required(item->type, is_text) &&
			pcre2_match(item->pattern, data, n, 0, 0, types->data, types->context) >= 0)
			return filetype_by_number(item->type->number);
	}
	return NULL;
}

const struct filetype_clamav *match_types_find(const struct match_types *types,
	const struct filetype *builtin, const uint8_t *data, size_t n)
{
	const bool is_text =
		builtin->target == FILETYPE_TARGET_TEXT || builtin->target == FILETYPE_TARGET_HTML;
	const struct filetype_clamav *found;

	if (types == NULL)
		return NULL;
	n = n < FILETYPE_BYTES ? n : FILETYPE_BYTES;
	found = types->replaces ? find_bytes(types, data, n) : NULL;
	if (found != NULL || (!types->replaces && !is_text && builtin->name[0] != '\0'))
		return found;
	found = find_pattern(types, is_text, data, n);
	if (found != NULL || !types->replaces)
		return found;
	return filetype_by_name(is_text ? "CL_TYPE_TEXT_ASCII" : "CL_TYPE_BINARY_DATA");
}
