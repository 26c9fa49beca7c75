// SPDX-License-Identifier: BSD-3-Clause
// The same bytes again and again: the same answer at little cost, as long as it holds; and no more of it in the
// events and in memory than there is room for.
#include "control/alerts_seen.h"
#include "tests/control/alerts_case.h"

static void what_was_refused_has_the_same_receipt_within_the_second(void **test_state)
{
	char *text = sign(make_seal(2), ALERTS_A, ALERTS_A);
	char *first;

	(void)test_state;
	lab.now_s += 100; // no second passes
	send_alert(make_seal(3), ALERTS_A);
	send_text(strdup(text));
	assert_refused("an old sequence");
	assert_false(lab.said.is_repeat);
	first = strdup(lab.receipt);
	for (int i = 0; i < 10; i++) {
		send_text(strdup(text));
		assert_string_equal(lab.receipt, first);
		assert_true(lab.said.is_repeat && lab.said.is_refusal);
	}
	lab.now_s += 2;
	send_text(text);
	assert_refused("an old sequence");
	assert_string_not_equal(lab.receipt, first);
	free(first);
}

static void what_was_too_early_is_taken_once_it_is_not(void **test_state)
{
	char *text = sign(make_seal(1500), ALERTS_A, ALERTS_A);

	(void)test_state;
	send_alert(make_seal(1), ALERTS_A);
	send_text(strdup(text));
	assert_refused("too far ahead in sequence");
	send_alert(make_seal(1001), ALERTS_A);
	send_text(text);
	assert_result("applied");
}

static void a_stranger_is_one_until_the_keys_change(void **test_state)
{
	char *text = sign(make_seal(1), THIEF, THIEF);
	json_t *root = make_root(2, ROOT_A);
	json_t *document = json_object_get(root, "root");
	const struct envelope_key *key = envelope_signer_key(lab.signers[THIEF]);
	char *raw = envelope_key_text(key);

	(void)test_state;
	for (int i = 0; i < 3; i++) {
		send_text(strdup(text));
		assert_null(lab.receipt);
		assert_true(lab.said.is_refusal);
	}
	(void)json_object_set_new(json_object_get(document, "keys"), key->id, json_string(raw));
	(void)json_object_set_new(
		json_object_get(document, "roles"), "alerts", role_of(1, THIEF, THIEF));
	send_text(sign(root, ROOT_A, ROOT_A));
	assert_result("applied");
	send_text(text);
	assert_result("applied");
	free(raw);
}

// What a key has signed that is trusted no more is nobody's, also when it was answered before.
static void a_repeat_is_a_strangers_when_its_key_is(void **test_state)
{
	char *text = sign(make_seal(1), ALERTS_A, ALERTS_A);
	json_t *root = make_root(2, ROOT_A);
	json_t *document = json_object_get(root, "root");

	(void)test_state;
	for (int i = 0; i < 3; i++) {
		send_text(strdup(text));
		assert_result("applied");
	}
	(void)json_object_del(
		json_object_get(document, "keys"), envelope_signer_key(lab.signers[ALERTS_A])->id);
	(void)json_object_set_new(
		json_object_get(document, "roles"), "alerts", role_of(1, UPDATES_A, UPDATES_A));
	send_text(sign(root, ROOT_A, ROOT_A));
	send_text(text);
	assert_null(lab.receipt);
}

static void repeats_and_refusals_are_told_in_sum(void **test_state)
{
	char *seal = sign(make_seal(2), ALERTS_A, ALERTS_A);
	char *old = sign(make_seal(1), ALERTS_A, ALERTS_A);
	json_t *status;

	(void)test_state;
	send_text(strdup(seal));
	lab.events = 0;
	for (int i = 0; i < 1000; i++) {
		send_text(strdup(seal));
		send_text(strdup(old));
	}
	assert_in_range(lab.events, 2, 400); // a minute may end meanwhile
	lab.now_s += 60;
	lab.events = 0;
	alerts_turn(lab.alerts, lab.now_s);
	assert_in_range(lab.events, 2, 4);
	status = alerts_status(lab.alerts);
	assert_int_equal(json_integer_value(json_object_get(status, "repeated")), 1000);
	assert_int_equal(json_integer_value(json_object_get(
				 json_object_get(status, "refused"), "an old sequence")),
		1000);
	json_decref(status);
	free(seal);
	free(old);
}

static void who_waits_is_counted_and_told_to_come_again(void **test_state)
{
	char *text = sign(make_seal(1), ALERTS_A, ALERTS_A);

	(void)test_state;
	lab.say = -EINPROGRESS;
	for (int i = 0; i < 5000; i++)
		send_text(strdup(text));
	free(text);
	assert_in_range(lab.answers, 3000, 4999);
	assert_true(lab.said.is_busy && !lab.said.is_refusal && lab.receipt == NULL);
	alerts_done(lab.alerts, lab.digest, 0, "", lab.now_s);
	alerts_flush(lab.alerts);
	assert_int_equal(lab.answers, 5000);
	assert_result("applied");
}

// ---- by itself ----------------------------------------------------------------------------------

static void what_is_remembered_is_bounded(void **test_state)
{
	struct alerts_seen *seen = alerts_seen_new();
	struct seen_answer answer = {SEEN_ANSWERED, "", "a receipt", false, ""};
	struct seen_answer found;
	struct seen_key key;
	unsigned int remembered = 0;
	char *large = calloc(1, 100001);

	(void)test_state;
	assert_non_null(seen);
	assert_non_null(large);
	for (uint32_t i = 0; i < 20000; i++) {
		assert_false(alerts_seen_find(seen, &i, sizeof(i), 1, &key, &found));
		alerts_seen_keep(seen, &key, 1, &answer);
		assert_true(alerts_seen_find(seen, &i, sizeof(i), 1, &key, &found));
		assert_string_equal(found.receipt, "a receipt");
	}
	for (uint32_t i = 0; i < 20000; i++)
		remembered += alerts_seen_find(seen, &i, sizeof(i), 1, &key, &found);
	assert_in_range(remembered, 3000, 4096);
	memset(large, 'x', 100000);
	answer.receipt = large;
	assert_false(alerts_seen_find(seen, "large", 5, 1, &key, &found));
	alerts_seen_keep(seen, &key, 1, &answer);
	assert_false(alerts_seen_find(seen, "large", 5, 1, &key, &found));
	alerts_seen_free(seen);
	free(large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_refused_has_the_same_receipt_within_the_second),
		TEST(what_was_too_early_is_taken_once_it_is_not),
		TEST(a_stranger_is_one_until_the_keys_change),
		TEST(a_repeat_is_a_strangers_when_its_key_is),
		TEST(repeats_and_refusals_are_told_in_sum),
		TEST(who_waits_is_counted_and_told_to_come_again),
		cmocka_unit_test(what_is_remembered_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
