// SPDX-License-Identifier: BSD-3-Clause
// What the MQTT channel is told by the configuration: the broker, who we are there, and the topics.
#pragma once

#include "control/alerts.h"
#include "control/control_options.h"

#define MQTT_MAX_LINES 1000 // envelopes in a payload
#define MQTT_SYSTEM_CA "/etc/ssl/certs"

struct mqtt_topics {
	char **names; // that are subscribed to
	int count;
	char *receipts; // where receipts go; NULL: nowhere
	char *client;   // our name at the broker
};

// By the configuration, or made of the names of vendor, groups and gateway. Returns 0, or -EINVAL with a text
// in error; to be let go of in either case.
int mqtt_topics_init(struct mqtt_topics *topics, const struct control_options *options,
	const struct alerts *alerts, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
void mqtt_topics_fini(struct mqtt_topics *topics);
// "host:port" or "[address]:port"; *host is freed with g_free.
bool mqtt_parse_broker(const char *text, char **host, uint16_t *port);
// The first lines of the files, NULL for none; freed with g_free. Returns 0, or -errno with a text in error.
int mqtt_read_credentials(const struct control_options *options, char **user, char **password,
	char *error, size_t error_bytes) __attribute__((warn_unused_result));
// Whether a line is more than blanks.
bool mqtt_is_text(const char *line, size_t bytes);
