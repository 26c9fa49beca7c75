#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A gateway among attackers who know the protocol: keys that count once and for their role, roots that follow
one another, encodings of which there is one, half frames, and ends at any moment."""
import base64
import contextlib
import http.server
import json
import random
import shutil
import signal
import socket
import struct
import threading
import time

import labmail
from labalerts import PORT, Alerted
from lablib import Cases, Lab, until
from labmail import message
from labupdate import Web
from labvendor import ROLES, Vendor, open_receipt, rfc3339

cases = Cases()
UDP = "127.0.0.1:%d" % PORT
BROKER, FEED = PORT + 10, PORT + 11
KILLS = 18  # each sixth with an update, which goes on through the next ones
SEAL = {"virus_id": "CV-9", "seal": {"mode": "hold"}}


class Asked:
    """Datagrams to a gateway, and its receipts."""

    def __init__(self, case, at, host="127.0.0.1", port=PORT):
        self.case, self.at = case, at
        with at.lab.inside("server"):
            self.link = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.link.connect((host, port))
        self.ping = at.vendor.alert("ping")
        self.pong = self.ask(self.ping)

    def ask(self, data, seconds=5):
        self.link.settimeout(seconds)
        self.link.send(data)
        return self.link.recv(65536)

    def refused(self, why, data):
        said = open_receipt(self.ask(data), self.at.lab.folder + "/state")
        self.case.check(said["result"] == "refused" and why in said["why"], "refused as " + why, said)

    def applied(self, data, what):
        said = open_receipt(self.ask(data), self.at.lab.folder + "/state")
        self.case.equal((said["result"], said.get("why")), ("applied", None), what)

    def silent(self, what, data):
        """Nothing comes: the answer to the ping behind it is the first."""
        self.link.send(data)
        self.case.equal(self.ask(self.ping), self.pong, "no answer to " + what)


def again(envelope, **members):
    return json.dumps(dict(json.loads(envelope), **members)).encode()


def text_of(payload, *replacements):
    text = json.dumps(payload)
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new)
    return text.encode()


@cases.case("keys count once and for their role, roots follow one another, and each thing has one encoding",
            engine=True)
def forged(case):
    with Lab(case) as lab:
        vendor = Vendor(lab.folder)
        for name in ("alerts2", "root2"):
            vendor.make_key(name)
        roles = dict(ROLES, alerts=(2, ["alerts", "alerts2"]))
        both = ["alerts", "alerts2"]
        vendor.alert = lambda kind, **m: vendor.sign(vendor.payload(kind, **m), dict(
            ROLES, alerts=(2, both))[{"ping": "alerts", "seal": "alerts", "root": "root"}[kind]][1])
        at = Alerted(case, lab, (vendor, vendor.root(roles)), udp={"listen": UDP})
        asked = Asked(case, at)
        good = vendor.payload("seal", **SEAL)
        one = json.loads(vendor.sign(good, ["alerts"]))
        twice = one["signatures"] * 2
        asked.refused("too few signatures", again(json.dumps(one), signatures=twice))
        asked.refused("too few signatures", vendor.sign(good, ["alerts", "updates", "clear1", "root"]))
        other = json.loads(vendor.sign(vendor.payload("ping"), ["alerts2"]))
        asked.refused("too few signatures", again(
            json.dumps(one), signatures=one["signatures"] + other["signatures"]))
        swapped = dict(other["signatures"][0], keyid=one["signatures"][0]["keyid"])
        asked.silent("a signature under another's name", again(json.dumps(one), signatures=[swapped]))
        whole = json.loads(vendor.sign(good, both))
        plain, sig = whole["payload"], whole["signatures"]
        for what, changed in {
                "a space": plain[:40] + " " + plain[40:], "a line end": plain + "\n",
                "no padding": base64.b64encode(b"x" + base64.b64decode(plain)).decode().rstrip("="),
                "one letter less": plain[:-1]}.items():
            asked.silent("base64 with " + what, again(json.dumps(whole), payload=changed))
        asked.silent("33 signatures", again(json.dumps(whole), signatures=sig * 17))
        asked.silent("a member twice", json.dumps(whole).replace(
            '"signatures"', '"payload": "", "signatures"', 1).encode())
        asked.silent("more behind it", json.dumps(whole).encode() + b" {}")
        for why, payload in {
                "duplicate": text_of(good, ('"mode"', '"mode": "tempfail", "mode"')),
                "duplicate object": text_of(dict(good, info={"a": [{"b": {"c": 1}}]}), ('"c"', '"c": 2, "c"')),
                "unknown member": text_of(dict(good, more=1)),
                "an unknown member": text_of(dict(good, seal={"mode": "hold", "more": 1})),
                "a seal is not for the role updates": text_of(dict(good, role="updates")),
                "another vendor": text_of(dict(good, vendor="acme2")),
                "epoch": text_of(dict(good, epoch=1.0)), "too big integer": text_of(good, (
                    '"sequence": %d' % good["sequence"], '"sequence": 99999999999999999999')),
                "maximum": text_of(dict(good, info={"x": 0}), ('{"x": 0}', '{"x":' * 3000 + "0" + "}" * 3000)),
                "too far ahead in sequence": text_of(dict(good, sequence=10**9)),
                "too far ahead in epoch": text_of(dict(good, epoch=3)),
                "an old epoch": text_of(dict(good, epoch=0)),
                "issued in the future": text_of(dict(good, issued=rfc3339(7200))),
                "must be after": text_of(dict(good, expires=good["issued"])),
                "expires": text_of(dict(good, expires="2026-02-30T00:00:00Z"))}.items():
            asked.refused(why, vendor.sign(payload, both))
        case.check(not at.sealed(), "nothing of all this seals")
        roots(case, at, asked, roles)
        asked.applied(vendor.sign(dict(vendor.payload("seal", **SEAL), info={"any": [{"thing": None}]}), both),
                      "what is in info is nobody's business")
        case.check(at.sealed(), "sealed")


def roots(case, at, asked, roles):
    """The second root document, in ways that are wrong and in the right one; the third must follow it."""
    vendor = at.vendor
    next_roles = dict(roles, root=(1, ["root2"]))
    second = json.loads(base64.b64decode(json.loads(vendor.root(next_roles))["payload"]))
    asked.refused("not signed as it asks for itself", vendor.sign(second, ["root"]))
    asked.refused("too few signatures", vendor.sign(second, ["root2", "alerts"]))
    asked.refused("too far ahead", vendor.sign(dict(second, sequence=second["sequence"] + 1), ["root", "root2"]))
    ended = dict(second, root=dict(second["root"], expires=rfc3339(-5)))
    asked.refused("have expired", vendor.sign(ended, ["root", "root2"]))
    greedy = json.loads(json.dumps(second))
    greedy["root"]["roles"]["alerts"]["threshold"] = 3
    asked.refused("threshold", vendor.sign(greedy, ["root", "root2"]))
    unknown = json.loads(json.dumps(second))
    unknown["root"]["roles"]["alerts"]["more"] = 1
    asked.refused("unknown", vendor.sign(unknown, ["root", "root2"]))
    asked.applied(vendor.sign(second, ["root", "root2"]), "the second root")
    third = dict(second, sequence=second["sequence"] + 1)
    asked.refused("too few signatures", vendor.sign(third, ["root"]))
    asked.refused("an old sequence", vendor.sign(dict(second, expires=rfc3339(500)), ["root", "root2"]))
    at.control.kill()
    at.control.start()
    case.equal(at.control.ask("status")["alerts"]["root_version"], second["sequence"], "after a crash")


@cases.case("over IPv6 by each channel: the same alert by all at once is applied once and answered on each",
            engine=True)
def six(case):
    with Lab(case) as lab:
        with open(lab.folder + "/broker.conf", "w") as f:
            f.write("listener %d ::1\nallow_anonymous true\n" % BROKER)
        lab.start("server", "broker", ["mosquitto", "-c", lab.folder + "/broker.conf"])
        vendor = Vendor(lab.folder)
        root, seal = vendor.root(), vendor.alert("seal", **SEAL)
        with lab.inside("server"):
            feed = Six(("::1", FEED), Feed)
        feed.alert, feed.receipts = b"", []
        threading.Thread(target=feed.serve_forever, daemon=True).start()
        lab.closing.callback(feed.shutdown)
        here, at_feed = '"[::1]:%d"', "http://[::1]:%d/" % FEED
        at = Alerted(case, lab, (vendor, root), udp={"listen": here % PORT}, tcp={"listen": here % (PORT + 1)},
                     https={"listen": here % (PORT + 2), "plain": "true", "allow": '["::1/128"]'},
                     pull={"url": at_feed, "receipts": at_feed, "interval_seconds": 1},
                     mqtt={"broker": here % BROKER, "plain": "true", "topics": "[alerts]", "receipts": "receipts"})
        until("the broker's client", lambda: at.control.ask("status")["channels"]["mqtt"]["connected"])
        client = ["-h", "::1", "-p", str(BROKER), "-q", "1"]
        listener = lab.start("server", "subscriber", ["mosquitto_sub", *client, "-t", "receipts", "-t", "probe"])
        until("the subscriber", lambda: lab.run("server", ["mosquitto_pub", *client, "-t", "probe", "-m", "probe"])[
            0] == 0 and "probe" in listener.text())
        feed.alert = seal
        with open(lab.folder + "/seal", "wb") as f:
            f.write(seal)
        lab.start("server", "publisher", ["mosquitto_pub", *client, "-t", "alerts", "-f", lab.folder + "/seal"])
        web = lab.start("server", "curl", ["curl", "-s", "--data-binary", "@" + lab.folder + "/seal",
                                           "http://[::1]:%d/v1/alerts" % (PORT + 2)])
        framed, = [at.socat("TCP6:[::1]:%d" % (PORT + 1), struct.pack(">I", len(seal)) + seal)[4:]]
        said = [framed, at.socat("UDP6:[::1]:%d" % PORT, seal)]
        until("receipts of the others", lambda: feed.receipts and "payload" in listener.text() and not web.running())
        said += [feed.receipts[0], web.text().encode(),
                 next(line for line in listener.text().splitlines() if "payload" in line).encode()]
        case.equal([at.receipt(r)["result"] for r in said], ["applied"] * 5, "answers")
        case.equal(len(set(said)), 1, "the same receipt")
        case.equal(at.control.ask("status")["alerts"]["applied"], 1, "applied once")


class Six(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6


class Feed(http.server.BaseHTTPRequestHandler):
    """A feed of one alert; receipts are kept."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.alert)))
        self.end_headers()
        self.wfile.write(self.server.alert)

    def do_POST(self):
        self.server.receipts.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@cases.case("half frames of many do not fill the memory, and the vendor's alert comes through them", engine=True)
