// SPDX-License-Identifier: BSD-3-Clause
// A connection to an MQTT 3.1.1 broker that is there already, on the main loop: made again with pauses that
// grow when it breaks off, subscribed to its topics at QoS 1. The session outlasts the connection (a name that
// stays, clean session off), so that the broker keeps what comes meanwhile.
//
// The library's socket is watched by the main loop; names are looked up and TCP connections made on another thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MQTT_LINK_UNANSWERED 20 // messages that the broker has not acknowledged

struct mqtt_link;

// All of it lasts as long as the link.
struct mqtt_settings {
	const char *section; // of the configuration, for people
	const char *broker;  // host:port
	const char *client;  // our name there
	bool plain;          // without TLS
	const char *ca;      // files; "": the system's
	const char *certificate;
	const char *key;      // "": none
	const char *user;     // files of one line each; "": none
	const char *password; // "": none
	char *const *topics;
	int topics_count;
};

struct mqtt_owner {
	// is_retained: what the broker had kept, as we have just subscribed.
	void (*message)(
		void *ctx, const char *topic, const void *data, size_t bytes, bool is_retained);
	// It is subscribed.
	void (*connected)(void *ctx);
	// There may be room to publish; at times also when there is none.
	void (*ready)(void *ctx);
	void *ctx;
};

// Connects in the background. Returns 0, or -errno with a text in error.
int mqtt_link_open(const struct mqtt_settings *settings, const struct mqtt_owner *owner,
	struct mqtt_link **out, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
void mqtt_link_close(struct mqtt_link *link);
// At QoS 1. Returns 0: it is the library's now, which sends it again until the broker has acknowledged it;
// -EAGAIN: not connected, or too many without an answer; -EINVAL.
int mqtt_link_publish(struct mqtt_link *link, const char *topic, const void *data, size_t bytes,
	bool is_retained) __attribute__((warn_unused_result));

struct mqtt_state {
	bool is_connected;
	unsigned int unanswered; // that were published
	uint64_t answered;
	uint64_t failed; // connections
	const char *why; // the last failure
};

struct mqtt_state mqtt_link_state(const struct mqtt_link *link);
