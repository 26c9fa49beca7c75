// SPDX-License-Identifier: BSD-3-Clause
#include "control/alerts.h"

#include "control/alert_order.h"
#include "control/alerts_root.h"
#include "control/control_events.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NS_PER_S 1000000000
#define HOUR_S 3600
#define TOLD_IN_A_MINUTE 10 // refusals of what is not signed

// Who waits for an alert whose action is in progress.
struct waiting {
	struct waiting *next;
	struct alerts_source source;
	char digest[ENVELOPE_KEY_ID_BYTES];
};

struct alerts {
	struct alerts_options options;
	struct alerts_actions actions;
	struct alerts_root root;
	struct alert_order *order;
	struct envelope_signer *signer;
	struct waiting *waiting;
	json_t *refused; // why: count
	uint64_t applied;
	uint64_t repeated;
	int64_t last_heard_s;
	bool stale; // and was told
	bool root_ended;
	bool clock_is_behind;
	double seals_left; // of seals_in_an_hour
	int64_t seals_left_at_s;
	int64_t told_minute;
	unsigned int told; // in it
	unsigned int untold;
	char root_path[PATH_MAX];
};

// One envelope on its way.
struct taking {
	const struct alerts_source *source;
	struct envelope *envelope;
	const char *text;
	size_t bytes;
	struct alert alert;
	struct keys *keys; // of a new root document
	int64_t now_s;
	char why[ALERT_WHY_BYTES];
};

// ---- receipts and events ------------------------------------------------------------------------

static char *make_receipt(
	struct alerts *alerts, const char *digest, const char *result, const char *why)
{
	char time[32];
	char *receipt = NULL;
	json_t *payload = json_pack("{s:s, s:s, s:s, s:o, s:s, s:I}", "gateway",
		alerts->options.gateway, "alert", digest, "result", result, "state",
		alerts->actions.state(alerts->actions.ctx), "time",
		control_time_text(control_now_ns(), time), "counter",
		(json_int_t)alert_order_count(alerts->order));
	char *text;

	if (strcmp(result, "refused") == 0)
		(void)json_object_set_new(payload, "why", json_string(why));
	text = json_dumps(payload, JSON_COMPACT);
	json_decref(payload);
	if (text == NULL || envelope_sign(ENVELOPE_RECEIPT, text, strlen(text), &alerts->signer, 1,
				    &receipt) != 0)
		receipt = NULL;
	free(text);
	return receipt;
}

static json_t *describe(const struct taking *taking, const char *result)
{
	const struct alert *alert = &taking->alert;
	json_t *members = json_pack("{s:s, s:s, s:s}", "result", result, "channel",
		taking->source->channel, "peer", taking->source->peer);

	if (taking->why[0] != '\0')
		(void)json_object_set_new(members, "why", json_string(taking->why));
	if (taking->envelope != NULL)
		(void)json_object_set_new(
			members, "alert", json_string(envelope_digest(taking->envelope)));
	if (alert->payload == NULL)
		return members;
	(void)json_object_set_new(members, "vendor", json_string(alert->vendor));
	(void)json_object_set_new(members, "role", json_string(key_role_name(alert->role)));
	(void)json_object_set_new(members, "type", json_string(alert_type_name(alert->type)));
	(void)json_object_set_new(members, "epoch", json_integer((json_int_t)alert->epoch));
	(void)json_object_set_new(members, "sequence", json_integer((json_int_t)alert->sequence));
	if (alert->virus_id[0] != '\0')
		(void)json_object_set_new(members, "virus_id", json_string(alert->virus_id));
	return members;
}

static void tell(struct alerts *alerts, const char *event, json_t *members)
{
	alerts->actions.event(alerts->actions.ctx, event, members);
}

static void count_refusal(struct alerts *alerts, const char *why)
{
	// The text before a colon is one of a few; what follows it may be anybody's.
	size_t length = strcspn(why, ":");
	char key[64];

	(void)snprintf(key, sizeof(key), "%.*s", (int)length, why);
	(void)json_object_set_new(alerts->refused, key,
		json_integer(json_integer_value(json_object_get(alerts->refused, key)) + 1));
}

static void answer(const struct alerts_source *source, const char *receipt)
{
	if (source->answer != NULL)
		source->answer(source->ctx, source->token, receipt);
}

// ---- refusing -----------------------------------------------------------------------------------

// Anybody can send these: they are told one by one only while they are few.
static void refuse_unsigned(struct alerts *alerts, struct taking *taking, const char *why)
{
	(void)snprintf(taking->why, sizeof(taking->why), "%s", why);
	count_refusal(alerts, why);
	if (taking->now_s / 60 != alerts->told_minute) {
		alerts->told_minute = taking->now_s / 60;
		alerts->told = 0;
	}
	if (alerts->told++ < TOLD_IN_A_MINUTE)
		tell(alerts, "alert", describe(taking, "refused"));
	else
		alerts->untold++;
	answer(taking->source, NULL);
}

