// SPDX-License-Identifier: BSD-3-Clause
// Marks survive a process that ends, and a sector that is torn.
#include "control/alert_mark.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 4096

static char path[32];
static char quick_path[48];
static const char *quick; // NULL: none
static struct alert_marks *marks;

static void reopen(void)
{
	alert_marks_close(marks);
	marks = NULL;
	assert_int_equal(alert_marks_open(path, quick, &marks), 0);
}

static int setup(void **state)
{
	int fd;

	(void)state;
	(void)snprintf(path, sizeof(path), "/tmp/cordon-marks-XXXXXX");
	fd = mkstemp(path);
	if (fd < 0)
		return -1;
	(void)close(fd);
	quick = NULL;
	return alert_marks_open(path, quick, &marks);
}

// Where the machine has no folder in memory these are what the others are.
static int setup_in_memory(void **state)
{
	int err = setup(state);

	alert_marks_close(marks);
	(void)snprintf(quick_path, sizeof(quick_path), "/dev/shm/%s", strrchr(path, '/') + 1);
	quick = quick_path;
	return err == 0 ? alert_marks_open(path, quick, &marks) : err;
}

static int teardown(void **state)
{
	(void)state;
	alert_marks_close(marks);
	marks = NULL;
	(void)unlink(path);
	if (quick != NULL)
		(void)unlink(quick);
	return 0;
}

static struct alert seal(const char *vendor, uint64_t epoch, uint64_t sequence)
{
	struct alert alert = {.role = ROLE_ALERTS, .epoch = epoch, .sequence = sequence};

	(void)snprintf(alert.vendor, sizeof(alert.vendor), "%s", vendor);
	return alert;
}

static void assert_highest(const char *vendor, uint64_t epoch, uint64_t sequence)
{
	uint64_t found_epoch = 0;
	uint64_t found_sequence = 0;

	assert_true(alert_marks_highest(marks, vendor, ROLE_ALERTS, &found_epoch, &found_sequence));
	assert_int_equal(found_epoch, epoch);
	assert_int_equal(found_sequence, sequence);
}

static void what_is_marked_is_there_after_an_end(void **state)
{
	struct alert first = seal("acme", 1, 7);
	struct alert second = seal("acme", 1, 8);
	struct alert other = seal("other", 3, 1);
	uint64_t epoch;
	uint64_t sequence;

	(void)state;
	assert_false(alert_marks_highest(marks, "acme", ROLE_ALERTS, &epoch, &sequence));
	assert_int_equal(alert_marks_put(marks, &first, "d1"), 0);
	reopen();
	assert_highest("acme", 1, 7);
	assert_int_equal(alert_marks_put(marks, &second, "d2"), 0);
	assert_int_equal(alert_marks_put(marks, &other, "d3"), 0);
	reopen();
	assert_highest("acme", 1, 8);
	assert_highest("other", 3, 1);
	assert_true(alert_marks_has(marks, &first, "d1"));
	assert_true(alert_marks_has(marks, &second, "d2"));
	assert_false(alert_marks_has(marks, &second, "d3"));
	assert_false(alert_marks_has(marks, &first, "d4"));
	assert_false(alert_marks_highest(marks, "acme", ROLE_UPDATES, &epoch, &sequence));
}

static void what_comes_again_does_not_lower_it(void **state)
{
	struct alert old = seal("acme", 2, 5);
	struct alert newer = seal("acme", 2, 6);

	(void)state;
	assert_int_equal(alert_marks_put(marks, &newer, "d2"), 0);
	assert_int_equal(alert_marks_put(marks, &old, "d1"), 0);
	assert_highest("acme", 2, 6);
	reopen();
	assert_highest("acme", 2, 6);
}

static void so_many_wait_for_the_order_and_no_more(void **state)
{
	struct alert alert = seal("acme", 1, 1);
	char digest[16];

	(void)state;
	for (unsigned int i = 0; i < ALERT_MARKS; i++) {
		(void)snprintf(digest, sizeof(digest), "d%u", i);
		alert.sequence++;
		assert_int_equal(alert_marks_put(marks, &alert, digest), 0);
	}
	assert_int_equal(alert_marks_put(marks, &alert, "more"), -EAGAIN);
	assert_int_equal(alert_marks_put(marks, &alert, "d3"), 0);
	alert_marks_done(marks, &alert, "d5");
	assert_false(alert_marks_has(marks, &alert, "d5"));
	assert_int_equal(alert_marks_put(marks, &alert, "more"), 0);
	reopen();
	assert_true(alert_marks_has(marks, &alert, "more"));
	assert_false(alert_marks_has(marks, &alert, "d5"));
	assert_highest("acme", 1, ALERT_MARKS + 1);
}

