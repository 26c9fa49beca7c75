// SPDX-License-Identifier: BSD-3-Clause
// Rulesets that are made of an image and a delta.
#include "scan/ruleset.h"
#include "scan/screen_laid.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static_assert(sizeof(struct ruleset_base) == 120, "image format");

// ---- laying one on the other -------------------------------------------------------------------

static uint64_t *mark_removed(const struct ruleset *delta)
{
	uint64_t *bits = calloc(delta->base->signatures / 64 + 1, sizeof(*bits));

	for (uint32_t i = 0; bits != NULL && i < delta->removed_count; i++)
		bits[delta->removed[i] / 64] |= UINT64_C(1) << (delta->removed[i] % 64);
	return bits;
}

static void fill_both(struct ruleset *both, const struct ruleset *base, const struct ruleset *delta)
{
	const struct ruleset_meta *meta = &delta->base->both;

	(void)snprintf(both->info.version, sizeof(both->info.version), "%.16s+%.16s",
		base->info.version, delta->info.version);
	both->info.signatures =
		base->signatures_count - delta->removed_count + delta->signatures_count;
	both->info.literals = meta->literals;
	both->info.patterns = meta->patterns;
	both->info.hashes = meta->hashes;
	both->info.skipped = meta->skipped;
	both->info.image_bytes = base->header->image_bytes + delta->header->image_bytes;
	if (base->delta != NULL)
		both->info.stream_bytes -= base->delta->info.stream_bytes;
	both->info.stream_bytes += delta->info.stream_bytes;
}

// Where both have something to search for, one pass over an object's bytes will do.
static int join_sieves(struct ruleset *both)
{
	for (unsigned int i = 0; i < RULESET_ANCHOR_TABLES; i++) {
		unsigned int target = i % FILETYPE_TARGETS;
		enum anchor_content content = (enum anchor_content)(i / FILETYPE_TARGETS);
		const struct anchor_table *own = ruleset_anchors(both, target, content);
		const struct anchor_table *over = ruleset_anchors(both->delta, target, content);

		if (own->entries_count == 0 || over->entries_count == 0 ||
			own->content != over->content || own->content != content)
			continue;
		both->sieves[i] = malloc(anchor_sieve_bytes(own->content) + ANCHOR_PADDING);
		if (both->sieves[i] == NULL)
			return -ENOMEM;
		anchor_join_sieves(own, over, both->sieves[i]);
	}
	return 0;
}

static int fill_both_tables(struct ruleset *both)
{
	if (both->delta->removed_count > 0) {
		both->removed_bits = mark_removed(both->delta);
		if (both->removed_bits == NULL)
			return -ENOMEM;
	}
	return join_sieves(both);
}

// Takes the delta, also when it fails.
static int lay(const struct ruleset *base, struct ruleset *delta, struct ruleset **out)
{
	struct ruleset *both = NULL;
	int err = 0;

	if (delta->base == NULL)
		err = -EINVAL;
	else if (delta->base->signatures != base->signatures_count ||
		 memcmp(delta->base->sha256, base->header->sha256, sizeof(base->header->sha256)) !=
			 0)
		err = -ESTALE;
	if (err == 0) {
		both = malloc(sizeof(*both));
		err = both != NULL ? 0 : -ENOMEM;
	}
	if (err == 0) {
		*both = *base;
		both->mapping = NULL;
		both->below = NULL;
		both->own_screen = NULL;
		both->is_screened = false;
		both->delta = delta;
		both->removed_bits = NULL;
		memset(both->sieves, 0, sizeof(both->sieves));
		fill_both(both, base, delta);
		err = fill_both_tables(both);
	}
	if (err != 0) {
		if (both != NULL)
			ruleset_close(both);
		else
			ruleset_close(delta);
		return err;
	}
	*out = both;
	return 0;
}

int ruleset_attach_delta(
	const struct ruleset *base, const void *image, size_t bytes, struct ruleset **out)
{
	struct ruleset *delta = NULL;
	int err = ruleset_attach_one(image, bytes, &delta);

	return err == 0 ? lay(base, delta, out) : err;
}

// ---- files -------------------------------------------------------------------------------------

// How long the first image is. What is wrong with it is found when it is opened.
static size_t first_bytes(const void *image, size_t bytes)
{
	struct ruleset_header header;

	if (bytes < sizeof(header))
		return bytes;
	memcpy(&header, image, sizeof(header)); // wherever that lies
	if (header.image_bytes > bytes || header.image_bytes % RULESET_ALIGN != 0)
		return bytes;
	return (size_t)header.image_bytes;
}

int ruleset_attach(const void *image, size_t bytes, struct ruleset **out)
{
	size_t first = first_bytes(image, bytes);
	struct ruleset *base = NULL;
	int err = ruleset_attach_one(image, first, &base);

	if (err != 0)
		return err;
	if (base->base != NULL) {
		err = -ENOLINK;
	} else if (first == bytes) {
		*out = base;
	} else {
		err = ruleset_attach_delta(
			base, (const uint8_t *)image + first, bytes - first, out);
		if (err == 0)
			(*out)->below = base;
		else if (err != -ENOMEM && err != -ENOTSUP)
			err = -EBADMSG;
	}
	if (err != 0)
		ruleset_close(base);
	return err;
}

