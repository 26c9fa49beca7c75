// SPDX-License-Identifier: BSD-3-Clause
#include "control/alerts_inside.h"
#include "control/control_events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000
#define WAITING_MOST 1024 // who asks then is to ask again

// An alert between being taken and being durable.
struct pending {
	struct alerts *alerts;
	struct alerts_source source; // for events
	struct taking taking;
	struct alerts_kept kept;
	char *receipt;      // of one that was refused
	const char *result; // the same; NULL: its end is to come
	char digest[ENVELOPE_KEY_ID_BYTES];
	char peer[96];
};

static int apply_root(struct alerts *alerts, struct taking *taking)
{
	int err;

	// Another one has come between.
	if (taking->alert.sequence <= alerts->root.version) {
		(void)snprintf(taking->why, sizeof(taking->why), "an old sequence");
		return -EACCES;
	}
	err = alerts_root_renew(
		&alerts->root, alerts->root_path, taking->text, &taking->alert, taking->keys);
	if (err != 0) {
		(void)snprintf(
			taking->why, sizeof(taking->why), "the root document cannot be kept");
		return -EACCES;
	}
	taking->keys = NULL;
	alerts->root_ended = false;
	alerts_seen_clear(alerts->seen);
	return 0;
}

static int apply(struct alerts *alerts, struct taking *taking)
{
	if (taking->alert.type == ALERT_PING)
		return 0;
	if (taking->alert.type == ALERT_ROOT)
		return apply_root(alerts, taking);
	return alerts->actions.apply(alerts->actions.ctx, &taking->alert, taking->digest,
		taking->why, sizeof(taking->why));
}

// Everybody who waits for this alert.
static void answer_waiting(
	struct alerts *alerts, const char *digest, const struct alerts_answer *answer)
{
	struct waiting **link = &alerts->waiting;

	while (*link != NULL) {
		struct waiting *waiting = *link;

		if (strcmp(waiting->digest, digest) != 0) {
			link = &waiting->next;
			continue;
		}
		*link = waiting->next;
		alerts->waiting_count--;
		alerts_tell_answer(&waiting->source, answer);
		free(waiting);
	}
}

void alerts_wait(struct alerts *alerts, const struct alerts_source *source, const char *digest)
{
	static const struct alerts_answer busy = {.is_busy = true};
	struct waiting *waiting =
		alerts->waiting_count < WAITING_MOST ? calloc(1, sizeof(*waiting)) : NULL;

	if (waiting == NULL) {
		alerts_tell_answer(source, &busy);
		return;
	}
	waiting->source = *source;
	waiting->source.peer = "";
	(void)snprintf(waiting->digest, sizeof(waiting->digest), "%s", digest);
	waiting->next = alerts->waiting;
	alerts->waiting = waiting;
	alerts->waiting_count++;
}

// ---- its end ------------------------------------------------------------------------------------

// A receipt that is being written.
struct ending {
	struct alerts *alerts;
	char *receipt; // NULL: none could be made
	bool is_refusal;
	char digest[ENVELOPE_KEY_ID_BYTES];
};

static void ended(void *ctx, int err)
{
	struct ending *ending = ctx;
	const struct alerts_answer answer = {.receipt = ending->receipt,
		.is_refusal = ending->is_refusal,
		.is_busy = ending->receipt == NULL};

	// That it was taken is durable, and so is what it did.
	if (err != 0)
		alerts_tell_fault(ending->alerts, "a receipt cannot be kept");
	answer_waiting(ending->alerts, ending->digest, &answer);
	free(ending->receipt);
	free(ending);
}

static void finish(
	struct alerts *alerts, const char *digest, int err, const char *why, int64_t now_s)
{
	static const struct alerts_answer busy = {.is_busy = true};
	struct ending *ending = calloc(1, sizeof(*ending));
	struct order_entry entry = {.digest = digest,
		.now_s = now_s,
		.result = err == 0 ? "applied" : "refused",
		.why = why,
		.done = ended,
		.ctx = ending};

	if (err == 0)
		alerts->applied++;
	else
		alerts_count_refusal(alerts, why);
	if (ending == NULL) {
		answer_waiting(alerts, digest, &busy);
		return;
	}
	ending->alerts = alerts;
	ending->is_refusal = err != 0;
	(void)snprintf(ending->digest, sizeof(ending->digest), "%s", digest);
	ending->receipt = alerts_tell_receipt(alerts, digest, entry.result, why);
	entry.receipt = ending->receipt;
	if (entry.receipt == NULL)
		ended(ending, 0);
	else if (alert_order_finish(alerts->order, &entry) != 0)
		ended(ending, -ENOMEM);
}

