// SPDX-License-Identifier: BSD-3-Clause
#include "control/dataplane_ask.h"

#include "dataplane/dataplane.h"

#include <glib-unix.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MS_PER_S 1000
#define TRIES 2

struct question {
	struct dataplane_ask *line;
	char *text;
	unsigned int tries; // to send it
	int err;            // that it ends with
	GSource *clock;     // by which it ends; NULL: its time is over
	dataplane_answer_fn answer;
	void *ctx;
};

struct dataplane_ask {
	const char *path;
	GMainContext *context;
	int fd;            // -1: no connection
	GSource *readable; // with it
	GQueue asked;      // that are sent, in their order; those whose time is over among them
	GQueue ending;     // that could not be sent
	size_t waiting;    // of both, for whom somebody waits
	bool is_ended;
};

static void stop_clock(struct question *question)
{
	if (question->clock == NULL)
		return;
	g_source_destroy(question->clock);
	g_source_unref(question->clock);
	question->clock = NULL;
	question->line->waiting--;
}

static void question_free(struct question *question)
{
	stop_clock(question);
	g_free(question->text);
	g_free(question);
}

// Of one that is in no queue any more.
static void finish(struct question *question, int err, const char *text)
{
	const bool is_awaited = question->clock != NULL;

	stop_clock(question);
	if (is_awaited)
		question->answer(question->ctx, err, text);
	question_free(question);
}

static gboolean time_is_over(gpointer data)
{
	struct question *question = data;
	const bool is_asked = question->err == 0;

	if (!is_asked) {
		(void)g_queue_remove(&question->line->ending, question);
		finish(question, question->err, NULL);
		return G_SOURCE_REMOVE;
	}
	stop_clock(question);
	question->answer(question->ctx, -ETIMEDOUT, NULL);
	return G_SOURCE_REMOVE;
}

static void start_clock(struct question *question, guint ms)
{
	stop_clock(question);
	question->clock = g_timeout_source_new(ms);
	question->line->waiting++;
	g_source_set_callback(question->clock, time_is_over, question, NULL);
	(void)g_source_attach(question->clock, question->line->context);
}

// One that is in no queue: its end is told in a moment.
static void end_soon(struct question *question, int err)
{
	struct dataplane_ask *line = question->line;

	if (question->clock == NULL || line->is_ended) {
		question_free(question);
		return;
	}
	question->err = err;
	g_queue_push_tail(&line->ending, question);
	start_clock(question, 0);
}

// ---- the connection -----------------------------------------------------------------------------

static void hang_up(struct dataplane_ask *line)
{
	if (line->readable != NULL) {
		g_source_destroy(line->readable);
		g_source_unref(line->readable);
	}
	line->readable = NULL;
	if (line->fd >= 0)
		(void)close(line->fd);
	line->fd = -1;
}

static gboolean answered(gint fd, GIOCondition condition, gpointer data);

static int call(struct dataplane_ask *line)
{
	int err = line->fd >= 0 ? 0 : local_connect_now(line->path, &line->fd);

	if (err != 0) {
		line->fd = -1;
		return err;
	}
	if (line->readable != NULL || line->is_ended)
		return 0;
	line->readable = g_unix_fd_source_new(line->fd, G_IO_IN);
	// An answer that is there is read before a clock that has run out meanwhile is looked at.
	g_source_set_priority(line->readable, G_PRIORITY_DEFAULT - 1);
	g_source_set_callback(line->readable, G_SOURCE_FUNC(answered), line, NULL);
	(void)g_source_attach(line->readable, line->context);
	return 0;
}

static int send_one(struct dataplane_ask *line, struct question *question)
{
	int err = call(line);

	if (err == 0) {
		question->tries++;
		err = local_send(line->fd, question->text);
	}
	// It reads nothing: its queue is full.
	return err == -EAGAIN ? -ETIMEDOUT : err;
}

