// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/spool_disk.h"

#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTOR 512u

static bool chance(struct spool_disk *disk, uint32_t per_thousand)
{
	return random_below(&disk->random, 1000) < per_thousand;
}

static struct disk_file *find(struct spool_disk *disk, const char *name)
{
	for (int i = 0; i < disk->files_count; i++) {
		if (strcmp(disk->files[i].name, name) == 0)
			return &disk->files[i];
	}
	return NULL;
}

// ---- effects of requests -------------------------------------------------------------------------

static int64_t create(struct spool_disk *disk, const struct spool_request *request)
{
	struct disk_file *file = &disk->files[disk->files_count];

	assert_null(find(disk, request->name));
	assert_true(disk->files_count < DISK_FILES);
	memset(file, 0, sizeof(*file));
	(void)snprintf(file->name, sizeof(file->name), "%s", request->name);
	file->bytes = request->bytes;
	file->stable = calloc(1, request->bytes);
	assert_non_null(file->stable);
	return disk->files_count++;
}

// The bytes of the file that both write, if there are any.
static bool do_overlap(
	const struct disk_write *a, const struct disk_write *b, uint64_t *from, uint64_t *end)
{
	const uint64_t a_end = a->offset + a->bytes;
	const uint64_t b_end = b->offset + b->bytes;

	*from = a->offset > b->offset ? a->offset : b->offset;
	*end = a_end < b_end ? a_end : b_end;
	return *from < *end;
}

// What was written there before cannot come back behind it.
static void settle(struct disk_file *file, struct disk_write **link)
{
	struct disk_write *write = *link;

	memcpy(file->stable + write->offset, write->data, write->bytes);
	*link = write->next;
	// What was written last stands first in the list.
	for (struct disk_write *old = *link; old != NULL; old = old->next) {
		uint64_t from;
		uint64_t end;

		if (!do_overlap(old, write, &from, &end))
			continue;
		memcpy(old->data + (from - old->offset), write->data + (from - write->offset),
			end - from);
	}
	free(write);
}

static bool are_zeros(const uint8_t *data, size_t n)
{
	return n == 0 || (data[0] == 0 && memcmp(data, data + 1, n - 1) == 0);
}

// Neither a segment's header nor zeros.
static bool is_mail(uint64_t offset, const uint8_t *data, size_t n)
{
	return offset > 0 && !are_zeros(data, n);
}

static bool has_mail(const struct disk_file *file)
{
	for (const struct disk_write *write = file->writes; write != NULL; write = write->next) {
		if (is_mail(write->offset, write->data, write->bytes))
			return true;
	}
	return false;
}

// That can fail, and hang.
static bool is_of_mail(const struct spool_disk *disk, const struct spool_request *request)
{
	if (request->kind == SPOOL_IO_SYNC)
		return has_mail(&disk->files[request->file]);
	return request->kind == SPOOL_IO_WRITE &&
	       is_mail(request->offset, request->data, request->bytes);
}

// All that is not durable at the moment when the device loses its cache.
void spool_disk_lose(struct spool_disk *disk)
{
	for (int i = 0; i < disk->files_count; i++) {
		for (struct disk_write *write = disk->files[i].writes; write != NULL;
			write = write->next)
			write->lost = true;
	}
}

static int64_t sync_file(struct spool_disk *disk, struct disk_file *file, uint64_t completed)
{
	struct disk_write **link = &file->writes;

	if (has_mail(file) && chance(disk, disk->fail_eio + disk->fail_sync)) {
		spool_disk_lose(disk);
		return -EIO;
	}
	while (*link != NULL) {
		if ((*link)->request == NULL && (*link)->completed <= completed && !(*link)->lost)
			settle(file, link);
		else
			link = &(*link)->next;
	}
	return 0;
}

static int64_t write_result(struct spool_disk *disk, const struct spool_request *request)
{
	if (chance(disk, disk->fail_eio)) {
		spool_disk_lose(disk);
		return -EIO;
	}
	if (chance(disk, disk->fail_enospc))
		return -ENOSPC;
	if (chance(disk, disk->cut_short))
		return (int64_t)random_below(&disk->random, (uint32_t)request->bytes / SECTOR) *
		       (int64_t)SECTOR;
	return (int64_t)request->bytes;
}

static int64_t end_write(struct spool_disk *disk, const struct spool_request *request)
{
	struct disk_file *file = &disk->files[request->file];
	struct disk_write **link = &file->writes;
	int64_t result = (int64_t)request->bytes;

	if (is_of_mail(disk, request))
		result = write_result(disk, request);
	while ((*link)->request != request)
		link = &(*link)->next;
	(*link)->request = NULL;
	(*link)->completed = ++disk->completed;
	if (request->durable && result == (int64_t)request->bytes && !(*link)->lost)
		settle(file, link);
	else if (result != (int64_t)request->bytes)
		(*link)->lost = true;
	return result;
}

