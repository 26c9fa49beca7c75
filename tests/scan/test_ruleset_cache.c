// SPDX-License-Identifier: BSD-3-Clause
// Deltas and a cache of images as files: what is found there, what is refused, and what goes.
#include "scan/ruleset.h"
#include "scan/ruleset_build_index.h"
#include "tests/scan/ruleset_case.h"
#include "tests/scan/ruleset_place.h"

#include <openssl/evp.h>

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#define FIRST "A:0:*:616c7068616c706861\n"
#define SECOND "B:0:*:627261766f627261766f\n"
#define THIRD "C:0:*:63686172636861726368\n"

static struct ruleset *attach(void *image, size_t bytes)
{
	struct ruleset *ruleset;

	assert_int_equal(ruleset_attach(image, bytes, &ruleset), 0);
	return ruleset;
}

// ---- what is refused ---------------------------------------------------------------------------

// An image and a delta of one line more, as files would be.
struct pair {
	struct ruleset_built base;
	struct ruleset_built delta;
};

static struct pair build_pair(struct place *place)
{
	const char *paths[] = {place->sources};
	struct ruleset_build_stats stats;
	struct pair pair;

	open_place(place);
	put_source(place, "a.ndb", FIRST);
	assert_int_equal(ruleset_build_indexed(paths, 1, NULL, &pair.base, &stats), 0);
	put_source(place, "a.ndb", FIRST SECOND);
	pair.delta = (struct ruleset_built){
		.index = pair.base.index, .index_bytes = pair.base.index_bytes};
	assert_int_equal(ruleset_build_delta(paths, 1, NULL, &pair.delta, &stats), 0);
	assert_non_null(pair.delta.image);
	return pair;
}

static void free_pair(struct pair *pair)
{
	free(pair->base.image);
	free(pair->base.index);
	free(pair->delta.image);
}

static void a_delta_is_of_use_with_its_own_image_alone(void **state)
{
	struct place place;
	struct pair pair = build_pair(&place);
	struct case_image other = case_build_one("o.ndb", "O:0:*:6f746865726f74686572\n");
	struct ruleset *ruleset = NULL;
	struct ruleset *foreign;
	struct ruleset *base;
	struct ruleset *both;
	struct ruleset *again;

	(void)state;
	base = attach(pair.base.image, pair.base.image_bytes);
	foreign = attach(other.image, other.bytes);
	assert_int_equal(
		ruleset_attach(pair.delta.image, pair.delta.image_bytes, &ruleset), -ENOLINK);
	assert_int_equal(
		ruleset_attach_delta(foreign, pair.delta.image, pair.delta.image_bytes, &ruleset),
		-ESTALE);
	assert_int_equal(ruleset_attach_delta(base, other.image, other.bytes, &ruleset), -EINVAL);
	assert_null(ruleset);
	// One takes the place of another.
	assert_int_equal(
		ruleset_attach_delta(base, pair.delta.image, pair.delta.image_bytes, &both), 0);
	assert_int_equal(
		ruleset_attach_delta(both, pair.delta.image, pair.delta.image_bytes, &again), 0);
	assert_int_equal(ruleset_get_info(again)->signatures, 2);
	ruleset_close(again);
	ruleset_close(both);
	ruleset_close(foreign);
	ruleset_close(base);
	free(other.image);
	free_pair(&pair);
	close_place(&place);
}

static void a_damaged_delta_is_refused(void **state)
{
	struct place place;
	struct pair pair = build_pair(&place);
	struct ruleset *base = attach(pair.base.image, pair.base.image_bytes);
	uint8_t *copy = aligned_alloc(RULESET_ALIGN, pair.delta.image_bytes);
	struct ruleset *ruleset = NULL;

	(void)state;
	assert_non_null(copy);
	for (size_t n = 0; n < pair.delta.image_bytes; n += n < 4096 ? 61 : 9973) {
		memcpy(copy, pair.delta.image, pair.delta.image_bytes);
		assert_true(ruleset_attach_delta(base, copy, n, &ruleset) < 0);
		copy[n] ^= 1;
		assert_true(ruleset_attach_delta(base, copy, pair.delta.image_bytes, &ruleset) < 0);
	}
	free(copy);
	ruleset_close(base);
	free_pair(&pair);
	close_place(&place);
}

static void write_file(const char *path, const void *data, size_t bytes)
{
	assert_int_equal(ruleset_write(path, data, bytes), 0);
}

