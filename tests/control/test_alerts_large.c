// SPDX-License-Identifier: BSD-3-Clause
// What is large is read by a thread, and seals and short lists do not wait for it; all else keeps its order.
#include "control/alerts_inside.h"
#include "tests/control/alerts_case.h"

#include <glib.h>

#define ENTRIES 2000

static json_t *make_screen(uint64_t sequence)
{
	json_t *alert = make_alert("alerts", "screen", sequence);
	json_t *list = json_array();

	for (unsigned int i = 0; i < ENTRIES; i++) {
		char digest[65];

		(void)snprintf(digest, sizeof(digest), "%064x", i + 1);
		(void)json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:i, s:s}", "kind", "file", "algorithm",
				      "sha256", "digest", digest, "bytes", 1000 + (int)i, "name",
				      "Win.Worm-1"));
	}
	(void)json_object_set_new(alert, "virus_id", json_string("V-1"));
	(void)json_object_set_new(alert, "screen", list);
	return alert;
}

static void start_hasty(void)
{
	lab.acts_first = true;
	lab.is_hasty = true;
	restart();
}

static json_t *make_clear(uint64_t sequence)
{
	json_t *clear = make_alert("all-clear", "all-clear", sequence);

	(void)json_object_set_new(clear, "virus_id", json_string("V-1"));
	return clear;
}

static void a_seal_does_not_wait_for_a_long_list(void **test_state)
{
	char *list = sign(make_screen(1), ALERTS_A, ALERTS_A);

	(void)test_state;
	start_hasty();
	send_text(strdup(list));
	send_text(strdup(list));
	assert_int_equal(lab.applied, 0);
	send_alert(make_seal(2), ALERTS_A);
	assert_int_equal(lab.applied, 1);
	assert_int_equal(lab.type, ALERT_SEAL);
	alerts_flush(lab.alerts);
	assert_int_equal(lab.applied, 2);
	assert_int_equal(lab.type, ALERT_SCREEN);
	assert_int_equal(lab.answers, 3);
	assert_result("applied");
	send_text(list);
	alerts_flush(lab.alerts);
	assert_result("applied");
	assert_int_equal(lab.applied, 2);
	send_alert(make_seal(1), ALERTS_A);
	alerts_flush(lab.alerts);
	assert_refused("an old sequence");
}

static void a_list_that_came_after_a_seal_is_not_older(void **test_state)
{
	json_t *old = make_screen(1);

	(void)test_state;
	start_hasty();
	send_alert(make_seal(2), ALERTS_A);
	send_alert(old, ALERTS_A);
	alerts_flush(lab.alerts);
	assert_refused("an old sequence");
	assert_int_equal(lab.applied, 1);
}

// As if its first byte had come then.
static void send_begun(json_t *alert, int64_t began_us)
{
	const struct alerts_source source = {.channel = "test",
		.peer = "peer",
		.answer = answer,
		.token = 7,
		.began_us = began_us};
	char *text = sign(alert, ALERTS_A, ALERTS_A);

	lab.why[0] = '\0';
	alerts_take(lab.alerts, &source, text, strlen(text), lab.now_s);
	free(text);
	alerts_flush(lab.alerts);
}

static json_t *make_short_screen(uint64_t sequence)
{
	json_t *alert = make_screen(sequence);
	json_t *list = json_object_get(alert, "screen");

	while (json_array_size(list) > 1)
		(void)json_array_remove(list, 1);
	return alert;
}

