// SPDX-License-Identifier: BSD-3-Clause
// The open seals: what is told before it is in the file is in it afterwards, or never was.
#include "control/seals.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
	char folder[32];
	char path[64];
	struct seals *seals;
} lab;

static void open_seals(void)
{
	char error[128] = "";

	assert_int_equal(seals_open(lab.path, 3600, &lab.seals, error, sizeof(error)), 0);
}

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(lab.folder, sizeof(lab.folder), "/tmp/cordon-seals-XXXXXX");
	assert_non_null(mkdtemp(lab.folder));
	(void)snprintf(lab.path, sizeof(lab.path), "%s/seals.json", lab.folder);
	open_seals();
	return 0;
}

static void name_room(char room[80])
{
	(void)snprintf(room, 80, "%s.room", lab.path);
}

// A folder in the place of the file that it is written to first.
static void take_room(char room[80])
{
	name_room(room);
	assert_int_equal(unlink(room), 0);
	assert_int_equal(mkdir(room, 0700), 0);
}

static int tear_down(void **state)
{
	char room[80];

	(void)state;
	seals_close(lab.seals);
	(void)unlink(lab.path);
	name_room(room);
	(void)unlink(room);
	assert_int_equal(rmdir(lab.folder), 0);
	return 0;
}

static int stage(const char *virus_id, const char *mode)
{
	json_t *seal = json_pack("{s:s, s:s}", "virus_id", virus_id, "mode", mode);
	char error[128];
	int err = seals_stage(lab.seals, seal, "test", 1000, error, sizeof(error));

	json_decref(seal);
	return err;
}

static void what_is_staged_is_told_and_in_the_file_once_it_is_settled(void **state)
{
	char *text;

	(void)state;
	assert_int_equal(stage("CV-1", "hold"), 0);
	assert_int_equal(seals_generation(lab.seals), 1);
	text = seals_text(lab.seals);
	assert_non_null(strstr(text, "CV-1"));
	free(text);
	assert_int_not_equal(access(lab.path, F_OK), 0);
	assert_int_equal(seals_settle(lab.seals), 0);
	seals_close(lab.seals);
	open_seals();
	assert_int_equal(seals_generation(lab.seals), 1);
	assert_int_equal(seals_count(lab.seals), 1);
}

static void what_cannot_be_kept_was_never_set(void **state)
{
	char temporary[80];

	(void)state;
	assert_int_equal(stage("CV-1", "hold"), 0);
	assert_int_equal(seals_settle(lab.seals), 0);
	take_room(temporary);
	assert_int_equal(stage("CV-2", "hold"), 0);
	assert_int_equal(seals_count(lab.seals), 2);
	assert_int_equal(seals_settle(lab.seals), -EISDIR);
	assert_int_equal(seals_count(lab.seals), 1);
	assert_int_equal(seals_generation(lab.seals), 1);
	assert_int_equal(seals_end(lab.seals, "CV-1"), -EISDIR);
	assert_int_equal(seals_count(lab.seals), 1);
	assert_int_equal(rmdir(temporary), 0);
	assert_int_equal(seals_end(lab.seals, "CV-1"), 1);
	assert_int_equal(seals_generation(lab.seals), 2);
}

static void what_the_dataplane_would_not_understand_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(stage("CV-1", "guess"), -EINVAL);
	assert_int_equal(seals_count(lab.seals), 0);
	assert_int_equal(seals_generation(lab.seals), 0);
}

static int barriers;

static void barrier(void *ctx)
{
	(void)ctx;
	barriers++;
}

static void what_is_written_beside_is_in_the_file_when_it_was_written(void **state)
{
	struct seals_write *first;
	struct seals_write *second;

	(void)state;
	barriers = 0;
	seals_set_barrier(lab.seals, barrier, NULL);
	assert_int_equal(stage("CV-1", "hold"), 0);
	first = seals_settle_later(lab.seals);
	assert_int_equal(stage("CV-2", "hold"), 0);
	second = seals_settle_later(lab.seals);
	assert_true(first != NULL && second != NULL);
	assert_int_equal(seals_count(lab.seals), 2);
	assert_int_equal(access(lab.path, F_OK), -1);
	assert_int_equal(seals_write(first), 0);
	seals_write_end(lab.seals, first, 0);
	assert_int_equal(seals_write(second), 0);
	seals_write_end(lab.seals, second, 0);
	assert_int_equal(barriers, 0);
	// What this thread writes waits for the other one.
	assert_int_equal(seals_end(lab.seals, "CV-1"), 1);
	assert_int_equal(barriers, 1);
	seals_close(lab.seals);
	open_seals();
	assert_int_equal(seals_count(lab.seals), 1);
	assert_int_equal(seals_generation(lab.seals), 3);
}

