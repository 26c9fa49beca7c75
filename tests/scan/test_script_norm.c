// SPDX-License-Identifier: BSD-3-Clause
// Copies of scripts as ClamAV 1.4 makes them, in any chunking and read in any, and what happens to a script that does
// not fit.
#include "scan/script_norm.h"

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

#define ROOM (4 * 1024 * 1024)

struct copy_case {
	const char *in;
	const char *out;
};

// What clamscan --leave-temps left of a page with each, but for the tags around it.
#define END "</script>"
#define CASE(in, out)                                                                              \
	{                                                                                          \
		in END, out                                                                        \
	}
static const struct copy_case cases[] = {
	CASE("", END),
	CASE("var A = 1;  var b = A + Z;", "var n000=1;var n001=n000+z;" END),
	CASE("function f(a, b) { var c = a; return c.a + d; } f(c);",
		"function n000(n001,n002){var n003=n001;return n003.a+d;}f(c);" END),
	CASE("var x = 'a' + \"B\" + 'c' + d + \"e\";", "var n000=\"abc\"+d+\"e\";" END),
	CASE("\"\\x41\\u0042\\n\\q\\0\\\"\" ", "\"ab q\1\"\"" END),
	CASE("unescape(\"%41%u0042%4\")", "\"ab%4\"" END),
	CASE("eval(\"var q;q=1;\");q;", "var n000;n000=1;n000;" END),
	CASE("eval(unescape(\"%61%3bb\"));c", "a;c" END),
	CASE("a = 0x1f + 1.50e3 + 99999999999999999999 + 1.5", "a=0 x1f+1500+-1+1.5" END),
	CASE("/* c */ a // b c\n; x++ ; y += 1; z + 1", "a b c;x++;y+=1;z+1" END),
	CASE("if (a) { return  TRUE } else{}", "if(a){return true}else{}" END),
	CASE("var f = function(a) { a; b; }; var a, b = [c, d], e; a; b; c; e",
		"var n000=function(n001){n001;n003;};var "
		"n002,n003=[c,d],n004;n002;n003;c;n004" END),
	CASE("unescape(\"%41\"===b)!= =c", "\"a\"b)!==c" END),
	CASE("unescape(\"%41\"-- -b)-/**/-c", "\"a\"-b)--c" END),
	CASE("a>>>=b>>>>=c&&=d/=e", "a>>>=b>>>>=c&&=d/=e" END),
	CASE("eval(\"a.\");b;eval(\"c\")", "a.b;" END),
	CASE("a.b.var c", "a.b.var n000" END),
	CASE("(f(\"a\"", "(f(\"a\"" END "))"),
	CASE("\"open", "\"open" END "\""),
	CASE("eval(\"+'b'\");(\"x\"", "+\"b\"(\"x\"" END ")"),
	// Packers: what a function of theirs is called with, once and more often, and what only looks so.
	CASE("eval(function(p,a,c,k,e,d){e=function(c){return c}while(c--){p=k[c]}return p}('0 "
	     "1=2;3.4(1);"
	     "5(\"6\");\\'\\'',7,7,'var|x|hello|document|write|alert|done'.split('|'),0,{}))",
		"eval(function(n000,n001,n002,n003,n004,n005){n004=function(n006){return n006}"
		"while(n002--){n000=n003[n002]}return n000}(var n007=hello;document.write(n007);"
		"alert(\"done\");\"\"))" END),
	CASE("function f(p,a,c,k,e,r){x}f('10;z Z;',36,2,'|q|'.split('|'),0,{});y",
		"function n000(n001,n002,n003,n004,n005,n006){x}f(10;z z;);y" END),
	CASE("function f(p,a,c,k){x}g();f('0 1',2,2,'a|b',0,{});f('1 0;',2,2,'c|d',0,{});y",
		"function n000(n001,n002,n003,n004){x}g();f(a bd c;);y" END),
	CASE("function f(p,a,c,k){x}f('0;',2,2,'a|b',0,{x:1});y",
		"function n000(n001,n002,n003,n004){x}f(a;:1});y" END),
	CASE("function f(p,a,c,k){x}f('0;',2,2,'a|b',0,x)f('1;',2,2,'a|b',0,y)z;",
		"function n000(n001,n002,n003,n004){x}f(a;f(\"1;\",2,2,\"a|b\",0,y)z;" END),
	CASE("function f(p,a,c,k){x}f('10;1;',2.0,2,'a|b|c',0,x);c",
		"function n000(n001,n002,n003,n004){x}f(10;b;c" END),
	CASE("function f(p,a,c){x}f('0;',2,2,'a|b',0,x);c;d;e;g",
		"function n000(n001,n002,n003){x}f(\"0;\",2,2,\"a|b\",0,x);c;d;e;g" END),
	CASE("function f(p,a,c,k){x{y}f('0;',2,2,'a|b',0,x);c;d;e;g",
		"function "
		"n000(n001,n002,n003,n004){x{y}n000(\"0;\",2,2,\"a|b\",0,x);n003;d;e;g" END),
	CASE("function f(p,a,c,k){x}f((',',2,2,'a|b',0,{});y",
		"function n000(n001,n002,n003,n004){x}f(();y" END ")"),
	// Behind the end of a function, where enough follows: a name is no call, nor is the next one.
	CASE("function f(a){x;}eval(\"a;\");b;c;d",
		"function n000(n001){x;}eval(\"a;\");b;c;d" END),
	CASE("function f(a){x;}eval(\"a;\");b", "function n000(n001){x;}a;b" END),
	CASE("function f(a){x;}x eval(\"a;\");b;c;d",
		"function n000(n001){x;}x eval(\"a;\");b;c;d" END),
	CASE("x;dF('bcd<1');y;dF('cd<2')z;", "x;y;z;" END "abc;ab:"),
	CASE("dF('fwbm)(b<(*<1');x", "x" END "a;"),
	CASE("dF('');DF('b1');dF(x)", "df(\"\");df(\"b1\");df(x)" END),
	// Pages that end within the script: what is not complete is read with what eval() is called with.
	{"var b;eval(\"b;\");a.", "var n000;b;a."},
	{"eval(\"(;\");b", "b(;"},
	CASE("eval(\"(;\");b", "(;b" END),
	{"eval(\"b;c;\");/* a", ""},
	{"eval(\"b;c;\");ab", "abb;c;"},
	{"eval(\"b;c;\");12", "12 b;c;"},
	{"eval(\"b;c;\");'x", "b;c;\"x\""},
};

