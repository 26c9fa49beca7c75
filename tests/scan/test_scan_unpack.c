// SPDX-License-Identifier: BSD-3-Clause
// Members of archives, compared with what Python's modules unpack and with what other tools packed, in
// any chunks; limits and warnings.
#include "scan/scan.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_BYTEWISE 60000
#define MAX_REPEATED 1200000
#define MAX_MEMBERS 11000
#define MAX_FILES 700

struct member {
	uint32_t parent;
	uint64_t bytes;
	char name[256];
	char sha256[65];
};

struct archive {
	char path[128];
	char verdict[16];
	char reason[32];
	bool is_compared;
	size_t first;
	size_t count;
};

static struct ruleset *ruleset;
static void *image;
static char folder[] = "/tmp/test_unpack.XXXXXX";
static struct archive archives[MAX_FILES];
static size_t archives_count;
static struct member *members;
static size_t members_count;

static void write_rules(const char *path, const char *text)
{
	FILE *file = fopen(path, "wbe");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	assert_int_equal(fclose(file), 0);
}

// "MARK-OF-THE-TEST" in any object.
static int make_rules(void **state)
{
	static const char rules[] = "Test.Mark:0:*:4d41524b2d4f462d5448452d54455354\n";
	struct ruleset_build_stats stats;
	char path[64];
	const char *paths[] = {path};
	void *built;
	size_t bytes;

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/rules.ndb", folder);
	write_rules(path, rules);
	assert_int_equal(ruleset_build(paths, 1, NULL, &built, &bytes, &stats), 0);
	assert_int_equal(unlink(path), 0);
	image = aligned_alloc(64, (bytes + 63) / 64 * 64);
	assert_non_null(image);
	memcpy(image, built, bytes);
	free(built);
	return ruleset_attach(image, bytes, &ruleset);
}

static int drop_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < archives_count; i++)
		(void)unlink(archives[i].path);
	ruleset_close(ruleset);
	free(image);
	free(members);
	return rmdir(folder);
}

// ---- what Python says --------------------------------------------------------------------------

static void read_member(char *line)
{
	struct member *member = &members[members_count++];
	char *save = NULL;
	const char *parent;
	const char *name;

	assert_true(members_count <= (size_t)MAX_MEMBERS * 4);
	parent = strtok_r(line + 2, "\t\n", &save);
	// A member without a name leaves its field empty.
	if (save[0] == '\t') {
		name = "";
		save++;
	} else {
		name = strtok_r(NULL, "\t\n", &save);
	}
	memset(member, 0, sizeof(*member));
	member->parent = (uint32_t)strtoul(parent, NULL, 10);
	for (size_t i = 0; name[2 * i] != '\0' && i + 1 < sizeof(member->name); i++) {
		const char digits[] = {name[2 * i], name[2 * i + 1], '\0'};

		member->name[i] = (char)strtoul(digits, NULL, 16);
	}
	member->bytes = strtoull(strtok_r(NULL, "\t\n", &save), NULL, 10);
	(void)snprintf(member->sha256, sizeof(member->sha256), "%s", strtok_r(NULL, "\t\n", &save));
}

static void read_archive(const char *line)
{
	struct archive *archive = &archives[archives_count++];

	assert_true(archives_count <= MAX_FILES);
	memset(archive, 0, sizeof(*archive));
	assert_true(sscanf(line, "F\t%127[^\t]\t%15[^\t]\t%31[^\n]", archive->path,
			    archive->verdict, archive->reason) >= 2);
	archive->is_compared = true;
	archive->first = members_count;
}

static void run_script(const char *script)
{
	char command[128];
	char line[1024];
	FILE *reference;

	(void)snprintf(command, sizeof(command), "/usr/bin/python3 %s %s", script, folder);
	reference = popen(command, "re"); // NOLINT(cert-env33-c): our own script, our own folder
	assert_non_null(reference);
	while (fgets(line, sizeof(line), reference) != NULL) {
		if (line[0] == 'F')
			read_archive(line);
		else if (line[0] == '-')
			archives[archives_count - 1].is_compared = false;
		else
			read_member(line);
		archives[archives_count - 1].count =
			members_count - archives[archives_count - 1].first;
	}
	assert_int_equal(pclose(reference), 0);
}

