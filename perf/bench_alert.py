#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""From the vendor's send to the last worker diverting: perf/bench_alert.py [--quick] [CHANNEL...]

A gateway as it is installed: cordon-dataplane with two workers between the lab's network namespaces,
cordon-control beside it, alerts over each channel by plain clients. An alert counts from the moment before
its first byte is sent until the dataplane's `seal` event, which is timed when each worker has said that it
goes by the new seals, or naps: then it does so before all else. TCP and HTTPS have a connection that stays; tcp-fresh and https-fresh have a new one for each
alert, and what it takes to connect, and to agree on keys, counts. Rows with `arrival` begin when the kernel of the
gateway has the alert's last byte, which is what the gateway can do something about. What the machine's scheduler costs of that is measured at the same time: bench_wake sends
pings through as many threads that do nothing but wake each other. All of it twice: as any program among
others (alert/...), and with a priority of its own (alert-first/...), which is what the option `priority` is for.
"""
import contextlib
import http.client
import http.server
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests/lab"))

# pylint: disable=wrong-import-position
import labmail
from labcontrol import Control, spool_settings
from labgateway import Gateway
from lablib import BUILD, Case, Lab, lab_missing, until
from labpostfix import Server
from labvendor import Vendor, openssl

HTTPS, TCP, UDP, SNMP, MQTT, FEED = range(7901, 7907)
PORTS = {"udp": (None, UDP), "tcp": (None, TCP), "tcp-fresh": (None, TCP), "https": (None, HTTPS),
         "https-fresh": (None, HTTPS), "snmp": (None, SNMP), "mqtt": (MQTT, None), "pull": (FEED, None)}
OURS = "alerts@lab.example"
PRIORITY = 5


def row(name, value, unit, against=None, peer=None):
    line = {"name": name, "value": value, "unit": unit}
    if peer:
        line.update(against=against, peer=peer, ratio=peer / value)
    print(json.dumps(line), flush=True)


def share(values, part):
    values = sorted(values)
    return values[min(int(len(values) * part), len(values) - 1)]


class Pings:
    """What bench_wake finds while something else is measured: p50, p99, p99.9 and the longest, in ms."""

    def __init__(self, priority):
        self.priority = str(priority)

    def __enter__(self):
        self.child = subprocess.Popen([BUILD + "/perf/bench_wake", "-f", "-p", self.priority, "-m", "15"],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.found = []
        return self

    def __exit__(self, *_):
        self.found = [float(n) for n in self.child.communicate()[0].split()]


# ---- the least that a client has to be ----------------------------------------------------------

def ber(tag, data):
    size = len(data)
    return bytes([tag]) + (bytes([size]) if size < 128 else b"\x82" + struct.pack(">H", size)) + data


def oid(text):
    numbers = [int(n) for n in text.split(".")]
    out = bytes([numbers[0] * 40 + numbers[1]])
    for number in numbers[2:]:
        part = [number & 127]
        while number > 127:
            number >>= 7
            part.insert(0, 128 | (number & 127))
        out += bytes(part)
    return ber(6, out)


def trap(alert):
    """An SNMPv2-Trap-PDU (RFC 3416) of community `alerts`."""
    def bound(name, value):
        return ber(0x30, oid(name) + value)
    base = "1.3.6.1.4.1.32473.1"
    bindings = (bound("1.3.6.1.2.1.1.3.0", ber(0x43, b"\x01")) +
                bound("1.3.6.1.6.3.1.1.4.1.0", oid(base + ".0.1")) + bound(base + ".1.4", ber(4, alert)))
    number = ber(2, b"\x01")
    pdu = ber(0xa7, number + ber(2, b"\x00") + ber(2, b"\x00") + ber(0x30, bindings))
    return ber(0x30, ber(2, b"\x01") + ber(4, b"alerts") + pdu)


class Mqtt:
    """Publishes with QoS 1 (MQTT 3.1.1)."""

    def __init__(self, link):
        self.socket = link
        body = b"\x00\x04MQTT\x04\x02\x00\x3c\x00\x05bench"
        self.socket.sendall(b"\x10" + bytes([len(body)]) + body)
        assert self.socket.recv(4)[3] == 0, "the broker does not want us"
        self.number = 0

    def publish(self, topic, data):
        self.number += 1
        body = struct.pack(">H", len(topic)) + topic + struct.pack(">H", self.number) + data
        size, left = b"", len(body)
        while True:
            size += bytes([left % 128 | (128 if left > 127 else 0)])
            left //= 128
            if left == 0:
                break
        self.socket.sendall(b"\x32" + size + body)


class Feed(http.server.BaseHTTPRequestHandler):
    """A feed whose answer is held until there is something new (RFC 7240, Prefer: wait)."""
    protocol_version = "HTTP/1.1"
    lines, waiting, changed = [], 0, threading.Condition()

    def log_message(self, *_):
        pass

    def do_GET(self):  # pylint: disable=invalid-name
        known = self.headers.get("If-None-Match", "").strip('"')
        with self.changed:
            Feed.waiting += 1
            self.changed.wait_for(lambda: str(len(self.lines)) != known, timeout=20)
            Feed.waiting -= 1
            body, tag = b"\n".join(self.lines[-3:]) + b"\n", str(len(self.lines))
        self.send_response(200)
        self.send_header("ETag", '"%s"' % tag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):  # at the end
            self.wfile.write(body)

    @classmethod
    def add(cls, line):
        with cls.changed:
            cls.lines.append(line)
            cls.changed.notify_all()


# ---- when it arrived ----------------------------------------------------------------------------

class Arrivals:
    """What passes in the gateway's namespace, with the time at which the kernel took it."""
    STAMP = 35  # SO_TIMESTAMPNS, which comes as SCM_TIMESTAMPNS
    LEAST = 64  # bytes of what may be the end of an alert: not an acknowledgement of the protocol

    def __init__(self, lab):
        with lab.inside("server"):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        self.socket.setsockopt(socket.SOL_SOCKET, self.STAMP, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind(("lo", 0x0800))
        self.socket.setblocking(False)

    @staticmethod
    def payload(packet):
        """Ports and bytes of what an IPv4 packet of TCP or UDP carries."""
        head = (packet[0] & 15) * 4
        ports = struct.unpack_from(">HH", packet, head)
        head += (packet[head + 12] >> 4) * 4 if packet[9] == socket.IPPROTO_TCP else 8
        return ports, struct.unpack_from(">H", packet, 2)[0] - head

    def last(self, ports, before):
        """When the last one of these (from, to; None: any) came before this time. Forgets all."""
        found = None
        with contextlib.suppress(BlockingIOError):
            while True:
                packet, more, _, address = self.socket.recvmsg(128, 64)
                if address[2] == socket.PACKET_OUTGOING or packet[9] not in (6, 17):
                    continue
                its, size = self.payload(packet)
                seconds, ns = struct.unpack("qq", more[0][2])
                when = seconds + ns / 1e9
                if size >= self.LEAST and when < before and all(p in (None, i) for p, i in zip(ports, its)):
                    found = when
        return found


# ---- the gateway ---------------------------------------------------------------------------------

class Bench:
    """A gateway that takes alerts by all channels, and connections of this process to it."""

    def __init__(self, lab, priority):
        self.lab, self.vendor, self.generation = lab, Vendor(lab.folder), 0
        self.tls = lab.folder + "/tls"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", self.tls + ".key", "-out", self.tls + ".crt", "-days", "2", "-subj",
                "/CN=lab", "-addext", "subjectAltName=IP:127.0.0.1")
        self.trust = ssl.create_default_context(cafile=self.tls + ".crt")
        for name, text in (("community", "alerts\n"),
                           ("broker", "listener %d 127.0.0.1\nallow_anonymous true\n"
                                      "persistence false\nset_tcp_nodelay true\n" % MQTT)):
            with open(lab.folder + "/" + name, "w") as f:
                f.write(text)
        lab.start("server", "broker", ["mosquitto", "-c", lab.folder + "/broker"])
        lab.wait_listening("server", MQTT)
        self.server = Server(lab)
        self.gateway = Gateway(lab, workers=2, idle={"sleep_us": 50}, priority=priority,
                               alerts={"recipient": OURS, "parts": "true"}, **spool_settings(lab))
        with lab.inside("server"):
            self.feed = http.server.ThreadingHTTPServer(("127.0.0.1", FEED), Feed)
        threading.Thread(target=self.feed.serve_forever, daemon=True).start()
        here = "127.0.0.1:%d"
        # In memory, as /run is, and what is put beside it.
        run = tempfile.mkdtemp(prefix="cordon-", dir="/dev/shm" if os.path.isdir("/dev/shm") else lab.folder)
        lab.closing.callback(shutil.rmtree, run, ignore_errors=True)
        self.control = Control(lab, priority=priority, socket=run + "/control.sock", alerts={
            "root": self.vendor.write_root(), "seals_per_hour": 100000,
            "https": {"listen": here % HTTPS, "certificate": self.tls + ".crt",
                      "key": self.tls + ".key", "per_minute": 1000000},
            "tcp": {"listen": here % TCP}, "udp": {"listen": here % UDP},
            "pull": {"url": "http://" + here % FEED, "wait_seconds": 30, "interval_seconds": 1},
            "snmp": {"listen": here % SNMP, "community": lab.folder + "/community"},
            "mqtt": {"broker": here % MQTT, "plain": "true", "topics": "[cordon/alerts]"},
            "mail": {"recipient": OURS}})
        self.events = open(self.gateway.events_file, "rb")
        with lab.inside("server"):
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.arrivals = Arrivals(lab)
        self.tcp = self.https = self.mqtt = None
        until("the broker's client", lambda: self.control.ask("status")["channels"]["mqtt"][
            "connected"])

    def connect(self, channel):
        """A connection that stays, where the channel has one."""
        if channel == "mqtt":
            self.mqtt = Mqtt(self.link(MQTT))
        elif channel in ("tcp", "tcp-fresh"):
            self.tcp = self.link(TCP)
        elif channel in ("https", "https-fresh"):
            self.https = self.link_tls()

    def link_tls(self):
        return self.trust.wrap_socket(self.link(HTTPS), server_hostname="127.0.0.1")

    def connect_https(self):
        """The same for a client of the library's."""
        found = http.client.HTTPSConnection("127.0.0.1", HTTPS)
        found.sock = self.link_tls()
        return found

    def disconnect(self, channel):
        if channel in ("tcp", "tcp-fresh"):
            self.tcp.close()
        elif channel in ("https", "https-fresh"):
            self.https.close()

    def link(self, port):
        found = self.lab.connect("127.0.0.1", port, side="server")
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return found

    def send(self, channel, alert):
        if channel == "udp":
            self.udp.sendto(alert, ("127.0.0.1", UDP))
        elif channel in ("tcp", "tcp-fresh"):
            self.tcp.sendall(struct.pack(">I", len(alert)) + alert)
        elif channel in ("https", "https-fresh"):  # in one piece, as libcurl sends what is short
            self.https.sendall(b"POST /v1/alerts HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                               b"Content-Length: %d\r\n\r\n" % len(alert) + alert)
        elif channel == "snmp":
            self.udp.sendto(trap(alert), ("127.0.0.1", SNMP))
        elif channel == "mqtt":
            self.mqtt.publish(b"cordon/alerts", alert)
        elif channel == "pull":
            Feed.add(alert)
        else:
            self.mail(alert)

    def mail(self, alert):
        """The whole dialogue counts: the alert is on its way from the vendor's first byte on."""
        data = labmail.message("alert", [
            "MIME-Version: 1.0", "Content-Type: application/vnd.cordon.alert+json"], alert + b"\n")
        talk = labmail.Talk(self.lab)
        talk.envelope(to=OURS)
        talk.ask(b"DATA", 354)
        talk.send(data + b".\r\n")

    def drain(self, channel):
        """Answers that nobody looks at."""
        if channel in ("https", "https-fresh"):
            answer = http.client.HTTPResponse(self.https)
            answer.begin()
            answer.read()
        elif channel in ("tcp", "tcp-fresh", "udp"):
            link = self.udp if channel == "udp" else self.tcp
            link.settimeout(2)
            link.recv(65536)

    def next_seal(self):
        """When the dataplane says that all workers go by new seals, in seconds since the epoch."""
        end, line = time.monotonic() + 20, b""
        while time.monotonic() < end:
            line += self.events.readline()
            if not line.endswith(b"\n"):
                time.sleep(0.0005)
                continue
            event = json.loads(line)
            line = b""
            if event["event"] == "seal" and event["generation"] > self.generation:
                self.generation = event["generation"]
                return event["time"]
        raise AssertionError("no seal within 20 s")

    def measure(self, channel, count):
        """Milliseconds each: from the sender's first byte, and from the arrival of the last."""
        found, arrived = [], []
        is_fresh = channel.endswith("-fresh")
        self.connect(channel)
        for _ in range(count):
            alert = self.vendor.alert("seal", virus_id="CV-1", seal={"mode": "hold"})
            time.sleep(0.003)
            if channel == "pull":  # where it is nearly always
                until("the gateway waits for the feed", lambda: Feed.waiting > 0)
            if is_fresh:
                self.disconnect(channel)
            began = time.time()
            if is_fresh:
                self.connect(channel)
            self.send(channel, alert)
            sealed = seconds_of(self.next_seal())
            found.append((sealed - began) * 1000)
            came = self.arrivals.last(PORTS.get(channel, (0, 0)), sealed)
            if came is not None:
                arrived.append((sealed - came) * 1000)
            self.drain(channel)
        self.disconnect(channel)
        return found, arrived


def seconds_of(text):
    whole, _, rest = text.rstrip("Z").partition(".")
    return time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) - time.timezone + float("0." + (rest or "0"))


