// SPDX-License-Identifier: BSD-3-Clause
#include "scan/normalise_html.h"

#include "scan/normalise_html_state.h"

#include <assert.h>
#include <string.h>

// ClamAV reads a page in chunks of so many bytes, cut behind white space where it can, and skips the
// white space that a chunk begins with.
#define CHUNK_BYTES 8191
// So many bytes are looked at for the end of a tag that waits.
#define TAIL_REST 512

static void put_space(struct normalise_html *html, struct normalise_html_out *out)
{
	if (html->after_space)
		return;
	html_put_text(out, ' ');
	html->after_space = true;
}

// ---- text --------------------------------------------------------------------------------------

static void plain_text(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte)
{
	uint8_t lowered = html_lower(byte);

	if (html->in_script) {
		html_put_page(out, lowered == '\'' ? '"' : lowered);
		return;
	}
	html_put_page(out, lowered);
	if (byte < 0x20) {
		put_space(html, out);
	} else {
		html_put_text(out, lowered);
		html->after_space = false;
	}
}

static bool on_text(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte)
{
	bool is_space = html_is_blank(byte);

	if ((byte == '<' || is_space || byte == '&') && !html->in_script)
		put_space(html, out);
	if (byte == '<') {
		html_put_page(out, '<');
		html->tag_bytes = 0;
		html_skip_to(html, HTML_TAG);
	} else if (is_space) {
		html->next = HTML_TEXT;
		html_go(html, HTML_TRIM_BLANKS);
		return false;
	} else if (byte == '&') {
		html_begin_ref(html, HTML_TEXT);
	} else if (byte >= 0x80) {
		html->wide = byte;
		html_go(html, HTML_WIDE);
	} else {
		plain_text(html, out, byte);
	}
	return true;
}

static bool on_wide(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte)
{
	uint32_t wide = html->wide;

	if (byte >= 0x80 && wide < 0x10000) {
		html->wide = wide << 8 | byte;
		return true;
	}
	html->wide = 0;
	if (html_is_dot(wide, byte)) {
		html_put_page(out, '.');
		html_put_text(out, '.');
		if (wide == 0xa1)
			return true; // and on in this state
	} else {
		if (wide >= 0x10000) {
			html_put_page(out, (uint8_t)(wide >> 16));
			html_put_text(out, (uint8_t)(wide >> 16));
		}
		if (wide >= 0x100) {
			html_put_page(out, (uint8_t)(wide >> 8));
			html_put_text(out, (uint8_t)(wide >> 8));
		}
		// The last byte of the text is the one before it: so it is in ClamAV's.
		html_put_page(out, (uint8_t)wide);
		html_put_text(out, (uint8_t)(wide >> 8));
	}
	html_go(html, HTML_TEXT);
	return false;
}

static bool on_comment(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte)
{
	if (html->in_script && !html_is_blank(byte))
		html_put_page(out, byte == '\'' ? '"' : html_lower(byte));
	if (byte == '>')
		html_skip_to(html, HTML_TEXT);
	return true;
}

static bool on_blanks(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte)
{
	if (html_is_blank(byte))
		return true;
	if (html->state == HTML_TRIM_BLANKS && !html->in_script)
		html_put_page(out, ' ');
	html_go(html, (enum html_state)html->next);
	return false;
}

static void data_event(struct normalise_html *html, struct normalise_html_out *out,
	enum normalise_html_event event)
{
	out->event = event;
	if (event == NORMALISE_HTML_DATA_BEGIN) {
		html->value[html->value_bytes] = '\0';
		html->in_data = true;
		html_go(html, HTML_DATA);
	} else {
		html->quote = HTML_QUOTE_NONE;
		html->in_data = false;
		html_skip_to(html, HTML_ARG);
	}
	out->data_type = html->value;
}

// ---- the machine -------------------------------------------------------------------------------

// Returns whether the byte was consumed.
// at: its place in the input.
static bool on_byte(struct normalise_html *html, struct normalise_html_out *out, uint8_t byte,
	const uint8_t *at)
{
	switch ((enum html_state)html->state) {
	case HTML_TEXT:
		return on_text(html, out, byte);
	case HTML_WIDE:
		return on_wide(html, out, byte);
	case HTML_COMMENT:
		return on_comment(html, out, byte);
	case HTML_SKIP_BLANKS:
	case HTML_TRIM_BLANKS:
		return on_blanks(html, out, byte);
	case HTML_TAG:
		return html_on_tag(html, out, byte);
	case HTML_ARG:
		return html_on_arg(html, out, byte);
	case HTML_EQUAL:
		return html_on_equal(html, out, byte);
	case HTML_VALUE:
		return html_on_value(html, out, byte);
	case HTML_REF:
		return html_on_ref(html, byte);
	case HTML_ENTITY:
		return html_on_entity(html, out, byte);
	case HTML_NUMBER:
		return html_on_number(html, out, byte);
	case HTML_DATA_TYPE:
		return html_on_data_type(html, byte);
	case HTML_DATA:
		return html_on_data(html, out, byte);
	case HTML_ESCAPE:
		return html_on_escape(html, byte);
	case HTML_CODE:
		return html_on_code(html, out, byte);
	case HTML_PROCESS:
		html_on_process(html, out, at);
		break;
	case HTML_ESCAPE_END:
		html_end_escape(html, out);
		break;
	case HTML_DATA_BEGIN:
		data_event(html, out, NORMALISE_HTML_DATA_BEGIN);
		break;
	case HTML_DATA_END:
		data_event(html, out, NORMALISE_HTML_DATA_END);
		break;
	}
	return false;
}