struct copy {
	size_t bytes;
	uint8_t data[ROOM];
};

static struct script_norm script;

static void read_copy(struct copy *copy, size_t room)
{
	size_t n;

	do {
		assert_true(room <= sizeof(copy->data) - copy->bytes);
		n = script_norm_read(&script, copy->data + copy->bytes, room);
		copy->bytes += n;
	} while (n > 0);
}

static void feed(struct copy *copy, const char *data, size_t n, size_t step, size_t room)
{
	for (size_t at = 0; at < n;) {
		at += script_norm_feed(
			&script, (const uint8_t *)data + at, n - at < step ? n - at : step);
		read_copy(copy, room);
	}
}

static void end(struct copy *copy, size_t room)
{
	script_norm_end(&script);
	read_copy(copy, room);
}

// first: bytes of the first piece.
static void check(const struct copy_case *c, size_t first, size_t step, size_t room)
{
	static struct copy copy;
	const size_t n = strlen(c->in);

	copy.bytes = 0;
	script_norm_begin(&script);
	feed(&copy, c->in, first, step, room);
	feed(&copy, c->in + first, n - first, step, room);
	end(&copy, room);
	assert_int_equal(copy.bytes, strlen(c->out));
	assert_memory_equal(copy.data, c->out, copy.bytes);
}

static void scripts_are_copied_in_any_chunks(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check(&cases[i], 0, SIZE_MAX, 1);
		check(&cases[i], 0, 1, 4096);
		for (size_t at = 0; at <= strlen(cases[i].in); at++)
			check(&cases[i], at, SIZE_MAX, 7);
	}
}

// ---- what does not fit -------------------------------------------------------------------------

static struct copy *copy_of(const char *part, size_t times, size_t step)
{
	static struct copy copy;
	const size_t n = strlen(part);
	char *text = malloc(n * times + 1);

	assert_non_null(text);
	for (size_t i = 0; i < times * n; i++)
		text[i] = part[i % n];
	copy.bytes = 0;
	script_norm_begin(&script);
	feed(&copy, text, n * times, step, 4096);
	end(&copy, 4096);
	free(text);
	return &copy;
}

static size_t count(const struct copy *copy, const char *word)
{
	const uint8_t *at = copy->data;
	const uint8_t *to = copy->data + copy->bytes;
	size_t found = 0;

	while ((at = memmem(at, (size_t)(to - at), word, strlen(word))) != NULL) {
		at += strlen(word);
		found++;
	}
	return found;
}

// A word or string of many bytes: it comes out as it is, wherever it is cut.
static void what_is_longer_than_the_room_comes_out_whole(void **state)
{
	static const char marks[] = "a'";
	static const char ends[] = ";'";
	static struct copy whole;
	static char text[700001];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		memset(text, 'a', sizeof(text) - 1);
		text[0] = marks[i];
		text[sizeof(text) - 2] = ends[i];
		memcpy(&whole, copy_of(text, 1, SIZE_MAX), sizeof(whole));
		assert_int_equal(whole.bytes, sizeof(text) - 1);
		assert_int_equal(whole.data[whole.bytes - 1], i == 0 ? ';' : '"');
		assert_int_equal(whole.data[0], i == 0 ? 'a' : '"');
		assert_memory_equal(whole.data + 1, text + 1, sizeof(text) - 3);
		assert_memory_equal(copy_of(text, 1, 1)->data, whole.data, whole.bytes);
	}
}

static void brackets_that_nobody_closed_are_closed_all(void **state)
{
	const struct copy *copy;

	(void)state;
	copy = copy_of("(", 500000, SIZE_MAX);
	assert_int_equal(copy->bytes, 1000000);
	assert_int_equal(count(copy, "("), 500000);
	assert_int_equal(count(copy, ")"), 500000);
}

