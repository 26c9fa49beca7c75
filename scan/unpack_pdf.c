// SPDX-License-Identifier: BSD-3-Clause
// PDF (ISO 32000-1): its streams, as they stand, and the strings that hold scripts.
//
// A stream that is not packed goes to where its /Length says. Where that is an object elsewhere, is
// missing or leads to another place than "endstream", it goes to this word, as packed ones do. Readers
// find objects by a table, so one may also stand where others see a part of a stream: what follows packed
// data that has come to its end is searched for objects; where one may be hidden otherwise the archive
// is ambiguous, unless the stream is a PDF itself and what is in it is seen anyway.
#include "scan/unpack_state.h"

#include <stdio.h>
#include <string.h>

// An end is where it should be when it is not farther away: the word and some line ends.
#define NEAR_BYTES 24

static const uint8_t end_word[] = "endstream";
#define END_BYTES (sizeof(end_word) - 1)
#define LINE_END_BYTES 2
// Searched at a time: as much as the filters take.
#define WINDOW_BYTES 4096

bool pdf_is_header(const uint8_t *data, size_t n)
{
	return unpack_has_word(data, n, "%PDF-");
}

bool pdf_is_stepping(const struct unpack *unpack)
{
	const struct pdf *pdf = &unpack->as.pdf;

	return pdf->state == PDF_TEXT_END || pdf->state == PDF_DRAIN ||
	       pdf->stream.hold_at < pdf->stream.hold_bytes || pdf->stream.is_ending ||
	       chain_is_stepping(unpack);
}

// ---- beginning and end -------------------------------------------------------------------------

static void stream_begin(struct unpack *unpack, struct unpack_event *event)
{
	struct pdf *pdf = &unpack->as.pdf;
	struct pdf_object *object = &pdf->object;
	char name[40];
	int bytes = snprintf(name, sizeof(name), "%u %u obj", object->number, object->generation);

	pdf->stream = (struct pdf_stream){.taken = 0};
	pdf->state = PDF_STREAM;
	// What they are is told elsewhere: most are this.
	if (object->is_filter_elsewhere && object->filters == 0)
		object->filter[object->filters++] = CODEC_ZLIB;
	if (object->is_too_long || (pdf->whole == NULL && object->filters > PDF_FILTERS_PASSING) ||
		(pdf->has_looked_up && pdf->has_first))
		unpack_warn(unpack, WARN_METHOD);
	if (!chain_begin(unpack))
		chain_end(unpack);
	unpack_name_begin(unpack);
	unpack_name_add(unpack, (const uint8_t *)name, (size_t)bytes);
	unpack_member_begin(unpack, event);
	event->kind = object->is_objects ? UNPACK_PDF_OBJECTS : UNPACK_NONE;
}

// Whether data of zlib's form (RFC 1950), which has no dictionary here, may begin with these.
static bool is_zlib(uint8_t first, uint8_t second)
{
	return (first & 15) == 8 && first >> 4 < 8 && (second & 32) == 0 &&
	       ((unsigned int)first << 8 | second) % 31 == 0;
}

static bool has_zlib(const struct pdf *pdf)
{
	const struct pdf_object *object = &pdf->object;

	return pdf->key_of_all == NULL && (object->filters > 0 ? object->filter[0] == CODEC_ZLIB
							       : object->is_filter_elsewhere);
}

// A byte behind "stream" that is neither a blank nor a line end. Packed data may begin right there; what else it is
// readers skip with the rest of the line. Returns whether the stream begins.
static bool junk_take(struct unpack *unpack, uint8_t byte, struct unpack_event *event)
{
	struct pdf_stream *stream = &unpack->as.pdf.stream;
	uint8_t first = stream->hold[0];

	if (stream->junk == 0)
		stream->hold[0] = byte;
	if (stream->junk == 1 && is_zlib(first, byte)) {
		stream_begin(unpack, event);
		stream->hold[0] = first;
		stream->hold[1] = byte;
		stream->hold_bytes = 2;
		return true;
	}
	if (stream->junk < 2)
		stream->junk++;
	return false;
}

