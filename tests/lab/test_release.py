#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""How kept mail goes out: repaired, without attachments, again after a refusal; and who is told."""
import binascii
import datetime
import email
import email.policy
import os
import time

import labmail
from labcontrol import Control, spool_settings
from labgateway import Gateway
from lablib import Cases, Lab, until
from labmail import TEXT, attachment, message, mixed, noise
from labpostfix import Server

cases = Cases()

VIRUS = b"a-virus-that-nobody-knew-until-today"
NOTE = b"A part of this message was removed by the mail gateway lab."


class Rig:
    """A sealed gateway with its server and its control process."""

    def __init__(self, lab, server="", release=None, notify=None, seal=("--mode", "hold")):
        self.server = Server(lab, extra=server)
        self.gateway = Gateway(lab, **spool_settings(lab))
        self.signatures = lab.folder + "/new"
        os.mkdir(self.signatures)
        self.control = Control(lab, sources=[lab.folder + "/lab.ndb", self.signatures],
                               release=release or {}, notify=notify or {"port": 25})
        self.lab = lab
        self.control.ask("seal", "--virus-id", "CV-1", *seal)

    def send(self, case, *mails):
        for data in mails:
            case.equal(labmail.send(self.lab, data)[0], 250, labmail.lab_id(data))

    def know_virus(self):
        with open(self.signatures + "/new.ndb", "w") as f:
            f.write("Test.New:0:*:%s\n" % binascii.hexlify(VIRUS).decode())
        self.control.ask("rules", "install")

    def unseal(self):
        self.control.ask("unseal", "CV-1")

    def got(self):
        """{id: [mails]}: what of the test's own mails is at the server."""
        found = {}
        for mail in self.server.mails():
            if mail.split(b"\n\n")[0].find(b"X-Lab-Id:") >= 0:
                found.setdefault(labmail.lab_id(mail), []).append(labmail.without_trace(mail))
        return found

    def others(self):
        """What it wrote itself, parsed."""
        return [email.message_from_bytes(m, policy=email.policy.default)
                for m in self.server.mails() if b"X-Lab-Id:" not in m.split(b"\n\n")[0]]


class Damage:
    """Segments of a spool of which some bytes are others, as from a disk that gives wrong ones."""

    def __init__(self, folder):
        self.files = [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".seg")]
        self.flip()

    def flip(self):
        for path in self.files:
            with open(path, "r+b") as f:
                for at in range(500, os.fstat(f.fileno()).st_size, 1000):
                    f.seek(at)
                    was, = f.read(1)
                    f.seek(at)
                    f.write(bytes([was ^ 0xff]))

    repair = flip


def attachments(data):
    parsed = email.message_from_bytes(data, policy=email.policy.default)
    return [p.get_payload(decode=True) for p in parsed.walk()
            if not p.is_multipart() and p.get_content_type() != "text/plain"]


@cases.case("release.infected strip: the rest arrives with a note, the full copy is quarantined",
            engine=True)
def strip_infected(case):
    with Lab(case) as lab:
        rig = Rig(lab, release={"infected": "strip"})
        good = noise(5000)
        mail = mixed("evil", TEXT, attachment(good, "good.bin"),
                     attachment(VIRUS + noise(100), "evil.bin"), TEXT)
        rig.send(case, mail, mixed("clean", TEXT, attachment(good)),
                 message("all", [], VIRUS + b"\n"))
        until("all are listed", lambda: len(rig.control.held()) == 3)
        rig.know_virus()
        rig.unseal()
        got = until("all arrive", lambda: len(rig.got()) == 3 and rig.got())
        stripped = got["evil"][0]
        case.equal(attachments(stripped), [good], "what is left")
        before, after = labmail.as_stored(mail).split(b"\n--edge-1\n"), stripped.split(b"\n--edge-1\n")
        case.equal([i for i, (a, b) in enumerate(zip(before, after)) if a != b], [3],
                   "parts that are others")
        case.check(NOTE in after[3] and b"evil.bin" in after[3] and b"Test.New" in after[3],
                   "the note", after[3])
        case.equal(attachments(got["clean"][0]), [good], "the clean one")
        case.check(NOTE in got["all"][0] and VIRUS not in got["all"][0], "a body of its own",
                   got["all"][0])
        full = until("both are quarantined", lambda: len(rig.control.held("quarantine")) == 2
                     and rig.control.held("quarantine"))
        kept = next(r for r in full if r["subject"] == "lab mail evil")
        case.check(rig.control.export(kept["id"]) == mail, "the full copy is what was sent")
        case.equal(rig.control.held(), [], "held")


