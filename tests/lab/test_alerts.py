#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a vendor signs, over each channel, by clients that have nothing of ours: it seals the gateway, the
gateway answers with a signed receipt, and nothing that is not signed, new and meant for it does anything."""
import base64
import json
import socket
import struct
import subprocess
import threading

import labmail
from labcontrol import Control, spool_settings
from labgateway import Gateway
from lablib import Cases, Lab, until
from labmail import message
from labpostfix import Server
from labvendor import Vendor, open_receipt

cases = Cases()
PORT = 7700  # in a namespace of the lab's own, where control runs


class Alerted:
    """A gateway with its control process, and the vendor that it trusts."""

    def __init__(self, case, lab, **alerts):
        self.case, self.lab = case, lab
        self.vendor = Vendor(lab.folder)
        self.server = Server(lab)
        self.gateway = Gateway(lab, **spool_settings(lab))
        settings = {"root": self.vendor.write_root()}
        settings.update(alerts)
        self.control = Control(lab, alerts=settings)

    def socat(self, address, data, seconds=1):
        """What comes back within seconds."""
        done = subprocess.run(["ip", "netns", "exec", self.lab.namespace("server"), "socat",
                               "-b65536", "-t%d" % seconds, "-", address], input=data,
                              stdout=subprocess.PIPE, check=True)
        return done.stdout

    def receipt(self, data):
        return open_receipt(data, self.lab.folder + "/state")

    def sealed(self):
        return self.control.ask("status")["sealed"]


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


if __name__ == "__main__":
    cases.main()