static void a_list_that_began_to_come_before_a_seal_is_as_new_as_then(void **test_state)
{
	int64_t began_us;

	(void)test_state;
	start_hasty();
	send_alert(make_seal(3), ALERTS_A);
	began_us = alerts_clock_us();
	send_alert(make_seal(8), ALERTS_A);
	send_alert(make_seal(9), ALERTS_A);
	alerts_flush(lab.alerts);
	// Not older than what was there before it began; nor one that began after the seal, or says nothing of it.
	send_begun(make_screen(3), began_us);
	assert_refused("an old sequence");
	send_begun(make_screen(5), alerts_clock_us());
	assert_refused("an old sequence");
	send_begun(make_screen(6), 0);
	assert_refused("an old sequence");
	assert_int_equal(lab.applied, 3);
	send_begun(make_screen(4), began_us);
	assert_result("applied");
	assert_int_equal(lab.type, ALERT_SCREEN);
	assert_int_equal(lab.applied, 4);
	// Again, it is the same one; and a short list may be passed by a short list, but not by a long one.
	send_begun(make_screen(4), began_us);
	assert_result("applied");
	assert_int_equal(lab.applied, 4);
	send_begun(make_short_screen(7), began_us);
	assert_result("applied");
	send_begun(make_short_screen(6), began_us);
	assert_result("applied");
	assert_int_equal(lab.applied, 6);
	send_begun(make_screen(10), began_us);
	assert_result("applied");
	send_begun(make_short_screen(9), began_us);
	assert_refused("an old sequence");
	send_begun(make_seal(7), began_us);
	assert_refused("an old sequence");
	send_alert(make_seal(11), ALERTS_A);
	alerts_flush(lab.alerts);
	assert_result("applied");
}

static void a_short_list_does_not_wait_for_a_long_one(void **test_state)
{
	int64_t began_us = alerts_clock_us();

	(void)test_state;
	start_hasty();
	send_alert(make_screen(2), ALERTS_A);
	send_alert(make_short_screen(3), ALERTS_A);
	// The long one alone is being read.
	assert_int_equal(lab.alerts->later, 1);
	alerts_flush(lab.alerts);
	assert_int_equal(lab.applied, 2);
	assert_int_equal(lab.answers, 2);
	assert_result("applied");
	// One that came behind it is old, unless it has begun to come before.
	send_alert(make_screen(1), ALERTS_A);
	alerts_flush(lab.alerts);
	assert_refused("an old sequence");
	send_begun(make_short_screen(5), alerts_clock_us());
	assert_result("applied");
	send_begun(make_screen(4), began_us);
	assert_result("applied");
}

// Which of both counts is known by when they came, whatever is done first.
static void a_list_that_passes_an_all_clear_came_after_it(void **test_state)
{
	(void)test_state;
	start_hasty();
	send_alert(make_screen(1), ALERTS_A);
	send_text(sign(make_clear(1), CLEAR_A, CLEAR_B));
	assert_int_equal(lab.alerts->later, 2);
	send_alert(make_short_screen(2), ALERTS_A);
	assert_int_equal(lab.alerts->later, 2);
	while (lab.applied == 0)
		(void)g_main_context_iteration(NULL, TRUE);
	assert_int_equal(lab.type, ALERT_SCREEN);
	assert_true(lab.came_us[ALERT_SCREEN] > 0);
	lab.came_us[ALERT_ROOT] = lab.came_us[ALERT_SCREEN];
	alerts_flush(lab.alerts);
	assert_int_equal(lab.applied, 3);
	assert_true(lab.came_us[ALERT_ALL_CLEAR] > 0);
	assert_true(lab.came_us[ALERT_ALL_CLEAR] < lab.came_us[ALERT_ROOT]);
}

static void lists_alone_may_be_passed_by_a_seal_on_their_way(void **test_state)
{
	json_t *ping = make_alert("alerts", "ping", 1);
	json_t *old = make_short_screen(2);
	json_t *seal = make_seal(1);
	int64_t began_us = alerts_clock_us();

	(void)test_state;
	start_hasty();
	send_alert(make_seal(5), ALERTS_A);
	alerts_flush(lab.alerts);
	send_begun(ping, began_us);
	assert_refused("an old sequence");
	// A list of an epoch that was over when it was whole.
	(void)json_object_set_new(seal, "epoch", json_integer(2));
	send_alert(seal, ALERTS_A);
	alerts_flush(lab.alerts);
	assert_result("applied");
	send_begun(old, began_us);
	assert_refused("an old sequence");
}

static void more_than_are_remembered_pass_no_list_that_is_older(void **test_state)
{
	int64_t began_us = alerts_clock_us();

	(void)test_state;
	start_hasty();
	for (uint64_t i = 1; i <= PASSED_MOST + 24; i++) {
		send_alert(make_short_screen(10 * i), ALERTS_A);
		alerts_flush(lab.alerts);
		assert_result("applied");
	}
	// What was before the first that is.
	send_begun(make_short_screen(239), began_us);
	assert_refused("an old sequence");
	send_begun(make_short_screen(241), began_us);
	assert_result("applied");
	// Nothing is remembered by the next process, which has no connection that began before.
	restart();
	send_begun(make_short_screen(245), began_us);
	assert_refused("an old sequence");
}

