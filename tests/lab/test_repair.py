#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Infected mail that is repaired, and what its sender hears: also when the control process is killed."""
import base64
import binascii
import datetime
import glob
import io
import json
import os
import zipfile

import labmail
from lablib import Cases, Lab, until
from labmail import TEXT, attachment, message, mixed, noise
from test_release import SENDER, TOLD, VIRUS, Rig, attachments, fields, refuse, refusing, send_with

cases = Cases()

NOTE = b"disinfected by the mail gateway lab"


def know(rig, recipe):
    with open(rig.signatures + "/new.ndb", "w") as f:
        f.write("#cordon: virus_id=CV-1; disinfect=%s\nTest.New:0:*:%s\n" % (
            recipe, binascii.hexlify(VIRUS).decode()))
    rig.control.ask("rules", "install")


def lines(data, length):
    """base64 in lines of this length."""
    text = base64.b64encode(data).decode()
    return "\n".join(text[i:i + length] for i in range(0, len(text), length)).encode()


def odd_part(content):
    """An attachment as no mail program of today writes it: everything about it must stay."""
    return b"content-type: APPLICATION/x-odd; NAME=\"evil.bin\"\nX-Odd:   yes \n" \
           b"Content-transfer-ENCODING: Base64\n\n" + content + b"\n"


@cases.case("release.infected disinfect: the part is repaired, and not one byte else is other", engine=True)
def disinfected(case):
    with Lab(case) as lab:
        rig = Rig(lab, release={"infected": "disinfect"})
        before, behind, good = noise(1000), noise(700), noise(3000)
        mail = mixed("evil", TEXT, attachment(good, "good.bin"),
                     odd_part(lines(before + VIRUS + behind, 60)))
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("evil.bin", VIRUS + noise(100))
        rig.send(case, mail, mixed("packed", TEXT, attachment(archive.getvalue(), "a.zip")),
                 message("plain", [], b"first line\n" + VIRUS + b"\nlast line\n"))
        until("all are listed", lambda: len(rig.control.held()) == 3)
        know(rig, "excise:1000,%d" % len(VIRUS))
        rig.unseal()
        got = until("it arrives", lambda: "evil" in rig.got() and rig.got())["evil"][0]
        want = labmail.as_stored(mixed("evil", TEXT, attachment(good, "good.bin"),
                                       odd_part(lines(before + behind, 60))))
        head, _, rest = got.rpartition(b"--edge-1\nContent-Type: text/plain; charset=utf-8")
        end = want.rindex(b"--edge-1--")
        case.equal(head, want[:end], "what stands before the note")
        case.check(NOTE in rest and b"evil.bin" in rest and b"Test.New" in rest, "the note", rest)
        case.check(rest.endswith(want[end:]), "the end", rest[-200:])
        # What a recipe cannot mend goes by the policy, and says why.
        full = until("all are quarantined", lambda: len(rig.control.held("quarantine")) == 3
                     and rig.control.held("quarantine"))
        case.equal(sorted(rig.got()), ["evil"], "at the server")
        why = {e["id"]: e.get("not_disinfected", "") for e in rig.control.events("quarantine")}
        by_subject = {r["subject"]: why.get(r["id"], "") for r in full}
        case.check("inside of an archive" in by_subject["lab mail packed"], "why", by_subject)
        case.check("not the bytes" in by_subject["lab mail plain"], "why", by_subject)
        kept = next(r for r in full if r["subject"] == "lab mail evil")
        case.check(rig.control.export(kept["id"]) == mail, "the full copy is what was sent")
        delivered = [e for e in rig.control.events("release") if e["action"] == "deliver-disinfected"]
        case.equal(len(delivered), 1, "events")


@cases.case("a signed message is disinfected and says that its signatures are broken", engine=True)
def signed(case):
    with Lab(case) as lab:
        rig = Rig(lab, release={"infected": "disinfect"})
        mail = message("signed", ["DKIM-Signature: v=1; d=x", "Content-Type: text/plain"],
                       VIRUS + b"\nthe text\n")
        rig.send(case, mail)
        until("it is listed", lambda: len(rig.control.held()) == 1)
        know(rig, "overwrite:0,%d,2e" % len(VIRUS))
        rig.unseal()
        got = until("it arrives", lambda: rig.got().get("signed"))[0]
        case.check(b"\n" + b"." * len(VIRUS) + b"\nthe text\n" in got, "the text", got)
        case.check(b"The DKIM signature of this message is broken" in got, "the note", got)


@cases.case("a seal of a body pattern holds what has it in its text, and lets go when it is narrowed",
            engine=True)
