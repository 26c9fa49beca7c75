// SPDX-License-Identifier: BSD-3-Clause
// Who may come in and by what, the order of what is said, and who has answered.
#include "tests/control/vendor_case.h"

#include <errno.h>

// ---- gateways -----------------------------------------------------------------------------------

static int enrol(const char *token, const char *id)
{
	char why[256];
	json_t *asked = describe(id, lab.gateway, json_pack("{s:s}", "token", token));
	int err = registry_enrol(lab.database, asked, NOW, why, sizeof(why));

	json_decref(asked);
	return err;
}

static void a_gateway_keeps_what_a_change_leaves_out(void **state)
{
	json_t *found;

	(void)state;
	assert_int_equal(put(describe("g", lab.gateway,
				 json_pack("{s:s, s:[s], s:[{s:s}]}", "name", "first", "groups",
					 "a", "channels", "kind", "pull"))),
		0);
	assert_int_equal(put(json_pack("{s:s, s:s}", "id", "g", "name", "second")), 0);
	found = registry_get(lab.database, "g");
	assert_string_equal(json_string_value(json_object_get(found, "name")), "second");
	assert_int_equal(json_array_size(json_object_get(found, "groups")), 1);
	assert_int_equal(json_array_size(json_object_get(found, "channels")), 1);
	json_decref(found);
	assert_int_equal(registry_remove(lab.database, "g"), 0);
	assert_int_equal(registry_remove(lab.database, "g"), -ENOENT);
	assert_null(registry_get(lab.database, "g"));
}

static void what_is_no_gateway_is_refused(void **state)
{
	static const char *const bad[] = {"{}", "{\"id\": \"\"}",
		"{\"id\": \"g\", \"groups\": \"a\"}", "{\"id\": \"g\", \"groups\": [1]}",
		"{\"id\": \"g\", \"other\": 1}", "{\"id\": \"g\", \"name\": \"a\\nb\"}",
		"{\"id\": \"g\", \"public_key\": \"AAAA\"}", "{\"id\": \"g\", \"channels\": [{}]}",
		"{\"id\": \"g\", \"channels\": [1]}",
		"{\"id\": \"g\", \"channels\": [{\"kind\": \"pigeon\"}]}",
		"{\"id\": \"g\", \"channels\": [{\"kind\": \"https\"}]}",
		"{\"id\": \"g\", \"channels\": [{\"kind\": \"https\", \"url\": \"file:///etc\"}]}",
		"{\"id\": \"g\", \"channels\": [{\"kind\": \"udp\", \"address\": \"host\"}]}",
		"{\"id\": \"g\", \"channels\": [{\"kind\": \"pull\", \"more\": 1}]}"};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		json_t *gateway = json_loads(bad[i], 0, NULL);

		if (json_object_get(gateway, "public_key") == NULL &&
			json_object_get(gateway, "id") != NULL) {
			json_t *full = describe("x", lab.gateway, json_incref(gateway));

			json_decref(gateway);
			gateway = full;
		}
		assert_int_equal(put(gateway), -EINVAL);
	}
	assert_int_equal(put(describe("g", lab.gateway, NULL)), 0);
	assert_int_equal(put(describe("h", lab.gateway, NULL)), -EEXIST);
}

static void a_token_brings_one_gateway_in_once(void **state)
{
	char token[REGISTRY_SECRET_BYTES];
	json_t *groups = json_pack("[s]", "branch");
	json_t *found;

	(void)state;
	assert_int_equal(
		registry_token_make(lab.database, NULL, groups, NOW - 10, NOW + 10, token), 0);
	json_decref(groups);
	assert_int_equal(enrol("ct_0000", "g"), -EACCES);
	assert_int_equal(enrol(token, "g"), 0);
	assert_int_equal(enrol(token, "g"), -EACCES);
	found = registry_get(lab.database, "g");
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(found, "groups"), 0)), "branch");
	json_decref(found);
	found = registry_tokens(lab.database, 10);
	assert_true(json_is_true(json_object_get(json_array_get(found, 0), "used")));
	json_decref(found);
}

