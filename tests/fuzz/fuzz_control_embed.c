// SPDX-License-Identifier: BSD-3-Clause
// Property: a data: URL is found in HTML however it is spelt and whatever stands around it. The first byte says how
// many of the next say how each character of the URL is spelt; then comes what is around it, at whose NUL the URL is
// put, and which is looked at alone as well, as text too.
#include "control/rebuild_embed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPELT_MOST 16 // bytes for a character

static const char url[] = "data:text/html;base64,PGI+";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

// One character in one of the ways that readers of HTML know.
static size_t spell(char c, uint8_t how, char *out)
{
	switch (how % 8) {
	case 0:
		return (size_t)snprintf(out, SPELT_MOST, "\t%c", c);
	case 1:
		return (size_t)snprintf(out, SPELT_MOST, "%c\r\n", c);
	case 2:
		return (size_t)snprintf(out, SPELT_MOST, "&#%d;", c);
	case 3:
		return (size_t)snprintf(out, SPELT_MOST, "&#%07d;", c);
	case 4:
		return (size_t)snprintf(out, SPELT_MOST, "&#x%x;", (unsigned int)c);
	case 5:
		return (size_t)snprintf(out, SPELT_MOST, "&#X%06X;\n", (unsigned int)c);
	default:
		return (size_t)snprintf(out, SPELT_MOST, "%c", c);
	}
}

static void check_found(const uint8_t *hows, size_t hows_count, const uint8_t *around, size_t n)
{
	static const char *const begins[] = {"<a href=\"", "<img src='", "<a href= \"\x01 "};
	static const char *const ends[] = {"\">", "'>", "\">"};
	const uint8_t *nul = n > 0 ? memchr(around, '\0', n) : NULL;
	size_t before = nul != NULL ? (size_t)(nul - around) : n;
	size_t which = hows_count > 0 ? hows[0] % 3 : 0;
	char *page = malloc(n + sizeof(url) * SPELT_MOST + 64);
	size_t at = before;
	uint8_t *exact;

	check(page != NULL);
	memcpy(page, around, before);
	at += (size_t)sprintf(page + at, "%s", begins[which]);
	for (size_t i = 0; i < sizeof(url) - 1; i++)
		at += spell(url[i], i < hows_count ? hows[i] : 0, page + at);
	at += (size_t)sprintf(page + at, "%s", ends[which]);
	memcpy(page + at, around + before, n - before);
	at += n - before;
	// Of its own size, so that nothing behind it is read unseen.
	exact = malloc(at);
	check(exact != NULL);
	memcpy(exact, page, at);
	check(rebuild_embed_in_html(exact, at));
	free(exact);
	free(page);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	size_t hows = n > 0 ? data[0] : 0;
	char charset[32] = "";
	uint8_t *exact;

	if (n == 0 || n > 65536)
		return 0;
	data++;
	n--;
	hows = hows < n ? hows : n;
	check_found(data, hows, data + hows, n - hows);
	exact = malloc(n + 1);
	check(exact != NULL);
	memcpy(exact, data, n);
	(void)rebuild_embed_in_html(exact, n);
	(void)rebuild_embed_in_text(exact, n);
	memcpy(charset, data, n < sizeof(charset) - 1 ? n : sizeof(charset) - 1);
	(void)rebuild_embed_can_read(charset);
	free(exact);
	return 0;
}
