// SPDX-License-Identifier: BSD-3-Clause
// Alerts by mail, through a next hop that keeps them until the gateway's side takes them: an attachment of the
// type application/vnd.cordon.alert+json. What is for many gateways at the moment is one mail to many recipients.
// Receipts come back as mail to an address of ours, and are read from its Maildir.
#include "control/alert_part.h"
#include "control/control_events.h"
#include "control/deliver.h"
#include "control/envelope.h"
#include "control/letter.h"
#include "control/maildir.h"
#include "control/vendor_repeat.h"
#include "control/vendor_send.h"

#include <glib.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIND "mail"
#define THREADS 4
#define GATHER_MS 20
#define RECIPIENTS_MOST 100 // RFC 5321 section 4.5.3.1.8
#define BATCHES_MOST 1000
#define REPLY_SECONDS 60
#define PAUSE_US INT64_C(60000000) // after a Maildir that could not be worked with

static const char text[] =
	"This mail is for a mail gateway: an alert of its vendor is attached, signed.\n"
	"Whoever else reads it has nothing to do.\n";

struct way {
	const struct vendor_options *options;
	struct vendor_sink sink;
	struct vendor_repeat *repeat;
	GHashTable *gathered; // digest of an alert: struct batch
	GThreadPool *pool;
	guint timer;
	guint busy;      // batches that threads have, or wait for one
	gint is_closing; // atomic: the threads see it
	gint64 pause_us;
	char fault[CONTROL_TEXT_BYTES + 64]; // of the Maildir; ""
};

// One mail.
struct batch {
	struct way *way;
	char *digest;
	char *envelope;
	GPtrArray *gateways;  // ids
	GPtrArray *addresses; // theirs
	struct deliver_recipient *recipients;
	uint8_t *data;
	size_t bytes;
};

static void free_batch(gpointer data)
{
	struct batch *batch = data;

	g_free(batch->digest);
	g_free(batch->envelope);
	g_ptr_array_unref(batch->gateways);
	g_ptr_array_unref(batch->addresses);
	g_free(batch->recipients);
	free(batch->data);
	g_free(batch);
}

// ---- sending ------------------------------------------------------------------------------------

static gboolean was_tried(gpointer ctx)
{
	struct batch *batch = ctx;
	struct way *way = batch->way;

	way->busy--;
	for (guint i = 0; i < batch->gateways->len; i++) {
		const struct deliver_recipient *recipient = &batch->recipients[i];
		const char *gateway = batch->gateways->pdata[i];

		if (recipient->outcome == DELIVER_DONE)
			continue;
		vendor_repeat_forget(way->repeat, gateway, batch->digest);
		way->sink.failed(way->sink.ctx, gateway, KIND, recipient->reply);
	}
	free_batch(batch);
	return G_SOURCE_REMOVE;
}

static void deliver_batch(gpointer data, gpointer ctx)
{
	struct batch *batch = data;
	struct way *way = ctx;
	struct deliver deliver = {.host = way->options->mail.host,
		.port = (uint16_t)way->options->mail.port,
		.seconds = REPLY_SECONDS,
		.mail_from = way->options->mail.from,
		.mail_params = "",
		.recipients = batch->recipients,
		.recipients_count = batch->gateways->len,
		.trace = "",
		.data = batch->data,
		.bytes = batch->bytes};

	if (!g_atomic_int_get(&way->is_closing))
		deliver_run(&deliver, NULL);
	(void)g_idle_add(was_tried, batch);
}

static void write_batch(struct batch *batch)
{
	struct way *way = batch->way;
	const char *host = strrchr(way->options->mail.from, '@');
	const struct letter letter = {.gateway = host != NULL ? host + 1 : "localhost",
		.from = way->options->mail.from,
		.to = batch->addresses->len == 1 ? batch->addresses->pdata[0]
						 : way->options->mail.from,
		.subject = "An alert for mail gateways",
		.text = text,
		.name = way->sink.vendor,
		.attached = batch->envelope,
		.attached_bytes = strlen(batch->envelope),
		.attached_type = strchr(ENVELOPE_ALERT, '/') + 1,
		.attached_name = "alert.json"};

	batch->recipients = g_new0(struct deliver_recipient, batch->gateways->len);
	for (guint i = 0; i < batch->gateways->len; i++) {
		batch->recipients[i].address = batch->addresses->pdata[i];
		batch->recipients[i].params = "";
	}
	batch->data = letter_write(&letter, &batch->bytes);
}

static void push(struct way *way, struct batch *batch)
{
	write_batch(batch);
	way->busy++;
	if (batch->data != NULL) {
		(void)g_thread_pool_push(way->pool, batch, NULL);
		return;
	}
	for (guint i = 0; i < batch->gateways->len; i++)
		(void)snprintf(batch->recipients[i].reply, sizeof(batch->recipients[i].reply),
			"it cannot be written");
	(void)was_tried(batch);
}

