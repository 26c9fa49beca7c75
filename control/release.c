// SPDX-License-Identifier: BSD-3-Clause
#include "control/release.h"

#include "control/control.h"
#include "control/release_queue.h"
#include "control/release_scan.h"
#include "control/release_unread.h"
#include "control/screens_hits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 16
#define OPERATOR_KEY "operator" // that a mail was released by one

struct release {
	struct control *control;
	struct release_scanner *scanner;
	struct release_queue *queue;
	GHashTable *copied; // names of held mails whose copy without attachments is out
	json_t *revoke;     // what was taken back while quarantined mail is judged again, or NULL
	GHashTable *names;  // of its signatures
	unsigned int again; // the number of this pass
	bool is_sent;       // what was judged last
	struct release_unread *unread;
	int said; // errno of what was reported as a fault last
	bool is_ending;
};

static void put(json_t *object, const char *member, json_t *value)
{
	(void)json_object_set_new(object, member, value);
}

// ---- after the scan -----------------------------------------------------------------------------

// What screening found is told with its part and its digest, and counted.
static char *text_of_screened(const struct release_verdict *verdict)
{
	const json_t *first = json_array_get(verdict->screened, 0);

	return verdict->decisive == SCAN_FINDING_CHECKSUM && first != NULL
		       ? screens_hits_text(first)
		       : NULL;
}

static void count_screened(struct control *control, const struct release_verdict *verdict)
{
	char text[SPOOL_ID_TEXT_BYTES];
	json_t *hit;
	size_t i;

	json_array_foreach(verdict->screened, i, hit)
	{
		screens_hits_add(control, screens_store(control->screening),
			spool_id_text(verdict->message.id, text), hit);
	}
}

static void keep_or_delete(
	struct release *release, const struct release_verdict *verdict, enum spool_state state)
{
	struct control *control = release->control;
	struct spool_id id = verdict->message.id;
	const char *signature = json_string_value(json_array_get(verdict->signatures, 0));
	const char *what = signature != NULL && verdict->decisive == SCAN_FINDING_SIGNATURE
				   ? signature
				   : verdict->reason;
	char *screened = text_of_screened(verdict);
	char text[SPOOL_ID_TEXT_BYTES];
	char why[512];
	json_t *event;
	int err;

	(void)snprintf(why, sizeof(why), "%s%s%s", screened != NULL ? screened : what,
		verdict->refusal[0] != '\0' ? "; not disinfected: " : "", verdict->refusal);
	g_free(screened);
	err = state == SPOOL_QUARANTINED ? notify_quarantined(control->notify, id, why) : 0;
	if (err == 0)
		err = store_change(control->store, id, state, "cordon-control", why);
	event = json_pack("{s:s, s:s, s:s, s:s, s:O}", "id", spool_id_text(id, text), "action",
		state == SPOOL_DELETED ? "delete" : "quarantine", "verdict",
		verdict_name(verdict->verdict), "reason", verdict->reason, "signatures",
		verdict->signatures);
	if (verdict->refusal[0] != '\0')
		put(event, "not_disinfected", json_string(verdict->refusal));
	if (json_array_size(verdict->screened) > 0)
		put(event, "screened", json_incref(verdict->screened));
	if (err == 0)
		count_screened(control, verdict);

	if (err != 0) {
		put(event, "error", json_string(strerrordesc_np(-err)));
		// It is judged again in the next round.
		store_set_judged(control->store, id, "");
	}
	control_events_write(
		control->events, state == SPOOL_DELETED ? "release" : "quarantine", event);
}

static void send_it(struct release *release, const struct release_verdict *verdict,
	const struct rebuild_plan *plan, enum spool_state after)
{
	const struct release_way way = {verdict->key, plan, SPOOL_HELD, after};

	release->is_sent = true;
	release_queue_add(release->queue, verdict->message.id, verdict->message.envelope, &way);
}

