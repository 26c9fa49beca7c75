// SPDX-License-Identifier: BSD-3-Clause
// Housekeeping: removing segments in which nothing lives, copying files under the current key.
#include "dataplane/spoolfile_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BYTES 65536u

// ---- files --------------------------------------------------------------------------------------

// Whether the descriptor is of what now has that name.
static bool is_named(const struct spoolfile *store, const char *name, int fd)
{
	struct stat by_name;
	struct stat by_fd;

	return fstatat(store->directory, name, &by_name, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstat(fd, &by_fd) == 0 && by_name.st_ino == by_fd.st_ino;
}

static int lock_open_file(const struct spoolfile *store, const char *name, int fd)
{
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return is_named(store, name, fd) ? 0 : -ENOENT;
}

int store_lock_file(const struct spoolfile *store, const char *name, int flags)
{
	int fd = openat(store->directory, name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	int err;

	if (fd < 0)
		return -errno;
	err = lock_open_file(store, name, fd);
	if (err == 0)
		return fd;
	(void)close(fd);
	return err;
}

int store_new_file(const struct spoolfile *store, const char *name)
{
	char temporary[STORE_NAME_BYTES + 8];
	int fd;

	(void)snprintf(temporary, sizeof(temporary), "%s.new", name);
	fd = store_lock_file(store, temporary, O_RDWR | O_CREAT);
	if (fd >= 0 && ftruncate(fd, 0) != 0) {
		int err = -errno;

		(void)close(fd);
		return err;
	}
	return fd;
}

// What the disk may take its time for.
struct step {
	int directory;
	const char *name;
	int fd;
	int err;
};

static void do_step(const struct spoolfile *store, void (*work)(void *ctx), struct step *step)
{
	step->directory = store->directory;
	if (store->wait != NULL)
		store->wait(work, step);
	else
		work(step);
}

static void put_file(void *ctx)
{
	struct step *step = ctx;
	char temporary[STORE_NAME_BYTES + 8];

	(void)snprintf(temporary, sizeof(temporary), "%s.new", step->name);
	if (fsync(step->fd) != 0 ||
		renameat(step->directory, temporary, step->directory, step->name) != 0 ||
		fsync(step->directory) != 0)
		step->err = -errno;
}

int store_put_file(const struct spoolfile *store, const char *name, int fd)
{
	struct step step = {.name = name, .fd = fd};

	do_step(store, put_file, &step);
	return step.err;
}

int store_copy(int from, uint64_t from_offset, int to, uint64_t to_offset, uint64_t n)
{
	uint8_t *buffer = malloc(COPY_BYTES);
	int err = buffer != NULL ? 0 : -ENOMEM;

	while (err == 0 && n > 0) {
		size_t want = n < COPY_BYTES ? (size_t)n : COPY_BYTES;
		ssize_t got = pread(from, buffer, want, (off_t)from_offset);
		ssize_t put = got > 0 ? pwrite(to, buffer, (size_t)got, (off_t)to_offset) : got;

		if (put < 0)
			err = errno == EINTR ? 0 : -errno;
		else if (put == 0)
			err = -EIO;
		if (put > 0) {
			from_offset += (uint64_t)put;
			to_offset += (uint64_t)put;
			n -= (uint64_t)put;
		}
	}
	free(buffer);
	return err;
}

// ---- removing -----------------------------------------------------------------------------------

bool store_is_unclear(const struct spoolfile *store)
{
	bool unclear = store->stats.files_failed > 0;

	for (uint32_t i = 0; i < store->files_count; i++)
		unclear |= store->files[i].unclear;
	return unclear;
}

static bool has_extent(const struct store_entry *entry, uint32_t file, bool in_another)
{
	for (uint32_t i = 0; i < entry->count; i++) {
		if ((entry->extents[i].file == file) != in_another)
			return true;
	}
	return false;
}

// wanted has an entry for each file. A live record wants all files in which it has a chunk, copies too: of
// two copies only the writer knows which one is durable. One that is not whole may be, when what is missing
// is where nobody could look.
static void mark_wanted(const struct spoolfile *store, bool keep_incomplete, bool *wanted)
{
	for (size_t i = 0; i < store->buckets_count; i++) {
		const struct store_entry *entry = store->buckets[i];

		for (; entry != NULL; entry = entry->next) {
			bool keep = store_is_live(entry) ||
				    (keep_incomplete && !store_is_whole(entry) &&
					    !(entry->changed &&
						    spool_state_is_gone(entry->record.state)));

			for (uint32_t j = 0; keep && j < entry->count; j++)
				wanted[entry->extents[j].file] = true;
		}
	}
	for (size_t i = 0; i < store->pins_count; i++) {
		const struct store_entry *entry = store_find(store, store->pins[i].id);

		if (entry != NULL && has_extent(entry, store->pins[i].file, true))
			wanted[store->pins[i].file] = true;
	}
}

// Returns an array with an entry for each file, which the caller frees, or NULL.
static bool *find_wanted(const struct spoolfile *store, bool bad_too)
{
	bool *wanted = calloc(store->files_count + 1, sizeof(*wanted));

	if (wanted == NULL)
		return NULL;
	mark_wanted(store, !bad_too && store_is_unclear(store), wanted);
	for (uint32_t i = 0; i < store->files_count; i++) {
		const struct store_file *file = &store->files[i];

		if (file->name[0] == '\0' || file->is_log || (file->unclear && !bad_too))
			wanted[i] = true;
	}
	return wanted;
}

static int lock_candidates(const struct spoolfile *store, bool bad_too, int *locks)
{
	bool *wanted = find_wanted(store, bad_too);

	if (wanted == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < store->files_count; i++)
		locks[i] = wanted[i] ? -1 : store_lock_file(store, store->files[i].name, O_RDONLY);
	free(wanted);
	return 0;
}

static void remove_file(void *ctx)
{
	struct step *step = ctx;

	if (unlinkat(step->directory, step->name, 0) != 0)
		step->err = -errno;
	(void)close(step->fd);
}

static void sync_directory(void *ctx)
{
	struct step *step = ctx;

	if (fsync(step->directory) != 0)
		step->err = -errno;
}

// The last descriptor of a removed file gives its blocks back, which takes as long as it is. Takes that of the lock.
static bool is_removed(const struct spoolfile *store, const char *name, int *lock)
{
	struct step step = {.name = name, .fd = *lock};

	do_step(store, remove_file, &step);
	*lock = -1;
	return step.err == 0;
}

static int remove_unwanted(
	struct spoolfile *store, bool bad_too, int *locks, uint32_t count, unsigned int *removed)
{
	bool *wanted = find_wanted(store, bad_too);

	if (wanted == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < count && i < store->files_count; i++) {
		const char *name = store->files[i].name;

		// By now the place may be of another file, of which there is no lock.
		if (wanted[i] || locks[i] < 0 || !is_named(store, name, locks[i]) ||
			!is_removed(store, name, &locks[i]))
			continue;
		store_forget_file(store, i);
		(*removed)++;
	}
	free(wanted);
	return 0;
}

// What a process left behind that ended while it made a file.
static void remove_unfinished(const struct spoolfile *store)
{
	int fd = openat(store->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (folder == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	// NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own
	while ((entry = readdir(folder)) != NULL) {
		const char *dot = strrchr(entry->d_name, '.');
		int lock;

		if (dot == NULL || strcmp(dot, ".new") != 0)
			continue;
		lock = store_lock_file(store, entry->d_name, O_RDONLY | O_NONBLOCK);
		if (lock < 0)
			continue;
		(void)unlinkat(store->directory, entry->d_name, 0);
		(void)close(lock);
	}
	(void)closedir(folder);
}

int spoolfile_reap(struct spoolfile *store, bool bad_too, unsigned int *removed)
{
	int err = spoolfile_refresh(store, true);
	uint32_t count = store->files_count;
	int *locks = calloc(count + 1, sizeof(*locks));
	struct step sync = {.err = 0};

	*removed = 0;
	remove_unfinished(store);
	if (locks == NULL)
		return -ENOMEM;
	if (err == 0)
		err = lock_candidates(store, bad_too, locks);
	if (err != 0) {
		free(locks);
		return err;
	}
	// All candidates are locked first and looked at then: their writers have ended what they had
	// begun in them, wherever it ended, so this sees it.
	err = spoolfile_refresh(store, true);
	if (err == 0)
		err = remove_unwanted(store, bad_too, locks, count, removed);
	for (uint32_t i = 0; i < count; i++) {
		if (locks[i] >= 0)
			(void)close(locks[i]);
	}
	free(locks);
	if (*removed > 0)
		do_step(store, sync_directory, &sync);
	if (err == 0)
		err = sync.err;
	return err == 0 ? store_make_list(store) : err;
}

// ---- copying under the current key --------------------------------------------------------------

struct rewrap {
	const struct spool_keys *keys;
	int from;
	int to;       // -1: only look
	uint64_t old; // chunks that are not under the current key
};

static int rewrap_chunk(
	void *ctx, uint64_t offset, const struct spool_chunk *chunk, const uint8_t *content)
{
	struct rewrap *rewrap = ctx;
	uint8_t header[SPOOL_HEADER_BYTES];
	int err;

	(void)chunk;
	(void)content;
	if (pread(rewrap->from, header, sizeof(header), (off_t)offset) != (ssize_t)sizeof(header))
		return -EIO;
	if (spool_chunk_key(header) == spool_keys_current(rewrap->keys))
		return 0;
	rewrap->old++;
	if (rewrap->to < 0)
		return 0;
	err = spool_chunk_rewrap(rewrap->keys, header);
	if (err == 0 && pwrite(rewrap->to, header, sizeof(header), (off_t)offset) !=
				(ssize_t)sizeof(header))
		err = -EIO;
	return err;
}

static int rewrap_locked(
	struct spoolfile *store, const struct store_file *file, struct rewrap *rewrap)
{
	struct stat status;
	int err;

	rewrap->to = store_new_file(store, file->name);
	if (rewrap->to < 0)
		return rewrap->to;
	err = fstat(rewrap->from, &status) == 0 ? 0 : -errno;
	if (err == 0)
		err = store_copy(rewrap->from, 0, rewrap->to, 0, (uint64_t)status.st_size);
	if (err == 0)
		err = store_walk(store, rewrap->from, rewrap_chunk, rewrap);
	if (err == 0)
		err = store_put_file(store, file->name, rewrap->to);
	(void)close(rewrap->to);
	return err;
}

// Returns 0, -EBUSY when its writer has it, or -errno.
static int rewrap_file(struct spoolfile *store, const struct store_file *file)
{
	struct rewrap rewrap = {.keys = store->keys, .to = -1};
	int err;

	rewrap.from = openat(store->directory, file->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (rewrap.from < 0)
		return errno == ENOENT ? 0 : -errno;
	err = store_walk(store, rewrap.from, rewrap_chunk, &rewrap);
	if (err == 0 && rewrap.old > 0)
		err = lock_open_file(store, file->name, rewrap.from);
	if (err == 0 && rewrap.old > 0)
		err = rewrap_locked(store, file, &rewrap);
	(void)close(rewrap.from);
	return err;
}

int spoolfile_rewrap(struct spoolfile *store, unsigned int *left)
{
	int first = 0;

	*left = 0;
	for (uint32_t i = 0; i < store->files_count; i++) {
		int err = 0;

		if (store->files[i].name[0] != '\0')
			err = rewrap_file(store, &store->files[i]);
		// What no key opens is not known to be under the current one.
		if (err != 0 || store->files[i].unclear)
			(*left)++;
		if (err != 0 && err != -EBUSY && first == 0)
			first = err;
	}
	return first;
}
