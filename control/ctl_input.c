// SPDX-License-Identifier: BSD-3-Clause
// Messages, mailboxes and other files. A mailbox is RFC 4155's mbox: a message ends at a line "From "
// with a time of day in it that follows an empty line, and that empty line is not part of the message.
// Quoting of "From " in bodies is left as it is: it cannot be told from what was sent.
#include "control/ctl_input.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROBE_BYTES 8192
#define LINE_BYTES 8192
#define AHEAD_BYTES 131072
#define BLOCK 64u
#define DENSE_BLOCKS 32u
#define FROM_BYTES 512 // of a "From " line

enum input_format { INPUT_FILE, INPUT_MESSAGE, INPUT_MBOX };

struct ctl_input {
	FILE *file;
	enum input_format format;
	bool has_begun;
	bool is_over;          // of the message being read
	bool has_more;         // a "From " line was read: another message begins
	bool is_line_start;    // the next piece begins a line
	bool is_after_empty;   // the line before was empty, or there was none
	char held[3];          // that empty line's end, which may be the mailbox's own
	char line[LINE_BYTES]; // a line or a piece of a long one
	size_t ahead_from; // what was read and not looked at yet: of a mailbox, else the beginning alone
	size_t ahead_to;
	char ahead[AHEAD_BYTES];
};

// ---- what a file is ----------------------------------------------------------------------------

// Header fields that tell a mail from other text with colons in it.
static bool is_mail_field(const char *name, size_t n)
{
	static const char *const names[] = {"from", "to", "cc", "bcc", "subject", "date",
		"received", "return-path", "message-id", "mime-version", "content-type",
		"content-transfer-encoding", "content-disposition", "delivered-to", "envelope-to",
		"reply-to", "sender", "in-reply-to", "references", "dkim-signature",
		"authentication-results", "x-mailer", "x-originating-ip", "status", "list-id"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i]) == n && strncasecmp(names[i], name, n) == 0)
			return true;
	}
	return false;
}

// Length of the field name that the line begins with, 0 where it begins with none.
static size_t field_name(const char *line, size_t n)
{
	size_t i = 0;

	while (i < n && line[i] > ' ' && line[i] < 0x7f && line[i] != ':')
		i++;
	return i < n && line[i] == ':' ? i : 0;
}

// Nothing to be seen: blanks, NULs and the like.
static bool is_empty(const char *line, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)line[i] > ' ')
			return false;
	return true;
}

// True for a block of header fields: it begins with one, or what cannot be seen and one, has one that mails have, and few
// other lines.
static bool is_header(const char *text, size_t n)
{
	size_t fields = 0;
	size_t mail_fields = 0;
	size_t others = 0;

	while (n > 0) {
		const char *lf = memchr(text, '\n', n);
		size_t line = lf != NULL ? (size_t)(lf - text) : n;
		size_t name = field_name(text, line);

		if (line == 0 || (line == 1 && text[0] == '\r')) {
			if (fields > 0)
				break;
		} else if (name > 0) {
			fields++;
			mail_fields += is_mail_field(text, name);
		} else if (fields == 0 && is_empty(text, line)) {
			// Before the first of all there may be some, as ClamAV looks for it.
		} else if (fields == 0) {
			return false;
		} else if (text[0] != ' ' && text[0] != '\t') {
			others++;
		}
		text += line + (lf != NULL);
		n -= line + (lf != NULL);
	}
	return mail_fields > 0 && others <= fields;
}

// "From " and a time of day, which every delivery agent writes and sentences seldom have. What it holds is not
// looked at: of a line that goes on and on nobody reads more than this either.
static bool is_from_line(const char *line, size_t n)
{
	if (n < 5 || n > FROM_BYTES || memcmp(line, "From ", 5) != 0)
		return false;
	for (size_t i = 5; i + 5 <= n; i++) {
		if (isdigit((unsigned char)line[i]) && isdigit((unsigned char)line[i + 1]) &&
			line[i + 2] == ':' && isdigit((unsigned char)line[i + 3]) &&
			isdigit((unsigned char)line[i + 4]))
			return true;
	}
	return false;
}

