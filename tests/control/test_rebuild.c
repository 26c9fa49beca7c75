// SPDX-License-Identifier: BSD-3-Clause
// Removal of parts: what goes, and that all the rest stays as it was.
#include "control/rebuild.h"
#include "control/rebuild_leaf.h"
#include "tests/control/rebuild_case.h"

#include <fts.h>
#include <glib.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The message without the content, and the fields that tell of it, of the leaves that were cut.
static GByteArray *the_rest(const uint8_t *data, size_t bytes, const struct rebuild_plan *plan)
{
	struct rebuild_leaves leaves;
	GByteArray *out = g_byte_array_new();
	size_t at = 0;

	assert_int_equal(rebuild_leaves_read(data, bytes, &leaves), 0);
	assert_int_equal(leaves.count, plan->leaves_count);
	for (size_t i = 0; i < leaves.count; i++) {
		const struct rebuild_leaf *leaf = &leaves.list[i];

		if (plan->why[i] == NULL)
			continue;
		for (size_t n = 0; n < leaf->fields_count; n++) {
			g_byte_array_append(out, data + at, (guint)(leaf->fields[n].begin - at));
			at = leaf->fields[n].end;
		}
		g_byte_array_append(out, data + at, (guint)(leaf->content.begin - at));
		at = leaf->content.end;
	}
	g_byte_array_append(out, data + at, (guint)(bytes - at));
	rebuild_leaves_fini(&leaves);
	return out;
}

// A message whose only part became a note may need a field that it did not have.
static void drop_version(const GByteArray *before, GByteArray *after)
{
	static const char version[] = "MIME-Version: 1.0";
	const uint8_t *at = after->len > before->len
				    ? memmem(after->data, after->len, version, strlen(version))
				    : NULL;
	const uint8_t *end =
		at != NULL ? memchr(at, '\n', after->len - (size_t)(at - after->data)) : NULL;

	if (end != NULL)
		g_byte_array_remove_range(after, (guint)(at - after->data), (guint)(end + 1 - at));
}

static void check_untouched(
	const uint8_t *data, size_t bytes, const struct rebuild_plan *plan, const struct bytes *new)
{
	GByteArray *before = the_rest(data, bytes, plan);
	GByteArray *after = the_rest(new->data, new->bytes, plan);

	drop_version(before, after);
	assert_int_equal(before->len, after->len);
	assert_memory_equal(before->data, after->data, before->len);
	(void)g_byte_array_free(before, TRUE);
	(void)g_byte_array_free(after, TRUE);
}

static struct bytes strip_text(const char *mail, enum rebuild_what what, size_t cuts)
{
	struct rebuild_plan *plan;
	struct bytes new = strip((const uint8_t *)mail, strlen(mail), what, &plan);

	assert_non_null(new.data);
	assert_int_equal(plan->cuts_count, cuts);
	check_untouched((const uint8_t *)mail, strlen(mail), plan, &new);
	rebuild_plan_free(plan);
	return new;
}

static bool has(const struct bytes *mail, const char *text)
{
	return mail->data != NULL && memmem(mail->data, mail->bytes, text, strlen(text)) != NULL;
}

// ---- tests --------------------------------------------------------------------------------------

static void what_has_no_attachment_stays_as_it_is(void **state)
{
	static const char *const mails[] = {
		HEAD "\r\njust text\r\n",
		MIXED TEXT "--edge\r\n\r\nno header at all\r\n" END,
		HEAD "Content-Type: text/html\r\n\r\n<html><b>text</b></html>\r\n",
		HEAD "Content-Type: text/html\r\n\r\n<p title=\"x\">The data: 5, 6, and "
		     "metadata:a/b,c; data:</p>"
		     "\r\n",
		MIXED TEXT "--edge\r\nContent-Type: message/rfc822\r\n\r\n" HEAD "\r\ntext\r\n" END,
		MIXED TEXT, // never ends
		"Subject: lines\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n"
		"--x\n\none\n--x\n\ntwo\n--x--\n",
		HEAD "\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(mails) / sizeof(mails[0]); i++) {
		struct bytes new = strip_text(mails[i], REBUILD_ATTACHMENTS, 0);
		bool has_attachments;

		assert_int_equal(new.bytes, strlen(mails[i]));
		assert_memory_equal(new.data, mails[i], new.bytes);
		(void)verdict_of(new.data, new.bytes, &has_attachments);
		assert_false(has_attachments);
		free(new.data);
	}
}

