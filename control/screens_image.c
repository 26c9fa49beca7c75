// SPDX-License-Identifier: BSD-3-Clause
#include "control/screens_image.h"

#include "control/durable.h"
#include "control/memory_file.h"
#include "control/screens_changes.h"
#include "scan/scan.h"

#include <glib.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MERGED_SUFFIX RULESET_SCREEN_SUFFIX "-merged"
#define COMING_SUFFIX RULESET_SCREEN_SUFFIX "-coming" // likewise, with a list that is to go on
#define PATH_BYTES (CONTROL_TEXT_BYTES + 32)
#define LEAST_ENTRIES 4096 // with no more an image is made as fast as a layer

// A file that is open for layers to be made for it.
struct opened {
	struct screen_part *part; // NULL: none
	const void *data;         // goes with it
	size_t bytes;
};

struct screens_image {
	const struct control_options *options;
	struct screen_store *store;
	struct screens_changes *changes;
	struct opened now;
	struct screens_merged *next; // that was adopted and is not kept yet
	struct screens_bytes layer;  // that lies beside the image
	bool is_settled;
	bool is_watching;
};

struct screens_merged {
	const struct control_options *options;
	const char *suffix; // of its file
	struct opened opened;
	char *mark; // of the image before, in the store
	int64_t last_change;
};

// ---- files --------------------------------------------------------------------------------------

static void path_of(const struct control_options *options, const char *suffix, char *out)
{
	(void)snprintf(out, PATH_BYTES, "%s%s", options->rules.image, suffix);
}

static int remove_file(const struct control_options *options, const char *suffix)
{
	char path[PATH_BYTES];

	path_of(options, suffix, path);
	return unlink(path) == 0 || errno == ENOENT ? 0 : -errno;
}

static int write_file(const struct control_options *options, const char *suffix,
	const struct screens_bytes *bytes)
{
	char path[PATH_BYTES];

	path_of(options, suffix, path);
	return durable_write(path, bytes->data, bytes->bytes);
}

bool screens_image_has_file(const struct control_options *options)
{
	char path[PATH_BYTES];

	path_of(options, RULESET_SCREEN_SUFFIX, path);
	return access(path, F_OK) == 0;
}

static int map_file(const char *path, void **data, size_t *bytes)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) != 0)
		err = -errno;
	else if (status.st_size <= 0)
		err = -EBADMSG;
	if (err == 0) {
		*bytes = (size_t)status.st_size;
		*data = mmap(NULL, *bytes, PROT_READ, MAP_PRIVATE, fd, 0);
		err = *data != MAP_FAILED ? 0 : -errno;
	}
	(void)close(fd);
	return err;
}

static int open_file(const struct control_options *options, const char *suffix, struct opened *out)
{
	char path[PATH_BYTES];
	void *data = NULL;
	size_t bytes = 0;
	int err;

	path_of(options, suffix, path);
	err = map_file(path, &data, &bytes);
	if (err != 0)
		return err;
	err = screen_part_open_mapped(data, bytes, &out->part);
	if (err != 0) {
		(void)munmap(data, bytes);
		return err;
	}
	out->data = data;
	out->bytes = bytes;
	return 0;
}

static void opened_close(struct opened *opened)
{
	screen_part_close(opened->part);
	*opened = (struct opened){0};
}

// ---- gathering ----------------------------------------------------------------------------------

struct gathered {
	GArray *entries;
	GStringChunk *texts;
	const atomic_bool *is_ending; // NULL: never
};

static struct gathered gathered_new(const atomic_bool *is_ending)
{
	return (struct gathered){g_array_new(FALSE, FALSE, sizeof(struct screen_entry)),
		g_string_chunk_new(65536), is_ending};
}

static void gathered_free(struct gathered *gathered)
{
	(void)g_array_free(gathered->entries, TRUE);
	g_string_chunk_free(gathered->texts);
}

static bool gather(void *ctx, const struct screen_entry *entry)
{
	const struct gathered *gathered = ctx;
	struct screen_entry own = *entry;

	own.virus_id = g_string_chunk_insert_const(gathered->texts, entry->virus_id);
	own.name = g_string_chunk_insert_const(gathered->texts, entry->name);
	own.file_type = g_string_chunk_insert_const(gathered->texts, entry->file_type);
	(void)g_array_append_val(gathered->entries, own);
	return gathered->is_ending == NULL || !atomic_load(gathered->is_ending);
}

