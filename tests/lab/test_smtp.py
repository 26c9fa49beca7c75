#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The dialogue: what the gateway hides, refuses and lets pass."""
import os
import socket

import labmail
from labgateway import Gateway
from lablib import SERVER, Cases, Failed, Lab, until
from labmail import EICAR, EICAR_NAME, FROM, TO, Talk, check_arrived, message, stuffed
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
        for cut in range(1, 60, 4):
            client = lab.connect()
            server, _ = listener.accept()
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.sendall(b"220 pieces ESMTP\r\n")
            got = read_until(client, b"\n")
            client.sendall(b"EHLO client.example\r\n")
            read_until(server, b"\n")
            text = b"250-pieces\r\n250-STARTTLS\r\n250-PIPELINING\r\n250 STARTTLS\r\n"
            server.sendall(text[:cut])
            until("the first piece arrived or waits", lambda: piece_sent(lab))
            server.sendall(text[cut:])
            got = read_until(client, b"250 ", lines=4)
            case.equal(got, text.replace(b"STARTTLS", b"X" * 8), "cut at %d" % cut)
            client.close()
            server.close()
        listener.close()


def piece_sent(lab):
    """Nothing of the server's is unsent any more: the first piece has left as a segment."""
    _, text = lab.run("server", ["ss", "-tnH", "state", "established", "sport", "=", ":25"])
    return text.strip() and all(int(line.split()[1]) <= 64 for line in text.splitlines())


def read_until(connection, mark, lines=1):
    got = b""
    while mark not in got or not got.endswith(b"\n") or got.count(b"\n") < lines:
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
        status, text = lab.run("client", [
            "swaks", "--server", SERVER, "--from", FROM, "--to", TO, "--helo", "client.example",
            "-tls", "--header", "X-Lab-Id: tls", "--body", "secret"])
        case.check(status == 0 and "TLS started" in text, "swaks over TLS", text[-1500:])
        case.check(b"TLSv1" in server.wait_mails(1)[0], "the server says it was TLS")
        clear = message("clear", [], b"in the clear\n")
        case.equal(labmail.send(lab, clear)[0], 250, "mail in the clear beside it")
        code, text = labmail.send(lab, message("bad", [], EICAR + b"\n"))
        case.check(code == 554 and EICAR_NAME in text, "the clear one is still scanned", code, text)
        check_arrived(case, server, [clear], extra=True)
        gateway.check_mails(case, clean=1, infected=1)
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
