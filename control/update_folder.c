// SPDX-License-Identifier: BSD-3-Clause
#include "control/update_folder.h"

#include "control/alert_body.h"
#include "control/durable.h"

#include <glib.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANIFEST ".update.json" // in a version's folder: what it is made of
#define MANIFEST_BYTES (16u << 20)
#define ACTIVE_BYTES 4096
#define PIECE 65536

static void join(char out[PATH_MAX], const char *folder, const char *name)
{
	if (snprintf(out, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
		out[0] = '\0';
}

void update_folder_version(
	const struct update_folder *folder, const char *version, char out[PATH_MAX])
{
	out[0] = '\0';
	if (version[0] != '\0')
		join(out, folder->path, version);
}

static void new_folder(
	const struct update_folder *folder, const struct update_plan *plan, char out[PATH_MAX])
{
	char name[UPDATE_VERSION_BYTES + 8];

	(void)snprintf(name, sizeof(name), "%s.new", plan->version);
	join(out, folder->path, name);
}

void update_folder_file(const struct update_folder *folder, const struct update_plan *plan,
	const struct update_file *file, char out[PATH_MAX])
{
	char path[PATH_MAX];

	new_folder(folder, plan, path);
	join(out, path, file->name);
}

// No file has a name that begins with a dot.
void update_folder_part(const struct update_folder *folder, const struct update_plan *plan,
	const struct update_file *file, char out[PATH_MAX])
{
	const char *slash = strrchr(file->name, '/');
	char name[UPDATE_NAME_MOST + 16];
	char path[PATH_MAX];

	(void)snprintf(name, sizeof(name), ".%s.part", slash != NULL ? slash + 1 : file->name);
	new_folder(folder, plan, path);
	if (slash != NULL) {
		char deeper[PATH_MAX];

		join(deeper, path, ALERT_SELFTEST);
		join(out, deeper, name);
		return;
	}
	join(out, path, name);
}

// ---- folders ------------------------------------------------------------------------------------

static int sync_path(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd) != 0)
		err = -errno;
	(void)close(fd);
	return err;
}

// Everything in it, at most one folder deep. each returns 0 or -errno, which ends it.
typedef int (*each_fn)(const char *path, void *ctx);
static int walk(const char *path, each_fn each, void *ctx, bool is_inner)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	int err = 0;

	if (dir == NULL)
		return -errno;
	// NOLINTNEXTLINE(concurrency-mt-unsafe): each thread has streams of its own
	while (err == 0 && (entry = readdir(dir)) != NULL) {
		char inside[PATH_MAX];

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		join(inside, path, entry->d_name);
		if (entry->d_type == DT_DIR && !is_inner)
			err = walk(inside, each, ctx, true);
		if (err == 0)
			err = each(inside, ctx);
	}
	(void)closedir(dir);
	return err;
}

static int remove_one(const char *path, void *ctx)
{
	(void)ctx;
	return remove(path) == 0 || errno == ENOENT ? 0 : -errno;
}

static int remove_folder(const char *path)
{
	int err = walk(path, remove_one, NULL, false);

	if (err == 0 && rmdir(path) != 0)
		err = -errno;
	return err == -ENOENT ? 0 : err;
}

static int sync_one(const char *path, void *ctx)
{
	(void)ctx;
	return sync_path(path);
}

static int sync_folder(const char *path)
{
	int err = walk(path, sync_one, NULL, false);

	return err == 0 ? sync_path(path) : err;
}

// ---- files --------------------------------------------------------------------------------------

static int digest_of(int fd, char **out)
{
	GChecksum *checksum = g_checksum_new(G_CHECKSUM_SHA256);
	guchar *piece = malloc(PIECE);
	ssize_t n = piece == NULL ? -1 : 1;

	while (n > 0) {
		n = read(fd, piece, PIECE);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			g_checksum_update(checksum, piece, n);
	}
	if (n == 0)
		*out = g_strdup(g_checksum_get_string(checksum));
	g_checksum_free(checksum);
	free(piece);
	return n == 0 ? 0 : -EIO;
}

bool update_folder_has(const char *path, const struct update_file *file)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat status;
	char *digest = NULL;
	bool same = false;

	if (fd < 0)
		return false;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
		(uint64_t)status.st_size == file->bytes && digest_of(fd, &digest) == 0)
		same = strcmp(digest, file->sha256) == 0;
	g_free(digest);
	(void)close(fd);
	return same;
}

// ---- manifests ----------------------------------------------------------------------------------

// {"version", "delta_from", "covers", "files": [{"name", "bytes", "sha256"}]}, or NULL.
static json_t *read_manifest(const struct update_folder *folder, const char *version)
{
	char path[PATH_MAX];
	char inside[PATH_MAX];
	char *text = NULL;
	size_t bytes = 0;
	json_t *root = NULL;

	update_folder_version(folder, version, path);
	join(inside, path, MANIFEST);
	if (path[0] != '\0' && durable_read(inside, MANIFEST_BYTES, &text, &bytes) == 0)
		root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	if (!json_is_array(json_object_get(root, "files"))) {
		json_decref(root);
		return NULL;
	}
	return root;
}

