// SPDX-License-Identifier: BSD-3-Clause
#include "control/alerts_inside.h"
#include "control/clock.h"
#include "control/control_events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000

static int64_t up_s(void)
{
	return control_steady_ns() / NS_PER_S;
}

// What is past by any clock: the one that says it is now, the one that runs since we began, and the latest
// time at which an alert was taken.
static int64_t latest_now(const struct alerts *alerts, int64_t clock_s)
{
	int64_t run_s = alerts->began_s + (up_s() - alerts->began_up_s);

	return alert_order_now(alerts->order, clock_s > run_s ? clock_s : run_s);
}

static void begin_clock(struct alerts *alerts, int64_t now_s)
{
	alerts->began_s = now_s;
	alerts->began_up_s = up_s();
	alerts->behind_up_s = alerts->began_up_s;
}

static void repeat(
	struct alerts *alerts, struct taking *taking, const char *receipt, bool is_refusal)
{
	const struct alerts_answer answer = {
		.receipt = receipt, .is_refusal = is_refusal, .is_repeat = true};
	const struct seen_answer seen = {SEEN_ANSWERED, "", receipt, is_refusal, taking->digest};

	alerts->repeated++;
	alerts_tell_seldom(alerts, TOLD_REPEATED, taking);
	if (receipt == NULL) {
		alerts_wait(alerts, taking->source, taking->digest);
		return;
	}
	alerts_seen_keep(alerts->seen, &taking->key, taking->now_s, &seen);
	alerts_tell_answer(taking->source, &answer);
}

// Something that a trusted key has signed came by this channel.
static void note_channel(struct alerts *alerts, const struct taking *taking)
{
	(void)json_object_set_new(
		alerts->heard, taking->source->channel, json_integer(taking->now_s));
}

static void take_signed(
	struct alerts *alerts, struct taking *taking, uint64_t signers, int64_t clock_s)
{
	char *receipt = NULL;
	bool is_refusal = false;
	int err = alert_order_find(alerts->order, taking->digest, &receipt, &is_refusal);

	note_channel(alerts, taking);
	if (err == 0) {
		repeat(alerts, taking, receipt, is_refusal);
	} else if (err != -ENOENT) {
		(void)snprintf(taking->why, sizeof(taking->why), "its order cannot be looked up");
		alerts_refuse(alerts, taking);
	} else if (alerts_judge(alerts, taking, signers, clock_s) != 0) {
		alerts_refuse(alerts, taking);
	} else {
		alerts_apply(alerts, taking);
	}
	free(receipt);
}

// The same bytes again: the same answer, which is counted and told as the first one was.
static void say_again(struct alerts *alerts, struct taking *taking, const struct seen_answer *seen)
{
	const struct alerts_answer answer = {.receipt = seen->receipt,
		.is_refusal = seen->is_refusal || seen->kind == SEEN_STRANGER,
		.why = seen->kind == SEEN_STRANGER ? seen->why : NULL,
		.is_repeat = true};

	taking->digest = seen->digest;
	(void)snprintf(taking->why, sizeof(taking->why), "%s", seen->why);
	if (seen->kind != SEEN_STRANGER)
		note_channel(alerts, taking);
	if (seen->kind == SEEN_ANSWERED)
		alerts->repeated++;
	else
		alerts_count_refusal(alerts, seen->why);
	alerts_tell_seldom(alerts,
		seen->kind == SEEN_STRANGER   ? TOLD_UNSIGNED
		: seen->kind == SEEN_ANSWERED ? TOLD_REPEATED
					      : TOLD_REFUSED,
		taking);
	alerts_tell_answer(taking->source, &answer);
}

static void take_new(
	struct alerts *alerts, struct taking *taking, struct reading *reading, int64_t clock_s)
{
	if (taking->envelope != NULL)
		taking->digest = envelope_digest(taking->envelope);
	if (reading->signers == 0) {
		alerts_refuse_stranger(alerts, taking, reading->why);
	} else if (reading->err != 0) {
		(void)snprintf(
			taking->why, sizeof(taking->why), "bad payload: %s", reading->mistake);
		alerts_refuse(alerts, taking);
	} else {
		take_signed(alerts, taking, reading->signers, clock_s);
	}
}

void alerts_take_reading(
	struct alerts *alerts, struct taking *taking, struct reading *reading, int64_t clock_s)
{
	struct seen_answer seen;

