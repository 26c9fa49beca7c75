# SPDX-License-Identifier: BSD-3-Clause
"""Mails as SMTP conversations in a capture, and Suricata that reads it with the same signatures.

It looks into attachments as they are decoded, not into archives, and forwards nothing: what it spends is less than
what an inline engine does. A text it looks into as an attachment alone: in its mails each has a name. Its rules
are the patterns of an .ndb file, each looked for in what mails carry, pieces between gaps by their distances.

Two things make its rate differ by several times where nothing else differs. A limit of what is looked at of an attachment
(content-limit) is memory that it fills with zeros for each one, whatever comes: there is none here. And what it takes to
start is more than what it takes to read a thousand mails, and not the same each time: the capture comes through a pipe,
so that one process reads all rounds. What counts is its thread that reads, decodes and searches; a manager of
flows beside it walks through empty tables as time goes on, however many mails there are.
"""
import array
import fcntl
import io
import json
import os
import re
import struct
import subprocess
import sys
import termios
import time

CLIENT, SERVER = bytes([10, 9, 8, 7]), bytes([10, 9, 8, 1])
SEGMENT = 1448
PATIENCE = 60.0
F_SETPIPE_SZ = 1031  # fcntl(2)
PIPE_BYTES = 1 << 20

CONFIG = """%%YAML 1.1
---
vars:
  address-groups: {HOME_NET: any, EXTERNAL_NET: any}
  port-groups: {}
default-log-dir: %(folder)s
stats: {enabled: no}
logging:
  default-log-level: error
  outputs: [{console: {enabled: no}}]
outputs:
  - eve-log: {enabled: yes, filetype: regular, filename: eve.json, types: [alert]}
app-layer:
  protocols:
    smtp:
      enabled: yes
      raw-extraction: no
      mime: {decode-mime: yes, decode-base64: yes, decode-quoted-printable: yes, extract-urls: no, header-value-depth: 2000}
      inspected-tracker: {content-limit: 0, content-inspect-min-size: 32768, content-inspect-window: 4096}
stream:
  memcap: 1gb
  checksum-validation: no
  reassembly: {memcap: 2gb, depth: 0}
flow: {memcap: 256mb, hash-size: 65536, prealloc: 10000}
"""


