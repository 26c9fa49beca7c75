#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every kind of port that needs no NIC carries mail and everything else, with and without hugepages,
and again after the engine has been stopped and started."""
import contextlib
import os
import re
import subprocess

import labgateway
import labmail
from labgateway import Gateway
from lablib import (SERVER, SERVER6, VLAN_SERVER, Capture, Cases, Failed, Lab, Skipped, until)
from labmail import EICAR, EICAR_NAME, attachment, check_arrived, mixed, noise
from labpostfix import Server

cases = Cases()
HUGEPAGES = "/proc/sys/vm/nr_hugepages"


def link(outside, inside, mtu=1500, name="lan0"):
    return {"name": name, "outside": {"device": outside}, "inside": {"device": inside}, "mtu": mtu}


def start(lab, **settings):
    """The gateway, or a skip with what it said: these ports are the machine's, not Cordon's."""
    try:
        return Gateway(lab, **settings)
    except Failed as why:
        said = [line for line in str(why).splitlines() if "cordon-dataplane" in line]
        driver = re.search(r"net_\w+?(?=_?\d)", str(settings))
        raise Skipped("%s: %s" % (driver.group(0) if driver else "", said[-1] if said else why))


def traffic(case, lab, server, sent, round_, size=100000):
    """A clean mail, an infected one, pings small and in fragments."""
    data = mixed("port-%d" % round_, labmail.TEXT, attachment(noise(size, round_)))
    case.equal(labmail.send(lab, data)[0], 250, "clean mail")
    sent.append(data)
    bad = mixed("bad-%d" % round_, attachment(noise(size // 2)), attachment(EICAR))
    code, text = labmail.send(lab, bad)
    case.check(code == 554 and EICAR_NAME in text, "infected mail", code, text)
    for host in (SERVER, SERVER6):
        for bytes_ in ("56", "4000"):
            # All at once: ping waits no longer for the last answer than an interval, which is a second then.
            status, text = lab.run("client", ["ping", "-n", "-c", "3", "-l", "3", "-s", bytes_,
                                              "-W", "5", host])
            case.check(status == 0 and " 0% packet loss" in text and "DUP" not in text,
                       "ping -s %s %s" % (bytes_, host), text)
    check_arrived(case, server, sent)


def mail_twice(case, lab, gateway, before=None):
    """With a stop and a start between."""
    server, sent = Server(lab), []
    traffic(case, lab, server, sent, 0)
    gateway.check_mails(case, clean=1, infected=1)
    case.equal(gateway.stop(), 0, "the exit status")
    gateway.start()
    if before:
        before()
    traffic(case, lab, server, sent, 1)
    gateway.check_mails(case, clean=2, infected=2)
    stats = gateway.stats()
    case.equal([stats[n] for n in ("messages_clean", "messages_infected", "dropped_malformed",
                                   "dropped_memory")], [1, 1, 0, 0], "counters since the second start")
    if not before:  # while interfaces move, what is sent to them is lost
        case.equal(stats["tx_dropped"], 0, "what could not be sent")
    case.equal(gateway.stop(), 0, "the exit status")


@cases.case("net_af_packet by its own arguments", engine=True)
def af_packet(case):
    arguments = ",framesz=2048,blocksz=65536,framecnt=4096"
    with Lab(case) as lab:
        mail_twice(case, lab, start(lab, links=[link("net_af_packet0,iface=outside0" + arguments,
                                                     "net_af_packet1,iface=inside0" + arguments)]))


@cases.case("net_af_xdp on veth", engine=True)
def af_xdp(case):
    with Lab(case) as lab:
        mail_twice(case, lab, start(lab, links=[link("net_af_xdp0,iface=outside0",
                                                     "net_af_xdp1,iface=inside0")]))


@cases.case("net_pcap on interfaces", engine=True)
def pcap(case):
    with Lab(case) as lab:
        mail_twice(case, lab, start(lab, links=[
            link("net_pcap0,rx_iface_in=outside0,tx_iface=outside0",
                 "net_pcap1,rx_iface_in=inside0,tx_iface=inside0")]))


@cases.case("net_tap, its interfaces moved to the client and the server", engine=True)
def tap(case):
    with Lab(case) as lab:
        gateway = start(lab, links=[link("net_tap0,iface=tap_out", "net_tap1,iface=tap_in")])

        def move():
            for side, device, host in (("client", "tap_out", 10), ("server", "tap_in", 25)):
                inside = ["ip", "-n", lab.namespace(side)]
                for command in (["ip", "-n", lab.namespace("gateway"), "link", "set", device, "netns",
                                 lab.namespace(side)],
                                inside + ["link", "set", device, "up"],
                                inside + ["addr", "flush", "dev", side + "0"],
                                inside + ["addr", "add", "192.0.2.%d/24" % host, "dev", device],
                                inside + ["addr", "add", "2001:db8::%d/64" % host, "dev", device,
                                          "nodad"]):
                    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                    case.equal(done.returncode, 0, "%s: %s" % (command, done.stdout))
        move()
        mail_twice(case, lab, gateway, before=move)


@cases.case("net_memif: two dataplanes in a row", engine=True)
def memif(case):
    socket = ",socket-abstract=no,socket="
    with Lab(case) as lab:
        socket += lab.folder + "/memif.sock"
        first = start(lab, links=[{"name": "lan0", "outside": {"interface": "outside0"}, "mtu": 1500,
                                   "inside": {"device": "net_memif0,role=server" + socket}}])
        second = Second(lab, links=[{"name": "lan1", "inside": {"interface": "inside0"}, "mtu": 1500,
                                     "outside": {"device": "net_memif0,role=client" + socket}}])
        server, sent = Server(lab), []
        until("a packet through both", lambda: lab.run("client", ["ping", "-c", "1", "-W", "1",
                                                                  SERVER])[0] == 0)
        traffic(case, lab, server, sent, 0)
        first.check_mails(case, clean=1, infected=1)
        second.check_mails(case, clean=1, incomplete=1)


class Second(Gateway):
    """Another dataplane in the same lab, with files of its own."""

    def __init__(self, lab, **settings):
        names = {"gateway": "lab2", "events": lab.folder + "/events2.json",
                 "command": lab.folder + "/dataplane2.sock"}
        self.lab, self.process = lab, None
        self.events_file = names["events"]
        self.config = os.path.join(lab.folder, "dataplane2.yaml")
        with open(self.config, "w") as f:
            f.write(labgateway.configuration(lab, **dict(settings, **names)))
        self.start()


@cases.case("net_null and net_ring, which lead nowhere: the engine turns and stops", engine=True)
def nowhere(case):
    with Lab(case) as lab:
        gateway = start(lab, links=[link("net_null0", "net_null1,no-rx=1", name="null"),
                                    link("net_ring0", "net_ring1", name="ring")])
        until("a million frames of net_null", lambda: gateway.stats()["rx_packets"] > 1000000)
        stats = gateway.stats()
        case.check(stats["forwarded_untouched"] > 1000000, "forwarded", stats)
        case.equal(gateway.stop(), 0, "the exit status")
        stop, = gateway.events("stop")
        case.equal((stop["tx_packets"], stop["tx_dropped"]), (stop["rx_packets"], 0), "all sent")


@contextlib.contextmanager
def hugepages(count):
    """The kernel's pool of them is enlarged, and afterwards as it was."""
    if not os.path.exists(HUGEPAGES):
        raise Skipped("this kernel has no hugepages")
    with open(HUGEPAGES) as f:
        before = int(f.read())

    def put(number):
        with contextlib.suppress(OSError), open(HUGEPAGES, "w") as f:
            f.write(str(number))
    put(max(before, count))
    try:
        with open("/proc/meminfo") as f:
            free = int(re.search(r"HugePages_Free:\s*(\d+)", f.read()).group(1))
        if free < count:
            raise Skipped("vm.nr_hugepages cannot be set to %d: %d free" % (count, free))
        yield
    finally:
        put(before)


