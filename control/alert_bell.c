// SPDX-License-Identifier: BSD-3-Clause
#include "control/alert_bell.h"

#include "dataplane/dataplane.h"

#include <glib-unix.h>
#include <jansson.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define SHARE 10         // of the time a tenth at most
#define CREDIT_US 200000 // of which so much may be saved
#define US_PER_MS 1000

struct alert_bell {
	struct alert_bell_owner owner;
	char *dataplane; // NULL: none
	char *folder;    // that mail is put into; NULL: none
	int link;        // to the dataplane, that has a question; -1: none
	int events;      // of inotify; -1: none
	bool is_watched; // the folder
	bool is_wanted;  // another look
	bool is_refused; // and its owner knows
	guint link_source;
	guint events_source;
	guint pause;       // 0: there may be a look
	gint64 credit_us;  // that looks may take
	gint64 counted_us; // until when it was counted
	json_int_t known;  // alerts that the dataplane has kept
};

// ---- when it rings ------------------------------------------------------------------------------

static void look(struct alert_bell *bell);

static gboolean pause_ends(gpointer ctx)
{
	struct alert_bell *bell = ctx;

	bell->pause = 0;
	if (bell->is_wanted)
		look(bell);
	return G_SOURCE_REMOVE;
}

static void look(struct alert_bell *bell)
{
	gint64 began_us = g_get_monotonic_time();

	if (bell->pause != 0) {
		bell->is_wanted = true;
		return;
	}
	bell->is_wanted = false;
	bell->credit_us += (began_us - bell->counted_us) / SHARE;
	bell->credit_us = MIN(bell->credit_us, CREDIT_US);
	bell->counted_us = began_us;
	bell->owner.ring(bell->owner.ctx);
	bell->credit_us -= g_get_monotonic_time() - began_us;
	if (bell->credit_us < 0)
		bell->pause = g_timeout_add(
			(guint)(-bell->credit_us * SHARE / US_PER_MS) + 1, pause_ends, bell);
}

// ---- the dataplane ------------------------------------------------------------------------------

static void hang_up(struct alert_bell *bell)
{
	if (bell->link_source != 0)
		(void)g_source_remove(bell->link_source);
	if (bell->link >= 0)
		(void)close(bell->link);
	bell->link_source = 0;
	bell->link = -1;
}

static int ask(const struct alert_bell *bell)
{
	char question[64];

	(void)snprintf(question, sizeof(question), "alerts %" JSON_INTEGER_FORMAT, bell->known);
	return local_send(bell->link, question);
}

static void note_refusal(struct alert_bell *bell, const json_t *answer)
{
	const char *why = json_string_value(json_object_get(answer, "error"));

	if (why == NULL || bell->is_refused)
		return;
	bell->is_refused = true;
	bell->owner.refused(bell->owner.ctx, why);
}

// One that does not take the question is asked again in a second.
static gboolean answered(gint fd, GIOCondition condition, gpointer ctx)
{
	struct alert_bell *bell = ctx;
	const json_t *count;
	char *text = NULL;
	json_t *answer;
	int err = local_receive(fd, &text);
	bool is_good;

	(void)condition;
	if (err == -EAGAIN)
		return G_SOURCE_CONTINUE;
	answer = err == 0 ? json_loads(text, 0, NULL) : NULL;
	count = json_object_get(answer, "alerts");
	is_good = json_is_integer(count);
	if (is_good)
		bell->known = json_integer_value(count);
	else
		note_refusal(bell, answer);
	bell->is_refused = bell->is_refused && !is_good;
	json_decref(answer);
	free(text);
	if (!is_good || ask(bell) != 0) {
		bell->link_source = 0;
		hang_up(bell);
	}
	if (is_good)
		look(bell);
	return bell->link >= 0 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void call_dataplane(struct alert_bell *bell)
{
	if (local_connect_now(bell->dataplane, &bell->link) != 0) {
		bell->link = -1;
		return;
	}
	if (ask(bell) == 0)
		bell->link_source = g_unix_fd_add(bell->link, G_IO_IN, answered, bell);
	else
		hang_up(bell);
}

// ---- the Maildir --------------------------------------------------------------------------------

static gboolean has_mail(gint fd, GIOCondition condition, gpointer ctx)
{
	struct alert_bell *bell = ctx;
	_Alignas(struct inotify_event) char buffer[8192];
	ssize_t n;

	(void)condition;
	while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *event = (const void *)(buffer + at);

			// The folder is gone: one of its name may come.
			if ((event->mask & IN_IGNORED) != 0)
				bell->is_watched = false;
			at += (ssize_t)sizeof(*event) + event->len;
		}
	}
	look(bell);
	return G_SOURCE_CONTINUE;
}

static void watch_folder(struct alert_bell *bell)
{
	bell->is_watched = inotify_add_watch(bell->events, bell->folder,
				   IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR) >= 0;
}

// ---- start and stop -----------------------------------------------------------------------------

static int open_parts(struct alert_bell *bell, const char *dataplane, const char *maildir)
{
	if (dataplane != NULL) {
		bell->dataplane = strdup(dataplane);
		if (bell->dataplane == NULL)
			return -ENOMEM;
	}
	if (maildir[0] == '\0')
		return 0;
	if (asprintf(&bell->folder, "%s/new", maildir) < 0) {
		bell->folder = NULL;
		return -ENOMEM;
	}
	bell->events = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (bell->events >= 0)
		bell->events_source = g_unix_fd_add(bell->events, G_IO_IN, has_mail, bell);
	return 0;
}

int alert_bell_new(const char *dataplane, const char *maildir, const struct alert_bell_owner *owner,
	struct alert_bell **out)
{
	struct alert_bell *bell = calloc(1, sizeof(*bell));
	int err;

	if (bell == NULL)
		return -ENOMEM;
	*bell = (struct alert_bell){.owner = *owner,
		.link = -1,
		.events = -1,
		.credit_us = CREDIT_US,
		.counted_us = g_get_monotonic_time()};
	err = open_parts(bell, dataplane, maildir);
	if (err != 0) {
		alert_bell_free(bell);
		return err;
	}
	*out = bell;
	return 0;
}

void alert_bell_free(struct alert_bell *bell)
{
	if (bell == NULL)
		return;
	hang_up(bell);
	if (bell->pause != 0)
		(void)g_source_remove(bell->pause);
	if (bell->events_source != 0)
		(void)g_source_remove(bell->events_source);
	if (bell->events >= 0)
		(void)close(bell->events);
	free(bell->dataplane);
	free(bell->folder);
	free(bell);
}

void alert_bell_turn(struct alert_bell *bell)
{
	if (bell->dataplane != NULL && bell->link < 0)
		call_dataplane(bell);
	if (bell->events >= 0 && !bell->is_watched)
		watch_folder(bell);
}