@cases.case("seal mode strip: without attachments at once, in full when the seal ends", engine=True)
def seal_strip(case):
    with Lab(case) as lab:
        rig = Rig(lab, seal=("--mode", "strip"))
        mail = mixed("with", TEXT, attachment(noise(3000)))
        plain = message("without", [], b"nothing but text\n")
        rig.send(case, mail, plain)
        got = until("both arrive", lambda: len(rig.got()) == 2 and rig.got())
        case.check(NOTE in got["with"][0] and not attachments(got["with"][0]), "the first copy",
                   got["with"][0])
        case.equal(got["without"][0], labmail.as_stored(plain), "text")
        until("the full copy stays", lambda: [r["subject"] for r in rig.control.held()] ==
              ["lab mail with"])
        rig.control.stop()
        rig.control.start()
        rig.control.ask("seal", "--virus-id", "CV-2", "--mode", "strip", "--sender", "x@*")
        second = mixed("second", TEXT, attachment(noise(10)))
        rig.send(case, second)
        until("the next one arrives", lambda: "second" in rig.got())
        case.equal(len(rig.got()["with"]), 1, "copies after a new start")
        rig.control.ask("unseal", "--all")
        until("it arrives in full", lambda: len(rig.got()["with"]) == 2)
        case.check(labmail.as_stored(mail) in rig.got()["with"], "as it was sent")
        until("nothing is held", lambda: not rig.control.held())


@cases.case("seal mode hold-attachments: what carries none goes out, what lies about it does not",
            engine=True)
def hold_attachments(case):
    with Lab(case) as lab:
        rig = Rig(lab, seal=("--mode", "hold-attachments"))
        plain = message("plain", [], b"nothing but text\n")
        lie = message("lie", ["MIME-Version: 1.0", "Content-Type: text/plain",
                              "Content-Transfer-Encoding: base64"],
                      binascii.b2a_base64(b"MZ" + noise(50)))
        hidden = message("hidden", [], b"text\nbegin 644 cat.bin\n#0V%T\n`\nend\n")
        full = mixed("full", TEXT, attachment(noise(100)))
        page = message("page", ["MIME-Version: 1.0", "Content-Type: text/html"],
                       b"<p>text</p>\n<a download=x.zip href='da&#116;a:application/zip;base64,UEsDBA=='>x</a>\n")
        html = message("html", ["MIME-Version: 1.0", "Content-Type: text/html"], b"<p>data: none, here</p>\n")
        rig.send(case, lie, hidden, full, page, html, plain)
        got = until("the plain ones arrive", lambda: len(rig.got()) == 2 and rig.got())
        case.equal(got["html"][0], labmail.as_stored(html), "as it was sent")
        case.equal(got["plain"][0], labmail.as_stored(plain), "as it was sent")
        until("the others stay", lambda: sorted(r["subject"] for r in rig.control.held()) ==
              ["lab mail full", "lab mail hidden", "lab mail lie", "lab mail page"])
        case.equal(sorted(rig.got()), ["html", "plain"], "at the server")
        rig.unseal()
        until("all arrive", lambda: len(rig.got()) == 6)
        for data in (lie, hidden, full, page):
            case.check(rig.got()[labmail.lab_id(data)] == [labmail.as_stored(data)],
                       "as it was sent", labmail.lab_id(data))


# The lab's server takes mail for lab.example alone: the sender is somebody there too.
SENDER = "back@lab.example"
TOLD = {"host": "192.0.2.25", "interval_seconds": 1}


def refuse(lab, text):
    """What the server says to mails whose subject has "refused" in it, from now on; "": nothing."""
    with open(lab.folder + "/checks", "w") as f:
        f.write("/^Subject:.*refused/ REJECT %s\n" % text if text else "")
    os.chmod(lab.folder + "/checks", 0o644)


