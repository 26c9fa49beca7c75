// SPDX-License-Identifier: BSD-3-Clause
// Lines that may arrive in pieces: the pool of line buffers, and words inside a line in progress.
#include "reassembly/smtp_private.h"

struct smtp_line {
	struct smtp_line *next;
	uint32_t bytes;
	uint8_t text[SMTP_LINE_BYTES];
};

struct smtp_pool {
	struct smtp_line *free;
};

#define ALIGN(n) (((n) + 63u) / 64u * 64u)

size_t smtp_pool_bytes(uint32_t lines)
{
	return ALIGN(sizeof(struct smtp_pool)) + (size_t)lines * ALIGN(sizeof(struct smtp_line));
}

struct smtp_pool *smtp_pool_init(void *memory, uint32_t lines)
{
	struct smtp_pool *pool = memory;
	uint8_t *next = (uint8_t *)memory + ALIGN(sizeof(struct smtp_pool));

	pool->free = NULL;
	for (uint32_t i = 0; i < lines; i++, next += ALIGN(sizeof(struct smtp_line))) {
		struct smtp_line *line = (struct smtp_line *)(void *)next;

		line->next = pool->free;
		pool->free = line;
	}
	return pool;
}

uint32_t smtp_pool_free_lines(const struct smtp_pool *pool)
{
	uint32_t count = 0;

	for (const struct smtp_line *line = pool->free; line != NULL; line = line->next)
		count++;
	return count;
}

static void line_put(struct smtp *smtp, struct smtp_pool *pool, enum tcp_side side)
{
	struct smtp_line *line = smtp->line[side];

	smtp->flags &= ~(FLAG_RELEASE << side);
	if (line == NULL)
		return;
	line->next = pool->free;
	pool->free = line;
	smtp->line[side] = NULL;
}

void smtp_fini(struct smtp *smtp, struct smtp_pool *pool)
{
	line_put(smtp, pool, TCP_CLIENT);
	line_put(smtp, pool, TCP_SERVER);
}

void smtp_release_line(struct smtp_reader *reader)
{
	if ((reader->smtp->flags & FLAG_RELEASE << reader->side) != 0)
		line_put(reader->smtp, reader->pool, reader->side);
}

static struct smtp_line *line_get(struct smtp_reader *reader)
{
	struct smtp_line *line = reader->smtp->line[reader->side];

	if (line != NULL || reader->pool->free == NULL)
		return line;
	line = reader->pool->free;
	reader->pool->free = line->next;
	line->bytes = 0;
	reader->smtp->line[reader->side] = line;
	return line;
}

size_t smtp_message_command_bytes(const struct smtp *smtp)
{
	const struct smtp_line *line = smtp->line[TCP_CLIENT];
	size_t n;

	if (line == NULL || smtp->state != STATE_COMMAND ||
		(smtp->flags & FLAG_RELEASE << TCP_CLIENT) != 0)
		return 0;
	n = line->bytes < 4 ? line->bytes : 4;
	if (strncasecmp((const char *)line->text, "DATA", n) != 0 &&
		strncasecmp((const char *)line->text, "BDAT", n) != 0)
		return 0;
	return line->bytes;
}

enum smtp_taken smtp_take_line(struct smtp_reader *reader, struct smtp_view *view)
{
	const uint8_t *data = smtp_rest(reader);
	const uint8_t *end = memchr(data, '\n', smtp_left(reader));
	size_t take = end != NULL ? (size_t)(end - data) + 1 : smtp_left(reader);
	struct smtp_line *line = reader->smtp->line[reader->side];
	size_t have = line != NULL ? line->bytes : 0;

