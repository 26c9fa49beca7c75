// SPDX-License-Identifier: BSD-3-Clause
#include "scan/ruleset.h"
#include "tests/scan/ruleset_case.h"
#include "tests/scan/ruleset_place.h"

#include <errno.h>
#include <sys/stat.h>

#define MD5 "5d88b21d5b42f8a4274df618dd5e8226"

static struct ruleset *attach(const struct case_image *built)
{
	struct ruleset *ruleset;

	assert_int_equal(built->err, 0);
	assert_int_equal(ruleset_attach(built->image, built->bytes, &ruleset), 0);
	return ruleset;
}

static void an_image_is_the_same_for_the_same_input(void **state)
{
	const char *const files[] = {"a.ndb",
		"A:0:*:4142434445\nB:0:*:4142*434445\nC:0:3:41424344\nD:4:*:41??4344{600-700}"
		"4142\n",
		"b.hdb", MD5 ":19:H\n" MD5 ":20:I\n", NULL};
	struct case_image one = case_build(true, files);
	struct case_image two = case_build(true, files);

	(void)state;
	assert_int_equal(one.err, 0);
	assert_int_equal(two.err, 0);
	assert_int_equal(one.bytes, two.bytes);
	assert_memory_equal(one.image, two.image, one.bytes);
	free(one.image);
	free(two.image);
}

static void info_and_stats_count_what_was_taken(void **state)
{
	const char *const files[] = {"a.ndb",
		"# comment\nA:0:*:4142434445\nB:0:*:4142*434445\nbad\n", "b.hdb", MD5 ":19:H\n",
		"c.cbc", "x;y\nz;w\n", "d.hdu", MD5 ":19:P\n", NULL};
	struct case_image built = case_build(false, files);
	struct ruleset *ruleset = attach(&built);
	const struct ruleset_info *info = ruleset_get_info(ruleset);

	(void)state;
	assert_int_equal(info->signatures, 3);
	assert_int_equal(info->literals, 1);
	assert_int_equal(info->patterns, 1);
	assert_int_equal(info->hashes, 1);
	assert_int_equal(info->skipped, 4);
	assert_int_equal(info->image_bytes, built.bytes);
	assert_int_equal(info->stream_bytes, 0);
	assert_int_equal(strlen(info->version), 16);
	assert_int_equal(built.stats.files, 4);
	assert_int_equal(built.stats.lines, 7);
	assert_int_equal(built.stats.signatures, 3);
	assert_int_equal(built.stats.errors, 1);
	assert_int_equal(built.stats.skipped, 3);
	assert_int_equal(built.reports.count, 3);
	ruleset_close(ruleset);
	free(built.image);
}

static void a_malformed_line_is_reported_with_its_place(void **state)
{
	static const char *const lines[] = {"", "T:0:*:41424344 ", "T:0:*:4142434", "nonsense",
		"T:0:*:41424344\t", "T:0:*:41 24344"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char text[256];
		const char *const files[] = {"t.ndb", text, NULL};
		struct case_image built;

		(void)snprintf(text, sizeof(text), "Good:0:*:41424344\r\n%s\n", lines[i]);
		built = case_build(false, files);
		assert_int_equal(built.err, 0);
		assert_int_equal(built.stats.signatures, 1);
		assert_int_equal(built.stats.errors, 1);
		assert_int_equal(built.reports.count, 1);
		assert_int_equal(built.reports.line, 2);
		assert_true(built.reports.is_error);
		free(built.image);
		built = case_build(true, files);
		assert_int_equal(built.err, -EINVAL);
		assert_null(built.image);
	}
}

static void a_pattern_that_hyperscan_refuses_spoils_no_other(void **state)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	struct case_image built;
	struct ruleset *ruleset;

	(void)state;
	assert_non_null(out);
	(void)fprintf(out, "Good:0:*:4142??4344\nBad:0:*:4142");
	for (unsigned int i = 0; i < 600; i++)
		(void)fprintf(out, "{127}");
	(void)fprintf(out, "4344\nAlso:0:*:4546??4748\n");
	assert_int_equal(fclose(out), 0);
	built = case_build_one("t.ndb", text);
	ruleset = attach(&built);
	assert_int_equal(built.stats.signatures, 2);
	assert_int_equal(built.stats.skipped, 1);
	assert_int_equal(built.reports.line, 2);
	assert_false(built.reports.is_error);
	assert_int_equal(ruleset_get_info(ruleset)->signatures, 2);
	free(text);
	ruleset_close(ruleset);
	free(built.image);
}

