// SPDX-License-Identifier: BSD-3-Clause
// Lines of uuencoded blocks (POSIX uuencode): "begin 644 name", data, "end".
#include "scan/mime_state.h"

#include <string.h>

// Readers do without the name.
bool uu_begins(const uint8_t *line, size_t n, char *name)
{
	size_t i = 6;
	size_t digits = 0;

	if (n < 9 || n >= BLOCK_LINE_BYTES || memcmp(line, "begin ", 6) != 0)
		return false;
	while (i < n && line[i] == ' ')
		i++;
	for (; i < n && line[i] >= '0' && line[i] <= '7'; i++)
		digits++;
	if (digits < 3 || digits > 6 || (i < n && line[i] != ' '))
		return false;
	while (i < n && line[i] == ' ')
		i++;
	while (n > i && (line[n - 1] == ' ' || line[n - 1] == '\t'))
		n--;
	memcpy(name, line + i, n - i);
	name[n - i] = '\0';
	return true;
}

// A line of data has a length, at least as many characters as that needs (less blanks that were cut
// off at its end), and none outside the alphabet.
bool uu_holds_data(const uint8_t *line, size_t n)
{
	size_t bytes;
	size_t need;

	if (n < 2 || line[0] < 0x20 || line[0] > 0x60)
		return false;
	bytes = (line[0] - 0x20u) & 0x3f;
	need = 1 + (bytes + 2) / 3 * 4;
	if (bytes == 0 || n > need + 2)
		return false;
	// Some encoders leave out the padding of the last group.
	if (n + 3 < need && line[n - 1] != ' ' && memchr(line, ' ', n) == NULL)
		return false;
	for (size_t i = 1; i < n; i++)
		if (line[i] < 0x20 || line[i] > 0x60)
			return false;
	return true;
}

bool uu_is_all_data(const uint8_t *line, size_t n)
{
	if (n < 2 || line[0] <= 0x20 || line[0] >= 0x60)
		return false;
	for (size_t i = 1; i < n; i++)
		if (line[i] < 0x20 || line[i] > 0x60)
			return false;
	return true;
}

bool uu_is_exact(const uint8_t *line, size_t n)
{
	size_t need;

	if (n < 2 || line[0] <= 0x20 || line[0] >= 0x60)
		return false;
	need = 1 + (line[0] - 0x20u + 2) / 3 * 4;
	return n >= need && n <= need + 2;
}

bool uu_begins_with_data(const uint8_t *line, size_t n)
{
	size_t damaged = 0;
	size_t need;

	if (n < 2 || line[0] <= 0x20 || line[0] >= 0x60)
		return false;
	need = 1 + (line[0] - 0x20u + 2) / 3 * 4;
	if (n < need)
		return false;
	for (size_t i = 1; i < need; i++)
		damaged += line[i] < 0x20 || line[i] > 0x60;
	return damaged <= need / 16;
}

bool uu_fills_line(const uint8_t *line, size_t n)
{
	return n >= 61 && line[0] == 'M' && uu_holds_data(line, n);
}
