// SPDX-License-Identifier: BSD-3-Clause
#include "scan/ruleset_build_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define IMAGE_SUFFIX ".image"
#define INDEX_SUFFIX ".index"
// What is written is not left lying for so long by a writer that lives.
#define LEFT_BEHIND_SECONDS 3600

bool build_folder_path(
	const char *folder, const char *stem, const char *suffix, char *out, size_t room)
{
	int n = snprintf(out, room, "%s/%s%s", folder, stem, suffix);

	return n > 0 && (size_t)n < room;
}

static uint64_t bytes_of(const char *folder, const char *stem, const char *suffix, int64_t *used_ns)
{
	char path[PATH_MAX];
	struct stat status;

	if (!build_folder_path(folder, stem, suffix, path, sizeof(path)) ||
		stat(path, &status) != 0)
		return 0;
	*used_ns = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
	return (uint64_t)status.st_size;
}

static int compare_entries(const void *a, const void *b)
{
	const struct folder_entry *x = a;
	const struct folder_entry *y = b;

	if (x->used_ns != y->used_ns)
		return x->used_ns > y->used_ns ? -1 : 1;
	return strcmp(x->stem, y->stem);
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name);

	return n > strlen(suffix) && strcmp(name + n - strlen(suffix), suffix) == 0;
}

static int add_entry(const char *folder, const char *name, struct folder_list *list)
{
	struct folder_entry *entries =
		reallocarray(list->entries, list->count + 1, sizeof(*entries));
	struct folder_entry *entry;
	int64_t unused;

	if (entries == NULL)
		return -ENOMEM;
	list->entries = entries;
	entry = &entries[list->count];
	(void)snprintf(entry->stem, sizeof(entry->stem), "%.*s",
		(int)(strlen(name) - strlen(INDEX_SUFFIX)), name);
	entry->bytes = bytes_of(folder, entry->stem, INDEX_SUFFIX, &entry->used_ns);
	if (entry->bytes == 0)
		return 0;
	entry->bytes += bytes_of(folder, entry->stem, IMAGE_SUFFIX, &unused);
	list->count++;
	return 0;
}

int build_folder_list(const char *folder, const char *key, struct folder_list *out)
{
	struct folder_list list = {0};
	const struct dirent *found;
	DIR *stream = opendir(folder);
	int err = 0;

	if (stream == NULL)
		return -errno;
	// NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own
	while (err == 0 && (found = readdir(stream)) != NULL)
		if (has_suffix(found->d_name, INDEX_SUFFIX) &&
			strlen(found->d_name) < FOLDER_STEM_BYTES &&
			strncmp(found->d_name, key, strlen(key)) == 0)
			err = add_entry(folder, found->d_name, &list);
	(void)closedir(stream);
	if (err != 0) {
		free(list.entries);
		return err;
	}
	if (list.count > 0)
		qsort(list.entries, list.count, sizeof(*list.entries), compare_entries);
	*out = list;
	return 0;
}

void build_folder_touch(const char *folder, const char *stem)
{
	char path[PATH_MAX];

	if (build_folder_path(folder, stem, INDEX_SUFFIX, path, sizeof(path)))
		(void)utimensat(AT_FDCWD, path, NULL, 0);
}

void build_folder_remove(const char *folder, const char *stem)
{
	char path[PATH_MAX];

	if (build_folder_path(folder, stem, INDEX_SUFFIX, path, sizeof(path)))
		(void)unlink(path);
	if (build_folder_path(folder, stem, IMAGE_SUFFIX, path, sizeof(path)))
		(void)unlink(path);
}

// A writer puts its file in place with a name behind the suffix first; an image alone has no index yet,
// or not any more.
static void remove_left(const char *folder, const char *name)
{
	char path[PATH_MAX];
	char stem[FOLDER_STEM_BYTES];
	const char *dot = strchr(name, '.');
	struct stat status;
	int64_t used_ns;

	if (dot == NULL || (strncmp(dot, IMAGE_SUFFIX, strlen(IMAGE_SUFFIX)) != 0 &&
				   strncmp(dot, INDEX_SUFFIX, strlen(INDEX_SUFFIX)) != 0))
		return;
	(void)snprintf(stem, sizeof(stem), "%.*s", (int)(dot - name), name);
	if (!build_folder_path(folder, name, "", path, sizeof(path)) || stat(path, &status) != 0 ||
		status.st_ctim.tv_sec > time(NULL) - LEFT_BEHIND_SECONDS)
		return;
	if (!has_suffix(name, INDEX_SUFFIX) &&
		(!has_suffix(name, IMAGE_SUFFIX) ||
			bytes_of(folder, stem, INDEX_SUFFIX, &used_ns) == 0))
		(void)unlink(path);
}

static void sweep(const char *folder)
{
	const struct dirent *found;
	DIR *stream = opendir(folder);

	// NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own
	while (stream != NULL && (found = readdir(stream)) != NULL)
		remove_left(folder, found->d_name);
	if (stream != NULL)
		(void)closedir(stream);
}

void build_folder_trim(const char *folder, uint64_t max_bytes, const char *stem)
{
	struct folder_list list = {0};
	char path[PATH_MAX];
	uint64_t bytes = 0;
	int lock = build_folder_path(folder, "lock", "", path, sizeof(path))
			   ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)
			   : -1;

	// One at a time, so that two do not each remove what the other leaves.
	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) != 0) {
		if (lock >= 0)
			(void)close(lock);
		return;
	}
	if (build_folder_list(folder, "", &list) == 0) {
		for (size_t i = 0; i < list.count; i++) {
			bytes += list.entries[i].bytes;
			if (bytes <= max_bytes || strcmp(list.entries[i].stem, stem) == 0)
				continue;
			build_folder_remove(folder, list.entries[i].stem);
			bytes -= list.entries[i].bytes;
		}
		free(list.entries);
	}
	sweep(folder);
	(void)close(lock);
}
