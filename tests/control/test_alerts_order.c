// SPDX-License-Identifier: BSD-3-Clause
// Alerts from their bytes to their receipts: in which order, how often, by whose keys in time.
#include "tests/control/alerts_case.h"

#include <sys/stat.h>

#define S INT64_C(1000000000)

static int64_t steady_ns = 1000 * S;

int64_t __wrap_control_steady_ns(void);
int64_t __wrap_control_steady_ns(void)
{
	return steady_ns;
}

static void an_old_sequence_is_refused_also_after_a_restart(void **test_state)
{
	(void)test_state;
	send_alert(make_seal(5), ALERTS_A);
	assert_result("applied");
	send_alert(make_alert("alerts", "ping", 5), ALERTS_A);
	assert_refused("an old sequence");
	restart();
	send_alert(make_seal(4), ALERTS_A);
	assert_refused("an old sequence");
	assert_int_equal(lab.applied, 1);
}

static void a_jump_is_refused(void **test_state)
{
	json_t *alert = make_seal(1);

	(void)test_state;
	send_alert(make_seal(5), ALERTS_A);
	send_alert(make_seal(1006), ALERTS_A);
	assert_refused("too far ahead in sequence");
	send_alert(make_seal(1005), ALERTS_A);
	assert_result("applied");
	(void)json_object_set_new(alert, "epoch", json_integer(3));
	send_alert(json_deep_copy(alert), ALERTS_A);
	assert_refused("too far ahead in epoch");
	(void)json_object_set_new(alert, "epoch", json_integer(2));
	send_alert(alert, ALERTS_A);
	assert_result("applied");
	send_alert(make_seal(1006), ALERTS_A);
	assert_refused("an old sequence");
}

static void it_must_be_fresh(void **test_state)
{
	json_t *late = make_seal(1);
	json_t *early = make_seal(1);

	(void)test_state;
	(void)json_object_set_new(late, "issued", json_string(time_text(lab.now_s - 2)));
	(void)json_object_set_new(late, "expires", json_string(time_text(lab.now_s)));
	send_alert(late, ALERTS_A);
	assert_refused("expired");
	(void)json_object_set_new(early, "issued", json_string(time_text(lab.now_s + 200)));
	send_alert(early, ALERTS_A);
	assert_refused("issued in the future");
}

static void a_clock_that_goes_back_opens_nothing_and_closes_nothing(void **test_state)
{
	json_t *old = make_seal(2);

	(void)test_state;
	send_alert(make_seal(1), ALERTS_A);
	(void)json_object_set_new(old, "issued", json_string(time_text(lab.now_s - DAY)));
	(void)json_object_set_new(old, "expires", json_string(time_text(lab.now_s - 1)));
	lab.now_s -= 30 * DAY;
	restart();
	send_alert(old, ALERTS_A); // it would be fresh by this clock
	assert_refused("expired");
	alerts_turn(lab.alerts, lab.now_s);
	assert_int_equal(lab.faults, 1);
	lab.now_s += 31 * DAY;
	old = make_seal(2); // of tomorrow
	lab.now_s -= 31 * DAY;
	send_alert(old, ALERTS_A);
	assert_result("applied");
}

// Whoever can set the clock cannot bring back what has expired while the process runs.
static void a_clock_that_goes_back_while_it_runs_is_not_believed(void **test_state)
{
	json_t *old = make_seal(1);

	(void)test_state;
	(void)json_object_set_new(old, "issued", json_string(time_text(lab.now_s - 31 * DAY)));
	(void)json_object_set_new(old, "expires", json_string(time_text(lab.now_s - 29 * DAY)));
	lab.now_s -= 30 * DAY;
	send_alert(old, ALERTS_A);
	assert_refused("expired");
	alerts_turn(lab.alerts, lab.now_s);
	assert_int_equal(lab.faults, 1);
}

// Only what the vendor has signed is remembered of it.
static void a_clock_that_is_ahead_for_a_moment_keeps_out_nothing_afterwards(void **test_state)
{
	json_t *late = make_seal(1);

	(void)test_state;
	(void)json_object_set_new(late, "expires", json_string(time_text(lab.now_s + 900 * DAY)));
	lab.now_s += 90 * DAY; // before the root document expires
	send_alert(late, ALERTS_A);
	assert_result("applied");
	lab.now_s -= 90 * DAY;
	send_alert(make_seal(2), ALERTS_A);
	assert_result("applied");
	restart();
	send_alert(make_seal(3), ALERTS_A);
	assert_result("applied");
	alerts_turn(lab.alerts, lab.now_s);
	assert_int_equal(lab.faults, 0);
}

