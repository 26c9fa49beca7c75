#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A sealed gateway takes mail in instead of delivering it; what is clean by the rules that are in force
afterwards is delivered as it was sent, and what is not is kept."""
import binascii
import os
import smtplib
import threading

import labmail
from labcontrol import Control, spool_settings
from labgateway import Gateway
from lablib import Cases, Lab, until
from labmail import EICAR, attachment, message, mixed, noise
from labpostfix import Server

cases = Cases()

NEW_VIRUS = b"a-virus-that-nobody-knew-until-today"


def send_from(lab, data, sender):
    client = labmail.Client(lab)
    try:
        code = client.mail_bytes(data, sender=sender)[0]
    except smtplib.SMTPDataError as refused:  # at DATA, before the body
        code = refused.smtp_code
    client.leave()
    return code


def arrived_ids(server):
    return sorted(labmail.lab_id(m) for m in server.mails())


def delivered_unchanged(case, server, mails):
    """mails: {id: data}; each is there once, as it was sent behind two trace headers."""
    for mail in server.mails():
        name = labmail.lab_id(mail)
        if name in mails:
            case.check(labmail.without_trace(mail) == labmail.as_stored(mails[name]),
                       "%s as it was sent" % name)


@cases.case("seal, hold, new signature, release: clean mail arrives unchanged, infected is kept",
            engine=True)
def story(case):
    with Lab(case) as lab:
        server = Server(lab)
        gateway = Gateway(lab, **spool_settings(lab))
        signatures = lab.folder + "/new"
        os.mkdir(signatures)
        control = Control(lab, sources=[lab.folder + "/lab.ndb", lab.folder + "/lab.hsb",
                                        signatures])
        case.equal(control.ask("status")["dataplane"]["up"], True, "the dataplane answers")
        open_mail = message("open", [], b"before the seal\n")
        case.equal(labmail.send(lab, open_mail)[0], 250, "before the seal")
        labmail.check_arrived(case, server, [open_mail])

        control.ask("seal", "--virus-id", "CV-1", "--why", "test")
        case.equal(gateway.events("seal")[-1]["open"], 1, "the dataplane has the seal")
        mails = {}
        for i in range(6):
            mails["clean%d" % i] = mixed("clean%d" % i, labmail.TEXT,
                                         attachment(noise(40000 * i + 10, i)))
        for i in range(3):
            mails["evil%d" % i] = mixed("evil%d" % i, labmail.TEXT,
                                        attachment(NEW_VIRUS + noise(1000, i)))
        for name, data in mails.items():
            case.equal(labmail.send(lab, data)[0], 250, name)
        known = mixed("known", labmail.TEXT, attachment(EICAR))
        case.equal(labmail.send(lab, known)[0], 554, "what is known is refused, sealed or not")
        case.equal(arrived_ids(server), ["open"], "at the server under the seal")
        until("all are listed", lambda: len(control.held()) == len(mails))
        case.equal({r["seals"][0] for r in control.held()}, {"CV-1"}, "for which virus")
        one = next(r for r in control.held() if r["subject"] == "lab mail clean3")
        case.check(control.export(one["id"]) == mails["clean3"], "an export is what was sent")

        with open(signatures + "/new.ndb", "w") as f:
            f.write("Test.New:0:*:%s\n" % binascii.hexlify(NEW_VIRUS).decode())
        control.ask("rules", "install")
        case.equal(gateway.events("swap")[-1]["result"], "applied", "the swap")
        until("the infected ones are quarantined", lambda: len(control.held("quarantine")) == 3)
        case.equal(arrived_ids(server), ["open"], "nothing goes out while the seal is open")
        control.ask("unseal", "CV-1")
        clean = {n: d for n, d in mails.items() if n.startswith("clean")}
        until("the clean ones arrive", lambda: len(arrived_ids(server)) >= 1 + len(clean))
        until("nothing is held", lambda: not control.held())
        case.equal(arrived_ids(server), sorted(["open", *clean]), "at the server")
        delivered_unchanged(case, server, clean)
        case.equal(sorted(r["subject"] for r in control.held("quarantine")),
                   ["lab mail evil%d" % i for i in range(3)], "in quarantine")
        again = mixed("again", labmail.TEXT, attachment(NEW_VIRUS))
        case.equal(labmail.send(lab, again)[0], 554, "the new signature is in force")
        after = message("after", [], b"after the seal\n")
        case.equal(labmail.send(lab, after)[0], 250, "open again")
        until("it goes straight through", lambda: "after" in arrived_ids(server))


@cases.case("killed while sealed: both come back sealed, and what got a 250 is there once",
            engine=True)
def killed(case):
    with Lab(case) as lab:
        server = Server(lab)
        gateway = Gateway(lab, **spool_settings(lab))
        control = Control(lab)
        control.ask("seal", "--virus-id", "CV-2")
        accepted, lock = {}, threading.Lock()

        def stream(number):
            for i in range(12):
                name = "k%d-%d" % (number, i)
                data = mixed(name, labmail.TEXT, attachment(noise(30000, number * 100 + i)))
                try:
                    if labmail.send(lab, data)[0] == 250:
                        with lock:
                            accepted[name] = data
                except OSError:
                    pass
        senders = [threading.Thread(target=stream, args=(n,)) for n in range(4)]
        for sender in senders:
            sender.start()
        until("some are in", lambda: len(accepted) >= 8)
        gateway.kill()
        control.kill()
        gateway.start()
        case.equal(gateway.events("start")[-1]["seals"], 1, "sealed before the first packet")
        for sender in senders:
            sender.join(60)
        case.equal(arrived_ids(server), [], "at the server")
        control.start()
        case.equal(control.ask("status")["sealed"], True, "the control process knows")
        until("all are listed", lambda: {r["subject"] for r in control.held()} >=
              {"lab mail " + n for n in accepted})
        control.ask("unseal", "--all")
        until("nothing is held", lambda: not control.held(), seconds=60)
        # The server has what is not held, and may still be putting it down.
        until("none with a 250 is missing", lambda: set(accepted) <= set(arrived_ids(server)))
        got = arrived_ids(server)
        case.equal(len([n for n in got if n in accepted]), len(accepted), "none of them twice")
        delivered_unchanged(case, server, accepted)


@cases.case("tempfail: 451 at DATA for the sender in the scope alone, and open afterwards", engine=True)
def tempfail(case):
    with Lab(case) as lab:
        server = Server(lab)
        gateway = Gateway(lab, **spool_settings(lab))
        control = Control(lab)
        control.ask("seal", "--virus-id", "CV-3", "--mode", "tempfail", "--sender", "bad@*")
        data = message("other", [], b"not covered\n")
        case.equal(labmail.send(lab, data)[0], 250, "another sender")
        labmail.check_arrived(case, server, [data])
        covered = message("covered", [], b"covered\n")
        code = send_from(lab, covered, "bad@client.example")
        case.equal(code, 451, "of the sender in the scope")
        control.ask("unseal", "CV-3")
        code = send_from(lab, covered, "bad@client.example")
        case.equal(code, 250, "after the seal")
        case.equal(gateway.running(), True, "the gateway runs")


if __name__ == "__main__":
    os.umask(0o022)
    cases.main()
