// SPDX-License-Identifier: BSD-3-Clause
// Patterns whose letters are of either case.
#include "scan/clamav.h"

// A byte of which one half is given is compared as it is, whatever the letter.
static bool is_half(const struct clamav_class *set)
{
	if (clamav_class_size(set) != 16)
		return false;
	for (unsigned int high = 0; high < 16; high++)
		if ((set->bits[high / 4] >> (high % 4 * 16) & 0xffff) == 0xffff)
			return true;
	return false;
}

static void fold_sequence(struct clamav_sequence *sequence)
{
	for (struct clamav_node *node = sequence->first; node != NULL; node = node->next) {
		for (struct clamav_sequence *s = node->branches; s != NULL; s = s->next)
			fold_sequence(s);
		for (unsigned int upper = 'A'; upper <= 'Z'; upper++) {
			unsigned int lower = upper | 0x20;

			if (is_half(&node->set))
				break;
			if (clamav_class_has(&node->set, upper) ||
				clamav_class_has(&node->set, lower)) {
				node->set.bits[upper >> 6] |= UINT64_C(1) << (upper & 63);
				node->set.bits[lower >> 6] |= UINT64_C(1) << (lower & 63);
			}
		}
	}
}

void clamav_fold_case(struct clamav_pattern *pattern)
{
	for (struct clamav_part *part = pattern->parts; part != NULL; part = part->next)
		fold_sequence(&part->body);
}
