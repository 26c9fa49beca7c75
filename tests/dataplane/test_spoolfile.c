// SPDX-License-Identifier: BSD-3-Clause
// spoolfile: keys, texts, what is altered, torn or cut, states, housekeeping.
#include "dataplane/spoolfile_chunk.h"
#include "tests/dataplane/spoolfile_case.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

// A fresh look.
static void shelf_look(struct shelf *shelf)
{
	spool_mail_recover(&shelf->folder, shelf->times, 64, &shelf->stats);
}

static int shelf_change(struct shelf *shelf, uint32_t mail, enum spool_state state, int64_t time_ns)
{
	const struct spool_change change = {
		shelf->ids[mail], state, time_ns, {"op", 2}, {"why", 3}};
	struct spoolfile_log *log;
	int err;

	assert_int_equal(spoolfile_log_open(shelf->store, "c", shelf->io, &log), 0);
	err = spoolfile_log_append(log, &change);
	spoolfile_log_close(log);
	assert_int_equal(spoolfile_refresh(shelf->store, false), 0);
	return err;
}

static uint8_t poke(const char *path, uint64_t offset, uint8_t value)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	uint8_t old;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &old, 1, (off_t)offset), 1);
	assert_int_equal(pwrite(fd, &value, 1, (off_t)offset), 1);
	assert_int_equal(close(fd), 0);
	return old;
}

// ---- texts and keys -------------------------------------------------------------------------------

static void an_id_has_one_text(void **state)
{
	static const char *const wrong[] = {"", "-", "0123456789abcdef", "0123456789abcdef-",
		"0123456789abcdef-01", "0123456789abcdef-+1", "0123456789ABCDEF-1",
		" 123456789abcdef-1", "0123456789abcdef-1 ", "123456789abcdef-1",
		"0123456789abcdef-18446744073709551616", "0123456789abcdef--1"};
	struct spool_id id = {0x0123456789abcdefu, UINT64_MAX};
	char text[SPOOL_ID_TEXT_BYTES];
	struct spool_id back;

	(void)state;
	assert_string_equal(spool_id_text(id, text), "0123456789abcdef-18446744073709551615");
	assert_int_equal(spool_id_parse(text, &back), 0);
	assert_true(back.run == id.run && back.number == id.number);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(spool_id_parse(wrong[i], &back), -EINVAL);
}

static void a_parameter_is_found_by_its_keyword(void **state)
{
	static const char text[] = "SIZE=10 smtputf8  RET=HDRS ENVID=a=b AUTH=<> SIZES=7";
	const struct spool_text params = {text, sizeof(text) - 1};
	static const struct {
		const char *keyword;
		const char *value;
	} cases[] = {{"SIZE", "10"}, {"SMTPUTF8", ""}, {"ret", "HDRS"}, {"ENVID", "a=b"},
		{"AUTH", "<>"}, {"SIZES", "7"}, {"BODY", NULL}, {"SIZ", NULL}, {"10", NULL}};
	struct spool_text value;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool found = spool_param(params, cases[i].keyword, &value);

		assert_int_equal(found, cases[i].value != NULL);
		if (found) {
			assert_int_equal(value.bytes, strlen(cases[i].value));
			assert_memory_equal(value.at, cases[i].value, value.bytes);
		}
	}
	assert_false(spool_param((struct spool_text){"", 0}, "SIZE", &value));
}

