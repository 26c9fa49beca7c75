# SPDX-License-Identifier: BSD-3-Clause
"""What the lab's tests share: cases and their results, the network of scripts/lab, processes in it,
the gateway, captures and what must hold of them.

A test program makes Cases, decorates functions with @cases.case("a sentence that is true") and ends
with cases.main(). A case gets a Case, opens `with Lab(case, ...) as lab` and uses case.check. Each lab
has namespaces and a folder of its own and takes them away with it.

LAB_GATEWAY=bridge puts a kernel bridge in the gateway's place: cases that need the engine are skipped,
all others must pass, which proves the lab. LAB_KEEP=1 keeps the folders.
"""
import contextlib
import ctypes
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(ROOT, "build")))
BRIDGE = os.environ.get("LAB_GATEWAY", "cordon") == "bridge"
CLIENT, SERVER = "192.0.2.10", "192.0.2.25"
CLIENT6, SERVER6 = "2001:db8::10", "2001:db8::25"
VLAN_SERVER, VLAN_SERVER6 = "198.51.100.25", "2001:db8:1::25"
PATIENCE = 30.0  # seconds that anything here may take on a busy machine


class Failed(Exception):
    """A check that did not hold."""


class Skipped(Exception):
    """The machine cannot do what the case needs."""


def until(what, question, seconds=PATIENCE):
    """Asks until the answer is true, and returns it; past the time, the case fails."""
    end = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise Failed("%s: not within %g s" % (what, seconds))
        time.sleep(0.02)


class Case:
    def __init__(self, name, function, engine):
        self.name, self.function, self.engine = name, function, engine
        self.labs = []

    def check(self, holds, what, *details):
        if not holds:
            raise Failed(what + "".join("\n  " + str(d) for d in details))

    def equal(self, got, wanted, what):
        self.check(got == wanted, what, "wanted %.300r" % (wanted,), "got    %.300r" % (got,))

    def skip(self, why):
        raise Skipped(why)


class Cases:
    def __init__(self):
        self.all = []

    def case(self, name, engine=False):
        """engine: the case needs Cordon itself, a bridge will not do."""
        def add(function):
            self.all.append(Case(name, function, engine))
            return function
        return add

    def run(self, case):
        if case.engine and BRIDGE:
            return "skipped", "a bridge stands in for the gateway"
        try:
            case.function(case)
            return "ok", ""
        except Skipped as why:
            return "skipped", str(why)
        except Failed as why:
            return "FAIL", str(why)
        except Exception:  # a case that breaks has failed, the others still run
            return "FAIL", traceback.format_exc()

    def main(self):
        chosen = [c for c in self.all
                  if not sys.argv[1:] or any(a in c.name for a in sys.argv[1:])]
        count = {"ok": 0, "FAIL": 0, "skipped": 0}
        why_not = lab_missing()
        for case in chosen:
            began = time.monotonic()
            result, why = ("skipped", why_not) if why_not else self.run(case)
            count[result] += 1
            if result == "skipped":
                print("skipped: %s: %s" % (case.name, why), flush=True)
                continue
            print("%-4s %s (%.1f s)" % (result, case.name, time.monotonic() - began), flush=True)
            if result == "FAIL":
                print("".join("     " + line + "\n" for line in why.splitlines()), end="")
                for text in case.labs:
                    print("".join("     | " + line + "\n" for line in text.splitlines()), end="")
        print("%(ok)d passed, %(FAIL)d failed, %(skipped)d skipped" % count)
        sys.exit(1 if count["FAIL"] else 0)


def lab_missing():
    """Why there can be no lab on this machine, or an empty string."""
    done = subprocess.run([os.path.join(ROOT, "scripts/lab"), "check"], stdout=subprocess.PIPE)
    if done.returncode:
        return done.stdout.decode().strip()
    for tool in ("tshark", "tcpdump", "postfix", "swaks", "smtp-source", "curl", "iperf3", "socat"):
        if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            return "no %s (scripts/deps test)" % tool
    return ""