// "stream", blanks, a line end: CR LF or LF, a CR alone from some.
static size_t line_feed(
	struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct pdf *pdf = &unpack->as.pdf;
	size_t i;

	for (i = 0; i < n; i++) {
		const bool was_return = pdf->stream.eol != 0;
		const bool is_blank = data[i] == ' ' || data[i] == '\t';

		if (data[i] == '\n') {
			i++;
			break;
		}
		if (was_return)
			break;
		if (data[i] == '\r') {
			pdf->stream.eol = 1;
		} else if (pdf->stream.junk > 0 || (!is_blank && has_zlib(pdf))) {
			if (junk_take(unpack, data[i], event))
				return i + 1;
		} else if (!is_blank) {
			break;
		}
	}
	if (i == n && (n == 0 || data[n - 1] != '\n'))
		return n;
	stream_begin(unpack, event);
	return i;
}

// Whether another stream was to end here.
bool pdf_is_expected_end(const struct pdf *pdf, uint64_t at)
{
	return pdf->expected_end != 0 && at + NEAR_BYTES > pdf->expected_end &&
	       at < pdf->expected_end + NEAR_BYTES;
}

// Its packed data is whole, the word that ends it was read, or the file is over.
static void stream_end(struct unpack *unpack, bool is_whole)
{
	struct pdf *pdf = &unpack->as.pdf;
	struct pdf_stream *stream = &pdf->stream;

	if (stream->is_hidden && !stream->is_pdf)
		unpack_warn(unpack, WARN_AMBIGUOUS);
	if (pdf_is_expected_end(pdf, unpack->offset))
		unpack_warn(unpack, WARN_AMBIGUOUS);
	pdf->is_end_unsure = false;
	if (!is_whole && !pdf->object.has_length)
		pdf->is_end_unsure = !stream->is_pdf;
	else if (!is_whole && stream->taken + 2 < pdf->object.length)
		pdf->expected_end = unpack->offset + pdf->object.length - stream->taken;
	stream->hold_bytes = 0;
	stream->hold_at = 0;
	stream->eol = 0;
	stream->matched = 0;
	stream->is_ending = false;
	pdf->end_matched = 0;
	pdf->state = PDF_DRAIN;
}

// Filters that are told elsewhere, and are not the one that was tried.
static void check_guess(struct unpack *unpack)
{
	const struct pdf *pdf = &unpack->as.pdf;
	bool is_jpeg = memcmp(pdf->stream.head, "\xff\xd8\xff", 3) == 0;

	if (pdf->object.is_filter_elsewhere && pdf->chain.count > 0 && unpack->codec.out == 0 &&
		pdf->stream.head_bytes > 0 && !is_jpeg)
		unpack_warn(unpack, WARN_METHOD);
}

static void drain(struct unpack *unpack, struct unpack_event *event)
{
	struct pdf *pdf = &unpack->as.pdf;

	if (chain_is_stepping(unpack)) {
		(void)chain_feed(unpack, unpack->out, 0, event);
		return;
	}
	if (!pdf->stream.is_finished) {
		pdf->stream.is_finished = true;
		chain_finish(unpack, event);
		return;
	}
	check_guess(unpack);
	chain_end(unpack);
	unpack_member_end(unpack, event);
	pdf->object = (struct pdf_object){.is_inside = false};
	pdf->depth = 0;
	pdf->watch.state = 0;
	pdf->lex = LEX_SPACE;
	pdf->state = PDF_OBJECTS;
}

// ---- what is in it -----------------------------------------------------------------------------

