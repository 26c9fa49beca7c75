// SPDX-License-Identifier: BSD-3-Clause
// PDF outside of streams (ISO 32000-1, 7.2 and 7.3): words, names, strings, and what they say of the
// object's stream. Between objects there are only words.
//
// Readers find objects by a table at the end. One may therefore begin anywhere, in a comment or a
// string too: "12 0 obj" is watched for in all of it.
#include "scan/unpack_pdf_dict.h"
#include "scan/unpack_state.h"

#include <string.h>

enum { WATCH_NONE, WATCH_FIRST, WATCH_GAP, WATCH_SECOND, WATCH_GAP_2, WATCH_O, WATCH_B, WATCH_J };

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == '\0';
}

static bool is_delimiter(uint8_t c)
{
	return c != 0 && strchr("()<>[]{}/%", c) != NULL;
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

// ---- objects, wherever they begin --------------------------------------------------------------

static void watch_digit(struct pdf_watch *watch, uint32_t digit)
{
	uint32_t *first = &watch->numbers[0];
	uint32_t *second = &watch->numbers[1];

	if (watch->state == WATCH_FIRST) {
		*first = *first * 10 + digit;
	} else if (watch->state == WATCH_SECOND) {
		*second = *second * 10 + digit;
	} else if (watch->state == WATCH_GAP || watch->state == WATCH_GAP_2) {
		if (watch->state == WATCH_GAP_2)
			*first = *second;
		*second = digit;
		watch->state = WATCH_SECOND;
	} else {
		*first = digit;
		watch->state = WATCH_FIRST;
	}
}

// True when an object begins before c.
static bool watch(struct pdf_watch *watch, uint8_t c)
{
	uint8_t state = watch->state;

	if (is_digit(c)) {
		watch_digit(watch, (uint32_t)(c - '0'));
		return false;
	}
	watch->state = WATCH_NONE;
	if (is_space(c) && (state == WATCH_FIRST || state == WATCH_GAP))
		watch->state = WATCH_GAP;
	else if (is_space(c) && (state == WATCH_SECOND || state == WATCH_GAP_2))
		watch->state = WATCH_GAP_2;
	else if (c == 'o' && state == WATCH_GAP_2)
		watch->state = WATCH_O;
	else if (c == 'b' && state == WATCH_O)
		watch->state = WATCH_B;
	else if (c == 'j' && state == WATCH_B)
		watch->state = WATCH_J;
	return state == WATCH_J && (is_space(c) || is_delimiter(c));
}

static void object_begin(struct unpack *unpack, uint32_t number, uint32_t generation)
{
	struct pdf *pdf = &unpack->as.pdf;

	pdf->object =
		(struct pdf_object){.is_inside = true, .number = number, .generation = generation};
	pdf->lex = LEX_SPACE;
	pdf->depth = 0;
	pdf->has_key = false;
	pdf->key = KEY_OTHER;
	pdf->numbers_count = 0;
}

// ---- what a dictionary says --------------------------------------------------------------------

static bool is_in_dictionary(const struct pdf *pdf)
{
	uint32_t depth = pdf->depth < PDF_MAX_DEPTH ? pdf->depth : PDF_MAX_DEPTH;

	return depth > 0 && (pdf->dictionaries >> (depth - 1) & 1) != 0;
}

// A value is over.
static void value_end(struct pdf *pdf)
{
	pdf->object.has_value = true;
	if (pdf->depth <= 1)
		pdf->object.in_parms = false;
	if (is_in_dictionary(pdf) || pdf->depth == 0) {
		pdf->has_key = false;
		pdf->key = KEY_OTHER;
	}
}

static void level_open(struct pdf *pdf, bool is_dictionary)
{
	uint64_t bit = pdf->depth < PDF_MAX_DEPTH ? (uint64_t)1 << pdf->depth : 0;

	pdf->dictionaries = is_dictionary ? pdf->dictionaries | bit : pdf->dictionaries & ~bit;
	pdf->depth++;
	pdf->object.has_value = true;
	if (is_dictionary) {
		pdf->object.has_dictionary = true;
		pdf->has_key = false;
		pdf->key = KEY_OTHER;
	}
}

static void parms_next(struct pdf_object *object)
{
	if (object->in_parms && object->parms_count < PDF_FILTERS)
		object->parms_count++;
}

static void level_close(struct pdf *pdf)
{
	if (is_in_dictionary(pdf))
		parms_next(&pdf->object);
	if (pdf->depth > 0)
		pdf->depth--;
	value_end(pdf);
}

static void parms_begin(struct unpack *unpack)
{
	struct pdf_object *object = &unpack->as.pdf.object;

	if (object->parms_count > 0)
		unpack_warn(unpack, WARN_AMBIGUOUS);
	memset(object->parms, 0, sizeof(object->parms));
	object->parms_count = 0;
	object->in_parms = true;
	object->is_parms_elsewhere = false;
}

static void note_type(struct pdf_object *object, const char *name)
{
	object->is_objects = strcmp(name, "ObjStm") == 0;
	object->is_xref = strcmp(name, "XRef") == 0;
	object->is_metadata = strcmp(name, "Metadata") == 0;
}

static void note_parm(struct pdf_object *object, enum pdf_key key, uint32_t number)
{
	struct pdf_parms *parms = &object->parms[object->parms_count];

	if (!object->in_parms)
		return;
	if (key == KEY_PREDICTOR)
		parms->predictor = number;
	else if (key == KEY_COLORS)
		parms->colors = number;
	else if (key == KEY_BITS)
		parms->bits = number;
	else if (key == KEY_COLUMNS)
		parms->columns = number;
}

static void name_end(struct unpack *unpack)
{
	struct pdf *pdf = &unpack->as.pdf;
	struct pdf_object *object = &pdf->object;
	const char *name = pdf->word;

	if (is_in_dictionary(pdf) && !pdf->has_key) {
		pdf->has_key = true;
		pdf->key = pdf->word_bytes < PDF_WORD_BYTES ? pdf_key_of(name) : KEY_OTHER;
		pdf->has_first |= strcmp(name, "First") == 0;
		pdf->last_key = KEY_OTHER;
		if (pdf->depth > 1 && (pdf->key == KEY_FILTER || pdf->key == KEY_LENGTH ||
					      pdf->key == KEY_ENCRYPT || pdf->key == KEY_TYPE ||
					      pdf->key == KEY_PARMS))
			pdf->key = KEY_OTHER;
		if (pdf->key == KEY_FILTER)
			pdf_filters_begin(unpack);
		else if (pdf->key == KEY_SHORT_FILTER && pdf->depth == 1)
			object->has_short_filters = false;
		else if (pdf->key == KEY_PARMS)
			parms_begin(unpack);
		return;
	}
	if (pdf->word_bytes == PDF_WORD_BYTES)
		name = "";
	if (pdf->key == KEY_SHORT_FILTER && pdf->depth == (is_in_dictionary(pdf) ? 1 : 2))
		pdf_add_short_filter(unpack, name);
	else if (pdf->key == KEY_FILTER)
		pdf_add_long_filter(object, name);
	else if (pdf->key == KEY_TYPE)
		note_type(object, name);
	else if (pdf->key == KEY_NAME && object->in_parms)
		object->is_crypt_named = strcmp(name, "Identity") != 0;
	value_end(pdf);
}

static void number_end(struct unpack *unpack, uint32_t number)
{
	struct pdf *pdf = &unpack->as.pdf;
	struct pdf_object *object = &pdf->object;

	pdf->numbers[0] = pdf->numbers[1];
	pdf->numbers[1] = number;
	if (pdf->numbers_count < 2)
		pdf->numbers_count++;
	if (!pdf->has_key) {
		value_end(pdf);
		return;
	}
	pdf->last_key = pdf->key;
	if (pdf->key == KEY_LENGTH) {
		object->has_length = true;
		object->length = number;
	} else if (pdf->key == KEY_FILTER) {
		object->has_long_filters = true;
		object->is_filter_elsewhere = true;
	} else if (pdf->key == KEY_EARLY_CHANGE) {
		object->is_late = number == 0;
	}
	note_parm(object, pdf->key, number);
	value_end(pdf);
}

static bool is_parm(enum pdf_key key)
{
	return key == KEY_PREDICTOR || key == KEY_COLORS || key == KEY_BITS || key == KEY_COLUMNS ||
	       key == KEY_EARLY_CHANGE;
}

// Reads what the reference is to, if the file is there as a whole.
static bool look_up(struct unpack *unpack)
{
	struct pdf *pdf = &unpack->as.pdf;
	struct pdf_object *object = &pdf->object;
	const struct pdf_place place = {
		pdf->whole, pdf->whole_bytes, pdf->numbers[0], pdf->numbers[1]};
	char names[PDF_FILTERS][PDF_NAME_BYTES];
	uint32_t count = 0;
	uint32_t number;

	if (pdf->whole == NULL || pdf->lookups == PDF_LOOKUPS ||
		(pdf->lookups + 1) * (uint64_t)pdf->whole_bytes > PDF_LOOKUP_BYTES)
		return false;
	pdf->lookups++;
	if (pdf->last_key == KEY_PARMS) {
		count = pdf_dict_find_parms(&place, &object->parms[object->parms_count],
			PDF_FILTERS + 1 - object->parms_count);
		object->parms_count += count;
		if (object->parms_count > PDF_FILTERS)
			object->parms_count = PDF_FILTERS;
	} else if (pdf->last_key == KEY_FILTER) {
		count = pdf_dict_find_names(&place, names, PDF_FILTERS);
		for (uint32_t i = 0; i < count; i++)
			pdf_add_filter(object, names[i]);
		object->is_filter_elsewhere = count == 0;
	} else if (pdf->last_key == KEY_SHORT_FILTER) {
		count = pdf_dict_find_names(&place, names, PDF_FILTERS);
		for (uint32_t i = 0; i < count; i++)
			pdf_add_short_filter(unpack, names[i]);
	} else if (pdf->last_key != KEY_EARLY_CHANGE && pdf_dict_find_number(&place, &number)) {
		note_parm(object, pdf->last_key, number);
		count = 1;
	}
	pdf->has_looked_up |= count > 0;
	return count > 0;
}

// "12 0 R": what the key gave was no number.
static void reference_end(struct unpack *unpack)
{
	struct pdf *pdf = &unpack->as.pdf;

	if (pdf->last_key == KEY_LENGTH)
		pdf->object.has_length = false;
	else if (pdf->last_key == KEY_ENCRYPT)
		unpack_warn(unpack, WARN_ENCRYPTED);
	else if (pdf->last_key == KEY_FILTER)
		(void)look_up(unpack);
	else if (pdf->last_key == KEY_SHORT_FILTER && pdf->depth == 1 &&
		 !pdf->object.has_long_filters)
		pdf->object.is_filter_elsewhere = !look_up(unpack);
	else if (pdf->last_key == KEY_PARMS || (pdf->object.in_parms && is_parm(pdf->last_key)))
		pdf->object.is_parms_elsewhere |= !look_up(unpack);
	pdf->last_key = KEY_OTHER;
}

// A number, of which readers take what stands before the point.
static bool is_number(const struct pdf *pdf, uint32_t *number)
{
	const char *word = pdf->word;
	const uint32_t sign = word[0] == '+';
	uint32_t i = sign;

	for (*number = 0; i < pdf->word_bytes && i < 9 + sign && is_digit((uint8_t)word[i]); i++)
		*number = *number * 10 + (uint32_t)(word[i] - '0');
	if (i == sign)
		return false;
	if (i < pdf->word_bytes && word[i] == '.')
		for (i++; i < pdf->word_bytes && is_digit((uint8_t)word[i]);)
			i++;
	return i == pdf->word_bytes;
}

// Returns true when a stream begins.
static bool word_end(struct unpack *unpack)
{
	struct pdf *pdf = &unpack->as.pdf;
	const char *word = pdf->word;
	uint32_t number = 0;

	if (is_number(pdf, &number)) {
		number_end(unpack, number);
		return false;
	}
	if (strcmp(word, "R") == 0 && pdf->numbers_count == 2) {
		reference_end(unpack);
	} else if (strcmp(word, "obj") == 0 && pdf->numbers_count == 2) {
		object_begin(unpack, pdf->numbers[0], pdf->numbers[1]);
		return false;
	} else if (strcmp(word, "stream") == 0 && unpack->kind == UNPACK_PDF &&
		   !pdf->object.is_trailer && pdf->object.has_dictionary) {
		return true;
	} else if (strcmp(word, "endstream") == 0) {
		// A stream before this may have been meant to go on until here.
		if (pdf->is_end_unsure || pdf_is_expected_end(pdf, pdf->at))
			unpack_warn(unpack, WARN_AMBIGUOUS);
	} else if (strcmp(word, "endobj") == 0 || strcmp(word, "trailer") == 0) {
		object_begin(unpack, 0, 0);
		pdf->object.is_trailer = word[0] == 't';
		pdf->object.is_inside = pdf->object.is_trailer || unpack->kind != UNPACK_PDF;
	} else if (pdf->has_key) {
		if (!is_in_dictionary(pdf) && strcmp(word, "null") == 0)
			parms_next(&pdf->object);
		value_end(pdf);
	}
	pdf->numbers_count = 0;
	return false;
}

// ---- characters --------------------------------------------------------------------------------

static void word_add(struct pdf *pdf, uint8_t c)
{
	if (pdf->word_bytes < PDF_WORD_BYTES)
		pdf->word[pdf->word_bytes++] = (char)c;
	if (pdf->word_bytes < PDF_WORD_BYTES)
		pdf->word[pdf->word_bytes] = '\0';
	else
		pdf->word[PDF_WORD_BYTES - 1] = '\0';
}

static void text_begin(struct unpack *unpack, bool is_hex, struct unpack_event *event)
{
	struct pdf *pdf = &unpack->as.pdf;
	bool is_alone =
		pdf->depth == 0 && (unpack->kind == UNPACK_PDF_OBJECTS ||
					   (!pdf->object.is_trailer && !pdf->object.has_value));

	pdf->lex = is_hex ? LEX_HEX : LEX_STRING;
	pdf_text_begin(unpack, pdf->key == KEY_SCRIPT || is_alone, event);
	value_end(pdf);
}

static void begin_token(struct unpack *unpack, uint8_t c, struct unpack_event *event)
{
	struct pdf *pdf = &unpack->as.pdf;

	pdf->lex = LEX_SPACE;
	if (is_space(c) || (is_delimiter(c) && c != '%' && !pdf->object.is_inside))
		return;
	if (c != '<' && c != '>' && c != '%' && is_delimiter(c))
		pdf->numbers_count = 0;
	pdf->word_bytes = 0;
	pdf->word[0] = '\0';
	switch (c) {
	case '/':
		pdf->lex = LEX_NAME;
		pdf->hash_digits = 0;
		break;
	case '%':
		pdf->lex = LEX_COMMENT;
		break;
	case '<':
		pdf->lex = LEX_LESS;
		break;
	case '>':
		pdf->lex = LEX_GREATER;
		break;
	case '(':
		text_begin(unpack, false, event);
		break;
	case '[':
		level_open(pdf, false);
		break;
	case ']':
		level_close(pdf);
		break;
	default:
		if (is_delimiter(c))
			break;
		pdf->lex = LEX_WORD;
		word_add(pdf, c);
	}
}

// #xx in a name is a byte.
static void name_byte(struct pdf *pdf, uint8_t c)
{
	int digit = unpack_hex_digit(c);

	if (pdf->hash_digits > 0 && digit >= 0) {
		pdf->hash = (uint8_t)(pdf->hash << 4 | digit);
		if (++pdf->hash_digits < 3)
			return;
		pdf->hash_digits = 0;
		word_add(pdf, pdf->hash);
		return;
	}
	pdf->hash_digits = 0;
	if (c == '#')
		pdf->hash_digits = 1;
	else
		word_add(pdf, c);
}

// Returns true when c was consumed.
static bool second_of_pair(struct unpack *unpack, uint8_t c, struct unpack_event *event)
{
	struct pdf *pdf = &unpack->as.pdf;
	bool is_less = pdf->lex == LEX_LESS;

	pdf->lex = LEX_SPACE;
	if (is_less && c == '<') {
		if (pdf->key == KEY_ENCRYPT)
			unpack_warn(unpack, WARN_ENCRYPTED);
		level_open(pdf, true);
		return true;
	}
	if (is_less) {
		text_begin(unpack, true, event);
		return false;
	}
	if (c == '>')
		level_close(pdf);
	else
		begin_token(unpack, c, event);
	return true;
}

static void text_byte(struct unpack *unpack, uint8_t c, struct unpack_event *event)
{
	struct pdf *pdf = &unpack->as.pdf;

	if (!pdf_text_byte(unpack, c, event))
		return;
	pdf->lex = LEX_SPACE;
	if (pdf->text.is_member)
		pdf->state = PDF_TEXT_END;
}

// "stream" behind a dictionary, with the data right behind it.
static bool is_glued_stream(const struct unpack *unpack)
{
	const struct pdf *pdf = &unpack->as.pdf;

	return pdf->word_bytes == 6 && memcmp(pdf->word, "stream", 6) == 0 && pdf->depth == 0 &&
	       unpack->kind == UNPACK_PDF && !pdf->object.is_trailer && pdf->object.has_dictionary;
}

// Returns true when c was consumed.
static bool lex_byte(struct unpack *unpack, uint8_t c, struct unpack_event *event)
{
	struct pdf *pdf = &unpack->as.pdf;
	bool is_end = is_space(c) || is_delimiter(c);

	switch (pdf->lex) {
	case LEX_SPACE:
		begin_token(unpack, c, event);
		break;
	case LEX_WORD:
		if (!is_end && !is_glued_stream(unpack)) {
			word_add(pdf, c);
			break;
		}
		pdf->lex = LEX_SPACE;
		if (word_end(unpack)) {
			pdf->state = PDF_STREAM_LINE;
			return false;
		}
		begin_token(unpack, c, event);
		break;
	case LEX_NAME:
		if (!is_end) {
			name_byte(pdf, c);
			break;
		}
		pdf->lex = LEX_SPACE;
		name_end(unpack);
		begin_token(unpack, c, event);
		break;
	case LEX_STRING:
	case LEX_HEX:
		text_byte(unpack, c, event);
		break;
	case LEX_LESS:
	case LEX_GREATER:
		return second_of_pair(unpack, c, event);
	case LEX_COMMENT:
		if (c == '\n' || c == '\r')
			pdf->lex = LEX_SPACE;
		break;
	}
	return true;
}

size_t pdf_lex_feed(
	struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct pdf *pdf = &unpack->as.pdf;
	size_t i = 0;

	while (i < n && event->type == UNPACK_NEED_INPUT && unpack->due == 0 &&
		pdf->state == PDF_OBJECTS) {
		uint8_t c = data[i];

		if (unpack->kind == UNPACK_PDF && watch(&pdf->watch, c)) {
			bool is_text = pdf->lex == LEX_STRING || pdf->lex == LEX_HEX;

			if (is_text)
				unpack_warn(unpack, WARN_AMBIGUOUS);
			object_begin(unpack, pdf->watch.numbers[0], pdf->watch.numbers[1]);
			if (is_text && pdf->text.is_member) {
				pdf_text_finish(unpack, event);
				pdf->state = PDF_TEXT_END;
			}
			continue;
		}
		pdf->at = unpack->offset + i;
		i += lex_byte(unpack, c, event) ? 1 : 0;
	}
	return i;
}
