// SPDX-License-Identifier: BSD-3-Clause
#include "control/release_end.h"

#include "control/clock.h"

#include <errno.h>

#define NS_PER_S 1000000000

// Of what a server does not want an operator sees the rest: it is not thrown away. When only a copy was not
// wanted, the full one is still to come.
static enum spool_state state_after(const struct release_mail *mail)
{
	if (mail->after == SPOOL_HELD || release_mail_count(mail, DELIVER_NEVER) == 0)
		return mail->after;
	return SPOOL_QUARANTINED;
}

static const char *action_of(const struct release_mail *mail)
{
	if (release_mail_count(mail, DELIVER_NEVER) > 0)
		return "failed";
	if (mail->plan == NULL)
		return "deliver";
	return mail->plan->repairs_count > 0 ? "deliver-disinfected" : "deliver-stripped";
}

static struct notify_outcome outcome_of(const struct release_mail *mail)
{
	const struct control_options *options = &mail->control->options;
	const char *host = json_string_value(json_object_get(mail->envelope, "server"));

	return (struct notify_outcome){
		.id = mail->place.id,
		.envelope = mail->envelope,
		.server = options->release.host[0] != '\0' ? options->release.host
			  : host != NULL                   ? host
							   : "",
		.until_s = mail->begun_s + options->release.lifetime_seconds,
		.recipients = mail->place.recipients,
		.recipients_count = mail->place.recipients_count,
	};
}

static const char *reply_of(const struct release_mail *mail, enum spool_state state)
{
	size_t failed = release_mail_count(mail, DELIVER_NEVER);
	const char *reply = "";

	for (size_t i = 0; i < mail->place.recipients_count; i++) {
		if (failed == 0 || mail->place.recipients[i].outcome == DELIVER_NEVER)
			reply = mail->place.recipients[i].reply;
	}
	if (state == SPOOL_HELD)
		return RELEASE_COPY_SENT;
	if (failed > 0 || mail->plan == NULL)
		return reply;
	return mail->plan->repairs_count > 0 ? "delivered disinfected"
					     : "delivered without what was infected";
}

int release_end_conclude(struct release_mail *mail)
{
	static const enum notify_kind kinds[] = {NOTIFY_FAILURE, NOTIFY_SUCCESS};
	struct control *control = mail->control;
	const struct notify_outcome outcome = outcome_of(mail);
	enum spool_state state = state_after(mail);
	enum spool_state now = mail->from;
	bool is_told[] = {false, false};
	int err = 0;

	// Somebody has deleted it, or wants all to go where this was a part: that counts.
	if (!store_get_state(control->store, mail->place.id, &now) ||
		(now != mail->from && (mail->plan != NULL || mail->after != SPOOL_DELIVERED))) {
		release_mail_report(mail, action_of(mail));
		mail->is_stale = true;
		return 0;
	}

	// Of a copy without attachments nobody is told: the full one is still to come.
	for (size_t i = 0; i < 2 && state != SPOOL_HELD && err == 0; i++) {
		err = notify_plan(control->notify, kinds[i], &outcome);
		is_told[i] = err == 0;
		err = err == -ENOENT ? 0 : err;
	}
	if (err == 0)
		err = store_change(control->store, mail->place.id, state, "cordon-control",
			reply_of(mail, state));
	release_mail_report(mail, action_of(mail));
	for (size_t i = 0; i < 2; i++) {
		if (is_told[i])
			notify_settle(control->notify, kinds[i], &outcome, err == 0);
	}
	return err;
}

// ---- meanwhile ----------------------------------------------------------------------------------

void release_end_begin(struct release_mail *mail)
{
	const struct release_notes notes = release_mail_notes(mail);
	enum spool_state state;

	if (mail->begun_s != 0)
		return;
	mail->begun_s = control_now_ns() / NS_PER_S;
	// What cannot be written down begins anew with the next process.
	if (store_get_state(notes.store, mail->place.id, &state) &&
		release_notes_begin(&notes, state) != 0)
		release_mail_report(mail, "not noted");
}

bool release_end_is_expired(struct release_mail *mail)
{
	const int64_t now_s = control_now_ns() / NS_PER_S;

	if (mail->begun_s != 0)
		mail->begun_s = clock_begun_s(mail->begun_s, now_s);
	return mail->begun_s != 0 &&
	       control_due_s() - mail->begun_s > mail->control->options.release.lifetime_seconds;
}

void release_end_note_done(struct release_mail *mail)
{
	const struct release_notes notes = release_mail_notes(mail);
	enum spool_state state;

	for (size_t i = 0; i < mail->place.recipients_count; i++) {
		const struct deliver_recipient *recipient = &mail->place.recipients[i];

		if (recipient->outcome != DELIVER_DONE || mail->noted[i] ||
			!store_get_state(notes.store, mail->place.id, &state))
			continue;
		mail->noted[i] = release_notes_add(&notes, state, recipient) == 0;
	}
}

bool release_end_is_late(const struct release_mail *mail)
{
	uint32_t seconds = mail->control->options.notify.delay_seconds;

	return seconds != 0 && !mail->is_delay_told && mail->after != SPOOL_HELD &&
	       control_due_s() - mail->arrival_s >= seconds;
}

void release_end_tell_delay(struct release_mail *mail)
{
	const struct control *control = mail->control;
	const struct notify_outcome outcome = outcome_of(mail);

	mail->is_delay_told = true;
	if (notify_plan(control->notify, NOTIFY_DELAY, &outcome) == 0)
		notify_settle(control->notify, NOTIFY_DELAY, &outcome, true);
}
