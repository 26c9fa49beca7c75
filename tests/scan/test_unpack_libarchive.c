// SPDX-License-Identifier: BSD-3-Clause
// Objects that begin as an archive does and go on as none: libarchive refuses them, and is asked nothing
// that it cannot answer then.
#include "scan/scan.h"
#include "tests/support/unit.h"

#include <archive.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct ruleset *ruleset;
static void *image;
static size_t asked;

int __real_archive_read_has_encrypted_entries(struct archive *archive);
int __wrap_archive_read_has_encrypted_entries(struct archive *archive);

// Before a reader has taken the object there is no format, and libarchive reads what is not its own.
int __wrap_archive_read_has_encrypted_entries(struct archive *archive)
{
	assert_int_not_equal(archive_format(archive), 0);
	asked++;
	return __real_archive_read_has_encrypted_entries(archive);
}

static int make_rules(void **state)
{
	static const char rules[] = "Test.Mark:0:*:4d41524b2d4f462d5448452d54455354\n";
	struct ruleset_build_stats stats;
	char path[] = "/tmp/test_unpack_libarchive.XXXXXX.ndb";
	const char *paths[] = {path};
	int fd = mkstemps(path, 4);
	void *built;
	size_t bytes;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, rules, sizeof(rules) - 1), sizeof(rules) - 1);
	assert_int_equal(close(fd), 0);
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
	ruleset_close(ruleset);
	free(image);
	return 0;
}

struct beginning {
	const char *what;
	const char *bytes;
	size_t n;
};

#define BEGINNING(what, bytes)                                                                     \
	{                                                                                          \
		what, bytes, sizeof(bytes) - 1                                                     \
	}
static const struct beginning beginnings[] = {
	BEGINNING("7z", "7z\xbc\xaf\x27\x1c"),
	BEGINNING("rar", "Rar!\x1a\x07\x00"),
	BEGINNING("rar5", "Rar!\x1a\x07\x01\x00"),
	BEGINNING("cab", "MSCF\x00\x00\x00\x00"),
	BEGINNING("xar", "xar!"),
	BEGINNING("lha", "\x19\x10-lh5-"),
	BEGINNING("ar", "!<arch>\n"),
	BEGINNING("cpio", "070701"),
	BEGINNING("xz", "\xfd"
			"7zXZ\x00"),
	BEGINNING("lzip", "LZIP\x01"),
	BEGINNING("zstd", "\x28\xb5\x2f\xfd"),
	BEGINNING("lz4", "\x04\x22\x4d\x18"),
	BEGINNING("compress", "\x1f\x9d\x90"),
	BEGINNING("rpm", "\xed\xab\xee\xdb\x03\x00"),
};

static void what_only_begins_as_an_archive_is_refused_and_no_more(void **state)
{
	static uint8_t data[40000];
	struct scan_options options;
	struct scanner *scanner;
	size_t suspects = 0;

	(void)state;
	scan_options_init(&options);
	options.max_messages = 16;
	assert_int_equal(scanner_new(&options, ruleset, &scanner), 0);
	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
		// What follows: text, zeros, ones.
		for (int filling = 0; filling < 3; filling++) {
			const struct scan_result *result;
			struct scan *scan;

			memset(data, filling == 0 ? 'Q' : filling == 1 ? 0 : 0xff, sizeof(data));
			memcpy(data, beginnings[i].bytes, beginnings[i].n);
			assert_int_equal(scan_begin(scanner, SCAN_FILE, &scan), 0);
			scan_feed(scan, data, sizeof(data));
			result = scan_end(scan);
			if (result->verdict != VERDICT_CLEAN && result->verdict != VERDICT_SUSPECT)
				fail_msg("%s: %s, %s", beginnings[i].what,
					verdict_name(result->verdict), result->reason);
			suspects += result->verdict == VERDICT_SUSPECT;
			scan_free(scan);
		}
	}
	scanner_free(scanner);
	// Most are refused, some of them by a reader that took them first.
	printf("%zu are suspect, of %zu a reader was asked\n", suspects, asked);
	assert_true(suspects >= 20);
	assert_true(asked > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_only_begins_as_an_archive_is_refused_and_no_more),
	};

	return cmocka_run_group_tests(tests, make_rules, drop_rules);
}