static void apply_policy(struct release *release, const struct release_verdict *verdict)
{
	bool is_open = verdict->mode == SEAL_OPEN;

	switch (verdict->policy) {
	case RELEASE_QUARANTINE:
		keep_or_delete(release, verdict, SPOOL_QUARANTINED);
		break;
	case RELEASE_DELETE:
		keep_or_delete(release, verdict, SPOOL_DELETED);
		break;
	case RELEASE_DELIVER:
		if (is_open)
			send_it(release, verdict, NULL, SPOOL_DELIVERED);
		break;
	case RELEASE_SAME:
		// It could not be scanned to its end, and stays until the rules or the seals are others.
		break;
	case RELEASE_STRIP:
	case RELEASE_DISINFECT:
		if (verdict->plan != NULL)
			send_it(release, verdict, verdict->plan, SPOOL_QUARANTINED);
		else if (is_open || verdict->mode == SEAL_STRIP)
			keep_or_delete(release, verdict, SPOOL_QUARANTINED);
		break;
	}
}

// Whether the copy without attachments went out before: also by an earlier process.
static bool is_copied(struct release *release, struct spool_id id)
{
	char name[SPOOL_ID_TEXT_BYTES];
	bool found = g_hash_table_contains(release->copied, spool_id_text(id, name));
	json_t *mail = found ? NULL : store_show(release->control->store, id);
	json_t *change;
	size_t i;

	json_array_foreach(json_object_get(mail, "history"), i, change)
	{
		const char *why = json_string_value(json_object_get(change, "why"));

		found = found || (why != NULL && strcmp(why, RELEASE_COPY_SENT) == 0);
	}
	json_decref(mail);
	if (found)
		(void)g_hash_table_add(release->copied, g_strdup(name));
	return found;
}

static void judged_clean(struct release *release, const struct release_verdict *verdict)
{
	bool passes = (verdict->mode == SEAL_STRIP || verdict->mode == SEAL_HOLD_ATTACHMENTS) &&
		      !verdict->has_attachments;

	if (verdict->mode == SEAL_OPEN || passes)
		send_it(release, verdict, NULL, SPOOL_DELIVERED);
	else if (verdict->plan != NULL && !is_copied(release, verdict->message.id))
		send_it(release, verdict, verdict->plan, SPOOL_HELD);
}

static void act(struct release *release, const struct release_verdict *verdict)
{
	switch (verdict->verdict) {
	case VERDICT_CLEAN:
		judged_clean(release, verdict);
		break;
	case VERDICT_INFECTED:
	case VERDICT_SUSPECT:
		apply_policy(release, verdict);
		break;
	case VERDICT_UNSCANNABLE:
	case VERDICT_INCOMPLETE:
		// It stays, until the rules or the seals are others.
		break;
	}
}

// A decision is good only for the rules and the seals that it was made with, while they are those of now.
static bool is_valid(void *ctx, const char *key)
{
	const struct release *release = ctx;
	const struct control *control = release->control;

	return strcmp(key, OPERATOR_KEY) == 0 ||
	       (strcmp(key, release_scanner_key(release->scanner)) == 0 &&
		       release_scanner_holds(release->scanner, control->options.rules.image,
			       seals_generation(control->seals)));
}

// ---- a step -------------------------------------------------------------------------------------

static void say(struct release *release, const char *what, int err)
{
	char reason[128];

	if (err != 0 && err != release->said)
		control_events_write(release->control->events, "fault",
			json_pack("{s:s, s:s}", "what", what, "why",
				err == -ENOTSUP ? "the image is of another version"
						: strerror_r(-err, reason, sizeof(reason))));
	release->said = err;
}

