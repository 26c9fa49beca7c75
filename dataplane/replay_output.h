// SPDX-License-Identifier: BSD-3-Clause
// What a replay leaves behind: frames in a capture file, and records as lines.
#pragma once

#include "dataplane/capture_file.h"
#include "dataplane/dataplane.h"
#include "dataplane/events.h"

struct replay_output {
	struct capture_writer *egress; // NULL: not asked for
	const char *egress_path;
	struct events_context context;
	FILE *events;
	bool readable;
	char *line; // where records are formatted
	size_t line_room;
	int err; // the first thing that went wrong
};

// Returns 0, or a negative errno with a text in error.
int replay_output_open(struct replay_output *output, const struct replay_options *options,
	const char *gateway, char *error, size_t error_bytes) __attribute__((warn_unused_result));
void replay_output_frame(struct replay_output *output, const struct frame *frame, uint64_t now_ns);
void replay_output_mail(struct replay_output *output, const struct mail_record *record);
void replay_output_hold(struct replay_output *output, const struct hold_record *record);
void replay_output_session(struct replay_output *output, const struct session_record *record);
// Returns 0, or what could not be written with a text in error.
int replay_output_close(struct replay_output *output, char *error, size_t error_bytes);