static void each_attachment_gives_way_to_a_note(void **state)
{
	static const char mail[] = MIXED TEXT BINARY("one.bin") BINARY("two.bin") END;
	static const char expected_head[] =
		MIXED TEXT "--edge\r\nX-Other: stays\r\nContent-Type: text/plain; charset=utf-8\r\n"
			   "Content-Transfer-Encoding: 7bit\r\nContent-Disposition: inline\r\n\r\n"
			   "A part of this message was removed by the mail gateway gate.\r\n\r\n"
			   "  Name:   one.bin\r\n  Type:   application/octet-stream\r\n"
			   "  Size:   6 bytes\r\n  Reason: not allowed\r\n\r\n--edge\r\n";
	struct bytes new = strip_text(mail, REBUILD_ATTACHMENTS, 2);
	bool has_attachments;

	(void)state;
	assert_memory_equal(new.data, expected_head, strlen(expected_head));
	assert_true(has(&new, "  Name:   two.bin\r\n"));
	assert_false(has(&new, "DKIM"));
	assert_memory_equal(new.data + new.bytes - strlen(END), END, strlen(END));
	assert_int_equal(verdict_of(new.data, new.bytes, &has_attachments), VERDICT_CLEAN);
	assert_false(has_attachments);
	free(new.data);
}

static void of_an_infected_mail_only_the_infected_part_goes(void **state)
{
	static const char mail[] = MIXED TEXT BINARY("one.bin") EVIL BINARY("two.bin") END;
	struct bytes new = strip_text(mail, REBUILD_INFECTED, 1);
	bool has_attachments;

	(void)state;
	assert_true(has(&new, "  Name:   evil.exe\r\n"));
	assert_true(has(&new, "  Reason: infected: Test.Virus"));
	assert_true(has(&new, BINARY("one.bin")));
	assert_true(has(&new, BINARY("two.bin")));
	assert_int_equal(verdict_of(new.data, new.bytes, &has_attachments), VERDICT_CLEAN);
	assert_true(has_attachments);
	free(new.data);
}

static void a_part_inside_an_attached_message_is_found(void **state)
{
	static const char mail[] =
		HEAD "Content-Type: multipart/mixed; boundary=outer\r\n\r\n--outer\r\n"
		     "Content-Type: message/rfc822\r\n\r\n" MIXED TEXT EVIL END
		     "--outer\r\n\r\nbehind it\r\n--outer--\r\n";
	struct bytes new = strip_text(mail, REBUILD_INFECTED, 1);
	bool has_attachments;

	(void)state;
	assert_true(has(&new, TEXT "--edge\r\nContent-Type: text/plain; charset=utf-8\r\n"));
	assert_int_equal(verdict_of(new.data, new.bytes, &has_attachments), VERDICT_CLEAN);
	assert_false(has_attachments);
	free(new.data);
}

static void a_message_that_is_an_attachment_itself_becomes_a_note(void **state)
{
	static const char mail[] = "Subject: x\nContent-Type: application/pdf;\n name=a.pdf\n"
				   "X-Last: yes\nContent-Transfer-Encoding: base64\n\nAAEC\n";
	static const char expected[] = "Subject: x\nX-Last: yes\nMIME-Version: 1.0\n"
				       "Content-Type: text/plain; charset=utf-8\n";
	struct rebuild_plan *plan;
	struct bytes new = strip((const uint8_t *)mail, strlen(mail), REBUILD_ATTACHMENTS, &plan);

	(void)state;
	assert_non_null(new.data);
	assert_int_equal(plan->cuts_count, 1);
	assert_memory_equal(new.data, expected, strlen(expected));
	assert_false(has(&new, "\r"));
	assert_false(has(&new, "AAEC"));
	rebuild_plan_free(plan);
	free(new.data);
}

