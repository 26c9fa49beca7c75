// SPDX-License-Identifier: BSD-3-Clause
// Captures through replay_run, for tests: a folder of their own, a ruleset that knows EICAR, the events
// and the frames that come out.
#pragma once

#include "dataplane/capture_file.h"
#include "dataplane/dataplane.h"
#include "tests/support/frames.h"
#include "tests/support/unit.h"

#include <jansson.h>

#include <stdint.h>

#define REPLAYED_EICAR "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"

struct replayed {
	char folder[32];
	char input[64]; // a capture that the test may write
	char egress[64];
	void *image;
	struct ruleset *ruleset;
	char *text; // events of the last run
	size_t text_bytes;
	char *notes; // of the last run
	size_t notes_bytes;
	const char *config; // of the runs that follow, NULL: none
	const char *sealed; // mode of a seal for the runs that follow, NULL: none
	struct replay_stats stats;
	char error[768];
};

// cmocka's: *state becomes a struct replayed.
int replayed_setup(void **state);
int replayed_teardown(void **state);

// Runs one capture with at most one policy (or NULL). Returns what replay_run returned.
int replayed_run(struct replayed *replayed, const char *path, const char *policy);
// The events of one kind as an array, which the caller lets go of.
json_t *replayed_events(const struct replayed *replayed, const char *kind);
// A text of the first mail event, "" when there is none.
const char *replayed_mail(const struct replayed *replayed, const char *key, char out[256]);

// Writes frames as a capture of Ethernet to replayed->input.
void replayed_write(struct replayed *replayed, const struct frames_item *items, uint32_t count);
// The same, then a run of it, which must succeed.
void replayed_run_talk(
	struct replayed *replayed, const struct frames_talk *talk, const char *policy);

// Whether what left has any frame whose sums are wrong; and what left to one side, in its order.
struct replayed_egress {
	uint32_t frames;
	uint32_t resets[2];    // to this side (by enum tcp_side)
	uint32_t reset_seq[2]; // of the first
	uint32_t isn[2];       // of what this side receives
	char *text[2];         // payload this side receives, first copies, in order of numbers
	size_t bytes[2];       // contiguous
	uint8_t flags[2];      // seen, together
	uint16_t vlan[2];      // of the last frame
	uint8_t family;
};

// Reads the last run's egress, for connections with port 25. Fails the test when a sum is wrong or a
// number has two different bytes.
void replayed_read_egress(const struct replayed *replayed, struct replayed_egress *out);
void replayed_free_egress(struct replayed_egress *egress);
