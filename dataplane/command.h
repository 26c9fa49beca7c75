// SPDX-License-Identifier: BSD-3-Clause
// What the running dataplane is asked at its socket (local_socket.h): a command's name, and behind a
// blank what it is about. The answer is JSON, {"error":...} when it was refused.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// X(NAME, text)
#define COMMANDS(X)                                                                                  \
	X(STATS, "stats")                                                                            \
	X(PING, "ping")                                                                              \
	X(RULES, "rules") /* with a ruleset image in a sealed memfd: put it in force */              \
	X(DELTA, "delta") /* with a delta of the image in force, likewise: lay it on that */         \
	X(SCREEN,                                                                                    \
		"screen") /* with the image of a list of checksums, likewise; "screen none": none */ \
	X(SCREEN_LAYER,                                                                              \
		"screen-layer") /* with a layer of that image, likewise; takes another's place */    \
	X(SCREEN_HITS, "screen-hits") /* which of its entries have hit, and how often */             \
	X(CONFIG, "config")           /* the options in force */                                     \
	X(SEALS, "seals") /* with the open seals as text (seal_json.h): divert by them */            \
	X(OPEN_SEALS, "open-seals") /* that text, as it was told or read from the file */            \
	X(ALERTS,                                                                                    \
		"alerts") /* with how many: answered when there are not so many possible alerts kept */

enum command {
#define X(name, text) COMMAND_##name,
	COMMANDS(X)
#undef X
};

// Reads n bytes and a NUL behind them: a name, which may end with one newline, or is followed by a
// blank and a text; *text is it, or "". Returns 0 or -EINVAL.
int command_parse(char *data, size_t n, enum command *out, const char **text)
	__attribute__((warn_unused_result));
// By the beginning of what is asked, with a NUL behind it: seals, and what only asks how it is. These are answered while
// rules are opened, too, for who asks waits, and has other work.
bool command_is_urgent(const char *beginning);
