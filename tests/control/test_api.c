// SPDX-License-Identifier: BSD-3-Clause
// An operator who seals, or ends a seal, has an answer while the main loop is at something that takes long; what else is
// asked waits for the main loop, and is answered then.
#include "control/api.h"
#include "control/control.h"
#include "control/urgent.h"
#include "dataplane/dataplane.h"
#include "tests/support/unit.h"

#include <glib.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_S 60
#define SEAL "{\"virus_id\":\"CV-1\",\"mode\":\"hold\",\"scope\":{},\"command\":\"seal\"}"
#define UNSEAL "{\"command\":\"unseal\",\"virus_id\":\"CV-1\",\"all\":false}"
#define UNKNOWN "{\"command\":\"unknown\"}"

static struct {
	char folder[32];
	char path[64];
	struct control control;
	unsigned int told; // times
	bool is_in_force;
	bool is_silent;          // the dataplane
	void (*then)(void *ctx); // what waits for it
	void *then_ctx;
} lab;

void control_audit(struct control *control, const char *who, const char *what, json_t *members)
{
	(void)control;
	(void)who;
	(void)what;
	json_decref(members);
}

void control_seals_changed(struct control *control, const char *event, json_t *members)
{
	(void)control;
	(void)event;
	json_decref(members);
	lab.told++;
}

void control_seals_tell(struct control *control)
{
	(void)control;
}

bool control_seals_in_force(const struct control *control)
{
	(void)control;
	return lab.is_in_force;
}

void control_seals_when_told(struct control *control, void (*then)(void *ctx), void *ctx)
{
	(void)control;
	if (lab.is_silent) {
		lab.then = then;
		lab.then_ctx = ctx;
	} else {
		then(ctx);
	}
}

static int setup(void **state)
{
	char seals[64];
	char error[128] = "";

	(void)state;
	memset(&lab, 0, sizeof(lab));
	(void)snprintf(lab.folder, sizeof(lab.folder), "/tmp/test_api.XXXXXX");
	assert_non_null(mkdtemp(lab.folder));
	(void)snprintf(lab.path, sizeof(lab.path), "%s/sock", lab.folder);
	(void)snprintf(seals, sizeof(seals), "%s/seals", lab.folder);
	assert_int_equal(urgent_open(), 0);
	assert_int_equal(seals_open(seals, 1000, &lab.control.seals, error, sizeof(error)), 0);
	assert_int_equal(api_open(&lab.control, lab.path, &lab.control.api), 0);
	api_listen(lab.control.api);
	return 0;
}

static int teardown(void **state)
{
	char seals[64];
	char room[80];

	(void)state;
	(void)snprintf(seals, sizeof(seals), "%s/seals", lab.folder);
	api_stop(lab.control.api);
	urgent_close();
	api_close(lab.control.api);
	seals_close(lab.control.seals);
	(void)unlink(seals);
	(void)snprintf(room, sizeof(room), "%s.room", seals);
	(void)unlink(room);
	return rmdir(lab.folder);
}

static void ask(const char *question, const char *expected)
{
	char *answer = NULL;

	assert_int_equal(local_ask(lab.path, question, -1, PATIENCE_S, &answer, NULL), 0);
	assert_non_null(strstr(answer, expected));
	free(answer);
}

// Work that is not done before the operator has his answers: as long as he has none, it is long.
static void seal_and_unseal(void *ctx)
{
	(void)ctx;
	ask(SEAL, "\"seals_generation\":1");
	ask(UNSEAL, "\"seals_generation\":2");
	ask(UNSEAL, "there is no seal");
}

static void an_operator_is_answered_in_the_midst_of_long_work(void **state)
{
	(void)state;
	urgent_wait(seal_and_unseal, NULL);
	assert_int_equal(lab.told, 2);
	assert_int_equal(seals_count(lab.control.seals), 0);
}

static void *ask_aside(void *arg)
{
	ask(UNKNOWN, "there is no command");
	return arg;
}

static void what_else_is_asked_waits_for_the_main_loop(void **state)
{
	char *answer = NULL;
	pthread_t thread;
	int fd = -1;

	(void)state;
	assert_int_equal(local_connect(lab.path, &fd), 0);
	assert_int_equal(local_send(fd, UNKNOWN), 0);
	urgent_wait(seal_and_unseal, NULL);
	assert_int_equal(local_receive(fd, &answer), -EAGAIN);
	while (local_receive(fd, &answer) != 0)
		(void)g_main_context_iteration(NULL, TRUE);
	free(answer);
	(void)close(fd);
	// And when nothing else is to be done.
	assert_int_equal(pthread_create(&thread, NULL, ask_aside, NULL), 0);
	while (pthread_tryjoin_np(thread, NULL) != 0)
		(void)g_main_context_iteration(NULL, FALSE);
}

static json_t *take(int fd)
{
	char *answer = NULL;
	json_t *root;

	assert_int_equal(local_receive(fd, &answer), 0);
	root = json_loads(answer, 0, NULL);
	free(answer);
	return root;
}

static void who_seals_waits_for_the_dataplane_alone(void **state)
{
	char *answer = NULL;
	json_t *said;
	int sealing = -1;
	int other = -1;

	(void)state;
	lab.is_silent = true;
	assert_int_equal(local_connect(lab.path, &sealing), 0);
	assert_int_equal(local_connect(lab.path, &other), 0);
	assert_int_equal(local_send(sealing, SEAL), 0);
	while (lab.then == NULL)
		(void)g_main_context_iteration(NULL, TRUE);
	assert_int_equal(local_send(other, UNKNOWN), 0);
	while (local_receive(other, &answer) != 0)
		(void)g_main_context_iteration(NULL, TRUE);
	free(answer);
	assert_int_equal(local_receive(sealing, &answer), -EAGAIN);
	(void)snprintf(lab.control.link.why, sizeof(lab.control.link.why), "it is silent");
	lab.then(lab.then_ctx);
	said = take(sealing);
	assert_false(json_is_true(json_object_get(said, "in_force")));
	assert_string_equal(json_string_value(json_object_get(said, "why")), "it is silent");
	json_decref(said);
	(void)close(sealing);
	(void)close(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_operator_is_answered_in_the_midst_of_long_work),
		TEST(what_else_is_asked_waits_for_the_main_loop),
		TEST(who_seals_waits_for_the_dataplane_alone),
	};

	(void)alarm(PATIENCE_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
