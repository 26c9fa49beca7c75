// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/options.h"

// cmocka.h wants the first ones before it.
// clang-format off
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
// clang-format on

#define LINK "links: [{name: a, outside: {interface: x}, inside: {interface: y}}]\nrules: r\n"

static struct options loaded;

// Loads text; what it complains of is returned in a buffer that the caller frees.
static int load(const char *text, enum options_purpose purpose, char **complaints)
{
	size_t bytes;
	FILE *errors = open_memstream(complaints, &bytes);
	int err;

	assert_non_null(errors);
	err = options_load_text("f", text, strlen(text), purpose, &loaded, errors);
	assert_int_equal(fclose(errors), 0);
	return err;
}

static void expect_good(const char *text, enum options_purpose purpose)
{
	char *complaints = NULL;
	int err = load(text, purpose, &complaints);

	if (err != 0)
		print_error("%s\n", complaints);
	assert_int_equal(err, 0);
	assert_string_equal(complaints, "");
	free(complaints);
}

static void defaults_are_complete_and_valid(void **state)
{
	(void)state;
	options_init(&loaded);

	assert_int_equal(loaded.workers, 1);
	assert_int_equal(loaded.links[OPTIONS_MAX_LINKS - 1].mtu, 1500);
	assert_true(loaded.engine.smtp_ports_count > 0);
	assert_true(loaded.engine.name[0] != '\0');
	assert_string_equal(loaded.events, "-");
	assert_true(loaded.telemetry);
	expect_good("", OPTIONS_REPLAY);
	expect_good("# nothing but a comment\n", OPTIONS_REPLAY);
}

static void every_kind_of_value_arrives(void **state)
{
	(void)state;
	expect_good("gateway: mx7\n"
		    "workers: 3\n"
		    "spread: flows\n"
		    "telemetry: no\n"
		    "events: /tmp/e\n"
		    "eal: {hugepages: off, memory_mb: 64, lcores: 0-3, arguments: [--a, --b], "
		    "drivers: [net_tap]}\n"
		    "links:\n"
		    "  - name: lan0\n"
		    "    outside: {device: \"net_pcap0,iface=x\"}\n"
		    "    inside: {interface: eth1}\n"
		    "    mtu: 9000\n"
		    "  - {name: lan1, outside: {interface: eth2}, inside: {interface: eth3}}\n"
		    "smtp:\n"
		    "  ports: [25, 465]\n"
		    "  inbound: {infected: discard, bare_newline: refuse, unknown_verbs: pass}\n"
		    "  outbound: {suspect: deliver, starttls: pass, max_line_bytes: 998}\n"
		    "limits: {max_connections: 100, max_half_open: 10, digests: [md5, sha256], "
		    "all_matches: true}\n"
		    "rules: /r\n"
		    "test_faults: {seed: 9, jitter_us: 300}\n",
		OPTIONS_DAEMON);

	assert_string_equal(loaded.engine.name, "mx7");
	assert_int_equal(loaded.workers, 3);
	assert_int_equal(loaded.spread, SPREAD_FLOWS);
	assert_false(loaded.telemetry);
	assert_string_equal(loaded.events, "/tmp/e");
	assert_false(loaded.eal.hugepages);
	assert_int_equal(loaded.eal.memory_mb, 64);
	assert_int_equal(loaded.eal.arguments_count, 2);
	assert_string_equal(loaded.eal.arguments[1], "--b");
	assert_string_equal(loaded.eal.drivers[0], "net_tap");
	assert_int_equal(loaded.links_count, 2);
	assert_string_equal(loaded.links[0].side[LINK_OUTSIDE].device, "net_pcap0,iface=x");
	assert_string_equal(loaded.links[0].side[LINK_INSIDE].interface, "eth1");
	assert_int_equal(loaded.links[0].mtu, 9000);
	assert_int_equal(loaded.links[1].mtu, 1500);
	assert_int_equal(loaded.engine.smtp_ports_count, 2);
	assert_int_equal(loaded.engine.smtp_ports[1], 465);
	assert_int_equal(loaded.engine.policy[DIRECTION_INBOUND].infected, POLICY_DISCARD);
	assert_int_equal(loaded.engine.policy[DIRECTION_OUTBOUND].infected, POLICY_REJECT);
	assert_true(loaded.engine.policy[DIRECTION_INBOUND].smtp.report_bare_newline);
	assert_true(loaded.engine.policy[DIRECTION_INBOUND].smtp.pass_unknown_verbs);
	assert_int_equal(loaded.engine.policy[DIRECTION_OUTBOUND].suspect, POLICY_DELIVER);
	assert_int_equal(
		loaded.engine.policy[DIRECTION_OUTBOUND].smtp.starttls, SMTP_STARTTLS_PASS);
	assert_int_equal(loaded.engine.policy[DIRECTION_OUTBOUND].smtp.max_line_bytes, 998);
	assert_int_equal(loaded.engine.max_connections, 100);
	assert_int_equal(loaded.engine.scan.digests, DIGEST_MD5 | DIGEST_SHA256);
	assert_true(loaded.engine.scan.all_matches);
	assert_int_equal(loaded.test_faults.seed, 9);
	assert_int_equal(loaded.test_faults.jitter_us, 300);
}

