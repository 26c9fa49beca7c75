// SPDX-License-Identifier: BSD-3-Clause
#include "perf/rules_text.h"

#include "perf/words.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

// %i a made-up name, %w a word, %W one with a capital, %h hexadecimal digits, %b base64, %n a number, %t a domain's end.
static const char *const scripts[] = {"   If %i Xor %i Then", "Dim %i As Double",
	"Private Sub %i(%i As String)", "Attribute VB_Name = \"%i\"", "Function %i() As Variant",
	"   %i = CDate(%i) + Chr(%n)", "Case %i = %i_%n", "  Set %i = CreateObject(\"%W.%i\")",
	"ActiveDocument.%i.InlineShapes(%n)", "   TimeValue %i + %i + %i",
	"Do While %i < %n: %i = %i & Mid(%i, %n, 1)", "ElseIf %i = \"%b\" Then",
	"document.write(unescape(\"%%u%h%%u%h", "<script>var %i=%i.split(\"%i\")",
	"eval(%i(%i[%n],%i))", "<iframe src=\"http://%i.%t/%i.php\" width=\"1\" height=\"1\">",
	"function %i(%i){return %i.charCodeAt(%n)^%n}", "<object classid=\"clsid:%h-%h-%h\"",
	"powershell -w hidden -enc %b", "new ActiveXObject(\"%W.%i\").Run(%i)",
	"base64_decode('%b')", "String.fromCharCode(%n,%n,%n,%n,%n)", "<?php @eval($_POST['%i']);",
	"<a href=\"https://%i.%t/%w/%i.html\">%w", "window.location=\"http://%w-%w.%t/?%i=%n\"",
	"<form action=\"http://%i.%t/%w.php\" method=\"post\">",
	"<img src=\"http://%i.%t/%i.gif\" style=\"display:none\">",
	"<td style=\"font-size:1px;color:#%h\">%i", "try{%i=new %i}catch(%i){%i(\"%i\")}",
	"setTimeout(\"%i()\",%n);var %i=[\"%h\",\"%h\"]"};

static const char *const strings[] = {"C:\\Users\\%i\\Desktop\\%i\\Release\\%i.pdb",
	"C:\\Program Files\\%W %W\\%i.dll", "http://%i.%t/%w/%i.php?id=%%s&v=%n",
	"https://%w-%w.%t/%i/%i.exe", "SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\%i",
	"D*\\AC:\\Documents and Settings\\%i\\%i.vbp", "%W%W%W@%n", "Copyright (C) %n %W %i",
	"%i.resources", "GET /%i/%w.php?%w=%n HTTP/1.1", "Your %w has been %w. Send %n to %b",
	"iPhone Developer: %W %i (%h)", "\\\\.\\pipe\\%i", "%i.exe /s .\\%w\\%i.reg",
	"Mozilla/4.0 (compatible; MSIE %n; %i)", "Software\\%W\\%W\\%i", "error in %w: %i.%w",
	"cmd.exe /c del %%TEMP%%\\%i.bat", "PADDINGX%i%W%WA", "%W%W%i.%W%W", "%w %w %w %i %w %w",
	"This %w cannot be %w: %i", "<assemblyIdentity name=\"%W.%i\" version=\"%n.0.0\"/>",
	"kernel32.dll\\%W%i", "BACKGROUND%iHOST%n"};

static const char *const letters[] = {
	"%h%h%h%h%h", "%b%b%b", "%i%i%i%i", "%i %i %i %i %i", "%h %h %h %h %h %h"};

struct writer {
	struct dice *dice;
	char *text;
	uint8_t *are_random;
	size_t bytes;
};

static void put(struct writer *writer, char letter, bool is_random)
{
	if (writer->bytes == RULES_TEXT_ROOM)
		return;
	writer->text[writer->bytes] = letter;
	writer->are_random[writer->bytes++] = is_random;
}

static void put_any(struct writer *writer, const char *of, size_t count)
{
	for (; count > 0; count--)
		put(writer, of[dice_below(writer->dice, (uint32_t)strlen(of))], true);
}

static void put_name(struct writer *writer)
{
	static const char base[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	uint32_t parts = 2 + dice_below(writer->dice, 3);

	if (dice_below(writer->dice, 2) == 0) {
		put_any(writer, base, 5 + dice_below(writer->dice, 6));
		return;
	}
	// Syllables, as generators of names like them.
	for (; parts > 0; parts--) {
		put_any(writer, "bcdfghjklmnprstvwxz", 1);
		put_any(writer, "aeiou", 1);
		if (dice_below(writer->dice, 3) == 0)
			put_any(writer, "lmnrst", 1);
	}
}

static void put_word(struct writer *writer, bool has_capital)
{
	char word[WORD_BYTES];
	size_t bytes = word_any(writer->dice, word);

	if (has_capital && word[0] >= 'a' && word[0] <= 'z')
		word[0] = (char)(word[0] - 'a' + 'A');
	for (size_t i = 0; i < bytes; i++)
		put(writer, word[i], false);
}

static void put_end(struct writer *writer)
{
	static const char *const ends[] = {"com", "net", "ru", "info", "org", "top", "xyz"};

	for (const char *at = ends[dice_below(writer->dice, 7)]; *at != '\0'; at++)
		put(writer, *at, false);
}

static void put_field(struct writer *writer, char field)
{
	static const char base64[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	if (field == 'i')
		put_name(writer);
	else if (field == 'w' || field == 'W')
		put_word(writer, field == 'W');
	else if (field == 'h')
		put_any(writer, "0123456789abcdef", 4 + 4 * dice_below(writer->dice, 3));
	else if (field == 'b')
		put_any(writer, base64, 12 + dice_below(writer->dice, 12));
	else if (field == 'n')
		put_any(writer, "0123456789", 1 + dice_below(writer->dice, 4));
	else if (field == 't')
		put_end(writer);
	else
		put(writer, field, false);
}

size_t rules_text(struct dice *dice, enum rules_text kind, char *text, uint8_t *are_random)
{
	static const struct {
		const char *const *lines;
		uint32_t count;
	} kinds[] = {[RULES_SCRIPT] = {scripts, sizeof(scripts) / sizeof(scripts[0])},
		[RULES_STRING] = {strings, sizeof(strings) / sizeof(strings[0])},
		[RULES_LETTERS] = {letters, sizeof(letters) / sizeof(letters[0])}};
	struct writer writer = {.dice = dice, .text = text, .are_random = are_random};

	for (const char *at = kinds[kind].lines[dice_below(dice, kinds[kind].count)]; *at != '\0';
		at++) {
		if (*at == '%')
			put_field(&writer, *++at);
		else
			put(&writer, *at, false);
	}
	return writer.bytes;
}
