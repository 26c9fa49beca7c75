// SPDX-License-Identifier: BSD-3-Clause
// The socket between the programs of a gateway, both ends in one process: a thread asks, the test's own
// thread serves.
#include "dataplane/local_socket.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SECONDS 5

static char folder[] = "/tmp/test_local_socket.XXXXXX";
static char path[64];

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
	(void)unlink(path);
	return rmdir(folder);
}

// As long as *ctx says, so that large answers are tried too: of the question's first letter.
static void answer(void *ctx, struct local_request *request, struct local_answer *out)
{
	size_t n = *(size_t *)ctx;

	assert_int_equal(request->uid, getuid());
	assert_int_equal(strlen(request->text), request->bytes);
	out->text = malloc(n + 1);
	assert_non_null(out->text);
	memset(out->text, request->text[0], n);
	out->text[n] = '\0';
}

struct asking {
	const char *text;
	char *answer;
	int passed;
	int received;
	int err;
	int done[2]; // pipe: written when there is an answer
};

static void *ask(void *arg)
{
	struct asking *asking = arg;

	asking->err = local_ask(
		path, asking->text, asking->passed, SECONDS, &asking->answer, &asking->received);
	(void)!write(asking->done[1], "", 1);
	return NULL;
}

static void serve_until(struct local_server *server, int done)
{
	for (;;) {
		struct pollfd polls[2] = {{.fd = done, .events = POLLIN},
			{.fd = local_server_descriptor(server), .events = POLLIN}};

		assert_true(poll(polls, 2, SECONDS * 1000) > 0);
		if (polls[0].revents != 0)
			return;
		local_server_serve(server);
	}
}

static void ask_and_serve(struct local_server *server, struct asking *asking)
{
	pthread_t thread;

	assert_int_equal(pipe(asking->done), 0);
	assert_int_equal(pthread_create(&thread, NULL, ask, asking), 0);
	serve_until(server, asking->done[0]);
	assert_int_equal(pthread_join(thread, NULL), 0);
	(void)close(asking->done[0]);
	(void)close(asking->done[1]);
}

static void a_question_gets_its_answer_whole(void **state)
{
	(void)state;
	static const size_t sizes[] = {2, 4096, 150000};
	struct local_server *server;
	size_t size = 0;

	assert_int_equal(local_server_open(path, answer, &size, &server), 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct asking asking = {.text = i % 2 == 0 ? "stats" : "ping\n", .passed = -1};

		size = sizes[i];
		ask_and_serve(server, &asking);
		assert_int_equal(asking.err, 0);
		assert_int_equal(strlen(asking.answer), size);
		assert_int_equal(asking.answer[size - 1], i % 2 == 0 ? 's' : 'p');
		assert_int_equal(asking.received, -1);
		free(asking.answer);
	}
	local_server_close(server);
}

static void a_long_question_arrives_and_one_too_long_is_refused(void **state)
{
	(void)state;
	char *text = malloc(LOCAL_REQUEST_BYTES + 2);
	struct asking asking = {.text = text, .passed = -1};
	struct local_server *server;
	size_t size = 1;

	assert_non_null(text);
	memset(text, 'a', LOCAL_REQUEST_BYTES + 1);
	text[LOCAL_REQUEST_BYTES - 4096] = '\0';
	assert_int_equal(local_server_open(path, answer, &size, &server), 0);
	ask_and_serve(server, &asking);
	assert_int_equal(asking.err, 0);
	assert_string_equal(asking.answer, "a");
	free(asking.answer);
	text[LOCAL_REQUEST_BYTES - 4096] = 'a';
	text[LOCAL_REQUEST_BYTES + 1] = '\0';
	ask_and_serve(server, &asking);
	if (asking.err == 0) {
		assert_string_equal(asking.answer, "{\"error\":\"the request is too long\"}");
		free(asking.answer);
	} else {
		assert_int_equal(asking.err, -EMSGSIZE);
	}
	local_server_close(server);
	free(text);
}

// The answer is what was in the file that came with the question, and a file with the same.
static void read_passed(void *ctx, struct local_request *request, struct local_answer *out)
{
	char text[32] = "nothing";

	(void)ctx;
	if (request->fd >= 0) {
		assert_true(pread(request->fd, text, sizeof(text) - 1, 0) > 0);
		out->fd = dup(request->fd);
	}
	out->text = strdup(text);
}