def body_pattern(case):
    with Lab(case) as lab:
        rig = Rig(lab, seal=("--mode", "hold", "--body", "pay the invoice"))
        hidden = message("hidden", ["MIME-Version: 1.0", "Content-Type: text/html",
                                    "Content-Transfer-Encoding: base64"],
                         binascii.b2a_base64(b"<p>Pay <b>t</b>he&#32;INVOICE</p>"))
        split = message("split", [], b"please pay\nthe\ninvoice now\n")
        other = message("other", [], b"pay them invoices\n")
        subject = message("subject", ["X-Text: pay the invoice"], b"nothing\n")
        rig.send(case, hidden, split, other, subject)
        until("what has it not arrives", lambda: sorted(rig.got()) == ["other", "subject"])
        case.equal(rig.got()["other"], [labmail.as_stored(other)], "as it was sent")
        case.equal(sorted(r["subject"] for r in rig.control.held()),
                   ["lab mail hidden", "lab mail split"], "held")
        shown = rig.control.ask("held", "show", next(
            r["id"] for r in rig.control.held() if r["subject"] == "lab mail hidden"))
        case.check("Content-Transfer-Encoding: base64" in shown["headers"] and
                   "PHA" not in shown["headers"], "headers", shown["headers"])
        case.equal((shown["open_seals"], shown["until"] > 0, shown["parts"][0]["content_type"]),
                   (["CV-1"], True, "text/html"), "why and until when")
        rig.control.ask("seal", "--virus-id", "CV-1", "--body", "/a(b/", status=1)
        rig.control.ask("seal", "--virus-id", "CV-1", "--body", "/please\\s+pay/")
        until("what is not covered any more arrives", lambda: "hidden" in rig.got())
        case.equal([r["subject"] for r in rig.control.held()], ["lab mail split"], "held")
        # A seal that has expired lets nothing out that was not scanned by the rules of then.
        rig.send(case, message("late", [], b"please pay " + VIRUS + b"\n"))
        until("it is held", lambda: len(rig.control.held()) == 2)
        know(rig, "remove")
        rig.control.ask("seal", "--virus-id", "CV-1", "--body", "/please\\s+pay/", "--seconds", "1")
        until("the seal expires", lambda: any(e.get("why") == "expired"
                                              for e in rig.control.events("unseal")))
        until("all is let go of and arrives", lambda: not rig.control.held() and sorted(rig.got()) == [
            "hidden", "other", "split", "subject"])


@cases.case("NOTIFY=SUCCESS: told when the server tells nothing itself, and once", engine=True)
def relayed(case):
    with Lab(case) as lab:
        with open(lab.folder + "/nodsn", "w") as f:
            f.write("192.0.2.25/32 dsn\n")
        os.chmod(lab.folder + "/nodsn", 0o644)
        rig = Rig(lab, notify=TOLD, server="smtpd_discard_ehlo_keyword_address_maps = cidr:%s/nodsn\n"
                  % lab.folder)
        send_with(case, lab, message("asked", [], b"secret text\n"), ["RET=FULL", "ENVID=ab+2Bc"],
                  ["NOTIFY=SUCCESS", "ORCPT=rfc822;some+2Bone@lab.example"])
        send_with(case, lab, message("silent", [], b"text\n"))
        send_with(case, lab, message("empty", [], b"text\n"), (), ["NOTIFY=SUCCESS"], sender="")
        until("all are listed", lambda: len(rig.control.held()) == 3)
        rig.unseal()
        until("all arrive", lambda: len(rig.got()) == 3)
        told = until("one is told", lambda: rig.others())
        status = fields(told[0].get_payload()[1])
        case.equal(status[0]["Original-Envelope-Id"], "ab+c", "ENVID")
        case.equal((status[1]["Action"], status[1]["Status"][0], status[1]["Original-Recipient"]),
                   ("relayed", "2", "rfc822;some+one@lab.example"), "of the recipient")
        case.check(b"secret text" not in told[0].as_bytes(), "only the header comes back")
        until("the outbox is empty", lambda: not open_notices(lab))
        case.equal(len(rig.others()), 1, "notices")


def open_notices(lab):
    return glob.glob(lab.folder + "/state/outbox/*.notice")