static void a_token_for_anybody_takes_no_ones_place(void **state)
{
	char token[REGISTRY_SECRET_BYTES];

	(void)state;
	assert_int_equal(put(describe("g", lab.vendor, NULL)), 0);
	assert_int_equal(registry_token_make(lab.database, NULL, NULL, NOW, NOW + 10, token), 0);
	assert_int_equal(enrol(token, "g"), -EEXIST);
	assert_int_equal(enrol(token, "h"), 0); // it is not used up by that
	assert_int_equal(registry_remove(lab.database, "h"), 0);
	assert_int_equal(registry_token_make(lab.database, "g", NULL, NOW, NOW + 10, token), 0);
	assert_int_equal(enrol(token, "h"), -EACCES);
	assert_int_equal(enrol(token, "g"), 0);
	assert_int_equal(registry_token_make(lab.database, "g", NULL, NOW - 9, NOW, token), 0);
	assert_int_equal(enrol(token, "g"), -EACCES); // expired
}

static void a_key_says_who_asks_and_whether_they_may_write(void **state)
{
	char key[REGISTRY_SECRET_BYTES];
	char again[REGISTRY_SECRET_BYTES];
	bool writes = false;
	char *name;

	(void)state;
	assert_int_equal(registry_apikey_make(lab.database, "ann", true, NOW, key), 0);
	assert_int_equal(registry_apikey_make(lab.database, "ann", true, NOW, again), -EEXIST);
	name = registry_apikey_find(lab.database, key, &writes);
	assert_string_equal(name, "ann");
	assert_true(writes);
	free(name);
	key[10] = key[10] == 'a' ? 'b' : 'a';
	assert_null(registry_apikey_find(lab.database, key, &writes));
	assert_int_equal(registry_apikey_remove(lab.database, "ann"), 0);
	assert_int_equal(registry_apikey_remove(lab.database, "ann"), -ENOENT);
}

// ---- order --------------------------------------------------------------------------------------

static void a_sequence_is_given_once_whatever_ends(void **state)
{
	uint64_t epoch;
	uint64_t sequence;

	(void)state;
	for (uint64_t i = 1; i <= 3; i++) {
		assert_int_equal(journal_next(lab.database, ROLE_ALERTS, 1, &epoch, &sequence), 0);
		assert_int_equal(sequence, i);
		database_close(lab.database);
		open_lab_database();
	}
	assert_int_equal(journal_next(lab.database, ROLE_UPDATES, 1, &epoch, &sequence), 0);
	assert_int_equal(sequence, 1);
	assert_int_equal(journal_next(lab.database, ROLE_ALERTS, 5, &epoch, &sequence), 0);
	assert_int_equal(epoch, 5);
	assert_int_equal(sequence, 1);
	assert_int_equal(journal_next(lab.database, ROLE_ALERTS, 2, &epoch, &sequence), 0);
	assert_int_equal(epoch, 5);
	assert_int_equal(sequence, 2);
}

static struct queue_alert item(int64_t number, enum alert_type type, enum key_role role)
{
	return (struct queue_alert){.number = number, .type = type, .role = role};
}

static void a_queue_goes_in_order_and_ends_nothing_before_it_began(void **state)
{
	struct queue_alert seal = item(1, ALERT_SEAL, ROLE_ALERTS);
	struct queue_alert clear = item(2, ALERT_ALL_CLEAR, ROLE_ALL_CLEAR);
	struct queue_alert update = item(3, ALERT_UPDATE, ROLE_UPDATES);
	struct queue_alert later = item(4, ALERT_SEAL, ROLE_ALERTS);
	struct queue_alert root = item(5, ALERT_ROOT, ROLE_ROOT);
	struct queue_alert *next[ROLES];
	struct vendor_queue queue;

	(void)state;
	vendor_queue_init(&queue);
	vendor_queue_add(&queue, &seal);
	vendor_queue_add(&queue, &clear);
	vendor_queue_add(&queue, &update);
	vendor_queue_add(&queue, &later);
	assert_int_equal(vendor_queue_next(&queue, next), 1);
	assert_ptr_equal(next[0], &seal);
	assert_true(vendor_queue_remove(&queue, &seal));
	assert_false(vendor_queue_remove(&queue, &seal));
	// The seal waits for no update, nor these for a seal that came after them.
	assert_int_equal(vendor_queue_next(&queue, next), 3);
	vendor_queue_add(&queue, &root);
	assert_int_equal(vendor_queue_next(&queue, next), 1);
	assert_ptr_equal(next[0], &root);
	vendor_queue_clear(&queue);
	assert_true(vendor_queue_is_empty(&queue));
}

