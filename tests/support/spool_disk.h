// SPDX-License-Identifier: BSD-3-Clause
// A disk that is not there, behind spool_io.h: requests complete in random order, fail when told so, and
// what was not made durable may be lost, in part, when the power goes.
//
// Durable is what a completed durable write has written, or one that had completed before a completed SYNC was
// submitted, under names that a completed SYNC_DIRECTORY has covered. Of all else a power cut keeps a random
// choice: of writes 512-byte sectors, of changes of names each by itself. A write or SYNC that fails with EIO
// besides takes with it all that was not durable at that moment: writes on their way report success and are not
// durable, nor does any SYNC make them so, as with a device that has lost its cache. Where zeros were lost so, nobody
// knows what is there: the writer must not write mail to that file any more.
#pragma once

#include "dataplane/spool_io.h"
#include "tests/support/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_FILES 64

struct disk_write {
	struct disk_write *next;
	struct spool_request *request; // NULL once it has completed
	uint64_t completed;            // the how manieth
	uint64_t offset;
	size_t bytes;
	bool lost; // reports success, but is not durable
	uint8_t data[];
};

struct disk_file {
	char name[64];         // "": removed
	char durable_name[64]; // "": not there after a power cut, or perhaps
	uint8_t *stable;
	uint64_t bytes;
	struct disk_write *writes; // not durable
};

struct spool_disk {
	struct spool_io io;
	struct random random;
	struct disk_file files[DISK_FILES];
	int files_count;
	struct {
		struct spool_request *request;
		uint64_t completed; // writes, when it was submitted
	} flying[256];
	unsigned int flying_count;
	uint64_t completed; // writes
	// Faults, of writes of mail, and the first and hang of SYNCs of such too, per thousand.
	uint32_t fail_eio;
	uint32_t fail_sync; // with EIO, and no write does
	uint32_t hang_sync; // as hang, but no write does
	uint32_t fail_enospc;
	uint32_t cut_short;
	uint32_t hang;    // and come back when this is set to 0
	uint32_t patient; // per thousand reaps that wait although something could complete
	// Faults by kind: those requests fail so until it is set to 0.
	int fail_kind[SPOOL_IO_USAGE + 1];
	int fail_reads;  // 0, or what reading says
	uint64_t writes; // of mail, submitted
	uint64_t syncs;  // of files with mail that was not durable, submitted
	uint64_t usage;  // added to what USAGE says
	bool dead;       // everything fails: to get rid of a writer
	// Called after each request has had its effect, before the writer knows.
	void (*after)(void *ctx);
	void *ctx;
};

void spool_disk_init(struct spool_disk *disk, uint64_t seed);
// What is left after a power cut now, as files in a folder. The disk stays as it is.
void spool_disk_cut(struct spool_disk *disk, const char *folder);
// Fails as with EIO, but says so to nobody: somebody else was told.
void spool_disk_lose(struct spool_disk *disk);
// All files there are, by somebody else: what has them open reads and writes them as before.
void spool_disk_remove(struct spool_disk *disk);
// What all readers see without a power cut: all but what was lost.
void spool_disk_write_out(struct spool_disk *disk, const char *folder);
// Files that have a name now.
unsigned int spool_disk_files(const struct spool_disk *disk);
// After the writer that used it was closed (which leaves the disk's memory alone).
void spool_disk_fini(struct spool_disk *disk);
