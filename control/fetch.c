// SPDX-License-Identifier: BSD-3-Clause
#include "control/fetch.h"

#include "control/alive.h"

#include <curl/curl.h>
#include <glib-unix.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define CONNECT_SECONDS 20
#define CONNECTIONS 512 // that are kept open for the next request

struct fetcher {
	CURLM *multi;
	GHashTable *watches; // descriptor: source
	guint timer;
	struct fetch *fetches;
};

struct fetch {
	struct fetch *next;
	struct fetcher *fetcher;
	CURL *easy;
	struct curl_slist *headers;
	guint clock;
	gint64 patience_us; // if nothing passes
	gint64 until_us;
	gint64 limit_us;   // whatever passes
	curl_off_t passed; // both ways, at the last look
	GByteArray *body;
	fetch_done_fn done;
	void *ctx;
	int file;
	bool is_checked; // that the answer goes on where it should
	uint64_t from;
	uint64_t bytes;
	uint64_t most_bytes;
	int err;
	char etag[FETCH_TEXT_BYTES];
	char why[CURL_ERROR_SIZE];
};

// ---- the end of one -----------------------------------------------------------------------------

void fetch_cancel(struct fetch *fetch)
{
	struct fetch **link = &fetch->fetcher->fetches;

	while (*link != fetch)
		link = &(*link)->next;
	*link = fetch->next;
	if (fetch->clock != 0)
		(void)g_source_remove(fetch->clock);
	(void)curl_multi_remove_handle(fetch->fetcher->multi, fetch->easy);
	curl_easy_cleanup(fetch->easy);
	curl_slist_free_all(fetch->headers);
	g_byte_array_unref(fetch->body);
	free(fetch);
}

static int error_of(const struct fetch *fetch, CURLcode code)
{
	if (fetch->err != 0)
		return fetch->err;
	if (code == CURLE_OK)
		return 0;
	return code == CURLE_OPERATION_TIMEDOUT ? -ETIMEDOUT : -EIO;
}

static void finish(struct fetch *fetch, CURLcode code)
{
	struct fetch_result result = {
		.err = error_of(fetch, code),
		.why = fetch->why,
		.etag = fetch->etag,
		.bytes = fetch->bytes,
	};
	curl_off_t after = 0;

	(void)curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &result.status);
	if (curl_easy_getinfo(fetch->easy, CURLINFO_RETRY_AFTER, &after) == CURLE_OK)
		result.retry_after_s = after;
	if (result.err != 0 && fetch->why[0] == '\0')
		(void)snprintf(fetch->why, sizeof(fetch->why), "%s",
			result.err == -EFBIG ? "the answer is too long" : curl_easy_strerror(code));
	(void)g_byte_array_append(fetch->body, (const guint8 *)"", 1);
	result.body = (const char *)fetch->body->data;
	fetch->done(fetch->ctx, &result);
	fetch_cancel(fetch);
}

static void finish_all(struct fetcher *fetcher)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(fetcher->multi, &left)) != NULL) {
		char *private = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
		finish((struct fetch *)(void *)private, message->data.result);
	}
}

static void set_clock(struct fetch *fetch);

static gboolean look_at_clock(gpointer ctx)
{
	struct fetch *fetch = ctx;

	fetch->clock = 0;
	set_clock(fetch);
	return G_SOURCE_REMOVE;
}

// The library's own limit would be for a short answer and for a long one the same. What has passed since the last look
// gives time for the next, but no more than the first had: what came fast and stands still is not waited for any longer.
static void set_clock(struct fetch *fetch)
{
	gint64 now_us = g_get_monotonic_time();
	curl_off_t here = 0;
	curl_off_t there = 0;
	gint64 until_us;

	(void)curl_easy_getinfo(fetch->easy, CURLINFO_SIZE_DOWNLOAD_T, &here);
	(void)curl_easy_getinfo(fetch->easy, CURLINFO_SIZE_UPLOAD_T, &there);
	fetch->until_us += (here + there - fetch->passed) * G_USEC_PER_SEC / ALIVE_SLOWEST;
	fetch->until_us = MIN(fetch->until_us, now_us + fetch->patience_us);
	fetch->passed = here + there;
	until_us = MIN(fetch->until_us, fetch->limit_us);
	if (now_us < until_us)
		fetch->clock = g_timeout_add(
			(guint)((until_us - now_us) / 1000 + 1), look_at_clock, fetch);
	else
		finish(fetch, CURLE_OPERATION_TIMEDOUT);
}

// ---- libcurl on the main loop -------------------------------------------------------------------