	taking->now_s = latest_now(alerts, clock_s);
	taking->envelope = reading->envelope;
	taking->alert = reading->alert;
	taking->alert.came_us = taking->came_us;
	reading->envelope = NULL;
	memset(&reading->alert, 0, sizeof(reading->alert));
	if (alerts_seen_find_key(alerts->seen, &taking->key, taking->now_s, &seen))
		say_again(alerts, taking, &seen);
	else
		take_new(alerts, taking, reading, clock_s);
	alert_clear(&taking->alert);
	keys_free(taking->keys);
	envelope_free(taking->envelope);
}

static bool is_root(const struct reading *reading)
{
	return reading->alert.type == ALERT_ROOT && reading->err == 0 && reading->signers != 0;
}

// All but seals and short lists keep the order in which they came. Whom the root document that waits trusts is not a stranger. What a
// root document follows is to be done first, and that is none of what is done in the midst of other work (urgent.h).
static bool may_overtake(const struct alerts *alerts, const struct reading *reading)
{
	const struct keys *keys = alerts->root.keys;

	if (is_root(reading))
		return false;
	if (alerts->later == 0)
		return true;
	if (reading->signers == 0 || reading->err != 0 ||
		keys_count(keys, reading->alert.role, reading->signers) <
			keys_threshold(keys, reading->alert.role))
		return alerts->later_roots == 0;
	return alerts_may_pass(&reading->alert);
}

void alerts_take(struct alerts *alerts, const struct alerts_source *source, const void *text,
	size_t bytes, int64_t now_s)
{
	struct taking taking = {
		.source = source, .text = text, .bytes = bytes, .came_us = alerts_clock_us()};
	struct seen_answer seen;
	struct reading reading;

	if (alerts_is_large(bytes)) {
		alerts_read_later(alerts, source, text, bytes, now_s);
		return;
	}
	taking.now_s = latest_now(alerts, now_s);
	if (alerts_seen_find(alerts->seen, text, bytes, taking.now_s, &taking.key, &seen)) {
		say_again(alerts, &taking, &seen);
		return;
	}
	alerts_read(text, bytes, alerts->root.keys, &reading);
	if (may_overtake(alerts, &reading))
		alerts_take_reading(alerts, &taking, &reading, now_s);
	else if (is_root(&reading))
		alerts_read_root_later(alerts, source, text, bytes, now_s);
	else
		alerts_read_later(alerts, source, text, bytes, now_s);
	alerts_reading_clear(&reading);
}

// ---- start and stop -----------------------------------------------------------------------------

static int open_signer(struct alerts *alerts, char *error, size_t error_bytes)
{
	char path[PATH_MAX];
	int err;

	(void)snprintf(path, sizeof(path), "%s/gateway.key", alerts->options.folder);
	err = envelope_signer_read(path, &alerts->signer);
	if (err == -ENOENT)
		err = envelope_signer_make(path, &alerts->signer);
	if (err != 0)
		(void)snprintf(error, error_bytes, "%s: %s", path,
			err == -EBADMSG ? "not an Ed25519 key" : "cannot be read or made");
	return err;
}

// By the key of the state that they are of: those of another one say nothing of what this one has taken.
static const char *name_marks(const struct alerts *alerts, char out[PATH_MAX])
{
	if (alerts->options.marks == NULL)
		return NULL;
	(void)snprintf(out, PATH_MAX, "%s-%.16s", alerts->options.marks,
		envelope_signer_key(alerts->signer)->id);
	return out;
}

static int open_files(struct alerts *alerts, char *error, size_t error_bytes)
{
	char path[PATH_MAX];
	char marks[PATH_MAX];
	int err;

	(void)snprintf(alerts->root_path, sizeof(alerts->root_path), "%s/root.json",
		alerts->options.folder);
	(void)snprintf(path, sizeof(path), "%s/alerts.db", alerts->options.folder);
	err = alerts_root_open(
		&alerts->root, alerts->root_path, alerts->options.root, error, error_bytes);
	if (err == 0)
		err = open_signer(alerts, error, error_bytes);
	if (err == 0)
		err = alert_order_open(path, name_marks(alerts, marks), alerts->journal,
			&alerts->order, error, error_bytes);
	return err;
}

int alerts_new(const struct alerts_options *options, const struct alerts_actions *actions,
	struct alerts **out, char *error, size_t error_bytes)
{
	struct alerts *alerts = calloc(1, sizeof(*alerts));
	int err;