static void too_many_vendors_are_refused(void **state)
{
	unsigned int i = 0;
	int err = 0;

	(void)state;
	for (; err == 0 && i < 1000; i++) {
		char name[16];
		struct alert alert;

		(void)snprintf(name, sizeof(name), "vendor %u", i);
		alert = seal(name, 1, 1);
		err = alert_marks_put(marks, &alert, "d");
	}
	assert_int_equal(err, -ENOSPC);
	assert_highest("vendor 0", 1, 1);
}

// Of two sectors one may be torn, wherever; the other is what was there before.
static void a_torn_sector_leaves_the_one_before(void **state)
{
	static const off_t places[] = {0, 9, 40, 200, 1400};

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		for (uint64_t k = 0; k < 2; k++) {
			struct alert alert = seal("acme", 1, 10 * i + 2 * k + 1);
			int fd;

			assert_int_equal(alert_marks_put(marks, &alert, "a"), 0);
			alert.sequence++;
			assert_int_equal(alert_marks_put(marks, &alert, "b"), 0);
			reopen();
			// The last one is in one of the two.
			fd = open(path, O_RDWR | O_CLOEXEC);
			assert_true(fd >= 0);
			assert_int_equal(pwrite(fd, "torn", 4, places[i] + (off_t)(k * SECTOR)), 4);
			(void)close(fd);
			reopen();
			{
				uint64_t epoch = 0;
				uint64_t sequence = 0;

				assert_true(alert_marks_highest(
					marks, "acme", ROLE_ALERTS, &epoch, &sequence));
				assert_true(sequence == alert.sequence ||
					    sequence == alert.sequence - 1);
			}
		}
	}
}

static void read_file(const char *name, uint8_t *out, size_t bytes)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, out, bytes), bytes);
	(void)close(fd);
}

// Its writer may have to wait for what others write there.
static void what_is_put_in_memory_does_not_touch_the_disk(void **state)
{
	static uint8_t before[2 * SECTOR];
	static uint8_t after[2 * SECTOR];
	struct alert alert = seal("acme", 1, 7);
	uint64_t epoch;
	uint64_t sequence;

	(void)state;
	if (access(quick, F_OK) != 0)
		skip();
	read_file(path, before, sizeof(before));
	assert_int_equal(alert_marks_put(marks, &alert, "d1"), 0);
	read_file(path, after, sizeof(after));
	assert_memory_equal(before, after, sizeof(after));
	reopen();
	assert_highest("acme", 1, 7);
	alert_marks_sync(marks);
	alert.sequence = 8;
	assert_int_equal(alert_marks_put(marks, &alert, "d2"), 0);
	// The machine went down: what was synced is there, and nothing that came after it.
	(void)unlink(quick);
	reopen();
	assert_highest("acme", 1, 7);
	assert_true(alert_marks_has(marks, &alert, "d1"));
	assert_false(alert_marks_has(marks, &alert, "d2"));
	// It goes on from there.
	assert_int_equal(alert_marks_put(marks, &alert, "d2"), 0);
	reopen();
	assert_highest("acme", 1, 8);
	// The disk was put back to what it was long ago, or is another one: no vendor loses its mark.
	assert_int_equal(truncate(path, 0), 0);
	alert = seal("other", 1, 1);
	{
		struct alert_marks *alone = NULL;

		assert_int_equal(alert_marks_open(path, NULL, &alone), 0);
		assert_int_equal(alert_marks_put(alone, &alert, "d3"), 0);
		alert_marks_close(alone);
	}
	reopen();
	reopen();
	assert_highest("acme", 1, 8);
	assert_highest("other", 1, 1);
	alert_marks_sync(marks);
	quick = NULL;
	reopen();
	assert_highest("acme", 1, 8);
	assert_highest("other", 1, 1);
	assert_false(alert_marks_highest(marks, "nobody", ROLE_ALERTS, &epoch, &sequence));
	(void)unlink(quick_path);
}

