#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Under a seal: clients that nobody wrote for this, parameters, refused recipients, large mail, IPv6, VLAN."""
import os
import smtplib

import labmail
import lablib
from labcontrol import Control, spool_settings
from labgateway import Gateway
from lablib import Cases, Lab, until
from labmail import TEXT, as_stored, attachment, lab_id, message, mixed, noise
from labpostfix import Relay, Server

cases = Cases()
REFUSING = "smtpd_recipient_restrictions = check_recipient_access inline:{{no@lab.example=REJECT}}, permit_mynetworks, reject\n"


class Rig:
    def __init__(self, lab, server="", gateway=(), **spool):
        self.lab = lab
        self.server = Server(lab, extra=server)
        self.gateway = Gateway(lab, **spool_settings(lab, **spool), **dict(gateway))
        self.control = Control(lab)
        self.control.ask("seal", "--virus-id", "CV-1")

    def held(self):
        return {lab_id(self.control.export(r["id"])): r for r in self.control.held()}

    def finish(self, case, sent):
        """{id: mail}: all of it is held, nothing at the server, and arrives when the seal ends."""
        until("all is held", lambda: len(self.control.held()) == len(sent), seconds=60)
        case.equal(self.server.mails(), [], "at the server under the seal")
        for name, record in self.held().items():
            case.check(self.control.export(record["id"]) == sent[name], "an export of " + name)
        self.control.ask("unseal", "--all")
        until("nothing is held", lambda: not self.control.held(), seconds=60)
        labmail.check_arrived(case, self.server, list(sent.values()))


@cases.case("curl, swaks and Postfix find their mail held and then delivered", engine=True)
def usual(case):
    with Lab(case) as lab:
        rig = Rig(lab)
        sent = {n: mixed(n, TEXT, attachment(noise(40000, i))) for i, n in enumerate(("curl", "swaks", "post"))}
        for name, data in sent.items():
            with open(lab.folder + "/" + name, "wb") as f:
                f.write(data)
        code, said = lab.run("client", [
            "curl", "-sS", "--url", "smtp://192.0.2.25/client.example", "--mail-from", labmail.FROM,
            "--mail-rcpt", labmail.TO, "--upload-file", lab.folder + "/curl"])
        case.equal((code, said), (0, ""), "curl")
        code, said = lab.run("client", ["swaks", "--server", lablib.SERVER, "--from", labmail.FROM, "--to",
                                        labmail.TO, "--data", "@" + lab.folder + "/swaks", "--pipeline"])
        case.equal(code, 0, "swaks: " + said[-500:])
        relay = Relay(lab)
        code, said = lab.run("client", [
            "curl", "-sS", "--url", "smtp://127.0.0.1:10025/client.example", "--mail-from", labmail.FROM,
            "--mail-rcpt", labmail.TO, "--upload-file", lab.folder + "/post"])
        case.equal(code, 0, "to the relay: " + said)
        relay.wait_empty()
        case.equal({s[1] for s in relay.statuses()}, {"sent"}, "what the relay was told")
        until("all is held", lambda: len(rig.control.held()) == 3)
        case.equal(rig.server.mails(), [], "at the server")
        case.equal(rig.control.export(rig.held()["curl"]["id"]), sent["curl"], "an export of curl's")
        rig.control.ask("unseal", "--all")
        got = rig.server.wait_mails(3)
        # swaks puts an empty line behind.
        case.equal(sorted(labmail.without_trace(m).rstrip() for m in got),
                   sorted(as_stored(m).rstrip() for m in sent.values()), "what arrived")


@cases.case("every ESMTP parameter is kept and said again; recipients that the server refused are not asked again",
            engine=True)
