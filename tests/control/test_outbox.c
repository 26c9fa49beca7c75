// SPDX-License-Identifier: BSD-3-Clause
// What has to be told, on disk: the outbox, and the journal of what is told together.
#include "control/notify_rounds.h"
#include "control/outbox.h"
#include "tests/support/unit.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/cordon-outbox-XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	memcpy(folder, "/tmp/cordon-outbox-XXXXXX", sizeof(folder));
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static int drop_folder(void **state)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir = opendir(folder);

	(void)state;
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		(void)unlink(path);
	}
	if (dir != NULL)
		(void)closedir(dir);
	return rmdir(folder);
}

static struct outbox *open_outbox(void)
{
	struct outbox *outbox = NULL;

	assert_int_equal(outbox_open(folder, &outbox), 0);
	return outbox;
}

struct seen {
	char keys[256];
	int unreadable;
};

static void see(void *ctx, const char *key, const json_t *about)
{
	struct seen *seen = ctx;
	size_t n = strlen(seen->keys);

	seen->unreadable += about == NULL;
	(void)snprintf(seen->keys + n, sizeof(seen->keys) - n, "%s:%lld ", key,
		json_integer_value(json_object_get(about, "n")));
}

static struct seen look(struct outbox *outbox)
{
	struct seen seen = {.keys = ""};

	assert_int_equal(outbox_each(outbox, see, &seen), 0);
	return seen;
}

static int put(struct outbox *outbox, const char *key, int n)
{
	json_t *about = json_pack("{s:i}", "n", n);
	int err = outbox_put(outbox, key, about);

	json_decref(about);
	return err;
}

static char own[] = "failure-a";
static char other[] = "failure-b";

static bool is_needed(void *ctx, const char *key)
{
	return strcmp(ctx, key) == 0;
}

static void a_notice_is_there_until_it_is_finished_and_never_twice(void **state)
{
	struct outbox *outbox = open_outbox();

	(void)state;
	assert_int_equal(put(outbox, "failure-b", 1), 0);
	assert_int_equal(put(outbox, "failure-a", 2), 0);
	assert_int_equal(put(outbox, "failure-a", 3), -EEXIST);
	outbox_close(outbox);
	outbox = open_outbox();
	assert_string_equal(look(outbox).keys, "failure-a:2 failure-b:1 ");
	assert_int_equal(outbox_finish(outbox, "failure-a"), 0);
	assert_int_equal(put(outbox, "failure-a", 4), -EEXIST);
	outbox_close(outbox);
	outbox = open_outbox();
	assert_string_equal(look(outbox).keys, "failure-b:1 ");
	assert_int_equal(put(outbox, "failure-a", 5), -EEXIST);
	// What was withdrawn was never there.
	assert_int_equal(outbox_withdraw(outbox, "failure-b"), 0);
	assert_int_equal(outbox_withdraw(outbox, "failure-b"), 0);
	assert_int_equal(put(outbox, "failure-b", 6), 0);
	outbox_forget(outbox, 0, is_needed, other);
	assert_int_equal(put(outbox, "failure-a", 7), -EEXIST);
	// What it tells of is there still, however long ago that was.
	outbox_forget(outbox, INT64_MAX, is_needed, own);
	assert_int_equal(put(outbox, "failure-a", 7), -EEXIST);
	outbox_forget(outbox, INT64_MAX, is_needed, other);
	assert_int_equal(put(outbox, "failure-a", 8), 0);
	assert_string_equal(look(outbox).keys, "failure-a:8 failure-b:6 ");
	outbox_close(outbox);
}

