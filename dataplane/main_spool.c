// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/main_spool.h"

#include "dataplane/spool_io.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void fill_options(const struct options *options, struct spool_options *out)
{
	const struct options_spool *from = &options->spool;

	spool_options_init(out);
	out->workers = options->workers;
	out->records = from->records;
	out->memory_bytes = from->memory_bytes;
	out->spill_bytes = from->spill_bytes;
	out->record_bytes = from->record_bytes;
	out->segment_bytes = from->segment_bytes;
	out->spares = from->spares;
	out->quota_bytes = from->quota_bytes;
	out->slow_ns = from->slow_ms * 1000000ull;
	out->deadline_ns = from->deadline_seconds * (uint64_t)SECOND_NS;
	out->thread = true;
}

// What a crash has left, and mail that is gone, would count against the quota. Failing is no reason not to
// start: opening the spool says what is wrong.
static void reap(const char *directory, const struct spool_keys *keys)
{
	struct spoolfile *files = NULL;
	unsigned int removed;
	int err = spoolfile_open(directory, keys, &files);

	if (err != 0)
		return;
	err = spoolfile_reap(files, false, &removed);
	if (err != 0)
		main_complain(err, "spool: %s: looking for what is gone", directory);
	spoolfile_close(files);
}

int main_open_spool(struct gateway *gateway)
{
	const struct options_spool *options = &gateway->options.spool;
	struct spool_options spool;
	struct spool_keys *keys = NULL;
	struct spool_io *io = NULL;
	int err;

	if (options->directory[0] == '\0')
		return 0;
	if (mkdir(options->directory, 0700) != 0 && errno != EEXIST) {
		err = -errno;
		main_complain(err, "spool: %s", options->directory);
		return err;
	}
	err = spool_keys_open(options->key, &keys);
	if (err == -EBADMSG) {
		(void)fprintf(stderr, "cordon-dataplane: spool: %s: not a spool key, or damaged\n",
			options->key);
		return err;
	}
	if (err != 0) {
		main_complain(err, "spool: %s", options->key);
		return err;
	}
	reap(options->directory, keys);
	err = spool_io_open(options->directory, &io);
	fill_options(&gateway->options, &spool);
	if (err == 0)
		err = spool_open(&spool, keys, io, &gateway->spool);
	spool_keys_free(keys);
	if (err != 0)
		main_complain(err, "spool: %s", options->directory);
	return err;
}

static void report(struct gateway *gateway, const struct spool_status *status, bool is_removed)
{
	struct json_writer json;
	char reason[128];
	char text[512];

	json_begin(&json, text, sizeof(text));
	json_text(&json, "what", "spool");
	json_text(&json, "why",
		status->refusal != 0 ? strerror_r((int)status->refusal, reason, sizeof(reason))
		: is_removed         ? "somebody removed files that are in use"
		: status->slow != 0  ? "slow disk"
				     : "");
	json_number(&json, "fill_percent", status->fill_percent);
	json_number(&json, "fill_level", status->fill_level);
	json_number(&json, "usage_bytes", status->usage_bytes);
	json_number(&json, "slowest_us", status->slowest_us);
	json_bool(&json, "slow", status->slow != 0);
	json_bool(&json, "can_keep", status->refusal == 0);
	main_report(gateway, "fault", &json, text);
}

void main_watch_spool(struct gateway *gateway)
{
	struct spool_status status;
	bool is_removed;

	if (gateway->spool == NULL)
		return;
	spool_get_status(gateway->spool, &status);
	is_removed = status.segments_removed != gateway->spool_removed;
	if (!is_removed && status.fill_level == gateway->spool_level &&
		status.refusal == gateway->spool_refusal && status.slow == gateway->spool_slow)
		return;
	gateway->spool_level = status.fill_level;
	gateway->spool_refusal = status.refusal;
	gateway->spool_slow = status.slow;
	gateway->spool_removed = status.segments_removed;
	report(gateway, &status, is_removed);
}
