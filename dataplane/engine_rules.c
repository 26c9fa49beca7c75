// SPDX-License-Identifier: BSD-3-Clause
// The scanner in force and those before it. A Hyperscan stream belongs to the database that opened it,
// so a message stays with its scanner to the end, whatever comes into force meanwhile.
#include "dataplane/engine.h"
#include "dataplane/message.h"
#include "dataplane/session.h"

#include <assert.h>

static bool is_full(const struct engine *engine)
{
	return engine->older_count == ENGINE_SCANNERS - 1;
}

static void give_up(struct message *message, const struct scanner *scanner)
{
	if (message != NULL && message->scan != NULL && scan_get_scanner(message->scan) == scanner)
		message_outdate(message);
}

bool engine_has_room_for_scanner(struct engine *engine)
{
	uint32_t cursor = 0;
	struct flow *flow;

	if (!is_full(engine))
		return true;
	// Retired in this order, and taken out only when idle.
	while ((flow = flow_walk(engine->flows, &cursor)) != NULL) {
		struct session *session = (struct session *)flow;

		give_up(session->building, engine->older[0]);
		for (struct message *message = session->ended_first; message != NULL;
			message = message->next)
			give_up(message, engine->older[0]);
	}
	return !is_full(engine);
}

void engine_set_scanner(struct engine *engine, struct scanner *scanner)
{
	assert(!is_full(engine));
	engine->older[engine->older_count++] = engine->scanner;
	engine->scanner = scanner;
	engine->counters.rules_swapped++;
}

struct scanner *engine_take_idle_scanner(struct engine *engine)
{
	for (uint32_t i = 0; i < engine->older_count; i++) {
		struct scanner *scanner = engine->older[i];

		if (scanner_in_progress(scanner) > 0)
			continue;
		engine->older_count--;
		for (uint32_t j = i; j < engine->older_count; j++)
			engine->older[j] = engine->older[j + 1];
		return scanner;
	}
	return NULL;
}