static void a_signature_is_no_attachment(void **state)
{
	static const char *const mails[] = {
		SIGNED("application/pgp-signature; name=signature.asc")
			ARMOUR ARMOUR_END SIGNED_END,
		SIGNED("application/pgp-signature") ARMOUR_BEGIN "\r\nabcd\r\n" ARMOUR_END
								 "\r\n" SIGNED_END,
		SIGNED("application/pkcs7-signature; name=smime.p7s\r\n"
		       "Content-Transfer-Encoding: base64") SIGNED_DATA "\r\n" SIGNED_END,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(mails) / sizeof(mails[0]); i++) {
		bool has_attachments;

		(void)verdict_of((const uint8_t *)mails[i], strlen(mails[i]), &has_attachments);
		assert_false(has_attachments);
	}
}

static void the_note_says_which_signatures_it_breaks(void **state)
{
	static const char mail[] =
		"DKIM-Signature: v=1; d=a.example\r\n" HEAD
		"Content-Type: multipart/signed; protocol=\"application/pgp-signature\";"
		" micalg=pgp-sha256; boundary=sign\r\n\r\n--sign\r\n"
		"Content-Type: multipart/mixed; boundary=edge\r\n\r\n" TEXT BINARY(
			"x.bin") "--edge--\r\n\r\n--sign\r\nContent-Type: "
				 "application/pgp-signature; name=s.asc\r\n\r\n"
				 "-----BEGIN PGP SIGNATURE-----\r\n\r\nabcd\r\n-----END PGP "
				 "SIGNATURE-----\r\n"
				 "--sign--\r\n";
	struct bytes new = strip_text(mail, REBUILD_ATTACHMENTS, 1);

	(void)state;
	assert_true(has(&new, "S/MIME or PGP): the signature\r\nis broken"));
	assert_true(has(&new, "DKIM signature of this message is broken"));
	assert_true(has(&new, "-----BEGIN PGP SIGNATURE-----"));
	free(new.data);
}

#define PART                                                                                       \
	"Content-Type: image/x; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAwQF\r\n"

// One attachment, and what stands before and behind it.
struct around {
	const char *before;
	const char *part;
	const char *behind;
};

static const struct around arounds[] = {
	{MIXED "--edge\r\n", PART, "--edge--"},
	{MIXED "--edge\r\n", PART, "--edge--\r\nepilogue without an end"},
	{MIXED "--edge\r\n", PART, "--edge--\r\n\r\n--edge\r\nnot a part\r\n--edge--\r\n"},
	{MIXED "--edge \t\r\n", PART, "--edge--\t \r\n"},
	{MIXED TEXT "\r\n\r\n--edge\r\n", PART, "--edge\r\n\r\n\r\n\r\n--edge--\r\n"},
	{MIXED "--edge\r\n\r\ngr\xfc\xdf\x80\xff \rbare\r\n--edge\r\n", PART,
		"--edge\r\n\r\n\xe4\n--edge--"},
	{HEAD "Content-Type: multipart/mixed; boundary=\"a b'()+_,-./:=?\"\r\n\r\n--a "
	      "b'()+_,-./:=?\r\n",
		PART, "--a b'()+_,-./:=?--\r\n"},
	{HEAD "Content-Type: multipart/mixed;\r\n\tboundary*0=\"ed\";\r\n "
	      "boundary*1=\"ge\"\r\n\r\n--edge\r\n",
		PART, "--edge--\r\n"},
	// A boundary that begins like the one around it, and the other way round.
	{MIXED "--edge\r\nContent-Type: multipart/alternative; "
	       "boundary=\"edge-1\"\r\n\r\n--edge-1\r\n",
		PART, "--edge-1\r\n\r\ntext\r\n--edge-1--\r\n--edge--\r\n"},
	{MIXED "--edge\r\nContent-Type: multipart/alternative; boundary=\"ed\"\r\n\r\n--ed\r\n",
		PART, "--ed\r\n\r\ntext\r\n--ed--\r\n--edge--\r\n"},
	// The inner one has no end.
	{MIXED "--edge\r\nContent-Type: multipart/related; boundary=in\r\n\r\n--in\r\n", PART,
		"--edge\r\n\r\nlast\r\n--edge--\r\n"},
	{MIXED TEXT "--edge\r\nContent-Type: multipart/digest; "
		    "boundary=in\r\n\r\n--in\r\n\r\nSubject: x\r\n"
		    "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n",
		PART, "--m--\r\n\r\n--in--\r\n\r\n" END},
};

