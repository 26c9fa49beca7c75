#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Clean mail passes unchanged: a real Postfix behind the gateway, real clients in front of it."""
import concurrent.futures
import os
import random

import labmail
from labgateway import Gateway
from lablib import Capture, Cases, Lab, check_captures
from labmail import Client, Talk, attachment, check_arrived, clean_forms, message, noise, stuffed
from labpostfix import Relay, Server

cases = Cases()


@cases.case("clean mail of every form arrives bit for bit, and no packet is harmed")
def every_form(case):
    with Lab(case, calm=True) as lab:
        server, gateway = Server(lab), Gateway(lab)
        captures = [Capture(lab, "client"), Capture(lab, "server")]
        forms = clean_forms()
        for what, data in forms.items():
            code, text = labmail.send(lab, data)
            case.check(code == 250, "%s is taken" % what, code, text)
        check_arrived(case, server, list(forms.values()))
        events = gateway.check_mails(case, clean=len(forms))
        for event, data in zip(events, forms.values()):
            case.equal(event["bytes"], len(data), "the event's size of %s" % event["message_id"])
            case.equal(event["rcpt_to"], [labmail.TO], "the event's recipients")
            case.equal(event["mail_from"], labmail.FROM, "the event's sender")
        check_captures(case, captures)


@cases.case("swaks and smtp-source deliver, one mail a connection and many")
def usual_clients(case):
    with Lab(case, calm=True) as lab:
        server, gateway = Server(lab), Gateway(lab)
        captures = [Capture(lab, "client"), Capture(lab, "server")]
        data = message("swaks", [], labmail.PROSE + b".dot line\n")
        with open(lab.folder + "/swaks.eml", "wb") as f:
            f.write(data.replace(b"\r\n", b"\n")[:-1])  # swaks ends the last line itself
        status, text = lab.run("client", [
            "swaks", "--server", "192.0.2.25", "--from", labmail.FROM, "--to", labmail.TO,
            "--data", "@swaks.eml", "--helo", "client.example"])
        case.equal(status, 0, "swaks is content:\n" + text)
        check_arrived(case, server, [data])
        source = ["smtp-source", "-f", labmail.FROM, "-t", labmail.TO, "-M", "client.example"]
        for options in (["-s", "1", "-m", "10", "-l", "30000"],
                        ["-s", "5", "-m", "40", "-d", "-l", "3000"]):
            status, text = lab.run("client", source + options + ["inet:192.0.2.25:25"])
            case.equal(status, 0, "smtp-source is content:\n" + text)
        stored = server.wait_mails(51)
        case.equal(len(stored), 51, "the server's mails")
        gateway.check_mails(case, clean=51)
        # smtp-source closes without having read the answer to its QUIT.
        check_captures(case, captures, resets=("client", "server"))


@cases.case("Postfix as the sender: mail relayed through the gateway arrives bit for bit")
def relayed(case):
    with Lab(case, calm=True) as lab:
        server, gateway = Server(lab), Gateway(lab)
        relay = Relay(lab)
        captures = [Capture(lab, "client"), Capture(lab, "server")]
        # Postfix's smtp(8) breaks lines over 998 bytes itself.
        sent = [d for d in clean_forms().values() if max(map(len, d.split(b"\r\n"))) <= 998]
        for data in sent:
            case.equal(labmail.send(lab, data, address="127.0.0.1", port=10025)[0], 250, "queued")
        check_arrived(case, server, sent)
        relay.wait_empty()
        case.equal({s for _, s, _ in relay.statuses()}, {"sent"}, "the relay's log")
        gateway.check_mails(case, clean=len(sent))
        check_captures(case, captures)


@cases.case("attachments of 10 MB arrive bit for bit")
def large(case):
    with Lab(case) as lab:
        server, gateway = Server(lab), Gateway(lab)
        captures = [Capture(lab, "client"), Capture(lab, "server")]
        sent = [labmail.mixed("large-%d" % i, labmail.TEXT, attachment(noise(10 << 20, i)))
                for i in range(2)]
        client = Client(lab)
        for data in sent:
            case.equal(client.mail_bytes(data)[0], 250, "a large mail is taken")
        case.equal(client.leave()[0::2], (221, "closed"), "the end of the session")
        check_arrived(case, server, sent)
        gateway.check_mails(case, clean=2)
        check_captures(case, captures, repeats=True)


@cases.case("a hundred connections at once, each with several mails")
def parallel(case):
    with Lab(case) as lab:
        server, gateway = Server(lab), Gateway(lab)
        everyone = 100
        sent = {i: [message("p%d-%d" % (i, n), [], noise(random.Random(i).randrange(9000), i).hex()
                            .encode() + b"\n" + labmail.PROSE) for n in range(3)]
                for i in range(everyone)}
        clients = [Client(lab) for _ in range(everyone)]  # all open before the first mail

        def one(i):
            codes = [clients[i].mail_bytes(data)[0] for data in sent[i]]
            return codes, clients[i].leave()[0::2]
        with concurrent.futures.ThreadPoolExecutor(everyone) as pool:
            for codes, end in pool.map(one, range(everyone)):
                case.equal(codes, [250] * 3, "the replies of a connection")
                case.equal(end, (221, "closed"), "the end of a connection")
        check_arrived(case, server, [m for mails in sent.values() for m in mails])
        status, text = lab.run("client", ["smtp-source", "-s", "100", "-m", "200", "-l", "5000", "-f",
                                          labmail.FROM, "-t", labmail.TO, "inet:192.0.2.25:25"])
        case.equal(status, 0, "smtp-source with 100 sessions:\n" + text)
        case.equal(len(server.wait_mails(3 * everyone + 200)), 3 * everyone + 200, "stored mails")
        gateway.check_mails(case, clean=3 * everyone + 200)


