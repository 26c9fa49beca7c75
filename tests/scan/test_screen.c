// SPDX-License-Identifier: BSD-3-Clause
// Lists and what they hit, beside OpenSSL and a naive search.
#include "scan/scan.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <openssl/evp.h>
#include <zlib.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct ruleset *bare; // with one signature that nothing here hits

static int make_ruleset(void **state)
{
	char path[] = "/tmp/test-screen-XXXXXX.ndb";
	const char *one = path;
	struct ruleset_build_options options = {.strict = true};
	struct ruleset_build_stats stats;
	void *image;
	size_t bytes;
	int fd = mkstemps(path, 4);
	FILE *file;

	(void)state;
	assert_true(fd >= 0);
	file = fdopen(fd, "w");
	assert_non_null(file);
	assert_true(fputs("Test.Pattern:0:*:"
			  "7468697320697320612076697275732074686174206e6f626f647920686173\n",
			    file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(ruleset_build(&one, 1, &options, &image, &bytes, &stats), 0);
	assert_int_equal(unlink(path), 0);
	*state = image;
	return ruleset_attach(image, bytes, &bare);
}

static int drop_ruleset(void **state)
{
	ruleset_close(bare);
	free(*state);
	return 0;
}

// ---- lists ---------------------------------------------------------------------------------------

static const EVP_MD *method(unsigned int algorithm)
{
	if (algorithm == DIGEST_MD5)
		return EVP_md5();
	return algorithm == DIGEST_SHA1 ? EVP_sha1() : EVP_sha256();
}

static void digest_of(const void *data, size_t n, unsigned int algorithm, uint8_t *out)
{
	memset(out, 0, SCREEN_DIGEST_BYTES);
	assert_int_equal(EVP_Digest(data, n, out, NULL, method(algorithm), NULL), 1);
}

static struct screen_entry entry_of(
	enum screen_kind kind, unsigned int algorithm, const void *data, size_t n)
{
	struct screen_entry entry = {.virus_id = "CV-1",
		.name = "Test.Screen",
		.kind = kind,
		.algorithm = algorithm,
		.section = SCREEN_ANY_SECTION};

	digest_of(data, n, algorithm, entry.digest);
	if (kind == SCREEN_RANGE || kind == SCREEN_WINDOW)
		entry.length = n;
	if (kind == SCREEN_WINDOW)
		entry.rolling = screen_rolling(data, n);
	return entry;
}

struct rig {
	void *image;
	struct ruleset *ruleset;
	struct scanner *scanner;
};

static void rig_init(struct rig *rig, const struct screen_entry *entries, size_t count)
{
	struct scan_options options;
	char error[256] = "";
	size_t bytes;

	if (screen_build(entries, count, &rig->image, &bytes, error, sizeof(error)) != 0)
		fail_msg("%s", error);
	assert_int_equal(ruleset_attach_screen(bare, rig->image, bytes, &rig->ruleset), 0);
	scan_options_init(&options);
	options.max_messages = 2;
	options.all_matches = true;
	assert_int_equal(scanner_new(&options, rig->ruleset, &rig->scanner), 0);
}

static void rig_fini(struct rig *rig)
{
	scanner_free(rig->scanner);
	ruleset_close(rig->ruleset);
	free(rig->image);
}

// Scans in pieces of `step` bytes, of random ones where it is 0.
static struct scan *rig_scan(struct rig *rig, enum scan_kind kind, const void *data, size_t n,
	size_t step, struct random *random)
{
	struct scan *scan;
	size_t at = 0;

	assert_int_equal(scan_begin(rig->scanner, kind, &scan), 0);
	while (at < n) {
		size_t take = step > 0 ? step : 1 + random_below(random, 9000);

		take = take < n - at ? take : n - at;
		scan_feed(scan, (const uint8_t *)data + at, take);
		at += take;
	}
	(void)scan_end(scan);
	return scan;
}

static bool has_entry(const struct scan_result *result, const struct screen_entry *entry)
{
	for (size_t i = 0; i < result->matches_count; i++)
		if (result->matches[i].entry == screen_id(entry))
			return true;
	return false;
}

// Whether the message is hit by this one entry.
static bool hits(const struct screen_entry *entry, enum scan_kind kind, const void *data, size_t n)
{
	struct rig rig;
	struct scan *scan;
	bool found;

	rig_init(&rig, entry, 1);
	scan = rig_scan(&rig, kind, data, n, n, NULL);
	found = has_entry(scan_end(scan), entry);
	assert_int_equal(scan_end(scan)->verdict, found ? VERDICT_SUSPECT : VERDICT_CLEAN);
	assert_string_equal(scan_end(scan)->reason, found ? "checksum" : "");
	scan_free(scan);
	rig_fini(&rig);
	return found;
}

// ---- beside a naive search -----------------------------------------------------------------------

#define ENTRIES 20
#define MOST_BYTES 40000

static uint8_t sample[MOST_BYTES];

// Few values, so that there are repetitions, or all.
static size_t fill(struct random *random, uint8_t *out, size_t most)
{
	static const uint32_t values[] = {1, 2, 4, 256};
	uint32_t of = values[random_below(random, 4)];
	size_t n = 1 + random_below(random, (uint32_t)most - 1);

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(0x80 + random_below(random, of));
	return n;
}

static bool matches_at(const struct screen_entry *entry, const uint8_t *data, size_t n)
{
	uint8_t digest[SCREEN_DIGEST_BYTES];

	digest_of(data, n, entry->algorithm, digest);
	return memcmp(digest, entry->digest, sizeof(digest)) == 0;
}

// What scan/screen.h says, word for word.
static bool naive(const struct screen_entry *entry, const uint8_t *data, size_t n)
{
	if (entry->bytes != 0 && entry->bytes != n)
		return false;
	if (entry->kind == SCREEN_FILE)
		return matches_at(entry, data, n);
	if (entry->kind == SCREEN_RANGE) {
		size_t from = entry->from_end ? n - entry->offset : entry->offset;

		if (entry->offset > n || from + entry->length > n)
			return false;
		return matches_at(entry, data + from, entry->length);
	}
	for (size_t i = 0; i + entry->length <= n; i++)
		if (screen_rolling(data + i, entry->length) == entry->rolling &&
			matches_at(entry, data + i, entry->length))
			return true;
	return false;
}

static struct screen_entry random_entry(struct random *random, const uint8_t *data, size_t n)
{
	static const enum screen_kind kinds[] = {SCREEN_FILE, SCREEN_RANGE, SCREEN_WINDOW};
	enum screen_kind kind = kinds[random_below(random, n < 32 ? 2 : 3)];
	size_t least = kind == SCREEN_WINDOW ? 32 : 1;
	size_t length = least + random_below(random, (uint32_t)((n < 3000 ? n : 3000) - least + 1));
	size_t from = random_below(random, (uint32_t)(n - length + 1));
	struct screen_entry entry;

	if (kind == SCREEN_FILE) {
		from = 0;
		length = n;
	}
	entry = entry_of(kind, 1u << random_below(random, 3), data + from, length);
	if (kind == SCREEN_RANGE) {
		entry.from_end = random_below(random, 2) == 0;
		entry.offset = entry.from_end ? n - from : from;
	}
	// Some are wrong in one thing.
	switch (random_below(random, 8)) {
	case 0:
		// In a run of one byte such windows are false candidates, of which there may be too many.
		if (kind != SCREEN_WINDOW)
			entry.digest[random_below(random, 16)] ^= 1;
		break;
	case 1:
		entry.bytes = n;
		break;
	case 2:
		entry.bytes = n + 1;
		break;
	default:
		break;
	}
	return entry;
}

static void what_hits_is_what_a_naive_search_finds_in_any_chunks(void **state)
{
	static const size_t steps[] = {0, 1, 4096, 65536};
	struct random random = {77};

	(void)state;
	for (unsigned int round = 0; round < 45; round++) {
		struct screen_entry entries[ENTRIES];
		size_t n = fill(&random, sample, round % 4 == 0 ? 200 : MOST_BYTES);
		struct rig rig;

		for (size_t i = 0; i < ENTRIES; i++)
			entries[i] = random_entry(&random, sample, n);
		// Now it is another file, or still that one.
		if (round % 3 > 0)
			sample[random_below(&random, (uint32_t)n)] ^= 1;
		if (round % 3 > 1 && n > 100)
			n -= random_below(&random, 50);
		rig_init(&rig, entries, ENTRIES);
		for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
			struct scan *scan = rig_scan(&rig, SCAN_FILE, sample, n, steps[k], &random);
			const struct scan_result *result = scan_end(scan);

			for (size_t i = 0; i < ENTRIES; i++)
				if (has_entry(result, &entries[i]) != naive(&entries[i], sample, n))
					fail_msg("round %u step %zu entry %zu (%s of %zu at %zu, "
						 "bytes %zu of %zu)",
						round, steps[k], i,
						screen_kind_name(entries[i].kind),
						(size_t)entries[i].length,
						(size_t)entries[i].offset, (size_t)entries[i].bytes,
						n);
			scan_free(scan);
		}
		rig_fini(&rig);
	}
}

static void a_long_file_is_screened_where_its_copy_has_lost_its_beginning(void **state)
{
	static const size_t n = 23 * 1000 * 1000 + 17;
	static const struct {
		enum screen_kind kind;
		size_t from;
		size_t length;
		bool from_end;
	} cases[] = {
		{SCREEN_FILE, 0, n, false},
		{SCREEN_RANGE, 0, 1 << 20, false},
		{SCREEN_RANGE, 3999000, 4 << 20, false},
		{SCREEN_RANGE, 21999000, 1000, false},
		{SCREEN_RANGE, n - 4000000, 4000000, true},
		{SCREEN_RANGE, n - 1, 1, true},
		{SCREEN_WINDOW, 5, 1 << 20, false},
		{SCREEN_WINDOW, 4194304 - 50, 100, false},
		{SCREEN_WINDOW, 9000001, 3333, false},
		{SCREEN_WINDOW, n - 64, 64, false},
	};
	enum { COUNT = sizeof(cases) / sizeof(cases[0]) };
	struct screen_entry entries[2 * COUNT];
	uint8_t *data = malloc(n);
	struct random random = {5};
	struct scan *scan;
	struct rig rig;

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i < n; i++)
		data[i] = (uint8_t)(0x80 | random_below(&random, 256));
	for (size_t i = 0; i < COUNT; i++) {
		struct screen_entry entry =
			entry_of(cases[i].kind, 1u << i % 3, data + cases[i].from, cases[i].length);

		entry.from_end = cases[i].from_end;
		if (entry.kind == SCREEN_RANGE)
			entry.offset = entry.from_end ? n - cases[i].from : cases[i].from;
		entry.bytes = i % 2 == 0 ? n : 0;
		entries[2 * i] = entry;
		entry.bytes = n + 1;
		entries[2 * i + 1] = entry;
	}
	rig_init(&rig, entries, (size_t)2 * COUNT);
	scan = rig_scan(&rig, SCAN_FILE, data, n, 100000, &random);
	for (size_t i = 0; i < COUNT; i++) {
		if (!has_entry(scan_end(scan), &entries[2 * i]))
			fail_msg("case %zu is not found", i);
		assert_false(has_entry(scan_end(scan), &entries[2 * i + 1]));
	}
	scan_free(scan);
	rig_fini(&rig);
	free(data);
}

