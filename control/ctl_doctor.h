// SPDX-License-Identifier: BSD-3-Clause
// cordonctl doctor: its checks, and what they share. Each check tells what it found by doctor_say, once or more
// often, and changes nothing.
#pragma once

#include "control/control_options.h"
#include "dataplane/dataplane.h"

#include <jansson.h>

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum doctor_result {
	DOCTOR_OK,
	DOCTOR_WARN,
	DOCTOR_FAIL,
};

struct doctor {
	const char *control_path; // of the configurations
	const char *dataplane_path;
	bool has_control; // the configuration could be read
	bool has_dataplane;
	struct control_options control;
	struct options_outline dataplane;
	json_t *status; // of the control process, NULL: it does not answer
	json_t *stats;  // of the dataplane
	json_t *checks; // [{"check", "result", "what", "do"}]
	unsigned int counts[DOCTOR_FAIL + 1];
	time_t now;
};

// One line of the report. advice: what to do, "" when there is nothing.
void doctor_say(struct doctor *doctor, const char *check, enum doctor_result result,
	const char *advice, const char *format, ...) __attribute__((format(printf, 5, 6)));

// ---- ctl_doctor_files.c ------------------------------------------------------------------------

void doctor_check_configuration(struct doctor *doctor);
void doctor_check_folders(struct doctor *doctor);
void doctor_check_disk(struct doctor *doctor);
void doctor_check_rules(struct doctor *doctor);

// ---- ctl_doctor_keys.c: private keys, certificates, the root document --------------------------

void doctor_check_secrets(struct doctor *doctor);
void doctor_check_certificates(struct doctor *doctor);
void doctor_check_root(struct doctor *doctor);

// ---- ctl_doctor_live.c: the machine, the processes, the next hop --------------------------------

void doctor_check_clock(struct doctor *doctor);
void doctor_check_hugepages(struct doctor *doctor);
// Asks both; what the other checks use of their answers stays in doctor.
void doctor_check_processes(struct doctor *doctor);
void doctor_check_protection(struct doctor *doctor);
void doctor_check_next_hop(struct doctor *doctor);