int ruleset_map_file(const char *path, size_t least, void **mapping, size_t *bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	int err = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) != 0) {
		err = -errno;
	} else if (!S_ISREG(status.st_mode) || status.st_size < (off_t)least) {
		err = -EBADMSG;
	} else {
		*bytes = (size_t)status.st_size;
		*mapping = mmap(NULL, *bytes, PROT_READ, MAP_PRIVATE, fd, 0);
		err = *mapping == MAP_FAILED ? -errno : 0;
		if (err != 0)
			*mapping = NULL;
	}
	(void)close(fd);
	return err;
}

// The delta that lies beside an image.
static int open_delta(const char *path, const struct ruleset *base, struct ruleset **out)
{
	char beside[PATH_MAX];
	struct ruleset *both = NULL;
	void *mapping = NULL;
	size_t bytes = 0;
	int err;

	if (snprintf(beside, sizeof(beside), "%s" RULESET_DELTA_SUFFIX, path) >=
		(int)sizeof(beside))
		return -ENOENT;
	err = ruleset_map_file(beside, sizeof(struct ruleset_header), &mapping, &bytes);
	if (err == 0)
		err = ruleset_attach_delta(base, mapping, bytes, &both);
	if (err != 0) {
		if (mapping != NULL)
			(void)munmap(mapping, bytes);
		return err;
	}
	both->delta->mapping = mapping;
	both->delta->mapping_bytes = bytes;
	*out = both;
	return 0;
}

static int open_base(const char *path, struct ruleset **out)
{
	void *mapping = NULL;
	size_t bytes = 0;
	int err = ruleset_map_file(path, sizeof(struct ruleset_header), &mapping, &bytes);

	if (err != 0)
		return err;
	err = ruleset_attach(mapping, bytes, out);
	if (err != 0) {
		(void)munmap(mapping, bytes);
		return err;
	}
	(*out)->mapping = mapping;
	(*out)->mapping_bytes = bytes;
	return 0;
}

// Whether the image lies there still.
static bool is_there(const char *path, const struct ruleset *ruleset)
{
	const uint8_t *sha256 = ruleset->header->sha256;
	const struct ruleset_header *there;
	void *mapping = NULL;
	size_t bytes = 0;
	bool is_same;

	if (ruleset_map_file(path, sizeof(*there), &mapping, &bytes) != 0 || mapping == NULL)
		return false;
	there = mapping;
	is_same = memcmp(there->sha256, sha256, sizeof(there->sha256)) == 0;
	(void)munmap(mapping, bytes);
	return is_same;
}

// The image with the delta that lies beside it, if there is one. One that is left over from an image before is no
// mistake: two files do not change at once. -EAGAIN: another image, which may have what is in the delta, has taken
// the image's place meanwhile.
static int open_both(const char *path, struct ruleset **out)
{
	struct ruleset *both = NULL;
	struct ruleset *base = NULL;
	int err = open_base(path, &base);

	if (err != 0)
		return err;
	err = base->delta == NULL ? open_delta(path, base, &both) : 0;
	if (both != NULL)
		both->below = base;
	else if (err == -ENOENT || err == -ESTALE)
		err = is_there(path, base) ? 0 : -EAGAIN;
	if (err == 0)
		*out = both != NULL ? both : base;
	else
		ruleset_close(base);
	return err;
}

int ruleset_open(const char *path, struct ruleset **out)
{
	struct ruleset *ruleset = NULL;
	struct ruleset *screened;
	int err = -EAGAIN;

	for (unsigned int i = 0; i < RULESET_OPEN_TRIES && err == -EAGAIN; i++)
		err = open_both(path, &ruleset);
	if (err != 0)
		return err;
	err = ruleset_open_screen(path, ruleset, &screened);
	if (err != 0 && err != -ENOENT) {
		ruleset_close(ruleset);
		return err;
	}
	*out = err == 0 ? screened : ruleset;
	return 0;
}

// NOLINTNEXTLINE(misc-no-recursion): a delta has none itself
void ruleset_close(struct ruleset *ruleset)
{
	void *mapping;
	size_t bytes;

	if (ruleset == NULL)
		return;
	mapping = ruleset->mapping;
	bytes = ruleset->mapping_bytes;
	screen_close(ruleset->own_screen);
	if (ruleset->is_screened) {
		ruleset_close(ruleset->below);
		free(ruleset);
		return;
	}
	ruleset_close(ruleset->delta);
	ruleset_close(ruleset->below);
	free((void *)(uintptr_t)ruleset->removed_bits);
	for (unsigned int i = 0; i < RULESET_ANCHOR_TABLES; i++)
		free(ruleset->sieves[i]);
	if (mapping != NULL)
		(void)munmap(mapping, bytes);
	free(ruleset);
}
