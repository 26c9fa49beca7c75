// SPDX-License-Identifier: BSD-3-Clause
#include "control/body.h"

#include "control/rebuild_leaf.h"

#include <glib.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define MATCH_STEPS 10000000   // of one expression on one text
#define MATCH_KIB (64u * 1024) // of memory
#define ENTITY_BYTES 10

struct body {
	GPtrArray *texts; // GString: valid UTF-8
	bool is_known;
};

// ---- texts --------------------------------------------------------------------------------------

// Takes text.
static void add_text(struct body *body, char *text, size_t bytes)
{
	char *valid = g_utf8_make_valid(text, (gssize)bytes);
	GString *string = g_string_new(valid);

	g_ptr_array_add(body->texts, string);
	g_free(valid);
	g_free(text);
}

// As it stands, and in the charset that it says it is in.
static void add_charsets(
	struct body *body, const struct rebuild_leaf *leaf, char *text, size_t bytes)
{
	gsize n = 0;
	char *converted = NULL;

	if (leaf->charset[0] != '\0' && g_ascii_strcasecmp(leaf->charset, "utf-8") != 0 &&
		g_ascii_strcasecmp(leaf->charset, "us-ascii") != 0)
		converted = g_convert_with_fallback(
			text, (gssize)bytes, "UTF-8", leaf->charset, "?", NULL, &n, NULL);
	if (converted != NULL)
		add_text(body, converted, n);
	add_text(body, text, bytes);
}

// ---- HTML as it is read -------------------------------------------------------------------------

// The character that an entity stands for, and how long it is; 0: it is none.
static gunichar entity_of(const char *at, size_t *bytes)
{
	static const struct {
		const char *name;
		gunichar character;
	} known[] = {{"amp;", '&'}, {"lt;", '<'}, {"gt;", '>'}, {"quot;", '"'}, {"apos;", '\''},
		{"nbsp;", ' '}, {"shy;", 0xad}};
	gunichar value = 0;
	size_t n = 2;
	bool is_hex = at[1] == '#' && (at[2] == 'x' || at[2] == 'X');

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		*bytes = strlen(known[i].name) + 1;
		if (g_ascii_strncasecmp(at + 1, known[i].name, *bytes - 1) == 0)
			return known[i].character;
	}
	if (at[1] != '#')
		return 0;
	for (n += is_hex; n < ENTITY_BYTES; n++) {
		int digit = is_hex ? g_ascii_xdigit_value(at[n]) : g_ascii_digit_value(at[n]);

		if (digit < 0)
			break;
		value = value * (is_hex ? 16u : 10u) + (gunichar)digit;
	}
	*bytes = n + (at[n] == ';');
	return g_unichar_validate(value) ? value : 0;
}

// The end of a tag or of a comment.
static const char *tag_end(const char *at)
{
	const char *end = strncmp(at, "<!--", 4) == 0 ? strstr(at + 4, "-->") : NULL;

	if (end != NULL)
		return end + 3;
	end = strchr(at, '>');
	return end != NULL ? end + 1 : at + strlen(at);
}

static bool is_tag(const char *at)
{
	return at[0] == '<' && (g_ascii_isalpha(at[1]) || strchr("/!?", at[1]) != NULL) &&
	       at[1] != '\0';
}

// between: what is put in the place of a tag: nothing, or a blank.
static GString *read_html(const char *text, const char *between)
{
	GString *out = g_string_new(NULL);

	while (*text != '\0') {
		size_t bytes = 0;
		gunichar character = *text == '&' ? entity_of(text, &bytes) : 0;

		if (is_tag(text)) {
			g_string_append(out, between);
			text = tag_end(text);
		} else if (character != 0) {
			g_string_append_unichar(out, character);
			text += bytes;
		} else {
			g_string_append_c(out, *text++);
		}
	}
	return out;
}

static void add_leaf(struct body *body, const struct rebuild_leaf *leaf, const uint8_t *data)
{
	bool is_html = strcmp(leaf->type, "text/html") == 0;
	guint first = body->texts->len;
	size_t bytes;
	char *text;
	guint count;

	if (!leaf->is_text && strncmp(leaf->type, "text/", 5) != 0)
		return;
	text = rebuild_leaf_decode(leaf, data, &bytes);
	is_html = is_html || (bytes > 0 && memchr(text, '<', bytes) != NULL);
	add_charsets(body, leaf, text, bytes);
	count = body->texts->len;
	for (guint i = first; is_html && i < count; i++) {
		const GString *written = g_ptr_array_index(body->texts, i);
		GString *joined = read_html(written->str, "");
		GString *apart = read_html(written->str, " ");

		g_ptr_array_add(body->texts, joined);
		g_ptr_array_add(body->texts, apart);
	}
}

// ---- the message --------------------------------------------------------------------------------

static bool is_leaf(const struct rebuild_leaves *leaves, const struct scan_part *part)
{
	for (size_t i = 0; i < leaves->count; i++) {
		const struct rebuild_leaf *leaf = &leaves->list[i];

		if (leaf->bytes == part->bytes && (part->digests & DIGEST_SHA256) != 0 &&
			memcmp(leaf->sha256, part->sha256, sizeof(leaf->sha256)) == 0)
			return true;
	}
	return false;
}

// Both have read the same.
static bool agree(const struct rebuild_leaves *leaves, const struct scan_result *result)
{
	for (size_t i = 0; i < result->parts_count; i++) {
		const struct scan_part *part = &result->parts[i];

		if (part->parent == 0 && part->bytes > 0 && !is_leaf(leaves, part))
			return false;
	}
	// Past a limit parts are missing in the list.
	return result->verdict == VERDICT_CLEAN || result->verdict == VERDICT_INFECTED;
}

