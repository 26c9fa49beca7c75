// SPDX-License-Identifier: BSD-3-Clause
// Nobody waits for the dataplane: what is asked is answered in its order, what comes too late is nobody else's answer, and
// a dataplane that was started anew is asked again.
#include "control/dataplane_ask.h"
#include "dataplane/dataplane.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_S 60
#define LONG_S 1000

static struct {
	char folder[32];
	char path[64];
	struct local_server *server;
	struct dataplane_ask *line;
	char asked[128]; // first letters of what came to the dataplane
	char heard[128]; // of answers: as asked, '!' and the errno's sign behind what failed
	int err;         // the last
	bool asks_on;
} lab;

static void answer(void *ctx, struct local_request *request, struct local_answer *out)
{
	(void)ctx;
	strncat(lab.asked, request->text, 1);
	out->text = strdup(request->text);
}

static void heard(void *ctx, int err, const char *text)
{
	strncat(lab.heard, err == 0 ? text : ctx, 1);
	if (err == 0)
		assert_string_equal(text, ctx);
	else
		strncat(lab.heard, "!", 2);
	lab.err = err;
	if (lab.asks_on) {
		lab.asks_on = false;
		dataplane_ask(lab.line, "on", LONG_S, heard, "on");
	}
}

static void ask(const char *text, unsigned int seconds)
{
	const char *before = strdup(lab.heard);

	dataplane_ask(lab.line, text, seconds, heard, (void *)(uintptr_t)text);
	// Never within.
	assert_string_equal(lab.heard, before);
	free((void *)(uintptr_t)before);
}

static void serve(void)
{
	for (int i = 0; i < 4; i++)
		local_server_serve(lab.server);
}

static void turn(void)
{
	while (g_main_context_iteration(NULL, FALSE))
		continue;
}

static void start_dataplane(void)
{
	assert_int_equal(local_server_open(lab.path, answer, NULL, &lab.server), 0);
}

static int setup(void **state)
{
	(void)state;
	memset(&lab, 0, sizeof(lab));
	(void)snprintf(lab.folder, sizeof(lab.folder), "/tmp/cordon-ask-XXXXXX");
	assert_non_null(mkdtemp(lab.folder));
	(void)snprintf(lab.path, sizeof(lab.path), "%s/sock", lab.folder);
	start_dataplane();
	return dataplane_ask_new(lab.path, NULL, &lab.line);
}

static int teardown(void **state)
{
	(void)state;
	dataplane_ask_end(lab.line);
	assert_false(dataplane_ask_is_busy(lab.line));
	dataplane_ask_free(lab.line);
	local_server_close(lab.server);
	return rmdir(lab.folder);
}

static void questions_are_answered_in_their_order(void **state)
{
	(void)state;
	ask("a", LONG_S);
	ask("b", LONG_S);
	assert_true(dataplane_ask_is_busy(lab.line));
	serve();
	lab.asks_on = true;
	turn();
	serve();
	turn();
	assert_string_equal(lab.asked, "abo");
	assert_string_equal(lab.heard, "abo");
	assert_false(dataplane_ask_is_busy(lab.line));
}

// What it was told late counts in the order in which it was told.
static void an_answer_that_is_late_is_passed_over(void **state)
{
	(void)state;
	ask("a", 0);
	ask("b", LONG_S);
	while (lab.heard[0] == '\0')
		turn();
	assert_string_equal(lab.heard, "a!");
	assert_int_equal(lab.err, -ETIMEDOUT);
	ask("c", LONG_S);
	serve();
	turn();
	assert_string_equal(lab.asked, "abc");
	assert_string_equal(lab.heard, "a!bc");
}

// The main loop may have been away longer than the question's time.
static void an_answer_that_is_there_is_not_late(void **state)
{
	(void)state;
	ask("a", 0);
	serve();
	turn();
	assert_string_equal(lab.heard, "a");
}

// One that hangs for hours is not asked how it is each second of them: what matters is told in its place.
static void what_is_asked_lightly_does_not_heap_up(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		dataplane_ask_lightly(lab.line, "a", 0, heard, "a");
		turn();
	}
	ask("b", LONG_S);
	assert_string_equal(lab.heard, "a!a!a!");
	assert_int_equal(lab.err, -ETIMEDOUT);
	serve();
	turn();
	assert_string_equal(lab.asked, "ab");
	assert_string_equal(lab.heard, "a!a!a!b");
	// It goes on.
	dataplane_ask_lightly(lab.line, "c", LONG_S, heard, "c");
	serve();
	turn();
	assert_string_equal(lab.heard, "a!a!a!bc");
}

