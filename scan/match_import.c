// SPDX-License-Identifier: BSD-3-Clause
#include "scan/match_object.h"
#include "scan/pe_import.h"

void match_imports(struct match_object *object)
{
	const struct matcher *matcher = object->matcher;
	const struct executable *pe = object->track.executable;
	const struct executable_source source = match_source(object);
	struct pe_imports imports = {0};

	if (pe == NULL || pe->format != FILETYPE_TARGET_PE)
		return;
	pe_imports_read(pe, &source, matcher->hashes_imports, &imports);
	if (!imports.is_there) {
		object->track.lost = object->track.lost || imports.is_cut;
		return;
	}
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		uint8_t digest[DIGEST_MAX_BYTES];

		if (!digest_end(&imports.digest, (enum digest_algorithm)i, digest))
			continue;
		for (struct track *at = &object->track; at != NULL; at = at->over)
			(void)track_digest(
				&at->hits, &at->ruleset->import_hashes[i], digest, imports.bytes);
	}
}
