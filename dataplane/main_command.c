// SPDX-License-Identifier: BSD-3-Clause
// What the running dataplane answers at its socket.
#include "dataplane/command.h"
#include "dataplane/main.h"

#include <rte_mempool.h>

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- seals --------------------------------------------------------------------------------------

// Those before them, once no worker looks at these any more.
static void free_before(struct gateway *gateway)
{
	for (uint32_t i = 0; i < gateway->workers_count; i++) {
		if (!worker_orders_have_taken(
			    worker_get_orders(gateway->workers[i]), gateway->seals))
			return;
	}
	free(gateway->seals_before);
	gateway->seals_before = NULL;
}

int main_apply_seals(struct gateway *gateway, struct engine_seals *seals)
{
	bool is_running = atomic_load_explicit(&gateway->shared.running, memory_order_acquire) > 0;

	if (gateway->seals_before != NULL)
		free_before(gateway);
	for (uint32_t i = 0; i < gateway->workers_count; i++)
		worker_orders_give_seals(worker_get_orders(gateway->workers[i]), seals);
	for (uint32_t i = 0; is_running && i < gateway->workers_count; i++) {
		// Of one that naps only the last ones before are kept.
		int err = worker_orders_wait_seals(worker_get_orders(gateway->workers[i]), seals,
			gateway->seals_before != NULL);

		// A worker that does not turn may take up these or those: both stay for good.
		if (err != 0)
			return err;
	}
	free(gateway->seals_before);
	gateway->seals_before = gateway->seals;
	gateway->seals = seals;
	if (is_running)
		free_before(gateway);
	return 0;
}

// What every answer says of the state; error NULL: it is well.
static char *get_state(const struct gateway *gateway, const char *error)
{
	const struct ruleset_info *info = worker_rules_info(gateway->rules);
	const struct screen_info *screen = ruleset_get_screen(worker_rules_get(gateway->rules));
	struct counters sum;
	struct json_writer json;
	char text[1024];

	stats_sum(&gateway->stats, &sum);
	json_begin(&json, text, sizeof(text));
	json_open(&json, NULL, '{');
	if (error != NULL)
		json_text(&json, "error", error);
	else
		json_bool(&json, "ok", true);
	json_text(&json, "ruleset", info->version);
	json_number(&json, "signatures", info->signatures);
	json_text(&json, "screen", screen->version);
	json_number(&json, "screen_entries", screen->entries);
	json_number(&json, "seals_generation", gateway->seals->generation);
	json_number(&json, "seals", gateway->seals->count);
	json_number(&json, "wrapped_passed", sum.wrapped_passed);
	json_number(&json, "wrapped_dropped", sum.wrapped_dropped);
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
	if (err == 0) {
		free(gateway->seals_text);
		gateway->seals_text = strdup(text);
	}
	json_begin(&json, members, sizeof(members));
	json_text(&json, "result", err == 0 ? "applied" : "refused");
	json_text(&json, "why", error);
	json_number(&json, "generation", gateway->seals->generation);
	json_number(&json, "open", gateway->seals->count);
	main_report(gateway, "seal", &json, members);
	return get_state(gateway, err == 0 ? NULL : error);
}

void main_serve_urgent(void *ctx)
{
	const struct gateway *gateway = ctx;

	local_server_serve_urgent(gateway->command, command_is_urgent);
}

// ---- rules --------------------------------------------------------------------------------------

