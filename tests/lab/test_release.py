#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""How kept mail goes out: repaired, without attachments."""
import binascii
import email
import email.policy
import os

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

    def __init__(self, lab, server="", release=None, seal=("--mode", "hold")):
        self.server = Server(lab, extra=server)
        self.gateway = Gateway(lab, **spool_settings(lab))
        self.signatures = lab.folder + "/new"
        os.mkdir(self.signatures)
        self.control = Control(lab, sources=[lab.folder + "/lab.ndb", self.signatures],
                               release=release or {"port": 25})
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
        rig.send(case, lie, hidden, full, plain)
        got = until("the plain one arrives", lambda: "plain" in rig.got() and rig.got())
        case.equal(got["plain"][0], labmail.as_stored(plain), "as it was sent")
        until("the others stay", lambda: sorted(r["subject"] for r in rig.control.held()) ==
              ["lab mail full", "lab mail hidden", "lab mail lie"])
        case.equal(sorted(rig.got()), ["plain"], "at the server")
        rig.unseal()
        until("all arrive", lambda: len(rig.got()) == 4)
        for data in (lie, hidden, full):
            case.check(rig.got()[labmail.lab_id(data)] == [labmail.as_stored(data)],
                       "as it was sent", labmail.lab_id(data))


if __name__ == "__main__":
    os.umask(0o022)
    cases.main()