static int64_t usage(struct spool_disk *disk, const char *prefix)
{
	uint64_t bytes = disk->usage;

	for (int i = 0; i < disk->files_count; i++) {
		if (disk->files[i].name[0] != '\0' &&
			strncmp(disk->files[i].name, prefix, strlen(prefix)) == 0)
			bytes += disk->files[i].bytes;
	}
	return (int64_t)bytes;
}

static int64_t rename_file(struct spool_disk *disk, const char *name, const char *new_name)
{
	struct disk_file *file = find(disk, name);

	if (file == NULL)
		return -ENOENT;
	(void)snprintf(file->name, sizeof(file->name), "%s", new_name);
	return 0;
}

// completed: writes, when it was submitted.
static int64_t effect(
	struct spool_disk *disk, const struct spool_request *request, uint64_t completed)
{
	struct disk_file *file;

	switch (request->kind) {
	case SPOOL_IO_CREATE:
		return create(disk, request);
	case SPOOL_IO_WRITE:
		return end_write(disk, request);
	case SPOOL_IO_SYNC:
		return sync_file(disk, &disk->files[request->file], completed);
	case SPOOL_IO_RENAME:
		return rename_file(disk, request->name, request->new_name);
	case SPOOL_IO_SYNC_DIRECTORY:
		for (int i = 0; i < disk->files_count; i++)
			memcpy(disk->files[i].durable_name, disk->files[i].name, 64);
		return 0;
	case SPOOL_IO_REMOVE:
		file = find(disk, request->name);
		if (file == NULL)
			return -ENOENT;
		file->name[0] = '\0';
		return 0;
	case SPOOL_IO_CLOSE:
		return 0;
	case SPOOL_IO_USAGE:
		return usage(disk, request->name);
	}
	return -EINVAL;
}

// ---- ops ----------------------------------------------------------------------------------------

// A torn write takes what was in its place before: nothing may be written where something is, or may be.
static void check_place(const struct disk_file *file, const struct disk_write *write)
{
	assert_true(are_zeros(file->stable + write->offset, write->bytes));
	for (const struct disk_write *old = file->writes; old != NULL; old = old->next) {
		uint64_t from;
		uint64_t end;

		if (old->lost && is_mail(write->offset, write->data, write->bytes))
			assert_false(are_zeros(old->data, old->bytes));
		if (!do_overlap(old, write, &from, &end))
			continue;
		// Of two on their way nobody would know which one stays.
		assert_null(old->request);
		assert_true(are_zeros(old->data + (from - old->offset), end - from));
	}
}

static int disk_submit(struct spool_io *io, struct spool_request *request)
{
	struct spool_disk *disk = (struct spool_disk *)io;

	assert_true(disk->flying_count < sizeof(disk->flying) / sizeof(disk->flying[0]));
	if (request->kind == SPOOL_IO_WRITE) {
		struct disk_file *file = &disk->files[request->file];
		struct disk_write *write = malloc(sizeof(*write) + request->bytes);

		assert_non_null(write);
		assert_int_equal(request->bytes % 4096, 0);
		assert_int_equal(request->offset % 4096, 0);
		assert_int_equal((uintptr_t)request->data % 4096, 0);
		assert_true(request->offset + request->bytes <= file->bytes);
		*write = (struct disk_write){.next = file->writes,
			.request = request,
			.offset = request->offset,
			.bytes = request->bytes};
		memcpy(write->data, request->data, request->bytes);
		check_place(file, write);
		file->writes = write;
		disk->writes += is_of_mail(disk, request);
	}
	disk->syncs += request->kind == SPOOL_IO_SYNC && is_of_mail(disk, request);
	disk->flying[disk->flying_count].request = request;
	disk->flying[disk->flying_count++].completed = disk->completed;
	return 0;
}

static struct spool_request *disk_reap(struct spool_io *io, uint64_t wait_ns)
{
	struct spool_disk *disk = (struct spool_disk *)io;
	struct spool_request *request;
	uint64_t completed;
	unsigned int at;
	int error;

	if (disk->flying_count == 0 || (wait_ns == 0 && !disk->dead && chance(disk, disk->patient)))
		return NULL;
	at = random_below(&disk->random, disk->flying_count);
	request = disk->flying[at].request;
	completed = disk->flying[at].completed;
	if (!disk->dead && is_of_mail(disk, request) &&
		chance(disk,
			request->kind == SPOOL_IO_SYNC ? disk->hang + disk->hang_sync : disk->hang))
		return NULL;
	disk->flying[at] = disk->flying[--disk->flying_count];
	error = disk->dead ? -EIO : disk->fail_kind[request->kind];
	if (error != 0 && request->kind == SPOOL_IO_WRITE) {
		uint32_t old = disk->fail_enospc;

		disk->fail_enospc = 1000;
		(void)end_write(disk, request);
		disk->fail_enospc = old;
	}
	request->result = error != 0 ? error : effect(disk, request, completed);
	if (disk->after != NULL)
		disk->after(disk->ctx);
	return request;
}