// A dataplane that was started anew is asked what the one before has not answered.
static void ask_again(struct dataplane_ask *line, int err)
{
	GQueue before = line->asked;
	struct question *question;

	hang_up(line);
	g_queue_init(&line->asked);
	while ((question = g_queue_pop_head(&before)) != NULL) {
		int why = question->clock != NULL && question->tries < TRIES
				  ? send_one(line, question)
				  : err;

		if (why == 0)
			g_queue_push_tail(&line->asked, question);
		else
			end_soon(question, why);
	}
}

static gboolean answered(gint fd, GIOCondition condition, gpointer data)
{
	struct dataplane_ask *line = data;
	struct question *question;
	char *text = NULL;
	int err = 0;

	(void)condition;
	while (line->fd == fd && (err = local_receive(fd, &text)) == 0) {
		question = g_queue_pop_head(&line->asked);
		if (question != NULL)
			finish(question, 0, text);
		free(text);
		text = NULL;
	}
	if (line->fd == fd && err != -EAGAIN)
		ask_again(line, err);
	return G_SOURCE_CONTINUE;
}

// ---- public -------------------------------------------------------------------------------------

static struct question *question_new(struct dataplane_ask *line, const char *text,
	unsigned int seconds, dataplane_answer_fn answer, void *ctx)
{
	struct question *question = g_new0(struct question, 1);

	question->line = line;
	question->text = g_strdup(text);
	question->answer = answer;
	question->ctx = ctx;
	if (!line->is_ended)
		start_clock(question, seconds * MS_PER_S);
	return question;
}

void dataplane_ask(struct dataplane_ask *line, const char *text, unsigned int seconds,
	dataplane_answer_fn answer, void *ctx)
{
	struct question *question = question_new(line, text, seconds, answer, ctx);
	int err = send_one(line, question);

	// By a connection to one that is gone; those before it are asked again, too.
	if (err == -EPIPE || err == -ECONNRESET) {
		ask_again(line, err);
		err = send_one(line, question);
	}
	if (err == 0 && !line->is_ended)
		g_queue_push_tail(&line->asked, question);
	else
		end_soon(question, err);
}

// Some on their way are not waited for any more.
static bool is_overdue(const struct dataplane_ask *line)
{
	return line->asked.length + line->ending.length > line->waiting;
}

void dataplane_ask_lightly(struct dataplane_ask *line, const char *text, unsigned int seconds,
	dataplane_answer_fn answer, void *ctx)
{
	if (is_overdue(line))
		end_soon(question_new(line, text, seconds, answer, ctx), -ETIMEDOUT);
	else
		dataplane_ask(line, text, seconds, answer, ctx);
}

void dataplane_ask_step_aside(const struct dataplane_ask *line, unsigned int ms)
{
	GPollFD answer = {.fd = line->fd, .events = G_IO_IN};

	if (line->fd >= 0 && line->waiting > 0 && !is_overdue(line))
		(void)g_poll(&answer, 1, (gint)ms);
}

bool dataplane_ask_is_busy(const struct dataplane_ask *line)
{
	return line->waiting > 0;
}

static void cancel(GQueue *questions)
{
	struct question *question;

	while ((question = g_queue_pop_head(questions)) != NULL)
		finish(question, -ECANCELED, NULL);
}

void dataplane_ask_end(struct dataplane_ask *line)
{
	line->is_ended = true;
	if (line->readable != NULL) {
		g_source_destroy(line->readable);
		g_source_unref(line->readable);
	}
	line->readable = NULL;
	cancel(&line->asked);
	cancel(&line->ending);
}

int dataplane_ask_new(const char *path, GMainContext *context, struct dataplane_ask **out)
{
	struct dataplane_ask *line = calloc(1, sizeof(*line));

	if (line == NULL)
		return -ENOMEM;
	line->path = path;
	line->context = context;
	line->fd = -1;
	g_queue_init(&line->asked);
	g_queue_init(&line->ending);
	*out = line;
	return 0;
}

void dataplane_ask_free(struct dataplane_ask *line)
{
	if (line == NULL)
		return;
	hang_up(line);
	free(line);
}
