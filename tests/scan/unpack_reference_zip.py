#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes zips with the methods that Python does not know, and says what is in them.

  unpack_reference_zip.py FOLDER

The output is that of unpack_reference.py. Shrunk and imploded members are packed here; unzip, where it is
installed, is asked whether they are what they should be. Deflate64 is 7-Zip's.
"""
import hashlib
import io
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib

rng = random.Random(9)
noise = bytes(rng.getrandbits(8) for _ in range(70000))
words = [bytes(rng.choice(b"abcdefghij ") for _ in range(rng.randrange(2, 9))) for _ in range(400)]
prose = b" ".join(rng.choice(words) for _ in range(30000))
text = b"".join(b"line %d of some text that repeats itself\r\n" % i for i in range(3000))
# In the order in which every tool lists them.
inputs = [("a.txt", b"T"), ("far", noise + noise[:3000] + text), ("noise.bin", noise),
          ("prose.txt", prose), ("runs", b"ab" * 40000 + bytes(3000)), ("text.txt", text)]
skipped = set()


class Bits:
    def __init__(self):
        self.out = bytearray()
        self.hold = 0
        self.held = 0

    def put(self, value, bits):
        self.hold |= value << self.held
        self.held += bits
        while self.held >= 8:
            self.out.append(self.hold & 255)
            self.hold >>= 8
            self.held -= 8

    def code(self, code, bits):
        """Its first bit is the highest."""
        for i in reversed(range(bits)):
            self.put(code >> i & 1, 1)

    def bytes(self):
        return bytes(self.out) + (bytes([self.hold & 255]) if self.held else b"")


# ---- shrink ------------------------------------------------------------------------------------

class Shrink:
    """LZW with codes of 9 to 13 bits, the leaves cleared whenever no code is free."""

    def __init__(self):
        self.bits = Bits()
        self.width = 9
        self.entries = {}  # code to what it goes on from, and the byte
        self.codes = {}    # the other way round, but for those that go on from a code that was cleared
        self.newest = 256

    def emit(self, code):
        while code >= 1 << self.width:
            self.bits.put(256, self.width)
            self.bits.put(1, self.width)
            self.width += 1
        self.bits.put(code, self.width)

    def clear(self):
        self.bits.put(256, self.width)
        self.bits.put(2, self.width)
        parents = {parent for parent, _ in self.entries.values()}
        self.entries = {c: e for c, e in self.entries.items() if c in parents}
        self.codes = {e: c for e, c in self.codes.items() if c in parents}
        self.newest = 256

    def free(self):
        code = self.newest + 1
        while code in self.entries:
            code += 1
        return code

    def add(self, prefix, byte):
        if self.free() == 8192:
            self.clear()
        code = self.free()
        self.newest = code
        self.entries[code] = (prefix, byte)
        if prefix < 257 or prefix in self.entries:
            self.codes[prefix, byte] = code

    def pack(self, data):
        prefix = data[0]
        for byte in data[1:]:
            if (prefix, byte) in self.codes:
                prefix = self.codes[prefix, byte]
                continue
            self.emit(prefix)
            self.add(prefix, byte)
            prefix = byte
        self.emit(prefix)
        return self.bits.bytes()


# ---- implode -----------------------------------------------------------------------------------

def lengths_of(counts, limit=16):
    """Lengths of a complete set of codes for all symbols, short ones for frequent symbols."""
    weights = {i: c + 1 for i, c in enumerate(counts)}
    while True:
        trees = [(w, [i]) for i, w in weights.items()]
        lengths = [0] * len(counts)
        while len(trees) > 1:
            trees.sort(key=lambda t: -t[0])
            a, b = trees.pop(), trees.pop()
            for i in a[1] + b[1]:
                lengths[i] += 1
            trees.append((a[0] + b[0], a[1] + b[1]))
        if max(lengths) <= limit:
            return lengths
        weights = {i: w // 2 + 1 for i, w in weights.items()}


def codes_of(lengths):
    """As APPNOTE has it: from the last of the longest on, upwards; the first bit is the highest."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    code = increment = last = 0
    codes = {}
    for i in reversed(order):
        code += increment
        if lengths[i] != last:
            last = lengths[i]
            increment = 1 << (16 - last)
        codes[i] = (code >> (16 - last), last)
    return codes


def tree_bytes(lengths):
    out = []
    i = 0
    while i < len(lengths):
        run = 1
        while run < 16 and i + run < len(lengths) and lengths[i + run] == lengths[i]:
            run += 1
        out.append((run - 1) << 4 | (lengths[i] - 1))
        i += run
    return bytes([len(out) - 1]) + bytes(out)


def matches(data, window, least):
    """Literals and (length, distance)."""
    table = {}
    i = 0
    while i < len(data):
        key = data[i:i + 3]
        at = table.get(key, -1)
        n = 0
        if len(key) == 3 and at >= 0 and i - at <= window:
            while n < least + 63 + 255 and i + n < len(data) and data[at + n] == data[i + n]:
                n += 1
        if n >= 3:
            yield n, i - at
        else:
            n = 1
            yield data[i], 0
        for j in range(i, i + n):
            table[data[j:j + 3]] = j
        i += n


def implode(data, is_great, has_literals):
    low = 7 if is_great else 6
    least = 3 if has_literals else 2
    steps = list(matches(data, 64 << low, least))
    counts = [[0] * 256, [0] * 64, [0] * 64]
    for value, distance in steps:
        if distance == 0:
            counts[0][value] += 1
        else:
            counts[1][min(value - least, 63)] += 1
            counts[2][distance - 1 >> low] += 1
    lengths = [lengths_of(c) for c in counts]
    codes = [codes_of(x) for x in lengths]
    bits = Bits()
    for value, distance in steps:
        bits.put(1 if distance == 0 else 0, 1)
        if distance == 0 and has_literals:
            bits.code(*codes[0][value])
        elif distance == 0:
            bits.put(value, 8)
        else:
            bits.put(distance - 1 & (1 << low) - 1, low)
            bits.code(*codes[2][distance - 1 >> low])
            bits.code(*codes[1][min(value - least, 63)])
            if value - least >= 63:
                bits.put(value - least - 63, 8)
    trees = b"".join(tree_bytes(x) for x in lengths[0 if has_literals else 1:])
    return trees + bits.bytes()