def refusing(lab, text, **settings):
    refuse(lab, text)
    return Rig(lab, server="header_checks = regexp:%s/checks\nnested_header_checks =\n"
               "max_use = 1\n" % lab.folder, notify=TOLD, **settings)


def send_with(case, lab, data, options=(), params=(), sender=SENDER):
    client = labmail.Client(lab)
    client.ehlo()
    case.equal(client.mail(sender, list(options))[0], 250, "MAIL")
    case.equal(client.rcpt(labmail.TO, list(params))[0], 250, "RCPT")
    case.equal(client.data(data)[0], 250, labmail.lab_id(data))
    client.leave()


def fields(part):
    """Of a delivery status: [{name: value}], of the message and of each recipient."""
    return [dict(block.items()) for block in part.get_payload()]


@cases.case("550: the sender gets a notification as it has asked for, or none", engine=True)
def refused(case):
    with Lab(case) as lab:
        rig = refusing(lab, "5.7.9 not wanted here")
        whole = mixed("refused1", TEXT, attachment(noise(100)))
        send_with(case, lab, whole, ["RET=FULL", "ENVID=ab+2Bc"],
                  ["NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;some+2Bone@lab.example"])
        send_with(case, lab, message("refused2", [], b"text of the body\n"))
        send_with(case, lab, message("refused3", [], b"text\n"), (), ["NOTIFY=NEVER"])
        send_with(case, lab, message("refused4", [], b"text\n"), sender="")
        until("all are listed", lambda: len(rig.control.held()) == 4)
        rig.unseal()
        until("two are told", lambda: len(rig.others()) == 2)
        until("two stay", lambda: sorted(r["subject"] for r in rig.control.held("quarantine")) ==
              ["lab mail refused3", "lab mail refused4"])
        case.equal(rig.control.held(), [], "held")
        case.equal(rig.got(), {}, "at the server")
        told = {fields(m.get_payload()[1])[0].get("Original-Envelope-Id"): m for m in rig.others()}
        for report in told.values():
            case.equal(report.get_content_type(), "multipart/report", "type")
            case.equal(report.get_param("report-type"), "delivery-status", "report-type")
            case.equal(report["To"], SENDER, "to")
            case.equal(report["Return-Path"], "<>", "the envelope's sender")
            case.equal(report["Auto-Submitted"], "auto-replied", "Auto-Submitted")
            recipient = fields(report.get_payload()[1])[1]
            case.equal((recipient["Action"], recipient["Status"], recipient["Final-Recipient"]),
                       ("failed", "5.7.9", "rfc822; " + labmail.TO), "of the recipient")
            case.check("not wanted here" in recipient["Diagnostic-Code"], "the server's words",
                       recipient["Diagnostic-Code"])
        full, head = told["ab+c"], told[None]
        case.equal(fields(full.get_payload()[1])[1]["Original-Recipient"],
                   "rfc822;some+one@lab.example", "ORCPT")
        case.equal(full.get_payload()[2].get_content_type(), "message/rfc822", "RET=FULL")
        case.equal(attachments(full.get_payload()[2].get_payload()[0].as_bytes()), [noise(100)],
                   "all of it")
        case.equal(head.get_payload()[2].get_content_type(), "text/rfc822-headers", "without RET")
        case.check("X-Lab-Id: refused2" in head.get_payload()[2].get_payload() and
                   "text of the body" not in str(head), "the header alone", str(head))


@cases.case("4xx: tried again with growing pauses, and delivered once when it is taken", engine=True)
def later(case):
    with Lab(case) as lab:
        rig = refusing(lab, "4.7.9 not now")
        data = message("refused", [], b"text\n")
        send_with(case, lab, data)
        until("it is listed", lambda: len(rig.control.held()) == 1)
        rig.unseal()

        def tries():
            return [e for e in rig.control.events("release") if e["action"] == "later"]
        until("three tries", lambda: len(tries()) >= 3)
        first, second, third = (datetime.datetime.fromisoformat(e["time"][:-1])
                                for e in tries()[:3])
        # Whole seconds are compared: 1 s, then 2 s.
        case.check((third - second).total_seconds() > 1.0, "the second pause", first, second, third)
        refuse(lab, "")
        until("it arrives", lambda: rig.got().get("refused") == [labmail.as_stored(data)])
        until("nothing is held", lambda: not rig.control.held())
        case.equal(rig.others(), [], "notices")


