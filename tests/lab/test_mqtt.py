#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Alerts by way of Debian's MQTT broker and its clients: TLS and passwords, retained state, what came while
the gateway was away, a broker that goes and comes back."""
import contextlib
import socket
import ssl

from labalerts import PORT, Alerted
from labbroker import Broker
from labcontrol import Control
from labfleet import Corner
from lablib import PATIENCE, Cases, Lab, until
from labvendor import Vendor, openssl

cases = Cases()


def receipts(at, listener, count):
    def there():
        lines = listener.text().splitlines()
        return lines if len(lines) >= count else None
    lines = until("%d receipts" % count, there)
    return [at.receipt(line.encode()) for line in lines]


def wait_connected(control, wanted=True):
    until("connected: %s" % wanted,
          lambda: control.ask("status")["channels"]["mqtt"]["connected"] == wanted)


@cases.case("MQTT over TLS: a seal for all, for a group, for this gateway; what is not signed is not answered",
            engine=True)
def published(case):
    with Lab(case) as lab:
        broker = Broker(lab)
        at = Alerted(case, lab, mqtt=broker.settings(), groups="[mx]")
        listener = broker.listen("cordon/acme/gateways/lab/receipts")
        wait_connected(at.control)
        broker.publish("cordon/acme/alerts", b"{}")
        broker.publish("cordon/acme/alerts", b"\x00" * 100000)
        broker.publish("cordon/acme/gateways/other/alerts", at.vendor.alert(
            "seal", virus_id="CV-0", seal={"mode": "hold"}))
        for number, topic in enumerate(("alerts", "groups/mx/alerts", "gateways/lab/alerts"), 1):
            broker.publish("cordon/acme/" + topic, at.vendor.alert(
                "seal", virus_id="CV-%d" % number, seal={"mode": "hold"}))
        said = receipts(at, listener, 3)
        case.equal([s["state"]["open"] for s in said],
                   [["CV-1"], ["CV-1", "CV-2"], ["CV-1", "CV-2", "CV-3"]], "receipts")
        status = at.control.ask("status")
        case.equal(status["channels"]["mqtt"]["received"], 5, "received")
        case.equal(status["channels"]["mqtt"]["answered"], 3, "answered")
        case.equal(sum(status["alerts"]["refused"].values()), 2, "refused")


def another_authority(broker):
    """Its certificate, which says all that the broker's own says."""
    for name in ("other.key", "other.crt"):
        broker.write(name, "")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", broker.file("other.key"), "-out", broker.file("other.crt"), "-subj",
            "/CN=other", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    return broker.file("other.crt")


@cases.case("a broker of another authority, and one that does not know us, are not listened to",
            engine=True)
def strangers(case):
    with Lab(case) as lab:
        broker = Broker(lab)
        at = Alerted(case, lab, mqtt=broker.settings(ca=another_authority(broker)))

        def status():
            return at.control.ask("status")["channels"]["mqtt"]
        until("tried twice", lambda: status()["failed"] >= 2)
        case.check(not status()["connected"] and status()["why"] != "", "not connected", status())
        at.control.stop()
        broker.write("password", "guess\n")
        at.control = Control(lab, alerts={"root": at.vendor.folder + "/root.json",
                                          "mqtt": broker.settings()})
        until("tried twice", lambda: status()["failed"] >= 2)
        case.check("refused" in status()["why"].lower(), "not let in", status())


FAR = """table inet far { chain c { type filter hook input priority 0;
tcp dport %d tcp flags & (syn | ack) == syn counter drop; }; }""" % PORT


@cases.case("a broker that is far away: a connection that takes its time is made or refused, not waited for",
            engine=False)
def far(case):
    with Lab(case) as lab:
        broker = Broker(lab)

        def nft(*arguments, **options):
            status, text = lab.run("server", ["nft", *arguments], **options)
            case.equal(status, 0, text)
            return text

        def lose_first_syn(meanwhile):
            nft("-f", "-", input=FAR.encode())
            made = meanwhile()
            until("a lost SYN", lambda: "packets 0" not in nft("list", "table", "inet", "far"))
            nft("delete", "table", "inet", "far")
            return made
        vendor = Vendor(lab.folder)
        control = lose_first_syn(lambda: Control(Corner(lab, "far"), alerts={
            "root": vendor.write_root(), "mqtt": broker.settings()}))

        def mqtt():
            return control.ask("status", status=1)["channels"]["mqtt"]
        until("connected", lambda: mqtt()["connected"])
        case.equal(mqtt()["failed"], 0, "attempts that were given up")
        lose_first_syn(broker.process.stop)
        failed = mqtt()["failed"]
        until("refused", lambda: mqtt()["failed"] > failed)
        case.check("refused" in mqtt()["why"].lower(), "why", mqtt())
        broker.start()
        until("connected again", lambda: mqtt()["connected"])


DEAD = """table inet dead { chain c { type filter hook input priority 0;
ip6 daddr ::1 tcp dport %d counter drop; }; }""" % PORT