def halves(case):
    with Lab(case) as lab:
        at = Alerted(case, lab, tcp={"listen": "127.0.0.1:%d" % PORT})
        links = []
        for _ in range(16):
            link = lab.connect("127.0.0.1", PORT, side="server")
            links.append(link)
            with contextlib.suppress(OSError):
                link.sendall(struct.pack(">I", 24 << 20) + bytes(16 << 20))
        with open("/proc/%d/status" % at.control.process.child.pid) as f:
            peak, = [int(line.split()[1]) for line in f if line.startswith("VmRSS")]
        case.check(peak < 256 << 10, "memory of 16 half frames of 16 MiB", peak)
        seal = at.vendor.alert("seal", **SEAL)
        receipt = at.socat("TCP:127.0.0.1:%d" % PORT, struct.pack(">I", len(seal)) + seal)
        case.equal(at.receipt(receipt[4:])["result"], "applied", "the vendor's")


@cases.case("killed at any moment while alerts and updates are applied: all or nothing, and sealed until it is "
            "covered", engine=True)
def killed(case):
    chance = random.Random(5)
    with Lab(case) as lab:
        at = Alerted(case, lab, settings={"updates": {"retry_seconds": 1}}, tcp={"listen": UDP})
        web, vendor = Web(lab), at.vendor
        case.equal(open_receipt(ask(lab, vendor.alert("seal", virus_id="CV-0", seal={"mode": "hold"})),
                                lab.folder + "/state")["result"], "applied", "a seal that nothing covers")
        held = message("held", [], b"under the seal\n")
        case.equal(labmail.send(lab, held)[0], 250, "mail is taken in")
        for number in range(KILLS):
            virus_id = "CV-%d" % (number + 1)
            seal = vendor.alert("seal", virus_id=virus_id, seal={"mode": "hold"})
            update = vendor.alert("update", update=web.update("v%d" % number, {"n.ndb": (
                "#cordon: virus_id=%s\nLab.N%d:0:*:%s\n" % (virus_id, number, ("virus-%d" % number).encode().hex()))},
                covers=[virus_id]))
            sent = [seal] + [update] * (number % 6 == 5)
            with contextlib.suppress(OSError):
                with lab.connect("127.0.0.1", PORT, side="server") as link:
                    link.sendall(b"".join(struct.pack(">I", len(d)) + d for d in sent))
                    time.sleep(chance.uniform(0, 0.25))
                    at.control.process.child.send_signal(signal.SIGKILL)
            at.control.kill()
            with open(lab.folder + "/seals.json") as f:
                open_now = [s["virus_id"] for s in json.load(f)["seals"]]
            case.check("CV-0" in open_now, "the seal that nothing covers is there", open_now)
            at.control.start()
        said = [open_receipt(ask(lab, d), lab.folder + "/state") for d in sent]
        case.equal([(s["result"], s.get("why")) for s in said], [("applied", None)] * 2, "those of the last round")
        until("it goes on by itself", lambda: at.control.ask("rules")["updates"]["progress"] is None)
        listed = at.control.ask("alerts", "--limit", "1000")["alerts"]
        case.equal({a["result"] for a in listed}, {"applied"}, "each that was taken was applied")
        case.equal(len({(a["role"], a["sequence"]) for a in listed}), len(listed), "once")
        covered = {a["sequence"] for a in listed if a["type"] == "update"}
        case.check(covered, "an update was applied", listed)
        case.equal([s["virus_id"] for s in at.control.ask("status")["seals"] if s["virus_id"] == "CV-0"], ["CV-0"],
                   "sealed still")
        case.equal(at.server.mails(), [], "and nothing was let go")


