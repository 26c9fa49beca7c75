// SPDX-License-Identifier: BSD-3-Clause
// The command parser on any packet: what it takes is a name of the table and at most a newline.
#include "dataplane/command.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool is_name(const uint8_t *data, size_t n, enum command command)
{
	static const char *const names[] = {
#define X(name, text) [COMMAND_##name] = (text),
		COMMANDS(X)
#undef X
	};

	return strlen(names[command]) == n && memcmp(names[command], data, n) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	enum command command = COMMAND_PING;

	if (command_parse(data, n, &command) != 0)
		return 0;
	if (!is_name(data, n, command) && (data[n - 1] != '\n' || !is_name(data, n - 1, command)))
		abort();
	return 0;
}
