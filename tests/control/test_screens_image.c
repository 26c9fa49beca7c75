// SPDX-License-Identifier: BSD-3-Clause
// The list that is to be in force, as images and layers on disk: beside the lists in the store, over changes of all
// kinds, images that are made beside them, and processes that end in between.
#include "control/screens_image.h"
#include "scan/scan.h"
#include "tests/control/screens_case.h"
#include "tests/support/random.h"
#include "tests/support/screened.h"
#include "tests/support/unit.h"

#include <glib.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW 1800000000
#define MANY 5000 // more than are always made anew

static struct {
	struct screen_store *store;
	struct screens_image *image;
	struct screens_merged *merged; // that was made and not put yet
	int64_t now_s;
	unsigned int layers; // that were put
	unsigned int wholes;
	unsigned int merges;
} now;

// ---- a process ----------------------------------------------------------------------------------

static void begin_process(void)
{
	char error[256];

	assert_int_equal(screen_store_open(database, &now.store, error, sizeof(error)), 0);
	assert_int_equal(screens_image_new(&options, now.store, &now.image), 0);
}

static void end_process(void)
{
	screens_merged_free(now.merged);
	now.merged = NULL;
	screens_image_free(now.image);
	screen_store_close(now.store);
}

static void kill_process(void)
{
	end_process();
	begin_process();
}

static int set_up(void **state)
{
	struct stat status;

	if (screens_case_begin(state) != 0)
		return -1;
	now.now_s = NOW;
	begin_process();
	return stat(options.rules.image, &status);
}

static int tear_down(void **state)
{
	end_process();
	return screens_case_end(state);
}

// ---- comparing ----------------------------------------------------------------------------------

// What is on by the store: of entries that say the same the first.
static bool tell(void *ctx, const struct screen_entry *entry)
{
	GHashTable *table = ctx;
	uint64_t *id = g_new(uint64_t, 1);

	*id = screen_id(entry);
	if (g_hash_table_contains(table, id))
		g_free(id);
	else
		(void)g_hash_table_insert(table, id,
			g_strdup_printf("%s %d",
				entry->name[0] != '\0' ? entry->name : entry->virus_id,
				(int)entry->action));
	return true;
}

static GHashTable *table_new(void)
{
	return g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
}

static GHashTable *what_is_on(void)
{
	GHashTable *table = table_new();

	assert_int_equal(screen_store_each(now.store, tell, table), 0);
	return table;
}

// What whoever starts now has.
static GHashTable *what_lies_there(void)
{
	GHashTable *table = table_new();
	struct ruleset *ruleset;
	struct screen_entry entry;

	assert_int_equal(ruleset_open(options.rules.image, &ruleset), 0);
	for (uint32_t i = 0; i < ruleset_get_screen_numbers(ruleset); i++)
		if (ruleset_get_screen_entry(ruleset, i, &entry))
			(void)tell(table, &entry);
	assert_int_equal(g_hash_table_size(table), ruleset_get_screen(ruleset)->entries);
	ruleset_close(ruleset);
	return table;
}

static bool is_same(GHashTable *a, GHashTable *b)
{
	GHashTableIter iter;
	gpointer id;
	gpointer text;

	if (g_hash_table_size(a) != g_hash_table_size(b))
		return false;
	g_hash_table_iter_init(&iter, a);
	while (g_hash_table_iter_next(&iter, &id, &text))
		if (g_strcmp0(text, g_hash_table_lookup(b, id)) != 0)
			return false;
	return true;
}

static bool lies_there_what_is_on(void)
{
	GHashTable *on = what_is_on();
	GHashTable *there = what_lies_there();
	bool same = is_same(on, there);

	g_hash_table_destroy(on);
	g_hash_table_destroy(there);
	return same;
}

// ---- what control does --------------------------------------------------------------------------

static void keep(struct screens_made *made)
{
	now.layers += made->layer.data != NULL;
	now.wholes += made->whole.data != NULL;
	assert_int_equal(screens_image_keep(now.image, made), 0);
	screens_made_free(made);
}

