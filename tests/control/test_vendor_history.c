// SPDX-License-Identifier: BSD-3-Clause
// Who did what is kept, and found again; gateways are found by what they are like; how fast an alert was taken.
#include "control/vendor_history.h"
#include "control/vendor_journal.h"
#include "control/vendor_registry.h"
#include "tests/support/unit.h"

#include <glib.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOW 1800000000

static struct {
	char folder[64];
	char path[96];
	struct database *database;
} lab;

static int open_database(void)
{
	char error[256];

	return database_open(lab.path, &lab.database, error, sizeof(error));
}

static int enter(void **state)
{
	(void)state;
	(void)snprintf(lab.folder, sizeof(lab.folder), "/tmp/history.XXXXXX");
	if (mkdtemp(lab.folder) == NULL)
		return -1;
	(void)snprintf(lab.path, sizeof(lab.path), "%s/db", lab.folder);
	return open_database();
}

static int leave(void **state)
{
	char *command = g_strdup_printf("rm -r %s", lab.folder);

	(void)state;
	database_close(lab.database);
	(void)g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL);
	g_free(command);
	return 0;
}

static void execute(const char *sql)
{
	assert_int_equal(database_begin(lab.database), 0);
	assert_int_equal(statement_run(database_prepare(lab.database, sql, "")), 0);
	assert_int_equal(database_flush(lab.database), 0);
}

// ---- the history --------------------------------------------------------------------------------

static void add(const char *who, const char *via, const char *what, unsigned int status)
{
	json_t *details = json_pack("{s:s}", "virus_id", "CV-1");
	const struct history_entry entry = {.who = who,
		.via = via,
		.peer = "192.0.2.1",
		.what = what,
		.why = status < 300 ? "" : "it was wrong",
		.status = status,
		.details = details};

	assert_int_equal(history_add(lab.database, &entry), 0);
	json_decref(details);
}

static size_t count(int64_t before, const char *search)
{
	json_t *list = history_list(lab.database, before, 1000, search);
	size_t found = json_array_size(list);

	json_decref(list);
	return found;
}

static void what_was_done_is_there_after_a_start(void **state)
{
	json_t *list;
	json_t *last;

	(void)state;
	add("alice", "page", "alert", 201);
	add("victor", "page", "alert", 403);
	database_close(lab.database);
	assert_int_equal(open_database(), 0);
	list = history_list(lab.database, 0, 1, NULL);
	assert_int_equal(json_array_size(list), 1);
	last = json_array_get(list, 0);
	assert_string_equal(json_string_value(json_object_get(last, "who")), "victor");
	assert_string_equal(json_string_value(json_object_get(last, "why")), "it was wrong");
	assert_int_equal(json_integer_value(json_object_get(last, "status")), 403);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(last, "details"), "virus_id")),
		"CV-1");
	assert_int_equal(count(json_integer_value(json_object_get(last, "number")), NULL), 1);
	json_decref(list);
	assert_int_equal(count(0, "ALICE"), 1);
	assert_int_equal(count(0, "cv-1"), 2);
	assert_int_equal(count(0, "%"), 0);
}

static void failed_log_ins_do_not_fill_the_disk(void **state)
{
	(void)state;
	add("alice", "login", "login", 200);
	execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10050)"
		" INSERT INTO history(time, who, via, peer, what, why, status) SELECT i, 'eve',"
		" 'login', '', 'login refused', '', 401 FROM n");
	add("alice", "page", "alert", 422);
	add("eve", "login", "login refused", 401);
	assert_int_equal(
		database_number(database_prepare(lab.database,
					"SELECT count(*) FROM history WHERE who = 'eve'", ""),
			0),
		10000);
	assert_int_equal(count(0, "alice"), 2);
}

// ---- gateways -----------------------------------------------------------------------------------

static int64_t find(const struct registry_filter *filter, const char *ids)
{
	char text[64] = "";
	int64_t total = -1;
	json_t *list = registry_find(lab.database, filter, &total);
	json_t *gateway;
	size_t i;

	json_array_foreach(list, i, gateway)
	{
		(void)strncat(text, json_string_value(json_object_get(gateway, "id")), 8);
	}
	json_decref(list);
	assert_string_equal(text, ids);
	return total;
}

