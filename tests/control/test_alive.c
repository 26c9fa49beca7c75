// SPDX-License-Identifier: BSD-3-Clause
// Connections that stay, or wait for an answer, notice that their peer is gone without a word, whichever side made them.
#include "control/fetch.h"
#include "control/framed.h"
#include "tests/control/plain_web.h"
#include "tests/support/unit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_S 60
#define DESCRIPTORS 256
#define MOST_S 60 // until a peer is missed

static struct {
	struct sockaddr_in address;
	int listener;
	int peer;
} lab;

static int get(int fd, int level, int option)
{
	socklen_t n = sizeof(int);
	int value = 0;

	return getsockopt(fd, level, option, &value, &n) == 0 ? value : 0;
}

static bool is_watched(int fd)
{
	int quiet_s = get(fd, IPPROTO_TCP, TCP_KEEPIDLE) +
		      get(fd, IPPROTO_TCP, TCP_KEEPINTVL) * get(fd, IPPROTO_TCP, TCP_KEEPCNT);
	int unheard_ms = get(fd, IPPROTO_TCP, TCP_USER_TIMEOUT);

	return get(fd, SOL_SOCKET, SO_KEEPALIVE) == 1 && quiet_s <= MOST_S && unheard_ms > 0 &&
	       unheard_ms <= MOST_S * 1000;
}

// The connection of this process that leads to or from the lab's address, but the lab's own end.
static int find_other(int own)
{
	for (int fd = 0; fd < DESCRIPTORS; fd++) {
		struct sockaddr_in6 ends[2] = {0}; // whose port is where that of version 4 is
		socklen_t bytes[2] = {sizeof(ends[0]), sizeof(ends[1])};

		if (fd == own || getsockname(fd, (struct sockaddr *)&ends[0], &bytes[0]) != 0 ||
			getpeername(fd, (struct sockaddr *)&ends[1], &bytes[1]) != 0 ||
			ends[0].sin6_family == AF_UNIX)
			continue;
		if (ends[0].sin6_port == lab.address.sin_port ||
			ends[1].sin6_port == lab.address.sin_port)
			return fd;
	}
	return -1;
}

static int set_up(void **state)
{
	socklen_t n = sizeof(lab.address);

	(void)state;
	lab.peer = -1;
	lab.address = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	lab.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(lab.listener >= 0);
	assert_int_equal(bind(lab.listener, (const struct sockaddr *)&lab.address, n), 0);
	assert_int_equal(listen(lab.listener, 5), 0);
	assert_int_equal(getsockname(lab.listener, (struct sockaddr *)&lab.address, &n), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (lab.peer >= 0)
		(void)close(lab.peer);
	if (lab.listener >= 0)
		(void)close(lab.listener);
	return 0;
}

static int call(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(
		connect(fd, (const struct sockaddr *)&lab.address, sizeof(lab.address)), 0);
	return fd;
}

// ---- who uses it --------------------------------------------------------------------------------

static void gone(void *ctx, struct framed *framed)
{
	(void)ctx;
	(void)framed;
}

static void frames_come_over_a_watched_connection(void **state)
{
	static const struct framed_owner owner = {.gone = gone};
	GSocketConnection *connection;
	struct framed *framed;
	GSocket *socket;

	(void)state;
	lab.peer = call();
	socket = g_socket_new_from_fd(accept4(lab.listener, NULL, NULL, SOCK_CLOEXEC), NULL);
	assert_non_null(socket);
	connection = g_socket_connection_factory_create_connection(socket);
	framed = framed_new(connection, &owner, NULL);
	assert_non_null(framed);
	assert_true(is_watched(g_socket_get_fd(socket)));
	framed_free(framed);
	g_object_unref(connection);
	g_object_unref(socket);
}

static void fetched(void *ctx, const struct fetch_result *result)
{
	(void)ctx;
	(void)result;
}

static void what_is_fetched_comes_over_a_watched_connection(void **state)
{
	char url[64];
	const struct fetch_request request = {.url = url, .most_seconds = PATIENCE_S, .file = -1};
	struct fetcher *fetcher;
	struct fetch *fetch;

	(void)state;
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", ntohs(lab.address.sin_port));
	assert_int_equal(fetcher_new(&fetcher), 0);
	assert_int_equal(fetch_start(fetcher, &request, fetched, NULL, &fetch), 0);
	assert_int_equal(fcntl(lab.listener, F_SETFL, O_NONBLOCK), 0);
	while ((lab.peer = accept4(lab.listener, NULL, NULL, SOCK_CLOEXEC)) < 0)
		(void)g_main_context_iteration(NULL, FALSE);
	assert_true(is_watched(find_other(lab.peer)));
	fetcher_free(fetcher);
}

static void answer(void *ctx, const struct web_request *request, struct web_reply *reply)
{
	(void)ctx;
	(void)request;
	(void)reply;
}

static void a_web_server_watches_who_comes(void **state)
{
	char listen[32];
	const struct web_server_options options = plain_web(listen, PATIENCE_S);
	struct web_server *server;
	char error[256] = "";
	int found;

	(void)state;
	(void)snprintf(listen, sizeof(listen), "127.0.0.1:%u", ntohs(lab.address.sin_port));
	(void)close(lab.listener);
	lab.listener = -1;
	assert_int_equal(web_server_open(&options, answer, NULL, &server, error, sizeof(error)), 0);
	lab.peer = call();
	while ((found = find_other(lab.peer)) < 0)
		(void)g_main_context_iteration(NULL, FALSE);
	assert_true(is_watched(found));
	web_server_close(server);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frames_come_over_a_watched_connection),
		TEST(what_is_fetched_comes_over_a_watched_connection),
		TEST(a_web_server_watches_who_comes),
	};

	(void)alarm(PATIENCE_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
