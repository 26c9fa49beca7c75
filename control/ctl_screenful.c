// SPDX-License-Identifier: BSD-3-Clause
#include "control/ctl_screenful.h"

#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>

#define ROWS 24
#define COLUMNS 80
// ECMA-48: to the top, the rest of the line, the rest of all.
#define HOME "\033[H"
#define REST_OF_LINE "\033[K"
#define REST "\033[J"

struct screen_size screenful_size(int fd)
{
	struct winsize window = {0};

	if (ioctl(fd, TIOCGWINSZ, &window) != 0 || window.ws_row == 0 || window.ws_col == 0)
		return (struct screen_size){ROWS, COLUMNS};
	return (struct screen_size){window.ws_row, window.ws_col};
}

// C0, DEL, and C1 as UTF-8 has it (0xc2 and 0x80 to 0x9f).
static bool is_control(const char *at)
{
	unsigned char c = (unsigned char)at[0];

	return c < ' ' || c == 0x7f || (c == 0xc2 && ((unsigned char)at[1] & 0xe0) == 0x80);
}

static bool is_inside(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80; // of a character of several bytes
}

static void write_line(FILE *out, const char *line, size_t bytes, unsigned int columns)
{
	unsigned int used = 0;

	for (size_t i = 0; i < bytes && used < columns;) {
		size_t n = 1;

		while (i + n < bytes && is_inside(line[i + n]))
			n++;
		if (is_control(line + i))
			(void)fputc('?', out);
		else
			(void)fwrite(line + i, 1, n, out);
		used++;
		i += n;
	}
	(void)fputs(REST_OF_LINE, out);
}

static unsigned int count_lines(const char *lines)
{
	unsigned int count = 0;

	for (; *lines != '\0'; lines++)
		count += *lines == '\n';
	return count;
}

void screenful_write(FILE *out, const char *lines, struct screen_size size)
{
	unsigned int left = count_lines(lines);
	unsigned int shown = left <= size.rows ? left : size.rows - 1;
	char more[64];

	(void)fputs(HOME, out);
	for (unsigned int row = 0; row < shown; row++) {
		size_t bytes = strcspn(lines, "\n");

		(void)fputs(row > 0 ? "\r\n" : "", out);
		write_line(out, lines, bytes, size.columns);
		lines += bytes + 1;
	}
	if (shown < left) {
		(void)snprintf(more, sizeof(more), "(%u more lines: a larger window shows them)",
			left - shown);
		(void)fputs(shown > 0 ? "\r\n" : "", out);
		write_line(out, more, strlen(more), size.columns);
	}
	(void)fputs(REST, out);
	(void)fflush(out);
}
