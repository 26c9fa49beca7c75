#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes compound files (OLE2), and says what is in them, as unpack_reference.py does.

They are written here, and read by olefile where it is installed: what it finds is what is expected.
"""
import gzip
import hashlib
import io
import os
import random
import struct
import sys
import zipfile
import zlib

try:
    import olefile
except ImportError:
    olefile = None
    print("unpack_reference_ole2.py: no olefile", file=sys.stderr)

FREE, END, FATS, NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
rng = random.Random(6)
noise = bytes(rng.getrandbits(8) for _ in range(20000))


class Compound:
    """Streams by path, written as sectors: the data, small data, directory, tables."""

    def __init__(self, streams, version=3, shift=0):
        self.shift = shift or (9 if version == 3 else 12)
        self.size = 1 << self.shift
        self.version = version
        self.sectors, self.fat = [], []
        self.entries = [["Root Entry", 5, NONE, NONE, NONE, END, 0]]
        self.mini, self.mini_fat = b"", []
        folders = {(): 0}
        for path, data in streams:
            parts = path.split("/")
            for depth in range(1, len(parts)):
                if tuple(parts[:depth]) not in folders:
                    folders[tuple(parts[:depth])] = self.entry(
                        folders[tuple(parts[:depth - 1])], parts[depth - 1], 1, 0, 0)
            small = len(data) < 4096
            first = self.put_mini(data) if small else self.put(data)
            self.entry(folders[tuple(parts[:-1])], parts[-1], 2, first, len(data))

    def entry(self, parent, name, kind, first, size):
        at = len(self.entries)
        # Each is the right neighbour of the one before it: a list is a tree too.
        if self.entries[parent][4] == NONE:
            self.entries[parent][4] = at
        else:
            last = self.entries[parent][4]
            while self.entries[last][3] != NONE:
                last = self.entries[last][3]
            self.entries[last][3] = at
        self.entries.append([name, kind, NONE, NONE, NONE, first, size])
        return at

    def put(self, data):
        if not data:
            return END
        first = len(self.sectors)
        for at in range(0, len(data), self.size):
            self.sectors.append(data[at:at + self.size].ljust(self.size, b"\0"))
            self.fat.append(len(self.sectors))
        self.fat[-1] = END
        return first

    def put_mini(self, data):
        if not data:
            return END
        first = len(self.mini_fat)
        for at in range(0, len(data), 64):
            self.mini += data[at:at + 64].ljust(64, b"\0")
            self.mini_fat.append(len(self.mini_fat) + 1)
        self.mini_fat[-1] = END
        return first

    def packed_entry(self, name, kind, left, right, child, first, size):
        text = name.encode("utf-16-le")
        return (text.ljust(64, b"\0") + struct.pack("<HBBIII", len(text) + 2 if name else 0, kind, 1,
                                                    left, right, child) + bytes(36)
                + struct.pack("<IQ", first, size))

    def bytes(self):
        per = self.size // 4
        self.entries[0][5], self.entries[0][6] = self.put(self.mini), len(self.mini)
        mini_table = self.put(b"".join(struct.pack("<I", n) for n in self.mini_fat).ljust(
            -(-len(self.mini_fat) // per) * self.size, b"\xff"))
        directory = b"".join(self.packed_entry(*entry) for entry in self.entries)
        while len(directory) % self.size:
            directory += self.packed_entry("", 0, NONE, NONE, NONE, 0, 0)
        directory_at = self.put(directory)
        tables, lists = 0, 0
        while tables * per < len(self.sectors) + tables + lists:
            tables += 1
            lists = max(0, -(-(tables - 109) // (per - 1)))
        fat = self.fat + [FATS] * tables + [FATS - 1] * lists
        first = len(self.sectors)
        numbers = list(range(first, first + tables))
        fat += [FREE] * (tables * per - len(fat))
        body = b"".join(self.sectors) + struct.pack("<%dI" % len(fat), *fat)
        rest = numbers[109:]
        for i in range(lists):
            part = rest[i * (per - 1):(i + 1) * (per - 1)]
            part += [FREE] * (per - 1 - len(part))
            body += struct.pack("<%dI" % per, *part,
                                first + tables + i + 1 if i + 1 < lists else END)
        numbers = (numbers[:109] + [FREE] * 109)[:109]
        header = struct.pack("<8s16x5H6x9I", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0x3E, self.version,
                             0xFFFE, self.shift, 6,
                             0 if self.version == 3 else len(directory) // self.size, tables,
                             directory_at, 0, 4096, mini_table,
                             -(-len(self.mini_fat) // per), first + tables if lists else END, lists)
        return (header + struct.pack("<109I", *numbers)).ljust(self.size, b"\0") + body


def compressed(text):
    """MS-OVBA 2.4.1, with a copy wherever three bytes or more have been there before."""
    out = b"\1"
    for start in range(0, len(text), 4096):
        chunk = text[start:start + 4096]
        tokens, at = b"", 0
        while at < len(chunk):
            flags, group = 0, b""
            for bit in range(8):
                if at >= len(chunk):
                    break
                bits = 4
                while 1 << bits < at:
                    bits += 1
                longest, offset = 0, 0
                for back in range(1, min(at, 1 << bits, 300) + 1):
                    n = 0
                    while at + n < len(chunk) and n < (1 << 16 - bits) + 2 and \
                            chunk[at + n - back] == chunk[at + n]:
                        n += 1
                    if n > longest:
                        longest, offset = n, back
                if longest >= 3:
                    group += struct.pack("<H", offset - 1 << 16 - bits | longest - 3)
                    flags |= 1 << bit
                    at += longest
                else:
                    group += chunk[at:at + 1]
                    at += 1
            tokens += bytes([flags]) + group
        if len(tokens) > 4096:
            out += struct.pack("<H", 0x3FFF) + chunk.ljust(4096, b"\0")
        else:
            out += struct.pack("<H", 0xB000 | len(tokens) - 1) + tokens
    return out


def native(name, data):
    inner = (struct.pack("<H", 2) + name + b"\0C:\\a\\" + name + b"\0" + struct.pack("<HHI", 0, 3, 8)
             + b"C:\\temp\0" + struct.pack("<I", len(data)) + data)
    return struct.pack("<I", len(inner)) + inner


def atom(kind, data, instance=0):
    return struct.pack("<HHI", instance << 4, kind, len(data)) + data


code = b"Attribute VB_Name = \"Module1\"\r\n" + b"".join(
    b"Sub Auto_Open%d()\r\n  Shell \"cmd %d\"\r\nEnd Sub\r\n" % (i, i * i) for i in range(400))
short = b"Attribute VB_Name = \"ThisDocument\"\r\n"
plain = [("WordDocument", bytes(12) + noise), ("empty", b""), ("one", b"1"), ("limit", noise[:4096]),
         ("below", noise[:4095]), ("Folder/Deeper/stream", b"deep"), ("Folder/other", noise[:700]),
         ("\5SummaryInformation", noise[:100])]
macros = [("Macros/VBA/dir", compressed(noise[:500])),
          ("Macros/VBA/_VBA_PROJECT", noise[:50]),
          ("Macros/VBA/Module1", noise[:3000].replace(b"\1", b"\2") + compressed(code)),
          ("Macros/VBA/ThisDocument", compressed(short)), ("Macros/PROJECT", b"ID=\"{}\"\r\n")]
with_code = {"Macros/VBA/Module1": [code], "Macros/VBA/ThisDocument": [short]}
inner_gzip = gzip.compress(noise[:99], mtime=0)


def expect(streams, more=None):
    found = []
    for path, data in streams:
        found.append((0, path, data))
        found += [(0, path + ".bas", text) for text in (more or {}).get(path, [])]
    return found


def check(data, streams):
    """olefile reads what was written."""
    if olefile is not None:
        with olefile.OleFileIO(data) as ole:
            found = {"/".join(path): ole.openstream(path).read() for path in ole.listdir()}
        assert found == dict(streams), (sorted(found), [path for path, _ in streams])
    return data


def patched(data, at, value):
    return data[:at] + value + data[at + len(value):]


def with_loop(data):
    """The first sectors of the first stream lead to each other for ever."""
    table = data.index(struct.pack("<I", 1) + struct.pack("<I", 2))
    return patched(data, table, struct.pack("<II", 1, 0))


def make_docx(parts):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for name, data in parts:
            package.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data)
    return out.getvalue()


cases = {}
for number in (3, 4):
    cases["plain-%d.doc" % number] = (check(Compound(plain, number).bytes(), plain), "clean", "",
                                      expect(plain))
    cases["macros-%d.doc" % number] = (check(Compound(macros, number).bytes(), macros), "clean", "",
                                       expect(macros, with_code))
for odd_shift in (7, 8, 10, 14, 16):
    cases["shift-%d.doc" % odd_shift] = (Compound(plain, 3, odd_shift).bytes(), "clean", "", expect(plain))
large = [("large", noise * 400), ("after", noise[:5000])]
cases["large.doc"] = (check(Compound(large).bytes(), large), "clean", "", expect(large))
moved = [("VBA/m", b"\1\x10\xb0junk" + compressed(short) + b"\0\0" + compressed(code))]
cases["macros-anywhere.doc"] = (Compound(moved).bytes(), "clean", "",
                                expect(moved, {"VBA/m": [short, code]}))
objects = [("ObjectPool/_1/\1Ole10Native", native(b"inner.gz", inner_gzip)),
           ("ObjectPool/_2/\1Ole10Native", struct.pack("<I", 9) + b"something"),
           ("Package", inner_gzip)]
cases["objects.doc"] = (Compound(objects).bytes(), "clean", "", [
    (0, objects[0][0], objects[0][1]), (0, "inner.gz", inner_gzip), (2, "", noise[:99]),
    (0, objects[1][0], objects[1][1]), (0, objects[1][0], b"something"),
    (0, "Package", inner_gzip), (6, "", noise[:99])])
for wrong in (7, 9):  # of the path before the file, which ends with a zero as well
    path_length = native(b"inner.gz", inner_gzip).replace(struct.pack("<I", 8) + b"C:", struct.pack("<I", wrong) + b"C:")
    begin = path_length.index(b"C:\\temp") + wrong
    length, = struct.unpack_from("<I", path_length, begin)
    cases["path-%d.doc" % wrong] = (Compound([("\1Ole10Native", path_length)]).bytes(), "clean", "", [
        (0, "\1Ole10Native", path_length), (0, "inner.gz", path_length[begin + 4:begin + 4 + length]),
        (0, "inner.gz", inner_gzip), (3, "", noise[:99])])
inner_ole = Compound([("in", b"inside")]).bytes()
slides = [("PowerPoint Document", atom(0x3E8, noise[:77]) + struct.pack("<HHI", 15, 1000, 60) + atom(
    0x1011, struct.pack("<I", len(inner_ole)) + zlib.compress(inner_ole), 1) + atom(
        0x1011, b"%!PS plain"))]
cases["slides.ppt"] = (Compound(slides).bytes(), "clean", "", [
    (0, slides[0][0], slides[0][1]), (0, slides[0][0] + "/object", inner_ole),
    (2, "in", b"inside"), (0, slides[0][0] + "/object", b"%!PS plain")])
project = Compound([(path.removeprefix("Macros/"), data) for path, data in macros]).bytes()
parts = [("[Content_Types].xml", b"<x/>"), ("word/vbaProject.bin", project), ("word/a.xml", b"<a/>")]
cases["macros.docm"] = (make_docx(parts), "clean", "", [
    (0, name, data) for name, data in parts[:2]] + [
    (2, path.removeprefix("Macros/"), data) for _, path, data in expect(macros, with_code)] + [
    (0, name, data) for name, data in parts[2:]])
for name, streams in {
        "package": [("EncryptionInfo", noise[:40]), ("EncryptedPackage", noise)],
        "workbook": [("Workbook", struct.pack("<HH16x", 0x809, 16) + struct.pack("<HH6x", 0x2F, 6) + noise)],
        "word": [("WordDocument", bytes(10) + b"\0\1" + noise)],
        "slides": [("Current User", bytes(12) + b"\xdf\xc4\xd1\xf3" + bytes(20))]}.items():
    cases["encrypted-%s.doc" % name] = (Compound(streams).bytes(), "suspect", "encrypted-archive",
                                        expect(streams))
plain_18 = Compound(plain, 3, 18).bytes()
table_of_small, table_of_all = (struct.unpack_from("<I", plain_18, at)[0] for at in (60, 76))
cases["shift-circle.doc"] = (patched(plain_18, (table_of_all + 1 << 18) + 4 * table_of_small, struct.pack(
    "<I", table_of_small)), "clean", "", expect(plain))
plain_3 = Compound(plain).bytes()
loop = with_loop(plain_3)
cases["loop.doc"] = (loop, "clean", "", None)
cases["cut.doc"] = (plain_3[:9000], "clean", "", None)
cases["header-only.doc"] = (plain_3[:512], "clean", "", [])
cases["no-directory.doc"] = (patched(plain_3, 48, b"\xff\xff\xff\x7f"), "clean", "", [])
cases["lists-loop.doc"] = (patched(plain_3, 68, b"\0\0\0\0"), "clean", "", None)
cases["not-linked.doc"] = (
    plain_3.replace(b"o\0n\0e\0" + bytes(58) + b"\x08\0\2\1" + struct.pack("<III", NONE, 4, NONE),
                    b"o\0n\0e\0" + bytes(58) + b"\x08\0\2\1" + struct.pack("<III", NONE, NONE, NONE)),
    "clean", "", [(parent, "/".join(path.split("/")[-1:]) if index >= 5 else path, data)
                  for index, (parent, path, data) in enumerate(expect(plain))])


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
