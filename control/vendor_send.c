// SPDX-License-Identifier: BSD-3-Clause
#include "control/vendor_send.h"

#include <glib.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A gateway that pulls asks for the feed, which is published: nothing is sent to it.
static const struct vendor_way pull = {.kind = "pull"};

static const struct vendor_way *const ways[] = {
	&vendor_way_https, &vendor_way_tcp, &vendor_way_tcp_in, &vendor_way_udp, &pull};

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

int vendor_send_check(const json_t *channel, char *why, size_t why_bytes)
{
	size_t i = find_way(channel);
	const char *parameter;

	if (i == WAYS) {
		(void)snprintf(
			why, why_bytes, "channels: kind must be https, tcp, tcp-in, udp or pull");
		return -EINVAL;
	}
	if (json_object_size(channel) != (ways[i]->parameter != NULL ? 2 : 1)) {
		(void)snprintf(why, why_bytes, "channels: a channel of kind %s has %s",
			ways[i]->kind,
			ways[i]->parameter != NULL ? ways[i]->parameter : "nothing else");
		return -EINVAL;
	}
	if (ways[i]->parameter == NULL)
		return 0;
	parameter = json_string_value(json_object_get(channel, ways[i]->parameter));
	if (parameter == NULL || strlen(parameter) >= CONTROL_TEXT_BYTES) {
		(void)snprintf(why, why_bytes, "channels: %s must be a text of at most %d bytes",
			ways[i]->parameter, CONTROL_TEXT_BYTES - 1);
		return -EINVAL;
	}
	return ways[i]->check(parameter, why, why_bytes);
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