// Two questions by one connection, each with the answer to it.
static void *ask_twice(void *arg)
{
	struct asking *asking = arg;
	int fd = -1;

	asking->err = local_connect(path, &fd);
	for (int i = 0; asking->err == 0 && i < 2; i++) {
		const struct local_question question = {
			i == 0 ? "ping" : asking->text, -1, SECONDS};

		free(asking->answer);
		asking->err = local_talk(&question, fd, &asking->answer, NULL);
	}
	if (fd >= 0)
		(void)close(fd);
	(void)!write(asking->done[1], "", 1);
	return NULL;
}

static void a_connection_that_stays_gets_each_answer_in_turn(void **state)
{
	(void)state;
	struct asking asking = {.text = "stats"};
	struct local_server *server;
	pthread_t thread;
	size_t size = 3;

	assert_int_equal(local_server_open(path, answer, &size, &server), 0);
	assert_int_equal(pipe(asking.done), 0);
	assert_int_equal(pthread_create(&thread, NULL, ask_twice, &asking), 0);
	serve_until(server, asking.done[0]);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(asking.err, 0);
	assert_string_equal(asking.answer, "sss");
	free(asking.answer);
	(void)close(asking.done[0]);
	(void)close(asking.done[1]);
	local_server_close(server);
}

static void a_connection_says_that_its_server_has_gone(void **state)
{
	(void)state;
	const struct local_question question = {"ping", -1, SECONDS};
	struct local_server *server;
	char *text = NULL;
	size_t size = 1;
	int err;
	int fd;

	assert_int_equal(local_server_open(path, answer, &size, &server), 0);
	assert_int_equal(local_connect(path, &fd), 0);
	local_server_serve(server);
	local_server_close(server);
	err = local_talk(&question, fd, &text, NULL);
	assert_true(err == -EPIPE || err == -ECONNRESET);
	assert_null(text);
	(void)close(fd);
}

// Nobody serves it: no answer comes.
static void who_is_to_end_waits_no_longer_for_a_server_that_hangs(void **state)
{
	(void)state;
	const struct local_question question = {"ping", -1, SECONDS};
	struct local_server *server;
	char *text = NULL;
	size_t size = 1;
	int end[2];

	assert_int_equal(local_server_open(path, answer, &size, &server), 0);
	assert_int_equal(pipe(end), 0);
	assert_int_equal(write(end[1], "", 1), 1);
	assert_int_equal(local_ask_until(path, &question, end[0], &text), -ECANCELED);
	assert_null(text);
	(void)close(end[0]);
	(void)close(end[1]);
	local_server_close(server);
}

static void descriptors_go_both_ways(void **state)
{
	(void)state;
	struct local_server *server;
	struct asking asking = {.text = "rules", .passed = memfd_create("passed", MFD_CLOEXEC)};
	char text[32] = "";

	assert_int_equal(write(asking.passed, "an image", 8), 8);
	assert_int_equal(local_server_open(path, read_passed, NULL, &server), 0);
	ask_and_serve(server, &asking);
	assert_int_equal(asking.err, 0);
	assert_string_equal(asking.answer, "an image");
	assert_int_equal(pread(asking.received, text, sizeof(text) - 1, 0), 8);
	assert_string_equal(text, "an image");
	free(asking.answer);
	(void)close(asking.received);
	(void)close(asking.passed);
	asking.passed = -1;
	ask_and_serve(server, &asking);
	assert_string_equal(asking.answer, "nothing");
	assert_int_equal(asking.received, -1);
	free(asking.answer);
	local_server_close(server);
}

struct later {
	struct local_server *server;
	uint64_t client; // that waits; 0: none
};

// The first question is answered when the second one comes.
static void answer_later(void *ctx, struct local_request *request, struct local_answer *out)
{
	struct later *later = ctx;
	struct local_answer late = {.fd = -1};

	if (later->client == 0) {
		later->client = request->client;
		out->later = true;
		return;
	}
	late.text = strdup("late");
	local_server_answer(later->server, later->client, &late);
	out->text = strdup("at once");
}

