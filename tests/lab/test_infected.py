#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Infected mail is refused with the signature's name, its sender is left in good order, and the
server never has it."""
import concurrent.futures
import os

import labmail
from labgateway import LISTED, LISTED_NAME, Gateway
from lablib import Capture, Cases, Lab, check_captures
from labmail import (EICAR, EICAR_NAME, FROM, TO, Client, Talk, attachment, check_arrived,
                     infected_forms, message, mixed, noise, stuffed)
from labpostfix import Relay, Server

cases = Cases()


def check_refused(case, answer, what, name=EICAR_NAME):
    code, text = answer
    case.check(code == 554 and text.startswith("5.7.1 ") and name in text,
               "%s is refused with 554 5.7.1 and the signature's name" % what, code, text)


def check_empty(case, server):
    case.equal(server.mails(), [], "mails at the server")
    server.wait_empty()
    case.check("end-of-message" not in server.log() and "queue active" not in server.log(),
               "the server never had a complete message", server.log()[-1500:])


@cases.case("the test file is refused in every encoding, and the connection ends in order",
            engine=True)
def every_encoding(case):
    with Lab(case, calm=True) as lab:
        server, gateway = Server(lab), Gateway(lab)
        captures = [Capture(lab, "client"), Capture(lab, "server")]
        forms = infected_forms()
        for what, data in forms.items():
            check_refused(case, labmail.send(lab, data), what)
        check_empty(case, server)
        for event in gateway.check_mails(case, infected=len(forms)):
            case.equal(event["action"], "reject", "the action")
            case.check(event["reply"].startswith("554 5.7.1 "), "the event has the reply", event)
            case.check(EICAR_NAME in [m["signature"] for m in event["matches"]],
                       "the event names the signature", event)
        # The engine resets the server's side; the client must not see a thing of it.
        check_captures(case, captures, resets=("server",))


@cases.case("a hash of the rules refuses the attachment that it names", engine=True)
def listed_hash(case):
    with Lab(case) as lab:
        server, gateway = Server(lab), Gateway(lab)
        bad = mixed("listed", labmail.TEXT, attachment(LISTED))
        check_refused(case, labmail.send(lab, bad), "the listed attachment", LISTED_NAME)
        good = mixed("unlisted", labmail.TEXT, attachment(LISTED[:-1] + b"?"))
        case.equal(labmail.send(lab, good)[0], 250, "an attachment of the same size")
        check_arrived(case, server, [good])
        gateway.check_mails(case, clean=1, infected=1)


@cases.case("the signature cut by segments, at every place, and by single bytes", engine=True)
def segments(case):
    with Lab(case) as lab:
        server, gateway = Server(lab), Gateway(lab)
        data = stuffed(message("cut", [], b"some text\n" + EICAR + b"\n"))
        begin = data.index(EICAR)
        cuts = [(begin + at,) for at in range(1, len(EICAR), 9)] + [
            (begin + 3, begin + 30, begin + 60), (begin, begin + len(EICAR)), (len(data) - 5,),
            (len(data) - 3,), (len(data) - 2,), (len(data) - 1,), tuple(range(1, len(data)))]
        for cut in cuts:
            talk = Talk(lab)
            talk.envelope()
            talk.ask(b"DATA", 354)
            for low, high in zip((0,) + cut, cut + (len(data),)):
                talk.send(data[low:high])
            check_refused(case, (554, talk.reply(554)[-1][4:]), "cut at %s" % (cut[:3],))
            case.equal(talk.quit(), "closed", "the end of the session")
        check_empty(case, server)
        gateway.check_mails(case, infected=len(cuts))


@cases.case("the test file in BDAT chunks, cut in its middle", engine=True)
def chunks(case):
    with Lab(case) as lab:
        server, gateway = Server(lab), Gateway(lab)
        data = message("chunks", [], labmail.PROSE + EICAR + b"\n" + labmail.PROSE)
        middle = data.index(EICAR) + 20
        talk = Talk(lab)
        talk.envelope()
        talk.send(b"BDAT %d\r\n" % middle + data[:middle])
        talk.reply(250)
        talk.send(b"BDAT %d LAST\r\n" % (len(data) - middle) + data[middle:])
        check_refused(case, (554, talk.reply(554)[-1][4:]), "the chunked mail")
        case.equal(talk.quit(), "closed", "the end of the session")
        check_empty(case, server)
        gateway.check_mails(case, infected=1)


@cases.case("the test file at the end of 10 MB", engine=True)
def large(case):
    with Lab(case) as lab:
        server, gateway = Server(lab), Gateway(lab)
        data = mixed("large", attachment(noise(10 << 20)), attachment(EICAR))
        check_refused(case, labmail.send(lab, data), "the large mail")
        check_empty(case, server)
        gateway.check_mails(case, infected=1)


@cases.case("clean mail before the infected one arrives, and the sender can come back", engine=True)
def in_between(case):
    with Lab(case) as lab:
        server, gateway = Server(lab), Gateway(lab)
        first, last = message("first", [], b"clean\n"), message("last", [], b"clean too\n")
        client = Client(lab)
        case.equal(client.mail_bytes(first)[0], 250, "the first mail")
        check_refused(case, client.mail_bytes(message("bad", [], EICAR + b"\n")), "the second")
        # The server's side is gone: whatever is asked now is answered with 421, not with silence.
        case.equal(client.docmd("mail from:<%s>" % FROM)[0], 421, "MAIL after the refusal")
        client.close()
        case.equal(labmail.send(lab, last)[0], 250, "the next connection")
        check_arrived(case, server, [first, last])
        gateway.check_mails(case, clean=2, infected=1)


@cases.case("pipelined behind a clean mail, an infected one is refused and the rest not lost",
            engine=True)
def pipelined(case):
    with Lab(case) as lab:
        server, gateway = Server(lab), Gateway(lab)
        good, bad = message("good", [], b"clean\n"), message("bad", [], EICAR + b"\n")
        envelope = b"MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n" % (FROM.encode(), TO.encode())
        talk = Talk(lab)
        talk.send(envelope)
        for code in (250, 250, 354):
            talk.reply(code)
        talk.send(stuffed(good) + envelope)
        for code in (250, 250, 250, 354):
            talk.reply(code)
        talk.send(stuffed(bad) + envelope + b"QUIT\r\n")
        check_refused(case, (554, talk.reply(554)[-1][4:]), "the second mail")
        talk.reply(421)  # the third envelope: not taken, so the sender keeps that mail
        check_arrived(case, server, [good])
        gateway.check_mails(case, clean=1, infected=1)


@cases.case("usual clients understand: swaks ends with 26, Postfix bounces with the text",
            engine=True)
def usual_clients(case):
    with Lab(case) as lab:
        server, gateway = Server(lab), Gateway(lab)
        bad = mixed("usual", labmail.TEXT, attachment(EICAR, "eicar.com"))
        with open(lab.folder + "/bad.eml", "wb") as f:
            f.write(bad.replace(b"\r\n", b"\n")[:-1])
        status, text = lab.run("client", ["swaks", "--server", "192.0.2.25", "--from", FROM, "--to",
                                          TO, "--data", "@bad.eml", "--helo", "client.example"])
        case.equal(status, 26, "swaks' exit status (DATA refused):\n" + text[-600:])
        case.check("<** 554 5.7.1 " in text and EICAR_NAME in text, "swaks shows the text", text)
        case.check("221" in text.split("554 5.7.1", 1)[1], "and then 221", text[-600:])
        relay = Relay(lab)
        case.equal(labmail.send(lab, bad, address="127.0.0.1", port=10025)[0], 250, "queued")
        relay.wait_empty()
        status = [s for s in relay.statuses() if s[0] == TO]
        case.check(len(status) == 1 and status[0][1] == "bounced" and "554 5.7.1" in status[0][2]
                   and EICAR_NAME in status[0][2], "Postfix bounces it with the text", status)
        check_empty(case, server)
        gateway.check_mails(case, infected=2)


@cases.case("policy: infected mail put off with 451, or swallowed with 250, never arrives",
            engine=True)
def policies(case):
    for action, wanted in (("tempfail", 451), ("discard", 250)):
        with Lab(case) as lab:
            server, gateway = Server(lab), Gateway(lab, policy={"infected": action})
            bad = message("bad", [], EICAR + b"\n")
            case.equal(labmail.send(lab, bad)[0], wanted, "the answer under " + action)
            check_empty(case, server)
            event = gateway.wait_mails(1)[0]
            case.equal((event["verdict"], event["action"]), ("infected", action), "the event")


@cases.case("a hundred connections at once, every fifth mail infected", engine=True)
def parallel(case):
    with Lab(case) as lab:
        server, gateway = Server(lab), Gateway(lab)
        everyone = 100
        bad = set(range(0, everyone, 5))
        mails = [mixed("c%d" % i, labmail.TEXT, attachment(noise(3000 + 97 * i, i)),
                       attachment(EICAR if i in bad else EICAR[1:])) for i in range(everyone)]
        with concurrent.futures.ThreadPoolExecutor(everyone) as pool:
            answers = list(pool.map(lambda data: labmail.send(lab, data), mails))
        for i, answer in enumerate(answers):
            if i in bad:
                check_refused(case, answer, "mail %d" % i)
            else:
                case.equal(answer[0], 250, "mail %d" % i)
        check_arrived(case, server, [m for i, m in enumerate(mails) if i not in bad])
        gateway.check_mails(case, clean=everyone - len(bad), infected=len(bad))
        stats = gateway.stats()
        case.equal([stats["messages_clean"], stats["messages_infected"],
                    stats["messages_rejected"], stats["messages_delivered"]], [80, 20, 20, 80],
                   "the counters")


if __name__ == "__main__":
    os.umask(0o022)
    cases.main()
