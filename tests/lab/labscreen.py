# SPDX-License-Identifier: BSD-3-Clause
"""Screening entries in the lab, made of hashlib and the text of docs/screening.md alone, and a gateway that
gets them in alerts."""
import hashlib
import json
import random
import time

import labmail
from labcontrol import Control, spool_settings
from labgateway import Gateway
from lablib import PATIENCE, until
from labpostfix import Server
from labupdate import ALERTS, Web, tell
from labvendor import Vendor

ID = "CV-2026-1"


def poly(data):
    value = 0
    for byte in data:
        value = (value * 0x08088405 + byte) & 0xffffffff
    return value


def file_entry(content, algorithm="sha256", **more):
    return dict({"kind": "file", "algorithm": algorithm,
                 "digest": hashlib.new(algorithm, content).hexdigest(), "bytes": len(content)}, **more)


def window_entry(content, **more):
    return dict({"kind": "window", "algorithm": "sha256", "length": len(content),
                 "digest": hashlib.sha256(content).hexdigest(),
                 "rolling": "%08x%08x" % (poly(content[:32]), poly(content))}, **more)


def many(count, seed):
    source = random.Random(seed)
    return [{"kind": "file", "algorithm": "sha256", "digest": source.randbytes(32).hex(),
             "bytes": source.randrange(1, 1 << 20)} for _ in range(count)]


def add_list(at, entries):
    path = at.lab.folder + "/list.json"
    with open(path, "w") as f:
        json.dump(entries, f)
    began = time.monotonic()
    said = at.control.ask("screen", "add", "--list", path)
    return said, time.monotonic() - began


class Screened:
    """A gateway with its control process, a vendor and a server of its files."""

    def __init__(self, case, lab, gateway=None, **control):
        self.case, self.lab = case, lab
        self.vendor, self.server = Vendor(lab.folder), Server(lab)
        self.gateway = Gateway(lab, **spool_settings(lab), **(gateway or {}))
        self.web = Web(lab)
        settings = {"alerts": {"root": self.vendor.write_root(), "tcp": {"listen": ALERTS}},
                    "updates": {"retry_seconds": 1}}
        settings.update(control)
        self.control = Control(lab, sources=[lab.folder + "/lab.ndb", lab.folder + "/lab.hsb"],
                               **settings)

    def tell(self, envelope, wait=True):
        return tell(self.lab, envelope, wait, 4 * PATIENCE)  # a large list takes its time

    def screen(self, entries, virus_id=ID, **more):
        """A screen alert; the receipt's payload."""
        return self.tell(self.vendor.alert("screen", virus_id=virus_id, screen=entries, **more))

    def update(self, version, files, covers=(ID,)):
        return self.tell(self.vendor.alert("update", update=self.web.update(version, files, covers)))

    def mail(self, name, content, file="x.bin"):
        return labmail.mixed(name, labmail.TEXT, labmail.attachment(content, file))

    def send(self, name, content, wanted=250):
        mail = self.mail(name, content)
        code, text = labmail.send(self.lab, mail)
        self.case.equal(code, wanted, "the answer to %s: %s" % (name, text))
        return mail

    def quarantined(self, *names):
        """Exactly these mails are in quarantine; their records."""
        def there():
            records = self.control.held("quarantine")
            return records if len(records) >= len(names) else None
        records = until("%d in quarantine" % len(names), there) if names \
            else self.control.held("quarantine")
        self.case.equal(sorted(r["subject"] for r in records),
                        sorted("lab mail " + n for n in names), "the quarantine")
        return records

    def listed(self, *arguments):
        return self.control.ask("screen", *arguments)

    def hits(self):
        """{name of an entry: hits}, once they have been asked for."""
        return {e.get("name") or e["virus_id"]: e["hits"] for e in self.listed()["entries"]}
