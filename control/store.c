// SPDX-License-Identifier: BSD-3-Clause
#include "control/store.h"

#include "control/control_events.h"
#include "control/store_index.h"
#include "control/store_json.h"
#include "control/urgent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000
#define LOG_NAME "control"
#define REAP_NS (5 * (int64_t)NS_PER_S)      // after mail has gone
#define REAP_ALL_NS (60 * (int64_t)NS_PER_S) // also when none has: of what was never finished
#define LOG_BYTES (16u << 20)                // of a log that is worth being written anew

struct store {
	struct spool_keys *keys;
	char *key_file;
	struct spoolfile *files;
	struct spool_io *io;
	struct spoolfile_log *log;
	struct store_index *index;
	uint32_t settle_seconds;
	uint64_t log_limit; // at which the log is written anew
	int64_t reaped_ns;
	bool any_gone; // since then
	bool is_changing;
};

static struct spool_text text_of(const char *text)
{
	return (struct spool_text){text, strlen(text)};
}

static int open_log(struct store *store)
{
	int err = spoolfile_log_open(store->files, LOG_NAME, store->io, &store->log);

	if (err != 0) {
		store->log = NULL;
		return err;
	}
	store->log_limit = 2 * spoolfile_log_bytes(store->log);
	if (store->log_limit < LOG_BYTES)
		store->log_limit = LOG_BYTES;
	return 0;
}

static void close_log(struct store *store)
{
	if (store->log != NULL)
		spoolfile_log_close(store->log);
	store->log = NULL;
}

// While much is looked through, and while the disk is waited for.
static void serve_alerts(struct spoolfile *files)
{
	spoolfile_meanwhile(files, urgent_turn);
	spoolfile_wait(files, urgent_wait);
}

static int open_parts(struct store *store, const struct store_options *options, const char **what)
{
	int err;

	*what = options->key_file;
	store->key_file = strdup(options->key_file);
	if (store->key_file == NULL)
		return -ENOMEM;
	err = spool_keys_open(options->key_file, &store->keys);
	if (err != 0)
		return err;
	*what = options->directory;
	err = spoolfile_open(options->directory, store->keys, &store->files);
	if (err == 0)
		err = spool_plain_open(options->directory, &store->io);
	if (err == 0)
		serve_alerts(store->files);
	if (err == 0)
		err = open_log(store);
	// With a full disk there is no log yet: mail can be looked at, and some of it be thrown away by hand.
	if (err == -ENOSPC || err == -EDQUOT)
		err = 0;
	return err == 0 ? store_index_open(&store->index) : err;
}

int store_open(
	const struct store_options *options, struct store **out, char *error, size_t error_bytes)
{
	struct store *store = calloc(1, sizeof(*store));
	const char *what = "";
	char reason[128];
	int err;

	if (store == NULL)
		return -ENOMEM;
	store->settle_seconds = options->settle_seconds;
	err = open_parts(store, options, &what);
	if (err != 0) {
		(void)snprintf(error, error_bytes, "%s: %s", what,
			err == -EBADMSG && what == options->key_file
				? "not a spool key, or damaged"
				: strerror_r(-err, reason, sizeof(reason)));
		store_close(store);
		return err;
	}
	*out = store;
	return 0;
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	store_index_close(store->index);
	close_log(store);
	if (store->io != NULL)
		store->io->ops->close(store->io);
	if (store->files != NULL)
		spoolfile_close(store->files);
	if (store->keys != NULL)
		spool_keys_free(store->keys);
	free(store->key_file);
	free(store);
}

// ---- taking in ----------------------------------------------------------------------------------

static int add_record(struct store *store, const struct spoolfile_record *record, int64_t now_ns)
{
	struct spoolfile_reader *reader = NULL;
	json_t *envelope;
	json_t *reason;
	int err = spoolfile_reader_open(store->files, record->id, &reader);

	if (err != 0)
		return err;
	envelope = store_json_envelope(spoolfile_envelope(reader));
	reason = store_json_reason(spoolfile_reason(reader));
	err = store_index_add(store->index, record, envelope, reason, now_ns);
	json_decref(envelope);
	json_decref(reason);
	spoolfile_reader_close(reader);
	return err;
}

