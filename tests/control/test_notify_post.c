// SPDX-License-Identifier: BSD-3-Clause
// What a disk refuses is done when it takes it: mail whose sender was told is withdrawn, once told; a notice that was
// not meant is removed, and does not pass for one that was.
#include "control/control.h"
#include "control/deliver.h"
#include "control/notify_post.h"
#include "control/notify_write.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY "failure-0000000000000001-2"
#define PATIENCE_S 60
#define ID "0000000000000001-2"

static struct {
	struct control control;
	struct notify_post *post;
	char notice[CONTROL_TEXT_BYTES + 128];
	char done[CONTROL_TEXT_BYTES + 128];
	int64_t now_s;
	bool disk_refuses;
	enum spool_state state;
	unsigned int changes; // asked for
	atomic_uint sent;
	unsigned int told; // "not withdrawn"
} lab;

// ---- what it needs of others --------------------------------------------------------------------

int64_t control_now_ns(void)
{
	return lab.now_s * 1000000000;
}

int64_t control_steady_ns(void)
{
	return control_now_ns();
}

int64_t clock_begun_s(int64_t begun_s, int64_t now_s)
{
	return begun_s > now_s ? now_s : begun_s;
}

int64_t control_due_s(void)
{
	return lab.now_s;
}

void control_events_write(struct control_events *events, const char *event, json_t *members)
{
	const char *action = json_string_value(json_object_get(members, "action"));

	(void)events;
	(void)event;
	lab.told += action != NULL && strcmp(action, "not withdrawn") == 0;
	json_decref(members);
}

json_t *store_show(struct store *store, struct spool_id id)
{
	(void)store;
	(void)id;
	return json_pack("{s:s}", "state", spool_state_name(lab.state));
}

bool store_has(struct store *store, struct spool_id id)
{
	(void)store;
	(void)id;
	return true;
}

bool store_get_state(const struct store *store, struct spool_id id, enum spool_state *out)
{
	(void)store;
	(void)id;
	*out = lab.state;
	return true;
}

int store_change(struct store *store, struct spool_id id, enum spool_state state, const char *who,
	const char *why)
{
	(void)store;
	(void)id;
	(void)who;
	(void)why;
	lab.changes++;
	if (lab.disk_refuses)
		return -EIO;
	lab.state = state;
	return 0;
}

uint8_t *notify_write(
	const struct control *control, const char *key, const json_t *about, size_t *bytes)
{
	(void)control;
	(void)key;
	(void)about;
	*bytes = 1;
	return calloc(1, 1);
}

void deliver_run(struct deliver *deliver, struct deliver_link *kept)
{
	(void)kept;
	deliver->recipients[0].outcome = DELIVER_DONE;
	(void)atomic_fetch_add(&lab.sent, 1);
}

// ---- the rig ------------------------------------------------------------------------------------

static void open_post(void)
{
	assert_int_equal(notify_post_new(&lab.control, &lab.post), 0);
}

static int setup(void **state)
{
	static char store; // that nobody looks into

	(void)state;
	memset(&lab, 0, sizeof(lab));
	(void)snprintf(lab.control.options.state, sizeof(lab.control.options.state),
		"/tmp/cordon-post-XXXXXX");
	assert_non_null(mkdtemp(lab.control.options.state));
	lab.control.options.release.retry_seconds = 10;
	lab.control.options.release.lifetime_seconds = 1000;
	lab.control.store = (struct store *)(void *)&store;
	lab.now_s = 1800000000;
	lab.state = SPOOL_QUARANTINED;
	(void)snprintf(lab.notice, sizeof(lab.notice), "%s/outbox/" KEY ".notice",
		lab.control.options.state);
	(void)snprintf(
		lab.done, sizeof(lab.done), "%s/outbox/" KEY ".done", lab.control.options.state);
	open_post();
	return 0;
}

static int teardown(void **state)
{
	char folder[CONTROL_TEXT_BYTES + 16];

	(void)state;
	notify_post_free(lab.post);
	(void)unlink(lab.notice);
	(void)unlink(lab.done);
	(void)snprintf(folder, sizeof(folder), "%s/outbox", lab.control.options.state);
	(void)rmdir(folder);
	(void)rmdir(lab.control.options.state);
	return 0;
}

static json_t *make_about(void)
{
	return json_pack("{s:s, s:s, s:s, s:i, s:I, s:s}", "kind", "failure", "to", "a@b.example",
		"host", "127.0.0.1", "port", 25, "begun", (json_int_t)lab.now_s, "id", ID);
}