// What is done, while it is not known yet what came of it.
struct untold {
	struct alerts *alerts;
	char digest[ENVELOPE_KEY_ID_BYTES];
	int64_t now_s;
	bool is_within; // finish_told has not returned yet
	bool is_known;
};

static void told(void *data)
{
	struct untold *untold = data;

	untold->is_known = true;
	if (untold->is_within)
		return;
	finish(untold->alerts, untold->digest, 0, "", untold->now_s);
	free(untold);
}

static void noted(void *ctx, int err)
{
	if (err != 0)
		alerts_tell_fault(ctx, "what was done cannot be kept");
}

// An all-clear that is done once more after a crash would end a seal that has come since.
static void note_done(struct alerts *alerts, const char *digest)
{
	const struct order_entry entry = {
		.digest = digest, .result = "applied", .done = noted, .ctx = alerts};

	if (alert_order_note_done(alerts->order, &entry) != 0)
		noted(alerts, -ENOMEM);
}

static void finish_told(struct alerts *alerts, const char *digest, int64_t now_s)
{
	struct untold *untold =
		alerts->actions.when_told != NULL ? calloc(1, sizeof(*untold)) : NULL;

	if (untold == NULL) {
		finish(alerts, digest, 0, "", now_s);
		return;
	}
	untold->alerts = alerts;
	untold->now_s = now_s;
	(void)snprintf(untold->digest, sizeof(untold->digest), "%s", digest);
	untold->is_within = true;
	alerts->actions.when_told(alerts->actions.ctx, told, untold);
	untold->is_within = false;
	if (untold->is_known)
		told(untold);
	else
		note_done(alerts, digest);
}

void alerts_done(struct alerts *alerts, const char *digest, int err, const char *why, int64_t now_s)
{
	alerts_tell(alerts, "alert",
		json_pack("{s:s, s:s, s:s}", "result", err == 0 ? "applied" : "refused", "why", why,
			"alert", digest));
	if (err == 0)
		finish_told(alerts, digest, now_s);
	else
		finish(alerts, digest, err, why, now_s);
}

static void tell_applied(struct alerts *alerts, const struct taking *taking, int err)
{
	alerts_tell_taking(alerts, taking,
		err == 0              ? "applied"
		: err == -EINPROGRESS ? "taken"
				      : "refused");
}

// ---- its way ------------------------------------------------------------------------------------

static void pending_free(struct pending *pending)
{
	free((char *)(uintptr_t)pending->taking.text);
	free(pending->receipt);
	alert_clear(&pending->taking.alert);
	keys_free(pending->taking.keys);
	free(pending);
}

// What it needs of taking, which loses its alert and its keys; NULL: no memory.
static struct pending *pending_new(struct alerts *alerts, struct taking *taking)
{
	struct pending *pending = calloc(1, sizeof(*pending));
	char *text = strndup(taking->text, taking->bytes);

	if (pending == NULL || text == NULL) {
		free(pending);
		free(text);
		return NULL;
	}
	pending->alerts = alerts;
	pending->taking = *taking;
	pending->taking.text = text;
	pending->taking.envelope = NULL;
	memset(&taking->alert, 0, sizeof(taking->alert));
	taking->keys = NULL;
	(void)snprintf(pending->digest, sizeof(pending->digest), "%s", taking->digest);
	(void)snprintf(pending->peer, sizeof(pending->peer), "%s", taking->source->peer);
	pending->source = *taking->source;
	pending->source.peer = pending->peer;
	pending->taking.digest = pending->digest;
	pending->taking.source = &pending->source;
	return pending;
}

// Nothing of it is in the order: it may come again.
static void refuse_pending(struct pending *pending)
{
	struct taking *taking = &pending->taking;
	char *receipt;

	(void)snprintf(taking->why, sizeof(taking->why), "it cannot be made durable");
	receipt = alerts_tell_receipt(pending->alerts, pending->digest, "refused", taking->why);
	alerts_count_refusal(pending->alerts, taking->why);
	alerts_tell_seldom(pending->alerts, TOLD_REFUSED, taking);
	answer_waiting(pending->alerts, pending->digest,
		&(struct alerts_answer){
			.receipt = receipt, .is_refusal = true, .is_busy = receipt == NULL});
	free(receipt);
}

