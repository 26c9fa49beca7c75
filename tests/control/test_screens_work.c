// SPDX-License-Identifier: BSD-3-Clause
// Lists on their threads: short ones pass a long one, what lies there is what is on whatever comes between, also after
// processes that were killed.
#include "control/screens_work.h"
#include "scan/scan.h"
#include "tests/control/screens_case.h"
#include "tests/support/screened.h"
#include "tests/support/unit.h"

#include <glib.h>
#include <sqlite3.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOW 1800000000
#define LONG 4200 // entries; more than are always made anew

static struct {
	struct screens_work *work;
	struct screen_store *store; // the main loop's
	struct screens_merged *merged;
	char done[64]; // letters of lists, in the order in which they were
	int err;       // of the last one
} now;

static void job_done(void *ctx, struct screens_job *job)
{
	size_t n = strlen(now.done);

	(void)ctx;
	now.err = job->err;
	if (job->kind == SCREENS_ADD)
		now.done[n] = job->list.virus_id[0];
	if (job->kind != SCREENS_MERGE)
		return;
	now.merged = job->merged;
	job->merged = NULL;
}

// ---- a process ----------------------------------------------------------------------------------

static void begin_process(void)
{
	const struct screens_work_setup setup = {&options, database, job_done, NULL, LONG - 1, 1};
	char error[256];

	(void)snprintf(options.dataplane, sizeof(options.dataplane), "%s/none.sock", folder);
	memset(now.done, 0, sizeof(now.done));
	assert_int_equal(screens_work_new(&setup, &now.work, error, sizeof(error)), 0);
	assert_int_equal(screen_store_open(database, &now.store, error, sizeof(error)), 0);
}

static void end_process(void)
{
	screens_work_free(now.work);
	screens_merged_free(now.merged);
	now.merged = NULL;
	screen_store_close(now.store);
}

static int set_up(void **state)
{
	if (screens_case_begin(state) != 0)
		return -1;
	begin_process();
	return 0;
}

static int tear_down(void **state)
{
	end_process();
	return screens_case_end(state);
}

// ---- jobs ---------------------------------------------------------------------------------------

// A list of so many entries, which is known by its letter, and is the alert's of that letter.
static void push_list(char letter, unsigned int count)
{
	struct screens_job *job = calloc(1, sizeof(*job));
	GString *text = g_string_new("[");

	assert_non_null(job);
	for (unsigned int i = 0; i < count; i++)
		g_string_append_printf(text,
			"%s{\"kind\": \"file\", \"algorithm\": \"sha256\", \"digest\":"
			" \"%02x%08x%054d\", \"bytes\": 1000}",
			i > 0 ? "," : "", (unsigned int)letter, i, 0);
	(void)g_string_append_c(text, ']');
	*job = (struct screens_job){.kind = SCREENS_ADD,
		.text = strdup(text->str),
		.list = {.virus_id = {letter},
			.alert = {letter},
			.added_s = NOW,
			.expires_s = NOW + 1000,
			.issue = {NOW, letter}},
		.most = 1000000,
		.now_s = NOW};
	(void)g_string_free(text, TRUE);
	screens_work_push(now.work, job);
}

static void push(enum screens_job_kind kind)
{
	struct screens_job *job = calloc(1, sizeof(*job));

	assert_non_null(job);
	job->kind = kind;
	job->now_s = NOW;
	job->merged = now.merged;
	now.merged = NULL;
	screens_work_push(now.work, job);
}

static void wait_for_all(void)
{
	while (screens_work_count(now.work) > 0)
		(void)g_main_context_iteration(NULL, TRUE);
}

// As an all-clear of this letter.
static void clear(char letter)
{
	const char id[] = {letter, '\0'};
	const struct screen_store_choice choice = {.virus_id = id, .since = {NOW + 1, 1}};
	json_t *names = json_array();

	assert_int_equal(screen_store_begin(now.store), 0);
	assert_int_equal(screen_store_end(now.store, screen_store_lift(now.store, &choice)), 0);
	assert_int_equal(screen_store_begin(now.store), 0);
	assert_true(screen_store_off(now.store, &choice, "cleared", NOW + 1, names, names) >= 0);
	assert_int_equal(screen_store_end(now.store, 0), 0);
	json_decref(names);
	push(SCREENS_PUT);
}

