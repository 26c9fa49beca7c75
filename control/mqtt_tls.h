// SPDX-License-Identifier: BSD-3-Clause
// TLS of a connection to a broker that the library makes by an address, while the certificate is to be the name's.
#pragma once

#include "control/mqtt_link.h"

#include <mosquitto.h>

// Before the first connection. host: of the broker, a name or an address. Returns 0, or -errno with a text in error.
int mqtt_tls_set_up(struct mosquitto *mosquitto, const struct mqtt_settings *settings,
	const char *host, char *error, size_t error_bytes) __attribute__((warn_unused_result));
