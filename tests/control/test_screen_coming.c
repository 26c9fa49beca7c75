// SPDX-License-Identifier: BSD-3-Clause
// Lists that come piece by piece, and what the vendor takes back while they do: the later word counts, whichever is
// done first.
#include "control/screen_store.h"
#include "scan/scan.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NOW 1800000000

static struct {
	char folder[64];
	char path[80];
	struct screen_store *store;
} now;

static void begin_process(void)
{
	char error[256];

	assert_int_equal(screen_store_open(now.path, &now.store, error, sizeof(error)), 0);
}

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(now.folder, sizeof(now.folder), "/tmp/screen_coming.XXXXXX");
	if (mkdtemp(now.folder) == NULL)
		return -1;
	(void)snprintf(now.path, sizeof(now.path), "%s/screen.db", now.folder);
	begin_process();
	return 0;
}

static int tear_down(void **state)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	char path[96];

	(void)state;
	screen_store_close(now.store);
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), "%s%s", now.path, suffixes[i]);
		(void)unlink(path);
	}
	return rmdir(now.folder);
}

// A list whose entries' digests begin with these bytes, each with its name.
static int begin_list(const char *alert, struct screen_store_issue issue, int64_t *number)
{
	struct screen_store_list list = {
		.virus_id = "CV-1", .added_s = NOW, .expires_s = NOW + 100, .issue = issue};

	(void)snprintf(list.alert, sizeof(list.alert), "%s", alert);
	return screen_store_come(now.store, &list, number);
}

static void more(int64_t number, uint8_t digest, const char *name)
{
	struct screen_entry entry = {.kind = SCREEN_FILE,
		.algorithm = DIGEST_SHA256,
		.name = name,
		.section = SCREEN_ANY_SECTION,
		.digest = {digest}};

	assert_int_equal(screen_store_come_more(now.store, number, "CV-1", &entry, 1), 0);
}

static int add(const char *alert, struct screen_store_issue issue)
{
	int64_t number = 0;
	int err;

	assert_int_equal(screen_store_begin(now.store), 0);
	err = begin_list(alert, issue, &number);
	if (err == 0) {
		more(number, 1, "One");
		more(number, 2, "Two");
		err = screen_store_go_on(now.store, number, false);
	}
	return screen_store_end(now.store, err);
}

static void lift(struct screen_store_choice choice)
{
	assert_int_equal(screen_store_begin(now.store), 0);
	assert_int_equal(screen_store_end(now.store, screen_store_lift(now.store, &choice)), 0);
}

static int64_t off(const struct screen_store_choice *choice)
{
	json_t *names = json_array();
	int64_t count;

	assert_int_equal(screen_store_begin(now.store), 0);
	count = screen_store_off(now.store, choice, "cleared", NOW + 1, names, names);
	assert_int_equal(screen_store_end(now.store, 0), 0);
	json_decref(names);
	return count;
}

// ---- coming -------------------------------------------------------------------------------------

static void nothing_of_a_list_is_on_before_it_goes_on(void **state)
{
	struct screen_store_choice all = {0};
	int64_t number = 0;
	json_t *lists;

	(void)state;
	assert_int_equal(begin_list("a1", (struct screen_store_issue){0}, &number), 0);
	more(number, 1, "One");
	assert_int_equal(screen_store_count(now.store), 0);
	assert_int_equal(screen_store_next_expiry(now.store), INT64_MAX);
	lists = screen_store_lists(now.store, true);
	assert_int_equal(json_array_size(lists), 0);
	json_decref(lists);
	assert_int_equal(off(&all), 0);
	assert_false(screen_store_sweep(now.store, NOW + 1, NOW + 1));
	assert_true(screen_store_is_coming(now.store));
	more(number, 2, "Two");
	assert_int_equal(screen_store_go_on(now.store, number, false), 0);
	assert_false(screen_store_is_coming(now.store));
	assert_int_equal(screen_store_count(now.store), 2);
	assert_int_equal(off(&all), 2);
}

static void what_a_process_has_left_counts_for_nothing_and_comes_again(void **state)
{
	int64_t number = 0;

	(void)state;
	assert_int_equal(begin_list("a1", (struct screen_store_issue){0}, &number), 0);
	more(number, 1, "One");
	screen_store_close(now.store);
	begin_process();
	assert_int_equal(screen_store_abandon(now.store), 0);
	assert_false(screen_store_is_coming(now.store));
	assert_int_equal(add("a1", (struct screen_store_issue){0}), 0);
	assert_int_equal(add("a1", (struct screen_store_issue){0}), -EEXIST);
	assert_false(screen_store_sweep(now.store, NOW, NOW));
	assert_int_equal(screen_store_count(now.store), 2);
}

// ---- taken back ---------------------------------------------------------------------------------