static void an_answer_may_come_later(void **state)
{
	(void)state;
	struct later later = {.client = 0};
	struct asking first = {.text = "first", .passed = -1};
	struct asking second = {.text = "second", .passed = -1};
	pthread_t thread;

	assert_int_equal(local_server_open(path, answer_later, &later, &later.server), 0);
	assert_int_equal(pipe(first.done), 0);
	assert_int_equal(pthread_create(&thread, NULL, ask, &first), 0);
	while (later.client == 0) {
		struct pollfd polled = {
			.fd = local_server_descriptor(later.server), .events = POLLIN};

		assert_int_equal(poll(&polled, 1, SECONDS * 1000), 1);
		local_server_serve(later.server);
	}
	ask_and_serve(later.server, &second);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(first.err, 0);
	assert_string_equal(first.answer, "late");
	assert_string_equal(second.answer, "at once");
	free(first.answer);
	free(second.answer);
	(void)close(first.done[0]);
	(void)close(first.done[1]);
	local_server_close(later.server);
}

static void serve_when_ready(struct local_server *server)
{
	struct pollfd polled = {.fd = local_server_descriptor(server), .events = POLLIN};

	assert_int_equal(poll(&polled, 1, SECONDS * 1000), 1);
	local_server_serve(server);
}

static void who_waits_and_goes_keeps_nobody_busy(void **state)
{
	struct later later = {.client = 0};
	struct local_answer late = {.fd = -1};
	struct pollfd polled = {.events = POLLIN};
	char *text = NULL;
	int fd = -1;

	(void)state;
	assert_int_equal(local_server_open(path, answer_later, &later, &later.server), 0);
	assert_int_equal(local_connect(path, &fd), 0);
	assert_int_equal(local_send(fd, "first"), 0);
	serve_when_ready(later.server);
	assert_int_not_equal(later.client, 0);
	assert_int_equal(local_receive(fd, &text), -EAGAIN);
	late.text = strdup("late");
	local_server_answer(later.server, later.client, &late);
	assert_false(local_server_is_waiting(later.server, later.client));
	assert_int_equal(local_receive(fd, &text), 0);
	assert_string_equal(text, "late");
	free(text);

	later.client = 0;
	assert_int_equal(local_send(fd, "again"), 0);
	serve_when_ready(later.server);
	assert_int_not_equal(later.client, 0);
	assert_true(local_server_is_waiting(later.server, later.client));
	assert_false(local_server_is_waiting(later.server, later.client + 1));
	(void)close(fd);
	assert_false(
		local_server_is_waiting(later.server, later.client)); // before anybody has looked
	serve_when_ready(later.server);
	assert_false(local_server_is_waiting(later.server, later.client));
	polled.fd = local_server_descriptor(later.server);
	assert_int_equal(poll(&polled, 1, 0), 0);
	late = (struct local_answer){strdup("nobody is there"), -1, false};
	local_server_answer(later.server, later.client, &late);

	// Nor when it has asked beside.
	later.client = 0;
	assert_int_equal(local_connect(path, &fd), 0);
	assert_int_equal(local_send(fd, "wait"), 0);
	serve_when_ready(later.server);
	assert_int_not_equal(later.client, 0);
	assert_int_equal(local_send(fd, "and this"), 0);
	assert_int_equal(close(fd), 0);
	serve_when_ready(later.server);
	assert_int_equal(poll(&polled, 1, 0), 0);
	local_server_close(later.server);
}