static void one_changed_byte_escapes_the_file_and_not_the_window(void **state)
{
	struct random random = {3};
	struct screen_entry file;
	struct screen_entry window;
	size_t n = 30000;

	(void)state;
	for (size_t i = 0; i < n; i++)
		sample[i] = (uint8_t)random_below(&random, 256);
	file = entry_of(SCREEN_FILE, DIGEST_SHA256, sample, n);
	window = entry_of(SCREEN_WINDOW, DIGEST_SHA256, sample + 20000, 4096);
	assert_true(hits(&file, SCAN_FILE, sample, n));
	assert_true(hits(&window, SCAN_FILE, sample, n));
	sample[777] ^= 1;
	assert_false(hits(&file, SCAN_FILE, sample, n));
	assert_true(hits(&window, SCAN_FILE, sample, n));
	memmove(sample + 13, sample, n);
	assert_true(hits(&window, SCAN_FILE, sample, n + 13));
	sample[22000] ^= 1;
	assert_false(hits(&window, SCAN_FILE, sample, n + 13));
}

static void the_rolling_checksum_alone_is_never_a_hit(void **state)
{
	struct random random = {9};
	struct screen_entry entry;

	(void)state;
	for (size_t i = 0; i < 9000; i++)
		sample[i] = (uint8_t)random_below(&random, 256);
	entry = entry_of(SCREEN_WINDOW, DIGEST_MD5, sample + 4000, 300);
	entry.digest[15] ^= 1;
	assert_false(hits(&entry, SCAN_FILE, sample, 9000));
}

