// SPDX-License-Identifier: BSD-3-Clause
// Finds and decodes what stands in text without that a header has said so: uuencoded and yEnc blocks,
// lines of base64, lines of quoted-printable that say bytes and no text, and what looks like a part of a message,
// whatever its boundary is.
//
// One block is open at a time. Lines inside a uuencoded block that hold no data are skipped: mail systems add blank
// lines and readers do not mind. A begin line counts only when a line of data follows, so that prose does not open one.
// What begins something else in a block interrupts it, and where nothing comes of that uuencode goes on as the same file.
#include "scan/encrypted.h"
#include "scan/mime_block_lines.h"
#include "scan/mime_block_out.h"
#include "scan/mime_lines.h"
#include "scan/mime_state.h"

#include <string.h>

// So many damaged lines may stand behind a line that begins uuencode.
#define UU_MISSES 3

void block_init(struct block *block)
{
	memset(block, 0, offsetof(struct block, line));
}

void block_init_uu(struct block *block)
{
	block_init(block);
	block->is_named = true;
	block->state = BLOCK_BEGUN;
	block->kind = BLOCK_UU;
	block->name[0] = '\0';
}

// ---- inside a block ----------------------------------------------------------------------------

// Something else begins inside of a block that has not come to its end. Who wrote the mail may have meant either: the
// block goes on behind that, as a reading of its own.
static void interrupt(struct block *block)
{
	end_open(block);
	block->resumes = true;
	block->resume_kind = block->kind;
	block->resume_coding = block->coding;
	// Nothing may come of what begins: uuencode stays open until it does, for readers leave such a line out.
	block->is_open = block->kind == BLOCK_UU && block->state == BLOCK_INSIDE;
	if (block->is_open) {
		block->state = BLOCK_OUTSIDE;
		block->break_bytes = 0;
	} else {
		end_block(block);
	}
}

static bool begins_uu(const struct block *block, const uint8_t *line, size_t n)
{
	char name[BLOCK_LINE_BYTES];

	return n > 0 && line[0] == 'b' && !block->in_rest && uu_begins(line, n, name);
}

// Uuencode was interrupted, and this is a line of it.
static bool goes_on_in_uu(const struct block *block, const uint8_t *line, size_t n)
{
	return block->resumes && block->resume_kind == BLOCK_UU && !block->in_rest &&
	       (uu_fills_line(line, n) || (block->is_open && uu_holds_data(line, n)));
}

// What may stand in uuencode or yEnc, but begins something else: for take_outside, too, or the line would interrupt
// what it resumes for ever.
static bool intrudes(const struct block *block, const uint8_t *line, size_t n)
{
	if (n == 0 || block->is_named)
		return false;
	if (begins_field(line, n) || begins_uu(block, line, n) || begins_yenc(line, n))
		return true;
	// What is only guessed does not cut a file in the middle.
	if (block->state == BLOCK_INSIDE && block->kind == BLOCK_UU && block->is_filled)
		return false;
	return (!block->armor && opens_base64(line, n)) || opens_qp(line, n);
}

// RFC 4880 section 6.2: armor is base64 too, of what no scanner reads.
static void take_dashes(struct block *block, const uint8_t *line, size_t n)
{
	block->after_dashes = n > 2 && line[0] == '-' && line[1] == '-';
	if (begins_with(line, n, "-----begin pgp "))
		block->armor = true;
	else if (block->after_dashes)
		block->armor = false;
}

static void take_uu_data(struct block *block, const uint8_t *line, size_t n)
{
	if (line[0] == '-')
		take_dashes(block, line, n);
	block->out_bytes += (uint32_t)uu_decode_line(line, n, block->out + block->out_bytes);
}

