// SPDX-License-Identifier: BSD-3-Clause
#include "control/rebuild_note.h"

#include <gmime/gmime.h>

#include <string.h>

#define NAME_CHARACTERS 200

// What came from outside, on one line: valid, without control characters, not endless.
static char *plain(const char *text)
{
	char *valid = g_utf8_make_valid(text, -1);
	GString *out = g_string_new(NULL);
	const char *at = valid;

	for (size_t n = 0; *at != '\0' && n < NAME_CHARACTERS; n++) {
		gunichar character = g_utf8_get_char(at);

		g_string_append_unichar(
			out, g_unichar_isprint(character) ? character : (gunichar)'?');
		at = g_utf8_find_next_char(at, NULL);
	}
	if (*at != '\0')
		g_string_append(out, "...");
	g_free(valid);
	return g_string_free(out, FALSE);
}

static void put_leaf(GString *text, const struct rebuild_leaf *leaf, const char *why)
{
	char *name = plain(leaf->name);
	char *type = plain(leaf->type);
	char *reason = plain(why);

	if (name[0] != '\0')
		g_string_append_printf(text, "  Name:   %s\n", name);
	g_string_append_printf(text, "  Type:   %s\n  Size:   %zu bytes\n  Reason: %s\n", type,
		leaf->bytes, reason);
	g_free(name);
	g_free(type);
	g_free(reason);
}

// What else the change has done. what: by what.
static void put_broken(GString *text, const struct rebuild_leaves *leaves, bool is_signed,
	bool is_encrypted, const char *what)
{
	if (is_signed)
		g_string_append_printf(text,
			"\nThe sender has signed this part of the message (S/MIME or PGP): the "
			"signature\nis broken by the %s.\n",
			what);
	if (is_encrypted)
		g_string_append(text,
			"\nThis part of the message was encrypted, or signed as a whole (S/MIME or "
			"PGP).\n");
	if (leaves->has_dkim)
		g_string_append_printf(
			text, "\nThe DKIM signature of this message is broken by the %s.\n", what);
}

static char *write_text(const struct rebuild_leaves *leaves, const struct rebuild_leaf *leaf,
	const char *why, const char *gateway)
{
	GString *text = g_string_new(NULL);

	// No line begins with what could be a boundary.
	g_string_append_printf(
		text, "A part of this message was removed by the mail gateway %s.\n\n", gateway);
	put_leaf(text, leaf, why);
	put_broken(text, leaves, leaf->seal == REBUILD_SEAL_SIGNED,
		leaf->seal == REBUILD_SEAL_ENCRYPTED, "removal");
	return g_string_free(text, FALSE);
}

static char *write_repaired(
	const struct rebuild_leaves *leaves, char *const *why, const char *gateway)
{
	GString *text = g_string_new(NULL);
	bool is_signed = false;
	bool is_encrypted = false;

	g_string_append_printf(text,
		"This message was infected. It was disinfected by the mail gateway %s, which has\n"
		"repaired:\n",
		gateway);
	for (size_t i = 0; i < leaves->count; i++) {
		const struct rebuild_leaf *leaf = &leaves->list[i];

		if (why[i] == NULL)
			continue;
		g_string_append_c(text, '\n');
		put_leaf(text, leaf, why[i]);
		is_signed = is_signed || leaf->seal == REBUILD_SEAL_SIGNED;
		is_encrypted = is_encrypted || leaf->seal == REBUILD_SEAL_ENCRYPTED;
	}
	put_broken(text, leaves, is_signed, is_encrypted, "repair");
	return g_string_free(text, FALSE);
}

static bool is_ascii(const char *text)
{
	while (*text != '\0' && (*text & 0x80) == 0)
		text++;
	return *text == '\0';
}

static char *quoted_printable(const char *text)
{
	GMimeEncoding state;
	size_t bytes = strlen(text);
	char *out;
	size_t n;

	g_mime_encoding_init_encode(&state, GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE);
	out = g_malloc(g_mime_encoding_outlen(&state, bytes) + 1);
	n = g_mime_encoding_flush(&state, text, bytes, out);
	out[n] = '\0';
	return out;
}

// Takes text.
static char *with_eol(char *text, const char *eol)
{
	char **lines = g_strsplit(text, "\n", -1);
	char *joined = g_strjoinv(eol, lines);

	g_strfreev(lines);
	g_free(text);
	return joined;
}

// Takes text.
static void note_init(struct rebuild_note *note, char *text, bool needs_version, const char *eol)
{
	bool is_plain = is_ascii(text);

	note->eol = eol;
	if (!is_plain) {
		char *encoded = quoted_printable(text);

		g_free(text);
		text = encoded;
	}
	note->text = with_eol(text, eol);
	note->header = with_eol(
		g_strdup_printf("%sContent-Type: text/plain; charset=utf-8\n"
				"Content-Transfer-Encoding: %s\nContent-Disposition: inline\n",
			needs_version ? "MIME-Version: 1.0\n" : "",
			is_plain ? "7bit" : "quoted-printable"),
		eol);
}

void rebuild_note_init(struct rebuild_note *note, const struct rebuild_leaves *leaves,
	const struct rebuild_leaf *leaf, const char *why, const char *gateway, const char *eol)
{
	note_init(note, write_text(leaves, leaf, why, gateway),
		leaf->is_outermost && !leaves->has_version, eol);
}

void rebuild_note_init_repaired(struct rebuild_note *note, const struct rebuild_leaves *leaves,
	char *const *why, const char *gateway, const char *eol)
{
	note_init(note, write_repaired(leaves, why, gateway), false, eol);
}

void rebuild_note_fini(struct rebuild_note *note)
{
	g_free(note->header);
	g_free(note->text);
}