// A byte of what was just taken, or before it: i counts from the first of data.
static uint8_t byte_at(const struct pdf_stream *stream, const uint8_t *data, ptrdiff_t i)
{
	if (i >= 0)
		return data[i];
	i += stream->tail_bytes;
	return i >= 0 ? stream->tail[i] : 0;
}

static bool has_before(const struct pdf_stream *stream, const uint8_t *data, ptrdiff_t end,
	const char *word, ptrdiff_t bytes)
{
	for (ptrdiff_t i = 0; i < bytes; i++)
		if (byte_at(stream, data, end - bytes + i) != (uint8_t)word[i])
			return false;
	return true;
}

// Whether "stream" stands behind a dictionary, up to four blanks between them.
static bool is_after_dictionary(const struct pdf_stream *stream, const uint8_t *data, ptrdiff_t end)
{
	for (int i = 0; i < 4 && strchr(" \t\r\n", byte_at(stream, data, end - 1)) != NULL; i++)
		end--;
	return has_before(stream, data, end, ">>", 2);
}

// In bytes that are not packed: a stream of an object that is hidden there.
static void watch_words(struct pdf_stream *stream, const uint8_t *data, size_t n)
{
	const uint8_t *at = data;
	size_t keep = sizeof(stream->tail);
	uint8_t tail[sizeof(stream->tail)] = {0};

	while (!stream->is_hidden && (at = memchr(at, 'm', n - (size_t)(at - data))) != NULL) {
		ptrdiff_t i = at++ - data;

		stream->is_hidden = has_before(stream, data, i, "strea", 5) &&
				    is_after_dictionary(stream, data, i - 5);
	}
	if (keep > n + stream->tail_bytes)
		keep = n + stream->tail_bytes;
	for (size_t i = 0; i < keep; i++)
		tail[i] = byte_at(stream, data, (ptrdiff_t)n - (ptrdiff_t)keep + (ptrdiff_t)i);
	memcpy(stream->tail, tail, keep);
	stream->tail_bytes = (uint8_t)keep;
}

// Gives bytes of the stream to its filters. Returns how many were taken.
static size_t give(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct pdf_stream *stream = &unpack->as.pdf.stream;
	size_t used = chain_feed(unpack, data, n, event);

	for (size_t i = 0; i < used && stream->head_bytes < sizeof(stream->head); i++)
		stream->head[stream->head_bytes++] = data[i];
	stream->taken += used;
	if (unpack->as.pdf.chain.count > 0)
		return used;
	watch_words(stream, data, used);
	stream->is_pdf = memcmp(stream->head, "%PDF-", 5) == 0;
	return used;
}

// ---- the word that ends it ---------------------------------------------------------------------

// Whether so few bytes are, or may become, a line end and the word.
static bool may_end(const uint8_t *data, size_t n)
{
	size_t i = 0;

	if (i < n && data[i] == '\r')
		i++;
	if (i < n && data[i] == '\n')
		i++;
	return n - i <= END_BYTES && memcmp(data + i, end_word, n - i) == 0;
}

// So many first bytes are neither the word nor the line end before it.
static size_t data_bytes(const uint8_t *data, size_t n)
{
	const uint8_t *word = memmem(data, n, end_word, END_BYTES);
	size_t held = END_BYTES + LINE_END_BYTES;

	if (word != NULL) {
		size_t at = (size_t)(word - data);

		if (at > 0 && data[at - 1] == '\n')
			at--;
		if (at > 0 && data[at - 1] == '\r')
			at--;
		return at;
	}
	held = held < n ? held : n;
	while (held > 0 && !may_end(data + n - held, held))
		held--;
	return n - held;
}

// What was held back is data after all, but for its last keep bytes.
static void release(struct pdf_stream *stream, uint8_t keep)
{
	uint8_t n = 0;

	if ((stream->eol & 1) != 0)
		stream->hold[n++] = '\r';
	if ((stream->eol & 2) != 0)
		stream->hold[n++] = '\n';
	memcpy(stream->hold + n, end_word, stream->matched);
	stream->hold_bytes = (uint8_t)(n + stream->matched - keep);
	stream->hold_at = 0;
	stream->eol = 0;
	stream->matched = keep;
}