// The line end before a boundary is the boundary's: it stays too.
static void what_stands_around_stays_bit_for_bit(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * (sizeof(arounds) / sizeof(arounds[0])); i++) {
		const struct around *around = &arounds[i / 2];
		char *crlf = g_strconcat(around->before, around->part, around->behind, NULL);
		// With LF alone, too.
		char **lines = g_strsplit(crlf, "\r\n", -1);
		const char *eol = i % 2 > 0 ? "\n" : "\r\n";
		char *mail = g_strjoinv(eol, lines);
		char **pieces = g_strsplit(mail, "AAECAwQF", 2);
		char *before =
			g_strndup(mail, (gsize)(strstr(mail, "Content-Type: image/x") - mail));
		struct bytes new = strip_text(mail, REBUILD_ATTACHMENTS, 1);

		assert_true(new.bytes > strlen(before) + strlen(pieces[1]));
		assert_memory_equal(new.data, before, strlen(before));
		assert_memory_equal(
			new.data + new.bytes - strlen(pieces[1]), pieces[1], strlen(pieces[1]));
		assert_true(
			has(&new, "A part of this message was removed by the mail gateway gate."));
		assert_false(has(&new, "image/x\r\nContent-Transfer"));
		assert_false(has(&new, "AAECAwQF"));
		free(new.data);
		g_free(before);
		g_strfreev(pieces);
		g_free(mail);
		g_strfreev(lines);
		g_free(crlf);
	}
}

static void a_name_cannot_forge_the_note(void **state)
{
	static const char mail[] =
		MIXED "--edge\r\nContent-Type: application/octet-stream;"
		      " name*=utf-8''a%0D%0A--edge%0D%0A%C3%A9%E2%80%AE.exe\r\n\r\n\1\2\3\r\n" END;
	struct bytes new = strip_text(mail, REBUILD_ATTACHMENTS, 1);

	(void)state;
	assert_true(has(&new, "Content-Transfer-Encoding: quoted-printable\r\n"));
	assert_true(has(&new, "a?\?--edge?\?=C3=A9"));
	free(new.data);
}

static void a_plan_of_another_message_is_refused(void **state)
{
	static const char one[] = MIXED TEXT BINARY("x") END;
	static const char other[] = MIXED TEXT END;
	struct rebuild_plan *plan;
	struct bytes new = strip((const uint8_t *)one, strlen(one), REBUILD_ATTACHMENTS, &plan);
	uint8_t *out = NULL;
	size_t bytes;

	(void)state;
	assert_non_null(new.data);
	assert_int_equal(
		rebuild_strip((const uint8_t *)other, strlen(other), plan, "gate", &out, &bytes),
		-EBADMSG);
	rebuild_plan_free(plan);
	free(new.data);
}

// ---- mail of many makers ------------------------------------------------------------------------

struct tally {
	size_t mails;
	size_t refused; // cannot be taken apart
	size_t cut;
	size_t left;   // stripped, and still with something in it
	size_t unread; // stripped, and read as other parts than before
};

