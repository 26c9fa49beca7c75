#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The vendor's server over what is there already: an MQTT broker, SNMP, mail. What it says reaches real
gateways, and their receipts come back in the same way."""
import base64
import json
import subprocess

import labmail
from labbroker import Broker
from labcontrol import Control, spool_settings
from labfleet import Corner, Corners, VendorServer, run
from labgateway import Gateway
from lablib import SERVER, Cases, Lab, until
from labmail import message
from labpostfix import Server

cases = Cases()
SEAL = {"type": "seal", "seal": {"mode": "hold"}}
USER = 'createUser %s vendor SHA "authentication" AES "privacy phrase"\n'
ENGINE = "-e 0x80001f8804" + b"acme".hex()  # of the vendor, which is known by its name
OURS = "alerts@lab.example"


def seal(virus_id, **more):
    return dict(SEAL, virus_id=virus_id, **more)


def write(path, text):
    with open(path, "w") as f:
        f.write(text)
    return path


def clear(vendor, virus_id, **more):
    """An all-clear of two officers."""
    draft = vendor.post(dict(more, type="all-clear", virus_id=virus_id), status=202)
    path = write(vendor.file("clear.json"), draft["envelope"])
    run("countersign", path, "-k", vendor.file("officer2"))
    with open(path, "rb") as f:
        return vendor.post(f.read())


def delivered(vendor, alert):
    found = vendor.deliveries(alert)
    return found and set(found.values()) == {"delivered"}


def kinds(vendor, alert):
    found = vendor.ask("GET", "/v1/receipts?alert=" + alert["digest"])[1]["receipts"]
    return {r["gateway"]: r["channel"] for r in found}


def arrived(server, text):
    """In the Maildir that the vendor reads too."""
    return subprocess.run(["grep", "-rqF", text, server.mail + "/all"], check=False).returncode == 0


def snmp_fleet(lab):
    users = write(lab.folder + "/users", USER % "")
    community = write(lab.folder + "/community", "alerts\n")
    both = write(lab.folder + "/gateway-users", USER % "" + USER % ENGINE)
    vendor = VendorServer(lab, snmp={"users": users, "community": community})
    fleet = Corners(lab, vendor)
    for number, (name, more) in enumerate((
            ("inform3", {}), ("trap3", {"notify": "trap"}), ("inform2", {"version": "2c"}),
            ("trap2", {"version": "2c", "notify": "trap"}), ("inform6", {"user": "vendor"}))):
        host = "[::1]" if name == "inform6" else "127.0.0.1"
        at = "%s:%d" % (host, 7900 + number)
        fleet.corner(name, {"snmp": {"listen": '"%s"' % at, "users": both, "community": community}},
                     dict(more, kind="snmp", address=at))
    return fleet


@cases.case("SNMP informs and traps of versions 3 and 2c, over IPv4 and IPv6, long ones in pieces; receipts by "
            "GET", engine=False)
def snmp(case):
    with Lab(case) as lab:
        fleet = snmp_fleet(lab)
        vendor = fleet.vendor
        fleet.controls["inform2"].stop()
        first = vendor.post(seal("CV-1", target="group:all"))
        until("all but one", lambda: sorted(vendor.deliveries(first).values()) ==
              ["delivered"] * 4 + ["open"])
        case.equal(vendor.deliveries(first)["inform2"], "open", "the one that is away")
        until("why", lambda: vendor.ask("GET", "/v1/gateways/inform2")[1]["why"] == "snmp: no answer")
        fleet.controls["inform2"].start()
        until("that one too", lambda: delivered(vendor, first))
        case.equal(set(kinds(vendor, first).values()), {"snmp"}, "channels")
        long = vendor.post(seal("CV-2", target="group:all", info={"text": "long " * 20000}))
        until("a long one", lambda: delivered(vendor, long))
        case.equal({n: c.ask("alerts")["alerts"][0]["virus_id"] for n, c in fleet.controls.items()},
                   dict.fromkeys(fleet.controls, "CV-2"), "in pieces")
        boots = {n: c.ask("status", status=1)["channels"]["snmp"]["boots"]
                 for n, c in fleet.controls.items()}
        case.equal((boots["inform3"], boots["inform2"]), (1, 2), "the gateway's starts")
        for name in ("inform3", "trap3"):
            fleet.controls[name].stop()
            fleet.controls[name].start()
        vendor.process.stop()
        vendor.start()
        after = vendor.post(seal("CV-3", target="group:all"))
        until("after starts of both sides", lambda: delivered(vendor, after))


@cases.case("a user that the gateway does not know is told of, and nothing is believed", engine=False)
def snmp_strangers(case):
    with Lab(case) as lab:
        vendor = VendorServer(lab, snmp={"users": write(
            lab.folder + "/users", USER % "" + 'createUser other SHA "authentication" AES "privacy phrase"\n')})
        fleet = Corners(lab, vendor)
        users = write(lab.folder + "/gateway-users", USER % "")
        fleet.corner("gw", {"snmp": {"listen": "127.0.0.1:7900", "users": users}},
                     {"kind": "snmp", "address": "127.0.0.1:7900", "user": "other"})
        sent = vendor.post(seal("CV-1", target="gateway:gw"))
        until("why", lambda: "user" in vendor.ask("GET", "/v1/gateways/gw")[1]["why"])
        case.equal(vendor.deliveries(sent), {"gw": "open"}, "not delivered")
        case.equal(fleet.sealed(), {"gw": False}, "not sealed")
        for bad in ({"version": "1"}, {"notify": "mail"}, {"user": 3}, {"more": "x"}, {"address": "nowhere"}):
            channel = dict({"kind": "snmp", "address": "127.0.0.1:7900"}, **bad)
            case.equal(vendor.ask("PUT", "/v1/gateways/gw", {"channels": [channel]})[0], 422, str(bad))
        state = vendor.ask("GET", "/v1/gateways/gw")[1]["delivery"]["snmp"]
        case.check(state["sent"] > 0 and state["receipts"] == 0 and state["why"], "state", state)


@cases.case("an MQTT broker keeps what holds now for a fleet, by groups; a gateway that comes later learns it; "
            "a broker that has lost it is told again", engine=False)
def mqtt(case):
    with Lab(case) as lab:
        broker = Broker(lab)
        vendor = VendorServer(lab, mqtt=dict(broker.settings(), repeat_seconds=1))
        fleet = Corners(lab, vendor)

        def corner(name):
            fleet.corner(name, {"mqtt": broker.settings()}, {"kind": "mqtt"})
        corner("one")
        first = vendor.post(seal("CV-1", target="*"))
        group = vendor.post(seal("CV-2", target="group:all"))
        alone = vendor.post(seal("CV-3", target="gateway:one"))
        until("one", lambda: all(delivered(vendor, a) for a in (first, group, alone)))
        case.equal(kinds(vendor, group), {"one": "mqtt"}, "channel")
        corner("two")
        until("what is retained", lambda: delivered(vendor, first) and delivered(vendor, group))
        case.equal(fleet.controls["two"].ask("status", status=1)["seals"] and sorted(
            s["virus_id"] for s in fleet.controls["two"].ask("status", status=1)["seals"]),
            ["CV-1", "CV-2"], "what holds for it")
        applied = [e["result"] for e in fleet.controls["one"].events("alert")]
        case.equal(applied.count("applied"), 3, "each once")

        def retained(topic):
            status, text = lab.run("server", broker.client(
                "mosquitto_sub", "-t", "cordon/acme/" + topic, "-W", "1", "-i", "probe"))
            return [json.loads(base64.b64decode(json.loads(line)["payload"]))["type"]
                    for line in text.splitlines() if line.startswith("{")]
        case.equal(retained("groups/all/alerts"), ["seal"], "retained")
        broker.process.stop()
        until("the vendor has noticed", lambda: vendor.ask("GET", "/v1/status")[1]["faults"]["mqtt"] != "")
        status, metrics = vendor.ask("GET", "/metrics")
        case.check(status == 200 and b'cordon_vendor_channel_up{channel="mqtt"} 0' in metrics, "measured", metrics)
        lifted = clear(vendor, "CV-2", target="group:all")
        broker.start()  # with nothing of what it had
        until("all clear", lambda: delivered(vendor, lifted))
        case.equal(vendor.ask("GET", "/v1/status")[1]["faults"], {"mqtt": ""}, "nothing is wrong now")
        case.equal(retained("groups/all/alerts"), ["all-clear"], "what the new broker was told")
        case.equal(retained("gateways/one/alerts"), ["seal"], "and that")
        # What is sent just after a connection does not overtake what waited for it.
        broker.process.stop()
        waited = vendor.post(seal("CV-4", target="group:all"))
        broker.start()
        until("all are back", lambda: all(
            " as cordon-%s " % name in broker.process.text() for name in ("vendor-acme", "one")))
        late = vendor.post(seal("CV-5", target="*"))
        until("both", lambda: delivered(vendor, waited) and delivered(vendor, late))
        broker.publish("cordon/acme/gateways/nobody/alerts", b"{}", "-r")
        vendor.process.stop()
        vendor.start()
        until("what is not ours is gone", lambda: lab.run("server", broker.client(
            "mosquitto_sub", "-t", "cordon/acme/gateways/nobody/alerts", "-W", "1", "-i", "probe"))[1].count(
                "{}") == 0)


@cases.case("alerts are mailed through the gateway that they seal, and its receipts are mailed back",
            engine=True)
def mail(case):
    with Lab(case) as lab:
        server = Server(lab)
        gateway = Gateway(lab, **spool_settings(lab), alerts={"recipient": OURS})
        vendor = VendorServer(lab, where="client", mail={
            "host": SERVER, "from": "vendor@client.example", "maildir": server.mail + "/all",
            "repeat_seconds": 2})
        fleet = Corners(lab, vendor)
        alerts = {"root": vendor.file("root.json"), "mail": {
            "recipient": OURS, "receipts": "receipts@lab.example"}}
        fleet.controls["lab"] = Control(lab, alerts=alerts,
                                        notify={"host": SERVER, "from": "gateway@lab.example"})
        fleet.enrol("lab", [{"kind": "mail", "address": OURS}])
        far = Corner(lab, "far")
        fleet.controls["far"] = Control(far, name="far", alerts=dict(alerts))
        fleet.enrol("far", [{"kind": "mail", "address": "far@lab.example"}])
        sent = vendor.post(seal("CV-1", target="*"))
        until("a receipt by mail", lambda: vendor.deliveries(sent)["lab"] == "delivered")
        case.equal(vendor.deliveries(sent)["far"], "open", "whose mail nobody reads")
        case.check(fleet.controls["lab"].ask("status")["sealed"], "sealed")
        case.equal(labmail.send(lab, message("held", [], b"under the seal\n"))[0], 250, "held mail")
        lifted = clear(vendor, "CV-1", target="gateway:lab")
        until("all clear", lambda: delivered(vendor, lifted))
        case.equal(kinds(vendor, lifted), {"lab": "mail"}, "channel")
        until("what was held", lambda: arrived(server, "lab mail held"))
        case.check(gateway.running(), "the gateway")


if __name__ == "__main__":
    cases.main()