static void what_could_not_be_written_beside_stays_and_is_written_later(void **state)
{
	struct seals_write *write;
	char temporary[80];

	(void)state;
	take_room(temporary);
	assert_int_equal(stage("CV-1", "hold"), 0);
	write = seals_settle_later(lab.seals);
	assert_non_null(write);
	seals_write_end(lab.seals, write, seals_write(write));
	assert_int_equal(seals_count(lab.seals), 1);
	assert_int_equal(seals_catch_up(lab.seals), -EISDIR);
	assert_int_equal(rmdir(temporary), 0);
	assert_int_equal(seals_catch_up(lab.seals), 0);
	seals_close(lab.seals);
	open_seals();
	assert_int_equal(seals_count(lab.seals), 1);
}

static void adopt(const json_t *theirs, size_t count_adopted, size_t count_missed)
{
	json_t *adopted = NULL;
	json_t *missed = NULL;

	assert_int_equal(seals_adopt(lab.seals, theirs, 1500, &adopted, &missed), 0);
	assert_int_equal(json_array_size(adopted), count_adopted);
	assert_int_equal(json_array_size(missed), count_missed);
	assert_true(seals_is_heard(lab.seals));
	json_decref(adopted);
	json_decref(missed);
}

static void seals_that_others_have_are_taken_over(void **state)
{
	static const char text[] =
		"{\"generation\": 9, \"seals\": [{\"virus_id\": \"CV-2\", \"mode\": "
		"\"strip\", \"expires\": 9000000}, {\"virus_id\": \"CV-1\", \"mode\": "
		"\"hold\", \"origin\": \"vendor acme\", \"begun\": 1100, \"expires\": 2000}]}";
	json_t *other = json_loads(text, 0, NULL);
	const json_t *list;

	(void)state;
	assert_int_equal(stage("CV-1", "strip"), 0);
	assert_int_equal(seals_settle(lab.seals), 0);
	assert_int_equal(stage("CV-3", "hold"), 0);
	assert_int_equal(seals_settle(lab.seals), 0);
	adopt(other, 2, 0);
	seals_close(lab.seals);
	open_seals();
	assert_int_equal(seals_generation(lab.seals), 10);
	assert_int_equal(seals_count(lab.seals), 3);
	list = seals_list(lab.seals);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(list, 1), "mode")), "hold");
	assert_int_equal(
		json_integer_value(json_object_get(json_array_get(list, 1), "expires")), 2000);
	// No longer than ours would.
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "expires")),
		1500 + 3600);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(list, 0), "origin")), "dataplane");
	json_decref(other);
}

static void set(const char *virus_id)
{
	assert_int_equal(stage(virus_id, "hold"), 0);
	assert_int_equal(seals_settle(lab.seals), 0);
}

static void reopen(void)
{
	seals_close(lab.seals);
	open_seals();
}

// A process was killed before CV-2 was in the file, the next one before it had heard of it.
static void what_changed_unheard_hides_nothing_that_the_dataplane_has(void **state)
{
	json_t *theirs = json_loads("{\"generation\": 2, \"seals\": [{\"virus_id\": \"CV-1\", "
				    "\"mode\": \"hold\", \"begun\": 1}, {\"virus_id\": \"CV-2\", "
				    "\"mode\": \"hold\"}]}",
		0, NULL);

	(void)state;
	seals_heard(lab.seals);
	set("CV-1");
	reopen();
	assert_false(seals_may_lack(lab.seals, 1));
	set("CV-3");
	assert_int_equal(seals_generation(lab.seals), 2);
	for (int i = 0; i < 2; i++) {
		assert_false(seals_is_heard(lab.seals));
		assert_false(seals_may_lack(lab.seals, 1));
		assert_true(seals_may_lack(lab.seals, 2));
		reopen();
	}
	// CV-1 is the same but for what is older there.
	adopt(theirs, 1, 0);
	assert_true(seals_is_heard(lab.seals));
	assert_int_equal(seals_count(lab.seals), 3);
	assert_int_equal(seals_generation(lab.seals), 3);
	reopen();
	assert_int_equal(seals_count(lab.seals), 3);
	assert_false(seals_may_lack(lab.seals, 3));
	assert_true(seals_may_lack(lab.seals, 4));
	json_decref(theirs);
}

