// SPDX-License-Identifier: BSD-3-Clause
#include "scan/page_name.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

// Longer ones are none that a system knows.
#define ENDING_BYTES 8u
// So long is no name that any system takes whole; archives' own are cut somewhat further on.
#define NAME_MOST 1000u

// With "ht" anywhere in them besides: htm, xhtml, mht, hta, phtml.
static const char *const endings[] = {"asp", "aspx", "cfm", "cgi", "chm", "eml", "js", "jse", "jsp",
	"mjs", "msg", "php", "php3", "php4", "php5", "pl", "sct", "stm", "svg", "url", "vbe", "vbs",
	"wsc", "wsf", "wsh", "xml", "xsl", "xslt"};

static bool is_plain(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool is_ending(const char *ending, size_t n, const char *word)
{
	return strlen(word) == n && strncasecmp(ending, word, n) == 0;
}

static bool is_page(const char *ending, size_t n, bool in_office)
{
	if (in_office && is_ending(ending, n, "xml"))
		return false;
	for (size_t i = 0; i + 1 < n; i++)
		if ((ending[i] | 0x20) == 'h' && (ending[i + 1] | 0x20) == 't')
			return true;
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
		if (is_ending(ending, n, endings[i]))
			return true;
	return false;
}

bool page_name_may_open(const char *name, bool in_office)
{
	size_t end = strlen(name);
	size_t begin;

	// Its ending may be cut off.
	if (end >= NAME_MOST)
		return true;
	// Windows does not keep these.
	while (end > 0 && (name[end - 1] == '.' || name[end - 1] == ' '))
		end--;
	for (begin = end; begin > 0 && is_plain(name[begin - 1]);)
		begin--;
	// None, or an odd one.
	if (begin == 0 || name[begin - 1] != '.' || begin == end || end - begin > ENDING_BYTES)
		return true;
	return is_page(name + begin, end - begin, in_office);
}
