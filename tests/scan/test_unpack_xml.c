// SPDX-License-Identifier: BSD-3-Clause
// Elements of base64 in documents of one XML file, in any pieces.
#include "scan/unpack.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <string.h>

#define HEAD                                                                                       \
	"<?xml version=\"1.0\"?><?mso-application progid=\"Word.Document\"?>"                      \
	"<w:wordDocument xmlns:w=\"http://schemas.microsoft.com/office/word/2003/wordml\">"
#define TEXT_BYTES 65536

static struct unpack_pool *pool;

// Members one behind the other, each with "|" behind it.
static void unpack_into(const char *text, size_t bytes, size_t piece, char *out)
{
	struct unpack *unpack;
	struct unpack_event event;
	size_t at = 0;

	assert_int_equal(unpack_begin(pool, UNPACK_XML, 0, &unpack), 0);
	for (bool is_over = false; !is_over;) {
		size_t n = bytes < piece ? bytes : piece;

		if (n > 0)
			n = unpack_next(unpack, (const uint8_t *)text, n, &event);
		else
			unpack_finish(unpack, &event);
		text += n;
		bytes -= n;
		assert_int_not_equal(event.type, UNPACK_WARNING);
		is_over = event.type == UNPACK_END;
		if (event.type == UNPACK_MEMBER_DATA) {
			assert_true(at + event.bytes < TEXT_BYTES);
			memcpy(out + at, event.data, event.bytes);
			at += event.bytes;
		} else if (event.type == UNPACK_MEMBER_END) {
			out[at++] = '|';
		}
	}
	out[at] = '\0';
	unpack_put(unpack);
}

struct xml_case {
	const char *text;
	const char *members;
};

static const struct xml_case cases[] = {
	{"<w:binData w:name=\"a.mso\">dmlydXM=</w:binData>", "virus|"},
	{"<w:binData>dml\r\n ydX\nM=\n</w:binData><p/><w:binData>eA==</w:binData>", "virus|x|"},
	{"<w:binData>dmlydXM</w:binData >", "virus|"},
	{"<w:binData>dmlydXM", "virus|"},
	{"<w:binData>dmlydX", "viru|"},
	{"<w:binData></w:binData><chunk>eA", "|x|"},
	{"<BINDATA Encoding='Base64'>eA==</BINDATA>", "x|"},
	{"<pkg:binaryData>eA==</pkg:binaryData>", "x|"},
	{"<a:b:chunk>eA==</a:b:chunk>", "x|"},
	{"<w:binData a='>'>eA==</w:binData>", "x|"},
	{"<w:binData a='<x>eA==</w:binData><chunk>eQ==</chunk>", "x|y|"},
	{"<w:binData>d<!-- -- > eHh4 -->m<a b='>'/>lydXM=</w:binData>", "virus|"},
	{"<w:binData><![CDATA[dmlydXM=]]></w:binData>", "virus|"},
	{"<w:binData>d&#109;&#x6c;ydXM&#61;</w:binData>", "virus|"},
	{"<w:binData>&amp;&#00000000000100;mlydXM=&#x</w:binData>", "virus|"},
	{"<!--<chunk>eA==</chunk>--><chunk>eQ==</chunk>", "y|"},
	{"<binDatas>eA==</binDatas><bin>eA==</bin>chunk<>eA==</>", ""},
	{"<<chunk>eA==<</chunk>", "x|"},
	{"</chunk><chunk>eA==<chunk>eA==</chunk>", "x|x|"},
	// What stands in a section or an instruction is no comment, nor a tag.
	{"<a><![CDATA[<!--<chunk>]]></a><chunk>eA==</chunk>", "x|"},
	{"<![CDATA[]] > ]]]><chunk><![CDATA[e<]]>A==</chunk>", "x|"},
	{"<?a <!--<chunk> ?><chunk>d<?a ' > eHh4 ?>mlydXM=</chunk>", "virus|"},
	// What is empty ends at once, and what does not is no part of the next.
	{"<chunk/>eHh4<a:chunk b='/' />eHh4<w:binData>eA==</w:binData>", "||x|"},
	{"<chunk a='/'>eA==<w:binData b=c/d>eQ==</w:binData>", "x|y|"},
	{"<a123456789012345678901234567890123456789012345678901234567890123456789:chunk>eA=="
	 "</a123456789012345678901234567890123456789012345678901234567890123456789:chunk>!",
		"x|"},
};