@cases.case("a delay is told once, as the sender has asked, and the mail arrives all the same", engine=True)
def delayed(case):
    with Lab(case) as lab:
        rig = refusing(lab, "4.7.9 not now")
        rig.control.stop()
        with open(rig.control.config) as f:
            text = f.read()
        with open(rig.control.config, "w") as f:
            f.write(text.replace("notify:\n", "notify:\n  delay_seconds: 1\n"))
        rig.control.start()
        send_with(case, lab, message("refused1", [], b"text\n"), (), ["NOTIFY=DELAY"])
        send_with(case, lab, message("refused2", [], b"text\n"), (), ["NOTIFY=FAILURE"])
        until("both are listed", lambda: len(rig.control.held()) == 2)
        rig.unseal()
        told = until("one is told", lambda: rig.others())
        status = fields(told[0].get_payload()[1])[1]
        case.equal((status["Action"], status["Status"]), ("delayed", "4.7.9"), "of the recipient")
        case.check("Will-Retry-Until" in status, "till when", status)
        rig.control.kill()
        rig.control.start()
        until("it is tried again", lambda: len([e for e in rig.control.events("release")
                                                if e["action"] == "later"]) >= 4)
        refuse(lab, "")
        until("both arrive", lambda: len(rig.got()) == 2)
        case.equal(len(rig.others()), 1, "notices")


@cases.case("a server gets no more in a minute than it may, in the order of arrival", engine=True)
def rate(case):
    with Lab(case) as lab:
        rig = Rig(lab, release={"server_per_minute": 3})
        rig.send(case, *[message("n%d" % i, [], b"text\n") for i in range(8)])
        until("all are listed", lambda: len(rig.control.held()) == 8)
        # Not at the end of a minute, which would give it three more.
        until("a minute is young", lambda: 2 < datetime.datetime.now().second < 45, 60)
        rig.unseal()
        until("three arrive", lambda: len(rig.got()) == 3)
        until("the others wait", lambda: rig.control.ask("status")["mail"]["release"]["queued"] == 5)
        case.equal(sorted(rig.got()), ["n0", "n1", "n2"], "the oldest")
        case.equal(rig.control.ask("status")["counters"]["mails_delivered"], 3, "counted")


@cases.case("killed between the verdict and the notice: the notice comes, once", engine=True)
def killed(case):
    with Lab(case) as lab:
        rig = refusing(lab, "5.7.9 not wanted here")
        with open(lab.folder + "/checks", "a") as f:
            f.write("/^Auto-Submitted:/ REJECT 4.7.9 no notices now\n")
        send_with(case, lab, mixed("refused", TEXT, attachment(noise(100))), ["RET=FULL"])
        until("it is listed", lambda: len(rig.control.held()) == 1)
        rig.unseal()
        until("it has failed", lambda: len(rig.control.held("quarantine")) == 1)
        until("its notice is on disk", lambda: open_notices(lab))
        with open(open_notices(lab)[0], "rb") as f:
            case.check(noise(100)[:20] not in f.read(), "the outbox holds nothing of the mail")
        rig.control.kill()
        case.equal(rig.others(), [], "notices before")
        refuse(lab, "")
        rig.control.start()
        told = until("the sender is told", lambda: rig.others())
        case.equal(attachments(told[0].get_payload()[2].get_payload()[0].as_bytes()), [noise(100)],
                   "RET=FULL")
        until("the mail is withdrawn", lambda: not rig.control.held("quarantine"))
        counters = rig.control.ask("status")["counters"]
        case.equal((counters["notices_sent"], counters["mails_failed"]), (1, 0), "since it began")
        rig.control.kill()
        rig.control.start()
        until("nothing is left", lambda: not open_notices(lab))
        case.equal(len(rig.others()), 1, "notices")


@cases.case("killed between the notice and the verdict: what was not decided is not told", engine=True)
def undecided(case):
    with Lab(case) as lab:
        rig = Rig(lab, notify=TOLD)
        send_with(case, lab, message("good", [], b"text\n"))
        kept = until("it is listed", rig.control.held)[0]["id"]
        rig.control.kill()
        # As if the process had died right after it wrote this down.
        with open(lab.folder + "/state/outbox/failure-%s.notice" % kept, "w") as f:
            json.dump({"kind": "failure", "to": SENDER, "host": "192.0.2.25", "port": 25, "begun": 1,
                       "id": kept, "dsn": {"mail_params": "", "server": "x", "arrival": "",
                                           "until": "", "recipients": [
                                               {"address": labmail.TO, "params": "",
                                                "reply": "550 5.0.0 no"}]}}, f)
        rig.control.start()
        case.equal(open_notices(lab), [], "what was written down")
        rig.unseal()
        until("it arrives", lambda: rig.got().get("good"))
        until("nothing is held", lambda: not rig.control.held())
        case.equal(rig.others(), [], "notices")


if __name__ == "__main__":
    cases.main()