static const struct screen_entry *entries_of(const struct gathered *gathered)
{
	return (const struct screen_entry *)(void *)gathered->entries->data;
}

// ---- making -------------------------------------------------------------------------------------

struct reason {
	char *text;
	size_t bytes;
};

typedef int (*each_fn)(struct screen_store *store, screen_store_fn fn, void *ctx);

static int make_whole_of(struct screen_store *store, each_fn each, const atomic_bool *is_ending,
	struct screens_bytes *out, struct reason *why)
{
	struct gathered gathered = gathered_new(is_ending);
	int err = each(store, gather, &gathered);

	if (err != 0)
		(void)snprintf(why->text, why->bytes, "the lists cannot be read");
	else if (is_ending != NULL && atomic_load(is_ending))
		err = -ECANCELED;
	else
		err = screen_build(entries_of(&gathered), gathered.entries->len, &out->data,
			&out->bytes, why->text, why->bytes);
	gathered_free(&gathered);
	return err;
}

static int make_whole(
	struct screen_store *store, struct screens_bytes *out, char *why, size_t why_bytes)
{
	return make_whole_of(store, screen_store_each, NULL, out, &(struct reason){why, why_bytes});
}

static int make_layer(const struct screens_image *image, const struct screen_part *below,
	struct screens_made *made, char *why, size_t why_bytes)
{
	struct screen_change change;
	int err = screens_changes_read(image->changes, &change);

	if (err != 0) {
		(void)snprintf(why, why_bytes, "the lists cannot be read");
		return err;
	}
	err = screen_build_layer(
		below, &change, &made->layer.data, &made->layer.bytes, why, why_bytes);
	made->changes = err == 0 ? change.ids_count : 0;
	return err;
}

// The image that layers can be made for; NULL: there is none.
static const struct screen_part *find_below(const struct screens_image *image)
{
	const struct screen_part *part =
		image->next != NULL ? image->next->opened.part : image->now.part;
	char *mark = screen_store_image(image->store);
	bool is_known =
		part != NULL && mark != NULL && g_str_has_prefix(mark, screen_part_version(part));

	free(mark);
	return is_known ? part : NULL;
}

int screens_image_make(
	struct screens_image *image, struct screens_made *made, char *why, size_t why_bytes)
{
	uint64_t count = screen_store_count(image->store);
	const struct screen_part *below = NULL;
	int err = -E2BIG;

	*made = (struct screens_made){.last_change = screen_store_last_change(image->store),
		.is_small = count <= LEAST_ENTRIES};
	if (count == 0)
		return 0;
	if (!made->is_small) {
		screens_image_settle(image);
		below = find_below(image);
	}
	if (below != NULL)
		err = make_layer(image, below, made, why, why_bytes);
	// What is gone and still counts in layers may be all that is too much.
	if (err == -E2BIG) {
		why[0] = '\0';
		err = make_whole(image->store, &made->whole, why, why_bytes);
	}
	return err;
}

static bool has_mark(struct screen_store *store)
{
	char *mark = screen_store_image(store);
	bool has = mark != NULL && mark[0] != '\0';

	free(mark);
	return has;
}

// A mark that no image has.
static int watch(struct screen_store *store)
{
	return has_mark(store)
		       ? 0
		       : screen_store_set_image(store, "none", screen_store_last_change(store));
}

int screens_image_watch(struct screens_image *image)
{
	image->is_watching = true;
	return watch(image->store);
}

int screens_image_note(struct screens_image *image, const struct screens_made *made)
{
	// Too much has changed meanwhile to be written down.
	bool has = has_mark(image->store);
	bool is_lost = image->is_watching && !has;
	char version[20] = "";

	image->is_watching = false;
	if (made->layer.data != NULL)
		return 0;
	// What changes beside a list that is coming is told from then on.
	if (made->is_small && has && screen_store_is_coming(image->store))
		return 0;
	if (made->whole.data != NULL && !made->is_small && !is_lost)
		screen_image_version(made->whole.data, made->whole.bytes, version, sizeof(version));
	return screen_store_set_image(image->store, version, made->last_change);
}