def run(bench, name, priority, counts):
    for channel, count in counts.items():
        with Pings(priority) as pings:
            found, arrived = bench.measure(channel, count)
        for part, text, ping in zip((0.5, 0.99, 0.999), ("p50", "p99", "p99.9"), pings.found):
            row("%s/%s/%s" % (name, channel, text), share(found, part), "ms", "wake-ups", ping)
            if arrived:
                row("%s/%s/arrival/%s" % (name, channel, text), share(arrived, part), "ms", "wake-ups", ping)
    bench.feed.shutdown()
    bench.feed.server_close()


def main():
    quick = "--quick" in sys.argv[1:]
    chosen = [a for a in sys.argv[1:] if a != "--quick"]
    why = lab_missing()
    if why:
        print("skipped: " + why)
        return
    counts = {"udp": 1000, "tcp": 1000, "https": 1000, "tcp-fresh": 300, "https-fresh": 300, "snmp": 1000,
              "mqtt": 1000, "pull": 40, "mail": 40}
    if quick:
        counts = {"udp": 40, "tcp": 40, "https": 40, "tcp-fresh": 20, "https-fresh": 20, "snmp": 40, "mqtt": 40,
                  "pull": 4, "mail": 3}
    for name, priority in (("alert", 0), ("alert-first", PRIORITY)):
        with Lab(Case("bench", None, True)) as lab:
            run(Bench(lab, priority), name, priority, {c: n for c, n in counts.items() if not chosen or c in chosen})


if __name__ == "__main__":
    main()
