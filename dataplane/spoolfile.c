// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/spoolfile.h"

#include "dataplane/spoolfile_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BUCKETS 1024
#define PAST_S 2

int spoolfile_open(const char *directory, const struct spool_keys *keys, struct spoolfile **out)
{
	struct spoolfile *store = calloc(1, sizeof(*store));
	int err;

	if (store == NULL)
		return -ENOMEM;
	store->keys = keys;
	store->buckets = calloc(BUCKETS, sizeof(struct store_entry *));
	store->buckets_count = BUCKETS;
	store->view = malloc(STORE_VIEW_BYTES);
	store->plain = malloc(SPOOL_CHUNK_BYTES);
	store->directory = -1;
	err = -ENOMEM;
	if (store->buckets == NULL || store->view == NULL || store->plain == NULL)
		goto close_store;
	err = spool_opener_new(keys, &store->opener);
	if (err != 0)
		goto close_store;
	store->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store->directory < 0) {
		err = -errno;
		goto close_store;
	}
	*out = store;
	return 0;

close_store:
	spoolfile_close(store);
	return err;
}

void spoolfile_close(struct spoolfile *store)
{
	if (store == NULL)
		return;
	if (store->buckets != NULL)
		store_free_entries(store);
	if (store->directory >= 0)
		(void)close(store->directory);
	spool_opener_free(store->opener);
	free(store->buckets);
	free(store->files);
	free(store->pins);
	free(store->list);
	free(store->view);
	free(store->plain);
	free(store);
}

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name);
	size_t m = strlen(end);

	return n > m && n < STORE_NAME_BYTES && strcmp(name + n - m, end) == 0;
}

// The place of a file of that name, a free one, or a new one. Returns its number, or -ENOMEM.
static ssize_t place_of(struct spoolfile *store, const char *name)
{
	struct store_file *wider;
	ssize_t place = -1;

	for (uint32_t i = 0; i < store->files_count; i++) {
		if (strcmp(store->files[i].name, name) == 0)
			return i;
		if (store->files[i].name[0] == '\0' && place < 0)
			place = i;
	}
	if (place >= 0)
		return place;
	wider = realloc(store->files, (store->files_count + 1) * sizeof(*wider));
	if (wider == NULL)
		return -ENOMEM;
	store->files = wider;
	memset(&wider[store->files_count], 0, sizeof(*wider));
	return store->files_count++;
}

// Whether all that was written until status was taken is of a time that no later write can have: file systems
// count time in ticks. A clock that was set back only costs another look.
static bool is_past(const struct stat *status)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return status->st_mtim.tv_sec + PAST_S < now.tv_sec;
}

static bool is_unchanged(const struct store_file *file, const struct stat *status)
{
	return file->is_read && file->changed.tv_sec == status->st_mtim.tv_sec &&
	       file->changed.tv_nsec == status->st_mtim.tv_nsec;
}

// Behind what is known of a segment there is a stretch of zeros to be read again each time, for writes may come in
// any order; unless nobody has written since.
static int scan_file(struct spoolfile *store, ssize_t place, int fd, const struct stat *status,
	enum store_depth depth)
{
	struct store_file *file = &store->files[place];
	uint64_t bad = store->stats.chunks_bad + store->stats.chunks_torn;
	bool past = is_past(status);
	int err;

	if (depth != STORE_THOROUGH && is_unchanged(file, status))
		return 0;
	err = store_scan_file(store, (uint32_t)place, fd, depth);
	file = &store->files[place];
	if (depth == STORE_GLANCE)
		return err;
	file->changed = status->st_mtim;
	// What is bad is counted anew each time.
	file->is_read = err == 0 && past && !file->unclear && !file->is_log &&
			store->stats.chunks_bad + store->stats.chunks_torn == bad;
	return err;
}

// A disk that fails, or too few descriptors: what such a file had is not forgotten, least of all what a log says of mail
// that has gone.
static int keep_failed(struct spoolfile *store, const char *name, int err)
{
	store->stats.files_failed++;
	store->stats.files_error = err;
	for (uint32_t i = 0; i < store->files_count; i++) {
		struct store_file *file = &store->files[i];

		if (strcmp(file->name, name) != 0)
			continue;
		file->present = true;
		file->is_read = false;
		store->stats.segments += file->is_log ? 0 : 1;
		store->stats.segment_bytes += file->is_log ? 0 : file->bytes;
	}
	return 0;
}

