// SPDX-License-Identifier: BSD-3-Clause
// Which clock for what. control_now_ns (control_events.h) is the time of day: for people, for other machines, and for
// what is written down. It leaps: it is set by hand or by NTP, or the machine comes back from a snapshot. So
//
// - how long something takes within this process is counted by control_steady_ns;
// - whether what was written down (a seal, a mail's lifetime, an entry of a list) is over is asked of control_due_s: that
//   somebody sets the clock of a gateway must not end a seal or give up held mail at once.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Nanoseconds since some moment before the process: never set, and going on while the machine sleeps.
int64_t control_steady_ns(void);
// Seconds since 1970, by a clock_due of this process; may be asked by any thread.
int64_t control_due_s(void);
// By how many seconds the time of day is ahead of it now, because it has leapt; 0: it has not.
int64_t control_leap_s(void);

// The time of day, as it is believed: what goes on evenly is followed, a leap back, too, by which all lasts longer; a leap
// forward only when it has stood for CLOCK_BELIEVED_S, in which somebody may see that it is wrong. But one that only ends
// a leap back of less than that ago is, and so is the first time of day at all of a machine that began without one.
#define CLOCK_BELIEVED_S 86400
// It was later than this when this was written: seconds since 1970, the beginning of 2026.
#define CLOCK_LEAST_S INT64_C(1767225600)

struct clock_due {
	bool is_set;
	bool is_real;         // it was not before CLOCK_LEAST_S
	bool has_former;      // it has leapt back
	int64_t believed_ns;  // from the steady clock to the time of day
	int64_t seen_ns;      // the same, as it was seen last
	int64_t since_ns;     // the steady time at which it leapt to that
	int64_t former_ns;    // what was believed before it leapt back,
	int64_t went_back_ns; // at this steady time
};

// When something began that was written down so, for what counts from it; seconds since 1970. What seems to begin later than
// now began before the clock was set back, what began before CLOCK_LEAST_S before the machine knew the time: both begin now.
int64_t clock_begun_s(int64_t begun_s, int64_t now_s);

// Both in nanoseconds. Returns what is believed, in seconds; asked at least once a few seconds.
int64_t clock_due_ask(struct clock_due *due, int64_t now_ns, int64_t steady_ns);
