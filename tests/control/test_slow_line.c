// SPDX-License-Identifier: BSD-3-Clause
// What is long may take long, over a line that is slow, as long as it comes; what stands still or drips may not. Both ways:
// what is fetched, and what a web server is sent.
#include "control/fetch.h"
#include "tests/control/plain_web.h"
#include "tests/support/unit.h"

#include <glib.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ALARM_S 60
#define PATIENCE_S 1 // of those that are tried
#define PIECES 12    // of what comes steadily, longer than that in all
#define PIECE_US 100000
#define PIECE_BYTES 32768
#define WHOLE_BYTES ((size_t)PIECES * PIECE_BYTES)

static struct {
	struct sockaddr_in address;
	int listener;
	bool drips;
	gint is_done;
	struct fetch_result result;
	size_t taken; // of a body that came whole
} lab;

static int make_listener(void)
{
	socklen_t n = sizeof(lab.address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	lab.address = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&lab.address, n), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&lab.address, &n), 0);
	return fd;
}

// A piece at a time, or a byte until the other side has had enough of it.
static void send_slowly(int fd)
{
	static const char piece[PIECE_BYTES];
	size_t bytes = lab.drips ? 1 : PIECE_BYTES;

	for (size_t sent = 0; sent < WHOLE_BYTES; sent += bytes) {
		if (send(fd, piece, bytes, MSG_NOSIGNAL) != (ssize_t)bytes)
			break;
		(void)usleep(PIECE_US);
	}
}

// ---- what is fetched ----------------------------------------------------------------------------