// Runs the scripts once. False when there is no Python to run them.
static bool make_archives(void)
{
	if (archives_count > 0)
		return true;
	if (access("/usr/bin/python3", X_OK) != 0) {
		printf("skip: no python3\n");
		return false;
	}
	members = calloc((size_t)MAX_MEMBERS * 4, sizeof(*members));
	assert_non_null(members);
	run_script("tests/scan/unpack_reference.py");
	run_script("tests/scan/unpack_reference_pdf.py");
	run_script("tests/scan/unpack_reference_zip.py");
	run_script("tests/scan/unpack_reference_crypt.py");
	run_script("tests/scan/unpack_reference_script.py");
	run_script("tests/scan/whole_reference.py");
	run_script("tests/scan/unpack_reference_ole2.py");
	run_script("tests/scan/unpack_reference_text.py");
	assert_true(archives_count > 100);
	return true;
}

// ---- what we say -------------------------------------------------------------------------------

static uint8_t *read_file(const char *path, size_t *n)
{
	FILE *file = fopen(path, "rbe");
	uint8_t *data;

	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	*n = (size_t)ftell(file);
	rewind(file);
	data = malloc(*n + 1);
	assert_non_null(data);
	assert_int_equal(fread(data, 1, *n, file), *n);
	assert_int_equal(fclose(file), 0);
	return data;
}

static struct scanner *make_scanner(struct scan_options *options)
{
	struct scanner *scanner;

	options->digests = DIGEST_SHA256;
	options->max_messages = 1;
	assert_int_equal(scanner_new(options, ruleset, &scanner), 0);
	return scanner;
}

// In pieces of random sizes up to max; 0: whole.
static struct scan *scan_pieces(
	struct scanner *scanner, enum scan_kind kind, const uint8_t *data, size_t n, uint32_t max)
{
	struct random random = {max + 1};
	struct scan *scan;
	size_t at = 0;

	assert_int_equal(scan_begin(scanner, kind, &scan), 0);
	while (at < n) {
		size_t take = max > 0 ? 1 + random_below(&random, max) : n;

		take = take < n - at ? take : n - at;
		scan_feed(scan, data + at, take);
		at += take;
	}
	(void)scan_end(scan);
	return scan;
}

static void check_member(
	const struct archive *archive, const struct scan_part *part, const struct member *member)
{
	char hex[65];

	for (size_t i = 0; i < sizeof(part->sha256); i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", part->sha256[i]);
	if (part->parent != member->parent || part->bytes != member->bytes ||
		strcmp(part->filename, member->name) != 0 || strcmp(hex, member->sha256) != 0)
		fail_msg("%s: part %u: '%s' of %u, %llu bytes, not '%s' of %u, %llu bytes",
			archive->path, part->index, part->filename, part->parent,
			(unsigned long long)part->bytes, member->name, member->parent,
			(unsigned long long)member->bytes);
}

static void check_archive(struct scanner *scanner, const struct archive *archive, uint32_t max)
{
	size_t n;
	uint8_t *data = read_file(archive->path, &n);
	struct scan *scan;
	const struct scan_result *result;

	if (max > 0 && ((max < 1000 && n > MAX_BYTEWISE) || n > MAX_REPEATED)) {
		free(data);
		return;
	}
	scan = scan_pieces(scanner, SCAN_FILE, data, n, max);
	result = scan_end(scan);
	if (strcmp(verdict_name(result->verdict), archive->verdict) != 0 ||
		strcmp(result->reason, archive->reason) != 0)
		fail_msg("%s: %s %s", archive->path, verdict_name(result->verdict), result->reason);
	if (archive->is_compared) {
		if (result->parts_count != archive->count)
			fail_msg("%s: %zu parts, not %zu", archive->path, result->parts_count,
				archive->count);
		for (size_t i = 0; i < archive->count; i++)
			check_member(archive, &result->parts[i], &members[archive->first + i]);
	}
	scan_free(scan);
	free(data);
}

static void members_are_those_that_python_unpacks_in_any_chunks(void **state)
{
	static const uint32_t sizes[] = {0, 1, 13, 700, 5000, 70000};
	struct scan_options options;
	struct scanner *scanner;

	(void)state;
	if (!make_archives())
		skip();
	scan_options_init(&options);
	scanner = make_scanner(&options);
	for (size_t i = 0; i < archives_count; i++)
		for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++)
			check_archive(scanner, &archives[i], sizes[k]);
	printf("%zu archives, %zu members compared\n", archives_count, members_count);
	scanner_free(scanner);
}

