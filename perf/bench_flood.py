#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Real alerts among 100,000 forged, replayed and malformed ones: perf/bench_flood.py [--quick]

The gateway of bench_alert.py. Real seals come by TCP, one after another, first alone and then while three
senders flood it: datagrams as fast as they go, connections that send nonsense until they are cut off, and
requests to the HTTPS server. Beside the real ones' times stand those without the flood. Each of the flood's
is accounted for: refused with a reason, repeated, dropped by the channel's limit, or by the kernel because
the socket's buffer was full; a seal of the flood's must not exist.
"""
import base64
import json
import multiprocessing
import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

# pylint: disable=wrong-import-position
from bench_alert import HTTPS, TCP, UDP, Bench, row, share
from lablib import Case, Failed, Lab, lab_missing
from labvendor import Vendor


class Flood:
    """What is sent, and how much of each kind; a process for each way."""

    def __init__(self, bench, count):
        self.bench, self.children = bench, []
        self.sent = {way: multiprocessing.Value("Q", 0) for way in ("udp", "tcp", "https")}
        self.count = {"udp": count * 96 // 100, "tcp": count * 3 // 100, "https": count // 100}
        real = bench.vendor.alert("seal", virus_id="CV-1", seal={"mode": "hold"})
        bench.send("udp", real)
        bench.next_seal()
        thief = Vendor(bench.lab.folder + "/thief")
        forged = thief.alert("seal", virus_id="CV-FORGED", seal={"mode": "hold"})
        self.kinds = [real, forged, bytes(1200), real[:700], b'{"payloadType": ' * 70, b"", self.other(real)]

    @staticmethod
    def other(real):
        """What a trusted key has signed with another payload below the signature."""
        envelope = json.loads(real)
        payload = base64.b64decode(envelope["payload"]).replace(b"CV-1", b"CV-2")
        envelope["payload"] = base64.b64encode(payload).decode()
        return json.dumps(envelope).encode()

    def udp(self):
        with self.bench.lab.inside("server"):
            link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for i in range(self.count["udp"]):
            if i % 20 == 0:  # some ten thousand in a second, which is more than can be read
                time.sleep(0.001)
            link.sendto(self.kinds[i % len(self.kinds)], ("127.0.0.1", UDP))
            self.sent["udp"].value += 1

    def tcp(self):
        while self.sent["tcp"].value < self.count["tcp"]:
            link = self.bench.link(TCP)
            link.settimeout(5)
            try:
                for _ in range(10):
                    data = self.kinds[1 + self.sent["tcp"].value % 4]
                    link.sendall(struct.pack(">I", len(data)) + data)
                    self.sent["tcp"].value += 1
                link.shutdown(socket.SHUT_WR)
                while link.recv(65536):
                    pass
            except OSError:
                pass
            link.close()

    def https(self):
        while self.sent["https"].value < self.count["https"]:
            try:
                link = self.bench.connect_https()
                for _ in range(20):
                    data = self.kinds[1 + self.sent["https"].value % 4]
                    link.request("POST", "/v1/alerts", data, {"Content-Type": "application/json"})
                    self.sent["https"].value += 1
                    link.getresponse().read()
                link.close()
            except OSError:
                pass

    def start(self):
        fork = multiprocessing.get_context("fork")
        self.children = [fork.Process(target=f, daemon=True) for f in (self.udp, self.tcp, self.https)]
        for child in self.children:
            child.start()

    def runs(self):
        return any(c.is_alive() for c in self.children)


def drops(bench):
    """What the kernel had no room for in the socket's buffer."""
    _, text = bench.lab.run("server", ["cat", "/proc/net/udp"])
    for line in text.splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(":%04X" % UDP):
            return int(fields[-1])
    return 0


def counts(bench):
    """{what: count} of what control says of itself."""
    status = bench.control.ask("status")
    alerts, channels = status["alerts"], status["channels"]
    return {"refused": sum(alerts["refused"].values()), "repeated": alerts["repeated"],
            "applied": alerts["applied"], "dropped": channels["udp"]["dropped"],
            "limited": channels["https"].get("limited", 0), "kernel": drops(bench)}


def main():
    quick = "--quick" in sys.argv[1:]
    why = lab_missing()
    if why:
        print("skipped: " + why)
        return
    total = 20000 if quick else 100000
    with Lab(Case("flood", None, True)) as lab:
        bench = Bench(lab, 0)
        bench.measure("tcp", 10)
        alone, _ = bench.measure("tcp", 40 if quick else 200)
        flood = Flood(bench, total)
        before = counts(bench)
        began = time.monotonic()
        flood.start()
        flooded, real = [], 0
        while flood.runs():
            flooded += bench.measure("tcp", 5)[0]
            real += 5
        seconds = time.monotonic() - began
        time.sleep(1.5)
        after = counts(bench)
        more = {k: after[k] - before[k] for k in after}
        sent = sum(v.value for v in flood.sent.values())
        told = sum(more[k] for k in ("refused", "repeated", "dropped", "limited", "kernel"))
        for part, name in ((0.5, "p50"), (0.99, "p99")):
            row("flood/real/%s" % name, share(flooded, part), "ms", "without the flood",
                share(alone, part))
        row("flood/rate", sent / seconds, "alerts/s")
        row("flood/sent", sent, "alerts")
        for name, count in sorted(more.items()):
            row("flood/" + name, count, "alerts")
        if more["applied"] != real or told != sent:
            raise Failed("%d sent, %d accounted for; %d real ones, %d applied: %s" % (
                sent, told, real, more["applied"], more))
        seals = {s["virus_id"] for s in bench.control.ask("status")["seals"]}
        if seals != {"CV-1"}:
            raise Failed("seals: %s" % seals)


if __name__ == "__main__":
    main()
