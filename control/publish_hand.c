// SPDX-License-Identifier: BSD-3-Clause
#include "control/publish_hand.h"

#include "control/durable.h"
#include "control/journal.h"
#include "control/publish_parcel.h"
#include "dataplane/dataplane.h"
#include "scan/scan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct publish_hand {
	const struct control_options *options;
	struct publish_files files;
	struct publish_base *base;
	struct journal *journal;
	size_t pending;
};

struct handing {
	struct journal_job job; // first
	struct publish_hand *hand;
	struct publish_result result;
	publish_look_fn look;
	void *look_ctx;
	publish_handed_fn done;
	void *ctx;
	char error[512];
};

struct renewing {
	struct journal_job job; // first
	struct publish_hand *hand;
	char version[sizeof(((struct publish_result *)0)->version)];
	publish_renewed_fn done;
	void *ctx;
	char error[512];
};

// ---- on the thread ------------------------------------------------------------------------------

// Does the image open? What it is goes to the result.
static int look_at(const char *path, struct handing *handing)
{
	struct publish_result *result = &handing->result;
	struct ruleset *ruleset = NULL;
	int err = ruleset_open(path, &ruleset);

	if (err != 0)
		return err;
	(void)snprintf(
		result->version, sizeof(result->version), "%s", ruleset_get_info(ruleset)->version);
	result->signatures = ruleset_get_info(ruleset)->signatures;
	if (handing->look != NULL && !result->is_delta)
		handing->look(handing->look_ctx, ruleset);
	ruleset_close(ruleset);
	return 0;
}

static int look_at_delta(const struct handing *handing)
{
	const struct publish_hand *hand = handing->hand;
	struct publish_laid *laid = NULL;
	int err;

	if (handing->look == NULL)
		return 0;
	err = publish_base_open(hand->base, hand->options->rules.image, hand->files.delta, &laid);
	if (err == 0)
		handing->look(handing->look_ctx, publish_laid_get(laid));
	publish_laid_close(laid);
	return err;
}

static bool has_delta(const struct ruleset *ruleset)
{
	return strchr(ruleset_get_info(ruleset)->version, '+') != NULL;
}

// The dataplane may run on another image than the one that lies there: then it gets both.
static int send_delta(struct handing *handing)
{
	const struct control_options *options = handing->hand->options;
	const char *delta = handing->hand->files.delta;
	const struct publish_parcel alone = {"delta", delta, NULL};
	const struct publish_parcel both = {"rules", options->rules.image, delta};
	int err = publish_parcel_send(
		options, &alone, &handing->result, handing->error, sizeof(handing->error));

	return err == -EBADMSG ? publish_parcel_send(options, &both, &handing->result,
					 handing->error, sizeof(handing->error))
			       : err;
}

static int send_rules(struct handing *handing)
{
	const struct publish_parcel parcel = {"rules", handing->hand->files.image, NULL};

	if (handing->result.is_delta)
		return send_delta(handing);
	return publish_parcel_send(handing->hand->options, &parcel, &handing->result,
		handing->error, sizeof(handing->error));
}

// A new image comes with no delta of the old one. Two files do not change at once: a delta of another
// image is passed over, one of the same image goes first.
static int put_image(const struct publish_hand *hand)
{
	const char *image = hand->options->rules.image;
	struct ruleset *ruleset = NULL;
	bool is_laid = ruleset_open(image, &ruleset) == 0 && has_delta(ruleset);
	int err;

	ruleset_close(ruleset);
	err = durable_rename(hand->files.image, image);
	if (err == 0 && is_laid && unlink(hand->files.old_delta) != 0 && errno != ENOENT)
		err = -errno;
	return err;
}

static int put_rules(const struct handing *handing)
{
	const struct publish_files *files = &handing->hand->files;

	return handing->result.is_delta ? durable_rename(files->delta, files->old_delta)
					: put_image(handing->hand);
}

// Of another version, or for another type of processor: no dataplane of this version starts with it.
static bool is_foreign(const char *image)
{
	struct ruleset *ruleset = NULL;
	int err = ruleset_open(image, &ruleset);

	ruleset_close(ruleset);
	return err == -ENOTSUP;
}