static bool has_file(const json_t *manifest, const struct update_file *file)
{
	json_t *known;
	size_t i;

	json_array_foreach(json_object_get(manifest, "files"), i, known)
	{
		const char *name = json_string_value(json_object_get(known, "name"));
		const char *digest = json_string_value(json_object_get(known, "sha256"));

		if (name != NULL && digest != NULL && strcmp(name, file->name) == 0)
			return strcmp(digest, file->sha256) == 0;
	}
	return false;
}

int update_folder_is_active(const struct update_folder *folder, const struct update_plan *plan)
{
	json_t *manifest;
	bool same = true;

	if (strcmp(folder->active, plan->version) != 0)
		return 0;
	manifest = read_manifest(folder, plan->version);
	for (size_t i = 0; i < plan->files_count; i++)
		same = same && has_file(manifest, &plan->files[i]);
	same = same && (plan->delta_from[0] != '\0' || json_array_size(json_object_get(manifest,
							       "files")) == plan->files_count);
	json_decref(manifest);
	return same ? 1 : -EEXIST;
}

static bool is_in_plan(const struct update_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->files_count; i++) {
		if (strcmp(plan->files[i].name, name) == 0)
			return true;
	}
	return false;
}

// The files of the version that a delta is added to, less those that it replaces.
static json_t *kept_files(const struct update_folder *folder, const struct update_plan *plan)
{
	json_t *manifest = read_manifest(folder, plan->delta_from);
	json_t *files = json_array();
	json_t *file;
	size_t i;

	json_array_foreach(json_object_get(manifest, "files"), i, file)
	{
		const char *name = json_string_value(json_object_get(file, "name"));

		if (name != NULL && !is_in_plan(plan, name))
			(void)json_array_append(files, file);
	}
	json_decref(manifest);
	return files;
}

static int write_manifest(
	const struct update_folder *folder, const struct update_plan *plan, const char *path)
{
	json_t *files = kept_files(folder, plan);
	char inside[PATH_MAX];
	json_t *root;
	char *text;
	int err;

	for (size_t i = 0; i < plan->files_count; i++)
		(void)json_array_append_new(files,
			json_pack("{s:s, s:I, s:s}", "name", plan->files[i].name, "bytes",
				(json_int_t)plan->files[i].bytes, "sha256", plan->files[i].sha256));
	root = json_pack("{s:s, s:s, s:O, s:o}", "version", plan->version, "delta_from",
		plan->delta_from, "covers", plan->covers, "files", files);
	text = json_dumps(root, JSON_INDENT(1));
	join(inside, path, MANIFEST);
	err = text != NULL ? durable_write(inside, text, strlen(text)) : -ENOMEM;
	free(text);
	json_decref(root);
	return err;
}

// ---- a new version ------------------------------------------------------------------------------

static int make_folders(const char *path)
{
	char inside[PATH_MAX];

	join(inside, path, ALERT_SELFTEST);
	if ((mkdir(path, 0750) != 0 && errno != EEXIST) ||
		(mkdir(inside, 0750) != 0 && errno != EEXIST))
		return -errno;
	return 0;
}

// Files are never changed: both versions may have the same one.
static int link_kept(
	const struct update_folder *folder, const struct update_plan *plan, const char *path)
{
	json_t *files = kept_files(folder, plan);
	char base[PATH_MAX];
	json_t *file;
	size_t i;
	int err = 0;

	update_folder_version(folder, plan->delta_from, base);
	json_array_foreach(files, i, file)
	{
		const char *name = json_string_value(json_object_get(file, "name"));
		char from[PATH_MAX];
		char to[PATH_MAX];

		join(from, base, name);
		join(to, path, name);
		if (link(from, to) != 0 && errno != EEXIST) {
			err = -errno;
			break;
		}
	}
	json_decref(files);
	return err;
}

int update_folder_begin(const struct update_folder *folder, const struct update_plan *plan)
{
	char path[PATH_MAX];
	int err;

	if (plan->delta_from[0] != '\0' && strcmp(plan->delta_from, folder->active) != 0)
		return -ESTALE;
	new_folder(folder, plan, path);
	err = make_folders(path);
	if (err == 0 && plan->delta_from[0] != '\0')
		err = link_kept(folder, plan, path);
	return err;
}

int update_folder_install(const struct update_folder *folder, const struct update_plan *plan)
{
	char version[PATH_MAX];
	char path[PATH_MAX];
	struct stat status;
	int err;

	new_folder(folder, plan, path);
	update_folder_version(folder, plan->version, version);
	// It was renamed before.
	if (stat(path, &status) != 0)
		return stat(version, &status) == 0 ? 0 : -errno;
	if (strcmp(folder->active, plan->version) == 0)
		return -EEXIST;
	err = write_manifest(folder, plan, path);
	if (err == 0)
		err = sync_folder(path);
	if (err == 0)
		err = remove_folder(version);
	if (err == 0 && rename(path, version) != 0)
		err = -errno;
	return err == 0 ? sync_path(folder->path) : err;
}

// ---- which one is active ------------------------------------------------------------------------