static gboolean socket_ready(gint fd, GIOCondition condition, gpointer ctx)
{
	struct fetcher *fetcher = ctx;
	int running;
	int events = ((condition & (G_IO_IN | G_IO_HUP)) != 0 ? CURL_CSELECT_IN : 0) |
		     ((condition & G_IO_OUT) != 0 ? CURL_CSELECT_OUT : 0) |
		     ((condition & G_IO_ERR) != 0 ? CURL_CSELECT_ERR : 0);

	(void)curl_multi_socket_action(fetcher->multi, fd, events, &running);
	finish_all(fetcher);
	return G_SOURCE_CONTINUE;
}

static void forget_socket(struct fetcher *fetcher, curl_socket_t fd)
{
	gpointer id = g_hash_table_lookup(fetcher->watches, GINT_TO_POINTER(fd));

	if (id != NULL)
		(void)g_source_remove(GPOINTER_TO_UINT(id));
	(void)g_hash_table_remove(fetcher->watches, GINT_TO_POINTER(fd));
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
	struct fetcher *fetcher = ctx;
	GIOCondition condition = G_IO_HUP | G_IO_ERR;
	guint id;

	(void)easy;
	(void)socket_ctx;
	forget_socket(fetcher, fd);
	if (what == CURL_POLL_REMOVE)
		return 0;
	if ((what & CURL_POLL_IN) != 0)
		condition |= G_IO_IN;
	if ((what & CURL_POLL_OUT) != 0)
		condition |= G_IO_OUT;
	id = g_unix_fd_add(fd, condition, socket_ready, fetcher);
	(void)g_hash_table_insert(fetcher->watches, GINT_TO_POINTER(fd), GUINT_TO_POINTER(id));
	return 0;
}

