// SPDX-License-Identifier: BSD-3-Clause
#define PCRE2_CODE_UNIT_WIDTH 8
#include "scan/match_regex.h"

#include "scan/match_regex_need.h"
#include "scan/match_regex_start.h"
#include "scan/match_regex_sweep.h"

#include <pcre2.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define MATCH_LIMIT 200000 // steps of one search
#define HEAP_KIB 16384
#define MAX_COUNT 100000 // of matches of one expression
#define MAX_STARTS 64    // at which an expression is tried by itself, in one search

#define NO_WORD UINT32_MAX
#define MOST_PLACES 16u

// A word that expressions need, and where it stands in the object that it was last looked for in.
struct word {
	struct regex_start start;
	uint32_t object;
	uint32_t count; // of the places that are noted
	bool has_more;
	uint64_t places[MOST_PLACES];
};

// What is searched, of an object from some byte on.
struct subject {
	PCRE2_SPTR data;
	PCRE2_SIZE n;
	uint64_t from;
};

struct need {
	uint32_t word; // NO_WORD: none is known
	uint32_t before;
};

struct match_regexes {
	const struct ruleset *ruleset;
	pcre2_code **codes;
	struct regex_start *starts;
	struct need *needs;
	struct word *words; // that some expression needs
	uint32_t words_count;
	struct regex_sweeps *sweeps;
	uint32_t object; // that is being decided, by number
	pcre2_match_data *data;
	pcre2_match_context *context;
};

static uint32_t options_of(const char *letters)
{
	uint32_t options = PCRE2_NEVER_UTF | PCRE2_NEVER_UCP;

	for (; *letters != '\0'; letters++) {
		switch (*letters) {
		case 'i':
			options |= PCRE2_CASELESS;
			break;
		case 's':
			options |= PCRE2_DOTALL;
			break;
		case 'm':
			options |= PCRE2_MULTILINE;
			break;
		case 'x':
			options |= PCRE2_EXTENDED;
			break;
		case 'A':
			options |= PCRE2_ANCHORED;
			break;
		case 'E':
			options |= PCRE2_DOLLAR_ENDONLY;
			break;
		case 'U':
			options |= PCRE2_UNGREEDY;
			break;
		default:
			break;
		}
	}
	return options;
}

static pcre2_code *compile(const char *text, uint32_t options, int *error)
{
	PCRE2_SIZE at;

	return pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, options, error, &at, NULL);
}

void match_regex_validate(const char *text, const char *letters, char *reason, size_t bytes)
{
	static const char prefix[] = "PCRE2 refuses the regular expression: ";
	int error = 0;
	pcre2_code *code = compile(text, options_of(letters), &error);
	PCRE2_UCHAR message[120] = "";

	reason[0] = '\0';
	if (code == NULL) {
		(void)pcre2_get_error_message(error, message, sizeof(message));
		(void)snprintf(reason, bytes, "%s%s", prefix, (const char *)message);
	}
	pcre2_code_free(code);
}

static bool is_same_word(const struct regex_start *a, const struct regex_start *b)
{
	return a->words[0].value == b->words[0].value && a->words[0].mask == b->words[0].mask &&
	       a->words[0].bytes == b->words[0].bytes;
}

static struct need note_need(struct match_regexes *regexes, const char *text, const char *letters)
{
	struct regex_need need;
	uint32_t i = 0;

	regex_need_read(text, letters, &need);
	if (need.bytes == 0)
		return (struct need){NO_WORD, REGEX_NEED_ANY};
	while (i < regexes->words_count && !is_same_word(&regexes->words[i].start, &need.word))
		i++;
	if (i == regexes->words_count)
		regexes->words[regexes->words_count++] = (struct word){.start = need.word};
	return (struct need){i, need.before};
}

static void prepare(struct match_regexes *regexes, uint32_t number)
{
	const struct ruleset *ruleset = regexes->ruleset;
	const char *text = ruleset->strings + ruleset->regexes[number].text;
	const char *letters = ruleset->strings + ruleset->regexes[number].letters;
	uint32_t options = options_of(letters);
	int error;

	regex_start_read(text, letters, &regexes->starts[number]);
	regexes->needs[number] = note_need(regexes, text, letters);
	if (regexes->starts[number].count == 0 && regexes->needs[number].before != REGEX_NEED_ANY)
		options |= PCRE2_USE_OFFSET_LIMIT;
	regexes->codes[number] = compile(text, options, &error);
	if (regexes->codes[number] != NULL)
		(void)pcre2_jit_compile(regexes->codes[number], PCRE2_JIT_COMPLETE);
}