static void a_delta_beside_an_image_is_opened_with_it(void **state)
{
	struct place place;
	struct pair pair = build_pair(&place);
	struct case_image other = case_build_one("o.ndb", "O:0:*:6f746865726f74686572\n");
	char path[128];
	char beside[160];
	struct ruleset *ruleset;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s", place.output);
	(void)snprintf(beside, sizeof(beside), "%s" RULESET_DELTA_SUFFIX, path);
	write_file(path, pair.base.image, pair.base.image_bytes);
	assert_int_equal(ruleset_open(path, &ruleset), 0);
	assert_int_equal(ruleset_get_info(ruleset)->signatures, 1);
	ruleset_close(ruleset);
	write_file(beside, pair.delta.image, pair.delta.image_bytes);
	assert_int_equal(ruleset_open(path, &ruleset), 0);
	assert_int_equal(ruleset_get_info(ruleset)->signatures, 2);
	ruleset_close(ruleset);
	// That of an image before is passed over; one that is damaged is not.
	write_file(path, other.image, other.bytes);
	assert_int_equal(ruleset_open(path, &ruleset), 0);
	assert_null(strchr(ruleset_get_info(ruleset)->version, '+'));
	ruleset_close(ruleset);
	write_file(beside, pair.delta.image, pair.delta.image_bytes - 64);
	assert_int_equal(ruleset_open(path, &ruleset), -EBADMSG);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unlink(beside), 0);
	free(other.image);
	free_pair(&pair);
	close_place(&place);
}

static void a_damaged_index_is_refused(void **state)
{
	struct place place;
	struct pair pair = build_pair(&place);
	const char *paths[] = {place.sources};
	struct ruleset_build_stats stats;
	uint8_t *copy = malloc(pair.base.index_bytes);

	(void)state;
	assert_non_null(copy);
	for (size_t n = 0; n < pair.base.index_bytes; n++) {
		struct ruleset_built built = {.index = copy, .index_bytes = n};

		memcpy(copy, pair.base.index, pair.base.index_bytes);
		assert_int_equal(ruleset_build_delta(paths, 1, NULL, &built, &stats), -EBADMSG);
		built.index_bytes = pair.base.index_bytes;
		copy[n] ^= 0x40;
		assert_int_equal(ruleset_build_delta(paths, 1, NULL, &built, &stats), -EBADMSG);
	}
	free(copy);
	free_pair(&pair);
	close_place(&place);
}

// ---- the cache ---------------------------------------------------------------------------------

struct notes {
	unsigned int count;
	char file[400];
};

static void note(void *ctx, const char *file, const char *what)
{
	struct notes *notes = ctx;

	assert_non_null(what);
	notes->count++;
	(void)snprintf(notes->file, sizeof(notes->file), "%s", file);
}

static struct ruleset_cached build_cached(
	const struct place *place, const struct ruleset_cache *wanted, struct notes *notes)
{
	const char *paths[] = {place->sources};
	struct ruleset_cache cache = *wanted;
	struct ruleset_cached made = {0};

	cache.folder = place->cache;
	cache.max_bytes = cache.max_bytes > 0 ? cache.max_bytes : 1u << 30;
	cache.note = note;
	cache.ctx = notes;
	assert_int_equal(ruleset_build_cached(paths, 1, NULL, &cache, place->output, &made), 0);
	return made;
}

// Which of the three signatures the output has: a bit each.
static unsigned int look_for(const struct place *place)
{
	static const char text[] = "alphalpha bravobravo charcharch";
	struct ruleset *ruleset;
	struct matcher *matcher;
	struct case_result result;
	unsigned int found = 0;

	assert_int_equal(ruleset_open(place->output, &ruleset), 0);
	assert_int_equal(matcher_new(ruleset, 1, 0, true, &matcher), 0);
	result = case_match(matcher, MATCH_TARGET_ANY, text, sizeof(text) - 1, 0, sizeof(text));
	for (size_t i = 0; i < result.count; i++)
		found |= 1u << (result.hits[i].signature[0] - 'A');
	matcher_free(matcher);
	ruleset_close(ruleset);
	return found;
}

static unsigned int count_entries(const struct place *place, const char *suffix)
{
	DIR *stream = opendir(place->cache);
	const struct dirent *entry;
	unsigned int count = 0;

	assert_non_null(stream);
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	while ((entry = readdir(stream)) != NULL)
		count += strstr(entry->d_name, suffix) != NULL;
	(void)closedir(stream);
	return count;
}

