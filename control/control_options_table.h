// SPDX-License-Identifier: BSD-3-Clause
// How the options of the control process are written down: for control_options*.c.
#pragma once

#include "control/control_options.h"
#include "dataplane/dataplane.h"

#include <stddef.h>

#define MEMBER(member)                                                                             \
	.offset = offsetof(struct control_options, member),                                        \
	.size = sizeof(((struct control_options *)0)->member)
#define TEXT(member)                                                                               \
	.kind = OPTION_TEXT, MEMBER(member),                                                       \
	.max = sizeof(((struct control_options *)0)->member) - 1
#define UINT(member, low, high) .kind = OPTION_UINT, MEMBER(member), .min = (low), .max = (high)
#define BOOL(member) .kind = OPTION_BOOL, MEMBER(member), .choices = control_options_bools
#define TEXTS(member, count)                                                                       \
	.kind = OPTION_TEXTS, .offset = offsetof(struct control_options, member),                  \
	.size = sizeof(((struct control_options *)0)->member[0]),                                  \
	.count_offset = offsetof(struct control_options, count), .room = CONTROL_MAX_TEXTS,        \
	.max = CONTROL_TEXT_BYTES - 1
// The members of a section lie in the struct of the whole file.
#define SECTION(table)                                                                             \
	.kind = OPTION_SECTION, .offset = 0, .size = sizeof(struct control_options),               \
	.children = (table)
#define END                                                                                        \
	{                                                                                          \
		.key = NULL                                                                        \
	}

struct options_lines;

extern const struct option_choice control_options_bools[];
extern const struct config_option control_options_alerts[];
// What one value of them cannot tell.
void control_options_check_alerts(
	struct options_lines *lines, const struct control_options *options);
