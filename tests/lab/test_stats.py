#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""cordonctl stats and DPDK's telemetry socket tell what went through, to the packet; --check-config
tells what is wrong."""
import glob
import json
import os
import re
import socket
import subprocess
import time

import labmail
from labgateway import Gateway
from lablib import BUILD, SERVER, Cases, Lab, until
from labmail import EICAR, Client, Talk, attachment, message, mixed, noise
from labpostfix import Server
from test_ports import hugepages

cases = Cases()


def telemetry(name, command):
    """One answer of the socket, as DPDK's own usertools do it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(10)
        client.connect("/var/run/dpdk/cordon-%s/dpdk_telemetry.v2" % name)
        hello = json.loads(client.recv(1024))
        client.send(command.encode())
        return json.loads(client.recv(hello["max_output_len"]))[command]


def ask(gateway):
    return json.loads(gateway.control("stats", "--json", "--socket",
                                      gateway.lab.folder + "/dataplane.sock"))


def at_rest(gateway):
    """Its answer once nothing passes any more: the ends of connections may still be on their way."""
    answers = []

    def same():
        answers.append(ask(gateway))
        return len(answers) >= 5 and all(a[k] == answers[-1][k] for a in answers[-5:]
                                         for k in ("counters", "ports"))
    until("the counters at rest", same)
    return answers[-1]


def exact(case, lab, name, **settings):
    """Pings and mails that are counted here, and what the gateway counted."""
    for side, device in (("client", "client0"), ("server", "server0")):  # nothing but what is asked for
        lab.run(side, ["sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"])
        lab.run(side, ["ip", "link", "set", device, "arp", "off"])
    for side, device, other in (("client", "client0", "server"), ("server", "server0", "client")):
        _, text = lab.run(other, ["cat", "/sys/class/net/%s0/address" % other])
        lab.run(side, ["ip", "neigh", "replace", SERVER if side == "client" else "192.0.2.10",
                       "lladdr", text.strip(), "dev", device, "nud", "permanent"])
    server = Server(lab)
    gateway = Gateway(lab, gateway=name, telemetry="true", **settings)
    for what, count in ask(gateway)["counters"].items():
        case.equal(count, 0, "%s at the start" % what)
    status, text = lab.run("client", ["ping", "-n", "-c", "20", "-l", "20", "-s", "1000", SERVER])
    case.equal(status, 0, text)
    counters = at_rest(gateway)["counters"]
    case.equal([counters[n] for n in ("rx_packets", "tx_packets", "rx_bytes", "forwarded_untouched")],
               [40, 40, 40 * 1042, 40], "20 pings and their answers")
    clean = [mixed("s%d" % n, attachment(noise(20000, n))) for n in range(3)]
    with Client(lab) as client:
        for data in clean:
            case.equal(client.mail_bytes(data)[0], 250, "a clean mail")
    case.equal(labmail.send(lab, mixed("sb", attachment(EICAR)))[0], 554, "an infected one")
    talk = Talk(lab)
    talk.envelope()
    talk.ask(b"DATA", 354)
    talk.send(message("cut", [], b"never ends\n"))
    talk.socket.close()
    server.wait_mails(3)
    gateway.wait_mails(5)
    answer = at_rest(gateway)
    counters = answer["counters"]
    names = ("connections", "messages", "messages_clean", "messages_infected", "messages_incomplete",
             "messages_delivered", "messages_rejected", "messages_suspect", "messages_unscannable",
             "events_lost", "tx_dropped", "dropped_malformed", "dropped_memory", "dropped_fragments")
    case.equal({n: counters[n] for n in names},
               dict(zip(names, (3, 5, 3, 1, 1, 3, 1, 0, 0, 0, 0, 0, 0, 0))), "the counters")
    case.equal(counters["message_bytes"], sum(e["bytes"] for e in gateway.events("mail")),
               "bytes of all messages")
    case.equal([e["bytes"] for e in gateway.events("mail")[:3]], [len(d) for d in clean], "of each")
    case.equal(counters["forwarded_untouched"] + counters["smtp_packets"], counters["rx_packets"],
               "every packet was one or the other")
    case.equal(sum(p["rx_packets"] for p in answer["ports"]), counters["rx_packets"], "ports: received")
    case.equal(sum(p["tx_packets"] for p in answer["ports"]), counters["tx_packets"], "ports: sent")
    case.equal([(p["link"], p["side"], p["device"], p["up"]) for p in answer["ports"]],
               [("lan0", "outside", "outside0", True), ("lan0", "inside", "inside0", True)], "ports")
    case.equal((answer["gateway"], answer["ruleset"]["signatures"]), (name, 2), "names")
    case.equal(set(answer["about"]), set(counters), "each counter is explained")
    case.check(0 < answer["memory"]["mbufs_free"] <= answer["memory"]["mbufs"], "buffers")
    case.equal(telemetry(name, "/cordon/stats"), ask(gateway)["counters"], "the telemetry socket")
    case.equal(len(telemetry(name, "/ethdev/list")), 2, "DPDK's own commands")
    table = gateway.control("stats", "--socket", lab.folder + "/dataplane.sock")
    case.check(re.search(r"^messages_clean +3 ", table, re.M), "the table for people", table)
    case.equal(gateway.stop(), 0, "the exit status")


