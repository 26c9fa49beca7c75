// SPDX-License-Identifier: BSD-3-Clause
#include "control/alerts_inside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HOUR_S 3600

static int refused(struct taking *taking, const char *why)
{
	(void)snprintf(taking->why, sizeof(taking->why), "%s", why);
	return -EACCES;
}

static bool is_for_us(const struct alerts *alerts, const struct alert *alert)
{
	const struct alerts_options *options = &alerts->options;

	if (alert->target == TARGET_ALL)
		return true;
	if (alert->target == TARGET_GATEWAY)
		return strcmp(alert->target_name, options->gateway) == 0;
	for (size_t i = 0; i < options->groups_count; i++) {
		if (strcmp(options->groups[i], alert->target_name) == 0)
			return true;
	}
	return false;
}

static bool may_seal(struct alerts *alerts, int64_t now_s)
{
	double most = alerts->options.seals_in_an_hour;

	if (now_s > alerts->seals_left_at_s)
		alerts->seals_left += (double)(now_s - alerts->seals_left_at_s) * most / HOUR_S;
	alerts->seals_left_at_s = now_s;
	if (alerts->seals_left > most)
		alerts->seals_left = most;
	return alerts->seals_left >= 1;
}

// What it has to be newer than, where that is not what has the highest number now: a seal does not wait for a list that
// is being read, or is still coming; all else has kept its order.
static bool find_highest(
	const struct alerts *alerts, const struct taking *taking, struct order_highest *out)
{
	const struct alert *alert = &taking->alert;
	struct order_highest then;
	bool is_passed = taking->highest != NULL;

	if (alert->role != ROLE_ALERTS || alert->type == ALERT_SEAL)
		return false;
	if (is_passed)
		then = *taking->highest;
	if (alert->type == ALERT_SCREEN &&
		alerts_highest_at(alerts, taking->source->began_us, &then))
		is_passed = true;
	if (!is_passed)
		return false;
	*out = alerts->in_order;
	order_highest_raise(out, &then);
	return true;
}

static int check_order(struct alerts *alerts, struct taking *taking)
{
	const struct alert *alert = &taking->alert;
	struct order_highest highest;
	struct order_limits limits = {
		.epoch_least = keys_epoch(alerts->root.keys, alert->role),
		.most_ahead = alerts->options.most_ahead,
	};
	const char *why = "its order cannot be looked up";
	int err;

	if (alert->type == ALERT_ROOT)
		return alerts_root_check(&alerts->root, alert, taking->envelope, taking->now_s,
			&taking->keys, taking->why);
	if (find_highest(alerts, taking, &highest))
		limits.highest = &highest;
	err = alert_order_check(alerts->order, alert, taking->digest, &limits, &why);
	return err == 0 ? 0 : refused(taking, why);
}

// A clock that has gone back says nothing of the future; the latest time that was seen says what is past.
// By a second or two the clocks that make it differ always.
static int check_freshness(const struct alerts *alerts, struct taking *taking, int64_t clock_s)
{
	const struct alert *alert = &taking->alert;

	if (alert->type != ALERT_ROOT && keys_expires(alerts->root.keys) <= taking->now_s)
		return refused(taking, "the root document has expired");
	if (alert->expires_s <= taking->now_s)
		return refused(taking, "expired");
	if (clock_s + alerts->options.skew_s >= taking->now_s &&
		alert->issued_s > taking->now_s + alerts->options.skew_s)
		return refused(taking, "issued in the future");
	return 0;
}

int alerts_judge(struct alerts *alerts, struct taking *taking, uint64_t signers, int64_t clock_s)
{
	const struct alert *alert = &taking->alert;
	int err;

	if (strcmp(alert->vendor, alerts->root.vendor) != 0)
		return refused(taking, "another vendor");
	if (alert->type != ALERT_ROOT && keys_count(alerts->root.keys, alert->role, signers) <
						 keys_threshold(alerts->root.keys, alert->role))
		return refused(taking, "too few signatures");
	if (!is_for_us(alerts, alert))
		return refused(taking, "for another gateway");
	err = check_freshness(alerts, taking, clock_s);
	if (err == 0)
		err = check_order(alerts, taking);
	if (err == 0 && alert->type == ALERT_SEAL && !may_seal(alerts, taking->now_s))
		err = refused(taking, "too many seals in an hour");
	return err;
}
