#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a seal meets in a bad hour: servers that give up or are away, disks that are full, bodies that were
on their way, scopes that change, time that runs out. No mail that got a 250 is lost, none that is covered
gets out, and none gets out unscanned."""
import contextlib
import io
import os
import shutil
import socket
import struct
import subprocess
import time
import zipfile

import labmail
from labcontrol import Control, spool_settings
from labgateway import Gateway
from laboutbreak import NEW_VIRUS, Mailer, Outbreak, Try, check_flows, make_mail, new_signature
from lablib import Capture, Cases, Lab, check_captures, until
from labmail import Talk, attachment, message, mixed, noise
from labpostfix import Server

cases = Cases()


def send_all(out, names, manner="data", sender=labmail.FROM, to=labmail.TO, make=make_mail):
    """One connection; the answers."""
    mailer = Mailer(out.lab, patience=60)
    tries = []
    for i, name in enumerate(names):
        one = Try(make(name, i), NEW_VIRUS.decode() in name)
        out.ledger.add(one)
        mailer.send(one, manner, sender, to)
        tries.append(one)
    mailer.leave()
    return [t.code for t in tries]


@cases.case("a body slower than the server's patience under a seal: taken in all the same, and 421 to what comes then",
            engine=True)
def slow(case):
    with Lab(case) as lab:
        out = Outbreak(lab, server="smtpd_timeout = 2s\n")
        out.control.ask("seal", "--virus-id", "CV-1")
        one = Try(mixed("slow", labmail.TEXT, attachment(noise(30000))), False)
        out.ledger.add(one)
        talk = Talk(lab)
        talk.envelope()
        talk.ask(b"DATA", 354)
        body = labmail.stuffed(one.data)
        talk.send_pieces(body[:-5], len(body) // 6, gap=lambda: time.sleep(0.6))
        until("the server has given up", lambda: "timeout after" in out.server.log())
        talk.send(body[-5:])
        one.code, one.whole = int(talk.reply(250)[0][:3]), True
        talk.ask(b"NOOP", 421)
        case.equal(talk.at_end(), "closed", "the end")
        out.control.ask("unseal", "--all")
        out.compare(case)


@cases.case("a seal that comes in the middle of a long body: 250 once it is durable, 421 to what comes "
            "then, and all of it is held", engine=True)
def middle(case):
    with Lab(case) as lab:
        out = Outbreak(lab)
        captures = [Capture(lab, "client"), Capture(lab, "server")]
        one = Try(mixed("middle", labmail.TEXT, attachment(noise(300000))), False)
        out.ledger.add(one)
        talk = Talk(lab)
        talk.envelope()
        talk.ask(b"DATA", 354)
        body = labmail.stuffed(one.data)
        talk.send(body[:200000])
        until("half of it has passed", lambda: out.gateway.stats()["smtp_bytes"] > 190000)
        out.control.ask("seal", "--virus-id", "CV-1")
        talk.send(body[200000:])
        one.code, one.whole = int(talk.reply(250)[0][:3]), True
        talk.ask(b"NOOP", 421)
        case.equal(talk.at_end(), "closed", "the end")
        talk.socket.close()
        until("it is held", lambda: len(out.control.held()) == 1)
        out.server.wait_empty()
        case.equal(out.server.mails(), [], "at the server")
        case.check(out.control.export(out.control.held()[0]["id"]) == one.data, "held as it was sent")
        out.control.ask("unseal", "--all")
        out.compare(case)
        check_captures(case, captures, repeats=True, resets=("server",))


@cases.case("the server is away: under a seal nobody's mail is accepted, and release is tried until it is back",
            engine=True)
def away(case):
    with Lab(case) as lab:
        out = Outbreak(lab)
        out.control.ask("seal", "--virus-id", "CV-1")
        case.equal(send_all(out, ["a%d" % i for i in range(5)]), [250] * 5, "while it is there")
        until("all are listed", lambda: len(out.control.held()) == 5)
        out.server.stop()
        with contextlib.suppress(OSError, EOFError):
            case.equal(send_all(out, ["away"]), [None], "recipients are for the server to accept")
        out.control.ask("unseal", "--all")
        until("a try has failed", lambda: [e for e in out.control.events("release")
                                          if e["action"] == "later"])
        case.equal(len(out.control.held()), 5, "still held")
        out.server.start()
        out.compare(case)
        case.equal(len(out.server.mails()), 5, "at the server")


def small_disk(lab, megabytes, name="spool"):
    """Where the buffer will be, or something else."""
    folder = lab.folder + "/" + name
    os.mkdir(folder, 0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm,mode=0700" % megabytes, "cordon-lab", folder],
                   check=True)
    lab.closing.callback(subprocess.run, ["umount", "-l", folder])


def fill_up(case, out, most=60):
    """Sends until mail is put off; how many were taken."""
    mailer, taken = Mailer(out.lab, patience=60), 0
    for i in range(most):
        one = Try(mixed("fill%d" % i, labmail.TEXT, attachment(noise(900000, i))), False)
        out.ledger.add(one)
        code = mailer.send(one, "data")
        if code != 250:
            case.equal(code, 451, "the answer when it is full: " + one.text)
            break
        taken += 1
    mailer.leave()
    case.check(0 < taken < most, "some were taken, not all", taken)
    faults = [e for e in out.gateway.events("fault") if e["what"] == "spool" and not e["can_keep"]]
    case.check(until("an event tells of it", lambda: [
        e for e in out.gateway.events("fault") if e["what"] == "spool" and not e["can_keep"]]),
        "an event", faults)
    case.check(out.gateway.stats()["spool_failures"] > 0, "a counter tells of it")
    return taken


def room_again(case, out, taken):
    """Released, the buffer has room for new mail."""
    until("all are listed", lambda: len(out.control.held()) == taken)
    case.equal(out.server.mails(), [], "at the server under the seal")
    out.control.ask("unseal", "--all")
    out.ledger.settled(out.server, out.control)
    case.equal(len(out.server.mails()), taken, "at the server")
    out.control.ask("seal", "--virus-id", "CV-2")

    def takes():
        return send_all(out, ["room%d" % len(out.ledger.tries)]) == [250]
    until("mail is taken in again", takes, seconds=60)
    out.control.ask("unseal", "--all")
    out.compare(case)


@cases.case("a full disk: 451 and an event, nothing lost, and room again after the release", engine=True)
def full(case):
    with Lab(case) as lab:
        small_disk(lab, 14)
        out = Outbreak(lab, spool={"segment_bytes": 2 << 20})
        captures = [Capture(lab, "client"), Capture(lab, "server")]
        out.control.ask("seal", "--virus-id", "CV-1")
        room_again(case, out, fill_up(case, out))
        check_flows(case, *captures)


def answers(out, names):
    """Those of one mail after the other, each on a connection of its own."""
    return [send_all(out, [name])[0] for name in names]


def begin_again(out):
    out.gateway.kill()
    out.control.kill()
    out.gateway.start()
    out.control.start()


@cases.case("somebody removes the buffer's files and key, then its folder: no 250 to what would be lost, events, and all goes on",
            engine=True)
def removed(case):
    with Lab(case) as lab:
        out, folder = Outbreak(lab), lab.folder + "/spool"

        def faults(*kinds):
            return [e for e in out.gateway.events("fault") if e["what"] == "spool" and (e["why"], e["can_keep"]) in kinds]
        out.control.ask("seal", "--virus-id", "CV-1")
        case.equal(labmail.send(lab, message("before", [], b"text\n"))[0], 250, "what is removed")
        until("it is held", out.control.held)
        for name in [lab.folder + "/spool.key"] + [folder + "/" + name for name in os.listdir(folder)]:
            os.unlink(name)
        codes = answers(out, ["files%d" % i for i in range(4)])
        case.check(set(codes) <= {250, 451} and codes[-1] == 250, "while and after they are", codes)
        until("an event tells of it", lambda: faults(("somebody removed files that are in use", True)))
        until("so does one of the key", lambda: [e for e in out.control.events("fault") if e["what"] == "spool.key"])
        begin_again(out)
        until("they are held", lambda: len(out.control.held()) == codes.count(250))
        shutil.rmtree(folder)
        codes = answers(out, ["folder%d" % i for i in range(3)])
        case.equal(codes, [451] * 3, "without a folder")
        until("that is told", lambda: faults(("No such file or directory", False)))
        for one in out.ledger.tries:  # what was removed with it was taken
            one.code = None if one.name.startswith("files") else one.code
        begin_again(out)
        case.equal(answers(out, ["again"]), [250], "after a new start")
        until("it is held", out.control.held)
        out.control.ask("unseal", "--all")
        out.compare(case)
        case.equal(len(out.server.mails()), 1, "at the server")


@cases.case("over quota: the same, with warnings on the way", engine=True)
def quota(case):
    with Lab(case) as lab:
        out = Outbreak(lab, spool={"segment_bytes": 2 << 20, "quota_bytes": 14 << 20})
        captures = [Capture(lab, "client"), Capture(lab, "server")]
        out.control.ask("seal", "--virus-id", "CV-1")
        taken = fill_up(case, out)
        levels = [e["fill_level"] for e in out.gateway.events("fault") if e["what"] == "spool"]
        case.check(levels and levels[0] >= 1, "a warning by fill level", levels)
        room_again(case, out, taken)
        check_flows(case, *captures)


@cases.case("a full disk where the seals are: they are written all the same, also if both processes are killed then; one that "
            "takes nothing: a seal is in force, none ends, until it does",
            engine=True)
def seals_full(case):
    with Lab(case) as lab:
        small_disk(lab, 1, "small")
        seals, filler = lab.folder + "/small/seals.json", lab.folder + "/small/filler"
        server, gateway = Server(lab), Gateway(lab, **dict(spool_settings(lab), seals=seals))
        control = Control(lab, seals={"file": seals})
        case.equal(control.ask("seal", "--virus-id", "CV-1")["written"], True, "with room")
        with open(filler, "wb", buffering=0) as f, contextlib.suppress(OSError):
            while f.write(bytes(4096)):
                pass
        for i in range(3):
            answer = control.ask("seal", "--virus-id", "CV-2")
            case.equal((answer["in_force"], answer["written"]), (True, True), "without")
            control.ask("unseal", "CV-2" if i else "CV-1")
        control.ask("seal", "--virus-id", "CV-3")
        gateway.kill()
        control.kill()
        gateway.start()
        case.equal([e["seals"] for e in gateway.events("start")], [0, 1], "what the dataplane starts with")
        control.start()
        case.equal([s["virus_id"] for s in control.ask("status")["seals"]], ["CV-3"], "and the control process")
        os.unlink(seals + ".room")
        os.mkdir(seals + ".room")
        answer = control.ask("seal", "--virus-id", "CV-2")
        case.equal((answer["in_force"], answer["written"]), (True, False), "on a disk that takes nothing")
        control.ask("unseal", "--all", status=1)
        until("that is told", lambda: control.ask("status")["faults"]["seals"])
        control.kill()
        control.start()
        until("the next process has heard of what is written nowhere", lambda: [
            s for s in control.ask("status")["seals"] if s["virus_id"] == "CV-2"])
        case.equal(labmail.send(lab, message("full", [], b"text\n"))[0], 250, "mail")
        until("it is held", lambda: len(control.held()) == 1)
        case.equal(server.mails(), [], "at the server")
        os.rmdir(seals + ".room")

        def written():
            with open(seals) as f:
                return "CV-2" in f.read()
        until("it is written down", written)
        until("that is told", lambda: not any(control.ask("status")["faults"].values()))
        control.ask("unseal", "--all")
        until("the mail arrives", server.mails)
        case.check(gateway.running(), "the gateway is still running")


def with_file(name, number):
    return mixed(name, labmail.TEXT, attachment(noise(3000, number), name + ".docm"))


def with_zip(name, number):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z:
        z.writestr("a.txt", noise(500, number).hex())
    return mixed(name, labmail.TEXT, attachment(file.getvalue(), name + ".dat"))


def large(name, number):
    return mixed(name, labmail.TEXT, attachment(noise(200000, number)))


@cases.case("scopes: each of several seals holds its own; what a narrowed one covers no more goes at once",
            engine=True)
def scopes(case):
    with Lab(case) as lab:
        out = Outbreak(lab)
        out.control.ask("seal", "--virus-id", "S-1", "--sender", "bad@*")
        out.control.ask("seal", "--virus-id", "S-2", "--recipient", "boss@*")
        out.control.ask("seal", "--virus-id", "S-3", "--min-bytes", "100000")
        out.control.ask("seal", "--virus-id", "S-4", "--subject", "*invoice*")
        out.control.ask("seal", "--virus-id", "S-5", "--file-type", "zip")
        out.control.ask("seal", "--virus-id", "S-6", "--name", "*.docm")
        send_all(out, ["by-sender"], sender="bad@client.example")
        send_all(out, ["by-recipient"], "pipelined", to="boss@lab.example")
        send_all(out, ["by-size"], "chunks", make=large)
        send_all(out, ["invoice-by-subject"], "chunks pipelined")
        send_all(out, ["by-type"], make=with_zip)
        send_all(out, ["by-name"], make=with_file)
        send_all(out, ["none0", "none1", "none2"])
        case.equal(out.ledger.count(250), 9, "all are taken: %s" % out.ledger.say())
        covered = ["by-name", "by-recipient", "by-sender", "by-size", "by-type", "invoice-by-subject"]

        def held():
            return sorted(r["subject"][9:] for r in out.control.held())
        arrived = {"none0", "none1", "none2"}

        def at_server():
            return {labmail.lab_id(m) for m in out.server.mails()}
        until("what no seal covers arrives", lambda: at_server() == arrived)
        until("the others are held", lambda: held() == covered)
        out.control.ask("seal", "--virus-id", "S-1", "--sender", "worse@*")  # narrowed
        until("by-sender goes", lambda: "by-sender" not in held())
        out.control.ask("unseal", "S-6")
        until("by-name goes", lambda: "by-name" not in held())
        out.control.ask("seal", "--virus-id", "S-3", "--min-bytes", "100000", "--max-bytes", "200000")
        until("by-size goes", lambda: "by-size" not in held())
        case.equal(held(), ["by-recipient", "by-type", "invoice-by-subject"], "still held")
        arrived |= {"by-sender", "by-name", "by-size"}
        until("they arrive", lambda: at_server() == arrived)
        out.control.ask("unseal", "--all")
        out.compare(case)


@cases.case("an expired seal lets nothing out unscanned, and none goes by while control is away",
            engine=True)
def expiry(case):
    with Lab(case) as lab:
        out = Outbreak(lab)
        out.control.ask("seal", "--virus-id", "CV-1", "--seconds", "5")
        names = ["e0", "e1", NEW_VIRUS.decode() + "2"]

        def make(name, number):
            return make_mail(name, number + 1, infected=name == names[2])
        case.equal(send_all(out, names, make=make), [250] * 3, "under the seal")
        out.control.kill()
        with open(out.new + "/new.ndb", "w") as f:
            f.write(new_signature())
        out.gateway.control("compile", *out.sources, "-o", lab.folder + "/rules.img")
        time.sleep(6)  # past the end of the seal
        case.equal(send_all(out, ["e3"], make=make), [250], "while control is away")
        case.equal(out.server.mails(), [], "at the server")
        out.control.start()
        until("the seal ends", lambda: [e for e in out.control.events("unseal")
                                        if e.get("why") == "expired"])
        until("clean mail goes", lambda: len(out.server.mails()) == 3)
        out.compare(case)


@cases.case("control killed in the middle of a release: each mail once, but for the one on its way",
            engine=True)
def released(case):
    with Lab(case) as lab:
        out = Outbreak(lab)
        out.control.ask("seal", "--virus-id", "CV-1")
        case.equal(send_all(out, ["r%d" % i for i in range(60)]), [250] * 60, "under the seal")
        until("all are listed", lambda: len(out.control.held()) == 60)
        out.control.ask("unseal", "--all")
        until("some are there", lambda: len(out.server.mails()) >= 10)
        out.control.kill()
        case.check(len(out.server.mails()) < 60, "killed before the end")
        out.control.start()
        for one in out.ledger.tries:
            one.may_repeat = True
        out.compare(case)
        case.check(len(out.server.mails()) <= 61, "one at the most came twice", len(out.server.mails()))


@cases.case("a client that vanishes in its body, resets or half-closes leaves nothing behind", engine=True)
def vanished(case):
    with Lab(case) as lab:
        out = Outbreak(lab)
        out.control.ask("seal", "--virus-id", "CV-1")
        data = mixed("vanished", labmail.TEXT, attachment(noise(300000)))
        for how in ("reset", "close", "half-close"):
            talk = Talk(lab)
            talk.envelope()
            talk.ask(b"DATA", 354)
            talk.send(labmail.stuffed(data)[:-5])
            if how == "half-close":
                talk.socket.shutdown(socket.SHUT_WR)
                case.check(talk.at_end() in ("closed", "reset"), "its end")
            elif how == "reset":
                talk.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            talk.socket.close()
        until("all three have ended", lambda: len(out.gateway.events("session")) == 3)
        case.equal(send_all(out, ["after"]), [250], "another sender")
        until("that one is held", lambda: out.control.held())
        case.equal([r["subject"] for r in out.control.held()], ["lab mail after"], "held")
        case.equal([e["verdict"] for e in out.gateway.events("mail")][:3], ["incomplete"] * 3, "events")
        out.control.ask("unseal", "--all")
        out.compare(case)


if __name__ == "__main__":
    os.umask(0o022)
    cases.main()
