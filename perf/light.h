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
// SHA-256 by the processor's own instructions, part after part; an engine that has several connections open may do
// better with many streams at once. What is packed is unpacked whole by libdeflate, and its CRC looked at.
//
// `search` is the same with the engine's own search in place of Hyperscan's, each part in one piece as well: where it is
// faster, light is harder to come close to. It tells how far an engine is from what it could be, not from what
// others do.
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