// As feed, up to the end of an encoded script: its characters are what stands in the page.
static size_t feed_code(
	struct normalise_html *html, struct normalise_html_out *out, const uint8_t *in, size_t n)
{
	struct normalise_code *code = &html->code;
	size_t used = 0;

	while (code->phase != HTML_CODE_NONE && out->event == NORMALISE_HTML_NEED_INPUT) {
		uint8_t byte = code->byte == '\n' && !html->in_data ? ' ' : code->byte;

		if (code->has_byte) {
			code->has_byte = (html->in_data || byte != '\r') &&
					 !on_byte(html, out, byte, html->script_from);
			if (!code->has_byte && html->in_code)
				out->script[out->script_bytes++] = code->byte;
			continue;
		}
		if (used == n)
			break;
		html_code_decode(html, in[used++]);
	}
	if (used > 0)
		html->script_from = in + used;
	return used;
}

// Returns how many of n bytes were consumed: least at least, unless there is an event. may_wait: a tag that they cut
// off may wait for the rest.
static size_t feed_bytes(struct normalise_html *html, struct normalise_html_out *out,
	const uint8_t *in, size_t n, size_t least, bool may_wait)
{
	size_t used = 0;

	html->script_from = in;
	while (out->event == NORMALISE_HTML_NEED_INPUT) {
		uint8_t byte;

		if (html->code.phase != HTML_CODE_NONE)
			html_put_script(html, out, in + used);
		used += feed_code(html, out, in + used, n - used);
		if (html->code.phase == HTML_CODE_NONE)
			used += html_run(html, out, in + used, n - used);
		if (used >= least || html->code.phase != HTML_CODE_NONE)
			break;
		if (may_wait && html_is_cut_off(html, in + used, n - used)) {
			html->tail_bytes = (uint16_t)(n - used);
			memcpy(html->tail, in + used, n - used);
			html_put_script(html, out, in + used);
			return n;
		}
		byte = in[used];
		if (!html->in_data && byte == '\r') {
			used++;
			continue;
		}
		used += on_byte(html, out, byte == '\n' && !html->in_data ? ' ' : byte, in + used);
	}
	html_put_script(html, out, in + used);
	return used;
}

// What waits, with the next bytes behind it. Returns how many of these were consumed; where there is an event, what
// is left waits on.
static size_t feed_tail(
	struct normalise_html *html, struct normalise_html_out *out, const uint8_t *in, size_t n)
{
	uint8_t both[NORMALISE_HTML_TAIL + TAIL_REST];
	const size_t tail = html->tail_bytes;
	size_t more = n < TAIL_REST ? n : TAIL_REST;
	const uint8_t *close = more > 0 ? memchr(in, '>', more) : NULL;
	size_t used;

	if (close == NULL && n > 0 && tail + n <= NORMALISE_HTML_TAIL && html_is_in_text(html)) {
		memcpy(html->tail + tail, in, n);
		html->tail_bytes = (uint16_t)(tail + n);
		return n;
	}
	// A link comes out with the byte behind its tag.
	if (close == NULL)
		more = 0;
	else if ((size_t)(close - in) + 2 < more)
		more = (size_t)(close - in) + 2;
	memcpy(both, html->tail, tail);
	if (more > 0)
		memcpy(both + tail, in, more);
	used = feed_bytes(html, out, both, tail + more, tail, false);
	html->tail_bytes = (uint16_t)(used < tail ? tail - used : 0);
	memcpy(html->tail, both + used, html->tail_bytes);
	return used < tail ? 0 : used - tail;
}

// Bytes within one chunk, without NULs. Returns how many were consumed: all, unless there is an event.
static size_t feed(
	struct normalise_html *html, struct normalise_html_out *out, const uint8_t *in, size_t n)
{
	size_t used = 0;

	while (html->skips_blanks && used < n) {
		html->skips_blanks = html_is_blank(in[used]);
		used += html->skips_blanks;
	}
	html->script_from = in;
	html_put_script(html, out, in + used);
	if (html->tail_bytes > 0 && used < n)
		used += feed_tail(html, out, in + used, n - used);
	if (html->tail_bytes > 0)
		return used;
	return used + feed_bytes(html, out, in + used, n - used, n - used, true);
}

