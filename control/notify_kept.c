// SPDX-License-Identifier: BSD-3-Clause
#include "control/notify_kept.h"

#include "control/control.h"
#include "control/letter.h"
#include "control/screens_hits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000
#define PAGE 100    // looked at in a turn
#define NOTICES 16  // written in a turn
#define PASS_MOST 5 // seconds from one pass over all to the next
#define REASON "kept back by the mail gateway until it has been checked again"

// A pass over the records in one state, some in each turn.
struct pass {
	char after[SPOOL_ID_TEXT_BYTES];
	int64_t next_s;
};

struct notify_kept {
	struct control *control;
	struct pass held;
	struct pass quarantined;
	GHashTable *done;    // names of held mail whose senders are told, or will not be
	GHashTable *senders; // when each was told last
	int said;            // errno of what was reported as a fault last
};

static const char *text_of(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text != NULL ? text : "";
}

static int64_t now_of(void)
{
	return control_steady_ns() / NS_PER_S;
}

// ---- passes -------------------------------------------------------------------------------------

// The next records for which the filter holds; NULL: not now. Takes filter.
static json_t *next_page(const struct notify_kept *kept, const struct pass *pass, json_t *filter)
{
	json_t *list = NULL;

	if (pass->next_s <= now_of()) {
		if (pass->after[0] != '\0')
			(void)json_object_set_new(filter, "after", json_string(pass->after));
		(void)json_object_set_new(filter, "limit", json_integer(PAGE));
		list = store_list(kept->control->store, filter);
	}
	json_decref(filter);
	return list;
}

// The next page begins behind this record. The last one may have gone meanwhile: then the pass begins anew.
static void go_on(const struct notify_kept *kept, struct pass *pass, const json_t *list, size_t n)
{
	const json_t *records = json_object_get(list, "records");
	bool is_over =
		n == json_array_size(records) && !json_is_true(json_object_get(list, "more"));

	if (is_over) {
		pass->after[0] = '\0';
		pass->next_s =
			now_of() + MIN(kept->control->options.notify.interval_seconds, PASS_MOST);
	} else if (n > 0) {
		(void)snprintf(pass->after, sizeof(pass->after), "%s",
			text_of(json_array_get(records, n - 1), "id"));
	}
}

// ---- senders of held mail -----------------------------------------------------------------------

// Whether the sender is told of this recipient, by policy and by what was asked for.
static bool is_told(const struct notify_kept *kept, const json_t *envelope, const char *params)
{
	bool is_inside = strcmp(text_of(envelope, "direction"), "outbound") == 0;

	switch ((enum notify_held)kept->control->options.notify.held) {
	case NOTIFY_HELD_ASKED:
		return dsn_is_asked(DSN_DELAYED, params);
	case NOTIFY_HELD_INSIDE:
		return is_inside || dsn_is_asked(DSN_DELAYED, params);
	case NOTIFY_HELD_ALL:
		break;
	}
	return true;
}

static void tell_sender(struct notify_kept *kept, struct spool_id id, const json_t *envelope)
{
	const json_t *list = json_object_get(envelope, "rcpt_to");
	struct deliver_recipient *recipients =
		g_new0(struct deliver_recipient, json_array_size(list) + 1);
	struct notify_outcome outcome = {
		.id = id, .envelope = envelope, .server = "", .recipients = recipients};
	json_t *entry;
	size_t i;

	json_array_foreach(list, i, entry)
	{
		struct deliver_recipient *recipient = &recipients[outcome.recipients_count];

		if (!is_told(kept, envelope, text_of(entry, "params")))
			continue;
		recipient->address = text_of(entry, "address");
		recipient->params = text_of(entry, "params");
		(void)snprintf(recipient->reply, sizeof(recipient->reply), "%s", REASON);
		outcome.recipients_count++;
	}
	if (notify_plan(kept->control->notify, NOTIFY_DELAY, &outcome) == 0) {
		notify_settle(kept->control->notify, NOTIFY_DELAY, &outcome, true);
		(void)g_hash_table_replace(kept->senders, g_strdup(text_of(envelope, "mail_from")),
			GSIZE_TO_POINTER((gsize)now_of()));
	}
	g_free(recipients);
}

// Who has just been told of another mail is told of this one later.
static bool must_wait(const struct notify_kept *kept, const char *sender)
{
	gpointer told = NULL;

	return g_hash_table_lookup_extended(kept->senders, sender, NULL, &told) &&
	       now_of() - (int64_t)GPOINTER_TO_SIZE(told) <
		       kept->control->options.notify.interval_seconds;
}

// Returns whether it took work.
static bool look_at_held(struct notify_kept *kept, const json_t *record)
{
	const struct control *control = kept->control;
	const char *name = text_of(record, "id");
	struct spool_id id;
	json_t *mail;

	if (g_hash_table_contains(kept->done, name) || spool_id_parse(name, &id) != 0)
		return false;
	// On its way out already: of that it is told otherwise. May hold an alert: that is not mail.
	if ((control->release != NULL && release_has(control->release, id)) ||
		store_is_unread_alert(control->store, id))
		return false;
	if (must_wait(kept, text_of(record, "mail_from")))
		return false;
	(void)g_hash_table_add(kept->done, g_strdup(name));
	if (text_of(record, "mail_from")[0] == '\0')
		return false;
	mail = store_show(control->store, id);
	if (mail != NULL)
		tell_sender(kept, id, json_object_get(mail, "envelope"));
	json_decref(mail);
	return true;
}

