// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/gather.h"

#include "dataplane/message.h"

#include <assert.h>

bool gather_takes(struct engine *engine, struct session *session, uint64_t began_ns)
{
	struct gather *gather = &engine->gather;
	struct message *message = session->building;

	if (!gather->may_take || session->mode != SESSION_INSPECT || message->scan == NULL ||
		!message->complete)
		return false;
	scan_feed_end(message->scan);
	if (!scan_gains_by_waiting(message->scan))
		return false;
	gather->may_take = false;
	gather->all[gather->count++] = (struct gathered){.session = session, .began_ns = began_ns};
	session->gathered = true;
	return true;
}

// Messages stay on the scanner that they began on.
static void settle_scanners(struct engine *engine)
{
	scanner_settle(engine->scanner);
	for (uint32_t i = 0; i < engine->older_count; i++)
		scanner_settle(engine->older[i]);
}

// Its entry may be used again once it goes on.
static void go_on(struct engine *engine, struct gathered *entry)
{
	struct gathered gathered = *entry;

	entry->session = NULL;
	gathered.arrival.frame = &gathered.frame;
	gathered.arrival.packet = &gathered.packet;
	gathered.arrival.key = NULL;
	gathered.session->gathered = false;
	gathered.session->deciding = false;
	session_go_on(engine, &gathered);
}

// What goes on may have its session end, which has all decided first: then nothing is left here.
void gather_settle(struct engine *engine)
{
	struct gather *gather = &engine->gather;
	const bool may_take = gather->may_take;

	if (gather->count == 0)
		return;
	settle_scanners(engine);
	// That is of the packet at hand, which nobody keeps for those that go on.
	gather->may_take = false;
	for (uint32_t i = 0; i < gather->count; i++)
		if (gather->all[i].session != NULL)
			go_on(engine, &gather->all[i]);
	gather->count = 0;
	gather->may_take = may_take;
}

void gather_keep(struct engine *engine, const struct arrival *arrival,
	const struct tcp_result *result, bool ack_is_new)
{
	struct gather *gather = &engine->gather;
	struct gathered *entry = &gather->all[gather->count - 1];

	assert(gather->count > 0 && entry->session != NULL);
	entry->arrival = *arrival;
	entry->frame = *arrival->frame;
	entry->packet = *arrival->packet;
	entry->result = *result;
	entry->ack_is_new = ack_is_new;
	if (gather->count == GATHER_MESSAGES)
		gather_settle(engine);
}

static void rest_scanners(struct engine *engine)
{
	scanner_rest(engine->scanner);
	for (uint32_t i = 0; i < engine->older_count; i++)
		scanner_rest(engine->older[i]);
}

void engine_begin_burst(struct engine *engine)
{
	engine->gather.is_open = true;
	engine->gather.frames = 0;
}

void engine_end_burst(struct engine *engine)
{
	engine->gather.is_open = false;
	gather_settle(engine);
	// What is left of messages that go on has more company later, but nobody is to wait for it then.
	if (engine->gather.frames == 0)
		rest_scanners(engine);
}