// Who knows the list can make as many as there is room for: that is told.
static void too_many_false_candidates_make_a_file_suspect(void **state)
{
	struct screen_entry entry;
	struct rig rig;
	struct scan *scan;

	(void)state;
	memset(sample, 'A', sizeof(sample));
	entry = entry_of(SCREEN_WINDOW, DIGEST_SHA256, sample, 64);
	entry.digest[3] ^= 1;
	rig_init(&rig, &entry, 1);
	scan = rig_scan(&rig, SCAN_FILE, sample, 300, 300, NULL);
	assert_int_equal(scan_end(scan)->verdict, VERDICT_CLEAN);
	scan_free(scan);
	scan = rig_scan(&rig, SCAN_FILE, sample, sizeof(sample), 1000, NULL);
	assert_int_equal(scan_end(scan)->verdict, VERDICT_SUSPECT);
	assert_string_equal(scan_end(scan)->reason, "limit-screening");
	scan_free(scan);
	rig_fini(&rig);
}

// ---- messages ------------------------------------------------------------------------------------

static const char text_mail[] =
	"From: a@example.org\r\nSubject: x\r\n\r\nfirst line\r\nsecond line\r\n";
static const char parts_mail[] = "Subject: y\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
				 "--b\r\nContent-Type: text/plain\r\n\r\n"
				 "one\r\ntwo\r\n--b\r\n"
				 "Content-Type: application/octet-stream\r\n"
				 "Content-Transfer-Encoding: base64\r\n\r\n"
				 "AAEC\r\nAwQF\r\n--b--\r\n";