static void a_comment_names_the_virus_of_the_next_signature_alone(void **state)
{
	const char *text =
		"#cordon: action=reject; virus_id=CRD-1 ; disinfect=no\n# other\n"
		"A:0:*:41414141\nB:0:*:42424242\n#cordon:virus_id=CRD-2\nC:0:*:43434343\n";
	struct case_image built = case_build_one("t.ndb", text);
	struct ruleset *ruleset = attach(&built);
	struct matcher *matcher;
	struct case_result result;

	(void)state;
	assert_int_equal(matcher_new(ruleset, 1, 0, true, &matcher), 0);
	result = case_match(matcher, MATCH_TARGET_ANY, "AAAABBBBCCCC", 12, 0, 12);
	assert_int_equal(result.count, 3);
	assert_string_equal(result.hits[0].virus_id, "CRD-1");
	assert_string_equal(result.hits[1].virus_id, "");
	assert_string_equal(result.hits[2].virus_id, "CRD-2");
	matcher_free(matcher);
	ruleset_close(ruleset);
	free(built.image);
}

static void a_recipe_goes_with_the_next_signature_alone(void **state)
{
	const char *text = "#cordon: disinfect=excise:0,4 ; virus_id=V\nA:0:*:41414141\n"
			   "B:0:*:42424242\n#cordon: disinfect=no\nC:0:*:43434343\n";
	struct case_image built = case_build_one("t.ndb", text);
	struct ruleset *ruleset = attach(&built);
	struct matcher *matcher;
	struct case_result result;

	(void)state;
	assert_int_equal(built.reports.count, 0);
	assert_int_equal(matcher_new(ruleset, 1, 0, true, &matcher), 0);
	result = case_match(matcher, MATCH_TARGET_ANY, "AAAABBBBCCCC", 12, 0, 12);
	assert_int_equal(result.count, 3);
	assert_string_equal(result.hits[0].recipe, "excise:0,4");
	assert_string_equal(result.hits[0].virus_id, "V");
	assert_string_equal(result.hits[1].recipe, "");
	assert_string_equal(result.hits[2].recipe, "");
	matcher_free(matcher);
	ruleset_close(ruleset);
	free(built.image);
}

static void a_recipe_that_is_none_is_told_with_its_line(void **state)
{
	static const char *const wrong[] = {"burn", "remove:1", "excise:", "excise:1", "excise:1,0",
		"excise:-1,4", "excise:EOF,4", "excise:EOF-0,4", "truncate:", "truncate:4,4",
		"overwrite:0", "overwrite:0,4,", "overwrite:0,4,9", "overwrite:0,4,zz",
		"overwrite:0,4,000102030405060708090a0b0c0d0e0f10", "truncate:18446744073709551616",
		"excise:0,4 4"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char text[256];
		struct case_image built;
		struct ruleset *ruleset;

		(void)snprintf(text, sizeof(text),
			"# first\n#cordon: disinfect=%s\nA:0:*:41414141\n", wrong[i]);
		built = case_build_one("t.ndb", text);
		// The signature protects all the same.
		ruleset = attach(&built);
		assert_int_equal(built.stats.signatures, 1);
		assert_int_equal(built.stats.errors, 1);
		assert_int_equal(built.reports.line, 2);
		assert_true(built.reports.is_error);
		assert_non_null(strstr(built.reports.reason, "disinfect="));
		ruleset_close(ruleset);
		free(built.image);
	}
}

static void ignored_signatures_are_left_out(void **state)
{
	// The digest is of the line "D:0:*:44444444".
	const char *const files[] = {"a.ndb",
		"A:0:*:41414141\nAB:0:*:42424242\nC:0:*:43434343\nD:0:*:44444444\n", "b.hdb",
		MD5 ":19:H\n", "c.ign2",
		"# names\nA\nC:00000000000000000000000000000000\n"
		"D:7d4f08fa5779b342640fdc4f6416b9da\nH\nNone\n",
		NULL};
	struct case_image built = case_build(true, files);

	(void)state;
	assert_int_equal(built.err, 0);
	assert_int_equal(built.stats.ignored, 3);
	assert_int_equal(built.stats.signatures, 2);
	free(built.image);
}