// Each file is wrong in one way; the message begins with its line and names what it is about.
static const struct {
	const char *text;
	const char *line;
	const char *says;
} bad[] = {
	{"wrokers: 1\n", "f:1: ", "unknown key 'wrokers'"},
	{LINK "idle:\n  sleep_us: 5\n  naps: 1\n", "f:5: ", "unknown key 'idle.naps'"},
	{"links:\n  - name: a\n    colour: red\n", "f:3: ", "unknown key 'links[0].colour'"},
	{"smtp:\n  inbound:\n    infected: maybe\n", "f:3: ", "one of deliver, reject"},
	{"smtp:\n  inbound:\n    false_end: pass\n", "f:3: ", "one of refuse, normalise"},
	{LINK "workers: many\n", "f:3: ", "workers: must be a number from 1 to 64"},
	{LINK "workers: 65\n", "f:3: ", "workers: must be a number from 1 to 64"},
	{LINK "workers: -1\n", "f:3: ", "workers: must be a number"},
	{LINK "workers: 1.5\n", "f:3: ", "workers: must be a number"},
	{LINK "workers: 010\n", "f:3: ", "workers: must be a number"},
	{LINK "workers: 0x2\n", "f:3: ", "workers: must be a number"},
	{LINK "workers: 99999999999999999999\n", "f:3: ", "workers: must be a number"},
	{LINK "workers:\n", "f:3: ", "workers: must be a number"},
	{LINK "workers: [1]\n", "f:3: ", "workers: must be a number"},
	{LINK "telemetry: maybe\n", "f:3: ", "telemetry: must be true or false"},
	{LINK "eal: 7\n", "f:3: ", "eal: must be a mapping"},
	{"\n\nlinks: {name: a}\n", "f:3: ", "links: must be a list"},
	{"smtp:\n  ports: [25, 70000]\n", "f:2: ", "smtp.ports[1]: must be"},
	{"smtp:\n  ports: [25, 0]\n", "f:2: ", "smtp.ports[1]"},
	{"smtp:\n  ports: []\n", "f:2: ", "smtp.ports: at least one"},
	{"limits:\n  digests: [crc32]\n", "f:2: ", "a list of md5, sha1, sha256"},
	{LINK "workers: 1\nworkers: 2\n", "f:4: ", "'workers' is given twice"},
	{"a: *b\n", "f:1: ", ""},
	{"eal: &x {hugepages: no}\nidle: *x\n", "f:2: ", "aliases"},
	{"workers: [\n", "f:2: ", "not YAML"},
	{"workers: 1\n---\nworkers: 2\n", "f:2: ", "a second document"},
	{"gateway: \"a\\nb\"\n", "f:1: ", "control character"},
	{"gateway: \"a\\0b\"\n", "f:1: ", "control character"},
	{"? [a]\n: 1\n", "f:1: ", "a key must be a word"},
	{"eal: {arguments: [[[[[[[[[[1]]]]]]]]]]}\n", "f:1: ", ""},
	{"workers\n", "f:1: ", ""},
	{"rules: r\n", "f:1: ", "links: at least one"},
	{"links: [{name: a, outside: {interface: x}, inside: {interface: y}}]\n",
		"f:1: ", "rules: is missing"},
	{"rules: r\nlinks:\n  - name: a\n    outside: {interface: x}\n",
		"f:3: ", "links[0].inside: is missing"},
	{"rules: r\nlinks:\n  - name: a\n    outside: {}\n    inside: {interface: x}\n",
		"f:4: ", "either a device or an interface"},
	{"rules: r\nlinks:\n  - name: a\n    inside: {interface: x, device: net_ring0}\n"
	 "    outside: {interface: y}\n",
		"f:4: ", "either a device or an interface"},
	{"rules: r\nlinks:\n  - name: a\n    outside: {interface: x}\n    inside: {interface: x}\n",
		"f:5: ", "is a port already"},
	{"rules: r\nlinks:\n  - {name: a, outside: {interface: x}, inside: {interface: y}}\n"
	 "  - {name: a, outside: {interface: v}, inside: {interface: w}}\n",
		"f:4: ", "the name of another link"},
	{LINK "limits:\n  max_half_open: 20\n  max_connections: 16\n",
		"f:4: ", "max_half_open is more"},
	{"rules: r\nlinks: [{name: a, outside: {interface: abcdefghijklmnop}, inside: {interface: "
	 "y}}]\n",
		"f:2: ", "at most 15 bytes"},
};

