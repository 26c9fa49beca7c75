// SPDX-License-Identifier: BSD-3-Clause
// Descriptors are what strangers take from a process by mere connecting: without any left it neither writes down a seal
// nor tells the dataplane of it.
#pragma once

#include <stdbool.h>

// Whether fd, which was made last, is among the last quarter of what the process may have (RLIMIT_NOFILE): then no more
// than that quarter is left, for what is not a stranger's connection. A new descriptor is the lowest free one.
bool descriptors_are_scarce(int fd);
// Whether err, with which accept has failed, means that there is none, or no memory: whoever waits goes on waiting,
// and the listener is readable all the time.
bool descriptors_are_why(int err);
