// SPDX-License-Identifier: BSD-3-Clause
// The command parser on any packet: what it takes begins with a name of the table.
#include "dataplane/command.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const names[] = {
#define X(name, text) [COMMAND_##name] = (text),
		COMMANDS(X)
#undef X
	};
	char *packet = malloc(n + 1);
	enum command command;
	const char *text;
	size_t name;

	if (packet == NULL)
		return 0;
	memcpy(packet, data, n);
	packet[n] = '\0';
	if (command_parse(packet, n, &command, &text) == 0) {
		name = strlen(names[command]);
		if (n < name || memcmp(data, names[command], name) != 0)
			abort();
		if (n > name && data[name] != ' ' && (data[name] != '\n' || n != name + 1))
			abort();
		if (strlen(text) + name > n)
			abort();
	}
	free(packet);
	return 0;
}