static void free_text(gpointer text)
{
	(void)g_string_free(text, TRUE);
}

struct body *body_new(const uint8_t *data, size_t bytes, const struct scan_result *result)
{
	struct body *body = calloc(1, sizeof(*body));
	struct rebuild_leaves leaves;

	if (body == NULL)
		return NULL;
	body->texts = g_ptr_array_new_with_free_func(free_text);
	if (rebuild_leaves_read(data, bytes, &leaves) != 0)
		return body;
	body->is_known = agree(&leaves, result);
	for (size_t i = 0; i < leaves.count; i++)
		add_leaf(body, &leaves.list[i], data);
	rebuild_leaves_fini(&leaves);
	return body;
}

void body_free(struct body *body)
{
	if (body == NULL)
		return;
	g_ptr_array_free(body->texts, TRUE);
	free(body);
}

// ---- patterns -----------------------------------------------------------------------------------

static uint32_t flag_of(char c)
{
	switch (c) {
	case 'i':
		return PCRE2_CASELESS;
	case 'm':
		return PCRE2_MULTILINE;
	case 's':
		return PCRE2_DOTALL;
	case 'x':
		return PCRE2_EXTENDED;
	default:
		return 0;
	}
}

// A text as an expression: quoted, with white space for its blanks. Freed by the caller.
static char *expression_of(const char *text)
{
	GString *out = g_string_new(NULL);

	while (*text != '\0') {
		size_t blanks = strspn(text, " \t\r\n");
		const char *next =
			text + (blanks > 0 ? blanks : (size_t)g_utf8_skip[(guchar)*text]);

		if (blanks > 0)
			g_string_append(out, "\\s+");
		else if (g_ascii_isalnum(*text) || (*text & 0x80) != 0)
			g_string_append_len(out, text, next - text);
		else
			g_string_append_printf(out, "\\x{%02x}", (unsigned char)*text);
		text = next;
	}
	return g_string_free(out, FALSE);
}

static bool read_flags(const char *at, uint32_t *flags, char *error, size_t error_bytes)
{
	for (; *at != '\0'; at++) {
		if (flag_of(*at) == 0) {
			(void)snprintf(error, error_bytes,
				"body: \"%c\" behind the expression is none of i, m, s, x", *at);
			return false;
		}
		*flags |= flag_of(*at);
	}
	return true;
}

static pcre2_code *compile(const char *pattern, char *error, size_t error_bytes)
{
	uint32_t flags = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C;
	const char *last = pattern[0] == '/' ? strrchr(pattern + 1, '/') : NULL;
	PCRE2_SIZE offset = 0;
	pcre2_compile_context *lines;
	pcre2_code *code;
	char *expression;
	int number = 0;

	error[0] = '\0';
	if (!g_utf8_validate(pattern, -1, NULL)) {
		(void)snprintf(error, error_bytes, "body: not UTF-8");
		return NULL;
	}
	if (last != NULL && !read_flags(last + 1, &flags, error, error_bytes))
		return NULL;
	expression = last != NULL ? g_strndup(pattern + 1, (gsize)(last - pattern - 1))
				  : expression_of(pattern);
	if (last == NULL)
		flags |= PCRE2_CASELESS;
	lines = pcre2_compile_context_create(NULL);
	if (lines != NULL)
		(void)pcre2_set_newline(lines, PCRE2_NEWLINE_ANYCRLF);
	code = pcre2_compile(
		(PCRE2_SPTR)expression, PCRE2_ZERO_TERMINATED, flags, &number, &offset, lines);
	pcre2_compile_context_free(lines);
	if (code == NULL) {
		char text[128] = "";

		(void)pcre2_get_error_message(number, (PCRE2_UCHAR *)text, sizeof(text));
		(void)snprintf(error, error_bytes, "body: %s at %zu", text, (size_t)offset + 1);
	}
	g_free(expression);
	return code;
}

int body_check(const char *pattern, char *error, size_t error_bytes)
{
	pcre2_code *code = compile(pattern, error, error_bytes);

	if (code == NULL)
		return -EINVAL;
	pcre2_code_free(code);
	return 0;
}

static int search(const struct body *body, const pcre2_code *code, pcre2_match_data *data,
	pcre2_match_context *limits)
{
	int answer = body->is_known ? 0 : -1;

	for (guint i = 0; i < body->texts->len; i++) {
		const GString *text = g_ptr_array_index(body->texts, i);
		int found = pcre2_match(code, (PCRE2_SPTR)text->str, text->len, 0,
			PCRE2_NO_UTF_CHECK, data, limits);

		if (found >= 0)
			return 1;
		// It took too long, or too much memory.
		if (found != PCRE2_ERROR_NOMATCH)
			answer = -1;
	}
	return answer;
}

int body_has(void *ctx, const char *pattern)
{
	char error[256];
	pcre2_code *code = compile(pattern, error, sizeof(error));
	pcre2_match_context *limits = pcre2_match_context_create(NULL);
	pcre2_match_data *data =
		code != NULL ? pcre2_match_data_create_from_pattern(code, NULL) : NULL;
	int answer = -1;

	if (limits != NULL) {
		(void)pcre2_set_match_limit(limits, MATCH_STEPS);
		(void)pcre2_set_heap_limit(limits, MATCH_KIB);
	}
	if (data != NULL && limits != NULL)
		answer = search(ctx, code, data, limits);
	pcre2_match_data_free(data);
	pcre2_match_context_free(limits);
	pcre2_code_free(code);
	return answer;
}
