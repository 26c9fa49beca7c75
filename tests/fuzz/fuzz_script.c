// SPDX-License-Identifier: BSD-3-Clause
// Property: scripts in Microsoft's encoding, wherever they stand, come out the same however their page comes, and
// are no longer than what they were made of. The first input byte chooses the size of the pieces.
#include "scan/scan.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BYTES 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

static struct scanner *make_scanner(void)
{
	static const char text[] = "Fuzz.Script:0:*:736372697074\nFuzz.Page:3:*:7363726970743e\n";
	const struct ruleset_build_options options = {0};
	struct ruleset_build_stats stats;
	struct scan_options wanted;
	struct scanner *scanner;
	struct ruleset *ruleset;
	char path[] = "/tmp/fuzz_script.XXXXXX.ndb";
	const char *paths[] = {path};
	int fd = mkstemps(path, 4);
	FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
	void *image;
	void *aligned;
	size_t bytes;

	check(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
	check(ruleset_build(paths, 1, &options, &image, &bytes, &stats) == 0);
	check(remove(path) == 0);
	aligned = aligned_alloc(64, (bytes + 63) / 64 * 64);
	check(aligned != NULL);
	memcpy(aligned, image, bytes);
	free(image);
	check(ruleset_attach(aligned, bytes, &ruleset) == 0);
	scan_options_init(&wanted);
	wanted.digests = DIGEST_SHA256;
	wanted.max_messages = 2;
	wanted.max_members = 100;
	wanted.all_matches = true;
	check(scanner_new(&wanted, ruleset, &scanner) == 0);
	return scanner;
}

static struct scan *scan_pieces(
	struct scanner *scanner, const uint8_t *data, size_t n, size_t piece)
{
	struct scan *scan;

	check(scan_begin(scanner, SCAN_FILE, &scan) == 0);
	for (size_t at = 0; at < n; at += piece) {
		size_t bytes = n - at < piece ? n - at : piece;
		uint8_t *copy = malloc(bytes); // of its own size: a sanitizer sees a byte too many

		check(copy != NULL);
		memcpy(copy, data + at, bytes);
		scan_feed(scan, copy, bytes);
		free(copy);
	}
	(void)scan_end(scan);
	return scan;
}

static void check_same(const struct scan_result *a, const struct scan_result *b, size_t n)
{
	check(a->verdict == b->verdict && strcmp(a->reason, b->reason) == 0);
	check(a->matches_count == b->matches_count && a->parts_count == b->parts_count);
	for (size_t i = 0; i < a->matches_count; i++)
		check(strcmp(a->matches[i].signature, b->matches[i].signature) == 0 &&
			a->matches[i].part == b->matches[i].part);
	for (size_t i = 0; i < a->parts_count; i++) {
		check(a->parts[i].bytes == b->parts[i].bytes);
		check(a->parts[i].parent == b->parts[i].parent);
		check(memcmp(a->parts[i].sha256, b->parts[i].sha256, sizeof(a->parts[i].sha256)) ==
			0);
		check(strcmp(a->parts[i].content_type, "text/javascript") != 0 ||
			a->parts[i].bytes <= n);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct scanner *scanner;
	struct scan *whole;
	struct scan *pieces;

	if (n < 2 || n > MOST_BYTES)
		return 0;
	if (scanner == NULL)
		scanner = make_scanner();
	whole = scan_pieces(scanner, data + 1, n - 1, n);
	pieces = scan_pieces(scanner, data + 1, n - 1, data[0] % 32 + 1u);
	check_same(scan_end(whole), scan_end(pieces), n);
	scan_free(pieces);
	scan_free(whole);
	return 0;
}
