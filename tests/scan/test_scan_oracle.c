// SPDX-License-Identifier: BSD-3-Clause
// Verdicts of the real ClamAV where more than one object counts: decoded parts, members of archives,
// and what an allow list says of one of them. (test_oracle.c has the cases of one object.)
#include "scan/scan.h"
#include "tests/support/unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *id;
	enum scan_kind kind;
	bool is_found;
	uint32_t part;
} cases[] = {
	{"e08", SCAN_MESSAGE, true, 2}, // of an attachment, by its container
	{"e09", SCAN_MESSAGE, true, 2}, // the hash of a decoded attachment
	{"e11", SCAN_MESSAGE, true, 2}, // the name of an attachment
	{"e12", SCAN_FILE, true, 1},    // the name of a member of a zip
	{"h12", SCAN_FILE, true, 1},    // the hash of a member of a zip
	{"x03", SCAN_FILE, false, 0},   // the member that hits is allowed
	{"x04", SCAN_FILE, false, 0},   // the zip around the member that hits is allowed
};

static size_t read_file(const char *path, uint8_t *data, size_t room)
{
	FILE *file = fopen(path, "rbe");
	size_t n;

	assert_non_null(file);
	n = fread(data, 1, room, file);
	assert_int_equal(fclose(file), 0);
	return n;
}

static void check_case(const char *root, size_t i, const uint8_t *data, size_t n, size_t chunk)
{
	struct ruleset_build_stats stats;
	struct scan_options options;
	struct scanner *scanner;
	struct ruleset *ruleset;
	struct scan *scan;
	const struct scan_result *result;
	char folder[512];
	const char *paths[] = {folder};
	void *image;
	size_t bytes;

	(void)snprintf(folder, sizeof(folder), "%s/db/%s", root, cases[i].id);
	assert_int_equal(ruleset_build(paths, 1, NULL, &image, &bytes, &stats), 0);
	assert_int_equal(ruleset_attach(image, bytes, &ruleset), 0);
	scan_options_init(&options);
	options.max_messages = 1;
	assert_int_equal(scanner_new(&options, ruleset, &scanner), 0);
	assert_int_equal(scan_begin(scanner, cases[i].kind, &scan), 0);
	for (size_t at = 0; at < n; at += chunk) {
		scan_feed(scan, data + at, n - at < chunk ? n - at : chunk);
		// What is decided is not taken back.
		if (scan_is_decided(scan))
			assert_true(cases[i].is_found);
	}
	result = scan_end(scan);
	if ((result->verdict == VERDICT_INFECTED) != cases[i].is_found)
		fail_msg("%s: %s", cases[i].id, verdict_name(result->verdict));
	if (cases[i].is_found)
		assert_int_equal(result->matches[result->matches_count - 1].part, cases[i].part);
	else
		assert_int_equal(result->verdict, VERDICT_CLEAN);
	scan_free(scan);
	scanner_free(scanner);
	ruleset_close(ruleset);
	free(image);
}

static void verdicts_are_those_of_clamav(void **state)
{
	static uint8_t data[1 << 16];
	const char *given = getenv("CORDON_TEST_DATA"); // NOLINT(concurrency-mt-unsafe): one thread
	char root[256];
	char path[512];

	(void)state;
	(void)snprintf(root, sizeof(root), "%s/signatures/oracle", given != NULL ? given : "");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		FILE *file;
		size_t n;

		(void)snprintf(path, sizeof(path), "%s/files/%s.bin", root, cases[i].id);
		file = fopen(path, "rbe");
		if (file == NULL) {
			printf("skip: no CORDON_TEST_DATA/signatures/oracle\n");
			skip();
		}
		(void)fclose(file);
		n = read_file(path, data, sizeof(data));
		check_case(root, i, data, n, n);
		check_case(root, i, data, n, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts_are_those_of_clamav),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
