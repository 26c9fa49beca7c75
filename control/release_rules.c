// SPDX-License-Identifier: BSD-3-Clause
#include "control/release_rules.h"

#include "control/control_options.h"
#include "dataplane/dataplane.h"

#include <glib.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// An image that is being opened, or was.
struct making {
	struct release_opener *opener;
	GThread *thread; // NULL: it has ended
	struct release_stats stats;
	uint64_t seals; // when it began
	struct release_rules *rules;
	int err;
	char image[CONTROL_TEXT_BYTES];
};

struct release_opener {
	void (*ready)(void *ctx);
	void *ctx;
	struct making *making;      // NULL: none
	struct release_rules *late; // opened when it was no more the newest; NULL: none
	uint64_t late_seals;
	uint64_t begun_ns[RELEASE_OFTEN]; // the last times, in a ring
	uint64_t begun;                   // how many
};

// ---- rules --------------------------------------------------------------------------------------

void release_rules_put(struct release_rules *rules)
{
	// Release and acquire, for whoever frees it sees all that the others have done with it.
	if (rules == NULL || atomic_fetch_sub_explicit(&rules->users, 1, memory_order_acq_rel) != 1)
		return;
	scanner_free(rules->scanner);
	ruleset_close(rules->ruleset);
	free(rules);
}

static int make_rules(const char *image, struct release_rules **out)
{
	struct release_rules *rules = calloc(1, sizeof(*rules));
	struct scan_options options;
	int err;

	if (rules == NULL)
		return -ENOMEM;
	atomic_init(&rules->users, 1);
	scan_options_init(&options);
	// What is repaired is scanned while the first scan still tells what is in it.
	options.max_messages = 2;
	options.all_matches = true;
	// By which parts are found in the message again.
	options.digests = DIGEST_SHA256;
	err = ruleset_open(image, &rules->ruleset);
	if (err == 0)
		err = scanner_new(&options, rules->ruleset, &rules->scanner);
	if (err != 0) {
		release_rules_put(rules);
		return err;
	}
	*out = rules;
	return 0;
}

// ---- files --------------------------------------------------------------------------------------

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool release_stats_are_same(const struct release_stats *a, const struct release_stats *b)
{
	return is_same_file(&a->image, &b->image) && is_same_file(&a->delta, &b->delta) &&
	       is_same_file(&a->screen, &b->screen) &&
	       is_same_file(&a->screen_layer, &b->screen_layer);
}

static void stat_beside(const char *path, const char *suffix, struct stat *out)
{
	char beside[CONTROL_TEXT_BYTES + 16];

	(void)snprintf(beside, sizeof(beside), "%s%s", path, suffix);
	memset(out, 0, sizeof(*out));
	if (stat(beside, out) != 0)
		memset(out, 0, sizeof(*out));
}

int release_stats_take(const char *path, struct release_stats *out)
{
	stat_beside(path, RULESET_DELTA_SUFFIX, &out->delta);
	stat_beside(path, RULESET_SCREEN_SUFFIX, &out->screen);
	stat_beside(path, RULESET_SCREEN_LAYER_SUFFIX, &out->screen_layer);
	return stat(path, &out->image) == 0 ? 0 : -errno;
}

// ---- opening ------------------------------------------------------------------------------------

static gboolean was_made(gpointer data)
{
	struct making *making = data;
	const struct release_opener *opener = making->opener;

	(void)g_thread_join(making->thread);
	making->thread = NULL;
	if (opener->ready != NULL)
		opener->ready(opener->ctx);
	return G_SOURCE_REMOVE;
}

static gpointer make(gpointer data)
{
	struct making *making = data;

	making->err = make_rules(making->image, &making->rules);
	(void)g_idle_add(was_made, making);
	return NULL;
}

static bool is_making(const struct release_opener *opener)
{
	return opener->making != NULL && opener->making->thread != NULL;
}

// What was made and is not wanted any more.
static void forget(struct release_opener *opener)
{
	if (opener->making != NULL)
		release_rules_put(opener->making->rules);
	free(opener->making);
	opener->making = NULL;
}

// What was made came too late for whoever asked.
static void keep_late(struct release_opener *opener)
{
	struct making *making = opener->making;

	if (making == NULL || making->rules == NULL)
		return;
	release_rules_put(opener->late);
	opener->late = making->rules;
	opener->late_seals = making->seals;
	making->rules = NULL;
}

static void drop_late(struct release_opener *opener)
{
	release_rules_put(opener->late);
	opener->late = NULL;
}

static int begin(struct release_opener *opener, const struct release_wanted *wanted)
{
	struct making *making = calloc(1, sizeof(*making));

	if (making == NULL)
		return -ENOMEM;
	making->opener = opener;
	making->stats = wanted->stats;
	making->seals = wanted->seals;
	(void)snprintf(making->image, sizeof(making->image), "%s", wanted->image);
	making->thread = g_thread_try_new("rules", make, making, NULL);
	if (making->thread == NULL) {
		free(making);
		return -EAGAIN;
	}
	opener->making = making;
	opener->begun_ns[opener->begun++ % RELEASE_OFTEN] = wanted->now_ns;
	return -EINPROGRESS;
}

// The oldest of the ring was not long ago.
bool release_opener_is_often(const struct release_opener *opener, uint64_t now_ns)
{
	return opener->begun >= RELEASE_OFTEN &&
	       now_ns - opener->begun_ns[opener->begun % RELEASE_OFTEN] < RELEASE_OFTEN_NS;
}

int release_opener_take(struct release_opener *opener, const struct release_wanted *wanted,
	struct release_rules **out)
{
	struct making *making = opener->making;
	int err;

	if (is_making(opener))
		return -EINPROGRESS;
	if (making == NULL || !release_stats_are_same(&making->stats, &wanted->stats)) {
		if (release_opener_is_often(opener, wanted->now_ns))
			keep_late(opener);
		forget(opener);
		return begin(opener, wanted);
	}
	err = making->err;
	*out = making->rules;
	making->rules = NULL;
	forget(opener);
	drop_late(opener);
	return err;
}

bool release_opener_is_ready(struct release_opener *opener, const struct release_wanted *wanted)
{
	return opener->making != NULL && !is_making(opener) &&
	       release_stats_are_same(&opener->making->stats, &wanted->stats);
}

int release_opener_take_late(struct release_opener *opener, const struct release_wanted *wanted,
	struct release_rules **out)
{
	if (opener->late == NULL || opener->late_seals != wanted->seals ||
		!release_opener_is_often(opener, wanted->now_ns))
		return -ENOENT;
	*out = opener->late;
	opener->late = NULL;
	return 0;
}

struct release_opener *release_opener_new(void (*ready)(void *ctx), void *ctx)
{
	struct release_opener *opener = calloc(1, sizeof(*opener));

	if (opener == NULL)
		return NULL;
	opener->ready = ready;
	opener->ctx = ctx;
	return opener;
}

void release_opener_free(struct release_opener *opener)
{
	if (opener == NULL)
		return;
	if (is_making(opener)) {
		(void)g_thread_join(opener->making->thread);
		// What it has left for the loop, which is not to run for it: others may be gone.
		(void)g_idle_remove_by_data(opener->making);
	}
	forget(opener);
	drop_late(opener);
	free(opener);
}
