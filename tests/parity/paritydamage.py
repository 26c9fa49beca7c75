# SPDX-License-Identifier: BSD-3-Clause
"""Mails that are damaged at random in their headers, boundaries and the first lines of encoded parts.

Readers differ in what they make of such mails, and nobody can say which one is right. So all that is asked is
that hardly ever ClamAV finds an attachment where we find nothing and say nothing.
"""
import base64
import binascii
import hashlib
import os

import paritygen

PIECES = [b" ", b"\t", b"\r", b"\n", b"\0", b";", b":", b"=", b"\"", b"'", b"--", b"-", b"(x)", b"(", b")", b"\\", b"\xff",
          b"\xa0", b",", b"/", b"\n ", b"\n\n", b"x", b"%20", b"=?us-ascii?q?x?=", b"\x0b", b"\x0c", b"<", b"\x1a"]
LINES = [b"Content-Type: text/plain", b"Content-Transfer-Encoding: 7bit", b"Content-Transfer-Encoding: base64",
         b"Content-Type: multipart/mixed; boundary=other", b"garbage", b" folded", b"X: y", b"--in", b"--in--", b"--out", b"",
         b"--", b"Content-Disposition: inline", b".", b"begin 644 z", b"Content-Type: message/rfc822",
         b"Content-Type: application/octet-stream", b"MIME-Version: 2.0", b"Content-Type:"]
TOP = b"From: a@example.org\nTo: b@example.org\nSubject: x\nMIME-Version: 1.0\n"


def encoded(coding, data):
    if coding == b"base64":
        return base64.encodebytes(data)
    if coding == b"quoted-printable":
        lines = [data[at:at + 20] for at in range(0, len(data), 20)]
        return b"=\n".join(b"".join(b"=%02X" % c for c in line) for line in lines) + b"\n"
    lines = [binascii.b2a_uu(data[at:at + 45]) for at in range(0, len(data), 45)]
    return b"begin 644 a.bin\n" + b"".join(lines) + b"`\nend\n"


def whole(rng, data):
    coding = rng.choice([b"base64", b"base64", b"quoted-printable", b"x-uuencode"])
    part = (b"Content-Type: application/octet-stream; name=\"a.bin\"\nContent-Transfer-Encoding: " + coding
            + b"\nContent-Disposition: attachment; filename=\"a.bin\"\n\n" + encoded(coding, data))
    inner = (b"Content-Type: multipart/mixed; boundary=\"in\"\n\npreamble\n--in\nContent-Type: text/plain\n\nhello\n\n--in\n"
             + part + b"\n--in--\nepilogue\n")
    form = rng.random()
    if form < 0.15:
        return TOP + part
    if form < 0.6:
        return TOP + inner
    if form < 0.8:
        return TOP + b"Content-Type: multipart/alternative; boundary=out\n\n--out\n" + inner + b"\n--out--\n"
    return TOP + b"Content-Type: message/rfc822\n\n" + TOP + inner


def damaged(rng, mail):
    for _ in range(rng.choice([1, 1, 2, 3])):
        lines = mail.split(b"\n")
        places = [n for n, line in enumerate(lines) if b":" in line or line[:2] == b"--" or line[:5] == b"begin" or not line]
        at, how = rng.choice(places), rng.random()
        line = lines[at]
        cut = rng.randrange(len(line) + 1)
        if how < 0.5:
            lines[at] = line[:cut] + rng.choice(PIECES) + line[cut:]
        elif how < 0.6:
            lines[at] = line[:cut] + line[cut + 1:]
        elif how < 0.8:
            lines.insert(at, rng.choice(LINES))
        elif how < 0.87:
            lines.insert(at, lines[rng.choice(places)])
        elif how < 0.93:
            del lines[at]
        else:
            lines[at] = line.swapcase()
        mail = b"\n".join(lines)
    return mail.replace(b"\n", b"\r\n") if rng.random() < 0.5 else mail


def write(rng, count, database, files):
    """Writes the mails, and a signature of what is attached to each."""
    mark = paritygen.some(rng, paritygen.BINARY, 16)
    with open(os.path.join(database, "attached.ndb"), "w", encoding="ascii") as file:
        file.write("Attached:0:*:%s\n" % mark.hex())
    for number in range(count):
        data = paritygen.some(rng, paritygen.BINARY, 200) + mark + paritygen.some(rng, paritygen.BINARY, 60)
        with open(os.path.join(files, "%05d.eml" % number), "wb") as file:
            file.write(damaged(rng, whole(rng, data)))


def message(data):
    return (TOP + b"Content-Type: multipart/mixed; boundary=\"in\"\n\n--in\nContent-Type: text/plain\n\nhello\n--in\n"
            + b"Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n" + encoded(b"base64", data)
            + b"--in--\n")


def beside(rng, inner, data):
    """A mail with a message and a file beside it, in any order, with boundaries that may be the message's own."""
    coding = rng.choice([b"base64", b"quoted-printable", b"x-uuencode"])
    attached = b"Content-Type: message/rfc822\n" + rng.choice([
        b"\n" + inner, b"Content-Transfer-Encoding: base64\n\n" + encoded(b"base64", inner)])
    parts = [attached, b"Content-Type: application/octet-stream; name=\"a.bin\"\nContent-Transfer-Encoding: " + coding
             + b"\n\n" + encoded(coding, data)] + [attached] * (rng.random() < 0.3)
    rng.shuffle(parts)
    mark = rng.choice([b"out", b"in", b"inn", b"i"])
    return (TOP + b"Content-Type: multipart/mixed; boundary=" + mark + b"\n\n"
            + b"".join(b"--" + mark + b"\n" + part + b"\n" for part in parts) + b"--" + mark + b"--\n")


def write_allowed(rng, count, folders, files):
    """Damaged mails of an allowed message and a file, and whole ones whose message has the file in it; the signature in both
    folders, the allow list in the second. Returns the names of the whole ones."""
    data = paritygen.some(rng, paritygen.BINARY, 90)
    harmless, holder = message(b"harmless" * 30), message(data)
    for folder in folders:
        with open(os.path.join(folder, "attached.ndb"), "w", encoding="ascii") as file:
            file.write("Attached:0:*:%s\n" % data[30:60].hex())
    with open(os.path.join(folders[1], "attached.sfp"), "w", encoding="ascii") as file:
        for text in {end for one in (harmless, holder) for form in (one, one.replace(b"\n", b"\r\n"))
                     for end in (form, form.rstrip(b"\r\n"), form + b"\n", form + b"\r\n")}:
            file.write("%s:%d:listed\n" % (hashlib.sha256(text).hexdigest(), len(text)))
    for number in range(count):
        with open(os.path.join(files, "%05d.eml" % number), "wb") as file:
            file.write(damaged(rng, beside(rng, harmless, data)))
    for number in range(20):
        with open(os.path.join(files, "whole%02d.eml" % number), "wb") as file:
            file.write(beside(rng, holder, b"harmless" * 30))
    return {"whole%02d.eml" % number for number in range(20)}