static int connect_client(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

#define LONG "long: what is said of it is read behind what comes meanwhile"

static struct {
	struct local_server *server;
	char order[8]; // first letters of what was answered
} within;

static bool is_urgent(const char *beginning)
{
	return strncmp(beginning, "urgent ", strlen("urgent ")) == 0;
}

static void answer_within(void *ctx, struct local_request *request, struct local_answer *out)
{
	bool is_long = request->text[0] == 'l';

	(void)ctx;
	// Within one that is urgent nothing is.
	if (is_long || is_urgent(request->text))
		local_server_serve_urgent(within.server, is_urgent);
	if (is_long)
		assert_string_equal(request->text, LONG);
	within.order[strlen(within.order)] = request->text[is_long ? 0 : strlen("urgent ")];
	out->text = strdup(request->text);
}

static void expect_answer(int fd, const char *text)
{
	char *found = NULL;

	assert_int_equal(local_receive(fd, &found), 0);
	assert_string_equal(found, text);
	free(found);
}

static void an_urgent_question_is_answered_within_a_long_one(void **state)
{
	char *none = NULL;
	int clients[4];

	(void)state;
	memset(&within, 0, sizeof(within));
	assert_int_equal(local_server_open(path, answer_within, NULL, &within.server), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(local_connect(path, &clients[i]), 0);
	local_server_serve(within.server);
	// Who asked the long one is not heard before it; others are, if theirs is urgent.
	assert_int_equal(local_send(clients[0], LONG), 0);
	assert_int_equal(local_send(clients[0], "urgent again"), 0);
	assert_int_equal(local_send(clients[1], "common other"), 0);
	assert_int_equal(local_send(clients[2], "urgent B"), 0);
	(void)close(clients[3]);
	local_server_serve(within.server);
	assert_string_equal(within.order, "Blo");
	expect_answer(clients[0], LONG);
	expect_answer(clients[1], "common other");
	expect_answer(clients[2], "urgent B");
	assert_int_equal(local_receive(clients[0], &none), -EAGAIN);
	local_server_serve(within.server);
	assert_string_equal(within.order, "Bloa");
	expect_answer(clients[0], "urgent again");
	for (size_t i = 0; i < 3; i++)
		(void)close(clients[i]);
	local_server_close(within.server);
}

static void more_clients_than_places_wait_for_one(void **state)
{
	(void)state;
	struct asking asking = {.text = "stats", .passed = -1};
	struct pollfd polled = {.events = POLLIN};
	struct local_server *server;
	int clients[LOCAL_CLIENTS];
	size_t size = 1;

	assert_int_equal(local_server_open(path, answer, &size, &server), 0);
	polled.fd = local_server_descriptor(server);
	for (size_t i = 0; i < LOCAL_CLIENTS; i++)
		clients[i] = connect_client();
	while (poll(&polled, 1, 0) > 0)
		local_server_serve(server);
	(void)close(clients[0]);
	ask_and_serve(server, &asking);
	assert_int_equal(asking.err, 0);
	assert_string_equal(asking.answer, "s");
	free(asking.answer);
	for (size_t i = 1; i < LOCAL_CLIENTS; i++)
		(void)close(clients[i]);
	local_server_close(server);
}

static void one_process_has_the_socket(void **state)
{
	(void)state;
	struct local_server *server;
	struct local_server *second;
	size_t size = 1;

	assert_int_equal(local_server_open(path, answer, &size, &server), 0);
	assert_int_equal(local_server_open(path, answer, &size, &second), -EADDRINUSE);
	local_server_close(server);
	assert_int_equal(access(path, F_OK), -1);
}

static void a_socket_left_behind_is_taken_over_and_a_file_is_not(void **state)
{
	(void)state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct local_server *server;
	size_t size = 1;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	FILE *file;

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	(void)close(fd);
	assert_int_equal(local_server_open(path, answer, &size, &server), 0);
	local_server_close(server);

	file = fopen(path, "w");
	assert_non_null(file);
	(void)fclose(file);
	assert_int_equal(local_server_open(path, answer, &size, &server), -EEXIST);
	assert_int_equal(access(path, F_OK), 0);
	(void)unlink(path);
}

static void asking_nobody_is_an_error(void **state)
{
	(void)state;
	static char long_path[256];
	char *text = NULL;

	memset(long_path, 'a', sizeof(long_path) - 1);
	assert_int_equal(local_ask(path, "stats", -1, SECONDS, &text, NULL), -ENOENT);
	assert_int_equal(local_ask(long_path, "stats", -1, SECONDS, &text, NULL), -ENAMETOOLONG);
	assert_int_equal(local_ask("", "stats", -1, SECONDS, &text, NULL), -ENAMETOOLONG);
	assert_null(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_gets_its_answer_whole),
		cmocka_unit_test(a_long_question_arrives_and_one_too_long_is_refused),
		cmocka_unit_test(descriptors_go_both_ways),
		cmocka_unit_test(a_connection_that_stays_gets_each_answer_in_turn),
		cmocka_unit_test(a_connection_says_that_its_server_has_gone),
		cmocka_unit_test(who_is_to_end_waits_no_longer_for_a_server_that_hangs),
		cmocka_unit_test(an_answer_may_come_later),
		cmocka_unit_test(who_waits_and_goes_keeps_nobody_busy),
		cmocka_unit_test(an_urgent_question_is_answered_within_a_long_one),
		cmocka_unit_test(more_clients_than_places_wait_for_one),
		cmocka_unit_test(one_process_has_the_socket),
		cmocka_unit_test(a_socket_left_behind_is_taken_over_and_a_file_is_not),
		cmocka_unit_test(asking_nobody_is_an_error),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
