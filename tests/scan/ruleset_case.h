// SPDX-License-Identifier: BSD-3-Clause
// For tests of the scanner: signature files made on the spot, and objects matched in any chunks.
#pragma once

#include "scan/match.h"
#include "scan/scan.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CASE_MAX_HITS 64

// What the builder said of the lines that it did not take.
struct case_reports {
	unsigned int count;
	unsigned int line;
	bool is_error;
	char reason[256];
};

struct case_image {
	void *image;
	size_t bytes;
	struct ruleset_build_stats stats;
	struct case_reports reports; // the last of them in full
	int err;
};

struct case_result {
	size_t count;
	struct match_hit hits[CASE_MAX_HITS];
	struct match_digests digests;
	const char *type;
	bool hit_early;
};

static inline void case_report(
	void *ctx, const char *file, unsigned int line, bool is_error, const char *reason)
{
	struct case_reports *reports = ctx;

	assert_non_null(file);
	reports->count++;
	reports->line = line;
	reports->is_error = is_error;
	(void)snprintf(reports->reason, sizeof(reports->reason), "%s", reason);
}

// Files of one folder: name and text, alternating, NULL at the end.
static inline struct case_image case_build(bool strict, const char *const *files)
{
	struct case_image built = {0};
	struct ruleset_build_options options = {case_report, &built.reports, strict};
	char folder[] = "/tmp/cordon-test-XXXXXX";
	const char *paths[] = {folder};
	char path[256];

	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; files[i] != NULL; i += 2) {
		FILE *file;

		(void)snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
		file = fopen(path, "wb");
		assert_non_null(file);
		assert_int_equal(
			fwrite(files[i + 1], 1, strlen(files[i + 1]), file), strlen(files[i + 1]));
		assert_int_equal(fclose(file), 0);
	}
	built.err = ruleset_build(paths, 1, &options, &built.image, &built.bytes, &built.stats);
	for (size_t i = 0; files[i] != NULL; i += 2) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
		(void)unlink(path);
	}
	(void)rmdir(folder);
	return built;
}

static inline struct case_image case_build_one(const char *name, const char *text)
{
	const char *const files[] = {name, text, NULL};

	return case_build(false, files);
}

// Matches one object, fed up to `split` and from there on in chunks.
static inline struct case_result case_match(struct matcher *matcher, enum match_target target,
	const void *data, size_t n, size_t split, size_t chunk)
{
	struct case_result result = {0};
	const uint8_t *bytes = data;
	struct match_object *object;

	assert_int_equal(match_begin(matcher, target, &object), 0);
	assert_int_equal(match_feed(object, bytes, split), 0);
	for (size_t at = split; at < n; at += chunk)
		assert_int_equal(
			match_feed(object, bytes + at, n - at < chunk ? n - at : chunk), 0);
	result.hit_early = match_is_hit(object);
	result.count = match_end(object, result.hits, CASE_MAX_HITS, &result.digests, &result.type);
	return result;
}

// The hits are those of the signatures T000, T001 and so on that are expected, as far as there is room for them.
static inline void case_expect_numbered(
	const struct case_result *result, const bool *expected, unsigned int count)
{
	size_t wanted = 0;

	for (unsigned int i = 0; i < count && wanted < CASE_MAX_HITS; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "T%03u", i);
		if (!expected[i])
			continue;
		if (wanted >= result->count)
			fail_msg("%s is not found", name);
		assert_string_equal(result->hits[wanted].signature, name);
		wanted++;
	}
	assert_int_equal(result->count, wanted);
}
