// SPDX-License-Identifier: BSD-3-Clause
#include "control/alert_mark.h"

#include "control/durable.h"
#include "control/envelope.h"

#include <linux/magic.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define SECTOR 4096u
#define PAIRS 16u
#define SECTORS (2ul * PAIRS)
#define SUM_BYTES ENVELOPE_DIGEST_BYTES
#define ROLE_BYTES 32u

static const char magic[8] = {'C', 'D', 'N', 'M', 'A', 'R', 'K', '1'};

// As it is in the file.
struct mark {
	char magic[8];
	uint64_t number; // of the two sectors the higher one counts
	uint64_t epoch;
	uint64_t sequence;
	char vendor[ALERT_NAME_BYTES + 7];
	char role[ROLE_BYTES];
	char digests[ALERT_MARKS][ENVELOPE_KEY_ID_BYTES]; // "": none
	uint8_t sum[SUM_BYTES];                           // SHA-256 of what stands before it
};

_Static_assert(sizeof(struct mark) <= SECTOR, "a mark is one sector");

struct alert_marks {
	int fd;
	int quick; // in memory, where marks are put; -1: none, they are put into the other
	_Alignas(struct mark) uint8_t sector[SECTOR];
	struct mark pairs[PAIRS]; // number 0: free
};

static bool sum_of(const struct mark *mark, uint8_t *out)
{
	return envelope_sha256(mark, offsetof(struct mark, sum), out);
}

// ---- the file -----------------------------------------------------------------------------------

static int write_sector(int fd, const uint8_t *sector, uint64_t number)
{
	ssize_t n = pwrite(fd, sector, SECTOR, (off_t)(number * SECTOR));

	if (n < 0)
		return -errno;
	return n == SECTOR ? 0 : -EIO;
}

static int write_mark(struct alert_marks *marks, int fd, size_t place, const struct mark *mark)
{
	memset(marks->sector, 0, SECTOR);
	memcpy(marks->sector, mark, sizeof(*mark));
	return write_sector(fd, marks->sector, 2 * place + mark->number % 2);
}

static bool is_whole(const struct mark *mark)
{
	uint8_t sum[SUM_BYTES];

	if (memcmp(mark->magic, magic, sizeof(magic)) != 0 || !sum_of(mark, sum))
		return false;
	return memcmp(sum, mark->sum, sizeof(sum)) == 0;
}

static bool read_mark(int fd, uint64_t i, uint8_t *sector)
{
	return pread(fd, sector, SECTOR, (off_t)(i * SECTOR)) == SECTOR &&
	       is_whole((const struct mark *)(const void *)sector);
}

static bool is_later(const struct mark *mark, const struct mark *other)
{
	return mark->number > other->number || strcmp(mark->vendor, other->vendor) != 0 ||
	       strcmp(mark->role, other->role) != 0;
}

// What another thread puts meanwhile may be torn; what was put before it stands in the other sector of the pair then.
static void copy_to_disk(const struct alert_marks *marks)
{
	_Alignas(struct mark) uint8_t from[SECTOR];
	_Alignas(struct mark) uint8_t to[SECTOR];

	for (uint64_t i = 0; i < SECTORS; i++) {
		if (read_mark(marks->quick, i, from) &&
			(!read_mark(marks->fd, i, to) ||
				is_later((const struct mark *)(const void *)from,
					(const struct mark *)(const void *)to)))
			(void)write_sector(marks->fd, from, i);
	}
}

void alert_marks_sync(const struct alert_marks *marks)
{
	if (marks->quick >= 0)
		copy_to_disk(marks);
	(void)fdatasync(marks->fd);
}

// ---- opening ------------------------------------------------------------------------------------

// PAIRS: there is none.
static size_t find(const struct alert_marks *marks, const char *vendor, const char *role)
{
	size_t i = 0;

	while (i < PAIRS &&
		(marks->pairs[i].number == 0 || strcmp(marks->pairs[i].vendor, vendor) != 0 ||
			strcmp(marks->pairs[i].role, role) != 0))
		i++;
	return i;
}

static size_t find_free(const struct alert_marks *marks)
{
	size_t i = 0;

	while (i < PAIRS && marks->pairs[i].number > 0)
		i++;
	return i;
}

// Of two of a vendor and role the one that was put later counts; in its own place, if no other vendor has that.
static void take_in(struct alert_marks *marks, const struct mark *found, size_t place)
{
	size_t i = find(marks, found->vendor, found->role);

	if (i == PAIRS)
		i = marks->pairs[place].number == 0 ? place : find_free(marks);
	if (i < PAIRS && found->number > marks->pairs[i].number)
		marks->pairs[i] = *found;
}

// What is not there is made of zeros, so that nothing but these sectors is ever to be written.
static int read_all(struct alert_marks *marks, int fd)
{
	for (uint64_t i = 0; i < SECTORS; i++) {
		const struct mark *found = (const struct mark *)(const void *)marks->sector;
		ssize_t n = pread(fd, marks->sector, SECTOR, (off_t)(i * SECTOR));

		if (n < 0)
			return -errno;
		if (n != SECTOR) {
			int err;

			memset(marks->sector, 0, SECTOR);
			err = write_sector(fd, marks->sector, i);
			if (err != 0)
				return err;
		} else if (is_whole(found)) {
			take_in(marks, found, i / 2);
		}
	}
	return 0;
}