@cases.case("pipelined sessions: commands and bodies of several mails in the same segments")
def pipelined(case):
    with Lab(case, calm=True) as lab:
        server, gateway = Server(lab), Gateway(lab)
        captures = [Capture(lab, "client"), Capture(lab, "server")]
        sent = [message("pipe-%d" % i, [], labmail.PROSE * (i * 5) + b".\n..\n") for i in range(8)]
        envelope = b"MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n" % (labmail.FROM.encode(),
                                                                  labmail.TO.encode())
        talk = Talk(lab)
        case.check("PIPELINING" in [k[4:] for k in talk.keywords], "PIPELINING is offered",
                   talk.keywords)
        talk.send(envelope)
        for i, data in enumerate(sent):
            talk.reply(250)
            talk.reply(250)
            talk.reply(354)
            talk.send(stuffed(data) + (envelope if i + 1 < len(sent) else b"QUIT\r\n"))
            talk.reply(250)
        talk.reply(221)
        case.equal(talk.at_end(), "closed", "the end of the session")
        check_arrived(case, server, sent)
        gateway.check_mails(case, clean=len(sent))
        check_captures(case, captures)


@cases.case("BDAT: chunks of any size, dots and bare line ends in them as they are")
def chunks(case):
    with Lab(case, calm=True) as lab:
        server, gateway = Server(lab), Gateway(lab)
        talk = Talk(lab)
        case.check("CHUNKING" in [k[4:] for k in talk.keywords], "CHUNKING is offered", talk.keywords)
        sent = []
        for number, sizes in enumerate(([10 ** 9], [1, 1, 1, 10 ** 9], [700] * 40, [4000, 10 ** 9])):
            data = message("bdat-%d" % number, [], b".\n.\n" + labmail.PROSE * 8 + b".\n")
            sent.append(data)
            talk.envelope()
            while data:
                size = min(sizes.pop(0), len(data))
                last = b" LAST" if size == len(data) else b""
                talk.send(b"BDAT %d%s\r\n" % (size, last) + data[:size])
                data = data[size:]
                talk.reply(250)
        case.equal(talk.quit(), "closed", "the end of the session")
        check_arrived(case, server, sent)
        gateway.check_mails(case, clean=len(sent))


@cases.case("BDAT with blanks as other programs write them")
def blanks(case):
    with Lab(case, calm=True) as lab:
        server, gateway = Server(lab), Gateway(lab)
        sent = []
        for number, line in enumerate((b"BDAT  %d LAST", b"BDAT %d  LAST", b"BDAT\t%d LAST", b"BDAT %d\tLAST",
                                       b"BDAT \t %d \t last \t", b"bdat 00%d LAST ")):
            talk = Talk(lab)
            sent.append(message("blanks-%d" % number, [], labmail.PROSE))
            talk.envelope()
            talk.send(line % len(sent[-1]) + b"\r\n" + sent[-1])
            talk.reply(250)
            case.equal(talk.quit(), "closed", "the end of the session")
        check_arrived(case, server, sent)
        gateway.check_mails(case, clean=len(sent))


@cases.case("BDAT with a bare LF, where the server has shown that it takes one")
def bare_line_ends(case):
    with Lab(case, calm=True) as lab:
        server, gateway = Server(lab), Gateway(lab)
        sent = [message("bare", [], labmail.PROSE)]
        for shown in (True, False):
            talk = Talk(lab)
            talk.send(b"EHLO client.example" + (b"\n" if shown else b"\r\n"))
            talk.reply(250)
            talk.envelope()
            talk.send(b"BDAT %d LAST\n" % len(sent[0]) + sent[0])
            talk.reply(250 if shown else 501)
            if shown:
                case.equal(talk.quit(), "closed", "the end of the session")
        check_arrived(case, server, sent)
        gateway.check_mails(case, clean=1)


@cases.case("one byte a segment, and two mails that take turns")
def slow(case):
    with Lab(case) as lab:
        server, gateway = Server(lab), Gateway(lab)
        sent = [message("slow-%d" % i, [], b"a\n..b\n" + labmail.PROSE) for i in range(2)]
        talks = [Talk(lab), Talk(lab)]
        bodies = [stuffed(data) for data in sent]
        for talk in talks:
            talk.envelope()
            talk.ask(b"DATA", 354)
        for at in range(max(map(len, bodies))):
            for talk, body in zip(talks, bodies):
                talk.send(body[at:at + 1])
        for talk in talks:
            talk.reply(250)
            case.equal(talk.quit(), "closed", "the end of the session")
        check_arrived(case, server, sent)
        gateway.check_mails(case, clean=2)


if __name__ == "__main__":
    os.umask(0o022)
    cases.main()
