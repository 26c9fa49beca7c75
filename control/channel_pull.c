// SPDX-License-Identifier: BSD-3-Clause
// Alerts fetched over HTTPS: a feed of envelopes, one a line, the oldest first, as any server of files can
// give it. Asked again and again with the ETag of the last answer; a server that knows how may hold its
// answer until there is something new (RFC 7240, Prefer: wait). What fails is tried again with a pause that
// grows to that between two questions, a little different for each gateway. Receipts are posted one by one to an address of their own.
#include "control/channel.h"
#include "control/clock.h"
#include "control/control_events.h"
#include "control/fetch.h"

#include <glib.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MOST_SECONDS 120 // of one answer
#define FEED_BYTES (64u << 20)
#define RECEIPTS_WAITING 1000
#define NS_PER_S 1000000000
#define PAUSE_MOST_S 900 // whatever the server wishes

struct channel_pull {
	const struct control_options *options;
	struct alerts *alerts;
	struct fetcher *fetcher;
	struct fetch *fetch; // of the feed
	struct fetch *post;  // of the receipt at the head
	GQueue *receipts;    // that are to be posted
	GHashTable *seen;    // digests of the feed's lines
	guint timer;
	guint post_timer;
	unsigned int retry_s;
	unsigned int post_retry_s;
	uint64_t asked;
	uint64_t received; // envelopes
	uint64_t posted;
	uint64_t failed;
	int64_t asked_ns;
	char etag[FETCH_TEXT_BYTES];
	char why[FETCH_TEXT_BYTES]; // the last failure
};

static void ask_later(struct channel_pull *channel, unsigned int seconds);
static void post_next(struct channel_pull *channel);

// Between half of it and all of it.
static guint jitter_ms(unsigned int seconds)
{
	guint ms = seconds * 1000;

	return ms / 2 + (guint)g_random_int_range(0, (gint)(ms / 2 + 1));
}

static void fill_request(const struct channel_pull *channel, struct fetch_request *request)
{
	request->ca = channel->options->alerts.pull.ca;
	request->certificate = channel->options->alerts.pull.certificate;
	request->key = channel->options->alerts.pull.key;
	request->most_seconds = MOST_SECONDS;
	request->file = -1;
}

// What the server wishes, within bounds: it is not asked sooner, and not left for long where alerts may be urgent.
static unsigned int pause_of(unsigned int pause_s, const struct fetch_result *result)
{
	unsigned int wish_s =
		(unsigned int)CLAMP(result->retry_after_s, (int64_t)0, (int64_t)PAUSE_MOST_S);

	// Half of it is by chance (jitter_ms).
	return MAX(pause_s, 2 * wish_s);
}

static unsigned int longer(const struct channel_pull *channel, unsigned int pause_s)
{
	return MIN(pause_s * 2, channel->options->alerts.pull.interval_seconds);
}

// ---- receipts -----------------------------------------------------------------------------------

static gboolean post_again(gpointer ctx)
{
	struct channel_pull *channel = ctx;

	channel->post_timer = 0;
	post_next(channel);
	return G_SOURCE_REMOVE;
}

// What the server says of the place, and not of this receipt: it is away, has moved, or does not know us yet.
static bool is_of_place(long status)
{
	static const long others[] = {401, 403, 404, 405, 407, 408, 425, 429};

	for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
		if (status == others[i])
			return true;
	}
	return status < 200 || status / 100 == 3 || status >= 500;
}

static void note_failure(struct channel_pull *channel, const struct fetch_result *result)
{
	channel->failed++;
	if (result->err != 0)
		(void)snprintf(channel->why, sizeof(channel->why), "%s", result->why);
	else
		(void)snprintf(channel->why, sizeof(channel->why), "status %ld", result->status);
}

// A server that does not want this one (400, 413, 422) will not want it later either; one that is away may be back. What is
// forbidden may be allowed when the server knows us, or its rules are mended; others are tried before it comes again.
static void was_posted(void *ctx, const struct fetch_result *result)
{
	struct channel_pull *channel = ctx;
	bool is_away = result->err != 0 || is_of_place(result->status);
	bool is_taken = !is_away && result->status / 100 == 2;

	channel->post = NULL;
	if (!is_taken)
		note_failure(channel, result);
	if (is_away && result->status == 403)
		g_queue_push_tail(channel->receipts, g_queue_pop_head(channel->receipts));
	if (is_away) {
		channel->post_timer = g_timeout_add(
			jitter_ms(pause_of(channel->post_retry_s, result)), post_again, channel);
		channel->post_retry_s = longer(channel, channel->post_retry_s);
		return;
	}
	channel->post_retry_s = 1;
	channel->posted += is_taken;
	g_free(g_queue_pop_head(channel->receipts));
	post_next(channel);
}

static void post_next(struct channel_pull *channel)
{
	const char *receipt = g_queue_peek_head(channel->receipts);
	struct fetch_request request = {
		.url = channel->options->alerts.pull.receipts,
		.body = receipt,
		.content_type = "application/json",
		.most_bytes = 65536,
	};

	if (receipt == NULL || channel->post != NULL || channel->post_timer != 0)
		return;
	request.body_bytes = strlen(receipt);
	fill_request(channel, &request);
	if (fetch_start(channel->fetcher, &request, was_posted, channel, &channel->post) != 0)
		channel->post_timer =
			g_timeout_add(jitter_ms(channel->post_retry_s), post_again, channel);
}

