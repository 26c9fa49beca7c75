// SPDX-License-Identifier: BSD-3-Clause
// spoolfile: what writers do meanwhile is found.
#include "tests/dataplane/spoolfile_case.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

static void a_store_follows_what_writers_do(void **state)
{
	struct shelf *shelf = shelf_new();
	const struct spoolfile_record *list;

	(void)state;
	write_mails(shelf, "c", 20, 5);
	assert_int_equal(spoolfile_refresh(shelf->store, false), 0);
	assert_int_equal(spoolfile_list(shelf->store, &list), MAILS + 5);
	for (size_t i = 1; i < MAILS + 5; i++)
		assert_true(list[i - 1].arrival_ns <= list[i].arrival_ns);
	assert_int_equal(unlink(shelf->path), 0);
	assert_int_equal(spoolfile_refresh(shelf->store, false), 0);
	assert_int_equal(spoolfile_list(shelf->store, &list), 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(spool_mail_check(shelf->store, list[i].id), 20 + i);
	shelf_free(shelf);
}

// It is not read again each time, and what is written then is found all the same.
static void a_segment_that_was_left_for_long_is_written_on(void **state)
{
	struct shelf *shelf = shelf_new();
	static const struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
	const struct spoolfile_record *list;
	size_t bytes;
	uint8_t *whole;
	uint8_t *half;
	int fd = open(shelf->path, O_RDWR);
	size_t known;

	(void)state;
	assert_true(fd >= 0);
	bytes = (size_t)lseek(fd, 0, SEEK_END);
	whole = malloc(bytes);
	half = calloc(1, bytes);
	assert_true(whole != NULL && half != NULL);
	assert_int_equal(pread(fd, whole, bytes, 0), bytes);
	assert_int_equal(pwrite(fd, half, bytes - 8192, 8192), bytes - 8192);
	assert_int_equal(futimens(fd, old), 0);
	spoolfile_close(shelf->store);
	assert_int_equal(spoolfile_open(shelf->folder.path, shelf->folder.keys, &shelf->store), 0);
	assert_int_equal(spoolfile_refresh(shelf->store, true), 0);
	known = spoolfile_list(shelf->store, &list);
	assert_true(known < MAILS);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(spoolfile_refresh(shelf->store, false), 0);
		assert_int_equal(spoolfile_list(shelf->store, &list), known);
	}
	assert_int_equal(pwrite(fd, whole + 8192, bytes - 8192, 8192), bytes - 8192);
	assert_int_equal(spoolfile_refresh(shelf->store, false), 0);
	assert_int_equal(spoolfile_list(shelf->store, &list), MAILS);
	(void)close(fd);
	free(whole);
	free(half);
	shelf_free(shelf);
}

// A glance finds what was written next; what lies behind a long stretch of zeros a refresh finds after it.
static void a_glance_finds_what_is_next(void **state)
{
	enum { BLOCK = 4096, GAP = 3 << 20 };
	struct shelf *shelf = shelf_new();
	const struct spoolfile_record *list;
	struct spoolfile_stats stats;
	uint8_t *data;
	size_t bytes;
	int fd;

	(void)state;
	write_mails(shelf, "c", 20, 5);
	assert_int_equal(spoolfile_glance(shelf->store), 0);
	assert_int_equal(spoolfile_list(shelf->store, &list), MAILS + 5);
	for (size_t i = MAILS; i < MAILS + 5; i++)
		assert_int_equal(spool_mail_check(shelf->store, list[i].id), 20 + i - MAILS);
	fd = open(shelf->path, O_RDWR);
	assert_true(fd >= 0);
	bytes = (size_t)lseek(fd, 0, SEEK_END);
	data = malloc(bytes);
	assert_non_null(data);
	assert_int_equal(pread(fd, data, bytes, 0), bytes);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, data, BLOCK, 0), BLOCK);
	assert_int_equal(pwrite(fd, data + BLOCK, bytes - BLOCK, GAP + BLOCK), bytes - BLOCK);
	(void)close(fd);
	free(data);
	spoolfile_close(shelf->store);
	assert_int_equal(spoolfile_open(shelf->folder.path, shelf->folder.keys, &shelf->store), 0);
	assert_int_equal(spoolfile_glance(shelf->store), 0);
	assert_true(spoolfile_list(shelf->store, &list) < MAILS + 5);
	assert_int_equal(spoolfile_refresh(shelf->store, false), 0);
	assert_int_equal(spoolfile_list(shelf->store, &list), MAILS + 5);
	spoolfile_get_stats(shelf->store, &stats);
	assert_int_equal(stats.chunks_bad, 0);
	assert_int_equal(stats.segments, 2);
	shelf_free(shelf);
}

// As on a disk that fails: what was known of it stays, and it is told.
static void a_file_that_cannot_be_opened_is_not_forgotten(void **state)
{
	struct shelf *shelf = shelf_new();
	const struct spoolfile_record *list;
	struct spoolfile_stats stats;
	char aside[PATH_MAX];

	(void)state;
	(void)snprintf(aside, sizeof(aside), "%s.aside", shelf->path);
	assert_int_equal(spoolfile_refresh(shelf->store, false), 0);
	assert_int_equal(rename(shelf->path, aside), 0);
	assert_int_equal(symlink(aside, shelf->path), 0); // which is not followed
	for (int thorough = 0; thorough < 2; thorough++) {
		assert_int_equal(spoolfile_refresh(shelf->store, thorough != 0), 0);
		assert_int_equal(spoolfile_list(shelf->store, &list), MAILS);
		spoolfile_get_stats(shelf->store, &stats);
		assert_int_equal(stats.files_failed, 1);
		assert_int_equal(stats.files_error, -ELOOP);
		assert_int_equal(stats.segments, 1);
	}
	assert_int_equal(rename(aside, shelf->path), 0);
	assert_int_equal(spoolfile_refresh(shelf->store, false), 0);
	spoolfile_get_stats(shelf->store, &stats);
	assert_int_equal(stats.files_error, 0);
	assert_int_equal(spoolfile_list(shelf->store, &list), MAILS);
	shelf_free(shelf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_that_cannot_be_opened_is_not_forgotten),
		cmocka_unit_test(a_glance_finds_what_is_next),
		cmocka_unit_test(a_store_follows_what_writers_do),
		cmocka_unit_test(a_segment_that_was_left_for_long_is_written_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
