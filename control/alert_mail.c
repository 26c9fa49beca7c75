// SPDX-License-Identifier: BSD-3-Clause
#include "control/alert_mail.h"

#include "control/alert_part.h"
#include "control/control.h"
#include "control/envelope.h"
#include "control/maildir.h"
#include "dataplane/dataplane.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORDS 64 // looked at in one turn
#define PAUSE_S 60 // after a Maildir that could not be worked with
#define ASKED_S 8  // that somebody who has asked waits for: cordonctl gives up after ten
#define NS_PER_S 1000000000

// A mail that ends here, unless it turns out that no trusted key has signed what is in it.
struct ours {
	uint64_t token;
	unsigned int awaited; // answers
	unsigned int alerts;  // that are signed, as far as is known
};

// A mail that is being taken, or one of which it is not known yet who has signed what is in it.
struct hand {
	uint64_t token;
	const char *peer;
	unsigned int parts;     // that may be alerts
	unsigned int awaited;   // answers to them
	unsigned int strangers; // among them, whom no trusted key has signed
	unsigned int busy;      // and those that could not be taken now: they are to come again
	char why[ALERT_WHY_BYTES];
	json_t *receipts;
	bool is_asked;   // somebody waits for the receipts:
	uint64_t client; // this one,
	int64_t since_s; // since then
	char *path;      // in a Maildir, where it is not marked as seen yet; NULL: it is in none
};

struct alert_mail {
	struct control *control;
	GHashTable *taken; // texts of ids: struct ours, until they are deleted
	GHashTable *later; // struct hand by its token
	struct hand *hand; // what is being taken
	uint64_t tokens;   // that there were
	int64_t pause_s;   // until when the Maildir is let alone
	uint64_t received; // envelopes
	uint64_t answered;
	uint64_t passed; // mails without a signed alert
};

// ---- taking -------------------------------------------------------------------------------------

static void mail_receipt(struct alert_mail *mail, const char *receipt)
{
	const char *to = mail->control->options.alerts.mail.receipts;
	struct envelope *envelope = NULL;
	const char *why = "";
	const char *payload;
	size_t bytes = 0;
	json_t *root;

	if (to[0] == '\0' || envelope_parse(receipt, strlen(receipt), &envelope, &why) != 0)
		return;
	payload = envelope_payload(envelope, &bytes);
	root = json_loadb(payload, bytes, 0, NULL);
	notify_receipt(mail->control->notify, to, api_text(root, "alert"), receipt);
	json_decref(root);
	envelope_free(envelope);
}

// Of a mail that was taken before. What was not taken has no receipt: the mail goes on without it.
static void note_answer(struct alert_mail *mail, uint64_t token, bool is_taken)
{
	GHashTableIter at;
	gpointer value;

	g_hash_table_iter_init(&at, mail->taken);
	while (g_hash_table_iter_next(&at, NULL, &value)) {
		struct ours *ours = value;

		if (ours->token != token)
			continue;
		ours->awaited--;
		ours->alerts -= !is_taken;
		if (ours->alerts == 0) {
			mail->passed++;
			g_hash_table_iter_remove(&at);
		}
		return;
	}
}

static void end_hand(struct alert_mail *mail, struct hand *hand);

// Of all that has no answer yet it is known that a trusted key has signed it.
static bool is_settled(const struct alert_mail *mail, const struct hand *hand)
{
	return hand->awaited == 0 || !alerts_is_reading(mail->control->alerts);
}

// Who has asked waits for the receipts, too, if he has to wait.
static bool is_over(const struct alert_mail *mail, const struct hand *hand)
{
	return hand->awaited == 0 || (!hand->is_asked && is_settled(mail, hand));
}

static void note_said(struct hand *hand, const struct alerts_answer *said)
{
	hand->awaited--;
	if (said->receipt != NULL) {
		(void)json_array_append_new(hand->receipts, json_string(said->receipt));
	} else if (said->is_busy) {
		hand->busy++;
	} else {
		hand->strangers++;
		(void)snprintf(hand->why, sizeof(hand->why), "%s", said->why);
	}
}

static void answer(void *ctx, uint64_t token, const struct alerts_answer *said)
{
	struct alert_mail *mail = ctx;
	bool is_now = mail->hand != NULL && mail->hand->token == token;
	struct hand *hand = is_now ? mail->hand : g_hash_table_lookup(mail->later, &token);

	if (hand != NULL)
		note_said(hand, said);
	else
		note_answer(mail, token, said->receipt != NULL);
	if (said->receipt != NULL) {
		mail->answered++;
		if (hand == NULL || !hand->is_asked)
			mail_receipt(mail, said->receipt);
	}
	if (hand != NULL && !is_now && is_over(mail, hand)) {
		(void)g_hash_table_steal(mail->later, &token);
		end_hand(mail, hand);
	}
}

