#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Conversations go through `cordonctl replay` twice: as they are said, and cut and put out of order by chance, with
repeats, overlaps, fragments, tags, sessions and labels, tiny windows, and with what no receiver takes in between.
Both have the same verdicts, digests and replies; what leaves is put together here: it never has two bytes for one
number, of clean mail it is what was said, of infected mail never all of it. As if under a seal (--sealed) each message
is judged as well, and none of a held one leaves.

  test_recut.py [FROM TO]    seeds of batches; one batch where none are given
"""
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

from paritytalk import VIRUS, Conversation
from paritywire import ACK, FIN, PSH, RST, SYN, URG, Path, read_capture, segment_of, write_capture

BUILD = os.path.abspath(os.environ.get("BUILD", "build"))
CONNECTIONS = 40
AT_ONCE = 8


class Trace:
    """What a tap between both sides sees of a conversation. Offsets count a side's bytes from 0."""

    def __init__(self, chance, path, conversation):
        self.chance, self.path = chance, path
        self.streams = [b"".join(data for side, data in conversation.turns if side == s) for s in (0, 1)]
        self.first = [chance.choice((chance.getrandbits(32), (1 << 32) - chance.randrange(1, 30000),
                                     (1 << 31) - chance.randrange(1, 9000))) for _ in (0, 1)]
        self.has_clocks = chance.random() < .6
        self.clock = [chance.getrandbits(32), chance.getrandbits(32)]
        self.scale = [chance.randrange(15), chance.randrange(15)] if chance.random() < .7 else None
        self.mss = chance.choice((88, 200, 536, 1220, 1460, 8960))
        self.room = [65535, 65535]  # that each offers
        self.frames, self.acked, self.done = [], [0, 0], [0, 0]

    def shrink(self):
        self.room[1] = self.chance.choice((1, 7, 40, 100, 500, 3000))
        self.scale = [self.scale[0], 0] if self.scale else None

    def offer(self, side):
        """(the field, the bytes that it stands for)."""
        shift = self.scale[side] if self.scale else 0
        return self.room[side] >> shift, self.room[side] >> shift << shift

    def clocks(self, side, late=0):
        value = self.clock[side] - late & 0xffffffff
        return b"\1\1\10\12" + value.to_bytes(4, "big") + self.clock[1 - side].to_bytes(4, "big")

    def send(self, side, offset, payload=b"", flags=ACK, ack=None, options=None, urgent=0, is_bad=False, cuts=False):
        if options is None:
            options = self.clocks(side) if self.has_clocks else b""
        ack = self.acked[1 - side] if ack is None else ack
        window = self.offer(side)[0] if not flags & SYN else min(self.room[side], 65535)
        tcp = self.path.tcp(side, self.first[side] + 1 + offset, self.first[1 - side] + 1 + ack if flags & ACK else 0,
                            flags, payload, window, options, urgent, is_bad)
        places = [8 * self.chance.randrange(1, len(tcp) // 8) for _ in range(3)] if cuts and len(tcp) > 16 else []
        self.frames += self.path.frames(side, tcp, places)

    def open(self, is_plain):
        options = [b"\2\4" + self.mss.to_bytes(2, "big") + b"\4\2" * (self.chance.random() < .7)
                   + (b"\3\3" + bytes([self.scale[s]]) if self.scale else b"")
                   + (self.clocks(s)[2:] if self.has_clocks else b"") for s in (0, 1)]
        for _ in range(1 if is_plain or self.chance.random() < .9 else 2):
            self.send(0, -1, b"" if is_plain else self.chance.choice((b"", b"early")), SYN, options=options[0])
        self.send(1, -1, b"", SYN | ACK, options=options[1])
        self.send(0, 0)
        self.edge = [self.room[1], self.room[0]]  # how far each may send

    def close(self):
        for side in (0, 1):
            self.acked[1 - side] = self.done[1 - side] + side  # the second has seen the other's FIN
            self.send(side, self.done[side], flags=FIN | ACK)
        self.acked[1] = self.done[1] + 1
        self.send(0, self.done[0] + 1)

    def acknowledge(self, side, offset):
        """What side has sent, by the other."""
        self.acked[side] = offset
        self.clock[1 - side] = self.clock[1 - side] + self.chance.randrange(3) & 0xffffffff
        self.send(1 - side, self.done[1 - side])
        self.edge[side] = max(self.edge[side], offset + self.offer(1 - side)[1])

    def play(self, turns, is_plain):
        if not is_plain and self.chance.random() < .15:
            self.shrink()
        self.open(is_plain)
        for side, data in turns:
            to = self.done[side] + len(data)
            if is_plain:
                for at in range(self.done[side], to, 1000):
                    self.send(side, at, self.streams[side][at:min(to, at + 1000)])
                    self.acknowledge(side, min(to, at + 1000))
            else:
                Turn(self, side, self.done[side], to).play()
            self.done[side] = to
        self.close()
        return self.frames


class Turn:
    """One side's bytes from one offset to another, cut at random, while the other acknowledges."""

    def __init__(self, trace, side, start, end):
        chance = self.chance = trace.chance
        self.trace, self.side, self.start, self.end = trace, side, start, end
        self.stream = trace.streams[side]
        self.disorder = chance.choice((1, 1, 2, 5, 30))
        self.junk, self.widened = chance.choice((0, .02, .1, .3)), chance.choice((0, 0, .1, .4))
        self.acks, self.cuts = chance.choice((.05, .3, .8)), chance.choice((0, 0, .1, .5))
        self.contiguous, self.islands, self.pending = start, [], []
        sizes = chance.choice(([trace.mss], [trace.mss], range(1, 60), [1], [2], [1, 2, 3, 10, 100, trace.mss]))
        if end - start > 3000 and max(sizes) < 60:
            sizes = [trace.mss]
        while start < end:
            to = min(end, start + min(chance.choice(sizes), trace.offer(1 - side)[1]))
            self.pending.append((start, to))
            start = to

    def wrong(self, n):
        return bytes(self.chance.choice(b"QZ.\r\nx") for _ in range(n))

    def arrived(self, start, end):
        self.islands = sorted(self.islands + [(start, end)])
        while self.islands and self.islands[0][0] <= self.contiguous:
            self.contiguous = max(self.contiguous, self.islands.pop(0)[1])
        self.pending = [p for p in self.pending if p[1] > self.contiguous]

    def disturb(self):
        """Something that changes nothing: other bytes for old numbers, or what a receiver drops."""
        trace, side, chance, at = self.trace, self.side, self.chance, self.contiguous
        n = chance.randrange(1, 300)
        old = chance.randrange(max(0, at - chance.choice((10, 100, 3000, 20000))), at + 1)
        next_ones = self.wrong(min(n, len(self.stream) - at))
        choices = [
            lambda: trace.send(side, old, self.wrong(min(n, at - old)), ACK | chance.choice((0, PSH))),
            lambda: trace.send(side, old, self.stream[old:min(at, old + n)], cuts=chance.random() < .2),
            lambda: trace.send(side, at, next_ones, is_bad=True),
            lambda: trace.send(side, at + (1 << 30), self.wrong(n)),
            lambda: trace.send(side, trace.acked[side] - 1, chance.choice((b"", b"\0", b"Z"))),
            lambda: trace.send(side, at + chance.randrange(70000, 1 << 20), flags=RST | chance.choice((0, ACK))),
            lambda: trace.send(side, at, next_ones, PSH),
            lambda: trace.send(side, at + chance.randrange(-5, 5), self.wrong(3), chance.choice((SYN, SYN | ACK))),
            lambda: trace.send(side, at, next_ones, options=b"\x13\x12" + bytes(16) + b"\1\1"),
            lambda: trace.send(side, at, next_ones, chance.choice((0, FIN, SYN | FIN, FIN | RST | ACK))),
        ]
        if trace.has_clocks:
            choices.append(lambda: trace.send(side, at, next_ones,
                                              options=trace.clocks(side, chance.randrange(1000, 100000))))
        chance.choice(choices)()

    def take_segment(self):
        """One of the next that fit the window, None: the other has to grant more first."""
        edge = self.trace.edge[self.side]
        fitting = [p for p in self.pending[:self.disorder] if p[1] <= edge]
        if not fitting:
            return None
        start, end = self.chance.choice(fitting)
        self.pending.remove((start, end))
        if self.chance.random() < self.widened:
            start = max(self.start, start - self.chance.randrange(200))
            end = min(self.end, edge, end + self.chance.randrange(200))
        return start, end

    def step(self):
        trace, chance = self.trace, self.chance
        if chance.random() < self.junk:
            self.disturb()
        taken = self.take_segment()
        if taken is None:
            trace.acknowledge(self.side, self.contiguous)
            return
        start, end = taken
        trace.clock[self.side] = trace.clock[self.side] + chance.randrange(3) & 0xffffffff
        flags = ACK | chance.choice((0, 0, PSH)) | chance.choice((0,) * 50 + (0xc0, URG))
        trace.send(self.side, start, self.stream[start:end], flags, urgent=chance.randrange(300) if flags & URG else 0,
                   cuts=chance.random() < self.cuts)
        self.arrived(start, end)
        if chance.random() < .05:
            trace.send(self.side, start, self.stream[start:end])
        if self.islands and chance.random() < .03:
            first, last = chance.choice(self.islands)
            trace.send(self.side, first, self.wrong(last - first))
        if chance.random() < self.acks:
            trace.acknowledge(self.side, self.contiguous)

    def play(self):
        while self.contiguous < self.end:
            self.step()
        self.trace.acknowledge(self.side, self.end)


class Batch:
    def __init__(self, seed, folder, rules):
        self.folder, self.rules = folder, rules
        self.chance = random.Random(seed)
        self.talks = [Conversation(random.Random(seed * 1000 + n)) for n in range(CONNECTIONS)]
        self.seed = seed

    def trace(self, number, is_plain):
        chance = random.Random(2 * (self.seed * 1000 + number) + is_plain)
        path = Path(chance, number)
        if is_plain:
            path.link = "plain"
        trace = Trace(chance, path, self.talks[number])
        trace.play(self.talks[number].turns, is_plain)
        return trace

    def capture(self, name, traces, *options):
        """A few connections at a time. Returns the mail events by connection."""
        queues, frames, now = [list(reversed(t.frames)) for t in traces], [], 0
        while queues:
            queue = self.chance.choice(queues[:AT_ONCE])
            now += self.chance.choice((0, 10, 100, 1000, 3000))
            frames.append((now, queue.pop()))
            queues = [q for q in queues if q]
        write_capture(self.folder + "/in.pcap", frames)
        command = [BUILD + "/cordonctl", "replay", "--rules", self.rules, "--json", "--digests", "md5,sha256",
                   "--out", "%s/%s.pcap" % (self.folder, name), *options, self.folder + "/in.pcap"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
        mails = {}
        for event in map(json.loads, done.stdout.splitlines()):
            if event["event"] == "mail":
                mails.setdefault(event["client_port"] - 10000, []).append(event)
        return mails

    def sealed_faults(self, traces):
        sealed = self.capture("sealed", traces, "--sealed", "hold")
        left = pieces_of(self.folder + "/sealed.pcap", traces)
        for number, talk in enumerate(self.talks):
            wanted = [("infected", "reject") if m[2] else ("clean", "hold") for m in talk.messages]
            found = [(e["verdict"], e["action"]) for e in sealed.get(number, [])]
            if found != wanted:
                yield number, "sealed, %s and not %s" % (found, wanted)
            if b"Content-T" in bytes(left[number][0].values()):
                yield number, "a mail leaves under a seal"

    def faults(self):
        plain_traces = [self.trace(n, True) for n in range(CONNECTIONS)]
        plain = self.capture("plain", plain_traces)
        traces = [self.trace(n, False) for n in range(CONNECTIONS)]
        cut = self.capture("cut", traces)
        wrong = list(self.sealed_faults(plain_traces))
        for number, talk in enumerate(self.talks):
            infected = [m[2] for m in talk.messages]
            last = infected.index(True) + 1 if any(infected) else None
            wanted = ["infected" if i else "clean" for i in infected[:last]]
            if [e["verdict"] for e in plain.get(number, [])] != wanted:
                wrong.append((number, "is not judged as %s" % wanted))
            if summary(plain.get(number, [])) != summary(cut.get(number, [])):
                wrong.append((number, "%s, cut %s" % tuple(
                    [(e["verdict"], e["action"], e["bytes"]) for e in s.get(number, [])] for s in (plain, cut))))
        for number, text in wrong + list(egress_faults(self.folder + "/cut.pcap", traces, self.talks)):
            yield "connection %d (%s, %d bytes a segment, windows of %d): %s" % (
                number, traces[number].path.link, traces[number].mss, traces[number].room[1], text)


def summary(events):
    return [(e["verdict"], e["action"], e["mail_from"], e["rcpt_to"], e["bytes"], e["reply"],
             [m["signature"] for m in e["matches"]],
             [(p["bytes"], p.get("md5"), p.get("sha256")) for p in e["parts"]]) for e in events]


def pieces_of(path, traces):
    """What left by connection, side that said it and offset; raises a ValueError for a frame that is not good."""
    seen = [({}, {}) for _ in traces]
    for segment in map(segment_of, read_capture(path)):
        side = 0 if segment.ports[0] >= 10000 else 1
        number = segment.ports[side] - 10000
        if not segment.is_good or (segment.flags & SYN and segment.payload):
            raise ValueError("connection %d: a frame left that is not good" % number)
        at = segment.seq - traces[number].first[side] - 1 & 0xffffffff
        for offset, byte in enumerate(segment.payload, at - (1 << 32) if at >> 31 else at):
            if seen[number][side].setdefault(offset, byte) != byte:
                raise ValueError("connection %d: two bytes for number %d of side %d left" % (number, offset, side))
    return seen


def egress_faults(path, traces, talks):
    """Puts together what left, by its numbers."""
    seen = pieces_of(path, traces)
    for number, talk in enumerate(talks):
        streams = [dict(enumerate(s)) for s in traces[number].streams]
        if not any(m[2] for m in talk.messages):
            for side in (0, 1):
                if seen[number][side] != streams[side]:
                    yield number, "what left to side %d is not what was said" % (1 - side)
        elif not seen[number][0].items() <= streams[0].items():
            yield number, "the server is told what was not said"
        for start, end, is_infected in talk.messages:
            if is_infected and end - 1 in seen[number][0]:
                yield number, "an infected message is complete"


def main():
    folder = tempfile.mkdtemp(prefix="cordon-recut-")
    seeds = range(int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else [1]
    failed = 0
    try:
        with open(folder + "/rules.ndb", "w") as f:
            f.write("Test:0:*:%s\n" % VIRUS[:40].hex())
        for seed in seeds:
            try:
                wrong = list(Batch(seed, folder, folder + "/rules.ndb").faults())
            except ValueError as why:
                wrong = [str(why)]
            failed += bool(wrong)
            print("%-4s seed %d" % ("FAIL" if wrong else "ok", seed), *wrong[:20], sep="\n     ", flush=True)
    finally:
        shutil.rmtree(folder)
    print("%d passed, %d failed, 0 skipped" % (len(seeds) - failed, failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
