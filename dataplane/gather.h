// SPDX-License-Identifier: BSD-3-Clause
// Messages that have ended in the burst of packets at hand, and wait for digests that come from their copies, or for
// what is left of those that have run while bytes passed: those of all are computed together when the burst is over,
// which takes less time than each by itself.
//
// The packet with such an end waits with it, and nothing else happens on its connection meanwhile: what would
// (another packet of it, its end, a tick, other rules or seals) has all of them decided first. So each connection
// goes as if its message had been decided at once, only a little later than others that came behind it. Outside
// of a burst nothing waits.
#pragma once

#include "dataplane/session.h"

#include <stdbool.h>
#include <stdint.h>

// The session's building message is to be decided. True: it will be when the burst is over. began_ns: the clock
// when its end was begun with.
bool gather_takes(struct engine *engine, struct session *session, uint64_t began_ns)
	__attribute__((warn_unused_result));
// The packet that brought the end of the message that was just taken.
void gather_keep(struct engine *engine, const struct arrival *arrival,
	const struct tcp_result *result, bool ack_is_new);
// Decides all there is: they go on.
void gather_settle(struct engine *engine);
