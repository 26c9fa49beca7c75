// SPDX-License-Identifier: BSD-3-Clause
// A worker of the dataplane (dataplane/worker.h) on a core of its own between two ring ports (net_ring), and
// traffic on the core of the caller that talks through it. What a processor spends is told apart by thread.
#pragma once

#include "dataplane/options.h"
#include "perf/traffic.h"

#include <stdint.h>

struct rig;

struct rig_result {
	struct traffic_totals totals;
	double worker_s;  // of a processor, by the thread of the engine
	double waiting_s; // of these, in turns without a packet
	double others_s;  // by its helper, and by the spool's threads
	double wall_s;
	uint64_t dropped; // packets, by any counter
	uint64_t events;  // lines about mails
	uint64_t verdicts_wrong;
	uint32_t latencies[3];        // p50, p99, p99.9 in ns, from client to server
	uint32_t engine_latencies[3]; // of what the engine has added to the end of data, in ns
};

// Once in a process, before anything else.
void rig_start_dpdk(void);
// engine: what differs from the defaults is set in options. spool: a folder for sealed mail, NULL: none.
struct rig *rig_new(
	const struct options *options, const struct ruleset *ruleset, const char *spool);
void rig_free(struct rig *rig);
// Of rigs that are made from now on: see worker_shared.
void rig_watch_turns(void (*turned)(void *ctx, bool ends), void *ctx);
struct worker *rig_worker(struct rig *rig);
// Until all mails are answered.
void rig_run(struct rig *rig, const struct traffic_options *options, struct rig_result *result);
size_t rig_connection_bytes(const struct rig *rig);
size_t rig_message_bytes(const struct rig *rig);
size_t rig_memory_bytes(const struct rig *rig);  // of all its pools
uint32_t rig_connections(const struct rig *rig); // that the engine knows

// Lets time pass without mails.
void rig_wait(struct rig *rig, uint32_t ms, struct rig_result *result);

// Connections that stay, beside those of rig_run: opens them all, until they rest (options: idle); has them send a
// mail each, so many at once; closes them. Totals of mails and connections are
// those since they were opened.
void rig_idle_open(
	struct rig *rig, const struct traffic_options *options, struct rig_result *result);
void rig_idle_wake(struct rig *rig, const uint32_t *which, uint32_t count, uint32_t at_once,
	struct rig_result *result);
void rig_idle_close(struct rig *rig, uint32_t at_once, struct rig_result *result);
// Processor time to take so many frames of so many bytes from a ring port and give them to another one.
double rig_forward_s(uint32_t count, uint32_t bytes);
