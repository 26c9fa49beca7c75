// SPDX-License-Identifier: BSD-3-Clause
// How many connections each client outside has. A connection counts from its handshake on: SYNs alone, whose
// senders nobody knows, take nothing from the source that they name.
#include "dataplane/session.h"
#include "dataplane/source.h"

#include <string.h>

#define PREFIX_BYTES 8 // of an IPv6 address: who has one of a network has them all

// Of the keyed hash of connections, two that differ in a field which no connection of clients has.
static uint64_t source_of(
	const struct engine *engine, const uint8_t address[16], uint8_t family, uint32_t link)
{
	struct flow_key key = {.link = link};
	uint64_t low;

	key.address.family = family;
	memcpy(key.address.address[0], address, family == 6 ? PREFIX_BYTES : 4);
	low = flow_hash(engine->flows, &key);
	key.address.port_be[0] = 1;
	return (uint64_t)flow_hash(engine->flows, &key) << 32 | low;
}

static uint64_t source_of_session(const struct engine *engine, const struct session *session)
{
	const struct flow_key *key = &session->flow.key;

	return source_of(engine, key->address.address[session->key_swapped ? 1 : 0],
		key->address.family, key->link);
}

bool session_source_has_room(const struct engine *engine, const struct arrival *arrival)
{
	const struct packet_address *from = &arrival->packet->from;

	if (engine->sources == NULL || arrival->at != LINK_OUTSIDE)
		return true;
	return source_count(engine->sources,
		       source_of(engine, from->address[0], from->family, arrival->link)) <
	       engine->options.max_per_source;
}

bool session_source_take(struct engine *engine, struct session *session)
{
	if (engine->sources == NULL || session->counted || session->client_at != LINK_OUTSIDE)
		return true;
	session->counted = source_take(engine->sources, source_of_session(engine, session),
		engine->options.max_per_source);
	return session->counted;
}

void session_source_give(struct engine *engine, struct session *session)
{
	if (!session->counted)
		return;
	session->counted = false;
	source_give(engine->sources, source_of_session(engine, session));
}
