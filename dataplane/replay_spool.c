// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/replay_spool.h"

#include <errno.h>
#include <stdio.h>

// There is nothing to say of a copy but that there is one.
static void *begin(void *ctx, const struct held_mail *mail)
{
	(void)mail;
	return ctx;
}

static size_t room(void *ctx, void *copy)
{
	(void)ctx;
	(void)copy;
	return SIZE_MAX;
}

static int append(void *ctx, void *copy, const uint8_t *data, size_t n)
{
	(void)ctx;
	(void)copy;
	(void)data;
	(void)n;
	return 0;
}

static int commit(void *ctx, void *copy, const struct held_mail *mail)
{
	(void)ctx;
	(void)copy;
	(void)mail;
	return 0;
}

static int poll(void *ctx, void *copy, char record[ENGINE_RECORD_BYTES])
{
	struct replay_spool *spool = ctx;

	(void)copy;
	(void)snprintf(
		record, ENGINE_RECORD_BYTES, "replay-%llu", (unsigned long long)++spool->records);
	return 0;
}

static void give_up(void *ctx, void *copy)
{
	(void)ctx;
	(void)copy;
}

// Rules do not change here.
static int recall(void *ctx, void *copy)
{
	(void)ctx;
	(void)copy;
	return -ENOTSUP;
}

static int read(void *ctx, void *copy, engine_copy_fn fn, void *fn_ctx)
{
	(void)fn;
	(void)fn_ctx;
	return recall(ctx, copy);
}

void replay_spool_init(struct replay_spool *spool)
{
	*spool = (struct replay_spool){.ops = {.ctx = spool,
					       .begin = begin,
					       .room = room,
					       .append = append,
					       .commit = commit,
					       .poll = poll,
					       .abort = give_up,
					       .recall = recall,
					       .read = read}};
}
