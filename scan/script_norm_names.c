// SPDX-License-Identifier: BSD-3-Clause
// Names of a script, and in which function each is declared.
#include "scan/script_norm_state.h"

// What a name is, in a scope.
enum scope_state { SCOPE_BASE, SCOPE_VAR, SCOPE_VALUE, SCOPE_NAME, SCOPE_LIST, SCOPE_PARAMETERS };

static const char *const known[KNOWN_COUNT] = {"eval", "unescape", "dF", "p", "a", "c"};

static uint32_t hash_of(const char *text, size_t n)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ (uint8_t)text[i]) * 16777619u;
	return hash ^ hash >> 15;
}

void script_names_begin(struct script_norm *script)
{
	memset(script->name_hash, 0xff, sizeof(script->name_hash));
	memset(script->declared_hash, 0xff, sizeof(script->declared_hash));
	script->names_bytes = 0;
	script->names_count = 0;
	script->declared_count = 0;
	script->scopes_count = 1;
	script->scope = 0;
	script->written_scope = SCRIPT_NORM_NONE;
	script->scopes[0] = (struct script_norm_scope){.first = SCRIPT_NORM_NONE};
	for (size_t i = 0; i < KNOWN_COUNT; i++)
		(void)script_name(script, known[i], strlen(known[i]));
}

uint16_t script_name(struct script_norm *script, const char *text, size_t n)
{
	uint32_t at = hash_of(text, n) % SCRIPT_NORM_HASH;
	struct script_norm_name *name;

	for (; script->name_hash[at] != SCRIPT_NORM_NONE; at = (at + 1) % SCRIPT_NORM_HASH) {
		name = &script->names[script->name_hash[at]];
		if (name->bytes == n && memcmp(script->name_text + name->text, text, n) == 0)
			return script->name_hash[at];
	}
	if (script->names_count == SCRIPT_NORM_NAMES ||
		n > SCRIPT_NORM_NAME_BYTES - script->names_bytes) {
		script->is_full = true;
		return SCRIPT_NORM_NONE;
	}
	script->name_hash[at] = script->names_count;
	name = &script->names[script->names_count];
	*name = (struct script_norm_name){
		.text = script->names_bytes, .bytes = (uint16_t)n, .number = SCRIPT_NORM_NONE};
	memcpy(script->name_text + name->text, text, n);
	script->names_bytes += (uint32_t)n;
	return script->names_count++;
}

static void declare(struct script_norm *script, uint16_t name)
{
	uint32_t at = (uint32_t)(script->scope * 31u + name * 2654435761u) % SCRIPT_NORM_HASH;
	struct script_norm_declared *declared;

	for (; script->declared_hash[at] != SCRIPT_NORM_NONE; at = (at + 1) % SCRIPT_NORM_HASH) {
		declared = &script->declared[script->declared_hash[at]];
		if (declared->name == name && declared->scope == script->scope) {
			// Once more: the last number counts.
			if (script->number < SCRIPT_NORM_NONE)
				declared->number = (uint16_t)script->number++;
			return;
		}
	}
	// Another piece would bring no more numbers.
	if (script->number >= SCRIPT_NORM_NONE)
		return;
	if (script->declared_count == SCRIPT_NORM_DECLARED) {
		script->is_full = true;
		return;
	}
	script->declared_hash[at] = script->declared_count;
	declared = &script->declared[script->declared_count];
	*declared = (struct script_norm_declared){.name = name,
		.scope = script->scope,
		.number = (uint16_t)script->number++,
		.next = script->scopes[script->scope].first};
	script->scopes[script->scope].first = script->declared_count++;
}

static void open_scope(struct script_norm *script)
{
	if (script->scopes_count == SCRIPT_NORM_SCOPES) {
		script->is_full = true;
		return;
	}
	script->scopes[script->scopes_count] = (struct script_norm_scope){.parent = script->scope,
		.depth = (uint16_t)(script->scopes[script->scope].depth + 1),
		.first = SCRIPT_NORM_NONE};
	script->scope = script->scopes_count++;
}