void screens_made_free(struct screens_made *made)
{
	free(made->whole.data);
	free(made->layer.data);
	*made = (struct screens_made){0};
}

// ---- keeping ------------------------------------------------------------------------------------

static void take_layer(struct screens_image *image, struct screens_made *made)
{
	free(image->layer.data);
	image->layer = made->layer;
	made->layer = (struct screens_bytes){NULL, 0};
}

// Layers of both images lie there before one takes the place of the other.
static int keep_next(struct screens_image *image, const struct screens_bytes *layer)
{
	const struct control_options *options = image->options;
	struct screens_bytes both = {
		malloc(image->layer.bytes + layer->bytes), image->layer.bytes + layer->bytes};
	char from[PATH_BYTES];
	char to[PATH_BYTES];
	int err;

	if (both.data == NULL)
		return -ENOMEM;
	if (image->layer.bytes > 0)
		memcpy(both.data, image->layer.data, image->layer.bytes);
	memcpy((char *)both.data + image->layer.bytes, layer->data, layer->bytes);
	err = write_file(options, RULESET_SCREEN_LAYER_SUFFIX, &both);
	free(both.data);
	path_of(options, image->next->suffix, from);
	path_of(options, RULESET_SCREEN_SUFFIX, to);
	if (err == 0)
		err = durable_rename(from, to);
	if (err != 0)
		return err;
	opened_close(&image->now);
	image->now = image->next->opened;
	image->next->opened = (struct opened){0};
	screens_image_disown(image);
	return 0;
}

static int keep_layer(struct screens_image *image, struct screens_made *made)
{
	int err = image->next != NULL ? keep_next(image, &made->layer) : 0;

	if (err == 0)
		err = write_file(image->options, RULESET_SCREEN_LAYER_SUFFIX, &made->layer);
	if (err == 0)
		take_layer(image, made);
	else
		// Another one may be written where it lies: all is made anew.
		screens_image_disown(image);
	return err;
}

// A layer without its image counts for nothing.
int screens_image_keep(struct screens_image *image, struct screens_made *made)
{
	int err;

	if (made->layer.data != NULL)
		return keep_layer(image, made);
	screens_image_disown(image);
	opened_close(&image->now);
	image->is_settled = made->is_small;
	if (made->whole.data != NULL)
		err = write_file(image->options, RULESET_SCREEN_SUFFIX, &made->whole);
	else
		err = remove_file(image->options, RULESET_SCREEN_SUFFIX);
	if (err == 0)
		err = remove_file(image->options, RULESET_SCREEN_LAYER_SUFFIX);
	take_layer(image, made);
	return err;
}

void screens_image_settle(struct screens_image *image)
{
	if (image->is_settled)
		return;
	image->is_settled = true;
	// Where it cannot be opened the next one is made of all that is on.
	(void)open_file(image->options, RULESET_SCREEN_SUFFIX, &image->now);
}

// ---- handing over -------------------------------------------------------------------------------

int screens_image_seal(
	const struct screens_image *image, const struct screens_made *made, bool is_whole)
{
	int memory = memory_file_new("screen");
	int err = 0;

	if (memory < 0)
		return memory;
	if (made->whole.data != NULL)
		err = memory_file_write(memory, made->whole.data, made->whole.bytes);
	else if (is_whole)
		err = memory_file_write(memory, image->now.data, image->now.bytes);
	if (err == 0)
		err = memory_file_write(memory, image->layer.data, image->layer.bytes);
	return memory_file_seal(memory, err);
}

// ---- merging ------------------------------------------------------------------------------------

// As the store has it at one moment, while others change it.
static int read_whole(struct screen_store *store, bool with_coming, const atomic_bool *is_ending,
	struct screens_merged *merged, struct screens_bytes *whole, struct reason *why)
{
	int err = screen_store_begin_reading(store);