static void the_same_set_is_found_and_a_similar_one_is_a_delta(void **state)
{
	const struct ruleset_cache plain = {0};
	const struct ruleset_cache fresh = {.is_fresh = true};
	struct notes notes = {0};
	struct place place;
	struct ruleset_cached made;

	(void)state;
	open_place(&place);
	put_source(&place, "a.ndb", FIRST);
	put_source(&place, "b.ndb", THIRD);
	made = build_cached(&place, &plain, &notes);
	assert_int_equal(made.origin, RULESET_COMPILED);
	assert_int_equal(look_for(&place), 5);
	made = build_cached(&place, &plain, &notes);
	assert_int_equal(made.origin, RULESET_FOUND);
	assert_int_equal(made.stats.signatures, 2);
	assert_int_equal(look_for(&place), 5);
	put_source(&place, "a.ndb", FIRST SECOND);
	put_source(&place, "b.ndb", "");
	made = build_cached(&place, &plain, &notes);
	assert_int_equal(made.origin, RULESET_DELTA);
	assert_int_equal(made.stats.signatures, 2);
	assert_int_equal(look_for(&place), 3);
	made = build_cached(&place, &fresh, &notes);
	assert_int_equal(made.origin, RULESET_COMPILED);
	assert_int_equal(look_for(&place), 3);
	made = build_cached(&place, &fresh, &notes);
	assert_int_equal(made.origin, RULESET_FOUND);
	// The first set is there still.
	put_source(&place, "a.ndb", FIRST);
	put_source(&place, "b.ndb", THIRD);
	made = build_cached(&place, &fresh, &notes);
	assert_int_equal(made.origin, RULESET_FOUND);
	assert_int_equal(look_for(&place), 5);
	assert_int_equal(notes.count, 0);
	close_place(&place);
}

static void a_delta_of_the_image_in_use_is_written_alone(void **state)
{
	const struct ruleset_cache plain = {0};
	struct notes notes = {0};
	struct place place;
	struct ruleset_cache of;
	char used[128];

	(void)state;
	open_place(&place);
	put_source(&place, "a.ndb", FIRST);
	assert_int_equal(build_cached(&place, &plain, &notes).origin, RULESET_COMPILED);
	(void)snprintf(used, sizeof(used), "%s", place.output);
	of = (struct ruleset_cache){.in_use = used};
	put_source(&place, "a.ndb", FIRST SECOND);
	(void)snprintf(place.output, sizeof(place.output), "%s/next", place.root);
	assert_int_equal(build_cached(&place, &of, &notes).origin, RULESET_DELTA_ALONE);
	assert_int_equal(access(place.output, F_OK), -1);
	// With the image it was made for it is whole.
	assert_int_equal(rename(used, place.output), 0);
	assert_int_equal(look_for(&place), 3);
	close_place(&place);
}

static void read_whole(const char *path, char **data, size_t *bytes)
{
	FILE *file = fopen(path, "r");
	struct stat status;

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &status), 0);
	*bytes = (size_t)status.st_size;
	*data = malloc(*bytes + 1);
	assert_non_null(*data);
	assert_int_equal(fread(*data, 1, *bytes, file), *bytes);
	assert_int_equal(fclose(file), 0);
}

// For programs, mails, texts and files of any kind: more than what is laid ready.
#define MANY                                                                                       \
	SECOND "D:1:*:64656c746164656c7461\nE:3:*:6563686f6563686f\n"                              \
	       "F:4:*:666f78666f78666f78\nG:7:*:676f6c66676f6c66\nH:0:*:686f746c??6c686f74\n"

