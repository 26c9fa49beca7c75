// SPDX-License-Identifier: BSD-3-Clause
// The copies of HTML against what ClamAV 1.4.6 makes of the same bytes, fed in any chunking.
#include "scan/normalise_entity.h"
#include "scan/normalise_html.h"
#include "scan/normalise_ops.h"
#include "tests/support/html_copies.h"
#include "tests/support/random.h"

#include <stdbool.h>
#include <stdint.h>

// cmocka.h wants these before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
// clang-format on

static void normalise(
	const uint8_t *data, size_t n, size_t first, size_t step, struct html_copies *out)
{
	html_copies_make(NULL, data, n, first, step, out);
}

struct page_case {
	const char *html;
	const char *page;
	const char *text;
	size_t html_bytes;
	size_t page_bytes;
	size_t text_bytes;
};

#define CASE(html, page, text)                                                                     \
	{                                                                                          \
		html, page, text, sizeof(html) - 1, sizeof(page) - 1, sizeof(text) - 1             \
	}

// Of a script: var a = 'X1'; if (a < 2 && a > 0) alert("x@y");  Foo
#define CODE                                                                                       \
	"#@~^PgAAAA==-mD~mP{PBoFEI@#@&kWPvl~@!, PL'PmP@*,Tb@#@&dmVnDOcr6@$Xrbi,PoGK9wwAAA==^#~@"
#define DECODED "vara=\"x1\";if(a<2&&a>0)alert(\"x@y\");foo"

