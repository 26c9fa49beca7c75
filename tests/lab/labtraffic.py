# SPDX-License-Identifier: BSD-3-Clause
"""A steady flow of mail from a real Postfix through the gateway to another one, clean and infected, and what
became of each mail. Mail is given to the sending Postfix at a fixed rate, whatever happens behind it."""
import glob
import os
import queue
import threading
import time
import zlib

import labmail
import lablib
from labmail import as_stored, lab_id, without_trace
from laboutbreak import make_mail

CONNECTIONS = 4  # on which mail is given to the sending Postfix
SENDERS = 25     # what one of them sends to the same recipient goes out of a seal in order, one at a time


class Sent:
    """One mail: when it was given to the sending Postfix, and whether it is infected."""

    def __init__(self, data, infected):
        self.name, self.data, self.infected, self.given = lab_id(data), data, infected, 0
        self.sender = "sender%d@client.example" % (zlib.crc32(self.name.encode()) % SENDERS)


class Traffic:
    """Clean mails at a steady rate, and an infected one now and then when there are some to send. When the story
    takes longer than it should, the clean ones beyond the share that is allowed by then wait for it."""

    def __init__(self, lab, clean, rate):
        self.lab, self.clean, self.rate = lab, clean, rate
        self.sent, self.faults, self.lock = {}, [], threading.Lock()
        self.due, self.infected = queue.Queue(), queue.Queue()
        self.clean_given, self.infected_given, self.allowed = 0, 0, clean
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.pace, daemon=True)]
        self.threads += [threading.Thread(target=self.give, daemon=True) for _ in range(CONNECTIONS)]

    def start(self):
        self.begun = time.time()
        for thread in self.threads:
            thread.start()

    def allow(self, share):
        """So much of the clean mail goes out, and no more until the next word."""
        self.allowed = int(share * self.clean)

    def infect(self, contents, name):
        """Mails with these attachments go out among the others from now on."""
        for number, content in enumerate(contents):
            data = labmail.mixed("%s-%d" % (name, number), labmail.TEXT,
                                 labmail.attachment(content, "invoice.exe"))
            self.infected.put(Sent(data, True))

    def pace(self):
        number, tick, begun = 0, 0, time.monotonic()
        while number < self.clean or not self.infected.empty():
            if tick % 4 == 3 and not self.infected.empty():
                self.due.put(self.infected.get())
            elif number < self.allowed:
                self.due.put(Sent(make_mail("clean-%d" % number, number), False))
                number += 1
            tick += 1
            self.ended.wait(max(0, begun + tick / self.rate - time.monotonic()))
            if self.ended.is_set():
                break
        for _ in range(CONNECTIONS):
            self.due.put(None)

    def give(self):
        client = None
        while (one := self.due.get()) is not None:
            try:
                client = client or labmail.Client(self.lab, "127.0.0.1", 10025)
                one.given = time.time()
                code, text = client.mail_bytes(one.data, one.sender)
            except (OSError, lablib.Failed) as why:
                code, text, client = 0, str(why), None
            with self.lock:
                self.sent[one.name] = one
                self.clean_given += not one.infected
                self.infected_given += one.infected
                if code != 250:
                    self.faults.append("%s: the sending Postfix said %s %s" % (one.name, code, text))
        if client:
            client.leave()

    def wait_share(self, share):
        """Until so much of the clean mail is on its way."""
        lablib.until("%d %% of the clean mails" % (100 * share),
                     lambda: self.clean_given >= share * self.clean or self.ended.is_set(),
                     4 * self.clean / self.rate + lablib.PATIENCE)

    def wait_infected(self, count):
        """Until so many infected mails are on their way."""
        lablib.until("%d infected mails" % count, lambda: self.infected_given >= count,
                     40 * count / self.rate + lablib.PATIENCE)

    def finish(self):
        """The rest goes out, and all senders end."""
        self.allow(1)
        for thread in self.threads:
            thread.join(4 * self.clean / self.rate + lablib.PATIENCE)
            if thread.is_alive():
                raise lablib.Failed("the senders are not done: %d of %d" % (self.clean_given, self.clean))

    def stop(self):
        self.ended.set()


class Fates:
    """What became of each mail that was sent: at the server, in quarantine, or refused to its sender."""

    def __init__(self, traffic, server, control, relay):
        self.arrived, self.strange = {}, []
        for path in glob.glob(os.path.join(server.mail, "all", "new", "*")):
            with open(path, "rb") as f:
                data = without_trace(f.read())
            name = lab_id(data) if data.startswith(b"X-Lab-Id: ") else None
            if name in traffic.sent:
                self.arrived.setdefault(name, []).append((os.stat(path).st_mtime, data))
            else:
                self.strange.append(path)
        self.kept = [r["subject"].replace("lab mail ", "") for r in control.held("quarantine")]
        self.held = [r["subject"].replace("lab mail ", "") for r in control.held()]
        log = relay.log()
        self.bounced = sum(s[1] == "bounced" for s in relay.statuses() if s[0] == labmail.TO)
        self.deferred = log.count("status=deferred")
        self.sent = traffic.sent

    def judge(self):
        """{what it is: names of the mails}; of all but `longest`, there should be none."""
        clean = {n: s for n, s in self.sent.items() if not s.infected}
        evil = {n for n, s in self.sent.items() if s.infected}
        copies = {n: len(self.arrived.get(n, [])) + self.kept.count(n) for n in self.sent}
        return {
            "infected mails delivered": sorted(evil & set(self.arrived)),
            "clean mails lost": sorted(n for n in clean if not self.arrived.get(n)),
            "clean mails changed": sorted(n for n, s in clean.items() if any(
                data != as_stored(s.data) for _, data in self.arrived.get(n, []))),
            "mails duplicated": sorted(n for n, count in copies.items() if count > 1),
            "mails nobody sent": self.strange,
            "mails still held": sorted(self.held),
            "infected mails unaccounted for": ["%d in quarantine, %d refused, %d sent" % (
                len(evil & set(self.kept)), self.bounced, len(evil))]
            if len(evil & set(self.kept)) + self.bounced != len(evil) else [],
        }

    def delays(self, begin=0, end=float("inf")):
        """Seconds from Postfix to Postfix of each clean mail that was given in that time, the longest last."""
        return sorted(copies[0][0] - self.sent[name].given for name, copies in self.arrived.items()
                      if not self.sent[name].infected and begin <= self.sent[name].given < end)
