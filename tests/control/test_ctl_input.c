// SPDX-License-Identifier: BSD-3-Clause
// cordonctl scan: what a file is, and what is in it: mailboxes, Maildirs, standard input.
#include "tests/control/ctl_case.h"

#include <pthread.h>

static void a_mailbox_is_its_messages(void **state)
{
	static const char *const verdicts[] = {"clean", "infected", "clean"};
	static const size_t bytes[] = {sizeof(HEAD "\r\nfirst\n\nFrom here on it is text\n") - 1,
		sizeof(ATTACHED) - 1, sizeof(HEAD "\r\nthird\n") - 1};

	(void)state;
	assert_int_equal(run("scan --rules @rules --json @box"), 1);
	for (size_t i = 0; i < 3; i++) {
		json_t *event = event_of_line(i);

		assert_string_equal(
			json_string_value(json_object_get(event, "verdict")), verdicts[i]);
		assert_int_equal(json_integer_value(json_object_get(event, "message")), i + 1);
		assert_int_equal(json_integer_value(json_object_get(event, "bytes")), bytes[i]);
		json_decref(event);
	}
	assert_int_equal(run("scan --rules @rules @box"), 1);
	assert_true(matches(output, "/box: message 2: Test\\.Eicar FOUND$"));
}

// "From " alone makes no mailbox, and a mailbox's own lines are short. Blank lines may stand before a header.
static void nothing_hides_behind_from(void **state)
{
	(void)state;
	for (unsigned int i = 1; i <= 6; i++) {
		char line[64];

		(void)snprintf(line, sizeof(line), "scan --rules @plain.ndb @from-%u", i);
		if (run(line) != 1)
			fail_msg("from-%u: %s", i, output);
	}
}

#define MAILBOX_MESSAGES 40

// Lines that look like a mailbox's own, and others.
static void write_lines(FILE *box, FILE *message, unsigned int *seed)
{
	static const char *const lines[] = {"\n", "\r\n", "From here on\n", "From 10:00 on\n",
		"F\n", "text\r\n", ">From 10:00\n", " From 10:00\n", "a line \r", "long"};
	bool is_after_empty = true;

	*seed = *seed * 1664525u + 1013904223u;
	for (unsigned int left = *seed >> 24; left > 0; left--) {
		const char *line;
		int width = 0;

		*seed = *seed * 1664525u + 1013904223u;
		line = lines[(*seed >> 20) % 10];
		if (is_after_empty && strncmp(line, "From 1", 6) == 0)
			continue;
		if (strcmp(line, "long") == 0)
			width = (int)(*seed >> 18);
		assert_int_equal(
			fprintf(box, "%*s", width, line), fprintf(message, "%*s", width, line));
		is_after_empty = line[0] == '\n' || strcmp(line, "\r\n") == 0;
	}
	// The last line of a message must have an end.
	assert_true(fputs("end\n", box) >= 0 && fputs("end\n", message) >= 0);
}

static FILE *open_in(const char *name)
{
	char path[256];
	FILE *file;

	path_in(path, sizeof(path), name);
	file = fopen(path, "wbe");
	assert_non_null(file);
	return file;
}

static void a_mailbox_is_what_was_put_into_it(void **state)
{
	static json_t *events[MAILBOX_MESSAGES];
	FILE *box = open_in("made");
	char path[256];
	char name[64];
	unsigned int seed = 1;

	(void)state;
	make_folder("messages");
	for (unsigned int i = 0; i < MAILBOX_MESSAGES; i++) {
		FILE *message;

		(void)snprintf(name, sizeof(name), "messages/%02u.eml", i);
		message = open_in(name);
		assert_true(fputs(FROM_LINE "Subject: x\n\n", box) >= 0 &&
			    fputs("Subject: x\n\n", message) >= 0);
		write_lines(box, message, &seed);
		assert_true(fputs(i % 2 == 0 ? "\n" : "\r\n", box) >= 0);
		assert_int_equal(fclose(message), 0);
	}
	assert_int_equal(fclose(box), 0);
	assert_int_equal(run("scan --rules @rules --json --digests sha256 @messages"), 0);
	for (size_t i = 0; i < MAILBOX_MESSAGES; i++)
		events[i] = event_of_line(i);
	assert_int_equal(run("scan --rules @rules --json --digests sha256 @made"), 0);
	for (size_t i = 0; i < MAILBOX_MESSAGES; i++) {
		json_t *event = event_of_line(i);

		assert_int_equal(json_integer_value(json_object_get(event, "bytes")),
			json_integer_value(json_object_get(events[i], "bytes")));
		assert_true(json_equal(
			json_object_get(event, "parts"), json_object_get(events[i], "parts")));
		json_decref(event);
		json_decref(events[i]);
		(void)snprintf(name, sizeof(name), "messages/%02u.eml", (unsigned int)i);
		path_in(path, sizeof(path), name);
		assert_int_equal(unlink(path), 0);
	}
}