static int open_disk(struct alert_marks *marks, const char *path)
{
	int err;

	marks->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (marks->fd < 0)
		return -errno;
	err = read_all(marks, marks->fd);
	if (err == 0 && fsync(marks->fd) != 0)
		err = -errno;
	return err == 0 ? durable_sync_folder_of(path) : err;
}

static bool is_in_memory(int fd)
{
	struct statfs info;

	return fstatfs(fd, &info) == 0 &&
	       (info.f_type == TMPFS_MAGIC || info.f_type == RAMFS_MAGIC);
}

// Others may write to the socket's folder, and a mark of theirs would have alerts refused.
static bool is_ours(int fd)
{
	struct stat info;

	return fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == geteuid() &&
	       info.st_nlink == 1 && (info.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static void drop_quick(struct alert_marks *marks, const char *path)
{
	(void)close(marks->quick);
	(void)unlink(path);
	marks->quick = -1;
}

static void open_quick(struct alert_marks *marks, const char *path)
{
	marks->quick = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (marks->quick >= 0 && (!is_in_memory(marks->quick) || !is_ours(marks->quick) ||
					 read_all(marks, marks->quick) != 0))
		drop_quick(marks, path);
}

// All that counts, each in its place.
static int fill_quick(struct alert_marks *marks)
{
	int err = 0;

	for (size_t i = 0; i < PAIRS && err == 0; i++) {
		if (marks->pairs[i].number > 0)
			err = write_mark(marks, marks->quick, i, &marks->pairs[i]);
	}
	return err;
}

int alert_marks_open(const char *path, const char *quick, struct alert_marks **out)
{
	struct alert_marks *marks = calloc(1, sizeof(*marks));
	int err;

	if (marks == NULL)
		return -ENOMEM;
	marks->quick = -1;
	if (quick != NULL)
		open_quick(marks, quick);
	err = open_disk(marks, path);
	if (err != 0) {
		alert_marks_close(marks);
		return err;
	}
	// Without it the other one does.
	if (quick != NULL && marks->quick >= 0 && fill_quick(marks) != 0)
		drop_quick(marks, quick);
	*out = marks;
	return 0;
}

void alert_marks_close(struct alert_marks *marks)
{
	if (marks == NULL)
		return;
	if (marks->fd >= 0)
		(void)close(marks->fd);
	if (marks->quick >= 0)
		(void)close(marks->quick);
	free(marks);
}

// ---- marks --------------------------------------------------------------------------------------

// ALERT_MARKS: it is not there.
static size_t find_digest(const struct mark *mark, const char *digest)
{
	size_t i = 0;

	while (i < ALERT_MARKS && strcmp(mark->digests[i], digest) != 0)
		i++;
	return i;
}

bool alert_marks_highest(const struct alert_marks *marks, const char *vendor, enum key_role role,
	uint64_t *epoch, uint64_t *sequence)
{
	size_t i = find(marks, vendor, key_role_name(role));

	if (i == PAIRS)
		return false;
	*epoch = marks->pairs[i].epoch;
	*sequence = marks->pairs[i].sequence;
	return true;
}

bool alert_marks_has(const struct alert_marks *marks, const struct alert *alert, const char *digest)
{
	size_t i = find(marks, alert->vendor, key_role_name(alert->role));

	return i < PAIRS && find_digest(&marks->pairs[i], digest) < ALERT_MARKS;
}

void alert_marks_done(struct alert_marks *marks, const struct alert *alert, const char *digest)
{
	size_t i = find(marks, alert->vendor, key_role_name(alert->role));
	size_t k = i < PAIRS ? find_digest(&marks->pairs[i], digest) : ALERT_MARKS;

	if (k < ALERT_MARKS)
		memset(marks->pairs[i].digests[k], 0, ENVELOPE_KEY_ID_BYTES);
}

static void fill(struct mark *mark, const struct alert *alert)
{
	memcpy(mark->magic, magic, sizeof(magic));
	mark->number++;
	(void)snprintf(mark->vendor, sizeof(mark->vendor), "%s", alert->vendor);
	(void)snprintf(mark->role, sizeof(mark->role), "%s", key_role_name(alert->role));
	if (alert->epoch > mark->epoch ||
		(alert->epoch == mark->epoch && alert->sequence > mark->sequence)) {
		mark->epoch = alert->epoch;
		mark->sequence = alert->sequence;
	}
}

// The file that a process after this one will read. Who clears the folder in memory takes the other one away: what it
// has goes to the disk then.
static int choose_file(const struct alert_marks *marks)
{
	if (marks->quick >= 0 && is_ours(marks->quick))
		return marks->quick;
	if (marks->quick >= 0)
		copy_to_disk(marks);
	return marks->fd;
}

int alert_marks_put(struct alert_marks *marks, const struct alert *alert, const char *digest)
{
	size_t i = find(marks, alert->vendor, key_role_name(alert->role));
	struct mark mark;
	size_t slot;
	int err;

	if (i == PAIRS)
		i = find_free(marks);
	if (i == PAIRS)
		return -ENOSPC;
	mark = marks->pairs[i];
	slot = find_digest(&mark, digest);
	if (slot == ALERT_MARKS)
		slot = find_digest(&mark, "");
	if (slot == ALERT_MARKS)
		return -EAGAIN;
	fill(&mark, alert);
	(void)snprintf(mark.digests[slot], ENVELOPE_KEY_ID_BYTES, "%s", digest);
	if (!sum_of(&mark, mark.sum))
		return -EIO;
	err = write_mark(marks, choose_file(marks), i, &mark);
	if (err == 0)
		marks->pairs[i] = mark;
	return err;
}
