// SPDX-License-Identifier: BSD-3-Clause
// Lists of checksums. An input that begins with 'J' is a list as JSON: what is accepted can be built, laid on a
// ruleset and written, and is the same when it is read again. Any other is a list of changes, a place and a value
// each, to an image or, if it begins with 'L', to a layer on it: with a right checksum it is refused or can be used.
#include "dataplane/screen_json.h"
#include "scan/screen_image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define SAMPLE_BYTES 9000

static struct ruleset *bare;
static uint8_t sample[SAMPLE_BYTES];
static uint8_t *good; // an image of half of the sample's entries, and a layer of the others
static size_t good_bytes;
static size_t below_bytes; // of these the image

static void make_bare(void)
{
	static const char text[] = "A:0:*:4142434445464748\n";
	char path[] = "/tmp/cordon-fuzz-XXXXXX.ndb";
	const char *paths[] = {path};
	size_t bytes;
	void *image;
	int fd = mkstemps(path, 4);

	if (fd < 0 || write(fd, text, sizeof(text) - 1) < 0 || close(fd) != 0 ||
		ruleset_build(paths, 1, NULL, &image, &bytes, NULL) != 0 ||
		ruleset_attach(image, bytes, &bare) != 0)
		abort();
	(void)unlink(path);
}

static void join(const void *below, const void *layer, size_t layer_bytes)
{
	good_bytes = below_bytes + layer_bytes;
	good = aligned_alloc(SCREEN_ALIGN, good_bytes);
	if (good == NULL)
		abort();
	memcpy(good, below, below_bytes);
	memcpy(good + below_bytes, layer, layer_bytes);
}

// The first entry of those in the image is gone.
static void make_layer(const void *below, const struct screen_entry *entries, size_t count)
{
	uint64_t ids[64];
	struct screen_change change = {.ids = ids, .entries = entries + 1, .count = count - 1};
	struct screen_part *part;
	char error[256];
	size_t bytes;
	void *layer;

	for (size_t i = 0; i < count && i < 64; i++)
		ids[change.ids_count++] = screen_id(&entries[i]);
	if (screen_part_open(below, below_bytes, &part) != 0 ||
		screen_build_layer(part, &change, &layer, &bytes, error, sizeof(error)) != 0)
		abort();
	screen_part_close(part);
	join(below, layer, bytes);
	free(layer);
}

static void make_good(void)
{
	struct screen_sample_options options = {.virus_id = "V", .name = "N", .algorithms = 7};
	struct screen_entry *entries;
	char error[256];
	size_t count;
	void *image;

	for (size_t i = 0; i < SAMPLE_BYTES; i++)
		sample[i] = (uint8_t)(0x80 | (i * i >> 3));
	if (screen_compute(&options, sample, SAMPLE_BYTES, &entries, &count) != 0 ||
		screen_build(entries, count / 2 + 1, &image, &below_bytes, error, sizeof(error)) !=
			0)
		abort();
	make_layer(image, entries + count / 2, count - count / 2);
	free(image);
	free(entries);
}

static void use(const void *image, size_t bytes, bool must_work)
{
	struct scan_options options;
	struct ruleset *ruleset;
	struct scanner *scanner;
	struct scan *scan;

	if (ruleset_attach_screen(bare, image, bytes, &ruleset) != 0) {
		if (must_work)
			abort();
		return;
	}
	scan_options_init(&options);
	options.max_messages = 1;
	options.max_archive_depth = 0;
	if (scanner_new(&options, ruleset, &scanner) == 0) {
		const struct scan_result *result;

		if (scan_begin(scanner, SCAN_FILE, &scan) != 0)
			abort();
		scan_feed(scan, sample, SAMPLE_BYTES);
		result = scan_end(scan);
		for (size_t i = 0; i < result->matches_count; i++)
			if (strlen(result->matches[i].signature) > bytes)
				abort();
		scan_free(scan);
		scanner_free(scanner);
	}
	ruleset_close(ruleset);
}

static void try_changes(const uint8_t *data, size_t n, size_t from, size_t bytes, bool with_below)
{
	uint8_t *image = aligned_alloc(SCREEN_ALIGN, good_bytes);

	if (image == NULL)
		abort();
	memcpy(image, good, good_bytes);
	for (; n >= 5; data += 5, n -= 5) {
		uint32_t place;

		memcpy(&place, data, sizeof(place));
		image[from + place % bytes] = data[4];
	}
	if (screen_seal(image + from, bytes) != 0)
		abort();
	use(image, with_below ? good_bytes : bytes, false);
	free(image);
}

static void try_json(const char *text, size_t n)
{
	struct screen_list list;
	struct screen_list again;
	char error[256] = "";
	size_t bytes;
	void *image;
	char *written;

	if (screen_list_parse(text, n, &list, error, sizeof(error)) != 0) {
		if (error[0] == '\0')
			abort();
		return;
	}
	if (screen_build(list.entries, list.count, &image, &bytes, error, sizeof(error)) == 0) {
		use(image, bytes, true);
		free(image);
	}
	written = screen_list_print(list.entries, list.count, true);
	if (written == NULL ||
		screen_list_parse(written, strlen(written), &again, error, sizeof(error)) != 0 ||
		again.count != list.count)
		abort();
	for (size_t i = 0; i < list.count; i++)
		if (screen_id(&list.entries[i]) != screen_id(&again.entries[i]))
			abort();
	free(written);
	screen_list_free(&again);
	screen_list_free(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (bare == NULL) {
		make_bare();
		make_good();
		use(good, good_bytes, true);
	}
	if (n > 0 && data[0] == 'J')
		try_json((const char *)data + 1, n - 1);
	else if (n > 0 && data[0] == 'L')
		try_changes(data + 1, n - 1, below_bytes, good_bytes - below_bytes, true);
	else
		try_changes(data, n, 0, below_bytes, false);
	return 0;
}
