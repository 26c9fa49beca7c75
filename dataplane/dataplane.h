// SPDX-License-Identifier: BSD-3-Clause
// What other programs may use of the dataplane: replaying captures, asking a running one, and the
// formats that both sides share. The manual of dataplane/.
//
//   packet    frames to headers and back          flow      connections of a worker
//   fragment  IP reassembly                       session   packet in, fate out (the heart)
//   engine    all of that as a pure function      events    records to JSON lines
//   port, worker, main: DPDK                      replay    captures through the engine
//   local_socket  questions between the programs  options_file  their configuration
//   seal, seal_json: which mail must not reach a server now
//   screen_json: lists of checksums (scan/screen.h) as JSON
//   inherited: what a process has from whoever starts it
//
// The buffer has public headers of its own, which belong to this one: spoolfile.h (reading and retiring
// what is in it) and spool.h with spool_io.h (writing).
#pragma once

#include "dataplane/inherited.h"
#include "dataplane/local_socket.h"
#include "dataplane/options_command.h"
#include "dataplane/options_file.h"
#include "dataplane/options_outline.h"
#include "dataplane/priority.h"
#include "dataplane/screen_json.h"
#include "dataplane/seal_json.h"
#include "dataplane/spool.h"
#include "dataplane/spool_io.h"
#include "dataplane/spoolfile.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct ruleset;

// ---- replay: captures through the whole engine --------------------------------------------------

struct replay_options {
	const struct ruleset *ruleset;
	const char *const *files;
	size_t files_count;
	const char *egress;          // capture of every frame that would leave, or NULL
	const char *const *policies; // "infected=reject", "inbound.suspect=tempfail", ...
	size_t policies_count;
	const char *config;   // YAML file whose smtp, policy and limits sections apply, or NULL
	unsigned int digests; // DIGEST_*
	const char *gateway;  // NULL: its name by the configuration
	const char *sealed;   // a seal of this mode covers all mail, or NULL
	const char *ports;    // SMTP ports in place of the configured ones: "25,587", or NULL
	FILE *events;         // JSON lines go here
	bool readable;        // a line for people for each message instead of JSON
	FILE *notes;          // what is odd about a capture, and mistakes in config; NULL: nowhere
};

struct replay_stats {
	uint64_t frames_in;
	uint64_t frames_out;
	uint64_t frames_cut; // not whole in the capture: dropped
	uint64_t messages;
	uint64_t infected;
};

// Runs the captures one after another, each with fresh state. Returns 0, or -errno with a text in error.
int replay_run(const struct replay_options *options, struct replay_stats *stats, char *error,
	size_t error_bytes) __attribute__((warn_unused_result));

// ---- asking a running dataplane ------------------------------------------------------------------

#define DATAPLANE_SOCKET "/run/cordon/dataplane.sock"
// Ask it with local_ask; command.h has what it understands.