static void a_key_is_no_path(void **state)
{
	static const char *const keys[] = {"", "../x", "a/b", ".a", "a b", "a\n"};
	struct outbox *outbox = open_outbox();
	char longest[200];

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_int_equal(put(outbox, keys[i], 1), -EINVAL);
	memset(longest, 'k', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(put(outbox, longest, 1), -EINVAL);
	outbox_close(outbox);
}

static void write_file(const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "ae");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void what_cannot_be_read_is_told_and_stays(void **state)
{
	struct outbox *outbox = open_outbox();

	(void)state;
	write_file("cut.notice", "{\"n\":");
	write_file("list.notice", "[1]");
	write_file("half.notice.new", "{}");
	assert_int_equal(put(outbox, "good", 1), 0);
	assert_string_equal(look(outbox).keys, "cut:0 good:1 list:0 ");
	assert_int_equal(look(outbox).unreadable, 2);
	outbox_close(outbox);
}

// ---- rounds -------------------------------------------------------------------------------------

static bool is_true(void *ctx, const json_t *line)
{
	const char *id = json_string_value(json_object_get(line, "id"));

	(void)ctx;
	return id == NULL || strcmp(id, "untrue") != 0;
}

static struct notify_rounds *open_rounds(void)
{
	struct notify_rounds *rounds;
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/rounds.jsonl", folder);
	notify_rounds_new(&rounds);
	assert_int_equal(notify_rounds_load(rounds, path, is_true, NULL), 0);
	return rounds;
}

static void add(struct notify_rounds *rounds, const char *to, const char *member, const char *value)
{
	json_t *line = json_pack("{s:s, s:s, s:i, s:s, s:s}", "to", to, "host", "hop", "port", 25,
		"line", value, member, value);

	assert_int_equal(notify_rounds_add(rounds, line), 0);
	json_decref(line);
}

static void tell(void *ctx, const struct notify_round *round)
{
	GString *out = ctx;

	g_string_append_printf(out, "%s@%s:%u %zu\n%s", round->to, round->host, round->port,
		round->count, round->lines->str);
}

static void check_flush(struct notify_rounds *rounds, const char *expected)
{
	GString *out = g_string_new(NULL);

	notify_rounds_flush(rounds, tell, out);
	assert_string_equal(out->str, expected);
	(void)g_string_free(out, TRUE);
}

static void what_was_gathered_outlives_the_process(void **state)
{
	struct notify_rounds *rounds = open_rounds();
	uint64_t number = notify_rounds_number(rounds);

	(void)state;
	add(rounds, "a", "id", "one");
	add(rounds, "a", "id", "untrue");
	add(rounds, "a", "id", "one");
	notify_rounds_free(rounds);
	// It died while it was writing.
	write_file("rounds.jsonl", "{\"to\":\"a\",\"li");
	rounds = open_rounds();
	assert_false(notify_rounds_is_empty(rounds));
	assert_int_equal(notify_rounds_number(rounds), number);
	check_flush(rounds, "a@hop:25 1\n  one\n");
	assert_int_equal(notify_rounds_number(rounds), number + 1);
	assert_true(notify_rounds_is_empty(rounds));
	notify_rounds_free(rounds);
	rounds = open_rounds();
	assert_true(notify_rounds_is_empty(rounds));
	assert_int_equal(notify_rounds_number(rounds), number + 1);
	notify_rounds_free(rounds);
}

static void a_notice_has_few_lines_and_counts_the_rest(void **state)
{
	struct notify_rounds *rounds = open_rounds();
	GString *out = g_string_new(NULL);
	char text[16];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(text, sizeof(text), "id\n%d", i);
		add(rounds, "a", "name", text);
	}
	notify_rounds_flush(rounds, tell, out);
	assert_non_null(strstr(out->str, "a@hop:25 1000\n  id 0\n"));
	assert_non_null(strstr(out->str, "  id 19\n"));
	assert_null(strstr(out->str, "  id 20\n"));
	(void)g_string_free(out, TRUE);
	notify_rounds_free(rounds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_notice_is_there_until_it_is_finished_and_never_twice, make_folder,
			drop_folder),
		cmocka_unit_test_setup_teardown(a_key_is_no_path, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(
			what_cannot_be_read_is_told_and_stays, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(
			what_was_gathered_outlives_the_process, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(
			a_notice_has_few_lines_and_counts_the_rest, make_folder, drop_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
