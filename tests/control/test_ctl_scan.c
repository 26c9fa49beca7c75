// SPDX-License-Identifier: BSD-3-Clause
// Real runs of cordonctl compile and cordonctl scan in a folder of their own.
#include <jansson.h>
#include <regex.h>
#include <spawn.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// cmocka.h wants these before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
// clang-format on

// The EICAR test file, in pieces so that no scanner takes this file for it.
#define EICAR                                                                                      \
	"X5O!P%@AP[4\\PZX54(P^)7CC)7}$"                                                            \
	"EICAR-STANDARD-ANTI"                                                                      \
	"VIRUS-TEST-FILE!$H+H*"
#define EICAR_BASE64                                                                               \
	"WDVPIVAlQEFQWzRcUFpYNTQoUF4pN0NDKTd9JEVJQ0FSLVNUQU5EQVJELUFOVElW\r\n"                     \
	"SVJVUy1URVNULUZJTEUhJEgrSCo=\r\n"
#define EICAR_MD5 "44d88612fea8a8f36de82e1278abb02f"
#define EICAR_SHA256 "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f"
#define HEAD "From: a@example.org\r\nTo: b@example.org\r\nSubject: test\r\n"
#define ATTACHED                                                                                   \
	HEAD "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"in\"\r\n\r\n"         \
	     "--in\r\n\r\nhello\r\n--in\r\nContent-Type: application/octet-stream\r\n"             \
	     "Content-Disposition: attachment; filename=\"eicar.com\"\r\n"                         \
	     "Content-Transfer-Encoding: base64\r\n\r\n" EICAR_BASE64 "--in--\r\n"
#define LONG                                                                                       \
	"- a line that goes on and on, longer than any that a delivery agent writes, and on and "  \
	"on"
#define FROM_LINE "From a@example.org Mon Jan  1 10:00:00 2024\n"

#define MAX_OUTPUT 262144
#define MAX_ARGUMENTS 16

extern char **environ;

static char folder[64];
static char program[4096];
static char output[MAX_OUTPUT];
static char errors[MAX_OUTPUT];
static const char *output_device; // instead of a file
static int input = -1;            // instead of this program's own

static const struct {
	const char *path;
	const char *text;
} files[] = {
	{"rules/eicar.hdb", EICAR_MD5 ":68:Test.Eicar\n"},
	{"plain.ndb", "Test.Plain:0:*:45494341522d5354414e444152442d414e5449\n"},
	{"bad.ndb", "Test.Good:0:*:45494341522d5354414e44415244\nTest.Bad:0:*:4549434\n"},
	{"clean.eml", HEAD "\r\nhello\r\n"},
	{"from-1", "From a " EICAR},
	{"from-2", "From a@b Mon Jan  1 10:00:00 2024 " EICAR},
	{"from-3", "From a@b Mon Jan  1 10:00:00 2024\rSubject: x\r\r" EICAR "\r"},
	{"from-4", FROM_LINE "\n\nFrom a@b 10:00 " LONG LONG LONG LONG LONG LONG " " EICAR "\n"},
	{"from-5", "From MAILER-DAEMON\n" HEAD "\r\n" EICAR "\r\n"},
	{"from-6", " \r\n\t\r\n\1\r\n" ATTACHED},
	{"base64.eml", ATTACHED},
	{"nested.eml",
		HEAD "Content-Type: multipart/mixed; boundary=out\r\n\r\n--out\r\n\r\nsee\r\n"
		     "--out\r\nContent-Type: message/rfc822\r\n\r\n" ATTACHED "\r\n--out--\r\n"},
	{"plain.eml", HEAD "\r\n" EICAR},
	{"eicar.com", EICAR},
	{"notes", "Remember: this is no mail, though it has a colon: or two\n"},
	{"box", FROM_LINE HEAD "\r\nfirst\n\nFrom here on it is text\n\n" FROM_LINE ATTACHED
			       "\n" FROM_LINE HEAD "\r\nthird\n\n"},
	{"mail/cur/1.host", "no header at all\r\n"},
	{"mail/cur/2.host", ATTACHED},
	{"mail/new/3.host", HEAD "\r\nhello\r\n"},
};

static void path_in(char *out, size_t room, const char *path)
{
	assert_true((size_t)snprintf(out, room, "%s/%s", folder, path) < room);
}

static void make_folder(const char *path)
{
	char full[256];

	path_in(full, sizeof(full), path);
	assert_int_equal(mkdir(full, 0700), 0);
}

