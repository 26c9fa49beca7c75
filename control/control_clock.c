// SPDX-License-Identifier: BSD-3-Clause
#include "control/control.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000
#define LEAP_S 5 // what is not worth a word

static void tell(struct control *control, int64_t leap_s)
{
	const char *what =
		leap_s < 0 ? "seals last as long as they were to"
		: control_leap_s() == 0
			? "it had been so before, or nobody knew the time"
			: "what has an end (seals, held mail, lists) keeps it until the clock has "
			  "stood so for a day, or this process starts anew";
	char *why = g_strdup_printf("%s by %lld seconds: %s", leap_s < 0 ? "back" : "forward",
		(long long)llabs(leap_s), what);

	control_events_write(control->events, "fault",
		json_pack("{s:s, s:s}", "what", "the clock has leapt", "why", why));
	g_free(why);
}

static void set_seals(struct control *control, bool may_be_ahead)
{
	const int64_t now_s = control_now_ns() / NS_PER_S;
	int back = seals_set_back(control->seals, now_s);
	int forth = may_be_ahead ? seals_set_forth(control->seals, now_s) : 0;

	if (back > 0 || forth > 0)
		control_seals_tell(control);
}

void control_look_at_clock(struct control *control)
{
	const bool is_first = !control->has_offset;
	int64_t offset_s = (control_now_ns() - control_steady_ns()) / NS_PER_S;
	int64_t leap_s = is_first ? 0 : offset_s - control->offset_s;

	if (llabs(leap_s) >= LEAP_S)
		tell(control, leap_s);
	control->offset_s = offset_s;
	control->has_offset = true;
	set_seals(control, is_first || leap_s >= LEAP_S);
}
