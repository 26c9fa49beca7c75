# SPDX-License-Identifier: BSD-3-Clause
"""The gateway between the lab's client and server: cordon-dataplane on the two interfaces of the
gateway's namespace, or, with LAB_GATEWAY=bridge, the kernel's bridge."""
import binascii
import hashlib
import json
import os
import signal
import struct
import subprocess
import time

import lablib
import labmail
from lablib import BUILD, Failed, until

LISTED = labmail.noise(4711, 99)  # an attachment that a hash of the lab's rules names
LISTED_NAME = "Lab.Hash.Listed"


def configuration(lab, policy=None, test_faults=None, **top):
    """The dataplane's YAML. Every key that the lab knows of is here and nowhere else."""
    settings = {
        "gateway": "lab", "rules": lab.folder + "/rules.img", "events": lab.folder + "/events.json",
        "command": lab.folder + "/dataplane.sock", "telemetry": "false", "workers": 1,
        "links": [{"name": "lan0", "outside": {"interface": "outside0"},
                   "inside": {"interface": "inside0"}, "mtu": lab.cable_mtu}],
        "eal": {"hugepages": "false"},
        "idle": {"sleep_us": 50},
    }
    if policy:
        settings["smtp"] = {"inbound": policy}
    if test_faults:
        settings["test_faults"] = test_faults
    settings.update(top)
    return yaml(settings)


def yaml(value, indent=0):
    pad = "  " * indent
    text = ""
    for key, item in value.items():
        if isinstance(item, dict):
            text += "%s%s:\n%s" % (pad, key, yaml(item, indent + 1))
        elif isinstance(item, list):
            text += "%s%s:\n" % (pad, key)
            for entry in item:
                body = yaml(entry, indent + 2)
                text += pad + "  - " + body.lstrip()
        else:
            text += "%s%s: %s\n" % (pad, key, item)
    return text


def signatures():
    """{file name: content} of the lab's rules, in ClamAV's formats."""
    return {
        "lab.ndb": "%s:0:*:%s\n" % (labmail.EICAR_NAME, binascii.hexlify(labmail.EICAR).decode()),
        "lab.hsb": "%s:%d:%s\n" % (hashlib.sha256(LISTED).hexdigest(), len(LISTED), LISTED_NAME),
    }


def make_foreign(path):
    """The image, as if the version before had made it."""
    with open(path, "r+b") as f:
        f.seek(8)
        number, = struct.unpack("<I", f.read(4))
        f.seek(8)
        f.write(struct.pack("<I", number - 1))


class Gateway:
    """Starts at once; `stop`, `kill` and `start` again as a test needs. In a bridged lab there is
    nothing to start, and no events."""

    def __init__(self, lab, **settings):
        self.lab, self.process = lab, None
        self.events_file = os.path.join(lab.folder, "events.json")
        if lab.bridge:
            return
        for program in ("cordon-dataplane", "cordonctl"):
            if not os.access(os.path.join(BUILD, program), os.X_OK):
                raise Failed("no %s/%s: make builds it" % (BUILD, program))
        for name, text in signatures().items():
            with open(os.path.join(lab.folder, name), "w") as f:
                f.write(text)
        self.control("compile", *[lab.folder + "/" + n for n in signatures()], "-o",
                     lab.folder + "/rules.img")
        self.config = os.path.join(lab.folder, "dataplane.yaml")
        with open(self.config, "w") as f:
            f.write(configuration(lab, **settings))
        lab.logs.append(("events", lambda: "\n".join(json.dumps(e) for e in self.events()[-12:])))
        self.start()

    def control(self, *arguments):
        done = subprocess.run([BUILD + "/cordonctl"] + list(arguments), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode:
            raise Failed("cordonctl %s: exit status %d: %s" % (
                " ".join(arguments), done.returncode, (done.stdout + done.stderr).decode()))
        return done.stdout.decode()

    def start(self):
        if self.lab.bridge:
            return
        starts = len(self.events("start"))
        self.process = self.lab.start("gateway", "dataplane",
                                      [BUILD + "/cordon-dataplane", "--config", self.config])

        def ready():
            if not self.process.running():
                raise Failed("the dataplane ended with %d:\n%s" % (self.process.child.returncode,
                                                                  self.process.text()[-3000:]))
            return len(self.events("start")) > starts
        until("the dataplane's start event", ready, seconds=90)  # it syncs its first segment
        if self.lab.dead:
            self.lab.dead[-1][1] = min(self.lab.dead[-1][1], time.time())

    def kill(self):
        """As a crash: no chance to say good-bye."""
        if self.process:
            self.lab.dead.append([time.time(), float("inf")])
            self.process.stop(signal.SIGKILL)

    def stop(self):
        return self.process.stop(signal.SIGTERM) if self.process else 0

    def running(self):
        return self.lab.bridge or self.process.running()

    def events(self, kind=None):
        found = lablib.load_json_lines(self.events_file)
        return [e for e in found if kind in (None, e["event"])]

    def wait_mails(self, count):
        """The mail events, once there are so many."""
        until("%d mail events" % count, lambda: len(self.events("mail")) >= count)
        return self.events("mail")

    def stats(self):
        """The counters by name."""
        answer = self.control("stats", "--json", "--socket", self.lab.folder + "/dataplane.sock")
        return json.loads(answer)["counters"]

    def buffers(self):
        """Packet buffers not in use."""
        if self.lab.bridge:
            return 0
        answer = self.control("stats", "--json", "--socket", self.lab.folder + "/dataplane.sock")
        return json.loads(answer)["memory"]["mbufs_free"]

    def check_mails(self, case, **counts):
        """There is one mail event for each message, and no other: clean=3, infected=1, ..."""
        case.check(self.running(), "the gateway is still running")
        if self.lab.bridge:
            return []
        wanted = {k: n for k, n in counts.items() if n}
        count = {}

        mails = self.wait_mails(sum(wanted.values()))
        for event in mails:
            count[event["verdict"]] = count.get(event["verdict"], 0) + 1
        case.equal(count, wanted, "one mail event for each message")
        for event in mails:
            fits = {"clean": ["deliver"], "infected": ["reject"]}.get(event["verdict"])
            case.check(not fits or event["action"] in fits, "action fits the verdict", event)
            case.check(event["client_port"] and event["server_port"] == 25, "addresses", event)
        return mails