static char *set_rules(struct gateway *gateway, int fd, enum worker_rules_kind kind)
{
	const struct worker_rules_image image = {fd, kind};
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

// ---- lists of checksums -------------------------------------------------------------------------

static char *set_screen(
	struct gateway *gateway, int fd, enum worker_rules_kind kind, const char *text)
{
	const bool is_none = kind == WORKER_RULES_LIST && strcmp(text, "none") == 0;
	const struct worker_rules_image image = {is_none ? -1 : fd, kind};
	const struct screen_info *screen = ruleset_get_screen(worker_rules_get(gateway->rules));
	char before[sizeof(screen->version)];
	char error[256] = "no image came with it";
	struct json_writer json;
	char members[512];
	int err = -EINVAL;

	(void)snprintf(before, sizeof(before), "%s", screen->version);
	if (fd >= 0 || is_none)
		err = worker_rules_set(gateway->rules, &image, &gateway->options.engine.scan, error,
			sizeof(error));
	gateway->stats.ruleset = worker_rules_info(gateway->rules);
	screen = ruleset_get_screen(worker_rules_get(gateway->rules));
	json_begin(&json, members, sizeof(members));
	json_text(&json, "result", err == 0 ? "applied" : "refused");
	json_text(&json, "why", err == 0 ? "" : error);
	json_text(&json, "from", before);
	json_text(&json, "screen", screen->version);
	json_number(&json, "entries", screen->entries);
	main_report(gateway, "screening", &json, members);
	return get_state(gateway, err == 0 ? NULL : error);
}

// Of some, rarely many.
static char *get_screen_hits(const struct gateway *gateway)
{
	const size_t each = sizeof("{\"id\":\"0123456789abcdef\",\"hits\":18446744073709551615},");
	const struct ruleset *ruleset = worker_rules_get(gateway->rules);
	const struct screen_info *screen = ruleset_get_screen(ruleset);
	const uint32_t numbers = ruleset_get_screen_numbers(ruleset);
	size_t room = 256;
	struct json_writer json;
	char *text;

	// A few more may hit meanwhile.
	for (uint32_t i = 0; i < numbers; i++)
		room += ruleset_get_screen_hits(ruleset, i) > 0 ? each : 0;
	room += 1024 * each;
	text = malloc(room);
	if (text == NULL)
		return NULL;
	json_begin(&json, text, room - 1);
	json_open(&json, NULL, '{');
	json_text(&json, "screen", screen->version);
	json_number(&json, "entries", screen->entries);
	json_number(&json, "run", gateway->run);
	json_open(&json, "hits", '[');
	for (uint32_t i = 0; i < numbers; i++) {
		uint64_t hits = ruleset_get_screen_hits(ruleset, i);
		struct screen_entry entry;
		uint64_t id_be;

		if (hits == 0 || !ruleset_get_screen_entry(ruleset, i, &entry))
			continue;
		id_be = htobe64(screen_id(&entry));
		json_open(&json, NULL, '{');
		json_hex(&json, "id", (const uint8_t *)&id_be, sizeof(id_be));
		json_number(&json, "hits", hits);
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_close(&json, '}');
	if (json.at == NULL) {
		free(text);
		return NULL;
	}
	*json.at = '\0';
	return text;
}

// ---- possible alerts ----------------------------------------------------------------------------

static uint64_t count_alerts(const struct gateway *gateway)
{
	struct counters sum;

	stats_sum(&gateway->stats, &sum);
	return sum.alerts_kept;
}

static void answer_waiter(struct gateway *gateway, uint64_t count)
{
	struct local_answer answer = {.fd = -1};

	if (asprintf(&answer.text, "{\"ok\":true,\"alerts\":%" PRIu64 "}", count) < 0)
		answer.text = NULL;
	gateway->waiter.is_there = false;
	local_server_answer(gateway->command, gateway->waiter.client, &answer);
}

void main_tell_alerts(struct gateway *gateway)
{
	uint64_t count = gateway->waiter.is_there ? count_alerts(gateway) : 0;

	if (gateway->waiter.is_there && count != gateway->waiter.known)
		answer_waiter(gateway, count);
}

// There is one control process: another one is told so, and whoever asked before and has gone is forgotten.
static void wait_for_alerts(
	struct gateway *gateway, uint64_t client, const char *text, struct local_answer *answer)
{
	if (gateway->waiter.is_there && gateway->waiter.client != client &&
		local_server_is_waiting(gateway->command, gateway->waiter.client)) {
		answer->text = strdup(
			"{\"error\":\"another control process is connected to this dataplane\"}");
		return;
	}
	gateway->waiter.is_there = true;
	gateway->waiter.client = client;
	gateway->waiter.known = strtoull(text, NULL, 10);
	answer->later = true;
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
	case COMMAND_OPEN_SEALS:
		answer->text =
			strdup(gateway->seals_text != NULL ? gateway->seals_text
							   : "{\"generation\":0,\"seals\":[]}");
		break;
	case COMMAND_RULES:
		answer->text = set_rules(gateway, request->fd, WORKER_RULES_IMAGE);
		break;
	case COMMAND_DELTA:
		answer->text = set_rules(gateway, request->fd, WORKER_RULES_DELTA);
		break;
	case COMMAND_SCREEN:
		answer->text = set_screen(gateway, request->fd, WORKER_RULES_LIST, text);
		break;
	case COMMAND_SCREEN_LAYER:
		answer->text = set_screen(gateway, request->fd, WORKER_RULES_LIST_LAYER, text);
		break;
	case COMMAND_SCREEN_HITS:
		answer->text = get_screen_hits(gateway);
		break;
	case COMMAND_ALERTS:
		wait_for_alerts(gateway, request->client, text, answer);
		break;
	case COMMAND_CONFIG:
		answer->text = options_json(&gateway->options);
		break;
	case COMMAND_STATS:
		answer->text = get_stats(gateway);
		break;
	}
}