static const struct page_case cases[] = {
	CASE("<html>Hello  World\r\n\tAgain</html>", "<html>hello world again</html>",
		" hello world again "),
	CASE("<HTML><A HREF='HTTP://Example.ORG/A b' TITLE = x>Link</A>",
		"<html><a href=\"http://example.org/a b\" title=x>link</a>",
		" HTTP://Example.ORG/A b link "),
	CASE("<html><a title=1 href=First href=Second>x",
		"<html><a title=1 href=first href=second>x", " First x"),
	CASE("<html><a href href=Second>x</a><a href=\"\">y</a><a href=x",
		"<html><a href href=second>x</a><a href=\"\">y</a><a href=x", " x y "),
	CASE("<html><img alt=a src=\"Pic.PNG\">", "<html><img alt=a src=\"pic.png\">", " "),
	CASE("<html>a<!-- <b>c</b> -->d<!x>e< !y>f", "<html>ac</b>-->def", " a c -->d e f"),
	CASE("<html><script>var A = 'b';\n if (a < b) c(); <!-- x 'y' --> </Script >z",
		"<html><script>vara=\"b\";if(a<b)c();<!--x\"y\"--></script>z", " >z"),
	CASE("<html><style>B { c : D }</style> x <style></script> y </style>",
		"<html><style>b{c:d}</style>x <style></script>y </style>", " x y "),
	CASE("<html><script></style> A B</script> C", "<html><script></style>ab</script>c", " c"),
	CASE("<html>&lt;&AMP;&amp;&nbsp;&Eacute;&thetasym;&nosuch;&toolongforaname;&amp &lt<",
		"<html><&amp;&\xa0\xc9&#x03d1;&nosuch;&toolongforaname;&amp &lt<", " "),
	CASE("<html>&#65;&#x41;&#X41;&#300;&#xffff;&#x10041;&#0;&#;&#x;&#65 &#6a;&#12288;&#x3002;",
		"<html>aaa&#x012c;&#xffff;A\x00\x00\x00"
		"A \x06"
		"a;&#x3000;.",
		" a; "),
	CASE("<html>&#99999999999999999999;&#x9999999999999999999;",
		"<html>\xff"
		"9;\x03"
		"99;",
		" 9; 99;"),
	CASE("<html><a href=\"&#72;&eacute;&lt;x&y\">t</a>", "<html><a href=\"h\xe9<x&y\">t</a>",
		" H\xe9<x&y t "),
	CASE("<html>\xc3\xa9 \xe3\x80\x82x\xa1"
	     "Dy\xff\xfe\xfd\xfc",
		"<html>\xc3\xa9 .x.\x00y\xff\xfe\xfd", " \xc3\xc3.x.\x00y\xff\xfe\xfe"),
	CASE("<html><b t=\xe3\x80\x82x u=\xc3\xa9 v=\xa1"
	     "Cz>",
		"<html><b t=.x u= v=\xc3\xa9\xa1"
		"cz>",
		" "),
	CASE("<html><img src=\"data:text/plain;base64,SGk=\" alt=x>",
		"<html><img src=\"data\"alt=x>", " "),
	CASE("<html><img src=data:,a%41%4z%zq&amp;b>c", "<html><img src=data&c", " "),
	CASE("<html><img src='data:text/html'>d<img src=\"data:a b,c\"d>e",
		"<html><img src=\"data\">d<img src=\"data\"e", " d "),
	CASE("<html><a b=\"c d>e f\" g>h", "<html><a b=\"c d>e f\" g>h", " e f\" g>h"),
	CASE("<html><b\n\nc\n=\nd e>f", "<html><b c=d e>f", " f"),
	CASE("<html>1\x01\x02"
	     "2\x7f"
	     "3",
		"<html>1\x01\x02"
		"2\x7f"
		"3",
		" 1 2\x7f"
		"3"),
	CASE("<html>a\rb\nc", "<html>ab c", " ab c"),
	CASE("<html><>x</>y<b/>z< / b >", "<html><>x</>y<b/>z</ b>", " x y z "),
	CASE("<html><a href=\"x\\\"y\">z</a>", "<html><a href=\"x\\\" y\">z</a>", " x\\ z "),
	CASE("<html>x &am", "<html>x &am", " x "),
	CASE("<html>x &amp", "<html>x &", " x "),
	CASE("<html><script language=\"JScript.Encode\">" CODE "</script>T",
		"<html><script language=\"jscript.encode\"><script language=\"javascript\">" DECODED
		"</script>t",
		" t"),
	CASE("<html><SCRIPT LANGUAGE=VBScript.Encode Defer ID='Foo Bar'>  \r\n<!-- " CODE
	     "//--></script><a href=x>y</a></html>",
		"<html><script language=vbscript.encode defer id=\"foo bar\"><script "
		"language=\"vbscript\" "
		"defer id=\"foo bar\"><!-- " DECODED "//--></script><a href=x>y</a></html>",
		" x y "),
	CASE("<html><script src=q language='JScript.Encode'>#@~^cgAAAA==-mD~mP{PBoFEI@#@&kWPvl~@!, "
	     "PL'PmP@*,Tb@#@&dmVnDOcr6@$Xrbi,PoGK@!zd^Mk2Y@*@!mP4M+6'B9lDC)D+aYJwsCbx~m8mE@*V@!&C@*"
	     ","
	     "}fhwAAA==^#~@</script>T</html>",
		"<html><script src=q language=\"jscript.encode\"><script src=\"q\" "
		"language=\"javascript\">" DECODED
		"</script><a href=\"data\">l</a>z</script>t</html>",
		" l z t "),
	CASE("<html><script language=\"JScript\">" CODE "</script>T",
		"<html><script "
		"language=\"jscript\">#@~^pgaaaa==-md~mp{pbofei@#@&kwpvl~@!,pl\"pmp@*,"
		"tb@#@&dmvndocr6@$xrbi,pogk9wwaaa==^#~@</script>t",
		" t"),
	CASE("<html><script language=JScript.Encode></script>#@ #@~ T",
		"<html><script language=jscript.encode><script language=\"javascript\"></script>#@ "
		"#@~ t",
		" "),
	CASE("<html><script language=JScript.Encode>#@~^AwAAAA==-mD~mP{PBoFEI@#@&kW</script>T",
		"<html><script language=jscript.encode><script "
		"language=\"javascript\">var@&kw</script>t",
		" t"),
};

static void the_copies_are_those_of_clamav(void **state)
{
	static struct html_copies copies;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct page_case *c = &cases[i];

		for (size_t k = 0; normalise_variant(k) != NULL; k++) {
			html_copies_make(normalise_variant(k), (const uint8_t *)c->html,
				c->html_bytes, 0, 0, &copies);
			assert_int_equal(copies.page_bytes, c->page_bytes);
			assert_memory_equal(copies.page, c->page, c->page_bytes);
			assert_int_equal(copies.text_bytes, c->text_bytes);
			assert_memory_equal(copies.text, c->text, c->text_bytes);
		}
	}
}

