// SPDX-License-Identifier: BSD-3-Clause
// The scanner in force and those before it. A Hyperscan stream belongs to the database that opened it,
// so a message stays with its scanner to the end, whatever comes into force meanwhile.
#include "dataplane/deferral.h"
#include "dataplane/engine.h"
#include "dataplane/gather.h"
#include "dataplane/message.h"
#include "dataplane/session.h"

#include <assert.h>

// That are looked at in one turn of the loop: there may be very many.
#define OUTDATE_SESSIONS 64

static bool is_full(const struct engine *engine)
{
	return engine->older_count == ENGINE_SCANNERS - 1;
}

static void give_up(struct engine *engine, struct session *session, const struct scanner *scanner)
{
	if (session->building != NULL)
		message_outdate(engine, session->building, scanner);
	for (struct message *message = session->ended_first; message != NULL;
		message = message->next)
		message_outdate(engine, message, scanner);
}

bool engine_has_room_for_scanner(struct engine *engine)
{
	if (!is_full(engine))
		return true;
	gather_settle(engine);
	deferral_outdate(engine, engine->older[0]);
	for (uint32_t i = 0; i < OUTDATE_SESSIONS; i++) {
		struct flow *flow = flow_step(engine->flows, &engine->outdate_cursor);

		if (flow != NULL)
			give_up(engine, (struct session *)flow, engine->older[0]);
	}
	return false;
}

void engine_set_scanner(struct engine *engine, struct scanner *scanner)
{
	assert(!is_full(engine));
	gather_settle(engine);
	engine->older[engine->older_count++] = engine->scanner;
	engine->scanner = scanner;
	__atomic_store_n(&engine->message_bytes, scanner_message_bytes(scanner), __ATOMIC_RELAXED);
	engine->counters.rules_swapped++;
}

struct scanner *engine_take_idle_scanner(struct engine *engine)
{
	for (uint32_t i = 0; i < engine->older_count; i++) {
		struct scanner *scanner = engine->older[i];

		if (scanner_in_progress(scanner) > 0 || deferral_uses(engine, scanner))
			continue;
		engine->older_count--;
		for (uint32_t j = i; j < engine->older_count; j++)
			engine->older[j] = engine->older[j + 1];
		return scanner;
	}
	return NULL;
}
