// SPDX-License-Identifier: BSD-3-Clause
// The screening lists on disk: what is on, what ended, how often it hit.
#include "control/screen_store.h"
#include "scan/scan.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW 1800000000

struct fixture {
	char folder[64];
	char path[80];
	struct screen_store *store;
};

static void reopen(struct fixture *fixture)
{
	char error[256] = "";

	screen_store_close(fixture->store);
	fixture->store = NULL;
	assert_int_equal(
		screen_store_open(fixture->path, &fixture->store, error, sizeof(error)), 0);
}

static int set_up(void **state)
{
	static struct fixture fixture;

	memset(&fixture, 0, sizeof(fixture));
	(void)snprintf(fixture.folder, sizeof(fixture.folder), "/tmp/screen_store.XXXXXX");
	if (mkdtemp(fixture.folder) == NULL)
		return -1;
	(void)snprintf(fixture.path, sizeof(fixture.path), "%s/screen.db", fixture.folder);
	reopen(&fixture);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	struct fixture *fixture = *state;
	char path[96];

	screen_store_close(fixture->store);
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), "%s%s", fixture->path, suffixes[i]);
		(void)unlink(path);
	}
	return rmdir(fixture->folder);
}

// The digest's first byte tells entries apart.
static struct screen_entry entry_of(uint8_t number, const char *name)
{
	struct screen_entry entry = {
		.name = name,
		.kind = SCREEN_FILE,
		.algorithm = DIGEST_SHA256,
		.bytes = 1000,
		.file_type = "pe",
		.section = SCREEN_ANY_SECTION,
	};

	entry.digest[0] = number;
	return entry;
}

// What names it once it is in a list of this virus id.
static uint64_t id_of(const struct screen_entry *entry, const char *virus_id)
{
	struct screen_entry own = *entry;

	own.virus_id = virus_id;
	return screen_id(&own);
}

static int add(struct fixture *fixture, const char *alert, const char *virus_id, int64_t expires_s,
	const struct screen_entry *entries, size_t count)
{
	struct screen_store_list list = {.added_s = NOW, .expires_s = expires_s};
	int err = screen_store_begin(fixture->store);

	(void)snprintf(list.alert, sizeof(list.alert), "%s", alert);
	(void)snprintf(list.virus_id, sizeof(list.virus_id), "%s", virus_id);
	(void)snprintf(list.origin, sizeof(list.origin), "test");
	if (err != 0)
		return err;
	return screen_store_end(
		fixture->store, screen_store_add(fixture->store, &list, entries, count));
}

static int64_t off(struct fixture *fixture, const struct screen_store_choice *choice, json_t *names,
	json_t *ids)
{
	int64_t count;

	assert_int_equal(screen_store_begin(fixture->store), 0);
	count = screen_store_off(fixture->store, choice, "test", NOW + 1, names, ids);
	assert_int_equal(screen_store_end(fixture->store, 0), 0);
	return count;
}

static bool keep_last(void *ctx, const struct screen_entry *entry)
{
	struct screen_entry *last = ctx;

	*last = *entry;
	// Its texts live as long as this call.
	last->name = strcmp(entry->name, "One") == 0 ? "One" : "another";
	last->virus_id = strcmp(entry->virus_id, "CV-1") == 0 ? "CV-1" : "another";
	last->file_type = strcmp(entry->file_type, "pe") == 0 ? "pe" : "another";
	return true;
}

