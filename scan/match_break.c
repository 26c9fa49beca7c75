// SPDX-License-Identifier: BSD-3-Clause
// Hash lists and objects whose last line break may be the mail's or their own.
#include "scan/match_object.h"

#include <string.h>

void match_set_doubtful(struct match_object *object)
{
	object->is_doubtful = true;
}

static void look_up(struct match_object *object, enum digest_algorithm algorithm, const char *more)
{
	uint8_t digest[DIGEST_MAX_BYTES];

	if (!match_digest_end_more(
		    &object->matcher->digester, &object->digesting, algorithm, more, digest))
		return;
	for (struct track *at = &object->track; at != NULL; at = at->over)
		(void)track_digest(&at->hits, &at->ruleset->hashes[algorithm], digest,
			object->bytes + strlen(more));
}

void match_look_up_running(struct match_object *object)
{
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++)
		look_up(object, (enum digest_algorithm)i, "");
}

void match_look_up_with_break(struct match_object *object)
{
	for (unsigned int i = 0; i < DIGEST_ALGORITHMS; i++) {
		look_up(object, (enum digest_algorithm)i, "\r\n");
		look_up(object, (enum digest_algorithm)i, "\n");
	}
}
