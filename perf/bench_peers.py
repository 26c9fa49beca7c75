#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The same mails by the same signatures in other scanners: perf/bench_peers.py [--quick]

clamd takes them as a stream over a unix socket, its cache off; Postfix takes them by SMTP and asks clamav-milter,
which asks the same clamd; Suricata reads them from a capture (suricata.py). Signatures are like ClamAV's (rules.h), and
no digest is in use, for no peer computes one of each part. A peer's rate is by the processor time of
its own processes, as Cordon's is, which bench_traffic measures right before in each round; a ratio is the median of
the rounds' ratios. Every verdict is checked. What is not installed is skipped and said.

Where CORDON_TEST_DATA has them, and not with --quick: the signatures that ClamAV publishes and real mails (official.py).
"""
import json
import os
import shutil
import smtplib
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(ROOT, "build")))
TRAFFIC = os.path.join(BUILD, "perf", "bench_traffic")
PATIENCE = 60.0
PORT = 2626
TICKS = os.sysconf("SC_CLK_TCK")
sys.path.insert(0, os.path.join(ROOT, "tests", "lab"))
sys.path.insert(0, os.path.join(ROOT, "perf"))
import official  # noqa: E402 pylint: disable=wrong-import-position
import suricata  # noqa: E402 pylint: disable=wrong-import-position


def find(name):
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


def until(is_so, what):
    end = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > end:
            sys.exit("%s: not within %d s" % (what, PATIENCE))
        time.sleep(0.05)


def processor(sessions):
    """Seconds that the processes of these sessions have had, those that ended among them."""
    ticks = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid, encoding="ascii", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) in sessions:
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICKS


class Running:
    """A program in a session of its own, which is all that ends with it."""

    def __init__(self, command, **options):
        options.pop("start_new_session", None)
        self.child = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)

    def stop(self):
        self.child.terminate()
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


class Room:
    """What labpostfix needs of a lab, without namespaces."""

    def __init__(self, folder):
        self.folder, self.logs, self.running, self.readers = folder, [], [], []

    def start(self, _side, _name, command, **options):
        self.running.append(Running(command, **options))
        return self.running[-1]

    def stop(self):
        for running in reversed(self.running):
            running.stop()


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


class Clamd:
    """One that has the signatures of a folder."""

    def __init__(self, room, folder):
        path, self.connection = room.folder + "/clamd.conf", None
        self.socket = room.folder + "/clamd.sock"
        write(path, "LocalSocket %s\nLocalSocketMode 666\nDatabaseDirectory %s\n"
              "Foreground yes\nUser root\nDisableCache yes\nTemporaryDirectory %s\n"
              "StreamMaxLength 100M\n" % (self.socket, folder, room.folder))
        self.running = room.start(None, "clamd", [find("clamd"), "--config-file", path])
        self.pid = self.running.child.pid
        until(lambda: os.path.exists(self.socket) or self.running.child.poll() is not None, "clamd")

    def stream(self, mail):
        """True: something was found."""
        if self.connection is None:
            self.connection = socket.socket(socket.AF_UNIX)
            self.connection.connect(self.socket)
            self.connection.sendall(b"zIDSESSION\0")
        self.connection.sendall(b"zINSTREAM\0" + struct.pack(">I", len(mail)) + mail + b"\0\0\0\0")
        answer = b""
        while not answer.endswith(b"\0"):
            more = self.connection.recv(4096)
            if not more:
                sys.exit("clamd has closed the connection")
            answer += more
        return b"FOUND" in answer

    def end_session(self):
        """It waits for the next mail of a session only so long."""
        self.connection.close()
        self.connection = None

    def spent(self):
        """Seconds of a processor that it has had."""
        return time.clock_gettime(~self.pid << 3 | 2)  # of all its threads, clock_getcpuclockid(3)


def check(name, is_infected, found):
    if is_infected != found:
        sys.exit("%s: %s by a peer" % (name, "found" if found else "not found"))


def clamd_rate(clamd, mails, rounds):
    check(mails[0][0], True, clamd.stream(mails[0][1]))
    began = clamd.spent()
    for name, mail in mails * rounds:
        check(name, "infected" in name, clamd.stream(mail))
    spent = clamd.spent() - began
    clamd.end_session()
    return len(mails) * rounds / spent


def start_milter(room):
    path = room.folder + "/milter.conf"
    write(path, "MilterSocket unix:%s/milter.sock\nMilterSocketMode 666\nClamdSocket unix:%s/clamd.sock\n"
          "Foreground yes\nUser root\nOnInfected Reject\nOnClean Accept\nOnFail Defer\n"
          "MaxFileSize 100M\nTemporaryDirectory %s\n" % ((room.folder,) * 3))
    room.start(None, "milter", [find("clamav-milter"), "--config-file", path])
    until(lambda: os.path.exists(room.folder + "/milter.sock"), "clamav-milter")


def start_postfix(room):
    from labpostfix import Postfix  # pylint: disable=import-outside-toplevel
    Postfix(room, None, "mx", "smtpd_milters = unix:%s/milter.sock\nmilter_default_action = tempfail\n"
            % room.folder, "127.0.0.1:%d inet n - n - 200 smtpd\n" % PORT)

    def answers():
        try:
            socket.create_connection(("127.0.0.1", PORT), 1).close()
            return True
        except OSError:
            return False
    until(answers, "Postfix")


def send(client, mail):
    """True: it was rejected."""
    try:
        client.sendmail("a@client.example", ["b@client.example"], mail)
        return False
    except smtplib.SMTPDataError as error:
        if error.smtp_code // 100 != 5:
            sys.exit("Postfix: %s" % error)
        return True


def postfix_rate(room, mails, rounds):
    sessions = {running.child.pid for running in room.running}
    with smtplib.SMTP("127.0.0.1", PORT, timeout=PATIENCE) as client:
        check(mails[0][0], True, send(client, mails[0][1]))
        began = processor(sessions)
        for name, mail in mails * rounds:
            check(name, "infected" in name, send(client, mail))
        return len(mails) * rounds / (processor(sessions) - began)


def cordon_rates(plain):
    """Mails a second of all, and of those without archives, which are these."""
    done = subprocess.run([TRAFFIC, "-s", "100000", "--quick"], check=True, stdout=subprocess.PIPE, cwd=BUILD,
                          env=dict(os.environ, BUILD=BUILD))
    rows = {row["name"]: row["value"] for row in map(json.loads, done.stdout.splitlines())}
    size = statistics.mean(len(mail) for _name, mail in plain)
    return {"": rows["traffic/100k/clamav-like/mails"],
            "/no-archives": rows["traffic/100k/clamav-like/only-plain"] * 1e9 / 8 / size}


def show(peer, pairs):
    """pairs: (ours, the peer's) of each round."""
    ours, theirs = zip(*pairs)
    print(json.dumps({"name": "peers/%s/100k" % peer, "value": statistics.median(ours), "unit": "mails/s",
                      "against": peer, "peer": statistics.median(theirs),
                      "ratio": statistics.median(a / b for a, b in pairs)}), flush=True)


def mails_of(folder):
    """As bench_traffic sends them: four of each kind and one that is infected, which is the first here."""
    mails = []
    for name in sorted(os.listdir(folder), reverse=True):
        if name.endswith(".eml"):
            with open("%s/%s" % (folder, name), "rb") as file:
                mails.append((name, file.read()))
    return mails


def bench_official():
    data = os.environ.get("CORDON_TEST_DATA", "")
    if not official.is_there(data):
        print("skipped official: CORDON_TEST_DATA has no signatures and mails", flush=True)
        return
    with tempfile.TemporaryDirectory(prefix="cordon-official-") as folder:
        os.chmod(folder, 0o755)
        room = Room(folder)
        try:
            official.bench(os.path.join(BUILD, "cordonctl"), data, folder,
                           lambda rules: Clamd(room, rules))
        finally:
            room.stop()


def start_peers(room, mails, plain, quick):
    """{name: what tells its rate once}"""
    peers, rules = {}, room.folder + "/rules"
    if find("suricata"):
        reader = suricata.Suricata(find("suricata"), room.folder, rules + "/perf.ndb")
        reader.rate(mails, 1)
        room.readers.append(reader)
        peers["suricata"] = lambda: reader.rate(mails, 10 if quick else 40)
        peers["suricata/no-archives"] = lambda: reader.rate(plain, 10 if quick else 40)
    if find("clamd"):
        clamd = Clamd(room, rules)
        peers["clamd"] = lambda: clamd_rate(clamd, mails, 2 if quick else 8)
    if find("clamd") and find("clamav-milter") and find("postfix") and os.getuid() == 0:
        start_milter(room)
        start_postfix(room)
        peers["postfix-clamav-milter"] = lambda: postfix_rate(room, mails, 2 if quick else 8)
    for name, needs in (("suricata", ""), ("clamd", ""), ("postfix-clamav-milter", " and root")):
        if name not in peers:
            print("skipped %s: it is not installed (scripts/deps perf needs%s)" % (name, needs or " it"), flush=True)
    return peers


def main():
    quick = "--quick" in sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="cordon-peers-") as folder:
        os.chmod(folder, 0o755)
        os.mkdir(folder + "/rules")
        subprocess.run([TRAFFIC, "-w", folder], check=True)
        os.rename(folder + "/perf.ndb", folder + "/rules/perf.ndb")
        mails = mails_of(folder)
        plain = [(name, mail) for name, mail in mails if "office" not in name and "zip" not in name]
        room = Room(folder)
        try:
            peers = start_peers(room, mails, plain, quick)
            pairs = {name: [] for name in peers}
            for _round in range(2 if quick else 7):
                ours = cordon_rates(plain)
                for name, rate in peers.items():
                    pairs[name].append((ours["/no-archives" if name.endswith("/no-archives") else ""], rate()))
            for name, found in pairs.items():
                show(name, found)
            for reader in room.readers:
                reader.end()
        finally:
            room.stop()
    if quick:
        print("left out official: it takes as long to start as all else here does", flush=True)
    elif find("clamd"):
        bench_official()


main()