// Nobody has set it back to deceive: a machine may come up with a clock that is ahead, and have it put right.
static void a_clock_that_stands_for_a_day_is_believed(void **test_state)
{
	(void)test_state;
	lab.now_s -= 30 * DAY;
	alerts_turn(lab.alerts, lab.now_s);
	assert_int_equal(lab.faults, 1);
	send_alert(make_seal(1), ALERTS_A);
	assert_refused("expired");
	steady_ns += (DAY - 1) * S;
	lab.now_s += DAY - 1;
	alerts_turn(lab.alerts, lab.now_s);
	send_alert(make_seal(1), ALERTS_A);
	assert_refused("expired");
	steady_ns += S;
	lab.now_s += 1;
	alerts_turn(lab.alerts, lab.now_s);
	send_alert(make_seal(1), ALERTS_A);
	assert_result("applied");
	alerts_turn(lab.alerts, lab.now_s);
	assert_int_equal(lab.faults, 1);
}

// Two clocks are never at the same fraction of a second.
static void a_second_back_is_no_clock_that_goes_back(void **test_state)
{
	json_t *early = make_seal(1);

	(void)test_state;
	(void)json_object_set_new(early, "issued", json_string(time_text(lab.now_s + DAY)));
	(void)json_object_set_new(early, "expires", json_string(time_text(lab.now_s + 2 * DAY)));
	lab.now_s -= 1;
	send_alert(early, ALERTS_A);
	assert_refused("issued in the future");
}

// After it nothing could ever come.
static void the_first_epoch_is_not_far_ahead(void **test_state)
{
	json_t *far = make_seal(1);
	json_t *near = make_seal(1);

	(void)test_state;
	(void)json_object_set_new(far, "epoch", json_integer((INT64_C(1) << 53) - 1));
	send_alert(far, ALERTS_A);
	assert_refused("too far ahead in epoch");
	(void)json_object_set_new(near, "epoch", json_integer(7));
	send_alert(near, ALERTS_A);
	assert_result("applied");
}

static void the_first_sequence_leaves_room_for_others(void **test_state)
{
	const int64_t most = (INT64_C(1) << 53) - 1;
	json_t *far = make_seal(1);
	json_t *near = make_seal(1);

	(void)test_state;
	(void)json_object_set_new(far, "sequence", json_integer(most - (INT64_C(1) << 32) + 1));
	send_alert(far, ALERTS_A);
	assert_refused("too far ahead in sequence");
	(void)json_object_set_new(near, "sequence", json_integer(most - (INT64_C(1) << 32)));
	send_alert(near, ALERTS_A);
	assert_result("applied");
}

// The log has its blocks from the start, and keeps them: no alert waits for the disk to find some.
static void the_log_stays_and_is_taken_in_when_nothing_goes_on(void **test_state)
{
	char path[128];
	struct stat log;
	struct stat file;

	(void)test_state;
	(void)snprintf(path, sizeof(path), "%s/alerts.db-wal", lab.folder);
	assert_int_equal(stat(path, &log), 0);
	assert_true(log.st_size >= 4 << 20);
	for (uint64_t sequence = 1; sequence <= 3; sequence++) {
		send_alert(make_alert("alerts", "ping", sequence), ALERTS_A);
		assert_result("applied");
	}
	alerts_turn(lab.alerts, lab.now_s);
	alerts_flush(lab.alerts);
	alerts_turn(lab.alerts, lab.now_s);
	restart();
	assert_int_equal(stat(path, &file), 0);
	assert_int_equal(file.st_ino, log.st_ino);
	send_alert(make_alert("alerts", "ping", 3), ALERTS_A);
	assert_result("applied"); // the same receipt again
	send_alert(make_seal(3), ALERTS_A);
	assert_refused("an old sequence");
}

static void sealing_is_limited_in_number(void **test_state)
{
	uint64_t sequence = 1;

	(void)test_state;
	for (int i = 0; i < 5; i++)
		send_alert(make_seal(sequence++), ALERTS_A);
	assert_int_equal(lab.applied, 5);
	send_alert(make_seal(sequence), ALERTS_A);
	assert_refused("too many seals in an hour");
	lab.now_s += 3600 / 5 + 1;
	send_alert(make_seal(sequence), ALERTS_A); // it may come again
	assert_result("applied");
}

static void what_was_taken_before_a_crash_is_applied_after_it(void **test_state)
{
	char *text = sign(make_seal(1), ALERTS_A, ALERTS_A);

	(void)test_state;
	lab.say = -EINPROGRESS;
	send_text(strdup(text));
	assert_int_equal(lab.answers, 0);
	restart();
	lab.say = 0;
	assert_int_equal(alerts_resume(lab.alerts), 0);
	assert_int_equal(lab.applied, 2);
	assert_int_equal(alerts_resume(lab.alerts), 0);
	assert_int_equal(lab.applied, 2);
	send_text(text);
	assert_result("applied");
	assert_int_equal(lab.applied, 2);
}

