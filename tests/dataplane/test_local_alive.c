// SPDX-License-Identifier: BSD-3-Clause
// An answer is waited for as long as the process that makes it answers anything.
#include "dataplane/local_socket.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LOOKS 3

static struct {
	char folder[64];
	char path[96];
	int fd;
} lab;

static int enter(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)state;
	(void)snprintf(lab.folder, sizeof(lab.folder), "/tmp/alive.XXXXXX");
	if (mkdtemp(lab.folder) == NULL)
		return -1;
	(void)snprintf(lab.path, sizeof(lab.path), "%s/socket", lab.folder);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", lab.path);
	lab.fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	return bind(lab.fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
			       listen(lab.fd, LOOKS) != 0
		       ? -1
		       : 0;
}

static int leave(void **state)
{
	(void)state;
	(void)close(lab.fd);
	(void)unlink(lab.path);
	return rmdir(lab.folder);
}

// Tells its status a few times, and what was asked in the first place then.
static void *serve(void *ctx)
{
	int first = -1;
	int looks = 0;

	(void)ctx;
	while (looks < LOOKS) {
		char text[64] = "";
		int fd = accept(lab.fd, NULL, NULL);

		(void)!recv(fd, text, sizeof(text) - 1, 0);
		if (strstr(text, "status") == NULL) {
			first = fd;
			continue;
		}
		looks++;
		(void)send(fd, "{}", 2, 0);
		(void)close(fd);
	}
	(void)send(first, "done", 4, 0);
	(void)close(first);
	return NULL;
}

static void a_slow_answer_is_waited_for(void **state)
{
	const struct local_question question = {"{\"command\":\"x\"}", -1, 3600};
	char *answer = NULL;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
	assert_int_equal(local_ask_alive(lab.path, &question, "status", 1, &answer), 0);
	assert_string_equal(answer, "done");
	free(answer);
	(void)pthread_join(thread, NULL);
}

// As of a process that was stopped: the kernel takes what it is asked.
static void who_does_not_answer_anything_is_not_waited_for(void **state)
{
	const struct local_question question = {"{\"command\":\"x\"}", -1, 3600};
	char *answer = NULL;

	(void)state;
	assert_int_equal(local_ask_alive(lab.path, &question, "status", 1, &answer), -ETIMEDOUT);
	assert_null(answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_slow_answer_is_waited_for, enter, leave),
		cmocka_unit_test_setup_teardown(
			who_does_not_answer_anything_is_not_waited_for, enter, leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