static int put(void)
{
	json_t *about = make_about();
	int err = notify_post_put(lab.post, KEY, about);

	json_decref(about);
	return err;
}

static void go(bool is_true)
{
	json_t *about = make_about();

	notify_post_go(lab.post, KEY, about, is_true);
	json_decref(about);
}

static void wait_for_changes(unsigned int changes)
{
	while (lab.changes < changes)
		(void)g_main_context_iteration(NULL, TRUE);
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

// ---- withdrawn mail -----------------------------------------------------------------------------

static void told_mail_is_withdrawn_when_the_disk_takes_it(void **state)
{
	(void)state;
	lab.disk_refuses = true;
	assert_int_equal(put(), 0);
	go(true);
	wait_for_changes(1);
	// Not at once, and not told again.
	notify_post_turn(lab.post);
	assert_int_equal(lab.changes, 1);
	for (unsigned int i = 2; i < 5; i++) {
		lab.now_s += 10;
		notify_post_turn(lab.post);
		assert_int_equal(lab.changes, i);
	}
	assert_true(is_there(lab.notice));
	lab.disk_refuses = false;
	lab.now_s += 10;
	notify_post_turn(lab.post);
	assert_int_equal(lab.state, SPOOL_WITHDRAWN);
	assert_int_equal(notify_post_count(lab.post), 0);
	assert_true(is_there(lab.done) && !is_there(lab.notice));
	assert_int_equal(atomic_load(&lab.sent), 1);
	assert_int_equal(lab.told, 1);
}

static void what_somebody_releases_meanwhile_is_not_withdrawn(void **state)
{
	(void)state;
	lab.disk_refuses = true;
	assert_int_equal(put(), 0);
	go(true);
	wait_for_changes(1);
	lab.disk_refuses = false;
	lab.state = SPOOL_RELEASED;
	lab.now_s += 10;
	notify_post_turn(lab.post);
	assert_int_equal(lab.changes, 1);
	assert_int_equal(lab.state, SPOOL_RELEASED);
	assert_true(is_there(lab.done));
}

// Told twice rather than never withdrawn.
static void the_next_process_goes_on(void **state)
{
	(void)state;
	lab.disk_refuses = true;
	assert_int_equal(put(), 0);
	go(true);
	wait_for_changes(1);
	notify_post_free(lab.post);
	lab.disk_refuses = false;
	open_post();
	notify_post_resume(lab.post);
	notify_post_turn(lab.post);
	wait_for_changes(2);
	assert_int_equal(lab.state, SPOOL_WITHDRAWN);
	assert_int_equal(atomic_load(&lab.sent), 2);
	assert_true(is_there(lab.done));
}

// ---- withdrawn notices --------------------------------------------------------------------------

// A folder is in the place of the notice: it cannot be removed like one.
static void begin_to_refuse(void)
{
	assert_int_equal(unlink(lab.notice), 0);
	assert_int_equal(mkdir(lab.notice, 0700), 0);
}

static void what_was_not_meant_is_removed_when_that_goes(void **state)
{
	(void)state;
	assert_int_equal(put(), 0);
	begin_to_refuse();
	go(false);
	notify_post_turn(lab.post);
	// Nobody was told: the decision waits for the disk.
	assert_int_equal(put(), -EISDIR);
	assert_int_equal(rmdir(lab.notice), 0);
	assert_int_equal(put(), 0);
	assert_true(is_there(lab.notice));
	// And it is not taken for unwanted any more.
	notify_post_turn(lab.post);
	assert_true(is_there(lab.notice));
	assert_int_equal(put(), -EEXIST);
}

static void what_was_not_meant_is_not_sent_after_all(void **state)
{
	(void)state;
	assert_int_equal(put(), 0);
	begin_to_refuse();
	go(false);
	lab.state = SPOOL_QUARANTINED;
	notify_post_resume(lab.post);
	assert_int_equal(notify_post_count(lab.post), 0);
	assert_int_equal(rmdir(lab.notice), 0);
	notify_post_turn(lab.post);
	assert_int_equal(atomic_load(&lab.sent), 0);
	assert_int_equal(put(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(told_mail_is_withdrawn_when_the_disk_takes_it),
		TEST(what_somebody_releases_meanwhile_is_not_withdrawn),
		TEST(the_next_process_goes_on),
		TEST(what_was_not_meant_is_removed_when_that_goes),
		TEST(what_was_not_meant_is_not_sent_after_all),
	};

	// What is not tried again would be waited for in vain.
	(void)alarm(PATIENCE_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
