// SPDX-License-Identifier: BSD-3-Clause
#include "control/vendor_publish.h"

#include "control/durable.h"
#include "control/vendor_catalogue.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES (1u << 30)

// ---- the feed -----------------------------------------------------------------------------------

char *vendor_publish_feed(const struct queue_alert *const *open, size_t count)
{
	GString *feed = g_string_new(NULL);

	for (size_t i = 0; i < count; i++)
		g_string_append_printf(feed, "%s\n", open[i]->envelope);
	return g_string_free(feed, FALSE);
}

int vendor_publish_write(const struct vendor_options *options, const char *feed)
{
	char path[PATH_MAX];
	int err;

	if (options->publish.folder[0] == '\0')
		return 0;
	(void)mkdir(options->publish.folder, 0755);
	(void)snprintf(path, sizeof(path), "%s/feed", options->publish.folder);
	err = durable_write(path, feed, strlen(feed));
	// Made readable by its owner alone; a web server reads it.
	return err == 0 && chmod(path, 0644) != 0 ? -errno : err;
}

// ---- bundles ------------------------------------------------------------------------------------

static int copy_file(const char *from, const char *to, const char *name)
{
	char *source = g_build_filename(from, name, NULL);
	char *target = g_build_filename(to, name, NULL);
	char *data = NULL;
	size_t bytes = 0;
	int err = durable_read(source, FILE_BYTES, &data, &bytes);

	if (err == 0)
		err = durable_write(target, data, bytes);
	if (err == 0 && chmod(target, 0644) != 0)
		err = -errno;
	free(data);
	g_free(source);
	g_free(target);
	return err;
}

static int copy_files(const char *from, const char *to, const json_t *catalogue)
{
	char *selftest = g_build_filename(to, VENDOR_SELFTEST, NULL);
	json_t *file;
	size_t i;
	int err = mkdir(selftest, 0755) == 0 && chmod(selftest, 0755) == 0 ? 0 : -errno;

	g_free(selftest);
	json_array_foreach(json_object_get(catalogue, "files"), i, file)
	{
		if (err == 0)
			err = copy_file(from, to, json_string_value(json_object_get(file, "name")));
	}
	return err;
}

static bool is_plain_name(const char *name)
{
	return name[0] != '\0' && name[0] != '.' && strpbrk(name, "/\\%?#") == NULL &&
	       strlen(name) < 128;
}

// A bundle that is there stays as it is.
static int check_bundle(
	const char *folder, const json_t *source, json_t **catalogue, char *why, size_t why_bytes)
{
	int err = vendor_catalogue_read(folder, catalogue, why, why_bytes);

	if (err != 0 || json_equal(source, *catalogue))
		return err;
	(void)snprintf(why, why_bytes, "this version was published with other files");
	json_decref(*catalogue);
	return -EEXIST;
}

// Copies the files beside and renames the folder when all are there: what is said of them is what was
// copied, not what lies in the source by then.
static int fill_bundle(const char *from, const char *folder, const json_t *source,
	json_t **catalogue, char *why, size_t why_bytes)
{
	char *fresh = g_strconcat(folder, ".XXXXXX", NULL);
	int err = mkdtemp(fresh) != NULL && chmod(fresh, 0755) == 0 ? 0 : -errno;

	if (err == 0)
		err = copy_files(from, fresh, source);
	if (err != 0)
		(void)snprintf(why, why_bytes, "%s: the files cannot be copied", fresh);
	else
		err = vendor_catalogue_read(fresh, catalogue, why, why_bytes);
	if (err == 0 && durable_rename(fresh, folder) != 0) {
		(void)snprintf(why, why_bytes, "%s: cannot be made", folder);
		json_decref(*catalogue);
		err = -EIO;
	}
	g_free(fresh);
	return err;
}

int vendor_publish_bundle(const struct vendor_options *options, const char *version,
	const char *delta_from, json_t **body, char *why, size_t why_bytes)
{
	char folder[PATH_MAX];
	json_t *source = NULL;
	json_t *catalogue = NULL;
	struct vendor_update update = {.version = version, .delta_from = delta_from};
	char *url;
	int err;

	if (options->publish.signatures[0] == '\0' || !is_plain_name(version)) {
		(void)snprintf(why, why_bytes,
			options->publish.signatures[0] == '\0'
				? "publish.signatures is not configured"
				: "version: must do as the name of a folder");
		return -EINVAL;
	}
	(void)mkdir(options->publish.folder, 0755);
	(void)snprintf(folder, sizeof(folder), "%s/bundles", options->publish.folder);
	(void)mkdir(folder, 0755);
	(void)snprintf(folder, sizeof(folder), "%s/bundles/%s", options->publish.folder, version);
	err = vendor_catalogue_read(options->publish.signatures, &source, why, why_bytes);
	if (err == 0 && access(folder, F_OK) == 0)
		err = check_bundle(folder, source, &catalogue, why, why_bytes);
	else if (err == 0)
		err = fill_bundle(
			options->publish.signatures, folder, source, &catalogue, why, why_bytes);
	json_decref(source);
	if (err != 0)
		return err;
	url = g_strconcat(options->publish.url,
		g_str_has_suffix(options->publish.url, "/") ? "" : "/", "bundles/", version, NULL);
	update.url = url;
	err = vendor_catalogue_update(catalogue, &update, body, why, why_bytes);
	g_free(url);
	json_decref(catalogue);
	return err;
}