@cases.case("hugepages: true, with net_af_packet", engine=True)
def huge(case):
    with hugepages(64), Lab(case) as lab:
        gateway = start(lab, eal={"hugepages": "true", "mbufs": 16384})
        with open("/proc/%d/smaps" % gateway.process.child.pid) as f:
            sizes = re.findall(r"(?:Private|Shared)_Hugetlb:\s*(\d+) kB", f.read())
        case.check(sum(map(int, sizes)) >= 32 << 10, "its buffers are in hugepages", sizes)
        mail_twice(case, lab, gateway)


@cases.case("jumbo frames through net_pcap, and through net_af_packet by its own arguments", engine=True)
def jumbo(case):
    arguments = ",framesz=16384,blocksz=65536,framecnt=512"
    for devices in (("net_pcap0,iface=outside0", "net_pcap1,iface=inside0"),
                    ("net_af_packet0,iface=outside0" + arguments,
                     "net_af_packet1,iface=inside0" + arguments)):
        with Lab(case, mtu=9000) as lab:
            server, gateway = Server(lab), start(lab, links=[link(*devices, mtu=9000)])
            capture, sent = Capture(lab, "server"), []
            traffic(case, lab, server, sent, 0, size=300000)
            gateway.check_mails(case, clean=1, infected=1)
            capture.finish()
            case.check(capture.fields("tcp.dstport==25 and tcp.len > 8000", "frame.number"),
                       "segments of nearly 9000 bytes at the server")


