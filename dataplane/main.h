// SPDX-License-Identifier: BSD-3-Clause
// The process, seen by its main thread: main.c starts and stops it, main_command.c answers.
#pragma once

#include "dataplane/command_stats.h"
#include "dataplane/events_file.h"
#include "dataplane/events_json.h"
#include "dataplane/local_socket.h"
#include "dataplane/options.h"
#include "dataplane/port.h"
#include "dataplane/seal_json.h"
#include "dataplane/worker.h"
#include "dataplane/worker_rules.h"

#define SECOND_NS 1000000000u

struct gateway {
	uint64_t run; // names this process: what it counts begins with it
	struct options options;
	struct ports ports;
	struct ruleset *ruleset;           // until the workers' rules take it
	struct worker_rules *rules;        // in force
	struct engine_seals *seals;        // in force
	struct engine_seals *seals_before; // that a worker which naps has not let go yet; or NULL
	char *seals_text;                  // that they are of; NULL: none
	struct spool *spool;               // NULL: nothing can be kept
	uint64_t spool_level;              // of fill, as was reported last
	uint64_t spool_refusal;            // errno, the same
	uint64_t spool_slow;               // a flag, the same
	uint64_t spool_removed;            // segments, the same
	struct distributor distributor;
	struct worker_shared shared;
	struct worker *workers[OPTIONS_MAX_WORKERS];
	const struct engine *engines[OPTIONS_MAX_WORKERS];
	uint32_t workers_count;
	struct event_ring *own_ring; // of what this thread reports
	uint64_t own_lost;
	uint32_t draining; // the ring that may be in the middle of a line
	struct events_file events;
	bool events_failed;
	struct local_server *command;
	struct { // for another possible alert to be kept
		bool is_there;
		uint64_t client;
		uint64_t known; // to it
	} waiter;
	int signals;
	bool eal_runs;
	bool stopping;
	uint64_t second_ns; // when the last second began
	struct stats_port port_stats[PORTS_MAX];
	struct stats_source stats;
};

// Says on standard error what went wrong: "cordon-dataplane: WHAT: REASON".
void main_complain(int err, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Writes an event with these members, which were written to text.
void main_report(struct gateway *gateway, const char *event, const struct json_writer *members,
	const char *text);
// Answers the command socket; ctx is the gateway.
void main_answer(void *ctx, struct local_request *request, struct local_answer *answer);
// Answers what is urgent (command_is_urgent) while rules are opened; ctx is the gateway.
void main_serve_urgent(void *ctx);
// Answers who waits for another possible alert, when it is kept.
void main_tell_alerts(struct gateway *gateway);
// Puts seals in force, which it takes. Returns 0, or -ETIMEDOUT: a worker does not turn.
int main_apply_seals(struct gateway *gateway, struct engine_seals *seals)
	__attribute__((warn_unused_result));
