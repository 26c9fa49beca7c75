#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Exim on both sides: chunks with the envelope in front of them, capabilities that it remembers, and several recipients."""
import os

import labmail
from labcontrol import Control, spool_settings
from labexim import Exim
from labgateway import Gateway
from lablib import Cases, Lab, until
from labmail import EICAR, EICAR_NAME, PROSE, Client, Talk, check_arrived, lab_id, message, stuffed

cases = Cases()
TWO = ["one@lab.example", "two@lab.example"]


def feed(lab, mails, to):
    client = Client(lab, address="127.0.0.1", port=10025)
    for data in mails:
        client.sendmail(labmail.FROM, to, data, mail_options=["BODY=8BITMIME"])
    client.quit()


def check_twice(case, server, mails):
    """Once for each of two recipients, unchanged."""
    stored = [labmail.without_trace(m) for m in server.wait_mails(2 * len(mails))]
    case.equal(sorted(stored), sorted(2 * [labmail.as_stored(m) for m in mails]), "what is stored")


@cases.case("Exim to Exim, two recipients: each has each mail once; infected mail bounces with the text", engine=True)
def relayed(case):
    with Lab(case) as lab:
        server, gateway, relay = Exim(lab), Gateway(lab), Exim(lab, "client")
        good = [message("good-%d" % n, [], PROSE * n) for n in (0, 1, 300)]
        feed(lab, good[:2] + [message("bad", [], EICAR + b"\n")] + good[2:], TWO + ["no@lab.example"])
        check_twice(case, server, good)
        relay.wait_empty()
        log = relay.log()
        for to in TWO:
            case.check("** " + to in log, to + " of the infected mail bounces", log[-3000:])
        case.check("554 5.7.1" in log and EICAR_NAME in log, "with the text", log[-3000:])
        case.equal([to for to in TWO if "== " + to in log], [], "nothing is put off")
        gateway.check_mails(case, clean=len(good), infected=1)


@cases.case("under a seal: many mails on one connection, until Exim has had enough of RSET, and each is there once",
            engine=True)
def sealed(case):
    with Lab(case) as lab:
        server, control_of = Exim(lab), spool_settings(lab)
        Gateway(lab, **control_of)
        control = Control(lab)
        control.ask("seal", "--virus-id", "CV-1")
        sent, talk = {}, None
        while len(sent) < 15:
            talk = talk or Talk(lab)
            code = talk.ask(b"MAIL FROM:<%s>" % labmail.FROM.encode(), 250, 421)[-1][:3]
            if code == "421":
                talk.socket.close()
                talk = None
                continue
            data = message("m%d" % len(sent), [], PROSE * len(sent))
            talk.ask(b"RCPT TO:<%s>" % labmail.TO.encode(), 250)
            talk.ask(b"DATA", 354)
            talk.send(stuffed(data))
            talk.reply(250)
            sent[lab_id(data)] = data
        until("all is held", lambda: len(control.held()) == len(sent))
        case.equal(server.mails(), [], "at the server under the seal")
        control.ask("unseal", "--all")
        check_arrived(case, server, list(sent.values()))


if __name__ == "__main__":
    os.umask(0o022)
    cases.main()