static void all_but_seals_and_short_lists_keep_their_order(void **test_state)
{
	(void)test_state;
	start_hasty();
	send_alert(make_screen(1), ALERTS_A);
	send_text(sign(make_clear(1), CLEAR_A, CLEAR_B));
	assert_int_equal(lab.applied, 0);
	alerts_flush(lab.alerts);
	assert_int_equal(lab.applied, 2);
	assert_int_equal(lab.type, ALERT_ALL_CLEAR);
	assert_int_equal(lab.answers, 2);
}

static void an_all_clear_does_not_end_a_seal_that_came_after_it(void **test_state)
{
	char *clear = sign(make_clear(1), CLEAR_A, CLEAR_B);

	(void)test_state;
	start_hasty();
	send_alert(make_screen(1), ALERTS_A);
	send_text(strdup(clear));
	send_alert(make_seal(2), ALERTS_A);
	assert_int_equal(lab.applied, 1);
	assert_int_equal(lab.type, ALERT_SEAL);
	alerts_flush(lab.alerts);
	assert_int_equal(lab.applied, 2);
	assert_int_equal(lab.type, ALERT_SCREEN);
	assert_int_equal(lab.answers, 3);
	// Nor later, when somebody sends it again, nor when we begin anew.
	send_text(strdup(clear));
	alerts_flush(lab.alerts);
	assert_int_equal(lab.answers, 4);
	assert_result("refused");
	restart();
	assert_int_equal(alerts_resume(lab.alerts), 0);
	send_text(clear);
	alerts_flush(lab.alerts);
	assert_result("refused");
	assert_int_equal(lab.applied, 2);
	send_text(sign(make_clear(2), CLEAR_A, CLEAR_B));
	alerts_flush(lab.alerts);
	assert_result("applied");
	assert_int_equal(lab.type, ALERT_ALL_CLEAR);
}

static void an_all_clear_of_another_virus_acts_beside_a_seal(void **test_state)
{
	json_t *clear = make_clear(1);

	(void)test_state;
	(void)json_object_set_new(clear, "virus_id", json_string("V-2"));
	start_hasty();
	send_alert(make_screen(1), ALERTS_A);
	send_text(sign(clear, CLEAR_A, CLEAR_B));
	send_alert(make_seal(2), ALERTS_A);
	alerts_flush(lab.alerts);
	assert_int_equal(lab.applied, 3);
	assert_int_equal(lab.type, ALERT_ALL_CLEAR);
}

static void of_two_lists_that_wait_the_older_one_counts_first(void **test_state)
{
	(void)test_state;
	start_hasty();
	send_alert(make_screen(2), ALERTS_A);
	send_alert(make_screen(1), ALERTS_A);
	send_alert(make_seal(4), ALERTS_A);
	send_alert(make_screen(3), ALERTS_A);
	assert_int_equal(lab.applied, 1);
	alerts_flush(lab.alerts);
	assert_int_equal(lab.applied, 2);
	assert_int_equal(lab.answers, 4);
	assert_int_equal(lab.type, ALERT_SCREEN);
	assert_string_equal(lab.why, "");
	send_alert(make_screen(4), ALERTS_A);
	alerts_flush(lab.alerts);
	assert_refused("an old sequence");
	send_alert(make_screen(5), ALERTS_A);
	alerts_flush(lab.alerts);
	assert_result("applied");
}

static void whom_a_root_document_that_waits_trusts_is_no_stranger(void **test_state)
{
	json_t *root = make_root(2, ROOT_A);

	(void)test_state;
	(void)json_object_set_new(
		json_object_get(json_object_get(json_object_get(root, "root"), "roles"), "alerts"),
		"keys", json_pack("[s]", envelope_signer_key(lab.signers[CLEAR_A])->id));
	start_hasty();
	send_alert(make_screen(1), ALERTS_A);
	send_text(sign(root, ROOT_A, ROOT_A));
	send_alert(make_seal(2), CLEAR_A);
	assert_int_equal(lab.answers, 0);
	alerts_flush(lab.alerts);
	assert_int_equal(lab.answers, 3);
	assert_result("applied");
	assert_int_equal(lab.type, ALERT_SEAL);
}

