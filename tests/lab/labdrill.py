# SPDX-License-Identifier: BSD-3-Clause
"""The outbreak drill: a whole outbreak, from the first sample to the last released mail, ordered by a vendor over
any alert channel while mail flows between two real Postfixes. Every step is timed, every mail is accounted for."""
import base64
import datetime
import json
import os
import subprocess
import time

import labmail
from labbroker import Broker
from labcontrol import Control, spool_settings
from labfleet import FILES, TCP_IN, WEB, Corners, VendorServer, run
from labgateway import Gateway
from lablib import SERVER, Failed, until
from laboutbreak import NEW_NAME, NEW_VIRUS, new_signature
from labpostfix import Relay, Server
from labtraffic import Fates, Traffic

CHANNELS = ("https", "pull", "tcp", "udp", "snmp", "mqtt", "mail")
ID, GROUP, AT = "CV-2026-1", "mx", "127.0.0.1:7810"
OURS, RECEIPTS = "alerts@lab.example", "receipts@lab.example"
SNMP_USER = 'createUser %s vendor SHA "authentication" AES "privacy phrase"\n'
APART = "virtual_mailbox_maps = inline:{{%s=receipts/}} static:all/\n" % RECEIPTS
SEALED, CURED = 0.35, 0.6  # of the clean mail has been sent when the seal and the signature come
BEFORE_SEAL, BEFORE_END = 0.45, 0.9  # of it is sent at most before the seal is in force, before the end


def merge(into, more):
    """Settings of several channels: each has sections of its own."""
    for name, value in more.items():
        if isinstance(value, dict):
            merge(into.setdefault(name, {}), value)
        else:
            into[name] = value


