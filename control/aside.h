// SPDX-License-Identifier: BSD-3-Clause
// What takes its time with rules and files, done while alerts are served (urgent_wait): they are long, and a seal must
// not wait for them. For the main loop; what is served meanwhile changes seals.
#pragma once

#include "scan/scan.h"

// ruleset_open, durable_rename.
int aside_open_rules(const char *path, struct ruleset **out) __attribute__((warn_unused_result));
int aside_rename(const char *from, const char *to) __attribute__((warn_unused_result));
