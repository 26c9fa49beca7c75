// SPDX-License-Identifier: BSD-3-Clause
// What the buffer is measured by: mails made durable by system calls alone, and how long that takes.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disk {
	const char *folder;
	size_t bytes;   // of a mail
	uint64_t total; // of mail, as much as is stored
	int prepared;   // a file, filled
	uint8_t *mail;
	uint8_t *
		data; // GROUPS groups without a pattern, as what is encrypted, in pages as large as the buffer's
};

#define DISK_TIMES (1u << 20) // acknowledgements that are remembered

struct disk_times {
	uint32_t *us; // DISK_TIMES, the caller's
	uint32_t count;
	double processor_s; // of this process, in all that was noted
};

uint64_t disk_now_ns(void);
double disk_seconds(uint64_t since_ns);
// Processor time of this process until now.
double disk_processor_s(void);
void disk_note(struct disk_times *times, uint64_t since_ns, uint64_t until_ns);
void disk_sort(struct disk_times *times);
// Of sorted times, in microseconds.
double disk_part(const struct disk_times *times, double part);

// A file without a name, total bytes long, allocated as the buffer allocates; filled: written to as well.
int disk_make_file(const struct disk *disk, bool filled);
// How writes become durable.
enum disk_sync {
	DISK_LINKED, // each is followed by its own linked fdatasync
	DISK_DSYNC,  // each with RWF_DSYNC
	DISK_SHARED, // one fdatasync on its way for all that had completed, as the buffer does it
};

// io_uring: as many mails in one write as the buffer puts into one, as many writes on their way as it has, and as
// much memory. All of the prepared file once, or of a new one. Mails a second.
double disk_groups(
	const struct disk *disk, enum disk_sync sync, bool fresh, struct disk_times *times);
// For a third of a second, each in a file: write, fsync, rename, fsync of the folder. Mails a second.
double disk_file_per_mail(const struct disk *disk, struct disk_times *times);
