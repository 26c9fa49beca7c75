#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What an operator asks at the terminal: status, top and doctor, of a gateway that is well, sealed, broken in this
way or that, or not there; and what Prometheus asks."""
import json
import os
import shutil
import signal
import socket
import subprocess
import threading

import labmail
from labcontrol import Control, spool_settings
from labfleet import VendorServer
from labgateway import Gateway
from lablib import BUILD, SERVER, Cases, Lab, until
from labmail import message
from labpostfix import Server
from labvendor import Vendor, openssl

cases = Cases()
WEB = "127.0.0.1:7900"


class Operator:
    """A gateway with all that doctor looks at, and cordonctl in the namespace where control runs."""

    def __init__(self, lab):
        self.lab = lab
        self.server = Server(lab)
        self.gateway = Gateway(lab, **spool_settings(lab))
        self.certificate("web", "40")
        os.chmod(lab.folder + "/web.key", 0o600)
        self.control = Control(
            lab, alerts={"root": Vendor(lab.folder).write_root()}, release={"host": SERVER},
            web={"listen": WEB, "certificate": lab.folder + "/web.crt", "key": lab.folder + "/web.key"})
        self.sockets = ["--socket", self.control.socket, "--dataplane", lab.folder + "/dataplane.sock"]

    def certificate(self, name, days):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                "%s/%s.key" % (self.lab.folder, name), "-out", "%s/%s.crt" % (self.lab.folder, name), "-days", days,
                "-subj", "/CN=gateway")

    def ask(self, *arguments):
        """(exit status, what it says)"""
        return self.lab.run("server", [BUILD + "/cordonctl", *arguments])

    def doctor(self, control=None, dataplane=None):
        """(exit status, {check: [(result, what)]} of what is not ok)."""
        status, text = self.ask("doctor", "--json", "--config", control or self.control.config,
                                "--dataplane-config", dataplane or self.gateway.config)
        answer, found = json.loads(text), {}
        for check in answer["checks"]:
            assert bool(check["do"]) == (check["result"] != "ok"), check
            if check["result"] != "ok" and check["check"] != "clock":  # this machine's own affair
                found.setdefault(check["check"], []).append((check["result"], check["what"]))
        assert answer["ok"] == (status == 0), answer
        return status, found

    def changed(self, name, old, new):
        with open(getattr(self, name).config) as f:
            text = f.read()
        assert old in text, text
        path = "%s/changed-%s.yaml" % (self.lab.folder, name)
        with open(path, "w") as f:
            f.write(text.replace(old, new))
        return path


@cases.case("status answers three questions: protected, sealed, anything waiting; by its exit status, too",
            engine=True)
def status(case):
    with Lab(case) as lab:
        at = Operator(lab)
        where = at.sockets[:2]
        code, text = at.ask("status", *where)
        case.equal(code, 0, text)
        for words in ("protected  yes", "sealed     no", "waiting    nothing", "vendor     acme, heard of"):
            case.check(words in text, "it says " + words, text)
        at.control.ask("seal", "--virus-id", "CV-1")
        case.equal(labmail.send(lab, message("one", [], b"text\n"))[0], 250, "held")
        until("it is told", lambda: "waiting    1 held" in at.ask("status", *where)[1])
        case.check("sealed     CV-1, hold, by operator" in at.ask("status", *where)[1], "sealed")
        at.gateway.stop()
        until("not protected", lambda: at.ask("status", *where)[0] == 1)
        case.check("protected  NO" in at.ask("status", *where)[1], "and it says so")
        at.control.stop()
        case.equal(at.ask("status", *where)[0], 2, "nobody to ask")


@cases.case("top shows rates, totals and state: once, as JSON lines, or on a terminal until q", engine=True)
def top(case):
    with Lab(case) as lab:
        at = Operator(lab)
        at.control.ask("seal", "--virus-id", "CV-1")
        code, text = at.ask("top", *at.sockets)
        case.equal((code, "\033" in text), (0, False), "without a terminal: one screen, no control codes")
        case.check("sealed     CV-1, hold" in text and "protected  yes" in text, "state", text)
        command = ["ip", "netns", "exec", lab.namespace("server"), BUILD + "/cordonctl", "top"]
        with subprocess.Popen([*command, "--json", *at.sockets], stdout=subprocess.PIPE) as live:
            for number in range(5):
                case.equal(labmail.send(lab, message("m%d" % number, [], b"text\n"))[0], 250, "mail")
            passed = 0
            while passed < 5:  # what passed between two looks is in one of them
                found = json.loads(live.stdout.readline())
                passed = found["totals"]["messages"]
            live.send_signal(signal.SIGTERM)
            case.equal(live.wait(10), 0, "it ends when it is asked to")
        case.equal((found["sealed"], found["held"] <= 5, found["ports"][0]["up"]), (True, True, True), "JSON")
        shown = subprocess.run(["script", "-qec", " ".join([*command, *at.sockets]), "/dev/null"], input=b"q",
                               stdout=subprocess.PIPE, timeout=30, check=False)
        case.equal(shown.returncode, 0, "q ends it")
        screen = shown.stdout.partition(b"\033[?1049h")[2]
        case.check(b"sealed     CV-1, hold" in screen and screen.rstrip().endswith(b"\033[?1049l"),
                   "a screen, and the terminal's own comes back", shown.stdout)
        at.gateway.stop()
        code, text = at.ask("top", "--once", *at.sockets)
        case.check(code == 0 and "protected  NO" in text, "without a dataplane", text)
        at.control.stop()
        case.equal(at.ask("top", "--once", *at.sockets)[0], 2, "without both")
        case.equal(at.ask("top", "--interval", "0")[0], 2, "no interval")


def break_files(case, at):
    folder = at.lab.folder
    os.chmod(folder + "/web.key", 0o644)
    os.rename(folder + "/rules.img", folder + "/kept.img")
    with open(folder + "/rules.img", "wb") as f:
        f.write(b"no image" * 100)
    code, found = at.doctor()
    case.equal((code, sorted(found)), (1, ["key files", "rules"]), "a key that all can read, a damaged image")
    os.chmod(folder + "/web.key", 0o600)
    os.rename(folder + "/kept.img", folder + "/rules.img")
    at.certificate("other", "40")
    code, found = at.doctor(at.changed("control", "web.key", "other.key"))
    case.check(code == 1 and "does not belong" in found["certificates"][0][1], "another's key", found)
    at.certificate("soon", "5")
    code, found = at.doctor(at.changed("control", "web.", "soon."))
    case.check(found["certificates"][0][0] == "warn", "five days are few", found)
    os.rename(folder + "/spool", folder + "/elsewhere")
    code, found = at.doctor()
    case.check(code == 1 and found["spool"][0][0] == "fail", "no folder", found)
    os.rename(folder + "/elsewhere", folder + "/spool")


@cases.case("doctor finds nothing where all is well, and each thing that is broken, with what to do", engine=True)
def doctor(case):
    with Lab(case) as lab:
        at = Operator(lab)
        case.equal(at.doctor(), (0, {}), "all is well")
        code, text = at.ask("doctor", "--config", at.control.config, "--dataplane-config", at.gateway.config)
        case.check(code == 0 and text.rstrip().endswith("0 failed"), "as a table", text)
        break_files(case, at)
        code, found = at.doctor(at.changed("control", "seals.json", "others.json"))
        case.check(code == 1 and "do not meet" in found["configuration"][0][1], "two that do not meet", found)
        code, found = at.doctor(dataplane=at.changed("gateway", "workers: 1", "workers: many"))
        case.check(code == 1 and "workers" in found["configuration"][0][1], "a mistake by file and line", found)
        at.server.stop()
        code, found = at.doctor()
        case.equal((code, sorted(found)), (1, ["next hop"]), "no mail server")
        with lab.inside("server"):
            rude = socket.create_server((SERVER, 25))
        threading.Thread(target=lambda: rude.accept()[0].sendall(b"\033[2J554 away\r\n"), daemon=True).start()
        code, text = at.ask("doctor", "--config", at.control.config, "--dataplane-config", at.gateway.config)
        case.check(code == 1 and "?[2J554 away" in text and "\033" not in text, "one that tries the terminal", text)
        rude.close()
        at.server.start()
        lab.wait_listening("server", 25)
        at.gateway.stop()
        code, found = at.doctor()
        case.check(code == 1 and "processes" in found, "no dataplane", found)
        at.control.stop()
        code, found = at.doctor()
        case.equal((code, len(found["processes"]), "root document" in found), (1, 2, False), "neither process")
        code, found = at.doctor("/none", "/none")
        case.equal((code, sorted(found)), (1, ["configuration"]), "no configuration")
        case.equal(at.ask("doctor", "more")[0], 2, "bad usage")


def check_metrics(case, whose, text, *wanted):
    """promtool has nothing against names, units and help; these samples are there."""
    done = subprocess.run(["promtool", "check", "metrics"], input=text.encode(), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    case.equal((done.returncode, done.stdout.decode()), (0, ""), whose)
    for sample in wanted:
        case.check("\n%s\n" % sample in text, "%s: %s" % (whose, sample), text)


@cases.case("promtool finds nothing in the metrics of gateway and vendor", engine=True)
def metrics(case):
    if not shutil.which("promtool"):
        case.skip("no promtool (scripts/deps test)")
    with Lab(case) as lab:
        at = Operator(lab)
        at.control.ask("seal", "--virus-id", 'a "quoted\\ name')
        at.control.ask("screen", "add", "--digest", "sha256:%064d:5" % 0, "--virus-id", "CV-2")

        def ask():
            code, text = lab.run("server", ["curl", "-sk", "https://%s/metrics" % WEB])
            case.equal(code, 0, text)
            return text if "cordon_screening_entries 1\n" in text else None
        text = until("the metrics", ask)
        check_metrics(case, "the gateway's", text, "cordon_sealed 1", "cordon_dataplane_up 1",
                      "cordon_seals_in_force 1", "cordon_screening_in_force 1")
        case.check('cordon_seal_begun_timestamp_seconds{virus_id="a \\"quoted\\\\ name"}' in text, "a label", text)
        at.gateway.stop()
        until("the dataplane is away", lambda: "cordon_dataplane_up 0\n" in (ask() or ""))
        check_metrics(case, "without a dataplane", ask(), "cordon_sealed 1")
        code, text = VendorServer(lab).ask("GET", "/metrics")
        check_metrics(case, "the vendor's", text.decode(), "cordon_vendor_gateways 0")
        case.equal(code, 200, "the vendor's status")


if __name__ == "__main__":
    cases.main()