static void a_key_file_is_private_and_whole(void **state)
{
	struct spool_folder folder;
	struct spool_keys *keys;
	struct stat status;
	uint8_t old;

	(void)state;
	spool_folder_init(&folder);
	assert_int_equal(stat(folder.key_path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(spool_keys_count(folder.keys), 1);
	assert_int_equal(chmod(folder.key_path, 0640), 0);
	assert_int_equal(spool_keys_open(folder.key_path, &keys), -EACCES);
	assert_int_equal(chmod(folder.key_path, 0600), 0);
	for (uint64_t i = 0; i < (uint64_t)status.st_size; i++) {
		old = poke(folder.key_path, i, 'x');
		assert_int_equal(spool_keys_open(folder.key_path, &keys), -EBADMSG);
		(void)poke(folder.key_path, i, old);
	}
	for (off_t i = status.st_size - 1; i > 0; i--) {
		assert_int_equal(truncate(folder.key_path, i), 0);
		assert_int_equal(spool_keys_open(folder.key_path, &keys), -EBADMSG);
	}
	assert_int_equal(spool_keys_open("/nowhere/key", &keys), -ENOENT);
	spool_folder_fini(&folder);
}

static void a_rotated_key_file_has_both_keys_and_is_restored_with_both(void **state)
{
	struct spool_folder folder;
	struct spool_keys *keys;

	(void)state;
	spool_folder_init(&folder);
	assert_int_equal(spool_keys_rotate(folder.key_path), 0);
	assert_int_equal(spool_keys_open(folder.key_path, &keys), 0);
	assert_int_equal(spool_keys_count(keys), 2);
	assert_true(spool_keys_current(keys) != spool_keys_current(folder.keys));
	assert_int_equal(spool_keys_restore(folder.key_path, keys), 0);
	assert_int_equal(unlink(folder.key_path), 0);
	assert_int_equal(spool_keys_restore(folder.key_path, keys), 1);
	spool_keys_free(folder.keys);
	assert_int_equal(spool_keys_open(folder.key_path, &folder.keys), 0);
	assert_int_equal(spool_keys_count(folder.keys), 2);
	assert_true(spool_keys_current(keys) == spool_keys_current(folder.keys));
	assert_int_equal(spool_keys_restore("/nowhere/key", keys), -ENOENT);
	spool_keys_free(keys);
	spool_folder_fini(&folder);
}

// ---- what is altered -----------------------------------------------------------------------------

static void alter_each_byte(bool packed)
{
	struct shelf *shelf = shelf_new_of(packed);
	const struct spoolfile_record *record = spoolfile_find(shelf->store, shelf->ids[1]);
	size_t content = 0;
	uint64_t offset = 0;
	uint8_t header[SPOOL_HEADER_BYTES];
	uint8_t old;
	struct spoolfile_reader *reader;
	struct spool_chunk chunk;
	int fd = open(shelf->path, O_RDONLY | O_CLOEXEC);

	assert_non_null(record);
	do {
		offset += SPOOL_ALIGN;
		assert_int_equal(pread(fd, header, sizeof(header), (off_t)offset), sizeof(header));
	} while (spool_chunk_parse(header, &chunk) != 0 || chunk.id.number != record->id.number);
	assert_int_equal(close(fd), 0);
	content = spool_chunk_content(&chunk);
	for (uint64_t i = 0; i < SPOOL_HEADER_BYTES + content; i++) {
		// Of the content a few will do.
		if (i > 400 && i % 97 != 0 && i + 1 != SPOOL_HEADER_BYTES + content)
			continue;
		old = poke(shelf->path, offset + i, 0);
		(void)poke(shelf->path, offset + i, old ^ 0x10);
		shelf_look(shelf);
		assert_int_equal(shelf->stats.records, MAILS - 1);
		assert_int_equal(shelf->times[1], 0);
		// A length that reaches into zeros looks like a torn write.
		assert_int_equal(shelf->stats.chunks_bad,
			i >= 32 && i < 44 ? 1 - shelf->stats.chunks_torn : 1);
		(void)poke(shelf->path, offset + i, old);
	}
	shelf_look(shelf);
	assert_int_equal(shelf->stats.records, MAILS);
	// After the scan: the reader authenticates again.
	(void)poke(shelf->path, offset + SPOOL_HEADER_BYTES, 0x55);
	(void)poke(shelf->path, offset + SPOOL_HEADER_BYTES + 1, 0x55);

	assert_int_equal(spoolfile_reader_open(shelf->store, shelf->ids[1], &reader), -EBADMSG);
	shelf_free(shelf);
}

static void no_altered_byte_goes_unnoticed(void **state)
{
	(void)state;
	alter_each_byte(false);
	alter_each_byte(true);
}

// What fills up a block is nobody's, and yet nobody may write there.
static void nor_does_one_behind_the_last_chunk(void **state)
{
	struct shelf *shelf = shelf_new_of(true);
	uint8_t block[SPOOL_BLOCK_BYTES];
	uint64_t pads = 0;
	int fd = open(shelf->path, O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(pread(fd, block, sizeof(block), 0), sizeof(block));
	assert_int_equal(close(fd), 0);
	for (uint64_t at = SPOOL_BLOCK_BYTES; at-- > 0 && block[at] == SPOOL_PAD; pads++) {
		if (pads % 61 != 0)
			continue;
		(void)poke(shelf->path, at, 0x10);
		shelf_look(shelf);
		assert_int_equal(shelf->stats.chunks_bad, 1);
		assert_int_equal(shelf->stats.records, MAILS);
		(void)poke(shelf->path, at, SPOOL_PAD);
	}
	assert_in_range(pads, SPOOL_BLOCK_BYTES / 2, SPOOL_BLOCK_BYTES - SPOOL_HEADER_BYTES);
	shelf_look(shelf);
	assert_int_equal(shelf->stats.chunks_bad, 0);
	shelf_free(shelf);
}

static void cut_anywhere(bool packed)
{
	struct shelf *shelf = shelf_new_of(packed);
	uint64_t last = MAILS;

	for (off_t bytes = 80000; bytes >= 0; bytes -= 509) {
		assert_int_equal(truncate(shelf->path, bytes), 0);
		shelf_look(shelf);
		assert_int_equal(shelf->stats.chunks_bad, 0);
		assert_true(shelf->stats.records <= last);
		last = shelf->stats.records;
	}
	assert_int_equal(last, 0);
	shelf_free(shelf);
}

static void a_file_cut_anywhere_keeps_what_is_whole(void **state)
{
	(void)state;
	cut_anywhere(false);
	cut_anywhere(true);
}

static void lack_a_sector(bool packed)
{
	struct shelf *shelf = shelf_new_of(packed);
	// No more chunks than that have a part in one.
	const uint64_t most = packed ? 3 : 1;
	const uint8_t zeros[512] = {0};
	uint64_t torn = 0;
	unsigned int removed;
	int fd = open(shelf->path, O_RDWR | O_CLOEXEC);

	for (off_t at = SPOOL_BLOCK_BYTES; at < 90000; at += 512) {
		uint8_t old[512];

		assert_int_equal(pread(fd, old, 512, at), 512);
		assert_int_equal(pwrite(fd, zeros, 512, at), 512);
		shelf_look(shelf);
		assert_int_equal(shelf->stats.chunks_bad, 0);
		assert_true(shelf->stats.records >= MAILS - most);
		torn += shelf->stats.chunks_torn;
		assert_int_equal(pwrite(fd, old, 512, at), 512);
	}
	assert_true(torn > MAILS);
	// A segment of nothing but torn ones goes.
	for (off_t at = SPOOL_BLOCK_BYTES; at < SEGMENT_BYTES;
		at += packed ? 1024 : SPOOL_BLOCK_BYTES)
		assert_int_equal(pwrite(fd, zeros, 512, at), 512);
	assert_int_equal(close(fd), 0);
	shelf_look(shelf);
	assert_int_equal(shelf->stats.chunks_bad, 0);
	spoolfile_close(shelf->store);
	assert_int_equal(spoolfile_open(shelf->folder.path, shelf->folder.keys, &shelf->store), 0);
	assert_int_equal(spoolfile_reap(shelf->store, false, &removed), 0);
	assert_int_equal(removed, shelf->stats.records == 0);
	assert_true(packed || removed == 1);
	shelf_free(shelf);
}

static void a_chunk_that_lacks_a_sector_was_torn_and_not_altered(void **state)
{
	(void)state;
	lack_a_sector(false);
	lack_a_sector(true);
}

static void what_no_key_opens_is_told_and_kept(void **state)
{
	struct shelf *shelf = shelf_new();
	unsigned int removed;

	(void)state;
	spool_keys_free(shelf->folder.keys);
	assert_int_equal(unlink(shelf->folder.key_path), 0);
	assert_int_equal(spool_keys_open(shelf->folder.key_path, &shelf->folder.keys), 0);
	shelf_look(shelf);
	assert_int_equal(shelf->stats.records, 0);
	assert_int_equal(shelf->stats.chunks_bad, MAILS + 1);
	assert_int_equal(shelf->stats.bad[1].error, -ENOKEY);
	assert_true(shelf->stats.bad[1].id.run == shelf->ids[0].run);
	spoolfile_close(shelf->store);
	assert_int_equal(spoolfile_open(shelf->folder.path, shelf->folder.keys, &shelf->store), 0);
	assert_int_equal(spoolfile_reap(shelf->store, false, &removed), 0);
	assert_int_equal(removed, 0);
	assert_int_equal(spoolfile_reap(shelf->store, true, &removed), 0);
	assert_int_equal(removed, 1);
	shelf_free(shelf);
}

// ---- states -------------------------------------------------------------------------------------

static void the_newest_state_counts_but_gone_is_gone(void **state)
{
	struct shelf *shelf = shelf_new();
	const struct spoolfile_record *record;

	(void)state;
	record = spoolfile_find(shelf->store, shelf->ids[1]);
	assert_int_equal(record->state, SPOOL_QUARANTINED);
	assert_int_equal(shelf_change(shelf, 1, SPOOL_RELEASED, 20), 0);
	assert_int_equal(shelf_change(shelf, 1, SPOOL_HELD, 10), 0);
	record = spoolfile_find(shelf->store, shelf->ids[1]);
	assert_non_null(record);
	assert_int_equal(record->state, SPOOL_RELEASED);
	assert_int_equal(shelf_change(shelf, 1, SPOOL_DELETED, 5), 0);
	assert_null(spoolfile_find(shelf->store, shelf->ids[1]));
	assert_int_equal(shelf_change(shelf, 1, SPOOL_HELD, 30), 0);
	assert_null(spoolfile_find(shelf->store, shelf->ids[1]));
	shelf_look(shelf);
	assert_int_equal(shelf->stats.records, MAILS - 1);
	assert_int_equal(shelf->stats.gone, 1);
	shelf_free(shelf);
}

static void tell(void *ctx, const struct spool_change *change)
{
	char *at = ctx;

	(void)snprintf(at + strlen(at), 64, "%s %d %.*s %.*s;", spool_state_name(change->state),
		(int)change->time_ns, (int)change->who.bytes, change->who.at,
		(int)change->why.bytes, change->why.at);
}

static void the_history_of_a_record_says_who_and_why(void **state)
{
	struct shelf *shelf = shelf_new();
	char text[512] = "";

	(void)state;
	assert_int_equal(shelf_change(shelf, 4, SPOOL_RELEASED, 1), 0);
	assert_int_equal(shelf_change(shelf, 5, SPOOL_DELETED, 2), 0);
	assert_int_equal(shelf_change(shelf, 4, SPOOL_DELIVERED, 3), 0);
	assert_int_equal(spoolfile_history(shelf->store, shelf->ids[4], tell, text), 0);
	assert_string_equal(text, "released 1 op why;delivered 3 op why;");
	shelf_free(shelf);
}

static void a_torn_end_of_a_log_loses_only_itself(void **state)
{
	struct shelf *shelf = shelf_new();
	char path[256];
	struct stat status;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/c.state", shelf->folder.path);
	assert_int_equal(shelf_change(shelf, 4, SPOOL_DELIVERED, 1), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(shelf_change(shelf, 5, SPOOL_DELIVERED, 1), 0);
	for (off_t bytes = 2 * status.st_size - 70; bytes >= status.st_size; bytes--) {
		assert_int_equal(truncate(path, bytes), 0);
		shelf_look(shelf);
		assert_int_equal(shelf->times[4], 0);
		assert_int_equal(shelf->times[5], 1);
		assert_int_equal(shelf->stats.chunks_bad, 0);
	}
	// Its owner goes on behind what is whole.
	assert_int_equal(truncate(path, status.st_size + 100), 0);
	assert_int_equal(shelf_change(shelf, 6, SPOOL_DELIVERED, 1), 0);
	shelf_look(shelf);
	assert_int_equal(shelf->times[4] + shelf->times[6], 0);
	assert_int_equal(shelf->times[5], 1);
	shelf_free(shelf);
}

static void an_altered_log_is_kept_aside(void **state)
{
	struct shelf *shelf = shelf_new();
	char path[256];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/c.state", shelf->folder.path);
	assert_int_equal(shelf_change(shelf, 4, SPOOL_DELIVERED, 1), 0);
	assert_int_equal(shelf_change(shelf, 5, SPOOL_DELIVERED, 1), 0);
	(void)poke(path, 130, 0xff);
	(void)poke(path, 131, 0xff);
	assert_int_equal(shelf_change(shelf, 6, SPOOL_DELIVERED, 1), 0);
	shelf_look(shelf);
	// Still told after the owner has begun a new file.
	assert_int_equal(shelf->stats.chunks_bad, 1);
	assert_int_equal(shelf->times[4], 1);
	assert_int_equal(shelf->times[5] + shelf->times[6], 0);
	shelf_free(shelf);
}

static int failing_result;

struct failing {
	struct spool_io io;
	struct spool_request *request;
};

static int failing_submit(struct spool_io *io, struct spool_request *request)
{
	request->result = failing_result;
	((struct failing *)io)->request = request;
	return 0;
}

static struct spool_request *failing_reap(struct spool_io *io, uint64_t wait_ns)
{
	(void)wait_ns;
	return ((struct failing *)io)->request;
}

static void a_log_that_failed_is_written_to_no_more(void **state)
{
	static const struct spool_io_ops ops = {
		.name = "failing", .submit = failing_submit, .reap = failing_reap};
	static const int results[][2] = {{-EIO, -EIO}, {-ENOSPC, -ENOSPC}, {100, -EIO}, {0, -EIO}};
	struct failing failing = {.io = {&ops}};
	struct shelf *shelf = shelf_new();
	const struct spool_change change = {.id = shelf->ids[4], .state = SPOOL_DELETED};
	struct spoolfile_log *log;

	(void)state;
	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		assert_int_equal(spoolfile_log_open(shelf->store, "c", &failing.io, &log), 0);
		failing_result = results[i][0];
		assert_int_equal(spoolfile_log_append(log, &change), results[i][1]);
		failing_result = 320;
		assert_int_equal(spoolfile_log_append(log, &change), -EIO);
		assert_false(spoolfile_log_has_room(log));
		spoolfile_log_close(log);
	}
	shelf_look(shelf);
	assert_int_equal(shelf->times[4], 1);
	shelf_free(shelf);
}

static void a_log_has_one_owner(void **state)
{
	struct shelf *shelf = shelf_new();
	struct spoolfile_log *second;
	struct spoolfile_log *log;

	(void)state;
	assert_int_equal(spoolfile_log_open(shelf->store, "c", shelf->io, &log), 0);
	assert_true(spoolfile_log_has_room(log));
	assert_int_equal(spoolfile_log_open(shelf->store, "c", shelf->io, &second), -EBUSY);
	spoolfile_log_close(log);
	assert_int_equal(spoolfile_log_open(shelf->store, "c", shelf->io, &second), 0);
	spoolfile_log_close(second);
	assert_int_equal(spoolfile_log_open(shelf->store, "a/b", shelf->io, &second), -EINVAL);
	shelf_free(shelf);
}

// ---- housekeeping --------------------------------------------------------------------------------

static void a_segment_goes_with_its_last_record(void **state)
{
	struct shelf *shelf = shelf_new();
	struct spoolfile_log *log;
	unsigned int removed;
	int fd;

	(void)state;
	for (uint32_t i = 0; i < MAILS; i++) {
		assert_int_equal(spoolfile_reap(shelf->store, false, &removed), 0);
		assert_int_equal(removed, 0);
		assert_int_equal(shelf_change(shelf, i, SPOOL_DELIVERED, 1), 0);
	}
	// Not while a writer has it.
	fd = open(shelf->path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(spoolfile_reap(shelf->store, false, &removed), 0);
	assert_int_equal(removed, 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(spoolfile_reap(shelf->store, false, &removed), 0);
	assert_int_equal(removed, 1);
	assert_int_equal(access(shelf->path, F_OK), -1);
	// With the records their changes go from the log.
	assert_int_equal(spoolfile_log_open(shelf->store, "c", shelf->io, &log), 0);
	assert_int_equal(spoolfile_log_bytes(log), 0);
	spoolfile_log_close(log);
	shelf_free(shelf);
}

static void rewrapped_files_need_the_old_key_no_more(void **state)
{
	struct shelf *shelf = shelf_new();
	struct spool_keys *keys;
	unsigned int left;
	char line[256];
	FILE *file;

	(void)state;
	assert_int_equal(shelf_change(shelf, 4, SPOOL_DELIVERED, 1), 0);
	assert_int_equal(spool_keys_rotate(shelf->folder.key_path), 0);
	assert_int_equal(spool_keys_open(shelf->folder.key_path, &keys), 0);
	spoolfile_close(shelf->store);
	assert_int_equal(spoolfile_open(shelf->folder.path, keys, &shelf->store), 0);
	assert_int_equal(spoolfile_refresh(shelf->store, true), 0);
	assert_int_equal(spoolfile_rewrap(shelf->store, &left), 0);
	assert_int_equal(left, 0);
	// Copies under the same names: found out, and nothing is there twice.
	assert_int_equal(spoolfile_refresh(shelf->store, false), 0);
	spoolfile_get_stats(shelf->store, &shelf->stats);
	assert_int_equal(shelf->stats.records, MAILS - 1);
	assert_int_equal(shelf->stats.duplicates, 0);
	spoolfile_close(shelf->store);
	spool_keys_free(keys);
	// The new key alone.
	file = fopen(shelf->folder.key_path, "r+");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	assert_non_null(fgets(line, sizeof(line), file));
	rewind(file);
	assert_true(fputs(line, file) >= 0);
	assert_int_equal(fflush(file), 0);
	assert_int_equal(ftruncate(fileno(file), (off_t)strlen(line)), 0);
	assert_int_equal(fclose(file), 0);
	spool_keys_free(shelf->folder.keys);
	assert_int_equal(spool_keys_open(shelf->folder.key_path, &shelf->folder.keys), 0);
	assert_int_equal(spool_keys_count(shelf->folder.keys), 1);
	shelf_look(shelf);
	assert_int_equal(shelf->stats.records, MAILS - 1);
	assert_int_equal(shelf->stats.chunks_bad, 0);
	assert_int_equal(spoolfile_open(shelf->folder.path, shelf->folder.keys, &shelf->store), 0);
	shelf_free(shelf);
}

static unsigned int turns;

static void count_turns(void)
{
	turns++;
}

static void something_else_may_be_done_with_each_record(void **state)
{
	struct shelf *shelf = shelf_new();
	struct spoolfile *fresh = NULL;

	(void)state;
	assert_int_equal(spoolfile_open(shelf->folder.path, shelf->folder.keys, &fresh), 0);
	spoolfile_meanwhile(fresh, count_turns);
	assert_int_equal(spoolfile_refresh(fresh, true), 0);
	assert_true(turns >= MAILS);
	spoolfile_close(fresh);
	shelf_free(shelf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(something_else_may_be_done_with_each_record),
		cmocka_unit_test(an_id_has_one_text),
		cmocka_unit_test(a_parameter_is_found_by_its_keyword),
		cmocka_unit_test(a_key_file_is_private_and_whole),
		cmocka_unit_test(a_rotated_key_file_has_both_keys_and_is_restored_with_both),
		cmocka_unit_test(no_altered_byte_goes_unnoticed),
		cmocka_unit_test(nor_does_one_behind_the_last_chunk),
		cmocka_unit_test(a_file_cut_anywhere_keeps_what_is_whole),
		cmocka_unit_test(a_chunk_that_lacks_a_sector_was_torn_and_not_altered),
		cmocka_unit_test(what_no_key_opens_is_told_and_kept),
		cmocka_unit_test(the_newest_state_counts_but_gone_is_gone),
		cmocka_unit_test(the_history_of_a_record_says_who_and_why),
		cmocka_unit_test(a_torn_end_of_a_log_loses_only_itself),
		cmocka_unit_test(an_altered_log_is_kept_aside),
		cmocka_unit_test(a_log_that_failed_is_written_to_no_more),
		cmocka_unit_test(a_log_has_one_owner),
		cmocka_unit_test(a_segment_goes_with_its_last_record),
		cmocka_unit_test(rewrapped_files_need_the_old_key_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
