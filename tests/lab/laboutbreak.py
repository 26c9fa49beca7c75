# SPDX-License-Identifier: BSD-3-Clause
"""Many mails over many connections while the gateway goes through an outbreak, a ledger of what their
senders were told, and its comparison with what became of each. Every try is a mail of its own, so that
what one answer promised is held against one message."""
import collections
import contextlib
import os
import threading
import time

import labmail
import lablib
from labcontrol import Control, spool_settings
from labgateway import Gateway
from lablib import SERVER, until
from labmail import Talk, as_stored, attachment, lab_id, message, mixed, noise, without_trace
from labpostfix import Server

NEW_VIRUS = b"a-virus-that-nobody-knew-until-today"
NEW_NAME = "Test.New.Virus"
SIZES = (0, 90, 1400, 4000, 12000, 33000, 70000)
MANNERS = ("data", "pipelined", "chunks", "chunks pipelined")


def new_signature():
    """A line of an .ndb file."""
    return "%s:0:*:%s\n" % (NEW_NAME, NEW_VIRUS.hex())


def folded(content):
    text = content.hex().encode()
    return b"".join(text[i:i + 70] + b"\n" for i in range(0, len(text), 70))


def make_mail(name, number, infected=False):
    """Text or attachment, of all sizes, some with lines of dots."""
    content = noise(SIZES[number % len(SIZES)], number)
    if infected:
        content += NEW_VIRUS
    if not infected and number % 3 == 0:
        return message(name, [], b"text\n.\n..dots\n" + folded(content))
    return mixed(name, labmail.TEXT, attachment(content))


class Try:
    """One mail given to the gateway: code is None as long as nobody answered it."""

    def __init__(self, data, infected):
        self.name, self.data, self.infected = lab_id(data), data, infected
        self.code, self.text, self.whole, self.sealed = None, "", False, False
        self.may_repeat = False  # delivered once more after a crash of the control process


class Mailer:
    """Sends mail after mail on a connection, and opens another one when that is gone."""

    def __init__(self, lab, patience=12, address=SERVER):
        self.lab, self.patience, self.address, self.talk = lab, patience, address, None
        self.connections = 0

    def open(self):
        if self.talk is None:
            self.talk = Talk(self.lab, self.address)
            self.talk.socket.settimeout(self.patience)
            self.connections += 1

    def close(self):
        if self.talk is not None:
            self.talk.socket.close()
        self.talk = None

    def leave(self):
        if self.talk is not None:
            try:
                self.talk.quit()
            except (OSError, EOFError, labmail.Failed):
                pass
        self.close()

    def send(self, one, manner, sender=labmail.FROM, to=labmail.TO):
        """Fills in what the sender was told."""
        try:
            self.open()
            one.text = self.conversation(one, manner, sender, to)[-1]
            one.code = int(one.text[:3])
        except (OSError, EOFError, labmail.Failed) as why:
            one.text = str(why)
            self.close()
        if one.code == 421:
            self.close()
        return one.code

    def conversation(self, one, manner, sender, to):
        talk = self.talk
        envelope = [b"MAIL FROM:<%s>" % sender.encode(), b"RCPT TO:<%s>" % to.encode()]
        chunks = "chunks" in manner
        if chunks:
            middle = len(one.data) // 3
            final = b"BDAT %d LAST\r\n%s" % (len(one.data) - middle, one.data[middle:])
            first = b"BDAT %d\r\n%s" % (middle, one.data[:middle])
            if "pipelined" in manner:
                one.whole = True
                talk.send(b"\r\n".join(envelope) + b"\r\n" + first + final)
                return self.last_of([talk.reply() for _ in range(4)])
        elif "pipelined" in manner:
            talk.send(b"\r\n".join(envelope + [b"DATA"]) + b"\r\n")
            told = self.last_of([talk.reply() for _ in range(3)])
        else:
            told = self.lockstep(envelope + [b"DATA"])
        if chunks:
            told = self.lockstep(envelope)
            if told[-1][:1] == "2":
                talk.send(first)
                told = talk.reply()
            if told[-1][:1] == "2":
                one.whole = True
                talk.send(final)
                told = talk.reply()
        elif told[-1][:3] == "354":
            stuffed = labmail.stuffed(one.data)
            talk.send(stuffed[:-5])
            one.whole = True
            talk.send(stuffed[-5:])
            told = talk.reply()
        if told[-1][:1] != "2" and told[-1][:3] != "421" and talk.ask(b"RSET")[-1][:3] == "421":
            self.close()
        return told

    def lockstep(self, commands):
        for command in commands:
            told = self.talk.ask(command)
            if told[-1][:1] not in "23":
                break
        return told

    @staticmethod
    def last_of(replies):
        """The first refusal, or the last reply."""
        return next((r for r in replies if r[-1][:1] in "45"), replies[-1])