static void a_root_document_between_counts_for_what_came_after_it(void **test_state)
{
	(void)test_state;
	start_hasty();
	send_alert(make_screen(1), ALERTS_A);
	send_text(sign(make_root(2, ROOT_A), ROOT_A, ROOT_B));
	send_alert(make_screen(2), ALERTS_A);
	alerts_flush(lab.alerts);
	assert_int_equal(lab.applied, 2);
	assert_int_equal(lab.answers, 3);
	assert_result("applied");
}

// It may come in the midst of other work, where nothing but seals may act: what it follows is done when that is over.
static void a_root_document_has_nothing_done_at_once(void **test_state)
{
	(void)test_state;
	start_hasty();
	send_alert(make_alert("alerts", "ping", 1), ALERTS_A);
	send_text(sign(make_clear(1), CLEAR_A, CLEAR_B));
	send_text(sign(make_root(2, ROOT_A), ROOT_A, ROOT_B));
	assert_int_equal(lab.applied, 0);
	assert_int_equal(lab.answers, 0);
	send_alert(make_seal(2), ALERTS_A);
	alerts_flush(lab.alerts);
	assert_int_equal(lab.answers, 4);
	assert_int_equal(lab.applied, 2);
	assert_string_equal(lab.why, "");
}

static void a_large_forgery_has_no_answer_but_no(void **test_state)
{
	(void)test_state;
	start_hasty();
	send_alert(make_screen(1), THIEF);
	assert_int_equal(lab.answers, 0);
	alerts_flush(lab.alerts);
	assert_int_equal(lab.answers, 1);
	assert_true(lab.said.is_refusal && lab.receipt == NULL);
	assert_int_equal(lab.applied, 0);
}

static void more_than_can_wait_is_to_come_again(void **test_state)
{
	char *list = sign(make_screen(1), ALERTS_A, ALERTS_A);
	unsigned int sent = 0;

	(void)test_state;
	start_hasty();
	for (; lab.answers == 0 && sent < 10000; sent++)
		send_text(strdup(list));
	assert_true(sent > 1 && sent < 10000);
	assert_true(lab.said.is_busy && lab.receipt == NULL);
	assert_true(alerts_is_busy(lab.alerts));
	alerts_flush(lab.alerts);
	assert_false(alerts_is_busy(lab.alerts));
	assert_int_equal(lab.applied, 1);
	assert_int_equal(lab.answers, sent);
	free(list);
}

static void what_waits_when_it_ends_is_left(void **test_state)
{
	(void)test_state;
	start_hasty();
	send_alert(make_screen(1), ALERTS_A);
	restart();
	assert_int_equal(lab.applied, 0);
	assert_int_equal(lab.answers, 0);
	send_alert(make_screen(1), ALERTS_A);
	alerts_flush(lab.alerts);
	assert_result("applied");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_seal_does_not_wait_for_a_long_list),
		TEST(a_list_that_came_after_a_seal_is_not_older),
		TEST(a_list_that_began_to_come_before_a_seal_is_as_new_as_then),
		TEST(a_short_list_does_not_wait_for_a_long_one),
		TEST(a_list_that_passes_an_all_clear_came_after_it),
		TEST(lists_alone_may_be_passed_by_a_seal_on_their_way),
		TEST(more_than_are_remembered_pass_no_list_that_is_older),
		TEST(all_but_seals_and_short_lists_keep_their_order),
		TEST(an_all_clear_does_not_end_a_seal_that_came_after_it),
		TEST(an_all_clear_of_another_virus_acts_beside_a_seal),
		TEST(of_two_lists_that_wait_the_older_one_counts_first),
		TEST(whom_a_root_document_that_waits_trusts_is_no_stranger),
		TEST(a_root_document_between_counts_for_what_came_after_it),
		TEST(a_root_document_has_nothing_done_at_once),
		TEST(a_large_forgery_has_no_answer_but_no),
		TEST(more_than_can_wait_is_to_come_again),
		TEST(what_waits_when_it_ends_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
