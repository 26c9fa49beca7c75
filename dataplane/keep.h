// SPDX-License-Identifier: BSD-3-Clause
// A message's copy in the spool: begun with the message, given up when that is delivered or refused, and
// made durable when it must not be lost. A message that waits until it is durable has read its end and has
// not answered it.
#pragma once

#include "dataplane/message.h"

#include <stddef.h>
#include <stdint.h>

// Begins a copy where one may be needed: of what is taken in, by configuration, or because a policy keeps.
void keep_begin(struct engine *engine, struct session *session, struct message *message);
// What does not fit ends the copy, not the message.
void keep_feed(struct engine *engine, struct message *message, const uint8_t *data, size_t n);
// The message could be made durable.
bool keep_is_possible(const struct message *message);
// The message's action says that it is kept.
static inline bool message_is_kept(const struct message *message)
{
	return message->action == POLICY_HOLD || message->action == POLICY_QUARANTINE;
}
// Why it could not: its envelope, or the spool.
static inline const char *keep_obstacle(const struct message *message)
{
	return message->unkeepable != NULL ? message->unkeepable : "spool";
}
// Makes it durable. True: wait, dialogue_kept will be called. False: it cannot be kept; action and reply were
// changed accordingly.
bool keep_commit(struct engine *engine, struct message *message, uint64_t now_ns);
// Whether the copy takes more of the body now. False: the message waits, and its session goes on by itself
// when there is room, or when waiting took too long and the copy was given up.
bool keep_has_room(struct engine *engine, struct message *message, uint64_t now_ns);
// The same for a body that passes. When a seal came in its middle it may have to be kept, and must not outgrow
// its copy; without one a copy that finds no room is given up, and nobody waits.
bool keep_may_pass(struct engine *engine, struct session *session, uint64_t now_ns);
// The same for a message whose copy is to be begun.
bool keep_can_begin(struct engine *engine, struct message *message, uint64_t now_ns);
// What a sender may be told that it can send of this message, at most most.
uint32_t keep_window(const struct engine *engine, const struct message *message, uint32_t most);
static inline bool message_waits_for_room(const struct message *message)
{
	return message->waits == MESSAGE_WAITS_FOR_ROOM;
}
// Gives the copy up, durable in progress or not.
void keep_drop(struct engine *engine, struct message *message);
// Looks at some of those that wait.
void keep_tick(struct engine *engine, uint64_t now_ns);
