// SPDX-License-Identifier: BSD-3-Clause
// Property: a message cut into pieces gives the result that it gives in one: verdict, matches, parts,
// digests, texts. The first input byte chooses the size of the pieces.
#include "scan/scan.h"
#include "scan/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

static struct ruleset *make_ruleset(void)
{
	static const char signatures[] = "Fuzz.Literal:0:*:4142434445\n"
					 "Fuzz.Gap:0:*:6162??6364\n"
					 "Fuzz.Mail:4:0:46726f6d3a\n"
					 "Fuzz.Mark:0:*:4d41524b2d4f462d5448452d54455354\n"
					 "Fuzz.Html:3:*:3c623e{-9}3c2f\n"
					 "Fuzz.Text:7:*:612062\n"
					 "Fuzz.Words:3:*:20612062\n"
					 "Fuzz.TextEnd:7:EOF-4:6162\n";
	const struct ruleset_build_options options = {.strict = true};
	struct ruleset_build_stats stats;
	struct ruleset *ruleset;
	char path[] = "/tmp/fuzz_scan.XXXXXX.ndb";
	const char *paths[] = {path};
	int fd = mkstemps(path, 4);
	void *image;
	void *aligned;
	size_t bytes;

	check(fd >= 0 && write(fd, signatures, strlen(signatures)) == (ssize_t)strlen(signatures));
	check(close(fd) == 0);
	check(ruleset_build(paths, 1, &options, &image, &bytes, &stats) == 0);
	check(unlink(path) == 0);
	aligned = aligned_alloc(64, (bytes + 63) / 64 * 64);
	check(aligned != NULL);
	memcpy(aligned, image, bytes);
	free(image);
	check(ruleset_attach(aligned, bytes, &ruleset) == 0);
	return ruleset;
}

static struct scanner *make_scanner(void)
{
	struct scan_options options;
	struct scanner *scanner;

	scan_options_init(&options);
	options.digests = DIGEST_SHA256;
	options.all_matches = true;
	options.max_messages = 16; // two are in progress, and must not want for each other's memory
	options.max_depth = 6;
	options.max_parts = 40;
	options.max_header_bytes = 2000;
	check(scanner_new(&options, make_ruleset(), &scanner) == 0);
	return scanner;
}

static struct scan *scan_pieces(
	struct scanner *scanner, enum scan_kind kind, const uint8_t *data, size_t n, size_t piece)
{
	struct scan *scan;

	check(scan_begin(scanner, kind, &scan) == 0);
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

static void check_text(const char *a, const char *b)
{
	size_t n = strlen(a);

	check(strcmp(a, b) == 0);
	for (size_t i = 0, length; i < n; i += length) {
		length = utf8_character((const uint8_t *)a + i, n - i);
		check(length > 0);
	}
}

static void check_part(const struct scan_part *a, const struct scan_part *b)
{
	check(a->index == b->index && a->parent == b->parent && a->bytes == b->bytes);
	check(a->parent < a->index && a->is_reading == b->is_reading);
	check(a->digests == b->digests && memcmp(a->sha256, b->sha256, sizeof(a->sha256)) == 0);
	check_text(a->content_type, b->content_type);
	check_text(a->encoding, b->encoding);
	check_text(a->filename, b->filename);
	check_text(a->disposition, b->disposition);
	check_text(a->detected_type, b->detected_type);
}

static void check_same(const struct scan_result *a, const struct scan_result *b)
{
	check(a->verdict == b->verdict && a->bytes == b->bytes);
	check(a->verdict != VERDICT_UNSCANNABLE);
	check_text(a->reason, b->reason);
	check_text(a->subject, b->subject);
	check_text(a->message_id, b->message_id);
	check(a->matches_count == b->matches_count && a->parts_count == b->parts_count);
	for (size_t i = 0; i < a->matches_count; i++) {
		check_text(a->matches[i].signature, b->matches[i].signature);
		check(a->matches[i].part == b->matches[i].part);
	}
	for (size_t i = 0; i < a->parts_count; i++)
		check_part(&a->parts[i], &b->parts[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct scanner *scanner;
	enum scan_kind kind;
	struct scan *whole;
	struct scan *pieces;

	if (n < 1)
		return 0;
	if (scanner == NULL)
		scanner = make_scanner();
	kind = data[0] == 0 ? SCAN_FILE : SCAN_MESSAGE;
	whole = scan_pieces(scanner, kind, data + 1, n - 1, n);
	pieces = scan_pieces(scanner, kind, data + 1, n - 1, data[0] % 64 + 1u);
	check_same(scan_end(whole), scan_end(pieces));
	scan_free(pieces);
	scan_free(whole);
	return 0;
}
