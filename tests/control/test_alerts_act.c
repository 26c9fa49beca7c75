// SPDX-License-Identifier: BSD-3-Clause
// Seals act before they are durable, and nobody hears of one that is not: also when the process is killed between.
#include "tests/control/alerts_case.h"

#include <signal.h>
#include <sys/wait.h>

static void acts_first(void)
{
	lab.acts_first = true;
	restart();
}

static void a_seal_acts_at_once_and_is_answered_when_it_is_durable(void **test_state)
{
	char *text = sign(make_seal(1), ALERTS_A, ALERTS_A);
	char *first;

	(void)test_state;
	acts_first();
	lab.is_hasty = true;
	send_text(strdup(text));
	assert_int_equal(lab.applied, 1);
	assert_int_equal(lab.answers, 0);
	// The same again meanwhile does nothing, and waits too.
	send_text(strdup(text));
	assert_int_equal(lab.answers, 0);
	alerts_flush(lab.alerts);
	assert_int_equal(lab.answers, 2);
	assert_int_equal(lab.applied, 1);
	assert_int_equal(lab.kept, 1);
	assert_result("applied");
	first = strdup(lab.receipt);
	restart();
	assert_int_equal(alerts_resume(lab.alerts), 0);
	lab.is_hasty = false;
	send_text(text);
	assert_string_equal(lab.receipt, first);
	assert_int_equal(lab.applied, 1);
	free(first);
}

static void what_came_before_a_seal_acts_before_it(void **test_state)
{
	json_t *clear = make_alert("all-clear", "all-clear", 1);

	(void)test_state;
	acts_first();
	lab.is_hasty = true;
	(void)json_object_set_new(clear, "virus_id", json_string("V-1"));
	send_text(sign(clear, CLEAR_A, CLEAR_B));
	send_alert(make_seal(1), ALERTS_A);
	assert_int_equal(lab.applied, 0);
	alerts_flush(lab.alerts);
	assert_int_equal(lab.applied, 2);
	assert_int_equal(lab.type, ALERT_SEAL);
	assert_int_equal(lab.answers, 2);
}

static void what_comes_after_a_seal_acts_when_the_seal_is_durable(void **test_state)
{
	json_t *clear = make_alert("all-clear", "all-clear", 1);

	(void)test_state;
	acts_first();
	lab.is_hasty = true;
	(void)json_object_set_new(clear, "virus_id", json_string("V-1"));
	send_alert(make_seal(1), ALERTS_A);
	send_text(sign(clear, CLEAR_A, CLEAR_B));
	assert_int_equal(lab.applied, 1);
	alerts_flush(lab.alerts);
	assert_int_equal(lab.applied, 2);
	assert_int_equal(lab.kept, 1);
	assert_int_equal(lab.type, ALERT_ALL_CLEAR);
}

static void a_seal_that_cannot_be_kept_has_no_receipt_and_may_come_again(void **test_state)
{
	char *text = sign(make_seal(5), ALERTS_A, ALERTS_A);

	(void)test_state;
	acts_first();
	lab.kept_says = -ENOSPC;
	send_text(strdup(text));
	assert_int_equal(lab.applied, 1);
	assert_int_equal(lab.answers, 1);
	assert_true(lab.said.is_busy && lab.receipt == NULL);
	assert_int_equal(lab.faults, 1);
	lab.kept_says = 0;
	send_text(strdup(text));
	assert_result("applied");
	assert_int_equal(lab.applied, 2);
	send_alert(make_seal(4), ALERTS_A);
	assert_refused("an old sequence");
	free(text);
}

static void a_seal_that_is_refused_is_so_durably(void **test_state)
{
	char *text = sign(make_seal(1), ALERTS_A, ALERTS_A);

	(void)test_state;
	acts_first();
	lab.say = -EINVAL;
	send_text(strdup(text));
	assert_refused("the gateway says no");
	restart();
	lab.say = 0;
	send_text(text);
	assert_result("refused");
	assert_int_equal(lab.applied, 1);
}

static void an_old_sequence_is_one_before_the_new_one_is_durable(void **test_state)
{
	(void)test_state;
	acts_first();
	lab.is_hasty = true;
	send_alert(make_seal(2), ALERTS_A);
	send_alert(make_seal(1), ALERTS_A);
	assert_refused("an old sequence");
	assert_int_equal(lab.applied, 1);
	alerts_flush(lab.alerts);
}

