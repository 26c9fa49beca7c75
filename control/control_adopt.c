// SPDX-License-Identifier: BSD-3-Clause
#include "control/control.h"

#include <stdlib.h>

#define NS_PER_S 1000000000

static void report_missed(struct control *control, const json_t *virus_ids)
{
	char *list = json_dumps(virus_ids, JSON_COMPACT);

	control_events_write(control->events, "fault",
		json_pack("{s:s, s:s}", "what",
			"seals of the dataplane that were not written down, and for which there is "
			"no "
			"room beside ours: mail that they held back passes",
			"why", list != NULL ? list : "there is no memory"));
	free(list);
}

int control_seals_adopt(void *ctx, const json_t *theirs)
{
	struct control *control = ctx;
	json_t *adopted = NULL;
	json_t *missed = NULL;
	int err =
		seals_adopt(control->seals, theirs, control_now_ns() / NS_PER_S, &adopted, &missed);

	if (err == 0 && json_array_size(missed) > 0)
		report_missed(control, missed);
	if (err == 0 && json_array_size(adopted) > 0)
		control_events_write(control->events, "seal",
			json_pack("{s:s, s:s, s:O, s:I}", "origin", "dataplane", "why",
				"the dataplane had seals that were not written down", "virus_ids",
				adopted, "open", (json_int_t)seals_count(control->seals)));
	json_decref(adopted);
	json_decref(missed);
	return err;
}
