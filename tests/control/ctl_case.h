// SPDX-License-Identifier: BSD-3-Clause
// Real runs of cordonctl in a folder of their own, with files to look into.
#pragma once

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

static inline void path_in(char *out, size_t room, const char *path)
{
	assert_true((size_t)snprintf(out, room, "%s/%s", folder, path) < room);
}

static inline void make_folder(const char *path)
{
	char full[256];

	path_in(full, sizeof(full), path);
	assert_int_equal(mkdir(full, 0700), 0);
}

static inline int make_files(void **state)
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

static inline int drop_files(void **state)
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

static inline void read_output(const char *name, char *text)
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
static inline int run(const char *line)
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

static inline bool matches(const char *text, const char *pattern)
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

// The event on line number i of the output. The caller lets go of it.
static inline json_t *event_of_line(size_t i)
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
