// SPDX-License-Identifier: BSD-3-Clause
#define PCRE2_CODE_UNIT_WIDTH 8
#include "scan/match_type.h"

#include "scan/match_object.h"
#include "scan/normalise_detect.h"

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

// What ClamAV calls data that no bytes tell the type of.
static const char *name_of_rest(const uint8_t *data, size_t n)
{
	switch (normalise_text_kind(data, n)) {
	case NORMALISE_BYTES:
		return "CL_TYPE_TEXT_ASCII";
	case NORMALISE_LITTLE:
		return "CL_TYPE_TEXT_UTF16LE";
	case NORMALISE_BIG:
		return "CL_TYPE_TEXT_UTF16BE";
	case NORMALISE_NO_TEXT:
		break;
	}
	return "CL_TYPE_BINARY_DATA";
}

// Types that ask for no other, or for what this is.
static bool is_required(const struct ruleset_filetype *type, const char *is)
{
	const char *name = filetype_by_number(type->required)->name;

	return strcmp(name, "CL_TYPE_ANY") == 0 || strcmp(name, is) == 0;
}

static const struct filetype_clamav *find_bytes(
	const struct match_types *types, const uint8_t *data, size_t n)
{
	for (uint32_t i = types->count; i-- > 0;)
		if (types->items[i].pattern == NULL && has_bytes(types->items[i].type, data, n))
			return filetype_by_number(types->items[i].type->number);
	return NULL;
}

// Of several the one that comes last in the table.
static const struct filetype_clamav *find_pattern(
	const struct match_types *types, const char *is, const uint8_t *data, size_t n)
{
	const struct filetype_clamav *best = NULL;

	for (uint32_t i = 0; i < types->count; i++) {
		const struct item *item = &types->items[i];
		const struct filetype_clamav *type = filetype_by_number(item->type->number);

		if (item->pattern != NULL && (best == NULL || type > best) &&
			is_required(item->type, is) &&
			pcre2_match(item->pattern, data, n, 0, 0, types->data, types->context) >= 0)
			best = type;
	}
	return best;
}

static bool is_html(const struct filetype_clamav *type)
{
	return type != NULL && strcmp(type->name, "CL_TYPE_HTML") == 0;
}

// HTML in characters of two bytes, as ClamAV looks for it.
static const struct filetype_clamav *find_wide(
	const struct match_types *types, const uint8_t *data, size_t n)
{
	uint8_t bytes[FILETYPE_BYTES];

	if (is_html(find_pattern(
		    types, "CL_TYPE_TEXT_ASCII", bytes, normalise_narrow(data, n, bytes))))
		return filetype_by_name("CL_TYPE_HTML_UTF16");
	if (!normalise_has_mark(data, n))
		return NULL;
	if (is_html(find_pattern(
		    types, "CL_TYPE_TEXT_ASCII", bytes, normalise_without_nuls(data, n, bytes))))
		return filetype_by_name("CL_TYPE_HTML");
	return NULL;
}

// Where the table is extended its own types count, too: HTML is the one of them that patterns tell.
static const struct filetype_clamav *find_more(const struct match_types *types,
	const struct filetype *builtin, const uint8_t *data, size_t n)
{
	const struct filetype_clamav *found;

	if (builtin->name[0] != '\0' && builtin->target != FILETYPE_TARGET_TEXT &&
		builtin->target != FILETYPE_TARGET_HTML)
		return NULL;
	found = find_pattern(types, name_of_rest(data, n), data, n);
	if (found == NULL)
		return find_wide(types, data, n);
	return normalise_detect(data, n) == NORMALISE_HTML &&
			       found < filetype_by_name("CL_TYPE_HTML")
		       ? NULL
		       : found;
}

const struct filetype_clamav *match_types_find(const struct match_types *types,
	const struct filetype *builtin, const uint8_t *data, size_t n)
{
	const struct filetype_clamav *found;
	const char *rest;

	if (types == NULL)
		return NULL;
	n = n < FILETYPE_BYTES ? n : FILETYPE_BYTES;
	if (!types->replaces)
		return find_more(types, builtin, data, n);
	found = find_bytes(types, data, n);
	if (found != NULL && found > filetype_by_name("CL_TYPE_BINARY_DATA"))
		return found;
	rest = found != NULL ? found->name : name_of_rest(data, n);
	found = find_pattern(types, rest, data, n);
	if (found == NULL)
		found = find_wide(types, data, n);
	return found != NULL ? found : filetype_by_name(rest);
}

const struct filetype_clamav *match_told_type(struct match_object *object)
{
	const size_t n = object->stage_to < FILETYPE_BYTES ? object->stage_to : FILETYPE_BYTES;

	if (object->is_told || object->target != MATCH_TARGET_ANY)
		return object->told;
	object->is_told = true;
	object->type = filetype_detect(object->stage, n);
	object->type_bytes = n;
	object->told = match_types_find(object->matcher->types, object->type, object->stage, n);
	return object->told;
}

const struct filetype *match_first_type(const struct match_object *object, size_t n)
{
	return object->type != NULL && object->type_bytes == n ? object->type : NULL;
}
