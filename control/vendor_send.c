// SPDX-License-Identifier: BSD-3-Clause
#include "control/vendor_send.h"

#include <glib.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A gateway that pulls asks for the feed, which is published: nothing is sent to it.
static const struct vendor_way pull = {.kind = "pull"};

static const struct vendor_way *const ways[] = {&vendor_way_https, &vendor_way_tcp,
	&vendor_way_tcp_in, &vendor_way_udp, &vendor_way_snmp, &vendor_way_mqtt, &vendor_way_mail,
	&pull};

#define WAYS (sizeof(ways) / sizeof(ways[0]))

struct vendor_send {
	void *opened[WAYS];
};

static size_t find_way(const json_t *channel)
{
	const char *kind = json_string_value(json_object_get(channel, "kind"));
	size_t i = 0;

	while (i < WAYS && (kind == NULL || strcmp(ways[i]->kind, kind) != 0))
		i++;
	return i;
}

static int check_member(
	const struct vendor_member *member, const json_t *channel, char *why, size_t why_bytes)
{
	const json_t *given = json_object_get(channel, member->name);
	const char *value = json_string_value(given);

	if (given == NULL && !member->is_needed)
		return 0;
	if (value == NULL || strlen(value) >= CONTROL_TEXT_BYTES) {
		(void)snprintf(why, why_bytes, "channels: %s must be a text of at most %d bytes",
			member->name, CONTROL_TEXT_BYTES - 1);
		return -EINVAL;
	}
	return member->check != NULL ? member->check(value, why, why_bytes) : 0;
}

int vendor_send_check(const json_t *channel, char *why, size_t why_bytes)
{
	size_t known = 1; // its kind
	size_t way = find_way(channel);
	int err = 0;

	if (way == WAYS) {
		(void)snprintf(why, why_bytes,
			"channels: kind must be https, tcp, tcp-in, udp, snmp, mqtt, mail or pull");
		return -EINVAL;
	}
	for (const struct vendor_member *member = ways[way]->members;
		member->name != NULL && err == 0; member++) {
		known += json_object_get(channel, member->name) != NULL ? 1 : 0;
		err = check_member(member, channel, why, why_bytes);
	}
	if (err == 0 && json_object_size(channel) != known) {
		(void)snprintf(why, why_bytes, "channels: a channel of kind %s has no such member",
			ways[way]->kind);
		err = -EINVAL;
	}
	return err;
}

int vendor_send_open(const struct vendor_options *options, const struct vendor_sink *sink,
	struct vendor_send **out, char *error, size_t error_bytes)
{
	struct vendor_send *send = calloc(1, sizeof(*send));
	int err = send != NULL ? 0 : -ENOMEM;

	for (size_t i = 0; i < WAYS && err == 0; i++) {
		if (ways[i]->open != NULL)
			err = ways[i]->open(options, sink, &send->opened[i], error, error_bytes);
	}
	if (err != 0)
		vendor_send_close(send);
	else
		*out = send;
	return err;
}

void vendor_send_close(struct vendor_send *send)
{
	if (send == NULL)
		return;
	// One that closes lets the main loop go round, which may want to send by those that are closed.
	for (size_t i = 0; i < WAYS; i++) {
		void *opened = send->opened[i];

		send->opened[i] = NULL;
		if (opened != NULL)
			ways[i]->close(opened);
	}
	free(send);
}

int vendor_send_try(struct vendor_send *send, const struct vendor_try *try)
{
	size_t i = find_way(try->channel);

	if (i == WAYS || send->opened[i] == NULL)
		return -ENOENT;
	return ways[i]->send(send->opened[i], try);
}

void vendor_send_publish(
	struct vendor_send *send, const struct queue_alert *const *open, size_t count)
{
	for (size_t i = 0; i < WAYS; i++) {
		if (send->opened[i] != NULL && ways[i]->publish != NULL)
			ways[i]->publish(send->opened[i], open, count);
	}
}

json_t *vendor_send_faults(const struct vendor_send *send)
{
	json_t *faults = json_object();

	for (size_t i = 0; i < WAYS; i++) {
		const char *fault;

		if (send->opened[i] == NULL || ways[i]->fault == NULL)
			continue;
		fault = ways[i]->fault(send->opened[i]);
		(void)json_object_set_new(
			faults, ways[i]->kind, json_string(fault != NULL ? fault : ""));
	}
	return faults;
}

void vendor_send_turn(struct vendor_send *send)
{
	for (size_t i = 0; i < WAYS; i++) {
		if (send->opened[i] != NULL && ways[i]->turn != NULL)
			ways[i]->turn(send->opened[i]);
	}
}