static void every_mistake_names_its_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *complaints = NULL;
		int err = load(bad[i].text, OPTIONS_DAEMON, &complaints);

		if (err != -EINVAL || strstr(complaints, bad[i].line) != complaints ||
			strstr(complaints, bad[i].says) == NULL)
			print_error(
				"case %zu: %d\n%s--- said:\n%s", i, err, bad[i].text, complaints);
		assert_int_equal(err, -EINVAL);
		assert_ptr_equal(strstr(complaints, bad[i].line), complaints);
		assert_non_null(strstr(complaints, bad[i].says));
		free(complaints);
	}
}

static void all_unknown_keys_are_told_at_once(void **state)
{
	(void)state;
	char *complaints = NULL;

	assert_int_equal(load("a: 1\nb: 2\n", OPTIONS_REPLAY, &complaints), -EINVAL);
	assert_string_equal(complaints, "f:1: unknown key 'a'\nf:2: unknown key 'b'\n");
	free(complaints);
}

static void a_file_that_is_not_there_is_told(void **state)
{
	(void)state;
	char *complaints = NULL;
	size_t bytes;
	FILE *errors = open_memstream(&complaints, &bytes);

	assert_int_equal(
		options_load("/nonexistent/cordon.yaml", OPTIONS_DAEMON, &loaded, errors), -ENOENT);
	assert_int_equal(fclose(errors), 0);
	assert_string_equal(complaints,
		"/nonexistent/cordon.yaml: cannot be read: No such file or directory\n");
	free(complaints);
}

static void replay_needs_neither_links_nor_rules(void **state)
{
	(void)state;
	expect_good("smtp: {inbound: {infected: deliver}}\n", OPTIONS_REPLAY);
	assert_int_equal(loaded.engine.policy[DIRECTION_INBOUND].infected, POLICY_DELIVER);
}

