// SPDX-License-Identifier: BSD-3-Clause
#include "control/alert_apply.h"

#include "control/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S 1000000000

static int refuse(char *why, size_t why_bytes, int err, const char *text)
{
	char reason[128];

	(void)snprintf(why, why_bytes, "%s",
		text[0] != '\0' ? text : strerror_r(-err, reason, sizeof(reason)));
	return err;
}

static const char *title_of(const struct alert *alert)
{
	const char *title = json_string_value(
		json_object_get(json_object_get(alert->payload, "info"), "title"));

	return title != NULL ? title : "";
}

// A seal that the dataplane goes by, and that is not in its file yet.
struct staged {
	struct control *control;
	struct seals_write *write; // NULL: there is no memory
};

static int stage_seal(struct control *control, const struct alert *alert, const char *origin,
	char *why, size_t why_bytes)
{
	json_t *seal = json_copy((json_t *)(uintptr_t)alert->body);
	char error[ALERT_WHY_BYTES] = "";
	int err;

	(void)json_object_set_new(seal, "virus_id", json_string(alert->virus_id));
	(void)json_object_set_new(seal, "why", json_string(title_of(alert)));
	err = seals_stage(
		control->seals, seal, origin, control_now_ns() / NS_PER_S, error, sizeof(error));
	json_decref(seal);
	return err == 0 ? 0 : refuse(why, why_bytes, err, err == -EINVAL ? error : "");
}

static void name_origin(const struct alert *alert, char out[ALERT_NAME_BYTES + 16])
{
	(void)snprintf(out, ALERT_NAME_BYTES + 16, "vendor %s", alert->vendor);
}

static json_t *describe_seal(const struct alert *alert)
{
	char origin[ALERT_NAME_BYTES + 16];

	name_origin(alert, origin);
	return json_pack("{s:s, s:O, s:s}", "virus_id", alert->virus_id, "mode",
		json_object_get(alert->body, "mode"), "origin", origin);
}

// A dataplane that has not understood is told again every second: the seal stands.
static void report_seal(struct control *control, const struct alert *alert)
{
	control_seals_report(control, "seal", describe_seal(alert));
}

static bool is_open(const struct control *control, const char *virus_id)
{
	json_t *seal;
	size_t i;

	json_array_foreach(seals_list(control->seals), i, seal)
	{
		if (strcmp(json_string_value(json_object_get(seal, "virus_id")), virus_id) == 0)
			return true;
	}
	return false;
}

// A process that is killed before the dataplane has answered has not told of its seal; one that is killed before the
// receipt is durable has, as a reader may see by what is resumed.
static void tell_again(void *ctx, const struct alert *alert)
{
	json_t *members;

	if (alert->type != ALERT_SEAL || !is_open(ctx, alert->virus_id))
		return;
	members = describe_seal(alert);
	(void)json_object_set_new(members, "resumed", json_true());
	control_seals_report(ctx, "seal", members);
}

// One that is durable by now, or behind another alert.
static int apply_seal(
	struct control *control, const struct alert *alert, char *why, size_t why_bytes)
{
	char origin[ALERT_NAME_BYTES + 16];
	int err;

	name_origin(alert, origin);
	err = stage_seal(control, alert, origin, why, why_bytes);
	if (err != 0)
		return err;
	control_seals_tell(control);
	err = seals_settle(control->seals);
	if (err != 0) {
		control_seals_tell(control);
		return refuse(why, why_bytes, err, "");
	}
	report_seal(control, alert);
	return 0;
}

static int write_staged(void *data)
{
	const struct staged *staged = data;

	return staged->write != NULL ? seals_write(staged->write) : -ENOMEM;
}

static void end_staged(void *data, int err)
{
	struct staged *staged = data;

	if (staged->write != NULL)
		seals_write_end(staged->control->seals, staged->write, err);
	free(staged);
}

