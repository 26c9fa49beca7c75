// SPDX-License-Identifier: BSD-3-Clause
// A reader of tokens in memory, for the few dictionaries that must be known before all else.
#include "scan/unpack_pdf_dict.h"

#include "scan/unpack_state.h"

#include <stdio.h>
#include <string.h>

#define WORD_BYTES PDF_NAME_BYTES
#define MAX_TOKENS 4000
#define MAX_FILTERS 4
#define MAX_DIGITS 10

enum token_type { TOKEN_END, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_NAME, TOKEN_WORD, TOKEN_STRING };

struct token {
	enum token_type type;
	char word[WORD_BYTES]; // of a name without its slash
	struct pdf_string string;
};

struct cursor {
	const uint8_t *data;
	size_t n;
	size_t at;
};

// A way of encrypting that a name stands for.
struct named_filter {
	char name[WORD_BYTES];
	enum crypt_method method;
};

struct reading {
	struct pdf_security *security;
	struct named_filter filters[MAX_FILTERS];
	uint32_t filters_count;
	char streams[WORD_BYTES];
	char strings[WORD_BYTES];
	char keys[3][WORD_BYTES]; // of the levels
	uint32_t depth;
};

// ---- tokens ------------------------------------------------------------------------------------

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == '\0';
}

static bool is_delimiter(uint8_t c)
{
	return c != 0 && strchr("()<>[]{}/%", c) != NULL;
}

static int peek(const struct cursor *cursor)
{
	return cursor->at < cursor->n ? cursor->data[cursor->at] : -1;
}

static void skip_space(struct cursor *cursor)
{
	int c;

	while ((c = peek(cursor)) >= 0 && (is_space((uint8_t)c) || c == '%')) {
		if (c == '%')
			while ((c = peek(cursor)) >= 0 && c != '\n' && c != '\r')
				cursor->at++;
		else
			cursor->at++;
	}
}

static void string_add(struct pdf_string *string, uint32_t byte)
{
	if (string->n < sizeof(string->bytes))
		string->bytes[string->n++] = (uint8_t)byte;
}

static void read_hex(struct cursor *cursor, struct pdf_string *string)
{
	uint32_t value = 1; // a bit before the digits
	int c;

	while ((c = peek(cursor)) >= 0 && c != '>') {
		int digit = unpack_hex_digit((uint8_t)c);

		cursor->at++;
		if (digit < 0)
			continue;
		value = value << 4 | (uint32_t)digit;
		if (value < 256)
			continue;
		string_add(string, value & 255);
		value = 1;
	}
	if (value > 1)
		string_add(string, value << 4 & 255);
	cursor->at++;
}

static void read_escape(struct cursor *cursor, struct pdf_string *string)
{
	static const char from[] = "nrtbf";
	static const char to[] = "\n\r\t\b\f";
	int c = peek(cursor);
	const char *at = c > 0 ? strchr(from, c) : NULL;
	uint32_t octal = 0;
	int digits = 0;

	while (digits < 3 && (c = peek(cursor)) >= '0' && c <= '7') {
		octal = octal * 8 + (uint32_t)(c - '0');
		cursor->at++;
		digits++;
	}
	if (digits > 0) {
		string_add(string, octal & 255);
		return;
	}
	cursor->at++;
	if (c == '\r' && peek(cursor) == '\n')
		cursor->at++;
	if (c >= 0 && c != '\r' && c != '\n')
		string_add(string, (uint32_t)(at != NULL ? to[at - from] : c));
}

static void read_literal(struct cursor *cursor, struct pdf_string *string)
{
	uint32_t depth = 1;
	int c;

	while ((c = peek(cursor)) >= 0) {
		cursor->at++;
		if (c == '\\') {
			read_escape(cursor, string);
			continue;
		}
		if (c == '\r' && peek(cursor) == '\n')
			cursor->at++;
		if (c == '(')
			depth++;
		if (c == ')' && --depth == 0)
			return;
		string_add(string, (uint32_t)(c == '\r' ? '\n' : c));
	}
}

static void read_word(struct cursor *cursor, struct token *token)
{
	size_t bytes = 0;
	int c;

	while ((c = peek(cursor)) >= 0 && !is_space((uint8_t)c) && !is_delimiter((uint8_t)c)) {
		if (bytes + 1 < sizeof(token->word))
			token->word[bytes++] = (char)c;
		cursor->at++;
	}
	token->word[bytes] = '\0';
}