static void messages_and_bodies_hit_with_and_without_their_last_line_break(void **state)
{
	size_t n = sizeof(text_mail) - 1;
	size_t header = (size_t)(strstr(text_mail, "\r\n\r\n") + 4 - text_mail);
	struct screen_entry entry = entry_of(SCREEN_MESSAGE, DIGEST_SHA1, text_mail, n);

	(void)state;
	assert_true(hits(&entry, SCAN_MESSAGE, text_mail, n));
	assert_false(hits(&entry, SCAN_FILE, text_mail, n));
	assert_true(hits(&entry, SCAN_MESSAGE, text_mail, n - 2));
	entry.bytes = n;
	assert_true(hits(&entry, SCAN_MESSAGE, text_mail, n - 2));
	entry.bytes = n - 2;
	assert_false(hits(&entry, SCAN_MESSAGE, text_mail, n));
	entry = entry_of(SCREEN_MESSAGE, DIGEST_SHA256, text_mail, n - 2);
	assert_true(hits(&entry, SCAN_MESSAGE, text_mail, n));
	assert_false(hits(&entry, SCAN_MESSAGE, text_mail, n - 3));
	entry = entry_of(SCREEN_BODY, DIGEST_MD5, text_mail + header, n - header);
	assert_true(hits(&entry, SCAN_MESSAGE, text_mail, n));
	entry.bytes = n - header;
	assert_true(hits(&entry, SCAN_MESSAGE, text_mail, n));
	assert_true(hits(&entry, SCAN_MESSAGE, text_mail + 21, n - 21));
	entry = entry_of(SCREEN_FILE, DIGEST_MD5, text_mail, n);
	assert_true(hits(&entry, SCAN_MESSAGE, text_mail, n));
}

