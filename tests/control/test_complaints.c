// SPDX-License-Identifier: BSD-3-Clause
// Nobody waits for who reads what is said on standard error: what has no room is lost, what comes when it is read again
// is there, and who shares the pipe finds it as it was.
#include "control/complaints.h"
#include "tests/support/unit.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_S 60
#define LINES 20000
#define LINE "something is wrong, and nobody reads it\n"

static struct {
	int before; // standard error
	FILE *file;
	int ends[2];
	size_t bytes; // that were read
} lab;

// Nothing is printed by the test while it is another one.
static void take_place(int fd)
{
	lab.file = stderr;
	lab.before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_true(lab.before >= 0);
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
}

static void give_back(void)
{
	if (stderr != lab.file)
		(void)fclose(stderr);
	stderr = lab.file;
	(void)dup2(lab.before, STDERR_FILENO);
	(void)close(lab.before);
	(void)close(lab.ends[0]);
	(void)close(lab.ends[1]);
}

// Returns what was read last.
static char drain(void)
{
	char data[65536];
	char last = '\0';
	ssize_t n;

	lab.bytes = 0;
	assert_int_equal(fcntl(lab.ends[0], F_SETFL, O_NONBLOCK), 0);
	while ((n = read(lab.ends[0], data, sizeof(data))) > 0) {
		last = data[n - 1];
		lab.bytes += (size_t)n;
	}
	return last;
}

// Whether more than fits was said, and what comes behind it is heard.
static void complain_at_length(bool *is_heard)
{
	complaints_never_wait();
	for (unsigned int i = 0; i < LINES; i++)
		(void)fputs(LINE, stderr);
	(void)drain();
	(void)fputs("!\n", stderr);
	*is_heard = drain() == '\n' && lab.bytes == 2;
}

static void a_pipe_that_is_not_read_is_not_waited_for(void **state)
{
	bool is_heard;
	int flags;

	(void)state;
	assert_int_equal(pipe2(lab.ends, O_CLOEXEC), 0);
	take_place(lab.ends[1]);
	complain_at_length(&is_heard);
	flags = fcntl(lab.ends[1], F_GETFL);
	give_back();
	assert_true(is_heard);
	assert_int_equal(flags & O_NONBLOCK, 0);
}

static void a_socket_that_is_not_read_is_not_waited_for(void **state)
{
	bool is_heard;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, lab.ends), 0);
	take_place(lab.ends[1]);
	complain_at_length(&is_heard);
	give_back();
	assert_true(is_heard);
}

static void a_file_is_left_as_it_is(void **state)
{
	char path[] = "/tmp/cordon-complaints-XXXXXX";
	char text[16] = "";

	(void)state;
	lab.ends[1] = mkstemp(path);
	lab.ends[0] = open(path, O_RDONLY | O_CLOEXEC);
	take_place(lab.ends[1]);
	complaints_never_wait();
	(void)fputs("said", stderr);
	(void)!read(lab.ends[0], text, sizeof(text) - 1);
	give_back();
	assert_string_equal(text, "said");
	assert_int_equal(unlink(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pipe_that_is_not_read_is_not_waited_for),
		cmocka_unit_test(a_socket_that_is_not_read_is_not_waited_for),
		cmocka_unit_test(a_file_is_left_as_it_is),
	};

	(void)alarm(PATIENCE_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
