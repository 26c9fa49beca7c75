// SPDX-License-Identifier: BSD-3-Clause
#include "control/control_counts.h"

#include <assert.h>
#include <string.h>

// What an event of this name counts for, when its member says this. A member that is a list of ids counts
// each of them.
static const struct {
	const char *name;
	const char *event;
	const char *member;
	const char *value;
	const char *list;
} counted[] = {
	{"mails_delivered", "release", "action", "deliver", NULL},
	{"mails_stripped", "release", "action", "deliver-stripped", NULL},
	{"mails_disinfected", "release", "action", "deliver-disinfected", NULL},
	{"mails_failed", "release", "action", "failed", NULL},
	{"mails_expired", "release", "expired", "yes", NULL},
	{"mails_deleted", "release", "action", "delete", NULL},
	{"mails_quarantined", "quarantine", "action", "quarantine", NULL},
	{"deliveries_put_off", "release", "action", "later", NULL},
	{"operator_released", "audit", "what", "release", "ids"},
	{"operator_deleted", "audit", "what", "delete", "ids"},
	{"operator_exported", "audit", "what", "export", NULL},
	{"notices_sent", "notice", "action", "sent", NULL},
	{"notices_failed", "notice", "action", "failed", NULL},
	{"seals_set", "seal", NULL, NULL, NULL},
	{"seals_ended", "unseal", NULL, NULL, NULL},
	{"seals_expired", "unseal", "why", "expired", NULL},
	{"rules_applied", "rules", "result", "applied", NULL},
	{"rules_refused", "rules", "result", "refused", NULL},
	{"screens_added", "screening", "result", "added", NULL},
	{"screens_ended", "screening", "result", "off", NULL},
	{"screens_covered", "screening", "why", "covered", NULL},
	{"screens_expired", "screening", "why", "expired", NULL},
	{"mails_judged_again", "screening", "result", "judged again", NULL},
	{"faults", "fault", NULL, NULL, NULL},
};

#define COUNTED (sizeof(counted) / sizeof(counted[0]))
static_assert(COUNTED <= CONTROL_COUNTS_MOST, "there is room for each");

void control_counts_event(struct control_counts *counts, const char *event, const json_t *members)
{
	for (size_t i = 0; i < COUNTED; i++) {
		const char *value = NULL;

		if (strcmp(counted[i].event, event) != 0)
			continue;
		if (counted[i].member != NULL)
			value = json_string_value(json_object_get(members, counted[i].member));
		if (counted[i].member != NULL &&
			(value == NULL || strcmp(value, counted[i].value) != 0))
			continue;
		counts->values[i] +=
			counted[i].list != NULL
				? json_array_size(json_object_get(members, counted[i].list))
				: 1;
	}
}

json_t *control_counts_json(const struct control_counts *counts)
{
	json_t *object = json_object();

	for (size_t i = 0; i < COUNTED; i++)
		(void)json_object_set_new(
			object, counted[i].name, json_integer((json_int_t)counts->values[i]));
	return object;
}