static void refuse_signed(struct alerts *alerts, const struct taking *taking)
{
	char *receipt =
		make_receipt(alerts, envelope_digest(taking->envelope), "refused", taking->why);

	count_refusal(alerts, taking->why);
	tell(alerts, "alert", describe(taking, "refused"));
	answer(taking->source, receipt);
	free(receipt);
}

// ---- judging ------------------------------------------------------------------------------------

static int refused(struct taking *taking, const char *why)
{
	(void)snprintf(taking->why, sizeof(taking->why), "%s", why);
	return -EACCES;
}

static bool is_for_us(const struct alerts *alerts, const struct alert *alert)
{
	const struct alerts_options *options = &alerts->options;

	if (alert->target == TARGET_ALL)
		return true;
	if (alert->target == TARGET_GATEWAY)
		return strcmp(alert->target_name, options->gateway) == 0;
	for (size_t i = 0; i < options->groups_count; i++) {
		if (strcmp(options->groups[i], alert->target_name) == 0)
			return true;
	}
	return false;
}

static bool may_seal(struct alerts *alerts, int64_t now_s)
{
	double most = alerts->options.seals_in_an_hour;

	alerts->seals_left += (double)(now_s - alerts->seals_left_at_s) * most / HOUR_S;
	alerts->seals_left_at_s = now_s;
	if (alerts->seals_left > most)
		alerts->seals_left = most;
	return alerts->seals_left >= 1;
}

static int check_order(struct alerts *alerts, struct taking *taking)
{
	const struct alert *alert = &taking->alert;
	const struct order_limits limits = {
		.epoch_least = keys_epoch(alerts->root.keys, alert->role),
		.most_ahead = alerts->options.most_ahead,
	};
	const char *why = "its order cannot be looked up";
	int err;

	if (alert->type == ALERT_ROOT)
		return alerts_root_check(&alerts->root, alert, taking->envelope, taking->now_s,
			&taking->keys, taking->why);
	err = alert_order_check(alerts->order, alert, &limits, &why);
	return err == 0 ? 0 : refused(taking, why);
}

// A clock that has gone back says nothing of the future; the latest time that was seen says what is past.
static int check_freshness(const struct alerts *alerts, struct taking *taking, int64_t clock_s)
{
	const struct alert *alert = &taking->alert;

	if (alert->type != ALERT_ROOT && keys_expires(alerts->root.keys) <= taking->now_s)
		return refused(taking, "the root document has expired");
	if (alert->expires_s <= taking->now_s)
		return refused(taking, "expired");
	if (clock_s >= taking->now_s && alert->issued_s > taking->now_s + alerts->options.skew_s)
		return refused(taking, "issued in the future");
	return 0;
}

static int judge(struct alerts *alerts, struct taking *taking, uint64_t signers, int64_t clock_s)
{
	const struct alert *alert = &taking->alert;
	int err;

	if (strcmp(alert->vendor, alerts->root.vendor) != 0)
		return refused(taking, "another vendor");
	if (alert->type != ALERT_ROOT && keys_count(alerts->root.keys, alert->role, signers) <
						 keys_threshold(alerts->root.keys, alert->role))
		return refused(taking, "too few signatures");
	if (!is_for_us(alerts, alert))
		return refused(taking, "for another gateway");
	err = check_freshness(alerts, taking, clock_s);
	if (err == 0)
		err = check_order(alerts, taking);
	if (err == 0 && alert->type == ALERT_SEAL && !may_seal(alerts, taking->now_s))
		err = refused(taking, "too many seals in an hour");
	return err;
}

// ---- applying -----------------------------------------------------------------------------------

static int apply_root(struct alerts *alerts, struct taking *taking)
{
	char *text = strndup(taking->text, taking->bytes);
	int err = text != NULL ? alerts_root_renew(&alerts->root, alerts->root_path, text,
					 &taking->alert, taking->keys)
			       : -ENOMEM;

	free(text);
	if (err != 0)
		return refused(taking, "the root document cannot be kept");
	taking->keys = NULL;
	alerts->root_ended = false;
	return 0;
}

static int apply(struct alerts *alerts, struct taking *taking)
{
	if (taking->alert.type == ALERT_PING)
		return 0;
	if (taking->alert.type == ALERT_ROOT)
		return apply_root(alerts, taking);
	return alerts->actions.apply(alerts->actions.ctx, &taking->alert,
		envelope_digest(taking->envelope), taking->why, sizeof(taking->why));
}

