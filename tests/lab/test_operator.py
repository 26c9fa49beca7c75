#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What an operator asks at the terminal: status and top, of a gateway that is well, sealed, or not there; and
what Prometheus asks."""
import json
import shutil
import signal
import socket
import subprocess

import labmail
from labfleet import VendorServer
from lablib import BUILD, SERVER, Cases, Lab, until
from labmail import message
from laboperator import WEB, Operator, Terminal

GRE = 47
cases = Cases()


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
        case.check("uninspected" not in text and "dropped" not in text, "nothing passed in tunnels", text)
        with lab.inside("client"), socket.socket(socket.AF_INET, socket.SOCK_RAW, GRE) as tunnel:
            tunnel.sendto(b"\0\0\x08\0" + bytes(40), (SERVER, 0))
        until("it is told", lambda: "WARNING    1 packets with others in them" in at.ask("status", *where)[1])
        at.control.ask("seal", "--virus-id", "CV-1")
        case.equal(labmail.send(lab, message("one", [], b"text\n"))[0], 250, "held")
        until("it is told", lambda: "waiting    1 held" in at.ask("status", *where)[1])
        case.check("sealed     CV-1, hold, by operator" in at.ask("status", *where)[1], "sealed")
        at.gateway.stop()
        until("not protected", lambda: at.ask("status", *where)[0] == 1)
        case.check("protected  NO" in at.ask("status", *where)[1], "and it says so")
        at.control.stop()
        case.equal(at.ask("status", *where)[0], 2, "nobody to ask")


def on_terminals(case, lab, at, command):
    top = [*command, *at.sockets]
    usual = Terminal(lab, top, 24, 80)
    usual.shows("Cordon lab", "sealed     CV-1, hold", "protected  yes", "since start", "open connections",
                "outside0 up")
    case.equal(labmail.send(lab, message("live", [], b"text\n"))[0], 250, "mail")
    usual.shows("6 held")
    small, flat = Terminal(lab, top, 8, 30), Terminal(lab, top, 1, 200)
    small.shows("protected  yes, ruleset", "more lines: a large")
    flat.shows("more lines")
    small.resize(40, 132)
    small.shows("open connections", "packets lost")
    case.check("more lines" not in "\n".join(small.lines), "all fits")
    small.resize(10, 20)
    small.shows("protected  yes")
    at.gateway.stop()
    usual.shows("protected  NO: the dataplane does not answer", "sealed     CV-1")
    at.gateway.start()
    usual.shows("protected  yes")
    at.control.stop()
    usual.shows("cordon-control does not answer", "protected  yes")
    at.control.start()
    usual.shows("sealed     CV-1, hold", "kept       6 held")
    for terminal, key in ((usual, b"xq"), (small, b"Q"), (flat, b"\x03")):
        case.equal(terminal.wrong, [], "on %d rows of %d" % (terminal.rows, terminal.columns))
        case.equal(terminal.ends(key), (0, True, True), "its end, its modes, its own screen")


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
        on_terminals(case, lab, at, command)
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
