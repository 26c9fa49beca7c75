// SPDX-License-Identifier: BSD-3-Clause
// Arbitrary bytes as a segment or a state log of the buffer. Nothing is listed that was not sealed under
// the gateway's key, and what is listed can be read and is what was written. An input that begins with 'M'
// changes a good segment, three bytes a change: place (two) and value; with 'L' a good state log; any other
// is the file itself.
#include "dataplane/spool.h"
#include "dataplane/spool_io.h"
#include "dataplane/spoolfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_BYTES 65536u
#define MAILS 6
#define MAIL_BYTES ((size_t)1999) // the first one has none, the second that many, and so on

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char folder[] = "/tmp/cordon-fuzz-spool-XXXXXX";
static char segment[sizeof(folder) + 16];
static char state_log[sizeof(folder) + 16];
static struct spool_keys *keys;
static uint8_t good[2][FILE_BYTES]; // segment, log
static size_t good_bytes[2];

static void need(bool is_so)
{
	if (!is_so)
		abort();
}

static size_t body_of(uint32_t mail, uint8_t *out)
{
	size_t n = mail * MAIL_BYTES;

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(mail + i * 7);
	return n;
}

static void write_mail(struct spool *spool, uint32_t mail)
{
	struct spool_worker *worker = spool_get_worker(spool, 0);
	const struct spool_envelope envelope = {.message = mail, .mail_from = {"a@b", 3}};
	const struct spool_reason reason = {.state = SPOOL_HELD};
	struct spool_record *record;
	struct spool_done done;
	uint8_t body[MAILS * MAIL_BYTES];

	need(spool_begin(worker, &envelope, NULL, &record) == 0);
	need(spool_append(record, body, body_of(mail, body)) == 0);
	need(spool_commit(record, &reason, 0) == 0);
	need(spool_wait(spool, worker, &done) == 0 && done.error == 0);
}

static void write_file(const char *path, const uint8_t *data, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	need(fd >= 0 && write(fd, data, n) == (ssize_t)n && close(fd) == 0);
}

static size_t read_file(const char *name, uint8_t *out)
{
	char path[256];
	ssize_t n;
	int fd;

	need(snprintf(path, sizeof(path), "%s/%s", folder, name) < (int)sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = read(fd, out, FILE_BYTES);
	need(fd >= 0 && n > 0 && close(fd) == 0 && unlink(path) == 0);
	return (size_t)n;
}

static void write_log(struct spoolfile *store)
{
	const struct spoolfile_record *list;
	struct spoolfile_log *log;
	struct spool_change change;
	struct spool_io *io;

	need(spoolfile_list(store, &list) == MAILS);
	change = (struct spool_change){list[1].id, SPOOL_DELETED, 5, {"me", 2}, {"why", 3}};
	need(spool_plain_open(folder, &io) == 0);
	need(spoolfile_log_open(store, "l", io, &log) == 0);
	need(spoolfile_log_append(log, &change) == 0);
	change.id = list[2].id;
	need(spoolfile_log_append(log, &change) == 0);
	spoolfile_log_close(log);
	io->ops->close(io);
}

static void clean_up(void)
{
	char path[sizeof(folder) + 16];

	(void)snprintf(path, sizeof(path), "%s/key", folder);
	(void)unlink(path);
	(void)unlink(segment);
	(void)unlink(state_log);
	(void)rmdir(folder);
	spool_keys_free(keys);
}

static void prepare(void)
{
	char path[sizeof(folder) + 16];
	struct spool_options options;
	struct spoolfile_record first;
	const struct spoolfile_record *list;
	struct spoolfile *store;
	struct spool *spool;
	struct spool_io *io;

	need(mkdtemp(folder) != NULL);
	need(atexit(clean_up) == 0);
	(void)snprintf(path, sizeof(path), "%s/key", folder);
	(void)snprintf(segment, sizeof(segment), "%s/f.seg", folder);
	(void)snprintf(state_log, sizeof(state_log), "%s/l.state", folder);
	need(spool_keys_open(path, &keys) == 0);
	need(spool_plain_open(folder, &io) == 0);
	spool_options_init(&options);
	options.thread = false;
	options.segment_bytes = 1u << 20;
	options.memory_bytes = 1u << 20;
	options.deadline_ns = UINT64_MAX;
	need(spool_open(&options, keys, io, &spool) == 0);
	for (uint32_t i = 0; i < MAILS; i++)
		write_mail(spool, i);
	spool_close(spool);
	need(spoolfile_open(folder, keys, &store) == 0 && spoolfile_refresh(store, true) == 0);
	write_log(store);
	need(spoolfile_list(store, &list) > 0);
	first = list[0];
	spoolfile_close(store);
	good_bytes[0] = read_file(first.segment, good[0]);
	good_bytes[1] = read_file("l.state", good[1]);
}

static void check_record(struct spoolfile *store, struct spool_id id)
{
	struct spoolfile_reader *reader;
	uint8_t body[MAILS * MAIL_BYTES];
	const uint8_t *data;
	uint32_t mail;
	size_t at = 0;
	size_t n;

	need(spoolfile_reader_open(store, id, &reader) == 0);
	mail = spoolfile_envelope(reader)->message;
	need(mail < MAILS && spoolfile_reason(reader)->state == SPOOL_HELD);
	(void)body_of(mail, body);
	do {
		need(spoolfile_read(reader, &data, &n) == 0);
		need(at + n <= mail * MAIL_BYTES && (n == 0 || memcmp(data, body + at, n) == 0));
		at += n;
	} while (n > 0);
	need(at == mail * MAIL_BYTES);
	spoolfile_reader_close(reader);
}

static size_t look(void)
{
	const struct spoolfile_record *list;
	struct spoolfile *store;
	size_t count;

	need(spoolfile_open(folder, keys, &store) == 0);
	need(spoolfile_refresh(store, true) == 0);
	count = spoolfile_list(store, &list);
	need(count <= MAILS);
	for (size_t i = 0; i < count; i++)
		check_record(store, list[i].id);
	spoolfile_close(store);
	return count;
}

static void change(const uint8_t *data, size_t n, const uint8_t *from, size_t bytes, uint8_t *out)
{
	memcpy(out, from, bytes);
	for (; n >= 3; data += 3, n -= 3)
		out[((size_t)data[0] << 8 | data[1]) % bytes] = data[2];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static uint8_t changed[FILE_BYTES];

	if (keys == NULL)
		prepare();
	if (n > FILE_BYTES)
		return 0;
	(void)unlink(state_log);
	if (n > 0 && data[0] == 'M') {
		change(data + 1, n - 1, good[0], good_bytes[0], changed);
		write_file(segment, changed, good_bytes[0]);
		(void)look();
	} else if (n > 0 && data[0] == 'L') {
		change(data + 1, n - 1, good[1], good_bytes[1], changed);
		write_file(segment, good[0], good_bytes[0]);
		write_file(state_log, changed, good_bytes[1]);
		// At best both changes are lost; none is made up.
		need(look() >= MAILS - 2);
	} else {
		write_file(segment, data, n);
		write_file(state_log, data, n);
		need(look() == 0);
	}
	return 0;
}