static void both_channels_are_answered_when_it_is_done(void **test_state)
{
	char *text = sign(make_seal(1), ALERTS_A, ALERTS_A);

	(void)test_state;
	lab.say = -EINPROGRESS;
	send_text(strdup(text));
	send_text(text);
	assert_int_equal(lab.answers, 0);
	alerts_done(lab.alerts, lab.digest, 0, "", lab.now_s);
	alerts_flush(lab.alerts);
	assert_int_equal(lab.answers, 2);
	assert_result("applied");
	assert_int_equal(lab.applied, 1);
}

static void roots_follow_one_another(void **test_state)
{
	(void)test_state;
	send_text(sign(make_root(3, ROOT_B), ROOT_A, ROOT_B));
	assert_refused("too far ahead in sequence");
	send_text(sign(make_root(2, ROOT_B), ROOT_A, ROOT_A));
	assert_refused("not signed as it asks for itself");
	send_text(sign(make_root(2, ROOT_B), CLEAR_A, CLEAR_A));
	assert_refused("too few signatures");
	send_text(sign(make_root(2, ROOT_B), ROOT_A, ROOT_B));
	assert_result("applied");
	restart();
	// The first root key has no say any more.
	send_text(sign(make_root(3, ROOT_A), ROOT_A, ROOT_A));
	assert_refused("too few signatures");
	send_text(sign(make_root(3, ROOT_B), ROOT_B, ROOT_B));
	assert_result("applied");
	send_alert(make_seal(1), ALERTS_A);
	assert_result("applied");
}

static void a_raised_epoch_makes_old_alerts_worthless(void **test_state)
{
	json_t *root = make_root(2, ROOT_A);
	json_t *seal = make_seal(1);

	(void)test_state;
	(void)json_object_set_new(
		json_object_get(json_object_get(json_object_get(root, "root"), "roles"), "alerts"),
		"epoch", json_integer(9));
	send_text(sign(root, ROOT_A, ROOT_A));
	assert_result("applied");
	send_alert(make_seal(500), ALERTS_A);
	assert_refused("an old epoch");
	(void)json_object_set_new(seal, "epoch", json_integer(9));
	send_alert(seal, ALERTS_A);
	assert_result("applied");
}

static void without_a_root_nobody_is_trusted(void **test_state)
{
	char path[96];

	(void)test_state;
	(void)snprintf(path, sizeof(path), "%s/first.json", lab.folder);
	assert_int_equal(unlink(path), 0);
	restart();
	send_alert(make_seal(1), ALERTS_A);
	assert_null(lab.receipt);
	assert_int_equal(lab.applied, 0);
}

static void an_expired_root_seals_no_more(void **test_state)
{
	json_t *alert;

	(void)test_state;
	lab.now_s += 101 * DAY;
	alert = make_seal(1);
	send_alert(alert, ALERTS_A);
	assert_refused("the root document has expired");
	alerts_turn(lab.alerts, lab.now_s);
	assert_int_equal(lab.faults, 1);
	send_text(sign(make_root(2, ROOT_A), ROOT_A, ROOT_A));
	assert_result("applied");
	send_alert(make_seal(1), ALERTS_A);
	assert_result("applied");
}

static void silence_is_a_fault(void **test_state)
{
	(void)test_state;
	send_alert(make_alert("alerts", "ping", 1), ALERTS_A);
	assert_result("applied");
	assert_int_equal(lab.applied, 0);
	lab.now_s += DAY;
	alerts_turn(lab.alerts, lab.now_s);
	assert_int_equal(lab.faults, 0);
	lab.now_s += 60;
	alerts_turn(lab.alerts, lab.now_s);
	alerts_turn(lab.alerts, lab.now_s);
	assert_int_equal(lab.faults, 1);
	send_alert(make_alert("alerts", "ping", 2), ALERTS_A);
	lab.now_s += 2 * DAY;
	alerts_turn(lab.alerts, lab.now_s);
	assert_int_equal(lab.faults, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_old_sequence_is_refused_also_after_a_restart),
		TEST(a_jump_is_refused),
		TEST(it_must_be_fresh),
		TEST(a_clock_that_goes_back_opens_nothing_and_closes_nothing),
		TEST(a_clock_that_goes_back_while_it_runs_is_not_believed),
		TEST(a_second_back_is_no_clock_that_goes_back),
		TEST(a_clock_that_is_ahead_for_a_moment_keeps_out_nothing_afterwards),
		TEST(a_clock_that_stands_for_a_day_is_believed),
		TEST(the_first_epoch_is_not_far_ahead),
		TEST(the_first_sequence_leaves_room_for_others),
		TEST(the_log_stays_and_is_taken_in_when_nothing_goes_on),
		TEST(sealing_is_limited_in_number),
		TEST(what_was_taken_before_a_crash_is_applied_after_it),
		TEST(both_channels_are_answered_when_it_is_done),
		TEST(roots_follow_one_another),
		TEST(a_raised_epoch_makes_old_alerts_worthless),
		TEST(without_a_root_nobody_is_trusted),
		TEST(an_expired_root_seals_no_more),
		TEST(silence_is_a_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
