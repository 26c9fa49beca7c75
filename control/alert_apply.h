// SPDX-License-Identifier: BSD-3-Clause
// What an alert does to this gateway: the actions of alerts.h.
#pragma once

#include "control/alerts.h"

struct control;

// Opens the alerts of the configuration with these actions. Returns 0, or -errno with a text in error.
int alert_apply_open(struct control *control, struct alerts **out, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