@cases.case("mail that the disk does not give for a while stays, and goes out when it does", engine=True)
def unreadable(case):
    with Lab(case) as lab:
        rig = refusing(lab, "4.7.9 not now", release={"retry_seconds": 1, "retry_most_seconds": 1})
        names = ("waits", "released", "refused")
        rig.send(case, *[message(name, [], noise(3000).hex().encode() + b"\n") for name in names])
        until("all are held", lambda: len(rig.control.held()) == len(names))

        def release(name):
            rig.control.ask("held", "release", "--why", "a test",
                            *[r["id"] for r in rig.control.held() if r["subject"].endswith(name)])

        def says(kind, key, what):
            return any(e.get(key) == what for e in rig.control.events(kind))

        release("refused")
        until("it was tried", lambda: says("release", "action", "later"))
        spool = Damage(lab.folder + "/spool")
        refuse(lab, "")
        until("it cannot be tried again", lambda: says("release", "action", "not readable"))
        release("released")
        until("another cannot be queued", lambda: says("fault", "what", "a kept mail cannot be read"))
        rig.unseal()
        until("the seal is over", lambda: not rig.control.ask("status")["sealed"])
        time.sleep(3)  # longer than it settles, and two pauses
        case.equal(rig.got(), {}, "what could not be read was not delivered")
        spool.repair()
        until("all arrive", lambda: sorted(rig.got()) == sorted(names))
        case.equal([len(mails) for mails in rig.got().values()], [1] * len(names), "once each")


@cases.case("at the end of its lifetime a mail that is put off has failed, and the sender is told",
            engine=True)
def lifetime(case):
    with Lab(case) as lab:
        rig = refusing(lab, "4.7.9 not now", release={"lifetime_seconds": 2})
        send_with(case, lab, message("refused", [], b"text\n"))
        until("it is listed", lambda: len(rig.control.held()) == 1)
        rig.unseal()
        report = until("the sender is told", rig.others)[0]
        recipient = fields(report.get_payload()[1])[1]
        case.equal((recipient["Action"], recipient["Status"]), ("failed", "4.4.7"), "status")
        until("it is withdrawn", lambda: not rig.control.held("quarantine"))
        case.equal([e["kind"] for e in rig.control.events("notice")], ["failure"], "notices")


@cases.case("the administrator gets digests, recipients hear of what was quarantined", engine=True)
def told(case):
    with Lab(case) as lab:
        rig = Rig(lab, notify={"host": "192.0.2.25", "admin": "admin@lab.example",
                               "from": "gate@lab.example", "interval_seconds": 4,
                               "recipients": "true"})
        for i in range(4):
            rig.send(case, mixed("evil%d" % i, TEXT, attachment(VIRUS + noise(10, i))))
        until("all are listed", lambda: len(rig.control.held()) == 4)
        rig.know_virus()

        def mails(to):
            return [m for m in rig.others() if m["To"] == to]

        def in_all(word, to):
            return sum(m.get_content().count(word) for m in mails(to))
        until("recipients are told", lambda: in_all("Test.New", labmail.TO) == 4)
        until("the administrator is told", lambda: in_all('"verdict":"infected"',
                                                         "admin@lab.example") == 4)
        for mail in rig.others():
            case.equal((mail["Auto-Submitted"], mail["Return-Path"], mail["From"].addresses[0].addr_spec),
                       ("auto-generated", "<>", "gate@lab.example"), "of a notice")
        case.check(in_all("seal", "admin@lab.example") > 0, "the seal is in a digest")
        case.check(len(mails(labmail.TO)) <= 3, "several in one notice", len(mails(labmail.TO)))
        case.check(all(e["action"] == "sent" for e in rig.control.events("notice")), "all were sent")


if __name__ == "__main__":
    os.umask(0o022)
    cases.main()
