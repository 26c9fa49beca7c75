// SPDX-License-Identifier: BSD-3-Clause
// What goes to the dataplane with rules, and what comes back: what it says of them, what it refuses, what fails before.
#include "control/publish_parcel.h"
#include "dataplane/dataplane.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATIENCE_S 60

static struct {
	char folder[32];
	char path[64];
	atomic_bool is_over;
	struct local_server *server;
	off_t bytes; // of what came
	bool refuses;
} lab;

static void answer(void *ctx, struct local_request *request, struct local_answer *out)
{
	struct stat status = {0};

	(void)ctx;
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
	FILE *file;

	(void)state;
	memset(&lab, 0, sizeof(lab));
	(void)snprintf(lab.folder, sizeof(lab.folder), "/tmp/cordon-parcel-XXXXXX");
	assert_non_null(mkdtemp(lab.folder));
	(void)snprintf(lab.path, sizeof(lab.path), "%s/image", lab.folder);
	file = fopen(lab.path, "we");
	assert_non_null(file);
	assert_true(fputs("no image", file) >= 0);
	assert_int_equal(fclose(file), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)unlink(lab.path);
	return rmdir(lab.folder);
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

static void what_the_dataplane_says_of_them_is_told(void **state)
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_the_dataplane_says_of_them_is_told),
		TEST(what_it_refuses_is_told),
		TEST(what_fails_before_is_told_too),
	};

	(void)alarm(PATIENCE_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
