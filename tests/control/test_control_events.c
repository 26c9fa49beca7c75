// SPDX-License-Identifier: BSD-3-Clause
// Whoever reads events and has gone to sleep keeps nobody: what there is room for waits, in order and whole, and how much
// was lost is told.
#include "control/control_events.h"
#include "tests/support/unit.h"

#include <glib.h>
#include <jansson.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATIENCE_S 60
#define SOME 400     // fit
#define MANY 4000    // do not
#define LONG_EVERY 7 // of them one is longer than a pipe takes at once

static struct {
	char folder[32];
	char path[64];
	int reader;
	struct control_events *events;
	GByteArray *text;
} lab;

static int setup(void **state)
{
	(void)state;
	memset(&lab, 0, sizeof(lab));
	(void)snprintf(lab.folder, sizeof(lab.folder), "/tmp/test_events.XXXXXX");
	assert_non_null(mkdtemp(lab.folder));
	(void)snprintf(lab.path, sizeof(lab.path), "%s/events", lab.folder);
	assert_int_equal(mkfifo(lab.path, 0600), 0);
	lab.reader = open(lab.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(lab.reader >= 0);
	assert_int_equal(control_events_open(lab.path, "g", &lab.events), 0);
	lab.text = g_byte_array_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)close(lab.reader);
	g_byte_array_unref(lab.text);
	(void)unlink(lab.path);
	return rmdir(lab.folder);
}

static void tell(int number)
{
	char pad[6001];
	size_t n = number % LONG_EVERY == 0 ? 6000 : 400;

	memset(pad, 'x', n);
	pad[n] = '\0';
	control_events_write(
		lab.events, "test", json_pack("{s:i, s:s}", "number", number, "pad", pad));
}

static bool read_some(void)
{
	guint8 data[4096];
	ssize_t n = read(lab.reader, data, sizeof(data));

	if (n > 0)
		(void)g_byte_array_append(lab.text, data, (guint)n);
	return n > 0;
}

static void read_all(void)
{
	do {
		while (g_main_context_iteration(NULL, FALSE))
			continue;
	} while (read_some());
}

// The lines that came: those with numbers are the first of all, in order. Returns how many there are; *lost: how many are
// said to be lost.
static int count_lines(int64_t *lost)
{
	char *at;
	int count = 0;

	*lost = 0;
	(void)g_byte_array_append(lab.text, (const guint8 *)"", 1);
	at = (char *)lab.text->data;
	for (char *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
		json_t *line = json_loadb(at, (size_t)(end - at), 0, NULL);

		assert_non_null(line);
		if (json_object_get(line, "number") == NULL)
			*lost += json_integer_value(json_object_get(line, "lines"));
		else
			assert_int_equal(
				json_integer_value(json_object_get(line, "number")), count++);
		json_decref(line);
	}
	assert_int_equal(*at, '\0');
	return count;
}

static void who_sleeps_has_all_of_them_later(void **state)
{
	int64_t lost;

	(void)state;
	for (int i = 0; i < SOME; i++)
		tell(i);
	read_all();
	control_events_close(lab.events);
	assert_int_equal(count_lines(&lost), SOME);
	assert_int_equal(lost, 0);
}

static void what_there_is_no_room_for_is_counted(void **state)
{
	int64_t lost;
	int count;

	(void)state;
	for (int i = 0; i < MANY; i++)
		tell(i);
	read_all();
	control_events_close(lab.events);
	while (read_some())
		continue;
	count = count_lines(&lost);
	assert_in_range(count, SOME, MANY - 1);
	assert_true(lost > 0);
}

static void who_reads_misses_nothing(void **state)
{
	int64_t lost;

	(void)state;
	for (int i = 0; i < SOME; i++) {
		tell(i);
		(void)read_some();
	}
	read_all();
	control_events_close(lab.events);
	assert_int_equal(count_lines(&lost), SOME);
	assert_int_equal(lost, 0);
}

// Where the pipe was there is a file by now, say: what waits goes there, before what comes.
static void what_waits_goes_where_it_goes_on(void **state)
{
	char moved[80];
	int64_t lost;

	(void)state;
	(void)snprintf(moved, sizeof(moved), "%s.1", lab.path);
	for (int i = 0; i < SOME; i++)
		tell(i);
	assert_int_equal(rename(lab.path, moved), 0);
	assert_int_equal(control_events_reopen(lab.events), 0);
	for (int i = SOME; i < 2 * SOME; i++)
		tell(i);
	while (read_some())
		continue;
	(void)close(lab.reader);
	lab.reader = open(lab.path, O_RDONLY | O_CLOEXEC);
	assert_true(lab.reader >= 0);
	while (read_some())
		continue;
	assert_int_equal(count_lines(&lost), 2 * SOME);
	assert_int_equal(lost, 0);
	control_events_close(lab.events);
	(void)unlink(moved);
}

// To open a pipe anew would wait for one.
static void who_has_gone_is_not_waited_for(void **state)
{
	(void)state;
	(void)close(lab.reader);
	assert_int_equal(control_events_reopen(lab.events), -ENXIO);
	tell(0);
	lab.reader = open(lab.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(control_events_reopen(lab.events), 0);
	control_events_close(lab.events);
}

static void limit_file(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

// A line that it took the half of is no other's beginning. The limit is in the midst of one.
static void a_disk_that_was_full_has_all_of_them_later(void **state)
{
	int64_t lost;

	(void)state;
	control_events_close(lab.events);
	(void)close(lab.reader);
	assert_int_equal(unlink(lab.path), 0);
	assert_int_equal(control_events_open(lab.path, "g", &lab.events), 0);
	limit_file(20000);
	for (int i = 0; i < 2 * LONG_EVERY; i++)
		tell(i);
	limit_file(RLIM_INFINITY);
	assert_int_equal(control_events_error(lab.events), 0);
	limit_file(20000);
	for (int i = 2 * LONG_EVERY; i < SOME / 2; i++)
		tell(i);
	assert_int_equal(control_events_error(lab.events), -EFBIG);
	limit_file(RLIM_INFINITY);
	while (control_events_error(lab.events) != 0)
		(void)g_main_context_iteration(NULL, TRUE);
	for (int i = SOME / 2; i < SOME; i++)
		tell(i);
	lab.reader = open(lab.path, O_RDONLY | O_CLOEXEC);
	while (read_some())
		continue;
	assert_int_equal(count_lines(&lost), SOME);
	assert_int_equal(lost, 0);
	// One that stays full keeps no end waiting.
	limit_file(1);
	tell(SOME);
	control_events_close(lab.events);
	limit_file(RLIM_INFINITY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_sleeps_has_all_of_them_later),
		TEST(what_there_is_no_room_for_is_counted),
		TEST(who_reads_misses_nothing),
		TEST(what_waits_goes_where_it_goes_on),
		TEST(who_has_gone_is_not_waited_for),
		TEST(a_disk_that_was_full_has_all_of_them_later),
	};

	(void)signal(SIGPIPE, SIG_IGN); // as in cordon-control
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)alarm(PATIENCE_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