// A mark of somebody else's would have alerts refused, and a link would have another file written.
static void what_others_may_have_written_is_not_taken(void **state)
{
	struct alert alert = seal("acme", 1, 7);
	struct alert_marks *forged = NULL;
	uint64_t epoch;
	uint64_t sequence;

	(void)state;
	if (access(quick, F_OK) != 0)
		skip();
	for (int by_link = 0; by_link < 2; by_link++) {
		char other[64];

		(void)snprintf(other, sizeof(other), "%s.other", quick);
		assert_int_equal(alert_marks_open(other, NULL, &forged), 0);
		assert_int_equal(alert_marks_put(forged, &alert, "d1"), 0);
		alert_marks_close(forged);
		(void)unlink(quick);
		assert_int_equal(by_link ? link(other, quick) : rename(other, quick), 0);
		if (!by_link)
			assert_int_equal(chmod(quick, 0622), 0);
		reopen();
		assert_false(alert_marks_highest(marks, "acme", ROLE_ALERTS, &epoch, &sequence));
		assert_int_not_equal(access(quick, F_OK), 0);
		if (by_link)
			assert_int_equal(unlink(other), 0);
	}
	assert_int_equal(alert_marks_put(marks, &alert, "d1"), 0);
	reopen();
	assert_highest("acme", 1, 7);
}

// What a process after this one finds on the disk.
static void assert_next_finds(const char *vendor, uint64_t sequence)
{
	struct alert_marks *mine = marks;

	assert_int_equal(alert_marks_open(path, NULL, &marks), 0);
	assert_highest(vendor, 1, sequence);
	alert_marks_close(marks);
	marks = mine;
}

// As a service's folder in /run is when another one ends that calls it its own.
static void a_folder_that_is_cleared_meanwhile_takes_no_mark_along(void **state)
{
	struct alert alert = seal("acme", 1, 1);
	struct alert other = seal("other", 1, 9);

	(void)state;
	assert_int_equal(alert_marks_put(marks, &alert, "d"), 0);
	assert_int_equal(alert_marks_put(marks, &other, "d"), 0);
	(void)unlink(quick);
	while (++alert.sequence < 6) {
		assert_int_equal(alert_marks_put(marks, &alert, "d"), 0);
		assert_next_finds("acme", alert.sequence);
		assert_next_finds("other", 9);
		alert_marks_sync(marks);
		assert_next_finds("acme", alert.sequence);
	}
}

static void a_file_on_a_disk_does_not_stay_beside_the_other(void **state)
{
	char beside[48];
	struct alert alert = seal("acme", 1, 7);

	(void)state;
	(void)snprintf(beside, sizeof(beside), "%s.beside", path);
	quick = beside;
	reopen();
	// Of a machine whose /tmp is in memory nothing is to be said.
	if (access(beside, F_OK) != 0) {
		assert_int_equal(alert_marks_put(marks, &alert, "d1"), 0);
		assert_int_not_equal(access(beside, F_OK), 0);
		reopen();
		assert_highest("acme", 1, 7);
	}
	(void)unlink(beside);
	quick = NULL;
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
	struct alert_marks *none = NULL;

	(void)state;
	assert_int_equal(alert_marks_open("/nowhere/at/all", NULL, &none), -ENOENT);
	assert_null(none);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define IN_MEMORY(name) cmocka_unit_test_setup_teardown(name, setup_in_memory, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_marked_is_there_after_an_end),
		TEST(what_comes_again_does_not_lower_it),
		TEST(so_many_wait_for_the_order_and_no_more),
		TEST(too_many_vendors_are_refused),
		TEST(a_torn_sector_leaves_the_one_before),
		IN_MEMORY(what_is_marked_is_there_after_an_end),
		IN_MEMORY(what_comes_again_does_not_lower_it),
		IN_MEMORY(so_many_wait_for_the_order_and_no_more),
		IN_MEMORY(too_many_vendors_are_refused),
		IN_MEMORY(what_is_put_in_memory_does_not_touch_the_disk),
		IN_MEMORY(what_others_may_have_written_is_not_taken),
		IN_MEMORY(a_folder_that_is_cleared_meanwhile_takes_no_mark_along),
		TEST(a_file_on_a_disk_does_not_stay_beside_the_other),
		TEST(a_folder_that_is_not_there_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
