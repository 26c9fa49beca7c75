// SPDX-License-Identifier: BSD-3-Clause
#include "scan/ruleset_build.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *build_push(struct build *build, struct build_vector *vector, size_t item_bytes)
{
	uint8_t *item;

	if (vector->count == vector->capacity) {
		size_t capacity = vector->capacity > 0 ? 2 * vector->capacity : 64;
		void *items = vector->count < RULESET_NONE / 4
				      ? reallocarray(vector->items, capacity, item_bytes)
				      : NULL;

		if (items == NULL) {
			build->failed = true;
			return NULL;
		}
		vector->items = items;
		vector->capacity = capacity;
	}
	item = (uint8_t *)vector->items + vector->count++ * item_bytes;
	memset(item, 0, item_bytes);
	return item;
}

void build_append(struct build *build, struct build_text *text, const char *data, size_t n)
{
	if (text->bytes + n >= text->capacity) {
		size_t capacity = 2 * (text->bytes + n) + 256;
		char *grown = capacity < RULESET_NONE ? realloc(text->data, capacity) : NULL;

		if (grown == NULL) {
			build->failed = true;
			return;
		}
		text->data = grown;
		text->capacity = capacity;
	}
	memcpy(text->data + text->bytes, data, n);
	text->bytes += n;
	text->data[text->bytes] = '\0';
}

void build_format(struct build *build, struct build_text *text, const char *format, ...)
{
	char buffer[64];
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(buffer, sizeof(buffer), format, arguments);
	va_end(arguments);
	if (n > 0 && (size_t)n < sizeof(buffer))
		build_append(build, text, buffer, (size_t)n);
	else
		build->failed = true;
}

void build_report(
	struct build *build, uint32_t file, uint32_t line, bool is_error, const char *reason)
{
	const struct build_file *files = build->files.items;

	if (is_error)
		build->stats->errors++;
	else
		build->stats->skipped++;
	if (build->options->report != NULL)
		build->options->report(
			build->options->ctx, files[file].path, line, is_error, reason);
}

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t n)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static uint64_t hash_expression(const struct build_expression *expression)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	hash = hash_bytes(hash, expression->text, expression->bytes);
	hash = hash_bytes(hash, &expression->target, sizeof(expression->target));
	hash = hash_bytes(hash, &expression->min_end, sizeof(expression->min_end));
	hash = hash_bytes(hash, &expression->max_end, sizeof(expression->max_end));
	hash = hash_bytes(hash, &expression->place, sizeof(expression->place));
	hash = hash_bytes(hash, &expression->owner, sizeof(expression->owner));
	hash = hash_bytes(hash, &expression->check_kind, sizeof(expression->check_kind));
	return hash ^ hash >> 32;
}

static bool is_same(const struct build_expression *a, const struct build_expression *b)
{
	return a->bytes == b->bytes && a->target == b->target && a->owner == b->owner &&
	       a->check_kind == b->check_kind && a->flags == b->flags && a->min_end == b->min_end &&
	       a->max_end == b->max_end && memcmp(&a->place, &b->place, sizeof(a->place)) == 0 &&
	       memcmp(a->text, b->text, a->bytes) == 0;
}

// The bucket of the expression, or the free one where it belongs.
static uint32_t *find_bucket(struct build *build, const struct build_expression *wanted)
{
	const struct build_expression *expressions = build->expressions.items;
	size_t at = hash_expression(wanted) & (build->buckets_count - 1);

	while (build->buckets[at] != 0 && !is_same(&expressions[build->buckets[at] - 1], wanted))
		at = (at + 1) & (build->buckets_count - 1);
	return &build->buckets[at];
}

static bool grow_buckets(struct build *build)
{
	const struct build_expression *expressions = build->expressions.items;
	size_t count = build->buckets_count > 0 ? 2 * build->buckets_count : 1024;
	uint32_t *buckets = calloc(count, sizeof(*buckets));

	if (buckets == NULL) {
		build->failed = true;
		return false;
	}
	free(build->buckets);
	build->buckets = buckets;
	build->buckets_count = count;
	for (uint32_t i = 0; i < build->expressions.count; i++)
		*find_bucket(build, &expressions[i]) = i + 1;
	return true;
}

static struct build_expression *find_or_add(
	struct build *build, const struct build_expression *wanted)
{
	struct build_expression *expression;
	uint32_t *bucket;

	if (2 * (build->expressions.count + 1) > build->buckets_count && !grow_buckets(build))
		return NULL;
	bucket = find_bucket(build, wanted);
	if (*bucket != 0)
		return (struct build_expression *)build->expressions.items + (*bucket - 1);
	expression = build_push(build, &build->expressions, sizeof(*expression));
	if (expression == NULL)
		return NULL;
	*expression = *wanted;
	expression->first_use = RULESET_NONE;
	expression->text = malloc(wanted->bytes + 1);
	if (expression->text == NULL) {
		build->failed = true;
		build->expressions.count--;
		return NULL;
	}
	memcpy(expression->text, wanted->text, wanted->bytes);
	expression->text[wanted->bytes] = '\0';
	*bucket = (uint32_t)build->expressions.count;
	return expression;
}

void build_use_expression(
	struct build *build, const struct build_expression *wanted, const struct ruleset_use *use)
{
	struct build_expression *expression = !build->failed ? find_or_add(build, wanted) : NULL;
	struct build_use *item =
		expression != NULL ? build_push(build, &build->uses, sizeof(*item)) : NULL;
	uint32_t number = (uint32_t)build->uses.count - 1;

	if (item == NULL)
		return;
	item->use = *use;
	item->next = RULESET_NONE;
	if (expression->first_use == RULESET_NONE)
		expression->first_use = number;
	else
		((struct build_use *)build->uses.items)[expression->last_use].next = number;
	expression->last_use = number;
	expression->tracked = expression->tracked || wanted->tracked;
}