// A line of uuencode, or of yEnc below. What intrudes is looked at once more.
static void take_uu(struct block *block, const uint8_t *line, size_t n)
{
	// One in capitals may look like data, and so may quoted-printable.
	const bool is_other =
		n > 0 && !block->is_named &&
		(begins_field(line, n) || (!uu_holds_data(line, n) && opens_qp(line, n)));

	if (!is_other && !block->in_rest &&
		(uu_is_all_data(line, n) || uu_begins_with_data(line, n))) {
		block->is_filled = uu_fills_line(line, n);
		take_uu_data(block, line, n);
	} else if (n >= 3 && memcmp(line, "end", 3) == 0 && (n == 3 || line[3] == ' ')) {
		end_block(block);
		block->resumes = false;
	} else if (intrudes(block, line, n)) {
		interrupt(block);
		block->again = true;
	} else if (!block->in_rest && !block->is_over && uu_is_exact(line, n)) {
		block->is_filled = line[0] == 'M';
		take_uu_data(block, line, n);
	} else if (n > 0) {
		// Who does not ask what stands in a line ends at one of no bytes.
		block->is_over |= !block->in_rest && (line[0] == '`' || line[0] == ' ');
		take_dashes(block, line, n);
	}
}

static void take_yenc(struct block *block, const uint8_t *line, size_t n)
{
	if (begins_with(line, n, "=yend")) {
		end_block(block);
		block->resumes = false;
	} else if (goes_on_in_uu(block, line, n)) {
		end_block(block);
		block->again = true;
	} else if (intrudes(block, line, n)) {
		interrupt(block);
		block->again = true;
	} else if (n > 0) {
		take_dashes(block, line, n);
	}
	block->takes_rest = block->state == BLOCK_INSIDE && !begins_with(line, n, "=ypart ");
	if (block->takes_rest)
		put(block, line, n);
}

// Uuencode that is still open goes on as the same.
static void go_on_in_uu(struct block *block, const uint8_t *line, size_t n)
{
	if (block->is_open) {
		block->is_open = false;
		block->kind = BLOCK_UU;
		block->state = BLOCK_INSIDE;
	} else {
		begin_block(block, BLOCK_UU);
	}
	take_uu(block, line, n);
}

// What was interrupted goes on with the line, if it may.
static void resume(struct block *block, const uint8_t *line, size_t n)
{
	if (block->ended) {
		block->again = true;
		return;
	}
	switch (block->resume_kind) {
	case BLOCK_UU:
		if (!block->in_rest && uu_holds_data(line, n))
			go_on_in_uu(block, line, n);
		return;
	case BLOCK_YENC:
		begin_block(block, BLOCK_YENC);
		take_yenc(block, line, n);
		return;
	case BLOCK_PART:
		block->resumes = !block->after_dashes;
		if (!block->resumes)
			return;
		block->coding = block->resume_coding;
		begin_block(block, BLOCK_PART);
		put(block, line, n);
		block->takes_rest = true;
		return;
	case BLOCK_BASE64:
		return;
	}
}

// A line that begins with "--" ends what looks like a part; in text "-- " begins a signature. What is not encoded, or
// only looks so, may hold the start of another block: then false.
static bool take_part(struct block *block, const uint8_t *line, size_t n)
{
	const bool is_plain = block->coding == MIME_IDENTITY;

	if (begins_field(line, n) || begins_yenc(line, n) || begins_uu(block, line, n)) {
		if (is_plain || block->is_guess)
			end_block(block);
		else
			interrupt(block);
		return false;
	}
	if (goes_on_in_uu(block, line, n)) {
		end_block(block);
		block->again = true;
		return true;
	}
	if (((is_plain || block->is_guess) && !block->armor && opens_base64(line, n)) ||
		(is_plain && opens_qp(line, n))) {
		end_block(block);
		block->again = true;
		return true;
	}
	if (n > 2 && line[0] == '-' && line[1] == '-' &&
		(line[2] != ' ' || block->coding == MIME_BASE64)) {
		end_block(block);
		block->after_dashes = true;
		block->resumes = false;
		return true;
	}
	put_break(block);
	put(block, line, n);
	block->takes_rest = true;
	return true;
}