static void take_part(void *ctx, const void *envelope, size_t bytes)
{
	struct alert_mail *mail = ctx;
	const struct alerts_source source = {.channel = "mail",
		.peer = mail->hand->peer,
		.answer = answer,
		.ctx = mail,
		.token = mail->hand->token};

	mail->received++;
	mail->hand->awaited++;
	alerts_take(mail->control->alerts, &source, envelope, bytes, control_now_ns() / NS_PER_S);
}

// As far as is known, and taken.
static unsigned int signed_in(const struct hand *hand)
{
	return hand->parts - hand->strangers - hand->busy;
}

// Takes what is in it.
static void take(struct alert_mail *mail, struct hand *hand, const void *data, size_t bytes)
{
	hand->token = ++mail->tokens;
	hand->receipts = json_array();
	hand->since_s = control_steady_ns() / NS_PER_S;
	mail->hand = hand;
	hand->parts = alert_part_each(data, bytes, take_part, mail);
	mail->hand = NULL;
	hand->peer = "";
}

static void hand_fini(struct hand *hand)
{
	json_decref(hand->receipts);
	free(hand->path);
}

// One that is settled ends at once.
static void keep(struct alert_mail *mail, const struct hand *hand)
{
	struct hand *kept = g_new(struct hand, 1);

	*kept = *hand;
	(void)g_hash_table_insert(mail->later, &kept->token, kept);
}

// What is said to who has asked.
static json_t *tell(const struct hand *hand)
{
	// Those that were taken get the same receipts then.
	if (hand->busy > 0)
		return api_refusal("not all of it could be taken now: ask again");
	if (signed_in(hand) > 0)
		return json_pack("{s:b, s:i, s:i, s:O}", "ok", 1, "alerts", (int)signed_in(hand),
			"refused", (int)hand->strangers, "receipts", hand->receipts);
	return hand->why[0] != '\0' ? api_refusal("no signed alert is in it: %s", hand->why)
				    : api_refusal("no signed alert is in it");
}

// It is known what is in it.
static void end_hand(struct alert_mail *mail, struct hand *hand)
{
	const struct control *control = mail->control;
	bool is_signed = signed_in(hand) > 0;
	char seen[PATH_MAX];

	mail->passed += !is_signed && is_settled(mail, hand);
	if (hand->is_asked && is_settled(mail, hand))
		api_answer(control->api, hand->client, tell(hand));
	else if (hand->is_asked)
		api_answer(control->api, hand->client,
			api_refusal("it waits to be read still: ask again"));
	if (hand->path != NULL && is_signed &&
		snprintf(seen, sizeof(seen), "%sS", hand->path) < (int)sizeof(seen))
		(void)rename(hand->path, seen); // or it is read again by people
	hand_fini(hand);
	g_free(hand);
}

// Those that are over, and those that somebody has waited for too long.
static void end_hands(struct alert_mail *mail)
{
	const int64_t since_s = control_steady_ns() / NS_PER_S - ASKED_S;
	GHashTableIter at;
	gpointer value;

	g_hash_table_iter_init(&at, mail->later);
	while (g_hash_table_iter_next(&at, NULL, &value)) {
		struct hand *hand = value;

		if (!is_over(mail, hand) && (!hand->is_asked || hand->since_s > since_s))
			continue;
		g_hash_table_iter_steal(&at);
		end_hand(mail, hand);
	}
}

// ---- what the dataplane has kept ----------------------------------------------------------------

// Nobody else waits for it.
static bool is_ours_alone(const struct alert_mail *mail, const json_t *envelope)
{
	const char *ours = mail->control->options.alerts.mail.recipient;
	const json_t *list = json_object_get(envelope, "rcpt_to");
	bool all = ours[0] != '\0' && json_array_size(list) > 0;
	json_t *recipient;
	size_t i;

	json_array_foreach(list, i, recipient)
	{
		all = all && seal_pattern_matches(ours, api_text(recipient, "address"));
	}
	return all;
}

static void look_at_record(struct alert_mail *mail, struct spool_id id)
{
	const struct control *control = mail->control;
	struct store_message message;
	char name[SPOOL_ID_TEXT_BYTES];
	struct hand hand = {0};
	unsigned int count;

	if (store_read(control->store, id, ALERT_PART_MAIL_BYTES, &message) != 0) {
		mail->passed++;
		return;
	}
	hand.peer = api_text(message.envelope, "client");
	take(mail, &hand, message.data, message.bytes);
	count = signed_in(&hand);
	if (count == 0) {
		mail->passed++;
	} else if (is_ours_alone(mail, message.envelope)) {
		struct ours *ours = g_new(struct ours, 1);

		*ours = (struct ours){hand.token, hand.awaited, count};
		(void)g_hash_table_insert(mail->taken, g_strdup(spool_id_text(id, name)), ours);
	}
	hand_fini(&hand);
	store_message_fini(&message);
}