int match_regexes_new(const struct ruleset *ruleset, struct match_regexes **out)
{
	struct match_regexes *regexes = calloc(1, sizeof(*regexes));

	if (regexes == NULL)
		return -ENOMEM;
	regexes->ruleset = ruleset;
	regexes->codes = calloc(ruleset->regexes_count + 1, sizeof(pcre2_code *));
	regexes->starts = calloc(ruleset->regexes_count + 1, sizeof(struct regex_start));
	regexes->needs = calloc(ruleset->regexes_count + 1, sizeof(struct need));
	regexes->words = calloc(ruleset->regexes_count + 1, sizeof(struct word));
	regexes->sweeps = calloc(1, sizeof(*regexes->sweeps));
	regexes->data = pcre2_match_data_create(1, NULL);
	regexes->context = pcre2_match_context_create(NULL);
	if (regexes->codes == NULL || regexes->starts == NULL || regexes->needs == NULL ||
		regexes->words == NULL || regexes->sweeps == NULL || regexes->data == NULL ||
		regexes->context == NULL) {
		match_regexes_free(regexes);
		return -ENOMEM;
	}
	(void)pcre2_set_match_limit(regexes->context, MATCH_LIMIT);
	(void)pcre2_set_heap_limit(regexes->context, HEAP_KIB);
	for (uint32_t i = 0; i < ruleset->regexes_count; i++)
		prepare(regexes, i);
	*out = regexes;
	return 0;
}

void match_regexes_free(struct match_regexes *regexes)
{
	if (regexes == NULL)
		return;
	for (uint32_t i = 0; regexes->codes != NULL && i < regexes->ruleset->regexes_count; i++)
		pcre2_code_free(regexes->codes[i]);
	pcre2_match_context_free(regexes->context);
	pcre2_match_data_free(regexes->data);
	free(regexes->codes);
	free(regexes->starts);
	free(regexes->needs);
	free(regexes->words);
	free(regexes->sweeps);
	free(regexes);
}

// Where in the object is to be searched.
struct range {
	uint64_t from;
	uint64_t to;
	uint64_t shift; // what begins so much behind it does not count, 0: it does
	uint32_t options;
};

// Where in an executable file the offset is. False: nowhere.
static bool find_place(
	const struct ruleset_regex *regex, const struct executable *file, uint64_t *from)
{
	uint32_t section = regex->section;

	if (file == NULL)
		return false;
	if (regex->offset_from == RULESET_OFFSET_ENTRY) {
		*from = (regex->flags & RULESET_REGEX_BEFORE) != 0
				? (uint64_t)file->entry_point - regex->offset
				: (uint64_t)file->entry_point + regex->offset;
		return file->has_entry_point;
	}
	if (regex->offset_from == RULESET_OFFSET_LAST_SECTION)
		section = file->sections_count - 1; // none: more than there are
	if (section >= file->sections_count)
		return false;
	*from = (uint64_t)file->sections[section].offset + regex->offset;
	return true;
}

static bool find_range(const struct ruleset_regex *regex, const struct match_regex_object *object,
	struct range *out)
{
	const uint64_t bytes = object->bytes;
	uint64_t shift = regex->shift;

	*out = (struct range){0, bytes, 0, 0};
	if (regex->offset_from == RULESET_OFFSET_ANY)
		return true;
	out->from = regex->offset;
	if (regex->offset_from == RULESET_OFFSET_END) {
		if (bytes < regex->offset)
			return false;
		out->from = bytes - regex->offset;
	} else if (regex->offset_from >= RULESET_OFFSET_ENTRY &&
		   !find_place(regex, object->executable, &out->from)) {
		return false;
	}
	if (out->from >= bytes)
		return false;
	if (regex->offset_from == RULESET_OFFSET_IN_SECTION)
		shift += object->executable->sections[regex->section].bytes;
	// ClamAV takes no notice of a shift of nothing.
	if ((regex->flags & RULESET_REGEX_ENCLOSED) == 0)
		out->shift = shift;
	else if (shift != 0 && shift < bytes - out->from)
		out->to = out->from + shift;
	if ((regex->flags & RULESET_REGEX_ROLLING) == 0 && shift == 0)
		out->options = PCRE2_ANCHORED;
	return true;
}

