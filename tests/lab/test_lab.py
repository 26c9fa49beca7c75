#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The lab's own eyes: what its checks are there to see, they do see. A bridge is the gateway here."""
import os
import signal
import socket
import struct

import labmail
from lablib import Capture, Cases, Failed, Lab, check_captures, directions, faults_of, until
from labmail import check_arrived, message
from labpostfix import Server

cases = Cases()


def seen(case, what, check, *arguments, **options):
    try:
        check(*arguments, **options)
    except Failed as why:
        case.check(what in str(why), "the check says '%s'" % what, why)
        return
    raise Failed("not seen: " + what)


@cases.case("a bad checksum and a lost packet are seen in a capture")
def captures_tell(case):
    data = message("seen", [], labmail.PROSE * 30)
    with Lab(case, bridge=True, calm=True) as lab:
        Server(lab)
        captures = [Capture(lab, "client")]
        case.equal(labmail.send(lab, data)[0], 250, "sent")
        with lab.inside("client"), \
                socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
            raw.sendto(struct.pack("!HHIIBBHHH", 999, 25, 1, 0, 0x50, 2, 100, 0xdead, 0),
                       ("192.0.2.25", 0))
        seen(case, "no bad checksum at the client", check_captures, case, captures)
    with Lab(case, bridge=True) as lab:
        Server(lab)
        captures = [Capture(lab, "client")]
        lab.drop("server", "input", 5)
        case.equal(labmail.send(lab, data)[0], 250, "sent with losses")
        seen(case, "nothing repeated or lost at the client", check_captures, case, captures)


@cases.case("a loss at an end is none that its kernel hears of: an opening repeats itself until it is heard")
def losses_are_silent(case):
    with Lab(case, bridge=True) as lab:
        Server(lab)
        lab.drop("server", "input", 2)   # the client's answer to the SYN/ACK, behind its SYN
        lab.drop("server", "output", 2)  # the SYN/ACK again, behind the first
        with lab.connect() as talk:
            until("both are lost", lambda: min(lab.dropped("server", hook) for hook in ("input", "output")))
            for hook in ("input", "output"):
                lab.drop_no_more("server", hook)
            case.equal(talk.recv(4), b"220 ", "the server's greeting")


CLIENT_END, SERVER_END = ("192.0.2.10", "5"), ("192.0.2.25", "25")


def sent(segments, answers=()):
    """Directions of a capture: the client's (sequence number, bytes, time), the server's (ack, time)."""
    frames = [(CLIENT_END, SERVER_END, t, seq, 1, n) for seq, n, t in segments]
    frames += [(SERVER_END, CLIENT_END, t, 1, ack, 0) for ack, t in answers]
    frames.sort(key=lambda f: f[2])
    return directions([(1, a, b, t, i, seq, ack, n, False, False, False, True)
                       for i, (a, b, t, seq, ack, n) in enumerate(frames, 1)])


@cases.case("what a capture shows is a fault of the gateway's, or of the machine's")
def faults_told(case):
    plain = [(1 + 100 * i, 100, 0.01 * i) for i in range(200)]
    again = plain + [(501, 100, 9.0)]
    soon = plain + [(501, 100, 0.06)]
    swapped = [plain[i + (i % 40 == 7) - (i % 40 == 8)][:2] + (0.01 * i,) for i in range(200)]
    all_swapped = [plain[i ^ 1][:2] + (0.01 * i,) for i in range(200)]
    for what, near, far, answers, count in (
            ("nothing", plain, plain, [(20001, 3.0)], 0),
            ("some segments overtaken in the capture", swapped, plain, (), 0),
            ("as many at both ends: the sender's own doing", all_swapped, all_swapped, (), 0),
            ("the gateway's order is not the sender's", all_swapped, plain, (), 1),
            ("a segment is missing", plain[:50] + plain[51:], plain, (), 1),
            ("an acknowledgement of what was not sent", plain, plain, [(20002, 3.0)], 1),
            ("a repeat of what was lost", again, plain, (), 1),
            ("a repeat by the timer of what was not", again, again, (), 0),
            ("a hasty repeat of what was not", soon, soon, (), 1),
            ("a repeat at one end alone", again, None, (), 1),
            ("a reply of the gateway, again by its timer", plain + [(20001, 63, 3.0), (20001, 63, 4.1)], plain, (), 0),
            ("a hasty repeat of its reply", plain + [(20001, 63, 3.0), (20001, 63, 3.2)], plain, (), 1),
            ("a repeat in other pieces", plain + [(501, 150, 9.0)], plain, (), 1),
            ("many repeats by the timer", plain + [(s, n, t + 9.0) for s, n, t in plain[:8]],
             plain + [(s, n, t + 9.0) for s, n, t in plain[:8]], (), 8)):
        faults = faults_of(sent(near, answers), sent(far, answers) if far else None)
        case.equal(len(faults), count, "%s: %s" % (what, faults))


@cases.case("a changed, a missing and an uninvited mail are seen at the server")
def arrivals_tell(case):
    with Lab(case, bridge=True) as lab:
        server = Server(lab)
        data = [message("one", [], b"first\n"), message("two", [], b"second\n")]
        for mail in data:
            labmail.send(lab, mail)
        check_arrived(case, server, data)
        changed = [data[0], data[1].replace(b"second", b"sekond")]
        seen(case, "mail two changed", check_arrived, case, server, changed)
        seen(case, "nothing else arrived", check_arrived, case, server, data[:1])
        missing = [data[0], message("three", [], b"third\n")]
        seen(case, "mail three arrived 0 times", check_arrived, case, server, missing)


@cases.case("the wire loses, doubles and reorders, and the same seed does the same")
def wire_faults(case):
    did = []
    for _ in range(2):
        with Lab(case, bridge=True, faults="drop=100,dup=100,reorder=100,seed=5") as lab:
            lab.run("client", ["ip", "neigh", "add", "192.0.2.25", "lladdr", "02:00:00:00:00:01",
                               "dev", "client0"])
            with lab.inside("client"):
                out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            lab.wires(signal.SIGSTOP)  # all of them at once, so that time has no part in it
            for number in range(300):
                out.sendto(b"%d" % number, ("192.0.2.25", 9))
            lab.wires(signal.SIGCONT)
            out.close()
            did.append(lab.faults_done())
    case.check(min(did[0]["dropped"], did[0]["doubled"], did[0]["reordered"]) >= 10,
               "faults of every kind happened", did[0])
    for what in ("dropped", "doubled", "reordered"):
        case.check(abs(did[0][what] - did[1][what]) <= 2, "the same again", *did)


if __name__ == "__main__":
    os.umask(0o022)
    cases.main()