@cases.case("802.1ad outside 802.1Q at full size: kept by net_pcap and net_af_xdp, two 802.1Q tags by "
            "net_af_packet", engine=True)
def qinq(case):
    for devices, outer in ((("net_pcap0,iface=outside0", "net_pcap1,iface=inside0"), "0x88a8"),
                           (("net_af_xdp0,iface=outside0", "net_af_xdp1,iface=inside0"), "0x88a8"),
                           (("net_af_packet0,iface=outside0", "net_af_packet1,iface=inside0"),
                            "0x8100")):
        with Lab(case, vlan="100.9") as lab:
            server = Server(lab)
            gateway = start(lab, links=[link(*devices, mtu=lab.cable_mtu)])
            capture = Capture(lab, "server")
            data = mixed("qinq", labmail.TEXT, attachment(noise(100000)))
            case.equal(labmail.send(lab, data, address=VLAN_SERVER)[0], 250, "clean mail")
            code, text = labmail.send(lab, mixed("bad", attachment(EICAR)), address=VLAN_SERVER)
            case.check(code == 554 and EICAR_NAME in text, "infected mail", code, text)
            check_arrived(case, server, [data])
            gateway.check_mails(case, clean=1, infected=1)
            capture.finish()
            frames = capture.fields("tcp.dstport==25", "eth.type", "frame.len")
            case.equal({row[0] for row in frames}, {outer}, "the outer tag with " + devices[0])
            case.equal(max(int(row[1]) for row in frames), 14 + 8 + 1500, "the largest frame")


@cases.case("frames larger than the MTU: not joined by the kernel, and counted where they come anyway",
            engine=True)
def too_large(case):
    with Lab(case) as lab:
        case.equal(lab.run("gateway", ["ethtool", "-K", "outside0", "gro", "on"])[0], 0, "ethtool")
        server, sent, gateway = Server(lab), [], start(lab)
        _, text = lab.run("gateway", ["ethtool", "-k", "outside0"])
        case.check("generic-receive-offload: off" in text, "GRO is off", text)
        traffic(case, lab, server, sent, 0)
        case.equal(gateway.stats()["tx_dropped"], 0, "frames too large")
        # A neighbour with another opinion of the MTU, within what the ring takes whole and beyond.
        for side, device in (("client", "client0"), ("gateway", "outside0")):
            case.equal(lab.run(side, ["ip", "link", "set", device, "mtu", "3000"])[0], 0, device)
        for number, size in enumerate((1481, 1700, 2000, 2900), 1):
            status, text = lab.run("client", ["ping", "-n", "-c", "1", "-W", "0.2", "-M", "do", "-s",
                                              str(size), SERVER])
            case.check(status == 1, "ping -s %d is lost" % size, text)
            until("it is counted", lambda: gateway.stats()["tx_dropped"] >= number)
            case.equal(gateway.stats()["tx_dropped"], number, "counted once")
        for side, device in (("client", "client0"), ("gateway", "outside0")):
            case.equal(lab.run(side, ["ip", "link", "set", device, "mtu", "1500"])[0], 0, device)
        traffic(case, lab, server, sent, 1)


if __name__ == "__main__":
    os.umask(0o022)
    cases.main()
