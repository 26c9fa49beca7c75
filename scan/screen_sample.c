// SPDX-License-Identifier: BSD-3-Clause
// What a sample looks like, as entries of all kinds.
#include "scan/digest.h"
#include "scan/executable.h"
#include "scan/filetype.h"
#include "scan/scan.h"
#include "scan/screen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_BYTES 16
#define RANGE_BYTES 4096
#define TAIL_BYTES 1024
#define WINDOW_BYTES 4096
#define WINDOWS 4
// Places that are looked at for each window.
#define PLACES 64
// What has fewer different bytes may be in any file.
#define LEAST_DIFFERENT 24
#define LEAST_IN_HEAD 12
// Whole (two of a message), two ranges, windows, sections.
#define MOST_KINDS (2 + 2 + WINDOWS + EXECUTABLE_MAX_SECTIONS)

struct sampler {
	const struct screen_sample_options *options;
	const uint8_t *data;
	size_t n;
	unsigned int algorithms;
	struct screen_entry *entries;
	size_t count;
};

// One for each algorithm.
static void add(
	struct sampler *sampler, const struct screen_entry *like, const uint8_t *data, size_t n)
{
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		struct screen_entry *entry = &sampler->entries[sampler->count];
		struct digest digest;

		if ((sampler->algorithms >> i & 1) == 0)
			continue;
		*entry = *like;
		entry->virus_id = sampler->options->virus_id;
		entry->name = sampler->options->name;
		entry->action = sampler->options->action;
		entry->algorithm = 1u << i;
		digest_begin(&digest, 1u << i);
		digest_feed(&digest, data, n);
		if (digest_end(&digest, (enum digest_algorithm)i, entry->digest))
			sampler->count++;
	}
}

static size_t different_bytes(const uint8_t *data, size_t n)
{
	bool seen[256] = {false};
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		count += !seen[data[i]];
		seen[data[i]] = true;
	}
	return count;
}

static bool is_telling(const uint8_t *data, size_t n)
{
	return different_bytes(data, n) >= LEAST_DIFFERENT;
}

static void add_whole(struct sampler *sampler)
{
	struct screen_entry file = {
		.kind = SCREEN_FILE, .bytes = sampler->n, .section = SCREEN_ANY_SECTION};

	add(sampler, &file, sampler->data, sampler->n);
}

// The header ends with the first empty line.
static size_t header_bytes(const uint8_t *data, size_t n)
{
	size_t line = 0;

	for (size_t i = 0; i < n; i++) {
		if (data[i] != '\n')
			continue;
		if (i == line || (i == line + 1 && data[line] == '\r'))
			return i + 1;
		line = i + 1;
	}
	return n;
}

static void add_message(struct sampler *sampler)
{
	size_t header = header_bytes(sampler->data, sampler->n);
	struct screen_entry entry = {.kind = SCREEN_MESSAGE, .section = SCREEN_ANY_SECTION};

	add(sampler, &entry, sampler->data, sampler->n);
	entry.kind = SCREEN_BODY;
	if (header < sampler->n)
		add(sampler, &entry, sampler->data + header, sampler->n - header);
}

// From the middle, for beginnings are what files of one kind share, and the last bytes.
static void add_ranges(struct sampler *sampler)
{
	struct screen_entry range = {.kind = SCREEN_RANGE, .section = SCREEN_ANY_SECTION};
	size_t n = sampler->n;

	range.offset = n / 4;
	range.length = n / 2 < RANGE_BYTES ? n / 2 : RANGE_BYTES;
	if (is_telling(sampler->data + range.offset, range.length))
		add(sampler, &range, sampler->data + range.offset, range.length);
	range.from_end = true;
	range.length = n / 4 < TAIL_BYTES ? n / 4 : TAIL_BYTES;
	range.offset = range.length;
	if (is_telling(sampler->data + n - range.length, range.length))
		add(sampler, &range, sampler->data + n - range.length, range.length);
}

