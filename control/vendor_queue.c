// SPDX-License-Identifier: BSD-3-Clause
#include "control/vendor_queue.h"

void vendor_queue_init(struct vendor_queue *queue)
{
	for (enum key_role role = ROLE_ROOT; role < ROLES; role++)
		g_queue_init(&queue->roles[role]);
}

void vendor_queue_clear(struct vendor_queue *queue)
{
	for (enum key_role role = ROLE_ROOT; role < ROLES; role++)
		g_queue_clear(&queue->roles[role]);
}

void vendor_queue_add(struct vendor_queue *queue, struct queue_alert *alert)
{
	GQueue *role = &queue->roles[alert->role];
	const struct queue_alert *last = g_queue_peek_tail(role);

	if (last != NULL && last->type == ALERT_PING)
		(void)g_queue_pop_tail(role);
	g_queue_push_tail(role, alert);
}

static struct queue_alert *first(GQueue *role)
{
	struct queue_alert *alert;

	while ((alert = g_queue_peek_head(role)) != NULL && alert->is_over)
		(void)g_queue_pop_head(role);
	return alert;
}

unsigned int vendor_queue_next(struct vendor_queue *queue, struct queue_alert *out[ROLES])
{
	const struct queue_alert *seal = first(&queue->roles[ROLE_ALERTS]);
	struct queue_alert *root = first(&queue->roles[ROLE_ROOT]);
	unsigned int count = 0;

	if (root != NULL) {
		out[0] = root;
		return 1;
	}
	for (enum key_role role = ROLE_ALERTS; role < ROLES; role++) {
		struct queue_alert *alert = first(&queue->roles[role]);

		if (alert == NULL)
			continue;
		if (role != ROLE_ALERTS && seal != NULL && seal->type != ALERT_PING &&
			seal->number < alert->number)
			continue;
		out[count++] = alert;
	}
	return count;
}

bool vendor_queue_remove(struct vendor_queue *queue, const struct queue_alert *alert)
{
	return g_queue_remove(&queue->roles[alert->role], alert);
}

bool vendor_queue_has(const struct vendor_queue *queue, const struct queue_alert *alert)
{
	return g_list_find(queue->roles[alert->role].head, alert) != NULL;
}

bool vendor_queue_is_empty(const struct vendor_queue *queue)
{
	for (enum key_role role = ROLE_ROOT; role < ROLES; role++) {
		if (queue->roles[role].head != NULL)
			return false;
	}
	return true;
}