@cases.case("killed after the dataplane has a seal and before it is written down: it stays, and its alert may come "
            "again", engine=True)
def killed_between(case):
    with Lab(case) as lab:
        at = Alerted(case, lab, tcp={"listen": UDP})
        vendor = at.vendor
        case.equal(open_receipt(ask(lab, vendor.alert("seal", virus_id="CV-0", seal={"mode": "hold"})),
                                lab.folder + "/state")["result"], "applied", "a seal")
        at.control.stop()
        before = lab.folder + "/before"
        shutil.copytree(lab.folder + "/state", before)
        shutil.copy(lab.folder + "/seals.json", before)
        at.control.start()
        seal = vendor.alert("seal", virus_id="CV-1", seal={"mode": "hold"})
        case.equal(open_receipt(ask(lab, seal), lab.folder + "/state")["result"], "applied", "another one")
        at.control.kill()
        # What a kill between act and record leaves: the disk as it was before, and the dataplane as it is.
        shutil.rmtree(lab.folder + "/state")
        shutil.copytree(before, lab.folder + "/state")
        shutil.move(lab.folder + "/state/seals.json", lab.folder + "/seals.json")
        at.control.start()
        state = at.control.ask("status")
        case.equal(sorted(s["virus_id"] for s in state["seals"]), ["CV-0", "CV-1"], "both are open at once")
        with open(lab.folder + "/seals.json") as f:
            case.equal(sorted(s["virus_id"] for s in json.load(f)["seals"]), ["CV-0", "CV-1"], "and written down")
        case.equal(sorted({s["origin"] for s in state["seals"]}), ["vendor acme"], "whose they are")
        case.equal([e["origin"] for e in at.control.events("seal")][-1], "dataplane", "the event")
        held = message("held", [], b"under the seal\n")
        case.equal(labmail.send(lab, held)[0], 250, "mail is taken in")
        case.equal(at.server.mails(), [], "and kept")
        case.equal(open_receipt(ask(lab, seal), lab.folder + "/state")["result"], "applied", "the same alert again")
        case.equal(len(at.control.ask("status")["seals"]), 2, "which changes nothing")


def ask(lab, envelope):
    with lab.connect("127.0.0.1", PORT, 60, side="server") as link:
        link.sendall(struct.pack(">I", len(envelope)) + envelope)
        read = link.makefile("rb")
        return read.read(struct.unpack(">I", read.read(4))[0])


if __name__ == "__main__":
    cases.main()