static void parts_hit_as_they_are_decoded(void **state)
{
	static const uint8_t binary[] = {0, 1, 2, 3, 4, 5};
	size_t n = sizeof(parts_mail) - 1;
	struct screen_entry entry = entry_of(SCREEN_FILE, DIGEST_SHA256, binary, sizeof(binary));
	struct rig rig;
	struct scan *scan;

	(void)state;
	rig_init(&rig, &entry, 1);
	scan = rig_scan(&rig, SCAN_MESSAGE, parts_mail, n, 1, NULL);
	assert_int_equal(scan_end(scan)->matches_count, 1);
	assert_int_equal(scan_end(scan)->matches[0].part, 2);
	assert_int_equal(scan_end(scan)->matches[0].kind, MATCH_CHECKSUM);
	assert_string_equal(scan_end(scan)->matches[0].signature, "Test.Screen");
	assert_string_equal(scan_end(scan)->matches[0].virus_id, "CV-1");
	assert_memory_equal(scan_end(scan)->matches[0].digest, entry.digest, 32);
	assert_int_equal(ruleset_get_screen_hits(rig.ruleset, 0), 1);
	scan_free(scan);
	rig_fini(&rig);
	// The text's last line break is the boundary's, or was the file's.
	entry = entry_of(SCREEN_FILE, DIGEST_SHA256, "one\r\ntwo", 8);
	assert_true(hits(&entry, SCAN_MESSAGE, parts_mail, n));
	entry = entry_of(SCREEN_FILE, DIGEST_SHA256, "one\r\ntwo\r\n", 10);
	entry.bytes = 10;
	assert_true(hits(&entry, SCAN_MESSAGE, parts_mail, n));
	entry = entry_of(SCREEN_FILE, DIGEST_SHA256, "\0\1\2\3\4\5\r\n", 8);
	assert_false(hits(&entry, SCAN_MESSAGE, parts_mail, n));
}

// The same bytes in a message, in some encoding.
static size_t carry(char *out, const char *encoding, const uint8_t *data, size_t n)
{
	bool is_base64 = strcmp(encoding, "base64") == 0;
	size_t at = (size_t)sprintf(out,
		"Subject: z\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
		"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: %s\r\n\r\n",
		encoding);

	for (size_t i = 0; i < n; i += 57) {
		size_t line = n - i < 57 ? n - i : 57;

		if (is_base64) {
			at += (size_t)EVP_EncodeBlock(
				(unsigned char *)out + at, data + i, (int)line);
			at += (size_t)sprintf(out + at, "\r\n");
			continue;
		}
		for (size_t k = 0; k < line; k++)
			at += (size_t)sprintf(out + at, "=%02X", data[i + k]);
		at += (size_t)sprintf(out + at, "=\r\n");
	}
	return at + (size_t)sprintf(out + at, "\r\n--b--\r\n");
}

