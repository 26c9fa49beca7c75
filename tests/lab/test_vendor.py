#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The vendor's own server with real gateways: they are enrolled by a token, sealed over each channel, answer
by receipts, and are opened by two officers; what is forged changes nothing."""
import base64
import hashlib
import json
import os
import subprocess

import labmail
from labcontrol import Control, spool_settings
from labgateway import Gateway
from lablib import BUILD, Cases, Lab, until
from labmail import message
from labpostfix import Server
from labvendor import Vendor, openssl

cases = Cases()
WEB, TCP_IN, FILES = 7800, 7801, 7802
ROOT = """vendor: acme
version: 1
roles:
  root: {keys: [root.pub]}
  alerts: {keys: [alerts.pub]}
  updates: {keys: [updates.pub]}
  all-clear: {keys: [officer1.pub, officer2.pub], threshold: 2}
"""
SIGNATURES = "#cordon: virus_id=CV-2\nTest.Vendor:0:*:%s\n" % b"vendor-lab-virus".hex()


def run(*arguments, status=0, data=None):
    done = subprocess.run([BUILD + "/cordon-vendor", *arguments], input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    if done.returncode != status:
        raise AssertionError("cordon-vendor %s: %d, %s" % (
            " ".join(arguments), done.returncode, done.stderr.decode()))
    return done.stdout.decode()


class VendorServer:
    """cordon-vendor in the server's namespace, with keys that it has made; officer2's is elsewhere."""

    def __init__(self, lab, **settings):
        self.lab, self.folder = lab, lab.folder + "/acme"
        os.makedirs(self.folder + "/sigs")
        for key in ("root", "alerts", "updates", "officer1", "officer2"):
            run("key", self.file(key))
        for name, text in (("root.yaml", ROOT), ("sigs/test.ndb", SIGNATURES)):
            with open(self.file(name), "w") as f:
                f.write(text)
        run("root", self.file("root.yaml"), "-k", self.file("root"), "-o", self.file("root.json"))
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", self.file("tls.key"), "-out", self.file("tls.crt"), "-days", "2", "-subj",
                "/CN=lab", "-addext", "subjectAltName=IP:127.0.0.1")
        values = {
            "state": self.file("state"), "root": self.file("root.json"),
            "keys": [self.file(k) for k in ("alerts", "updates", "officer1")],
            "events": self.file("events.json"), "heartbeat_seconds": 0, "retry_seconds": 1,
            "retry_most_seconds": 2,
            "web": {"listen": "127.0.0.1:%d" % WEB, "certificate": self.file("tls.crt"),
                    "key": self.file("tls.key")},
            "https": {"ca": self.file("tls.crt")}, "tcp": {"listen": "127.0.0.1:%d" % TCP_IN},
            "publish": {"folder": self.file("www"), "url": "http://127.0.0.1:%d" % FILES,
                        "signatures": self.file("sigs")}}
        values.update(settings)
        self.config = self.file("vendor.yaml")
        with open(self.config, "w") as f:
            json.dump(values, f)
        run("--config", self.config, "--check-config")
        os.makedirs(self.file("state"))
        self.key = run("apikey", "-c", self.config, "-w", "lab").strip()
        self.reader = run("apikey", "-c", self.config, "reader").strip()
        self.start()

    def file(self, name):
        return self.folder + "/" + name

    def events(self, kind):
        try:
            with open(self.file("events.json")) as f:
                found = [json.loads(line) for line in f]
        except FileNotFoundError:
            return []
        return [e for e in found if e["event"] == kind]

    def start(self):
        starts = len(self.events("start"))
        self.process = self.lab.start("server", "vendor",
                                      [BUILD + "/cordon-vendor", "--config", self.config])
        until("the vendor's start event", lambda: len(self.events("start")) > starts)

    def ask(self, method, path, body=None, key="", more=()):
        """(status, JSON or None)."""
        text = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        data = ["--data-binary", "@-"] if text is not None else []
        done = subprocess.run(
            ["ip", "netns", "exec", self.lab.namespace("server"), "curl", "-s", "-m", "10", "-X", method,
             "--cacert", self.file("tls.crt"), "-H", "Authorization: Bearer " + (key or self.key),
             "-w", "\n%{http_code}", *more, *data, "https://127.0.0.1:%d%s" % (WEB, path)],
            input=text, stdout=subprocess.PIPE, check=False)
        text, _, status = done.stdout.rpartition(b"\n")
        return int(status), json.loads(text) if text.strip().startswith((b"{", b"[")) else text

    def post(self, order, status=201):
        got, answer = self.ask("POST", "/v1/alerts", order)
        assert got == status, (got, answer)
        return answer

    def deliveries(self, alert):
        return {d["gateway"]: d["state"] for d in
                self.ask("GET", "/v1/alerts/%s/deliveries" % alert["digest"][:12])[1]["deliveries"]}


class Corner:
    """A part of the lab's folder, for another control process."""

    def __init__(self, lab, name):
        self.lab, self.folder, self.logs = lab, lab.folder + "/" + name, lab.logs
        os.makedirs(self.folder + "/spool")

    def start(self, where, name, arguments):
        return self.lab.start(where, os.path.basename(self.folder) + "-" + name, arguments)