static int push_one(struct release *release, struct spool_id id)
{
	struct control *control = release->control;
	struct store_message message;
	int err;

	// One at a time where the next image is about to be taken up.
	if (release_scanner_count(release->scanner) >=
		(release_scanner_is_behind(release->scanner) ? 1 : BATCH))
		return -EAGAIN;
	if (alert_mail_has(control->alert_mail, id))
		return 0;
	err = store_read(control->store, id, control->options.spool.message_bytes, &message);
	if (err == 0) {
		// So that it is not taken twice.
		store_set_judged(control->store, id, release_scanner_key(release->scanner));
		err = release_scanner_push(release->scanner, &message);
		store_message_fini(&message);
		if (err != 0)
			store_set_judged(control->store, id, "");
		return err;
	}
	store_set_judged(control->store, id, release_scanner_key(release->scanner));
	release_unread_add(release->unread, id, err);
	return 0;
}

static void scan_held(struct release *release)
{
	const struct control *control = release->control;
	struct spool_id ids[BATCH];
	size_t n = store_settled(control->store, SPOOL_HELD, release_scanner_key(release->scanner),
		control_steady_ns(), ids, BATCH);

	for (size_t i = 0; i < n; i++) {
		if (push_one(release, ids[i]) != 0)
			return;
	}
}

// ---- what was taken back ------------------------------------------------------------------------

#define AGAIN "/again" // behind a key: of mail in quarantine

static bool is_revoked(const struct release *release, const char *name, size_t n)
{
	char *key;
	bool found;

	// Which signatures of a digest hit nobody knows but the scan.
	if (json_array_size(json_object_get(release->revoke, "digests")) > 0)
		return n > 0;
	key = g_strndup(name, n);
	found = g_hash_table_contains(release->names, key);
	g_free(key);
	return found;
}

// Whether a mail is in quarantine for what was taken back, among other things perhaps: by what was noted
// when it came, or when it was held and scanned again.
static bool is_concerned(const struct release *release, const json_t *mail)
{
	json_t *value;
	size_t i;

	json_array_foreach(json_object_get(mail, "signatures"), i, value)
	{
		const char *name = json_string_value(value);

		if (name != NULL && is_revoked(release, name, strlen(name)))
			return true;
	}
	json_array_foreach(json_object_get(mail, "history"), i, value)
	{
		const char *why = json_string_value(json_object_get(value, "why"));

		if (why != NULL && is_revoked(release, why, strcspn(why, ";")))
			return true;
	}
	return false;
}

static void key_again(const struct release *release, char out[RELEASE_KEY_BYTES + 16])
{
	(void)snprintf(out, RELEASE_KEY_BYTES + 16, "%s" AGAIN "%u",
		release_scanner_key(release->scanner), release->again);
}

static void push_again(struct release *release, struct spool_id id)
{
	struct control *control = release->control;
	struct store_message message;

	if (store_read(control->store, id, control->options.spool.message_bytes, &message) != 0) {
		say(release, "a kept mail cannot be read", -EIO);
		return;
	}
	if (release_scanner_push(release->scanner, &message) != 0)
		store_set_judged(control->store, id, "");
	store_message_fini(&message);
}

// Some of the mail in quarantine; returns whether there was any left.
static bool scan_again(struct release *release)
{
	struct control *control = release->control;
	struct spool_id ids[BATCH];
	char key[RELEASE_KEY_BYTES + 16];
	size_t room = release_scanner_count(release->scanner);
	size_t n;

	room = room < BATCH ? BATCH - room : 0;
	key_again(release, key);
	n = store_settled(control->store, SPOOL_QUARANTINED, key, control_steady_ns(), ids, room);
	for (size_t i = 0; i < n; i++) {
		json_t *mail = store_show(control->store, ids[i]);

		store_set_judged(control->store, ids[i], key);
		if (is_concerned(release, mail))
			push_again(release, ids[i]);
		json_decref(mail);
	}
	return n > 0 || room == 0;
}

// What was found by screening and stays: people are told why.
static void tell_again(
	struct release *release, const struct release_verdict *verdict, const char *outcome)
{
	char text[SPOOL_ID_TEXT_BYTES];