static void elements_of_base64_are_members_in_any_pieces(void **state)
{
	static char out[TEXT_BYTES];
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n = (size_t)snprintf(text, sizeof(text), HEAD "%s", cases[i].text);

		for (size_t piece = 1; piece <= n; piece++) {
			unpack_into(text, n, piece, out);
			assert_string_equal(out, cases[i].members);
		}
	}
}

// In UTF-16 each character has a NUL beside it.
static void utf_16_is_read(void **state)
{
	static char out[TEXT_BYTES];
	static const char text[] = HEAD "<w:binData>dmlydXM=</w:binData>";
	char wide[2 * sizeof(text) + 2] = {'\xff', '\xfe'};

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		wide[2 + 2 * i] = text[i];
	for (size_t piece = 1; piece < 64; piece++) {
		unpack_into(wide, sizeof(wide), piece, out);
		assert_string_equal(out, "virus|");
	}
	assert_int_equal(unpack_detect((const uint8_t *)wide, sizeof(wide)), UNPACK_XML);
}

static void long_members_come_whole(void **state)
{
	static char text[TEXT_BYTES];
	static char out[TEXT_BYTES];
	size_t n = (size_t)snprintf(text, sizeof(text), HEAD "<chunk>");

	(void)state;
	for (unsigned int i = 0; i < 40000; i++)
		text[n++] = "YWFh"[i % 4];
	for (size_t piece = 1; piece < 60000; piece += 997) {
		unpack_into(text, n, piece, out);
		assert_int_equal(strlen(out), 30001);
		assert_int_equal(strspn(out, "a"), 30000);
	}
}

static void documents_of_one_file_are_known(void **state)
{
	static const struct {
		const char *text;
		enum unpack_kind kind;
	} files[] = {
		{HEAD, UNPACK_XML},
		{"\xef\xbb\xbf \r\n" HEAD, UNPACK_XML},
		{"<?xml version='1.0'?><xdp:xdp xmlns:xdp=\"http://ns.adobe.com/xdp/\">",
			UNPACK_XML},
		{"<xdp xmlns=\"http://ns.adobe.com/xdp/\">", UNPACK_XML},
		{"<HWPML Version=\"2.8\">", UNPACK_XML},
		{"<?xml?><p:package xmlns:p='http://schemas.microsoft.com/office/2006/xmlPackage'>",
			UNPACK_XML},
		{"<?xml version='1.0'?><worksheet xmlns=\"http://schemas.openxmlformats.org/\">",
			UNPACK_NONE},
		{"<html><body>of http://ns.adobe.com/xdp/ and HWPML</body>", UNPACK_NONE},
		{"see http://ns.adobe.com/xdp/ <?xml", UNPACK_NONE},
		{"<?x", UNPACK_NONE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		assert_int_equal(
			unpack_detect((const uint8_t *)files[i].text, strlen(files[i].text)),
			files[i].kind);
}

// What the file says it is may stand anywhere in its first bytes, up to the last of them.
static void a_word_is_found_at_each_place(void **state)
{
	static const char *const words[] = {
		"mso-application", "/wordml", "/xmlPackage", "/xdp/", "HWPML"};
	char text[256] = "<?xml ";
	const size_t begin = strlen(text);

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (size_t pad = 0; pad < 100; pad++) {
			const size_t n = begin + pad + strlen(words[i]);

			// Other words begin in the same way.
			for (size_t k = 0; k < pad; k++)
				text[begin + k] = "ms/wHW/x"[k % 8];
			memcpy(text + begin + pad, words[i], strlen(words[i]));
			assert_int_equal(unpack_detect((const uint8_t *)text, n), UNPACK_XML);
			assert_int_equal(unpack_detect((const uint8_t *)text, n - 1), UNPACK_NONE);
			memset(text + n, '>', 40);
			assert_int_equal(unpack_detect((const uint8_t *)text, n + 40), UNPACK_XML);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_of_base64_are_members_in_any_pieces),
		cmocka_unit_test(utf_16_is_read),
		cmocka_unit_test(long_members_come_whole),
		cmocka_unit_test(documents_of_one_file_are_known),
		cmocka_unit_test(a_word_is_found_at_each_place),
	};
	int failed;

	if (unpack_pool_new(1, 0, 100, &pool) != 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unpack_pool_free(pool);
	return failed;
}
