// SPDX-License-Identifier: BSD-3-Clause
// The ways by which alerts come in and receipts go out. A channel takes bytes and gives bytes; what they
// mean is alerts.h's business. Each is on when its part of the configuration says so.
#pragma once

#include "control/alerts.h"
#include "control/control_options.h"

#include <stddef.h>

struct channel_kind {
	const char *name; // in events and in the configuration
	// *out stays NULL when it is off. Returns 0, or -errno with a text in error.
	int (*open)(const struct control_options *options, struct alerts *alerts, void **out,
		char *error, size_t error_bytes);
	void (*close)(void *channel);
	json_t *(*status)(const void *channel); // for people; the caller's
};

extern const struct channel_kind channel_pull;  // a feed that is fetched
extern const struct channel_kind channel_https; // POST /v1/alerts
extern const struct channel_kind channel_tcp;   // frames with their length before them
extern const struct channel_kind channel_udp;   // a datagram each
extern const struct channel_kind channel_mqtt;  // what a broker has
extern const struct channel_kind channel_snmp;  // notifications

struct channels;

// Opens all that the configuration names. Returns 0, or -errno with a text in error.
int channels_open(const struct control_options *options, struct alerts *alerts,
	struct channels **out, char *error, size_t error_bytes) __attribute__((warn_unused_result));
void channels_close(struct channels *channels);
// {name: status}; the caller's.
json_t *channels_status(const struct channels *channels);
