// SPDX-License-Identifier: BSD-3-Clause
// The first look at a capture, before any of it is replayed: what of it was never on the wire as it
// stands in the file, and how much of it there is.
//
// Checksums. Captures whose addresses or contents were edited have wrong ones; so have packets that an
// attacker sent for one reader of the wire to believe and another to refuse. A segment with a wrong
// checksum is put right only when the receiver in the capture must have taken it:
//
//   payload   some of it stands in no good segment of its sender, and the peer acknowledged all of it
//   none      all the sender's other segments without payload are wrong as well
//   any       the sender has not one good checksum, and the peer acknowledged something of it
//
// Between hosts that sent fragments or of which frames are cut the first does not apply: good bytes may
// be in these. Numbers belong to one life of a connection; another begins with a SYN that is answered. Where the
// end of the life before is not in the capture, the engine asks the client whether there was one: replay_look_begins
// tells that it was, so that replay can answer.
//
// Windows. Where a peer acknowledges more than it had granted, windows were made up (or the receiver
// does not keep to its own): then nothing between these two hosts can be trimmed by them. What others sent
// is: else who talks to a server of his own would have a say in how the mail to another one is read.
#pragma once

#include "dataplane/packet.h"

#include <stdbool.h>
#include <stdint.h>

struct replay_look;

struct replay_facts {
	uint64_t connections; // of SMTP, at most
	uint64_t pages;       // of STREAM_PAGE_BYTES that their payloads can fill at most
	bool any_window;      // between some hosts
};

// ports: SMTP ports in host order, the caller's. NULL when memory ran out.
struct replay_look *replay_look_new(const uint16_t *ports, uint32_t ports_count);
void replay_look_free(struct replay_look *look);

// The next frame of the capture; a cut one counts, too. Returns 0 or -ENOMEM.
int replay_look_note(struct replay_look *look, struct frame *frame, bool is_cut)
	__attribute__((warn_unused_result));
// After the last frame. Returns 0 or -ENOMEM.
int replay_look_end(struct replay_look *look, struct replay_facts *facts)
	__attribute__((warn_unused_result));
// Each frame once more, in the same order. Returns true when it was put right.
bool replay_look_repair(struct replay_look *look, struct frame *frame);
// Begins frame (its number in the file, from 0) another life of a connection? To be asked in their order.
bool replay_look_begins(struct replay_look *look, uint64_t frame);
// Are windows between the hosts of a frame not to be heeded? packet: of the frame, parsed.
bool replay_look_any_window(
	struct replay_look *look, const struct frame *frame, const struct packet *packet);