static void a_dataplane_that_has_the_same_changes_nothing(void **state)
{
	json_t *theirs;
	char *text;

	(void)state;
	set("CV-1");
	text = seals_text(lab.seals);
	theirs = json_loads(text, 0, NULL);
	free(text);
	assert_true(seals_may_lack(lab.seals, 1));
	adopt(theirs, 0, 0);
	assert_int_equal(seals_generation(lab.seals), 1);
	assert_true(seals_is_heard(lab.seals));
	// It has less, of the same generation, or of a later one: that one is told anew.
	(void)json_array_clear(json_object_get(theirs, "seals"));
	adopt(theirs, 0, 0);
	assert_int_equal(seals_generation(lab.seals), 2);
	(void)json_object_set_new(theirs, "generation", json_integer(7));
	adopt(theirs, 0, 0);
	assert_int_equal(seals_generation(lab.seals), 8);
	assert_int_equal(seals_count(lab.seals), 1);
	json_decref(theirs);
}

static void what_is_taken_over_stands_without_its_file(void **state)
{
	json_t *theirs = json_loads("{\"generation\": 2, \"seals\": [{\"virus_id\": \"CV-2\", "
				    "\"mode\": \"hold\"}]}",
		0, NULL);
	char temporary[80];

	(void)state;
	set("CV-1");
	take_room(temporary);
	adopt(theirs, 1, 0);
	assert_int_equal(seals_count(lab.seals), 2);
	assert_int_not_equal(seals_catch_up(lab.seals), 0);
	assert_int_equal(rmdir(temporary), 0);
	assert_int_equal(seals_catch_up(lab.seals), 0);
	reopen();
	assert_int_equal(seals_count(lab.seals), 2);
	json_decref(theirs);
}

static void a_full_disk_keeps_no_seal_away_and_lets_none_go(void **state)
{
	json_t *seal = json_pack("{s:s, s:s}", "virus_id", "CV-2", "mode", "hold");
	char temporary[80];
	char error[128];

	(void)state;
	set("CV-1");
	assert_false(seals_is_behind(lab.seals));
	take_room(temporary);
	assert_int_equal(seals_set(lab.seals, seal, "test", 1000, error, sizeof(error)), 0);
	json_decref(seal);
	assert_true(seals_is_behind(lab.seals));
	assert_int_equal(seals_count(lab.seals), 2);
	assert_int_equal(seals_end(lab.seals, "CV-2"), -EISDIR);
	assert_int_equal(seals_end(lab.seals, NULL), -EISDIR);
	assert_int_equal(seals_count(lab.seals), 2);
	assert_int_equal(rmdir(temporary), 0);
	assert_int_equal(seals_catch_up(lab.seals), 0);
	assert_false(seals_is_behind(lab.seals));
	reopen();
	assert_int_equal(seals_count(lab.seals), 2);
}

static bool is_open(const char *virus_id)
{
	const json_t *seal;
	size_t i;

	json_array_foreach(seals_list(lab.seals), i, seal)
	{
		if (strcmp(json_string_value(json_object_get(seal, "virus_id")), virus_id) == 0)
			return true;
	}
	return false;
}

