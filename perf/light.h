// SPDX-License-Identifier: BSD-3-Clause
// The speed of light: for mails, the work on their bytes that nobody can leave out, each by the plainest and
// fastest way there is, alone: all frames received and forwarded, every transfer encoding and archive undone
// once, one pass of Hyperscan over what comes out, the digests that are in use.
#pragma once

#include "perf/mails.h"
#include "perf/rules.h"

struct light;

struct light_cost { // seconds of a processor for all mails of a set, once
	double forward;
	double decode;
	double match;
	double digest;
};

struct light *light_new(const struct rules *rules);
void light_free(struct light *light);
void light_measure(struct light *light, const struct mail *set, uint32_t count, bool digests,
	struct light_cost *cost);
