// SPDX-License-Identifier: BSD-3-Clause
// What a ruleset knows of a virus id: asked now and then, never on the way of a message.
#include "scan/digest.h"
#include "scan/ruleset.h"

#include <string.h>

#define VALUES_MOST 64

static bool has_id(const struct ruleset *ruleset, uint32_t signature, const char *virus_id)
{
	return strcmp(ruleset->strings + ruleset->signatures[signature].virus_id, virus_id) == 0;
}

bool ruleset_has_virus_id(const struct ruleset *ruleset, const char *virus_id)
{
	if (virus_id[0] == '\0')
		return false;
	// What is asked of is new as a rule.
	if (ruleset->delta != NULL && ruleset_has_virus_id(ruleset->delta, virus_id))
		return true;
	for (uint32_t i = 0; i < ruleset->signatures_count; i++) {
		if (!ruleset_is_removed(ruleset->removed_bits, i) && has_id(ruleset, i, virus_id))
			return true;
	}
	return false;
}

bool ruleset_has_digest(const struct ruleset *ruleset, unsigned int algorithm,
	const uint8_t *digest, uint64_t bytes, const char *virus_id)
{
	enum digest_algorithm index = algorithm == DIGEST_MD5    ? DIGEST_INDEX_MD5
				      : algorithm == DIGEST_SHA1 ? DIGEST_INDEX_SHA1
								 : DIGEST_INDEX_SHA256;
	uint8_t padded[DIGEST_MAX_BYTES] = {0};
	uint32_t values[VALUES_MOST];
	bool found = false;
	size_t n;

	memcpy(padded, digest, digest_bytes(index));
	n = hashset_find(&ruleset->hashes[index], padded, bytes, values, VALUES_MOST);
	for (size_t i = 0; i < n; i++) {
		if (values[i] == HASHSET_ALLOWED)
			return false;
		found = found || (!ruleset_is_removed(ruleset->removed_bits, values[i]) &&
					 has_id(ruleset, values[i], virus_id));
	}
	return found || (ruleset->delta != NULL && ruleset_has_digest(ruleset->delta, algorithm,
							   digest, bytes, virus_id));
}
