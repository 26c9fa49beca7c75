#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The dialogue: what the gateway hides, refuses and lets pass."""
import os
import socket

import labmail
from labgateway import Gateway
from lablib import SERVER, Cases, Failed, Lab, until
from labmail import EICAR, EICAR_NAME, TO, Client, Talk, check_arrived, message, stuffed
from labpostfix import Relay, Server
from labsink import FALSE_ENDS, Sink

cases = Cases()


def keywords(lab, side):
    talk = Talk(lab, SERVER, side=side)
    talk.quit()
    return talk.keywords


@cases.case("EHLO: STARTTLS is overwritten by as many X's, all else is the server's own words",
            engine=True)
def ehlo_masked(case):
    with Lab(case) as lab:
        Server(lab, tls=True)
        gateway = Gateway(lab)
        own = keywords(lab, "server")  # without a gateway in between
        case.check("250-STARTTLS" in own, "the server offers STARTTLS", own)
        wanted = [k.replace("STARTTLS", "X" * 8) for k in own]
        case.equal(keywords(lab, "client"), wanted, "the keywords through the gateway")
        case.check(gateway.stats()["keywords_masked"] >= 1, "the counter", gateway.stats())


@cases.case("a keyword that comes in pieces is masked all the same", engine=True)
def ehlo_in_pieces(case):
    with Lab(case) as lab:
        Gateway(lab)
        with lab.inside("server"):
            listener = socket.create_server((SERVER, 25))
        text = b"250-pieces\r\n250-STARTTLS\r\n250-PIPELINING\r\n250 STARTTLS\r\n"
        for cut in list(range(1, 30)) + list(range(42, len(text))):
            client = lab.connect()
            server, _ = listener.accept()
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.sendall(b"220 pieces ESMTP\r\n")
            read_lines(client, 1)
            client.sendall(b"EHLO client.example\r\n")
            read_lines(server, 1)
            server.sendall(text[:cut])
            server.sendall(text[cut:])
            got = read_lines(client, 4)
            # What has left before the word was known for what it is cannot be called back.
            case.check(len(got) == len(text) and b"STARTTLS" not in got and b"X\r\n" in got
                       and b"250-PIPELINING\r\n" in got, "cut at %d" % cut, got)
            client.close()
            server.close()
        listener.close()


def read_lines(connection, count):
    got = b""
    while got.count(b"\n") < count:
        more = connection.recv(65536)
        if not more:
            raise Failed("closed after %r" % got)
        got += more
    return got


@cases.case("STARTTLS all the same is refused, the session goes on in the clear", engine=True)
def starttls_refused(case):
    with Lab(case) as lab:
        server, gateway = Server(lab, tls=True), Gateway(lab)
        talk = Talk(lab)
        answer = talk.ask(b"STARTTLS")
        case.check(answer[-1][0] in "45", "STARTTLS is refused", answer)
        good, bad = message("clear", [], b"in the clear\n"), message("bad", [], EICAR + b"\n")
        for data, code in ((good, 250), (bad, 554)):
            talk.envelope()
            talk.ask(b"DATA", 354)
            talk.send(stuffed(data))
            talk.reply(code)
        case.equal(talk.quit(), "closed", "the end of the session")
        check_arrived(case, server, [good])
        gateway.check_mails(case, clean=1, infected=1)


@cases.case("a relay with opportunistic TLS falls back to what can be scanned", engine=True)
def opportunistic(case):
    with Lab(case) as lab:
        server, gateway = Server(lab, tls=True), Gateway(lab)
        relay = Relay(lab, extra="smtp_tls_security_level = may\n")
        good, bad = message("may", [], b"opportunistic\n"), message("bad", [], EICAR + b"\n")
        for data in (good, bad):
            labmail.send(lab, data, address="127.0.0.1", port=10025)
        relay.wait_empty()
        check_arrived(case, server, [good])
        gateway.check_mails(case, clean=1, infected=1)
        case.check("TLS connection established" not in server.log(), "no TLS", server.log())


@cases.case("starttls: pass lets TLS through end to end, and says that it was not inspected",
            engine=True)