static void names_of_allow_lists_are_ignored_as_well(void **state)
{
	static const char *const names[] = {"None\n", "W\n"};

	(void)state;
	for (unsigned int ignored = 0; ignored < 2; ignored++) {
		const char *const files[] = {"b.fp", "5d88b21d5b42f8a4274df618dd5e8226:19:W\n",
			"c.ign2", names[ignored], NULL};
		struct case_image built = case_build(true, files);

		assert_int_equal(built.err, 0);
		assert_int_equal(built.stats.ignored, ignored);
		free(built.image);
	}
}

static void an_ending_in_capitals_is_of_the_same_kind(void **state)
{
	static const char *const files[] = {"A.NDB", "A:0:*:41414141\n", "b.Hdb",
		"5d88b21d5b42f8a4274df618dd5e8226:19:H \n", "C.LDU", "none of these\n", "D.IGN2",
		"A\n", NULL};
	struct case_image built = case_build(true, files);

	(void)state;
	assert_int_equal(built.err, 0);
	assert_int_equal(built.stats.ignored, 1);
	assert_int_equal(built.stats.signatures, 1);
	assert_int_equal(built.stats.errors, 0);
	assert_int_equal(built.stats.skipped, 1);
	free(built.image);
}

static void nothing_gives_a_valid_empty_image(void **state)
{
	struct ruleset_build_stats stats;
	struct case_image built = case_build_one("t.ndb", "");
	struct ruleset *ruleset = attach(&built);

	(void)state;
	ruleset_close(ruleset);
	free(built.image);
	assert_int_equal(ruleset_build(NULL, 0, NULL, &built.image, &built.bytes, &stats), 0);
	assert_int_equal(stats.files, 0);
	ruleset = attach(&built);
	ruleset_close(ruleset);
	free(built.image);
}

static void a_path_that_is_not_there_is_an_error(void **state)
{
	const char *paths[] = {"/nonexistent/cordon.ndb"};
	void *image;
	size_t bytes;

	(void)state;
	assert_int_equal(ruleset_build(paths, 1, NULL, &image, &bytes, NULL), -ENOENT);
}

struct told {
	char file[160];
	char reason[64];
	unsigned int count;
};

static void note_told(
	void *ctx, const char *file, unsigned int line, bool is_error, const char *reason)
{
	struct told *told = ctx;

	assert_int_equal(line, 0);
	assert_true(is_error);
	(void)snprintf(told->file, sizeof(told->file), "%s", file);
	(void)snprintf(told->reason, sizeof(told->reason), "%s", reason);
	told->count++;
}

// A pipe without a writer would be waited for, a device read for ever.
static void what_is_no_file_in_a_folder_is_named_and_ends_it(void **state)
{
	static const char *const targets[] = {"/nonexistent/cordon.ndb", "/dev/zero", NULL};
	struct place place;
	const char *paths[] = {place.sources};
	char path[160];

	(void)state;
	open_place(&place);
	put_source(&place, "a.ndb", "A:0:*:41414141\n");
	(void)snprintf(path, sizeof(path), "%s/b.ndb", place.sources);
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		struct told told = {0};
		struct ruleset_build_options options = {.report = note_told, .ctx = &told};
		void *image;
		size_t bytes;

		assert_int_equal(
			targets[i] != NULL ? symlink(targets[i], path) : mkfifo(path, 0600), 0);
		assert_int_equal(ruleset_build(paths, 1, &options, &image, &bytes, NULL),
			i == 0 ? -ENOENT : -EINVAL);
		assert_int_equal(told.count, 1);
		assert_string_equal(told.file, path);
		assert_string_equal(told.reason, strerrordesc_np(i == 0 ? ENOENT : EINVAL));
		assert_int_equal(unlink(path), 0);
	}
	close_place(&place);
}

static void an_image_is_written_and_opened_again(void **state)
{
	struct case_image built = case_build_one("t.ndb", "A:0:*:41414141\nB:0:*:42??4242\n");
	char folder[] = "/tmp/cordon-test-XXXXXX";
	char path[128];
	struct matcher *matcher;
	struct ruleset *ruleset;
	struct stat status;

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/image", folder);
	assert_int_equal(ruleset_open(path, &ruleset), -ENOENT);
	assert_int_equal(ruleset_write(path, built.image, built.bytes), 0);
	assert_int_equal(ruleset_write(path, built.image, built.bytes), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_size, built.bytes);
	assert_int_equal(ruleset_open(path, &ruleset), 0);
	assert_int_equal(matcher_new(ruleset, 1, 0, false, &matcher), 0);
	assert_int_equal(case_match(matcher, MATCH_TARGET_ANY, "xxBBBBxx", 8, 0, 3).count, 1);
	matcher_free(matcher);
	ruleset_close(ruleset);
	assert_int_equal(truncate(path, (off_t)built.bytes - 1), 0);
	assert_int_equal(ruleset_open(path, &ruleset), -EBADMSG);
	assert_int_equal(truncate(path, 10), 0);
	assert_int_equal(ruleset_open(path, &ruleset), -EBADMSG);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0); // no temporary file is left
	assert_int_equal(ruleset_write("/nonexistent/image", built.image, built.bytes), -ENOENT);
	free(built.image);
}

