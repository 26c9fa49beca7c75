// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/screened.h"

#include "tests/support/unit.h"

#include <openssl/evp.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ruleset *screened_bare;
size_t screened_bare_bytes;

int screened_setup(void **state)
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
	screened_bare_bytes = bytes;
	return ruleset_attach(image, bytes, &screened_bare);
}

int screened_teardown(void **state)
{
	ruleset_close(screened_bare);
	free(*state);
	return 0;
}

static const EVP_MD *method(unsigned int algorithm)
{
	if (algorithm == DIGEST_MD5)
		return EVP_md5();
	return algorithm == DIGEST_SHA1 ? EVP_sha1() : EVP_sha256();
}

void screened_digest(const void *data, size_t n, unsigned int algorithm, uint8_t *out)
{
	memset(out, 0, SCREEN_DIGEST_BYTES);
	assert_int_equal(EVP_Digest(data, n, out, NULL, method(algorithm), NULL), 1);
}

struct screen_entry screened_entry(
	enum screen_kind kind, unsigned int algorithm, const void *data, size_t n)
{
	struct screen_entry entry = {.virus_id = "CV-1",
		.name = "Test.Screen",
		.kind = kind,
		.algorithm = algorithm,
		.section = SCREEN_ANY_SECTION};

	screened_digest(data, n, algorithm, entry.digest);
	if (kind == SCREEN_RANGE || kind == SCREEN_WINDOW)
		entry.length = n;
	if (kind == SCREEN_WINDOW)
		entry.rolling = screen_rolling(data, n);
	return entry;
}

void screened_init(struct screened *rig, const struct screen_entry *entries, size_t count)
{
	struct scan_options options;
	char error[256] = "";
	size_t bytes;

	if (screen_build(entries, count, &rig->image, &bytes, error, sizeof(error)) != 0)
		fail_msg("%s", error);
	assert_int_equal(ruleset_attach_screen(screened_bare, rig->image, bytes, &rig->ruleset), 0);
	scan_options_init(&options);
	options.max_messages = 2;
	options.all_matches = true;
	assert_int_equal(scanner_new(&options, rig->ruleset, &rig->scanner), 0);
}

void screened_fini(struct screened *rig)
{
	scanner_free(rig->scanner);
	ruleset_close(rig->ruleset);
	free(rig->image);
}

// Scans in pieces of `step` bytes, of random ones where it is 0.
struct scan *screened_scan(struct screened *rig, enum scan_kind kind, const void *data, size_t n,
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

bool screened_has(const struct scan_result *result, const struct screen_entry *entry)
{
	for (size_t i = 0; i < result->matches_count; i++)
		if (result->matches[i].entry == screen_id(entry))
			return true;
	return false;
}

// Whether the message is hit by this one entry.
bool screened_hits(
	const struct screen_entry *entry, enum scan_kind kind, const void *data, size_t n)
{
	struct screened rig;
	struct scan *scan;
	bool found;

	screened_init(&rig, entry, 1);
	scan = screened_scan(&rig, kind, data, n, n, NULL);
	found = screened_has(scan_end(scan), entry);
	assert_int_equal(scan_end(scan)->verdict, found ? VERDICT_SUSPECT : VERDICT_CLEAN);
	assert_string_equal(scan_end(scan)->reason, found ? "checksum" : "");
	scan_free(scan);
	screened_fini(&rig);
	return found;
}

// A PE file with two sections, the second cut off by the end.
size_t screened_program(uint8_t *out)
{
	static const uint32_t places[2][2] = {{1024, 2000}, {3024, 5000}};
	// Signature; a processor of 32 bits; two sections.
	static const uint8_t head[] = {'P', 'E', 0, 0, 0x4c, 1, 2, 0};
	struct random random = {21};
	uint8_t *pe = out + 128;

	for (size_t i = 0; i < 6000; i++)
		out[i] = i < 1024 ? 0 : (uint8_t)random_below(&random, 256);
	out[0] = 'M';
	out[1] = 'Z';
	out[60] = 128;
	memcpy(pe, head, sizeof(head));
	pe[20] = 224;
	pe[24] = 0x0b;
	pe[25] = 0x01;
	out[128 + 24 + 60] = 0; // size of the headers: 1024
	out[128 + 24 + 61] = 4;
	out[128 + 24 + 92] = 16;
	out[128 + 24 + 33] = 0x10; // alignment of sections
	out[128 + 24 + 37] = 0x02; // of the file: 512
	for (size_t i = 0; i < 2; i++) {
		uint8_t *section = pe + 24 + 224 + (size_t)40 * i;
		uint32_t address = 0x1000 + 0x2000 * (uint32_t)i;

		section[0] = (uint8_t)('a' + i);
		memcpy(section + 8, &places[i][1], 4);
		memcpy(section + 12, &address, 4);
		memcpy(section + 16, &places[i][1], 4);
		memcpy(section + 20, &places[i][0], 4);
	}
	return 6000;
}