// False where the line belongs to the block no more.
static bool take_base64(struct block *block, const uint8_t *line, size_t n)
{
	if (is_blank_line(line, n)) {
		block->gap = true;
		return true;
	}
	if (!is_base64(line, n) || (block->gap && n < BASE64_LINE_BYTES)) {
		end_block(block);
		return false;
	}
	block->gap = false;
	block->takes_rest = true;
	put(block, line, n);
	if (!block->in_rest && memchr(line, '=', n) != NULL)
		end_block(block);
	return true;
}

// ---- outside -----------------------------------------------------------------------------------

// A field of what looks like a part's header, or the continuation of one.
static void take_field(struct block *block, const uint8_t *line, size_t n)
{
	static const char name[] = "content-transfer-encoding";
	struct span value = {(const char *)line, n};
	unsigned int codings;

	if (!is_blank(line[0])) {
		block->encoding_open = begins_with(line, n, name);
		block->says_part |= block->encoding_open || begins_with(line, n, "content-type");
	}
	if (!block->encoding_open)
		return;
	if (!is_blank(line[0]))
		value = (struct span){value.at + sizeof(name) - 1, n - (sizeof(name) - 1)};
	codings = mime_codings_named(value);
	if ((codings & MIME_CODING_BIT(MIME_BASE64)) != 0)
		block->coding = MIME_BASE64;
	else if ((codings & MIME_CODING_BIT(MIME_QP)) != 0)
		block->coding = MIME_QP;
	else if ((codings & MIME_CODING_BIT(MIME_UU)) != 0)
		block->coding = MIME_UU;
}

// The body of what looks like a part: where nothing is encoded, it must have had a boundary, or say so.
static bool open_part(struct block *block)
{
	block->state = BLOCK_OUTSIDE;
	if (block->coding == MIME_UU) {
		block->state = BLOCK_BEGUN;
		block->kind = BLOCK_UU;
		block->name[0] = '\0';
		return false;
	}
	// In uuencode that is still open, what only says so is none: it would cut a file in the middle.
	if (block->coding == MIME_IDENTITY && !block->after_dashes &&
		(!block->says_part || block->is_open))
		return false;
	block->is_bare = block->coding == MIME_IDENTITY && !block->after_dashes;
	if (block->is_bare && block->no_bare)
		return false;
	block->after_dashes = false;
	begin_block(block, BLOCK_PART);
	return true;
}

static void yenc_name(struct block *block, const uint8_t *line, size_t n)
{
	const char *at = memmem(line, n, " name=", 6);
	size_t bytes = 0;

	if (at != NULL) {
		bytes = n - (size_t)(at + 6 - (const char *)line);
		memcpy(block->name, at + 6, bytes);
	}
	block->name[bytes] = '\0';
}

// What may be the first field of a part's header.
static bool take_first_field(struct block *block, const uint8_t *line, size_t n)
{
	const size_t at = skip_controls(line, n);

	if (at == n || (line[at] | 0x20) != 'c' || !begins_with(line + at, n - at, "content-"))
		return false;
	block->state = BLOCK_HEADER;
	block->coding = MIME_IDENTITY;
	block->says_part = false;
	take_field(block, line + at, n - at);
	return true;
}

// A damaged line behind the one that begins uuencode.
static bool is_miss(struct block *block)
{
	return block->kind == BLOCK_UU && block->misses++ < UU_MISSES;
}