// What whoever starts now has.
static uint32_t what_lies_there(void)
{
	struct ruleset *ruleset;
	uint32_t count = 0;
	struct screen_entry entry;

	assert_int_equal(ruleset_open(options.rules.image, &ruleset), 0);
	for (uint32_t i = 0; i < ruleset_get_screen_numbers(ruleset); i++)
		count += ruleset_get_screen_entry(ruleset, i, &entry);
	ruleset_close(ruleset);
	return count;
}

// ---- tests --------------------------------------------------------------------------------------

static void short_lists_pass_a_long_one(void **state)
{
	bool has_passed = false;

	(void)state;
	// Where the machine has other things to do the long one may be first by chance.
	for (unsigned int i = 0; i < 5 && !has_passed; i++) {
		char wanted[3] = {(char)('b' + i), (char)('B' + i), '\0'};

		memset(now.done, 0, sizeof(now.done));
		push_list(wanted[1], LONG);
		push_list(wanted[0], 1);
		wait_for_all();
		assert_int_equal(now.err, 0);
		assert_int_equal(screen_store_count(now.store), (i + 1) * (LONG + 1));
		assert_int_equal(what_lies_there(), (i + 1) * (LONG + 1));
		has_passed = strcmp(now.done, wanted) == 0;
	}
	assert_true(has_passed);
}

