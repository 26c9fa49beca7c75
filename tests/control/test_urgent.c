// SPDX-License-Identifier: BSD-3-Clause
// What is urgent is served before all else that is ready, and in the midst of long work; it keeps nothing else waiting
// for ever.
#include "control/urgent.h"
#include "tests/support/unit.h"

#include <glib-unix.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 100
#define PATIENCE_S 30
#define NOBODY 65534

static struct {
	int ends[2];
	char order[1024]; // what was served: 'u', or 'o' of the others
	size_t served;
	bool is_again; // another byte with each that is taken
	int answer[2];
	bool is_answered; // work waits for it
	bool has_work;
	bool is_long; // the others' work has urgent_turn in it
	guint other;
} lab;

static void note(char what)
{
	if (lab.served < sizeof(lab.order) - 1)
		lab.order[lab.served++] = what;
}

static void ring(void)
{
	assert_int_equal(write(lab.ends[1], "!", 1), 1);
}

static void do_nothing(void *ctx)
{
	(void)ctx;
	note('d');
}

static gboolean take(gint fd, GIOCondition condition, gpointer ctx)
{
	size_t before = lab.served + 1;
	char byte;

	(void)condition;
	(void)ctx;
	assert_int_equal(read(fd, &byte, 1), 1);
	note('u');
	if (lab.is_again)
		ring();
	if (lab.is_answered) {
		assert_int_equal(write(lab.answer[1], "!", 1), 1);
		return G_SOURCE_CONTINUE;
	}
	if (lab.has_work) {
		urgent_wait(do_nothing, NULL);
		return G_SOURCE_CONTINUE;
	}
	// What is served is not served once more within itself.
	g_usleep(1000);
	urgent_turn();
	assert_int_equal(lab.served, before);
	return G_SOURCE_CONTINUE;
}

static gboolean work(gpointer ctx)
{
	(void)ctx;
	note('o');
	if (lab.is_long) {
		ring();
		g_usleep(1000); // longer than turns are apart
		urgent_turn();
		note('e');
	}
	return G_SOURCE_CONTINUE;
}

static guint attach(GSource *source, GSourceFunc fn, GMainContext *context)
{
	guint id;

	g_source_set_callback(source, fn, NULL, NULL);
	id = g_source_attach(source, context);
	g_source_unref(source);
	return id;
}

static int setup(void **state)
{
	(void)state;
	memset(&lab, 0, sizeof(lab));
	assert_int_equal(pipe(lab.ends), 0);
	assert_int_equal(urgent_open(), 0);
	(void)attach(
		g_unix_fd_source_new(lab.ends[0], G_IO_IN), G_SOURCE_FUNC(take), urgent_context());
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (lab.other != 0)
		(void)g_source_remove(lab.other);
	urgent_close();
	(void)close(lab.ends[0]);
	(void)close(lab.ends[1]);
	return 0;
}

static void be_busy(void)
{
	lab.other = g_idle_add_full(G_PRIORITY_DEFAULT, work, NULL, NULL);
}

static void it_comes_before_all_that_is_ready(void **state)
{
	(void)state;
	be_busy();
	for (int i = 0; i < ROUNDS; i++) {
		ring();
		(void)g_main_context_iteration(NULL, FALSE);
		assert_string_equal(lab.order, "uo");
		lab.served = 0;
	}
}

static void it_keeps_nothing_waiting(void **state)
{
	size_t others = 0;

	(void)state;
	be_busy();
	lab.is_again = true;
	ring();
	for (int i = 0; i < ROUNDS; i++)
		(void)g_main_context_iteration(NULL, FALSE);
	for (size_t i = 0; i < lab.served; i++)
		others += lab.order[i] == 'o';
	assert_int_equal(others, ROUNDS);
	assert_int_equal(lab.served, 2 * ROUNDS);
}

static void it_is_served_in_the_midst_of_other_work(void **state)
{
	(void)state;
	be_busy();
	lab.is_long = true;
	(void)g_main_context_iteration(NULL, FALSE);
	assert_string_equal(lab.order, "oue");
}

static gboolean end_wait(gpointer ctx)
{
	*(bool *)ctx = true;
	return G_SOURCE_REMOVE;
}

