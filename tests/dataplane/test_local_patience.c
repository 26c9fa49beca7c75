// SPDX-License-Identifier: BSD-3-Clause
// Nobody at a local socket is waited for without end, and nobody keeps it busy: neither who does not let others in, nor a
// signal, nor a process that has no descriptor left. What is urgent is answered while the rest waits.
#include "dataplane/local_packet.h"
#include "dataplane/local_socket.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_S 60
#define SIGNALS 200
#define LOOKS 200
#define MANY (2 * LOCAL_CLIENTS + 8)

static char folder[] = "/tmp/test_local_patience.XXXXXX";
static char path[64];
static struct local_server *server;
static char order[16]; // first letters of what was answered
static int asker = -1; // which goes while its long question is answered
static unsigned int busy_looks;

static void work_long(void);

static void answer(void *ctx, struct local_request *request, struct local_answer *out)
{
	size_t n = strlen(order);

	(void)ctx;
	assert_int_equal(strlen(request->text), request->bytes);
	if (n < sizeof(order) - 1)
		order[n] = request->text[0];
	if (strcmp(request->text, "long") == 0)
		work_long();
	out->text = strdup(request->text);
}

static int setup(void **state)
{
	(void)state;
	memset(order, 0, sizeof(order));
	return local_server_open(path, answer, NULL, &server);
}

static int teardown(void **state)
{
	(void)state;
	local_server_close(server);
	return 0;
}

static bool is_readable(void)
{
	struct pollfd polled = {.fd = local_server_descriptor(server), .events = POLLIN};

	return poll(&polled, 1, 0) > 0;
}

static void expect_answer(int fd, const char *text)
{
	char *found = NULL;

	assert_int_equal(local_receive(fd, &found), 0);
	assert_string_equal(found, text);
	free(found);
}

static void expect_none(int fd)
{
	char *found = NULL;

	assert_int_equal(local_receive(fd, &found), -EAGAIN);
}

// ---- who asks -----------------------------------------------------------------------------------

// As a process that was stopped has it, or one that is at something else for long.
static void who_lets_nobody_in_is_not_waited_for_without_end(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char *text = NULL;
	int fds[MANY];
	int n = 0;
	int fd = -1;

	(void)state;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	for (int err = 0; err == 0 && n < MANY; n++) {
		fds[n] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		err = connect(fds[n], (const struct sockaddr *)&address, sizeof(address));
	}
	assert_in_range(n, 1, MANY - 1);
	assert_int_equal(local_ask(path, "ping", -1, 1, &text, NULL), -ETIMEDOUT);
	assert_int_equal(local_connect(path, &fd), -ETIMEDOUT);
	while (n > 0)
		(void)close(fds[--n]);
}

struct asking {
	char *answer;
	int err;
};

static void *ask(void *arg)
{
	struct asking *asking = arg;

	asking->err = local_ask(path, "ping", -1, PATIENCE_S, &asking->answer, NULL);
	return NULL;
}

static atomic_uint signals;

static void count_signal(int number)
{
	(void)number;
	(void)atomic_fetch_add(&signals, 1);
}

static void a_signal_does_not_end_the_wait_for_an_answer(void **state)
{
	const struct sigaction counted = {.sa_handler = count_signal};
	struct asking asking = {.answer = NULL};
	pthread_t thread;

	(void)state;
	assert_int_equal(sigaction(SIGUSR1, &counted, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, ask, &asking), 0);
	while (!is_readable())
		(void)usleep(1000);
	for (unsigned int i = 1; i <= SIGNALS; i++) {
		assert_int_equal(pthread_kill(thread, SIGUSR1), 0);
		while (atomic_load(&signals) < i)
			(void)usleep(10);
	}
	// It asks once, whatever has come between.
	while (order[0] == '\0')
		local_server_serve(server);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(asking.err, 0);
	assert_string_equal(asking.answer, "ping");
	assert_string_equal(order, "p");
	free(asking.answer);
}

// ---- what is urgent -----------------------------------------------------------------------------