static void every_changed_byte_is_noticed(void **state)
{
	struct case_image built = case_build_one("t.ndb", "A:0:*:41414141\nB:0:*:42??4242\n");
	struct ruleset_header *header = built.image;
	uint8_t *bytes = built.image;
	struct ruleset *ruleset;

	(void)state;
	assert_int_equal(built.err, 0);
	for (size_t at = 0; at < built.bytes; at += at < 4096 ? 1 : 997) {
		bytes[at] ^= 0x40;
		assert_int_not_equal(ruleset_attach(bytes, built.bytes, &ruleset), 0);
		bytes[at] ^= 0x40;
	}
	header->format++;
	assert_int_equal(ruleset_attach(bytes, built.bytes, &ruleset), -ENOTSUP);
	header->format--;
	assert_int_equal(ruleset_attach(bytes + 1, built.bytes - 1, &ruleset), -EBADMSG);
	assert_int_equal(ruleset_attach(bytes, built.bytes, &ruleset), 0);
	ruleset_close(ruleset);
	free(built.image);
}

static void build_real(const char *const *paths, size_t count, uint32_t least)
{
	struct ruleset_build_stats stats;
	struct ruleset *ruleset;
	size_t bytes;
	void *image;

	if (access(paths[0], R_OK) != 0) {
		print_message("skipped: %s is not there\n", paths[0]);
		skip();
	}
	assert_int_equal(ruleset_build(paths, count, NULL, &image, &bytes, &stats), 0);
	print_message("%u lines: %u literals, %u patterns, %u hashes, %u skipped, %u errors\n",
		stats.lines, stats.literals, stats.patterns, stats.hashes, stats.skipped,
		stats.errors);
	assert_int_equal(stats.errors, 0);
	assert_true(stats.signatures >= least);
	assert_int_equal(ruleset_attach(image, bytes, &ruleset), 0);
	assert_int_equal(ruleset_get_info(ruleset)->signatures, stats.signatures);
	ruleset_close(ruleset);
	free(image);
}

static void real_rule_sets_compile(void **state)
{
	const char *root = getenv("CORDON_TEST_DATA"); // NOLINT(concurrency-mt-unsafe): one thread
	static const char *const names[] = {"lmd-2020/rfxn.ndb", "lmd-2020/rfxn.hdb",
		"clamav-official-2025-04-29/daily.ndb", "clamav-official-2025-04-29/main.hdb",
		"clamav-official-2025-04-29/daily.fp"};
	char paths[5][512];
	const char *pointers[5];

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		(void)snprintf(paths[i], sizeof(paths[i]), "%s/signatures/%s",
			root != NULL ? root : "", names[i]);
		pointers[i] = paths[i];
	}
	build_real(pointers, 5, 97000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_image_is_the_same_for_the_same_input),
		cmocka_unit_test(info_and_stats_count_what_was_taken),
		cmocka_unit_test(a_malformed_line_is_reported_with_its_place),
		cmocka_unit_test(a_pattern_that_hyperscan_refuses_spoils_no_other),
		cmocka_unit_test(a_comment_names_the_virus_of_the_next_signature_alone),
		cmocka_unit_test(a_recipe_goes_with_the_next_signature_alone),
		cmocka_unit_test(a_recipe_that_is_none_is_told_with_its_line),
		cmocka_unit_test(ignored_signatures_are_left_out),
		cmocka_unit_test(names_of_allow_lists_are_ignored_as_well),
		cmocka_unit_test(an_ending_in_capitals_is_of_the_same_kind),
		cmocka_unit_test(nothing_gives_a_valid_empty_image),
		cmocka_unit_test(a_path_that_is_not_there_is_an_error),
		cmocka_unit_test(what_is_no_file_in_a_folder_is_named_and_ends_it),
		cmocka_unit_test(an_image_is_written_and_opened_again),
		cmocka_unit_test(every_changed_byte_is_noticed),
		cmocka_unit_test(real_rule_sets_compile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
