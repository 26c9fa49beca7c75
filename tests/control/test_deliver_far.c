// SPDX-License-Identifier: BSD-3-Clause
// Servers as they are behind networks and beside crowds: names with addresses that are dead, words that come byte by byte,
// descriptors beyond what select() knows, servers without EHLO.
#include "control/deliver.h"
#include "control/ending.h"
#include "tests/support/unit.h"

#include <netdb.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_S 60
#define REPLY_S 20
#define BODY "Subject: far\r\n\r\ntext\r\n"
#define BEYOND (FD_SETSIZE + 8)
#define FILLED 4 // connections that nobody accepts, more than a queue of none has room for

static struct {
	struct sockaddr_in addresses[2]; // that the name has
	size_t addresses_count;
	struct addrinfo found[2];
	int listener;
	bool drips;   // a greeting that never ends, byte by byte
	bool is_old;  // it knows no EHLO
	bool is_late; // it has taken a mail when the process that sends it ends, and says so then
	const char *silent_from; // at this command it says nothing any more
	char reply[DELIVER_REPLY_BYTES];
	unsigned int mails;
} lab;

// ---- the name -----------------------------------------------------------------------------------

// In place of the C library's, for whoever asks. What has a name here has all addresses; a number is itself.
int getaddrinfo(
	const char *name, const char *service, const struct addrinfo *req, struct addrinfo **pai)
{
	(void)name;
	(void)req;
	for (size_t i = 0; i < lab.addresses_count; i++) {
		if (service != NULL)
			lab.addresses[i].sin_port = htons((uint16_t)strtoul(service, NULL, 10));
		lab.found[i] = (struct addrinfo){.ai_family = AF_INET,
			.ai_socktype = SOCK_STREAM,
			.ai_protocol = IPPROTO_TCP,
			.ai_addrlen = sizeof(lab.addresses[i]),
			.ai_addr = (struct sockaddr *)&lab.addresses[i],
			.ai_next = i + 1 < lab.addresses_count ? &lab.found[i + 1] : NULL};
	}
	*pai = lab.found;
	return 0;
}

void freeaddrinfo(struct addrinfo *ai)
{
	(void)ai;
}

// ---- the server ---------------------------------------------------------------------------------

static void say(int peer, const char *text)
{
	(void)send(peer, text, strlen(text), MSG_NOSIGNAL);
}

static void answer(int peer, const char *line)
{
	if (lab.silent_from != NULL && strncasecmp(line, lab.silent_from, 4) == 0)
		ending_begin();
	else if (strncasecmp(line, "EHLO", 4) == 0)
		say(peer, lab.is_old ? "502 5.5.1 what?\r\n" : "250 server.example\r\n");
	else if (strncasecmp(line, "DATA", 4) == 0)
		say(peer, "354 go on\r\n");
	else
		say(peer, "250 ok\r\n");
}

static void await_end(void)
{
	struct pollfd end = {.fd = ending_descriptor(), .events = POLLIN};

	ending_begin();
	assert_int_equal(poll(&end, 1, -1), 1);
}

static void converse(int peer)
{
	char line[256];
	FILE *lines = fdopen(dup(peer), "r");
	bool in_body = false;

	say(peer, "220 server.example\r\n");
	while (fgets(line, sizeof(line), lines) != NULL) {
		bool is_end = strcmp(line, ".\r\n") == 0;

		lab.mails += in_body && is_end;
		if (in_body && is_end && lab.is_late)
			await_end();
		if (!in_body || is_end)
			answer(peer, line);
		in_body = !is_end && (in_body || strncasecmp(line, "DATA", 4) == 0);
	}
	(void)fclose(lines);
}

static void drip(int peer)
{
	say(peer, "220-");
	while (send(peer, "x", 1, MSG_NOSIGNAL) == 1)
		(void)usleep(100000);
}

static void *serve(void *ctx)
{
	int peer = accept4(lab.listener, NULL, NULL, SOCK_CLOEXEC);

	(void)ctx;
	if (peer < 0)
		return NULL;
	if (lab.drips)
		drip(peer);
	else
		converse(peer);
	(void)close(peer);
	return NULL;
}

static int listen_at(struct sockaddr_in *address, int backlog)
{
	socklen_t n = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)address, n), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &n), 0);
	return fd;
}

static int setup(void **state)
{
	(void)state;
	memset(&lab, 0, sizeof(lab));
	lab.addresses[0] = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	lab.addresses_count = 1;
	lab.listener = listen_at(&lab.addresses[0], 5);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)close(lab.listener);
	ending_close();
	return 0;
}

