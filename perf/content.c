// SPDX-License-Identifier: BSD-3-Clause
#include "perf/content.h"

#include "perf/content_put.h"
#include "perf/words.h"

#include <stdarg.h>
#include <stdio.h>

#define COLUMNS 72u

void put_format(struct mail_bytes *out, const char *format, ...)
{
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf((char *)out->data + out->bytes, CONTENT_SLACK / 2, format, arguments);
	va_end(arguments);
	out->bytes += n > 0 ? (size_t)n : 0;
}

void put_random(struct mail_bytes *out, size_t bytes, struct dice *dice)
{
	for (; bytes >= 8; bytes -= 8) {
		uint64_t value = dice_next(dice);

		put(out, &value, sizeof(value));
	}
	for (; bytes > 0; bytes--)
		out->data[out->bytes++] = (uint8_t)dice_next(dice);
}

// What stands in the place of a word now and then.
static size_t write_figure(char *word, struct dice *dice)
{
	uint32_t n = dice_below(dice, 10000);

	switch (dice_below(dice, 4)) {
	case 0:
		return (size_t)snprintf(word, WORD_BYTES, "%u", n);
	case 1:
		return (size_t)snprintf(word, WORD_BYTES, "%u.%02u", n, n % 100);
	case 2:
		return (size_t)snprintf(
			word, WORD_BYTES, "%u/%u/%u", 1 + n % 12, 1 + n % 28, 2000 + n % 27);
	default:
		return (size_t)snprintf(word, WORD_BYTES, "(%u-%04u)", n % 900 + 100, n);
	}
}

void put_sentence(struct mail_bytes *out, uint32_t words, bool has_entities, struct dice *dice)
{
	static const char *const plain[] = {",", " -", "'s", "n't", ";", ":"};
	static const char *const entities[] = {
		",", "&nbsp;&mdash;", "&#8217;s", "&rsquo;t", " &amp;", ":"};

	words = 2 + dice_below(dice, words - 1);
	for (uint32_t i = 0; i < words; i++) {
		char word[WORD_BYTES];
		size_t n = word_draw(dice, word);

		if (i > 0 && dice_below(dice, 40) == 0)
			n = write_figure(word, dice);
		if (i == 0 && word[0] >= 'a')
			word[0] = (char)(word[0] - 'a' + 'A');
		put(out, word, n);
		if (i + 1 < words && dice_below(dice, 9) == 0)
			put_text(out, (has_entities ? entities : plain)[dice_below(dice, 6)]);
		if (i + 1 < words)
			put_text(out, " ");
	}
	put_text(out, dice_below(dice, 8) == 0 ? "?" : ".");
}

// ---- text ---------------------------------------------------------------------------------------

// Lines of what was written as one, each with a mark before it.
static void put_wrapped(struct mail_bytes *out, struct mail_bytes *one, const char *mark)
{
	size_t at = 0;

	while (at < one->bytes) {
		size_t end = one->bytes - at < COLUMNS ? one->bytes : at + COLUMNS;

		while (end < one->bytes && end > at + 1 && one->data[end] != ' ')
			end--;
		put_text(out, mark);
		put(out, one->data + at, end - at);
		put_text(out, "\r\n");
		at = end + 1;
	}
}

static void put_paragraph(struct mail_bytes *out, struct dice *dice)
{
	uint8_t room[CONTENT_SLACK / 2];
	struct mail_bytes one = {.data = room};

	for (uint32_t i = 1 + dice_below(dice, 5); i > 0; i--) {
		put_sentence(&one, 18, false, dice);
		if (i > 1)
			put_text(&one, " ");
	}
	put_wrapped(out, &one, dice_below(dice, 5) == 0 ? "> " : "");
	put_text(out, "\r\n");
}

void content_text(struct mail_bytes *out, size_t bytes, struct dice *dice)
{
	size_t end = out->bytes + bytes;

	put_text(out, "Dear all,\r\n\r\n");
	while (out->bytes < end) {
		put_paragraph(out, dice);
		if (dice_below(dice, 12) == 0)
			put_format(out, "http://www.perf.example/archive/%u/%08x.html\r\n\r\n",
				2000 + dice_below(dice, 27), dice_below(dice, UINT32_MAX));
		if (dice_below(dice, 20) == 0)
			put_text(out, "-- \r\nBest regards,\r\n\r\n-----Original Message-----\r\n"
				      "From: someone@perf.example\r\nSent: Monday\r\nSubject: RE: "
				      "figures\r\n\r\n");
	}
}

