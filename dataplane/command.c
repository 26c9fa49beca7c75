// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/command.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *text;
	enum command command;
} names[] = {
#define X(name, text) {text, COMMAND_##name},
	COMMANDS(X)
#undef X
};

int command_parse(char *data, size_t n, enum command *out, const char **text)
{
	size_t name;

	if (n > 0 && data[n - 1] == '\n')
		data[--n] = '\0';
	name = strcspn(data, " ");
	if (strlen(data) != n)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i].text) != name || memcmp(names[i].text, data, name) != 0)
			continue;
		*out = names[i].command;
		*text = data[name] == ' ' ? data + name + 1 : "";
		return 0;
	}
	return -EINVAL;
}

bool command_is_urgent(const char *beginning)
{
	static const char *const urgent[] = {"seals", "open-seals", "ping", "stats", "config"};
	size_t name = strcspn(beginning, " \n");

	for (size_t i = 0; i < sizeof(urgent) / sizeof(urgent[0]); i++) {
		if (strlen(urgent[i]) == name && memcmp(urgent[i], beginning, name) == 0)
			return true;
	}
	return false;
}
