// SPDX-License-Identifier: BSD-3-Clause
#include "scan/ruleset_build_folder.h"
#include "scan/ruleset_build_index.h"
#include "scan/ruleset_build_ready.h"

#include <hs.h>
#include <openssl/evp.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// So many entries are tried, the one used last first.
#define MAX_TRIES 4

struct job {
	const char *const *paths;
	size_t paths_count;
	const struct ruleset_build_options *options;
	const struct ruleset_cache *cache;
	const char *output;
	struct ruleset_cached *out;
	char key[FOLDER_KEY_BYTES + 1];
	bool has_used;
	uint8_t used[32]; // digest of the image in use
};

// A file in memory.
struct mapping {
	void *data;
	size_t bytes;
};

static int map_entry(
	const struct job *job, const char *stem, const char *suffix, struct mapping *out)
{
	char path[PATH_MAX];
	struct stat status;
	int err = 0;
	int fd;

	if (!build_folder_path(job->cache->folder, stem, suffix, path, sizeof(path)))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) != 0)
		err = -errno;
	else if (!S_ISREG(status.st_mode) || status.st_size <= 0)
		err = -EBADMSG;
	if (err == 0) {
		out->bytes = (size_t)status.st_size;
		out->data = mmap(NULL, out->bytes, PROT_READ, MAP_PRIVATE, fd, 0);
		err = out->data == MAP_FAILED ? -errno : 0;
	}
	(void)close(fd);
	return err;
}

static void note_damage(const struct job *job, const char *stem, const char *suffix)
{
	char path[PATH_MAX];

	if (job->cache->note != NULL &&
		build_folder_path(job->cache->folder, stem, suffix, path, sizeof(path)))
		job->cache->note(job->cache->ctx, path, "damaged: it is made anew");
	build_folder_remove(job->cache->folder, stem);
}

// ---- what serves here --------------------------------------------------------------------------

// Another program may plan the same signatures otherwise.
static int name_program(EVP_MD_CTX *context)
{
	struct stat status;
	int64_t values[3];

	if (stat("/proc/self/exe", &status) != 0)
		return -errno;
	values[0] = status.st_size;
	values[1] = status.st_mtim.tv_sec;
	values[2] = status.st_mtim.tv_nsec;
	return EVP_DigestUpdate(context, values, sizeof(values)) == 1 ? 0 : -EIO;
}

static int make_key(struct job *job)
{
	const uint32_t numbers[] = {RULESET_FORMAT, INDEX_FORMAT, job->options->strict};
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	uint8_t digest[EVP_MAX_MD_SIZE];
	hs_platform_info_t platform = {0};
	int err = -EIO;

	if (context != NULL && hs_populate_platform(&platform) == HS_SUCCESS &&
		EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
		EVP_DigestUpdate(context, numbers, sizeof(numbers)) == 1 &&
		EVP_DigestUpdate(context, &platform, sizeof(platform)) == 1 &&
		EVP_DigestUpdate(context, hs_version(), strlen(hs_version())) == 1)
		err = name_program(context);
	if (err == 0 && EVP_DigestFinal_ex(context, digest, NULL) != 1)
		err = -EIO;
	EVP_MD_CTX_free(context);
	for (unsigned int i = 0; err == 0 && i < 8; i++)
		(void)snprintf(job->key + (size_t)2 * i, 4, "%02x-", digest[i]);
	return err;
}

// An image that cannot be read is not in use.
static void look_at_used(struct job *job)
{
	struct ruleset_header header;
	FILE *file = job->cache->in_use != NULL ? fopen(job->cache->in_use, "rbe") : NULL;

	if (file == NULL)
		return;
	if (fread(&header, offsetof(struct ruleset_header, sections), 1, file) == 1 &&
		memcmp(header.magic, RULESET_MAGIC, sizeof(header.magic)) == 0 &&
		header.format == RULESET_FORMAT) {
		job->has_used = true;
		memcpy(job->used, header.sha256, sizeof(job->used));
	}
	(void)fclose(file);
}

static void make_stem(const struct job *job, const uint8_t *sha256, char *out)
{
	int n = snprintf(out, FOLDER_STEM_BYTES, "%s", job->key);

	for (unsigned int i = 0; i < 16; i++)
		n += snprintf(out + n, FOLDER_STEM_BYTES - (size_t)n, "%02x", sha256[i]);
}