class Ledger:
    def __init__(self):
        self.tries, self.lock = [], threading.Lock()

    def add(self, one):
        with self.lock:
            self.tries.append(one)

    def count(self, *codes):
        return sum(t.code in codes for t in self.tries)

    def answered(self):
        return sum(t.code is not None for t in self.tries)

    def say(self):
        return dict(collections.Counter(t.code for t in self.tries))

    def settled(self, server, control):
        """All that was taken in has come out, and nothing is held or on its way any more."""
        def out():
            there = {lab_id(m) for m in server.mails()}
            there |= {r["subject"][9:] for r in control.held("quarantine")}
            return all(t.name in there for t in self.tries if t.code == 250)
        with contextlib.suppress(labmail.Failed):  # what is missing is told with the others
            until("all are there", out, seconds=60)
        until("nothing is held", lambda: not control.held(), seconds=120)
        server.wait_empty(60)

    def compare(self, case, server, control):
        """Each message at the server, and each in quarantine, against what its sender was told."""
        stored, kept = collections.defaultdict(list), collections.defaultdict(list)
        for mail in server.mails():
            stored[lab_id(mail)].append(without_trace(mail))
        for record in control.held("quarantine"):
            kept[record["subject"].replace("lab mail ", "")].append(record)
        wrong = []
        for one in self.tries:
            wrong += fate_faults(one, stored.pop(one.name, []), kept.pop(one.name, []), control)
        case.check(not wrong, "what became of the mails", len(wrong), *wrong[:12])
        case.check(not stored and not kept, "mails that nobody sent", list(stored), list(kept))


def fate_faults(one, stored, kept, control):
    """What is wrong with what became of one try, as texts."""
    faults, copies = [], len(stored) + len(kept)
    if one.infected and stored:
        faults.append("infected and at the server")
    if any(mail != as_stored(one.data) for mail in stored):
        faults.append("changed")
    if any(control.export(r["id"])[-len(one.data):] != one.data for r in kept):
        faults.append("changed in quarantine")
    if not one.infected and kept:
        faults.append("clean and in quarantine: %s" % kept[0].get("reason"))
    if one.code == 250 and copies != 1 and not (one.may_repeat and copies == 2):
        faults.append("answered with 250 and there %d times" % copies)
    if one.code != 250 and copies and (one.code is not None or not one.whole):
        faults.append("answered with %s and there %d times" % (one.code, copies))
    if copies > 1 and one.code != 250 and not (one.may_repeat and copies == 2):
        faults.append("not answered and there %d times" % copies)
    return ["%s (%d bytes, %s): %s" % (one.name, len(one.data), one.text, f) for f in faults]


class Outbreak:
    """Server, sealed gateway and control process with room for a new signature."""

    def __init__(self, lab, spool=(), server="", control=(), **gateway):
        self.lab = lab
        self.server = Server(lab, extra=server)
        self.gateway = Gateway(lab, **spool_settings(lab, **dict(spool)), **gateway)
        self.new = lab.folder + "/new"
        os.mkdir(self.new)
        self.sources = [lab.folder + "/lab.ndb", lab.folder + "/lab.hsb", self.new]
        self.control = Control(lab, sources=self.sources, **dict(control))
        self.ledger = Ledger()

    def install(self, text=None):
        with open(self.new + "/new.ndb", "w") as f:
            f.write(text or new_signature())
        return self.control.ask("rules", "install")

    def compare(self, case):
        self.ledger.settled(self.server, self.control)
        self.ledger.compare(case, self.server, self.control)