	if (!json_is_true(json_object_get(release->revoke, "screening")))
		return;
	control_events_write(release->control->events, "screening",
		json_pack("{s:s, s:s, s:s, s:s, s:O}", "result", "judged again", "id",
			spool_id_text(verdict->message.id, text), "outcome", outcome, "verdict",
			verdict_name(verdict->verdict), "signatures", verdict->signatures));
}

// What is clean now is held again, and goes the way of all held mail.
static void judged_again(struct release *release, const struct release_verdict *verdict)
{
	const char *why = json_string_value(json_object_get(release->revoke, "why"));
	struct control *control = release->control;
	struct spool_id id = verdict->message.id;
	char text[SPOOL_ID_TEXT_BYTES];
	json_t *event;
	int err;

	if (verdict->verdict != VERDICT_CLEAN) {
		tell_again(release, verdict, "stays");
		return;
	}
	if (json_is_true(json_object_get(release->revoke, "keep"))) {
		tell_again(release, verdict, "waits for the operator");
		return;
	}
	why = why != NULL ? why : "what hit was taken back";
	err = store_change(control->store, id, SPOOL_HELD, "cordon-control", why);
	event = json_pack(
		"{s:s, s:s, s:s}", "id", spool_id_text(id, text), "action", "lift", "why", why);
	if (err != 0)
		put(event, "error", json_string(strerrordesc_np(-err)));
	// It is judged as held mail, or once more in the next round.
	store_set_judged(control->store, id, "");
	control_events_write(control->events, "quarantine", event);
}

static void end_pass(struct release *release)
{
	json_decref(release->revoke);
	if (release->names != NULL)
		g_hash_table_destroy(release->names);
	release->revoke = NULL;
	release->names = NULL;
}

static void begin_pass(struct release *release, const json_t *revoke)
{
	json_t *name;
	size_t i;

	release->revoke = json_deep_copy(revoke);
	release->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	release->again++;
	json_array_foreach(json_object_get(revoke, "signatures"), i, name)
	{
		(void)g_hash_table_add(release->names, g_strdup(json_string_value(name)));
	}
}

bool release_reconsider(struct release *release, const json_t *revoke)
{
	const struct control *control = release->control;

	if (!release_scanner_is_current(release->scanner, control->options.rules.image,
		    seals_generation(control->seals)))
		return false;
	if (release->revoke == NULL)
		begin_pass(release, revoke);
	// One after the other.
	if (!json_equal(release->revoke, revoke) || scan_again(release) ||
		release_scanner_count(release->scanner) > 0)
		return false;
	end_pass(release);
	return true;
}

bool release_has_judged(const struct release *release, int64_t arrived_s, int64_t waited_s)
{
	const struct control *control = release->control;
	json_t *filter = json_pack(
		"{s:s, s:I, s:i}", "state", "held", "until", (json_int_t)arrived_s + 1, "limit", 1);
	json_t *list = store_list(control->store, filter);
	json_t *counts = release_queue_counts(release->queue);
	struct spool_id id;
	bool is_over = json_integer_value(json_object_get(list, "total")) == 0;

	// What stays was looked at and is not to be delivered now.
	if (!is_over && waited_s > control->options.spool.settle_seconds)
		is_over = release_scanner_count(release->scanner) == 0 &&
			  store_settled(control->store, SPOOL_HELD,
				  release_scanner_key(release->scanner), control_steady_ns(), &id,
				  1) == 0 &&
			  json_integer_value(json_object_get(counts, "queued")) == 0 &&
			  json_integer_value(json_object_get(counts, "delivering")) == 0;
	// The dataplane's last record may not be in the list yet.
	is_over = is_over && waited_s > 1 &&
		  release_scanner_is_current(release->scanner, control->options.rules.image,
			  seals_generation(control->seals));
	json_decref(counts);
	json_decref(list);
	json_decref(filter);
	return is_over;
}

