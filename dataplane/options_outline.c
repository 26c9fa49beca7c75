// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/options_outline.h"

#include "dataplane/options.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static_assert(OUTLINE_TEXT_BYTES == OPTIONS_WORD_BYTES, "a text of the configuration fits");

int options_outline_load(const char *path, struct options_outline *out, FILE *errors)
{
	struct options *options = calloc(1, sizeof(*options));
	int err;

	if (options == NULL)
		return -ENOMEM;
	options_init(options);
	err = options_load(path, OPTIONS_DAEMON, options, errors);
	if (err != 0)
		goto free_options;
	memcpy(out->rules, options->rules, sizeof(out->rules));
	memcpy(out->seals, options->seals, sizeof(out->seals));
	memcpy(out->command, options->command, sizeof(out->command));
	memcpy(out->spool.directory, options->spool.directory, sizeof(out->spool.directory));
	memcpy(out->spool.key, options->spool.key, sizeof(out->spool.key));
	out->hugepages = options->eal.hugepages;
	out->spool.segment_bytes = options->spool.segment_bytes;
	out->spool.spares = options->spool.spares;
	out->spool.quota_bytes = options->spool.quota_bytes;

free_options:
	free(options);
	return err;
}