// Nothing else would end the wait.
static void its_timers_end_the_wait_of_the_loop(void **state)
{
	GSource *timer = g_timeout_source_new(1);
	bool is_over = false;

	(void)state;
	g_source_set_callback(timer, end_wait, &is_over, NULL);
	(void)g_source_attach(timer, urgent_context());
	g_source_unref(timer);
	while (!is_over)
		(void)g_main_context_iteration(NULL, TRUE);
}

static void *attach_there(void *over)
{
	GSource *idle = g_idle_source_new();

	g_source_set_callback(idle, end_wait, over, NULL);
	(void)g_source_attach(idle, urgent_context());
	g_source_unref(idle);
	return NULL;
}

static void what_another_thread_attaches_is_served(void **state)
{
	bool is_over = false;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, attach_there, &is_over), 0);
	while (!is_over)
		(void)g_main_context_iteration(NULL, TRUE);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void many_sources_are_all_looked_at(void **state)
{
	int ends[ROUNDS][2];
	guint ids[ROUNDS];

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		assert_int_equal(pipe(ends[i]), 0);
		ids[i] = attach(g_unix_fd_source_new(ends[i][0], G_IO_IN), G_SOURCE_FUNC(take),
			urgent_context());
		assert_int_equal(write(ends[i][1], "!", 1), 1);
		(void)g_main_context_iteration(NULL, FALSE);
		assert_int_equal(lab.served, i + 1);
	}
	for (int i = 0; i < ROUNDS; i++) {
		g_source_destroy(g_main_context_find_source_by_id(urgent_context(), ids[i]));
		(void)close(ends[i][0]);
		(void)close(ends[i][1]);
	}
}

static void wait_for_answer(void *ctx)
{
	char byte;

	(void)ctx;
	ring();
	assert_int_equal(read(lab.answer[0], &byte, 1), 1);
	note('w');
}

// The work ends by what is served meanwhile alone.
static void it_is_served_while_work_is_waited_for(void **state)
{
	(void)state;
	assert_int_equal(pipe(lab.answer), 0);
	lab.is_answered = true;
	for (int i = 0; i < ROUNDS; i++) {
		lab.served = 0;
		urgent_wait(wait_for_answer, NULL);
		assert_string_equal(lab.order, "uw");
	}
	(void)close(lab.answer[0]);
	(void)close(lab.answer[1]);
}

static void work_of_what_is_served_is_done_at_once(void **state)
{
	(void)state;
	lab.has_work = true;
	ring();
	(void)g_main_context_iteration(NULL, FALSE);
	assert_string_equal(lab.order, "ud");
}

static void closed_it_does_nothing(void **state)
{
	(void)state;
	urgent_close();
	urgent_wait(do_nothing, NULL);
	assert_string_equal(lab.order, "d");
	assert_null(urgent_context());
	urgent_turn();
	(void)g_main_context_iteration(NULL, FALSE);
	assert_int_equal(urgent_open(), 0);
}

// Whether it says so; it must not wait for a thread that never comes.
static int open_without_threads(void)
{
	static const struct rlimit none = {0, 0};

	(void)alarm(PATIENCE_S);
	// Of root nothing is counted.
	if ((geteuid() == 0 && setuid(NOBODY) != 0) || setrlimit(RLIMIT_NPROC, &none) != 0)
		return 2;
	return urgent_open() == -EAGAIN && urgent_context() == NULL ? 0 : 1;
}

static void without_a_thread_it_is_not_opened(void **state)
{
	pid_t child;
	int status;

	(void)state;
	urgent_close();
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(open_without_threads());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(urgent_open(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_comes_before_all_that_is_ready),
		TEST(it_keeps_nothing_waiting),
		TEST(it_is_served_in_the_midst_of_other_work),
		TEST(its_timers_end_the_wait_of_the_loop),
		TEST(what_another_thread_attaches_is_served),
		TEST(many_sources_are_all_looked_at),
		TEST(it_is_served_while_work_is_waited_for),
		TEST(work_of_what_is_served_is_done_at_once),
		TEST(closed_it_does_nothing),
		TEST(without_a_thread_it_is_not_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
