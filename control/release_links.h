// SPDX-License-Identifier: BSD-3-Clause
// Connections to servers that wait for their next mail, a few seconds long.
#pragma once

#include "control/deliver_link.h"

#include <stdint.h>

struct release_links;

// mails: that one connection serves.
struct release_links *release_links_new(uint32_t mails);
void release_links_free(struct release_links *links);

// One that leads to this server, or a new one that leads nowhere yet; NULL: no memory. The caller owns it.
struct deliver_link *release_links_take(struct release_links *links, const char *server);
// Takes it back, and closes it when it has served enough or is of no use; link may be NULL.
void release_links_give(
	struct release_links *links, const char *server, struct deliver_link *link, int64_t now_s);
// Once a second: closes what nobody has asked for.
void release_links_turn(struct release_links *links, int64_t now_s);