static enum deliver_outcome deliver(const char *host, unsigned int seconds)
{
	struct deliver_recipient recipient = {.address = "b@b.example", .params = ""};
	struct deliver deliver = {
		.host = host,
		.port = ntohs(lab.addresses[0].sin_port),
		.seconds = seconds,
		.mail_from = "a@a.example",
		.mail_params = "",
		.recipients = &recipient,
		.recipients_count = 1,
		.trace = "",
		.data = (const uint8_t *)BODY,
		.bytes = strlen(BODY),
	};
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
	deliver_run(&deliver, NULL);
	(void)shutdown(lab.listener, SHUT_RDWR);
	assert_int_equal(pthread_join(thread, NULL), 0);
	(void)snprintf(lab.reply, sizeof(lab.reply), "%s", recipient.reply);
	return recipient.outcome;
}

// ---- the tests ----------------------------------------------------------------------------------

// Room in its queue is for one or two; who comes then hears nothing, as of a host that is not there. Returns its socket.
static int listen_silently(struct sockaddr_in *silent, int crowd[FILLED])
{
	int listener;

	silent->sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	listener = listen_at(silent, 0);
	for (size_t i = 0; i < FILLED; i++) {
		crowd[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(crowd[i], (const struct sockaddr *)silent, sizeof(*silent));
	}
	return listener;
}

static void an_address_that_is_silent_does_not_keep_a_mail_from_the_next_one(void **state)
{
	struct sockaddr_in silent = lab.addresses[0];
	int crowd[FILLED];
	int listener = listen_silently(&silent, crowd);

	(void)state;
	lab.addresses[1] = lab.addresses[0];
	lab.addresses[0] = silent;
	lab.addresses_count = 2;
	assert_int_equal(deliver("several.example", 3600), DELIVER_DONE);
	assert_int_equal(lab.mails, 1);
	for (size_t i = 0; i < FILLED; i++)
		(void)close(crowd[i]);
	(void)close(listener);
}

static void a_process_with_many_descriptors_delivers(void **state)
{
	int crowd[BEYOND];
	struct rlimit limit;
	struct rlimit before;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = limit.rlim_max;
	if (limit.rlim_max < 2UL * BEYOND)
		skip();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (size_t i = 0; i < BEYOND; i++)
		crowd[i] = fcntl(lab.listener, F_DUPFD_CLOEXEC, 0);
	assert_true(crowd[BEYOND - 1] >= FD_SETSIZE);
	assert_int_equal(deliver("127.0.0.1", REPLY_S), DELIVER_DONE);
	for (size_t i = 0; i < BEYOND; i++)
		(void)close(crowd[i]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void a_reply_that_never_ends_is_given_up(void **state)
{
	int free_before = dup(lab.listener);
	int free_after;

	(void)state;
	(void)close(free_before);
	lab.drips = true;
	assert_int_equal(deliver("127.0.0.1", 1), DELIVER_LATER);
	free_after = dup(lab.listener);
	(void)close(free_after);
	assert_int_equal(free_after, free_before);
}

static void a_server_without_ehlo_gets_its_mail(void **state)
{
	(void)state;
	lab.is_old = true;
	assert_int_equal(deliver("127.0.0.1", REPLY_S), DELIVER_DONE);
	assert_int_equal(lab.mails, 1);
}

static void a_process_that_ends_does_not_wait_for_a_server_that_has_no_mail_yet(void **state)
{
	static const char *const commands[] = {"EHLO", "MAIL", "RCPT", "DATA"};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (i > 0)
			(void)setup(state);
		lab.silent_from = commands[i];
		assert_int_equal(ending_open(), 0);
		assert_int_equal(deliver("127.0.0.1", 3600), DELIVER_LATER);
		assert_non_null(strstr(lab.reply, "this program ends"));
		assert_int_equal(lab.mails, 0);
		if (i + 1 < sizeof(commands) / sizeof(commands[0]))
			(void)teardown(state);
	}
}

static void nor_for_one_that_is_not_there(void **state)
{
	struct sockaddr_in silent = lab.addresses[0];
	int crowd[FILLED];
	int listener = listen_silently(&silent, crowd);

	(void)state;
	lab.addresses[0] = silent;
	assert_int_equal(ending_open(), 0);
	ending_begin();
	assert_int_equal(deliver("silent.example", 3600), DELIVER_LATER);
	assert_non_null(strstr(lab.reply, "this program ends"));
	for (size_t i = 0; i < FILLED; i++)
		(void)close(crowd[i]);
	(void)close(listener);
}

static void but_for_one_that_has_it_a_process_waits(void **state)
{
	(void)state;
	lab.is_late = true;
	assert_int_equal(ending_open(), 0);
	assert_int_equal(deliver("127.0.0.1", REPLY_S), DELIVER_DONE);
	assert_int_equal(lab.mails, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_address_that_is_silent_does_not_keep_a_mail_from_the_next_one),
		TEST(a_server_without_ehlo_gets_its_mail),
		TEST(a_reply_that_never_ends_is_given_up),
		TEST(a_process_with_many_descriptors_delivers),
		TEST(a_process_that_ends_does_not_wait_for_a_server_that_has_no_mail_yet),
		TEST(nor_for_one_that_is_not_there),
		TEST(but_for_one_that_has_it_a_process_waits),
	};

	(void)alarm(PATIENCE_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
