// SPDX-License-Identifier: BSD-3-Clause
#include "scan/ruleset_build_files.h"

#include "scan/clamav_container.h"
#include "scan/ruleset_build_known.h"

#include <openssl/evp.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE_BYTES (1u << 30)

struct extension {
	const char *name;
	enum build_kind kind;
};

static const struct extension extensions[] = {
	{"ndb", BUILD_NDB},
	{"sdb", BUILD_NDB},
	{"db", BUILD_DB},
	{"hdb", BUILD_HASHES},
	{"hsb", BUILD_HASHES},
	{"fp", BUILD_ALLOWED},
	{"sfp", BUILD_ALLOWED},
	{"ign", BUILD_IGNORED},
	{"ign2", BUILD_IGNORED},
	{"ldb", BUILD_LDB},
	{"mdb", BUILD_SECTIONS},
	{"msb", BUILD_SECTIONS},
	{"ndu", BUILD_OPTIONAL},
	{"ldu", BUILD_OPTIONAL},
	{"mdu", BUILD_OPTIONAL},
	{"msu", BUILD_OPTIONAL},
	{"hdu", BUILD_OPTIONAL},
	{"hsu", BUILD_OPTIONAL},
	{"imp", BUILD_IMPORTS},
	{"cdb", BUILD_MEMBERS},
	{"cbc", BUILD_UNSUPPORTED},
	{"idb", BUILD_UNSUPPORTED},
	{"pdb", BUILD_UNSUPPORTED},
	{"gdb", BUILD_UNSUPPORTED},
	{"wdb", BUILD_UNSUPPORTED},
	{"ftm", BUILD_FILETYPES},
	{"crb", BUILD_UNSUPPORTED},
	{"cfg", BUILD_UNSUPPORTED},
	{"pwdb", BUILD_UNSUPPORTED},
	{"yar", BUILD_UNSUPPORTED},
	{"yara", BUILD_UNSUPPORTED},
	{"zmd", BUILD_UNSUPPORTED},
	{"rmd", BUILD_UNSUPPORTED},
	{"ioc", BUILD_UNSUPPORTED},
	{"cat", BUILD_UNSUPPORTED},
	{"cvd", BUILD_CONTAINER},
	{"cld", BUILD_CONTAINER},
	{"cud", BUILD_CONTAINER},
};

static enum build_kind kind_of(const char *path)
{
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot != NULL && i < sizeof(extensions) / sizeof(extensions[0]); i++)
		if (strcasecmp(dot + 1, extensions[i].name) == 0)
			return extensions[i].kind;
	return BUILD_OTHER;
}

enum build_kind build_file_kind(const struct build_file *file)
{
	enum build_kind kind = kind_of(file->path);
	const char *dot = strrchr(file->path, '.');

	if (kind != BUILD_OPTIONAL || !file->given)
		return kind;
	if (strcasecmp(dot, ".ndu") == 0)
		return BUILD_NDB;
	if (strcasecmp(dot, ".ldu") == 0)
		return BUILD_LDB;
	return dot[1] == 'm' || dot[1] == 'M' ? BUILD_SECTIONS : BUILD_HASHES;
}

const char *build_file_name(const struct build_file *file)
{
	const char *slash = strrchr(file->path, '/');

	return slash != NULL ? slash + 1 : file->path;
}

static bool is_indexed(const struct build *build)
{
	return build->wants_records || build->known != NULL;
}

static int64_t to_ns(const struct timespec *time)
{
	return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

static int stamp_file(int fd, struct build_stamp *stamp)
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		return -errno;
	*stamp = (struct build_stamp){status.st_dev, status.st_ino, (uint64_t)status.st_size,
		to_ns(&status.st_mtim), to_ns(&status.st_ctim)};
	return 0;
}

static void digest_file(struct build *build, struct build_file *file)
{
	if (!is_indexed(build))
		return;
	if (EVP_Digest(file->data, file->bytes, file->sha256, NULL, EVP_sha256(), NULL) != 1)
		build->failed = true;
	if (build->known != NULL)
		file->is_same = build_known_by_digest(build, file);
}

// Reads all of it, with room for a NUL behind.
static int read_all(int fd, struct build_file *file)
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	if (status.st_size > MAX_FILE_BYTES)
		return -EFBIG;
	file->data = malloc((size_t)status.st_size + 1);
	if (file->data == NULL)
		return -ENOMEM;
	while (file->bytes < (size_t)status.st_size) {
		ssize_t n =
			read(fd, file->data + file->bytes, (size_t)status.st_size - file->bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		file->bytes += (size_t)n;
	}
	file->data[file->bytes] = '\0';
	return 0;
}

// A pipe that nobody writes to is not waited for.
static int open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return fd >= 0 ? fd : -errno;
}

int build_read_file(struct build_file *file)
{
	int fd = open_file(file->path);
	int err;

	if (fd < 0)
		return fd;
	err = read_all(fd, file);
	(void)close(fd);
	return err;
}

// Names that are ignored are needed, whether they are known or not.
static bool is_known(struct build *build, int fd, struct build_file *file)
{
	if (!is_indexed(build) || stamp_file(fd, &file->stamp) != 0 || build->known == NULL)
		return false;
	build_known_find(build, file);
	file->is_same = kind_of(file->path) != BUILD_IGNORED && build_known_by_stamp(build, file);
	if (file->is_same)
		memcpy(file->sha256, build->known->index.files[file->old].sha256,
			sizeof(file->sha256));
	return file->is_same;
}