static int make_files(void **state)
{
	static const char *const folders[] = {
		"rules", "barren", "mail", "mail/cur", "mail/new", "mail/tmp"};
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	const char *build = getenv("BUILD");
	char from[4096];

	(void)state;
	(void)snprintf(from, sizeof(from), "%s/cordonctl", build != NULL ? build : "build");
	assert_non_null(realpath(from, program));
	(void)snprintf(folder, sizeof(folder), "/tmp/test_ctl.XXXXXX");
	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		make_folder(folders[i]);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char path[256];
		FILE *file;

		path_in(path, sizeof(path), files[i].path);
		file = fopen(path, "wbe");
		assert_non_null(file);
		assert_int_equal(fwrite(files[i].text, 1, strlen(files[i].text), file),
			strlen(files[i].text));
		assert_int_equal(fclose(file), 0);
	}
	return 0;
}

static int drop_files(void **state)
{
	static const char *const made[] = {"image", "made", "stdout", "stderr", "odd/fifo",
		"odd/loop", "odd/nowhere", "rules/image", "rules", "barren", "mail/cur", "mail/new",
		"mail/tmp", "mail", "messages", "odd"};
	char path[256];

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		path_in(path, sizeof(path), files[i].path);
		(void)unlink(path);
	}
	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
		path_in(path, sizeof(path), made[i]);
		(void)remove(path);
	}
	return rmdir(folder);
}

static void read_output(const char *name, char *text)
{
	char path[256];
	FILE *file;
	size_t n;

	path_in(path, sizeof(path), name);
	file = fopen(path, "rbe");
	assert_non_null(file);
	n = fread(text, 1, MAX_OUTPUT - 1, file);
	text[n] = '\0';
	assert_int_equal(fclose(file), 0);
}

// Runs cordonctl with the words of the command line, "@x" being the file x of the folder. Its output
// is in output and errors then. Returns the exit status.
static int run(const char *line)
{
	char words[1024];
	char paths[MAX_ARGUMENTS][256];
	char *argv[MAX_ARGUMENTS + 2] = {program};
	posix_spawn_file_actions_t actions;
	char *rest = NULL;
	size_t n = 0;
	pid_t pid;
	int status;

	(void)snprintf(words, sizeof(words), "%s", line);
	for (char *word = strtok_r(words, " ", &rest); word != NULL;
		word = strtok_r(NULL, " ", &rest)) {
		assert_true(n < MAX_ARGUMENTS);
		if (word[0] == '@')
			path_in(paths[n], sizeof(paths[n]), word + 1);
		else
			(void)snprintf(paths[n], sizeof(paths[n]), "%s", word);
		argv[n + 1] = paths[n];
		n++;
	}
	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	if (input >= 0)
		assert_int_equal(posix_spawn_file_actions_adddup2(&actions, input, 0), 0);
	for (int fd = 1; fd <= 2; fd++) {
		char path[256];

		path_in(path, sizeof(path), fd == 1 ? "stdout" : "stderr");
		assert_int_equal(posix_spawn_file_actions_addopen(&actions, fd,
					 fd == 1 && output_device != NULL ? output_device : path,
					 O_WRONLY | O_CREAT | O_TRUNC, 0600),
			0);
	}
	assert_int_equal(posix_spawn(&pid, program, &actions, NULL, argv, environ), 0);
	assert_int_equal(posix_spawn_file_actions_destroy(&actions), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	read_output("stdout", output);
	read_output("stderr", errors);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool matches(const char *text, const char *pattern)
{
	regex_t regex;
	bool is_match;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE), 0);
	is_match = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	if (!is_match)
		print_error("no match for %s in:\n%s", pattern, text);
	return is_match;
}

static void help_goes_to_stdout_and_ends_well(void **state)
{
	(void)state;
	assert_int_equal(run("--help"), 0);
	assert_true(matches(output, "^  compile +[a-z]"));
	assert_true(matches(output, "^  scan +[a-z]"));
	assert_int_equal(run("scan --help"), 0);
	assert_true(matches(output, "^usage: cordonctl scan --rules PATH"));
	assert_int_equal(run("compile --help"), 0);
	assert_true(matches(output, "^usage: cordonctl compile PATH"));
	assert_string_equal(errors, "");
}

static void what_is_no_command_line_ends_with_2_and_nothing_on_stdout(void **state)
{
	static const char *const lines[] = {"", "swim", "scan", "scan @clean.eml",
		"scan --rules @rules", "scan --rules @rules --nonsense @clean.eml",
		"scan --rules @rules --digests md5,crc @clean.eml",
		"scan --rules @rules --digests md5, @clean.eml", "scan --rules @none @clean.eml",
		"scan --rules @barren @clean.eml", "scan --rules @clean.eml @clean.eml",
		"scan --rules @rules --json @none", "compile @rules", "compile -o @image",
		"compile @none -o @image", "compile @rules -o /nowhere/at/all",
		"compile @rules -o @image --cache @barren --cache-mb -5",
		"compile @rules -o @image --cache @barren --cache-mb 5x"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_int_equal(run(lines[i]), 2);
		assert_string_equal(output, "");
		assert_true(strlen(errors) > 0);
	}
}