static bool is_readable(const struct bytes *mail, size_t count)
{
	struct rebuild_leaves leaves;
	bool readable;

	if (rebuild_leaves_read(mail->data, mail->bytes, &leaves) != 0)
		return false;
	readable = leaves.count == count;
	rebuild_leaves_fini(&leaves);
	return readable;
}

static bool has_empty_line(const char *data, size_t bytes)
{
	return memmem(data, bytes, "\n\n", 2) != NULL || memmem(data, bytes, "\n\r\n", 3) != NULL;
}

static bool is_named_mail(const char *path)
{
	return g_str_has_suffix(path, ".msg") || g_str_has_suffix(path, ".eml");
}

static void try_file(const char *path, struct tally *tally)
{
	struct rebuild_plan *plan;
	struct bytes new;
	gchar *data;
	gsize bytes;
	bool has_attachments;

	if (!g_file_get_contents(path, &data, &bytes, NULL))
		return;
	new = strip((const uint8_t *)data, bytes, REBUILD_INFECTED, &plan);
	if (new.data != NULL && plan->cuts_count == 0) {
		assert_int_equal(new.bytes, bytes);
		assert_memory_equal(new.data, data, bytes);
	}
	free(new.data);
	rebuild_plan_free(plan);
	new = strip((const uint8_t *)data, bytes, REBUILD_ATTACHMENTS, &plan);
	tally->mails++;
	tally->refused += new.data == NULL &&is_named_mail(path);
	if (new.data != NULL && plan->cuts_count > 0) {
		tally->cut++;
		(void)verdict_of(new.data, new.bytes, &has_attachments);
		tally->left += has_attachments;
		tally->unread += !is_readable(&new, plan->leaves_count);
		// One that is header to its end gets the empty line that it lacks.
		if (is_readable(&new, plan->leaves_count) && has_empty_line(data, bytes))
			check_untouched((const uint8_t *)data, bytes, plan, &new);
	}
	free(new.data);
	rebuild_plan_free(plan);
	g_free(data);
}

static void mail_of_many_makers_loses_what_it_should_and_nothing_else(void **state)
{
	const char *root = getenv("CORDON_TEST_DATA"); // NOLINT(concurrency-mt-unsafe): one thread
	struct tally tally = {0};
	char mail[4096];
	char *paths[] = {mail, NULL};
	FTS *tree;
	FTSENT *entry;

	(void)state;
	if (root == NULL) {
		print_message("skipped: CORDON_TEST_DATA is not set\n");
		skip();
	}
	(void)snprintf(mail, sizeof(mail), "%s/mail", root);
	tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	assert_non_null(tree);
	while ((entry = fts_read(tree)) != NULL) {
		if (entry->fts_info == FTS_F)
			try_file(entry->fts_path, &tally);
	}
	(void)fts_close(tree);
	print_message("%zu files, %zu refused, %zu stripped, %zu of them not wholly, %zu read "
		      "otherwise\n",
		tally.mails, tally.refused, tally.cut, tally.left, tally.unread);
	assert_true(tally.mails > 1000);
	assert_true(tally.cut > 200);
	assert_true(tally.refused < 10);
	assert_true(tally.left < tally.cut / 20);
	assert_true(tally.unread < 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_has_no_attachment_stays_as_it_is),
		cmocka_unit_test(each_attachment_gives_way_to_a_note),
		cmocka_unit_test(of_an_infected_mail_only_the_infected_part_goes),
		cmocka_unit_test(a_part_inside_an_attached_message_is_found),
		cmocka_unit_test(a_message_that_is_an_attachment_itself_becomes_a_note),
		cmocka_unit_test(a_signature_is_no_attachment),
		cmocka_unit_test(the_note_says_which_signatures_it_breaks),
		cmocka_unit_test(what_stands_around_stays_bit_for_bit),
		cmocka_unit_test(a_name_cannot_forge_the_note),
		cmocka_unit_test(a_plan_of_another_message_is_refused),
		cmocka_unit_test(mail_of_many_makers_loses_what_it_should_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, make_rules, drop_rules);
}
