#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A few new signatures come into force as a delta of the image that the gateway runs on, and go with it;
the gateway starts with both again. When a delta has grown, one image takes the place of both."""
import glob
import os
import signal
import threading
import time

import labmail
from labdataplane import Dataplane
from labgateway import make_foreign
from laboutbreak import NEW_VIRUS, Mailer, Outbreak, Try, new_signature
from lablib import BUILD, Cases, Failed, Lab, until
from labmail import attachment, mixed

cases = Cases()

OTHER = "Test.Other:0:*:%s\n" % b"something-else-altogether".hex()


class Answers:
    """Numbers mails, and says what became of one with the new virus."""

    def __init__(self, lab):
        self.lab, self.count = lab, 0

    def ask(self, content=NEW_VIRUS):
        self.count += 1
        data = mixed("a%d" % self.count, labmail.TEXT, attachment(b"xx" * 900 + content))
        return labmail.send(self.lab, data)[0]


def halves(version):
    base, _, delta = version.partition("+")
    return base, delta


@cases.case("a new signature comes into force as a delta, goes with it, and is there after a restart",
            engine=True)
def delta(case):
    with Lab(case) as lab:
        out = Outbreak(lab)
        answers = Answers(lab)
        first = out.install(OTHER)
        case.equal(halves(first["ruleset"])[1], "", "the first image is one of all")
        case.equal(answers.ask(), 250, "before the signature")
        second = out.install(OTHER + new_signature())
        case.equal((second["in_force"], second["signatures"]), (True, first["signatures"] + 1),
                   "the new rules")
        base, of = halves(second["ruleset"])
        case.equal((base, of != ""), (first["ruleset"], True), "a delta of the first image")
        case.equal(answers.ask(), 554, "with the signature")
        case.equal(answers.ask(b"something-else-altogether"), 554, "by one of the image")
        case.equal(answers.ask(b"nothing at all"), 250, "a clean mail")
        told = out.gateway.stats()
        case.equal((told["rules_swapped"], told["tx_dropped"]), (2, 0), "swaps, packets lost")
        shown = out.control.ask("rules")
        case.equal((shown["in_force"], shown["base"], shown["delta"]), (second["ruleset"], base, of),
                   "what cordonctl says")
        out.gateway.kill()
        out.gateway.start()
        case.equal(out.gateway.events("start")[-1]["ruleset"], second["ruleset"], "after a restart")
        case.equal(answers.ask(), 554, "after a restart")
        third = out.install(new_signature())
        case.equal(halves(third["ruleset"])[0], base, "another delta of the same image")
        case.equal(answers.ask(b"something-else-altogether"), 250, "what was removed")
        case.equal(answers.ask(), 554, "what was not")
        last = out.install(OTHER)
        case.equal(last["ruleset"], base, "the image alone again")
        case.equal(answers.ask(), 250, "without the signature")
        case.check(not os.path.exists(lab.folder + "/rules.img.delta"), "no delta beside the image")


@cases.case("after an upgrade the image of the old version is compiled anew, and no dataplane is asked whether it may",
            engine=True)
def upgrade(case):
    with Lab(case) as lab:
        out = Outbreak(lab)
        answers, image = Answers(lab), lab.folder + "/rules.img"

        def upgraded():
            out.control.stop()
            make_foreign(image)

        def renewed():
            before = len(out.control.events("rules"))
            out.control.start()
            until("it is compiled anew", lambda: len(out.control.events("rules")) > before)
            case.check("another version" in out.control.events("fault")[-1]["why"], "why", out.control.events("fault"))
            told = out.control.events("rules")[-1]
            case.equal(told["result"], "applied", told)
            return told
        out.install(OTHER)
        out.install(OTHER + new_signature())
        upgraded()
        out.gateway.kill()
        try:
            out.gateway.start()
            case.check(False, "the dataplane has started with an image of another version")
        except Failed as failed:
            case.check("another version" in str(failed), "why it does not start", failed)
        renewed()
        out.gateway.start()
        case.equal((answers.ask(), answers.ask(b"something-else-altogether"), answers.ask(b"nothing")),
                   (554, 554, 250), "with the new image")
        # One of the old version runs still, and takes nothing of the new.
        out.gateway.kill()
        os.unlink(lab.folder + "/dataplane.sock")
        upgraded()
        old = Dataplane(lab)
        old.refusals["rules"] = old.refusals["delta"] = "of another version"
        told = renewed()
        case.check("refused them: of another version" in told["why"], "not in force yet", told)
        case.equal(out.control.ask("rules", status=None)["version"], told["ruleset"], "it lies there")


@cases.case("deltas come into force in the middle of a stream of mails", engine=True)
def stream(case):
    with Lab(case) as lab:
        out = Outbreak(lab)
        base = out.install(OTHER)["ruleset"]
        stop = threading.Event()
        tries = []

        def send():
            mailer = Mailer(lab)
            while not stop.is_set():
                tries.append(Try(mixed("s%d" % len(tries), labmail.TEXT, attachment(b"xy" * 20000)),
                                 False))
                mailer.send(tries[-1], "data")
            mailer.leave()
        sender = threading.Thread(target=send)
        sender.start()
        text = OTHER
        for i in range(8):
            text += new_signature().replace("Test.New", "Test.N%d" % i)
            case.equal(halves(out.install(text)["ruleset"])[0], base, "the base of delta %d" % i)
        until("mails behind the last", lambda n=len(tries): len(tries) > n + 2)
        stop.set()
        sender.join(60)
        bad = {t.text for t in tries if t.code != 250 and t.text[:3] not in ("451", "421")}
        case.equal(sorted(bad), [], "answers that are neither 250 nor 451")
        counters = out.gateway.stats()
        case.equal((counters["rules_swapped"], counters["tx_dropped"]), (9, 0), "swaps, packets lost")


@cases.case("a signature that is put into a watched folder comes into force by itself", engine=True)
def watched(case):
    with Lab(case) as lab:
        out = Outbreak(lab, control={"rules": {"image": lab.folder + "/rules.img", "watch_ms": 100}})
        answers, first = Answers(lab), out.gateway.events("start")[-1]["ruleset"]
        case.equal(answers.ask(), 250, "before the signature")
        with open(out.new + "/.half", "w") as f:
            f.write(new_signature())
        os.rename(out.new + "/.half", out.new + "/new.ndb")
        # The lab's own files lie beside a source: what was written there last may have them compiled once as they were.
        until("the new rules", lambda: any(e["ruleset"] != first for e in out.control.events("rules")))
        case.equal(out.control.events("rules")[-1]["result"], "applied", "the new rules")
        case.equal(answers.ask(), 554, "with the signature")
        having = out.control.events("rules")[-1]["ruleset"]
        os.unlink(out.new + "/new.ndb")
        until("the old rules", lambda: out.control.events("rules")[-1]["ruleset"] != having)
        case.equal(answers.ask(), 250, "when it was taken away")


def standing_by(pid):
    """Children of the process that stand by."""
    found = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as f:
                fields = f.read().rpartition(")")[2].split()
            with open(os.path.dirname(path) + "/cmdline") as f:
                words = f.read().split("\0")
        except OSError:  # it has ended since
            continue
        if fields[1] == str(pid) and "--standby" in words and fields[0] != "Z":
            found.append(int(path.split("/")[2]))
    return found


def is_running(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@cases.case("one compiler stands by, serves once, and is not missed when it was ended", engine=True)
def standby(case):
    with Lab(case) as lab:
        out = Outbreak(lab)
        answers = Answers(lab)
        control = out.control.process.child.pid

        def one(but=()):
            return until("one that stands by", lambda: [p for p in standing_by(control) if p not in but])
        out.install(OTHER)
        first = one()
        case.equal(len(first), 1, "compilers that stand by")
        second = out.install(OTHER + new_signature())
        case.check(halves(second["ruleset"])[1] != "", "a delta", second)
        case.equal(answers.ask(), 554, "with the signature")
        case.check(not is_running(first[0]), "the one that was used has ended")
        used = one(first)
        case.equal(len(used), 1, "compilers that stand by after one was used")
        # Ended a moment before it is asked, and not noticed yet: it is done without.
        os.kill(control, signal.SIGSTOP)
        os.kill(used[0], signal.SIGKILL)
        until("its end", lambda: not is_running(used[0]))
        os.kill(control, signal.SIGCONT)
        third = out.install(OTHER)
        case.equal(halves(third["ruleset"])[1], "", "the image alone again")
        case.equal(answers.ask(), 250, "without the signature")
        fourth = out.install(OTHER + new_signature())
        case.equal(fourth["ruleset"], second["ruleset"], "the same delta without one that stands by")
        # Nobody is left behind, however the process ends.
        left = one(first + used)
        out.control.kill()
        until("the end of what stood by", lambda: not any(is_running(p) for p in left))


@cases.case("sources of which no line is a signature, or that are no files, leave the rules as they were",
            engine=True)
def broken(case):
    with Lab(case) as lab:
        out = Outbreak(lab)
        answers = Answers(lab)
        good = out.install(OTHER + new_signature())["ruleset"]
        kept = {}
        for path in out.sources[:2]:
            with open(path, "rb") as f:
                kept[path] = f.read()

        def refused(why):
            case.equal(out.control.ask("rules", "install", status=1), None, why)
            case.equal(out.control.ask("rules")["in_force"], good, "in force with " + why)
            case.equal(answers.ask(), 554, "a mail with " + why)
            return out.control.process.text()

        for path in kept:
            with open(path, "wb") as f:
                f.write(b"<html>404</html>\n")
        for text in (b"<html>404</html>\n", os.urandom(5000).replace(b"#", b"-")):
            with open(out.new + "/new.ndb", "wb") as f:
                f.write(text)
            case.check(out.new + "/new.ndb:1: " in refused("garbage"), "its place")
            refused("the same again")
        for path, text in kept.items():
            with open(path, "wb") as f:
                f.write(text)
        with open(out.new + "/new.ndb", "w") as f:
            f.write(OTHER + new_signature())
        # One of garbage alone drops its own, and is not passed over in silence.
        with open(out.new + "/page.ndb", "wb") as f:
            f.write(b"<html>404</html>\n" * 3)
        for what in ("garbage beside others", "the same again, from the cache"):
            done = out.control.ask("rules", "install")
            case.equal((done["in_force"], done["malformed"]), (True, 3), what)
            case.equal(out.control.events("rules")[-1]["malformed"], 3, "the event of " + what)
            case.equal(out.control.ask("status")["malformed_rules"], 3, "the status with " + what)
            case.equal(answers.ask(), 554, "a mail with " + what)
        os.unlink(out.new + "/page.ndb")
        case.equal(out.install(OTHER + new_signature())["malformed"], 0, "without it")
        case.equal(out.control.ask("status")["malformed_rules"], 0, "the status without it")
        os.mkfifo(out.new + "/odd.ndb")
        case.check(out.new + "/odd.ndb:0: " in refused("a pipe"), "its name")
        os.unlink(out.new + "/odd.ndb")
        os.symlink("/nonexistent", out.new + "/odd.ndb")
        case.check(out.new + "/odd.ndb:0: No such" in refused("a link to nothing"), "its name")
        os.unlink(out.new + "/odd.ndb")
        case.equal(out.install(OTHER)["in_force"], True, "good ones again")
        case.equal(answers.ask(), 250, "without the signature")


@cases.case("neither program starts with a damaged key; each says so, and both do with the right one again",
            engine=True)
def damaged_key(case):
    with Lab(case) as lab:
        out = Outbreak(lab)
        out.install(OTHER)
        path = lab.folder + "/spool.key"
        with open(path, "rb") as f:
            key = f.read()
        out.gateway.kill()
        out.control.kill()
        for text in (b"", key[:len(key) // 2], b"<html>" * 99):
            with open(path, "wb") as f:
                f.write(text)
            for side, program, of in (("gateway", "cordon-dataplane", out.gateway),
                                      ("server", "cordon-control", out.control)):
                status, said = lab.run(side, [BUILD + "/" + program, "--config", of.config])
                case.equal(status, 1, program + " ends")
                case.check(path + ": not a spool key, or damaged" in said, "and why", said)
        with open(path, "wb") as f:
            f.write(key)
        out.gateway.start()
        out.control.start()
        case.equal(Answers(lab).ask(b"something-else-altogether"), 554, "with the right key again")


def holds_pipe(pid, pipe):
    for path in glob.glob("/proc/%d/fd/*" % pid):
        try:
            if os.readlink(path) == pipe:
                return True
        except OSError:  # closed since
            pass
    return False


@cases.case("a compiler that is ended with its work in hand is followed by another one", engine=True)
def ended_at_work(case):
    with Lab(case) as lab:
        out = Outbreak(lab)
        answers = Answers(lab)
        control = out.control.process.child.pid
        out.install(OTHER)
        used = until("one that stands by", lambda: standing_by(control))[0]
        os.kill(used, signal.SIGSTOP)
        pipe = os.readlink("/proc/%d/fd/0" % used)
        results = []
        installing = threading.Thread(
            target=lambda: results.append(out.install(OTHER + new_signature())))
        installing.start()
        until("its paths", lambda: not holds_pipe(control, pipe))
        os.kill(used, signal.SIGKILL)
        installing.join(60)
        case.equal(len(results), 1, "answers of the installation")
        case.check(halves(results[0]["ruleset"])[1] != "", "a delta", results[0])
        case.equal(answers.ask(), 554, "with the signature")


@cases.case("a compiler that was stopped while it stood by is followed by another one, which does the same", engine=True)
def stopped(case):
    with Lab(case) as lab:
        out = Outbreak(lab)
        answers = Answers(lab)
        control = out.control.process.child.pid
        out.install(OTHER)
        used = until("one that stands by", lambda: standing_by(control))[0]
        os.kill(used, signal.SIGSTOP)
        second = out.install(OTHER + new_signature())
        case.check(halves(second["ruleset"])[1] != "" and second["in_force"], "a delta", second)
        case.equal(answers.ask(), 554, "with the signature")
        case.check(not is_running(used), "the one that was stopped is gone")
        case.check("the compiler stood still (it stood by)" in out.control.process.text(), "what is told",
                   out.control.process.text())


@cases.case("a compiler that is stopped at work is followed by another one, once", engine=True)
def stopped_at_work(case):
    with Lab(case) as lab:
        compiler, seen = lab.folder + "/compiler", lab.folder + "/stops"
        with open(compiler, "w") as f:
            f.write("#!/bin/sh\nif [ -e %s.$(wc -l <%s) ]; then echo >>%s; kill -STOP $$; fi\n"
                    "exec %s/cordonctl \"$@\"\n" % (seen, seen, seen, BUILD))
        os.chmod(compiler, 0o755)
        rules = {"image": lab.folder + "/rules.img", "standby": "false", "compiler": compiler}
        open(seen, "w").close()
        out = Outbreak(lab, control={"rules": rules})
        open(seen + ".0", "w").close()
        case.equal(out.install(OTHER + new_signature())["in_force"], True, "in force by the second")
        case.equal(Answers(lab).ask(), 554, "with the signature")
        for stop in (1, 2):
            open("%s.%d" % (seen, stop), "w").close()
        case.equal(out.control.ask("rules", "install", status=1), None, "with two that are stopped")
        case.check("the compiler stood still" in out.control.events("rules")[-1]["why"], "why",
                   out.control.events("rules")[-1])
        case.equal(out.control.ask("rules", "install")["in_force"], True, "and the next time")


@cases.case("without rules.standby nobody stands by", engine=True)
def no_standby(case):
    with Lab(case) as lab:
        out = Outbreak(lab, control={"rules": {"image": lab.folder + "/rules.img", "standby": "false"}})
        out.install(OTHER)
        second = out.install(OTHER + new_signature())
        case.check(halves(second["ruleset"])[1] != "", "a delta", second)
        time.sleep(1)  # longer than it would take
        case.equal(standing_by(out.control.process.child.pid), [], "compilers that stand by")


@cases.case("a delta that has grown gives way to one image", engine=True)
def grown(case):
    with Lab(case) as lab:
        out = Outbreak(lab)
        answers = Answers(lab)
        base = out.install(OTHER)["ruleset"]
        many = "".join("Test.M%d:0:*:%s\n" % (i, (b"number-%06d-of-many" % i).hex())
                       for i in range(400))
        grown_delta = out.install(OTHER + new_signature() + many)
        case.equal(halves(grown_delta["ruleset"])[0], base, "a delta at once")
        until("one image", lambda: "+" not in out.control.ask("rules")["in_force"])
        case.check(out.control.ask("rules")["in_force"] != base, "another image")
        case.equal(answers.ask(), 554, "with the signature")
        case.equal(answers.ask(b"number-000399-of-many"), 554, "with the last of many")
        out.gateway.kill()
        out.gateway.start()
        case.equal(answers.ask(), 554, "after a restart")


if __name__ == "__main__":
    os.umask(0o022)
    cases.main()
