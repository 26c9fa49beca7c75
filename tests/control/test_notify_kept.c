// SPDX-License-Identifier: BSD-3-Clause
// Notices of mail that stays, over a store that fails: it is written here, with the rest of what they need.
#include "control/control.h"
#include "control/notify_kept.h"
#include "tests/support/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000

static int64_t now_s;
static int notices_error;
static int store_error;
static unsigned int notices;
static unsigned int changes;
static unsigned int faults;
static char fault[256];

int64_t control_now_ns(void)
{
	return now_s * NS_PER_S;
}

int64_t control_steady_ns(void)
{
	return control_now_ns();
}

int64_t control_due_s(void)
{
	return now_s;
}

void control_events_write(struct control_events *events, const char *event, json_t *members)
{
	(void)events;
	assert_string_equal(event, "fault");
	(void)snprintf(fault, sizeof(fault), "%s: %s",
		json_string_value(json_object_get(members, "id")),
		json_string_value(json_object_get(members, "why")));
	faults++;
	json_decref(members);
}

bool store_can_change(struct store *store)
{
	(void)store;
	return true;
}

// One mail, in quarantine.
json_t *store_list(const struct store *store, const json_t *filter)
{
	const char *state = json_string_value(json_object_get(filter, "state"));

	(void)store;
	if (strcmp(state, "quarantined") != 0 || json_object_get(filter, "after") != NULL)
		return json_pack("{s:[], s:b}", "records", "more", 0);
	return json_pack("{s:[{s:s, s:[s], s:s}], s:b}", "records", "id", "00000000000000ab-1",
		"signatures", "Test.Virus", "reason", "infected", "more", 0);
}

json_t *store_show(struct store *store, struct spool_id id)
{
	(void)store;
	(void)id;
	return NULL;
}

bool store_has(struct store *store, struct spool_id id)
{
	(void)store;
	(void)id;
	return true;
}

bool store_is_changed(const struct store *store, struct spool_id id)
{
	(void)store;
	(void)id;
	return changes > 0;
}

bool store_is_unread_alert(const struct store *store, struct spool_id id)
{
	(void)store;
	(void)id;
	return false;
}

int store_change(struct store *store, struct spool_id id, enum spool_state state, const char *who,
	const char *why)
{
	(void)store;
	(void)id;
	(void)who;
	(void)why;
	assert_int_equal(state, SPOOL_QUARANTINED);
	changes += store_error == 0;
	return store_error;
}

bool release_has(const struct release *release, struct spool_id id)
{
	(void)release;
	(void)id;
	return false;
}

int notify_quarantined(struct notify *notify, struct spool_id id, const char *why)
{
	(void)notify;
	(void)id;
	assert_string_equal(why, "Test.Virus");
	notices += notices_error == 0;
	return notices_error;
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

static void pass(struct notify_kept *kept)
{
	now_s += 60;
	notify_kept_turn(kept, true);
}

static void what_cannot_be_noted_is_a_fault_once(void **state)
{
	struct control *control = calloc(1, sizeof(*control));
	struct notify_kept *kept = NULL;

	(void)state;
	assert_non_null(control);
	control->store = (struct store *)control; // it is only handed on
	control->options.notify.recipients = true;
	control->options.notify.interval_seconds = 1;
	assert_int_equal(notify_kept_new(control, &kept), 0);
	now_s = 1000000;
	notices_error = -ENOSPC;
	pass(kept);
	pass(kept);
	assert_int_equal(faults, 1);
	assert_string_equal(fault, "00000000000000ab-1: No space left on device");
	notices_error = 0;
	store_error = -EIO;
	pass(kept);
	pass(kept);
	assert_int_equal(faults, 2);
	assert_non_null(strstr(fault, "Input/output error"));
	assert_int_equal(changes, 0);
	store_error = 0;
	pass(kept);
	pass(kept);
	assert_int_equal(changes, 1);
	assert_int_equal(faults, 2);
	// It happens again: that is news.
	changes = 0;
	store_error = -EIO;
	pass(kept);
	assert_int_equal(faults, 3);
	notify_kept_free(kept);
	free(control);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_noted_is_a_fault_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
