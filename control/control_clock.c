// SPDX-License-Identifier: BSD-3-Clause
#include "control/control.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000
#define LEAP_S 5 // what is not worth a word

static void tell(struct control *control, int64_t leap_s)
{
	char *why = leap_s > 0 ? g_strdup_printf("forward by %lld seconds: what has an end (seals, "
						 "held mail, lists) keeps it "
						 "until the clock has stood so for a day, or this "
						 "process starts anew",
					 (long long)leap_s)
			       : g_strdup_printf("back by %lld seconds: seals last as long "
						 "as they were to",
					 (long long)-leap_s);

	control_events_write(control->events, "fault",
		json_pack("{s:s, s:s}", "what", "the clock has leapt", "why", why));
	g_free(why);
}

// What cannot be written down now is tried in the next second.
static void set_back(struct control *control)
{
	int count = seals_set_back(control->seals, control_now_ns() / NS_PER_S);

	if (count > 0)
		control_seals_tell(control);
}

void control_look_at_clock(struct control *control)
{
	int64_t offset_s = (control_now_ns() - control_steady_ns()) / NS_PER_S;
	int64_t leap_s = offset_s - control->offset_s;

	if (control->offset_s != 0 && llabs(leap_s) >= LEAP_S)
		tell(control, leap_s);
	control->offset_s = offset_s;
	set_back(control);
}