def starttls_pass(case):
    with Lab(case) as lab:
        server = Server(lab, tls=True, extra="smtpd_tls_received_header = yes\n")
        gateway = Gateway(lab, policy={"starttls": "pass"})
        client = Client(lab)
        case.check(client.go_tls().startswith("TLSv1"), "TLS with the server")
        secret = message("secret", [], b"for the server alone\n" + EICAR + b"\n")
        case.equal(client.mail_bytes(secret)[0], 250, "mail over TLS")
        case.equal(client.leave()[0], 221, "the end of the TLS session")
        check_arrived(case, server, [secret])
        case.check(b"using TLSv1" in server.mails()[0], "the server says it was TLS")
        clear = message("clear", [], b"in the clear\n")
        case.equal(labmail.send(lab, clear)[0], 250, "mail in the clear beside it")
        code, text = labmail.send(lab, message("bad", [], EICAR + b"\n"))
        case.check(code == 554 and EICAR_NAME in text, "the clear one is still scanned", code, text)
        check_arrived(case, server, [secret, clear])
        gateway.check_mails(case, clean=1, infected=1)
        until("the session events", lambda: len(gateway.events("session")) == 3)
        case.equal([e["inspected"] for e in gateway.events("session")], [False, True, True],
                   "what the session events say")
        case.equal(gateway.stats()["tls_sessions"], 1, "the counter of uninspected sessions")


def smuggle(end):
    """A mail with a false end of data in it and, behind that, a second one that is infected."""
    return (message("outer", [], b"outer text")[:-2] + end
            + b"MAIL FROM:<smuggler@client.example>\r\nRCPT TO:<%s>\r\nDATA\r\n" % TO.encode()
            + message("smuggled", [], EICAR + b"\n") + b"\r\n.\r\n")


@cases.case("smuggling: every false end of data is refused with 550 5.5.2, nothing gets in",
            engine=True)
def smuggling_refused(case):
    with Lab(case) as lab:
        sink, gateway = Sink(lab), Gateway(lab)
        for end in FALSE_ENDS:
            talk = Talk(lab)
            talk.envelope()
            talk.ask(b"DATA", 354)
            talk.send(smuggle(end))
            answer = talk.reply()
            case.check(answer[-1].startswith(("550 5.5.2", "554 5.7.1")), "%r is refused" % end, answer)
            talk.socket.close()
        # With a dot that some server reads as the end, at least one of these must be the reason.
        refused = [e for e in gateway.wait_mails(len(FALSE_ENDS)) if e["reply"].startswith("550 5.5.2")]
        case.check(len(refused) >= len(FALSE_ENDS) - 12, "refused as false ends", len(refused))
        case.equal(sink.mails, [], "what the gullible server took for mail")
        case.check(not any("smuggler" in c for c in sink.commands), "no smuggled command",
                   sink.commands)


@cases.case("smuggling: the four classic false ends, and Postfix as the server", engine=True)
def smuggling_postfix(case):
    with Lab(case) as lab:
        server, gateway = Server(lab), Gateway(lab)
        ends = (b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n")
        for end in ends:
            talk = Talk(lab)
            talk.envelope()
            talk.ask(b"DATA", 354)
            talk.send(smuggle(end))
            answer = talk.reply()
            case.check(answer[-1].startswith("550 5.5.2"), "%r is refused" % end, answer)
            talk.socket.close()
        case.equal(server.mails(), [], "mails at the server")
        good = message("good", [], b"clean\n")
        case.equal(labmail.send(lab, good)[0], 250, "a clean mail after all that")
        check_arrived(case, server, [good])
        case.check("smuggler" not in server.log(), "no smuggled command", server.log())
        gateway.wait_mails(len(ends) + 1)


@cases.case("smuggling: false_end normalise gives the server one mail, the one that was scanned",
            engine=True)
def smuggling_normalised(case):
    with Lab(case) as lab:
        sink, gateway = Sink(lab), Gateway(lab, policy={"false_end": "normalise"})
        for number, end in enumerate((b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n")):
            talk = Talk(lab)
            talk.envelope()
            talk.ask(b"DATA", 354)
            talk.send(message("m%d" % number, [], b"text")[:-2] + end + b"MAIL FROM:<smuggler@x>\r\n"
                      + b"after\r\n.\r\n")
            talk.reply(250, 550)
            case.check(len(sink.mails) <= number + 1, "at most one mail for one", sink.mails)
            talk.socket.close()
        case.check(not any("smuggler" in c for c in sink.commands), "no smuggled command",
                   sink.commands)
        case.check(gateway.running(), "the gateway is still running")


@cases.case("verbs that carry data in their own way are not for the server", engine=True)
def odd_verbs(case):
    with Lab(case) as lab:
        sink, gateway = Sink(lab), Gateway(lab)
        talk = Talk(lab)
        for command in (b"XEXCH50 20 2", b"XCLIENT ADDR=192.0.2.1", b"FROB 1"):
            answer = talk.ask(command)
            case.check(answer[-1][0] in "45", "%r is refused" % command, answer)
        verbs = [c.split(" ")[0] for c in sink.commands]
        case.check(not {"XEXCH50", "XCLIENT", "FROB"} & set(verbs), "the server's commands", verbs)
        case.equal(talk.quit(), "closed", "the end of the session")
        case.check(gateway.running(), "the gateway is still running")


if __name__ == "__main__":
    os.umask(0o022)
    cases.main()
