// SPDX-License-Identifier: BSD-3-Clause
// A folder with a segment of small mails, for the tests of spoolfile.h.
#pragma once

#include "dataplane/spool.h"
#include "dataplane/spool_io.h"
#include "dataplane/spoolfile.h"
#include "tests/support/spool_mail.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#define MAILS 12
#define SEGMENT_BYTES (1u << 20)

// A folder with a segment of MAILS small mails (none of several chunks), numbers 0, 1, 2 ...
struct shelf {
	struct spool_folder folder;
	struct spoolfile *store;
	struct spool_io *io;
	struct spool_id ids[MAILS];
	uint8_t times[64];
	struct spoolfile_stats stats;
	char path[256]; // of the segment
	bool packed; // written at once, so that chunks lie close together; else each in blocks of its own
};

static inline void write_mails(
	struct shelf *shelf, const char *name, uint32_t first, uint32_t count)
{
	struct spool_options options;
	struct spool_done done;
	struct spool *spool;
	struct spool_io *io;

	spool_options_init(&options);
	options.name = name;
	options.segment_bytes = SEGMENT_BYTES;
	options.memory_bytes = 4u << 20;
	options.spares = 1;
	options.deadline_ns = UINT64_MAX;
	options.thread = false;
	assert_int_equal(spool_plain_open(shelf->folder.path, &io), 0);
	assert_int_equal(spool_open(&options, shelf->folder.keys, io, &spool), 0);
	for (uint32_t i = first; shelf->packed && i < first + count; i++)
		assert_int_equal(spool_mail_send(spool_get_worker(spool, 0), i, 0), 0);
	for (uint32_t i = first; i < first + count; i++) {
		if (!shelf->packed)
			assert_int_equal(spool_mail_send(spool_get_worker(spool, 0), i, 0), 0);
		assert_int_equal(spool_wait(spool, spool_get_worker(spool, 0), &done), 0);
		assert_int_equal(done.error, 0);
		if (i < MAILS)
			shelf->ids[spool_mail_number(&done)] = done.id;
	}
	spool_close(spool);
}

static inline struct shelf *shelf_new_of(bool packed)
{
	struct shelf *shelf = calloc(1, sizeof(*shelf));
	const struct spoolfile_record *list;

	assert_non_null(shelf);
	shelf->packed = packed;
	spool_folder_init(&shelf->folder);
	write_mails(shelf, "d", 0, MAILS);
	assert_int_equal(spool_plain_open(shelf->folder.path, &shelf->io), 0);
	assert_int_equal(spoolfile_open(shelf->folder.path, shelf->folder.keys, &shelf->store), 0);
	assert_int_equal(spoolfile_refresh(shelf->store, true), 0);
	assert_int_equal(spoolfile_list(shelf->store, &list), MAILS);
	(void)snprintf(
		shelf->path, sizeof(shelf->path), "%s/%s", shelf->folder.path, list[0].segment);
	return shelf;
}

static inline struct shelf *shelf_new(void)
{
	return shelf_new_of(false);
}

static inline void shelf_free(struct shelf *shelf)
{
	spoolfile_close(shelf->store);
	shelf->io->ops->close(shelf->io);
	spool_folder_fini(&shelf->folder);
	free(shelf);
}
