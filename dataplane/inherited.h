// SPDX-License-Identifier: BSD-3-Clause
// What a process has from whoever started it, made as the programs here need it. Before anything is opened, and before
// any thread is started.
#pragma once

#define INHERITED_DESCRIPTORS                                                                      \
	256 // fewer do not last for what is open all the time, and for those who ask besides

// Standard input, output and error that were closed are taken, for the next file or socket that is opened would be one
// of them and have complaints written into it. Using them goes on failing with EBADF. Returns 0 or a negative errno.
int inherited_streams(void);

// For a daemon, besides: no signal is blocked, for one that SIGTERM does not reach is never stopped in order; SIGCHLD is not
// ignored, by which the end of a child would be lost; a file that reaches RLIMIT_FSIZE is an error (EFBIG) and no
// end, as is a pipe or connection that nobody reads; umask takes nothing from the owner of a file.
// Returns 0, or -EMFILE: RLIMIT_NOFILE is below INHERITED_DESCRIPTORS and cannot be raised to it.
int inherited_settle(void);
