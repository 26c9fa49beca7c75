// SPDX-License-Identifier: BSD-3-Clause
#include "scan/match_section.h"

void match_sections_begin(struct match_sections *sections)
{
	for (size_t i = 0; i < MATCH_OPEN_SECTIONS; i++)
		sections->open[i].digest.running = 0;
}

static void finish(struct match_open_section *section, struct track *track)
{
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		uint8_t digest[DIGEST_MAX_BYTES];

		if (!digest_end(&section->digest, (enum digest_algorithm)i, digest))
			continue;
		for (struct track *at = track; at != NULL; at = at->over)
			(void)track_digest(
				&at->hits, &at->ruleset->section_hashes[i], digest, section->bytes);
	}
	section->digest.running = 0;
}

static unsigned int algorithms_for(const struct ruleset *ruleset, uint64_t bytes)
{
	unsigned int algorithms = 0;

	for (; ruleset != NULL; ruleset = ruleset->delta) {
		for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
			const struct hashset *set = &ruleset->section_hashes[i];

			if (set->entries_count > 0 && (set->any || bytes <= set->max_bytes))
				algorithms |= 1u << i;
		}
	}
	return algorithms;
}

static void feed(
	struct match_open_section *section, struct track *track, const uint8_t *data, size_t n)
{
	n = section->left < n ? (size_t)section->left : n;
	digest_feed(&section->digest, data, n);
	section->left -= n;
	section->bytes += n;
	if (section->left == 0)
		finish(section, track);
}

static void open_section(struct match_sections *sections, struct track *track,
	const struct executable_section *section, const uint8_t *data, size_t n)
{
	unsigned int algorithms = algorithms_for(track->ruleset, section->bytes);

	if (section->bytes == 0 || algorithms == 0)
		return;
	for (size_t i = 0; i < MATCH_OPEN_SECTIONS; i++) {
		struct match_open_section *open = &sections->open[i];

		if (open->digest.running != 0)
			continue;
		digest_begin(&open->digest, algorithms);
		open->left = section->bytes;
		open->bytes = 0;
		feed(open, track, data, n);
		return;
	}
	track->lost = true;
}

void match_sections_feed(struct match_sections *sections, struct track *track, uint64_t position,
	const uint8_t *data, size_t n)
{
	const struct executable *pe = track->executable;

	if (pe == NULL || pe->format != FILETYPE_TARGET_PE)
		return;
	for (size_t i = 0; i < MATCH_OPEN_SECTIONS; i++)
		if (sections->open[i].digest.running != 0)
			feed(&sections->open[i], track, data, n);
	for (uint32_t i = 0; i < pe->sections_count; i++) {
		uint64_t offset = pe->sections[i].offset;

		if (offset >= position && offset - position < n)
			open_section(sections, track, &pe->sections[i], data + (offset - position),
				n - (size_t)(offset - position));
	}
}

void match_sections_end(struct match_sections *sections, struct track *track)
{
	for (size_t i = 0; i < MATCH_OPEN_SECTIONS; i++)
		if (sections->open[i].digest.running != 0)
			finish(&sections->open[i], track);
}