static void what_is_to_be_read_is_not_overwritten(void **state)
{
	static const char *const lines[] = {"compile @plain.ndb -o @plain.ndb",
		"compile @plain.ndb @rules -o @rules/eicar.hdb",
		"replay -r @plain.ndb --out @notes @clean.eml @notes",
		"replay -r @plain.ndb --out @plain.ndb @notes",
		"screen compute --virus-id CV-1 -o @notes @clean.eml @notes"};
	char path[256];

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_int_equal(run(lines[i]), 2);
		assert_true(
			matches(errors, "(plain\\.ndb|eicar\\.hdb|notes): would be overwritten"));
	}
	assert_int_equal(run("compile @rules -o @rules/image"), 0);
	path_in(path, sizeof(path), "made"); // no file, as devices are none
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(run("compile @plain.ndb -o @made"), 2);
	assert_true(matches(errors, "made: is no file"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(run("compile @plain.ndb @none -o @image"), 2);
	assert_true(matches(errors, "none: No such file"));
	assert_int_equal(run("scan -r @plain.ndb @notes"), 0);
	assert_true(matches(output, "notes: OK"));
}

static void output_that_does_not_arrive_is_an_error(void **state)
{
	(void)state;
	output_device = "/dev/full";
	assert_int_equal(run("compile @plain.ndb -o @image --json"), 2);
	assert_int_equal(run("scan -r @plain.ndb @notes"), 2);
	output_device = NULL;
}

static void a_malformed_line_is_reported_and_the_rest_compiled(void **state)
{
	json_t *event;

	(void)state;
	assert_int_equal(run("compile @bad.ndb -o @image --json"), 0);
	assert_true(matches(errors, "^.*/bad\\.ndb:2: [a-z]"));
	event = json_loads(output, 0, NULL);
	assert_non_null(event);
	assert_string_equal(json_string_value(json_object_get(event, "event")), "compile");
	assert_int_equal(json_integer_value(json_object_get(event, "signatures")), 1);
	assert_int_equal(json_integer_value(json_object_get(event, "errors")), 1);
	json_decref(event);
	assert_int_equal(run("compile @bad.ndb -o @image --strict"), 2);
}

static void clean_mail_is_ok_and_ends_with_0(void **state)
{
	(void)state;
	assert_int_equal(run("scan --rules @rules @clean.eml @notes"), 0);
	assert_true(matches(output, "/clean\\.eml: OK$"));
	assert_true(matches(output, "/notes: OK$"));
	assert_true(matches(output, "^Scanned files: 2$"));
	assert_true(matches(output, "^Infected files: 0$"));
}

static void eicar_is_found_in_each_wrapping(void **state)
{
	static const char *const names[] = {"base64.eml", "nested.eml", "eicar.com"};
	char line[128];
	char pattern[128];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(line, sizeof(line), "scan --rules @rules @%s", names[i]);
		(void)snprintf(pattern, sizeof(pattern), "/%s: Test\\.Eicar FOUND$", names[i]);
		assert_int_equal(run(line), 1);
		assert_true(matches(output, pattern));
		assert_true(matches(output, "^Infected files: 1$"));
	}
	assert_int_equal(run("scan --rules @plain.ndb @plain.eml"), 1);
	assert_true(matches(output, "/plain\\.eml: Test\\.Plain FOUND$"));
}

static void an_image_a_file_and_a_folder_find_the_same(void **state)
{
	static const char *const rules[] = {"@image", "@rules", "@rules/eicar.hdb"};
	char line[128];

	(void)state;
	assert_int_equal(run("compile @rules -o @image"), 0);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		(void)snprintf(line, sizeof(line), "scan --rules %s @base64.eml", rules[i]);
		assert_int_equal(run(line), 1);
		assert_true(matches(output, "/base64\\.eml: Test\\.Eicar FOUND$"));
		(void)snprintf(line, sizeof(line), "scan --rules %s @clean.eml", rules[i]);
		assert_int_equal(run(line), 0);
	}
}

// The event on line number i of the output. The caller lets go of it.
static json_t *event_of_line(size_t i)
{
	const char *line = output;
	const char *end;
	json_t *event;

	for (; i > 0; i--) {
		line = strchr(line, '\n');
		assert_non_null(line);
		line++;
	}
	end = strchr(line, '\n');
	assert_non_null(end);
	event = json_loadb(line, (size_t)(end - line), 0, NULL);
	assert_non_null(event);
	assert_string_equal(json_string_value(json_object_get(event, "event")), "scan");
	assert_true(matches(json_string_value(json_object_get(event, "time")),
		"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{6}Z$"));
	return event;
}