static bool is_urgent(const struct local_request *request)
{
	return strncmp(request->text, "urgent", strlen("urgent")) == 0;
}

static void what_is_urgent_is_answered_and_the_rest_is_kept(void **state)
{
	int ends[2];
	int fds[4];
	char byte;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(local_connect(path, &fds[i]), 0);
	assert_int_equal(local_send(fds[0], "common"), 0);
	assert_int_equal(local_send(fds[0], "next"), 0);
	assert_int_equal(local_send(fds[1], "urgent"), 0);
	assert_int_equal(local_send(fds[2], "gone"), 0);
	assert_true(local_server_take(server, is_urgent));
	assert_string_equal(order, "u");
	expect_answer(fds[1], "urgent");
	expect_none(fds[0]);
	// Nothing is left that could be done now: whoever waits for the descriptor sleeps.
	assert_false(is_readable());
	(void)close(fds[2]);
	assert_true(is_readable());
	assert_true(local_server_take(server, is_urgent));
	assert_false(is_readable());
	assert_string_equal(order, "u");
	local_server_serve(server);
	expect_answer(fds[0], "common");
	// Of one client they are answered in their order.
	assert_string_equal(order, "uc");
	assert_true(is_readable());
	assert_true(local_server_take(server, is_urgent));
	local_server_serve(server);
	expect_answer(fds[0], "next");
	assert_false(local_server_take(server, is_urgent));
	// What came with a question goes with it.
	assert_int_equal(local_packet_send(fds[3], "last", ends[1], 0), strlen("last"));
	(void)close(ends[1]);
	assert_true(local_server_take(server, is_urgent));
	(void)close(fds[3]);
	assert_false(local_server_take(server, is_urgent));
	assert_int_equal(read(ends[0], &byte, 1), 0);
	(void)close(ends[0]);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

// What the urgent context does in the midst of it, as often as the descriptor says that there is something.
static void work_long(void)
{
	if (asker >= 0)
		(void)close(asker);
	asker = -1;
	for (unsigned int i = 0; i < LOOKS && is_readable(); i++) {
		busy_looks++;
		assert_false(local_server_take(server, is_urgent));
	}
}

// The work would have no processor else, for the loop's priority is higher.
static void look_while_it_is_answered(bool is_kept)
{
	int other;

	busy_looks = 0;
	assert_int_equal(local_connect(path, &asker), 0);
	assert_int_equal(local_connect(path, &other), 0);
	assert_int_equal(local_send(asker, "long"), 0);
	if (is_kept)
		assert_true(local_server_take(server, is_urgent));
	local_server_serve(server);
	assert_in_range(busy_looks, 0, 2);
	// It is seen then that it has gone, and the others are heard.
	assert_int_equal(local_send(other, "urgent"), 0);
	for (unsigned int i = 0; i < 2 && is_readable(); i++)
		assert_false(local_server_take(server, is_urgent));
	expect_answer(other, "urgent");
	assert_false(is_readable());
	(void)close(other);
}

static void who_goes_while_it_is_answered_keeps_nobody_busy(void **state)
{
	(void)state;
	look_while_it_is_answered(false);
	look_while_it_is_answered(true);
}

// Who asks the next thing in the midst of the answer is heard when it has that.
static void who_asks_while_it_is_answered_keeps_nobody_busy(void **state)
{
	int fd;

	(void)state;
	busy_looks = 0;
	assert_int_equal(local_connect(path, &fd), 0);
	assert_int_equal(local_send(fd, "long"), 0);
	assert_int_equal(local_send(fd, "next"), 0);
	local_server_serve(server);
	assert_in_range(busy_looks, 0, 2);
	expect_answer(fd, "long");
	assert_true(is_readable());
	local_server_serve(server);
	expect_answer(fd, "next");
	(void)close(fd);
}

static bool is_any(const char *beginning)
{
	(void)beginning;
	return true;
}

// Who connects anew because its connection has failed, say.
static void who_comes_while_an_answer_is_made_is_let_in(void **state)
{
	int fd = -1;

	(void)state;
	assert_int_equal(local_connect(path, &fd), 0);
	assert_int_equal(local_send(fd, "ping"), 0);
	local_server_serve_urgent(server, is_any);
	expect_answer(fd, "ping");
	(void)close(fd);
}

// ---- descriptors --------------------------------------------------------------------------------

// No more of them than there are now. Returns what was allowed before.
static struct rlimit use_up_descriptors(void)
{
	struct rlimit before;
	struct rlimit none;
	int next = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);

	assert_true(next >= 0);
	(void)close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	return before;
}