// A mailbox begins with a whole such line; one that ends in CR alone begins a message with others in it.
static bool begins_mailbox(const char *text, size_t n, enum input_format *out)
{
	const char *lf = memchr(text, '\n', n);
	const char *cr = memchr(text, '\r', n);

	if (n < 5 || memcmp(text, "From ", 5) != 0)
		return false;
	if (cr != NULL && (lf == NULL || cr + 1 < lf)) {
		*out = INPUT_MESSAGE;
		return is_from_line(text, (size_t)(cr - text));
	}
	*out = INPUT_MBOX;
	return lf != NULL && is_from_line(text, (size_t)(lf - text) + 1);
}

static enum input_format input_probe(const char *text, size_t n, bool is_mail)
{
	static const char mark[] = "\xef\xbb\xbf";
	enum input_format format;

	if (begins_mailbox(text, n, &format))
		return format;
	if (is_mail)
		return INPUT_MESSAGE;
	// Without a time it may be a sentence, or stand before a header all the same.
	if (n >= 5 && memcmp(text, "From ", 5) == 0) {
		const char *lf = memchr(text, '\n', n);

		if (lf != NULL && is_header(lf + 1, n - (size_t)(lf + 1 - text)))
			return INPUT_MESSAGE;
	}
	if (n >= 3 && memcmp(text, mark, 3) == 0) {
		text += 3;
		n -= 3;
	}
	return is_header(text, n) ? INPUT_MESSAGE : INPUT_FILE;
}

static bool has_suffix(const char *path, const char *suffix)
{
	size_t n = strlen(path);

	return n >= strlen(suffix) && strcasecmp(path + n - strlen(suffix), suffix) == 0;
}

static FILE *open_standard_input(void)
{
	int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	FILE *file = fd >= 0 ? fdopen(fd, "rb") : NULL;

	if (file == NULL && fd >= 0)
		(void)close(fd);
	return file;
}

int ctl_input_open(const char *path, bool is_mail, struct ctl_input **out)
{
	struct ctl_input *input = calloc(1, sizeof(*input));

	if (input == NULL)
		return -ENOMEM;
	errno = 0;
	input->file = strcmp(path, "-") == 0 ? open_standard_input() : fopen(path, "rbe");
	if (input->file == NULL) {
		free(input);
		return errno != 0 ? -errno : -EIO;
	}
	(void)setvbuf(input->file, NULL, _IOFBF, AHEAD_BYTES);
	// Standard input may be a pipe, which is read once.
	input->ahead_to = fread(input->ahead, 1, PROBE_BYTES, input->file);
	if (ferror(input->file) != 0) {
		ctl_input_close(input);
		return -EIO;
	}
	input->format =
		input_probe(input->ahead, input->ahead_to, is_mail || has_suffix(path, ".eml"));
	*out = input;
	return 0;
}

void ctl_input_close(struct ctl_input *input)
{
	(void)fclose(input->file);
	free(input);
}

enum scan_kind ctl_input_kind(const struct ctl_input *input)
{
	return input->format == INPUT_FILE ? SCAN_FILE : SCAN_MESSAGE;
}

bool ctl_input_has_failed(const struct ctl_input *input)
{
	return ferror(input->file) != 0;
}

// ---- mailboxes ---------------------------------------------------------------------------------

// Reads up to a line end or as much as the buffer holds. Returns the bytes, 0 at the end of the file.
static size_t read_piece(struct ctl_input *input)
{
	size_t n = 0;
	bool is_end = false;

	while (n < sizeof(input->line) && !is_end) {
		const char *from = input->ahead + input->ahead_from;
		size_t left = input->ahead_to - input->ahead_from;
		size_t take = left < sizeof(input->line) - n ? left : sizeof(input->line) - n;
		const char *end = memchr(from, '\n', take);

		if (left == 0) {
			input->ahead_from = 0;
			input->ahead_to = fread(input->ahead, 1, sizeof(input->ahead), input->file);
			if (input->ahead_to == 0)
				break;
			continue;
		}
		is_end = end != NULL;
		take = is_end ? (size_t)(end - from) + 1 : take;
		memcpy(input->line + n, from, take);
		input->ahead_from += take;
		n += take;
	}
	return n;
}

static bool is_empty_line(const char *line, size_t n)
{
	return (n == 1 && line[0] == '\n') || (n == 2 && line[0] == '\r' && line[1] == '\n');
}