// It says whether the gateway goes by it: durable or not, it is not known before.
static void a_receipt_waits_until_it_is_known_what_came_of_the_seal(void **test_state)
{
	json_t *clear = make_alert("all-clear", "all-clear", 1);

	(void)test_state;
	acts_first();
	lab.is_silent = true;
	send_alert(make_seal(1), ALERTS_A);
	assert_int_equal(lab.kept, 1);
	assert_int_equal(lab.answers, 0);
	// Others go on.
	lab.is_silent = false;
	(void)json_object_set_new(clear, "virus_id", json_string("V-2"));
	send_text(sign(clear, CLEAR_A, CLEAR_B));
	assert_int_equal(lab.answers, 1);
	lab.then(lab.then_data);
	assert_int_equal(lab.answers, 1);
	alerts_flush(lab.alerts);
	assert_int_equal(lab.answers, 2);
	assert_result("applied");
	assert_int_equal(lab.applied, 2);
}

static void kill_and_resume(void)
{
	free(lab.then_data);
	restart();
	assert_int_equal(alerts_resume(lab.alerts), 0);
}

// Killed meanwhile: what it did is not done again, for the operator may have ended it since; what came of it is waited for.
static void a_receipt_that_was_not_written_is_made_at_the_next_start(void **test_state)
{
	char *text = sign(make_seal(1), ALERTS_A, ALERTS_A);

	(void)test_state;
	acts_first();
	lab.is_silent = true;
	send_text(strdup(text));
	assert_int_equal(lab.kept, 1);
	assert_string_equal(lab.told_again, "");
	kill_and_resume();
	assert_string_equal(lab.told_again, "V-1");
	send_text(text);
	assert_int_equal(lab.answers, 0);
	lab.then(lab.then_data);
	alerts_flush(lab.alerts);
	assert_int_equal(lab.answers, 1);
	assert_result("applied");
	assert_int_equal(lab.applied, 1);
}

// A seal of the same virus may have come since.
static void an_all_clear_that_was_done_is_not_done_again(void **test_state)
{
	json_t *clear = make_alert("all-clear", "all-clear", 1);
	char *text;

	(void)test_state;
	acts_first();
	lab.is_silent = true;
	(void)json_object_set_new(clear, "virus_id", json_string("V-1"));
	text = sign(clear, CLEAR_A, CLEAR_B);
	send_text(strdup(text));
	assert_int_equal(lab.applied, 1);
	assert_int_equal(lab.answers, 0);
	kill_and_resume();
	lab.then(lab.then_data);
	send_text(text);
	assert_int_equal(lab.answers, 1);
	assert_result("applied");
	assert_int_equal(lab.applied, 1);
}

// A seal may be on its way when a list or an update is done: its receipt says whether that is in force, too.
static void the_end_of_what_took_long_waits_for_the_seals_that_are_on_their_way(void **test_state)
{
	json_t *clear = make_alert("all-clear", "all-clear", 1);

	(void)test_state;
	(void)json_object_set_new(clear, "virus_id", json_string("V-1"));
	lab.say = -EINPROGRESS;
	send_text(sign(clear, CLEAR_A, CLEAR_B));
	lab.is_silent = true;
	alerts_done(lab.alerts, lab.digest, 0, "", lab.now_s);
	alerts_flush(lab.alerts);
	assert_int_equal(lab.answers, 0);
	lab.then(lab.then_data);
	alerts_flush(lab.alerts);
	assert_int_equal(lab.answers, 1);
	assert_result("applied");
}

// The marks in memory are of a state that was put away: the new one has taken nothing yet.
static void marks_of_another_state_do_not_count(void **test_state)
{
	static const char *const files[] = {"gateway.key", "root.json", "alerts.db",
		"alerts.db-marks", "alerts.db-wal", "alerts.db-shm"};

	(void)test_state;
	acts_first();
	send_text(sign(make_seal(50), ALERTS_A, ALERTS_A));
	assert_result("applied");
	alerts_free(lab.alerts);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char path[96];

		(void)snprintf(path, sizeof(path), "%s/%s", lab.folder, files[i]);
		(void)unlink(path);
	}
	start();
	send_text(sign(make_seal(1), ALERTS_A, ALERTS_A));
	assert_result("applied");
	restart();
	send_text(sign(make_seal(50), ALERTS_A, ALERTS_A));
	assert_result("applied");
	restart();
	send_text(sign(make_seal(2), ALERTS_A, ALERTS_A));
	assert_refused("an old sequence");
}

// ---- killed -------------------------------------------------------------------------------------

enum moment { IN_ACT, BEFORE_KEPT, AFTER_KEPT, WHEN_DONE, WHEN_ANSWERED, MOMENTS };