static size_t pack(uint8_t *out, size_t room, const uint8_t *data, size_t n)
{
	z_stream stream = {0};

	assert_int_equal(
		deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	stream.next_in = (Bytef *)(uintptr_t)data;
	stream.avail_in = (uInt)n;
	stream.next_out = out;
	stream.avail_out = (uInt)room;
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	assert_int_equal(deflateEnd(&stream), Z_OK);
	return room - stream.avail_out;
}

static void how_a_file_was_carried_makes_no_difference(void **state)
{
	static const size_t steps[] = {0, 1, 4000};
	struct screen_sample_options options = {.virus_id = "CV-4", .algorithms = DIGEST_SHA1};
	const size_t n = 9001;
	struct screen_entry *entries = NULL;
	struct random random = {31};
	uint8_t packed[2 * MOST_BYTES];
	char *mail = malloc(4 * MOST_BYTES);
	size_t count = 0;
	struct rig rig;

	(void)state;
	assert_non_null(mail);
	for (size_t i = 0; i < n; i++)
		sample[i] = (uint8_t)random_below(&random, 200);
	assert_int_equal(screen_compute(&options, sample, n, &entries, &count), 0);
	rig_init(&rig, entries, count);
	for (size_t i = 0; i < 12; i++) {
		size_t inner = i % 4 < 2 ? n : pack(packed, sizeof(packed), sample, n);
		size_t bytes = carry(mail, i % 2 == 0 ? "base64" : "quoted-printable",
			i % 4 < 2 ? sample : packed, inner);
		struct scan *scan =
			rig_scan(&rig, SCAN_MESSAGE, mail, bytes, steps[i / 4], &random);

		for (size_t k = 0; k < count; k++)
			assert_true(has_entry(scan_end(scan), &entries[k]));
		assert_int_equal(scan_end(scan)->matches_count, count);
		scan_free(scan);
	}
	rig_fini(&rig);
	free(entries);
	free(mail);
}

static void a_type_is_a_condition(void **state)
{
	static const char picture[] = "GIF89a, or so it says, and goes on";
	struct screen_entry entry = entry_of(SCREEN_FILE, DIGEST_MD5, picture, sizeof(picture));

	(void)state;
	for (int sized = 0; sized < 2; sized++) {
		entry.bytes = sized == 0 ? 0 : sizeof(picture);
		entry.file_type = "gif";
		assert_true(hits(&entry, SCAN_FILE, picture, sizeof(picture)));
		entry.file_type = "zip";
		assert_false(hits(&entry, SCAN_FILE, picture, sizeof(picture)));
	}
}

// ---- samples -------------------------------------------------------------------------------------

static size_t kinds_that_hit(struct rig *rig, enum scan_kind kind, const uint8_t *data, size_t n)
{
	struct scan *scan = rig_scan(rig, kind, data, n, 5000, NULL);
	size_t kinds = 0;

	for (size_t i = 0; i < scan_end(scan)->matches_count; i++)
		kinds |= (size_t)1 << scan_end(scan)->matches[i].screened;
	scan_free(scan);
	return kinds;
}

static void a_sample_is_hit_by_each_kind_that_is_computed_of_it(void **state)
{
	struct screen_sample_options options = {
		.virus_id = "CV-2", .name = "Sample", .algorithms = DIGEST_MD5 | DIGEST_SHA256};
	const size_t n = 30000;
	struct screen_entry *entries = NULL;
	struct random random = {11};
	size_t count = 0;
	struct rig rig;

	(void)state;
	for (size_t i = 0; i < n; i++)
		sample[i] = (uint8_t)(0x80 | random_below(&random, 256));
	assert_int_equal(screen_compute(&options, sample, n, &entries, &count), 0);
	rig_init(&rig, entries, count);
	assert_int_equal(kinds_that_hit(&rig, SCAN_FILE, sample, n),
		1 << SCREEN_FILE | 1 << SCREEN_RANGE | 1 << SCREEN_WINDOW);
	sample[0] ^= 1;
	sample[n / 4] ^= 1;
	assert_int_equal(
		kinds_that_hit(&rig, SCAN_FILE, sample, n), 1 << SCREEN_RANGE | 1 << SCREEN_WINDOW);
	memset(sample, 0x90, sizeof(sample));
	assert_int_equal(kinds_that_hit(&rig, SCAN_FILE, sample, n), 0);
	rig_fini(&rig);
	free(entries);
	// Nothing but its size and digest tells this one from others.
	assert_int_equal(screen_compute(&options, sample, n, &entries, &count), 0);
	assert_int_equal(count, 2);
	free(entries);
	assert_int_equal(screen_compute(&options, sample, 3, &entries, &count), -EINVAL);
}

static void a_message_that_was_saved_with_other_line_ends_is_hit_as_it_was_sent(void **state)
{
	struct screen_sample_options options = {.virus_id = "CV-2", .is_message = true};
	uint8_t saved[sizeof(text_mail)];
	struct screen_entry *entries = NULL;
	size_t count = 0;
	struct rig rig;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; text_mail[i] != '\0'; i++)
		if (text_mail[i] != '\r')
			saved[n++] = (uint8_t)text_mail[i];
	assert_int_equal(screen_compute(&options, saved, n, &entries, &count), 0);
	assert_int_equal(count, 2);
	rig_init(&rig, entries, count);
	assert_int_equal(kinds_that_hit(&rig, SCAN_MESSAGE, (const uint8_t *)text_mail,
				 sizeof(text_mail) - 1),
		1 << SCREEN_BODY | 1 << SCREEN_MESSAGE);
	rig_fini(&rig);
	free(entries);
}