static void *serve(void *ctx)
{
	int peer = accept4(lab.listener, NULL, NULL, SOCK_CLOEXEC);
	char text[1024];
	int n;

	(void)ctx;
	(void)recv(peer, text, sizeof(text), 0);
	n = snprintf(
		text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", WHOLE_BYTES);
	(void)send(peer, text, (size_t)n, MSG_NOSIGNAL);
	send_slowly(peer);
	(void)close(peer);
	return NULL;
}

static void fetched(void *ctx, const struct fetch_result *result)
{
	(void)ctx;
	lab.result = *result;
	g_atomic_int_set(&lab.is_done, TRUE);
}

static void get(unsigned int limit_s)
{
	char url[64];
	const struct fetch_request request = {.url = url,
		.most_seconds = PATIENCE_S,
		.limit_seconds = limit_s,
		.most_bytes = WHOLE_BYTES,
		.file = -1};
	struct fetcher *fetcher;
	struct fetch *fetch;
	pthread_t thread;

	lab.is_done = FALSE;
	lab.listener = make_listener();
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", ntohs(lab.address.sin_port));
	assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
	assert_int_equal(fetcher_new(&fetcher), 0);
	assert_int_equal(fetch_start(fetcher, &request, fetched, NULL, &fetch), 0);
	while (!g_atomic_int_get(&lab.is_done))
		(void)g_main_context_iteration(NULL, TRUE);
	fetcher_free(fetcher);
	assert_int_equal(pthread_join(thread, NULL), 0);
	(void)close(lab.listener);
}

static void a_long_answer_is_waited_for_as_long_as_it_comes(void **state)
{
	(void)state;
	lab.drips = false;
	get(0);
	assert_int_equal(lab.result.err, 0);
	assert_int_equal(lab.result.bytes, WHOLE_BYTES);
	get(PATIENCE_S);
	assert_int_equal(lab.result.err, -ETIMEDOUT);
}

static void an_answer_that_drips_is_given_up(void **state)
{
	(void)state;
	lab.drips = true;
	get(0);
	assert_int_equal(lab.result.err, -ETIMEDOUT);
	assert_in_range(lab.result.bytes, 1, WHOLE_BYTES / 2);
}

// ---- what a server is sent ----------------------------------------------------------------------

static void *ask(void *ctx)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[256];
	int n = snprintf(text, sizeof(text),
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", WHOLE_BYTES);

	(void)ctx;
	(void)connect(fd, (const struct sockaddr *)&lab.address, sizeof(lab.address));
	(void)send(fd, text, (size_t)n, MSG_NOSIGNAL);
	send_slowly(fd);
	(void)recv(fd, text, sizeof(text), 0); // an answer, or the end
	(void)close(fd);
	g_atomic_int_set(&lab.is_done, TRUE);
	g_main_context_wakeup(NULL);
	return NULL;
}

static void answer(void *ctx, const struct web_request *request, struct web_reply *reply)
{
	(void)ctx;
	lab.taken = request->bytes;
	reply->status = 200;
	reply->body = strdup("{}");
}

static size_t serve_for(
	void *(*client)(void *ctx), void *ctx, size_t body_bytes, unsigned int patience_s)
{
	char listen[32];
	struct web_server_options options = plain_web(listen, patience_s);
	struct web_server *server;
	char error[256] = "";
	pthread_t thread;

	lab.is_done = FALSE;
	lab.taken = 0;
	(void)close(make_listener());
	(void)snprintf(listen, sizeof(listen), "127.0.0.1:%u", ntohs(lab.address.sin_port));
	options.body_bytes = body_bytes;
	assert_int_equal(web_server_open(&options, answer, NULL, &server, error, sizeof(error)), 0);
	assert_int_equal(pthread_create(&thread, NULL, client, ctx), 0);
	while (!g_atomic_int_get(&lab.is_done))
		(void)g_main_context_iteration(NULL, TRUE);
	assert_int_equal(pthread_join(thread, NULL), 0);
	web_server_close(server);
	return lab.taken;
}

static size_t post(void)
{
	return serve_for(ask, NULL, WHOLE_BYTES, PATIENCE_S);
}

static void a_long_body_is_waited_for_as_long_as_it_comes(void **state)
{
	(void)state;
	lab.drips = false;
	assert_int_equal(post(), WHOLE_BYTES);
}

static void a_body_that_drips_is_cut_off(void **state)
{
	(void)state;
	lab.drips = true;
	assert_int_equal(post(), 0);
}

// ---- who holds all the room there is ------------------------------------------------------------

#define HOLDERS 8
#define ROOM_BYTES 65536 // of one body; four of them may be here

static void *hold_and_ask(void *ctx)
{
	static const char body[ROOM_BYTES];
	struct sockaddr_in own = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1)};
	int fds[HOLDERS + 1];
	char text[256];
	int n = snprintf(text, sizeof(text),
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", ROOM_BYTES);

	for (int i = 0; i <= HOLDERS; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (i == HOLDERS)
			(void)bind(fds[i], (const struct sockaddr *)&own, sizeof(own));
		(void)connect(fds[i], (const struct sockaddr *)&lab.address, sizeof(lab.address));
		(void)send(fds[i], text, (size_t)n, MSG_NOSIGNAL);
		(void)send(fds[i], body, i < HOLDERS ? ROOM_BYTES - 1 : ROOM_BYTES, MSG_NOSIGNAL);
	}
	n = (int)recv(fds[HOLDERS], text, sizeof(text) - 1, 0);
	text[MAX(n, 0)] = '\0';
	*(bool *)ctx = strncmp(text, "HTTP/1.1 200", 12) == 0;
	for (int i = 0; i <= HOLDERS; i++)
		(void)close(fds[i]);
	g_atomic_int_set(&lab.is_done, TRUE);
	g_main_context_wakeup(NULL);
	return NULL;
}

static void who_holds_all_the_room_keeps_nobody_out(void **state)
{
	bool is_answered = false;

	(void)state;
	assert_int_equal(serve_for(hold_and_ask, &is_answered, ROOM_BYTES, 30), ROOM_BYTES);
	assert_true(is_answered);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_long_answer_is_waited_for_as_long_as_it_comes),
		cmocka_unit_test(an_answer_that_drips_is_given_up),
		cmocka_unit_test(a_long_body_is_waited_for_as_long_as_it_comes),
		cmocka_unit_test(a_body_that_drips_is_cut_off),
		cmocka_unit_test(who_holds_all_the_room_keeps_nobody_out),
	};

	(void)alarm(ALARM_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