// ends: 0: no; else the process does before it has kept what it made, at one of three places.
static void put(unsigned int ends)
{
	struct screens_made made = {0};
	char why[256] = "";

	assert_int_equal(screen_store_begin(now.store), 0);
	if (now.merged != NULL) {
		int err = screens_image_adopt(now.image, now.merged);

		assert_true(err == 0 || err == -ESTALE);
		now.merges += err == 0;
	}
	now.merged = NULL;
	assert_int_equal(screens_image_watch(now.image), 0);
	assert_int_equal(screen_store_end(now.store, 0), 0);
	if (ends == 1)
		return;
	assert_int_equal(screen_store_begin_reading(now.store), 0);
	if (screens_image_make(now.image, &made, why, sizeof(why)) != 0)
		fail_msg("%s", why);
	assert_int_equal(screen_store_end(now.store, 0), 0);
	if (ends != 2) {
		assert_int_equal(screen_store_begin(now.store), 0);
		assert_int_equal(screens_image_note(now.image, &made), 0);
		assert_int_equal(screen_store_end(now.store, 0), 0);
	}
	if (ends == 0)
		keep(&made);
	screens_made_free(&made);
}

static int add_to_store(struct random *random, size_t count)
{
	struct screen_store_list list = {.added_s = now.now_s};
	struct screen_entry *entries = calloc(count, sizeof(*entries));
	int err;

	assert_non_null(entries);
	list.expires_s = now.now_s + 1 + random_below(random, 20);
	if (count >= MANY)
		list.expires_s = now.now_s + 1000000;
	(void)snprintf(list.virus_id, sizeof(list.virus_id), "CV-%u",
		count >= MANY ? 0 : random_below(random, 4));
	for (size_t i = 0; i < count; i++) {
		uint32_t number = count >= MANY ? (uint32_t)i : random_below(random, 2 * MANY);

		entries[i] = (struct screen_entry){.name = i % 3 == 0 ? "One" : "",
			.kind = number % 5 == 0 ? SCREEN_RANGE : SCREEN_FILE,
			.algorithm = DIGEST_SHA256,
			.length = number % 5 == 0 ? 100 : 0,
			.offset = number % 5 == 0 ? number % 100 : 0,
			.section = SCREEN_ANY_SECTION};
		memcpy(entries[i].digest, &number, sizeof(number));
	}
	err = screen_store_add(now.store, &list, entries, count);
	free(entries);
	return err;
}

static void add_list(struct random *random, size_t count, bool ends)
{
	struct screens_made made = {0};
	char why[256] = "";

	assert_int_equal(screen_store_begin(now.store), 0);
	assert_int_equal(add_to_store(random, count), 0);
	if (screens_image_make(now.image, &made, why, sizeof(why)) != 0)
		fail_msg("%s", why);
	assert_int_equal(screens_image_note(now.image, &made), 0);
	assert_int_equal(screen_store_end(now.store, 0), 0);
	if (!ends)
		keep(&made);
	screens_made_free(&made);
}

static void switch_off(const struct screen_store_choice *choice, const char *why)
{
	json_t *names = json_array();

	assert_int_equal(screen_store_begin(now.store), 0);
	assert_true(screen_store_off(now.store, choice, why, now.now_s, names, names) >= 0);
	assert_int_equal(screen_store_end(now.store, 0), 0);
	json_decref(names);
}

static void change_in_store(struct random *random)
{
	char id[16];
	struct screen_store_choice choice = {0};
	char digest[65];

	(void)snprintf(id, sizeof(id), "CV-%u", 1 + random_below(random, 3));
	switch (random_below(random, 5)) {
	case 0:
		choice.virus_id = id;
		switch_off(&choice, SCREEN_STORE_COVERED);
		break;
	case 1:
		assert_int_equal(screen_store_begin(now.store), 0);
		assert_true(screen_store_on(now.store, id, now.now_s) >= 0);
		assert_int_equal(screen_store_end(now.store, 0), 0);
		break;
	case 2:
		memset(digest, '0', 64);
		digest[64] = '\0';
		(void)snprintf(
			digest, 5, "%02x%02x", random_below(random, 256), random_below(random, 30));
		digest[4] = '0';
		choice.digest = digest;
		switch_off(&choice, "removed");
		break;
	case 3:
		now.now_s += 5;
		choice.expires_s = now.now_s;
		switch_off(&choice, "expired");
		break;
	default:
		choice.virus_id = id;
		switch_off(&choice, "removed");
		break;
	}
	(void)screen_store_sweep(now.store, now.now_s, now.now_s);
}

static void merge(void)
{
	static const atomic_bool is_ending;
	int err = screens_image_merge(&options, database, &is_ending, &now.merged);

	assert_true(err == 0 || err == -EALREADY);
}

// ---- tests --------------------------------------------------------------------------------------