// How many of n bytes belong to the chunk; a new one begins where one is full.
static size_t chunk_room(struct normalise_html *html, const uint8_t *in, size_t n)
{
	if (html->chunk_bytes == CHUNK_BYTES) {
		html->skips_blanks = html_is_blank(in[0]);
		html->chunk_bytes = html->skips_blanks || html->chunk_blank < 2
					    ? 0
					    : (uint16_t)(CHUNK_BYTES - html->chunk_blank);
		html->chunk_blank = 0;
	}
	return n < (size_t)(CHUNK_BYTES - html->chunk_bytes)
		       ? n
		       : (size_t)(CHUNK_BYTES - html->chunk_bytes);
}

static void chunk_count(struct normalise_html *html, const uint8_t *in, size_t n)
{
	size_t at = n;

	while (at > 0 && !html_is_blank(in[at - 1]))
		at--;
	if (at > 0)
		html->chunk_blank = (uint16_t)(html->chunk_bytes + at);
	html->chunk_bytes = (uint16_t)(html->chunk_bytes + n);
}

static void out_begin(struct normalise_html *html, struct normalise_html_out *out)
{
	out->event = NORMALISE_HTML_NEED_INPUT;
	out->page_bytes = 0;
	out->text_bytes = 0;
	out->data_bytes = 0;
	out->script_bytes = 0;
	out->data_type = html->value;
	if (html->has_held)
		html_put_page(out, html->held);
	html->has_held = false;
}

void normalise_html_begin(struct normalise_html *html)
{
	memset(html, 0, offsetof(struct normalise_html, tag));
	html->state = HTML_TEXT;
	html->skips_blanks = true;
}

// The input up to the byte behind which room bytes were no NULs, without these, to kept; of n bytes at most.
// Returns how many bytes that is.
static size_t without_nuls(
	const uint8_t *in, size_t n, size_t room, uint8_t *kept, size_t *kept_bytes)
{
	size_t used = 0;
	size_t count = 0;

	while (used < n && count < room) {
		size_t left = n - used < room - count ? n - used : room - count;
		const uint8_t *nul = memchr(in + used, 0, left);
		size_t bytes = nul != NULL ? (size_t)(nul - in) - used : left;

		memcpy(kept + count, in + used, bytes);
		count += bytes;
		used += bytes + (nul != NULL);
	}
	*kept_bytes = count;
	return used;
}

// As many of n bytes as hold so many that are no NULs, and the NULs behind these.
static size_t with_nuls(const uint8_t *in, size_t n, size_t kept)
{
	size_t used = 0;

	for (; used < n && (kept > 0 || in[used] == 0); used++)
		kept -= in[used] != 0;
	return used;
}

// Bytes within one chunk, some of which are NULs, up to room others. Returns how many were consumed.
static size_t feed_others(struct normalise_html *html, struct normalise_html_out *out,
	const uint8_t *in, size_t n, size_t room)
{
	uint8_t kept[NORMALISE_HTML_INPUT];
	size_t bytes;
	size_t used = without_nuls(in, n, room, kept, &bytes);
	size_t fed = feed(html, out, kept, bytes);

	chunk_count(html, kept, fed);
	return fed < bytes ? with_nuls(in, used, fed) : used;
}

// The last byte of the page may be taken back.
static void out_end(struct normalise_html *html, struct normalise_html_out *out)
{
	if (out->page_bytes == 0)
		return;
	html->held = out->page[--out->page_bytes];
	html->has_held = true;
}

size_t normalise_html(
	struct normalise_html *html, const uint8_t *in, size_t n, struct normalise_html_out *out)
{
	size_t used = 0;

	if (n > NORMALISE_HTML_INPUT)
		n = NORMALISE_HTML_INPUT;
	out_begin(html, out);
	while (used < n && out->event == NORMALISE_HTML_NEED_INPUT) {
		size_t room = chunk_room(html, in + used, n - used);
		size_t fed;

		if (memchr(in + used, 0, room) != NULL) {
			used += feed_others(html, out, in + used, n - used, room);
			continue;
		}
		fed = feed(html, out, in + used, room);
		chunk_count(html, in + used, fed);
		used += fed;
	}
	out_end(html, out);
	return used;
}

bool normalise_html_settle(struct normalise_html *html, struct normalise_html_out *out)
{
	if (html->tail_bytes == 0)
		return false;
	out_begin(html, out);
	(void)feed_tail(html, out, NULL, 0);
	out_end(html, out);
	return true;
}

bool normalise_html_is_in_data(const struct normalise_html *html)
{
	return html->state == HTML_DATA_BEGIN || html->state == HTML_DATA;
}

void normalise_html_end(struct normalise_html *html, struct normalise_html_out *out)
{
	assert(html->tail_bytes == 0);
	out_begin(html, out);
	if (html->entity_total > 0)
		html_end_entity(html, out);
	if (html->in_code)
		out->script[out->script_bytes++] = '\0';
	if (html->in_data)
		out->event = NORMALISE_HTML_DATA_END;
}
