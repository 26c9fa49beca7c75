// SPDX-License-Identifier: BSD-3-Clause
#include "control/dataplane_link.h"

#include "control/dataplane_ask.h"
#include "control/urgent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_SECONDS 2
#define SEAL_SECONDS 5
#define ASIDE_MS 2 // several times what a dataplane takes for seals

// Who wants to know what came of seals.
struct dataplane_waiter {
	struct dataplane_waiter *next;
	uint64_t tells; // that it waits for
	void (*then)(void *ctx);
	void *ctx;
};

struct looking {
	struct dataplane_link *link;
	dataplane_done_fn done;
	void *ctx;
};

struct sealing {
	struct dataplane_link *link;
	const struct seals *seals;
	uint64_t generation;
};

struct asking {
	dataplane_json_fn done;
	void *ctx;
};

// ---- what every answer has ----------------------------------------------------------------------

static int note_silence(struct dataplane_link *link, int err)
{
	char reason[128];

	if (err == -ECANCELED)
		return err;
	link->is_up = false;
	(void)snprintf(link->why, sizeof(link->why), "%s: %s", link->path,
		strerror_r(-err, reason, sizeof(reason)));
	return err;
}

// Returns 0, or -EPROTO with the dataplane's own words in why.
static int note_answer(struct dataplane_link *link, const char *answer)
{
	json_t *root = json_loads(answer, 0, NULL);
	const char *text;

	link->is_up = true;
	if (!json_is_true(json_object_get(root, "ok"))) {
		text = json_string_value(json_object_get(root, "error"));
		(void)snprintf(link->why, sizeof(link->why), "%s",
			text != NULL ? text : "an answer that is not understood");
		json_decref(root);
		return -EPROTO;
	}
	link->why[0] = '\0';
	text = json_string_value(json_object_get(root, "ruleset"));
	(void)snprintf(link->ruleset, sizeof(link->ruleset), "%s", text != NULL ? text : "");
	text = json_string_value(json_object_get(root, "screen"));
	(void)snprintf(link->screen, sizeof(link->screen), "%s", text != NULL ? text : "");
	link->screen_entries =
		(uint64_t)json_integer_value(json_object_get(root, "screen_entries"));
	link->seals_generation =
		(uint64_t)json_integer_value(json_object_get(root, "seals_generation"));
	link->wrapped_passed =
		(uint64_t)json_integer_value(json_object_get(root, "wrapped_passed"));
	link->wrapped_dropped =
		(uint64_t)json_integer_value(json_object_get(root, "wrapped_dropped"));
	link->uptime_seconds =
		(uint64_t)json_integer_value(json_object_get(root, "uptime_seconds"));
	json_decref(root);
	return 0;
}

static int take_answer(struct dataplane_link *link, int err, const char *text)
{
	return err == 0 ? note_answer(link, text) : note_silence(link, err);
}

// ---- how it is ----------------------------------------------------------------------------------

static void looked(void *ctx, int err, const char *text)
{
	struct looking *looking = ctx;

	looking->link->is_looked_at = false;
	looking->done(looking->ctx, take_answer(looking->link, err, text));
	free(looking);
}

bool dataplane_link_is_telling(const struct dataplane_link *link)
{
	return link->told < link->tells;
}

void dataplane_link_look(struct dataplane_link *link, dataplane_done_fn done, void *ctx)
{
	struct looking *looking = link->is_looked_at || dataplane_link_is_telling(link)
					  ? NULL
					  : calloc(1, sizeof(*looking));

	if (looking == NULL)
		return;
	*looking = (struct looking){link, done, ctx};
	link->is_looked_at = true;
	dataplane_ask_lightly(link->asked, "ping", LOOK_SECONDS, looked, looking);
}

// ---- seals --------------------------------------------------------------------------------------

static void tell_waiters(struct dataplane_link *link)
{
	while (link->first_waiter != NULL && link->first_waiter->tells <= link->told) {
		struct dataplane_waiter *waiter = link->first_waiter;

		link->first_waiter = waiter->next;
		if (link->first_waiter == NULL)
			link->last_waiter = NULL;
		waiter->then(waiter->ctx);
		free(waiter);
	}
}

// What came of one is known.
static void finish(struct sealing *sealing, int err)
{
	struct dataplane_link *link = sealing->link;

	free(sealing);
	link->told++;
	// Its state is compared with the seals that there are now: those that came meanwhile are on their way, too.
	if (err != 0 || !dataplane_link_is_telling(link))
		tell_waiters(link);
}

static void sealed(void *ctx, int err, const char *text)
{
	struct sealing *sealing = ctx;
	struct dataplane_link *link = sealing->link;

	err = take_answer(link, err, text);
	if (err == 0 && link->seals_generation != sealing->generation)
		(void)snprintf(link->why, sizeof(link->why), "the dataplane has other seals");
	finish(sealing, err);
}

