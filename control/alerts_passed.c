// SPDX-License-Identifier: BSD-3-Clause
// A long list may begin to come before a seal or a short list and be whole after it. Its number is compared with what was
// the highest when its first byte came: it is as new as it would be had the line been faster. What is not older than a
// minute counts, and nothing else may pass. Lists add up, so that their order does not matter; a list and what takes it
// back go by when they were issued (screen_store_lift).
#include "control/alerts_inside.h"

#include <time.h>

#define US_PER_S INT64_C(1000000)
#define COMING_US                                                                                  \
	(60 * US_PER_S) // who takes longer is compared with what was the highest a minute ago

int64_t alerts_clock_us(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

bool alerts_may_pass(const struct alert *alert)
{
	return alert->type == ALERT_SEAL || alert->type == ALERT_SCREEN;
}

void alerts_note_passed(struct alerts *alerts)
{
	struct passed *passed = &alerts->passed[alerts->passed_ever++ % PASSED_MOST];

	passed->at_us = alerts_clock_us();
	alert_order_highest(alerts->order, alerts->root.vendor, ROLE_ALERTS, &passed->before);
}

// Of what is not remembered any more nothing is known: what was before the first that is, is higher.
bool alerts_highest_at(const struct alerts *alerts, int64_t began_us, struct order_highest *highest)
{
	const int64_t least_us = alerts_clock_us() - COMING_US;
	const struct passed *first = NULL;

	if (began_us == 0)
		return false;
	if (began_us < least_us)
		began_us = least_us;
	for (unsigned int i = 0; i < alerts->passed_ever && i < PASSED_MOST; i++) {
		const struct passed *passed = &alerts->passed[i];

		if (passed->at_us > began_us && (first == NULL || passed->at_us < first->at_us))
			first = passed;
	}
	if (first == NULL)
		return false;
	*highest = first->before;
	return true;
}
