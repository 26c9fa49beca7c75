// SPDX-License-Identifier: BSD-3-Clause
// Repair of parts: what a recipe is about is other than before, and all the rest is not.
#include "control/rebuild.h"
#include "control/rebuild_leaf.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <gmime/gmime.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VIRUS "a-virus-of-this-test"
#define VIRUS_HEX "612d76697275732d6f662d746869732d74657374"
#define HEAD "From: a@a.example\r\nTo: b@b.example\r\nSubject: test\r\nMIME-Version: 1.0\r\n"
#define MIXED HEAD "Content-Type: multipart/mixed; boundary=\"edge\"\r\n\r\npreamble\r\n"
#define TEXT "--edge\r\nContent-Type: text/plain\r\n\r\nGood morning,\r\nhere it is.\r\n"
#define END "\r\n--edge--\r\nepilogue\r\n"
#define PART "--edge\r\nContent-Type: application/octet-stream; name=a.bin\r\nX-Other: stays\r\n"
#define CTE(name) "Content-Transfer-Encoding: " name "\r\n\r\n"

// ---- the scan -----------------------------------------------------------------------------------

struct rules {
	void *image;
	struct ruleset *ruleset;
	struct scanner *scanner;
};

// One signature, with this line before it.
static struct rules rules_of(const char *comment)
{
	char path[] = "/tmp/cordon-disinfect-XXXXXX.ndb";
	const char *paths[] = {path};
	const struct ruleset_build_options options = {.strict = true};
	struct ruleset_build_stats stats;
	struct scan_options scan;
	struct rules rules = {0};
	size_t bytes;
	int fd = mkstemps(path, 4);

	assert_true(fd >= 0);
	assert_true(dprintf(fd, "%s\nTest.Virus:0:*:%s\n", comment, VIRUS_HEX) > 0);
	(void)close(fd);
	assert_int_equal(ruleset_build(paths, 1, &options, &rules.image, &bytes, &stats), 0);
	(void)unlink(path);
	assert_int_equal(ruleset_attach(rules.image, bytes, &rules.ruleset), 0);
	scan_options_init(&scan);
	scan.digests = DIGEST_SHA256;
	scan.all_matches = true;
	scan.max_messages = 1;
	assert_int_equal(scanner_new(&scan, rules.ruleset, &rules.scanner), 0);
	return rules;
}

static void rules_fini(struct rules *rules)
{
	scanner_free(rules->scanner);
	ruleset_close(rules->ruleset);
	free(rules->image);
}

struct repaired {
	uint8_t *data; // NULL: it could not be
	size_t bytes;
	char *refusal;
	int err;
	enum verdict verdict; // of what it became
};

static const struct scan_result *scan_all(
	struct rules *rules, const void *data, size_t bytes, struct scan **scan)
{
	assert_int_equal(scan_begin(rules->scanner, SCAN_MESSAGE, scan), 0);
	scan_feed(*scan, data, bytes);
	return scan_end(*scan);
}

static struct repaired repair(const char *comment, const void *data, size_t bytes)
{
	struct rules rules = rules_of(comment);
	struct repaired out = {.verdict = VERDICT_INFECTED};
	struct rebuild_plan *plan = NULL;
	struct rebuild_plan *copy;
	struct scan *scan;
	const struct scan_result *result = scan_all(&rules, data, bytes, &scan);

	assert_int_equal(result->verdict, VERDICT_INFECTED);
	assert_int_equal(rebuild_plan_new(data, bytes, result, REBUILD_DISINFECT, "", &plan), 0);
	scan_free(scan);
	copy = rebuild_plan_copy(plan);
	assert_non_null(copy);
	rebuild_plan_free(plan);
	out.refusal = g_strdup(copy->refusal);
	if (copy->refusal == NULL)
		out.err = rebuild_strip(data, bytes, copy, "gate", &out.data, &out.bytes);
	rebuild_plan_free(copy);
	if (out.err != 0)
		out.data = NULL;
	if (out.data != NULL) {
		out.verdict = scan_all(&rules, out.data, out.bytes, &scan)->verdict;
		scan_free(scan);
	}
	rules_fini(&rules);
	return out;
}

