#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Who is told of mail that stays: senders of what a long seal holds, recipients of what the dataplane has put in
quarantine; once, and in no flood."""
import email
import email.policy
import os

import labmail
from labmail import EICAR, EICAR_NAME, TEXT, attachment, message, mixed
from laboutbreak import Outbreak
from lablib import SERVER, Cases, Lab, until
from test_release import fields, send_with
from test_repair import open_notices

cases = Cases()

TOLD = {"host": SERVER, "port": 25}


def told(server, to, subject):
    """What the gateway has written to this address, parsed."""
    mails = [email.message_from_bytes(m, policy=email.policy.default) for m in server.mails()]
    return [m for m in mails if m["To"] == to and m["Subject"] == subject]


def notices(out, kind):
    return [e for e in out.control.events("notice") if e["kind"] == kind and e["action"] == "sent"]


def sealed(lab, **notify):
    out = Outbreak(lab, control={"notify": {**TOLD, **notify}})
    out.control.ask("seal", "--virus-id", "CV-1")
    return out


@cases.case("senders who have asked for it hear once that a mail is held, over a crash of the control process; "
            "others do not", engine=True)
def held(case):
    with Lab(case) as lab:
        out = sealed(lab, held_seconds=2, interval_seconds=1)
        send_with(case, lab, message("asked", [], b"text of the body\n"), ["ENVID=e1"],
                  ["NOTIFY=DELAY", "ORCPT=rfc822;who@lab.example"], sender="asks@lab.example")
        for name, params in (("silent", []), ("never", ["NOTIFY=NEVER"]), ("failure", ["NOTIFY=FAILURE"])):
            send_with(case, lab, message(name, [], b"text\n"), (), params, sender=name + "@lab.example")
        until("all are held", lambda: len(out.control.held()) == 4)
        report = until("the sender is told", lambda: told(out.server, "asks@lab.example", "Delayed mail"))[0]
        head, recipient = fields(report.get_payload()[1])
        case.equal(head["Original-Envelope-Id"], "e1", "ENVID")
        case.equal((recipient["Action"], recipient["Status"], recipient["Original-Recipient"]),
                   ("delayed", "4.7.0", "rfc822;who@lab.example"), "of the recipient")
        case.check("Remote-MTA" not in recipient and "text of the body" not in str(report), "the header alone",
                   str(report))
        out.control.kill()
        out.control.start()
        send_with(case, lab, message("again", [], b"text\n"), (), ["NOTIFY=DELAY"], sender="again@lab.example")
        until("the next one is told", lambda: len(notices(out, "delay")) == 2)
        case.equal(sorted(e["to"] for e in notices(out, "delay")), ["again@lab.example", "asks@lab.example"],
                   "who was told")
        out.control.ask("unseal", "--all")
        until("nothing is held", lambda: not out.control.held())


@cases.case("with notify.held all, a sender of many held mails hears of one in an interval", engine=True)
def flood(case):
    with Lab(case) as lab:
        out = sealed(lab, held_seconds=1, interval_seconds=3600, held="all")
        for i in range(6):
            send_with(case, lab, message("m%d" % i, [], b"text\n"), sender="many@lab.example")
        until("one is told", lambda: len(notices(out, "delay")) == 1)
        send_with(case, lab, message("other", [], b"text\n"), sender="other@lab.example")
        until("another sender is told", lambda: len(notices(out, "delay")) == 2)
        case.equal(sorted(e["to"] for e in notices(out, "delay")), ["many@lab.example", "other@lab.example"],
                   "who was told")


@cases.case("recipients hear of what the dataplane put in quarantine: all of it, once, few at a time, over a crash",
            engine=True)
def quarantined(case):
    with Lab(case) as lab:
        out = Outbreak(lab, control={"notify": {**TOLD, "recipients": "true", "interval_seconds": 2}},
                       policy={"infected": "quarantine"})
        mails = [mixed("evil%d" % i, TEXT, attachment(EICAR)) for i in range(12)]
        for data in mails[:8]:
            case.equal(labmail.send(lab, data)[0], 250, "the answer")

        def lines():
            return sum(m.get_content().count(EICAR_NAME)
                       for m in told(out.server, labmail.TO, "Mail for you was quarantined"))
        until("all are told of", lambda: lines() == 8)
        until("and that is known", lambda: not open_notices(lab))
        out.control.kill()
        for data in mails[8:]:
            case.equal(labmail.send(lab, data)[0], 250, "the answer")
        out.control.start()
        until("the rest, too", lambda: lines() >= 12)
        case.equal(lines(), 12, "each once")
        sent = told(out.server, labmail.TO, "Mail for you was quarantined")
        case.check(len(sent) <= 6, "several in one notice", len(sent))
        case.equal(len(out.control.held("quarantine")), 12, "in quarantine")


if __name__ == "__main__":
    os.umask(0o022)
    cases.main()