static gboolean is_gone(gpointer name, gpointer value, gpointer ctx)
{
	const struct notify_kept *kept = ctx;
	struct spool_id id;

	(void)value;
	return spool_id_parse(name, &id) != 0 || !store_has(kept->control->store, id);
}

static gboolean is_old(gpointer sender, gpointer told, gpointer ctx)
{
	const struct notify_kept *kept = ctx;

	(void)told;
	return !must_wait(kept, sender);
}

static void look_for_held(struct notify_kept *kept)
{
	const struct control_options *options = &kept->control->options;
	json_t *list = next_page(kept, &kept->held,
		json_pack("{s:s, s:I}", "state", spool_state_name(SPOOL_HELD), "until",
			(json_int_t)(control_due_s() - options->notify.held_seconds)));
	const json_t *records = json_object_get(list, "records");
	size_t notices = 0;
	size_t n = 0;

	if (list == NULL)
		return;
	while (n < json_array_size(records) && notices < NOTICES)
		notices += look_at_held(kept, json_array_get(records, n++));
	go_on(kept, &kept->held, list, n);
	json_decref(list);
	if (kept->held.after[0] != '\0')
		return;
	(void)g_hash_table_foreach_remove(kept->done, is_gone, kept);
	(void)g_hash_table_foreach_remove(kept->senders, is_old, kept);
}

// ---- recipients of quarantined mail -------------------------------------------------------------

static void say(struct notify_kept *kept, const char *name, int err)
{
	char reason[128];

	if (err != 0 && err != kept->said)
		control_events_write(kept->control->events, "fault",
			json_pack("{s:s, s:s, s:s}", "what",
				"who is told of a quarantined mail cannot be noted", "id", name,
				"why", strerror_r(-err, reason, sizeof(reason))));
	kept->said = err;
}

// What has a history was put there by this process or one before it, which has told of it, or was told of.
static bool look_at_quarantined(struct notify_kept *kept, const json_t *record)
{
	struct control *control = kept->control;
	const char *why =
		json_string_value(json_array_get(json_object_get(record, "signatures"), 0));
	struct spool_id id;
	json_t *mail;
	char *screened;
	int err;

	if (spool_id_parse(text_of(record, "id"), &id) != 0 || store_is_changed(control->store, id))
		return false;
	mail = store_show(control->store, id);
	screened = screens_hits_text_of_mail(mail);
	why = screened != NULL ? screened : why;
	err = notify_quarantined(
		control->notify, id, why != NULL ? why : text_of(record, "reason"));
	g_free(screened);
	json_decref(mail);
	if (err == 0)
		err = store_change(control->store, id, SPOOL_QUARANTINED, "cordon-control",
			"its recipients are told");
	// It is looked at again in the next pass, and what is in the journal already is not told twice.
	say(kept, text_of(record, "id"), err);
	return true;
}

static void look_for_quarantined(struct notify_kept *kept)
{
	const struct control_options *options = &kept->control->options;
	// What is older was told, or nobody was to be told when it came.
	json_t *list = next_page(kept, &kept->quarantined,
		json_pack("{s:s, s:I, s:I}", "state", spool_state_name(SPOOL_QUARANTINED), "since",
			(json_int_t)(control_due_s() - options->release.lifetime_seconds),
			"seen_until", (json_int_t)(now_of() - options->spool.settle_seconds)));
	const json_t *records = json_object_get(list, "records");
	size_t notices = 0;
	size_t n = 0;

	if (list == NULL)
		return;
	while (n < json_array_size(records) && notices < PAGE)
		notices += look_at_quarantined(kept, json_array_get(records, n++));
	go_on(kept, &kept->quarantined, list, n);
	json_decref(list);
}

// ---- its life -----------------------------------------------------------------------------------

void notify_kept_turn(struct notify_kept *kept, bool may_mail)
{
	const struct control_options *options = &kept->control->options;

	if (kept->control->store == NULL || !store_can_change(kept->control->store))
		return;
	if (may_mail && options->notify.held_seconds != 0)
		look_for_held(kept);
	if (options->notify.recipients)
		look_for_quarantined(kept);
}

int notify_kept_new(struct control *control, struct notify_kept **out)
{
	struct notify_kept *kept = calloc(1, sizeof(*kept));

	if (kept == NULL)
		return -ENOMEM;
	kept->control = control;
	kept->done = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	kept->senders = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	*out = kept;
	return 0;
}

void notify_kept_free(struct notify_kept *kept)
{
	if (kept == NULL)
		return;
	g_hash_table_destroy(kept->done);
	g_hash_table_destroy(kept->senders);
	free(kept);
}
