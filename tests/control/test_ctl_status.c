// SPDX-License-Identifier: BSD-3-Clause
// Who asks for the status while the dataplane is told seals hears what comes of it, if that is soon.
#include "dataplane/local_socket.h"
#include "tests/control/ctl_case.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#define LOOK_MS 10

static const char *first; // the answer until it has been asked so often
static unsigned int changes_after;
static unsigned int asked;
static atomic_bool ends;

#define STATUS(in_force, up, why)                                                                  \
	"{\"in_force\":" in_force ",\"dataplane\":{\"up\":" up ",\"why\":\"" why "\"}}"

static void answer(void *ctx, struct local_request *request, struct local_answer *out)
{
	(void)ctx;
	(void)request;
	asked++;
	out->text = strdup(asked > changes_after ? STATUS("true", "true", "") : first);
}

static void *serve(void *ctx)
{
	struct local_server *server = ctx;
	struct pollfd polled = {.fd = local_server_descriptor(server), .events = POLLIN};

	while (!atomic_load(&ends)) {
		if (poll(&polled, 1, LOOK_MS) > 0)
			local_server_serve(server);
	}
	return NULL;
}

// Returns cordonctl's exit status.
static int ask_for_it(const char *before, unsigned int times)
{
	struct local_server *server;
	pthread_t thread;
	char path[128];
	int status;

	path_in(path, sizeof(path), "sock");
	first = before;
	changes_after = times;
	asked = 0;
	atomic_store(&ends, false);
	assert_int_equal(local_server_open(path, answer, NULL, &server), 0);
	assert_int_equal(pthread_create(&thread, NULL, serve, server), 0);
	status = run("status --json --socket @sock");
	atomic_store(&ends, true);
	(void)pthread_join(thread, NULL);
	local_server_close(server);
	return status;
}

static void what_is_on_its_way_is_waited_for(void **state)
{
	(void)state;
	assert_int_equal(ask_for_it(STATUS("false", "true", ""), 3), 0);
	assert_int_equal(asked, 4);
}

static void what_hangs_is_told_as_it_is(void **state)
{
	(void)state;
	assert_int_equal(ask_for_it(STATUS("false", "true", ""), 1000), 1);
	assert_in_range(asked, 2, 100);
}

static void what_is_known_is_told_at_once(void **state)
{
	(void)state;
	assert_int_equal(ask_for_it(STATUS("false", "true", "other seals"), 1000), 1);
	assert_int_equal(asked, 1);
	assert_int_equal(ask_for_it(STATUS("false", "false", ""), 1000), 1);
	assert_int_equal(asked, 1);
	assert_int_equal(ask_for_it("", 0), 0);
	assert_int_equal(asked, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_on_its_way_is_waited_for),
		cmocka_unit_test(what_hangs_is_told_as_it_is),
		cmocka_unit_test(what_is_known_is_told_at_once),
	};

	return cmocka_run_group_tests(tests, make_files, drop_files);
}
