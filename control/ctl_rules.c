// SPDX-License-Identifier: BSD-3-Clause
// Rules as a command line names them: an image, a signature file, or a folder of those.
#include "control/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define IMAGE_ALIGNMENT 64
#define PROBE_BYTES 512

// Of a build for one command only what is malformed is said: what an engine does not support would be
// thousands of lines in a public database.
static void report_error(
	void *ctx, const char *file, unsigned int line, bool is_error, const char *reason)
{
	(void)ctx;
	if (is_error)
		(void)fprintf(stderr, "%s:%u: %s\n", file, line, reason);
}

// An image aligned as ruleset_attach wants it. Takes image. NULL when memory ran out.
static void *rules_align(void *image, size_t bytes)
{
	size_t room = (bytes + IMAGE_ALIGNMENT - 1) / IMAGE_ALIGNMENT * IMAGE_ALIGNMENT;
	void *aligned;

	if ((uintptr_t)image % IMAGE_ALIGNMENT == 0)
		return image;
	aligned = aligned_alloc(IMAGE_ALIGNMENT, room);
	if (aligned != NULL)
		memcpy(aligned, image, bytes);
	free(image);
	return aligned;
}

static int rules_build(const char *path, struct ruleset **ruleset, void **owned_memory)
{
	const struct ruleset_build_options options = {.report = report_error};
	struct ruleset_build_stats stats = {0};
	void *image = NULL;
	size_t bytes = 0;
	int err = ruleset_build(&path, 1, &options, &image, &bytes, &stats);

	if (err != 0)
		return err;
	// Another folder, a file that holds none: all would be called clean. One that is empty was meant so.
	if (stats.files == 0 || (stats.signatures == 0 && stats.errors > 0)) {
		free(image);
		return -ENODATA;
	}
	image = rules_align(image, bytes);
	if (image == NULL)
		return -ENOMEM;
	err = ruleset_attach(image, bytes, ruleset);
	if (err != 0) {
		free(image);
		return err;
	}
	if (stats.skipped + stats.errors > 0 || stats.signatures == 0)
		(void)fprintf(stderr, "%s: %u signatures, %u lines skipped, %u malformed\n", path,
			stats.signatures, stats.skipped, stats.errors);
	*owned_memory = image;
	return 0;
}

// True when path is a folder, or a file that begins as text: signatures then, not an image.
static bool rules_are_text(const char *path)
{
	char bytes[PROBE_BYTES];
	struct stat status;
	FILE *file;
	size_t n;

	if (stat(path, &status) != 0)
		return false;
	if (S_ISDIR(status.st_mode))
		return true;
	file = fopen(path, "rbe");
	if (file == NULL)
		return false;
	n = fread(bytes, 1, sizeof(bytes), file);
	(void)fclose(file);
	return memchr(bytes, '\0', n) == NULL;
}

int ctl_load_rules(const char *path, struct ruleset **ruleset, void **owned_memory)
{
	int err;

	*owned_memory = NULL;
	err = rules_are_text(path) ? rules_build(path, ruleset, owned_memory)
				   : ruleset_open(path, ruleset);
	if (err == -EBADMSG)
		(void)fprintf(stderr, "%s: not a ruleset image, or a damaged one\n", path);
	else if (err == -ENODATA)
		(void)fprintf(stderr, "%s: no signature that can be read\n", path);
	else if (err == -ENOTSUP)
		(void)fprintf(
			stderr, "%s: image of another version or machine, compile it anew\n", path);
	else if (err != 0)
		// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
		(void)fprintf(stderr, "%s: %s\n", path, strerror(-err));
	return err;
}

bool ctl_parse_digests(const char *list, unsigned int *digests)
{
	static const struct {
		const char *name;
		unsigned int bit;
	} names[] = {{"md5", DIGEST_MD5}, {"sha1", DIGEST_SHA1}, {"sha256", DIGEST_SHA256}};

	*digests = 0;
	for (;;) {
		size_t n = strcspn(list, ",");
		unsigned int bit = 0;

		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			if (strlen(names[i].name) == n && strncmp(names[i].name, list, n) == 0)
				bit = names[i].bit;
		}
		if (bit == 0)
			return false;
		*digests |= bit;
		if (list[n] == '\0')
			return true;
		list += n + 1;
	}
}
