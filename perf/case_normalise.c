// SPDX-License-Identifier: BSD-3-Clause
// The copies of HTML and of texts, beside a copy of the same bytes.
#include "perf/perf.h"
#include "scan/normalise_html.h"
#include "scan/normalise_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES 65536u
#define LINE_ROOM 512

struct normalise_state {
	uint8_t *in;
	uint8_t *out;
	size_t bytes;
	struct normalise_html html;
	struct normalise_html_out html_out;
};

static struct normalise_state *make(struct perf_run *run)
{
	struct normalise_state *state = perf_alloc(sizeof(*state));

	state->bytes = BYTES;
	state->in = perf_alloc(BYTES + LINE_ROOM);
	state->out = perf_alloc(BYTES + LINE_ROOM + NORMALISE_TEXT_SLACK);
	perf_fill(state->in, BYTES, run->it->number);
	run->amount = (double)state->bytes;
	run->state = state;
	return state;
}

static const char *word_of(uint8_t byte, bool is_wide)
{
	static const char *const words[] = {"the", "invoice", "of", "March", "is", "attached",
		"please", "whether", "all", "right", "with", "kind", "regards", "delivery",
		"number", "customer"};
	static const char *const others[] = {"\xd0\xb7\xd0\xb0\xd0\xba\xd0\xb0\xd0\xb7", "\xd0\xb8",
		"\xd0\xb0\xd0\xb4\xd1\x80\xd0\xb5\xd1\x81", "\xd0\xb2\xd0\xb0\xd1\x88"};

	return is_wide ? others[byte % 4] : words[byte % 16];
}

// Lines of so many words, from bytes that are random, between what opens and what closes them.
static int fill(struct perf_run *run, const char *open, const char *close, bool is_wide)
{
	struct normalise_state *state = make(run);
	uint8_t *random = perf_alloc(BYTES);
	size_t at = 0;

	memcpy(random, state->in, BYTES);
	for (size_t i = 0; at < BYTES;) {
		char *line = (char *)state->in + at;
		size_t n = (size_t)snprintf(line, LINE_ROOM, "%s", open);

		for (size_t words = 4 + random[i++ % BYTES] % 12; words > 0; words--)
			n += (size_t)snprintf(line + n, LINE_ROOM - n, "%s ",
				word_of(random[i++ % BYTES], is_wide));
		n += (size_t)snprintf(line + n, LINE_ROOM - n, "%s", close);
		at += n;
	}
	state->bytes = at;
	run->amount = (double)at;
	free(random);
	return 0;
}

static int begin_prose(struct perf_run *run)
{
	return fill(run, "<p class=\"text\">", "</p>\r\n", false);
}

static int begin_letter(struct perf_run *run)
{
	return fill(run,
		"<td align=\"center\" style=\"padding:0 20px; font-family:Arial\">\r\n  "
		"<a href=\"https://www.example.org/track?u=1&amp;id=2\">",
		"&nbsp;</a><!-- x -->\r\n</td>\r\n", false);
}

// Blanks around "=", quotes in quotes, bytes above 127 and references in values.
static int begin_odd(struct perf_run *run)
{
	return fill(run,
		"<td align = center style='padding:0; font-family:\"Arial\"' "
		"title=\"\xc3\xa9t\xc3\xa9\">"
		"<A HREF='https://www.example.org/?u=1&amp;id=2' onclick=\"x('a')\">",
		"&eacute;</A><BR /></td>\r\n", false);
}

static int begin_wide(struct perf_run *run)
{
	return fill(run, "<p class=\"text\">", "</p>\r\n", true);
}

static int begin_text(struct perf_run *run)
{
	return fill(run, "", "\r\n", false);
}

static int begin_binary(struct perf_run *run)
{
	(void)make(run);
	return 0;
}

static void run_html(void *ctx)
{
	struct normalise_state *state = ctx;
	size_t used = 0;

	normalise_html_begin(&state->html);
	while (used < state->bytes)
		used += normalise_html(
			&state->html, state->in + used, state->bytes - used, &state->html_out);
	perf_keep(state->html_out.page_bytes);
}

static void run_text(void *ctx)
{
	struct normalise_state *state = ctx;
	struct normalise_text text = {0};

	perf_keep(normalise_text(&text, state->in, state->bytes, state->out));
}

static void run_copy(void *ctx)
{
	const struct normalise_state *state = ctx;

	memcpy(state->out, state->in, state->bytes);
	perf_keep(state->out[state->bytes / 2]);
}

static void end(void *ctx)
{
	struct normalise_state *state = ctx;

	free(state->in);
	free(state->out);
	free(state);
}

static const struct perf_case cases[] = {
	{"normalise/html/prose", "memcpy", "B/s", 1, false, false, begin_prose, run_html, run_copy,
		end},
	{"normalise/html/newsletter", "memcpy", "B/s", 2, false, false, begin_letter, run_html,
		run_copy, end},
	{"normalise/html/odd", "memcpy", "B/s", 7, false, false, begin_odd, run_html, run_copy,
		end},
	{"normalise/html/utf-8", "memcpy", "B/s", 3, false, false, begin_wide, run_html, run_copy,
		end},
	{"normalise/html/binary", "memcpy", "B/s", 4, false, false, begin_binary, run_html,
		run_copy, end},
	{"normalise/text/prose", "memcpy", "B/s", 5, false, false, begin_text, run_text, run_copy,
		end},
	{"normalise/text/binary", "memcpy", "B/s", 6, false, false, begin_binary, run_text,
		run_copy, end},
};
PERF_CASES(cases)
