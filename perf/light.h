// SPDX-License-Identifier: BSD-3-Clause
// The speed of light: for mails, the work on their bytes that nobody can leave out, each by the plainest and
// fastest way there is, alone: all frames of the conversations received and forwarded, those of connections, commands,
// replies and acknowledgements as well, every transfer encoding and archive undone once, one pass of Hyperscan over
// what comes out, the digests that are in use.
//
// What a port brings was written by somebody else, and each byte has to be fetched once from where that has put it:
// bodies are decoded from more places than the processor's own caches have room for, each once a pass (0.021 -> 0.058
// ns a byte of base64, where the last cache is shared). What comes out is in the caches still: Hyperscan and digests
// read it there, always in the same place (apart, plain text takes 0.26 ns a byte either way). Of a frame that is
// forwarded the buffer's own line and the first of its bytes are fetched likewise; nobody has to look at more.
//
// Hyperscan has each part in one piece (block mode), with no state to keep from packet to packet, and the signatures as
// expressions as they are: what a gap or ?? lets through is part of its own work. The digest is one stream of
// SHA-256 by the processor's own instructions, part after part. What is packed is unpacked whole by libdeflate, and its CRC looked at.
//
// That is the light that goals are set by, and no bound: our own search takes a sixth of Hyperscan's time in text, and
// an engine that has several connections open hashes their parts side by side. `search` is the same with the engine's
// own search in place of Hyperscan's, each part in one piece as well, `lanes` with the digests side by side
// (light_digest.h). What takes the faster of each nobody passes: it tells how far an engine is from what it
// could be, not from what others do.
#pragma once

#include "perf/mails.h"
#include "perf/rules.h"

struct light;

struct light_cost { // seconds of a processor for all mails of a set, once
	double forward;
	double decode;
	double match;
	double search; // in place of match
	double digest;
	double lanes; // in place of digest
};

struct light_frames { // in one conversation's share, for each mail
	double count;
	double bytes; // of a frame
};

// ruleset: the same rules, which stay. Ends the program when either search finds what is not there, or misses what is.
struct light *light_new(const struct rules *rules, const struct ruleset *ruleset);
void light_free(struct light *light);
// frames: of the traffic that the mails were sent in.
void light_measure(struct light *light, const struct mail *set, uint32_t count,
	const struct light_frames *frames, bool digests, struct light_cost *cost);
// What goals are set by: one pass of Hyperscan, one digest after the other.
double light_goal(const struct light_cost *cost);
// The faster of each.
double light_bound(const struct light_cost *cost);
