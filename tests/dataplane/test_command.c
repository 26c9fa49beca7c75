// SPDX-License-Identifier: BSD-3-Clause
// The command socket, both ends in one process: a thread asks, the test's own thread serves.
#include "dataplane/command.h"
#include "dataplane/command_stats.h"
#include "dataplane/dataplane.h"

// cmocka.h wants the first ones before it.
// clang-format off
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
// clang-format on

#include <jansson.h>

static char folder[] = "/tmp/test_command.XXXXXX";
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

// As long as *ctx says, so that large answers are tried too.
static char *answer(void *ctx, const struct command_request *request)
{
	size_t n = *(size_t *)ctx;
	char *text = malloc(n + 1);

	if (text == NULL)
		return NULL;
	memset(text, request->command == COMMAND_PING ? 'p' : 's', n);
	text[n] = '\0';
	return text;
}

struct asking {
	const char *command;
	char *answer;
	int passed;
	int err;
	int done[2]; // pipe: written when there is an answer
};

static void *ask(void *arg)
{
	struct asking *asking = arg;

	asking->err = dataplane_ask_with(path, asking->command, asking->passed, &asking->answer);
	(void)!write(asking->done[1], "", 1);
	return NULL;
}

static void serve_until(struct command_server *server, int done)
{
	for (;;) {
		int descriptors[COMMAND_CLIENTS + 1];
		struct pollfd polls[COMMAND_CLIENTS + 2] = {{.fd = done, .events = POLLIN}};
		size_t n = command_descriptors(server, descriptors);

		for (size_t i = 0; i < n; i++)
			polls[i + 1] = (struct pollfd){.fd = descriptors[i], .events = POLLIN};
		assert_true(poll(polls, n + 1, 5000) > 0);
		if (polls[0].revents != 0)
			return;
		command_serve(server);
	}
}

static void ask_and_serve(struct command_server *server, struct asking *asking)
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
	struct command_server *server;
	size_t size = 0;

	assert_int_equal(command_open(path, answer, &size, &server), 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct asking asking = {.command = i % 2 == 0 ? "stats" : "ping\n", .passed = -1};

		size = sizes[i];
		ask_and_serve(server, &asking);
		assert_int_equal(asking.err, 0);
		assert_int_equal(strlen(asking.answer), size);
		assert_int_equal(asking.answer[size - 1], i % 2 == 0 ? 's' : 'p');
		free(asking.answer);
	}
	command_close(server);
}

static void what_is_no_command_is_refused(void **state)
{
	(void)state;
	static char long_one[COMMAND_MAX_BYTES + 2];
	const char *const bad[] = {
		"x", " stats", "STATS", "stats\n\n", "\n", "statsping", long_one};
	struct command_server *server;
	size_t size = 1;

	memset(long_one, 'a', sizeof(long_one) - 1);
	assert_int_equal(command_open(path, answer, &size, &server), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct asking asking = {.command = bad[i], .passed = -1};

		ask_and_serve(server, &asking);
		assert_int_equal(asking.err, 0);
		assert_string_equal(asking.answer, "{\"error\":\"unknown command\"}");
		free(asking.answer);
	}
	command_close(server);
}

static int parse(const char *packet, size_t n, struct command_request *out)
{
	static char data[64];

	memcpy(data, packet, n);
	return command_parse(data, n, out);
}

static void a_command_is_a_name_and_perhaps_a_text(void **state)
{
	(void)state;
	struct command_request request;

	assert_int_equal(parse("stats", 5, &request), 0);
	assert_int_equal(request.command, COMMAND_STATS);
	assert_string_equal(request.text, "");
	assert_int_equal(parse("ping\n", 5, &request), 0);
	assert_int_equal(request.command, COMMAND_PING);
	assert_int_equal(parse("rules  now\n", 11, &request), 0);
	assert_int_equal(request.command, COMMAND_RULES);
	assert_string_equal(request.text, " now");
	assert_int_equal(parse("stats\0", 6, &request), -EINVAL);
	assert_int_equal(parse("stats \0x", 8, &request), -EINVAL);
	assert_int_equal(parse("stat", 4, &request), -EINVAL);
	assert_int_equal(parse("", 0, &request), -EINVAL);
	assert_int_equal(parse(" ", 1, &request), -EINVAL);
}