static void an_entry_is_read_as_it_was_written_also_after_a_restart(void **state)
{
	struct fixture *fixture = *state;
	struct screen_entry entry = entry_of(7, "One");
	struct screen_entry read = {.name = ""};

	entry.kind = SCREEN_WINDOW;
	entry.action = SCREEN_ACTION_DISCARD;
	entry.algorithm = DIGEST_SHA1;
	entry.bytes = UINT64_C(1) << 40;
	entry.offset = 123456789012;
	entry.from_end = true;
	entry.length = 4096;
	entry.rolling = 0xfedcba9876543210;
	entry.digest[19] = 9;
	assert_int_equal(add(fixture, "a1", "CV-1", NOW + 100, &entry, 1), 0);
	reopen(fixture);
	assert_int_equal(screen_store_each(fixture->store, keep_last, &read), 0);
	assert_string_equal(read.name, "One");
	assert_string_equal(read.virus_id, "CV-1");
	assert_string_equal(read.file_type, "pe");
	assert_int_equal(read.kind, SCREEN_WINDOW);
	assert_int_equal(read.action, SCREEN_ACTION_DISCARD);
	assert_int_equal(read.algorithm, DIGEST_SHA1);
	assert_true(read.bytes == entry.bytes && read.offset == entry.offset);
	assert_true(read.length == 4096 && read.rolling == entry.rolling && read.from_end);
	assert_int_equal(read.section, SCREEN_ANY_SECTION);
	assert_memory_equal(read.digest, entry.digest, sizeof(entry.digest));
	assert_int_equal(screen_store_next_expiry(fixture->store), NOW + 100);
}

static void the_list_of_an_alert_is_added_once(void **state)
{
	struct fixture *fixture = *state;
	struct screen_entry entry = entry_of(1, "");

	assert_int_equal(add(fixture, "a1", "CV-1", NOW + 100, &entry, 1), 0);
	assert_int_equal(add(fixture, "a1", "CV-1", NOW + 100, &entry, 1), -EEXIST);
	assert_int_equal(screen_store_count(fixture->store), 1);
	// Those that are made by hand have no alert.
	assert_int_equal(add(fixture, "", "CV-1", NOW + 100, &entry, 1), 0);
	assert_int_equal(add(fixture, "", "CV-1", NOW + 100, &entry, 1), 0);
	assert_int_equal(screen_store_count(fixture->store), 3);
}

static void what_is_off_is_gone_and_its_names_are_told(void **state)
{
	struct fixture *fixture = *state;
	const struct screen_entry entries[] = {
		entry_of(1, "One"), entry_of(2, ""), entry_of(3, "One")};
	const struct screen_store_choice first = {.virus_id = "CV-1"};
	const struct screen_store_choice none = {.virus_id = "CV-3"};
	json_t *names = json_array();
	json_t *ids = json_array();
	json_t *lists;

	assert_int_equal(add(fixture, "a1", "CV-1", NOW + 100, entries, 3), 0);
	assert_int_equal(add(fixture, "a2", "CV-2", NOW + 200, entries, 2), 0);
	assert_int_equal(off(fixture, &none, names, ids), 0);
	assert_int_equal(json_array_size(ids), 0);
	assert_int_equal(off(fixture, &first, names, ids), 3);
	assert_int_equal(json_array_size(names), 2);
	assert_string_equal(json_string_value(json_array_get(ids, 0)), "CV-1");
	assert_int_equal(screen_store_count(fixture->store), 2);
	assert_int_equal(screen_store_next_expiry(fixture->store), NOW + 200);
	// It is known still, and an alert that comes again does not bring it back.
	assert_int_equal(add(fixture, "a1", "CV-1", NOW + 100, entries, 3), -EEXIST);
	while (screen_store_sweep(fixture->store, NOW, NOW))
		;
	lists = screen_store_lists(fixture->store, true);
	assert_int_equal(json_array_size(lists), 2);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(lists, 1), "off_why")), "test");
	json_decref(lists);
	(void)screen_store_sweep(fixture->store, NOW + 2, NOW);
	lists = screen_store_lists(fixture->store, true);
	assert_int_equal(json_array_size(lists), 1);
	json_decref(lists);
	json_decref(names);
	json_decref(ids);
}