static void a_ping_goes_only_when_it_is_the_latest(void **state)
{
	struct queue_alert pings[] = {
		item(1, ALERT_PING, ROLE_ALERTS), item(2, ALERT_PING, ROLE_ALERTS)};
	struct queue_alert seal = item(3, ALERT_SEAL, ROLE_ALERTS);
	struct queue_alert update = item(4, ALERT_UPDATE, ROLE_UPDATES);
	struct queue_alert *next[ROLES];
	struct vendor_queue queue;

	(void)state;
	vendor_queue_init(&queue);
	vendor_queue_add(&queue, &pings[0]);
	vendor_queue_add(&queue, &pings[1]);
	vendor_queue_add(&queue, &update);
	assert_int_equal(vendor_queue_next(&queue, next), 2); // nothing waits for a ping
	assert_ptr_equal(next[0], &pings[1]);
	vendor_queue_add(&queue, &seal);
	(void)vendor_queue_next(&queue, next);
	assert_ptr_equal(next[0], &seal);
	seal.is_over = true;
	assert_int_equal(vendor_queue_next(&queue, next), 1);
	assert_ptr_equal(next[0], &update);
	vendor_queue_clear(&queue);
}

// ---- fan-out ------------------------------------------------------------------------------------

static void an_alert_goes_over_each_channel_until_its_receipt_is_in(void **state)
{
	char seal[ENVELOPE_KEY_ID_BYTES];
	char next[ENVELOPE_KEY_ID_BYTES];

	(void)state;
	add_gateway();
	assert_int_equal(issue("seal", 1, "gateway:other", next), 0);
	assert_int_equal(issue("seal", 2, "*", seal), 1);
	assert_int_equal(issue("seal", 3, "*", next), 1);
	run_loop();
	assert_int_equal(lab.tries, 2);
	assert_string_equal(lab.tried[0], "g udp");
	assert_string_equal(lab.tried[1], "g tcp-in");
	assert_false(receipt(seal, "applied", NULL, 1, lab.vendor));
	assert_string_equal(state_of(seal), "open");
	assert_true(receipt(seal, "applied", NULL, 1, lab.gateway));
	assert_string_equal(state_of(seal), "delivered");
	run_loop();
	assert_int_equal(lab.tries, 4); // the next one, at once
	assert_true(receipt(seal, "refused", "late", 2, lab.gateway));
	assert_string_equal(state_of(seal), "delivered");
	assert_true(receipt(next, "refused", "too many seals in an hour", 3, lab.gateway));
	assert_string_equal(state_of(next), "open"); // it may be otherwise later
	assert_true(receipt(next, "refused", "for another gateway", 4, lab.gateway));
	assert_string_equal(state_of(next), "refused");
}

static void what_is_missing_is_sent_again_after_a_restart(void **state)
{
	char first[ENVELOPE_KEY_ID_BYTES];
	char second[ENVELOPE_KEY_ID_BYTES];

	(void)state;
	add_gateway();
	assert_int_equal(issue("seal", 1, NULL, first), 1);
	assert_int_equal(issue("seal", 2, NULL, second), 1);
	run_loop();
	assert_true(receipt(first, "applied", NULL, 1, lab.gateway));
	fanout_free(lab.fanout);
	database_close(lab.database);
	open_lab_database();
	lab.tries = 0;
	open_fanout();
	run_loop();
	assert_int_equal(lab.tries, 2);
	assert_string_equal(state_of(first), "delivered");
	assert_true(receipt(second, "repeated", NULL, 2, lab.gateway));
	assert_string_equal(state_of(second), "delivered");
}