// Everybody who waits for this alert.
static void answer_waiting(struct alerts *alerts, const char *digest, const char *receipt)
{
	struct waiting **link = &alerts->waiting;

	while (*link != NULL) {
		struct waiting *waiting = *link;

		if (strcmp(waiting->digest, digest) != 0) {
			link = &waiting->next;
			continue;
		}
		*link = waiting->next;
		answer(&waiting->source, receipt);
		free(waiting);
	}
}

static void wait_for(struct alerts *alerts, const struct alerts_source *source, const char *digest)
{
	struct waiting *waiting = calloc(1, sizeof(*waiting));

	if (waiting == NULL) {
		answer(source, NULL);
		return;
	}
	waiting->source = *source;
	(void)snprintf(waiting->digest, sizeof(waiting->digest), "%s", digest);
	waiting->next = alerts->waiting;
	alerts->waiting = waiting;
}

static void finish(
	struct alerts *alerts, const char *digest, int err, const char *why, int64_t now_s)
{
	const char *result = err == 0 ? "applied" : "refused";
	char *receipt = make_receipt(alerts, digest, result, why);

	if (err == 0)
		alerts->applied++;
	else
		count_refusal(alerts, why);
	if (receipt != NULL &&
		alert_order_finish(alerts->order, digest, result, why, receipt, now_s) != 0)
		tell(alerts, "fault",
			json_pack(
				"{s:s, s:s}", "what", "alerts", "why", "a receipt cannot be kept"));
	answer_waiting(alerts, digest, receipt);
	free(receipt);
}

void alerts_done(struct alerts *alerts, const char *digest, int err, const char *why, int64_t now_s)
{
	tell(alerts, "alert",
		json_pack("{s:s, s:s, s:s}", "result", err == 0 ? "applied" : "refused", "why", why,
			"alert", digest));
	finish(alerts, digest, err, why, now_s);
}

// A new alert that may act: taken, which is durable, then applied.
static void act(struct alerts *alerts, struct taking *taking)
{
	const char *digest = envelope_digest(taking->envelope);
	char *text = strndup(taking->text, taking->bytes);
	int err = text != NULL ? alert_order_take(
					 alerts->order, &taking->alert, digest, text, taking->now_s)
			       : -ENOMEM;

	free(text);
	if (err != 0) {
		(void)refused(taking, "it cannot be made durable");
		refuse_signed(alerts, taking);
		return;
	}
	alerts->last_heard_s = taking->now_s;
	alerts->stale = false;
	if (taking->alert.type == ALERT_SEAL)
		alerts->seals_left -= 1;
	wait_for(alerts, taking->source, digest);
	err = apply(alerts, taking);
	tell(alerts, "alert",
		describe(taking, err == 0              ? "applied"
				 : err == -EINPROGRESS ? "taken"
						       : "refused"));
	if (err != -EINPROGRESS)
		finish(alerts, digest, err, taking->why, taking->now_s);
}

static void repeat(struct alerts *alerts, struct taking *taking, char *receipt)
{
	alerts->repeated++;
	tell(alerts, "alert", describe(taking, "repeated"));
	if (receipt != NULL)
		answer(taking->source, receipt);
	else
		wait_for(alerts, taking->source, envelope_digest(taking->envelope));
}

static void take_signed(
	struct alerts *alerts, struct taking *taking, uint64_t signers, int64_t clock_s)
{
	char *receipt = NULL;
	int err = alert_order_find(alerts->order, envelope_digest(taking->envelope), &receipt);

	if (err == 0) {
		repeat(alerts, taking, receipt);
	} else if (err != -ENOENT) {
		(void)refused(taking, "its order cannot be looked up");
		refuse_signed(alerts, taking);
	} else if (judge(alerts, taking, signers, clock_s) != 0) {
		refuse_signed(alerts, taking);
	} else {
		act(alerts, taking);
	}
	free(receipt);
}