// A PE file with two sections, the second cut off by the end.
static size_t make_program(uint8_t *out)
{
	static const uint32_t places[2][2] = {{1024, 2000}, {3024, 5000}};
	struct random random = {21};
	uint8_t *pe = out + 128;

	for (size_t i = 0; i < 6000; i++)
		out[i] = i < 1024 ? 0 : (uint8_t)random_below(&random, 256);
	memcpy(out, "MZ", 2);
	out[60] = 128;
	memcpy(pe, "PE\0\0\x4c\x01\x02\0", 8);
	pe[20] = 224;
	pe[24] = 0x0b;
	pe[25] = 0x01;
	out[128 + 24 + 60] = 0; // size of the headers: 1024
	out[128 + 24 + 61] = 4;
	out[128 + 24 + 92] = 16;
	out[128 + 24 + 33] = 0x10; // alignment of sections
	out[128 + 24 + 37] = 0x02; // of the file: 512
	for (size_t i = 0; i < 2; i++) {
		uint8_t *section = pe + 24 + 224 + 40 * i;
		uint32_t address = 0x1000 + 0x2000 * (uint32_t)i;

		memcpy(section, ".part", 5);
		memcpy(section + 8, &places[i][1], 4);
		memcpy(section + 12, &address, 4);
		memcpy(section + 16, &places[i][1], 4);
		memcpy(section + 20, &places[i][0], 4);
	}
	return 6000;
}

static void sections_of_programs_hit_by_number_and_size(void **state)
{
	struct screen_sample_options options = {.virus_id = "CV-3"};
	struct screen_entry *entries = NULL;
	size_t n = make_program(sample);
	size_t sections = 0;
	size_t count = 0;

	(void)state;
	assert_int_equal(screen_compute(&options, sample, n, &entries, &count), 0);
	for (size_t i = 0; i < count; i++) {
		struct screen_entry entry = entries[i];

		if (entry.kind != SCREEN_SECTION)
			continue;
		sections++;
		assert_true(hits(&entry, SCAN_FILE, sample, n));
		entry.bytes = n;
		entry.file_type = "pe";
		assert_true(hits(&entry, SCAN_FILE, sample, n));
		entry.section++;
		assert_false(hits(&entry, SCAN_FILE, sample, n));
		entry.section = SCREEN_ANY_SECTION;
		assert_true(hits(&entry, SCAN_FILE, sample, n));
		entry.length++;
		assert_false(hits(&entry, SCAN_FILE, sample, n));
		entry.length = 0;
		assert_true(hits(&entry, SCAN_FILE, sample, n));
		entry.bytes = n - 1;
		assert_false(hits(&entry, SCAN_FILE, sample, n));
	}
	assert_int_equal(sections, 2);
	free(entries);
}

// ---- lists by themselves -------------------------------------------------------------------------

static void counts_move_to_the_next_list(void **state)
{
	struct screen_entry entries[3];
	struct screen_entry again;
	struct rig one;
	struct rig two;
	uint64_t sum = 0;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		entries[i] = entry_of(SCREEN_FILE, DIGEST_SHA256, "abcdef" + i, 3);
	rig_init(&one, entries, 2);
	rig_init(&two, entries + 1, 2);
	for (size_t i = 0; i < 5; i++)
		scan_free(rig_scan(&one, SCAN_FILE, "abcdef" + i % 2, 3, 3, NULL));
	ruleset_move_screen_hits(one.ruleset, two.ruleset);
	for (uint32_t i = 0; i < 2; i++) {
		ruleset_get_screen_entry(two.ruleset, i, &again);
		sum += ruleset_get_screen_hits(two.ruleset, i);
		assert_int_equal(ruleset_get_screen_hits(two.ruleset, i),
			screen_id(&again) == screen_id(&entries[1]) ? 2 : 0);
	}
	assert_int_equal(sum, 2);
	rig_fini(&one);
	rig_fini(&two);
}

static void an_empty_list_is_allowed_and_one_twice_is_one(void **state)
{
	struct screen_entry entries[2];
	struct rig rig;

	(void)state;
	rig_init(&rig, NULL, 0);
	assert_int_equal(ruleset_get_screen(rig.ruleset)->entries, 0);
	scan_free(rig_scan(&rig, SCAN_FILE, "abc", 3, 3, NULL));
	rig_fini(&rig);
	entries[0] = entries[1] = entry_of(SCREEN_FILE, DIGEST_SHA256, "abc", 3);
	rig_init(&rig, entries, 2);
	assert_int_equal(ruleset_get_screen(rig.ruleset)->entries, 1);
	assert_int_equal(strlen(ruleset_get_screen(rig.ruleset)->version), 16);
	rig_fini(&rig);
	assert_string_equal(ruleset_get_screen(bare)->version, "");
}

