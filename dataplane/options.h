// SPDX-License-Identifier: BSD-3-Clause
// Configuration of the dataplane: one YAML file, checked against one table (options_table.c), from
// which the schema, the filling in and the reference (docs/configuration.md) are made. No DPDK.
#pragma once

#include "dataplane/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define OPTIONS_MAX_LINKS 8
#define OPTIONS_MAX_WORKERS 64
#define OPTIONS_MAX_WORDS 16
#define OPTIONS_WORD_BYTES 256

// One end of a link: a DPDK device, or a kernel interface opened through net_af_packet.
struct options_port {
	char device
		[OPTIONS_WORD_BYTES]; // "0000:01:00.0" or a vdev with arguments; "" when interface
	char interface[16];
};

struct options_link {
	char name[32];
	struct options_port side[2]; // by enum link_side
	uint32_t mtu;
};

struct options_eal {
	bool hugepages;
	uint32_t memory_mb;              // 0: as much as the packet buffers need
	uint32_t mbufs;                  // 0: by ports and workers
	char lcores[OPTIONS_WORD_BYTES]; // of --lcores, "" for automatic
	char drivers[OPTIONS_MAX_WORDS][OPTIONS_WORD_BYTES];
	uint32_t drivers_count;
	char arguments[OPTIONS_MAX_WORDS][OPTIONS_WORD_BYTES];
	uint32_t arguments_count;
};

struct options_idle {
	uint32_t sleep_us; // 0: never sleep
	uint32_t max_sleep_us;
	uint32_t after_polls;
};

enum options_spread {
	SPREAD_ADDRESSES, // a pair of hosts stays on one worker, fragments included
	SPREAD_FLOWS,     // a connection does; fragments go by addresses
};

// Where mail is kept; see spool.h.
struct options_spool {
	char directory[OPTIONS_WORD_BYTES]; // "": nothing can be kept
	char key[OPTIONS_WORD_BYTES];
	uint32_t records; // for each worker
	uint64_t memory_bytes;
	uint64_t spill_bytes;
	uint64_t record_bytes;
	uint64_t segment_bytes;
	uint32_t spares;
	uint64_t quota_bytes;
	uint32_t slow_ms;
	uint32_t deadline_seconds;
};

// Faults between receive and engine, for tests only.
struct options_faults {
	uint64_t seed; // 0: the layer is off
	uint32_t drop_per_million;
	uint32_t duplicate_per_million;
	uint32_t reorder_per_million;
	uint32_t delay_us;
	uint32_t jitter_us;
};

struct options {
	struct options_eal eal;
	struct options_link links[OPTIONS_MAX_LINKS];
	uint32_t links_count;
	uint32_t workers;
	uint32_t priority; // of the main thread, and of workers that nap; 0: none
	enum options_spread spread;
	struct options_idle idle;
	struct engine_options engine; // one for each worker; its name is the gateway's
	char rules[OPTIONS_WORD_BYTES];
	char seals[OPTIONS_WORD_BYTES];   // file that the control process keeps, "" for none
	char events[OPTIONS_WORD_BYTES];  // a file, or "-"
	char command[OPTIONS_WORD_BYTES]; // socket path, "" for none
	bool telemetry;
	struct options_spool spool;
	struct options_faults test_faults;
};

// What a file has to name.
enum options_purpose {
	OPTIONS_DAEMON, // everything needed to run: links and rules
	OPTIONS_REPLAY, // nothing; what there is must still be right
};

// The defaults.
void options_init(struct options *options);

// Reads the file over the defaults. Returns 0, -EINVAL when something is wrong in it, or -errno of the
// file; each mistake is one line "file:line: what" on errors (NULL: nowhere).
int options_load(const char *path, enum options_purpose purpose, struct options *options,
	FILE *errors) __attribute__((warn_unused_result));
// The same for text in memory; name stands for the file in messages.
int options_load_text(const char *name, const char *text, size_t bytes,
	enum options_purpose purpose, struct options *options, FILE *errors)
	__attribute__((warn_unused_result));

// Applies "infected=reject" (both directions) or "inbound.infected=reject"; the names and values are
// those of smtp.inbound and smtp.outbound, "false-end" stands for "false_end". Returns 0, or -EINVAL with a
// text in error.
int options_set_policy(struct engine_options *engine, const char *assignment, char *error,
	size_t error_bytes) __attribute__((warn_unused_result));

// Sets what follows from other settings; loading and options_set_policy do it themselves.
void options_derive(struct engine_options *engine);

// All options with what is in force, as options_file_json; freed by the caller, NULL: no memory.
char *options_json(const struct options *options);

// The reference of all options with their defaults, as Markdown.
void options_write_reference(FILE *out);
