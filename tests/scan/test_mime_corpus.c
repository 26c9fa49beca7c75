// SPDX-License-Identifier: BSD-3-Clause
// The MIME parser on all mail of the test data: the same for any chunks, and the same leaves as Python's
// email package and GMime read, but for the differences that mime_differences.def and
// gmime_differences.def name and explain: number, order, size, SHA-256 and type.
#include "tests/support/mime_log.h"
#include "tests/support/unit.h"

#include <dlfcn.h>
#include <ftw.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_FILES 20000
// Byte by byte on files up to this; larger ones in random chunks alone.
#define MAX_BYTEWISE 100000

static const struct mime_limits limits = {
	.max_depth = 32, .max_parts = 1000, .max_header_bytes = 65536};

struct difference {
	const char *reason;
	const char *path;
};

#define DIFFERENCE(reason, path) {#reason, path},
static const struct difference python_differences[] = {
#define REASON(name, text)
#include "tests/scan/mime_differences.def"
#undef REASON
};
static const struct difference gmime_differences[] = {
#define REASON(name, text)
#include "tests/scan/gmime_differences.def"
#undef REASON
};
#undef DIFFERENCE

static char root[4096];
static char *files[MAX_FILES];
static size_t files_count;
static uint64_t random_state = 88172645463325252u;

static size_t random_below(size_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (size_t)((random_state >> 16) % n);
}

static int add_file(const char *path, const struct stat *info, int type, struct FTW *walk)
{
	(void)info;
	(void)walk;
	if (type == FTW_F && files_count < MAX_FILES)
		files[files_count++] = strdup(path);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int find_files(void **state)
{
	const char *data = getenv("CORDON_TEST_DATA"); // NOLINT(concurrency-mt-unsafe): one thread

	(void)state;
	(void)snprintf(root, sizeof(root), "%s/mail", data != NULL ? data : "");
	if (data != NULL && access(root, R_OK) == 0)
		// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
		(void)nftw(root, add_file, 16, FTW_PHYS);
	qsort(files, files_count, sizeof(files[0]), by_name);
	return 0;
}

static int free_files(void **state)
{
	(void)state;
	while (files_count > 0)
		free(files[--files_count]);
	return 0;
}

static bool have_files(void)
{
	if (files_count > 0)
		return true;
	printf("skip: CORDON_TEST_DATA has no mail\n");
	return false;
}

static uint8_t *read_file(const char *path, size_t *n)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data;

	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	*n = (size_t)ftell(file);
	rewind(file);
	data = malloc(*n + 1);
	assert_non_null(data);
	assert_int_equal(fread(data, 1, *n, file), *n);
	(void)fclose(file);
	return data;
}

// max 1: byte by byte; else chunks of random sizes up to max.
static void log_chunks(struct mime_log *log, const uint8_t *data, size_t n, size_t max)
{
	size_t at = 0;

	mime_log_begin(log, &limits);
	while (at < n) {
		size_t take = 1 + random_below(max);

		if (take > n - at)
			take = n - at;
		mime_log_feed(log, data + at, take);
		at += take;
	}
	mime_log_end(log);
}

static void check_chunks(struct mime_log *whole, struct mime_log *cut, const char *path)
{
	static const size_t sizes[] = {1, 7, 100, 3000};
	size_t n;
	uint8_t *data = read_file(path, &n);

	mime_log_begin(whole, &limits);
	mime_log_feed(whole, data, n);
	mime_log_end(whole);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (sizes[i] < 100 && n > MAX_BYTEWISE)
			continue;
		log_chunks(cut, data, n, sizes[i]);
		if (strcmp(whole->text, cut->text) != 0)
			fail_msg("%s in chunks of %zu:\n%s\nwhole:\n%s", path, sizes[i], cut->text,
				whole->text);
	}
	free(data);
}

static void every_message_is_the_same_in_any_chunks(void **state)
{
	struct mime_log *whole;
	struct mime_log *cut;

	(void)state;
	if (!have_files())
		skip();
	whole = mime_log_new(&limits);
	cut = mime_log_new_shared(&limits);
	for (size_t i = 0; i < files_count; i++)
		check_chunks(whole, cut, files[i]);
	mime_log_free(whole);
	mime_log_free(cut);
}

// ---- the reference -----------------------------------------------------------------------------

// Another implementation, and what is known of it: measured on 4288 files.
struct reference {
	const char *script;
	const struct difference *differences;
	size_t differences_count;
	size_t agreement;
	size_t no_messages; // files that it takes for none
};

static const struct reference python = {
	"tests/scan/mime_reference.py",
	python_differences,
	sizeof(python_differences) / sizeof(python_differences[0]),
	4211,
	0,
};

static const struct reference gmime = {
	"tests/scan/gmime_reference.py",
	gmime_differences,
	sizeof(gmime_differences) / sizeof(gmime_differences[0]),
	3524,
	644,
};