static void answer(void *ctx, uint64_t token, const struct alerts_answer *said)
{
	struct channel_pull *channel = ctx;

	(void)token;
	if (said->receipt == NULL || channel->options->alerts.pull.receipts[0] == '\0')
		return;
	if (g_queue_get_length(channel->receipts) >= RECEIPTS_WAITING)
		g_free(g_queue_pop_head(channel->receipts));
	g_queue_push_tail(channel->receipts, g_strdup(said->receipt));
	post_next(channel);
}

// ---- the feed -----------------------------------------------------------------------------------

static void take_line(struct channel_pull *channel, const char *line, size_t bytes)
{
	const struct alerts_source source = {.channel = "pull",
		.peer = channel->options->alerts.pull.url,
		.answer = answer,
		.ctx = channel};

	channel->received++;
	alerts_take(channel->alerts, &source, line, bytes, control_now_ns() / NS_PER_S);
}

// What was in the last answer too was answered then.
static void take_feed(struct channel_pull *channel, const char *text, size_t bytes)
{
	GHashTable *seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	const char *end = text + bytes;

	while (text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		size_t length = (size_t)((stop != NULL ? stop : end) - text);

		if (strspn(text, " \t\r") < length) {
			char *digest = g_compute_checksum_for_data(
				G_CHECKSUM_SHA256, (const guchar *)text, length);

			if (!g_hash_table_contains(channel->seen, digest))
				take_line(channel, text, length);
			(void)g_hash_table_add(seen, digest);
		}
		text += length + 1;
	}
	g_hash_table_unref(channel->seen);
	channel->seen = seen;
}

static void fail(struct channel_pull *channel, const struct fetch_result *result)
{
	note_failure(channel, result);
	ask_later(channel, pause_of(channel->retry_s, result));
	channel->retry_s = longer(channel, channel->retry_s);
}

static void was_fetched(void *ctx, const struct fetch_result *result)
{
	struct channel_pull *channel = ctx;
	unsigned int wait = channel->options->alerts.pull.wait_seconds;
	bool was_held =
		wait > 0 && control_steady_ns() - channel->asked_ns > (int64_t)wait * NS_PER_S / 2;
	bool is_new;

	channel->fetch = NULL;
	channel->asked++;
	if (result->err != 0 || (result->status != 200 && result->status != 304)) {
		fail(channel, result);
		return;
	}
	channel->retry_s = 1;
	channel->why[0] = '\0';
	is_new = result->status == 200 && result->etag[0] != '\0' &&
		 strcmp(result->etag, channel->etag) != 0;
	if (result->status == 200) {
		(void)snprintf(channel->etag, sizeof(channel->etag), "%s", result->etag);
		take_feed(channel, result->body, result->bytes);
	}
	// A server that has held its answer is asked again at once, and soon one that had news, which may have
	// held it until there were.
	if (was_held || (is_new && wait > 0))
		ask_later(channel, was_held ? 0 : 1);
	else
		ask_later(channel, channel->options->alerts.pull.interval_seconds);
}

static gboolean ask_now(gpointer ctx)
{
	struct channel_pull *channel = ctx;
	struct fetch_request request = {
		.url = channel->options->alerts.pull.url,
		.etag = channel->etag,
		.wait_seconds = channel->options->alerts.pull.wait_seconds,
		.most_bytes = FEED_BYTES,
	};

	channel->timer = 0;
	channel->asked_ns = control_steady_ns();
	fill_request(channel, &request);
	if (fetch_start(channel->fetcher, &request, was_fetched, channel, &channel->fetch) != 0)
		ask_later(channel, channel->retry_s);
	return G_SOURCE_REMOVE;
}

static void ask_later(struct channel_pull *channel, unsigned int seconds)
{
	channel->timer = g_timeout_add(jitter_ms(seconds), ask_now, channel);
}

// ---- start and stop -----------------------------------------------------------------------------

static void close_pull(void *ctx)
{
	struct channel_pull *channel = ctx;

	fetcher_free(channel->fetcher);
	if (channel->timer != 0)
		(void)g_source_remove(channel->timer);
	if (channel->post_timer != 0)
		(void)g_source_remove(channel->post_timer);
	g_queue_free_full(channel->receipts, g_free);
	g_hash_table_unref(channel->seen);
	free(channel);
}

static int open_pull(const struct control_options *options, struct alerts *alerts, void **out,
	char *error, size_t error_bytes)
{
	struct channel_pull *channel;

	(void)error;
	(void)error_bytes;
	if (options->alerts.pull.url[0] == '\0')
		return 0;
	channel = calloc(1, sizeof(*channel));
	if (channel == NULL)
		return -ENOMEM;
	channel->options = options;
	channel->alerts = alerts;
	channel->receipts = g_queue_new();
	channel->seen = g_hash_table_new(g_str_hash, g_str_equal);
	channel->retry_s = 1;
	channel->post_retry_s = 1;
	if (fetcher_new(&channel->fetcher) != 0) {
		close_pull(channel);
		return -ENOMEM;
	}
	(void)ask_now(channel);
	*out = channel;
	return 0;
}

static json_t *get_status(const void *ctx)
{
	const struct channel_pull *channel = ctx;

	return json_pack("{s:I, s:I, s:I, s:I, s:i, s:s}", "asked", (json_int_t)channel->asked,
		"received", (json_int_t)channel->received, "posted", (json_int_t)channel->posted,
		"failed", (json_int_t)channel->failed, "waiting",
		(int)g_queue_get_length(channel->receipts), "why", channel->why);
}

const struct channel_kind channel_pull = {"pull", open_pull, close_pull, get_status};