static void any_cut_gives_the_same_copies(void **state)
{
	static struct html_copies whole;
	static struct html_copies pieces;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint8_t *html = (const uint8_t *)cases[i].html;

		normalise(html, cases[i].html_bytes, 0, 0, &whole);
		normalise(html, cases[i].html_bytes, 0, 1, &pieces);
		html_copies_check_same(&pieces, &whole);
		for (size_t at = 1; at < cases[i].html_bytes; at++) {
			normalise(html, cases[i].html_bytes, at, 0, &pieces);
			html_copies_check_same(&pieces, &whole);
		}
	}
}

// Tags and text that begin anywhere in a vector, cut short anywhere.
static void every_variant_gives_the_same_copies(void **state)
{
	static const char page[] =
		"<HTML>\r\n<Body bgColor=\"#FFFFFF\" text = black>\r\n  A word,\r\n\tanother\rone "
		"\r \n  here  <A HREF=\"http://Example.ORG/x\" title='T t'>L</A ><a  href=x>y</a>"
		"<a href=\"a b\"><a href=''>z<a href='Q'  \r\n >z<IMG SRC=p.png  alt=\"a b c\" >"
		"<img src=\"\"><td a=\"x>y\"><td a=\"b c=\">\"><td a='b c d'><td a=\"b\"c=d><td "
		"a=b=\"c\"><td\ta=\"b\tc\"><x='a'><e d=\"data:,x\"><e d=xdata:,x><e d = x><p\r>q"
		"<style><!-- P { font : 'A B' } \x80 & --></style><img src=e=''><script>a  'b' & "
		"\xe9 < "
		"c</script>"
		"<b>&nbsp; &nbsp;<i>\x01 x \x80<u> \xe3\x80\x82 <s a=\xe3\x80\x82><s a='b'>end < "
		"<>  ";
	static struct html_copies expected;
	static struct html_copies copies;
	static uint8_t html[sizeof(page) + 64];

	(void)state;
	for (size_t before = 0; before < 64; before++) {
		size_t n = before + sizeof(page) - 1;

		memset(html, 'x', before);
		memcpy(html + before, page, sizeof(page) - 1);
		for (size_t end = n; end > 0; end--) {
			html_copies_make(&html_states_alone, html, end, 0, 1, &expected);
			for (size_t k = 0; normalise_variant(k) != NULL; k++) {
				html_copies_make(normalise_variant(k), html, end, 0, 0, &copies);
				html_copies_check_same(&copies, &expected);
			}
		}
	}
}

// Pages of any pieces in any order, of which most are almost plain.
static void random_pages_give_the_same_copies_in_every_variant(void **state)
{
	static const char *const pieces[] = {"<", "<", "<b>", "<td>", "</td>", "<br />", "<A href=",
		"<img src=", "<a x=y href=", "<font face=\"a b c\" size=2 color='#FFFFFF' >",
		"<span ",
		"style=\"border: 1px; width: 100%; font-family: Verdana, Arial; padding: 2px\"",
		"class=x", " id='q'", "=", "\"", "\"", "'", ">", ">", ">", " ", " ", "\r\n",
		"  \r\n ", "\t", "\r", "word", "Some longer text, with a stop. ", "x", "&nbsp;",
		"&lt;", "&Pi;", "&amp", "&none;", "&", ";", "data:", "data:,x", "\x80",
		"\xe3\x80\x82", "\xe3\x80", "\xef\xbc\x8e", "\xef\xb9\x92", "\xa1\x43", "\xc3\xa9",
		"\xd0\xb0\xd0\xb4\xd1\x80\xd0\xb5\xd1\x81 ", "\xff\xfe\xfd", "&amp;", "&#65;",
		"&#8217;", "&#xe9;", "&#", "alt='it\"s'", "title=\"it's\"", " = ", "&a\rmp;",
		"&B2B;", "&AnyNameThatIsLonger;", "\xe9t\xe9=", "=\"\xe3\x80", "\x82\"",
		"href = 'x'", "<Img\r\nSRC", "<a\x0chref", "&#100;ata:", "<\r/",
		"?a=1&amp;B=2&C=3&d;", " href=\"x?A&amp;", " src='", "\" ", "<!--", "<!", "\x0b",
		"\n", "\x01", "!--", "-->", "<script>", "</script>", "<style>", "</style>", "/",
		"<input type=text value=\"",
		"http://www.Example.ORG/a/very/long/path/that/goes/on/and/on/and/on/and/on.html"};
	static uint8_t html[4000];
	struct random random = {UINT64_C(0x2545f4914f6cdd1d)};

	(void)state;
	for (unsigned int round = 0; round < 6000; round++) {
		const size_t most = 1 + random_below(&random, round % 10 == 0 ? 4000 : 400);
		// Of few kinds, so that they fit together more often.
		const unsigned int from = random_below(&random, sizeof(pieces) / sizeof(pieces[0]));
		const unsigned int kinds = 2 + random_below(&random, 70);
		size_t n = 0;

		while (n < most) {
			const char *piece = pieces[(from + random_below(&random, kinds)) %
						   (sizeof(pieces) / sizeof(pieces[0]))];

			while (*piece != '\0' && n < most)
				html[n++] = (uint8_t)*piece++;
		}
		html_copies_check_variants(html, n, random_below(&random, (uint32_t)n));
	}
}