// What was lifted before the dataplane answered has been told to nobody; CV-2 is of a process that was killed.
static void what_was_lifted_unheard_does_not_come_back(void **state)
{
	json_t *theirs = json_loads("{\"generation\": 9, \"seals\": ["
				    "{\"virus_id\": \"CV-1\", \"mode\": \"hold\", \"begun\": 9},"
				    "{\"virus_id\": \"CV-2\", \"mode\": \"hold\"},"
				    "{\"virus_id\": \"CV-3\", \"mode\": \"hold\"}]}",
		0, NULL);

	(void)state;
	seals_heard(lab.seals);
	set("CV-1");
	assert_int_equal(seals_end(lab.seals, "CV-4"), 0);
	assert_int_equal(seals_generation(lab.seals), 1);
	reopen();
	assert_int_equal(seals_end(lab.seals, "CV-1"), 1);
	assert_int_equal(seals_end(lab.seals, "CV-2"), 0);
	reopen();
	adopt(theirs, 1, 0);
	assert_true(is_open("CV-3"));
	assert_int_equal(seals_count(lab.seals), 1);
	assert_int_equal(seals_generation(lab.seals), 10);
	// That was of then.
	reopen();
	adopt(theirs, 3, 0);
	// So it is of what was heard without being taken over.
	reopen();
	assert_int_equal(seals_end(lab.seals, NULL), 3);
	set("CV-5");
	seals_heard(lab.seals);
	reopen();
	assert_int_equal(seals_count(lab.seals), 1);
	adopt(theirs, 3, 0);
	// Of all that there were.
	reopen();
	assert_int_equal(seals_end(lab.seals, NULL), 4);
	set("CV-3");
	adopt(theirs, 0, 0);
	assert_int_equal(seals_count(lab.seals), 1);
	// And of what has closed.
	seals_doubt(lab.seals);
	json_decref(theirs);
	theirs = json_pack("[s]", "CV-3");
	assert_int_equal(seals_begin_closing(lab.seals, theirs), 1);
	json_decref(theirs);
	theirs = NULL;
	assert_int_equal(seals_end_closing(lab.seals, &theirs), 1);
	json_decref(theirs);
	theirs = json_pack("{s:i, s:[{s:s, s:s}]}", "generation", 99, "seals", "virus_id", "CV-3",
		"mode", "hold");
	adopt(theirs, 0, 0);
	assert_int_equal(seals_count(lab.seals), 0);
	json_decref(theirs);
}

static json_t *make_theirs(const char *name, int count)
{
	json_t *list = json_array();
	char virus_id[32];

	for (int i = 0; i < count; i++) {
		(void)snprintf(virus_id, sizeof(virus_id), "%s-%d", name, i);
		(void)json_array_append_new(
			list, json_pack("{s:s, s:s}", "virus_id", virus_id, "mode", "hold"));
	}
	return json_pack("{s:i, s:o}", "generation", 99, "seals", list);
}

// All that there is room for, the newest of what comes; what is not understood keeps nothing else away.
static void seals_for_which_there_is_no_room_keep_ours_from_nobody(void **state)
{
	json_t *theirs = make_theirs("T", 40);
	json_t *list = json_object_get(theirs, "seals");
	char virus_id[32];

	(void)state;
	for (int i = 0; i < 60; i++) {
		(void)snprintf(virus_id, sizeof(virus_id), "O-%d", i);
		set(virus_id);
	}
	(void)json_object_set_new(json_array_get(list, 38), "mode", json_integer(5));
	adopt(theirs, 4, 36);
	assert_int_equal(seals_count(lab.seals), 64);
	assert_int_equal(seals_generation(lab.seals), 100);
	assert_true(is_open("O-0"));
	assert_true(is_open("O-59"));
	assert_true(is_open("T-39"));
	assert_true(is_open("T-35"));
	assert_false(is_open("T-38"));
	assert_false(is_open("T-34"));
	reopen();
	assert_int_equal(seals_count(lab.seals), 64);
	json_decref(theirs);
}

static int64_t number_of(size_t i, const char *member)
{
	return json_integer_value(
		json_object_get(json_array_get(seals_list(lab.seals), i), member));
}

static void a_clock_that_is_set_back_makes_no_seal_longer(void **state)
{
	(void)state;
	assert_int_equal(stage("CV-1", "hold"), 0); // at 1000, for an hour
	assert_int_equal(seals_settle(lab.seals), 0);
	assert_int_equal(seals_set_back(lab.seals, 1000), 0);
	assert_int_equal(seals_set_back(lab.seals, 5000), 0);
	assert_int_equal(seals_generation(lab.seals), 1);
	assert_int_equal(seals_set_back(lab.seals, 100), 1);
	assert_int_equal(number_of(0, "begun"), 100);
	assert_int_equal(number_of(0, "expires"), 3700);
	reopen();
	assert_int_equal(number_of(0, "expires"), 3700);
	assert_int_equal(seals_generation(lab.seals), 2);
	assert_int_equal(seals_set_back(lab.seals, 100), 0);
}

