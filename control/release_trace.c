// SPDX-License-Identifier: BSD-3-Clause
#include "control/release_trace.h"

#include "control/control_events.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#define NS_PER_S 1000000000

static const char *text_of(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text != NULL ? text : "";
}

// What may have come from outside and goes into a header is printable.
static bool is_plain(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < ' ' || *text == 127)
			return false;
	}
	return true;
}

int64_t release_trace_arrival(const json_t *envelope)
{
	int64_t arrival_s = control_time_seconds(text_of(envelope, "arrival"));

	return arrival_s != 0 ? arrival_s : control_now_ns() / NS_PER_S;
}

void release_trace_write(const json_t *envelope, const char *gateway, const char *id,
	int64_t arrival_s, char *out, size_t room)
{
	const char *helo = text_of(envelope, "helo");
	time_t arrival = (time_t)arrival_s;
	struct tm utc;
	char date[64] = "";
	int n;

	out[0] = '\0';
	if (!is_plain(helo))
		return;
	if (gmtime_r(&arrival, &utc) != NULL)
		(void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &utc);
	n = snprintf(out, room,
		"Received: from %s ([%s])\r\n\tby %s (Cordon) with ESMTP id %s;\r\n\t%s\r\n", helo,
		text_of(envelope, "client"), gateway, id, date);
	// Half a header would take the mail's own for its end.
	if (n < 0 || (size_t)n >= room)
		out[0] = '\0';
}
