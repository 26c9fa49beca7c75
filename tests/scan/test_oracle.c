// SPDX-License-Identifier: BSD-3-Clause
// Verdicts of the real ClamAV on small pairs of signature and file: ours must be the same.
#include "scan/match.h"
#include "scan/scan.h"
#include "tests/support/unit.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_HITS 16

struct exception {
	const char *id;
	const char *why;
};

// Cases that need more than one object seen as it is.
static const struct exception exceptions[] = {
	{"e09", "the hash is of a decoded attachment"},
	{"h12", "the hash is of a member of an archive"},
	{"e08", "the hit is in a decoded attachment"},
	{"e11", "the signature is of an attachment"},
	{"e12", "the signature is of a member of an archive"},
	{"n02", "the hit is in a normalised copy of the text"},
	{"n04", "the hit is in a normalised copy of the text"},
	{"n05", "the hit is in a normalised copy of the text"},
	{"n11", "raw HTML is matched here, by choice: nothing is hidden from a signature"},
	{"p07", "SEx in an .ndb line of plain bytes is found here; ClamAV finds it in other "
		"patterns"},
	{"x03", "the allowed object is a member of an archive"},
	{"x04", "the hit is in a member of an archive"},
};

static const struct exception *find_exception(const char *id)
{
	for (size_t i = 0; i < sizeof(exceptions) / sizeof(exceptions[0]); i++)
		if (strcmp(exceptions[i].id, id) == 0)
			return &exceptions[i];
	return NULL;
}

static uint8_t *read_file(const char *path, size_t *bytes)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(1 << 22);

	assert_non_null(file);
	assert_non_null(data);
	*bytes = fread(data, 1, 1 << 22, file);
	(void)fclose(file);
	return data;
}

// A file that begins like a message is one: ClamAV's own test is a header field at the start.
static enum match_target target_of(const uint8_t *data, size_t bytes)
{
	static const char *const fields[] = {"From: ", "Received: ", "Return-Path: ", "Date: ",
		"To: ", "Subject: ", "MIME-Version: ", "Message-ID: "};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (bytes > strlen(fields[i]) && memcmp(data, fields[i], strlen(fields[i])) == 0)
			return MATCH_TARGET_MAIL;
	return MATCH_TARGET_ANY;
}

static size_t scan_object(const struct ruleset *ruleset, const uint8_t *data, size_t bytes,
	size_t chunk, struct match_hit *hits)
{
	struct match_digests digests;
	struct match_object *object;
	struct matcher *matcher;
	const char *type;
	size_t count;

	assert_int_equal(matcher_new(ruleset, 1, 0, true, &matcher), 0);
	assert_int_equal(match_begin(matcher, target_of(data, bytes), &object), 0);
	for (size_t at = 0; at < bytes; at += chunk)
		assert_int_equal(
			match_feed(object, data + at, bytes - at < chunk ? bytes - at : chunk), 0);
	count = match_end(object, hits, MAX_HITS, &digests, &type);
	matcher_free(matcher);
	return count;
}

static bool is_named(const char *verdict, const char *signature)
{
	char wanted[256];

	(void)snprintf(wanted, sizeof(wanted), "%s.UNOFFICIAL", signature);
	return strstr(verdict, wanted) != NULL;
}

// Returns whether our verdict agrees.
static bool check_verdict(const struct ruleset *ruleset, const char *path, const char *verdict)
{
	size_t bytes;
	uint8_t *data = read_file(path, &bytes);
	bool agrees = true;

	for (size_t chunk = 1; chunk < 2 * bytes + 2; chunk = chunk == 1 ? 7 : 2 * bytes + 2) {
		struct match_hit hits[MAX_HITS];
		size_t count = scan_object(ruleset, data, bytes, chunk > 0 ? chunk : 1, hits);

		agrees = agrees && (count > 0) == (strncmp(verdict, "FOUND", 5) == 0);
		for (size_t i = 0; i < count; i++)
			agrees = agrees && is_named(verdict, hits[i].signature);
	}
	free(data);
	return agrees;
}

static bool check_case(const char *root, const char *id, const char *verdict)
{
	const struct ruleset_build_options strict = {.strict = true};
	struct ruleset_build_stats stats;
	struct ruleset *ruleset;
	char folder[512];
	char file[512];
	const char *paths[] = {folder};
	size_t bytes;
	void *image;
	bool agrees;
	int err;

	(void)snprintf(folder, sizeof(folder), "%s/db/%s", root, id);
	(void)snprintf(file, sizeof(file), "%s/files/%s.bin", root, id);
	err = ruleset_build(paths, 1, &strict, &image, &bytes, &stats);
	if (strncmp(verdict, "DBERROR", 7) == 0) {
		if (err == 0)
			free(image);
		if (err != -EINVAL || ruleset_build(paths, 1, NULL, &image, &bytes, &stats) != 0)
			return false;
		free(image);
		return stats.errors > 0;
	}
	if (err != 0)
		return false;
	assert_int_equal(ruleset_attach(image, bytes, &ruleset), 0);
	agrees = check_verdict(ruleset, file, verdict);
	ruleset_close(ruleset);
	free(image);
	return agrees;
}

static void verdicts_are_those_of_clamav(void **state)
{
	const char *root = getenv("CORDON_TEST_DATA"); // NOLINT(concurrency-mt-unsafe): one thread
	char folder[256];
	char path[300];
	char line[16384];
	unsigned int checked = 0;
	unsigned int wrong = 0;
	FILE *table;

	(void)state;
	(void)snprintf(folder, sizeof(folder), "%s/signatures/oracle", root != NULL ? root : "");
	(void)snprintf(path, sizeof(path), "%s/ORACLE.tsv", folder);
	table = fopen(path, "r");
	if (table == NULL) {
		print_message("skipped: no CORDON_TEST_DATA/signatures/oracle\n");
		skip();
	}
	while (fgets(line, sizeof(line), table) != NULL) {
		char *save = NULL;
		const char *id = strtok_r(line, "\t", &save);
		const char *signature =
			strtok_r(NULL, "\t", &save) != NULL ? strtok_r(NULL, "\t", &save) : NULL;
		const char *verdict = strtok_r(NULL, "\t", &save);

		if (line[0] == '#' || verdict == NULL || find_exception(id) != NULL)
			continue;
		checked++;
		if (!check_case(folder, id, verdict)) {
			print_message("%s: %s: not %s\n", id, signature, verdict);
			wrong++;
		}
	}
	(void)fclose(table);
	print_message("%u cases checked, %zu need more than a matcher\n", checked,
		sizeof(exceptions) / sizeof(exceptions[0]));
	assert_true(checked > 0);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts_are_those_of_clamav),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
