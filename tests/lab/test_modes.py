#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Seals that let something through, byte for byte; a disk that stands still; a kill in the middle of new
rules. At both ends no bad checksum, no storm of repeats, and no segment that nobody answered."""
import os
import random
import subprocess
import threading
import time

import labmail
from laboutbreak import Mailer, Outbreak, Phases, Try, check_flows, make_mail, new_signature
from lablib import Capture, Cases, Failed, Lab, until
from labmail import TEXT, as_stored, attachment, message, mixed, multipart, noise, part

cases = Cases()
MANNERS = ("data", "pipelined", "chunks", "chunks pipelined")
EDGE = b"\n--edge-1\n"
NOTE = b"A part of this message was removed by the mail gateway lab."
SECOND = part(["Content-Type: text/plain"], b"A second text,\n.\n..with dots\n--edge-2\nand an edge.\n")


def captures_of(lab):
    return [Capture(lab, "client"), Capture(lab, "server")]


def send_all(out, mails, manner, sender=labmail.FROM):
    """On one connection; fills in what the sender was told."""
    mailer = Mailer(out.lab, patience=60)
    for data in mails:
        one = Try(data, False)
        out.ledger.add(one)
        mailer.send(one, manner, sender)
    mailer.leave()


def at_server(out):
    """{id: [mails without their trace]}"""
    found = {}
    for mail in out.server.mails():
        found.setdefault(labmail.lab_id(mail), []).append(labmail.without_trace(mail))
    return found


def with_parts(name, number):
    """Text, attachments of all sizes and encodings, and text again; which parts are to go."""
    quoted = noise(300, number + 50).replace(b"\r", b"")  # Python writes it as it is
    files = [attachment(noise(1 + 9000 * number, number), "a%d.bin" % number),
             attachment(quoted, "b.dat", encoding="quoted-printable")]
    inner = part(['Content-Type: multipart/alternative; boundary="inner"'],
                 multipart("inner", [TEXT, part(["Content-Type: text/html"], b"<p>text</p>\n")]))
    parts = [(TEXT, False), (files[0], True), (inner, False), (files[1], True), (SECOND, False)]
    parts = parts[number % 3:] if number % 3 else parts
    return mixed(name, *[p for p, _ in parts]), [i + 1 for i, (_, goes) in enumerate(parts) if goes]


@cases.case("strip: the copy at the server is what was sent but for the parts that went, the full one is held",
            engine=True)
def strip(case):
    with Lab(case) as lab:
        out = Outbreak(lab)
        captures = captures_of(lab)
        out.control.ask("seal", "--virus-id", "CV-1", "--mode", "strip")
        sent = {}
        for i in range(12):
            name = "strip%d" % i
            sent[name] = with_parts(name, i)
        plain = {"plain%d" % i: message("plain%d" % i, [], SECOND * (i + 1)) for i in range(4)}
        for i, manner in enumerate(MANNERS):
            send_all(out, [m for m, _ in list(sent.values())[i::4]] + list(plain.values())[i::4], manner)
        case.equal(out.ledger.count(250), 16, "answers: %s" % out.ledger.say())
        until("all are there", lambda: len(at_server(out)) == 16)
        got = at_server(out)
        for name, data in plain.items():
            case.equal(got[name], [as_stored(data)], name + " as it was sent")
        for name, (data, gone) in sent.items():
            before, after = as_stored(data).split(EDGE), got[name][0].split(EDGE)
            case.equal((len(got[name]), len(after)), (1, len(before)), name + ": copies, parts")
            # The last part ends with the edge of the whole.
            ends = [p.partition(b"\n--edge-1--")[1:] for p in (before[-1], after[-1])]
            case.equal(ends[1], ends[0], name + ": behind the last part")
            others = [k for k, (a, b) in enumerate(zip(before, after)) if a != b]
            case.equal(others, gone, name + ": parts that are others")
            case.check(all(NOTE in after[k] for k in gone), name + ": notes", *after)
        until("the full ones are held", lambda: len(out.control.held()) == 12)
        for record in out.control.held():
            data = sent[record["subject"][9:]][0]
            case.check(out.control.export(record["id"]) == data, "an export is what was sent")
        check_flows(case, *captures)


@cases.case("hold-attachments: text goes at once as it was sent, the rest when the seal ends", engine=True)
def hold_attachments(case):
    with Lab(case) as lab:
        out = Outbreak(lab)
        captures = captures_of(lab)
        out.control.ask("seal", "--virus-id", "CV-1", "--mode", "hold-attachments")
        text = {"text%d" % i: message("text%d" % i, [], SECOND * (1 + 200 * i)) for i in range(6)}
        text["both"] = mixed("both", TEXT, part(["Content-Type: text/html"], b"<b>text</b>\n"))
        files = {}
        for i in range(6):
            files["file%d" % i] = with_parts("file%d" % i, i)[0]
        # The header says text, the content does not.
        files["lie"] = message("lie", ["MIME-Version: 1.0", "Content-Type: text/plain",
                                       "Content-Transfer-Encoding: base64"], b"UEsDBBQAAAAIAAAAIQ==\n")
        for i, manner in enumerate(MANNERS):
            send_all(out, list(text.values())[i::4] + list(files.values())[i::4], manner)
        case.equal(out.ledger.count(250), 14, "answers: %s" % out.ledger.say())
        until("text arrives", lambda: set(at_server(out)) >= set(text))
        until("the rest is held", lambda: len(out.control.held()) == len(files))
        case.equal(sorted(at_server(out)), sorted(text), "at the server under the seal")
        for record in out.control.held():
            case.check(out.control.export(record["id"]) == files[record["subject"][9:]],
                       "an export is what was sent")
        out.control.ask("unseal", "--all")
        out.compare(case)
        check_flows(case, *captures)


class Disk:
    """A file system of its own for the buffer, which can be made to stand still."""

    def __init__(self, case, lab, megabytes=96):
        self.closing, image, self.folder = lab.closing, lab.folder + "/disk", lab.folder + "/spool"
        os.mkdir(self.folder, 0o700)
        with open(image, "wb") as f:
            f.truncate(megabytes << 20)
        for command in (["mkfs.ext4", "-q", "-F", image], ["mount", "-o", "loop", image, self.folder]):
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT)
            if done.returncode:
                case.skip("no file system on a loop device: " + done.stdout.decode().strip())
        lab.closing.callback(subprocess.run, ["umount", "-l", self.folder])

    def freeze(self):
        # It goes on before the programs that write there are told to end.
        self.closing.callback(subprocess.run, ["fsfreeze", "-u", self.folder], stderr=subprocess.DEVNULL)
        subprocess.run(["fsfreeze", "-f", self.folder], check=True)

    def thaw(self):
        subprocess.run(["fsfreeze", "-u", self.folder], check=True)


@cases.case("a disk that stands still: the answer waits, past the deadline it is 451 and nothing of the mail "
            "comes back, and other mail passes", engine=True)
def slow_disk(case):
    with Lab(case) as lab:
        disk = Disk(case, lab)
        out = Outbreak(lab, spool={"deadline_seconds": 8, "segment_bytes": 4 << 20})
        captures = captures_of(lab)
        out.control.ask("seal", "--virus-id", "CV-1", "--sender", "bad@*")

        def covered(name, number=1):
            one = Try(make_mail(name, number), False)
            thread = threading.Thread(target=lambda: (out.ledger.add(one), Mailer(
                lab, patience=60).send(one, "data", "bad@client.example")), daemon=True)
            thread.start()
            return one, thread

        for one, thread in [covered("before%d" % i, i) for i in range(4)]:
            thread.join(30)
            case.equal(one.code, 250, one.name)
        disk.freeze()
        short = [covered("short%d" % i, i) for i in range(3)]
        send_all(out, [make_mail("open%d" % i, i) for i in range(8)], "data")
        case.equal([t.code for t in out.ledger.tries if t.name.startswith("open")], [250] * 8,
                   "what no seal covers, meanwhile")
        case.equal([one.code for one, _ in short], [None] * 3, "nobody is answered before it is durable")
        disk.thaw()
        for one, thread in short:
            thread.join(30)
            case.equal(one.code, 250, one.name + ": " + one.text)
        disk.freeze()
        long = [covered("long%d" % i, i) for i in range(3)]
        for one, thread in long:
            thread.join(30)
            case.equal(one.code, 451, "past the deadline: " + one.text)
        faults = out.gateway.stats()["spool_failures"]
        disk.thaw()
        case.check(faults >= 3, "a counter tells of it", faults)

        def takes():
            one, thread = covered("again%d" % len(out.ledger.tries))
            thread.join(30)
            return one.code == 250
        until("mail is taken in again", takes, seconds=60)
        out.control.ask("unseal", "--all")
        out.compare(case)
        check_flows(case, *captures)


@cases.case("killed in the middle of new rules, again and again: sealed from the first packet, each mail where its "
            "sender was told", engine=True)
def killed(case):
    with Lab(case) as lab:
        out = Outbreak(lab)
        captures = captures_of(lab)
        out.control.ask("seal", "--virus-id", "CV-1")
        phases = Phases(out, 6, [24])
        dice = random.Random(7)
        phases.go(0)

        def install(number):
            try:
                out.install(new_signature().replace("Test.New", "Test.K%d" % number))
            except Failed:
                pass  # the dataplane was not there
        for i in range(3):
            asker = threading.Thread(target=install, args=(i,))
            asker.start()
            time.sleep(dice.choice((0.02, 0.1, 0.2, 0.4)))
            out.gateway.kill()
            out.gateway.start()
            case.equal(out.gateway.events("start")[-1]["seals"], 1, "sealed before the first packet")
            asker.join(60)
        install(9)
        phases.join()
        case.equal(out.server.mails(), [], "at the server under the seal")
        case.check(out.ledger.count(250) > 72, "most were taken: %s" % out.ledger.say())
        out.control.ask("unseal", "--all")
        out.compare(case)
        check_flows(case, *captures)


if __name__ == "__main__":
    os.umask(0o022)
    cases.main()
