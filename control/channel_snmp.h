// SPDX-License-Identifier: BSD-3-Clause
// The SNMP library as the channel needs it: without any file of its own, with our engine and users.
#pragma once

#include "control/control_options.h"

#include <stddef.h>

#define SNMP_SECRET_BYTES 256

// Reads users and the community, counts this start (the boots of our engine, which replays are known by) in
// the folder of the state. Returns 0, or -errno with a text in error; snmp_library_stop in either case.
int snmp_library_start(const struct control_options *options, char community[SNMP_SECRET_BYTES],
	char *error, size_t error_bytes) __attribute__((warn_unused_result));
void snmp_library_stop(void);
