// SPDX-License-Identifier: BSD-3-Clause
// Who may connect to a web server, and how many connections there are, in all and of one place (address_place): somebody
// who opens them and says nothing must not use up the process's descriptors.
#pragma once

#include "control/web_server.h"

#include <stdbool.h>
#include <stddef.h>

struct web_connections;

// Returns 0, or -errno with a text in error: of options.allow.
int web_connections_new(const struct web_server_options *options, struct web_connections **out,
	char *error, size_t error_bytes) __attribute__((warn_unused_result));
void web_connections_free(struct web_connections *connections);
// Whether the peer of a new socket may ask, and there is room for one more. It is noticed when it is gone (alive.h).
bool web_connections_may_come(const struct web_connections *connections, int fd);
// connection: any pointer that is its own as long as it lives. A second time does nothing.
void web_connections_add(
	struct web_connections *connections, const void *connection, const char *address);
void web_connections_remove(struct web_connections *connections, const void *connection);