static gboolean time_over(gpointer ctx)
{
	struct fetcher *fetcher = ctx;
	int running;

	fetcher->timer = 0;
	(void)curl_multi_socket_action(fetcher->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	finish_all(fetcher);
	return G_SOURCE_REMOVE;
}

static int set_timer(CURLM *multi, long ms, void *ctx)
{
	struct fetcher *fetcher = ctx;

	(void)multi;
	if (fetcher->timer != 0)
		(void)g_source_remove(fetcher->timer);
	fetcher->timer = ms >= 0 ? g_timeout_add((guint)ms, time_over, fetcher) : 0;
	return 0;
}

int fetcher_new(struct fetcher **out)
{
	struct fetcher *fetcher = calloc(1, sizeof(*fetcher));

	if (fetcher == NULL)
		return -ENOMEM;
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
	fetcher->multi = curl_multi_init();
	if (fetcher->multi == NULL) {
		free(fetcher);
		return -ENOMEM;
	}
	fetcher->watches = g_hash_table_new(NULL, NULL);
	(void)curl_multi_setopt(fetcher->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	(void)curl_multi_setopt(fetcher->multi, CURLMOPT_SOCKETDATA, fetcher);
	(void)curl_multi_setopt(fetcher->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	(void)curl_multi_setopt(fetcher->multi, CURLMOPT_TIMERDATA, fetcher);
	(void)curl_multi_setopt(fetcher->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS);
	*out = fetcher;
	return 0;
}

void fetcher_free(struct fetcher *fetcher)
{
	if (fetcher == NULL)
		return;
	while (fetcher->fetches != NULL)
		fetch_cancel(fetcher->fetches);
	(void)curl_multi_cleanup(fetcher->multi);
	if (fetcher->timer != 0)
		(void)g_source_remove(fetcher->timer);
	g_hash_table_unref(fetcher->watches);
	free(fetcher);
}

// ---- what comes back ----------------------------------------------------------------------------

// Before the first byte: an answer to a question for the rest may be the whole.
static int check_answer(struct fetch *fetch)
{
	long status = 0;

	fetch->is_checked = true;
	(void)curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);
	if (fetch->file < 0 || status == 206)
		return 0;
	if (status != 200) // what the file is to hold is not in it
		fetch->file = -1;
	else if (fetch->from > 0 &&
		 (ftruncate(fetch->file, 0) != 0 || lseek(fetch->file, 0, SEEK_SET) != 0))
		return -errno;
	return 0;
}

static int write_file(int fd, const char *data, size_t bytes)
{
	while (bytes > 0) {
		ssize_t n = write(fd, data, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		bytes -= (size_t)n;
	}
	return 0;
}

static size_t take_body(char *data, size_t size, size_t count, void *ctx)
{
	struct fetch *fetch = ctx;
	size_t bytes = size * count;

	if (!fetch->is_checked)
		fetch->err = check_answer(fetch);
	if (fetch->err == 0 && fetch->bytes + bytes > fetch->most_bytes)
		fetch->err = -EFBIG;
	if (fetch->err == 0 && fetch->file >= 0)
		fetch->err = write_file(fetch->file, data, bytes);
	else if (fetch->err == 0)
		(void)g_byte_array_append(fetch->body, (const guint8 *)data, (guint)bytes);
	if (fetch->err != 0)
		return CURL_WRITEFUNC_ERROR;
	fetch->bytes += bytes;
	return bytes;
}

static size_t take_header(char *line, size_t size, size_t count, void *ctx)
{
	struct fetch *fetch = ctx;
	size_t bytes = size * count;
	size_t at = 5;

	if (bytes <= at || strncasecmp(line, "etag:", at) != 0)
		return bytes;
	while (at < bytes && line[at] == ' ')
		at++;
	while (bytes > at && isspace((unsigned char)line[bytes - 1]))
		bytes--;
	(void)snprintf(fetch->etag, sizeof(fetch->etag), "%.*s", (int)(bytes - at), line + at);
	return size * count;
}

// ---- starting -----------------------------------------------------------------------------------

static void add_header(struct fetch *fetch, const char *name, const char *value)
{
	char line[FETCH_TEXT_BYTES + 64];
	struct curl_slist *longer;

	(void)snprintf(line, sizeof(line), "%s: %s", name, value);
	longer = curl_slist_append(fetch->headers, line);
	if (longer != NULL)
		fetch->headers = longer;
}

static bool is_given(const char *text)
{
	return text != NULL && text[0] != '\0';
}

static void set_headers(struct fetch *fetch, const struct fetch_request *request)
{
	char seconds[24];

	if (is_given(request->etag))
		add_header(fetch, "If-None-Match", request->etag);
	if (is_given(request->content_type))
		add_header(fetch, "Content-Type", request->content_type);
	if (request->wait_seconds > 0) {
		(void)snprintf(seconds, sizeof(seconds), "wait=%u", request->wait_seconds);
		add_header(fetch, "Prefer", seconds);
	}
	(void)curl_easy_setopt(fetch->easy, CURLOPT_HTTPHEADER, fetch->headers);
}

static int watch_peer(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
	(void)ctx;
	(void)purpose;
	alive_watch(fd);
	return CURL_SOCKOPT_OK;
}

static void set_tls(CURL *easy, const struct fetch_request *request)
{
	(void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (is_given(request->ca))
		(void)curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca);
	if (is_given(request->certificate)) {
		(void)curl_easy_setopt(easy, CURLOPT_SSLCERT, request->certificate);
		(void)curl_easy_setopt(easy, CURLOPT_SSLKEY, request->key);
	}
}

static void set_request(struct fetch *fetch, const struct fetch_request *request)
{
	CURL *easy = fetch->easy;

	(void)curl_easy_setopt(easy, CURLOPT_URL, request->url);
	(void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, fetch->why);
	(void)curl_easy_setopt(easy, CURLOPT_PRIVATE, fetch);
	(void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "Cordon");
	(void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
	(void)curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, watch_peer);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, fetch);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, fetch);
	if (request->from > 0)
		(void)curl_easy_setopt(easy, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)request->from);
	if (request->body != NULL) {
		(void)curl_easy_setopt(
			easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_bytes);
		(void)curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->body);
	}
	set_tls(easy, request);
	set_headers(fetch, request);
}

int fetch_start(struct fetcher *fetcher, const struct fetch_request *request, fetch_done_fn done,
	void *ctx, struct fetch **out)
{
	struct fetch *fetch = calloc(1, sizeof(*fetch));
	gint64 now_us = g_get_monotonic_time();

	if (fetch == NULL)
		return -ENOMEM;
	fetch->easy = curl_easy_init();
	if (fetch->easy == NULL) {
		free(fetch);
		return -ENOMEM;
	}
	fetch->fetcher = fetcher;
	fetch->body = g_byte_array_new();
	fetch->done = done;
	fetch->ctx = ctx;
	fetch->file = request->file;
	fetch->from = request->from;
	fetch->most_bytes = request->most_bytes;
	fetch->patience_us =
		((gint64)request->most_seconds + request->wait_seconds) * G_USEC_PER_SEC;
	fetch->until_us = now_us + fetch->patience_us;
	fetch->limit_us = request->limit_seconds == 0
				  ? G_MAXINT64
				  : now_us + (gint64)request->limit_seconds * G_USEC_PER_SEC;
	set_request(fetch, request);
	fetch->next = fetcher->fetches;
	fetcher->fetches = fetch;
	if (curl_multi_add_handle(fetcher->multi, fetch->easy) != CURLM_OK) {
		fetch_cancel(fetch);
		return -EINVAL;
	}
	*out = fetch;
	set_clock(fetch);
	return 0;
}