static void what_lies_there_is_what_is_on_whatever_came_and_went(void **state)
{
	struct random random = {4711};

	(void)state;
	add_list(&random, MANY, false);
	assert_true(lies_there_what_is_on());
	assert_int_equal(now.wholes, 1);
	for (unsigned int step = 0; step < 60; step++) {
		GHashTable *before = what_lies_there();
		unsigned int ends = random_below(&random, 12);

		if (now.merged == NULL && random_below(&random, 4) == 0)
			merge();
		if (random_below(&random, 2) == 0) {
			add_list(&random, 1 + random_below(&random, 200), ends == 1);
			ends = ends == 1 ? 1 : 0;
		} else {
			for (unsigned int i = random_below(&random, 3); i > 0; i--)
				change_in_store(&random);
			ends = ends <= 3 ? ends : 0;
			put(ends);
		}
		if (ends != 0) {
			GHashTable *there = what_lies_there();

			assert_true(is_same(before, there));
			g_hash_table_destroy(there);
			kill_process();
			put(0);
		}
		assert_true(lies_there_what_is_on());
		g_hash_table_destroy(before);
	}
	assert_true(now.layers > 20);
	assert_true(now.merges > 3);
	assert_true(now.wholes < 20);
}

static void a_process_that_starts_goes_on_with_the_image_that_there_is(void **state)
{
	struct random random = {4712};
	unsigned int wholes;

	(void)state;
	add_list(&random, MANY, false);
	wholes = now.wholes;
	add_list(&random, 10, false);
	kill_process();
	put(0);
	add_list(&random, 10, false);
	assert_int_equal(now.wholes, wholes);
	assert_true(lies_there_what_is_on());
}

// What went is in no image any more, and comes back.
static void what_was_covered_comes_back_also_after_an_image_was_made(void **state)
{
	struct random random = {4715};
	struct screen_store_choice choice = {0};
	uint64_t count;

	(void)state;
	add_list(&random, MANY, false);
	for (size_t i = 0; i < 6; i++)
		add_list(&random, 20, false);
	count = screen_store_count(now.store);
	for (size_t i = 0; i < 2; i++) {
		for (size_t k = 1; k < 4; k++) {
			char id[16];

			(void)snprintf(id, sizeof(id), "CV-%zu", k);
			choice.virus_id = id;
			if (i == 0) {
				switch_off(&choice, SCREEN_STORE_COVERED);
				continue;
			}
			assert_int_equal(screen_store_begin(now.store), 0);
			assert_true(screen_store_on(now.store, id, now.now_s) > 0);
			assert_int_equal(screen_store_end(now.store, 0), 0);
		}
		put(0);
		assert_true(lies_there_what_is_on());
		merge();
		put(0);
		assert_true(lies_there_what_is_on());
	}
	// Others that were covered before come back, too.
	assert_true(screen_store_count(now.store) >= count);
}

// Or what changed before it would be lost.
static void an_image_that_was_overtaken_is_of_no_use(void **state)
{
	struct random random = {4713};
	const struct screen_store_choice all = {.expires_s = INT64_MAX};

	(void)state;
	add_list(&random, MANY, false);
	add_list(&random, 10, false);
	merge();
	assert_non_null(now.merged);
	switch_off(&all, "removed");
	add_list(&random, 3, false);
	put(0);
	assert_true(lies_there_what_is_on());
	assert_int_equal(screen_store_count(now.store), 3);
	switch_off(&all, "removed");
	put(0);
	assert_true(lies_there_what_is_on());
	assert_false(screens_image_has_file(&options));
}

// More than are told one by one.
static void after_very_many_changes_all_is_made_anew(void **state)
{
	struct random random = {4714};
	unsigned int wholes;
	char *mark;

	(void)state;
	add_list(&random, MANY, false);
	wholes = now.wholes;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(screen_store_begin(now.store), 0);
		assert_int_equal(add_to_store(&random, SCREEN_STORE_MOST_CHANGES / 2 + 10), 0);
		assert_int_equal(screen_store_end(now.store, 0), 0);
	}
	mark = screen_store_image(now.store);
	assert_string_equal(mark, "");
	free(mark);
	assert_int_equal(screen_store_changes(now.store), 0);
	put(0);
	assert_int_equal(now.wholes, wholes + 1);
	assert_true(lies_there_what_is_on());
}

static void take_all_off(void)
{
	const struct screen_store_choice all = {.expires_s = INT64_MAX};

	switch_off(&all, "removed");
	put(0);
}

// ---- who opens meanwhile --------------------------------------------------------------------------

#define SWAPS 200

static const char *path_of(const char *suffix, char *out)
{
	(void)snprintf(out, 128, "%s/rules.img%s", folder, suffix);
	return out;
}