static void set_name(char out[UPDATE_VERSION_BYTES], const char *name)
{
	(void)snprintf(out, UPDATE_VERSION_BYTES, "%s", name != NULL ? name : "");
}

static bool is_version(const char *name)
{
	return name[0] == '\0' || update_version_check(name) == 0;
}

static int read_active(struct update_folder *folder)
{
	const char *active = "";
	const char *former = "";
	const char *rolled_back = "";
	int has_former = 0;
	char path[PATH_MAX];
	size_t bytes = 0;
	char *text = NULL;
	json_t *root;
	int err;

	join(path, folder->path, "active");
	err = durable_read(path, ACTIVE_BYTES, &text, &bytes);
	if (err != 0)
		return err == -ENOENT ? 0 : err;
	root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	if (json_unpack(root, "{s:s, s:s, s:b, s:s !}", "active", &active, "former", &former,
		    "has_former", &has_former, "rolled_back", &rolled_back) != 0 ||
		!is_version(active) || !is_version(former) || !is_version(rolled_back)) {
		json_decref(root);
		return -EBADMSG;
	}
	set_name(folder->active, active);
	set_name(folder->former, former);
	set_name(folder->rolled_back, rolled_back);
	folder->has_former = has_former != 0;
	json_decref(root);
	return 0;
}

static int write_active(const struct update_folder *folder)
{
	json_t *root = json_pack("{s:s, s:s, s:b, s:s}", "active", folder->active, "former",
		folder->former, "has_former", (int)folder->has_former, "rolled_back",
		folder->rolled_back);
	char *text = json_dumps(root, JSON_COMPACT);
	char path[PATH_MAX];
	int err;

	join(path, folder->path, "active");
	err = text != NULL ? durable_write(path, text, strlen(text)) : -ENOMEM;
	free(text);
	json_decref(root);
	return err;
}

void update_folder_clean(const struct update_folder *folder)
{
	DIR *dir = opendir(folder->path);
	const struct dirent *entry;

	// NOLINTNEXTLINE(concurrency-mt-unsafe): each thread has streams of its own
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		const char *name = entry->d_name;
		char path[PATH_MAX];

		if (entry->d_type != DT_DIR || name[0] == '.' ||
			strcmp(name, folder->active) == 0 ||
			(folder->has_former && strcmp(name, folder->former) == 0) ||
			strcmp(name, folder->rolled_back) == 0)
			continue;
		join(path, folder->path, name);
		(void)remove_folder(path);
	}
	if (dir != NULL)
		(void)closedir(dir);
}

int update_folder_activate(struct update_folder *folder, const char *version, bool is_back)
{
	struct update_folder next = *folder;
	int err;

	if (strcmp(folder->active, version) == 0 && (is_back || folder->rolled_back[0] == '\0'))
		return 0;
	if (strcmp(folder->active, version) != 0) {
		set_name(next.active, version);
		set_name(next.former, is_back ? "" : folder->active);
		next.has_former = !is_back;
	}
	set_name(next.rolled_back, is_back ? folder->active : "");
	err = write_active(&next);
	if (err == 0)
		*folder = next;
	return err;
}

int update_folder_open(const char *path, struct update_folder *out)
{
	struct update_folder folder = {0};
	int err;

	if (snprintf(folder.path, sizeof(folder.path), "%s", path) >= (int)sizeof(folder.path))
		return -ENAMETOOLONG;
	if (mkdir(path, 0750) != 0 && errno != EEXIST)
		return -errno;
	err = read_active(&folder);
	if (err == 0)
		*out = folder;
	return err;
}

// ---- for people ---------------------------------------------------------------------------------

static void add_version(const struct update_folder *folder, const char *version, json_t *list)
{
	json_t *manifest = version[0] != '\0' ? read_manifest(folder, version) : NULL;
	json_t *files = json_object_get(manifest, "files");
	const char *from = json_string_value(json_object_get(manifest, "delta_from"));
	json_int_t bytes = 0;
	json_t *file;
	size_t i;

	if (manifest == NULL)
		return;
	json_array_foreach(files, i, file)
	{
		bytes += json_integer_value(json_object_get(file, "bytes"));
	}
	(void)json_array_append_new(list,
		json_pack("{s:s, s:s, s:s, s:O, s:I, s:I}", "version", version, "kind",
			from != NULL && from[0] != '\0' ? "delta" : "full", "delta_from",
			from != NULL ? from : "", "covers", json_object_get(manifest, "covers"),
			"files", (json_int_t)json_array_size(files), "bytes", bytes));
	json_decref(manifest);
}

json_t *update_folder_json(const struct update_folder *folder)
{
	json_t *versions = json_array();

	add_version(folder, folder->active, versions);
	if (strcmp(folder->former, folder->active) != 0)
		add_version(folder, folder->former, versions);
	if (strcmp(folder->rolled_back, folder->active) != 0)
		add_version(folder, folder->rolled_back, versions);
	return json_pack("{s:s, s:s, s:b, s:s, s:o}", "active", folder->active, "former",
		folder->former, "has_former", (int)folder->has_former, "rolled_back",
		folder->rolled_back, "versions", versions);
}
