#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes BinHex and RTF files, and says what is in them, as unpack_reference.py does."""
import binascii
import gzip
import hashlib
import os
import random
import struct
import sys

DIGITS = "!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"
BANNER = b"(This file must be converted with BinHex 4.0)\r\n"
rng = random.Random(7)
noise = bytes(rng.getrandbits(8) for _ in range(20000))
runs = noise[:90] + b"\x90" * 9 + bytes(700) + b"\x90a\x90\x90b" + noise[:40]
packed = gzip.compress(noise[:99], mtime=0)


def with_runs(data):
    out, at = b"", 0
    while at < len(data):
        n = 1
        while at + n < len(data) and n < 255 and data[at + n] == data[at]:
            n += 1
        out += b"\x90\0" if data[at] == 0x90 else data[at:at + 1]
        if n > 3:
            out += b"\x90" + bytes([n])
        else:
            n = 1
        at += n
    return out


def summed(data, wrong=0):
    return data + struct.pack(">H", binascii.crc_hqx(data, 0) ^ wrong)


def binhex(name, data, resource=b"", wrong=0):
    head = bytes([len(name)]) + name + b"\0TEXTttxt\0\0" + struct.pack(">II", len(data), len(resource))
    body = with_runs(summed(head) + summed(data, wrong) + summed(resource))
    bits = "".join("{:08b}".format(byte) for byte in body)
    bits += "0" * (-len(bits) % 6)
    text = ":" + "".join(DIGITS[int(bits[i:i + 6], 2)] for i in range(0, len(bits), 6)) + ":"
    return BANNER + b"\r\n".join(text[i:i + 64].encode() for i in range(0, len(text), 64)) + b"\r\n"


def text(data):
    return struct.pack("<I", len(data)) + data


def package(name, data):
    return (b"\2\0" + name + b"\0C:\\x\\" + name + b"\0" + struct.pack("<HH", 0, 3) +
            text(b"C:\\temp\0") + text(data))


def ole1(kind, data):
    return struct.pack("<II", 0x501, 2) + text(kind + b"\0") + text(b"") + text(b"") + text(data)


def rtf(*objects):
    return (b"{\\rtf1\\ansi{\\fonttbl{\\f0 Times;}} abc \\'e4 12 "
            + b"".join(b"{\\object\\objemb{\\*\\objclass Package}{\\*\\objdata " + data + b"}{\\result x 1}}"
                       for data in objects) + b"}")


def lines(data):
    digits = data.hex().encode()
    return b"\r\n".join(digits[i:i + 128] for i in range(0, len(digits), 128))


def hidden(data):
    """Between the digits what readers leave out."""
    digits = data.hex().encode()
    return (b"\\par " + digits[:3] + b"{\\*\\gone 41414141}\t" + digits[3:8] + b"\\'41" + digits[8:20]
            + b"{\\kept " + digits[20:40] + b"}\\bin4 " + data[20:24] + digits[48:].upper())


one = ole1(b"Package", package(b"in.gz", packed))
other = ole1(b"Equation.3", noise)
cases = {
    "plain.hqx": (binhex(b"name.txt", noise), "clean", "", [(0, "name.txt", noise)]),
    "words-first.hqx": (b"Hello: this is\r\n:not it\r\n" + binhex(b"n", runs), "clean", "",
                        [(0, "n", runs)]),
    "forks.hqx": (binhex(b"f", runs, packed), "clean", "",
                  [(0, "f", runs), (0, "f/rsrc", packed), (2, "", noise[:99])]),
    "empty.hqx": (binhex(b"empty", b""), "clean", "", [(0, "empty", b"")]),
    "resource.hqx": (binhex(b"r", b"", noise[:50]), "clean", "",
                     [(0, "r", b""), (0, "r/rsrc", noise[:50])]),
    "long-name.hqx": (binhex(b"n" * 255, noise), "clean", "", [(0, "n" * 255, noise)]),
    "wrong.hqx": (binhex(b"w", noise, wrong=1), "suspect", "broken-archive", [(0, "w", noise)]),
    "cut.hqx": (binhex(b"c", noise)[:9000], "clean", "", None),
    "package.rtf": (rtf(lines(one)), "clean", "",
                    [(0, "objdata", one), (1, "in.gz", packed), (2, "", noise[:99])]),
    "objects.rtf": (rtf(lines(other), lines(one)), "clean", "",
                    [(0, "objdata", other), (1, "Equation.3", noise), (0, "objdata", one),
                     (3, "in.gz", packed), (4, "", noise[:99])]),
    "hidden.rtf": (rtf(hidden(one)), "clean", "",
                   [(0, "objdata", one), (1, "in.gz", packed), (2, "", noise[:99])]),
    "path-7.rtf": (rtf(lines(ole1(b"Package", package(b"in.gz", packed).replace(text(b"C:\\temp\0"), b"\7\0\0\0C:\\temp\0")))),
                   "suspect", "ambiguous-archive", None),
    "capitals.rtf": (rtf(lines(one)).replace(b"\\objdata", b"\\OBJDATA"), "clean", "",
                     [(0, "objdata", one), (1, "in.gz", packed), (2, "", noise[:99])]),
    "cut.rtf": (rtf(lines(other))[:9000], "clean", "", None),
    "not-ole.rtf": (rtf(lines(noise[:500])), "clean", "", [(0, "objdata", noise[:500])]),
}


def put(folder, name, data, verdict, reason, found):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(data)
    print("F", path, verdict, reason, sep="\t")
    if found is None:
        print("-")
    for parent, member, inner_data in found or []:
        print("M", parent, member.encode().hex(), len(inner_data),
              hashlib.sha256(inner_data).hexdigest(), sep="\t")


for case_name, case in cases.items():
    put(sys.argv[1], case_name, *case)