static void next_token(struct cursor *cursor, struct token *token)
{
	int c;

	skip_space(cursor);
	c = peek(cursor);
	token->type = TOKEN_END;
	token->word[0] = '\0';
	token->string.n = 0;
	if (c < 0)
		return;
	if (!is_delimiter((uint8_t)c)) {
		token->type = TOKEN_WORD;
		read_word(cursor, token);
		return;
	}
	cursor->at++;
	if (c == '/') {
		token->type = TOKEN_NAME;
		read_word(cursor, token);
	} else if (c == '(') {
		token->type = TOKEN_STRING;
		read_literal(cursor, &token->string);
	} else if (c == '<' && peek(cursor) != '<') {
		token->type = TOKEN_STRING;
		read_hex(cursor, &token->string);
	} else {
		cursor->at += (c == '<' || (c == '>' && peek(cursor) == '>')) ? 1 : 0;
		token->type = c == '<' || c == '[' || c == '{' ? TOKEN_OPEN : TOKEN_CLOSE;
	}
}

static bool number_of(const char *word, int64_t *number)
{
	bool is_negative = word[0] == '-';
	const char *at = word + (is_negative || word[0] == '+' ? 1 : 0);
	const char *end = at;
	int64_t value = 0;

	for (; *end >= '0' && *end <= '9' && end < at + MAX_DIGITS; end++)
		value = value * 10 + (*end - '0');
	if (end == at)
		return false;
	*number = is_negative ? -value : value;
	// Of a fraction readers take what stands before the point.
	return *end == '\0' || (*end == '.' && end[1 + strspn(end + 1, "0123456789")] == '\0');
}

// ---- the dictionary ----------------------------------------------------------------------------

static void note_number(struct pdf_security *security, const char *key, int64_t number)
{
	if (strcmp(key, "V") == 0)
		security->version = (uint32_t)number;
	else if (strcmp(key, "R") == 0)
		security->revision = (uint32_t)number;
	else if (strcmp(key, "Length") == 0)
		security->length = (uint32_t)number;
	else if (strcmp(key, "P") == 0)
		security->permissions = (int32_t)(uint32_t)number;
}

static void note_string(
	struct pdf_security *security, const char *key, const struct pdf_string *string)
{
	if (strcmp(key, "O") == 0)
		security->owner = *string;
	else if (strcmp(key, "U") == 0)
		security->user = *string;
	else if (strcmp(key, "UE") == 0)
		security->user_key = *string;
}

static enum crypt_method method_of(const char *name)
{
	if (strcmp(name, "V2") == 0)
		return CRYPT_RC4;
	if (strcmp(name, "AESV2") == 0)
		return CRYPT_AES128;
	return strcmp(name, "AESV3") == 0 ? CRYPT_AES256 : CRYPT_NONE;
}

static void note_name(struct reading *reading, const char *key, const char *name)
{
	if (strcmp(key, "Filter") == 0)
		reading->security->is_standard = strcmp(name, "Standard") == 0;
	else if (strcmp(key, "StmF") == 0)
		(void)snprintf(reading->streams, WORD_BYTES, "%s", name);
	else if (strcmp(key, "StrF") == 0)
		(void)snprintf(reading->strings, WORD_BYTES, "%s", name);
}

// Inside of /CF: the method of a name.
static void note_filter(struct reading *reading, const char *method)
{
	struct named_filter *filter = &reading->filters[reading->filters_count];

	if (reading->filters_count == MAX_FILTERS || strcmp(reading->keys[0], "CF") != 0 ||
		strcmp(reading->keys[2], "CFM") != 0)
		return;
	(void)snprintf(filter->name, WORD_BYTES, "%s", reading->keys[1]);
	filter->method = method_of(method);
	reading->filters_count++;
}

static void note_value(struct reading *reading, const struct token *token)
{
	const char *key = reading->keys[0];
	int64_t number;

	if (reading->depth == 3 && token->type == TOKEN_NAME) {
		note_filter(reading, token->word);
	} else if (reading->depth == 1) {
		if (token->type == TOKEN_STRING)
			note_string(reading->security, key, &token->string);
		else if (token->type == TOKEN_NAME)
			note_name(reading, key, token->word);
		else if (number_of(token->word, &number))
			note_number(reading->security, key, number);
		else if (strcmp(key, "EncryptMetadata") == 0)
			reading->security->leaves_metadata = strcmp(token->word, "false") == 0;
	}
}

static enum crypt_method filter_of(const struct reading *reading, const char *name)
{
	for (uint32_t i = 0; i < reading->filters_count; i++)
		if (strcmp(reading->filters[i].name, name) == 0)
			return reading->filters[i].method;
	return CRYPT_NONE;
}