// ---- what is there -----------------------------------------------------------------------------

// The image is whole, and the one that the index is of.
static int map_image(const struct job *job, const char *stem, const struct index_header *index,
	struct mapping *out)
{
	const struct ruleset_header *header;
	struct ruleset *ruleset = NULL;
	int err = map_entry(job, stem, ".image", out);

	if (err != 0)
		return err;
	err = ruleset_attach_one(out->data, out->bytes, &ruleset);
	ruleset_close(ruleset);
	header = out->data;
	if (err == 0 && memcmp(header->sha256, index->image, sizeof(index->image)) != 0)
		err = -EBADMSG;
	if (err != 0)
		(void)munmap(out->data, out->bytes);
	return err == 0 || err == -ENOMEM ? err : -EBADMSG;
}

static uint32_t count_changes(const struct ruleset_built *built)
{
	struct ruleset *delta = NULL;
	uint32_t changes = 0;

	if (built->image != NULL &&
		ruleset_attach_one(built->image, built->image_bytes, &delta) == 0)
		changes = delta->signatures_count + delta->removed_count;
	ruleset_close(delta);
	return changes;
}

static int write_alone(const struct job *job, const struct ruleset_built *built)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s" RULESET_DELTA_SUFFIX, job->output) >=
		(int)sizeof(path))
		return -ENAMETOOLONG;
	job->out->origin = RULESET_DELTA_ALONE;
	job->out->stats.image_bytes = built->image_bytes;
	return ruleset_write(path, built->image, built->image_bytes);
}

// The image of an entry, and the delta of it if there is one.
static int write_entry(const struct job *job, const char *stem, const struct ruleset_built *built)
{
	const struct index_header *index = built->index;
	struct mapping image = {0};
	char path[PATH_MAX];
	int err;

	job->out->changes = count_changes(built);
	if (built->image != NULL && job->has_used &&
		memcmp(job->used, index->image, sizeof(job->used)) == 0)
		return write_alone(job, built);
	err = map_image(job, stem, index, &image);
	if (err != 0)
		return err;
	job->out->origin = built->image != NULL ? RULESET_DELTA : RULESET_FOUND;
	job->out->stats.image_bytes = image.bytes + built->image_bytes;
	if (built->image != NULL)
		err = build_write_both(
			job->output, image.data, image.bytes, built->image, built->image_bytes);
	else if (!build_folder_path(job->cache->folder, stem, ".image", path, sizeof(path)) ||
		 build_write_link(job->output, path) != 0)
		err = ruleset_write(job->output, image.data, image.bytes);
	(void)munmap(image.data, image.bytes);
	return err;
}

// Returns 0 when the output is made, -ENOENT when this entry is of no use.
static int try_entry(const struct job *job, const char *stem)
{
	struct ruleset_ready *ready = job->cache->ready;
	const bool is_ready = ready != NULL && strcmp(ready->stem, stem) == 0;
	struct ruleset_built built = {0};
	struct mapping index = {0};
	int err = is_ready ? 0 : map_entry(job, stem, ".index", &index);

	// It may have gone since the folder was read.
	if (err != 0)
		return -ENOENT;
	built.index = is_ready ? ready->data : index.data;
	built.index_bytes = is_ready ? ready->bytes : index.bytes;
	err = build_delta(
		job->paths, job->paths_count, job->options, &built, &job->out->stats, ready);
	if (err == -EBADMSG) {
		note_damage(job, stem, ".index");
		err = -ENOENT;
	} else if (err == 0 && job->cache->is_fresh && built.image != NULL) {
		err = -ENOENT;
	} else if (err == 0) {
		err = write_entry(job, stem, &built);
		if (err == -EBADMSG) {
			note_damage(job, stem, ".image");
			err = -ENOENT;
		}
	}
	free(built.image);
	if (!is_ready)
		(void)munmap(index.data, index.bytes);
	return err == -E2BIG ? -ENOENT : err;
}

// The entry of the image in use first.
static void prefer_used(const struct job *job, struct folder_list *list)
{
	char stem[FOLDER_STEM_BYTES];

	if (!job->has_used)
		return;
	make_stem(job, job->used, stem);
	for (size_t i = 1; i < list->count; i++) {
		struct folder_entry first = list->entries[0];

		if (strcmp(list->entries[i].stem, stem) != 0)
			continue;
		list->entries[0] = list->entries[i];
		list->entries[i] = first;
	}
}