static void repaired_fini(struct repaired *repaired)
{
	free(repaired->data);
	g_free(repaired->refusal);
}

static bool has(const struct repaired *mail, const char *text)
{
	return mail->data != NULL && memmem(mail->data, mail->bytes, text, strlen(text)) != NULL;
}

// ---- tests --------------------------------------------------------------------------------------

// The message is before + what + behind; the new one begins with before + now, and ends with behind.
static void check_repair(const char *comment, const char *before, const char *what, const char *now)
{
	char *mail = g_strconcat(before, what, END, NULL);
	char *start = g_strconcat(before, now, "\r\n--edge\r\nContent-Type: text/plain", NULL);
	struct repaired new = repair(comment, mail, strlen(mail));

	assert_int_equal(new.err, 0);
	assert_null(new.refusal);
	assert_non_null(new.data);
	assert_true(new.bytes > strlen(start));
	if (new.data == NULL || memcmp(new.data, start, strlen(start)) != 0)
		fail_msg("case %s", what);
	assert_memory_equal(new.data + new.bytes - strlen("\r\n--edge--\r\nepilogue\r\n") + 2,
		"--edge--\r\nepilogue\r\n", strlen("--edge--\r\nepilogue\r\n"));
	assert_int_equal(new.verdict, VERDICT_CLEAN);
	assert_true(has(&new, "disinfected by the mail gateway gate"));
	assert_true(has(&new, "Reason: infected: Test.Virus"));
	repaired_fini(&new);
	g_free(mail);
	g_free(start);
}