// The cursor stands before "<<".
static bool read_security(struct cursor *cursor, struct pdf_security *security)
{
	struct reading reading = {.security = security};
	struct token token;
	bool has_key = false;

	for (int i = 0; i < MAX_TOKENS; i++) {
		next_token(cursor, &token);
		if (token.type == TOKEN_END || (i == 0 && token.type != TOKEN_OPEN))
			return false;
		if (token.type == TOKEN_OPEN) {
			reading.depth++;
			has_key = false;
		} else if (token.type == TOKEN_CLOSE) {
			has_key = false;
			if (--reading.depth == 0)
				break;
		} else if (!has_key && token.type == TOKEN_NAME) {
			has_key = true;
			if (reading.depth <= 3)
				(void)snprintf(reading.keys[reading.depth - 1], WORD_BYTES, "%s",
					token.word);
		} else {
			note_value(&reading, &token);
			has_key = false;
		}
	}
	security->streams = filter_of(&reading, reading.streams);
	security->strings = filter_of(&reading, reading.strings);
	return true;
}

// ---- where they stand --------------------------------------------------------------------------

// Behind the next of this name, as a whole word.
static bool find_name(struct cursor *cursor, const char *name)
{
	size_t bytes = strlen(name);
	const uint8_t *found;

	while (cursor->at < cursor->n && (found = memmem(cursor->data + cursor->at,
						  cursor->n - cursor->at, name, bytes)) != NULL) {
		int c;

		cursor->at = (size_t)(found - cursor->data) + bytes;
		c = peek(cursor);
		if (c < 0 || is_space((uint8_t)c) || is_delimiter((uint8_t)c))
			return true;
	}
	return false;
}

// To behind "12 0 obj". The last of several is the one that counts.
static bool find_object(struct cursor *cursor, int64_t number, int64_t generation)
{
	char head[64];
	int bytes = snprintf(
		head, sizeof(head), "%lld %lld obj", (long long)number, (long long)generation);
	const uint8_t *at = cursor->data;
	bool is_found = false;

	while ((at = memmem(at, cursor->n - (size_t)(at - cursor->data), head, (size_t)bytes)) !=
		NULL) {
		bool is_number = at > cursor->data && at[-1] >= '0' && at[-1] <= '9';

		at += bytes;
		if (is_number)
			continue;
		cursor->at = (size_t)(at - cursor->data);
		is_found = true;
	}
	return is_found;
}

// What stands behind a name may have to be looked for in all of the file, or not end before it does.
static bool may_look(struct pdf_search *search, size_t n)
{
	if (search->left < n)
		return false;
	search->left -= n;
	return true;
}

bool pdf_dict_find_security(
	const uint8_t *data, size_t n, struct pdf_search *search, struct pdf_security *security)
{
	struct cursor cursor = {data, n, search->at};

	while (find_name(&cursor, "/Encrypt") && may_look(search, n)) {
		struct cursor there = cursor;
		struct token token;
		int64_t number;
		int64_t generation;

		search->at = cursor.at;
		*security = (struct pdf_security){.length = 40};
		if (read_security(&there, security))
			return true;
		there = cursor;
		next_token(&there, &token);
		if (!number_of(token.word, &number))
			continue;
		next_token(&there, &token);
		*security = (struct pdf_security){.length = 40, .number = (uint32_t)number};
		if (number_of(token.word, &generation) && find_object(&there, number, generation) &&
			read_security(&there, security))
			return true;
	}
	return false;
}

bool pdf_dict_find_id(
	const uint8_t *data, size_t n, struct pdf_search *search, struct pdf_string *id)
{
	struct cursor cursor = {data, n, search->at};

	while (find_name(&cursor, "/ID") && may_look(search, n)) {
		struct token token;

		search->at = cursor.at;
		next_token(&cursor, &token);
		if (token.type != TOKEN_OPEN)
			continue;
		next_token(&cursor, &token);
		if (token.type != TOKEN_STRING)
			continue;
		*id = token.string;
		return true;
	}
	return false;
}

// ---- what stands elsewhere ---------------------------------------------------------------------

// The number that ends right before *at, which moves to its first digit; as readers have it that mind no overflow.
static bool read_back(const uint8_t *data, size_t *at, uint32_t *out)
{
	uint32_t factor = 1;
	size_t digits = 0;

	while (*at > 0 && is_space(data[*at - 1]))
		(*at)--;
	for (*out = 0; *at > 0 && data[*at - 1] >= '0' && data[*at - 1] <= '9'; digits++) {
		*out += factor * (uint32_t)(data[--*at] - '0');
		factor *= 10;
	}
	return digits > 0;
}

