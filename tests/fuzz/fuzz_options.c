// SPDX-License-Identifier: BSD-3-Clause
// The configuration reader on any text. What it accepts keeps the bounds of the table, and what it
// refuses has at least one line that says why.
#include "dataplane/options.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_bounds(const struct options *options)
{
	if (options->workers < 1 || options->workers > OPTIONS_MAX_WORKERS ||
		options->links_count > OPTIONS_MAX_LINKS ||
		options->engine.smtp_ports_count > ENGINE_MAX_PORTS ||
		options->engine.max_half_open > options->engine.max_connections ||
		options->engine.name[0] == '\0')
		abort();
	for (uint32_t i = 0; i < options->links_count; i++) {
		const struct options_link *link = &options->links[i];

		if (link->mtu < 576 || link->mtu > 9600 || link->name[0] == '\0' ||
			(link->side[0].device[0] == '\0') == (link->side[0].interface[0] == '\0'))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct options options;
	char complaints[4096] = "";
	FILE *errors = fmemopen(complaints, sizeof(complaints), "w");
	int err;

	if (errors == NULL)
		return 0;
	err = options_load_text("f", (const char *)data, n, OPTIONS_REPLAY, &options, errors);
	(void)fclose(errors);
	if (err == 0)
		check_bounds(&options);
	else if (strncmp(complaints, "f:", 2) != 0)
		abort();
	return 0;
}