	view->from = reader->smtp->offset[reader->side] - have;
	view->text = data;
	view->text_bytes = have + take;
	if (have + take > SMTP_LINE_BYTES) {
		view->to = view->from + SMTP_LINE_BYTES + 1;
		smtp_use(reader, SMTP_LINE_BYTES + 1 - have);
		return TAKEN_TOO_LONG;
	}
	view->to = view->from + view->text_bytes;
	if (line != NULL || end == NULL) {
		line = line_get(reader);
		if (line == NULL)
			return TAKEN_NO_MEMORY;
		memcpy(line->text + have, data, take);
		line->bytes = (uint32_t)(have + take);
		view->text = line->text;
	}
	smtp_use(reader, take);
	if (end == NULL)
		return TAKEN_PART;
	reader->smtp->flags |= FLAG_RELEASE << reader->side;
	reader->smtp->masked[reader->side] = 0;
	view->text_bytes--;
	view->crlf = view->text_bytes > 0 && view->text[view->text_bytes - 1] == '\r';
	if (view->crlf)
		view->text_bytes--;
	return TAKEN_LINE;
}

int smtp_line_byte(const struct smtp_reader *reader, size_t at)
{
	const struct smtp_line *line = reader->smtp->line[reader->side];
	size_t have = line != NULL ? line->bytes : 0;

	if (at < have)
		return line->text[at];
	return at - have < smtp_left(reader) ? smtp_rest(reader)[at - have] : -1;
}

bool smtp_is_word_byte(int byte, bool dots)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
	       (byte >= '0' && byte <= '9') || byte == '-' || (dots && byte == '.');
}

void smtp_find_word(
	const struct smtp_reader *reader, size_t start, bool dots, struct smtp_word *word)
{
	int byte = smtp_line_byte(reader, start);

	*word = (struct smtp_word){0};
	while (byte >= 0 && byte != '\n' && !smtp_is_word_byte(byte, dots))
		byte = smtp_line_byte(reader, ++start);
	word->start = start;
	for (; byte >= 0 && smtp_is_word_byte(byte, dots); byte = smtp_line_byte(reader, ++start)) {
		if (start - word->start < sizeof(word->text))
			word->text[start - word->start] =
				(uint8_t)(byte >= 'a' && byte <= 'z' ? byte - 'a' + 'A' : byte);
	}
	word->end = start;
	word->complete = byte >= 0;
}

bool smtp_word_is(const struct smtp_word *word, const char *name)
{
	return word->end - word->start == strlen(name) &&
	       memcmp(word->text, name, strlen(name)) == 0;
}

bool smtp_word_begins(const struct smtp_word *word, const char *name)
{
	size_t n = word->end - word->start;

	return n <= strlen(name) && memcmp(word->text, name, n) == 0;
}

bool smtp_mask_word(struct smtp_reader *reader, const struct smtp_word *word)
{
	struct smtp *smtp = reader->smtp;
	const struct smtp_line *line = smtp->line[reader->side];
	uint64_t from = smtp->offset[reader->side] - (line != NULL ? line->bytes : 0);

	if (word->end <= smtp->masked[reader->side])
		return false;
	smtp->masked[reader->side] = (uint32_t)word->end;
	reader->event->fill = 'X';
	return smtp_emit(reader, SMTP_MASK, from + word->start, from + word->end);
}

// In smtp.masked, beside how far the line was looked at: it is blanks so far.
#define LEADS 0x80000000u

static uint8_t fill_of(int byte, bool leads, bool is_first)
{
	if (leads && !is_first)
		return '0';
	return byte == '\t' ? ' ' : 0;
}

bool smtp_mask_blanks(struct smtp_reader *reader, size_t start)
{
	struct smtp *smtp = reader->smtp;
	const struct smtp_line *line = smtp->line[reader->side];
	uint64_t from = smtp->offset[reader->side] - (line != NULL ? line->bytes : 0);
	uint32_t *masked = &smtp->masked[reader->side];
	bool leads = *masked == 0 || (*masked & LEADS) != 0;
	size_t at = *masked == 0 ? start : *masked & ~LEADS;
	int byte;

	for (; (byte = smtp_line_byte(reader, at)) >= 0 && byte != '\n'; at++) {
		leads = leads && (byte == ' ' || byte == '\t');
		reader->event->fill = fill_of(byte, leads, at == start);
		if (reader->event->fill == 0)
			continue;
		*masked = (uint32_t)(at + 1) | (leads ? LEADS : 0);
		return smtp_emit(reader, SMTP_MASK, from + at, from + at + 1);
	}
	*masked = (uint32_t)at | (leads ? LEADS : 0);
	return false;
}