void alerts_take(struct alerts *alerts, const struct alerts_source *source, const void *text,
	size_t bytes, int64_t now_s)
{
	struct taking taking = {.source = source, .text = text, .bytes = bytes};
	const char *why = "";
	const char *payload;
	char mistake[ALERT_WHY_BYTES - 16];
	uint64_t signers;

	taking.now_s = alert_order_now(alerts->order, now_s);
	if (envelope_parse(text, bytes, &taking.envelope, &why) != 0) {
		refuse_unsigned(alerts, &taking, why);
		return;
	}
	signers = alerts->root.keys != NULL ? keys_signers(alerts->root.keys, taking.envelope) : 0;
	payload = envelope_payload(taking.envelope, &bytes);
	if (strcmp(envelope_type(taking.envelope), ENVELOPE_ALERT) != 0) {
		refuse_unsigned(alerts, &taking, "not an alert");
	} else if (signers == 0) {
		refuse_unsigned(alerts, &taking, "not signed by a key that is trusted");
	} else if (alert_parse(payload, bytes, &taking.alert, mistake, sizeof(mistake)) != 0) {
		(void)snprintf(taking.why, sizeof(taking.why), "bad payload: %s", mistake);
		refuse_signed(alerts, &taking);
	} else {
		take_signed(alerts, &taking, signers, now_s);
	}
	alert_clear(&taking.alert);
	keys_free(taking.keys);
	envelope_free(taking.envelope);
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

static int open_files(struct alerts *alerts, char *error, size_t error_bytes)
{
	char path[PATH_MAX];
	int err;

	(void)snprintf(alerts->root_path, sizeof(alerts->root_path), "%s/root.json",
		alerts->options.folder);
	(void)snprintf(path, sizeof(path), "%s/alerts.db", alerts->options.folder);
	err = alerts_root_open(
		&alerts->root, alerts->root_path, alerts->options.root, error, error_bytes);
	if (err == 0)
		err = open_signer(alerts, error, error_bytes);
	if (err == 0)
		err = alert_order_open(path, &alerts->order, error, error_bytes);
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
	alerts->seals_left = options->seals_in_an_hour;
	alerts->seals_left_at_s = control_now_ns() / NS_PER_S;
	err = open_files(alerts, error, error_bytes);
	if (err != 0) {
		alerts_free(alerts);
		return err;
	}
	alerts->last_heard_s = alert_order_heard(alerts->order);
	*out = alerts;
	return 0;
}

void alerts_free(struct alerts *alerts)
{
	if (alerts == NULL)
		return;
	while (alerts->waiting != NULL) {
		struct waiting *waiting = alerts->waiting;

		alerts->waiting = waiting->next;
		free(waiting);
	}
	alert_order_close(alerts->order);
	alerts_root_close(&alerts->root);
	envelope_signer_free(alerts->signer);
	json_decref(alerts->refused);
	free(alerts);
}

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
		payload = envelope_payload(taking.envelope, &bytes);
		err = alert_parse(payload, bytes, &taking.alert, taking.why, sizeof(taking.why));
	}
	if (err == 0 && taking.alert.type == ALERT_ROOT &&
		taking.alert.sequence > alerts->root.version)
		err = alerts_root_check(&alerts->root, &taking.alert, taking.envelope, taking.now_s,
			&taking.keys, taking.why);
	if (err == 0 && (taking.alert.type != ALERT_ROOT || taking.keys != NULL))
		err = apply(alerts, &taking);
	tell(alerts, "alert",
		describe(&taking, err == 0              ? "applied"
				  : err == -EINPROGRESS ? "taken"
							: "refused"));
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

// ---- now and then -------------------------------------------------------------------------------

static void tell_fault(struct alerts *alerts, const char *why)
{
	tell(alerts, "fault", json_pack("{s:s, s:s}", "what", "alerts", "why", why));
}

void alerts_turn(struct alerts *alerts, int64_t now_s)
{
	int64_t latest_s = alert_order_now(alerts->order, now_s);
	bool behind = now_s + alerts->options.skew_s < latest_s;

	alert_order_turn(alerts->order);
	if (alerts->untold > 0 && now_s / 60 != alerts->told_minute) {
		tell(alerts, "alert",
			json_pack("{s:s, s:s, s:i}", "result", "refused", "why",
				"not signed, and not told one by one", "count",
				(int)alerts->untold));
		alerts->untold = 0;
	}
	if (behind && !alerts->clock_is_behind)
		tell_fault(alerts, "the clock has gone back");
	alerts->clock_is_behind = behind;
	if (alerts->root.keys == NULL)
		return;
	if (!alerts->root_ended && keys_expires(alerts->root.keys) <= latest_s) {
		alerts->root_ended = true;
		tell_fault(alerts, "the root document has expired");
	}
	if (alerts->last_heard_s == 0)
		alerts->last_heard_s = latest_s;
	if (!alerts->stale && alerts->options.stale_s > 0 &&
		latest_s - alerts->last_heard_s > alerts->options.stale_s) {
		alerts->stale = true;
		tell_fault(alerts, "nothing was heard of the vendor for too long");
	}
}

json_t *alerts_status(const struct alerts *alerts)
{
	bool trusted = alerts->root.keys != NULL;

	return json_pack("{s:s, s:I, s:I, s:s, s:I, s:b, s:I, s:I, s:O}", "vendor",
		alerts->root.vendor, "root_version", (json_int_t)alerts->root.version,
		"root_expires", (json_int_t)(trusted ? keys_expires(alerts->root.keys) : 0), "key",
		envelope_signer_key(alerts->signer)->id, "last_heard",
		(json_int_t)alerts->last_heard_s, "stale", alerts->stale, "applied",
		(json_int_t)alerts->applied, "repeated", (json_int_t)alerts->repeated, "refused",
		alerts->refused);
}

json_t *alerts_list(struct alerts *alerts, unsigned int most)
{
	return alert_order_list(alerts->order, most);
}
