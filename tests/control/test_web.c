// SPDX-License-Identifier: BSD-3-Clause
// What the dataplane says of a second comes in the midst of other work: it is told when that is done.
#include "control/control.h"
#include "control/dataplane_ask.h"
#include "control/urgent.h"
#include "dataplane/dataplane.h"
#include "tests/support/unit.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_S 60

static struct {
	char folder[32];
	struct control control;
	struct local_server *server;
	unsigned int asked; // the dataplane
	unsigned int told;  // how it all is
} lab;

json_t *api_run(struct api_call *call, bool may_change)
{
	(void)call;
	(void)may_change;
	return json_object();
}

json_t *api_status(const struct control *control)
{
	(void)control;
	lab.told++;
	return json_object();
}

void control_audit(struct control *control, const char *who, const char *what, json_t *members)
{
	(void)control;
	(void)who;
	(void)what;
	json_decref(members);
}

static void answer(void *ctx, struct local_request *request, struct local_answer *out)
{
	(void)ctx;
	assert_string_equal(request->text, "stats");
	lab.asked++;
	out->text = strdup("{\"counters\":{}}");
}

// One that is free.
static unsigned int find_port(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t bytes = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, bytes), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
	(void)close(fd);
	return ntohs(address.sin_port);
}

static int setup(void **state)
{
	struct control_options *options = &lab.control.options;

	(void)state;
	memset(&lab, 0, sizeof(lab));
	(void)snprintf(lab.folder, sizeof(lab.folder), "/tmp/cordon-web-XXXXXX");
	assert_non_null(mkdtemp(lab.folder));
	(void)snprintf(options->dataplane, sizeof(options->dataplane), "%s/sock", lab.folder);
	(void)snprintf(
		options->web.listen, sizeof(options->web.listen), "127.0.0.1:%u", find_port());
	options->web.plain = true;
	options->web.per_minute = 1000;
	assert_int_equal(local_server_open(options->dataplane, answer, NULL, &lab.server), 0);
	assert_int_equal(urgent_open(), 0);
	assert_int_equal(dataplane_link_open(&lab.control.link, options), 0);
	assert_int_equal(web_open(&lab.control, &lab.control.web, (char[512]){0}, 512), 0);
	lab.control.link.is_up = true;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dataplane_link_end(&lab.control.link);
	web_close(lab.control.web);
	urgent_close();
	dataplane_link_close(&lab.control.link);
	local_server_close(lab.server);
	return rmdir(lab.folder);
}

static void serve(void *ctx)
{
	(void)ctx;
	while (lab.asked == 0)
		local_server_serve(lab.server);
}

static void what_comes_in_the_midst_of_work_is_told_after_it(void **state)
{
	(void)state;
	web_turn(lab.control.web);
	urgent_wait(serve, NULL);
	while (dataplane_ask_is_busy(lab.control.link.asked))
		(void)g_main_context_iteration(urgent_context(), TRUE);
	assert_int_equal(lab.told, 0);
	while (lab.told == 0)
		(void)g_main_context_iteration(NULL, TRUE);
	assert_int_equal(lab.told, 1);
}

static void the_end_may_come_before_it_is_told(void **state)
{
	(void)state;
	web_turn(lab.control.web);
	serve(NULL);
	dataplane_link_wait(&lab.control.link, PATIENCE_S * 1000);
	assert_int_equal(lab.told, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_comes_in_the_midst_of_work_is_told_after_it),
		TEST(the_end_may_come_before_it_is_told),
	};

	(void)alarm(PATIENCE_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
