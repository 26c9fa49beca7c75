// SPDX-License-Identifier: BSD-3-Clause
// Files in text: as they are spelt, and what only looks like one.
#include "control/rebuild_embed.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool in_html(const char *text)
{
	// In memory of its own, so that nothing behind it is read unseen.
	size_t n = strlen(text);
	uint8_t *copy = malloc(n > 0 ? n : 1);
	bool found;

	assert_non_null(copy);
	for (size_t i = 0; i < n; i++)
		copy[i] = (uint8_t)text[i];
	found = rebuild_embed_in_html(copy, n);
	free(copy);
	return found;
}

static void a_data_url_is_found_however_it_is_spelt(void **state)
{
	static const char *const pages[] = {
		"<img src=\"data:image/png;base64,iVBOR\">",
		"<img src='DATA:image/png;base64,iVBOR'>",
		"<img src=data:image/png;base64,iVBOR>",
		"<a href = \" data:application/zip;base64,UEs\">",
		"<a href=\"data:x;base64,TVqQ\" download=a.exe>",
		"<a href=\"data:,x\">",
		"<a href=\"data: text / html , x\">",
		"<a href=\"da\r\nta:text/html,x\">",
		"<a href=\"d\ta\tta:text/html,x\">",
		"<a href=\"&#100;ata:text/html,x\">",
		"<a href=\"&#x64;&#97ta&colon;text/html&comma;x\">",
		"<a href=\"da&Tab;ta&#0000058;text/html,x\">",
		"<a href=\"da&NewLine;ta:text/html,x\">",
		"<object data=data:application/pdf;base64,JVBERi0>",
		"<img srcset=\"a.png 1x, data:image/png;base64,iVBOR 2x\">",
		"<p style=\"background:url(data:image/png;base64,iVBOR)\">",
		"<style>p{background:url( 'data:,x')}</style>",
		"<style>p{background:url(\\64 ata:,x)}</style>",
		"<style>@import \"data:text/css,p\";</style>",
		"<meta http-equiv=refresh content=\"0;url=data:text/html,x\">",
		// What would end it elsewhere is content in a quoted value.
		"<a href=\"data:text/html,<script>x</script>\">",
		"<a href=\"data:text/html,'x'\">",
		"<a href='data:text/html;a=<b>,x'>",
		"<img srcset=\"a.png 1x, data:image/svg+xml,<svg/> 2x\">",
		"<a href=\"data:text/html;a=&quot;b&#34;,x\">",
		"<a href=\"data:text/html;a=\\22,x\">",
		"<a download=a.exe href=\"          data:,x\">",
		"<a download=a.exe href=\"\x01\x1f data:,x\">",
		"<style>p{background:url(da\\ta:,x)}</style>",
		"<style>p{background:url('da\\\nta:,x')}</style>",
		"<p style=\"background:url(&quot;data:,x&quot;)\">",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		if (!in_html(pages[i]))
			fail_msg("not found: %s", pages[i]);
	}
}

// Its parameters may be of any length.
static void nor_does_length_hide_it(void **state)
{
	char page[2000];
	char many[1500];

	(void)state;
	memset(many, 'b', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	(void)snprintf(page, sizeof(page), "<a href=\"data:text/html;a=%s,x\">", many);
	assert_true(in_html(page));
	(void)snprintf(page, sizeof(page), "<p>(data:text/html;a=%s,x)</p>", many);
	assert_true(in_html(page));
}

static void what_only_looks_like_one_is_text(void **state)
{
	static const char *const pages[] = {
		"",
		"data:",
		"<p>data: 1, 2, 3</p>",
		"<p>(data: 5, 6)</p>",
		"<p>the data:a, b</p>",
		"<p>metadata:a/b,c</p>",
		"<a href=\"http://a.example/?metadata:a/b,c\">",
		"<a href=\"data:image/png;base64,\">",
		"<a href=\"data:image/png\">none</a>, it is",
		"<p data-x=\"1\">a, b</p>",
		"&#",
		"&#x",
		"\\",
		"<a href=\"data:",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		if (in_html(pages[i]))
			fail_msg("found: %s", pages[i]);
	}
}

static bool in_text(const char *text)
{
	return rebuild_embed_in_text((const uint8_t *)text, strlen(text));
}

static void blocks_begin_a_line(void **state)
{
	(void)state;
	assert_true(in_text("=ybegin line=128 size=1 name=a\r\n"));
	assert_true(in_text("text\n=ybegin line=128 size=1 name=a\r\n"));
	assert_true(in_text("text\r\n-----BEGIN PGP MESSAGE-----\r\n"));
	assert_false(in_text("a =ybegin of text\r\n"));
	assert_false(in_text("> -----BEGIN PGP MESSAGE-----\r\n"));
	assert_false(in_text("-----BEGIN PGP SIGNED MESSAGE-----\r\n"));
	assert_false(in_text(""));
}

static void only_what_has_ascii_can_be_looked_at(void **state)
{
	(void)state;
	assert_true(rebuild_embed_can_read(""));
	assert_true(rebuild_embed_can_read("us-ascii"));
	assert_true(rebuild_embed_can_read("UTF-8"));
	assert_true(rebuild_embed_can_read("windows-1252"));
	assert_false(rebuild_embed_can_read("UTF-7"));
	assert_false(rebuild_embed_can_read("utf-16le"));
	assert_false(rebuild_embed_can_read("unicode-1-1-utf-7"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_data_url_is_found_however_it_is_spelt),
		cmocka_unit_test(nor_does_length_hide_it),
		cmocka_unit_test(what_only_looks_like_one_is_text),
		cmocka_unit_test(blocks_begin_a_line),
		cmocka_unit_test(only_what_has_ascii_can_be_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