	if (err != 0)
		return err;
	merged->mark = screen_store_image(store);
	merged->last_change = screen_store_last_change(store);
	if (merged->mark == NULL || merged->mark[0] == '\0' ||
		(!with_coming && (screen_store_changes(store) == 0 ||
					 screen_store_count(store) <= LEAST_ENTRIES)))
		err = -EALREADY;
	else
		err = make_whole_of(store,
			with_coming ? screen_store_each_with_coming : screen_store_each, is_ending,
			whole, why);
	return screen_store_end(store, err);
}

static int merge(struct screens_merged *merged, struct screen_store *store, bool with_coming,
	const atomic_bool *is_ending, struct reason *why)
{
	struct screens_bytes whole = {NULL, 0};
	int err = read_whole(store, with_coming, is_ending, merged, &whole, why);

	if (err == 0)
		err = write_file(merged->options, merged->suffix, &whole);
	free(whole.data);
	return err == 0 ? open_file(merged->options, merged->suffix, &merged->opened) : err;
}

static struct screens_merged *merged_new(const struct control_options *options, const char *suffix)
{
	struct screens_merged *merged = calloc(1, sizeof(*merged));

	if (merged == NULL)
		return NULL;
	merged->options = options;
	merged->suffix = suffix;
	return merged;
}

int screens_image_merge(const struct control_options *options, const char *path,
	const atomic_bool *is_ending, struct screens_merged **out)
{
	struct screens_merged *merged = merged_new(options, MERGED_SUFFIX);
	struct screen_store *store = NULL;
	char error[256];
	int err;

	if (merged == NULL)
		return -ENOMEM;
	err = screen_store_open(path, &store, error, sizeof(error));
	if (err == 0)
		err = merge(
			merged, store, false, is_ending, &(struct reason){error, sizeof(error)});
	screen_store_close(store);
	if (err != 0) {
		screens_merged_free(merged);
		return err;
	}
	*out = merged;
	return 0;
}

int screens_image_merge_coming(const struct screens_coming_setup *setup,
	struct screens_merged **out, char *why, size_t why_bytes)
{
	struct screens_merged *merged = merged_new(setup->options, COMING_SUFFIX);
	int err = merged != NULL ? screen_store_begin(setup->store) : -ENOMEM;

	if (err == 0)
		err = screen_store_end(setup->store, watch(setup->store));
	if (err == 0)
		err = merge(merged, setup->store, true, setup->is_ending,
			&(struct reason){why, why_bytes});
	if (err != 0) {
		screens_merged_free(merged);
		return err;
	}
	*out = merged;
	return 0;
}

void screens_merged_free(struct screens_merged *merged)
{
	if (merged == NULL)
		return;
	if (merged->opened.part != NULL)
		(void)remove_file(merged->options, merged->suffix);
	opened_close(&merged->opened);
	free(merged->mark);
	free(merged);
}

int screens_image_adopt(struct screens_image *image, struct screens_merged *merged)
{
	char *mark = screen_store_image(image->store);
	bool is_same = mark != NULL && strcmp(mark, merged->mark) == 0;
	int err = 0;

	free(mark);
	if (is_same)
		err = screen_store_set_image(image->store, screen_part_version(merged->opened.part),
			merged->last_change);
	if (is_same && err == 0)
		image->next = merged;
	else
		screens_merged_free(merged);
	return is_same ? err : -ESTALE;
}

void screens_image_disown(struct screens_image *image)
{
	screens_merged_free(image->next);
	image->next = NULL;
}

// ---- begin and end ------------------------------------------------------------------------------

int screens_image_new(const struct control_options *options, struct screen_store *store,
	struct screens_image **out)
{
	struct screens_image *image = calloc(1, sizeof(*image));

	if (image == NULL)
		return -ENOMEM;
	image->options = options;
	image->store = store;
	if (screens_changes_new(store, &image->changes) != 0) {
		free(image);
		return -ENOMEM;
	}
	// Of a process that was ended.
	(void)remove_file(options, MERGED_SUFFIX);
	(void)remove_file(options, COMING_SUFFIX);
	*out = image;
	return 0;
}

void screens_image_free(struct screens_image *image)
{
	if (image == NULL)
		return;
	screens_image_disown(image);
	screens_changes_free(image->changes);
	opened_close(&image->now);
	free(image->layer.data);
	free(image);
}
