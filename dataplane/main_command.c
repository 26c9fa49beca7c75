// SPDX-License-Identifier: BSD-3-Clause
// What the running dataplane answers at its socket.
#include "dataplane/command.h"
#include "dataplane/main.h"

#include <rte_mempool.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- seals --------------------------------------------------------------------------------------

int main_apply_seals(struct gateway *gateway, struct engine_seals *seals)
{
	bool is_running = atomic_load_explicit(&gateway->shared.running, memory_order_acquire) > 0;

	for (uint32_t i = 0; i < gateway->workers_count; i++)
		worker_orders_give_seals(worker_get_orders(gateway->workers[i]), seals);
	for (uint32_t i = 0; is_running && i < gateway->workers_count; i++) {
		int err = worker_orders_wait_seals(worker_get_orders(gateway->workers[i]), seals);

		// A worker that does not turn may take up these or those: both stay for good.
		if (err != 0)
			return err;
	}
	free(gateway->seals);
	gateway->seals = seals;
	return 0;
}

// What every answer says of the state; error NULL: it is well.
static char *get_state(const struct gateway *gateway, const char *error)
{
	const struct ruleset_info *info = worker_rules_info(gateway->rules);
	struct json_writer json;
	char text[512];

	json_begin(&json, text, sizeof(text));
	json_open(&json, NULL, '{');
	if (error != NULL)
		json_text(&json, "error", error);
	else
		json_bool(&json, "ok", true);
	json_text(&json, "ruleset", info->version);
	json_number(&json, "signatures", info->signatures);
	json_number(&json, "seals_generation", gateway->seals->generation);
	json_number(&json, "seals", gateway->seals->count);
	json_number(
		&json, "uptime_seconds", worker_clock_ns(&gateway->shared) / (uint64_t)SECOND_NS);
	json_close(&json, '}');
	return json.at != NULL ? strndup(text, (size_t)(json.at - text)) : NULL;
}

static char *set_seals(struct gateway *gateway, const char *text)
{
	struct engine_seals *seals = NULL;
	char error[256] = "";
	struct json_writer json;
	char members[512];
	int err = seals_parse(text, strlen(text), &seals, error, sizeof(error));

	if (err == 0) {
		err = main_apply_seals(gateway, seals);
		if (err != 0)
			(void)snprintf(error, sizeof(error), "a worker does not turn");
	}
	json_begin(&json, members, sizeof(members));
	json_text(&json, "result", err == 0 ? "applied" : "refused");
	json_text(&json, "why", error);
	json_number(&json, "generation", gateway->seals->generation);
	json_number(&json, "open", gateway->seals->count);
	main_report(gateway, "seal", &json, members);
	return get_state(gateway, err == 0 ? NULL : error);
}

// ---- rules --------------------------------------------------------------------------------------

static char *set_rules(struct gateway *gateway, int fd, bool is_delta)
{
	const struct worker_rules_image image = {fd, is_delta};
	char before[sizeof(((struct ruleset_info *)0)->version)];
	char error[256] = "no image came with it";
	const struct ruleset_info *info = worker_rules_info(gateway->rules);
	struct json_writer json;
	char text[512];
	int err = -EINVAL;

	(void)snprintf(before, sizeof(before), "%s", info->version);
	if (fd >= 0)
		err = worker_rules_set(gateway->rules, &image, &gateway->options.engine.scan, error,
			sizeof(error));
	info = worker_rules_info(gateway->rules);
	gateway->stats.ruleset = info;
	json_begin(&json, text, sizeof(text));
	json_text(&json, "result", err == 0 ? "applied" : "refused");
	json_text(&json, "why", err == 0 ? "" : error);
	json_text(&json, "from", before);
	json_text(&json, "ruleset", info->version);
	json_number(&json, "signatures", info->signatures);
	main_report(gateway, "swap", &json, text);
	return get_state(gateway, err == 0 ? NULL : error);
}

// ---- answers ------------------------------------------------------------------------------------

static char *get_stats(struct gateway *gateway)
{
	for (uint32_t i = 0; i < gateway->ports.count; i++)
		port_get_stats(&gateway->ports.port[i], &gateway->port_stats[i]);
	gateway->stats.uptime_ns = worker_clock_ns(&gateway->shared);
	gateway->stats.mbufs_free = rte_mempool_avail_count(gateway->ports.pool);
	return stats_json(&gateway->stats);
}

void main_answer(void *ctx, struct local_request *request, struct local_answer *answer)
{
	struct gateway *gateway = ctx;
	enum command command;
	const char *text;

	if (command_parse(request->text, request->bytes, &command, &text) != 0) {
		answer->text = strdup("{\"error\":\"unknown command\"}");
		return;
	}
	switch (command) {
	case COMMAND_PING:
		answer->text = get_state(gateway, NULL);
		break;
	case COMMAND_SEALS:
		answer->text = set_seals(gateway, text);
		break;
	case COMMAND_RULES:
		answer->text = set_rules(gateway, request->fd, false);
		break;
	case COMMAND_DELTA:
		answer->text = set_rules(gateway, request->fd, true);
		break;
	case COMMAND_STATS:
		answer->text = get_stats(gateway);
		break;
	}
}
