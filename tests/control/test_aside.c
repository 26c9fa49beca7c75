// SPDX-License-Identifier: BSD-3-Clause
// Alerts are served while programs are started and ended, and results and errors are those of what was done.
#include "control/aside.h"
#include "control/urgent.h"
#include "tests/support/unit.h"

#include <glib.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_S 60

static struct {
	atomic_uint served;
	int served_pipe
		[2]; // a byte for each time that something urgent was served; 0: nobody counts
	pthread_t loop;
	unsigned int waits; // for children, by others than the loop
} lab;

pid_t __real_waitpid(pid_t pid, int *status, int options);
pid_t __wrap_waitpid(pid_t pid, int *status, int options);

// A child that takes its time to go: until something urgent was served.
pid_t __wrap_waitpid(pid_t pid, int *status, int options)
{
	unsigned int before = atomic_load(&lab.served);

	if (pthread_equal(pthread_self(), lab.loop) == 0) {
		while (atomic_load(&lab.served) == before)
			(void)sched_yield();
		lab.waits++;
	}
	return __real_waitpid(pid, status, options);
}

static gboolean serve(gpointer ctx)
{
	(void)ctx;
	(void)atomic_fetch_add(&lab.served, 1);
	if (lab.served_pipe[1] != 0)
		(void)!write(lab.served_pipe[1], "", 1);
	return G_SOURCE_CONTINUE;
}

static int setup(void **state)
{
	GSource *always = g_idle_source_new();

	(void)state;
	memset(&lab, 0, sizeof(lab));
	lab.loop = pthread_self();
	assert_int_equal(urgent_open(), 0);
	g_source_set_callback(always, serve, NULL, NULL);
	(void)g_source_attach(always, urgent_context());
	g_source_unref(always);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	urgent_close();
	return 0;
}

// In the child, which comes to its exec when something urgent was served.
static void read_served(gpointer ctx)
{
	char byte;

	(void)ctx;
	(void)!read(lab.served_pipe[0], &byte, 1);
}

static void while_a_program_is_started_and_ended(void **state)
{
	static const char *const arguments[] = {"/bin/cat", NULL};
	struct aside_child child = {
		.arguments = arguments, .setup = read_served, .has_input = true};
	char text[6];

	(void)state;
	assert_int_equal(pipe2(lab.served_pipe, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(fcntl(lab.served_pipe[0], F_SETFL, 0), 0);
	assert_int_equal(aside_spawn(&child), 0);
	assert_true(child.pid > 0);
	// It runs, with both pipes.
	assert_int_equal(write(child.input, "hello", 5), 5);
	assert_int_equal(read(child.output, text, sizeof(text)), 5);
	aside_kill(child.pid);
	assert_int_equal(lab.waits, 1);
	assert_int_equal(kill(child.pid, 0), -1);
	(void)close(child.input);
	(void)close(child.output);
	(void)close(lab.served_pipe[0]);
	(void)close(lab.served_pipe[1]);
}

static void what_cannot_be_started_is_an_error(void **state)
{
	static const char *const arguments[] = {"/nonexistent/program", NULL};
	struct aside_child child = {.arguments = arguments};

	(void)state;
	assert_int_equal(aside_spawn(&child), -ENOEXEC);
	assert_int_equal(child.pid, 0);
	assert_int_equal(child.input, -1);
	assert_int_equal(child.output, -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(while_a_program_is_started_and_ended),
		TEST(what_cannot_be_started_is_an_error),
	};

	// A loop that waits for the dataplane alone would wait for ever.
	(void)alarm(PATIENCE_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
