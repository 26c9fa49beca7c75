// SPDX-License-Identifier: BSD-3-Clause
// A look at the files that a configuration names, before anything is started.
#pragma once

#include "dataplane/options.h"

#include <stdio.h>

// The rules open, the events and the command socket can be made. Each mistake is one line on errors,
// "name: key: path: what"; name stands for the configuration. Returns 0 or -EINVAL.
int options_check_files(const struct options *options, const char *name, FILE *errors)
	__attribute__((warn_unused_result));

// What a failure of ruleset_open means, and what to do about it. text has room for bytes.
const char *options_rules_reason(int err, char *text, size_t bytes);
