// SPDX-License-Identifier: BSD-3-Clause
// A web server without TLS beside what is tested.
#pragma once

#include "control/web_server.h"

// listen: as long as the server is opened.
static inline struct web_server_options plain_web(const char *listen, unsigned int idle_seconds)
{
	return (struct web_server_options){.section = "test",
		.listen = listen,
		.certificate = "",
		.key = "",
		.clients = "",
		.per_minute = 1000,
		.body_bytes = 1000,
		.idle_seconds = idle_seconds};
}
