#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""IPv4, IPv6, tags, large frames; and all that is not SMTP is forwarded as it came."""
import hashlib
import os
import random
import re
import socket
import threading

import labmail
from labgateway import Gateway
from lablib import (SERVER, SERVER6, VLAN_SERVER, VLAN_SERVER6, Capture, Cases, Lab,
                    check_captures, until)
from labmail import EICAR, EICAR_NAME, attachment, check_arrived, message, mixed, noise
from labpostfix import Server

cases = Cases()


def mail_both_ways(case, lab, server, gateway, addresses, size=50000):
    """A clean mail to each address arrives; an infected one (not with a bridge) does not."""
    sent = []
    for number, address in enumerate(addresses):
        data = mixed("net-%d" % number, labmail.TEXT, attachment(noise(size, number)))
        case.equal(labmail.send(lab, data, address=address)[0], 250, "clean mail to " + address)
        sent.append(data)
        if not lab.bridge:
            bad = mixed("bad-%d" % number, attachment(noise(size)), attachment(EICAR))
            code, text = labmail.send(lab, bad, address=address)
            case.check(code == 554 and EICAR_NAME in text, "infected mail to " + address, code, text)
    check_arrived(case, server, sent)
    return gateway.check_mails(case, clean=len(sent), infected=len(sent))


@cases.case("mail over IPv6")
def ipv6(case):
    with Lab(case, calm=True) as lab:
        server, gateway = Server(lab), Gateway(lab)
        captures = [Capture(lab, "client"), Capture(lab, "server")]
        for event in mail_both_ways(case, lab, server, gateway, [SERVER6]):
            case.equal((event["client"], event["server"]), ("2001:db8::10", SERVER6), "addresses")
        check_captures(case, captures, resets=("server",))


@cases.case("mail over an 802.1Q VLAN, and over two tags")
def vlan(case):
    for tags in ("7", "100.9"):
        with Lab(case, vlan=tags, calm=True) as lab:
            server, gateway = Server(lab), Gateway(lab)
            captures = [Capture(lab, "client"), Capture(lab, "server")]
            mail_both_ways(case, lab, server, gateway, [VLAN_SERVER, VLAN_SERVER6])
            for capture in captures:
                capture.finish()
                ids = {tuple(re.split("[,\t]", "\t".join(row)))
                       for row in capture.fields("tcp.port==25", "ieee8021ad.id", "vlan.id")}
                found = {tuple(i for i in row if i) for row in ids}
                case.equal(found, {tuple(tags.split("."))}, "the tags of SMTP at the " + capture.side)
            check_captures(case, captures, resets=("server",))


@cases.case("jumbo frames: MTU 9000")
def jumbo(case):
    with Lab(case, mtu=9000, calm=True) as lab:
        server, gateway = Server(lab), Gateway(lab)
        captures = [Capture(lab, "client"), Capture(lab, "server")]
        mail_both_ways(case, lab, server, gateway, [SERVER, SERVER6], size=300000)
        check_captures(case, captures, resets=("server",))
        for capture in captures:
            case.check(capture.fields("tcp.dstport==25 and tcp.len > 8000", "frame.number"),
                       "segments of nearly 9000 bytes at the " + capture.side)


@cases.case("HTTP is unharmed, also when it carries the test file")
def http(case):
    with Lab(case, calm=True) as lab:
        gateway = Gateway(lab)
        os.mkdir(lab.folder + "/web")
        files = {"large.bin": noise(5 << 20), "eicar.com": EICAR, "empty": b""}
        for name, data in files.items():
            with open(lab.folder + "/web/" + name, "wb") as f:
                f.write(data)
        lab.start("server", "http", ["python3", "-u", "-m", "http.server", "--bind", "::", "8080",
                                     "--directory", lab.folder + "/web"])
        lab.wait_listening("server", 8080)
        for host in (SERVER, "[%s]" % SERVER6):
            for name, data in files.items():
                status, got = lab.run("client", ["curl", "-sS", "-g", "-m", "30",
                                                 "http://%s:8080/%s" % (host, name)], text=False)
                case.equal(status, 0, "curl of %s from %s: %r" % (name, host, got[:200]))
                case.equal(hashlib.sha256(got).digest(), hashlib.sha256(data).digest(), name)
        case.check(gateway.running(), "the gateway is still running")


