// SPDX-License-Identifier: BSD-3-Clause
// What the vendor's database does not take: a full disk, and a lock of another program.
#include "tests/control/vendor_case.h"

#include <signal.h>
#include <sys/resource.h>

static int said_kept; // of a receipt: 1, -1 not kept

static void note_kept(void *ctx, uint64_t token, bool is_kept)
{
	(void)ctx;
	(void)token;
	said_kept = is_kept ? 1 : -1;
}

static bool is_kept(void)
{
	said_kept = 0;
	fanout_when_kept(lab.fanout, note_kept, NULL, 1);
	while (said_kept == 0)
		(void)g_main_context_iteration(NULL, TRUE);
	return said_kept == 1;
}

static json_int_t counted(const char *what)
{
	json_t *status = fanout_status(lab.fanout);
	json_int_t count = json_integer_value(json_object_get(status, what));

	json_decref(status);
	return count;
}

// No file may grow: as on a disk that is full.
static void fill_disk(bool is_full)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = is_full ? 1 : limit.rlim_max;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_receipt_that_a_full_disk_does_not_take_is_asked_for_again(void **state)
{
	char seal[ENVELOPE_KEY_ID_BYTES];
	char next[ENVELOPE_KEY_ID_BYTES];

	(void)state;
	add_gateway();
	assert_int_equal(issue("seal", 1, "*", seal), 1);
	run_loop();
	fill_disk(true);
	assert_true(receipt(seal, "applied", NULL, 1, lab.gateway));
	assert_false(is_kept());
	assert_string_equal(state_of(seal), "open");
	assert_int_equal(counted("waiting"), 1);
	assert_true(issue("ping", 2, "*", next) < 0);
	assert_true(issue("all-clear", 2, "*", next) < 0);
	assert_int_equal(counted("alerts"), 1); // nothing leaves that is not kept, or ends for it
	fill_disk(false);
	lab.tries = 0;
	fanout_wake(lab.fanout, "g");
	run_loop();
	assert_int_equal(lab.tries, 2);
	assert_true(receipt(seal, "repeated", NULL, 2, lab.gateway));
	assert_true(is_kept());
	assert_string_equal(state_of(seal), "delivered");
	assert_int_equal(counted("waiting"), 0);
	assert_int_equal(issue("seal", 2, "*", next), 1);
}

static void a_lock_is_told_and_keeps_nobody_from_reading(void **state)
{
	char path[96];
	char seal[ENVELOPE_KEY_ID_BYTES];
	sqlite3 *other;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/db", lab.folder);
	add_gateway();
	database_serve(lab.database);
	assert_int_equal(issue("seal", 1, "*", seal), 1);
	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_false(database_was_locked(lab.database));
	assert_true(receipt(seal, "applied", NULL, 1, lab.gateway));
	assert_true(database_was_locked(lab.database));
	assert_false(database_was_locked(lab.database));
	assert_false(is_kept());
	assert_string_equal(state_of(seal), "open");
	assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
	assert_true(receipt(seal, "repeated", NULL, 2, lab.gateway));
	assert_true(is_kept());
	assert_string_equal(state_of(seal), "delivered");
}

static void what_is_not_kept_has_a_reason_that_is_told_once(void **state)
{
	char digest[ENVELOPE_KEY_ID_BYTES];

	(void)state;
	add_gateway();
	assert_null(database_probe(lab.database));
	assert_null(database_trouble(lab.database));
	fill_disk(true);
	assert_true(issue("seal", 1, "*", digest) < 0);
	assert_string_equal(database_trouble(lab.database), DATABASE_FAILS);
	assert_null(database_trouble(lab.database));
	assert_string_equal(database_probe(lab.database), DATABASE_FAILS);
	fill_disk(false);
	assert_null(database_probe(lab.database));
	assert_true(issue("seal", 2, "*", digest) >= 0);
	assert_null(database_trouble(lab.database));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
	const struct CMUnitTest tests[] = {
		TEST(a_receipt_that_a_full_disk_does_not_take_is_asked_for_again),
		TEST(what_is_not_kept_has_a_reason_that_is_told_once),
		TEST(a_lock_is_told_and_keeps_nobody_from_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