static void single_entries_end_by_digest_by_name_and_by_id(void **state)
{
	struct fixture *fixture = *state;
	const struct screen_entry entries[] = {
		entry_of(1, "One"), entry_of(0xab, "Two"), entry_of(3, "Three")};
	const struct screen_store_choice choices[] = {
		{.digest = "ab00000000000000000000000000000000000000000000000000000000000000"},
		{.name = "One"}, {.id = id_of(&entries[2], "CV-1")}};
	json_t *names = json_array();
	json_t *ids = json_array();

	assert_int_equal(add(fixture, "a1", "CV-1", NOW + 100, entries, 3), 0);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(screen_store_count(fixture->store), 3 - i);
		assert_int_equal(off(fixture, &choices[i], names, ids), 1);
		assert_int_equal(off(fixture, &choices[i], names, ids), 0);
	}
	assert_string_equal(json_string_value(json_array_get(names, 0)), "Two");
	assert_string_equal(json_string_value(json_array_get(names, 1)), "One");
	// A list without entries is off.
	assert_int_equal(screen_store_next_expiry(fixture->store), INT64_MAX);
	json_decref(names);
	json_decref(ids);
}

static size_t covered(const struct fixture *fixture, int64_t now_s)
{
	json_t *ids = screen_store_covered(fixture->store, now_s);
	size_t count = json_array_size(ids);

	json_decref(ids);
	return count;
}

static void what_was_covered_comes_back_until_it_expires_or_is_forgotten(void **state)
{
	struct fixture *fixture = *state;
	const struct screen_entry entries[] = {
		entry_of(1, "One"), entry_of(2, ""), entry_of(3, "Three")};
	const struct screen_store_choice first = {.virus_id = "CV-1"};
	const struct screen_store_choice second = {.virus_id = "CV-2"};
	const struct screen_store_choice third = {.name = "Three"};
	json_t *names = json_array();

	assert_int_equal(add(fixture, "a1", "CV-1", NOW + 100, entries, 3), 0);
	assert_int_equal(add(fixture, "a2", "CV-2", NOW + 200, entries, 2), 0);
	assert_int_equal(
		screen_store_add_hits(fixture->store, id_of(&entries[0], "CV-1"), 5, NOW), 0);
	assert_int_equal(covered(fixture, NOW), 0);
	assert_int_equal(
		screen_store_off(fixture->store, &first, SCREEN_STORE_COVERED, NOW, names, names),
		3);
	assert_int_equal(
		screen_store_off(fixture->store, &second, "removed", NOW, names, names), 2);
	assert_int_equal(covered(fixture, NOW), 1);
	assert_false(screen_store_sweep(fixture->store, NOW + 50, NOW));
	assert_int_equal(screen_store_on(fixture->store, "CV-2", NOW), 0);
	assert_int_equal(screen_store_on(fixture->store, "CV-1", NOW + 100), 0);
	assert_int_equal(screen_store_forget(fixture->store, &third), 0);
	assert_int_equal(screen_store_on(fixture->store, "CV-1", NOW), 2);
	assert_int_equal(screen_store_count(fixture->store), 2);
	assert_int_equal(covered(fixture, NOW), 0);
	json_decref(names);
	names = screen_store_lists(fixture->store, false);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(names, 0), "hits")), 5);
	assert_int_equal(
		screen_store_off(fixture->store, &first, SCREEN_STORE_COVERED, NOW, names, names),
		2);
	(void)screen_store_sweep(fixture->store, NOW, NOW + 100);
	assert_int_equal(screen_store_on(fixture->store, "CV-1", NOW), 0);
	json_decref(names);
}