static void an_event_says_what_was_found_where(void **state)
{
	json_t *event;
	json_t *part;
	json_t *match;

	(void)state;
	assert_int_equal(run("scan --rules @rules --json --digests md5,sha256 @base64.eml"), 1);
	event = event_of_line(0);
	assert_string_equal(json_string_value(json_object_get(event, "verdict")), "infected");
	assert_string_equal(json_string_value(json_object_get(event, "reason")), "hash");
	assert_int_equal(json_integer_value(json_object_get(event, "message")), 1);
	assert_int_equal(json_integer_value(json_object_get(event, "bytes")), strlen(ATTACHED));
	assert_int_equal(json_array_size(json_object_get(event, "matches")), 1);
	match = json_array_get(json_object_get(event, "matches"), 0);
	assert_string_equal(json_string_value(json_object_get(match, "signature")), "Test.Eicar");
	assert_string_equal(json_string_value(json_object_get(match, "kind")), "hash");
	assert_int_equal(json_integer_value(json_object_get(match, "part")), 2);
	assert_int_equal(json_array_size(json_object_get(event, "parts")), 2);
	part = json_array_get(json_object_get(event, "parts"), 1);
	assert_int_equal(json_integer_value(json_object_get(part, "index")), 2);
	assert_string_equal(json_string_value(json_object_get(part, "filename")), "eicar.com");
	assert_string_equal(json_string_value(json_object_get(part, "encoding")), "base64");
	assert_int_equal(json_integer_value(json_object_get(part, "bytes")), 68);
	assert_string_equal(json_string_value(json_object_get(part, "md5")), EICAR_MD5);
	assert_string_equal(json_string_value(json_object_get(part, "sha256")), EICAR_SHA256);
	assert_null(json_object_get(part, "sha1"));
	json_decref(event);
}

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

static size_t lines_until_summary(void)
{
	const char *end = strstr(output, "\n-----------");

	assert_non_null(end);
	return (size_t)(end - output);
}

static void workers_say_the_same_in_the_same_order(void **state)
{
	char *expected;
	size_t bytes;

	(void)state;
	assert_int_equal(run("scan --rules @rules --all-match @mail @box @box @mail"), 1);
	bytes = lines_until_summary();
	expected = strndup(output, bytes);
	assert_non_null(expected);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(
			run("scan --rules @rules --workers 4 --all-match @mail @box @box @mail"),
			1);
		assert_int_equal(lines_until_summary(), bytes);
		assert_memory_equal(output, expected, bytes);
	}
	free(expected);
	assert_int_equal(run("scan --rules @rules --workers 0 @box"), 2);
	assert_int_equal(run("scan --rules @rules --workers 2x @box"), 2);
	assert_int_equal(run("scan --rules @rules --workers 257 @box"), 2);
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

static void what_is_no_file_is_an_error_or_passed_over(void **state)
{
	char path[512];

	(void)state;
	make_folder("odd");
	path_in(path, sizeof(path), "odd/fifo");
	assert_int_equal(mkfifo(path, 0600), 0);
	path_in(path, sizeof(path), "odd/loop");
	assert_int_equal(symlink(".", path), 0);
	path_in(path, sizeof(path), "odd/nowhere");
	assert_int_equal(symlink("nothing", path), 0);
	assert_int_equal(run("scan --rules @rules @odd"), 0);
	assert_int_equal(run("scan --rules @rules @odd/fifo"), 2);
	assert_int_equal(run("scan --rules @rules @odd/nowhere"), 2);
	assert_int_equal(run("scan --rules @rules /dev/zero"), 2);
	// What was found comes before what was not scanned.
	assert_int_equal(run("scan --rules @rules @odd/fifo @box"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(help_goes_to_stdout_and_ends_well),
		cmocka_unit_test(what_is_no_command_line_ends_with_2_and_nothing_on_stdout),
		cmocka_unit_test(what_is_to_be_read_is_not_overwritten),
		cmocka_unit_test(output_that_does_not_arrive_is_an_error),
		cmocka_unit_test(a_malformed_line_is_reported_and_the_rest_compiled),
		cmocka_unit_test(clean_mail_is_ok_and_ends_with_0),
		cmocka_unit_test(eicar_is_found_in_each_wrapping),
		cmocka_unit_test(an_image_a_file_and_a_folder_find_the_same),
		cmocka_unit_test(an_event_says_what_was_found_where),
		cmocka_unit_test(a_mailbox_is_its_messages),
		cmocka_unit_test(nothing_hides_behind_from),
		cmocka_unit_test(a_mailbox_is_what_was_put_into_it),
		cmocka_unit_test(a_maildir_holds_messages_whatever_they_look_like),
		cmocka_unit_test(workers_say_the_same_in_the_same_order),
		cmocka_unit_test(standard_input_is_scanned_as_a_file_is),
		cmocka_unit_test(what_is_no_file_is_an_error_or_passed_over),
	};

	return cmocka_run_group_tests(tests, make_files, drop_files);
}
