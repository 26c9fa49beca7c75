// SPDX-License-Identifier: BSD-3-Clause
#include "control/alert_mail.h"

#include "control/alert_part.h"
#include "control/control.h"
#include "control/envelope.h"
#include "control/maildir.h"
#include "dataplane/dataplane.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORDS 64 // looked at in one turn
#define PAUSE_S 60 // after a Maildir that could not be worked with
#define NS_PER_S 1000000000

// A mail that ends here, unless it turns out that no trusted key has signed what is in it.
struct ours {
	uint64_t token;
	unsigned int awaited; // answers
	unsigned int alerts;  // that are signed, as far as is known
};

struct alert_mail {
	struct control *control;
	GHashTable *taken; // texts of ids: struct ours, until they are deleted
	json_t *receipts;  // of the mail that is being taken
	const char *peer;
	uint64_t token;         // of it, or of the last
	unsigned int awaited;   // answers to what is in it
	unsigned int strangers; // in it
	bool is_asked;          // by somebody who waits for the receipts
	int64_t pause_s;        // until when the Maildir is let alone
	uint64_t received;      // envelopes
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

// Of a mail that was taken before.
static void note_answer(struct alert_mail *mail, uint64_t token, bool is_stranger)
{
	GHashTableIter at;
	gpointer value;

	g_hash_table_iter_init(&at, mail->taken);
	while (g_hash_table_iter_next(&at, NULL, &value)) {
		struct ours *ours = value;

		if (ours->token != token)
			continue;
		ours->awaited--;
		ours->alerts -= is_stranger;
		if (ours->alerts == 0) {
			mail->passed++;
			g_hash_table_iter_remove(&at);
		}
		return;
	}
}

static void answer(void *ctx, uint64_t token, const struct alerts_answer *said)
{
	struct alert_mail *mail = ctx;
	bool is_stranger = said->receipt == NULL && !said->is_busy;
	bool is_now = mail->receipts != NULL && mail->token == token;

	if (is_now) {
		mail->awaited--;
		mail->strangers += is_stranger;
	} else {
		note_answer(mail, token, is_stranger);
	}
	if (said->receipt == NULL)
		return;
	mail->answered++;
	if (is_now)
		(void)json_array_append_new(mail->receipts, json_string(said->receipt));
	if (!is_now || !mail->is_asked)
		mail_receipt(mail, said->receipt);
}

static void take_part(void *ctx, const void *envelope, size_t bytes)
{
	struct alert_mail *mail = ctx;
	const struct alerts_source source = {.channel = "mail",
		.peer = mail->peer,
		.answer = answer,
		.ctx = mail,
		.token = mail->token};

	mail->received++;
	mail->awaited++;
	alerts_take(mail->control->alerts, &source, envelope, bytes, control_now_ns() / NS_PER_S);
}

// Returns how many signed alerts were in it. *receipts, unless NULL: those that are there by now.
static unsigned int take(struct alert_mail *mail, const char *peer, const void *data, size_t bytes,
	json_t **receipts)
{
	unsigned int count;

	mail->peer = peer;
	mail->token++;
	mail->awaited = 0;
	mail->strangers = 0;
	mail->receipts = json_array();
	mail->is_asked = receipts != NULL;
	count = alert_part_each(data, bytes, take_part, mail) - mail->strangers;
	if (receipts != NULL)
		*receipts = json_incref(mail->receipts);
	json_decref(mail->receipts);
	mail->receipts = NULL;
	mail->is_asked = false;
	return count;
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
	unsigned int count;

	if (store_read(control->store, id, ALERT_PART_MAIL_BYTES, &message) != 0) {
		mail->passed++;
		return;
	}
	count = take(mail, api_text(message.envelope, "client"), message.data, message.bytes, NULL);
	if (count == 0) {
		mail->passed++;
	} else if (is_ours_alone(mail, message.envelope)) {
		struct ours *ours = g_new(struct ours, 1);

		*ours = (struct ours){mail->token, mail->awaited, count};
		(void)g_hash_table_insert(mail->taken, g_strdup(spool_id_text(id, name)), ours);
	}
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

static bool take_mail(void *ctx, const void *data, size_t bytes)
{
	struct alert_mail *mail = ctx;
	unsigned int count = data != NULL ? take(mail, "maildir", data, bytes, NULL) : 0;

	mail->passed += count == 0;
	return count > 0;
}

static void look_at_maildir(struct alert_mail *mail, const char *folder)
{
	int err = maildir_take(folder, ALERT_PART_MAIL_BYTES, take_mail, mail);

	if (err == 0)
		return;
	mail->pause_s = control_now_ns() / NS_PER_S + PAUSE_S;
	control_events_write(mail->control->events, "fault",
		json_pack(
			"{s:s, s:s}", "what", "alerts.mail.maildir", "why", strerrordesc_np(-err)));
}

// ---- a pipe -------------------------------------------------------------------------------------

json_t *alert_mail_take_file(struct alert_mail *mail, const char *who, int fd)
{
	struct stat info;
	json_t *receipts = NULL;
	unsigned int count = 0;
	char *data = NULL;
	ssize_t n = -1;

	if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0 &&
		info.st_size <= ALERT_PART_MAIL_BYTES)
		data = malloc((size_t)info.st_size);
	if (data != NULL)
		n = pread(fd, data, (size_t)info.st_size, 0);
	if (n > 0)
		count = take(mail, who, data, (size_t)n, &receipts);
	free(data);
	if (count > 0)
		return json_pack(
			"{s:b, s:i, s:o}", "ok", 1, "alerts", (int)count, "receipts", receipts);
	json_decref(receipts);
	mail->passed++;
	return NULL;
}

// ---- the rest -----------------------------------------------------------------------------------

void alert_mail_turn(struct alert_mail *mail)
{
	const struct control *control = mail->control;
	const char *folder = control->options.alerts.mail.maildir;
	struct spool_id id;

	for (int i = 0; i < RECORDS && control->store != NULL; i++) {
		// What finds no room would be lost: nobody sends a mail again.
		if (alerts_is_busy(control->alerts) || !store_next_alert(control->store, &id))
			break;
		look_at_record(mail, id);
	}
	if (mail->pause_s > 0 && control_now_ns() / NS_PER_S >= mail->pause_s)
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
	*out = mail;
	return 0;
}

void alert_mail_free(struct alert_mail *mail)
{
	if (mail == NULL)
		return;
	g_hash_table_unref(mail->taken);
	free(mail);
}
