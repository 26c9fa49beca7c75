// SPDX-License-Identifier: BSD-3-Clause
#include "control/channel.h"

#include <errno.h>
#include <stdlib.h>

static const struct channel_kind *const kinds[] = {
	&channel_pull, &channel_https, &channel_tcp, &channel_udp, &channel_mqtt, &channel_snmp};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct channels {
	void *open[KINDS]; // NULL: off
};

int channels_open(const struct control_options *options, struct alerts *alerts,
	struct channels **out, char *error, size_t error_bytes)
{
	struct channels *channels = calloc(1, sizeof(*channels));

	if (channels == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < KINDS; i++) {
		int err = kinds[i]->open(options, alerts, &channels->open[i], error, error_bytes);

		if (err != 0) {
			channels_close(channels);
			return err;
		}
	}
	*out = channels;
	return 0;
}

void channels_close(struct channels *channels)
{
	if (channels == NULL)
		return;
	for (size_t i = 0; i < KINDS; i++) {
		if (channels->open[i] != NULL)
			kinds[i]->close(channels->open[i]);
	}
	free(channels);
}

json_t *channels_status(const struct channels *channels)
{
	json_t *status = json_object();

	for (size_t i = 0; i < KINDS; i++) {
		if (channels->open[i] != NULL)
			(void)json_object_set_new(
				status, kinds[i]->name, kinds[i]->status(channels->open[i]));
	}
	return status;
}
