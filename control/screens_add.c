// SPDX-License-Identifier: BSD-3-Clause
// Lists that come, of alerts and of operators.
#include "control/control.h"
#include "control/screens_inside.h"
#include "control/screens_notes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int push_list(
	struct screens *screening, struct screens_job *job, const char *alert, uint64_t client)
{
	struct screens_waiter *waiter = screens_waiter_new(alert, client);

	if (waiter == NULL)
		return -ENOMEM;
	(void)snprintf(job->list.alert, sizeof(job->list.alert), "%s", alert);
	job->most = screening->control->options.screening.entries;
	job->list.added_s = job->now_s;
	if (job->list.expires_s == 0 ||
		job->list.expires_s >
			job->now_s + screening->control->options.screening.max_seconds)
		job->list.expires_s =
			job->now_s + screening->control->options.screening.max_seconds;
	job->ctx = waiter;
	screening->changes++;
	screens_work_push(screening->work, job);
	return 0;
}

bool screens_is_known(const struct screens *screening, const char *virus_id)
{
	return virus_id[0] != '\0' &&
	       screens_notes_find(screening->doubted, virus_id) == SIZE_MAX &&
	       publish_has_virus_id(screening->control->publish, virus_id);
}

static int push_alert(
	struct screens *screening, const struct alert *alert, const char *digest, char *text)
{
	struct screens_job *job = screens_job_new(SCREENS_ADD);
	int err;

	if (job == NULL)
		return -ENOMEM;
	(void)snprintf(job->list.virus_id, sizeof(job->list.virus_id), "%s", alert->virus_id);
	(void)snprintf(job->list.origin, sizeof(job->list.origin), "vendor %s", alert->vendor);
	job->list.expires_s = alert->expires_s;
	job->list.issue = (struct screen_store_issue){alert->issued_s, alert->came_us};
	job->text = text;
	err = push_list(screening, job, digest, API_NOBODY);
	if (err != 0)
		free(job);
	return err;
}

int screens_take(struct screens *screening, const struct alert *alert, const char *digest,
	char *why, size_t why_bytes)
{
	char *text;
	int err = -ENOMEM;

	if (screens_is_known(screening, alert->virus_id)) {
		screens_tell(screening, "off",
			json_pack("{s:[s], s:I, s:s}", "virus_ids", alert->virus_id, "entries",
				(json_int_t)0, "why", "covered before it came"));
		return 0;
	}
	text = alert->list != NULL ? strdup(alert->list) : json_dumps(alert->body, JSON_COMPACT);
	if (text != NULL && !screens_work_has_room(screening->work, text)) {
		(void)snprintf(why, why_bytes, "too many long lists at once");
		err = -EACCES;
	} else if (text != NULL) {
		err = push_alert(screening, alert, digest, text);
	}
	if (err != 0)
		free(text);
	if (err == -ENOMEM)
		(void)snprintf(why, why_bytes, "no memory for the list");
	return err == 0 ? -EINPROGRESS : err;
}

int screens_add(struct screens *screening, const struct screens_order *order)
{
	struct screens_job *job = screens_job_new(SCREENS_ADD);
	int err;

	if (job == NULL) {
		free(order->text);
		return -ENOMEM;
	}
	job->text = order->text;
	(void)snprintf(job->list.virus_id, sizeof(job->list.virus_id), "%s", order->virus_id);
	(void)snprintf(job->list.origin, sizeof(job->list.origin), "operator %s", order->who);
	(void)snprintf(job->list.why, sizeof(job->list.why), "%s", order->why);
	job->list.expires_s = order->seconds > 0 ? job->now_s + order->seconds : 0;
	err = push_list(screening, job, "", order->client);
	if (err != 0) {
		free(job->text);
		free(job);
	}
	return err;
}

int screens_copy(struct screens *screening, const struct screen_store_choice *choice,
	const json_t *request, int fd, uint64_t client)
{
	struct screens_job *job = screens_job_new(SCREENS_COPY);
	struct screens_waiter *waiter = screens_waiter_new("", client);

	if (job == NULL || waiter == NULL) {
		free(job);
		free(waiter);
		(void)close(fd);
		return -ENOMEM;
	}
	job->request = json_deep_copy(request);
	job->choice = *choice;
	job->choice.virus_id = json_string_value(json_object_get(job->request, "virus_id"));
	job->choice.digest = json_string_value(json_object_get(job->request, "digest"));
	job->choice.name = json_string_value(json_object_get(job->request, "name"));
	job->fd = fd;
	job->ctx = waiter;
	screens_work_push(screening->work, job);
	return 0;
}
