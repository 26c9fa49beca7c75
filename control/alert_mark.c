// SPDX-License-Identifier: BSD-3-Clause
#include "control/alert_mark.h"

#include "control/durable.h"
#include "control/envelope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTOR 4096u
#define PAIRS 16u
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
	_Alignas(struct mark) uint8_t sector[SECTOR];
	struct mark pairs[PAIRS]; // number 0: free
};

static bool sum_of(const struct mark *mark, uint8_t *out)
{
	return envelope_sha256(mark, offsetof(struct mark, sum), out);
}

// ---- the file -----------------------------------------------------------------------------------

static int write_sector(const struct alert_marks *marks, uint64_t number)
{
	ssize_t n = pwrite(marks->fd, marks->sector, SECTOR, (off_t)(number * SECTOR));

	if (n < 0)
		return -errno;
	return n == SECTOR ? 0 : -EIO;
}

void alert_marks_sync(const struct alert_marks *marks)
{
	(void)fdatasync(marks->fd);
}

static bool is_whole(const struct mark *mark)
{
	uint8_t sum[SUM_BYTES];

	if (memcmp(mark->magic, magic, sizeof(magic)) != 0 || !sum_of(mark, sum))
		return false;
	return memcmp(sum, mark->sum, sizeof(sum)) == 0;
}

// What is not there is made of zeros, so that nothing but these sectors is ever to be written.
static int read_all(struct alert_marks *marks)
{
	for (uint64_t i = 0; i < 2ul * PAIRS; i++) {
		struct mark *pair = &marks->pairs[i / 2];
		const struct mark *found = (const struct mark *)(const void *)marks->sector;
		ssize_t n = pread(marks->fd, marks->sector, SECTOR, (off_t)(i * SECTOR));

		if (n < 0)
			return -errno;
		if (n != SECTOR) {
			int err;

			memset(marks->sector, 0, SECTOR);
			err = write_sector(marks, i);
			if (err != 0)
				return err;
		} else if (is_whole(found) && found->number > pair->number) {
			*pair = *found;
		}
	}
	return fsync(marks->fd) == 0 ? 0 : -errno;
}

int alert_marks_open(const char *path, struct alert_marks **out)
{
	struct alert_marks *marks = calloc(1, sizeof(*marks));
	int err = 0;

	if (marks == NULL)
		return -ENOMEM;
	marks->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (marks->fd < 0)
		err = -errno;
	if (err == 0)
		err = read_all(marks);
	if (err == 0)
		err = durable_sync_folder_of(path);
	if (err != 0) {
		alert_marks_close(marks);
		return err;
	}
	*out = marks;
	return 0;
}

void alert_marks_close(struct alert_marks *marks)
{
	if (marks == NULL)
		return;
	if (marks->fd >= 0)
		(void)close(marks->fd);
	free(marks);
}

// ---- marks --------------------------------------------------------------------------------------

// PAIRS: there is none.
static size_t find(const struct alert_marks *marks, const char *vendor, enum key_role role)
{
	size_t i = 0;

	while (i < PAIRS &&
		(marks->pairs[i].number == 0 || strcmp(marks->pairs[i].vendor, vendor) != 0 ||
			strcmp(marks->pairs[i].role, key_role_name(role)) != 0))
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
	size_t i = find(marks, vendor, role);

	if (i == PAIRS)
		return false;
	*epoch = marks->pairs[i].epoch;
	*sequence = marks->pairs[i].sequence;
	return true;
}

bool alert_marks_has(const struct alert_marks *marks, const struct alert *alert, const char *digest)
{
	size_t i = find(marks, alert->vendor, alert->role);

	return i < PAIRS && find_digest(&marks->pairs[i], digest) < ALERT_MARKS;
}

void alert_marks_done(struct alert_marks *marks, const struct alert *alert, const char *digest)
{
	size_t i = find(marks, alert->vendor, alert->role);
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

int alert_marks_put(struct alert_marks *marks, const struct alert *alert, const char *digest)
{
	size_t i = find(marks, alert->vendor, alert->role);
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
	memset(marks->sector, 0, SECTOR);
	memcpy(marks->sector, &mark, sizeof(mark));
	err = write_sector(marks, 2 * i + mark.number % 2);
	if (err == 0)
		marks->pairs[i] = mark;
	return err;
}
