// SPDX-License-Identifier: BSD-3-Clause
#include "control/outbox.h"

#include "control/durable.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOTICE_BYTES (4u << 20) // of the largest: thousands of recipients
#define OPEN_SUFFIX ".notice"
#define DONE_SUFFIX ".done"

struct outbox {
	char folder[PATH_MAX / 2];
};

static bool is_key(const char *key)
{
	size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

	return key[n] == '\0' && n > 0 && n < OUTBOX_KEY_BYTES && key[0] != '.';
}

static void path_of(const struct outbox *outbox, const char *key, const char *suffix, char *out)
{
	(void)snprintf(out, PATH_MAX, "%s/%s%s", outbox->folder, key, suffix);
}

int outbox_open(const char *folder, struct outbox **out)
{
	struct outbox *outbox = calloc(1, sizeof(*outbox));
	struct stat status;
	int err = 0;

	if (outbox == NULL)
		return -ENOMEM;
	if (strlen(folder) >= sizeof(outbox->folder))
		err = -ENAMETOOLONG;
	else if ((mkdir(folder, 0700) != 0 && errno != EEXIST) || stat(folder, &status) != 0)
		err = -errno;
	else if (!S_ISDIR(status.st_mode))
		err = -ENOTDIR;
	if (err != 0) {
		free(outbox);
		return err;
	}
	(void)snprintf(outbox->folder, sizeof(outbox->folder), "%s", folder);
	*out = outbox;
	return 0;
}

void outbox_close(struct outbox *outbox)
{
	free(outbox);
}

int outbox_put(struct outbox *outbox, const char *key, const json_t *about)
{
	char path[PATH_MAX];
	char done[PATH_MAX];
	char *text;
	int err;

	if (!is_key(key))
		return -EINVAL;
	path_of(outbox, key, OPEN_SUFFIX, path);
	path_of(outbox, key, DONE_SUFFIX, done);
	if (access(path, F_OK) == 0 || access(done, F_OK) == 0)
		return -EEXIST;
	text = json_dumps(about, JSON_COMPACT);
	if (text == NULL)
		return -ENOMEM;
	err = strlen(text) < NOTICE_BYTES ? durable_write(path, text, strlen(text)) : -EFBIG;
	free(text);
	return err;
}

int outbox_finish(struct outbox *outbox, const char *key)
{
	char path[PATH_MAX];
	char done[PATH_MAX];
	int err;

	path_of(outbox, key, OPEN_SUFFIX, path);
	path_of(outbox, key, DONE_SUFFIX, done);
	err = durable_rename(path, done);
	// What is left of it is its name alone. The time of this is when it was finished.
	if (err == 0 && truncate(done, 0) != 0)
		err = -errno;
	return err;
}

int outbox_withdraw(struct outbox *outbox, const char *key)
{
	char path[PATH_MAX];

	path_of(outbox, key, OPEN_SUFFIX, path);
	return unlink(path) == 0 || errno == ENOENT ? 0 : -errno;
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name);

	return n > strlen(suffix) && strcmp(name + n - strlen(suffix), suffix) == 0;
}

static int is_notice(const struct dirent *entry)
{
	return has_suffix(entry->d_name, OPEN_SUFFIX) ? 1 : 0;
}

static int is_done(const struct dirent *entry)
{
	return has_suffix(entry->d_name, DONE_SUFFIX) ? 1 : 0;
}

void outbox_forget(struct outbox *outbox, int64_t before_s, outbox_needs_fn needs, void *ctx)
{
	struct dirent **list = NULL;
	int count = scandir(outbox->folder, &list, is_done, NULL);

	for (int i = 0; i < count; i++) {
		char path[PATH_MAX];
		struct stat status;

		path_of(outbox, list[i]->d_name, "", path);
		list[i]->d_name[strlen(list[i]->d_name) - strlen(DONE_SUFFIX)] = '\0';
		if (stat(path, &status) == 0 && status.st_mtim.tv_sec < before_s &&
			!needs(ctx, list[i]->d_name))
			(void)unlink(path);
		free(list[i]);
	}
	free(list);
}

static json_t *read_notice(const char *path)
{
	char *text = NULL;
	size_t bytes = 0;
	json_t *about;

	if (durable_read(path, NOTICE_BYTES, &text, &bytes) != 0)
		return NULL;
	about = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	if (json_is_object(about))
		return about;
	json_decref(about);
	return NULL;
}

int outbox_each(struct outbox *outbox, outbox_fn show, void *ctx)
{
	struct dirent **list = NULL;
	int count = scandir(outbox->folder, &list, is_notice, alphasort);

	if (count < 0)
		return -errno;
	for (int i = 0; i < count; i++) {
		char *name = list[i]->d_name;
		char path[PATH_MAX];
		json_t *about;

		path_of(outbox, name, "", path);
		about = read_notice(path);
		name[strlen(name) - strlen(OPEN_SUFFIX)] = '\0';
		if (is_key(name))
			show(ctx, name, about);
		json_decref(about);
		free(list[i]);
	}
	free(list);
	return 0;
}
