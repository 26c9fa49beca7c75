#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""More mail than a page of a list, and the control process killed again and again while it goes out."""
import collections
import os
import random
import signal
import subprocess
import threading
import time

import labmail
from labcontrol import Control
from labgateway import Gateway
from laboutbreak import Mailer, Outbreak, Try
from labsink import Sink
from lablib import BUILD, SERVER, Cases, Lab, until
from labmail import TEXT, attachment, message, mixed, noise

cases = Cases()
PAGE = 500  # of what cordonctl changes at once
DELETED, RELEASED, SENDERS, KILLS = PAGE + 20, 160, 8, 5
HOP = {"release": {"host": SERVER, "port": 2525, "retry_seconds": 1, "retry_most_seconds": 1}}


def make(name, number):
    if number % 5 == 0:
        return mixed(name, TEXT, attachment(noise(9000, number)))
    return message(name, [], b"text\n.\n..dots\n.%d\n" % number)


def send(out, names, codes):
    mailer = Mailer(out.lab, patience=30)
    for i, (number, name) in enumerate(names):
        if i % 50 == 49:  # before the server has counted too many RSETs
            mailer.leave()
        codes.append(mailer.send(Try(make(name, number), False), "pipelined"))
    mailer.leave()


def send_all(case, out, names):
    codes, lots = [], list(enumerate(names))
    threads = [threading.Thread(target=send, args=(out, lots[i::SENDERS], codes)) for i in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    case.equal(collections.Counter(codes), {250: len(lots)}, "the answers")


def change_all(out, what, *filters):
    """All pages, each a line of the answer; killed with the control process it talks to, it ends early."""
    return subprocess.run([BUILD + "/cordonctl", "held", what, "--all", *filters, "--why", "a test", "--socket",
                           out.control.socket], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def left(out):
    counts = out.control.ask("status")["mail"]
    return counts.get("held", 0) + counts.get("released", 0)


@cases.case("--all beyond a page; the control process killed %d times while %d mails go out: each arrives whole, "
            "and only what was on its way twice" % (KILLS, RELEASED), engine=True)
def killed(case):
    with Lab(case) as lab:
        sink = Sink(lab, strict=True, port=2525)
        out = Outbreak(lab, control=HOP)
        out.control.ask("seal", "--virus-id", "CV-1")
        stay = ["r%d" % i for i in range(RELEASED)]
        send_all(case, out, ["d%d" % i for i in range(DELETED)] + stay)
        until("all are held", lambda: left(out) == DELETED + RELEASED, seconds=60)
        done = change_all(out, "delete", "--subject", "lab mail d*")
        case.equal((done.returncode, done.stdout), (0, b"%d done\n%d done\n" % (PAGE, DELETED - PAGE)), "deleted")
        until("the others are held", lambda: left(out) == RELEASED)
        dice = random.Random(case.name)
        asking = threading.Thread(target=change_all, args=(out, "release"))
        asking.start()
        for _ in range(KILLS):
            time.sleep(dice.uniform(0.05, 0.5))
            out.control.kill()
            out.control.start()
        asking.join()
        case.check(len(sink.mails) < RELEASED, "killed before the end", len(sink.mails))
        change_all(out, "release")
        until("nothing is left", lambda: left(out) == 0, seconds=60)
        bodies = {labmail.lab_id(b): labmail.stuffed(b)[:-5] for b in (make(n, DELETED + i) for i, n in enumerate(stay))}
        came = collections.Counter()
        for _, _, body in sink.mails:
            name = labmail.lab_id(body)
            came[name] += 1
            case.check(body.endswith(bodies[name]), "whole", name)
        case.equal(set(came), set(bodies), "those that came")
        case.check(sum(came.values()) <= RELEASED + KILLS, "repeated", sum(came.values()) - RELEASED)



def compilers(pid):
    """Those of its children, whichever of its threads has started them."""
    found = []
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/children" % (pid, task)) as f:
            found += [int(word) for word in f.read().split()]
    return found


@cases.case("a control process that is killed leaves no compiler behind, whatever that was doing", engine=True)
def orphans(case):
    with Lab(case) as lab:
        gateway = Gateway(lab)
        control = Control(lab, sources=[lab.folder + "/lab.ndb"], spool={"directory": ""})
        control.ask("rules", "install")
        pid = control.process.child.pid
        until("a compiler stands by", lambda: compilers(pid))
        compiler, = compilers(pid)
        os.kill(compiler, signal.SIGSTOP)
        control.kill()
        until("it is gone", lambda: not os.path.exists("/proc/%d" % compiler))
        control.start()
        case.check(gateway.running(), "the gateway is still running")


if __name__ == "__main__":
    cases.main()
