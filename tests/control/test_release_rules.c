// SPDX-License-Identifier: BSD-3-Clause
// Rules for held mail are opened by a thread; whoever ends meanwhile runs nothing else for it.
#include "control/release_rules.h"
#include "tests/support/unit.h"

#include <glib.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char path[64];
static unsigned int turns; // of others on the loop
static unsigned int readies;

static gboolean turn(gpointer ctx)
{
	(void)ctx;
	turns++;
	return G_SOURCE_CONTINUE;
}

static void ready(void *ctx)
{
	(void)ctx;
	readies++;
}

static int set_up(void **test_state)
{
	int fd;

	(void)test_state;
	turns = 0;
	readies = 0;
	(void)snprintf(path, sizeof(path), "/tmp/test_release_rules_XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "no image", 8), 8);
	assert_int_equal(close(fd), 0);
	return 0;
}

static int tear_down(void **test_state)
{
	(void)test_state;
	return unlink(path);
}

static void one_that_is_being_opened_ends_alone(void **test_state)
{
	struct release_opener *opener = release_opener_new(ready, NULL);
	guint other = g_timeout_add_full(G_PRIORITY_HIGH, 0, turn, NULL, NULL);
	struct release_rules *rules = NULL;
	struct release_stats stats;

	(void)test_state;
	assert_non_null(opener);
	assert_int_equal(release_stats_take(path, &stats), 0);
	assert_int_equal(release_opener_take(opener, path, &stats, &rules), -EINPROGRESS);
	assert_int_equal(release_opener_take(opener, path, &stats, &rules), -EINPROGRESS);
	release_opener_free(opener);
	assert_int_equal(turns, 0);
	assert_true(g_source_remove(other));
	while (g_main_context_iteration(NULL, FALSE))
		;
	assert_int_equal(readies, 0);
	assert_null(rules);
}

static void what_does_not_open_is_said_once_it_was_tried(void **test_state)
{
	struct release_opener *opener = release_opener_new(ready, NULL);
	struct release_rules *rules = NULL;
	struct release_stats stats;

	(void)test_state;
	assert_non_null(opener);
	assert_int_equal(release_stats_take(path, &stats), 0);
	assert_int_equal(release_opener_take(opener, path, &stats, &rules), -EINPROGRESS);
	while (readies == 0)
		(void)g_main_context_iteration(NULL, TRUE);
	assert_int_equal(release_opener_take(opener, path, &stats, &rules), -EBADMSG);
	assert_null(rules);
	// And it is tried again.
	assert_int_equal(release_opener_take(opener, path, &stats, &rules), -EINPROGRESS);
	release_opener_free(opener);
	assert_int_equal(readies, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_that_is_being_opened_ends_alone),
		TEST(what_does_not_open_is_said_once_it_was_tried),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