bool alert_mail_has(struct alert_mail *mail, struct spool_id id)
{
	const struct control *control = mail->control;
	const struct ours *ours;
	char name[SPOOL_ID_TEXT_BYTES];
	int err;

	if (store_is_unread_alert(control->store, id))
		return true;
	ours = g_hash_table_lookup(mail->taken, spool_id_text(id, name));
	if (ours == NULL)
		return false;
	// What is long is read by a thread: whether it is signed is not known before.
	if (ours->awaited > 0)
		return true;
	err = store_change(control->store, id, SPOOL_DELETED, "cordon-control", "alert");
	// What cannot be written down is tried again in the next turn.
	if (err == 0)
		(void)g_hash_table_remove(mail->taken, name);
	return true;
}

// ---- a Maildir ----------------------------------------------------------------------------------

// What is not settled is not marked as seen before it is.
static bool take_mail(void *ctx, const struct maildir_mail *found)
{
	struct alert_mail *mail = ctx;
	struct hand hand = {.peer = "maildir"};
	bool is_signed;

	if (found->data == NULL) {
		mail->passed++;
		return false;
	}
	take(mail, &hand, found->data, found->bytes);
	is_signed = signed_in(&hand) > 0;
	if (!is_settled(mail, &hand)) {
		hand.path = strdup(found->path);
		keep(mail, &hand);
		return false;
	}
	mail->passed += !is_signed;
	hand_fini(&hand);
	return is_signed;
}

static void look_at_maildir(struct alert_mail *mail, const char *folder)
{
	int err = maildir_take(folder, ALERT_PART_MAIL_BYTES, take_mail, mail);

	if (err == 0)
		return;
	mail->pause_s = control_steady_ns() / NS_PER_S + PAUSE_S;
	control_events_write(mail->control->events, "fault",
		json_pack(
			"{s:s, s:s}", "what", "alerts.mail.maildir", "why", strerrordesc_np(-err)));
}

// ---- a pipe -------------------------------------------------------------------------------------

json_t *alert_mail_take_file(struct alert_mail *mail, const char *who, uint64_t client, int fd)
{
	struct hand hand = {.peer = who, .is_asked = true, .client = client};
	struct stat info;
	json_t *answer = NULL;
	char *data = NULL;
	ssize_t n = -1;

	if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0 &&
		info.st_size <= ALERT_PART_MAIL_BYTES)
		data = malloc((size_t)info.st_size);
	if (data != NULL)
		n = pread(fd, data, (size_t)info.st_size, 0);
	if (n > 0)
		take(mail, &hand, data, (size_t)n);
	free(data);
	if (!is_settled(mail, &hand)) {
		keep(mail, &hand);
		return NULL;
	}
	mail->passed += signed_in(&hand) == 0;
	answer = tell(&hand);
	hand_fini(&hand);
	return answer;
}

// ---- the rest -----------------------------------------------------------------------------------

void alert_mail_turn(struct alert_mail *mail)
{
	const struct control *control = mail->control;
	const char *folder = control->options.alerts.mail.maildir;
	struct spool_id id;

	end_hands(mail);
	for (int i = 0; i < RECORDS && control->store != NULL; i++) {
		// What finds no room would be lost: nobody sends a mail again.
		if (alerts_is_busy(control->alerts) || !store_next_alert(control->store, &id))
			break;
		look_at_record(mail, id);
	}
	if (mail->pause_s > 0 && control_steady_ns() / NS_PER_S >= mail->pause_s)
		mail->pause_s = 0;
	if (folder[0] != '\0' && mail->pause_s == 0 && !alerts_is_busy(control->alerts))
		look_at_maildir(mail, folder);
}

json_t *alert_mail_status(const struct alert_mail *mail)
{
	return json_pack("{s:I, s:I, s:I, s:i}", "received", (json_int_t)mail->received, "answered",
		(json_int_t)mail->answered, "passed", (json_int_t)mail->passed, "taken",
		(int)g_hash_table_size(mail->taken));
}

int alert_mail_new(struct control *control, struct alert_mail **out)
{
	struct alert_mail *mail = calloc(1, sizeof(*mail));

	if (mail == NULL)
		return -ENOMEM;
	mail->control = control;
	mail->taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	mail->later = g_hash_table_new(g_int64_hash, g_int64_equal);
	*out = mail;
	return 0;
}

void alert_mail_free(struct alert_mail *mail)
{
	GHashTableIter at;
	gpointer value;

	if (mail == NULL)
		return;
	g_hash_table_iter_init(&at, mail->later);
	while (g_hash_table_iter_next(&at, NULL, &value)) {
		hand_fini(value);
		g_free(value);
	}
	g_hash_table_unref(mail->later);
	g_hash_table_unref(mail->taken);
	free(mail);
}