static int index_all(struct store *store, int64_t now_ns)
{
	const struct spoolfile_record *records;
	size_t n = spoolfile_list(store->files, &records);
	int err = 0;

	store_index_pass(store->index);
	for (size_t i = 0; i < n; i++) {
		urgent_turn();
		if (store_index_know(store->index, &records[i]))
			continue;
		// One that cannot be read is in the statistics; the others go on.
		err = add_record(store, &records[i], now_ns);
		if (err == -ENOMEM)
			break;
	}
	store_index_pass_end(store->index);
	return err == -ENOMEM ? err : 0;
}

int store_refresh(struct store *store, bool thorough, int64_t now_ns)
{
	int err = spoolfile_refresh(store->files, thorough);

	return err == 0 ? index_all(store, now_ns) : err;
}

int store_glance(struct store *store, int64_t now_ns)
{
	int err = spoolfile_glance(store->files);

	return err == 0 ? index_all(store, now_ns) : err;
}

int store_keep_key(const struct store *store)
{
	return spool_keys_restore(store->key_file, store->keys);
}

void store_reap(struct store *store, int64_t now_ns)
{
	unsigned int removed = 0;
	int64_t pause = store->any_gone ? REAP_NS : REAP_ALL_NS;

	if (now_ns - store->reaped_ns < pause)
		return;
	store->reaped_ns = now_ns;
	store->any_gone = false;
	if (spoolfile_reap(store->files, false, &removed) != 0)
		store->any_gone = true;
	if (store->log != NULL && spoolfile_log_bytes(store->log) > store->log_limit) {
		close_log(store);
		(void)open_log(store);
	}
}

// ---- questions ----------------------------------------------------------------------------------

json_t *store_counts(const struct store *store)
{
	json_t *counts = store_index_counts(store->index);
	struct spoolfile_stats stats;

	spoolfile_get_stats(store->files, &stats);
	(void)json_object_set_new(counts, "segments", json_integer(stats.segments));
	(void)json_object_set_new(
		counts, "segment_bytes", json_integer((json_int_t)stats.segment_bytes));
	(void)json_object_set_new(counts, "bad",
		json_integer((json_int_t)stats.chunks_bad + (json_int_t)stats.files_failed));
	return counts;
}

int store_read_error(const struct store *store)
{
	struct spoolfile_stats stats;

	spoolfile_get_stats(store->files, &stats);
	return stats.files_error;
}

json_t *store_list(const struct store *store, const json_t *filter)
{
	return store_index_list(store->index, filter);
}

bool store_has(struct store *store, struct spool_id id)
{
	return spoolfile_find(store->files, id) != NULL;
}

bool store_get_state(const struct store *store, struct spool_id id, enum spool_state *out)
{
	return store_index_get_state(store->index, id, out);
}

bool store_is_changed(const struct store *store, struct spool_id id)
{
	return store_index_is_changed(store->index, id);
}

json_t *store_covered(const struct store *store, struct spool_id id)
{
	return store_index_covered(store->index, id);
}

void store_set_covered(struct store *store, struct spool_id id, const json_t *seals)
{
	store_index_set_covered(store->index, id, seals);
}

static void add_change(void *ctx, const struct spool_change *change)
{
	(void)json_array_append_new(ctx, store_json_change(change));
}

json_t *store_show(struct store *store, struct spool_id id)
{
	const struct spoolfile_record *record = spoolfile_find(store->files, id);
	struct spoolfile_reader *reader = NULL;
	char text[SPOOL_ID_TEXT_BYTES];
	json_t *object;
	json_t *history;

	if (record == NULL || spoolfile_reader_open(store->files, id, &reader) != 0)
		return NULL;
	object = json_pack("{s:s, s:s, s:I}", "id", spool_id_text(id, text), "state",
		spool_state_name(record->state), "bytes", (json_int_t)record->body_bytes);
	(void)json_object_set_new(
		object, "envelope", store_json_envelope(spoolfile_envelope(reader)));
	history = store_json_reason(spoolfile_reason(reader));
	(void)json_object_update(object, history);
	json_decref(history);
	spoolfile_reader_close(reader);
	history = json_array();
	if (spoolfile_history(store->files, id, add_change, history) != 0)
		(void)json_array_clear(history);
	(void)json_object_set_new(object, "history", history);
	return object;
}