@cases.case("ping, small and in fragments, on IPv4 and IPv6")
def ping(case):
    with Lab(case, calm=True) as lab:
        gateway = Gateway(lab)
        for host in (SERVER, SERVER6):
            for size in ("56", "1400", "3000", "20000"):
                status, text = lab.run("client", ["ping", "-n", "-c", "5", "-l", "5", "-s", size,
                                                  "-W", "5", host])
                case.check(status == 0 and " 0% packet loss" in text and "DUP" not in text,
                           "ping -s %s %s" % (size, host), text)
        case.check(gateway.running(), "the gateway is still running")


@cases.case("UDP is unharmed, also to port 25 and in fragments")
def udp(case):
    with Lab(case) as lab:
        gateway = Gateway(lab)
        for family, host in ((socket.AF_INET, SERVER), (socket.AF_INET6, SERVER6)):
            for port in (25, 5353):
                udp_echo(case, lab, family, host, port)
        case.check(gateway.running(), "the gateway is still running")


def udp_echo(case, lab, family, host, port):
    with lab.inside("server"):
        echo = socket.socket(family, socket.SOCK_DGRAM)
        echo.bind((host, port))
    with lab.inside("client"):
        client = socket.socket(family, socket.SOCK_DGRAM)
    client.settimeout(10)
    sizes = [0, 1, 17, 18, 512, 1400, 1472, 1473, 4000, 30000, 60000]

    def answer():
        for _ in sizes:
            data, sender = echo.recvfrom(65535)
            echo.sendto(data, sender)
    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    for size in sizes:
        data = EICAR[:size] + noise(max(size - len(EICAR), 0), size)
        client.sendto(data, (host, port))
        try:
            got = client.recv(65535)
        except socket.timeout:
            got = b"nothing"
        case.check(got == data, "%d bytes of UDP to %s port %d" % (size, host, port), got[:60])
    thread.join(10)
    echo.close()
    client.close()


@cases.case("other TCP ports are untouched: byte for byte both ways, and iperf3")
def other_tcp(case):
    with Lab(case) as lab:
        gateway = Gateway(lab)
        data = noise(3 << 20, 5) + EICAR + b"\r\n.\r\nEHLO x\r\nSTARTTLS\r\n"
        with open(lab.folder + "/data", "wb") as f:
            f.write(data)
        lab.start("server", "socat", ["socat", "TCP-LISTEN:2600,reuseaddr", "EXEC:cat"])
        lab.wait_listening("server", 2600)
        status, got = lab.run("client", ["sh", "-c", "socat -t 20 - TCP:%s:2600 < data" % SERVER],
                              text=False)
        case.equal(status, 0, "socat: %r" % got[-200:])
        case.equal(hashlib.sha256(got).digest(), hashlib.sha256(data).digest(), "bytes both ways")
        lab.start("server", "iperf3", ["iperf3", "-s", "-p", "5201"])
        lab.wait_listening("server", 5201)
        for direction in ([], ["-R"]):
            def measured():  # its server may still be busy with the end of the last one
                done = lab.run("client", ["iperf3", "-c", SERVER, "-p", "5201", "-t", "1"] + direction)
                return None if "server is busy" in done[1] else done
            status, text = until("iperf3's server to be free", measured)
            case.equal(status, 0, "iperf3 %s:\n%s" % (direction, text[-500:]))
        case.check(gateway.running(), "the gateway is still running")


@cases.case("UDP and ping go on beside mail, and mail beside a loud neighbour")
def side_by_side(case):
    with Lab(case) as lab:
        server, gateway = Server(lab), Gateway(lab)
        lab.start("server", "iperf3", ["iperf3", "-s", "-p", "5201"])
        lab.wait_listening("server", 5201)
        loud = lab.start("client", "iperf3-client", ["iperf3", "-c", SERVER, "-u", "-b", "100M", "-t",
                                                     "3", "-l", "1000"])
        chance = random.Random(4)
        sent = [message("beside-%d" % i, [], noise(chance.randrange(40000), i).hex().encode() + b"\n")
                for i in range(20)]
        for data in sent:
            case.equal(labmail.send(lab, data)[0], 250, "a mail beside the noise")
        check_arrived(case, server, sent)
        case.equal(loud.wait(), 0, "iperf3 ended well:\n" + loud.text()[-500:])
        gateway.check_mails(case, clean=len(sent))


if __name__ == "__main__":
    os.umask(0o022)
    cases.main()
