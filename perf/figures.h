// SPDX-License-Identifier: BSD-3-Clause
// What programs that drive traffic share: every mail checked, the speed of light measured in turn with each round,
// medians over the rounds.
#pragma once

#include "perf/light.h"
#include "perf/rig.h"

#define FIGURES_MOST_ROUNDS 15u

struct figures {        // medians over the rounds
	double cost;    // s of the worker, in turns with packets, and its helper for a byte of mail
	double worker;  // of the worker alone
	double waiting; // what of its time the worker had nothing to do in
	double light;
	double ratio;
	double own_light; // with the engine's own search in place of Hyperscan's (light.h)
	double own_ratio;
	struct rig_result last;
	double packets_s; // that the worker took, a second of its time
};

struct figures_how {
	// Until all mails are answered.
	void (*run)(void *ctx, const struct traffic_options *options, struct rig_result *result);
	void *ctx;
	struct light *light;
	uint32_t rounds;
	bool digests; // are in use
};

// Ends the program when a mail, a reply, a verdict or a packet is not as it must be.
void figures_check(const struct rig_result *result, const struct traffic_options *traffic);
struct light_frames figures_frames(const struct rig_result *result);
// ctx is a rig.
void figures_run_rig(void *ctx, const struct traffic_options *options, struct rig_result *result);
void figures_measure(const struct figures_how *how, const struct traffic_options *traffic,
	struct figures *figures);