// ---- what is read ------------------------------------------------------------------------------

void script_scope_on_name(struct script_norm *script, uint16_t name)
{
	struct script_norm_scope *scope = &script->scopes[script->scope];

	if (scope->state == SCOPE_VAR || scope->state == SCOPE_NAME ||
		scope->state == SCOPE_PARAMETERS)
		declare(script, name);
	if (scope->state == SCOPE_VAR || scope->state == SCOPE_PARAMETERS) {
		scope->state = SCOPE_VALUE;
		scope->brackets = 0;
	} else if (scope->state == SCOPE_NAME) {
		scope->state = SCOPE_LIST;
	}
}

void script_scope_on_function(struct script_norm *script)
{
	open_scope(script);
	script->scopes[script->scope].state = SCOPE_NAME;
}

void script_scope_on_var(struct script_norm *script)
{
	script->scopes[script->scope].state = SCOPE_VAR;
}

static void on_brace(struct script_norm *script, bool is_open)
{
	struct script_norm_scope *scope = &script->scopes[script->scope];

	if (is_open) {
		if (scope->state >= SCOPE_NAME)
			scope->state = SCOPE_BASE;
		scope->braces++;
		return;
	}
	if (scope->braces > 0)
		scope->braces--;
	if (scope->braces == 0)
		script->scope = scope->parent;
}

void script_scope_on_sign(struct script_norm *script, uint8_t byte)
{
	struct script_norm_scope *scope = &script->scopes[script->scope];
	const bool is_top = scope->brackets == 0 && scope->braces == 0;

	if (byte == '{' || byte == '}') {
		on_brace(script, byte == '{');
	} else if (byte == '(') {
		if (scope->state == SCOPE_NAME || scope->state == SCOPE_LIST)
			scope->state = SCOPE_PARAMETERS;
	} else if (byte == ')') {
		if (scope->state == SCOPE_LIST)
			scope->state = SCOPE_BASE;
	} else if (byte == '[') {
		scope->brackets++;
	} else if (byte == ']') {
		scope->brackets -= scope->brackets > 0;
	} else if (byte == ',' && is_top && scope->state == SCOPE_VALUE) {
		scope->state = SCOPE_VAR;
	} else if (byte == ';' && is_top) {
		scope->state = SCOPE_BASE;
	}
}

// ---- where it is written -----------------------------------------------------------------------

static void enter(struct script_norm *script, uint16_t scope)
{
	for (uint16_t i = script->scopes[scope].first; i != SCRIPT_NORM_NONE;
		i = script->declared[i].next) {
		struct script_norm_declared *declared = &script->declared[i];

		declared->saved = script->names[declared->name].number;
		script->names[declared->name].number = declared->number;
	}
}

static void leave(struct script_norm *script, uint16_t scope)
{
	for (uint16_t i = script->scopes[scope].first; i != SCRIPT_NORM_NONE;
		i = script->declared[i].next)
		script->names[script->declared[i].name].number = script->declared[i].saved;
}

void script_write_scope(struct script_norm *script, uint16_t scope)
{
	uint16_t path[SCRIPT_NORM_SCOPES];
	const uint16_t to = scope;
	size_t n = 0;

	if (script->written_scope == SCRIPT_NORM_NONE) {
		script->written_scope = 0;
		enter(script, 0);
	}
	while (scope != script->written_scope) {
		const uint16_t from = script->written_scope;

		if (script->scopes[from].depth >= script->scopes[scope].depth && from != 0) {
			leave(script, from);
			script->written_scope = script->scopes[from].parent;
		} else {
			path[n++] = scope;
			scope = script->scopes[scope].parent;
		}
	}
	while (n > 0)
		enter(script, path[--n]);
	script->written_scope = to;
}