static gboolean push_all(gpointer ctx)
{
	struct way *way = ctx;
	GHashTableIter iter;
	gpointer batch;

	way->timer = 0;
	g_hash_table_iter_init(&iter, way->gathered);
	while (g_hash_table_iter_next(&iter, NULL, &batch)) {
		g_hash_table_iter_steal(&iter);
		push(way, batch);
	}
	return G_SOURCE_REMOVE;
}

static struct batch *find_batch(struct way *way, const struct vendor_try *try)
{
	struct batch *batch = g_hash_table_lookup(way->gathered, try->digest);

	if (batch != NULL)
		return batch;
	batch = g_new0(struct batch, 1);
	batch->way = way;
	batch->digest = g_strdup(try->digest);
	batch->envelope = g_strndup(try->envelope, try->bytes);
	batch->gateways = g_ptr_array_new_with_free_func(g_free);
	batch->addresses = g_ptr_array_new_with_free_func(g_free);
	(void)g_hash_table_insert(way->gathered, batch->digest, batch);
	return batch;
}

static int send_mail(void *ctx, const struct vendor_try *try)
{
	struct way *way = ctx;
	unsigned int times;
	struct batch *batch;

	if (way->busy >= BATCHES_MOST)
		return -EAGAIN;
	if (!vendor_repeat_may(
		    way->repeat, try->gateway, try->digest, g_get_monotonic_time(), &times))
		return -EALREADY;
	batch = find_batch(way, try);
	g_ptr_array_add(batch->gateways, g_strdup(try->gateway));
	g_ptr_array_add(batch->addresses,
		g_strdup(json_string_value(json_object_get(try->channel, "address"))));
	if (batch->gateways->len == RECIPIENTS_MOST) {
		(void)g_hash_table_steal(way->gathered, batch->digest);
		push(way, batch);
	} else if (way->timer == 0) {
		way->timer = g_timeout_add(GATHER_MS, push_all, way);
	}
	return 0;
}

// ---- receipts -----------------------------------------------------------------------------------

static void take_receipt(void *ctx, const void *receipt, size_t bytes)
{
	const struct way *way = ctx;

	(void)way->sink.receipt(way->sink.ctx, KIND, receipt, bytes, NULL);
}

static bool take_mail(void *ctx, const struct maildir_mail *mail)
{
	return mail->data != NULL &&
	       alert_part_receipts(mail->data, mail->bytes, take_receipt, ctx) > 0;
}

static void turn(void *ctx)
{
	struct way *way = ctx;
	const char *folder = way->options->mail.maildir;
	int err;

	if (folder[0] == '\0' || way->pause_us > g_get_monotonic_time())
		return;
	err = maildir_take(folder, ALERT_PART_MAIL_BYTES, take_mail, way);
	way->fault[0] = '\0';
	if (err == 0)
		return;
	way->pause_us = g_get_monotonic_time() + PAUSE_US;
	(void)snprintf(way->fault, sizeof(way->fault), "receipts cannot be taken from %s: %s",
		folder, g_strerror(-err));
}

static const char *fault(const void *ctx)
{
	const struct way *way = ctx;

	return way->fault[0] != '\0' ? way->fault : NULL;
}

// ---- start and stop -----------------------------------------------------------------------------

static int check(const char *address, char *why, size_t why_bytes)
{
	const char *at = strrchr(address, '@');

	if (at != NULL && at > address && at[1] != '\0' && strpbrk(address, " <>\t\r\n") == NULL)
		return 0;
	(void)snprintf(why, why_bytes, "channels: address must be one of mail");
	return -EINVAL;
}

static void close_mail(void *ctx)
{
	struct way *way = ctx;

	if (way->timer != 0)
		(void)g_source_remove(way->timer);
	// What no thread has begun is sent by the next process.
	g_atomic_int_set(&way->is_closing, 1);
	if (way->pool != NULL)
		g_thread_pool_free(way->pool, FALSE, TRUE);
	while (way->busy > 0)
		(void)g_main_context_iteration(NULL, TRUE);
	g_hash_table_unref(way->gathered);
	vendor_repeat_free(way->repeat);
	free(way);
}

static int open_mail(const struct vendor_options *options, const struct vendor_sink *sink,
	void **out, char *error, size_t error_bytes)
{
	struct way *way;

	(void)error;
	(void)error_bytes;
	if (options->mail.host[0] == '\0')
		return 0;
	way = calloc(1, sizeof(*way));
	if (way == NULL)
		return -ENOMEM;
	way->options = options;
	way->sink = *sink;
	way->repeat = vendor_repeat_new(options->mail.repeat_seconds);
	way->gathered = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_batch);
	way->pool = g_thread_pool_new(deliver_batch, way, THREADS, FALSE, NULL);
	*out = way;
	return 0;
}

const struct vendor_way vendor_way_mail = {.kind = KIND,
	.members = {{"address", true, check}},
	.open = open_mail,
	.close = close_mail,
	.send = send_mail,
	.turn = turn,
	.fault = fault};
