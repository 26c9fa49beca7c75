#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Who gets released mail, and how often: servers that take it for some, operators who decide while it is
on its way, bodies that only chunks can carry."""
import os
import socket

import labmail
from laboutbreak import Outbreak, Talk
from labsink import Sink
from lablib import PATIENCE, SERVER, Cases, Lab, until
from labmail import TEXT, attachment, message, mixed, noise

cases = Cases()
HOP = {"release": {"host": SERVER, "port": 2525, "retry_seconds": 1, "retry_most_seconds": 1}}


def rig(lab, mode="hold"):
    """An outbreak whose released mail goes to a sink."""
    sink = Sink(lab, strict=True, port=2525)
    lab.closing.callback(sink.answers.set)
    out = Outbreak(lab, control=HOP)
    out.control.ask("seal", "--virus-id", "CV-1", "--mode", mode)
    return out, sink


def copies(sink):
    """How often each recipient got something."""
    count = {}
    for _, recipients, _ in sink.mails:
        for line in recipients:
            name = line.partition("<")[2].partition("@")[0]
            count[name] = count.get(name, 0) + 1
    return count


def deliveries(out, action):
    return [e for e in out.control.events("release") if e["action"] == action]


@cases.case("put off for one of three recipients, across new rules, a seal that comes and goes, and a restart: "
            "nobody gets it twice", engine=True)
def recipients(case):
    with Lab(case) as lab:
        out, sink = rig(lab)
        sink.puts_off = ["late@"]
        talk = Talk(lab)
        talk.ask(b"MAIL FROM:<%s>" % labmail.FROM.encode(), 250)
        for to in (b"one", b"late", b"two"):
            talk.ask(b"RCPT TO:<%s@lab.example>" % to, 250)
        talk.ask(b"DATA", 354)
        talk.send(labmail.stuffed(message("several", [], b"text\n")))
        talk.reply(250)
        talk.quit()
        until("it is held", lambda: len(out.control.held()) == 1)
        out.control.ask("unseal", "--all")
        until("two have it", lambda: copies(sink) == {"one": 1, "two": 1})
        until("it was written down", lambda: deliveries(out, "later"))
        out.install()
        tries = len(deliveries(out, "later"))
        until("it is tried again under new rules", lambda: len(deliveries(out, "later")) > tries)
        out.control.ask("seal", "--virus-id", "CV-2")
        out.control.ask("unseal", "--all")
        tries = len(deliveries(out, "later"))
        until("and after another seal", lambda: len(deliveries(out, "later")) > tries + 1)
        for end in (out.control.stop, out.control.kill):
            end()
            tries = len(deliveries(out, "later"))
            out.control.start()
            until("and after a new start", lambda: len(deliveries(out, "later")) > tries + 1)
        case.equal(copies(sink), {"one": 1, "two": 1}, "meanwhile")
        sink.puts_off = []
        until("nothing is held", lambda: not out.control.held())
        case.equal(copies(sink), {"one": 1, "two": 1, "late": 1}, "copies")


@cases.case("an operator releases a mail while a copy without attachments is on its way: both arrive", engine=True)
def copy_and_release(case):
    with Lab(case) as lab:
        out, sink = rig(lab, "strip")
        sink.answers.clear()
        data = mixed("both", TEXT, attachment(noise(500)))
        case.equal(labmail.send(lab, data)[0], 250, "the answer")
        until("the copy is on its way", lambda: len(sink.mails) == 1)
        record = out.control.held()[0]["id"]
        refused = out.control.ask("held", "delete", record, "--why", "x", status=1)["failed"][0]
        case.equal(refused["why"], "it is being delivered", "deleting it now")
        out.control.ask("held", "release", record, "--why", "needed now")
        sink.answers.set()
        until("the whole one follows", lambda: len(sink.mails) == 2)
        case.check((sink.mails[1][2] + b"\r\n").endswith(data),
                   "it is what was sent", sink.mails[1][2])
        until("nothing is left", lambda: out.control.ask("status")["mail"].get("released", 0) == 0
              and not out.control.held())


@cases.case("behind a server that is silent the control process ends at once, and its next one delivers", engine=True)
def silent(case):
    with Lab(case) as lab:
        with lab.inside("server"):
            listener = socket.create_server((SERVER, 2525))
        listener.settimeout(PATIENCE)
        lab.closing.callback(listener.close)
        out = Outbreak(lab, control=HOP)
        out.control.ask("seal", "--virus-id", "CV-1", "--mode", "hold")
        case.equal(labmail.send(lab, message("waits", [], b"text\n"))[0], 250, "the answer")
        until("it is held", lambda: len(out.control.held()) == 1)
        out.control.ask("unseal", "--all")
        with listener.accept()[0]:
            case.equal(out.control.stop(), 0, "its end")
        listener.close()
        sink = Sink(lab, strict=True, port=2525)
        out.control.start()
        until("it arrives", lambda: copies(sink) == {"someone": 1})


@cases.case("one release of two operators counts, wrong ids and wrong lists are refused with their reason",
            engine=True)
def operators(case):
    with Lab(case) as lab:
        out, sink = rig(lab)
        sink.answers.clear()
        for i in range(4):
            case.equal(labmail.send(lab, message("m%d" % i, [], b"text\n"))[0], 250, "the answer")
        until("all are held", lambda: len(out.control.held()) == 4)
        ids = [r["id"] for r in out.control.held()]

        def refusal(*arguments):
            return out.control.ask(*arguments, "--why", "the second", status=1)["failed"][0]["why"]
        for wrong in (["release", ids[0]], ["release", ids[0], "--why", " "], ["release", "--all", "--limit", "1", "--why", "x"],
                      ["delete", ids[0], "--sender", "*", "--why", "x"], ["--since", "1h"]):
            out.control.ask("held", *wrong, status=2)
        out.control.ask("held", "release", ids[0], "--why", "the first")
        case.equal(refusal("held", "release", ids[0]), "it is released already", "the second")
        case.equal(refusal("quarantine", "release", ids[1]), "it is held, not in quarantine", "the list")
        case.equal(refusal("held", "delete", "7"), "it is not an id", "no id")
        nobody = "ffffffffffffffff-1"
        case.equal(refusal("held", "delete", nobody), "there is no such mail, or not any more", "no mail")
        out.control.ask("held", "--after", nobody, status=1)
        page = out.control.ask("held", "--after", ids[2])
        case.equal([r["id"] for r in page["records"]], [ids[3]], "behind the third")
        sink.answers.set()
        until("it arrives", lambda: len(sink.mails) == 1)
        until("it is gone", lambda: len(out.control.held()) == 3
              and out.control.ask("status")["mail"].get("released", 0) == 0)
        case.equal(refusal("held", "release", ids[0]), "there is no such mail, or not any more", "later")
        audits = [e for e in out.control.events("audit") if e["what"] == "release" and e["ids"]]
        case.equal([(e["ids"], e["why"]) for e in audits], [([ids[0]], "the first")], "audit")
        case.equal(len(sink.mails), 1, "deliveries")
        # What is on its way by an operator's word is not among those that are held.
        sink.answers.clear()
        out.control.ask("held", "release", ids[1], "--why", "the first")
        until("it is on its way", lambda: len(sink.mails) == 2)
        out.control.ask("held", "delete", "--all", "--subject", "*m*", "--why", "tidying up")
        case.equal(out.control.held(), [], "held")
        out.control.ask("held", "delete", "--all", "--why", "again")
        sink.answers.set()


@cases.case("held show says which open seals keep a mail and until when, also those that came later", engine=True)
def show(case):
    with Lab(case) as lab:
        out, _ = rig(lab)
        case.equal(labmail.send(lab, mixed("m", TEXT, attachment(noise(9), "a.bin")))[0], 250, "the answer")
        until("it is held", lambda: len(out.control.held()) == 1)
        record = out.control.held()[0]["id"]
        out.control.ask("seal", "--virus-id", "CV-2", "--name", "*.bin", "--seconds", "5000")
        out.control.ask("seal", "--virus-id", "CV-3", "--name", "*.exe")

        def shown():
            return out.control.ask("held", "show", record)
        until("both are named", lambda: shown()["open_seals"] == ["CV-1", "CV-2"])
        out.control.ask("unseal", "CV-1")
        until("the later one is left", lambda: shown()["open_seals"] == ["CV-2"])
        last = shown()
        expires = [s["expires"] for s in out.control.ask("status")["seals"] if s["virus_id"] == "CV-2"]
        case.equal([last["until"]], expires, "until when")
        case.check(last["until_time"].endswith("Z"), "in words", last["until_time"])
        case.check("X-Lab-Id: m" in last["headers"] and last["reason"].startswith("sealed")
                   and last["parts"][1]["filename"] == "a.bin", "headers, why, parts", last)


# What servers have taken for the end of data, with commands behind it.
SECOND = (b"MAIL FROM:<x@x.example>%sRCPT TO:<someone@lab.example>%sDATA%sX-Lab-Id: second%s%stext%s"
          .replace(b"%s", b"\r\n"))
ODD = {"lf": b"one\n.\n" + SECOND + b".\n", "lf-crlf": b"one\n.\r\n" + SECOND + b".\r\n",
       "crlf-lf": b"one\r\n.\n" + SECOND, "nul": b"one\0two\n", "dots": b".\r\n..\r\n...\r\n.\r\n"}


@cases.case("what came in chunks and looks like an end of data arrives as one mail, byte for byte", engine=True)
def chunks(case):
    with Lab(case) as lab:
        out = Outbreak(lab)
        out.control.ask("seal", "--virus-id", "CV-1")
        talk = Talk(lab)
        sent = {name: message(name, [], b"")[:-2] + b"\r\n" + body for name, body in ODD.items()}
        for data in sent.values():
            talk.envelope()
            talk.send(b"BDAT %d LAST\r\n%s" % (len(data), data))
            talk.reply(250)
        talk.quit()
        until("all are held", lambda: len(out.control.held()) == len(sent))
        out.control.ask("unseal", "--all")
        until("nothing is held", lambda: not out.control.held())
        labmail.check_arrived(case, out.server, list(sent.values()))


# ---- servers that put mail off ------------------------------------------------------------------

# Senders are told through the lab's own server.
TOLD = {"host": SERVER, "port": 25, "interval_seconds": 1}


def held_up(lab, *mails, release=(), notify=()):
    """Mails (name, sender, recipient) that are held, and the sink that they are for: by arrival."""
    sink = Sink(lab, strict=True, port=2525)
    out = Outbreak(lab, control={"release": {**HOP["release"], **dict(release)}, "notify": {**TOLD, **dict(notify)}})
    out.control.ask("seal", "--virus-id", "CV-1")
    for name, sender, to in mails:
        talk = Talk(lab)
        talk.ask(b"MAIL FROM:<%s>" % sender.encode(), 250)
        talk.ask(b"RCPT TO:<%s@lab.example>" % to.encode(), 250)
        talk.ask(b"DATA", 354)
        talk.send(labmail.stuffed(message(name, [], b"text\n")))
        talk.reply(250)
        talk.quit()
    until("all are held", lambda: len(out.control.held()) == len(mails))
    return out, sink


def order(sink):
    return [labmail.lab_id(data) for _, _, data in sink.mails]


def subjects(out, action):
    """Of the mails that an event of this action tells of."""
    names = {r["id"]: r["subject"] for r in out.control.held()}
    return [names.get(e["id"], "").replace("lab mail ", "") for e in deliveries(out, action)]


@cases.case("a server that says 421 is tried with the first mail alone; when it is back, each recipient gets all in order",
            engine=True)
def server_down(case):
    with Lab(case) as lab:
        names = ["m%d" % i for i in range(6)]
        out, sink = held_up(lab, *[(n, labmail.FROM, "to%d" % (i % 2)) for i, n in enumerate(names)])
        sink.says = {"MAIL": "421 4.3.2 not now"}
        out.control.ask("unseal", "--all")
        until("three tries", lambda: len(deliveries(out, "later")) >= 3)
        case.equal(set(subjects(out, "later")), {"m0"}, "who was tried")
        case.equal(out.control.ask("status")["mail"]["release"]["waiting"], len(names), "all wait")
        sink.says = {}
        until("all arrive", lambda: len(sink.mails) == len(names))
        for to in (0, 1):
            case.equal([n for n in order(sink) if int(n[1:]) % 2 == to], names[to::2], "their order to %d" % to)


@cases.case("a recipient that is put off holds up later mail of the same pair, and nobody else", engine=True)
def greylisted(case):
    with Lab(case) as lab:
        out, sink = held_up(lab, ("first", "a@a.example", "late"), ("other", "a@a.example", "now"),
                            ("same", "A@a.example", "Late"), ("end", "b@a.example", "now"))
        sink.puts_off = ["late@", "Late@"]
        out.control.ask("unseal", "--all")
        until("the others arrive", lambda: sorted(order(sink)) == ["end", "other"])
        until("it is tried again", lambda: len(deliveries(out, "later")) >= 2)
        case.equal(set(subjects(out, "later")), {"first"}, "who was put off")
        sink.puts_off = []
        until("all arrive", lambda: len(sink.mails) == 4)
        case.equal(order(sink)[2:], ["first", "same"], "the order of the pair")


@cases.case("a lifetime goes on over crashes of the control process, also behind a server that is down, and a "
            "delay is told of once", engine=True)
def lifetime_goes_on(case):
    with Lab(case) as lab:
        out, sink = held_up(lab, ("one", "back@lab.example", "to"), ("two", "back@lab.example", "to"),
                            release={"lifetime_seconds": 12}, notify={"delay_seconds": 1})
        sink.says = {"MAIL": "421 4.3.2 not now"}
        out.control.ask("unseal", "--all")

        def told(kind):
            return [e for e in out.control.events("notice") if e["kind"] == kind and e["action"] == "sent"]
        until("both senders are told of the delay", lambda: len(told("delay")) == 2)
        # No process lives as long as the lifetime is.
        for _ in range(30):
            out.control.kill()
            starts = len(out.control.events("start"))
            out.control.start()
            case.check(len(out.control.events("start")) > starts, "a new start")
            tries = len(deliveries(out, "later"))
            until("a try, or the end", lambda: len(deliveries(out, "later")) > tries or deliveries(out, "failed"))
            if deliveries(out, "failed"):
                break
        case.check(deliveries(out, "failed"), "the end came while no process lived so long")
        until("both have failed", lambda: len(told("failure")) == 2)
        case.equal(len(told("delay")), 2, "notices of the delay")
        case.equal(sink.mails, [], "deliveries")


if __name__ == "__main__":
    os.umask(0o022)
    cases.main()