// What machine code of an expression gives up, for its stack is small, is searched for without it.
static int match(const struct match_regexes *regexes, uint32_t number,
	const struct subject *subject, PCRE2_SIZE at, uint32_t options)
{
	int found = pcre2_match(regexes->codes[number], subject->data, subject->n, at, options,
		regexes->data, regexes->context);

	if (found >= 0 || found == PCRE2_ERROR_NOMATCH)
		return found;
	return pcre2_match(regexes->codes[number], subject->data, subject->n, at,
		options | PCRE2_NO_JIT, regexes->data, regexes->context);
}

// The first place of the word in the subject, not before at; its length: none.
static PCRE2_SIZE next_place(const struct word *word, const struct subject *subject, PCRE2_SIZE at)
{
	if (word->has_more)
		return regex_start_find(&word->start, subject->data, subject->n, at);
	for (uint32_t i = 0; i < word->count; i++)
		if (word->places[i] >= subject->from + at)
			return word->places[i] + word->start.words[0].bytes <=
					       subject->from + subject->n
				       ? (PCRE2_SIZE)(word->places[i] - subject->from)
				       : subject->n;
	return subject->n;
}

// Where it is known how far before a word of it a match begins, it is tried there. What has that too often is left to
// PCRE2, so that the limit of steps is one of all.
static int search_near(const struct match_regexes *regexes, uint32_t number,
	const struct subject *subject, PCRE2_SIZE at, uint32_t options)
{
	const struct need *need = &regexes->needs[number];

	for (unsigned int tries = 0; tries < MAX_STARTS; tries++) {
		const PCRE2_SIZE place = next_place(&regexes->words[need->word], subject, at);
		int found;

		if (place == subject->n)
			return PCRE2_ERROR_NOMATCH;
		if (place - at > need->before)
			at = place - need->before;
		(void)pcre2_set_offset_limit(regexes->context, place);
		found = match(regexes, number, subject, at, options);
		(void)pcre2_set_offset_limit(regexes->context, PCRE2_UNSET);
		if (found != PCRE2_ERROR_NOMATCH)
			return found;
		at = place + 1;
	}
	return match(regexes, number, subject, at, options);
}

// The same where it is known what an expression begins with.
static int search_starts(const struct match_regexes *regexes, uint32_t number,
	const struct subject *subject, PCRE2_SIZE at, uint32_t options)
{
	for (unsigned int tries = 0; tries < MAX_STARTS; tries++, at++) {
		int found;

		at = regex_start_find(&regexes->starts[number], subject->data, subject->n, at);
		if (at == subject->n)
			return PCRE2_ERROR_NOMATCH;
		found = match(regexes, number, subject, at, options | PCRE2_ANCHORED);
		if (found != PCRE2_ERROR_NOMATCH)
			return found;
	}
	return match(regexes, number, subject, at, options);
}

static int search(const struct match_regexes *regexes, uint32_t number,
	const struct subject *subject, PCRE2_SIZE at, uint32_t options)
{
	if ((options & PCRE2_ANCHORED) != 0)
		return match(regexes, number, subject, at, options);
	if (regexes->starts[number].count > 0)
		return search_starts(regexes, number, subject, at, options);
	if (regexes->needs[number].before != REGEX_NEED_ANY)
		return search_near(regexes, number, subject, at, options);
	return match(regexes, number, subject, at, options);
}

// Whether one of the words stands there. The copy need not be joined for that.
static bool has_word(
	const struct regex_start *start, const struct capture *capture, uint64_t from, uint64_t to)
{
	const uint8_t *data = NULL;
	size_t n;

	for (uint64_t at = from; at < to && (n = capture_piece(capture, at, &data)) > 0; at += n) {
		uint8_t seam[2 * REGEX_START_MOST - 2];
		size_t left;

		n = n < to - at ? n : (size_t)(to - at);
		left = n < REGEX_START_MOST - 1 ? n : REGEX_START_MOST - 1;
		if (regex_start_find(start, data, n, 0) < n)
			return true;
		left = capture_read(capture, at + n - left, seam, sizeof(seam));
		if (regex_start_find(start, seam, left, 0) < left)
			return true;
	}
	return false;
}

