// SPDX-License-Identifier: BSD-3-Clause
// Takeover before the body: a mail that a seal covers is taken in by the engine instead of the server, and
// the connection goes on behind it.
//
// The command that would begin the message is withheld until the server has answered everything before it.
// Then the server is told RSET, for the recipients it knows will get nothing; the client is told 354 (or
// each chunk's 250), its message is scanned and copied into the spool, and answered when that is durable and
// the server has answered too. A server that takes its leave meanwhile costs no mail: the client is
// answered, and then told 421. A client that does costs one: nothing of it is kept.
#pragma once

#include "dataplane/session.h"

#include <stdbool.h>
#include <stdint.h>

// The client has said DATA or its first BDAT, as event: withholds it where a seal may cover the message.
void divert_offer(struct engine *engine, struct session *session, const struct smtp_event *event,
	uint64_t now_ns);
// What was withheld begins, or goes on to the server after all, once the server has said what it had to.
void divert_settle(struct engine *engine, struct session *session, uint64_t now_ns);
// A segment of the client's (accepted, its payload stored), or one of the server's by its own numbers.
// is_new: some of the payload was not there before.
void divert_client(struct engine *engine, struct session *session, const struct tcp_result *result,
	bool is_new, uint64_t now_ns);
void divert_server(struct engine *engine, struct session *session, const struct arrival *arrival,
	const struct tcp_result *result);
// There is room for more of its message, or there never will be.
void divert_go_on(struct engine *engine, struct session *session, uint64_t now_ns);
// The client's message has ended, or its command has another meaning than the message's.
void divert_message_end(struct engine *engine, struct session *session, uint64_t now_ns);
void divert_command(struct engine *engine, struct session *session, const struct smtp_event *event,
	uint64_t now_ns);
// Its verdict stands, which another thread has worked for.
void divert_decided(struct engine *engine, struct session *session, uint64_t now_ns);
// All bytes that were read are the engine's.
void divert_swallow(struct engine *engine, struct session *session);
// Is there room for one more line to the client? What would ask for it is not read before.
bool divert_has_room(const struct session *session);
// Says a line to the client in the server's name. False: there was no room, both sides were reset.
bool divert_say(struct engine *engine, struct session *session, const char *text, uint64_t now_ns);
// The message's answer is known, or there is none to give: goes on when the server is ready.
void divert_answer(struct engine *engine, struct session *session, uint64_t now_ns);
// Retransmissions and time-outs of a few.
void divert_tick(struct engine *engine, uint64_t now_ns);
