// SPDX-License-Identifier: BSD-3-Clause
// What the MQTT channel is told by the configuration: the broker, who we are there, and the topics.
#pragma once

#include "control/alerts.h"
#include "control/control_options.h"

#define MQTT_MAX_LINES 1000 // envelopes in a payload

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
// Whether a line is more than blanks.
bool mqtt_is_text(const char *line, size_t bytes);
