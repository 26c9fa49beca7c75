// SPDX-License-Identifier: BSD-3-Clause
#include "control/maildir.h"

#include "control/durable.h"

#include <glib.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILES 16 // at a time

struct reading {
	const char *folder;
	size_t most_bytes;
	maildir_fn each;
	void *ctx;
};

static int take_file(const struct reading *reading, const char *name)
{
	char from[PATH_MAX];
	char to[PATH_MAX] = "";
	struct stat info;
	char *data = NULL;
	size_t bytes = 0;
	bool is_seen;

	if (snprintf(from, sizeof(from), "%s/new/%s", reading->folder, name) >= (int)sizeof(from) ||
		snprintf(to, sizeof(to) - 1, "%s/cur/%s:2,", reading->folder, name) >=
			(int)sizeof(to) - 1)
		return 0;
	if (lstat(from, &info) == 0 && S_ISREG(info.st_mode))
		(void)!durable_read(from, reading->most_bytes, &data, &bytes);
	is_seen = reading->each(reading->ctx, &(struct maildir_mail){data, bytes, to});
	free(data);
	// Seen, or only not new any more.
	if (is_seen)
		(void)snprintf(to + strlen(to), 2, "S");
	return rename(from, to) == 0 ? 0 : -errno;
}

static int by_name(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// Names of Maildirs begin with the time.
int maildir_take(const char *folder, size_t most_bytes, maildir_fn each, void *ctx)
{
	const struct reading reading = {folder, most_bytes, each, ctx};
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	char path[PATH_MAX];
	const struct dirent *entry;
	int err = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/new", folder);
	dir = opendir(path);
	// Whoever delivers the first mail makes it.
	if (dir == NULL && errno != ENOENT)
		err = -errno;
	// NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of our own
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.')
			g_ptr_array_add(names, g_strdup(entry->d_name));
	}
	if (dir != NULL)
		(void)closedir(dir);
	g_ptr_array_sort(names, by_name);
	for (guint i = 0; i < names->len && i < FILES && err == 0; i++)
		err = take_file(&reading, names->pdata[i]);
	g_ptr_array_unref(names);
	return err;
}
