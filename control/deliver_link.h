// SPDX-License-Identifier: BSD-3-Clause
// A connection to a mail server that serves several messages, one after the other. Blocks, but for
// deliver_link_free: one thread at a time.
//
// Source: RFC 5321 sections 3.1, 3.3 (several transactions in a session), 4.1.1.5 (RSET), 4.1.1.10 (QUIT).
#pragma once

#include <libetpan/libetpan.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct deliver_link {
	mailsmtp *smtp; // NULL: there is no connection
	char host[256];
	uint16_t port;
	uint32_t mails; // that it was used for
	bool is_dirty;  // what the last one left behind has to be forgotten first
};

// Returns NULL without memory.
struct deliver_link *deliver_link_new(void);
// Says good-bye where there is a connection, and does not wait for the answer.
void deliver_link_free(struct deliver_link *link);

// Whether it leads to this server and nothing is wrong with it, as far as can be told without asking: neither has the
// other side gone, nor said anything that it was not asked for.
bool deliver_link_is_ready(const struct deliver_link *link, const char *host, uint16_t port);
// Connects anew: greeting and EHLO, or HELO. Returns 0, or a negative errno, and then in why what was wrong, for people.
int deliver_link_connect(struct deliver_link *link, const char *host, uint16_t port,
	unsigned int seconds, char *why, size_t why_bytes);
// Without good-bye: it is of no use any more.
void deliver_link_drop(struct deliver_link *link);