// Behind the only "12 0 obj", however it is spaced. Of several the file's table tells which one counts, and of those
// that others hide in only one may be meant.
static bool find_only_object(struct cursor *cursor, uint32_t number, uint32_t generation)
{
	const uint8_t *data = cursor->data;
	const uint8_t *at = data;
	unsigned int count = 0;

	while ((at = memmem(at, cursor->n - (size_t)(at - data), "obj", 3)) != NULL) {
		size_t before = (size_t)(at - data);
		uint32_t numbers[2];

		at += 3;
		if (!read_back(data, &before, &numbers[1]) || before == 0 ||
			!is_space(data[before - 1]) || !read_back(data, &before, &numbers[0]) ||
			numbers[0] != number || numbers[1] != generation)
			continue;
		cursor->at = (size_t)(at - data);
		count++;
	}
	return count == 1;
}

// To the first token of the object; *is_list: it is an array, and the first in that.
static bool open_object(const struct pdf_place *place, struct cursor *cursor, bool *is_list)
{
	*cursor = (struct cursor){place->data, place->bytes, 0};
	if (!find_only_object(cursor, place->number, place->generation))
		return false;
	skip_space(cursor);
	*is_list = peek(cursor) == '[';
	cursor->at += *is_list;
	return true;
}

// A number that is no reference's.
static bool read_number(struct cursor *cursor, const struct token *token, uint32_t *out)
{
	struct cursor ahead = *cursor;
	struct token next;
	int64_t number;

	if (token->type != TOKEN_WORD || !number_of(token->word, &number) || number < 0 ||
		number > UINT32_MAX)
		return false;
	*out = (uint32_t)number;
	next_token(&ahead, &next);
	if (next.type != TOKEN_WORD || !number_of(next.word, &number))
		return true;
	next_token(&ahead, &next);
	return next.type != TOKEN_WORD || strcmp(next.word, "R") != 0;
}

static bool read_parms(struct cursor *cursor, struct pdf_parms *parms)
{
	struct token key;
	struct token value;
	uint32_t number;

	for (int i = 0; i < MAX_TOKENS; i++) {
		next_token(cursor, &key);
		if (key.type == TOKEN_CLOSE)
			return true;
		next_token(cursor, &value);
		if (key.type != TOKEN_NAME || !read_number(cursor, &value, &number))
			return false;
		if (strcmp(key.word, "Predictor") == 0)
			parms->predictor = number;
		else if (strcmp(key.word, "Colors") == 0)
			parms->colors = number;
		else if (strcmp(key.word, "BitsPerComponent") == 0)
			parms->bits = number;
		else if (strcmp(key.word, "Columns") == 0)
			parms->columns = number;
		else
			return false; // EarlyChange, and what is not known
	}
	return false;
}

uint32_t pdf_dict_find_parms(const struct pdf_place *place, struct pdf_parms *out, uint32_t room)
{
	struct cursor cursor;
	struct token token;
	uint32_t count = 0;
	bool is_list;

	if (!open_object(place, &cursor, &is_list))
		return 0;
	do {
		next_token(&cursor, &token);
		if (token.type == TOKEN_CLOSE && is_list)
			return count;
		if (count == room)
			return 0;
		out[count] = (struct pdf_parms){.predictor = 0};
		if (token.type == TOKEN_OPEN ? !read_parms(&cursor, &out[count])
					     : strcmp(token.word, "null") != 0)
			return 0;
		count++;
	} while (is_list);
	return count;
}

uint32_t pdf_dict_find_names(
	const struct pdf_place *place, char (*out)[PDF_NAME_BYTES], uint32_t room)
{
	struct cursor cursor;
	struct token token;
	uint32_t count = 0;
	bool is_list;

	if (!open_object(place, &cursor, &is_list))
		return 0;
	do {
		next_token(&cursor, &token);
		if (token.type == TOKEN_CLOSE && is_list)
			return count;
		if (token.type != TOKEN_NAME || count == room)
			return 0;
		memcpy(out[count++], token.word, PDF_NAME_BYTES);
	} while (is_list);
	return count;
}

bool pdf_dict_find_number(const struct pdf_place *place, uint32_t *out)
{
	struct cursor cursor;
	struct token token;
	bool is_list;

	if (!open_object(place, &cursor, &is_list) || is_list)
		return false;
	next_token(&cursor, &token);
	return read_number(&cursor, &token, out);
}
