// SPDX-License-Identifier: BSD-3-Clause
// Images with changed bytes and a right checksum are refused or can be used. The input is a list of
// changes: a place outside the Hyperscan databases, whose inside only the checksum protects, and a
// value; every third changes a delta, which is laid on its image. An input that begins with 'S' is instead the text of a signature file to build from.
#include "scan/match.h"
#include "scan/ruleset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char signatures[] =
	"A:0:*:4142434445\nB:0:*:4142*434445\nC:0:3:41424344\nD:4:*:41??4344{600-700}4142\n"
	"E:0:EOF-3000:4142\nF:10:*:41424344*4142{2000-}4344\n";

static const char rules[] = "R;Engine:81-255,Target:0;0&1;41424344;0/C[^D]*D/"
			    "\nS;Engine:81-255,Target:0;0>2|1=0;4142;4344\n"
			    "U;Engine:81-255,Target:0;(0|1)>3,2;4142::i;42??4344\n"
			    "V;Engine:81-255,Target:0;0&1;4142434445??7878;0(>>2#ib1#>64)\n";

static void build(const char *extension, const void *text, size_t n, void **image, size_t *bytes)
{
	char path[64];
	const char *paths[] = {path};
	int fd;

	(void)snprintf(path, sizeof(path), "/tmp/cordon-fuzz-XXXXXX%s", extension);
	fd = mkstemps(path, (int)strlen(extension));
	if (fd < 0 || write(fd, text, n) != (ssize_t)n || close(fd) != 0 ||
		ruleset_build(paths, 1, NULL, image, bytes, NULL) != 0)
		abort();
	(void)unlink(path);
}

// The image of one more signature, laid on the first image.
static void build_delta(const void *base, void **image, size_t *bytes)
{
	char folder[] = "/tmp/cordon-fuzz-XXXXXX";
	const char *paths[] = {folder};
	struct ruleset_built built = {0};
	struct ruleset_built delta = {0};
	struct ruleset_build_stats stats;
	char path[64];

	if (mkdtemp(folder) == NULL)
		abort();
	(void)snprintf(path, sizeof(path), "%s/a.ndb", folder);
	for (int i = 0; i < 2; i++) {
		FILE *file = fopen(path, "w");

		if (file == NULL ||
			fprintf(file, "%s%s", i == 0 ? signatures : strchr(signatures, '\n') + 1,
				i == 0 ? "" : "G:0:*:4445*7878\nH:0:*:4243444578\n") < 0 ||
			fclose(file) != 0)
			abort();
		if (i == 0 && ruleset_build_indexed(paths, 1, NULL, &built, &stats) != 0)
			abort();
	}
	delta.index = built.index;
	delta.index_bytes = built.index_bytes;
	if (ruleset_build_delta(paths, 1, NULL, &delta, &stats) != 0 ||
		memcmp(built.image, base, 64) != 0)
		abort();
	*image = delta.image;
	*bytes = delta.image_bytes;
	free(built.image);
	free(built.index);
	(void)unlink(path);
	(void)rmdir(folder);
}

// What a changed delta is laid on, NULL: it is an image by itself.
static const struct ruleset *below;

static void use(const void *image, size_t bytes, bool must_work)
{
	static const char text[] = "xxABCDExxABCDE";
	struct match_digests digests;
	struct match_object *object;
	struct match_hit hits[4];
	struct ruleset *ruleset;
	struct matcher *matcher;
	const char *type;

	if ((below != NULL ? ruleset_attach_delta(below, image, bytes, &ruleset)
			   : ruleset_attach(image, bytes, &ruleset)) != 0) {
		if (must_work)
			abort();
		return;
	}
	if (matcher_new(ruleset, 1, 0, true, &matcher) == 0) {
		for (int target = MATCH_TARGET_ANY; target <= MATCH_TARGET_MAIL; target++) {
			size_t count;
			int err;

			if (match_begin(matcher, (enum match_target)target, &object) != 0)
				abort();
			err = match_feed(object, (const uint8_t *)text, sizeof(text));
			if (err != 0 && must_work)
				abort();
			count = match_end(object, hits, 4, &digests, &type);
			for (size_t i = 0; i < count; i++)
				if (strlen(hits[i].signature) > bytes)
					abort();
		}
		matcher_free(matcher);
	}
	ruleset_close(ruleset);
}

// The places that may be changed are those before the first database.
static size_t plain_bytes(const void *image)
{
	const struct ruleset_header *header = image;

	for (uint32_t i = 0; i < header->sections_count; i++)
		if (header->sections[i].kind >= RULESET_PATTERNS)
			return header->sections[i].offset;
	return header->image_bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static void *images[3];
	static size_t sizes[3];
	static struct ruleset *first;
	const size_t which = n % 3 == 2 ? 2 : n % 2;
	const void *image;
	size_t bytes;
	uint8_t *copy;

	if (images[0] == NULL) {
		build(".ndb", signatures, strlen(signatures), &images[0], &sizes[0]);
		build(".ldb", rules, strlen(rules), &images[1], &sizes[1]);
		build_delta(images[0], &images[2], &sizes[2]);
		if (ruleset_attach(images[0], sizes[0], &first) != 0)
			abort();
		below = first;
		use(images[2], sizes[2], true);
		below = NULL;
	}
	image = images[which];
	bytes = sizes[which];
	if (n > 0 && data[0] == 'S') {
		void *built;
		size_t built_bytes;

		static const char *const extensions[] = {".ndb", ".hdb", ".ldb", ".msb"};

		build(extensions[n % 4], data + 1, n - 1, &built, &built_bytes);
		use(built, built_bytes, true);
		free(built);
		return 0;
	}
	copy = aligned_alloc(RULESET_ALIGN, bytes);
	if (copy == NULL)
		return 0;
	memcpy(copy, image, bytes);
	for (; n >= 3; data += 3, n -= 3)
		copy[((size_t)data[0] << 8 | data[1]) % plain_bytes(image)] = data[2];
	if (ruleset_seal(copy, bytes) != 0)
		abort();
	below = which == 2 ? first : NULL;
	use(copy, bytes, false);
	below = NULL;
	free(copy);
	return 0;
}