def parameters(case):
    with Lab(case) as lab:
        rig = Rig(lab, server=REFUSING)
        client = labmail.Client(lab)
        client.ehlo()
        data = message("p", ["MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
                             "Content-Transfer-Encoding: 8bit"], "Grüße\n".encode())
        options = ["SIZE=%d" % len(data), "BODY=8BITMIME", "SMTPUTF8", "RET=HDRS", "ENVID=ab+2Bc"]
        case.equal(client.mail(labmail.FROM, options)[0], 250, "MAIL")
        codes = [client.rcpt(to, params)[0] for to, params in (
            ("one@lab.example", ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;o+2Bne@lab.example"]),
            ("no@lab.example", ["NOTIFY=NEVER"]), ("two@lab.example", []))]
        case.equal(codes, [250, 554, 250], "RCPT")
        case.equal(client.data(data)[0], 250, "DATA")
        client.leave()
        until("it is held", lambda: rig.control.held())
        shown = rig.control.ask("held", "show", rig.control.held()[0]["id"])["envelope"]
        case.equal(shown["mail_params"].split(), options, "of MAIL")
        case.equal(shown["rcpt_to"], [
            {"address": "one@lab.example", "params": "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;o+2Bne@lab.example"},
            {"address": "two@lab.example", "params": ""}], "of RCPT")
        rig.control.ask("unseal", "--all")
        until("nothing is held", lambda: not rig.control.held())
        for to in ("one", "two"):
            until(to + " has it", lambda to=to: "to=<%s@lab.example>" % to in rig.server.log())
        case.equal(rig.server.log().count("<no@lab.example>: Recipient address rejected"), 1, "refused")
        case.equal({r["address"] for e in rig.control.events("release") for r in e["rcpt_to"]},
                   {"one@lab.example", "two@lab.example"}, "who was asked")


@cases.case("two hundred mails on one connection, over IPv6", engine=True)
def many(case):
    with Lab(case) as lab:
        rig = Rig(lab, server="smtpd_junk_command_limit = 1000\n")
        sent = {"m%d" % i: message("m%d" % i, [], labmail.PROSE * (i % 5)) for i in range(200)}
        client = labmail.Client(lab, address=lablib.SERVER6)
        for name, data in sent.items():
            case.equal(client.mail_bytes(data)[0], 250, name)
        case.equal(client.leave()[0], 221, "QUIT on the same connection")
        rig.finish(case, sent)


def send_hundreds(case, lab, rig):
    """Mails on one connection after the other; returns how many connections that took."""
    sent, connections, client = {}, 0, None
    while len(sent) < 300:
        data = message("m%d" % len(sent), [], b"text\n")
        if client is None:
            client, connections = labmail.Client(lab), connections + 1
            case.check(connections < 10, "connections", len(sent))
        try:
            code = client.mail_bytes(data)[0]
        except (smtplib.SMTPException, OSError):
            code = 0
        if code == 250:
            sent["m%d" % len(sent)] = data
        else:
            client.close()
            client = None
    rig.finish(case, sent)
    return connections


@cases.case("three hundred mails for a server that has had enough of RSET after a hundred: it says 421, the client comes "
            "back, each mail is there once", engine=True)
def enough(case):
    with Lab(case) as lab:
        # The limits are Postfix' own, but for the pauses that it makes behind errors.
        rig = Rig(lab, server="smtpd_error_sleep_time = 0\n")
        connections = send_hundreds(case, lab, rig)
        case.check(connections > 1, "the server had enough", connections)
        case.check("too many errors" in rig.server.log(), "and said so")


@cases.case("with limits.max_held below that the server counts no error, and each mail is there once", engine=True)
def before_enough(case):
    with Lab(case) as lab:
        rig = Rig(lab, gateway={"limits": {"max_held": 90}})
        case.equal(send_hundreds(case, lab, rig), 4, "connections")
        case.check("too many errors" not in rig.server.log(), "the server is content")


@cases.case("50 MB under a seal, and behind a VLAN tag", engine=True)
def large(case):
    with Lab(case, vlan="7") as lab:
        rig = Rig(lab, segment_bytes=128 << 20)
        sent = {"tagged": mixed("tagged", TEXT, attachment(noise(100000))),
                "large": mixed("large", TEXT, attachment(noise(37 << 20)))}
        case.equal(labmail.send(lab, sent["tagged"], address=lablib.VLAN_SERVER)[0], 250, "tagged")
        case.equal(labmail.send(lab, sent["large"], timeout=120)[0], 250, "50 MB")
        rig.finish(case, sent)


if __name__ == "__main__":
    os.umask(0o022)
    cases.main()