class Process:
    """A program in one of the lab's namespaces, its output in a file of the lab's folder."""

    def __init__(self, lab, side, name, command, **options):
        self.name = name
        self.log = os.path.join(lab.folder, "%s-%d.log" % (name, next(lab.numbers)))
        self.out = open(self.log, "wb")
        self.child = subprocess.Popen(
            ["ip", "netns", "exec", lab.namespace(side)] + [str(c) for c in command],
            stdin=subprocess.DEVNULL, stdout=self.out, stderr=subprocess.STDOUT, cwd=lab.folder,
            env=lab.environment, **options)

    def text(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def wait_for(self, words, seconds=PATIENCE):
        def seen():
            if words in self.text():
                return True
            if self.child.poll() is not None:
                raise Failed("%s ended with %d:\n%s" % (self.name, self.child.returncode,
                                                        self.text()[-2000:]))
            return False
        until("%s says '%s'" % (self.name, words), seen, seconds)

    def running(self):
        return self.child.poll() is None

    def wait(self, seconds=PATIENCE):
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.stop(signal.SIGKILL)
            raise Failed("%s did not end within %g s:\n%s" % (self.name, seconds, self.text()[-2000:]))

    def stop(self, how=signal.SIGTERM, seconds=10):
        """Returns the exit status."""
        if self.child.poll() is None:
            self.child.send_signal(how)
            try:
                self.child.wait(seconds)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        self.out.close()
        return self.child.returncode


FAMILIES = {"input": "inet", "output": "netdev"}  # of the rules that lose packets


class Lab:
    """Namespaces client, gateway and server, and a folder. Options are those of scripts/lab up."""
    serial = itertools.count(1)

    def __init__(self, case=None, mtu=1500, vlan=None, faults=None, calm=False, bridge=BRIDGE):
        self.case = case
        self.name = "cordon-%d-%d" % (os.getpid(), next(Lab.serial))
        self.mtu, self.bridge = mtu, bridge
        self.cable_mtu = mtu + 8 if vlan else mtu  # as scripts/lab makes it, for the tags
        self.numbers = itertools.count(1)
        self.closing = contextlib.ExitStack()
        self.dead = []  # [from, to] by the clock: nobody was there to answer or forward anything
        self.logs = []  # (title, function that gives the text): shown when the case fails
        self.folder = None
        self.environment = None  # of the programs that are started from now on; None: this one's
        self.options = ["--name", self.name, "--mtu", str(mtu)]
        self.options += ["--vlan", str(vlan)] if vlan else []
        self.options += ["--faults", faults] if faults else []
        self.options += ["--calm"] if calm else []
        self.options += ["--bridge"] if bridge else []

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="cordon-lab-")
        os.chmod(self.folder, 0o755)
        wire_log = os.path.join(self.folder, "wire.log")
        environment = dict(os.environ, BUILD=BUILD)
        up = subprocess.run([os.path.join(ROOT, "scripts/lab"), "up"] + self.options
                            + ["--log", wire_log], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, env=environment)
        if up.returncode:
            shutil.rmtree(self.folder, ignore_errors=True)
            kind = Skipped if up.returncode == 3 else Failed
            raise kind(up.stdout.decode().strip())
        self.wire_log = wire_log
        return self

    def __exit__(self, kind, value, trace):
        if kind and kind is not Skipped and self.case:
            for title, text in reversed(self.logs):  # what is nearest to the question first
                with contextlib.suppress(Exception):
                    self.case.labs.append("--- %s\n%s" % (title, text()[-3000:]))
        try:
            self.closing.close()
        finally:
            subprocess.run([os.path.join(ROOT, "scripts/lab"), "down", "--name", self.name],
                           stdin=subprocess.DEVNULL)
            if os.environ.get("LAB_KEEP"):
                print("     kept: " + self.folder)
            else:
                shutil.rmtree(self.folder, ignore_errors=True)

    def namespace(self, side):
        return "%s-%s" % (self.name, side)

    def start(self, side, name, command, **options):
        """A program that runs until the lab closes."""
        process = Process(self, side, name, command, **options)
        self.closing.callback(process.stop)
        self.logs.append((name, process.text))
        return process

    def run(self, side, command, seconds=PATIENCE, text=True, **options):
        """A program to its end: (exit status, stdout and stderr)."""
        try:
            done = subprocess.run(["ip", "netns", "exec", self.namespace(side)]
                                  + [str(c) for c in command], timeout=seconds,
                                  stdin=None if "input" in options else subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  cwd=self.folder, **options)
        except subprocess.TimeoutExpired as late:
            raise Failed("%s: not done within %g s:\n%s"
                         % (command[0], seconds, (late.stdout or b"").decode(errors="replace")))
        return done.returncode, done.stdout.decode(errors="replace") if text else done.stdout

    @contextlib.contextmanager
    def inside(self, side):
        """Sockets that this thread makes in the block belong to that namespace, for good."""
        with open("/proc/self/task/%d/ns/net" % threading.get_native_id()) as here, \
                open("/run/netns/" + self.namespace(side)) as there:
            enter(there.fileno())
            try:
                yield
            finally:
                enter(here.fileno())

    def connect(self, address=SERVER, port=25, seconds=PATIENCE, side="client", source=None):
        with self.inside(side):
            return socket.create_connection((address, port), seconds, source)

    def wait_listening(self, side, port, kind="t"):
        def listening():
            _, text = self.run(side, ["ss", "-ln" + kind])
            return re.search(r":%d\s" % port, text)
        until("port %d of the %s open" % (port, side), listening)

    def drop(self, side, hook, every):
        """From now on, one of so many TCP packets is lost there (hook: input or output), but what the end
        says to itself."""
        if hook == "input":
            where, lost = "hook input", 'iifname != "lo" %s drop'
        else:
            # The kernel must not hear of the loss, as it would of a plain drop: when it fails to repeat a
            # SYN/ACK it forgets the connection. For what is carried off to lo nobody is there.
            where, lost = 'hook egress device "%s0"' % side, '%s fwd to "lo"'
        lost %= "meta l4proto tcp numgen inc mod %d == %d counter" % (every, every // 2)
        rules = ("table %s faults_%s { chain c { type filter %s priority 0; policy accept; %s; }; }\n"
                 % (FAMILIES[hook], hook, where, lost))
        status, text = self.run(side, ["nft", "-f", "-"], input=rules.encode())
        if status:
            raise Failed("nft: " + text)

    def drop_no_more(self, side, hook):
        self.run(side, ["nft", "delete", "table", FAMILIES[hook], "faults_" + hook])

    def dropped(self, side, hook):
        _, text = self.run(side, ["nft", "list", "table", FAMILIES[hook], "faults_" + hook])
        return int(re.search(r"counter packets (\d+)", text).group(1))

    def wires(self, signal_):
        """Sends a signal to the wires of this lab."""
        for side in ("client", "server"):
            pids = subprocess.run(["ip", "netns", "pids", self.namespace(side)],
                                  stdout=subprocess.PIPE).stdout.decode().split()
            for pid in pids:
                with contextlib.suppress(OSError):
                    if os.path.basename(os.readlink("/proc/%s/exe" % pid)) == "wire":
                        os.kill(int(pid), signal_)

    def faults_done(self):
        """Ends the wires of this lab and returns what they did: {"dropped": n, ...}."""
        self.wires(signal.SIGTERM)
        until("the wire says what it did", lambda: os.path.getsize(self.wire_log))
        with open(self.wire_log) as f:
            return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", f.read())}


LIBC = ctypes.CDLL(None, use_errno=True)


def enter(namespace_fd):
    if LIBC.setns(namespace_fd, 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), "setns")