static void only_what_has_expired_ends(void **state)
{
	struct fixture *fixture = *state;
	const struct screen_entry entry = entry_of(1, "One");
	const struct screen_store_choice expired = {.expires_s = NOW + 100};
	json_t *names = json_array();
	json_t *ids = json_array();

	assert_int_equal(add(fixture, "a1", "CV-1", NOW + 100, &entry, 1), 0);
	assert_int_equal(add(fixture, "a2", "CV-2", NOW + 101, &entry, 1), 0);
	assert_int_equal(off(fixture, &expired, names, ids), 1);
	assert_string_equal(json_string_value(json_array_get(ids, 0)), "CV-1");
	assert_int_equal(screen_store_count(fixture->store), 1);
	json_decref(names);
	json_decref(ids);
}

static json_int_t hits_of(struct fixture *fixture, uint64_t id, size_t at)
{
	const struct screen_store_choice choice = {.id = id};
	json_t *found = screen_store_entries(fixture->store, &choice, 0, 10);
	json_int_t hits = json_integer_value(json_object_get(json_array_get(found, at), "hits"));

	json_decref(found);
	return hits;
}

static void hits_go_on_over_restarts_of_either_side(void **state)
{
	struct fixture *fixture = *state;
	const struct screen_entry entries[] = {entry_of(1, "One"), entry_of(2, "Two")};
	uint64_t id = id_of(&entries[0], "CV-1");

	// Two lists say the same of one.
	assert_int_equal(add(fixture, "a1", "CV-1", NOW + 100, entries, 2), 0);
	assert_int_equal(add(fixture, "a2", "CV-1", NOW + 100, entries, 1), 0);
	assert_int_equal(screen_store_hits(fixture->store, id, 3, 77, NOW + 10), 3);
	assert_int_equal(screen_store_hits(fixture->store, id, 3, 77, NOW + 11), 0);
	reopen(fixture);
	assert_int_equal(screen_store_hits(fixture->store, id, 5, 77, NOW + 12), 2);
	// The dataplane began anew, and has counted as many again.
	assert_int_equal(screen_store_hits(fixture->store, id, 5, 78, NOW + 60), 5);
	// The entry was away for a while.
	assert_int_equal(screen_store_hits(fixture->store, id, 1, 78, NOW + 61), 1);
	assert_int_equal(screen_store_add_hits(fixture->store, id, 2, NOW + 62), 0);
	assert_int_equal(hits_of(fixture, id, 0), 13);
	assert_int_equal(hits_of(fixture, id, 1), 13);
	assert_int_equal(hits_of(fixture, id_of(&entries[1], "CV-1"), 0), 0);
}

static void notes_outlive_the_process(void **state)
{
	struct fixture *fixture = *state;
	char *text = screen_store_note(fixture->store, "again");

	assert_string_equal(text, "");
	free(text);
	assert_int_equal(screen_store_set_note(fixture->store, "again", "[1]"), 0);
	assert_int_equal(screen_store_set_note(fixture->store, "again", "[2]"), 0);
	reopen(fixture);
	text = screen_store_note(fixture->store, "again");
	assert_string_equal(text, "[2]");
	free(text);
}

static void what_is_no_database_is_said(void **state)
{
	struct fixture *fixture = *state;
	struct screen_store *store = NULL;
	char error[256] = "";
	FILE *file;

	screen_store_close(fixture->store);
	fixture->store = NULL;
	file = fopen(fixture->path, "we");
	assert_non_null(file);
	for (int i = 0; i < 1000; i++)
		assert_true(fputs("this is no database", file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(screen_store_open(fixture->path, &store, error, sizeof(error)), -EBADMSG);
	assert_non_null(strstr(error, "screen.db"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(an_entry_is_read_as_it_was_written_also_after_a_restart),
		TEST(the_list_of_an_alert_is_added_once),
		TEST(what_is_off_is_gone_and_its_names_are_told),
		TEST(single_entries_end_by_digest_by_name_and_by_id),
		TEST(what_was_covered_comes_back_until_it_expires_or_is_forgotten),
		TEST(only_what_has_expired_ends),
		TEST(hits_go_on_over_restarts_of_either_side),
		TEST(notes_outlive_the_process),
		TEST(what_is_no_database_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
