#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a vendor signs, over each channel, by clients that have nothing of ours: it seals the gateway, the
gateway answers with a signed receipt, and nothing that is not signed, new and meant for it does anything."""
import base64
import http.server
import json
import os
import socket
import ssl
import struct
import subprocess
import threading
import time

import labmail
from labalerts import PORT, Alerted
from labcontrol import Control, spool_settings
from labgateway import Gateway
from lablib import Cases, Lab, until
from labmail import message
from labpostfix import Server
from labvendor import Vendor, open_receipt, openssl

cases = Cases()


def frame(data):
    return struct.pack(">I", len(data)) + data


def frames(data):
    found = []
    while data:
        length, = struct.unpack(">I", data[:4])
        found.append(data[4:4 + length])
        data = data[4 + length:]
    return found


@cases.case("a seal by UDP and TCP is applied once and answered by the same receipt; two keys lift it",
            engine=True)
def udp_and_tcp(case):
    with Lab(case) as lab:
        at = Alerted(case, lab, udp={"listen": "127.0.0.1:%d" % PORT},
                     tcp={"listen": "127.0.0.1:%d" % PORT})
        vendor = at.vendor
        seal = vendor.alert("seal", virus_id="CV-1", seal={"mode": "hold", "max_seconds": 3600})
        one = at.socat("UDP:127.0.0.1:%d" % PORT, seal)
        said = at.receipt(one)
        case.equal((said["result"], said["state"]["sealed"], said["state"]["open"],
                    said["state"]["in_force"]), ("applied", True, ["CV-1"], True), "the receipt")
        case.equal(at.gateway.events("seal")[-1]["open"], 1, "the dataplane is sealed")
        held = message("held", [], b"under the seal\n")
        case.equal(labmail.send(lab, held)[0], 250, "mail is taken in")
        case.equal(at.server.mails(), [], "and not delivered")
        again = frames(at.socat("TCP:127.0.0.1:%d" % PORT, frame(seal) + frame(b"")))
        case.equal(again, [one, b""], "the same receipt, and a sign of life")
        case.equal([e["result"] for e in at.control.events("alert")], ["applied", "repeated"],
                   "events")
        listed = at.control.ask("alerts")
        case.equal([(a["type"], a["virus_id"], a["result"]) for a in listed["alerts"]],
                   [("seal", "CV-1", "applied")], "what cordonctl lists")
        half = vendor.payload("all-clear", virus_id="CV-1")
        answer, = frames(at.socat("TCP:127.0.0.1:%d" % PORT, frame(vendor.sign(half, ["clear1"]))))
        said = at.receipt(answer)
        case.equal((said["result"], said["why"]), ("refused", "too few signatures"), "half of it")
        case.check(at.sealed(), "still sealed")
        answer, = frames(at.socat("TCP:127.0.0.1:%d" % PORT,
                                  frame(vendor.sign(half, ["clear1", "clear2"]))))
        case.equal(at.receipt(answer)["state"]["sealed"], False, "both of it")
        labmail.check_arrived(case, at.server, [held])


class Curl:
    """curl in the namespace of the control process, against a certificate of its own."""

    def __init__(self, lab):
        self.lab, self.files = lab, lab.folder + "/tls"
        os.makedirs(self.files)
        for name in ("server", "client"):
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                    "-nodes", "-keyout", self.file(name + ".key"), "-out", self.file(name + ".crt"),
                    "-days", "2", "-subj", "/CN=" + name, "-addext", "subjectAltName=IP:127.0.0.1")

    def file(self, name):
        return self.files + "/" + name

    def ask(self, *arguments, data=None, url="https://127.0.0.1:%d/v1/alerts" % PORT):
        """(status, body); 0 where the connection was refused."""
        body = self.file("body")
        with open(body, "wb") as f:
            f.write(data or b"")
        more = ["--data-binary", "@" + body] if data is not None else []
        done = subprocess.run(
            ["ip", "netns", "exec", self.lab.namespace("server"), "curl", "-s", "-m", "10", "--cacert",
             self.file("server.crt"), "-w", "\n%{http_code}", *arguments, *more, url],
            stdout=subprocess.PIPE, check=False)
        text, _, status = done.stdout.rpartition(b"\n")
        return int(status), text


@cases.case("HTTPS: TLS 1.3, clients by certificate and address, sizes, rates; curl seals", engine=True)
def https(case):
    with Lab(case) as lab:
        curl = Curl(lab)
        at = Alerted(case, lab, https={
            "listen": "127.0.0.1:%d" % PORT, "certificate": curl.file("server.crt"),
            "key": curl.file("server.key"), "clients": curl.file("client.crt"), "per_minute": 12})
        known = ["--cert", curl.file("client.crt"), "--key", curl.file("client.key")]
        seal = at.vendor.alert("seal", virus_id="CV-1", seal={"mode": "hold"})
        case.equal(curl.ask(data=seal)[0], 0, "without a certificate")
        case.equal(curl.ask("--cert", curl.file("server.crt"), "--key", curl.file("server.key"),
                            data=seal)[0], 0, "with another authority's")
        case.equal(curl.ask("--tls-max", "1.2", *known, data=seal)[0], 0, "by TLS 1.2")
        case.check(not at.sealed(), "none of these seals")
        status, receipt = curl.ask(*known, data=seal)
        case.equal((status, at.receipt(receipt)["state"]["open"]), (200, ["CV-1"]), "the receipt")
        case.equal(curl.ask(*known, data=seal), (200, receipt), "a repeat")
        status, answer = curl.ask(*known, data=at.vendor.sign(
            dict(at.vendor.payload("ping"), sequence=1), ["alerts"]))
        case.equal((status, at.receipt(answer)["why"]), (422, "an old sequence"), "a refusal")
        case.equal(curl.ask(*known, data=b"{}")[0], 403, "what is not signed")
        case.equal(curl.ask(*known)[0], 405, "GET")
        case.equal(curl.ask(*known, data=b"0" * (25 << 20))[0], 413, "too long")
        case.equal(curl.ask(*known, "-H", "Transfer-Encoding: chunked", data=seal)[0], 411,
                   "without a length")
        case.equal(curl.ask(*known, data=seal,
                            url="https://127.0.0.1:%d/v1/other" % PORT)[0], 404, "another path")
        found = [curl.ask(*known, data=seal)[0] for _ in range(12)]
        case.check(found[0] == 200 and found[-1] == 429, "a limit", found)
        at.control.stop()
        Control(lab, alerts={"root": at.vendor.folder + "/root.json", "https": {
            "listen": "127.0.0.1:%d" % PORT, "certificate": curl.file("server.crt"),
            "key": curl.file("server.key"), "allow": "[192.0.2.0/24]"}})
        case.equal(curl.ask(data=seal)[0], 0, "from an address that may not")


class Feed(http.server.BaseHTTPRequestHandler):
    """Any server of files: a feed with its ETag; what is posted is kept. It may fail, or hold its answer."""

    def do_GET(self):
        server = self.server
        server.asked.append((self.headers.get("If-None-Match"), self.headers.get("Prefer")))
        if server.failures:
            server.failures -= 1
            self.send_error(503)
            return
        etag = '"%d"' % len(server.feed)
        if self.headers.get("If-None-Match") == etag:
            server.changed.wait(300)
            etag = '"%d"' % len(server.feed)
        same = self.headers.get("If-None-Match") == etag
        self.send_response(304 if same else 200)
        self.send_header("ETag", etag)
        body = b"" if same else b"\n".join(server.feed) + b"\n"
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.server.posted.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@cases.case("a feed is fetched with its ETag, waited for, and asked again when its server was away",
            engine=True)
def pull(case):
    with Lab(case) as lab:
        curl = Curl(lab)
        vendor = Vendor(lab.folder)
        with lab.inside("server"):
            server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Feed)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(curl.file("server.crt"), curl.file("server.key"))
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.feed, server.posted, server.asked, server.failures = [], [], [], 2
        server.changed = threading.Event()
        root = vendor.write_root()
        server.feed += [vendor.alert("seal", virus_id="CV-1", seal={"mode": "hold"}),
                        vendor.alert("seal", virus_id="CV-2", seal={"mode": "strip"})]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        Server(lab)
        Gateway(lab, **spool_settings(lab))
        url = "https://127.0.0.1:%d/" % PORT
        control = Control(lab, alerts={"root": root, "pull": {
            "url": url + "feed", "receipts": url + "receipts", "ca": curl.file("server.crt"),
            "interval_seconds": 1, "wait_seconds": 300}})
        until("two receipts", lambda: len(server.posted) == 2)
        said = [open_receipt(r, lab.folder + "/state") for r in server.posted]
        case.equal([s["result"] for s in said], ["applied"] * 2, "receipts")
        case.equal(said[1]["state"]["open"], ["CV-1", "CV-2"], "sealed by both")
        until("it waits", lambda: server.asked[-1][0] == '"2"')
        case.equal(server.asked[-1][1], "wait=300", "what it prefers")
        server.feed.append(vendor.alert("all-clear", virus_id="CV-1"))
        server.changed.set()
        until("a third receipt", lambda: len(server.posted) == 3)
        case.equal(control.ask("status")["alerts"]["repeated"], 0, "none was taken twice")
        server.shutdown()


@cases.case("forged, replayed, expired, foreign and malformed alerts change nothing", engine=True)
def refused(case):
    with Lab(case) as lab:
        at = Alerted(case, lab, udp={"listen": "127.0.0.1:%d" % PORT})
        vendor, thief = at.vendor, Vendor(lab.folder + "/thief")
        udp = "UDP:127.0.0.1:%d" % PORT
        seal = {"virus_id": "CV-9", "seal": {"mode": "hold"}}
        good = vendor.alert("ping")
        case.equal(at.receipt(at.socat(udp, good))["result"], "applied", "a ping")
        changed = json.loads(vendor.alert("seal", **seal))
        changed["payload"] = base64.b64encode(
            base64.b64decode(changed["payload"]).replace(b"CV-9", b"CV-8")).decode()
        for what, data in {"another's": thief.alert("seal", **seal),
                           "changed": json.dumps(changed).encode(),
                           "not JSON": b"\x00" * 1000, "empty": b"",
                           "deep": b"[" * 60000, "another type": vendor.sign(
                               vendor.payload("seal", **seal), ["alerts"], "text/plain")}.items():
            case.equal(at.socat(udp, data), b"", "no answer to what is " + what)
        for why, payload in {
                "an old sequence": dict(vendor.payload("seal", **seal), sequence=1),
                "another vendor": dict(vendor.payload("seal", **seal), vendor="other"),
                "for another gateway": vendor.payload("seal", target={"gateway": "x"}, **seal),
                "expired": vendor.payload("seal", issued="2026-01-01T00:00:00Z",
                                          expires="2026-01-02T00:00:00Z", **seal),
                "bad payload: virus_id: must be a text of 1 to 128 bytes": vendor.payload(
                    "seal", virus_id="x" * 129, seal={"mode": "hold"}),
                "mode: must be hold, hold-attachments, strip or tempfail": vendor.payload("seal", virus_id="CV-9",
                                                        seal={"mode": "shut"})}.items():
            said = at.receipt(at.socat(udp, vendor.sign(payload, ["alerts"])))
            case.check(said["result"] == "refused" and why in said["why"], why, said)
        case.check(not at.sealed(), "nothing is sealed")
        case.equal(labmail.send(lab, message("open", [], b"open\n"))[0], 250, "mail")
        until("it arrived", lambda: len(at.server.mails()) == 1)


@cases.case("the gateway keeps a connection to its vendor and comes back when that is cut", engine=True)
def connected(case):
    with Lab(case) as lab:
        got, sent = [], []
        with lab.inside("server"):
            listener = socket.create_server(("127.0.0.1", PORT))

        def vendor_side():
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                data = b""
                peer.sendall(frame(sent[len(got)]))
                while len(data) < 4 or len(data) < 4 + struct.unpack(">I", data[:4])[0]:
                    data += peer.recv(65536)
                got.append(data[4:])
                peer.close()
        vendor = Vendor(lab.folder)
        sent += [vendor.alert("seal", virus_id="CV-1", seal={"mode": "tempfail"}),
                 vendor.alert("ping")]
        sent.append(sent[0])
        thread = threading.Thread(target=vendor_side, daemon=True)
        thread.start()
        with open(vendor.folder + "/root.json", "wb") as f:
            f.write(vendor.root())
        Gateway(lab, **spool_settings(lab))
        Control(lab, alerts={"root": vendor.folder + "/root.json",
                             "tcp": {"connect": "127.0.0.1:%d" % PORT}})
        until("three receipts", lambda: len(got) == 3)
        listener.close()
        said = [open_receipt(r, lab.folder + "/state") for r in got]
        case.equal([s["result"] for s in said], ["applied"] * 3, "receipts")
        case.equal(got[2], got[0], "the repeat's")
        case.equal(said[1]["state"]["open"], ["CV-1"], "the state")


@cases.case("silence of the vendor is a fault, and a metric that an alarm can be made of, until it is heard again",
            engine=True)
def silent(case):
    with Lab(case) as lab:
        web = "127.0.0.1:%d" % (PORT + 1)
        at = Alerted(case, lab, udp={"listen": "127.0.0.1:%d" % PORT}, stale_seconds=2,
                     settings={"web": {"listen": web, "plain": "true"}})

        def metrics():
            done = subprocess.run(["ip", "netns", "exec", lab.namespace("server"), "curl", "-sf",
                                   "http://%s/metrics" % web], stdout=subprocess.PIPE, check=True)
            return dict(line.rsplit(" ", 1) for line in done.stdout.decode().splitlines() if line[0] != "#")

        def heard(count):
            said = at.receipt(at.socat("UDP:127.0.0.1:%d" % PORT, at.vendor.alert("ping")))
            case.equal(said["result"], "applied", "ping %d" % count)
            until("it is heard", lambda: metrics()["cordon_alerts_applied_total"] == str(count))
        heard(1)
        last = float(metrics()["cordon_alerts_last_heard_timestamp_seconds"])
        case.check(abs(last - time.time()) < 60, "when it was heard", last)
        until("the silence is a metric", lambda: metrics()["cordon_alerts_stale"] == "1")
        faults = [e["why"] for e in at.control.events("fault") if e["what"] == "alerts"]
        case.equal(faults, ["nothing was heard of the vendor for too long"], "told once")
        case.check(at.control.ask("status")["alerts"]["stale"], "and in the status")
        heard(2)
        until("it is over, or it is silent again", lambda: float(
            metrics()["cordon_alerts_last_heard_timestamp_seconds"]) > last)
        at.control.stop()
        at.control.start()
        until("the silence is found again after a restart", lambda: metrics()["cordon_alerts_stale"] == "1")


if __name__ == "__main__":
    cases.main()