// Notes the first places in so many bytes, which begin there in the object.
static void note_places(struct word *word, const uint8_t *data, size_t n, uint64_t from)
{
	size_t at = regex_start_find(&word->start, data, n, 0);

	for (; at < n && !word->has_more; at = regex_start_find(&word->start, data, n, at + 1)) {
		if (word->count < MOST_PLACES)
			word->places[word->count++] = from + at;
		else
			word->has_more = true;
	}
}

// Of a word that two pieces of the copy share each has less than all.
static void find_places(struct word *word, const struct capture *capture, uint64_t from)
{
	const size_t rest = word->start.words[0].bytes - 1u;
	const uint8_t *data = NULL;
	size_t n;

	for (uint64_t at = from; (n = capture_piece(capture, at, &data)) > 0; at += n) {
		uint8_t seam[2 * REGEX_START_MOST];
		const size_t left = rest < n ? rest : n;

		note_places(word, data, n, at - from);
		note_places(word, seam, capture_read(capture, at + n - left, seam, left + rest),
			at + n - left - from);
	}
}

static bool may_have(const struct match_regexes *regexes, const struct regex_start *start,
	const struct match_regex_object *object)
{
	return regex_sweep_may_have(
		regexes->sweeps, start, regexes->object, &object->copy->capture, object->from);
}

// Whether what the expression needs stands in the object, in which it is looked for once.
static bool has_need(const struct match_regexes *regexes, uint32_t number,
	const struct match_regex_object *object)
{
	struct word *word;

	if (regexes->needs[number].word == NO_WORD)
		return true;
	word = &regexes->words[regexes->needs[number].word];
	if (word->object != regexes->object) {
		word->count = 0;
		word->has_more = false;
		if (may_have(regexes, &word->start, object))
			find_places(word, &object->copy->capture, object->from);
	}
	word->object = regexes->object;
	return word->count > 0;
}

void match_regexes_begin(struct match_regexes *regexes)
{
	if (++regexes->object != 0)
		return;
	regex_sweep_forget(regexes->sweeps);
	for (uint32_t i = 0; i < regexes->words_count; i++)
		regexes->words[i].object = 0;
	regexes->object = 1;
}

uint32_t match_regex_count(const struct match_regexes *regexes, uint32_t number,
	const struct match_regex_object *object, bool *partial)
{
	const struct match_copy *copy = object->copy;
	const struct ruleset_regex *regex = &regexes->ruleset->regexes[number];
	uint64_t at_hand = copy->bytes > object->from ? copy->bytes - object->from : 0;
	const struct regex_start *start = &regexes->starts[number];
	struct subject subject;
	PCRE2_SIZE at = 0;
	struct range range;
	uint32_t count = 0;
	int found = PCRE2_ERROR_NOMATCH;

	if (regexes->codes[number] == NULL || !find_range(regex, object, &range))
		return 0;
	if (range.to > at_hand)
		range.to = at_hand;
	if (!has_need(regexes, number, object) ||
		(start->count > 0 && (range.options & PCRE2_ANCHORED) == 0 &&
			!(may_have(regexes, start, object) &&
				has_word(start, &copy->capture, object->from + range.from,
					object->from + range.to)))) {
		*partial = *partial || copy->truncated;
		return 0;
	}
	subject.data = match_copy_join(copy) + (copy->bytes - at_hand) + range.from;
	subject.n = (PCRE2_SIZE)(range.to - range.from);
	subject.from = range.from;
	while (range.from <= range.to && at <= subject.n && count < MAX_COUNT) {
		const PCRE2_SIZE *places;

		found = search(regexes, number, &subject, at, range.options);
		if (found < 0)
			break;
		places = pcre2_get_ovector_pointer(regexes->data);
		if (range.shift != 0 && places[0] > range.shift) {
			found = PCRE2_ERROR_NOMATCH;
			break;
		}
		count++;
		at = places[1] > at ? places[1] : at + 1;
		if ((regex->flags & RULESET_REGEX_ALL) == 0)
			break;
	}
	if (count == 0 && (copy->truncated || (found < 0 && found != PCRE2_ERROR_NOMATCH)))
		*partial = true;
	return count;
}
