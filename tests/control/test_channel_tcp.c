// SPDX-License-Identifier: BSD-3-Clause
// Who connects anew to say something urgent does not wait for other work: the connection is taken and its frame read
// by the urgent context alone.
#include "control/channel.h"
#include "control/urgent.h"
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

#define CONNECTIONS 10
#define PATIENCE_S 60
#define CROWD 40
#define LOOKS 200

static struct {
	void *channel;
	struct sockaddr_in address;
	unsigned int taken;
} lab;

static int refuse_with; // an errno; 0: it does not

int __real_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
	if (refuse_with == 0)
		return __real_accept4(fd, address, length, flags);
	errno = refuse_with;
	return -1;
}

void alerts_take(struct alerts *alerts, const struct alerts_source *source, const void *text,
	size_t bytes, int64_t now_s)
{
	const struct alerts_answer said = {.receipt = "receipt"};

	(void)alerts;
	(void)now_s;
	assert_int_equal(bytes, 5);
	assert_memory_equal(text, "alert", 5);
	lab.taken++;
	source->answer(source->ctx, source->token, &said);
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

static void set_listen(struct control_options *options)
{
	(void)snprintf(options->alerts.tcp.listen, sizeof(options->alerts.tcp.listen),
		"127.0.0.1:%u", ntohs(lab.address.sin_port));
	options->alerts.tcp.peers = CROWD;
}

static int setup(void **state)
{
	static struct control_options options;
	char error[256] = "";

	(void)state;
	memset(&lab, 0, sizeof(lab));
	lab.address = find_address();
	set_listen(&options);
	assert_int_equal(urgent_open(), 0);
	assert_int_equal(channel_tcp.open(&options, NULL, &lab.channel, error, sizeof(error)), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	channel_tcp.close(lab.channel);
	urgent_close();
	return 0;
}

static int send_alert(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&lab.address, sizeof(lab.address)), 0);
	assert_int_equal(write(fd, "\0\0\0\5alert", 9), 9);
	return fd;
}

static void a_new_connection_is_as_urgent_as_what_it_brings(void **state)
{
	(void)state;
	for (unsigned int i = 1; i <= CONNECTIONS; i++) {
		char receipt[11];
		int fd = send_alert();

		while (lab.taken < i)
			(void)g_main_context_iteration(urgent_context(), TRUE);
		// And the answer.
		while (recv(fd, receipt, sizeof(receipt), MSG_PEEK | MSG_DONTWAIT) !=
			sizeof(receipt))
			(void)g_main_context_iteration(urgent_context(), TRUE);
		assert_memory_equal(receipt, "\0\0\0\7receipt", sizeof(receipt));
		(void)close(fd);
	}
}

static void those_that_come_at_once_are_all_heard(void **state)
{
	int fds[CONNECTIONS];

	(void)state;
	for (unsigned int i = 0; i < CONNECTIONS; i++)
		fds[i] = send_alert();
	while (lab.taken < CONNECTIONS)
		(void)g_main_context_iteration(urgent_context(), TRUE);
	for (unsigned int i = 0; i < CONNECTIONS; i++)
		(void)close(fds[i]);
}

// No more than these beside those that there are. Returns what was allowed before.
static struct rlimit allow_descriptors(unsigned int more)
{
	struct rlimit before;
	struct rlimit few;
	int next = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);

	assert_true(next >= 0);
	(void)close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = (rlim_t)next + more;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	return before;
}

static void without_descriptors_nothing_is_busy_and_who_waits_is_heard_later(void **state)
{
	int fds[2] = {send_alert(), send_alert()};
	struct rlimit before = allow_descriptors(0);
	unsigned int busy = 0;

	(void)state;
	for (unsigned int i = 0; i < LOOKS; i++) {
		busy += g_main_context_iteration(urgent_context(), FALSE) ? 1 : 0;
		(void)usleep(100);
	}
	assert_in_range(busy, 0, LOOKS / 2);
	assert_int_equal(lab.taken, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	while (lab.taken < 2)
		(void)g_main_context_iteration(urgent_context(), TRUE);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

// Each is heard, and goes for the next one: some descriptors are left for what else there is to do.
static void a_crowd_does_not_take_all_descriptors(void **state)
{
	struct rlimit before;
	int fds[CROWD];
	int left[4];

	(void)state;
	for (unsigned int i = 0; i < CROWD; i++)
		fds[i] = send_alert();
	before = allow_descriptors(CROWD);
	while (lab.taken < CROWD)
		(void)g_main_context_iteration(urgent_context(), TRUE);
	for (size_t i = 0; i < 4; i++) {
		left[i] = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
		assert_true(left[i] >= 0);
	}
	for (size_t i = 0; i < 4; i++)
		(void)close(left[i]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	for (unsigned int i = 0; i < CROWD; i++)
		(void)close(fds[i]);
}

// All others of the machine have them, or its memory: for as long as that lasts.
static void what_the_machine_lacks_costs_nobody_who_is_there(void **state)
{
	static const int reasons[] = {ENFILE, ENOMEM, ENOBUFS};
	char receipt[11];
	int fd = send_alert();
	int other;

	(void)state;
	while (recv(fd, receipt, sizeof(receipt), MSG_DONTWAIT) != sizeof(receipt))
		(void)g_main_context_iteration(urgent_context(), TRUE);
	other = send_alert();
	for (unsigned int i = 0; i < LOOKS; i++) {
		refuse_with = reasons[i % 3];
		(void)g_main_context_iteration(urgent_context(), FALSE);
		(void)usleep(100);
	}
	assert_int_equal(lab.taken, 1);
	assert_int_equal(recv(fd, receipt, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	refuse_with = 0;
	while (lab.taken < 2)
		(void)g_main_context_iteration(urgent_context(), TRUE);
	(void)close(fd);
	(void)close(other);
}

static void an_address_that_is_taken_is_told(void **state)
{
	static struct control_options options;
	char error[256] = "";
	void *other = NULL;

	(void)state;
	set_listen(&options);
	assert_int_not_equal(channel_tcp.open(&options, NULL, &other, error, sizeof(error)), 0);
	assert_null(other);
	assert_non_null(strstr(error, "alerts.tcp.listen: 127.0.0.1:"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_connection_is_as_urgent_as_what_it_brings),
		TEST(those_that_come_at_once_are_all_heard),
		TEST(without_descriptors_nothing_is_busy_and_who_waits_is_heard_later),
		TEST(a_crowd_does_not_take_all_descriptors),
		TEST(what_the_machine_lacks_costs_nobody_who_is_there),
		TEST(an_address_that_is_taken_is_told),
	};

	// Where nobody listens to it the urgent context would be waited for in vain.
	(void)alarm(PATIENCE_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