static int add_sections(struct sampler *sampler)
{
	const struct executable_source source = {
		.data = sampler->data, .n = sampler->n, .bytes = sampler->n};
	struct screen_entry entry = {.kind = SCREEN_SECTION};
	struct executable *pe = malloc(sizeof(*pe));

	if (pe == NULL)
		return -ENOMEM;
	pe->sections_count = 0;
	(void)executable_parse(FILETYPE_TARGET_PE, &source, pe);
	for (uint32_t i = 0; i < pe->sections_count; i++) {
		size_t offset = pe->sections[i].offset;
		size_t bytes = pe->sections[i].bytes;

		if (offset >= sampler->n)
			continue;
		bytes = bytes < sampler->n - offset ? bytes : sampler->n - offset;
		entry.section = i;
		entry.length = bytes;
		if (is_telling(sampler->data + offset, bytes))
			add(sampler, &entry, sampler->data + offset, bytes);
	}
	free(pe);
	return 0;
}

// Of places spread over this stretch the one with the most different bytes.
static void add_window(struct sampler *sampler, size_t from, size_t to, size_t length)
{
	struct screen_entry entry = {
		.kind = SCREEN_WINDOW, .length = length, .section = SCREEN_ANY_SECTION};
	size_t step = (to - from) / PLACES + 1;
	size_t most = LEAST_DIFFERENT - 1;
	const uint8_t *best = NULL;

	for (size_t at = from; at < to && at + length <= sampler->n; at += step) {
		const uint8_t *data = sampler->data + at;
		size_t different = different_bytes(data, length);

		if (different <= most || different_bytes(data, SCREEN_LEAST_WINDOW) < LEAST_IN_HEAD)
			continue;
		most = different;
		best = data;
	}
	if (best == NULL)
		return;
	entry.rolling = screen_rolling(best, length);
	add(sampler, &entry, best, length);
}

static void add_windows(struct sampler *sampler)
{
	size_t length = sampler->n / 4 < WINDOW_BYTES ? sampler->n / 4 : WINDOW_BYTES;
	size_t stretch = sampler->n / WINDOWS;

	if (length < SCREEN_LEAST_WINDOW)
		return;
	for (size_t i = 0; i < WINDOWS; i++)
		add_window(sampler, i * stretch, (i + 1) * stretch - length + 1, length);
}

// On the wire every line ends with CR LF.
static uint8_t *as_sent(const uint8_t *data, size_t n, size_t *bytes)
{
	uint8_t *out = malloc(2 * n + 1);
	size_t at = 0;

	for (size_t i = 0; out != NULL && i < n; i++) {
		if (data[i] == '\n' && (i == 0 || data[i - 1] != '\r'))
			out[at++] = '\r';
		out[at++] = data[i];
	}
	*bytes = at;
	return out;
}

int screen_compute(const struct screen_sample_options *options, const uint8_t *data, size_t n,
	struct screen_entry **out, size_t *count)
{
	struct sampler sampler = {.options = options,
		.data = data,
		.n = n,
		.algorithms = options->algorithms != 0 ? options->algorithms : DIGEST_SHA256};
	uint8_t *lines = NULL;
	int err = 0;

	if (n < LEAST_BYTES)
		return -EINVAL;
	sampler.entries = calloc((size_t)MOST_KINDS * DIGEST_ALGORITHMS, sizeof(*sampler.entries));
	if (sampler.entries == NULL)
		return -ENOMEM;
	if (options->is_message) {
		lines = as_sent(data, n, &sampler.n);
		sampler.data = lines;
		err = lines != NULL ? 0 : -ENOMEM;
		if (err == 0)
			add_message(&sampler);
	} else {
		const struct filetype *type =
			filetype_detect(data, n < FILETYPE_BYTES ? n : FILETYPE_BYTES);

		add_whole(&sampler);
		add_ranges(&sampler);
		if (type->target == FILETYPE_TARGET_PE)
			err = add_sections(&sampler);
		add_windows(&sampler);
	}
	free(lines);
	if (err != 0) {
		free(sampler.entries);
		return err;
	}
	*out = sampler.entries;
	*count = sampler.count;
	return 0;
}