@cases.case("counters agree with the traffic, by cordonctl and by telemetry", engine=True)
def ordinary(case):
    with Lab(case) as lab:
        exact(case, lab, lab.name)


@cases.case("so they do with hugepages", engine=True)
def huge(case):
    with hugepages(64), Lab(case) as lab:
        exact(case, lab, lab.name, eal={"hugepages": "true", "mbufs": 16384})


@cases.case("--check-config tells what is wrong, with its line; so does a start", engine=True)
def check_config(case):
    with Lab(case) as lab:
        gateway = Gateway(lab)
        gateway.stop()
        with open(gateway.config) as f:
            good = f.read()

        def run(text, *more):
            path = lab.folder + "/try.yaml"
            with open(path, "w") as f:
                f.write(text)
            done = subprocess.run([BUILD + "/cordon-dataplane", "--config", path] + list(more),
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=30)
            return done.returncode, done.stdout.decode()
        case.equal(run(good, "--check-config"), (0, ""), "the good one")
        lines = good.count("\n")
        for section in ("workers: 0", "eal:\n  mbufs: -1", "idle:\n  sleep_us: soon",
                        "smtp:\n  inbound:\n    infected: perhaps", "limits:\n  max_parts: 0",
                        "test_faults:\n  drop_per_million: 1000001", "nonsense: 1", "spread: alike",
                        "links:\n  - name: a\n    mtu: 100"):
            key = section.split(":")[0]
            text = re.sub(r"(?m)^%s:.*\n((  .*\n)*)" % key, "", good) + section + "\n"
            status, said = run(text, "--check-config")
            number = text.count("\n", 0, len(text) - 1) + 1
            case.equal(status, 2, section)
            case.check("try.yaml:%d: " % number in said, "line %d for %s" % (number, section), said)
        for key, value, words in (("rules", "/none", "No such file"), ("events", "/none/e", "No such"),
                                  ("rules", gateway.config, "not a rules image"),
                                  ("command", gateway.config, "non-socket")):
            status, said = run(re.sub(r"(?m)^%s:.*$" % key, "%s: %s" % (key, value), good),
                               "--check-config")
            case.check(status == 2 and "try.yaml: %s: " % key in said and words in said, key, said)
        status, said = run(re.sub(r"(?m)^rules:.*$", "rules: " + gateway.config, good))
        case.check(status == 1 and "cordonctl compile" in said, "a start without rules", status, said)


def naps(lab, gateway, seconds):
    """How often the threads of the gateway have gone to sleep by themselves in that time."""
    def count():
        total = 0
        for task in glob.glob("/proc/%d/task/*/status" % gateway.process.child.pid):
            with open(task) as f:
                text = f.read()
            if re.search(r"^Name:\s*\w+-worker", text, re.M):
                total += int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", text, re.M).group(1))
        return total
    before = count()
    time.sleep(seconds)
    return count() - before


@cases.case("an idle worker naps where the configuration says so, and never where it does not",
            engine=True)
def idle(case):
    with Lab(case) as lab:
        gateway = Gateway(lab)
        case.check(naps(lab, gateway, 1) > 100, "it naps")
        gateway.stop()
        gateway = Gateway(lab, idle={"sleep_us": 0})
        case.check(naps(lab, gateway, 1) < 10, "it polls")


if __name__ == "__main__":
    os.umask(0o022)
    cases.main()