// The index of ids grows at its end then: pieces of a list as it came would write all of it again and again.
static void a_long_list_is_written_in_the_order_of_ids(void **state)
{
	sqlite3_stmt *row = NULL;
	sqlite3_int64 last = INT64_MIN;
	int count = 0;
	sqlite3 *db;

	(void)state;
	push_list('A', LONG);
	wait_for_all();
	assert_int_equal(sqlite3_open(database, &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_prepare_v2(db, "SELECT id FROM entry ORDER BY number", -1, &row, NULL),
		SQLITE_OK);
	for (; sqlite3_step(row) == SQLITE_ROW; count++) {
		assert_true(sqlite3_column_int64(row, 0) > last);
		last = sqlite3_column_int64(row, 0);
	}
	assert_int_equal(count, LONG);
	(void)sqlite3_finalize(row);
	(void)sqlite3_close(db);
}

static void what_lies_there_is_what_is_on_whatever_comes_between(void **state)
{
	(void)state;
	push_list('A', LONG);
	for (unsigned int i = 0; i < 8; i++) {
		push_list((char)('a' + i), 1 + 300 * i);
		if (i == 3)
			push_list('B', LONG);
		if (i == 5)
			clear('b');
	}
	wait_for_all();
	assert_int_equal(strlen(now.done), 10);
	assert_int_equal(what_lies_there(), screen_store_count(now.store));
	// Images that are made of all beside a list that comes.
	for (unsigned int i = 0; i < 2; i++) {
		push(SCREENS_MERGE);
		push_list((char)('C' + i), LONG);
		push_list((char)('i' + i), 1);
		wait_for_all();
		push(SCREENS_PUT);
		wait_for_all();
		assert_int_equal(what_lies_there(), screen_store_count(now.store));
	}
	assert_int_equal(screen_store_count(now.store), 4 * LONG + 8 + 300 * (8 * 7 / 2) - 301 + 2);
}

// The all-clear comes at any moment; it came after the list.
static void a_long_list_that_was_cleared_is_not_on(void **state)
{
	(void)state;
	push_list('a', LONG);
	wait_for_all();
	for (gulong i = 0; i < 3; i++) {
		push_list((char)('B' + i), LONG);
		(void)g_usleep(i * 15000);
		clear((char)('B' + i));
		wait_for_all();
		assert_int_equal(screen_store_count(now.store), LONG);
		assert_int_equal(what_lies_there(), LONG);
	}
}

// A process of its own, which has only this to do.
static int add_and_die(const char *where, const char *after_us)
{
	(void)snprintf(folder, sizeof(folder), "%s", where);
	screens_case_name();
	begin_process();
	push_list('L', LONG);
	push_list('s', 1);
	(void)g_usleep(strtoul(after_us, NULL, 10));
	_exit(0);
}

static pid_t start(unsigned int after_us)
{
	char text[16];
	pid_t child = fork();

	(void)snprintf(text, sizeof(text), "%u", after_us);
	if (child == 0)
		(void)execl("/proc/self/exe", "test_screens_work", folder, text, (char *)NULL);
	if (child == 0)
		_exit(1);
	return child;
}

static void a_process_that_is_killed_leaves_all_of_a_list_or_none(void **state)
{
	(void)state;
	push_list('a', LONG);
	wait_for_all();
	for (unsigned int i = 0; i < 3; i++) {
		pid_t child;
		int status;
		uint64_t count;

		end_process();
		child = start(i * 25000);
		assert_true(child > 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
		begin_process();
		push(SCREENS_PUT);
		wait_for_all();
		count = screen_store_count(now.store);
		assert_true(count / LONG == 1 || count / LONG == 2);
		assert_true(count % LONG <= 1);
		assert_int_equal(what_lies_there(), count);
		// What was taken is done again, once.
		push_list('L', LONG);
		push_list('s', 1);
		wait_for_all();
		assert_true(now.err == 0 || now.err == -EEXIST);
		assert_int_equal(screen_store_count(now.store), 2 * LONG + 1);
		assert_int_equal(what_lies_there(), 2 * LONG + 1);
		assert_int_equal(tear_down(state), 0);
		assert_int_equal(set_up(state), 0);
		push_list('a', LONG);
		wait_for_all();
	}
}

static void a_list_that_the_end_interrupts_is_not_answered(void **state)
{
	(void)state;
	push_list('A', 3 * LONG);
	end_process();
	assert_true(now.err == 0 || now.err == -ECANCELED);
	begin_process();
	assert_true(screen_store_count(now.store) == (now.err == 0 ? 3 * LONG : 0));
}

static void leave_a_list_that_was_coming(void)
{
	const struct screen_store_list list = {.alert = "Z", .virus_id = "Z", .expires_s = NOW + 1};
	struct screen_entry entry = {.kind = SCREEN_FILE,
		.algorithm = DIGEST_SHA256,
		.bytes = 1000,
		.section = SCREEN_ANY_SECTION};
	int64_t number = 0;

	assert_int_equal(screen_store_begin(now.store), 0);
	assert_int_equal(screen_store_come(now.store, &list, &number), 0);
	assert_int_equal(screen_store_come_more(now.store, number, "Z", &entry, 1), 0);
	assert_int_equal(screen_store_end(now.store, 0), 0);
}

// A full disk lets no list be written, nor be taken back.
static void what_could_not_be_taken_back_comes_with_no_other_list(void **state)
{
	struct rlimit limit;
	struct rlimit full;
	char error[256];
	const struct screens_work_setup setup = {&options, database, job_done, NULL, LONG - 1, 1};

	(void)state;
	leave_a_list_that_was_coming();
	push_list('L', LONG);
	wait_for_all();
	assert_int_equal(now.err, 0);
	assert_int_equal(what_lies_there(), LONG);
	// Nor does it keep a process from beginning.
	leave_a_list_that_was_coming();
	screens_work_free(now.work);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	full = (struct rlimit){1, limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
	assert_int_equal(screens_work_new(&setup, &now.work, error, sizeof(error)), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_true(screen_store_is_coming(now.store));
	push_list('M', LONG);
	wait_for_all();
	assert_int_equal(now.err, 0);
	assert_int_equal(what_lies_there(), 2 * LONG);
}

static void a_short_list_finds_room_beside_long_ones(void **state)
{
	char *text = malloc(1 << 20);

	(void)state;
	assert_non_null(text);
	memset(text, ' ', 1 << 20);
	text[(1 << 20) - 1] = '\0';
	assert_true(screens_work_has_room(now.work, text));
	push_list('L', LONG);
	assert_true(screens_work_has_room(now.work, "[]"));
	assert_false(screens_work_has_room(now.work, text));
	wait_for_all();
	assert_true(screens_work_has_room(now.work, text));
	free(text);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(short_lists_pass_a_long_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_long_list_is_written_in_the_order_of_ids, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_lies_there_is_what_is_on_whatever_comes_between, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_long_list_that_was_cleared_is_not_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_process_that_is_killed_leaves_all_of_a_list_or_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_could_not_be_taken_back_comes_with_no_other_list, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_short_list_finds_room_beside_long_ones, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_list_that_the_end_interrupts_is_not_answered, set_up, tear_down),
	};

	if (argc == 3)
		return add_and_die(argv[1], argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
