#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The same mails by the same signatures in other scanners: perf/bench_peers.py [--quick]

clamd takes them as a stream over a unix socket, its cache off; Postfix takes them by SMTP and asks clamav-milter,
which asks the same clamd; Suricata reads them from a capture (suricata.py). A peer's rate is by the processor time of
its own processes, as Cordon's is, which bench_traffic measures right before; every verdict is checked. What is not
installed is skipped and said.
"""
import json
import os
import shutil
import smtplib
import socket
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
        self.folder, self.logs, self.running = folder, [], []

    def start(self, _side, _name, command, **options):
        self.running.append(Running(command, **options))
        return self.running[-1]

    def stop(self):
        for running in reversed(self.running):
            running.stop()


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def start_clamd(room):
    path = room.folder + "/clamd.conf"
    write(path, "LocalSocket %s/clamd.sock\nLocalSocketMode 666\nDatabaseDirectory %s/rules\n"
          "Foreground yes\nUser root\nDisableCache yes\nTemporaryDirectory %s\n"
          "StreamMaxLength 100M\n" % ((room.folder,) * 3))
    clamd = room.start(None, "clamd", [find("clamd"), "--config-file", path])
    until(lambda: os.path.exists(room.folder + "/clamd.sock") or clamd.child.poll() is not None,
          "clamd")
    return clamd


def stream(connection, mail):
    """True: something was found."""
    connection.sendall(b"zINSTREAM\0" + struct.pack(">I", len(mail)) + mail + b"\0\0\0\0")
    answer = b""
    while not answer.endswith(b"\0"):
        more = connection.recv(4096)
        if not more:
            sys.exit("clamd has closed the connection")
        answer += more
    return b"FOUND" in answer


def check(name, is_infected, found):
    if is_infected != found:
        sys.exit("%s: %s by a peer" % (name, "found" if found else "not found"))


def clamd_rate(room, clamd, mails, rounds):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(room.folder + "/clamd.sock")
        connection.sendall(b"zIDSESSION\0")
        for name, mail in mails[:7]:
            check(name, "infected" in name, stream(connection, mail))
        began = processor({clamd.child.pid})
        for name, mail in mails * rounds:
            check(name, "infected" in name, stream(connection, mail))
        return len(mails) * rounds / (processor({clamd.child.pid}) - began)


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
        for name, mail in mails[:7]:
            check(name, "infected" in name, send(client, mail))
        began = processor(sessions)
        for name, mail in mails * rounds:
            check(name, "infected" in name, send(client, mail))
        return len(mails) * rounds / (processor(sessions) - began)


def cordon_rate(quick):
    done = subprocess.run([TRAFFIC, "-s", "100000"] + (["--quick"] if quick else []), check=True,
                          stdout=subprocess.PIPE, cwd=BUILD)
    for line in done.stdout.splitlines():
        row = json.loads(line)
        if row["name"] == "traffic/100k/clamav-like/mails":
            return row["value"]
    sys.exit("bench_traffic says nothing of mails")


def show(peer, ours, theirs):
    print(json.dumps({"name": "peers/%s/100k" % peer, "value": ours, "unit": "mails/s", "against": peer,
                      "peer": theirs, "ratio": ours / theirs}), flush=True)


def mails_of(folder):
    """As bench_traffic sends them: four of each kind and one that is infected, which is the first here."""
    mails = []
    for name in sorted(os.listdir(folder), reverse=True):
        if name.endswith(".eml"):
            with open("%s/%s" % (folder, name), "rb") as file:
                mails.append((name, file.read()))
    return mails


def main():
    quick = "--quick" in sys.argv[1:]
    for peer in ("suricata", "clamd"):
        if not find(peer):
            print("skipped %s: it is not installed (scripts/deps perf)" % peer, flush=True)
    with tempfile.TemporaryDirectory(prefix="cordon-peers-") as folder:
        os.chmod(folder, 0o755)
        os.mkdir(folder + "/rules")
        subprocess.run([TRAFFIC, "-w", folder], check=True)
        os.rename(folder + "/perf.ndb", folder + "/rules/perf.ndb")
        mails = mails_of(folder)
        ours = cordon_rate(quick)
        if find("suricata"):
            show("suricata", ours, suricata.rate(find("suricata"), folder, folder + "/rules/perf.ndb",
                                                 mails, 40 if quick else 160))
        if not find("clamd"):
            return
        room = Room(folder)
        try:
            show("clamd", ours, clamd_rate(room, start_clamd(room), mails, 4 if quick else 16))
            if not find("clamav-milter") or not find("postfix") or os.getuid() != 0:
                print("skipped postfix: it needs postfix, clamav-milter (scripts/deps perf) and root")
                return
            start_milter(room)
            start_postfix(room)
            show("postfix-clamav-milter", ours, postfix_rate(room, mails, 4 if quick else 16))
        finally:
            room.stop()


main()
