// SPDX-License-Identifier: BSD-3-Clause
// A sink in memory for tests, of the engine's kind: keeps what was made durable, takes its time, and fails on demand.
#pragma once

#include "dataplane/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SINK_RECORDS 512
#define SINK_RECIPIENTS 4
#define SINK_TEXT_BYTES 1100
#define SINK_READ_BYTES 1000

struct sink_record {
	uint8_t *data;
	size_t bytes;
	char mail_from[SINK_TEXT_BYTES];
	char mail_params[SINK_TEXT_BYTES];
	char rcpt_to[SINK_RECIPIENTS][SINK_TEXT_BYTES];
	char rcpt_params[SINK_RECIPIENTS][SINK_TEXT_BYTES];
	size_t rcpt_to_count;
	bool quarantine;
	char reason[32];
	char seal_mode[32];
	char virus_id[64];
	char signature[64];
};

struct sink {
	struct engine_spool ops;
	struct sink_record records[SINK_RECORDS]; // durable ones, in order
	uint32_t count;
	uint32_t open;      // copies that were begun and neither kept nor given up
	uint32_t polls;     // that a commit takes
	size_t max_bytes;   // of a copy; 0: any
	uint32_t fail_from; // commits from this one on fail; 0: none
	int fail_with;      // a negative errno, said by poll
	bool refuse_commit; // said by commit itself
	uint32_t commits;
	size_t memory_bytes; // before its disk; 0: any. sink_drain empties it
	size_t memory_used;
	uint32_t overruns;        // copies given up for want of it
	bool is_busy;             // begins nothing now
	uint32_t commits_to_wait; // that are told to ask again
	uint32_t recall_polls;    // that a copy is not there yet
	int recall_error;         // said then
	int read_error;           // said at the end of the next readings
	uint32_t reads;
};

void sink_init(struct sink *sink);
// The disk takes so much.
void sink_drain(struct sink *sink, size_t n);
void sink_fini(struct sink *sink);
