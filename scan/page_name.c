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

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// Behind what stands before the first element: NULL where there is something else than what office programs write.
static const uint8_t *first_element(const uint8_t *at, const uint8_t *end)
{
	static const char declaration[] = "<?xml ";
	static const char mark[] = "\xef\xbb\xbf";

	if ((size_t)(end - at) > 3 && memcmp(at, mark, 3) == 0)
		at += 3;
	if ((size_t)(end - at) < sizeof(declaration) ||
		memcmp(at, declaration, sizeof(declaration) - 1) != 0)
		return NULL;
	while (at < end && *at == '<' && at + 1 < end && at[1] == '?') {
		at = memmem(at, (size_t)(end - at), "?>", 2);
		if (at == NULL)
			return NULL;
		for (at += 2; at < end && is_space(*at);)
			at++;
		if ((size_t)(end - at) > 16 && memcmp(at, "<?xml-stylesheet", 16) == 0)
			return NULL;
	}
	return at < end && *at == '<' ? at + 1 : NULL;
}

bool page_is_document(const uint8_t *data, size_t n)
{
	// Without a prefix.
	static const char *const names[] = {"Types", "Relationships", "Properties", "worksheet",
		"workbook", "sst", "styleSheet", "calcChain", "comments", "externalLink",
		"pivotTableDefinition", "pivotCacheDefinition", "pivotCacheRecords", "queryTable",
		"connections", "metadata", "chartsheet", "dialogsheet", "persons", "personList",
		"threadedComments", "table", "slicers", "slicerCacheDefinition", "users", "headers",
		"revisions", "singleXmlCells", "volTypes"};
	const uint8_t *end = data + n;
	const uint8_t *name = first_element(data, end);
	size_t bytes = 0;

	if (name == NULL)
		return false;
	while (name + bytes < end && (is_plain((char)name[bytes]) || name[bytes] == '_'))
		bytes++;
	if (name + bytes == end || bytes == 0)
		return false;
	if (name[bytes] == ':')
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == bytes && memcmp(names[i], name, bytes) == 0)
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
