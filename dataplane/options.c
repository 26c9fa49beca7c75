// SPDX-License-Identifier: BSD-3-Clause
// Defaults, and one policy given as "inbound.infected=reject".
#include "dataplane/options.h"

#include "dataplane/options_file.h"
#include "dataplane/options_table.h"

#include <errno.h>
#include <string.h>

void options_derive(struct engine_options *engine)
{
	for (uint32_t i = 0; i < DIRECTIONS; i++) {
		struct engine_policy *policy = &engine->policy[i];

		policy->smtp.report_bare_newline = policy->bare_newline != NEWLINE_PASS;
	}
}

void options_init(struct options *options)
{
	memset(options, 0, sizeof(*options));
	engine_options_init(&options->engine);
	options_apply_presets(options_table(), options);
	if (options->engine.name[0] == '\0')
		(void)snprintf(options->engine.name, sizeof(options->engine.name), "cordon");
	options_derive(&options->engine);
}

// As in the configuration, or as options of a command are written.
static bool is_named(const char *key, const char *name, size_t n)
{
	if (strlen(key) != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (name[i] != key[i] && !(name[i] == '-' && key[i] == '_'))
			return false;
	}
	return true;
}

static const struct config_option *find_policy(const char *name, size_t n)
{
	const struct config_option *option = options_policy_table();

	while (option->key != NULL && !is_named(option->key, name, n))
		option++;
	return option->key != NULL ? option : NULL;
}

int options_set_policy(
	struct engine_options *engine, const char *assignment, char *error, size_t error_bytes)
{
	static const char *const prefixes[DIRECTIONS] = {"inbound.", "outbound."};
	const char *name = assignment;
	const char *equals = strchr(assignment, '=');
	const struct config_option *option;
	bool wanted[DIRECTIONS] = {true, true};
	char expected[224];

	for (uint32_t i = 0; i < DIRECTIONS; i++) {
		size_t n = strlen(prefixes[i]);

		if (strncmp(assignment, prefixes[i], n) != 0)
			continue;
		wanted[1 - i] = false;
		name = assignment + n;
		break;
	}
	if (equals == NULL || equals < name) {
		(void)snprintf(error, error_bytes, "policy '%s': must be NAME=VALUE", assignment);
		return -EINVAL;
	}
	option = find_policy(name, (size_t)(equals - name));
	if (option == NULL) {
		(void)snprintf(
			error, error_bytes, "policy '%s': no policy of that name", assignment);
		return -EINVAL;
	}
	for (uint32_t i = 0; i < DIRECTIONS; i++) {
		if (!wanted[i])
			continue;
		if (option_put_text(option, &engine->policy[i], equals + 1) != 0) {
			(void)snprintf(error, error_bytes, "policy '%s': %s must be %s", assignment,
				option->key, option_describe(option, expected, sizeof(expected)));
			return -EINVAL;
		}
	}
	options_derive(engine);
	return 0;
}