// What is no HTML at all, with more or less of what HTML is made of.
static void random_bytes_give_the_same_copies_in_every_variant(void **state)
{
	static const char some[] = "<>\"'=& \r\n\t\x80\xe3\x82\xa1"
				   "Ca!/";
	static uint8_t html[20000];
	struct random random = {UINT64_C(0x9e3779b97f4a7c15)};

	(void)state;
	for (unsigned int round = 0; round < 1500; round++) {
		const uint32_t n = 1 + random_below(&random, round % 50 == 0 ? sizeof(html) : 1000);
		const uint32_t kind = round % 4;

		for (uint32_t i = 0; i < n; i++)
			html[i] = (uint8_t)random_below(&random, 256);
		for (uint32_t i = 0; i < n; i++)
			if (kind == 1 || (kind == 2 && random_below(&random, 20) == 0))
				html[i] = (uint8_t)some[random_below(&random, sizeof(some) - 1)];
			else if (kind == 3 && random_below(&random, 3) > 0)
				html[i] |= 0x80;
		html_copies_check_variants(html, n, random_below(&random, n));
	}
}

// Of every kind of tag, so long that it waits as long as it can, and longer.
static void a_tag_may_be_cut_off_anywhere(void **state)
{
	static const char *const tags[][2] = {{"<td class=\"", "\">"},
		{"<A HREF='x?a=1&amp;b=", "'>"},
		{"<img alt=\"a, b\" src=\"data:image/png;base64,QUJD", "\" title=x>"},
		{"<a href=x title=\"data:a/b,c", "\" src='&#100;ata:,y'>"},
		{"<a title = &eacute; href = \xc3\xa9 x=", " &am>"}, {"<!-- <b>", "-->"},
		{"<!-- ", "-->"}, {"<script language=JScript.Encode x=", ">" CODE "</script>"},
		{"<style a=", "> B { c } </style>"}, {"< \r\n td", "\r\n>"}, {"</", " >"},
		{"<b>&", ";"}};
	static const size_t lengths[] = {0, 3, 60, 400, NORMALISE_HTML_TAIL - 40,
		NORMALISE_HTML_TAIL, 2 * NORMALISE_HTML_TAIL + 30};
	static uint8_t html[4 * NORMALISE_HTML_TAIL];

	(void)state;
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		for (size_t k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++) {
			size_t n = (size_t)sprintf((char *)html, "<p>Words and\n %s", tags[i][0]);

			memset(html + n, 'y', lengths[k]);
			n += lengths[k];
			n += (size_t)sprintf((char *)html + n, "%s and <i>more</i>", tags[i][1]);
			for (size_t cut = 1; cut < n; cut += cut < 100 || cut + 120 > n ? 1 : 7)
				html_copies_check_variants(html, n, cut);
		}
}

