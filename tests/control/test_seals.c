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

static int tear_down(void **state)
{
	(void)state;
	seals_close(lab.seals);
	(void)unlink(lab.path);
	(void)rmdir(lab.folder);
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
	char temporary[sizeof(lab.path) + 8];

	(void)state;
	assert_int_equal(stage("CV-1", "hold"), 0);
	assert_int_equal(seals_settle(lab.seals), 0);
	// A folder in the place of the file that it is written to first.
	(void)snprintf(temporary, sizeof(temporary), "%s.new", lab.path);
	assert_int_equal(mkdir(temporary, 0700), 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_is_staged_is_told_and_in_the_file_once_it_is_settled, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			what_cannot_be_kept_was_never_set, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_the_dataplane_would_not_understand_changes_nothing, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
