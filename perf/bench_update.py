#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""One new signature on top of 285,000: perf/bench_update.py [--quick] [FOLDER OF SIGNATURES...]

A gateway as it is installed: cordon-dataplane with two workers, cordon-control beside it, rules.sources with 20,000
literals and 265,000 hashes (or the folders that are named). A vendor's signed update with one signature more comes
over TCP, and its file is fetched over HTTP. Counted from before the first byte of the alert to the dataplane's
`swap` event, which is timed when each worker has the new rules; beside it what the same compile takes by itself
(cordonctl compile --in-use), and when the file was asked for and the image handed over.
"""
import json
import os
import random
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests/lab"))

# pylint: disable=wrong-import-position
from labcontrol import Control, spool_settings
from labgateway import Gateway
from lablib import BUILD, Case, Lab, lab_missing
from labpostfix import Server
from labupdate import Web
from labvendor import Vendor

PORT = 7700
SETTLED_SECONDS = 2.2  # a file that was written just before it was compiled is read again: its time says nothing
LITERALS, HASHES = 20000, 265000


def row(name, value, unit, against=None, peer=None):
    line = {"name": name, "value": value, "unit": unit}
    if peer:
        line.update(against=against, peer=peer, ratio=peer / value)
    print(json.dumps(line), flush=True)


def share(values, part):
    values = sorted(values)
    return values[min(int(len(values) * part), len(values) - 1)]


def seconds_of(text):
    whole, _, rest = text.rstrip("Z").partition(".")
    return time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) - time.timezone + float("0." + (rest or "0"))


def write_signatures(folder):
    chance = random.Random(8)
    os.mkdir(folder)
    with open(folder + "/literals.ndb", "w") as f:
        for i in range(LITERALS):
            f.write("Bench.Literal-%d:0:*:%s\n" % (i, chance.randbytes(chance.randint(16, 40)).hex()))
    with open(folder + "/hashes.hdb", "w") as f:
        for i in range(HASHES):
            f.write("%s:%d:Bench.Hash-%d\n" % (chance.randbytes(16).hex(), 1000 + i % 90000, i))
    return folder


class Follower:
    """New events of a file, as they are written."""

    def __init__(self, path):
        self.file, self.line = open(path, "rb"), b""

    def next(self, kind, seconds=120):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.line += self.file.readline()
            if not self.line.endswith(b"\n"):
                time.sleep(0.0005)
                continue
            event, self.line = json.loads(self.line), b""
            if event["event"] == kind:
                return event
        raise AssertionError("no %s within %d s" % (kind, seconds))


class Bench:
    def __init__(self, lab, sources):
        self.lab, self.vendor, self.web = lab, Vendor(lab.folder), Web(lab)
        self.sources, self.version = sources or [write_signatures(lab.folder + "/signatures")], None
        self.settled = time.monotonic() + SETTLED_SECONDS
        self.server = Server(lab)
        self.gateway = Gateway(lab, workers=2, idle={"sleep_us": 50}, **spool_settings(lab))
        self.control = Control(lab, sources=self.sources, alerts={
            "root": self.vendor.write_root(), "tcp": {"listen": "127.0.0.1:%d" % PORT}})
        self.events = Follower(self.gateway.events_file)
        time.sleep(max(0, self.settled - time.monotonic()))
        self.control.ask("rules", "install")
        self.events.next("swap")
        self.link = lab.connect("127.0.0.1", PORT, 120, side="server")
        self.read = self.link.makefile("rb")

    def update(self, number):
        """Milliseconds to the request for the file, to the hand-over, and to the swap."""
        version = "v%d" % number
        text = "#cordon: virus_id=CV-%d\nBench.New-%d:0:*:%s\n" % (
            number, number, ("new virus %06d" % number).encode().hex())
        more = {"delta_from": self.version} if self.version else {}
        update = dict(self.web.update(version, {"n%d.ndb" % number: text}, covers=["CV-%d" % number]), **more)
        alert = self.vendor.alert("update", update=update)
        asked = []
        known = len(self.web.server.asked)

        def watch():
            while len(self.web.server.asked) == known and not asked:
                time.sleep(0.0005)
            asked.append(time.time())

        threading.Thread(target=watch, daemon=True).start()
        began = time.time()
        self.link.sendall(struct.pack(">I", len(alert)) + alert)
        event = self.events.next("swap")
        assert event["result"] == "applied" and event["ruleset"] != event["from"], event
        receipt = self.read.read(struct.unpack(">I", self.read.read(4))[0])
        assert receipt, "no receipt"
        self.version = version
        return (asked[0] - began) * 1000, (seconds_of(event["time"]) - began) * 1000

    def compile_ms(self):
        """The compile alone, of what is in force and one signature more."""
        extra = self.lab.folder + "/extra.ndb"
        with open(extra, "w") as f:
            f.write("Bench.Extra:0:*:%s\n" % b"one more of them".hex())
        began = time.monotonic()
        subprocess.run([BUILD + "/cordonctl", "compile", *self.sources, extra, "-o", self.lab.folder + "/alone",
                        "--in-use", self.lab.folder + "/rules.img", "--cache", self.lab.folder + "/rules.img.cache",
                        "--json"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return (time.monotonic() - began) * 1000


def main():
    quick = "--quick" in sys.argv[1:]
    folders = [os.path.abspath(a) for a in sys.argv[1:] if a != "--quick"]
    why = lab_missing()
    if why:
        print("skipped: " + why)
        return
    with Lab(Case("bench", None, True)) as lab:
        bench = Bench(lab, folders)
        signatures = bench.control.ask("rules")
        found, alone = [], []
        for number in range(1, 6 if quick else 51):
            alone.append(bench.compile_ms())
            found.append(bench.update(number))
        row("update/signatures", signatures.get("signatures", LITERALS + HASHES), "signatures")
        row("update/file-asked-for/p50", share([f[0] for f in found], 0.5), "ms")
        for part, name in ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (1, "longest")):
            row("update/one-signature-in-force/" + name, share([f[1] for f in found], part), "ms",
                "the compile alone", share(alone, part))


if __name__ == "__main__":
    main()