// An archive that ends anywhere gives members that are the same in any chunks, and ends.
static void an_archive_may_end_anywhere(void **state)
{
	struct scan_options options;
	struct scanner *scanner;

	(void)state;
	if (!make_archives())
		skip();
	scan_options_init(&options);
	scanner = make_scanner(&options);
	for (size_t i = 0; i < archives_count; i++) {
		size_t n;
		uint8_t *data = read_file(archives[i].path, &n);

		for (size_t cut = 0; cut < n; cut += 1 + cut / 3) {
			struct scan *whole = scan_pieces(scanner, SCAN_FILE, data, cut, 0);
			const struct scan_result *a = scan_end(whole);
			enum verdict verdict = a->verdict;
			size_t count = a->parts_count;
			uint64_t bytes = count > 0 ? a->parts[count - 1].bytes : 0;
			struct scan *pieces;

			scan_free(whole);
			pieces = scan_pieces(scanner, SCAN_FILE, data, cut, 300);
			assert_int_equal(scan_end(pieces)->verdict, verdict);
			assert_int_equal(scan_end(pieces)->parts_count, count);
			if (count > 0)
				assert_int_equal(scan_end(pieces)->parts[count - 1].bytes, bytes);
			scan_free(pieces);
		}
		free(data);
	}
	scanner_free(scanner);
}

// Whether the members are those that were packed, or it is told that they may not be.
static bool is_true(const struct archive *archive, const struct scan_result *result)
{
	if (result->verdict != VERDICT_CLEAN)
		return true;
	if (result->parts_count != archive->count)
		return false;
	for (size_t i = 0; i < archive->count; i++) {
		char hex[65];

		for (size_t k = 0; k < sizeof(result->parts[i].sha256); k++)
			(void)snprintf(hex + 2 * k, 3, "%02x", result->parts[i].sha256[k]);
		if (strcmp(hex, members[archive->first + i].sha256) != 0)
			return false;
	}
	return true;
}

// 7z has checksums of all that is in it.
static void a_flipped_bit_in_a_7z_is_told_of_or_changes_nothing(void **state)
{
	struct scan_options options;
	struct scanner *scanner;
	uint32_t told = 0;

	(void)state;
	if (!make_archives())
		skip();
	scan_options_init(&options);
	scanner = make_scanner(&options);
	for (size_t i = 0; i < archives_count; i++) {
		const struct archive *archive = &archives[i];
		size_t n;
		uint8_t *data = read_file(archive->path, &n);

		for (size_t at = 12; strstr(archive->path, ".7z") != NULL && archive->count > 0 &&
				     strcmp(archive->verdict, "clean") == 0 && at < n;
			at += 1 + n / 40) {
			struct scan *scan;

			data[at] ^= (uint8_t)(1u << at % 8);
			scan = scan_pieces(scanner, SCAN_FILE, data, n, 0);
			if (!is_true(archive, scan_end(scan)))
				fail_msg("%s: bit flipped at %zu", archive->path, at);
			told += scan_end(scan)->verdict != VERDICT_CLEAN;
			scan_free(scan);
			data[at] ^= (uint8_t)(1u << at % 8);
		}
		free(data);
	}
	printf("%u flipped bits were told of\n", told);
	scanner_free(scanner);
}

// ---- limits ------------------------------------------------------------------------------------

static const struct archive *find_archive(const char *name)
{
	for (size_t i = 0; i < archives_count; i++)
		if (strcmp(strrchr(archives[i].path, '/') + 1, name) == 0)
			return &archives[i];
	fail_msg("no archive %s", name);
	return NULL;
}

static void check_limit(struct scan_options *options, const char *name, const char *reason,
	size_t parts, uint64_t bytes)
{
	struct scanner *scanner = make_scanner(options);
	size_t n;
	uint8_t *data = read_file(find_archive(name)->path, &n);

	for (uint32_t max = 0; max < 4000; max += 1300) {
		struct scan *scan = scan_pieces(scanner, SCAN_FILE, data, n, max);
		const struct scan_result *result = scan_end(scan);
		uint64_t all = 0;

		assert_string_equal(result->reason, reason);
		assert_int_equal(result->parts_count, parts);
		for (size_t i = 0; i < parts; i++)
			all += result->parts[i].bytes;
		assert_int_equal(all, bytes);
		scan_free(scan);
	}
	free(data);
	scanner_free(scanner);
}

static void past_a_limit_nothing_more_is_unpacked(void **state)
{
	struct scan_options options;

	(void)state;
	if (!make_archives())
		skip();
	scan_options_init(&options);
	options.max_unpacked_bytes = 1000;
	check_limit(&options, "deflate.zip", "limit-unpacked-bytes", 3, 1000);
	scan_options_init(&options);
	options.max_members = 2;
	check_limit(&options, "deflate.zip", "limit-members", 2, 4);
	scan_options_init(&options);
	options.max_archive_depth = 1;
	check_limit(&options, "bomb-in-tar.tgz", "limit-archive-depth", 1, 51200);
	options.max_archive_depth = 0;
	check_limit(&options, "deflate.zip", "", 0, 0);
	scan_options_init(&options);
	options.max_ratio = 100;
	check_limit(&options, "bomb.bz2", "archive-bomb", 1, 1 << 20);
}