class Drill:
    """One gateway, its vendor, a sender and a server. channel: one of them, or several with commas between them, which
    the orders take in turn (not mail, whose vendor is elsewhere). tell: is called with each step's text."""

    def __init__(self, lab, channel="https", tell=print):
        self.lab, self.say = lab, tell
        self.ways = [(name, getattr(self, "over_" + name)) for name in channel.split(",")]
        self.channel, self.orders = channel, 0
        self.steps = []
        self.server = Server(lab, extra=APART)
        self.relay = Relay(lab, patience=60)
        vendor, gateway, control = {}, {}, {}
        self.channels = []
        for _, settings in self.ways:
            *told, channels = settings()
            for into, more in zip((vendor, gateway, control), told):
                merge(into, more)
            self.channels.append(channels)
        self.gateway = Gateway(lab, **spool_settings(lab), **gateway)
        self.vendor = VendorServer(lab, **vendor)
        os.unlink(self.vendor.file("sigs/test.ndb"))
        with lab.inside("server"):
            files = subprocess.Popen(["python3", "-m", "http.server", "-d", self.vendor.file("www"), "-b",
                                      "127.0.0.1", str(FILES)], stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
        lab.closing.callback(files.wait)
        lab.closing.callback(files.kill)
        lab.wait_listening("server", FILES)
        settings = self.filled(control)
        settings["alerts"].update(root=self.vendor.file("root.json"), groups="[%s]" % GROUP)
        self.control = Control(lab, sources=[lab.folder + "/lab.ndb", lab.folder + "/lab.hsb"], **settings)
        corners = Corners(lab, self.vendor)
        corners.controls["lab"] = self.control
        corners.enrol("lab", self.channels[0], group=GROUP)

    # ---- channels: what vendor, dataplane, control process and the vendor's registry are told --------

    def filled(self, control):
        """The TLS files of the vendor, which exist by now."""
        text = json.dumps(control).replace("@crt", self.vendor.file("tls.crt"))
        return json.loads(text.replace("@key", self.vendor.file("tls.key")))

    def write(self, name, text):
        with open(os.path.join(self.lab.folder, name), "w") as f:
            f.write(text)
        return f.name

    def over_https(self):
        return {}, {}, {"alerts": {"https": {"listen": AT, "certificate": "@crt", "key": "@key"}}}, [
            {"kind": "https", "url": "https://%s/v1/alerts" % AT}]

    def over_pull(self):
        return {}, {}, {"alerts": {"pull": {
            "url": "http://127.0.0.1:%d/feed" % FILES, "ca": "@crt", "interval_seconds": 1,
            "receipts": "https://127.0.0.1:%d/v1/receipts" % WEB}}}, [{"kind": "pull"}]

    def over_tcp(self):
        return {}, {}, {"alerts": {"tcp": {"connect": "127.0.0.1:%d" % TCP_IN}}}, [{"kind": "tcp-in"}]

    def over_udp(self):
        return {}, {}, {"alerts": {"udp": {"listen": AT}}}, [{"kind": "udp", "address": AT}]

    def over_snmp(self):
        users = self.write("snmp-users", SNMP_USER % "")
        return {"snmp": {"users": users}}, {}, {"alerts": {"snmp": {"listen": AT, "users": users}}}, [
            {"kind": "snmp", "address": AT}]

    def over_mqtt(self):
        broker = Broker(self.lab).settings()
        return {"mqtt": dict(broker, repeat_seconds=1)}, {}, {"alerts": {"mqtt": broker}}, [{"kind": "mqtt"}]

    def over_mail(self):
        folder = self.server.mail + "/receipts"
        for name in ("", "/new", "/cur", "/tmp"):
            os.mkdir(folder + name)
            os.chown(folder + name, 65534, 65534)
        return {"where": "client", "mail": {"host": SERVER, "from": "vendor@client.example", "maildir": folder,
                                            "repeat_seconds": 5}}, {"alerts": {"recipient": OURS}}, {
            "alerts": {"mail": {"recipient": OURS, "receipts": RECEIPTS}},
            "notify": {"host": SERVER, "from": "gateway@lab.example"}}, [{"kind": "mail", "address": OURS}]

    # ---- the story -------------------------------------------------------------------------------

    def now(self):
        return time.time() - self.traffic.begun

    def step(self, what, took=None):
        self.steps.append((self.now(), what, took))
        self.say("%7.2f s  %-72s %s" % (self.now(), what, "" if took is None else "%8.3f s" % took))

    def order(self, what, order, seconds=90):
        """Sends an alert; it is done when the gateway's signed receipt is back and it is in force: on a busy machine
        the receipt may say that the dataplane has not answered yet."""
        way = self.orders % len(self.ways)
        self.orders += 1
        if len(self.ways) > 1:
            self.vendor.ask("PUT", "/v1/gateways/lab", {"channels": self.channels[way]})
        began = time.time()
        alert = self.vendor.post(dict(order, virus_id=ID, target="group:" + GROUP)
                                 if order["type"] != "update" else dict(order, target="group:" + GROUP))

        def receipt():
            found = self.vendor.ask("GET", "/v1/receipts?alert=" + alert["digest"])[1]["receipts"]
            return found and json.loads(base64.b64decode(json.loads(found[0]["envelope"])["payload"]))
        said = until("the receipt of " + what, receipt, seconds)
        if said["result"] != "applied":
            raise Failed("%s: %s" % (what, said))
        if not said["state"]["in_force"]:
            until(what + " in force", lambda: self.control.ask("status")["in_force"], seconds)
        self.ordered = (what + ": signed, sent by %s, in force, receipt back" % self.ways[way][0], time.time() - began)
        if order["type"] != "update":  # whose steps are told first
            self.step(*self.ordered)
        return began

    def quarantined(self):
        return len(self.control.held("quarantine"))

    def run(self, clean=1000, infected=50, seconds=60):
        """The whole story; returns what became of the mails."""
        self.traffic = Traffic(self.lab, clean, (clean + infected) / seconds)
        self.lab.closing.callback(self.traffic.stop)
        self.parts = [infected // 5, infected // 2, 0]
        self.parts[2] = infected - sum(self.parts)
        self.sample = labmail.noise(9000, 1) + NEW_VIRUS + labmail.noise(4000, 2)
        self.traffic.allow(BEFORE_SEAL)
        self.traffic.start()
        self.step("mail flows, %d a second; elsewhere a new virus breaks out: the vendor has a sample"
                  % round((clean + infected) / seconds))
        self.traffic.wait_share(0.12)
        self.screened()
        self.traffic.wait_share(SEALED)
        self.sealed()
        self.traffic.wait_share(CURED)
        self.traffic.wait_infected(self.parts[0] + self.parts[1])
        self.cured()
        self.after()
        return self.verdict()

    def screened(self):
        with open(self.lab.folder + "/sample.bin", "wb") as f:
            f.write(self.sample)
        began = time.time()
        entries = json.loads(run("screen", "-i", ID, "--name", "Drill.Sample", self.lab.folder + "/sample.bin"))
        self.step("checksums of the sample: %d entries" % len(entries), time.time() - began)
        self.first = self.order("checksum alert", {"type": "screen", "screen": entries})
        self.traffic.infect([self.sample] * self.parts[0], "sample")
        until("screening hits", self.quarantined, 60)
        hit = self.of_quarantine()[0]
        self.step("the first infected mail is stopped by its checksum",
                  hit - self.traffic.sent["sample-0"].given if "sample-0" in self.traffic.sent else None)
        until("all screening hits", lambda: self.quarantined() >= self.parts[0], 60)
        self.step("screening: %d of %d copies of the sample are in quarantine"
                  % (self.quarantined(), self.parts[0]))

    def of_quarantine(self):
        """When mails came there."""
        return sorted(seconds(e["time"]) for e in self.gateway.events("mail")
                      if e["verdict"] == "suspect" and e["action"] == "quarantine")

    def sealed(self):
        self.step("variants appear, whose checksums nobody knows")
        self.seal_began = self.order("seal alert, mode hold", {"type": "seal", "seal": {"mode": "hold"}})
        self.before_seal = len(self.of_server())
        self.traffic.allow(BEFORE_END)
        half = self.parts[1] // 2
        self.traffic.infect([self.sample] * half, "sealed")
        self.traffic.infect([self.variant(i) for i in range(self.parts[1] - half)], "variant")
        began = time.time()
        until("mail is held", self.control.held, 60)
        self.step("mail is held: encrypted, durable, its sender was told 250", time.time() - began)

    def variant(self, number):
        return labmail.noise(5000 + 700 * number, 100 + number) + NEW_VIRUS + labmail.noise(300, number)

    def of_server(self):
        """Names of what has arrived."""
        folder = self.server.mail + "/all/new"
        return os.listdir(folder) if os.path.isdir(folder) else []

    def cured(self):
        self.most_held = self.control.ask("status")["mail"]["held"]
        self.step("%d mails are held, %d more have reached the server since the seal" % (
            self.most_held, len(self.of_server()) - self.before_seal))
        os.makedirs(self.vendor.file("sigs/selftest"))
        for name, data in (("new.ndb", ("#cordon: virus_id=%s\n" % ID + new_signature()).encode()),
                           ("selftest/%s.b64" % ID, base64.b64encode(self.variant(0)))):
            with open(self.vendor.file("sigs/" + name), "wb") as f:
                f.write(data)
        self.step("the vendor has a signature, tried against sample and variant")
        update = self.order("update alert", {"type": "update", "update": {"version": "2026.1"}}, 180)
        until("the seal has ended", lambda: not self.control.ask("status")["sealed"], 120)
        # What was held goes out while it ends, and after that.
        until("what was held has gone", lambda: not self.control.ask("status")["mail"].get("held"), 120)
        self.tell_release(update)

    def tell_release(self, update):
        """What the control process wrote down of rescan and release, by its own clock."""
        events = [e for e in self.control.events() if seconds(e["time"]) >= update]
        out = [e for e in events if e["event"] == "release" and e.get("action") == "deliver"]
        found = [e for e in events if e["event"] == "quarantine" and NEW_NAME in e.get("signatures", [])]
        over = [e for e in events if e["event"] == "unseal"]
        for what, some in (("rescan: %d held mails are infected, by name; they are in quarantine", found),
                           ("release: %d clean mails delivered", out),
                           ("the seal ends: the rules in force cover %s" % ID, over)):
            if not some:
                raise Failed("nothing of this: " + what)
            last = seconds(some[-1]["time"])
            self.steps.append((last - self.traffic.begun, what, last - update))
            self.say("%7.2f s  %-72s %8.3f s" % (last - self.traffic.begun,
                                                 what % len(some) if "%d" in what else what, last - update))
        self.released = last
        self.step(*self.ordered)

    def after(self):
        before = self.traffic.clean_given
        self.traffic.infect([self.sample if i % 2 else self.variant(50 + i) for i in range(self.parts[2])], "late")
        self.traffic.finish()
        self.relay.wait_empty(120, flush_every=1)
        until("nothing is held", lambda: not self.control.held(), 120)
        self.server.wait_empty(60)
        self.step("open again: %d clean mails flowed on, %d infected ones were refused at the door" % (
            self.traffic.clean_given - before, sum(s[1] == "bounced" for s in self.relay.statuses())))

    def verdict(self):
        fates = Fates(self.traffic, self.server, self.control, self.relay)
        judged = fates.judge()
        judged["senders' failures"] = self.traffic.faults
        judged["packets lost by the gateway"] = ["%d" % self.gateway.stats()["tx_dropped"]] \
            if self.gateway.stats()["tx_dropped"] else []
        return fates, judged


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
