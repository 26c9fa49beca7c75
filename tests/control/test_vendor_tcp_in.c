// SPDX-License-Identifier: BSD-3-Clause
// Who connects to the vendor gets the root document, and a crowd of strangers leaves it descriptors for what else there is
// to do.
#include "control/vendor_send.h"
#include "tests/support/unit.h"

#include <glib.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_S 60
#define CROWD 40
#define LEFT 8 // that what else there is to do takes
#define ROOT "root"

static struct {
	struct vendor_options options;
	struct sockaddr_in address;
	void *way;
	int fds[CROWD];
	bool is_over[CROWD]; // it was let in, or sent away
	unsigned int let_in;
	unsigned int sent_away;
} lab;

static const char *root(void *ctx)
{
	(void)ctx;
	return ROOT;
}

// One that is free now.
static struct sockaddr_in find_address(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	(void)close(fd);
	return address;
}

static int setup(void **state)
{
	const struct vendor_sink sink = {.root = root, .vendor = "acme"};
	char error[256] = "";

	(void)state;
	memset(&lab, 0, sizeof(lab));
	lab.address = find_address();
	(void)snprintf(lab.options.tcp.listen, sizeof(lab.options.tcp.listen), "127.0.0.1:%u",
		ntohs(lab.address.sin_port));
	assert_int_equal(
		vendor_way_tcp_in.open(&lab.options, &sink, &lab.way, error, sizeof(error)), 0);
	for (size_t i = 0; i < CROWD; i++) {
		lab.fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_true(lab.fds[i] >= 0);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < CROWD; i++)
		(void)close(lab.fds[i]);
	vendor_way_tcp_in.close(lab.way);
	while (g_main_context_iteration(NULL, FALSE))
		continue;
	return 0;
}

// A root document has come, or the end.
static void look(size_t i)
{
	char text[sizeof(ROOT) + 4];
	ssize_t n = recv(lab.fds[i], text, sizeof(text), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	lab.is_over[i] = true;
	if (n == 4 + (ssize_t)strlen(ROOT) && memcmp(text + 4, ROOT, strlen(ROOT)) == 0)
		lab.let_in++;
	else
		lab.sent_away++;
}

static void come(size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_int_equal(
			connect(lab.fds[i], (struct sockaddr *)&lab.address, sizeof(lab.address)),
			0);
	while (lab.let_in + lab.sent_away < count) {
		(void)g_main_context_iteration(NULL, FALSE);
		for (size_t i = 0; i < count; i++) {
			if (!lab.is_over[i])
				look(i);
		}
	}
}

static void who_connects_gets_the_root_document(void **state)
{
	(void)state;
	come(3);
	assert_int_equal(lab.let_in, 3);
}

static void a_crowd_leaves_descriptors(void **state)
{
	int next = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
	struct rlimit before;
	struct rlimit few;
	int left[LEFT];

	(void)state;
	assert_true(next >= 0);
	(void)close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = (rlim_t)next + CROWD;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	come(CROWD);
	for (size_t i = 0; i < LEFT; i++)
		left[i] = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	for (size_t i = 0; i < LEFT; i++) {
		assert_true(left[i] >= 0);
		(void)close(left[i]);
	}
	assert_true(lab.let_in > 0);
	assert_true(lab.sent_away > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_connects_gets_the_root_document),
		TEST(a_crowd_leaves_descriptors),
	};

	(void)alarm(PATIENCE_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
