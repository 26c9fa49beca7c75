// SPDX-License-Identifier: BSD-3-Clause
// Silent connections hold no pages.
#include "dataplane/session.h"

void session_trim(struct engine *engine, struct session *session)
{
	stream_trim(&session->stream[TCP_CLIENT], engine->pages);
	stream_trim(&session->stream[TCP_SERVER], engine->pages);
}

void session_trim_quiet(struct engine *engine, uint32_t most, uint64_t now_ns, uint64_t quiet_ns)
{
	for (; most > 0; most--) {
		struct flow *flow = flow_quiet(engine->flows, now_ns, quiet_ns);

		if (flow == NULL)
			return;
		session_trim(engine, (struct session *)flow);
	}
}