static void judged(void *ctx, const struct release_verdict *verdict)
{
	struct release *release = ctx;
	enum spool_state state;

	if (release->is_ending)
		return;
	// An operator has decided meanwhile.
	if (!store_get_state(release->control->store, verdict->message.id, &state) ||
		state != verdict->message.state)
		return;
	if (!is_valid(release, verdict->key)) {
		store_set_judged(release->control->store, verdict->message.id, "");
		return;
	}
	if (verdict->message.state == SPOOL_QUARANTINED) {
		judged_again(release, verdict);
		if (release->revoke != NULL && release_scanner_count(release->scanner) < BATCH / 2)
			(void)scan_again(release);
		return;
	}
	store_set_judged(release->control->store, verdict->message.id, verdict->key);
	store_set_covered(release->control->store, verdict->message.id, verdict->seals);
	release->is_sent = false;
	act(release, verdict);
	if (!release->is_sent && store_is_changed(release->control->store, verdict->message.id))
		release_queue_stop(release->queue, verdict->message.id);
	// What is left of many is not put off to the next turn.
	if (release_scanner_is_behind(release->scanner)) {
		release_turn(release);
	} else if (release_scanner_count(release->scanner) < BATCH / 2) {
		scan_held(release);
		release_queue_turn(release->queue);
	}
}

static void queue_released(struct release *release)
{
	const struct control *control = release->control;
	const struct release_way way = {OPERATOR_KEY, NULL, SPOOL_RELEASED, SPOOL_DELIVERED};
	struct spool_id ids[BATCH];
	size_t n = store_settled(
		control->store, SPOOL_RELEASED, OPERATOR_KEY, control_steady_ns(), ids, BATCH);

	for (size_t i = 0; i < n; i++) {
		json_t *mail = store_show(control->store, ids[i]);

		store_set_judged(control->store, ids[i], OPERATOR_KEY);
		if (mail != NULL)
			release_queue_add(
				release->queue, ids[i], json_object_get(mail, "envelope"), &way);
		else
			release_unread_add(release->unread, ids[i], -EIO);
		json_decref(mail);
	}
}

void release_turn(struct release *release)
{
	struct control *control = release->control;
	char *seals = seals_release_text(control->seals);
	int err = -ENOMEM;

	if (seals != NULL)
		err = release_scanner_renew(release->scanner, control->options.rules.image, seals);
	free(seals);
	// Until the image is open nothing is decided either.
	if (err != -EINPROGRESS)
		say(release, "no rules to look at held mail with", err);
	// With rules and seals that are not the newest nothing is decided.
	release_unread_turn(release->unread);
	if (err == 0)
		scan_held(release);
	queue_released(release);
	release_queue_turn(release->queue);
}

static void ready(void *ctx)
{
	struct release *release = ctx;

	if (release->control->store_failed == 0)
		release_turn(release);
}

bool release_has(const struct release *release, struct spool_id id)
{
	return release_queue_has(release->queue, id);
}

bool release_is_sending(const struct release *release, struct spool_id id)
{
	return release_queue_is_sending(release->queue, id);
}

json_t *release_counts(const struct release *release)
{
	json_t *counts = release_queue_counts(release->queue);

	put(counts, "scanning", json_integer((json_int_t)release_scanner_count(release->scanner)));
	return counts;
}

int release_new(struct control *control, struct release **out)
{
	struct release *release = calloc(1, sizeof(*release));
	int err;

	if (release == NULL)
		return -ENOMEM;
	release->control = control;
	release->copied = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	release->unread = release_unread_new(control);
	err = release_scanner_new(&control->options, &(struct release_ways){judged, ready, release},
		&release->scanner);
	if (err == 0)
		err = release_queue_new(control, is_valid, release, &release->queue);
	if (err != 0) {
		release_free(release);
		return err;
	}
	*out = release;
	return 0;
}

void release_free(struct release *release)
{
	if (release == NULL)
		return;
	release->is_ending = true;
	release_queue_free(release->queue);
	release_scanner_free(release->scanner);
	g_hash_table_destroy(release->copied);
	release_unread_free(release->unread);
	end_pass(release);
	free(release);
}