static void *serve_once(void *arg)
{
	(void)arg;
	serve();
	return NULL;
}

static void who_steps_aside_waits_for_an_answer_that_may_come(void **state)
{
	pthread_t thread;

	(void)state;
	// Nothing is asked.
	dataplane_ask_step_aside(lab.line, LONG_S * 1000);
	ask("a", LONG_S);
	assert_int_equal(pthread_create(&thread, NULL, serve_once, NULL), 0);
	dataplane_ask_step_aside(lab.line, LONG_S * 1000);
	assert_string_equal(lab.asked, "a");
	assert_string_equal(lab.heard, "");
	assert_int_equal(pthread_join(thread, NULL), 0);
	turn();
	assert_string_equal(lab.heard, "a");
	// One that has hung so long is not waited for.
	ask("b", 0);
	ask("c", LONG_S);
	turn();
	dataplane_ask_step_aside(lab.line, LONG_S * 1000);
	assert_string_equal(lab.heard, "ab!");
}

static void one_that_is_started_anew_is_asked_again(void **state)
{
	(void)state;
	ask("a", LONG_S);
	serve();
	turn();
	ask("b", LONG_S);
	ask("c", 0);
	while (lab.heard[1] == '\0')
		turn();
	local_server_close(lab.server);
	start_dataplane();
	// By the connection that is gone.
	ask("d", LONG_S);
	serve();
	turn();
	assert_string_equal(lab.asked, "abd");
	assert_string_equal(lab.heard, "ac!bd");
}

static void what_one_that_ends_has_not_answered_is_asked_once_more(void **state)
{
	(void)state;
	ask("a", LONG_S);
	for (int i = 0; i < 2; i++) {
		local_server_close(lab.server);
		start_dataplane();
		assert_string_equal(lab.heard, "");
		turn();
	}
	assert_string_equal(lab.heard, "a!");
	assert_int_equal(lab.err, -ECONNRESET);
}

static void where_nobody_listens_is_an_error_at_once(void **state)
{
	(void)state;
	local_server_close(lab.server);
	ask("a", LONG_S);
	turn();
	assert_string_equal(lab.heard, "a!");
	assert_int_equal(lab.err, -ENOENT);
	start_dataplane();
	ask("b", LONG_S);
	serve();
	turn();
	assert_string_equal(lab.heard, "a!b");
}

// Nobody reads what it is asked: neither its queue nor ours grows without end.
static void who_reads_nothing_is_asked_no_more(void **state)
{
	char *large = malloc(LOCAL_REQUEST_BYTES / 4);

	(void)state;
	assert_non_null(large);
	memset(large, 'x', LOCAL_REQUEST_BYTES / 4);
	large[LOCAL_REQUEST_BYTES / 4 - 1] = '\0';
	while (lab.heard[0] == '\0') {
		dataplane_ask(lab.line, large, LONG_S, heard, large);
		turn();
	}
	assert_string_equal(lab.heard, "x!");
	assert_int_equal(lab.err, -ETIMEDOUT);
	dataplane_ask_end(lab.line);
	free(large);
}

static void after_the_end_it_is_told_and_nobody_hears(void **state)
{
	(void)state;
	ask("a", LONG_S);
	dataplane_ask_end(lab.line);
	assert_string_equal(lab.heard, "a!");
	assert_int_equal(lab.err, -ECANCELED);
	ask("b", LONG_S);
	serve();
	turn();
	assert_string_equal(lab.asked, "ab");
	assert_string_equal(lab.heard, "a!");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(questions_are_answered_in_their_order),
		TEST(an_answer_that_is_late_is_passed_over),
		TEST(an_answer_that_is_there_is_not_late),
		TEST(what_is_asked_lightly_does_not_heap_up),
		TEST(who_steps_aside_waits_for_an_answer_that_may_come),
		TEST(one_that_is_started_anew_is_asked_again),
		TEST(what_one_that_ends_has_not_answered_is_asked_once_more),
		TEST(where_nobody_listens_is_an_error_at_once),
		TEST(who_reads_nothing_is_asked_no_more),
		TEST(after_the_end_it_is_told_and_nobody_hears),
	};

	(void)alarm(PATIENCE_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