// A machine without a clock of its own begins in 1970: what is written then must not be over when it learns the time.
static void a_clock_that_comes_right_again_makes_no_seal_shorter(void **state)
{
	(void)state;
	assert_int_equal(stage("CV-1", "hold"), 0); // at 1000, for an hour
	assert_int_equal(seals_settle(lab.seals), 0);
	assert_int_equal(seals_set_forth(lab.seals, 1000), 0);
	assert_int_equal(seals_set_back(lab.seals, 100), 1);
	assert_int_equal(seals_set_back(lab.seals, 10), 1);
	assert_int_equal(number_of(0, "expires"), 3610);
	reopen();
	assert_int_equal(seals_set_forth(lab.seals, 999), 0);
	assert_int_equal(seals_set_forth(lab.seals, 4000), 1);
	assert_int_equal(number_of(0, "begun"), 1000);
	assert_int_equal(number_of(0, "expires"), 4600);
	assert_int_equal(seals_set_forth(lab.seals, 5000), 0);
}

// Nobody knew the time yet when it was set.
static void a_seal_of_1970_begins_when_the_time_is_known(void **state)
{
	(void)state;
	assert_int_equal(stage("CV-1", "hold"), 0); // at 1000, for an hour
	assert_int_equal(seals_settle(lab.seals), 0);
	assert_int_equal(seals_set_forth(lab.seals, 1800000000), 1);
	assert_int_equal(number_of(0, "begun"), 1800000000);
	assert_int_equal(number_of(0, "expires"), 1800003600);
	assert_int_equal(seals_set_forth(lab.seals, 1800000010), 0);
}

static void what_is_taken_over_of_before_the_clock_was_set_back_is_not_over(void **state)
{
	json_t *adopted;
	json_t *missed;
	json_t *other = json_pack("{s:i, s:[{s:s, s:s, s:i, s:i}]}", "generation", 7, "seals",
		"virus_id", "CV-7", "mode", "hold", "begun", 9000000, "expires", 9000600);

	(void)state;
	assert_int_equal(seals_adopt(lab.seals, other, 1000, &adopted, &missed), 0);
	assert_int_equal(json_array_size(adopted), 1);
	assert_int_equal(seals_set_back(lab.seals, 1001), 1);
	assert_int_equal(number_of(0, "begun"), 1001);
	assert_int_equal(number_of(0, "expires"), 1601);
	json_decref(adopted);
	json_decref(missed);
	json_decref(other);
}

static void take_stats(struct stat *own, struct stat *room)
{
	char path[80];

	name_room(path);
	assert_int_equal(stat(lab.path, own), 0);
	assert_int_equal(stat(path, room), 0);
}

// A disk that others fill has no say in it.
static void two_files_take_turns_and_keep_their_room(void **state)
{
	struct stat own, room, before;

	(void)state;
	assert_int_equal(stage("CV-0", "hold"), 0);
	assert_int_equal(seals_settle(lab.seals), 0);
	take_stats(&own, &before);
	if (before.st_blocks * 512 < 65536)
		skip(); // a file system that sets nothing aside
	for (int i = 1; i <= 40; i++) {
		char virus_id[16];

		(void)snprintf(virus_id, sizeof(virus_id), "CV-%d", i % 20);
		if (i <= 20)
			assert_int_equal(stage(virus_id, "hold"), 0);
		else
			assert_int_equal(seals_end(lab.seals, virus_id), 1);
		if (i <= 20)
			assert_int_equal(seals_settle(lab.seals), 0);
		take_stats(&own, &room);
		assert_int_equal(own.st_ino, before.st_ino);
		assert_true(own.st_blocks * 512 >= 65536 && room.st_blocks * 512 >= 65536);
		before = room;
		reopen();
		assert_int_equal(seals_count(lab.seals), i < 20 ? i + 1 : i == 20 ? 20 : 40 - i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			two_files_take_turns_and_keep_their_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_clock_that_is_set_back_makes_no_seal_longer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_clock_that_comes_right_again_makes_no_seal_shorter, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_seal_of_1970_begins_when_the_time_is_known, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_is_taken_over_of_before_the_clock_was_set_back_is_not_over, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			what_is_staged_is_told_and_in_the_file_once_it_is_settled, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			what_cannot_be_kept_was_never_set, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_the_dataplane_would_not_understand_changes_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_is_written_beside_is_in_the_file_when_it_was_written, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			what_could_not_be_written_beside_stays_and_is_written_later, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			seals_that_others_have_are_taken_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_changed_unheard_hides_nothing_that_the_dataplane_has, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			a_dataplane_that_has_the_same_changes_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_is_taken_over_stands_without_its_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_full_disk_keeps_no_seal_away_and_lets_none_go, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_was_lifted_unheard_does_not_come_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			seals_for_which_there_is_no_room_keep_ours_from_nobody, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