void content_rows(struct mail_bytes *out, size_t bytes, struct dice *dice)
{
	size_t end = out->bytes + bytes;

	put_text(out, "number;date;name;article;amount;price\r\n");
	for (uint32_t i = 100000; out->bytes < end; i++) {
		char name[WORD_BYTES];
		char article[WORD_BYTES];

		(void)word_draw(dice, name);
		(void)word_any(dice, article);
		put_format(out, "%u;2026-%02u-%02u;%s;%s %u;%u;%u.%02u\r\n", i,
			1 + dice_below(dice, 12), 1 + dice_below(dice, 28), name, article,
			dice_below(dice, 1000), 1 + dice_below(dice, 50), dice_below(dice, 900),
			dice_below(dice, 100));
	}
}

// ---- HTML ---------------------------------------------------------------------------------------

static void put_link(struct mail_bytes *out, struct dice *dice)
{
	put_format(out,
		"<a "
		"href=\"https://click.news.perf.example/f/a/%016lx~~/"
		"%016lx%016lx?utm_source=newsletter&amp;"
		"utm_medium=email&amp;utm_campaign=%u\" target=\"_blank\" "
		"style=\"color:#%06x;text-decoration:"
		"underline;font-weight:bold;\">",
		dice_next(dice), dice_next(dice), dice_next(dice), dice_below(dice, 100),
		dice_below(dice, 1u << 24));
	put_sentence(out, 4, true, dice);
	put_text(out, "</a>");
}

static void put_image(struct mail_bytes *out, struct dice *dice)
{
	put_format(out,
		"<img src=\"https://image.news.perf.example/lib/%016lx/m/%u/%08x.png\" "
		"width=\"%u\" "
		"height=\"auto\" border=\"0\" alt=\"",
		dice_next(dice), dice_below(dice, 9), dice_below(dice, UINT32_MAX),
		100 + 20 * dice_below(dice, 26));
	put_sentence(out, 4, true, dice);
	put_text(out,
		"\" "
		"style=\"display:block;width:100%;max-width:600px;border:0;outline:none;\">\r\n");
}

static void put_block(struct mail_bytes *out, struct dice *dice)
{
	put_format(out,
		"<table role=\"presentation\" width=\"100%%\" cellpadding=\"0\" cellspacing=\"0\" "
		"border=\"0\" "
		"style=\"border-collapse:collapse;mso-table-lspace:0pt;mso-table-rspace:0pt;\">\r\n"
		"  <tr>\r\n    <td align=\"left\" valign=\"top\" bgcolor=\"#%06x\" "
		"style=\"padding:%upx %upx;"
		"font-family:Arial, Helvetica, "
		"sans-serif;font-size:%upx;line-height:22px;color:#333333;\">\r\n",
		dice_below(dice, 1u << 24), 4 * dice_below(dice, 8), 4 * dice_below(dice, 8),
		11 + dice_below(dice, 8));
	if (dice_below(dice, 2) == 0)
		put_image(out, dice);
	put_text(out, "      <h2 style=\"margin:0 0 8px 0;font-size:20px;\">");
	put_sentence(out, 7, true, dice);
	put_text(out, "</h2>\r\n");
	for (uint32_t i = 1 + dice_below(dice, 3); i > 0; i--) {
		put_text(out, "      <p style=\"margin:0 0 12px 0;\">");
		put_sentence(out, 20, true, dice);
		put_text(out, "\r\n");
		put_sentence(out, 20, true, dice);
		put_text(out, "<br>");
		put_link(out, dice);
		put_text(out, "</p>\r\n");
	}
	put_text(out, "    </td>\r\n  </tr>\r\n</table>\r\n");
}

void content_html(struct mail_bytes *out, size_t bytes, struct dice *dice)
{
	size_t end = out->bytes + bytes;

	put_text(out,
		"<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\" "
		"\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\r\n"
		"<html xmlns=\"http://www.w3.org/1999/xhtml\">\r\n<head>\r\n"
		"<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\" />\r\n"
		"<title>News</title>\r\n<style type=\"text/css\">\r\n"
		"body{margin:0;padding:0;-webkit-text-size-adjust:100%}\r\n"
		"img{border:0;height:auto;line-height:100%}\r\n"
		"@media only screen and (max-width:600px){.wrap{width:100%!important}}\r\n"
		"</style>\r\n</head>\r\n<body bgcolor=\"#f4f4f4\">\r\n"
		"<table class=\"wrap\" width=\"600\" align=\"center\"><tr><td>\r\n");
	while (out->bytes < end)
		put_block(out, dice);
	put_text(out, "</td></tr></table>\r\n</body>\r\n</html>\r\n");
}
