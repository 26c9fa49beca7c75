# SPDX-License-Identifier: BSD-3-Clause
"""The vendor's own server in the lab, and gateways that it speaks with."""
import base64
import contextlib
import json
import os
import re
import socket
import ssl
import subprocess

from labcontrol import Control, spool_settings
from labgateway import Gateway
from lablib import BUILD, PATIENCE, until
from labpostfix import Server
from labvendor import openssl

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
    """cordon-vendor in a namespace, with keys that it has made; officer2's is elsewhere."""

    def __init__(self, lab, where="server", **settings):
        self.lab, self.where, self.folder = lab, where, lab.folder + "/acme"
        os.makedirs(self.folder + "/sigs", exist_ok=True)
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
        os.makedirs(self.file("state"), exist_ok=True)
        self.key = run("apikey", "-c", self.config, "-w", "lab").strip()
        self.reader = run("apikey", "-c", self.config, "reader").strip()
        self.start()

    def configure(self, change):
        """From the next start on; change is called with what there is."""
        with open(self.config) as f:
            values = json.load(f)
        change(values)
        with open(self.config, "w") as f:
            json.dump(values, f)

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
        self.process = self.lab.start(self.where, "vendor",
                                      [BUILD + "/cordon-vendor", "--config", self.config])
        until("the vendor's start event", lambda: len(self.events("start")) > starts)

    def ask(self, method, path, body=None, key="", more=()):
        """(status, JSON or None)."""
        text = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        data = ["--data-binary", "@-"] if text is not None else []
        done = subprocess.run(
            ["ip", "netns", "exec", self.lab.namespace(self.where), "curl", "-s", "-m", "10", "-X", method,
             "--cacert", self.file("tls.crt"), "-H", "Authorization: Bearer " + (key or self.key),
             "-w", "\n%{http_code}", *more, *data, "https://127.0.0.1:%d%s" % (WEB, path)],
            input=text, stdout=subprocess.PIPE, check=False)
        text, _, status = done.stdout.rpartition(b"\n")
        return int(status), json.loads(text) if text.strip().startswith((b"{", b"[")) else text

    def refused(self, method, path, body=None, key=""):
        """Its answer that something cannot be done now; it says when to ask again (RFC 9110 section 10.2.3)."""
        status, answer = self.ask(method, path, body, key, ("-D", self.file("headers")))
        with open(self.file("headers")) as f:
            after = [line.split(":")[1].strip() for line in f if line.lower().startswith("retry-after:")]
        assert status == 503 and len(after) == 1 and re.fullmatch("[1-9][0-9]*", after[0]), (status, answer, after)
        return answer

    def post(self, order, status=201):
        got, answer = self.ask("POST", "/v1/alerts", order)
        assert got == status, (got, answer)
        return answer

    def make_root(self, version):
        """The next root document, of the same keys."""
        description = self.file("root%d.yaml" % version)
        with open(description, "w") as f:
            f.write(ROOT.replace("version: 1", "version: %d" % version))
        run("root", description, "-k", self.file("root"), "-o", self.file("root%d.json" % version))
        with open(self.file("root%d.json" % version)) as f:
            return json.load(f)

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


class Corners:
    """Control processes of their own, each behind a channel, that are enrolled at the vendor's."""

    def __init__(self, lab, vendor):
        self.lab, self.vendor, self.controls = lab, vendor, {}

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


class Fleet(Corners):
    """The vendor, a whole gateway that is pushed to, and control processes behind each other channel."""

    def __init__(self, lab):
        super().__init__(lab, VendorServer(lab))
        self.server = Server(lab)
        self.gateway = Gateway(lab, **spool_settings(lab))
        file = self.vendor.file
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

    def close(self):
        self.files.kill()
        self.files.wait()


@contextlib.contextmanager
def talk_raw(lab, where, port, data):
    """A connection over TLS on which bytes were sent that no decent client sends."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with lab.inside(where):
        plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
    with context.wrap_socket(plain) as tls:
        tls.sendall(data)
        yield tls


def read_answers(tls, count=None):
    """What comes back: with so many answers, or until the other side closes the connection."""
    got = b""
    with contextlib.suppress(ConnectionResetError, ssl.SSLEOFError):
        while (count is None or got.count(b"HTTP/1.1 ") < count) and (chunk := tls.recv(65536)):
            got += chunk
    return got