// The child: when it dies, and the pipes by which it tells its parent what came before that.
static struct {
	enum moment moment;
	int acted;
	int answered;
} dying;

static void die_at(enum moment moment)
{
	if (dying.moment == moment)
		(void)kill(getpid(), SIGKILL);
}

static void say_to(int fd, const char *what)
{
	assert_true(write(fd, what, 1) == 1);
}

static int dying_write(void *data)
{
	(void)data;
	die_at(BEFORE_KEPT);
	return 0;
}

static void dying_end(void *data, int err)
{
	(void)data;
	(void)err;
	die_at(WHEN_DONE);
}

static int dying_act(
	void *ctx, const struct alert *alert, char *why, size_t why_bytes, struct alerts_kept *kept)
{
	(void)ctx;
	(void)alert;
	(void)why;
	(void)why_bytes;
	say_to(dying.acted, "a");
	die_at(IN_ACT);
	*kept = (struct alerts_kept){dying_write, dying_end, NULL};
	return 0;
}

static void dying_answer(void *ctx, uint64_t token, const struct alerts_answer *said)
{
	(void)ctx;
	(void)token;
	if (said->receipt != NULL)
		say_to(dying.answered, "r");
	die_at(WHEN_ANSWERED);
}

static void live_and_die(const char *text)
{
	const struct alerts_source source = {.channel = "test", .peer = "", .answer = dying_answer};
	const struct alerts_actions actions = {apply, state, event, NULL, dying_act, NULL, NULL};

	start_with(&actions);
	alerts_take(lab.alerts, &source, text, strlen(text), lab.now_s);
	alerts_drain(lab.alerts);
	die_at(AFTER_KEPT);
	alerts_flush(lab.alerts);
	(void)kill(getpid(), SIGKILL);
}

static unsigned int count_said(int fd)
{
	char byte;
	unsigned int count = 0;

	while (read(fd, &byte, 1) == 1)
		count++;
	(void)close(fd);
	return count;
}

// Whatever the moment: what acted and was not recorded comes again and is taken anew; whoever has a receipt
// never has another one.
static void killed_between_act_and_record(void **test_state)
{
	(void)test_state;
	for (int moment = IN_ACT; moment < MOMENTS; moment++) {
		uint64_t sequence = 10 * (uint64_t)moment + 10;
		char *text = sign(make_seal(sequence), ALERTS_A, ALERTS_A);
		int acted[2];
		int answered[2];
		unsigned int before;
		bool durable = moment >= AFTER_KEPT;
		pid_t child;
		int status;

		alerts_free(lab.alerts);
		lab.alerts = NULL;
		assert_int_equal(pipe(acted), 0);
		assert_int_equal(pipe(answered), 0);
		child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			dying.moment = (enum moment)moment;
			dying.acted = acted[1];
			dying.answered = answered[1];
			live_and_die(text);
		}
		(void)close(acted[1]);
		(void)close(answered[1]);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		assert_int_equal(count_said(acted[0]), 1);
		assert_int_equal(count_said(answered[0]), moment == WHEN_ANSWERED);
		lab.acts_first = true;
		start();
		assert_int_equal(alerts_resume(lab.alerts), 0);
		// Its sequence was out of reach before it acted: nothing else that is not newer is taken any more.
		before = lab.applied;
		send_alert(make_seal(sequence - 1), ALERTS_A);
		assert_refused("an old sequence");
		assert_int_equal(lab.applied, before);
		send_text(text);
		assert_result("applied");
		assert_int_equal(lab.applied - before, durable ? 0 : 1);
		assert_int_equal(lab.said.is_repeat, durable);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_seal_acts_at_once_and_is_answered_when_it_is_durable),
		TEST(what_came_before_a_seal_acts_before_it),
		TEST(what_comes_after_a_seal_acts_when_the_seal_is_durable),
		TEST(a_seal_that_cannot_be_kept_has_no_receipt_and_may_come_again),
		TEST(a_seal_that_is_refused_is_so_durably),
		TEST(an_old_sequence_is_one_before_the_new_one_is_durable),
		TEST(a_receipt_waits_until_it_is_known_what_came_of_the_seal),
		TEST(a_receipt_that_was_not_written_is_made_at_the_next_start),
		TEST(an_all_clear_that_was_done_is_not_done_again),
		TEST(the_end_of_what_took_long_waits_for_the_seals_that_are_on_their_way),
		TEST(marks_of_another_state_do_not_count),
		TEST(killed_between_act_and_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