static void taken(void *ctx, int err)
{
	struct pending *pending = ctx;
	struct alerts *alerts = pending->alerts;

	alerts->to_act--;
	if (err != 0) {
		refuse_pending(pending);
	} else {
		err = apply(alerts, &pending->taking);
		tell_applied(alerts, &pending->taking, err);
		if (err == 0)
			finish_told(alerts, pending->digest, pending->taking.now_s);
		else if (err != -EINPROGRESS)
			finish(alerts, pending->digest, err, pending->taking.why,
				pending->taking.now_s);
	}
	pending_free(pending);
}

static void take_first(struct pending *pending)
{
	const struct order_entry entry = {.alert = &pending->taking.alert,
		.digest = pending->digest,
		.envelope = pending->taking.text,
		.now_s = pending->taking.now_s,
		.done = taken,
		.ctx = pending};

	pending->alerts->to_act++;
	if (alert_order_take(pending->alerts->order, &entry) != 0)
		taken(pending, -ENOMEM);
}

// ---- a seal's way -------------------------------------------------------------------------------

static int write_kept(void *ctx)
{
	const struct pending *pending = ctx;

	return pending->kept.write != NULL ? pending->kept.write(pending->kept.data) : 0;
}

// The seal stays in force also when this has failed: then nobody has a receipt, and it comes again.
static void kept(void *ctx, int err)
{
	struct pending *pending = ctx;
	struct alerts *alerts = pending->alerts;
	const char *why = pending->taking.why;
	const struct alerts_answer answer = {.receipt = err == 0 ? pending->receipt : NULL,
		.is_refusal = pending->result != NULL && err == 0,
		.is_busy = err != 0 || pending->receipt == NULL};

	if (pending->kept.end != NULL)
		pending->kept.end(pending->kept.data, err);
	if (err != 0)
		alerts_tell_fault(alerts, "a seal cannot be made durable");
	else if (pending->result != NULL)
		alerts_count_refusal(alerts, why);
	if (err == 0 && pending->result == NULL)
		finish_told(alerts, pending->digest, pending->taking.now_s);
	else
		answer_waiting(alerts, pending->digest, &answer);
	pending_free(pending);
}

// The mail that the seal is for came after what is all clear.
static bool is_overtaken(const struct taking *taking)
{
	return taking->alert.type == ALERT_ALL_CLEAR &&
	       json_object_get(taking->sealed, taking->alert.virus_id) != NULL;
}

static int act(struct pending *pending)
{
	const struct alerts_actions *actions = &pending->alerts->actions;
	struct taking *taking = &pending->taking;

	if (taking->alert.type == ALERT_SEAL)
		return actions->act(actions->ctx, &taking->alert, taking->why, sizeof(taking->why),
			&pending->kept);
	(void)snprintf(taking->why, sizeof(taking->why), "a seal has come since");
	return -EACCES;
}

static void act_first(struct pending *pending)
{
	struct alerts *alerts = pending->alerts;
	struct taking *taking = &pending->taking;
	int err = act(pending);
	struct order_entry entry = {.alert = &taking->alert,
		.digest = pending->digest,
		.envelope = taking->text,
		.now_s = taking->now_s,
		.why = taking->why,
		.before = write_kept,
		.done = kept,
		.ctx = pending};

	// The receipt of one that has acted says whether it is in force, which shows meanwhile.
	if (err != 0) {
		pending->result = "refused";
		pending->receipt =
			alerts_tell_receipt(alerts, pending->digest, pending->result, taking->why);
	}
	entry.result = err == 0 ? "applied" : pending->result;
	entry.receipt = pending->receipt;
	tell_applied(alerts, taking, err);
	if (alert_order_take(alerts->order, &entry) != 0)
		kept(pending, -ENOMEM);
}

// A seal at once, if what came before it and opens something cannot act after it; and what a seal has overtaken, which
// does nothing but has had its turn.
static bool is_to_act_first(struct alerts *alerts, const struct pending *pending)
{
	const struct taking *taking = &pending->taking;

	if (taking->alert.type != ALERT_SEAL)
		return is_overtaken(taking);
	return alerts->actions.act != NULL && alerts->to_act == 0 &&
	       alert_order_mark(alerts->order, &taking->alert, pending->digest) == 0;
}