static void who_asks_again_does_not_wait_for_the_pause(void **state)
{
	char digest[ENVELOPE_KEY_ID_BYTES];
	json_t *totals;

	(void)state;
	add_gateway();
	assert_int_equal(issue("seal", 1, NULL, digest), 1);
	run_loop();
	lab.tries = 0;
	run_loop();
	assert_int_equal(lab.tries, 0); // the pause is an hour
	assert_int_equal(fanout_retry(lab.fanout, digest), 1);
	run_loop();
	assert_int_equal(lab.tries, 2); // both channels
	totals = fanout_totals(lab.fanout);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(totals, "udp"), "sent")), 2);
	json_decref(totals);
	assert_true(receipt(digest, "applied", NULL, 1, lab.gateway));
	assert_int_equal(fanout_retry(lab.fanout, digest), 0);
	assert_int_equal(fanout_retry(lab.fanout, "nothing"), -ENOENT);
	fanout_turn(lab.fanout, NOW + 100);
	assert_int_equal(fanout_retry(lab.fanout, digest), -ENOENT);
}

static void an_all_clear_supersedes_the_seal_that_it_ends(void **state)
{
	char seal[ENVELOPE_KEY_ID_BYTES];
	char clear[ENVELOPE_KEY_ID_BYTES];

	(void)state;
	add_gateway();
	assert_int_equal(issue("seal", 1, NULL, seal), 1);
	assert_int_equal(issue("all-clear", 1, NULL, clear), 1);
	assert_string_equal(state_of(seal), "superseded");
	run_loop();
	assert_true(receipt(clear, "applied", NULL, 1, lab.gateway));
	assert_string_equal(state_of(clear), "delivered");
}

static void an_old_sequence_is_not_issued(void **state)
{
	char digest[ENVELOPE_KEY_ID_BYTES];

	(void)state;
	add_gateway();
	assert_int_equal(issue("seal", 5, NULL, digest), 1);
	assert_int_equal(issue("seal", 5, "group:x", digest), -EACCES);
	assert_int_equal(issue("seal", 4, NULL, digest), -EACCES);
	assert_int_equal(issue("seal", 6, NULL, digest), 1);
}

static void what_has_expired_is_tried_no_more(void **state)
{
	char digest[ENVELOPE_KEY_ID_BYTES];
	json_t *alert;

	(void)state;
	add_gateway();
	assert_int_equal(issue("seal", 1, NULL, digest), 1);
	fanout_turn(lab.fanout, NOW + 100);
	run_loop();
	assert_int_equal(lab.tries, 0);
	alert = journal_get(lab.database, digest, false);
	assert_string_equal(json_string_value(json_object_get(alert, "state")), "expired");
	json_decref(alert);
	assert_string_equal(state_of(digest), "open"); // which is: missing
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
	const struct CMUnitTest tests[] = {
		TEST(a_gateway_keeps_what_a_change_leaves_out),
		TEST(what_is_no_gateway_is_refused),
		TEST(a_token_brings_one_gateway_in_once),
		TEST(a_token_for_anybody_takes_no_ones_place),
		TEST(a_key_says_who_asks_and_whether_they_may_write),
		TEST(a_sequence_is_given_once_whatever_ends),
		TEST(a_queue_goes_in_order_and_ends_nothing_before_it_began),
		TEST(a_ping_goes_only_when_it_is_the_latest),
		TEST(an_alert_goes_over_each_channel_until_its_receipt_is_in),
		TEST(what_is_missing_is_sent_again_after_a_restart),
		TEST(who_asks_again_does_not_wait_for_the_pause),
		TEST(an_all_clear_supersedes_the_seal_that_it_ends),
		TEST(an_old_sequence_is_not_issued),
		TEST(what_has_expired_is_tried_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