// More of them in a block than it takes by itself, anywhere in it, and in links across blocks.
static void references_may_stand_anywhere_in_a_block(void **state)
{
	static const char *const references[] = {"&pi;", "&rsquo;", "&thetasym;", "&nbsp;",
		"&#8217;", "&amp;", "&thetasymb;", "&;", "&gt;"};
	static uint8_t html[1000];

	(void)state;
	for (size_t i = 0; i < sizeof(references) / sizeof(references[0]); i++)
		for (size_t before = 0; before < 64; before++) {
			size_t n = before;

			memset(html, 'x', before);
			for (unsigned int count = 0; count < 20; count++)
				n += (size_t)sprintf((char *)html + n, "%s", references[i]);
			n += (size_t)sprintf((char *)html + n, " <a href=\"x?");
			for (unsigned int count = 0; count < 20; count++)
				n += (size_t)sprintf((char *)html + n, "%sy=z", references[i]);
			n += (size_t)sprintf((char *)html + n,
				"\">%s and some words behind it, so that the end of the page is "
				"far "
				"away from what is to be looked at here, and not a part of it</a>",
				references[i]);
			html_copies_check_variants(html, n, before + 70);
		}
}

// What waits is part of the page where it is asked for, and comes but once.
static void a_tag_that_waits_comes_out_when_it_is_asked_for(void **state)
{
	static const char tag[] = "x<img src=\"data:a/b;base64,";
	static struct normalise_html_out out;
	struct normalise_html html;

	(void)state;
	normalise_html_begin(&html);
	assert_int_equal(normalise_html(&html, (const uint8_t *)tag, sizeof(tag) - 1, &out),
		sizeof(tag) - 1);
	while (normalise_html_settle(&html, &out))
		;
	assert_true(normalise_html_is_in_data(&html));
	assert_false(normalise_html_settle(&html, &out));
}

// Plain words and white space: what ClamAV reads in chunks of 8191 bytes loses the blanks that a chunk
// begins with.
static void white_space_that_begins_a_chunk_is_lost(void **state)
{
	static uint8_t html[20400];
	static struct html_copies whole;
	static struct html_copies pieces;

	(void)state;
	memset(html, 'A', sizeof(html));
	html[8191] = ' ';
	html[8192] = '\n';
	// The second chunk is cut behind this one, so the third begins there.
	html[12000] = ' ';
	html[12001 + 8191] = ' ';
	normalise(html, sizeof(html), 0, 0, &whole);
	assert_int_equal(whole.page_bytes, sizeof(html) - 3);
	assert_int_equal(whole.page[8191], 'a');
	assert_int_equal(whole.page[11998], ' ');
	for (size_t step = 1; step < 9000; step += 997) {
		normalise(html, sizeof(html), 8190, step, &pieces);
		html_copies_check_same(&pieces, &whole);
	}
}

static void inline_data_comes_out(void **state)
{
	static const char html[] =
		"<img src=\"data:image/PNG;base64,QUJD&amp;%44\"><a href=data:,x>"
		"<p style=x><embed src='data:a/b,unfinished";
	static struct html_copies copies;

	(void)state;
	normalise((const uint8_t *)html, sizeof(html) - 1, 0, 0, &copies);
	copies.data[copies.data_bytes] = '\0';
	assert_string_equal(
		(const char *)copies.data, "[image/png;base64|QUJDD][|x][a/b|unfinished]");
}

static void names_of_characters_are_known(void **state)
{
	(void)state;
	assert_int_equal(normalise_entity("amp", 3), '&');
	assert_int_equal(normalise_entity("Amp", 3), 0);
	assert_int_equal(normalise_entity("am", 2), 0);
	assert_int_equal(normalise_entity("thetasym", 8), 0x3d1);
	assert_int_equal(normalise_entity("thetasymb", 9), 0);
	assert_int_equal(normalise_entity("", 0), 0);
	assert_int_equal(normalise_entity("zwnj", 4), 0x200c);
	assert_int_equal(normalise_entity("AElig", 5), 0xc6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_copies_are_those_of_clamav),
		cmocka_unit_test(every_variant_gives_the_same_copies),
		cmocka_unit_test(random_pages_give_the_same_copies_in_every_variant),
		cmocka_unit_test(random_bytes_give_the_same_copies_in_every_variant),
		cmocka_unit_test(any_cut_gives_the_same_copies),
		cmocka_unit_test(a_tag_may_be_cut_off_anywhere),
		cmocka_unit_test(references_may_stand_anywhere_in_a_block),
		cmocka_unit_test(a_tag_that_waits_comes_out_when_it_is_asked_for),
		cmocka_unit_test(white_space_that_begins_a_chunk_is_lost),
		cmocka_unit_test(inline_data_comes_out),
		cmocka_unit_test(names_of_characters_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