class Phases:
    """Senders do their share of each phase, and go on to the next when the main thread has begun the step
    between them: what is sent during a step is of the next phase."""

    def __init__(self, outbreak, senders, shares, address=lablib.SERVER):
        self.outbreak, self.shares = outbreak, shares
        self.begun = [threading.Event() for _ in shares]
        self.sealed = threading.Event()  # from here on, what only the new signature knows may be sent
        self.done = [0] * len(shares)
        self.senders = senders
        self.mailers = [Mailer(outbreak.lab, address=address) for _ in range(senders)]
        self.threads = [threading.Thread(target=self.send, args=(i,), daemon=True)
                        for i in range(senders)]
        for thread in self.threads:
            thread.start()

    def send(self, number):
        mailer, serial = self.mailers[number], 0
        for phase, share in enumerate(self.shares):
            self.begun[phase].wait()
            for _ in range(share):
                serial += 1
                unique = number * 7919 + serial * 31
                infected = phase > 0 and serial % 7 == 0
                if infected:
                    self.sealed.wait()
                one = Try(make_mail("o%d-%d" % (number, serial), unique, infected), infected)
                one.sealed = self.sealed.is_set()
                self.outbreak.ledger.add(one)
                mailer.send(one, MANNERS[unique % len(MANNERS)])
                with self.outbreak.ledger.lock:
                    self.done[phase] += 1
        mailer.leave()

    def go(self, phase):
        """Lets the phase begin."""
        self.begun[phase].set()

    def half(self, phase):
        until("half of phase %d" % phase,
              lambda: 2 * self.done[phase] >= self.shares[phase] * self.senders, seconds=120)

    def join(self):
        for thread in self.threads:
            thread.join(120)
            if thread.is_alive():
                raise lablib.Failed("a sender is not done: %s" % self.outbreak.ledger.say())


# ---- captures -----------------------------------------------------------------------------------

EDGE = 0.2  # seconds: a frame was seen by the capture, and by a gateway that came or went not
MOST_COPIES = 9  # of one segment: a kernel that hears nothing for so long has met a wall


def unanswered(d, dead):
    """Times at which what nobody acknowledged was sent, but for what was sent in vain: while the gateway was
    dead. A connection that was begun then and given up again, too, has nothing to be answered."""
    late = sorted(t for (_, end), times in d.copies.items() for t in times if end > d.acked)
    return [t for t in late if not any(low - EDGE < t < high + EDGE for low, high in dead)]


def flows_faults(capture, directions_of, resets):
    """Storms and unanswered segments in one capture, as texts."""
    faults = []
    for (stream, sender), d in directions_of.items():
        name = "%s:%s" % sender
        storms = [s for s, times in d.copies.items() if len(times) > MOST_COPIES]
        faults += ["%s: %d-%d sent %d times" % (name, *s, len(d.copies[s])) for s in storms]
        if not d.seen or stream in resets:
            continue
        if d.acked > d.end:
            faults.append("%s: sent up to %d, acknowledged up to %d" % (name, d.end, d.acked))
        late = unanswered(d, capture.lab.dead)
        if late:
            faults.append("%s: sent up to %d, acknowledged up to %d; in vain %d times, to %.1f s before the end"
                          % (name, d.end, d.acked, len(late), capture.last - late[-1]))
    return ["%s: %s" % (capture.side, f) for f in faults]


def closing(lab):
    """Connections whose end has not been answered yet, at either end."""
    waits = ("FIN-WAIT-1", "LAST-ACK", "CLOSING")
    return [line for side in ("client", "server") for line in lab.run(side, ["ss", "-Htan"])[1]
            .splitlines() if line.startswith(waits)]


def check_flows(case, *captures):
    """No bad checksum, no retransmission storm, and every segment answered where nobody reset the
    connection. What was repeated or lost once is the cable's affair here."""
    # What was sent last is still to be answered; ends that a killed gateway has forgotten never are.
    end = time.monotonic() + 2
    while closing(captures[0].lab) and time.monotonic() < end:
        time.sleep(0.05)
    for capture in captures:
        if capture.process.running():
            capture.finish()
        rows = lablib.tcp_rows(capture)
        resets = {row[0] for row in rows if row[10]}
        capture.last = max(row[3] for row in rows)
        faults = flows_faults(capture, lablib.directions(rows), resets)
        case.check(not faults, "the flows in a capture", len(faults), *faults[:8])
    lablib.check_captures(case, captures, repeats=True, resets=("client", "server"))
