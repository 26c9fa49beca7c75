# SPDX-License-Identifier: BSD-3-Clause
"""cordon-control beside the lab's gateway. It runs in the server's namespace, from where it reaches the
server; with the dataplane it shares files and a socket."""
import json
import os
import signal
import subprocess

import lablib
from labgateway import yaml
from lablib import BUILD, Failed, until


def spool_settings(lab, **more):
    """What the dataplane needs to keep mail: for Gateway(lab, **spool_settings(lab))."""
    spool = {"directory": lab.folder + "/spool", "key": lab.folder + "/spool.key",
             "segment_bytes": 8 << 20, "spares": 1,
             # Control delivers here what has lain a second: that is only right while nothing is put off that may
             # lie on the disk already.
             "deadline_seconds": 60}
    spool.update(more)
    return {"spool": spool, "seals": lab.folder + "/seals.json"}


class Control:
    """Starts at once; `stop`, `kill` and `start` again as a test needs."""

    def __init__(self, lab, sources=(), name="lab", **settings):
        self.lab, self.process = lab, None
        self.events_file = os.path.join(lab.folder, "control.json")
        self.socket = settings.pop("socket", os.path.join(lab.folder, "control.sock"))
        self.config = os.path.join(lab.folder, "control.yaml")
        values = {
            "gateway": name, "socket": self.socket, "events": self.events_file,
            "dataplane": lab.folder + "/dataplane.sock", "state": lab.folder + "/state",
            "rules": {"image": lab.folder + "/rules.img"},
            "seals": {"file": lab.folder + "/seals.json"},
            "spool": {"directory": lab.folder + "/spool", "key": lab.folder + "/spool.key",
                      "settle_seconds": 1},
            "release": {"retry_seconds": 1},
        }
        for name, value in settings.items():
            if isinstance(value, dict):
                values.setdefault(name, {}).update(value)
            else:
                values[name] = value
        text = yaml(values)
        if sources:  # the lab's YAML writer has no lists of plain texts
            text = text.replace("rules:\n", "rules:\n  sources: [%s]\n" % ", ".join(sources))
        with open(self.config, "w") as f:
            f.write(text)
        lab.logs.append(("control's events", lambda: "\n".join(
            json.dumps(e) for e in self.events()[-12:])))
        self.start()

    def start(self):
        starts = len(self.events("start"))
        self.process = self.lab.start("server", "control",
                                      [BUILD + "/cordon-control", "--config", self.config])

        def ready():
            if not self.process.running():
                raise Failed("cordon-control ended with %d:\n%s" % (
                    self.process.child.returncode, self.process.text()[-3000:]))
            return len(self.events("start")) > starts and os.path.exists(self.socket)
        until("the control process's start event", ready)

    def change(self, old, new):
        """The configuration, for the next start."""
        with open(self.config) as f:
            text = f.read()
        assert old in text, text
        with open(self.config, "w") as f:
            f.write(text.replace(old, new))

    def kill(self):
        self.process.stop(signal.SIGKILL)

    def stop(self):
        return self.process.stop(signal.SIGTERM)

    def events(self, kind=None):
        found = lablib.load_json_lines(self.events_file)
        return [e for e in found if kind in (None, e["event"])]

    def ask(self, *arguments, status=0):
        """What cordonctl says, as JSON; status None: however it ends."""
        done = subprocess.run([BUILD + "/cordonctl", *arguments, "--json", "--socket", self.socket],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        if status is not None and done.returncode != status:
            raise Failed("cordonctl %s: exit status %d, not %d: %s" % (
                " ".join(arguments), done.returncode, status,
                (done.stdout + done.stderr).decode()))
        return json.loads(done.stdout) if done.stdout else None

    def held(self, what="held"):
        return self.ask(what, "--limit", "1000")["records"]

    def export(self, record):
        done = subprocess.run([BUILD + "/cordonctl", "held", "export", record, "--socket",
                               self.socket], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              check=True)
        return done.stdout
