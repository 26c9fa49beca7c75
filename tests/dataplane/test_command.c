// SPDX-License-Identifier: BSD-3-Clause
// What the dataplane is asked, and the answer to "stats".
#include "dataplane/command.h"
#include "dataplane/command_stats.h"
#include "tests/support/unit.h"

#include <jansson.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *text;

static int parse(const char *packet, size_t n, enum command *out)
{
	static char data[64];

	memcpy(data, packet, n);
	data[n] = '\0';
	return command_parse(data, n, out, &text);
}

static void a_command_is_a_name_and_perhaps_a_text(void **state)
{
	(void)state;
	enum command command;

	assert_int_equal(parse("stats", 5, &command), 0);
	assert_int_equal(command, COMMAND_STATS);
	assert_string_equal(text, "");
	assert_int_equal(parse("ping\n", 5, &command), 0);
	assert_int_equal(command, COMMAND_PING);
	assert_int_equal(parse("rules  now\n", 11, &command), 0);
	assert_int_equal(command, COMMAND_RULES);
	assert_string_equal(text, " now");
}

static void what_is_no_command_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"x", " stats", "STATS", "stats\n\n", "\n", "statsping",
		"stat", "", " ", "stats\tx"};
	enum command command;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse(bad[i], strlen(bad[i]), &command), -EINVAL);
	assert_int_equal(parse("stats\0", 6, &command), -EINVAL);
	assert_int_equal(parse("stats \0x", 8, &command), -EINVAL);
}

// The control process asks how the dataplane is each second, and for its counters where it has a page, and serves
// nothing before it knows.
static void seals_and_what_only_asks_are_urgent(void **state)
{
	(void)state;
	static const char *const urgent[] = {"ping", "ping\n", "seals",
		"seals {\"generation\":1,\"seals\":[", "open-seals", "stats", "config"};
	static const char *const others[] = {"", "rules", "delta", "screen none", "screen-layer",
		"alerts 7", "sealsx", "pin", "pings", "screen seals", " ping"};

	for (size_t i = 0; i < sizeof(urgent) / sizeof(urgent[0]); i++)
		assert_true(command_is_urgent(urgent[i]));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(command_is_urgent(others[i]));
}

static void stats_without_workers_are_whole(void **state)
{
	(void)state;
	const struct stats_port port = {
		.link = "lan0", .side = "outside", .device = "eth1", .up = true, .rx_packets = 7};
	const struct ruleset_info ruleset = {.version = "v", .signatures = 3};
	const struct stats_source source = {.gateway = "g",
		.ports = &port,
		.ports_count = 1,
		.ruleset = &ruleset,
		.uptime_ns = 5000000000};
	char *json = stats_json(&source);
	json_t *root = json_loads(json, 0, NULL);
	uint32_t count;

	(void)counters_info(&count);
	assert_non_null(root);
	assert_int_equal(json_object_size(json_object_get(root, "counters")), count);
	assert_int_equal(json_object_size(json_object_get(root, "about")), count);
	assert_int_equal(json_integer_value(json_object_get(root, "uptime_seconds")), 5);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(root, "ruleset"), "signatures")),
		3);
	assert_int_equal(json_integer_value(json_object_get(
				 json_array_get(json_object_get(root, "ports"), 0), "rx_packets")),
		7);
	assert_true(
		json_is_integer(json_object_get(json_object_get(root, "tcp_drops"), "bad-flags")));
	assert_true(json_is_integer(
		json_object_get(json_object_get(root, "memory"), "message_state_bytes")));
	json_decref(root);
	free(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_is_a_name_and_perhaps_a_text),
		cmocka_unit_test(what_is_no_command_is_refused),
		cmocka_unit_test(seals_and_what_only_asks_are_urgent),
		cmocka_unit_test(stats_without_workers_are_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