static void put_in_force(struct handing *handing)
{
	const struct control_options *options = handing->hand->options;
	struct publish_result *result = &handing->result;
	char reason[128];
	int err = send_rules(handing);

	result->in_force = err == 0;
	result->is_cut_off = err == -ECANCELED;
	// One that does not run will start with them. So will one of this version when that which runs is of the version
	// of what lies there.
	result->applied = err == 0 || err == -ENOENT || err == -ECONNREFUSED || result->is_cut_off;
	result->is_ahead = !result->applied && is_foreign(options->rules.image);
	result->applied = result->applied || result->is_ahead;
	if (result->in_force)
		handing->error[0] = '\0';
	if (!result->applied)
		return;
	err = put_rules(handing);
	if (err != 0)
		(void)snprintf(handing->error, sizeof(handing->error), "%s: %s",
			options->rules.image, strerror_r(-err, reason, sizeof(reason)));
	if (result->is_delta && !result->in_force)
		(void)look_at(options->rules.image, handing);
}

static int hand_over(struct journal_job *job)
{
	struct handing *handing = (struct handing *)job;
	char reason[128];
	int err = handing->result.is_delta ? look_at_delta(handing)
					   : look_at(handing->hand->files.image, handing);

	if (err == 0)
		put_in_force(handing);
	else
		(void)snprintf(handing->error, sizeof(handing->error),
			"the image does not open: %s", strerror_r(-err, reason, sizeof(reason)));
	return 0;
}

static int renew(struct journal_job *job)
{
	struct renewing *renewing = (struct renewing *)job;
	const struct control_options *options = renewing->hand->options;
	const char *image = options->rules.image;
	struct publish_parcel parcel = {"rules", image, NULL};
	struct publish_result unwanted = {0};
	struct ruleset *ruleset = NULL;
	bool differs;

	if (ruleset_open(image, &ruleset) != 0)
		return 0;
	differs = strcmp(ruleset_get_info(ruleset)->version, renewing->version) != 0;
	// One that lies there of another image does not count.
	if (has_delta(ruleset) && access(renewing->hand->files.old_delta, F_OK) == 0)
		parcel.delta = renewing->hand->files.old_delta;
	ruleset_close(ruleset);
	if (!differs)
		return 0;
	return publish_parcel_send(
		options, &parcel, &unwanted, renewing->error, sizeof(renewing->error));
}

// ---- on the main loop ---------------------------------------------------------------------------

static void handed_over(struct journal_job *job, int err)
{
	struct handing *handing = (struct handing *)job;

	(void)err;
	handing->hand->pending--;
	handing->result.why = handing->error;
	handing->done(handing->ctx, &handing->result);
	free(handing);
}

static void renewed(struct journal_job *job, int err)
{
	struct renewing *renewing = (struct renewing *)job;

	renewing->hand->pending--;
	renewing->done(renewing->ctx, err != 0 ? renewing->error : "");
	free(renewing);
}

int publish_hand_over(struct publish_hand *hand, const struct publish_result *result,
	publish_look_fn look, void *look_ctx, publish_handed_fn done, void *ctx)
{
	struct handing *handing = calloc(1, sizeof(*handing));

	if (handing == NULL)
		return -ENOMEM;
	*handing = (struct handing){.job = {.write = hand_over, .done = handed_over},
		.hand = hand,
		.result = *result,
		.look = look,
		.look_ctx = look_ctx,
		.done = done,
		.ctx = ctx};
	hand->pending++;
	journal_push(hand->journal, &handing->job);
	return 0;
}

int publish_hand_renew(
	struct publish_hand *hand, const char *version, publish_renewed_fn done, void *ctx)
{
	struct renewing *renewing = calloc(1, sizeof(*renewing));

	if (renewing == NULL)
		return -ENOMEM;
	*renewing = (struct renewing){
		.job = {.write = renew, .done = renewed}, .hand = hand, .done = done, .ctx = ctx};
	(void)snprintf(renewing->version, sizeof(renewing->version), "%s", version);
	hand->pending++;
	journal_push(hand->journal, &renewing->job);
	return 0;
}

bool publish_hand_is_busy(const struct publish_hand *hand)
{
	return hand->pending > 0;
}

int publish_hand_new(const struct control_options *options, struct publish_base *base,
	const struct publish_files *files, struct publish_hand **out)
{
	struct publish_hand *hand = calloc(1, sizeof(*hand));
	int err;

	if (hand == NULL)
		return -ENOMEM;
	hand->options = options;
	hand->base = base;
	hand->files = *files;
	err = journal_new(&hand->journal);
	if (err == 0)
		*out = hand;
	else
		free(hand);
	return err;
}

void publish_hand_free(struct publish_hand *hand)
{
	if (hand == NULL)
		return;
	journal_free(hand->journal);
	free(hand);
}