static void what_is_laid_ready_changes_nothing_of_the_delta(void **state)
{
	const struct ruleset_cache plain = {0};
	struct notes notes = {0};
	struct place place;
	struct ruleset_cache of;
	char used[128];
	char beside[160];
	char *deltas[2];
	size_t bytes[2];

	(void)state;
	open_place(&place);
	put_source(&place, "a.ndb", FIRST THIRD);
	assert_int_equal(build_cached(&place, &plain, &notes).origin, RULESET_COMPILED);
	(void)snprintf(used, sizeof(used), "%s", place.output);
	(void)snprintf(place.output, sizeof(place.output), "%s/next", place.root);
	(void)snprintf(beside, sizeof(beside), "%s" RULESET_DELTA_SUFFIX, place.output);
	for (unsigned int i = 0; i < 2; i++) {
		of = (struct ruleset_cache){.in_use = used, .folder = place.cache};
		put_source(&place, "a.ndb", FIRST THIRD);
		if (i == 1)
			assert_int_equal(ruleset_ready_new(NULL, &of, &of.ready), 0);
		put_source(&place, "a.ndb", FIRST MANY);
		assert_int_equal(build_cached(&place, &of, &notes).origin, RULESET_DELTA_ALONE);
		read_whole(beside, &deltas[i], &bytes[i]);
		// What it has given is gone; the index is not.
		put_source(&place, "a.ndb", FIRST THIRD SECOND);
		assert_int_equal(build_cached(&place, &of, &notes).changes, 1);
		ruleset_ready_free(of.ready);
	}
	assert_int_equal(bytes[0], bytes[1]);
	assert_memory_equal(deltas[0], deltas[1], bytes[0]);
	assert_int_equal(notes.count, 0);
	free(deltas[0]);
	free(deltas[1]);
	close_place(&place);
}

static void change_byte(const struct place *place, const char *suffix, long at)
{
	DIR *stream = opendir(place->cache);
	const struct dirent *entry;
	char path[400];
	FILE *file;

	assert_non_null(stream);
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	while ((entry = readdir(stream)) != NULL) {
		int c;

		if (strstr(entry->d_name, suffix) == NULL)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", place->cache, entry->d_name);
		file = fopen(path, "r+");
		assert_non_null(file);
		assert_int_equal(fseek(file, at, SEEK_SET), 0);
		c = fgetc(file);
		assert_int_equal(fseek(file, at, SEEK_SET), 0);
		assert_int_equal(fputc(c ^ 1, file), c ^ 1);
		assert_int_equal(fclose(file), 0);
	}
	(void)closedir(stream);
}

static void damaged_entries_are_told_of_and_made_anew(void **state)
{
	static const struct {
		const char *suffix;
		long at;
	} cases[] = {{".index", 3}, {".index", 200}, {".image", 5}, {".image", 5000}};
	const struct ruleset_cache plain = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct notes notes = {0};
		struct place place;

		open_place(&place);
		put_source(&place, "a.ndb", FIRST);
		(void)build_cached(&place, &plain, &notes);
		assert_int_equal(notes.count, 0);
		change_byte(&place, cases[i].suffix, cases[i].at);
		put_source(&place, "a.ndb", FIRST SECOND);
		assert_int_equal(build_cached(&place, &plain, &notes).origin, RULESET_COMPILED);
		assert_int_equal(notes.count, 1);
		assert_non_null(strstr(notes.file, cases[i].suffix));
		assert_int_equal(look_for(&place), 3);
		assert_int_equal(build_cached(&place, &plain, &notes).origin, RULESET_FOUND);
		close_place(&place);
	}
}

static void count_long(void *ctx)
{
	((struct notes *)ctx)->count += 100;
}

// Another image, no image, a damaged index, no folder: as without it.
static void what_was_laid_ready_of_something_else_is_passed_over(void **state)
{
	const struct ruleset_cache plain = {0};

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		struct notes notes = {0};
		struct ruleset_cache of = {.takes_long = count_long};
		struct place place;
		char used[128];

		open_place(&place);
		of.folder = place.cache;
		of.in_use = used;
		put_source(&place, "a.ndb", FIRST);
		(void)build_cached(&place, &plain, &notes);
		(void)snprintf(used, sizeof(used), "%s%s", place.output, i == 1 ? "-none" : "");
		if (i == 2)
			change_byte(&place, ".index", 200);
		if (i == 3)
			of.folder = "/nowhere/at/all";
		assert_int_equal(ruleset_ready_new(NULL, &of, &of.ready), 0);
		if (i == 0) {
			put_source(&place, "a.ndb", THIRD);
			(void)build_cached(
				&place, &(struct ruleset_cache){.is_fresh = true}, &notes);
			put_source(&place, "a.ndb", THIRD SECOND);
		} else {
			put_source(&place, "a.ndb", FIRST SECOND);
		}
		(void)snprintf(used, sizeof(used), "%s", place.output);
		(void)snprintf(place.output, sizeof(place.output), "%s/next", place.root);
		assert_int_equal(build_cached(&place, &of, &notes).origin,
			i == 2 ? RULESET_COMPILED : RULESET_DELTA_ALONE);
		assert_int_equal(notes.count, i == 2 ? 101 : 0);
		if (i != 2)
			assert_int_equal(rename(used, place.output), 0);
		assert_int_equal(look_for(&place), i == 0 ? 6 : 3);
		ruleset_ready_free(of.ready);
		close_place(&place);
	}
	ruleset_ready_free(NULL);
}