// How many bytes of the line end before the word are the last ones of encrypted data. Any byte may be
// that; where the length stands elsewhere, AES has whole blocks.
static uint8_t missing_bytes(const struct unpack *unpack)
{
	const struct pdf *pdf = &unpack->as.pdf;
	const struct pdf_stream *stream = &pdf->stream;
	uint8_t most = stream->eol == 3 ? 2 : stream->eol != 0;
	uint64_t want = pdf->object.has_length ? pdf->object.length : 0;

	if (pdf->chain.count == 0 || unpack->codec.kind != CODEC_CRYPT)
		return 0;
	if (!pdf->object.has_length && pdf->stream_crypt->method != CRYPT_RC4)
		want = (stream->taken + CRYPT_BLOCK - 1) / CRYPT_BLOCK * CRYPT_BLOCK;
	return want > stream->taken && want - stream->taken <= most
		       ? (uint8_t)(want - stream->taken)
		       : 0;
}

static void word_end(struct unpack *unpack)
{
	struct pdf_stream *stream = &unpack->as.pdf.stream;
	uint8_t missing = missing_bytes(unpack);

	if (missing == 0) {
		stream_end(unpack, false);
		return;
	}
	stream->hold[0] = (stream->eol & 1) != 0 ? '\r' : '\n';
	stream->hold[1] = '\n';
	stream->hold_bytes = missing;
	stream->hold_at = 0;
	stream->eol = 0;
	stream->matched = 0;
	stream->is_ending = true;
}

// A byte that may belong to the end. Returns true when it was taken.
static bool end_byte(struct unpack *unpack, uint8_t c)
{
	struct pdf_stream *stream = &unpack->as.pdf.stream;

	if (c == end_word[stream->matched]) {
		if (++stream->matched == END_BYTES)
			word_end(unpack);
		return true;
	}
	if (stream->matched == 0 && c == '\n' && (stream->eol & 2) == 0) {
		stream->eol |= 2;
		return true;
	}
	if (stream->matched == 0 && c == '\r' && stream->eol == 0) {
		stream->eol = 1;
		return true;
	}
	// "endstre" ends with what the word begins with.
	release(stream, stream->matched == 7 ? 1 : 0);
	return false;
}

static size_t search_feed(
	struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct pdf_stream *stream = &unpack->as.pdf.stream;
	size_t bytes;

	if (stream->eol == 0 && stream->matched == 0) {
		n = n < WINDOW_BYTES ? n : WINDOW_BYTES;
		bytes = data_bytes(data, n);
		if (bytes > 0)
			return give(unpack, data, bytes, event);
	}
	return n > 0 && end_byte(unpack, data[0]) ? 1 : 0;
}

static size_t stream_feed(
	struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	struct pdf *pdf = &unpack->as.pdf;
	struct pdf_stream *stream = &pdf->stream;
	const struct pdf_object *object = &pdf->object;
	uint64_t left;

	if (stream->hold_at < stream->hold_bytes) {
		stream->hold_at =
			(uint8_t)(stream->hold_at +
				  give(unpack, stream->hold + stream->hold_at,
					  (size_t)stream->hold_bytes - stream->hold_at, event));
		return 0;
	}
	if (stream->is_ending) {
		stream_end(unpack, false);
		return 0;
	}
	if (chain_is_stepping(unpack)) {
		(void)chain_feed(unpack, data, 0, event);
		return 0;
	}
	if (pdf->chain.count > 0 && pdf->chain.stages[0].is_over) {
		stream_end(unpack, true);
		return 0;
	}
	if (pdf->chain.count == 0 && object->has_length && stream->taken < object->length) {
		left = object->length - stream->taken;
		return give(unpack, data, n < left ? n : (size_t)left, event);
	}
	return search_feed(unpack, data, n, event);
}