static void a_maildir_holds_messages_whatever_they_look_like(void **state)
{
	json_t *event;

	(void)state;
	assert_int_equal(run("scan --rules @rules --json @mail"), 1);
	event = event_of_line(0);
	assert_true(matches(json_string_value(json_object_get(event, "path")), "/cur/1\\.host$"));
	assert_int_equal(json_array_size(json_object_get(event, "parts")), 1);
	json_decref(event);
	event = event_of_line(1);
	assert_string_equal(json_string_value(json_object_get(event, "verdict")), "infected");
	json_decref(event);
	event = event_of_line(2);
	assert_string_equal(json_string_value(json_object_get(event, "verdict")), "clean");
	json_decref(event);
}

// Each event from its number on: without time and path.
static void strip_places(const char *events, char *out)
{
	for (const char *at = events; (at = strstr(at, "\"message\":")) != NULL;) {
		size_t n = strcspn(at, "\n");

		memcpy(out, at, n + 1);
		out += n + 1;
		at += n;
	}
	*out = '\0';
}

// As cordonctl gets it from a pipe.
static int run_with_input(const char *line, const char *text)
{
	int ends[2];
	int status;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(write(ends[1], text, strlen(text)), strlen(text));
	assert_int_equal(close(ends[1]), 0);
	input = ends[0];
	status = run(line);
	input = -1;
	assert_int_equal(close(ends[0]), 0);
	return status;
}

static void standard_input_is_scanned_as_a_file_is(void **state)
{
	static char long_text[60000];

	(void)state;
	assert_int_equal(run_with_input("scan --rules @rules -", ATTACHED), 1);
	assert_true(matches(output, "^-: Test\\.Eicar FOUND$"));
	assert_int_equal(run_with_input("scan --rules @rules -", HEAD "\r\nno virus\r\n"), 0);
	assert_true(matches(output, "^-: OK$"));
	assert_int_equal(run_with_input("scan --rules @rules --json -",
				 FROM_LINE HEAD "\r\nfirst\n\n" FROM_LINE ATTACHED "\n"),
		1);
	assert_non_null(strstr(output, "\"message\":2"));
	assert_int_equal(run_with_input("scan --rules @rules -", ""), 0);
	// Past what it is told by.
	(void)snprintf(long_text, sizeof(long_text), "%50000s%s", "", EICAR);
	assert_int_equal(run_with_input("scan --rules @plain.ndb -", long_text), 1);
	assert_true(matches(output, "^Data scanned: 0\\.05 MB$"));
}

struct pieces {
	int to;
	char path[256];
	unsigned int longest;
};

// Each is read by itself (pipe(2), O_DIRECT).
static void *write_pieces(void *arg)
{
	struct pieces *pieces = arg;
	unsigned int seed = pieces->longest;
	char piece[4096];
	FILE *file = fopen(pieces->path, "rbe");
	size_t n;

	assert_non_null(file);
	do {
		seed = seed * 1664525u + 1013904223u;
		n = fread(piece, 1, 1 + (seed >> 16) % pieces->longest, file);
		assert_int_equal(write(pieces->to, piece, n), n);
	} while (n > 0);
	assert_int_equal(close(pieces->to), 0);
	assert_int_equal(fclose(file), 0);
	return NULL;
}

static void a_mailbox_in_pieces_is_the_same(void **state)
{
	static const unsigned int longest[] = {1, 2, 7, 60, 4096};
	static char whole[MAX_OUTPUT];
	FILE *box = open_in("made");
	FILE *unused = tmpfile();
	unsigned int seed = 7;

	(void)state;
	for (unsigned int i = 0; i < 5; i++) {
		assert_true(fputs(FROM_LINE "Subject: x\n\n", box) >= 0);
		write_lines(box, unused, &seed);
		assert_true(fputs(i % 2 == 0 ? "\n" : "\r\n", box) >= 0);
	}
	assert_int_equal(fclose(unused), 0);
	assert_int_equal(fclose(box), 0);
	assert_int_equal(run("scan --rules @rules --json --digests md5 @made"), 0);
	strip_places(output, whole);
	for (size_t i = 0; i < sizeof(longest) / sizeof(longest[0]); i++) {
		static char text[MAX_OUTPUT];
		struct pieces pieces = {.longest = longest[i]};
		pthread_t writer;
		int ends[2];

		path_in(pieces.path, sizeof(pieces.path), "made");
		assert_int_equal(pipe2(ends, O_CLOEXEC | O_DIRECT), 0);
		pieces.to = ends[1];
		input = ends[0];
		assert_int_equal(pthread_create(&writer, NULL, write_pieces, &pieces), 0);
		assert_int_equal(run("scan --rules @rules --json --digests md5 -"), 0);
		input = -1;
		assert_int_equal(pthread_join(writer, NULL), 0);
		assert_int_equal(close(ends[0]), 0);
		strip_places(output, text);
		if (strcmp(text, whole) != 0)
			fail_msg("pieces of up to %u bytes", longest[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mailbox_is_its_messages),
		cmocka_unit_test(nothing_hides_behind_from),
		cmocka_unit_test(a_mailbox_is_what_was_put_into_it),
		cmocka_unit_test(a_maildir_holds_messages_whatever_they_look_like),
		cmocka_unit_test(standard_input_is_scanned_as_a_file_is),
		cmocka_unit_test(a_mailbox_in_pieces_is_the_same),
	};

	return cmocka_run_group_tests(tests, make_files, drop_files);
}