class Fleet:
    """The vendor, a whole gateway that is pushed to, and control processes behind each other channel."""

    def __init__(self, lab):
        self.lab, self.vendor = lab, VendorServer(lab)
        self.server = Server(lab)
        self.gateway = Gateway(lab, **spool_settings(lab))
        file, self.controls = self.vendor.file, {}
        with lab.inside("server"):
            self.files = subprocess.Popen(
                ["python3", "-m", "http.server", "-d", file("www"), "-b", "127.0.0.1", str(FILES)],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.add(lab, "lab", {"https": {"listen": "127.0.0.1:7810", "certificate": file("tls.crt"),
                                        "key": file("tls.key")}},
                 {"kind": "https", "url": "https://127.0.0.1:7810/v1/alerts"})
        self.corner("tcp", {"tcp": {"listen": "127.0.0.1:7811"}},
                    {"kind": "tcp", "address": "127.0.0.1:7811"})
        self.corner("in", {"tcp": {"connect": "127.0.0.1:%d" % TCP_IN}}, {"kind": "tcp-in"})
        self.corner("udp", {"udp": {"listen": "127.0.0.1:7812"}},
                    {"kind": "udp", "address": "localhost:7812"})
        self.corner("pull", {"pull": {
            "url": "http://127.0.0.1:%d/feed" % FILES, "ca": file("tls.crt"), "interval_seconds": 1,
            "receipts": "https://127.0.0.1:%d/v1/receipts" % WEB}}, {"kind": "pull"})

    def corner(self, name, alerts, channel):
        self.add(Corner(self.lab, name), name, alerts, channel)

    def add(self, lab, name, alerts, channel):
        alerts = dict(alerts, root=self.vendor.file("root.json"), groups="[all]")
        self.controls[name] = Control(lab, name=name, alerts=alerts)
        self.enrol(name, [channel])

    def enrol(self, name, channels, group="all", status=201, token=None):
        vendor = self.vendor
        if token is None:
            token = vendor.ask("POST", "/v1/tokens", {"groups": [group]})[1]["token"]
        got, answer = vendor.ask("POST", "/v1/enrol", {
            "token": token, "id": name, "public_key": self.public(name), "channels": channels},
            key="none")
        assert got == status, (got, answer)
        return token

    def public(self, name):
        raw = openssl("pkey", "-in", self.controls[name].lab.folder + "/state/gateway.key", "-pubout",
                      "-outform", "DER")
        return base64.b64encode(raw[-32:]).decode()

    def sealed(self):
        return {n: c.ask("status", status=n != "lab")["sealed"] for n, c in self.controls.items()
                if c.process.running()}

    def close(self):
        self.files.kill()
        self.files.wait()


@cases.case("a seal reaches gateways over each channel, one that was away later; two officers lift it",
            engine=True)
def story(case):
    with Lab(case) as lab:
        fleet = Fleet(lab)
        vendor = fleet.vendor
        fleet.controls["tcp"].stop()
        case.equal(vendor.post({"type": "seal", "virus_id": "CV-0", "seal": {"mode": "hold"},
                                "target": "gateway:nobody"})["deliveries"], {}, "for nobody")
        seal = vendor.post({"type": "seal", "virus_id": "CV-1", "seal": {"mode": "hold"},
                            "target": "group:all"})
        until("all but one", lambda: sorted(vendor.deliveries(seal).values()) ==
              ["delivered"] * 4 + ["open"])
        case.equal(vendor.deliveries(seal)["tcp"], "open", "the one that is away")
        case.equal(fleet.sealed(), dict.fromkeys(("lab", "in", "udp", "pull"), True), "sealed")
        held = message("held", [], b"under the seal\n")
        case.equal(labmail.send(lab, held)[0], 250, "mail is taken in")
        case.equal(fleet.server.mails(), [], "and not delivered")
        lines = run("status", "-c", vendor.config, seal["digest"][:10], status=1).splitlines()
        case.equal(len(lines), 6, "what the command says")
        vendor.process.stop()
        fleet.controls["tcp"].start()
        vendor.start()
        until("the last one", lambda: vendor.deliveries(seal)["tcp"] == "delivered")
        # The command reads what is on the disk, where receipts come in groups.
        until("the command says so", lambda: subprocess.run(
            [BUILD + "/cordon-vendor", "status", "-c", vendor.config, seal["digest"]],
            stdout=subprocess.DEVNULL, check=False).returncode == 0)
        gateway = vendor.ask("GET", "/v1/gateways/tcp")[1]
        case.equal((gateway["groups"], gateway["state"]["open"]), (["all"], ["CV-1"]), "the registry")
        draft = vendor.post({"type": "all-clear", "virus_id": "CV-1"}, status=202)
        case.equal((draft["state"], vendor.deliveries(draft)), ("draft", {}), "one officer")
        path = vendor.file("clear.json")
        with open(path, "w") as f:
            f.write(draft["envelope"])
        run("countersign", path, "-k", vendor.file("officer2"))
        with open(path, "rb") as f:
            clear = vendor.post(f.read())
        until("all clear", lambda: set(vendor.deliveries(clear).values()) == {"delivered"})
        case.equal(set(fleet.sealed().values()), {False}, "open again")
        labmail.check_arrived(case, fleet.server, [held])
        kinds = {r["gateway"]: r["channel"] for r in vendor.ask("GET", "/v1/receipts?alert=" + clear[
            "digest"])[1]["receipts"]}
        case.equal(kinds, {"lab": "https", "tcp": "tcp", "in": "tcp-in", "udp": "udp", "pull": "pull"},
                   "channels")
        fleet.close()


@cases.case("an update is made of the signature folder, published and sent",
            engine=True)
def update(case):
    with Lab(case) as lab:
        fleet = Fleet(lab)
        vendor = fleet.vendor
        case.equal(vendor.ask("GET", "/v1/catalogue")[1]["covers"], {"CV-2": ["Test.Vendor"]},
                   "catalogue")
        seal = vendor.post({"type": "seal", "virus_id": "CV-2", "seal": {"mode": "hold"},
                            "target": "gateway:lab"})
        until("sealed", lambda: vendor.deliveries(seal) == {"lab": "delivered"})
        made = vendor.post({"type": "update", "update": {"version": "v1"}, "target": "gateway:lab"})
        case.check(os.path.exists(vendor.file("www/bundles/v1/test.ndb")), "a bundle")
        until("answered", lambda: vendor.deliveries(made)["lab"] != "open")
        with open(vendor.file("www/feed")) as f:
            last = json.loads(base64.b64decode(json.loads(f.readlines()[-1])["payload"]))
        one, = last["update"]["files"]
        case.equal((last["update"]["covers"], one["sha256"], one["url"]), (
            ["CV-2"], hashlib.sha256(SIGNATURES.encode()).hexdigest(),
            "http://127.0.0.1:%d/bundles/v1/test.ndb" % FILES), "what the feed says")
        with open(vendor.file("sigs/more.ndb"), "w") as f:
            f.write(SIGNATURES)
        case.equal(vendor.ask("POST", "/v1/alerts", {"type": "update", "update": {"version": "v1"}})[0],
                   409, "another update of that name")
        fleet.close()


@cases.case("forged receipts, used tokens and strangers' requests change nothing", engine=True)
def forged(case):
    with Lab(case) as lab:
        fleet = Fleet(lab)
        vendor, thief = fleet.vendor, Vendor(lab.folder + "/thief")
        seal = vendor.post({"type": "seal", "virus_id": "CV-1", "seal": {"mode": "hold"},
                            "target": "gateway:far"})
        token = vendor.ask("POST", "/v1/tokens", {"gateway": "far"})[1]["token"]
        fleet.enrol("lab", [], token=token, status=403)
        fleet.enrol("udp", [], status=409)
        far = {"id": "far", "public_key": thief.keys["root"][1], "token": token}
        case.equal(vendor.ask("POST", "/v1/enrol", dict(far, groups=["all"]), key="none")[0], 422,
                   "its own groups")
        case.equal(vendor.ask("POST", "/v1/enrol", far, key="none")[0], 201, "enrolled")
        case.equal(vendor.ask("POST", "/v1/enrol", far, key="none")[0], 403, "a token again")
        case.equal(vendor.deliveries(seal), {"far": "open"}, "what a new gateway gets")
        receipt = {"gateway": "far", "alert": seal["digest"], "result": "applied", "counter": 1,
                   "state": {"sealed": True}, "time": "2026-01-01T00:00:00Z"}
        kind = "application/vnd.cordon.receipt+json"
        for what, data in {
                "another key": thief.sign(receipt, ["alerts"], kind),
                "another gateway": thief.sign(dict(receipt, gateway="lab"), ["root"], kind),
                "an alert": thief.sign(receipt, ["root"]),
                "no signature": json.dumps(receipt).encode(), "nothing": b"{}"}.items():
            case.check(vendor.ask("POST", "/v1/receipts", data, key="none")[0] in (400, 403), what)
        case.equal(vendor.deliveries(seal), {"far": "open"}, "none of these counts")
        good = thief.sign(receipt, ["root"], kind)
        for _ in range(2):
            case.equal(vendor.ask("POST", "/v1/receipts", good, key="none")[0], 204, "its own")
        case.equal(vendor.deliveries(seal), {"far": "delivered"}, "that one does")
        late = thief.sign(dict(receipt, result="refused", why="late", counter=2), ["root"], kind)
        case.equal(vendor.ask("POST", "/v1/receipts", late, key="none")[0], 204, "a later one")
        case.equal(vendor.deliveries(seal), {"far": "delivered"}, "what was delivered stays so")
        for key, method, path, status in (
                ("none", "GET", "/v1/gateways", 401), ("none", "POST", "/v1/alerts", 401),
                (vendor.reader, "POST", "/v1/alerts", 403), (vendor.reader, "GET", "/v1/alerts", 200),
                (vendor.key, "DELETE", "/v1/alerts", 405), (vendor.key, "GET", "/v2", 404),
                (vendor.key, "DELETE", "/v1/gateways/nobody", 404)):
            body = {} if method == "POST" else None
            case.equal(vendor.ask(method, path, body, key=key)[0], status, method + " " + path)
        case.equal(vendor.ask("POST", "/v1/alerts", b"0" * (49 << 20))[0], 413, "too long")
        case.equal(vendor.ask("GET", "/v1/status", more=("--tls-max", "1.2"))[0], 0, "TLS 1.2")
        case.equal(vendor.ask("POST", "/v1/alerts", thief.alert("ping"))[0], 403, "another's alert")
        pages, after = [], ""
        while True:
            answer = vendor.ask("GET", "/v1/gateways?limit=2&after=" + after)[1]
            pages.append([g["id"] for g in answer["gateways"]])
            if "next" not in answer:
                break
            after = answer["next"]
        case.equal(pages, [["far", "in"], ["lab", "pull"], ["tcp", "udp"], []], "pages")
        fleet.close()


@cases.case("a configuration is checked with the line of each mistake", engine=False)
def configuration(case):
    with Lab(case) as lab:
        path = lab.folder + "/bad.yaml"
        with open(path, "w") as f:
            f.write("root: /x\nweb:\n  listen: 127.0.0.1:1\nheartbeat: 3\n")
        done = subprocess.run([BUILD + "/cordon-vendor", "--config", path, "--check-config"],
                              stderr=subprocess.PIPE, check=False)
        case.equal(done.returncode, 2, "status")
        case.check(path + ":4: " in done.stderr.decode(), "the line", done.stderr)


if __name__ == "__main__":
    cases.main()
