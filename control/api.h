// SPDX-License-Identifier: BSD-3-Clause
// What cordon-control is asked at its socket: a JSON object {"command": "seal", ...}, answered by a JSON
// object; {"error": "..."} says why it was refused. control/api.c has the table of commands.
#pragma once

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTROL_SOCKET "/run/cordon/control.sock"

struct control;
struct api;

// One question.
struct api_call {
	struct control *control;
	const json_t *request;
	char who[64];    // the asking user's name, or "uid 1000": for the audit
	uint64_t client; // for api_answer
	int fd;          // goes with the answer when it is set; -1 before
	int given;       // came with the request, -1: none did
};

// Runs a command. Returns its answer, or NULL: api_answer will be called.
struct api_command {
	const char *name;
	json_t *(*run)(struct api_call *call);
	bool is_change; // of the gateway or its mail; others may be asked by who may only look
};

// Those about kept mail (api_mail.c).
extern const struct api_command api_mail_commands[];
extern const size_t api_mail_commands_count;
// Those that show (api_show.c).
extern const struct api_command api_show_commands[];
extern const size_t api_show_commands_count;
// Those about screening (api_screen.c).
extern const struct api_command api_screen_commands[];
extern const size_t api_screen_commands_count;

int api_open(struct control *control, const char *path, struct api **out)
	__attribute__((warn_unused_result));
void api_close(struct api *api);
// From now on questions are answered by the main loop, and those that seal or end a seal by the urgent context; until
// api_stop, which comes before urgent_close.
void api_listen(struct api *api);
void api_stop(struct api *api);
// Runs the command that the request names; *may_change false: only if it changes nothing. Returns its
// answer, or NULL: api_answer will be called.
json_t *api_run(struct api_call *call, bool may_change);
// How all is at this moment, as the command "status" says it, which waits for the dataplane (settle.h).
json_t *api_status(const struct control *control);
// The answer to a command that has taken its time; takes answer.
void api_answer(struct api *api, uint64_t client, json_t *answer);
#define API_NOBODY UINT64_MAX // as client: nobody waits for an answer
// In client: the answer goes to the page, by web_answer; the rest is its request's token.
#define API_WEB ((uint64_t)1 << 62)
// Compiles the sources of the rules and puts them in force; the client is answered then. Returns 0 or as
// publish_start.
int api_install_rules(struct control *control, const char *who, uint64_t client);
// A member's text, "" where it has none.
const char *api_text(const json_t *request, const char *member);
// {"error": text}, of printf's format.
json_t *api_refusal(const char *format, ...) __attribute__((format(printf, 1, 2)));