// ---- messages ----------------------------------------------------------------------------------

static size_t encode(const uint8_t *data, size_t n, char *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t at = 0;

	for (size_t i = 0; i < n; i += 3) {
		uint32_t word = (uint32_t)data[i] << 16 |
				(i + 1 < n ? (uint32_t)data[i + 1] << 8 : 0) |
				(i + 2 < n ? data[i + 2] : 0u);

		out[at++] = digits[word >> 18];
		out[at++] = digits[word >> 12 & 63];
		out[at++] = (char)(i + 1 < n ? digits[word >> 6 & 63] : '=');
		out[at++] = (char)(i + 2 < n ? digits[word & 63] : '=');
		if (i % 57 == 54) {
			out[at++] = '\r';
			out[at++] = '\n';
		}
	}
	return at;
}

// A zip of mark.txt, deflated, with the text that the rule finds.
static const uint8_t mark_zip[] = {
#include "tests/scan/unpack_mark.def"
};

static char *make_message(size_t *n)
{
	static const char head[] =
		"From: a@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
		"--b\r\n\r\nhello\r\n--b\r\nContent-Type: application/zip\r\n"
		"Content-Disposition: attachment; filename=\"mark.zip\"\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\n";
	static const char tail[] = "\r\n--b\r\n\r\nbye\r\n--b--\r\n";
	char *text = malloc(4096);

	assert_non_null(text);
	memcpy(text, head, sizeof(head) - 1);
	*n = sizeof(head) - 1;
	*n += encode(mark_zip, sizeof(mark_zip), text + *n);
	memcpy(text + *n, tail, sizeof(tail) - 1);
	*n += sizeof(tail) - 1;
	return text;
}

static void a_hit_names_the_member_and_numbering_goes_on_after_it(void **state)
{
	struct scan_options options;
	struct scanner *scanner;
	size_t n;
	char *text = make_message(&n);

	(void)state;
	scan_options_init(&options);
	scanner = make_scanner(&options);
	for (uint32_t max = 0; max < 200; max++) {
		struct scan *scan =
			scan_pieces(scanner, SCAN_MESSAGE, (const uint8_t *)text, n, max);
		const struct scan_result *result = scan_end(scan);

		assert_int_equal(result->verdict, VERDICT_INFECTED);
		assert_int_equal(result->parts_count, 4);
		assert_int_equal(result->matches_count, 1);
		assert_int_equal(result->matches[0].part, 3);
		assert_string_equal(result->parts[1].detected_type, "zip");
		assert_int_equal(result->parts[2].parent, 2);
		assert_string_equal(result->parts[2].filename, "mark.txt");
		assert_string_equal(result->parts[2].content_type, "");
		assert_int_equal(result->parts[3].parent, 0);
		assert_int_equal(result->parts[3].bytes, 3);
		scan_free(scan);
	}
	free(text);
	scanner_free(scanner);
}

// Given up in mid-archive, over and over, a scanner loses nothing.
static void an_abandoned_archive_gives_its_memory_back(void **state)
{
	struct scan_options options;
	struct scanner *scanner;
	size_t n;
	uint8_t *data;

	(void)state;
	if (!make_archives())
		skip();
	scan_options_init(&options);
	scanner = make_scanner(&options);
	data = read_file(find_archive("gnu.tar.bz2")->path, &n);
	for (size_t i = 0; i < 100; i++) {
		struct scan *scan;

		assert_int_equal(scan_begin(scanner, SCAN_FILE, &scan), 0);
		scan_feed(scan, data, n - 1000);
		scan_free(scan);
	}
	check_archive(scanner, find_archive("gnu.tar.bz2"), 0);
	free(data);
	scanner_free(scanner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_those_that_python_unpacks_in_any_chunks),
		cmocka_unit_test(an_archive_may_end_anywhere),
		cmocka_unit_test(a_flipped_bit_in_a_7z_is_told_of_or_changes_nothing),
		cmocka_unit_test(past_a_limit_nothing_more_is_unpacked),
		cmocka_unit_test(a_hit_names_the_member_and_numbering_goes_on_after_it),
		cmocka_unit_test(an_abandoned_archive_gives_its_memory_back),
	};

	return cmocka_run_group_tests(tests, make_rules, drop_rules);
}
