// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/pools.h"

#include "dataplane/deferral.h"
#include "dataplane/message.h"
#include "dataplane/session.h"
#include "dataplane/source.h"
#include "dataplane/splice.h"
#include "dataplane/takeover.h"
#include "scan/scan_pool.h"

#include <stdio.h>

static bool is_whole(const char *name, uint32_t free, uint32_t all)
{
	if (free != all)
		(void)fprintf(stderr, "pool of %s: %u of %u are free\n", name, free, all);
	return free == all;
}

// Those that were given back, and those that were never used.
static uint32_t free_scans(const struct scanner *scanner)
{
	uint32_t count = scanner->options.max_messages - (uint32_t)scanner->messages_begun;

	for (const struct scan *scan = scanner->free_scans; scan != NULL; scan = scan->next)
		count++;
	return count;
}

bool pools_are_whole(const struct engine *engine)
{
	const struct engine_options *options = &engine->options;
	uint32_t messages = options->scan.max_messages;
	uint32_t splices = options->max_diverted < options->max_connections
				   ? options->max_diverted
				   : options->max_connections;
	bool whole = is_whole("pages", stream_pool_free_pages(engine->pages), options->max_pages);

	whole &= is_whole("lines", smtp_pool_free_lines(engine->lines), messages);
	whole &= is_whole("takeovers", takeover_pool_free(engine->takeovers), messages);
	whole &= is_whole(
		"deferrals", deferral_pool_free(engine->deferrals), engine_max_deferred(options));
	whole &= is_whole("captures", engine->scanner->captures.free_count,
		engine->scanner->captures.chunks_count);
	whole &= is_whole("splices", splice_pool_free(engine->splices), splices);
	whole &= is_whole("message blocks", message_pool_free_blocks(engine->messages),
		messages * MESSAGE_BLOCKS_EACH);
	whole &= is_whole("scans", free_scans(engine->scanner), messages);
	if (engine->sources != NULL)
		whole &= is_whole("sources", source_table_used(engine->sources), 0);
	whole &= is_whole("connections", engine_open_connections(engine), 0);
	return whole;
}
