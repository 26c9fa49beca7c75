// SPDX-License-Identifier: BSD-3-Clause
// What has changed since an image, read piece by piece: the same as all of it read at once, whatever came, went, came back or
// was taken back; and what is known already is not read again.
#include "control/screen_store_inside.h"
#include "control/screens_changes.h"
#include "tests/support/random.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOW 1800000000
#define STEPS 400

static struct {
	char path[64];
	struct screen_store *store;
	struct screen_store *other; // the main loop's
	struct screens_changes *changes;
	unsigned int images;
} lab;

static int setup(void **state)
{
	char error[256];
	int fd;

	(void)state;
	memset(&lab, 0, sizeof(lab));
	(void)snprintf(lab.path, sizeof(lab.path), "/tmp/cordon-changes-XXXXXX");
	fd = mkstemp(lab.path);
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(screen_store_open(lab.path, &lab.store, error, sizeof(error)), 0);
	assert_int_equal(screen_store_open(lab.path, &lab.other, error, sizeof(error)), 0);
	assert_int_equal(screens_changes_new(lab.store, &lab.changes), 0);
	assert_int_equal(screen_store_set_image(lab.store, "image", 0), 0);
	return 0;
}

static int teardown(void **state)
{
	char path[80];

	(void)state;
	screens_changes_free(lab.changes);
	screen_store_close(lab.other);
	screen_store_close(lab.store);
	(void)snprintf(path, sizeof(path), "%s-wal", lab.path);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s-shm", lab.path);
	(void)unlink(path);
	return unlink(lab.path);
}

// Numbers of entries that overlap, with names that differ.
static void add(struct screen_store *store, struct random *random, unsigned int count)
{
	struct screen_store_list list = {.added_s = NOW, .expires_s = NOW + 1000};
	struct screen_entry entries[20];

	assert_true(count <= 20);
	(void)snprintf(list.virus_id, sizeof(list.virus_id), "CV-%u", random_below(random, 4));
	for (unsigned int i = 0; i < count; i++) {
		uint32_t number = random_below(random, 60);

		entries[i] = (struct screen_entry){.name = random_below(random, 2) == 0 ? "A" : "B",
			.kind = SCREEN_FILE,
			.algorithm = DIGEST_SHA256,
			.section = SCREEN_ANY_SECTION};
		memcpy(entries[i].digest, &number, sizeof(number));
	}
	assert_int_equal(screen_store_add(store, &list, entries, count), 0);
}

static void switch_one(struct screen_store *store, struct random *random)
{
	char id[16];
	const struct screen_store_choice choice = {.virus_id = id};
	json_t *names = json_array();

	(void)snprintf(id, sizeof(id), "CV-%u", random_below(random, 4));
	if (random_below(random, 2) == 0)
		assert_true(screen_store_off(
				    store, &choice, SCREEN_STORE_COVERED, NOW, names, names) >= 0);
	else
		assert_true(screen_store_on(store, id, NOW) >= 0);
	json_decref(names);
}

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(uint64_t));
}

static void assert_same_ids(const struct screen_change *a, const struct screen_change *b)
{
	size_t bytes = a->ids_count * sizeof(*a->ids);
	uint64_t *one = malloc(bytes + 1);
	uint64_t *two = malloc(bytes + 1);

	assert_non_null(one);
	assert_non_null(two);
	assert_int_equal(a->ids_count, b->ids_count);
	if (bytes > 0) {
		memcpy(one, a->ids, bytes);
		memcpy(two, b->ids, bytes);
	}
	qsort(one, a->ids_count, sizeof(*one), compare_ids);
	qsort(two, a->ids_count, sizeof(*two), compare_ids);
	assert_memory_equal(one, two, bytes);
	free(one);
	free(two);
}

static void assert_same(const struct screen_change *a, const struct screen_change *b)
{
	assert_same_ids(a, b);
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		assert_memory_equal(a->entries[i].digest, b->entries[i].digest, 32);
		assert_string_equal(a->entries[i].name, b->entries[i].name);
		assert_string_equal(a->entries[i].virus_id, b->entries[i].virus_id);
	}
}

// In the transaction that there is.
static void compare(void)
{
	struct screens_changes *fresh = NULL;
	struct screen_change all;
	struct screen_change kept;

	assert_int_equal(screens_changes_new(lab.store, &fresh), 0);
	assert_int_equal(screens_changes_read(fresh, &all), 0);
	assert_int_equal(screens_changes_read(lab.changes, &kept), 0);
	assert_same(&all, &kept);
	screens_changes_free(fresh);
}

static void change(struct screen_store *store, struct random *random)
{
	if (random_below(random, 3) > 0)
		add(store, random, 1 + random_below(random, 20));
	else
		switch_one(store, random);
}

static void piece_by_piece_it_is_the_same_as_all_at_once(void **state)
{
	struct random random = {7};

	(void)state;
	for (unsigned int step = 0; step < STEPS; step++) {
		unsigned int what = random_below(&random, 10);

		assert_int_equal(screen_store_begin(lab.store), 0);
		change(lab.store, &random);
		if (what < 8)
			compare();
		// What it has read then never was.
		assert_int_equal(
			screen_store_end(lab.store, what == 0 ? -EIO : 0), what == 0 ? -EIO : 0);
		if (what == 1)
			change(lab.other, &random);
		if (what == 2)
			assert_int_equal(screen_store_set_image(lab.other,
						 lab.images++ % 2 == 0 ? "one" : "two",
						 screen_store_last_change(lab.other) - 5),
				0);
	}
	assert_int_equal(screen_store_begin_reading(lab.store), 0);
	compare();
	assert_int_equal(screen_store_end(lab.store, 0), 0);
}

static void what_is_known_is_not_read_again(void **state)
{
	struct random random = {9};
	struct screen_change before;
	struct screen_change after;
	size_t count;

	(void)state;
	add(lab.store, &random, 20);
	assert_int_equal(screens_changes_read(lab.changes, &before), 0);
	count = before.count;
	// Behind its back.
	assert_int_equal(screen_store_execute(lab.store, "DELETE FROM entry"), 0);
	assert_int_equal(screen_store_execute(lab.store, "INSERT INTO changed(id) VALUES(1)"), 0);
	assert_int_equal(screens_changes_read(lab.changes, &after), 0);
	assert_int_equal(after.count, count);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(piece_by_piece_it_is_the_same_as_all_at_once),
		TEST(what_is_known_is_not_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
