// SPDX-License-Identifier: BSD-3-Clause
// Alerts are served while rules are opened and handed over: a dataplane that answers when something urgent was served
// is heard, and results and errors are those of what was done.
#include "control/aside.h"
#include "control/publish_parcel.h"
#include "control/urgent.h"
#include "dataplane/dataplane.h"
#include "tests/support/unit.h"

#include <glib.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_S 60

static struct {
	char folder[32];
	char path[64];
	atomic_uint served;
	atomic_bool is_over;
	struct local_server *server;
	off_t bytes; // of what came
	bool refuses;
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

static void answer(void *ctx, struct local_request *request, struct local_answer *out)
{
	unsigned int before = atomic_load(&lab.served);
	struct stat status = {0};

	(void)ctx;
	while (atomic_load(&lab.served) == before)
		(void)sched_yield();
	if (fstat(request->fd, &status) == 0)
		lab.bytes = status.st_size;
	out->text = strdup(lab.refuses ? "{\"error\":\"no\"}"
				       : "{\"ok\":true,\"ruleset\":\"r\",\"signatures\":7}");
}

static void *run_dataplane(void *arg)
{
	struct pollfd asked = {.fd = local_server_descriptor(lab.server), .events = POLLIN};

	(void)arg;
	while (!atomic_load(&lab.is_over)) {
		if (poll(&asked, 1, 10) > 0)
			local_server_serve(lab.server);
	}
	return NULL;
}

static int setup(void **state)
{
	GSource *always = g_idle_source_new();
	FILE *file;

	(void)state;
	memset(&lab, 0, sizeof(lab));
	lab.loop = pthread_self();
	(void)snprintf(lab.folder, sizeof(lab.folder), "/tmp/cordon-aside-XXXXXX");
	assert_non_null(mkdtemp(lab.folder));
	(void)snprintf(lab.path, sizeof(lab.path), "%s/image", lab.folder);
	file = fopen(lab.path, "we");
	assert_non_null(file);
	assert_true(fputs("no image", file) >= 0);
	assert_int_equal(fclose(file), 0);
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
	(void)unlink(lab.path);
	(void)rmdir(lab.folder);
	return 0;
}

static int send_image(struct publish_result *result, char *error, size_t room)
{
	static struct control_options options;
	const struct publish_parcel parcel = {"rules", lab.path, NULL};
	pthread_t dataplane;
	int err;

	(void)snprintf(
		options.dataplane, sizeof(options.dataplane), "%s/dataplane.sock", lab.folder);
	assert_int_equal(local_server_open(options.dataplane, answer, NULL, &lab.server), 0);
	assert_int_equal(pthread_create(&dataplane, NULL, run_dataplane, NULL), 0);
	err = publish_parcel_send(&options, &parcel, result, error, room);
	atomic_store(&lab.is_over, true);
	assert_int_equal(pthread_join(dataplane, NULL), 0);
	local_server_close(lab.server);
	return err;
}

static void while_the_dataplane_opens_an_image(void **state)
{
	struct publish_result result = {0};
	char error[256] = "";

	(void)state;
	assert_int_equal(send_image(&result, error, sizeof(error)), 0);
	assert_string_equal(result.version, "r");
	assert_int_equal(result.signatures, 7);
	assert_int_equal(lab.bytes, strlen("no image"));
}

static void what_it_refuses_is_told(void **state)
{
	struct publish_result result = {0};
	char error[256] = "";

	(void)state;
	lab.refuses = true;
	assert_int_equal(send_image(&result, error, sizeof(error)), -EBADMSG);
	assert_string_equal(error, "the dataplane refused them: no");
}

static void what_fails_before_is_told_too(void **state)
{
	static struct control_options options;
	struct publish_parcel parcel = {"rules", "/nonexistent/image", NULL};
	struct publish_result result = {0};
	char error[256] = "";

	(void)state;
	assert_int_equal(
		publish_parcel_send(&options, &parcel, &result, error, sizeof(error)), -ENOENT);
	assert_string_equal(error, "/nonexistent/image: No such file or directory");
	parcel.path = lab.path;
	(void)snprintf(options.dataplane, sizeof(options.dataplane), "%s/nobody", lab.folder);
	assert_int_equal(
		publish_parcel_send(&options, &parcel, &result, error, sizeof(error)), -ENOENT);
	assert_string_equal(error, "the dataplane cannot be asked: No such file or directory");
}

static void files_are_opened_and_named_as_ever(void **state)
{
	struct ruleset *ruleset = NULL;
	char other[80];

	(void)state;
	assert_int_equal(aside_open_rules("/nonexistent/image", &ruleset), -ENOENT);
	assert_int_not_equal(aside_open_rules(lab.path, &ruleset), 0);
	assert_null(ruleset);
	assert_int_equal(aside_rename("/nonexistent/image", lab.path), -ENOENT);
	(void)snprintf(other, sizeof(other), "%s/other", lab.folder);
	assert_int_equal(aside_rename(lab.path, other), 0);
	assert_int_equal(access(lab.path, F_OK), -1);
	assert_int_equal(aside_rename(other, lab.path), 0);
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
		TEST(while_the_dataplane_opens_an_image),
		TEST(what_it_refuses_is_told),
		TEST(what_fails_before_is_told_too),
		TEST(files_are_opened_and_named_as_ever),
		TEST(while_a_program_is_started_and_ended),
		TEST(what_cannot_be_started_is_an_error),
	};

	// A loop that waits for the dataplane alone would wait for ever.
	(void)alarm(PATIENCE_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
