#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Several workers, several links, both directions; events under load and at the end. Nothing is lost,
doubled, torn or passed, whichever worker a packet comes to."""
import collections
import concurrent.futures
import json
import os
import random
import signal
import subprocess
import threading

import labmail
from labgateway import Gateway
from lablib import BUILD, CLIENT, SERVER, Cases, Failed, Lab, until
from labmail import EICAR, EICAR_NAME, Client, Talk, attachment, check_arrived, message, mixed, noise
from labpostfix import Server
from labsink import Sink

cases = Cases()
HOSTS = ["192.0.2.%d" % n for n in range(101, 109)] + ["2001:db8::%d" % n for n in range(101, 109)]


def ip(lab, side, *arguments):
    done = subprocess.run(["ip", "-n", lab.namespace(side)] + list(arguments),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise Failed("ip %s: %s" % (" ".join(arguments), done.stdout.decode()))


def add_hosts(lab):
    """More addresses of the client, for workers that go by addresses."""
    for host in HOSTS:
        ip(lab, "client", "addr", "add", host + ("/64" if ":" in host else "/24"), "dev", "client0",
           *(["nodad"] if ":" in host else []))


class From(Client):
    """A client with an address of its own."""

    def __init__(self, lab, source, side="client", address=None):
        self.source, self.side = source, side
        super().__init__(lab, address or ("2001:db8::25" if ":" in source else SERVER))

    def _get_socket(self, host, port, timeout):
        return self.lab.connect(host, port, timeout, self.side, (self.source, 0))


def mails_of(number, count=3):
    """Clean ones, and every fifth connection ends with one that is not."""
    chance = random.Random(number)
    mails = [mixed("w%d-%d" % (number, n), labmail.TEXT, attachment(noise(chance.randrange(9000), n)))
             for n in range(count)]
    bad = [mixed("bad%d" % number, attachment(noise(5000)), attachment(EICAR))]
    return mails, bad if number % 5 == 0 else []


def converse(case, client, number):
    """All mails of one connection; those that the server has."""
    mails, bad = mails_of(number)
    for data in mails:
        case.equal(client.mail_bytes(data)[0], 250, "a clean mail of connection %d" % number)
    for data in bad:
        code, text = client.mail_bytes(data)
        case.check(code == 554 and EICAR_NAME in text, "an infected one", code, text)
    case.equal(client.leave()[0::2], (221, "closed"), "the end of connection %d" % number)
    return mails, len(bad)


def crowd(case, lab, everyone=100, first=0):
    """So many connections at once. Returns the mails that went through, and how many did not."""
    clients = [From(lab, HOSTS[i % len(HOSTS)]) for i in range(everyone)]
    sent, refused = [], 0
    with concurrent.futures.ThreadPoolExecutor(everyone) as pool:
        for mails, bad in pool.map(lambda i: converse(case, clients[i], first + i), range(everyone)):
            sent += mails
            refused += bad
    return sent, refused


def check_events(case, events, clean, infected, connections):
    """One for each mail and each connection, with numbers of their own."""
    mails = [e for e in events if e["event"] == "mail"]
    sessions = [e for e in events if e["event"] == "session"]
    case.equal(collections.Counter(e["verdict"] for e in mails),
               collections.Counter({"clean": clean, "infected": infected}), "mail events")
    case.equal(len({e["message_id"] for e in mails}), clean + infected, "each of another mail")
    case.equal(len({(e["session"], e["message"]) for e in mails}), clean + infected, "and numbers")
    case.equal(len(sessions), connections, "session events")
    case.equal(len({e["session"] for e in sessions}), connections, "each of another session")
    ports = {e["session"]: (e["client"], e["client_port"]) for e in sessions}
    case.check(all(ports[e["session"]] == (e["client"], e["client_port"]) for e in mails),
               "mails belong to their sessions")


def by_worker(gateway):
    answer = gateway.control("stats", "--json", "--socket", gateway.lab.folder + "/dataplane.sock")
    return [w["counters"] for w in json.loads(answer)["workers"]]


@cases.case("a hundred connections on two and three workers, by addresses and by flows", engine=True)
def parallel(case):
    for workers, spread in ((2, "addresses"), (3, "flows")):
        with Lab(case, calm=True) as lab:  # late repeats might be dropped, and counted
            add_hosts(lab)
            server, gateway = Server(lab), Gateway(lab, workers=workers, spread=spread)
            start, = gateway.events("start")
            case.equal((start["workers"], start["spread_by"]), (workers, "first worker"), "workers")
            buffers = gateway.buffers()
            sent, refused = crowd(case, lab)
            check_arrived(case, server, sent)
            gateway.check_mails(case, clean=len(sent), infected=refused)
            until("all sessions ended", lambda: len(gateway.events("session")) == 100)
            check_events(case, gateway.events(), len(sent), refused, 100)
            until("all %d packet buffers are free again" % buffers, lambda: gateway.buffers() == buffers)
            each = by_worker(gateway)
            case.equal(len(each), workers, "workers in the statistics")
            case.check(all(c["connections"] >= 10 for c in each), "every worker had its share",
                       [c["connections"] for c in each])
            sums = {n: sum(c[n] for c in each) for n in each[0]}
            case.equal([sums[n] for n in ("connections", "midstream_resets", "events_lost",
                                          "dropped_memory", "tx_dropped", "dropped_tcp")],
                       [100, 0, 0, 0, 0, 0], "the counters of all workers")
            case.equal(gateway.stop(), 0, "the exit status")


@cases.case("fragments of SMTP's datagrams find their connection among three workers", engine=True)
def fragments(case):
    with Lab(case) as lab:
        server = Server(lab, extra="mynetworks = 203.0.113.0/24\n")
        origin(lab, mtu=600)
        gateway = Gateway(lab, workers=3, spread="addresses")
        clients = [From(lab, "203.0.113.%d" % n, side="origin", address=SERVER)
                   for n in range(101, 113)]
        sent, refused = [], 0
        for number, client in enumerate(clients):
            mails, bad = converse(case, client, number)
            sent += mails
            refused += bad
        check_arrived(case, server, sent)
        gateway.check_mails(case, clean=len(sent), infected=refused)
        _, text = lab.run("client", ["cat", "/proc/net/snmp"])
        names, values = [line.split() for line in text.splitlines() if line.startswith("Ip:")]
        made = int(values[names.index("FragCreates")])
        case.check(made > 500, "there were fragments", made)
        each = by_worker(gateway)
        case.check(sum(c["connections"] > 0 for c in each) > 1, "on several workers", each)
        case.equal([sum(c[n] for c in each) for n in ("connections", "midstream_resets",
                                                      "dropped_fragments", "tx_dropped")],
                   [len(clients), 0, 0, 0], "the counters")


def origin(lab, mtu):
    """A network behind the client, which becomes a router with a small MTU towards the server."""
    name = lab.namespace("origin")
    subprocess.run(["ip", "netns", "add", name], check=True)
    lab.closing.callback(subprocess.run, ["ip", "netns", "del", name])
    ip(lab, "client", "link", "add", "behind0", "type", "veth", "peer", "name", "origin0", "netns", name)
    ip(lab, "client", "addr", "add", "203.0.113.1/24", "dev", "behind0")
    ip(lab, "client", "link", "set", "behind0", "up")
    ip(lab, "client", "link", "set", "client0", "mtu", str(mtu))
    ip(lab, "origin", "link", "set", "origin0", "up")
    for n in range(101, 113):
        ip(lab, "origin", "addr", "add", "203.0.113.%d/24" % n, "dev", "origin0")
    ip(lab, "origin", "route", "add", "default", "via", "203.0.113.1")
    ip(lab, "server", "route", "add", "203.0.113.0/24", "via", CLIENT)
    for side, setting in (("client", "net.ipv4.ip_forward=1"),
                          ("origin", "net.ipv4.ip_no_pmtu_disc=1")):
        status, text = lab.run(side, ["sysctl", "-qw", setting])
        if status:
            raise Failed(text)
    for side, device in (("origin", "origin0"), ("client", "behind0")):
        lab.run(side, ["ethtool", "-K", device, "tx", "off", "tso", "off", "gso", "off", "gro", "off"])


@cases.case("two links at once, each with mail of its own", engine=True)
def links(case):
    with Lab(case) as lab:
        for side, port, host in (("client", "outside1", "10"), ("server", "inside1", "25")):
            device = side + "1"
            ip(lab, side, "link", "add", device, "type", "veth", "peer", "name", port, "netns",
               lab.namespace("gateway"))
            lab.run(side, ["ethtool", "-K", device, "tx", "off", "tso", "off", "gso", "off"])
            ip(lab, side, "addr", "add", "198.51.100.%s/24" % host, "dev", device)
            ip(lab, side, "link", "set", device, "up")
        server = Server(lab)
        gateway = Gateway(lab, workers=2, spread="flows", links=[
            {"name": "lan%d" % n, "outside": {"interface": "outside%d" % n},
             "inside": {"interface": "inside%d" % n}, "mtu": 1500} for n in range(2)])
        ends = [(CLIENT, SERVER), ("198.51.100.10", "198.51.100.25")]
        with concurrent.futures.ThreadPoolExecutor(40) as pool:
            done = list(pool.map(lambda i: converse(case, From(lab, ends[i % 2][0], address=ends[i % 2][1]),
                                                    i), range(40)))
        sent = [data for mails, _ in done for data in mails]
        refused = sum(bad for _, bad in done)
        check_arrived(case, server, sent)
        for event in gateway.check_mails(case, clean=len(sent), infected=refused):
            link = 0 if event["server"] == SERVER else 1
            case.equal((event["link"], event["client"]), ("lan%d" % link, ends[link][0]), "link")
        answer = json.loads(gateway.control("stats", "--json", "--socket",
                                            lab.folder + "/dataplane.sock"))
        case.equal([(p["link"], p["side"]) for p in answer["ports"]],
                   [("lan0", "outside"), ("lan0", "inside"), ("lan1", "outside"), ("lan1", "inside")],
                   "ports")
        case.check(all(p["rx_packets"] > 300 and p["tx_packets"] > 300 for p in answer["ports"]),
                   "traffic on all of them", answer["ports"])


@cases.case("outbound mail goes by a policy of its own", engine=True)
def outbound(case):
    with Lab(case) as lab:
        server = Server(lab)
        sink = Sink(lab, address=CLIENT, side="client")
        gateway = Gateway(lab, smtp={"inbound": {"infected": "reject"},
                                     "outbound": {"infected": "discard", "starttls": "pass"}})
        bad = mixed("out-bad", attachment(noise(5000)), attachment(EICAR))
        good = message("out-good", [], labmail.PROSE)
        with From(lab, SERVER, side="server", address=CLIENT) as client:
            case.equal(client.mail_bytes(bad)[0], 250, "an infected mail going out, by policy")
        with From(lab, SERVER, side="server", address=CLIENT) as client:
            case.equal(client.mail_bytes(good)[0], 250, "a clean one")
        case.equal(labmail.send(lab, bad)[0], 554, "an infected one coming in")
        case.equal(labmail.send(lab, good)[0], 250, "a clean one coming in")
        check_arrived(case, server, [good])
        until("the clean mail outside", lambda: len(sink.mails) == 1)
        case.check(b"out-good" in sink.mails[0][2], "which one", sink.mails)
        case.check(not any(EICAR in seen for seen in sink.seen), "no test file outside")
        events = gateway.wait_mails(4)
        case.equal(sorted((e["direction"], e["verdict"], e["action"]) for e in events),
                   [("inbound", "clean", "deliver"), ("inbound", "infected", "reject"),
                    ("outbound", "clean", "deliver"), ("outbound", "infected", "discard")], "events")
        out = [e for e in events if e["direction"] == "outbound"]
        case.equal({(e["client"], e["server"]) for e in out}, {(SERVER, CLIENT)}, "addresses")


@cases.case("the event file is taken away and opened again under load: every line is in one of them",
            engine=True)
def rotation(case):
    with Lab(case) as lab:
        add_hosts(lab)
        server, gateway = Server(lab), Gateway(lab, workers=2)
        done, kept = threading.Event(), []

        def rotate():
            while not done.wait(0.05):
                kept.append("%s.%d" % (gateway.events_file, len(kept)))
                os.rename(gateway.events_file, kept[-1])
                gateway.process.child.send_signal(signal.SIGHUP)
                until("a new file", lambda: os.path.exists(gateway.events_file))
        rotator = threading.Thread(target=rotate)
        rotator.start()
        try:
            sent, refused = crowd(case, lab)
        finally:
            done.set()
            rotator.join()
        case.equal(gateway.stop(), 0, "the exit status")
        check_arrived(case, server, sent)
        case.check(len(kept) >= 3, "rotated several times", kept)
        lines = []
        for path in kept + [gateway.events_file]:
            with open(path, "rb") as f:
                data = f.read()
            case.check(data == b"" or data.endswith(b"\n"), "whole lines in " + path, data[-80:])
            lines += data.splitlines()
        check_events(case, [json.loads(line) for line in lines], len(sent), refused, 100)


class Piped(Gateway):
    """Its events go into a pipe, which is read only while `reading` is set."""

    def __init__(self, lab, **settings):
        self.pipe = os.path.join(lab.folder, "events.pipe")
        os.mkfifo(self.pipe)
        self.reading = threading.Event()
        self.reading.set()
        self.fd = os.open(self.pipe, os.O_RDWR)
        self.taken = b""
        threading.Thread(target=self.read, daemon=True).start()
        super().__init__(lab, events=self.pipe, **settings)

    def read(self):
        while True:
            self.reading.wait()
            self.taken += os.read(self.fd, 65536)

    def events(self, kind=None):
        lines = self.taken.split(b"\n")[:-1]
        return [e for e in map(json.loads, lines) if kind in (None, e["event"])]


@cases.case("a full event ring: lost events are counted, and nothing else suffers", engine=True)
def full_ring(case):
    with Lab(case) as lab:
        server, gateway = Server(lab), Piped(lab)
        parts = [attachment(b"x", name="n" * 200 + str(n)) for n in range(900)]
        count, sent = 24, []
        gateway.reading.clear()
        with Client(lab) as client:
            for n in range(count):
                sent.append(mixed("ring-%d" % n, *parts))
                case.equal(client.mail_bytes(sent[-1])[0], 250, "a mail of many parts")
        code, _ = labmail.send(lab, mixed("ring-bad", attachment(EICAR)))
        case.equal(code, 554, "an infected one")
        case.check(gateway.stats()["events_lost"] > 0, "some events are lost, and counted")
        check_arrived(case, server, sent)
        gateway.reading.set()

        def reported():
            return len(gateway.events("mail")) + len(gateway.events("session"))
        until("each event is there or counted",
              lambda: reported() + gateway.stats()["events_lost"] == count + 1 + 2)
        lost = gateway.stats()["events_lost"]
        case.check(lost < count, "some are there", lost)
        case.equal(labmail.send(lab, message("after", [], b"later\n"))[0], 250, "afterwards")
        until("an event of it", lambda: any(e["message_id"] == "<after@client.example>"
                                            for e in gateway.events("mail")))
        case.equal(gateway.stats()["events_lost"], lost, "no more are lost")
        case.equal(gateway.stop(), 0, "the exit status")
        until("the stop event", lambda: gateway.events("stop"))
        case.equal(reported() + lost, (count + 2) + 3, "each event is there or counted")
        case.equal(gateway.events("stop")[0]["events_lost"], lost, "the stop event's number")


@cases.case("SIGTERM under load: the exit status is 0 and everything is reported", engine=True)
def stopped(case):
    with Lab(case) as lab:
        add_hosts(lab)
        server, gateway = Server(lab), Gateway(lab, workers=2)
        done = threading.Event()

        def load(number):
            while not done.is_set():
                try:
                    client = From(lab, HOSTS[number % len(HOSTS)])
                    for data in mails_of(number)[0]:
                        client.mail_bytes(data)
                except OSError:
                    return
        pool = [threading.Thread(target=load, args=(n,)) for n in range(30)]
        for thread in pool:
            thread.start()
        until("a hundred mails", lambda: gateway.stats()["messages"] >= 100)
        case.equal(gateway.stop(), 0, "the exit status")
        done.set()
        stop, = gateway.events("stop")
        mails, sessions = gateway.events("mail"), gateway.events("session")
        case.equal((stop["messages"], stop["events_lost"]), (len(mails), 0), "mails and their events")
        case.equal(len({e["session"] for e in sessions}), len(sessions), "sessions")
        case.equal({e["session"] for e in mails} - {e["session"] for e in sessions}, set(),
                   "sessions of mails that are not reported")
        delivered = sum(e["action"] == "deliver" for e in mails)
        case.check(delivered <= len(server.wait_mails(delivered)), "what was delivered is there")
        lab.run("client", ["ip", "link", "set", "client0", "down"])  # what still waits for an answer
        ip(lab, "client", "link", "del", "client0")
        for thread in pool:
            thread.join(0)


@cases.case("a second instance is refused; after kill -9 the next one takes over", engine=True)
def again(case):
    with Lab(case) as lab:
        server, gateway = Server(lab), Gateway(lab, workers=2)
        sent = [message("first", [], b"one\n")]
        case.equal(labmail.send(lab, sent[0])[0], 250, "a mail")
        status, text = lab.run("gateway", [BUILD + "/cordon-dataplane", "--config", gateway.config])
        case.equal(status, 1, "the exit status of a second instance: " + text)
        case.check("command socket" in text and "in use" in text, "what it says", text)
        sent.append(message("second", [], b"two\n"))
        case.equal(labmail.send(lab, sent[1])[0], 250, "the first one goes on")
        case.equal(gateway.stats()["messages_clean"], 2, "and answers")
        gateway.kill()
        gateway.start()
        sent.append(message("third", [], b"three\n"))
        case.equal(labmail.send(lab, sent[2])[0], 250, "the one after the crash")
        case.equal(gateway.stats()["messages_clean"], 1, "its counters")
        check_arrived(case, server, sent)
        gateway.check_mails(case, clean=3)


if __name__ == "__main__":
    os.umask(0o022)
    cases.main()