static void a_part_keeps_its_encoding_and_its_lines(void **state)
{
	static const struct {
		const char *recipe;
		const char *before; // of the part's content
		const char *content;
		const char *now;
	} cases[] = {
		// "0123456789" VIRUS "abcdefghijklmno", lines of 20.
		{"excise:10,20", PART CTE("base64"),
			"MDEyMzQ1Njc4OWEtdmly\r\ndXMtb2YtdGhpcy10ZXN0\r\nYWJjZGVmZ2hpamtsbW5v\r\n",
			"MDEyMzQ1Njc4OWFiY2Rl\r\nZmdoaWprbG1ubw==\r\n"},
		{"overwrite:12,1,5a", PART CTE("base64"),
			"MDEyMzQ1Njc4OWEtdmly\r\ndXMtb2YtdGhpcy10ZXN0\r\nYWJjZGVmZ2hpamtsbW5v\r\n",
			"MDEyMzQ1Njc4OWEtWmly\r\ndXMtb2YtdGhpcy10ZXN0\r\nYWJjZGVmZ2hpamtsbW5v\r\n"},
		{"truncate:10", PART CTE("BASE64"),
			"MDEyMzQ1Njc4OWEtdmly\r\ndXMtb2YtdGhpcy10ZXN0\r\nYWJjZGVmZ2hpamtsbW5v\r\n",
			"MDEyMzQ1Njc4OQ==\r\n"},
		// Lines of many lengths, blanks between.
		{"overwrite:10,1,5a", PART CTE("base64"),
			"MDEy\r\n MzQ1Njc4OWEtdmlydXMtb2Yt\r\ndGhpcy10ZXN0YWI=\r\n\r\n",
			"MDEy\r\n MzQ1Njc4OVotdmlydXMtb2Yt\r\ndGhpcy10ZXN0YWI=\r\n\r\n"},
		{"excise:10,20", PART CTE("quoted-printable"),
			"0123456=\r\n789" VIRUS "=3D\r\nnext =C3=A9 line=20\r\n",
			"0123456=\r\n789=3D\r\nnext =C3=A9 line=20\r\n"},
		{"overwrite:10,3,00ff41", PART CTE("quoted-printable"),
			"0123456=\r\n789" VIRUS "=3D\r\nnext=20\r\n",
			"0123456=\r\n789=00=FFAirus-of-this-test=3D\r\nnext=20\r\n"},
		{"excise:0,20", PART CTE("quoted-printable"),
			"=61"
			"-virus-of-=\r\nthis-test\r\nx",
			"\r\nx"},
		{"excise:4,20", PART CTE("7bit"), "0123" VIRUS "4567\r\nlast", "01234567\r\nlast"},
		{"overwrite:EOF-20,20,2e", PART CTE("8bit"), "\xc3\xa9 " VIRUS,
			"\xc3\xa9 ...................."},
		{"truncate:6", PART "\r\n", "0123\r\n" VIRUS "\r\n", "0123\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *comment = g_strconcat("#cordon: disinfect=", cases[i].recipe, NULL);
		char *before = g_strconcat(MIXED TEXT, cases[i].before, NULL);

		check_repair(comment, before, cases[i].content, cases[i].now);
		g_free(before);
		g_free(comment);
	}
}

static void a_part_may_go_by_recipe(void **state)
{
	static const char mail[] = MIXED TEXT PART CTE("7bit") VIRUS END;
	struct repaired new = repair("#cordon: disinfect=remove", mail, strlen(mail));

	(void)state;
	assert_non_null(new.data);
	assert_int_equal(new.verdict, VERDICT_CLEAN);
	assert_true(has(&new, "was removed by the mail gateway gate"));
	assert_true(has(&new, MIXED TEXT));
	repaired_fini(&new);
}

static void a_message_of_one_part_becomes_the_first_of_two(void **state)
{
	static const char mail[] =
		"From: a@a.example\r\nContent-Type: text/plain;\r\n charset=x\r\nSubject: s\r\n"
		"Content-Transfer-Encoding: 7bit\r\n\r\nbefore " VIRUS " behind\r\n";
	static const char start[] = "From: a@a.example\r\nSubject: s\r\nMIME-Version: 1.0\r\n"
				    "Content-Type: multipart/mixed;\r\n\tboundary=\"=_cordon_";
	struct repaired new = repair("#cordon: disinfect=excise:7,21", mail, strlen(mail));

	(void)state;
	assert_non_null(new.data);
	assert_int_equal(new.verdict, VERDICT_CLEAN);
	assert_memory_equal(new.data, start, strlen(start));
	assert_true(has(&new, "\r\nContent-Type: text/plain;\r\n charset=x\r\n"
			      "Content-Transfer-Encoding: 7bit\r\n\r\nbefore behind\r\n\r\n--=_"));
	repaired_fini(&new);
}

static void a_message_that_never_ends_gets_its_note(void **state)
{
	static const char mail[] = MIXED TEXT PART CTE("7bit") "0123" VIRUS;
	struct repaired new = repair("#cordon: disinfect=truncate:4", mail, strlen(mail));

	(void)state;
	assert_non_null(new.data);
	assert_int_equal(new.verdict, VERDICT_CLEAN);
	assert_true(has(&new, CTE("7bit") "0123\r\n--edge\r\n"));
	assert_memory_equal(new.data + new.bytes - 10, "--edge--\r\n", 10);
	repaired_fini(&new);
}

static void the_note_says_which_signatures_are_broken(void **state)
{
	static const char mail[] =
		"DKIM-Signature: v=1\r\n" HEAD
		"Content-Type: multipart/signed; boundary=edge; micalg=x;\r\n"
		" protocol=\"application/pgp-signature\"\r\n\r\n" PART CTE(
			"7bit") "0123" VIRUS
				"\r\n--edge\r\nContent-Type: application/pgp-signature\r\n\r\n"
				"-----BEGIN PGP SIGNATURE-----\r\n\r\nabc\r\n-----END PGP "
				"SIGNATURE-----" END;
	struct repaired new = repair("#cordon: disinfect=truncate:4", mail, strlen(mail));

	(void)state;
	assert_non_null(new.data);
	assert_true(has(&new, "is broken by the repair."));
	assert_true(has(&new, "The DKIM signature of this message is broken by the repair."));
	assert_true(has(&new, "(S/MIME or PGP): the signature"));
	repaired_fini(&new);
}

static void what_cannot_be_repaired_says_why(void **state)
{
	static const char plain[] = MIXED TEXT PART CTE("7bit") "0123" VIRUS END;
	struct repaired no = repair("#cordon: virus_id=x", plain, strlen(plain));
	struct repaired outside = repair("#cordon: disinfect=excise:4,500", plain, strlen(plain));
	struct repaired binary = repair("#cordon: disinfect=overwrite:4,20", plain, strlen(plain));

	(void)state;
	assert_non_null(strstr(no.refusal, "Test.Virus: it says no way"));
	assert_int_equal(outside.err, -ERANGE);
	// Zeros do not stand in a part that is sent as text.
	assert_int_equal(binary.err, -ENOTSUP);
	repaired_fini(&no);
	repaired_fini(&outside);
	repaired_fini(&binary);
}

// A zip of one stored member.
static GByteArray *zip_of(const char *data)
{
	static const uint8_t local[] = {'P', 'K', 3, 4, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	static const uint8_t entry[] = {'P', 'K', 1, 2, 10, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	GByteArray *zip = g_byte_array_new();
	uint32_t n = (uint32_t)strlen(data);
	uint32_t crc = UINT32_MAX;
	uint32_t sizes[3];
	uint16_t lengths[2] = {1, 0};
	uint32_t at;
	uint8_t zeros[20] = {0};

	for (size_t i = 0; i < n; i++) {
		crc ^= (uint8_t)data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320u : 0);
	}
	sizes[0] = ~crc;
	sizes[1] = n;
	sizes[2] = n;
	g_byte_array_append(zip, local, sizeof(local));
	g_byte_array_append(zip, (const guint8 *)sizes, sizeof(sizes));
	g_byte_array_append(zip, (const guint8 *)lengths, sizeof(lengths));
	g_byte_array_append(zip, (const guint8 *)"x", 1);
	g_byte_array_append(zip, (const guint8 *)data, n);
	at = zip->len;
	g_byte_array_append(zip, entry, sizeof(entry));
	g_byte_array_append(zip, (const guint8 *)sizes, sizeof(sizes));
	g_byte_array_append(zip, (const guint8 *)lengths, 2);
	g_byte_array_append(zip, zeros, 16);
	g_byte_array_append(zip, (const guint8 *)"x", 1);
	n = zip->len - at;
	g_byte_array_append(zip, (const guint8 *)"PK\5\6\0\0\0\0\1\0\1\0", 12);
	g_byte_array_append(zip, (const guint8 *)&n, 4);
	g_byte_array_append(zip, (const guint8 *)&at, 4);
	g_byte_array_append(zip, zeros, 2);
	return zip;
}

static void what_is_in_an_archive_goes_whole_or_not_at_all(void **state)
{
	GByteArray *zip = zip_of("0123" VIRUS);
	char *text = g_base64_encode(zip->data, zip->len);
	char *mail = g_strconcat(MIXED TEXT PART CTE("base64"), text, END, NULL);
	struct repaired new = repair("#cordon: disinfect=excise:4,20", mail, strlen(mail));
	struct repaired gone = repair("#cordon: disinfect=remove", mail, strlen(mail));

	(void)state;
	assert_non_null(new.refusal);
	assert_non_null(strstr(new.refusal, "inside of an archive"));
	assert_non_null(gone.data);
	assert_int_equal(gone.verdict, VERDICT_CLEAN);
	repaired_fini(&new);
	repaired_fini(&gone);
	g_free(mail);
	g_free(text);
	(void)g_byte_array_free(zip, TRUE);
}

// ---- against another implementation -------------------------------------------------------------

static GByteArray *encode(const GByteArray *data, GMimeContentEncoding encoding)
{
	GMimeStream *out = g_mime_stream_mem_new();
	GMimeStream *filtered = g_mime_stream_filter_new(out);
	GMimeFilter *filter = g_mime_filter_basic_new(encoding, TRUE);
	GMimeFilter *lines = g_mime_filter_unix2dos_new(FALSE);
	GByteArray *copy = g_byte_array_new();
	const GByteArray *array;

	(void)g_mime_stream_filter_add(GMIME_STREAM_FILTER(filtered), filter);
	if (encoding == GMIME_CONTENT_ENCODING_BASE64)
		(void)g_mime_stream_filter_add(GMIME_STREAM_FILTER(filtered), lines);
	(void)g_mime_stream_write(filtered, (const char *)data->data, data->len);
	(void)g_mime_stream_flush(filtered);
	array = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(out));
	g_byte_array_append(copy, array->data, array->len);
	g_object_unref(lines);
	g_object_unref(filter);
	g_object_unref(filtered);
	g_object_unref(out);
	return copy;
}

// What the new content decodes to is what the recipe makes of the bytes: GMime reads it.
static void check_random(
	const struct recipe *recipe, GByteArray *data, GMimeContentEncoding encoding)
{
	GByteArray *content = encode(data, encoding);
	GByteArray *out = g_byte_array_new();
	GChecksum *checksum = g_checksum_new(G_CHECKSUM_SHA256);
	uint8_t sha256[32];
	gsize digest_bytes = sizeof(sha256);
	struct rebuild_code code = {.content = content->data,
		.bytes = content->len,
		.sha256 = sha256,
		.eol = "\r\n",
		.encoding = encoding == GMIME_CONTENT_ENCODING_BASE64 ? REBUILD_ENCODING_BASE64
								      : REBUILD_ENCODING_QUOTED};
	char *now = g_malloc(content->len + 4 * data->len + 64);
	GMimeEncoding state;
	size_t bytes = data->len;
	size_t n;
	int expected;

	g_checksum_update(checksum, data->data, data->len);
	g_checksum_get_digest(checksum, sha256, &digest_bytes);
	expected = recipe_apply(recipe, data->data, &bytes);
	assert_int_equal(rebuild_code_repair(&code, recipe, 1, out), expected);
	if (expected == 0) {
		g_mime_encoding_init_decode(&state, encoding);
		n = g_mime_encoding_step(&state, (const char *)out->data, out->len, now);
		assert_int_equal(n, bytes);
		assert_memory_equal(now, data->data, bytes);
		for (size_t i = 0, line = 0; i < out->len; i++) {
			line = out->data[i] == '\n' ? 0 : line + 1;
			assert_true(line <= 77); // with its CR
		}
	}
	g_free(now);
	g_checksum_free(checksum);
	(void)g_byte_array_free(out, TRUE);
	(void)g_byte_array_free(content, TRUE);
}

static void random_repairs_decode_to_what_the_recipe_says(void **state)
{
	struct random seed = {7};

	(void)state;
	g_mime_init();
	for (int round = 0; round < 4000; round++) {
		GByteArray *data = g_byte_array_new();
		size_t n = 1 + random_below(&seed, 400);
		struct recipe recipe = {
			.kind = RECIPE_OVERWRITE + random_below(&seed, 3),
			.fill = {(uint8_t)random_below(&seed, 256), 0x41},
			.fill_bytes = 2,
			.offset = random_below(&seed, (uint32_t)n),
			.length = 1 + random_below(&seed, (uint32_t)n),
		};

		recipe.to_end = recipe.kind == RECIPE_TRUNCATE;
		for (size_t i = 0; i < n; i++) {
			// Text for the most part, with line ends as text has them.
			uint8_t c = (uint8_t)random_below(&seed, round % 2 == 0 ? 256 : 96);

			if (round % 2 != 0)
				c = (uint8_t)(c + ' ');
			if (c == '\n' || c == '\r')
				c = 'x';
			g_byte_array_append(data, &c, 1);
		}
		check_random(&recipe, data,
			round % 4 < 2 ? GMIME_CONTENT_ENCODING_BASE64
				      : GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE);
		(void)g_byte_array_free(data, TRUE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_part_keeps_its_encoding_and_its_lines),
		cmocka_unit_test(a_part_may_go_by_recipe),
		cmocka_unit_test(a_message_of_one_part_becomes_the_first_of_two),
		cmocka_unit_test(a_message_that_never_ends_gets_its_note),
		cmocka_unit_test(the_note_says_which_signatures_are_broken),
		cmocka_unit_test(what_cannot_be_repaired_says_why),
		cmocka_unit_test(what_is_in_an_archive_goes_whole_or_not_at_all),
		cmocka_unit_test(random_repairs_decode_to_what_the_recipe_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
