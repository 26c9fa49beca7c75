#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A new virus breaks out under load: seal, crash, restart, a new signature, release. Then every message is
looked for, and must be where its sender was told it is, once and unchanged.

LAB_MAILS is the number of mails (default 1000), LAB_SENDERS that of connections at once (default 50)."""
import os

import labmail
import lablib
from laboutbreak import MANNERS, Mailer, Outbreak, Phases, Try, check_flows, make_mail, new_signature
from lablib import Capture, Cases, Lab, until
from labpostfix import Relay

cases = Cases()
MAILS = int(os.environ.get("LAB_MAILS", 1000))
SENDERS = int(os.environ.get("LAB_SENDERS", 50))


@cases.case("%d mails over %d connections across seal, crash, new signature and release: each is where its "
            "sender was told, once" % (MAILS, SENDERS), engine=True)
def story(case):
    with Lab(case) as lab:
        out = Outbreak(lab, control={"release": {"retry_seconds": 1, "per_minute": 0}})
        relay = Relay(lab)
        captures = [Capture(lab, "client"), Capture(lab, "server")]
        each = max(10, MAILS // SENDERS)
        shares = [each // 5, each // 4, each // 4, each // 6]
        shares.append(each - sum(shares))
        phases = Phases(out, SENDERS, shares)
        relayed = {}

        def relay_some(count, prefix, infected=()):
            for i in range(count):
                name = "%s%d" % (prefix, i)
                relayed[name] = Try(make_mail(name, i, i in infected), i in infected)
                labmail.send(lab, relayed[name].data, address="127.0.0.1", port=10025)
        phases.go(0)
        phases.half(0)
        phases.go(1)
        out.control.ask("seal", "--virus-id", "CV-1", "--why", "a new virus")
        phases.sealed.set()
        relay_some(12, "relayed", infected=(3, 8))
        phases.half(1)
        phases.go(2)
        out.gateway.kill()
        out.control.kill()
        out.gateway.start()
        case.equal(out.gateway.events("start")[-1]["seals"], 1, "sealed before the first packet")
        out.control.start()
        phases.half(2)
        phases.go(3)
        answer = out.install()
        case.equal(answer["in_force"], True, "the new rules")
        phases.half(3)
        early = {labmail.lab_id(m) for m in out.server.mails()}
        sealed = {t.name for t in out.ledger.tries if t.sealed} | set(relayed)
        case.equal(sorted(early & sealed), [], "sent under the seal, at the server before its end")
        phases.go(4)
        out.control.ask("unseal", "CV-1")
        relay_some(6, "after", infected=(2,))
        phases.join()
        relay.wait_empty(90, flush_every=1)
        print("     %d mails were there before the seal ended; answers: %s"
              % (len(early), out.ledger.say()))
        for name, one in relayed.items():  # the relay puts its Received header in front
            bounced = [s for s in relay.statuses() if s[1] == "bounced"]
            one.whole, one.code = True, None if one.infected and bounced else 250
            # Its end met the crash, and the relay, which heard no answer, gave it once more.
            one.may_repeat = one.name in relay.unsure()
            out.ledger.add(one)
        out.compare(case)
        check_flows(case, *captures)
        counters = out.gateway.stats()
        case.equal(counters["tx_dropped"], 0, "packets that a port did not take")
        case.check(counters["messages_held"] > 0 and counters["diverted"] > 0, "diverted", counters)
        case.check(out.ledger.count(250) > 0.7 * MAILS, "most were taken", out.ledger.say())


def stream(out, senders, each, address=lablib.SERVER):
    """Mail on several connections at once, to the end."""
    phases = Phases(out, senders, [each], address)
    for mailer in phases.mailers:  # a bad cable makes the kernels' timers grow
        mailer.patience = 60
    phases.go(0)
    phases.join()


@cases.case("under a seal, a lossy, doubling, reordering cable at the client's end and losses at the server's",
            engine=True)
def faults(case):
    with Lab(case, faults="drop=15,dup=15,reorder=30,seed=21") as lab:
        out = Outbreak(lab)
        lab.drop("server", "input", 41)
        lab.drop("server", "output", 43)
        out.control.ask("seal", "--virus-id", "CV-1")
        stream(out, 10, 4)
        case.equal(out.ledger.count(250), 40, "answers: %s" % out.ledger.say())
        case.equal(out.server.mails(), [], "at the server under the seal")
        did = lab.faults_done()
        case.check(min(did["dropped"], did["doubled"], did["reordered"]) > 0, "faults happened", did)
        out.control.ask("unseal", "--all")
        out.compare(case)


@cases.case("two workers, IPv4 and IPv6, sealed and released: each mail once", engine=True)
def workers(case):
    with Lab(case) as lab:
        out = Outbreak(lab, workers=2, spread="flows")
        out.control.ask("seal", "--virus-id", "CV-1")
        captures = [Capture(lab, "client"), Capture(lab, "server")]
        stream(out, 6, 8)
        stream6(out, 6, 8)
        case.equal(out.ledger.count(250), 96, "answers: %s" % out.ledger.say())
        case.equal(out.server.mails(), [], "at the server under the seal")
        check_flows(case, *captures)
        out.control.ask("unseal", "--all")
        out.compare(case)


def stream6(out, senders, each):
    """The same over IPv6, on one connection."""
    mailer = Mailer(out.lab, patience=60, address=lablib.SERVER6)
    for i in range(senders * each):
        one = Try(make_mail("six%d" % i, i), False)
        out.ledger.add(one)
        mailer.send(one, MANNERS[i % len(MANNERS)])
    mailer.leave()


@cases.case("ten new rulesets in the middle of a stream: no packet is lost, each mail arrives or is put off",
            engine=True)
def swaps(case):
    with Lab(case) as lab:
        out = Outbreak(lab)
        phases = Phases(out, 6, [40])
        phases.go(0)
        versions = set()
        for i in range(10):
            line = new_signature().replace("Test.New", "Test.N%d" % i)
            versions.add(out.install(line)["ruleset"])
        phases.join()
        refused = {t.text for t in out.ledger.tries if t.code != 250}
        # 451 in the middle of a connection, and then 421 to what was sent behind it.
        case.check(all(text[:3] in ("451", "421") for text in refused), "answers other than 250",
                   *refused)
        case.check(out.ledger.count(250) >= 220, "most got 250: %s" % out.ledger.say())
        case.equal(len(versions), 10, "rulesets")
        counters = out.gateway.stats()
        case.equal((counters["rules_swapped"], counters["tx_dropped"]), (10, 0), "swaps, packets lost")
        out.compare(case)


if __name__ == "__main__":
    os.umask(0o022)
    cases.main()