	if (alerts == NULL)
		return -ENOMEM;
	alerts->options = *options;
	alerts->actions = *actions;
	alerts->refused = json_object();
	alerts->heard = json_object();
	alerts->seals_left = options->seals_in_an_hour;
	begin_clock(alerts, control_now_ns() / NS_PER_S);
	alerts->seals_left_at_s = alerts->began_s;
	alerts->seen = alerts_seen_new();
	if (alerts->seen == NULL || alerts->refused == NULL) {
		alerts_free(alerts);
		return -ENOMEM;
	}
	err = journal_new(&alerts->journal);
	if (err == 0)
		err = journal_new(&alerts->reader);
	if (err == 0)
		err = open_files(alerts, error, error_bytes);
	if (err != 0) {
		alerts_free(alerts);
		return err;
	}
	alerts->last_heard_s = alert_order_heard(alerts->order);
	*out = alerts;
	return 0;
}

void alerts_flush(struct alerts *alerts)
{
	journal_flush(alerts->journal);
	while (alerts->later > 0) {
		journal_flush(alerts->reader);
		journal_flush(alerts->journal);
	}
}

void alerts_drain(struct alerts *alerts)
{
	journal_drain(alerts->journal);
}

void alerts_stop(struct alerts *alerts)
{
	while (alerts->waiting != NULL) {
		struct waiting *waiting = alerts->waiting;

		alerts->waiting = waiting->next;
		free(waiting);
	}
	alerts->waiting_count = 0;
	alerts->is_stopped = true;
	if (alerts->journal != NULL)
		alerts_flush(alerts);
}

void alerts_free(struct alerts *alerts)
{
	if (alerts == NULL)
		return;
	alerts_stop(alerts);
	journal_free(alerts->reader);
	journal_free(alerts->journal);
	alert_order_close(alerts->order);
	alerts_root_close(&alerts->root);
	envelope_signer_free(alerts->signer);
	alerts_seen_free(alerts->seen);
	json_decref(alerts->refused);
	json_decref(alerts->heard);
	free(alerts);
}

// ---- now and then -------------------------------------------------------------------------------

void alerts_turn(struct alerts *alerts, int64_t now_s)
{
	int64_t latest_s = latest_now(alerts, now_s);
	bool behind = now_s + alerts->options.skew_s < latest_s;

	if (!behind || !alerts->clock_is_behind)
		alerts->behind_up_s = up_s();
	alert_order_turn(alerts->order);
	alerts_tell_sums(alerts, now_s);
	if (behind && !alerts->clock_is_behind)
		alerts_tell_fault(alerts, "the clock has gone back");
	alerts->clock_is_behind = behind;
	// The machine began with a clock that was ahead, and has the right time now.
	if (up_s() - alerts->behind_up_s >= CLOCK_BELIEVED_S)
		begin_clock(alerts, now_s);
	if (alerts->root.keys == NULL)
		return;
	if (!alerts->root_ended && keys_expires(alerts->root.keys) <= latest_s) {
		alerts->root_ended = true;
		alerts_tell_fault(alerts, "the root document has expired");
	}
	if (alerts->last_heard_s == 0 || alerts->last_heard_s > latest_s)
		alerts->last_heard_s = latest_s;
	if (!alerts->stale && alerts->options.stale_s > 0 &&
		latest_s - alerts->last_heard_s > alerts->options.stale_s) {
		alerts->stale = true;
		alerts_tell_fault(alerts, "nothing was heard of the vendor for too long");
	}
}

json_t *alerts_status(const struct alerts *alerts)
{
	bool trusted = alerts->root.keys != NULL;

	return json_pack("{s:s, s:I, s:I, s:s, s:I, s:b, s:I, s:I, s:O, s:O}", "vendor",
		alerts->root.vendor, "root_version", (json_int_t)alerts->root.version,
		"root_expires", (json_int_t)(trusted ? keys_expires(alerts->root.keys) : 0), "key",
		envelope_signer_key(alerts->signer)->id, "last_heard",
		(json_int_t)alerts->last_heard_s, "stale", alerts->stale, "applied",
		(json_int_t)alerts->applied, "repeated", (json_int_t)alerts->repeated, "refused",
		alerts->refused, "heard", alerts->heard);
}

json_t *alerts_list(struct alerts *alerts, unsigned int most)
{
	return alert_order_list(alerts->order, most);
}
