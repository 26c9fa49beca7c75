// SPDX-License-Identifier: BSD-3-Clause
// Whether a process that was given work does any: one that was stopped, or waits for what does not come, has used no
// processor since it was looked at last, asks for none and waits for no disk. One that only gets no turn is not meant.
//
// Source: proc(5), /proc/PID/stat: state, utime, stime.
#pragma once

#include <stdint.h>
#include <sys/types.h>

// Zeroed for a new process.
struct standstill {
	uint64_t ticks; // of processor
	unsigned int looks;
};

// Looks once more. Returns how many looks in a row have seen nothing move; 0 for a process that is gone, or has ended.
unsigned int standstill_look(struct standstill *standstill, pid_t pid);