static void what_was_issued_later_counts_whichever_is_done_first(void **state)
{
	static const struct {
		struct screen_store_issue list;
		struct screen_store_issue end;
		bool is_on;
	} cases[] = {
		{{NOW, 5}, {NOW + 1, 9}, false},
		{{NOW, 5}, {NOW - 1, 9}, true}, // it waited behind something
		{{NOW, 5}, {NOW, 9}, false}, {{NOW, 9}, {NOW, 5}, true},
		{{NOW, 0}, {NOW, 5}, false}, // taken by a process before
		{{NOW, 5}, {NOW, 0}, false}, {{NOW, 0}, {NOW, 0}, false},
		{{NOW, 0}, {NOW - 1, 0}, true},
		{{0, 0}, {NOW + 1, 9}, true}, // an operator's list, which comes when he says so
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct screen_store_choice end = {.virus_id = "CV-1", .since = cases[i].end};
		const bool is_operators = cases[i].list.issued_s == 0;

		// The list first: an operator's ends, too.
		assert_int_equal(add("", cases[i].list), 0);
		assert_int_equal(off(&end), cases[i].is_on && !is_operators ? 0 : 2);
		(void)off(&(struct screen_store_choice){0});
		// What ends it first.
		lift(end);
		assert_int_equal(add("", cases[i].list), cases[i].is_on ? 0 : -EACCES);
		assert_int_equal(screen_store_count(now.store), cases[i].is_on ? 2 : 0);
		assert_int_equal(tear_down(NULL), 0);
		assert_int_equal(set_up(NULL), 0);
	}
}

// The clock by which things come begins anew: what came before that came first, however late it was then.
static void another_run_of_the_machine_comes_after_the_last_one(void **state)
{
	const struct screen_store_choice end = {.virus_id = "CV-1", .since = {NOW, 7}};

	(void)state;
	assert_int_equal(add("a1", (struct screen_store_issue){NOW, 5000}), 0);
	assert_int_equal(off(&end), 0);
	assert_int_equal(screen_store_leave_past(now.store, 5000), 0);
	assert_int_equal(off(&end), 0);
	assert_int_equal(screen_store_leave_past(now.store, 6), 0);
	assert_int_equal(off(&end), 2);
	// And the other way around; what was not finished then is from before it.
	lift((struct screen_store_choice){.virus_id = "CV-1", .since = {NOW, 9000}});
	assert_int_equal(add("a2", (struct screen_store_issue){NOW, 8}), -EACCES);
	assert_int_equal(screen_store_leave_past(now.store, 7), 0);
	assert_int_equal(add("a3", (struct screen_store_issue){NOW, 0}), -EACCES);
	assert_int_equal(add("a4", (struct screen_store_issue){NOW, 8}), 0);
}

static void a_lift_is_never_undone_by_an_older_one(void **state)
{
	(void)state;
	lift((struct screen_store_choice){.virus_id = "CV-1", .since = {NOW + 9, 1}});
	lift((struct screen_store_choice){.virus_id = "CV-1", .since = {NOW - 9, 2}});
	assert_int_equal(add("a1", (struct screen_store_issue){NOW, 3}), -EACCES);
	screen_store_close(now.store);
	begin_process();
	assert_int_equal(add("a1", (struct screen_store_issue){NOW, 3}), -EACCES);
	assert_int_equal(add("a2", (struct screen_store_issue){NOW + 10, 3}), 0);
}

static bool has_only(void *ctx, const struct screen_entry *entry)
{
	assert_int_equal(entry->digest[0], *(const uint8_t *)ctx);
	return true;
}

static void entries_that_were_revoked_are_not_in_an_older_list(void **state)
{
	char digest[65];
	uint8_t left = 2;

	(void)state;
	(void)snprintf(digest, sizeof(digest), "01%062d", 0);
	lift((struct screen_store_choice){.digest = digest, .since = {NOW + 1, 1}});
	assert_int_equal(add("a1", (struct screen_store_issue){NOW, 3}), 0);
	assert_int_equal(screen_store_count(now.store), 1);
	assert_int_equal(screen_store_each(now.store, has_only, &left), 0);
	lift((struct screen_store_choice){.name = "Two", .since = {NOW + 1, 1}});
	assert_int_equal(add("a2", (struct screen_store_issue){NOW, 3}), -EACCES);
	assert_int_equal(add("a3", (struct screen_store_issue){NOW + 2, 3}), 0);
	assert_int_equal(screen_store_count(now.store), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			nothing_of_a_list_is_on_before_it_goes_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_a_process_has_left_counts_for_nothing_and_comes_again, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			what_was_issued_later_counts_whichever_is_done_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			another_run_of_the_machine_comes_after_the_last_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_lift_is_never_undone_by_an_older_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			entries_that_were_revoked_are_not_in_an_older_list, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