static void a_policy_is_set_for_one_direction_or_both(void **state)
{
	(void)state;
	const struct engine_policy *policy = loaded.engine.policy;
	char error[256] = "";

	options_init(&loaded);
	assert_int_equal(options_set_policy(&loaded.engine, "infected=discard", error, 256), 0);
	assert_int_equal(policy[DIRECTION_INBOUND].infected, POLICY_DISCARD);
	assert_int_equal(policy[DIRECTION_OUTBOUND].infected, POLICY_DISCARD);
	assert_int_equal(
		options_set_policy(&loaded.engine, "outbound.infected=reject", error, 256), 0);
	assert_int_equal(policy[DIRECTION_INBOUND].infected, POLICY_DISCARD);
	assert_int_equal(policy[DIRECTION_OUTBOUND].infected, POLICY_REJECT);
	assert_int_equal(
		options_set_policy(&loaded.engine, "inbound.bare_newline=refuse", error, 256), 0);
	assert_true(policy[DIRECTION_INBOUND].smtp.report_bare_newline);
	assert_false(policy[DIRECTION_OUTBOUND].smtp.report_bare_newline);
	assert_int_equal(
		options_set_policy(&loaded.engine, "outbound.false-end=normalise", error, 256), 0);
	assert_int_equal(policy[DIRECTION_OUTBOUND].false_end, NEWLINE_NORMALISE);
	assert_int_equal(options_set_policy(&loaded.engine, "unknown-verbs=pass", error, 256), 0);
	assert_true(policy[DIRECTION_INBOUND].smtp.pass_unknown_verbs);
}

static void a_bad_policy_is_refused_with_its_reason(void **state)
{
	static const struct {
		const char *assignment;
		const char *says;
	} cases[] = {
		{"infected", "NAME=VALUE"},
		{"=reject", "no policy of that name"},
		{"-=reject", "no policy of that name"},
		{"false-ends=refuse", "no policy of that name"},
		{"false-en=refuse", "no policy of that name"},
		{"infected=", "one of deliver"},
		{"infected=burn", "one of deliver, reject, tempfail, discard"},
		{"sideways.infected=reject", "no policy of that name"},
		{"inbound.=reject", "no policy of that name"},
		{"infected.=reject", "no policy of that name"},
		{"a=inbound.infected", "no policy of that name"},
		{"max_line_bytes=x", "a number"},
		{"max_line_bytes=-1", "a number"},
		{"max_line_bytes=99999999999999999999999", "a number"},
		{"false_end=pass", "one of refuse, normalise"},
	};

	(void)state;
	options_init(&loaded);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char error[256] = "";

		assert_int_equal(options_set_policy(
					 &loaded.engine, cases[i].assignment, error, sizeof(error)),
			-EINVAL);
		assert_non_null(strstr(error, cases[i].says));
	}
}

static char *read_whole(const char *path)
{
	FILE *file = fopen(path, "rb");
	char *text = calloc(1, 1u << 20);
	size_t bytes;

	if (file == NULL || text == NULL) {
		free(text);
		return NULL;
	}
	bytes = fread(text, 1, (1u << 20) - 1, file);
	(void)fclose(file);
	assert_true(bytes > 0);
	return text;
}

static void the_committed_reference_is_the_generated_one(void **state)
{
	(void)state;
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);
	char *committed = read_whole("docs/configuration.md");

	if (committed == NULL)
		fail_msg("docs/configuration.md is missing: run scripts/docs");
	options_write_reference(out);
	assert_int_equal(fclose(out), 0);
	if (strcmp(text, committed) != 0)
		fail_msg("docs/configuration.md is out of date: run scripts/docs");
	free(text);
	free(committed);
}

static void the_example_is_good(void **state)
{
	(void)state;
	char *text = read_whole("docs/cordon.yaml");

	assert_non_null(text);
	expect_good(text, OPTIONS_DAEMON);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_complete_and_valid),
		cmocka_unit_test(every_kind_of_value_arrives),
		cmocka_unit_test(every_mistake_names_its_line),
		cmocka_unit_test(all_unknown_keys_are_told_at_once),
		cmocka_unit_test(a_file_that_is_not_there_is_told),
		cmocka_unit_test(replay_needs_neither_links_nor_rules),
		cmocka_unit_test(a_policy_is_set_for_one_direction_or_both),
		cmocka_unit_test(a_bad_policy_is_refused_with_its_reason),
		cmocka_unit_test(the_committed_reference_is_the_generated_one),
		cmocka_unit_test(the_example_is_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