static void text_end(struct unpack *unpack, struct unpack_event *event)
{
	pdf_text_finish(unpack, event);
	if (event->type != UNPACK_NEED_INPUT)
		return;
	unpack_member_end(unpack, event);
	unpack->as.pdf.state = PDF_OBJECTS;
}

// Up to the end of the next word that would end a stream, or n; matched goes on with it, or is END_BYTES.
static size_t end_word_find(const uint8_t *data, size_t n, uint8_t *matched)
{
	size_t i = 0;

	while (i < n && *matched < END_BYTES) {
		uint8_t c = data[i++];

		if (c == end_word[*matched])
			++*matched;
		else if (*matched == 7 && c == end_word[1])
			*matched = 2; // as in release
		else
			*matched = c == end_word[0];
	}
	return i;
}

static size_t feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	switch (unpack->as.pdf.state) {
	case PDF_OBJECTS:
		return pdf_lex_feed(unpack, data, n, event);
	case PDF_STREAM_LINE:
		return line_feed(unpack, data, n, event);
	case PDF_STREAM:
		return stream_feed(unpack, data, n, event);
	case PDF_DRAIN:
		drain(unpack, event);
		return 0;
	case PDF_TEXT_END:
		text_end(unpack, event);
		return 0;
	}
	return n;
}

// Where a stream ended before the place that it may have been meant to reach, the word that ends one is
// looked for whatever it seems to be part of: a string that is never closed would cover it.
static size_t feed_watched(struct unpack *unpack, const uint8_t *data, size_t n,
	struct unpack_event *event, bool is_unsure)
{
	struct pdf *pdf = &unpack->as.pdf;
	uint8_t before = pdf->end_matched;
	uint8_t matched = before;
	// No further than the word: what is told comes at its place among the members, however the data is cut.
	size_t wanted = end_word_find(data, n, &matched);
	size_t used = feed(unpack, data, wanted, event);

	if (pdf->state == PDF_DRAIN) // a stream has ended, and what is looked for begins anew
		return used;
	if (used < wanted) {
		matched = before;
		(void)end_word_find(data, used, &matched);
	}
	pdf->end_matched = matched % END_BYTES;
	if (matched == END_BYTES &&
		(is_unsure || pdf_is_expected_end(pdf, unpack->offset + used - 1)))
		unpack_warn(unpack, WARN_AMBIGUOUS);
	return used;
}

size_t pdf_feed(struct unpack *unpack, const uint8_t *data, size_t n, struct unpack_event *event)
{
	const struct pdf *pdf = &unpack->as.pdf;
	bool is_unsure = pdf->state == PDF_OBJECTS && pdf->is_end_unsure;

	if (is_unsure || pdf->expected_end != 0)
		return feed_watched(unpack, data, n, event, is_unsure);
	return feed(unpack, data, n, event);
}

bool pdf_finish(struct unpack *unpack, struct unpack_event *event)
{
	struct pdf *pdf = &unpack->as.pdf;
	bool is_text = (pdf->lex == LEX_STRING || pdf->lex == LEX_HEX) && unpack->is_open;

	switch (pdf->state) {
	case PDF_OBJECTS:
		if (is_text)
			pdf->state = PDF_TEXT_END;
		return is_text;
	case PDF_STREAM_LINE:
		return false;
	case PDF_STREAM:
		if (pdf->stream.eol != 0 || pdf->stream.matched != 0)
			release(&pdf->stream, 0);
		else if (pdf_is_stepping(unpack))
			(void)stream_feed(unpack, unpack->out, 0, event);
		else
			stream_end(unpack, false);
		return true;
	case PDF_DRAIN:
	case PDF_TEXT_END:
		(void)pdf_feed(unpack, unpack->out, 0, event);
		return true;
	}
	return false;
}
