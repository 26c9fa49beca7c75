// SPDX-License-Identifier: BSD-3-Clause
// A feed whose server is away is asked for no more seldom than one that is there, and a receipt is posted until its place
// can take it.
#include "control/channel.h"
#include "tests/control/plain_web.h"
#include "tests/support/unit.h"

#include <glib.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_S 60
#define INTERVAL_S 60
#define FAILURES 12 // after which a pause that is doubled each time is longer than that

static struct {
	struct control_options options;
	void *channel;
	guint longest_ms;             // that it wanted to wait
	const unsigned int *statuses; // of posts, the last one for all that follow
	unsigned int posts;
	json_int_t posted;
	guint longest_post_ms;
	char last[16]; // of what was posted
} lab;

static const char *wish; // of the server: Retry-After

// In place of the library's: the channel does not wait here.
guint g_timeout_add(guint ms, GSourceFunc call, gpointer ctx)
{
	bool is_of_channel = ctx == lab.channel;

	if (is_of_channel)
		lab.longest_ms = MAX(lab.longest_ms, ms);
	if (is_of_channel && lab.posts == 1)
		lab.longest_post_ms = MAX(lab.longest_post_ms, ms);
	return g_timeout_add_full(
		G_PRIORITY_DEFAULT, is_of_channel ? MIN(ms, 1) : ms, call, ctx, NULL);
}

void alerts_take(struct alerts *alerts, const struct alerts_source *source, const void *text,
	size_t bytes, int64_t now_s)
{
	char receipt[16];
	const struct alerts_answer said = {.receipt = receipt};

	(void)alerts;
	(void)now_s;
	(void)snprintf(receipt, sizeof(receipt), "to %.*s", (int)bytes, (const char *)text);
	source->answer(source->ctx, source->token, &said);
}

static json_int_t count(const char *name)
{
	json_t *status = channel_pull.status(lab.channel);
	json_int_t found = json_integer_value(json_object_get(status, name));

	json_decref(status);
	return found;
}

static uint16_t find_port(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, n), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &n), 0);
	(void)close(fd);
	return ntohs(address.sin_port);
}

static uint16_t set_up_options(void)
{
	uint16_t port = find_port();

	memset(&lab, 0, sizeof(lab));
	lab.options.alerts.pull.interval_seconds = INTERVAL_S;
	(void)snprintf(lab.options.alerts.pull.url, sizeof(lab.options.alerts.pull.url),
		"http://127.0.0.1:%u/feed", port);
	(void)snprintf(lab.options.alerts.pull.receipts, sizeof(lab.options.alerts.pull.receipts),
		"http://127.0.0.1:%u/receipts", port);
	return port;
}

static void open_channel(void)
{
	char error[256] = "";

	assert_int_equal(
		channel_pull.open(&lab.options, NULL, &lab.channel, error, sizeof(error)), 0);
}

static void a_server_that_is_away_is_looked_for_as_often_as_it_would_be_asked(void **state)
{
	(void)state;
	(void)set_up_options();
	open_channel();
	while (count("failed") < FAILURES)
		(void)g_main_context_iteration(NULL, TRUE);
	channel_pull.close(lab.channel);
	assert_in_range(lab.longest_ms, INTERVAL_S * 1000 / 2, INTERVAL_S * 1000);
}

static void answer(void *ctx, const struct web_request *request, struct web_reply *reply)
{
	(void)ctx;
	reply->status = 200;
	if (strcmp(request->method, "POST") != 0) {
		reply->body = g_strdup("one\ntwo\n");
		return;
	}
	lab.posts++;
	(void)snprintf(lab.last, sizeof(lab.last), "%s", request->body);
	reply->status = *lab.statuses;
	if (wish != NULL && reply->status == 503)
		web_reply_header(reply, "retry-after:", "%s", wish);
	lab.statuses += lab.statuses[1] != 0;
	reply->body = g_strdup("");
}

// With a server that answers posts so, until all receipts are settled.
static void post_all(const unsigned int *statuses)
{
	char listen[32];
	const struct web_server_options options = plain_web(listen, PATIENCE_S);
	struct web_server *server;
	char error[256] = "";

	(void)snprintf(listen, sizeof(listen), "127.0.0.1:%u", set_up_options());
	lab.statuses = statuses;
	assert_int_equal(web_server_open(&options, answer, NULL, &server, error, sizeof(error)), 0);
	open_channel();
	while (count("received") < 2 || count("waiting") > 0)
		(void)g_main_context_iteration(NULL, TRUE);
	lab.posted = count("posted");
	channel_pull.close(lab.channel);
	web_server_close(server);
}

// The first receipt is asked for again by each of these but the last, which is of the second.
static void a_receipt_is_posted_until_its_place_takes_it(void **state)
{
	static const unsigned int statuses[] = {302, 401, 404, 408, 429, 503, 204, 422, 0};

	(void)state;
	post_all(statuses);
	assert_int_equal(lab.posts, 8);
	assert_int_equal(lab.posted, 1);
	assert_string_equal(lab.last, "to two");
}

static void what_is_forbidden_is_posted_again_behind_the_others(void **state)
{
	static const unsigned int statuses[] = {403, 204, 403, 204, 0};

	(void)state;
	post_all(statuses);
	assert_int_equal(lab.posts, 4);
	assert_int_equal(lab.posted, 2);
	assert_string_equal(lab.last, "to one");
}

static void a_server_is_left_alone_as_long_as_it_wishes_but_not_for_hours(void **state)
{
	static const unsigned int statuses[] = {503, 204, 0};
	static const struct {
		const char *wish;
		guint least_ms;
		guint most_ms;
	} cases[] = {{"100", 100000, 200000}, {"86400", 900000, 1800000},
		{"Fri, 31 Dec 2199 23:59:59 GMT", 900000, 1800000}, {"0", 1, 1000}, {"-5", 1, 1000},
		{"soon", 1, 1000}};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		wish = cases[i].wish;
		post_all(statuses);
		assert_in_range(lab.longest_post_ms, cases[i].least_ms, cases[i].most_ms);
	}
	wish = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_that_is_away_is_looked_for_as_often_as_it_would_be_asked),
		cmocka_unit_test(a_receipt_is_posted_until_its_place_takes_it),
		cmocka_unit_test(what_is_forbidden_is_posted_again_behind_the_others),
		cmocka_unit_test(a_server_is_left_alone_as_long_as_it_wishes_but_not_for_hours),
	};

	(void)alarm(PATIENCE_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