static int try_entries(const struct job *job)
{
	struct folder_list list = {0};
	int err = build_folder_list(job->cache->folder, job->key, &list);

	if (err != 0)
		return err;
	prefer_used(job, &list);
	err = -ENOENT;
	for (size_t i = 0; i < list.count && i < MAX_TRIES && err == -ENOENT; i++) {
		err = try_entry(job, list.entries[i].stem);
		if (err == 0)
			build_folder_touch(job->cache->folder, list.entries[i].stem);
	}
	free(list.entries);
	return err;
}

// ---- what is not there -------------------------------------------------------------------------

// That an entry cannot be kept spoils nothing but the next time.
static void keep_entry(const struct job *job, const struct ruleset_built *built)
{
	const struct ruleset_header *header = built->image;
	char stem[FOLDER_STEM_BYTES];
	char path[PATH_MAX];
	int err = -ENAMETOOLONG;

	make_stem(job, header->sha256, stem);
	if (build_folder_path(job->cache->folder, stem, ".image", path, sizeof(path)))
		err = ruleset_write(path, built->image, built->image_bytes);
	if (err == 0 && build_folder_path(job->cache->folder, stem, ".index", path, sizeof(path)))
		err = ruleset_write(path, built->index, built->index_bytes);
	if (err != 0) {
		build_folder_remove(job->cache->folder, stem);
		if (job->cache->note != NULL)
			job->cache->note(job->cache->ctx, job->cache->folder,
				"an image could not be kept there");
		return;
	}
	build_folder_trim(job->cache->folder, job->cache->max_bytes, stem);
}

static int compile_all(const struct job *job)
{
	struct ruleset_built built = {0};
	int err = ruleset_build_indexed(
		job->paths, job->paths_count, job->options, &built, &job->out->stats);

	if (err != 0)
		return err;
	job->out->origin = RULESET_COMPILED;
	err = ruleset_write(job->output, built.image, built.image_bytes);
	if (err == 0)
		keep_entry(job, &built);
	free(built.image);
	free(built.index);
	return err;
}

int ruleset_build_cached(const char *const *paths, size_t paths_count,
	const struct ruleset_build_options *options, const struct ruleset_cache *cache,
	const char *output, struct ruleset_cached *out)
{
	static const struct ruleset_build_options defaults = {0};
	struct job job = {paths, paths_count, options != NULL ? options : &defaults, cache, output,
		out, "", false, {0}};
	int err = make_key(&job);

	if (err == 0 && mkdir(cache->folder, 0700) != 0 && errno != EEXIST)
		err = -errno;
	if (err != 0)
		return err;
	look_at_used(&job);
	err = try_entries(&job);
	if (err == -ENOENT && cache->takes_long != NULL)
		cache->takes_long(cache->ctx);
	return err == -ENOENT ? compile_all(&job) : err;
}

// ---- what is laid ready ------------------------------------------------------------------------

// All of it is read by this: it is in memory when it is needed.
static void lay_index_ready(const struct job *job, struct ruleset_ready *ready)
{
	struct mapping index = {0};
	char stem[FOLDER_STEM_BYTES];

	make_stem(job, job->used, stem);
	if (map_entry(job, stem, ".index", &index) != 0)
		return;
	if (build_index_open(index.data, index.bytes, &ready->index) != 0) {
		(void)munmap(index.data, index.bytes);
		return;
	}
	memcpy(ready->stem, stem, sizeof(stem));
	ready->data = index.data;
	ready->bytes = index.bytes;
}

int ruleset_ready_new(const struct ruleset_build_options *options,
	const struct ruleset_cache *cache, struct ruleset_ready **out)
{
	static const struct ruleset_build_options defaults = {0};
	struct job job = {.options = options != NULL ? options : &defaults, .cache = cache};
	struct ruleset_ready *ready = calloc(1, sizeof(*ready));

	if (ready == NULL || build_ready_make_windows(ready) != 0) {
		ruleset_ready_free(ready);
		return -ENOMEM;
	}
	look_at_used(&job);
	if (job.has_used && make_key(&job) == 0)
		lay_index_ready(&job, ready);
	*out = ready;
	return 0;
}
