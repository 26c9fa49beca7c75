#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The time of day leaps, by minutes, hours and years, while a gateway is sealed and mail waits."""
import os
import struct
import subprocess
import time

import labmail
from labcontrol import Control, spool_settings
from labgateway import Gateway
from lablib import BUILD, SERVER, Cases, Lab, until
from labmail import message
from labpostfix import Server
from labsink import Sink

cases = Cases()

HOUR, YEAR = 3600, 365 * 86400
LEAPS = (10 * HOUR, 0, 10 * YEAR)


class Clock:
    """The time of day of what is started from now on."""

    def __init__(self, case, lab):
        self.path = lab.folder + "/clock"
        self.set(0)
        lab.environment = dict(os.environ, LD_PRELOAD=BUILD + "/tests/lab/clockwork.so", CORDON_LAB_CLOCK=self.path)
        # Not beside a sanitizer, which wants to be the first.
        works = subprocess.run([BUILD + "/cordon-control", "--config-reference"], env=lab.environment,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
        if not works:
            case.skip("these programs cannot be given a clock")

    def set(self, seconds):
        with open(self.path, "r+b" if os.path.exists(self.path) else "wb") as f:
            f.write(struct.pack("<q", seconds))


class Rig:
    def __init__(self, case, lab, begins=0):
        self.lab = lab
        Server(lab)
        self.sink = Sink(lab, strict=True, port=2525)
        self.clock = Clock(case, lab)
        self.clock.set(begins)
        self.gateway = Gateway(lab, **spool_settings(lab))
        self.control = Control(lab, release={"host": SERVER, "port": 2525, "retry_seconds": 1,
                                             "retry_most_seconds": 1})
        self.control.ask("seal", "--virus-id", "CV-1", "--seconds", "600")

    def send(self, case, *names):
        for name in names:
            case.equal(labmail.send(self.lab, message(name, [], b"text\n"))[0], 250, name)

    def arrived(self):
        return sorted(labmail.lab_id(body) for _, _, body in self.sink.mails)

    def leaps(self):
        return [e["why"] for e in self.control.events("fault") if e["what"] == "the clock has leapt"]

    def leap(self, seconds):
        before = len(self.leaps())
        self.clock.set(seconds)
        until("the leap is told", lambda: len(self.leaps()) == before + 1)
        # Twice the control process has looked at all that may be over by then.
        uptime = self.control.ask("status")["uptime_seconds"]
        until("time passes", lambda: self.control.ask("status")["uptime_seconds"] >= uptime + 2)

    def waits(self, case, name):
        """One that is put off by its server: its lifetime has begun."""
        self.sink.says = {"MAIL": "451 4.3.0 not now"}
        self.control.ask("held", "release", "--why", "a test",
                         *[r["id"] for r in self.control.held() if r["subject"].endswith(name)])
        until("it was tried", lambda: any(e.get("action") == "later" for e in self.control.events("release")))


@cases.case("leaps forward by hours and years: no seal ends, no mail is given up; back again, and all goes its way",
            engine=True)
def forward(case):
    with Lab(case) as lab:
        rig = Rig(case, lab)
        rig.send(case, "stays", "waits")
        until("both are held", lambda: len(rig.control.held()) == 2)
        rig.waits(case, "waits")
        for leap in LEAPS:
            rig.leap(leap)
            status = rig.control.ask("status")
            case.equal((status["sealed"], status["in_force"], status["clock_leap_seconds"]), (True, True, leap),
                       "after %d s" % leap)
            rig.send(case, "at-%d" % leap)
        until("all are held", lambda: len(rig.control.held()) == 1 + len(LEAPS))
        case.equal(len(rig.control.events("unseal")), 0, "no seal has ended")
        case.equal([e["action"] for e in rig.control.events("release") if e["action"] not in ("later", "audit")], [],
                   "nothing was given up")
        case.equal(rig.arrived(), [], "nothing has passed")
        rig.sink.says = {}
        rig.control.ask("unseal", "CV-1")
        names = sorted(["stays", "waits"] + ["at-%d" % n for n in LEAPS])
        until("all arrive", lambda: rig.arrived() == names)


@cases.case("leaps back: what waits is tried as before, what comes is looked at as before, a seal lasts as it was to",
            engine=True)
def back(case):
    with Lab(case) as lab:
        rig = Rig(case, lab)
        rig.send(case, "stays", "waits")
        until("both are held", lambda: len(rig.control.held()) == 2)
        rig.waits(case, "waits")
        rig.leap(-YEAR)
        rig.sink.says = {}
        until("what waited is tried", lambda: rig.arrived() == ["waits"])
        seal, = rig.control.ask("status")["seals"]
        case.equal(seal["expires"] - seal["begun"], 600, "how long the seal lasts")
        rig.send(case, "later")
        rig.control.ask("unseal", "CV-1")
        until("what came before and after goes", lambda: rig.arrived() == ["later", "stays", "waits"])
        rig.control.ask("seal", "--virus-id", "CV-2")
        rig.send(case, "last")
        rig.control.ask("unseal", "CV-2")
        until("and the last", lambda: "last" in rig.arrived())


@cases.case("a machine without a clock learns the time: all goes by it at once, and what began before is not over",
            engine=True)
def nineteen_seventy(case):
    begins = 60 - int(time.time())
    with Lab(case) as lab:
        rig = Rig(case, lab, begins)
        rig.send(case, "stays", "waits")
        until("both are held", lambda: len(rig.control.held()) == 2)
        rig.waits(case, "waits")
        rig.leap(0)
        status = rig.control.ask("status")
        case.equal((status["sealed"], status["in_force"], status["clock_leap_seconds"]), (True, True, 0), "afterwards")
        seal, = status["seals"]
        case.equal(seal["expires"] - seal["begun"], 600, "how long the seal lasts")
        case.equal(seal["begun"] > time.time() - HOUR, True, "it has begun now")
        # An hour back and forth, and a process that is killed meanwhile.
        rig.leap(-HOUR)
        rig.control.kill()
        rig.clock.set(0)
        rig.control.start()
        until("the seal is as it was", lambda: rig.control.ask("status")["seals"] == [seal])
        rig.sink.says = {}
        until("what waited is tried", lambda: rig.arrived() == ["waits"])
        rig.control.ask("unseal", "CV-1")
        until("all arrive", lambda: rig.arrived() == ["stays", "waits"])


if __name__ == "__main__":
    cases.main()
