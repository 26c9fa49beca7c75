#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Reads delivery status notifications with Python's parser, holds them against RFC 3464, 3461 and 6533, and says
what is in them. Standard input has a file's name on each line; a line of output begins with "wrong" where a rule
is broken."""
import email
import email.policy
import email.utils
import re
import sys

ATOM = r"[A-Za-z0-9-]+"
ADDRESS = re.compile(ATOM + r" *; *\S[^\r\n]*")
MTA = re.compile(r"dns *; *(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*|\[[0-9.]+\]|\[IPv6:[0-9A-Fa-f:.]+\])")
RULES = {
    "original-envelope-id": re.compile(r"[!-~][ -~]*"),
    "reporting-mta": MTA, "remote-mta": MTA,
    "original-recipient": ADDRESS, "final-recipient": ADDRESS,
    "action": re.compile(r"failed|delayed|relayed"),
    "status": re.compile(r"[245]\.\d{1,3}\.\d{1,3}"),
    "diagnostic-code": re.compile(r"smtp; [245]\d\d[ -][^\r\n]*"),
}
DATES = ("arrival-date", "will-retry-until")
ABOUT_ALL = {"original-envelope-id", "reporting-mta", "arrival-date"}
CLASSES = {"failed": "45", "delayed": "4", "relayed": "2"}


def wrong(what):
    print("wrong:", what)


def fields_of(block):
    """[(name, value)] in order, by hand: Python's parser is lenient."""
    fields = []
    for line in block.split("\r\n"):
        name, colon, value = line.partition(":")
        if not colon or not re.fullmatch(ATOM, name) or not value.startswith(" "):
            wrong("no field: %r" % line)
        fields.append((name.lower(), value.strip()))
    return fields


def check_field(name, value):
    if name in DATES:
        if email.utils.parsedate_to_datetime(value) is None:
            wrong("%s: %r" % (name, value))
    elif name not in RULES or not RULES[name].fullmatch(value):
        wrong("%s: %r" % (name, value))


def check_recipient(fields):
    names = [name for name, _ in fields]
    found = dict(fields)
    if len(names) != len(set(names)) or not {"final-recipient", "action", "status"} <= set(names):
        wrong("fields of a recipient: %s" % names)
        return
    if found["status"][0] not in CLASSES[found["action"]]:
        wrong("status %s of what is %s" % (found["status"], found["action"]))
    if "will-retry-until" in found and found["action"] != "delayed":
        wrong("it is not tried any more, until when?")
    if ("remote-mta" in found) != ("diagnostic-code" in found):
        wrong("a reply of nobody")
    print("recipient", *(found.get(name, "-") for name in (
        "original-recipient", "final-recipient", "action", "status", "remote-mta")))


def check_status(part, raw):
    kind = part.get_content_type()
    text = raw.decode("utf-8" if kind == "message/global-delivery-status" else "ascii")
    blocks = text.rstrip("\r\n").split("\r\n\r\n")
    for block in blocks:
        for name, value in fields_of(block):
            check_field(name, value)
    about = fields_of(blocks[0])
    if not {name for name, _ in about} <= ABOUT_ALL or "reporting-mta" not in dict(about):
        wrong("fields of the message: %s" % about)
    print("status", kind, dict(about).get("original-envelope-id", "-"))
    if len(blocks) < 2:
        wrong("no recipient")
    for block in blocks[1:]:
        check_recipient(fields_of(block))


def raw_parts(data, boundary):
    """Header and body of each part as they stand there."""
    pieces = data.split(b"\r\n--" + boundary.encode())
    for piece in pieces[1:-1]:
        head, _, body = piece[2:].partition(b"\r\n\r\n")
        yield head, body
    if not pieces[-1].startswith(b"--"):
        wrong("it does not end")


def check_returned(part, raw):
    kind = part.get_content_type()
    header = raw.partition(b"\r\n\r\n")[0]
    if kind.startswith("message/global"):
        header.decode("utf-8")
    elif not header.isascii() and part.get("Content-Transfer-Encoding") != "8bit":
        wrong("eight bits in %s" % kind)
    if kind.endswith("headers") and raw.partition(b"\r\n\r\n")[2]:
        wrong("more than headers")
    print("returned", kind, len(raw))


def check(data):
    message = email.message_from_bytes(data, policy=email.policy.SMTPUTF8)
    if message.get_content_type() != "multipart/report" or \
            message.get_param("report-type") != "delivery-status":
        wrong("no report")
    if not message["Auto-Submitted"] or not message["Message-ID"] or not message["Date"]:
        wrong("a field of the message is missing")
    for line in data.split(b"\r\n"):
        if len(line) > 998 or b"\n" in line:
            wrong("a line: %r" % line[:40])
    parts = list(raw_parts(data, message.get_boundary()))
    if [part.get_content_type() for part in message.iter_parts()][0] != "text/plain" or \
            len(parts) not in (2, 3):
        wrong("parts")
    for i, (head, body) in enumerate(parts):
        part = email.message_from_bytes(head + b"\r\n\r\n", policy=email.policy.SMTPUTF8)
        if part.get("Content-Transfer-Encoding", "7bit") == "7bit" and not body.isascii():
            wrong("eight bits in part %d" % i)
        if i == 1:
            check_status(part, body)
        if i == 2:
            check_returned(part, body)
    print("to", message["To"])


for name in sys.stdin.read().splitlines():
    with open(name, "rb") as source:
        check(source.read())
