#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The gateway dies and comes back: senders come back too, and nothing is lost or let through."""
import contextlib
import os
import threading

import labmail
from labgateway import Gateway
from lablib import Capture, Cases, Lab, until
from labmail import EICAR, Talk, attachment, message, mixed, noise
from labpostfix import Relay, Server

cases = Cases()


@cases.case("killed in the middle of a stream of mails and started again: nothing is lost",
            engine=True)
def killed(case):
    with Lab(case) as lab:
        server, gateway = Server(lab), Gateway(lab)
        relay = Relay(lab)
        count, bad = 90, set(range(4, 90, 9))
        mails = {}
        for i in range(count):
            mails["r%d" % i] = mixed("r%d" % i, labmail.TEXT, attachment(noise(60000, i)),
                                     attachment(EICAR if i in bad else EICAR[1:]))

        def stream():
            for data in mails.values():
                labmail.send(lab, data, address="127.0.0.1", port=10025)
        sender = threading.Thread(target=stream)
        sender.start()
        for already in (10, 30):
            until("some mails there", lambda: len(server.mails()) >= already)
            gateway.kill()
            gateway.start()
        sender.join(60)
        case.check(not sender.is_alive(), "all mails queued")
        relay.wait_empty(90, flush_every=1)
        good = {n for i, n in enumerate(mails) if i not in bad}
        arrived = server.wait_mails(len(good))
        got = [labmail.lab_id(m) for m in arrived]
        case.equal(sorted(good - set(got)), [], "clean mails that are missing")
        case.equal(sorted(set(got) - good), [], "mails that must not be there")
        for mail in arrived:  # a copy may come twice, when the answer to the first was lost
            wanted = labmail.as_stored(mails[labmail.lab_id(mail)])
            # The relay puts its own Received header in front.
            case.check(labmail.without_trace(mail) == wanted, "%s unchanged" % labmail.lab_id(mail))
        bounced = [s for s in relay.statuses() if s[1] == "bounced"]
        case.equal(len(bounced), len(bad), "infected mails refused for good")
        case.check(all("554 5.7.1" in s[2] for s in bounced), "with the text", *bounced)


@cases.case("a connection whose beginning was not seen is reset on both sides; its client comes back",
            engine=True)
def midstream(case):
    with Lab(case) as lab:
        server, gateway = Server(lab), Gateway(lab)
        captures = [Capture(lab, "client"), Capture(lab, "server")]
        talk = Talk(lab)
        talk.envelope()
        gateway.kill()
        gateway.start()
        with contextlib.suppress(ConnectionResetError):  # its last acknowledgement may do it already
            talk.send(b"DATA\r\n")
            case.equal(talk.at_end(), "reset", "the old connection")
        data = message("again", [], b"back again\n")
        case.equal(labmail.send(lab, data)[0], 250, "the new connection")
        labmail.check_arrived(case, server, [data])
        until("the server lost the old one", lambda: "lost connection" in server.log())
        case.check(gateway.stats()["midstream_resets"] >= 1, "the counter", gateway.stats())
        for capture in captures:
            capture.finish()
            case.check(capture.fields("tcp.flags.reset==1", "frame.number"),
                       "a reset at the " + capture.side)


@cases.case("so is one whose server is ahead of its client, which a reset at the client's place misses",
            engine=True)
def midstream_ahead(case):
    with Lab(case) as lab:
        server, gateway = Server(lab), Gateway(lab)
        talk = Talk(lab)
        talk.envelope()
        talk.ask(b"DATA", 354)
        lab.drop("server", "output", 1)  # the server reads, and nobody hears of it
        talk.send(message("ahead", [], labmail.PROSE))
        until("the server has read it", lambda: lab.dropped("server", "output"))
        gateway.kill()
        lab.drop_no_more("server", "output")
        gateway.start()
        case.equal(talk.at_end(), "reset", "the client's side")
        until("the server lost it", lambda: "lost connection after DATA" in server.log())


@cases.case("asked to stop, it reports what it knows and ends with 0", engine=True)
def stopped(case):
    with Lab(case) as lab:
        Server(lab)
        gateway = Gateway(lab)
        talk = Talk(lab)
        talk.envelope()
        talk.ask(b"DATA", 354)
        talk.send(message("cut-off", [], b"never ends\n"))
        until("the message began", lambda: gateway.stats()["smtp_bytes"] > 200)
        case.equal(gateway.stop(), 0, "the exit status")
        case.equal([e["verdict"] for e in gateway.events("mail")], ["incomplete"], "its mail events")
        case.equal(len(gateway.events("session")), 1, "its session events")
        case.equal(len(gateway.events("stop")), 1, "its stop event")
        talk.socket.close()


if __name__ == "__main__":
    os.umask(0o022)
    cases.main()