# ---- zips --------------------------------------------------------------------------------------

def make_zip(entries, disk=0, tail=b""):
    """entries: name, contents, method, flags, packed."""
    out = directory = b""
    for name, data, method, flags, packed in entries:
        common = struct.pack("<HHHHHIIIHH", 20, flags, method, 0, 0x21, zlib.crc32(data), len(packed),
                             len(data), len(name), 0)
        directory += struct.pack("<IH", 0x02014B50, 20) + common + struct.pack(
            "<HHHII", 0, disk, 0, 0, len(out)) + name.encode()
        out += struct.pack("<I", 0x04034B50) + common + name.encode() + packed
    return out + directory + struct.pack("<IHHHHIIH", 0x06054B50, disk, disk, len(entries), len(entries),
                                         len(directory), len(out), 0) + tail


def deflate64():
    if shutil.which("7zz") is None:
        skipped.add("7zz")
        return None
    with tempfile.TemporaryDirectory() as where:
        for name, data in inputs:
            with open(os.path.join(where, name), "wb") as file:
                file.write(data)
        subprocess.run(["7zz", "a", "-bd", "-tzip", "-mm=Deflate64", "made.zip"] + [n for n, _ in inputs],
                       cwd=where, check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(where, "made.zip"), "rb") as file:
            return file.read()


def check(path):
    if shutil.which("unzip") is None:
        skipped.add("unzip")
        return
    subprocess.run(["unzip", "-tqq", path], check=True, stdout=subprocess.DEVNULL)


good = {"shrink.zip": make_zip([(n, d, 1, 0, Shrink().pack(d)) for n, d in inputs])}
for flags in (0, 2, 4, 6):
    good["implode-%d.zip" % flags] = make_zip(
        [(n, d, 6, flags, implode(d, flags & 2, flags & 4)) for n, d in inputs])
good["deflate64.zip"] = deflate64()

imploded = implode(text, True, True)
deflated = zlib.compress(text)[2:-4]
# A stored block that goes on to the end of the archive and further.
unended = make_zip([("a", b"some", 8, 0, b"\0\x60\xea\x9f\x15some"), ("t", text, 8, 0, deflated)])


def make_lzma():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("t"), text, zipfile.ZIP_LZMA)
    return out.getvalue()


def patched(data, at, value):
    return data[:at] + struct.pack("<I", value) + data[at + 4:]


lzma = make_lzma()
odd = {
    # Cut short: what came until then is given.
    "implode-broken.zip": (make_zip([("t", text, 6, 0, imploded)]), "suspect", "broken-archive"),
    # A size that is smaller than what comes out has a wrong checksum, too.
    "implode-short.zip": (make_zip([("t", text, 6, 6, imploded)]).replace(
        struct.pack("<I", len(text)), struct.pack("<I", len(text) - 100)), "suspect", "broken-archive"),
    "reduce.zip": (make_zip([("t", text, 2, 0, b"x" * 300)]), "suspect", "unsupported-method"),
    # The last of several pieces, and the first.
    "split-last.zip": (make_zip([("t", b"TEST", 0, 0, b"TEST")], disk=1), "suspect", "split-archive"),
    # Others follow the directory past a member that does not end where it should.
    "unended.zip": (unended, "suspect", "ambiguous-archive"),
    "unended-inside.zip": (b"MZ" + unended, "suspect", "ambiguous-archive"),
    "unended-later.zip": (unended.replace(b"\x14\0\0\0", b"\x14\0\x08\0"), "suspect", "ambiguous-archive"),
    # LZMA is left to the library, but not what the directory says otherwise.
    "lzma-short.zip": (patched(lzma, 18, 1), "suspect", "ambiguous-archive"),
    "lzma-folder.zip": (patched(lzma, lzma.index(b"PK\1\2") + 38, 0o040755 << 16), "suspect", "ambiguous-archive"),
    "lzma-link.zip": (patched(lzma, lzma.index(b"PK\1\2") + 38, 0o120777 << 16), "suspect", "broken-archive"),
    # There are readers that do not ask for the signatures of members.
    "no-member.zip": (make_zip([("t", text, 8, 0, deflated)]).replace(b"PK\3\4", b"PK\3\0"), "suspect", "ambiguous-archive"),
    "split-first.z01": (b"PK\7\10" + make_zip([("t", noise, 0, 0, noise)])[:50000], "suspect",
                        "split-archive"),
}


def main():
    folder = sys.argv[1]
    for name, data in good.items():
        if data is None:
            continue
        path = os.path.join(folder, name)
        with open(path, "wb") as file:
            file.write(data)
        check(path)
        print("F\t%s\tclean\t" % path)
        for member, contents in inputs:
            print("M\t0\t%s\t%d\t%s" % (member.encode().hex(), len(contents),
                                       hashlib.sha256(contents).hexdigest()))
    for name, (data, verdict, reason) in odd.items():
        path = os.path.join(folder, name)
        with open(path, "wb") as file:
            file.write(data)
        print("F\t%s\t%s\t%s\n-" % (path, verdict, reason))
    for name in sorted(skipped):
        print("unpack_reference_zip.py: there is no %s" % name, file=sys.stderr)


if __name__ == "__main__":
    main()