// What comes next is compared with it.
static void note_order(struct alerts *alerts, const struct taking *taking)
{
	const struct alert *alert = &taking->alert;
	const struct order_highest taken = {true, alert->epoch, alert->sequence};
	const bool is_direct = alerts_may_pass(alert) && taking->highest == NULL;

	if (alert->type == ALERT_SEAL)
		alerts->seals_left -= 1;
	if (alert->type == ALERT_SEAL || is_direct)
		alerts_note_passed(alerts);
	if (alert->type == ALERT_SEAL && is_direct)
		alerts_overtake(alerts, alert->virus_id);
	else if (!is_direct && alert->role == ROLE_ALERTS)
		order_highest_raise(&alerts->in_order, &taken);
}

void alerts_apply(struct alerts *alerts, struct taking *taking)
{
	bool is_root = taking->alert.type == ALERT_ROOT;
	struct pending *pending = pending_new(alerts, taking);

	if (pending == NULL) {
		(void)snprintf(taking->why, sizeof(taking->why), "it cannot be made durable");
		alerts_refuse(alerts, taking);
		return;
	}
	alerts_seen_changed(alerts->seen);
	alerts->last_heard_s = taking->now_s;
	alerts->stale = false;
	note_order(alerts, &pending->taking);
	alerts_wait(alerts, taking->source, pending->digest);
	if (is_to_act_first(alerts, pending))
		act_first(pending);
	else
		take_first(pending);
	// Whose keys count for the next one is known by then.
	if (is_root)
		alerts_flush(alerts);
}

// ---- after a crash ------------------------------------------------------------------------------

// taking->text: as it was taken.
static int parse_taken(struct taking *taking)
{
	const char *why = "";
	const char *payload;
	size_t bytes = 0;
	int err;

	taking->bytes = strlen(taking->text);
	err = envelope_parse(taking->text, taking->bytes, &taking->envelope, &why);
	if (err != 0)
		return err;
	taking->digest = envelope_digest(taking->envelope);
	payload = envelope_payload(taking->envelope, &bytes);
	return alert_parse(payload, bytes, &taking->alert, taking->why, sizeof(taking->why));
}

// Its signatures were good when it was taken: only what it does is done again.
static void resume(struct alerts *alerts, const char *digest, const char *envelope, int64_t now_s)
{
	static const struct alerts_source nobody = {.channel = "restart", .peer = ""};
	struct taking taking = {.source = &nobody, .text = envelope, .now_s = now_s};
	int err = parse_taken(&taking);

	if (err == 0 && taking.alert.type == ALERT_ROOT &&
		taking.alert.sequence > alerts->root.version)
		err = alerts_root_check(&alerts->root, &taking.alert, taking.envelope, taking.now_s,
			&taking.keys, taking.why);
	if (err == 0 && (taking.alert.type != ALERT_ROOT || taking.keys != NULL))
		err = apply(alerts, &taking);
	tell_applied(alerts, &taking, err);
	if (err == 0)
		finish_told(alerts, digest, now_s);
	else if (err != -EINPROGRESS)
		finish(alerts, digest, err, taking.why, now_s);
	alert_clear(&taking.alert);
	keys_free(taking.keys);
	envelope_free(taking.envelope);
}

static void tell_again(const struct alerts *alerts, const char *envelope)
{
	struct taking taking = {.text = envelope};

	if (alerts->actions.tell_again != NULL && parse_taken(&taking) == 0)
		alerts->actions.tell_again(alerts->actions.ctx, &taking.alert);
	alert_clear(&taking.alert);
	envelope_free(taking.envelope);
}

// A seal that acted is in its file, or has ended since: that is not undone.
static void resume_one(void *ctx, const char *digest, const char *envelope, bool is_done)
{
	struct alerts *alerts = ctx;
	int64_t now_s = alert_order_now(alerts->order, control_now_ns() / NS_PER_S);

	if (is_done) {
		tell_again(alerts, envelope);
		finish_told(alerts, digest, now_s);
	} else {
		resume(alerts, digest, envelope, now_s);
	}
}

int alerts_resume(struct alerts *alerts)
{
	int err = alert_order_pending(alerts->order, resume_one, alerts);

	alerts_flush(alerts);
	return err;
}
