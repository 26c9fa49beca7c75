// SPDX-License-Identifier: BSD-3-Clause
// Frames over a pair of sockets: whole, byte by byte, split everywhere, too long, and after the other side has
// ended.
#include "control/framed.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
	struct framed *framed; // NULL: it is gone
	int fd;                // the other side
	unsigned int frames;
	bool is_unanswered;
	bool is_unwanted; // the next frame
	GString *taken;   // each with a bar behind it
} lab;

static bool take(void *ctx, struct framed *framed, const void *text, size_t bytes)
{
	(void)ctx;
	assert_ptr_equal(framed, lab.framed);
	g_string_append_len(lab.taken, text, (gssize)bytes);
	g_string_append_c(lab.taken, '|');
	lab.frames++;
	return !lab.is_unwanted;
}

static bool is_unanswered(void *ctx, struct framed *framed)
{
	(void)ctx;
	(void)framed;
	return lab.is_unanswered;
}

static void gone(void *ctx, struct framed *framed)
{
	(void)ctx;
	(void)framed;
	lab.framed = NULL;
}

static const struct framed_owner owner = {.frame_bytes = 1000,
	.waiting_bytes = 1 << 20,
	.echoes = true,
	.frame = take,
	.unanswered = is_unanswered,
	.gone = gone};

static int set_up(void **state)
{
	GSocketConnection *connection;
	GSocket *socket;
	int fds[2];

	(void)state;
	memset(&lab, 0, sizeof(lab));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	lab.taken = g_string_new(NULL);
	lab.fd = fds[1];
	socket = g_socket_new_from_fd(fds[0], NULL);
	assert_non_null(socket);
	g_socket_set_timeout(socket, 1); // as of who had that long to connect
	connection = g_socket_connection_factory_create_connection(socket);
	lab.framed = framed_new(connection, &owner, NULL);
	assert_non_null(lab.framed);
	g_object_unref(connection);
	g_object_unref(socket);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (lab.framed != NULL)
		framed_free(lab.framed);
	(void)close(lab.fd);
	g_string_free(lab.taken, TRUE);
	return 0;
}

static void run(void)
{
	while (g_main_context_iteration(NULL, FALSE))
		;
}

static void send_bytes(const void *data, size_t bytes)
{
	assert_int_equal(write(lab.fd, data, bytes), (ssize_t)bytes);
	run();
}

static const char stream[] = "\0\0\0\5first\0\0\0\0\0\0\0\6second\0\0\0\1x";
#define STREAM_BYTES (sizeof(stream) - 1)

static void check_stream(void)
{
	char echo[8];

	assert_string_equal(lab.taken->str, "first|second|x|");
	assert_int_equal(recv(lab.fd, echo, sizeof(echo), MSG_DONTWAIT), 4);
	assert_memory_equal(echo, "\0\0\0\0", 4);
	(void)g_string_truncate(lab.taken, 0);
	assert_int_equal(framed_input_bytes(lab.framed), 0);
}

static void frames_come_however_they_are_cut(void **state)
{
	(void)state;
	send_bytes(stream, STREAM_BYTES);
	check_stream();
	for (size_t i = 0; i < STREAM_BYTES; i++)
		send_bytes(stream + i, 1);
	check_stream();
	for (size_t cut = 1; cut < STREAM_BYTES; cut++) {
		send_bytes(stream, cut);
		send_bytes(stream + cut, STREAM_BYTES - cut);
		check_stream();
	}
}

static void who_announces_too_much_is_gone(void **state)
{
	(void)state;
	send_bytes("\0\0\3\350", 4); // 1000, which one may have
	assert_non_null(lab.framed);
	for (int i = 0; i < 1000; i++)
		send_bytes("y", 1);
	assert_int_equal(lab.frames, 1);
	send_bytes("\0\0\3\351", 4);
	assert_null(lab.framed);
}

static void who_is_not_wanted_is_gone_after_that_frame(void **state)
{
	(void)state;
	lab.is_unwanted = true;
	send_bytes(stream, STREAM_BYTES);
	assert_null(lab.framed);
	assert_int_equal(lab.frames, 1);
}

static void what_is_owed_is_sent_after_the_other_side_has_ended(void **state)
{
	char data[16];

	(void)state;
	lab.is_unanswered = true;
	send_bytes(stream, STREAM_BYTES);
	assert_int_equal(shutdown(lab.fd, SHUT_WR), 0);
	run();
	assert_non_null(lab.framed);
	lab.is_unanswered = false;
	framed_send(lab.framed, "late", 4);
	run();
	assert_null(lab.framed);
	assert_int_equal(recv(lab.fd, data, sizeof(data), MSG_DONTWAIT), 12); // after the echo
	assert_memory_equal(data + 4, "\0\0\0\4late", 8);
}

static void who_is_owed_nothing_after_all_is_let_go(void **state)
{
	(void)state;
	lab.is_unanswered = true;
	assert_int_equal(shutdown(lab.fd, SHUT_WR), 0);
	run();
	assert_non_null(lab.framed);
	lab.is_unanswered = false;
	framed_wake(lab.framed);
	run();
	assert_null(lab.framed);
}

static gboolean note(gpointer ctx)
{
	bool *is_over = ctx;

	*is_over = true;
	return G_SOURCE_REMOVE;
}

static void who_says_nothing_stays(void **state)
{
	bool is_over = false;

	(void)state;
	(void)g_timeout_add(1500, note, &is_over);
	while (!is_over)
		(void)g_main_context_iteration(NULL, TRUE);
	assert_non_null(lab.framed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frames_come_however_they_are_cut),
		TEST(who_announces_too_much_is_gone),
		TEST(who_is_not_wanted_is_gone_after_that_frame),
		TEST(what_is_owed_is_sent_after_the_other_side_has_ended),
		TEST(who_is_owed_nothing_after_all_is_let_go),
		TEST(who_says_nothing_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