static void gateways_are_found_by_what_they_are_like(void **state)
{
	struct registry_filter filter = {.after = "", .silent_s = NOW - 60, .most = 10};

	(void)state;
	execute("INSERT INTO gateway VALUES('a', 'North', 'k', 'k1', '[\"x\"]', '[]', 0, "
		"1800000000,"
		" 1, '{\"sealed\": true}'), ('b', 'South', 'k', 'k2', '[\"y\"]', '[]', 0, 0, 1, "
		"'{\"sealed\": false}'), ('c', '', 'k', 'k3', '[]', '[]', 0, 0, 0, NULL)");
	execute("INSERT INTO alert(number, type, state) VALUES(1, 'seal', 'open'), (2, 'seal',"
		" 'expired'), (3, 'ping', 'open')");
	execute("INSERT INTO delivery(alert, gateway, state) VALUES(1, 'b', 'open'), (1, 'a',"
		" 'delivered'), (2, 'a', 'open'), (3, 'c', 'open')");
	assert_int_equal(find(&filter, "abc"), 3);
	filter.most = 1;
	filter.after = "a";
	assert_int_equal(find(&filter, "b"), 3);
	filter = (struct registry_filter){.after = "", .silent_s = NOW - 60, .most = 10};
	filter.search = "SOUTH";
	assert_int_equal(find(&filter, "b"), 1);
	filter.search = NULL;
	filter.group = "x";
	assert_int_equal(find(&filter, "a"), 1);
	filter.group = NULL;
	filter.state = "sealed";
	assert_int_equal(find(&filter, "a"), 1);
	filter.state = "open";
	assert_int_equal(find(&filter, "b"), 1);
	filter.state = "silent";
	assert_int_equal(find(&filter, "bc"), 2);
	filter.state = "waiting";
	assert_int_equal(find(&filter, "b"), 1);
	filter.state = "another";
	assert_int_equal(find(&filter, ""), 0);
}

// ---- progress -----------------------------------------------------------------------------------

static void progress(const char *wanted)
{
	json_t *found = journal_progress(lab.database, 1);
	json_t *expected = json_loads(wanted, 0, NULL);

	assert_non_null(expected);
	assert_true(json_equal(found, expected));
	json_decref(expected);
	json_decref(found);
}

static void the_time_to_a_share_is_that_of_the_last_one_it_needs(void **state)
{
	(void)state;
	execute("INSERT INTO alert(number, type, state, issued) VALUES(1, 'seal', 'open', 100)");
	progress("{\"gateways\": 0, \"delivered\": 0, \"refused\": 0, \"open\": 0,"
		 " \"seconds\": {\"50\": null, \"90\": null, \"100\": null}}");
	execute("INSERT INTO delivery(alert, gateway, state, took, time) VALUES(1, 'a',"
		" 'delivered', 1500, 0), (1, 'b', 'delivered', NULL, 104), (1, 'c', 'refused', 1, "
		"0),"
		" (1, 'd', 'open', NULL, NULL), (1, 'e', 'superseded', NULL, NULL)");
	progress("{\"gateways\": 4, \"delivered\": 2, \"refused\": 1, \"open\": 1,"
		 " \"seconds\": {\"50\": 4.0, \"90\": null, \"100\": null}}");
	execute("UPDATE delivery SET state = 'delivered', took = 250 WHERE gateway IN ('c', 'd')");
	progress("{\"gateways\": 4, \"delivered\": 4, \"refused\": 0, \"open\": 0,"
		 " \"seconds\": {\"50\": 0.25, \"90\": 4.0, \"100\": 4.0}}");
}

static void a_database_of_before_gets_its_columns(void **state)
{
	(void)state;
	execute("ALTER TABLE alert DROP COLUMN sent");
	execute("ALTER TABLE delivery DROP COLUMN took");
	execute("INSERT INTO alert(number, type, state, issued) VALUES(1, 'seal', 'open', 100)");
	execute("INSERT INTO delivery(alert, gateway, state, time) VALUES(1, 'a', 'delivered', "
		"107)");
	database_close(lab.database);
	assert_int_equal(open_database(), 0);
	progress("{\"gateways\": 1, \"delivered\": 1, \"refused\": 0, \"open\": 0,"
		 " \"seconds\": {\"50\": 7.0, \"90\": 7.0, \"100\": 7.0}}");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_done_is_there_after_a_start),
		TEST(failed_log_ins_do_not_fill_the_disk),
		TEST(gateways_are_found_by_what_they_are_like),
		TEST(the_time_to_a_share_is_that_of_the_last_one_it_needs),
		TEST(a_database_of_before_gets_its_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