static void what_was_not_used_for_longest_goes(void **state)
{
	const struct ruleset_cache large = {.is_fresh = true};
	const struct ruleset_cache small = {.is_fresh = true, .max_bytes = 1};
	struct notes notes = {0};
	struct place place;

	(void)state;
	open_place(&place);
	put_source(&place, "a.ndb", FIRST);
	(void)build_cached(&place, &large, &notes);
	put_source(&place, "a.ndb", SECOND);
	(void)build_cached(&place, &large, &notes);
	assert_int_equal(count_entries(&place, ".index"), 2);
	assert_int_equal(count_entries(&place, ".image"), 2);
	put_source(&place, "a.ndb", THIRD);
	(void)build_cached(&place, &small, &notes);
	assert_int_equal(count_entries(&place, ".index"), 1);
	assert_int_equal(count_entries(&place, ".image"), 1);
	assert_int_equal(build_cached(&place, &small, &notes).origin, RULESET_FOUND);
	assert_int_equal(look_for(&place), 4);
	close_place(&place);
}

// As if the index had been made long after the files were written.
static void age(struct ruleset_built *built)
{
	struct index_header *header = built->index;

	header->made_ns += INT64_C(10000000000);
	assert_int_equal(EVP_Digest((uint8_t *)header + INDEX_HASHED_FROM,
				 built->index_bytes - INDEX_HASHED_FROM, header->sha256, NULL,
				 EVP_sha256(), NULL),
		1);
}

static void files_that_did_not_change_need_not_be_read(void **state)
{
	struct place place;
	struct pair pair = build_pair(&place);
	const char *paths[] = {place.sources};
	struct ruleset_build_stats stats;
	struct ruleset_built built = {0};
	struct ruleset_built next = {0};
	char path[160];

	(void)state;
	assert_int_equal(ruleset_build_indexed(paths, 1, NULL, &built, &stats), 0);
	age(&built);
	next = (struct ruleset_built){.index = built.index, .index_bytes = built.index_bytes};
	assert_int_equal(ruleset_build_delta(paths, 1, NULL, &next, &stats), 0);
	assert_null(next.image);
	assert_int_equal(stats.signatures, 2);
	// One more file, and names to be ignored: then what did not change is read after all.
	put_source(&place, "b.ndb", THIRD);
	assert_int_equal(ruleset_build_delta(paths, 1, NULL, &next, &stats), 0);
	assert_int_equal(stats.signatures, 3);
	free(next.image);
	put_source(&place, "c.ign2", "A\n");
	assert_int_equal(ruleset_build_delta(paths, 1, NULL, &next, &stats), 0);
	assert_int_equal(stats.signatures, 2);
	assert_int_equal(stats.ignored, 1);
	free(next.image);
	// A file that was written again has another stamp.
	(void)snprintf(path, sizeof(path), "%s/a.ndb", place.sources);
	assert_int_equal(unlink(path), 0);
	put_source(&place, "a.ndb", SECOND SECOND);
	assert_int_equal(ruleset_build_delta(paths, 1, NULL, &next, &stats), 0);
	assert_int_equal(stats.signatures, 3);
	assert_int_equal(stats.ignored, 0);
	free(next.image);
	free(built.image);
	free(built.index);
	free_pair(&pair);
	close_place(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_delta_is_of_use_with_its_own_image_alone),
		cmocka_unit_test(a_damaged_delta_is_refused),
		cmocka_unit_test(a_delta_beside_an_image_is_opened_with_it),
		cmocka_unit_test(a_damaged_index_is_refused),
		cmocka_unit_test(the_same_set_is_found_and_a_similar_one_is_a_delta),
		cmocka_unit_test(a_delta_of_the_image_in_use_is_written_alone),
		cmocka_unit_test(what_is_laid_ready_changes_nothing_of_the_delta),
		cmocka_unit_test(what_was_laid_ready_of_something_else_is_passed_over),
		cmocka_unit_test(damaged_entries_are_told_of_and_made_anew),
		cmocka_unit_test(what_was_not_used_for_longest_goes),
		cmocka_unit_test(files_that_did_not_change_need_not_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