// all: there must be no more of it than there is room for; else what there is room for is enough.
static int read_body(
	struct spoolfile_reader *reader, uint8_t *out, size_t room, bool all, size_t *bytes)
{
	*bytes = 0;
	while (all || *bytes < room) {
		const uint8_t *data;
		size_t n;
		int err = spoolfile_read(reader, &data, &n);

		urgent_turn();

		if (err != 0 || n == 0)
			return err;
		if (all && n > room - *bytes)
			return -EBADMSG;
		n = n < room - *bytes ? n : room - *bytes;
		memcpy(out + *bytes, data, n);
		*bytes += n;
	}
	return 0;
}

int store_read_head(
	struct store *store, struct spool_id id, size_t max_bytes, struct store_message *out)
{
	const struct spoolfile_record *record = spoolfile_find(store->files, id);
	struct spoolfile_reader *reader = NULL;
	size_t room;
	int err;

	memset(out, 0, sizeof(*out));
	if (record == NULL)
		return -ENOENT;
	room = record->body_bytes < max_bytes ? record->body_bytes : max_bytes;
	err = spoolfile_reader_open(store->files, id, &reader);
	if (err != 0)
		return err;
	out->id = id;
	out->state = record->state;
	out->envelope = store_json_envelope(spoolfile_envelope(reader));
	out->data = malloc(room + 1);
	err = out->data == NULL
		      ? -ENOMEM
		      : read_body(reader, out->data, room, room == record->body_bytes, &out->bytes);
	if (err == 0 && out->bytes != room)
		err = -EBADMSG;
	spoolfile_reader_close(reader);
	if (err != 0)
		store_message_fini(out);
	return err;
}

int store_read(struct store *store, struct spool_id id, size_t max_bytes, struct store_message *out)
{
	const struct spoolfile_record *record = spoolfile_find(store->files, id);

	memset(out, 0, sizeof(*out));
	if (record == NULL)
		return -ENOENT;
	if (record->body_bytes > max_bytes)
		return -EFBIG;
	return store_read_head(store, id, max_bytes, out);
}

void store_message_fini(struct store_message *message)
{
	json_decref(message->envelope);
	free(message->data);
	memset(message, 0, sizeof(*message));
}

// ---- changes ------------------------------------------------------------------------------------

int store_change_error(struct store *store)
{
	int err = store->log != NULL ? 0 : open_log(store);

	if (err != 0)
		return err;
	return spoolfile_log_has_room(store->log) ? 0 : -ENOSPC;
}

bool store_can_change(struct store *store)
{
	return store_change_error(store) == 0;
}

struct append {
	struct spoolfile_log *log;
	const struct spool_change *change;
	int err;
};

static void append(void *ctx)
{
	struct append *append = ctx;

	append->err = spoolfile_log_append(append->log, append->change);
}

int store_change(struct store *store, struct spool_id id, enum spool_state state, const char *who,
	const char *why)
{
	const struct spool_change change = {
		.id = id,
		.state = state,
		.time_ns = control_now_ns(),
		.who = text_of(who),
		.why = text_of(why),
	};
	struct append job = {.change = &change};
	int err;

	// Of what is served meanwhile nothing changes the store.
	if (store->is_changing)
		return -EBUSY;
	err = store->log != NULL ? 0 : open_log(store);
	if (err == 0) {
		job.log = store->log;
		store->is_changing = true;
		urgent_wait(append, &job);
		store->is_changing = false;
		err = job.err;
	}
	if (err == 0) {
		store->any_gone |= spool_state_is_gone(state);
		store_index_set_state(store->index, id, state);
		return 0;
	}
	// What is there is found out by opening it again.
	close_log(store);
	(void)open_log(store);
	return err;
}

size_t store_settled(const struct store *store, enum spool_state state, const char *key,
	int64_t now_ns, struct spool_id *out, size_t room)
{
	return store_index_settled(store->index, state, key,
		now_ns - (int64_t)store->settle_seconds * NS_PER_S, out, room);
}

void store_set_judged(struct store *store, struct spool_id id, const char *key)
{
	store_index_set_judged(store->index, id, key);
}

bool store_next_alert(struct store *store, struct spool_id *out)
{
	return store_index_next_alert(store->index, out);
}

bool store_is_unread_alert(const struct store *store, struct spool_id id)
{
	return store_index_is_unread_alert(store->index, id);
}