class Conversation:
    """One mail on one connection, both sides in step."""

    def __init__(self, out, number):
        self.out = out
        self.port = 1024 + number % 60000
        self.next = [1000, 500000]
        self.clock = number * 1000

    def segment(self, side, flags, data=b""):
        source, target = (CLIENT, SERVER) if side == 0 else (SERVER, CLIENT)
        ports = (self.port, 25) if side == 0 else (25, self.port)
        tcp = struct.pack(">HHIIBBHHH", *ports, self.next[side], self.next[1 - side] if flags & 0x10 else 0,
                          0x50, flags, 65535, 0, 0)
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 40 + len(data), 0, 0, 64, 6, 0) + source + target
        frame = b"\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0" + ip + tcp + data
        self.clock += 10
        self.out.write(struct.pack("<IIII", self.clock // 1000000, self.clock % 1000000, len(frame), len(frame)))
        self.out.write(frame)
        self.next[side] += len(data) + (1 if flags & 3 else 0)

    def say(self, side, data):
        for at in range(0, len(data), SEGMENT):
            self.segment(side, 0x18, data[at:at + SEGMENT])
            if at // SEGMENT % 8 == 7:
                self.segment(1 - side, 0x10)
        self.segment(1 - side, 0x10)

    def play(self, mail):
        self.segment(0, 0x02)
        self.segment(1, 0x12)
        self.segment(0, 0x10)
        self.say(1, b"220 mx.example\r\n")
        for command, reply in ((b"EHLO client.example", b"250 mx.example"),
                               (b"MAIL FROM:<a@client.example>", b"250 2.1.0 Ok"),
                               (b"RCPT TO:<b@client.example>", b"250 2.1.5 Ok"), (b"DATA", b"354 End data with .")):
            self.say(0, command + b"\r\n")
            self.say(1, reply + b"\r\n")
        self.say(0, mail + (b"" if mail.endswith(b"\r\n") else b"\r\n") + b".\r\n")
        self.say(1, b"250 2.0.0 Ok\r\n")
        self.say(0, b"QUIT\r\n")
        self.say(1, b"221 2.0.0 Bye\r\n")
        self.segment(0, 0x11)
        self.segment(1, 0x11)
        self.segment(0, 0x10)


def contents(body):
    """Of a body of an .ndb line: each piece without a wildcard, where it may begin behind the one before it."""
    found, least, most = [], 0, 0  # most None: anywhere
    for token in re.findall(r"(?:[0-9a-f]{2})+|\?\?|\*|\{[0-9-]+\}", body):
        if token == "*":
            most = None
        elif token == "??" or token[0] == "{":
            low, dash, high = token.strip("{}").partition("-") if token != "??" else ("1", "", "")
            least += int(low or 0)
            if dash and not high:
                most = None
            elif most is not None:
                most += int(high or low)
        else:
            option = 'content:"|%s|";' % " ".join(token[i:i + 2] for i in range(0, len(token), 2))
            if found:
                option += " distance:%d;" % least
                if most is not None:
                    option += " within:%d;" % (most - least + len(token) // 2)
            found.append(option)
            least = most = 0
    return " ".join(found)


def write_rules(path, ndb):
    with open(ndb, encoding="ascii") as patterns, open(path, "w", encoding="ascii") as out:
        for number, line in enumerate(patterns, 1):
            out.write('alert smtp any any -> any any (msg:"%d"; file.data; %s sid:%d;)\n'
                      % (number, contents(line.strip().split(":")[3]), number))


def named(mail):
    """With a name for its text."""
    return re.sub(rb"(Content-Type: text/(?:plain|html); charset=utf-8)\r\n", rb'\1; name="text.txt"\r\n', mail, count=1)


class Suricata:
    """A process that reads what it is given, on one thread."""

    def __init__(self, program, folder, ndb):
        self.folder, self.sent, self.infected = folder, 0, 0
        with open(folder + "/suricata.yaml", "w", encoding="ascii") as file:
            file.write(CONFIG % {"folder": folder})
        write_rules(folder + "/suricata.rules", ndb)
        os.mkfifo(folder + "/capture")
        self.child = subprocess.Popen(  # pylint: disable=consider-using-with
            [program, "-c", folder + "/suricata.yaml", "-S", folder + "/suricata.rules", "-r", folder + "/capture", "-l",
             folder, "--runmode", "single", "-k", "none"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE)
        self.pipe = self.open_capture()
        fcntl.fcntl(self.pipe, F_SETPIPE_SZ, PIPE_BYTES)
        self.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))

    def open_capture(self):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.child.poll() is None:
            try:
                return os.open(self.folder + "/capture", os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                time.sleep(0.02)
        self.child.kill()
        sys.exit("suricata: %s" % self.child.stderr.read().decode(errors="replace"))

    def left(self):
        """Bytes that it has not read."""
        left = array.array("i", [0])
        fcntl.ioctl(self.pipe, termios.FIONREAD, left)
        return left[0]

    def write(self, data):
        """In large pieces, and never while it reads: else each page costs it a wake-up, more than what is in it."""
        data, end = memoryview(data), time.monotonic() + PATIENCE
        while data and time.monotonic() < end:
            if self.left() > PIPE_BYTES // 4:
                time.sleep(0.001)
            else:
                data = data[os.write(self.pipe, data[:PIPE_BYTES // 2]):]
        if data:
            sys.exit("suricata: reads no more")

    def spent(self):
        """Seconds of a processor of the thread that reads, decodes and searches, once it has read all and rests."""
        before, end = -1.0, time.monotonic() + PATIENCE
        while time.monotonic() < end:
            now = self.worker_s()
            if self.left() == 0 and now == before:
                return now
            before = now
            time.sleep(0.05)
        sys.exit("suricata: does not come to an end")

    def worker_s(self):
        tasks = "/proc/%d/task/" % self.child.pid
        for task in os.listdir(tasks):
            with open(tasks + task + "/comm", encoding="ascii") as file:
                if not file.read().startswith("W#"):
                    continue
            with open(tasks + task + "/schedstat", encoding="ascii") as file:
                return int(file.read().split()[0]) / 1e9
        return 0.0  # it is still starting

    def rate(self, mails, rounds):
        """Mails a second of processor time."""
        capture = io.BytesIO()
        for name, mail in mails * rounds:
            Conversation(capture, self.sent).play(named(mail))
            self.sent += 1
            self.infected += "infected" in name
        began = self.spent()
        self.write(capture.getbuffer())
        return len(mails) * rounds / (self.spent() - began)

    def end(self):
        """Each infected mail must have been found, and nothing else."""
        os.close(self.pipe)
        said = self.child.stderr.read()
        if self.child.wait() != 0:
            sys.exit("suricata: %s" % said.decode(errors="replace"))
        with open(self.folder + "/eve.json", encoding="utf-8") as file:
            found = len({json.loads(line)["flow_id"] for line in file})
        if found != self.infected:
            sys.exit("suricata: %d conversations of %d mails, of %d infected ones" % (found, self.sent, self.infected))
