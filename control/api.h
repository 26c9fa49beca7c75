// SPDX-License-Identifier: BSD-3-Clause
// What cordon-control is asked at its socket: a JSON object {"command": "seal", ...}, answered by a JSON
// object; {"error": "..."} says why it was refused. control/api.c has the table of commands.
#pragma once

#include <jansson.h>

#include <stdint.h>

#define CONTROL_SOCKET "/run/cordon/control.sock"

struct control;
struct api;

// Who asks: for the audit.
struct api_caller {
	char who[64]; // user name, or "uid 1000"
	uint64_t client;
};

int api_open(struct control *control, const char *path, struct api **out)
	__attribute__((warn_unused_result));
void api_close(struct api *api);
int api_descriptor(const struct api *api);
void api_serve(struct api *api);
// The answer to a command that has taken its time; takes answer.
void api_answer(struct api *api, uint64_t client, json_t *answer);
// {"error": text}, of printf's format.
json_t *api_refusal(const char *format, ...) __attribute__((format(printf, 1, 2)));
