// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/sink.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct copy {
	struct sink_record record;
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

static void *begin(void *ctx, const struct held_mail *mail)
{
	struct sink *sink = ctx;
	struct copy *copy = calloc(1, sizeof(*copy));

	(void)mail;
	assert(copy != NULL);
	sink->open++;
	put(copy->record.mail_from, sizeof(copy->record.mail_from), mail->mail_from);
	put(copy->record.mail_params, sizeof(copy->record.mail_params), mail->mail_params);
	copy->record.rcpt_to_count = mail->rcpt_to_count;
	for (size_t i = 0; i < mail->rcpt_to_count && i < SINK_RECIPIENTS; i++) {
		put(copy->record.rcpt_to[i], sizeof(copy->record.rcpt_to[i]),
			mail->rcpt_to[i].address);
		put(copy->record.rcpt_params[i], sizeof(copy->record.rcpt_params[i]),
			mail->rcpt_to[i].params);
	}
	return copy;
}

static void give_up(void *ctx, void *handle)
{
	struct sink *sink = ctx;
	struct copy *copy = handle;

	free(copy->record.data);
	free(copy);
	sink->open--;
}

static size_t room(void *ctx, void *handle)
{
	const struct sink *sink = ctx;
	const struct copy *copy = handle;

	if (sink->memory_bytes == 0)
		return SIZE_MAX;
	if (copy == NULL && sink->is_busy)
		return 0;
	return sink->memory_bytes - sink->memory_used;
}

static int append(void *ctx, void *handle, const uint8_t *data, size_t n)
{
	struct sink *sink = ctx;
	struct copy *copy = handle;
	struct sink_record *record = &copy->record;

	assert(!copy->committed);
	if (sink->max_bytes > 0 && record->bytes + n > sink->max_bytes) {
		give_up(ctx, handle);
		return -ENOSPC;
	}
	if (record->bytes + n > copy->room) {
		copy->room = (record->bytes + n) * 2;
		record->data = realloc(record->data, copy->room);
		assert(record->data != NULL);
	}
	if (sink->memory_bytes > 0) {
		if (n > sink->memory_bytes - sink->memory_used) {
			sink->overruns++;
			give_up(ctx, handle);
			return -EAGAIN;
		}
		sink->memory_used += n;
	}
	if (n > 0)
		memcpy(record->data + record->bytes, data, n);
	record->bytes += n;
	return 0;
}

static int commit(void *ctx, void *handle, const struct held_mail *mail)
{
	struct sink *sink = ctx;
	struct copy *copy = handle;
	struct sink_record *record = &copy->record;

	if (sink->commits_to_wait > 0) {
		sink->commits_to_wait--;
		return -EAGAIN;
	}
	sink->commits++;
	if (sink->refuse_commit) {
		give_up(ctx, handle);
		return -ENOSPC;
	}
	assert(mail->bytes == record->bytes);
	record->quarantine = mail->quarantine;
	put(record->reason, sizeof(record->reason), mail->reason);
	put(record->seal_mode, sizeof(record->seal_mode), mail->seal_mode);
	put(record->virus_id, sizeof(record->virus_id), mail->virus_id);
	put(record->signature, sizeof(record->signature), mail->signature);
	copy->polls = sink->polls;
	copy->fails = sink->fail_from > 0 && sink->commits >= sink->fail_from;
	copy->committed = true;
	return 0;
}

static int poll(void *ctx, void *handle, char record[ENGINE_RECORD_BYTES])
{
	struct sink *sink = ctx;
	struct copy *copy = handle;

	assert(copy->committed);
	if (copy->polls > 0) {
		copy->polls--;
		return -EINPROGRESS;
	}
	if (copy->fails) {
		give_up(ctx, handle);
		return sink->fail_with;
	}
	assert(sink->count < SINK_RECORDS);
	sink->records[sink->count++] = copy->record;
	(void)snprintf(record, ENGINE_RECORD_BYTES, "r%u", sink->count);
	free(copy);
	sink->open--;
	return 0;
}

static int recall(void *ctx, void *handle)
{
	struct sink *sink = ctx;
	const struct copy *copy = handle;

	assert(!copy->committed);
	if (sink->recall_polls > 0) {
		sink->recall_polls--;
		return -EINPROGRESS;
	}
	return sink->recall_error;
}

static int read(void *ctx, void *handle, engine_copy_fn fn, void *fn_ctx)
{
	struct sink *sink = ctx;
	const struct sink_record *record = &((const struct copy *)handle)->record;

	sink->reads++;
	for (size_t at = 0; at < record->bytes; at += SINK_READ_BYTES) {
		size_t left = record->bytes - at;
		int err = fn(
			fn_ctx, record->data + at, left < SINK_READ_BYTES ? left : SINK_READ_BYTES);

		if (err != 0)
			return err;
	}
	return sink->read_error;
}

void sink_drain(struct sink *sink, size_t n)
{
	sink->memory_used -= n < sink->memory_used ? n : sink->memory_used;
}

void sink_init(struct sink *sink)
{
	memset(sink, 0, sizeof(*sink));
	sink->ops = (struct engine_spool){.ctx = sink,
		.begin = begin,
		.room = room,
		.append = append,
		.commit = commit,
		.poll = poll,
		.abort = give_up,
		.recall = recall,
		.read = read};
	sink->fail_with = -EIO;
}

void sink_fini(struct sink *sink)
{
	for (uint32_t i = 0; i < sink->count; i++)
		free(sink->records[i].data);
	assert(sink->open == 0);
}