static void without_descriptors_one_at_a_time_is_served_and_nothing_is_busy(void **state)
{
	struct rlimit before;
	unsigned int busy = 0;
	int fds[3];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(local_connect(path, &fds[i]), 0);
		assert_int_equal(local_send(fds[i], i == 0 ? "a" : i == 1 ? "b" : "c"), 0);
	}
	before = use_up_descriptors();
	local_server_serve(server);
	expect_answer(fds[0], "a");
	for (unsigned int i = 0; i < LOOKS; i++) {
		busy += is_readable();
		local_server_serve(server);
		(void)usleep(100);
	}
	// Now and then it is looked whether there are some again.
	assert_in_range(busy, 0, LOOKS / 2);
	expect_none(fds[1]);
	// Who goes makes room for the next. Its own end was a descriptor of this process, too.
	(void)close(fds[0]);
	while (strlen(order) < 3)
		local_server_serve(server);
	expect_answer(fds[1], "b");
	expect_answer(fds[2], "c");
	assert_string_equal(order, "abc");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	(void)close(fds[1]);
	(void)close(fds[2]);
}

// There is room for one beside a packet, and for two in what that is rounded up to.
static void of_two_that_come_with_a_question_none_stays(void **state)
{
	struct iovec place = {(void *)(uintptr_t) "two", 3};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = {.bytes = {0}};
	struct msghdr header = {.msg_iov = &place,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	int ends[2];
	int fd;
	char byte;

	(void)state;
	assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	assert_int_equal(local_connect(path, &fd), 0);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(&control.header), (const int[2]){ends[1], ends[1]}, 2 * sizeof(int));
	assert_int_equal(sendmsg(fd, &header, 0), 3);
	(void)close(ends[1]);
	local_server_serve(server);
	expect_answer(fd, "two");
	// Its end is open nowhere any more.
	assert_int_equal(read(ends[0], &byte, 1), 0);
	(void)close(ends[0]);
	(void)close(fd);
}

static void who_waited_for_a_descriptor_is_let_in_when_there_is_one(void **state)
{
	struct rlimit before;
	int fds[2];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(local_connect(path, &fds[i]), 0);
		assert_int_equal(local_send(fds[i], i == 0 ? "a" : "b"), 0);
	}
	before = use_up_descriptors();
	local_server_serve(server);
	local_server_serve(server);
	expect_none(fds[1]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	// The first stays: nobody but the clock tells of it.
	while (strlen(order) < 2) {
		struct pollfd polled = {.fd = local_server_descriptor(server), .events = POLLIN};

		assert_true(poll(&polled, 1, PATIENCE_S * 1000) > 0);
		local_server_serve(server);
	}
	expect_answer(fds[1], "b");
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static int make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/sock", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_lets_nobody_in_is_not_waited_for_without_end),
		TEST(a_signal_does_not_end_the_wait_for_an_answer),
		TEST(what_is_urgent_is_answered_and_the_rest_is_kept),
		TEST(who_goes_while_it_is_answered_keeps_nobody_busy),
		TEST(who_asks_while_it_is_answered_keeps_nobody_busy),
		TEST(who_comes_while_an_answer_is_made_is_let_in),
		TEST(without_descriptors_one_at_a_time_is_served_and_nothing_is_busy),
		TEST(of_two_that_come_with_a_question_none_stays),
		TEST(who_waited_for_a_descriptor_is_let_in_when_there_is_one),
	};

	// What would wait without end is ended.
	(void)alarm(PATIENCE_S);
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
