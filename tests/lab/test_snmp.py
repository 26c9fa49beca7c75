#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Alerts as SNMP notifications, by Debian's snmptrap, snmpinform, snmpget and snmpwalk: who is let in, what is
confirmed, long alerts in pieces, receipts by GET."""
import base64
import hashlib
import json
import os
import re
import shutil
import socket

from labalerts import PORT, Alerted
from lablib import ROOT, Cases, Lab, until

cases = Cases()
BASE = "1.3.6.1.4.1.32473.1"
ALERT, ID, SEGMENT, SEGMENTS, DATA = (BASE + ".0.1",) + tuple(BASE + ".1.%d" % n for n in range(1, 5))
RECEIPT = BASE + ".1.5.1.3"
ENGINE = "0x8000000001020304"  # of the vendor, whose traps are its own engine's
# What CORDON-MIB is written in terms of: that much of these modules is enough to read it.
SMI = """SNMPv2-SMI DEFINITIONS ::= BEGIN
org OBJECT IDENTIFIER ::= { iso 3 }
dod OBJECT IDENTIFIER ::= { org 6 }
internet OBJECT IDENTIFIER ::= { dod 1 }
private OBJECT IDENTIFIER ::= { internet 4 }
enterprises OBJECT IDENTIFIER ::= { private 1 }
Unsigned32 ::= INTEGER (0..4294967295)
END
"""
CONF = "SNMPv2-CONF DEFINITIONS ::= BEGIN\nEND\n"


class Snmp:
    """The gateway's users and community, and the programs of package snmp."""

    def __init__(self, lab):
        self.lab = lab
        self.users, self.community = lab.folder + "/users", lab.folder + "/community"
        with open(self.users, "w") as f:
            f.write('# as in snmptrapd.conf\ncreateUser vendor SHA "authentication" AES "privacy phrase"\n'
                    'createUser -e %s vendor SHA "authentication" AES "privacy phrase"\n' % ENGINE)
        with open(self.community, "w") as f:
            f.write("alerts\n")

    def settings(self, **more):
        found = {"listen": "127.0.0.1:%d" % PORT, "users": self.users}
        found.update(more)
        return found

    def run(self, program, *arguments, user="vendor", auth="authentication", level="authPriv",
            community=None, seconds=1):
        """(exit status, what was said)"""
        who = ["-v", "2c", "-c", community] if community else [
            "-v", "3", "-l", level, "-u", user, "-a", "SHA", "-A", auth, "-x", "AES", "-X",
            "privacy phrase"]
        if program == "snmptrap" and not community:
            who += ["-e", ENGINE]
        return self.lab.run("server", [program, "-m", "", "-On", *who, "-r", "1", "-t", str(seconds),
                                       *arguments], env=dict(os.environ, SNMPCONFPATH=self.lab.folder))

    def notify(self, program, alert, *more, **who):
        return self.run(program, "127.0.0.1:%d" % PORT, "", ALERT, *more, DATA, "s", alert.decode(),
                        **who)[0]

    def ask(self, program, name, **who):
        status, text = self.run(program, "127.0.0.1:%d" % PORT, name, **who)
        assert status == 0, text
        return text


def instance(column, alert):
    payload = base64.b64decode(json.loads(alert)["payload"])
    return "%s.%s" % (column, ".".join(str(b) for b in hashlib.sha256(payload).digest()))


def receipt_text(text):
    """What snmpget prints of a text with quotes in it."""
    return re.search(r"STRING: \"(.*)\"\s*$", text, re.S).group(1).replace('\\"', '"').encode()


@cases.case("SNMPv3: an inform seals and is confirmed, its receipt is asked for; a trap pings; nobody else "
            "gets in", engine=True)
def version_3(case):
    with Lab(case) as lab:
        snmp = Snmp(lab)
        at = Alerted(case, lab, snmp=snmp.settings())
        vendor = at.vendor
        seal = vendor.alert("seal", virus_id="CV-1", seal={"mode": "hold"})
        for what, who in {"another user": {"user": "somebody"}, "a wrong passphrase": {"auth": "guess-work"},
                          "no encryption": {"level": "authNoPriv"},
                          "a community": {"community": "public"}}.items():
            case.check(snmp.notify("snmpinform", seal, **who) != 0, "not by " + what)
        case.check(not at.sealed(), "none of these seals")
        case.check(snmp.notify("snmpinform", b"{}") != 0, "what is not signed is not confirmed")
        case.equal(snmp.notify("snmpinform", seal, seconds=5), 0, "an inform is confirmed")
        case.check(at.sealed(), "sealed")
        text = snmp.ask("snmpget", instance(RECEIPT, seal))
        said = at.receipt(receipt_text(text))
        case.equal((said["result"], said["state"]["open"]), ("applied", ["CV-1"]), "the receipt")
        ping = vendor.alert("ping")
        case.equal(snmp.notify("snmptrap", ping), 0, "a trap")
        until("it is taken", lambda: len([e for e in at.control.events("alert")
                                          if e["result"] == "applied"]) == 2)
        walked = snmp.ask("snmpwalk", BASE)
        case.equal(walked.count("STRING: "), 4, "two receipts of two columns")
        case.check(instance(RECEIPT, ping) in walked, "the trap's too")
        case.check("No Such" in snmp.ask("snmpget", RECEIPT + ".1.2.3"), "what is not there")
        status = at.control.ask("status")["channels"]["snmp"]
        case.equal((status["received"] >= 3, status["boots"], status["refused"] > 0), (True, 1, True),
                   "status")
        at.control.stop()
        at.control.start()
        case.equal(at.control.ask("status")["channels"]["snmp"]["boots"], 2, "starts are counted")
        case.equal(snmp.notify("snmpinform", seal, seconds=5), 0, "and again after a restart")
        case.equal(at.receipt(receipt_text(snmp.ask("snmpget", instance(RECEIPT, seal)))), said,
                   "the same receipt")


