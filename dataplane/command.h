// SPDX-License-Identifier: BSD-3-Clause
// The command socket: SOCK_SEQPACKET, one command and one JSON answer a packet. A command is its name,
// and behind a blank what it is about; a descriptor may come with it (SCM_RIGHTS). The server never
// waits for a client: it is polled by a thread that has other things to do.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COMMAND_MAX_BYTES (1 << 18)    // of a command
#define COMMAND_ANSWER_BYTES (1 << 20) // of an answer
#define COMMAND_CLIENTS 16             // at once; more wait in the socket's queue

// X(NAME, text)
#define COMMANDS(X)                                                                                \
	X(STATS, "stats")                                                                          \
	X(PING, "ping")                                                                            \
	X(RULES, "rules") /* with a ruleset image in a sealed memfd: put it in force */

enum command {
#define X(name, text) COMMAND_##name,
	COMMANDS(X)
#undef X
};

struct command_request {
	enum command command;
	const char *text; // behind the name, NUL-terminated, "" where there is nothing
	int fd;           // that came with it, or -1; the server closes it
};

// Reads a packet of n bytes in data, which has room for one more: its name, which may end with one
// newline, or is followed by a blank and a text. Sets all but fd. Returns 0 or -EINVAL.
int command_parse(char *data, size_t n, struct command_request *out)
	__attribute__((warn_unused_result));

struct command_server;

// Answers a command with JSON text that the server frees, or NULL when there is no memory.
typedef char *(*command_answer_fn)(void *ctx, const struct command_request *request);

// Listens at path, for the owner and group of the process. A socket that nobody listens at any more is
// taken over; a folder that is missing is made. Returns 0 or -errno (-EADDRINUSE: somebody answers).
int command_open(const char *path, command_answer_fn answer, void *ctx, struct command_server **out)
	__attribute__((warn_unused_result));
void command_close(struct command_server *server);
// The descriptors to poll for reading, at most COMMAND_CLIENTS + 1; returns how many.
size_t command_descriptors(const struct command_server *server, int *out);
// Accepts, reads and answers whatever is there without waiting.
void command_serve(struct command_server *server);