static void disk_close(struct spool_io *io)
{
	assert_int_equal(((struct spool_disk *)io)->flying_count, 0);
}

// What was written last stands first in the list; what is on its way is not there yet.
static int disk_read(struct spool_io *io, int file_number, uint64_t offset, uint8_t *data, size_t n)
{
	struct spool_disk *disk = (struct spool_disk *)io;
	const struct disk_file *file = &disk->files[file_number];

	if (disk->fail_reads != 0)
		return disk->fail_reads;
	assert_true(offset + n <= file->bytes);
	for (size_t at = 0; at < n; at += SECTOR) {
		const struct disk_write *write = file->writes;

		while (write != NULL && (write->request != NULL || offset + at < write->offset ||
						offset + at >= write->offset + write->bytes))
			write = write->next;
		memcpy(data + at,
			write != NULL ? write->data + (offset + at - write->offset)
				      : file->stable + offset + at,
			SECTOR);
	}
	return 0;
}

static bool disk_is_linked(struct spool_io *io, int file)
{
	return ((struct spool_disk *)io)->files[file].name[0] != '\0';
}

static const struct spool_io_ops disk_ops = {
	"simulated", disk_submit, disk_reap, NULL, disk_read, disk_is_linked, disk_close};

void spool_disk_remove(struct spool_disk *disk)
{
	for (int i = 0; i < disk->files_count; i++) {
		disk->files[i].name[0] = '\0';
		disk->files[i].durable_name[0] = '\0';
	}
}

void spool_disk_init(struct spool_disk *disk, uint64_t seed)
{
	memset(disk, 0, sizeof(*disk));
	disk->io.ops = &disk_ops;
	disk->random.state = seed * 0x9e3779b97f4a7c15u + 1;
}

void spool_disk_fini(struct spool_disk *disk)
{
	for (int i = 0; i < disk->files_count; i++) {
		struct disk_file *file = &disk->files[i];

		while (file->writes != NULL) {
			struct disk_write *write = file->writes;

			file->writes = write->next;
			free(write);
		}
		free(file->stable);
	}
}

unsigned int spool_disk_files(const struct spool_disk *disk)
{
	unsigned int count = 0;

	for (int i = 0; i < disk->files_count; i++)
		count += disk->files[i].name[0] != '\0';
	return count;
}

// ---- what is left --------------------------------------------------------------------------------

static bool is_zero(const uint8_t *sector)
{
	static const uint8_t zeros[SECTOR];

	return memcmp(sector, zeros, SECTOR) == 0;
}

static void put_file(const char *folder, const char *name, const uint8_t *data, uint64_t bytes)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	// Zeros need not be written.
	for (uint64_t at = 0; at < bytes;) {
		uint64_t end = at;

		while (end < bytes && !is_zero(data + end))
			end += SECTOR;
		if (end > at)
			assert_int_equal(pwrite(fd, data + at, end - at, (off_t)at), end - at);
		at = end + SECTOR;
	}
	assert_int_equal(close(fd), 0);
}

static void put_some(struct spool_disk *disk, struct disk_file *file, const char *folder,
	const char *name, bool all)
{
	uint8_t *copy = malloc(file->bytes);
	// All, none or a part of what was not durable: each is likely.
	uint32_t keep = all ? 1000 : random_below(&disk->random, 3) * 500;

	assert_non_null(copy);
	memcpy(copy, file->stable, file->bytes);
	for (const struct disk_write *write = file->writes; write != NULL; write = write->next) {
		for (size_t at = 0; at < write->bytes; at += SECTOR) {
			if ((!all || !write->lost) && chance(disk, keep))
				memcpy(copy + write->offset + at, write->data + at, SECTOR);
		}
	}
	put_file(folder, name, copy, file->bytes);
	free(copy);
}

void spool_disk_cut(struct spool_disk *disk, const char *folder)
{
	for (int i = 0; i < disk->files_count; i++) {
		struct disk_file *file = &disk->files[i];
		const char *name = file->durable_name;

		if (strcmp(name, file->name) != 0 && chance(disk, 500))
			name = file->name;
		if (name[0] != '\0')
			put_some(disk, file, folder, name, false);
	}
}

void spool_disk_write_out(struct spool_disk *disk, const char *folder)
{
	for (int i = 0; i < disk->files_count; i++) {
		if (disk->files[i].name[0] != '\0')
			put_some(disk, &disk->files[i], folder, disk->files[i].name, true);
	}
}