// Returns 0: sealed follows, unless the link has ended; or -ENOMEM.
static int send_seals(struct sealing *sealing)
{
	struct dataplane_link *link = sealing->link;
	char *text = seals_text(sealing->seals);
	char *command = NULL;
	int err = text != NULL && asprintf(&command, "seals %s", text) > 0 ? 0 : -ENOMEM;

	if (err == 0) {
		sealing->generation = seals_generation(sealing->seals);
		dataplane_ask(link->asked, command, SEAL_SECONDS, sealed, sealing);
		free(command);
	} else {
		(void)snprintf(link->why, sizeof(link->why), "there is no memory to tell it");
	}
	free(text);
	return err;
}

static int take_over(struct dataplane_link *link, const char *text)
{
	json_t *theirs = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	int err = json_is_array(json_object_get(theirs, "seals"))
			  ? link->adopt(link->adopt_ctx, theirs)
			  : -EPROTO;

	json_decref(theirs);
	link->is_up = true;
	if (err != 0)
		(void)snprintf(link->why, sizeof(link->why), "its seals are not known");
	return err;
}

// What it has is known, if not for this question.
static void heard(void *ctx, int err, const char *text)
{
	struct sealing *sealing = ctx;

	if (err != 0)
		(void)note_silence(sealing->link, err);
	else if (!seals_is_heard(sealing->seals))
		err = take_over(sealing->link, text);
	if (err == 0)
		err = send_seals(sealing);
	if (err != 0)
		finish(sealing, err);
}

void dataplane_link_seal(struct dataplane_link *link, const struct seals *seals)
{
	const bool is_heard = seals_is_heard(seals);
	struct sealing *sealing = calloc(1, sizeof(*sealing));

	if (sealing == NULL) {
		(void)snprintf(link->why, sizeof(link->why), "there is no memory to tell it");
		return;
	}
	*sealing = (struct sealing){.link = link, .seals = seals};
	link->tells++;
	if (!is_heard && !link->has_ended)
		dataplane_ask(link->asked, "open-seals", SEAL_SECONDS, heard, sealing);
	else if (is_heard && send_seals(sealing) != 0)
		finish(sealing, -ENOMEM);
	else if (link->has_ended)
		free(sealing); // there is no answer to come any more
}

void dataplane_link_adopt_by(
	struct dataplane_link *link, int (*adopt)(void *ctx, const json_t *theirs), void *ctx)
{
	link->adopt = adopt;
	link->adopt_ctx = ctx;
}

void dataplane_link_step_aside(const struct dataplane_link *link)
{
	dataplane_ask_step_aside(link->asked, ASIDE_MS);
}

void dataplane_link_when_told(struct dataplane_link *link, void (*then)(void *ctx), void *ctx)
{
	struct dataplane_waiter *waiter = link->has_ended || !dataplane_link_is_telling(link)
						  ? NULL
						  : calloc(1, sizeof(*waiter));

	if (waiter == NULL) {
		then(ctx);
		return;
	}
	*waiter = (struct dataplane_waiter){.tells = link->tells, .then = then, .ctx = ctx};
	if (link->last_waiter != NULL)
		link->last_waiter->next = waiter;
	else
		link->first_waiter = waiter;
	link->last_waiter = waiter;
}

bool dataplane_link_has(const struct dataplane_link *link, const struct seals *seals)
{
	return link->is_up && link->seals_generation == seals_generation(seals);
}

// ---- what else it is asked ----------------------------------------------------------------------

static void asked(void *ctx, int err, const char *text)
{
	struct asking *asking = ctx;
	json_t *root = err == 0 ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;

	asking->done(asking->ctx, root);
	json_decref(root);
	free(asking);
}

void dataplane_link_ask(
	struct dataplane_link *link, const char *command, dataplane_json_fn done, void *ctx)
{
	struct asking *asking = link->has_ended ? NULL : calloc(1, sizeof(*asking));

	if (asking == NULL) {
		done(ctx, NULL);
		return;
	}
	*asking = (struct asking){done, ctx};
	dataplane_ask_lightly(link->asked, command, LOOK_SECONDS, asked, asking);
}

// ---- begin and end ------------------------------------------------------------------------------

int dataplane_link_open(struct dataplane_link *link, const struct control_options *options)
{
	link->path = options->dataplane;
	return dataplane_ask_new(link->path, urgent_context(), &link->asked);
}

static gboolean time_is_over(gpointer is_over)
{
	*(bool *)is_over = true;
	return G_SOURCE_CONTINUE;
}

void dataplane_link_wait(struct dataplane_link *link, unsigned int ms)
{
	GSource *clock = g_timeout_source_new(ms);
	bool is_over = false;

	g_source_set_callback(clock, time_is_over, &is_over, NULL);
	(void)g_source_attach(clock, urgent_context());
	while (!is_over && link->asked != NULL && dataplane_ask_is_busy(link->asked))
		(void)g_main_context_iteration(urgent_context(), TRUE);
	g_source_destroy(clock);
	g_source_unref(clock);
}

void dataplane_link_end(struct dataplane_link *link)
{
	link->has_ended = true;
	if (link->asked != NULL)
		dataplane_ask_end(link->asked);
	// Of what could not even be asked.
	link->told = link->tells;
	tell_waiters(link);
}

void dataplane_link_close(struct dataplane_link *link)
{
	dataplane_ask_free(link->asked);
	link->asked = NULL;
}