static void take_outside(struct block *block, const uint8_t *line, size_t n)
{
	bool begun = block->state == BLOCK_BEGUN;

	if (block->state == BLOCK_BEGUN && block->kind == BLOCK_YENC) {
		if (goes_on_in_uu(block, line, n)) {
			go_on_in_uu(block, line, n);
			return;
		}
		if (!intrudes(block, line, n)) {
			begin_block(block, BLOCK_YENC);
			take_yenc(block, line, n);
			return;
		}
		interrupt(block);
		block->ended = false; // for it has not begun
	}
	if (block->state == BLOCK_BEGUN && !block->in_rest &&
		(uu_holds_data(line, n) || (uu_is_exact(line, n) && !intrudes(block, line, n)) ||
			(block->is_named && uu_is_all_data(line, n)))) {
		// Behind a line of less than 45 bytes, with which files end, another one begins.
		if (!block->is_filled)
			end_open(block);
		go_on_in_uu(block, line, n);
		return;
	}
	if (begun && block->kind == BLOCK_UU && block->is_named)
		return; // nothing else is looked for
	block->state = BLOCK_OUTSIDE;
	if (begins_yenc(line, n)) {
		if (begun && block->kind == BLOCK_UU) {
			block->resumes = true;
			block->resume_kind = BLOCK_UU;
		}
		block->state = BLOCK_BEGUN;
		block->kind = BLOCK_YENC;
		yenc_name(block, line, n);
	} else if (line[0] == 'b' && !block->in_rest && uu_begins(line, n, block->name)) {
		block->state = BLOCK_BEGUN;
		block->kind = BLOCK_UU;
		block->misses = 0;
	} else if (!take_first_field(block, line, n) && !block->armor && opens_base64(line, n)) {
		begin_block(block, BLOCK_BASE64);
		(void)take_base64(block, line, n);
	} else if (block->state == BLOCK_OUTSIDE && !begun && !goes_on_in_uu(block, line, n) &&
		   opens_qp(line, n)) {
		// What another block ends with is told first.
		block->again = block->ended;
		if (!block->again) {
			block->coding = MIME_QP;
			begin_block(block, BLOCK_PART);
			block->is_guess = true;
			(void)take_part(block, line, n);
		}
	} else if (block->state == BLOCK_OUTSIDE) {
		take_dashes(block, line, n);
		if (begun && !block->after_dashes && !block->resumes && is_miss(block))
			block->state = BLOCK_BEGUN;
		else if (block->resumes)
			resume(block, line, n);
	}
}

// For what begins there. The body may follow all the same.
static void leave_header(struct block *block)
{
	block->state = BLOCK_OUTSIDE;
	if (block->coding != MIME_BASE64 && block->coding != MIME_QP)
		return;
	block->resumes = true;
	block->resume_kind = BLOCK_PART;
	block->resume_coding = block->coding;
	block->after_dashes = false;
}

static void take_header(struct block *block, const uint8_t *line, size_t n)
{
	struct span name;
	struct span value;

	if (is_blank_line(line, n)) {
		block->skip_break = open_part(block);
	} else if (begins_yenc(line, n) || begins_uu(block, line, n)) {
		leave_header(block);
		take_outside(block, line, n);
	} else if (goes_on_in_uu(block, line, n)) {
		block->state = BLOCK_OUTSIDE;
		take_outside(block, line, n);
	} else if (is_blank(line[0]) ||
		   header_split((struct span){(const char *)line, n}, &name, &value)) {
		take_field(block, line, n);
	} else if (n > 2 && line[0] == '-' && line[1] == '-') {
		block->state = BLOCK_OUTSIDE;
		take_dashes(block, line, n);
	} else if (block->coding == MIME_BASE64 && !may_be_base64(line, n)) {
		return; // a damaged field
	} else if (block->coding == MIME_IDENTITY || !open_part(block) ||
		   !take_part(block, line, n)) {
		take_outside(block, line, n);
	}
}

// A line, or the first BLOCK_LINE_BYTES of one.
static void take_line(struct block *block, const uint8_t *line, size_t n)
{
	block->takes_rest = false;
	block->is_encrypted |= n > 0 && line[0] == '-' && encrypted_is_armor(line, n);
	if (block->state == BLOCK_INSIDE) {
		switch (block->kind) {
		case BLOCK_UU:
			take_uu(block, line, n);
			return;
		case BLOCK_YENC:
			take_yenc(block, line, n);
			return;
		case BLOCK_PART:
			if (take_part(block, line, n))
				return;
			break;
		case BLOCK_BASE64:
			if (take_base64(block, line, n))
				return;
			break;
		}
	}
	if (block->state == BLOCK_HEADER)
		take_header(block, line, n);
	else if (n > 0)
		take_outside(block, line, n);
	else if (block->state == BLOCK_BEGUN && !block->is_named && !is_miss(block))
		block->state = BLOCK_OUTSIDE;
}