// The answer is what was in the file that came with the command.
static char *read_passed(void *ctx, const struct command_request *request)
{
	char text[32] = "nothing";

	(void)ctx;
	if (request->fd >= 0)
		assert_true(pread(request->fd, text, sizeof(text) - 1, 0) > 0);
	return strdup(text);
}

static void a_descriptor_comes_with_a_command(void **state)
{
	(void)state;
	struct command_server *server;
	struct asking asking = {.command = "rules", .passed = memfd_create("passed", MFD_CLOEXEC)};

	assert_int_equal(write(asking.passed, "an image", 9), 9);
	assert_int_equal(command_open(path, read_passed, NULL, &server), 0);
	ask_and_serve(server, &asking);
	assert_int_equal(asking.err, 0);
	assert_string_equal(asking.answer, "an image");
	free(asking.answer);
	(void)close(asking.passed);
	asking.passed = -1;
	ask_and_serve(server, &asking);
	assert_string_equal(asking.answer, "nothing");
	free(asking.answer);
	command_close(server);
}

static void one_process_has_the_socket(void **state)
{
	(void)state;
	struct command_server *server;
	struct command_server *second;
	size_t size = 1;

	assert_int_equal(command_open(path, answer, &size, &server), 0);
	assert_int_equal(command_open(path, answer, &size, &second), -EADDRINUSE);
	command_close(server);
	assert_int_equal(access(path, F_OK), -1);
}

static void a_socket_left_behind_is_taken_over_and_a_file_is_not(void **state)
{
	(void)state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct command_server *server;
	size_t size = 1;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	FILE *file;

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	(void)close(fd);
	assert_int_equal(command_open(path, answer, &size, &server), 0);
	command_close(server);

	file = fopen(path, "w");
	assert_non_null(file);
	(void)fclose(file);
	assert_int_equal(command_open(path, answer, &size, &server), -EEXIST);
	assert_int_equal(access(path, F_OK), 0);
	(void)unlink(path);
}

static void asking_nobody_is_an_error(void **state)
{
	(void)state;
	static char long_path[256];
	char *text = NULL;

	memset(long_path, 'a', sizeof(long_path) - 1);
	assert_int_equal(dataplane_ask(path, "stats", &text), -ENOENT);
	assert_int_equal(dataplane_ask(long_path, "stats", &text), -ENAMETOOLONG);
	assert_int_equal(dataplane_ask("", "stats", &text), -ENAMETOOLONG);
	assert_null(text);
}

static void stats_without_workers_are_whole(void **state)
{
	(void)state;
	const struct stats_port port = {
		.link = "lan0", .side = "outside", .device = "eth1", .up = true, .rx_packets = 7};
	const struct ruleset_info ruleset = {.version = "v", .signatures = 3};
	const struct stats_source source = {.gateway = "g",
		.ports = &port,
		.ports_count = 1,
		.ruleset = &ruleset,
		.uptime_ns = 5000000000};
	char *text = stats_json(&source);
	json_t *root = json_loads(text, 0, NULL);
	uint32_t count;

	(void)counters_info(&count);
	assert_non_null(root);
	assert_int_equal(json_object_size(json_object_get(root, "counters")), count);
	assert_int_equal(json_object_size(json_object_get(root, "about")), count);
	assert_int_equal(json_integer_value(json_object_get(root, "uptime_seconds")), 5);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(root, "ruleset"), "signatures")),
		3);
	assert_int_equal(json_integer_value(json_object_get(
				 json_array_get(json_object_get(root, "ports"), 0), "rx_packets")),
		7);
	assert_true(
		json_is_integer(json_object_get(json_object_get(root, "tcp_drops"), "bad-flags")));
	json_decref(root);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_gets_its_answer_whole),
		cmocka_unit_test(what_is_no_command_is_refused),
		cmocka_unit_test(a_command_is_a_name_and_perhaps_a_text),
		cmocka_unit_test(a_descriptor_comes_with_a_command),
		cmocka_unit_test(one_process_has_the_socket),
		cmocka_unit_test(a_socket_left_behind_is_taken_over_and_a_file_is_not),
		cmocka_unit_test(asking_nobody_is_an_error),
		cmocka_unit_test(stats_without_workers_are_whole),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