class Named(Corner):
    """Where two names lead to the broker, and first to an address that is dead."""

    def start(self, where, name, arguments):
        hosts = self.folder + "/hosts"
        with open(hosts, "w") as f:
            f.write("::1 localhost other.example\n127.0.0.1 localhost other.example\n")
        return super().start(where, name, [
            "unshare", "-m", "sh", "-c", "mount --bind %s /etc/hosts && exec \"$@\"" % hosts, "-", *arguments])


def named_server(lab, broker):
    """How the next client that speaks TLS calls the server."""
    names = []
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(broker.file("crt"), broker.file("key"))
    tls.sni_callback = lambda _socket, name, _tls: names.append(name)
    with lab.inside("server"):
        listener = socket.create_server(("127.0.0.1", PORT))
    with listener:
        listener.settimeout(PATIENCE)
        while not names:
            with listener.accept()[0] as peer, contextlib.suppress(OSError):
                tls.wrap_socket(peer, server_side=True).close()
    return names[0]


@cases.case("a broker whose first address is dead: the next one is taken, and the certificate is the name's",
            engine=False)
def dead_first(case):
    with Lab(case) as lab:
        broker = Broker(lab)
        status, text = lab.run("server", ["nft", "-f", "-"], input=DEAD.encode())
        case.equal(status, 0, text)
        vendor = Vendor(lab.folder)

        def start(folder, host, **more):
            return Control(Named(lab, folder), alerts={
                "root": vendor.write_root(),
                "mqtt": broker.settings(broker="%s:%d" % (host, PORT), **more)})

        def mqtt(control):
            return control.ask("status", status=1)["channels"]["mqtt"]
        control = start("right", "localhost")
        until("connected", lambda: mqtt(control)["connected"])
        case.equal(mqtt(control)["failed"], 0, "attempts that were given up")
        _, text = lab.run("server", ["nft", "list", "table", "inet", "dead"])
        case.check("packets 0" not in text, "the dead address was asked", text)
        broker.process.stop()
        case.equal(named_server(lab, broker), "localhost", "the server's name, to the server")
        broker.start()
        until("connected again", lambda: mqtt(control)["connected"])
        control.stop()
        for folder, host, more in (("name", "other.example", {}),
                                   ("authority", "localhost", {"ca": another_authority(broker)})):
            control = start(folder, host, **more)
            until("tried twice", lambda: mqtt(control)["failed"] >= 2)
            case.check(not mqtt(control)["connected"], "another's certificate", mqtt(control))
            control.stop()


@cases.case("a gateway that starts now learns from retained messages what holds now, and answers once",
            engine=True)
def retained(case):
    with Lab(case) as lab:
        broker = Broker(lab, tls=False)
        vendor = Vendor(lab.folder)
        root = vendor.root()
        state = [vendor.alert("seal", virus_id="CV-%d" % n, seal={"mode": "hold"})
                 for n in range(1, 4)]
        broker.publish("cordon/acme/alerts", b"\n".join(state) + b"\n", "-r")
        listener = broker.listen("cordon/acme/gateways/lab/receipts")
        at = Alerted(case, lab, vendor=(vendor, root), mqtt=broker.settings())
        said = receipts(at, listener, 3)
        case.equal(said[-1]["state"]["open"], ["CV-1", "CV-2", "CV-3"], "sealed by what was retained")
        broker.process.stop()
        wait_connected(at.control, False)
        broker.start()
        wait_connected(at.control)
        broker.publish("cordon/acme/alerts", b"\n".join(state[:2]) + b"\n", "-r")
        broker.publish("cordon/acme/alerts", state[2])
        until("a repeat", lambda: "repeated" in [e["result"] for e in at.control.events("alert")])
        results = [e["result"] for e in at.control.events("alert")]
        case.check(set(results[:3]) == {"applied"} and set(results[3:]) == {"repeated"},
                   "applied once", results)


@cases.case("what is published while the gateway is away is there when it is back; a dead broker is no fault "
            "of the other channels", engine=True)
def away(case):
    with Lab(case) as lab:
        broker = Broker(lab, tls=False)
        at = Alerted(case, lab, mqtt=broker.settings(receipts="fleet/lab"),
                     udp={"listen": "127.0.0.1:%d" % PORT})
        listener = broker.listen("fleet/lab")
        wait_connected(at.control)
        at.control.kill()
        seal = at.vendor.alert("seal", virus_id="CV-1", seal={"mode": "hold"})
        broker.publish("cordon/acme/alerts", seal)
        at.control.start()
        case.equal(receipts(at, listener, 1)[0]["state"]["open"], ["CV-1"], "the queued one")
        same = at.socat("UDP:127.0.0.1:%d" % PORT, seal)
        case.equal(same.decode(), listener.text().splitlines()[0], "one receipt over both channels")
        broker.process.stop()
        wait_connected(at.control, False)
        said = at.receipt(at.socat("UDP:127.0.0.1:%d" % PORT, at.vendor.alert("ping")))
        case.equal(said["result"], "applied", "UDP goes on")
        case.check(at.control.ask("status")["channels"]["mqtt"]["why"] != "", "why it is away")


if __name__ == "__main__":
    cases.main()