// Takes one piece of a mailbox: to out, held back, or as the end of the message.
static size_t mbox_piece(struct ctl_input *input, uint8_t *out)
{
	size_t n = read_piece(input);
	bool is_whole = input->is_line_start && n > 0 && input->line[n - 1] == '\n';
	size_t held = input->held[0] != '\0' ? strlen(input->held) : 0;

	if (n == 0 ||
		(input->is_line_start && input->is_after_empty && is_from_line(input->line, n))) {
		input->is_over = true;
		input->has_more = n > 0;
		return 0;
	}
	if (held > 0) {
		memcpy(out, input->held, held);
		memset(input->held, 0, sizeof(input->held));
	}
	input->is_after_empty = is_whole && is_empty_line(input->line, n);
	input->is_line_start = input->line[n - 1] == '\n';
	if (input->is_after_empty)
		memcpy(input->held, input->line, n);
	else
		memcpy(out + held, input->line, n);
	return held + (input->is_after_empty ? 0 : n);
}

// Whether a line that begins with an F begins in the block, behind which one more byte is looked at. Without
// guesses, so that the compiler looks at many places side by side.
static bool has_f_line(const char *block)
{
	uint8_t any = 0;

	for (size_t i = 0; i < BLOCK; i++)
		any |= (uint8_t)((block[i] == '\n') & (block[i + 1] == 'F'));
	return any != 0;
}

// The first F there is, or one near a line that begins with it: in base64 F is everywhere, and where two stood
// side by side blocks are looked at. NULL: none.
static const char *find_f(const char *from, size_t n, size_t *dense)
{
	const char *at = from;
	const char *end = from + n;

	for (; *dense > 0 && (size_t)(end - at) > BLOCK; *dense -= 1) {
		if (has_f_line(at))
			return memchr(at + 1, 'F', BLOCK);
		at += BLOCK;
	}
	from = at;
	at = memchr(at, 'F', (size_t)(end - at));
	if (at != NULL && (size_t)(at - from) < BLOCK)
		*dense = DENSE_BLOCKS;
	return at;
}

// Where the first line after this one begins that begins with "From ", or the last line that is all there.
static size_t find_from_line(const char *data, size_t n)
{
	const char *at = data;
	const char *last;
	size_t dense = 0;

	while ((at = find_f(at, n - (size_t)(at - data), &dense)) != NULL) {
		if (at > data && at[-1] == '\n' &&
			(n - (size_t)(at - data) < 5 || memcmp(at, "From ", 5) == 0))
			return (size_t)(at - data);
		at++;
	}
	last = memrchr(data, '\n', n);
	return last != NULL ? (size_t)(last - data) + 1 : 0;
}

// Whole lines in one piece, of which the last one is not empty: there is no other message's beginning in them.
static size_t mbox_run(struct ctl_input *input, uint8_t *out, size_t room)
{
	const char *data = input->ahead + input->ahead_from;
	size_t n = input->ahead_to - input->ahead_from;

	if (!input->is_line_start || input->is_after_empty || input->held[0] != '\0')
		return 0;
	n = find_from_line(data, n < room ? n : room);
	while (n > 0 && (n == 1 || data[n - 2] == '\n' ||
				(data[n - 2] == '\r' && (n == 2 || data[n - 3] == '\n'))))
		n -= n > 1 && data[n - 2] == '\r' ? 2 : 1;
	memcpy(out, data, n);
	input->ahead_from += n;
	return n;
}

bool ctl_input_next(struct ctl_input *input)
{
	if (!input->has_begun && input->format == INPUT_MBOX) {
		(void)read_piece(input);
		input->has_more = true;
	}
	if (input->has_begun && !input->has_more)
		return false;
	input->has_begun = true;
	input->has_more = false;
	input->is_over = false;
	input->is_line_start = true;
	input->is_after_empty = false;
	memset(input->held, 0, sizeof(input->held));
	return true;
}

static size_t take_ahead(struct ctl_input *input, uint8_t *out, size_t room)
{
	size_t left = input->ahead_to - input->ahead_from;
	size_t n = left < room ? left : room;

	memcpy(out, input->ahead + input->ahead_from, n);
	input->ahead_from += n;
	return n;
}

size_t ctl_input_read(struct ctl_input *input, uint8_t *out, size_t room)
{
	size_t n = 0;

	if (input->format != INPUT_MBOX) {
		n = take_ahead(input, out, room);
		return n + fread(out + n, 1, room - n, input->file);
	}
	while (!input->is_over && room - n >= LINE_BYTES + sizeof(input->held)) {
		n += mbox_piece(input, out + n);
		if (!input->is_over)
			n += mbox_run(input, out + n, room - n);
	}
	return n;
}