static int refresh_open_file(
	struct spoolfile *store, const char *name, int fd, enum store_depth depth)
{
	struct store_file *file;
	struct stat status;
	ssize_t place;

	if (fstat(fd, &status) != 0)
		return keep_failed(store, name, -errno);
	if (!S_ISREG(status.st_mode))
		return keep_failed(store, name, -EINVAL);
	place = place_of(store, name);
	if (place < 0)
		return (int)place;
	file = &store->files[place];
	// Another file under an old name: a rewrapped or compacted copy.
	if (file->name[0] != '\0' &&
		(file->inode != status.st_ino || (uint64_t)status.st_size < file->done))
		store_forget_file(store, (uint32_t)place);
	memcpy(file->name, name, strlen(name) + 1);
	file->inode = status.st_ino;
	file->bytes = (uint64_t)status.st_size;
	file->is_log = ends_with(name, ".state");
	file->present = true;
	if (!file->is_log) {
		store->stats.segments++;
		store->stats.segment_bytes += file->bytes;
	}
	return scan_file(store, place, fd, &status, depth);
}

static int refresh_file(struct spoolfile *store, const char *name, enum store_depth depth)
{
	// Not to hang on what is no file.
	int fd = openat(store->directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int err;

	if (fd < 0)
		return errno != ENOENT ? keep_failed(store, name, -errno) : 0;
	err = refresh_open_file(store, name, fd, depth);
	(void)close(fd);
	return err;
}

static int refresh_all(struct spoolfile *store, DIR *folder, enum store_depth depth)
{
	struct dirent *entry;
	int err = 0;

	errno = 0;
	// NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own
	while (err == 0 && (entry = readdir(folder)) != NULL) {
		if (ends_with(entry->d_name, ".seg") || ends_with(entry->d_name, ".state"))
			err = refresh_file(store, entry->d_name, depth);
		errno = 0;
	}
	return err != 0 ? err : -errno;
}

static int refresh(struct spoolfile *store, enum store_depth depth)
{
	int fd = openat(store->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder;
	int err;

	if (fd < 0)
		return -errno;
	folder = fdopendir(fd);
	if (folder == NULL) {
		err = -errno;
		(void)close(fd);
		return err;
	}
	memset(&store->stats, 0, sizeof(store->stats));
	for (uint32_t i = 0; i < store->files_count; i++)
		store->files[i].present = false;
	err = refresh_all(store, folder, depth);
	(void)closedir(folder);
	if (err != 0)
		return err;
	for (uint32_t i = 0; i < store->files_count; i++) {
		if (!store->files[i].present && store->files[i].name[0] != '\0')
			store_forget_file(store, i);
	}
	return store_make_list(store);
}

void spoolfile_meanwhile(struct spoolfile *store, void (*fn)(void))
{
	store->meanwhile = fn;
}

void spoolfile_wait(struct spoolfile *store, void (*wait)(void (*work)(void *ctx), void *ctx))
{
	store->wait = wait;
}

int spoolfile_refresh(struct spoolfile *store, bool thorough)
{
	return refresh(store, thorough ? STORE_THOROUGH : STORE_REFRESH);
}

int spoolfile_glance(struct spoolfile *store)
{
	struct spoolfile_stats before = store->stats;
	int err = refresh(store, STORE_GLANCE);

	// What is bad was not looked for.
	before.records = store->stats.records;
	before.gone = store->stats.gone;
	before.incomplete = store->stats.incomplete;
	before.duplicates = store->stats.duplicates;
	before.segments = store->stats.segments;
	before.segment_bytes = store->stats.segment_bytes;
	store->stats = before;
	return err;
}

void spoolfile_get_stats(const struct spoolfile *store, struct spoolfile_stats *out)
{
	*out = store->stats;
}

size_t spoolfile_list(struct spoolfile *store, const struct spoolfile_record **out)
{
	*out = store->list;
	return store->list_count;
}

const struct spoolfile_record *spoolfile_find(struct spoolfile *store, struct spool_id id)
{
	const struct store_entry *entry = store_find(store, id);

	return entry != NULL && store_is_live(entry) ? &entry->record : NULL;
}
