# SPDX-License-Identifier: BSD-3-Clause
"""Mails as SMTP conversations in a capture, and Suricata that reads it with the same signatures.

It looks into attachments as they are decoded, not into archives, and forwards nothing: what it spends is less than
what an inline engine does. Its rules are the patterns of an .ndb file, each looked for in what mails carry."""
import json
import os
import re
import subprocess
import struct
import sys

CLIENT, SERVER = bytes([10, 9, 8, 7]), bytes([10, 9, 8, 1])
SEGMENT = 1448
DEPTH = 1 << 24  # bytes of a stream and of an attachment that are looked at

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
      inspected-tracker: {content-limit: %(depth)d, content-inspect-min-size: 32768, content-inspect-window: 4096}
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


def write_capture(path, mails, rounds):
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for number, (_name, mail) in enumerate(mails * rounds):
            Conversation(out, number).play(mail)


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


def run(suricata, folder, capture):
    """(processor seconds, conversations in which something was found)"""
    log = folder + "/eve.json"
    if os.path.exists(log):
        os.unlink(log)
    with subprocess.Popen([suricata, "-c", folder + "/suricata.yaml", "-S", folder + "/suricata.rules", "-r", capture,
                           "-l", folder, "--runmode", "single", "-k", "none"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        said = child.stderr.read()
        _pid, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit("suricata: %s" % said.decode(errors="replace"))
    with open(log, encoding="utf-8") as file:
        found = {json.loads(line)["flow_id"] for line in file}
    return used.ru_utime + used.ru_stime, len(found)


def rate(suricata, folder, ndb, mails, rounds):
    """Mails a second of processor time, what it takes to start left out. Each infected mail must be found."""
    with open(folder + "/suricata.yaml", "w", encoding="ascii") as file:
        file.write(CONFIG % {"folder": folder, "depth": DEPTH})
    write_rules(folder + "/suricata.rules", ndb)
    spent = []
    for times in (1, 1 + rounds):
        capture = "%s/%d.pcap" % (folder, times)
        write_capture(capture, mails, times)
        seconds, found = run(suricata, folder, capture)
        if found != times * sum("infected" in name for name, _mail in mails):
            sys.exit("suricata: %d conversations of %d mails, of %d infected ones" % (
                found, times * len(mails), times * sum("infected" in name for name, _mail in mails)))
        spent.append(seconds)
        os.unlink(capture)
    return rounds * len(mails) / (spent[1] - spent[0])
