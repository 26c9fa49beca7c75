#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The outbreak drill, short: the same story as `make drill` with fewer mails, each order over another channel."""
from types import SimpleNamespace

from labdrill import Drill
from lablib import Cases, Lab
from labmail import as_stored, message
from labtraffic import Fates, Sent

cases = Cases()


def drill(case, channel):
    with Lab(case, calm=True) as lab:
        steps = []
        done = Drill(lab, channel, steps.append)
        fates, judged = done.run(60, 10, 6)
        case.equal({what: names for what, names in judged.items() if names}, {}, "what became of the mails")
        count = sum(s.infected for s in fates.sent.values())
        case.equal((len(fates.sent), count), (70, 10), "mails that were sent, infected ones")
        case.check(done.most_held > 0 and len(fates.kept) == 7 and fates.bounced == 3, "held, kept, refused",
                   done.most_held, fates.kept, fates.bounced, *steps)
        longest = fates.delays()[-1]
        case.check(longest > 1 and done.released > done.seal_began, "the seal delayed some", longest)


@cases.case("an outbreak ordered over UDP, HTTPS and TCP, between two Postfixes: nothing infected arrives, nothing clean "
            "is lost", engine=True)
def pushed(case):
    drill(case, "udp,https,tcp")


@cases.case("the same over SNMP, MQTT and a feed that is pulled", engine=True)
def carried(case):
    drill(case, "snmp,mqtt,pull")


@cases.case("the verdict sees a mail that was lost, changed, doubled, still held, or let through though infected")
def verdict(case):
    sent = {n: Sent(message(n, [], b"text\n"), n.startswith("bad"))
            for n in ("whole", "lost", "changed", "twice", "held", "bad-through", "bad-kept", "bad-refused")}

    def judge(kept=("bad-kept",), **arrived):
        fates = Fates.__new__(Fates)
        fates.sent, fates.strange, fates.held, fates.kept = sent, [], [], list(kept)
        fates.bounced = 2
        fates.arrived = {n: [(1.0, as_stored(s.data))] for n, s in sent.items() if not s.infected}
        fates.arrived.update({n.replace("_", "-"): copies for n, copies in arrived.items()})
        return {what: names for what, names in fates.judge().items() if names}
    good = as_stored(sent["whole"].data)
    case.equal(judge(), {}, "all is well")
    found = judge(lost=[], changed=[(1.0, good + b" ")], twice=[(1.0, as_stored(sent["twice"].data))] * 2)
    case.equal(found, {"clean mails lost": ["lost"], "clean mails changed": ["changed"],
                       "mails duplicated": ["twice"]}, "clean ones")
    through = [(1.0, as_stored(sent["bad-through"].data))]
    case.equal(judge(bad_through=through), {"infected mails delivered": ["bad-through"]}, "infected ones")
    case.equal(list(judge(kept=["held", "held", "bad-kept"])), ["mails duplicated"], "in quarantine twice")
    case.equal(list(judge(kept=[])), ["infected mails unaccounted for"], "one that is nowhere")
    delays = SimpleNamespace(sent=sent, arrived={"whole": [(5.0, good)], "bad-through": through})
    sent["whole"].given = 3.0
    case.equal(Fates.delays(delays), [2.0], "delays of clean ones alone")


if __name__ == "__main__":
    cases.main()