# ---- captures -----------------------------------------------------------------------------------

class Capture:
    """tcpdump at one end; `fields` reads it with tshark."""

    def __init__(self, lab, side, interface=None):
        self.lab, self.side = lab, side
        self.file = os.path.join(lab.folder, "%s-%d.pcap" % (side, next(lab.numbers)))
        self.process = lab.start(side, "tcpdump", [
            "tcpdump", "--immediate-mode", "-U", "-n", "-s", "0", "-B", "32768", "-Z", "root",
            "-i", interface or side + "0", "-w", self.file])
        self.process.wait_for("listening on")

    def bytes(self):
        with open(self.file, "rb") as f:
            return f.read()

    def finish(self):
        """Stops once everything sent so far is in the file: a mark is sent and looked for."""
        mark = os.urandom(16)

        def marked():
            with self.lab.inside(self.side), \
                    socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mark_socket:
                mark_socket.sendto(mark, (SERVER if self.side == "client" else CLIENT, 9))
            return mark in self.bytes()
        until("the capture of the " + self.side, marked)
        self.process.stop(signal.SIGINT)
        lost = re.search(r"(\d+) packets dropped by kernel", self.process.text())
        if lost and int(lost.group(1)):
            raise Failed("tcpdump lost %s packets" % lost.group(1))

    def fields(self, shown, *names):
        """The named fields of each frame that the display filter shows. What TCP carries is not
        looked into."""
        done = subprocess.run(
            ["tshark", "-n", "-r", self.file, "-o", "tcp.check_checksum:TRUE", "-o",
             "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-o",
             "tcp.desegment_tcp_streams:FALSE", "--disable-protocol", "smtp", "--disable-protocol",
             "http", "-Y", shown, "-T", "fields"]
            + [a for name in names for a in ("-e", name)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode:
            raise Failed("tshark: " + done.stderr.decode()[-500:])
        return [line.split("\t") for line in done.stdout.decode().splitlines()]


# Where the sum is 0, Linux writes its other form, 0xffff, which tshark does not like in TCP.
BAD_SUM = ("(tcp.checksum.status==0 and tcp.checksum != 0xffff) or ip.checksum.status==0 or "
           "udp.checksum.status==0")
FLAGS = ("tcp.flags.syn", "tcp.flags.fin", "tcp.flags.reset", "tcp.flags.ack")
TIMER = 0.9   # seconds: the least time after which a calm lab's kernel, or the gateway, repeats what nobody answered
STALLS = 5    # so many repeats of that kind are bad luck; more have a cause
SWAPPED = 50  # one segment of so many, and a few, may be overtaken: two processors at work do that


class Direction:
    """What one capture shows of one side of a connection: which sequence numbers, and how often."""

    def __init__(self):
        self.seen = []     # [first, end) of them, in order, none touching the next
        self.end = 0       # the highest so far
        self.acked = 0     # the highest that the other side acknowledged
        self.copies = {}   # (first, end): times at which that very segment came
        self.repeats = []  # (first, end, frame): all or some of it had been there before
        self.segments = self.overtaken = 0

    def take(self, first, end, time_, frame):
        if first == end:
            return
        self.segments += 1
        self.copies.setdefault((first, end), []).append(time_)
        if any(low < end and first < high for low, high in self.seen):
            self.repeats.append((first, end, frame))
        elif end <= self.end:
            self.overtaken += 1
        self.end = max(self.end, end)
        spans = sorted(self.seen + [[first, end]])
        self.seen = spans[:1]
        for low, high in spans[1:]:
            if low <= self.seen[-1][1]:
                self.seen[-1][1] = max(self.seen[-1][1], high)
            else:
                self.seen.append([low, high])

    def holes(self):
        return [(a[1], b[0]) for a, b in zip(self.seen, self.seen[1:])]


def directions(rows):
    """{(stream, sender's port): Direction} of rows (stream, port from, to, time, frame, sequence
    number, acknowledgement, bytes, syn, fin, reset, ack)."""
    found = {}
    for stream, source, target, time_, frame, seq, ack, size, syn, fin, reset, has_ack in rows:
        if reset:
            continue
        own = found.setdefault((stream, source), Direction())
        own.take(seq, seq + size + syn + fin, time_, frame)
        if has_ack:
            other = found.setdefault((stream, target), Direction())
            other.acked = max(other.acked, ack)
    return found


def tcp_rows(capture):
    """For `directions`; a connection is known by its addresses, so that both ends call it the same."""
    rows = []
    for row in capture.fields("tcp", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport",
                              "tcp.dstport", "frame.time_epoch", "frame.number", "tcp.seq", "tcp.ack",
                              "tcp.len", *FLAGS):
        number = [int(n or 0) for n in row[7:11]]
        flags = [f in ("1", "True") for f in row[11:]]
        source, target = (row[0] or row[2], row[4]), (row[1] or row[3], row[5])
        rows.append((frozenset((source, target)), source, target, float(row[6]), number[0], number[1],
                     number[2], number[3], *flags))
    return rows


def faults_of(near, far=None):
    """What is wrong in one end's directions, as texts. `far` are those of the other end, where it was
    captured too. Order is the kernel's affair up to a point: with several processors, segments overtake each
    other on their way into a capture and out of a veth. A repeat is excused, a few times, where the kernel's timer
    made it and both came to the far end, or the gateway's timer did, of what it says itself and the far end never
    sees: a slow machine, no loss."""
    faults, excused = [], []
    for (stream, sender), d in near.items():
        other = far.get((stream, sender)) if far else None
        name = "%s:%s" % sender
        faults += ["%s: %d-%d never came" % (name, *hole) for hole in d.holes()]
        if d.seen and d.acked > d.end:
            faults.append("%s: acknowledged up to %d, sent up to %d" % (name, d.acked, d.end))
        for first, end, frame in d.repeats:
            times = d.copies[first, end]
            pause = min((b - a for a, b in zip(times, times[1:])), default=0)
            there = len(other.copies.get((first, end), [])) if other else 1
            (excused if pause >= TIMER and there != 1 else faults).append(
                "%s: %d-%d repeated in frame %d" % (name, first, end, frame))
        before = other.overtaken if other else 0
        if d.overtaken - before > 3 + d.segments // SWAPPED:
            faults.append("%s: %d of %d segments overtaken, at the other end %d"
                          % (name, d.overtaken, d.segments, before))
    return faults + (excused if len(excused) > STALLS else [])


def check_captures(case, captures, repeats=False, resets=()):
    """No bad checksum; no repeated or lost segment unless `repeats`; no reset but at the ends named in
    `resets`."""
    for capture in captures:
        if capture.process.running():
            capture.finish()
        rows = capture.fields("(%s) or tcp.flags.reset==1" % BAD_SUM,
                              "frame.number", "ip.checksum.status", "tcp.checksum.status",
                              "udp.checksum.status", "tcp.flags.reset", "_ws.col.Info", "tcp.checksum")
        case.check(len(capture.bytes()) > 2000, "the %s's capture shows traffic" % capture.side)
        bad = [r for r in rows if "0" in r[1] + r[3] or ("0" in r[2] and r[6] != "0xffff")]
        case.check(not bad, "no bad checksum at the " + capture.side, *bad[:5])
        reset = [r for r in rows if r[4] in ("1", "True")]
        if capture.side not in resets:
            case.check(not reset, "no reset at the " + capture.side, *reset[:5])
    if repeats:
        return
    seen = [directions(tcp_rows(c)) for c in captures]
    for i, capture in enumerate(captures):
        faults = faults_of(seen[i], seen[1 - i] if len(seen) == 2 else None)
        case.check(not faults, "nothing repeated or lost at the " + capture.side, *faults[:8])


def load_json_lines(path):
    if not os.path.exists(path):
        return []
    with open(path, errors="replace") as f:
        return [json.loads(line) for line in f if line.endswith("\n") and line.strip()]
