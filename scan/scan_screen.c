// SPDX-License-Identifier: BSD-3-Clause
#include "scan/scan_screen.h"

#include "scan/scan_pool.h"

#include <string.h>

void scan_screen_add(struct scan *scan, const struct screening_result *result, uint32_t part)
{
	const struct screen *screen = scan->scanner->ruleset->screen;

	if (result->is_partial)
		scan_set_suspect(scan, "limit-screening");
	for (uint32_t i = 0; i < result->hits_count; i++) {
		const uint32_t number = result->hits[i];
		const struct screen_record *record = screen_record(screen, number);
		const struct scan_match match = {
			.signature = screen_text(screen, number, record->name),
			.virus_id = screen_text(screen, number, record->virus_id),
			.recipe = "",
			.kind = MATCH_CHECKSUM,
			.part = part,
			.entry = record->id,
			.action = (enum screen_action)record->action,
			.screened = (enum screen_kind)record->kind,
			.algorithm = 1u << record->algorithm,
			.digest = record->digest,
		};

		// Relaxed: a count that nothing else depends on.
		atomic_fetch_add_explicit(screen_hits(screen, number), 1, memory_order_relaxed);
		object_add(scan, &match);
	}
}

// Of a part that is lines the last line break may be the mail's, or may have been taken for the mail's.
enum screening_what scan_screened_as(const struct scan *scan, const struct scan_object *object)
{
	static const char *const lines[] = {"", "7bit", "8bit", "binary", "quoted-printable"};
	const char *encoding;

	if (object->is_mail)
		return SCREENING_LINES;
	if (object->part == 0)
		return scan->is_message ? SCREENING_MESSAGE : SCREENING_EXACT;
	if (object->number == 0 || object->part > scan->result.parts_count)
		return SCREENING_EXACT;
	encoding = scan->table->parts[object->part - 1].encoding;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (strcmp(encoding, lines[i]) == 0)
			return SCREENING_LINES;
	return SCREENING_EXACT;
}

void scan_may_end(struct scan_object *object)
{
	if (object == NULL)
		return;
	if (object->match != NULL)
		match_may_end(object->match);
	screening_may_end(object->screening);
}

void scan_screen_end(struct scan *scan, struct scan_object *object, const char *type,
	struct screening_late *later, bool waits)
{
	struct screening_result result;

	later->digests = (struct digest_late){0};
	later->hits_count = 0;
	if (object->screening == NULL)
		return;
	screening_end(object->screening, scan_screened_as(scan, object), type, later, &result);
	object->screening = NULL;
	if (waits && result.hits_count > 0) {
		later->hits_count = result.hits_count;
		memcpy(later->hits, result.hits, result.hits_count * sizeof(later->hits[0]));
		result.hits_count = 0;
	}
	scan_screen_add(scan, &result, object->part);
}
