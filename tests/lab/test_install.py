#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What `make install` puts there, by docs/operations.md: units, the first start with the examples, logs that rotate."""
import glob
import os
import re
import subprocess

import labmail
import lablib
from labgateway import signatures
from lablib import ROOT, Cases, Lab, until
from labmail import EICAR, TEXT, attachment, mixed
from labpostfix import Server

cases = Cases()


def install(folder):
    subprocess.run(["make", "-s", "-C", ROOT, "install", "NODEPS=1", "BUILD=" + lablib.BUILD, "DESTDIR=" + folder],
                   check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return folder + "/usr/local"


def command(tree, unit, option="ExecStart"):
    with open("%s/lib/systemd/system/%s.service" % (tree, unit)) as f:
        return re.search(r"^%s=(.*)$" % option, f.read(), re.M).group(1).split()


def placed(text, folder, tree):
    """With the paths of this folder in place of the machine's."""
    text = re.sub(r"/usr/local(?=/)", tree, text)
    return re.sub(r"(?<![\w.])(/etc|/var/lib|/var/log|/run)(?=/cordon)", lambda found: folder + found.group(1), text)


@cases.case("systemd finds nothing in the units, nor logrotate in its file", engine=False)
def units(case):
    with Lab(case) as lab:
        tree = install(lab.folder)
        found = sorted(glob.glob(tree + "/lib/systemd/system/*.service"))
        case.equal([os.path.basename(f) for f in found],
                   ["cordon-control.service", "cordon-dataplane.service", "cordon-vendor.service"], "units")
        for path in found:
            with open(path) as f:
                text = f.read().replace("/usr/local", tree)
            with open(path, "w") as f:
                f.write(text)
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", *found], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        case.equal([line for line in done.stdout.decode().splitlines() if lab.folder in line or "cordon" in line], [],
                   "what systemd says")
        done = subprocess.run(["logrotate", "-d", "-s", lab.folder + "/state", tree + "/share/cordon/docs/cordon.logrotate"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        case.check(done.returncode == 0 and b"error" not in done.stdout, "what logrotate says", done.stdout.decode())


def write_example(tree, folder, name, to, change=lambda text: text):
    with open(tree + "/share/cordon/docs/" + name) as f:
        text = placed(f.read(), folder, tree)
    with open(folder + to, "w") as f:
        f.write(change(text))


@cases.case("the first start, with the examples: signatures are installed, mail is looked at, a rotated log goes on", engine=True)
def first_start(case):
    with Lab(case) as lab:
        tree, server = install(lab.folder), Server(lab)
        for folder in ("/etc", "/var/lib/cordon/spool", "/var/lib/cordon/signatures", "/var/log/cordon", "/run/cordon"):
            os.makedirs(lab.folder + folder)
        write_example(tree, lab.folder, "cordon.yaml", "/etc/cordon.yaml",
                      lambda text: text.replace("eth1", "outside0").replace("eth2", "inside0"))
        write_example(tree, lab.folder, "control.yaml", "/etc/cordon-control.yaml")

        def start(where, unit):
            arguments = [placed(word, lab.folder, tree) for word in command(tree, unit)]
            status, said = lab.run(where, arguments + ["--check-config"])
            case.equal(status, 0, said)
            return lab.start(where, unit, arguments)

        def events(kind, name="events.json"):
            path = lab.folder + "/var/log/cordon/" + name
            return [e for e in lablib.load_json_lines(path) if e["event"] == kind]
        control = start("server", "cordon-control")
        until("the control process", lambda: events("start", "control.json"))
        for name, text in signatures().items():
            with open(lab.folder + "/var/lib/cordon/signatures/" + name, "w") as f:
                f.write(text)
        status, said = lab.run("server", [tree + "/bin/cordonctl", "rules", "install", "--socket",
                                          lab.folder + "/run/cordon/control.sock"])
        case.check(status == 1 and "with 2 signatures" in said, "compiled, and not in force yet", said)
        gateway = start("gateway", "cordon-dataplane")
        until("the dataplane", lambda: events("start"), seconds=90)
        case.equal(labmail.send(lab, mixed("bad", TEXT, attachment(EICAR)))[0], 554, "an infected mail")
        case.equal(labmail.send(lab, mixed("good", TEXT))[0], 250, "a clean one")
        until("both events", lambda: len(events("mail")) == 2)
        until("the clean one", lambda: [labmail.lab_id(m) for m in server.mails()] == ["good"])
        for name in ("events.json", "control.json"):
            os.rename(lab.folder + "/var/log/cordon/" + name, lab.folder + "/var/log/cordon/" + name + ".1")
        for unit, process in (("cordon-dataplane", gateway), ("cordon-control", control)):
            words = command(tree, unit, "ExecReload")
            subprocess.run([str(process.child.pid) if word == "$MAINPID" else word for word in words], check=True)
        until("new files", lambda: len(glob.glob(lab.folder + "/var/log/cordon/*.json")) == 2)
        case.equal(labmail.send(lab, mixed("later", TEXT))[0], 250, "a later one")
        until("its event", lambda: len(events("mail")) == 1)
        case.equal(len(events("mail", "events.json.1")), 2, "what was there before")


if __name__ == "__main__":
    cases.main()
