// SPDX-License-Identifier: BSD-3-Clause
// Messages, mailboxes and other files. A mailbox is RFC 4155's mbox: a message ends at a line "From "
// with a time of day in it that follows an empty line, and that empty line is not part of the message.
// Quoting of "From " in bodies is left as it is: it cannot be told from what was sent.
#include "control/ctl_input.h"

#include "scan/scan.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROBE_BYTES 8192u
#define AHEAD_BYTES 262144u
#define FROM_BYTES 512u // of a "From " line

enum input_format { INPUT_FILE, INPUT_MESSAGE, INPUT_MBOX };

struct ctl_input {
	int fd;
	enum input_format format;
	bool has_begun;
	bool is_over;       // of the message being read
	bool has_more;      // a "From " line was read: another message begins
	bool is_line_start; // what was not given out yet begins a line
	bool is_end;        // nothing more can be read
	bool has_failed;
	size_t from; // of ahead: what was read and not given out yet
	size_t to;
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

// Reads on behind what was not given out yet, for which there is room.
static void read_on(struct ctl_input *input)
{
	ssize_t n;

	memmove(input->ahead, input->ahead + input->from, input->to - input->from);
	input->to -= input->from;
	input->from = 0;
	n = TEMP_FAILURE_RETRY(
		read(input->fd, input->ahead + input->to, sizeof(input->ahead) - input->to));
	input->is_end = n <= 0;
	input->has_failed = n < 0;
	input->to += n > 0 ? (size_t)n : 0;
}

int ctl_input_open(const char *path, bool is_mail, struct ctl_input **out)
{
	struct ctl_input *input = malloc(sizeof(*input));

	if (input == NULL)
		return -ENOMEM;
	memset(input, 0, offsetof(struct ctl_input, ahead));
	input->fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
					   : open(path, O_RDONLY | O_CLOEXEC);
	if (input->fd < 0) {
		free(input);
		return -errno;
	}
	while (input->to < PROBE_BYTES && !input->is_end)
		read_on(input);
	if (input->has_failed) {
		ctl_input_close(input);
		return -EIO;
	}
	input->format = input_probe(input->ahead, input->to < PROBE_BYTES ? input->to : PROBE_BYTES,
		is_mail || has_suffix(path, ".eml"));
	*out = input;
	return 0;
}

void ctl_input_close(struct ctl_input *input)
{
	(void)close(input->fd);
	free(input);
}

enum scan_kind ctl_input_kind(const struct ctl_input *input)
{
	return input->format == INPUT_FILE ? SCAN_FILE : SCAN_MESSAGE;
}

bool ctl_input_has_failed(const struct ctl_input *input)
{
	return input->has_failed;
}

// ---- mailboxes ---------------------------------------------------------------------------------

// What is to be looked at of a mailbox: bytes that were read, of which some are the message's.
struct look {
	const char *data;
	size_t bytes;
	size_t given;  // to the message
	size_t passed; // with what stands between it and the next
};

// Where the empty line begins that ends there; at, when none does.
static size_t empty_before(const struct ctl_input *input, const struct look *look, size_t at)
{
	size_t begin = at;

	if (at == 0 || look->data[at - 1] != '\n')
		return at;
	begin--;
	if (begin > 0 && look->data[begin - 1] == '\r')
		begin--;
	return (begin == 0 ? input->is_line_start : look->data[begin - 1] == '\n') ? begin : at;
}

// Whether the line there, behind an empty one, is a mailbox's own, or may be one when more is read.
static bool ends_message(struct ctl_input *input, struct look *look, size_t at)
{
	const char *line = look->data + at;
	size_t left = look->bytes - at;
	size_t empty = empty_before(input, look, at);
	const char *lf;
	size_t n;

	if (empty == at || memcmp(line, "From ", left < 5 ? left : 5) != 0)
		return false;
	lf = memchr(line, '\n', left < FROM_BYTES ? left : FROM_BYTES);
	n = lf != NULL ? (size_t)(lf - line) + 1 : left;
	look->given = empty;
	look->passed = empty;
	if (lf == NULL && left <= FROM_BYTES && !input->is_end)
		return true;
	if (!is_from_line(line, n))
		return false;
	look->passed = at + n;
	input->is_over = true;
	input->has_more = true;
	return true;
}

// Without another message's beginning: all, but for an empty line at the end, or half of one, which may not be its own.
static void look_at_end(struct ctl_input *input, struct look *look)
{
	size_t n = look->bytes;

	look->given = empty_before(input, look, n);
	look->passed = input->is_end ? n : look->given;
	input->is_over = input->is_end;
	if (!input->is_end && n > 0 && look->data[n - 1] == '\r' &&
		(n == 1 ? input->is_line_start : look->data[n - 2] == '\n'))
		look->given = look->passed = n - 1;
}

static void look_for_end(struct ctl_input *input, struct look *look)
{
	const uint8_t *begin = (const uint8_t *)look->data;
	const uint8_t *end = begin + look->bytes;
	const uint8_t *at = begin;

	while ((at = scan_find_line(at, (size_t)(end - at), 'F')) != NULL)
		if (ends_message(input, look, (size_t)(at - begin)))
			return;
	look_at_end(input, look);
}

bool ctl_input_next(struct ctl_input *input)
{
	if (!input->has_begun && input->format == INPUT_MBOX) {
		const char *lf = memchr(input->ahead, '\n', input->to);

		input->from = (size_t)(lf + 1 - input->ahead);
		input->has_more = true;
	}
	if (input->has_begun && !input->has_more)
		return false;
	input->has_begun = true;
	input->has_more = false;
	input->is_over = false;
	input->is_line_start = true;
	return true;
}

size_t ctl_input_read(struct ctl_input *input, const uint8_t **out)
{
	while (!input->is_over) {
		struct look look = {
			.data = input->ahead + input->from, .bytes = input->to - input->from};

		if (input->format == INPUT_MBOX)
			look_for_end(input, &look);
		else
			look.given = look.passed = look.bytes;
		*out = (const uint8_t *)look.data;
		input->from += look.passed;
		if (look.given > 0) {
			input->is_line_start = look.data[look.given - 1] == '\n';
			return look.given;
		}
		if (input->is_end)
			input->is_over = true;
		if (!input->is_over)
			read_on(input);
	}
	return 0;
}