static int act(
	void *ctx, const struct alert *alert, char *why, size_t why_bytes, struct alerts_kept *kept)
{
	struct control *control = ctx;
	struct staged *staged = calloc(1, sizeof(*staged));
	char origin[ALERT_NAME_BYTES + 16];
	int err;

	if (staged == NULL)
		return refuse(why, why_bytes, -ENOMEM, "");
	name_origin(alert, origin);
	err = stage_seal(control, alert, origin, why, why_bytes);
	if (err != 0) {
		free(staged);
		return err;
	}
	control_seals_tell(control);
	dataplane_link_step_aside(&control->link);
	staged->control = control;
	staged->write = seals_settle_later(control->seals);
	kept->write = write_staged;
	kept->end = end_staged;
	kept->data = staged;
	report_seal(control, alert);
	return 0;
}

static int apply_all_clear(
	struct control *control, const struct alert *alert, char *why, size_t why_bytes)
{
	int ended = seals_end(control->seals, alert->virus_id);

	if (ended < 0)
		return refuse(why, why_bytes, ended, "");
	if (ended > 0)
		control_seals_changed(control, "unseal",
			json_pack("{s:s, s:s}", "virus_id", alert->virus_id, "why", "all-clear"));
	ended = screens_clear(control->screening, alert);
	return ended == 0 ? 0 : refuse(why, why_bytes, ended, "");
}

static int apply(
	void *ctx, const struct alert *alert, const char *digest, char *why, size_t why_bytes)
{
	struct control *control = ctx;
	int err;

	if (alert->type == ALERT_SEAL)
		return apply_seal(control, alert, why, why_bytes);
	if (alert->type == ALERT_ALL_CLEAR)
		return apply_all_clear(control, alert, why, why_bytes);
	if (alert->type == ALERT_SCREEN)
		return screens_take(control->screening, alert, digest, why, why_bytes);
	if (alert->type == ALERT_UPDATE || alert->type == ALERT_REVOKE) {
		err = update_take(control->update, alert, digest, why, why_bytes);
		if (err == -EINPROGRESS && alert->type == ALERT_REVOKE)
			(void)screens_clear(control->screening, alert);
		return err == -EINPROGRESS || why[0] != '\0' ? err
							     : refuse(why, why_bytes, err, "");
	}
	return refuse(why, why_bytes, -ENOTSUP, "this gateway does not know how");
}

static json_t *get_state(void *ctx)
{
	const struct control *control = ctx;
	json_t *open = json_array();
	json_t *seal;
	size_t i;

	json_array_foreach(seals_list(control->seals), i, seal)
	{
		(void)json_array_append(open, json_object_get(seal, "virus_id"));
	}
	return json_pack("{s:b, s:o, s:s, s:b}", "sealed", seals_count(control->seals) > 0, "open",
		open, "ruleset", control->link.ruleset, "in_force",
		control_seals_in_force(control));
}

static void when_told(void *ctx, void (*then)(void *data), void *data)
{
	control_seals_when_told(ctx, then, data);
}

static void tell(void *ctx, const char *event, json_t *members)
{
	const struct control *control = ctx;

	control_events_write(control->events, event, members);
}

int alert_apply_open(struct control *control, struct alerts **out, char *error, size_t error_bytes)
{
	const struct control_options *from = &control->options;
	static const char *groups[CONTROL_MAX_TEXTS];
	static char marks[CONTROL_TEXT_BYTES + 8];
	const struct alerts_options options = {
		.gateway = from->gateway,
		.groups = groups,
		.groups_count = from->alerts.groups_count,
		.folder = from->state,
		.marks = marks,
		.root = from->alerts.root,
		.most_ahead = from->alerts.most_ahead,
		.skew_s = from->alerts.skew_seconds,
		.stale_s = from->alerts.stale_seconds,
		.seals_in_an_hour = from->alerts.seals_per_hour,
	};
	const struct alerts_actions actions = {
		apply, get_state, tell, control, act, when_told, tell_again};

	// The socket's folder is in memory as a rule.
	(void)snprintf(marks, sizeof(marks), "%s.marks", from->socket);
	for (uint32_t i = 0; i < from->alerts.groups_count; i++)
		groups[i] = from->alerts.groups[i];
	return alerts_new(&options, &actions, out, error, error_bytes);
}
