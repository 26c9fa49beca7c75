// SPDX-License-Identifier: BSD-3-Clause
// A mail on its way out and a seal that comes just then: the store is written here, and says when.
#include "control/control.h"
#include "control/notify.h"
#include "control/release_queue.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEY "of the seals that were"

static struct {
	struct control control;
	struct release_queue *queue;
	unsigned int reads;
	unsigned int asked;      // for another decision
	unsigned int seal_comes; // with the read of that number
	bool is_sealed;
} lab;

// ---- what the queue needs of others -------------------------------------------------------------

int64_t control_now_ns(void)
{
	return INT64_C(1800000000) * 1000000000;
}

int64_t control_time_seconds(const char *text)
{
	(void)text;
	return 1800000000;
}

void control_events_write(struct control_events *events, const char *event, json_t *members)
{
	(void)events;
	(void)event;
	json_decref(members);
}

int notify_plan(struct notify *notify, enum notify_kind kind, const struct notify_outcome *outcome)
{
	(void)notify;
	(void)kind;
	(void)outcome;
	return -ENOENT;
}

void notify_settle(struct notify *notify, enum notify_kind kind,
	const struct notify_outcome *outcome, bool is_true)
{
	(void)notify;
	(void)kind;
	(void)outcome;
	(void)is_true;
}

bool store_can_change(struct store *store)
{
	(void)store;
	return true;
}

int store_change(struct store *store, struct spool_id id, enum spool_state state, const char *who,
	const char *why)
{
	(void)store;
	(void)id;
	(void)state;
	(void)who;
	(void)why;
	return 0;
}

bool store_get_state(const struct store *store, struct spool_id id, enum spool_state *out)
{
	(void)store;
	(void)id;
	*out = SPOOL_HELD;
	return true;
}

bool store_is_changed(const struct store *store, struct spool_id id)
{
	(void)store;
	(void)id;
	return false;
}

json_t *store_show(struct store *store, struct spool_id id)
{
	(void)store;
	(void)id;
	return NULL;
}

void store_set_judged(struct store *store, struct spool_id id, const char *key)
{
	(void)store;
	(void)id;
	assert_string_equal(key, "");
	lab.asked++;
}

// Alerts are served between its pieces.
int store_read(struct store *store, struct spool_id id, size_t max_bytes, struct store_message *out)
{
	static const char text[] = "Subject: one\r\n\r\ntwo\r\n";

	(void)store;
	(void)max_bytes;
	*out = (struct store_message){.id = id,
		.state = SPOOL_HELD,
		.envelope = json_object(),
		.data = (uint8_t *)strdup(text),
		.bytes = sizeof(text) - 1};
	lab.reads++;
	lab.is_sealed = lab.is_sealed || lab.reads == lab.seal_comes;
	return 0;
}

void store_message_fini(struct store_message *message)
{
	json_decref(message->envelope);
	free(message->data);
	memset(message, 0, sizeof(*message));
}

static bool is_valid(void *ctx, const char *key)
{
	(void)ctx;
	assert_string_equal(key, KEY);
	return !lab.is_sealed;
}

// ---- tests --------------------------------------------------------------------------------------

static int set_up(void **state)
{
	struct control_options *options = &lab.control.options;

	(void)state;
	memset(&lab, 0, sizeof(lab));
	(void)snprintf(options->release.host, sizeof(options->release.host), "127.0.0.1");
	options->release.port = 1; // nobody listens there
	options->release.servers = 2;
	options->release.connections = 2;
	options->release.per_connection = 1;
	options->release.reply_seconds = 1;
	options->release.retry_seconds = 60;
	options->release.retry_most_seconds = 60;
	options->release.lifetime_seconds = 600;
	return release_queue_new(&lab.control, is_valid, NULL, &lab.queue);
}

static int tear_down(void **state)
{
	(void)state;
	release_queue_free(lab.queue);
	return 0;
}

static void add(uint64_t number)
{
	const struct release_way way = {KEY, NULL, SPOOL_HELD, SPOOL_DELIVERED};
	json_t *envelope = json_pack("{s:s, s:[{s:s, s:s}]}", "mail_from", "a@example.org",
		"rcpt_to", "address", "b@example.org", "params", "");

	release_queue_add(lab.queue, (struct spool_id){1, number}, envelope, &way);
	json_decref(envelope);
}

static json_int_t delivering(void)
{
	json_t *counts = release_queue_counts(lab.queue);
	json_int_t count = json_integer_value(json_object_get(counts, "delivering"));

	json_decref(counts);
	return count;
}

static void a_mail_goes_out_without_a_seal(void **state)
{
	(void)state;
	add(1);
	release_queue_turn(lab.queue);
	assert_int_equal(delivering(), 1);
	assert_int_equal(lab.asked, 0);
}

static void a_seal_that_comes_while_a_mail_is_read_keeps_it(void **state)
{
	(void)state;
	lab.seal_comes = 1;
	add(1);
	release_queue_turn(lab.queue);
	assert_int_equal(lab.reads, 1);
	assert_int_equal(delivering(), 0);
	assert_int_equal(lab.asked, 1);
	// It stays where it is until it is decided again, and is not read for that.
	assert_true(release_queue_has(lab.queue, (struct spool_id){1, 1}));
	release_queue_turn(lab.queue);
	assert_int_equal(lab.reads, 1);
	assert_int_equal(lab.asked, 1);
	lab.is_sealed = false;
	add(1);
	release_queue_turn(lab.queue);
	assert_int_equal(delivering(), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_mail_goes_out_without_a_seal),
		TEST(a_seal_that_comes_while_a_mail_is_read_keeps_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