// ---- input -------------------------------------------------------------------------------------

static void take_end(struct block *block)
{
	block->line_bytes = 0;
	block->in_rest = false;
}

// Whole lines of no interest, most of all text. Returns how much they are.
static size_t skip_text(struct block *block, const uint8_t *data, size_t n)
{
	size_t at;

	if (block->state != BLOCK_OUTSIDE || block->line_bytes > 0 || block->in_rest ||
		block->after_cr || block->resumes)
		return 0;
	at = mime_lines_skip(data, n, block->armor);
	if (at == 0)
		return 0;
	block->after_dashes = mime_lines_after_dashes(data, at, block->after_dashes);
	block->break_bytes = 0;
	block->after_cr = at == n && data[at - 1] == '\r';
	return at;
}

// Reads to the end of the line or as much of it as fits. Returns how much.
static size_t feed(struct block *block, const uint8_t *data, size_t n)
{
	size_t room = block->in_rest ? BLOCK_REST_BYTES : BLOCK_LINE_BYTES - block->line_bytes;
	size_t window = n < room ? n : room;
	const uint8_t *end = line_end(data, window);
	size_t bytes = end != NULL ? (size_t)(end - data) : window;

	if (block->in_rest) {
		if (block->takes_rest && block->state == BLOCK_INSIDE)
			put(block, data, bytes);
	} else if (end != NULL && block->line_bytes == 0) {
		take_line(block, data, bytes);
	} else {
		memcpy(block->line + block->line_bytes, data, bytes);
		block->line_bytes += (uint32_t)bytes;
		block->in_rest = end == NULL && block->line_bytes == BLOCK_LINE_BYTES;
		if (end != NULL || block->in_rest)
			take_line(block, block->line, block->line_bytes);
	}
	if (block->again) {
		block->again = false;
		block->in_rest = false;
		return block->line_bytes > 0 ? bytes : 0;
	}
	if (end == NULL)
		return bytes;
	take_end(block);
	block->line_break[0] = *end;
	block->break_bytes = block->skip_break ? 0 : 1;
	block->skip_break = false;
	block->after_cr = *end == '\r';
	return bytes + 1;
}

static enum block_step step_due(struct block *block)
{
	// Of the one before: all of its bytes have been told.
	if (block->end_first) {
		block->end_first = false;
		return BLOCK_END;
	}
	if (block->begin_due) {
		block->begin_due = false;
		return BLOCK_BEGIN;
	}
	if (block->out_bytes >= BLOCK_OUT_BYTES ||
		((block->ended || block->is_open) && block->out_bytes > 0))
		return BLOCK_DATA;
	if (!block->ended)
		return BLOCK_MORE;
	block->ended = false;
	return BLOCK_END;
}

enum block_step block_scan(struct block *block, const uint8_t *data, size_t n, size_t *used)
{
	enum block_step step;
	size_t at = 0;

	while ((step = step_due(block)) == BLOCK_MORE && at < n) {
		if (!block->after_cr || data[at] != '\n') {
			block->after_cr = false;
			at += skip_text(block, data + at, n - at);
			at += at < n && !block->after_cr ? feed(block, data + at, n - at) : 0;
			continue;
		}
		// The second half of a line break.
		block->after_cr = false;
		if (block->break_bytes == 1)
			block->line_break[block->break_bytes++] = '\n';
		at++;
	}
	*used = at;
	return step;
}

enum block_step block_finish(struct block *block)
{
	if (block->ended)
		return step_due(block);
	while (block->line_bytes > 0 && !block->in_rest) {
		enum block_step step;

		take_line(block, block->line, block->line_bytes);
		if (!block->again)
			break;
		block->again = false;
		step = step_due(block);
		if (step != BLOCK_MORE)
			return step;
	}
	take_end(block);
	if (block->state == BLOCK_INSIDE && !block->ended) {
		put_break(block);
		end_block(block);
	}
	block->ended |= block->is_open;
	block->is_open = false;
	block->state = BLOCK_OUTSIDE;
	block->after_cr = false;
	return step_due(block);
}
