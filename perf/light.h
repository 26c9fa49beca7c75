// SPDX-License-Identifier: BSD-3-Clause
// The speed of light: for mails, the work on their bytes that nobody can leave out, each by the plainest and
// fastest way there is, alone: all frames of the conversations received and forwarded, those of connections, commands,
// replies and acknowledgements as well, every transfer encoding and archive undone once, one pass of Hyperscan over
// what comes out, the digests that are in use.
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

struct light_frames { // in one conversation's share, for each mail
	double count;
	double bytes; // of a frame
};

struct light *light_new(const struct rules *rules);
void light_free(struct light *light);
// frames: of the traffic that the mails were sent in.
void light_measure(struct light *light, const struct mail *set, uint32_t count,
	const struct light_frames *frames, bool digests, struct light_cost *cost);
