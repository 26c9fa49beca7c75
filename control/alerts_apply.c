// SPDX-License-Identifier: BSD-3-Clause
#include "control/alerts_inside.h"
#include "control/control_events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000
#define WAITING_MOST 1024 // who asks then is to ask again

static int apply_root(struct alerts *alerts, struct taking *taking)
{
	char *text = strndup(taking->text, taking->bytes);
	int err = text != NULL ? alerts_root_renew(&alerts->root, alerts->root_path, text,
					 &taking->alert, taking->keys)
			       : -ENOMEM;

	free(text);
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

static void finish(
	struct alerts *alerts, const char *digest, int err, const char *why, int64_t now_s)
{
	const char *result = err == 0 ? "applied" : "refused";
	char *receipt = alerts_tell_receipt(alerts, digest, result, why);
	const struct alerts_answer answer = {
		.receipt = receipt, .is_refusal = err != 0, .is_busy = receipt == NULL};

	if (err == 0)
		alerts->applied++;
	else
		alerts_count_refusal(alerts, why);
	if (receipt != NULL &&
		alert_order_finish(alerts->order, digest, result, why, receipt, now_s) != 0)
		alerts_tell_fault(alerts, "a receipt cannot be kept");
	answer_waiting(alerts, digest, &answer);
	free(receipt);
}

void alerts_done(struct alerts *alerts, const char *digest, int err, const char *why, int64_t now_s)
{
	alerts_tell(alerts, "alert",
		json_pack("{s:s, s:s, s:s}", "result", err == 0 ? "applied" : "refused", "why", why,
			"alert", digest));
	finish(alerts, digest, err, why, now_s);
}

static void tell_applied(struct alerts *alerts, const struct taking *taking, int err)
{
	alerts_tell_taking(alerts, taking,
		err == 0              ? "applied"
		: err == -EINPROGRESS ? "taken"
				      : "refused");
}

void alerts_apply(struct alerts *alerts, struct taking *taking)
{
	const char *digest = taking->digest;
	char *text = strndup(taking->text, taking->bytes);
	int err = text != NULL ? alert_order_take(
					 alerts->order, &taking->alert, digest, text, taking->now_s)
			       : -ENOMEM;

	free(text);
	if (err != 0) {
		(void)snprintf(taking->why, sizeof(taking->why), "it cannot be made durable");
		alerts_refuse(alerts, taking);
		return;
	}
	alerts_seen_changed(alerts->seen);
	alerts->last_heard_s = taking->now_s;
	alerts->stale = false;
	if (taking->alert.type == ALERT_SEAL)
		alerts->seals_left -= 1;
	alerts_wait(alerts, taking->source, digest);
	err = apply(alerts, taking);
	tell_applied(alerts, taking, err);
	if (err != -EINPROGRESS)
		finish(alerts, digest, err, taking->why, taking->now_s);
}

// ---- after a crash ------------------------------------------------------------------------------

// Its signatures were good when it was taken: only what it does is done again.
static void resume(void *ctx, const char *digest, const char *envelope)
{
	static const struct alerts_source nobody = {.channel = "restart", .peer = ""};
	struct alerts *alerts = ctx;
	int64_t now_s = control_now_ns() / NS_PER_S;
	struct taking taking = {.source = &nobody,
		.text = envelope,
		.bytes = strlen(envelope),
		.now_s = alert_order_now(alerts->order, now_s)};
	const char *why = "";
	const char *payload;
	size_t bytes = 0;
	int err = envelope_parse(envelope, taking.bytes, &taking.envelope, &why);

	if (err == 0) {
		taking.digest = envelope_digest(taking.envelope);
		payload = envelope_payload(taking.envelope, &bytes);
		err = alert_parse(payload, bytes, &taking.alert, taking.why, sizeof(taking.why));
	}
	if (err == 0 && taking.alert.type == ALERT_ROOT &&
		taking.alert.sequence > alerts->root.version)
		err = alerts_root_check(&alerts->root, &taking.alert, taking.envelope, taking.now_s,
			&taking.keys, taking.why);
	if (err == 0 && (taking.alert.type != ALERT_ROOT || taking.keys != NULL))
		err = apply(alerts, &taking);
	tell_applied(alerts, &taking, err);
	if (err != -EINPROGRESS)
		finish(alerts, digest, err, taking.why, taking.now_s);
	alert_clear(&taking.alert);
	keys_free(taking.keys);
	envelope_free(taking.envelope);
}

int alerts_resume(struct alerts *alerts)
{
	return alert_order_pending(alerts->order, resume, alerts);
}
