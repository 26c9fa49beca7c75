// SPDX-License-Identifier: BSD-3-Clause
// Property: an archive that is unpacked when it is whole gives the same whether that is done at the end
// of the scan or handed over, and however its bytes came; what comes out, and the memory that it takes,
// is bounded. The first input byte chooses the size of the pieces.
#include "scan/scan.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MAX_UNPACKED (2u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
const char *__asan_default_options(void);

// An archive may say that it needs gigabytes: they are refused, as in the gateway.
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1:max_allocation_size_mb=512";
}

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

static struct ruleset *make_ruleset(void)
{
	static const char signatures[] = "Fuzz.Mark:0:*:4d41524b2d4f46\n";
	const struct ruleset_build_options options = {.strict = true};
	struct ruleset_build_stats stats;
	struct ruleset *ruleset;
	char path[] = "/tmp/fuzz_whole.XXXXXX.ndb";
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

static struct scanner *make_scanner(const struct ruleset *ruleset, bool has_helper)
{
	struct scan_options options;
	struct scanner *scanner;

	scan_options_init(&options);
	options.digests = DIGEST_SHA256;
	options.max_messages = 1;
	options.max_members = 200;
	options.max_unpacked_bytes = MAX_UNPACKED;
	options.max_captured_bytes = 1u << 20;
	options.max_all_captured_bytes = 1u << 20;
	options.max_ratio = 20;
	options.all_matches = true;
	options.has_helper = has_helper;
	check(scanner_new(&options, ruleset, &scanner) == 0);
	return scanner;
}

// Sanitizers have limits of their own, and take terabytes of address space.
static void limit_memory(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__clang__)
	struct rlimit limit;

	check(getrlimit(RLIMIT_DATA, &limit) == 0);
	limit.rlim_cur = 1u << 30;
	check(setrlimit(RLIMIT_DATA, &limit) == 0);
#endif
}

static struct scan *scan_pieces(
	struct scanner *scanner, const uint8_t *data, size_t n, size_t piece)
{
	struct scan *scan;

	check(scan_begin(scanner, SCAN_FILE, &scan) == 0);
	for (size_t at = 0; at < n; at += piece)
		scan_feed(scan, data + at, n - at < piece ? n - at : piece);
	return scan;
}

static void check_same(const struct scan_result *a, const struct scan_result *b)
{
	uint64_t bytes = 0;

	check(a->verdict == b->verdict && strcmp(a->reason, b->reason) == 0);
	check(a->matches_count == b->matches_count && a->parts_count == b->parts_count);
	for (size_t i = 0; i < a->parts_count; i++) {
		const struct scan_part *x = &a->parts[i];
		const struct scan_part *y = &b->parts[i];

		check(x->parent == y->parent && x->bytes == y->bytes);
		check(strcmp(x->filename, y->filename) == 0);
		check(strcmp(x->detected_type, y->detected_type) == 0);
		check(memcmp(x->sha256, y->sha256, sizeof(x->sha256)) == 0);
		bytes += x->bytes;
	}
	check(bytes <= MAX_UNPACKED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct scanner *alone;
	static struct scanner *helped;
	struct scan *a;
	struct scan *b;

	if (n < 1 || n > 1u << 20)
		return 0;
	if (alone == NULL) {
		const struct ruleset *ruleset = make_ruleset();

		alone = make_scanner(ruleset, false);
		helped = make_scanner(ruleset, true);
		limit_memory();
	}
	a = scan_pieces(alone, data + 1, n - 1, n);
	b = scan_pieces(helped, data + 1, n - 1, data[0] % 64 * 16 + 1u);
	(void)scan_end(a);
	if (!scan_finish(b, false))
		scan_work(b);
	// What could only add to what was found is not worth another thread's time.
	if (scan_end(b)->matches_count == 0 || scan_end(a)->parts_count == scan_end(b)->parts_count)
		check_same(scan_end(a), scan_end(b));
	else
		check(scan_end(a)->verdict == VERDICT_INFECTED);
	scan_free(b);
	scan_free(a);
	return 0;
}
