// SPDX-License-Identifier: BSD-3-Clause
// The spool as a whole: opened before the workers, watched while they run.
#pragma once

#include "dataplane/main.h"

// Opens it as configured, with a side for each worker. Returns 0, also where none is configured, or -errno
// that was said.
int main_open_spool(struct gateway *gateway) __attribute__((warn_unused_result));
// Reports what an operator has to know: how full it is, and why nothing can be kept.
void main_watch_spool(struct gateway *gateway);
