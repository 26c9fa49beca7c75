// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/spool.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct copy {
	struct spool_record record;
	size_t room;
	uint32_t polls;
	bool fails;
	bool committed;
};

static void put(char *out, size_t room, const char *text)
{
	int n = snprintf(out, room, "%s", text);

	assert(n >= 0 && (size_t)n < room);
	(void)n;
}

static void *begin(void *ctx)
{
	struct spool *spool = ctx;
	struct copy *copy = calloc(1, sizeof(*copy));

	assert(copy != NULL);
	spool->open++;
	return copy;
}

static void give_up(void *ctx, void *handle)
{
	struct spool *spool = ctx;
	struct copy *copy = handle;

	free(copy->record.data);
	free(copy);
	spool->open--;
}

static int append(void *ctx, void *handle, const uint8_t *data, size_t n)
{
	struct spool *spool = ctx;
	struct copy *copy = handle;
	struct spool_record *record = &copy->record;

	assert(!copy->committed);
	if (spool->max_bytes > 0 && record->bytes + n > spool->max_bytes) {
		give_up(ctx, handle);
		return -ENOSPC;
	}
	if (record->bytes + n > copy->room) {
		copy->room = (record->bytes + n) * 2;
		record->data = realloc(record->data, copy->room);
		assert(record->data != NULL);
	}
	if (n > 0)
		memcpy(record->data + record->bytes, data, n);
	record->bytes += n;
	return 0;
}

static int commit(void *ctx, void *handle, const struct held_mail *mail)
{
	struct spool *spool = ctx;
	struct copy *copy = handle;
	struct spool_record *record = &copy->record;

	spool->commits++;
	if (spool->refuse_commit) {
		give_up(ctx, handle);
		return -ENOSPC;
	}
	assert(mail->bytes == record->bytes);
	put(record->mail_from, sizeof(record->mail_from), mail->mail_from);
	put(record->mail_params, sizeof(record->mail_params), mail->mail_params);
	record->rcpt_to_count = mail->rcpt_to_count;
	for (size_t i = 0; i < mail->rcpt_to_count && i < SPOOL_RECIPIENTS; i++) {
		put(record->rcpt_to[i], sizeof(record->rcpt_to[i]), mail->rcpt_to[i].address);
		put(record->rcpt_params[i], sizeof(record->rcpt_params[i]),
			mail->rcpt_to[i].params);
	}
	record->quarantine = mail->quarantine;
	put(record->reason, sizeof(record->reason), mail->reason);
	put(record->seal_mode, sizeof(record->seal_mode), mail->seal_mode);
	put(record->virus_id, sizeof(record->virus_id), mail->virus_id);
	put(record->signature, sizeof(record->signature), mail->signature);
	copy->polls = spool->polls;
	copy->fails = spool->fail_from > 0 && spool->commits >= spool->fail_from;
	copy->committed = true;
	return 0;
}

static int poll(void *ctx, void *handle, uint64_t *number)
{
	struct spool *spool = ctx;
	struct copy *copy = handle;

	assert(copy->committed);
	if (copy->polls > 0) {
		copy->polls--;
		return -EINPROGRESS;
	}
	if (copy->fails) {
		give_up(ctx, handle);
		return spool->fail_with;
	}
	assert(spool->count < SPOOL_RECORDS);
	spool->records[spool->count++] = copy->record;
	*number = spool->count;
	free(copy);
	spool->open--;
	return 0;
}

void spool_init(struct spool *spool)
{
	memset(spool, 0, sizeof(*spool));
	spool->ops = (struct engine_spool){.ctx = spool,
		.begin = begin,
		.append = append,
		.commit = commit,
		.poll = poll,
		.abort = give_up};
	spool->fail_with = -EIO;
}

void spool_fini(struct spool *spool)
{
	for (uint32_t i = 0; i < spool->count; i++)
		free(spool->records[i].data);
	assert(spool->open == 0);
}