static void copy_files(const char *const *from, const char *to)
{
	char path[128];
	FILE *out = fopen(path_of(to, path), "wbe");

	assert_non_null(out);
	for (; *from != NULL; from++) {
		gchar *text = NULL;
		gsize bytes = 0;

		assert_true(g_file_get_contents(path_of(*from, path), &text, &bytes, NULL));
		assert_int_equal(fwrite(text, 1, bytes, out), bytes);
		g_free(text);
	}
	assert_int_equal(fclose(out), 0);
}

static void lay_in_place(const char *from, const char *to)
{
	char paths[3][128];

	assert_int_equal(link(path_of(from, paths[0]), path_of("-next", paths[1])), 0);
	assert_int_equal(rename(paths[1], path_of(to, paths[2])), 0);
	// Of one file and itself rename leaves both.
	(void)unlink(paths[1]);
}

struct swap {
	const char *image;
	const char *layer;
	unsigned int turns; // before it
};

// As an image that was made takes the place of the one before.
static gpointer swap(gpointer data)
{
	const struct swap *swap = data;

	for (volatile unsigned int i = 0; i < swap->turns; i = i + 1)
		;
	lay_in_place("-both", RULESET_SCREEN_LAYER_SUFFIX);
	lay_in_place(swap->image, RULESET_SCREEN_SUFFIX);
	lay_in_place(swap->layer, RULESET_SCREEN_LAYER_SUFFIX);
	return NULL;
}

static void who_opens_while_an_image_takes_the_place_of_another_has_all(void **state)
{
	static const char *const image[] = {RULESET_SCREEN_SUFFIX, NULL};
	static const char *const layer[] = {RULESET_SCREEN_LAYER_SUFFIX, NULL};
	static const char *const both[] = {"-layer0", "-layer1", NULL};
	static const char *const names[] = {"-image0", "-image1", "-layer0", "-layer1", "-both"};
	struct random random = {4716};
	GHashTable *on;
	char path[128];

	(void)state;
	take_all_off();
	add_list(&random, MANY, false);
	add_list(&random, 10, false);
	copy_files(image, "-image0");
	copy_files(layer, "-layer0");
	merge();
	put(0);
	copy_files(image, "-image1");
	copy_files(layer, "-layer1");
	copy_files(both, "-both");
	on = what_is_on();
	for (unsigned int i = 0; i < SWAPS; i++) {
		struct swap to = {names[i % 2], names[2 + i % 2], random_below(&random, 3000000)};
		GThread *thread = g_thread_new("swap", swap, &to);
		GHashTable *there = what_lies_there();

		assert_true(is_same(on, there));
		g_hash_table_destroy(there);
		(void)g_thread_join(thread);
	}
	g_hash_table_destroy(on);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)unlink(path_of(names[i], path));
}

// What was adopted and could not be kept is not confused with what is made after it.
static void an_image_that_cannot_be_kept_is_made_anew(void **state)
{
	struct random random = {4717};
	struct screens_made made = {0};
	char path[128];
	char why[256] = "";

	(void)state;
	take_all_off();
	add_list(&random, MANY, false);
	add_list(&random, 10, false);
	merge();
	assert_non_null(now.merged);
	assert_int_equal(screen_store_begin(now.store), 0);
	assert_int_equal(screens_image_adopt(now.image, now.merged), 0);
	now.merged = NULL;
	assert_int_equal(screens_image_make(now.image, &made, why, sizeof(why)), 0);
	assert_int_equal(screens_image_note(now.image, &made), 0);
	assert_int_equal(screen_store_end(now.store, 0), 0);
	// Somebody took it away, or the disk did not take it.
	assert_int_equal(unlink(path_of(RULESET_SCREEN_SUFFIX "-merged", path)), 0);
	assert_int_not_equal(screens_image_keep(now.image, &made), 0);
	screens_made_free(&made);
	assert_true(lies_there_what_is_on());
	add_list(&random, 10, false);
	assert_true(lies_there_what_is_on());
	merge();
	put(0);
	assert_true(lies_there_what_is_on());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_lies_there_is_what_is_on_whatever_came_and_went),
		cmocka_unit_test(a_process_that_starts_goes_on_with_the_image_that_there_is),
		cmocka_unit_test(what_was_covered_comes_back_also_after_an_image_was_made),
		cmocka_unit_test(an_image_that_was_overtaken_is_of_no_use),
		cmocka_unit_test(after_very_many_changes_all_is_made_anew),
		cmocka_unit_test(who_opens_while_an_image_takes_the_place_of_another_has_all),
		cmocka_unit_test(an_image_that_cannot_be_kept_is_made_anew),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