// A file that is not read as signatures is noted all the same, so that it is reported.
static int load_file(struct build *build, const char *path, bool given)
{
	struct build_file *file = build_push(build, &build->files, sizeof(*file));
	int err = 0;
	int fd;

	if (file == NULL)
		return -ENOMEM;
	file->given = given;
	file->container = RULESET_NONE;
	file->old = RULESET_NONE;
	file->path = strdup(path);
	if (file->path == NULL)
		return -ENOMEM;
	fd = open_file(path);
	if (fd < 0)
		return fd;
	if (!is_known(build, fd, file)) {
		err = read_all(fd, file);
		if (err == 0)
			digest_file(build, file);
	}
	(void)close(fd);
	return err;
}

bool ruleset_is_source(const char *name)
{
	return name[0] != '.' && kind_of(name) != BUILD_OTHER;
}

static int is_signature_file(const struct dirent *entry)
{
	return ruleset_is_source(entry->d_name);
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

// Nothing is made of sources of which one cannot be read: this is the one. Returns err.
static int tell(struct build *build, const char *path, int err)
{
	const char *reason = err < 0 ? strerrordesc_np(-err) : NULL;

	if (reason != NULL && build->options->report != NULL)
		build->options->report(build->options->ctx, path, 0, true, reason);
	return err;
}

static int load_folder(struct build *build, const char *path)
{
	struct dirent **entries = NULL;
	int count = scandir(path, &entries, is_signature_file, compare_names);
	int err = count < 0 ? tell(build, path, -errno) : 0;

	for (int i = 0; i < count; i++) {
		char *name = NULL;

		if (err == 0 && asprintf(&name, "%s/%s", path, entries[i]->d_name) < 0) {
			name = NULL;
			err = -ENOMEM;
		}
		if (err == 0)
			err = tell(build, name, load_file(build, name, false));
		free(name);
		free(entries[i]);
	}
	free(entries);
	return err;
}

int build_load(struct build *build, const char *path)
{
	struct stat status;

	if (stat(path, &status) != 0)
		return tell(build, path, -errno);
	if (S_ISDIR(status.st_mode))
		return load_folder(build, path);
	return tell(build, path, load_file(build, path, true));
}

static enum clamav_container_kind container_kind(const char *path)
{
	const char *dot = strrchr(path, '.');

	return strcasecmp(dot, ".cvd") == 0
		       ? CLAMAV_CVD
		       : (strcasecmp(dot, ".cld") == 0 ? CLAMAV_CLD : CLAMAV_CUD);
}

static void add_member(
	struct build *build, uint32_t container, const struct clamav_container_file *member)
{
	struct build_file *file = build_push(build, &build->files, sizeof(*file));
	const char *path = ((struct build_file *)build->files.items)[container].path;

	if (file == NULL)
		return;
	file->container = container;
	file->old = RULESET_NONE;
	if (asprintf(&file->path, "%s/%s", path, member->name) < 0)
		file->path = NULL;
	file->data = malloc(member->bytes + 1);
	if (file->path == NULL || file->data == NULL) {
		build->failed = true;
		return;
	}
	memcpy(file->data, member->data, member->bytes);
	file->data[member->bytes] = '\0';
	file->bytes = member->bytes;
	if (build->known != NULL)
		build_known_find(build, file);
	digest_file(build, file);
}

static void open_container(struct build *build, uint32_t number)
{
	const struct build_file *file = (struct build_file *)build->files.items + number;
	const char *path = file->path;
	struct clamav_container *container = malloc(sizeof(*container));
	const char *wrong;

	if (container == NULL) {
		build->failed = true;
		return;
	}
	wrong = clamav_container_open(
		container_kind(path), (const uint8_t *)file->data, file->bytes, container);
	if (wrong != NULL)
		build_report(build, number, 0, true, wrong);
	for (size_t i = 0; wrong == NULL && i < container->files_count && !build->failed; i++)
		if (kind_of(container->files[i].name) != BUILD_CONTAINER)
			add_member(build, number, &container->files[i]);
	if (wrong == NULL)
		clamav_container_close(container);
	free(container);
}

void build_open_containers(struct build *build)
{
	uint32_t count = (uint32_t)build->files.count;

	for (uint32_t i = 0; i < count && !build->failed; i++) {
		const struct build_file *file = (struct build_file *)build->files.items + i;

		if (kind_of(file->path) != BUILD_CONTAINER)
			continue;
		if (file->is_same)
			build_known_members(build, i);
		else
			open_container(build, i);
	}
}

void build_free_files(struct build *build)
{
	struct build_file *files = build->files.items;

	for (size_t i = 0; i < build->files.count; i++) {
		free(files[i].path);
		free(files[i].data);
	}
	free(files);
}

char *build_next_line(struct build_file *file, size_t *at, size_t *length)
{
	char *line = file->data + *at;
	char *end;

	if (*at >= file->bytes)
		return NULL;
	end = memchr(line, '\n', file->bytes - *at);
	if (end == NULL)
		end = file->data + file->bytes;
	*at = (size_t)(end - file->data) + 1;
	*length = (size_t)(end - line);
	if (*length > 0 && line[*length - 1] == '\r')
		(*length)--;
	line[*length] = '\0';
	return line;
}