// Calls at which the script is cut stand as they are, all others are seen; and so each time.
static void a_long_script_comes_out_in_pieces(void **state)
{
	static struct copy whole;
	const struct copy *pieces;

	(void)state;
	memcpy(&whole, copy_of("var Ab = unescape('%41') + 'b'; eval('c;');\n", 20000, SIZE_MAX),
		sizeof(whole));
	assert_true(count(&whole, "=\"a\"+\"b\";") > 19900);
	assert_true(count(&whole, "c;") >= 256);
	pieces = copy_of("var Ab = unescape('%41') + 'b'; eval('c;');\n", 20000, 37);
	assert_int_equal(pieces->bytes, whole.bytes);
	assert_memory_equal(pieces->data, whole.data, whole.bytes);
}

// Strings in the middle of what is kept are not joined with what lies elsewhere, nor is what was being read
// taken for what eval() is called with: of each kind, at every place of the cut.
static void what_is_cut_goes_on_behind_calls(void **state)
{
	static const char *const ends[] = {
		"'xyz'+'abc'+", "abcdef ", "12345678.5 ", "/* abc */", "a.b+'c'"};
	static struct copy whole;
	static char text[SCRIPT_NORM_TOKENS + 200];

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		for (size_t shift = 0; shift < 24; shift += 5) {
			const int head = snprintf(text, sizeof(text),
				"eval(\"+'d'+'e'\");unescape('%%41' x);%.*s", (int)shift,
				";;;;;;;;;;;;;;;;;;;;;;;;;;;");
			size_t n = (size_t)head;

			while (n < sizeof(text) - 20) {
				memcpy(text + n, ends[i], strlen(ends[i]));
				n += strlen(ends[i]);
			}
			text[n] = '\0';
			memcpy(&whole, copy_of(text, 2, SIZE_MAX), sizeof(whole));
			assert_true(whole.bytes > 0);
			assert_int_equal(count(&whole, "+\"de\""), 2);
			assert_memory_equal(copy_of(text, 2, 4099)->data, whole.data, whole.bytes);
		}
	}
}

// Neither such a call nor what follows it is lost.
static void a_call_that_does_not_fit_stands_as_it_is(void **state)
{
	static const char open[] = "eval(\"";
	static const char close[] = "\");eval(\"b;\");";
	static char text[110000];
	const struct copy *copy;

	(void)state;
	memset(text, ';', sizeof(text) - 1);
	memcpy(text, open, sizeof(open) - 1);
	memcpy(text + sizeof(text) - sizeof(close), close, sizeof(close));
	copy = copy_of(text, 1, SIZE_MAX);
	assert_int_equal(copy->bytes, sizeof(text) - 1 - strlen("eval(\"b;\");") + strlen("b;"));
	assert_memory_equal(copy->data, open, sizeof(open) - 1);
	assert_memory_equal(copy->data + copy->bytes - 7, ";;\");b;", 7);
}

// What the first call is called with leaves just enough room for another token, or not: then the second one stands.
static void a_call_of_nothing_needs_room_too(void **state)
{
	static const char open[] = "eval(\"";
	static const char close[] = "\");eval(\"\");;";
	static char text[SCRIPT_NORM_TOKENS];

	(void)state;
	for (size_t full = 0; full < 2; full++) {
		// Twice the string, the tokens of both calls, and what one byte adds at most.
		const size_t n = (SCRIPT_NORM_TOKENS - 87 - 25) / 2 - 1 + full;

		memcpy(text, open, sizeof(open) - 1);
		memset(text + sizeof(open) - 1, ';', n);
		memcpy(text + sizeof(open) - 1 + n, close, sizeof(close));
		assert_int_equal(count(copy_of(text, 1, SIZE_MAX), "eval(\"\")"), full);
	}
}

// More names than numbers: those behind stand as they are, and a piece still holds as much as any.
static void names_without_a_number_stand_as_they_are(void **state)
{
	static struct copy copy;
	char text[32];

	(void)state;
	copy.bytes = 0;
	script_norm_begin(&script);
	for (unsigned int i = 0; i < 70000; i++) {
		const int n = snprintf(text, sizeof(text), "var q%u;", i);

		feed(&copy, text, (size_t)n, SIZE_MAX, 4096);
	}
	assert_true(script.names_count > 3);
	end(&copy, 4096);
	assert_int_equal(count(&copy, "var n65534;"), 1);
	assert_int_equal(count(&copy, "var n65535;"), 0);
	assert_int_equal(count(&copy, "var q69999;"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scripts_are_copied_in_any_chunks),
		cmocka_unit_test(what_is_longer_than_the_room_comes_out_whole),
		cmocka_unit_test(brackets_that_nobody_closed_are_closed_all),
		cmocka_unit_test(a_long_script_comes_out_in_pieces),
		cmocka_unit_test(what_is_cut_goes_on_behind_calls),
		cmocka_unit_test(a_call_that_does_not_fit_stands_as_it_is),
		cmocka_unit_test(a_call_of_nothing_needs_room_too),
		cmocka_unit_test(names_without_a_number_stand_as_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