// Runs the script on all files; its output can be read from the result.
static FILE *run_reference(const struct reference *reference)
{
	FILE *list = tmpfile();
	FILE *out = tmpfile();
	int status = 0;
	pid_t child;

	assert_true(list != NULL && out != NULL);
	for (size_t i = 0; i < files_count; i++)
		(void)fprintf(list, "%s\n", files[i]);
	(void)fflush(list);
	rewind(list);
	child = fork();
	if (child == 0) {
		(void)dup2(fileno(list), STDIN_FILENO);
		(void)dup2(fileno(out), STDOUT_FILENO);
		(void)execl("/usr/bin/python3", "python3", reference->script, NULL);
		_exit(127);
	}
	(void)fclose(list);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	rewind(out);
	return out;
}

// The first leaf of the first reading from part i on.
static uint32_t leaf_from(const struct mime_log *log, uint32_t i)
{
	while (i < log->parts_count &&
		(log->parts[i].parent != 0 || log->parts[i].reading != MIME_READING_FIRST))
		i++;
	return i;
}

enum answer { ANSWER_SAME, ANSWER_OTHER, ANSWER_NO_MESSAGE };

// Whether the script's next leaves, up to the next file, are those of the log.
static enum answer compare_leaves(
	struct mime_log *log, FILE *output, char *line, size_t size, bool *more)
{
	bool is_message = true;
	bool agree = true;
	uint32_t i = 0;

	while ((*more = fgets(line, (int)size, output) != NULL) && strncmp(line, "file ", 5) != 0) {
		char ours[512];

		is_message = is_message && strcmp(line, "error no message\n") != 0;
		i = leaf_from(log, i);
		if (i == log->parts_count) {
			agree = false;
			continue;
		}
		(void)snprintf(ours, sizeof(ours), "leaf %llu %s %s\n",
			(unsigned long long)log->parts[i].bytes, log->parts[i].sha256,
			log->parts[i].content_type);
		if (strncmp(line, "leaf - ", 7) == 0)
			(void)snprintf(
				ours, sizeof(ours), "leaf - - %s\n", log->parts[i].content_type);
		agree = agree && strcmp(line, ours) == 0;
		i++;
	}
	if (!is_message)
		return ANSWER_NO_MESSAGE;
	return agree && leaf_from(log, i) == log->parts_count ? ANSWER_SAME : ANSWER_OTHER;
}

static bool is_explained(const struct reference *reference, const char *path)
{
	for (size_t i = 0; i < reference->differences_count; i++)
		if (strcmp(path + strlen(root) + 1, reference->differences[i].path) == 0)
			return true;
	return false;
}

static void check_reference(const struct reference *reference)
{
	struct mime_log *log = mime_log_new(&limits);
	FILE *output = run_reference(reference);
	size_t counts[] = {0, 0, 0};
	size_t unexplained = 0;
	char line[8192];
	bool more = fgets(line, sizeof(line), output) != NULL;

	for (size_t i = 0; i < files_count; i++) {
		size_t n;
		uint8_t *data = read_file(files[i], &n);
		enum answer answer;

		assert_true(more && strncmp(line, "file ", 5) == 0);
		log_chunks(log, data, n, 100000);
		free(data);
		answer = compare_leaves(log, output, line, sizeof(line), &more);
		counts[answer]++;
		if (answer != ANSWER_OTHER || is_explained(reference, files[i]))
			continue;
		printf("differs and is not explained: %s%s", files[i], log->text);
		unexplained++;
	}
	printf("%s: of %zu files %zu agree, %zu differ, %zu are no message\n", reference->script,
		files_count, counts[ANSWER_SAME], counts[ANSWER_OTHER], counts[ANSWER_NO_MESSAGE]);
	mime_log_free(log);
	(void)fclose(output);
	assert_int_equal(unexplained, 0);
	assert_true(counts[ANSWER_SAME] >= reference->agreement);
	assert_true(counts[ANSWER_OTHER] <= reference->differences_count);
	assert_true(counts[ANSWER_NO_MESSAGE] <= reference->no_messages);
}

static void every_message_has_the_leaves_that_python_reads(void **state)
{
	(void)state;
	if (!have_files() || access("/usr/bin/python3", X_OK) != 0)
		skip();
	check_reference(&python);
}

static bool have_gmime(void)
{
	void *library = dlopen("libgmime-3.0.so.0", RTLD_LAZY);

	if (library != NULL)
		return dlclose(library) == 0;
	printf("skip: no libgmime-3.0.so.0 (scripts/deps test)\n");
	return false;
}

static void every_message_has_the_leaves_that_gmime_reads(void **state)
{
	(void)state;
	if (!have_files() || !have_gmime() || access("/usr/bin/python3", X_OK) != 0)
		skip();
	check_reference(&gmime);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_is_the_same_in_any_chunks),
		cmocka_unit_test(every_message_has_the_leaves_that_python_reads),
		cmocka_unit_test(every_message_has_the_leaves_that_gmime_reads),
	};

	return cmocka_run_group_tests(tests, find_files, free_files);
}