static void what_is_wrong_with_an_entry_is_told(void **state)
{
	struct screen_entry good = entry_of(SCREEN_FILE, DIGEST_SHA256, "abc", 3);
	struct screen_entry entries[2] = {good, good};
	static const struct {
		struct screen_entry entry; // what is not zero takes the place of the good one's
		const char *why;
	} cases[] = {
		{{.file_type = "zap"}, "file_type: no type is called \"zap\""},
		{{.algorithm = 8}, "algorithm: must be md5, sha1 or sha256"},
		{{.algorithm = DIGEST_MD5}, "digest: is longer than its algorithm's"},
		{{.length = 4}, "length: a file has none"},
		{{.offset = 4}, "offset: a file has none"},
		{{.kind = SCREEN_RANGE}, "length: of a range must be 1 to 4194304"},
		{{.kind = SCREEN_RANGE, .length = 5, .offset = 4, .from_end = true},
			"offset: from the end must be at least length"},
		{{.kind = SCREEN_RANGE, .length = 5, .bytes = 4}, "bytes: the range does not lie"},
		{{.kind = SCREEN_WINDOW, .length = 31}, "length: of a window must be 32 to"},
		{{.kind = SCREEN_BODY, .file_type = "pe"}, "file_type: a body has none"},
		{{.name = "two\nlines"}, "name: must be one line"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct screen_entry *bad = &cases[i].entry;
		char error[256] = "";
		char wanted[256];
		void *image;
		size_t bytes;

		entries[1] = good;
		entries[1].kind = bad->kind;
		entries[1].bytes = bad->bytes;
		entries[1].offset = bad->offset;
		entries[1].length = bad->length;
		entries[1].from_end = bad->from_end;
		entries[1].file_type = bad->file_type;
		if (bad->algorithm != 0)
			entries[1].algorithm = bad->algorithm;
		if (bad->name != NULL)
			entries[1].name = bad->name;
		assert_int_equal(
			screen_build(entries, 2, &image, &bytes, error, sizeof(error)), -EINVAL);
		(void)snprintf(wanted, sizeof(wanted), "entry 2: %s", cases[i].why);
		if (strncmp(error, wanted, strlen(wanted)) != 0)
			fail_msg("%s, not %s", error, wanted);
	}
}

static void the_rolling_checksum_is_the_one_that_is_documented(void **state)
{
	uint8_t data[40];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	// Computed by the lines of docs/screening.md.
	assert_int_equal(screen_rolling(data, sizeof(data)), UINT64_C(0x317b2890a3a61c14));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_hits_is_what_a_naive_search_finds_in_any_chunks),
		cmocka_unit_test(a_long_file_is_screened_where_its_copy_has_lost_its_beginning),
		cmocka_unit_test(one_changed_byte_escapes_the_file_and_not_the_window),
		cmocka_unit_test(the_rolling_checksum_alone_is_never_a_hit),
		cmocka_unit_test(too_many_false_candidates_make_a_file_suspect),
		cmocka_unit_test(messages_and_bodies_hit_with_and_without_their_last_line_break),
		cmocka_unit_test(parts_hit_as_they_are_decoded),
		cmocka_unit_test(how_a_file_was_carried_makes_no_difference),
		cmocka_unit_test(a_type_is_a_condition),
		cmocka_unit_test(a_sample_is_hit_by_each_kind_that_is_computed_of_it),
		cmocka_unit_test(
			a_message_that_was_saved_with_other_line_ends_is_hit_as_it_was_sent),
		cmocka_unit_test(sections_of_programs_hit_by_number_and_size),
		cmocka_unit_test(counts_move_to_the_next_list),
		cmocka_unit_test(an_empty_list_is_allowed_and_one_twice_is_one),
		cmocka_unit_test(what_is_wrong_with_an_entry_is_told),
		cmocka_unit_test(the_rolling_checksum_is_the_one_that_is_documented),
	};

	return cmocka_run_group_tests(tests, make_ruleset, drop_ruleset);
}