@cases.case("an alert that is longer than a datagram comes in pieces, in any order, and once more",
            engine=True)
def pieces(case):
    with Lab(case) as lab:
        snmp = Snmp(lab)
        at = Alerted(case, lab, snmp=snmp.settings())
        seal = at.vendor.alert("seal", virus_id="CV-1", seal={"mode": "hold"},
                               info={"title": "long", "text": "x" * 100000})
        parts = [seal[i:i + 30000] for i in range(0, len(seal), 30000)]
        for number in [2, 1, 2] + list(range(len(parts), 2, -1)):
            case.check(not at.sealed(), "not before the last")
            case.equal(snmp.notify("snmpinform", parts[number - 1], ID, "s", "a1", SEGMENT, "u",
                                   str(number), SEGMENTS, "u", str(len(parts)), seconds=5), 0,
                       "piece %d" % number)
        case.equal(at.receipt(receipt_text(snmp.ask("snmpget", instance(RECEIPT, seal))))["state"]["open"],
                   ["CV-1"], "the receipt")
        status = at.control.ask("status")["channels"]["snmp"]
        case.equal((status["received"], status["unfinished"]), (1, 0), "one, and nothing left")
        case.check(snmp.notify("snmpinform", b"x", SEGMENT, "u", "9", SEGMENTS, "u", "2") != 0,
                   "a piece that cannot be")
        for number in range(6):
            case.equal(snmp.notify("snmpinform", b"x", ID, "s", str(number), SEGMENT, "u", "1", SEGMENTS,
                                   "u", "4096", seconds=5), 0, "an unfinished one")
        case.equal(at.control.ask("status")["channels"]["snmp"]["unfinished"], 4,
                   "that many of one sender")


@cases.case("version 2c only with the community of the configuration; bytes that are no SNMP do nothing",
            engine=True)
def version_2c(case):
    with Lab(case) as lab:
        snmp = Snmp(lab)
        at = Alerted(case, lab, snmp=snmp.settings(community=snmp.community))
        seal = at.vendor.alert("seal", virus_id="CV-1", seal={"mode": "hold"})
        case.check(snmp.notify("snmpinform", seal, community="public") != 0, "another community")
        case.equal(snmp.notify("snmptrap", seal, community="public"), 0, "and its trap")
        with lab.inside("server"):
            peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for data in (b"", b"\x30", b"\x30\x84\xff\xff\xff\xff", b"\x00" * 65000, os.urandom(60000)):
            peer.sendto(data, ("127.0.0.1", PORT))
        case.check(not at.sealed(), "not sealed")
        case.equal(snmp.notify("snmpinform", seal, community="alerts", seconds=5), 0, "the community")
        case.check(at.sealed(), "sealed")
        text = snmp.ask("snmpget", instance(RECEIPT, seal), community="alerts")
        case.equal(at.receipt(receipt_text(text))["result"], "applied", "the receipt")


@cases.case("the MIB says what the gateway does")
def mib(case):
    with Lab(case) as lab:
        for name, text in (("SNMPv2-SMI", SMI), ("SNMPv2-CONF", CONF)):
            with open("%s/%s.txt" % (lab.folder, name), "w") as f:
                f.write(text)
        shutil.copy(ROOT + "/docs/CORDON-MIB.txt", lab.folder)

        def translate(name):
            status, text = lab.run("server", ["snmptranslate", "-M", lab.folder, "-m", "CORDON-MIB",
                                              "-On", "CORDON-MIB::" + name])
            case.equal(status, 0, text)
            return text.strip().splitlines()
        wanted = {"cordonAlert": ALERT, "cordonAlertId": ID, "cordonAlertSegment": SEGMENT,
                  "cordonAlertSegments": SEGMENTS, "cordonAlertData": DATA,
                  "cordonReceiptData": RECEIPT}
        case.equal({n: translate(n) for n in wanted}, {n: ["." + o] for n, o in wanted.items()}, "names")


if __name__ == "__main__":
    cases.main()
